/* env/house/pddl.h - a planning problem: the part of PDDL that ALFWorld's games use (typing, and,
 * or, not, exists, forall, =, conditional effects; costs are skipped), read from a domain's and a
 * problem's text.
 *
 * Objects are numbered in the order of their names. A fact is a bit: a predicate's facts lie in
 * row-major order of its arguments' index spaces, which are the objects of one type, or all objects
 * where the domain uses the predicate with another type than it declares. Facts that an action may
 * change ("fluent") come first, so that a state is the first n_fluent bits. */
#ifndef CMAT_ENV_HOUSE_PDDL_H
#define CMAT_ENV_HOUSE_PDDL_H
#include "cmat/error.h"
#include "core/mem.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOUSE_MAX_ARGS = 3, HOUSE_MAX_VARS = 16, HOUSE_MAX_EFFECTS = 64 };

typedef enum {
    HOUSE_TRUE, /* (and), () */
    HOUSE_ATOM,
    HOUSE_EQUAL,
    HOUSE_NOT,
    HOUSE_AND,
    HOUSE_OR,
    HOUSE_EXISTS,
    HOUSE_FORALL
} house_formula_kind;

typedef struct house_formula house_formula;
struct house_formula {
    house_formula_kind kind;
    int predicate;             /* of an atom */
    int n_args;                /* 2 of HOUSE_EQUAL */
    int args[HOUSE_MAX_ARGS];  /* an object, or ~i for the variable i of the schema */
    int first_var, n_vars;     /* of a quantifier: variables of the schema */
    house_formula *sub, *next; /* first part; next part of the parent */
};

typedef struct house_effect house_effect;
struct house_effect {
    const house_formula *when; /* NULL: always */
    int predicate, n_args, args[HOUSE_MAX_ARGS];
    bool add;
    house_effect *next;
};

/* An action, or the goal (no parameters, no effects). */
typedef struct {
    const char *name;
    const char *var_names[HOUSE_MAX_VARS]; /* "?r"; parameters first, then quantified ones */
    int var_types[HOUSE_MAX_VARS];
    int n_params, n_vars, n_effects;
    house_formula *pre;
    house_effect *effects;
} house_schema;

typedef struct {
    const char *name;
    int n_args, types[HOUSE_MAX_ARGS];
    bool any[HOUSE_MAX_ARGS]; /* index space: all objects, not those of the type */
    int size[HOUSE_MAX_ARGS]; /* of the index spaces */
    bool fluent;
    size_t first;  /* bit */
    size_t n_true; /* facts at the start */
} house_predicate;

typedef struct {
    const char *name;
    int type, index; /* index: among the objects of its type */
    bool named;      /* occurs in a fact of the start */
} house_object;

typedef struct {
    const char *name;
    int parent;   /* -1: none */
    int *objects; /* (n_objects) of exactly this type */
    int n_objects;
} house_type;

typedef struct {
    cmat_arena arena;
    house_type *types;
    house_object *objects;
    house_predicate *predicates;
    house_schema *actions, goal;
    int n_types, n_objects, n_predicates, n_actions;
    size_t n_fluent, n_bits;
    uint64_t *init; /* (n_bits / 64 + 1) */
} house_pddl;

/* *out is the caller's (house_pddl_free). */
cmat_status house_pddl_parse(house_pddl **out, const char *domain, const char *problem,
                             cmat_error *err);
void house_pddl_free(house_pddl *p); /* accepts NULL */

/* -1: none of that name. */
int house_pddl_type(const house_pddl *p, const char *name);
int house_pddl_object(const house_pddl *p, const char *name);
int house_pddl_predicate(const house_pddl *p, const char *name);
bool house_pddl_is_a(const house_pddl *p, int type, int wanted);
/* The bit of a fact, or SIZE_MAX: it can never be true. */
size_t house_pddl_bit(const house_pddl *p, int predicate, const int *objects);
#endif
