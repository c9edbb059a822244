/* Filters and tests of the template interpreter. */
#include "core/text.h"
#include "model/jinja.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const jinja_value undefined = {.kind = JV_UNDEFINED};
static const jinja_value none = {.kind = JV_NONE};

typedef jinja_value (*filter_fn)(jinja_run *r, const jinja_node *at, jinja_value v,
                                 const jinja_args *args);

/* --- text ---------------------------------------------------------------------------------------
 */

static jinja_value to_text(jinja_run *r, jinja_value v)
{
    if (v.kind == JV_STRING)
        return v;
    cmat_buf b = {0};
    jinja_print(r, &b, v, false);
    v = jinja_copy(r, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return v.kind == JV_STRING ? v : jinja_text("");
}

static jinja_value f_string(jinja_run *r, const jinja_node *at, jinja_value v,
                            const jinja_args *args)
{
    (void)at, (void)args;
    return to_text(r, v);
}

static jinja_value f_trim(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    (void)at;
    jinja_value chars = jinja_arg_get(args, 0, "chars", none);
    return jinja_strip(to_text(r, v), &chars, 3);
}

static jinja_value f_upper(jinja_run *r, const jinja_node *at, jinja_value v,
                           const jinja_args *args)
{
    (void)at, (void)args;
    return jinja_case(r, to_text(r, v), 'u');
}

static jinja_value f_lower(jinja_run *r, const jinja_node *at, jinja_value v,
                           const jinja_args *args)
{
    (void)at, (void)args;
    return jinja_case(r, to_text(r, v), 'l');
}

static jinja_value f_title(jinja_run *r, const jinja_node *at, jinja_value v,
                           const jinja_args *args)
{
    (void)at, (void)args;
    return jinja_case(r, to_text(r, v), 'w');
}

static jinja_value f_capitalize(jinja_run *r, const jinja_node *at, jinja_value v,
                                const jinja_args *args)
{
    (void)at, (void)args;
    return jinja_case(r, to_text(r, v), 'c');
}

static jinja_value f_replace(jinja_run *r, const jinja_node *at, jinja_value v,
                             const jinja_args *args)
{
    jinja_value from = jinja_arg_get(args, 0, "old", none),
                to = jinja_arg_get(args, 1, "new", none);
    jinja_value n = jinja_arg_get(args, 2, "count", none);
    if (from.kind != JV_STRING || to.kind != JV_STRING)
        return jinja_fail(r, CMAT_ERR_ARG, at, "replace takes two texts");
    return jinja_replace(r, to_text(r, v), from, to, n.kind == JV_INT ? n.u.i : -1);
}

jinja_value jinja_escape(jinja_run *r, jinja_value v)
{
    cmat_buf b = {0};
    if (v.kind == JV_STRING && v.markup)
        return v;
    v = to_text(r, v);
    for (size_t i = 0; i < v.u.str.len; i++) {
        char c = v.u.str.s[i];
        if (c == '&' || c == '<' || c == '>')
            cmat_buf_puts(&b, c == '&' ? "&amp;" : c == '<' ? "&lt;" : "&gt;");
        else if (c == '"' || c == '\'')
            cmat_buf_puts(&b, c == '"' ? "&#34;" : "&#39;");
        else
            cmat_buf_putc(&b, c);
    }
    v = jinja_copy(r, cmat_buf_str(&b), b.len);
    v.markup = v.kind == JV_STRING;
    cmat_buf_clear(&b);
    return v;
}

static jinja_value f_escape(jinja_run *r, const jinja_node *at, jinja_value v,
                            const jinja_args *args)
{
    (void)at, (void)args;
    return jinja_escape(r, v);
}

static jinja_value f_indent(jinja_run *r, const jinja_node *at, jinja_value v,
                            const jinja_args *args)
{
    jinja_value width = jinja_arg_get(args, 0, "width", jinja_int(4));
    bool first = jinja_truth(jinja_arg_get(args, 1, "first", jinja_bool(false)));
    bool blank = jinja_truth(jinja_arg_get(args, 2, "blank", jinja_bool(false)));
    cmat_buf pad = {0}, b = {0};
    if (width.kind == JV_STRING)
        cmat_buf_add(&pad, width.u.str.s, width.u.str.len);
    else if (width.kind != JV_INT || width.u.i > 1000)
        return jinja_fail(r, CMAT_ERR_ARG, at, "indent takes a width or a text");
    for (int64_t i = 0; width.kind == JV_INT && i < width.u.i; i++)
        cmat_buf_putc(&pad, ' ');
    if (v.kind != JV_STRING) {
        cmat_buf_clear(&pad);
        return jinja_fail(r, CMAT_ERR_ARG, at, "indent of a %s", jinja_kind_name(v));
    }
    if (first)
        cmat_buf_add(&b, pad.data, pad.len);
    for (size_t i = 0; i < v.u.str.len && b.len <= JINJA_MAX_OUTPUT; i++) {
        char c = v.u.str.s[i];
        if (c == '\r' && i + 1 < v.u.str.len && v.u.str.s[i + 1] == '\n')
            continue; /* lines are put together again with "\n" */
        c = c == '\r' ? '\n' : c;
        cmat_buf_putc(&b, c);
        bool empty = i + 1 == v.u.str.len || v.u.str.s[i + 1] == '\n' || v.u.str.s[i + 1] == '\r';
        if (c == '\n' && (blank || !empty))
            cmat_buf_add(&b, pad.data, pad.len);
    }
    v = jinja_copy(r, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&pad);
    cmat_buf_clear(&b);
    return v;
}

static jinja_value f_tojson(jinja_run *r, const jinja_node *at, jinja_value v,
                            const jinja_args *args)
{
    jinja_value indent = jinja_arg_get(args, 1, "indent", none);
    jinja_value separators = jinja_arg_get(args, 2, "separators", none);
    jinja_json_style style = {
        .sort_keys = jinja_truth(jinja_arg_get(args, 3, "sort_keys", none)),
        .ascii = jinja_truth(jinja_arg_get(args, 0, "ensure_ascii", none)),
    };
    if (indent.kind == JV_INT && indent.u.i > 100)
        return jinja_fail(r, CMAT_ERR_ARG, at, "tojson: indent of more than 100");
    style.indent = indent.kind == JV_INT ? (int)(indent.u.i < 0 ? 0 : indent.u.i) : -1;
    style.item_sep = style.indent >= 0 ? "," : ", ";
    style.key_sep = ": ";
    if (separators.kind == JV_LIST && separators.u.list->n == 2) {
        jinja_value a = to_text(r, separators.u.list->items[0]),
                    b = to_text(r, separators.u.list->items[1]);
        style.item_sep = cmat_arena_strndup(r->arena, a.u.str.s, a.u.str.len);
        style.key_sep = cmat_arena_strndup(r->arena, b.u.str.s, b.u.str.len);
    }
    cmat_buf b = {0};
    jinja_json(r, &b, v, &style, 0, at);
    v = jinja_copy(r, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return v;
}

static jinja_value f_safe(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    (void)at, (void)args;
    v = to_text(r, v);
    v.markup = v.kind == JV_STRING;
    return v;
}

/* --- numbers ------------------------------------------------------------------------------------
 */

static jinja_value f_int(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    (void)at;
    jinja_value def = jinja_arg_get(args, 0, "default", jinja_int(0));
    double f = 0;
    if (v.kind == JV_INT)
        return v;
    if (v.kind == JV_STRING) {
        v = jinja_strip(v, NULL, 3);
        const char *s = cmat_arena_strndup(r->arena, v.u.str.s, v.u.str.len);
        char *end;
        long long i = strtoll(s, &end, 10);
        if (*s && !*end && strlen(s) < 19)
            return jinja_int(i);
        f = strtod(s, &end);
        if (!*s || *end)
            return def;
    } else if (jinja_is_number(v)) {
        f = jinja_number(v);
    } else {
        return def;
    }
    return fabs(f) < 9e18 ? jinja_int((int64_t)f) : def;
}

static jinja_value f_float(jinja_run *r, const jinja_node *at, jinja_value v,
                           const jinja_args *args)
{
    (void)at;
    jinja_value def = jinja_arg_get(args, 0, "default", (jinja_value){.kind = JV_FLOAT});
    double f;
    if (v.kind == JV_STRING) {
        v = jinja_strip(v, NULL, 3);
        const char *s = cmat_arena_strndup(r->arena, v.u.str.s, v.u.str.len);
        char *end;
        f = strtod(s, &end);
        if (!*s || *end)
            return def;
    } else if (jinja_is_number(v)) {
        f = jinja_number(v);
    } else {
        return def;
    }
    return (jinja_value){.kind = JV_FLOAT, .u.f = f};
}

static jinja_value f_abs(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    (void)args;
    if (!jinja_is_number(v))
        return jinja_fail(r, CMAT_ERR_ARG, at, "abs of a %s", jinja_kind_name(v));
    if (v.kind == JV_FLOAT)
        v.u.f = fabs(v.u.f);
    else
        v = jinja_int(v.kind == JV_BOOL ? v.u.b : v.u.i < 0 && v.u.i != INT64_MIN ? -v.u.i : v.u.i);
    return v;
}

/* --- lists --------------------------------------------------------------------------------------
 */

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
    jinja_value sep = to_text(r, jinja_arg_get(args, 0, "d", jinja_text("")));
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

static const struct {
    const char *name;
    filter_fn fn;
} filters[] = {
    {"abs", f_abs},
    {"capitalize", f_capitalize},
    {"count", f_length},
    {"d", f_default},
    {"default", f_default},
    {"dictsort", f_dictsort},
    {"e", f_escape},
    {"escape", f_escape},
    {"first", f_first},
    {"float", f_float},
    {"indent", f_indent},
    {"int", f_int},
    {"items", f_items},
    {"join", f_join},
    {"last", f_last},
    {"length", f_length},
    {"list", f_list},
    {"lower", f_lower},
    {"map", f_map},
    {"max", f_max},
    {"min", f_min},
    {"reject", f_reject},
    {"rejectattr", f_rejectattr},
    {"replace", f_replace},
    {"reverse", f_reverse},
    {"safe", f_safe},
    {"select", f_select},
    {"selectattr", f_selectattr},
    {"sort", f_sort},
    {"string", f_string},
    {"sum", f_sum},
    {"title", f_title},
    {"tojson", f_tojson},
    {"trim", f_trim},
    {"unique", f_unique},
    {"upper", f_upper},
};

int jinja_filter_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        if (strlen(filters[i].name) == len && memcmp(filters[i].name, name, len) == 0)
            return (int)i;
    }
    return -1;
}

