/* env/os/box/tree.h - a layer of changes as bytes, as a list, and back.
 *
 * Saved form: entries in the order of their paths, each a box_entry, its path (without a leading
 * '/'), then its content (a file's bytes, a link's target). A time within the episode is kept as
 * the step it fell into, so that equal states give equal bytes whenever they are reached. */
#ifndef CMAT_ENV_OS_BOX_TREE_H
#define CMAT_ENV_OS_BOX_TREE_H
#include "env/os/box/io.h"

typedef struct {
    uint32_t mode; /* type and permissions; a whiteout is a character device */
    uint32_t uid, gid;
    uint32_t opaque;   /* a folder that hides what lies below it */
    uint32_t time;     /* 0: seconds say when; 1: seconds before or after the reset; 2 + k: in step
                        * k (0: between the reset and the first step) */
    uint32_t n_path;   /* bytes of the path */
    uint32_t linked;   /* a further name of the file whose path is the content */
    uint32_t reserved; /* 0 */
    int64_t seconds;
    uint64_t n; /* bytes of content */
} box_entry;

/* Appends the folder's entries, paths after prefix. False: too deep, too many, or more than max
 * bytes; *why says so. */
bool box_tree_save(const char *dir, const char *prefix, const box_times *times, size_t max,
                   box_bytes *out, const char **why);
/* Puts entries back: those whose path begins with prefix into dir. */
bool box_tree_load(const char *dir, const char *prefix, const box_times *times, const char *data,
                   size_t len, const char **why);
/* Appends lines "A 12 /path" (new, bytes), "M 12 /path" (changed), "D 0 /path" (gone), sorted; at
 * most max. Control characters in names are written as '?'. live: where the file system before the
 * changes is mounted. */
void box_tree_changes(const char *dir, const char *prefix, const char *live, size_t max,
                      box_bytes *out);
#endif
