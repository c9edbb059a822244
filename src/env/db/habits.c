/* env/db/habits.c - see habits.h. */
#include "env/db/habits.h"
#include "core/mem.h"
#include "env/db/lex.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- objects ---- */

static void operators(cmat_buf *out, const char *function, const char *op, const char *result,
                      const char *left, const char *right)
{
    /* A text's number is its leading digits, 0 when there are none. */
    cmat_buf_printf(out,
                    "; CREATE FUNCTION %s(%s, %s) RETURNS %s LANGUAGE sql IMMUTABLE AS "
                    "'SELECT %s %s %s'; CREATE OPERATOR %s (LEFTARG = %s, RIGHTARG = %s, "
                    "FUNCTION = %s)",
                    function, left, right, result, !strcmp(left, "text") ? "cmat_num($1)" : "$1",
                    op, !strcmp(right, "text") ? "cmat_num($2)" : "$2", op, left, right, function);
}

void db_habits_objects(const char *place, cmat_buf *out)
{
    static const char *const compared[][2] = {{"<", "cmat_lt"}, {"<=", "cmat_le"},
                                              {">", "cmat_gt"}, {">=", "cmat_ge"},
                                              {"=", "cmat_eq"}, {"<>", "cmat_ne"}};
    static const char *const counted[][2] = {
        {"+", "cmat_add"}, {"-", "cmat_sub"}, {"*", "cmat_mul"}, {"/", "cmat_div"}};
    static const char number[] = "double precision";
    cmat_buf_printf(out, "; SET search_path = \"%s\"", place);
    cmat_buf_puts(out,
                  "; CREATE COLLATION " DB_HABITS_COLLATION
                  " (provider = icu, locale = 'und-u-ks-level1', deterministic = false)"
                  "; CREATE FUNCTION cmat_num(text) RETURNS double precision LANGUAGE sql "
                  "IMMUTABLE AS $$ SELECT coalesce(substring($1 COLLATE \"C\" from "
                  "'^\\s*([-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?)')::float8, 0) $$");
    for (size_t i = 0; i < sizeof compared / sizeof *compared; i++) {
        operators(out, compared[i][1], compared[i][0], "boolean", "text", number);
        operators(out, compared[i][1], compared[i][0], "boolean", number, "text");
    }
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++) {
        operators(out, counted[i][1], counted[i][0], number, "text", number);
        operators(out, counted[i][1], counted[i][0], number, number, "text");
        operators(out, counted[i][1], counted[i][0], number, "text", "text");
    }
    cmat_buf_puts(
        out,
        "; CREATE FUNCTION cmat_sum(float8, text) RETURNS float8 LANGUAGE sql IMMUTABLE AS "
        "'SELECT CASE WHEN $2 IS NULL THEN $1 ELSE coalesce($1, 0) + cmat_num($2) END'"
        "; CREATE AGGREGATE sum(text) (SFUNC = cmat_sum, STYPE = float8)"
        "; CREATE FUNCTION cmat_avg(float8[], text) RETURNS float8[] LANGUAGE sql IMMUTABLE AS "
        "'SELECT CASE WHEN $2 IS NULL THEN $1 ELSE ARRAY[$1[1] + cmat_num($2), $1[2] + 1] END'"
        "; CREATE FUNCTION cmat_mean(float8[]) RETURNS float8 LANGUAGE sql IMMUTABLE AS "
        "'SELECT $1[1] / nullif($1[2], 0)'"
        "; CREATE AGGREGATE avg(text) (SFUNC = cmat_avg, STYPE = float8[], FINALFUNC = cmat_mean, "
        "INITCOND = '{0,0}')");
    cmat_buf_puts(out, "; RESET search_path");
}

/* ---- statements ---- */

typedef struct {
    db_token *items; /* without spaces, ended by END */
    size_t n, cap;
    const db_schema *s;
    cmat_buf *out;
} rewriting;

static const char *const words[][2] = {{"&&", "AND"},
                                       {"||", "OR"},
                                       {"<=>", "IS NOT DISTINCT FROM"},
                                       {"!", "NOT"},
                                       {"DIV", "/"},
                                       {"MOD", "%"},
                                       {"RLIKE", "COLLATE \"default\" ~*"},
                                       {"REGEXP", "COLLATE \"default\" ~*"},
                                       {"LIKE", "COLLATE \"default\" ILIKE"},
                                       {"UNSIGNED", "bigint"},
                                       {"SIGNED", "bigint"},
                                       {NULL, NULL}};
static const char *const calls[][2] = {
    {"IFNULL", "coalesce"},    {"LCASE", "lower"},  {"UCASE", "upper"}, {"MID", "substr"},
    {"CHAR_LENGTH", "length"}, {"CURDATE", "date"}, {NULL, NULL}};

static const char *lookup(const char *const table[][2], const db_token *t)
{
    for (; t->type != DB_TOKEN_QUOTED && (*table)[0]; table++)
        if (db_token_is(t, (*table)[0]))
            return (*table)[1];
    return NULL;
}

static void put(rewriting *w, const char *s)
{
    if (w->out->len && w->out->data[w->out->len - 1] != ' ')
        cmat_buf_putc(w->out, ' ');
    cmat_buf_puts(w->out, s);
}

/* A name as the schema spells it, NULL when it is not there. */
static const char *spelled(const db_schema *s, const char *name)
{
    int t = db_schema_find_table(s, name);
    if (t >= 0)
        return s->tables[t].name;
    for (int i = 0; i < s->n_tables; i++) {
        int c = db_table_find_column(&s->tables[i], name);
        if (c >= 0)
            return s->tables[i].columns[c].name;
    }
    return NULL;
}

