/* env/db/sqlite.c - one episode's connection: runs an agent's statements on the shared image until
 * the first write, then on a private copy. */
#include "env/db/sqlite.h"
#include "core/mem.h"
#include "env/db/conn.h"
#include "env/db/lex.h"
#include "env/db/mysql.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const size_t copy_growth = (size_t)64 << 20; /* a private copy may grow by this much */

static void disconnect(db_conn *c)
{
    sqlite3_close(c->db);
    c->db = NULL;
    if (c->tmp)
        unlink(c->tmp);
    free(c->tmp);
    c->tmp = NULL;
}

static cmat_status connect_to(db_conn *c, bool private_copy, cmat_error *err)
{
    disconnect(c);
    cmat_status st = db_image_attach(c->image, private_copy, copy_growth, &c->db, &c->tmp, err);
    if (st == CMAT_OK)
        st = db_guard(c, err);
    if (st == CMAT_OK && c->o.mysql)
        st = db_mysql_register(c->db, err);
    c->private_copy = private_copy;
    if (st != CMAT_OK)
        disconnect(c);
    return st;
}

cmat_status db_conn_open(db_conn **out, db_image *im, const db_conn_options *opts, cmat_error *err)
{
    db_conn *c = cmat_xcalloc(1, sizeof *c);
    c->o = opts ? *opts : (db_conn_options){0};
    if (c->o.timeout <= 0)
        c->o.timeout = 5;
    if (c->o.max_rows == 0)
        c->o.max_rows = 1000;
    if (c->o.max_bytes == 0)
        c->o.max_bytes = (size_t)1 << 20;
    c->image = db_image_ref(im);
    cmat_status st = connect_to(c, false, err);
    if (st != CMAT_OK) {
        db_conn_close(c);
        c = NULL;
    }
    *out = c;
    return st;
}

void db_conn_close(db_conn *c)
{
    if (!c)
        return;
    disconnect(c);
    db_image_unref(c->image);
    while (c->n_touched)
        free(c->touched[--c->n_touched]);
    while (c->n_pending)
        free(c->pending[--c->n_pending]);
    free(c->touched);
    free(c->pending);
    free(c);
}

bool db_conn_written(const db_conn *c)
{
    return c->written;
}

sqlite3 *db_conn_handle(db_conn *c)
{
    return c->db;
}

void db_result_clear(db_result *r)
{
    free(r->rows);
    cmat_arena_clear(&r->arena);
    memset(r, 0, sizeof *r);
}

/* The statement's first word, upper case; of WITH ... the verb that follows is found by SQLite. */
static void first_word(const char *sql, bool mysql, char head[16])
{
    db_token t = db_lex_next(&sql, mysql);
    while (db_token_is(&t, "("))
        t = db_lex_next(&sql, mysql);
    size_t n = t.type == DB_TOKEN_NAME && t.n < 16 ? t.n : 0;
    for (size_t i = 0; i < n; i++)
        head[i] = (char)toupper((unsigned char)t.s[i]);
    head[n] = 0;
}

static void one_line(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20)
            *s = ' ';
}

static void fail_with(db_result *r, const char *msg)
{
    r->ok = false;
    sqlite3_snprintf(sizeof r->error, r->error, "%s", msg);
    one_line(r->error);
}

/* Why the connection's last call failed, in the words of SQLite or MySQL. */
static void take_error(db_conn *c, const char *sql, db_result *r)
{
    r->timeout = c->out_of_time;
    if (!c->denied[0] && !c->out_of_time && !c->out_of_memory)
        sqlite3_snprintf(sizeof r->sqlite_error, r->sqlite_error, "%s", sqlite3_errmsg(c->db));
    if (c->denied[0]) {
        r->denied = true;
        fail_with(r, c->denied);
    } else if (c->out_of_time) {
        sqlite3_snprintf(sizeof r->error, r->error,
                         "stopped after %.1f seconds: the statement takes too long", c->o.timeout);
    } else if (c->out_of_memory) {
        fail_with(r, "stopped: the statement needs too much memory");
    } else if (c->o.mysql) {
        cmat_buf b = {0};
        int at = sqlite3_error_offset(c->db);
        const char *near = at >= 0 && (size_t)at < strlen(sql) ? sql + at : "";
        db_mysql_error(sqlite3_errmsg(c->db), near, &b);
        fail_with(r, cmat_buf_str(&b));
        cmat_buf_clear(&b);
    } else {
        fail_with(r, sqlite3_errmsg(c->db));
    }
}

