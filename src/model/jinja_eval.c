/* Runs the tree of a chat template. Scopes are Jinja's: a loop's body and a macro have their own,
 * what they set is gone afterwards; `if` has none; a namespace is shared. */
#include "core/text.h"
#include "model/jinja.h"
#include <math.h>
#include <string.h>

static const jinja_value undefined = {.kind = JV_UNDEFINED};

static bool step(jinja_run *r, const jinja_node *at)
{
    if (r->st != CMAT_OK)
        return false;
    if (++r->steps > JINJA_MAX_STEPS)
        jinja_fail(r, CMAT_ERR_LIMIT, at, "more than %d steps", JINJA_MAX_STEPS);
    else if (r->depth > JINJA_MAX_EVAL_DEPTH)
        jinja_fail(r, CMAT_ERR_LIMIT, at, "nested too deep");
    return r->st == CMAT_OK;
}

static jinja_scope *scope_new(jinja_run *r, jinja_scope *parent)
{
    jinja_scope *s = jinja_alloc(r, sizeof *s);
    if (s)
        s->parent = parent;
    return s;
}

static void scope_set(jinja_run *r, const char *name, jinja_value v)
{
    jinja_dict_set(r, &r->scope->vars, jinja_text(name), v);
}

static jinja_value name_eval(const jinja_run *r, const jinja_node *n)
{
    for (const jinja_scope *s = r->scope; s; s = s->parent) {
        const jinja_value *v = jinja_dict_find(&s->vars, n->name, n->name_len);
        if (v)
            return *v;
    }
    int builtin = jinja_builtin_find(n->name, n->name_len);
    if (builtin >= 0)
        return (jinja_value){.kind = JV_BUILTIN, .u.builtin = builtin};
    return (jinja_value){.kind = JV_UNDEFINED, .u.undefined = n->name};
}

static jinja_args args_eval(jinja_run *r, const jinja_node *n)
{
    jinja_args args = {0};
    if (n->n_args == 0)
        return args;
    args.pos = jinja_alloc(r, n->n_args * sizeof *args.pos);
    args.named = jinja_alloc(r, n->n_args * sizeof *args.named);
    args.names = jinja_alloc(r, n->n_args * sizeof *args.names);
    if (!args.pos || !args.named || !args.names)
        return (jinja_args){0};
    for (size_t i = 0; i < n->n_args; i++) {
        jinja_value v = jinja_eval(r, n->args[i].value);
        if (n->args[i].name) {
            args.names[args.n_named] = n->args[i].name;
            args.named[args.n_named++] = v;
        } else {
            args.pos[args.n++] = v;
        }
    }
    return args;
}

/* --- operators -------------------------------------------------------------------------------- */

static jinja_value concat(jinja_run *r, jinja_value a, jinja_value b)
{
    if (a.kind == JV_STRING && b.kind == JV_STRING) {
        size_t n = a.u.str.len + b.u.str.len;
        if (n > JINJA_MAX_OUTPUT)
            return jinja_fail(r, CMAT_ERR_LIMIT, NULL, "a string is over %d MiB",
                              JINJA_MAX_OUTPUT >> 20);
        char *s = jinja_alloc(r, n + 1);
        if (!s)
            return undefined;
        memcpy(s, a.u.str.s, a.u.str.len);
        memcpy(s + a.u.str.len, b.u.str.s, b.u.str.len);
        return jinja_string(s, n);
    }
    cmat_buf buf = {0};
    jinja_print(r, &buf, a, false);
    jinja_print(r, &buf, b, false);
    jinja_value v = jinja_copy(r, cmat_buf_str(&buf), buf.len);
    cmat_buf_clear(&buf);
    return v;
}

static jinja_value list_concat(jinja_run *r, jinja_value a, jinja_value b)
{
    jinja_value out = jinja_list_new(r, a.u.list->n + b.u.list->n);
    for (size_t i = 0; i < a.u.list->n; i++)
        jinja_list_add(r, out, a.u.list->items[i]);
    for (size_t i = 0; i < b.u.list->n; i++)
        jinja_list_add(r, out, b.u.list->items[i]);
    out.tuple = a.tuple;
    return out;
}

