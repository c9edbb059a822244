/* model/export_hf_config.c - config.json and generation_config.json of a model, from its
 * hyper-parameters: the names of transformers' classes and what each wants to be told. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "model/export_internal.h"
#include "model/rope.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A float as the shortest decimal that names it, so that 1e-5f is not 9.99999974737875e-06. */
static json_t *json_float(float f)
{
    char text[32];
    snprintf(text, sizeof text, "%.7g", (double)f);
    return json_real(strtof(text, NULL) == f ? strtod(text, NULL) : (double)f);
}

static void set(json_t *j, const char *key, json_t *value)
{
    json_object_set_new(j, key, value);
}

/* ---- rope_scaling ---- */

/* A GGUF has Llama 3's scaling as divisors alone: the numbers that give them, which in all models
 * are 1, 4 and a power of two. */
static bool find_llama3(const cmat_model_config *c, cmat_rope_scaling *found)
{
    float most = 1;
    for (int i = 0; i < c->n_rot / 2; i++)
        most = fmaxf(most, c->rope.divisors[i]);
    for (int n = 16; n <= 1 << 20; n *= 2) {
        cmat_rope_config r;
        bool same = true;
        *found = (cmat_rope_scaling){.kind = CMAT_ROPE_LLAMA3,
                                     .factor = most,
                                     .low_freq_factor = 1,
                                     .high_freq_factor = 4,
                                     .n_ctx_orig = n};
        cmat_rope_plain(&r, c->rope.theta);
        cmat_rope_llama3(&r, c->n_rot, found);
        for (int i = 0; same && i < c->n_rot / 2; i++)
            same = fabsf(r.divisors[i] - c->rope.divisors[i]) <= 1e-4F * r.divisors[i];
        if (same)
            return true;
    }
    return false;
}

static json_t *factors(const cmat_rope_config *r, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_float(r->divisors[i]));
    return list;
}

static json_t *yarn(const cmat_rope_scaling *s)
{
    json_t *j =
        json_pack("{s:s, s:s, s:o, s:i, s:o, s:o}", "type", "yarn", "rope_type", "yarn", "factor",
                  json_float(s->factor), "original_max_position_embeddings", s->n_ctx_orig,
                  "beta_fast", json_float(s->beta_fast), "beta_slow", json_float(s->beta_slow));
    if (s->attention_factor > 0)
        set(j, "attention_factor", json_float(s->attention_factor));
    return j;
}

/* Phi 3's class wants these three members and no more, as long as the magnitude is the usual one.
 */
static json_t *longrope(const cmat_model_config *c)
{
    const cmat_rope_scaling *s = &c->rope.scaling;
    const int n = c->n_rot / 2;
    json_t *j =
        json_pack("{s:s, s:o, s:o}", "type", "longrope", "short_factor", factors(&c->rope, n),
                  "long_factor", factors(c->n_stretches ? &c->stretches[0].rope : &c->rope, n));
    const float usual =
        cmat_rope_longrope_magnitude((float)c->n_ctx / (float)s->n_ctx_orig, s->n_ctx_orig);
    if (fabsf(c->rope.magnitude - usual) > 1e-5F * usual)
        set(j, "attention_factor", json_float(c->rope.magnitude));
    return j;
}

static cmat_status rope_scaling(const cmat_model_config *c, json_t **out, cmat_error *err)
{
    const cmat_rope_scaling *s = &c->rope.scaling;
    cmat_rope_scaling found = *s;
    *out = json_null();
    switch (s->kind) {
    case CMAT_ROPE_PLAIN:
        return CMAT_OK;
    case CMAT_ROPE_LINEAR:
        *out = json_pack("{s:s, s:s, s:o}", "type", "linear", "rope_type", "linear", "factor",
                         json_float(s->factor));
        return CMAT_OK;
    case CMAT_ROPE_YARN:
        *out = yarn(s);
        return CMAT_OK;
    case CMAT_ROPE_LONGROPE:
        *out = longrope(c);
        return CMAT_OK;
    default:
        if (s->kind == CMAT_ROPE_FACTORS && !find_llama3(c, &found))
            return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                             "how this model's context was stretched cannot be told in a "
                             "config.json");
        *out = json_pack("{s:s, s:s, s:o, s:o, s:o, s:i}", "type", "llama3", "rope_type", "llama3",
                         "factor", json_float(found.factor), "low_freq_factor",
                         json_float(found.low_freq_factor), "high_freq_factor",
                         json_float(found.high_freq_factor), "original_max_position_embeddings",
                         found.n_ctx_orig);
        return CMAT_OK;
    }
}

/* ---- what single architectures add ---- */

