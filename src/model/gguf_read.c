/* model/gguf_read.c - reads GGUF: "GGUF", u32 version (2 or 3), u64 tensor count, u64 metadata
 * count, metadata entries (string key, u32 type, value), tensor entries (string name, u32
 * dimensions, u64 each, u32 type, u64 offset), padding to general.alignment, tensor data. All
 * little-endian; a string is a u64 length and its bytes.
 *
 * Every count is compared with the bytes left before anything of its size is allocated, every
 * product and sum is a checked one, and duplicates are found by hashing, so that neither memory nor
 * time can exceed a small multiple of the file's size. */
#include "core/hash.h"
#include "core/mem.h"
#include "core/text.h"
#include "model/gguf_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 65536  /* metadata entries, tensors */
#define MAX_KEY 65535      /* bytes, from the specification */
#define MAX_TENSOR_NAME 64 /* bytes, from the specification */
#define MAX_ALIGNMENT 65536
#define MIN_KV_BYTES 14     /* key of one byte, type, value of one byte */
#define MIN_TENSOR_BYTES 33 /* name of one byte, one dimension */

/* A position in the file; reading past the end fails and stays failed. */
typedef struct {
    cmat_gguf *g;
    size_t pos;
    cmat_error *err;
} reader;

const unsigned char cmat_gguf_type_sizes[GGUF_N_TYPES] = {
    [GGUF_U8] = 1,  [GGUF_I8] = 1,   [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4,
    [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8};
const char *const cmat_gguf_type_names[GGUF_N_TYPES] = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};

/* Tensor types that files hold but this build does not read, for the message. */
static const char *const foreign_types[] = {
    [9] = "Q8_1",   [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S",
    [21] = "IQ3_S", [22] = "IQ2_S",   [24] = "I8",     [25] = "I16",     [26] = "I32",
    [27] = "I64",   [28] = "F64",     [29] = "IQ1_M",  [40] = "NVFP4",   [41] = "Q1_0"};

/* ---- index by name ---- */

static bool index_init(gguf_index *ix, size_t n)
{
    size_t cap = 16;
    while (cap < 2 * n)
        cap *= 2;
    ix->slots = calloc(cap, sizeof *ix->slots);
    ix->mask = cap - 1;
    return ix->slots != NULL;
}

/* The slot where name lies or may be put. name_at gives the name of entry i. */
static uint32_t *index_slot(const gguf_index *ix, const cmat_gguf *g, const char *name,
                            const char *(*name_at)(const cmat_gguf *, size_t))
{
    size_t i = cmat_fnv1a(name, strlen(name)) & ix->mask;
    while (ix->slots[i] && strcmp(name_at(g, ix->slots[i] - 1), name) != 0)
        i = (i + 1) & ix->mask;
    return &ix->slots[i];
}

static const char *kv_name_at(const cmat_gguf *g, size_t i)
{
    return g->kv[i].key;
}

static const char *tensor_name_at(const cmat_gguf *g, size_t i)
{
    return g->tensors[i].name;
}

/* ---- bytes ---- */

static size_t left(const reader *r)
{
    return r->g->len - r->pos;
}

static cmat_status cut_short(const reader *r, const char *where)
{
    return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: the file ends within %s, at byte %zu",
                     r->g->what, where, r->g->len);
}

/* An unsigned number of n bytes. */
static cmat_status read_uint(reader *r, int n, const char *where, uint64_t *out)
{
    if (left(r) < (size_t)n)
        return cut_short(r, where);
    *out = gguf_le(r->g->data + r->pos, n);
    r->pos += (size_t)n;
    return CMAT_OK;
}

/* Steps over a string's length and bytes; *str points into the file. */
static cmat_status read_string(reader *r, const char *where, const unsigned char **str, size_t *len)
{
    uint64_t n = 0;
    cmat_status st = read_uint(r, 8, where, &n);
    if (st != CMAT_OK)
        return st;
    if (n > left(r))
        return cut_short(r, where);
    *str = r->g->data + r->pos;
    *len = (size_t)n;
    r->pos += (size_t)n;
    return CMAT_OK;
}

/* A key or tensor name: 1..max bytes of UTF-8 without control characters, so that messages may show
 * it. */
static cmat_status read_name(reader *r, const char *kind, size_t max, char **out)
{
    const unsigned char *s = NULL;
    size_t n = 0, at = r->pos;
    cmat_status st = read_string(r, kind, &s, &n);
    if (st != CMAT_OK)
        return st;
    if (n == 0 || n > max)
        return cmat_fail(r->err, CMAT_ERR_FORMAT,
                         "%s: byte %zu: %s of %zu bytes (1 to %zu are allowed)", r->g->what, at,
                         kind, n, max);
    bool good = cmat_utf8_valid_prefix((const char *)s, n) == n;
    for (size_t i = 0; i < n; i++)
        good = good && s[i] >= 0x20 && s[i] != 0x7f;
    if (!good)
        return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: byte %zu: %s is not plain text", r->g->what,
                         at, kind);
    *out = cmat_xstrndup((const char *)s, n);
    return CMAT_OK;
}

