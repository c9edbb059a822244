/* The filters of lists: choosing, mapping, sorting. */
#include "model/jinja.h"
#include <stdlib.h>
#include <string.h>

static const jinja_value undefined = {.kind = JV_UNDEFINED};
static const jinja_value none = {.kind = JV_NONE};

static jinja_list *items_of(jinja_run *r, const jinja_node *at, jinja_value v)
{
    jinja_list *l = NULL;
    if (!jinja_iterate(r, v, &l))
        jinja_fail(r, CMAT_ERR_ARG, at, "%s of a %s", at->name, jinja_kind_name(v));
    return r->st == CMAT_OK ? l : NULL;
}

/* What select, map and the like go through: anything false is as good as an empty list. */
static jinja_list *items_or_none(jinja_run *r, const jinja_node *at, jinja_value v)
{
    return jinja_truth(v) ? items_of(r, at, v) : NULL;
}

static jinja_value generator(jinja_value list)
{
    list.kind = JV_GENERATOR;
    return list;
}

static jinja_value f_length(jinja_run *r, const jinja_node *at, jinja_value v,
                            const jinja_args *args)
{
    (void)args;
    switch (v.kind) {
    case JV_STRING:
        return jinja_int((int64_t)jinja_chars(v.u.str.s, v.u.str.len));
    case JV_LIST:
        return jinja_int((int64_t)v.u.list->n);
    case JV_DICT:
        return jinja_int((int64_t)v.u.dict->n);
    case JV_UNDEFINED:
        return jinja_int(0);
    default:
        return jinja_fail(r, CMAT_ERR_ARG, at, "a %s has no length", jinja_kind_name(v));
    }
}

static jinja_value f_default(jinja_run *r, const jinja_node *at, jinja_value v,
                             const jinja_args *args)
{
    (void)r, (void)at;
    bool falsy = jinja_truth(jinja_arg_get(args, 1, "boolean", jinja_bool(false)));
    bool use = v.kind == JV_UNDEFINED || (falsy && !jinja_truth(v));
    return use ? jinja_arg_get(args, 0, "default_value", jinja_text("")) : v;
}

static jinja_value f_first(jinja_run *r, const jinja_node *at, jinja_value v,
                           const jinja_args *args)
{
    (void)args;
    jinja_list *l = items_of(r, at, v);
    return l && l->n ? l->items[0] : undefined;
}

static jinja_value f_last(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    (void)args;
    if (v.kind == JV_GENERATOR)
        return jinja_fail(r, CMAT_ERR_ARG, at, "last of a generator");
    jinja_list *l = items_of(r, at, v);
    return l && l->n ? l->items[l->n - 1] : undefined;
}

static jinja_value list_copy(jinja_run *r, const jinja_list *l)
{
    jinja_value out = jinja_list_new(r, l ? l->n : 0);
    for (size_t i = 0; l && i < l->n; i++)
        jinja_list_add(r, out, l->items[i]);
    return out;
}

static jinja_value f_list(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    (void)args;
    return list_copy(r, items_of(r, at, v));
}

static jinja_value f_items(jinja_run *r, const jinja_node *at, jinja_value v,
                           const jinja_args *args)
{
    (void)args;
    jinja_value out = jinja_list_new(r, 0);
    if (v.kind != JV_DICT && v.kind != JV_UNDEFINED)
        return jinja_fail(r, CMAT_ERR_ARG, at, "items of a %s", jinja_kind_name(v));
    for (size_t i = 0; v.kind == JV_DICT && i < v.u.dict->n; i++)
        jinja_list_add(r, out, jinja_pair(r, v.u.dict->keys[i], v.u.dict->values[i]));
    return generator(out);
}

static jinja_value f_reverse(jinja_run *r, const jinja_node *at, jinja_value v,
                             const jinja_args *args)
{
    (void)args;
    const jinja_value parts[3] = {none, none, jinja_int(-1)};
    if (v.kind == JV_STRING)
        return jinja_slice(r, at, v, parts);
    jinja_list *l = items_of(r, at, v);
    jinja_value out = jinja_list_new(r, 0);
    for (size_t i = l ? l->n : 0; i-- > 0;)
        jinja_list_add(r, out, l->items[i]);
    return generator(out);
}

