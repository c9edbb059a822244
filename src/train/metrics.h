/* train/metrics.h - metrics.jsonl: one object a step, named as the Hugging Face Trainer names them.
 */
#ifndef CMAT_TRAIN_METRICS_H
#define CMAT_TRAIN_METRICS_H
#include "train/tfevents.h"
#include "train/train.h"
#include <stdio.h>

typedef struct {
    FILE *f;
    char *path;
    cmat_tfevents *events; /* NULL: no TensorBoard files */
} cmat_metrics;            /* all zero: written nowhere */

/* Opens dir/metrics.jsonl for adding, without the lines after `step` of an earlier, killed run; and
 * with tensorboard a new event file there. */
cmat_status cmat_metrics_open(cmat_metrics *m, const char *dir, int64_t step, bool tensorboard,
                              cmat_error *err);
void cmat_metrics_close(cmat_metrics *m);
cmat_status cmat_metrics_step(cmat_metrics *m, const cmat_tune_metrics *x, cmat_error *err);
cmat_status cmat_metrics_eval(cmat_metrics *m, const cmat_tune_metrics *x, cmat_error *err);
#endif
