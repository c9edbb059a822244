/* env/db/postgres.c - PostgreSQL, through libpq.
 *
 * A statement goes by the extended protocol, which takes one at a time, and row by row, so that a
 * large result is cancelled rather than kept. Decimals keep their digits; true and false are
 * texts. */
#include "core/cancel.h"
#include "core/hash.h"
#include "core/mem.h"
#include "env/db/habits.h"
#include "env/db/link.h"
#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

typedef struct {
    db_link base;
    PGconn *db;
    char *home; /* search_path as the connection was opened */
} link_pg;

enum { GRACE = 10 }; /* seconds after a statement's time before we stop waiting */

/* ---- open ---- */

static void pg_close(db_link *base)
{
    link_pg *l = (link_pg *)base;
    PQfinish(l->db);
    free(l->home);
    free(l);
}

static void ignore_notice(void *user, const PGresult *r)
{
    (void)user;
    (void)r;
}

/* The first line of libpq's message, which ends in line ends. */
static cmat_status fail_open(const link_pg *l, const db_url *u, cmat_error *err)
{
    const char *msg = PQerrorMessage(l->db);
    return cmat_fail(err, CMAT_ERR_IO, "db: %s: %.*s", u->text, (int)strcspn(msg, "\n"), msg);
}

static cmat_status pg_open(db_link **out, const db_url *u, cmat_error *err)
{
    const char *const keys[] = {"dbname", "connect_timeout", "client_encoding",
                                "fallback_application_name", NULL};
    const char *const values[] = {u->text, "10", "UTF8", "cmat", NULL};
    link_pg *l = cmat_xcalloc(1, sizeof *l);
    db_result r = {0};
    *out = NULL;
    l->base.ops = &db_postgres;
    l->db = PQconnectdbParams(keys, values, 1); /* dbname: the whole address */
    cmat_status st = PQstatus(l->db) == CONNECTION_OK ? CMAT_OK : fail_open(l, u, err);
    if (st == CMAT_OK) {
        PQsetNoticeReceiver(l->db, ignore_notice, NULL);
        st = db_link_do(&l->base, NULL, err,
                        "SET standard_conforming_strings = on; SET lock_timeout = '3s'; "
                        "SET idle_in_transaction_session_timeout = '10min'; "
                        "SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'");
    }
    if (st == CMAT_OK)
        st = db_link_do(&l->base, &r, err, "SHOW search_path");
    if (st != CMAT_OK) {
        pg_close(&l->base);
    } else {
        l->home = cmat_xstrdup(db_cell(&r, 0, 0));
        *out = &l->base;
    }
    db_result_clear(&r);
    return st;
}

/* ---- results ---- */

/* relation "shop.orders" does not exist, column o.x does not exist: the name alone. */
static void missing_name(const char *msg, db_result *r)
{
    const char *a = strchr(msg, ' '), *b = a ? strstr(a, " of relation ") : NULL;
    if (a && !b)
        b = strstr(a, " does not exist");
    if (!b)
        return;
    a++;
    if (*a == '"' && b > a + 1) {
        a++;
        b--;
    }
    const char *dot = memrchr(a, '.', (size_t)(b - a));
    a = dot ? dot + 1 : a;
    sqlite3_snprintf(sizeof r->name, r->name, "%.*s", (int)(b - a), a);
}

static void take_error(link_pg *l, const PGresult *res, db_result *r)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *msg = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
    cmat_buf b = {0};
    state = state ? state : "";
    msg = msg ? msg : PQerrorMessage(l->db);
    cmat_buf_printf(&b, "%s%s%s", msg, hint ? ". " : "", hint ? hint : "");
    db_result_fail(r, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    if (!strcmp(state, "42P01"))
        r->wrong = DB_WRONG_TABLE;
    else if (!strcmp(state, "42703"))
        r->wrong = DB_WRONG_COLUMN;
    else if (!strcmp(state, "42601"))
        r->wrong = DB_WRONG_SYNTAX;
    if (r->wrong == DB_WRONG_TABLE || r->wrong == DB_WRONG_COLUMN)
        missing_name(msg, r);
    r->timeout = !strcmp(state, "57014");
    r->denied = !strcmp(state, "42501") || !strcmp(state, "25006");
}

enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_DATE = 1082,
    OID_TIMESTAMP = 1114,
    OID_TIMESTAMPTZ = 1184,
    OID_NUMERIC = 1700
};

