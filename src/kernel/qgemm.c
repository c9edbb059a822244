/* kernel/qgemm.c - the loops around an integer tile; see qgemm.h. */
#include "kernel/qgemm.h"
#include "kernel/kernel.h"
#include "kernel/scratch.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    PANEL_BYTES = 160 << 10, /* a thread's packed panels */
    SLAB = 1 << 11,          /* longest K that is worked off at once */
    CHUNK_ROWS = 48,         /* fewest rows of x worth a packing of their own */
    MAX_WIDTH = 64,
    MAX_ROWS = 16
};

static int ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

static size_t round_up(size_t n)
{
    return (n + 63) / 64 * 64;
}

cmat_qrows cmat_qrows_new(int T, int K, int tile_rows)
{
    const int n_blocks = ceil_div(K, CMAT_Q_BLOCK);
    const size_t blocks = (size_t)ceil_div(T, tile_rows) * (size_t)tile_rows * (size_t)n_blocks;
    const size_t q = round_up(blocks * CMAT_Q_BLOCK * sizeof(int16_t));
    const size_t d = round_up(blocks * sizeof(float));
    char *p = cmat_scratch_take(q + 2 * d);
    return (cmat_qrows){(int16_t *)p, (float *)(void *)(p + q), (float *)(void *)(p + q + d),
                        n_blocks};
}

void cmat_qrows_round(const cmat_qrows *r, cmat_q_round *round, const float *x, size_t ldx, int T,
                      int K, int max)
{
#pragma omp for schedule(static)
    for (int t = 0; t < T; t++) {
        const size_t at = (size_t)t * (size_t)r->n_blocks;
        round(r->q + at * CMAT_Q_BLOCK, r->d + at, r->s + at, x + (size_t)t * ldx, K, max);
    }
}

/* Blocks of 32 in a slice of K: equal slices, no longer than fits. */
static int slice_blocks(const cmat_q_side *s, const cmat_q_tile *t, int n_blocks)
{
    const int stripe = s->stripe ? s->stripe : t->width;
    const size_t bytes = cmat_q_block_bytes(t->width, s->pairs) * (s->pairs == 8 ? 2 : 1);
    const size_t room = PANEL_BYTES / (size_t)(stripe / t->width);
    const int fits = (int)((room < t->slice_bytes ? room : t->slice_bytes) / bytes);
    assert(fits > 0 && stripe % t->width == 0);
    return ceil_div(n_blocks, ceil_div(n_blocks, fits));
}

/* A tile whose columns are not all there goes through a buffer. */
static void edge_tile(const cmat_q_tile *t, const cmat_q_side *j, int m, int n, const cmat_qrows *x,
                      size_t t0, int b0, const char *panel, int n_blocks, bool add, float *c)
{
    _Alignas(64) float buf[MAX_ROWS * MAX_WIDTH] = {0};
    for (int i = 0; i < m; i++)
        memcpy(buf + i * t->width, c + (size_t)i * j->ldy, (size_t)n * sizeof *c);
    t->tile(m, x, t0, b0, panel, n_blocks, j->pairs, add, buf, (size_t)t->width);
    for (int i = 0; i < m; i++)
        memcpy(c + (size_t)i * j->ldy, buf + i * t->width, (size_t)n * sizeof *c);
}

/* Rows m0 .. m1 times the columns n0 .. n0+n, slice by slice; k0: row of B for x's first column. */
static void stripe_product(const cmat_q_side *j, const cmat_q_tile *t, const cmat_qrows *x,
                           char *panels, int k0, int n0, int n, int m0, int m1)
{
    const int slice = slice_blocks(j, t, x->n_blocks);
    for (int b0 = 0; b0 < x->n_blocks; b0 += slice) {
        const int nb = x->n_blocks - b0 < slice ? x->n_blocks - b0 : slice;
        const int blocks = j->pairs == 8 ? 2 * nb : nb;
        const size_t panel_bytes = (size_t)blocks * cmat_q_block_bytes(t->width, j->pairs);
        const bool add = j->accumulate || b0 > 0;
        j->pack(j->b, panels, t->width, n0, n, k0 / CMAT_Q_BLOCK + b0, nb);
        for (int p = 0; p < n; p += t->width)
            for (int m = m0; m < m1; m += t->rows) {
                const int h = m1 - m < t->rows ? m1 - m : t->rows;
                const char *panel = panels + (size_t)(p / t->width) * panel_bytes;
                float *c = j->y + (size_t)m * j->ldy + n0 + p;
                if (n - p >= t->width)
                    t->tile(h, x, (size_t)m, b0, panel, blocks, j->pairs, add, c, j->ldy);
                else
                    edge_tile(t, j, h, n - p, x, (size_t)m, b0, panel, blocks, add, c);
            }
    }
}

