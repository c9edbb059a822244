/* core/fs.h - files. Nothing half-written ever stands under its final name. */
#ifndef CMAT_CORE_FS_H
#define CMAT_CORE_FS_H
#include "cmat/error.h"
#include <stdbool.h>
#include <stddef.h>

/* Reads a whole file of at most max bytes (CMAT_ERR_LIMIT above). *data is the caller's to free(),
 * with a NUL after its *len bytes. */
cmat_status cmat_read_file(const char *path, size_t max, char **data, size_t *len, cmat_error *err);
/* CMAT_ERR_FORMAT: what was read of `path` is packed (xz, gzip, zip); says how to unpack it. */
cmat_status cmat_check_unpacked(const char *path, const void *data, size_t len, cmat_error *err);
/* Writes path.tmp-PID, syncs, renames to path and syncs the folder. On failure path is as it was. A
 * link stays and leads to the new file; a device or pipe (/dev/stdout) is written as it is. */
cmat_status cmat_write_file(const char *path, const void *data, size_t len, cmat_error *err);

/* A file mapped read-only. */
typedef struct {
    const unsigned char *data; /* NULL for an empty file */
    size_t len;
    int fd;
} cmat_map;
cmat_status cmat_map_open(cmat_map *m, const char *path, cmat_error *err);
void cmat_map_close(cmat_map *m); /* accepts a cleared struct */

/* A file written in pieces, renamed to its name only by commit. */
typedef struct cmat_writer cmat_writer;
cmat_status cmat_writer_open(cmat_writer **out, const char *path, cmat_error *err);
/* Errors are kept and returned by commit, so that a sequence of writes needs one check. */
void cmat_writer_add(cmat_writer *w, const void *data, size_t n);
size_t cmat_writer_size(const cmat_writer *w);                   /* bytes added so far */
cmat_status cmat_writer_commit(cmat_writer *w, cmat_error *err); /* frees w, also on failure */
void cmat_writer_abort(cmat_writer *w); /* frees; removes what was written; accepts NULL */

/* Gives a finished file its final name, replacing a regular file of that name (CMAT_ERR_IO: it is
 * a device or pipe), and syncs the folder. */
cmat_status cmat_rename(const char *from, const char *to, cmat_error *err);
cmat_status cmat_mkdir_p(const char *path, cmat_error *err);
bool cmat_path_exists(const char *path);
bool cmat_path_is_dir(const char *path);
/* "a/b" from "a", "b": the caller's to free(). An absolute b is returned as it is. */
char *cmat_path_join(const char *a, const char *b);
/* The part after the last '/': points into path. */
const char *cmat_path_base(const char *path);

/* $CMAT_HOME, or $XDG_DATA_HOME/cmat, or ~/.local/share/cmat: the caller's to free(). */
char *cmat_data_home(void);
#endif
