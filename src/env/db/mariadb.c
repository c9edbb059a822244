/* env/db/mariadb.c - MariaDB and MySQL, through libmariadb.
 *
 * Settings are MySQL 8's where the two differ (strict, ONLY_FULL_GROUP_BY), because benchmarks' SQL
 * was written for it. An UPDATE's count is of the rows found, as elsewhere. */
#include "core/mem.h"
#include "core/text.h"
#include "env/db/link.h"
#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

typedef struct {
    db_link base;
    MYSQL *db;
    bool mariadb;             /* else MySQL */
    char *database;           /* as the connection was opened, or NULL */
    char place[DB_PLACE_MAX]; /* where USE has led, "" there */
} link_maria;

/* ---- open ---- */

static cmat_status set_up(link_maria *l, cmat_error *err)
{
    static const char session[] =
        "SET SESSION sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,"
        "NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', "
        "innodb_lock_wait_timeout = 3, lock_wait_timeout = 10, group_concat_max_len = 1048576, "
        "default_storage_engine = InnoDB";
    l->mariadb = strstr(mysql_get_server_info(l->db), "MariaDB") != NULL;
    l->base.product = l->mariadb ? "MariaDB" : "MySQL";
    return db_link_do(&l->base, NULL, err, "%s", session);
}

static void maria_close(db_link *base)
{
    link_maria *l = (link_maria *)base;
    mysql_close(l->db);
    free(l->database);
    free(l);
}

