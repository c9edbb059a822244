/* env/db/score.c - was the episode right, and if not, in what way was it wrong?
 *
 * Benchmark tasks (mysql) are judged exactly as AgentBench v0.2 does; tasks on our own worlds by
 * value: the rows of the answer against the rows that the gold statement gives, or the tables
 * afterwards. */
#include "core/json.h"
#include "core/mem.h"
#include "env/db/env.h"
#include "env/db/lex.h"
#include "env/db/render.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- AgentBench's comparison ---- */

/* Python's float(): blanks around, "1e5", "inf", "nan" and "1_000", but no hexadecimal. */
static bool python_float(const json_t *v, double *d)
{
    if (json_is_number(v)) {
        *d = json_number_value(v);
        return true;
    }
    if (!json_is_string(v))
        return false;
    char buf[64] = "";
    size_t n = 0;
    const char *s = json_string_value(v);
    while (isspace((unsigned char)*s))
        s++;
    for (; *s && n + 1 < sizeof buf; s++)
        if (!(*s == '_' && n && isdigit((unsigned char)s[1]) && isdigit((unsigned char)buf[n - 1])))
            buf[n++] = *s;
    while (n && isspace((unsigned char)buf[n - 1]))
        n--;
    buf[n] = 0;
    char *end;
    if (!n || strpbrk(buf, "xX(") || *s)
        return false;
    *d = strtod(buf, &end);
    return *end == 0;
}

/* == of Python: numbers by value, all else by kind and value. */
static bool python_equal(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    return json_equal(a, b) != 0;
}

static bool contains(const json_t *list, const json_t *v)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (python_equal(json_array_get(list, i), v))
            return true;
    return false;
}

static bool subset(const json_t *a, const json_t *b)
{
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!contains(b, json_array_get(a, i)))
            return false;
    return true;
}

static bool v02_equal(const json_t *a, const json_t *b)
{
    double x, y;
    if (json_array_size(a) == 1 && json_array_size(b) == 1) {
        const json_t *p = json_array_get(a, 0), *q = json_array_get(b, 0);
        if (python_float(p, &x) && python_float(q, &y))
            return x == y;
        return python_equal(p, q);
    }
    return subset(a, b) && subset(b, a);
}

/* The later version cleans both sides: no percent signs, no thousands' commas, nothing as 0. */
static json_t *clean(const json_t *v)
{
    static const char *const nothing[] = {"none", "null", "nan", "inf", "undefined", "", NULL};
    cmat_buf b = {0};
    if (json_is_string(v))
        cmat_buf_puts(&b, json_string_value(v));
    else if (json_is_integer(v))
        cmat_buf_printf(&b, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v))
        db_python_float(json_real_value(v), &b);
    else if (v && !json_is_null(v))
        cmat_json_print(&b, v);
    cmat_buf_putc(&b, '\0');
    char *s = b.data;
    while (isspace((unsigned char)*s))
        s++;
    for (size_t end = strlen(s); end && isspace((unsigned char)s[end - 1]); end--)
        s[end - 1] = 0;
    for (size_t i = 0; nothing[i]; i++)
        if (!strcasecmp(s, nothing[i]))
            s = strcpy(s, "");
    size_t n = strlen(s);
    if (n && s[n - 1] == '%')
        s[n - 1] = 0;
    char *to = s;
    for (const char *p = s; *p; p++) /* 1,234 */
        if (!(*p == ',' && p > s && isdigit((unsigned char)p[-1]) && isdigit((unsigned char)p[1]) &&
              isdigit((unsigned char)p[2]) && isdigit((unsigned char)p[3])))
            *to++ = *p;
    *to = 0;
    json_t *out = json_string(*s ? s : "0");
    cmat_buf_clear(&b);
    return out;
}

static json_t *clean_list(const json_t *list)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++)
        json_array_append_new(out, clean(json_array_get(list, i)));
    return out;
}

