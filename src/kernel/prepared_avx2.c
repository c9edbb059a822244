/* kernel/prepared_avx2.c - weights repacked for decoding, and the product with one row of x.
 * Arithmetic is that of qgemm.h, in the same order. */
#include "kernel/prepared_avx2.h"
#include "core/mem.h"
#include "kernel/avx2.h"
#include "kernel/plain.h"
#include "kernel/qgemm.h"
#include "kernel/scratch.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = CMAT_PREPARED_ROWS,
    PREFETCH = 2048 /* bytes ahead: the processor's own prefetch stops at each page */
};

/* ---- making ---- */

static void put_scales(uint8_t *to, const float *d, bool wide)
{
    const __m256 v = _mm256_load_ps(d);
    if (wide)
        _mm256_storeu_ps((float *)(void *)to, v);
    else
        _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

/* One block from its 16 vectors of int16. */
static void put_values(uint8_t *to, const __m256i v[16], cmat_prepared_form f)
{
    const __m256i low = _mm256_set1_epi16(f.bits == 8 ? 255 : 15);
    __m256i fifth = _mm256_setzero_si256();
    const int per = f.bits == 8 ? 2 : 4, step = f.bits == 8 ? 8 : 4;
    for (int j = 0; j < 16 / per; j++, to += 32) {
        __m256i word = _mm256_setzero_si256();
        for (int i = 0; i < per; i++)
            word = _mm256_or_si256(word, _mm256_sll_epi16(_mm256_and_si256(v[per * j + i], low),
                                                          _mm_cvtsi32_si128(step * i)));
        _mm256_storeu_si256((__m256i *)to, word);
    }
    if (f.bits != 5)
        return;
    for (int p = 0; p < 16; p++) {
        const __m256i bit = _mm256_and_si256(_mm256_srli_epi16(v[p], 4), _mm256_set1_epi16(1));
        fifth = _mm256_or_si256(fifth, _mm256_sll_epi16(bit, _mm_cvtsi32_si128(p)));
    }
    _mm256_storeu_si256((__m256i *)to, fifth);
}

/* One block of a group from a panel 8 wide. */
static void put_block(uint8_t *to, const char *panel, cmat_prepared_form f)
{
    __m256i v[16];
    const int pairs = f.halves ? 8 : 16;
    for (int p = 0; p < 16; p++) {
        const size_t at =
            f.halves ? (size_t)(p / 8) * cmat_q_block_bytes(ROWS, 8) + 64 + (size_t)(p % 8) * 32
                     : 64 + (size_t)p * 32;
        v[p] = _mm256_load_si256((const __m256i *)(panel + at));
    }
    put_values(to, v, f);
    to += cmat_prepared_value_bytes(f);
    put_scales(to, (const float *)(const void *)panel, f.wide);
    if (f.halves)
        put_scales(to + 32, (const float *)(const void *)(panel + cmat_q_block_bytes(ROWS, pairs)),
                   true);
    else if (f.has_min)
        put_scales(to + (f.wide ? 32 : 16), (const float *)(const void *)(panel + 32), f.wide);
}

cmat_status cmat_avx2_prepare(cmat_weight *w, int uses, cmat_error *err)
{
    if (!(uses & CMAT_USE_DECODE) || w->prepared || !cmat_avx2_q_pairs(w->type))
        return CMAT_OK;
    const cmat_prepared_form f = cmat_prepared_form_of(w->type);
    const int n_blocks = w->n_in / CMAT_Q_BLOCK, n_groups = (w->n_out + ROWS - 1) / ROWS;
    const size_t bytes = cmat_prepared_block_bytes(f), row = (size_t)n_blocks * bytes;
    uint8_t *p = cmat_alloc_big((size_t)n_groups, row);
    if (!p)
        return cmat_fail(err, CMAT_ERR_NOMEM, "kernel: no memory for a weight of %d x %d", w->n_out,
                         w->n_in);
    const int threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int g = 0; g < n_groups; g++)
        for (int b = 0; b < n_blocks; b++) {
            _Alignas(64) char panel[2 * 32 * 20];
            const int n = w->n_out - g * ROWS < ROWS ? w->n_out - g * ROWS : ROWS;
            cmat_avx2_q_pack_rows(w, panel, ROWS, g * ROWS, n, b, 1);
            put_block(p + (size_t)g * row + (size_t)b * bytes, panel, f);
        }
    w->prepared = p;
    return CMAT_OK;
}

