/* model/gguf_write.c - writes GGUF version 3: metadata in the order it was first added, tensors
 * each padded to 32 bytes. The same calls give the same bytes. */
#include "core/buf.h"
#include "core/mem.h"
#include "model/gguf_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *key;
    cmat_buf value; /* type field and value, as in the file */
} entry;

typedef struct {
    char *name;
    cmat_type type;
    int n_dims;
    int64_t ne[4];
    const void *data;   /* or what rows makes it from */
    cmat_rows_fn *rows; /* NULL: data are the bytes */
    size_t size;
} tensor;

struct cmat_gguf_writer {
    entry *entries;
    size_t n_entries, cap_entries;
    tensor *tensors;
    size_t n_tensors, cap_tensors;
};

cmat_gguf_writer *cmat_gguf_writer_new(void)
{
    return cmat_xcalloc(1, sizeof(cmat_gguf_writer));
}

void cmat_gguf_writer_free(cmat_gguf_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_entries; i++) {
        free(w->entries[i].key);
        cmat_buf_clear(&w->entries[i].value);
    }
    for (size_t i = 0; i < w->n_tensors; i++)
        free(w->tensors[i].name);
    free(w->entries);
    free(w->tensors);
    free(w);
}

static void add_uint(cmat_buf *b, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        cmat_buf_putc(b, (char)(v >> (8 * i) & 0xff));
}

static void add_string(cmat_buf *b, const char *s, size_t n)
{
    add_uint(b, n, 8);
    cmat_buf_add(b, s, n);
}

/* The empty value of a key; one that was set before is replaced in its place. */
static cmat_buf *value_of(cmat_gguf_writer *w, const char *key)
{
    for (size_t i = 0; i < w->n_entries; i++)
        if (strcmp(w->entries[i].key, key) == 0) {
            cmat_buf_truncate(&w->entries[i].value, 0);
            return &w->entries[i].value;
        }
    w->entries = cmat_xgrow(w->entries, &w->cap_entries, w->n_entries + 1, sizeof *w->entries);
    entry *e = &w->entries[w->n_entries++];
    memset(e, 0, sizeof *e);
    e->key = cmat_xstrdup(key);
    return &e->value;
}

void cmat_gguf_writer_str(cmat_gguf_writer *w, const char *key, const char *value)
{
    cmat_buf *b = value_of(w, key);
    add_uint(b, GGUF_STR, 4);
    add_string(b, value, strlen(value));
}

void cmat_gguf_writer_u32(cmat_gguf_writer *w, const char *key, uint32_t value)
{
    cmat_buf *b = value_of(w, key);
    add_uint(b, GGUF_U32, 4);
    add_uint(b, value, 4);
}

void cmat_gguf_writer_f32(cmat_gguf_writer *w, const char *key, float value)
{
    cmat_buf *b = value_of(w, key);
    add_uint(b, GGUF_F32, 4);
    cmat_buf_add(b, &value, 4);
}

void cmat_gguf_writer_bool(cmat_gguf_writer *w, const char *key, bool value)
{
    cmat_buf *b = value_of(w, key);
    add_uint(b, GGUF_BOOL, 4);
    add_uint(b, value, 1);
}

void cmat_gguf_writer_strings(cmat_gguf_writer *w, const char *key, const char *const *v, size_t n)
{
    cmat_buf *b = value_of(w, key);
    add_uint(b, GGUF_ARRAY, 4);
    add_uint(b, GGUF_STR, 4);
    add_uint(b, n, 8);
    for (size_t i = 0; i < n; i++)
        add_string(b, v[i], strlen(v[i]));
}

void cmat_gguf_writer_i32s(cmat_gguf_writer *w, const char *key, const int32_t *v, size_t n)
{
    cmat_buf *b = value_of(w, key);
    add_uint(b, GGUF_ARRAY, 4);
    add_uint(b, GGUF_I32, 4);
    add_uint(b, n, 8);
    for (size_t i = 0; i < n; i++)
        add_uint(b, (uint32_t)v[i], 4);
}

void cmat_gguf_writer_f32s(cmat_gguf_writer *w, const char *key, const float *v, size_t n)
{
    cmat_buf *b = value_of(w, key);
    add_uint(b, GGUF_ARRAY, 4);
    add_uint(b, GGUF_F32, 4);
    add_uint(b, n, 8);
    cmat_buf_add(b, (const char *)v, n * sizeof *v);
}

