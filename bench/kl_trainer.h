/* bench/kl_trainer.h - what tuning's forward pass says of one text: for bench_kl, which itself uses
 * the engine's (both have a cmat_batch of their own). */
#ifndef KL_TRAINER_H
#define KL_TRAINER_H
#include "cmat/error.h"
#include "model/model.h"

typedef struct kl_trainer kl_trainer;

/* For texts of 2 to max_tokens tokens; m, on whose kernels it runs, is borrowed. */
cmat_status kl_trainer_new(kl_trainer **out, cmat_model *m, int max_tokens, cmat_error *err);
void kl_trainer_free(kl_trainer *t);
/* Of n tokens: logits (n - 1, V) of every position but the last, and logprobs (n), of each token
 * given those before it (the first is 0), as the loss counts them. Either may be NULL. */
cmat_status kl_trainer_run(kl_trainer *t, const int32_t *tokens, int n, float *logits,
                           float *logprobs, cmat_error *err);
#endif
