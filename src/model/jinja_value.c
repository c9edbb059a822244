/* Values of the template interpreter: making, comparing, printing. All live in the arena of one
 * rendering; memory is counted, so that a template cannot take more than its share. */
#include "model/jinja.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

jinja_value jinja_fail(jinja_run *r, cmat_status st, const jinja_node *at, const char *fmt, ...)
{
    if (r->st == CMAT_OK) {
        char msg[512];
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(msg, sizeof msg, fmt, ap);
        va_end(ap);
        if (at)
            r->st = cmat_fail(r->err, st, "chat template: line %d, column %d: %s", at->line,
                              at->col, msg);
        else
            r->st = cmat_fail(r->err, st, "chat template: %s", msg);
    }
    return (jinja_value){.kind = JV_UNDEFINED};
}

void *jinja_alloc(jinja_run *r, size_t size)
{
    if (size > JINJA_MAX_MEMORY || (r->memory += size + 16) > JINJA_MAX_MEMORY) {
        jinja_fail(r, CMAT_ERR_LIMIT, NULL, "takes more than %d MiB", JINJA_MAX_MEMORY >> 20);
        return NULL;
    }
    return cmat_arena_alloc(r->arena, size);
}

jinja_value jinja_string(const char *s, size_t len)
{
    return (jinja_value){.kind = JV_STRING, .u.str = {s, len}};
}

jinja_value jinja_text(const char *s)
{
    return jinja_string(s, strlen(s));
}

jinja_value jinja_copy(jinja_run *r, const char *s, size_t len)
{
    if (len > JINJA_MAX_OUTPUT)
        return jinja_fail(r, CMAT_ERR_LIMIT, NULL, "a string is over %d MiB",
                          JINJA_MAX_OUTPUT >> 20);
    char *copy = jinja_alloc(r, len + 1);
    if (!copy)
        return (jinja_value){.kind = JV_UNDEFINED};
    if (len)
        memcpy(copy, s, len);
    return jinja_string(copy, len);
}

jinja_value jinja_int(int64_t i)
{
    return (jinja_value){.kind = JV_INT, .u.i = i};
}

jinja_value jinja_bool(bool b)
{
    return (jinja_value){.kind = JV_BOOL, .u.b = b};
}

jinja_value jinja_list_new(jinja_run *r, size_t n)
{
    jinja_list *l = cmat_arena_alloc(r->arena, sizeof *l);
    if (n)
        l->items = jinja_alloc(r, n * sizeof *l->items);
    l->cap = l->items ? n : 0;
    return (jinja_value){.kind = JV_LIST, .u.list = l};
}

/* Twice as many items in a new place: the old one stays in the arena until the end. */
static jinja_value *grown(jinja_run *r, jinja_value *old, size_t n, size_t cap)
{
    jinja_value *items = jinja_alloc(r, cap * sizeof *items);
    if (items && n)
        memcpy(items, old, n * sizeof *items);
    return items;
}

/* Values nest to a limit, so that comparing and printing need none of their own. */
static int depth_over(jinja_run *r, int depth, jinja_value v)
{
    int k = v.kind == JV_LIST || v.kind == JV_GENERATOR ? v.u.list->depth
            : v.kind == JV_DICT                         ? v.u.dict->depth
                                                        : 0;
    if (k > 2 * JINJA_MAX_DEPTH)
        jinja_fail(r, CMAT_ERR_LIMIT, NULL, "values nested more than %d deep", 2 * JINJA_MAX_DEPTH);
    return k + 1 > depth ? k + 1 : depth;
}

void jinja_list_add(jinja_run *r, jinja_value list, jinja_value v)
{
    jinja_list *l = list.u.list;
    l->depth = depth_over(r, l->depth, v);
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 8;
        jinja_value *items = grown(r, l->items, l->n, cap);
        if (!items)
            return;
        l->items = items;
        l->cap = cap;
    }
    l->items[l->n++] = v;
}

jinja_value jinja_dict_new(jinja_run *r)
{
    return (jinja_value){.kind = JV_DICT, .u.dict = cmat_arena_alloc(r->arena, sizeof(jinja_dict))};
}