static json_t *layer_types(const cmat_model_config *c, unsigned flag)
{
    json_t *list = json_array();
    for (int l = 0; l < c->n_layers; l++)
        json_array_append_new(
            list, json_string(c->layer_flags[l] & flag ? "sliding_attention" : "full_attention"));
    return list;
}

static cmat_status add_gemma3(const cmat_model_config *c, json_t *j, cmat_error *err)
{
    const double scalar = (double)c->head_dim / ((double)c->q_scale * (double)c->q_scale);
    (void)err;
    json_object_del(j, "hidden_act");
    set(j, "hidden_activation", json_string("gelu_pytorch_tanh"));
    set(j, "query_pre_attn_scalar",
        fabs(scalar - round(scalar)) < 1e-3 ? json_integer((json_int_t)llround(scalar))
                                            : json_real(scalar));
    set(j, "rope_local_base_freq", json_float(c->rope_local.theta));
    set(j, "sliding_window", json_integer(c->window ? c->window : c->n_ctx));
    set(j, "layer_types", layer_types(c, CMAT_LAYER_LOCAL_ROPE));
    set(j, "attn_logit_softcapping", json_null());
    set(j, "final_logit_softcapping", json_null());
    return CMAT_OK;
}

static cmat_status add_phi3(const cmat_model_config *c, json_t *j, cmat_error *err)
{
    const bool stretched = c->rope.scaling.kind == CMAT_ROPE_LONGROPE;
    (void)err;
    json_object_del(j, "head_dim");
    set(j, "partial_rotary_factor", json_float((float)c->n_rot / (float)c->head_dim));
    set(j, "original_max_position_embeddings",
        json_integer(stretched ? c->rope.scaling.n_ctx_orig : c->n_ctx));
    set(j, "sliding_window", c->window ? json_integer(c->window) : json_null());
    return CMAT_OK;
}

static cmat_status add_smollm3(const cmat_model_config *c, json_t *j, cmat_error *err)
{
    json_t *list = json_array();
    (void)err;
    for (int l = 0; l < c->n_layers; l++)
        json_array_append_new(list, json_integer(!(c->layer_flags[l] & CMAT_LAYER_NO_ROPE)));
    set(j, "no_rope_layers", list);
    set(j, "no_rope_layer_interval", json_integer(c->arch->no_rope_every));
    set(j, "use_sliding_window", json_false());
    return CMAT_OK;
}

static cmat_status add_qwen_windows(const cmat_model_config *c, json_t *j, cmat_error *err)
{
    (void)err;
    set(j, "use_sliding_window", json_boolean(c->window > 0));
    if (c->window) {
        set(j, "sliding_window", json_integer(c->window));
        set(j, "layer_types", layer_types(c, CMAT_LAYER_WINDOW));
    }
    return CMAT_OK;
}

/* Mistral's models are llama's with a window in every layer. */
static cmat_status add_llama(const cmat_model_config *c, json_t *j, cmat_error *err)
{
    bool all = true;
    for (int l = 0; l < c->n_layers; l++)
        all &= cmat_config_window(c, l) > 0;
    if (!c->window)
        return CMAT_OK;
    if (!all)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "no config.json is known for a llama with a window in some layers");
    set(j, "architectures", json_pack("[s]", "MistralForCausalLM"));
    set(j, "model_type", json_string("mistral"));
    set(j, "sliding_window", json_integer(c->window));
    return CMAT_OK;
}

/* The first Qwen's class is not transformers' own: its code comes with its repository. */
static cmat_status add_qwen(const cmat_model_config *c, json_t *j, cmat_error *err)
{
    static const char *const not_its[] = {"num_key_value_heads", "head_dim",     "rms_norm_eps",
                                          "rope_theta",          "rope_scaling", "hidden_act",
                                          "attention_bias",      "mlp_bias"};
    if (c->rope.scaling.kind != CMAT_ROPE_PLAIN || c->n_kv_heads != c->n_heads)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "a config.json of qwen has no place for %s",
                         c->n_kv_heads != c->n_heads ? "grouped heads" : "rope scaling");
    for (size_t i = 0; i < sizeof not_its / sizeof *not_its; i++)
        json_object_del(j, not_its[i]);
    set(j, "auto_map",
        json_pack("{s:s, s:s}", "AutoConfig", "Qwen/Qwen-1_8B--configuration_qwen.QWenConfig",
                  "AutoModelForCausalLM", "Qwen/Qwen-1_8B--modeling_qwen.QWenLMHeadModel"));
    set(j, "intermediate_size", json_integer(2 * c->n_ff));
    set(j, "kv_channels", json_integer(c->head_dim));
    set(j, "layer_norm_epsilon", json_float(c->rms_eps));
    set(j, "rotary_emb_base", json_float(c->rope.theta));
    set(j, "rotary_pct", json_float((float)c->n_rot / (float)c->head_dim));
    set(j, "seq_length",
        json_integer(c->n_stretches ? c->stretches[0].above
                     : c->logn      ? c->logn
                                    : c->n_ctx));
    set(j, "use_dynamic_ntk", json_boolean(c->n_stretches > 0));
    set(j, "use_logn_attn", json_boolean(c->logn > 0));
    set(j, "no_bias", json_true());
    set(j, "scale_attn_weights", json_true());
    set(j, "attn_dropout_prob", json_real(0));
    set(j, "emb_dropout_prob", json_real(0));
    set(j, "use_flash_attn", json_false());
    set(j, "onnx_safe", json_null());
    return CMAT_OK;
}

