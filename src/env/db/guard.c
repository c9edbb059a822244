/* env/db/guard.c - what an agent's statement may do: SQLite's advice for untrusted SQL
 * (sqlite.org/security.html), as an allow-list.
 *
 * LIKE patterns, values and statements are short enough that no single function call runs long; all
 * else passes the progress handler, which knows the wall clock and the memory. */
#include "core/cancel.h"
#include "core/mem.h"
#include "env/db/conn.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PROGRESS_OPS = 200 };
static const sqlite3_int64 statement_memory = (sqlite3_int64)256 << 20;
static const sqlite3_int64 process_heap = (sqlite3_int64)4 << 30;

static const char *const allowed_pragmas[] = {
    "table_info",  "table_xinfo",      "table_list",    "index_list",   "index_info",
    "index_xinfo", "foreign_key_list", "function_list", "user_version", "data_version",
    NULL};
static const char *const denied_functions[] = {
    "load_extension", "fts3_tokenizer", "readfile", "writefile",      "edit",       "sqlite_log",
    "zipfile",        "fsdir",          "lsmode",   "sqlar_compress", "json_patch", NULL};

static bool in_list(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (name && !strcasecmp(*list, name))
            return true;
    return false;
}

static int deny(db_lite *c, const char *what, const char *name)
{
    if (!c->denied[0])
        sqlite3_snprintf(sizeof c->denied, c->denied, "not allowed here: %s%s%.60s", what,
                         name ? " " : "", name ? name : "");
    return SQLITE_DENY;
}

static void pending_add(db_lite *c, const char *table)
{
    for (size_t i = 0; i < c->n_pending; i++)
        if (!strcasecmp(c->pending[i], table))
            return;
    c->pending = cmat_xgrow(c->pending, &c->cap_pending, c->n_pending + 1, sizeof *c->pending);
    c->pending[c->n_pending++] = cmat_xstrdup(table);
}

/* Tables of the schema are written through these two; a change to sqlite_master means DDL. */
static int write_to(db_lite *c, const char *table, const char *schema)
{
    if (schema && strcasecmp(schema, "main") != 0)
        return SQLITE_OK; /* temporary tables die with the episode */
    if (table && !strncasecmp(table, "sqlite_", 7))
        c->ddl_pending = true;
    else if (table)
        pending_add(c, table);
    return SQLITE_OK;
}

static int authorize(void *user, int action, const char *a, const char *b, const char *schema,
                     const char *trigger)
{
    db_lite *c = user;
    (void)trigger;
    if (!c->guarded)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        return write_to(c, a, schema);
    case SQLITE_FUNCTION:
        return in_list(denied_functions, b) ? deny(c, "function", b) : SQLITE_OK;
    case SQLITE_PRAGMA:
        return in_list(allowed_pragmas, a) ? SQLITE_OK : deny(c, "PRAGMA", a);
    case SQLITE_CREATE_INDEX:
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_VIEW:
    case SQLITE_CREATE_VIEW:
    case SQLITE_DROP_INDEX:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_TEMP_INDEX:
    case SQLITE_DROP_TEMP_TABLE:
    case SQLITE_DROP_TEMP_VIEW:
    case SQLITE_DROP_VIEW:
    case SQLITE_DROP_TRIGGER: /* goes with its table */
    case SQLITE_DROP_TEMP_TRIGGER:
    case SQLITE_ALTER_TABLE:
    case SQLITE_REINDEX: /* part of CREATE INDEX */
        c->ddl_pending = true;
        return SQLITE_OK;
    case SQLITE_ATTACH:
        return deny(c, "ATTACH or VACUUM", NULL);
    case SQLITE_DETACH:
        return deny(c, "DETACH", NULL);
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        return deny(c, "transactions", NULL);
    case SQLITE_CREATE_VTABLE:
    case SQLITE_DROP_VTABLE:
        return deny(c, "virtual tables", NULL);
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_CREATE_TEMP_TRIGGER:
        return deny(c, "triggers", NULL);
    default:
        return deny(c, "this statement", NULL);
    }
}

static int progress(void *user)
{
    db_lite *c = user;
    if (c->deadline > 0 && cmat_now() > c->deadline)
        c->out_of_time = true;
    if (c->deadline > 0 && sqlite3_memory_used() - c->memory > statement_memory)
        c->out_of_memory = true;
    return c->out_of_time || c->out_of_memory;
}

static int at_least(int a, int b)
{
    return a > b ? a : b;
}

cmat_status db_guard(db_lite *c, cmat_error *err)
{
    static const struct {
        int id, value;
    } limits[] = {{SQLITE_LIMIT_LENGTH, 2000000},     {SQLITE_LIMIT_SQL_LENGTH, 100000},
                  {SQLITE_LIMIT_EXPR_DEPTH, 100},     {SQLITE_LIMIT_COMPOUND_SELECT, 10},
                  {SQLITE_LIMIT_VDBE_OP, 25000},      {SQLITE_LIMIT_FUNCTION_ARG, 100},
                  {SQLITE_LIMIT_ATTACHED, 0},         {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100},
                  {SQLITE_LIMIT_VARIABLE_NUMBER, 10}, {SQLITE_LIMIT_TRIGGER_DEPTH, 10},
                  {SQLITE_LIMIT_WORKER_THREADS, 0}};
    sqlite3 *db = c->db;
    int was = 0;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        sqlite3_limit(db, limits[i].id, limits[i].value);
    sqlite3_limit(db, SQLITE_LIMIT_COLUMN, at_least(100, 2 * c->base.o.max_columns));
    int rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, &was);
    rc |= sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, &was);
    rc |= sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, &was);
    rc |= sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0, &was);
    rc |= sqlite3_db_config(db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0, &was);
    rc |= db_guard_functions(db);
    rc |= sqlite3_set_authorizer(db, authorize, c);
    if (rc != SQLITE_OK)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "db: this SQLite cannot be hardened");
    sqlite3_progress_handler(db, PROGRESS_OPS, progress, c);
    /* A backstop for the whole process; the statement's own cap is in progress(). */
    if (sqlite3_hard_heap_limit64(-1) == 0)
        sqlite3_hard_heap_limit64(process_heap);
    return CMAT_OK;
}

void db_guard_begin(db_lite *c)
{
    c->guarded = true;
    c->out_of_time = c->out_of_memory = false;
    c->denied[0] = 0;
    c->ddl_pending = false;
    while (c->n_pending)
        free(c->pending[--c->n_pending]);
    c->memory = sqlite3_memory_used();
    c->deadline = cmat_now() + c->base.o.timeout;
}

void db_guard_end(db_lite *c)
{
    c->guarded = false;
    c->deadline = 0;
    c->out_of_time = c->out_of_memory = false;
}