/* ---- metadata ---- */

/* Array of strings: steps over them and notes where each begins. */
static cmat_status read_string_array(reader *r, gguf_kv *kv)
{
    if (kv->n > left(r) / 8)
        return cut_short(r, kv->key);
    kv->offsets = malloc((size_t)kv->n * sizeof *kv->offsets + 1);
    if (!kv->offsets)
        return cmat_fail(r->err, CMAT_ERR_NOMEM, "%s: %s: no memory for %zu strings", r->g->what,
                         kv->key, (size_t)kv->n);
    for (size_t i = 0; i < kv->n; i++) {
        const unsigned char *s;
        size_t n;
        kv->offsets[i] = r->pos;
        cmat_status st = read_string(r, kv->key, &s, &n);
        if (st != CMAT_OK)
            return st;
    }
    return CMAT_OK;
}

static cmat_status read_single_string(reader *r, gguf_kv *kv)
{
    const unsigned char *s = NULL;
    size_t n = 0;
    cmat_status st = read_string(r, kv->key, &s, &n);
    if (st != CMAT_OK || !s || memchr(s, 0, n))
        return st;
    if (!(kv->str = malloc(n + 1)))
        return cmat_fail(r->err, CMAT_ERR_NOMEM, "%s: %s: no memory for %zu bytes", r->g->what,
                         kv->key, n);
    memcpy(kv->str, s, n);
    kv->str[n] = 0;
    return CMAT_OK;
}

/* Numbers and booleans, one or many. */
static cmat_status read_fixed(reader *r, gguf_kv *kv)
{
    size_t size = cmat_gguf_type_sizes[kv->type];
    if (kv->n > left(r) / size)
        return cut_short(r, kv->key);
    if (kv->type == GGUF_BOOL)
        for (size_t i = 0; i < kv->n; i++)
            if (kv->value[i] > 1)
                return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: %s: a boolean of value %d",
                                 r->g->what, kv->key, kv->value[i]);
    r->pos += (size_t)kv->n * size;
    return CMAT_OK;
}

static cmat_status read_value(reader *r, gguf_kv *kv)
{
    uint64_t type = 0;
    cmat_status st = read_uint(r, 4, kv->key, &type);
    if (st != CMAT_OK)
        return st;
    kv->n = 1;
    if (type == GGUF_ARRAY) {
        kv->array = true;
        if ((st = read_uint(r, 4, kv->key, &type)) != CMAT_OK ||
            (st = read_uint(r, 8, kv->key, &kv->n)) != CMAT_OK)
            return st;
        if (type == GGUF_ARRAY)
            return cmat_fail(r->err, CMAT_ERR_UNSUPPORTED,
                             "%s: %s: arrays of arrays are not supported", r->g->what, kv->key);
    }
    if (type >= GGUF_N_TYPES)
        return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: %s: unknown value type %u", r->g->what,
                         kv->key, (unsigned)type);
    kv->type = (gguf_type)type;
    kv->value = r->g->data + r->pos;
    if (kv->type == GGUF_STR)
        return kv->array ? read_string_array(r, kv) : read_single_string(r, kv);
    return read_fixed(r, kv);
}

static cmat_status read_kv(reader *r)
{
    cmat_gguf *g = r->g;
    gguf_kv *kv = &g->kv[g->n_kv];
    cmat_status st = read_name(r, "metadata key", MAX_KEY, &kv->key);
    if (st != CMAT_OK)
        return st;
    uint32_t *slot = index_slot(&g->kv_index, g, kv->key, kv_name_at);
    g->n_kv++; /* from here on close frees it */
    if (*slot)
        return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: metadata key %s occurs twice", g->what,
                         kv->key);
    *slot = (uint32_t)g->n_kv;
    kv->raw = g->data + r->pos;
    st = read_value(r, kv);
    kv->raw_len = (size_t)(g->data + r->pos - kv->raw);
    return st;
}

