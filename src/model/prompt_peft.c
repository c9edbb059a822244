/* model/prompt_peft.c - prompt tuning, P-Tuning and prefix tuning in PEFT's files:
 * adapter_config.json and, in adapter_model.safetensors, the one tensor prompt_embeddings:
 *
 *   prompt tuning, P-Tuning   (n_virtual, D)
 *   prefix tuning             (n_virtual, n_layers * 2 * G d): of each layer its key, then its
 * value
 *
 * The tensor is what the encoder gave. So that tuning can go on through the encoder, its parameters
 * lie beside in encoder.safetensors, which PEFT does not read: PyTorch's names, and in __metadata__
 * a hash of the prompt_embeddings that they give (cmat.served_fnv1a). */
#include "model/prompt_peft.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "model/safetensors.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENCODER_FILE "encoder.safetensors"

/* ---- reading ---- */

/* A count of the config: absent or null gives 0. */
static cmat_status read_count(const json_t *j, const char *key, int *out, const char *what,
                              cmat_error *err)
{
    const json_t *v = json_object_get(j, key);
    *out = 0;
    if (!v || json_is_null(v))
        return CMAT_OK;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: %s is not a count", what, key);
    *out = (int)json_integer_value(v);
    return CMAT_OK;
}

/* Where the config tells the base's dimensions, they must be the model's. */
static cmat_status check_base_shape(const json_t *j, const cmat_model_config *c,
                                    cmat_prompt_kind kind, const char *what, cmat_error *err)
{
    const bool prefix = kind == CMAT_PROMPT_PREFIX;
    const struct {
        const char *key;
        int want;
    } dims[] = {{"num_transformer_submodules", 1},
                {"num_layers", c->n_layers},
                {"token_dim", prefix ? cmat_prompt_kv_dim(c) : c->n_embd},
                {"num_attention_heads", prefix ? c->n_kv_heads : c->n_heads}};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        int have;
        cmat_status st = read_count(j, dims[i].key, &have, what, err);
        if (st != CMAT_OK)
            return st;
        if (have && have != dims[i].want)
            return cmat_fail(err, CMAT_ERR_ARG,
                             "%s: made for another base (%s is %d, this model's is %d)", what,
                             dims[i].key, have, dims[i].want);
    }
    return CMAT_OK;
}

static cmat_status read_encoder_kind(const json_t *j, cmat_prompt_config *c, const char *what,
                                     cmat_error *err)
{
    const char *kind = cmat_json_str(j, "encoder_reparameterization_type", "MLP");
    c->encoder = CMAT_ENCODER_NONE;
    if (c->kind == CMAT_PROMPT_PREFIX && cmat_json_bool(j, "prefix_projection", false))
        c->encoder = CMAT_ENCODER_MLP;
    if (c->kind != CMAT_PROMPT_P_TUNING)
        return CMAT_OK;
    c->encoder = strcmp(kind, "LSTM") == 0 ? CMAT_ENCODER_LSTM : CMAT_ENCODER_MLP;
    if (strcmp(kind, "LSTM") != 0 && strcmp(kind, "MLP") != 0)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "%s: encoder_reparameterization_type \"%.40s\" (MLP or LSTM)", what, kind);
    return CMAT_OK;
}

static cmat_status read_config(const json_t *j, const cmat_model *m, const char *what,
                               cmat_prompt_config *c, cmat_error *err)
{
    cmat_status st = check_base_shape(j, &m->config, c->kind, what, err);
    if (st != CMAT_OK ||
        (st = read_count(j, "num_virtual_tokens", &c->n_virtual, what, err)) != CMAT_OK ||
        (st = read_count(j, "encoder_hidden_size", &c->hidden, what, err)) != CMAT_OK ||
        (st = read_count(j, "encoder_num_layers", &c->lstm_layers, what, err)) != CMAT_OK)
        return st;
    return read_encoder_kind(j, c, what, err);
}

/* Widens a tensor of n floats into out, which may be told apart from damage: all must be finite. */
static cmat_status widen(const cmat_safetensor *t, const char *what, float *out, size_t n,
                         cmat_error *err)
{
    cmat_type_get(t->type)->to_f32(t->data, out, n);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(out[i]))
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: tensor %s: a value is not a number", what,
                             t->name);
    return CMAT_OK;
}

static cmat_status find_tensor(const cmat_safetensor **out, const cmat_safetensors *s,
                               const char *name, int64_t rows, int64_t cols, const char *what,
                               cmat_error *err)
{
    const cmat_safetensor *t = *out = cmat_safetensors_find(s, name);
    const int n_dims = cols ? 2 : 1;
    if (!t)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: tensor %s is missing", what, name);
    if (t->n_dims != n_dims || t->shape[0] != rows || (cols && t->shape[1] != cols))
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "%s: tensor %s is (%lld, %lld), expected (%lld, %lld)", what, name,
                         (long long)t->shape[0], (long long)t->shape[1], (long long)rows,
                         (long long)(cols ? cols : 1));
    return CMAT_OK;
}

