/* model/export.h - models and adapters in files for other programs, each proved by reading it back.
 *
 * A merged model is the base with an adapter added to its weights, W + scale B A in float32, in
 * another type or the same; without an adapter it is the base alone (quantising). Files are written
 * a few rows at a time; nothing stands under its final name before its logits on a fixed text have
 * been compared with those of base and adapter. */
#ifndef CMAT_MODEL_EXPORT_H
#define CMAT_MODEL_EXPORT_H
#include "model/adapter.h"

typedef enum {
    CMAT_EXPORT_GGUF_LORA,   /* an adapter for llama.cpp */
    CMAT_EXPORT_PEFT,        /* an adapter's folder for peft */
    CMAT_EXPORT_GGUF,        /* a merged model */
    CMAT_EXPORT_SAFETENSORS, /* a merged model as a folder for transformers */
} cmat_export_format;

/* What a file's tensors are made of. */
typedef struct {
    const char *name; /* "Q4_K_M" */
    cmat_type type;   /* of the matrices */
    cmat_type more;   /* of those that llama.cpp's mixes give more bits: half of attn_v, ffn_down */
    cmat_type head;   /* of the output matrix, or of the embeddings when they are tied to it */
    int file_type;    /* general.file_type */
    double max_kl;    /* of a sound export of a small model */
} cmat_export_type;
extern const cmat_export_type cmat_export_types[];               /* name NULL at the end */
const cmat_export_type *cmat_export_type_find(const char *name); /* NULL: none of that name */

typedef struct {
    cmat_export_format format;
    const char *type; /* NULL: F32 for adapters, Q8_0 for GGUF, F16 for safetensors */
    double max_kl;    /* 0: the type's own bound */
} cmat_export_options;

typedef struct {
    const char *type;
    double mean_kl, max_kl; /* nats a token, KL(base and adapter || export); its bound */
    double max_diff;        /* largest difference of two logits */
    double same_top;        /* share of tokens whose likeliest next one is the same */
    size_t n_tokens;
    uint64_t bytes;
} cmat_export_result;

/* Writes `out`. adapter: needed for the adapter formats, else it may be NULL. CMAT_ERR_ARG: the
 * format has no such type, or out is the model's own file; CMAT_ERR_UNSUPPORTED: the format cannot
 * hold this model; CMAT_ERR_STATE: the proof failed (then *r has the figures, and nothing stands
 * under the name). */
cmat_status cmat_export(cmat_model *m, const cmat_adapter *adapter, const char *out,
                        const cmat_export_options *o, cmat_export_result *r, cmat_error *err);
#endif
