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

/* An adapter's matrices in the pass's memory; rank 0 where it leaves this one alone, or for the
 * base alone. */
static cmat_lora_rows lora_of(const cmat_pass *p, int adapter, int l, int w)
{
    const cmat_weight *base = &p->base.layers[l].w[w];
    const cmat_adapter *a = adapter < p->n_adapters ? p->adapters[adapter] : NULL;
    const cmat_lora_pair *own = a ? cmat_adapter_pair(a, l, w) : NULL;
    if (!own || !own->a)
        return (cmat_lora_rows){0};
    return (cmat_lora_rows){.a = p->params[adapter] + (own->a - a->params),
                            .b = p->params[adapter] + (own->b - a->params),
                            .n_in = base->n_in,
                            .n_out = base->n_out,
                            .rank = a->config.rank,
                            .scale = a->scale};
}

void cmat_lora_forward(cmat_pass *p, const cmat_batch *b, int l, int w, float *y, int ldy,
                       const float *x, int ldx)
{
    for (int i = 0; i < b->n_groups; i++) {
        const cmat_row_group *g = &b->groups[i];
        const cmat_lora_rows lora = lora_of(p, g->adapter, l, w);
        int ld;
        if (!lora.rank)
            continue;
        const float *xd = group_input(p, g, l, w, x, ldx, lora.n_in, &ld);
        cmat_lora_forward_run(p->k, y ? y + (size_t)g->row * (size_t)ldy : NULL, ldy,
                              kept_u(p, l, w, g->row), p->max_rank, xd, ld, &lora, g->n);
    }
}

static void group_backward(cmat_pass *p, const cmat_row_group *g, int l, int w, float *dx, int lddx,
                           const float *dy, int lddy, const float *x, int ldx)
{
    const cmat_lora_rows lora = lora_of(p, g->adapter, l, w);
    if (!lora.rank)
        return;
    const cmat_dropout drop = group_dropout(p, g, l, w);
    const bool drops = dx && p->dropout && drop.rate > 0;
    float *dxg = dx ? dx + (size_t)g->row * (size_t)lddx : NULL;
    cmat_lora_grads back = {.lora = &lora,
                            .n = g->n,
                            .dy = dy + (size_t)g->row * (size_t)lddy,
                            .lddy = lddy,
                            .u = kept_u(p, l, w, g->row),
                            .ldu = p->max_rank,
                            .du = p->du,
                            .da = p->grads[g->adapter] + (lora.a - p->params[g->adapter]),
                            .db = p->grads[g->adapter] + (lora.b - p->params[g->adapter]),
                            .dx = drops ? p->ddrop : dxg,
                            .lddx = drops ? lora.n_in : lddx};
    back.x = group_input(p, g, l, w, x, ldx, lora.n_in, &back.ldx);
    if (drops)
        p->k->zero(p->ddrop, (size_t)g->n * (size_t)lora.n_in);
    cmat_lora_backward_run(p->k, &back);
    if (drops)
        p->k->dropout(dxg, lddx, p->ddrop, lora.n_in, g->n, lora.n_in, &drop, true);
}

void cmat_lora_backward(cmat_pass *p, const cmat_batch *b, int l, int w, float *dx, int lddx,
                        const float *dy, int lddy, const float *x, int ldx)
{
    for (int i = 0; i < b->n_groups; i++)
        if (b->groups[i].adapter < p->n_adapters)
            group_backward(p, &b->groups[i], l, w, dx, lddx, dy, lddy, x, ldx);
}
