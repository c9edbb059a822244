/* model/adapter_prompt.c - prompt tuning, P-Tuning and prefix tuning in memory: layout, first
 * values, from what is tuned to what is served and back. */
#include "core/mem.h"
#include "model/forward.h"
#include "model/prompt_peft.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_HIDDEN_DEFAULT = 1024, DEFAULT_LSTM_LAYERS = 2 };

static const cmat_method *method_of(cmat_prompt_kind kind)
{
    return kind == CMAT_PROMPT_PREFIX     ? &cmat_method_prefix
           : kind == CMAT_PROMPT_P_TUNING ? &cmat_method_p_tuning
                                          : &cmat_method_prompt;
}

int cmat_prompt_kv_dim(const cmat_model_config *c)
{
    return c->n_kv_heads * c->head_dim;
}

size_t cmat_prompt_token_width(const cmat_model_config *c, cmat_prompt_kind kind)
{
    return kind == CMAT_PROMPT_PREFIX ? (size_t)c->n_layers * 2 * (size_t)cmat_prompt_kv_dim(c)
                                      : (size_t)c->n_embd;
}

/* ---- in memory ---- */

static cmat_status check_config(const cmat_prompt_config *c, const cmat_model *m, cmat_error *err)
{
    if (c->n_virtual < 1 || c->n_virtual > m->config.n_ctx - 2)
        return cmat_fail(err, CMAT_ERR_ARG,
                         "adapter: %d virtual tokens (1 to %d fit this model's context)",
                         c->n_virtual, m->config.n_ctx - 2);
    if (cmat_prompt_token_width(&m->config, c->kind) > INT32_MAX / 4)
        return cmat_fail(err, CMAT_ERR_LIMIT, "adapter: the model is too large for prefixes");
    return CMAT_OK;
}

static cmat_status encoder_new(cmat_adapter *a, cmat_error *err)
{
    const cmat_model_config *c = &a->model->config;
    const bool prefix = a->prompt.kind == CMAT_PROMPT_PREFIX;
    return cmat_prompt_encoder_new(
        &a->encoder,
        &(cmat_encoder_config){.kind = a->prompt.encoder,
                               .projection = prefix,
                               .n = a->n_virtual,
                               .n_in = prefix ? cmat_prompt_kv_dim(c) : c->n_embd,
                               .hidden = a->prompt.hidden,
                               .n_out = (int)cmat_prompt_token_width(c, a->prompt.kind),
                               .n_layers = a->prompt.lstm_layers},
        err);
}

cmat_status cmat_prompt_make(cmat_adapter **out, const cmat_model *m,
                             const cmat_prompt_config *config, bool with_encoder, cmat_error *err)
{
    cmat_status st = check_config(config, m, err);
    *out = NULL;
    if (st != CMAT_OK)
        return st;
    cmat_adapter *a = cmat_adapter_alloc(method_of(config->kind), m);
    const int D = m->config.n_embd;
    a->prompt = *config;
    a->prompt.init_text = NULL;
    if (a->prompt.hidden == 0)
        a->prompt.hidden = D < MAX_HIDDEN_DEFAULT ? D : MAX_HIDDEN_DEFAULT;
    if (a->prompt.lstm_layers == 0)
        a->prompt.lstm_layers = DEFAULT_LSTM_LAYERS;
    a->n_virtual = config->n_virtual;
    a->n_served = (size_t)a->n_virtual * cmat_prompt_token_width(&m->config, config->kind);
    if (with_encoder && (st = encoder_new(a, err)) != CMAT_OK)
        goto fail;
    a->n_params = a->encoder ? cmat_prompt_encoder_n_params(a->encoder) : a->n_served;
    a->params = cmat_alloc_big_zero(a->n_params, sizeof(float));
    a->served = a->encoder ? cmat_alloc_big_zero(a->n_served, sizeof(float)) : a->params;
    if (a->encoder && config->kind == CMAT_PROMPT_PREFIX)
        a->unpermuted = cmat_alloc_big_zero(a->n_served, sizeof(float));
    if (!a->params || !a->served ||
        (a->encoder && config->kind == CMAT_PROMPT_PREFIX && !a->unpermuted)) {
        st = cmat_fail(err, CMAT_ERR_NOMEM, "adapter: no memory for %zu parameters", a->n_params);
        goto fail;
    }
    *out = a;
    return CMAT_OK;
fail:
    cmat_adapter_free(a);
    return st;
}

