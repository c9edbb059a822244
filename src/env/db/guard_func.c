/* env/db/guard_func.c - SQLite's functions whose own versions can run for minutes on a few short
 * words of SQL (instr, replace and trim are quadratic, printf counts its precision down): the same
 * results here in linear time or with a cap. The progress handler cannot stop a single function
 * call. */
#include "core/mem.h"
#include "env/db/conn.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RESULT = 2000000, MAX_WIDTH = 1000, MAX_TRIM = 200 };

static bool any_null(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    for (int i = 0; i < n; i++)
        if (sqlite3_value_type(v[i]) == SQLITE_NULL) {
            sqlite3_result_null(ctx);
            return true;
        }
    return false;
}

static const char *text(sqlite3_value *v, size_t *n)
{
    const char *s = (const char *)sqlite3_value_text(v);
    *n = s ? (size_t)sqlite3_value_bytes(v) : 0;
    return s ? s : "";
}

static void fn_instr(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (any_null(ctx, n, v))
        return;
    bool bytes = sqlite3_value_type(v[0]) == SQLITE_BLOB && sqlite3_value_type(v[1]) == SQLITE_BLOB;
    const char *x, *y;
    size_t nx, ny;
    if (bytes) {
        x = sqlite3_value_blob(v[0]);
        y = sqlite3_value_blob(v[1]);
        nx = (size_t)sqlite3_value_bytes(v[0]);
        ny = (size_t)sqlite3_value_bytes(v[1]);
    } else {
        x = text(v[0], &nx);
        y = text(v[1], &ny);
    }
    const char *p = ny == 0 ? x : nx ? memmem(x, nx, y, ny) : NULL;
    int64_t at = 1;
    for (const char *q = x; p && q < p; q++)
        at += bytes || ((unsigned char)*q & 0xC0) != 0x80;
    sqlite3_result_int64(ctx, ny == 0 ? 1 : p ? at : 0);
}

