/* env/db/link.h - one connection to a server, and the table of what MariaDB and PostgreSQL do
 * differently. server.c builds worlds on it, server_conn.c episodes.
 *
 * The libraries are optional: without one, its table is a stub whose open says which package the
 * build lacks (mariadb_missing.c, postgres_missing.c). */
#ifndef CMAT_ENV_DB_LINK_H
#define CMAT_ENV_DB_LINK_H
#include "env/db/conn.h"
#include "env/db/url.h"

typedef struct db_link db_link;

typedef struct {
    double timeout; /* seconds; 0: 60 */
    size_t max_rows, max_bytes;
} db_caps;

typedef struct {
    const char *name; /* "MariaDB" */
    const char *const *schemes;
    char quote;         /* of names: schema.h */
    bool mysql;         /* its SQL is read as MySQL's */
    bool ddl_undone;    /* a rollback takes back CREATE and ALTER too */
    const char *ending; /* what a place of one's own is: "database", "schema" */

    cmat_status (*open)(db_link **out, const db_url *u, cmat_error *err);
    void (*close)(db_link *l);
    /* One statement as it is; *r (cleared by the caller) gets rows and what is wrong, never head,
     * writes or ddl. */
    void (*query)(db_link *l, const char *sql, const db_caps *caps, db_result *r);
    /* Around an agent's statement: a transaction with its caps; read_only: nothing lasting can be
     * changed in it. place: where names are looked up, NULL: as the connection was opened. */
    void (*begin)(db_link *l, const db_caps *caps, bool read_only, const char *place, db_result *r);
    void (*end)(db_link *l, bool keep);
    /* True when the statement compiles: nothing is run. NULL: not needed. */
    bool (*compiles)(db_link *l, const char *sql, db_result *r);
    bool (*plan)(db_link *l, const char *sql, db_plan *out);

    /* CMAT_ERR_ARG when the role may do more than use this database. */
    cmat_status (*judge_role)(db_link *l, const db_url *u, cmat_error *err);

    /* Queries of one shape (mirror.c):
     * columns: table, column, type, not null, default, place in the primary key or 0, generated,
     *          is a view, numbers itself, rows about
     * keys:    table, key, column, other table, other column
     * places:  the databases or schemas that the role sees, none of ours; is it the present one */
    const char *columns_sql, *keys_sql, *places_sql;

    /* A temporary table of the same name, definition and rows before table t. */
    cmat_status (*shadow)(db_link *l, const db_table *t, cmat_error *err);
    /* The number that column i of a shadow, which numbers itself, gives next (0: not known), and
     * another one in its place. */
    int64_t (*next_number)(db_link *l, const db_table *t, int i);
    void (*set_next_number)(db_link *l, const db_table *t, int i, int64_t n);
    /* Takes the lock that says that `name` is in use, and makes it. habits: MySQL's are wanted. */
    cmat_status (*create_place)(db_link *l, const char *name, bool habits, cmat_error *err);
    void (*drop_place)(db_link *l, const char *name);
    /* Drops places of ours whose makers are gone. */
    void (*sweep)(db_link *l);
    /* A type for a column of a task's own table, as its file states it. */
    const char *(*type)(const char *stated, bool habits);
    void (*literal)(db_link *l, const char *s, size_t n, cmat_buf *out);
} db_link_ops;

struct db_link { /* first member of each server's own struct */
    const db_link_ops *ops;
    const char
        *product; /* what has answered, where the same table serves two: "MySQL"; else NULL */
    bool lost;    /* the connection broke: nothing more can be asked */
};

extern const db_link_ops db_mariadb, db_postgres;

/* Places of ours are called cmat_<seconds since 1970>_<16 hexadecimal digits>. */
#define DB_PLACE_PREFIX "cmat_"
enum { DB_PLACE_MAX = 48, DB_PLACE_AGE = 60 }; /* younger ones are not swept */
void db_place_name(char name[DB_PLACE_MAX]);
/* The seconds in a place's name, 0 when it is none of ours. */
long long db_place_made(const char *name);

/* Runs a statement of our own: its failure is an error. r: may be NULL. */
cmat_status db_link_do(db_link *l, db_result *r, cmat_error *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The cell as text, "" for NULL or where there is none. */
const char *db_cell(const db_result *r, size_t row, int column);
/* Result rows, as a library's reader fills them: room for one more row of n_columns. */
db_value *db_result_row(db_result *r);
#endif
