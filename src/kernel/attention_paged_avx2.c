/* kernel/attention_paged_avx2.c - attention over the paged cache.
 *
 * Sequences with several rows (prompts) are gathered into panels and go through the blocks of
 * attention_avx2.c. The others (decoding) read the cache in place: chunks of CHUNK keys give a
 * partial maximum, sum and output each, which are merged in order, so that one long sequence keeps
 * all threads busy; the heads of a key/value head share its loads. */
#include "core/mem.h"
#include "kernel/attention_avx2.h"
#include "kernel/avx2_math.h"
#include "kernel/plain.h"
#include "kernel/scratch.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 128, FEW = 4 }; /* fewer rows than FEW: in place */

static size_t slot_of(const cmat_paged_kv *kv, const cmat_paged_seq *s, int p)
{
    return (size_t)s->pages[p / kv->page_size] * (size_t)kv->page_size +
           (size_t)(p % kv->page_size);
}

/* ---- prompts ---- */

static void gather(float *kt, float *v, const cmat_paged_kv *kv, const cmat_paged_seq *s,
                   int n_keys, int G, int d)
{
    const int threads = cmat_threads(), n_panels = (n_keys + CMAT_PANEL_KEYS - 1) / CMAT_PANEL_KEYS;
    const size_t width = (size_t)(G * d), head = (size_t)(n_panels * CMAT_PANEL_KEYS * d);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < G * n_panels; i++) {
        _Alignas(32) float rows[CMAT_PANEL_KEYS * CMAT_MAX_HEAD_DIM];
        const int g = i / n_panels, at = i % n_panels * CMAT_PANEL_KEYS;
        const int n = n_keys - at < CMAT_PANEL_KEYS ? n_keys - at : CMAT_PANEL_KEYS;
        for (int j = 0; j < n; j++) {
            const size_t from = slot_of(kv, s, at + j) * width + (size_t)(g * d);
            memcpy(rows + j * d, kv->k + from, (size_t)d * sizeof *rows);
            memcpy(v + (size_t)g * head + (size_t)((at + j) * d), kv->v + from,
                   (size_t)d * sizeof *v);
        }
        cmat_attention_avx2_pack(kt + (size_t)g * head + (size_t)(at * d), rows, (size_t)d, n, d);
    }
}

static void many_rows(float *o, int ldo, const float *q, int ldq, const cmat_paged_kv *kv,
                      const cmat_paged_seq *s, int H, int G, int d)
{
    const int heads = H / G, step = cmat_attention_avx2_block(heads), n_keys = s->n_past + s->n;
    const int n_blocks = (s->n + step - 1) / step, threads = cmat_threads();
    const size_t head = (size_t)((n_keys + 15) / 16 * 16 * d);
    float *kt = cmat_scratch_take((size_t)G * head * 2 * sizeof *kt), *v = kt + (size_t)G * head;
    gather(kt, v, kv, s, n_keys, G, d);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int i = n_blocks * G - 1; i >= 0; i--) {
        const int first = i / G * step;
        const size_t g = (size_t)(i % G), t = (size_t)(s->row + first);
        const cmat_query_block b = {.q = q + t * (size_t)ldq + g * (size_t)(heads * d),
                                    .o = o + t * (size_t)ldo + g * (size_t)(heads * d),
                                    .ldq = (size_t)ldq,
                                    .ldo = (size_t)ldo,
                                    .first = first,
                                    .n = s->n - first < step ? s->n - first : step,
                                    .heads = heads,
                                    .d = d,
                                    .spans = {{0, n_keys, s->n_past, kv->window}},
                                    .n_spans = 1};
        cmat_attention_avx2_forward(&b, &(cmat_key_store){kt + g * head, v + g * head, (size_t)d});
    }
    cmat_scratch_give(kt);
}

/* ---- decoding ---- */

/* One row, key/value head and chunk of keys. */
typedef struct {
    int seq, i, g, first;
} item;

/* Partial result of one head: max, sum, then o (d). */
static float *partial_of(float *partials, int at, int r, int heads, int d)
{
    return partials + ((size_t)at * (size_t)heads + (size_t)r) * (size_t)(d + 2);
}

