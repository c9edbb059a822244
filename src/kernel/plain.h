/* kernel/plain.h - the plain reference's operations, for the tables that share some of them.
 *
 * Straightforward C in the order of the formulas; what each does stands in kernel.h. */
#ifndef CMAT_KERNEL_PLAIN_H
#define CMAT_KERNEL_PLAIN_H
#include "kernel/kernel.h"

extern const cmat_kernel_ops cmat_kernel_cpu, cmat_kernel_avx2, cmat_kernel_avx512;

cmat_status cmat_plain_prepare(cmat_weight *w, int uses, cmat_error *err);
void cmat_plain_release(cmat_weight *w);
void cmat_plain_matmul(float *y, int ldy, const float *x, int ldx, const cmat_weight *w, int T,
                       bool accumulate);
void cmat_plain_matmul_backward(float *dx, int lddx, const float *dy, int lddy,
                                const cmat_weight *w, int T, bool accumulate);
void cmat_plain_gemm(bool ta, bool tb, int M, int N, int K, float alpha, const float *A, int lda,
                     const float *B, int ldb, float beta, float *C, int ldc);
void cmat_plain_embed(float *out, const cmat_weight *w, const int32_t *ids, int n);

void cmat_plain_attention(float *o, int ldo, float *lse, const float *q, int ldq, const float *k,
                          const float *v, int ldkv, const cmat_segment *seg, int n_seg, int H,
                          int G, int d);
void cmat_plain_attention_backward(float *dq, float *dk, float *dv, const float *dout, int ldo,
                                   const float *o, const float *lse, const float *q, int ldq,
                                   const float *k, const float *v, int ldkv,
                                   const cmat_segment *seg, int n_seg, int H, int G, int d);
void cmat_plain_kv_store(const cmat_paged_kv *kv, const cmat_paged_seq *seq, const float *k,
                         const float *v, int ldkv, int G, int d);
void cmat_plain_attention_paged(float *o, int ldo, const float *q, int ldq, const cmat_paged_kv *kv,
                                const cmat_paged_seq *seqs, int n_seqs, int H, int G, int d);

/* Bytes of one row of w as it lies in the file. */
size_t cmat_weight_row_bytes(const cmat_weight *w);
#endif
