/* train/train.h - tunes adapters on one frozen base.
 *
 * A train set holds tokenised samples; cmat_tune packs them into batches without padding, computes
 * the beginning that samples share once a batch, and runs AdamW over the adapter's parameters. With
 * a run folder, a run that was killed at any moment goes on from its last checkpoint and ends in
 * the same bytes as one that was not. */
#ifndef CMAT_TRAIN_TRAIN_H
#define CMAT_TRAIN_TRAIN_H
#include "core/option.h"
#include "data/dataset.h"
#include "model/adapter.h"
#include <stdbool.h>
#include <stdint.h>

#define CMAT_TUNE_MAX_ADAPTERS 8

typedef struct {
    int32_t *tokens; /* (n) */
    float *weights;  /* (n): weight of predicting tokens[i] from those before it; 0: no loss */
    int n;
    int adapter;   /* index into the adapters being tuned */
    int n_virtual; /* leading tokens that stand for the adapter's virtual ones */
} cmat_sample;

typedef struct {
    cmat_sample *items;
    size_t n, cap;
    size_t n_too_long, n_no_loss; /* samples left out: longer than allowed, nothing to learn from */
} cmat_train_set;                 /* all zero is empty */

/* Copies one sample. weights may be NULL: every token but the first counts 1. Samples without any
 * loss are counted in n_no_loss and left out. */
void cmat_train_set_add(cmat_train_set *set, const int32_t *tokens, const float *weights, int n,
                        int adapter);
/* Renders a row with the model's chat template and adds it; the loss is on the assistant's turns,
 * each times its message's weight and the row's. Rows of more than max_tokens tokens (0: the
 * model's context) are counted in n_too_long and left out. */
cmat_status cmat_train_set_add_row(cmat_train_set *set, const cmat_model *m, const cmat_row *row,
                                   int max_tokens, int adapter, cmat_error *err);
/* All rows of a dataset; a message names the row that could not be rendered. */
cmat_status cmat_train_set_add_dataset(cmat_train_set *set, const cmat_model *m,
                                       const cmat_dataset *ds, int max_tokens, int adapter,
                                       cmat_error *err);
void cmat_train_set_clear(cmat_train_set *set);
/* Tokens, and among them those with loss. */
void cmat_train_set_count(const cmat_train_set *set, size_t *n_tokens, size_t *n_loss);

/* How a new adapter is made; an option table of its own, which `cmat tune` and `cmat evolve` share.
 */
typedef struct {
    int method;    /* cmat_tune_method */
    char *targets; /* "q,k,v,o,gate,up,down": matrices that LoRA and DoRA adapt */
    int64_t rank;
    double alpha, dropout;
    bool rslora;
    int64_t virtual_tokens;
    int encoder; /* 0: P-Tuning MLP, others none; else 1 + cmat_encoder_kind */
    int64_t encoder_hidden, encoder_layers;
    char *init_text;
} cmat_method_options;
typedef enum {
    CMAT_TUNE_LORA,
    CMAT_TUNE_DORA,
    CMAT_TUNE_P_TUNING,
    CMAT_TUNE_PROMPT,
    CMAT_TUNE_PREFIX,
    CMAT_TUNE_FULL
} cmat_tune_method;
extern const cmat_option cmat_method_option_table[];
/* A new adapter of that method. CMAT_ERR_ARG tells which option is wrong. */
cmat_status cmat_method_adapter(cmat_adapter **out, const cmat_model *m,
                                const cmat_method_options *o, cmat_rng *rng, cmat_error *err);

typedef enum {
    CMAT_SCHEDULE_COSINE,
    CMAT_SCHEDULE_LINEAR,
    CMAT_SCHEDULE_CONSTANT,
    CMAT_SCHEDULE_RANGE /* no option: rises exponentially from min_lr lr to lr */
} cmat_schedule;

/* What the forward pass keeps of a layer for the backward pass. */
typedef enum {
    CMAT_KEEP_F32,      /* everything that is costly to compute again, float32 */
    CMAT_KEEP_BF16,     /* the same, rounded to bfloat16: half the memory */
    CMAT_KEEP_RECOMPUTE /* each layer's input only: the least memory, a third more time */
} cmat_keep;

