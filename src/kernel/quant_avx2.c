/* kernel/quant_avx2.c - blocks to float with AVX2: the same bits as quant.c, because d q (at most
 * 11 + 8 bits) is exact and the one addition that follows rounds once. */
#include "kernel/avx2.h"
#include <string.h>

static inline float load_f16(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return _cvtsh_ss(h);
}

/* 32 signed bytes: out = d q + m */
static inline void store32(float *out, __m256i q, __m256 d, __m256 m)
{
    const __m128i lo = _mm256_castsi256_si128(q), hi = _mm256_extracti128_si256(q, 1);
    const __m128i part[4] = {lo, _mm_srli_si128(lo, 8), hi, _mm_srli_si128(hi, 8)};
    for (int i = 0; i < 4; i++)
        _mm256_storeu_ps(out + 8 * i,
                         _mm256_fmadd_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(part[i])), m));
}

static void q4_0(const void *blocks, float *out, size_t n)
{
    for (const uint8_t *p = blocks; n; n -= 32, p += 18, out += 32)
        store32(out, _mm256_sub_epi8(cmat_avx2_nibbles(p + 2), _mm256_set1_epi8(8)),
                _mm256_set1_ps(load_f16(p)), _mm256_setzero_ps());
}

static void q4_1(const void *blocks, float *out, size_t n)
{
    for (const uint8_t *p = blocks; n; n -= 32, p += 20, out += 32)
        store32(out, cmat_avx2_nibbles(p + 4), _mm256_set1_ps(load_f16(p)),
                _mm256_set1_ps(load_f16(p + 2)));
}

static void q5_0(const void *blocks, float *out, size_t n)
{
    for (const uint8_t *p = blocks; n; n -= 32, p += 22, out += 32)
        store32(
            out,
            _mm256_sub_epi8(_mm256_or_si256(cmat_avx2_nibbles(p + 6), cmat_avx2_fifth_bits(p + 2)),
                            _mm256_set1_epi8(16)),
            _mm256_set1_ps(load_f16(p)), _mm256_setzero_ps());
}

static void q5_1(const void *blocks, float *out, size_t n)
{
    for (const uint8_t *p = blocks; n; n -= 32, p += 24, out += 32)
        store32(out, _mm256_or_si256(cmat_avx2_nibbles(p + 8), cmat_avx2_fifth_bits(p + 4)),
                _mm256_set1_ps(load_f16(p)), _mm256_set1_ps(load_f16(p + 2)));
}

static void q8_0(const void *blocks, float *out, size_t n)
{
    for (const uint8_t *p = blocks; n; n -= 32, p += 34, out += 32)
        store32(out, _mm256_loadu_si256((const __m256i *)(p + 2)), _mm256_set1_ps(load_f16(p)),
                _mm256_setzero_ps());
}

static void f16(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (; n >= 8; n -= 8, p += 16, out += 8)
        _mm256_storeu_ps(out, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)));
    for (; n; n--, p += 2)
        *out++ = load_f16(p);
}

static void bf16(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (; n >= 8; n -= 8, p += 16, out += 8) {
        const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
        _mm256_storeu_ps(out, _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16)));
    }
    for (; n; n--, p += 2) {
        uint16_t h;
        memcpy(&h, p, 2);
        *out++ = cmat_bf16_to_f32(h);
    }
}

cmat_widen_fn *cmat_avx2_widen(cmat_type type)
{
    switch (type) {
    case CMAT_TYPE_Q4_0:
        return q4_0;
    case CMAT_TYPE_Q4_1:
        return q4_1;
    case CMAT_TYPE_Q5_0:
        return q5_0;
    case CMAT_TYPE_Q5_1:
        return q5_1;
    case CMAT_TYPE_Q8_0:
        return q8_0;
    case CMAT_TYPE_F16:
        return f16;
    case CMAT_TYPE_BF16:
        return bf16;
    default:
        return cmat_type_get((int)type)->to_f32;
    }
}
