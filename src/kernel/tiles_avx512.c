/* kernel/tiles_avx512.c - the tiles of 12 x 32 for AVX-512: floats, and 16-bit integers with VNNI's
 * vpdpwssd. Rounding and order of sums are those of the AVX2 tiles. */
#include "kernel/avx512.h"
#include <immintrin.h>

enum { ROWS = 12, WIDTH = 32 };

#define INLINE static inline __attribute__((always_inline))

typedef struct {
    float alpha, beta;
    __mmask16 left, right; /* columns to store */
} store_form;

INLINE void store16(float *c, __m512 acc, store_form f, __mmask16 mask)
{
    __m512 v = _mm512_mul_ps(acc, _mm512_set1_ps(f.alpha));
    if (f.beta != 0)
        v = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, c), _mm512_set1_ps(f.beta), v);
    _mm512_mask_storeu_ps(c, mask, v);
}

/* m is a constant in each use, so that the sums live in registers. */
INLINE void float_rows(int m, store_form f, int kc, const float *a, size_t a_row, size_t a_col,
                       const float *panel, float *c, size_t ldc)
{
    __m512 acc[ROWS][2];
#pragma GCC unroll 12
    for (int i = 0; i < m; i++)
        acc[i][0] = acc[i][1] = _mm512_setzero_ps();
    for (int k = 0; k < kc; k++, a += a_col, panel += WIDTH) {
        const __m512 b0 = _mm512_load_ps(panel), b1 = _mm512_load_ps(panel + 16);
#pragma GCC unroll 12
        for (int i = 0; i < m; i++) {
            const __m512 ai = _mm512_set1_ps(a[(size_t)i * a_row]);
            acc[i][0] = _mm512_fmadd_ps(ai, b0, acc[i][0]);
            acc[i][1] = _mm512_fmadd_ps(ai, b1, acc[i][1]);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < m; i++) {
        store16(c + (size_t)i * ldc, acc[i][0], f, f.left);
        if (f.right)
            store16(c + (size_t)i * ldc + 16, acc[i][1], f, f.right);
    }
}

static void float_tile(int m, int n, int kc, float alpha, const float *a, size_t a_row,
                       size_t a_col, const float *panel, float beta, float *c, size_t ldc)
{
    const uint32_t mask = n >= WIDTH ? 0xffffffffu : (1u << n) - 1;
    const store_form f = {alpha, beta, (__mmask16)(mask & 0xffff), (__mmask16)(mask >> 16)};
    for (; m >= 12; m -= 12, a += 12 * a_row, c += 12 * ldc)
        float_rows(12, f, kc, a, a_row, a_col, panel, c, ldc);
    for (; m >= 4; m -= 4, a += 4 * a_row, c += 4 * ldc)
        float_rows(4, f, kc, a, a_row, a_col, panel, c, ldc);
    for (; m >= 1; m--, a += a_row, c += ldc)
        float_rows(1, f, kc, a, a_row, a_col, panel, c, ldc);
}

const cmat_sgemm_tile cmat_avx512_tile = {.rows = ROWS, .width = WIDTH, .tile = float_tile};

/* x from the tile's first row and block on: values, scales, scaled sums, and their row strides. */
typedef struct {
    const int16_t *q;
    const float *d, *s;
    size_t ldq, ld_blocks;
} x_rows;

INLINE __m512i broadcast_pair(const int16_t *p)
{
    int32_t pair;
    __builtin_memcpy(&pair, p, 4);
    return _mm512_set1_epi32(pair);
}

/* c += sum d dx + m sx for sixteen columns. */
INLINE void add_block(float *c, __m512i sum, __m512 d, __m512 m, float dx, float sx, int pairs)
{
    __m512 v = _mm512_loadu_ps(c);
    v = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(d, _mm512_set1_ps(dx)), v);
    if (pairs == 16) /* minima belong to blocks of 32 */
        v = _mm512_fmadd_ps(m, _mm512_set1_ps(sx), v);
    _mm512_storeu_ps(c, v);
}