jinja_value jinja_filter_apply(jinja_run *r, const jinja_node *at, int filter, jinja_value v,
                               const jinja_args *args)
{
    if (filter < 0)
        return jinja_fail(r, CMAT_ERR_UNSUPPORTED, at, "not supported: filter '%s'", at->name);
    if (++r->steps > JINJA_MAX_STEPS || r->depth > JINJA_MAX_EVAL_DEPTH)
        return jinja_fail(r, CMAT_ERR_LIMIT, at, "more than %d steps", JINJA_MAX_STEPS);
    r->depth++; /* map('map', 'map', ...) goes deeper with each name */
    v = filters[filter].fn(r, at, v, args);
    r->depth--;
    return v;
}

/* --- tests --------------------------------------------------------------------------------------
 */

enum {
    T_DEFINED,
    T_UNDEFINED,
    T_NONE,
    T_STRING,
    T_MAPPING,
    T_ITERABLE,
    T_SEQUENCE,
    T_NUMBER,
    T_INTEGER,
    T_FLOAT,
    T_BOOLEAN,
    T_TRUE,
    T_FALSE,
    T_CALLABLE,
    T_ODD,
    T_EVEN,
    T_LOWER,
    T_UPPER,
    T_EQ,
    T_EQUALTO,
    T_NE,
    T_LT,
    T_LE,
    T_GT,
    T_GE,
    T_IN,
    T_DIVISIBLEBY,
    T_SAMEAS,
    N_TESTS
};

