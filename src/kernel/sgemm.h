/* kernel/sgemm.h - blocked float32 products whose right-hand side is packed on the fly.
 *
 *   C (M, N) = alpha A B + beta C,  A(m, k) = a[m * a_row + k * a_col],  B (K, N) known only to
 * `pack`
 *
 * B is cut into stripes of columns and slices of rows. A thread packs one slice of a stripe into
 * panels that stay in its first two caches and multiplies all rows of A with it, so quantised
 * weights are widened once a product and never stored. The order of additions of an element
 * depends on K alone: not on the threads, nor on M. */
#ifndef CMAT_KERNEL_SGEMM_H
#define CMAT_KERNEL_SGEMM_H
#include <stddef.h>

/* The innermost product of a table: up to `rows` rows of A times one panel of `width` columns. */
typedef struct {
    int rows, width;
    /* c (m, n), rows ldc apart, = alpha a panel + beta c; m <= rows, n <= width, the panel is
     * (kc, width), 64-byte aligned, zero beyond column n. beta 0 does not read c. */
    void (*tile)(int m, int n, int kc, float alpha, const float *a, size_t a_row, size_t a_col,
                 const float *panel, float beta, float *c, size_t ldc);
} cmat_sgemm_tile;

/* Writes B[k0 .. k0+kc) x [n0 .. n0+n) as consecutive panels of (kc, width), zero-filled beyond n.
 */
typedef void cmat_sgemm_pack(const void *b, float *panels, int width, int n0, int n, int k0,
                             int kc);

typedef struct {
    int M, N, K;
    float alpha, beta;
    const float *a;
    size_t a_row, a_col;
    float *c;
    size_t ldc;
    const void *b;
    cmat_sgemm_pack *pack;
    int stripe;    /* columns packed at a time, a multiple of the tile's width; 0: one panel */
    int k_quantum; /* slices start at multiples of this; 0: 1 */
} cmat_sgemm_job;

void cmat_sgemm(const cmat_sgemm_job *job, const cmat_sgemm_tile *tile);
#endif