static jinja_value repeat(jinja_run *r, const jinja_node *at, jinja_value s, int64_t times)
{
    size_t n = times > 0 ? (size_t)times : 0, len;
    if (!cmat_mul(n, s.u.str.len, &len) || len > JINJA_MAX_OUTPUT)
        return jinja_fail(r, CMAT_ERR_LIMIT, at, "a string is over %d MiB", JINJA_MAX_OUTPUT >> 20);
    char *out = jinja_alloc(r, len + 1);
    for (size_t i = 0; out && len && i < n; i++)
        memcpy(out + i * s.u.str.len, s.u.str.s, s.u.str.len);
    return out ? jinja_string(out, len) : undefined;
}

static jinja_value list_repeat(jinja_run *r, const jinja_node *at, jinja_value l, int64_t times)
{
    const size_t n = times > 0 ? (size_t)times : 0;
    jinja_value out = jinja_list_new(r, 0);
    size_t total;
    if (!cmat_mul(n, l.u.list->n, &total) || total > JINJA_MAX_STEPS)
        return jinja_fail(r, CMAT_ERR_LIMIT, at, "a list is over %d items", JINJA_MAX_STEPS);
    for (size_t i = 0; i < n && r->st == CMAT_OK; i++) {
        for (size_t k = 0; k < l.u.list->n; k++)
            jinja_list_add(r, out, l.u.list->items[k]);
        if (l.u.list->n == 0)
            break;
    }
    out.tuple = l.tuple;
    return out;
}

static jinja_value int_op(jinja_run *r, const jinja_node *at, int op, int64_t a, int64_t b)
{
    int64_t v = 0;
    bool over = false;
    if (op == JOP_ADD)
        over = __builtin_add_overflow(a, b, &v);
    else if (op == JOP_SUB)
        over = __builtin_sub_overflow(a, b, &v);
    else if (op == JOP_MUL)
        over = __builtin_mul_overflow(a, b, &v);
    else if (b == 0)
        return jinja_fail(r, CMAT_ERR_ARG, at, "division by zero");
    else if (b == -1)
        over = op == JOP_FLOORDIV && __builtin_sub_overflow((int64_t)0, a, &v);
    else if (op == JOP_FLOORDIV)
        v = a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
    else
        v = a % b + ((a % b != 0) && ((a < 0) != (b < 0)) ? b : 0);
    if (over)
        return jinja_fail(r, CMAT_ERR_LIMIT, at, "number is too large");
    return jinja_int(v);
}

static jinja_value float_op(jinja_run *r, const jinja_node *at, int op, double a, double b)
{
    double v = 0;
    if (b == 0 && (op == JOP_DIV || op == JOP_FLOORDIV || op == JOP_MOD))
        return jinja_fail(r, CMAT_ERR_ARG, at, "division by zero");
    switch (op) {
    case JOP_ADD:
        v = a + b;
        break;
    case JOP_SUB:
        v = a - b;
        break;
    case JOP_MUL:
        v = a * b;
        break;
    case JOP_DIV:
        v = a / b;
        break;
    case JOP_FLOORDIV:
        v = floor(a / b);
        break;
    case JOP_POW:
        v = pow(a, b);
        break;
    default:
        v = a - floor(a / b) * b;
    }
    return (jinja_value){.kind = JV_FLOAT, .u.f = v};
}

static jinja_value int_power(jinja_run *r, const jinja_node *at, int64_t a, int64_t b)
{
    int64_t v = 1;
    for (; b > 0; b--) {
        if (__builtin_mul_overflow(v, a, &v))
            return jinja_fail(r, CMAT_ERR_LIMIT, at, "number is too large");
        if (v == 0 || (v == 1 && a == 1))
            break;
        if (a == -1)
            return jinja_int(b % 2 ? -1 : 1);
    }
    return jinja_int(v);
}