static void take_bytes(db_result *r, const char *s, db_value *v)
{
    size_t n = 0;
    unsigned char *p = PQunescapeBytea((const unsigned char *)s, &n);
    v->type = DB_VALUE_BLOB;
    v->text = cmat_arena_strndup(&r->arena, p ? (const char *)p : "", n);
    v->len = n;
    PQfreemem(p);
}

static void take_value(db_result *r, const PGresult *res, int i, db_value *v)
{
    if (PQgetisnull(res, 0, i))
        return;
    const char *s = PQgetvalue(res, 0, i);
    v->len = (size_t)PQgetlength(res, 0, i);
    v->text = cmat_arena_strndup(&r->arena, s, v->len);
    v->type = DB_VALUE_TEXT;
    switch (PQftype(res, i)) {
    case OID_BOOL:
        v->text = *s == 't' ? "true" : "false";
        v->len = strlen(v->text);
        break;
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
        v->type = DB_VALUE_INT;
        v->i = strtoll(s, NULL, 10);
        break;
    case OID_FLOAT4:
    case OID_FLOAT8:
        v->type = DB_VALUE_REAL;
        v->d = strtod(s, NULL);
        v->text = NULL;
        break;
    case OID_NUMERIC:
        v->type = strchr(s, 'N') || strchr(s, 'I') ? DB_VALUE_TEXT : DB_VALUE_REAL;
        v->d = strtod(s, NULL);
        break;
    case OID_BYTEA:
        take_bytes(r, s, v);
        break;
    default:
        break;
    }
}

static void take_columns(db_result *r, const PGresult *res)
{
    const int n = PQnfields(res);
    char *kinds = cmat_arena_alloc(&r->arena, (size_t)n + 1);
    r->n_columns = n;
    r->columns = cmat_arena_alloc(&r->arena, ((size_t)n + 1) * sizeof *r->columns);
    for (int i = 0; i < n; i++) {
        const Oid type = PQftype(res, i);
        r->columns[i] = cmat_arena_strdup(&r->arena, PQfname(res, i));
        kinds[i] = type == OID_DATE                                   ? 'd'
                   : type == OID_TIMESTAMP || type == OID_TIMESTAMPTZ ? 't'
                                                                      : ' ';
    }
    r->kinds = kinds;
}

static void cancel(link_pg *l)
{
    char msg[256];
    PGcancel *c = PQgetCancel(l->db);
    if (c)
        PQcancel(c, msg, sizeof msg);
    PQfreeCancel(c);
}

/* The next result, NULL at the end; past the deadline the connection counts as lost. */
static PGresult *next_result(link_pg *l, double deadline)
{
    while (PQisBusy(l->db)) {
        const double left = deadline - cmat_now();
        struct pollfd p = {.fd = PQsocket(l->db), .events = POLLIN};
        if (left <= 0) {
            l->base.lost = true;
            return NULL;
        }
        if (poll(&p, 1, (int)(left * 1000) + 1) > 0 && !PQconsumeInput(l->db))
            break;
    }
    return PQgetResult(l->db);
}

static void take_row(const PGresult *res, const db_caps *caps, size_t *bytes, db_result *r)
{
    if (!r->columns)
        take_columns(r, res);
    if (PQntuples(res) == 0)
        return;
    if (r->n_rows >= caps->max_rows || *bytes >= caps->max_bytes) {
        r->more = true;
        return;
    }
    db_value *v = db_result_row(r);
    for (int i = 0; i < r->n_columns; i++) {
        take_value(r, res, i, &v[i]);
        *bytes += v[i].len + 4;
    }
}

static void take_results(link_pg *l, const db_caps *caps, db_result *r)
{
    const double deadline = cmat_now() + (caps->timeout > 0 ? caps->timeout : 60) + GRACE;
    size_t bytes = 0;
    bool stopped = false;
    PGresult *res;
    while ((res = next_result(l, deadline))) {
        switch (PQresultStatus(res)) {
        case PGRES_SINGLE_TUPLE:
        case PGRES_TUPLES_OK:
            take_row(res, caps, &bytes, r);
            if (r->more && !stopped) {
                cancel(l);
                stopped = true;
            }
            break;
        case PGRES_COMMAND_OK:
            r->changed = strtoll(PQcmdTuples(res), NULL, 10);
            break;
        case PGRES_COPY_IN:
        case PGRES_COPY_OUT:
        case PGRES_COPY_BOTH:
            l->base.lost = true;
            break;
        default:
            if (!stopped)
                take_error(l, res, r);
        }
        PQclear(res);
        if (l->base.lost)
            break;
    }
    if (l->base.lost || PQstatus(l->db) != CONNECTION_OK) {
        l->base.lost = true;
        db_result_fail(r, "the connection to the server is lost");
    }
}

