/* train/backward.c - a decoder block backward for the adapters' gradients; the base is frozen,
 * unless it is what is tuned.
 *
 * dx holds the gradient of the loss with respect to the layer's output and, after each half of the
 * block, with respect to that half's input: the residual path is dx itself, each half adds to it.
 */
#include "train/pass.h"

/* dx = dy W (accumulate: +=) and the adapters' part with their own gradients. */
static void project_backward(cmat_pass *p, const cmat_batch *b, int l, int w, float *dx, int lddx,
                             const float *dy, int lddy, const float *x, int ldx, bool accumulate)
{
    dy = cmat_dora_backward(p, b, l, w, dy, &lddy, x, ldx);
    cmat_full_weight_grad(p, &p->base.layers[l].w[w], dy, lddy, x, ldx, b->n_rows);
    p->k->matmul_backward(dx, lddx, dy, lddy, &p->base.layers[l].w[w], b->n_rows, accumulate);
    cmat_lora_backward(p, b, l, w, dx, lddx, dy, lddy, x, ldx);
}

/* The adapters' own gradients only. */
static void project_grads(cmat_pass *p, const cmat_batch *b, int l, int w, const float *dy,
                          int lddy, const float *x, int ldx)
{
    dy = cmat_dora_backward(p, b, l, w, dy, &lddy, x, ldx);
    cmat_lora_backward(p, b, l, w, NULL, 0, dy, lddy, x, ldx);
}

/* The gradient of what goes into the norm after attention or network, from dx, that of what comes
 * out: dx itself where there is no such norm, else p->dxn. */
static const float *later_norm_backward(cmat_pass *p, int T, int l, int act, const float *norm)
{
    const int D = p->model->config.n_embd;
    if (!norm)
        return p->dx;
    const float *out = cmat_act_in(p, l, act, T);
    p->k->rmsnorm(p->xn, p->inv_rms, out, norm, T, D, p->model->config.rms_eps);
    p->k->zero(p->dxn, (size_t)T * (size_t)D);
    p->k->rmsnorm_backward(p->dxn, cmat_full_grad(p, norm), p->dx, out, norm, p->inv_rms, T, D);
    return p->dxn;
}

static void ffn_backward(cmat_pass *p, const cmat_batch *b, int l)
{
    const cmat_model *m = p->model;
    const float *norm = p->base.layers[l].ffn_norm, *dy;
    const bool gelu = m->config.arch->gelu;
    cmat_dims n = cmat_pass_dims(p, b->n_rows);
    const float *xmid = cmat_act_in(p, l, CMAT_ACT_XMID, n.T);
    float *gate = cmat_act_in(p, l, CMAT_ACT_GATE, n.T), *up = cmat_act_in(p, l, CMAT_ACT_UP, n.T);

    (gelu ? p->k->geglu : p->k->swiglu)(p->h, gate, up, n.T, n.F);
    dy = later_norm_backward(p, n.T, l, CMAT_ACT_FFN_OUT, p->base.layers[l].post_ffn_norm);
    project_backward(p, b, l, CMAT_W_DOWN, p->dh, n.F, dy, n.D, p->h, n.F, false);
    /* gate and up are not needed again: their gradients take their place */
    (gelu ? p->k->geglu_backward : p->k->swiglu_backward)(gate, up, p->dh, gate, up, n.T, n.F);
    p->k->rmsnorm(p->xn, p->inv_rms, xmid, norm, n.T, n.D, m->config.rms_eps);
    project_backward(p, b, l, CMAT_W_GATE, p->dxn, n.D, gate, n.F, p->xn, n.D, false);
    project_backward(p, b, l, CMAT_W_UP, p->dxn, n.D, up, n.F, p->xn, n.D, true);
    p->k->rmsnorm_backward(p->dx, cmat_full_grad(p, norm), p->dxn, xmid, norm, p->inv_rms, n.T,
                           n.D);
}

static void attention_half_backward(cmat_pass *p, const cmat_batch *b, int l)
{
    const cmat_model *m = p->model;
    const float *norm = p->base.layers[l].attn_norm, *dy;
    cmat_dims n = cmat_pass_dims(p, b->n_rows);
    const float *x = cmat_act_in(p, l, CMAT_ACT_X, n.T), *o = cmat_act_in(p, l, CMAT_ACT_O, n.T);
    float *kept = cmat_act_in(p, l, CMAT_ACT_QKV, n.T), *qkv;
    int q_width = n.H * n.d, kv_width = n.G * n.d;
    float *dq = p->dqkv, *dk = dq + q_width, *dv = dk + kv_width;

    dy = later_norm_backward(p, n.T, l, CMAT_ACT_ATTN_OUT, p->base.layers[l].post_attn_norm);
    project_backward(p, b, l, CMAT_W_O, p->dout, q_width, dy, n.D, o, q_width, false);
    qkv = cmat_layer_qkv(p, b, l, kept);
    p->k->zero(p->dqkv, (size_t)n.T * (size_t)n.qkv);
    p->k->attention_backward(dq, dk, dv, p->dout, q_width, o, p->layers[l].lse, qkv, n.qkv,
                             qkv + q_width, qkv + q_width + kv_width, n.qkv, b->seg, b->n_seg, n.H,
                             n.G, n.d, cmat_config_window(&m->config, l));
    cmat_prefix_take_grads(p, b, l, dk, dv, n.qkv);
    cmat_layer_qkv_backward(p, b, l, kept, p->dqkv);
    cmat_full_row_grad(p, p->base.layers[l].qkv_bias, p->dqkv, n.qkv, n.T, n.qkv);
    p->k->rmsnorm(p->xn, p->inv_rms, x, norm, n.T, n.D, m->config.rms_eps);
    if (l == 0 &&
        !p->has_embeddings) { /* nothing below needs dx: the adapters' own gradients only */
        project_grads(p, b, l, CMAT_W_Q, dq, n.qkv, p->xn, n.D);
        project_grads(p, b, l, CMAT_W_K, dk, n.qkv, p->xn, n.D);
        project_grads(p, b, l, CMAT_W_V, dv, n.qkv, p->xn, n.D);
        return;
    }
    project_backward(p, b, l, CMAT_W_Q, p->dxn, n.D, dq, n.qkv, p->xn, n.D, false);
    project_backward(p, b, l, CMAT_W_K, p->dxn, n.D, dk, n.qkv, p->xn, n.D, true);
    project_backward(p, b, l, CMAT_W_V, p->dxn, n.D, dv, n.qkv, p->xn, n.D, true);
    p->k->rmsnorm_backward(p->dx, cmat_full_grad(p, norm), p->dxn, x, norm, p->inv_rms, n.T, n.D);
}

void cmat_pass_backward(cmat_pass *p, const cmat_batch *b)
{
    for (int l = p->model->config.n_layers - 1; l >= 0; l--) {
        if (p->keep == CMAT_KEEP_RECOMPUTE)
            cmat_layer_forward(p, b, l, NULL, false);
        ffn_backward(p, b, l);
        attention_half_backward(p, b, l);
    }
    if (p->has_embeddings)
        cmat_virtual_embed_backward(p, b);
    cmat_full_embed_grad(p, b);
}
