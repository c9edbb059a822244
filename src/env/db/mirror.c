/* env/db/mirror.c - what is read of a server's database, as an SQLite database: tables, keys and
 * (of large tables the first) rows. Schema, index of values and question families then work on it
 * as on a file; statements go to the server. */
#include "core/log.h"
#include "core/mem.h"
#include "env/db/server_impl.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_ROWS = 20000, MAX_TABLES = 500, BATCH = 2000 };
static const size_t max_bytes = (size_t)64 << 20;

/* The columns of columns_sql and keys_sql. */
enum { TABLE, COLUMN, TYPE, NOT_NULL, DEFAULT, PK, GENERATED, VIEW, NUMBERED, ABOUT };
enum { KEY_TABLE, KEY_NAME, KEY_COLUMN, KEY_TO, KEY_TO_COLUMN };

typedef struct {
    db_server *server;
    db_link *link;
    sqlite3 *db;
    db_result columns, keys;
    db_mirror *out;
    size_t bytes;
} mirroring;

void db_mirror_clear(db_mirror *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->tables[i].table);
    free(m->tables);
    db_image_unref(m->image);
    memset(m, 0, sizeof *m);
}

static bool is_one(const db_result *r, size_t row, int column)
{
    const char *s = db_cell(r, row, column);
    return *s && *s != '0' && *s != 'f';
}

/* A type that SQLite can read: letters, digits, blanks, (10,2). enum('a','b') is "enum". A single
 * key that numbers itself is SQLite's own INTEGER PRIMARY KEY, no other column is an "integer". */
static void put_type(const char *type, bool own_key, cmat_buf *out)
{
    size_t n = strspn(type, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _(),");
    const char *width = strstr(type, "int(");
    if (strchr(type, '\'') || width) /* enum('a', 'b'); int(11), which says how wide to print it */
        n = strcspn(type, "(");
    if (own_key)
        cmat_buf_puts(out, "INTEGER");
    else if (!strcasecmp(type, "integer"))
        cmat_buf_puts(out, "int");
    else
        cmat_buf_add(out, type, n);
}

static void put_foreign_keys(mirroring *m, const char *table, cmat_buf *sql)
{
    const db_result *k = &m->keys;
    for (size_t i = 0; i < k->n_rows;) {
        size_t j = i;
        while (j < k->n_rows && !strcmp(db_cell(k, j, KEY_TABLE), db_cell(k, i, KEY_TABLE)) &&
               !strcmp(db_cell(k, j, KEY_NAME), db_cell(k, i, KEY_NAME)))
            j++;
        if (!strcmp(db_cell(k, i, KEY_TABLE), table)) {
            cmat_buf_puts(sql, ", FOREIGN KEY (");
            for (size_t x = i; x < j; x++) {
                cmat_buf_puts(sql, x > i ? ", " : "");
                db_quoted_add(sql, db_cell(k, x, KEY_COLUMN), '"');
            }
            cmat_buf_puts(sql, ") REFERENCES ");
            db_quoted_add(sql, db_cell(k, i, KEY_TO), '"');
            cmat_buf_puts(sql, "(");
            for (size_t x = i; x < j; x++) {
                cmat_buf_puts(sql, x > i ? ", " : "");
                db_quoted_add(sql, db_cell(k, x, KEY_TO_COLUMN), '"');
            }
            cmat_buf_puts(sql, ")");
        }
        i = j;
    }
}

/* The key's columns in their order. */
static int put_primary_key(const db_result *c, size_t from, size_t to, cmat_buf *out)
{
    int n = 0;
    for (bool more = true; more;) {
        more = false;
        for (size_t i = from; i < to; i++)
            if (atoi(db_cell(c, i, PK)) == n + 1) {
                cmat_buf_puts(out, n++ ? ", " : "");
                db_quoted_add(out, db_cell(c, i, COLUMN), '"');
                more = true;
            }
    }
    return n;
}

static cmat_status create(mirroring *m, size_t from, size_t to, cmat_error *err)
{
    const db_result *c = &m->columns;
    cmat_buf sql = {0}, pk = {0};
    const char *table = db_cell(c, from, TABLE);
    const int n_pk = put_primary_key(c, from, to, &pk);
    cmat_buf_puts(&sql, "CREATE TABLE ");
    db_quoted_add(&sql, table, '"');
    for (size_t i = from; i < to; i++) {
        const bool own = n_pk == 1 && is_one(c, i, PK) && is_one(c, i, NUMBERED);
        cmat_buf_puts(&sql, i > from ? ", " : "(");
        db_quoted_add(&sql, db_cell(c, i, COLUMN), '"');
        cmat_buf_putc(&sql, ' ');
        put_type(db_cell(c, i, TYPE), own, &sql);
        if (is_one(c, i, NOT_NULL) && !own)
            cmat_buf_puts(&sql, " NOT NULL");
        if (*db_cell(c, i, DEFAULT) || is_one(c, i, NUMBERED)) {
            cmat_buf_puts(&sql, " DEFAULT "); /* that there is one; its text is the server's */
            db_literal_add(&sql, db_cell(c, i, DEFAULT));
        }
    }
    if (n_pk)
        cmat_buf_printf(&sql, ", PRIMARY KEY (%s)", pk.data);
    put_foreign_keys(m, table, &sql);
    cmat_buf_puts(&sql, ")");
    cmat_status st = CMAT_OK;
    if (sqlite3_exec(m->db, sql.data, NULL, NULL, NULL) != SQLITE_OK)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "db: table %s: %s", table, sqlite3_errmsg(m->db));
    cmat_buf_clear(&sql);
    cmat_buf_clear(&pk);
    return st;
}

