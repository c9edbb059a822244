/* kernel/matmul_avx2.c - the products of the AVX2 and AVX-512 tables, which differ in their tiles:
 * quantised weights by cmat_qgemm, float ones and plain matrices by cmat_sgemm. */
#include "core/mem.h"
#include "kernel/avx2.h"
#include "kernel/avx512.h"
#include "kernel/scratch.h"
#include <assert.h>
#include <stdlib.h>

typedef struct {
    const cmat_sgemm_tile *f;
    const cmat_q_tile *q;
    const cmat_q_tile *bf16; /* for tuning; NULL: q or f does */
    cmat_q_pack *prepared;   /* panels of prepared weights */
    /* Up to few_most rows times prepared weights; NULL: none. */
    void (*few)(const cmat_product *p, int n, const float *x, int ldx, int T, bool accumulate);
    int few_most;
} tiles;

static const tiles avx2 = {
    .f = &cmat_avx2_tile, .q = &cmat_avx2_q_tile, .prepared = cmat_avx2_q_pack_prepared};
static const tiles avx512 = {
    .f = &cmat_avx512_tile,
    .q = &cmat_avx512_q_tile,
    .bf16 = &cmat_avx512_bf16_tile,
    .prepared = cmat_avx512_q_pack_prepared,
    .few = cmat_avx512_few_rows,
    .few_most = 48,
};

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

static bool has_bf16(const tiles *with)
{
    return with->bf16 && cmat_avx512_has_bf16();
}

static cmat_q_side side_of(const tiles *with, const cmat_product *p, bool accumulate)
{
    const cmat_weight *w = p->w;
    return (cmat_q_side){.N = w->n_out,
                         .y = p->y,
                         .ldy = (size_t)p->ldy,
                         .accumulate = accumulate,
                         .b = w,
                         .pack = w->tuned      ? cmat_avx512_bf16_pack_rows
                                 : w->prepared ? with->prepared
                                               : cmat_avx2_q_pack_rows,
                         .pairs = w->tuned ? CMAT_Q_BLOCK / 2 : cmat_avx2_q_pairs(w->type)};
}

static void matmul_float(const tiles *with, const cmat_product *p, const float *x, int ldx, int T,
                         bool accumulate)
{
    const cmat_sgemm_job job = {.M = T,
                                .N = p->w->n_out,
                                .K = p->w->n_in,
                                .alpha = 1,
                                .beta = accumulate ? 1 : 0,
                                .a = x,
                                .a_row = (size_t)ldx,
                                .a_col = 1,
                                .c = p->y,
                                .ldc = (size_t)p->ldy,
                                .b = p->w,
                                .pack = cmat_avx2_pack_rows,
                                .k_quantum = cmat_type_get((int)p->w->type)->block_weights};
    cmat_sgemm(&job, with->f);
}

/* Products that share x are done together where all are in integers or all in bfloat16 and for many
 * rows, or all for few rows of prepared weights. Each is what it is alone, to the last bit. */
static void matmul_set(const tiles *with, const cmat_product *p, int n, const float *x, int ldx,
                       int T, bool accumulate)
{
    bool prepared = true, integers = true, tuned = has_bf16(with);
    assert(n <= CMAT_Q_SIDES);
    for (int i = 0; i < n; i++) {
        prepared &= p[i].w->prepared != NULL;
        integers &= cmat_avx2_q_pairs(p[i].w->type) > 0;
        tuned &= p[i].w->tuned;
    }
    if (n > 1 && !prepared && !integers && !tuned) {
        for (int i = 0; i < n; i++)
            matmul_set(with, p + i, 1, x, ldx, T, accumulate);
    } else if (prepared && T == 1) {
        cmat_avx2_row_product(p, n, x, accumulate);
    } else if (prepared && with->few && T <= with->few_most) {
        with->few(p, n, x, ldx, T, accumulate);
    } else if (integers || tuned) {
        cmat_q_job job = {
            .T = T, .K = p->w->n_in, .x = x, .ldx = (size_t)ldx, .max = CMAT_Q_MAX, .n_sides = n};
        for (int i = 0; i < n; i++)
            job.sides[i] = side_of(with, p + i, accumulate);
        cmat_qgemm(&job, tuned ? with->bf16 : with->q);
    } else {
        for (int i = 0; i < n; i++)
            matmul_float(with, p + i, x, ldx, T, accumulate);
    }
}

static void matmul_backward(const tiles *with, float *dx, int lddx, const float *dy, int lddy,
                            const cmat_weight *w, int T, bool accumulate)
{
    const bool bf16 = has_bf16(with);
    if (quantised(w) || (bf16 && w->tuned)) {
        const cmat_q_job job = {
            .T = T,
            .K = w->n_out,
            .x = dy,
            .ldx = (size_t)lddy,
            .max = CMAT_Q_BACKWARD_X,
            .n_sides = 1,
            .sides = {{.N = w->n_in,
                       .y = dx,
                       .ldy = (size_t)lddx,
                       .accumulate = accumulate,
                       .b = w,
                       .pack = bf16 ? cmat_avx512_bf16_pack_columns : cmat_avx2_q_pack_columns,
                       .pairs = 16,
                       .stripe = column_stripe(w, with->q->width)}}};
        cmat_qgemm(&job, bf16 ? with->bf16 : with->q);
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
                                .stripe = column_stripe(w, with->f->width)};
    cmat_sgemm(&job, with->f);
}

