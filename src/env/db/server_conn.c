/* env/db/server_conn.c - an episode on a server.
 *
 * In the user's database each statement is a read-only transaction of its own; before the first
 * write to a table a temporary copy takes its place, which such a transaction may change. A task's
 * own tables stand in a database or schema of the episode, where all may change; it goes with the
 * episode. */
#include "core/mem.h"
#include "env/db/habits.h"
#include "env/db/lex.h"
#include "env/db/render.h"
#include "env/db/server_impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
    db_conn base;
    db_server *server;
    db_link *link;
    const db_schema *schema;
    char place[DB_PLACE_MAX]; /* "" in the user's database */
    bool made;
} server_conn;

static char mark(const server_conn *c)
{
    return c->server->ops->mysql ? '`' : '"';
}

/* The table's whole name: in the episode's place, else as it is found (a shadow first). */
static void put_table(const server_conn *c, const char *table, cmat_buf *out)
{
    if (c->made) {
        db_quoted_add(out, c->place, mark(c));
        cmat_buf_putc(out, '.');
    }
    db_quoted_add(out, table, mark(c));
}

/* ---- a task's own tables ---- */

void db_column_name(const json_t *columns, size_t i, cmat_buf *out)
{
    const json_t *c = json_array_get(columns, i);
    const char *name =
        json_is_string(c) ? json_string_value(c) : json_string_value(json_object_get(c, "name"));
    bool again = false;
    name = name ? name : "";
    for (size_t j = 0; j < i && !again; j++) {
        const json_t *d = json_array_get(columns, j);
        const char *other = json_is_string(d) ? json_string_value(d)
                                              : json_string_value(json_object_get(d, "name"));
        again = other && !strcasecmp(other, name);
    }
    cmat_buf_puts(out, name);
    if (again || !*name) /* nor does MySQL take an empty name */
        cmat_buf_printf(out, "_%zu", i + 1);
}

static void put_cell(server_conn *c, const json_t *v, cmat_buf *out)
{
    if (json_is_string(v)) {
        c->server->ops->literal(c->link, json_string_value(v), json_string_length(v), out);
    } else if (json_is_number(v)) {
        cmat_buf text = {0};
        if (json_is_integer(v))
            cmat_buf_printf(&text, "%lld", (long long)json_integer_value(v));
        else
            db_python_float(json_real_value(v), &text);
        c->server->ops->literal(c->link, text.data, text.len, out);
        cmat_buf_clear(&text);
    } else if (json_is_boolean(v)) {
        cmat_buf_puts(out, json_is_true(v) ? "'1'" : "'0'");
    } else {
        cmat_buf_puts(out, "NULL");
    }
}