static void send(link_pg *l, const char *sql, bool many, const db_caps *caps, db_result *r)
{
    if (l->base.lost) {
        db_result_fail(r, "the connection to the server is lost");
        return;
    }
    r->ok = true;
    const int sent = many ? PQsendQuery(l->db, sql)
                          : PQsendQueryParams(l->db, sql, 0, NULL, NULL, NULL, NULL, 0);
    if (!sent) {
        const char *msg = PQerrorMessage(l->db);
        db_result_fail(r, msg);
        l->base.lost = PQstatus(l->db) != CONNECTION_OK;
        return;
    }
    PQsetSingleRowMode(l->db);
    take_results(l, caps, r);
}

/* Of our own, where several statements stand in one text; of an agent only between begin and end.
 */
static void pg_query(db_link *base, const char *sql, const db_caps *caps, db_result *r)
{
    link_pg *l = (link_pg *)base;
    const bool agents = PQtransactionStatus(l->db) == PQTRANS_INTRANS;
    send(l, sql, !agents, caps, r);
}

/* ---- an agent's statement ---- */

static void pg_begin(db_link *base, const db_caps *caps, bool read_only, const char *place,
                     db_result *r)
{
    link_pg *l = (link_pg *)base;
    cmat_buf sql = {0};
    cmat_buf_printf(&sql, "BEGIN %s; SET LOCAL statement_timeout = %.0f; SET LOCAL search_path = ",
                    read_only ? "READ ONLY" : "READ WRITE", caps->timeout * 1000);
    if (place)
        db_quoted_add(&sql, place, '"');
    else
        cmat_buf_puts(&sql, l->home && *l->home ? l->home : "''");
    send(l, sql.data, true, caps, r);
    cmat_buf_clear(&sql);
}

static void pg_end(db_link *base, bool keep)
{
    db_result r = {0};
    send((link_pg *)base, keep ? "COMMIT" : "ROLLBACK", true, &(db_caps){0}, &r);
    db_result_clear(&r);
}

static bool pg_plan(db_link *base, const char *sql, db_plan *out)
{
    db_result r = {0};
    bool ok = db_link_do(base, &r, NULL, "EXPLAIN %s", sql) == CMAT_OK;
    for (size_t i = 0; i < r.n_rows; i++) {
        const char *line = db_cell(&r, i, 0);
        double cost, rows;
        line += strspn(line, " ");
        cmat_buf_printf(&out->text, "%s%s", i ? "; " : "", line);
        const char *p = i == 0 ? strstr(line, "(cost=") : NULL;
        if (p && sscanf(p, "(cost=%*f..%lf rows=%lf", &cost, &rows) == 2) {
            out->cost = cost;
            out->rows = rows;
        }
    }
    db_result_clear(&r);
    return ok;
}

/* ---- the role ---- */

static cmat_status pg_judge(db_link *l, const db_url *u, cmat_error *err)
{
    static const char *const rights[] = {
        "is a superuser",       "may make roles",      "may make databases",
        "may replicate",        "passes row security", "is a member of a server's role (pg_...)",
        "owns another database"};
    db_result r = {0};
    cmat_status st =
        db_link_do(l, &r, err,
                   "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, "
                   "EXISTS (SELECT 1 FROM pg_roles o WHERE left(o.rolname, 3) = 'pg_' AND "
                   "o.rolname <> 'pg_database_owner' AND pg_has_role(r.oid, o.oid, 'MEMBER')), "
                   "EXISTS (SELECT 1 FROM pg_database d WHERE d.datdba = r.oid AND "
                   "d.datname <> current_database()) FROM pg_roles r WHERE rolname = current_user");
    for (int i = 0; st == CMAT_OK && i < (int)(sizeof rights / sizeof *rights); i++)
        if (!strcmp(db_cell(&r, 0, i), "true"))
            st = cmat_fail(err, CMAT_ERR_ARG,
                           "db: %s: this role may do more than use its database (it %s): name one "
                           "that may not, or add allow_superuser=1 to the address",
                           u->text, rights[i]);
    db_result_clear(&r);
    return st;
}

