/* model/config_hf.c - hyper-parameters from Hugging Face's config.json.
 *
 * Rotary positions are told in three ways: rope_theta and rope_scaling, or (since transformers 5)
 * rope_parameters, or rope_parameters with an object for each kind of layer. */
#include "core/json.h"
#include "model/config.h"
#include "model/config_read.h"
#include "model/rope.h"
#include <math.h>
#include <string.h>

typedef struct {
    cmat_hparams base;
    const json_t *j;
} json_hparams;

static const json_t *member(const json_t *j, const char *key)
{
    const json_t *v = json_object_get(j, key);
    return json_is_null(v) ? NULL : v;
}

static bool json_has(const cmat_hparams *h, const char *key)
{
    return member(((const json_hparams *)h)->j, key) != NULL;
}

static cmat_status json_get(const cmat_hparams *h, const char *key, bool whole, double *out,
                            cmat_error *err)
{
    const json_t *v = member(((const json_hparams *)h)->j, key);
    if (!json_is_number(v) || (whole && floor(json_number_value(v)) != json_number_value(v)))
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: %s%s is not a %snumber", h->prefix, key,
                         whole ? "whole " : "");
    *out = json_number_value(v);
    return CMAT_OK;
}

static json_hparams hparams_of(const json_t *j, const char *prefix)
{
    return (json_hparams){.base = {.json = true,
                                   .prefix = prefix,
                                   .what = "config.json",
                                   .has = json_has,
                                   .get = json_get},
                          .j = j};
}

static cmat_status find_arch(const json_t *j, const cmat_arch **out, cmat_error *err)
{
    const char *type = cmat_json_str(j, "model_type", NULL);
    char known[256];
    if (!type)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: config.json has no model_type");
    if ((*out = cmat_arch_find_hf(type)))
        return CMAT_OK;
    cmat_arch_list(known, sizeof known);
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                     "model: model_type \"%.64s\" is not supported (only %s)", type, known);
}

/* What other models of these types have and the engine does not. */
static cmat_status check_features(const json_t *j, const cmat_arch *a, cmat_error *err)
{
    static const char *const off[] = {"mlp_bias",
                                      "use_bidirectional_attention",
                                      "attn_logit_softcapping",
                                      "final_logit_softcapping",
                                      "num_local_experts",
                                      "num_experts",
                                      "quantization_config"};
    const char *act = cmat_json_str(j, "hidden_act", cmat_json_str(j, "hidden_activation", NULL));
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        const json_t *v = member(j, off[i]);
        if (v && !json_is_false(v) && !(json_is_integer(v) && json_integer_value(v) == 0))
            return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "model: config.json: %s is not supported",
                             off[i]);
    }
    if (!a->qkv_bias && cmat_json_bool(j, "attention_bias", false))
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "model: config.json: attention_bias is not supported for %s", a->name);
    if (act && (a->gelu ? strcmp(act, "gelu_pytorch_tanh") != 0 : strcmp(act, "silu") != 0))
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "model: config.json: hidden_act \"%.32s\" is not supported for %s", act,
                         a->name);
    return CMAT_OK;
}

static cmat_status read_llama3(cmat_model_config *c, const cmat_hparams *h, int n_orig,
                               float factor, cmat_error *err)
{
    cmat_rope_scaling o = {.factor = factor, .n_ctx_orig = n_orig};
    cmat_status st;
    if ((st = cmat_hparam_float(h, "low_freq_factor", 1e-3, 1e6, (double)NAN, &o.low_freq_factor,
                                err)) != CMAT_OK ||
        (st = cmat_hparam_float(h, "high_freq_factor", 1e-3, 1e6, (double)NAN, &o.high_freq_factor,
                                err)) != CMAT_OK)
        return st;
    if (o.high_freq_factor <= o.low_freq_factor)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "model: config.json: high_freq_factor %g is not above low_freq_factor %g",
                         (double)o.high_freq_factor, (double)o.low_freq_factor);
    cmat_rope_llama3(&c->rope, c->n_rot, &o);
    return CMAT_OK;
}