/* Rows of x that one item of work takes: as many as stay in the second cache, in slices of K, while
 * one stripe after another goes over them, and fewer when the stripes alone do not keep the threads
 * busy. */
static int chunk_rows(const cmat_q_job *j, const cmat_q_tile *t, int n_stripes, int n_blocks,
                      int threads)
{
    const int slice = slice_blocks(&j->sides[0], t, n_blocks);
    const int cached = t->chunk_bytes / (slice * CMAT_Q_BLOCK * (int)sizeof(int16_t));
    int rows = ceil_div(j->T, ceil_div(j->T, cached > CHUNK_ROWS ? cached : CHUNK_ROWS));
    if (threads > 1 && n_stripes < 4 * threads) {
        const int shared = ceil_div(j->T, ceil_div(4 * threads, n_stripes));
        rows = shared < rows ? shared : rows;
        rows = rows < CHUNK_ROWS ? CHUNK_ROWS : rows;
    }
    return ceil_div(rows, t->rows) * t->rows;
}

static int stripes_of(const cmat_q_side *s, const cmat_q_tile *t)
{
    return ceil_div(s->N, s->stripe ? s->stripe : t->width);
}

/* Stripe i of all sides' for one chunk of rows. */
static void item_product(const cmat_q_job *j, const cmat_q_tile *t, const cmat_qrows *x,
                         char *panels, int i, int m0, int m1)
{
    const cmat_q_side *s = j->sides;
    for (; i >= stripes_of(s, t); s++)
        i -= stripes_of(s, t);
    const int stripe = s->stripe ? s->stripe : t->width, n0 = i * stripe;
    stripe_product(s, t, x, panels, j->k0, n0, s->N - n0 < stripe ? s->N - n0 : stripe, m0, m1);
}

static void slab_product(const cmat_q_job *j, const cmat_q_tile *t)
{
    const int threads = cmat_threads(), n_blocks = ceil_div(j->K, CMAT_Q_BLOCK);
    int n_stripes = 0;
    for (int s = 0; s < j->n_sides; s++)
        n_stripes += stripes_of(&j->sides[s], t);
    const int chunk = chunk_rows(j, t, n_stripes, n_blocks, threads);
    const int n_chunks = ceil_div(j->T, chunk);
    cmat_qrows x = cmat_qrows_new(j->T, j->K, t->rows);
    assert(t->rows <= MAX_ROWS && t->width <= MAX_WIDTH);
#pragma omp parallel num_threads(threads) if (n_stripes * n_chunks > 1)
    {
        _Alignas(64) char panels[PANEL_BYTES];
        cmat_qrows_round(&x, t->round, j->x, j->ldx, j->T, j->K, j->max);
#pragma omp for schedule(dynamic)
        for (int i = 0; i < n_stripes * n_chunks; i++) {
            const int m0 = i / n_stripes * chunk;
            item_product(j, t, &x, panels, i % n_stripes, m0,
                         j->T - m0 < chunk ? j->T : m0 + chunk);
        }
    }
    cmat_scratch_give(x.q);
}

/* A long K (the vocabulary, backward) slab by slab, so that the rounded rows are still in the
 * second cache when the next stripe needs them. */
void cmat_qgemm(const cmat_q_job *job, const cmat_q_tile *tile)
{
    cmat_q_job j = *job;
    for (int k = 0; k < job->K; k += SLAB) {
        j.k0 = job->k0 + k;
        j.x = job->x + k;
        j.K = job->K - k < SLAB ? job->K - k : SLAB;
        for (int s = 0; k > 0 && s < j.n_sides; s++)
            j.sides[s].accumulate = true;
        slab_product(&j, tile);
    }
}
