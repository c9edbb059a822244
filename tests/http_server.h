/* http_server.h - an HTTP server in a thread, for tests: it answers as a function of the test's
 * says, or sends files and drops, cuts and refuses as asked. One connection at a time. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct http_server http_server;
/* Called in the server's thread with a request and its body; the connection is closed after it. */
typedef void http_answer(http_server *s, int fd, const char *request);

struct http_server {
    int fd, port;
    pthread_t thread;
    http_answer *answer;
    void *user;
    atomic_int n_requests; /* seen so far, the one being answered among them */
    atomic_bool stop;
};

/* Fails the test when there is no socket to be had. Listens on 127.0.0.1:port. */
void http_server_start(http_server *s, http_answer *answer, void *user);
void http_server_stop(http_server *s);
/* http://127.0.0.1:PORT/path (path without its slash): the caller's to free(). */
char *http_server_url(const http_server *s, const char *path);
void http_send(int fd, const void *data, size_t n);

/* ---- files ---- */

typedef struct {
    const char *path; /* with its slash; "*": any */
    const char *body;
    size_t len;           /* 0: of the string */
    int status;           /* 0: 200, or 206 for a part */
    const char *redirect; /* Location */
    const char *etag;     /* NULL: none */
    size_t cut;           /* bytes after which the connection is dropped; 0: never */
    size_t claim;         /* Content-Length to claim; 0: the right one */
    bool no_ranges;       /* always sends the whole */
} http_file;

typedef struct {
    const http_file *files;        /* path NULL at the end; what is not there is 404 */
    int busy;                      /* this many requests are answered with 503 */
    int gone_after;                /* requests after this many are answered with 404; 0: none */
    const char *token;             /* counted where a request carries it */
    atomic_int n_ranges, n_tokens; /* answers with a part, requests with the token */
} http_files;

http_answer http_send_file; /* user: an http_files */
#endif