static cmat_status read_yarn(cmat_model_config *c, const cmat_hparams *h, int n_orig, float factor,
                             cmat_error *err)
{
    cmat_rope_scaling o = {.factor = factor, .n_ctx_orig = n_orig};
    cmat_status st;
    if (h->has(h, "mscale") || h->has(h, "mscale_all_dim"))
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "model: config.json: mscale of rope scaling is not supported");
    if ((st = cmat_hparam_float(h, "beta_fast", 1e-3, 1e6, 32, &o.beta_fast, err)) != CMAT_OK ||
        (st = cmat_hparam_float(h, "beta_slow", 1e-3, 1e6, 1, &o.beta_slow, err)) != CMAT_OK ||
        (st = cmat_hparam_float(h, "attention_factor", 0, 1e3, 0, &o.attention_factor, err)) !=
            CMAT_OK)
        return st;
    cmat_rope_yarn(&c->rope, c->n_rot, &o);
    return CMAT_OK;
}

/* longrope's factors of that name, n_rot / 2 of them. */
static cmat_status read_factors(cmat_rope_config *r, const json_t *rope, const char *name,
                                int n_rot, cmat_error *err)
{
    const json_t *list = json_object_get(rope, name);
    float factors[CMAT_MAX_ROPE_DIM / 2];
    if (json_array_size(list) != (size_t)n_rot / 2)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "model: config.json: %s holds %zu numbers, must be %d", name,
                         json_array_size(list), n_rot / 2);
    for (int i = 0; i < n_rot / 2; i++)
        factors[i] = (float)json_number_value(json_array_get(list, (size_t)i));
    cmat_rope_factors(r, factors, n_rot / 2);
    return CMAT_OK;
}

static cmat_status read_longrope(cmat_model_config *c, const cmat_hparams *h, const json_t *rope,
                                 int n_orig, float factor, cmat_error *err)
{
    const bool longer = json_object_get(rope, "long_factor");
    cmat_rope_config *stretch = &c->stretches[0].rope;
    cmat_status st;
    *stretch = c->rope;
    if ((st = read_factors(&c->rope, rope, "short_factor", c->n_rot, err)) != CMAT_OK ||
        (longer && (st = read_factors(stretch, rope, "long_factor", c->n_rot, err)) != CMAT_OK))
        return st;
    if (!h->has(h, "factor"))
        factor = (float)c->n_ctx / (float)n_orig;
    if ((st = cmat_hparam_float(h, "attention_factor", 1e-3, 1e3,
                                (double)cmat_rope_longrope_magnitude(factor, n_orig),
                                &c->rope.magnitude, err)) != CMAT_OK)
        return st;
    cmat_config_longrope(c, longer, n_orig);
    return CMAT_OK;
}

/* The first Qwen's use_dynamic_ntk and use_logn_attn (in its configuration's class both are true
 * unless a file says otherwise). Its seq_length, read as n_ctx, is what it was trained on; texts
 * may have max_position_embeddings tokens, and four times seq_length in any case, of at most what
 * its own code has logarithms for. */
static cmat_status read_dynamic_ntk(cmat_model_config *c, const json_t *j, cmat_error *err)
{
    enum { LOGARITHMS = 32767, TIMES = 4 };
    json_hparams top = hparams_of(j, "");
    const int n_orig = c->n_ctx;
    int most = 0;
    cmat_status st =
        cmat_hparam_int(&top.base, "max_position_embeddings", 1, 1 << 20, n_orig, &most, err);
    if (st != CMAT_OK || n_orig < 2)
        return st;
    if (cmat_json_bool(j, "use_dynamic_ntk", true)) {
        most = most > TIMES * (double)n_orig ? most : n_orig > LOGARITHMS ? most : TIMES * n_orig;
        c->n_ctx = most < LOGARITHMS ? most : LOGARITHMS;
        c->n_ctx = c->n_ctx > n_orig ? c->n_ctx : n_orig;
        cmat_config_dynamic_ntk(c, n_orig);
    }
    if (cmat_json_bool(j, "use_logn_attn", true))
        c->logn = n_orig;
    return CMAT_OK;
}

