/* model/safetensors.c - safetensors: u64 header length (little-endian), a JSON object
 * {"name": {"dtype", "shape", "data_offsets": [from, to]}, "__metadata__": {string: string}}, the
 * data.
 *
 * Offsets count from the end of the header. The tensors must fill the data exactly: no holes, no
 * overlap, nothing left over; a file may then hold nothing that its header does not show. */
#include "model/safetensors.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

#define MAX_HEADER 100000000 /* bytes, as the format's own library */
#define MAX_TENSORS 1000000

struct cmat_safetensors {
    cmat_map map;
    char *what;
    json_t *header;           /* names and metadata are borrowed from it */
    cmat_safetensor *tensors; /* sorted by name */
    size_t n;
};

static const struct {
    const char *name;
    cmat_type type;
    size_t size;
} dtypes[] = {{"F32", CMAT_TYPE_F32, 4}, {"F16", CMAT_TYPE_F16, 2}, {"BF16", CMAT_TYPE_BF16, 2}};
#define N_DTYPES (sizeof dtypes / sizeof dtypes[0])

static cmat_status fail(const cmat_safetensors *s, const char *tensor, const char *text,
                        cmat_error *err)
{
    return cmat_fail(err, CMAT_ERR_FORMAT, "%s: tensor %.100s: %s", s->what, tensor, text);
}

/* ---- reading ---- */

static cmat_status read_dtype(const cmat_safetensors *s, cmat_safetensor *t, json_t *entry,
                              size_t *size, cmat_error *err)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!dtype)
        return fail(s, t->name, "no dtype", err);
    for (size_t i = 0; i < N_DTYPES; i++)
        if (strcmp(dtype, dtypes[i].name) == 0) {
            t->type = dtypes[i].type;
            *size = dtypes[i].size;
            return CMAT_OK;
        }
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                     "%s: tensor %.100s: dtype %.20s is not supported (F32, F16, BF16 are)",
                     s->what, t->name, dtype);
}

/* Shape and, from it, the size in bytes. */
static cmat_status read_shape(const cmat_safetensors *s, cmat_safetensor *t, json_t *entry,
                              cmat_error *err)
{
    json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return fail(s, t->name, "no shape", err);
    if (json_array_size(shape) > 4)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "%s: tensor %.100s has %zu dimensions (4 at most)", s->what, t->name,
                         json_array_size(shape));
    t->n_dims = (int)json_array_size(shape);
    for (int i = 0; i < 4; i++) {
        json_t *d = json_array_get(shape, (size_t)i);
        t->shape[i] = i < t->n_dims ? json_integer_value(d) : 1;
        if ((i < t->n_dims && !json_is_integer(d)) || t->shape[i] < 0)
            return fail(s, t->name, "a dimension is not a number of rows", err);
        if (!cmat_mul(t->size, (size_t)t->shape[i], &t->size))
            return fail(s, t->name, "its size overflows", err);
    }
    return CMAT_OK;
}

static cmat_status read_tensor(const cmat_safetensors *s, cmat_safetensor *t, json_t *entry,
                               const char *data, size_t data_len, cmat_error *err)
{
    cmat_status st = read_dtype(s, t, entry, &t->size, err);
    if (st != CMAT_OK || (st = read_shape(s, t, entry, err)) != CMAT_OK)
        return st;
    json_t *offsets = json_object_get(entry, "data_offsets");
    json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return fail(s, t->name, "no data_offsets", err);
    json_int_t a = json_integer_value(from), b = json_integer_value(to);
    if (a < 0 || b < a || (uint64_t)b > data_len)
        return fail(s, t->name, "its data lies outside the file", err);
    if ((uint64_t)(b - a) != t->size)
        return fail(s, t->name, "its data is not the size of its shape", err);
    t->data = data + a;
    return CMAT_OK;
}

static int by_data(const void *a, const void *b)
{
    const cmat_safetensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return (x->size > y->size) - (x->size < y->size); /* empty ones first */
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const cmat_safetensor *)a)->name, ((const cmat_safetensor *)b)->name);
}

static cmat_status check_packed(cmat_safetensors *s, const char *data, size_t data_len,
                                cmat_error *err)
{
    const char *at = data;
    qsort(s->tensors, s->n, sizeof *s->tensors, by_data);
    for (size_t i = 0; i < s->n; i++) {
        if ((const char *)s->tensors[i].data != at)
            return fail(s, s->tensors[i].name, "its data overlaps another's or leaves a hole", err);
        at += s->tensors[i].size;
    }
    if (at != data + data_len)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: %zu bytes behind the last tensor", s->what,
                         (size_t)(data + data_len - at));
    qsort(s->tensors, s->n, sizeof *s->tensors, by_name);
    return CMAT_OK;
}