/* All numbers: every one of a has a partner in b within 0.01, each used once. */
static bool float_multisets(json_t *a, json_t *b, bool *all_numbers)
{
    double x, y;
    size_t n = json_array_size(a);
    *all_numbers = true;
    for (size_t i = 0; i < n; i++)
        *all_numbers &= python_float(json_array_get(a, i), &x);
    for (size_t i = 0; i < json_array_size(b); i++)
        *all_numbers &= python_float(json_array_get(b, i), &x);
    if (!*all_numbers || n != json_array_size(b))
        return false;
    bool *used = cmat_xcalloc(n + 1, sizeof *used), all = true;
    for (size_t i = 0; i < n && all; i++) {
        python_float(json_array_get(a, i), &x);
        all = false;
        for (size_t j = 0; j < n && !all; j++)
            if (!used[j] && python_float(json_array_get(b, j), &y) && fabs(x - y) <= 1e-2)
                all = used[j] = true;
    }
    free(used);
    return all;
}

static bool fc_equal(const json_t *a, const json_t *b)
{
    json_t *x = clean_list(a), *y = clean_list(b);
    bool numbers, same = float_multisets(x, y, &numbers);
    if (!numbers)
        same = subset(x, y) && subset(y, x);
    json_decref(x);
    json_decref(y);
    return same;
}

bool db_answers_equal(const json_t *answer, const json_t *label, bool lenient)
{
    if (!json_is_array(answer) || !json_is_array(label))
        return false;
    return lenient ? fc_equal(answer, label) : v02_equal(answer, label);
}

/* ---- ours ---- */

/* A cell in one spelling: numbers by value to 9 digits, so that 5, 5.0 and "5" are one. */
static void cell_key(const json_t *v, cmat_buf *out)
{
    double d;
    if (json_is_null(v))
        cmat_buf_puts(out, "NULL");
    else if (python_float(v, &d) && isfinite(d))
        cmat_buf_printf(out, "%.9g", d == 0 ? 0 : d);
    else if (json_is_string(v))
        cmat_buf_puts(out, json_string_value(v));
    else if (json_is_boolean(v))
        cmat_buf_puts(out, json_is_true(v) ? "1" : "0");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Strings sorted and joined by sep into one; frees them. */
static char *sorted_join(char **items, size_t n, char sep, bool unique)
{
    cmat_buf b = {0};
    if (n)
        qsort(items, n, sizeof *items, by_name);
    for (size_t i = 0; i < n; i++)
        if (!unique || i == 0 || strcmp(items[i], items[i - 1]) != 0) {
            cmat_buf_puts(&b, items[i]);
            cmat_buf_putc(&b, sep);
        }
    for (size_t i = 0; i < n; i++)
        free(items[i]);
    free(items);
    return b.data ? cmat_buf_detach(&b) : cmat_xstrdup("");
}

static char *row_key(const json_t *row)
{
    size_t n = json_is_array(row) ? json_array_size(row) : 1;
    char **cells = cmat_xcalloc(n + 1, sizeof *cells);
    for (size_t i = 0; i < n; i++) {
        cmat_buf b = {0};
        cell_key(json_is_array(row) ? json_array_get(row, i) : row, &b);
        cells[i] = b.data ? cmat_buf_detach(&b) : cmat_xstrdup("");
    }
    return sorted_join(cells, n, '\x1f', false);
}

static char *rows_key(const json_t *rows)
{
    size_t n = json_array_size(rows);
    char **keys = cmat_xcalloc(n + 1, sizeof *keys);
    for (size_t i = 0; i < n; i++)
        keys[i] = row_key(json_array_get(rows, i));
    return sorted_join(keys, n, '\x1e', true);
}

/* [["a", 1], ["b", 2]] as ["a", 1, "b", 2]. */
static json_t *flat(const json_t *rows)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        if (json_is_array(row))
            json_array_extend(out, row);
        else
            json_array_append(out, row);
    }
    return out;
}

