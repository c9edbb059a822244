/* flavour.c - see flavour.h. */
#include "env/db/flavour.h"
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define MONTH_SQLITE "strftime('%Y-%m', d)"
#define MONTH_MYSQL "DATE_FORMAT(d, '%Y-%m')"
#define MONTH_POSTGRES "to_char(d, 'YYYY-MM')"

static const char *const months[DB_N_FLAVOURS] = {MONTH_SQLITE, MONTH_MYSQL, MONTH_POSTGRES};

/* A row: the function, and what to write in SQLite, MySQL or MariaDB, PostgreSQL. */
static const struct {
    const char *name, *instead[DB_N_FLAVOURS];
} functions[] = {
    {"strftime", {NULL, MONTH_MYSQL, MONTH_POSTGRES}},
    {"date_format", {MONTH_SQLITE, NULL, MONTH_POSTGRES}},
    {"to_char", {MONTH_SQLITE, MONTH_MYSQL, NULL}},
    {"date_trunc", {"strftime('%Y-%m-01', d)", "DATE_FORMAT(d, '%Y-%m-01')", NULL}},
    {"year", {"strftime('%Y', d)", NULL, "EXTRACT(YEAR FROM d)"}},
    {"month", {"strftime('%m', d)", NULL, "EXTRACT(MONTH FROM d)"}},
    {"julianday", {NULL, "DATEDIFF(a, b) for the days between", "a - b for the days between"}},
    {"datediff", {"julianday(a) - julianday(b)", NULL, "a - b for the days between"}},
    {"curdate", {"date('now')", NULL, "CURRENT_DATE"}},
    {"ifnull", {NULL, NULL, "COALESCE(a, b)"}},
    {"iif", {NULL, "IF(a, b, c)", "CASE WHEN a THEN b ELSE c END"}},
    {"if", {"iif(a, b, c)", NULL, "CASE WHEN a THEN b ELSE c END"}},
    {"group_concat", {NULL, NULL, "string_agg(x, ',')"}},
    {"string_agg", {"group_concat(x, ',')", "GROUP_CONCAT(x)", NULL}},
    {"instr", {NULL, NULL, "strpos(text, part)"}},
    {"strpos", {"instr(text, part)", "INSTR(text, part)", NULL}},
    {"total", {NULL, "SUM(x)", "SUM(x)"}},
    {"random", {NULL, "RAND()", NULL}},
    {"rand", {"random()", NULL, "random()"}},
};

const char *db_flavour_month(db_flavour d)
{
    return months[d];
}

/* The name after the word "function": f(a), shop.f, : f */
static const char *function_of(const char *error, size_t *len)
{
    const char *p = strcasestr(error, "function");
    if (!p)
        return NULL;
    p += strlen("function");
    p += strspn(p, ": `");
    const char *name = p;
    for (; isalnum((unsigned char)*p) || *p == '_' || *p == '.'; p++)
        if (*p == '.')
            name = p + 1;
    *len = (size_t)(p - name);
    return name;
}

static bool says_missing(const char *error)
{
    return strstr(error, "does not exist") || strstr(error, "no such function");
}

const char *db_flavour_instead(db_flavour d, const char *error)
{
    size_t len = 0;
    /* "operator does not exist: date ~~ unknown": dates and numbers are no texts there */
    if (d == DB_FLAVOUR_POSTGRES && strstr(error, "operator does not exist") && strstr(error, "~~"))
        return "CAST(x AS TEXT) LIKE '...'";
    const char *name = says_missing(error) ? function_of(error, &len) : NULL;
    for (size_t i = 0; name && i < sizeof functions / sizeof *functions; i++)
        if (strlen(functions[i].name) == len && strncasecmp(functions[i].name, name, len) == 0)
            return functions[i].instead[d];
    return NULL;
}
