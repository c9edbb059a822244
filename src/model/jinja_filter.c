/* The filters: those of text and numbers, and how a filter is found. */
#include "core/text.h"
#include "model/jinja.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const jinja_value none = {.kind = JV_NONE};

/* --- text ---------------------------------------------------------------------------------------
 */

jinja_value jinja_to_text(jinja_run *r, jinja_value v)
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
    return jinja_to_text(r, v);
}

static jinja_value f_trim(jinja_run *r, const jinja_node *at, jinja_value v, const jinja_args *args)
{
    (void)at;
    jinja_value chars = jinja_arg_get(args, 0, "chars", none);
    return jinja_strip(jinja_to_text(r, v), &chars, 3);
}

static jinja_value f_upper(jinja_run *r, const jinja_node *at, jinja_value v,
                           const jinja_args *args)
{
    (void)at, (void)args;
    return jinja_case(r, jinja_to_text(r, v), 'u');
}

static jinja_value f_lower(jinja_run *r, const jinja_node *at, jinja_value v,
                           const jinja_args *args)
{
    (void)at, (void)args;
    return jinja_case(r, jinja_to_text(r, v), 'l');
}

static jinja_value f_title(jinja_run *r, const jinja_node *at, jinja_value v,
                           const jinja_args *args)
{
    (void)at, (void)args;
    return jinja_case(r, jinja_to_text(r, v), 'w');
}

static jinja_value f_capitalize(jinja_run *r, const jinja_node *at, jinja_value v,
                                const jinja_args *args)
{
    (void)at, (void)args;
    return jinja_case(r, jinja_to_text(r, v), 'c');
}

static jinja_value f_replace(jinja_run *r, const jinja_node *at, jinja_value v,
                             const jinja_args *args)
{
    jinja_value from = jinja_arg_get(args, 0, "old", none),
                to = jinja_arg_get(args, 1, "new", none);
    jinja_value n = jinja_arg_get(args, 2, "count", none);
    if (from.kind != JV_STRING || to.kind != JV_STRING)
        return jinja_fail(r, CMAT_ERR_ARG, at, "replace takes two texts");
    return jinja_replace(r, jinja_to_text(r, v), from, to, n.kind == JV_INT ? n.u.i : -1);
}

jinja_value jinja_escape(jinja_run *r, jinja_value v)
{
    cmat_buf b = {0};
    if (v.kind == JV_STRING && v.markup)
        return v;
    v = jinja_to_text(r, v);
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
        jinja_value a = jinja_to_text(r, separators.u.list->items[0]),
                    b = jinja_to_text(r, separators.u.list->items[1]);
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
    v = jinja_to_text(r, v);
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

static const jinja_filter text_filters[] = {
    {"abs", f_abs},         {"capitalize", f_capitalize},
    {"e", f_escape},        {"escape", f_escape},
    {"float", f_float},     {"indent", f_indent},
    {"int", f_int},         {"lower", f_lower},
    {"replace", f_replace}, {"safe", f_safe},
    {"string", f_string},   {"title", f_title},
    {"tojson", f_tojson},   {"trim", f_trim},
    {"upper", f_upper},
};
enum { N_TEXT_FILTERS = sizeof text_filters / sizeof *text_filters };

static const jinja_filter *filter_at(int i)
{
    return i < N_TEXT_FILTERS ? &text_filters[i] : &jinja_list_filters[i - N_TEXT_FILTERS];
}

int jinja_filter_find(const char *name, size_t len)
{
    for (int i = 0; i < N_TEXT_FILTERS + jinja_n_list_filters; i++) {
        const char *known = filter_at(i)->name;
        if (strlen(known) == len && memcmp(known, name, len) == 0)
            return i;
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
    v = filter_at(filter)->fn(r, at, v, args);
    r->depth--;
    return v;
}
