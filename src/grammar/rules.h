/* grammar/rules.h - a grammar as its readers (regex.c, gbnf.c, schema*.c) build it: rules whose
 * bodies are trees of expressions. Everything lives in the grammar's arena. */
#ifndef CMAT_GRAMMAR_RULES_H
#define CMAT_GRAMMAR_RULES_H
#include "core/mem.h"
#include "grammar/grammar.h"

typedef struct {
    uint32_t lo, hi; /* code points, both included */
} grammar_range;

typedef enum {
    EXPR_TEXT,   /* bytes; the empty text too */
    EXPR_SET,    /* one code point out of ranges */
    EXPR_CAT,    /* items one after the other */
    EXPR_ALT,    /* one of the items */
    EXPR_REPEAT, /* items[0], min to max times; max < 0: any number */
    EXPR_CALL,   /* a rule */
    EXPR_UNTIL /* free bytes up to and with the first occurrence of the text; `open`: they may also
                  end the rule before it comes */
} grammar_kind;

typedef struct grammar_expr grammar_expr;
struct grammar_expr {
    grammar_kind kind;
    bool open;
    int min, max;
    int rule;
    const char *text;            /* (n) bytes */
    const grammar_range *ranges; /* (n) ascending, apart */
    grammar_expr **items;        /* (n) */
    size_t n;
};

typedef struct {
    const char *name;
    grammar_expr *body; /* NULL: named, not defined yet */
    int line, column;   /* of its definition or first use; 0: not from a text */
} grammar_rule;

typedef struct {
    cmat_arena arena;
    const char *what; /* "regex", "grammar", "schema": begins messages */
    grammar_rule *rules;
    size_t n_rules, cap;
    int root;
} grammar_rules; /* all zero but what: empty */

void grammar_rules_clear(grammar_rules *g);
int grammar_rule_new(grammar_rules *g, const char *name, grammar_expr *body);

/* Lists in the making; passing one to grammar_cat or grammar_alt empties it. */
typedef struct {
    grammar_expr **items;
    size_t n, cap;
} grammar_list;
void grammar_list_add(grammar_list *l, grammar_expr *e);

grammar_expr *grammar_text(grammar_rules *g, const char *text, size_t n);           /* copied */
grammar_expr *grammar_set(grammar_rules *g, const grammar_range *ranges, size_t n); /* copied */
grammar_expr *grammar_cat(grammar_rules *g, grammar_list *l);
grammar_expr *grammar_cat_of(grammar_rules *g, size_t n, ...); /* of n grammar_expr * */
grammar_expr *grammar_alt(grammar_rules *g, grammar_list *l);
grammar_expr *grammar_repeat(grammar_rules *g, grammar_expr *e, int min, int max);
grammar_expr *grammar_call(grammar_rules *g, int rule);
grammar_expr *grammar_until(grammar_rules *g, const char *text, bool open);

/* A set of code points in the making. */
typedef struct {
    grammar_range *ranges;
    size_t n, cap;
} grammar_points;
void grammar_points_add(grammar_points *p, uint32_t lo, uint32_t hi);
void grammar_points_sort(grammar_points *p);   /* ascending, merged */
void grammar_points_invert(grammar_points *p); /* all others; sorts */
void grammar_points_clear(grammar_points *p);
#define GRAMMAR_LAST_POINT 0x10ffffu

/* A regular expression as an expression; in_json: of a text that stands in a JSON string, where
 * some characters are written as escapes. NULL on failure. */
grammar_expr *grammar_parse_regex(grammar_rules *g, const char *pattern, bool in_json,
                                  cmat_error *err);

/* The acceptor of the rules; takes and clears them, also on failure. */
cmat_status grammar_compile(cmat_acceptor **out, grammar_rules *g,
                            const cmat_grammar_trigger *trigger, cmat_error *err);
#endif
