/* kernel/plain.h - the plain reference's operations, for the tables that share some of them.
 *
 * Straightforward C in the order of the formulas; what each does stands in kernel.h. */
#ifndef CMAT_KERNEL_PLAIN_H
#define CMAT_KERNEL_PLAIN_H
#include "kernel/kernel.h"

extern const cmat_kernel_ops cmat_kernel_cpu, cmat_kernel_avx2, cmat_kernel_avx512,
    cmat_kernel_cuda;

cmat_status cmat_plain_prepare(cmat_weight *w, int uses, cmat_error *err);
void cmat_plain_release(cmat_weight *w);
void cmat_plain_matmul(float *y, int ldy, const float *x, int ldx, const cmat_weight *w, int T,
                       bool accumulate);
void cmat_plain_matmul_backward(float *dx, int lddx, const float *dy, int lddy,
                                const cmat_weight *w, int T, bool accumulate);
void cmat_plain_gemm(bool ta, bool tb, int M, int N, int K, float alpha, const float *A, int lda,
                     const float *B, int ldb, float beta, float *C, int ldc);
void cmat_plain_lora_rows(float *y, int ldy, const float *x, int ldx, const cmat_lora_rows *l,
                          int n, float *tmp);
void cmat_plain_embed(float *out, const cmat_weight *w, const int32_t *ids, int n);

void cmat_plain_attention(float *o, int ldo, float *lse, const float *q, int ldq, const float *k,
                          const float *v, int ldkv, const cmat_segment *seg, int n_seg, int H,
                          int G, int d, int window);
void cmat_plain_attention_backward(float *dq, float *dk, float *dv, const float *dout, int ldo,
                                   const float *o, const float *lse, const float *q, int ldq,
                                   const float *k, const float *v, int ldkv,
                                   const cmat_segment *seg, int n_seg, int H, int G, int d,
                                   int window);
void cmat_plain_kv_store(const cmat_paged_kv *kv, const cmat_paged_seq *seqs, int n_seqs,
                         const float *k, const float *v, int ldkv, int G, int d);
/* kv_store with n floats rounded to halves by narrow. */
typedef void cmat_narrow_fn(uint16_t *y, const float *x, int n);
void cmat_kv_store_by(cmat_narrow_fn *narrow, const cmat_paged_kv *kv, const cmat_paged_seq *seqs,
                      int n_seqs, const float *k, const float *v, int ldkv, int G, int d);
void cmat_plain_attention_paged(float *o, int ldo, const float *q, int ldq, const cmat_paged_kv *kv,
                                const cmat_paged_seq *seqs, int n_seqs, int H, int G, int d);

void cmat_plain_add_row(float *y, int ldy, const float *row, int T, int n);

/* host.c */
void *cmat_host_alloc(size_t bytes);
void cmat_host_free(void *p);
size_t cmat_host_memory(void);
void cmat_host_move(void *to, const void *from, size_t bytes);
cmat_status cmat_host_check(cmat_error *err);
void cmat_host_copy(float *y, const float *x, size_t n);
void cmat_host_zero(float *y, size_t n);
void cmat_host_narrow(uint16_t *y, const float *x, size_t n);
void cmat_host_widen(float *y, const uint16_t *x, size_t n);
void cmat_host_gather(float *y, const float *x, const int32_t *rows, int n, int D);
void cmat_host_scatter(float *y, const float *x, const int32_t *rows, int n, int D);
void cmat_host_dropout(float *y, int ldy, const float *x, int ldx, int n, int width,
                       const cmat_dropout *drop, bool accumulate);
double cmat_host_norm(const float *x, size_t n);

/* The members of a table whose memory is the host's. */
#define CMAT_HOST_OPS                                                                    \
    .device = false, .describe = NULL, .alloc = cmat_host_alloc, .free = cmat_host_free, \
    .memory = cmat_host_memory, .upload = cmat_host_move, .download = cmat_host_move,    \
    .check = cmat_host_check, .copy = cmat_host_copy, .zero = cmat_host_zero,            \
    .narrow = cmat_host_narrow, .widen = cmat_host_widen, .gather = cmat_host_gather,    \
    .scatter = cmat_host_scatter, .dropout = cmat_host_dropout, .norm = cmat_host_norm

/* Bytes of one row of w as it lies in the file. */
size_t cmat_weight_row_bytes(const cmat_weight *w);
#endif
