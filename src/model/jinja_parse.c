/* Builds the tree of a chat template by recursive descent, with Jinja's precedence:
 * if-else, or, and, not, comparison, + -, ~, * / // %, **, unary, then . [] () | is. */
#include "model/jinja.h"
#include <string.h>

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
} parser;

static jinja_node *expr_parse(parser *p);
static jinja_node *unary_parse(parser *p, bool with_filter);
static jinja_node *body_parse(parser *p, const char *const *ends);

static void *fail_tok(parser *p, cmat_status st, const jinja_token *k, const char *what)
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

static jinja_node *node_new(parser *p, jinja_node_kind kind, const jinja_token *at)
{
    jinja_node *n = cmat_arena_alloc(p->arena, sizeof *n);
    n->kind = kind;
    n->line = at->line;
    n->col = at->col;
    return n;
}

static bool enter(parser *p)
{
    if (++p->depth <= JINJA_MAX_DEPTH)
        return true;
    if (p->st == CMAT_OK)
        p->st = cmat_fail(p->err, CMAT_ERR_LIMIT,
                          "chat template: line %d, column %d: nested more than %d deep", p->t->line,
                          p->t->col, JINJA_MAX_DEPTH);
    return false;
}

static bool tok_is(const jinja_token *k, jinja_token_kind kind, const char *s)
{
    return k->kind == kind && k->len == strlen(s) && memcmp(k->s, s, k->len) == 0;
}

static bool is_op(const parser *p, const char *s)
{
    return tok_is(p->t, JT_OP, s);
}

static bool is_name(const parser *p, const char *s)
{
    return tok_is(p->t, JT_NAME, s);
}

static bool take_op(parser *p, const char *s)
{
    if (p->st != CMAT_OK || !is_op(p, s))
        return false;
    p->t++;
    return true;
}

static bool take_name(parser *p, const char *s)
{
    if (p->st != CMAT_OK || !is_name(p, s))
        return false;
    p->t++;
    return true;
}

static void need_op(parser *p, const char *s)
{
    char what[32];
    if (take_op(p, s) || p->st != CMAT_OK)
        return;
    snprintf(what, sizeof what, "expected '%s' before", s);
    fail_tok(p, CMAT_ERR_FORMAT, p->t, what);
}

static void need_kind(parser *p, jinja_token_kind kind, const char *what)
{
    if (p->st != CMAT_OK)
        return;
    if (p->t->kind == kind)
        p->t++;
    else
        fail_tok(p, CMAT_ERR_FORMAT, p->t, what);
}

static const char *name_copy(parser *p, const jinja_token *k)
{
    return cmat_arena_strndup(p->arena, k->s, k->len);
}

/* Appends to an array in the arena whose size doubles at each power of two. */
static void items_add(parser *p, jinja_node *n, jinja_node *item)
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

static void names_add(parser *p, jinja_node *n, const char *name)
{
    const char **grown = cmat_arena_alloc(p->arena, (n->n_names + 1) * sizeof *grown);
    if (n->n_names)
        memcpy(grown, n->names, n->n_names * sizeof *grown);
    grown[n->n_names++] = name;
    n->names = grown;
}

static void args_add(parser *p, jinja_node *n, const char *name, jinja_node *value)
{
    jinja_arg *grown = cmat_arena_alloc(p->arena, (n->n_args + 1) * sizeof *grown);
    if (n->n_args)
        memcpy(grown, n->args, n->n_args * sizeof *grown);
    grown[n->n_args++] = (jinja_arg){.name = name, .value = value};
    n->args = grown;
}

static jinja_node *const_new(parser *p, const jinja_token *at, jinja_value v)
{
    jinja_node *n = node_new(p, JN_CONST, at);
    n->value = cmat_arena_alloc(p->arena, sizeof v);
    *n->value = v;
    return n;
}

/* --- expressions ------------------------------------------------------------------------------ */

/* After "(": arguments up to and with ")". */
static void args_parse(parser *p, jinja_node *n)
{
    while (p->st == CMAT_OK && !is_op(p, ")")) {
        const char *name = NULL;
        if (is_op(p, "*") || is_op(p, "**")) {
            fail_tok(p, CMAT_ERR_UNSUPPORTED, p->t, "not supported: argument lists by");
            return;
        }
        if (p->t->kind == JT_NAME && tok_is(p->t + 1, JT_OP, "=")) {
            name = name_copy(p, p->t);
            p->t += 2;
        } else if (n->n_args && n->args[n->n_args - 1].name) {
            fail_tok(p, CMAT_ERR_FORMAT, p->t, "positional argument after a keyword, at");
            return;
        }
        args_add(p, n, name, expr_parse(p));
        if (!take_op(p, ","))
            break;
    }
    need_op(p, ")");
}

