/* model/dora.c - DoRA (arXiv 2402.09353, eq. 5): the norms of the rows of W + scale B A, with W
 * widened a row at a time, so that a quantised base stays as it is. */
#include "core/mem.h"
#include "model/adapter_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* |W_o + scale (B A)_o| of row o; row (n_in) is overwritten. */
static double row_norm(const cmat_weight *w, const cmat_lora_pair *p, int rank, float scale, int o,
                       float *row)
{
    const cmat_type_info *info = cmat_type_get(w->type);
    const size_t n_in = (size_t)w->n_in,
                 bytes = n_in / (size_t)info->block_weights * (size_t)info->block_bytes;
    double sum = 0;
    info->to_f32((const char *)w->data + (size_t)o * bytes, row, n_in);
    for (int r = 0; r < rank; r++) {
        const float b = scale * p->b[(size_t)o * (size_t)rank + (size_t)r];
        const float *a = p->a + (size_t)r * n_in;
        for (size_t i = 0; i < n_in; i++)
            row[i] += b * a[i];
    }
    for (size_t i = 0; i < n_in; i += 64) { /* float within a block, double across */
        const size_t end = i + 64 < n_in ? i + 64 : n_in;
        float part = 0;
        for (size_t j = i; j < end; j++)
            part += row[j] * row[j];
        sum += (double)part;
    }
    return sqrt(sum);
}

static void pair_refresh(const cmat_adapter *a, const cmat_weight *w, const cmat_lora_pair *p)
{
#pragma omp parallel num_threads(cmat_threads())
    {
        float *row = cmat_xmalloc((size_t)w->n_in * sizeof *row);
#pragma omp for schedule(static)
        for (int o = 0; o < w->n_out; o++) {
            const double norm = row_norm(w, p, a->config.rank, a->scale, o, row);
            p->inv_norm[o] = norm > 0 ? (float)(1 / norm) : 0; /* a row of zeros stays one */
            p->gain[o] = p->m[o] * p->inv_norm[o];
        }
        free(row);
    }
}

void cmat_dora_refresh(cmat_adapter *a)
{
    for (int l = 0; l < a->model->config.n_layers; l++)
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
            const cmat_lora_pair *p = cmat_adapter_pair(a, l, k);
            if (p->m)
                pair_refresh(a, &a->model->layers[l].w[k], p);
        }
}

void cmat_dora_init(cmat_adapter *a)
{
    cmat_dora_refresh(a);
    for (int l = 0; l < a->model->config.n_layers; l++)
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
            const cmat_lora_pair *p = cmat_adapter_pair(a, l, k);
            const int n_out = a->model->layers[l].w[k].n_out;
            for (int o = 0; p->m && o < n_out; o++) {
                p->m[o] = p->inv_norm[o] > 0 ? 1 / p->inv_norm[o] : 0;
                p->gain[o] = p->m[o] * p->inv_norm[o];
            }
        }
}
