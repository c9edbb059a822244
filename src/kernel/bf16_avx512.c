/* kernel/bf16_avx512.c - products in bfloat16 for tuning: for the backward pass, and for weights
 * that are tuned themselves. Both sides are rounded to 8 bits of mantissa, 2e-3 of an element; a
 * gradient needs no more, and the sums (float32) need no scaling block by block.
 *
 * Products with W go through cmat_qgemm's loops: rows and panels hold bfloat16 where others hold
 * int16, and there are no scales. dW has loops of its own, because both sides are read along the
 * tokens. */
#include "kernel/avx2.h"
#include "kernel/avx512.h"
#include "kernel/avx512_rows.h"
#include "kernel/scratch.h"
#include <assert.h>
#include <omp.h>

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

/* n columns of `rows` rows of x as pairs of rows: (rows / 2, width, 2), zero where there is
 * nothing: `there` rows are. */
BF16 static void pack_row_pairs(char *to, int width, const float *x, size_t ldx, int n, int rows,
                                int there)
{
    for (int r = 0; r < rows; r += 2, x += 2 * ldx)
        for (int c = 0; c < width; c += 16, to += 64) {
            const uint32_t left = n - c >= 16 ? 0xffff : n > c ? (1U << (n - c)) - 1 : 0;
            const __mmask16 even = (__mmask16)(r < there ? left : 0);
            const __mmask16 odd = (__mmask16)(r + 1 < there ? left : 0);
            store_pairs(to, _mm512_maskz_loadu_ps(even, x + c),
                        _mm512_maskz_loadu_ps(odd, x + ldx + c));
        }
}

BF16 void cmat_avx512_bf16_pack_columns(const void *b, char *panels, int width, int n0, int n,
                                        int b0, int n_blocks)
{
    const cmat_weight *w = b;
    const size_t bytes = cmat_q_block_bytes(width, PAIRS);
    _Alignas(64) float rows[CMAT_Q_BLOCK * MAX_STRIPE];
    assert(n <= MAX_STRIPE && width == WIDTH);
    if (w->type == CMAT_TYPE_F32) {
        assert(n <= WIDTH);
        for (int i = 0; i < n_blocks; i++, panels += bytes) {
            const int k = (b0 + i) * CMAT_Q_BLOCK, left = w->n_out - k;
            pack_row_pairs(panels + 8 * WIDTH, WIDTH,
                           (const float *)w->data + (size_t)k * (size_t)w->n_in + n0,
                           (size_t)w->n_in, n, CMAT_Q_BLOCK, left);
        }
        return;
    }
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

/* to[p] = pair p of each of sixteen rows, `step` bytes apart: the transpose of 16 x 16 pairs. */
INLINE void store_transposed(char *to, size_t step, __m512i r[16])
{
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
            r[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
        }
    for (int j = 0; j < 4; j++) { /* quarter q of r[4 i + j]: pair 4 q + j of rows 4 i .. 4 i + 3 */
        const __m512i a = _mm512_shuffle_i32x4(r[j], r[4 + j], 0x88);
        const __m512i b = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0x88);
        const __m512i c = _mm512_shuffle_i32x4(r[j], r[4 + j], 0xdd);
        const __m512i d = _mm512_shuffle_i32x4(r[8 + j], r[12 + j], 0xdd);
        _mm512_store_si512(to + (size_t)j * step, _mm512_shuffle_i32x4(a, b, 0x88));
        _mm512_store_si512(to + (size_t)(4 + j) * step, _mm512_shuffle_i32x4(c, d, 0x88));
        _mm512_store_si512(to + (size_t)(8 + j) * step, _mm512_shuffle_i32x4(a, b, 0xdd));
        _mm512_store_si512(to + (size_t)(12 + j) * step, _mm512_shuffle_i32x4(c, d, 0xdd));
    }
}

/* Rows of W in float32: what is tuned is. */
BF16 void cmat_avx512_bf16_pack_rows(const void *b, char *panels, int width, int n0, int n, int b0,
                                     int n_blocks)
{
    const cmat_weight *w = b;
    const float *from = (const float *)w->data + (size_t)n0 * (size_t)w->n_in;
    assert(n <= WIDTH && width == WIDTH && w->type == CMAT_TYPE_F32);
    for (int i = 0; i < n_blocks; i++, panels += cmat_q_block_bytes(WIDTH, PAIRS)) {
        const int k = (b0 + i) * CMAT_Q_BLOCK, left = w->n_in - k;
        const uint32_t there = left >= CMAT_Q_BLOCK ? 0xffffffff : (1U << left) - 1;
        for (int c = 0; c < WIDTH; c += 16) {
            __m512i r[16];
            for (int j = 0; j < 16; j++) {
                const float *row = from + (size_t)(c + j) * (size_t)w->n_in + k;
                const uint32_t mask = c + j < n ? there : 0;
                const __m512 lo = _mm512_maskz_loadu_ps((__mmask16)mask, row);
                const __m512 hi = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), row + 16);
                r[j] = (__m512i)_mm512_cvtne2ps_pbh(hi, lo);
            }
            store_transposed(panels + 8 * WIDTH + 4 * c, 4 * WIDTH, r);
        }
    }
}

/* ---- dW += dy^T x ---- */

