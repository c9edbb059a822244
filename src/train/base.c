/* train/base.c - the frozen base in the memory of the kernels that tune. */
#include "core/mem.h"
#include "train/pass.h"
#include <stdlib.h>

static cmat_status vector_copy(float **out, const float *x, size_t n, const cmat_kernel_ops *k,
                               cmat_error *err)
{
    *out = NULL;
    if (!x)
        return CMAT_OK;
    if (!(*out = k->alloc(n * sizeof *x)))
        return cmat_fail(err, CMAT_ERR_NOMEM, "train: no memory for the model on %s", k->name);
    k->upload(*out, x, n * sizeof *x);
    return CMAT_OK;
}

/* The same matrix with forms of its own. */
static cmat_status weight_copy(cmat_weight *out, const cmat_weight *w, int uses,
                               const cmat_kernel_ops *k, cmat_error *err)
{
    *out = *w;
    out->prepared = NULL;
    return k->prepare(out, uses, err);
}

static cmat_status layer_copy(cmat_layer *out, const cmat_layer *l, const cmat_model_config *c,
                              int uses, const cmat_kernel_ops *k, cmat_error *err)
{
    const size_t D = (size_t)c->n_embd, d = (size_t)c->head_dim;
    const size_t qkv = (size_t)(c->n_heads + 2 * c->n_kv_heads) * d;
    const struct {
        float **to;
        const float *from;
        size_t n;
    } vectors[] = {{&out->attn_norm, l->attn_norm, D},
                   {&out->ffn_norm, l->ffn_norm, D},
                   {&out->q_norm, l->q_norm, d},
                   {&out->k_norm, l->k_norm, d},
                   {&out->post_attn_norm, l->post_attn_norm, D},
                   {&out->post_ffn_norm, l->post_ffn_norm, D},
                   {&out->qkv_bias, l->qkv_bias, qkv}};
    cmat_status st = CMAT_OK;
    for (size_t i = 0; st == CMAT_OK && i < sizeof vectors / sizeof *vectors; i++)
        st = vector_copy(vectors[i].to, vectors[i].from, vectors[i].n, k, err);
    for (int w = 0; st == CMAT_OK && w < CMAT_N_LAYER_WEIGHTS; w++)
        st = weight_copy(&out->w[w], &l->w[w], uses, k, err);
    return st;
}

static cmat_status base_copy(cmat_base *base, const cmat_model *m, const cmat_kernel_ops *k,
                             int uses, cmat_error *err)
{
    const cmat_model_config *c = &m->config;
    cmat_status st;
    base->copied = true;
    base->layers = cmat_xcalloc((size_t)c->n_layers, sizeof *base->layers);
    for (int l = 0; l < c->n_layers; l++)
        if ((st = layer_copy(&base->layers[l], &m->layers[l], c, uses, k, err)) != CMAT_OK)
            return cmat_fail_prefix(err, st, "layer %d", l);
    if ((st = vector_copy(&base->output_norm, m->output_norm, (size_t)c->n_embd, k, err)) !=
            CMAT_OK ||
        (st = vector_copy(&base->rope_cos_sin, m->rope_cos_sin, (size_t)c->n_ctx * (size_t)c->n_rot,
                          k, err)) != CMAT_OK ||
        (st = vector_copy(&base->rope_local, m->rope_local, (size_t)c->n_ctx * (size_t)c->n_rot, k,
                          err)) != CMAT_OK ||
        (st = weight_copy(&base->output, &m->output, uses, k, err)) != CMAT_OK)
        return st;
    if (c->tied) {
        base->token_embd = base->output;
        return CMAT_OK;
    }
    return weight_copy(&base->token_embd, &m->token_embd, CMAT_USE_PROMPT, k, err);
}

cmat_status cmat_base_init(cmat_base *base, cmat_model *m, const cmat_kernel_ops *k, int uses,
                           cmat_error *err)
{
    *base = (cmat_base){0};
    if (k != m->kernel) {
        cmat_status st = base_copy(base, m, k, uses, err);
        return st == CMAT_OK ? k->check(err) : st;
    }
    cmat_status st = cmat_model_prepare(m, uses, err);
    *base = (cmat_base){.layers = m->layers,
                        .token_embd = m->token_embd,
                        .output = m->output,
                        .output_norm = m->output_norm,
                        .rope_cos_sin = m->rope_cos_sin,
                        .rope_local = m->rope_local};
    return st;
}

void cmat_base_clear(cmat_base *base, const cmat_model *m, const cmat_kernel_ops *k)
{
    if (base->copied) {
        for (int l = 0; l < m->config.n_layers; l++) {
            for (int w = 0; w < CMAT_N_LAYER_WEIGHTS; w++)
                k->release(&base->layers[l].w[w]);
            cmat_layer *b = &base->layers[l];
            float *vectors[] = {b->attn_norm,      b->ffn_norm,      b->q_norm,  b->k_norm,
                                b->post_attn_norm, b->post_ffn_norm, b->qkv_bias};
            for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
                k->free(vectors[i]);
        }
        k->release(&base->output);
        if (!m->config.tied)
            k->release(&base->token_embd);
        k->free(base->output_norm);
        k->free(base->rope_cos_sin);
        k->free(base->rope_local);
        free(base->layers);
    }
    *base = (cmat_base){0};
}
