/* model/jinja.h - the parts of the chat-template interpreter: lexer, parser, values, evaluator.
 *
 * Only chat_template.c and the jinja_*.c files include this. Nodes, values and strings of a
 * template live in the arena of the template; those of a rendering in the arena of the rendering.
 */
#ifndef CMAT_MODEL_JINJA_H
#define CMAT_MODEL_JINJA_H
#include "cmat/error.h"
#include "core/buf.h"
#include "core/mem.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    JINJA_MAX_DEPTH = 128,       /* nesting of a template's text, and of macro calls */
    JINJA_MAX_EVAL_DEPTH = 1200, /* nested evaluations of one rendering */
    JINJA_MAX_STEPS = 4000000,   /* evaluations of one rendering */
    JINJA_MAX_OUTPUT = 4 << 20,  /* bytes of output, and of any one string */
    JINJA_MAX_MEMORY = 256 << 20 /* bytes that a rendering may allocate */
};

/* --- lexer --- */

typedef enum {
    JT_EOF,
    JT_TEXT,
    JT_VAR_BEGIN,
    JT_VAR_END,
    JT_BLOCK_BEGIN,
    JT_BLOCK_END,
    JT_NAME,
    JT_STRING,
    JT_INT,
    JT_FLOAT,
    JT_OP
} jinja_token_kind;

typedef struct {
    jinja_token_kind kind;
    int line, col;
    const char *s; /* text, name, decoded string, or operator */
    size_t len;
    int64_t i;
    double f;
} jinja_token;

typedef struct {
    jinja_token *items;
    size_t n, cap;
} jinja_tokens;

/* Cuts src (copied into the arena, line ends made "\n") into tokens; t->items is to be freed. */
cmat_status jinja_lex(cmat_arena *a, const char *src, size_t len, jinja_tokens *t, cmat_error *err);

/* --- syntax tree --- */

typedef enum {
    /* expressions */
    JN_CONST,
    JN_NAME,
    JN_LIST,
    JN_DICT,
    JN_ATTR,
    JN_INDEX,
    JN_SLICE,
    JN_CALL,
    JN_FILTER,
    JN_TEST,
    JN_NOT,
    JN_NEG,
    JN_POS,
    JN_BINARY,
    JN_COMPARE,
    JN_AND,
    JN_OR,
    JN_COND,
    /* statements */
    JN_TEXT,
    JN_OUTPUT,
    JN_FOR,
    JN_IF,
    JN_SET,
    JN_SET_BLOCK,
    JN_MACRO,
    JN_BODY,
    JN_FILTER_BLOCK,
    JN_CALL_BLOCK,
    JN_BREAK,
    JN_CONTINUE
} jinja_node_kind;

typedef struct jinja_node jinja_node;
typedef struct jinja_value jinja_value;

typedef struct {
    const char *name; /* NULL: positional */
    jinja_node *value;
} jinja_arg;

/* Which members a node uses is written at each case of the evaluator. */
struct jinja_node {
    jinja_node_kind kind;
    int line, col;
    int op; /* operator, filter or test number; flags */
    const char *name;
    size_t name_len;
    jinja_value *value;
    jinja_node *a, *b, *c, *d;
    jinja_node **items;
    size_t n_items;
    jinja_arg *args;
    size_t n_args;
    const char **names; /* targets of for and set, parameters of a macro */
    size_t n_names;
};

enum {
    JOP_ADD,
    JOP_SUB,
    JOP_MUL,
    JOP_DIV,
    JOP_FLOORDIV,
    JOP_MOD,
    JOP_POW,
    JOP_CONCAT,
    JOP_EQ,
    JOP_NE,
    JOP_LT,
    JOP_LE,
    JOP_GT,
    JOP_GE,
    JOP_IN,
    JOP_NOT_IN
};

/* The body of a template. Unknown filters, tests and statements are refused here. */
cmat_status jinja_parse(cmat_arena *a, const jinja_tokens *t, jinja_node **out, cmat_error *err);

/* --- values --- */