static jinja_value number_op(jinja_run *r, const jinja_node *n, jinja_value a, jinja_value b)
{
    if (a.kind == JV_FLOAT || b.kind == JV_FLOAT || n->op == JOP_DIV)
        return float_op(r, n, n->op, jinja_number(a), jinja_number(b));
    int64_t x = a.kind == JV_BOOL ? a.u.b : a.u.i, y = b.kind == JV_BOOL ? b.u.b : b.u.i;
    if (n->op != JOP_POW)
        return int_op(r, n, n->op, x, y);
    return y >= 0 ? int_power(r, n, x, y) : float_op(r, n, n->op, (double)x, (double)y);
}

static jinja_value binary_eval(jinja_run *r, const jinja_node *n)
{
    static const char *const names[] = {"+", "-", "*", "/", "//", "%", "**", "~"};
    jinja_value a = jinja_eval(r, n->a), b = jinja_eval(r, n->b);
    if (r->st != CMAT_OK)
        return undefined;
    if (n->op == JOP_CONCAT)
        return concat(r, a, b);
    if (jinja_is_number(a) && jinja_is_number(b))
        return number_op(r, n, a, b);
    if (n->op == JOP_ADD && a.kind == JV_STRING && b.kind == JV_STRING) {
        const bool markup = a.markup || b.markup; /* what is added to such text is escaped */
        jinja_value v =
            markup ? concat(r, jinja_escape(r, a), jinja_escape(r, b)) : concat(r, a, b);
        v.markup = markup && v.kind == JV_STRING;
        return v;
    }
    if (n->op == JOP_ADD && a.kind == JV_LIST && b.kind == JV_LIST && a.tuple == b.tuple)
        return list_concat(r, a, b);
    if (n->op == JOP_MUL && (a.kind == JV_INT || a.kind == JV_BOOL)) {
        const jinja_value times = a;
        a = b;
        b = times;
    }
    if (n->op == JOP_MUL && (b.kind == JV_INT || b.kind == JV_BOOL)) {
        const int64_t times = b.kind == JV_BOOL ? b.u.b : b.u.i;
        if (a.kind == JV_STRING)
            return repeat(r, n, a, times);
        if (a.kind == JV_LIST)
            return list_repeat(r, n, a, times);
    }
    const char *name = a.kind == JV_UNDEFINED   ? a.u.undefined
                       : b.kind == JV_UNDEFINED ? b.u.undefined
                                                : NULL;
    return jinja_fail(r, CMAT_ERR_ARG, n, "cannot do %s %s %s%s%s%s", jinja_kind_name(a),
                      names[n->op], jinja_kind_name(b), name ? " ('" : "", name ? name : "",
                      name ? "')" : "");
}

static bool contains(jinja_run *r, const jinja_node *at, jinja_value item, jinja_value in)
{
    jinja_list *l;
    if (in.kind == JV_STRING) {
        if (item.kind == JV_STRING)
            return memmem(in.u.str.s, in.u.str.len, item.u.str.s, item.u.str.len) != NULL;
    } else if (in.kind == JV_DICT) {
        return jinja_dict_get(in.u.dict, item) != NULL;
    } else if (jinja_iterate(r, in, &l)) {
        for (size_t i = 0; i < l->n; i++) {
            if (jinja_equal(l->items[i], item))
                return true;
        }
        return false;
    }
    jinja_fail(r, CMAT_ERR_ARG, at, "cannot look for a %s in a %s", jinja_kind_name(item),
               jinja_kind_name(in));
    return false;
}

