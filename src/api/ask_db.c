/* ask_db.c - what the agent of a database answered: its statement is run once more, for its rows.
 */
#include "api/ask.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/db/db.h"
#include <stdlib.h>
#include <string.h>

/* The statement of the reply that ended the episode, or NULL; the caller's to free(). */
static char *statement_of(const char *reply)
{
    static const char *const marks[] = {"Final:", "SQL:"};

    for (size_t i = 0; reply && i < 2; i++) {
        const char *s = strstr(reply, marks[i]);
        if (s) {
            s += strlen(marks[i]);
            s += strspn(s, " \n");
            size_t n = strlen(s);
            while (n && strchr(" \n;", s[n - 1]))
                n--;
            return cmat_xstrndup(s, n);
        }
    }
    return NULL;
}

static json_t *value_json(const db_value *v)
{
    switch (v->type) {
    case DB_VALUE_INT:
        return json_integer(v->i);
    case DB_VALUE_REAL:
        return json_real(v->d);
    case DB_VALUE_TEXT:
        return cmat_json_text(v->text, v->len);
    default:
        return json_null();
    }
}

/* A connection for one statement that changes nothing lasting. */
static cmat_status connect_once(const char *path, size_t max_rows, db_world **world, db_conn **conn,
                                cmat_error *err)
{
    db_conn_options co = {.max_rows = max_rows};
    db_image *image = NULL;
    cmat_status st;

    if (db_is_url(path)) {
        st = db_world_open(world, path, err);
        return st == CMAT_OK ? db_world_connect(*world, conn, &co, err) : st;
    }
    st = db_image_open(&image, path, 0, err);
    if (st == CMAT_OK)
        st = db_conn_open(conn, image, &co, err);
    db_image_unref(image);
    return st;
}

/* Runs the statement on a private copy: {"columns": [...], "rows": [[...]], "changed": n} or
 * {"error": "..."}. */
static cmat_status run_statement(const char *path, const char *sql, size_t max_rows, json_t **out,
                                 cmat_error *err)
{
    db_world *world = NULL;
    db_conn *conn = NULL;
    db_result r = {0};
    json_t *columns = json_array(), *rows = json_array();
    cmat_status st = connect_once(path, max_rows, &world, &conn, err);

    if (st == CMAT_OK)
        st = db_conn_run(conn, sql, &r, err);
    for (int c = 0; c < r.n_columns; c++)
        json_array_append_new(columns, cmat_json_text(r.columns[c], strlen(r.columns[c])));
    for (size_t i = 0; i < r.n_rows; i++) {
        json_t *row = json_array();
        for (int c = 0; c < r.n_columns; c++)
            json_array_append_new(row, value_json(&r.rows[i * (size_t)r.n_columns + (size_t)c]));
        json_array_append_new(rows, row);
    }
    *out = json_pack("{s:o, s:o, s:b, s:b, s:I}", "columns", columns, "rows", rows, "more",
                     (int)r.more, "writes", (int)r.writes, "changed", (json_int_t)r.changed);
    if (st == CMAT_OK && !r.ok)
        json_object_set_new(*out, "error", cmat_json_text(r.error, strlen(r.error)));
    db_result_clear(&r);
    db_conn_close(conn);
    db_world_unref(world);
    return st;
}

/* What a person asked for, in a line: one value, a list, or how many rows. */
static void answer_line(const json_t *result, cmat_buf *b)
{
    const json_t *rows = json_object_get(result, "rows");
    size_t n = json_array_size(rows),
           n_columns = json_array_size(json_object_get(result, "columns"));

    if (json_is_true(json_object_get(result, "writes"))) {
        long long changed = (long long)json_integer_value(json_object_get(result, "changed"));
        cmat_buf_printf(b, "%lld row%s would change", changed, changed == 1 ? "" : "s");
        return;
    }
    if (!n) {
        cmat_buf_puts(b, "nothing fits");
        return;
    }
    for (size_t i = 0; i < n && i < 10; i++) {
        if (i)
            cmat_buf_puts(b, "; ");
        for (size_t c = 0; c < n_columns; c++) {
            char *s = cmat_json_plain(json_array_get(json_array_get(rows, i), c));
            cmat_buf_printf(b, "%s%s", c ? ", " : "", s);
            free(s);
        }
    }
    if (n > 10 || json_is_true(json_object_get(result, "more")))
        cmat_buf_puts(b, "; ...");
}

cmat_status cmat_ask_db_result(const cmat_ask_options *o, const char *database, json_t *episode,
                               json_t **out, cmat_error *err)
{
    const json_t *attempt = cmat_ask_last_attempt(episode);
    const char *reply = cmat_json_str(attempt, "reply", NULL);
    char *sql = statement_of(reply);
    json_t *result = NULL;
    cmat_buf checker = {0}, answer = {0};
    cmat_status st = CMAT_OK;

    if (sql)
        st = run_statement(database, sql, (size_t)o->rows, &result, err);
    if (st == CMAT_OK) {
        if (result && !json_object_get(result, "error"))
            answer_line(result, &answer);
        *out = json_pack("{s:s?, s:s?, s:s, s:O?, s:s, s:O}", "sql", sql, "reply", reply, "checker",
                         cmat_ask_checker(attempt, &checker), "result", result, "answer",
                         cmat_buf_str(&answer), "episode", episode);
    }
    cmat_buf_clear(&checker);
    cmat_buf_clear(&answer);
    json_decref(result);
    free(sql);
    return st;
}
