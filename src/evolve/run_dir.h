/* evolve/run_dir.h - the folder of a run: run.json (what it is), state.json (what is done).
 *
 * run.json: every option, seeds, versions, hashes of model and database. A folder can only be gone
 * on with by a run that would write the same. state.json: an object with one member a finished
 * stage. */
#ifndef CMAT_EVOLVE_RUN_DIR_H
#define CMAT_EVOLVE_RUN_DIR_H
#include "cmat/error.h"
#include <jansson.h>
#include <stdbool.h>

typedef struct {
    char *path;
    json_t *state;
    int lock; /* file descriptor holding the lock, -1: none */
} cmat_run_dir;

/* Makes the folder or opens it. identity is borrowed. CMAT_ERR_STATE: another run's folder (the
 * message names the first member that differs), or another process works in it. */
cmat_status cmat_run_dir_open(cmat_run_dir *d, const char *path, const json_t *identity,
                              cmat_error *err);
void cmat_run_dir_close(cmat_run_dir *d);
/* The result of a finished stage, borrowed; NULL when it is still to do. */
const json_t *cmat_run_dir_stage(const cmat_run_dir *d, const char *name);
/* Marks a stage finished with its result (taken), on disk before it returns. */
cmat_status cmat_run_dir_finish(cmat_run_dir *d, const char *name, json_t *result, cmat_error *err);
/* "DIR/printf-style name": the caller's to free(). */
char *cmat_run_dir_path(const cmat_run_dir *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
#endif
