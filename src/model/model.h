/* model/model.h - a loaded model: configuration, weights, tokenizer, chat template.
 *
 * A cmat_model never changes after open (except for prepared weight forms, made by
 * cmat_model_prepare before threads share it) and may serve many engines and trainers. */
#ifndef CMAT_MODEL_MODEL_H
#define CMAT_MODEL_MODEL_H
#include "cmat/error.h"
#include "kernel/kernel.h"
#include "model/chat_template.h"
#include "model/tokenizer.h"

typedef struct {
    int n_layers, n_heads, n_kv_heads, head_dim, n_embd, n_ff, n_vocab, n_ctx;
    float rms_eps, rope_theta;
    bool rope_neox; /* pairs (i, i + d/2) instead of GGUF llama's (2i, 2i+1) */
    bool tied;      /* output = token_embd */
} cmat_model_config;

enum {
    CMAT_W_Q,
    CMAT_W_K,
    CMAT_W_V,
    CMAT_W_O,
    CMAT_W_GATE,
    CMAT_W_UP,
    CMAT_W_DOWN,
    CMAT_N_LAYER_WEIGHTS
};
/* "q", "k", "v", "o", "gate", "up", "down"; PEFT's module names; GGUF's tensor names */
extern const char *const cmat_weight_names[CMAT_N_LAYER_WEIGHTS];
extern const char *const
    cmat_weight_peft_names[CMAT_N_LAYER_WEIGHTS]; /* "self_attn.q_proj", ..., "mlp.down_proj" */
extern const char
    *const cmat_weight_gguf_names[CMAT_N_LAYER_WEIGHTS]; /* "attn_q", ..., "ffn_down" */

typedef struct {
    float *attn_norm, *ffn_norm; /* (n_embd), widened */
    cmat_weight w[CMAT_N_LAYER_WEIGHTS];
} cmat_layer;

typedef struct cmat_model {
    cmat_model_config config;
    const cmat_kernel_ops *kernel;
    cmat_gguf *gguf;
    cmat_tokenizer *tokenizer;
    cmat_chat_template *chat_template; /* NULL when the file's own one cannot be used: see next */
    cmat_error chat_template_error;    /* why it cannot; status CMAT_OK otherwise */
    char *path;                        /* NULL: opened from memory */
    char sha256[65];                   /* of the file; computed on first use by cmat_model_hash */
    cmat_weight token_embd;
    cmat_weight output;  /* = token_embd when tied */
    float *output_norm;  /* (n_embd) */
    float *rope_cos_sin; /* (n_ctx, head_dim/2, 2) */
    cmat_layer *layers;
    int prepared_uses;
} cmat_model;

/* Opens a GGUF of the llama architecture. kernel NULL: cmat_kernel_best(). Every hyper-parameter
 * and every tensor's shape is checked against the configuration. */
cmat_status cmat_model_open(cmat_model **out, const char *path, const cmat_kernel_ops *kernel,
                            cmat_error *err);
cmat_status cmat_model_open_gguf(cmat_model **out, cmat_gguf *g, const cmat_kernel_ops *kernel,
                                 cmat_error *err); /* takes g */
void cmat_model_free(cmat_model *m);
/* Prepares all weights for the uses (CMAT_USE_* bits). Not to be called while others use m. */
cmat_status cmat_model_prepare(cmat_model *m, int uses, cmat_error *err);
/* SHA-256 of the file, hex; computed once. */
const char *cmat_model_hash(cmat_model *m);

/* Renders messages (JSON array of {role, content}) with the model's template and tokenizes it;
 * control tokens inside contents stay plain text. mask (may be NULL): 1 for tokens of assistant
 * turns' content and their end-of-turn token (what tuning learns from), 0 elsewhere. All outputs
 * are the caller's to free(). */
cmat_status cmat_model_chat_tokens(const cmat_model *m, json_t *messages,
                                   bool add_generation_prompt, int32_t **tokens, uint8_t **mask,
                                   size_t *n, cmat_error *err);
#endif
