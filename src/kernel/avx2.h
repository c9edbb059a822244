/* kernel/avx2.h - what the AVX2 files share: small vector helpers and the parts of the table.
 * Only files compiled with -mavx2 -mfma -mf16c include this. */
#ifndef CMAT_KERNEL_AVX2_H
#define CMAT_KERNEL_AVX2_H
#include "kernel/kernel.h"
#include "kernel/sgemm.h"
#include <immintrin.h>

extern const cmat_sgemm_tile cmat_avx2_tile; /* 6 x 16 */

/* Blocks to float, as cmat_type_info's to_f32 (the same bits). Types without a fast form give
 * quant.c's. */
typedef void cmat_widen_fn(const void *blocks, float *out, size_t n);
cmat_widen_fn *cmat_avx2_widen(cmat_type type);

/* Packs for cmat_sgemm. b is a cmat_weight: B = W^T (columns are rows of W), or B = W. */
cmat_sgemm_pack cmat_avx2_pack_rows, cmat_avx2_pack_columns;
/* b is a cmat_avx2_matrix: B(k, n) = p[k * ld + n], or transposed p[n * ld + k]. */
typedef struct {
    const float *p;
    size_t ld;
} cmat_avx2_matrix;
cmat_sgemm_pack cmat_avx2_pack_matrix, cmat_avx2_pack_transposed;

/* The table's products. */
void cmat_avx2_matmul(float *y, int ldy, const float *x, int ldx, const cmat_weight *w, int T,
                      bool accumulate);
void cmat_avx2_matmul_backward(float *dx, int lddx, const float *dy, int lddy, const cmat_weight *w,
                               int T, bool accumulate);
void cmat_avx2_gemm(bool ta, bool tb, int M, int N, int K, float alpha, const float *A, int lda,
                    const float *B, int ldb, float beta, float *C, int ldc);

static inline float cmat_avx2_sum(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* Lanes 0..n-1 set, for maskload and maskstore; n may be below 0 or above 8. */
static inline __m256i cmat_avx2_mask(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif
