/* env/db/conn.h - inside of db_image and db_conn, for the files db_*.c only. */
#ifndef CMAT_ENV_DB_CONN_H
#define CMAT_ENV_DB_CONN_H
#include "env/db/sqlite.h"
#include <stdatomic.h>

struct db_image {
    atomic_int refs;
    unsigned char *data; /* the database file's bytes, or NULL: in file */
    size_t len;
    char *file; /* temporary copy of a large database, removed at the end */
};

/* A new connection to the image: read in place, or (private) a copy of its own that may grow by
 * at most `grow` bytes. *tmp is the copy's file, or NULL: the caller removes and frees it. */
cmat_status db_image_attach(const db_image *im, bool private_copy, size_t grow, sqlite3 **out,
                            char **tmp, cmat_error *err);

struct db_conn {
    db_image *image;
    db_conn_options o;
    sqlite3 *db;
    bool private_copy;
    char *tmp;            /* file of the private copy, NULL when in memory */
    bool guarded;         /* the authorizer applies: an agent's statement is being prepared */
    double deadline;      /* of the running statement, by cmat_now; 0: none */
    sqlite3_int64 memory; /* sqlite3_memory_used when it began */
    bool out_of_time, out_of_memory;
    char denied[128]; /* what the authorizer refused, "" when nothing */
    char **touched;   /* tables written to in this episode */
    size_t n_touched, cap_touched;
    char **pending; /* tables the statement being prepared would write to */
    size_t n_pending, cap_pending;
    bool ddl_pending, ddl; /* the schema changes / was changed */
    bool written;
};

/* Limits, switches, authorizer, progress handler: before the agent's first statement. */
cmat_status db_guard(db_conn *c, cmat_error *err);
/* Puts bounded versions of instr, replace, trim and printf in place; SQLite's code. */
int db_guard_functions(sqlite3 *db);
/* Starts and ends the time and memory account of a statement. */
void db_guard_begin(db_conn *c);
void db_guard_end(db_conn *c);
#endif
