/* arena.c - memory handed out in order and freed as a whole. */
#include "core/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cmat_arena_block {
    cmat_arena_block *next;
    size_t used, size;
    _Alignas(16) unsigned char data[];
};

enum { MIN_BLOCK = 64 * 1024 };

void *cmat_arena_alloc(cmat_arena *a, size_t size)
{
    cmat_arena_block *b = a->head;
    void *p;

    if (size > SIZE_MAX / 2)
        size = SIZE_MAX / 2; /* fails in malloc below */
    size = (size + 15) & ~(size_t)15;
    if (!b || b->size - b->used < size) {
        size_t room = size > MIN_BLOCK ? size : MIN_BLOCK;
        b = cmat_xmalloc(sizeof *b + room);
        b->next = a->head;
        b->used = 0;
        b->size = room;
        a->head = b;
    }
    p = b->data + b->used;
    b->used += size;
    a->used += size;
    memset(p, 0, size);
    return p;
}

char *cmat_arena_strndup(cmat_arena *a, const char *s, size_t n)
{
    char *p = cmat_arena_alloc(a, n + 1);
    memcpy(p, s, n);
    return p;
}

char *cmat_arena_strdup(cmat_arena *a, const char *s)
{
    return cmat_arena_strndup(a, s, strlen(s));
}

char *cmat_arena_printf(cmat_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    char *p;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    p = cmat_arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
    if (n > 0)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return p;
}

static void free_after(cmat_arena_block *b)
{
    while (b) {
        cmat_arena_block *next = b->next;
        free(b);
        b = next;
    }
}

void cmat_arena_reset(cmat_arena *a)
{
    if (a->head) {
        free_after(a->head->next);
        a->head->next = NULL;
        a->head->used = 0;
    }
    a->used = 0;
}

void cmat_arena_clear(cmat_arena *a)
{
    free_after(a->head);
    *a = (cmat_arena){0};
}
