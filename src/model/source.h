/* model/source.h - where a model's tensors come from: a GGUF, or a set of safetensors files. */
#ifndef CMAT_MODEL_SOURCE_H
#define CMAT_MODEL_SOURCE_H
#include "model/gguf.h"
#include "model/safetensors.h"
#include <stdbool.h>

typedef struct {
    const void *data; /* aligned for its type; lives as long as the source */
    cmat_type type;
    int n_dims;
    int64_t n_in, n_out; /* n_in: the contiguous axis; a vector's n_out is 1 */
    size_t size;         /* bytes */
} cmat_source_tensor;

typedef struct cmat_source cmat_source;
struct cmat_source {
    bool hf; /* names, row order and norms are Hugging Face's; otherwise a GGUF's */
    /* False: there is no tensor of this name. */
    bool (*find)(const cmat_source *s, const char *name, cmat_source_tensor *out);
    void (*close)(cmat_source *s);
};

/* Both take what they are given and close it with the source; they abort when out of memory. */
cmat_source *cmat_source_gguf(cmat_gguf *g);
/* The n shards of one model; the array is copied. Also finds the text model's tensors in a
 * checkpoint that has more parts ("language_model." before the name). A tensor that lies unaligned
 * in its file is copied. */
cmat_source *cmat_source_safetensors(cmat_safetensors *const *files, size_t n);
void cmat_source_close(cmat_source *s); /* NULL is fine */
#endif
