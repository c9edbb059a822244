/* model/adapter.h - what is tuned beside a frozen base, by one of several methods:
 *
 *   LoRA (arXiv 2106.09685): for chosen matrices, y += scale * (x A^T) B^T, with A (rank, n_in),
 *     B (n_out, rank) in PEFT's orientation.
 *   DoRA (arXiv 2402.09353): such a matrix is y = m / |W + scale B A| * (x W^T + scale (x A^T)
 *     B^T), with a magnitude m and the norm of each row of n_out.
 *   prompt tuning (arXiv 2104.08691), P-Tuning (arXiv 2103.10385): n_virtual embeddings (n_virtual,
 *     D) stand at positions 0 .. n_virtual-1, before a sequence's own tokens. P-Tuning tunes them
 *     through an encoder.
 *   prefix tuning (arXiv 2101.00190, P-Tuning v2: arXiv 2110.07602): keys and values of n_virtual
 *     positions in each layer, (n_layers, 2, n_virtual, G d).
 *
 * In memory, rows of Q and K are in the order of the base as the engine holds it (GGUF llama files
 * have them permuted for RoPE; load and save undo that so that files are exactly PEFT's). */
#ifndef CMAT_MODEL_ADAPTER_H
#define CMAT_MODEL_ADAPTER_H
#include "core/rng.h"
#include "model/model.h"
#include "model/prompt_encoder.h"

typedef struct {
    int rank;
    float alpha;
    float dropout;    /* used in training only */
    bool rslora;      /* scale = alpha / sqrt(rank), arXiv 2312.03732 */
    bool dora;        /* with a magnitude for each row */
    unsigned targets; /* bit per CMAT_W_* */
} cmat_lora_config;
#define CMAT_LORA_DEFAULT                                                       \
    {                                                                           \
        .rank = 16, .alpha = 32, .dropout = 0, .rslora = false, .targets = 0x7f \
    }

typedef struct {
    float *a, *b; /* NULL when this matrix is not adapted */
    float *m;     /* DoRA's magnitudes (n_out), else NULL */
    float *inv_norm,
        *gain; /* of DoRA, (n_out), made by refresh: 1 / |W + scale B A|, m times that */
} cmat_lora_pair;

typedef enum { CMAT_PROMPT_EMBEDDINGS, CMAT_PROMPT_P_TUNING, CMAT_PROMPT_PREFIX } cmat_prompt_kind;

typedef struct {
    cmat_prompt_kind kind;
    int n_virtual;             /* virtual tokens */
    cmat_encoder_kind encoder; /* P-Tuning: MLP or LSTM; prefix: none or MLP; else none */
    int hidden;                /* of the encoder; 0: the model's width, at most 1024 */
    int lstm_layers;           /* 0: 2 */
    const char *init_text;     /* prompt tuning: embeddings of this text, repeated; NULL: of random
                                  tokens */
} cmat_prompt_config;
#define CMAT_PROMPT_DEFAULT                                                        \
    {                                                                              \
        .kind = CMAT_PROMPT_P_TUNING, .n_virtual = 20, .encoder = CMAT_ENCODER_MLP \
    }

/* In a row of tokens, virtual token v (0 .. n_virtual-1) stands as this, below every real one. */
#define CMAT_VIRTUAL_TOKEN(v) (-1 - (v))

typedef struct cmat_method cmat_method; /* model/method.h */

typedef struct cmat_adapter {
    const cmat_method *method;
    const cmat_model *model; /* borrowed */
    float *params;           /* what is tuned, one block */
    size_t n_params;
    char *name;
    /* LoRA: params are all A and B (and m) in layer, weight, (a, b, m) order */
    cmat_lora_config config;
    float scale;
    cmat_lora_pair *pairs; /* (n_layers * CMAT_N_LAYER_WEIGHTS); other methods adapt none */
    float *norms;          /* where DoRA's inv_norm and gain lie */
    /* Virtual tokens: */
    cmat_prompt_config prompt;
    int n_virtual;                /* 0: none */
    float *served;                /* (n_virtual, D), or (n_layers, 2, n_virtual, G d) of a prefix */
    size_t n_served;              /* floats of it */
    cmat_prompt_encoder *encoder; /* params go through it to served; NULL: served is params */
    /* Full tuning: the base with params as its weights, not to be served as an adapter; else NULL
     */
    cmat_model *tuned;
    float *unpermuted; /* a projected prefix as the encoder gives it; else NULL */
} cmat_adapter;

