/* model/model.h - a loaded model: configuration, weights, tokenizer, chat template.
 *
 * A cmat_model never changes after open (except for prepared weight forms, made by
 * cmat_model_prepare before threads share it) and may serve many engines and trainers. */
#ifndef CMAT_MODEL_MODEL_H
#define CMAT_MODEL_MODEL_H
#include "cmat/error.h"
#include "kernel/kernel.h"
#include "model/chat_template.h"
#include "model/config.h"
#include "model/source.h"
#include "model/tokenizer.h"

/* Keys in a GGUF that say what it was made from. */
#define CMAT_KEY_ORIGIN                                                                    \
    "cmat.origin.sha256"              /* of the base's first file, however often rewritten \
                                       */
#define CMAT_KEY_MERGED "cmat.merged" /* names of the adapters in its weights */

typedef struct {
    float *attn_norm, *ffn_norm;           /* (n_embd), widened, as all vectors here */
    float *q_norm, *k_norm;                /* (head_dim); NULL: none, as the following */
    float *post_attn_norm, *post_ffn_norm; /* (n_embd) */
    float *qkv_bias;                       /* (H d + 2 G d): q's, k's, v's */
    cmat_weight w[CMAT_N_LAYER_WEIGHTS];
} cmat_layer;

typedef struct cmat_model {
    cmat_model_config config;
    const cmat_kernel_ops *kernel;
    cmat_source *source;
    cmat_gguf *gguf; /* the source's; NULL when the model comes from other files */
    cmat_tokenizer *tokenizer;
    cmat_chat_template *chat_template; /* NULL when the file's own one cannot be used: see next */
    cmat_error chat_template_error;    /* why it cannot; status CMAT_OK otherwise */
    char *path;                        /* NULL: opened from memory */
    char sha256[65];                   /* of the file; computed on first use by cmat_model_hash */
    cmat_weight token_embd;
    cmat_weight output;  /* = token_embd when tied */
    float *output_norm;  /* (n_embd) */
    float *rope_cos_sin; /* (1 + n_stretches, n_ctx, n_rot/2, 2) */
    float *rope_local;   /* the same for layers with CMAT_LAYER_LOCAL_ROPE; NULL: there are none */
    cmat_layer *layers;
    int prepared_uses;
    bool any_adapter; /* an adapter of another base is let through with a warning */
} cmat_model;

/* Opens a GGUF, or a folder as Hugging Face lays it out, of an architecture in cmat_archs. kernel
 * NULL: cmat_kernel_best(). Every hyper-parameter and every tensor's shape is checked against the
 * configuration. */
cmat_status cmat_model_open(cmat_model **out, const char *path, const cmat_kernel_ops *kernel,
                            cmat_error *err);
cmat_status cmat_model_open_gguf(cmat_model **out, cmat_gguf *g, const cmat_kernel_ops *kernel,
                                 cmat_error *err); /* takes g */
/* A model of given configuration whose tensors come from src (taken, also when this fails). Its
 * tokenizer and chat template are NULL: the caller sets them. */
cmat_status cmat_model_open_source(cmat_model **out, cmat_source *src, const cmat_model_config *c,
                                   const cmat_kernel_ops *kernel, cmat_error *err);
void cmat_model_free(cmat_model *m);
/* Prepares all weights for the uses (CMAT_USE_* bits). Not to be called while others use m. */
cmat_status cmat_model_prepare(cmat_model *m, int uses, cmat_error *err);
/* SHA-256 of the file (of a folder: over its files' names and digests), hex; computed once. */
const char *cmat_model_hash(cmat_model *m);
/* What the model was made from: the hash that its file recorded when `cmat export` wrote it, else
 * the file's own. */
const char *cmat_model_origin(cmat_model *m);
/* Names of the adapters that `cmat export` merged into its weights; NULL: none. */
const char *cmat_model_merged(const cmat_model *m);

/* CMAT_ERR_UNSUPPORTED: k lacks an operation that the architecture needs. */
cmat_status cmat_model_check_kernel(const cmat_model_config *c, const cmat_kernel_ops *k,
                                    cmat_error *err);
/* The table that turns q and k of a layer; NULL: they are not turned. */
static inline const float *cmat_model_rope(const cmat_model *m, int layer)
{
    const int flags = m->config.layer_flags[layer];
    if (flags & CMAT_LAYER_NO_ROPE)
        return NULL;
    return flags & CMAT_LAYER_LOCAL_ROPE ? m->rope_local : m->rope_cos_sin;
}

/* The row of the rope table for a position of a text turned by a stretch (cmat_config_stretch). */
static inline int32_t cmat_model_rope_row(const cmat_model *m, int stretch, size_t pos)
{
    return (int32_t)((size_t)stretch * (size_t)m->config.n_ctx + pos);
}

/* Renders messages (JSON array of {role, content}) with the model's template and tokenizes it;
 * control tokens inside contents stay plain text. mask (may be NULL): 1 for tokens of assistant
 * turns' content and their end-of-turn token (what tuning learns from), 0 elsewhere. All outputs
 * are the caller's to free(). */
cmat_status cmat_model_chat_tokens(const cmat_model *m, json_t *messages,
                                   bool add_generation_prompt, int32_t **tokens, uint8_t **mask,
                                   size_t *n, cmat_error *err);
#endif
