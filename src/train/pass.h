/* train/pass.h - one batch forward and backward through the frozen base and its adapters.
 *
 * Everything a pass touches lies in one arena that cmat_pass_new sizes from the model's
 * configuration and the rows of a batch. Shapes are those of kernel/kernel.h. */
#ifndef CMAT_TRAIN_PASS_H
#define CMAT_TRAIN_PASS_H
#include "train/pack.h"

/* A layer's kept activations. */
enum {
    CMAT_ACT_X,
    CMAT_ACT_QKV,
    CMAT_ACT_O,
    CMAT_ACT_XMID,
    CMAT_ACT_GATE,
    CMAT_ACT_UP,
    CMAT_ACT_ATTN_OUT, /* what the norms after attention and network take, where there are such */
    CMAT_ACT_FFN_OUT,
    CMAT_N_ACTS
};

typedef struct {
    float *f32[CMAT_N_ACTS];     /* CMAT_KEEP_F32 (and ACT_X of CMAT_KEEP_RECOMPUTE) */
    uint16_t *bf16[CMAT_N_ACTS]; /* CMAT_KEEP_BF16 */
    float *lse;                  /* (T, H) */
    float *u;                    /* (CMAT_N_LAYER_WEIGHTS, T, max_rank): x A^T of each matrix */
} cmat_layer_acts;

/* The frozen base where the pass's kernels read it: the model's own tensors, or with kernels other
 * than the model's a copy in their memory. */
typedef struct {
    cmat_layer *layers; /* (n_layers) */
    cmat_weight token_embd, output;
    float *output_norm, *rope_cos_sin, *rope_local;
    bool copied;
} cmat_base;

/* Prepares the model's weights for the uses, or copies them. */
cmat_status cmat_base_init(cmat_base *base, cmat_model *m, const cmat_kernel_ops *k, int uses,
                           cmat_error *err);
void cmat_base_clear(cmat_base *base, const cmat_model *m, const cmat_kernel_ops *k);

typedef struct {
    cmat_model *model;
    const cmat_kernel_ops *k; /* all tensors below lie in its memory */
    cmat_base base;
    cmat_adapter *adapters[CMAT_TUNE_MAX_ADAPTERS];
    float *params[CMAT_TUNE_MAX_ADAPTERS]; /* the adapter's own, or on a device a copy */
    float *grads[CMAT_TUNE_MAX_ADAPTERS];  /* (n_params of each); in the arena */
    /* Virtual tokens (n_served of each) and their gradients: params and grads themselves unless an
     * encoder makes them */
    float *served[CMAT_TUNE_MAX_ADAPTERS], *served_grads[CMAT_TUNE_MAX_ADAPTERS];
    bool full; /* the model's own weights are tuned: `model` is the adapter's copy */
    bool has_dora;
    bool has_embeddings; /* virtual tokens that are embeddings: dx is needed at the bottom */
    int n_adapters;
    int max_rows, head_rows, max_rank;
    cmat_keep keep;
    bool dropout;       /* apply the adapters' dropout (training) */
    uint64_t drop_seed; /* a new one for each batch */

    cmat_layer_acts *layers; /* (n_layers) */
    float *tmp[CMAT_N_ACTS]; /* one layer's activations where they are not kept as float32 */
    float *x;                /* (T, D) the last layer's output */
    float *dx, *xn, *dxn;    /* (T, D) */
    float *h, *dh;           /* (T, F) */
    float *dqkv;             /* (T, (H + 2G) d) */
    float *qkv;              /* the same: q and k normalised and turned, where they are both */
    float *head_inv;         /* (T, H + G): q's, then k's; with head norms, else NULL */
    float *dout;             /* (T, H d) */
    float *du;               /* (T, max_rank) */
    float *dora;             /* (T, the widest output) when an adapter is DoRA's, else NULL */
    float *inv_rms;          /* (T) */
    float *drop, *ddrop;     /* (T, max(D, F)) with dropout, else NULL */
    float *hx, *hxn, *hdxn;  /* (head_rows, D) */
    float *logits;           /* (head_rows, V) */
    void *arena;
    size_t arena_size;
} cmat_pass;

typedef struct {
    const cmat_kernel_ops *kernel; /* NULL: the model's */
    int max_rows;
    cmat_keep keep;
    bool backward; /* false: room for cmat_pass_forward and _loss with NULL scale only */
    size_t memory; /* bytes the arena may take; 0: what is free */
} cmat_pass_options;

/* Bytes of the arena that cmat_pass_new would make. */
cmat_status cmat_pass_count(size_t *bytes, cmat_model *m, cmat_adapter *const *adapters,
                            int n_adapters, const cmat_pass_options *o, cmat_error *err);
/* Prepares the model's weights for prompts and for backward. */
cmat_status cmat_pass_new(cmat_pass **out, cmat_model *m, cmat_adapter *const *adapters,
                          int n_adapters, const cmat_pass_options *o, cmat_error *err);
void cmat_pass_free(cmat_pass *p);
/* Takes the adapters' parameters as they are now; cmat_pass_new did so too. */
void cmat_pass_take_params(cmat_pass *p);
/* After p->params of an adapter changed: makes what its encoder gives from them. */
void cmat_pass_refresh(cmat_pass *p, int adapter);
void cmat_pass_zero_grads(cmat_pass *p);

