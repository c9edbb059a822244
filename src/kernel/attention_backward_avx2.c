/* kernel/attention_backward_avx2.c - gradients of packed attention by blocks; formulas in
 * cpu_attention.c. Probabilities are computed again from the scores and lse.
 *
 * A unit of work is (family, key/value head, lane): a family is a prefix with the segments that
 * share it, a lane takes every n-th query block. Each unit adds into its own dk, dv, which are
 * summed in the order of lanes afterwards. The number of lanes depends on the batch only, so the
 * result does not depend on the threads. With enough families there is one lane, which adds in
 * place. */
#include "core/mem.h"
#include "kernel/attention_avx2.h"
#include "kernel/avx2_math.h"
#include "kernel/plain.h"
#include "kernel/scratch.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { UNITS = 8, LANES = 4 }; /* fewer units than UNITS: split into LANES */

typedef struct {
    float *dq, *dk, *dv;
    const float *dout, *o, *lse, *q, *k, *v;
    size_t ldq, ldo, ldkv;
    const cmat_segment *seg;
    const int *family; /* of each segment */
    int n_seg, n_families, n_lanes, T, H, G, d, window, heads, step;
    size_t head;    /* floats of one head's panels */
    float *kt, *vt; /* (G, head) */
    float *partial; /* (n_lanes, 2, T, G, d): dk, dv of each lane; NULL when there is one lane */
} job;

typedef struct {
    _Alignas(64) float q[CMAT_BLOCK_ROWS * CMAT_MAX_HEAD_DIM]; /* times 1/sqrt(d) */
    _Alignas(64) float dout[CMAT_BLOCK_ROWS * CMAT_MAX_HEAD_DIM];
    _Alignas(64) float dq[CMAT_BLOCK_ROWS * CMAT_MAX_HEAD_DIM];
    _Alignas(64) float p[CMAT_BLOCK_ROWS * CMAT_SCORE_LD];
    _Alignas(64) float ds[CMAT_BLOCK_ROWS * CMAT_SCORE_LD];
    float lse[CMAT_BLOCK_ROWS], delta[CMAT_BLOCK_ROWS];
    int rows, first; /* of the query block; its first position */
    float *dk, *dv;  /* where the unit adds, at its head */
} state;

static float dot(const float *a, const float *b, int n)
{
    __m256 s = _mm256_setzero_ps();
    for (int i = 0; i < n; i += 8)
        s = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s);
    return cmat_avx2_sum(s);
}

/* p: scores to probabilities; ds: dout V^T to p (ds - delta). Zero in the rest of [begin, end). */
static void score_gradient(float *p, float *ds, int begin, int lo, int hi, int end, float lse,
                           float delta)
{
    const __m256 l = _mm256_set1_ps(lse), dl = _mm256_set1_ps(delta);
    int j = begin;
    for (; j < lo && j < end; j++)
        p[j] = ds[j] = 0;
    for (; j < hi; j += 8) {
        __m256 e = cmat_avx2_exp(_mm256_sub_ps(_mm256_loadu_ps(p + j), l));
        __m256 g = _mm256_mul_ps(e, _mm256_sub_ps(_mm256_loadu_ps(ds + j), dl));
        if (hi - j < 8) {
            const __m256 valid = _mm256_castsi256_ps(cmat_avx2_mask(hi - j));
            e = _mm256_and_ps(e, valid);
            g = _mm256_and_ps(g, valid);
        }
        _mm256_storeu_ps(p + j, e);
        _mm256_storeu_ps(ds + j, g);
    }
    for (; j < end; j++)
        p[j] = ds[j] = 0;
}

