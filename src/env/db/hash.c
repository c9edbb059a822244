/* env/db/hash.c - two databases compared by their contents.
 *
 * Ours: each row is hashed with its values' types (whole REALs count as integers), the rows' hashes
 * are added, so that order does not matter, and the tables' sums go through MD5 with their names.
 * AgentBench's: md5(group_concat(substring(md5(concat_ws(',', columns)), 1, 5) order by 1)). */
#include "core/hash.h"
#include "core/mem.h"
#include "env/db/conn.h"
#include "env/db/schema.h"
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

static void row_bytes(sqlite3_stmt *st, cmat_buf *b)
{
    cmat_buf_truncate(b, 0);
    for (int i = 0, n = sqlite3_column_count(st); i < n; i++) {
        int type = sqlite3_column_type(st, i);
        double d = type == SQLITE_FLOAT ? sqlite3_column_double(st, i) : 0;
        int64_t whole = type == SQLITE_INTEGER ? sqlite3_column_int64(st, i) : 0;
        if (type == SQLITE_FLOAT && d >= -9e15 && d <= 9e15 && d == (double)(int64_t)d) {
            whole = (int64_t)d;
            type = SQLITE_INTEGER;
        }
        cmat_buf_putc(b, (char)type);
        if (type == SQLITE_INTEGER) {
            cmat_buf_add(b, &whole, sizeof whole);
        } else if (type == SQLITE_FLOAT) {
            cmat_buf_add(b, &d, sizeof d);
        } else if (type != SQLITE_NULL) {
            const void *p = sqlite3_column_blob(st, i);
            int64_t n_bytes = sqlite3_column_bytes(st, i);
            cmat_buf_add(b, &n_bytes, sizeof n_bytes);
            if (p)
                cmat_buf_add(b, p, (size_t)n_bytes);
        }
    }
}

static cmat_status sum_table(sqlite3 *db, const char *table, table_sum *sum, cmat_error *err)
{
    cmat_buf b = {0};
    sqlite3_stmt *st = NULL;
    memset(sum, 0, sizeof *sum);
    cmat_buf_puts(&b, "SELECT * FROM main.");
    db_name_add(&b, table, '"');
    int rc = sqlite3_prepare_v2(db, b.data, -1, &st, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        row_bytes(st, &b);
        uint64_t h = cmat_fnv1a(cmat_buf_str(&b), b.len);
        sum->a += mix(h);
        sum->b += mix(h ^ 0x9e3779b97f4a7c15u ^ b.len << 32);
        sum->rows++;
    }
    cmat_status status = rc == SQLITE_DONE
                             ? CMAT_OK
                             : cmat_fail(err, CMAT_ERR_FORMAT, "db: hash of table %s: %s", table,
                                         sqlite3_errmsg(db));
    sqlite3_finalize(st);
    cmat_buf_clear(&b);
    return status;
}

static bool touched_by(const db_conn *c, const char *table)
{
    for (size_t i = 0; c && i < c->n_touched; i++)
        if (!strcasecmp(c->touched[i], table))
            return true;
    return false;
}

/* Table names in order, so that equal databases give equal texts; NULL-terminated. */
static cmat_status table_names(sqlite3 *db, char ***names, cmat_error *err)
{
    sqlite3_stmt *st = NULL;
    size_t cap = 0, n = 0;
    *names = NULL;
    if (sqlite3_prepare_v2(
            db,
            "SELECT name FROM pragma_table_list WHERE schema = 'main'"
            " AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            " ORDER BY lower(name)",
            -1, &st, NULL) != SQLITE_OK)
        return cmat_fail(err, CMAT_ERR_FORMAT, "db: hash: %s", sqlite3_errmsg(db));
    while (sqlite3_step(st) == SQLITE_ROW) {
        *names = cmat_xgrow(*names, &cap, n + 2, sizeof **names);
        (*names)[n++] = cmat_xstrdup((const char *)sqlite3_column_text(st, 0));
        (*names)[n] = NULL;
    }
    sqlite3_finalize(st);
    return CMAT_OK;
}

cmat_status db_conn_hash(db_conn *c, const db_conn *a, const db_conn *b, char hex[33],
                         cmat_error *err)
{
    char **names = NULL;
    cmat_buf text = {0};
    bool all = (!a && !b) || (a && a->ddl) || (b && b->ddl);
    cmat_status st = table_names(c->db, &names, err);
    for (size_t i = 0; st == CMAT_OK && names && names[i]; i++) {
        table_sum sum;
        if (!all && !touched_by(a, names[i]) && !touched_by(b, names[i]))
            continue;
        if ((st = sum_table(c->db, names[i], &sum, err)) == CMAT_OK)
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

cmat_status db_conn_mysql_md5(db_conn *c, const char *table, char hex[33], cmat_error *err)
{
    cmat_buf b = {0};
    sqlite3_stmt *st = NULL;
    char(*hashes)[5] = NULL;
    size_t cap = 0, n = 0;
    cmat_buf_puts(&b, "SELECT * FROM main.");
    db_name_add(&b, table, '"');
    int rc = sqlite3_prepare_v2(c->db, b.data, -1, &st, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        cmat_buf_truncate(&b, 0);
        bool any = false; /* CONCAT_WS leaves NULLs out */
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            const char *s = (const char *)sqlite3_column_text(st, i);
            if (!s)
                continue;
            if (any)
                cmat_buf_putc(&b, ',');
            cmat_buf_add(&b, s, (size_t)sqlite3_column_bytes(st, i));
            any = true;
        }
        char h[33];
        cmat_md5_hex(cmat_buf_str(&b), b.len, h);
        hashes = cmat_xgrow(hashes, &cap, n + 1, sizeof *hashes);
        memcpy(hashes[n++], h, 5);
    }
    cmat_status status = rc == SQLITE_DONE
                             ? CMAT_OK
                             : cmat_fail(err, CMAT_ERR_FORMAT, "db: md5 of table %s: %s", table,
                                         sqlite3_errmsg(c->db));
    if (n)
        qsort(hashes, n, sizeof *hashes, by_text);
    cmat_buf_truncate(&b, 0);
    for (size_t i = 0; i < n; i++)
        cmat_buf_printf(&b, "%s%.5s", i ? "," : "", hashes[i]);
    /* MySQL's group_concat_max_len; of no rows it gives NULL, and md5(NULL) is NULL. */
    cmat_md5_hex(cmat_buf_str(&b), b.len > 1024 ? 1024 : b.len, hex);
    if (n == 0)
        strcpy(hex, "None");
    sqlite3_finalize(st);
    free(hashes);
    cmat_buf_clear(&b);
    return status;
}
