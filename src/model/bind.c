/* model/bind.c - tensors to layers. A matrix that a checkpoint holds fused with others is a run of
 * the fused one's rows: blocks lie row by row, so that nothing is copied. */
#include "model/bind.h"
#include "core/mem.h"
#include <math.h>
#include <stdio.h>

typedef struct {
    const cmat_source *src;
    const cmat_arch *arch;
    int layer;
    cmat_error *err;
} binder;

static bool has(const binder *b, int module, const char *suffix)
{
    char name[CMAT_MODULE_NAME_MAX], full[CMAT_MODULE_NAME_MAX + 8];
    cmat_source_tensor t;
    if (b->src->hf && !b->arch->hf[module])
        return false;
    cmat_module_name(name, b->arch, b->src->hf, module, b->layer);
    snprintf(full, sizeof full, "%s%s", name, suffix);
    return b->src->find(b->src, full, &t);
}

/* The tensor of exactly n_in x n_out (n_out 0: a vector). */
static cmat_status get(const binder *b, int module, const char *suffix, int64_t n_in, int64_t n_out,
                       cmat_source_tensor *t)
{
    char name[CMAT_MODULE_NAME_MAX], full[CMAT_MODULE_NAME_MAX + 8];
    cmat_module_name(name, b->arch, b->src->hf, module, b->layer);
    snprintf(full, sizeof full, "%s%s", name, suffix);
    if (!b->src->find(b->src, full, t))
        return cmat_fail(b->err, CMAT_ERR_FORMAT, "model: tensor %s is missing", full);
    if (t->n_dims != (n_out ? 2 : 1) || t->n_in != n_in || (n_out && t->n_out != n_out))
        return cmat_fail(b->err, CMAT_ERR_FORMAT,
                         "model: tensor %s is %lld x %lld (%d axes), must be %lld x %lld", full,
                         (long long)t->n_in, (long long)t->n_out, t->n_dims, (long long)n_in,
                         (long long)(n_out ? n_out : 1));
    if (!t->data)
        return cmat_fail(b->err, CMAT_ERR_NOMEM, "model: no memory for tensor %s", full);
    return CMAT_OK;
}

/* Widens n values of t, plus `plus`, into out; they must be finite. */
static cmat_status widen(const binder *b, const cmat_source_tensor *t, const char *what, float plus,
                         float *out, size_t n)
{
    cmat_type_get(t->type)->to_f32(t->data, out, n);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(out[i]))
            return cmat_fail(b->err, CMAT_ERR_FORMAT,
                             "model: tensor %s holds a value that is no number", what);
        out[i] += plus;
    }
    return CMAT_OK;
}

/* A norm's weights of n values. */
static cmat_status bind_norm(const binder *b, int module, int n, float **out)
{
    const float plus = b->src->hf && b->arch->norm_plus_one ? 1 : 0;
    char name[CMAT_MODULE_NAME_MAX];
    cmat_source_tensor t;
    cmat_status st = get(b, module, ".weight", n, 0, &t);
    if (st != CMAT_OK)
        return st;
    cmat_module_name(name, b->arch, b->src->hf, module, b->layer);
    *out = cmat_alloc_big((size_t)n, sizeof(float));
    if (!*out)
        return cmat_fail(b->err, CMAT_ERR_NOMEM, "model: no memory for tensor %s", name);
    return widen(b, &t, name, plus, *out, (size_t)n);
}

static cmat_status bind_matrix(const binder *b, int module, int n_in, int n_out, cmat_weight *w)
{
    cmat_source_tensor t;
    cmat_status st = get(b, module, ".weight", n_in, n_out, &t);
    if (st == CMAT_OK)
        *w = (cmat_weight){.data = t.data, .type = t.type, .n_out = n_out, .n_in = n_in};
    return st;
}

