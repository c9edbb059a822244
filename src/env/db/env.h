/* env/db/env.h - one open database environment, shared by db.c, score.c and facts.c. */
#ifndef CMAT_ENV_DB_ENV_H
#define CMAT_ENV_DB_ENV_H
#include "env/db/db.h"
#include "env/db/reply.h"

typedef struct {
    cmat_env base;
    db_world *home;    /* of opts.path; NULL: none */
    db_world *world;   /* home, or the present task's; NULL before an inline task's reset */
    bool inline_world; /* world was made from the present task's own table */
    json_t *table;     /* the task's "table" that world was made from (owned) */
    bool agentbench;   /* prompt style */

    /* the episode */
    db_conn *conn;           /* NULL before the first reset */
    json_t *task;            /* owned; NULL before the first reset */
    const char *instruction; /* borrowed from task */
    cmat_buf question;       /* instruction and note */
    bool benchmark;          /* AgentBench's: MySQL's SQL wherever it runs, its way of scoring */
    bool mysql;              /* texts and names as MySQL spells them */
    char quote;              /* how names are quoted (schema.h) */
    bool write_task;         /* scored by the tables afterwards */
    bool answered;
    json_t *answer;   /* the list given, NULL: none */
    bool answer_rows; /* it came from a statement's rows */

    /* for error_kind */
    cmat_buf last_sql; /* the last statement run or proposed as the answer */
    int n_statements;
    bool looked;  /* a query was run before the first change or answer */
    bool thought; /* something was said before an action */
    bool bare_ok; /* a reply was little more than "OK" */
} db_env;

/* The action in a reply, in the environment's style. */
void db_env_action(const db_env *e, const char *reply, db_action *a);
/* The i-th gold statement, or NULL. */
const char *db_env_gold(const db_env *e, size_t i);
size_t db_env_n_gold(const db_env *e);
/* Runs the gold statements on a fresh copy; *r (cleared by the caller) is the last one's result.
 * CMAT_ERR_FORMAT: one of them is wrong. *conn is the copy afterwards, the caller's. */
cmat_status db_env_run_gold(db_env *e, db_conn **conn, db_result *r, cmat_error *err);

/* score.c */
cmat_status db_env_score(cmat_env *env, double *score, cmat_error *err);
const char *db_env_error_kind(cmat_env *env);
/* AgentBench v0.2's comparison of two answer lists; lenient: its later version's (numbers within
 * 0.01, no thousands' commas, no percent signs). */
bool db_answers_equal(const json_t *answer, const json_t *label, bool lenient);
/* Ours: rows as sets, numbers by value, the cells of a row in any order. */
bool db_rows_equal(const json_t *answer, const json_t *gold);
/* facts.c */
cmat_status db_env_dry_run(cmat_env *env, const char *reply, cmat_facts *facts, cmat_error *err);
/* slips.c */
bool db_env_slip(cmat_env *env, cmat_rng *rng, cmat_buf *out);
#endif