static bool keys_equal(const json_t *a, const json_t *b)
{
    char *x = rows_key(a), *y = rows_key(b);
    bool same = !strcmp(x, y);
    free(x);
    free(y);
    return same;
}

bool db_rows_equal(const json_t *answer, const json_t *gold)
{
    if (!json_is_array(answer) || !json_is_array(gold))
        return false;
    if (keys_equal(answer, gold))
        return true;
    /* A literal answer may list the cells of several columns one after another. */
    if (!json_is_array(json_array_get(gold, 0)) || json_is_array(json_array_get(answer, 0)))
        return false;
    json_t *f = flat(gold);
    bool same = json_array_size(f) == json_array_size(answer) && keys_equal(answer, f);
    json_decref(f);
    return same;
}

/* ---- scoring ---- */

cmat_status db_env_run_gold(db_env *e, db_conn **conn, db_result *r, cmat_error *err)
{
    db_conn_options o = {.timeout = 30,
                         .max_rows = 100000,
                         .max_bytes = (size_t)64 << 20,
                         .mysql = e->benchmark,
                         .max_columns = e->world->schema.max_columns};
    size_t n = db_env_n_gold(e);
    cmat_status st = n ? db_world_connect(e->world, conn, &o, err)
                       : cmat_fail(err, CMAT_ERR_FORMAT, "db: task %s has neither answer nor gold",
                                   cmat_json_str(e->task, "id", "?"));
    for (size_t i = 0; st == CMAT_OK && i < n; i++) {
        const char *sql = db_env_gold(e, i);
        db_result_clear(r);
        st = db_conn_run(*conn, sql ? sql : "", r, err);
        if (st == CMAT_OK && !r->ok)
            st = cmat_fail(err, CMAT_ERR_FORMAT, "db: task %s: gold statement %zu: %s",
                           cmat_json_str(e->task, "id", "?"), i + 1, r->error);
    }
    return st;
}

static cmat_status score_write(db_env *e, double *score, cmat_error *err)
{
    db_conn *gold = NULL;
    db_result r = {0};
    char ours[33], theirs[33];
    cmat_status st = db_env_run_gold(e, &gold, &r, err);
    if (st == CMAT_OK)
        st = db_conn_hash(e->conn, e->conn, gold, ours, err);
    if (st == CMAT_OK)
        st = db_conn_hash(gold, e->conn, gold, theirs, err);
    if (st == CMAT_OK)
        *score = !strcmp(ours, theirs);
    db_result_clear(&r);
    db_conn_close(gold);
    return st;
}

/* answer_md5 is the text "[('<md5>',)]". */
static cmat_status score_md5(db_env *e, const char *label, double *score, cmat_error *err)
{
    char hex[33];
    cmat_buf b = {0};
    const json_t *table = json_is_array(e->table) ? json_array_get(e->table, 0) : e->table;
    cmat_status st = db_conn_mysql_md5(e->conn, cmat_json_str(table, "table_name", ""), hex, err);
    if (st !=
        CMAT_OK) { /* the agent dropped or renamed the table: wrong, as the hash query would fail */
        *score = 0;
        return CMAT_OK;
    }
    cmat_buf_printf(&b, "[('%s',)]", hex);
    *score = !strcmp(b.data, label);
    cmat_buf_clear(&b);
    return CMAT_OK;
}

static cmat_status score_select(db_env *e, double *score, cmat_error *err)
{
    const json_t *label = json_object_get(e->task, "answer");
    db_result r = {0};
    db_conn *c = NULL;
    cmat_status st = CMAT_OK;
    if (!e->answered)
        return CMAT_OK;
    if (e->benchmark && json_is_array(label)) {
        *score = db_answers_equal(e->answer, label, false);
        return CMAT_OK;
    }
    if (json_is_array(label)) {
        *score = db_rows_equal(e->answer, label);
        return CMAT_OK;
    }
    if ((st = db_env_run_gold(e, &c, &r, err)) == CMAT_OK) {
        json_t *gold = db_result_answer(&r);
        *score = db_rows_equal(e->answer, gold);
        json_decref(gold);
    }
    db_result_clear(&r);
    db_conn_close(c);
    return st;
}

