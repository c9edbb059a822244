/* memory/lesson.h - lessons from failed episodes and worked examples from right ones, found again
 * by BM25 (SQLite's FTS5) over task and schema.
 *
 * Kept small: small models are helped by a few fitting entries and distracted by many. */
#ifndef CMAT_MEMORY_LESSON_H
#define CMAT_MEMORY_LESSON_H
#include "memory/store.h"

typedef struct {
    int64_t id;
    char *origin;    /* where it came from: "run-x collect round 1, task db-12, sample 0" */
    char *kind;      /* "lesson" or "example" */
    char *task;      /* the task's text */
    char *schema;    /* names of the world's tables and columns, or "" */
    char *lesson;    /* what to do; for an example the right reply */
    int64_t created; /* seconds since 1970 */
    int uses, wins;  /* episodes it was shown in; of them right */
    double rank;     /* of a search, higher is better; else 0 */
} cmat_lesson;

typedef struct {
    cmat_lesson *items;
    size_t n, cap;
} cmat_lesson_list; /* all zero is empty */
void cmat_lesson_list_clear(cmat_lesson_list *l);

/* Adds one (id, created, uses, wins and rank are not read); one with the same kind, task and text
 * is kept as it is. Above max_lessons (0: no cap) the least useful go: lowest (wins+1)/(uses+2),
 * then the oldest. */
cmat_status cmat_store_add_lesson(cmat_store *s, const cmat_lesson *lesson, int max_lessons,
                                  int64_t *id, cmat_error *err);
/* The best `limit` for a task: at least one word of it must occur in the entry's task; words of the
 * schema raise the rank. kind NULL: both. Entries whose task is exactly this one are left out when
 * not_same. */
cmat_status cmat_store_search_lessons(cmat_store *s, const char *task, const char *schema,
                                      const char *kind, bool not_same, size_t limit,
                                      cmat_lesson_list *out, cmat_error *err);
/* All, newest first; kind NULL: both. */
cmat_status cmat_store_list_lessons(cmat_store *s, const char *kind, size_t limit,
                                    cmat_lesson_list *out, cmat_error *err);
/* CMAT_ERR_NOT_FOUND when there is none of this id. */
cmat_status cmat_store_get_lesson(cmat_store *s, int64_t id, cmat_lesson_list *out,
                                  cmat_error *err);
cmat_status cmat_store_forget_lesson(cmat_store *s, int64_t id, cmat_error *err);
/* Forgets all entries of a kind (NULL: both); *n (may be NULL): how many. */
cmat_status cmat_store_forget_lessons(cmat_store *s, const char *kind, int *n, cmat_error *err);
#endif