static bool compare_one(jinja_run *r, const jinja_node *n, int op, jinja_value a, jinja_value b)
{
    if (op == JOP_EQ || op == JOP_NE)
        return jinja_equal(a, b) == (op == JOP_EQ);
    if (op == JOP_IN || op == JOP_NOT_IN)
        return contains(r, n, a, b) == (op == JOP_IN);
    bool ok;
    int k = jinja_compare(a, b, &ok);
    if (!ok)
        jinja_fail(r, CMAT_ERR_ARG, n, "a %s and a %s have no order", jinja_kind_name(a),
                   jinja_kind_name(b));
    return op == JOP_LT ? k < 0 : op == JOP_LE ? k <= 0 : op == JOP_GT ? k > 0 : k >= 0;
}

static jinja_value compare_eval(jinja_run *r, const jinja_node *n)
{
    jinja_value a = jinja_eval(r, n->items[0]);
    for (size_t i = 1; i < n->n_items; i++) {
        jinja_value b = jinja_eval(r, n->items[i]);
        if (r->st != CMAT_OK || !compare_one(r, n, n->args[i - 1].value->op, a, b))
            return jinja_bool(false);
        a = b;
    }
    return jinja_bool(true);
}

static jinja_value sign_eval(jinja_run *r, const jinja_node *n)
{
    jinja_value v = jinja_eval(r, n->a);
    if (r->st != CMAT_OK)
        return v;
    if (!jinja_is_number(v))
        return jinja_fail(r, CMAT_ERR_ARG, n, "a %s has no sign", jinja_kind_name(v));
    if (v.kind == JV_FLOAT)
        v.u.f = n->kind == JN_NEG ? -v.u.f : v.u.f;
    else
        v = n->kind == JN_NEG ? int_op(r, n, JOP_SUB, 0, v.kind == JV_BOOL ? v.u.b : v.u.i) : v;
    return v;
}

/* --- calls ------------------------------------------------------------------------------------ */

/* Runs a body into a string of its own. */
static jinja_value capture(jinja_run *r, const jinja_node *body)
{
    cmat_buf buf = {0}, *out = r->out;
    r->out = &buf;
    jinja_exec(r, body);
    r->out = out;
    jinja_value v = jinja_copy(r, cmat_buf_str(&buf), buf.len);
    cmat_buf_clear(&buf);
    return v;
}

static jinja_value macro_call(jinja_run *r, const jinja_node *at, const jinja_macro *m,
                              const jinja_args *args, const jinja_value *caller)
{
    const jinja_node *n = m->node;
    jinja_scope *saved = r->scope, *scope = scope_new(r, m->scope);
    if (!scope)
        return undefined;
    if (r->calls >= JINJA_MAX_DEPTH)
        return jinja_fail(r, CMAT_ERR_LIMIT, at, "macros call each other more than %d deep",
                          JINJA_MAX_DEPTH);
    if (args->n > n->n_args)
        return jinja_fail(r, CMAT_ERR_ARG, at, "macro '%s' takes %zu arguments",
                          n->name ? n->name : "caller", n->n_args);
    r->calls++;
    r->scope = scope;
    for (size_t i = 0; i < n->n_args; i++) {
        jinja_value v = jinja_arg_get(args, i, n->args[i].name, undefined);
        bool given = i < args->n;
        for (size_t k = 0; k < args->n_named; k++)
            given |= strcmp(args->names[k], n->args[i].name) == 0;
        if (!given && n->args[i].value)
            v = jinja_eval(r, n->args[i].value);
        else if (!given)
            v.u.undefined = n->args[i].name;
        scope_set(r, n->args[i].name, v);
    }
    if (caller)
        scope_set(r, "caller", *caller);
    jinja_value v = capture(r, n->c);
    r->scope = saved;
    r->calls--;
    return v;
}

