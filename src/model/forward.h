/* model/forward.h - one pass of the model over a mixed batch: chunks of prompts and single new
 * tokens of many sequences, each row with its own adapter. */
#ifndef CMAT_MODEL_FORWARD_H
#define CMAT_MODEL_FORWARD_H
#include "model/adapter.h"
#include "model/kv.h"
#include "model/model.h"

typedef struct {
    int n_rows;
    const int32_t *tokens;               /* (n_rows); below 0: virtual ones of the row's adapter
                                            (CMAT_VIRTUAL_TOKEN) */
    const int32_t *pos;                  /* (n_rows): rows of the rope table, cmat_model_rope_row */
    const cmat_adapter *const *adapters; /* (n_rows), NULL: the base; equal ones side by side */
    /* The first n_decode rows go through products of their own, so that what a sequence gets while
     * it generates does not depend on whether others' prompts stand in the same batch. */
    int n_decode;
    const cmat_paged_seq *seqs; /* cover all rows; their pages have room for them */
    int n_seqs;
    const int32_t *out_rows; /* (n_out) ascending: rows whose logits are wanted */
    int n_out;
} cmat_batch;

typedef struct cmat_forward cmat_forward;

/* Room for batches of max_rows rows, logits for max_out at a time; m is borrowed. */
cmat_status cmat_forward_new(cmat_forward **out, const cmat_model *m, int max_rows, int max_out,
                             cmat_error *err);
void cmat_forward_free(cmat_forward *f);
/* Stores keys and values in kv and keeps the last layer's output of the wanted rows. */
void cmat_forward_run(cmat_forward *f, cmat_kv *kv, const cmat_batch *b);
/* Logits (n, n_vocab) of the wanted rows first .. first+n-1 of the last run (n <= max_out), valid
 * until the next call; the caller may write in them. */
float *cmat_forward_head(cmat_forward *f, int first, int n);
#endif
