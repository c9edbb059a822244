/* kernel/cpu_attention.c - plain attention over packed segments and over the paged cache.
 *
 *   s_ij = q_i . k_j / sqrt(d)    p_ij = exp(s_ij - lse_i)    o_i = sum_j p_ij v_j
 * where j runs over the segment's prefix and its own rows up to i, with a window over the last of
 * them only. Backward, with
 * delta_i = dout_i . o_i (arXiv 2205.14135, appendix B):
 *   dv_j += p_ij dout_i    ds_ij = p_ij (dout_i . v_j - delta_i)
 *   dq_i = sum_j ds_ij k_j / sqrt(d)    dk_j += ds_ij q_i / sqrt(d) */
#include "core/mem.h"
#include "kernel/plain.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static float dot(const float *a, const float *b, int n)
{
    float s = 0;
    for (int i = 0; i < n; i++)
        s += a[i] * b[i];
    return s;
}

static void axpy(float *y, float a, const float *x, int n)
{
    for (int i = 0; i < n; i++)
        y[i] += a * x[i];
}

/* The batch row that key j of a segment (prefix first) stands in. */
static size_t key_row(const cmat_segment *s, int j)
{
    return (size_t)(j < s->n_prefix ? s->prefix + j : s->row + j - s->n_prefix);
}

/* The first of n keys that the last of them sees. */
static int first_key(int n, int window)
{
    return window && n > window ? n - window : 0;
}

/* Scores become probabilities in place; returns the log-sum-exp. */
static float softmax(float *s, int n)
{
    float max = -INFINITY, sum = 0;
    for (int j = 0; j < n; j++)
        max = s[j] > max ? s[j] : max;
    for (int j = 0; j < n; j++)
        sum += s[j] = expf(s[j] - max);
    for (int j = 0; j < n; j++)
        s[j] /= sum;
    /* cppcheck-suppress invalidFunctionArg; the greatest term of the sum is 1 */
    return max + logf(sum);
}

static void segment_row(float *o, float *lse, float *p, const float *q, const float *k,
                        const float *v, int ldkv, const cmat_segment *s, int i, int d, int window)
{
    const int n = s->n_prefix + i + 1, first = first_key(n, window);
    const float scale = 1 / sqrtf((float)d);
    for (int j = first; j < n; j++)
        p[j] = scale * dot(q, k + key_row(s, j) * (size_t)ldkv, d);
    const float l = softmax(p + first, n - first);
    if (lse)
        *lse = l;
    memset(o, 0, (size_t)d * sizeof *o);
    for (int j = first; j < n; j++)
        axpy(o, p[j], v + key_row(s, j) * (size_t)ldkv, d);
}

void cmat_plain_attention(float *o, int ldo, float *lse, const float *q, int ldq, const float *k,
                          const float *v, int ldkv, const cmat_segment *seg, int n_seg, int H,
                          int G, int d, int window)
{
    const int n_threads = cmat_threads();
    for (const cmat_segment *s = seg; s < seg + n_seg; s++) {
#pragma omp parallel num_threads(n_threads)
        {
            float *p = cmat_xmalloc((size_t)(s->n_prefix + s->n) * sizeof *p);
#pragma omp for schedule(dynamic, 8)
            for (int i = 0; i < s->n; i++)
                for (int h = 0; h < H; h++) {
                    const size_t t = (size_t)(s->row + i), kv = (size_t)(h / (H / G) * d);
                    segment_row(o + t * (size_t)ldo + (size_t)(h * d),
                                lse ? lse + t * (size_t)H + (size_t)h : NULL, p,
                                q + t * (size_t)ldq + (size_t)(h * d), k + kv, v + kv, ldkv, s, i,
                                d, window);
                }
            free(p);
        }
    }
}

/* One query row and head; dk, dv, k, v start at the row's key/value head. */
static void backward_row(float *dq, float *dk, float *dv, const float *dout, const float *o,
                         float lse, const float *q, const float *k, const float *v, int ldkv,
                         const cmat_segment *s, int i, int d, int window)
{
    const float scale = 1 / sqrtf((float)d), delta = dot(dout, o, d);
    const int n = s->n_prefix + i + 1;
    memset(dq, 0, (size_t)d * sizeof *dq);
    for (int j = first_key(n, window); j < n; j++) {
        const size_t at = key_row(s, j) * (size_t)ldkv;
        const float p = expf(scale * dot(q, k + at, d) - lse);
        const float ds = scale * p * (dot(dout, v + at, d) - delta);
        axpy(dv + at, p, dout, d);
        axpy(dq, ds, k + at, d);
        axpy(dk + at, ds, q, d);
    }
}

/* Threads take key/value heads, so that each dk, dv is summed by one thread in row order. */
void cmat_plain_attention_backward(float *dq, float *dk, float *dv, const float *dout, int ldo,
                                   const float *o, const float *lse, const float *q, int ldq,
                                   const float *k, const float *v, int ldkv,
                                   const cmat_segment *seg, int n_seg, int H, int G, int d,
                                   int window)
{
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(dynamic) num_threads(n_threads)
    for (int g = 0; g < G; g++) {
        const size_t kv = (size_t)(g * d);
        for (const cmat_segment *s = seg; s < seg + n_seg; s++)
            for (int i = 0; i < s->n; i++)
                for (int h = g * (H / G); h < (g + 1) * (H / G); h++) {
                    const size_t t = (size_t)(s->row + i), hd = (size_t)(h * d);
                    const size_t at_q = t * (size_t)ldq + hd, at_o = t * (size_t)ldo + hd;
                    backward_row(dq + at_q, dk + kv, dv + kv, dout + at_o, o + at_o,
                                 lse[t * (size_t)H + (size_t)h], q + at_q, k + kv, v + kv, ldkv, s,
                                 i, d, window);
                }
    }
}

