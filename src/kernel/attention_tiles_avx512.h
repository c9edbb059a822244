/* kernel/attention_tiles_avx512.h - the products inside attention: tiles of 6 x 32. An element sees
 * the same additions in the same order as in the tiles of AVX2. */
#ifndef CMAT_KERNEL_ATTENTION_TILES_AVX512_H
#define CMAT_KERNEL_ATTENTION_TILES_AVX512_H
#include "kernel/attention_avx2.h"

/* 16 elements from element `at` on: floats, or halves, which are widened. */
static inline __m512 cmat_tile_load(bool half, const void *b, ptrdiff_t at)
{
    return half ? _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)((const uint16_t *)b + at)))
                : _mm512_loadu_ps((const float *)b + at);
}

/* c (m, 16 vectors), rows ldc apart, (+)= A B: A(i, k) = a[i * a_row + k * a_col]; row k of B,
 * halves or floats, is at b + k * ldb, its second vector `second` elements further. m, vectors and
 * half are constants in each use. */
static inline __attribute__((always_inline)) void
cmat_attention_tile_rows(int m, int vectors, bool half, int kc, const float *a, size_t a_row,
                         size_t a_col, const void *b, size_t ldb, ptrdiff_t second, float *c,
                         size_t ldc, bool accumulate)
{
    const size_t step = ldb * (half ? sizeof(uint16_t) : sizeof(float));
    __m512 acc[6][2];
#pragma GCC unroll 6
    for (int i = 0; i < m; i++)
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++)
            acc[i][j] = accumulate ? _mm512_loadu_ps(c + (size_t)i * ldc + (size_t)(16 * j))
                                   : _mm512_setzero_ps();
#pragma GCC unroll 2
    for (int k = 0; k < kc; k++) {
        const __m512 b0 = cmat_tile_load(half, b, 0);
        const __m512 b1 = vectors > 1 ? cmat_tile_load(half, b, second) : b0;
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            const __m512 ai = _mm512_set1_ps(a[(size_t)i * a_row]);
            acc[i][0] = _mm512_fmadd_ps(ai, b0, acc[i][0]);
            if (vectors > 1)
                acc[i][1] = _mm512_fmadd_ps(ai, b1, acc[i][1]);
        }
        a += a_col;
        b = (const char *)b + step;
    }
#pragma GCC unroll 6
    for (int i = 0; i < m; i++)
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++)
            _mm512_storeu_ps(c + (size_t)i * ldc + (size_t)(16 * j), acc[i][j]);
}

#define CMAT_TILE_CASE(m)                                                                         \
    case m:                                                                                       \
        cmat_attention_tile_rows(m, vectors, half, kc, ai, a_row, a_col, b, ldb, second, ci, ldc, \
                                 accumulate);                                                     \
        break

/* All m rows of one or two vectors of columns; vectors and half are constants in each use. */
static inline __attribute__((always_inline)) void
cmat_attention_columns(int m, int vectors, bool half, int kc, const float *a, size_t a_row,
                       size_t a_col, const void *b, size_t ldb, ptrdiff_t second, float *c,
                       size_t ldc, bool accumulate)
{
    for (int i = 0; i < m; i += 6) {
        const float *ai = a + (size_t)i * a_row;
        float *ci = c + (size_t)i * ldc;
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

/* c (m, n) (+)= A B for any m and n, a multiple of 16; row k of B at b + k * ldb. */
static inline __attribute__((always_inline)) void
cmat_attention_tiles(bool half, int m, int n, int kc, const float *a, size_t a_row, size_t a_col,
                     const void *b, size_t ldb, float *c, size_t ldc, bool accumulate)
{
    const char *bj = b;
    int j = 0;
    for (; j + 32 <= n; j += 32, bj += 32 * (half ? sizeof(uint16_t) : sizeof(float)))
        cmat_attention_columns(m, 2, half, kc, a, a_row, a_col, bj, ldb, 16, c + j, ldc,
                               accumulate);
    if (j < n)
        cmat_attention_columns(m, 1, half, kc, a, a_row, a_col, bj, ldb, 0, c + j, ldc, accumulate);
}

#include "kernel/attention_product.h"

/* s (rows, SCORE_LD) = A panels for the panels that hold keys lo .. hi-1 of the block. */
static inline void cmat_attention_scores(float *s, const float *a, int rows, int d,
                                         const float *panels, int lo, int hi)
{
    const size_t ld = CMAT_PANEL_KEYS;
    const ptrdiff_t panel = CMAT_PANEL_KEYS * d;
    int p = lo / CMAT_PANEL_KEYS * CMAT_PANEL_KEYS;
    for (; p + CMAT_PANEL_KEYS < hi; p += 2 * CMAT_PANEL_KEYS)
        cmat_attention_columns(rows, 2, false, d, a, (size_t)d, 1, panels + (size_t)p * (size_t)d,
                               ld, panel, s + p, CMAT_SCORE_LD, false);
    if (p < hi)
        cmat_attention_columns(rows, 1, false, d, a, (size_t)d, 1, panels + (size_t)p * (size_t)d,
                               ld, 0, s + p, CMAT_SCORE_LD, false);
}

/* The same for two panels, of halves or floats, that lie apart. */
static inline void cmat_attention_score_pair(bool half, float *s, const float *a, int rows, int d,
                                             const void *first, const void *second)
{
    const ptrdiff_t apart = (const char *)second - (const char *)first;
    if (half)
        cmat_attention_columns(rows, 2, true, d, a, (size_t)d, 1, first, CMAT_PANEL_KEYS,
                               apart / (ptrdiff_t)sizeof(uint16_t), s, CMAT_SCORE_LD, false);
    else
        cmat_attention_columns(rows, 2, false, d, a, (size_t)d, 1, first, CMAT_PANEL_KEYS,
                               apart / (ptrdiff_t)sizeof(float), s, CMAT_SCORE_LD, false);
}
#endif
