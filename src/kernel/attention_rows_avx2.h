/* kernel/attention_rows_avx2.h - rows of scores to probabilities, shared by the packed and the
 * paged form. */
#ifndef CMAT_KERNEL_ATTENTION_ROWS_AVX2_H
#define CMAT_KERNEL_ATTENTION_ROWS_AVX2_H
#include "kernel/avx2.h"
#include "kernel/avx2_math.h"
#include <math.h>

static inline float cmat_row_max(const float *s, int n)
{
    __m256 m = _mm256_set1_ps(-INFINITY);
    int j = 0;
    for (; j + 8 <= n; j += 8)
        m = _mm256_max_ps(m, _mm256_loadu_ps(s + j));
    if (j < n) {
        const __m256 valid = _mm256_castsi256_ps(cmat_avx2_mask(n - j));
        m = _mm256_max_ps(
            m, _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), _mm256_loadu_ps(s + j), valid));
    }
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(h, _mm_movehdup_ps(h)));
}

/* s[0..n) becomes exp(s - max), the rest up to `end` zero; returns the sum. s has room to round n
 * up to 8. */
static inline float cmat_row_exp(float *s, int n, int end, float max)
{
    const __m256 shift = _mm256_set1_ps(max);
    __m256 sum = _mm256_setzero_ps();
    int j = 0;
    for (; j < n; j += 8) {
        __m256 e = cmat_avx2_exp(_mm256_sub_ps(_mm256_loadu_ps(s + j), shift));
        if (n - j < 8)
            e = _mm256_and_ps(e, _mm256_castsi256_ps(cmat_avx2_mask(n - j)));
        sum = _mm256_add_ps(sum, e);
        _mm256_storeu_ps(s + j, e);
    }
    for (; j < end; j++)
        s[j] = 0;
    return cmat_avx2_sum(sum);
}
#endif
