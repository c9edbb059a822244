/* env/db/mysql_func.c - MySQL's collation and functions for SQLite.
 *
 * The collation follows utf8mb4_0900_ai_ci where tables meet it: letters without case and accents,
 * in the order blanks, punctuation, symbols, digits, letters; combining marks count for nothing. */
#include "core/mem.h"
#include "core/text.h"
#include "env/db/mysql.h"
#include "env/db/values.h"
#include <ctype.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* ASCII in the order of the Unicode collation algorithm; letters and digits follow. */
static const char order[] = "\t\n\r _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";

static unsigned weight(unsigned char c)
{
    const char *p = c ? strchr(order, c) : NULL;
    if (p)
        return (unsigned)(p - order) + 1;
    return c < 0x80 ? (isalnum(c) ? 64u + c : 60u) : 256u + c;
}

int db_mysql_compare(const char *a, size_t an, const char *b, size_t bn)
{
    cmat_buf x = {0}, y = {0};
    db_fold_plain(&x, a, an);
    db_fold_plain(&y, b, bn);
    size_t n = x.len < y.len ? x.len : y.len;
    int d = 0;
    for (size_t i = 0; i < n && !d; i++)
        if (x.data[i] != y.data[i])
            d = (int)weight((unsigned char)x.data[i]) - (int)weight((unsigned char)y.data[i]);
    if (!d)
        d = x.len < y.len ? -1 : x.len > y.len;
    cmat_buf_clear(&x);
    cmat_buf_clear(&y);
    return d;
}

static int collate(void *user, int an, const void *a, int bn, const void *b)
{
    (void)user;
    return db_mysql_compare(a, (size_t)an, b, (size_t)bn);
}

static const char *text(sqlite3_value *v)
{
    const char *s = (const char *)sqlite3_value_text(v);
    return s ? s : "";
}