static jinja_node *dict_parse(parser *p)
{
    jinja_node *n = node_new(p, JN_DICT, p->t++);
    while (p->st == CMAT_OK && !is_op(p, "}")) {
        items_add(p, n, expr_parse(p));
        need_op(p, ":");
        items_add(p, n, expr_parse(p));
        if (!take_op(p, ","))
            break;
    }
    need_op(p, "}");
    return n;
}

/* A list up to `close`; op is 1 for a tuple. */
static jinja_node *list_parse(parser *p, const jinja_token *at, const char *close, int tuple)
{
    jinja_node *n = node_new(p, JN_LIST, at);
    n->op = tuple;
    while (p->st == CMAT_OK && !is_op(p, close)) {
        items_add(p, n, expr_parse(p));
        if (!take_op(p, ","))
            break;
    }
    need_op(p, close);
    return n;
}

static jinja_node *paren_parse(parser *p)
{
    const jinja_token *at = p->t++;
    if (is_op(p, ")"))
        return list_parse(p, at, ")", 1);
    jinja_node *first = expr_parse(p);
    if (!take_op(p, ",")) {
        need_op(p, ")");
        return first;
    }
    jinja_node *n = node_new(p, JN_LIST, at), *rest = list_parse(p, at, ")", 1);
    n->op = 1;
    items_add(p, n, first);
    for (size_t i = 0; rest && i < rest->n_items; i++)
        items_add(p, n, rest->items[i]);
    return n;
}

static jinja_node *string_parse(parser *p)
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

static jinja_node *name_parse(parser *p)
{
    const jinja_token *k = p->t++;
    if (tok_is(k, JT_NAME, "true") || tok_is(k, JT_NAME, "True"))
        return const_new(p, k, jinja_bool(true));
    if (tok_is(k, JT_NAME, "false") || tok_is(k, JT_NAME, "False"))
        return const_new(p, k, jinja_bool(false));
    if (tok_is(k, JT_NAME, "none") || tok_is(k, JT_NAME, "None"))
        return const_new(p, k, (jinja_value){.kind = JV_NONE});
    jinja_node *n = node_new(p, JN_NAME, k);
    n->name = name_copy(p, k);
    n->name_len = k->len;
    return n;
}

static jinja_node *primary_parse(parser *p)
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
    if (is_op(p, "("))
        return paren_parse(p);
    if (is_op(p, "["))
        return p->t++, list_parse(p, k, "]", 0);
    if (is_op(p, "{"))
        return dict_parse(p);
    return fail_tok(p, CMAT_ERR_FORMAT, k, "expected an expression before");
}

/* After "[": an index, or a slice whose parts are a, b and c. */
static jinja_node *subscript_parse(parser *p, jinja_node *of, const jinja_token *at)
{
    jinja_node *part[3] = {NULL, NULL, NULL};
    int colons = 0;
    while (p->st == CMAT_OK && !is_op(p, "]")) {
        if (take_op(p, ":")) {
            if (++colons > 2)
                return fail_tok(p, CMAT_ERR_FORMAT, p->t - 1, "too many");
        } else if (part[colons]) {
            return fail_tok(p, CMAT_ERR_UNSUPPORTED, p->t, "expected ']' before");
        } else {
            part[colons] = expr_parse(p);
        }
    }
    need_op(p, "]");
    if (colons == 0 && !part[0])
        return fail_tok(p, CMAT_ERR_FORMAT, at, "empty subscript");
    jinja_node *n = node_new(p, colons ? JN_SLICE : JN_INDEX, at);
    n->d = of;
    n->a = part[0];
    n->b = part[1];
    n->c = part[2];
    return n;
}

static jinja_node *call_parse(parser *p, jinja_node *callee)
{
    jinja_node *n = node_new(p, JN_CALL, p->t++);
    n->line = callee ? callee->line : n->line;
    n->col = callee ? callee->col : n->col;
    n->a = callee;
    args_parse(p, n);
    return n;
}

