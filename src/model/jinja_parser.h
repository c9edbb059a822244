/* model/jinja_parser.h - what the two halves of the parser share: jinja_expr.c reads expressions,
 * jinja_parse.c statements. */
#ifndef CMAT_MODEL_JINJA_PARSER_H
#define CMAT_MODEL_JINJA_PARSER_H
#include "model/jinja.h"

typedef struct {
    cmat_arena *arena;
    const jinja_token *t; /* the next token; the last one is JT_EOF */
    cmat_status st;
    cmat_error *err;
    int depth, loops;
    /* As jinja2 does, a filter or test that is not known is an error at once, but where a condition
     * stands before it: then when it is reached. */
    const jinja_token *unknown; /* the first such error, or NULL */
    const char *unknown_what;
    bool soft; /* under a condition */
} jinja_parser;

/* Records the first error, at k. Returns NULL. */
void *jp_fail_tok(jinja_parser *p, cmat_status st, const jinja_token *k, const char *what);
jinja_node *jp_node_new(jinja_parser *p, jinja_node_kind kind, const jinja_token *at);
/* One level deeper, or an error. */
bool jp_enter(jinja_parser *p);
bool jp_tok_is(const jinja_token *k, jinja_token_kind kind, const char *s);
bool jp_is_op(const jinja_parser *p, const char *s);
bool jp_is_name(const jinja_parser *p, const char *s);
/* Takes it when it comes next. */
bool jp_take_op(jinja_parser *p, const char *s);
bool jp_take_name(jinja_parser *p, const char *s);
/* Takes what must come next, or records an error. */
void jp_need_op(jinja_parser *p, const char *s);
void jp_need_kind(jinja_parser *p, jinja_token_kind kind, const char *what);
const char *jp_name_copy(jinja_parser *p, const jinja_token *k);
void jp_items_add(jinja_parser *p, jinja_node *n, jinja_node *item);
void jp_names_add(jinja_parser *p, jinja_node *n, const char *name);
void jp_args_add(jinja_parser *p, jinja_node *n, const char *name, jinja_node *value);
jinja_node *jp_expr_parse(jinja_parser *p);
jinja_node *jp_logic_parse(jinja_parser *p, bool is_or);
jinja_node *jp_tuple_parse(jinja_parser *p);
/* with_filter: also what stands behind | and is. */
jinja_node *jp_unary_parse(jinja_parser *p, bool with_filter);
jinja_node *jp_filter_parse(jinja_parser *p, jinja_node *n);
#endif