static jinja_value call_eval(jinja_run *r, const jinja_node *n, const jinja_value *caller)
{
    const jinja_node *callee = n->a;
    if (callee->kind == JN_ATTR) {
        jinja_value of = jinja_eval(r, callee->a);
        jinja_args args = args_eval(r, n);
        if (r->st != CMAT_OK)
            return undefined;
        if (of.kind == JV_NAMESPACE) {
            const jinja_value *f = jinja_dict_find(of.u.dict, callee->name, callee->name_len);
            if (f && f->kind == JV_MACRO)
                return macro_call(r, n, f->u.macro, &args, caller);
        }
        return jinja_method_call(r, callee, of, callee->name, callee->name_len, &args);
    }
    jinja_value f = jinja_eval(r, callee);
    jinja_args args = args_eval(r, n);
    if (r->st != CMAT_OK)
        return undefined;
    if (f.kind == JV_MACRO)
        return macro_call(r, n, f.u.macro, &args, caller);
    if (f.kind == JV_BUILTIN)
        return jinja_builtin_call(r, n, f.u.builtin, &args);
    if (callee->kind == JN_NAME)
        return jinja_fail(r, CMAT_ERR_UNSUPPORTED, n, "not supported: function '%s'", callee->name);
    return jinja_fail(r, CMAT_ERR_ARG, n, "a %s cannot be called", jinja_kind_name(f));
}

/* --- expressions ------------------------------------------------------------------------------ */

static jinja_value list_eval(jinja_run *r, const jinja_node *n)
{
    jinja_value v = jinja_list_new(r, n->n_items);
    v.tuple = n->op;
    for (size_t i = 0; i < n->n_items; i++)
        jinja_list_add(r, v, jinja_eval(r, n->items[i]));
    return v;
}

static jinja_value dict_eval(jinja_run *r, const jinja_node *n)
{
    jinja_value v = jinja_dict_new(r);
    for (size_t i = 0; i + 1 < n->n_items; i += 2) {
        jinja_value key = jinja_eval(r, n->items[i]);
        jinja_dict_set(r, v.u.dict, key, jinja_eval(r, n->items[i + 1]));
    }
    return v;
}

static jinja_value slice_eval(jinja_run *r, const jinja_node *n)
{
    const jinja_value none = {.kind = JV_NONE};
    jinja_value v = jinja_eval(r, n->d);
    jinja_value part[3] = {n->a ? jinja_eval(r, n->a) : none, n->b ? jinja_eval(r, n->b) : none,
                           n->c ? jinja_eval(r, n->c) : none};
    return r->st == CMAT_OK ? jinja_slice(r, n, v, part) : undefined;
}

static jinja_value filter_eval(jinja_run *r, const jinja_node *n, jinja_value v)
{
    jinja_args args = args_eval(r, n);
    return r->st == CMAT_OK ? jinja_filter_apply(r, n, n->op, v, &args) : undefined;
}

static jinja_value test_eval(jinja_run *r, const jinja_node *n)
{
    jinja_value v = jinja_eval(r, n->a);
    jinja_args args = args_eval(r, n);
    return jinja_bool(r->st == CMAT_OK && jinja_test_apply(r, n, n->op, v, &args));
}

static jinja_value eval_inner(jinja_run *r, const jinja_node *n)
{
    jinja_value v;
    switch (n->kind) {
    case JN_CONST:
        return *n->value;
    case JN_NAME:
        return name_eval(r, n);
    case JN_LIST:
        return list_eval(r, n);
    case JN_DICT:
        return dict_eval(r, n);
    case JN_ATTR:
        v = jinja_eval(r, n->a);
        return r->st == CMAT_OK ? jinja_attribute(r, n, v, n->name, n->name_len) : v;
    case JN_INDEX:
        v = jinja_eval(r, n->d);
        jinja_value key = jinja_eval(r, n->a);
        return r->st == CMAT_OK ? jinja_item(r, n, v, key) : v;
    case JN_SLICE:
        return slice_eval(r, n);
    case JN_CALL:
        return call_eval(r, n, NULL);
    case JN_FILTER:
        v = jinja_eval(r, n->a);
        return filter_eval(r, n, v);
    case JN_TEST:
        return test_eval(r, n);
    case JN_NOT:
        return jinja_bool(!jinja_truth(jinja_eval(r, n->a)));
    case JN_NEG:
    case JN_POS:
        return sign_eval(r, n);
    case JN_BINARY:
        return binary_eval(r, n);
    case JN_COMPARE:
        return compare_eval(r, n);
    case JN_AND:
        v = jinja_eval(r, n->a);
        return jinja_truth(v) ? jinja_eval(r, n->b) : v;
    case JN_OR:
        v = jinja_eval(r, n->a);
        return jinja_truth(v) ? v : jinja_eval(r, n->b);
    case JN_COND:
        if (jinja_truth(jinja_eval(r, n->a)))
            return jinja_eval(r, n->b);
        return n->c ? jinja_eval(r, n->c) : undefined;
    default:
        return jinja_fail(r, CMAT_ERR_STATE, n, "not an expression");
    }
}