static cmat_status check_meta(const cmat_safetensors *s, json_t *meta, cmat_error *err)
{
    const char *key;
    json_t *v;
    bool good = json_is_object(meta);
    json_object_foreach(meta, key, v)
    {
        good = good && json_is_string(v);
    }
    if (!good)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: __metadata__ holds more than strings", s->what);
    return CMAT_OK;
}

static cmat_status read_entries(cmat_safetensors *s, const char *data, size_t data_len,
                                cmat_error *err)
{
    const char *name;
    json_t *entry;
    if (json_object_size(s->header) > MAX_TENSORS)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: too many tensors", s->what);
    s->tensors = cmat_xcalloc(json_object_size(s->header) + 1, sizeof *s->tensors);
    json_object_foreach(s->header, name, entry)
    {
        cmat_status st;
        if (strcmp(name, "__metadata__") == 0) {
            st = check_meta(s, entry, err);
        } else {
            cmat_safetensor *t = &s->tensors[s->n++];
            t->name = name;
            st = read_tensor(s, t, entry, data, data_len, err);
        }
        if (st != CMAT_OK)
            return st;
    }
    return check_packed(s, data, data_len, err);
}

static cmat_status read_all(cmat_safetensors *s, const void *bytes, size_t len, cmat_error *err)
{
    const unsigned char *p = bytes;
    uint64_t head = 0;
    if (len < 8)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: not a safetensors file: %zu bytes", s->what,
                         len);
    for (int i = 7; i >= 0; i--)
        head = head << 8 | p[i];
    if (head > MAX_HEADER || head > len - 8)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: the header claims %llu bytes, the file has %zu",
                         s->what, (unsigned long long)head, len);
    if (head == 0 || p[8] != '{')
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: not a safetensors file: no JSON header",
                         s->what);
    json_error_t je;
    s->header = json_loadb((const char *)p + 8, (size_t)head, JSON_REJECT_DUPLICATES, &je);
    if (!s->header)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: header: %s", s->what, je.text);
    return read_entries(s, (const char *)p + 8 + head, len - 8 - (size_t)head, err);
}

cmat_status cmat_safetensors_open_mem(cmat_safetensors **out, const void *data, size_t len,
                                      const char *what, cmat_error *err)
{
    *out = NULL;
    cmat_safetensors *s = cmat_xcalloc(1, sizeof *s);
    s->what = cmat_xstrdup(what ? what : "safetensors data");
    s->map.fd = -1;
    cmat_status st = read_all(s, data, len, err);
    if (st != CMAT_OK) {
        cmat_safetensors_close(s);
        return st;
    }
    *out = s;
    return CMAT_OK;
}

cmat_status cmat_safetensors_open(cmat_safetensors **out, const char *path, cmat_error *err)
{
    cmat_map map = {0};
    *out = NULL;
    cmat_status st = cmat_map_open(&map, path, err);
    if (st != CMAT_OK)
        return st;
    if ((st = cmat_safetensors_open_mem(out, map.data, map.len, path, err)) != CMAT_OK) {
        cmat_map_close(&map);
        return st;
    }
    (*out)->map = map;
    return CMAT_OK;
}

void cmat_safetensors_close(cmat_safetensors *s)
{
    if (!s)
        return;
    json_decref(s->header);
    free(s->tensors);
    free(s->what);
    if (s->map.data)
        cmat_map_close(&s->map);
    free(s);
}

size_t cmat_safetensors_count(const cmat_safetensors *s)
{
    return s->n;
}

const cmat_safetensor *cmat_safetensors_at(const cmat_safetensors *s, size_t i)
{
    return i < s->n ? &s->tensors[i] : NULL;
}

const cmat_safetensor *cmat_safetensors_find(const cmat_safetensors *s, const char *name)
{
    cmat_safetensor key = {.name = name};
    return s->n ? bsearch(&key, s->tensors, s->n, sizeof key, by_name) : NULL;
}

const char *cmat_safetensors_meta(const cmat_safetensors *s, const char *key)
{
    return json_string_value(json_object_get(json_object_get(s->header, "__metadata__"), key));
}

/* ---- writing ---- */

