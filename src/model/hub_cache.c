/* model/hub_cache.c - names of the hub and the layout of its cache. */
#include "core/fs.h"
#include "core/mem.h"
#include "model/hf_folder.h"
#include "model/hub.h"
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { MAX_NAME = 200 };

bool cmat_hub_path_is_safe(const char *path)
{
    if (!*path || strlen(path) > 4 * MAX_NAME)
        return false;
    for (const char *s = path;; s++) {
        size_t len = strcspn(s, "/");
        if (len == 0 || len > MAX_NAME || *s == '.')
            return false;
        for (size_t i = 0; i < len; i++)
            if (!isalnum((unsigned char)s[i]) && !strchr("._-+", s[i]))
                return false;
        s += len;
        if (!*s)
            return true;
    }
}

bool cmat_hub_is_name(const char *s)
{
    return strncmp(s, "hf:", 3) == 0;
}

cmat_status cmat_hub_name_parse(cmat_hub_name *n, const char *s, cmat_error *err)
{
    const char *p = s + 3, *at = strrchr(p, '@');
    const size_t len = at ? (size_t)(at - p) : strlen(p);
    char *path = cmat_xstrndup(p, len);
    char *slash = strchr(path, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
    *n = (cmat_hub_name){.revision = cmat_xstrdup(at ? at + 1 : "main")};
    const char *dashes = strstr(path, "--"); /* what the cache puts between owner and name */
    if (slash && cmat_hub_path_is_safe(path) && cmat_hub_path_is_safe(n->revision) &&
        !(dashes && (!second || dashes < second))) {
        n->file = cmat_xstrdup(second ? second + 1 : "");
        if (second)
            *second = '\0';
        n->repo = path;
        return CMAT_OK;
    }
    free(path);
    cmat_hub_name_clear(n);
    return cmat_fail(err, CMAT_ERR_ARG,
                     "\"%.120s\" is not hf:OWNER/NAME, hf:OWNER/NAME/FILE or one of them and "
                     "@REVISION",
                     s);
}

void cmat_hub_name_clear(cmat_hub_name *n)
{
    free(n->repo);
    free(n->file);
    free(n->revision);
    *n = (cmat_hub_name){0};
}

static const char *env(const char *name)
{
    const char *s = getenv(name);
    return s && *s ? s : NULL;
}

char *cmat_hub_cache_dir(void)
{
    const char *cache = env("HF_HUB_CACHE"), *home = env("HF_HOME"), *xdg = env("XDG_CACHE_HOME");
    if (cache)
        return cmat_xstrdup(cache);
    if (home)
        return cmat_path_join(home, "hub");
    if (xdg)
        return cmat_path_join(xdg, "huggingface/hub");
    return cmat_path_join(env("HOME") ? env("HOME") : "/", ".cache/huggingface/hub");
}

char *cmat_hub_repo_dir(const cmat_hub_name *n)
{
    char *cache = cmat_hub_cache_dir();
    const char *slash = strchr(n->repo, '/');
    char *dir =
        cmat_xasprintf("%s/models--%.*s--%s", cache, (int)(slash - n->repo), n->repo, slash + 1);
    free(cache);
    return dir;
}

bool cmat_hub_is_offline(void)
{
    const char *v = env("HF_HUB_OFFLINE");
    return v && (strcmp(v, "1") == 0 || strcasecmp(v, "true") == 0 || strcasecmp(v, "yes") == 0 ||
                 strcasecmp(v, "on") == 0);
}

/* The snapshot's folder of the revision: its own name, or what refs/ says. */
static char *snapshot_dir(const cmat_hub_name *n)
{
    char *repo = cmat_hub_repo_dir(n), *ref = cmat_xasprintf("%s/refs/%s", repo, n->revision);
    char *text = NULL, *dir = NULL;
    size_t len;
    if (cmat_read_file(ref, 256, &text, &len, NULL) == CMAT_OK) {
        text[strcspn(text, " \r\n")] = '\0';
        if (cmat_hub_path_is_safe(text))
            dir = cmat_xasprintf("%s/snapshots/%s", repo, text);
    } else {
        dir = cmat_xasprintf("%s/snapshots/%s", repo, n->revision);
    }
    free(text);
    free(ref);
    free(repo);
    return dir;
}

/* The folder's one GGUF, or NULL. */
static char *only_gguf(const char *dir)
{
    char *path = NULL;
    int n = 0;
    struct dirent *e;
    DIR *d = opendir(dir);
    while (d && (e = readdir(d))) {
        const size_t len = strlen(e->d_name);
        if (len < 6 || strcmp(e->d_name + len - 5, ".gguf") != 0)
            continue;
        free(path);
        path = cmat_path_join(dir, e->d_name);
        n++;
    }
    if (d)
        closedir(d);
    if (n == 1)
        return path;
    free(path);
    return NULL;
}

char *cmat_hub_cached(const cmat_hub_name *n)
{
    char *dir = snapshot_dir(n), *path = NULL;
    if (!dir)
        return NULL;
    if (n->file[0])
        path = cmat_path_join(dir, n->file);
    else
        path = cmat_hf_folder_is(dir) ? cmat_xstrdup(dir) : only_gguf(dir);
    free(dir);
    if (path && !cmat_path_exists(path)) {
        free(path);
        path = NULL;
    }
    return path;
}