enum {
    GROUP = 4 * ROWS,  /* rows of dW that one packing of dy serves */
    MAX_PAIRS = 1 << 9 /* of tokens in a slab: a packed group stays in the second cache */
};

/* m rows of dW, 32 columns of which the masks say what is there; m is a constant in each use. */
BF16 INLINE void outer_rows(int m, const char *dy, const char *x, int pairs, __mmask16 left,
                            __mmask16 right, float *dw, size_t lddw)
{
    __m512 y[ROWS][2];
#pragma GCC unroll 12
    for (int i = 0; i < m; i++) {
        _mm_prefetch((const char *)(dw + (size_t)i * lddw), _MM_HINT_T0);
        _mm_prefetch((const char *)(dw + (size_t)i * lddw + 16), _MM_HINT_T0);
        y[i][0] = y[i][1] = _mm512_setzero_ps();
    }
    for (int p = 0; p < pairs; p++, dy += 4 * GROUP, x += 4 * WIDTH) {
        const __m512bh x0 = (__m512bh)_mm512_load_si512(x);
        const __m512bh x1 = (__m512bh)_mm512_load_si512(x + 64);
#pragma GCC unroll 12
        for (int i = 0; i < m; i++) {
            const __m512bh d = (__m512bh)broadcast_pair(dy + 4 * i);
            y[i][0] = _mm512_dpbf16_ps(y[i][0], x0, d);
            y[i][1] = _mm512_dpbf16_ps(y[i][1], x1, d);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < m; i++) {
        float *to = dw + (size_t)i * lddw;
        _mm512_mask_storeu_ps(to, left, _mm512_add_ps(y[i][0], _mm512_maskz_loadu_ps(left, to)));
        _mm512_mask_storeu_ps(to + 16, right,
                              _mm512_add_ps(y[i][1], _mm512_maskz_loadu_ps(right, to + 16)));
    }
}

/* n rows of dW (a packed group) times one panel of x. */
BF16 static void outer_tile(int n, const char *dy, const char *x, int pairs, int columns, float *dw,
                            size_t lddw)
{
    const uint32_t there = columns >= WIDTH ? 0xffffffff : (1U << columns) - 1;
    const __mmask16 left = (__mmask16)there, right = (__mmask16)(there >> 16);
    for (; n >= 12; n -= 12, dy += 48, dw += 12 * lddw)
        outer_rows(12, dy, x, pairs, left, right, dw, lddw);
    for (; n >= 4; n -= 4, dy += 16, dw += 4 * lddw)
        outer_rows(4, dy, x, pairs, left, right, dw, lddw);
    for (; n >= 1; n--, dy += 4, dw += lddw)
        outer_rows(1, dy, x, pairs, left, right, dw, lddw);
}

/* T tokens, 2 * MAX_PAIRS at most. Each thread packs the groups of dy that it takes; x, all of
 * which every group needs, is packed once. */
static void outer_slab(const cmat_outer *o, const float *dy, const float *x, int T)
{
    const int threads = cmat_threads(), pairs = (T + 1) / 2;
    const int n_groups = (o->n_out + GROUP - 1) / GROUP, n_panels = (o->n_in + WIDTH - 1) / WIDTH;
    const int wanted = threads > 1 ? (4 * threads + n_groups - 1) / n_groups : 1;
    const int run = (n_panels + wanted - 1) / wanted, n_runs = (n_panels + run - 1) / run;
    const size_t panel = (size_t)pairs * 4 * WIDTH, group = (size_t)pairs * 4 * GROUP;
    char *packed = cmat_scratch_take((size_t)n_panels * panel + (size_t)threads * group);
    char *groups = packed + (size_t)n_panels * panel;
#pragma omp parallel num_threads(threads)
    {
        char *mine = groups + (size_t)omp_get_thread_num() * group;
#pragma omp for schedule(static)
        for (int i = 0; i < n_panels; i++)
            pack_row_pairs(packed + (size_t)i * panel, WIDTH, x + (size_t)i * WIDTH, (size_t)o->ldx,
                           o->n_in - i * WIDTH, T, T);
#pragma omp for schedule(dynamic)
        for (int i = 0; i < n_groups * n_runs; i++) {
            const int m0 = i / n_runs * GROUP, first = i % n_runs * run;
            const int m = o->n_out - m0 < GROUP ? o->n_out - m0 : GROUP;
            pack_row_pairs(mine, GROUP, dy + m0, (size_t)o->lddy, m, T, T);
            for (int j = first; j < first + run && j < n_panels; j++)
                outer_tile(m, mine, packed + (size_t)j * panel, pairs, o->n_in - j * WIDTH,
                           o->dw + (size_t)m0 * (size_t)o->n_in + (size_t)j * WIDTH,
                           (size_t)o->n_in);
        }
    }
    cmat_scratch_give(packed);
}

void cmat_avx512_bf16_outer(const cmat_outer *o)
{
    for (int t = 0; t < o->T; t += 2 * MAX_PAIRS)
        outer_slab(o, o->dy + (size_t)t * (size_t)o->lddy, o->x + (size_t)t * (size_t)o->ldx,
                   o->T - t < 2 * MAX_PAIRS ? o->T - t : 2 * MAX_PAIRS);
}
