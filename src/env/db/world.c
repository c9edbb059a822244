/* env/db/world.c - what is made once of a database and shared by its episodes. */
#include "core/json.h"
#include "core/mem.h"
#include "env/db/db.h"
#include "env/db/mysql.h"
#include <stdlib.h>
#include <string.h>

/* Reads schema and values of w->image. */
static cmat_status look_into(db_world *w, cmat_error *err)
{
    sqlite3 *db = NULL;
    cmat_status st = db_image_connect(w->image, &db, err);
    if (st == CMAT_OK && w->mysql)
        st = db_mysql_register(db, err);
    if (st == CMAT_OK)
        st = db_schema_read(&w->schema, db, err);
    if (st == CMAT_OK)
        st = db_values_read(&w->values, &w->schema, db, 0, err);
    sqlite3_close(db);
    return st;
}

static db_world *world_new(const char *path, bool mysql)
{
    db_world *w = cmat_xcalloc(1, sizeof *w);
    atomic_init(&w->refs, 1);
    w->path = cmat_xstrdup(path);
    w->mysql = mysql;
    return w;
}

/* The server's tables; a table that was cut holds more values than the index knows. */
static cmat_status read_server(db_world *w, const char *url, cmat_error *err)
{
    db_mirror m = {0};
    cmat_status st = db_server_open(&w->server, url, err);
    if (st == CMAT_OK)
        st = db_mirror_make(&m, w->server, err);
    if (st == CMAT_OK) {
        w->image = db_image_ref(m.image);
        st = look_into(w, err);
    }
    for (size_t i = 0; st == CMAT_OK && i < m.n; i++) {
        const int t = db_schema_find_table(&w->schema, m.tables[i].table);
        if (t < 0)
            continue;
        db_table *table = &w->schema.tables[t];
        table->view = m.tables[i].view;
        if (table->view)
            table->n_rows = -1;
        if (m.tables[i].n_rows < 0)
            continue;
        table->n_rows = m.tables[i].n_rows;
        for (int c = 0; c < table->n_columns; c++)
            w->values.complete[w->values.column_base[t] + c] = false;
    }
    db_mirror_clear(&m);
    return st;
}

cmat_status db_world_open(db_world **out, const char *path, cmat_error *err)
{
    db_world *w = world_new(path, false);
    cmat_status st;
    if (db_is_url(path)) {
        st = read_server(w, path, err);
    } else {
        st = db_image_open(&w->image, path, 0, err);
        if (st == CMAT_OK && (st = look_into(w, err)) != CMAT_OK)
            st = cmat_fail_prefix(err, st, "%s", path);
        if (st == CMAT_OK && w->schema.n_tables == 0)
            st = cmat_fail(err, CMAT_ERR_FORMAT, "db: %s: the database has no tables", path);
    }
    if (st != CMAT_OK) {
        db_world_unref(w);
        w = NULL;
    }
    *out = w;
    return st;
}

cmat_status db_world_connect(const db_world *w, db_conn **out, const db_conn_options *opts,
                             cmat_error *err)
{
    if (w->server)
        return db_server_connect(out, w->server, w->table, &w->schema, opts, err);
    return db_conn_open(out, w->image, opts, err);
}

char db_world_quote(const db_world *w, bool benchmark)
{
    if (benchmark)
        return '`';
    return w->server ? db_server_quote(w->server) : '"';
}

bool db_world_mysql(const db_world *w, bool benchmark)
{
    return benchmark || (w->server && db_server_mysql(w->server));
}

db_flavour db_world_flavour(const db_world *w)
{
    return !w->server                   ? DB_FLAVOUR_SQLITE
           : db_server_mysql(w->server) ? DB_FLAVOUR_MYSQL
                                        : DB_FLAVOUR_POSTGRES;
}

db_world *db_world_ref(db_world *w)
{
    atomic_fetch_add(&w->refs, 1);
    return w;
}

void db_world_unref(db_world *w)
{
    if (!w || atomic_fetch_sub(&w->refs, 1) > 1)
        return;
    db_values_clear(&w->values);
    db_schema_clear(&w->schema);
    db_image_unref(w->image);
    db_server_unref(w->server);
    json_decref(w->table);
    free(w->path);
    free(w);
}

/* ---- a task's own table ---- */

