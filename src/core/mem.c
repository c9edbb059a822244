/* mem.c - allocation that aborts (control data) and allocation that may fail (data from input). */
#include "core/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *need(void *p)
{
    if (!p) {
        fputs("cmat: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *cmat_xmalloc(size_t size)
{
    return need(malloc(size ? size : 1));
}

void *cmat_xcalloc(size_t n, size_t size)
{
    return need(calloc(n ? n : 1, size ? size : 1));
}

void *cmat_xrealloc(void *p, size_t size)
{
    return need(realloc(p, size ? size : 1));
}

char *cmat_xstrdup(const char *s)
{
    return s ? cmat_xstrndup(s, strlen(s)) : NULL;
}

char *cmat_xstrndup(const char *s, size_t n)
{
    char *p = cmat_xmalloc(n + 1);
    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *cmat_xasprintf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        s = NULL;
    va_end(ap);
    return need(s);
}

void *cmat_xgrow(void *p, size_t *cap, size_t need_items, size_t size)
{
    size_t n = *cap ? *cap : 16, bytes;

    if (need_items <= *cap)
        return p;
    while (n < need_items)
        n = n > SIZE_MAX / 2 ? need_items : n * 2;
    if (!cmat_mul(n, size, &bytes))
        need(NULL);
    *cap = n;
    return cmat_xrealloc(p, bytes);
}

#define HUGE_PAGE ((size_t)2 << 20)

void *cmat_alloc_big(size_t n, size_t size)
{
    size_t bytes, align;
    void *p = NULL;

    if (!cmat_mul(n, size, &bytes) || bytes > SIZE_MAX - HUGE_PAGE)
        return NULL;
    align = bytes >= 2 * HUGE_PAGE ? HUGE_PAGE : 64;
    bytes = (bytes + align - 1) / align * align;
    if (posix_memalign(&p, align, bytes ? bytes : align) != 0)
        return NULL;
    if (align == HUGE_PAGE)
        (void)madvise(p, bytes, MADV_HUGEPAGE); /* only a hint */
    return p;
}

void *cmat_alloc_big_zero(size_t n, size_t size)
{
    void *p = cmat_alloc_big(n, size);
    if (p)
        memset(p, 0, n * size);
    return p;
}

void cmat_free_big(void *p)
{
    free(p);
}
