/* fs.c - files: whole reads with a cap, atomic writes, read-only mappings. */
#include "core/fs.h"
#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

cmat_status cmat_read_file(const char *path, size_t max, char **data, size_t *len, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    size_t cap = 0, n = 0;
    char *p = NULL;
    FILE *f = fopen(path, "rb");

    *data = NULL;
    *len = 0;
    if (!f)
        return cmat_fail(err, errno == ENOENT ? CMAT_ERR_NOT_FOUND : CMAT_ERR_IO, "open %s: %s",
                         path, strerror(errno));
    for (;;) {
        size_t got;
        p = cmat_xgrow(p, &cap, n + 65536 + 1, 1);
        got = fread(p + n, 1, 65536, f);
        n += got;
        if (n > max) {
            st = cmat_fail(err, CMAT_ERR_LIMIT, "read %s: longer than %zu bytes", path, max);
            goto done;
        }
        if (got < 65536)
            break;
    }
    if (ferror(f)) {
        st = cmat_fail(err, CMAT_ERR_IO, "read %s: %s", path, strerror(errno));
        goto done;
    }
    p[n] = '\0';
    *data = p;
    *len = n;
    p = NULL;
done:
    free(p);
    fclose(f);
    return st;
}

struct cmat_writer {
    char *path, *tmp; /* tmp: NULL when a device or pipe is written as it is */
    FILE *f;
    size_t size;
    int error; /* the first errno */
};

/* Is there a device, a pipe or a socket of this name (/dev/stdout, /dev/null)? A file must not take
 * its place. */
static bool is_special(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && !S_ISREG(sb.st_mode) && !S_ISDIR(sb.st_mode);
}

/* What a link leads to, so that the link stays; else the path itself. The caller's to free(). */
static char *link_target(const char *path)
{
    struct stat sb;
    char *real = lstat(path, &sb) == 0 && S_ISLNK(sb.st_mode) ? realpath(path, NULL) : NULL;
    return real ? real : cmat_xstrdup(path);
}

cmat_status cmat_writer_open(cmat_writer **out, const char *path, cmat_error *err)
{
    cmat_writer *w = cmat_xcalloc(1, sizeof *w);
    const bool special = is_special(path);

    *out = NULL;
    w->path = special ? cmat_xstrdup(path) : link_target(path);
    w->tmp = special ? NULL : cmat_xasprintf("%s.tmp-%ld", w->path, (long)getpid());
    w->f = fopen(special ? path : w->tmp, "wb");
    if (!w->f) {
        cmat_status st = cmat_fail(err, CMAT_ERR_IO, "write %s: %s", path, strerror(errno));
        free(w->path);
        free(w->tmp);
        free(w);
        return st;
    }
    *out = w;
    return CMAT_OK;
}

void cmat_writer_add(cmat_writer *w, const void *data, size_t n)
{
    if (!w->error && n && fwrite(data, 1, n, w->f) != n)
        w->error = errno ? errno : EIO;
    w->size += n;
}

size_t cmat_writer_size(const cmat_writer *w)
{
    return w->size;
}

void cmat_writer_abort(cmat_writer *w)
{
    if (!w)
        return;
    if (w->f)
        fclose(w->f);
    if (w->tmp)
        unlink(w->tmp);
    free(w->path);
    free(w->tmp);
    free(w);
}

