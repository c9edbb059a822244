/* model/hub.c - gets models from the hub into its cache.
 *
 * GET /api/models/REPO/revision/REVISION?blobs=true tells the commit and the files with their
 * digests; GET /REPO/resolve/COMMIT/FILE is a file, often by way of another host. Nothing in an
 * answer is trusted: names must be safe paths, digests hex digits, and a file is given its name
 * only when it has the size and the digest that were told. */
#include "model/hub.h"
#include "core/buf.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "model/hf_folder.h"
#include "model/pull_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ANSWER = 32 << 20, MAX_FILES = 100000 };
#define MAX_FILE ((int64_t)1 << 43)

/* One file of a repository. */
typedef struct {
    const char *name; /* borrowed from the answer */
    const char *digest;
    bool large; /* digest is a SHA-256, else git's SHA-1 */
    int64_t size;
} hub_file;

typedef struct {
    const cmat_hub_name *name;
    const char *endpoint, *token;
    char *repo_dir, *commit;
    json_t *answer;
} hub;

static bool is_hex(const char *s, size_t n)
{
    return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

/* --- what the hub has ------------------------------------------------------------------------ */

static cmat_status answer_get(hub *h, cmat_error *err)
{
    const cmat_hub_name *n = h->name;
    cmat_buf body = {0}, url_text = {0};
    cmat_buf_printf(&url_text, "%s/api/models/%s/revision/", h->endpoint, n->repo);
    for (const char *p = n->revision; *p; p++) /* refs/pr/1 is one part of the path */
        cmat_buf_add(&url_text, *p == '/' ? "%2F" : p, *p == '/' ? 3 : 1);
    cmat_buf_puts(&url_text, "?blobs=true");
    const char *url = cmat_buf_str(&url_text);
    cmat_status st = cmat_pull_text(url, h->token, MAX_ANSWER, &body, err);
    if (st == CMAT_OK && !(h->answer = cmat_json_parse(cmat_buf_str(&body), body.len, url, err)))
        st = CMAT_ERR_FORMAT;
    const char *commit = cmat_json_str(h->answer, "sha", "");
    if (st == CMAT_OK && !is_hex(commit, 40))
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: its sha is no commit", url);
    if (st == CMAT_OK)
        h->commit = cmat_xstrdup(commit);
    cmat_buf_clear(&body);
    cmat_buf_clear(&url_text);
    return st;
}

/* Reads an entry of `siblings`. */
static cmat_status file_read(const hub *h, const json_t *j, hub_file *f, cmat_error *err)
{
    const json_t *lfs = json_object_get(j, "lfs");
    *f = (hub_file){.name = cmat_json_str(j, "rfilename", ""),
                    .large = json_is_object(lfs),
                    .size = cmat_json_int(j, "size", -1)};
    f->digest = f->large ? cmat_json_str(lfs, "sha256", "") : cmat_json_str(j, "blobId", "");
    if (f->large && f->size < 0)
        f->size = cmat_json_int(lfs, "size", -1);
    if (!cmat_hub_path_is_safe(f->name))
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: a file with the name \"%.100s\"", h->name->repo,
                         f->name);
    if (!is_hex(f->digest, f->large ? 64 : 40))
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: %s: its digest \"%.80s\" is none",
                         h->name->repo, f->name, f->digest);
    if (f->size < 0 || f->size > MAX_FILE)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: %s: a size of %lld bytes", h->name->repo,
                         f->name, (long long)f->size);
    return CMAT_OK;
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

