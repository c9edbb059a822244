/* model/model.c - opens a GGUF of the llama architecture: reads and range-checks the configuration,
 * binds every tensor after checking its exact shape, makes the rope table. */
#include "model/model.h"
#include "core/hash.h"
#include "core/mem.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const cmat_weight_names[CMAT_N_LAYER_WEIGHTS] = {"q",    "k",  "v",   "o",
                                                             "gate", "up", "down"};
const char *const cmat_weight_peft_names[CMAT_N_LAYER_WEIGHTS] = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
const char *const cmat_weight_gguf_names[CMAT_N_LAYER_WEIGHTS] = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};

/* An integer hyper-parameter within [min, max]; a missing key gives def (def < 0: it must be
 * there). */
static cmat_status hparam_int(const cmat_gguf *g, const char *key, int64_t min, int64_t max,
                              int64_t def, int *out, cmat_error *err)
{
    int64_t v = def;
    cmat_status st;
    if (cmat_gguf_has(g, key) || def < 0) {
        if ((st = cmat_gguf_int(g, key, &v, err)) != CMAT_OK)
            return st == CMAT_ERR_NOT_FOUND
                       ? cmat_fail(err, CMAT_ERR_FORMAT, "model: the file has no %s", key)
                       : st;
    }
    if (v < min || v > max)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: %s is %lld, must be %lld to %lld", key,
                         (long long)v, (long long)min, (long long)max);
    *out = (int)v;
    return CMAT_OK;
}

static cmat_status hparam_float(const cmat_gguf *g, const char *key, double min, double max,
                                double def, float *out, cmat_error *err)
{
    double v = def;
    cmat_status st;
    if (cmat_gguf_has(g, key) || isnan(def)) {
        if ((st = cmat_gguf_float(g, key, &v, err)) != CMAT_OK)
            return st == CMAT_ERR_NOT_FOUND
                       ? cmat_fail(err, CMAT_ERR_FORMAT, "model: the file has no %s", key)
                       : st;
    }
    if (!(v >= min && v <= max)) /* also refuses NaN */
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: %s is %g, must be %g to %g", key, v, min,
                         max);
    *out = (float)v;
    return CMAT_OK;
}

static cmat_status check_arch(const cmat_gguf *g, cmat_error *err)
{
    const char *arch = NULL;
    cmat_status st = cmat_gguf_str(g, "general.architecture", &arch, err);
    int n_experts = 0;
    if (st == CMAT_ERR_NOT_FOUND)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: the file has no general.architecture");
    if (st != CMAT_OK)
        return st;
    if (strcmp(arch, "llama") != 0)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "model: architecture \"%.64s\" is not supported (only llama)", arch);
    if ((st = hparam_int(g, "llama.expert_count", 0, 65536, 0, &n_experts, err)) != CMAT_OK)
        return st;
    if (n_experts > 0)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "model: mixture of experts is not supported");
    return CMAT_OK;
}

static cmat_status check_heads(const cmat_model_config *c, const cmat_gguf *g, cmat_error *err)
{
    int n_value = 0, n_rot = 0;
    cmat_status st;
    if (c->n_heads % c->n_kv_heads != 0)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "model: %d query heads do not divide into %d key heads", c->n_heads,
                         c->n_kv_heads);
    if (c->head_dim % 2 != 0)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: head size %d is odd", c->head_dim);
    if ((st = hparam_int(g, "llama.attention.value_length", 1, 1 << 16, c->head_dim, &n_value,
                         err)) != CMAT_OK)
        return st;
    if ((st = hparam_int(g, "llama.rope.dimension_count", 1, 1 << 16, c->head_dim, &n_rot, err)) !=
        CMAT_OK)
        return st;
    if (n_value != c->head_dim || n_rot != c->head_dim)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "model: head sizes differ (key %d, value %d, rotated %d)", c->head_dim,
                         n_value, n_rot);
    return CMAT_OK;
}

