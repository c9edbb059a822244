/* The parser's expressions, by recursive descent with Jinja's precedence: if-else, or, and, not,
 * comparison, + -, ~, * / // %, **, unary, then . [] () | is. */
#include "model/jinja_parser.h"
#include <string.h>

void *jp_fail_tok(jinja_parser *p, cmat_status st, const jinja_token *k, const char *what)
{
    if (p->st != CMAT_OK)
        return NULL;
    const char *quote = k->kind == JT_NAME || k->kind == JT_OP ? "'" : "";
    p->st = cmat_fail(p->err, st, "chat template: line %d, column %d: %s %s%.*s%s", k->line, k->col,
                      what, quote, *quote ? (int)(k->len < 40 ? k->len : 40) : 0, k->s, quote);
    size_t n = p->err ? strlen(p->err->msg) : 0;
    if (n > 0 && p->err->msg[n - 1] == ' ')
        p->err->msg[n - 1] = '\0';
    return NULL;
}

jinja_node *jp_node_new(jinja_parser *p, jinja_node_kind kind, const jinja_token *at)
{
    jinja_node *n = cmat_arena_alloc(p->arena, sizeof *n);
    n->kind = kind;
    n->line = at->line;
    n->col = at->col;
    return n;
}

bool jp_enter(jinja_parser *p)
{
    if (++p->depth <= JINJA_MAX_DEPTH)
        return true;
    if (p->st == CMAT_OK)
        p->st = cmat_fail(p->err, CMAT_ERR_LIMIT,
                          "chat template: line %d, column %d: nested more than %d deep", p->t->line,
                          p->t->col, JINJA_MAX_DEPTH);
    return false;
}

bool jp_tok_is(const jinja_token *k, jinja_token_kind kind, const char *s)
{
    return k->kind == kind && k->len == strlen(s) && memcmp(k->s, s, k->len) == 0;
}

bool jp_is_op(const jinja_parser *p, const char *s)
{
    return jp_tok_is(p->t, JT_OP, s);
}

bool jp_is_name(const jinja_parser *p, const char *s)
{
    return jp_tok_is(p->t, JT_NAME, s);
}

bool jp_take_op(jinja_parser *p, const char *s)
{
    if (p->st != CMAT_OK || !jp_is_op(p, s))
        return false;
    p->t++;
    return true;
}

bool jp_take_name(jinja_parser *p, const char *s)
{
    if (p->st != CMAT_OK || !jp_is_name(p, s))
        return false;
    p->t++;
    return true;
}

void jp_need_op(jinja_parser *p, const char *s)
{
    char what[32];
    if (jp_take_op(p, s) || p->st != CMAT_OK)
        return;
    snprintf(what, sizeof what, "expected '%s' before", s);
    jp_fail_tok(p, CMAT_ERR_FORMAT, p->t, what);
}

void jp_need_kind(jinja_parser *p, jinja_token_kind kind, const char *what)
{
    if (p->st != CMAT_OK)
        return;
    if (p->t->kind == kind)
        p->t++;
    else
        jp_fail_tok(p, CMAT_ERR_FORMAT, p->t, what);
}

const char *jp_name_copy(jinja_parser *p, const jinja_token *k)
{
    return cmat_arena_strndup(p->arena, k->s, k->len);
}

/* Appends to an array in the arena whose size doubles at each power of two. */
void jp_items_add(jinja_parser *p, jinja_node *n, jinja_node *item)
{
    if ((n->n_items & (n->n_items - 1)) == 0) {
        jinja_node **grown =
            cmat_arena_alloc(p->arena, (n->n_items ? 2 * n->n_items : 1) * sizeof *grown);
        if (n->n_items)
            memcpy(grown, n->items, n->n_items * sizeof *grown);
        n->items = grown;
    }
    n->items[n->n_items++] = item;
}

void jp_names_add(jinja_parser *p, jinja_node *n, const char *name)
{
    const char **grown = cmat_arena_alloc(p->arena, (n->n_names + 1) * sizeof *grown);
    if (n->n_names)
        memcpy(grown, n->names, n->n_names * sizeof *grown);
    grown[n->n_names++] = name;
    n->names = grown;
}

