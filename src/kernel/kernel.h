/* kernel/kernel.h - the operations a transformer needs, forward and backward, as a table per
 * device.
 *
 * cmat_kernel_cpu ("plain") is the reference; the others must agree with it within the bound their
 * test states. Tensors are row-major float32 with the last axis contiguous, unless said otherwise.
 * T: tokens in the batch, D: model width, H: query heads, G: key/value heads (H % G == 0),
 * d: head_dim, F: feed-forward width, V: vocabulary, R: LoRA rank.
 * A "d" before a name is the gradient of the loss with respect to it. Backward operations ADD into
 * gradients unless said otherwise. All may use OpenMP inside; results do not depend on the number
 * of threads (fixed reduction order).
 *
 * Tensors lie in the table's memory: the host's, or a device's own, where alloc and upload put
 * them. Arrays of integers and segments, and the weights of cross_entropy, always lie in the host's
 * and may be changed as soon as a call returns. A device's table is used by one thread at a time;
 * its calls return before the work is done, in order, and download, norm, cross_entropy and check
 * wait for it. */
#ifndef CMAT_KERNEL_KERNEL_H
#define CMAT_KERNEL_KERNEL_H
#include "cmat/error.h"
#include "kernel/quant.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One weight matrix W (n_out, n_in) as it lies in a file (data: borrowed, row-major blocks of
 * `type`), with the forms that a device prepared from it. A product is y = x W^T. */
typedef struct {
    const void *data;
    cmat_type type;
    int n_out, n_in;
    bool tuned;     /* is what is tuned: products may round W and x to bfloat16 */
    void *prepared; /* the device's own form(s), made by prepare; NULL before */
} cmat_weight;

enum {                       /* what a weight will be used for: bits for prepare */
       CMAT_USE_DECODE = 1,  /* products with few rows (1..16): kept quantised */
       CMAT_USE_PROMPT = 2,  /* products with many rows */
       CMAT_USE_BACKWARD = 4 /* dx = dy W */
};

/* One run of consecutive rows of a packed batch that belong to one sequence. Row i of the segment
 * (0 <= i < n) stands at position pos + i and attends to
 *   - the n_prefix rows of the batch that start at row `prefix` (the whole shared prefix), and
 *   - rows row .. row+i of its own segment (causal).
 * A prefix is itself an earlier segment (with n_prefix 0). n_prefix 0: plain packing, no attention
 * across samples. Sharing a prompt between samples gives the same loss and gradients as
 * repeating it, when no loss is taken on the prefix. */
typedef struct {
    int row, n;
    int prefix, n_prefix;
    int pos; /* position of the first row (n_prefix for a segment after a prefix) */
} cmat_segment;

/* One sequence's part of a decoding batch: rows row .. row+n-1 of q (T, H, d) stand at positions
 * n_past .. n_past+n-1 and attend to every earlier position. Keys and values of positions
 * 0..n_past+n-1 are in the paged cache already: position p lies in page pages[p / page_size], slot
 * p % page_size. */
typedef struct {
    int row, n, n_past;
    const int32_t *pages;
} cmat_paged_seq;

/* Cached keys and values of one layer in pages: a page of keys is (G, d, page_size), so that one
 * vector holds a component of several keys, a page of values (G, page_size, d). Halves cost half
 * the reading, which is what long contexts are bound by. What lies in slots that no position has
 * filled is not used. */
typedef struct {
    void *k, *v;
    cmat_type type; /* of their elements: F16 or F32 */
    int page_size;
    int window; /* rows attend to the last `window` positions only, themselves included; 0: all */
    size_t stride; /* elements from a page to the next; 0: one lies behind the other */
} cmat_paged_kv;

/* Which elements are dropped: a hash of (seed, row + i, column) decides for row i of a call, so
 * that the same choice can be made again. A kept element is multiplied by 1 / (1 - rate). */
typedef struct {
    float rate; /* [0, 1) */
    uint64_t seed;
    int row;
} cmat_dropout;

/* One of several products that share x: y (T, n_out), rows ldy floats apart. */
typedef struct {
    float *y;
    int ldy;
    const cmat_weight *w;
} cmat_product;

/* The low-rank update of one weight: scale B A. */
typedef struct {
    const float *a, *b; /* (rank, n_in), (n_out, rank) */
    int n_in, n_out, rank;
    float scale;
} cmat_lora_rows;

