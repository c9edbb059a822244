/* kernel/bf16_avx512.c - products in bfloat16 for the backward pass, in cmat_qgemm's loops: rows
 * and panels hold bfloat16 where others hold int16, and there are no scales. Both sides are rounded
 * to 8 bits of mantissa, 2e-3 of an element; a gradient needs no more, and the sums (float32) need
 * no scaling block by block. */
#include "kernel/avx2.h"
#include "kernel/avx512.h"
#include "kernel/avx512_rows.h"
#include <assert.h>

#define BF16 __attribute__((target("avx512bf16")))

enum { ROWS = 12, WIDTH = 32, PAIRS = CMAT_Q_BLOCK / 2, MAX_STRIPE = 256 };

bool cmat_avx512_has_bf16(void)
{
    return __builtin_cpu_supports("avx512bf16");
}

BF16 static void round_row(int16_t *q, float *d, float *s, const float *x, int K, int max)
{
    (void)d;
    (void)s;
    (void)max;
    for (int k = 0; k < (K + CMAT_Q_BLOCK - 1) / CMAT_Q_BLOCK * CMAT_Q_BLOCK; k += 16) {
        const __mmask16 there = (__mmask16)(K - k >= 16 ? 0xffff : K > k ? (1 << (K - k)) - 1 : 0);
        const __m256bh v = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(there, x + k));
        _mm256_storeu_si256((__m256i *)(void *)(q + k), (__m256i)v);
    }
}

/* m rows times n_blocks blocks of one panel; m is a constant in each use. */
BF16 INLINE void rows(int m, const int16_t *x, size_t ldx, const char *panel, int n_blocks,
                      bool add, float *c, size_t ldc)
{
    __m512 y[ROWS][2];
#pragma GCC unroll 12
    for (int i = 0; i < m; i++) {
        y[i][0] = add ? _mm512_loadu_ps(c + (size_t)i * ldc) : _mm512_setzero_ps();
        y[i][1] = add ? _mm512_loadu_ps(c + (size_t)i * ldc + 16) : _mm512_setzero_ps();
    }
    for (int b = 0; b < n_blocks; b++, panel += cmat_q_block_bytes(WIDTH, PAIRS), x += CMAT_Q_BLOCK)
#pragma GCC unroll 4
        for (int p = 0; p < PAIRS; p++) {
            const char *w = panel + 8 * WIDTH + 128 * p;
            const __m512bh w0 = (__m512bh)_mm512_load_si512(w);
            const __m512bh w1 = (__m512bh)_mm512_load_si512(w + 64);
#pragma GCC unroll 12
            for (int i = 0; i < m; i++) {
                const __m512bh xi =
                    (__m512bh)broadcast_pair((const char *)(x + (size_t)i * ldx + 2 * p));
                y[i][0] = _mm512_dpbf16_ps(y[i][0], w0, xi);
                y[i][1] = _mm512_dpbf16_ps(y[i][1], w1, xi);
            }
        }
#pragma GCC unroll 12
    for (int i = 0; i < m; i++) {
        _mm512_storeu_ps(c + (size_t)i * ldc, y[i][0]);
        _mm512_storeu_ps(c + (size_t)i * ldc + 16, y[i][1]);
    }
}

BF16 static void tile(int m, const cmat_qrows *r, size_t t0, int b0, const char *panel,
                      int n_blocks, int pairs, bool add, float *c, size_t ldc)
{
    const size_t ldx = (size_t)r->n_blocks * CMAT_Q_BLOCK;
    const int16_t *x = r->q + t0 * ldx + (size_t)b0 * CMAT_Q_BLOCK;
    assert(pairs == PAIRS);
    for (; m >= 12; m -= 12, x += 12 * ldx, c += 12 * ldc)
        rows(12, x, ldx, panel, n_blocks, add, c, ldc);
    for (; m >= 4; m -= 4, x += 4 * ldx, c += 4 * ldc)
        rows(4, x, ldx, panel, n_blocks, add, c, ldc);
    for (; m >= 1; m--, x += ldx, c += ldc)
        rows(1, x, ldx, panel, n_blocks, add, c, ldc);
}

const cmat_q_tile cmat_avx512_bf16_tile = {.rows = ROWS,
                                           .width = WIDTH,
                                           .chunk_bytes = 1000 << 10,
                                           .slice_bytes = 128 << 10,
                                           .round = round_row,
                                           .tile = tile};

/* Two rows of 16 columns as pairs. */
BF16 INLINE void store_pairs(char *to, __m512 even, __m512 odd)
{
    const __m512i side_by_side =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
    _mm512_store_si512(to, _mm512_permutexvar_epi16(side_by_side, both));
}

BF16 void cmat_avx512_bf16_pack_columns(const void *b, char *panels, int width, int n0, int n,
                                        int b0, int n_blocks)
{
    const cmat_weight *w = b;
    const size_t bytes = cmat_q_block_bytes(width, PAIRS);
    _Alignas(64) float rows[CMAT_Q_BLOCK * MAX_STRIPE];
    assert(n <= MAX_STRIPE && width == WIDTH);
    for (int i = 0; i < n_blocks; i++) {
        cmat_avx2_widen_rows(rows, MAX_STRIPE, w, (b0 + i) * CMAT_Q_BLOCK, CMAT_Q_BLOCK, n0, n);
        for (int c = 0; c < n; c += 16) {
            char *to = panels + ((size_t)(c / WIDTH) * (size_t)n_blocks + (size_t)i) * bytes +
                       8 * WIDTH + (size_t)(c % WIDTH) * 4;
            for (int k = 0; k < CMAT_Q_BLOCK; k += 2, to += 4 * WIDTH)
                store_pairs(to, _mm512_load_ps(rows + k * MAX_STRIPE + c),
                            _mm512_load_ps(rows + (k + 1) * MAX_STRIPE + c));
        }
    }
}
