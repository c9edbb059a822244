/* train/forward_train.c - the llama block forward with its activations kept, and the loss.
 *
 *   xn = rmsnorm(x)                  q, k, v = xn Wq^T, xn Wk^T, xn Wv^T (each + LoRA)
 *   o = attention(rope(q), rope(k), v)               xmid = x + o Wo^T
 *   xn = rmsnorm(xmid)               gate, up = xn Wg^T, xn Wu^T
 *   y = xmid + (silu(gate) * up) Wd^T
 *
 * Kept: x, q k v after rope, o, xmid, gate, up, and each LoRA's x A^T. The norms and the SwiGLU
 * product are cheap and computed again. */
#include "train/pass.h"

/* y = x W^T (accumulate: +=) and the adapters' part. */
static void project(cmat_pass *p, const cmat_batch *b, int l, int w, float *y, int ldy,
                    const float *x, int ldx, bool accumulate)
{
    if (accumulate && p->has_dora)
        cmat_dora_begin(p, b, l, w, y, ldy);
    p->k->matmul(y, ldy, x, ldx, &p->base.layers[l].w[w], b->n_rows, accumulate);
    cmat_lora_forward(p, b, l, w, y, ldy, x, ldx);
    if (p->has_dora)
        cmat_dora_end(p, b, l, w, y, ldy, accumulate);
}

static void attention_forward(cmat_pass *p, const cmat_batch *b, int l, const float *x, float *xmid)
{
    const cmat_model *m = p->model;
    cmat_dims n = cmat_pass_dims(p, b->n_rows);
    float *qkv = cmat_act_out(p, l, CMAT_ACT_QKV), *o = cmat_act_out(p, l, CMAT_ACT_O);
    float *k = qkv + n.H * n.d, *v = k + n.G * n.d;

    p->k->rmsnorm(p->xn, NULL, x, p->base.layers[l].attn_norm, n.T, n.D, m->config.rms_eps);
    project(p, b, l, CMAT_W_Q, qkv, n.qkv, p->xn, n.D, false);
    project(p, b, l, CMAT_W_K, k, n.qkv, p->xn, n.D, false);
    project(p, b, l, CMAT_W_V, v, n.qkv, p->xn, n.D, false);
    /* q and k heads lie side by side: one call turns both */
    p->k->rope(qkv, n.qkv, p->base.rope_cos_sin, b->pos, n.T, n.H + n.G, n.d, m->config.rope_neox,
               false);
    cmat_prefix_put(p, b, l, k, v, n.qkv);
    p->k->attention(o, n.H * n.d, p->layers[l].lse, qkv, n.qkv, k, v, n.qkv, b->seg, b->n_seg, n.H,
                    n.G, n.d);
    p->k->copy(xmid, x, (size_t)n.T * (size_t)n.D);
    project(p, b, l, CMAT_W_O, xmid, n.D, o, n.H * n.d, true);
}

void cmat_layer_forward(cmat_pass *p, const cmat_batch *b, int l, float *y, bool keep)
{
    const cmat_model *m = p->model;
    cmat_dims n = cmat_pass_dims(p, b->n_rows);
    float *x = cmat_act_out(p, l, CMAT_ACT_X), *xmid = cmat_act_out(p, l, CMAT_ACT_XMID);
    float *gate = cmat_act_out(p, l, CMAT_ACT_GATE), *up = cmat_act_out(p, l, CMAT_ACT_UP);

    attention_forward(p, b, l, x, xmid);
    p->k->rmsnorm(p->xn, NULL, xmid, p->base.layers[l].ffn_norm, n.T, n.D, m->config.rms_eps);
    project(p, b, l, CMAT_W_GATE, gate, n.F, p->xn, n.D, false);
    project(p, b, l, CMAT_W_UP, up, n.F, p->xn, n.D, false);
    if (keep)
        for (int i = 0; i < CMAT_N_ACTS; i++)
            cmat_act_keep(p, l, i, n.T);
    p->k->swiglu(p->h, gate, up, n.T, n.F);
    if (!y) {
        cmat_lora_forward(p, b, l, CMAT_W_DOWN, NULL, 0, p->h, n.F);
        return;
    }
    p->k->copy(y, xmid, (size_t)n.T * (size_t)n.D);
    project(p, b, l, CMAT_W_DOWN, y, n.D, p->h, n.F, true);
}

void cmat_pass_forward(cmat_pass *p, const cmat_batch *b, bool keep)
{
    int L = p->model->config.n_layers;
    cmat_virtual_embed(p, b, cmat_act_out(p, 0, CMAT_ACT_X));
    for (int l = 0; l < L; l++) {
        float *y = l + 1 < L ? cmat_act_out(p, l + 1, CMAT_ACT_X) : p->x;
        cmat_layer_forward(p, b, l, y, keep);
    }
}

/* Loss rows first .. first+n-1, all of one adapter: norm, head, cross-entropy and back. */
static double loss_block(cmat_pass *p, const cmat_batch *b, int first, int n, const float *scale)
{
    const cmat_model *m = p->model;
    int D = m->config.n_embd, V = m->config.n_vocab;
    const int32_t *rows = b->loss_rows + first;

    p->k->gather(p->hx, p->x, rows, n, D);
    p->k->rmsnorm(p->hxn, p->inv_rms, p->hx, p->base.output_norm, n, D, m->config.rms_eps);
    p->k->matmul(p->logits, V, p->hxn, D, &p->base.output, n, false);
    double loss = p->k->cross_entropy(p->logits, b->targets + first, b->loss_weights + first, n, V,
                                      scale ? *scale : 0.0F);
    if (!scale)
        return loss;
    /* hxn is free again: it takes the gradient with respect to hx */
    p->k->matmul_backward(p->hdxn, D, p->logits, V, &p->base.output, n, false);
    p->k->zero(p->hxn, (size_t)n * (size_t)D);
    p->k->rmsnorm_backward(p->hxn, NULL, p->hdxn, p->hx, p->base.output_norm, p->inv_rms, n, D);
    p->k->scatter(p->dx, p->hxn, rows, n, D);
    return loss;
}

void cmat_pass_loss(cmat_pass *p, const cmat_batch *b, const float *scale, double *loss)
{
    if (scale)
        p->k->zero(p->dx, (size_t)b->n_rows * (size_t)p->model->config.n_embd);
    for (int g = 0; g < b->n_loss_groups; g++) {
        const cmat_row_group *lg = &b->loss_groups[g];
        for (int i = 0; i < lg->n; i += p->head_rows) {
            int n = lg->n - i < p->head_rows ? lg->n - i : p->head_rows;
            loss[lg->adapter] +=
                loss_block(p, b, lg->row + i, n, scale ? &scale[lg->adapter] : NULL);
        }
    }
}
