/* env/db/mysql.c - MySQL's statements rewritten for SQLite, token by token.
 *
 * What has a counterpart is put in its place; what has none passes through, so that SQLite's error
 * (in MySQL's words) reaches the agent. A column compared with a bare number is wrapped in
 * mysql_num(), because MySQL then compares numbers even when the column is TEXT. */
#include "env/db/mysql.h"
#include "core/mem.h"
#include "env/db/lex.h"
#include "env/db/schema.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
    db_token *items; /* white space left out, END last */
    size_t n, cap;
} tokens;

static tokens split(const char *sql)
{
    tokens t = {0};
    do {
        t.items = cmat_xgrow(t.items, &t.cap, t.n + 1, sizeof *t.items);
        t.items[t.n++] = db_lex_next(&sql, true);
    } while (t.items[t.n - 1].type != DB_TOKEN_END && t.items[t.n - 1].type != DB_TOKEN_BAD);
    return t;
}

/* Words whose SQLite spelling differs wherever they stand. */
static const char *const words[][2] = {
    {"RLIKE", "REGEXP"},     {"&&", "AND"},         {"||", "OR"},
    {"<=>", "IS"},           {"!", "NOT"},          {"MOD", "%"},
    {"UNSIGNED", "INTEGER"}, {"SIGNED", "INTEGER"}, {"SEPARATOR", ","},
    {"TRUE", "1"},           {"FALSE", "0"},        {NULL, NULL}};
/* Functions whose names SQLite gives to something else. */
static const char *const calls[][2] = {{"LEFT", "mysql_left"},
                                       {"RIGHT", "mysql_right"},
                                       {"ISNULL", "mysql_isnull"},
                                       {"FORMAT", "mysql_format"},
                                       {"INSERT", "mysql_insert"},
                                       {"GREATEST", "max"},
                                       {"LEAST", "min"},
                                       {"MOD", "mysql_mod"},
                                       {"CEILING", "ceil"},
                                       {"CHAR_LENGTH", "length"},
                                       {"CHARACTER_LENGTH", "length"},
                                       {"LENGTH", "octet_length"},
                                       {"LCASE", "lower"},
                                       {"UCASE", "upper"},
                                       {"MID", "substr"},
                                       {"NOW", "mysql_now"},
                                       {"CURDATE", "mysql_today"},
                                       {"YEAR", "mysql_year"},
                                       {"MONTH", "mysql_month"},
                                       {"DAY", "mysql_day"},
                                       {"DAYOFMONTH", "mysql_day"},
                                       {NULL, NULL}};

static const char *find_word(const char *const table[][2], const db_token *t)
{
    if (t->type != DB_TOKEN_NAME && t->type != DB_TOKEN_OP)
        return NULL;
    for (; (*table)[0]; table++)
        if (db_token_is(t, (*table)[0]))
            return (*table)[1];
    return NULL;
}

static bool is_compare(const db_token *t)
{
    static const char *const ops[] = {"=", "<", ">", "<=", ">=", "<>", "!=", NULL};
    for (size_t i = 0; ops[i]; i++)
        if (db_token_is(t, ops[i]))
            return true;
    return false;
}

static bool is_keyword(const db_token *t)
{
    return t->type == DB_TOKEN_NAME && sqlite3_keyword_check(t->s, (int)t->n);
}

static bool is_name(const db_token *t)
{
    return t->type == DB_TOKEN_QUOTED || (t->type == DB_TOKEN_NAME && !is_keyword(t));
}

static bool is_number(const tokens *t, size_t i)
{
    if (t->items[i].type == DB_TOKEN_OP && (*t->items[i].s == '-' || *t->items[i].s == '+'))
        i++;
    return t->items[i].type == DB_TOKEN_NUMBER;
}

/* Where a column (a or t.a) that begins at i ends; 0: no column, or it goes on as an expression. */
static size_t column_end(const tokens *t, size_t i)
{
    if (!is_name(&t->items[i]))
        return 0;
    if (db_token_is(&t->items[i + 1], ".") && is_name(&t->items[i + 2]))
        i += 2;
    return db_token_is(&t->items[i + 1], "(") ? 0 : i + 1;
}

/* True when the token before a column leaves it an operand of its own. */
static bool starts_operand(const tokens *t, size_t i)
{
    if (i == 0)
        return true;
    const db_token *p = &t->items[i - 1];
    return is_keyword(p) || db_token_is(p, "(") || db_token_is(p, "&&") || db_token_is(p, "||");
}