/* A rename is only as durable as its folder. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir =
        slash ? cmat_xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : cmat_xstrdup(".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(dir);
}

cmat_status cmat_writer_commit(cmat_writer *w, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    int closed;

    if (!w->error && (fflush(w->f) != 0 || (w->tmp && fsync(fileno(w->f)) != 0)))
        w->error = errno;
    closed = fclose(w->f);
    w->f = NULL;
    if (!w->error && closed != 0)
        w->error = errno;
    if (!w->error && w->tmp && rename(w->tmp, w->path) != 0)
        w->error = errno;
    if (w->error)
        st = cmat_fail(err, CMAT_ERR_IO, "write %s: %s", w->path, strerror(w->error));
    else if (w->tmp)
        sync_folder(w->path);
    cmat_writer_abort(w);
    return st;
}

cmat_status cmat_write_file(const char *path, const void *data, size_t len, cmat_error *err)
{
    cmat_writer *w;
    cmat_status st = cmat_writer_open(&w, path, err);

    if (st != CMAT_OK)
        return st;
    cmat_writer_add(w, data, len);
    return cmat_writer_commit(w, err);
}

cmat_status cmat_map_open(cmat_map *m, const char *path, cmat_error *err)
{
    struct stat sb;
    cmat_status st = CMAT_OK;

    *m = (cmat_map){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (m->fd < 0) {
        st = cmat_fail(err, errno == ENOENT ? CMAT_ERR_NOT_FOUND : CMAT_ERR_IO, "open %s: %s", path,
                       strerror(errno));
        *m = (cmat_map){.fd = -1};
        return st;
    }
    if (fstat(m->fd, &sb) != 0 || !S_ISREG(sb.st_mode)) {
        st = cmat_fail(err, CMAT_ERR_IO, "open %s: not a regular file", path);
    } else if (sb.st_size > 0) {
        void *p = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, m->fd, 0);
        if (p == MAP_FAILED)
            st = cmat_fail(err, CMAT_ERR_IO, "map %s: %s", path, strerror(errno));
        else {
            m->data = p;
            m->len = (size_t)sb.st_size;
        }
    }
    if (st != CMAT_OK)
        cmat_map_close(m);
    return st;
}

void cmat_map_close(cmat_map *m)
{
    if (m->data) {
        munmap((void *)(uintptr_t)m->data, m->len);
        close(m->fd);
    } else if (m->fd > 0) {
        close(m->fd);
    }
    *m = (cmat_map){.fd = -1};
}

cmat_status cmat_rename(const char *from, const char *to, cmat_error *err)
{
    if (is_special(to))
        return cmat_fail(err, CMAT_ERR_IO, "write %s: is not a regular file", to);
    char *target = link_target(to);
    cmat_status st = rename(from, target) == 0
                         ? CMAT_OK
                         : cmat_fail(err, CMAT_ERR_IO, "write %s: %s", to, strerror(errno));
    if (st == CMAT_OK)
        sync_folder(target);
    free(target);
    return st;
}

cmat_status cmat_mkdir_p(const char *path, cmat_error *err)
{
    char *p = cmat_xstrdup(path);
    cmat_status st = CMAT_OK;

    for (char *s = p + 1;; s++) {
        if (*s == '/' || *s == '\0') {
            char c = *s;
            *s = '\0';
            if (mkdir(p, 0777) != 0 && errno != EEXIST) {
                st = cmat_fail(err, CMAT_ERR_IO, "make folder %s: %s", p, strerror(errno));
                break;
            }
            *s = c;
            if (c == '\0')
                break;
        }
    }
    if (st == CMAT_OK && !cmat_path_is_dir(path))
        st = cmat_fail(err, CMAT_ERR_IO, "make folder %s: a file of that name exists", path);
    free(p);
    return st;
}

bool cmat_path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool cmat_path_is_dir(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

char *cmat_path_join(const char *a, const char *b)
{
    size_t n = strlen(a);
    if (b[0] == '/' || n == 0)
        return cmat_xstrdup(b);
    return cmat_xasprintf("%s%s%s", a, a[n - 1] == '/' ? "" : "/", b);
}

const char *cmat_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *cmat_data_home(void)
{
    const char *home = getenv("CMAT_HOME"), *xdg = getenv("XDG_DATA_HOME");

    if (home && *home)
        return cmat_xstrdup(home);
    if (xdg && xdg[0] == '/')
        return cmat_path_join(xdg, "cmat");
    home = getenv("HOME");
    return cmat_path_join(home && *home ? home : "/tmp", ".local/share/cmat");
}

cmat_status cmat_check_unpacked(const char *path, const void *data, size_t len, cmat_error *err)
{
    static const struct {
        char magic[8];
        const char *unpack;
    } kinds[] = {{"\xfd\x37zXZ", "xz -dk"}, {"\x1f\x8b", "gunzip -k"}, {"PK\x03\x04", "unzip"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (len >= strlen(kinds[i].magic) &&
            memcmp(data, kinds[i].magic, strlen(kinds[i].magic)) == 0)
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: is packed; unpack it first: %s %s", path,
                             kinds[i].unpack, path);
    return CMAT_OK;
}
