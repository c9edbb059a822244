/* env/db/hash.c - two databases compared by their contents.
 *
 * Ours: each row is hashed with its values' types (whole REALs count as integers), the rows' hashes
 * are added, so that order does not matter, and the tables' sums go through MD5 with their names.
 * AgentBench's: md5(group_concat(substring(md5(concat_ws(',', columns)), 1, 5) order by 1)). */
#include "core/hash.h"
#include "core/mem.h"
#include "env/db/conn.h"
#include "env/db/render.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
    uint64_t a, b; /* sums of two hashes of each row */
    uint64_t rows;
} table_sum;

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void row_bytes(const db_value *row, int n, cmat_buf *b)
{
    cmat_buf_truncate(b, 0);
    for (int i = 0; i < n; i++) {
        db_value_type type = row[i].type;
        double d = type == DB_VALUE_REAL ? row[i].d : 0;
        int64_t whole = type == DB_VALUE_INT ? row[i].i : 0;
        if (type == DB_VALUE_REAL && d >= -9e15 && d <= 9e15 && d == (double)(int64_t)d) {
            whole = (int64_t)d;
            type = DB_VALUE_INT;
        }
        cmat_buf_putc(b, (char)type);
        if (type == DB_VALUE_INT) {
            cmat_buf_add(b, &whole, sizeof whole);
        } else if (type == DB_VALUE_REAL) {
            cmat_buf_add(b, &d, sizeof d);
        } else if (type != DB_VALUE_NULL) {
            int64_t n_bytes = (int64_t)row[i].len;
            cmat_buf_add(b, &n_bytes, sizeof n_bytes);
            if (row[i].text)
                cmat_buf_add(b, row[i].text, row[i].len);
        }
    }
}

typedef struct {
    table_sum sum;
    cmat_buf b;
} summing;

static void sum_row(void *user, const db_value *row, int n)
{
    summing *s = user;
    row_bytes(row, n, &s->b);
    uint64_t h = cmat_fnv1a(cmat_buf_str(&s->b), s->b.len);
    s->sum.a += mix(h);
    s->sum.b += mix(h ^ 0x9e3779b97f4a7c15u ^ s->b.len << 32);
    s->sum.rows++;
}

static cmat_status sum_table(db_conn *c, const char *table, table_sum *sum, cmat_error *err)
{
    summing s = {0};
    cmat_status st = c->ops->scan(c, table, sum_row, &s, err);
    *sum = s.sum;
    cmat_buf_clear(&s.b);
    return st;
}

static bool touched_by(const db_conn *c, const char *table)
{
    for (size_t i = 0; c && i < c->n_touched; i++)
        if (!strcasecmp(c->touched[i], table))
            return true;
    return false;
}

cmat_status db_conn_hash(db_conn *c, const db_conn *a, const db_conn *b, char hex[33],
                         cmat_error *err)
{
    char **names = NULL;
    cmat_buf text = {0};
    bool all = (!a && !b) || (a && a->ddl) || (b && b->ddl);
    cmat_status st = c->ops->tables(c, &names, err);
    for (size_t i = 0; st == CMAT_OK && names && names[i]; i++) {
        table_sum sum;
        if (!all && !touched_by(a, names[i]) && !touched_by(b, names[i]))
            continue;
        if ((st = sum_table(c, names[i], &sum, err)) == CMAT_OK)
            cmat_buf_printf(&text, "%s %llx %llx %llx\n", names[i], (unsigned long long)sum.a,
                            (unsigned long long)sum.b, (unsigned long long)sum.rows);
    }
    cmat_md5_hex(cmat_buf_str(&text), text.len, hex);
    for (size_t i = 0; names && names[i]; i++)
        free(names[i]);
    free(names);
    cmat_buf_clear(&text);
    return st;
}

static int by_text(const void *a, const void *b)
{
    return memcmp(a, b, 5);
}

typedef struct {
    char (*hashes)[5];
    size_t n, cap;
    cmat_buf b;
} row_hashes;

static void hash_row(void *user, const db_value *row, int n)
{
    row_hashes *h = user;
    char hex[33];
    bool any = false; /* CONCAT_WS leaves NULLs out */
    cmat_buf_truncate(&h->b, 0);
    for (int i = 0; i < n; i++) {
        if (row[i].type == DB_VALUE_NULL)
            continue;
        if (any)
            cmat_buf_putc(&h->b, ',');
        db_value_text(&row[i], &h->b);
        any = true;
    }
    cmat_md5_hex(cmat_buf_str(&h->b), h->b.len, hex);
    h->hashes = cmat_xgrow(h->hashes, &h->cap, h->n + 1, sizeof *h->hashes);
    memcpy(h->hashes[h->n++], hex, 5);
}

cmat_status db_conn_mysql_md5(db_conn *c, const char *table, char hex[33], cmat_error *err)
{
    row_hashes h = {0};
    /* by the server itself, unless it has no MD5(), as MySQL since 9.6 */
    if (c->ops->md5 && c->ops->md5(c, table, hex, NULL) == CMAT_OK)
        return CMAT_OK;
    cmat_status st = c->ops->scan(c, table, hash_row, &h, err);
    if (h.n)
        qsort(h.hashes, h.n, sizeof *h.hashes, by_text);
    cmat_buf_truncate(&h.b, 0);
    for (size_t i = 0; i < h.n; i++)
        cmat_buf_printf(&h.b, "%s%.5s", i ? "," : "", h.hashes[i]);
    /* MySQL's group_concat_max_len; of no rows it gives NULL, and md5(NULL) is NULL. */
    cmat_md5_hex(cmat_buf_str(&h.b), h.b.len > 1024 ? 1024 : h.b.len, hex);
    if (h.n == 0)
        memcpy(hex, "None", sizeof "None");
    free(h.hashes);
    cmat_buf_clear(&h.b);
    return st;
}
