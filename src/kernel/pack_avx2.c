/* kernel/pack_avx2.c - panels of (kc, width) for cmat_sgemm, from weights in any of their types and
 * from plain matrices. */
#include "kernel/avx2.h"
#include "kernel/plain.h"
#include <assert.h>
#include <string.h>

enum { MAX_SLICE = 512 };

/* Columns c .. c+8 of a panel from rows of src: panel[k][c + j] = src[j][k], zero for j >= n. */
static void transpose_group(float *panel, int width, const float *src, size_t ld, int n, int kc)
{
    int k = 0;
    if (n >= 8)
        for (; k + 8 <= kc; k += 8)
            cmat_avx2_transpose8(src + k, ld, panel + (size_t)k * (size_t)width, (size_t)width);
    for (; k < kc; k++)
        for (int j = 0; j < 8; j++)
            panel[(size_t)k * (size_t)width + (size_t)j] =
                j < n ? src[(size_t)j * ld + (size_t)k] : 0;
}

void cmat_avx2_pack_transposed(const void *b, float *panels, int width, int n0, int n, int k0,
                               int kc)
{
    const cmat_avx2_matrix *m = b;
    for (int p = 0; p < n; p += width, panels += (size_t)kc * (size_t)width)
        for (int c = 0; c < width; c += 8)
            transpose_group(panels + c, width, m->p + (size_t)(n0 + p + c) * m->ld + (size_t)k0,
                            m->ld, n - p - c, kc);
}

/* One row of a panel; n columns are there. */
static inline void copy_row(float *to, const float *from, int width, int n)
{
    for (int c = 0; c < width; c += 8)
        _mm256_store_ps(to + c, n - c >= 8 ? _mm256_loadu_ps(from + c)
                                           : _mm256_maskload_ps(from + c, cmat_avx2_mask(n - c)));
}

/* Row by row, so that a stripe of several panels reads long runs of memory. */
void cmat_avx2_pack_matrix(const void *b, float *panels, int width, int n0, int n, int k0, int kc)
{
    const cmat_avx2_matrix *m = b;
    for (int k = 0; k < kc; k++) {
        const float *from = m->p + (size_t)(k0 + k) * m->ld + (size_t)n0;
        for (int p = 0; p < n; p += width)
            copy_row(panels + (size_t)p * (size_t)kc + (size_t)(k * width), from + p, width, n - p);
    }
}

/* Rows n0.. of W, widened eight at a time and transposed. */
void cmat_avx2_pack_rows(const void *b, float *panels, int width, int n0, int n, int k0, int kc)
{
    const cmat_weight *w = b;
    const cmat_type_info *info = cmat_type_get((int)w->type);
    cmat_widen_fn *widen = cmat_avx2_widen(w->type);
    const size_t row_bytes = cmat_weight_row_bytes(w);
    const size_t at = (size_t)(k0 / info->block_weights) * (size_t)info->block_bytes;
    _Alignas(32) float rows[8][MAX_SLICE];
    assert(kc <= MAX_SLICE && k0 % info->block_weights == 0 && kc % info->block_weights == 0);
    for (int p = 0; p < n; p += width, panels += (size_t)kc * (size_t)width)
        for (int c = 0; c < width; c += 8) {
            const int have = n - p - c < 8 ? n - p - c : 8;
            for (int j = 0; j < have; j++)
                widen((const char *)w->data + (size_t)(n0 + p + c + j) * row_bytes + at, rows[j],
                      (size_t)kc);
            transpose_group(panels + c, width, rows[0], MAX_SLICE, have, kc);
        }
}

/* Columns n0.. of W: rows k0.. widened, cut into panels. */
void cmat_avx2_pack_columns(const void *b, float *panels, int width, int n0, int n, int k0, int kc)
{
    const cmat_weight *w = b;
    const cmat_type_info *info = cmat_type_get((int)w->type);
    cmat_widen_fn *widen = cmat_avx2_widen(w->type);
    const size_t row_bytes = cmat_weight_row_bytes(w);
    const size_t at = (size_t)(n0 / info->block_weights) * (size_t)info->block_bytes;
    _Alignas(32) float row[MAX_SLICE] = {0};
    assert(n <= MAX_SLICE && n0 % info->block_weights == 0);
    for (int k = 0; k < kc; k++) {
        widen((const char *)w->data + (size_t)(k0 + k) * row_bytes + at, row, (size_t)n);
        for (int p = 0; p < n; p += width)
            for (int c = 0; c < width; c += 8)
                _mm256_store_ps(panels + (size_t)(p * kc + k * width + c),
                                _mm256_load_ps(row + p + c));
    }
}