static void bind(sqlite3_stmt *st, int i, const db_value *v)
{
    switch (v->type) {
    case DB_VALUE_INT:
        sqlite3_bind_int64(st, i, v->i);
        break;
    case DB_VALUE_REAL:
        sqlite3_bind_double(st, i, v->d);
        break;
    case DB_VALUE_TEXT:
        sqlite3_bind_text64(st, i, v->text, v->len, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case DB_VALUE_BLOB:
        sqlite3_bind_blob64(st, i, v->text, v->len, SQLITE_STATIC);
        break;
    default:
        sqlite3_bind_null(st, i);
    }
}

static cmat_status fill(mirroring *m, const char *table, const db_result *r, cmat_error *err)
{
    sqlite3_stmt *st = NULL;
    cmat_buf sql = {0};
    cmat_buf_puts(&sql, "INSERT INTO ");
    db_quoted_add(&sql, table, '"');
    for (int i = 0; i < r->n_columns; i++)
        cmat_buf_puts(&sql, i ? ", ?" : " VALUES (?");
    cmat_buf_putc(&sql, ')');
    int rc = sqlite3_prepare_v2(m->db, sql.data, -1, &st, NULL);
    for (size_t row = 0; rc == SQLITE_OK && row < r->n_rows; row++) {
        for (int i = 0; i < r->n_columns; i++) {
            const db_value *v = &r->rows[row * (size_t)r->n_columns + (size_t)i];
            bind(st, i + 1, v);
            m->bytes += v->len + 8;
        }
        sqlite3_step(st);
        rc = sqlite3_reset(st);
    }
    cmat_status status = rc == SQLITE_OK ? CMAT_OK
                                         : cmat_fail(err, CMAT_ERR_FORMAT, "db: table %s: %s",
                                                     table, sqlite3_errmsg(m->db));
    sqlite3_finalize(st);
    cmat_buf_clear(&sql);
    return status;
}

/* Of generated columns too: the mirror keeps their values as plain ones. */
static cmat_status copy_rows(mirroring *m, size_t from, size_t to, cmat_error *err)
{
    const db_result *c = &m->columns;
    const char *table = db_cell(c, from, TABLE);
    const char mark = m->server->ops->mysql ? '`' : '"';
    cmat_buf names = {0}, name = {0};
    db_result r = {0};
    for (size_t i = from; i < to; i++) {
        cmat_buf_puts(&names, i > from ? ", " : "");
        db_quoted_add(&names, db_cell(c, i, COLUMN), mark);
    }
    db_quoted_add(&name, table, mark);
    const int limit = m->bytes < max_bytes ? MAX_ROWS : 0;
    cmat_status st = db_link_do(m->link, &r, err, "SELECT %s FROM %s LIMIT %d", names.data,
                                name.data, limit + 1);
    const bool cut = st == CMAT_OK && r.n_rows > (size_t)limit;
    if (cut)
        r.n_rows = (size_t)limit;
    if (st == CMAT_OK)
        st = fill(m, table, &r, err);
    struct db_mirror_cut t = {
        .table = cmat_xstrdup(table), .n_rows = -1, .view = is_one(c, from, VIEW)};
    if (st == CMAT_OK && cut && !t.view) {
        /* How many there are: counted where that is quick, else as the server guesses. */
        t.n_rows = strtoll(db_cell(c, from, ABOUT), NULL, 10);
        db_result_clear(&r);
        if (t.n_rows < 5000000 &&
            db_link_do(m->link, &r, NULL, "SELECT count(*) FROM %s", name.data) == CMAT_OK)
            t.n_rows = r.n_rows ? r.rows[0].i : t.n_rows;
    }
    m->out->tables = cmat_xgrow(m->out->tables, &m->out->cap, m->out->n + 1, sizeof t);
    m->out->tables[m->out->n++] = t;
    db_result_clear(&r);
    cmat_buf_clear(&names);
    cmat_buf_clear(&name);
    return st;
}

static cmat_status copy_all(mirroring *m, cmat_error *err)
{
    const db_result *c = &m->columns;
    cmat_status st = CMAT_OK;
    size_t n = 0;
    for (size_t i = 0; st == CMAT_OK && i < c->n_rows;) {
        size_t j = i;
        while (j < c->n_rows && !strcmp(db_cell(c, j, TABLE), db_cell(c, i, TABLE)))
            j++;
        if (++n > MAX_TABLES)
            return cmat_fail(err, CMAT_ERR_LIMIT, "db: schema: more than %d tables", MAX_TABLES);
        cmat_error why = {0};
        st = create(m, i, j, &why);
        if (st == CMAT_OK)
            st = copy_rows(m, i, j, &why);
        if (st != CMAT_OK && !m->link->lost) {
            /* A view that no longer works, two tables of one name but for case: it is left out. */
            cmat_warn("%s", why.msg);
            st = CMAT_OK;
        } else if (st != CMAT_OK && err) {
            *err = why;
        }
        i = j;
    }
    return st;
}

cmat_status db_mirror_make(db_mirror *out, db_server *s, cmat_error *err)
{
    mirroring m = {.server = s, .out = out};
    memset(out, 0, sizeof *out);
    cmat_status st = db_server_link(s, &m.link, err);
    if (st == CMAT_OK && sqlite3_open(":memory:", &m.db) != SQLITE_OK)
        st = cmat_fail(err, CMAT_ERR_NOMEM, "db: %s", sqlite3_errmsg(m.db));
    if (st == CMAT_OK)
        st = db_link_do(m.link, &m.columns, err, "%s", s->ops->columns_sql);
    if (st == CMAT_OK)
        st = db_link_do(m.link, &m.keys, err, "%s", s->ops->keys_sql);
    sqlite3_exec(m.db, "BEGIN", NULL, NULL, NULL);
    if (st == CMAT_OK)
        st = copy_all(&m, err);
    sqlite3_exec(m.db, "COMMIT", NULL, NULL, NULL);
    if (st == CMAT_OK && out->n == 0) /* an image has at least one page */
        sqlite3_exec(m.db, "CREATE TABLE x(y); DROP TABLE x", NULL, NULL, NULL);
    if (st == CMAT_OK)
        st = db_image_take(&out->image, m.db, err);
    db_result_clear(&m.columns);
    db_result_clear(&m.keys);
    sqlite3_close(m.db);
    if (m.link)
        s->ops->close(m.link);
    if (st != CMAT_OK)
        db_mirror_clear(out);
    return st;
}