static size_t take_value(db_result *r, sqlite3_stmt *st, int i, db_value *v)
{
    *v = (db_value){.type = DB_VALUE_NULL};
    switch (sqlite3_column_type(st, i)) {
    case SQLITE_INTEGER:
        v->type = DB_VALUE_INT;
        v->i = sqlite3_column_int64(st, i);
        return 20;
    case SQLITE_FLOAT:
        v->type = DB_VALUE_REAL;
        v->d = sqlite3_column_double(st, i);
        return 20;
    case SQLITE_TEXT:
    case SQLITE_BLOB: {
        v->type = sqlite3_column_type(st, i) == SQLITE_BLOB ? DB_VALUE_BLOB : DB_VALUE_TEXT;
        const void *p =
            v->type == DB_VALUE_BLOB ? sqlite3_column_blob(st, i) : sqlite3_column_text(st, i);
        v->len = (size_t)sqlite3_column_bytes(st, i);
        v->text = cmat_arena_strndup(&r->arena, p ? p : "", p ? v->len : 0);
        return v->len + 4;
    }
    default:
        return 4;
    }
}

static void take_columns(db_result *r, sqlite3_stmt *st)
{
    r->n_columns = sqlite3_column_count(st);
    r->columns = cmat_arena_alloc(&r->arena, ((size_t)r->n_columns + 1) * sizeof *r->columns);
    for (int i = 0; i < r->n_columns; i++)
        r->columns[i] = cmat_arena_strdup(&r->arena, sqlite3_column_name(st, i));
}

/* Steps to the end, or for a query to the cap. Returns SQLite's code. */
static int take_rows(db_conn *c, sqlite3_stmt *st, db_result *r)
{
    size_t bytes = 0;
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (r->n_rows >= c->o.max_rows || bytes >= c->o.max_bytes) {
            r->more = true;
            if (!r->writes)
                return SQLITE_DONE;
            continue;
        }
        size_t n = (size_t)r->n_columns;
        r->rows = cmat_xgrow(r->rows, &r->cap_rows, (r->n_rows + 1) * n + 1, sizeof *r->rows);
        for (size_t i = 0; i < n; i++)
            bytes += take_value(r, st, (int)i, &r->rows[r->n_rows * n + i]);
        r->n_rows++;
    }
    return rc;
}

static void keep_touched(db_conn *c)
{
    for (size_t i = 0; i < c->n_pending; i++) {
        bool known = false;
        for (size_t j = 0; j < c->n_touched && !known; j++)
            known = !strcasecmp(c->touched[j], c->pending[i]);
        if (known)
            continue;
        c->touched = cmat_xgrow(c->touched, &c->cap_touched, c->n_touched + 1, sizeof *c->touched);
        c->touched[c->n_touched++] = cmat_xstrdup(c->pending[i]);
    }
    c->ddl |= c->ddl_pending;
}

/* Compiles the statement under the guard; NULL with r->error set when it is wrong. */
static sqlite3_stmt *compile(db_conn *c, const char *sql, db_result *r)
{
    sqlite3_stmt *st = NULL;
    db_guard_begin(c);
    if (sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK) {
        take_error(c, sql, r);
        sqlite3_finalize(st);
        st = NULL;
    } else if (!st) {
        fail_with(r, "the statement is empty");
    }
    /* Loading a virtual table declares its columns, which looks like DDL to the authorizer. */
    c->ddl_pending &=
        !strcmp(r->head, "CREATE") || !strcmp(r->head, "DROP") || !strcmp(r->head, "ALTER");
    return st;
}

