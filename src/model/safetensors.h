/* model/safetensors.h - reads and writes safetensors: u64 header length, JSON header, raw data. */
#ifndef CMAT_MODEL_SAFETENSORS_H
#define CMAT_MODEL_SAFETENSORS_H
#include "cmat/error.h"
#include "kernel/quant.h"
#include "model/rows.h"
#include <stddef.h>
#include <stdint.h>

typedef struct cmat_safetensors cmat_safetensors;
typedef struct {
    const char *name;
    cmat_type type; /* F32, F16 or BF16; other dtypes are CMAT_ERR_UNSUPPORTED at open */
    int n_dims;
    int64_t shape[4]; /* row-major: the last axis is contiguous; unused ones are 1 */
    const void *data; /* as it lies in the file: may be unaligned, copy before use */
    size_t size;      /* bytes */
} cmat_safetensor;

cmat_status cmat_safetensors_open(cmat_safetensors **out, const char *path, cmat_error *err);
cmat_status cmat_safetensors_open_mem(cmat_safetensors **out, const void *data, size_t len,
                                      const char *what, cmat_error *err);
void cmat_safetensors_close(cmat_safetensors *s);
size_t cmat_safetensors_count(const cmat_safetensors *s);
const cmat_safetensor *cmat_safetensors_at(const cmat_safetensors *s, size_t i);
const cmat_safetensor *cmat_safetensors_find(const cmat_safetensors *s, const char *name);
/* A string of the header's __metadata__, or NULL. */
const char *cmat_safetensors_meta(const cmat_safetensors *s, const char *key);

/* Writes tensors (F32 first, then by name; data packed without holes), metadata key/value pairs in
 * meta (n_meta pairs). Atomic; the same input gives the same bytes. */
cmat_status cmat_safetensors_save(const char *path, const cmat_safetensor *tensors, size_t n,
                                  const char *const (*meta)[2], size_t n_meta, cmat_error *err);
/* The same with data made while it is written: a tensor's `data` is what rows makes it from. */
cmat_status cmat_safetensors_save_rows(const char *path, const cmat_safetensor *tensors, size_t n,
                                       const char *const (*meta)[2], size_t n_meta,
                                       cmat_rows_fn *rows, cmat_error *err);
#endif
