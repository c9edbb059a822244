/* kernel/kv_store_avx2.c - keys and values into the paged cache: cpu_attention.c's, with the
 * rounding to half precision in AVX2. */
#include "kernel/avx2.h"
#include "kernel/plain.h"

/* 8 floats to halves. The bounds come first: NaN, which max and min then give back, stays NaN. */
static inline __m128i narrow8(__m256 x)
{
    const __m256 most = _mm256_set1_ps(65504), least = _mm256_set1_ps(-65504);
    return _mm256_cvtps_ph(_mm256_min_ps(most, _mm256_max_ps(least, x)), _MM_FROUND_TO_NEAREST_INT);
}

static void narrow_halves(uint16_t *y, const float *x, int n)
{
    int i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(y + i), narrow8(_mm256_loadu_ps(x + i)));
    if (i < n) {
        uint16_t last[8];
        _mm_storeu_si128((__m128i *)last,
                         narrow8(_mm256_maskload_ps(x + i, cmat_avx2_mask(n - i))));
        memcpy(y + i, last, (size_t)(n - i) * sizeof *y);
    }
}

void cmat_avx2_kv_store(const cmat_paged_kv *kv, const cmat_paged_seq *seqs, int n_seqs,
                        const float *k, const float *v, int ldkv, int G, int d)
{
    cmat_kv_store_by(narrow_halves, kv, seqs, n_seqs, k, v, ldkv, G, d);
}