static const struct {
    const char *arch, *class, *model_type;
    cmat_status (*add)(const cmat_model_config *c, json_t *j, cmat_error *err);
} kinds[] = {{"llama", "LlamaForCausalLM", "llama", add_llama},
             {"qwen", "QWenLMHeadModel", "qwen", add_qwen},
             {"qwen2", "Qwen2ForCausalLM", "qwen2", add_qwen_windows},
             {"qwen3", "Qwen3ForCausalLM", "qwen3", add_qwen_windows},
             {"gemma3", "Gemma3ForCausalLM", "gemma3_text", add_gemma3},
             {"phi3", "Phi3ForCausalLM", "phi3", add_phi3},
             {"smollm3", "SmolLM3ForCausalLM", "smollm3", add_smollm3}};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* ---- the files ---- */

static json_t *token_id(int id)
{
    return id >= 0 ? json_integer(id) : json_null();
}

static int pad_of(const cmat_model *m)
{
    int64_t pad = -1;
    if (!m->gguf ||
        cmat_gguf_int(m->gguf, "tokenizer.ggml.padding_token_id", &pad, NULL) != CMAT_OK ||
        pad < 0 || pad >= m->config.n_vocab)
        return -1;
    return (int)pad;
}

/* What ends a text: one token, or with the one that ends a turn two. */
static json_t *ends(const cmat_model *m, int eos)
{
    int64_t eot = -1;
    if (!m->gguf || cmat_gguf_int(m->gguf, "tokenizer.ggml.eot_token_id", &eot, NULL) != CMAT_OK ||
        eot < 0 || eot >= m->config.n_vocab || eot == eos || eos < 0)
        return token_id(eos);
    return json_pack("[i, I]", eos, (json_int_t)eot);
}

static cmat_status save(const char *dir, const char *file, json_t *j, cmat_error *err)
{
    char *path = cmat_path_join(dir, file);
    cmat_status st = cmat_json_save(path, j, err);
    free(path);
    return st;
}

cmat_status export_hf_config(const cmat_model *m, const char *dir, const char *dtype,
                             cmat_error *err)
{
    const cmat_model_config *c = &m->config;
    const int bos = cmat_tokenizer_bos(m->tokenizer), eos = cmat_tokenizer_eos(m->tokenizer);
    size_t kind = 0;
    json_t *scaling = NULL;
    while (kind < N_KINDS && strcmp(kinds[kind].arch, c->arch->name) != 0)
        kind++;
    if (kind == N_KINDS)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "no config.json is known for architecture %s",
                         c->arch->name);
    cmat_status st = rope_scaling(c, &scaling, err);
    if (st != CMAT_OK)
        return st;
    json_t *j = json_pack(
        "{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:b, s:s, s:b, s:b, "
        "s:f, s:o, s:o, s:o, s:s, s:b}",
        "architectures", kinds[kind].class, "model_type", kinds[kind].model_type, "hidden_size",
        c->n_embd, "intermediate_size", c->n_ff, "num_hidden_layers", c->n_layers,
        "num_attention_heads", c->n_heads, "num_key_value_heads", c->n_kv_heads, "head_dim",
        c->head_dim, "max_position_embeddings", c->n_ctx, "vocab_size", c->n_vocab, "rms_norm_eps",
        json_float(c->rms_eps), "rope_theta", json_float(c->rope.theta), "rope_scaling", scaling,
        "tie_word_embeddings", (int)c->tied, "hidden_act", "silu", "attention_bias", 0, "mlp_bias",
        0, "initializer_range", 0.02, "bos_token_id", token_id(bos), "eos_token_id", token_id(eos),
        "pad_token_id", token_id(pad_of(m)), "torch_dtype", dtype, "use_cache", 1);
    if ((st = kinds[kind].add(c, j, err)) == CMAT_OK)
        st = save(dir, "config.json", j, err);
    json_decref(j);
    if (st != CMAT_OK)
        return st;
    j = json_pack("{s:o, s:o}", "bos_token_id", token_id(bos), "eos_token_id", ends(m, eos));
    st = save(dir, "generation_config.json", j, err);
    json_decref(j);
    return st;
}
