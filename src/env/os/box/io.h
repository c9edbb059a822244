/* env/os/box/io.h - messages over a socket, for the helper. Nothing here allocates but
 * box_receive. */
#ifndef CMAT_ENV_OS_BOX_IO_H
#define CMAT_ENV_OS_BOX_IO_H
#include "env/os/box/wire.h"
#include <stdbool.h>

bool box_read_all(int fd, void *data, size_t n);
bool box_write_all(int fd, const void *data, size_t n);
/* False when the peer has gone. */
bool box_send(int fd, uint32_t type, const void *data, size_t n);
/* *data is the caller's to free(), with a NUL after its h->len bytes. False: the peer has gone, or
 * what it said is too long. */
bool box_receive(int fd, box_head *h, char **data);
bool box_send_text(int fd, uint32_t type, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A growing run of bytes; failing to grow ends the process (its episode ends with it). */
typedef struct {
    char *data;
    size_t len, cap;
} box_bytes;
void box_add(box_bytes *b, const void *data, size_t n);
void box_bytes_clear(box_bytes *b);
#endif
