/* train/pack.h - which samples go into which batch, and a batch's rows.
 *
 * Samples are packed one after the other without padding. Samples that begin with the same tokens
 * stand behind one copy of that beginning (a prefix segment) to which all of them attend. This
 * is exact: no loss is taken on a prefix, and the gradients of all samples add up in its rows.
 *
 * The last token of a sample is predicted but never read, so that a sample of n tokens takes the
 * rows up to the one that predicts its last token with loss. */
#ifndef CMAT_TRAIN_PACK_H
#define CMAT_TRAIN_PACK_H
#include "train/train.h"

/* Rows of a sample, and the longest beginning of it that carries no loss. */
int cmat_sample_rows(const cmat_sample *s);
int cmat_sample_free_rows(const cmat_sample *s);

typedef struct {
    int row, n;
    int adapter;
} cmat_row_group; /* consecutive rows (or loss rows) that go through one adapter */

typedef struct {
    int n_rows, n_seg, n_loss, n_groups, n_loss_groups;
    int n_tokens; /* rows that the samples would take without sharing */
    int32_t *ids; /* (n_rows); below 0: virtual tokens (CMAT_VIRTUAL_TOKEN) */
    int32_t *pos; /* (n_rows) */
    cmat_segment *seg;
    int32_t *loss_rows;  /* (n_loss) rows whose next token counts */
    int32_t *targets;    /* (n_loss) */
    float *loss_weights; /* (n_loss) */
    cmat_row_group *groups, *loss_groups;
    int max_rows; /* room for rows and loss rows */
} cmat_batch;

/* Samples that share n_prefix rows, in one batch. */
typedef struct {
    size_t first, n; /* into cmat_plan.order */
    int n_prefix;
    int rows;
} cmat_pack_unit;

typedef struct {
    size_t first, n; /* into cmat_plan.units */
    int rows;
} cmat_pack_batch;

/* Samples in groups with a common beginning: made once for a set. */
typedef struct {
    const cmat_train_set *set;
    int max_rows;
    uint32_t *order;   /* (set->n) sample indices, cluster by cluster */
    uint32_t *cluster; /* (n_clusters + 1) first index into order */
    int *n_prefix;     /* (n_clusters) shared rows */
    size_t n_clusters;
} cmat_clusters;

/* One epoch: every sample once, in a shuffled order. */
typedef struct {
    uint32_t *order;
    cmat_pack_unit *units;
    cmat_pack_batch *batches;
    size_t n_units, n_batches;
} cmat_plan;

/* CMAT_ERR_ARG: a sample takes more than max_rows rows, or the set is empty. */
cmat_status cmat_clusters_init(cmat_clusters *c, const cmat_train_set *set, int max_rows,
                               bool share, cmat_error *err);
/* The samples with their adapters' virtual tokens before them, into *out (the caller's to clear).
 * CMAT_ERR_LIMIT: a sample with them is longer than n_ctx. */
cmat_status cmat_train_set_with_virtual(cmat_train_set *out, const cmat_train_set *set,
                                        cmat_adapter *const *adapters, int n_adapters, int n_ctx,
                                        cmat_error *err);
void cmat_clusters_clear(cmat_clusters *c);
/* The same clusters, seed and epoch give the same plan. shuffle false: in the set's own order. */
void cmat_plan_init(cmat_plan *p, const cmat_clusters *c, bool shuffle, uint64_t seed,
                    uint64_t epoch);
void cmat_plan_clear(cmat_plan *p);

void cmat_batch_init(cmat_batch *b, int max_rows);
void cmat_batch_clear(cmat_batch *b);
/* Fills b with batch i of the plan. */
void cmat_batch_fill(cmat_batch *b, const cmat_clusters *c, const cmat_plan *p, size_t i);
#endif