/* v.a.b of "a.b"; numbers are indices. */
static jinja_value path_get(jinja_run *r, const jinja_node *at, jinja_value v, jinja_value path)
{
    if (path.kind == JV_INT)
        return jinja_item(r, at, v, path);
    const char *p = path.u.str.s, *end = p + path.u.str.len;
    while (p <= end && r->st == CMAT_OK) {
        const char *dot = memchr(p, '.', (size_t)(end - p));
        size_t n = (size_t)((dot ? dot : end) - p);
        jinja_value key = jinja_string(p, n);
        char *stop;
        const char *s = cmat_arena_strndup(r->arena, p, n);
        long long i = strtoll(s, &stop, 10);
        v = jinja_item(r, at, v, n && !*stop ? jinja_int(i) : key);
        p += n + 1;
    }
    return v;
}

static jinja_value attribute_arg(const jinja_args *args, size_t i)
{
    jinja_value v = jinja_arg_get(args, i, "attribute", none);
    return v.kind == JV_STRING || v.kind == JV_INT ? v : none;
}

static jinja_value f_join(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    jinja_value sep = jinja_to_text(r, jinja_arg_get(args, 0, "d", jinja_text("")));
    jinja_value path = attribute_arg(args, 1);
    jinja_list *l = items_of(r, at, v);
    cmat_buf b = {0};
    for (size_t i = 0; l && i < l->n && r->st == CMAT_OK; i++) {
        if (i)
            cmat_buf_add(&b, sep.u.str.s, sep.u.str.len);
        jinja_print(r, &b, path.kind == JV_NONE ? l->items[i] : path_get(r, at, l->items[i], path),
                    false);
    }
    v = jinja_copy(r, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return v;
}

/* The arguments from i on, as those of a filter or test called by name. */
static jinja_args rest_of(const jinja_args *args, size_t i)
{
    jinja_args rest = *args;
    if (rest.pos)
        rest.pos += i < args->n ? i : args->n;
    rest.n = i < args->n ? args->n - i : 0;
    return rest;
}

static jinja_value f_map(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    jinja_value path = jinja_arg_get(args, SIZE_MAX, "attribute", none);
    jinja_value def = jinja_arg_get(args, SIZE_MAX, "default", undefined);
    jinja_value name = jinja_arg_get(args, 0, NULL, none), out = jinja_list_new(r, 0);
    int filter = name.kind == JV_STRING ? jinja_filter_find(name.u.str.s, name.u.str.len) : -1;
    jinja_args rest = rest_of(args, 1);
    jinja_list *l = items_or_none(r, at, v);
    if (path.kind != JV_STRING && path.kind != JV_INT && filter < 0)
        return jinja_fail(r, CMAT_ERR_UNSUPPORTED, at, "not supported: map by filter '%.*s'",
                          name.kind == JV_STRING ? (int)name.u.str.len : 0,
                          name.kind == JV_STRING ? name.u.str.s : "");
    for (size_t i = 0; l && i < l->n && r->st == CMAT_OK; i++) {
        jinja_value item = l->items[i];
        if (filter >= 0) {
            item = jinja_filter_apply(r, at, filter, item, &rest);
        } else {
            item = path_get(r, at, item, path);
            item = item.kind == JV_UNDEFINED ? def : item;
        }
        jinja_list_add(r, out, item);
    }
    return generator(out);
}

/* select, reject, selectattr, rejectattr: keeps the items whose test (truth without one) is `keep`.
 */
static jinja_value choose(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args,
                          bool by_attribute, bool keep)
{
    jinja_value path = by_attribute ? jinja_arg_get(args, 0, NULL, none) : none;
    jinja_value name = jinja_arg_get(args, by_attribute, NULL, none), out = jinja_list_new(r, 0);
    int test = name.kind == JV_STRING ? jinja_test_find(name.u.str.s, name.u.str.len) : -1;
    jinja_args rest = rest_of(args, by_attribute + 1u);
    jinja_list *l = items_or_none(r, at, v);
    if (by_attribute && path.kind != JV_STRING && path.kind != JV_INT)
        return jinja_fail(r, CMAT_ERR_ARG, at, "%s takes an attribute's name", at->name);
    if (name.kind != JV_NONE && test < 0)
        return jinja_fail(r, CMAT_ERR_UNSUPPORTED, at, "not supported: %s by this test", at->name);
    for (size_t i = 0; l && i < l->n && r->st == CMAT_OK; i++) {
        jinja_value item = by_attribute ? path_get(r, at, l->items[i], path) : l->items[i];
        bool ok = test >= 0 ? jinja_test_apply(r, at, test, item, &rest) : jinja_truth(item);
        if (ok == keep)
            jinja_list_add(r, out, l->items[i]);
    }
    return generator(out);
}

static jinja_value f_select(jinja_run *r, const jinja_node *at, jinja_value v,
                            const jinja_args *args)
{
    return choose(r, at, v, args, false, true);
}

static jinja_value f_reject(jinja_run *r, const jinja_node *at, jinja_value v,
                            const jinja_args *args)
{
    return choose(r, at, v, args, false, false);
}

static jinja_value f_selectattr(jinja_run *r, const jinja_node *at, jinja_value v,
                                const jinja_args *args)
{
    return choose(r, at, v, args, true, true);
}

static jinja_value f_rejectattr(jinja_run *r, const jinja_node *at, jinja_value v,
                                const jinja_args *args)
{
    return choose(r, at, v, args, true, false);
}

/* --- sorting ------------------------------------------------------------------------------------
 */

typedef struct {
    jinja_value key, item;
    size_t index; /* keeps equal ones in order */
} sort_item;

typedef struct {
    bool reverse, bad;
} sort_order;

static int sort_compare(const void *a, const void *b, void *arg)
{
    const sort_item *x = a, *y = b;
    sort_order *order = arg;
    bool ok;
    int k = jinja_compare(x->key, y->key, &ok);
    order->bad |= !ok;
    if (k)
        return order->reverse ? -k : k;
    return (x->index > y->index) - (x->index < y->index);
}

static jinja_value folded(jinja_run *r, jinja_value key, bool case_sensitive)
{
    return key.kind == JV_STRING && !case_sensitive ? jinja_case(r, key, 'l') : key;
}

/* Items of l ordered by keys[i] (the caller's). */
static jinja_value sorted(jinja_run *r, const jinja_node *at, const jinja_list *l, sort_item *items,
                          bool reverse)
{
    sort_order order = {.reverse = reverse};
    jinja_value out = jinja_list_new(r, l->n);
    for (size_t i = 0; i < l->n; i++) {
        items[i].item = l->items[i];
        items[i].index = i;
    }
    qsort_r(items, l->n, sizeof *items, sort_compare, &order);
    if (order.bad)
        return jinja_fail(r, CMAT_ERR_ARG, at, "%s of values that have no order", at->name);
    for (size_t i = 0; i < l->n; i++)
        jinja_list_add(r, out, items[i].item);
    return out;
}

static jinja_value sort(jinja_run *r, const jinja_node *at, jinja_value v, jinja_value path,
                        bool reverse, bool exact)
{
    jinja_list *l = items_of(r, at, v);
    sort_item *items = l ? jinja_alloc(r, (l->n + 1) * sizeof *items) : NULL;
    for (size_t i = 0; items && i < l->n; i++)
        items[i].key = folded(
            r, path.kind == JV_NONE ? l->items[i] : path_get(r, at, l->items[i], path), exact);
    return items && r->st == CMAT_OK ? sorted(r, at, l, items, reverse) : undefined;
}

static jinja_value f_sort(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    return sort(r, at, v, attribute_arg(args, 2),
                jinja_truth(jinja_arg_get(args, 0, "reverse", none)),
                jinja_truth(jinja_arg_get(args, 1, "case_sensitive", none)));
}

static jinja_value f_dictsort(jinja_run *r, const jinja_node *at, jinja_value v,
                              const jinja_args *args)
{
    bool exact = jinja_truth(jinja_arg_get(args, 0, "case_sensitive", none));
    jinja_value by = jinja_arg_get(args, 1, "by", jinja_text("key"));
    bool by_value = by.kind == JV_STRING && by.u.str.len == 5;
    bool reverse = jinja_truth(jinja_arg_get(args, 2, "reverse", none));
    jinja_value pairs = f_items(r, at, v, args);
    if (r->st != CMAT_OK)
        return undefined;
    jinja_list *l = pairs.u.list;
    sort_item *items = jinja_alloc(r, (l->n + 1) * sizeof *items);
    for (size_t i = 0; items && i < l->n; i++)
        items[i].key = folded(r, l->items[i].u.list->items[by_value], exact);
    return items && r->st == CMAT_OK ? sorted(r, at, l, items, reverse) : undefined;
}

static jinja_value f_unique(jinja_run *r, const jinja_node *at, jinja_value v,
                            const jinja_args *args)
{
    bool exact = jinja_truth(jinja_arg_get(args, 0, "case_sensitive", none));
    jinja_value path = attribute_arg(args, 1);
    jinja_value out = jinja_list_new(r, 0), seen = jinja_dict_new(r);
    jinja_list *l = items_of(r, at, v);
    for (size_t i = 0; l && i < l->n && r->st == CMAT_OK; i++) {
        jinja_value key = folded(
            r, path.kind == JV_NONE ? l->items[i] : path_get(r, at, l->items[i], path), exact);
        r->steps += (int64_t)seen.u.dict->n / 16;
        if (r->steps > JINJA_MAX_STEPS)
            return jinja_fail(r, CMAT_ERR_LIMIT, at, "more than %d steps", JINJA_MAX_STEPS);
        if (jinja_dict_get(seen.u.dict, key))
            continue;
        jinja_dict_set(r, seen.u.dict, key, none);
        jinja_list_add(r, out, l->items[i]);
    }
    return generator(out);
}

static jinja_value extreme(jinja_run *r, const jinja_node *at, jinja_value v,
                           const jinja_args *args, bool largest)
{
    /* the sort keeps the order of equal ones, either way: the first is taken, as Python does */
    jinja_value all = sort(r, at, v, attribute_arg(args, 1), largest,
                           jinja_truth(jinja_arg_get(args, 0, "case_sensitive", none)));
    return r->st == CMAT_OK && all.u.list->n ? all.u.list->items[0] : undefined;
}

static jinja_value f_min(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    return extreme(r, at, v, args, false);
}

static jinja_value f_max(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    return extreme(r, at, v, args, true);
}

static jinja_value f_sum(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    jinja_value path = attribute_arg(args, 0);
    jinja_value begin = jinja_arg_get(args, 1, "start", jinja_int(0));
    jinja_list *l = items_of(r, at, v);
    bool is_float = begin.kind == JV_FLOAT;
    double f = is_float || begin.kind == JV_INT ? jinja_number(begin) : 0;
    int64_t n = begin.kind == JV_INT ? begin.u.i : 0;
    for (size_t i = 0; l && i < l->n && r->st == CMAT_OK; i++) {
        jinja_value x = path.kind == JV_NONE ? l->items[i] : path_get(r, at, l->items[i], path);
        if (!jinja_is_number(x) || (x.kind == JV_INT && __builtin_add_overflow(n, x.u.i, &n)))
            return jinja_fail(r, CMAT_ERR_ARG, at, "sum of a %s", jinja_kind_name(x));
        n += x.kind == JV_BOOL && x.u.b;
        is_float |= x.kind == JV_FLOAT;
        f += jinja_number(x);
    }
    return is_float ? (jinja_value){.kind = JV_FLOAT, .u.f = f} : jinja_int(n);
}

const jinja_filter jinja_list_filters[] = {
    {"count", f_length},      {"d", f_default},     {"default", f_default},
    {"dictsort", f_dictsort}, {"first", f_first},   {"items", f_items},
    {"join", f_join},         {"last", f_last},     {"length", f_length},
    {"list", f_list},         {"map", f_map},       {"max", f_max},
    {"min", f_min},           {"reject", f_reject}, {"rejectattr", f_rejectattr},
    {"reverse", f_reverse},   {"select", f_select}, {"selectattr", f_selectattr},
    {"sort", f_sort},         {"sum", f_sum},       {"unique", f_unique},
};
const int jinja_n_list_filters = sizeof jinja_list_filters / sizeof *jinja_list_filters;