static jinja_node *attr_parse(parser *p, jinja_node *of)
{
    const jinja_token *k = p->t + 1;
    p->t++;
    if (k->kind == JT_INT) {
        p->t++;
        jinja_node *n = node_new(p, JN_INDEX, k);
        n->d = of;
        n->a = const_new(p, k, jinja_int(k->i));
        return n;
    }
    need_kind(p, JT_NAME, "expected a name after '.', before");
    if (p->st != CMAT_OK)
        return NULL;
    jinja_node *n = node_new(p, JN_ATTR, k);
    n->a = of;
    n->name = name_copy(p, k);
    n->name_len = k->len;
    return n;
}

static jinja_node *postfix_parse(parser *p, jinja_node *n)
{
    while (p->st == CMAT_OK) {
        const jinja_token *at = p->t;
        if (is_op(p, "."))
            n = attr_parse(p, n);
        else if (take_op(p, "["))
            n = subscript_parse(p, n, at);
        else if (is_op(p, "("))
            n = call_parse(p, n);
        else
            break;
    }
    return n;
}

static void unknown_name(parser *p, const jinja_token *k, const char *what)
{
    if (p->soft || p->unknown)
        return;
    p->unknown = k;
    p->unknown_what = what;
}

/* The name after "|" (or after {% filter): a filter with its arguments, applied to n. */
static jinja_node *filter_parse(parser *p, jinja_node *n)
{
    const jinja_token *k = p->t;
    need_kind(p, JT_NAME, "expected a filter's name before");
    if (p->st != CMAT_OK)
        return NULL;
    jinja_node *f = node_new(p, JN_FILTER, k);
    f->op = jinja_filter_find(k->s, k->len);
    if (f->op < 0)
        unknown_name(p, k, "not supported: filter");
    f->a = n;
    f->name = name_copy(p, k);
    if (take_op(p, "("))
        args_parse(p, f);
    return f;
}

static bool starts_test_argument(const parser *p)
{
    const jinja_token *k = p->t;
    if (k->kind == JT_NAME)
        return !is_name(p, "else") && !is_name(p, "or") && !is_name(p, "and") &&
               !is_name(p, "is") && !is_name(p, "if") && !is_name(p, "in") && !is_name(p, "not");
    return k->kind == JT_STRING || k->kind == JT_INT || k->kind == JT_FLOAT || is_op(p, "[") ||
           is_op(p, "{");
}

static jinja_node *test_parse(parser *p, jinja_node *n)
{
    const jinja_token *at = p->t - 1;
    bool negated = take_name(p, "not");
    const jinja_token *k = p->t;
    need_kind(p, JT_NAME, "expected a test's name before");
    if (p->st != CMAT_OK)
        return NULL;
    jinja_node *t = node_new(p, JN_TEST, k);
    t->op = jinja_test_find(k->s, k->len);
    if (t->op < 0)
        unknown_name(p, k, "not supported: test");
    t->name = name_copy(p, k);
    t->a = n;
    if (take_op(p, "("))
        args_parse(p, t);
    else if (starts_test_argument(p))
        args_add(p, t, NULL, postfix_parse(p, primary_parse(p)));
    if (!negated)
        return t;
    jinja_node *inverse = node_new(p, JN_NOT, at);
    inverse->a = t;
    return inverse;
}

