/* kernel/sgemm_avx2.c - the 6 x 16 tile: twelve accumulators, two loads of B and six broadcasts of
 * A for twelve multiply-adds. */
#include "kernel/avx2.h"

enum { ROWS = 6, WIDTH = 16 };

typedef struct {
    float alpha, beta;
    int n;
} store_form;

static inline __attribute__((always_inline)) void store8(float *c, __m256 acc, store_form f,
                                                         __m256i mask, bool full)
{
    __m256 v = _mm256_mul_ps(acc, _mm256_set1_ps(f.alpha));
    if (f.beta != 0) {
        const __m256 old = full ? _mm256_loadu_ps(c) : _mm256_maskload_ps(c, mask);
        v = _mm256_fmadd_ps(old, _mm256_set1_ps(f.beta), v);
    }
    if (full)
        _mm256_storeu_ps(c, v);
    else
        _mm256_maskstore_ps(c, mask, v);
}

/* m is a constant in each use, so that the loops over rows unroll and acc lives in registers. */
static inline __attribute__((always_inline)) void tile_rows(int m, store_form f, int kc,
                                                            const float *a, size_t a_row,
                                                            size_t a_col, const float *panel,
                                                            float *c, size_t ldc)
{
    __m256 acc[ROWS][2];
#pragma GCC unroll 6
    for (int i = 0; i < m; i++)
        acc[i][0] = acc[i][1] = _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int k = 0; k < kc; k++) {
        const __m256 b0 = _mm256_load_ps(panel), b1 = _mm256_load_ps(panel + 8);
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            const __m256 ai = _mm256_broadcast_ss(a + (size_t)i * a_row);
            acc[i][0] = _mm256_fmadd_ps(ai, b0, acc[i][0]);
            acc[i][1] = _mm256_fmadd_ps(ai, b1, acc[i][1]);
        }
        a += a_col;
        panel += WIDTH;
    }
    if (f.n == WIDTH) {
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            store8(c + (size_t)i * ldc, acc[i][0], f, _mm256_setzero_si256(), true);
            store8(c + (size_t)i * ldc + 8, acc[i][1], f, _mm256_setzero_si256(), true);
        }
        return;
    }
    const __m256i m0 = cmat_avx2_mask(f.n), m1 = cmat_avx2_mask(f.n - 8);
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        store8(c + (size_t)i * ldc, acc[i][0], f, m0, false);
        store8(c + (size_t)i * ldc + 8, acc[i][1], f, m1, false);
    }
}

static void tile(int m, int n, int kc, float alpha, const float *a, size_t a_row, size_t a_col,
                 const float *panel, float beta, float *c, size_t ldc)
{
    const store_form f = {alpha, beta, n};
    if (m == 6 && a_col == 1)
        tile_rows(6, f, kc, a, a_row, 1, panel, c, ldc);
    else if (m == 6)
        tile_rows(6, f, kc, a, a_row, a_col, panel, c, ldc);
    else if (m == 5)
        tile_rows(5, f, kc, a, a_row, a_col, panel, c, ldc);
    else if (m == 4)
        tile_rows(4, f, kc, a, a_row, a_col, panel, c, ldc);
    else if (m == 3)
        tile_rows(3, f, kc, a, a_row, a_col, panel, c, ldc);
    else if (m == 2)
        tile_rows(2, f, kc, a, a_row, a_col, panel, c, ldc);
    else
        tile_rows(1, f, kc, a, a_row, a_col, panel, c, ldc);
}

const cmat_sgemm_tile cmat_avx2_tile = {.rows = ROWS, .width = WIDTH, .tile = tile};
