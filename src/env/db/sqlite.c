/* env/db/sqlite.c - one episode's connection: runs an agent's statements on the shared image until
 * the first write, then on a private copy. */
#include "env/db/sqlite.h"
#include "core/mem.h"
#include "env/db/conn.h"
#include "env/db/lex.h"
#include "env/db/mysql.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const size_t copy_growth = (size_t)64 << 20; /* a private copy may grow by this much */

static void disconnect(db_lite *c)
{
    sqlite3_close(c->db);
    c->db = NULL;
    if (c->tmp)
        unlink(c->tmp);
    free(c->tmp);
    c->tmp = NULL;
}

static cmat_status connect_to(db_lite *c, bool private_copy, cmat_error *err)
{
    disconnect(c);
    cmat_status st = db_image_attach(c->image, private_copy, copy_growth, &c->db, &c->tmp, err);
    if (st == CMAT_OK)
        st = db_guard(c, err);
    if (st == CMAT_OK && c->base.o.mysql)
        st = db_mysql_register(c->db, err);
    c->private_copy = private_copy;
    if (st != CMAT_OK)
        disconnect(c);
    return st;
}

/* The name in "no such column: t.x" without its table and quotes. */
static bool missing_name(db_result *r, const char *msg, const char *prefix, db_wrong wrong)
{
    const char *p = strstr(msg, prefix);
    if (!p)
        return false;
    p += strlen(prefix);
    const char *dot = strrchr(p, '.');
    if (dot && dot[1] && !strchr(p, ' '))
        p = dot + 1;
    size_t n = strlen(p);
    if (n > 1 && (*p == '"' || *p == '`')) {
        p++;
        n -= 2;
    }
    r->wrong = wrong;
    sqlite3_snprintf(sizeof r->name, r->name, "%.*s", (int)n, p);
    return true;
}

static void classify(db_result *r, const char *msg)
{
    if (missing_name(r, msg, "no such table: ", DB_WRONG_TABLE) ||
        missing_name(r, msg, "no such column: ", DB_WRONG_COLUMN) ||
        missing_name(r, msg, " has no column named ", DB_WRONG_COLUMN))
        return;
    if (strstr(msg, "syntax error") || strstr(msg, "incomplete input") ||
        strstr(msg, "unrecognized token"))
        r->wrong = DB_WRONG_SYNTAX;
}

/* Why the connection's last call failed, in the words of SQLite or MySQL. */
static void take_error(db_lite *c, const char *sql, db_result *r)
{
    r->timeout = c->out_of_time;
    if (!c->denied[0] && !c->out_of_time && !c->out_of_memory)
        classify(r, sqlite3_errmsg(c->db));
    if (c->denied[0]) {
        r->denied = true;
        db_result_fail(r, c->denied);
    } else if (c->out_of_time) {
        sqlite3_snprintf(sizeof r->error, r->error,
                         "stopped after %.1f seconds: the statement takes too long",
                         c->base.o.timeout);
    } else if (c->out_of_memory) {
        db_result_fail(r, "stopped: the statement needs too much memory");
    } else if (c->base.o.mysql) {
        cmat_buf b = {0};
        int at = sqlite3_error_offset(c->db);
        const char *near = at >= 0 && (size_t)at < strlen(sql) ? sql + at : "";
        db_mysql_error(sqlite3_errmsg(c->db), near, &b);
        db_result_fail(r, cmat_buf_str(&b));
        cmat_buf_clear(&b);
    } else {
        db_result_fail(r, sqlite3_errmsg(c->db));
    }
}

/* The value in place: its text is the statement's, until the next step. */
static void view_value(sqlite3_stmt *st, int i, db_value *v)
{
    *v = (db_value){.type = DB_VALUE_NULL};
    switch (sqlite3_column_type(st, i)) {
    case SQLITE_INTEGER:
        v->type = DB_VALUE_INT;
        v->i = sqlite3_column_int64(st, i);
        break;
    case SQLITE_FLOAT:
        v->type = DB_VALUE_REAL;
        v->d = sqlite3_column_double(st, i);
        break;
    case SQLITE_TEXT:
        v->type = DB_VALUE_TEXT;
        v->text = (const char *)sqlite3_column_text(st, i);
        v->len = (size_t)sqlite3_column_bytes(st, i);
        break;
    case SQLITE_BLOB:
        v->type = DB_VALUE_BLOB;
        v->text = sqlite3_column_blob(st, i);
        v->len = (size_t)sqlite3_column_bytes(st, i);
        break;
    default:
        break;
    }
}

