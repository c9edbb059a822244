/* kernel/quantise.c - floats to blocks of a few bits, with the scales that lose least.
 *
 * A block is x_i ~ d q_i (signed grid) or x_i ~ d q_i + m. For each of a row of candidate steps the
 * values are rounded, the best d (and m) for those roundings follows in closed form by least
 * squares, and the candidate of least error is taken. Then d and m are rounded as the format stores
 * them and the values are rounded once more, by what a reader will multiply them with. All weights
 * of a block count alike: giving large ones more weight made a small model's predictions worse.
 *
 * Numbers that are no numbers count as 0. The results do not depend on the machine or the threads.
 */
#include "kernel/quant_impl.h"

#include <math.h>

enum { LANES = 8, MAX_SUB = 32 }; /* weights in a sub-block: 16 or 32, a multiple of LANES */

/* A sub-block and its extremes. */
typedef struct {
    int n;
    float x[MAX_SUB];
    float min, max, biggest; /* biggest: the value of largest size, with its sign */
} sub_block;

/* To the nearest integer; |v| < 2^22. Written so that the compiler keeps it in vectors. */
static inline float nearest(float v)
{
    const float magic = 12582912.0f; /* 1.5 2^23 */
    return (v + magic) - magic;
}

/* v within lo..hi; lo when v is no number. */
static inline float limited(float v, float lo, float hi)
{
    v = v > lo ? v : lo;
    return v < hi ? v : hi;
}

static void sub_init(sub_block *s, const float *x, int n)
{
    s->n = n;
    s->min = s->max = isfinite(x[0]) ? x[0] : 0;
    s->biggest = 0;
    for (int i = 0; i < n; i++) {
        const float v = isfinite(x[i]) ? x[i] : 0;
        s->x[i] = v;
        s->min = v < s->min ? v : s->min;
        s->max = v > s->max ? v : s->max;
        s->biggest = fabsf(v) > fabsf(s->biggest) ? v : s->biggest;
    }
}

/* Sums over a sub-block whose values are rounded to q = lo..hi with step 1 / id from `from` on. */
typedef struct {
    double n, x, xx, q, qq, xq; /* of 1, x, x x, q, q q, x q */
} sums;

static sums sum_rounded(const sub_block *s, float id, float from, float lo, float hi)
{
    float a[5][LANES] = {{0}};
    for (int i = 0; i < s->n; i += LANES)
        for (int l = 0; l < LANES; l++) {
            const float x = s->x[i + l], q = nearest(limited((x - from) * id, lo, hi));
            a[0][l] += x;
            a[1][l] += x * x;
            a[2][l] += q;
            a[3][l] += q * q;
            a[4][l] += x * q;
        }
    double t[5] = {0};
    for (int k = 0; k < 5; k++)
        for (int l = 0; l < LANES; l++)
            t[k] += (double)a[k][l];
    return (sums){s->n, t[0], t[1], t[2], t[3], t[4]};
}

/* Squared error of d q + m. */
static double error_of(const sums *t, double d, double m)
{
    return t->xx - 2 * d * t->xq - 2 * m * t->x + d * d * t->qq + 2 * d * m * t->q + m * m * t->n;
}

static float inverse(float d)
{
    const float id = d != 0 ? 1 / d : 0;
    return isfinite(id) ? id : 0;
}

/* The d of least error on the grid lo..hi (lo < 0 < hi); both signs are tried, since the grid has
 * one value more below. */
static float search_signed(const sub_block *s, float lo, float hi)
{
    enum { STEPS = 12 };
    float best_d = 0;
    double best = 0; /* error saved against all zero */
    if (s->biggest == 0)
        return 0;
    for (int sign = -1; sign <= 1; sign += 2)
        for (int k = 0; k < STEPS; k++) {
            const float reach = (sign < 0 ? -lo : hi) * (0.8f + 0.025f * (float)k);
            const float id = (float)sign * reach / s->biggest;
            if (!isfinite(id))
                continue;
            const sums t = sum_rounded(s, id, 0, lo, hi);
            if (t.qq > 0 && t.xq * t.xq > best * t.qq) {
                best = t.xq * t.xq / t.qq;
                best_d = (float)(t.xq / t.qq);
            }
        }
    return best_d;
}

/* d and m of least error on the grid 0..hi; m <= 0 when nonpositive. */
static void search_affine(const sub_block *s, float hi, bool nonpositive, float *d, float *m)
{
    enum { STEPS = 16 };
    const float from = nonpositive && s->min > 0 ? 0 : s->min, range = s->max - from;
    double best = INFINITY;
    *d = 0;
    *m = from;
    if (!(range > 0) || !isfinite(hi / range))
        return;
    for (int k = 0; k < STEPS; k++) {
        const sums t = sum_rounded(s, hi * (0.82f + 0.02f * (float)k) / range, from, 0, hi);
        const double det = t.n * t.qq - t.q * t.q;
        if (!(det > 0))
            continue;
        double dk = (t.n * t.xq - t.x * t.q) / det, mk = (t.qq * t.x - t.q * t.xq) / det;
        if (nonpositive && mk > 0) {
            mk = 0;
            dk = t.xq / t.qq;
        }
        const double e = error_of(&t, dk, mk);
        if (dk > 0 && e < best) {
            best = e;
            *d = (float)dk;
            *m = (float)mk;
        }
    }
}

