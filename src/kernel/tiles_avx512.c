/* kernel/tiles_avx512.c - the tiles of 12 x 32 for AVX-512: floats, and 16-bit integers with VNNI's
 * vpdpwssd, in two steps of 6 rows. Rounding and order of sums are those of the AVX2 tiles. */
#include "kernel/avx512.h"
#include "kernel/avx512_float.h"
#include "kernel/avx512_rows.h"
#include <immintrin.h>

enum { ROWS = 12, WIDTH = 32 };

static void float_tile(int m, int n, int kc, float alpha, const float *a, size_t a_row,
                       size_t a_col, const float *panel, float beta, float *c, size_t ldc)
{
    const cmat_float_form f = cmat_float_form_of(n, alpha, beta);
    if (f.right)
        cmat_float_columns(m, 2, f, kc, a, a_row, a_col, panel, WIDTH, c, ldc);
    else
        cmat_float_columns(m, 1, f, kc, a, a_row, a_col, panel, WIDTH, c, ldc);
}

const cmat_sgemm_tile cmat_avx512_tile = {.rows = 16, .width = WIDTH, .tile = float_tile};

/* x from the tile's first row and block on: values, scales, scaled sums, and their row strides. */
typedef struct {
    const int16_t *q;
    const float *d, *s;
    size_t ldq, ld_blocks;
} x_rows;

/* Two vectors of columns of six rows at most: their sums of one block in integers and of all blocks
 * in float32 stay in registers, 24 of the 32. */
enum { STEP = 6 };

/* y += sum d dx + m sx, in this order (qgemm.h); blocks of 16 have no minima. */
INLINE __m512 add_block(__m512 y, __m512i sum, __m512 d, __m512 m, __m512 dx, __m512 sx, int pairs)
{
    y = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(d, dx), y);
    return pairs == 16 ? _mm512_fmadd_ps(m, sx, y) : y;
}

/* m rows times n_blocks blocks of one panel; m and pairs are constants in each use. */
INLINE void integer_rows(int m, int pairs, x_rows x, const char *panel, int n_blocks, bool add,
                         float *c, size_t ldc)
{
    six q = six_of(x.q, x.ldq * sizeof *x.q), d = six_of(x.d, x.ld_blocks * sizeof *x.d);
    six s = six_of(x.s, x.ld_blocks * sizeof *x.s);
    __m512 y[STEP][2];
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        y[i][0] = add ? _mm512_loadu_ps(c + (size_t)i * ldc) : _mm512_setzero_ps();
        y[i][1] = add ? _mm512_loadu_ps(c + (size_t)i * ldc + 16) : _mm512_setzero_ps();
    }
    for (int b = 0; b < n_blocks; b++) {
        const float *head = (const float *)(const void *)panel;
        const char *w = panel + 8 * WIDTH;
        __m512i sum[STEP][2];
#pragma GCC unroll 6
        for (int i = 0; i < m; i++)
            sum[i][0] = sum[i][1] = _mm512_setzero_si512();
#pragma GCC unroll 16
        for (int p = 0; p < pairs; p++) {
            const __m512i w0 = _mm512_load_si512(w + 128 * p);
            const __m512i w1 = _mm512_load_si512(w + 128 * p + 64);
#pragma GCC unroll 6
            for (int i = 0; i < m; i++) {
                const __m512i xi = broadcast_pair(row_of(&q, i) + 4 * p);
                sum[i][0] = _mm512_dpwssd_epi32(sum[i][0], w0, xi);
                sum[i][1] = _mm512_dpwssd_epi32(sum[i][1], w1, xi);
            }
        }
        const __m512 d0 = _mm512_load_ps(head), d1 = _mm512_load_ps(head + 16);
        const __m512 m0 = _mm512_load_ps(head + 32), m1 = _mm512_load_ps(head + 48);
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            const __m512 dx = broadcast_float(row_of(&d, i)), sx = broadcast_float(row_of(&s, i));
            y[i][0] = add_block(y[i][0], sum[i][0], d0, m0, dx, sx, pairs);
            y[i][1] = add_block(y[i][1], sum[i][1], d1, m1, dx, sx, pairs);
        }
        panel += cmat_q_block_bytes(WIDTH, pairs);
        six_step(&q, 4 * (size_t)pairs);
        if (pairs == 16 || b % 2) { /* x has scales for 32 */
            six_step(&d, sizeof *x.d);
            six_step(&s, sizeof *x.s);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        _mm512_storeu_ps(c + (size_t)i * ldc, y[i][0]);
        _mm512_storeu_ps(c + (size_t)i * ldc + 16, y[i][1]);
    }
}

INLINE void integer_tile_of(int m, int pairs, x_rows x, const char *panel, int n_blocks, bool add,
                            float *c, size_t ldc)
{
    /* as even as can be: 8 rows are 4 and 4, not 6 and 2 */
    for (int left = (m + STEP - 1) / STEP; left > 0; left--) {
        const int step = (m + left - 1) / left;
        switch (step) {
        case 1:
            integer_rows(1, pairs, x, panel, n_blocks, add, c, ldc);
            break;
        case 2:
            integer_rows(2, pairs, x, panel, n_blocks, add, c, ldc);
            break;
        case 3:
            integer_rows(3, pairs, x, panel, n_blocks, add, c, ldc);
            break;
        case 4:
            integer_rows(4, pairs, x, panel, n_blocks, add, c, ldc);
            break;
        case 5:
            integer_rows(5, pairs, x, panel, n_blocks, add, c, ldc);
            break;
        default:
            integer_rows(6, pairs, x, panel, n_blocks, add, c, ldc);
        }
        m -= step;
        x.q += (size_t)step * x.ldq;
        x.d += (size_t)step * x.ld_blocks;
        x.s += (size_t)step * x.ld_blocks;
        c += (size_t)step * ldc;
    }
}

static void integer_tile(int m, const cmat_qrows *rows, size_t t0, int b0, const char *panel,
                         int n_blocks, int pairs, bool add, float *c, size_t ldc)
{
    const size_t nb = (size_t)rows->n_blocks, at = t0 * nb + (size_t)b0;
    const x_rows x = {rows->q + at * CMAT_Q_BLOCK, rows->d + at, rows->s + at, nb * CMAT_Q_BLOCK,
                      nb};
    if (pairs == 8)
        integer_tile_of(m, 8, x, panel, n_blocks, add, c, ldc);
    else
        integer_tile_of(m, 16, x, panel, n_blocks, add, c, ldc);
}

const cmat_q_tile cmat_avx512_q_tile = {
    .rows = ROWS,
    .width = WIDTH,
    .chunk_bytes = 500 << 10,
    .slice_bytes = 128 << 10, /* comes from the second cache as fast as it is used */
    .round = cmat_avx2_q_round,
    .tile = integer_tile};