/* One optimiser step, as it goes to metrics.jsonl. */
typedef struct {
    int64_t step, n_steps; /* step counts from 1 */
    double epoch;
    double loss; /* mean over the step's loss tokens, weighted */
    double learning_rate, grad_norm;
    int64_t tokens; /* tokens of samples seen so far, shared beginnings counted for each sample */
    int64_t rows;   /* rows computed so far */
    double tok_s;   /* tokens a second in this step */
    bool has_eval;
    double eval_loss;
} cmat_tune_metrics;

typedef struct {
    double lr;            /* 0: the method's */
    int schedule;         /* cmat_schedule */
    int64_t warmup_steps; /* -1: a twentieth of all steps */
    double min_lr;        /* the schedule's end, as a fraction of lr */
    double weight_decay, beta1, beta2, eps;
    double grad_clip;     /* global norm of each adapter's gradient; 0: off */
    int64_t batch_tokens; /* rows of one pass */
    int64_t grad_accum;   /* passes of one optimiser step */
    double epochs;
    int64_t max_steps;  /* 0: as epochs say; otherwise instead of them */
    double max_minutes; /* of this call, then it stops with what it has; 0: no limit */
    int64_t eval_every; /* steps; 0: at the end of each epoch */
    int64_t patience;   /* evaluations without a better loss before stopping; 0: never */
    int64_t save_every; /* steps; 0: only when stopping */
    int64_t seed;
    int keep;          /* cmat_keep */
    bool share_prefix; /* compute shared beginnings once */
    int64_t memory;    /* bytes the passes may take; 0: what the machine has free */
    char *device;      /* the kernels that tune, by name; NULL: the model's own */
    bool tensorboard;  /* event files beside metrics.jsonl */
    bool resume;       /* go on from the run folder's checkpoint when there is one */
    /* Not in the option table: */
    const char *run_dir; /* NULL: no checkpoints, no metrics file */
    void (*on_step)(void *user, const cmat_tune_metrics *m); /* may be NULL */
    void *user;
    const bool *stop; /* asked after each step: true ends the run; may be NULL */
} cmat_tune_options;
/* The members as options, but for the last ones: a struct that cmat_options_init is to fill with
 * the defaults starts as {0}. */
extern const cmat_option cmat_tune_option_table[];

typedef enum {
    CMAT_TUNE_FINISHED,
    CMAT_TUNE_EARLY_STOP,
    CMAT_TUNE_CANCELLED,
    CMAT_TUNE_TIME_UP /* the run folder's checkpoint goes on from here */
} cmat_tune_end;

typedef struct {
    int64_t steps;
    int64_t tokens, rows;    /* as in cmat_tune_metrics, over the whole run */
    double first_loss, loss; /* of the first and the last step */
    bool has_eval;
    double eval_start;                         /* before the first step */
    double eval_loss[CMAT_TUNE_MAX_ADAPTERS];  /* of the parameters kept, by adapter */
    int64_t best_step[CMAT_TUNE_MAX_ADAPTERS]; /* the step they come from */
    double seconds;                            /* of this call */
    size_t memory;                             /* bytes of the arena */
    cmat_tune_end end;
} cmat_tune_result;

/* Tunes n_adapters (at most CMAT_TUNE_MAX_ADAPTERS) adapters of m at once; each sample goes through
 * its own and each has its own loss, clipping and best. On success the adapters hold the best
 * parameters by validation loss, or the last ones without a valid set (may be NULL or empty).
 * CMAT_ERR_CANCELLED: the user asked to stop; a checkpoint was written. CMAT_ERR_STATE: the run
 * folder's checkpoint belongs to other data, options or another model, or the loss became not a
 * number. CMAT_ERR_NOMEM says how many bytes are needed. */
cmat_status cmat_tune_many(cmat_model *m, cmat_adapter *const *adapters, int n_adapters,
                           const cmat_train_set *train, const cmat_train_set *valid,
                           const cmat_tune_options *opts, cmat_tune_result *res, cmat_error *err);

static inline cmat_status cmat_tune(cmat_model *m, cmat_adapter *adapter,
                                    const cmat_train_set *train, const cmat_train_set *valid,
                                    const cmat_tune_options *opts, cmat_tune_result *res,
                                    cmat_error *err)
{
    return cmat_tune_many(m, &adapter, 1, train, valid, opts, res, err);
}

/* Mean loss of a set (by the adapter's index; base: pass n_adapters 0) without tuning. */
cmat_status cmat_tune_eval(cmat_model *m, cmat_adapter *const *adapters, int n_adapters,
                           const cmat_train_set *set, const cmat_tune_options *opts, double *loss,
                           cmat_error *err);
#endif
