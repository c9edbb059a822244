/* kernel/qpack_avx2.c - panels of 16-bit integers for cmat_qgemm.
 *
 * Forward (B = W^T): the quantised values of a file's blocks, transposed, with their scales and
 * minima; exact. Backward (B = W): the sum runs over rows of W, whose scales differ, so a block of
 * 32 rows is widened and rounded again to 13 bits with one scale a column. */
#include "kernel/avx2.h"
#include "kernel/plain.h"
#include "kernel/qgemm.h"
#include "kernel/quant_impl.h"
#include <assert.h>
#include <string.h>

/* 32 consecutive weights of a row: values, a scale for each half of 16, and the minimum. */
typedef struct {
    __m256i lo, hi; /* int16 */
    float d[2], m;
} run;

static inline float load_f16(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return _cvtsh_ss(h);
}

static inline run run_of(__m256i bytes, float d, float m)
{
    return (run){_mm256_cvtepi8_epi16(_mm256_castsi256_si128(bytes)),
                 _mm256_cvtepi8_epi16(_mm256_extracti128_si256(bytes, 1)),
                 {d, d},
                 m};
}

static inline __m256i load32(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

/* Bits shift .. shift+count-1 of each byte. */
static inline __m256i byte_bits(__m256i v, int shift, int mask)
{
    return _mm256_and_si256(_mm256_srl_epi16(v, _mm_cvtsi32_si128(shift)),
                            _mm256_set1_epi8((char)mask));
}

static inline run run_k(const uint8_t *p, int j, const uint8_t *qs, const uint8_t *qh)
{
    int scale, min;
    cmat_k_scale_min(p + 4, j, &scale, &min);
    __m256i q = byte_bits(load32(qs + 32 * (j / 2)), j & 1 ? 4 : 0, 15);
    if (qh)
        q = _mm256_or_si256(q, _mm256_slli_epi16(byte_bits(load32(qh), j, 1), 4));
    return run_of(q, load_f16(p) * (float)scale, -(load_f16(p + 2) * (float)min));
}

static inline run run_q6_k(const uint8_t *p, int b)
{
    const int half = b / 4, k = b % 4;
    const __m256i lo = byte_bits(load32(p + 64 * half + 32 * (k & 1)), k >= 2 ? 4 : 0, 15);
    const __m256i hi = byte_bits(load32(p + 128 + 32 * half), 2 * k, 3);
    const __m256i q = _mm256_or_si256(lo, _mm256_slli_epi16(hi, 4));
    run r = run_of(_mm256_sub_epi8(q, _mm256_set1_epi8(32)), 0, 0);
    const float d = load_f16(p + 208);
    r.d[0] = d * (float)(int8_t)p[192 + 2 * b];
    r.d[1] = d * (float)(int8_t)p[192 + 2 * b + 1];
    return r;
}

static inline run run_q3_k(const uint8_t *p, int b)
{
    const __m256i low = byte_bits(load32(p + 32 + 32 * (b / 4)), 2 * (b % 4), 3);
    const __m256i high = _mm256_slli_epi16(byte_bits(load32(p), b, 1), 2);
    const __m256i q = _mm256_sub_epi8(_mm256_or_si256(low, high), _mm256_set1_epi8(4));
    run r = run_of(q, 0, 0);
    const float d = load_f16(p + 108);
    r.d[0] = d * (float)cmat_q3_k_scale(p + 96, 2 * b);
    r.d[1] = d * (float)cmat_q3_k_scale(p + 96, 2 * b + 1);
    return r;
}

/* 32 nibbles through a table. */
static inline run run_table(const int8_t values[16], const uint8_t *qs, float d)
{
    const __m256i table =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)values));
    return run_of(_mm256_shuffle_epi8(table, cmat_avx2_nibbles(qs)), d, 0);
}

/* Run b of a row; type is a constant in each use. */
static inline __attribute__((always_inline)) run load_run(cmat_type type, const uint8_t *row, int b)
{
    const uint8_t *p = row + (size_t)b * 20;
    const uint8_t *k = row + (size_t)(b / 8) * 144;
    float d;
    switch (type) {
    case CMAT_TYPE_Q4_0:
        p = row + (size_t)b * 18;
        d = load_f16(p);
        return run_of(cmat_avx2_nibbles(p + 2), d, -8 * d);
    case CMAT_TYPE_Q4_1:
        return run_of(cmat_avx2_nibbles(p + 4), load_f16(p), load_f16(p + 2));
    case CMAT_TYPE_Q5_0:
        p = row + (size_t)b * 22;
        d = load_f16(p);
        return run_of(_mm256_or_si256(cmat_avx2_nibbles(p + 6), cmat_avx2_fifth_bits(p + 2)), d,
                      -16 * d);
    case CMAT_TYPE_Q5_1:
        p = row + (size_t)b * 24;
        return run_of(_mm256_or_si256(cmat_avx2_nibbles(p + 8), cmat_avx2_fifth_bits(p + 4)),
                      load_f16(p), load_f16(p + 2));
    case CMAT_TYPE_Q4_K:
        return run_k(k, b % 8, k + 16, NULL);
    case CMAT_TYPE_Q5_K:
        k = row + (size_t)(b / 8) * 176;
        return run_k(k, b % 8, k + 48, k + 16);
    case CMAT_TYPE_Q6_K:
        return run_q6_k(row + (size_t)(b / 8) * 210, b % 8);
    case CMAT_TYPE_Q3_K:
        return run_q3_k(row + (size_t)(b / 8) * 110, b % 8);
    case CMAT_TYPE_IQ4_NL:
        p = row + (size_t)b * 18;
        return run_table(cmat_iq4_values, p + 2, load_f16(p));
    case CMAT_TYPE_IQ4_XS:
        k = row + (size_t)(b / 8) * 136;
        return run_table(cmat_iq4_values, k + 8 + 16 * (b % 8),
                         load_f16(k) * (float)cmat_iq4_xs_scale(k, b % 8));
    case CMAT_TYPE_MXFP4:
        p = row + (size_t)b * 17;
        return run_table(cmat_mxfp4_values, p + 1, cmat_mxfp4_scale(p[0]));
    default: /* Q8_0 */
        p = row + (size_t)b * 34;
        return run_of(load32(p + 2), load_f16(p), 0);
    }
}

