/* train/full.c - gradients of the model's own weights in full tuning. They lie in the adapter's
 * parameters, so that a tensor's gradient lies in the gradients where the tensor lies there. */
#include "train/pass.h"

float *cmat_full_grad(const cmat_pass *p, const float *tensor)
{
    return p->full && tensor ? p->grads[0] + (tensor - p->adapters[0]->params) : NULL;
}

void cmat_full_weight_grad(cmat_pass *p, const cmat_weight *w, const float *dy, int lddy,
                           const float *x, int ldx, int T)
{
    float *dw = cmat_full_grad(p, w->data);
    if (dw)
        cmat_weight_grad_run(p->k, &(cmat_outer){.dw = dw,
                                                 .n_out = w->n_out,
                                                 .n_in = w->n_in,
                                                 .T = T,
                                                 .dy = dy,
                                                 .x = x,
                                                 .lddy = lddy,
                                                 .ldx = ldx});
}

void cmat_full_row_grad(cmat_pass *p, const float *row, const float *dy, int lddy, int T, int n)
{
    float *g = cmat_full_grad(p, row);
    for (int t = 0; g && t < T; t++)
        p->k->add(g, dy + (size_t)t * (size_t)lddy, (size_t)n);
}

void cmat_full_head_norm_grad(cmat_pass *p, const float *norm, const float *dy, int lddy,
                              const float *x, int ldx, const float *inv_rms, int T, int n_heads)
{
    const int d = p->model->config.head_dim;
    float *g = cmat_full_grad(p, norm);
    for (int t = 0; g && t < T; t++)
        for (int h = 0; h < n_heads; h++) {
            const float inv = inv_rms[(size_t)t * (size_t)n_heads + (size_t)h];
            const float *dyh = dy + (size_t)t * (size_t)lddy + (size_t)(h * d),
                        *xh = x + (size_t)t * (size_t)ldx + (size_t)(h * d);
            for (int i = 0; i < d; i++)
                g[i] += dyh[i] * xh[i] * inv;
        }
}

void cmat_full_embed_grad(cmat_pass *p, const cmat_batch *b)
{
    const size_t D = (size_t)p->model->config.n_embd;
    float *g = cmat_full_grad(p, p->base.token_embd.data);
    if (!g)
        return;
    if (p->model->config.embd_scale != 1)
        p->k->scale(p->dx, p->model->config.embd_scale, (size_t)b->n_rows * D);
    for (int i = 0; i < b->n_rows; i++)
        p->k->add(g + (size_t)b->ids[i] * D, p->dx + (size_t)i * D, D);
}