static void fn_replace(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (any_null(ctx, n, v))
        return;
    size_t nx, ny, nz;
    const char *x = text(v[0], &nx), *y = text(v[1], &ny), *z = text(v[2], &nz), *p, *end = x + nx;
    cmat_buf b = {0};
    while (ny && (p = memmem(x, (size_t)(end - x), y, ny))) {
        if (b.len + (size_t)(p - x) + nz > MAX_RESULT) {
            cmat_buf_clear(&b);
            sqlite3_result_error_toobig(ctx);
            return;
        }
        cmat_buf_add(&b, x, (size_t)(p - x));
        cmat_buf_add(&b, z, nz);
        x = p + ny;
    }
    cmat_buf_add(&b, x, (size_t)(end - x));
    sqlite3_result_text64(ctx, cmat_buf_str(&b), b.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    cmat_buf_clear(&b);
}

static size_t char_len(const char *s, size_t n)
{
    size_t i = 1;
    while (i < n && ((unsigned char)s[i] & 0xC0) == 0x80)
        i++;
    return i;
}

static bool in_set(const char *set, size_t n, const char *c, size_t w)
{
    for (size_t i = 0; i < n;) {
        size_t k = char_len(set + i, n - i);
        if (k == w && !memcmp(set + i, c, w))
            return true;
        i += k;
    }
    return false;
}

/* user data: 1 left, 2 right, 3 both */
static void fn_trim(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    int sides = (int)(intptr_t)sqlite3_user_data(ctx);
    if (any_null(ctx, n, v))
        return;
    size_t ns, nc = 1;
    const char *s = text(v[0], &ns), *set = n > 1 ? text(v[1], &nc) : " ";
    if (nc > MAX_TRIM) {
        sqlite3_result_error(ctx, "too many characters to trim", -1);
        return;
    }
    while ((sides & 1) && ns && in_set(set, nc, s, char_len(s, ns))) {
        size_t w = char_len(s, ns);
        s += w;
        ns -= w;
    }
    while ((sides & 2) && ns) {
        size_t w = 1;
        while (w < ns && ((unsigned char)s[ns - w] & 0xC0) == 0x80)
            w++;
        if (!in_set(set, nc, s + ns - w, w))
            break;
        ns -= w;
    }
    sqlite3_result_text64(ctx, s, ns, SQLITE_TRANSIENT, SQLITE_UTF8);
}

/* One conversion, spec[0..n) with its letter last: "%-8.2f". Appends; false: not one of SQLite's.
 */
static bool convert(cmat_buf *out, const char *spec, size_t n, sqlite3_value *v)
{
    char f[64], letter = spec[n - 1], *s = NULL;
    size_t len;
    if (n + 3 > sizeof f)
        return false;
    memcpy(f, spec, n - 1);
    f[n - 1] = 0;
    if (strchr("diuxXo", letter)) {
        sqlite3_snprintf(4, f + n - 1, "ll%c", letter == 'i' ? 'd' : letter);
        s = sqlite3_mprintf(f, v ? sqlite3_value_int64(v) : (sqlite3_int64)0);
    } else if (strchr("fFeEgG", letter)) {
        sqlite3_snprintf(2, f + n - 1, "%c", letter == 'F' ? 'f' : letter);
        s = sqlite3_mprintf(f, v ? sqlite3_value_double(v) : 0.0);
    } else if (strchr("sqQwc", letter)) {
        const char *t = v ? text(v, &len) : "";
        char *one = letter == 'c' ? cmat_xstrndup(t, *t ? char_len(t, strlen(t)) : 0) : NULL;
        sqlite3_snprintf(2, f + n - 1, "%c", letter == 'c' ? 's' : letter);
        s = sqlite3_mprintf(f, one                                                          ? one
                               : v && sqlite3_value_type(v) == SQLITE_NULL && letter == 'Q' ? NULL
                                                                                            : t);
        free(one);
    } else {
        return false;
    }
    cmat_buf_puts(out, s ? s : "");
    sqlite3_free(s);
    return true;
}

static void fn_printf(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    cmat_buf out = {0};
    int arg = 1;
    if (n < 1 || any_null(ctx, 1, v))
        return;
    const char *p = (const char *)sqlite3_value_text(v[0]), *error = NULL;
    while (p && *p && !error) {
        size_t k = strcspn(p, "%");
        cmat_buf_add(&out, p, k);
        p += k;
        if (!*p)
            break;
        k = 1;
        while (p[k] && strchr("-+ #0,!.*123456789", p[k])) {
            if (p[k] == '*' || (isdigit((unsigned char)p[k]) && atol(p + k) > MAX_WIDTH))
                error = "width or precision of printf is not supported";
            k++;
        }
        while (p[k] == 'l')
            error = "this conversion of printf is not supported", k++;
        if (p[k] == '%')
            cmat_buf_putc(&out, '%');
        else if (!error && (!p[k] || !convert(&out, p, k + 1, arg < n ? v[arg] : NULL)))
            error = "this conversion of printf is not supported";
        else
            arg++;
        if (out.len > MAX_RESULT)
            error = "string or blob too big";
        p += k + (p[k] != 0);
    }
    if (error)
        sqlite3_result_error(ctx, error, -1);
    else
        sqlite3_result_text64(ctx, cmat_buf_str(&out), out.len, SQLITE_TRANSIENT, SQLITE_UTF8);
    cmat_buf_clear(&out);
}

int db_guard_functions(sqlite3 *db)
{
    static const struct {
        const char *name;
        int n;
        void (*fn)(sqlite3_context *, int, sqlite3_value **);
        intptr_t user;
    } functions[] = {{"instr", 2, fn_instr, 0},    {"replace", 3, fn_replace, 0},
                     {"trim", 1, fn_trim, 3},      {"trim", 2, fn_trim, 3},
                     {"ltrim", 1, fn_trim, 1},     {"ltrim", 2, fn_trim, 1},
                     {"rtrim", 1, fn_trim, 2},     {"rtrim", 2, fn_trim, 2},
                     {"printf", -1, fn_printf, 0}, {"format", -1, fn_printf, 0}};
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof functions / sizeof *functions; i++)
        rc = sqlite3_create_function(db, functions[i].name, functions[i].n,
                                     SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                     (void *)functions[i].user, functions[i].fn, NULL, NULL);
    return rc;
}
