/* kernel/attention_avx2.c - attention over packed segments, by blocks with online softmax
 * (arXiv 2205.14135, algorithm 1): for each block of keys, with running maximum m and sum l,
 *   m' = max(m, max_j s_j)   c = exp(m - m')   l = c l + sum_j exp(s_j - m')   o = c o + exp(s -
 * m') V */
#include "kernel/attention_avx2.h"
#include "kernel/plain.h"
#include "kernel/scratch.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool cmat_attention_avx2_fits(int H, int G, int d)
{
    return d % 16 == 0 && d <= CMAT_MAX_HEAD_DIM && H / G <= CMAT_BLOCK_ROWS;
}

int cmat_attention_avx2_block(int heads)
{
    return CMAT_BLOCK_ROWS / heads;
}

void cmat_attention_avx2_pack(float *panel, const float *x, size_t ldx, int n, int d)
{
    const cmat_avx2_matrix m = {x, ldx};
    cmat_avx2_pack_transposed(&m, panel, CMAT_PANEL_KEYS, 0, n, 0, d);
}

static void scale_row(float *x, float s, int n)
{
    const __m256 v = _mm256_set1_ps(s);
    for (int i = 0; i < n; i += 8)
        _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), v));
}

typedef struct {
    _Alignas(64) float q[CMAT_BLOCK_ROWS * CMAT_MAX_HEAD_DIM];
    _Alignas(64) float o[CMAT_BLOCK_ROWS * CMAT_MAX_HEAD_DIM];
    _Alignas(64) float s[CMAT_BLOCK_ROWS * CMAT_SCORE_LD];
    float max[CMAT_BLOCK_ROWS], sum[CMAT_BLOCK_ROWS];
} forward_state;

/* Scores lo .. hi-1 of one row in a key block to probabilities, relative to the row's running
 * maximum; the rest of [begin, end), which the product with V will read, to zero. */
static void softmax_row(forward_state *f, int row, int begin, int lo, int hi, int end, int d)
{
    float *s = f->s + row * CMAT_SCORE_LD;
    if (hi <= lo) {
        memset(s + begin, 0, (size_t)(end - begin) * sizeof *s);
        return;
    }
    for (int j = begin; j < lo; j++)
        s[j] = 0;
    const float block_max = cmat_row_max(s + lo, hi - lo);
    if (block_max > f->max[row]) {
        const float c = expf(f->max[row] - block_max); /* 0 the first time */
        f->max[row] = block_max;
        f->sum[row] *= c;
        scale_row(f->o + row * d, c, d);
    }
    f->sum[row] += cmat_row_exp(s + lo, hi - lo, end - lo, f->max[row]);
}

static void key_block(forward_state *f, const cmat_query_block *b, const cmat_key_store *store,
                      const cmat_span *span, int at)
{
    const int rows = b->n * b->heads, d = b->d;
    int lo, end, unused;
    cmat_span_range(span, at, b->first, &lo, &unused); /* what any of the positions sees */
    cmat_span_range(span, at, b->first + b->n - 1, &unused, &end);
    if (end <= lo)
        return;
    cmat_attention_scores(f->s, f->q, rows, d, store->kt + (size_t)at * (size_t)d, lo, end);
    for (int row = 0; row < rows; row++) {
        int row_lo, hi;
        cmat_span_range(span, at, b->first + row / b->heads, &row_lo, &hi);
        softmax_row(f, row, lo, row_lo, hi, end, d);
    }
    cmat_attention_product(rows, d, end - lo, f->s + lo, CMAT_SCORE_LD, 1,
                           store->v + (size_t)(at + lo) * store->ldv, store->ldv, f->o, (size_t)d,
                           true);
}