/* The files that cmat reads, at the top of the repository. */
static bool belongs_to_model(const char *name)
{
    static const char *const names[] = {"config.json",
                                        "generation_config.json",
                                        "tokenizer.json",
                                        "tokenizer.model",
                                        "qwen.tiktoken",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "chat_template.jinja",
                                        "chat_template.json",
                                        "model.safetensors.index.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return !strchr(name, '/') && strncmp(name, "model", 5) == 0 && ends_with(name, ".safetensors");
}

static json_t *siblings(const hub *h)
{
    return json_object_get(h->answer, "siblings");
}

/* Which file to get when the repository holds GGUFs only: the one there is. */
static cmat_status only_gguf(const hub *h, const char **name, cmat_error *err)
{
    cmat_buf list = {0};
    json_t *j;
    size_t i, n = 0;
    *name = NULL;
    json_array_foreach(siblings(h), i, j)
    {
        const char *s = cmat_json_str(j, "rfilename", "");
        if (!ends_with(s, ".gguf") || !cmat_hub_path_is_safe(s))
            continue;
        *name = s;
        if (n++ < 20)
            cmat_buf_printf(&list, " %s", s);
    }
    cmat_status st = CMAT_OK;
    if (n != 1)
        st = cmat_fail(err, n ? CMAT_ERR_ARG : CMAT_ERR_NOT_FOUND,
                       n ? "hf:%s holds several models, name one (hf:%s/FILE):%s"
                         : "hf:%s holds no model.safetensors and no GGUF%s%s",
                       h->name->repo, n ? h->name->repo : "", n ? cmat_buf_str(&list) : "");
    cmat_buf_clear(&list);
    return st;
}

/* --- one file -------------------------------------------------------------------------------- */

static cmat_status file_check(const hub *h, const hub_file *f, const char *path, cmat_error *err)
{
    char hex[65];
    cmat_status st =
        f->large ? cmat_sha256_file(path, hex, err) : cmat_git_sha1_file(path, hex, err);
    if (st == CMAT_OK && strcmp(hex, f->digest) != 0)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: %s: its digest is %s, expected %s", h->name->repo,
                       f->name, hex, f->digest);
    return st;
}

/* Fetches the blob, unless it is there. A whole file that is wrong does not stay. */
static cmat_status blob_get(const hub *h, const hub_file *f, const char *blob, cmat_error *err)
{
    struct stat there;
    if (stat(blob, &there) == 0) {
        if (there.st_size == f->size)
            return CMAT_OK;
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: %lld bytes, %s has %lld: remove it", blob,
                         (long long)there.st_size, f->name, (long long)f->size);
    }
    char *url =
        cmat_xasprintf("%s/%s/resolve/%s/%s", h->endpoint, h->name->repo, h->commit, f->name);
    char *part = cmat_xasprintf("%s.incomplete", blob);
    cmat_status st = cmat_pull_http(&(cmat_http_options){.url = url,
                                                         .part = part,
                                                         .token = h->token,
                                                         .size = f->size,
                                                         .has_size = true,
                                                         .label = cmat_path_base(f->name)},
                                    err);
    if (st == CMAT_OK && (st = file_check(h, f, part, err)) != CMAT_OK)
        unlink(part);
    else if (st == CMAT_OK && rename(part, blob) != 0)
        st = cmat_fail(err, CMAT_ERR_IO, "write %s: %s", blob, strerror(errno));
    free(part);
    free(url);
    return st;
}

/* snapshots/COMMIT/FILE -> ../../blobs/DIGEST, with a .. more for each folder of FILE. */
static cmat_status link_make(const hub *h, const hub_file *f, cmat_error *err)
{
    char *path = cmat_xasprintf("%s/snapshots/%s/%s", h->repo_dir, h->commit, f->name);
    char *dir = cmat_xstrndup(path, (size_t)(cmat_path_base(path) - path) - 1);
    cmat_buf to = {0};
    cmat_status st = cmat_mkdir_p(dir, err);
    cmat_buf_puts(&to, "../../");
    for (const char *s = f->name; (s = strchr(s, '/')); s++)
        cmat_buf_puts(&to, "../");
    cmat_buf_printf(&to, "blobs/%s", f->digest);
    if (st == CMAT_OK && !cmat_path_exists(path)) {
        char *tmp = cmat_xasprintf("%s.tmp-%d", path, (int)getpid());
        unlink(tmp);
        if (symlink(cmat_buf_str(&to), tmp) != 0 || rename(tmp, path) != 0)
            st = cmat_fail(err, CMAT_ERR_IO, "write %s: %s", path, strerror(errno));
        free(tmp);
    }
    cmat_buf_clear(&to);
    free(dir);
    free(path);
    return st;
}

static cmat_status file_get(const hub *h, const json_t *entry, cmat_error *err)
{
    hub_file f;
    cmat_status st = file_read(h, entry, &f, err);
    if (st != CMAT_OK)
        return st;
    char *blob = cmat_xasprintf("%s/blobs/%s", h->repo_dir, f.digest);
    if ((st = blob_get(h, &f, blob, err)) == CMAT_OK)
        st = link_make(h, &f, err);
    free(blob);
    return st;
}

