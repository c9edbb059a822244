/* model/adapter_peft.c - adapters as PEFT keeps them: a folder with adapter_config.json and
 * adapter_model.safetensors, tensors base_model.model.model.layers.N.<module>.lora_A.weight (rank,
 * n_in) and lora_B.weight (n_out, rank).
 *
 * GGUF files of the llama architecture hold the rows of Q and K in another order than Hugging
 * Face's: of a head's d rows, HF's row j d/2 + i (j: half, i: pair) is GGUF's 2 i + j. Adapters in
 * memory follow the base; B's rows are permuted on the way in and out, so that the files are
 * exactly PEFT's.
 *
 * What an adapter was tuned on (adapter_base.h) is recorded in the safetensors' __metadata__, which
 * every reader ignores; PEFT warns of unknown keys in the JSON file.
 */
#include "model/adapter_peft.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "model/adapter_base.h"
#include "model/adapter_internal.h"
#include "model/method.h"
#include "model/pull.h"
#include "model/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TENSOR_MAX (CMAT_MODULE_NAME_MAX + 48)

static void tensor_name(char out[TENSOR_MAX], const cmat_arch *arch, int layer, int weight,
                        char which)
{
    char module[CMAT_MODULE_NAME_MAX];
    cmat_peft_module(module, arch, layer, weight);
    snprintf(out, TENSOR_MAX, "base_model.model.%s.lora_%c.weight", module, which);
}

int cmat_peft_hf_row(const cmat_model_config *c, int weight, int row)
{
    if (c->rope_neox || (weight != CMAT_W_Q && weight != CMAT_W_K))
        return row;
    int d = c->head_dim, in_head = row % d;
    return row - in_head + in_head % 2 * (d / 2) + in_head / 2;
}

/* ---- the weights file ---- */

static const char *recorded(const void *file, const char *key)
{
    return cmat_safetensors_meta(file, key);
}

cmat_status cmat_peft_check_base(const cmat_model *m, const cmat_safetensors *s, const char *what,
                                 cmat_error *err)
{
    return cmat_base_check(m, recorded, s, what, err);
}

cmat_status cmat_peft_save(const cmat_model *m, const char *path, const cmat_safetensor *tensors,
                           size_t n, cmat_error *err)
{
    const char *meta[CMAT_BASE_RECORDS + 1][2] = {{"format", "pt"}};
    cmat_base_record r;
    cmat_base_record_of(&r, m);
    memcpy(meta + 1, r.pairs, sizeof r.pairs);
    return cmat_safetensors_save(path, tensors, n, (const char *const(*)[2])meta, r.n + 1, err);
}

/* Tensor `which` of a module, widened into out (rows, cols) with B's rows in the base's order. */
static cmat_status load_tensor(const cmat_adapter *a, const cmat_safetensors *s, const char *what,
                               int layer, int weight, char which, float *out, cmat_error *err)
{
    const cmat_weight *w = &a->model->layers[layer].w[weight];
    int64_t rows = which == 'A' ? a->config.rank : cmat_module_rows(a->model, layer, weight),
            cols = which == 'A' ? w->n_in : a->config.rank;
    char name[TENSOR_MAX];
    tensor_name(name, a->model->config.arch, layer, weight, which);
    const cmat_safetensor *t = cmat_safetensors_find(s, name);
    if (!t)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: tensor %s is missing", what, name);
    if (t->n_dims != 2 || t->shape[0] != rows || t->shape[1] != cols)
        return cmat_fail(
            err, CMAT_ERR_FORMAT, "%s: tensor %s is (%lld, %lld), expected (%lld, %lld)", what,
            name, (long long)t->shape[0], (long long)t->shape[1], (long long)rows, (long long)cols);
    const cmat_type_info *info = cmat_type_get(t->type);
    size_t row_bytes = (size_t)cols * (size_t)info->block_bytes;
    for (int64_t i = 0; i < rows; i++) {
        int from = which == 'B' ? cmat_peft_hf_row(&a->model->config, weight, (int)i) : (int)i;
        float *row = out + i * cols;
        info->to_f32((const char *)t->data + (size_t)from * row_bytes, row, (size_t)cols);
        for (int64_t c = 0; c < cols; c++)
            if (!isfinite(row[c]))
                return cmat_fail(err, CMAT_ERR_FORMAT, "%s: tensor %s: a value is not a number",
                                 what, name);
    }
    return CMAT_OK;
}