void jp_args_add(jinja_parser *p, jinja_node *n, const char *name, jinja_node *value)
{
    jinja_arg *grown = cmat_arena_alloc(p->arena, (n->n_args + 1) * sizeof *grown);
    if (n->n_args)
        memcpy(grown, n->args, n->n_args * sizeof *grown);
    grown[n->n_args++] = (jinja_arg){.name = name, .value = value};
    n->args = grown;
}

static jinja_node *const_new(jinja_parser *p, const jinja_token *at, jinja_value v)
{
    jinja_node *n = jp_node_new(p, JN_CONST, at);
    n->value = cmat_arena_alloc(p->arena, sizeof v);
    *n->value = v;
    return n;
}

/* --- expressions ------------------------------------------------------------------------------ */

/* After "(": arguments up to and with ")". */
static void args_parse(jinja_parser *p, jinja_node *n)
{
    while (p->st == CMAT_OK && !jp_is_op(p, ")")) {
        const char *name = NULL;
        if (jp_is_op(p, "*") || jp_is_op(p, "**")) {
            jp_fail_tok(p, CMAT_ERR_UNSUPPORTED, p->t, "not supported: argument lists by");
            return;
        }
        if (p->t->kind == JT_NAME && jp_tok_is(p->t + 1, JT_OP, "=")) {
            name = jp_name_copy(p, p->t);
            p->t += 2;
        } else if (n->n_args && n->args[n->n_args - 1].name) {
            jp_fail_tok(p, CMAT_ERR_FORMAT, p->t, "positional argument after a keyword, at");
            return;
        }
        jp_args_add(p, n, name, jp_expr_parse(p));
        if (!jp_take_op(p, ","))
            break;
    }
    jp_need_op(p, ")");
}

static jinja_node *dict_parse(jinja_parser *p)
{
    jinja_node *n = jp_node_new(p, JN_DICT, p->t++);
    while (p->st == CMAT_OK && !jp_is_op(p, "}")) {
        jp_items_add(p, n, jp_expr_parse(p));
        jp_need_op(p, ":");
        jp_items_add(p, n, jp_expr_parse(p));
        if (!jp_take_op(p, ","))
            break;
    }
    jp_need_op(p, "}");
    return n;
}

/* A list up to `close`; op is 1 for a tuple. */
static jinja_node *list_parse(jinja_parser *p, const jinja_token *at, const char *close, int tuple)
{
    jinja_node *n = jp_node_new(p, JN_LIST, at);
    n->op = tuple;
    while (p->st == CMAT_OK && !jp_is_op(p, close)) {
        jp_items_add(p, n, jp_expr_parse(p));
        if (!jp_take_op(p, ","))
            break;
    }
    jp_need_op(p, close);
    return n;
}

static jinja_node *paren_parse(jinja_parser *p)
{
    const jinja_token *at = p->t++;
    if (jp_is_op(p, ")"))
        return list_parse(p, at, ")", 1);
    jinja_node *first = jp_expr_parse(p);
    if (!jp_take_op(p, ",")) {
        jp_need_op(p, ")");
        return first;
    }
    jinja_node *n = jp_node_new(p, JN_LIST, at), *rest = list_parse(p, at, ")", 1);
    n->op = 1;
    jp_items_add(p, n, first);
    for (size_t i = 0; rest && i < rest->n_items; i++)
        jp_items_add(p, n, rest->items[i]);
    return n;
}

static jinja_node *string_parse(jinja_parser *p)
{
    const jinja_token *at = p->t;
    size_t len = 0, n = 0;
    for (const jinja_token *k = at; k->kind == JT_STRING; k++)
        len += k->len;
    char *s = cmat_arena_alloc(p->arena, len + 1);
    for (; p->t->kind == JT_STRING; p->t++) { /* adjacent strings are one */
        memcpy(s + n, p->t->s, p->t->len);
        n += p->t->len;
    }
    return const_new(p, at, jinja_string(s, len));
}