static jinja_node *unary_parse(parser *p, bool with_filter)
{
    jinja_node *n;
    const jinja_token *at = p->t;
    if (p->st != CMAT_OK || !enter(p))
        return NULL;
    if (take_op(p, "-") || take_op(p, "+")) {
        n = node_new(p, tok_is(at, JT_OP, "-") ? JN_NEG : JN_POS, at);
        n->a = unary_parse(p, false);
    } else {
        n = primary_parse(p);
    }
    n = postfix_parse(p, n);
    while (with_filter && p->st == CMAT_OK) {
        if (take_op(p, "|"))
            n = filter_parse(p, n);
        else if (take_name(p, "is"))
            n = test_parse(p, n);
        else if (is_op(p, "("))
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

static jinja_node *binary_parse(parser *p, int level)
{
    if (level == 4)
        return unary_parse(p, true);
    jinja_node *left = binary_parse(p, level + 1);
    for (int i = 0; p->st == CMAT_OK && levels[level][i].s;) {
        const jinja_token *at = p->t;
        if (!take_op(p, levels[level][i].s)) {
            i++;
            continue;
        }
        jinja_node *n = node_new(p, JN_BINARY, at);
        n->op = levels[level][i].op;
        n->a = left;
        n->b = binary_parse(p, level + 1);
        left = n;
        i = 0;
    }
    return left;
}

static int compare_op(parser *p)
{
    static const binary_op ops[] = {{"==", JOP_EQ}, {"!=", JOP_NE}, {"<=", JOP_LE},
                                    {">=", JOP_GE}, {"<", JOP_LT},  {">", JOP_GT}};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (take_op(p, ops[i].s))
            return ops[i].op;
    }
    if (take_name(p, "in"))
        return JOP_IN;
    if (is_name(p, "not") && tok_is(p->t + 1, JT_NAME, "in")) {
        p->t += 2;
        return JOP_NOT_IN;
    }
    return -1;
}

/* a < b <= c: items a, b, c; the operators are the constants in args. */
static jinja_node *compare_parse(parser *p)
{
    const jinja_token *at = p->t;
    jinja_node *first = binary_parse(p, 0), *n = NULL;
    for (int op; p->st == CMAT_OK && (op = compare_op(p)) >= 0;) {
        if (!n) {
            n = node_new(p, JN_COMPARE, at);
            items_add(p, n, first);
        }
        jinja_node *k = node_new(p, JN_CONST, at);
        k->op = op;
        args_add(p, n, NULL, k);
        items_add(p, n, binary_parse(p, 0));
    }
    return n ? n : first;
}

static jinja_node *not_parse(parser *p)
{
    const jinja_token *at = p->t;
    if (!take_name(p, "not"))
        return compare_parse(p);
    if (!enter(p))
        return NULL;
    jinja_node *n = node_new(p, JN_NOT, at);
    n->a = not_parse(p);
    p->depth--;
    return n;
}

static jinja_node *logic_parse(parser *p, bool is_or)
{
    jinja_node *left = is_or ? logic_parse(p, false) : not_parse(p);
    for (const jinja_token *at = p->t; take_name(p, is_or ? "or" : "and"); at = p->t) {
        jinja_node *n = node_new(p, is_or ? JN_OR : JN_AND, at);
        n->a = left;
        n->b = is_or ? logic_parse(p, false) : not_parse(p);
        left = n;
    }
    return left;
}

static jinja_node *expr_parse(parser *p)
{
    if (p->st != CMAT_OK || !enter(p))
        return NULL;
    const jinja_token *unknown = p->unknown;
    const bool soft = p->soft;
    jinja_node *n = logic_parse(p, true);
    for (const jinja_token *at = p->t; take_name(p, "if"); at = p->t) {
        p->unknown = unknown; /* the part before "if" may never be reached */
        p->soft = true;
        jinja_node *cond = node_new(p, JN_COND, at);
        cond->a = logic_parse(p, true);
        cond->b = n;
        cond->c = take_name(p, "else") ? expr_parse(p) : NULL;
        n = cond;
        p->soft = soft;
    }
    p->depth--;
    return n;
}

/* An expression, or several with commas: a tuple. */
static jinja_node *tuple_parse(parser *p)
{
    const jinja_token *at = p->t;
    jinja_node *first = expr_parse(p);
    if (!is_op(p, ","))
        return first;
    jinja_node *n = node_new(p, JN_LIST, at);
    n->op = 1;
    items_add(p, n, first);
    while (take_op(p, ",") && p->t->kind != JT_BLOCK_END && p->t->kind != JT_VAR_END)
        items_add(p, n, expr_parse(p));
    return n;
}

/* --- statements ------------------------------------------------------------------------------- */

static void block_end(parser *p)
{
    need_kind(p, JT_BLOCK_END, "expected '%}' before");
}

static void end_tag(parser *p, const char *name)
{
    if (p->st != CMAT_OK)
        return;
    p->t++; /* JT_BLOCK_BEGIN, since body_parse stopped there */
    if (!take_name(p, name))
        fail_tok(p, CMAT_ERR_FORMAT, p->t, "unexpected");
    block_end(p);
}

static bool next_tag_is(const parser *p, const char *name)
{
    return p->st == CMAT_OK && p->t->kind == JT_BLOCK_BEGIN && tok_is(p->t + 1, JT_NAME, name);
}

static void targets_parse(parser *p, jinja_node *n)
{
    bool paren = take_op(p, "(");
    do {
        const jinja_token *k = p->t;
        need_kind(p, JT_NAME, "expected a variable's name before");
        if (p->st != CMAT_OK)
            return;
        names_add(p, n, name_copy(p, k));
    } while (take_op(p, ",") && p->t->kind == JT_NAME);
    if (paren)
        need_op(p, ")");
}

/* The body of a statement that makes a frame of its own. */
static jinja_node *inner_parse(parser *p, const char *const *ends)
{
    const bool soft = p->soft;
    p->soft = false;
    jinja_node *n = body_parse(p, ends);
    p->soft = soft;
    return n;
}

/* for names in a [if b]: c [else: d] */
static jinja_node *for_parse(parser *p, const jinja_token *at)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    jinja_node *n = node_new(p, JN_FOR, at);
    targets_parse(p, n);
    if (p->st == CMAT_OK && !take_name(p, "in"))
        return fail_tok(p, CMAT_ERR_FORMAT, p->t, "expected 'in' before");
    n->a = logic_parse(p, true);
    if (is_op(p, ",")) { /* a tuple written without brackets */
        jinja_node *list = node_new(p, JN_LIST, at);
        items_add(p, list, n->a);
        while (take_op(p, ","))
            items_add(p, list, logic_parse(p, true));
        n->a = list;
    }
    if (take_name(p, "if"))
        n->b = expr_parse(p);
    if (p->st == CMAT_OK && is_name(p, "recursive"))
        return fail_tok(p, CMAT_ERR_UNSUPPORTED, p->t, "not supported: loop that is");
    block_end(p);
    p->loops++;
    n->c = inner_parse(p, ends);
    p->loops--;
    if (next_tag_is(p, "else")) {
        end_tag(p, "else");
        n->d = inner_parse(p, ends + 1);
    }
    end_tag(p, "endfor");
    return n;
}