static cmat_status make_like(cmat_adapter **out, const cmat_adapter *from, cmat_error *err)
{
    return cmat_prompt_make(out, from->model, &from->prompt, from->encoder != NULL, err);
}

void cmat_prompt_permute(const cmat_adapter *a, float *to, const float *from, bool to_peft)
{
    const cmat_model_config *c = &a->model->config;
    const size_t width = (size_t)cmat_prompt_kv_dim(c), L = (size_t)c->n_layers;
    for (int v = 0; v < a->n_virtual; v++)
        for (int l = 0; l < c->n_layers; l++)
            for (int which = 0; which < 2; which++) {
                const size_t ours = cmat_adapter_prefix_at(a, l, which, v),
                             peft = (((size_t)v * L + (size_t)l) * 2 + (size_t)which) * width;
                for (size_t i = 0; i < width; i++) {
                    const size_t j =
                        peft + (which ? i : (size_t)cmat_peft_hf_row(c, CMAT_W_K, (int)i));
                    if (to_peft)
                        to[j] = from[ours + i];
                    else
                        to[ours + i] = from[j];
                }
            }
}

static void refresh(cmat_adapter *a)
{
    if (!a->encoder)
        return;
    cmat_prompt_encoder_forward(a->encoder, a->model->kernel, a->params,
                                a->unpermuted ? a->unpermuted : a->served);
    if (a->unpermuted)
        cmat_prompt_permute(a, a->served, a->unpermuted, false);
}

static void backward(const cmat_adapter *a, const float *dserved, float *dparams)
{
    const float *dout = dserved;
    if (a->unpermuted) {
        cmat_prompt_permute(a, a->unpermuted, dserved, true);
        dout = a->unpermuted;
    }
    cmat_prompt_encoder_backward(a->encoder, a->model->kernel, a->params, dout, dparams);
}

/* ---- first values ---- */

/* n_virtual tokens: those of the text, again and again, or any of the vocabulary. */
static cmat_status init_tokens(const cmat_model *m, const char *text, int32_t *tokens, int n,
                               cmat_rng *rng, cmat_error *err)
{
    int32_t *of_text = NULL;
    size_t n_text = 0;
    size_t cap = 0;
    if (text)
        cmat_tokenizer_encode(m->tokenizer, text, strlen(text), false, &of_text, &n_text, &cap);
    if (text && n_text == 0)
        return cmat_fail(err, CMAT_ERR_ARG, "adapter: the text to start from has no tokens");
    for (int i = 0; i < n; i++)
        tokens[i] = text ? of_text[(size_t)i % n_text]
                         : (int32_t)cmat_rng_below(rng, (uint64_t)m->config.n_vocab);
    free(of_text);
    return CMAT_OK;
}

/* Keys and values that the model itself computes for the tokens at positions 0 .. n-1. */
static cmat_status init_prefix(cmat_adapter *a, const int32_t *tokens, cmat_error *err)
{
    const cmat_model_config *c = &a->model->config;
    const int n = a->n_virtual, n_pages = (n + CMAT_KV_PAGE - 1) / CMAT_KV_PAGE;
    const int d = c->head_dim;
    int32_t *pages = cmat_xcalloc((size_t)n_pages, sizeof *pages),
            *pos = cmat_xcalloc((size_t)n, sizeof *pos);
    const cmat_adapter **none = cmat_xcalloc((size_t)n, sizeof(void *));
    cmat_kv *kv = NULL;
    cmat_forward *f = NULL;
    cmat_status st = cmat_kv_new(&kv, c, CMAT_TYPE_F32, n_pages, err);
    if (st != CMAT_OK || (st = cmat_forward_new(&f, a->model, n, 1, err)) != CMAT_OK)
        goto done;
    for (int i = 0; i < n_pages; i++)
        pages[i] = cmat_kv_take(kv);
    for (int i = 0; i < n; i++)
        pos[i] = i;
    const cmat_paged_seq seq = {.n = n, .pages = pages};
    cmat_forward_run(f, kv,
                     &(cmat_batch){.n_rows = n,
                                   .tokens = tokens,
                                   .pos = pos,
                                   .adapters = none,
                                   .seqs = &seq,
                                   .n_seqs = 1});
    for (int l = 0; l < c->n_layers; l++)
        for (int v = 0; v < n; v++) {
            const cmat_paged_kv *p = cmat_kv_layer(kv, l);
            const float *keys = p->k, *values = p->v;
            float *key = a->params + cmat_adapter_prefix_at(a, l, 0, v);
            float *value = a->params + cmat_adapter_prefix_at(a, l, 1, v);
            const int slot = v % CMAT_KV_PAGE;
            for (int i = 0; i < c->n_kv_heads * d; i++) {
                const size_t at =
                    cmat_page_head(p, pages[v / CMAT_KV_PAGE], i / d, c->n_kv_heads, d);
                key[i] = keys[at + (size_t)(i % d * CMAT_KV_PAGE + slot)];
                value[i] = values[at + (size_t)(slot * d + i % d)];
            }
        }
done:
    cmat_forward_free(f);
    cmat_kv_free(kv);
    free(pages);
    free(pos);
    free(none);
    return st;
}

