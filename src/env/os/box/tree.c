/* tree.c - a layer of changes as bytes, as a list, and back. */
#include "env/os/box/tree.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, DEPTH_MAX = 128, ENTRIES_MAX = 200000 };
#define BILLION 1000000000LL

typedef struct {
    dev_t dev;
    ino_t ino;
    char *path;
} hard_link;

typedef struct {
    const box_times *times;
    box_bytes *out;
    const char **why;
    size_t max, n_entries, n_links, cap_links;
    hard_link *links;
    char real[PATH_ROOM], shown[PATH_ROOM]; /* where it lies, and its path */
} walk;

/* ---- names of a folder, sorted ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **names_of(const char *dir, size_t *n)
{
    char **names = NULL;
    size_t cap = 0;
    DIR *d = opendir(dir);
    *n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (*n == cap) {
            cap = 2 * cap + 16;
            char **more = realloc(names, cap * sizeof *names);
            if (!more)
                _exit(71);
            names = more;
        }
        if (!(names[(*n)++] = strdup(e->d_name)))
            _exit(71);
    }
    if (d)
        closedir(d);
    if (*n)
        qsort(names, *n, sizeof *names, by_name);
    return names;
}

static void names_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

/* ---- times ---- */

static void time_of(const box_times *t, const struct timespec *m, box_entry *e)
{
    const int64_t at = m->tv_sec * BILLION + m->tv_nsec;
    uint32_t k = 0;
    if (m->tv_nsec == 0) { /* set by somebody: the clock does not give whole seconds */
        e->seconds = m->tv_sec;
    } else if (at < t->start[0]) {
        e->time = 1;
        int64_t d = at - t->start[0];
        e->seconds = d / BILLION - (d % BILLION < 0);
    } else {
        while (k + 1 < t->n && at >= t->start[k + 1])
            k++;
        e->time = 2 + k;
    }
}

static struct timespec time_back(const box_times *t, const box_entry *e)
{
    struct timespec ts = {.tv_sec = e->seconds};
    int64_t at = t->start[0];
    if (e->time == 0)
        return ts;
    if (e->time == 1)
        at += e->seconds * BILLION + BILLION / 2;
    else
        at = t->start[e->time - 2 < t->n ? e->time - 2 : t->n - 1];
    if (at % BILLION == 0)
        at++;
    ts.tv_sec = at / BILLION;
    ts.tv_nsec = at % BILLION;
    return ts;
}

/* ---- saving ---- */

static bool opaque(const char *path)
{
    char v;
    return lgetxattr(path, "user.overlay.opaque", &v, 1) == 1 && v == 'y';
}

/* The path by which this file was saved before, or NULL (then it is noted). */
static const char *linked_before(walk *w, const struct stat *st)
{
    if (!S_ISREG(st->st_mode) || st->st_nlink < 2)
        return NULL;
    for (size_t i = 0; i < w->n_links; i++)
        if (w->links[i].dev == st->st_dev && w->links[i].ino == st->st_ino)
            return w->links[i].path;
    if (w->n_links == w->cap_links) {
        w->cap_links = 2 * w->cap_links + 16;
        hard_link *more = realloc(w->links, w->cap_links * sizeof *more);
        if (!more)
            _exit(71);
        w->links = more;
    }
    w->links[w->n_links++] = (hard_link){st->st_dev, st->st_ino, strdup(w->shown)};
    return NULL;
}

