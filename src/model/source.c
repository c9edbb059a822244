/* model/source.c - tensors of GGUF and safetensors files under one interface. */
#include "model/source.h"
#include "core/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cmat_source base;
    cmat_gguf *g;
} gguf_source;

static bool gguf_find(const cmat_source *s, const char *name, cmat_source_tensor *out)
{
    const cmat_gguf_tensor *t = cmat_gguf_tensor_find(((const gguf_source *)s)->g, name);
    if (!t)
        return false;
    *out = (cmat_source_tensor){.data = t->data,
                                .type = t->type,
                                .n_dims = t->n_dims,
                                .n_in = t->ne[0],
                                .n_out = t->ne[1],
                                .size = t->size};
    return true;
}

static void gguf_close(cmat_source *s)
{
    cmat_gguf_close(((gguf_source *)s)->g);
    free(s);
}

cmat_source *cmat_source_gguf(cmat_gguf *g)
{
    gguf_source *s = cmat_xcalloc(1, sizeof *s);
    s->base = (cmat_source){.hf = false, .find = gguf_find, .close = gguf_close};
    s->g = g;
    return &s->base;
}

/* A copy of a tensor that its file holds unaligned. */
typedef struct {
    const void *from;
    void *data;
} aligned_copy;

typedef struct {
    cmat_source base;
    cmat_safetensors **files;
    size_t n;
    aligned_copy *copies;
    size_t n_copies, cap;
} safetensors_source;

static const void *aligned(safetensors_source *s, const cmat_safetensor *t)
{
    const size_t align = (size_t)cmat_type_get(t->type)->block_bytes; /* of single values here */
    if ((uintptr_t)t->data % align == 0)
        return t->data;
    for (size_t i = 0; i < s->n_copies; i++)
        if (s->copies[i].from == t->data)
            return s->copies[i].data;
    void *data = cmat_alloc_big(t->size, 1);
    if (!data)
        return NULL;
    memcpy(data, t->data, t->size);
    s->copies = cmat_xgrow(s->copies, &s->cap, s->n_copies + 1, sizeof *s->copies);
    s->copies[s->n_copies++] = (aligned_copy){t->data, data};
    return data;
}

static const cmat_safetensor *shards_find(const safetensors_source *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++) {
        const cmat_safetensor *t = cmat_safetensors_find(s->files[i], name);
        if (t)
            return t;
    }
    return NULL;
}

static bool safetensors_find(const cmat_source *src, const char *name, cmat_source_tensor *out)
{
    safetensors_source *s = (safetensors_source *)src; /* copies are a cache */
    const cmat_safetensor *t = shards_find(s, name);
    char longer[256];
    if (!t) {
        snprintf(longer, sizeof longer, "language_model.%s", name);
        t = shards_find(s, longer);
    }
    if (!t && strncmp(name, "model.", 6) == 0) {
        snprintf(longer, sizeof longer, "model.language_model.%s", name + 6);
        t = shards_find(s, longer);
    }
    if (!t || t->n_dims < 1)
        return false;
    *out = (cmat_source_tensor){.data = aligned(s, t),
                                .type = t->type,
                                .n_dims = t->n_dims,
                                .n_in = t->shape[t->n_dims - 1],
                                .n_out = t->n_dims > 1 ? t->shape[t->n_dims - 2] : 1,
                                .size = t->size};
    return out->data != NULL;
}

static void safetensors_close(cmat_source *src)
{
    safetensors_source *s = (safetensors_source *)src;
    for (size_t i = 0; i < s->n_copies; i++)
        cmat_free_big(s->copies[i].data);
    for (size_t i = 0; i < s->n; i++)
        cmat_safetensors_close(s->files[i]);
    free(s->copies);
    free(s->files);
    free(s);
}

cmat_source *cmat_source_safetensors(cmat_safetensors *const *files, size_t n)
{
    safetensors_source *s = cmat_xcalloc(1, sizeof *s);
    s->base = (cmat_source){.hf = true, .find = safetensors_find, .close = safetensors_close};
    s->files = cmat_xmalloc((n ? n : 1) * sizeof(cmat_safetensors *));
    memcpy(s->files, files, n * sizeof(cmat_safetensors *));
    s->n = n;
    return &s->base;
}

void cmat_source_close(cmat_source *s)
{
    if (s)
        s->close(s);
}