static void served_hash(const cmat_adapter *a, char out[17])
{
    snprintf(out, 17, "%016" PRIx64, cmat_fnv1a(a->served, a->n_served * sizeof(float)));
}

/* Reads prompt_embeddings into served. */
static cmat_status load_served(cmat_adapter *a, const char *path, cmat_error *err)
{
    const size_t width = cmat_prompt_token_width(&a->model->config, a->prompt.kind);
    const cmat_safetensor *t;
    cmat_safetensors *s = NULL;
    float *x = NULL;
    cmat_status st = cmat_safetensors_open(&s, path, err);
    if (st == CMAT_OK)
        st = cmat_peft_check_base(a->model, s, path, err);
    if (st == CMAT_OK)
        st = find_tensor(&t, s, "prompt_embeddings", a->n_virtual, (int64_t)width, path, err);
    if (st == CMAT_OK && cmat_safetensors_count(s) != 1)
        st = cmat_fail(err, CMAT_ERR_FORMAT,
                       "%s: holds %zu tensors, prompt_embeddings alone is expected", path,
                       cmat_safetensors_count(s));
    if (st == CMAT_OK && !(x = cmat_alloc_big(a->n_served, sizeof *x)))
        st = cmat_fail(err, CMAT_ERR_NOMEM, "%s: no memory for %zu numbers", path, a->n_served);
    if (st == CMAT_OK)
        st = widen(t, path, x, a->n_served, err);
    if (st == CMAT_OK && a->prompt.kind == CMAT_PROMPT_PREFIX)
        cmat_prompt_permute(a, a->served, x, false);
    else if (st == CMAT_OK)
        memcpy(a->served, x, a->n_served * sizeof *x);
    cmat_free_big(x);
    cmat_safetensors_close(s);
    return st;
}

/* Reads the encoder's parameters; served has been read. */
static cmat_status load_encoder(cmat_adapter *a, const char *path, cmat_error *err)
{
    cmat_safetensors *s = NULL;
    char have[17];
    size_t n;
    const cmat_encoder_tensor *tensors = cmat_prompt_encoder_tensors(a->encoder, &n);
    cmat_status st = cmat_safetensors_open(&s, path, err);
    if (st != CMAT_OK)
        return st;
    const char *want = cmat_safetensors_meta(s, "cmat.served_fnv1a");
    served_hash(a, have);
    if (!want || strcmp(want, have) != 0)
        st = cmat_fail(err, CMAT_ERR_FORMAT,
                       "%s: belongs to other prompt_embeddings than those of %s", path,
                       CMAT_PEFT_WEIGHTS);
    for (size_t i = 0; st == CMAT_OK && i < n; i++) {
        const cmat_encoder_tensor *e = &tensors[i];
        const cmat_safetensor *t;
        st = find_tensor(&t, s, e->name, e->rows, e->cols, path, err);
        if (st == CMAT_OK)
            st = widen(t, path, a->params + e->offset,
                       (size_t)e->rows * (size_t)(e->cols ? e->cols : 1), err);
    }
    cmat_safetensors_close(s);
    return st;
}

/* An error of making an adapter, where a file is what asked for it. */
static cmat_status of_file(cmat_error *err, cmat_status st, const char *path)
{
    if (st == CMAT_ERR_ARG)
        st = CMAT_ERR_FORMAT;
    if (err)
        err->status = st;
    return cmat_fail_prefix(err, st, "%s", path);
}

cmat_status cmat_prompt_load(cmat_adapter **out, const cmat_model *m, const char *dir,
                             const json_t *j, cmat_prompt_kind kind, cmat_error *err)
{
    cmat_prompt_config config = {.kind = kind};
    char *config_path = cmat_path_join(dir, CMAT_PEFT_CONFIG),
         *weights_path = cmat_path_join(dir, CMAT_PEFT_WEIGHTS),
         *encoder_path = cmat_path_join(dir, ENCODER_FILE);
    cmat_status st = read_config(j, m, config_path, &config, err);
    const bool with_encoder = config.encoder != CMAT_ENCODER_NONE && cmat_path_exists(encoder_path);
    if (st == CMAT_OK && (st = cmat_prompt_make(out, m, &config, with_encoder, err)) != CMAT_OK)
        st = of_file(err, st, config_path);
    if (st == CMAT_OK)
        st = load_served(*out, weights_path, err);
    if (st == CMAT_OK && with_encoder)
        st = load_encoder(*out, encoder_path, err);
    if (st == CMAT_OK && (*out)->encoder)
        cmat_adapter_refresh(*out); /* the backward pass needs what the forward one leaves */
    free(config_path);
    free(weights_path);
    free(encoder_path);
    return st;
}

/* ---- writing ---- */

