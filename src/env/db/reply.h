/* env/db/reply.h - the action in an Actor's reply, in either prompt style. */
#ifndef CMAT_ENV_DB_REPLY_H
#define CMAT_ENV_DB_REPLY_H
#include "core/buf.h"
#include <jansson.h>
#include <stdbool.h>

typedef enum {
    DB_ACTION_NONE,  /* nothing that can be read as an action */
    DB_ACTION_SQL,   /* run it and look */
    DB_ACTION_FINAL, /* run it: its rows or its change are the answer */
    DB_ACTION_ANSWER /* a literal answer */
} db_action_type;

typedef struct {
    db_action_type type;
    bool thought;   /* something was said before the action */
    cmat_buf sql;   /* SQL and FINAL */
    cmat_buf text;  /* ANSWER: as written */
    json_t *answer; /* ANSWER: a list */
} db_action;
void db_action_clear(db_action *a);

/* "Think: ..." then "SQL: ...", "Final: ..." or "Answer: [...]". */
void db_reply_short(const char *reply, db_action *a);
/* AgentBench v0.2: "Action: Operation" and a ```sql block, or "Action: Answer" and "Final Answer:
 * [...]". */
void db_reply_agentbench(const char *reply, db_action *a);

/* What Python's list(eval(text)) gives, for texts that are literals; NULL where it would raise. */
json_t *db_python_list(const char *text);
#endif
