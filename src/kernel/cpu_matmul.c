/* kernel/cpu_matmul.c - the plain products: weights are widened row by row as they are needed. */
#include "core/mem.h"
#include "kernel/plain.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Rows of W widened at a time by the backward product. */
enum { BACKWARD_ROWS = 64, LANES = 16 };

size_t cmat_weight_row_bytes(const cmat_weight *w)
{
    const cmat_type_info *info = cmat_type_get((int)w->type);
    assert(info && w->n_in % info->block_weights == 0);
    return (size_t)(w->n_in / info->block_weights) * (size_t)info->block_bytes;
}

/* Sums in LANES interleaved partial sums, which the compiler keeps in vector registers. */
static float dot(const float *a, const float *b, int n)
{
    float acc[LANES] = {0}, sum = 0;
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int l = 0; l < LANES; l++)
            acc[l] += a[i + l] * b[i + l];
    for (; i < n; i++)
        sum += a[i] * b[i];
    for (int l = 0; l < LANES; l++)
        sum += acc[l];
    return sum;
}

cmat_status cmat_plain_prepare(cmat_weight *w, int uses, cmat_error *err)
{
    (void)w;
    (void)uses;
    (void)err;
    return CMAT_OK;
}

void cmat_plain_release(cmat_weight *w)
{
    (void)w;
}

/* y[t][o] = sum_i x[t][i] W[o][i] */
void cmat_plain_matmul(float *y, int ldy, const float *x, int ldx, const cmat_weight *w, int T,
                       bool accumulate)
{
    const cmat_type_info *info = cmat_type_get((int)w->type);
    const size_t row_bytes = cmat_weight_row_bytes(w), n_in = (size_t)w->n_in;
    const int n_threads = cmat_threads();
#pragma omp parallel num_threads(n_threads)
    {
        float *row = cmat_xmalloc(n_in * sizeof *row);
#pragma omp for schedule(static)
        for (int o = 0; o < w->n_out; o++) {
            info->to_f32((const char *)w->data + (size_t)o * row_bytes, row, n_in);
            for (int t = 0; t < T; t++) {
                float s = dot(x + (size_t)t * (size_t)ldx, row, w->n_in);
                float *out = y + (size_t)t * (size_t)ldy + o;
                *out = accumulate ? *out + s : s;
            }
        }
        free(row);
    }
}

/* dx[t][i] = sum_o dy[t][o] W[o][i] */
void cmat_plain_matmul_backward(float *dx, int lddx, const float *dy, int lddy,
                                const cmat_weight *w, int T, bool accumulate)
{
    const cmat_type_info *info = cmat_type_get((int)w->type);
    const size_t row_bytes = cmat_weight_row_bytes(w), n_in = (size_t)w->n_in;
    const int n_threads = cmat_threads();
    float *rows = cmat_xmalloc(BACKWARD_ROWS * n_in * sizeof *rows);
    if (!accumulate)
        for (int t = 0; t < T; t++)
            memset(dx + (size_t)t * (size_t)lddx, 0, n_in * sizeof *dx);
    for (int o = 0; o < w->n_out; o += BACKWARD_ROWS) {
        const int n = w->n_out - o < BACKWARD_ROWS ? w->n_out - o : BACKWARD_ROWS;
#pragma omp parallel for schedule(static) num_threads(n_threads)
        for (int r = 0; r < n; r++)
            info->to_f32((const char *)w->data + (size_t)(o + r) * row_bytes,
                         rows + (size_t)r * n_in, n_in);
#pragma omp parallel for schedule(static) num_threads(n_threads)
        for (int t = 0; t < T; t++) {
            float *out = dx + (size_t)t * (size_t)lddx;
            for (int r = 0; r < n; r++) {
                const float g = dy[(size_t)t * (size_t)lddy + (size_t)(o + r)];
                const float *row = rows + (size_t)r * n_in;
                for (size_t i = 0; i < n_in; i++)
                    out[i] += g * row[i];
            }
        }
    }
    free(rows);
}

/* C = alpha op(A) op(B) + beta C; beta 0 overwrites whatever C held. */
void cmat_plain_gemm(bool ta, bool tb, int M, int N, int K, float alpha, const float *A, int lda,
                     const float *B, int ldb, float beta, float *C, int ldc)
{
    const size_t am = ta ? 1 : (size_t)lda, ak = ta ? (size_t)lda : 1;
    const size_t bk = tb ? 1 : (size_t)ldb, bn = tb ? (size_t)ldb : 1;
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (int m = 0; m < M; m++) {
        float *c = C + (size_t)m * (size_t)ldc;
        for (int n = 0; n < N; n++)
            c[n] = beta == 0 ? 0 : c[n] * beta;
        for (int k = 0; k < K; k++) {
            const float a = alpha * A[(size_t)m * am + (size_t)k * ak];
            const float *b = B + (size_t)k * bk;
            for (int n = 0; n < N; n++)
                c[n] += a * b[(size_t)n * bn];
        }
    }
}

void cmat_plain_embed(float *out, const cmat_weight *w, const int32_t *ids, int n)
{
    const cmat_type_info *info = cmat_type_get((int)w->type);
    const size_t row_bytes = cmat_weight_row_bytes(w), n_in = (size_t)w->n_in;
    for (int i = 0; i < n; i++) {
        assert(ids[i] >= 0 && ids[i] < w->n_out);
        info->to_f32((const char *)w->data + (size_t)ids[i] * row_bytes, out + (size_t)i * n_in,
                     n_in);
    }
}

void cmat_plain_lora_rows(float *y, int ldy, const float *x, int ldx, const cmat_lora_rows *l,
                          int n, float *tmp)
{
    const size_t rank = (size_t)l->rank;
    const int n_threads = cmat_threads();
#pragma omp parallel num_threads(n_threads)
    {
#pragma omp for schedule(static)
        for (int r = 0; r < l->rank; r++)
            for (int i = 0; i < n; i++)
                tmp[(size_t)i * rank + (size_t)r] =
                    l->scale *
                    dot(l->a + (size_t)r * (size_t)l->n_in, x + (size_t)i * (size_t)ldx, l->n_in);
#pragma omp for schedule(static)
        for (int o = 0; o < l->n_out; o++)
            for (int i = 0; i < n; i++)
                y[(size_t)i * (size_t)ldy + (size_t)o] +=
                    dot(l->b + (size_t)o * rank, tmp + (size_t)i * rank, l->rank);
    }
}
