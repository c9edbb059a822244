/* model/method.h - the ways an adapter changes a base, one const table each.
 *
 * What serving and training read is the adapter's tensors (pairs, virtual tokens, prefixes), not
 * the method: a method says how they are laid out, kept in files and made from what is tuned. */
#ifndef CMAT_MODEL_METHOD_H
#define CMAT_MODEL_METHOD_H
#include "model/adapter.h"
#include "model/safetensors.h"
#include <jansson.h>

struct cmat_method {
    const char *name;      /* "lora": in options and messages */
    const char *peft_type; /* "LORA": in adapter_config.json; several methods may share one */
    double lr;             /* a learning rate to start with */
    /* Reads an adapter of this peft_type whose adapter_config.json holds j. */
    cmat_status (*load)(cmat_adapter **out, const cmat_model *m, const char *dir, const json_t *j,
                        cmat_error *err);
    /* Writes the weights, then the config. */
    cmat_status (*save)(const cmat_adapter *a, const char *dir, cmat_type type, cmat_error *err);
    /* An adapter laid out as `from`, its parameters to be copied. */
    cmat_status (*make_like)(cmat_adapter **out, const cmat_adapter *from, cmat_error *err);
    /* Makes what is served from params after they changed; NULL: it is params. */
    void (*refresh)(cmat_adapter *a);
    /* Adds to dparams what the gradient of the served tensor gives; NULL: they are the same. */
    void (*backward)(const cmat_adapter *a, const float *dserved, float *dparams);
};
extern const cmat_method cmat_method_lora, cmat_method_dora, cmat_method_prompt,
    cmat_method_p_tuning, cmat_method_prefix, cmat_method_full;
extern const cmat_method *const cmat_methods[]; /* NULL at the end */

/* ---- shared by the methods' files ---- */
#define CMAT_PEFT_CONFIG "adapter_config.json"
#define CMAT_PEFT_WEIGHTS "adapter_model.safetensors"

/* An adapter with room for its pairs (none adapted) and nothing else. */
cmat_adapter *cmat_adapter_alloc(const cmat_method *method, const cmat_model *m);
/* The row of a weight in Hugging Face's order that lies in `row` of the base; the same row unless
 * permuted. */
int cmat_peft_hf_row(const cmat_model_config *c, int weight, int row);
/* Refuses weights that were tuned on another base. */
cmat_status cmat_peft_check_base(const cmat_model *m, const cmat_safetensors *s, const char *what,
                                 cmat_error *err);
/* Writes tensors with what was recorded of m. */
cmat_status cmat_peft_save(const cmat_model *m, const char *path, const cmat_safetensor *tensors,
                           size_t n, cmat_error *err);
/* What PEFT should load an adapter onto. */
const char *cmat_peft_base_name(const cmat_model *m, const char *sha256);
#endif