/* Its backward pass for n rows: du = scale dy B, dB += scale dy^T u, dA += du^T x, dx += du A. */
typedef struct {
    const cmat_lora_rows *lora;
    int n;
    const float *dy; /* (n, n_out) */
    const float *x;  /* (n, n_in) */
    const float *u;  /* (n, rank): x A^T */
    int lddy, ldx, ldu;
    float *du;      /* room for (n, rank) */
    float *da, *db; /* as a and b */
    float *dx;      /* (n, n_in); may be NULL */
    int lddx;
} cmat_lora_grads;

/* The gradient of a weight for T rows: dw (n_out, n_in) += dy^T x. */
typedef struct {
    float *dw;
    int n_out, n_in, T;
    const float *dy, *x; /* (T, n_out), (T, n_in) */
    int lddy, ldx;
} cmat_outer;

typedef struct cmat_kernel_ops {
    const char *name;        /* "plain", "avx2", "avx512", "cuda" */
    bool (*available)(void); /* this machine can run it */
    /* Memory of its own. Such a table is for tuning only: it cannot decode (lora_rows,
     * kv_store and attention_paged are NULL), and weights must be prepared before they are used. */
    bool device;
    const char *(*describe)(void); /* a device's name, or why it cannot run; NULL: a processor */

    void *(*alloc)(size_t bytes); /* 64-byte aligned, not cleared; NULL: no room */
    void (*free)(void *p);        /* NULL is fine */
    size_t (*memory)(void);       /* bytes that can be had; 0: not known */
    void (*upload)(void *to, const void *host, size_t bytes);
    void (*download)(void *host, const void *from, size_t bytes);
    /* CMAT_ERR_STATE: an earlier call failed on the device; what it wrote is worthless. */
    cmat_status (*check)(cmat_error *err);

    /* Makes w->prepared for the uses (bits above; called once before threads share w).
     * CMAT_ERR_NOMEM. release frees it. Without prepare every product still works, slower. */
    cmat_status (*prepare)(cmat_weight *w, int uses, cmat_error *err);
    void (*release)(cmat_weight *w);

    /* Faster tables multiply quantised W in integers, with x rounded to 16 bits in blocks of 32:
     * 1e-5 of a row's size (matmul_backward: 14 bits and W to 13, 2e-4, or bfloat16, 2e-3, as in
     * products of weights that are tuned). A row of y depends on its row of x only, not on T (but
     * on a device, whose library sums in another order for other T). */
    /* y (T, n_out) = x (T, n_in) W^T, y rows ldy floats apart, x rows ldx apart; accumulate: += */
    void (*matmul)(float *y, int ldy, const float *x, int ldx, const cmat_weight *w, int T,
                   bool accumulate);
    /* n (4 at most) products y = x W^T of matrices with the same n_in, each as matmul makes it. May
     * be missing: use cmat_matmul_set. */
    void (*matmul_set)(const cmat_product *p, int n, const float *x, int ldx, int T);
    /* dx (T, n_in) = dy (T, n_out) W; accumulate: += */
    void (*matmul_backward)(float *dx, int lddx, const float *dy, int lddy, const cmat_weight *w,
                            int T, bool accumulate);
    /* C (M,N) = alpha op(A) op(B) + beta C, for LoRA's small products and tests. op(A) is (M,K);
     * ta: A is stored (K,M). */
    void (*gemm)(bool ta, bool tb, int M, int N, int K, float alpha, const float *A, int lda,
                 const float *B, int ldb, float beta, float *C, int ldc);

    /* y (n, n_out) += scale (x (n, n_in) A^T) B^T for few rows (decoding); A (rank, n_in), B
     * (n_out, rank), as they lie, where gemm would first repack them; tmp: room for (n, rank). */
    void (*lora_rows)(float *y, int ldy, const float *x, int ldx, const cmat_lora_rows *lora, int n,
                      float *tmp);

    /* The same for many rows: u (n, rank) = x A^T, y += scale u B^T; y may be NULL. A row of y
     * depends on its row of x only. And the backward pass. Both may be missing: use
     * cmat_lora_forward_run and cmat_lora_backward_run, which make them of gemm then. */
    void (*lora_forward)(float *y, int ldy, float *u, int ldu, const float *x, int ldx,
                         const cmat_lora_rows *lora, int n);
    void (*lora_backward)(const cmat_lora_grads *g);
    /* May be missing: use cmat_weight_grad_run. */
    void (*weight_grad)(const cmat_outer *o);

    /* out (n, n_in) = rows ids[0..n) of W, widened. */
    void (*embed)(float *out, const cmat_weight *w, const int32_t *ids, int n);

    /* y = x / sqrt(mean(x^2) + eps) * g, by row (arXiv 1910.07467). inv_rms (T) may be NULL. y may
     * be x. */
    void (*rmsnorm)(float *y, float *inv_rms, const float *x, const float *g, int T, int D,
                    float eps);
    /* Adds into dx; dg (D) may be NULL (frozen). */
    void (*rmsnorm_backward)(float *dx, float *dg, const float *dy, const float *x, const float *g,
                             const float *inv_rms, int T, int D);
    /* The same for each head of x (T, n_heads, d), rows ldx apart, in place; inv_rms (T, n_heads)
     * may be NULL. This and the next operations marked so may be missing (NULL) from a table, which
     * then cannot run the architectures that need them. */
    void (*head_norm)(float *x, int ldx, float *inv_rms, const float *g, int T, int n_heads, int d,
                      float eps); /* may be missing */
    /* dx comes as the gradient of the result and becomes that of x, which is as it was before. */
    void (*head_norm_backward)(float *dx, int lddx, const float *x, int ldx, const float *g,
                               const float *inv_rms, int T, int n_heads,
                               int d); /* may be missing */
    /* y_t += row for T rows of n, ldy apart */
    void (*add_row)(float *y, int ldy, const float *row, int T, int n); /* may be missing */

    /* Rotates x (T, n_heads, d), rows ldx apart, in place. cos_sin: (n_ctx, d/2, 2) table made by
     * cmat_rope_table; pos (T). neox false: pairs are (2i, 2i+1) (GGUF llama layout); true: (i, i +
     * d/2). inverse: by the opposite angle (the backward pass). */
    void (*rope)(float *x, int ldx, const float *cos_sin, const int32_t *pos, int T, int n_heads,
                 int d, bool neox, bool inverse);

    /* h = silu(gate) * up, (T, F) */
    void (*swiglu)(float *h, const float *gate, const float *up, int T, int F);
    /* Overwrites dgate and dup; dgate may be gate's own storage, dup may be up's. */
    void (*swiglu_backward)(float *dgate, float *dup, const float *dh, const float *gate,
                            const float *up, int T, int F);

    /* h = gelu(gate) * up, gelu(x) = x / (1 + exp(-2 sqrt(2/pi) (x + 0.044715 x^3))): the tanh form
     * (arXiv 1606.08415, section 2); as swiglu otherwise. May be missing. */
    void (*geglu)(float *h, const float *gate, const float *up, int T, int F);
    void (*geglu_backward)(float *dgate, float *dup, const float *dh, const float *gate,
                           const float *up, int T, int F);

    /* o (T, H, d) = softmax(q k^T / sqrt(d)) v within segments; k, v (T, G, d); rows ldq / ldkv /
     * ldo floats apart. lse (T, H), the log-sum-exp of each row's scores, is kept for backward; may
     * be NULL. window: with W > 0 a row attends to the last W positions only, itself included;
     * those of a prefix end right before the segment's first. 0: to all. */
    void (*attention)(float *o, int ldo, float *lse, const float *q, int ldq, const float *k,
                      const float *v, int ldkv, const cmat_segment *seg, int n_seg, int H, int G,
                      int d, int window);
    /* Overwrites dq; adds into dk, dv (several segments share a prefix). */
    void (*attention_backward)(float *dq, float *dk, float *dv, const float *dout, int ldo,
                               const float *o, const float *lse, const float *q, int ldq,
                               const float *k, const float *v, int ldkv, const cmat_segment *seg,
                               int n_seg, int H, int G, int d, int window);

    /* Stores the sequences' rows of k, v (T, G, d), ldkv apart, at their positions n_past.. of the
     * paged cache. To F16 rounded to nearest even, beyond +-65504 to these; NaN stays NaN. */
    void (*kv_store)(const cmat_paged_kv *kv, const cmat_paged_seq *seqs, int n_seqs,
                     const float *k, const float *v, int ldkv, int G, int d);
    /* o (T, H, d) for all sequences of a decoding or prompt batch, causal, over the paged cache. */
    void (*attention_paged)(float *o, int ldo, const float *q, int ldq, const cmat_paged_kv *kv,
                            const cmat_paged_seq *seqs, int n_seqs, int H, int G, int d);

    /* Cross-entropy over rows of logits (n, V) against targets (n) with weights (n): returns the
     * sum of weight * -log softmax[target] and writes dlogits in place of logits:
     * (softmax - onehot) * weight * scale. */
    double (*cross_entropy)(float *logits, const int32_t *targets, const float *weights, int n,
                            int V, float scale);

    /* log(sum(exp(x))) of n numbers; the greatest of them where that is not finite. For the
     * sampler: a device's table may lack it. */
    float (*log_sum_exp)(const float *x, int n);

    /* One AdamW step (arXiv 1711.05101) over n parameters; t counts from 1. */
    void (*adamw)(float *p, const float *g, float *m, float *v, size_t n, float lr, float beta1,
                  float beta2, float eps, float weight_decay, int64_t t);

    /* y = x, y = 0, between bfloat16 (rounded to nearest even) and float32: n elements */
    void (*copy)(float *y, const float *x, size_t n);
    void (*zero)(float *y, size_t n);
    void (*narrow)(uint16_t *y, const float *x, size_t n);
    void (*widen)(float *y, const uint16_t *x, size_t n);
    /* y_i = x_rows[i], y_rows[i] = x_i: n rows of D; scatter's rows differ from each other */
    void (*gather)(float *y, const float *x, const int32_t *rows, int n, int D);
    void (*scatter)(float *y, const float *x, const int32_t *rows, int n, int D);
    /* y (n, width) = x with elements dropped; rows ldy, ldx apart; accumulate: += */
    void (*dropout)(float *y, int ldy, const float *x, int ldx, int n, int width,
                    const cmat_dropout *drop, bool accumulate);
    /* sqrt(sum of squares) */
    double (*norm)(const float *x, size_t n);

    /* y += x, y *= s: n floats */
    void (*add)(float *y, const float *x, size_t n);
    void (*scale)(float *y, float s, size_t n);
} cmat_kernel_ops;