/* rope: rope_scaling, or the object of rope_parameters for layers without a window. */
static cmat_status read_scaling(cmat_model_config *c, const json_t *j, const json_t *rope,
                                cmat_error *err)
{
    json_hparams top = hparams_of(j, ""), reader = hparams_of(rope, "");
    const cmat_hparams *h = &reader.base;
    const char *type = cmat_json_str(rope, "rope_type", cmat_json_str(rope, "type", "default"));
    int n_orig = 0;
    float factor = 1;
    cmat_status st;
    if (strcmp(type, "default") == 0 || strcmp(type, "dynamic") == 0)
        return CMAT_OK; /* dynamic: nothing changes within max_position_embeddings, our n_ctx */
    if ((st = cmat_hparam_float(h, "factor", 1e-3, 1e6, 1, &factor, err)) != CMAT_OK ||
        (st = cmat_hparam_int(&top.base, "original_max_position_embeddings", 1, 1 << 20, c->n_ctx,
                              &n_orig, err)) != CMAT_OK ||
        (st = cmat_hparam_int(h, "original_max_position_embeddings", 1, 1 << 20, n_orig, &n_orig,
                              err)) != CMAT_OK)
        return st;
    if (strcmp(type, "linear") == 0) {
        cmat_rope_linear(&c->rope, factor);
        return CMAT_OK;
    }
    if (strcmp(type, "llama3") == 0)
        return read_llama3(c, h, n_orig, factor, err);
    if (json_object_get(rope, "short_factor")) /* "longrope", earlier "su" and "yarn" */
        return read_longrope(c, h, rope, n_orig, factor, err);
    if (strcmp(type, "yarn") == 0)
        return read_yarn(c, h, n_orig, factor, err);
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                     "model: config.json: rope scaling \"%.32s\" is not supported (linear, "
                     "dynamic, llama3, yarn, longrope)",
                     type);
}

static cmat_status read_rope(cmat_model_config *c, const json_t *j, cmat_error *err)
{
    const json_t *params = member(j, "rope_parameters"), *rope = params, *local = NULL;
    float theta = c->arch->default_theta, local_theta = c->arch->local_theta;
    json_hparams top = hparams_of(j, "");
    cmat_status st;
    if (json_object_get(params, "full_attention")) {
        rope = json_object_get(params, "full_attention");
        local = json_object_get(params, "sliding_attention");
    }
    if (!rope)
        rope = member(j, "rope_scaling");
    json_hparams in_rope = hparams_of(rope, ""), in_local = hparams_of(local, "");
    if ((st = cmat_hparam_float(&top.base, "rotary_emb_base", 1, 1e12, (double)theta, &theta,
                                err)) != CMAT_OK ||
        (st = cmat_hparam_float(&top.base, "rope_theta", 1, 1e12, (double)theta, &theta, err)) !=
            CMAT_OK ||
        (st = cmat_hparam_float(&in_rope.base, "rope_theta", 1, 1e12, (double)theta, &theta,
                                err)) != CMAT_OK)
        return st;
    cmat_rope_plain(&c->rope, theta);
    if (rope && (st = read_scaling(c, j, rope, err)) != CMAT_OK)
        return st;
    if (c->arch->dynamic_ntk)
        return read_dynamic_ntk(c, j, err);
    if (c->arch->local_theta <= 0)
        return CMAT_OK;
    if ((st = cmat_hparam_float(&top.base, "rope_local_base_freq", 1, 1e12, (double)local_theta,
                                &local_theta, err)) != CMAT_OK ||
        (st = cmat_hparam_float(&in_local.base, "rope_theta", 1, 1e12, (double)local_theta,
                                &local_theta, err)) != CMAT_OK)
        return st;
    cmat_rope_plain(&c->rope_local, local_theta);
    return CMAT_OK;
}

/* partial_rotary_factor, wherever it stands. */
static cmat_status read_n_rot(cmat_model_config *c, const json_t *j, cmat_error *err)
{
    json_hparams top = hparams_of(j, ""), rope = hparams_of(member(j, "rope_parameters"), "");
    float part = 1;
    cmat_status st;
    if ((st = cmat_hparam_float(&top.base, "rotary_pct", 0, 1, 1, &part, err)) != CMAT_OK ||
        (st = cmat_hparam_float(&top.base, "partial_rotary_factor", 0, 1, (double)part, &part,
                                err)) != CMAT_OK ||
        (st = cmat_hparam_float(&rope.base, "partial_rotary_factor", 0, 1, (double)part, &part,
                                err)) != CMAT_OK)
        return st;
    c->n_rot = (int)((float)c->head_dim * part);
    return CMAT_OK;
}