/* ---- places and shadows ---- */

/* The sequence of a shadow's column. */
static void sequence_name(const db_table *t, int i, char name[40])
{
    snprintf(name, 40, "pg_temp.cmat_seq_%llx_%d",
             (unsigned long long)cmat_fnv1a(t->name, strlen(t->name)), i);
}

/* Columns that number themselves by a sequence of the original would ask it for the next number,
 * which a read-only transaction may not: they get one of their own. */
static cmat_status own_sequence(db_link *l, const db_table *t, int i, cmat_error *err)
{
    cmat_buf col = {0}, table = {0};
    char seq[40];
    sequence_name(t, i, seq);
    db_quoted_add(&col, t->columns[i].name, '"');
    db_quoted_add(&table, t->name, '"');
    cmat_status st =
        db_link_do(l, NULL, err,
                   "CREATE SEQUENCE %s; "
                   "SELECT setval('%s', coalesce((SELECT max(%s) FROM pg_temp.%s), 0) + 1, false); "
                   "ALTER TABLE pg_temp.%s ALTER %s SET DEFAULT nextval('%s')",
                   seq, seq, col.data, table.data, table.data, col.data, seq);
    cmat_buf_clear(&col);
    cmat_buf_clear(&table);
    return st;
}

static int64_t pg_next_number(db_link *l, const db_table *t, int i)
{
    char seq[40];
    db_result r = {0};
    sequence_name(t, i, seq);
    const bool ok =
        db_link_do(l, &r, NULL, "SELECT last_value + is_called::int FROM %s", seq) == CMAT_OK &&
        r.n_rows == 1 && r.rows[0].type == DB_VALUE_INT;
    const int64_t next = ok ? r.rows[0].i : 0;
    db_result_clear(&r);
    return next;
}

static void pg_set_next_number(db_link *l, const db_table *t, int i, int64_t n)
{
    char seq[40];
    sequence_name(t, i, seq);
    db_link_do(l, NULL, NULL, "SELECT setval('%s', %lld, false)", seq, (long long)n);
}

static cmat_status pg_shadow(db_link *base, const db_table *t, cmat_error *err)
{
    cmat_buf name = {0}, columns = {0};
    db_result r = {0};
    db_quoted_add(&name, t->name, '"');
    for (int i = 0; i < t->n_columns; i++)
        if (!t->columns[i].generated) {
            cmat_buf_puts(&columns, columns.len ? ", " : "");
            db_quoted_add(&columns, t->columns[i].name, '"');
        }
    cmat_status st = db_link_do(base, &r, err, "SELECT quote_ident(current_schema())");
    if (st == CMAT_OK)
        st = db_link_do(base, NULL, err,
                        "CREATE TEMP TABLE %s (LIKE %s.%s INCLUDING DEFAULTS INCLUDING CONSTRAINTS "
                        "INCLUDING INDEXES INCLUDING GENERATED); "
                        "INSERT INTO pg_temp.%s (%s) SELECT %s FROM %s.%s",
                        name.data, db_cell(&r, 0, 0), name.data, name.data, cmat_buf_str(&columns),
                        cmat_buf_str(&columns), db_cell(&r, 0, 0), name.data);
    for (int i = 0; st == CMAT_OK && i < t->n_columns; i++)
        if (t->columns[i].rowid)
            st = own_sequence(base, t, i, err);
    db_result_clear(&r);
    cmat_buf_clear(&name);
    cmat_buf_clear(&columns);
    return st;
}

/* Advisory locks have numbers. */
static long long lock_number(const char *name)
{
    return (long long)(cmat_fnv1a(name, strlen(name)) >> 1);
}

static cmat_status pg_create_place(db_link *l, const char *name, bool habits, cmat_error *err)
{
    cmat_buf sql = {0};
    cmat_buf_printf(&sql, "SELECT pg_advisory_lock(%lld); CREATE SCHEMA \"%s\"", lock_number(name),
                    name);
    if (habits)
        db_habits_objects(name, &sql);
    cmat_status st = db_link_do(l, NULL, err, "%s", sql.data);
    cmat_buf_clear(&sql);
    return st;
}