static cmat_status config_read(cmat_model_config *c, const cmat_gguf *g, cmat_error *err)
{
    cmat_status st;
    if ((st = check_arch(g, err)) != CMAT_OK ||
        (st = hparam_int(g, "llama.block_count", 1, 512, -1, &c->n_layers, err)) != CMAT_OK ||
        (st = hparam_int(g, "llama.context_length", 1, 1 << 20, -1, &c->n_ctx, err)) != CMAT_OK ||
        (st = hparam_int(g, "llama.embedding_length", 1, 1 << 16, -1, &c->n_embd, err)) !=
            CMAT_OK ||
        (st = hparam_int(g, "llama.feed_forward_length", 1, 1 << 18, -1, &c->n_ff, err)) !=
            CMAT_OK ||
        (st = hparam_int(g, "llama.attention.head_count", 1, 1024, -1, &c->n_heads, err)) !=
            CMAT_OK ||
        (st = hparam_int(g, "llama.attention.head_count_kv", 1, c->n_heads, c->n_heads,
                         &c->n_kv_heads, err)) != CMAT_OK)
        return st;
    if (!cmat_gguf_has(g, "llama.attention.key_length") && c->n_embd % c->n_heads != 0)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: width %d does not divide into %d heads",
                         c->n_embd, c->n_heads);
    if ((st = hparam_int(g, "llama.attention.key_length", 2, 1024, c->n_embd / c->n_heads,
                         &c->head_dim, err)) != CMAT_OK ||
        (st = check_heads(c, g, err)) != CMAT_OK ||
        (st = hparam_float(g, "llama.attention.layer_norm_rms_epsilon", 1e-12, 0.1, (double)NAN,
                           &c->rms_eps, err)) != CMAT_OK)
        return st;
    return hparam_float(g, "llama.rope.freq_base", 1, 1e12, 10000, &c->rope_theta, err);
}

/* Finds a tensor of exactly ne0 x ne1 (ne1 0: one axis only). */
static cmat_status tensor_get(const cmat_gguf *g, const char *name, int64_t ne0, int64_t ne1,
                              const cmat_gguf_tensor **out, cmat_error *err)
{
    const cmat_gguf_tensor *t = cmat_gguf_tensor_find(g, name);
    int n_dims = ne1 ? 2 : 1;
    if (!t)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: tensor %s is missing", name);
    if (t->n_dims != n_dims || t->ne[0] != ne0 || (ne1 && t->ne[1] != ne1))
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "model: tensor %s is %lld x %lld (%d axes), must be %lld x %lld", name,
                         (long long)t->ne[0], (long long)t->ne[1], t->n_dims, (long long)ne0,
                         (long long)(ne1 ? ne1 : 1));
    *out = t;
    return CMAT_OK;
}

static cmat_status weight_bind(cmat_weight *w, const cmat_gguf *g, const char *name, int n_in,
                               int n_out, cmat_error *err)
{
    const cmat_gguf_tensor *t = NULL;
    cmat_status st = tensor_get(g, name, n_in, n_out, &t, err);
    if (!t)
        return st;
    *w = (cmat_weight){.data = t->data, .type = t->type, .n_out = n_out, .n_in = n_in};
    return CMAT_OK;
}

/* A vector of n values of any type, widened; they must be finite. */
static cmat_status vector_bind(float **out, const cmat_gguf *g, const char *name, int n,
                               cmat_error *err)
{
    const cmat_gguf_tensor *t = NULL;
    cmat_status st = tensor_get(g, name, n, 0, &t, err);
    if (!t)
        return st;
    *out = cmat_alloc_big((size_t)n, sizeof(float));
    if (!*out)
        return cmat_fail(err, CMAT_ERR_NOMEM, "model: no memory for tensor %s", name);
    cmat_type_get(t->type)->to_f32(t->data, *out, (size_t)n);
    for (int i = 0; i < n; i++) {
        if (!isfinite((*out)[i]))
            return cmat_fail(err, CMAT_ERR_FORMAT,
                             "model: tensor %s holds a value that is no number", name);
    }
    return CMAT_OK;
}