/* Four keys' dot products with q. */
static inline __m128 dot4(const float *q, const float *const k[4], int d)
{
    __m256 a = _mm256_setzero_ps(), b = a, c = a, e = a;
    for (int i = 0; i < d; i += 8) {
        const __m256 x = _mm256_loadu_ps(q + i);
        a = _mm256_fmadd_ps(x, _mm256_loadu_ps(k[0] + i), a);
        b = _mm256_fmadd_ps(x, _mm256_loadu_ps(k[1] + i), b);
        c = _mm256_fmadd_ps(x, _mm256_loadu_ps(k[2] + i), c);
        e = _mm256_fmadd_ps(x, _mm256_loadu_ps(k[3] + i), e);
    }
    const __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, e));
    return _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
}

/* exp(s - max) in place, the maximum and sum into part. */
static void chunk_softmax(float *s, int n, float *part)
{
    float max = s[0], sum = 0;
    for (int j = 1; j < n; j++)
        max = s[j] > max ? s[j] : max;
    for (int j = n; j % 8; j++)
        s[j] = -INFINITY;
    __m256 total = _mm256_setzero_ps();
    for (int j = 0; j < n; j += 8) {
        __m256 e = cmat_avx2_exp(_mm256_sub_ps(_mm256_loadu_ps(s + j), _mm256_set1_ps(max)));
        e = _mm256_and_ps(e, _mm256_castsi256_ps(cmat_avx2_mask(n - j)));
        total = _mm256_add_ps(total, e);
        _mm256_storeu_ps(s + j, e);
    }
    sum = cmat_avx2_sum(total);
    part[0] = max;
    part[1] = sum;
}