static void give_text(sqlite3_context *ctx, const char *s, size_t n)
{
    sqlite3_result_text64(ctx, s, n, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static bool any_null(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    for (int i = 0; i < n; i++)
        if (sqlite3_value_type(v[i]) == SQLITE_NULL) {
            sqlite3_result_null(ctx);
            return true;
        }
    return false;
}

static const char *skip_chars(const char *s, int64_t n)
{
    while (n-- > 0 && *s)
        for (s++; ((unsigned char)*s & 0xC0) == 0x80; s++)
            ;
    return s;
}

static int64_t count_chars(const char *s)
{
    int64_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

/* A text as MySQL takes it for a number: its longest numeric prefix, else 0. */
static void fn_num(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    int type = sqlite3_value_type(v[0]);
    if (type == SQLITE_TEXT || type == SQLITE_BLOB) {
        const char *s = text(v[0]);
        while (isspace((unsigned char)*s))
            s++;
        /* strtod also reads "inf", "nan" and 0x1f; MySQL does not. */
        const char *d = s + (*s == '-' || *s == '+');
        bool plain = (isdigit((unsigned char)*d) && !(d[0] == '0' && (d[1] | 32) == 'x')) ||
                     (*d == '.' && isdigit((unsigned char)d[1]));
        sqlite3_result_double(ctx, plain ? strtod(s, NULL) : 0);
    } else {
        sqlite3_result_value(ctx, v[0]);
    }
}

static void fn_concat(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    cmat_buf b = {0};
    if (any_null(ctx, n, v))
        return;
    for (int i = 0; i < n; i++)
        cmat_buf_puts(&b, text(v[i]));
    give_text(ctx, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
}

static void fn_concat_ws(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    cmat_buf b = {0};
    bool any = false;
    if (n < 1 || any_null(ctx, 1, v))
        return;
    for (int i = 1; i < n; i++) {
        if (sqlite3_value_type(v[i]) == SQLITE_NULL)
            continue;
        if (any)
            cmat_buf_puts(&b, text(v[0]));
        cmat_buf_puts(&b, text(v[i]));
        any = true;
    }
    give_text(ctx, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
}

static bool truth(sqlite3_value *v)
{
    return sqlite3_value_type(v) != SQLITE_NULL && sqlite3_value_double(v) != 0;
}

static void fn_if(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    sqlite3_result_value(ctx, truth(v[0]) ? v[1] : v[2]);
}

static void fn_isnull(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    sqlite3_result_int(ctx, sqlite3_value_type(v[0]) == SQLITE_NULL);
}

static void fn_left(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (any_null(ctx, n, v))
        return;
    const char *s = text(v[0]);
    give_text(ctx, s, (size_t)(skip_chars(s, sqlite3_value_int64(v[1])) - s));
}

static void fn_right(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (any_null(ctx, n, v))
        return;
    int64_t want = sqlite3_value_int64(v[1]);
    const char *s = text(v[0]);
    s = want <= 0 ? s + strlen(s) : skip_chars(s, count_chars(s) - want);
    give_text(ctx, s, strlen(s));
}

/* SUBSTRING_INDEX(text, delimiter, count): what stands before the count-th delimiter, from the
 * right when count is negative. */
static void fn_substring_index(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (any_null(ctx, n, v))
        return;
    const char *s = text(v[0]), *sep = text(v[1]), *p = s;
    int64_t count = sqlite3_value_int64(v[2]), total = 0;
    size_t w = strlen(sep);
    if (!w || !count) {
        give_text(ctx, "", 0);
        return;
    }
    for (const char *q = s; (q = strstr(q, sep)); q += w)
        total++;
    int64_t at = count > 0 ? count : total + 1 + count; /* the delimiter to cut at, from 1 */
    if (at < 1 || at > total) {
        give_text(ctx, s, strlen(s));
        return;
    }
    for (int64_t i = 1; (p = strstr(p, sep)) && i < at; i++)
        p += w;
    if (count > 0)
        give_text(ctx, s, (size_t)(p - s));
    else
        give_text(ctx, p + w, strlen(p + w));
}

static void fn_locate(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (any_null(ctx, n, v))
        return;
    cmat_buf hay = {0}, needle = {0};
    db_fold_plain(&hay, text(v[1]), strlen(text(v[1])));
    db_fold_plain(&needle, text(v[0]), strlen(text(v[0])));
    const char *h = cmat_buf_str(&hay), *p = strstr(h, cmat_buf_str(&needle));
    int64_t at = 0;
    for (const char *q = h; p && q < p; q++)
        at += ((unsigned char)*q & 0xC0) != 0x80;
    sqlite3_result_int64(ctx, p ? at + 1 : 0);
    cmat_buf_clear(&hay);
    cmat_buf_clear(&needle);
}

static void fn_octet_length(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (!any_null(ctx, n, v))
        sqlite3_result_int(ctx, sqlite3_value_bytes(v[0]));
}

static void fn_mod(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (any_null(ctx, n, v))
        return;
    double b = sqlite3_value_double(v[1]);
    double r = b == 0 ? 0 : fmod(sqlite3_value_double(v[0]), b);
    if (b == 0)
        sqlite3_result_null(ctx);
    else if (r == floor(r))
        sqlite3_result_int64(ctx, (int64_t)r);
    else
        sqlite3_result_double(ctx, r);
}

static void fn_reverse(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (any_null(ctx, n, v))
        return;
    const char *s = text(v[0]);
    cmat_buf b = {0};
    for (size_t i = strlen(s), end = i; i-- > 0;)
        if (((unsigned char)s[i] & 0xC0) != 0x80) {
            cmat_buf_add(&b, s + i, end - i);
            end = i;
        }
    give_text(ctx, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
}

static void fn_strcmp(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (any_null(ctx, n, v))
        return;
    int d = db_mysql_compare(text(v[0]), strlen(text(v[0])), text(v[1]), strlen(text(v[1])));
    sqlite3_result_int(ctx, (d > 0) - (d < 0));
}

/* FORMAT(number, decimals): 1,234.50 */
static void fn_format(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (any_null(ctx, n, v))
        return;
    int64_t d = sqlite3_value_int64(v[1]);
    char raw[400];
    sqlite3_snprintf(sizeof raw, raw, "%.*f",
                     (int)(d < 0    ? 0
                           : d > 30 ? 30
                                    : d),
                     sqlite3_value_double(v[0]));
    size_t digits = strcspn(raw[0] == '-' ? raw + 1 : raw, ".");
    cmat_buf b = {0};
    const char *p = raw;
    if (*p == '-')
        cmat_buf_putc(&b, *p++);
    for (; digits > 0; p++, digits--) {
        cmat_buf_putc(&b, *p);
        if (digits > 1 && digits % 3 == 1)
            cmat_buf_putc(&b, ',');
    }
    cmat_buf_puts(&b, p);
    give_text(ctx, cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
}

/* LIKE without case and accents, escaped by a backslash unless an escape is given. */
static bool like(const char *p, const char *s, uint32_t escape, int *budget)
{
    for (; *p; p++, s++) {
        if (--*budget < 0)
            return false;
        if ((unsigned char)*p == escape && p[1]) {
            if (*++p != *s)
                return false;
        } else if (*p == '%') {
            while (*p == '%')
                p++;
            if (!*p)
                return true;
            for (; *s; s++)
                if (like(p, s, escape, budget))
                    return true;
            return false;
        } else if (*p == '_') {
            if (!*s)
                return false;
            s = skip_chars(s, 1) - 1;
        } else if (*p != *s) {
            return false;
        }
    }
    return !*s;
}

static void fn_like(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (any_null(ctx, n, v))
        return;
    const char *pattern = text(v[0]), *s = text(v[1]);
    const char *escape = n == 3 ? text(v[2]) : "\\";
    if (strlen(pattern) > 200) {
        sqlite3_result_error(ctx, "LIKE pattern too complex", -1);
        return;
    }
    cmat_buf p = {0}, t = {0};
    int budget = 1000000;
    db_fold_plain(&p, pattern, strlen(pattern));
    db_fold_plain(&t, s, strlen(s));
    bool yes = like(cmat_buf_str(&p), cmat_buf_str(&t), (unsigned char)*escape, &budget);
    if (budget < 0)
        sqlite3_result_error(ctx, "LIKE pattern too complex", -1);
    else
        sqlite3_result_int(ctx, yes);
    cmat_buf_clear(&p);
    cmat_buf_clear(&t);
}

/* POSIX extended patterns. Counted repeats and back references can take any time: refused. */
static void fn_regexp(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    if (any_null(ctx, n, v))
        return;
    regex_t re;
    const char *pattern = text(v[0]);
    bool costly = strlen(pattern) > 200 || strlen(text(v[1])) > 10000 || strchr(pattern, '{');
    for (const char *p = pattern; (p = strchr(p, '\\')) && p[1]; p += 2)
        costly |= isdigit((unsigned char)p[1]) != 0;
    if (costly || regcomp(&re, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0) {
        sqlite3_result_error(ctx, "this regular expression is not supported", -1);
        return;
    }
    sqlite3_result_int(ctx, regexec(&re, text(v[1]), 0, NULL, 0) == 0);
    regfree(&re);
}

static void give_time(sqlite3_context *ctx, const char *format)
{
    char out[32];
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    give_text(ctx, out, strftime(out, sizeof out, format, &tm));
}

static void fn_today(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    (void)v;
    give_time(ctx, "%Y-%m-%d");
}

static void fn_now(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    (void)v;
    give_time(ctx, "%Y-%m-%d %H:%M:%S");
}

/* YEAR, MONTH, DAY of 'YYYY-MM-DD...'; NULL for anything else. user data: offset and width. */
static void fn_date_part(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    int part = (int)(intptr_t)sqlite3_user_data(ctx);
    if (any_null(ctx, n, v))
        return;
    const char *s = text(v[0]);
    for (int i = 0; i < 10; i++)
        if ((i == 4 || i == 7) ? s[i] != '-' : !isdigit((unsigned char)s[i])) {
            sqlite3_result_null(ctx);
            return;
        }
    sqlite3_result_int(ctx, atoi(part == 0 ? s : part == 1 ? s + 5 : s + 8));
}

/* SUM of texts is a REAL in MySQL, of whole numbers a whole number. */
typedef struct {
    double d;
    int64_t i;
    int64_t n;
    bool real;
} sum_state;

static void sum_step(sqlite3_context *ctx, int n, sqlite3_value **v)
{
    (void)n;
    sum_state *s = sqlite3_aggregate_context(ctx, sizeof *s);
    int type = sqlite3_value_type(v[0]);
    if (!s || type == SQLITE_NULL)
        return;
    s->n++;
    s->d += sqlite3_value_double(v[0]);
    if (type != SQLITE_INTEGER || __builtin_add_overflow(s->i, sqlite3_value_int64(v[0]), &s->i))
        s->real = true;
}

static void sum_final(sqlite3_context *ctx)
{
    sum_state *s = sqlite3_aggregate_context(ctx, 0);
    if (!s || s->n == 0)
        sqlite3_result_null(ctx);
    else if (s->real)
        sqlite3_result_double(ctx, s->d);
    else
        sqlite3_result_int64(ctx, s->i);
}

cmat_status db_mysql_register(sqlite3 *db, cmat_error *err)
{
    static const struct {
        const char *name;
        int n;
        void (*fn)(sqlite3_context *, int, sqlite3_value **);
        intptr_t user;
    } functions[] = {{"mysql_num", 1, fn_num, 0},
                     {"concat", -1, fn_concat, 0},
                     {"concat_ws", -1, fn_concat_ws, 0},
                     {"if", 3, fn_if, 0},
                     {"mysql_isnull", 1, fn_isnull, 0},
                     {"mysql_left", 2, fn_left, 0},
                     {"mysql_right", 2, fn_right, 0},
                     {"substring_index", 3, fn_substring_index, 0},
                     {"locate", 2, fn_locate, 0},
                     {"octet_length", 1, fn_octet_length, 0},
                     {"mysql_mod", 2, fn_mod, 0},
                     {"reverse", 1, fn_reverse, 0},
                     {"strcmp", 2, fn_strcmp, 0},
                     {"mysql_format", 2, fn_format, 0},
                     {"like", 2, fn_like, 0},
                     {"like", 3, fn_like, 0},
                     {"regexp", 2, fn_regexp, 0},
                     {"mysql_today", 0, fn_today, 0},
                     {"mysql_now", 0, fn_now, 0},
                     {"mysql_year", 1, fn_date_part, 0},
                     {"mysql_month", 1, fn_date_part, 1},
                     {"mysql_day", 1, fn_date_part, 2}};
    int rc = sqlite3_create_collation(db, "mysql_ci", SQLITE_UTF8, NULL, collate);
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof functions / sizeof *functions; i++)
        rc = sqlite3_create_function(db, functions[i].name, functions[i].n,
                                     SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                     (void *)functions[i].user, functions[i].fn, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(db, "sum", 1, SQLITE_UTF8 | SQLITE_INNOCUOUS, NULL, NULL,
                                     sum_step, sum_final);
    return rc == SQLITE_OK
               ? CMAT_OK
               : cmat_fail(err, CMAT_ERR_IO, "db: MySQL's functions: %s", sqlite3_errmsg(db));
}