/* A is Kaiming-uniform as in PEFT, B zero, DoRA's magnitudes the base's. */
cmat_status cmat_adapter_new(cmat_adapter **out, const cmat_model *m,
                             const cmat_lora_config *config, cmat_rng *rng, cmat_error *err);
/* Virtual tokens: P-Tuning's and a projected prefix's encoder as PyTorch starts it, prompt tuning's
 * from the vocabulary, a prefix from a normal distribution. */
cmat_status cmat_adapter_new_prompt(cmat_adapter **out, const cmat_model *m,
                                    const cmat_prompt_config *config, cmat_rng *rng,
                                    cmat_error *err);
/* Full tuning: all of m's weights, widened to float32, in a copy of it that borrows the rest from m
 * (`tuned`). Saving writes the model: DIR/model.gguf. */
#define CMAT_FULL_MODEL_FILE "model.gguf"
cmat_status cmat_adapter_new_full(cmat_adapter **out, const cmat_model *m, cmat_error *err);
cmat_status cmat_adapter_copy(cmat_adapter **out, const cmat_adapter *from, cmat_error *err);
/* dir holds adapter_config.json and adapter_model.safetensors, or is a GGUF LoRA file. Another base
 * or tokenizer than it recorded is refused (adapter_base.h). "all-linear", a list, or a regular
 * expression as target_modules are understood. PEFT's files of P-Tuning hold the encoder's output
 * alone: with encoder.safetensors beside them tuning goes on through the encoder, without it on the
 * embeddings.
 */
cmat_status cmat_adapter_load(cmat_adapter **out, const cmat_model *m, const char *dir,
                              cmat_error *err);
/* Writes both files (each atomically; the config last). The same adapter gives the same bytes. */
cmat_status cmat_adapter_save(const cmat_adapter *a, const char *dir, cmat_error *err);
/* The same with weights rounded to F16 or BF16: half the size, for passing on. */
cmat_status cmat_adapter_save_as(const cmat_adapter *a, const char *dir, cmat_type type,
                                 cmat_error *err);
/* GGUF LoRA for llama.cpp. */
cmat_status cmat_adapter_export_gguf(const cmat_adapter *a, const char *path, cmat_error *err);
void cmat_adapter_free(cmat_adapter *a);
/* To be called when params were changed: makes what is served from them. */
void cmat_adapter_refresh(cmat_adapter *a);
/* Adds to dparams (n_params) what dserved (n_served), the gradient of the virtual tokens, gives. */
void cmat_adapter_backward(const cmat_adapter *a, const float *dserved, float *dparams);
/* "lora", "p-tuning" ... */
const char *cmat_adapter_method(const cmat_adapter *a);
/* A learning rate to start with. */
double cmat_adapter_lr(const cmat_adapter *a);

static inline bool cmat_adapter_is_prefix(const cmat_adapter *a)
{
    return a->n_virtual > 0 && a->prompt.kind == CMAT_PROMPT_PREFIX;
}
/* Embedding (D) of virtual token v, not of a prefix. */
static inline const float *cmat_adapter_embedding(const cmat_adapter *a, int v)
{
    return a->served + (size_t)v * (size_t)a->model->config.n_embd;
}
/* A prefix's key (which 0) or value (1) of a layer at position v, (G, d). */
static inline size_t cmat_adapter_prefix_at(const cmat_adapter *a, int layer, int which, int v)
{
    const size_t width = (size_t)a->model->config.n_kv_heads * (size_t)a->model->config.head_dim;
    return (((size_t)layer * 2 + (size_t)which) * (size_t)a->n_virtual + (size_t)v) * width;
}
static inline const cmat_lora_pair *cmat_adapter_pair(const cmat_adapter *a, int layer, int weight)
{
    return &a->pairs[(size_t)layer * CMAT_N_LAYER_WEIGHTS + (size_t)weight];
}
#endif
