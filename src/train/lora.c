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

/* out (n, width) = x (rows ldx apart) with elements dropped; add: out (rows ldo apart) += instead.
 */
static void apply_dropout(float *out, int ldo, const float *x, int ldx, int n, int width,
                          float rate, uint64_t seed, int row, bool add)
{
    uint64_t below = (uint64_t)((double)rate * 4294967296.0);
    float up = 1.0F / (1.0F - rate);
#pragma omp parallel for schedule(static) num_threads(cmat_threads())
    for (int i = 0; i < n; i++) {
        const float *xi = x + (size_t)i * (size_t)ldx;
        float *oi = out + (size_t)i * (size_t)ldo;
        uint64_t base = mix(seed + 0x9e3779b97f4a7c15ULL * (uint64_t)(row + i + 1));
        for (int j = 0; j < width; j++) {
            bool dropped = (mix(base + (uint64_t)j) >> 32) < below;
            float v = dropped ? 0.0F : xi[j] * up;
            oi[j] = add ? oi[j] + v : v;
        }
    }
}

static uint64_t drop_seed(const cmat_pass *p, int l, int w)
{
    return mix(p->drop_seed ^ ((uint64_t)l * CMAT_N_LAYER_WEIGHTS + (uint64_t)w + 1));
}

/* The rows of x of one group, with dropout when the adapter asks for it. */
static const float *group_input(cmat_pass *p, const cmat_row_group *g, int l, int w, const float *x,
                                int ldx, int n_in, int *ld)
{
    float rate = p->adapters[g->adapter]->config.dropout;
    const float *xg = x + (size_t)g->row * (size_t)ldx;
    *ld = ldx;
    if (!p->dropout || rate <= 0)
        return xg;
    float *out = p->drop + (size_t)g->row * (size_t)n_in;
    apply_dropout(out, n_in, xg, ldx, g->n, n_in, rate, drop_seed(p, l, w), g->row, false);
    *ld = n_in;
    return out;
}

static float *kept_u(cmat_pass *p, int l, int w, int row)
{
    return p->layers[l].u + ((size_t)w * (size_t)p->max_rows + (size_t)row) * (size_t)p->max_rank;
}

/* u = drop(x) A^T of one group; NULL when its adapter leaves this matrix alone. */
static const cmat_lora_pair *group_down(cmat_pass *p, const cmat_row_group *g, int l, int w,
                                        const float *x, int ldx)
{
    if (g->adapter >= p->n_adapters)
        return NULL; /* the base alone */
    const cmat_adapter *a = p->adapters[g->adapter];
    const cmat_lora_pair *pair = cmat_adapter_pair(a, l, w);
    int n_in = p->model->layers[l].w[w].n_in, ld;
    if (!pair->a)
        return NULL;
    const float *xd = group_input(p, g, l, w, x, ldx, n_in, &ld);
    p->k->gemm(false, true, g->n, a->config.rank, n_in, 1, xd, ld, pair->a, n_in, 0,
               kept_u(p, l, w, g->row), p->max_rank);
    return pair;
}

void cmat_lora_forward(cmat_pass *p, const cmat_batch *b, int l, int w, float *y, int ldy,
                       const float *x, int ldx)
{
    for (int i = 0; i < b->n_groups; i++) {
        const cmat_row_group *g = &b->groups[i];
        const cmat_lora_pair *pair = group_down(p, g, l, w, x, ldx);
        if (!pair || !y)
            continue;
        const cmat_adapter *a = p->adapters[g->adapter];
        p->k->gemm(false, true, g->n, p->model->layers[l].w[w].n_out, a->config.rank, a->scale,
                   kept_u(p, l, w, g->row), p->max_rank, pair->b, a->config.rank, 1,
                   y + (size_t)g->row * (size_t)ldy, ldy);
    }
}

static void group_backward(cmat_pass *p, const cmat_row_group *g, int l, int w, float *dx, int lddx,
                           const float *dy, int lddy, const float *x, int ldx)
{
    const cmat_weight *base = &p->model->layers[l].w[w];
    const cmat_adapter *a = p->adapters[g->adapter];
    const cmat_lora_pair *pair = cmat_adapter_pair(a, l, w);
    if (!pair->a)
        return;
    int r = a->config.rank, n_in = base->n_in, n_out = base->n_out, ld;
    float *da = p->grads[g->adapter] + (pair->a - a->params);
    float *db = p->grads[g->adapter] + (pair->b - a->params);
    const float *u = kept_u(p, l, w, g->row), *dyg = dy + (size_t)g->row * (size_t)lddy;
    const float *xd = group_input(p, g, l, w, x, ldx, n_in, &ld);

    p->k->gemm(true, false, n_out, r, g->n, a->scale, dyg, lddy, u, p->max_rank, 1, db, r);
    p->k->gemm(false, false, g->n, r, n_out, a->scale, dyg, lddy, pair->b, r, 0, p->du, r);
    p->k->gemm(true, false, r, n_in, g->n, 1, p->du, r, xd, ld, 1, da, n_in);
    if (!dx)
        return;
    float *dxg = dx + (size_t)g->row * (size_t)lddx;
    if (!p->dropout || a->config.dropout <= 0) {
        p->k->gemm(false, false, g->n, n_in, r, 1, p->du, r, pair->a, n_in, 1, dxg, lddx);
        return;
    }
    p->k->gemm(false, false, g->n, n_in, r, 1, p->du, r, pair->a, n_in, 0, p->ddrop, n_in);
    apply_dropout(dxg, lddx, p->ddrop, n_in, g->n, n_in, a->config.dropout, drop_seed(p, l, w),
                  g->row, true);
}

void cmat_lora_backward(cmat_pass *p, const cmat_batch *b, int l, int w, float *dx, int lddx,
                        const float *dy, int lddy, const float *x, int ldx)
{
    for (int i = 0; i < b->n_groups; i++)
        if (b->groups[i].adapter < p->n_adapters)
            group_backward(p, &b->groups[i], l, w, dx, lddx, dy, lddy, x, ldx);
}