static size_t dict_index(const jinja_dict *d, jinja_value key)
{
    size_t i = 0;
    if (key.kind == JV_STRING) {
        for (; i < d->n; i++) {
            const jinja_value *k = &d->keys[i];
            if (k->kind == JV_STRING && k->u.str.len == key.u.str.len &&
                memcmp(k->u.str.s, key.u.str.s, key.u.str.len) == 0)
                break;
        }
        return i;
    }
    while (i < d->n && !jinja_equal(d->keys[i], key))
        i++;
    return i;
}

void jinja_dict_set(jinja_run *r, jinja_dict *d, jinja_value key, jinja_value v)
{
    size_t i = dict_index(d, key);
    d->depth = depth_over(r, d->depth, v);
    if (i == d->n) {
        if (d->n == d->cap) {
            size_t cap = d->cap ? 2 * d->cap : 4;
            jinja_value *keys = grown(r, d->keys, d->n, cap);
            jinja_value *values = grown(r, d->values, d->n, cap);
            if (!keys || !values)
                return;
            d->keys = keys;
            d->values = values;
            d->cap = cap;
        }
        d->keys[d->n++] = key;
    }
    d->values[i] = v;
}

const jinja_value *jinja_dict_get(const jinja_dict *d, jinja_value key)
{
    size_t i = dict_index(d, key);
    return i < d->n ? &d->values[i] : NULL;
}

const jinja_value *jinja_dict_find(const jinja_dict *d, const char *key, size_t len)
{
    return jinja_dict_get(d, jinja_string(key, len));
}

bool jinja_truth(jinja_value v)
{
    switch (v.kind) {
    case JV_UNDEFINED:
    case JV_NONE:
        return false;
    case JV_BOOL:
        return v.u.b;
    case JV_INT:
        return v.u.i != 0;
    case JV_FLOAT:
        return v.u.f != 0;
    case JV_STRING:
        return v.u.str.len > 0;
    case JV_LIST:
        return v.u.list->n > 0;
    case JV_DICT:
        return v.u.dict->n > 0;
    default:
        return true;
    }
}

bool jinja_is_number(jinja_value v)
{
    return v.kind == JV_INT || v.kind == JV_FLOAT || v.kind == JV_BOOL;
}

double jinja_number(jinja_value v)
{
    return v.kind == JV_FLOAT ? v.u.f : v.kind == JV_BOOL ? v.u.b : (double)v.u.i;
}

static int64_t as_int(jinja_value v)
{
    return v.kind == JV_BOOL ? v.u.b : v.u.i;
}

static bool list_equal(const jinja_list *a, const jinja_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        if (!jinja_equal(a->items[i], b->items[i]))
            return false;
    }
    return true;
}

static bool dict_equal(const jinja_dict *a, const jinja_dict *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const jinja_value *v = jinja_dict_get(b, a->keys[i]);
        if (!v || !jinja_equal(a->values[i], *v))
            return false;
    }
    return true;
}

bool jinja_equal(jinja_value a, jinja_value b)
{
    if (jinja_is_number(a) && jinja_is_number(b)) {
        if (a.kind == JV_FLOAT || b.kind == JV_FLOAT)
            return jinja_number(a) == jinja_number(b);
        return as_int(a) == as_int(b);
    }
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case JV_STRING:
        return a.u.str.len == b.u.str.len && memcmp(a.u.str.s, b.u.str.s, a.u.str.len) == 0;
    case JV_LIST:
        return a.tuple == b.tuple && list_equal(a.u.list, b.u.list);
    case JV_DICT:
        return dict_equal(a.u.dict, b.u.dict);
    case JV_NAMESPACE:
        return a.u.dict == b.u.dict;
    case JV_MACRO:
        return a.u.macro == b.u.macro;
    case JV_BUILTIN:
        return a.u.builtin == b.u.builtin;
    case JV_LOOP:
        return a.u.loop == b.u.loop;
    case JV_GENERATOR:
        return a.u.list == b.u.list;
    default:
        return true;
    }
}

