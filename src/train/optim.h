/* train/optim.h - learning-rate schedule, clipping, and the state of AdamW. */
#ifndef CMAT_TRAIN_OPTIM_H
#define CMAT_TRAIN_OPTIM_H
#include "train/train.h"

/* One adapter's parameters on their way; all arrays (n). */
typedef struct {
    float *params; /* the adapter's own */
    float *m, *v;  /* moments */
    float *best;   /* parameters with the least validation loss; NULL without validation */
    size_t n;
    double best_loss;
    int64_t best_step; /* -1: none yet */
    int64_t t;         /* updates so far; fewer than steps when a step had none of its samples */
    double norm;       /* of the last gradient, before clipping */
} cmat_optim;

/* m and v zero; CMAT_ERR_NOMEM. */
cmat_status cmat_optim_init(cmat_optim *o, cmat_adapter *a, bool keep_best, cmat_error *err);
void cmat_optim_clear(cmat_optim *o);
/* The rate of step (from 1) of n_steps. */
double cmat_optim_lr(const cmat_tune_options *opts, int64_t step, int64_t n_steps);
/* sqrt(sum of squares), in an order that does not depend on threads. */
double cmat_optim_norm(const float *g, size_t n);
/* Clips grad to opts->grad_clip and takes one AdamW step. */
void cmat_optim_step(cmat_optim *o, const cmat_kernel_ops *k, float *grad,
                     const cmat_tune_options *opts, double lr);
#endif