static cmat_status layer_bind(cmat_layer *l, int i, const cmat_model_config *c, const cmat_gguf *g,
                              cmat_error *err)
{
    const int q = c->n_heads * c->head_dim, kv = c->n_kv_heads * c->head_dim;
    const int n_in[CMAT_N_LAYER_WEIGHTS] = {c->n_embd, c->n_embd, c->n_embd, q,
                                            c->n_embd, c->n_embd, c->n_ff};
    const int n_out[CMAT_N_LAYER_WEIGHTS] = {q, kv, kv, c->n_embd, c->n_ff, c->n_ff, c->n_embd};
    char name[64];
    cmat_status st;
    snprintf(name, sizeof name, "blk.%d.attn_norm.weight", i);
    if ((st = vector_bind(&l->attn_norm, g, name, c->n_embd, err)) != CMAT_OK)
        return st;
    snprintf(name, sizeof name, "blk.%d.ffn_norm.weight", i);
    if ((st = vector_bind(&l->ffn_norm, g, name, c->n_embd, err)) != CMAT_OK)
        return st;
    for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
        snprintf(name, sizeof name, "blk.%d.%s.bias", i, cmat_weight_gguf_names[k]);
        if (cmat_gguf_tensor_find(g, name))
            return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                             "model: tensor %s: biases are not supported", name);
        snprintf(name, sizeof name, "blk.%d.%s.weight", i, cmat_weight_gguf_names[k]);
        if ((st = weight_bind(&l->w[k], g, name, n_in[k], n_out[k], err)) != CMAT_OK)
            return st;
    }
    return CMAT_OK;
}

static cmat_status weights_bind(cmat_model *m, cmat_error *err)
{
    cmat_model_config *c = &m->config;
    const cmat_gguf_tensor *embd = cmat_gguf_tensor_find(m->gguf, "token_embd.weight");
    int n_vocab = 0;
    cmat_status st;
    if (!embd)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: tensor token_embd.weight is missing");
    if (embd->ne[1] < 1 || embd->ne[1] > 1 << 22)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: %lld rows in token_embd.weight",
                         (long long)embd->ne[1]);
    c->n_vocab = (int)embd->ne[1];
    if ((st = hparam_int(m->gguf, "llama.vocab_size", 1, 1 << 22, c->n_vocab, &n_vocab, err)) !=
        CMAT_OK)
        return st;
    if (n_vocab != c->n_vocab)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "model: llama.vocab_size is %d but token_embd.weight has %d rows", n_vocab,
                         c->n_vocab);
    if ((st = weight_bind(&m->token_embd, m->gguf, "token_embd.weight", c->n_embd, c->n_vocab,
                          err)) != CMAT_OK)
        return st;
    c->tied = !cmat_gguf_tensor_find(m->gguf, "output.weight");
    m->output = m->token_embd;
    if (!c->tied && (st = weight_bind(&m->output, m->gguf, "output.weight", c->n_embd, c->n_vocab,
                                      err)) != CMAT_OK)
        return st;
    if ((st = vector_bind(&m->output_norm, m->gguf, "output_norm.weight", c->n_embd, err)) !=
        CMAT_OK)
        return st;
    m->layers = cmat_xcalloc((size_t)c->n_layers, sizeof *m->layers);
    for (int i = 0; i < c->n_layers; i++) {
        if ((st = layer_bind(&m->layers[i], i, c, m->gguf, err)) != CMAT_OK)
            return st;
    }
    return CMAT_OK;
}

