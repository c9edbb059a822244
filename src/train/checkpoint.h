/* train/checkpoint.h - everything a run needs to go on, in one file.
 *
 * checkpoint.cmat, little-endian:
 *   8 bytes "CMATCKP1", u64 length of the JSON header, the JSON header, then the arrays of float32
 * that the header lists, one after the other, each with its FNV-1a in the header. Written beside
 * itself and renamed, so that the old one stands until the new one is whole. */
#ifndef CMAT_TRAIN_CHECKPOINT_H
#define CMAT_TRAIN_CHECKPOINT_H
#include "train/optim.h"

/* Where a run stands between two optimiser steps. */
typedef struct {
    int64_t step;       /* steps done */
    int64_t epoch;      /* of the next batch */
    int64_t next_batch; /* in that epoch's plan */
    int64_t tokens, rows;
    int64_t evals_without_gain;
    int64_t evaluated; /* step of the last evaluation; -1: none */
    double first_loss, loss, eval_start;
    bool has_eval, finished;
    int64_t end; /* cmat_tune_end when finished */
} cmat_tune_state;

/* identity: what the run is (options, data, model); a checkpoint is only for the same one. */
cmat_status cmat_checkpoint_save(const char *path, const char *identity, const cmat_tune_state *s,
                                 const cmat_optim *o, int n, cmat_error *err);
/* CMAT_ERR_NOT_FOUND (no message): there is none. CMAT_ERR_STATE: another identity.
 * CMAT_ERR_FORMAT: damaged. Then nothing is changed. */
cmat_status cmat_checkpoint_load(const char *path, const char *identity, cmat_tune_state *s,
                                 cmat_optim *o, int n, cmat_error *err);
#endif