/* Columns c .. c+7 of a block of 32 (block: pairs of 16) or of two of 16, from one run of each of 8
 * rows (n of them there). */
static inline __attribute__((always_inline)) void pack_block(cmat_type type, char *block, int width,
                                                             int c, const uint8_t *rows,
                                                             size_t row_bytes, int n, int b)
{
    const bool halves = type == CMAT_TYPE_Q6_K || type == CMAT_TYPE_Q3_K;
    _Alignas(32) int16_t q[8][32];
    _Alignas(32) float d[2][8] = {{0}}, m[8] = {0};
    for (int j = 0; j < 8; j++) {
        if (j >= n) {
            memset(q[j], 0, sizeof q[j]);
            continue;
        }
        const run r = load_run(type, rows + (size_t)j * row_bytes, b);
        _mm256_store_si256((__m256i *)q[j], r.lo);
        _mm256_store_si256((__m256i *)(q[j] + 16), r.hi);
        d[0][j] = r.d[0];
        d[1][j] = r.d[1];
        m[j] = r.m;
    }
    const size_t half_bytes = (size_t)width * 32, w = (size_t)width;
    const size_t second = halves ? 2 * (w * 8) + half_bytes : w * 8 + half_bytes;
    for (int h = 0; h < 2; h++) {
        float *to = (float *)(void *)(block + (h ? second : w * 8)) + c;
        cmat_avx2_transpose8((const float *)(const void *)(q[0] + 16 * h), 16, to, w);
        if (h && !halves)
            break;
        float *head = (float *)(void *)(block + (h ? w * 8 + half_bytes : 0));
        _mm256_store_ps(head + c, _mm256_load_ps(d[h]));
        _mm256_store_ps(head + width + c, _mm256_load_ps(m));
    }
}

static inline __attribute__((always_inline)) void pack_type(cmat_type type, const cmat_weight *w,
                                                            char *panels, int width, int n0, int n,
                                                            int b0, int n_blocks)
{
    const size_t row_bytes = cmat_weight_row_bytes(w);
    const size_t bytes = type == CMAT_TYPE_Q6_K || type == CMAT_TYPE_Q3_K
                             ? 2 * cmat_q_block_bytes(width, 8)
                             : cmat_q_block_bytes(width, 16);
    for (int p = 0; p < n; p += width)
        for (int b = 0; b < n_blocks; b++, panels += bytes)
            for (int c = 0; c < width; c += 8)
                pack_block(type, panels, width, c,
                           (const uint8_t *)w->data + (size_t)(n0 + p + c) * row_bytes, row_bytes,
                           n - p - c, b0 + b);
}

int cmat_avx2_q_pairs(cmat_type type)
{
    switch (type) {
    case CMAT_TYPE_Q4_0:
    case CMAT_TYPE_Q4_1:
    case CMAT_TYPE_Q5_0:
    case CMAT_TYPE_Q5_1:
    case CMAT_TYPE_Q8_0:
    case CMAT_TYPE_Q4_K:
    case CMAT_TYPE_Q5_K:
    case CMAT_TYPE_IQ4_NL:
    case CMAT_TYPE_IQ4_XS:
    case CMAT_TYPE_MXFP4:
        return 16;
    case CMAT_TYPE_Q3_K:
    case CMAT_TYPE_Q6_K:
        return 8;
    default:
        return 0;
    }
}

