/* model/gguf_meta.c - typed access to a GGUF file's metadata: nothing is cast that was not checked.
 */
#include "model/gguf_internal.h"

#include <stdlib.h>
#include <string.h>

/* The entry of a key with the wanted shape, or a failure that names both. */
static cmat_status need_kv(const cmat_gguf *g, const char *key, bool array, const gguf_kv **out,
                           cmat_error *err)
{
    *out = cmat_gguf_kv_find(g, key);
    if (!*out)
        return cmat_fail(err, CMAT_ERR_NOT_FOUND, "%s: metadata key %s is missing", g->what, key);
    if ((*out)->array != array)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: metadata key %s is %s array", g->what, key,
                         array ? "not an" : "an");
    return CMAT_OK;
}

static cmat_status wrong_type(const cmat_gguf *g, const gguf_kv *kv, const char *wanted,
                              cmat_error *err)
{
    return cmat_fail(err, CMAT_ERR_FORMAT, "%s: metadata key %s has type %s, not %s", g->what,
                     kv->key, cmat_gguf_type_names[kv->type], wanted);
}

/* Element i of a number entry: false when it is no integer or does not fit in 63 bits. */
static bool int_at(const gguf_kv *kv, size_t i, int64_t *out)
{
    size_t size = cmat_gguf_type_sizes[kv->type];
    const unsigned char *p = kv->value + i * size;
    switch (kv->type) {
    case GGUF_U8:
    case GGUF_U16:
    case GGUF_U32:
    case GGUF_U64: {
        uint64_t v = gguf_le(p, (int)size);
        *out = (int64_t)v;
        return v <= INT64_MAX;
    }
    case GGUF_I8:
        *out = (int8_t)p[0];
        return true;
    case GGUF_I16:
        *out = (int16_t)gguf_le(p, 2);
        return true;
    case GGUF_I32:
        *out = (int32_t)gguf_le(p, 4);
        return true;
    case GGUF_I64:
        *out = (int64_t)gguf_le(p, 8);
        return true;
    default:
        return false;
    }
}

static bool float_at(const gguf_kv *kv, size_t i, double *out)
{
    if (kv->type == GGUF_F32) {
        float f;
        memcpy(&f, kv->value + 4 * i, 4);
        *out = f;
        return true;
    }
    if (kv->type == GGUF_F64) {
        memcpy(out, kv->value + 8 * i, 8);
        return true;
    }
    return false;
}

bool cmat_gguf_has(const cmat_gguf *g, const char *key)
{
    return cmat_gguf_kv_find(g, key) != NULL;
}

cmat_status cmat_gguf_str(const cmat_gguf *g, const char *key, const char **out, cmat_error *err)
{
    const gguf_kv *kv;
    cmat_status st = need_kv(g, key, false, &kv, err);
    if (st != CMAT_OK)
        return st;
    if (kv->type != GGUF_STR)
        return wrong_type(g, kv, "string", err);
    if (!kv->str)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: metadata key %s: a NUL within the string",
                         g->what, key);
    *out = kv->str;
    return CMAT_OK;
}

cmat_status cmat_gguf_int(const cmat_gguf *g, const char *key, int64_t *out, cmat_error *err)
{
    const gguf_kv *kv;
    cmat_status st = need_kv(g, key, false, &kv, err);
    if (st != CMAT_OK)
        return st;
    return int_at(kv, 0, out) ? CMAT_OK : wrong_type(g, kv, "an integer in range", err);
}

cmat_status cmat_gguf_float(const cmat_gguf *g, const char *key, double *out, cmat_error *err)
{
    const gguf_kv *kv;
    cmat_status st = need_kv(g, key, false, &kv, err);
    if (st != CMAT_OK)
        return st;
    return float_at(kv, 0, out) ? CMAT_OK : wrong_type(g, kv, "a float", err);
}

cmat_status cmat_gguf_bool(const cmat_gguf *g, const char *key, bool *out, cmat_error *err)
{
    const gguf_kv *kv;
    cmat_status st = need_kv(g, key, false, &kv, err);
    if (st != CMAT_OK)
        return st;
    if (kv->type != GGUF_BOOL)
        return wrong_type(g, kv, "bool", err);
    *out = kv->value[0] != 0;
    return CMAT_OK;
}

cmat_status cmat_gguf_strings(const cmat_gguf *g, const char *key, size_t *n, cmat_error *err)
{
    const gguf_kv *kv;
    cmat_status st = need_kv(g, key, true, &kv, err);
    if (st != CMAT_OK)
        return st;
    if (kv->type != GGUF_STR)
        return wrong_type(g, kv, "an array of strings", err);
    *n = (size_t)kv->n;
    return CMAT_OK;
}

void cmat_gguf_string_at(const cmat_gguf *g, const char *key, size_t i, const char **ptr,
                         size_t *len)
{
    const gguf_kv *kv = cmat_gguf_kv_find(g, key);
    *ptr = "";
    *len = 0;
    if (!kv || !kv->offsets || i >= kv->n)
        return;
    const unsigned char *p = g->data + kv->offsets[i];
    *len = (size_t)gguf_le(p, 8);
    *ptr = (const char *)p + 8;
}

cmat_status cmat_gguf_ints(const cmat_gguf *g, const char *key, int32_t **out, size_t *n,
                           cmat_error *err)
{
    const gguf_kv *kv;
    cmat_status st = need_kv(g, key, true, &kv, err);
    *out = NULL;
    if (st != CMAT_OK)
        return st;
    if (kv->type == GGUF_STR)
        return wrong_type(g, kv, "an array of integers", err);
    int32_t *v = malloc((size_t)kv->n * sizeof *v + 1);
    if (!v)
        return cmat_fail(err, CMAT_ERR_NOMEM, "%s: metadata key %s: no memory", g->what, key);
    for (size_t i = 0; i < kv->n; i++) {
        int64_t x = 0;
        if (!int_at(kv, i, &x) || x < INT32_MIN || x > INT32_MAX) {
            free(v);
            return wrong_type(g, kv, "an array of 32-bit integers", err);
        }
        v[i] = (int32_t)x;
    }
    *out = v;
    *n = (size_t)kv->n;
    return CMAT_OK;
}

cmat_status cmat_gguf_floats(const cmat_gguf *g, const char *key, float **out, size_t *n,
                             cmat_error *err)
{
    const gguf_kv *kv;
    cmat_status st = need_kv(g, key, true, &kv, err);
    *out = NULL;
    if (st != CMAT_OK)
        return st;
    if (kv->type != GGUF_F32 && kv->type != GGUF_F64)
        return wrong_type(g, kv, "an array of floats", err);
    float *v = malloc((size_t)kv->n * sizeof *v + 1);
    if (!v)
        return cmat_fail(err, CMAT_ERR_NOMEM, "%s: metadata key %s: no memory", g->what, key);
    for (size_t i = 0; i < kv->n; i++) {
        double x = 0;
        float_at(kv, i, &x);
        v[i] = (float)x;
    }
    *out = v;
    *n = (size_t)kv->n;
    return CMAT_OK;
}
