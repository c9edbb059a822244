/* kernel/qgemm_avx2.c - the integer tile of 6 x 16 and the rounding of x, with vpmaddwd. */
#include "kernel/avx2.h"
#include "kernel/avx512.h"
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

void cmat_avx2_q_round(int16_t *q, float *d, float *s, const float *x, int K, int max)
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

/* Compilers place twelve sums badly (a factor of two between versions), so this loop is written
 * out: ymm0-11 sums, ymm12-13 weights, ymm14 x, ymm15 product. PAIR is one pair of k, at `w` bytes
 * of the panel and `x` bytes of the rows; rows are at %[a0], stride %[lda] bytes, three from %[a3]
 * on. */
#define ROW(address, s0, s1)                 \
    "vpbroadcastd " address                  \
    ", %%ymm14\n\t"                          \
    "vpmaddwd %%ymm12, %%ymm14, %%ymm15\n\t" \
    "vpaddd %%ymm15, %%ymm" s0 ", %%ymm" s0  \
    "\n\t"                                   \
    "vpmaddwd %%ymm13, %%ymm14, %%ymm14\n\t" \
    "vpaddd %%ymm14, %%ymm" s1 ", %%ymm" s1 "\n\t"
#define WEIGHTS(w) "vmovdqa " w "(%[w]), %%ymm12\n\tvmovdqa 32+" w "(%[w]), %%ymm13\n\t"
#define THREE(x)               \
    ROW(x "(%[a0])", "0", "1") \
    ROW(x "(%[a0],%[lda])", "2", "3") ROW(x "(%[a0],%[lda],2)", "4", "5")
#define SIX(x)                 \
    THREE(x)                   \
    ROW(x "(%[a3])", "6", "7") \
    ROW(x "(%[a3],%[lda])", "8", "9") ROW(x "(%[a3],%[lda],2)", "10", "11")
#define CLEAR(s) "vpxor %%xmm" s ", %%xmm" s ", %%xmm" s "\n\t"
#define KEEP(s, at) "vmovdqa %%ymm" s ", " at "(%[sums])\n\t"
#define STEP "add $256, %[w]\n\tadd $16, %[a0]\n\t"

/* sums (6, 16) = six rows times one block of 4 * quads pairs. */
static inline void sums_six(int32_t *sums, const int16_t *a, size_t lda, const char *w, int quads)
{
    const int16_t *a3 = a + 3 * lda;
    __asm__ volatile(
        CLEAR("0") CLEAR("1") CLEAR("2") CLEAR("3") CLEAR("4") CLEAR("5") CLEAR("6") CLEAR("7")
            CLEAR("8") CLEAR("9") CLEAR("10") CLEAR("11") "1:\n\t" WEIGHTS("0") SIX("0")
                WEIGHTS("64") SIX("4") WEIGHTS("128") SIX("8") WEIGHTS("192") SIX("12") STEP
        "add $16, %[a3]\n\tdec %[n]\n\tjnz 1b\n\t" KEEP("0", "0") KEEP("1", "32") KEEP("2", "64")
            KEEP("3", "96") KEEP("4", "128") KEEP("5", "160") KEEP("6", "192") KEEP("7", "224")
                KEEP("8", "256") KEEP("9", "288") KEEP("10", "320") KEEP("11", "352")
        : [w] "+r"(w), [a0] "+r"(a), [a3] "+r"(a3), [n] "+r"(quads)
        : [lda] "r"(2 * lda), [sums] "r"(sums)
        : "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7", "ymm8", "ymm9", "ymm10",
          "ymm11", "ymm12", "ymm13", "ymm14", "ymm15", "memory", "cc");
}