/* --- the whole ------------------------------------------------------------------------------- */

/* Gets `file`, or with NULL all that make the model; *n tells how many. */
static cmat_status files_get(const hub *h, const char *file, size_t *n, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    json_t *j;
    size_t i;
    *n = 0;
    if (!json_is_array(siblings(h)) || json_array_size(siblings(h)) > MAX_FILES)
        return cmat_fail(err, CMAT_ERR_FORMAT, "hf:%s: the hub's answer names no files",
                         h->name->repo);
    json_array_foreach(siblings(h), i, j)
    {
        const char *name = cmat_json_str(j, "rfilename", "");
        if (file ? strcmp(name, file) != 0 : !belongs_to_model(name))
            continue;
        if ((st = file_get(h, j, err)) != CMAT_OK)
            return st;
        ++*n;
    }
    return CMAT_OK;
}

static bool has_weights(const hub *h)
{
    json_t *j;
    size_t i;
    json_array_foreach(siblings(h), i, j)
    {
        const char *name = cmat_json_str(j, "rfilename", "");
        if (ends_with(name, ".safetensors") && belongs_to_model(name))
            return true;
    }
    return false;
}

static cmat_status ref_write(const hub *h, cmat_error *err)
{
    char *path = cmat_xasprintf("%s/refs/%s", h->repo_dir, h->name->revision);
    char *dir = cmat_xstrndup(path, (size_t)(cmat_path_base(path) - path) - 1);
    cmat_status st = CMAT_OK;
    if (strcmp(h->name->revision, h->commit) != 0 && (st = cmat_mkdir_p(dir, err)) == CMAT_OK)
        st = cmat_write_file(path, h->commit, 40, err);
    free(dir);
    free(path);
    return st;
}

static cmat_status pull_online(hub *h, char **path, cmat_error *err)
{
    const char *file = h->name->file[0] ? h->name->file : NULL;
    char *blobs = cmat_path_join(h->repo_dir, "blobs");
    size_t n = 0;
    cmat_status st;
    if ((st = answer_get(h, err)) != CMAT_OK || (st = cmat_mkdir_p(blobs, err)) != CMAT_OK)
        goto done;
    if (!file && !has_weights(h) && (st = only_gguf(h, &file, err)) != CMAT_OK)
        goto done;
    if ((st = files_get(h, file, &n, err)) == CMAT_OK && n == 0)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "hf:%s has no file %s", h->name->repo,
                       file ? file : "of a model");
    if (st == CMAT_OK && (st = ref_write(h, err)) == CMAT_OK)
        *path = cmat_xasprintf("%s/snapshots/%s%s%s", h->repo_dir, h->commit, file ? "/" : "",
                               file ? file : "");
done:
    free(blobs);
    return st;
}

cmat_status cmat_hub_pull(const cmat_hub_name *n, const char *sha256, char **path, cmat_error *err)
{
    const char *endpoint = getenv("HF_ENDPOINT"), *token = getenv("HF_TOKEN");
    hub h = {.name = n,
             .endpoint = endpoint && *endpoint ? endpoint : CMAT_HUB_ENDPOINT,
             .token = token && *token ? token : NULL,
             .repo_dir = cmat_hub_repo_dir(n)};
    char hex[65];
    cmat_status st = CMAT_OK;
    *path = NULL;
    if (cmat_hub_is_offline()) {
        if (!(*path = cmat_hub_cached(n)))
            st = cmat_fail(err, CMAT_ERR_NOT_FOUND,
                           "hf:%s%s%s is not in %s, and HF_HUB_OFFLINE is set", n->repo,
                           n->file[0] ? "/" : "", n->file, h.repo_dir);
    } else {
        st = pull_online(&h, path, err);
    }
    if (st == CMAT_OK && sha256 && cmat_path_is_dir(*path))
        st = cmat_fail(err, CMAT_ERR_ARG, "--sha256 is for one file: hf:%s/FILE", n->repo);
    if (st == CMAT_OK && sha256 && (st = cmat_sha256_file(*path, hex, err)) == CMAT_OK &&
        strcasecmp(hex, sha256) != 0)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: its sha256 is %s, expected %s", *path, hex,
                       sha256);
    if (st != CMAT_OK) {
        free(*path);
        *path = NULL;
    }
    json_decref(h.answer);
    free(h.repo_dir);
    free(h.commit);
    return st;
}
