/* train/dora.c - DoRA's share of a matrix product (arXiv 2402.09353, eq. 5 and 11): with
 * z = x W^T + s u B^T, u = x A^T, and the norms n = |W + s B A| held constant,
 *
 *   y = g z, g = m / n          dm = sum over rows of dy z / n          dz = g dy
 *
 * and from dz on everything is LoRA's. z is computed again for dm. Dropout is on A's input only. */
#include "train/pass.h"
#include <stdlib.h>

/* The group's pair for a matrix when it is DoRA's, else NULL. */
static const cmat_lora_pair *dora_pair(const cmat_pass *p, const cmat_row_group *g, int l, int w)
{
    if (g->adapter >= p->n_adapters)
        return NULL;
    const cmat_lora_pair *pair = cmat_adapter_pair(p->adapters[g->adapter], l, w);
    return pair->m ? pair : NULL;
}

static void scale_columns(float *y, int ldy, const float *gain, int n, int n_out)
{
#pragma omp parallel for schedule(static) num_threads(cmat_threads())
    for (int i = 0; i < n; i++)
        for (int o = 0; o < n_out; o++)
            y[(size_t)i * (size_t)ldy + (size_t)o] *= gain[o];
}

static void copy_rows(float *y, int ldy, const float *x, int ldx, int n, int width,
                      const cmat_kernel_ops *k)
{
    for (int i = 0; i < n; i++)
        k->copy(y + (size_t)i * (size_t)ldy, x + (size_t)i * (size_t)ldx, (size_t)width);
}

void cmat_dora_begin(cmat_pass *p, const cmat_batch *b, int l, int w, float *y, int ldy)
{
    const int n_out = p->model->layers[l].w[w].n_out;
    for (int i = 0; i < b->n_groups; i++) {
        const cmat_row_group *g = &b->groups[i];
        float *rows = y + (size_t)g->row * (size_t)ldy;
        if (!dora_pair(p, g, l, w))
            continue;
        copy_rows(p->dora + (size_t)g->row * (size_t)n_out, n_out, rows, ldy, g->n, n_out, p->k);
        for (int j = 0; j < g->n; j++)
            p->k->zero(rows + (size_t)j * (size_t)ldy, (size_t)n_out);
    }
}

void cmat_dora_end(cmat_pass *p, const cmat_batch *b, int l, int w, float *y, int ldy, bool added)
{
    const int n_out = p->model->layers[l].w[w].n_out;
    for (int i = 0; i < b->n_groups; i++) {
        const cmat_row_group *g = &b->groups[i];
        const cmat_lora_pair *pair = dora_pair(p, g, l, w);
        float *rows = y + (size_t)g->row * (size_t)ldy;
        if (!pair)
            continue;
        scale_columns(rows, ldy, pair->gain, g->n, n_out);
        for (int j = 0; added && j < g->n; j++)
            p->k->add(rows + (size_t)j * (size_t)ldy,
                      p->dora + (size_t)(g->row + j) * (size_t)n_out, (size_t)n_out);
    }
}

/* dm of one group; z (n, n_out) is overwritten. */
static void magnitude_grads(cmat_pass *p, const cmat_row_group *g, int l, int w, float *z,
                            const float *dy, int lddy, const float *x, int ldx)
{
    const cmat_adapter *a = p->adapters[g->adapter];
    const cmat_lora_pair *pair = cmat_adapter_pair(a, l, w);
    const int n_out = p->model->layers[l].w[w].n_out, r = a->config.rank;
    float *dm = p->grads[g->adapter] + (pair->m - a->params);
    p->k->matmul(z, n_out, x + (size_t)g->row * (size_t)ldx, ldx, &p->base.layers[l].w[w], g->n,
                 false);
    p->k->gemm(false, true, g->n, n_out, r, a->scale, cmat_lora_kept_u(p, l, w, g->row),
               p->max_rank, pair->b, r, 1, z, n_out);
#pragma omp parallel for schedule(static) num_threads(cmat_threads())
    for (int o = 0; o < n_out; o++) {
        float sum = 0;
        for (int i = 0; i < g->n; i++)
            sum += dy[(size_t)(g->row + i) * (size_t)lddy + (size_t)o] *
                   z[(size_t)i * (size_t)n_out + (size_t)o];
        dm[o] += sum * pair->inv_norm[o];
    }
}

const float *cmat_dora_backward(cmat_pass *p, const cmat_batch *b, int l, int w, const float *dy,
                                int *lddy, const float *x, int ldx)
{
    const int n_out = p->model->layers[l].w[w].n_out, ld = *lddy;
    bool any = false;
    for (int i = 0; i < b->n_groups; i++)
        any = any || dora_pair(p, &b->groups[i], l, w);
    if (!any)
        return dy;
    for (int i = 0; i < b->n_groups; i++) {
        const cmat_row_group *g = &b->groups[i];
        const cmat_lora_pair *pair = dora_pair(p, g, l, w);
        float *dz = p->dora + (size_t)g->row * (size_t)n_out;
        if (pair)
            magnitude_grads(p, g, l, w, dz, dy, ld, x, ldx);
        copy_rows(dz, n_out, dy + (size_t)g->row * (size_t)ld, ld, g->n, n_out, p->k);
        if (pair)
            scale_columns(dz, n_out, pair->gain, g->n, n_out);
    }
    *lddy = n_out;
    return p->dora;
}
