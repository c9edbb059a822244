/* Runs the tree of a chat template. Scopes are Jinja's: a loop's body and a macro have their own,
 * what they set is gone afterwards; `if` has none; a namespace is shared. */
#include "model/jinja.h"
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

static jinja_value binary_eval(jinja_run *r, const jinja_node *n)
{
    jinja_value a = jinja_eval(r, n->a), b = jinja_eval(r, n->b);
    return r->st == CMAT_OK ? jinja_binary(r, n, a, b) : undefined;
}

static jinja_value compare_eval(jinja_run *r, const jinja_node *n)
{
    jinja_value a = jinja_eval(r, n->items[0]);
    for (size_t i = 1; i < n->n_items; i++) {
        jinja_value b = jinja_eval(r, n->items[i]);
        if (r->st != CMAT_OK || !jinja_relation(r, n, n->args[i - 1].value->op, a, b))
            return jinja_bool(false);
        a = b;
    }
    return jinja_bool(true);
}

static jinja_value sign_eval(jinja_run *r, const jinja_node *n)
{
    jinja_value v = jinja_eval(r, n->a);
    return r->st == CMAT_OK ? jinja_sign(r, n, v) : v;
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