typedef enum {
    JV_UNDEFINED,
    JV_NONE,
    JV_BOOL,
    JV_INT,
    JV_FLOAT,
    JV_STRING,
    JV_LIST,
    JV_DICT,
    JV_NAMESPACE,
    JV_MACRO,
    JV_BUILTIN,
    JV_LOOP,
    JV_GENERATOR /* what map, select ... give: can be gone through once, is always true */
} jinja_kind;

typedef struct {
    jinja_value *items;
    size_t n, cap;
    int depth; /* of nested lists and dicts, this one counted */
    bool used; /* as a generator */
} jinja_list;

typedef struct {
    jinja_value *keys, *values; /* in the order they were added */
    size_t n, cap;
    int depth;
} jinja_dict;

struct jinja_value {
    jinja_kind kind;
    bool tuple;  /* a list that prints with () */
    bool markup; /* a string marked by the filters safe and escape */
    union {
        bool b;
        int64_t i;
        double f;
        struct {
            const char *s;
            size_t len;
        } str;
        jinja_list *list; /* also of a generator */
        jinja_dict *dict; /* also of a namespace */
        struct jinja_macro *macro;
        int builtin;
        struct jinja_loop *loop;
        const char *undefined; /* the name that was not defined, or NULL */
    } u;
};

typedef struct jinja_scope {
    struct jinja_scope *parent;
    jinja_dict vars;
} jinja_scope;

typedef struct jinja_macro {
    const jinja_node *node; /* JN_MACRO or JN_CALL_BLOCK */
    jinja_scope *scope;     /* where it was defined */
} jinja_macro;

typedef struct jinja_loop {
    const jinja_list *items;
    size_t index0;
    int depth;
} jinja_loop;

/* One rendering. After a failure st is set and everything returns at once. */
typedef struct {
    cmat_arena *arena;
    cmat_buf *out;
    jinja_scope *scope, *globals;
    cmat_status st;
    cmat_error *err;
    int depth, calls, loops;
    int64_t steps;
    size_t memory;
    int jump; /* JN_BREAK or JN_CONTINUE on its way to its loop */
} jinja_run;

/* Records the first error, with the node's place. Returns undefined, for use in return statements.
 */