static cmat_status read_alignment(cmat_gguf *g, cmat_error *err)
{
    g->alignment = GGUF_DEFAULT_ALIGNMENT;
    uint32_t slot = *index_slot(&g->kv_index, g, "general.alignment", kv_name_at);
    if (!slot)
        return CMAT_OK;
    const gguf_kv *kv = &g->kv[slot - 1];
    if (kv->array || kv->type != GGUF_U32)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: general.alignment is %s %s, not u32", g->what,
                         kv->array ? "an array of" : "of type", cmat_gguf_type_names[kv->type]);
    uint64_t a = gguf_le(kv->value, 4);
    /* a multiple of 8, says the specification: without it F32 data could lie unaligned */
    if (a < 8 || a > MAX_ALIGNMENT || (a & (a - 1)))
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "%s: general.alignment is %u (a power of two from 8 to %d is allowed)",
                         g->what, (unsigned)a, MAX_ALIGNMENT);
    g->alignment = a;
    return CMAT_OK;
}

/* ---- tensors ---- */

/* Bytes of a tensor, from its dimensions and type; false when they do not fit in 63 bits. */
static bool tensor_bytes(const cmat_gguf_tensor *t, const cmat_type_info *info, size_t *out)
{
    uint64_t n = 1;
    for (int i = 0; i < 4; i++)
        if (__builtin_mul_overflow(n, (uint64_t)t->ne[i], &n) || n > INT64_MAX)
            return false;
    n /= (uint64_t)info->block_weights; /* exact: ne[0] is a multiple */
    return !__builtin_mul_overflow(n, (uint64_t)info->block_bytes, out) && *out <= INT64_MAX;
}

static cmat_status read_shape(reader *r, cmat_gguf_tensor *t)
{
    uint64_t n_dims = 0;
    cmat_status st = read_uint(r, 4, t->name, &n_dims);
    if (st != CMAT_OK)
        return st;
    if (n_dims < 1 || n_dims > 4)
        return cmat_fail(r->err, CMAT_ERR_FORMAT,
                         "%s: tensor %s has %u dimensions (1 to 4 are allowed)", r->g->what,
                         t->name, (unsigned)n_dims);
    t->n_dims = (int)n_dims;
    for (int i = 0; i < 4; i++) {
        uint64_t ne = 1;
        if (i < t->n_dims && (st = read_uint(r, 8, t->name, &ne)) != CMAT_OK)
            return st;
        if (ne == 0 || ne > INT64_MAX)
            return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: tensor %s: dimension %d is out of range",
                             r->g->what, t->name, i);
        t->ne[i] = (int64_t)ne;
    }
    return CMAT_OK;
}

static cmat_status unknown_type(reader *r, const cmat_gguf_tensor *t, uint64_t type)
{
    const char *name = NULL;
    if (type < sizeof foreign_types / sizeof foreign_types[0])
        name = foreign_types[type];
    if (name)
        return cmat_fail(r->err, CMAT_ERR_UNSUPPORTED, "%s: tensor %s: type %s is not supported",
                         r->g->what, t->name, name);
    return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: tensor %s: unknown type %u", r->g->what, t->name,
                     (unsigned)type);
}

static cmat_status read_tensor(reader *r, uint64_t *offset)
{
    cmat_gguf *g = r->g;
    cmat_gguf_tensor *t = &g->tensors[g->n_tensors];
    char *name = NULL;
    cmat_status st = read_name(r, "tensor name", MAX_TENSOR_NAME, &name);
    if (st != CMAT_OK)
        return st;
    t->name = name;
    uint32_t *slot = index_slot(&g->tensor_index, g, name, tensor_name_at);
    g->n_tensors++;
    if (*slot)
        return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: tensor %s occurs twice", g->what, name);
    *slot = (uint32_t)g->n_tensors;

    uint64_t type = 0;
    if ((st = read_shape(r, t)) != CMAT_OK || (st = read_uint(r, 4, name, &type)) != CMAT_OK ||
        (st = read_uint(r, 8, name, offset)) != CMAT_OK)
        return st;
    const cmat_type_info *info = type <= 255 ? cmat_type_get((int)type) : NULL;
    if (!info)
        return unknown_type(r, t, type);
    t->type = (cmat_type)type;
    if (t->ne[0] % info->block_weights)
        return cmat_fail(r->err, CMAT_ERR_FORMAT,
                         "%s: tensor %s: rows of %lld are no whole blocks of %s", g->what, name,
                         (long long)t->ne[0], info->name);
    if (!tensor_bytes(t, info, &t->size))
        return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: tensor %s: its size overflows", g->what,
                         name);
    if (t->size > g->len)
        return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: tensor %s needs %zu bytes, the file has %zu",
                         g->what, name, t->size, g->len);
    return CMAT_OK;
}

