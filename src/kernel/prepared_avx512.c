/* kernel/prepared_avx512.c - prepared weights in AVX-512: panels for many rows of x, and products
 * with a few rows (decoding many sequences at once), for which weights are unpacked in registers
 * without a panel in between. Arithmetic is that of qgemm.h, in the same order. */
#include "kernel/avx2.h"
#include "kernel/avx512.h"
#include "kernel/avx512_rows.h"
#include "kernel/prepared_avx2.h"
#include "kernel/scratch.h"
#include <assert.h>

enum {
    STEP = 6,                             /* rows of x at a time */
    GROUPS = 4,                           /* of eight rows of W: two vectors of columns of y */
    COLUMNS = GROUPS * CMAT_PREPARED_ROWS /* of y in a unit of work */
};

typedef cmat_prepared_form form;

/* A unit of work: one block row of four groups, and where its columns of y go. */
typedef struct {
    const uint8_t *group[GROUPS]; /* a group that is not there repeats the first */
    __mmask16 left, right;        /* columns that are there */
} unit;

/* Bytes `at` .. of a block of groups 2v and 2v+1, side by side. */
INLINE __m512i load_two(const unit *u, int v, size_t at)
{
    const __m256i a = _mm256_loadu_si256((const __m256i *)(u->group[2 * v] + at));
    const __m256i b = _mm256_loadu_si256((const __m256i *)(u->group[2 * v + 1] + at));
    return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

/* Pair p of the block at `at`, as sixteen columns of two int16; p and f are constants in each use.
 */
INLINE __m512i get_pair(const unit *u, int v, size_t at, int p, form f)
{
    if (f.bits == 8) {
        const __m512i w = load_two(u, v, at + 32 * (size_t)(p / 2));
        return _mm512_srai_epi16(p % 2 ? w : _mm512_slli_epi16(w, 8), 8);
    }
    __m512i w = load_two(u, v, at + 32 * (size_t)(p / 4));
    w = _mm512_srli_epi16(w, (unsigned)(4 * (p % 4)));
    if (p % 4 != 3)
        w = _mm512_and_si512(w, _mm512_set1_epi16(15));
    if (f.bits == 5) {
        __m512i h = load_two(u, v, at + 128);
        h = p < 4 ? _mm512_slli_epi16(h, (unsigned)(4 - p))
                  : _mm512_srli_epi16(h, (unsigned)(p - 4));
        w = _mm512_or_si512(w, _mm512_and_si512(h, _mm512_set1_epi16(16)));
    }
    return w;
}

INLINE __m512 get_scales(const unit *u, int v, size_t at, bool wide)
{
    if (wide)
        return _mm512_castsi512_ps(load_two(u, v, at));
    const __m128i a = _mm_loadu_si128((const __m128i *)(u->group[2 * v] + at));
    const __m128i b = _mm_loadu_si128((const __m128i *)(u->group[2 * v + 1] + at));
    return _mm512_cvtph_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1));
}

/* The minima of the block at `at`, whose scales are d; not for blocks in halves. */
INLINE __m512 get_minima(const unit *u, int v, size_t at, __m512 d, form f)
{
    const size_t scales = cmat_prepared_value_bytes(f);
    if (f.has_min)
        return get_scales(u, v, at + scales + (f.wide ? 32 : 16), f.wide);
    return _mm512_mul_ps(d, _mm512_set1_ps(-(float)f.bias));
}

static unit unit_at(const cmat_weight *w, int n, size_t group_bytes)
{
    const int there = w->n_out - n < COLUMNS ? w->n_out - n : COLUMNS;
    const uint32_t mask = there == 32 ? 0xffffffffu : (1u << there) - 1;
    const uint8_t *p =
        (const uint8_t *)w->prepared + (size_t)(n / CMAT_PREPARED_ROWS) * group_bytes;
    unit u = {.left = (__mmask16)(mask & 0xffff), .right = (__mmask16)(mask >> 16)};
    for (int g = 0; g < GROUPS; g++)
        u.group[g] = g * CMAT_PREPARED_ROWS < there ? p + (size_t)g * group_bytes : p;
    return u;
}

/* ---- panels ---- */