static void put_name(rewriting *w, const db_token *t, bool call)
{
    cmat_buf text = {0};
    db_token_text(t, true, &text);
    const char *name = call ? NULL : spelled(w->s, cmat_buf_str(&text));
    bool keyword = t->type == DB_TOKEN_NAME && sqlite3_keyword_check(t->s, (int)t->n);
    put(w, "");
    if (name && !keyword)
        db_quoted_add(w->out, name, '"');
    else if (t->type == DB_TOKEN_QUOTED || isdigit((unsigned char)*t->s))
        db_quoted_add(w->out, cmat_buf_str(&text), '"');
    else
        cmat_buf_puts(w->out, cmat_buf_str(&text));
    cmat_buf_clear(&text);
}

static void put_string(rewriting *w, size_t *i)
{
    cmat_buf text = {0};
    db_token_text(&w->items[*i], true, &text);
    while (w->items[*i + 1].type == DB_TOKEN_STRING) /* 'a' 'b' is one string */
        db_token_text(&w->items[++*i], true, &text);
    for (size_t k = 0; k < text.len; k++)
        text.data[k] = text.data[k] ? text.data[k] : ' ';
    put(w, "");
    db_literal_add(w->out, cmat_buf_str(&text));
    cmat_buf_clear(&text);
}

/* LIMIT 5, 10: ten rows after the first five. */
static bool put_limit(rewriting *w, size_t *i)
{
    const db_token *t = &w->items[*i];
    if (!db_token_is(t, "LIMIT") || t[1].type != DB_TOKEN_NUMBER || !db_token_is(&t[2], ",") ||
        t[3].type != DB_TOKEN_NUMBER)
        return false;
    put(w, "");
    cmat_buf_printf(w->out, "LIMIT %.*s OFFSET %.*s", (int)t[3].n, t[3].s, (int)t[1].n, t[1].s);
    *i += 3;
    return true;
}

static void put_token(rewriting *w, size_t *i, bool setting)
{
    const db_token *t = &w->items[*i];
    const bool call = db_token_is(&t[1], "(");
    const char *to = call && t->type == DB_TOKEN_NAME ? lookup(calls, t) : lookup(words, t);
    if (put_limit(w, i))
        return;
    if (setting && t[1].type == DB_TOKEN_OP && db_token_is(&t[1], ".") &&
        (db_token_is(&t[3], "=")) && (db_token_is(t - 1, "SET") || db_token_is(t - 1, ","))) {
        ++*i; /* SET t.c = ...: the table goes without saying */
        return;
    }
    if (db_token_is(t, "NOT") && db_token_is(&t[1], "LIKE")) {
        put(w, "COLLATE \"default\" NOT ILIKE");
        ++*i;
    } else if (t->type == DB_TOKEN_STRING)
        put_string(w, i);
    else if (to)
        put(w, to);
    else if (t->type == DB_TOKEN_NAME || t->type == DB_TOKEN_QUOTED)
        put_name(w, t, call && t->type == DB_TOKEN_NAME && *i > 0 && !db_token_is(t - 1, "INTO"));
    else {
        put(w, "");
        cmat_buf_add(w->out, t->s, t->n);
    }
}

static bool put_show(rewriting *w)
{
    const db_token *t = w->items;
    const db_token *table = NULL;
    if (db_token_is(t, "SHOW") && db_token_is(&t[1], "TABLES")) {
        cmat_buf_puts(w->out,
                      "SELECT table_name FROM information_schema.tables WHERE table_schema "
                      "= current_schema() ORDER BY 1");
        return true;
    }
    if (db_token_is(t, "DESCRIBE") || db_token_is(t, "DESC"))
        table = &t[1];
    else if (db_token_is(t, "SHOW") && db_token_is(&t[1], "COLUMNS") && t[2].type == DB_TOKEN_NAME)
        table = &t[3];
    if (!table || (table->type != DB_TOKEN_NAME && table->type != DB_TOKEN_QUOTED))
        return false;
    cmat_buf text = {0};
    db_token_text(table, true, &text);
    const char *name = spelled(w->s, cmat_buf_str(&text));
    cmat_buf_puts(w->out,
                  "SELECT column_name AS \"Field\", data_type AS \"Type\", is_nullable AS \"Null\" "
                  "FROM information_schema.columns WHERE table_schema = current_schema() AND "
                  "table_name = ");
    db_literal_add(w->out, name ? name : cmat_buf_str(&text));
    cmat_buf_puts(w->out, " ORDER BY ordinal_position");
    cmat_buf_clear(&text);
    return true;
}

void db_habits_rewrite(const char *sql, const db_schema *s, cmat_buf *out)
{
    rewriting w = {.s = s, .out = out};
    const db_token end = {DB_TOKEN_END, "", 0};
    db_token t;
    do {
        t = db_lex_next(&sql, true);
        w.items = cmat_xgrow(w.items, &w.cap, w.n + 6, sizeof *w.items);
        w.items[w.n++] = t;
    } while (t.type != DB_TOKEN_END && t.type != DB_TOKEN_BAD);
    for (size_t i = 0; i < 4; i++) /* looking ahead stays inside */
        w.items[w.n + i] = end;
    bool setting = false, ignore = false;
    if (!put_show(&w)) {
        for (size_t i = 0; i < w.n && w.items[i].type != DB_TOKEN_END; i++) {
            const db_token *k = &w.items[i];
            if (i == 1 && db_token_is(k, "IGNORE")) {
                ignore = db_token_is(&w.items[0], "INSERT");
                continue;
            }
            if (db_token_is(k, ";"))
                continue;
            setting = (setting || db_token_is(k, "SET")) && !db_token_is(k, "WHERE");
            put_token(&w, &i, setting);
        }
        if (ignore)
            put(&w, "ON CONFLICT DO NOTHING");
    }
    free(w.items);
}