static int string_compare(jinja_value a, jinja_value b)
{
    size_t n = a.u.str.len < b.u.str.len ? a.u.str.len : b.u.str.len;
    int k = n ? memcmp(a.u.str.s, b.u.str.s, n) : 0;
    return k ? k : (a.u.str.len > b.u.str.len) - (a.u.str.len < b.u.str.len);
}

int jinja_compare(jinja_value a, jinja_value b, bool *ok)
{
    *ok = true;
    if (jinja_is_number(a) && jinja_is_number(b)) {
        if (a.kind == JV_FLOAT || b.kind == JV_FLOAT) {
            double x = jinja_number(a), y = jinja_number(b);
            return (x > y) - (x < y);
        }
        return (as_int(a) > as_int(b)) - (as_int(a) < as_int(b));
    }
    if (a.kind == JV_STRING && b.kind == JV_STRING)
        return string_compare(a, b);
    if (a.kind == JV_LIST && b.kind == JV_LIST) {
        const jinja_list *x = a.u.list, *y = b.u.list;
        for (size_t i = 0; i < x->n && i < y->n; i++) {
            int k = jinja_compare(x->items[i], y->items[i], ok);
            if (k || !*ok)
                return k;
        }
        return (x->n > y->n) - (x->n < y->n);
    }
    *ok = false;
    return 0;
}

size_t jinja_chars(const char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    return n;
}

const char *jinja_kind_name(jinja_value v)
{
    static const char *const names[] = {
        [JV_UNDEFINED] = "undefined", [JV_NONE] = "none",        [JV_BOOL] = "boolean",
        [JV_INT] = "integer",         [JV_FLOAT] = "float",      [JV_STRING] = "string",
        [JV_LIST] = "list",           [JV_DICT] = "mapping",     [JV_NAMESPACE] = "namespace",
        [JV_MACRO] = "macro",         [JV_BUILTIN] = "function", [JV_LOOP] = "loop",
        [JV_GENERATOR] = "generator",
    };
    return names[v.kind];
}

/* --- printing --------------------------------------------------------------------------------- */

void jinja_float_print(cmat_buf *b, double f, bool json)
{
    char text[40];
    if (isnan(f) || isinf(f)) {
        const char *word = isnan(f) ? (json ? "NaN" : "nan") : json ? "Infinity" : "inf";
        cmat_buf_printf(b, "%s%s", f < 0 ? "-" : "", word);
        return;
    }
    int digits = 1;
    do
        snprintf(text, sizeof text, "%.*e", digits - 1, f);
    while (strtod(text, NULL) != f && digits++ < 17);
    int exponent = atoi(strchr(text, 'e') + 1);
    if (exponent < -4 || exponent >= 16) {
        cmat_buf_puts(b, text);
        return;
    }
    int decimals = digits - 1 - exponent;
    cmat_buf_printf(b, "%.*f", decimals > 0 ? decimals : 1, f);
}

static void string_quote(cmat_buf *b, const char *s, size_t len)
{
    bool has_single = memchr(s, '\'', len), has_double = memchr(s, '"', len);
    char quote = has_single && !has_double ? '"' : '\'';
    cmat_buf_putc(b, quote);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '\n')
            cmat_buf_puts(b, "\\n");
        else if (c == '\r')
            cmat_buf_puts(b, "\\r");
        else if (c == '\t')
            cmat_buf_puts(b, "\\t");
        else if (c == '\\' || c == (unsigned char)quote)
            cmat_buf_printf(b, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            cmat_buf_printf(b, "\\x%02x", c);
        else
            cmat_buf_putc(b, (char)c);
    }
    cmat_buf_putc(b, quote);
}

bool jinja_too_deep(jinja_run *r, const cmat_buf *b)
{
    if (r->depth > JINJA_MAX_EVAL_DEPTH)
        jinja_fail(r, CMAT_ERR_LIMIT, NULL, "nested too deep");
    else if (b->len > JINJA_MAX_OUTPUT)
        jinja_fail(r, CMAT_ERR_LIMIT, NULL, "output is over %d MiB", JINJA_MAX_OUTPUT >> 20);
    return r->st != CMAT_OK;
}