/* items: condition, body, condition, body ...; c: the else part */
static jinja_node *if_parse(parser *p, const jinja_token *at)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    jinja_node *n = node_new(p, JN_IF, at);
    const bool soft = p->soft;
    p->soft = true;
    do {
        items_add(p, n, tuple_parse(p));
        block_end(p);
        items_add(p, n, body_parse(p, ends));
        if (!next_tag_is(p, "elif"))
            break;
        p->t += 2;
    } while (p->st == CMAT_OK);
    if (next_tag_is(p, "else")) {
        end_tag(p, "else");
        n->c = body_parse(p, ends + 2);
    }
    end_tag(p, "endif");
    p->soft = soft;
    return n;
}

/* set names = a; set name.attribute = a (name is the attribute); set name[|filter]: a body c */
static jinja_node *set_parse(parser *p, const jinja_token *at)
{
    static const char *const ends[] = {"endset", NULL};
    jinja_node *n = node_new(p, JN_SET, at);
    targets_parse(p, n);
    if (p->st == CMAT_OK && n->n_names == 1 && take_op(p, ".")) {
        const jinja_token *k = p->t;
        need_kind(p, JT_NAME, "expected a name after '.', before");
        if (p->st == CMAT_OK)
            n->name = name_copy(p, k);
    }
    if (take_op(p, "=")) {
        n->a = tuple_parse(p);
        block_end(p);
        return n;
    }
    if (p->st == CMAT_OK && (n->n_names != 1 || n->name))
        return fail_tok(p, CMAT_ERR_FORMAT, p->t, "expected '=' before");
    n->kind = JN_SET_BLOCK;
    while (take_op(p, "|"))
        n->b = filter_parse(p, n->b);
    block_end(p);
    n->c = inner_parse(p, ends);
    end_tag(p, "endset");
    return n;
}

/* Parameters: args, with their defaults or NULL. */
static void params_parse(parser *p, jinja_node *n)
{
    need_op(p, "(");
    while (p->st == CMAT_OK && !is_op(p, ")")) {
        const jinja_token *k = p->t;
        need_kind(p, JT_NAME, "expected a parameter's name before");
        if (p->st == CMAT_OK)
            args_add(p, n, name_copy(p, k), take_op(p, "=") ? expr_parse(p) : NULL);
        if (!take_op(p, ","))
            break;
    }
    need_op(p, ")");
}

static jinja_node *macro_parse(parser *p, const jinja_token *at)
{
    static const char *const ends[] = {"endmacro", NULL};
    jinja_node *n = node_new(p, JN_MACRO, at);
    const jinja_token *k = p->t;
    int loops = p->loops;
    need_kind(p, JT_NAME, "expected a macro's name before");
    if (p->st != CMAT_OK)
        return NULL;
    n->name = name_copy(p, k);
    n->name_len = k->len;
    params_parse(p, n);
    block_end(p);
    p->loops = 0;
    n->c = inner_parse(p, ends);
    p->loops = loops;
    end_tag(p, "endmacro");
    return n;
}

