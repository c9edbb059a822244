/* train/optim.h - learning-rate schedule, clipping, and the state of AdamW. */
#ifndef CMAT_TRAIN_OPTIM_H
#define CMAT_TRAIN_OPTIM_H
#include "train/train.h"

typedef struct {
    float *params;
    float *m, *v; /* moments */
    float *best;  /* parameters with the least validation loss; NULL without validation */
} cmat_optim_arrays;

/* One adapter's parameters on their way; all arrays (n). */
typedef struct {
    float *params, *m, *v, *best; /* the adapter's own; in the host's memory, for checkpoints */
    cmat_optim_arrays at;         /* those the kernels work on: the same, or a device's */
    const cmat_kernel_ops *k;     /* NULL until placed */
    size_t n;
    double best_loss;
    int64_t best_step; /* -1: none yet */
    int64_t t;         /* updates so far; fewer than steps when a step had none of its samples */
    double norm;       /* of the last gradient, before clipping */
} cmat_optim;

/* m and v zero; CMAT_ERR_NOMEM. */
cmat_status cmat_optim_init(cmat_optim *o, cmat_adapter *a, bool keep_best, cmat_error *err);
void cmat_optim_clear(cmat_optim *o);
/* Puts the arrays into k's memory, where params are already. */
cmat_status cmat_optim_place(cmat_optim *o, const cmat_kernel_ops *k, float *params,
                             cmat_error *err);
/* Brings the host's arrays up to date. */
void cmat_optim_fetch(cmat_optim *o);
/* The parameters as they are are the best so far; back to the best. */
void cmat_optim_keep_best(cmat_optim *o);
void cmat_optim_restore_best(cmat_optim *o);
/* The rate of step (from 1) of n_steps. */
double cmat_optim_lr(const cmat_tune_options *opts, int64_t step, int64_t n_steps);
/* Clips grad to opts->grad_clip and takes one AdamW step. */
void cmat_optim_step(cmat_optim *o, float *grad, const cmat_tune_options *opts, double lr);
#endif