static void create_sql(const char *table, const json_t *columns, bool mysql, cmat_buf *sql)
{
    cmat_buf_puts(sql, "CREATE TABLE ");
    db_quoted_add(sql, table, '"');
    for (size_t i = 0; i < json_array_size(columns); i++) {
        cmat_buf name = {0};
        db_column_name(columns, i, &name);
        cmat_buf_puts(sql, i ? ", " : "(");
        db_quoted_add(sql, cmat_buf_str(&name), '"');
        /* AgentBench makes every column TEXT, whatever type it states. */
        if (mysql) {
            cmat_buf_puts(sql, " TEXT COLLATE mysql_ci");
        } else {
            const char *type = cmat_json_str(json_array_get(columns, i), "type", "TEXT");
            bool safe = strlen(type) < 40 && strspn(type,
                                                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                    "abcdefghijklmnopqrstuvwxyz ") == strlen(type);
            cmat_buf_printf(sql, " %s", safe ? type : "TEXT");
        }
        cmat_buf_clear(&name);
    }
    cmat_buf_puts(sql, ")");
}

static void bind_cell(sqlite3_stmt *st, int i, const json_t *v)
{
    char text[64];
    if (json_is_string(v)) {
        sqlite3_bind_text64(st, i, json_string_value(v), json_string_length(v), SQLITE_TRANSIENT,
                            SQLITE_UTF8);
    } else if (json_is_integer(v)) {
        sqlite3_bind_int64(st, i, json_integer_value(v));
    } else if (json_is_real(v)) {
        sqlite3_bind_double(st, i, json_real_value(v));
    } else if (json_is_boolean(v)) {
        sqlite3_snprintf(sizeof text, text, "%d", json_is_true(v));
        sqlite3_bind_text(st, i, text, -1, SQLITE_TRANSIENT);
    } else {
        sqlite3_bind_null(st, i);
    }
}

static cmat_status fill(sqlite3 *db, const char *table, size_t n_columns, const json_t *rows,
                        cmat_error *err)
{
    cmat_buf sql = {0};
    sqlite3_stmt *st = NULL;
    cmat_buf_puts(&sql, "INSERT INTO ");
    db_quoted_add(&sql, table, '"');
    for (size_t i = 0; i < n_columns; i++)
        cmat_buf_puts(&sql, i ? ", ?" : " VALUES (?");
    cmat_buf_putc(&sql, ')');
    int rc = sqlite3_prepare_v2(db, sql.data, -1, &st, NULL);
    for (size_t r = 0; rc == SQLITE_OK && r < json_array_size(rows); r++) {
        const json_t *row = json_array_get(rows, r);
        for (size_t i = 0; i < n_columns; i++)
            bind_cell(st, (int)i + 1, json_array_get(row, i));
        sqlite3_step(st);
        rc = sqlite3_reset(st);
    }
    cmat_status status = rc == SQLITE_OK ? CMAT_OK
                                         : cmat_fail(err, CMAT_ERR_FORMAT, "db: table %s: %s",
                                                     table, sqlite3_errmsg(db));
    sqlite3_finalize(st);
    cmat_buf_clear(&sql);
    return status;
}

static cmat_status add_table(sqlite3 *db, const json_t *table, bool mysql, cmat_error *err)
{
    const char *name = NULL;
    cmat_status st = cmat_json_need_str(table, "table_name", "db: table", &name, err);
    if (st != CMAT_OK)
        return st;
    const json_t *info = json_object_get(table, "table_info");
    const json_t *columns = json_object_get(info, "columns");
    size_t n = json_array_size(columns);
    if (n == 0 || n > 999)
        return cmat_fail(err, CMAT_ERR_FORMAT, "db: table %s: %zu columns", name, n);
    cmat_buf sql = {0};
    create_sql(name, columns, mysql, &sql);
    if (sqlite3_exec(db, sql.data, NULL, NULL, NULL) != SQLITE_OK)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "db: table %s: %s", name, sqlite3_errmsg(db));
    else
        st = fill(db, name, n, json_object_get(info, "rows"), err);
    cmat_buf_clear(&sql);
    return st;
}

cmat_status db_world_inline(db_world **out, const json_t *table, bool mysql, db_server *server,
                            cmat_error *err)
{
    db_world *w = world_new(NULL, mysql);
    sqlite3 *db = NULL;
    cmat_status st = CMAT_OK;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        st = cmat_fail(err, CMAT_ERR_NOMEM, "db: %s", sqlite3_errmsg(db));
    if (st == CMAT_OK && mysql)
        st = db_mysql_register(db, err);
    sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    if (json_is_array(table)) {
        for (size_t i = 0; st == CMAT_OK && i < json_array_size(table); i++)
            st = add_table(db, json_array_get(table, i), mysql, err);
    } else if (st == CMAT_OK) {
        st = add_table(db, table, mysql, err);
    }
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (st == CMAT_OK)
        st = db_image_take(&w->image, db, err);
    if (st == CMAT_OK)
        st = look_into(w, err);
    if (st == CMAT_OK && server) {
        w->server = db_server_ref(server);
        w->table = json_incref((json_t *)table);
    }
    sqlite3_close(db);
    if (st != CMAT_OK) {
        db_world_unref(w);
        w = NULL;
    }
    *out = w;
    return st;
}
