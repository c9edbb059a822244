/* model/config_gguf.c - hyper-parameters from a GGUF: metadata under "<architecture>.", rope
 * factors in tensors. */
#include "core/mem.h"
#include "model/config.h"
#include "model/config_read.h"
#include "model/rope.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    cmat_hparams base;
    const cmat_gguf *g;
} gguf_hparams;

enum { KEY_MAX = 96 };

static const char *full_key(const cmat_hparams *h, const char *key, char out[KEY_MAX])
{
    snprintf(out, KEY_MAX, "%s%s", h->prefix, key);
    return out;
}

static bool gguf_has(const cmat_hparams *h, const char *key)
{
    char full[KEY_MAX];
    return cmat_gguf_has(((const gguf_hparams *)h)->g, full_key(h, key, full));
}

static cmat_status gguf_get(const cmat_hparams *h, const char *key, bool whole, double *out,
                            cmat_error *err)
{
    const cmat_gguf *g = ((const gguf_hparams *)h)->g;
    char full[KEY_MAX];
    int64_t v = 0;
    cmat_status st;
    full_key(h, key, full);
    if (!whole)
        return cmat_gguf_float(g, full, out, err);
    st = cmat_gguf_int(g, full, &v, err);
    *out = (double)v;
    return st;
}

static cmat_status find_arch(const cmat_gguf *g, const cmat_arch **out, cmat_error *err)
{
    const char *name = NULL;
    char known[256];
    cmat_status st = cmat_gguf_str(g, "general.architecture", &name, err);
    if (st == CMAT_ERR_NOT_FOUND)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: the file has no general.architecture");
    if (st != CMAT_OK)
        return st;
    if ((*out = cmat_arch_find(name)))
        return CMAT_OK;
    cmat_arch_list(known, sizeof known);
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                     "model: architecture \"%.64s\" is not supported (only %s)", name, known);
}

static cmat_status check_heads(cmat_model_config *c, const cmat_hparams *h, cmat_error *err)
{
    int n_value = 0, n_experts = 0;
    cmat_status st;
    if ((st = cmat_hparam_int(h, "expert_count", 0, 65536, 0, &n_experts, err)) != CMAT_OK ||
        (st = cmat_hparam_int(h, "attention.value_length", 1, 1 << 16, c->head_dim, &n_value,
                              err)) != CMAT_OK ||
        (st = cmat_hparam_int(h, "rope.dimension_count", 2, 1 << 16, c->head_dim, &c->n_rot,
                              err)) != CMAT_OK)
        return st;
    if (n_experts > 0)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "model: mixture of experts is not supported");
    if (n_value != c->head_dim)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "model: head sizes differ (key %d, value %d)",
                         c->head_dim, n_value);
    return CMAT_OK;
}

/* What scores are multiplied with, where it is not 1 / sqrt(head_dim). */
static cmat_status read_scale(cmat_model_config *c, const cmat_hparams *h, cmat_error *err)
{
    float scale = 0;
    cmat_status st = cmat_hparam_float(h, "attention.scale", 0, 1e3, 0, &scale, err);
    if (st != CMAT_OK)
        return st;
    if (scale <= 0 && c->arch->wide_scale_layers == c->n_layers)
        scale = sqrtf((float)c->n_heads / (float)c->n_embd);
    if (scale > 0)
        c->q_scale = scale * sqrtf((float)c->head_dim);
    if (fabsf(c->q_scale - 1) < 1e-5F)
        c->q_scale = 1;
    if (c->q_scale != 1 && !c->arch->qk_norm)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "model: %sattention.scale %g is not supported: it must be 1 / sqrt(%d)",
                         h->prefix, (double)scale, c->head_dim);
    return CMAT_OK;
}

/* Divides the frequencies by a tensor of n_rot / 2 factors; *found: whether there is one. */
static cmat_status factors_tensor(cmat_rope_config *r, const cmat_gguf *g, const char *name,
                                  int n_rot, bool *found, cmat_error *err)
{
    const cmat_gguf_tensor *t = cmat_gguf_tensor_find(g, name);
    float factors[CMAT_MAX_ROPE_DIM / 2];
    *found = t != NULL;
    if (!t)
        return CMAT_OK;
    if (t->n_dims != 1 || t->ne[0] != n_rot / 2 || cmat_type_get(t->type)->block_weights != 1)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "model: tensor %s is %lld x %lld of type %s, must be %d numbers", name,
                         (long long)t->ne[0], (long long)t->ne[1], cmat_type_get(t->type)->name,
                         n_rot / 2);
    cmat_type_get(t->type)->to_f32(t->data, factors, (size_t)(n_rot / 2));
    cmat_rope_factors(r, factors, n_rot / 2);
    return CMAT_OK;
}