static void list_print(jinja_run *r, cmat_buf *b, jinja_value v)
{
    const jinja_list *l = v.u.list;
    cmat_buf_putc(b, v.tuple ? '(' : '[');
    for (size_t i = 0; i < l->n && r->st == CMAT_OK; i++) {
        if (i)
            cmat_buf_puts(b, ", ");
        jinja_print(r, b, l->items[i], true);
    }
    if (v.tuple && l->n == 1)
        cmat_buf_putc(b, ',');
    cmat_buf_putc(b, v.tuple ? ')' : ']');
}

static void dict_print(jinja_run *r, cmat_buf *b, const jinja_dict *d)
{
    cmat_buf_putc(b, '{');
    for (size_t i = 0; i < d->n && r->st == CMAT_OK; i++) {
        if (i)
            cmat_buf_puts(b, ", ");
        jinja_print(r, b, d->keys[i], true);
        cmat_buf_puts(b, ": ");
        jinja_print(r, b, d->values[i], true);
    }
    cmat_buf_putc(b, '}');
}

void jinja_print(jinja_run *r, cmat_buf *b, jinja_value v, bool quoted)
{
    r->depth++;
    if (jinja_too_deep(r, b)) {
        r->depth--;
        return;
    }
    switch (v.kind) {
    case JV_UNDEFINED:
        cmat_buf_puts(b, quoted ? "Undefined" : "");
        break;
    case JV_NONE:
        cmat_buf_puts(b, "None");
        break;
    case JV_BOOL:
        cmat_buf_puts(b, v.u.b ? "True" : "False");
        break;
    case JV_INT:
        cmat_buf_printf(b, "%lld", (long long)v.u.i);
        break;
    case JV_FLOAT:
        jinja_float_print(b, v.u.f, false);
        break;
    case JV_STRING:
        if (quoted)
            string_quote(b, v.u.str.s, v.u.str.len);
        else
            cmat_buf_add(b, v.u.str.s, v.u.str.len);
        break;
    case JV_LIST:
        list_print(r, b, v);
        break;
    case JV_DICT:
        dict_print(r, b, v.u.dict);
        break;
    default:
        jinja_fail(r, CMAT_ERR_UNSUPPORTED, NULL, "not supported: printing a %s",
                   jinja_kind_name(v));
    }
    r->depth--;
}

/* --- items and arguments -----------------------------------------------------------------------
 */

bool jinja_iterate(jinja_run *r, jinja_value v, jinja_list **out)
{
    jinja_value list;
    switch (v.kind) {
    case JV_LIST:
        *out = v.u.list;
        return true;
    case JV_GENERATOR:
        *out = v.u.list->used ? jinja_list_new(r, 0).u.list : v.u.list;
        v.u.list->used = true;
        return true;
    case JV_UNDEFINED:
        *out = jinja_list_new(r, 0).u.list;
        return true;
    case JV_DICT:
        list = jinja_list_new(r, v.u.dict->n);
        for (size_t i = 0; i < v.u.dict->n; i++)
            jinja_list_add(r, list, v.u.dict->keys[i]);
        break;
    case JV_STRING:
        list = jinja_list_new(r, 0);
        for (size_t i = 0, n; i < v.u.str.len && r->st == CMAT_OK; i += n) {
            for (n = 1; i + n < v.u.str.len && ((unsigned char)v.u.str.s[i + n] & 0xc0) == 0x80;)
                n++;
            jinja_list_add(r, list, jinja_string(v.u.str.s + i, n));
        }
        break;
    default:
        return false;
    }
    *out = list.u.list;
    return true;
}

jinja_value jinja_arg_get(const jinja_args *args, size_t i, const char *name, jinja_value def)
{
    if (i < args->n)
        return args->pos[i];
    for (size_t k = 0; name && k < args->n_named; k++) {
        if (strcmp(args->names[k], name) == 0)
            return args->named[k];
    }
    return def;
}
