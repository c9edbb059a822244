/* env/db/server.h - databases of MariaDB (MySQL) and PostgreSQL servers as worlds.
 *
 * The user's own database is never changed: every statement runs in a read-only transaction, and
 * the tables that an episode writes to are first shadowed by temporary copies, which the server
 * drops with the connection. A task that brings its own tables gets a database (MariaDB) or a
 * schema (PostgreSQL) of its own, dropped at the end of the episode; what a crash left is dropped
 * by the next run. The role must have no rights beyond its database. */
#ifndef CMAT_ENV_DB_SERVER_H
#define CMAT_ENV_DB_SERVER_H
#include "env/db/conn.h"
#include "env/db/schema.h"
#include "env/db/url.h"
#include <jansson.h>

typedef struct db_server db_server; /* reference-counted; any thread may use it */

/* Connects, judges the role, sweeps, lists what else is on the server. */
cmat_status db_server_open(db_server **out, const char *url, cmat_error *err);
db_server *db_server_ref(db_server *s);
void db_server_unref(db_server *s); /* accepts NULL */

const char *db_server_name(const db_server *s); /* "MariaDB" */
char db_server_quote(const db_server *s);       /* schema.h */
bool db_server_mysql(const db_server *s);

/* The server's tables as an SQLite database, with at most 20,000 rows of each and 64 MiB in all:
 * for schema, values and made-up questions. cut: (n) names of the tables that hold more, with how
 * many rows; the caller's to free with db_mirror_clear. */
typedef struct {
    db_image *image;
    struct db_mirror_cut {
        char *table;
        int64_t n_rows; /* -1: it is not cut */
        bool view;
    } * tables;
    size_t n, cap;
} db_mirror;
cmat_status db_mirror_make(db_mirror *m, db_server *s, cmat_error *err);
void db_mirror_clear(db_mirror *m);

/* An episode's connection. tables: a task's own ("table", one object or an array of them), or NULL
 * for the server's database; schema describes them. Both outlive the connection. */
cmat_status db_server_connect(db_conn **out, db_server *s, const json_t *tables,
                              const db_schema *schema, const db_conn_options *opts,
                              cmat_error *err);

/* The name of column i of a task's own table: empty ones, and those that differ only in case, get
 * numbers. */
void db_column_name(const json_t *columns, size_t i, cmat_buf *out);
#endif