/* What a user of SQLite or MySQL would call one statement, checked before SQLite sees it. */
static bool acceptable(db_conn *c, const char *sql, db_result *r)
{
    first_word(sql, c->o.mysql, r->head);
    if (strlen(sql) > 100000)
        fail_with(r, "the statement is too long");
    else if (!db_lex_one_statement(sql, c->o.mysql))
        fail_with(r, "one statement at a time");
    else if (!strcmp(r->head, "VACUUM") || !strcmp(r->head, "ATTACH")) {
        r->denied = true;
        sqlite3_snprintf(sizeof r->error, r->error, "not allowed here: %s", r->head);
    } else
        return true;
    return false;
}

static cmat_status run(db_conn *c, const char *sql, bool keep, db_result *r, cmat_error *err)
{
    sqlite3_stmt *st = compile(c, sql, r);
    cmat_status status = CMAT_OK;
    if (st && !sqlite3_stmt_readonly(st) && !c->private_copy) {
        sqlite3_finalize(st);
        db_guard_end(c);
        if ((status = connect_to(c, true, err)) != CMAT_OK)
            return status;
        st = compile(c, sql, r);
    }
    if (!st)
        goto done;
    r->writes = !sqlite3_stmt_readonly(st);
    r->ddl = c->ddl_pending;
    if (!keep && r->writes) {
        c->guarded = false;
        sqlite3_exec(c->db, "SAVEPOINT cmat_try", NULL, NULL, NULL);
    }
    take_columns(r, st);
    sqlite3_int64 before = sqlite3_total_changes64(c->db);
    int rc = take_rows(c, st, r);
    r->ok = rc == SQLITE_DONE;
    if (!r->ok)
        take_error(c, sql, r);
    else if (r->writes && !r->ddl && sqlite3_total_changes64(c->db) != before)
        r->changed = sqlite3_changes64(c->db);
    sqlite3_finalize(st);
    if (r->writes && keep) {
        keep_touched(c);
        c->written = true;
    }
done:
    db_guard_end(c);
    if (!keep && !sqlite3_get_autocommit(c->db))
        sqlite3_exec(c->db, "ROLLBACK TO cmat_try; RELEASE cmat_try", NULL, NULL, NULL);
    if (!sqlite3_get_autocommit(c->db))
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static cmat_status run_text(db_conn *c, const char *sql, bool keep, db_result *r, cmat_error *err)
{
    cmat_buf b = {0};
    memset(r, 0, sizeof *r);
    if (!acceptable(c, sql, r))
        return CMAT_OK;
    if (c->o.mysql)
        db_mysql_rewrite(sql, &b);
    cmat_status st = run(c, c->o.mysql ? cmat_buf_str(&b) : sql, keep, r, err);
    cmat_buf_clear(&b);
    return st;
}

cmat_status db_conn_run(db_conn *c, const char *sql, db_result *r, cmat_error *err)
{
    return run_text(c, sql, true, r, err);
}

cmat_status db_conn_try(db_conn *c, const char *sql, db_result *r, cmat_error *err)
{
    return run_text(c, sql, false, r, err);
}

bool db_conn_plan(db_conn *c, const char *sql, cmat_buf *out)
{
    cmat_buf b = {0};
    db_result r = {0};
    cmat_buf_puts(&b, "EXPLAIN QUERY PLAN ");
    if (c->o.mysql)
        db_mysql_rewrite(sql, &b);
    else
        cmat_buf_puts(&b, sql);
    sqlite3_stmt *st = compile(c, b.data, &r);
    bool first = true;
    while (st && sqlite3_step(st) == SQLITE_ROW) {
        cmat_buf_printf(out, "%s%s", first ? "" : "; ", (const char *)sqlite3_column_text(st, 3));
        first = false;
    }
    bool ok = st != NULL;
    sqlite3_finalize(st);
    db_guard_end(c);
    db_result_clear(&r);
    cmat_buf_clear(&b);
    return ok;
}