static void options_of(MYSQL *db)
{
    const unsigned int connect_timeout = 10, io_timeout = 120, off = 0;
    mysql_optionsv(db, MYSQL_READ_DEFAULT_GROUP, "client");
    mysql_optionsv(db, MYSQL_OPT_CONNECT_TIMEOUT, &connect_timeout);
    mysql_optionsv(db, MYSQL_OPT_READ_TIMEOUT, &io_timeout);
    mysql_optionsv(db, MYSQL_OPT_WRITE_TIMEOUT, &io_timeout);
    mysql_optionsv(db, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_optionsv(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
}

static cmat_status maria_open(db_link **out, const db_url *u, cmat_error *err)
{
    link_maria *l = cmat_xcalloc(1, sizeof *l);
    cmat_status st = CMAT_OK;
    *out = NULL;
    l->base.ops = &db_mariadb;
    l->database = cmat_xstrdup(u->database);
    if (!(l->db = mysql_init(NULL))) {
        maria_close(&l->base);
        return cmat_fail(err, CMAT_ERR_NOMEM, "db: libmariadb: out of memory");
    }
    options_of(l->db);
    const char *host = u->host && *u->host ? u->host : "localhost";
    unsigned port = u->port ? (unsigned)strtoul(u->port, NULL, 10) : 0;
    if (!mysql_real_connect(l->db, u->socket ? "localhost" : host, u->user, getenv("MYSQL_PWD"),
                            u->database, port, u->socket, CLIENT_FOUND_ROWS))
        st = cmat_fail(err, CMAT_ERR_IO, "db: %s: %s", u->text, mysql_error(l->db));
    if (st == CMAT_OK)
        st = set_up(l, err);
    if (st != CMAT_OK)
        maria_close(&l->base);
    else
        *out = &l->base;
    return st;
}

/* ---- results ---- */

/* The text between the first two of the quotes ' in a message, after the last dot. */
static void quoted_name(const char *msg, db_result *r)
{
    const char *a = strchr(msg, '\''), *b = a ? strchr(a + 1, '\'') : NULL;
    if (!b)
        return;
    const char *dot = memrchr(a, '.', (size_t)(b - a));
    a = dot ? dot : a;
    sqlite3_snprintf(sizeof r->name, r->name, "%.*s", (int)(b - a - 1), a + 1);
}

static void take_error(link_maria *l, db_result *r)
{
    const unsigned code = mysql_errno(l->db);
    cmat_buf b = {0};
    cmat_buf_printf(&b, "%u (%s): %s", code, mysql_sqlstate(l->db), mysql_error(l->db));
    db_result_fail(r, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    if (code == ER_NO_SUCH_TABLE || code == ER_BAD_TABLE_ERROR)
        r->wrong = DB_WRONG_TABLE;
    else if (code == ER_BAD_FIELD_ERROR)
        r->wrong = DB_WRONG_COLUMN;
    else if (code == ER_PARSE_ERROR)
        r->wrong = DB_WRONG_SYNTAX;
    if (r->wrong == DB_WRONG_TABLE || r->wrong == DB_WRONG_COLUMN)
        quoted_name(mysql_error(l->db), r);
    r->timeout = code == ER_STATEMENT_TIMEOUT || code == ER_QUERY_INTERRUPTED ||
                 code == 3024 /* MySQL's ER_QUERY_TIMEOUT */;
    r->denied = code == ER_TABLEACCESS_DENIED_ERROR || code == ER_DBACCESS_DENIED_ERROR ||
                code == ER_SPECIFIC_ACCESS_DENIED_ERROR ||
                code == ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION;
    l->base.lost |= code == CR_SERVER_LOST || code == CR_SERVER_GONE_ERROR;
}

static int64_t bits(const char *s, unsigned long n)
{
    uint64_t x = 0;
    for (unsigned long i = 0; i < n; i++)
        x = x << 8 | (unsigned char)s[i];
    return (int64_t)x;
}

static void take_value(db_result *r, const MYSQL_FIELD *f, const char *s, unsigned long n,
                       db_value *v)
{
    enum { BINARY = 63 }; /* the character set that says "bytes" */
    if (!s)
        return; /* NULL */
    v->text = cmat_arena_strndup(&r->arena, s, n);
    v->len = n;
    switch (f->type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
        v->i = strtoll(s, NULL, 10);
        v->type = DB_VALUE_INT;
        break;
    case MYSQL_TYPE_BIT:
        v->i = bits(s, n);
        v->type = DB_VALUE_INT;
        break;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
        v->d = strtod(s, NULL);
        v->type = DB_VALUE_REAL; /* with its digits */
        break;
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
        v->d = strtod(s, NULL);
        v->type = DB_VALUE_REAL;
        v->text = NULL;
        break;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
    case MYSQL_TYPE_TIME:
        v->type = DB_VALUE_TEXT;
        break;
    default:
        v->type = f->charsetnr == BINARY && cmat_utf8_valid_prefix(s, n) != n ? DB_VALUE_BLOB
                                                                              : DB_VALUE_TEXT;
    }
}

static void take_columns(db_result *r, const MYSQL_FIELD *f, unsigned n)
{
    char *kinds = cmat_arena_alloc(&r->arena, n + 1);
    r->n_columns = (int)n;
    r->columns = cmat_arena_alloc(&r->arena, ((size_t)n + 1) * sizeof *r->columns);
    for (unsigned i = 0; i < n; i++) {
        r->columns[i] = cmat_arena_strdup(&r->arena, f[i].name);
        kinds[i] = ' ';
        if (f[i].type == MYSQL_TYPE_DATE)
            kinds[i] = 'd';
        else if (f[i].type == MYSQL_TYPE_DATETIME || f[i].type == MYSQL_TYPE_TIMESTAMP)
            kinds[i] = 't';
    }
    r->kinds = kinds;
}

/* What is over the caps is read and left; the statement's time bounds how long. */
static void take_rows(MYSQL_RES *res, const db_caps *caps, db_result *r)
{
    const MYSQL_FIELD *f = mysql_fetch_fields(res);
    MYSQL_ROW row;
    size_t bytes = 0;
    take_columns(r, f, mysql_num_fields(res));
    while ((row = mysql_fetch_row(res))) {
        if (r->n_rows >= caps->max_rows || bytes >= caps->max_bytes) {
            r->more = true;
            continue;
        }
        const unsigned long *n = mysql_fetch_lengths(res);
        db_value *v = db_result_row(r);
        for (int i = 0; i < r->n_columns; i++) {
            take_value(r, &f[i], row[i], n[i], &v[i]);
            bytes += n[i] + 4;
        }
    }
}

static void maria_query(db_link *base, const char *sql, const db_caps *caps, db_result *r)
{
    link_maria *l = (link_maria *)base;
    if (base->lost) {
        db_result_fail(r, "the connection to the server is lost");
        return;
    }
    r->ok = true;
    if (mysql_real_query(l->db, sql, strlen(sql)) != 0) {
        take_error(l, r);
        return;
    }
    MYSQL_RES *res = mysql_use_result(l->db);
    if (res)
        take_rows(res, caps, r);
    else if (mysql_field_count(l->db) == 0)
        r->changed = (int64_t)mysql_affected_rows(l->db);
    if (mysql_errno(l->db))
        take_error(l, r);
    mysql_free_result(res);
}

/* ---- an agent's statement ---- */

static void use(link_maria *l, const char *place, db_result *r)
{
    cmat_buf sql = {0};
    if (!strcmp(place ? place : "", l->place) || (!place && !l->database))
        return;
    cmat_buf_printf(&sql, "USE `%s`", place ? place : l->database);
    maria_query(&l->base, sql.data, &(db_caps){0}, r);
    sqlite3_snprintf(sizeof l->place, l->place, "%s", place ? place : "");
    cmat_buf_clear(&sql);
}

static void maria_begin(db_link *base, const db_caps *caps, bool read_only, const char *place,
                        db_result *r)
{
    link_maria *l = (link_maria *)base;
    cmat_buf sql = {0};
    if (l->mariadb)
        cmat_buf_printf(&sql, "SET SESSION max_statement_time = %.3f", caps->timeout);
    else
        cmat_buf_printf(&sql, "SET SESSION max_execution_time = %.0f", caps->timeout * 1000);
    cmat_buf_printf(&sql, ", sql_select_limit = %zu", caps->max_rows + 1);
    r->ok = true;
    use(l, place, r);
    if (r->ok)
        maria_query(base, cmat_buf_str(&sql), caps, r);
    if (r->ok)
        maria_query(base,
                    read_only ? "START TRANSACTION READ ONLY" : "START TRANSACTION READ WRITE",
                    caps, r);
    cmat_buf_clear(&sql);
}

static void maria_end(db_link *base, bool keep)
{
    link_maria *l = (link_maria *)base;
    db_result r = {0};
    maria_query(base, keep ? "COMMIT" : "ROLLBACK", &(db_caps){0}, &r);
    maria_query(base,
                l->mariadb ? "SET SESSION max_statement_time = 0, sql_select_limit = DEFAULT"
                           : "SET SESSION max_execution_time = 0, sql_select_limit = DEFAULT",
                &(db_caps){0}, &r);
    db_result_clear(&r);
}

static bool maria_compiles(db_link *base, const char *sql, db_result *r)
{
    link_maria *l = (link_maria *)base;
    MYSQL_STMT *st = mysql_stmt_init(l->db);
    r->ok = st && mysql_stmt_prepare(st, sql, strlen(sql)) == 0;
    if (!r->ok)
        take_error(l, r);
    if (st)
        mysql_stmt_close(st);
    return r->ok;
}

/* "orders: ref by customer_id, 3 rows; customers: ALL, 200 rows" */
static bool maria_plan(db_link *base, const char *sql, db_plan *out)
{
    enum { TABLE, TYPE, KEY, ROWS, N };
    static const char *const wanted[N] = {"table", "type", "key", "rows"}; /* MySQL has more */
    int at[N] = {-1, -1, -1, -1};
    db_result r = {0};
    bool ok = db_link_do(base, &r, NULL, "EXPLAIN FORMAT=TRADITIONAL %s", sql) == CMAT_OK;
    for (int k = 0; k < N && ok; k++) {
        for (int i = 0; i < r.n_columns; i++)
            at[k] = strcmp(r.columns[i], wanted[k]) == 0 ? i : at[k];
        ok = at[k] >= 0;
    }
    if (!ok) {
        db_result_clear(&r);
        return false;
    }
    for (size_t i = 0; i < r.n_rows; i++) {
        const char *key = db_cell(&r, i, at[KEY]), *rows = db_cell(&r, i, at[ROWS]);
        cmat_buf_printf(&out->text, "%s%s: %s%s%s", i ? "; " : "", db_cell(&r, i, at[TABLE]),
                        db_cell(&r, i, at[TYPE]), *key ? " by " : "", key);
        if (*rows)
            cmat_buf_printf(&out->text, ", %s rows", rows);
        if (*rows && strtod(rows, NULL) > out->rows)
            out->rows = strtod(rows, NULL);
    }
    if (db_link_do(base, &r, NULL, "SHOW SESSION STATUS LIKE 'Last_query_cost'") == CMAT_OK &&
        r.n_rows)
        out->cost = strtod(db_cell(&r, 0, 1), NULL);
    db_result_clear(&r);
    return true;
}

/* ---- the role ---- */

/* "GRANT SELECT, INSERT ON `shop`.* TO ...": what and where. */
static bool read_grant(const char *line, cmat_buf *what, cmat_buf *where)
{
    const char *on = strstr(line, " ON "), *to = on ? strstr(on, " TO ") : NULL;
    cmat_buf_truncate(what, 0);
    cmat_buf_truncate(where, 0);
    if (strncmp(line, "GRANT ", 6) != 0 || !to)
        return false;
    cmat_buf_add(what, line + 6, (size_t)(on - line) - 6);
    for (const char *p = on + 4; p < to && (*p != '.' || p == on + 4); p++)
        if (*p != '`')
            cmat_buf_putc(where, *p);
    return true;
}

static bool within(const char *where, const char *database)
{
    cmat_buf plain = {0}; /* `my\_shop` is my_shop */
    for (const char *p = where; *p; p++)
        if (*p != '\\')
            cmat_buf_putc(&plain, *p);
    const char *s = cmat_buf_str(&plain);
    bool yes =
        (database && !strcmp(s, database)) ||
        (!strncmp(s, DB_PLACE_PREFIX, strlen(DB_PLACE_PREFIX)) && !strncmp(where, "cmat\\_", 6));
    cmat_buf_clear(&plain);
    return yes;
}

static cmat_status maria_judge(db_link *l, const db_url *u, cmat_error *err)
{
    db_result r = {0};
    cmat_buf what = {0}, where = {0};
    cmat_status st = db_link_do(l, &r, err, "SHOW GRANTS");
    for (size_t i = 0; st == CMAT_OK && i < r.n_rows; i++) {
        const char *line = db_cell(&r, i, 0);
        if (!strncmp(line, "SET DEFAULT ROLE", 16))
            continue;
        bool known = read_grant(line, &what, &where);
        if (known &&
            (!strcmp(cmat_buf_str(&what), "USAGE") || within(cmat_buf_str(&where), u->database)))
            continue;
        st = cmat_fail(err, CMAT_ERR_ARG,
                       "db: %s: this role may do more than use its database (%.60s%s%.60s): name "
                       "one that may not, or add allow_superuser=1 to the address",
                       u->text, known ? cmat_buf_str(&what) : "it takes over another role or user",
                       known ? " on " : "", cmat_buf_str(&where));
    }
    cmat_buf_clear(&what);
    cmat_buf_clear(&where);
    db_result_clear(&r);
    return st;
}

/* ---- places and shadows ---- */

static void name_list(const db_table *t, cmat_buf *out)
{
    for (int i = 0, n = 0; i < t->n_columns; i++)
        if (!t->columns[i].generated) {
            cmat_buf_puts(out, n++ ? ", " : "");
            db_quoted_add(out, t->columns[i].name, '`');
        }
}

/* `db`.`t` would name the temporary table too, so that it gets its name last. */
static cmat_status maria_shadow(db_link *l, const db_table *t, cmat_error *err)
{
    cmat_buf name = {0}, columns = {0};
    db_quoted_add(&name, t->name, '`');
    name_list(t, &columns);
    cmat_status st =
        db_link_do(l, NULL, err, "CREATE TEMPORARY TABLE cmat_shadow LIKE %s", name.data);
    if (st == CMAT_OK)
        st = db_link_do(l, NULL, err, "ALTER TABLE cmat_shadow ENGINE = InnoDB");
    if (st == CMAT_OK)
        st = db_link_do(l, NULL, err, "INSERT INTO cmat_shadow (%s) SELECT %s FROM %s",
                        cmat_buf_str(&columns), cmat_buf_str(&columns), name.data);
    if (st == CMAT_OK)
        st = db_link_do(l, NULL, err, "ALTER TABLE cmat_shadow RENAME TO %s", name.data);
    cmat_buf_clear(&name);
    cmat_buf_clear(&columns);
    return st;
}

static int64_t maria_next_number(db_link *l, const db_table *t, int i)
{
    static const char mark[] = ") ENGINE=", before[] = "AUTO_INCREMENT=";
    cmat_buf name = {0};
    db_result r = {0};
    int64_t next = 0;
    (void)i; /* a table has one at most */
    db_quoted_add(&name, t->name, '`');
    if (db_link_do(l, &r, NULL, "SHOW CREATE TABLE %s", name.data) == CMAT_OK) {
        const char *p = db_cell(&r, 0, 1), *end = NULL;
        while ((p = strstr(p, mark))) /* the last one: a comment may hold it too */
            end = p++;
        p = end ? strstr(end, before) : NULL;
        next = p ? strtoll(p + sizeof before - 1, NULL, 10) : 1;
    }
    db_result_clear(&r);
    cmat_buf_clear(&name);
    return next;
}

static void maria_set_next_number(db_link *l, const db_table *t, int i, int64_t n)
{
    cmat_buf name = {0};
    (void)i;
    db_quoted_add(&name, t->name, '`');
    db_link_do(l, NULL, NULL, "ALTER TABLE %s AUTO_INCREMENT = %lld", name.data, (long long)n);
    cmat_buf_clear(&name);
}

static cmat_status maria_create_place(db_link *base, const char *name, bool habits, cmat_error *err)
{
    const link_maria *l = (const link_maria *)base;
    (void)habits; /* they are its own */
    cmat_status st = db_link_do(base, NULL, err, "SELECT GET_LOCK('%s', 0)", name);
    if (st == CMAT_OK)
        st = db_link_do(base, NULL, err, "CREATE DATABASE `%s` CHARACTER SET utf8mb4 COLLATE %s",
                        name, l->mariadb ? "utf8mb4_unicode_520_nopad_ci" : "utf8mb4_0900_ai_ci");
    return st;
}

static void maria_drop_place(db_link *l, const char *name)
{
    db_link_do(l, NULL, NULL, "DROP DATABASE IF EXISTS `%s`", name);
    db_link_do(l, NULL, NULL, "DO RELEASE_LOCK('%s')", name);
}

static void maria_sweep(db_link *l)
{
    db_result r = {0};
    if (db_link_do(l, &r, NULL,
                   "SELECT SCHEMA_NAME, IS_FREE_LOCK(SCHEMA_NAME) FROM information_schema.SCHEMATA "
                   "WHERE SCHEMA_NAME LIKE 'cmat\\_%%'") == CMAT_OK)
        for (size_t i = 0; i < r.n_rows; i++) {
            const char *name = db_cell(&r, i, 0);
            const long long made = db_place_made(name);
            if (made && made + DB_PLACE_AGE < time(NULL) && !strcmp(db_cell(&r, i, 1), "1"))
                maria_drop_place(l, name);
        }
    db_result_clear(&r);
}

static const char *maria_type(const char *stated, bool habits)
{
    if (habits || !*stated)
        return "TEXT";
    return !strcasecmp(stated, "REAL") || !strcasecmp(stated, "FLOAT") ? "DOUBLE" : stated;
}

static void maria_literal(db_link *base, const char *s, size_t n, cmat_buf *out)
{
    char *to = cmat_xmalloc(2 * n + 1);
    const unsigned long m = mysql_real_escape_string(((link_maria *)base)->db, to, s, n);
    cmat_buf_putc(out, '\'');
    cmat_buf_add(out, to, m);
    cmat_buf_putc(out, '\'');
    free(to);
}

static const char *const schemes[] = {"mysql", "mariadb", NULL};

const db_link_ops db_mariadb = {
    .name = "MariaDB",
    .schemes = schemes,
    .quote = DB_QUOTE_MARIADB,
    .mysql = true,
    .ending = "database",
    .open = maria_open,
    .close = maria_close,
    .query = maria_query,
    .begin = maria_begin,
    .end = maria_end,
    .compiles = maria_compiles,
    .plan = maria_plan,
    .judge_role = maria_judge,
    .columns_sql =
        "SELECT c.TABLE_NAME, c.COLUMN_NAME, c.COLUMN_TYPE, c.IS_NULLABLE = 'NO', "
        "c.COLUMN_DEFAULT, coalesce(k.ORDINAL_POSITION, 0), c.EXTRA LIKE '%GENERATED%', "
        "t.TABLE_TYPE = 'VIEW', c.EXTRA LIKE '%auto_increment%', t.TABLE_ROWS "
        "FROM information_schema.COLUMNS c JOIN information_schema.TABLES t "
        "ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME "
        "LEFT JOIN information_schema.KEY_COLUMN_USAGE k ON k.TABLE_SCHEMA = c.TABLE_SCHEMA AND "
        "k.TABLE_NAME = c.TABLE_NAME AND k.COLUMN_NAME = c.COLUMN_NAME AND "
        "k.CONSTRAINT_NAME = 'PRIMARY' "
        "WHERE c.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE IN ('BASE TABLE', 'VIEW') "
        "ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION",
    .keys_sql =
        "SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, "
        "REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE "
        "WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_SCHEMA = DATABASE() "
        "ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION",
    .places_sql =
        "SELECT SCHEMA_NAME, SCHEMA_NAME <=> DATABASE() FROM "
        "information_schema.SCHEMATA WHERE SCHEMA_NAME NOT LIKE 'cmat\\_%' AND "
        "SCHEMA_NAME <> 'information_schema'",
    .shadow = maria_shadow,
    .next_number = maria_next_number,
    .set_next_number = maria_set_next_number,
    .create_place = maria_create_place,
    .drop_place = maria_drop_place,
    .sweep = maria_sweep,
    .type = maria_type,
    .literal = maria_literal,
};
