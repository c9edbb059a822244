/* model/prompt_peft.h - between the files of the virtual-token methods. */
#ifndef CMAT_MODEL_PROMPT_PEFT_H
#define CMAT_MODEL_PROMPT_PEFT_H
#include "model/method.h"

int cmat_prompt_kv_dim(const cmat_model_config *c); /* G d */
/* Floats of one virtual token. */
size_t cmat_prompt_token_width(const cmat_model_config *c, cmat_prompt_kind kind);
/* An adapter with room for everything, its parameters zero. Checks config. */
cmat_status cmat_prompt_make(cmat_adapter **out, const cmat_model *m,
                             const cmat_prompt_config *config, bool with_encoder, cmat_error *err);
/* Copies a prefix from our order into PEFT's, (n_virtual, n_layers, 2, G d) with keys as Hugging
 * Face has them, or back. */
void cmat_prompt_permute(const cmat_adapter *a, float *to, const float *from, bool to_peft);
cmat_status cmat_prompt_load(cmat_adapter **out, const cmat_model *m, const char *dir,
                             const json_t *j, cmat_prompt_kind kind, cmat_error *err);
cmat_status cmat_prompt_save(const cmat_adapter *a, const char *dir, cmat_type type,
                             cmat_error *err);
#endif
