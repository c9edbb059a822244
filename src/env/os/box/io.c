/* io.c - messages over a socket, for the helper. */
#include "env/os/box/io.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool box_read_all(int fd, void *data, size_t n)
{
    for (char *p = data; n > 0;) {
        ssize_t got = read(fd, p, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

bool box_write_all(int fd, const void *data, size_t n)
{
    for (const char *p = data; n > 0;) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

bool box_send(int fd, uint32_t type, const void *data, size_t n)
{
    const box_head h = {.type = type, .len = (uint32_t)n};
    return box_write_all(fd, &h, sizeof h) && box_write_all(fd, data, n);
}

bool box_receive(int fd, box_head *h, char **data)
{
    *data = NULL;
    if (!box_read_all(fd, h, sizeof *h) || h->len > BOX_MESSAGE_MAX)
        return false;
    char *p = malloc((size_t)h->len + 1);
    if (!p || !box_read_all(fd, p, h->len)) {
        free(p);
        return false;
    }
    p[h->len] = '\0';
    *data = p;
    return true;
}

bool box_send_text(int fd, uint32_t type, const char *fmt, ...)
{
    char line[900];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    return box_send(fd, type, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

void box_add(box_bytes *b, const void *data, size_t n)
{
    if (b->cap - b->len < n) {
        size_t cap = 2 * b->cap + n + 256;
        char *p = realloc(b->data, cap);
        if (!p)
            _exit(71);
        b->data = p;
        b->cap = cap;
    }
    if (n)
        memcpy(b->data + b->len, data, n);
    b->len += n;
}

void box_bytes_clear(box_bytes *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}
