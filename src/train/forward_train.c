/* train/forward_train.c - a decoder block forward with its activations kept, and the loss.
 *
 *   xn = rmsnorm(x)                  q, k, v = xn Wq^T, xn Wk^T, xn Wv^T (each + LoRA)
 *   o = attention(rope(q), rope(k), v)               xmid = x + o Wo^T
 *   xn = rmsnorm(xmid)               gate, up = xn Wg^T, xn Wu^T
 *   y = xmid + (act(gate) * up) Wd^T
 *
 * and, by architecture: biases on q, k, v; rmsnorm of each head of q and k before rope; rmsnorm of
 * what attention and network give before it is added.
 *
 * Kept: x, q k v after rope (before the heads' norms where there are such), o, xmid, gate, up, what
 * goes into the later norms, and each LoRA's x A^T. The norms and the gated product are cheap and
 * computed again. */
#include "model/rope.h"
#include "train/pass.h"

/* y += x W^T and the adapters' part. */
static void project_added(cmat_pass *p, const cmat_batch *b, int l, int w, float *y, int ldy,
                          const float *x, int ldx)
{
    if (p->has_dora)
        cmat_dora_begin(p, b, l, w, y, ldy);
    p->k->matmul(y, ldy, x, ldx, &p->base.layers[l].w[w], b->n_rows, true);
    cmat_lora_forward(p, b, l, w, y, ldy, x, ldx);
    if (p->has_dora)
        cmat_dora_end(p, b, l, w, y, ldy, true);
}

/* One matrix and where its product goes. */
typedef struct {
    int w;
    float *y;
    int ldy;
} target;

/* y = x W^T and the adapters' part, for matrices that share x. */
static void project_set(cmat_pass *p, const cmat_batch *b, int l, const target *t, int n,
                        const float *x, int ldx)
{
    cmat_product products[CMAT_N_LAYER_WEIGHTS];
    for (int i = 0; i < n; i++)
        products[i] = (cmat_product){t[i].y, t[i].ldy, &p->base.layers[l].w[t[i].w]};
    cmat_matmul_set(p->k, products, n, x, ldx, b->n_rows);
    for (int i = 0; i < n; i++) {
        cmat_lora_forward(p, b, l, t[i].w, t[i].y, t[i].ldy, x, ldx);
        if (p->has_dora)
            cmat_dora_end(p, b, l, t[i].w, t[i].y, t[i].ldy, false);
    }
}

static const float *layer_rope(const cmat_pass *p, int l)
{
    const float *own = cmat_model_rope(p->model, l);
    return !own ? NULL : own == p->model->rope_local ? p->base.rope_local : p->base.rope_cos_sin;
}

float *cmat_layer_qkv(cmat_pass *p, const cmat_batch *b, int l, float *kept)
{
    const cmat_model_config *c = &p->model->config;
    const cmat_layer *layer = &p->base.layers[l];
    cmat_dims n = cmat_pass_dims(p, b->n_rows);
    float *q = p->qkv, *k_inv;
    if (!layer->q_norm)
        return kept;
    k_inv = p->head_inv + (size_t)n.T * (size_t)n.H;
    p->k->copy(q, kept, (size_t)n.T * (size_t)n.qkv);
    p->k->head_norm(q, n.qkv, p->head_inv, layer->q_norm, n.T, n.H, n.d, c->rms_eps);
    p->k->head_norm(q + n.H * n.d, n.qkv, k_inv, layer->k_norm, n.T, n.G, n.d, c->rms_eps);
    cmat_rope_heads(p->k, c, q, n.qkv, layer_rope(p, l), b->pos, n.T, n.H + n.G, false);
    cmat_prefix_put(p, b, l, q + n.H * n.d, q + (n.H + n.G) * n.d, n.qkv);
    return q;
}

void cmat_layer_qkv_backward(cmat_pass *p, const cmat_batch *b, int l, const float *kept,
                             float *dqkv)
{
    const cmat_layer *layer = &p->base.layers[l];
    cmat_dims n = cmat_pass_dims(p, b->n_rows);
    const int k = n.H * n.d;
    cmat_rope_heads(p->k, &p->model->config, dqkv, n.qkv, layer_rope(p, l), b->pos, n.T, n.H + n.G,
                    true);
    if (!layer->q_norm)
        return;
    cmat_full_head_norm_grad(p, layer->q_norm, dqkv, n.qkv, kept, n.qkv, p->head_inv, n.T, n.H);
    cmat_full_head_norm_grad(p, layer->k_norm, dqkv + k, n.qkv, kept + k, n.qkv,
                             p->head_inv + (size_t)n.T * (size_t)n.H, n.T, n.G);
    p->k->head_norm_backward(dqkv, n.qkv, kept, n.qkv, layer->q_norm, p->head_inv, n.T, n.H, n.d);
    p->k->head_norm_backward(dqkv + k, n.qkv, kept + k, n.qkv, layer->k_norm,
                             p->head_inv + (size_t)n.T * (size_t)n.H, n.T, n.G, n.d);
}