void cmat_avx2_q_pack_rows(const void *b, char *panels, int width, int n0, int n, int b0,
                           int n_blocks)
{
    const cmat_weight *w = b;
    switch (w->type) {
    case CMAT_TYPE_Q4_0:
        pack_type(CMAT_TYPE_Q4_0, w, panels, width, n0, n, b0, n_blocks);
        break;
    case CMAT_TYPE_Q4_1:
        pack_type(CMAT_TYPE_Q4_1, w, panels, width, n0, n, b0, n_blocks);
        break;
    case CMAT_TYPE_Q5_0:
        pack_type(CMAT_TYPE_Q5_0, w, panels, width, n0, n, b0, n_blocks);
        break;
    case CMAT_TYPE_Q5_1:
        pack_type(CMAT_TYPE_Q5_1, w, panels, width, n0, n, b0, n_blocks);
        break;
    case CMAT_TYPE_Q8_0:
        pack_type(CMAT_TYPE_Q8_0, w, panels, width, n0, n, b0, n_blocks);
        break;
    case CMAT_TYPE_Q4_K:
        pack_type(CMAT_TYPE_Q4_K, w, panels, width, n0, n, b0, n_blocks);
        break;
    case CMAT_TYPE_Q5_K:
        pack_type(CMAT_TYPE_Q5_K, w, panels, width, n0, n, b0, n_blocks);
        break;
    case CMAT_TYPE_Q6_K:
        pack_type(CMAT_TYPE_Q6_K, w, panels, width, n0, n, b0, n_blocks);
        break;
    case CMAT_TYPE_Q3_K:
        pack_type(CMAT_TYPE_Q3_K, w, panels, width, n0, n, b0, n_blocks);
        break;
    case CMAT_TYPE_IQ4_NL:
        pack_type(CMAT_TYPE_IQ4_NL, w, panels, width, n0, n, b0, n_blocks);
        break;
    case CMAT_TYPE_IQ4_XS:
        pack_type(CMAT_TYPE_IQ4_XS, w, panels, width, n0, n, b0, n_blocks);
        break;
    case CMAT_TYPE_MXFP4:
        pack_type(CMAT_TYPE_MXFP4, w, panels, width, n0, n, b0, n_blocks);
        break;
    default:
        assert(false); /* cmat_avx2_q_pairs said 0 */
    }
}

/* ---- backward ---- */

/* Eight columns of 32 rows (ld apart) rounded to +-CMAT_Q_BACKWARD_W; pairs of rows side by side.
 */
static void round_columns(char *block, int width, int c, const float *rows, size_t ld)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 max = _mm256_setzero_ps();
    for (size_t k = 0; k < CMAT_Q_BLOCK; k++)
        max = _mm256_max_ps(max, _mm256_andnot_ps(sign, _mm256_load_ps(rows + k * ld)));
    const __m256 limit = _mm256_set1_ps(CMAT_Q_BACKWARD_W);
    const __m256 big = _mm256_cmp_ps(max, _mm256_set1_ps(1e-30f), _CMP_GE_OQ);
    const __m256 inv = _mm256_and_ps(_mm256_div_ps(limit, max), big);
    float *head = (float *)(void *)block;
    _mm256_store_ps(head + c, _mm256_and_ps(_mm256_div_ps(max, limit), big));
    _mm256_store_ps(head + width + c, _mm256_setzero_ps());
    char *out = block + (size_t)width * 8 + (size_t)c * 4;
    for (size_t k = 0; k < CMAT_Q_BLOCK; k += 2, out += (size_t)width * 4) {
        const __m256 a = _mm256_load_ps(rows + k * ld), b = _mm256_load_ps(rows + (k + 1) * ld);
        const __m256i qa = _mm256_cvtps_epi32(_mm256_mul_ps(a, inv));
        const __m256i qb = _mm256_cvtps_epi32(_mm256_mul_ps(b, inv));
        _mm256_store_si256((__m256i *)out, _mm256_blend_epi16(qa, _mm256_slli_epi32(qb, 16), 0xaa));
    }
}

enum { MAX_STRIPE = 256 };

void cmat_avx2_widen_rows(float *rows, size_t ld, const cmat_weight *w, int o, int n_rows, int n0,
                          int n)
{
    const cmat_type_info *info = cmat_type_get((int)w->type);
    cmat_widen_fn *widen = cmat_avx2_widen(w->type);
    const size_t row_bytes = cmat_weight_row_bytes(w);
    const size_t at = (size_t)(n0 / info->block_weights) * (size_t)info->block_bytes;
    for (int k = 0; k < n_rows; k++, rows += ld)
        if (o + k < w->n_out)
            widen((const char *)w->data + (size_t)(o + k) * row_bytes + at, rows, (size_t)n);
        else
            memset(rows, 0, (size_t)n * sizeof *rows);
}

void cmat_avx2_q_pack_columns(const void *b, char *panels, int width, int n0, int n, int b0,
                              int n_blocks)
{
    const cmat_weight *w = b;
    const size_t bytes = cmat_q_block_bytes(width, 16);
    _Alignas(32) float rows[CMAT_Q_BLOCK * MAX_STRIPE];
    assert(n <= MAX_STRIPE && n % 8 == 0);
    for (int i = 0; i < n_blocks; i++) {
        cmat_avx2_widen_rows(rows, MAX_STRIPE, w, (b0 + i) * CMAT_Q_BLOCK, CMAT_Q_BLOCK, n0, n);
        for (int c = 0; c < n; c += 8)
            round_columns(panels + ((size_t)(c / width) * (size_t)n_blocks + (size_t)i) * bytes,
                          width, c % width, rows + c, MAX_STRIPE);
    }
}