/* Runs all layers; p->x is their output. keep: save what backward needs. */
void cmat_pass_forward(cmat_pass *p, const cmat_batch *b, bool keep);
/* Adds each adapter's sum of weight * -log p into loss[adapter]. With scale (by adapter) not NULL,
 * also writes into p->dx the gradient of sum(scale[adapter] * loss[adapter]) with respect to p->x.
 */
void cmat_pass_loss(cmat_pass *p, const cmat_batch *b, const float *scale, double *loss);
/* Adds the gradients of the adapters' params into p->grads, from p->dx (which is used up); those
 * of virtual tokens that an encoder makes into p->served_grads. */
void cmat_pass_backward(cmat_pass *p, const cmat_batch *b);
/* After the last batch of a step: takes served_grads through the encoders into grads. */
cmat_status cmat_pass_finish_grads(cmat_pass *p, cmat_error *err);

/* Between the files of the pass: */
enum { CMAT_HEAD_ROWS = 256, CMAT_HEAD_ROWS_FULL = 512, CMAT_HEAD_ROWS_DEVICE = 4096 };
typedef struct {
    int T, D, F, H, G, d, qkv; /* qkv = (H + 2G) d */
} cmat_dims;
cmat_dims cmat_pass_dims(const cmat_pass *p, int T);
size_t cmat_act_width(const cmat_model_config *c, int act);
/* Where activation act of layer l is to be written, then that it has been, then where it is. */
float *cmat_act_out(cmat_pass *p, int l, int act);
void cmat_act_keep(cmat_pass *p, int l, int act, int T);
float *cmat_act_in(cmat_pass *p, int l, int act, int T);
/* What attention reads of layer l, from the kept q, k and v: these themselves, unless heads have
 * norms, whose backward pass needs what was before them. */
float *cmat_layer_qkv(cmat_pass *p, const cmat_batch *b, int l, float *kept);
/* dqkv, the gradient of what cmat_layer_qkv gave last, becomes that of kept before rope and norms.
 */
void cmat_layer_qkv_backward(cmat_pass *p, const cmat_batch *b, int l, const float *kept,
                             float *dqkv);
/* Computes layer l from its input, which is in cmat_act_out(p, l, CMAT_ACT_X); y (T, D), its
 * output, may be NULL. */
void cmat_layer_forward(cmat_pass *p, const cmat_batch *b, int l, float *y, bool keep);
/* y += scale (x A^T) B^T for the adapters of b's rows; keeps x A^T. y NULL: only that. */
void cmat_lora_forward(cmat_pass *p, const cmat_batch *b, int l, int w, float *y, int ldy,
                       const float *x, int ldx);
/* Adds dA, dB into the gradients and, with dx not NULL, the adapters' share into dx. */
void cmat_lora_backward(cmat_pass *p, const cmat_batch *b, int l, int w, float *dx, int lddx,
                        const float *dy, int lddy, const float *x, int ldx);
/* x (T, D) at the bottom, and the gradient of virtual tokens from p->dx there. */
void cmat_virtual_embed(const cmat_pass *p, const cmat_batch *b, float *x);
void cmat_virtual_embed_backward(cmat_pass *p, const cmat_batch *b);
/* Prefixes' keys and values into rows ld apart; their gradients out of such rows, which become
 * zero. */
void cmat_prefix_put(const cmat_pass *p, const cmat_batch *b, int l, float *k, float *v, int ld);
void cmat_prefix_take_grads(cmat_pass *p, const cmat_batch *b, int l, float *dk, float *dv, int ld);
/* x A^T of a matrix from a row on, (rows, max_rank), as the forward pass kept it. */
const float *cmat_lora_kept_u(const cmat_pass *p, int l, int w, int row);
/* Around a product into y: DoRA's rows are set aside and zeroed when it adds to y; then they get
 * their gain and, when added, what was set aside. */
void cmat_dora_begin(cmat_pass *p, const cmat_batch *b, int l, int w, float *y, int ldy);
void cmat_dora_end(cmat_pass *p, const cmat_batch *b, int l, int w, float *y, int ldy, bool added);
/* Adds the gradients of magnitudes; returns dz with *lddy, which is dy itself when no row of the
 * batch is DoRA's, and holds until the next call. x: the product's input. */
const float *cmat_dora_backward(cmat_pass *p, const cmat_batch *b, int l, int w, const float *dy,
                                int *lddy, const float *x, int ldx);
/* Full tuning: where a tensor of the model has its gradient, NULL when the base is frozen; and the
 * gradients of a matrix, of a row added to all rows (T, n), of a head norm and of the embeddings,
 * which do nothing then. */
float *cmat_full_grad(const cmat_pass *p, const float *tensor);
void cmat_full_weight_grad(cmat_pass *p, const cmat_weight *w, const float *dy, int lddy,
                           const float *x, int ldx, int T);
void cmat_full_row_grad(cmat_pass *p, const float *row, const float *dy, int lddy, int T, int n);
void cmat_full_head_norm_grad(cmat_pass *p, const float *norm, const float *dy, int lddy,
                              const float *x, int ldx, const float *inv_rms, int T, int n_heads);
void cmat_full_embed_grad(cmat_pass *p, const cmat_batch *b); /* uses p->dx up */
#endif
