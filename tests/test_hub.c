/* Pulling from the hub: a local server that plays it (drops connections, lies about lengths,
 * redirects to another host, answers nonsense), the cache's layout, names, offline use. */
#include "core/buf.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/progress.h"
#include "model/hub.h"
#include "model/pull.h"
#include "tiny_model.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define API "/api/models/own/tiny/revision/main?blobs=true"
#define FILES "/own/tiny/resolve/" COMMIT "/"

static char *home;
static char weights[5000];
static char weights_sha[65];
static const char config[] = "{\"model_type\": \"llama\"}\n";
static char config_sha[41]; /* as git names it */

/* --- the servers ----------------------------------------------------------------------------- */

typedef struct {
    const char *path;
    const char *body;
    size_t len;           /* 0: of the string */
    int status;           /* 0: 200 */
    const char *redirect; /* Location */
    size_t cut;           /* bytes after which the connection is dropped; 0: never */
    size_t claim;         /* Content-Length to claim; 0: the right one */
} route;

typedef struct {
    int fd, port;
    pthread_t thread;
    const route *routes; /* path NULL at the end */
    atomic_int n_requests, n_tokens, n_ranges;
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
    static const route missing = {.status = 404, .body = "no"};
    const route *r = s->routes;
    const char *path = strchr(request, ' ') + 1, *range = strstr(request, "Range: bytes=");
    const size_t n = strcspn(path, " ");
    cmat_buf head = {0};
    s->n_requests++;
    s->n_tokens += strstr(request, "Authorization: Bearer secret") != NULL;
    while (r->path && (strlen(r->path) != n || memcmp(r->path, path, n) != 0))
        r++;
    r = r->path ? r : &missing;
    const size_t len = r->len || !r->body ? r->len : strlen(r->body);
    const size_t from = range && !r->status ? strtoul(range + 13, NULL, 10) : 0;
    const int status = r->status ? r->status : from ? 206 : 200;
    s->n_ranges += from > 0;
    cmat_buf_printf(&head, "HTTP/1.1 %d X\r\nConnection: close\r\nETag: \"e\"\r\n", status);
    if (r->redirect)
        cmat_buf_printf(&head, "Location: %s\r\n", r->redirect);
    if (from)
        cmat_buf_printf(&head, "Content-Range: bytes %zu-%zu/%zu\r\n", from, len - 1, len);
    cmat_buf_printf(&head, "Content-Length: %zu\r\n\r\n", r->claim ? r->claim - from : len - from);
    send_all(fd, head.data, head.len);
    cmat_buf_clear(&head);
    if (from < len)
        send_all(fd, r->body + from, r->cut && len - from > r->cut ? r->cut : len - from);
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
        for (ssize_t k; n < sizeof request - 1 &&
                        (k = recv(fd, request + n, sizeof request - 1 - n, 0)) > 0;) {
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

static void server_start(server *s, const route *routes)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    *s = (server){.routes = routes};
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void hub_start(server *s, const route *routes)
{
    server_start(s, routes);
    char *url = cmat_xasprintf("http://127.0.0.1:%d", s->port);
    setenv("HF_ENDPOINT", url, 1);
    free(url);
}

static void server_stop(server *s)
{
    s->stop = true;
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

/* --- the cache ------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static void cache_clear(void)
{
    char *hub = cmat_path_join(home, "hub");
    nftw(hub, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(hub);
}

static char *in_repo(const char *rest)
{
    return cmat_xasprintf("%s/hub/models--own--tiny/%s", home, rest);
}

static bool is_there(const char *rest)
{
    char *path = in_repo(rest);
    bool there = cmat_path_exists(path);
    free(path);
    return there;
}

static cmat_status pull(const char *source, char **path, cmat_error *err)
{
    return cmat_pull(&(cmat_pull_options){.source = source}, path, err);
}

static void refused(const char *source, cmat_status status, const char *says)
{
    cmat_error err = {0};
    char *path = NULL;
    cmat_status st = pull(source, &path, &err);
    if (st != status || !strstr(err.msg, says) || strchr(err.msg, '\n'))
        fail_msg("%s: wanted %d \"%s\", got %d \"%s\"", source, status, says, st, err.msg);
    assert_null(path);
}

static char *listing(const char *sha, const char *name, const char *digest, long long size)
{
    return cmat_xasprintf(
        "{\"sha\": \"%s\", \"siblings\": [{\"rfilename\": \"README.md\"}, "
        "{\"rfilename\": \"config.json\", \"size\": %zu, \"blobId\": \"%s\"}, "
        "{\"rfilename\": \"%s\", \"size\": %lld, \"blobId\": \"%s\", \"lfs\": "
        "{\"sha256\": \"%s\", \"size\": %lld}}]}",
        sha, sizeof config - 1, config_sha, name, size, config_sha, digest, size);
}

/* --- tests ----------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"hf:",
                                      "hf:tiny",
                                      "hf:own/",
                                      "hf:/own/tiny",
                                      "hf:own/../x",
                                      "hf:own/tiny/",
                                      "hf:own/.hidden",
                                      "hf:own/tiny/a b",
                                      "hf:own/tiny/../..",
                                      "hf:own/tiny@..",
                                      "hf:own/tiny@",
                                      "hf:o--n/tiny",
                                      "hf:own//tiny",
                                      "hf:own/tiny/\n",
                                      "hf:own/tiny@a/../b"};
    cmat_hub_name n;
    cmat_error err = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (cmat_hub_name_parse(&n, bad[i], &err) != CMAT_ERR_ARG)
            fail_msg("%s was taken", bad[i]);
        assert_null(n.repo);
    }
    assert_int_equal(cmat_hub_name_parse(&n, "hf:own/tiny-1.5/sub/m.gguf@refs/pr/1", &err),
                     CMAT_OK);
    assert_string_equal(n.repo, "own/tiny-1.5");
    assert_string_equal(n.file, "sub/m.gguf");
    assert_string_equal(n.revision, "refs/pr/1");
    char *dir = cmat_hub_repo_dir(&n), *want = cmat_xasprintf("%s/hub/models--own--tiny-1.5", home);
    assert_string_equal(dir, want);
    free(dir);
    free(want);
    cmat_hub_name_clear(&n);
    assert_int_equal(cmat_hub_name_parse(&n, "hf:own/tiny", &err), CMAT_OK);
    assert_string_equal(n.revision, "main");
    assert_string_equal(n.file, "");
    cmat_hub_name_clear(&n);
}

/* A large file comes from another host, in pieces; the token stays at the first. */
static void test_folder(void **state)
{
    (void)state;
    server cdn, hub;
    const route far[] = {{.path = "/lfs/x", .body = weights, .len = sizeof weights, .cut = 2000},
                         {0}};
    cmat_error err = {0};
    char *path, *again, to[128] = "",
                        *list = listing(COMMIT, "model.safetensors", weights_sha, 5000);
    server_start(&cdn, far);
    char *redirect = cmat_xasprintf("http://127.0.0.1:%d/lfs/x", cdn.port);
    const route near[] = {{.path = API, .body = list},
                          {.path = FILES "config.json", .body = config},
                          {.path = FILES "model.safetensors", .status = 302, .redirect = redirect},
                          {0}};
    hub_start(&hub, near);
    setenv("HF_TOKEN", "secret", 1);
    if (pull("hf:own/tiny", &path, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    unsetenv("HF_TOKEN");
    assert_int_equal(cdn.n_tokens, 0);
    assert_int_equal(hub.n_tokens, hub.n_requests);
    assert_int_equal(cdn.n_requests, 3); /* 2000, 2000, 1000 bytes */
    assert_int_equal(cdn.n_ranges, 2);
    char *want = in_repo("snapshots/" COMMIT);
    assert_string_equal(path, want);
    char *link = cmat_path_join(path, "model.safetensors"), hex[65];
    assert_true(readlink(link, to, sizeof to - 1) > 0);
    assert_int_equal(strncmp(to, "../../blobs/", 12), 0);
    assert_string_equal(to + 12, weights_sha);
    assert_int_equal(cmat_sha256_file(link, hex, NULL), CMAT_OK);
    assert_string_equal(hex, weights_sha);
    assert_true(is_there("refs/main"));
    char *part = cmat_xasprintf("blobs/%s.incomplete", weights_sha);
    assert_false(is_there(part));
    const int n = hub.n_requests;
    assert_int_equal(pull("hf:own/tiny", &again, &err), CMAT_OK);
    assert_int_equal(hub.n_requests, n + 1); /* the list alone */
    free(again);
    server_stop(&hub);
    server_stop(&cdn);
    again = cmat_model_find("hf:own/tiny"); /* what --model takes */
    assert_string_equal(again, want);
    free(again);
    setenv("HF_HUB_OFFLINE", "1", 1);
    assert_int_equal(pull("hf:own/tiny/config.json@main", &again, &err), CMAT_OK);
    free(again);
    refused("hf:own/tiny/other.gguf", CMAT_ERR_NOT_FOUND, "HF_HUB_OFFLINE");
    unsetenv("HF_HUB_OFFLINE");
    refused("hf:own/tiny", CMAT_ERR_IO, "127.0.0.1"); /* nobody there any more */
    free(part);
    free(link);
    free(want);
    free(path);
    free(redirect);
    free(list);
    cache_clear();
}

/* A hub that lies about a file: nothing of it gets a name. */
static void test_lies(void **state)
{
    (void)state;
    static const struct {
        long long size; /* that the list tells */
        size_t cut, claim;
        bool wrong_digest;
        cmat_status status;
        const char *says;
    } cases[] = {{4000, 0, 0, false, CMAT_ERR_FORMAT, "longer than the 4000 bytes"},
                 {6000, 0, 0, false, CMAT_ERR_FORMAT, "5000 bytes, expected 6000"},
                 {5000, 0, 0, true, CMAT_ERR_FORMAT, "its digest is"},
                 {5000, 0, 4000, false, CMAT_ERR_FORMAT, "4000 bytes, expected 5000"},
                 {1LL << 62, 0, 0, false, CMAT_ERR_FORMAT, "a size of"},
                 {-1, 0, 0, false, CMAT_ERR_FORMAT, "a size of"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        server hub;
        char digest[65], *blob;
        memcpy(digest, weights_sha, 65);
        if (cases[i].wrong_digest)
            digest[0] = digest[0] == 'a' ? 'b' : 'a';
        char *list = listing(COMMIT, "model.safetensors", digest, cases[i].size);
        const route near[] = {{.path = API, .body = list},
                              {.path = FILES "config.json", .body = config},
                              {.path = FILES "model.safetensors",
                               .body = weights,
                               .len = sizeof weights,
                               .cut = cases[i].cut,
                               .claim = cases[i].claim},
                              {0}};
        hub_start(&hub, near);
        refused("hf:own/tiny", cases[i].status, cases[i].says);
        server_stop(&hub);
        blob = cmat_xasprintf("blobs/%s", digest);
        assert_false(is_there(blob));
        assert_false(is_there("refs/main"));
        free(blob);
        blob = cmat_xasprintf("blobs/%s.incomplete", digest);
        assert_false(is_there(blob));
        free(blob);
        free(list);
        cache_clear();
    }
}

static void test_nonsense(void **state)
{
    (void)state;
    char *bad[] = {cmat_xstrdup("{\"sha\": "),
                   cmat_xstrdup("[]"),
                   cmat_xstrdup("{\"sha\": \"../../x\"}"),
                   cmat_xstrdup("{\"sha\": \"" COMMIT "\"}"),
                   cmat_xstrdup("{\"sha\": \"" COMMIT "\", \"siblings\": 7}"),
                   listing(COMMIT, "model.safetensors", "../../../etc/passwd", 5000),
                   listing(COMMIT, "model.safetensors", "ABC", 5000)};
    static const char *const says[] = {"line 1",   "no commit", "no commit", "holds no",
                                       "holds no", "is none",   "is none"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        server hub;
        const route near[] = {
            {.path = API, .body = bad[i]}, {.path = FILES "config.json", .body = config}, {0}};
        hub_start(&hub, near);
        refused("hf:own/tiny", strcmp(says[i], "holds no") ? CMAT_ERR_FORMAT : CMAT_ERR_NOT_FOUND,
                says[i]);
        server_stop(&hub);
        free(bad[i]);
        cache_clear();
    }
    server hub;
    const route closed[] = {{.path = API, .status = 401, .body = "no"}, {0}};
    hub_start(&hub, closed);
    refused("hf:own/tiny", CMAT_ERR_IO, "needs a token");
    refused("hf:own/other", CMAT_ERR_NOT_FOUND, "404");
    server_stop(&hub);
}

/* A name that leads out of the cache is never followed, wanted or not. */
static void test_traversal(void **state)
{
    (void)state;
    static const char *const names[] = {"../../../../evil.gguf", "/tmp/evil.gguf", "a/./../e.gguf"};
    for (size_t i = 0; i < 3; i++) {
        server hub;
        char *list = listing(COMMIT, names[i], weights_sha, 5000);
        const route near[] = {{.path = API, .body = list}, {0}};
        hub_start(&hub, near);
        refused("hf:own/tiny", CMAT_ERR_NOT_FOUND, "holds no model");
        server_stop(&hub);
        free(list);
        cache_clear();
    }
}

static void test_gguf(void **state)
{
    (void)state;
    server hub;
    cmat_error err = {0};
    char *path, *list = listing(COMMIT, "sub/m.gguf", weights_sha, 5000), to[128] = "";
    const route near[] = {{.path = API, .body = list},
                          {.path = FILES "sub/m.gguf", .body = weights, .len = sizeof weights},
                          {0}};
    hub_start(&hub, near);
    if (pull("hf:own/tiny", &path, &err) != CMAT_OK) /* the only one there is */
        fail_msg("%s", err.msg);
    assert_string_equal(cmat_path_base(path), "m.gguf");
    assert_true(readlink(path, to, sizeof to - 1) > 0);
    assert_int_equal(strncmp(to, "../../../blobs/", 15), 0);
    refused("hf:own/tiny/none.gguf", CMAT_ERR_NOT_FOUND, "no file none.gguf");
    char *found = cmat_model_find("hf:own/tiny/sub/m.gguf");
    assert_string_equal(found, path);
    server_stop(&hub);
    free(found);
    free(path);
    free(list);
    cache_clear();
    static const char two[] = "{\"sha\": \"" COMMIT
                              "\", \"siblings\": [{\"rfilename\": \"a.gguf\"}, "
                              "{\"rfilename\": \"b.gguf\"}]}";
    const route several[] = {{.path = API, .body = two}, {0}};
    hub_start(&hub, several);
    refused("hf:own/tiny", CMAT_ERR_ARG, "a.gguf b.gguf");
    server_stop(&hub);
    cache_clear();
}

/* A revision with slashes is one part of the address and a path below refs/. */
static void test_revision(void **state)
{
    (void)state;
    server hub;
    cmat_error err = {0};
    char *path, *list = listing(COMMIT, "m.gguf", weights_sha, 5000);
    const route near[] = {
        {.path = "/api/models/own/tiny/revision/refs%2Fpr%2F1?blobs=true", .body = list},
        {.path = FILES "config.json", .body = config},
        {0}};
    hub_start(&hub, near);
    if (pull("hf:own/tiny/config.json@refs/pr/1", &path, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    server_stop(&hub);
    assert_true(is_there("refs/refs/pr/1"));
    free(path);
    path = in_repo("blobs/");
    char *blob = cmat_xasprintf("%s%s", path, config_sha);
    assert_int_equal(cmat_write_file(blob, "cut", 3, NULL), CMAT_OK); /* by another tool */
    hub_start(&hub, near);
    refused("hf:own/tiny/config.json@refs/pr/1", CMAT_ERR_FORMAT, "remove it");
    server_stop(&hub);
    free(blob);
    free(path);
    free(list);
    cache_clear();
}

static int setup(void **state)
{
    (void)state;
    home = tiny_tmp_path("hub-test");
    setenv("HF_HOME", home, 1);
    unsetenv("HF_HUB_CACHE");
    unsetenv("HF_HUB_OFFLINE");
    unsetenv("HF_TOKEN");
    unsetenv("http_proxy");
    cmat_log_set_level(CMAT_LOG_ERROR);
    cmat_progress_set_quiet(1);
    for (size_t i = 0; i < sizeof weights; i++)
        weights[i] = (char)(i * 7 % 251);
    cmat_sha256_hex(weights, sizeof weights, weights_sha);
    char *path = cmat_path_join(home, "config");
    int rc = cmat_mkdir_p(home, NULL) != CMAT_OK ||
             cmat_write_file(path, config, sizeof config - 1, NULL) != CMAT_OK ||
             cmat_git_sha1_file(path, config_sha, NULL) != CMAT_OK;
    unlink(path);
    free(path);
    return rc;
}

static int teardown(void **state)
{
    (void)state;
    nftw(home, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(home);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),     cmocka_unit_test(test_folder),
        cmocka_unit_test(test_lies),      cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_traversal), cmocka_unit_test(test_gguf),
        cmocka_unit_test(test_revision),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
