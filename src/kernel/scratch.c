/* kernel/scratch.c - each thread's blocks; they grow to what was needed most and end with the
 * thread. */
#include "kernel/scratch.h"
#include "core/mem.h"
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

enum { BLOCKS = 8 }; /* more at once than any kernel takes */

typedef struct {
    void *p;
    size_t n;
    bool taken;
} block;

static _Thread_local block *blocks; /* (BLOCKS) */
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void blocks_free(void *arg)
{
    block *b = arg;
    for (int i = 0; i < BLOCKS; i++)
        cmat_free_big(b[i].p);
    free(b);
}

static void main_thread_end(void)
{
    if (blocks)
        blocks_free(blocks);
    blocks = NULL;
}

static void init(void)
{
    if (pthread_key_create(&at_thread_end, blocks_free) != 0)
        abort();
    atexit(main_thread_end); /* keys are not called for the thread that leaves main */
}

static block *thread_blocks(void)
{
    if (!blocks) {
        pthread_once(&once, init);
        blocks = cmat_xcalloc(BLOCKS, sizeof *blocks);
        if (pthread_setspecific(at_thread_end, blocks) != 0)
            abort();
    }
    return blocks;
}

/* A free block that is large enough, as small as can be; else the largest free one, to grow. */
static block *choose(block *b, size_t n)
{
    block *best = NULL;
    for (int i = 0; i < BLOCKS; i++) {
        const bool fits = b[i].n >= n, best_fits = best && best->n >= n;
        if (b[i].taken)
            continue;
        if (!best || (fits && (!best_fits || b[i].n < best->n)) ||
            (!fits && !best_fits && b[i].n > best->n))
            best = &b[i];
    }
    return best;
}

void *cmat_scratch_take(size_t n)
{
    block *b = choose(thread_blocks(), n);
    assert(b);
    if (b->n < n || !b->p) {
        cmat_free_big(b->p);
        b->n = n + n / 4;
        if (!(b->p = cmat_alloc_big(b->n, 1)))
            abort();
    }
    b->taken = true;
    return b->p;
}

void cmat_scratch_give(void *p)
{
    for (int i = 0; p && i < BLOCKS; i++)
        if (blocks[i].p == p)
            blocks[i].taken = false;
}
