/* env/db/image.c - a frozen copy of a database, which episodes read in place.
 *
 * The user's file is opened read-only and checked before anything trusts it. A file in WAL mode
 * with nothing left in its log is opened as immutable, because SQLite would otherwise create -shm
 * and -wal files beside it. */
#include "core/cancel.h"
#include "core/fs.h"
#include "core/mem.h"
#include "env/db/conn.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = 100 };
static const size_t default_max_memory = (size_t)64 << 20;
static const double check_seconds = 20; /* for quick_check of a large file */

static char *file_uri(const char *path, const char *params)
{
    cmat_buf b = {0};
    cmat_buf_puts(&b, "file:");
    for (const char *p = path; *p; p++)
        if (strchr("%?#", *p))
            cmat_buf_printf(&b, "%%%02x", (unsigned char)*p);
        else
            cmat_buf_putc(&b, *p);
    cmat_buf_printf(&b, "?%s", params);
    return cmat_buf_detach(&b);
}

/* Reads the file's first bytes: a database at all? In WAL mode? */
static cmat_status read_header(const char *path, bool *wal, cmat_error *err)
{
    unsigned char h[HEADER];
    struct stat sb;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cmat_fail(err, CMAT_ERR_IO, "db: open %s: %s", path, strerror(errno));
    cmat_status st = CMAT_OK;
    if (fstat(fd, &sb) != 0)
        st = cmat_fail(err, CMAT_ERR_IO, "db: stat %s: %s", path, strerror(errno));
    else if (!S_ISREG(sb.st_mode))
        st = cmat_fail(err, CMAT_ERR_FORMAT, "db: %s: not a regular file", path);
    else if (read(fd, h, sizeof h) != HEADER || memcmp(h, "SQLite format 3", 16) != 0)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "db: %s: not an SQLite database", path);
    else
        *wal = h[18] == 2 || h[19] == 2;
    close(fd);
    return st;
}

static int past_deadline(void *deadline)
{
    return cmat_now() > *(const double *)deadline;
}

/* Untrusted file: every page is looked at once, with the cell checks on, before any is used. */
static cmat_status check_file(sqlite3 *db, const char *path, cmat_error *err)
{
    sqlite3_stmt *st = NULL;
    double deadline = cmat_now() + check_seconds;
    sqlite3_exec(db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA trusted_schema=OFF",
                 NULL, NULL, NULL);
    sqlite3_progress_handler(db, 10000, past_deadline, &deadline);
    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    cmat_status status = CMAT_OK;
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    if (rc == SQLITE_ROW && text && strcmp(text, "ok") != 0)
        status =
            cmat_fail(err, CMAT_ERR_FORMAT, "db: %s: the database is damaged: %.200s", path, text);
    else if (rc != SQLITE_ROW && rc != SQLITE_INTERRUPT)
        status = cmat_fail(
            err, rc == SQLITE_BUSY || rc == SQLITE_CANTOPEN ? CMAT_ERR_IO : CMAT_ERR_FORMAT,
            "db: %s: %s", path, sqlite3_errmsg(db));
    sqlite3_finalize(st);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    return status;
}

static char *temp_file(cmat_error *err)
{
    const char *dir = getenv("TMPDIR");
    char *path = cmat_path_join(dir && *dir ? dir : "/tmp", "cmat-db-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0) {
        cmat_fail(err, CMAT_ERR_IO, "db: temporary file %s: %s", path, strerror(errno));
        free(path);
        return NULL;
    }
    close(fd);
    return path;
}

static void temp_remove(char *path)
{
    if (path)
        unlink(path);
    free(path);
}

static sqlite3_int64 pragma_int(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    sqlite3_int64 v = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return v;
}

