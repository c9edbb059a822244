/* model/model.c - opens a model: configuration, tensors, rope tables, tokenizer, chat template. */
#include "model/model.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/mem.h"
#include "model/bind.h"
#include "model/hf_folder.h"
#include "model/rope.h"
#include <stdlib.h>
#include <string.h>

static cmat_status ropes_init(cmat_model *m, cmat_error *err)
{
    const cmat_model_config *c = &m->config;
    cmat_status st =
        cmat_rope_table_new(&m->rope_cos_sin, c, &c->rope, c->stretches, c->n_stretches, err);
    bool local = false;
    for (int l = 0; l < c->n_layers; l++)
        local |= (c->layer_flags[l] & CMAT_LAYER_LOCAL_ROPE) != 0;
    return st == CMAT_OK && local
               ? cmat_rope_table_new(&m->rope_local, c, &c->rope_local, NULL, 0, err)
               : st;
}

/* A template that our interpreter refuses does not stop the model from opening: logprobs, generate
 * and
 * --chat-template still work. Why is kept for whoever needs the template. */
static void template_init(cmat_model *m)
{
    const char *source;
    m->chat_template_error.status = CMAT_OK;
    if (!cmat_gguf_has(m->gguf, "tokenizer.chat_template"))
        source = cmat_chat_template_default(m->tokenizer);
    else if (cmat_gguf_str(m->gguf, "tokenizer.chat_template", &source, &m->chat_template_error) !=
             CMAT_OK)
        return;
    if (cmat_chat_template_new(&m->chat_template, source, strlen(source),
                               &m->chat_template_error) != CMAT_OK)
        m->chat_template = NULL;
}

cmat_status cmat_model_check_kernel(const cmat_model_config *c, const cmat_kernel_ops *k,
                                    cmat_error *err)
{
    const cmat_arch *a = c->arch;
    if ((a->qk_norm && (!k->head_norm || !k->head_norm_backward)) || (a->qkv_bias && !k->add_row) ||
        (a->gelu && (!k->geglu || !k->geglu_backward)))
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "model: the %s kernels cannot run the architecture %s", k->name, a->name);
    return CMAT_OK;
}

cmat_status cmat_model_open_source(cmat_model **out, cmat_source *src, const cmat_model_config *c,
                                   const cmat_kernel_ops *kernel, cmat_error *err)
{
    cmat_model *m = cmat_xcalloc(1, sizeof *m);
    cmat_status st;
    *out = NULL;
    m->config = *c;
    m->source = src;
    m->kernel = kernel ? kernel : cmat_kernel_best();
    if (m->kernel->device) {
        st = cmat_fail(err, CMAT_ERR_UNSUPPORTED, "model: the %s kernels tune but do not decode",
                       m->kernel->name);
        m->kernel = cmat_kernel_best();
        goto fail;
    }
    if ((st = cmat_model_check_kernel(c, m->kernel, err)) != CMAT_OK ||
        (st = cmat_model_bind(m, err)) != CMAT_OK || (st = ropes_init(m, err)) != CMAT_OK)
        goto fail;
    *out = m;
    return CMAT_OK;
fail:
    cmat_model_free(m);
    return st;
}

cmat_status cmat_model_open_gguf(cmat_model **out, cmat_gguf *g, const cmat_kernel_ops *kernel,
                                 cmat_error *err)
{
    cmat_source *src = cmat_source_gguf(g);
    cmat_model_config config;
    cmat_model *m;
    cmat_status st = cmat_config_from_gguf(&config, g, err);
    *out = NULL;
    if (st != CMAT_OK) {
        cmat_source_close(src);
        return st;
    }
    if ((st = cmat_model_open_source(&m, src, &config, kernel, err)) != CMAT_OK)
        return st;
    m->gguf = g;
    if ((st = cmat_tokenizer_new(&m->tokenizer, g, err)) != CMAT_OK)
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
    if (cmat_path_is_dir(path))
        return cmat_hf_folder_open(out, path, kernel, err);
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
        float *vectors[] = {l->attn_norm,      l->ffn_norm,      l->q_norm,  l->k_norm,
                            l->post_attn_norm, l->post_ffn_norm, l->qkv_bias};
        for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++)
            cmat_free_big(vectors[k]);
    }
    m->kernel->release(&m->output); /* token_embd itself is never prepared */
    free(m->layers);
    cmat_free_big(m->output_norm);
    cmat_free_big(m->rope_cos_sin);
    cmat_free_big(m->rope_local);
    cmat_chat_template_free(m->chat_template);
    cmat_tokenizer_free(m->tokenizer);
    cmat_source_close(m->source);
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
    if (!m->sha256[0] && m->path && !m->gguf)
        (void)cmat_hf_folder_hash(m->path, m->sha256, NULL);
    if (!m->sha256[0] && m->gguf &&
        (!m->path || cmat_sha256_file(m->path, m->sha256, NULL) != CMAT_OK))
        hash_tensors(m);
    return m->sha256;
}

const char *cmat_model_origin(cmat_model *m)
{
    const char *origin = NULL;
    if (m->gguf && cmat_gguf_str(m->gguf, CMAT_KEY_ORIGIN, &origin, NULL) == CMAT_OK &&
        strlen(origin) == 64)
        return origin;
    return cmat_model_hash(m);
}

const char *cmat_model_merged(const cmat_model *m)
{
    const char *merged = NULL;
    if (!m->gguf || cmat_gguf_str(m->gguf, CMAT_KEY_MERGED, &merged, NULL) != CMAT_OK)
        return NULL;
    return merged;
}
