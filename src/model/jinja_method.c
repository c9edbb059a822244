/* Attributes, items and slices of values, the methods of dicts, and global functions. */
#include "core/text.h"
#include "model/jinja.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

static const jinja_value undefined = {.kind = JV_UNDEFINED};
static const jinja_value none = {.kind = JV_NONE};

enum { MAX_RANGE = 100000 }; /* as Jinja's sandbox */

jinja_value jinja_pair(jinja_run *r, jinja_value a, jinja_value b)
{
    jinja_value v = jinja_list_new(r, 2);
    v.tuple = true;
    jinja_list_add(r, v, a);
    jinja_list_add(r, v, b);
    return v;
}

/* --- attributes, items, slices -----------------------------------------------------------------
 */

static jinja_value loop_attribute(jinja_run *r, const jinja_node *at, const jinja_loop *l,
                                  const char *name)
{
    int64_t i = (int64_t)l->index0, n = (int64_t)l->items->n;
    if (strcmp(name, "index") == 0)
        return jinja_int(i + 1);
    if (strcmp(name, "index0") == 0)
        return jinja_int(i);
    if (strcmp(name, "revindex") == 0)
        return jinja_int(n - i);
    if (strcmp(name, "revindex0") == 0)
        return jinja_int(n - i - 1);
    if (strcmp(name, "first") == 0)
        return jinja_bool(i == 0);
    if (strcmp(name, "last") == 0)
        return jinja_bool(i + 1 == n);
    if (strcmp(name, "length") == 0)
        return jinja_int(n);
    if (strcmp(name, "depth") == 0 || strcmp(name, "depth0") == 0)
        return jinja_int(name[5] ? 0 : 1);
    if (strcmp(name, "previtem") == 0)
        return i > 0 ? l->items->items[i - 1] : undefined;
    if (strcmp(name, "nextitem") == 0)
        return i + 1 < n ? l->items->items[i + 1] : undefined;
    return jinja_fail(r, CMAT_ERR_UNSUPPORTED, at, "not supported: loop.%s", name);
}

static jinja_value of_undefined(jinja_run *r, const jinja_node *at, jinja_value v, const char *what,
                                size_t len)
{
    return jinja_fail(r, CMAT_ERR_ARG, at, "'%s' is undefined and has no '%.*s'",
                      v.u.undefined ? v.u.undefined : "value", (int)(len < 60 ? len : 60), what);
}

jinja_value jinja_attribute(jinja_run *r, const jinja_node *at, jinja_value v, const char *name,
                            size_t len)
{
    const jinja_value *found = NULL;
    if (v.kind == JV_UNDEFINED)
        return of_undefined(r, at, v, name, len);
    if (v.kind == JV_LOOP)
        return loop_attribute(r, at, v.u.loop, name);
    if (v.kind == JV_DICT || v.kind == JV_NAMESPACE)
        found = jinja_dict_find(v.u.dict, name, len);
    return found ? *found : (jinja_value){.kind = JV_UNDEFINED, .u.undefined = at->name};
}

/* Byte offset of character i of s (0 <= i <= characters). */
static size_t char_offset(const char *s, size_t len, size_t i)
{
    size_t at = 0;
    while (i > 0 && at < len) {
        for (at++; at < len && ((unsigned char)s[at] & 0xc0) == 0x80;)
            at++;
        i--;
    }
    return at;
}

jinja_value jinja_item(jinja_run *r, const jinja_node *at, jinja_value v, jinja_value key)
{
    if (v.kind == JV_UNDEFINED)
        return of_undefined(r, at, v, key.kind == JV_STRING ? key.u.str.s : "item",
                            key.kind == JV_STRING ? key.u.str.len : 4);
    if (v.kind == JV_DICT || v.kind == JV_NAMESPACE) {
        const jinja_value *found = jinja_dict_get(v.u.dict, key);
        jinja_value missing = undefined;
        if (!found && key.kind == JV_STRING)
            missing.u.undefined = cmat_arena_strndup(r->arena, key.u.str.s, key.u.str.len);
        return found ? *found : missing;
    }
    if (key.kind == JV_STRING && v.kind == JV_LOOP)
        return loop_attribute(r, at, v.u.loop,
                              cmat_arena_strndup(r->arena, key.u.str.s, key.u.str.len));
    if ((key.kind != JV_INT && key.kind != JV_BOOL) || (v.kind != JV_LIST && v.kind != JV_STRING))
        return undefined;
    int64_t i = key.kind == JV_INT ? key.u.i : key.u.b;
    int64_t n = (int64_t)(v.kind == JV_LIST ? v.u.list->n : jinja_chars(v.u.str.s, v.u.str.len));
    i += i < 0 ? n : 0;
    if (i < 0 || i >= n)
        return undefined;
    if (v.kind == JV_LIST)
        return v.u.list->items[i];
    size_t from = char_offset(v.u.str.s, v.u.str.len, (size_t)i);
    return jinja_string(v.u.str.s + from, char_offset(v.u.str.s + from, v.u.str.len - from, 1));
}