/* DoRA's magnitudes of a module. */
static cmat_status load_magnitude(const cmat_adapter *a, const cmat_safetensors *s,
                                  const char *what, int layer, int weight, float *out,
                                  cmat_error *err)
{
    const int n = cmat_module_rows(a->model, layer, weight);
    char name[TENSOR_MAX], module[CMAT_MODULE_NAME_MAX];
    cmat_peft_module(module, a->model->config.arch, layer, weight);
    snprintf(name, sizeof name, "base_model.model.%s.lora_magnitude_vector", module);
    const cmat_safetensor *t = cmat_safetensors_find(s, name);
    if (!t) { /* files of other versions */
        snprintf(name, sizeof name, "base_model.model.%s.lora_magnitude_vector.weight", module);
        t = cmat_safetensors_find(s, name);
    }
    if (!t)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: tensor %s is missing", what, name);
    if (t->n_dims != 1 || t->shape[0] != n)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "%s: tensor %s has %d dimensions, %lld rows; %d rows expected", what, name,
                         t->n_dims, (long long)t->shape[0], n);
    const cmat_type_info *info = cmat_type_get(t->type);
    for (int i = 0; i < n; i++) {
        const int from = cmat_peft_hf_row(&a->model->config, weight, i);
        info->to_f32((const char *)t->data + (size_t)from * (size_t)info->block_bytes, out + i, 1);
        if (!isfinite(out[i]))
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: tensor %s: a value is not a number", what,
                             name);
    }
    return CMAT_OK;
}

static cmat_status load_weights(cmat_adapter *a, const char *path, cmat_error *err)
{
    cmat_safetensors *s = NULL;
    size_t used = 0;
    cmat_status st = cmat_safetensors_open(&s, path, err);
    if (st == CMAT_OK)
        st = cmat_peft_check_base(a->model, s, path, err);
    for (int l = 0; st == CMAT_OK && l < a->model->config.n_layers; l++)
        for (int k = 0; st == CMAT_OK && k < CMAT_N_LAYER_WEIGHTS; k++) {
            const cmat_lora_pair *p = cmat_adapter_pair(a, l, k);
            if (!p->a || !cmat_arch_module_size(a->model->config.arch, k))
                continue;
            st = load_tensor(a, s, path, l, k, 'A', p->a, err);
            if (st == CMAT_OK)
                st = load_tensor(a, s, path, l, k, 'B', p->b, err);
            used += 2;
            if (st == CMAT_OK && p->m) {
                st = load_magnitude(a, s, path, l, k, p->m, err);
                used++;
            }
        }
    if (st == CMAT_OK && used != cmat_safetensors_count(s))
        st = cmat_fail(err, CMAT_ERR_FORMAT,
                       "%s: holds %zu tensors, adapter_config.json tells of %zu", path,
                       cmat_safetensors_count(s), used);
    cmat_safetensors_close(s);
    return st;
}

static cmat_status lora_load(cmat_adapter **out, const cmat_model *m, const char *dir,
                             const json_t *j, cmat_error *err)
{
    cmat_lora_config config = CMAT_LORA_DEFAULT;
    char *config_path = cmat_path_join(dir, CMAT_PEFT_CONFIG),
         *weights_path = cmat_path_join(dir, CMAT_PEFT_WEIGHTS);
    bool *wanted = cmat_xcalloc((size_t)m->config.n_layers * CMAT_N_LAYER_WEIGHTS, sizeof *wanted);
    cmat_status st = cmat_peft_config_read(m, j, config_path, &config, wanted, err);
    if (st == CMAT_OK && (st = cmat_adapter_make(out, m, &config, wanted, err)) != CMAT_OK)
        st = cmat_fail_prefix(err, st, "%s", config_path);
    if (st == CMAT_OK)
        st = load_weights(*out, weights_path, err);
    if (st == CMAT_OK)
        cmat_adapter_refresh(*out);
    free(wanted);
    free(config_path);
    free(weights_path);
    return st;
}