static void pg_drop_place(db_link *l, const char *name)
{
    db_link_do(l, NULL, NULL, "DROP SCHEMA IF EXISTS \"%s\" CASCADE", name);
    db_link_do(l, NULL, NULL, "SELECT pg_advisory_unlock(%lld)", lock_number(name));
}

static void pg_sweep(db_link *l)
{
    db_result r = {0}, got = {0};
    if (db_link_do(l, &r, NULL,
                   "SELECT nspname FROM pg_namespace WHERE left(nspname, 5) = '%s' AND "
                   "pg_has_role(nspowner, 'USAGE')",
                   DB_PLACE_PREFIX) == CMAT_OK)
        for (size_t i = 0; i < r.n_rows; i++) {
            const char *name = db_cell(&r, i, 0);
            const long long made = db_place_made(name);
            if (!made || made + DB_PLACE_AGE >= time(NULL))
                continue;
            if (db_link_do(l, &got, NULL, "SELECT pg_try_advisory_lock(%lld)", lock_number(name)) ==
                    CMAT_OK &&
                !strcmp(db_cell(&got, 0, 0), "true"))
                pg_drop_place(l, name);
        }
    db_result_clear(&r);
    db_result_clear(&got);
}

static const char *pg_type(const char *stated, bool habits)
{
    static const char *const reals[] = {"REAL", "FLOAT", "DOUBLE", NULL};
    if (habits)
        return "TEXT COLLATE " DB_HABITS_COLLATION;
    for (size_t i = 0; reals[i]; i++)
        if (!strcasecmp(stated, reals[i]))
            return "DOUBLE PRECISION";
    return *stated ? stated : "TEXT";
}

static void pg_literal(db_link *l, const char *s, size_t n, cmat_buf *out)
{
    (void)l;
    cmat_buf_putc(out, '\'');
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\'')
            cmat_buf_putc(out, '\'');
        if (s[i]) /* PostgreSQL's texts hold no NUL */
            cmat_buf_putc(out, s[i]);
    }
    cmat_buf_putc(out, '\'');
}

static const char *const schemes[] = {"postgresql", "postgres", NULL};

const db_link_ops db_postgres = {
    .name = "PostgreSQL",
    .schemes = schemes,
    .quote = DB_QUOTE_POSTGRES,
    .ddl_undone = true,
    .ending = "schema",
    .open = pg_open,
    .close = pg_close,
    .query = pg_query,
    .begin = pg_begin,
    .end = pg_end,
    .plan = pg_plan,
    .judge_role = pg_judge,
    .columns_sql =
        "SELECT c.relname, a.attname, "
        "replace(replace(replace(format_type(a.atttypid, a.atttypmod), 'character varying', "
        "'varchar'), ' without time zone', ''), 'timestamp with time zone', 'timestamptz'), "
        "a.attnotnull::int, pg_get_expr(d.adbin, d.adrelid), "
        "coalesce((SELECT array_position(k.conkey, a.attnum) FROM pg_constraint k "
        "WHERE k.conrelid = c.oid AND k.contype = 'p'), 0), (a.attgenerated <> '')::int, "
        "(c.relkind IN ('v', 'm'))::int, "
        "(a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', "
        "false))::int, c.reltuples::bigint "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND "
        "NOT a.attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum "
        "WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) "
        "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND "
        "has_table_privilege(c.oid, 'SELECT') ORDER BY c.oid, a.attnum",
    .keys_sql =
        "SELECT c.relname, k.conname, a.attname, r.relname, b.attname FROM pg_constraint k "
        "JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid "
        "CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS u(x, y, n) "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.x "
        "JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = u.y "
        "WHERE k.contype = 'f' AND c.relnamespace = r.relnamespace AND "
        "c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) "
        "ORDER BY c.oid, k.conname, u.n",
    .places_sql =
        "SELECT nspname, coalesce(nspname = current_schema(), false)::int FROM "
        "pg_namespace WHERE left(nspname, 3) <> 'pg_' AND left(nspname, 5) <> 'cmat_' "
        "AND nspname <> 'information_schema'",
    .shadow = pg_shadow,
    .next_number = pg_next_number,
    .set_next_number = pg_set_next_number,
    .create_place = pg_create_place,
    .drop_place = pg_drop_place,
    .sweep = pg_sweep,
    .type = pg_type,
    .literal = pg_literal,
};
