/* train/find_lr.h - a learning-rate range test (Smith, arXiv 1506.01186, section 3.3): the rate
 * rises exponentially from step to step, and where the loss falls fastest is a good one to train
 * with. */
#ifndef CMAT_TRAIN_FIND_LR_H
#define CMAT_TRAIN_FIND_LR_H
#include "train/train.h"

typedef struct {
    double lr, loss;
    double smooth; /* exponential mean of the losses up to here */
} cmat_lr_point;

typedef struct {
    cmat_lr_point *points; /* (n), one a step */
    size_t n;
    double steepest;  /* rate where the smoothed loss falls fastest by the logarithm of the rate */
    double lowest;    /* rate of the least smoothed loss */
    double suggested; /* the steepest, but at most a tenth of the lowest */
    bool diverged;    /* the test ended early, since the loss had exploded */
} cmat_lr_range;

/* Tunes a copy of the adapter for `steps` steps at rates from lr_from to lr_to; opts gives batches
 * and the optimiser, its schedule, lr and run_dir are not looked at. CMAT_ERR_STATE: the loss fell
 * nowhere, or there were too few steps to tell. */
cmat_status cmat_find_lr(cmat_lr_range *out, cmat_model *m, const cmat_adapter *a,
                         const cmat_train_set *set, const cmat_tune_options *opts, double lr_from,
                         double lr_to, int64_t steps, cmat_error *err);
void cmat_lr_range_clear(cmat_lr_range *r);
#endif
