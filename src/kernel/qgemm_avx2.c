/* kernel/qgemm_avx2.c - the integer tile of 6 x 16 and the rounding of x, with vpmaddwd. */
#include "kernel/avx2.h"
#include "kernel/qgemm.h"
#include <string.h>

enum { ROWS = 6, WIDTH = 16 };

static inline __m256i abs_bits(__m256 v)
{
    return _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7fffffff));
}

/* The largest |x| of a block, by its bits: unlike maxps this keeps NaN, which then becomes the
 * scale. */
static inline float block_max(const __m256 v[4])
{
    const __m256i a = _mm256_max_epu32(abs_bits(v[0]), abs_bits(v[1]));
    const __m256i b = _mm256_max_epu32(abs_bits(v[2]), abs_bits(v[3]));
    const __m256i m = _mm256_max_epu32(a, b);
    __m128i h = _mm_max_epu32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
    h = _mm_max_epu32(h, _mm_shuffle_epi32(h, 0x4e));
    h = _mm_max_epu32(h, _mm_shuffle_epi32(h, 0xb1));
    return _mm_cvtss_f32(_mm_castsi128_ps(h));
}

static inline void round_block(int16_t *q, float *d, float *s, const __m256 v[4], float max)
{
    const float largest = block_max(v);
    const bool tiny = largest < 1e-30f; /* its inverse might overflow */
    const __m256 inv = _mm256_set1_ps(tiny ? 0 : max / largest);
    __m256i r[4];
    for (int i = 0; i < 4; i++)
        r[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inv));
    const __m256i a = _mm256_permute4x64_epi64(_mm256_packs_epi32(r[0], r[1]), 0xd8);
    const __m256i b = _mm256_permute4x64_epi64(_mm256_packs_epi32(r[2], r[3]), 0xd8);
    _mm256_storeu_si256((__m256i *)q, a);
    _mm256_storeu_si256((__m256i *)(q + 16), b);
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(a, ones), _mm256_madd_epi16(b, ones));
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4e));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0xb1));
    *d = tiny ? 0 : largest / max;
    *s = *d * (float)_mm_cvtsi128_si32(h);
}

static void round_row(int16_t *q, float *d, float *s, const float *x, int K, int max)
{
    for (int k = 0; k < K; k += CMAT_Q_BLOCK, q += CMAT_Q_BLOCK, d++, s++) {
        __m256 v[4];
        for (int i = 0; i < 4; i++)
            v[i] = K - k >= CMAT_Q_BLOCK
                       ? _mm256_loadu_ps(x + k + 8 * i)
                       : _mm256_maskload_ps(x + k + 8 * i, cmat_avx2_mask(K - k - 8 * i));
        round_block(q, d, s, v, (float)max);
    }
}

/* m and pairs are constants in each use; 2 m integer sums live in registers, c in the first cache.
 */
static inline __attribute__((always_inline)) void
tile_rows(int m, int pairs, const int16_t *a, size_t lda, const float *ad, const float *as,
          size_t ld_blocks, const char *panel, int n_blocks, float *c, size_t ldc)
{
    for (int b = 0; b < n_blocks; b++) {
        const __m256 d0 = _mm256_load_ps((const float *)panel);
        const __m256 d1 = _mm256_load_ps((const float *)panel + 8);
        const __m256 m0 = _mm256_load_ps((const float *)panel + 16);
        const __m256 m1 = _mm256_load_ps((const float *)panel + 24);
        const char *w = panel + 4 * 32;
        const int16_t *ab = a;
        __m256i acc[ROWS][2];
#pragma GCC unroll 6
        for (int i = 0; i < m; i++)
            acc[i][0] = acc[i][1] = _mm256_setzero_si256();
#pragma GCC unroll 2
        for (int p = 0; p < pairs; p++) {
            const __m256i w0 = _mm256_load_si256((const __m256i *)w);
            const __m256i w1 = _mm256_load_si256((const __m256i *)(w + 32));
#pragma GCC unroll 6
            for (int i = 0; i < m; i++) {
                const __m256i x = _mm256_castps_si256(
                    _mm256_broadcast_ss((const float *)(const void *)(ab + (size_t)i * lda)));
                acc[i][0] = _mm256_add_epi32(acc[i][0], _mm256_madd_epi16(x, w0));
                acc[i][1] = _mm256_add_epi32(acc[i][1], _mm256_madd_epi16(x, w1));
            }
            w += 64;
            ab += 2;
        }
        const int at = pairs == 8 ? b / 2 : b; /* x has scales for 32 */
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            float *ci = c + (size_t)i * ldc;
            const __m256 dx = _mm256_broadcast_ss(ad + (size_t)i * ld_blocks + at);
            __m256 c0 = _mm256_loadu_ps(ci), c1 = _mm256_loadu_ps(ci + 8);
            c0 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc[i][0]), _mm256_mul_ps(d0, dx), c0);
            c1 = _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc[i][1]), _mm256_mul_ps(d1, dx), c1);
            if (pairs == 16) { /* minima belong to blocks of 32 */
                const __m256 sx = _mm256_broadcast_ss(as + (size_t)i * ld_blocks + at);
                c0 = _mm256_fmadd_ps(m0, sx, c0);
                c1 = _mm256_fmadd_ps(m1, sx, c1);
            }
            _mm256_storeu_ps(ci, c0);
            _mm256_storeu_ps(ci + 8, c1);
        }
        a += 2 * pairs;
        panel += 128 + 64 * pairs;
    }
}

static void tile(int m, const cmat_qrows *x, size_t t0, int b0, const char *panel, int n_blocks,
                 int pairs, float *c, size_t ldc)
{
    const size_t nb = (size_t)x->n_blocks, lda = nb * CMAT_Q_BLOCK;
    const int16_t *a = x->q + t0 * lda + (size_t)b0 * CMAT_Q_BLOCK;
    const float *d = x->d + t0 * nb + (size_t)b0, *s = x->s + t0 * nb + (size_t)b0;
#define TILE(rows, n_pairs)                                                  \
    case rows + n_pairs:                                                     \
        tile_rows(rows, n_pairs, a, lda, d, s, nb, panel, n_blocks, c, ldc); \
        break;
    switch (m + pairs) {
        TILE(1, 16)
        TILE(2, 16) TILE(3, 16) TILE(4, 16) TILE(5, 16) TILE(6, 16) TILE(1, 8) TILE(2, 8) TILE(3, 8)
            TILE(4, 8) TILE(5, 8) TILE(6, 8)
    }
#undef TILE
}

const cmat_q_tile cmat_avx2_q_tile = {
    .rows = ROWS, .width = WIDTH, .round = round_row, .tile = tile};
