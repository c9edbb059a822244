/* kernel/scratch.h - working memory of the kernels.
 *
 * A product or an attention needs a few megabytes while it runs. Taken from malloc they would come
 * from the operating system each time, which clears them page by page: a tenth of a prompt's time.
 * So each thread keeps what it took for the next call. */
#ifndef CMAT_KERNEL_SCRATCH_H
#define CMAT_KERNEL_SCRATCH_H
#include <stddef.h>

/* At least n bytes, 64-byte aligned, not cleared, the calling thread's until it gives them back.
 * Aborts when out of memory. */
void *cmat_scratch_take(size_t n);
/* p: from the same thread's take, or NULL. */
void cmat_scratch_give(void *p);
#endif
