/* kernel/avx512.h - what AVX-512 (F, BW, VL, VNNI) adds to the AVX2 table: wider tiles. */
#ifndef CMAT_KERNEL_AVX512_H
#define CMAT_KERNEL_AVX512_H
#include "kernel/kernel.h"
#include "kernel/qgemm.h"
#include "kernel/sgemm.h"

extern const cmat_sgemm_tile cmat_avx512_tile; /* 12 x 32 */
extern const cmat_q_tile cmat_avx512_q_tile;   /* 12 x 32, as two of 6 */

/* bfloat16 instead of integers or floats, for tuning where the processor has it: a tile of 12 x 32,
 * the columns of W and the rows of a W in floats for it, and dW. */
bool cmat_avx512_has_bf16(void);
extern const cmat_q_tile cmat_avx512_bf16_tile;
cmat_q_pack cmat_avx512_bf16_pack_columns;
cmat_q_pack cmat_avx512_bf16_pack_rows;
void cmat_avx512_bf16_outer(const cmat_outer *o);

/* Rounds a row of x; see cmat_q_tile. The AVX2 tile's own. */
cmat_q_round cmat_avx2_q_round;

/* Panels of prepared weights, 32 columns at a time; columns that are not there repeat others. */
cmat_q_pack cmat_avx512_q_pack_prepared;
/* y (T, n_out) (+)= x W^T for n prepared W and few rows of x. */
void cmat_avx512_few_rows(const cmat_product *p, int n, const float *x, int ldx, int T,
                          bool accumulate);

void cmat_avx512_weight_grad(const cmat_outer *o);
void cmat_avx512_lora_forward(float *y, int ldy, float *u, int ldu, const float *x, int ldx,
                              const cmat_lora_rows *l, int n);
void cmat_avx512_lora_backward(const cmat_lora_grads *g);

/* attention_avx2.h's, with tiles of 6 x 32 */
void cmat_avx512_attention(float *o, int ldo, float *lse, const float *q, int ldq, const float *k,
                           const float *v, int ldkv, const cmat_segment *seg, int n_seg, int H,
                           int G, int d, int window);
void cmat_avx512_attention_backward(float *dq, float *dk, float *dv, const float *dout, int ldo,
                                    const float *o, const float *lse, const float *q, int ldq,
                                    const float *k, const float *v, int ldkv,
                                    const cmat_segment *seg, int n_seg, int H, int G, int d,
                                    int window);
void cmat_avx512_attention_paged(float *o, int ldo, const float *q, int ldq,
                                 const cmat_paged_kv *kv, const cmat_paged_seq *seqs, int n_seqs,
                                 int H, int G, int d);
#endif