/* Error with exactly d and m. */
static double error_with(const sub_block *s, float d, float m, float lo, float hi)
{
    const sums t = sum_rounded(s, inverse(d), m, lo, hi);
    return error_of(&t, (double)d, (double)m);
}

/* q of each weight, lo..hi, plus bias. */
static void round_to(const sub_block *s, float d, float m, float lo, float hi, int bias, uint8_t *q)
{
    const float id = inverse(d);
    for (int i = 0; i < s->n; i++)
        q[i] = (uint8_t)((int)nearest(limited((s->x[i] - m) * id, lo, hi)) + bias);
}

/* As a reader will find it. */
static float as_f16(float f)
{
    return cmat_f16_to_f32(cmat_f32_to_f16(limited(f, -65504, 65504)));
}

/* ---- blocks of 32 ---- */

/* Nibbles of 32 values, low ones first; their fifth bits, bit i of value i. */
static void put_nibbles(uint8_t *p, const uint8_t q[QK])
{
    for (int i = 0; i < QK / 2; i++)
        p[i] = (uint8_t)((q[i] & 15) | (q[i + QK / 2] & 15) << 4);
}

static void put_fifth_bits(uint8_t *p, const uint8_t q[QK])
{
    uint32_t bits = 0;
    for (int i = 0; i < QK; i++)
        bits |= (uint32_t)(q[i] >> 4 & 1) << i;
    memcpy(p, &bits, 4);
}

static void signed_block(const float *x, uint8_t *p, int half)
{
    uint8_t q[QK];
    sub_block s;
    sub_init(&s, x, QK);
    const float d = as_f16(search_signed(&s, (float)-half, (float)(half - 1)));
    cmat_store_f16(p, d);
    round_to(&s, d, 0, (float)-half, (float)(half - 1), half, q);
    if (half == 16)
        put_fifth_bits(p + 2, q);
    put_nibbles(p + (half == 16 ? 6 : 2), q);
}

static void affine_block(const float *x, uint8_t *p, int max)
{
    uint8_t q[QK];
    float d, m;
    sub_block s;
    sub_init(&s, x, QK);
    search_affine(&s, (float)max, false, &d, &m);
    d = as_f16(d);
    m = as_f16(m);
    cmat_store_f16(p, d);
    cmat_store_f16(p + 2, m);
    round_to(&s, d, m, 0, (float)max, 0, q);
    if (max == 31)
        put_fifth_bits(p + 4, q);
    put_nibbles(p + (max == 31 ? 8 : 4), q);
}

void cmat_q4_0_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 18, x += QK)
        signed_block(x, p, 8);
}

void cmat_q5_0_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 22, x += QK)
        signed_block(x, p, 16);
}

void cmat_q4_1_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 20, x += QK)
        affine_block(x, p, 15);
}

void cmat_q5_1_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 24, x += QK)
        affine_block(x, p, 31);
}

/* ---- super-blocks of 256 ---- */

enum { MAX_SUBS = 16 };

/* A super-block: n_subs sub-blocks, w = d scale_j q (- dmin min_j). */
typedef struct {
    int n_subs;
    sub_block sub[MAX_SUBS];
    float d, dmin; /* as f16 stores them */
    int scale[MAX_SUBS], min[MAX_SUBS];
    uint8_t q[QK_K];
} super_block;

static void super_init(super_block *b, const float *x, int n_subs)
{
    const int n = QK_K / n_subs;
    memset(b, 0, sizeof *b);
    b->n_subs = n_subs;
    for (int j = 0; j < n_subs; j++)
        sub_init(&b->sub[j], x + (ptrdiff_t)n * j, n);
}

/* v / d to the nearest of lo..hi. */
static int scale_to(float v, float d, int lo, int hi)
{
    return (int)nearest(limited(v * inverse(d), (float)lo, (float)hi));
}

/* Scales of a grid lo..hi within scale_lo..scale_hi, each and its neighbours tried. */
static void fit_signed(super_block *b, int lo, int hi, int scale_lo, int scale_hi)
{
    float ideal[MAX_SUBS], biggest = 0;
    for (int j = 0; j < b->n_subs; j++) {
        ideal[j] = search_signed(&b->sub[j], (float)lo, (float)hi);
        biggest = fabsf(ideal[j]) > fabsf(biggest) ? ideal[j] : biggest;
    }
    b->d = as_f16(biggest / (float)scale_lo); /* the range below has one more */
    for (int j = 0; j < b->n_subs; j++) {
        const int middle = scale_to(ideal[j], b->d, scale_lo, scale_hi);
        double best = INFINITY;
        for (int k = middle - 1; k <= middle + 1; k++) {
            if (k < scale_lo || k > scale_hi)
                continue;
            const double e = error_with(&b->sub[j], b->d * (float)k, 0, (float)lo, (float)hi);
            if (e < best) {
                best = e;
                b->scale[j] = k;
            }
        }
        round_to(&b->sub[j], b->d * (float)b->scale[j], 0, (float)lo, (float)hi, -lo,
                 b->q + (ptrdiff_t)b->sub[j].n * j);
    }
}