static size_t rows_bytes(const cmat_weight *w)
{
    const cmat_type_info *info = cmat_type_get(w->type);
    return (size_t)w->n_in / (size_t)info->block_weights * (size_t)info->block_bytes *
           (size_t)w->n_out;
}

/* n matrices w[0..n) from module: itself when it is one, else by the fused one's rows. */
static cmat_status bind_rows(const binder *b, int module, int n_in, const int *n_out,
                             cmat_weight *w, int n)
{
    cmat_weight all = {0};
    int rows = 0;
    for (int i = 0; i < n; i++)
        rows += n_out[i];
    cmat_status st = bind_matrix(b, module, n_in, rows, &all);
    const char *data = all.data;
    for (int i = 0; st == CMAT_OK && i < n; i++) {
        w[i] = (cmat_weight){.data = data, .type = all.type, .n_out = n_out[i], .n_in = n_in};
        data += rows_bytes(&w[i]);
    }
    return st;
}

static cmat_status bind_matrices(const binder *b, const cmat_model_config *c, cmat_layer *l)
{
    const int q = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
    const int n_in[CMAT_N_LAYER_WEIGHTS] = {c->n_embd, c->n_embd, c->n_embd, q,
                                            c->n_embd, c->n_embd, c->n_ff};
    const int n_out[CMAT_N_LAYER_WEIGHTS] = {q, kv, kv, c->n_embd, c->n_ff, c->n_ff, c->n_embd};
    int n;
    for (int w = 0; w < CMAT_N_LAYER_WEIGHTS; w += n) {
        cmat_status st = bind_rows(b, cmat_arch_module_of(b->arch, w), n_in[w], n_out + w, l->w + w,
                                   n = cmat_arch_module_size(b->arch, w));
        if (st != CMAT_OK)
            return st;
    }
    return CMAT_OK;
}

/* The biases of q, k and v in one row. */
static cmat_status bind_biases(const binder *b, const cmat_model_config *c, cmat_layer *l)
{
    const int kv = c->n_kv_heads * c->head_dim, n[3] = {c->n_heads * c->head_dim, kv, kv};
    const int all = n[0] + 2 * kv;
    cmat_source_tensor t;
    cmat_status st = CMAT_OK;
    float *at;
    at = l->qkv_bias = cmat_alloc_big((size_t)all, sizeof(float));
    if (!at)
        return cmat_fail(b->err, CMAT_ERR_NOMEM, "model: no memory for biases");
    if (b->arch->fused_qkv) {
        st = get(b, CMAT_MODULE_QKV, ".bias", all, 0, &t);
        return st == CMAT_OK ? widen(b, &t, "of q, k and v biases", 0, at, (size_t)all) : st;
    }
    for (int w = CMAT_W_Q; w <= CMAT_W_V; at += n[w++])
        if ((st = get(b, w, ".bias", n[w], 0, &t)) != CMAT_OK ||
            (st = widen(b, &t, "of q, k and v biases", 0, at, (size_t)n[w])) != CMAT_OK)
            return st;
    return CMAT_OK;
}

static cmat_status refuse_biases(const binder *b)
{
    char name[CMAT_MODULE_NAME_MAX];
    for (int module = 0; module < CMAT_MODULE_ATTN_NORM; module++) {
        const bool ours = b->arch->qkv_bias && (module <= CMAT_W_V || module == CMAT_MODULE_QKV);
        if (ours || !has(b, module, ".bias"))
            continue;
        cmat_module_name(name, b->arch, b->src->hf, module, b->layer);
        return cmat_fail(b->err, CMAT_ERR_UNSUPPORTED,
                         "model: tensor %s.bias: a bias there is not supported", name);
    }
    return CMAT_OK;
}

