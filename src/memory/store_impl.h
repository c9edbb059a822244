/* memory/store_impl.h - what the files of the store share; not for users. */
#ifndef CMAT_MEMORY_STORE_IMPL_H
#define CMAT_MEMORY_STORE_IMPL_H
#include "memory/store.h"
#include <sqlite3.h>

struct cmat_store {
    sqlite3 *db;
    char *path;
};

/* CMAT_ERR_IO, or CMAT_ERR_FORMAT for a damaged file: "store PATH: WHAT: SQLite's message". */
cmat_status cmat_store_fail(cmat_store *s, const char *what, cmat_error *err);
cmat_status cmat_store_exec(cmat_store *s, const char *sql, const char *what, cmat_error *err);
cmat_status cmat_store_prepare(cmat_store *s, sqlite3_stmt **stmt, const char *sql,
                               const char *what, cmat_error *err);
/* Runs a statement that gives no rows and finalizes it. */
cmat_status cmat_store_run(cmat_store *s, sqlite3_stmt *stmt, const char *what, cmat_error *err);
/* Ends a transaction: COMMIT when st is CMAT_OK, else ROLLBACK. Returns st or the failure to
 * commit. */
cmat_status cmat_store_end(cmat_store *s, cmat_status st, const char *what, cmat_error *err);
/* Binds a string that lives until the statement is finalized; NULL binds NULL. */
void cmat_store_bind(sqlite3_stmt *stmt, int index, const char *text);
const char *cmat_store_column(sqlite3_stmt *stmt, int index); /* "" for NULL */
#endif
