/* train/checkpoint.c */
#include "train/checkpoint.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char magic[8] = {'C', 'M', 'A', 'T', 'C', 'K', 'P', '1'};
enum { MAX_HEADER = 1 << 20 };

/* The arrays of an adapter in file order; the last is absent without validation. */
enum { N_ARRAYS = 4 };
static const char *const array_names[N_ARRAYS] = {"params", "m", "v", "best"};

static float *array_of(const cmat_optim *o, int which)
{
    float *const arrays[N_ARRAYS] = {o->params, o->m, o->v, o->best};
    return arrays[which];
}

static json_t *hex64(uint64_t x)
{
    return json_sprintf("%016" PRIx64, x);
}

/* A double kept exactly: "inf" is not JSON, and decimal digits would not be the same bits. */
static json_t *bits(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return hex64(u);
}

static double from_bits(const json_t *j, const char *key)
{
    uint64_t u = strtoull(cmat_json_str(j, key, "0"), NULL, 16);
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static json_t *state_json(const cmat_tune_state *s)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:b, s:b, s:I}", "step",
                     (json_int_t)s->step, "epoch", (json_int_t)s->epoch, "next_batch",
                     (json_int_t)s->next_batch, "tokens", (json_int_t)s->tokens, "rows",
                     (json_int_t)s->rows, "evals_without_gain", (json_int_t)s->evals_without_gain,
                     "evaluated", (json_int_t)s->evaluated, "first_loss", bits(s->first_loss),
                     "loss", bits(s->loss), "eval_start", bits(s->eval_start), "has_eval",
                     (int)s->has_eval, "finished", (int)s->finished, "end", (json_int_t)s->end);
}

static void state_from_json(cmat_tune_state *s, const json_t *j)
{
    *s = (cmat_tune_state){
        .step = cmat_json_int(j, "step", 0),
        .epoch = cmat_json_int(j, "epoch", 0),
        .next_batch = cmat_json_int(j, "next_batch", 0),
        .tokens = cmat_json_int(j, "tokens", 0),
        .rows = cmat_json_int(j, "rows", 0),
        .evals_without_gain = cmat_json_int(j, "evals_without_gain", 0),
        .evaluated = cmat_json_int(j, "evaluated", -1),
        .first_loss = from_bits(j, "first_loss"),
        .loss = from_bits(j, "loss"),
        .eval_start = from_bits(j, "eval_start"),
        .has_eval = cmat_json_bool(j, "has_eval", false),
        .finished = cmat_json_bool(j, "finished", false),
        .end = cmat_json_int(j, "end", 0),
    };
}

static json_t *optim_json(const cmat_optim *o)
{
    json_t *arrays = json_object();
    for (int i = 0; i < N_ARRAYS; i++)
        if (array_of(o, i))
            json_object_set_new(arrays, array_names[i],
                                hex64(cmat_fnv1a(array_of(o, i), o->n * sizeof(float))));
    return json_pack("{s:I, s:I, s:o, s:I, s:o}", "n", (json_int_t)o->n, "t", (json_int_t)o->t,
                     "best_loss", bits(o->best_loss), "best_step", (json_int_t)o->best_step,
                     "arrays", arrays);
}

cmat_status cmat_checkpoint_save(const char *path, const char *identity, const cmat_tune_state *s,
                                 const cmat_optim *o, int n, cmat_error *err)
{
    cmat_writer *w;
    cmat_status st = cmat_writer_open(&w, path, err);
    if (st != CMAT_OK)
        return st;
    json_t *adapters = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(adapters, optim_json(&o[i]));
    json_t *h = json_pack("{s:s, s:o, s:o}", "identity", identity, "state", state_json(s),
                          "adapters", adapters);
    cmat_buf b = {0};
    cmat_json_print(&b, h);
    json_decref(h);
    uint64_t len = b.len;
    cmat_writer_add(w, magic, sizeof magic);
    cmat_writer_add(w, &len, sizeof len);
    cmat_writer_add(w, b.data, b.len);
    cmat_buf_clear(&b);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < N_ARRAYS; k++)
            if (array_of(&o[i], k))
                cmat_writer_add(w, array_of(&o[i], k), o[i].n * sizeof(float));
    return cmat_writer_commit(w, err);
}

