/* core/mem.h - memory.
 *
 * Two sizes of allocation: small control data aborts when it cannot be had (cmat_x*); sizes that
 * come from input are checked for overflow and may return NULL (cmat_alloc*), which the caller
 * turns into CMAT_ERR_NOMEM. */
#ifndef CMAT_CORE_MEM_H
#define CMAT_CORE_MEM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *cmat_xmalloc(size_t size);
void *cmat_xcalloc(size_t n, size_t size);
void *cmat_xrealloc(void *p, size_t size);
char *cmat_xstrdup(const char *s);            /* NULL gives NULL */
char *cmat_xstrndup(const char *s, size_t n); /* copies exactly n bytes and adds a NUL */
char *cmat_xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* *p, with room for *cap items of `size` bytes, grown so that need items fit. Aborts when out of
 * memory. Doubles, so that adding one at a time is amortised O(1). */
void *cmat_xgrow(void *p, size_t *cap, size_t need, size_t size);

/* n * size bytes, 64-byte aligned, not cleared; NULL on overflow or when it cannot be had.
 * Blocks of 4 MiB and more ask for huge pages. Freed with cmat_free_big(p). */
void *cmat_alloc_big(size_t n, size_t size);
void *cmat_alloc_big_zero(size_t n, size_t size);
void cmat_free_big(void *p);

/* a*b and a+b in size_t; false on overflow (then *out is not to be used). */
static inline bool cmat_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool cmat_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

/* Arena: bump allocation, freed as a whole. */
typedef struct cmat_arena_block cmat_arena_block;
typedef struct {
    cmat_arena_block *head; /* newest block */
    size_t used;            /* bytes handed out since init or the last reset */
} cmat_arena;               /* all zero is an empty arena */

void *cmat_arena_alloc(cmat_arena *a,
                       size_t size); /* 16-byte aligned, zeroed; aborts when out of memory */
char *cmat_arena_strdup(cmat_arena *a, const char *s);
char *cmat_arena_strndup(cmat_arena *a, const char *s, size_t n);
char *cmat_arena_printf(cmat_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cmat_arena_reset(cmat_arena *a); /* keeps the newest block for reuse */
void cmat_arena_clear(cmat_arena *a);
#endif