cmat_status db_env_score(cmat_env *env, double *score, cmat_error *err)
{
    db_env *e = (db_env *)env;
    *score = 0;
    if (!e->task)
        return cmat_fail(err, CMAT_ERR_STATE, "db: no task has been set");
    const char *md5 = cmat_json_str(e->task, "answer_md5", NULL);
    if (e->write_task && md5 && e->inline_world)
        return score_md5(e, md5, score, err);
    return e->write_task ? score_write(e, score, err) : score_select(e, score, err);
}

/* ---- what went wrong ---- */

static bool is_change(const char *sql, bool mysql)
{
    static const char *const verbs[] = {"INSERT", "UPDATE", "DELETE", "REPLACE",
                                        "CREATE", "DROP",   "ALTER",  NULL};
    db_token t = db_lex_next(&sql, mysql);
    for (size_t i = 0; verbs[i]; i++)
        if (db_token_is(&t, verbs[i]))
            return true;
    return false;
}

/* The names (columns, tables) or else the literals of a statement, folded, sorted, joined. */
static char *tokens_key(const char *sql, bool mysql, bool literals)
{
    char **items = NULL;
    size_t n = 0, cap = 0;
    db_token t;
    while ((t = db_lex_next(&sql, mysql)).type != DB_TOKEN_END && t.type != DB_TOKEN_BAD) {
        bool literal = t.type == DB_TOKEN_STRING || t.type == DB_TOKEN_NUMBER;
        bool name = t.type == DB_TOKEN_QUOTED ||
                    (t.type == DB_TOKEN_NAME && !sqlite3_keyword_check(t.s, (int)t.n));
        if (literals ? !literal : !name)
            continue;
        cmat_buf text = {0}, folded = {0};
        db_token_text(&t, mysql, &text);
        db_fold(&folded, cmat_buf_str(&text), text.len);
        items = cmat_xgrow(items, &cap, n + 1, sizeof *items);
        items[n++] = folded.data ? cmat_buf_detach(&folded) : cmat_xstrdup("");
        cmat_buf_clear(&text);
    }
    return sorted_join(items, n, '\x1f', true);
}

static bool same_tokens(const char *a, const char *b, bool mysql, bool literals)
{
    char *x = tokens_key(a, mysql, literals), *y = tokens_key(b, mysql, literals);
    bool same = !strcmp(x, y);
    free(x);
    free(y);
    return same;
}

const char *db_env_error_kind(cmat_env *env)
{
    db_env *e = (db_env *)env;
    double score;
    if (!e->task || (db_env_score(env, &score, NULL) == CMAT_OK && score >= 1))
        return NULL;
    const char *mine = cmat_buf_str(&e->last_sql), *gold = db_env_gold(e, 0);
    size_t n_gold = db_env_n_gold(e);
    if (n_gold)
        gold = db_env_gold(e, n_gold - 1);
    if (e->n_statements == 0 && e->bare_ok)
        return "bare OK";
    if (e->n_statements > 0 && is_change(mine, e->mysql) != e->write_task &&
        (e->write_task || is_change(mine, e->mysql)))
        return "misread request";
    if (e->n_statements == 0)
        return e->write_task ? "misread request" : "no analysis before action";
    if (gold) {
        if (!same_tokens(mine, gold, e->mysql, false))
            return "wrong column";
        if (!same_tokens(mine, gold, e->mysql, true))
            return "wrong value";
    }
    return !e->looked && !e->thought ? "no analysis before action" : "other";
}
