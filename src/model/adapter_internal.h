/* model/adapter_internal.h - what the adapter's files share. */
#ifndef CMAT_MODEL_ADAPTER_INTERNAL_H
#define CMAT_MODEL_ADAPTER_INTERNAL_H
#include "model/adapter.h"

/* An adapter with zero parameters for the pairs (n_layers, CMAT_N_LAYER_WEIGHTS) that are wanted.
 * Checks config. */
cmat_status cmat_adapter_make(cmat_adapter **out, const cmat_model *m,
                              const cmat_lora_config *config, const bool *wanted, cmat_error *err);
/* Rows of the module that begins with a weight: its own, or of all that are fused with it. */
int cmat_module_rows(const cmat_model *m, int layer, int weight);
enum { CMAT_LORA_NAME_MAX = CMAT_MODULE_NAME_MAX + 24 };
/* "blk.3.attn_q.weight.lora_a" of the module that holds a weight; which: 'a' or 'b'. */
void cmat_lora_gguf_name(char out[CMAT_LORA_NAME_MAX], const cmat_model *m, int layer, int weight,
                         char which);
/* The same pairs as `from` has. */
cmat_status cmat_adapter_make_like(cmat_adapter **out, const cmat_adapter *from, cmat_error *err);
/* Magnitudes that leave the base as it is while B is zero. */
void cmat_dora_init(cmat_adapter *a);
/* inv_norm and gain from what is tuned. */
void cmat_dora_refresh(cmat_adapter *a);
/* Reads a GGUF LoRA; path names it in messages. */
cmat_status cmat_adapter_from_gguf(cmat_adapter **out, const cmat_model *m, const cmat_gguf *g,
                                   const char *path, cmat_error *err);
cmat_status cmat_adapter_load_gguf(cmat_adapter **out, const cmat_model *m, const char *path,
                                   cmat_error *err);
#endif