/* ---- saving ---- */

/* The default model's repository, else the base's file name. */
const char *cmat_peft_base_name(const cmat_model *m, const char *sha256)
{
    if (sha256 && strcmp(sha256, CMAT_DEFAULT_MODEL_SHA256) == 0)
        return "HuggingFaceTB/SmolLM2-135M-Instruct";
    return m->path ? cmat_path_base(m->path) : "";
}

/* B (n_out, rank) with its rows in HF's order; the caller's to free(). */
static float *hf_b(const cmat_adapter *a, int layer, int weight)
{
    const cmat_lora_pair *p = cmat_adapter_pair(a, layer, weight);
    size_t rank = (size_t)a->config.rank;
    int n_out = cmat_module_rows(a->model, layer, weight);
    float *b = cmat_xmalloc((size_t)n_out * rank * sizeof *b);
    for (int i = 0; i < n_out; i++)
        memcpy(b + (size_t)cmat_peft_hf_row(&a->model->config, weight, i) * rank,
               p->b + (size_t)i * rank, rank * sizeof *b);
    return b;
}

/* The tensor's data are its own. */
static void add_tensor(cmat_safetensor *t, const cmat_arch *arch, int layer, int weight, char which,
                       int rows, int cols, const float *data, cmat_type type)
{
    char name[TENSOR_MAX];
    const cmat_type_info *info = cmat_type_get(type);
    size_t n = (size_t)rows * (size_t)cols;
    void *own = cmat_xmalloc(n * (size_t)info->block_bytes);
    tensor_name(name, arch, layer, weight, which);
    info->from_f32(data, own, n);
    *t = (cmat_safetensor){.name = cmat_xstrdup(name),
                           .type = type,
                           .n_dims = 2,
                           .shape = {rows, cols, 1, 1},
                           .data = own,
                           .size = n * (size_t)info->block_bytes};
}

static void add_magnitude(cmat_safetensor *t, const cmat_adapter *a, int layer, int weight,
                          cmat_type type)
{
    const cmat_lora_pair *p = cmat_adapter_pair(a, layer, weight);
    const cmat_type_info *info = cmat_type_get(type);
    const int n = cmat_module_rows(a->model, layer, weight);
    char module[CMAT_MODULE_NAME_MAX];
    float *m = cmat_xmalloc((size_t)n * sizeof *m);
    void *own = cmat_xmalloc((size_t)n * (size_t)info->block_bytes);
    for (int i = 0; i < n; i++)
        m[cmat_peft_hf_row(&a->model->config, weight, i)] = p->m[i];
    info->from_f32(m, own, (size_t)n);
    free(m);
    cmat_peft_module(module, a->model->config.arch, layer, weight);
    *t = (cmat_safetensor){.name =
                               cmat_xasprintf("base_model.model.%s.lora_magnitude_vector", module),
                           .type = type,
                           .n_dims = 1,
                           .shape = {n, 1, 1, 1},
                           .data = own,
                           .size = (size_t)n * (size_t)info->block_bytes};
}

static cmat_status save_weights(const cmat_adapter *a, const char *path, cmat_type type,
                                cmat_error *err)
{
    size_t n = 0;
    cmat_safetensor *t =
        cmat_xcalloc((size_t)a->model->config.n_layers * CMAT_N_LAYER_WEIGHTS * 3, sizeof *t);
    for (int l = 0; l < a->model->config.n_layers; l++)
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
            const cmat_lora_pair *p = cmat_adapter_pair(a, l, k);
            const cmat_weight *w = &a->model->layers[l].w[k];
            if (!p->a || !cmat_arch_module_size(a->model->config.arch, k))
                continue;
            float *b = hf_b(a, l, k);
            add_tensor(&t[n++], a->model->config.arch, l, k, 'A', a->config.rank, w->n_in, p->a,
                       type);
            add_tensor(&t[n++], a->model->config.arch, l, k, 'B', cmat_module_rows(a->model, l, k),
                       a->config.rank, b, type);
            free(b);
            if (p->m)
                add_magnitude(&t[n++], a, l, k, type);
        }
    cmat_status st = cmat_peft_save(a->model, path, t, n, err);
    for (size_t i = 0; i < n; i++) {
        free((char *)t[i].name);
        free((void *)t[i].data);
    }
    free(t);
    return st;
}