/* The same for three rows. */
static inline void sums_three(int32_t *sums, const int16_t *a, size_t lda, const char *w, int quads)
{
    __asm__ volatile(CLEAR("0") CLEAR("1") CLEAR("2") CLEAR("3") CLEAR("4")
                         CLEAR("5") "1:\n\t" WEIGHTS("0") THREE("0") WEIGHTS("64") THREE("4")
                             WEIGHTS("128") THREE("8") WEIGHTS("192") THREE("12") STEP
                     "dec %[n]\n\tjnz 1b\n\t" KEEP("0", "0") KEEP("1", "32") KEEP("2", "64")
                         KEEP("3", "96") KEEP("4", "128") KEEP("5", "160")
                     : [w] "+r"(w), [a0] "+r"(a), [n] "+r"(quads)
                     : [lda] "r"(2 * lda), [sums] "r"(sums)
                     : "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm12", "ymm13", "ymm14",
                       "ymm15", "memory", "cc");
}

/* c (m, 16) += d dx sums + m sx */
static inline void add_block(int m, int pairs, const int32_t *sums, const float *head,
                             const float *dx, const float *sx, size_t ld_blocks, float *c,
                             size_t ldc)
{
    const __m256 d0 = _mm256_load_ps(head), d1 = _mm256_load_ps(head + 8);
    const __m256 m0 = _mm256_load_ps(head + 16), m1 = _mm256_load_ps(head + 24);
    for (int i = 0; i < m; i++, sums += 16, c += ldc, dx += ld_blocks, sx += ld_blocks) {
        const __m256 d = _mm256_broadcast_ss(dx);
        const __m256 s0 = _mm256_cvtepi32_ps(_mm256_load_si256((const __m256i *)sums));
        const __m256 s1 = _mm256_cvtepi32_ps(_mm256_load_si256((const __m256i *)(sums + 8)));
        __m256 c0 = _mm256_fmadd_ps(s0, _mm256_mul_ps(d0, d), _mm256_loadu_ps(c));
        __m256 c1 = _mm256_fmadd_ps(s1, _mm256_mul_ps(d1, d), _mm256_loadu_ps(c + 8));
        if (pairs == 16) { /* minima belong to blocks of 32 */
            const __m256 s = _mm256_broadcast_ss(sx);
            c0 = _mm256_fmadd_ps(m0, s, c0);
            c1 = _mm256_fmadd_ps(m1, s, c1);
        }
        _mm256_storeu_ps(c, c0);
        _mm256_storeu_ps(c + 8, c1);
    }
}

static void tile(int m, const cmat_qrows *x, size_t t0, int b0, const char *panel, int n_blocks,
                 int pairs, bool add, float *c, size_t ldc)
{
    const size_t nb = (size_t)x->n_blocks, lda = nb * CMAT_Q_BLOCK;
    const int16_t *a = x->q + t0 * lda + (size_t)b0 * CMAT_Q_BLOCK;
    const float *d = x->d + t0 * nb + (size_t)b0, *s = x->s + t0 * nb + (size_t)b0;
    _Alignas(32) int32_t sums[ROWS * WIDTH];
    for (int i = 0; i < m && !add; i++)
        memset(c + (size_t)i * ldc, 0, WIDTH * sizeof *c);
    for (int b = 0; b < n_blocks; b++) {
        const size_t at = (size_t)(pairs == 8 ? b / 2 : b); /* x has scales for 32 */
        const float *head = (const float *)(const void *)panel;
        if (m > 3)
            sums_six(sums, a, lda, panel + 128, pairs / 4);
        else
            sums_three(sums, a, lda, panel + 128, pairs / 4);
        if (m == ROWS)
            add_block(ROWS, pairs, sums, head, d + at, s + at, nb, c, ldc);
        else
            add_block(m, pairs, sums, head, d + at, s + at, nb, c, ldc);
        a += 2 * pairs;
        panel += 128 + 64 * pairs;
    }
}

const cmat_q_tile cmat_avx2_q_tile = {
    .rows = ROWS,
    .width = WIDTH,
    .chunk_bytes = 500 << 10,
    .slice_bytes = 24 << 10, /* stays in the first cache, where the sums are kept */
    .round = cmat_avx2_q_round,
    .tile = tile};