cmat_status cmat_adapter_new_prompt(cmat_adapter **out, const cmat_model *m,
                                    const cmat_prompt_config *config, cmat_rng *rng,
                                    cmat_error *err)
{
    cmat_prompt_config c = *config;
    int32_t *tokens;
    *out = NULL;
    if (c.kind == CMAT_PROMPT_EMBEDDINGS)
        c.encoder = CMAT_ENCODER_NONE;
    if ((c.kind == CMAT_PROMPT_P_TUNING && c.encoder == CMAT_ENCODER_NONE) ||
        (c.kind == CMAT_PROMPT_PREFIX && c.encoder == CMAT_ENCODER_LSTM))
        return cmat_fail(err, CMAT_ERR_ARG, "adapter: %s",
                         c.kind == CMAT_PROMPT_PREFIX
                             ? "prefix tuning has no LSTM encoder (none or mlp)"
                             : "P-Tuning needs an encoder (mlp or lstm)");
    cmat_status st = cmat_prompt_make(out, m, &c, c.encoder != CMAT_ENCODER_NONE, err);
    if (st != CMAT_OK)
        return st;
    if ((*out)->encoder) {
        cmat_prompt_encoder_init((*out)->encoder, (*out)->params, rng);
        cmat_adapter_refresh(*out);
        return CMAT_OK;
    }
    tokens = cmat_xcalloc((size_t)c.n_virtual, sizeof *tokens);
    st = init_tokens(m, c.init_text, tokens, c.n_virtual, rng, err);
    if (st == CMAT_OK && c.kind == CMAT_PROMPT_PREFIX)
        st = init_prefix(*out, tokens, err);
    else if (st == CMAT_OK)
        m->kernel->embed((*out)->params, &m->token_embd, tokens, c.n_virtual);
    free(tokens);
    if (st != CMAT_OK) {
        cmat_adapter_free(*out);
        *out = NULL;
    }
    return st;
}

static cmat_status load_prompt(cmat_adapter **out, const cmat_model *m, const char *dir,
                               const json_t *j, cmat_error *err)
{
    return cmat_prompt_load(out, m, dir, j, CMAT_PROMPT_EMBEDDINGS, err);
}

static cmat_status load_p_tuning(cmat_adapter **out, const cmat_model *m, const char *dir,
                                 const json_t *j, cmat_error *err)
{
    return cmat_prompt_load(out, m, dir, j, CMAT_PROMPT_P_TUNING, err);
}

static cmat_status load_prefix(cmat_adapter **out, const cmat_model *m, const char *dir,
                               const json_t *j, cmat_error *err)
{
    return cmat_prompt_load(out, m, dir, j, CMAT_PROMPT_PREFIX, err);
}

const cmat_method cmat_method_prompt = {.name = "prompt-tuning",
                                        .peft_type = "PROMPT_TUNING",
                                        .lr = 1e-2,
                                        .load = load_prompt,
                                        .save = cmat_prompt_save,
                                        .make_like = make_like};
const cmat_method cmat_method_p_tuning = {.name = "p-tuning",
                                          .peft_type = "P_TUNING",
                                          .lr = 5e-3,
                                          .load = load_p_tuning,
                                          .save = cmat_prompt_save,
                                          .make_like = make_like,
                                          .refresh = refresh,
                                          .backward = backward};
const cmat_method cmat_method_prefix = {.name = "prefix-tuning",
                                        .peft_type = "PREFIX_TUNING",
                                        .lr = 1e-2,
                                        .load = load_prefix,
                                        .save = cmat_prompt_save,
                                        .make_like = make_like,
                                        .refresh = refresh,
                                        .backward = backward};
