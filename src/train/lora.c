/* train/lora.c - the adapters' part of each matrix product, forward and backward.
 *
 *   u = drop(x) A^T          y += s u B^T
 *   du = s dy B              dB += s dy^T u     dA += du^T drop(x)     dx += drop(du A)
 *
 * Rows of one adapter are consecutive, so that each is one product. Dropout multiplies an element
 * by 0 or 1/(1-p), chosen by a hash of (seed, layer, matrix, row, column): the backward pass makes
 * the same choice again and nothing is stored. */
#include "train/pass.h"

static uint64_t mix(uint64_t z)
{ /* splitmix64's finaliser */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static uint64_t drop_seed(const cmat_pass *p, int l, int w)
{
    return mix(p->drop_seed ^ ((uint64_t)l * CMAT_N_LAYER_WEIGHTS + (uint64_t)w + 1));
}

static cmat_dropout group_dropout(const cmat_pass *p, const cmat_row_group *g, int l, int w)
{
    return (cmat_dropout){
        .rate = p->adapters[g->adapter]->config.dropout, .seed = drop_seed(p, l, w), .row = g->row};
}

/* The rows of x of one group, with dropout when the adapter asks for it. */
static const float *group_input(cmat_pass *p, const cmat_row_group *g, int l, int w, const float *x,
                                int ldx, int n_in, int *ld)
{
    const cmat_dropout drop = group_dropout(p, g, l, w);
    const float *xg = x + (size_t)g->row * (size_t)ldx;
    *ld = ldx;
    if (!p->dropout || drop.rate <= 0)
        return xg;
    float *out = p->drop + (size_t)g->row * (size_t)n_in;
    p->k->dropout(out, n_in, xg, ldx, g->n, n_in, &drop, false);
    *ld = n_in;
    return out;
}

static float *kept_u(const cmat_pass *p, int l, int w, int row)
{
    return p->layers[l].u + ((size_t)w * (size_t)p->max_rows + (size_t)row) * (size_t)p->max_rank;
}

const float *cmat_lora_kept_u(const cmat_pass *p, int l, int w, int row)
{
    return kept_u(p, l, w, row);
}

/* An adapter's matrices in the pass's memory; NULL where it leaves this one alone. */
static cmat_lora_pair pair_of(const cmat_pass *p, int adapter, int l, int w)
{
    const cmat_adapter *a = p->adapters[adapter];
    const cmat_lora_pair *own = cmat_adapter_pair(a, l, w);
    if (!own->a)
        return (cmat_lora_pair){0};
    return (cmat_lora_pair){.a = p->params[adapter] + (own->a - a->params),
                            .b = p->params[adapter] + (own->b - a->params)};
}

/* u = drop(x) A^T of one group; without matrices when its adapter leaves this one alone. */
static cmat_lora_pair group_down(cmat_pass *p, const cmat_row_group *g, int l, int w,
                                 const float *x, int ldx)
{
    if (g->adapter >= p->n_adapters)
        return (cmat_lora_pair){0}; /* the base alone */
    const cmat_adapter *a = p->adapters[g->adapter];
    const cmat_lora_pair pair = pair_of(p, g->adapter, l, w);
    int n_in = p->base.layers[l].w[w].n_in, ld;
    if (!pair.a)
        return pair;
    const float *xd = group_input(p, g, l, w, x, ldx, n_in, &ld);
    p->k->gemm(false, true, g->n, a->config.rank, n_in, 1, xd, ld, pair.a, n_in, 0,
               kept_u(p, l, w, g->row), p->max_rank);
    return pair;
}

void cmat_lora_forward(cmat_pass *p, const cmat_batch *b, int l, int w, float *y, int ldy,
                       const float *x, int ldx)
{
    for (int i = 0; i < b->n_groups; i++) {
        const cmat_row_group *g = &b->groups[i];
        const cmat_lora_pair pair = group_down(p, g, l, w, x, ldx);
        if (!pair.a || !y)
            continue;
        const cmat_adapter *a = p->adapters[g->adapter];
        p->k->gemm(false, true, g->n, p->base.layers[l].w[w].n_out, a->config.rank, a->scale,
                   kept_u(p, l, w, g->row), p->max_rank, pair.b, a->config.rank, 1,
                   y + (size_t)g->row * (size_t)ldy, ldy);
    }
}

static void group_backward(cmat_pass *p, const cmat_row_group *g, int l, int w, float *dx, int lddx,
                           const float *dy, int lddy, const float *x, int ldx)
{
    const cmat_weight *base = &p->base.layers[l].w[w];
    const cmat_adapter *a = p->adapters[g->adapter];
    const cmat_lora_pair pair = pair_of(p, g->adapter, l, w);
    if (!pair.a)
        return;
    int r = a->config.rank, n_in = base->n_in, n_out = base->n_out, ld;
    float *da = p->grads[g->adapter] + (pair.a - p->params[g->adapter]);
    float *db = p->grads[g->adapter] + (pair.b - p->params[g->adapter]);
    const float *u = kept_u(p, l, w, g->row), *dyg = dy + (size_t)g->row * (size_t)lddy;
    const float *xd = group_input(p, g, l, w, x, ldx, n_in, &ld);

    p->k->gemm(true, false, n_out, r, g->n, a->scale, dyg, lddy, u, p->max_rank, 1, db, r);
    p->k->gemm(false, false, g->n, r, n_out, a->scale, dyg, lddy, pair.b, r, 0, p->du, r);
    p->k->gemm(true, false, r, n_in, g->n, 1, p->du, r, xd, ld, 1, da, n_in);
    if (!dx)
        return;
    float *dxg = dx + (size_t)g->row * (size_t)lddx;
    const cmat_dropout drop = group_dropout(p, g, l, w);
    if (!p->dropout || drop.rate <= 0) {
        p->k->gemm(false, false, g->n, n_in, r, 1, p->du, r, pair.a, n_in, 1, dxg, lddx);
        return;
    }
    p->k->gemm(false, false, g->n, n_in, r, 1, p->du, r, pair.a, n_in, 0, p->ddrop, n_in);
    p->k->dropout(dxg, lddx, p->ddrop, n_in, g->n, n_in, &drop, true);
}

void cmat_lora_backward(cmat_pass *p, const cmat_batch *b, int l, int w, float *dx, int lddx,
                        const float *dy, int lddy, const float *x, int ldx)
{
    for (int i = 0; i < b->n_groups; i++)
        if (b->groups[i].adapter < p->n_adapters)
            group_backward(p, &b->groups[i], l, w, dx, lddx, dy, lddy, x, ldx);
}
