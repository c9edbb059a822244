/* model/hub.h - models of the Hugging Face hub, and the cache in which its tools keep them:
 *
 *   <cache>/models--OWNER--NAME/refs/REVISION          the commit (40 hex digits)
 *                              /snapshots/COMMIT/FILE  -> ../../blobs/DIGEST
 *                              /blobs/DIGEST           SHA-256 of a large file, git's SHA-1 of
 * others
 *
 * What other tools downloaded is used, and they use what cmat downloads. */
#ifndef CMAT_MODEL_HUB_H
#define CMAT_MODEL_HUB_H
#include "cmat/error.h"
#include <stdbool.h>

#define CMAT_HUB_ENDPOINT                                                  \
    "https://huggingface.co" /* HF_ENDPOINT in the environment goes before \
                              */

/* "hf:OWNER/NAME[/FILE][@REVISION]". */
typedef struct {
    char *repo;     /* "OWNER/NAME" */
    char *file;     /* "" : the files that make the model */
    char *revision; /* a branch, tag or commit; "main" when none is given */
} cmat_hub_name;

bool cmat_hub_is_name(const char *s); /* begins with "hf:" */
/* CMAT_ERR_ARG: a part holds what could lead out of the cache. On success to be cleared. */
cmat_status cmat_hub_name_parse(cmat_hub_name *n, const char *s, cmat_error *err);
void cmat_hub_name_clear(cmat_hub_name *n);
/* True for a relative path of names of letters, digits and . _ - + only, none beginning with a dot.
 */
bool cmat_hub_path_is_safe(const char *path);

/* HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub: the caller's to free(). */
char *cmat_hub_cache_dir(void);
/* The repository's folder in the cache: the caller's to free(). */
char *cmat_hub_repo_dir(const cmat_hub_name *n);
/* The file, or the folder of a model, if it is in the cache: the caller's to free(), else NULL. */
char *cmat_hub_cached(const cmat_hub_name *n);
bool cmat_hub_is_offline(void); /* HF_HUB_OFFLINE */

/* Brings a model (or one file) into the cache, each file checked against its size and digest, and
 * gives its path. What is there already is not fetched again; a broken download is continued by the
 * next call. HF_TOKEN goes to the endpoint only, not to where it redirects. Offline only the cache
 * is asked. sha256 (may be NULL): what the one named file must have. *path is the caller's to
 * free(). */
cmat_status cmat_hub_pull(const cmat_hub_name *n, const char *sha256, char **path, cmat_error *err);
#endif