static const char *dtype_name(cmat_type type, size_t *size)
{
    for (size_t i = 0; i < N_DTYPES; i++)
        if (dtypes[i].type == type) {
            *size = dtypes[i].size;
            return dtypes[i].name;
        }
    return NULL;
}

/* Wide types first, so that all data stays aligned to its type; then by name. */
static int by_width(const void *a, const void *b)
{
    const cmat_safetensor *x = a, *y = b;
    int wx = x->type == CMAT_TYPE_F32, wy = y->type == CMAT_TYPE_F32;
    return wx != wy ? wy - wx : by_name(a, b);
}

/* The header's JSON, or NULL when a tensor's type is not one of the format's. */
static json_t *make_header(const cmat_safetensor *t, size_t n, const char *const (*meta)[2],
                           size_t n_meta)
{
    json_t *header = json_object();
    size_t at = 0, width = 0;
    if (n_meta) {
        json_t *m = json_object();
        for (size_t i = 0; i < n_meta; i++)
            json_object_set_new(m, meta[i][0], json_string(meta[i][1]));
        json_object_set_new(header, "__metadata__", m);
    }
    for (size_t i = 0; i < n; i++) {
        const char *dtype = dtype_name(t[i].type, &width);
        json_t *shape = json_array();
        size_t size = width;
        for (int d = 0; d < t[i].n_dims; d++) {
            json_array_append_new(shape, json_integer(t[i].shape[d]));
            size *= (size_t)t[i].shape[d];
        }
        if (!dtype || size != t[i].size) {
            json_decref(shape);
            json_decref(header);
            return NULL;
        }
        json_object_set_new(header, t[i].name,
                            json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", shape,
                                      "data_offsets", (json_int_t)at,
                                      (json_int_t)at + (json_int_t)size));
        at += size;
    }
    return header;
}

/* The data of one tensor; empty ones have none. */
static cmat_status add_data(cmat_writer *w, const cmat_safetensor *t, cmat_rows_fn *rows,
                            cmat_error *err)
{
    int64_t n_rows = 1;
    if (!rows || t->size == 0) {
        cmat_writer_add(w, t->data, t->size);
        return CMAT_OK;
    }
    for (int d = 0; d + 1 < t->n_dims; d++)
        n_rows *= t->shape[d];
    return cmat_rows_write(w, n_rows, t->size / (size_t)n_rows, rows, t->data, err);
}

cmat_status cmat_safetensors_save(const char *path, const cmat_safetensor *tensors, size_t n,
                                  const char *const (*meta)[2], size_t n_meta, cmat_error *err)
{
    return cmat_safetensors_save_rows(path, tensors, n, meta, n_meta, NULL, err);
}

cmat_status cmat_safetensors_save_rows(const char *path, const cmat_safetensor *tensors, size_t n,
                                       const char *const (*meta)[2], size_t n_meta,
                                       cmat_rows_fn *rows, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    cmat_writer *w = NULL;
    cmat_buf head = {0};
    cmat_safetensor *t = cmat_xcalloc(n + 1, sizeof *t);
    if (n)
        memcpy(t, tensors, n * sizeof *t);
    qsort(t, n, sizeof *t, by_width);
    json_t *header = make_header(t, n, meta, n_meta);
    char *text = header ? json_dumps(header, JSON_COMPACT) : NULL;
    if (!text) {
        st = cmat_fail(err, CMAT_ERR_ARG, "%s: a tensor's type or size cannot be written", path);
        goto done;
    }
    cmat_buf_puts(&head, text);
    while (head.len % 8) /* the data then begins at a multiple of 8 */
        cmat_buf_putc(&head, ' ');
    if ((st = cmat_writer_open(&w, path, err)) != CMAT_OK)
        goto done;
    unsigned char len[8];
    for (int i = 0; i < 8; i++)
        len[i] = (unsigned char)((uint64_t)head.len >> 8 * i);
    cmat_writer_add(w, len, 8);
    cmat_writer_add(w, head.data, head.len);
    for (size_t i = 0; i < n; i++)
        if ((st = add_data(w, &t[i], rows, err)) != CMAT_OK) {
            cmat_writer_abort(w);
            st = cmat_fail_prefix(err, st, "%s: tensor %s", path, t[i].name);
            goto done;
        }
    st = cmat_writer_commit(w, err);
done:
    free(text);
    json_decref(header);
    cmat_buf_clear(&head);
    free(t);
    return st;
}