static cmat_status create_table(server_conn *c, const char *name, const json_t *columns,
                                cmat_error *err)
{
    cmat_buf sql = {0};
    cmat_buf_puts(&sql, "CREATE TABLE ");
    put_table(c, name, &sql);
    for (size_t i = 0; i < json_array_size(columns); i++) {
        cmat_buf column = {0};
        const char *type = json_string_value(json_object_get(json_array_get(columns, i), "type"));
        const bool safe =
            type && strlen(type) < 40 &&
            strspn(type, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz ") == strlen(type);
        db_column_name(columns, i, &column);
        cmat_buf_puts(&sql, i ? ", " : " (");
        db_quoted_add(&sql, cmat_buf_str(&column), mark(c));
        cmat_buf_putc(&sql, ' ');
        const char *as = c->server->ops->type(safe ? type : "TEXT", c->base.o.mysql);
        if (!strncmp(as, "TEXT COLLATE ", 13)) { /* the collation lies in the place */
            cmat_buf_puts(&sql, "TEXT COLLATE ");
            db_quoted_add(&sql, c->place, '"');
            cmat_buf_printf(&sql, ".%s", as + 13);
        } else {
            cmat_buf_puts(&sql, as);
        }
        cmat_buf_clear(&column);
    }
    cmat_buf_putc(&sql, ')');
    cmat_status st = db_link_do(c->link, NULL, err, "%s", sql.data);
    cmat_buf_clear(&sql);
    return st;
}

static cmat_status fill_table(server_conn *c, const char *name, size_t n, const json_t *rows,
                              cmat_error *err)
{
    enum { BATCH = 256 << 10 };
    cmat_buf sql = {0};
    cmat_status st = CMAT_OK;
    for (size_t r = 0; st == CMAT_OK && r < json_array_size(rows); r++) {
        if (sql.len == 0) {
            cmat_buf_puts(&sql, "INSERT INTO ");
            put_table(c, name, &sql);
            cmat_buf_puts(&sql, " VALUES ");
        } else {
            cmat_buf_puts(&sql, ", ");
        }
        for (size_t i = 0; i < n; i++) {
            cmat_buf_puts(&sql, i ? ", " : "(");
            put_cell(c, json_array_get(json_array_get(rows, r), i), &sql);
        }
        cmat_buf_putc(&sql, ')');
        if (sql.len > BATCH || r + 1 == json_array_size(rows)) {
            st = db_link_do(c->link, NULL, err, "%s", sql.data);
            cmat_buf_truncate(&sql, 0);
        }
    }
    cmat_buf_clear(&sql);
    return st;
}

static cmat_status make_table(server_conn *c, const json_t *table, cmat_error *err)
{
    const char *name = json_string_value(json_object_get(table, "table_name"));
    const json_t *info = json_object_get(table, "table_info");
    const json_t *columns = json_object_get(info, "columns");
    cmat_status st = create_table(c, name ? name : "", columns, err);
    if (st == CMAT_OK)
        st = fill_table(c, name ? name : "", json_array_size(columns),
                        json_object_get(info, "rows"), err);
    return st;
}

static cmat_status make_place(server_conn *c, const json_t *tables, cmat_error *err)
{
    db_place_name(c->place);
    cmat_status st = c->server->ops->create_place(c->link, c->place, c->base.o.mysql, err);
    c->made = st == CMAT_OK;
    if (!json_is_array(tables))
        return st == CMAT_OK ? make_table(c, tables, err) : st;
    for (size_t i = 0; st == CMAT_OK && i < json_array_size(tables); i++)
        st = make_table(c, json_array_get(tables, i), err);
    return st;
}

/* ---- statements ---- */

/* Shadows of the tables that the statement names, as far as it might write to them. */
static bool shadow_named(server_conn *c, const char *sql, db_result *r)
{
    db_token t;
    cmat_error err = {0};
    bool ok = true;
    while (ok && (t = db_lex_next(&sql, c->server->ops->mysql)).type != DB_TOKEN_END &&
           t.type != DB_TOKEN_BAD) {
        cmat_buf name = {0};
        if (t.type == DB_TOKEN_NAME || t.type == DB_TOKEN_QUOTED)
            db_token_text(&t, c->server->ops->mysql, &name);
        const int i = name.len ? db_schema_find_table(c->schema, name.data) : -1;
        const db_table *table = i >= 0 ? &c->schema->tables[i] : NULL;
        bool known = !table || table->view;
        for (size_t k = 0; k < c->base.n_touched && !known; k++)
            known = !strcasecmp(c->base.touched[k], table->name);
        if (!known) {
            ok = c->server->ops->shadow(c->link, table, &err) == CMAT_OK;
            if (ok)
                db_conn_touch(&c->base, table->name);
            else
                db_result_fail(r, err.msg);
        }
        cmat_buf_clear(&name);
    }
    return ok;
}

/* What the columns that number themselves give next. A rollback does not take numbers back; so that
 * a change tried first, or one that failed before it, comes to the same rows as one that is made at
 * once, they are put back. */
typedef struct {
    const db_table *table;
    int column;
    int64_t next;
} numbering;

/* (*n) of them, of the shadows; the caller's to free(). */
static numbering *numbers(server_conn *c, size_t *n)
{
    numbering *all = NULL;
    size_t cap = 0;
    *n = 0;
    for (size_t k = 0; !c->made && k < c->base.n_touched; k++) {
        const int at = db_schema_find_table(c->schema, c->base.touched[k]);
        const db_table *t = at >= 0 ? &c->schema->tables[at] : NULL;
        for (int i = 0; t && i < t->n_columns; i++)
            if (t->columns[i].rowid) {
                all = cmat_xgrow(all, &cap, *n + 1, sizeof *all);
                all[(*n)++] = (numbering){t, i, c->server->ops->next_number(c->link, t, i)};
            }
    }
    return all;
}

static void put_numbers_back(server_conn *c, const numbering *before, size_t n)
{
    const db_link_ops *ops = c->server->ops;
    for (size_t k = 0; k < n; k++) {
        const numbering *b = &before[k];
        if (b->next > 0 && ops->next_number(c->link, b->table, b->column) != b->next)
            ops->set_next_number(c->link, b->table, b->column, b->next);
    }
}

static void run_statement(server_conn *c, const char *sql, const db_statement *s, bool keep,
                          db_result *r)
{
    const db_link_ops *ops = c->server->ops;
    const db_caps caps = {c->base.o.timeout, c->base.o.max_rows, c->base.o.max_bytes};
    r->writes = s->writes;
    r->ddl = s->ddl;
    if (s->ddl && !keep && !ops->ddl_undone) {
        ops->compiles(c->link, sql, r); /* it would stay */
        return;
    }
    if (!c->made && s->writes && !shadow_named(c, sql, r))
        return;
    size_t n_before = 0;
    numbering *before = s->writes ? numbers(c, &n_before) : NULL;
    ops->begin(c->link, &caps, !c->made, c->made ? c->place : NULL, r);
    if (r->ok)
        ops->query(c->link, sql, &caps, r);
    ops->end(c->link, keep && r->ok);
    if (!keep || !r->ok)
        put_numbers_back(c, before, n_before);
    free(before);
    if (r->ok && (!r->writes || r->ddl))
        r->changed = 0;
    if (!r->ok) { /* a server may have sent rows before it failed */
        r->n_rows = 0;
        r->n_columns = 0;
        sqlite3_snprintf(sizeof r->head, r->head, "%s", s->head);
    }
    if (r->timeout)
        sqlite3_snprintf(sizeof r->error, r->error,
                         "stopped after %.1f seconds: the statement takes too long",
                         c->base.o.timeout);
    if (s->writes && keep) {
        c->base.written = true;
        c->base.ddl |= c->made; /* all of the few tables are looked at */
    }
}

/* The statement as the server takes it: a benchmark's is MySQL's wherever it runs. */
static const char *spelled(const server_conn *c, const char *sql, cmat_buf *b)
{
    if (!c->base.o.mysql || c->server->ops->mysql)
        return sql;
    db_habits_rewrite(sql, c->schema, b);
    return cmat_buf_str(b);
}

static cmat_status server_run(db_conn *base, const char *sql, bool keep, db_result *r,
                              cmat_error *err)
{
    server_conn *c = (server_conn *)base;
    db_statement s = {{0}, false, false};
    cmat_buf b = {0};
    (void)err;
    if (strlen(sql) <= 100000)
        sql = spelled(c, sql, &b);
    if (db_server_guard(c->server, sql, c->made, c->made ? c->place : NULL, &s, r))
        run_statement(c, sql, &s, keep, r);
    cmat_buf_clear(&b);
    return CMAT_OK;
}

static bool has_plan(const char *head)
{
    static const char *const heads[] = {"SELECT", "WITH",   "INSERT",  "UPDATE",
                                        "DELETE", "VALUES", "REPLACE", "MERGE"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (!strcmp(heads[i], head))
            return true;
    return false;
}

static bool server_plan(db_conn *base, const char *sql, db_plan *out)
{
    server_conn *c = (server_conn *)base;
    const db_link_ops *ops = c->server->ops;
    const db_caps caps = {base->o.timeout, base->o.max_rows, base->o.max_bytes};
    db_statement s = {{0}, false, false};
    cmat_buf b = {0};
    db_result r = {0};
    sql = spelled(c, sql, &b);
    bool ok = db_server_guard(c->server, sql, c->made, c->made ? c->place : NULL, &s, &r) &&
              has_plan(s.head);
    if (ok) {
        ops->begin(c->link, &caps, !c->made, c->made ? c->place : NULL, &r);
        ok = r.ok && ops->plan(c->link, sql, out);
        ops->end(c->link, false);
    }
    db_result_clear(&r);
    cmat_buf_clear(&b);
    return ok;
}

/* ---- for hashes ---- */

static int by_name(const void *a, const void *b)
{
    return strcasecmp(*(char *const *)a, *(char *const *)b);
}

static cmat_status server_tables(db_conn *base, char ***names, cmat_error *err)
{
    server_conn *c = (server_conn *)base;
    db_result r = {0};
    size_t cap = 0, n = 0;
    cmat_status st = CMAT_OK;
    *names = NULL;
    if (c->made)
        st = db_link_do(c->link, &r, err,
                        "SELECT table_name FROM information_schema.tables WHERE table_schema = '%s'"
                        " AND table_type = 'BASE TABLE'",
                        c->place);
    const size_t all = c->made ? r.n_rows : (size_t)c->schema->n_tables;
    *names = cmat_xgrow(NULL, &cap, all + 1, sizeof **names);
    for (size_t i = 0; i < all; i++)
        if (c->made || !c->schema->tables[i].view)
            (*names)[n++] = cmat_xstrdup(c->made ? db_cell(&r, i, 0) : c->schema->tables[i].name);
    (*names)[n] = NULL;
    qsort(*names, n, sizeof **names, by_name);
    db_result_clear(&r);
    return st;
}

static cmat_status server_scan(db_conn *base, const char *table, db_row_fn *row, void *user,
                               cmat_error *err)
{
    server_conn *c = (server_conn *)base;
    cmat_buf name = {0};
    db_result r = {0};
    put_table(c, table, &name);
    cmat_status st = db_link_do(c->link, &r, err, "SELECT * FROM %s", name.data);
    if (st == CMAT_OK && r.more)
        st = cmat_fail(err, CMAT_ERR_LIMIT, "db: table %s is too large to be compared", table);
    for (size_t i = 0; st == CMAT_OK && i < r.n_rows; i++)
        row(user, &r.rows[i * (size_t)r.n_columns], r.n_columns);
    db_result_clear(&r);
    cmat_buf_clear(&name);
    return st;
}

/* The benchmark's own query, over the columns that the table had at first. */
static cmat_status maria_md5(db_conn *base, const char *table, char hex[33], cmat_error *err)
{
    server_conn *c = (server_conn *)base;
    cmat_buf name = {0}, columns = {0};
    db_result r = {0};
    const int t = db_schema_find_table(c->schema, table);
    for (int i = 0; t >= 0 && i < c->schema->tables[t].n_columns; i++) {
        cmat_buf_puts(&columns, i ? ", " : "");
        db_quoted_add(&columns, c->schema->tables[t].columns[i].name, '`');
    }
    put_table(c, table, &name);
    cmat_status st = db_link_do(c->link, &r, err,
                                "SELECT md5(group_concat(rowhash ORDER BY rowhash)) FROM "
                                "(SELECT substring(MD5(CONCAT_WS(',', %s)), 1, 5) AS rowhash FROM "
                                "%s) AS sub",
                                cmat_buf_str(&columns), name.data);
    if (st == CMAT_OK)
        snprintf(hex, 33, "%s", *db_cell(&r, 0, 0) ? db_cell(&r, 0, 0) : "None");
    db_result_clear(&r);
    cmat_buf_clear(&name);
    cmat_buf_clear(&columns);
    return st;
}

static void server_close(db_conn *base)
{
    server_conn *c = (server_conn *)base;
    if (c->made && c->link && !c->link->lost)
        c->server->ops->drop_place(c->link, c->place);
    if (c->link)
        c->server->ops->close(c->link);
    db_server_unref(c->server);
    db_conn_clear(base);
    free(c);
}

static const db_conn_ops maria_conn = {.name = "MariaDB",
                                       .run = server_run,
                                       .plan = server_plan,
                                       .tables = server_tables,
                                       .scan = server_scan,
                                       .md5 = maria_md5,
                                       .close = server_close};
static const db_conn_ops postgres_conn = {.name = "PostgreSQL",
                                          .run = server_run,
                                          .plan = server_plan,
                                          .tables = server_tables,
                                          .scan = server_scan,
                                          .close = server_close};

cmat_status db_server_connect(db_conn **out, db_server *s, const json_t *tables,
                              const db_schema *schema, const db_conn_options *opts, cmat_error *err)
{
    server_conn *c = cmat_xcalloc(1, sizeof *c);
    db_conn_init(&c->base, s->ops->mysql ? &maria_conn : &postgres_conn, opts);
    c->server = db_server_ref(s);
    c->schema = schema;
    cmat_status st = db_server_link(s, &c->link, err);
    if (st == CMAT_OK && tables)
        st = make_place(c, tables, err);
    if (st != CMAT_OK) {
        server_close(&c->base);
        c = NULL;
    }
    *out = c ? &c->base : NULL;
    return st;
}