static bool pad(uint64_t v, uint64_t align, uint64_t *out)
{
    if (__builtin_add_overflow(v, align - 1, &v))
        return false;
    *out = v & ~(align - 1);
    return true;
}

/* Places the tensors: as in the format's own library each lies right behind the one before it. */
static cmat_status place_tensors(reader *r, const uint64_t *offsets)
{
    cmat_gguf *g = r->g;
    uint64_t start, expect = 0;
    if (!pad(r->pos, g->alignment, &start))
        return cut_short(r, "the padding before the data");
    for (size_t i = 0; i < g->n_tensors; i++) {
        cmat_gguf_tensor *t = &g->tensors[i];
        uint64_t from, to;
        if (offsets[i] != expect)
            return cmat_fail(r->err, CMAT_ERR_FORMAT,
                             "%s: tensor %s lies at offset %llu, expected %llu", g->what, t->name,
                             (unsigned long long)offsets[i], (unsigned long long)expect);
        if (__builtin_add_overflow(start, offsets[i], &from) ||
            __builtin_add_overflow(from, t->size, &to) || to > g->len)
            return cmat_fail(r->err, CMAT_ERR_FORMAT,
                             "%s: the data of tensor %s goes past the end of the file", g->what,
                             t->name);
        t->data = g->data + from;
        if (!pad(expect + t->size, g->alignment, &expect)) /* the sum fits: it is within the file */
            return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: tensor %s: its offset overflows",
                             g->what, t->name);
    }
    return CMAT_OK;
}

/* ---- the whole file ---- */

static cmat_status read_header(reader *r, uint64_t *n_tensors, uint64_t *n_kv)
{
    cmat_gguf *g = r->g;
    uint64_t version = 0;
    if (g->len < 4 || memcmp(g->data, "GGUF", 4) != 0)
        return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: not a GGUF file", g->what);
    r->pos = 4;
    cmat_status st = read_uint(r, 4, "the header", &version);
    if (st != CMAT_OK)
        return st;
    if (version && (version & 0xffff) == 0)
        return cmat_fail(r->err, CMAT_ERR_UNSUPPORTED, "%s: a big-endian GGUF file", g->what);
    if (version == 0)
        return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: GGUF version 0", g->what);
    if (version != 2 && version != 3)
        return cmat_fail(r->err, CMAT_ERR_UNSUPPORTED,
                         "%s: GGUF version %u (2 and 3 are supported)", g->what, (unsigned)version);
    if ((st = read_uint(r, 8, "the header", n_tensors)) != CMAT_OK ||
        (st = read_uint(r, 8, "the header", n_kv)) != CMAT_OK)
        return st;
    if (*n_tensors > MAX_ENTRIES || *n_tensors > left(r) / MIN_TENSOR_BYTES)
        return cmat_fail(r->err, CMAT_ERR_FORMAT,
                         "%s: the header claims %llu tensors, more than the file can hold", g->what,
                         (unsigned long long)*n_tensors);
    if (*n_kv > MAX_ENTRIES || *n_kv > left(r) / MIN_KV_BYTES)
        return cmat_fail(r->err, CMAT_ERR_FORMAT,
                         "%s: the header claims %llu metadata entries, more than the file can hold",
                         g->what, (unsigned long long)*n_kv);
    return CMAT_OK;
}

