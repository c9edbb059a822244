/* model/config.h - a model's hyper-parameters, whatever kind of file they were read from.
 *
 * Both readers check every value against the same table of ranges before anything is allocated, so
 * that the engine may trust a configuration: CMAT_ERR_FORMAT names the value that is missing or out
 * of range, CMAT_ERR_UNSUPPORTED what is well-formed but not ours to run. */
#ifndef CMAT_MODEL_CONFIG_H
#define CMAT_MODEL_CONFIG_H
#include "model/arch.h"
#include "model/gguf.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { CMAT_MAX_LAYERS = 512, CMAT_MAX_ROPE_DIM = 512, CMAT_MAX_STRETCHES = 6 };

/* How a context was stretched; model/rope.h has the formulas. */
typedef enum {
    CMAT_ROPE_PLAIN,
    CMAT_ROPE_LINEAR,
    CMAT_ROPE_LLAMA3,
    CMAT_ROPE_YARN,
    CMAT_ROPE_LONGROPE,
    CMAT_ROPE_FACTORS, /* by divisors alone, in a GGUF's tensor */
} cmat_rope_kind;

typedef struct {
    cmat_rope_kind kind;
    float factor;
    float low_freq_factor, high_freq_factor; /* of Llama 3's */
    float beta_fast, beta_slow;              /* of YaRN's */
    float attention_factor;                  /* the magnitude; 0: as the kind computes it */
    int n_ctx_orig;                          /* the context before it was stretched */
} cmat_rope_scaling;

/* Rotary positions (arXiv 2104.09864): pair i of a head turns by
 * position * theta^(-2i/n_rot) / divisors[i]. Every kind of context stretching comes to divisors
 * and a magnitude; model/rope.h has the formulas. */
typedef struct {
    float theta;
    float magnitude; /* what cos and sin are multiplied with */
    float divisors[CMAT_MAX_ROPE_DIM / 2];
    cmat_rope_scaling scaling; /* what divisors and magnitude were made from */
} cmat_rope_config;

/* In a text of more than `above` tokens all positions are turned by this. */
typedef struct {
    int above;
    cmat_rope_config rope;
} cmat_rope_stretch;

enum {                            /* bits of cmat_model_config.layer_flags */
       CMAT_LAYER_WINDOW = 1,     /* attends to the last `window` positions only */
       CMAT_LAYER_NO_ROPE = 2,    /* q and k are not turned */
       CMAT_LAYER_LOCAL_ROPE = 4, /* turned by rope_local */
};

typedef struct {
    const cmat_arch *arch;
    int n_layers, n_heads, n_kv_heads, head_dim, n_embd, n_ff, n_vocab, n_ctx;
    int n_rot; /* the first values of a head that are turned; head_dim as a rule */
    float rms_eps;
    bool rope_neox;   /* pairs (i, i + n_rot/2) instead of GGUF llama's (2i, 2i+1) */
    bool tied;        /* output = token_embd; known when the tensors are bound */
    float embd_scale; /* what embeddings are multiplied with: 1, or sqrt(n_embd) */
    float q_scale;    /* scores are q k / sqrt(head_dim) times this; other than 1 only with qk_norm,
                         whose weights take it in */
    int window;       /* positions that a row of a windowed layer sees, itself included; 0: all */
    uint8_t layer_flags[CMAT_MAX_LAYERS];
    cmat_rope_config rope, rope_local;
    cmat_rope_stretch
        stretches[CMAT_MAX_STRETCHES]; /* of `rope`, by length of the text, ascending */
    int n_stretches;
    bool stretch_anew; /* a text that grows past a border is computed anew by the next stretch;
                          otherwise it goes on as it began */
    int logn; /* queries from this position on are multiplied by ln(position + 1) / ln(logn); 0:
                 none are */
} cmat_model_config;

/* By which stretch a text of n tokens is turned; 0: by `rope` itself. */
static inline int cmat_config_stretch(const cmat_model_config *c, size_t n)
{
    int i = 0;
    while (i < c->n_stretches && n > (size_t)c->stretches[i].above)
        i++;
    return i;
}

/* Tokens of the longest text to tune on: one that is not stretched. */
static inline int cmat_config_train_ctx(const cmat_model_config *c)
{
    return c->n_stretches ? c->stretches[0].above : c->n_ctx;
}

/* Positions that a row of a layer attends to, itself included; 0: all before it. */
static inline int cmat_config_window(const cmat_model_config *c, int layer)
{
    return c->layer_flags[layer] & CMAT_LAYER_WINDOW ? c->window : 0;
}

/* From a GGUF's metadata (n_vocab and rope factors in tensors: from its tensors). */
cmat_status cmat_config_from_gguf(cmat_model_config *c, const cmat_gguf *g, cmat_error *err);
/* From Hugging Face's config.json, of which j is the whole object. */
cmat_status cmat_config_from_json(cmat_model_config *c, const json_t *j, cmat_error *err);

/* Between the readers: the checks and derived values that do not depend on where the parts came
 * from. What an absent hyper-parameter means stands in the readers. */
cmat_status cmat_config_check(cmat_model_config *c, cmat_error *err);
#endif