static bool add_file(walk *w, const struct stat *st)
{
    char data[65536];
    uint64_t left = (uint64_t)st->st_size;
    int fd = open(w->real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    while (left > 0) {
        ssize_t n = read(fd, data, left < sizeof data ? (size_t)left : sizeof data);
        if (n <= 0)
            break;
        box_add(w->out, data, (size_t)n);
        left -= (uint64_t)n;
    }
    close(fd);
    return left == 0;
}

static bool add_entry(walk *w, const struct stat *st)
{
    char target[PATH_ROOM];
    const char *same = linked_before(w, st);
    ssize_t n = S_ISLNK(st->st_mode) ? readlink(w->real, target, sizeof target) : 0;
    box_entry e = {.mode = st->st_mode,
                   .uid = st->st_uid,
                   .gid = st->st_gid,
                   .opaque = S_ISDIR(st->st_mode) && opaque(w->real),
                   .n_path = (uint32_t)strlen(w->shown),
                   .linked = same != NULL,
                   .n = same                   ? strlen(same)
                        : S_ISREG(st->st_mode) ? (uint64_t)st->st_size
                                               : 0};
    if (S_ISLNK(st->st_mode))
        e.n = n > 0 ? (uint64_t)n : 0;
    if (S_ISCHR(st->st_mode)) /* a whiteout has no time of its own */
        e.mode = S_IFCHR;
    else
        time_of(w->times, &st->st_mtim, &e);
    *w->why = "more is on its disk than can be set aside";
    if (++w->n_entries > ENTRIES_MAX || w->out->len + e.n > w->max)
        return false;
    box_add(w->out, &e, sizeof e);
    box_add(w->out, w->shown, e.n_path);
    if (same || S_ISLNK(st->st_mode)) {
        box_add(w->out, same ? same : target, (size_t)e.n);
        return true;
    }
    *w->why = "a file changed while it was read";
    return !S_ISREG(st->st_mode) || add_file(w, st);
}

static bool save_dir(walk *w, int depth)
{
    size_t n, real = strlen(w->real), shown = strlen(w->shown);
    char **names = names_of(w->real, &n);
    bool ok = depth < DEPTH_MAX;
    *w->why = "its folders are nested too deeply";
    for (size_t i = 0; ok && i < n; i++) {
        struct stat st;
        const size_t len = strlen(names[i]) + 2;
        if (real + len > PATH_ROOM || shown + len > PATH_ROOM) {
            ok = false;
            break;
        }
        snprintf(w->real + real, PATH_ROOM - real, "/%s", names[i]);
        snprintf(w->shown + shown, PATH_ROOM - shown, "%s%s", shown ? "/" : "", names[i]);
        *w->why = "a file changed while it was read";
        ok = lstat(w->real, &st) == 0 && add_entry(w, &st) &&
             (!S_ISDIR(st.st_mode) || save_dir(w, depth + 1));
        w->real[real] = w->shown[shown] = '\0';
    }
    names_free(names, n);
    return ok;
}

bool box_tree_save(const char *dir, const char *prefix, const box_times *times, size_t max,
                   box_bytes *out, const char **why)
{
    walk *w = calloc(1, sizeof *w);
    if (!w)
        _exit(71);
    w->times = times;
    w->out = out;
    w->why = why;
    w->max = max;
    snprintf(w->real, sizeof w->real, "%s", dir);
    snprintf(w->shown, sizeof w->shown, "%s", prefix);
    /* The layer's own root: its permissions and time are part of the state. */
    struct stat st;
    bool ok = lstat(dir, &st) == 0 && add_entry(w, &st) && save_dir(w, 0);
    for (size_t i = 0; i < w->n_links; i++)
        free(w->links[i].path);
    free(w->links);
    free(w);
    return ok;
}

/* ---- loading ---- */

static bool load_content(const char *path, const box_entry *e, const char *data)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = box_write_all(fd, data, (size_t)e->n);
    close(fd);
    return ok;
}

static bool load_entry(const char *path, const char *same, const box_entry *e, const char *data)
{
    char target[PATH_ROOM];
    if (e->linked)
        return link(same, path) == 0;
    if (S_ISDIR(e->mode)) {
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return false;
        return !e->opaque || setxattr(path, "user.overlay.opaque", "y", 1, 0) == 0;
    }
    if (S_ISCHR(e->mode))
        return mknod(path, S_IFCHR, makedev(0, 0)) == 0;
    if (S_ISLNK(e->mode)) {
        memcpy(target, data, (size_t)e->n);
        target[e->n] = '\0';
        return symlink(target, path) == 0;
    }
    if (S_ISREG(e->mode))
        return load_content(path, e, data);
    return mknod(path, e->mode & (S_IFIFO | S_IFSOCK | 0777), 0) == 0;
}

static void load_meta(const char *path, const box_entry *e, const box_times *times)
{
    struct timespec t[2] = {time_back(times, e), time_back(times, e)};
    if (S_ISCHR(e->mode))
        return;
    if (lchown(path, e->uid, e->gid) == 0 && !S_ISLNK(e->mode))
        chmod(path, e->mode & 07777);
    utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW);
}

/* The entry at *at, which moves on; false: the bytes are not a saved tree. */
static bool next_entry(const char *data, size_t len, size_t *at, box_entry *e, const char **path,
                       const char **content)
{
    if (len - *at < sizeof *e)
        return false;
    memcpy(e, data + *at, sizeof *e);
    const size_t left = len - *at - sizeof *e;
    if (e->n_path >= PATH_ROOM / 2 || e->n_path > left || e->n > left - e->n_path ||
        (!S_ISREG(e->mode) && e->n >= PATH_ROOM) || (e->linked && e->n >= PATH_ROOM))
        return false;
    *path = data + *at + sizeof *e;
    *content = *path + e->n_path;
    *at += sizeof *e + e->n_path + (size_t)e->n;
    return memchr(*path, '\0', e->n_path) == NULL;
}