/* Checks one adapter's entry and arrays at data (left bytes); *used is how many bytes they take. */
static cmat_status optim_check(const cmat_optim *o, const json_t *j, const unsigned char *data,
                               size_t left, size_t *used, const char *path, cmat_error *err)
{
    const json_t *arrays = json_object_get(j, "arrays");
    size_t bytes = o->n * sizeof(float);
    *used = 0;
    if (cmat_json_int(j, "n", -1) != (int64_t)o->n)
        return cmat_fail(err, CMAT_ERR_STATE, "%s: made for an adapter of another size", path);
    for (int k = 0; k < N_ARRAYS; k++) {
        const char *want = cmat_json_str(arrays, array_names[k], NULL);
        if (!array_of(o, k) != !want)
            return cmat_fail(err, CMAT_ERR_STATE, "%s: made %s a validation set", path,
                             want ? "with" : "without");
        if (!want)
            continue;
        if (left - *used < bytes)
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: cut short", path);
        if (strtoull(want, NULL, 16) != cmat_fnv1a(data + *used, bytes))
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: damaged (checksum of %s)", path,
                             array_names[k]);
        *used += bytes;
    }
    return CMAT_OK;
}

static void optim_read(cmat_optim *o, const json_t *j, const unsigned char *data)
{
    o->t = cmat_json_int(j, "t", 0);
    o->best_loss = from_bits(j, "best_loss");
    o->best_step = cmat_json_int(j, "best_step", -1);
    for (int k = 0; k < N_ARRAYS; k++)
        if (array_of(o, k)) {
            memcpy(array_of(o, k), data, o->n * sizeof(float));
            data += o->n * sizeof(float);
        }
}

/* Header and where the arrays start. */
static cmat_status header_read(const cmat_map *m, const char *path, json_t **h, size_t *offset,
                               cmat_error *err)
{
    uint64_t len;
    if (m->len < sizeof magic + sizeof len || memcmp(m->data, magic, sizeof magic) != 0)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: not a checkpoint", path);
    memcpy(&len, m->data + sizeof magic, sizeof len);
    *offset = sizeof magic + sizeof len;
    if (len > MAX_HEADER || len > m->len - *offset)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: cut short", path);
    *h = cmat_json_parse((const char *)m->data + *offset, (size_t)len, path, err);
    *offset += (size_t)len;
    return *h ? CMAT_OK : CMAT_ERR_FORMAT;
}

static cmat_status checkpoint_apply(const cmat_map *m, const char *path, const char *identity,
                                    const json_t *h, size_t offset, cmat_tune_state *s,
                                    cmat_optim *o, int n, cmat_error *err)
{
    const json_t *adapters = json_object_get(h, "adapters");
    size_t at = offset, used;
    if (strcmp(cmat_json_str(h, "identity", ""), identity) != 0)
        return cmat_fail(err, CMAT_ERR_STATE,
                         "%s: belongs to a run with other options, data or model (take a new run "
                         "folder, or start this one again without resuming)",
                         path);
    if ((int)json_array_size(adapters) != n)
        return cmat_fail(err, CMAT_ERR_STATE, "%s: made for %zu adapters, not %d", path,
                         json_array_size(adapters), n);
    for (int i = 0; i < n; i++, at += used) {
        cmat_status st = optim_check(&o[i], json_array_get(adapters, (size_t)i), m->data + at,
                                     m->len - at, &used, path, err);
        if (st != CMAT_OK)
            return st;
    }
    if (at != m->len)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: bytes after the end", path);
    state_from_json(s, json_object_get(h, "state"));
    for (int i = 0; i < n; i++) {
        optim_read(&o[i], json_array_get(adapters, (size_t)i), m->data + offset);
        offset += o[i].n * sizeof(float) * (o[i].best ? 4 : 3);
    }
    return CMAT_OK;
}

cmat_status cmat_checkpoint_load(const char *path, const char *identity, cmat_tune_state *s,
                                 cmat_optim *o, int n, cmat_error *err)
{
    cmat_map m = {0};
    json_t *h = NULL;
    size_t offset = 0;
    if (!cmat_path_exists(path))
        return CMAT_ERR_NOT_FOUND;
    cmat_status st = cmat_map_open(&m, path, err);
    if (st == CMAT_OK)
        st = header_read(&m, path, &h, &offset, err);
    if (st == CMAT_OK)
        st = checkpoint_apply(&m, path, identity, h, offset, s, o, n, err);
    json_decref(h);
    cmat_map_close(&m);
    return st;
}
