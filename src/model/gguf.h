/* model/gguf.h - reads and writes GGUF files (v2 and v3, little-endian). Nothing in the file is
 * trusted: every length, type and offset is checked before use; reading any bytes is an error or a
 * success, never a crash. */
#ifndef CMAT_MODEL_GGUF_H
#define CMAT_MODEL_GGUF_H
#include "cmat/error.h"
#include "kernel/quant.h"
#include "model/rows.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cmat_gguf cmat_gguf;

typedef struct {
    const char *name;
    cmat_type type;
    int n_dims;
    int64_t ne[4];    /* GGUF order: ne[0] is the contiguous axis; unused ones are 1 */
    const void *data; /* inside the mapping */
    size_t size;      /* bytes */
} cmat_gguf_tensor;

/* Maps the file; the handle keeps it mapped until close. */
cmat_status cmat_gguf_open(cmat_gguf **out, const char *path, cmat_error *err);
/* Reads from memory that must outlive the handle (tests, fuzzing). what names it in messages. */
cmat_status cmat_gguf_open_mem(cmat_gguf **out, const void *data, size_t len, const char *what,
                               cmat_error *err);
void cmat_gguf_close(cmat_gguf *g);

size_t cmat_gguf_n_tensors(const cmat_gguf *g);
const cmat_gguf_tensor *cmat_gguf_tensor_at(const cmat_gguf *g, size_t i);
const cmat_gguf_tensor *cmat_gguf_tensor_find(const cmat_gguf *g,
                                              const char *name); /* NULL: absent */

/* Widens every weight and looks for NaN and infinity: CMAT_ERR_FORMAT names the first. Reads the
 * whole file; open does not do this. */
cmat_status cmat_gguf_scan(const cmat_gguf *g, cmat_error *err);

/* Typed metadata. Missing key: CMAT_ERR_NOT_FOUND; other type: CMAT_ERR_FORMAT. Integer getters
 * take any GGUF integer type whose value fits. Strings are copied once at open and NUL-terminated
 * (a string with a NUL inside is CMAT_ERR_FORMAT for _str; arrays keep lengths). */
bool cmat_gguf_has(const cmat_gguf *g, const char *key);
cmat_status cmat_gguf_str(const cmat_gguf *g, const char *key, const char **out, cmat_error *err);
cmat_status cmat_gguf_int(const cmat_gguf *g, const char *key, int64_t *out, cmat_error *err);
cmat_status cmat_gguf_float(const cmat_gguf *g, const char *key, double *out, cmat_error *err);
cmat_status cmat_gguf_bool(const cmat_gguf *g, const char *key, bool *out, cmat_error *err);
/* Array of strings: item i is (*ptr, *len), inside the mapping, not NUL-terminated. */
cmat_status cmat_gguf_strings(const cmat_gguf *g, const char *key, size_t *n, cmat_error *err);
void cmat_gguf_string_at(const cmat_gguf *g, const char *key, size_t i, const char **ptr,
                         size_t *len);
/* Array of integers / floats of any width, widened: *out is the caller's to free(). */
cmat_status cmat_gguf_ints(const cmat_gguf *g, const char *key, int32_t **out, size_t *n,
                           cmat_error *err);
cmat_status cmat_gguf_floats(const cmat_gguf *g, const char *key, float **out, size_t *n,
                             cmat_error *err);

/* Writing (v3): add metadata and tensors, then save; data is borrowed until save. */
typedef struct cmat_gguf_writer cmat_gguf_writer;
cmat_gguf_writer *cmat_gguf_writer_new(void);
void cmat_gguf_writer_str(cmat_gguf_writer *w, const char *key, const char *value);
void cmat_gguf_writer_u32(cmat_gguf_writer *w, const char *key, uint32_t value);
void cmat_gguf_writer_f32(cmat_gguf_writer *w, const char *key, float value);
void cmat_gguf_writer_bool(cmat_gguf_writer *w, const char *key, bool value);
void cmat_gguf_writer_strings(cmat_gguf_writer *w, const char *key, const char *const *v, size_t n);
void cmat_gguf_writer_f32s(cmat_gguf_writer *w, const char *key, const float *v, size_t n);
void cmat_gguf_writer_i32s(cmat_gguf_writer *w, const char *key, const int32_t *v, size_t n);
/* Copies every metadata entry of g whose key does not begin with one of the NULL-ended prefixes. */
void cmat_gguf_writer_copy(cmat_gguf_writer *w, const cmat_gguf *g, const char *const *except);
void cmat_gguf_writer_tensor(cmat_gguf_writer *w, const char *name, cmat_type type, int n_dims,
                             const int64_t *ne, const void *data);
/* As above with its bytes made when they are written, a few megabytes of rows at a time. */
void cmat_gguf_writer_rows(cmat_gguf_writer *w, const char *name, cmat_type type, int n_dims,
                           const int64_t *ne, cmat_rows_fn *rows, const void *source);
cmat_status cmat_gguf_writer_save(cmat_gguf_writer *w, const char *path, cmat_error *err);
void cmat_gguf_writer_free(cmat_gguf_writer *w);
#endif