static jinja_node *name_parse(jinja_parser *p)
{
    const jinja_token *k = p->t++;
    if (jp_tok_is(k, JT_NAME, "true") || jp_tok_is(k, JT_NAME, "True"))
        return const_new(p, k, jinja_bool(true));
    if (jp_tok_is(k, JT_NAME, "false") || jp_tok_is(k, JT_NAME, "False"))
        return const_new(p, k, jinja_bool(false));
    if (jp_tok_is(k, JT_NAME, "none") || jp_tok_is(k, JT_NAME, "None"))
        return const_new(p, k, (jinja_value){.kind = JV_NONE});
    jinja_node *n = jp_node_new(p, JN_NAME, k);
    n->name = jp_name_copy(p, k);
    n->name_len = k->len;
    return n;
}

static jinja_node *primary_parse(jinja_parser *p)
{
    const jinja_token *k = p->t;
    if (p->st != CMAT_OK)
        return NULL;
    switch (k->kind) {
    case JT_NAME:
        return name_parse(p);
    case JT_STRING:
        return string_parse(p);
    case JT_INT:
        p->t++;
        return const_new(p, k, jinja_int(k->i));
    case JT_FLOAT:
        p->t++;
        return const_new(p, k, (jinja_value){.kind = JV_FLOAT, .u.f = k->f});
    default:
        break;
    }
    if (jp_is_op(p, "("))
        return paren_parse(p);
    if (jp_is_op(p, "["))
        return p->t++, list_parse(p, k, "]", 0);
    if (jp_is_op(p, "{"))
        return dict_parse(p);
    return jp_fail_tok(p, CMAT_ERR_FORMAT, k, "expected an expression before");
}

/* After "[": an index, or a slice whose parts are a, b and c. */
static jinja_node *subscript_parse(jinja_parser *p, jinja_node *of, const jinja_token *at)
{
    jinja_node *part[3] = {NULL, NULL, NULL};
    int colons = 0;
    while (p->st == CMAT_OK && !jp_is_op(p, "]")) {
        if (jp_take_op(p, ":")) {
            if (++colons > 2)
                return jp_fail_tok(p, CMAT_ERR_FORMAT, p->t - 1, "too many");
        } else if (part[colons]) {
            return jp_fail_tok(p, CMAT_ERR_UNSUPPORTED, p->t, "expected ']' before");
        } else {
            part[colons] = jp_expr_parse(p);
        }
    }
    jp_need_op(p, "]");
    if (colons == 0 && !part[0])
        return jp_fail_tok(p, CMAT_ERR_FORMAT, at, "empty subscript");
    jinja_node *n = jp_node_new(p, colons ? JN_SLICE : JN_INDEX, at);
    n->d = of;
    n->a = part[0];
    n->b = part[1];
    n->c = part[2];
    return n;
}

static jinja_node *call_parse(jinja_parser *p, jinja_node *callee)
{
    jinja_node *n = jp_node_new(p, JN_CALL, p->t++);
    n->line = callee ? callee->line : n->line;
    n->col = callee ? callee->col : n->col;
    n->a = callee;
    args_parse(p, n);
    return n;
}

static jinja_node *attr_parse(jinja_parser *p, jinja_node *of)
{
    const jinja_token *k = p->t + 1;
    p->t++;
    if (k->kind == JT_INT) {
        p->t++;
        jinja_node *n = jp_node_new(p, JN_INDEX, k);
        n->d = of;
        n->a = const_new(p, k, jinja_int(k->i));
        return n;
    }
    jp_need_kind(p, JT_NAME, "expected a name after '.', before");
    if (p->st != CMAT_OK)
        return NULL;
    jinja_node *n = jp_node_new(p, JN_ATTR, k);
    n->a = of;
    n->name = jp_name_copy(p, k);
    n->name_len = k->len;
    return n;
}

static jinja_node *postfix_parse(jinja_parser *p, jinja_node *n)
{
    while (p->st == CMAT_OK) {
        const jinja_token *at = p->t;
        if (jp_is_op(p, "."))
            n = attr_parse(p, n);
        else if (jp_take_op(p, "["))
            n = subscript_parse(p, n, at);
        else if (jp_is_op(p, "("))
            n = call_parse(p, n);
        else
            break;
    }
    return n;
}