/* Page by page into a temporary file, with the log's pages in it. */
static cmat_status take_file(db_image *im, sqlite3 *db, cmat_error *err)
{
    sqlite3 *to = NULL;
    if (!(im->file = temp_file(err)))
        return CMAT_ERR_IO;
    int rc = sqlite3_open(im->file, &to);
    sqlite3_backup *b = rc == SQLITE_OK ? sqlite3_backup_init(to, "main", db, "main") : NULL;
    if (b) {
        sqlite3_exec(to, "PRAGMA synchronous=OFF", NULL, NULL, NULL);
        sqlite3_backup_step(b, -1);
        rc = sqlite3_backup_finish(b);
    }
    cmat_status st = CMAT_OK;
    if (!b || rc != SQLITE_OK)
        st = cmat_fail(err, CMAT_ERR_IO, "db: copy to %s: %s", im->file, sqlite3_errmsg(to));
    else
        sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    sqlite3_close(to);
    return st;
}

static cmat_status take_memory(db_image *im, sqlite3 *db, cmat_error *err)
{
    sqlite3_int64 size = 0;
    unsigned char *bytes = sqlite3_serialize(db, "main", &size, 0);
    if (!bytes || size < HEADER) {
        sqlite3_free(bytes);
        if (bytes || size == 0) /* an empty database has no pages at all */
            return cmat_fail(err, CMAT_ERR_FORMAT, "db: the database is empty");
        return cmat_fail(err, CMAT_ERR_NOMEM, "db: %lld bytes of database do not fit in memory",
                         (long long)size);
    }
    im->len = (size_t)size;
    im->data = cmat_alloc_big(im->len, 1);
    if (im->data) {
        memcpy(im->data, bytes, im->len);
        im->data[18] = im->data[19] = 1; /* no WAL in memory: read and write version 1 */
    }
    sqlite3_free(bytes);
    return im->data ? CMAT_OK
                    : cmat_fail(err, CMAT_ERR_NOMEM,
                                "db: %zu bytes of database do not fit in memory", im->len);
}

static cmat_status image_new(db_image **out, sqlite3 *db, size_t max_memory, cmat_error *err)
{
    db_image *im = cmat_xcalloc(1, sizeof *im);
    atomic_init(&im->refs, 1);
    /* One read transaction, so that another process's commit cannot come in between. */
    sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    sqlite3_int64 size = pragma_int(db, "PRAGMA page_count") * pragma_int(db, "PRAGMA page_size");
    cmat_status st = (size_t)size > max_memory ? take_file(im, db, err) : take_memory(im, db, err);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    if (st != CMAT_OK) {
        db_image_unref(im);
        im = NULL;
    }
    *out = im;
    return st;
}

cmat_status db_image_open(db_image **out, const char *path, size_t max_memory, cmat_error *err)
{
    bool wal = false;
    *out = NULL;
    cmat_status st = read_header(path, &wal, err);
    if (st != CMAT_OK)
        return st;
    char *log = cmat_xasprintf("%s-wal", path);
    struct stat sb;
    bool quiet = wal && (stat(log, &sb) != 0 || sb.st_size == 0);
    char *uri = file_uri(path, quiet ? "immutable=1" : "mode=ro");
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) != SQLITE_OK)
        st = cmat_fail(err, CMAT_ERR_IO, "db: open %s: %s", path, sqlite3_errmsg(db));
    if (st == CMAT_OK) {
        sqlite3_busy_timeout(db, 5000);
        st = check_file(db, path, err);
    }
    if (st == CMAT_OK &&
        (st = image_new(out, db, max_memory ? max_memory : default_max_memory, err)) != CMAT_OK)
        st = cmat_fail_prefix(err, st, "%s", path);
    sqlite3_close(db);
    free(uri);
    free(log);
    return st;
}

cmat_status db_image_take(db_image **out, sqlite3 *db, cmat_error *err)
{
    return image_new(out, db, SIZE_MAX, err);
}

db_image *db_image_ref(db_image *im)
{
    atomic_fetch_add(&im->refs, 1);
    return im;
}

void db_image_unref(db_image *im)
{
    if (!im || atomic_fetch_sub(&im->refs, 1) > 1)
        return;
    cmat_free_big(im->data);
    temp_remove(im->file);
    free(im);
}

