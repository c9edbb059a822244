/* model/config.c - the ranges of hyper-parameters, and what must hold between them. */
#include "model/config.h"
#include "model/config_read.h"
#include "model/rope.h"
#include <math.h>
#include <stdio.h>

cmat_status cmat_hparam_float(const cmat_hparams *h, const char *key, double min, double max,
                              double def, float *out, cmat_error *err)
{
    double v = def;
    cmat_status st = h->has(h, key) ? h->get(h, key, false, &v, err) : CMAT_OK;
    if (st != CMAT_OK)
        return st;
    if (isnan(def) && !h->has(h, key))
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: %s has no %s%s", h->what, h->prefix, key);
    if (!(v >= min && v <= max)) /* also refuses NaN */
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: %s%s is %g, must be %g to %g", h->prefix,
                         key, v, min, max);
    *out = (float)v;
    return CMAT_OK;
}

cmat_status cmat_hparam_int(const cmat_hparams *h, const char *key, int min, int max, double def,
                            int *out, cmat_error *err)
{
    double v = def;
    cmat_status st = h->has(h, key) ? h->get(h, key, true, &v, err) : CMAT_OK;
    if (st != CMAT_OK)
        return st;
    if (isnan(v))
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: %s has no %s%s", h->what, h->prefix, key);
    if (v < min || v > max)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: %s%s is %.0f, must be %d to %d", h->prefix,
                         key, v, min, max);
    *out = (int)v;
    return CMAT_OK;
}

/* One size, by its names in a GGUF, in a config.json and in one of the first Qwen's. */
typedef struct {
    const char *gguf, *json, *json_qwen;
    int min, max;
    double def; /* NAN: needed; 0: absent, derived later */
    size_t offset;
} size_hparam;

#define AT(member) offsetof(cmat_model_config, member)
static const size_hparam sizes[] = {
    {"block_count", "num_hidden_layers", NULL, 1, CMAT_MAX_LAYERS, NAN, AT(n_layers)},
    {"context_length", "max_position_embeddings", "seq_length", 1, 1 << 20, NAN, AT(n_ctx)},
    {"embedding_length", "hidden_size", NULL, 1, 1 << 16, NAN, AT(n_embd)},
    {"feed_forward_length", "intermediate_size", NULL, 1, 1 << 18, NAN, AT(n_ff)},
    {"attention.head_count", "num_attention_heads", NULL, 1, 1024, NAN, AT(n_heads)},
    {"attention.head_count_kv", "num_key_value_heads", NULL, 1, 1024, 0, AT(n_kv_heads)},
    {"attention.key_length", "head_dim", "kv_channels", 2, 1024, 0, AT(head_dim)},
};
#undef AT

cmat_status cmat_hparams_sizes(cmat_model_config *c, const cmat_hparams *h, cmat_error *err)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_hparam *s = &sizes[i];
        const char *key = h->json ? s->json : s->gguf;
        int *out = (int *)((char *)c + s->offset);
        cmat_status st;
        if (h->json && s->json_qwen && h->has(h, s->json_qwen))
            key = s->json_qwen;
        if (!isnan(s->def) && !h->has(h, key)) {
            *out = 0;
            continue;
        }
        if ((st = cmat_hparam_int(h, key, s->min, s->max, NAN, out, err)) != CMAT_OK)
            return st;
    }
    if (!c->n_kv_heads)
        c->n_kv_heads = c->n_heads;
    if (!c->head_dim && c->n_embd % c->n_heads != 0)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: width %d does not divide into %d heads",
                         c->n_embd, c->n_heads);
    if (!c->head_dim)
        c->head_dim = c->n_embd / c->n_heads;
    if (c->arch->ff_half)
        c->n_ff /= 2;
    c->n_rot = c->head_dim;
    c->embd_scale = c->arch->embd_sqrt ? sqrtf((float)c->n_embd) : 1;
    c->q_scale = 1;
    return CMAT_OK;
}

void cmat_config_longrope(cmat_model_config *c, bool longer, int n_orig)
{
    cmat_rope_stretch *s = &c->stretches[0];
    c->rope.scaling = (cmat_rope_scaling){.kind = CMAT_ROPE_LONGROPE,
                                          .factor = (float)c->n_ctx / (float)n_orig,
                                          .attention_factor = c->rope.magnitude,
                                          .n_ctx_orig = n_orig};
    if (n_orig >= c->n_ctx)
        return;
    if (!longer) {
        c->n_ctx = n_orig;
        return;
    }
    s->above = n_orig;
    s->rope.magnitude = c->rope.magnitude;
    s->rope.scaling = c->rope.scaling;
    c->n_stretches = 1;
    c->stretch_anew = true;
}

void cmat_config_dynamic_ntk(cmat_model_config *c, int n_orig)
{
    c->n_stretches = 0;
    for (int above = n_orig; above < c->n_ctx && c->n_stretches < CMAT_MAX_STRETCHES; above *= 2) {
        cmat_rope_stretch *s = &c->stretches[c->n_stretches++];
        s->above = above;
        s->rope = c->rope;
        cmat_rope_ntk(&s->rope, c->n_rot, (float)(4 * (above / n_orig) - 1));
    }
}

void cmat_config_layers(cmat_model_config *c, int full_every, int no_rope_every)
{
    for (int l = 0; l < c->n_layers; l++) {
        unsigned flags = 0;
        if (c->window && (!full_every || (l + 1) % full_every != 0))
            flags |= CMAT_LAYER_WINDOW;
        if (no_rope_every && (l + 1) % no_rope_every == 0)
            flags |= CMAT_LAYER_NO_ROPE;
        c->layer_flags[l] = (uint8_t)flags;
    }
}

cmat_status cmat_config_check(cmat_model_config *c, cmat_error *err)
{
    if (c->n_kv_heads > c->n_heads || c->n_heads % c->n_kv_heads != 0)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "model: %d query heads do not divide into %d key heads", c->n_heads,
                         c->n_kv_heads);
    if (c->head_dim % 2 != 0)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: head size %d is odd", c->head_dim);
    if (c->n_rot % 2 != 0 || c->n_rot < 2 || c->n_rot > c->head_dim)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: %d of a head's %d values are turned",
                         c->n_rot, c->head_dim);
    if (c->n_rot > CMAT_MAX_ROPE_DIM)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "model: heads of %d values (at most %d)",
                         c->n_rot, CMAT_MAX_ROPE_DIM);
    if (c->n_ff < 1)
        return cmat_fail(err, CMAT_ERR_FORMAT, "model: the feed-forward length is %d", c->n_ff);
    if (c->window >= c->n_ctx) /* never reached */
        c->window = 0;
    for (int l = 0; l < c->n_layers; l++) {
        if (c->arch->local_theta > 0 && c->layer_flags[l] & CMAT_LAYER_WINDOW)
            c->layer_flags[l] |= CMAT_LAYER_LOCAL_ROPE;
        if (!c->window)
            c->layer_flags[l] &= (uint8_t)~CMAT_LAYER_WINDOW;
    }
    return CMAT_OK;
}
