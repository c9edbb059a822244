/* env/db/values.c - the index of a database's distinct values.
 *
 * A hash table over folded texts, chained in the order of the entries, so that the first columns'
 * entries come first. Primary keys that SQLite numbers itself are left out: their values name
 * nothing. */
#include "env/db/values.h"
#include "core/hash.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VALUE = 80 };
static const size_t max_memory = (size_t)64 << 20;

static void add_entry(db_values *v, int table, int column, const char *text, size_t n,
                      int64_t count)
{
    cmat_buf folded = {0};
    db_fold(&folded, text, n);
    if (folded.len && folded.len <= MAX_VALUE * 2) {
        v->entries = cmat_xgrow(v->entries, &v->cap, v->n_entries + 1, sizeof *v->entries);
        db_value_entry *e = &v->entries[v->n_entries++];
        *e = (db_value_entry){.table = table, .column = column, .count = count};
        e->text = cmat_arena_strndup(&v->arena, text, n);
        e->folded = folded.len == n && !memcmp(folded.data, text, n)
                        ? e->text
                        : cmat_arena_strndup(&v->arena, folded.data, folded.len);
    }
    cmat_buf_clear(&folded);
}

static bool worth(const db_table *t, const db_column *c)
{
    return !t->view && t->n_rows > 0 && !c->rowid;
}

/* The most frequent values first; false when the column holds more than fit. */
static bool read_column(db_values *v, const db_schema *s, sqlite3 *db, int table, int column,
                        size_t cap)
{
    const db_table *t = &s->tables[table];
    sqlite3_stmt *st = NULL;
    cmat_buf sql = {0};
    cmat_buf_puts(&sql, "SELECT x, n FROM (SELECT ");
    db_name_add(&sql, t->columns[column].name, '"');
    cmat_buf_puts(&sql, " AS x, count(*) AS n FROM ");
    db_name_add(&sql, t->name, '"');
    cmat_buf_puts(&sql,
                  " GROUP BY 1 COLLATE BINARY) WHERE typeof(x) IN ('text', 'integer', 'real')"
                  " ORDER BY n DESC, x COLLATE BINARY");
    bool all = true;
    size_t n = 0;
    if (sqlite3_prepare_v2(db, sql.data, -1, &st, NULL) == SQLITE_OK)
        while (sqlite3_step(st) == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(st, 0);
            size_t len = (size_t)sqlite3_column_bytes(st, 0);
            if (n >= cap || v->arena.used + v->n_entries * sizeof *v->entries > max_memory) {
                all = false;
                break;
            }
            if (!text || len > MAX_VALUE) {
                all = false;
                continue;
            }
            add_entry(v, table, column, text, len, sqlite3_column_int64(st, 1));
            n++;
        }
    else
        all = false;
    sqlite3_finalize(st);
    cmat_buf_clear(&sql);
    return all;
}

static void make_buckets(db_values *v)
{
    v->n_buckets = 16;
    while (v->n_buckets < v->n_entries * 2)
        v->n_buckets *= 2;
    v->buckets = cmat_xcalloc(v->n_buckets, sizeof *v->buckets);
    for (size_t i = v->n_entries; i-- > 0;) {
        const char *f = v->entries[i].folded;
        size_t b = cmat_fnv1a(f, strlen(f)) & (v->n_buckets - 1);
        v->entries[i].next = v->buckets[b];
        v->buckets[b] = (uint32_t)i + 1;
    }
}

cmat_status db_values_read(db_values *v, const db_schema *s, sqlite3 *db, size_t max_per_column,
                           cmat_error *err)
{
    (void)err;
    size_t cap = max_per_column ? max_per_column : 20000;
    memset(v, 0, sizeof *v);
    v->column_base = cmat_xcalloc((size_t)s->n_tables + 1, sizeof *v->column_base);
    for (int i = 0; i < s->n_tables; i++) {
        v->column_base[i] = v->n_columns;
        v->n_columns += s->tables[i].n_columns;
    }
    v->first = cmat_xcalloc((size_t)v->n_columns + 1, sizeof *v->first);
    v->complete = cmat_xcalloc((size_t)v->n_columns + 1, sizeof *v->complete);
    int at = 0;
    for (int i = 0; i < s->n_tables; i++)
        for (int j = 0; j < s->tables[i].n_columns; j++) {
            v->first[at] = v->n_entries;
            if (worth(&s->tables[i], &s->tables[i].columns[j]))
                v->complete[at] = read_column(v, s, db, i, j, cap);
            at++;
        }
    v->first[at] = v->n_entries;
    make_buckets(v);
    return CMAT_OK;
}

void db_values_clear(db_values *v)
{
    free(v->entries);
    free(v->buckets);
    free(v->first);
    free(v->column_base);
    free(v->complete);
    cmat_arena_clear(&v->arena);
    memset(v, 0, sizeof *v);
}

const db_value_entry *db_values_column(const db_values *v, int table, int column, size_t *n,
                                       bool *complete)
{
    int at = v->column_base[table] + column;
    *n = v->first[at + 1] - v->first[at];
    *complete = v->complete[at];
    return v->entries + v->first[at];
}

const db_value_entry *db_values_find(const db_values *v, const char *s, size_t n)
{
    cmat_buf f = {0};
    const db_value_entry *found = NULL;
    db_fold(&f, s, n);
    if (v->n_buckets && f.len) {
        size_t b = cmat_fnv1a(f.data, f.len) & (v->n_buckets - 1);
        for (uint32_t i = v->buckets[b]; i && !found; i = v->entries[i - 1].next)
            if (!strcmp(v->entries[i - 1].folded, f.data))
                found = &v->entries[i - 1];
    }
    cmat_buf_clear(&f);
    return found;
}

const db_value_entry *db_values_next(const db_values *v, const db_value_entry *e)
{
    for (uint32_t i = e->next; i; i = v->entries[i - 1].next)
        if (!strcmp(v->entries[i - 1].folded, e->folded))
            return &v->entries[i - 1];
    return NULL;
}

/* Edit distance over bytes, or more than limit when it would be. */
static size_t edits(const char *a, size_t n, const char *b, size_t m, size_t limit)
{
    size_t row[MAX_VALUE * 2 + 1];
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diag = row[0], least = row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diag + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diag = row[j];
            row[j] = best;
            least = best < least ? best : least;
        }
        if (least > limit)
            return limit + 1;
    }
    return row[m];
}

const db_value_entry *db_values_nearest(const db_values *v, int table, int column, const char *s)
{
    cmat_buf f = {0};
    const db_value_entry *best = NULL;
    db_fold(&f, s, strlen(s));
    size_t from = 0, to = v->n_entries, n = f.len;
    if (table >= 0) {
        from = v->first[v->column_base[table] + column];
        to = v->first[v->column_base[table] + column + 1];
    }
    size_t limit = n / 3 + 1; /* edits; a value that contains s counts as near too */
    for (size_t i = from; n >= 2 && n <= MAX_VALUE && i < to; i++) {
        const char *e = v->entries[i].folded;
        size_t m = strlen(e), d = limit + 1;
        if (n >= 3 && m >= 3 && (strstr(e, f.data) || strstr(f.data, e)))
            d = 1 + (m > n ? (m - n) : (n - m)) / 8;
        else if ((m > n ? m - n : n - m) <= limit && m <= MAX_VALUE * 2)
            d = edits(f.data, n, e, m, limit);
        if (d <= limit && (!best || d < limit + 1)) {
            best = &v->entries[i];
            limit = d ? d - 1 : 0;
            if (d <= 1)
                break;
        }
    }
    cmat_buf_clear(&f);
    return best;
}