void cmat_avx2_release(cmat_weight *w)
{
    cmat_free_big(w->prepared);
    w->prepared = NULL;
}

/* ---- reading ---- */

static inline __m256 get_scales(const uint8_t *p, bool wide)
{
    return wide ? _mm256_loadu_ps((const float *)(const void *)p)
                : _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

/* The minima of a block that is not in halves. */
static inline __m256 get_minima(const uint8_t *scales, __m256 d, cmat_prepared_form f)
{
    if (f.has_min)
        return get_scales(scales + (f.wide ? 32 : 16), f.wide);
    return _mm256_mul_ps(d, _mm256_set1_ps(-(float)f.bias));
}

/* Pair p of a block, as eight rows of two int16; p and f are constants in each use. */
static inline __attribute__((always_inline)) __m256i get_pair(const uint8_t *block, int p,
                                                              cmat_prepared_form f)
{
    if (f.bits == 8) {
        const __m256i v = _mm256_loadu_si256((const __m256i *)(block + 32 * (p / 2)));
        return _mm256_srai_epi16(p % 2 ? v : _mm256_slli_epi16(v, 8), 8);
    }
    __m256i v = _mm256_loadu_si256((const __m256i *)(block + 32 * (p / 4)));
    v = _mm256_srli_epi16(v, 4 * (p % 4));
    if (p % 4 != 3)
        v = _mm256_and_si256(v, _mm256_set1_epi16(15));
    if (f.bits == 5) {
        __m256i h = _mm256_loadu_si256((const __m256i *)(block + 128));
        h = p < 4 ? _mm256_slli_epi16(h, 4 - (p & 3)) : _mm256_srli_epi16(h, p < 4 ? 0 : p - 4);
        v = _mm256_or_si256(v, _mm256_and_si256(h, _mm256_set1_epi16(16)));
    }
    return v;
}

static inline __attribute__((always_inline)) void unpack_form(cmat_prepared_form f, char *to,
                                                              int width, const uint8_t *block)
{
    const __m256 d = get_scales(block + cmat_prepared_value_bytes(f), f.wide);
    const size_t pair = (size_t)width * 4, half = cmat_q_block_bytes(width, 8);
    char *values = to + 2 * pair;
    _mm256_store_ps((float *)(void *)to, d);
    if (f.halves)
        _mm256_store_ps((float *)(void *)(to + half),
                        get_scales(block + cmat_prepared_value_bytes(f) + 32, true));
    else
        _mm256_store_ps((float *)(void *)(to + pair),
                        get_minima(block + cmat_prepared_value_bytes(f), d, f));
#pragma GCC unroll 16
    for (int p = 0; p < 16; p++) {
        char *at = values + (size_t)p * pair + (f.halves && p >= 8 ? half - 8 * pair : 0);
        _mm256_store_si256((__m256i *)at, get_pair(block, p, f));
    }
}

void cmat_avx2_q_pack_prepared(const void *b, char *panels, int width, int n0, int n, int b0,
                               int n_blocks)
{
    const cmat_weight *w = b;
    const cmat_prepared_form f = cmat_prepared_form_of(w->type);
    const size_t bytes = cmat_prepared_block_bytes(f),
                 row = (size_t)(w->n_in / CMAT_Q_BLOCK) * bytes;
    const size_t panel_block =
        f.halves ? 2 * cmat_q_block_bytes(width, 8) : cmat_q_block_bytes(width, 16);
    for (int p = 0; p < n; p += width)
        for (int i = 0; i < n_blocks; i++, panels += panel_block)
            for (int c = 0; c < width; c += ROWS) {
                if (p + c >= n) { /* columns of no group */
                    for (size_t k = 0; k < panel_block / (size_t)width / 4; k++)
                        memset(panels + (k * (size_t)width + (size_t)c) * 4, 0, ROWS * 4);
                    continue;
                }
                const uint8_t *block = (const uint8_t *)w->prepared +
                                       (size_t)((n0 + p + c) / ROWS) * row +
                                       (size_t)(b0 + i) * bytes;
                CMAT_WITH_FORM(w->type, unpack_form, panels + 4 * c, width, block)
            }
}

/* ---- one row ---- */

typedef struct {
    const int16_t *q;
    const float *d, *s;
    int n_blocks;
} rounded;

/* y + W x for one group of eight rows. One group at a time: the whole matrix is then a single
 * stream of memory, which is what limits this product. f is a constant in each use. */
static inline __attribute__((always_inline)) __m256 row_group(cmat_prepared_form f, __m256 y,
                                                              const uint8_t *w, const rounded *x)
{
    const int16_t *q = x->q;
    for (int b = 0; b < x->n_blocks; b++, w += cmat_prepared_block_bytes(f), q += CMAT_Q_BLOCK) {
        __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
#pragma GCC unroll 8
        for (size_t ahead = 0; ahead < cmat_prepared_block_bytes(f) + 64; ahead += 64)
            _mm_prefetch((const char *)w + PREFETCH + ahead, _MM_HINT_T0);
#pragma GCC unroll 16
        for (int p = 0; p < 16; p++) {
            int32_t pair;
            memcpy(&pair, q + 2 * p, 4);
            const __m256i product = _mm256_madd_epi16(get_pair(w, p, f), _mm256_set1_epi32(pair));
            sum[p / 8] = _mm256_add_epi32(sum[p / 8], product);
        }
        const uint8_t *scales = w + cmat_prepared_value_bytes(f);
        const __m256 dx = _mm256_broadcast_ss(x->d + b), sx = _mm256_broadcast_ss(x->s + b);
        const __m256 d = get_scales(scales, f.wide), dd = _mm256_mul_ps(d, dx);
        if (f.halves) {
            const __m256 d2 = _mm256_mul_ps(get_scales(scales + 32, true), dx);
            y = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[0]), dd, y);
            y = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[1]), d2, y);
        } else {
            const __m256i all = _mm256_add_epi32(sum[0], sum[1]);
            y = _mm256_fmadd_ps(_mm256_cvtepi32_ps(all), dd, y);
            y = _mm256_fmadd_ps(get_minima(scales, d, f), sx, y);
        }
    }
    return y;
}

