/* Pulling from the hub: a local server that plays it (drops connections, lies about lengths,
 * redirects to another host, answers nonsense), the cache's layout, names, offline use. */
#include "core/buf.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/progress.h"
#include "http_server.h"
#include "model/hub.h"
#include "model/pull.h"
#include "tiny_model.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    http_server http;
    http_files files;
} server;

static void server_start(server *s, const http_file *files)
{
    *s = (server){.files = {.files = files, .token = "Authorization: Bearer secret"}};
    http_server_start(&s->http, http_send_file, &s->files);
}

static void hub_start(server *s, const http_file *files)
{
    server_start(s, files);
    char *url = cmat_xasprintf("http://127.0.0.1:%d", s->http.port);
    setenv("HF_ENDPOINT", url, 1);
    free(url);
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
    const http_file far[] = {
        {.path = "/lfs/x", .body = weights, .len = sizeof weights, .cut = 2000, .etag = "\"e\""},
        {0}};
    cmat_error err = {0};
    char *path, *again, to[128] = "",
                        *list = listing(COMMIT, "model.safetensors", weights_sha, 5000);
    server_start(&cdn, far);
    char *redirect = http_server_url(&cdn.http, "lfs/x");
    const http_file near[] = {
        {.path = API, .body = list},
        {.path = FILES "config.json", .body = config},
        {.path = FILES "model.safetensors", .status = 302, .redirect = redirect},
        {0}};
    hub_start(&hub, near);
    setenv("HF_TOKEN", "secret", 1);
    if (pull("hf:own/tiny", &path, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    unsetenv("HF_TOKEN");
    assert_int_equal(cdn.files.n_tokens, 0);
    assert_int_equal(hub.files.n_tokens, hub.http.n_requests);
    assert_int_equal(cdn.http.n_requests, 3); /* 2000, 2000, 1000 bytes */
    assert_int_equal(cdn.files.n_ranges, 2);
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
    const int n = hub.http.n_requests;
    assert_int_equal(pull("hf:own/tiny", &again, &err), CMAT_OK);
    assert_int_equal(hub.http.n_requests, n + 1); /* the list alone */
    free(again);
    http_server_stop(&hub.http);
    http_server_stop(&cdn.http);
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
        const http_file near[] = {{.path = API, .body = list},
                                  {.path = FILES "config.json", .body = config},
                                  {.path = FILES "model.safetensors",
                                   .body = weights,
                                   .len = sizeof weights,
                                   .etag = "\"e\"",
                                   .cut = cases[i].cut,
                                   .claim = cases[i].claim},
                                  {0}};
        hub_start(&hub, near);
        refused("hf:own/tiny", cases[i].status, cases[i].says);
        http_server_stop(&hub.http);
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
        const http_file near[] = {
            {.path = API, .body = bad[i]}, {.path = FILES "config.json", .body = config}, {0}};
        hub_start(&hub, near);
        refused("hf:own/tiny", strcmp(says[i], "holds no") ? CMAT_ERR_FORMAT : CMAT_ERR_NOT_FOUND,
                says[i]);
        http_server_stop(&hub.http);
        free(bad[i]);
        cache_clear();
    }
    server hub;
    const http_file closed[] = {{.path = API, .status = 401, .body = "no"}, {0}};
    hub_start(&hub, closed);
    refused("hf:own/tiny", CMAT_ERR_IO, "needs a token");
    refused("hf:own/other", CMAT_ERR_NOT_FOUND, "404");
    http_server_stop(&hub.http);
}

/* A name that leads out of the cache is never followed, wanted or not. */
static void test_traversal(void **state)
{
    (void)state;
    static const char *const names[] = {"../../../../evil.gguf", "/tmp/evil.gguf", "a/./../e.gguf"};
    for (size_t i = 0; i < 3; i++) {
        server hub;
        char *list = listing(COMMIT, names[i], weights_sha, 5000);
        const http_file near[] = {{.path = API, .body = list}, {0}};
        hub_start(&hub, near);
        refused("hf:own/tiny", CMAT_ERR_NOT_FOUND, "holds no model");
        http_server_stop(&hub.http);
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
    const http_file near[] = {{.path = API, .body = list},
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
    http_server_stop(&hub.http);
    free(found);
    free(path);
    free(list);
    cache_clear();
    static const char two[] = "{\"sha\": \"" COMMIT
                              "\", \"siblings\": [{\"rfilename\": \"a.gguf\"}, "
                              "{\"rfilename\": \"b.gguf\"}]}";
    const http_file several[] = {{.path = API, .body = two}, {0}};
    hub_start(&hub, several);
    refused("hf:own/tiny", CMAT_ERR_ARG, "a.gguf b.gguf");
    http_server_stop(&hub.http);
    cache_clear();
}

/* A revision with slashes is one part of the address and a path below refs/. */
static void test_revision(void **state)
{
    (void)state;
    server hub;
    cmat_error err = {0};
    char *path, *list = listing(COMMIT, "m.gguf", weights_sha, 5000);
    const http_file near[] = {
        {.path = "/api/models/own/tiny/revision/refs%2Fpr%2F1?blobs=true", .body = list},
        {.path = FILES "config.json", .body = config},
        {0}};
    hub_start(&hub, near);
    if (pull("hf:own/tiny/config.json@refs/pr/1", &path, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    http_server_stop(&hub.http);
    assert_true(is_there("refs/refs/pr/1"));
    free(path);
    path = in_repo("blobs/");
    char *blob = cmat_xasprintf("%s%s", path, config_sha);
    assert_int_equal(cmat_write_file(blob, "cut", 3, NULL), CMAT_OK); /* by another tool */
    hub_start(&hub, near);
    refused("hf:own/tiny/config.json@refs/pr/1", CMAT_ERR_FORMAT, "remove it");
    http_server_stop(&hub.http);
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