/* A key's d components into places `step` apart, a value's side by side. */
static void put_floats(float *key, float *value, const float *k, const float *v, int d, int step)
{
    for (int c = 0; c < d; c++)
        key[(size_t)c * (size_t)step] = k[c];
    memcpy(value, v, (size_t)d * sizeof *v);
}

static void put_halves(cmat_narrow_fn *narrow, uint16_t *key, uint16_t *value, const float *k,
                       const float *v, int d, int step)
{
    enum { PART = 64 };
    uint16_t part[PART];
    for (int c = 0; c < d; c++) {
        if (c % PART == 0)
            narrow(part, k + c, d - c < PART ? d - c : PART);
        key[(size_t)c * (size_t)step] = part[c % PART];
    }
    narrow(value, v, d);
}

/* Rows [first, end) of the sequence and one head. */
static void store_head(cmat_narrow_fn *narrow, const cmat_paged_kv *kv, const cmat_paged_seq *s,
                       int first, int end, const float *k, const float *v, int ldkv, int g, int G,
                       int d)
{
    for (int i = first; i < end; i++) {
        const int p = s->n_past + i, slot = p % kv->page_size;
        const size_t at = cmat_page_head(kv, s->pages[p / kv->page_size], g, G, d);
        const size_t from = (size_t)(s->row + i) * (size_t)ldkv + (size_t)(g * d);
        void *key = cmat_page_element(kv, kv->k, at + (size_t)slot);
        void *value = cmat_page_element(kv, kv->v, at + (size_t)(slot * d));
        if (kv->type == CMAT_TYPE_F16)
            put_halves(narrow, key, value, k + from, v + from, d, kv->page_size);
        else
            put_floats(key, value, k + from, v + from, d, kv->page_size);
    }
}

void cmat_kv_store_by(cmat_narrow_fn *narrow, const cmat_paged_kv *kv, const cmat_paged_seq *seqs,
                      int n_seqs, const float *k, const float *v, int ldkv, int G, int d)
{
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads) if (n_seqs > 1 || seqs->n > 1)
    for (int i = 0; i < n_seqs * G * n_threads; i++) { /* heads may be fewer than threads */
        const cmat_paged_seq *s = seqs + i / (G * n_threads);
        const int part = i % n_threads;
        store_head(narrow, kv, s, s->n * part / n_threads, s->n * (part + 1) / n_threads, k, v,
                   ldkv, i / n_threads % G, G, d);
    }
}

/* A key or value that is too large for a half must not become infinite: an infinite score makes
 * every later token NaN. */
static void narrow_halves(uint16_t *y, const float *x, int n)
{
    const float most = 65504;
    for (int i = 0; i < n; i++)
        y[i] = cmat_f32_to_f16(x[i] > most ? most : x[i] < -most ? -most : x[i]);
}

void cmat_plain_kv_store(const cmat_paged_kv *kv, const cmat_paged_seq *seqs, int n_seqs,
                         const float *k, const float *v, int ldkv, int G, int d)
{
    cmat_kv_store_by(narrow_halves, kv, seqs, n_seqs, k, v, ldkv, G, d);
}

static float element(const void *p, bool half, int i)
{
    return half ? cmat_f16_to_f32(((const uint16_t *)p)[i]) : ((const float *)p)[i];
}

static void paged_row(float *o, float *p, const float *q, const cmat_paged_kv *kv,
                      const cmat_paged_seq *seq, int n, int g, int G, int d)
{
    const float scale = 1 / sqrtf((float)d);
    const int first = first_key(n, kv->window), size = kv->page_size;
    const bool half = kv->type == CMAT_TYPE_F16;
    for (int j = first; j < n; j++) {
        const size_t head = cmat_page_head(kv, seq->pages[j / size], g, G, d);
        const void *k = cmat_page_element(kv, kv->k, head + (size_t)(j % size));
        float sum = 0;
        for (int c = 0; c < d; c++)
            sum += q[c] * element(k, half, c * size);
        p[j] = scale * sum;
    }
    softmax(p + first, n - first);
    memset(o, 0, (size_t)d * sizeof *o);
    for (int j = first; j < n; j++) {
        const size_t head = cmat_page_head(kv, seq->pages[j / size], g, G, d);
        const void *v = cmat_page_element(kv, kv->v, head + (size_t)(j % size * d));
        for (int c = 0; c < d; c++)
            o[c] += p[j] * element(v, half, c);
    }
}

void cmat_plain_attention_paged(float *o, int ldo, const float *q, int ldq, const cmat_paged_kv *kv,
                                const cmat_paged_seq *seqs, int n_seqs, int H, int G, int d)
{
    const int n_threads = cmat_threads();
    for (const cmat_paged_seq *s = seqs; s < seqs + n_seqs; s++) {
#pragma omp parallel num_threads(n_threads)
        {
            float *p = cmat_xmalloc((size_t)(s->n_past + s->n) * sizeof *p);
#pragma omp for schedule(static)
            for (int ih = 0; ih < s->n * H; ih++) {
                const int i = ih / H, h = ih % H;
                const size_t t = (size_t)(s->row + i), hd = (size_t)(h * d);
                paged_row(o + t * (size_t)ldo + hd, p, q + t * (size_t)ldq + hd, kv, s,
                          s->n_past + i + 1, h / (H / G), G, d);
            }
            free(p);
        }
    }
}
