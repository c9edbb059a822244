/* env/db/sqlite.h - SQLite as a world that an agent cannot break out of.
 *
 * A db_image is a frozen copy of a database (in memory, or a temporary file when large). Each
 * episode reads it in place and gets a private copy at its first write, so nothing reaches the
 * user's file. Statements run hardened: authorizer, limits, deadline, memory and row caps. */
#ifndef CMAT_ENV_DB_SQLITE_H
#define CMAT_ENV_DB_SQLITE_H
#include "cmat/error.h"
#include "core/buf.h"
#include "env/db/schema.h"
#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct db_image db_image; /* reference-counted, never changes, any thread may use it */

/* Freezes a user's database: opened read-only, checked as an untrusted file. CMAT_ERR_FORMAT: not a
 * database, or damaged. Databases over max_memory bytes (0: 64 MiB) go to a temporary file. */
cmat_status db_image_open(db_image **out, const char *path, size_t max_memory, cmat_error *err);
/* Freezes the database of an open connection (a table made in memory). */
cmat_status db_image_take(db_image **out, sqlite3 *db, cmat_error *err);
db_image *db_image_ref(db_image *im);
void db_image_unref(db_image *im); /* accepts NULL */
/* A read-only connection without the agent's limits, for schema and index. Close with
 * sqlite3_close. */
cmat_status db_image_connect(const db_image *im, sqlite3 **out, cmat_error *err);

typedef struct {
    double timeout;  /* seconds a statement; 0: 5 */
    size_t max_rows; /* rows kept of a result, the rest are counted only up to max_count; 0: 1000 */
    size_t max_bytes; /* bytes of text kept of a result; 0: 1 MiB */
    bool mysql;       /* emulate MySQL's habits */
    int max_columns;  /* widest table of the schema, for the column limit */
} db_conn_options;

typedef struct db_conn db_conn; /* one episode's connection; one thread at a time */
cmat_status db_conn_open(db_conn **out, db_image *im, const db_conn_options *opts, cmat_error *err);
void db_conn_close(db_conn *c); /* accepts NULL */

typedef enum {
    DB_VALUE_NULL,
    DB_VALUE_INT,
    DB_VALUE_REAL,
    DB_VALUE_TEXT,
    DB_VALUE_BLOB
} db_value_type;
typedef struct {
    db_value_type type;
    int64_t i;
    double d;
    const char *text; /* TEXT, the bytes of BLOB, the digits of a server's exact REAL (else NULL);
                       * NUL-terminated */
    size_t len;
} db_value;

typedef enum {
    DB_WRONG_OTHER,
    DB_WRONG_SYNTAX,
    DB_WRONG_TABLE, /* there is no such table: db_result.name */
    DB_WRONG_COLUMN
} db_wrong;

/* What a statement gave. Strings live in the result's arena. */
typedef struct {
    bool ok;
    bool denied; /* refused by the sandbox, rather than wrong */
    bool timeout;
    bool writes;     /* the statement is no plain query */
    bool ddl;        /* it changes the schema */
    char error[512]; /* !ok: one line, without position */
    db_wrong wrong;  /* !ok: what it is about */
    char name[128];  /* the table or column that is not there */
    int n_columns;   /* 0: the statement gives no rows */
    const char **columns;
    const char *kinds; /* (n_columns) 'd' a date, 't' a time of a day of a date, else ' '; NULL: the
                        * database has no such types */
    db_value *rows;    /* (n_rows, n_columns) row-major */
    size_t n_rows, cap_rows;
    bool more;       /* rows were left out: over max_rows or max_bytes */
    int64_t changed; /* rows inserted, updated or deleted (without triggers') */
    char head[16];   /* first keyword, upper case: "SELECT" */
    cmat_arena arena;
} db_result; /* all zero is empty */
void db_result_clear(db_result *r);

/* Runs one statement as the agent would. Whatever is wrong with it is in *r, never a failure; only
 * what is wrong with us (out of memory, the copy cannot be made) is one. */
cmat_status db_conn_run(db_conn *c, const char *sql, db_result *r, cmat_error *err);
/* The same, in a savepoint that is rolled back. */
cmat_status db_conn_try(db_conn *c, const char *sql, db_result *r, cmat_error *err);
typedef struct {
    cmat_buf text; /* one line, "; " between steps */
    double cost;   /* as the server reckons it; < 0: it does not say */
    double rows;   /* that it expects to look at or give; < 0 */
} db_plan;
void db_plan_clear(db_plan *p);
/* How the database would run the statement; false: it does not compile. */
bool db_conn_plan(db_conn *c, const char *sql, db_plan *out);
/* True when some statement of this episode changed, or may have changed, the database. */
bool db_conn_written(const db_conn *c);
/* The database's content as bytes, equal ones for equal content, and back to it: what was there is
 * replaced. CMAT_ERR_UNSUPPORTED: a server's, or over 64 MiB. */
cmat_status db_conn_save(db_conn *c, cmat_buf *out, cmat_error *err);
cmat_status db_conn_load(db_conn *c, const void *state, size_t len, cmat_error *err);

/* 128-bit hash of the tables' contents, row order and rowids ignored, as 32 hex digits and a NUL.
 * like: only tables that a or b wrote to (b may be NULL; both NULL: all tables). */
cmat_status db_conn_hash(db_conn *c, const db_conn *a, const db_conn *b, char hex[33],
                         cmat_error *err);
/* AgentBench's: md5 of the sorted, joined 5-digit row hashes of one table. */
cmat_status db_conn_mysql_md5(db_conn *c, const char *table, char hex[33], cmat_error *err);

/* `cmat ask --write`: runs one INSERT, UPDATE or DELETE on the user's own file in a transaction of
 * its own. confirm (may be NULL: yes) sees the rows changed before the commit; false rolls back
 * (CMAT_ERR_CANCELLED). CMAT_ERR_ARG: the statement is none of the three, or is wrong. */
typedef struct {
    bool (*confirm)(void *user, const char *sql, int64_t changed);
    void *user;
    double timeout; /* seconds; 0: 30 */
} db_apply_options;
cmat_status db_apply(const char *path, const char *sql, const db_apply_options *opts,
                     int64_t *changed, cmat_error *err);
#endif