/* A column at i that is compared with a number: "x < 5", "x BETWEEN 1 AND 2", "x IN (1, 2)". */
static bool compared_with_number(const tokens *t, size_t i, size_t end)
{
    const db_token *op = &t->items[end];
    if (!starts_operand(t, i))
        return false;
    if (is_compare(op))
        return is_number(t, end + 1);
    if (db_token_is(op, "NOT"))
        op = &t->items[++end];
    if (db_token_is(op, "BETWEEN"))
        return is_number(t, end + 1);
    return db_token_is(op, "IN") && db_token_is(&t->items[end + 1], "(") && is_number(t, end + 2);
}

static void put(cmat_buf *out, const char *s, size_t n)
{
    if (out->len && out->data[out->len - 1] != ' ')
        cmat_buf_putc(out, ' ');
    cmat_buf_add(out, s, n);
}

static void put_string(const tokens *t, size_t *i, cmat_buf *out)
{
    cmat_buf text = {0};
    db_token_text(&t->items[*i], true, &text);
    while (t->items[*i + 1].type == DB_TOKEN_STRING) /* 'a' 'b' is one string */
        db_token_text(&t->items[++*i], true, &text);
    put(out, "", 0);
    /* SQLite's literals cannot hold a NUL. */
    for (char *p = strchr(cmat_buf_str(&text), 0); p < cmat_buf_str(&text) + text.len; p++)
        *p = *p ? *p : ' ';
    db_literal_add(out, cmat_buf_str(&text));
    cmat_buf_clear(&text);
}

static void put_name(const db_token *t, cmat_buf *out)
{
    cmat_buf text = {0};
    db_token_text(t, true, &text);
    put(out, "", 0);
    cmat_buf_putc(out, '"');
    for (const char *p = cmat_buf_str(&text); *p; p++) {
        if (*p == '"')
            cmat_buf_putc(out, '"');
        cmat_buf_putc(out, *p);
    }
    cmat_buf_putc(out, '"');
    cmat_buf_clear(&text);
}

static void put_token(const tokens *t, size_t *i, bool in_set, cmat_buf *out)
{
    const db_token *k = &t->items[*i];
    bool call = db_token_is(&t->items[*i + 1], "(");
    const char *to = call && k->type == DB_TOKEN_NAME ? find_word(calls, k) : find_word(words, k);
    if (k->type == DB_TOKEN_STRING)
        put_string(t, i, out);
    else if (k->type == DB_TOKEN_QUOTED ||
             (k->type == DB_TOKEN_NAME && isdigit((unsigned char)*k->s)))
        put_name(k, out);
    else if (to)
        put(out, to, strlen(to));
    else if (db_token_is(k, "/"))
        put(out, "* 1.0 /", 7); /* MySQL's division is never whole */
    else if (in_set && k->type == DB_TOKEN_NUMBER && memchr(k->s, '.', k->n) &&
             (db_token_is(&t->items[*i + 1], ",") || db_token_is(&t->items[*i + 1], ")") ||
              t->items[*i + 1].type == DB_TOKEN_END) &&
             (db_token_is(k - 1, ",") || db_token_is(k - 1, "(") || db_token_is(k - 1, "="))) {
        put(out, "'", 1); /* a decimal keeps its digits when stored as text: 22.950 */
        cmat_buf_add(out, k->s, k->n);
        cmat_buf_putc(out, '\'');
    } else
        put(out, k->s, k->n);
}

static void rewrite_tokens(const tokens *t, size_t from, cmat_buf *out)
{
    bool in_set = false; /* after VALUES or SET, before WHERE */
    for (size_t i = from; t->items[i].type != DB_TOKEN_END; i++) {
        const db_token *k = &t->items[i];
        if (db_token_is(k, "VALUES") || db_token_is(k, "SET"))
            in_set = true;
        else if (db_token_is(k, "WHERE") || db_token_is(k, "SELECT"))
            in_set = false;
        if (k->type == DB_TOKEN_BAD) {
            put(out, k->s, k->n);
            return;
        }
        size_t end = in_set ? 0 : column_end(t, i);
        if (end && compared_with_number(t, i, end)) {
            put(out, "mysql_num(", 10);
            for (; i < end; i++)
                put_token(t, &i, false, out);
            i = end - 1;
            cmat_buf_putc(out, ')');
        } else {
            put_token(t, &i, in_set, out);
        }
    }
}

static void show_columns(const db_token *table, cmat_buf *out)
{
    cmat_buf name = {0};
    db_token_text(table, true, &name);
    cmat_buf_puts(out,
                  "SELECT name AS Field, lower(type) AS Type,"
                  " CASE \"notnull\" WHEN 0 THEN 'YES' ELSE 'NO' END AS \"Null\","
                  " CASE pk WHEN 0 THEN '' ELSE 'PRI' END AS \"Key\", dflt_value AS \"Default\","
                  " '' AS Extra FROM pragma_table_info(");
    db_literal_add(out, cmat_buf_str(&name));
    cmat_buf_puts(out, ")");
    cmat_buf_clear(&name);
}

