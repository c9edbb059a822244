/* Values of the template interpreter from JSON, which a template's variables come as, and to JSON
 * as Python's json.dumps writes it. */
#include "core/text.h"
#include "model/jinja.h"
#include <stdlib.h>
#include <string.h>

jinja_value jinja_from_json(jinja_run *r, json_t *j, int depth)
{
    const char *key;
    json_t *item;
    size_t i;
    if (depth > JINJA_MAX_DEPTH)
        return jinja_fail(r, CMAT_ERR_LIMIT, NULL, "variables are nested more than %d deep",
                          JINJA_MAX_DEPTH);
    switch (json_typeof(j)) {
    case JSON_OBJECT: {
        jinja_value v = jinja_dict_new(r);
        json_object_foreach(j, key, item)
        {
            jinja_value k = jinja_copy(r, key, strlen(key));
            jinja_dict_set(r, v.u.dict, k, jinja_from_json(r, item, depth + 1));
        }
        return v;
    }
    case JSON_ARRAY: {
        jinja_value v = jinja_list_new(r, json_array_size(j));
        json_array_foreach(j, i, item) jinja_list_add(r, v, jinja_from_json(r, item, depth + 1));
        return v;
    }
    case JSON_STRING: /* borrowed: the variables outlive the rendering */
        return jinja_string(json_string_value(j), json_string_length(j));
    case JSON_INTEGER:
        return jinja_int(json_integer_value(j));
    case JSON_REAL:
        return (jinja_value){.kind = JV_FLOAT, .u.f = json_real_value(j)};
    case JSON_NULL:
        return (jinja_value){.kind = JV_NONE};
    default:
        return jinja_bool(json_is_true(j));
    }
}

/* One character beyond ASCII as \uHHHH, or two of them. */
static size_t json_escape(cmat_buf *b, const char *s, size_t len)
{
    uint32_t cp;
    const int n = cmat_utf8_decode(s, len, &cp);
    if (n == 0)
        return 0;
    if (cp >= 0x10000)
        cmat_buf_printf(b, "\\u%04x\\u%04x", 0xd800 + ((cp - 0x10000) >> 10),
                        0xdc00 + (cp & 0x3ff));
    else
        cmat_buf_printf(b, "\\u%04x", cp);
    return (size_t)n;
}

static void json_string_print(cmat_buf *b, const char *s, size_t len, bool ascii)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    cmat_buf_putc(b, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        const char *k = c ? memchr(from, c, sizeof from - 1) : NULL;
        const size_t n = ascii && c >= 0x7f ? json_escape(b, s + i, len - i) : 0;
        if (n)
            i += n - 1;
        else if (k)
            cmat_buf_printf(b, "\\%c", to[k - from]);
        else if (c < 0x20)
            cmat_buf_printf(b, "\\u%04x", c);
        else
            cmat_buf_putc(b, (char)c);
    }
    cmat_buf_putc(b, '"');
}

static void json_newline(cmat_buf *b, int indent, int level)
{
    if (indent < 0)
        return;
    cmat_buf_putc(b, '\n');
    for (int i = 0; i < indent * level; i++)
        cmat_buf_putc(b, ' ');
}

static int key_order(const void *a, const void *b, void *dict)
{
    const jinja_dict *d = dict;
    bool ok;
    return jinja_compare(d->keys[*(const size_t *)a], d->keys[*(const size_t *)b], &ok);
}

static void json_dict(jinja_run *r, cmat_buf *b, jinja_dict *d, const jinja_json_style *style,
                      int level, const jinja_node *at)
{
    const jinja_json_style plain = {.indent = -1, .item_sep = ", ", .key_sep = ": "};
    size_t *order = d->n ? jinja_alloc(r, d->n * sizeof *order) : NULL;
    for (size_t i = 0; order && i < d->n; i++)
        order[i] = i;
    if (order && style->sort_keys)
        qsort_r(order, d->n, sizeof *order, key_order, d);
    cmat_buf_putc(b, '{');
    for (size_t i = 0; order && i < d->n && r->st == CMAT_OK; i++) {
        jinja_value key = d->keys[order[i]];
        if (i)
            cmat_buf_puts(b, style->item_sep);
        json_newline(b, style->indent, level + 1);
        if (key.kind == JV_STRING) {
            json_string_print(b, key.u.str.s, key.u.str.len, style->ascii);
        } else {
            cmat_buf_putc(b, '"');
            jinja_json(r, b, key, &plain, 0, at);
            cmat_buf_putc(b, '"');
        }
        cmat_buf_puts(b, style->key_sep);
        jinja_json(r, b, d->values[order[i]], style, level + 1, at);
    }
    if (d->n)
        json_newline(b, style->indent, level);
    cmat_buf_putc(b, '}');
}

static void json_list(jinja_run *r, cmat_buf *b, const jinja_list *l, const jinja_json_style *style,
                      int level, const jinja_node *at)
{
    cmat_buf_putc(b, '[');
    for (size_t i = 0; i < l->n && r->st == CMAT_OK; i++) {
        if (i)
            cmat_buf_puts(b, style->item_sep);
        json_newline(b, style->indent, level + 1);
        jinja_json(r, b, l->items[i], style, level + 1, at);
    }
    if (l->n)
        json_newline(b, style->indent, level);
    cmat_buf_putc(b, ']');
}

void jinja_json(jinja_run *r, cmat_buf *b, jinja_value v, const jinja_json_style *style, int level,
                const jinja_node *at)
{
    if (level > JINJA_MAX_DEPTH || jinja_too_deep(r, b)) {
        jinja_fail(r, CMAT_ERR_LIMIT, at, "tojson of something nested too deep");
        return;
    }
    switch (v.kind) {
    case JV_NONE:
        cmat_buf_puts(b, "null");
        break;
    case JV_BOOL:
        cmat_buf_puts(b, v.u.b ? "true" : "false");
        break;
    case JV_INT:
        cmat_buf_printf(b, "%lld", (long long)v.u.i);
        break;
    case JV_FLOAT:
        jinja_float_print(b, v.u.f, true);
        break;
    case JV_STRING:
        json_string_print(b, v.u.str.s, v.u.str.len, style->ascii);
        break;
    case JV_LIST:
        json_list(r, b, v.u.list, style, level, at);
        break;
    case JV_DICT:
        json_dict(r, b, v.u.dict, style, level, at);
        break;
    default:
        jinja_fail(r, CMAT_ERR_ARG, at, "tojson: a %s is not JSON", jinja_kind_name(v));
    }
}