static cmat_status bind_qk_norms(const binder *b, const cmat_model_config *c, cmat_layer *l)
{
    cmat_status st;
    if ((st = bind_norm(b, CMAT_MODULE_Q_NORM, c->head_dim, &l->q_norm)) != CMAT_OK ||
        (st = bind_norm(b, CMAT_MODULE_K_NORM, c->head_dim, &l->k_norm)) != CMAT_OK)
        return st;
    for (int i = 0; c->q_scale != 1 && i < c->head_dim; i++)
        l->q_norm[i] *= c->q_scale;
    return CMAT_OK;
}

static cmat_status bind_layer(const binder *b, const cmat_model_config *c, cmat_layer *l)
{
    cmat_status st;
    if ((st = bind_norm(b, CMAT_MODULE_ATTN_NORM, c->n_embd, &l->attn_norm)) != CMAT_OK ||
        (st = bind_norm(b, CMAT_MODULE_FFN_NORM, c->n_embd, &l->ffn_norm)) != CMAT_OK ||
        (st = refuse_biases(b)) != CMAT_OK || (st = bind_matrices(b, c, l)) != CMAT_OK)
        return st;
    if (b->arch->qkv_bias && (st = bind_biases(b, c, l)) != CMAT_OK)
        return st;
    if (b->arch->qk_norm && (st = bind_qk_norms(b, c, l)) != CMAT_OK)
        return st;
    if (!b->arch->post_norms)
        return CMAT_OK;
    if ((st = bind_norm(b, CMAT_MODULE_POST_ATTN_NORM, c->n_embd, &l->post_attn_norm)) != CMAT_OK)
        return st;
    return bind_norm(b, CMAT_MODULE_POST_FFN_NORM, c->n_embd, &l->post_ffn_norm);
}

static cmat_status bind_embeddings(const binder *b, cmat_model *m)
{
    cmat_model_config *c = &m->config;
    char name[CMAT_MODULE_NAME_MAX], full[CMAT_MODULE_NAME_MAX + 8];
    cmat_source_tensor t;
    cmat_status st;
    cmat_module_name(name, b->arch, b->src->hf, CMAT_MODULE_TOKEN_EMBD, 0);
    snprintf(full, sizeof full, "%s.weight", name);
    if (!b->src->find(b->src, full, &t))
        return cmat_fail(b->err, CMAT_ERR_FORMAT, "model: tensor %s is missing", full);
    if (t.n_out < 1 || t.n_out > 1 << 22)
        return cmat_fail(b->err, CMAT_ERR_FORMAT, "model: %lld rows in %s", (long long)t.n_out,
                         full);
    if (c->n_vocab && c->n_vocab != t.n_out)
        return cmat_fail(b->err, CMAT_ERR_FORMAT, "model: vocab_size is %d but %s has %lld rows",
                         c->n_vocab, full, (long long)t.n_out);
    c->n_vocab = (int)t.n_out;
    if ((st = bind_matrix(b, CMAT_MODULE_TOKEN_EMBD, c->n_embd, c->n_vocab, &m->token_embd)) !=
        CMAT_OK)
        return st;
    c->tied = !has(b, CMAT_MODULE_OUTPUT, ".weight");
    m->output = m->token_embd;
    if (c->tied)
        return CMAT_OK;
    return bind_matrix(b, CMAT_MODULE_OUTPUT, c->n_embd, c->n_vocab, &m->output);
}

cmat_status cmat_model_bind(cmat_model *m, cmat_error *err)
{
    const cmat_model_config *c = &m->config;
    binder b = {.src = m->source, .arch = c->arch, .err = err};
    cmat_status st;
    if ((st = bind_embeddings(&b, m)) != CMAT_OK ||
        (st = bind_norm(&b, CMAT_MODULE_OUTPUT_NORM, c->n_embd, &m->output_norm)) != CMAT_OK)
        return st;
    m->layers = cmat_xcalloc((size_t)c->n_layers, sizeof *m->layers);
    for (b.layer = 0; b.layer < c->n_layers; b.layer++)
        if ((st = bind_layer(&b, c, &m->layers[b.layer])) != CMAT_OK)
            return st;
    return CMAT_OK;
}