jinja_value jinja_fail(jinja_run *r, cmat_status st, const jinja_node *at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* jinja_value.c */
void *jinja_alloc(jinja_run *r, size_t size); /* NULL after the memory limit was reached */
jinja_value jinja_string(const char *s, size_t len);
jinja_value jinja_text(const char *s); /* of a C string that lives long enough */
jinja_value jinja_copy(jinja_run *r, const char *s, size_t len);
jinja_value jinja_int(int64_t i);
jinja_value jinja_bool(bool b);
jinja_value jinja_list_new(jinja_run *r, size_t n);
void jinja_list_add(jinja_run *r, jinja_value list, jinja_value v);
jinja_value jinja_dict_new(jinja_run *r);
void jinja_dict_set(jinja_run *r, jinja_dict *d, jinja_value key, jinja_value v);
const jinja_value *jinja_dict_find(const jinja_dict *d, const char *key, size_t len);
const jinja_value *jinja_dict_get(const jinja_dict *d, jinja_value key);
bool jinja_truth(jinja_value v);
bool jinja_equal(jinja_value a, jinja_value b);
/* < 0, 0, > 0; *ok false: they have no order. */
int jinja_compare(jinja_value a, jinja_value b, bool *ok);
bool jinja_is_number(jinja_value v);
double jinja_number(jinja_value v);
size_t jinja_chars(const char *s, size_t len); /* code points */
/* As Python's str() or, quoted, repr(). */
void jinja_print(jinja_run *r, cmat_buf *b, jinja_value v, bool quoted);
const char *jinja_kind_name(jinja_value v);
/* The items of a list, the keys of a dict, the characters of a string. false: cannot be iterated.
 */
bool jinja_iterate(jinja_run *r, jinja_value v, jinja_list **out);
/* The shortest decimal that reads back as f, written as Python (json: its json.dumps) does. */
void jinja_float_print(cmat_buf *b, double f, bool json);
/* True, with a failure, when printing has gone too deep or too far. */
bool jinja_too_deep(jinja_run *r, const cmat_buf *b);

/* jinja_json.c */
jinja_value jinja_from_json(jinja_run *r, json_t *j, int depth);
/* As json.dumps. */
typedef struct {
    int indent; /* < 0: one line */
    bool sort_keys, ascii;
    const char *item_sep, *key_sep;
} jinja_json_style;
void jinja_json(jinja_run *r, cmat_buf *b, jinja_value v, const jinja_json_style *style, int level,
                const jinja_node *at);

/* Evaluated arguments of a call. */
typedef struct {
    jinja_value *pos;
    size_t n;
    const char **names; /* keywords */
    jinja_value *named;
    size_t n_named;
} jinja_args;
/* Argument i or the one called name; def when absent. */
jinja_value jinja_arg_get(const jinja_args *args, size_t i, const char *name, jinja_value def);

/* Python's white space, by code point. */
bool jinja_is_space(uint32_t cp);
/* s without the characters of chars (NULL: white space) at its start (side & 1) and end (side & 2).
 */
jinja_value jinja_strip(jinja_value s, const jinja_value *chars, int side);
jinja_value jinja_replace(jinja_run *r, jinja_value s, jinja_value from, jinja_value to,
                          int64_t count);
/* mode: 'u'pper, 'l'ower, 't'itle as str.title, 'w'ords as the filter title, 'c'apitalize. */
jinja_value jinja_case(jinja_run *r, jinja_value s, char mode);
/* As a string in which & < > " ' are escaped, unless it is marked already; marked. */
jinja_value jinja_escape(jinja_run *r, jinja_value v);
jinja_value jinja_pair(jinja_run *r, jinja_value a, jinja_value b);

/* jinja_string.c: the method `name` of a string; false: there is none. */
bool jinja_string_method(jinja_run *r, const jinja_node *at, jinja_value s, const char *name,
                         const jinja_args *args, jinja_value *out);

typedef struct {
    const char *name;
    jinja_value (*fn)(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args);
} jinja_filter;
extern const jinja_filter jinja_list_filters[]; /* jinja_filter_list.c */
extern const int jinja_n_list_filters;
/* v as a string. */
jinja_value jinja_to_text(jinja_run *r, jinja_value v);

/* jinja_filter.c, jinja_test.c: numbers for names (-1: unknown) and what they do. */
int jinja_filter_find(const char *name, size_t len);
int jinja_test_find(const char *name, size_t len);
jinja_value jinja_filter_apply(jinja_run *r, const jinja_node *at, int filter, jinja_value v,
                               const jinja_args *args);
bool jinja_test_apply(jinja_run *r, const jinja_node *at, int test, jinja_value v,
                      const jinja_args *args);
/* jinja_method.c: v.name(args) of strings, lists and dicts; attributes. */
jinja_value jinja_method_call(jinja_run *r, const jinja_node *at, jinja_value v, const char *name,
                              size_t len, const jinja_args *args);
jinja_value jinja_attribute(jinja_run *r, const jinja_node *at, jinja_value v, const char *name,
                            size_t len);
jinja_value jinja_item(jinja_run *r, const jinja_node *at, jinja_value v, jinja_value key);
jinja_value jinja_slice(jinja_run *r, const jinja_node *at, jinja_value v,
                        const jinja_value part[3]);
int jinja_builtin_find(const char *name, size_t len);
jinja_value jinja_builtin_call(jinja_run *r, const jinja_node *at, int builtin,
                               const jinja_args *args);

/* jinja_operator.c: n is the operator, a and b its operands; of a comparison op is one of a chain.
 */
jinja_value jinja_binary(jinja_run *r, const jinja_node *n, jinja_value a, jinja_value b);
bool jinja_relation(jinja_run *r, const jinja_node *n, int op, jinja_value a, jinja_value b);
jinja_value jinja_sign(jinja_run *r, const jinja_node *n, jinja_value v); /* JN_NEG or JN_POS */

/* jinja_eval.c */
jinja_value jinja_eval(jinja_run *r, const jinja_node *n);
void jinja_exec(jinja_run *r, const jinja_node *n);
#endif
