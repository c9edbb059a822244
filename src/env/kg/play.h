/* env/kg/play.h - one question being worked on: variables, what was listed, calls checked and run.
 */
#ifndef CMAT_ENV_KG_PLAY_H
#define CMAT_ENV_KG_PLAY_H
#include "env/kg/graph.h"

typedef enum {
    KG_GET_RELATIONS,
    KG_GET_NEIGHBORS,
    KG_INTERSECTION,
    KG_GET_ATTRIBUTES,
    KG_GET_ARGMAX,
    KG_GET_ARGMIN,
    KG_GET_COUNT,
    KG_ANSWER, /* not a tool of AgentBench's: what ends the episode */
    KG_N_TOOLS
} kg_tool;
extern const char *const kg_tool_names[KG_N_TOOLS];

typedef struct {
    kg_tool tool;
    int a, b;                         /* elements of the play; b: INTERSECTION only */
    char relation[KG_LABEL_MAX + 24]; /* or attribute */
} kg_call;

/* Why a call cannot be run. */
typedef enum {
    KG_FINE,
    KG_NO_CALL,      /* there is none */
    KG_BAD_SYNTAX,   /* a parenthesis or an argument is missing */
    KG_NO_TOOL,      /* no tool is called so */
    KG_NO_VARIABLE,  /* there is no such variable, or no variables yet */
    KG_NO_ENTITY,    /* none of the question's entities is called so */
    KG_NOT_A_SET,    /* an entity or a number where a variable of nodes is wanted */
    KG_NOT_LISTED,   /* relations or attributes were not asked for before */
    KG_NO_RELATION,  /* the variable has no such relation or attribute */
    KG_TYPES_DIFFER, /* intersection of what no node can be both */
    KG_TOO_LARGE,    /* or refused by the endpoint */
} kg_problem;

typedef struct {
    char *label;    /* ENTITY: as the question shows it; owned */
    char *type;     /* of its nodes; owned; "" not known */
    bool listed[2]; /* relations, attributes: were asked for */
    bool known[2];  /* lists[] holds them */
    kg_list lists[2];
} kg_item;

typedef struct {
    kg_graph *graph; /* borrowed */
    kg_expr
        *exprs; /* (n): first the question's entities in order of their labels, then variables */
    kg_item *items; /* (n) */
    size_t n, n_entities, cap_exprs, cap_items;
    int answer; /* the element that is the answer; -1: none yet */
} kg_play;

void kg_play_init(kg_play *p, kg_graph *g); /* without entities */
void kg_play_clear(kg_play *p);
/* Entities come in the order of their labels, all before the first variable. */
void kg_play_entity(kg_play *p, const char *label, const char *name);
size_t kg_play_n_variables(const kg_play *p);
/* The element of variable #k; -1: there is none. */
int kg_play_variable(const kg_play *p, size_t k);
/* The element made in the same way, or -1. */
int kg_play_find(const kg_play *p, kg_op op, int a, int b, const char *name);

/* Reads one call at the start of text (white space before it). by_name: entities are written by
 * their names, not their labels, as in gold calls. why: one line on what is wrong, with the call.
 */
kg_problem kg_call_read(const kg_play *p, const char *text, bool by_name, kg_call *c,
                        cmat_buf *why);
/* Appends the call as it is written; by_name as above. */
void kg_call_write(const kg_play *p, const kg_call *c, bool by_name, cmat_buf *out);

/* Whether the call can be run now. Changes nothing that can be seen. Only the outside fails. */
cmat_status kg_play_check(kg_play *p, const kg_call *c, kg_problem *problem, cmat_buf *why,
                          cmat_error *err);
/* The nodes that it would give (of ANSWER: has given). problem: KG_TOO_LARGE when that is so. */
cmat_status kg_play_size(kg_play *p, const kg_call *c, size_t *n, kg_problem *problem,
                         cmat_error *err);
/* Runs a call that was checked: *made is the new element, or -1. */
void kg_play_run(kg_play *p, const kg_call *c, int *made);
/* The relations (attributes) of an element that were listed: borrowed. */
cmat_status kg_play_list(kg_play *p, int i, bool attributes, const kg_list **out,
                         kg_problem *problem, cmat_error *err);
/* All calls that can be run now, as they are written, sorted, without those that give nothing new.
 */
cmat_status kg_play_calls(kg_play *p, kg_list *out, cmat_error *err);

/* The state as bytes: equal states give equal ones. restore: of the same question; false: of
 * another. */
void kg_play_save(const kg_play *p, cmat_buf *out);
bool kg_play_restore(kg_play *p, const void *state, size_t len);
#endif
