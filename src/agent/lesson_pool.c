/* lesson_pool.c - lessons and examples for practice rows. */
#include "agent/lesson_pool.h"
#include "core/mem.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_DRAWN = 3, CANDIDATES = 16 };

typedef struct {
    char *task, *gold, *lesson;
    bool example;
} entry;

struct cmat_lesson_pool {
    entry *items;
    size_t n, cap;
};

cmat_lesson_pool *cmat_lesson_pool_new(void)
{
    return cmat_xcalloc(1, sizeof(cmat_lesson_pool));
}

void cmat_lesson_pool_free(cmat_lesson_pool *p)
{
    for (size_t i = 0; p && i < p->n; i++) {
        free(p->items[i].task);
        free(p->items[i].gold);
        free(p->items[i].lesson);
    }
    if (p)
        free(p->items);
    free(p);
}

void cmat_lesson_pool_add(cmat_lesson_pool *p, const char *task, const char *gold,
                          const char *lesson, bool example)
{
    p->items = cmat_xgrow(p->items, &p->cap, p->n + 1, sizeof *p->items);
    p->items[p->n++] =
        (entry){cmat_xstrdup(task), cmat_xstrdup(gold), cmat_xstrdup(lesson), example};
}

/* Words of a (of more than three letters) that are in b. */
static int shared_words(const char *a, const char *b)
{
    int n = 0;
    while (*a) {
        size_t len = 0;
        while (*a && !isalnum((unsigned char)*a))
            a++;
        while (isalnum((unsigned char)a[len]))
            len++;
        for (const char *p = b; len > 3 && *p; p++)
            if (strncasecmp(p, a, len) == 0) {
                n++;
                break;
            }
        a += len;
    }
    return n;
}

/* An entry that may be shown: of another task. With `near`, of some candidates the one that shares
 * most words. */
static const entry *choose(const cmat_lesson_pool *p, const char *task, const char *gold, bool near,
                           cmat_rng *rng)
{
    const entry *best = NULL;
    int most = -1;
    for (int i = 0; i < (near ? CANDIDATES : 1); i++) {
        const entry *e = &p->items[cmat_rng_below(rng, p->n)];
        if (strcmp(e->task, task) == 0 || strcmp(e->gold, gold) == 0)
            continue;
        const int n = near ? shared_words(e->task, task) : 0;
        if (n > most) {
            most = n;
            best = e;
        }
    }
    return best;
}

void cmat_lesson_pool_draw(const cmat_lesson_pool *p, const cmat_prompts *prompts, const char *task,
                           const char *gold, cmat_rng *rng, cmat_buf *out)
{
    const entry *drawn[MAX_DRAWN];
    size_t n = 0, want = 1 + cmat_rng_below(rng, MAX_DRAWN);
    for (size_t tries = 0; p->n && n < want && tries < 8; tries++) {
        const entry *e = choose(p, task, gold, cmat_rng_below(rng, 10) < 7, rng);
        bool again = !e;
        for (size_t i = 0; i < n; i++)
            again = again || drawn[i] == e;
        if (again)
            continue;
        drawn[n++] = e;
        cmat_buf of = {0}, lesson = {0};
        cmat_prompt_add_data(&of, e->task, strlen(e->task));
        cmat_prompt_add_data(&lesson, e->lesson, strlen(e->lesson));
        const cmat_prompt_var vars[] = {
            {"task", cmat_buf_str(&of)}, {"lesson", cmat_buf_str(&lesson)}, {0}};
        cmat_prompt_render(prompts, e->example ? CMAT_PROMPT_EXAMPLE : CMAT_PROMPT_LESSON, vars,
                           out);
        cmat_buf_clear(&of);
        cmat_buf_clear(&lesson);
    }
}
