/* buf.c - a growing string of bytes. */
#include "core/buf.h"
#include "core/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(cmat_buf *b, size_t more)
{
    b->data = cmat_xgrow(b->data, &b->cap, b->len + more + 1, 1);
}

void cmat_buf_add(cmat_buf *b, const void *data, size_t n)
{
    reserve(b, n);
    if (n)
        memcpy(b->data + b->len, data, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void cmat_buf_puts(cmat_buf *b, const char *s)
{
    cmat_buf_add(b, s, strlen(s));
}

void cmat_buf_putc(cmat_buf *b, char c)
{
    cmat_buf_add(b, &c, 1);
}

void cmat_buf_vprintf(cmat_buf *b, const char *fmt, va_list ap)
{
    va_list again;
    int n;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    if (n >= 0) {
        reserve(b, (size_t)n);
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void cmat_buf_printf(cmat_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    cmat_buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void cmat_buf_truncate(cmat_buf *b, size_t len)
{
    if (b->data && len <= b->len) {
        b->len = len;
        b->data[len] = '\0';
    }
}

const char *cmat_buf_str(const cmat_buf *b)
{
    return b->data ? b->data : "";
}

char *cmat_buf_detach(cmat_buf *b)
{
    char *s;
    reserve(b, 0);
    s = b->data;
    s[b->len] = '\0';
    *b = (cmat_buf){0};
    return s;
}

void cmat_buf_clear(cmat_buf *b)
{
    free(b->data);
    *b = (cmat_buf){0};
}
