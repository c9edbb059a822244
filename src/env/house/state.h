/* env/house/state.h - what is true now, what may be done, and doing it.
 *
 * A state is two sets of bits over the fluent facts: those that are true, and those that an action
 * has made false (TextWorld's grammar can ask for the latter as "not_..."). */
#ifndef CMAT_ENV_HOUSE_STATE_H
#define CMAT_ENV_HOUSE_STATE_H
#include "env/house/pddl.h"

typedef struct {
    uint64_t *bits; /* (2 * n_words): true, then made false */
    size_t n_words; /* of each */
} house_state;

void house_state_init(house_state *s, const house_pddl *p);      /* to the start */
void house_state_copy(house_state *to, const house_state *from); /* of equal size */
void house_state_clear(house_state *s);

bool house_is_true(const house_pddl *p, const house_state *s, int predicate, const int *objects);

/* Steps through the facts of a predicate, in the order of their arguments' names. */
typedef struct {
    const house_pddl *p;
    const house_state *s;
    int predicate, index[HOUSE_MAX_ARGS];
    int wanted[HOUSE_MAX_ARGS];         /* an object, or -1: any */
    size_t stride[HOUSE_MAX_ARGS], bit; /* the present fact */
    bool made_false;                    /* steps through what was made false instead */
    bool begun;
} house_facts;
house_facts house_facts_of(const house_pddl *p, const house_state *s, int predicate,
                           const int *wanted, bool made_false);
/* The next fact's objects; false at the end. */
bool house_facts_next(house_facts *f, int *objects);

/* An action with its objects. */
typedef struct {
    int action;
    int args[HOUSE_MAX_VARS]; /* parameters; -1 beyond */
} house_move;

/* How the conditions of a problem's actions and goal are best searched: made once. */
typedef struct house_search house_search;
/* CMAT_ERR_LIMIT: a condition has too many alternatives. */
cmat_status house_search_new(house_search **out, const house_pddl *p, cmat_error *err);
void house_search_free(house_search *x); /* accepts NULL */

/* The moves that are possible and change something (as Fast Downward sees it: an action whose every
 * effect is among its own conditions is none), into *moves (room for *cap, grown); their number.
 * SIZE_MAX: the conditions are too hard to search. */
size_t house_moves(const house_search *x, const house_state *s, house_move **moves, size_t *cap);
bool house_goal(const house_search *x, const house_state *s);
/* The goal's alternatives (0, 1, ...), each a list of conditions that must all hold. NULL: no more.
 */
const house_formula *const *house_goal_parts(const house_search *x, int which, int *n);
void house_apply(const house_pddl *p, house_state *s, const house_move *m);
bool house_holds(const house_pddl *p, const house_state *s, const house_schema *schema,
                 const house_formula *f, int *args);
#endif