static cmat_status lora_save(const cmat_adapter *a, const char *dir, cmat_type type,
                             cmat_error *err)
{
    /* the hash is a cache within the model, as in cmat_peft_check_base */
    const char *sha256 = cmat_model_hash((cmat_model *)a->model);
    char *config_path = cmat_path_join(dir, CMAT_PEFT_CONFIG),
         *weights_path = cmat_path_join(dir, CMAT_PEFT_WEIGHTS);
    json_t *j = cmat_peft_config_make(a, cmat_peft_base_name(a->model, sha256));
    cmat_status st = save_weights(a, weights_path, type, err);
    if (st == CMAT_OK)
        st = cmat_json_save(config_path, j, err);
    json_decref(j);
    free(config_path);
    free(weights_path);
    return st;
}

const cmat_method cmat_method_lora = {.name = "lora",
                                      .peft_type = "LORA",
                                      .lr = 5e-4,
                                      .load = lora_load,
                                      .save = lora_save,
                                      .make_like = cmat_adapter_make_like};

const cmat_method cmat_method_dora = {.name = "dora",
                                      .peft_type = "LORA", /* loaded by LoRA's load: use_dora */
                                      .lr = 5e-4,
                                      .load = lora_load,
                                      .save = lora_save,
                                      .make_like = cmat_adapter_make_like,
                                      .refresh = cmat_dora_refresh};

/* ---- any method ---- */

cmat_status cmat_adapter_load(cmat_adapter **out, const cmat_model *m, const char *dir,
                              cmat_error *err)
{
    if (cmat_path_exists(dir) && !cmat_path_is_dir(dir))
        return cmat_adapter_load_gguf(out, m, dir, err);
    char *path = cmat_path_join(dir, CMAT_PEFT_CONFIG);
    json_t *j = cmat_json_load(path, err);
    const char *type = cmat_json_str(j, "peft_type", "");
    const cmat_method *const *method = cmat_methods;
    cmat_status st;
    *out = NULL;
    while (*method && strcmp((*method)->peft_type, type) != 0)
        method++;
    if (!j)
        st = err ? err->status : CMAT_ERR_FORMAT;
    else if (!*method)
        st = cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                       "%s: peft_type \"%.40s\" (LORA, P_TUNING, PROMPT_TUNING and PREFIX_TUNING "
                       "are supported)",
                       path, type);
    else
        st = (*method)->load(out, m, dir, j, err);
    if (st == CMAT_OK) {
        (*out)->name = cmat_xstrdup(cmat_path_base(dir));
    } else {
        cmat_adapter_free(*out);
        *out = NULL;
    }
    json_decref(j);
    free(path);
    return st;
}

cmat_status cmat_adapter_save(const cmat_adapter *a, const char *dir, cmat_error *err)
{
    return cmat_adapter_save_as(a, dir, CMAT_TYPE_F32, err);
}

cmat_status cmat_adapter_save_as(const cmat_adapter *a, const char *dir, cmat_type type,
                                 cmat_error *err)
{
    if (type != CMAT_TYPE_F32 && type != CMAT_TYPE_F16 && type != CMAT_TYPE_BF16)
        return cmat_fail(err, CMAT_ERR_ARG, "adapter: %s: PEFT files hold F32, F16 or BF16", dir);
    cmat_status st = cmat_mkdir_p(dir, err);
    return st == CMAT_OK ? a->method->save(a, dir, type, err) : st;
}
