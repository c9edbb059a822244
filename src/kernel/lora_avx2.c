/* kernel/lora_avx2.c - y += scale (x A^T) B^T for few rows of x: A and B are read once as they lie.
 * What a row gets does not depend on the other rows. */
#include "kernel/avx2.h"
#include "kernel/plain.h"

#define INLINE static inline __attribute__((always_inline))

enum { STEP = 4, OUT = 8, MAX_RANK = 256 };

/* tmp[i] = scale (a . x_i) for m rows; m is a constant in each use. */
INLINE void down_rows(int m, float *tmp, size_t rank, const float *a, const float *x, size_t ldx,
                      int n, float scale)
{
    __m256 sum[STEP][2];
    int k = 0;
#pragma GCC unroll 4
    for (int i = 0; i < m; i++)
        sum[i][0] = sum[i][1] = _mm256_setzero_ps();
    for (; k + 16 <= n; k += 16) {
        const __m256 a0 = _mm256_loadu_ps(a + k), a1 = _mm256_loadu_ps(a + k + 8);
#pragma GCC unroll 4
        for (int i = 0; i < m; i++) {
            const float *xi = x + (size_t)i * ldx + (size_t)k;
            sum[i][0] = _mm256_fmadd_ps(a0, _mm256_loadu_ps(xi), sum[i][0]);
            sum[i][1] = _mm256_fmadd_ps(a1, _mm256_loadu_ps(xi + 8), sum[i][1]);
        }
    }
    for (; k < n; k += 8) {
        const __m256i there = cmat_avx2_mask(n - k);
        const __m256 ak = _mm256_maskload_ps(a + k, there);
#pragma GCC unroll 4
        for (int i = 0; i < m; i++)
            sum[i][0] = _mm256_fmadd_ps(
                ak, _mm256_maskload_ps(x + (size_t)i * ldx + (size_t)k, there), sum[i][0]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < m; i++)
        tmp[(size_t)i * rank] = scale * cmat_avx2_sum(_mm256_add_ps(sum[i][0], sum[i][1]));
}

/* Column r of tmp (n, rank). */
static void down(float *tmp, const cmat_lora_rows *l, int r, const float *x, size_t ldx, int n)
{
    const float *a = l->a + (size_t)r * (size_t)l->n_in;
    const size_t rank = (size_t)l->rank;
    int i = 0;
    for (; i + STEP <= n; i += STEP)
        down_rows(STEP, tmp + (size_t)i * rank + (size_t)r, rank, a, x + (size_t)i * ldx, ldx,
                  l->n_in, l->scale);
    for (; i < n; i++)
        down_rows(1, tmp + (size_t)i * rank + (size_t)r, rank, a, x + (size_t)i * ldx, ldx, l->n_in,
                  l->scale);
}

/* Eight columns of y, from column o on: B's eight rows are turned once for all rows of y. */
static void up(float *y, size_t ldy, const float *tmp, const cmat_lora_rows *l, int o, int n)
{
    _Alignas(32) float turned[MAX_RANK * OUT];
    const size_t rank = (size_t)l->rank;
    const float *b = l->b + (size_t)o * rank;
    size_t r = 0;
    for (; r + 8 <= rank; r += 8)
        cmat_avx2_transpose8(b + r, rank, turned + r * OUT, OUT);
    for (; r < rank; r++)
        for (size_t j = 0; j < OUT; j++)
            turned[r * OUT + j] = b[j * rank + r];
    for (int i = 0; i < n; i++) {
        float *yi = y + (size_t)i * ldy + (size_t)o;
        const float *t = tmp + (size_t)i * rank;
        __m256 s0 = _mm256_setzero_ps(), s1 = s0;
        for (r = 0; r + 2 <= rank; r += 2) {
            s0 = _mm256_fmadd_ps(_mm256_broadcast_ss(t + r), _mm256_load_ps(turned + r * OUT), s0);
            s1 = _mm256_fmadd_ps(_mm256_broadcast_ss(t + r + 1),
                                 _mm256_load_ps(turned + (r + 1) * OUT), s1);
        }
        if (r < rank)
            s0 = _mm256_fmadd_ps(_mm256_broadcast_ss(t + r), _mm256_load_ps(turned + r * OUT), s0);
        _mm256_storeu_ps(yi, _mm256_add_ps(_mm256_loadu_ps(yi), _mm256_add_ps(s0, s1)));
    }
}

void cmat_avx2_lora_rows(float *y, int ldy, const float *x, int ldx, const cmat_lora_rows *l, int n,
                         float *tmp)
{
    if (l->rank > MAX_RANK || l->n_out % OUT) {
        cmat_plain_lora_rows(y, ldy, x, ldx, l, n, tmp);
        return;
    }
    const int threads = cmat_threads();
#pragma omp parallel num_threads(threads) if (l->rank * (l->n_in + l->n_out) > 1 << 13)
    {
#pragma omp for schedule(static)
        for (int r = 0; r < l->rank; r++)
            down(tmp, l, r, x, (size_t)ldx, n);
#pragma omp for schedule(static)
        for (int o = 0; o < l->n_out; o += OUT)
            up(y, (size_t)ldy, tmp, l, o, n);
    }
}
