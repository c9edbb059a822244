/* lesson.c - lessons and examples: adding with a cap, search, forgetting. */
#include "memory/lesson.h"
#include "core/buf.h"
#include "core/mem.h"
#include "memory/store_impl.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_QUERY_WORDS 48

void cmat_lesson_list_clear(cmat_lesson_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].origin);
        free(l->items[i].kind);
        free(l->items[i].task);
        free(l->items[i].schema);
        free(l->items[i].lesson);
    }
    free(l->items);
    *l = (cmat_lesson_list){0};
}

/* Takes the rows of a statement over LESSON_COLUMNS into out and finalizes it. */
#define LESSON_COLUMNS \
    "l.id, l.origin, l.kind, l.task, l.schema, l.lesson, l.created, l.uses, l.wins"
static cmat_status collect_lessons(cmat_store *s, sqlite3_stmt *q, cmat_lesson_list *out,
                                   cmat_error *err)
{
    cmat_status st = CMAT_OK;
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        out->items = cmat_xgrow(out->items, &out->cap, out->n + 1, sizeof *out->items);
        out->items[out->n++] = (cmat_lesson){
            .id = sqlite3_column_int64(q, 0),
            .origin = cmat_xstrdup(cmat_store_column(q, 1)),
            .kind = cmat_xstrdup(cmat_store_column(q, 2)),
            .task = cmat_xstrdup(cmat_store_column(q, 3)),
            .schema = cmat_xstrdup(cmat_store_column(q, 4)),
            .lesson = cmat_xstrdup(cmat_store_column(q, 5)),
            .created = sqlite3_column_int64(q, 6),
            .uses = sqlite3_column_int(q, 7),
            .wins = sqlite3_column_int(q, 8),
            .rank = sqlite3_column_count(q) > 9 ? -sqlite3_column_double(q, 9) : 0,
        };
    }
    if (rc != SQLITE_DONE)
        st = cmat_store_fail(s, "read lessons", err);
    sqlite3_finalize(q);
    return st;
}

/* Makes the search index follow the table. No triggers: a file's own SQL may not touch virtual
 * tables (trusted_schema is off). */
static cmat_status sync_index(cmat_store *s, cmat_error *err)
{
    return cmat_store_exec(
        s,
        "DELETE FROM lessons_fts WHERE rowid NOT IN (SELECT id FROM lessons);"
        "INSERT INTO lessons_fts(rowid, task, schema, lesson) SELECT id, task, schema, lesson"
        " FROM lessons WHERE id NOT IN (SELECT rowid FROM lessons_fts)",
        "index lessons", err);
}

static cmat_status insert_lesson(cmat_store *s, const cmat_lesson *l, int64_t *id, cmat_error *err)
{
    /* The no-op update makes RETURNING give the id of the entry that is there already. */
    sqlite3_stmt *q = NULL;
    cmat_status st =
        cmat_store_prepare(s, &q,
                           "INSERT INTO lessons(origin, kind, task, schema, lesson, created) "
                           "VALUES(?,?,?,?,?,strftime('%s','now'))"
                           " ON CONFLICT(kind, task, lesson) DO UPDATE SET kind=kind RETURNING id",
                           "add lesson", err);
    if (st != CMAT_OK)
        return st;
    cmat_store_bind(q, 1, l->origin ? l->origin : "");
    cmat_store_bind(q, 2, l->kind);
    cmat_store_bind(q, 3, l->task);
    cmat_store_bind(q, 4, l->schema ? l->schema : "");
    cmat_store_bind(q, 5, l->lesson);
    if (sqlite3_step(q) == SQLITE_ROW)
        *id = sqlite3_column_int64(q, 0);
    return cmat_store_run(s, q, "add lesson", err);
}

static cmat_status evict(cmat_store *s, int max_lessons, int64_t keep, cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    cmat_status st =
        cmat_store_prepare(s, &q,
                           "DELETE FROM lessons WHERE id IN (SELECT id FROM lessons WHERE id <> ?2"
                           " ORDER BY (wins + 1.0) / (uses + 2.0), id"
                           " LIMIT max(0, (SELECT count(*) FROM lessons) - ?1))",
                           "evict lessons", err);
    if (st != CMAT_OK)
        return st;
    sqlite3_bind_int(q, 1, max_lessons);
    sqlite3_bind_int64(q, 2, keep);
    return cmat_store_run(s, q, "evict lessons", err);
}

cmat_status cmat_store_add_lesson(cmat_store *s, const cmat_lesson *lesson, int max_lessons,
                                  int64_t *id, cmat_error *err)
{
    int64_t new_id = 0;
    cmat_status st = cmat_store_exec(s, "BEGIN IMMEDIATE", "add lesson", err);
    if (st != CMAT_OK)
        return st;
    st = insert_lesson(s, lesson, &new_id, err);
    if (st == CMAT_OK && max_lessons > 0)
        st = evict(s, max_lessons, new_id, err);
    if (st == CMAT_OK)
        st = sync_index(s, err);
    if (id)
        *id = new_id;
    return cmat_store_end(s, st, "add lesson", err);
}

/* Appends `"w1" OR "w2"`, the words of text, each once, as FTS5 strings, so that nothing in the
 * text is taken for query syntax. Returns how many. */
