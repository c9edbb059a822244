/* kernel/attention_rows_avx512.h - attention_rows_avx2.h with vectors of 16. */
#ifndef CMAT_KERNEL_ATTENTION_ROWS_AVX512_H
#define CMAT_KERNEL_ATTENTION_ROWS_AVX512_H
#include <immintrin.h>
#include <math.h>

/* cmat_avx2_exp for 16 floats, with the same steps */
static inline __m512 cmat_avx512_exp(__m512 x)
{
    x = _mm512_min_ps(_mm512_set1_ps(88.37f), _mm512_max_ps(_mm512_set1_ps(-87.33f), x));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)),
                                          _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.9875691500e-4f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.3981999507e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3334519073e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1665795894e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666665459e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(5.0000001201e-1f));
    p = _mm512_add_ps(_mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r), _mm512_set1_ps(1));
    return _mm512_scalef_ps(p, n);
}

static inline __mmask16 cmat_lanes(int n)
{
    return (__mmask16)(n >= 16 ? 0xffff : (1 << n) - 1);
}

static inline float cmat_row_max(const float *s, int n)
{
    __m512 m = _mm512_set1_ps(-INFINITY);
    for (int j = 0; j < n; j += 16)
        m = _mm512_mask_max_ps(m, cmat_lanes(n - j), m,
                               _mm512_maskz_loadu_ps(cmat_lanes(n - j), s + j));
    return _mm512_reduce_max_ps(m);
}

/* s[0..n) becomes exp(s - max), the rest up to `end` zero; returns the sum. */
static inline float cmat_row_exp(float *s, int n, int end, float max)
{
    const __m512 shift = _mm512_set1_ps(max);
    __m512 sum = _mm512_setzero_ps();
    int j = 0;
    for (; j < n; j += 16) {
        const __mmask16 there = cmat_lanes(n - j);
        const __m512 x = _mm512_maskz_loadu_ps(there, s + j);
        const __m512 e = _mm512_maskz_mov_ps(there, cmat_avx512_exp(_mm512_sub_ps(x, shift)));
        sum = _mm512_add_ps(sum, e);
        _mm512_mask_storeu_ps(s + j, there, e);
    }
    for (j = n; j < end; j++)
        s[j] = 0;
    return _mm512_reduce_add_ps(sum);
}
#endif
