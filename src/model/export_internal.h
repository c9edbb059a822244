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
/* config.json, generation_config.json, the tokenizer's files, model.safetensors. */
cmat_status export_hf(const cmat_model *m, const cmat_adapter *a, const char *dir,
                      const cmat_export_type *mix, cmat_error *err);
cmat_status export_hf_tokenizer(const cmat_model *m, const char *dir, cmat_error *err);

/* Fills the figures of r: logits of two models (or adapters) on a fixed text. */
cmat_status export_compare(cmat_model *m, const cmat_adapter *a, cmat_model *m2,
                           const cmat_adapter *a2, cmat_export_result *r, cmat_error *err);
#endif