static cmat_status read_yarn(cmat_model_config *c, const cmat_hparams *h, float factor,
                             cmat_error *err)
{
    cmat_rope_scaling o = {.factor = factor};
    float attn_factor = 1;
    cmat_status st;
    if ((st = cmat_hparam_int(h, "rope.scaling.original_context_length", 1, 1 << 20, c->n_ctx,
                              &o.n_ctx_orig, err)) != CMAT_OK ||
        (st = cmat_hparam_float(h, "rope.scaling.yarn_beta_fast", 1e-3, 1e6, 32, &o.beta_fast,
                                err)) != CMAT_OK ||
        (st = cmat_hparam_float(h, "rope.scaling.yarn_beta_slow", 1e-3, 1e6, 1, &o.beta_slow,
                                err)) != CMAT_OK ||
        (st = cmat_hparam_float(h, "rope.scaling.attn_factor", 1e-3, 1e3, 1, &attn_factor, err)) !=
            CMAT_OK)
        return st;
    cmat_rope_yarn(&c->rope, c->n_rot, &o);
    c->rope.magnitude *= attn_factor;
    c->rope.scaling.attention_factor = attn_factor == 1 ? 0 : c->rope.magnitude;
    return CMAT_OK;
}

/* rope.scaling.type and its companions; older files have rope.scale_linear alone. */
static cmat_status read_scaling(cmat_model_config *c, const cmat_hparams *h, const cmat_gguf *g,
                                cmat_error *err)
{
    const char *type = "none";
    char key[KEY_MAX];
    float factor = 1;
    cmat_status st;
    if (h->has(h, "rope.scale_linear")) {
        st = cmat_hparam_float(h, "rope.scale_linear", 1e-3, 1e6, 1, &factor, err);
        cmat_rope_linear(&c->rope, factor);
        return st;
    }
    full_key(h, "rope.scaling.type", key);
    if (cmat_gguf_has(g, key) && (st = cmat_gguf_str(g, key, &type, err)) != CMAT_OK)
        return st;
    if (strcmp(type, "none") == 0 || strcmp(type, "longrope") == 0)
        return CMAT_OK; /* longrope's factors are tensors */
    if ((st = cmat_hparam_float(h, "rope.scaling.factor", 1e-3, 1e6, 1, &factor, err)) != CMAT_OK)
        return st;
    if (strcmp(type, "yarn") == 0)
        return read_yarn(c, h, factor, err);
    if (strcmp(type, "linear") != 0)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "model: rope scaling \"%.32s\" is not supported (none, linear, yarn, "
                         "longrope)",
                         type);
    cmat_rope_linear(&c->rope, factor);
    return CMAT_OK;
}

/* longrope has factors for texts within the original context and for longer ones. Without those for
 * longer ones the context is the original one. */
static cmat_status read_longrope(cmat_model_config *c, const cmat_hparams *h, const cmat_gguf *g,
                                 cmat_error *err)
{
    const cmat_rope_config plain = c->rope;
    int n_orig = 0;
    bool found = false;
    cmat_status st =
        factors_tensor(&c->rope, g, "rope_factors_short.weight", c->n_rot, &found, err);
    if (st != CMAT_OK || !found)
        return st;
    if ((st = cmat_hparam_int(h, "rope.scaling.original_context_length", 1, 1 << 20, c->n_ctx,
                              &n_orig, err)) != CMAT_OK ||
        (st = cmat_hparam_float(h, "rope.scaling.attn_factor", 1e-3, 1e3, 1, &c->rope.magnitude,
                                err)) != CMAT_OK)
        return st;
    cmat_rope_stretch *s = &c->stretches[0];
    s->rope = plain;
    if ((st = factors_tensor(&s->rope, g, "rope_factors_long.weight", c->n_rot, &found, err)) !=
        CMAT_OK)
        return st;
    cmat_config_longrope(c, found, n_orig);
    return CMAT_OK;
}