/* A copy of it in the result; its size, about. */
static size_t take_value(db_result *r, sqlite3_stmt *st, int i, db_value *v)
{
    view_value(st, i, v);
    if (v->type != DB_VALUE_TEXT && v->type != DB_VALUE_BLOB)
        return v->type == DB_VALUE_NULL ? 4 : 20;
    v->text = cmat_arena_strndup(&r->arena, v->text ? v->text : "", v->text ? v->len : 0);
    return v->len + 4;
}

static void take_columns(db_result *r, sqlite3_stmt *st)
{
    r->n_columns = sqlite3_column_count(st);
    r->columns = cmat_arena_alloc(&r->arena, ((size_t)r->n_columns + 1) * sizeof *r->columns);
    for (int i = 0; i < r->n_columns; i++)
        r->columns[i] = cmat_arena_strdup(&r->arena, sqlite3_column_name(st, i));
}

/* Steps to the end, or for a query to the cap. Returns SQLite's code. */
static int take_rows(db_lite *c, sqlite3_stmt *st, db_result *r)
{
    size_t bytes = 0;
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        if (r->n_rows >= c->base.o.max_rows || bytes >= c->base.o.max_bytes) {
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

static void keep_touched(db_lite *c)
{
    for (size_t i = 0; i < c->n_pending; i++)
        db_conn_touch(&c->base, c->pending[i]);
    c->base.ddl |= c->ddl_pending;
}

/* Compiles the statement under the guard; NULL with r->error set when it is wrong. */
static sqlite3_stmt *compile(db_lite *c, const char *sql, db_result *r)
{
    sqlite3_stmt *st = NULL;
    db_guard_begin(c);
    if (sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK) {
        take_error(c, sql, r);
        sqlite3_finalize(st);
        st = NULL;
    } else if (!st) {
        db_result_fail(r, "the statement is empty");
    }
    /* Loading a virtual table declares its columns, which looks like DDL to the authorizer. */
    c->ddl_pending &=
        !strcmp(r->head, "CREATE") || !strcmp(r->head, "DROP") || !strcmp(r->head, "ALTER");
    return st;
}

/* What a user of SQLite or MySQL would call one statement, checked before SQLite sees it. */
static bool acceptable(db_lite *c, const char *sql, db_result *r)
{
    db_first_word(sql, c->base.o.mysql, r->head);
    if (strlen(sql) > 100000)
        db_result_fail(r, "the statement is too long");
    else if (!db_lex_one_statement(sql, c->base.o.mysql))
        db_result_fail(r, "one statement at a time");
    else if (!strcmp(r->head, "VACUUM") || !strcmp(r->head, "ATTACH")) {
        r->denied = true;
        sqlite3_snprintf(sizeof r->error, r->error, "not allowed here: %s", r->head);
    } else
        return true;
    return false;
}

static cmat_status run(db_lite *c, const char *sql, bool keep, db_result *r, cmat_error *err)
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
        c->base.written = true;
    }
done:
    db_guard_end(c);
    if (!keep && !sqlite3_get_autocommit(c->db))
        sqlite3_exec(c->db, "ROLLBACK TO cmat_try; RELEASE cmat_try", NULL, NULL, NULL);
    if (!sqlite3_get_autocommit(c->db))
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static cmat_status lite_run(db_conn *base, const char *sql, bool keep, db_result *r,
                            cmat_error *err)
{
    db_lite *c = (db_lite *)base;
    cmat_buf b = {0};
    if (!acceptable(c, sql, r))
        return CMAT_OK;
    if (base->o.mysql)
        db_mysql_rewrite(sql, &b);
    cmat_status st = run(c, base->o.mysql ? cmat_buf_str(&b) : sql, keep, r, err);
    cmat_buf_clear(&b);
    return st;
}

static bool lite_plan(db_conn *base, const char *sql, db_plan *out)
{
    db_lite *c = (db_lite *)base;
    cmat_buf b = {0};
    db_result r = {0};
    cmat_buf_puts(&b, "EXPLAIN QUERY PLAN ");
    if (base->o.mysql)
        db_mysql_rewrite(sql, &b);
    else
        cmat_buf_puts(&b, sql);
    sqlite3_stmt *st = compile(c, b.data, &r);
    while (st && sqlite3_step(st) == SQLITE_ROW)
        cmat_buf_printf(&out->text, "%s%s", out->text.len ? "; " : "",
                        (const char *)sqlite3_column_text(st, 3));
    bool ok = st != NULL;
    sqlite3_finalize(st);
    db_guard_end(c);
    db_result_clear(&r);
    cmat_buf_clear(&b);
    return ok;
}

/* ---- for hashes ---- */

static cmat_status lite_tables(db_conn *base, char ***names, cmat_error *err)
{
    sqlite3 *db = ((db_lite *)base)->db;
    sqlite3_stmt *st = NULL;
    size_t cap = 0, n = 0;
    *names = NULL;
    if (sqlite3_prepare_v2(
            db,
            "SELECT name FROM pragma_table_list WHERE schema = 'main'"
            " AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            " ORDER BY lower(name)",
            -1, &st, NULL) != SQLITE_OK)
        return cmat_fail(err, CMAT_ERR_FORMAT, "db: hash: %s", sqlite3_errmsg(db));
    while (sqlite3_step(st) == SQLITE_ROW) {
        *names = cmat_xgrow(*names, &cap, n + 2, sizeof **names);
        (*names)[n++] = cmat_xstrdup((const char *)sqlite3_column_text(st, 0));
        (*names)[n] = NULL;
    }
    sqlite3_finalize(st);
    return CMAT_OK;
}

static cmat_status lite_scan(db_conn *base, const char *table, db_row_fn *row, void *user,
                             cmat_error *err)
{
    sqlite3 *db = ((db_lite *)base)->db;
    sqlite3_stmt *st = NULL;
    cmat_buf sql = {0};
    cmat_buf_puts(&sql, "SELECT * FROM main.");
    db_name_add(&sql, table, '"');
    int rc = sqlite3_prepare_v2(db, sql.data, -1, &st, NULL), n = sqlite3_column_count(st);
    db_value *v = cmat_xcalloc((size_t)n + 1, sizeof *v);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        for (int i = 0; i < n; i++)
            view_value(st, i, &v[i]);
        row(user, v, n);
    }
    cmat_status status = rc == SQLITE_DONE ? CMAT_OK
                                           : cmat_fail(err, CMAT_ERR_FORMAT, "db: table %s: %s",
                                                       table, sqlite3_errmsg(db));
    free(v);
    sqlite3_finalize(st);
    cmat_buf_clear(&sql);
    return status;
}