/* SHOW TABLES, SHOW [FULL] COLUMNS FROM t, DESCRIBE t, DESC t, EXPLAIN t, SHOW DATABASES. */
static bool rewrite_show(const tokens *t, cmat_buf *out)
{
    const db_token *k = t->items;
    size_t i = 1;
    if (db_token_is(k, "DESCRIBE") || db_token_is(k, "DESC") ||
        (db_token_is(k, "EXPLAIN") && is_name(&k[1]) && t->n <= 4)) {
        if (k[1].type == DB_TOKEN_END)
            return false;
        show_columns(&k[1], out);
        return true;
    }
    if (!db_token_is(k, "SHOW"))
        return false;
    if (db_token_is(&k[i], "FULL"))
        i++;
    if (db_token_is(&k[i], "TABLES")) {
        cmat_buf_puts(out,
                      "SELECT name AS Tables FROM sqlite_schema WHERE type IN ('table', 'view')"
                      " AND name NOT LIKE 'sqlite%' ORDER BY name");
        return true;
    }
    if (db_token_is(&k[i], "DATABASES") || db_token_is(&k[i], "SCHEMAS")) {
        cmat_buf_puts(out, "SELECT 'main' AS \"Database\"");
        return true;
    }
    if ((db_token_is(&k[i], "COLUMNS") || db_token_is(&k[i], "FIELDS")) &&
        (db_token_is(&k[i + 1], "FROM") || db_token_is(&k[i + 1], "IN")) &&
        k[i + 2].type != DB_TOKEN_END) {
        show_columns(&k[i + 2], out);
        return true;
    }
    return false;
}

void db_mysql_rewrite(const char *sql, cmat_buf *out)
{
    tokens t = split(sql);
    const db_token *k = t.items;
    size_t from = 0;
    cmat_buf own = {0};
    if (!rewrite_show(&t, &own)) {
        if (db_token_is(k, "TRUNCATE")) {
            cmat_buf_puts(&own, "DELETE FROM");
            from = db_token_is(&k[1], "TABLE") ? 2 : 1;
        } else if ((db_token_is(k, "INSERT") || db_token_is(k, "UPDATE")) &&
                   db_token_is(&k[1], "IGNORE")) {
            cmat_buf_puts(&own, db_token_is(k, "INSERT") ? "INSERT OR IGNORE" : "UPDATE OR IGNORE");
            from = 2;
        }
        rewrite_tokens(&t, from, &own);
    }
    cmat_buf_add(out, cmat_buf_str(&own), own.len);
    cmat_buf_clear(&own);
    free(t.items);
}

/* Copies what stands after `prefix` in msg, or returns false. */
static bool after(const char *msg, const char *prefix, const char **rest)
{
    size_t n = strlen(prefix);
    if (strncmp(msg, prefix, n) != 0)
        return false;
    *rest = msg + n;
    return true;
}

void db_mysql_error(const char *msg, const char *near, cmat_buf *out)
{
    const char *x;
    if (after(msg, "no such table: ", &x)) {
        cmat_buf_printf(out, "1146 (42S02): Table '%s' doesn't exist",
                        strncmp(x, "main.", 5) ? x : x + 5);
    } else if (after(msg, "no such column: ", &x)) {
        cmat_buf_printf(out, "1054 (42S22): Unknown column '%s' in 'field list'", x);
    } else if ((x = strstr(msg, " has no column named "))) {
        cmat_buf_printf(out, "1054 (42S22): Unknown column '%s' in 'field list'",
                        x + strlen(" has no column named "));
    } else if (after(msg, "no such function: ", &x)) {
        cmat_buf_printf(out, "1305 (42000): FUNCTION %s does not exist", x);
    } else if (strstr(msg, "values were supplied") || strstr(msg, "values for ")) {
        cmat_buf_puts(out, "1136 (21S01): Column count doesn't match value count at row 1");
    } else if (strstr(msg, "syntax error") || strstr(msg, "incomplete input") ||
               strstr(msg, "unrecognized token")) {
        cmat_buf_printf(
            out,
            "1064 (42000): You have an error in your SQL syntax; check the manual that corresponds"
            " to your MySQL server version for the right syntax to use near '%.80s' at line 1",
            near);
    } else if (after(msg, "ambiguous column name: ", &x)) {
        cmat_buf_printf(out, "1052 (23000): Column '%s' in field list is ambiguous", x);
    } else {
        cmat_buf_puts(out, msg);
    }
}
