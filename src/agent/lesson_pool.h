/* agent/lesson_pool.h - lessons and examples for practice rows, as episodes would find them in a
 * store: some fit the task, some do not. */
#ifndef CMAT_AGENT_LESSON_POOL_H
#define CMAT_AGENT_LESSON_POOL_H
#include "agent/prompt.h"
#include "core/rng.h"
#include <stdbool.h>

typedef struct cmat_lesson_pool cmat_lesson_pool;
cmat_lesson_pool *cmat_lesson_pool_new(void);
void cmat_lesson_pool_free(cmat_lesson_pool *p); /* accepts NULL */
/* Adds one; all are copied. gold: of the task it came from, so that it is not shown to another task
 * with the same one. example: lesson is a right reply. */
void cmat_lesson_pool_add(cmat_lesson_pool *p, const char *task, const char *gold,
                          const char *lesson, bool example);
/* Appends one to three of them as a prompt shows them, most of them chosen for words that they
 * share with the task. Nothing where the pool has none that may be shown. */
void cmat_lesson_pool_draw(const cmat_lesson_pool *p, const cmat_prompts *prompts, const char *task,
                           const char *gold, cmat_rng *rng, cmat_buf *out);
#endif