static const char *const test_names[N_TESTS] = {
    "defined", "undefined", "none",  "string",  "mapping", "iterable",    "sequence",
    "number",  "integer",   "float", "boolean", "true",    "false",       "callable",
    "odd",     "even",      "lower", "upper",   "eq",      "equalto",     "ne",
    "lt",      "le",        "gt",    "ge",      "in",      "divisibleby", "sameas",
};

int jinja_test_find(const char *name, size_t len)
{
    for (int i = 0; i < N_TESTS; i++) {
        if (strlen(test_names[i]) == len && memcmp(test_names[i], name, len) == 0)
            return i;
    }
    return -1;
}

static bool kind_test(int test, jinja_value v)
{
    bool sized =
        v.kind == JV_STRING || v.kind == JV_LIST || v.kind == JV_DICT || v.kind == JV_UNDEFINED;
    switch (test) {
    case T_DEFINED:
        return v.kind != JV_UNDEFINED;
    case T_UNDEFINED:
        return v.kind == JV_UNDEFINED;
    case T_NONE:
        return v.kind == JV_NONE;
    case T_STRING:
        return v.kind == JV_STRING;
    case T_MAPPING:
        return v.kind == JV_DICT;
    case T_ITERABLE:
        return sized || v.kind == JV_GENERATOR;
    case T_SEQUENCE:
        return sized;
    case T_NUMBER:
        return jinja_is_number(v);
    case T_INTEGER:
        return v.kind == JV_INT;
    case T_FLOAT:
        return v.kind == JV_FLOAT;
    case T_BOOLEAN:
        return v.kind == JV_BOOL;
    case T_TRUE:
        return v.kind == JV_BOOL && v.u.b;
    case T_FALSE:
        return v.kind == JV_BOOL && !v.u.b;
    default:
        return v.kind == JV_MACRO || v.kind == JV_BUILTIN;
    }
}