static inline __attribute__((always_inline)) void rows_range(cmat_prepared_form f, float *y,
                                                             const cmat_weight *w, int first,
                                                             int end, const rounded *x)
{
    const size_t row = (size_t)x->n_blocks * cmat_prepared_block_bytes(f);
    const uint8_t *p = (const uint8_t *)w->prepared + (size_t)first * row;
    for (int g = first; g < end; g++, p += row) {
        float *to = y + g * ROWS;
        const __m256i there = cmat_avx2_mask(w->n_out - g * ROWS);
        const __m256 acc = row_group(f, _mm256_maskload_ps(to, there), p, x);
        _mm256_maskstore_ps(to, there, acc);
    }
}

enum { CHUNK = 4, PER_CHUNK = ROWS * CHUNK }; /* groups at a time */

void cmat_avx2_row_product(const cmat_product *p, int n, const float *x, bool accumulate)
{
    const int n_in = p->w->n_in, n_blocks = n_in / CMAT_Q_BLOCK, threads = cmat_threads();
    char *room = cmat_scratch_take((size_t)n_blocks * 72);
    int16_t *q = (int16_t *)room;
    float *d = (float *)(void *)(room + (size_t)n_blocks * 64), *s = d + n_blocks;
    const int n_chunks = cmat_product_units(p, n, PER_CHUNK);
    cmat_avx2_q_tile.round(q, d, s, x, n_in, CMAT_Q_MAX);
    const rounded r = {q, d, s, n_blocks};
    for (int i = 0; i < n && !accumulate; i++)
        memset(p[i].y, 0, (size_t)p[i].w->n_out * sizeof *p[i].y);
#pragma omp parallel for schedule(static) num_threads(threads) if (n_chunks * n_blocks > 64)
    for (int i = 0; i < n_chunks; i++) {
        int c = i;
        const cmat_product *of = cmat_product_of_unit(p, PER_CHUNK, &c);
        const int n_groups = (of->w->n_out + ROWS - 1) / ROWS, first = c * CHUNK;
        const int end = n_groups - first < CHUNK ? n_groups : first + CHUNK;
        CMAT_WITH_FORM(of->w->type, rows_range, of->y, of->w, first, end, &r)
    }
    cmat_scratch_give(room);
}
