/* model/adapter_peft.h - what the files of PEFT's LoRA share: adapter_config.json
 * (adapter_peft_config.c) and the weights beside it (adapter_peft.c). */
#ifndef CMAT_MODEL_ADAPTER_PEFT_H
#define CMAT_MODEL_ADAPTER_PEFT_H
#include "model/adapter.h"
#include <jansson.h>

/* "model.layers.3.self_attn.q_proj": the module that holds a weight of a layer. */
static inline void cmat_peft_module(char out[CMAT_MODULE_NAME_MAX], const cmat_arch *arch,
                                    int layer, int weight)
{
    cmat_module_name(out, arch, true, cmat_arch_module_of(arch, weight), layer);
}

/* Reads a LoRA's adapter_config.json, the object j; `what` names it. wanted (n_layers,
 * CMAT_N_LAYER_WEIGHTS): the matrices that its target_modules name. CMAT_ERR_UNSUPPORTED: a feature
 * that changes the result and that the engine does not have. */
cmat_status cmat_peft_config_read(const cmat_model *m, const json_t *j, const char *what,
                                  cmat_lora_config *c, bool *wanted, cmat_error *err);
/* The object of adapter_config.json; the caller's. base: base_model_name_or_path. */
json_t *cmat_peft_config_make(const cmat_adapter *a, const char *base);
#endif
