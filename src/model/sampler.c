/* model/sampler.c - greedy choice and the usual truncations (top-p: arXiv 1904.09751, min-p: arXiv
 * 2407.01082), over all tokens or those that a constraint allows. */
#include "model/sampler.h"
#include <math.h>
#include <stdlib.h>

/* exp(x) for x <= 0 by 2^n p(f), |error| < 2e-7 relative: a plain loop over it is vectorised. */
static inline float exp_neg(float x)
{
    union {
        float f;
        int32_t i;
    } scale;
    const float t = (x > -87.0f ? x : -87.0f) * 1.44269504f;
    const float whole = (float)(int32_t)(t - 0.5f); /* t <= 0: rounds to nearest */
    const float f = t - whole;
    float p = 1.535336188319500e-4f;
    p = p * f + 1.339887440266574e-3f;
    p = p * f + 9.618437357674640e-3f;
    p = p * f + 5.550332471162809e-2f;
    p = p * f + 2.402264791363012e-1f;
    p = p * f + 6.931472028550421e-1f;
    p = p * f + 1.0f;
    scale.i = ((int32_t)whole + 127) * (1 << 23);
    return p * scale.f;
}

/* NaN never wins. -INFINITY when there is nothing else. */
static float max_of(const float *x, int n)
{
    float lanes[8], best = -INFINITY;
    for (int k = 0; k < 8; k++)
        lanes[k] = -INFINITY;
    for (int i = 0; i + 8 <= n; i += 8) {
        for (int k = 0; k < 8; k++)
            lanes[k] = x[i + k] > lanes[k] ? x[i + k] : lanes[k];
    }
    for (int k = 0; k < 8; k++)
        best = lanes[k] > best ? lanes[k] : best;
    for (int i = n / 8 * 8; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

static int argmax(const float *logits, int n_vocab, const cmat_token_set *allowed)
{
    int best = -1;
    if (!allowed) {
        const float max = max_of(logits, n_vocab);
        for (int i = 0; i < n_vocab; i++) {
            if (logits[i] == max)
                return i;
        }
        return 0;
    }
    if (allowed->ids) {
        best = allowed->ids[0];
        for (int i = 1; i < allowed->n; i++)
            best = logits[allowed->ids[i]] > logits[best] ? allowed->ids[i] : best;
        return best;
    }
    for (int w = 0; w < (n_vocab + 63) / 64; w++) {
        for (uint64_t bits = allowed->bits[w]; bits; bits &= bits - 1) {
            const int i = w * 64 + __builtin_ctzll(bits);
            if (best < 0 || logits[i] > logits[best])
                best = i;
        }
    }
    return best;
}

static int gather(cmat_candidate *c, const float *logits, int n_vocab,
                  const cmat_token_set *allowed)
{
    int n = 0;
    if (allowed && allowed->ids) {
        for (; n < allowed->n; n++)
            c[n] = (cmat_candidate){logits[allowed->ids[n]], allowed->ids[n]};
    } else {
        for (int i = 0; i < n_vocab; i++) {
            if (!allowed || cmat_token_set_has(allowed, i))
                c[n++] = (cmat_candidate){logits[i], i};
        }
    }
    for (int i = 0; i < n; i++) {
        if (isnan(c[i].logit))
            c[i].logit = -INFINITY;
    }
    return n;
}

/* Best first; equal ones by id, so that the order is always the same. */
static int candidate_order(const void *pa, const void *pb)
{
    const cmat_candidate *a = pa, *b = pb;
    if (a->logit != b->logit)
        return a->logit > b->logit ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static void sift_down(cmat_candidate *heap, int n, int i)
{
    for (;;) { /* the worst of the kept ones is at the root */
        int worst = i;
        for (int child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++) {
            if (candidate_order(&heap[child], &heap[worst]) > 0)
                worst = child;
        }
        if (worst == i)
            return;
        cmat_candidate t = heap[i];
        heap[i] = heap[worst];
        heap[worst] = t;
        i = worst;
    }
}

/* Leaves the k best, sorted, in c[0..k). */
static int keep_top_k(cmat_candidate *c, int n, int k)
{
    if (k < n) {
        for (int i = k / 2 - 1; i >= 0; i--)
            sift_down(c, k, i);
        for (int i = k; i < n; i++) {
            if (candidate_order(&c[i], &c[0]) < 0) {
                c[0] = c[i];
                sift_down(c, k, 0);
            }
        }
        n = k;
    }
    qsort(c, (size_t)n, sizeof *c, candidate_order);
    return n;
}

/* The fewest best candidates whose probabilities reach top_p, sorted. Those far below the best are
 * left unsorted unless they turn out to be needed. */
static int keep_top_p(cmat_candidate *c, int n, float top_p)
{
    float max = -INFINITY;
    double total = 0, sum = 0;
    int near = 0;
    for (int i = 0; i < n; i++)
        max = c[i].logit > max ? c[i].logit : max;
    for (int i = 0; i < n; i++) {
        total += (double)exp_neg(c[i].logit - max);
        if (c[i].logit >= max - 12) {
            cmat_candidate t = c[near];
            c[near++] = c[i];
            c[i] = t;
        }
    }
    qsort(c, (size_t)near, sizeof *c, candidate_order);
    for (int i = 0; i < n; i++) {
        if (i == near)
            qsort(c + near, (size_t)(n - near), sizeof *c, candidate_order);
        sum += (double)exp_neg(c[i].logit - max);
        if (sum >= (double)top_p * total)
            return i + 1;
    }
    return n;
}

static int keep_min_p(cmat_candidate *c, int n, float min_p)
{
    float max = -INFINITY;
    int kept = 0;
    for (int i = 0; i < n; i++)
        max = c[i].logit > max ? c[i].logit : max;
    const float least = max + logf(min_p);
    for (int i = 0; i < n; i++) {
        if (c[i].logit >= least)
            c[kept++] = c[i];
    }
    return kept;
}

static int draw(const cmat_candidate *c, int n, float temperature, cmat_rng *rng)
{
    const double u = cmat_rng_double(rng);
    float max = -INFINITY;
    double total = 0, sum = 0;
    int last = 0;
    for (int i = 0; i < n; i++)
        max = c[i].logit > max ? c[i].logit : max;
    if (max == -INFINITY)
        return c[0].id;
    for (int i = 0; i < n; i++)
        total += (double)exp_neg((c[i].logit - max) / temperature);
    for (int i = 0; i < n; i++) {
        const double p = (double)exp_neg((c[i].logit - max) / temperature);
        sum += p;
        if (c[i].logit > -INFINITY)
            last = i;
        if (sum > u * total)
            return c[i].id;
    }
    return c[last].id;
}

static int choose(const float *logits, int n_vocab, const cmat_sampling *s,
                  const cmat_token_set *allowed, cmat_rng *rng, cmat_candidate *scratch)
{
    int n;
    if (s->temperature <= 0)
        return argmax(logits, n_vocab, allowed);
    n = gather(scratch, logits, n_vocab, allowed);
    if (s->top_k > 0)
        n = keep_top_k(scratch, n, s->top_k);
    if (s->top_p < 1)
        n = keep_top_p(scratch, n, s->top_p);
    if (s->min_p > 0)
        n = keep_min_p(scratch, n, s->min_p);
    return draw(scratch, n, s->temperature, rng);
}

int cmat_sample(float *logits, int n_vocab, const cmat_sampling *s, const cmat_token_set *allowed,
                const int32_t *recent, size_t n_recent, cmat_rng *rng, cmat_candidate *scratch)
{
    float saved[CMAT_REPEAT_WINDOW] = {0};
    int32_t penalised[CMAT_REPEAT_WINDOW] = {0};
    size_t n = 0;
    int token;
    if (n_recent > CMAT_REPEAT_WINDOW) {
        recent += n_recent - CMAT_REPEAT_WINDOW;
        n_recent = CMAT_REPEAT_WINDOW;
    }
    for (size_t i = 0; s->repeat_penalty != 1 && i < n_recent; i++) {
        size_t seen = 0;
        while (seen < n && penalised[seen] != recent[i])
            seen++;
        if (seen < n) /* once for each token, however often it stands there */
            continue;
        penalised[n] = recent[i];
        saved[n++] = logits[recent[i]];
        if (logits[recent[i]] > 0)
            logits[recent[i]] /= s->repeat_penalty;
        else
            logits[recent[i]] *= s->repeat_penalty;
    }
    token = choose(logits, n_vocab, s, allowed, rng, scratch);
    for (size_t i = 0; i < n; i++)
        logits[penalised[i]] = saved[i];
    return token;
}

void cmat_top_logprobs(const float *logits, int n_vocab, float log_sum_exp, int k, int32_t *tokens,
                       float *logprobs, cmat_candidate *scratch)
{
    const int n = keep_top_k(scratch, gather(scratch, logits, n_vocab, NULL), k);
    for (int i = 0; i < k; i++) {
        tokens[i] = i < n ? scratch[i].id : -1;
        logprobs[i] = i < n ? scratch[i].logit - log_sum_exp : -INFINITY;
    }
}