/* "usr/bin/x" as a path below dir when prefix is "usr"; false: it belongs to another layer. */
static bool real_path(const char *dir, const char *prefix, const char *path, size_t n, char *out)
{
    const size_t p = strlen(prefix);
    if (n < p || memcmp(path, prefix, p) != 0)
        return false;
    path += p;
    n -= p;
    if (p > 0 && n > 0) {
        if (*path != '/')
            return false;
        path++;
        n--;
    }
    return snprintf(out, PATH_ROOM, "%s%s%.*s", dir, n ? "/" : "", (int)n, path) < PATH_ROOM;
}

/* Two passes: all entries first, then owners and times, folders after what is in them. */
bool box_tree_load(const char *dir, const char *prefix, const box_times *times, const char *data,
                   size_t len, const char **why)
{
    char *real = malloc(2 * PATH_ROOM), *same = real + PATH_ROOM;
    size_t *starts = NULL, n = 0, cap = 0;
    bool ok = real != NULL;
    *why = "the saved file system is broken";
    for (size_t at = 0, start = 0; ok && at < len; start = at) {
        box_entry e;
        const char *path, *content;
        if (!(ok = next_entry(data, len, &at, &e, &path, &content)))
            break;
        if (!real_path(dir, prefix, path, e.n_path, real))
            continue;
        if (e.linked && !real_path(dir, prefix, content, (size_t)e.n, same)) {
            ok = false;
            break;
        }
        if (n == cap) {
            cap = 2 * cap + 64;
            size_t *more = realloc(starts, cap * sizeof *more);
            if (!more)
                _exit(71);
            starts = more;
        }
        starts[n++] = start;
        ok = load_entry(real, same, &e, content);
    }
    while (ok && n > 0) {
        box_entry e;
        const char *path, *content;
        size_t at = starts[--n];
        if (next_entry(data, len, &at, &e, &path, &content) && !e.linked &&
            real_path(dir, prefix, path, e.n_path, real))
            load_meta(real, &e, times);
    }
    free(starts);
    free(real);
    return ok;
}

/* ---- changes ---- */

typedef struct {
    box_bytes *out;
    size_t left;
    char real[PATH_ROOM], shown[PATH_ROOM], before[PATH_ROOM];
} diff;

static void change(diff *d, char kind, long long size)
{
    char line[PATH_ROOM + 64];
    if (d->left == 0)
        return;
    d->left--;
    int n = snprintf(line, sizeof line, "%c %lld %s\n", kind, size, d->shown);
    for (int i = 0; i + 1 < n; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 127)
            line[i] = '?';
    box_add(d->out, line, (size_t)n);
}

static bool same_meta(const struct stat *a, const struct stat *b)
{
    return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid;
}

static void diff_dir(diff *d, int depth)
{
    size_t n, real = strlen(d->real), shown = strlen(d->shown), before = strlen(d->before);
    char **names = depth < DEPTH_MAX ? names_of(d->real, &n) : NULL;
    for (size_t i = 0; names && i < n && d->left > 0; i++) {
        struct stat now, then;
        const size_t len = strlen(names[i]) + 2;
        if (real + len > PATH_ROOM || shown + len > PATH_ROOM || before + len > PATH_ROOM)
            continue;
        snprintf(d->real + real, PATH_ROOM - real, "/%s", names[i]);
        snprintf(d->shown + shown, PATH_ROOM - shown, "/%s", names[i]);
        snprintf(d->before + before, PATH_ROOM - before, "/%s", names[i]);
        const bool was = lstat(d->before, &then) == 0;
        if (lstat(d->real, &now) != 0)
            ;
        else if (S_ISCHR(now.st_mode))
            change(d, 'D', 0);
        else if (!was)
            change(d, 'A', (long long)now.st_size);
        else if (!S_ISDIR(now.st_mode) || !S_ISDIR(then.st_mode) || !same_meta(&now, &then))
            change(d, 'M', (long long)now.st_size);
        if (lstat(d->real, &now) == 0 && S_ISDIR(now.st_mode))
            diff_dir(d, depth + 1);
        d->real[real] = d->shown[shown] = d->before[before] = '\0';
    }
    if (names)
        names_free(names, n);
}

void box_tree_changes(const char *dir, const char *prefix, const char *live, size_t max,
                      box_bytes *out)
{
    diff *d = calloc(1, sizeof *d);
    if (!d)
        _exit(71);
    d->out = out;
    d->left = max;
    snprintf(d->real, sizeof d->real, "%s", dir);
    snprintf(d->shown, sizeof d->shown, "%s%s", *prefix ? "/" : "", prefix);
    snprintf(d->before, sizeof d->before, "%s%s%s", live, *prefix ? "/" : "", prefix);
    diff_dir(d, 0);
    free(d);
}
