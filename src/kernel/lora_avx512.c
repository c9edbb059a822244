/* kernel/lora_avx512.c - LoRA's low-rank products for many rows, by blocks of rows that stay in the
 * second cache: each of x, y, dx and dy comes from memory once. */
#include "kernel/avx512.h"
#include "kernel/avx512_float.h"
#include "kernel/scratch.h"
#include <string.h>

enum {
    BLOCK = 48, /* rows */
    FEW = 12,   /* rows of x that are read side by side */
    PARTS = 8,  /* sums of gradients, whatever the number of threads */
    VECTOR = 16
};

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

/* c (m, n) = alpha A B + beta c for few columns: a vector of them after the other. */
static void narrow(int m, int n, int kc, float alpha, const float *a, size_t a_row, size_t a_col,
                   const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
    for (int j = 0; j < n; j += VECTOR) {
        const int left = n - j < VECTOR ? n - j : VECTOR;
        cmat_float_columns(m, 1, cmat_float_form_of(left, alpha, beta), kc, a, a_row, a_col, b + j,
                           ldb, c + j, ldc);
    }
}

/* The same for many columns and a short sum, a few rows of c after the other: as many streams as
 * the processor fetches ahead. */
static void wide(int m, int n, int kc, float alpha, const float *a, size_t a_row, size_t a_col,
                 const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
    for (int i = 0; i < m; i += 8, a += 8 * a_row, c += 8 * ldc)
        for (int j = 0; j < n; j += CMAT_FLOAT_WIDTH) {
            const cmat_float_form f = cmat_float_form_of(n - j, alpha, beta);
            const int h = m - i < 8 ? m - i : 8;
            if (f.right)
                cmat_float_columns(h, 2, f, kc, a, a_row, a_col, b + j, ldb, c + j, ldc);
            else
                cmat_float_columns(h, 1, f, kc, a, a_row, a_col, b + j, ldb, c + j, ldc);
        }
}

/* to (cols, rows) = from (rows, cols) transposed, shared by the threads of a region */
static void transpose(float *to, const float *from, int rows, int cols)
{
#pragma omp for schedule(static)
    for (int c0 = 0; c0 < cols; c0 += VECTOR)
        for (int r = 0; r < rows; r++)
            for (int c = c0; c < c0 + VECTOR && c < cols; c++)
                to[(size_t)c * (size_t)rows + (size_t)r] =
                    from[(size_t)r * (size_t)cols + (size_t)c];
}

void cmat_avx512_lora_forward(float *y, int ldy, float *u, int ldu, const float *x, int ldx,
                              const cmat_lora_rows *l, int n)
{
    const int threads = cmat_threads();
    const size_t rank = (size_t)l->rank, n_in = (size_t)l->n_in, n_out = (size_t)l->n_out;
    float *at = cmat_scratch_take(rank * (n_in + n_out) * sizeof *at), *bt = at + rank * n_in;
#pragma omp parallel num_threads(threads)
    {
        transpose(at, l->a, l->rank, l->n_in);
        if (y)
            transpose(bt, l->b, l->n_out, l->rank);
#pragma omp for schedule(static)
        for (int i = 0; i < n; i += BLOCK) {
            const int m = n - i < BLOCK ? n - i : BLOCK;
            float *ui = u + (size_t)i * (size_t)ldu;
            narrow(m, l->rank, l->n_in, 1, x + (size_t)i * (size_t)ldx, (size_t)ldx, 1, at, rank, 0,
                   ui, (size_t)ldu);
            if (y)
                wide(m, l->n_out, l->rank, l->scale, ui, (size_t)ldu, 1, bt, n_out, 1,
                     y + (size_t)i * (size_t)ldy, (size_t)ldy);
        }
    }
    cmat_scratch_give(at);
}

/* One part's rows: dA and dB of its own, as they lie in the gradients. */
static void part_backward(const cmat_lora_grads *g, int first, int end, float *da, float *db)
{
    const cmat_lora_rows *l = g->lora;
    const size_t rank = (size_t)l->rank, n_in = (size_t)l->n_in;
    const size_t lddy = (size_t)g->lddy, ldx = (size_t)g->ldx, ldu = (size_t)g->ldu;
    for (int i = first; i < end; i += BLOCK) {
        const int m = end - i < BLOCK ? end - i : BLOCK;
        const float beta = i > first ? 1 : 0;
        const float *dy = g->dy + (size_t)i * lddy, *x = g->x + (size_t)i * ldx;
        float *du = g->du + (size_t)i * rank;
        narrow(m, l->rank, l->n_out, l->scale, dy, lddy, 1, l->b, rank, 0, du, rank);
        narrow(l->n_out, l->rank, m, l->scale, dy, 1, lddy, g->u + (size_t)i * ldu, ldu, beta, db,
               rank);
        for (int k = 0; k < m; k += FEW)
            wide(l->rank, l->n_in, m - k < FEW ? m - k : FEW, 1, du + (size_t)k * rank, 1, rank,
                 x + (size_t)k * ldx, ldx, k ? 1 : beta, da, n_in);
        if (g->dx)
            wide(m, l->n_in, l->rank, 1, du, rank, 1, l->a, n_in, 1,
                 g->dx + (size_t)i * (size_t)g->lddx, (size_t)g->lddx);
    }
}

/* to (n) += the sum of the parts (n_parts, ld), in their order; shared by the threads of a region
 */
static void add_parts(float *to, const float *parts, int n_parts, size_t ld, size_t n)
{
#pragma omp for schedule(static)
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (int p = 0; p < n_parts; p++)
            sum += parts[(size_t)p * ld + i];
        to[i] += sum;
    }
}

void cmat_avx512_lora_backward(const cmat_lora_grads *g)
{
    const cmat_lora_rows *l = g->lora;
    const int threads = cmat_threads(), blocks = ceil_div(g->n, BLOCK);
    const int per_part = ceil_div(blocks, PARTS) * BLOCK, n_parts = ceil_div(g->n, per_part);
    const size_t n_a = (size_t)l->rank * (size_t)l->n_in, n_b = (size_t)l->rank * (size_t)l->n_out;
    float *parts = cmat_scratch_take((size_t)n_parts * (n_a + n_b) * sizeof *parts);
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(dynamic)
        for (int p = 0; p < n_parts; p++) {
            float *da = parts + (size_t)p * (n_a + n_b);
            const int end = (p + 1) * per_part;
            part_backward(g, p * per_part, end < g->n ? end : g->n, da, da + n_a);
        }
        add_parts(g->da, parts, n_parts, n_a + n_b, n_a);
        add_parts(g->db, parts + n_a, n_parts, n_a + n_b, n_b);
    }
    cmat_scratch_give(parts);
}