/* Columns c .. c + 8 vectors of o = sum_j p_j v_j; vectors is a constant in each use. */
static inline __attribute__((always_inline)) void
weighted_columns(int vectors, float *o, const float *p, const float *const *v, int n, int c)
{
    __m256 acc[8];
#pragma GCC unroll 8
    for (int i = 0; i < vectors; i++)
        acc[i] = _mm256_setzero_ps();
    for (int j = 0; j < n; j++) {
        const __m256 w = _mm256_broadcast_ss(p + j);
#pragma GCC unroll 8
        for (int i = 0; i < vectors; i++)
            acc[i] = _mm256_fmadd_ps(w, _mm256_loadu_ps(v[j] + c + 8 * i), acc[i]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < vectors; i++)
        _mm256_storeu_ps(o + c + 8 * i, acc[i]);
}

static void weighted_sum(float *o, const float *p, const float *const *v, int n, int d)
{
    int c = 0;
    for (; c + 64 <= d; c += 64)
        weighted_columns(8, o, p, v, n, c);
    for (; c < d; c += 16)
        weighted_columns(2, o, p, v, n, c);
}

static void chunk_item(float *partials, int at, const item *it, const float *q,
                       const cmat_paged_kv *kv, const cmat_paged_seq *s, int heads, int G, int d)
{
    const float *k[CHUNK + 3], *v[CHUNK];
    _Alignas(32) float score[CHUNK];
    const int end = s->n_past + it->i + 1;
    const int n = end - it->first < CHUNK ? end - it->first : CHUNK;
    const float scale = 1 / sqrtf((float)d);
    for (int j = 0; j < n; j++) {
        const size_t from = (slot_of(kv, s, it->first + j) * (size_t)G + (size_t)it->g) * (size_t)d;
        k[j] = kv->k + from;
        v[j] = kv->v + from;
    }
    for (int j = n; j % 4; j++) /* whole groups of four; the surplus is not used */
        k[j] = k[n - 1];
    for (int r = 0; r < heads; r++) {
        float *part = partial_of(partials, at, r, heads, d);
        for (int j = 0; j < n; j += 4)
            _mm_store_ps(score + j, _mm_mul_ps(dot4(q + r * d, k + j, d), _mm_set1_ps(scale)));
        chunk_softmax(score, n, part);
        weighted_sum(part + 2, score, v, n, d);
    }
}

/* Merges the chunks of one row and head into o. */
static void merge(float *o, float *partials, int at, int n_chunks, int r, int heads, int d)
{
    float max = -INFINITY, sum = 0;
    for (int c = 0; c < n_chunks; c++) {
        const float m = *partial_of(partials, at + c, r, heads, d);
        max = m > max ? m : max;
    }
    memset(o, 0, (size_t)d * sizeof *o);
    for (int c = 0; c < n_chunks; c++) {
        const float *part = partial_of(partials, at + c, r, heads, d), w = expf(part[0] - max);
        sum += w * part[1];
        for (int i = 0; i < d; i++)
            o[i] += w * part[2 + i];
    }
    for (int i = 0; i < d; i++)
        o[i] /= sum;
}

/* The first position that row i attends to, and the number of chunks from there to its own. */
static int first_of(const cmat_paged_kv *kv, const cmat_paged_seq *s, int i)
{
    const int end = s->n_past + i + 1;
    return kv->window && end > kv->window ? end - kv->window : 0;
}

static int chunks_of(const cmat_paged_kv *kv, const cmat_paged_seq *s, int i)
{
    return (s->n_past + i - first_of(kv, s, i) + CHUNK) / CHUNK;
}

/* Items of one row and key/value head lie together, in order of keys. */
static int list_items(item *list, const cmat_paged_kv *kv, const cmat_paged_seq *seqs, int n_seqs,
                      int G)
{
    int n = 0;
    for (int s = 0; s < n_seqs; s++)
        for (int i = 0; i < seqs[s].n && seqs[s].n < FEW; i++)
            for (int g = 0; g < G; g++)
                for (int c = 0; c < chunks_of(kv, &seqs[s], i); c++, n++)
                    if (list)
                        list[n] = (item){s, i, g, first_of(kv, &seqs[s], i) + c * CHUNK};
    return n;
}

static void few_rows(float *o, int ldo, const float *q, int ldq, const cmat_paged_kv *kv,
                     const cmat_paged_seq *seqs, int n_seqs, int H, int G, int d)
{
    const int heads = H / G, n = list_items(NULL, kv, seqs, n_seqs, G), threads = cmat_threads();
    if (!n)
        return;
    item *list = cmat_scratch_take((size_t)n * sizeof *list);
    float *partials = cmat_scratch_take((size_t)n * (size_t)(heads * (d + 2)) * sizeof *partials);
    list_items(list, kv, seqs, n_seqs, G);
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(dynamic)
        for (int at = 0; at < n; at++) {
            const item *it = list + at;
            const cmat_paged_seq *s = seqs + it->seq;
            const float *qi =
                q + (size_t)(s->row + it->i) * (size_t)ldq + (size_t)(it->g * heads * d);
            chunk_item(partials, at, it, qi, kv, s, heads, G, d);
        }
#pragma omp for schedule(static)
        for (int at = 0; at < n; at++) {
            const item *it = list + at;
            const cmat_paged_seq *s = seqs + it->seq;
            for (int r = 0; it->first == first_of(kv, s, it->i) && r < heads; r++)
                merge(o + (size_t)(s->row + it->i) * (size_t)ldo +
                          (size_t)((it->g * heads + r) * d),
                      partials, at, chunks_of(kv, s, it->i), r, heads, d);
        }
    }
    cmat_scratch_give(list);
    cmat_scratch_give(partials);
}

void cmat_avx2_attention_paged(float *o, int ldo, const float *q, int ldq, const cmat_paged_kv *kv,
                               const cmat_paged_seq *seqs, int n_seqs, int H, int G, int d)
{
    if (!cmat_attention_avx2_fits(H, G, d)) {
        cmat_plain_attention_paged(o, ldo, q, ldq, kv, seqs, n_seqs, H, G, d);
        return;
    }
    few_rows(o, ldo, q, ldq, kv, seqs, n_seqs, H, G, d);
    for (int s = 0; s < n_seqs; s++)
        if (seqs[s].n >= FEW)
            many_rows(o, ldo, q, ldq, kv, seqs + s, H, G, d);
}
