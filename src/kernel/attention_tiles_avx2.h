/* kernel/attention_tiles_avx2.h - the products inside attention: tiles of 6 x 16. */
#ifndef CMAT_KERNEL_ATTENTION_TILES_AVX2_H
#define CMAT_KERNEL_ATTENTION_TILES_AVX2_H
#include "kernel/attention_avx2.h"

/* 8 elements from element `at` on: floats, or halves, which are widened. */
static inline __m256 cmat_tile_load(bool half, const void *b, int at)
{
    return half ? _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)((const uint16_t *)b + at)))
                : _mm256_loadu_ps((const float *)b + at);
}

/* c (m, 16), rows ldc apart, (+)= A B: A(i, k) = a[i * a_row + k * a_col], B(k, j) = b[k * ldb +
 * j], halves or floats. m and half are constants in each use. */
static inline __attribute__((always_inline)) void
cmat_attention_tile_rows(int m, bool half, int kc, const float *a, size_t a_row, size_t a_col,
                         const void *b, size_t ldb, float *c, size_t ldc, bool accumulate)
{
    const size_t step = ldb * (half ? sizeof(uint16_t) : sizeof(float));
    __m256 acc[6][2];
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        acc[i][0] = accumulate ? _mm256_loadu_ps(c + (size_t)i * ldc) : _mm256_setzero_ps();
        acc[i][1] = accumulate ? _mm256_loadu_ps(c + (size_t)i * ldc + 8) : _mm256_setzero_ps();
    }
#pragma GCC unroll 2
    for (int k = 0; k < kc; k++) {
        const __m256 b0 = cmat_tile_load(half, b, 0), b1 = cmat_tile_load(half, b, 8);
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            const __m256 ai = _mm256_broadcast_ss(a + (size_t)i * a_row);
            acc[i][0] = _mm256_fmadd_ps(ai, b0, acc[i][0]);
            acc[i][1] = _mm256_fmadd_ps(ai, b1, acc[i][1]);
        }
        a += a_col;
        b = (const char *)b + step;
    }
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        _mm256_storeu_ps(c + (size_t)i * ldc, acc[i][0]);
        _mm256_storeu_ps(c + (size_t)i * ldc + 8, acc[i][1]);
    }
}

#define CMAT_TILE_CASE(m)                                                                       \
    case m:                                                                                     \
        cmat_attention_tile_rows(m, half, kc, ai, a_row, a_col, bj, ldb, cij, ldc, accumulate); \
        break

/* The same for any m and n, a multiple of 16. */
static inline __attribute__((always_inline)) void
cmat_attention_tiles(bool half, int m, int n, int kc, const float *a, size_t a_row, size_t a_col,
                     const void *b, size_t ldb, float *c, size_t ldc, bool accumulate)
{
    for (int i = 0; i < m; i += 6)
        for (int j = 0; j < n; j += 16) {
            const float *ai = a + (size_t)i * a_row;
            const void *bj = half ? (const void *)((const uint16_t *)b + j)
                                  : (const void *)((const float *)b + j);
            float *cij = c + (size_t)i * ldc + (size_t)j;
            switch (m - i < 6 ? m - i : 6) {
                CMAT_TILE_CASE(1);
                CMAT_TILE_CASE(2);
                CMAT_TILE_CASE(3);
                CMAT_TILE_CASE(4);
                CMAT_TILE_CASE(5);
                CMAT_TILE_CASE(6);
            }
        }
}
#undef CMAT_TILE_CASE

#include "kernel/attention_product.h"

/* s (rows, SCORE_LD) = A panels for the panels that hold keys lo .. hi-1 of the block. */
static inline void cmat_attention_scores(float *s, const float *a, int rows, int d,
                                         const float *panels, int lo, int hi)
{
    for (int p = lo / CMAT_PANEL_KEYS * CMAT_PANEL_KEYS; p < hi; p += CMAT_PANEL_KEYS)
        cmat_attention_product(rows, CMAT_PANEL_KEYS, d, a, (size_t)d, 1,
                               panels + (size_t)p * (size_t)d, CMAT_PANEL_KEYS, s + p,
                               CMAT_SCORE_LD, false);
}

/* The same for two panels, of halves or floats, that lie apart. */
static inline void cmat_attention_score_pair(bool half, float *s, const float *a, int rows, int d,
                                             const void *first, const void *second)
{
    cmat_attention_product_in(half, rows, CMAT_PANEL_KEYS, d, a, (size_t)d, 1, first,
                              CMAT_PANEL_KEYS, s, CMAT_SCORE_LD, false);
    cmat_attention_product_in(half, rows, CMAT_PANEL_KEYS, d, a, (size_t)d, 1, second,
                              CMAT_PANEL_KEYS, s + CMAT_PANEL_KEYS, CMAT_SCORE_LD, false);
}
#endif