static cmat_status read_all(cmat_gguf *g, cmat_error *err)
{
    reader r = {g, 0, err};
    uint64_t n_tensors = 0, n_kv = 0;
    uint64_t *offsets = NULL;
    cmat_status st = read_header(&r, &n_tensors, &n_kv);
    if (st != CMAT_OK)
        return st;
    g->kv = calloc((size_t)n_kv + 1, sizeof *g->kv);
    g->tensors = calloc((size_t)n_tensors + 1, sizeof *g->tensors);
    offsets = calloc((size_t)n_tensors + 1, sizeof *offsets);
    if (!g->kv || !g->tensors || !offsets || !index_init(&g->kv_index, (size_t)n_kv) ||
        !index_init(&g->tensor_index, (size_t)n_tensors)) {
        st = cmat_fail(err, CMAT_ERR_NOMEM, "%s: no memory for its directory", g->what);
        goto done;
    }
    for (uint64_t i = 0; i < n_kv; i++)
        if ((st = read_kv(&r)) != CMAT_OK)
            goto done;
    if ((st = read_alignment(g, err)) != CMAT_OK)
        goto done;
    for (uint64_t i = 0; i < n_tensors; i++)
        if ((st = read_tensor(&r, &offsets[i])) != CMAT_OK)
            goto done;
    st = place_tensors(&r, offsets);
done:
    free(offsets);
    return st;
}

cmat_status cmat_gguf_open_mem(cmat_gguf **out, const void *data, size_t len, const char *what,
                               cmat_error *err)
{
    *out = NULL;
    cmat_gguf *g = cmat_xcalloc(1, sizeof *g);
    g->data = data;
    g->len = len;
    g->what = cmat_xstrdup(what ? what : "GGUF data");
    g->map.fd = -1;
    cmat_status st = read_all(g, err);
    if (st != CMAT_OK) {
        cmat_gguf_close(g);
        return st;
    }
    *out = g;
    return CMAT_OK;
}

cmat_status cmat_gguf_open(cmat_gguf **out, const char *path, cmat_error *err)
{
    cmat_map map = {0};
    *out = NULL;
    cmat_status st = cmat_map_open(&map, path, err);
    if (st != CMAT_OK)
        return st;
    if ((st = cmat_gguf_open_mem(out, map.data, map.len, path, err)) != CMAT_OK) {
        cmat_map_close(&map);
        return st;
    }
    (*out)->map = map;
    return CMAT_OK;
}

void cmat_gguf_close(cmat_gguf *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_kv; i++) {
        free(g->kv[i].key);
        free(g->kv[i].str);
        free(g->kv[i].offsets);
    }
    for (size_t i = 0; i < g->n_tensors; i++)
        free((char *)g->tensors[i].name);
    free(g->kv);
    free(g->tensors);
    free(g->kv_index.slots);
    free(g->tensor_index.slots);
    free(g->what);
    if (g->map.data)
        cmat_map_close(&g->map);
    free(g);
}

size_t cmat_gguf_n_tensors(const cmat_gguf *g)
{
    return g->n_tensors;
}

const cmat_gguf_tensor *cmat_gguf_tensor_at(const cmat_gguf *g, size_t i)
{
    return i < g->n_tensors ? &g->tensors[i] : NULL;
}

const cmat_gguf_tensor *cmat_gguf_tensor_find(const cmat_gguf *g, const char *name)
{
    uint32_t slot = *index_slot(&g->tensor_index, g, name, tensor_name_at);
    return slot ? &g->tensors[slot - 1] : NULL;
}

cmat_status cmat_gguf_scan(const cmat_gguf *g, cmat_error *err)
{
    enum { CHUNK = 2048 }; /* weights at a time; a multiple of every block */
    float x[CHUNK];
    for (size_t i = 0; i < g->n_tensors; i++) {
        const cmat_gguf_tensor *t = &g->tensors[i];
        const cmat_type_info *info = cmat_type_get(t->type);
        size_t n = t->size / (size_t)info->block_bytes * (size_t)info->block_weights;
        const unsigned char *p = t->data;
        for (size_t at = 0; at < n; at += CHUNK) {
            size_t k = n - at < CHUNK ? n - at : CHUNK;
            info->to_f32(p + at / (size_t)info->block_weights * (size_t)info->block_bytes, x, k);
            for (size_t j = 0; j < k; j++)
                if (!isfinite(x[j]))
                    return cmat_fail(err, CMAT_ERR_FORMAT,
                                     "%s: tensor %s: weight %zu is not a number", g->what, t->name,
                                     at + j);
        }
    }
    return CMAT_OK;
}

const gguf_kv *cmat_gguf_kv_find(const cmat_gguf *g, const char *key)
{
    uint32_t slot = *index_slot(&g->kv_index, g, key, kv_name_at);
    return slot ? &g->kv[slot - 1] : NULL;
}