/* By how much positions are divided (position interpolation, arXiv 2306.15595). */
static cmat_status rope_scaling(const cmat_gguf *g, float *scale, cmat_error *err)
{
    const char *type = "none";
    cmat_status st;
    *scale = 1;
    if (cmat_gguf_has(g, "llama.rope.scale_linear"))
        return hparam_float(g, "llama.rope.scale_linear", 1e-3, 1e6, 1, scale, err);
    if (!cmat_gguf_has(g, "llama.rope.scaling.type"))
        return CMAT_OK;
    if ((st = cmat_gguf_str(g, "llama.rope.scaling.type", &type, err)) != CMAT_OK)
        return st;
    if (strcmp(type, "none") == 0)
        return CMAT_OK;
    if (strcmp(type, "linear") != 0)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "model: rope scaling \"%.32s\" is not supported", type);
    return hparam_float(g, "llama.rope.scaling.factor", 1e-3, 1e6, 1, scale, err);
}

static cmat_status rope_init(cmat_model *m, cmat_error *err)
{
    const cmat_model_config *c = &m->config;
    const int half = c->head_dim / 2;
    float scale, *factors = NULL;
    size_t n;
    cmat_status st = rope_scaling(m->gguf, &scale, err);
    if (st != CMAT_OK)
        return st;
    if (cmat_gguf_tensor_find(m->gguf, "rope_freqs.weight")) {
        st = vector_bind(&factors, m->gguf, "rope_freqs.weight", half, err);
        if (st != CMAT_OK || !factors)
            goto done;
    } else if (!(factors = cmat_alloc_big((size_t)half, sizeof(float)))) {
        st = cmat_fail(err, CMAT_ERR_NOMEM, "model: no memory for rope factors");
        goto done;
    } else {
        for (int i = 0; i < half; i++)
            factors[i] = 1;
    }
    for (int i = 0; i < half; i++) {
        factors[i] *= scale;
        if (!(factors[i] > 0)) {
            st = cmat_fail(err, CMAT_ERR_FORMAT, "model: rope_freqs.weight holds %g",
                           (double)factors[i]);
            goto done;
        }
    }
    if (!cmat_mul((size_t)c->n_ctx, (size_t)c->head_dim, &n) ||
        !(m->rope_cos_sin = cmat_alloc_big(n, sizeof(float)))) {
        st =
            cmat_fail(err, CMAT_ERR_NOMEM, "model: no memory for a context of %d tokens", c->n_ctx);
        goto done;
    }
    cmat_rope_table(m->rope_cos_sin, c->n_ctx, c->head_dim, c->rope_theta, factors);
done:
    cmat_free_big(factors);
    return st;
}

/* A template that our interpreter refuses does not stop the model from opening: logprobs, generate
 * and
 * --chat-template still work. Why is kept for whoever needs the template. */
static void template_init(cmat_model *m)
{
    const char *source;
    m->chat_template_error.status = CMAT_OK;
    if (!cmat_gguf_has(m->gguf, "tokenizer.chat_template"))
        source = cmat_chat_template_chatml;
    else if (cmat_gguf_str(m->gguf, "tokenizer.chat_template", &source, &m->chat_template_error) !=
             CMAT_OK)
        return;
    if (cmat_chat_template_new(&m->chat_template, source, strlen(source),
                               &m->chat_template_error) != CMAT_OK)
        m->chat_template = NULL;
}

cmat_status cmat_model_open_gguf(cmat_model **out, cmat_gguf *g, const cmat_kernel_ops *kernel,
                                 cmat_error *err)
{
    cmat_model *m = cmat_xcalloc(1, sizeof *m);
    cmat_status st;
    *out = NULL;
    m->gguf = g;
    m->kernel = kernel ? kernel : cmat_kernel_best();
    if (m->kernel->device) {
        st = cmat_fail(err, CMAT_ERR_UNSUPPORTED, "model: the %s kernels tune but do not decode",
                       m->kernel->name);
        m->kernel = cmat_kernel_best();
        goto fail;
    }
    if ((st = config_read(&m->config, g, err)) != CMAT_OK ||
        (st = weights_bind(m, err)) != CMAT_OK || (st = rope_init(m, err)) != CMAT_OK ||
        (st = cmat_tokenizer_new(&m->tokenizer, g, err)) != CMAT_OK)
        goto fail;
    if (cmat_tokenizer_n_vocab(m->tokenizer) != m->config.n_vocab) {
        st = cmat_fail(err, CMAT_ERR_FORMAT,
                       "model: the tokenizer has %d tokens but token_embd.weight has %d rows",
                       cmat_tokenizer_n_vocab(m->tokenizer), m->config.n_vocab);
        goto fail;
    }
    template_init(m);
    *out = m;
    return CMAT_OK;
fail:
    cmat_model_free(m);
    return st;
}

