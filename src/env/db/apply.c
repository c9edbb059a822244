/* env/db/apply.c - the one way in which a statement reaches a user's own file: `cmat ask --write`.
 *
 * The same guard as in an episode, one INSERT, UPDATE or DELETE, in a transaction that is committed
 * only after confirm has seen how many rows change. */
#include "core/mem.h"
#include "env/db/conn.h"
#include "env/db/lex.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static cmat_status check_verb(const char *sql, cmat_error *err)
{
    static const char *const verbs[] = {"INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"};
    const char *p = sql;
    db_token t = db_lex_next(&p, false);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (db_token_is(&t, verbs[i]))
            return db_lex_one_statement(sql, false)
                       ? CMAT_OK
                       : cmat_fail(err, CMAT_ERR_ARG, "db: write: one statement at a time");
    return cmat_fail(err, CMAT_ERR_ARG,
                     "db: write: only INSERT, UPDATE and DELETE may change the file");
}

static cmat_status fail_sqlite(const db_lite *c, const char *path, cmat_error *err)
{
    if (c->denied[0])
        return cmat_fail(err, CMAT_ERR_ARG, "db: write %s: %s", path, c->denied);
    if (c->out_of_time)
        return cmat_fail(err, CMAT_ERR_LIMIT, "db: write %s: stopped after %.0f seconds", path,
                         c->base.o.timeout);
    int rc = sqlite3_errcode(c->db) & 0xff;
    bool io = rc == SQLITE_BUSY || rc == SQLITE_LOCKED || rc == SQLITE_READONLY ||
              rc == SQLITE_IOERR || rc == SQLITE_FULL || rc == SQLITE_CANTOPEN;
    return cmat_fail(err, io ? CMAT_ERR_IO : CMAT_ERR_ARG, "db: write %s: %s", path,
                     sqlite3_errmsg(c->db));
}

/* Inside the transaction: compile under the guard, run to the end, count. */
static cmat_status change(db_lite *c, const char *path, const char *sql, int64_t *changed,
                          cmat_error *err)
{
    sqlite3_stmt *st = NULL;
    cmat_status status = CMAT_OK;
    int rc;
    db_guard_begin(c);
    if (sqlite3_prepare_v2(c->db, sql, -1, &st, NULL) != SQLITE_OK)
        status = fail_sqlite(c, path, err);
    else if (!st || sqlite3_stmt_readonly(st))
        status =
            cmat_fail(err, CMAT_ERR_ARG, "db: write: the statement changes no rows of a table");
    sqlite3_int64 before = sqlite3_total_changes64(c->db);
    if (status == CMAT_OK) {
        while ((rc = sqlite3_step(st)) == SQLITE_ROW)
            ; /* RETURNING */
        if (rc != SQLITE_DONE)
            status = fail_sqlite(c, path, err);
    }
    *changed = sqlite3_total_changes64(c->db) == before ? 0 : sqlite3_changes64(c->db);
    sqlite3_finalize(st);
    db_guard_end(c);
    return status;
}

cmat_status db_apply(const char *path, const char *sql, const db_apply_options *opts,
                     int64_t *changed, cmat_error *err)
{
    db_lite c = {
        .base.o = {.timeout = opts && opts->timeout > 0 ? opts->timeout : 30, .max_columns = 1000}};
    *changed = 0;
    cmat_status st = check_verb(sql, err);
    if (st != CMAT_OK)
        return st;
    if (access(path, F_OK) != 0)
        return cmat_fail(err, CMAT_ERR_NOT_FOUND, "db: write %s: no such file", path);
    if (sqlite3_open_v2(path, &c.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        st = fail_sqlite(&c, path, err);
    if (st == CMAT_OK) {
        sqlite3_busy_timeout(c.db, 5000);
        st = db_guard(&c, err);
    }
    if (st == CMAT_OK && sqlite3_exec(c.db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        st = fail_sqlite(&c, path, err);
    if (st == CMAT_OK)
        st = change(&c, path, sql, changed, err);
    if (st == CMAT_OK && opts && opts->confirm && !opts->confirm(opts->user, sql, *changed))
        st = cmat_fail(err, CMAT_ERR_CANCELLED, "db: write %s: not confirmed, nothing was changed",
                       path);
    if (st == CMAT_OK && sqlite3_exec(c.db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        st = fail_sqlite(&c, path, err);
    if (c.db && !sqlite3_get_autocommit(c.db))
        sqlite3_exec(c.db, "ROLLBACK", NULL, NULL, NULL);
    if (st != CMAT_OK)
        *changed = 0;
    sqlite3_close(c.db);
    while (c.n_pending)
        free(c.pending[--c.n_pending]);
    free(c.pending);
    return st;
}
