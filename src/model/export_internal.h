/* model/export_internal.h - what the files of cmat_export share. */
#ifndef CMAT_MODEL_EXPORT_INTERNAL_H
#define CMAT_MODEL_EXPORT_INTERNAL_H
#include "core/progress.h"
#include "model/export.h"

enum { EXPORT_NAME_MAX = CMAT_MODULE_NAME_MAX + 8 };

typedef struct export_plan export_plan;

/* A tensor on its way into a file: rows of matrices read, merged and rounded, or a vector. */
typedef struct {
    char name[EXPORT_NAME_MAX];
    export_plan *plan;
    int module, layer;    /* CMAT_MODULE_*, CMAT_W_* */
    const cmat_weight *w; /* n_w matrices, one below the other; NULL: a vector */
    int first_w, n_w;     /* CMAT_W_* of the first in a layer; -1: no layer's */
    const float *vector;  /* (n_in) values v, to be written as v * scale - minus */
    float scale, minus;
    int64_t n_in, n_rows;
    cmat_type type; /* in the file */
} export_tensor;

struct export_plan {
    const cmat_model *model;
    const cmat_adapter *adapter; /* NULL: nothing is merged */
    bool hf;                     /* names, order of rows and norms are Hugging Face's */
    float q_scale;               /* what the file's reader multiplies q's norms with */
    export_tensor *tensors;
    size_t n, cap;
    cmat_progress *progress;
    int64_t total, done; /* weights */
};

/* All tensors of the model under the names of the format; types are the caller's to set.
 * CMAT_ERR_UNSUPPORTED: the format has no name for one. */
cmat_status export_plan_init(export_plan *p, const cmat_model *m, const cmat_adapter *adapter,
                             bool hf, cmat_error *err);
void export_plan_clear(export_plan *p);
/* source: an export_tensor. */
cmat_rows_fn export_rows;

cmat_status export_gguf(const cmat_model *m, const cmat_adapter *a, const char *path,
                        const cmat_export_type *mix, cmat_error *err);
/* For a GGUF of a model that comes from a folder: its hyper-parameters and rope factors; its
 * tokenizer and chat template. CMAT_ERR_UNSUPPORTED names what a GGUF cannot tell. */
cmat_status export_gguf_config(cmat_gguf_writer *w, const cmat_model *m, cmat_error *err);
cmat_status export_gguf_tokenizer(cmat_gguf_writer *w, const cmat_model *m, cmat_error *err);
/* The q_scale (model/config.h) that a GGUF without a word about it has. */
float export_gguf_q_scale(const cmat_model_config *c);
/* config.json, generation_config.json, the tokenizer's files, model.safetensors. */
cmat_status export_hf(const cmat_model *m, const cmat_adapter *a, const char *dir,
                      const cmat_export_type *mix, cmat_error *err);
cmat_status export_hf_config(const cmat_model *m, const char *dir, const char *dtype,
                             cmat_error *err);
/* Of tokenizer.json, for SentencePiece's BPE. vocab: texts of all tokens to ids; plain: of those
 * that may be merged; unk may be NULL. prefix: a space is put before texts. */
cmat_status export_hf_spm_model(const cmat_model *m, json_t *vocab, const json_t *plain,
                                const char *unk, json_t **out, cmat_error *err);
json_t *export_hf_spm_normalizer(bool prefix);
json_t *export_hf_spm_decoder(bool prefix);
cmat_status export_hf_tokenizer(const cmat_model *m, const char *dir, cmat_error *err);

/* Fills the figures of r: logits of two models (or adapters) on a fixed text. */
cmat_status export_compare(cmat_model *m, const cmat_adapter *a, cmat_model *m2,
                           const cmat_adapter *a2, cmat_export_result *r, cmat_error *err);
#endif
