/* kernel/matmul_avx2.c - the AVX2 table's products: quantised weights by cmat_qgemm, float ones and
 * plain matrices by cmat_sgemm. */
#include "kernel/avx2.h"

static bool quantised(const cmat_weight *w)
{
    return cmat_type_get((int)w->type)->block_weights > 1;
}

/* Widest run of columns that must be widened together: a block, and whole panels. */
static int column_stripe(const cmat_weight *w, int width)
{
    const int block = cmat_type_get((int)w->type)->block_weights;
    return block <= width ? width : (block + width - 1) / width * width;
}

void cmat_avx2_matmul(float *y, int ldy, const float *x, int ldx, const cmat_weight *w, int T,
                      bool accumulate)
{
    if (w->prepared && T == 1) {
        cmat_avx2_row_product(y, x, w, accumulate);
        return;
    }
    if (quantised(w)) {
        cmat_qgemm(
            &(cmat_q_job){.T = T,
                          .N = w->n_out,
                          .K = w->n_in,
                          .x = x,
                          .ldx = (size_t)ldx,
                          .y = y,
                          .ldy = (size_t)ldy,
                          .accumulate = accumulate,
                          .b = w,
                          .pack = w->prepared ? cmat_avx2_q_pack_prepared : cmat_avx2_q_pack_rows,
                          .pairs = w->type == CMAT_TYPE_Q6_K ? 8 : 16,
                          .max = CMAT_Q_MAX},
            &cmat_avx2_q_tile);
        return;
    }
    const cmat_sgemm_job job = {.M = T,
                                .N = w->n_out,
                                .K = w->n_in,
                                .alpha = 1,
                                .beta = accumulate ? 1 : 0,
                                .a = x,
                                .a_row = (size_t)ldx,
                                .a_col = 1,
                                .c = y,
                                .ldc = (size_t)ldy,
                                .b = w,
                                .pack = cmat_avx2_pack_rows,
                                .k_quantum = cmat_type_get((int)w->type)->block_weights};
    cmat_sgemm(&job, &cmat_avx2_tile);
}

void cmat_avx2_matmul_backward(float *dx, int lddx, const float *dy, int lddy, const cmat_weight *w,
                               int T, bool accumulate)
{
    if (quantised(w)) {
        cmat_qgemm(&(cmat_q_job){.T = T,
                                 .N = w->n_in,
                                 .K = w->n_out,
                                 .x = dy,
                                 .ldx = (size_t)lddy,
                                 .y = dx,
                                 .ldy = (size_t)lddx,
                                 .accumulate = accumulate,
                                 .b = w,
                                 .pack = cmat_avx2_q_pack_columns,
                                 .pairs = 16,
                                 .stripe = column_stripe(w, cmat_avx2_q_tile.width),
                                 .max = CMAT_Q_BACKWARD_X},
                   &cmat_avx2_q_tile);
        return;
    }
    const cmat_sgemm_job job = {.M = T,
                                .N = w->n_in,
                                .K = w->n_out,
                                .alpha = 1,
                                .beta = accumulate ? 1 : 0,
                                .a = dy,
                                .a_row = (size_t)lddy,
                                .a_col = 1,
                                .c = dx,
                                .ldc = (size_t)lddx,
                                .b = w,
                                .pack = cmat_avx2_pack_columns,
                                .stripe = column_stripe(w, cmat_avx2_tile.width)};
    cmat_sgemm(&job, &cmat_avx2_tile);
}

void cmat_avx2_gemm(bool ta, bool tb, int M, int N, int K, float alpha, const float *A, int lda,
                    const float *B, int ldb, float beta, float *C, int ldc)
{
    const cmat_avx2_matrix b = {B, (size_t)ldb};
    const cmat_sgemm_job job = {.M = M,
                                .N = N,
                                .K = K,
                                .alpha = alpha,
                                .beta = beta,
                                .a = A,
                                .a_row = ta ? 1 : (size_t)lda,
                                .a_col = ta ? (size_t)lda : 1,
                                .c = C,
                                .ldc = (size_t)ldc,
                                .b = &b,
                                .pack = tb ? cmat_avx2_pack_transposed : cmat_avx2_pack_matrix};
    cmat_sgemm(&job, &cmat_avx2_tile);
}