/* What only cmat writes: the first Qwen's ways with long texts. */
static cmat_status read_dynamic_ntk(cmat_model_config *c, const cmat_hparams *h, const cmat_gguf *g,
                                    cmat_error *err)
{
    bool ntk = false, logn = false;
    char key[KEY_MAX];
    int n_orig = 0;
    cmat_status st = CMAT_OK;
    if (h->has(h, "rope.dynamic_ntk"))
        st = cmat_gguf_bool(g, full_key(h, "rope.dynamic_ntk", key), &ntk, err);
    if (st == CMAT_OK && h->has(h, "attention.logn"))
        st = cmat_gguf_bool(g, full_key(h, "attention.logn", key), &logn, err);
    if (st != CMAT_OK || !(ntk || logn) ||
        (st = cmat_hparam_int(h, "rope.scaling.original_context_length", 2, 1 << 20, c->n_ctx,
                              &n_orig, err)) != CMAT_OK)
        return st;
    if (ntk)
        cmat_config_dynamic_ntk(c, n_orig);
    c->logn = logn ? n_orig : 0;
    return CMAT_OK;
}

static cmat_status read_rope(cmat_model_config *c, const cmat_hparams *h, const cmat_gguf *g,
                             cmat_error *err)
{
    float theta = 0, local = 0;
    bool found;
    cmat_status st;
    if ((st = cmat_hparam_float(h, "rope.freq_base", 1, 1e12, (double)c->arch->default_theta,
                                &theta, err)) != CMAT_OK)
        return st;
    cmat_rope_plain(&c->rope, theta);
    st = factors_tensor(&c->rope, g, "rope_freqs.weight", c->n_rot, &found, err);
    if (st != CMAT_OK || (st = read_scaling(c, h, g, err)) != CMAT_OK ||
        (st = read_longrope(c, h, g, err)) != CMAT_OK)
        return st;
    if (c->arch->dynamic_ntk)
        return read_dynamic_ntk(c, h, g, err);
    if (c->arch->local_theta <= 0)
        return CMAT_OK;
    st = cmat_hparam_float(h, "rope.freq_base_swa", 1, 1e12, (double)c->arch->local_theta, &local,
                           err);
    cmat_rope_plain(&c->rope_local, local);
    return st;
}

static cmat_status read_window(cmat_model_config *c, const cmat_hparams *h, const cmat_gguf *g,
                               cmat_error *err)
{
    int64_t every = c->arch->full_every;
    char key[KEY_MAX];
    cmat_status st = cmat_hparam_int(h, "attention.sliding_window", 0, 1 << 30, 0, &c->window, err);
    /* an array of flags, in files that have one, says what the architecture's pattern says */
    if (cmat_gguf_int(g, full_key(h, "attention.sliding_window_pattern", key), &every, NULL) !=
            CMAT_OK ||
        every < 0 || every > CMAT_MAX_LAYERS)
        every = c->arch->full_every;
    cmat_config_layers(c, (int)every, c->arch->no_rope_every);
    return st;
}

cmat_status cmat_config_from_gguf(cmat_model_config *c, const cmat_gguf *g, cmat_error *err)
{
    char prefix[KEY_MAX / 2];
    gguf_hparams reader = {
        .base = {.prefix = prefix, .what = "the file", .has = gguf_has, .get = gguf_get}, .g = g};
    const cmat_hparams *h = &reader.base;
    cmat_status st;
    memset(c, 0, sizeof *c);
    if ((st = find_arch(g, &c->arch, err)) != CMAT_OK)
        return st;
    snprintf(prefix, sizeof prefix, "%s.", c->arch->name);
    if ((st = cmat_hparams_sizes(c, h, err)) != CMAT_OK ||
        (st = check_heads(c, h, err)) != CMAT_OK || (st = read_scale(c, h, err)) != CMAT_OK ||
        (st = cmat_hparam_float(h, "attention.layer_norm_rms_epsilon", 1e-12, 0.1, (double)NAN,
                                &c->rms_eps, err)) != CMAT_OK ||
        (st = cmat_hparam_int(h, "vocab_size", 0, 1 << 22, 0, &c->n_vocab, err)) != CMAT_OK)
        return st;
    c->rope_neox = !c->arch->interleaved;
    if ((st = read_window(c, h, g, err)) != CMAT_OK || (st = cmat_config_check(c, err)) != CMAT_OK)
        return st;
    return read_rope(c, h, g, err);
}