cmat_status cmat_model_open(cmat_model **out, const char *path, const cmat_kernel_ops *kernel,
                            cmat_error *err)
{
    cmat_gguf *g;
    cmat_status st;
    *out = NULL;
    if ((st = cmat_gguf_open(&g, path, err)) != CMAT_OK)
        return st;
    st = cmat_model_open_gguf(out, g, kernel, err);
    if (!*out)
        return cmat_fail_prefix(err, st, "%s", path);
    (*out)->path = cmat_xstrdup(path);
    return CMAT_OK;
}

void cmat_model_free(cmat_model *m)
{
    if (!m)
        return;
    for (int i = 0; m->layers && i < m->config.n_layers; i++) {
        cmat_layer *l = &m->layers[i];
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++)
            m->kernel->release(&l->w[k]);
        cmat_free_big(l->attn_norm);
        cmat_free_big(l->ffn_norm);
    }
    m->kernel->release(&m->output); /* token_embd itself is never prepared */
    free(m->layers);
    cmat_free_big(m->output_norm);
    cmat_free_big(m->rope_cos_sin);
    cmat_chat_template_free(m->chat_template);
    cmat_tokenizer_free(m->tokenizer);
    cmat_gguf_close(m->gguf);
    free(m->path);
    free(m);
}

static cmat_status weight_prepare(cmat_model *m, cmat_weight *w, int uses, cmat_error *err)
{
    m->kernel->release(w);
    return m->kernel->prepare(w, uses, err);
}

cmat_status cmat_model_prepare(cmat_model *m, int uses, cmat_error *err)
{
    const int all = m->prepared_uses | uses;
    cmat_status st;
    if (all == m->prepared_uses)
        return CMAT_OK;
    m->prepared_uses = 0; /* of a model that is half prepared every product still works */
    for (int i = 0; i < m->config.n_layers; i++) {
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
            if ((st = weight_prepare(m, &m->layers[i].w[k], all, err)) != CMAT_OK)
                return cmat_fail_prefix(err, st, "model: layer %d, %s", i, cmat_weight_names[k]);
        }
    }
    /* Without training only the wanted rows go through the head: few at a time. */
    if ((st = weight_prepare(m, &m->output, all & CMAT_USE_BACKWARD ? all : all & CMAT_USE_DECODE,
                             err)) != CMAT_OK)
        return cmat_fail_prefix(err, st, "model: output");
    m->prepared_uses = all;
    return CMAT_OK;
}

/* A model in memory has no file: its identity is a digest over names and contents of its tensors.
 */
static void hash_tensors(cmat_model *m)
{
    cmat_buf list = {0};
    for (size_t i = 0; i < cmat_gguf_n_tensors(m->gguf); i++) {
        const cmat_gguf_tensor *t = cmat_gguf_tensor_at(m->gguf, i);
        char hex[65];
        cmat_sha256_hex(t->data, t->size, hex);
        cmat_buf_printf(&list, "%s %d %s\n", t->name, (int)t->type, hex);
    }
    cmat_sha256_hex(cmat_buf_str(&list), list.len, m->sha256);
    cmat_buf_clear(&list);
}

const char *cmat_model_hash(cmat_model *m)
{
    if (!m->sha256[0] && (!m->path || cmat_sha256_file(m->path, m->sha256, NULL) != CMAT_OK))
        hash_tensors(m);
    return m->sha256;
}
