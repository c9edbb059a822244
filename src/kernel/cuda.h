/* kernel/cuda.h - the operations of the "cuda" table, between its C and its CUDA files.
 *
 * What each does stands in kernel.h. One device, one stream: calls run in order, and a failed one
 * is noted until cmat_cuda_check tells of it. */
#ifndef CMAT_KERNEL_CUDA_H
#define CMAT_KERNEL_CUDA_H
#ifdef __cplusplus
extern "C" {
#endif
#include "kernel/kernel.h"

bool cmat_cuda_available(void);
const char *cmat_cuda_describe(void);
void *cmat_cuda_alloc(size_t bytes);
void cmat_cuda_free(void *p);
size_t cmat_cuda_memory(void);
void cmat_cuda_upload(void *to, const void *host, size_t bytes);
void cmat_cuda_download(void *host, const void *from, size_t bytes);
cmat_status cmat_cuda_check(cmat_error *err);

/* W is in device memory as float32, (n_out, n_in). */
void cmat_cuda_gemm(bool ta, bool tb, int M, int N, int K, float alpha, const float *A, int lda,
                    const float *B, int ldb, float beta, float *C, int ldc);

void cmat_cuda_rmsnorm(float *y, float *inv_rms, const float *x, const float *g, int T, int D,
                       float eps);
void cmat_cuda_rmsnorm_backward(float *dx, float *dg, const float *dy, const float *x,
                                const float *g, const float *inv_rms, int T, int D);
void cmat_cuda_head_norm(float *x, int ldx, float *inv_rms, const float *g, int T, int n_heads,
                         int d, float eps);
void cmat_cuda_head_norm_backward(float *dx, int lddx, const float *x, int ldx, const float *g,
                                  const float *inv_rms, int T, int n_heads, int d);
void cmat_cuda_add_row(float *y, int ldy, const float *row, int T, int n);
void cmat_cuda_rope(float *x, int ldx, const float *cos_sin, const int32_t *pos, int T, int n_heads,
                    int d, bool neox, bool inverse);
void cmat_cuda_swiglu(float *h, const float *gate, const float *up, int T, int F);
void cmat_cuda_swiglu_backward(float *dgate, float *dup, const float *dh, const float *gate,
                               const float *up, int T, int F);
void cmat_cuda_geglu(float *h, const float *gate, const float *up, int T, int F);
void cmat_cuda_geglu_backward(float *dgate, float *dup, const float *dh, const float *gate,
                              const float *up, int T, int F);
void cmat_cuda_attention(float *o, int ldo, float *lse, const float *q, int ldq, const float *k,
                         const float *v, int ldkv, const cmat_segment *seg, int n_seg, int H, int G,
                         int d, int window);
void cmat_cuda_attention_backward(float *dq, float *dk, float *dv, const float *dout, int ldo,
                                  const float *o, const float *lse, const float *q, int ldq,
                                  const float *k, const float *v, int ldkv, const cmat_segment *seg,
                                  int n_seg, int H, int G, int d, int window);
double cmat_cuda_cross_entropy(float *logits, const int32_t *targets, const float *weights, int n,
                               int V, float scale);
void cmat_cuda_adamw(float *p, const float *g, float *m, float *v, size_t n, float lr, float beta1,
                     float beta2, float eps, float weight_decay, int64_t t);
void cmat_cuda_copy(float *y, const float *x, size_t n);
void cmat_cuda_zero(float *y, size_t n);
void cmat_cuda_narrow(uint16_t *y, const float *x, size_t n);
void cmat_cuda_widen(float *y, const uint16_t *x, size_t n);
void cmat_cuda_gather(float *y, const float *x, const int32_t *rows, int n, int D);
void cmat_cuda_scatter(float *y, const float *x, const int32_t *rows, int n, int D);
void cmat_cuda_dropout(float *y, int ldy, const float *x, int ldx, int n, int width,
                       const cmat_dropout *drop, bool accumulate);
double cmat_cuda_norm(const float *x, size_t n);
void cmat_cuda_add(float *y, const float *x, size_t n);
void cmat_cuda_scale(float *y, float s, size_t n);
#ifdef __cplusplus
}
#endif
#endif
