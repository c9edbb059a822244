/* env/db/render.c - results as text. */
#include "env/db/render.h"
#include "core/json.h"
#include "core/text.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* An observation of PYTHON_LIMIT characters has fewer than PYTHON_ENOUGH bytes. */
enum { CELL_BYTES = 120, PYTHON_LIMIT = 800, PYTHON_ENOUGH = 8 * PYTHON_LIMIT };

void db_python_float(double d, cmat_buf *out)
{
    char s[40];
    if (isnan(d) || isinf(d)) {
        cmat_buf_puts(out, isnan(d) ? "nan" : d < 0 ? "-inf" : "inf");
        return;
    }
    int digits = 1;
    do
        snprintf(s, sizeof s, "%.*e", digits - 1, d);
    while (strtod(s, NULL) != d && digits++ < 17);
    int exponent = atoi(strchr(s, 'e') + 1);
    if (exponent >= -4 && exponent < 16) {
        int decimals = digits - 1 - exponent;
        snprintf(s, sizeof s, "%.*f", decimals < 1 ? 1 : decimals, d);
    }
    cmat_buf_puts(out, s);
}

static void blob_text(const db_value *v, cmat_buf *out)
{
    cmat_buf_puts(out, "x'");
    for (size_t i = 0; i < v->len && i < 16; i++)
        cmat_buf_printf(out, "%02x", (unsigned char)v->text[i]);
    cmat_buf_puts(out, v->len > 16 ? "...'" : "'");
}

void db_value_text(const db_value *v, cmat_buf *out)
{
    switch (v->type) {
    case DB_VALUE_NULL:
        cmat_buf_puts(out, "NULL");
        break;
    case DB_VALUE_INT:
        cmat_buf_printf(out, "%lld", (long long)v->i);
        break;
    case DB_VALUE_REAL:
        if (v->text)
            cmat_buf_add(out, v->text, v->len);
        else
            db_python_float(v->d, out);
        break;
    case DB_VALUE_TEXT:
        cmat_buf_add(out, v->text, v->len);
        break;
    case DB_VALUE_BLOB:
        blob_text(v, out);
        break;
    }
}

/* A cell for an observation: one line, no control characters, long texts cut. REALs to 10 digits,
 * because 0.1 + 0.2 helps nobody. */
static void short_cell(const db_value *v, cmat_buf *out)
{
    cmat_buf raw = {0}, inert = {0};
    if (v->type == DB_VALUE_REAL)
        cmat_buf_printf(&raw, "%.10g", v->d);
    else
        db_value_text(v, &raw);
    cmat_text_inert(&inert, cmat_buf_str(&raw),
                    raw.len > 4 * CELL_BYTES ? 4 * CELL_BYTES : raw.len);
    for (size_t i = 0; i < inert.len; i++)
        if (inert.data[i] == '\n' || inert.data[i] == '\t')
            inert.data[i] = ' ';
    if (inert.len > CELL_BYTES) {
        cmat_buf_add(out, inert.data, cmat_utf8_valid_prefix(inert.data, CELL_BYTES - 3));
        cmat_buf_puts(out, "...");
    } else {
        cmat_buf_add(out, cmat_buf_str(&inert), inert.len);
    }
    cmat_buf_clear(&raw);
    cmat_buf_clear(&inert);
}

static void short_row(const db_result *r, size_t row, cmat_buf *out)
{
    for (int i = 0; i < r->n_columns; i++) {
        if (i)
            cmat_buf_puts(out, " | ");
        short_cell(&r->rows[row * (size_t)r->n_columns + (size_t)i], out);
    }
    cmat_buf_putc(out, '\n');
}

/* What of the rows fits into budget (header included); the rest is said in a note. */
static void short_rows(const db_result *r, size_t budget, cmat_buf *out)
{
    size_t start = out->len, room = budget > 48 ? budget - 48 : 0, shown = 0;
    for (int i = 0; i < r->n_columns; i++) {
        cmat_buf_puts(out, i ? " | " : "");
        cmat_text_inert(out, r->columns[i], strlen(r->columns[i]));
    }
    cmat_buf_putc(out, '\n');
    bool cut = false;
    for (; shown < r->n_rows && !cut; shown++) {
        size_t before = out->len;
        short_row(r, shown, out);
        cut = out->len - start > room;
        if (cut) {
            /* A first row that is too wide by itself is cut inside. */
            size_t keep =
                shown ? 0
                      : cmat_utf8_valid_prefix(out->data + before,
                                               room > before - start ? room - (before - start) : 0);
            cmat_buf_truncate(out, before + keep);
            if (keep)
                cmat_buf_puts(out, "...\n");
            break;
        }
    }
    if (cut && r->more)
        cmat_buf_printf(out, "(cut: %zu of more than %zu rows shown)", shown, r->n_rows);
    else if (cut)
        cmat_buf_printf(out, "(cut: %zu of %zu rows shown)", shown, r->n_rows);
    else if (r->more)
        cmat_buf_printf(out, "(cut: the first %zu rows)", r->n_rows);
    else
        cmat_buf_printf(out, "(%zu row%s)", r->n_rows, r->n_rows == 1 ? "" : "s");
}

void db_render_short(const db_result *r, size_t budget, cmat_buf *out)
{
    if (!r->ok) {
        cmat_buf_puts(out, "error: ");
        cmat_text_inert(out, r->error, strlen(r->error));
    } else if (r->n_columns && r->n_rows) {
        short_rows(r, budget, out);
    } else if (r->n_columns) {
        cmat_buf_puts(out, "0 rows");
    } else if (r->writes && r->ddl) {
        cmat_buf_puts(out, "done");
    } else {
        cmat_buf_printf(out, "%lld row%s changed", (long long)r->changed,
                        r->changed == 1 ? "" : "s");
    }
}