jinja_value jinja_eval(jinja_run *r, const jinja_node *n)
{
    if (!step(r, n))
        return undefined;
    r->depth++;
    jinja_value v = eval_inner(r, n);
    r->depth--;
    return r->st == CMAT_OK ? v : undefined;
}

/* --- statements ------------------------------------------------------------------------------- */

static void targets_set(jinja_run *r, const jinja_node *n, jinja_value v)
{
    jinja_list *l;
    if (n->n_names == 1) {
        scope_set(r, n->names[0], v);
        return;
    }
    if (v.kind == JV_UNDEFINED || !jinja_iterate(r, v, &l) || l->n != n->n_names) {
        jinja_fail(r, CMAT_ERR_ARG, n, "a %s does not fit %zu names", jinja_kind_name(v),
                   n->n_names);
        return;
    }
    for (size_t i = 0; i < n->n_names; i++)
        scope_set(r, n->names[i], l->items[i]);
}

/* The items for which the loop's condition holds. */
static jinja_list *loop_filter(jinja_run *r, const jinja_node *n, jinja_list *all)
{
    jinja_scope *saved = r->scope;
    jinja_value kept = jinja_list_new(r, 0);
    for (size_t i = 0; i < all->n && r->st == CMAT_OK; i++) {
        if (!(r->scope = scope_new(r, saved)))
            break;
        targets_set(r, n, all->items[i]);
        if (jinja_truth(jinja_eval(r, n->b)))
            jinja_list_add(r, kept, all->items[i]);
    }
    r->scope = saved;
    return kept.u.list;
}

static void loop_exec(jinja_run *r, const jinja_node *n, jinja_list *items)
{
    jinja_scope *saved = r->scope;
    jinja_loop *loop = jinja_alloc(r, sizeof *loop);
    if (!loop)
        return;
    *loop = (jinja_loop){.items = items, .depth = ++r->loops};
    for (size_t i = 0; i < items->n && r->st == CMAT_OK && r->jump != JN_BREAK; i++) {
        if (!step(r, n) || !(r->scope = scope_new(r, saved)))
            break;
        loop->index0 = i;
        scope_set(r, "loop", (jinja_value){.kind = JV_LOOP, .u.loop = loop});
        targets_set(r, n, items->items[i]);
        r->jump = 0;
        jinja_exec(r, n->c);
    }
    r->jump = 0;
    r->loops--;
    r->scope = saved;
}

static void for_exec(jinja_run *r, const jinja_node *n)
{
    jinja_list *items;
    jinja_value v = jinja_eval(r, n->a);
    if (r->st != CMAT_OK)
        return;
    if (!jinja_iterate(r, v, &items)) {
        jinja_fail(r, CMAT_ERR_ARG, n, "cannot loop over a %s", jinja_kind_name(v));
        return;
    }
    if (n->b)
        items = loop_filter(r, n, items);
    if (items->n > 0)
        loop_exec(r, n, items);
    else if (n->d)
        jinja_exec(r, n->d);
}

static void if_exec(jinja_run *r, const jinja_node *n)
{
    for (size_t i = 0; i + 1 < n->n_items; i += 2) {
        bool truth = jinja_truth(jinja_eval(r, n->items[i]));
        if (r->st != CMAT_OK)
            return;
        if (truth) {
            jinja_exec(r, n->items[i + 1]);
            return;
        }
    }
    if (n->c)
        jinja_exec(r, n->c);
}