/* The best scale and minimum of sub-block j next to (scale, min). */
static void fit_pair(super_block *b, int j, int scale, int min, float hi, int max)
{
    double best = INFINITY;
    for (int k = scale - 1; k <= scale + 1; k++)
        for (int i = min - 1; i <= min + 1; i++) {
            if (k < 0 || k > max || i < 0 || i > max)
                continue;
            const double e = error_with(&b->sub[j], b->d * (float)k, -(b->dmin * (float)i), 0, hi);
            if (e < best) {
                best = e;
                b->scale[j] = k;
                b->min[j] = i;
            }
        }
}

/* Scales and minima of a grid 0..hi, each 0..max. */
static void fit_affine(super_block *b, int hi, int max)
{
    float d[MAX_SUBS] = {0}, m[MAX_SUBS] = {0}, biggest = 0, lowest = 0;
    for (int j = 0; j < b->n_subs; j++) {
        search_affine(&b->sub[j], (float)hi, true, &d[j], &m[j]);
        biggest = d[j] > biggest ? d[j] : biggest;
        lowest = m[j] < lowest ? m[j] : lowest;
    }
    b->d = as_f16(biggest / (float)max);
    b->dmin = as_f16(-lowest / (float)max);
    for (int j = 0; j < b->n_subs; j++) {
        fit_pair(b, j, scale_to(d[j], b->d, 0, max), scale_to(-m[j], b->dmin, 0, max), (float)hi,
                 max);
        round_to(&b->sub[j], b->d * (float)b->scale[j], -(b->dmin * (float)b->min[j]), 0, (float)hi,
                 0, b->q + (ptrdiff_t)b->sub[j].n * j);
    }
}

/* The 12 bytes of eight 6-bit scales and minima; see cmat_k_scale_min. */
static void put_scale_mins(uint8_t *p, const super_block *b)
{
    for (int j = 0; j < 4; j++) {
        p[j] = (uint8_t)(b->scale[j] | (b->scale[j + 4] >> 4) << 6);
        p[j + 4] = (uint8_t)(b->min[j] | (b->min[j + 4] >> 4) << 6);
        p[j + 8] = (uint8_t)((b->scale[j + 4] & 15) | (b->min[j + 4] & 15) << 4);
    }
}

/* 32 bytes hold two sub-blocks of 32, the even one in the low nibbles. */
static void put_k_nibbles(uint8_t *p, const uint8_t *q)
{
    for (int j = 0; j < QK_K; j += 64, p += 32)
        for (int i = 0; i < 32; i++)
            p[i] = (uint8_t)((q[j + i] & 15) | (q[j + 32 + i] & 15) << 4);
}

void cmat_q4_k_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    super_block b;
    for (size_t i = 0; i < n / QK_K; i++, p += 144, x += QK_K) {
        super_init(&b, x, 8);
        fit_affine(&b, 15, 63);
        cmat_store_f16(p, b.d);
        cmat_store_f16(p + 2, b.dmin);
        put_scale_mins(p + 4, &b);
        put_k_nibbles(p + 16, b.q);
    }
}

void cmat_q5_k_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    super_block b;
    for (size_t i = 0; i < n / QK_K; i++, p += 176, x += QK_K) {
        super_init(&b, x, 8);
        fit_affine(&b, 31, 63);
        cmat_store_f16(p, b.d);
        cmat_store_f16(p + 2, b.dmin);
        put_scale_mins(p + 4, &b);
        memset(p + 16, 0, 32);
        for (int j = 0; j < QK_K; j++)
            p[16 + j % 32] |= (uint8_t)((b.q[j] >> 4) << (j / 32));
        put_k_nibbles(p + 48, b.q);
    }
}

void cmat_q6_k_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    super_block b;
    for (size_t i = 0; i < n / QK_K; i++, p += 210, x += QK_K) {
        super_init(&b, x, 16);
        fit_signed(&b, -32, 31, -128, 127);
        memset(p, 0, 192);
        for (int j = 0; j < QK_K; j++) {
            const int half = j / 128, k = j % 128 / 32, at = j % 32;
            p[64 * half + 32 * (k & 1) + at] |= (uint8_t)((b.q[j] & 15) << (k >= 2 ? 4 : 0));
            p[128 + 32 * half + at] |= (uint8_t)((b.q[j] >> 4) << (2 * k));
        }
        for (int j = 0; j < 16; j++)
            p[192 + j] = (uint8_t)(int8_t)b.scale[j];
        cmat_store_f16(p + 208, b.d);
    }
}