static void key_block(const job *b, state *s, int g, const cmat_span *span, int n, int at)
{
    const int d = b->d;
    const size_t panels = (size_t)g * b->head + (size_t)at * (size_t)d, ld = (size_t)d;
    int lo, end, unused;
    cmat_span_range(span, at, s->first, &lo, &unused);
    cmat_span_range(span, at, s->first + n - 1, &unused, &end);
    if (end <= lo)
        return;
    cmat_attention_scores(s->p, s->q, s->rows, d, b->kt + panels, lo, end);
    cmat_attention_scores(s->ds, s->dout, s->rows, d, b->vt + panels, lo, end);
    for (int row = 0; row < s->rows; row++) {
        int row_lo, hi;
        cmat_span_range(span, at, s->first + row / b->heads, &row_lo, &hi);
        score_gradient(s->p + row * CMAT_SCORE_LD, s->ds + row * CMAT_SCORE_LD, lo, row_lo, hi, end,
                       s->lse[row], s->delta[row]);
    }
    const size_t key = (size_t)(at + lo) * b->ldkv;
    const size_t to = (size_t)(at + lo) * (b->partial ? (size_t)(b->G * d) : b->ldkv);
    const size_t ld_to = b->partial ? (size_t)(b->G * d) : b->ldkv;
    cmat_attention_product(s->rows, d, end - lo, s->ds + lo, CMAT_SCORE_LD, 1,
                           b->k + key + (size_t)(g * d), b->ldkv, s->dq, ld, true);
    cmat_attention_product(end - lo, d, s->rows, s->p + lo, 1, CMAT_SCORE_LD, s->dout, ld,
                           s->dv + to, ld_to, true);
    cmat_attention_product(end - lo, d, s->rows, s->ds + lo, 1, CMAT_SCORE_LD, s->q, ld, s->dk + to,
                           ld_to, true);
}

/* Copies the block's rows together, q scaled. */
static void load_block(const job *b, state *s, const cmat_segment *seg, int g)
{
    const int d = b->d;
    const float scale = 1 / sqrtf((float)d);
    for (int row = 0; row < s->rows; row++) {
        const size_t t = (size_t)(seg->row + s->first + row / b->heads);
        const size_t h = (size_t)(g * b->heads + row % b->heads), hd = h * (size_t)d;
        const float *q = b->q + t * b->ldq + hd, *dout = b->dout + t * b->ldo + hd;
        for (int i = 0; i < d; i++)
            s->q[row * d + i] = q[i] * scale;
        memcpy(s->dout + row * d, dout, (size_t)d * sizeof *dout);
        s->lse[row] = b->lse[t * (size_t)b->H + h];
        s->delta[row] = dot(dout, b->o + t * b->ldo + hd, d);
    }
    memset(s->dq, 0, (size_t)(s->rows * d) * sizeof *s->dq);
}

static void store_block(const job *b, const state *s, const cmat_segment *seg, int g)
{
    const int d = b->d;
    const float scale = 1 / sqrtf((float)d);
    for (int row = 0; row < s->rows; row++) {
        const size_t t = (size_t)(seg->row + s->first + row / b->heads);
        float *dq = b->dq + t * b->ldq + (size_t)((g * b->heads + row % b->heads) * d);
        for (int i = 0; i < d; i++)
            dq[i] = s->dq[row * d + i] * scale;
    }
}

static void query_block(const job *b, state *s, const cmat_segment *seg, int g, int first)
{
    const int n = seg->n - first < b->step ? seg->n - first : b->step;
    const int prefix_end = seg->prefix + seg->n_prefix;
    const cmat_span spans[2] = {{seg->row, seg->row + seg->n, seg->row, b->window},
                                {seg->prefix, prefix_end, prefix_end, b->window}};
    s->first = first;
    s->rows = n * b->heads;
    load_block(b, s, seg, g);
    for (int i = 0; i < (seg->n_prefix ? 2 : 1); i++)
        for (int at = cmat_span_first(&spans[i], first) / CMAT_BLOCK_KEYS * CMAT_BLOCK_KEYS;
             at < spans[i].end; at += CMAT_BLOCK_KEYS)
            key_block(b, s, g, &spans[i], n, at);
    store_block(b, s, seg, g);
}

static void unit(const job *b, int family, int g, int lane)
{
    state s;
    const size_t width = (size_t)(b->G * b->d), each = (size_t)b->T * width;
    s.dk = (b->partial ? b->partial + (size_t)(2 * lane) * each : b->dk) + g * b->d;
    s.dv = (b->partial ? b->partial + (size_t)(2 * lane + 1) * each : b->dv) + g * b->d;
    int n = 0;
    for (int i = 0; i < b->n_seg; i++)
        for (int first = 0; b->family[i] == family && first < b->seg[i].n; first += b->step)
            if (n++ % b->n_lanes == lane)
                query_block(b, &s, b->seg + i, g, first);
}

