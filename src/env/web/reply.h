/* env/web/reply.h - the action in a reply, in both styles, and how near it is to the right one. */
#ifndef CMAT_ENV_WEB_REPLY_H
#define CMAT_ENV_WEB_REPLY_H
#include "env/web/element.h"

typedef struct {
    web_op op;
    int element; /* short: its number, from 1; agentbench: the letter's, 0 for A (none of them) */
    char value[WEB_VALUE_MAX + 1]; /* one line */
} web_reply;

/* Our style: "CLICK 3", "TYPE 3: text", "SELECT 3: option", "MORE", "BACK", in the first line that
 * is no thought. False: there is no such line; *why (not NULL) says what is wrong. */
bool web_reply_short(const char *text, web_reply *out, const char **why);
/* AgentBench's: "Answer: C", "Action: SELECT", "Value: ..." anywhere, by its expressions. What is
 * missing is taken as the benchmark takes it: no answer is A, no action is none. False: there was
 * neither. */
bool web_reply_agentbench(const char *text, web_reply *out);

/* Token-set F1 of "OP value" against the right one. */
double web_action_f1(web_op op, const char *value, web_op gold_op, const char *gold_value);
#endif