/* One end of a slice: clamped to lo..hi as Python does; def when it is none. */
static int64_t slice_end(jinja_value v, int64_t n, int64_t lo, int64_t hi, int64_t def)
{
    if (v.kind != JV_INT && v.kind != JV_BOOL)
        return def;
    int64_t i = v.kind == JV_INT ? v.u.i : v.u.b;
    if (i < 0)
        i = i < -n ? -1 : i + n;
    return i < lo ? lo : i > hi ? hi : i;
}

jinja_value jinja_slice(jinja_run *r, const jinja_node *at, jinja_value v,
                        const jinja_value part[3])
{
    jinja_list *l;
    for (int k = 0; k < 3; k++) {
        if (part[k].kind != JV_INT && part[k].kind != JV_NONE && part[k].kind != JV_BOOL)
            return jinja_fail(r, CMAT_ERR_ARG, at, "a slice by a %s", jinja_kind_name(part[k]));
    }
    if ((v.kind != JV_LIST && v.kind != JV_STRING) || !jinja_iterate(r, v, &l))
        return v.kind == JV_UNDEFINED
                   ? of_undefined(r, at, v, "slice", 5)
                   : jinja_fail(r, CMAT_ERR_ARG, at, "a %s has no slices", jinja_kind_name(v));
    int64_t n = (int64_t)l->n, by = part[2].kind == JV_INT ? part[2].u.i : 1;
    if (by == 0)
        return jinja_fail(r, CMAT_ERR_ARG, at, "a slice by steps of 0");
    int64_t from =
        by > 0 ? slice_end(part[0], n, 0, n, 0) : slice_end(part[0], n, -1, n - 1, n - 1);
    int64_t to = by > 0 ? slice_end(part[1], n, 0, n, n) : slice_end(part[1], n, -1, n - 1, -1);
    by = by > n ? n + 1 : by < -n ? -n - 1 : by;
    jinja_value out = jinja_list_new(r, 0);
    cmat_buf b = {0};
    for (int64_t i = from; (by > 0 ? i < to : i > to) && r->st == CMAT_OK; i += by) {
        if (v.kind == JV_LIST)
            jinja_list_add(r, out, l->items[i]);
        else
            cmat_buf_add(&b, l->items[i].u.str.s, l->items[i].u.str.len);
    }
    out.tuple = v.tuple;
    if (v.kind == JV_STRING)
        out = jinja_copy(r, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return out;
}

/* --- methods of dicts ---------------------------------------------------------------------------
 */

static bool dict_method(jinja_run *r, jinja_value v, const char *name, const jinja_args *args,
                        jinja_value *out)
{
    const jinja_dict *d = v.u.dict;
    char what = strcmp(name, "items") == 0 ? 'i' : strcmp(name, "keys") == 0 ? 'k' : 'v';
    if (strcmp(name, "get") == 0) {
        const jinja_value *found = jinja_dict_get(d, jinja_arg_get(args, 0, "key", none));
        *out = found ? *found : jinja_arg_get(args, 1, "default", none);
        return true;
    }
    if (what == 'v' && strcmp(name, "values") != 0)
        return false;
    *out = jinja_list_new(r, d->n);
    for (size_t i = 0; i < d->n && r->st == CMAT_OK; i++)
        jinja_list_add(r, *out,
                       what == 'i'   ? jinja_pair(r, d->keys[i], d->values[i])
                       : what == 'k' ? d->keys[i]
                                     : d->values[i]);
    return true;
}

jinja_value jinja_method_call(jinja_run *r, const jinja_node *at, jinja_value v, const char *name,
                              size_t len, const jinja_args *args)
{
    jinja_value out;
    if (v.kind == JV_UNDEFINED)
        return of_undefined(r, at, v, name, len);
    if (v.kind == JV_STRING && jinja_string_method(r, at, v, name, args, &out))
        return out;
    if (v.kind == JV_DICT && dict_method(r, v, name, args, &out))
        return out;
    if (v.kind == JV_LOOP && strcmp(name, "cycle") == 0 && args->n > 0)
        return args->pos[v.u.loop->index0 % args->n];
    return jinja_fail(r, CMAT_ERR_UNSUPPORTED, at, "not supported: method '%s' of a %s", name,
                      jinja_kind_name(v));
}

/* --- global functions --------------------------------------------------------------------------
 */

enum { B_RANGE, B_NAMESPACE, B_DICT, B_RAISE, B_STRFTIME, N_BUILTINS };

int jinja_builtin_find(const char *name, size_t len)
{
    static const char *const names[N_BUILTINS] = {"range", "namespace", "dict", "raise_exception",
                                                  "strftime_now"};
    for (int i = 0; i < N_BUILTINS; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return i;
    }
    return -1;
}

static jinja_value range(jinja_run *r, const jinja_node *at, const jinja_args *args)
{
    int64_t part[3] = {0, 0, 1};
    for (size_t i = 0; i < args->n && i < 3; i++) {
        if (args->pos[i].kind != JV_INT)
            return jinja_fail(r, CMAT_ERR_ARG, at, "range of a %s", jinja_kind_name(args->pos[i]));
        part[i] = args->pos[i].u.i;
    }
    if (args->n == 1) {
        part[1] = part[0];
        part[0] = 0;
    }
    if (args->n == 0 || args->n > 3 || part[2] == 0)
        return jinja_fail(r, CMAT_ERR_ARG, at, "range takes 1 to 3 numbers, the step not 0");
    jinja_value out = jinja_list_new(r, 0);
    for (int64_t i = part[0]; (part[2] > 0 ? i < part[1] : i > part[1]) && r->st == CMAT_OK;) {
        if (out.u.list->n >= MAX_RANGE)
            return jinja_fail(r, CMAT_ERR_LIMIT, at, "range has more than %d numbers", MAX_RANGE);
        jinja_list_add(r, out, jinja_int(i));
        if (__builtin_add_overflow(i, part[2], &i))
            break;
    }
    return out;
}

static jinja_value dict_of(jinja_run *r, const jinja_args *args, jinja_kind kind)
{
    jinja_value v = jinja_dict_new(r);
    if (args->n == 1 && args->pos[0].kind == JV_DICT) {
        const jinja_dict *from = args->pos[0].u.dict;
        for (size_t i = 0; i < from->n; i++)
            jinja_dict_set(r, v.u.dict, from->keys[i], from->values[i]);
    }
    for (size_t i = 0; i < args->n_named; i++)
        jinja_dict_set(r, v.u.dict, jinja_text(args->names[i]), args->named[i]);
    v.kind = kind;
    return v;
}

static jinja_value time_text(jinja_run *r, const jinja_node *at, jinja_value format_text)
{
    char text[256];
    time_t now = time(NULL);
    struct tm tm;
    if (format_text.kind != JV_STRING || !localtime_r(&now, &tm))
        return jinja_fail(r, CMAT_ERR_ARG, at, "strftime_now takes a format");
    char *fmt = cmat_arena_strndup(r->arena, format_text.u.str.s, format_text.u.str.len);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t n = strftime(text, sizeof text, fmt, &tm);
#pragma GCC diagnostic pop
    return jinja_copy(r, text, n);
}

jinja_value jinja_builtin_call(jinja_run *r, const jinja_node *at, int builtin,
                               const jinja_args *args)
{
    jinja_value a = jinja_arg_get(args, 0, NULL, none);
    switch (builtin) {
    case B_RANGE:
        return range(r, at, args);
    case B_NAMESPACE:
        return dict_of(r, args, JV_NAMESPACE);
    case B_DICT:
        return dict_of(r, args, JV_DICT);
    case B_STRFTIME:
        return time_text(r, at, a);
    default:
        if (a.kind != JV_STRING)
            a = jinja_text("raise_exception was called");
        return jinja_fail(r, CMAT_ERR_ARG, at, "%.*s", (int)(a.u.str.len < 400 ? a.u.str.len : 400),
                          a.u.str.s);
    }
}