/* y = x + a W^T, or x + norm(a W^T) with what goes into the norm kept as activation act; y NULL:
 * only what the backward pass needs of it. */
static void add_projection(cmat_pass *p, const cmat_batch *b, int l, int w, float *y,
                           const float *x, const float *a, int lda, const float *norm, int act)
{
    const int D = p->model->config.n_embd;
    const size_t n = (size_t)b->n_rows * (size_t)D;
    if (norm) {
        float *out = cmat_act_out(p, l, act);
        project_set(p, b, l, &(target){w, out, D}, 1, a, lda);
        if (!y)
            return;
        p->k->rmsnorm(y, NULL, out, norm, b->n_rows, D, p->model->config.rms_eps);
        p->k->add(y, x, n);
    } else if (!y) {
        cmat_lora_forward(p, b, l, w, NULL, 0, a, lda);
    } else {
        p->k->copy(y, x, n);
        project_added(p, b, l, w, y, D, a, lda);
    }
}

static void attention_forward(cmat_pass *p, const cmat_batch *b, int l, const float *x, float *xmid)
{
    const cmat_model *m = p->model;
    const cmat_layer *layer = &p->base.layers[l];
    cmat_dims n = cmat_pass_dims(p, b->n_rows);
    float *qkv = cmat_act_out(p, l, CMAT_ACT_QKV), *o = cmat_act_out(p, l, CMAT_ACT_O);
    float *k = qkv + n.H * n.d, *v = k + n.G * n.d;

    p->k->rmsnorm(p->xn, NULL, x, layer->attn_norm, n.T, n.D, m->config.rms_eps);
    project_set(p, b, l,
                (target[]){{CMAT_W_Q, qkv, n.qkv}, {CMAT_W_K, k, n.qkv}, {CMAT_W_V, v, n.qkv}}, 3,
                p->xn, n.D);
    if (layer->qkv_bias)
        p->k->add_row(qkv, n.qkv, layer->qkv_bias, n.T, n.qkv);
    if (!layer->q_norm) { /* q and k heads lie side by side: one call turns both */
        cmat_rope_heads(p->k, &m->config, qkv, n.qkv, layer_rope(p, l), b->pos, n.T, n.H + n.G,
                        false);
        cmat_prefix_put(p, b, l, k, v, n.qkv);
    }
    qkv = cmat_layer_qkv(p, b, l, qkv);
    k = qkv + n.H * n.d;
    v = k + n.G * n.d;
    p->k->attention(o, n.H * n.d, p->layers[l].lse, qkv, n.qkv, k, v, n.qkv, b->seg, b->n_seg, n.H,
                    n.G, n.d, cmat_config_window(&m->config, l));
    add_projection(p, b, l, CMAT_W_O, xmid, x, o, n.H * n.d, layer->post_attn_norm,
                   CMAT_ACT_ATTN_OUT);
}

void cmat_layer_forward(cmat_pass *p, const cmat_batch *b, int l, float *y, bool keep)
{
    const cmat_model *m = p->model;
    cmat_dims n = cmat_pass_dims(p, b->n_rows);
    float *x = cmat_act_out(p, l, CMAT_ACT_X), *xmid = cmat_act_out(p, l, CMAT_ACT_XMID);
    float *gate = cmat_act_out(p, l, CMAT_ACT_GATE), *up = cmat_act_out(p, l, CMAT_ACT_UP);

    attention_forward(p, b, l, x, xmid);
    p->k->rmsnorm(p->xn, NULL, xmid, p->base.layers[l].ffn_norm, n.T, n.D, m->config.rms_eps);
    project_set(p, b, l, (target[]){{CMAT_W_GATE, gate, n.F}, {CMAT_W_UP, up, n.F}}, 2, p->xn, n.D);
    if (keep)
        for (int i = 0; i < CMAT_ACT_FFN_OUT; i++)
            cmat_act_keep(p, l, i, n.T);
    (m->config.arch->gelu ? p->k->geglu : p->k->swiglu)(p->h, gate, up, n.T, n.F);
    add_projection(p, b, l, CMAT_W_DOWN, y, xmid, p->h, n.F, p->base.layers[l].post_ffn_norm,
                   CMAT_ACT_FFN_OUT);
    if (keep)
        cmat_act_keep(p, l, CMAT_ACT_FFN_OUT, n.T);
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
    cmat_full_weight_grad(p, &p->base.output, p->logits, V, p->hxn, D, n);
    /* hxn is free again: it takes the gradient with respect to hx */
    p->k->matmul_backward(p->hdxn, D, p->logits, V, &p->base.output, n, false);
    p->k->zero(p->hxn, (size_t)n * (size_t)D);
    p->k->rmsnorm_backward(p->hxn, cmat_full_grad(p, p->base.output_norm), p->hdxn, p->hx,
                           p->base.output_norm, p->inv_rms, n, D);
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