/* One block; m and pairs are constants in each use. */
INLINE void integer_block(int m, int pairs, x_rows x, const char *panel, float *c, size_t ldc)
{
    const float *head = (const float *)(const void *)panel;
    const char *w = panel + 8 * WIDTH;
    __m512i acc[ROWS][2];
#pragma GCC unroll 12
    for (int i = 0; i < m; i++)
        acc[i][0] = acc[i][1] = _mm512_setzero_si512();
    for (int p = 0; p < pairs; p++, w += 4 * WIDTH) {
        const __m512i w0 = _mm512_load_si512(w), w1 = _mm512_load_si512(w + 64);
#pragma GCC unroll 12
        for (int i = 0; i < m; i++) {
            const __m512i xi = broadcast_pair(x.q + (size_t)i * x.ldq + 2 * p);
            acc[i][0] = _mm512_dpwssd_epi32(acc[i][0], w0, xi);
            acc[i][1] = _mm512_dpwssd_epi32(acc[i][1], w1, xi);
        }
    }
    const __m512 d0 = _mm512_load_ps(head), d1 = _mm512_load_ps(head + 16);
    const __m512 m0 = _mm512_load_ps(head + 32), m1 = _mm512_load_ps(head + 48);
#pragma GCC unroll 12
    for (int i = 0; i < m; i++) {
        const float dx = x.d[(size_t)i * x.ld_blocks], sx = x.s[(size_t)i * x.ld_blocks];
        add_block(c + (size_t)i * ldc, acc[i][0], d0, m0, dx, sx, pairs);
        add_block(c + (size_t)i * ldc + 16, acc[i][1], d1, m1, dx, sx, pairs);
    }
}

INLINE void integer_rows(int m, int pairs, x_rows x, const char *panel, int n_blocks, float *c,
                         size_t ldc)
{
    for (int b = 0; b < n_blocks; b++) {
        integer_block(m, pairs, x, panel, c, ldc);
        panel += cmat_q_block_bytes(WIDTH, pairs);
        x.q += 2 * pairs;
        if (pairs == 16 || b % 2) { /* x has scales for 32 */
            x.d++;
            x.s++;
        }
    }
}

INLINE void integer_tile_of(int m, int pairs, x_rows x, const char *panel, int n_blocks, float *c,
                            size_t ldc)
{
    while (m > 0) {
        const int step = m >= 12 ? 12 : m >= 4 ? 4 : 1;
        if (step == 12)
            integer_rows(12, pairs, x, panel, n_blocks, c, ldc);
        else if (step == 4)
            integer_rows(4, pairs, x, panel, n_blocks, c, ldc);
        else
            integer_rows(1, pairs, x, panel, n_blocks, c, ldc);
        m -= step;
        x.q += (size_t)step * x.ldq;
        x.d += (size_t)step * x.ld_blocks;
        x.s += (size_t)step * x.ld_blocks;
        c += (size_t)step * ldc;
    }
}

static void integer_tile(int m, const cmat_qrows *rows, size_t t0, int b0, const char *panel,
                         int n_blocks, int pairs, float *c, size_t ldc)
{
    const size_t nb = (size_t)rows->n_blocks, at = t0 * nb + (size_t)b0;
    const x_rows x = {rows->q + at * CMAT_Q_BLOCK, rows->d + at, rows->s + at, nb * CMAT_Q_BLOCK,
                      nb};
    if (pairs == 8)
        integer_tile_of(m, 8, x, panel, n_blocks, c, ldc);
    else
        integer_tile_of(m, 16, x, panel, n_blocks, c, ldc);
}

const cmat_q_tile cmat_avx512_q_tile = {
    .rows = ROWS, .width = WIDTH, .round = cmat_avx2_q_round, .tile = integer_tile};
