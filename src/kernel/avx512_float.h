/* kernel/avx512_float.h - the innermost product of float32 matrices: up to 12 rows times one or two
 * vectors of columns, whose sums stay in registers. */
#ifndef CMAT_KERNEL_AVX512_FLOAT_H
#define CMAT_KERNEL_AVX512_FLOAT_H
#include "kernel/avx512_rows.h"

enum { CMAT_FLOAT_WIDTH = 32 };

typedef struct {
    float alpha, beta;
    __mmask16 left, right; /* columns that are there */
} cmat_float_form;

/* For n columns, of which 32 at most are taken. */
INLINE cmat_float_form cmat_float_form_of(int n, float alpha, float beta)
{
    const uint32_t mask = n >= CMAT_FLOAT_WIDTH ? 0xffffffffu : (1u << n) - 1;
    return (cmat_float_form){alpha, beta, (__mmask16)(mask & 0xffff), (__mmask16)(mask >> 16)};
}

INLINE void cmat_float_store(float *c, __m512 acc, cmat_float_form f, __mmask16 mask)
{
    __m512 v = _mm512_mul_ps(acc, _mm512_set1_ps(f.alpha));
    if (f.beta != 0)
        v = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, c), _mm512_set1_ps(f.beta), v);
    _mm512_mask_storeu_ps(c, mask, v);
}

/* c (m, columns), rows ldc apart, = alpha A B + beta c with A(i, k) = a[i * a_row + k * a_col] and
 * row k of B at b + k * ldb; m and vectors (of columns) are constants in each use. */
INLINE void cmat_float_rows(int m, int vectors, cmat_float_form f, int kc, const float *a,
                            size_t a_row, size_t a_col, const float *b, size_t ldb, float *c,
                            size_t ldc)
{
    __m512 acc[12][2];
#pragma GCC unroll 12
    for (int i = 0; i < m; i++)
        acc[i][0] = acc[i][1] = _mm512_setzero_ps();
    for (int k = 0; k < kc; k++, a += a_col, b += ldb) {
        const __m512 b0 = _mm512_maskz_loadu_ps(f.left, b);
        const __m512 b1 = vectors > 1 ? _mm512_maskz_loadu_ps(f.right, b + 16) : b0;
#pragma GCC unroll 12
        for (int i = 0; i < m; i++) {
            const __m512 ai = _mm512_set1_ps(a[(size_t)i * a_row]);
            acc[i][0] = _mm512_fmadd_ps(ai, b0, acc[i][0]);
            if (vectors > 1)
                acc[i][1] = _mm512_fmadd_ps(ai, b1, acc[i][1]);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < m; i++) {
        cmat_float_store(c + (size_t)i * ldc, acc[i][0], f, f.left);
        if (vectors > 1)
            cmat_float_store(c + (size_t)i * ldc + 16, acc[i][1], f, f.right);
    }
}

/* The same for any m; one vector takes 12 rows at a time, two take 8. */
INLINE void cmat_float_columns(int m, int vectors, cmat_float_form f, int kc, const float *a,
                               size_t a_row, size_t a_col, const float *b, size_t ldb, float *c,
                               size_t ldc)
{
    for (; vectors == 1 && m >= 12; m -= 12, a += 12 * a_row, c += 12 * ldc)
        cmat_float_rows(12, 1, f, kc, a, a_row, a_col, b, ldb, c, ldc);
    for (; m >= 8; m -= 8, a += 8 * a_row, c += 8 * ldc)
        cmat_float_rows(8, vectors, f, kc, a, a_row, a_col, b, ldb, c, ldc);
    for (; m >= 4; m -= 4, a += 4 * a_row, c += 4 * ldc)
        cmat_float_rows(4, vectors, f, kc, a, a_row, a_col, b, ldb, c, ldc);
    for (; m >= 1; m--, a += a_row, c += ldc)
        cmat_float_rows(1, vectors, f, kc, a, a_row, a_col, b, ldb, c, ldc);
}
#endif