static void lite_close(db_conn *base)
{
    db_lite *c = (db_lite *)base;
    disconnect(c);
    db_image_unref(c->image);
    while (c->n_pending)
        free(c->pending[--c->n_pending]);
    free(c->pending);
    db_conn_clear(base);
    free(c);
}

static const db_conn_ops lite_ops = {.name = "SQLite",
                                     .run = lite_run,
                                     .plan = lite_plan,
                                     .tables = lite_tables,
                                     .scan = lite_scan,
                                     .save = db_lite_save,
                                     .load = db_lite_load,
                                     .close = lite_close};

cmat_status db_conn_open(db_conn **out, db_image *im, const db_conn_options *opts, cmat_error *err)
{
    db_lite *c = cmat_xcalloc(1, sizeof *c);
    db_conn_init(&c->base, &lite_ops, opts);
    c->image = db_image_ref(im);
    cmat_status st = connect_to(c, false, err);
    if (st != CMAT_OK) {
        lite_close(&c->base);
        c = NULL;
    }
    *out = c ? &c->base : NULL;
    return st;
}

cmat_status db_lite_replace(db_lite *c, const void *data, size_t len, cmat_error *err)
{
    db_image im = {.data = (unsigned char *)data, .len = len};
    db_lite was = *c;
    c->db = NULL;
    c->tmp = NULL;
    c->image = len ? &im : was.image;
    cmat_status st = connect_to(c, len > 0, err);
    c->image = was.image;
    if (st != CMAT_OK) {
        c->db = was.db;
        c->tmp = was.tmp;
        c->private_copy = was.private_copy;
        return st;
    }
    disconnect(&was);
    return CMAT_OK;
}
