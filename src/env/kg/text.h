/* env/kg/text.h - what the Actor reads and writes, in our short style and in AgentBench's. */
#ifndef CMAT_ENV_KG_TEXT_H
#define CMAT_ENV_KG_TEXT_H
#include "env/kg/play.h"

const char *kg_rules(bool agentbench);
void kg_first_view(const kg_play *p, const char *question, bool agentbench, cmat_buf *out);
/* A list of relations or attributes, cut to budget bytes with a note on how many are left out. */
void kg_show_list(const kg_list *l, bool agentbench, size_t budget, cmat_buf *out);
/* A new variable; in the short style with its size and first members. */
cmat_status kg_show_variable(kg_play *p, int made, bool agentbench, cmat_buf *out, cmat_error *err);
/* The reply that says a call, or an answer, without a thought. */
void kg_write_reply(const kg_play *p, const kg_call *c, bool agentbench, cmat_buf *out);

/* A reply as it is understood. */
typedef struct {
    kg_problem problem;
    kg_call call;  /* where problem is KG_FINE */
    cmat_buf why;  /* where it is not: one line */
    cmat_buf said; /* AgentBench's: the call as it was written, with its arguments */
    bool closed;   /* AgentBench's: there was a parenthesis after it */
} kg_reply;        /* all zero at first */
void kg_reply_read(const kg_play *p, const char *reply, bool agentbench, kg_reply *r);
void kg_reply_clear(kg_reply *r);
/* What is answered to a reply that cannot be run; in the short style `why`. */
void kg_show_problem(const kg_reply *r, kg_problem problem, const char *why, bool agentbench,
                     cmat_buf *out);
#endif
