/* kernel/attention_product.h - products of attention by either instruction set's
 * cmat_attention_tiles, whose header includes this. */
#ifndef CMAT_KERNEL_ATTENTION_PRODUCT_H
#define CMAT_KERNEL_ATTENTION_PRODUCT_H

/* B of floats */
static inline void cmat_attention_product(int m, int n, int kc, const float *a, size_t a_row,
                                          size_t a_col, const float *b, size_t ldb, float *c,
                                          size_t ldc, bool accumulate)
{
    cmat_attention_tiles(false, m, n, kc, a, a_row, a_col, b, ldb, c, ldc, accumulate);
}

/* B of halves or floats. */
static inline void cmat_attention_product_in(bool half, int m, int n, int kc, const float *a,
                                             size_t a_row, size_t a_col, const void *b, size_t ldb,
                                             float *c, size_t ldc, bool accumulate)
{
    if (half)
        cmat_attention_tiles(true, m, n, kc, a, a_row, a_col, b, ldb, c, ldc, accumulate);
    else
        cmat_attention_tiles(false, m, n, kc, a, a_row, a_col, b, ldb, c, ldc, accumulate);
}

#endif