/* call[(parameters)] a: the body c is the macro's caller() */
static jinja_node *call_block_parse(parser *p, const jinja_token *at)
{
    static const char *const ends[] = {"endcall", NULL};
    jinja_node *n = node_new(p, JN_CALL_BLOCK, at);
    if (is_op(p, "("))
        params_parse(p, n);
    n->a = unary_parse(p, false);
    if (p->st == CMAT_OK && n->a->kind != JN_CALL)
        return fail_tok(p, CMAT_ERR_FORMAT, at, "expected a call in");
    block_end(p);
    n->c = inner_parse(p, ends);
    end_tag(p, "endcall");
    return n;
}

/* filter a: c */
static jinja_node *filter_block_parse(parser *p, const jinja_token *at)
{
    static const char *const ends[] = {"endfilter", NULL};
    jinja_node *n = node_new(p, JN_FILTER_BLOCK, at);
    do
        n->a = filter_parse(p, n->a);
    while (take_op(p, "|"));
    block_end(p);
    n->c = inner_parse(p, ends);
    end_tag(p, "endfilter");
    return n;
}

/* {% generation %} marks what an assistant wrote; it prints its body. */
static jinja_node *generation_parse(parser *p)
{
    static const char *const ends[] = {"endgeneration", NULL};
    block_end(p);
    jinja_node *n = body_parse(p, ends);
    end_tag(p, "endgeneration");
    return n;
}

static jinja_node *jump_parse(parser *p, const jinja_token *at)
{
    if (p->loops == 0)
        return fail_tok(p, CMAT_ERR_FORMAT, at, "outside of a loop:");
    jinja_node *n = node_new(p, tok_is(at, JT_NAME, "break") ? JN_BREAK : JN_CONTINUE, at);
    block_end(p);
    return n;
}

static jinja_node *statement_parse(parser *p)
{
    const jinja_token *k = ++p->t;
    need_kind(p, JT_NAME, "expected a statement before");
    if (p->st != CMAT_OK)
        return NULL;
    if (tok_is(k, JT_NAME, "for"))
        return for_parse(p, k);
    if (tok_is(k, JT_NAME, "if"))
        return if_parse(p, k);
    if (tok_is(k, JT_NAME, "set"))
        return set_parse(p, k);
    if (tok_is(k, JT_NAME, "macro"))
        return macro_parse(p, k);
    if (tok_is(k, JT_NAME, "call"))
        return call_block_parse(p, k);
    if (tok_is(k, JT_NAME, "filter"))
        return filter_block_parse(p, k);
    if (tok_is(k, JT_NAME, "generation"))
        return generation_parse(p);
    if (tok_is(k, JT_NAME, "break") || tok_is(k, JT_NAME, "continue"))
        return jump_parse(p, k);
    return fail_tok(p, CMAT_ERR_UNSUPPORTED, k, "not supported: statement");
}

static bool at_end(const parser *p, const char *const *ends)
{
    for (; *ends; ends++) {
        if (next_tag_is(p, *ends))
            return true;
    }
    return false;
}

/* Statements up to a tag of one of the names, which is left, or with none to the end of the
 * template. */
static jinja_node *body_parse(parser *p, const char *const *ends)
{
    static const char *const none[] = {NULL};
    const jinja_token *start = p->t;
    if (p->st != CMAT_OK || !enter(p))
        return NULL;
    jinja_node *n = node_new(p, JN_BODY, start);
    while (p->st == CMAT_OK && !at_end(p, ends ? ends : none)) {
        const jinja_token *k = p->t;
        jinja_node *item = NULL;
        if (k->kind == JT_EOF) {
            if (ends)
                fail_tok(p, CMAT_ERR_FORMAT, start, "block without an end");
            break;
        }
        if (k->kind == JT_TEXT) {
            item = node_new(p, JN_TEXT, k);
            item->name = k->s;
            item->name_len = k->len;
            p->t++;
        } else if (k->kind == JT_VAR_BEGIN) {
            item = node_new(p, JN_OUTPUT, k);
            p->t++;
            item->a = tuple_parse(p);
            need_kind(p, JT_VAR_END, "expected '}}' before");
        } else {
            item = statement_parse(p);
        }
        items_add(p, n, item);
    }
    p->depth--;
    return n;
}

cmat_status jinja_parse(cmat_arena *a, const jinja_tokens *t, jinja_node **out, cmat_error *err)
{
    parser p = {.arena = a, .t = t->items, .err = err};
    *out = body_parse(&p, NULL);
    if (p.unknown)
        fail_tok(&p, CMAT_ERR_UNSUPPORTED, p.unknown, p.unknown_what);
    return p.st;
}