/* Block `at` of a unit as one block of a panel, or two of 16 weights. */
INLINE void unpack_block(form f, const unit *u, size_t at, char *panel)
{
    const size_t scales = at + cmat_prepared_value_bytes(f);
    const int per = f.halves ? 8 : 16;
    for (int h = 0; h < 16 / per; h++, panel += cmat_q_block_bytes(COLUMNS, per)) {
        float *head = (float *)(void *)panel;
        for (int v = 0; v < 2; v++) {
            const __m512 d = get_scales(u, v, scales + (h ? 32 : 0), f.wide);
            _mm512_store_ps(head + 16 * v, d);
            _mm512_store_ps(head + COLUMNS + 16 * v,
                            f.halves ? _mm512_setzero_ps() : get_minima(u, v, at, d, f));
        }
#pragma GCC unroll 16
        for (int p = 0; p < per; p++) {
            _mm512_store_si512(panel + 8 * COLUMNS + 128 * p, get_pair(u, 0, at, h * per + p, f));
            _mm512_store_si512(panel + 8 * COLUMNS + 128 * p + 64,
                               get_pair(u, 1, at, h * per + p, f));
        }
    }
}

INLINE void unpack_unit(form f, const unit *u, int b0, int n_blocks, char *panel)
{
    const size_t bytes = cmat_prepared_block_bytes(f);
    const size_t step =
        f.halves ? 2 * cmat_q_block_bytes(COLUMNS, 8) : cmat_q_block_bytes(COLUMNS, 16);
    for (int i = 0; i < n_blocks; i++, panel += step)
        unpack_block(f, u, (size_t)(b0 + i) * bytes, panel);
}

void cmat_avx512_q_pack_prepared(const void *b, char *panels, int width, int n0, int n, int b0,
                                 int n_blocks)
{
    const cmat_weight *w = b;
    const form f = cmat_prepared_form_of(w->type);
    const size_t group = (size_t)(w->n_in / CMAT_Q_BLOCK) * cmat_prepared_block_bytes(f);
    const unit u = unit_at(w, n0, group);
    assert(width == COLUMNS && n <= COLUMNS);
    CMAT_WITH_FORM(w->type, unpack_unit, &u, b0, n_blocks, panels)
}

/* ---- few rows ---- */

/* sum[i][v] (+)= pairs first .. end-1 of the block at `at`. */
INLINE void add_pairs(int m, int first, int end, form f, const six *q, const unit *u, size_t at,
                      __m512i sum[STEP][2])
{
#pragma GCC unroll 16
    for (int p = first; p < end; p++) {
        const __m512i w0 = get_pair(u, 0, at, p, f), w1 = get_pair(u, 1, at, p, f);
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            const __m512i xi = broadcast_pair(row_of(q, i) + 4 * p);
            sum[i][0] = _mm512_dpwssd_epi32(sum[i][0], w0, xi);
            sum[i][1] = _mm512_dpwssd_epi32(sum[i][1], w1, xi);
        }
    }
}

/* y += sum d dx, and sum = 0 */
INLINE void add_scaled(int m, const six *d, __m512 d0, __m512 d1, __m512i sum[STEP][2],
                       __m512 y[STEP][2])
{
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        const __m512 dx = broadcast_float(row_of(d, i));
        y[i][0] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][0]), _mm512_mul_ps(d0, dx), y[i][0]);
        y[i][1] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[i][1]), _mm512_mul_ps(d1, dx), y[i][1]);
        sum[i][0] = sum[i][1] = _mm512_setzero_si512();
    }
}