/* Letters are there and all of them have the case. */
static bool case_test(jinja_run *r, jinja_value v, char mode)
{
    jinja_value s = to_text(r, v), same = jinja_case(r, s, mode),
                other = jinja_case(r, s, mode == 'u' ? 'l' : 'u');
    return r->st == CMAT_OK && jinja_equal(s, same) && !jinja_equal(s, other);
}

static bool order_test(jinja_run *r, const jinja_node *at, int test, jinja_value v, jinja_value arg)
{
    bool ok;
    int k = jinja_compare(v, arg, &ok);
    if (!ok)
        jinja_fail(r, CMAT_ERR_ARG, at, "a %s and a %s have no order", jinja_kind_name(v),
                   jinja_kind_name(arg));
    return test == T_LT ? k < 0 : test == T_LE ? k <= 0 : test == T_GT ? k > 0 : k >= 0;
}

static bool in_test(jinja_run *r, const jinja_node *at, jinja_value v, jinja_value in)
{
    jinja_list *l;
    if (in.kind == JV_STRING && v.kind == JV_STRING)
        return memmem(in.u.str.s, in.u.str.len, v.u.str.s, v.u.str.len) != NULL;
    if (in.kind == JV_STRING || !jinja_iterate(r, in, &l)) {
        jinja_fail(r, CMAT_ERR_ARG, at, "cannot look for a %s in a %s", jinja_kind_name(v),
                   jinja_kind_name(in));
        return false;
    }
    for (size_t i = 0; i < l->n; i++) {
        if (jinja_equal(l->items[i], v))
            return true;
    }
    return false;
}

bool jinja_test_apply(jinja_run *r, const jinja_node *at, int test, jinja_value v,
                      const jinja_args *args)
{
    jinja_value arg = jinja_arg_get(args, 0, NULL, undefined);
    if (test < 0) {
        jinja_fail(r, CMAT_ERR_UNSUPPORTED, at, "not supported: test '%s'", at->name);
        return false;
    }
    if (test <= T_CALLABLE)
        return kind_test(test, v);
    if (test == T_LOWER || test == T_UPPER)
        return case_test(r, v, test == T_LOWER ? 'l' : 'u');
    if (test >= T_EQ && args->n != 1) {
        jinja_fail(r, CMAT_ERR_ARG, at, "test '%s' takes one argument", test_names[test]);
        return false;
    }
    if (test == T_ODD || test == T_EVEN || test == T_DIVISIBLEBY) {
        int64_t by = test == T_DIVISIBLEBY ? (arg.kind == JV_INT ? arg.u.i : 0) : 2;
        if (v.kind != JV_INT || by == 0 || by == -1) {
            jinja_fail(r, CMAT_ERR_ARG, at, "test '%s' of a %s", test_names[test],
                       jinja_kind_name(v));
            return false;
        }
        return (v.u.i % by != 0) == (test == T_ODD);
    }
    if (test == T_SAMEAS)
        return v.kind == arg.kind && jinja_equal(v, arg);
    if (test == T_EQ || test == T_EQUALTO || test == T_NE)
        return jinja_equal(v, arg) == (test != T_NE);
    return test == T_IN ? in_test(r, at, v, arg) : order_test(r, at, test, v, arg);
}
