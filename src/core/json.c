/* json.c - jansson with errors that say where, typed members, JSONL. */
#include "core/json.h"
#include "core/fs.h"
#include "core/mem.h"
#include "core/text.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_JSON = 1 << 30 };

static json_t *parse(const char *text, size_t len, size_t flags, size_t *used, const char *what,
                     cmat_error *err)
{
    json_error_t e;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | flags, &e);
    if (!j)
        cmat_fail(err, CMAT_ERR_FORMAT, "%s: line %d, column %d: %s", what, e.line, e.column,
                  e.text);
    *used = j ? (size_t)e.position : 0;
    return j;
}

json_t *cmat_json_parse(const char *text, size_t len, const char *what, cmat_error *err)
{
    size_t used;
    return parse(text, len, 0, &used, what, err);
}

json_t *cmat_json_parse_next(const char *text, size_t len, size_t *used, const char *what,
                             cmat_error *err)
{
    return parse(text, len, JSON_DISABLE_EOF_CHECK, used, what, err);
}

json_t *cmat_json_load(const char *path, cmat_error *err)
{
    char *data;
    size_t len;
    json_t *j;

    if (cmat_read_file(path, MAX_JSON, &data, &len, err) != CMAT_OK)
        return NULL;
    j = cmat_json_parse(data, len, path, err);
    free(data);
    return j;
}

static int add_to_buf(const char *data, size_t n, void *user)
{
    cmat_buf_add(user, data, n);
    return 0;
}

void cmat_json_print(cmat_buf *b, const json_t *j)
{
    json_dump_callback(j, add_to_buf, b, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

cmat_status cmat_json_save(const char *path, const json_t *j, cmat_error *err)
{
    cmat_buf b = {0};
    cmat_status st;

    json_dump_callback(j, add_to_buf, &b, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    cmat_buf_putc(&b, '\n');
    st = cmat_write_file(path, b.data, b.len, err);
    cmat_buf_clear(&b);
    return st;
}

const char *cmat_json_str(const json_t *j, const char *key, const char *def)
{
    const json_t *v = json_object_get(j, key);
    return json_is_string(v) ? json_string_value(v) : def;
}

double cmat_json_num(const json_t *j, const char *key, double def)
{
    const json_t *v = json_object_get(j, key);
    return json_is_number(v) ? json_number_value(v) : def;
}

int64_t cmat_json_int(const json_t *j, const char *key, int64_t def)
{
    const json_t *v = json_object_get(j, key);
    return json_is_integer(v) ? json_integer_value(v) : def;
}

bool cmat_json_bool(const json_t *j, const char *key, bool def)
{
    const json_t *v = json_object_get(j, key);
    return json_is_boolean(v) ? json_is_true(v) : def;
}

cmat_status cmat_json_need_str(const json_t *j, const char *key, const char *what, const char **out,
                               cmat_error *err)
{
    const json_t *v = json_object_get(j, key);

    *out = json_string_value(v);
    if (*out)
        return CMAT_OK;
    return cmat_fail(err, CMAT_ERR_FORMAT, "%s: member \"%s\" is %s", what, key,
                     v ? "not a string" : "missing");
}

json_t *cmat_json_text(const char *s, size_t len)
{
    cmat_buf b = {0};
    json_t *j;

    if (cmat_utf8_valid_prefix(s, len) == len)
        return json_stringn(s, len);
    for (size_t i = 0; i < len;) {
        size_t ok = cmat_utf8_valid_prefix(s + i, len - i);
        cmat_buf_add(&b, s + i, ok);
        i += ok;
        if (i < len) {
            cmat_buf_puts(&b, "\xef\xbf\xbd");
            i++;
        }
    }
    j = json_stringn(b.data, b.len);
    cmat_buf_clear(&b);
    return j;
}

json_t *cmat_jsonl_load(const char *path, cmat_error *err)
{
    char *data, *line;
    size_t len, n_line = 0;
    json_t *rows = NULL;

    if (cmat_read_file(path, MAX_JSON, &data, &len, err) != CMAT_OK)
        return NULL;
    if (cmat_check_unpacked(path, data, len, err) != CMAT_OK)
        goto done;
    if (data[strspn(data, " \t\r\n")] == '[') {
        rows = cmat_json_parse(data, len, path, err);
        goto done;
    }
    rows = json_array();
    line = data;
    while (line < data + len) {
        char *end = memchr(line, '\n', (size_t)(data + len - line));
        size_t n = end ? (size_t)(end - line) : (size_t)(data + len - line);
        n_line++;
        if (strspn(line, " \t\r") < n) {
            json_error_t e;
            json_t *row = json_loadb(line, n, JSON_REJECT_DUPLICATES, &e);
            if (!row) {
                cmat_fail(err, CMAT_ERR_FORMAT, "%s: line %zu, column %d: %s", path, n_line,
                          e.column, e.text);
                json_decref(rows);
                rows = NULL;
                goto done;
            }
            json_array_append_new(rows, row);
        }
        line += n + 1;
    }
done:
    free(data);
    return rows;
}

char *cmat_json_plain(const json_t *v)
{
    if (json_is_string(v))
        return cmat_xstrdup(json_string_value(v));
    if (json_is_integer(v))
        return cmat_xasprintf("%lld", (long long)json_integer_value(v));
    if (json_is_real(v))
        return cmat_xasprintf("%.10g", json_real_value(v));
    return cmat_xstrdup("NULL");
}
