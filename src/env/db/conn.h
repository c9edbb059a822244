/* env/db/conn.h - inside of db_conn: what SQLite's and a server's connections have in common, and
 * the table of what they do differently. */
#ifndef CMAT_ENV_DB_CONN_H
#define CMAT_ENV_DB_CONN_H
#include "env/db/sqlite.h"
#include <stdatomic.h>

/* A row of db_conn_ops.scan: (n) values, alive during the call. */
typedef void db_row_fn(void *user, const db_value *row, int n);

typedef struct {
    const char *name; /* "SQLite" */
    /* One statement; keep: its change stays. What is wrong with it is in *r. */
    cmat_status (*run)(db_conn *c, const char *sql, bool keep, db_result *r, cmat_error *err);
    bool (*plan)(db_conn *c, const char *sql, db_plan *out);
    /* The episode's tables, in order, NULL-ended: strings and array are the caller's. */
    cmat_status (*tables)(db_conn *c, char ***names, cmat_error *err);
    cmat_status (*scan)(db_conn *c, const char *table, db_row_fn *row, void *user, cmat_error *err);
    /* AgentBench's hash by the server's own functions; NULL: computed from scan. */
    cmat_status (*md5)(db_conn *c, const char *table, char hex[33], cmat_error *err);
    /* The database as bytes, and back; both NULL: cannot. */
    cmat_status (*save)(db_conn *c, cmat_buf *out, cmat_error *err);
    cmat_status (*load)(db_conn *c, const void *state, size_t len, cmat_error *err);
    void (*close)(db_conn *c);
} db_conn_ops;

struct db_conn { /* first member of each kind's own struct */
    const db_conn_ops *ops;
    db_conn_options o;
    char **touched; /* tables written to in this episode */
    size_t n_touched, cap_touched;
    bool ddl; /* the schema was changed, or nobody knows what was: all tables count as touched */
    bool written;
};

/* Fills in what the caller left out. */
void db_conn_init(db_conn *c, const db_conn_ops *ops, const db_conn_options *opts);
void db_conn_clear(db_conn *c);
void db_conn_touch(db_conn *c, const char *table);

/* The statement's first word, upper case ("" when it is none). */
void db_first_word(const char *sql, bool mysql, char head[16]);
/* !r->ok, with the message made one line. */
void db_result_fail(db_result *r, const char *msg);

/* ---- SQLite ---- */

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

typedef struct {
    db_conn base;
    db_image *image;
    sqlite3 *db;
    bool private_copy;
    char *tmp;            /* file of the private copy, NULL when in memory */
    bool guarded;         /* the authorizer applies: an agent's statement is being prepared */
    double deadline;      /* of the running statement, by cmat_now; 0: none */
    sqlite3_int64 memory; /* sqlite3_memory_used when it began */
    bool out_of_time, out_of_memory;
    char denied[128]; /* what the authorizer refused, "" when nothing */
    char **pending;   /* tables the statement being prepared would write to */
    size_t n_pending, cap_pending;
    bool ddl_pending; /* the schema would change */
} db_lite;

/* Makes these bytes the private copy (none: goes back to the image). On failure all is as it was.
 */
cmat_status db_lite_replace(db_lite *c, const void *data, size_t len, cmat_error *err);
/* snapshot.c: db_conn_ops.save and load of SQLite. */
cmat_status db_lite_save(db_conn *c, cmat_buf *out, cmat_error *err);
cmat_status db_lite_load(db_conn *c, const void *state, size_t len, cmat_error *err);

/* Limits, switches, authorizer, progress handler: before the agent's first statement. */
cmat_status db_guard(db_lite *c, cmat_error *err);
/* Puts bounded versions of instr, replace, trim and printf in place; SQLite's code. */
int db_guard_functions(sqlite3 *db);
/* Starts and ends the time and memory account of a statement. */
void db_guard_begin(db_lite *c);
void db_guard_end(db_lite *c);
#endif