/* A product of plain matrices in GEMM's terms. */
typedef struct {
    bool ta, tb;
    int M, N, K;
    float alpha, beta;
    const float *A, *B;
    float *C;
    int lda, ldb, ldc;
} gemm_form;

static void gemm_direct(const tiles *with, const gemm_form *g)
{
    enum { WIDE = 64 }; /* columns of B copied together */
    const cmat_avx2_matrix b = {g->B, (size_t)g->ldb};
    const bool wide = !g->tb && g->N >= 4 * WIDE;
    const cmat_sgemm_job job = {.M = g->M,
                                .N = g->N,
                                .K = g->K,
                                .alpha = g->alpha,
                                .beta = g->beta,
                                .a = g->A,
                                .a_row = g->ta ? 1 : (size_t)g->lda,
                                .a_col = g->ta ? (size_t)g->lda : 1,
                                .c = g->C,
                                .ldc = (size_t)g->ldc,
                                .b = &b,
                                .pack = g->tb ? cmat_avx2_pack_transposed : cmat_avx2_pack_matrix,
                                .stripe = wide ? WIDE : 0};
    cmat_sgemm(&job, with->f);
}

/* A tall A^T B with a narrow B, as C^T = B^T A: A is then read along its rows, once. */
static void gemm_turned(const tiles *with, const gemm_form *g)
{
    float *ct = cmat_scratch_take((size_t)g->M * (size_t)g->N * sizeof *ct);
    gemm_form t = *g;
    t.ta = !g->tb;
    t.tb = false;
    t.M = g->N;
    t.N = g->M;
    t.A = g->B;
    t.lda = g->ldb;
    t.B = g->A;
    t.ldb = g->lda;
    t.C = ct;
    t.ldc = g->M;
    t.beta = 0;
    gemm_direct(with, &t);
    for (int m = 0; m < g->M; m++)
        for (int n = 0; n < g->N; n++) {
            float *c = g->C + (size_t)m * (size_t)g->ldc + (size_t)n;
            const float v = ct[(size_t)n * (size_t)g->M + (size_t)m];
            *c = g->beta == 0 ? v : g->beta * *c + v;
        }
    cmat_scratch_give(ct);
}

static void gemm(const tiles *with, bool ta, bool tb, int M, int N, int K, float alpha,
                 const float *A, int lda, const float *B, int ldb, float beta, float *C, int ldc)
{
    const gemm_form g = {ta, tb, M, N, K, alpha, beta, A, B, C, lda, ldb, ldc};
    if (ta && N <= 64 && M >= 2 * N && K >= 64)
        gemm_turned(with, &g);
    else
        gemm_direct(with, &g);
}

void cmat_avx2_matmul(float *y, int ldy, const float *x, int ldx, const cmat_weight *w, int T,
                      bool accumulate)
{
    matmul_set(&avx2, &(cmat_product){y, ldy, w}, 1, x, ldx, T, accumulate);
}

void cmat_avx2_matmul_set(const cmat_product *p, int n, const float *x, int ldx, int T)
{
    matmul_set(&avx2, p, n, x, ldx, T, false);
}

void cmat_avx2_matmul_backward(float *dx, int lddx, const float *dy, int lddy, const cmat_weight *w,
                               int T, bool accumulate)
{
    matmul_backward(&avx2, dx, lddx, dy, lddy, w, T, accumulate);
}

void cmat_avx2_gemm(bool ta, bool tb, int M, int N, int K, float alpha, const float *A, int lda,
                    const float *B, int ldb, float beta, float *C, int ldc)
{
    gemm(&avx2, ta, tb, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc);
}

void cmat_avx512_matmul(float *y, int ldy, const float *x, int ldx, const cmat_weight *w, int T,
                        bool accumulate)
{
    matmul_set(&avx512, &(cmat_product){y, ldy, w}, 1, x, ldx, T, accumulate);
}

void cmat_avx512_matmul_set(const cmat_product *p, int n, const float *x, int ldx, int T)
{
    matmul_set(&avx512, p, n, x, ldx, T, false);
}

void cmat_avx512_matmul_backward(float *dx, int lddx, const float *dy, int lddy,
                                 const cmat_weight *w, int T, bool accumulate)
{
    matmul_backward(&avx512, dx, lddx, dy, lddy, w, T, accumulate);
}

void cmat_avx512_weight_grad(const cmat_outer *o)
{
    if (cmat_avx512_has_bf16())
        cmat_avx512_bf16_outer(o);
    else
        gemm(&avx512, true, false, o->n_out, o->n_in, o->T, 1, o->dy, o->lddy, o->x, o->ldx, 1,
             o->dw, o->n_in);
}

void cmat_avx512_gemm(bool ta, bool tb, int M, int N, int K, float alpha, const float *A, int lda,
                      const float *B, int ldb, float beta, float *C, int ldc)
{
    gemm(&avx512, ta, tb, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc);
}
