/* env/db/values.h - which cells of a database a question's words name.
 *
 * The index holds the distinct short values of every column, folded (lower case, accents stripped);
 * it is made once a world and shared. */
#ifndef CMAT_ENV_DB_VALUES_H
#define CMAT_ENV_DB_VALUES_H
#include "cmat/error.h"
#include "core/buf.h"
#include "env/db/schema.h"
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *text; /* as in the cell (numbers as SQLite prints them) */
    const char *folded;
    int table, column;
    int64_t count; /* rows that hold it */
    uint32_t next; /* next entry of the hash chain + 1, 0: end */
} db_value_entry;

typedef struct {
    db_value_entry
        *entries; /* ordered by table, then column; within: count descending, then text */
    size_t n_entries, cap;
    uint32_t *buckets; /* n_buckets, a power of two; entry + 1 */
    size_t n_buckets;
    size_t *first; /* first entry of each column: first[column_base[table] + column], one past the
                      end */
    int *column_base; /* of each table */
    bool *complete;   /* the column's values are all here (it was not capped); indexed as first */
    int n_columns;    /* of all tables */
    cmat_arena arena;
} db_values; /* all zero is an empty index */

/* At most max_per_column (0: 20,000) distinct values of at most 80 bytes each a column, 64 MiB in
 * all. */
cmat_status db_values_read(db_values *v, const db_schema *s, sqlite3 *db, size_t max_per_column,
                           cmat_error *err);
void db_values_clear(db_values *v);

/* The entries of one column: *n of them, borrowed. complete says whether they are all. */
const db_value_entry *db_values_column(const db_values *v, int table, int column, size_t *n,
                                       bool *complete);
/* The first entry whose folded text equals that of s[0..n), or NULL; db_values_next gives the
 * others. */
const db_value_entry *db_values_find(const db_values *v, const char *s, size_t n);
const db_value_entry *db_values_next(const db_values *v, const db_value_entry *e);
/* The existing text value nearest to s in the column (any column when table < 0); NULL: none near.
 */
const db_value_entry *db_values_nearest(const db_values *v, int table, int column, const char *s);

/* Appends s folded: lower case, accents stripped, runs of white space as one blank. */
void db_fold(cmat_buf *out, const char *s, size_t n);
/* The same, with white space left as it is. */
void db_fold_plain(cmat_buf *out, const char *s, size_t n);

typedef struct {
    size_t budget; /* bytes; 0: 500 */
    int max_hints; /* 0: 8 */
    char quote;    /* for names; 0: '"' */
} db_hints_options;
/* Appends lines "customers.city = 'Porto' (12 rows)": the cells that words, phrases, numbers, dates
 * and quoted text of the question equal, longest first. Returns how many. */
int db_hints_add(const db_values *v, const db_schema *s, const char *question,
                 const db_hints_options *opts, cmat_buf *out);
#endif
