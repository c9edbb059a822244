/* model/export_gguf_config.c - the hyper-parameters of a model that comes from other files, as a
 * GGUF has them; rope factors that go into tensors. */
#include "core/mem.h"
#include "model/export_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 96 };

static const char *key_of(const cmat_model_config *c, const char *name, char key[KEY_MAX])
{
    snprintf(key, KEY_MAX, "%s.%s", c->arch->name, name);
    return key;
}

static void set_int(cmat_gguf_writer *w, const cmat_model_config *c, const char *name, int v)
{
    char key[KEY_MAX];
    cmat_gguf_writer_u32(w, key_of(c, name, key), (uint32_t)v);
}

static void set_float(cmat_gguf_writer *w, const cmat_model_config *c, const char *name, float v)
{
    char key[KEY_MAX];
    cmat_gguf_writer_f32(w, key_of(c, name, key), v);
}

static void set_str(cmat_gguf_writer *w, const cmat_model_config *c, const char *name,
                    const char *v)
{
    char key[KEY_MAX];
    cmat_gguf_writer_str(w, key_of(c, name, key), v);
}

static void set_bool(cmat_gguf_writer *w, const cmat_model_config *c, const char *name, bool v)
{
    char key[KEY_MAX];
    cmat_gguf_writer_bool(w, key_of(c, name, key), v);
}

float export_gguf_q_scale(const cmat_model_config *c)
{
    return c->arch->wide_scale_layers == c->n_layers
               ? sqrtf((float)c->n_heads / (float)c->n_embd * (float)c->head_dim)
               : 1;
}

/* ---- which layers ---- */

/* Whether each layer of c has the flag unless its index + 1 divides by `every` (0: all have it). */
static bool pattern_is(const cmat_model_config *c, unsigned flag, int every)
{
    for (int l = 0; l < c->n_layers; l++) {
        const bool has = c->layer_flags[l] & flag, want = !every || (l + 1) % every != 0;
        if (has != want)
            return false;
    }
    return true;
}

static cmat_status set_window(cmat_gguf_writer *w, const cmat_model_config *c, cmat_error *err)
{
    /* a window that the context never reaches still says which layers are turned by which base */
    const unsigned flag = c->arch->local_theta > 0 ? CMAT_LAYER_LOCAL_ROPE : CMAT_LAYER_WINDOW;
    int every = c->arch->full_every;
    bool any = false;
    for (int l = 0; l < c->n_layers; l++)
        any |= (c->layer_flags[l] & flag) != 0;
    if (!any && flag == CMAT_LAYER_WINDOW)
        return CMAT_OK;
    if (!pattern_is(c, flag, every))
        for (every = 0; every <= c->n_layers && !pattern_is(c, flag, every);)
            every++;
    if (every > c->n_layers)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "a GGUF cannot tell which of this model's layers have a window");
    set_int(w, c, "attention.sliding_window", c->window ? c->window : c->n_ctx);
    if (every != c->arch->full_every)
        set_int(w, c, "attention.sliding_window_pattern", every);
    return CMAT_OK;
}

static cmat_status check_no_rope(const cmat_model_config *c, cmat_error *err)
{
    for (int l = 0; l < c->n_layers; l++) {
        const bool want = c->arch->no_rope_every && (l + 1) % c->arch->no_rope_every == 0;
        if (want != ((c->layer_flags[l] & CMAT_LAYER_NO_ROPE) != 0))
            return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                             "a GGUF of %s cannot tell that layer %d is %sturned", c->arch->name, l,
                             want ? "" : "not ");
    }
    return CMAT_OK;
}

/* ---- rotary positions ---- */

static void set_factors(cmat_gguf_writer *w, const cmat_model_config *c, const char *name,
                        const cmat_rope_config *r)
{
    const int64_t n = c->n_rot / 2;
    cmat_gguf_writer_tensor(w, name, CMAT_TYPE_F32, 1, &n, r->divisors);
}

static void set_yarn(cmat_gguf_writer *w, const cmat_model_config *c)
{
    const cmat_rope_scaling *s = &c->rope.scaling;
    set_str(w, c, "rope.scaling.type", "yarn");
    set_float(w, c, "rope.scaling.factor", s->factor);
    set_int(w, c, "rope.scaling.original_context_length", s->n_ctx_orig);
    set_float(w, c, "rope.scaling.yarn_beta_fast", s->beta_fast);
    set_float(w, c, "rope.scaling.yarn_beta_slow", s->beta_slow);
    if (s->attention_factor > 0)
        set_float(w, c, "rope.scaling.attn_factor",
                  s->attention_factor / (s->factor > 1 ? 0.1F * logf(s->factor) + 1 : 1));
}

