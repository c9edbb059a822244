/* kernel/sgemm.c - the loops around a tile; see sgemm.h. */
#include "kernel/sgemm.h"
#include "kernel/kernel.h"
#include <assert.h>

enum {
    SLICE = 384,            /* rows of B in a slice: a 16-wide panel of them is 24 KiB */
    PANEL_FLOATS = 1 << 15, /* a thread's packed panels, 128 KiB */
    CHUNK_ROWS = 48         /* fewest rows of A worth a packing of their own */
};

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

/* Length of the slices of K: equal ones, no longer than fits. */
static int slice_length(const cmat_sgemm_job *j, int stripe)
{
    const int quantum = j->k_quantum ? j->k_quantum : 1;
    const int fits = PANEL_FLOATS / stripe < SLICE ? PANEL_FLOATS / stripe : SLICE;
    const int n = ceil_div(j->K, fits);
    return ceil_div(ceil_div(j->K, n), quantum) * quantum;
}

/* Rows m0 .. m1 of A times one stripe of B, slice by slice. */
static void stripe_product(const cmat_sgemm_job *j, const cmat_sgemm_tile *t, float *panels, int n0,
                           int n, int m0, int m1, int slice)
{
    for (int k0 = 0; k0 < j->K; k0 += slice) {
        const int kc = j->K - k0 < slice ? j->K - k0 : slice;
        const float beta = k0 ? 1 : j->beta;
        j->pack(j->b, panels, t->width, n0, n, k0, kc);
        for (int p = 0; p < n; p += t->width) {
            const int w = n - p < t->width ? n - p : t->width;
            for (int m = m0; m < m1; m += t->rows) {
                const int h = m1 - m < t->rows ? m1 - m : t->rows;
                t->tile(h, w, kc, j->alpha, j->a + (size_t)m * j->a_row + (size_t)k0 * j->a_col,
                        j->a_row, j->a_col, panels + (size_t)p * (size_t)kc, beta,
                        j->c + (size_t)m * j->ldc + (size_t)(n0 + p), j->ldc);
            }
        }
    }
}

/* Rows of A that one item of work takes: all, unless the stripes alone do not keep the threads
 * busy. */
static int chunk_rows(const cmat_sgemm_job *j, const cmat_sgemm_tile *t, int n_stripes, int threads)
{
    if (threads == 1 || n_stripes >= 4 * threads)
        return j->M;
    int rows = ceil_div(j->M, ceil_div(4 * threads, n_stripes));
    rows = rows < CHUNK_ROWS ? CHUNK_ROWS : rows;
    return ceil_div(rows, t->rows) * t->rows;
}

void cmat_sgemm(const cmat_sgemm_job *j, const cmat_sgemm_tile *t)
{
    const int threads = cmat_threads(), stripe = j->stripe ? j->stripe : t->width;
    const int n_stripes = ceil_div(j->N, stripe), slice = slice_length(j, stripe);
    const int chunk = chunk_rows(j, t, n_stripes, threads), n_chunks = ceil_div(j->M, chunk);
    assert(stripe % t->width == 0 && slice * stripe <= PANEL_FLOATS);
#pragma omp parallel num_threads(threads) if (n_stripes * n_chunks > 1)
    {
        _Alignas(64) float panels[PANEL_FLOATS];
#pragma omp for schedule(dynamic)
        for (int i = 0; i < n_stripes * n_chunks; i++) {
            const int n0 = i / n_chunks * stripe, m0 = i % n_chunks * chunk;
            stripe_product(j, t, panels, n0, j->N - n0 < stripe ? j->N - n0 : stripe, m0,
                           j->M - m0 < chunk ? j->M : m0 + chunk, slice);
        }
    }
}
