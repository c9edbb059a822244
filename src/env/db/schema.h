/* env/db/schema.h - what an SQLite database holds: tables, columns, keys, sample rows.
 *
 * Everything lives in the schema's own arena and never changes after db_schema_read, so that any
 * number of threads may read it. */
#ifndef CMAT_ENV_DB_SCHEMA_H
#define CMAT_ENV_DB_SCHEMA_H
#include "cmat/error.h"
#include "core/buf.h"
#include "core/mem.h"
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    DB_AFFINITY_BLOB, /* no declared type, or BLOB: values are kept as they come */
    DB_AFFINITY_TEXT,
    DB_AFFINITY_NUMERIC,
    DB_AFFINITY_INTEGER,
    DB_AFFINITY_REAL
} db_affinity;

typedef struct {
    const char *name;
    const char *type; /* as declared, "" when none */
    const char *def;  /* DEFAULT as SQL text, or NULL */
    db_affinity affinity;
    bool not_null;
    bool generated; /* computed: cannot be written */
    bool rowid;     /* INTEGER PRIMARY KEY: filled by SQLite when left out */
    int pk;         /* 1-based place in the primary key, 0: not in it */
    int fk;         /* index in the table's fks of the first key on this column, -1: none */
} db_column;

/* One column of a foreign key. Keys over several columns give one db_fk a column, with equal key.
 */
typedef struct {
    int column;     /* in this table */
    int ref_table;  /* in the schema */
    int ref_column; /* in that table */
    int key;        /* number of the foreign key in this table, from 0 */
    bool inferred;  /* not declared: the name x_id and the types fit the one primary key of x */
} db_fk;

#define DB_MAX_SAMPLES 3
typedef struct {
    const char *name;
    db_column *columns;
    int n_columns;
    db_fk *fks;
    int n_fks;
    int n_pk;  /* columns in the primary key */
    bool view; /* a view: n_rows is -1 */
    bool without_rowid;
    int64_t n_rows;
    int n_samples;
    const char **samples[DB_MAX_SAMPLES]; /* samples[row][column]: text cut at 32 characters, NULL
                                             for NULL */
} db_table;

typedef struct {
    db_table *tables; /* in the order of creation; SQLite's own tables are left out */
    int n_tables;
    int max_columns; /* of the widest table */
    cmat_arena arena;
} db_schema; /* all zero is an empty schema */

/* Reads the schema of db's main database into s (cleared by the caller). At most 500 tables of
 * 2,000 columns: CMAT_ERR_LIMIT above. On failure s is empty. */
cmat_status db_schema_read(db_schema *s, sqlite3 *db, cmat_error *err);
void db_schema_clear(db_schema *s);

/* Case-insensitive, as SQLite's names are. -1: none. */
int db_schema_find_table(const db_schema *s, const char *name);
int db_table_find_column(const db_table *t, const char *name);
/* The name nearest to `name` among all tables (table < 0 and !columns), the columns of one table,
 * or all columns (table < 0); NULL when nothing is near. */
const char *db_schema_nearest(const db_schema *s, int table, bool columns, const char *name);

/* How names are quoted, and which must be: SQLite's way ('"', or '`' as MySQL writes it), or as the
 * server itself asks for. */
enum { DB_QUOTE_MARIADB = 'm', DB_QUOTE_POSTGRES = 'p' };
/* True when name can stand in SQL without quotes (letters, digits, _, not a keyword). */
bool db_name_is_bare(const char *name, char quote);
/* Appends name, quoted when it must be. */
void db_name_add(cmat_buf *out, const char *name, char quote);
/* Appends name in these quotation marks, doubled inside. */
void db_quoted_add(cmat_buf *out, const char *name, char mark);
/* Appends value as an SQL string literal, quotes doubled. */
void db_literal_add(cmat_buf *out, const char *value);

typedef struct {
    size_t budget; /* bytes; sample rows go first, then columns are cut with "..." */
    int n_samples; /* rows a table, at most DB_MAX_SAMPLES */
    char quote;    /* for names that need it */
    bool types;    /* write declared types */
} db_schema_prompt_options;
#define DB_SCHEMA_PROMPT_DEFAULT                                    \
    {                                                               \
        .budget = 1600, .n_samples = 2, .quote = '"', .types = true \
    }

/* Appends one line a table, and its sample rows below:
 *   orders(order_id int pk, customer_id int -> customers, status text, total real)
 *   e.g. 1 | 17 | paid | 12.5
 * At most budget bytes, a note says what was left out. */
void db_schema_prompt(const db_schema *s, const db_schema_prompt_options *opts, cmat_buf *out);
#endif