/* The fastest available on this machine that can decode, or the one named by CMAT_KERNEL ("plain",
 * "avx2", "avx512") in the environment; CMAT_KERNEL naming one that is not available falls back
 * with a warning. */
const cmat_kernel_ops *cmat_kernel_best(void);
/* What tunes: the table of that name (CMAT_ERR_ARG: none such, or it cannot run here); with name
 * NULL the device that CMAT_KERNEL names, and without one the table given. */
cmat_status cmat_kernel_for_tuning(const cmat_kernel_ops **out, const char *name,
                                   const cmat_kernel_ops *other, cmat_error *err);
/* NULL when there is none of that name or it cannot run here. */
const cmat_kernel_ops *cmat_kernel_find(const char *name);
extern const cmat_kernel_ops *const cmat_kernels[]; /* slowest first, NULL at the end */

void cmat_matmul_set(const cmat_kernel_ops *k, const cmat_product *p, int n, const float *x,
                     int ldx, int T);
void cmat_lora_forward_run(const cmat_kernel_ops *k, float *y, int ldy, float *u, int ldu,
                           const float *x, int ldx, const cmat_lora_rows *lora, int n);
void cmat_lora_backward_run(const cmat_kernel_ops *k, const cmat_lora_grads *g);
void cmat_weight_grad_run(const cmat_kernel_ops *k, const cmat_outer *o);

/* cos_sin (n_ctx, d/2, 2) for frequencies base^(-2i/d) / factor; factors (d/2) may be NULL (Llama
 * 3's rope_freqs). */
void cmat_rope_table(float *cos_sin, int n_ctx, int d, float base, const float *factors);

/* Where the keys or values of head g begin in a page. */
static inline size_t cmat_page_head(const cmat_paged_kv *kv, int page, int g, int G, int d)
{
    const size_t head = (size_t)kv->page_size * (size_t)d;
    return (size_t)page * (kv->stride ? kv->stride : (size_t)G * head) + (size_t)g * head;
}

/* Element `at` of a cache's keys or values. */
static inline void *cmat_page_element(const cmat_paged_kv *kv, void *keys_or_values, size_t at)
{
    return (char *)keys_or_values +
           at * (kv->type == CMAT_TYPE_F16 ? sizeof(uint16_t) : sizeof(float));
}

/* Number of threads for all kernels (OpenMP); 0: one per core. */
void cmat_threads_set(int n);
int cmat_threads(void);
#endif