/* m rows of x, of which `there` are there, times the unit; m and f are constants in each use. */
INLINE void unit_rows(int m, int there, form f, const cmat_qrows *x, const unit *u, bool add,
                      float *c, size_t ldc)
{
    const size_t bytes = cmat_prepared_block_bytes(f), scales = cmat_prepared_value_bytes(f);
    const size_t second = scales + (f.wide ? 32 : 16);
    const size_t n_blocks = (size_t)x->n_blocks;
    six q = six_of(x->q, n_blocks * CMAT_Q_BLOCK * sizeof *x->q);
    six d = six_of(x->d, n_blocks * sizeof *x->d), s = six_of(x->s, n_blocks * sizeof *x->s);
    __m512i sum[STEP][2];
    __m512 y[STEP][2];
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        const float *ci = c + (size_t)i * ldc;
        const bool old = add && i < there;
        sum[i][0] = sum[i][1] = _mm512_setzero_si512();
        y[i][0] = old ? _mm512_maskz_loadu_ps(u->left, ci) : _mm512_setzero_ps();
        y[i][1] = old ? _mm512_maskz_loadu_ps(u->right, ci + 16) : _mm512_setzero_ps();
    }
    for (size_t b = 0, at = 0; b < n_blocks; b++, at += bytes, six_step(&q, 2 * CMAT_Q_BLOCK),
                six_step(&d, sizeof *x->d), six_step(&s, sizeof *x->s)) {
        for (int g = 0; g < GROUPS; g++) /* the same block of the next unit */
            for (size_t line = 0; line < bytes; line += 64)
                _mm_prefetch((const char *)u->group[g] + GROUPS * n_blocks * bytes + at + line,
                             _MM_HINT_T1);
        const __m512 d0 = get_scales(u, 0, at + scales, f.wide);
        const __m512 d1 = get_scales(u, 1, at + scales, f.wide);
        if (f.halves) {
            add_pairs(m, 0, 8, f, &q, u, at, sum);
            add_scaled(m, &d, d0, d1, sum, y);
            add_pairs(m, 8, 16, f, &q, u, at, sum);
            add_scaled(m, &d, get_scales(u, 0, at + second, true),
                       get_scales(u, 1, at + second, true), sum, y);
            continue;
        }
        add_pairs(m, 0, 16, f, &q, u, at, sum);
        add_scaled(m, &d, d0, d1, sum, y);
        const __m512 m0 = get_minima(u, 0, at, d0, f), m1 = get_minima(u, 1, at, d1, f);
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            const __m512 sx = broadcast_float(row_of(&s, i));
            y[i][0] = _mm512_fmadd_ps(m0, sx, y[i][0]);
            y[i][1] = _mm512_fmadd_ps(m1, sx, y[i][1]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < m && i < there; i++) {
        _mm512_mask_storeu_ps(c + (size_t)i * ldc, u->left, y[i][0]);
        _mm512_mask_storeu_ps(c + (size_t)i * ldc + 16, u->right, y[i][1]);
    }
}

/* All T rows in steps of 2, 4 or 6, as even as can be; of an odd T the last step reads a row more.
 */
INLINE void unit_product(form f, const cmat_qrows *x, int T, const unit *u, bool add, float *c,
                         size_t ldc)
{
    cmat_qrows at = *x;
    for (int left = (T + STEP - 1) / STEP; left > 0; left--) {
        const int m = ((T + left - 1) / left + 1) / 2 * 2, there = m < T ? m : T;
        if (m == 2)
            unit_rows(2, there, f, &at, u, add, c, ldc);
        else if (m == 4)
            unit_rows(4, there, f, &at, u, add, c, ldc);
        else
            unit_rows(6, there, f, &at, u, add, c, ldc);
        T -= there;
        at.q += m * at.n_blocks * CMAT_Q_BLOCK;
        at.d += m * at.n_blocks;
        at.s += m * at.n_blocks;
        c += (size_t)m * ldc;
    }
}

void cmat_avx512_few_rows(const cmat_product *p, int n, const float *x, int ldx, int T,
                          bool accumulate)
{
    const int n_in = p->w->n_in, n_blocks = n_in / CMAT_Q_BLOCK, threads = cmat_threads();
    const cmat_qrows r = cmat_qrows_new(T, n_in, 2); /* of an odd T a row more is read */
    const int n_units = cmat_product_units(p, n, COLUMNS);
#pragma omp parallel num_threads(threads) if (n_units * n_blocks * T > 256)
    {
        cmat_qrows_round(&r, cmat_avx2_q_round, x, (size_t)ldx, T, n_in, CMAT_Q_MAX);
#pragma omp for schedule(static)
        for (int i = 0; i < n_units; i++) {
            int at = i;
            const cmat_product *of = cmat_product_of_unit(p, COLUMNS, &at);
            at *= COLUMNS;
            const cmat_weight *w = of->w;
            const unit u = unit_at(w, at,
                                   (size_t)n_blocks *
                                       cmat_prepared_block_bytes(cmat_prepared_form_of(w->type)));
            CMAT_WITH_FORM(w->type, unit_product, &r, T, &u, accumulate, of->y + at,
                           (size_t)of->ldy)
        }
    }
    cmat_scratch_give(r.q);
}
