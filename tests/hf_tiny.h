/* tests/hf_tiny.h - the tiny model of tiny_model.h as a folder that Hugging Face's tools could have
 * written. */
#ifndef HF_TINY_H
#define HF_TINY_H
#include "model/model.h"

typedef struct {
    int shards;      /* 0: model.safetensors; more: as many files and an index */
    cmat_type type;  /* of the tensors: F32, F16 or BF16 */
    bool skip_last;  /* leaves a tensor out, which the index still names */
    bool twice;      /* puts a tensor into two shards */
    bool misaligned; /* shifts the data by a byte */
} hf_tiny_options;

/* Writes m, opened from a GGUF of the llama architecture, to a new folder: config.json, weights
 * with q's and k's rows in Hugging Face's order, tokenizer.json, tokenizer_config.json. A failed
 * write fails the test. */
void hf_tiny_write(const char *folder, const cmat_model *m, const hf_tiny_options *o);
/* Removes a folder of files. */
void hf_tiny_remove(const char *folder);
#endif