/* Copies from to to: sharing blocks where the file system can, else byte by byte. */
static cmat_status copy_file(const char *from, const char *to, cmat_error *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CLOEXEC);
    int ok = in >= 0 && out >= 0;
    if (ok && ioctl(out, FICLONE, in) != 0) {
        ssize_t n;
        while ((n = copy_file_range(in, NULL, out, NULL, (size_t)64 << 20, 0)) > 0)
            ;
        ok = n == 0;
    }
    int e = errno;
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return ok ? CMAT_OK : cmat_fail(err, CMAT_ERR_IO, "db: copy to %s: %s", to, strerror(e));
}

static cmat_status attach_memory(const db_image *im, bool private_copy, size_t grow, sqlite3 *db,
                                 cmat_error *err)
{
    unsigned char *data = im->data;
    unsigned flags = SQLITE_DESERIALIZE_READONLY;
    if (private_copy) {
        if (!(data = sqlite3_malloc64(im->len)))
            return cmat_fail(err, CMAT_ERR_NOMEM, "db: no memory for an episode's copy (%zu bytes)",
                             im->len);
        memcpy(data, im->data, im->len);
        flags = SQLITE_DESERIALIZE_RESIZEABLE | SQLITE_DESERIALIZE_FREEONCLOSE;
    }
    if (sqlite3_deserialize(db, "main", data, (sqlite3_int64)im->len, (sqlite3_int64)im->len,
                            flags) != SQLITE_OK)
        return cmat_fail(err, CMAT_ERR_IO, "db: an episode's copy: %s", sqlite3_errmsg(db));
    if (private_copy) {
        sqlite3_int64 cap = (sqlite3_int64)(im->len + grow);
        sqlite3_file_control(db, "main", SQLITE_FCNTL_SIZE_LIMIT, &cap);
    }
    return CMAT_OK;
}

cmat_status db_image_attach(const db_image *im, bool private_copy, size_t grow, sqlite3 **out,
                            char **tmp, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    char *uri = NULL;
    *out = NULL;
    *tmp = NULL;
    if (im->file && private_copy) {
        if (!(*tmp = temp_file(err)))
            return CMAT_ERR_IO;
        st = copy_file(im->file, *tmp, err);
    }
    if (im->file)
        uri = file_uri(private_copy ? *tmp : im->file, private_copy ? "mode=rw" : "immutable=1");
    int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX |
                (im->file && !private_copy ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    if (st == CMAT_OK && sqlite3_open_v2(uri ? uri : ":memory:", out, flags, NULL) != SQLITE_OK)
        st = cmat_fail(err, CMAT_ERR_IO, "db: an episode's copy: %s", sqlite3_errmsg(*out));
    if (st == CMAT_OK && im->data)
        st = attach_memory(im, private_copy, grow, *out, err);
    if (st == CMAT_OK) {
        sqlite3_exec(*out,
                     "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY",
                     NULL, NULL, NULL);
        if (private_copy)
            sqlite3_exec(*out, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF", NULL, NULL,
                         NULL);
    }
    if (st == CMAT_OK && *tmp) {
        char sql[64];
        sqlite3_int64 page = pragma_int(*out, "PRAGMA page_size");
        snprintf(sql, sizeof sql, "PRAGMA max_page_count=%lld",
                 pragma_int(*out, "PRAGMA page_count") +
                     (sqlite3_int64)grow / (page > 0 ? page : 4096) + 1);
        sqlite3_exec(*out, sql, NULL, NULL, NULL);
    }
    if (st != CMAT_OK) {
        sqlite3_close(*out);
        *out = NULL;
        temp_remove(*tmp);
        *tmp = NULL;
    }
    free(uri);
    return st;
}

cmat_status db_image_connect(const db_image *im, sqlite3 **out, cmat_error *err)
{
    char *tmp = NULL;
    return db_image_attach(im, false, 0, out, &tmp, err);
}
