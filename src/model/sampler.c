/* model/sampler.c - greedy choice and the usual truncations (top-p: arXiv 1904.09751, min-p: arXiv
 * 2407.01082), over all tokens or those that a constraint allows. */
#include "model/sampler.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

enum {
    WORD = 64, /* tokens of a word of a set's bits */
    SORTED_AT_ONCE = 512,
    BINS = 256,  /* of NEAR, to find where a probability is reached */
    SLICE = 1024 /* tokens whose probabilities are added up before one of them is looked for */
};
/* Below the best logit: what is further off is rarely needed (e^-12 of the best one's chance). */
static const float NEAR = 12;

/* exp(x) for x <= 0 by 2^n p(f), |error| < 2e-7 relative, 1e-38 below -87 and for NaN. A plain loop
 * over it is vectorised: the bound is taken of the bits, as integers, since a comparison of floats
 * would stay a branch. */
static inline float exp_neg(float x)
{
    union {
        float f;
        uint32_t u;
        int32_t i;
    } scale, in = {.f = x}, least = {.f = -87.0f};
    in.u = in.u > least.u ? least.u : in.u;
    const float t = in.f * 1.44269504f;
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

/* y = x for allowed tokens, -INFINITY for others and for NaN. */
static inline void mask_word(float *restrict y, const float *restrict x, uint64_t bits)
{
    static const int32_t lane[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    for (int k = 0; k < WORD; k += 8) {
        const int32_t byte = (int32_t)(bits >> k & 0xff);
        for (int j = 0; j < 8; j++)
            y[k + j] = (byte & lane[j]) && x[k + j] > -INFINITY ? x[k + j] : -INFINITY;
    }
}

/* The same for n tokens; allowed NULL: any. */
static void mask_logits(float *y, const float *x, int n, const uint64_t *allowed)
{
    int w = 0;
    for (; w < n / WORD; w++)
        mask_word(y + w * WORD, x + w * WORD, allowed ? allowed[w] : ~(uint64_t)0);
    for (int i = w * WORD; i < n; i++)
        y[i] = (!allowed || allowed[w] >> (i % WORD) & 1) && x[i] > -INFINITY ? x[i] : -INFINITY;
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

static int first_of_bits(const uint64_t *bits)
{
    int w = 0;
    while (!bits[w])
        w++;
    return w * WORD + __builtin_ctzll(bits[w]);
}

static int argmax_of_bits(const float *logits, int n_vocab, const uint64_t *bits)
{
    float word[WORD], best = -INFINITY;
    int at = -1;
    for (int w = 0; w * WORD < n_vocab; w++) {
        const int n = n_vocab - w * WORD < WORD ? n_vocab - w * WORD : WORD;
        if (!bits[w])
            continue;
        mask_logits(word, logits + w * WORD, n, bits + w);
        const float max = max_of(word, n);
        if (max > best) {
            best = max;
            at = w;
        }
    }
    for (uint64_t b = at < 0 ? 0 : bits[at]; b; b &= b - 1) {
        const int i = at * WORD + __builtin_ctzll(b);
        if (logits[i] == best)
            return i;
    }
    return first_of_bits(bits); /* they are all NaN or -INFINITY */
}

static int argmax(const float *logits, int n_vocab, const cmat_token_set *allowed)
{
    if (!allowed) {
        const float max = max_of(logits, n_vocab);
        for (int i = 0; i < n_vocab; i++) {
            if (logits[i] == max)
                return i;
        }
        return 0;
    }
    if (!allowed->ids)
        return argmax_of_bits(logits, n_vocab, allowed->bits);
    int best = allowed->ids[0];
    for (int i = 1; i < allowed->n; i++)
        best = logits[allowed->ids[i]] > logits[best] ? allowed->ids[i] : best;
    return best;
}

static int gather_list(cmat_candidate *c, const float *logits, const cmat_token_set *allowed)
{
    int n = 0;
    for (int i = 0; i < allowed->n; i++) {
        if (logits[allowed->ids[i]] > -INFINITY)
            c[n++] = (cmat_candidate){logits[allowed->ids[i]], allowed->ids[i]};
    }
    return n;
}

/* Those of n logits that are `least` or more. */
static int gather(cmat_candidate *c, const float *logits, int n, float least)
{
    int kept = 0;
    for (int i = 0; i < n; i += 8) {
        const int m = n - i < 8 ? n - i : 8;
        int any = m < 8;
        for (int j = 0; m == 8 && j < 8; j++)
            any |= logits[i + j] >= least;
        for (int j = 0; any && j < m; j++) {
            if (logits[i + j] >= least)
                c[kept++] = (cmat_candidate){logits[i + j], i + j};
        }
    }
    return kept;
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

static float max_logit(const cmat_candidate *c, int n)
{
    float max = -INFINITY;
    for (int i = 0; i < n; i++)
        max = c[i].logit > max ? c[i].logit : max;
    return max;
}

/* Relative to the likeliest token's, as all probabilities here. */
static double probability_sum(const cmat_candidate *c, int n, float max)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)exp_neg(c[i].logit - max);
    return sum;
}

/* Brings the candidates whose logit is `least` or more before the others; returns how many. */
static int partition(cmat_candidate *c, int n, float least)
{
    int kept = 0;
    for (int i = 0; i < n; i++) {
        if (c[i].logit >= least) {
            const cmat_candidate t = c[kept];
            c[kept++] = c[i];
            c[i] = t;
        }
    }
    return kept;
}

/* Where the sum of probabilities, taken from the best on, reaches goal: at a logit between max -
 * bin NEAR / BINS and the next bin's. */
static int bin_of(const cmat_candidate *c, int n, float max, double goal)
{
    double mass[BINS] = {0}, sum = 0;
    int bin = 0;
    for (int i = 0; i < n; i++) {
        const float at = (max - c[i].logit) * (BINS / NEAR);
        mass[at < BINS - 1 ? (int)at : BINS - 1] += (double)exp_neg(c[i].logit - max);
    }
    while (bin < BINS - 1 && sum + mass[bin] < goal)
        sum += mass[bin++];
    return bin;
}

/* The fewest best candidates whose probabilities add up to goal, in front; 0: all n do not. Of many
 * only those around the last one are sorted. */
static int keep_best(cmat_candidate *c, int n, float max, double goal)
{
    int kept = 0, end = n;
    double sum = 0;
    if (n > SORTED_AT_ONCE) {
        const int bin = bin_of(c, n, max, goal);
        kept = bin ? partition(c, n, max - (float)bin * NEAR / BINS) : 0;
        sum = probability_sum(c, kept, max);
        if (sum < goal)
            end = kept + partition(c + kept, n - kept, max - (float)(bin + 1) * NEAR / BINS);
        else /* by rounding */
            sum = kept = 0;
    }
    for (;; end = n) {
        qsort(c + kept, (size_t)(end - kept), sizeof *c, candidate_order);
        for (; kept < end; kept++) {
            sum += (double)exp_neg(c[kept].logit - max);
            if (sum >= goal)
                return kept + 1;
        }
        if (end == n)
            return 0;
    }
}

/* Top-p among candidates. */
static int keep_top_p(cmat_candidate *c, int n, float top_p)
{
    const float max = max_logit(c, n);
    const int kept = keep_best(c, n, max, (double)top_p * probability_sum(c, n, max));
    return kept ? kept : n;
}

/* Top-p among all tokens, most of which need not be looked at one by one. */
static int gather_top_p(cmat_candidate *c, const float *logits, int n_vocab, float top_p,
                        const cmat_kernel_ops *kernel)
{
    const float max = max_of(logits, n_vocab);
    const double total = exp((double)kernel->log_sum_exp(logits, n_vocab) - (double)max);
    const int n = gather(c, logits, n_vocab, max - NEAR);
    const int kept = keep_best(c, n, max, (double)top_p * total);
    return kept ? kept : keep_top_p(c, gather(c, logits, n_vocab, -FLT_MAX), top_p);
}

static int keep_min_p(cmat_candidate *c, int n, float min_p)
{
    return partition(c, n, max_logit(c, n) + logf(min_p));
}

static int draw(const cmat_candidate *c, int n, float temperature, cmat_rng *rng)
{
    const double u = cmat_rng_double(rng);
    const float max = max_logit(c, n);
    double total = 0, sum = 0;
    for (int i = 0; i < n; i++)
        total += (double)exp_neg((c[i].logit - max) / temperature);
    for (int i = 0; i < n - 1; i++) {
        sum += (double)exp_neg((c[i].logit - max) / temperature);
        if (sum > u * total)
            return c[i].id;
    }
    return c[n - 1].id;
}

/* The sum of the probabilities of n <= SLICE tokens. */
static double slice_sum(const float *x, int n, float max, float temperature)
{
    float p[SLICE] = {0}, lanes[8] = {0};
    double sum = 0;
    int i = 0;
    for (int k = 0; k < n; k++)
        p[k] = exp_neg((x[k] - max) / temperature);
    for (; i + 8 <= n; i += 8) {
        for (int k = 0; k < 8; k++)
            lanes[k] += p[i + k];
    }
    for (int k = 0; k < 8; k++)
        sum += (double)lanes[k];
    for (; i < n; i++)
        sum += (double)p[i];
    return sum;
}

/* One of all tokens whose logits are not -INFINITY; -1: none is. */
static int draw_any(const float *x, int n, float temperature, cmat_rng *rng)
{
    const double u = cmat_rng_double(rng);
    const float max = max_of(x, n);
    double total = 0, sum = 0;
    int first = 0, token = -1;
    for (int i = 0; i < n; i += SLICE)
        total += slice_sum(x + i, n - i < SLICE ? n - i : SLICE, max, temperature);
    for (; first + SLICE < n; first += SLICE) {
        const double next = sum + slice_sum(x + first, SLICE, max, temperature);
        if (next > u * total)
            break;
        sum = next;
    }
    for (int i = first; i < n; i++) { /* past the slice only by rounding */
        if (x[i] == -INFINITY)
            continue;
        token = i;
        sum += (double)exp_neg((x[i] - max) / temperature);
        if (sum > u * total)
            break;
    }
    return token;
}

static int choose(const cmat_kernel_ops *kernel, const float *logits, int n_vocab,
                  const cmat_sampling *s, const cmat_token_set *allowed, cmat_rng *rng,
                  cmat_candidate *scratch)
{
    const bool list = allowed && allowed->ids;
    float *masked = (float *)(scratch + n_vocab);
    int n, token = -1;
    if (s->temperature <= 0)
        return argmax(logits, n_vocab, allowed);
    if (!list)
        mask_logits(masked, logits, n_vocab, allowed ? allowed->bits : NULL);
    if (!list && s->top_k == 0 && s->top_p >= 1 && s->min_p <= 0) {
        token = draw_any(masked, n_vocab, s->temperature, rng);
    } else {
        const bool whole = !list && s->top_k == 0 && s->top_p < 1;
        n = list    ? gather_list(scratch, logits, allowed)
            : whole ? gather_top_p(scratch, masked, n_vocab, s->top_p, kernel)
                    : gather(scratch, masked, n_vocab, -FLT_MAX);
        if (s->top_k > 0)
            n = keep_top_k(scratch, n, s->top_k);
        if (s->top_p < 1 && !whole)
            n = keep_top_p(scratch, n, s->top_p);
        if (s->min_p > 0)
            n = keep_min_p(scratch, n, s->min_p);
        token = n > 0 ? draw(scratch, n, s->temperature, rng) : -1;
    }
    if (token >= 0 || !allowed)
        return token >= 0 ? token : 0;
    return list ? allowed->ids[0] : first_of_bits(allowed->bits); /* none could be: any */
}

int cmat_sample(const cmat_kernel_ops *kernel, float *logits, int n_vocab, const cmat_sampling *s,
                const cmat_token_set *allowed, const int32_t *recent, size_t n_recent,
                cmat_rng *rng, cmat_candidate *scratch)
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
    token = choose(kernel, logits, n_vocab, s, allowed, rng, scratch);
    for (size_t i = 0; i < n; i++)
        logits[penalised[i]] = saved[i];
    return token;
}

void cmat_top_logprobs(const float *logits, int n_vocab, float log_sum_exp, int k, int32_t *tokens,
                       float *logprobs, cmat_candidate *scratch)
{
    const int n = keep_top_k(scratch, gather(scratch, logits, n_vocab, -FLT_MAX), k);
    for (int i = 0; i < k; i++) {
        tokens[i] = i < n ? scratch[i].id : -1;
        logprobs[i] = i < n ? scratch[i].logit - log_sum_exp : -INFINITY;
    }
}