static size_t add_words(cmat_buf *out, const char *text)
{
    size_t n = 0;
    const char *p = text;
    while (*p && n < MAX_QUERY_WORDS) {
        while (*p && !isalnum((unsigned char)*p) && !((unsigned char)*p & 0x80))
            p++;
        const char *start = p;
        while (isalnum((unsigned char)*p) || ((unsigned char)*p & 0x80))
            p++;
        size_t len = (size_t)(p - start);
        if (len == 0 || len > 64)
            continue;
        cmat_buf_printf(out, "%s\"%.*s\"", n ? " OR " : "", (int)len, start);
        n++;
    }
    return n;
}

cmat_status cmat_store_search_lessons(cmat_store *s, const char *task, const char *schema,
                                      const char *kind, bool not_same, size_t limit,
                                      cmat_lesson_list *out, cmat_error *err)
{
    cmat_buf words = {0}, names = {0}, match = {0};
    sqlite3_stmt *q = NULL;
    cmat_status st = CMAT_OK;
    if (add_words(&words, task) == 0)
        goto done;
    /* The first operand chooses, the second only adds to the rank (it holds whenever the first
     * does). */
    if (schema && add_words(&names, schema) > 0)
        cmat_buf_printf(&match, "task:(%s) AND (task:(%s) OR schema:(%s))", words.data, words.data,
                        names.data);
    else
        cmat_buf_printf(&match, "task:(%s)", words.data);
    st = cmat_store_prepare(
        s, &q,
        "SELECT " LESSON_COLUMNS
        ", bm25(lessons_fts, 1.0, 0.2, 0.0) AS rank FROM lessons_fts f"
        " JOIN lessons l ON l.id = f.rowid"
        " WHERE lessons_fts MATCH ?1 AND (?2 IS NULL OR l.kind = ?2) AND (?3 = 0 OR l.task <> ?4)"
        " ORDER BY rank, l.id LIMIT ?5",
        "search lessons", err);
    if (st != CMAT_OK)
        goto done;
    cmat_store_bind(q, 1, match.data);
    cmat_store_bind(q, 2, kind);
    sqlite3_bind_int(q, 3, not_same);
    cmat_store_bind(q, 4, task);
    sqlite3_bind_int64(q, 5, (sqlite3_int64)limit);
    st = collect_lessons(s, q, out, err);
done:
    cmat_buf_clear(&words);
    cmat_buf_clear(&names);
    cmat_buf_clear(&match);
    return st;
}

cmat_status cmat_store_list_lessons(cmat_store *s, const char *kind, size_t limit,
                                    cmat_lesson_list *out, cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    cmat_status st = cmat_store_prepare(
        s, &q,
        "SELECT " LESSON_COLUMNS
        " FROM lessons l WHERE (?1 IS NULL OR l.kind = ?1) ORDER BY l.id DESC LIMIT ?2",
        "list lessons", err);
    if (st != CMAT_OK)
        return st;
    cmat_store_bind(q, 1, kind);
    sqlite3_bind_int64(q, 2, limit ? (sqlite3_int64)limit : -1);
    return collect_lessons(s, q, out, err);
}

cmat_status cmat_store_get_lesson(cmat_store *s, int64_t id, cmat_lesson_list *out, cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    cmat_status st = cmat_store_prepare(
        s, &q, "SELECT " LESSON_COLUMNS " FROM lessons l WHERE l.id = ?", "read lesson", err);
    if (st != CMAT_OK)
        return st;
    size_t before = out->n;
    sqlite3_bind_int64(q, 1, id);
    st = collect_lessons(s, q, out, err);
    if (st == CMAT_OK && out->n == before)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "store %s: there is no lesson %lld", s->path,
                       (long long)id);
    return st;
}

/* Deletes by a statement that has been bound, in one transaction with the index. */
static cmat_status forget(cmat_store *s, sqlite3_stmt *q, int *n, cmat_error *err)
{
    cmat_status st = cmat_store_exec(s, "BEGIN IMMEDIATE", "forget lessons", err);
    if (st != CMAT_OK) {
        sqlite3_finalize(q);
        return st;
    }
    st = cmat_store_run(s, q, "forget lessons", err);
    *n = st == CMAT_OK ? sqlite3_changes(s->db) : 0;
    if (st == CMAT_OK)
        st = sync_index(s, err);
    return cmat_store_end(s, st, "forget lessons", err);
}

cmat_status cmat_store_forget_lesson(cmat_store *s, int64_t id, cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    int n = 0;
    cmat_status st =
        cmat_store_prepare(s, &q, "DELETE FROM lessons WHERE id = ?", "forget lessons", err);
    if (st != CMAT_OK)
        return st;
    sqlite3_bind_int64(q, 1, id);
    st = forget(s, q, &n, err);
    if (st == CMAT_OK && n == 0)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "store %s: there is no lesson %lld", s->path,
                       (long long)id);
    return st;
}

cmat_status cmat_store_forget_lessons(cmat_store *s, const char *kind, int *n, cmat_error *err)
{
    sqlite3_stmt *q = NULL;
    int count = 0;
    cmat_status st = cmat_store_prepare(s, &q, "DELETE FROM lessons WHERE ?1 IS NULL OR kind = ?1",
                                        "forget lessons", err);
    if (st != CMAT_OK)
        return st;
    cmat_store_bind(q, 1, kind);
    st = forget(s, q, &count, err);
    if (n)
        *n = count;
    return st;
}
