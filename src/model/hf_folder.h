/* model/hf_folder.h - a model in a folder as Hugging Face lays it out: config.json,
 * model.safetensors or its shards with an index, tokenizer.json or tokenizer.model, a chat
 * template. Nothing in the files is trusted. */
#ifndef CMAT_MODEL_HF_FOLDER_H
#define CMAT_MODEL_HF_FOLDER_H
#include "model/model.h"

/* True for a folder with a config.json. */
bool cmat_hf_folder_is(const char *path);
/* Weights stay mapped. CMAT_ERR_FORMAT or CMAT_ERR_UNSUPPORTED name the file. */
cmat_status cmat_hf_folder_open(cmat_model **out, const char *folder, const cmat_kernel_ops *kernel,
                                cmat_error *err);
/* SHA-256 over the names and digests of the files that make the model, hex. */
cmat_status cmat_hf_folder_hash(const char *folder, char hex[65], cmat_error *err);
/* The chat template's source: chat_template.jinja, else tokenizer_config.json's chat_template (of
 * several the one named "default"), else chat_template.json's. *source is NULL when there is none,
 * else the caller's to free(). */
cmat_status cmat_hf_folder_template(const char *folder, char **source, cmat_error *err);

/* The safetensors files of a folder's model. */
typedef struct {
    char **names; /* within the folder, sorted (n) */
    size_t n;
} cmat_hf_shards;
/* From the text of an index (`what` names it): file names that could lead out of the folder are
 * CMAT_ERR_FORMAT. */
cmat_status cmat_hf_shards_from_index(cmat_hf_shards *s, const json_t *index, const char *what,
                                      cmat_error *err);
void cmat_hf_shards_clear(cmat_hf_shards *s);
#endif