static json_t *make_config(const cmat_adapter *a, const char *base)
{
    const cmat_model_config *c = &a->model->config;
    const bool prefix = a->prompt.kind == CMAT_PROMPT_PREFIX;
    json_t *j = json_pack("{s:n, s:s, s:b, s:i, s:i, s:i, s:i, s:s, s:n, s:s, s:i}", "auto_mapping",
                          "base_model_name_or_path", base, "inference_mode", 1,
                          "num_attention_heads", prefix ? c->n_kv_heads : c->n_heads, "num_layers",
                          c->n_layers, "num_transformer_submodules", 1, "num_virtual_tokens",
                          a->n_virtual, "peft_type", a->method->peft_type, "revision", "task_type",
                          "CAUSAL_LM", "token_dim", prefix ? cmat_prompt_kv_dim(c) : c->n_embd);
    if (prefix) {
        json_object_set_new(j, "prefix_projection",
                            json_boolean(a->prompt.encoder != CMAT_ENCODER_NONE));
        json_object_set_new(j, "encoder_hidden_size",
                            a->prompt.encoder ? json_integer(a->prompt.hidden) : json_null());
    } else if (a->prompt.kind == CMAT_PROMPT_P_TUNING) {
        json_object_set_new(j, "encoder_dropout", json_real(0));
        json_object_set_new(j, "encoder_hidden_size", json_integer(a->prompt.hidden));
        json_object_set_new(j, "encoder_num_layers", json_integer(a->prompt.lstm_layers));
        json_object_set_new(j, "encoder_reparameterization_type",
                            json_string(a->prompt.encoder == CMAT_ENCODER_LSTM ? "LSTM" : "MLP"));
    } else {
        json_object_set_new(j, "prompt_tuning_init", json_string("RANDOM"));
        json_object_set_new(j, "prompt_tuning_init_text", json_null());
        json_object_set_new(j, "tokenizer_name_or_path", json_null());
    }
    return j;
}

static cmat_status save_served(const cmat_adapter *a, const char *path, cmat_type type,
                               cmat_error *err)
{
    const cmat_type_info *info = cmat_type_get(type);
    float *x = cmat_alloc_big(a->n_served, sizeof *x);
    void *data = cmat_alloc_big(a->n_served, (size_t)info->block_bytes);
    cmat_status st = CMAT_OK;
    if (!x || !data) {
        st = cmat_fail(err, CMAT_ERR_NOMEM, "%s: no memory for %zu numbers", path, a->n_served);
        goto done;
    }
    if (a->prompt.kind == CMAT_PROMPT_PREFIX)
        cmat_prompt_permute(a, x, a->served, true);
    else
        memcpy(x, a->served, a->n_served * sizeof *x);
    info->from_f32(x, data, a->n_served);
    st = cmat_peft_save(
        a->model, path,
        &(cmat_safetensor){
            .name = "prompt_embeddings",
            .type = type,
            .n_dims = 2,
            .shape = {a->n_virtual,
                      (int64_t)cmat_prompt_token_width(&a->model->config, a->prompt.kind), 1, 1},
            .data = data,
            .size = a->n_served * (size_t)info->block_bytes},
        1, err);
done:
    cmat_free_big(x);
    cmat_free_big(data);
    return st;
}

static cmat_status save_encoder(const cmat_adapter *a, const char *path, cmat_error *err)
{
    size_t n;
    const cmat_encoder_tensor *tensors = cmat_prompt_encoder_tensors(a->encoder, &n);
    cmat_safetensor *t = cmat_xcalloc(n, sizeof *t);
    char hash[17];
    served_hash(a, hash);
    const char *const meta[][2] = {{"format", "pt"}, {"cmat.served_fnv1a", hash}};
    for (size_t i = 0; i < n; i++) {
        const size_t count =
            (size_t)tensors[i].rows * (size_t)(tensors[i].cols ? tensors[i].cols : 1);
        t[i] = (cmat_safetensor){
            .name = tensors[i].name,
            .type = CMAT_TYPE_F32,
            .n_dims = tensors[i].cols ? 2 : 1,
            .shape = {tensors[i].rows, tensors[i].cols ? tensors[i].cols : 1, 1, 1},
            .data = a->params + tensors[i].offset,
            .size = count * sizeof(float)};
    }
    cmat_status st = cmat_safetensors_save(path, t, n, meta, 2, err);
    free(t);
    return st;
}

cmat_status cmat_prompt_save(const cmat_adapter *a, const char *dir, cmat_type type,
                             cmat_error *err)
{
    /* the hash is a cache within the model, the one member that changes after open */
    const char *sha256 = cmat_model_hash((cmat_model *)a->model);
    char *config_path = cmat_path_join(dir, CMAT_PEFT_CONFIG),
         *weights_path = cmat_path_join(dir, CMAT_PEFT_WEIGHTS),
         *encoder_path = cmat_path_join(dir, ENCODER_FILE);
    json_t *j = make_config(a, cmat_peft_base_name(a->model, sha256));
    cmat_status st = CMAT_OK;
    unlink(encoder_path); /* of what lay here before; a rounded file is for passing on, without */
    st = save_served(a, weights_path, type, err);
    if (st == CMAT_OK && a->encoder && type == CMAT_TYPE_F32)
        st = save_encoder(a, encoder_path, err);
    if (st == CMAT_OK)
        st = cmat_json_save(config_path, j, err);
    json_decref(j);
    free(config_path);
    free(weights_path);
    free(encoder_path);
    return st;
}