void cmat_attention_avx2_forward(const cmat_query_block *b, const cmat_key_store *store)
{
    forward_state f;
    const int rows = b->n * b->heads, d = b->d;
    const float scale = 1 / sqrtf((float)d);
    memset(f.o, 0, (size_t)(rows * d) * sizeof *f.o);
    for (int row = 0; row < rows; row++) {
        const float *q = b->q + (size_t)(row / b->heads) * b->ldq + (size_t)(row % b->heads * d);
        for (int i = 0; i < d; i++)
            f.q[row * d + i] = q[i] * scale;
        f.max[row] = -INFINITY;
        f.sum[row] = 0;
    }
    for (const cmat_span *s = b->spans; s < b->spans + b->n_spans; s++)
        for (int at = cmat_span_first(s, b->first) / CMAT_BLOCK_KEYS * CMAT_BLOCK_KEYS; at < s->end;
             at += CMAT_BLOCK_KEYS)
            key_block(&f, b, store, s, at);
    for (int row = 0; row < rows; row++) {
        const int i = row / b->heads, r = row % b->heads;
        scale_row(f.o + row * d, 1 / f.sum[row], d);
        memcpy(b->o + (size_t)i * b->ldo + (size_t)(r * d), f.o + row * d, (size_t)d * sizeof *f.o);
        if (b->lse)
            b->lse[(size_t)i * b->ld_lse + (size_t)r] = f.max[row] + logf(f.sum[row]);
    }
}

/* The query blocks of all segments, so that threads share them whatever the segments' lengths. */
typedef struct {
    int seg, first;
} block_at;

static int list_blocks(block_at *list, const cmat_segment *seg, int n_seg, int step)
{
    int n = 0;
    for (int s = 0; s < n_seg; s++)
        for (int first = 0; first < seg[s].n; first += step)
            list[n++] = (block_at){s, first};
    return n;
}

int cmat_segments_end(const cmat_segment *seg, int n_seg)
{
    int end = 0;
    for (int s = 0; s < n_seg; s++)
        end = seg[s].row + seg[s].n > end ? seg[s].row + seg[s].n : end;
    return end;
}

void cmat_avx2_attention(float *o, int ldo, float *lse, const float *q, int ldq, const float *k,
                         const float *v, int ldkv, const cmat_segment *seg, int n_seg, int H, int G,
                         int d, int window)
{
    if (!cmat_attention_avx2_fits(H, G, d)) {
        cmat_plain_attention(o, ldo, lse, q, ldq, k, v, ldkv, seg, n_seg, H, G, d, window);
        return;
    }
    const int heads = H / G, step = cmat_attention_avx2_block(heads),
              T = cmat_segments_end(seg, n_seg);
    const int n_panels = (T + CMAT_PANEL_KEYS - 1) / CMAT_PANEL_KEYS, threads = cmat_threads();
    const size_t panel = (size_t)(CMAT_PANEL_KEYS * d), head = (size_t)n_panels * panel;
    float *kt = cmat_scratch_take((size_t)G * head * sizeof *kt);
    block_at *list = cmat_scratch_take((size_t)(T + n_seg) * sizeof *list);
    const int n_blocks = list_blocks(list, seg, n_seg, step);
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (int i = 0; i < G * n_panels; i++) {
            const int g = i / n_panels, at = i % n_panels * CMAT_PANEL_KEYS;
            cmat_attention_avx2_pack(kt + (size_t)i * panel,
                                     k + (size_t)at * (size_t)ldkv + (size_t)(g * d), (size_t)ldkv,
                                     T - at < CMAT_PANEL_KEYS ? T - at : CMAT_PANEL_KEYS, d);
        }
#pragma omp for schedule(dynamic)
        for (int i = n_blocks * G - 1; i >= 0; i--) { /* long rows first */
            const block_at at = list[i / G];
            const cmat_segment *s = seg + at.seg;
            const size_t g = (size_t)(i % G), t = (size_t)(s->row + at.first);
            const size_t hd = g * (size_t)(heads * d);
            cmat_query_block b = {.q = q + t * (size_t)ldq + hd,
                                  .o = o + t * (size_t)ldo + hd,
                                  .lse = lse ? lse + t * (size_t)H + g * (size_t)heads : NULL,
                                  .ldq = (size_t)ldq,
                                  .ldo = (size_t)ldo,
                                  .ld_lse = (size_t)H,
                                  .first = at.first,
                                  .n = s->n - at.first < step ? s->n - at.first : step,
                                  .heads = heads,
                                  .d = d};
            if (s->n_prefix)
                b.spans[b.n_spans++] = (cmat_span){s->prefix, s->prefix + s->n_prefix,
                                                   s->prefix + s->n_prefix, window};
            b.spans[b.n_spans++] = (cmat_span){s->row, s->row + s->n, s->row, window};
            cmat_attention_avx2_forward(
                &b, &(cmat_key_store){kt + g * head, v + g * (size_t)d, (size_t)ldkv});
        }
    }
    cmat_scratch_give(list);
    cmat_scratch_give(kt);
}
