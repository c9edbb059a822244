/* model/gguf_internal.h - what the GGUF reader and writer share: the value types of the format. */
#ifndef CMAT_MODEL_GGUF_INTERNAL_H
#define CMAT_MODEL_GGUF_INTERNAL_H
#include "core/fs.h"
#include "model/gguf.h"

typedef enum { /* GGUF metadata value types */
               GGUF_U8,
               GGUF_I8,
               GGUF_U16,
               GGUF_I16,
               GGUF_U32,
               GGUF_I32,
               GGUF_F32,
               GGUF_BOOL,
               GGUF_STR,
               GGUF_ARRAY,
               GGUF_U64,
               GGUF_I64,
               GGUF_F64,
               GGUF_N_TYPES
} gguf_type;

#define GGUF_DEFAULT_ALIGNMENT 32

/* One metadata entry. */
typedef struct {
    char *key;
    gguf_type type; /* of the value, or of the elements when array */
    bool array;
    uint64_t n;                 /* elements; 1 for a single value */
    const unsigned char *value; /* the first element's bytes, unaligned */
    char *str;         /* a single string: a copy with a NUL; NULL when it holds a NUL itself */
    uint64_t *offsets; /* array of strings: where each one's length field lies in the file */
    const unsigned char *raw; /* from the type field to the end of the value, for copying */
    size_t raw_len;
} gguf_kv;

/* Name to index, open addressing; slots hold index + 1. */
typedef struct {
    uint32_t *slots;
    size_t mask;
} gguf_index;

struct cmat_gguf {
    const unsigned char *data;
    size_t len;
    char *what; /* file name for messages */
    cmat_map map;
    gguf_kv *kv;
    size_t n_kv;
    cmat_gguf_tensor *tensors;
    size_t n_tensors;
    gguf_index kv_index, tensor_index;
    uint64_t alignment;
};

extern const unsigned char cmat_gguf_type_sizes[GGUF_N_TYPES]; /* 0: strings and arrays */
extern const char *const cmat_gguf_type_names[GGUF_N_TYPES];
const gguf_kv *cmat_gguf_kv_find(const cmat_gguf *g, const char *key); /* NULL: absent */

/* The little-endian number in n (1 to 8) bytes. */
static inline uint64_t gguf_le(const unsigned char *p, int n)
{
    uint64_t v = 0;
    for (int i = n - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}
#endif