static cmat_status set_scaling(cmat_gguf_writer *w, const cmat_model_config *c, cmat_error *err)
{
    const cmat_rope_scaling *s = &c->rope.scaling;
    switch (s->kind) {
    case CMAT_ROPE_PLAIN:
        return CMAT_OK;
    case CMAT_ROPE_LINEAR:
        set_str(w, c, "rope.scaling.type", "linear");
        set_float(w, c, "rope.scaling.factor", s->factor);
        return CMAT_OK;
    case CMAT_ROPE_YARN:
        set_yarn(w, c);
        return CMAT_OK;
    case CMAT_ROPE_LONGROPE:
        set_int(w, c, "rope.scaling.original_context_length", s->n_ctx_orig);
        set_float(w, c, "rope.scaling.attn_factor", c->rope.magnitude);
        set_factors(w, c, "rope_factors_short.weight", &c->rope);
        set_factors(w, c, "rope_factors_long.weight",
                    c->n_stretches ? &c->stretches[0].rope : &c->rope);
        return CMAT_OK;
    default: /* llama.cpp reads these of llama only */
        if (strcmp(c->arch->name, "llama") != 0)
            return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                             "a GGUF of %s has no place for Llama 3's rope scaling", c->arch->name);
        set_factors(w, c, "rope_freqs.weight", &c->rope);
        return CMAT_OK;
    }
}

/* ---- all ---- */

static void set_sizes(cmat_gguf_writer *w, const cmat_model_config *c)
{
    set_int(w, c, "block_count", c->n_layers);
    set_int(w, c, "context_length", c->n_ctx);
    set_int(w, c, "embedding_length", c->n_embd);
    set_int(w, c, "feed_forward_length", c->arch->ff_half ? 2 * c->n_ff : c->n_ff);
    set_int(w, c, "attention.head_count", c->n_heads);
    set_int(w, c, "attention.head_count_kv", c->n_kv_heads);
    set_int(w, c, "attention.key_length", c->head_dim);
    set_int(w, c, "attention.value_length", c->head_dim);
    set_float(w, c, "attention.layer_norm_rms_epsilon", c->rms_eps);
    set_int(w, c, "vocab_size", c->n_vocab);
}

/* NAME of a cache's models--OWNER--NAME/snapshots/REVISION, else the folder's last name. */
static char *name_of(const cmat_model *m)
{
    const char *path = m->path ? m->path : "", *cached = strstr(path, "/models--");
    size_t n = strlen(path), from;
    if (cached && strstr(cached, "/snapshots/")) {
        n = (size_t)(strstr(cached, "/snapshots/") - path);
        for (from = n; from > 2 && strncmp(path + from - 2, "--", 2) != 0;)
            from--;
        return cmat_xasprintf("%.*s", (int)(n - from), path + from);
    }
    while (n > 0 && path[n - 1] == '/')
        n--;
    for (from = n; from > 0 && path[from - 1] != '/';)
        from--;
    return n > from ? cmat_xasprintf("%.*s", (int)(n - from), path + from) : cmat_xstrdup("model");
}

cmat_status export_gguf_config(cmat_gguf_writer *w, const cmat_model *m, cmat_error *err)
{
    const cmat_model_config *c = &m->config;
    char *name = name_of(m);
    cmat_status st;
    cmat_gguf_writer_str(w, "general.architecture", c->arch->name);
    cmat_gguf_writer_str(w, "general.type", "model");
    cmat_gguf_writer_str(w, "general.name", name);
    free(name);
    set_sizes(w, c);
    set_int(w, c, "rope.dimension_count", c->n_rot);
    set_float(w, c, "rope.freq_base", c->rope.theta);
    if (c->arch->local_theta > 0)
        set_float(w, c, "rope.freq_base_swa", c->rope_local.theta);
    if (c->logn || (c->n_stretches && !c->stretch_anew)) { /* keys of our own */
        set_int(w, c, "rope.scaling.original_context_length",
                c->logn ? c->logn : c->stretches[0].above);
        set_bool(w, c, "rope.dynamic_ntk", c->n_stretches > 0);
        set_bool(w, c, "attention.logn", c->logn > 0);
    }
    if (c->arch->interleaved && c->n_rot != c->head_dim)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "a GGUF of %s cannot turn heads in part (%d of %d values)", c->arch->name,
                         c->n_rot, c->head_dim);
    if ((st = check_no_rope(c, err)) != CMAT_OK || (st = set_window(w, c, err)) != CMAT_OK)
        return st;
    return set_scaling(w, c, err);
}
