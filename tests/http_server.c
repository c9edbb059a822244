/* http_server.c - see http_server.h. */
#include "http_server.h"

#include "core/buf.h"
#include "core/mem.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

void http_send(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        p += k;
        n -= (size_t)k;
    }
}

/* Reads a request with its body; "" when there is none. */
static void read_request(int fd, char *out, size_t size)
{
    size_t n = 0;
    ssize_t k;
    out[0] = '\0';
    while (n < size - 1 && (k = recv(fd, out + n, size - 1 - n, 0)) > 0) {
        n += (size_t)k;
        out[n] = '\0';
        const char *end = strstr(out, "\r\n\r\n"), *len = strcasestr(out, "content-length:");
        if (end &&
            n >= (size_t)(end + 4 - out) + (len && len < end ? strtoul(len + 15, NULL, 10) : 0))
            break;
    }
}

static void *serve(void *arg)
{
    http_server *s = arg;
    for (;;) {
        char request[8192];
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0 || s->stop) {
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        read_request(fd, request, sizeof request);
        if (request[0]) {
            s->n_requests++;
            s->answer(s, fd, request);
        }
        shutdown(fd, SHUT_WR);
        close(fd);
    }
}

void http_server_start(http_server *s, http_answer *answer, void *user)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *s = (http_server){.answer = answer, .user = user};
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->fd, 64), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

void http_server_stop(http_server *s)
{
    s->stop = true;
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

char *http_server_url(const http_server *s, const char *path)
{
    return cmat_xasprintf("http://127.0.0.1:%d/%s", s->port, path);
}

/* ---- files ---- */

static const http_file *find_file(const http_files *all, const char *path, size_t n)
{
    static const http_file missing = {.status = 404, .body = "no"};
    for (const http_file *f = all->files; f->path; f++) {
        if (strcmp(f->path, "*") == 0 || (strlen(f->path) == n && memcmp(f->path, path, n) == 0))
            return f;
    }
    return &missing;
}

/* Where to go on from: what Range asks for, unless If-Range names another file. */
static size_t range_start(const http_file *f, const char *request)
{
    const char *range = strstr(request, "Range: bytes="), *same = strstr(request, "If-Range: ");
    if (!range || f->no_ranges || f->status)
        return 0;
    if (same && (!f->etag || strncmp(same + 10, f->etag, strlen(f->etag)) != 0))
        return 0;
    return strtoul(range + 13, NULL, 10);
}

void http_send_file(http_server *s, int fd, const char *request)
{
    static const http_file busy = {.status = 503}, gone = {.status = 404};
    http_files *all = s->user;
    const char *path = strchr(request, ' ');
    const int n = s->n_requests;
    cmat_buf head = {0};
    if (!path)
        return;
    all->n_tokens += all->token && strstr(request, all->token);
    const http_file *f = n <= all->busy ? &busy
                         : all->gone_after && n > all->gone_after
                             ? &gone
                             : find_file(all, path + 1, strcspn(path + 1, " "));
    const size_t len = f->len || !f->body ? f->len : strlen(f->body);
    size_t from = range_start(f, request);
    if (from && from >= len) {
        cmat_buf_printf(&head,
                        "HTTP/1.1 416 No\r\nContent-Range: bytes */%zu\r\n"
                        "Content-Length: 0\r\n\r\n",
                        len);
        from = len;
    } else {
        all->n_ranges += from > 0;
        cmat_buf_printf(&head, "HTTP/1.1 %d X\r\nConnection: close\r\n",
                        f->status ? f->status
                        : from    ? 206
                                  : 200);
        if (f->etag)
            cmat_buf_printf(&head, "ETag: %s\r\n", f->etag);
        if (f->redirect)
            cmat_buf_printf(&head, "Location: %s\r\n", f->redirect);
        if (from)
            cmat_buf_printf(&head, "Content-Range: bytes %zu-%zu/%zu\r\n", from, len - 1, len);
        cmat_buf_printf(&head, "Content-Length: %zu\r\n\r\n",
                        f->claim ? f->claim - from : len - from);
    }
    http_send(fd, head.data, head.len);
    cmat_buf_clear(&head);
    if (from < len)
        http_send(fd, f->body + from, f->cut && len - from > f->cut ? f->cut : len - from);
}
