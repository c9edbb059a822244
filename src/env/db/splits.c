/* env/db/splits.c - which split a task belongs to, and proof that splits share nothing. */
#include "env/db/splits.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

uint64_t db_text_hash(const char *text)
{
    cmat_buf b = {0};
    for (const char *p = text; *p; p++)
        if (!isspace((unsigned char)*p))
            cmat_buf_putc(&b, (char)tolower((unsigned char)*p));
    while (b.len && strchr(".?;!", b.data[b.len - 1]))
        cmat_buf_truncate(&b, b.len - 1);
    uint64_t h = cmat_fnv1a(cmat_buf_str(&b), b.len);
    cmat_buf_clear(&b);
    return h;
}

int db_split_of(const char *sql)
{
    uint64_t h = db_text_hash(sql) ^ 0x5eedcafe;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u; /* splitmix64: FNV's low bits are poor */
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    unsigned k = (unsigned)((h ^ (h >> 31)) % 100);
    return k < 70 ? DB_SPLIT_TRAIN : k < 80 ? DB_SPLIT_VALIDATION : DB_SPLIT_HELD_OUT;
}

typedef struct {
    uint64_t hash;
    size_t task;
} entry;

static int by_hash(const void *a, const void *b)
{
    uint64_t x = ((const entry *)a)->hash, y = ((const entry *)b)->hash;
    return x < y ? -1 : x > y;
}

static const char *sql_of(const cmat_task *t)
{
    const char *sql = cmat_json_str(t->json, "sql", NULL);
    if (!sql)
        sql = json_string_value(json_array_get(json_object_get(t->json, "gold"), 0));
    return sql ? sql : "";
}

static cmat_status compare(const cmat_task_list *a, const cmat_task_list *b, bool sql,
                           cmat_error *err)
{
    entry *e = cmat_xcalloc(a->n + 1, sizeof(*e));
    cmat_status st = CMAT_OK;
    for (size_t i = 0; i < a->n; i++)
        e[i] = (entry){db_text_hash(sql ? sql_of(&a->items[i]) : a->items[i].instruction), i};
    qsort(e, a->n, sizeof *e, by_hash);
    for (size_t i = 0; i < b->n && st == CMAT_OK; i++) {
        entry key = {db_text_hash(sql ? sql_of(&b->items[i]) : b->items[i].instruction), 0};
        const entry *hit = bsearch(&key, e, a->n, sizeof *e, by_hash);
        if (hit)
            st = cmat_fail(err, CMAT_ERR_STATE, "splits: tasks %s and %s have the same %s",
                           a->items[hit->task].id, b->items[i].id, sql ? "gold SQL" : "question");
    }
    free(e);
    return st;
}

cmat_status db_splits_disjoint(const cmat_task_list *a, const cmat_task_list *b, cmat_error *err)
{
    cmat_status st = compare(a, b, false, err);
    return st == CMAT_OK ? compare(a, b, true, err) : st;
}
