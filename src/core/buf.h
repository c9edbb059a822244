/* core/buf.h - a growing string of bytes, always NUL-terminated. */
#ifndef CMAT_CORE_BUF_H
#define CMAT_CORE_BUF_H
#include <stdarg.h>
#include <stddef.h>

typedef struct {
    char *data; /* never NULL after the first add; use cmat_buf_str for an empty one */
    size_t len; /* bytes before the NUL */
    size_t cap;
} cmat_buf; /* all zero is an empty buffer */

void cmat_buf_add(cmat_buf *b, const void *data, size_t n);
void cmat_buf_puts(cmat_buf *b, const char *s);
void cmat_buf_putc(cmat_buf *b, char c);
void cmat_buf_printf(cmat_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cmat_buf_vprintf(cmat_buf *b, const char *fmt, va_list ap);
void cmat_buf_truncate(cmat_buf *b, size_t len); /* len <= b->len */
const char *cmat_buf_str(const cmat_buf *b);     /* "" for an empty buffer */
char *cmat_buf_detach(cmat_buf *b);              /* the caller's to free(); b is empty afterwards */
void cmat_buf_clear(cmat_buf *b);                /* frees */
#endif
