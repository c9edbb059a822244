/* env/house/grammar_impl.h - what parsing and rendering of a grammar share; not for users. */
#ifndef CMAT_ENV_HOUSE_GRAMMAR_IMPL_H
#define CMAT_ENV_HOUSE_GRAMMAR_IMPL_H
#include "env/house/grammar.h"

/* A variable in a condition or expression. */
typedef struct {
    const char *name, *type; /* type NULL in an expression: any variable of that name */
    int type_id;             /* once bound; -1: no such type */
} grammar_var;

typedef struct grammar_atom grammar_atom;
struct grammar_atom {
    const char *predicate; /* without "not_" */
    bool made_false;
    int predicate_id; /* once bound; -1: never true */
    int n_args;
    grammar_var args[HOUSE_MAX_ARGS];
    grammar_atom *next;
};

typedef enum { PART_NAME, PART_ID, PART_A, PART_THE, PART_TEXT } expr_part;
/* terms joined by '+', alternatives by "or": the first that is not empty. */
typedef struct grammar_expr grammar_expr;
struct grammar_expr {
    expr_part part;
    grammar_var var;
    const char *text;
    grammar_expr *plus, *otherwise;
};

typedef enum { SYMBOL_TEXT, SYMBOL_RULE, SYMBOL_EXPR } symbol_kind;
typedef struct grammar_symbol grammar_symbol;
struct grammar_symbol {
    symbol_kind kind;
    const char *text;                /* of SYMBOL_TEXT; name of SYMBOL_RULE */
    const struct grammar_rule *rule; /* once bound; NULL: no such rule */
    grammar_expr *expr;
    bool each, list; /* {... | given}; [{...}] */
    grammar_atom *given;
    grammar_symbol *next;
};

typedef struct grammar_choice grammar_choice;
struct grammar_choice {
    grammar_atom *condition; /* NULL: always */
    grammar_symbol *symbols;
    grammar_choice *next;
};

typedef struct grammar_rule grammar_rule;
struct grammar_rule {
    const char *name;
    grammar_choice *choices;
    grammar_rule *next;
};

typedef struct grammar_action grammar_action;
struct grammar_action {
    const char *name; /* lower case */
    const char *command_text, *feedback_text;
    grammar_symbol *command, *feedback;
    grammar_action *next;
};

struct house_grammar {
    cmat_arena arena;
    grammar_rule *rules;
    grammar_action *actions;
    const house_pddl *p;
    const char *const *names;
    const grammar_action **of; /* (n_actions of p) */
    const grammar_rule *list_empty, *list_separator, *list_last;
};

/* Parses a text with symbols. */
cmat_status house_symbols_parse(house_grammar *g, const char *text, const char *where,
                                grammar_symbol **out, cmat_error *err);
/* Parses "fact & fact". */
cmat_status house_condition_parse(house_grammar *g, const char *text, size_t len, const char *where,
                                  grammar_atom **out, cmat_error *err);
const grammar_rule *house_grammar_rule(const house_grammar *g, const char *name, size_t len);
#endif