static void unknown_name(jinja_parser *p, const jinja_token *k, const char *what)
{
    if (p->soft || p->unknown)
        return;
    p->unknown = k;
    p->unknown_what = what;
}

/* The name after "|" (or after {% filter): a filter with its arguments, applied to n. */
jinja_node *jp_filter_parse(jinja_parser *p, jinja_node *n)
{
    const jinja_token *k = p->t;
    jp_need_kind(p, JT_NAME, "expected a filter's name before");
    if (p->st != CMAT_OK)
        return NULL;
    jinja_node *f = jp_node_new(p, JN_FILTER, k);
    f->op = jinja_filter_find(k->s, k->len);
    if (f->op < 0)
        unknown_name(p, k, "not supported: filter");
    f->a = n;
    f->name = jp_name_copy(p, k);
    if (jp_take_op(p, "("))
        args_parse(p, f);
    return f;
}

static bool starts_test_argument(const jinja_parser *p)
{
    const jinja_token *k = p->t;
    if (k->kind == JT_NAME)
        return !jp_is_name(p, "else") && !jp_is_name(p, "or") && !jp_is_name(p, "and") &&
               !jp_is_name(p, "is") && !jp_is_name(p, "if") && !jp_is_name(p, "in") &&
               !jp_is_name(p, "not");
    return k->kind == JT_STRING || k->kind == JT_INT || k->kind == JT_FLOAT || jp_is_op(p, "[") ||
           jp_is_op(p, "{");
}

static jinja_node *test_parse(jinja_parser *p, jinja_node *n)
{
    const jinja_token *at = p->t - 1;
    bool negated = jp_take_name(p, "not");
    const jinja_token *k = p->t;
    jp_need_kind(p, JT_NAME, "expected a test's name before");
    if (p->st != CMAT_OK)
        return NULL;
    jinja_node *t = jp_node_new(p, JN_TEST, k);
    t->op = jinja_test_find(k->s, k->len);
    if (t->op < 0)
        unknown_name(p, k, "not supported: test");
    t->name = jp_name_copy(p, k);
    t->a = n;
    if (jp_take_op(p, "("))
        args_parse(p, t);
    else if (starts_test_argument(p))
        jp_args_add(p, t, NULL, postfix_parse(p, primary_parse(p)));
    if (!negated)
        return t;
    jinja_node *inverse = jp_node_new(p, JN_NOT, at);
    inverse->a = t;
    return inverse;
}

jinja_node *jp_unary_parse(jinja_parser *p, bool with_filter)
{
    jinja_node *n;
    const jinja_token *at = p->t;
    if (p->st != CMAT_OK || !jp_enter(p))
        return NULL;
    if (jp_take_op(p, "-") || jp_take_op(p, "+")) {
        n = jp_node_new(p, jp_tok_is(at, JT_OP, "-") ? JN_NEG : JN_POS, at);
        n->a = jp_unary_parse(p, false);
    } else {
        n = primary_parse(p);
    }
    n = postfix_parse(p, n);
    while (with_filter && p->st == CMAT_OK) {
        if (jp_take_op(p, "|"))
            n = jp_filter_parse(p, n);
        else if (jp_take_name(p, "is"))
            n = test_parse(p, n);
        else if (jp_is_op(p, "("))
            n = call_parse(p, n);
        else
            break;
    }
    p->depth--;
    return n;
}

typedef struct {
    const char *s;
    int op;
} binary_op;

/* Left-associative levels, loosest first. */
static const binary_op levels[4][5] = {
    {{"+", JOP_ADD}, {"-", JOP_SUB}},
    {{"~", JOP_CONCAT}},
    {{"*", JOP_MUL}, {"/", JOP_DIV}, {"//", JOP_FLOORDIV}, {"%", JOP_MOD}},
    {{"**", JOP_POW}},
};

