/* train/memory.h - what a tuning run will take, before it takes it. */
#ifndef CMAT_TRAIN_MEMORY_H
#define CMAT_TRAIN_MEMORY_H
#include "train/train.h"

/* Bytes. The base is read where it lies, quantised as it is: its pages are the file's and can be
 * dropped and read again. */
typedef struct {
    size_t base;        /* the base's matrices in their file */
    size_t params;      /* of all adapters */
    size_t optimiser;   /* moments, and the best parameters with a validation set */
    size_t activations; /* the arena of a pass, gradients among it */
    size_t total;
} cmat_tune_memory;

/* For one pass of opts->batch_tokens rows on the model's own kernels. CMAT_ERR_NOMEM: more than can
 * be counted. */
cmat_status cmat_tune_count_memory(cmat_tune_memory *out, cmat_model *m,
                                   cmat_adapter *const *adapters, int n_adapters,
                                   const cmat_tune_options *opts, bool validates, cmat_error *err);
#endif