/* Lists that say it layer by layer go before patterns. */
static cmat_status read_layers(cmat_model_config *c, const json_t *j, cmat_error *err)
{
    const json_t *types = member(j, "layer_types"), *rope = member(j, "no_rope_layers");
    json_hparams top = hparams_of(j, "");
    const cmat_hparams *h = &top.base;
    int full_every = 0, no_rope_every = 0, first_window = 0;
    cmat_status st;
    if ((st = cmat_hparam_int(h, "sliding_window", 0, 1 << 30, 0, &c->window, err)) != CMAT_OK ||
        (st = cmat_hparam_int(h, "sliding_window_pattern", 0, CMAT_MAX_LAYERS, c->arch->full_every,
                              &full_every, err)) != CMAT_OK ||
        (st = cmat_hparam_int(h, "no_rope_layer_interval", 0, CMAT_MAX_LAYERS,
                              c->arch->no_rope_every, &no_rope_every, err)) != CMAT_OK ||
        (st = cmat_hparam_int(h, "max_window_layers", 0, 1 << 20, 0, &first_window, err)) !=
            CMAT_OK)
        return st;
    if (member(j, "use_sliding_window") && !cmat_json_bool(j, "use_sliding_window", false))
        c->window = 0;
    cmat_config_layers(c, full_every, no_rope_every);
    for (int l = 0; l < c->n_layers && l < first_window; l++)
        c->layer_flags[l] &= (uint8_t)~CMAT_LAYER_WINDOW;
    for (int i = 0; i < 2; i++) {
        const json_t *list = i ? rope : types;
        if (list && json_array_size(list) < (size_t)c->n_layers)
            return cmat_fail(
                err, CMAT_ERR_FORMAT, "model: config.json: %s tells of %zu layers, not %d",
                i ? "no_rope_layers" : "layer_types", json_array_size(list), c->n_layers);
    }
    for (int l = 0; l < c->n_layers; l++) {
        const char *type = json_string_value(json_array_get(types, (size_t)l));
        unsigned flags = c->layer_flags[l];
        if (types && (!type || (strcmp(type, "full_attention") != 0 &&
                                strcmp(type, "sliding_attention") != 0)))
            return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                             "model: config.json: layer_types: \"%.32s\" is not supported",
                             type ? type : "");
        if (types)
            flags = (flags & ~(unsigned)CMAT_LAYER_WINDOW) |
                    (c->window && strcmp(type, "sliding_attention") == 0 ? CMAT_LAYER_WINDOW : 0);
        if (rope)
            flags = (flags & ~(unsigned)CMAT_LAYER_NO_ROPE) |
                    (json_integer_value(json_array_get(rope, (size_t)l)) ? 0 : CMAT_LAYER_NO_ROPE);
        c->layer_flags[l] = (uint8_t)flags;
    }
    return CMAT_OK;
}

cmat_status cmat_config_from_json(cmat_model_config *c, const json_t *j, cmat_error *err)
{
    json_hparams top;
    float q_scalar = 0;
    cmat_status st;
    memset(c, 0, sizeof *c);
    if ((st = find_arch(j, &c->arch, err)) != CMAT_OK)
        return st;
    if (json_object_get(j, "text_config"))
        j = json_object_get(j, "text_config");
    top = hparams_of(j, "");
    if ((st = check_features(j, c->arch, err)) != CMAT_OK ||
        (st = cmat_hparams_sizes(c, &top.base, err)) != CMAT_OK ||
        (st = cmat_hparam_float(&top.base, "layer_norm_epsilon", 1e-12, 0.1, 1e-6, &c->rms_eps,
                                err)) != CMAT_OK ||
        (st = cmat_hparam_float(&top.base, "rms_norm_eps", 1e-12, 0.1, (double)c->rms_eps,
                                &c->rms_eps, err)) != CMAT_OK ||
        (st = cmat_hparam_int(&top.base, "vocab_size", 1, 1 << 22, NAN, &c->n_vocab, err)) !=
            CMAT_OK ||
        (st = cmat_hparam_float(&top.base, "query_pre_attn_scalar", 1, 1e6, (double)c->head_dim,
                                &q_scalar, err)) != CMAT_OK ||
        (st = read_n_rot(c, j, err)) != CMAT_OK || (st = read_layers(c, j, err)) != CMAT_OK ||
        (st = cmat_config_check(c, err)) != CMAT_OK)
        return st;
    c->rope_neox = true; /* Hugging Face's rows */
    if (q_scalar != (float)c->head_dim && c->arch->qk_norm)
        c->q_scale = sqrtf((float)c->head_dim / q_scalar);
    return read_rope(c, j, err);
}