void cmat_gguf_writer_copy(cmat_gguf_writer *w, const cmat_gguf *g, const char *const *except)
{
    for (size_t i = 0; i < g->n_kv; i++) {
        const gguf_kv *kv = &g->kv[i];
        bool skip = strcmp(kv->key, "general.alignment") == 0; /* the writer has its own */
        for (const char *const *p = except; p && *p; p++)
            skip = skip || strncmp(kv->key, *p, strlen(*p)) == 0;
        if (!skip)
            cmat_buf_add(value_of(w, kv->key), kv->raw, kv->raw_len);
    }
}

void cmat_gguf_writer_tensor(cmat_gguf_writer *w, const char *name, cmat_type type, int n_dims,
                             const int64_t *ne, const void *data)
{
    const cmat_type_info *info = cmat_type_get(type);
    assert(info && n_dims >= 1 && n_dims <= 4 && ne[0] % info->block_weights == 0);
    w->tensors = cmat_xgrow(w->tensors, &w->cap_tensors, w->n_tensors + 1, sizeof *w->tensors);
    tensor *t = &w->tensors[w->n_tensors++];
    *t = (tensor){.name = cmat_xstrdup(name), .type = type, .n_dims = n_dims, .data = data};
    size_t n = 1;
    for (int i = 0; i < 4; i++) {
        t->ne[i] = i < n_dims ? ne[i] : 1;
        assert(t->ne[i] > 0);
        n *= (size_t)t->ne[i];
    }
    t->size = n / (size_t)info->block_weights * (size_t)info->block_bytes;
}

void cmat_gguf_writer_rows(cmat_gguf_writer *w, const char *name, cmat_type type, int n_dims,
                           const int64_t *ne, cmat_rows_fn *rows, const void *source)
{
    cmat_gguf_writer_tensor(w, name, type, n_dims, ne, source);
    w->tensors[w->n_tensors - 1].rows = rows;
}

static size_t padding(size_t n)
{
    return -n % GGUF_DEFAULT_ALIGNMENT;
}

cmat_status cmat_gguf_writer_save(cmat_gguf_writer *w, const char *path, cmat_error *err)
{
    static const char zeros[GGUF_DEFAULT_ALIGNMENT];
    cmat_writer *out;
    cmat_status st = cmat_writer_open(&out, path, err);
    if (st != CMAT_OK)
        return st;
    cmat_buf b = {0};
    cmat_buf_add(&b, "GGUF", 4);
    add_uint(&b, 3, 4);
    add_uint(&b, w->n_tensors, 8);
    add_uint(&b, w->n_entries, 8);
    for (size_t i = 0; i < w->n_entries; i++) {
        add_string(&b, w->entries[i].key, strlen(w->entries[i].key));
        cmat_buf_add(&b, w->entries[i].value.data, w->entries[i].value.len);
    }
    size_t offset = 0;
    for (size_t i = 0; i < w->n_tensors; i++) {
        const tensor *t = &w->tensors[i];
        add_string(&b, t->name, strlen(t->name));
        add_uint(&b, (uint64_t)t->n_dims, 4);
        for (int d = 0; d < t->n_dims; d++)
            add_uint(&b, (uint64_t)t->ne[d], 8);
        add_uint(&b, (uint64_t)t->type, 4);
        add_uint(&b, offset, 8);
        offset += t->size + padding(t->size);
    }
    cmat_buf_add(&b, zeros, padding(b.len));
    cmat_writer_add(out, b.data, b.len);
    cmat_buf_clear(&b);
    for (size_t i = 0; i < w->n_tensors; i++) {
        const tensor *t = &w->tensors[i];
        const int64_t n_rows = t->ne[1] * t->ne[2] * t->ne[3];
        if (!t->rows)
            cmat_writer_add(out, t->data, t->size);
        else if ((st = cmat_rows_write(out, n_rows, t->size / (size_t)n_rows, t->rows, t->data,
                                       err)) != CMAT_OK) {
            cmat_writer_abort(out);
            return cmat_fail_prefix(err, st, "%s: tensor %s", path, t->name);
        }
        cmat_writer_add(out, zeros, padding(t->size));
    }
    return cmat_writer_commit(out, err);
}