/* dk, dv += the lanes, in order. */
static void reduce(const job *b)
{
    const size_t width = (size_t)(b->G * b->d), each = (size_t)b->T * width;
    const int threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int t = 0; t < b->T; t++)
        for (int l = 0; l < 2 * b->n_lanes; l++) {
            float *to = (l % 2 ? b->dv : b->dk) + (size_t)t * b->ldkv;
            const float *from = b->partial + (size_t)l * each + (size_t)t * width;
            for (size_t i = 0; i < width; i++)
                to[i] += from[i];
        }
}

static void pack(const job *b)
{
    const int n_panels = (b->T + CMAT_PANEL_KEYS - 1) / CMAT_PANEL_KEYS, threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < b->G * n_panels; i++) {
        const int g = i / n_panels, at = i % n_panels * CMAT_PANEL_KEYS;
        const int n = b->T - at < CMAT_PANEL_KEYS ? b->T - at : CMAT_PANEL_KEYS;
        const size_t from = (size_t)at * b->ldkv + (size_t)(g * b->d);
        const size_t to = (size_t)g * b->head + (size_t)(at * b->d);
        cmat_attention_avx2_pack(b->kt + to, b->k + from, b->ldkv, n, b->d);
        cmat_attention_avx2_pack(b->vt + to, b->v + from, b->ldkv, n, b->d);
    }
}

/* A segment after a prefix belongs to the family of the segment that holds the prefix. */
static int find_families(int *family, const cmat_segment *seg, int n_seg)
{
    int n = 0;
    for (int i = 0; i < n_seg; i++) {
        family[i] = -1;
        for (int j = 0; seg[i].n_prefix && j < i; j++)
            if (seg[i].prefix >= seg[j].row && seg[i].prefix < seg[j].row + seg[j].n)
                family[i] = family[j];
        if (family[i] < 0)
            family[i] = n++;
    }
    return n;
}

static void run(job *b)
{
    const int threads = cmat_threads(), n_units = b->n_families * b->G * b->n_lanes;
    if (b->n_lanes > 1) {
        const size_t each = (size_t)b->T * (size_t)(b->G * b->d);
        b->partial = cmat_scratch_take((size_t)(2 * b->n_lanes) * each * sizeof *b->partial);
        memset(b->partial, 0, (size_t)(2 * b->n_lanes) * each * sizeof *b->partial);
    }
    pack(b);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int i = 0; i < n_units; i++)
        unit(b, i / b->n_lanes / b->G, i / b->n_lanes % b->G, i % b->n_lanes);
    if (b->partial)
        reduce(b);
    cmat_scratch_give(b->partial);
}

void cmat_avx2_attention_backward(float *dq, float *dk, float *dv, const float *dout, int ldo,
                                  const float *o, const float *lse, const float *q, int ldq,
                                  const float *k, const float *v, int ldkv, const cmat_segment *seg,
                                  int n_seg, int H, int G, int d, int window)
{
    if (!cmat_attention_avx2_fits(H, G, d)) {
        cmat_plain_attention_backward(dq, dk, dv, dout, ldo, o, lse, q, ldq, k, v, ldkv, seg, n_seg,
                                      H, G, d, window);
        return;
    }
    int *family = cmat_scratch_take((size_t)n_seg * sizeof *family);
    const int n_families = find_families(family, seg, n_seg), T = cmat_segments_end(seg, n_seg);
    const size_t head = (size_t)((T + CMAT_PANEL_KEYS - 1) / CMAT_PANEL_KEYS * CMAT_PANEL_KEYS * d);
    job b = {.dq = dq,
             .dk = dk,
             .dv = dv,
             .dout = dout,
             .o = o,
             .lse = lse,
             .q = q,
             .k = k,
             .v = v,
             .ldq = (size_t)ldq,
             .ldo = (size_t)ldo,
             .ldkv = (size_t)ldkv,
             .seg = seg,
             .family = family,
             .n_seg = n_seg,
             .n_families = n_families,
             .n_lanes = n_families * G < UNITS ? LANES : 1,
             .T = T,
             .H = H,
             .G = G,
             .d = d,
             .window = window,
             .heads = H / G,
             .step = cmat_attention_avx2_block(H / G),
             .head = head};
    b.kt = cmat_scratch_take(2 * (size_t)G * head * sizeof *b.kt);
    b.vt = b.kt + (size_t)G * head;
    run(&b);
    cmat_scratch_give(b.kt);
    cmat_scratch_give(family);
}
