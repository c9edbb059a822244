/* model/adapter.h - a LoRA adapter (arXiv 2106.09685): for chosen matrices, y += scale * (x A^T)
 * B^T.
 *
 * A (rank, n_in), B (n_out, rank) in PEFT's orientation and, in memory, in the row order of the
 * base as the engine holds it (GGUF llama files have Q and K rows permuted for RoPE; load and save
 * undo that so that files are exactly PEFT's). */
#ifndef CMAT_MODEL_ADAPTER_H
#define CMAT_MODEL_ADAPTER_H
#include "core/rng.h"
#include "model/model.h"

typedef struct {
    int rank;
    float alpha;
    float dropout;    /* used in training only */
    bool rslora;      /* scale = alpha / sqrt(rank), arXiv 2312.03732 */
    unsigned targets; /* bit per CMAT_W_* */
} cmat_lora_config;
#define CMAT_LORA_DEFAULT                                                       \
    {                                                                           \
        .rank = 16, .alpha = 32, .dropout = 0, .rslora = false, .targets = 0x7f \
    }

typedef struct {
    float *a, *b; /* NULL when this matrix is not adapted */
} cmat_lora_pair;

typedef struct cmat_adapter {
    cmat_lora_config config;
    const cmat_model *model; /* borrowed */
    float scale;
    float *params; /* all A and B in one block, in layer, weight, (a, b) order */
    size_t n_params;
    cmat_lora_pair *pairs; /* (n_layers * CMAT_N_LAYER_WEIGHTS) */
    char *name;
} cmat_adapter;

/* A is Kaiming-uniform as in PEFT, B zero. */
cmat_status cmat_adapter_new(cmat_adapter **out, const cmat_model *m,
                             const cmat_lora_config *config, cmat_rng *rng, cmat_error *err);
cmat_status cmat_adapter_copy(cmat_adapter **out, const cmat_adapter *from, cmat_error *err);
/* dir holds adapter_config.json and adapter_model.safetensors. A base whose recorded hash differs
 * from m's is refused. "all-linear", a list, or a regular expression as target_modules are
 * understood. */
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
static inline const cmat_lora_pair *cmat_adapter_pair(const cmat_adapter *a, int layer, int weight)
{
    return &a->pairs[(size_t)layer * CMAT_N_LAYER_WEIGHTS + (size_t)weight];
}
#endif
