/* env/db/wiki_table.h - one WikiSQL table, made to look as it does on a page. */
#ifndef CMAT_ENV_DB_WIKI_TABLE_H
#define CMAT_ENV_DB_WIKI_TABLE_H
#include "core/buf.h"
#include "core/mem.h"
#include "core/rng.h"
#include <jansson.h>
#include <stdbool.h>

typedef struct {
    const char *name; /* "Race Results" */
    const char **columns;
    const char ***rows; /* rows[r][c] */
    bool *numeric;      /* of each column: most cells are numbers */
    int n_columns, n_rows;
    cmat_arena arena;
} wiki_table; /* all zero is empty */

/* From {columns, rows} and the questions about it (an array, may be NULL), whose spelling of
 * headers and values is taken over. False: not fit for tasks (too large, odd headers). */
bool wiki_table_make(wiki_table *t, const json_t *table, const json_t *questions, cmat_rng *rng);
void wiki_table_clear(wiki_table *t);
/* {"table_name", "table_info": {"columns", "rows"}} */
json_t *wiki_table_json(const wiki_table *t);
/* Letters and digits of s in lower case, and what is not ASCII: what spelling leaves alone. */
void wiki_plain(cmat_buf *out, const char *s);
bool wiki_same(const char *a, const char *b);
/* The row whose cell in column c is spelled like v; -1: none. */
int wiki_find(const wiki_table *t, int c, const char *v);
#endif