/* Python's str.isprintable: no control, format, unassigned or private character, no separator but
 * the blank. */
static bool is_printable(uint32_t cp)
{
    switch (utf8proc_category((utf8proc_int32_t)cp)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
        return cp == ' ';
    default:
        return true;
    }
}

static void python_escape(uint32_t cp, cmat_buf *out)
{
    if (cp == '\n' || cp == '\t' || cp == '\r')
        cmat_buf_puts(out, cp == '\n' ? "\\n" : cp == '\t' ? "\\t" : "\\r");
    else if (cp < 0x100)
        cmat_buf_printf(out, "\\x%02x", cp);
    else
        cmat_buf_printf(out, cp < 0x10000 ? "\\u%04x" : "\\U%08x", cp);
}

/* Python's repr of a str: single quotes unless it holds only those. Bytes that are no UTF-8 become
 * U+FFFD. */
static void python_string(const char *s, size_t n, cmat_buf *out)
{
    char q = memchr(s, '\'', n) && !memchr(s, '"', n) ? '"' : '\'';
    cmat_buf_putc(out, q);
    for (size_t i = 0; i < n && out->len < PYTHON_ENOUGH;) {
        uint32_t cp = 0;
        int len = cmat_utf8_decode(s + i, n - i, &cp);
        if (len == 0)
            cmat_buf_puts(out, "\xef\xbf\xbd");
        else if (cp == (unsigned char)q || cp == '\\')
            cmat_buf_printf(out, "\\%c", (int)cp);
        else if (!is_printable(cp))
            python_escape(cp, out);
        else
            cmat_buf_add(out, s + i, (size_t)len);
        i += len ? (size_t)len : 1;
    }
    cmat_buf_putc(out, q);
}

/* datetime.date(2024, 5, 1), datetime.datetime(2024, 5, 1, 12, 30) */
static bool python_date(const db_value *v, char kind, cmat_buf *out)
{
    int year, month, day, h = 0, m = 0, s = 0;
    if (kind == ' ' || sscanf(v->text, "%d-%d-%d %d:%d:%d", &year, &month, &day, &h, &m, &s) < 3)
        return false;
    cmat_buf_printf(out, "datetime.%s(%d, %d, %d", kind == 'd' ? "date" : "datetime", year, month,
                    day);
    if (kind == 't')
        cmat_buf_printf(out, ", %d, %d", h, m);
    if (kind == 't' && s)
        cmat_buf_printf(out, ", %d", s);
    cmat_buf_putc(out, ')');
    return true;
}

static void python_value(const db_value *v, char kind, cmat_buf *out)
{
    if (v->type == DB_VALUE_NULL)
        cmat_buf_puts(out, "None");
    else if (v->type == DB_VALUE_TEXT && python_date(v, kind, out))
        return;
    else if (v->type == DB_VALUE_TEXT)
        python_string(v->text, v->len, out);
    else if (v->type == DB_VALUE_BLOB) {
        cmat_buf_putc(out, 'b');
        python_string(v->text, v->len, out);
    } else if (v->type == DB_VALUE_REAL && v->text) {
        cmat_buf_printf(out, "Decimal('%s')", v->text);
    } else
        db_value_text(v, out);
}

/* Bytes of the first n characters. */
static size_t char_bytes(const char *s, size_t n)
{
    size_t i = 0;
    while (s[i] && n) {
        for (i++; ((unsigned char)s[i] & 0xC0) == 0x80;)
            i++;
        n--;
    }
    return i;
}

void db_render_python(const db_result *r, cmat_buf *out)
{
    cmat_buf b = {0};
    if (!r->ok) {
        cmat_text_inert(&b, r->error, strlen(r->error));
    } else {
        cmat_buf_putc(&b, '[');
        for (size_t row = 0; row < r->n_rows && b.len < PYTHON_ENOUGH; row++) {
            cmat_buf_puts(&b, row ? ", (" : "(");
            for (int i = 0; i < r->n_columns; i++) {
                cmat_buf_puts(&b, i ? ", " : "");
                python_value(&r->rows[row * (size_t)r->n_columns + (size_t)i],
                             r->kinds ? r->kinds[i] : ' ', &b);
            }
            cmat_buf_puts(&b, r->n_columns == 1 ? ",)" : ")");
        }
        cmat_buf_putc(&b, ']');
    }
    size_t n = char_bytes(cmat_buf_str(&b), PYTHON_LIMIT);
    cmat_buf_add(out, cmat_buf_str(&b), n);
    if (n < b.len)
        cmat_buf_puts(out, "[TRUNCATED]");
    cmat_buf_clear(&b);
}

json_t *db_result_answer(const db_result *r)
{
    json_t *list = json_array();
    size_t n = (size_t)r->n_columns;
    for (size_t row = 0; row < r->n_rows; row++) {
        json_t *cells = n == 1 ? list : json_array();
        for (size_t i = 0; i < n; i++) {
            cmat_buf b = {0};
            db_value_text(&r->rows[row * n + i], &b);
            json_array_append_new(cells, cmat_json_text(cmat_buf_str(&b), b.len));
            cmat_buf_clear(&b);
        }
        if (n != 1)
            json_array_append_new(list, cells);
    }
    return list;
}