static void set_exec(jinja_run *r, const jinja_node *n)
{
    jinja_value v = jinja_eval(r, n->a);
    if (r->st != CMAT_OK)
        return;
    if (!n->name) {
        targets_set(r, n, v);
        return;
    }
    jinja_node of = {.kind = JN_NAME, .name = n->names[0], .name_len = strlen(n->names[0])};
    jinja_value ns = name_eval(r, &of);
    if (ns.kind != JV_NAMESPACE)
        jinja_fail(r, CMAT_ERR_ARG, n, "'%s' is not a namespace", n->names[0]);
    else
        jinja_dict_set(r, ns.u.dict, jinja_text(n->name), v);
}

/* The filters of a chain, innermost first, over a captured body. */
static jinja_value filters_eval(jinja_run *r, const jinja_node *n, jinja_value v)
{
    if (!n || !step(r, n))
        return v;
    r->depth++;
    v = filter_eval(r, n, filters_eval(r, n->a, v));
    r->depth--;
    return v;
}

static jinja_value scoped_capture(jinja_run *r, const jinja_node *body, const jinja_node *filters)
{
    jinja_scope *saved = r->scope, *scope = scope_new(r, saved);
    if (!scope)
        return undefined;
    r->scope = scope;
    jinja_value v = capture(r, body);
    r->scope = saved;
    return filters_eval(r, filters, v);
}

static void output(jinja_run *r, const jinja_node *at, jinja_value v)
{
    if (r->st == CMAT_OK)
        jinja_print(r, r->out, v, false);
    if (r->out->len > JINJA_MAX_OUTPUT)
        jinja_fail(r, CMAT_ERR_LIMIT, at, "output is over %d MiB", JINJA_MAX_OUTPUT >> 20);
}

static jinja_value macro_new(jinja_run *r, const jinja_node *n)
{
    jinja_macro *m = jinja_alloc(r, sizeof *m);
    if (!m)
        return undefined;
    *m = (jinja_macro){.node = n, .scope = r->scope};
    return (jinja_value){.kind = JV_MACRO, .u.macro = m};
}

static void exec_inner(jinja_run *r, const jinja_node *n)
{
    jinja_value v;
    switch (n->kind) {
    case JN_BODY:
        for (size_t i = 0; i < n->n_items && r->st == CMAT_OK && !r->jump; i++)
            jinja_exec(r, n->items[i]);
        break;
    case JN_TEXT:
        output(r, n, jinja_string(n->name, n->name_len));
        break;
    case JN_OUTPUT:
        v = jinja_eval(r, n->a);
        output(r, n, v);
        break;
    case JN_FOR:
        for_exec(r, n);
        break;
    case JN_IF:
        if_exec(r, n);
        break;
    case JN_SET:
        set_exec(r, n);
        break;
    case JN_SET_BLOCK:
        v = scoped_capture(r, n->c, n->b);
        scope_set(r, n->names[0], v);
        break;
    case JN_FILTER_BLOCK:
        v = scoped_capture(r, n->c, n->a);
        output(r, n, v);
        break;
    case JN_MACRO:
        v = macro_new(r, n);
        scope_set(r, n->name, v);
        break;
    case JN_CALL_BLOCK: {
        jinja_value caller = macro_new(r, n);
        v = r->st == CMAT_OK ? call_eval(r, n->a, &caller) : undefined;
        output(r, n, v);
        break;
    }
    case JN_BREAK:
    case JN_CONTINUE:
        r->jump = n->kind;
        break;
    default:
        jinja_fail(r, CMAT_ERR_STATE, n, "not a statement");
    }
}

void jinja_exec(jinja_run *r, const jinja_node *n)
{
    if (!step(r, n))
        return;
    r->depth++;
    exec_inner(r, n);
    r->depth--;
}