static jinja_node *binary_parse(jinja_parser *p, int level)
{
    if (level == 4)
        return jp_unary_parse(p, true);
    jinja_node *left = binary_parse(p, level + 1);
    for (int i = 0; p->st == CMAT_OK && levels[level][i].s;) {
        const jinja_token *at = p->t;
        if (!jp_take_op(p, levels[level][i].s)) {
            i++;
            continue;
        }
        jinja_node *n = jp_node_new(p, JN_BINARY, at);
        n->op = levels[level][i].op;
        n->a = left;
        n->b = binary_parse(p, level + 1);
        left = n;
        i = 0;
    }
    return left;
}

static int compare_op(jinja_parser *p)
{
    static const binary_op ops[] = {{"==", JOP_EQ}, {"!=", JOP_NE}, {"<=", JOP_LE},
                                    {">=", JOP_GE}, {"<", JOP_LT},  {">", JOP_GT}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (jp_take_op(p, ops[i].s))
            return ops[i].op;
    }
    if (jp_take_name(p, "in"))
        return JOP_IN;
    if (jp_is_name(p, "not") && jp_tok_is(p->t + 1, JT_NAME, "in")) {
        p->t += 2;
        return JOP_NOT_IN;
    }
    return -1;
}

/* a < b <= c: items a, b, c; the operators are the constants in args. */
static jinja_node *compare_parse(jinja_parser *p)
{
    const jinja_token *at = p->t;
    jinja_node *first = binary_parse(p, 0), *n = NULL;
    for (int op; p->st == CMAT_OK && (op = compare_op(p)) >= 0;) {
        if (!n) {
            n = jp_node_new(p, JN_COMPARE, at);
            jp_items_add(p, n, first);
        }
        jinja_node *k = jp_node_new(p, JN_CONST, at);
        k->op = op;
        jp_args_add(p, n, NULL, k);
        jp_items_add(p, n, binary_parse(p, 0));
    }
    return n ? n : first;
}

static jinja_node *not_parse(jinja_parser *p)
{
    const jinja_token *at = p->t;
    if (!jp_take_name(p, "not"))
        return compare_parse(p);
    if (!jp_enter(p))
        return NULL;
    jinja_node *n = jp_node_new(p, JN_NOT, at);
    n->a = not_parse(p);
    p->depth--;
    return n;
}

jinja_node *jp_logic_parse(jinja_parser *p, bool is_or)
{
    jinja_node *left = is_or ? jp_logic_parse(p, false) : not_parse(p);
    for (const jinja_token *at = p->t; jp_take_name(p, is_or ? "or" : "and"); at = p->t) {
        jinja_node *n = jp_node_new(p, is_or ? JN_OR : JN_AND, at);
        n->a = left;
        n->b = is_or ? jp_logic_parse(p, false) : not_parse(p);
        left = n;
    }
    return left;
}

jinja_node *jp_expr_parse(jinja_parser *p)
{
    if (p->st != CMAT_OK || !jp_enter(p))
        return NULL;
    const jinja_token *unknown = p->unknown;
    const bool soft = p->soft;
    jinja_node *n = jp_logic_parse(p, true);
    for (const jinja_token *at = p->t; jp_take_name(p, "if"); at = p->t) {
        p->unknown = unknown; /* the part before "if" may never be reached */
        p->soft = true;
        jinja_node *cond = jp_node_new(p, JN_COND, at);
        cond->a = jp_logic_parse(p, true);
        cond->b = n;
        cond->c = jp_take_name(p, "else") ? jp_expr_parse(p) : NULL;
        n = cond;
        p->soft = soft;
    }
    p->depth--;
    return n;
}

/* An expression, or several with commas: a tuple. */
jinja_node *jp_tuple_parse(jinja_parser *p)
{
    const jinja_token *at = p->t;
    jinja_node *first = jp_expr_parse(p);
    if (!jp_is_op(p, ","))
        return first;
    jinja_node *n = jp_node_new(p, JN_LIST, at);
    n->op = 1;
    jp_items_add(p, n, first);
    while (jp_take_op(p, ",") && p->t->kind != JT_BLOCK_END && p->t->kind != JT_VAR_END)
        jp_items_add(p, n, jp_expr_parse(p));
    return n;
}
