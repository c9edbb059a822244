/* model/adapter_gguf.c - LoRA adapters as GGUF, as llama.cpp has them: general.type "adapter",
 * adapter.type "lora", adapter.lora.alpha, tensors blk.N.<matrix>.weight.lora_a (n_in, rank) and
 * lora_b (rank, n_out). Rows of Q and K are in the order of a GGUF base, which is that of the base
 * in memory unless it came from Hugging Face's files. */
#include "core/mem.h"
#include "model/adapter_base.h"
#include "model/adapter_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cmat_lora_gguf_name(char out[CMAT_LORA_NAME_MAX], const cmat_model *m, int layer, int weight,
                         char which)
{
    char module[CMAT_MODULE_NAME_MAX];
    cmat_module_name(module, m->config.arch, false, cmat_arch_module_of(m->config.arch, weight),
                     layer);
    snprintf(out, CMAT_LORA_NAME_MAX, "%s.weight.lora_%c", module, which);
}

int cmat_module_rows(const cmat_model *m, int layer, int weight)
{
    const int n = cmat_arch_module_size(m->config.arch, weight);
    int rows = 0;
    for (int i = 0; i < n; i++)
        rows += m->layers[layer].w[weight + i].n_out;
    return rows;
}

/* The row in a GGUF of a matrix's `row` in memory; see adapter_peft.c. */
static int gguf_row(const cmat_model_config *c, int weight, int row)
{
    const int d = c->head_dim, in_head = row % d;
    if (!c->arch->interleaved || !c->rope_neox || (weight != CMAT_W_Q && weight != CMAT_W_K))
        return row;
    return row - in_head + 2 * (in_head % (d / 2)) + in_head / (d / 2);
}

static cmat_status need_str(const cmat_gguf *g, const char *key, const char *want, const char *path,
                            cmat_error *err)
{
    const char *have = NULL;
    if (cmat_gguf_str(g, key, &have, NULL) != CMAT_OK || strcmp(have, want) != 0)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: not a GGUF LoRA adapter: %s is not \"%s\"",
                         path, key, want);
    return CMAT_OK;
}

/* Which matrices are adapted, and the one rank of all of them. */
static cmat_status find_pairs(const cmat_model *m, const cmat_gguf *g, const char *path,
                              bool *wanted, cmat_lora_config *c, cmat_error *err)
{
    size_t n = 0;
    c->targets = 0;
    for (int l = 0; l < m->config.n_layers; l++)
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
            char name[CMAT_LORA_NAME_MAX];
            cmat_lora_gguf_name(name, m, l, k, 'a');
            const cmat_gguf_tensor *a = cmat_gguf_tensor_find(g, name);
            if (!a || !cmat_arch_module_size(m->config.arch, k))
                continue;
            if (n && a->ne[1] != c->rank)
                return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                                 "%s: tensor %s has rank %lld, others %d: one for all is supported",
                                 path, name, (long long)a->ne[1], c->rank);
            if (a->ne[1] > INT32_MAX)
                return cmat_fail(err, CMAT_ERR_FORMAT, "%s: tensor %s: rank %lld", path, name,
                                 (long long)a->ne[1]);
            c->rank = (int)a->ne[1];
            c->targets |= 1u << k;
            wanted[(size_t)l * CMAT_N_LAYER_WEIGHTS + (size_t)k] = true;
            n++;
        }
    if (2 * n != cmat_gguf_n_tensors(g) || n == 0)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "%s: %zu of its %zu tensors belong to matrices of this model", path, 2 * n,
                         cmat_gguf_n_tensors(g));
    return CMAT_OK;
}

static cmat_status read_tensor(const cmat_gguf *g, const char *path, const char *name, int64_t n_in,
                               int64_t n_out, float *out, cmat_error *err)
{
    const cmat_gguf_tensor *t = cmat_gguf_tensor_find(g, name);
    if (!t)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: tensor %s is missing", path, name);
    if (t->n_dims != 2 || t->ne[0] != n_in || t->ne[1] != n_out)
        return cmat_fail(
            err, CMAT_ERR_FORMAT, "%s: tensor %s is (%lld, %lld), expected (%lld, %lld)", path,
            name, (long long)t->ne[1], (long long)t->ne[0], (long long)n_out, (long long)n_in);
    cmat_type_get((int)t->type)->to_f32(t->data, out, (size_t)(n_in * n_out));
    for (int64_t i = 0; i < n_in * n_out; i++)
        if (!isfinite(out[i]))
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: tensor %s: a value is not a number", path,
                             name);
    return CMAT_OK;
}

/* B with its rows in the base's order. */
static cmat_status read_b(const cmat_adapter *a, const cmat_gguf *g, const char *path,
                          const char *name, int layer, int weight, float *out, cmat_error *err)
{
    const size_t rank = (size_t)a->config.rank;
    const int n = cmat_module_rows(a->model, layer, weight);
    float *b = cmat_xmalloc((size_t)n * rank * sizeof *b);
    cmat_status st = read_tensor(g, path, name, a->config.rank, n, b, err);
    for (int i = 0; i < n && st == CMAT_OK; i++)
        memcpy(out + (size_t)i * rank, b + (size_t)gguf_row(&a->model->config, weight, i) * rank,
               rank * sizeof *b);
    free(b);
    return st;
}

static cmat_status read_pairs(const cmat_adapter *a, const cmat_gguf *g, const char *path,
                              cmat_error *err)
{
    cmat_status st = CMAT_OK;
    for (int l = 0; l < a->model->config.n_layers; l++)
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
            const cmat_lora_pair *p = cmat_adapter_pair(a, l, k);
            const cmat_weight *w = &a->model->layers[l].w[k];
            char name[CMAT_LORA_NAME_MAX];
            if (!p->a || !cmat_arch_module_size(a->model->config.arch, k))
                continue;
            cmat_lora_gguf_name(name, a->model, l, k, 'a');
            if ((st = read_tensor(g, path, name, w->n_in, a->config.rank, p->a, err)) != CMAT_OK)
                return st;
            cmat_lora_gguf_name(name, a->model, l, k, 'b');
            if ((st = read_b(a, g, path, name, l, k, p->b, err)) != CMAT_OK)
                return st;
        }
    return st;
}

static const char *recorded(const void *file, const char *key)
{
    const char *value = NULL;
    return cmat_gguf_str(file, key, &value, NULL) == CMAT_OK ? value : NULL;
}

cmat_status cmat_adapter_from_gguf(cmat_adapter **out, const cmat_model *m, const cmat_gguf *g,
                                   const char *path, cmat_error *err)
{
    cmat_lora_config c = {0};
    double alpha = 0;
    bool *wanted = cmat_xcalloc((size_t)m->config.n_layers * CMAT_N_LAYER_WEIGHTS, sizeof *wanted);
    cmat_status st;
    *out = NULL;
    if ((st = need_str(g, "general.type", "adapter", path, err)) != CMAT_OK ||
        (st = need_str(g, "adapter.type", "lora", path, err)) != CMAT_OK ||
        (st = cmat_gguf_float(g, "adapter.lora.alpha", &alpha, err)) != CMAT_OK ||
        (st = find_pairs(m, g, path, wanted, &c, err)) != CMAT_OK)
        goto done;
    if ((st = cmat_base_check(m, recorded, g, path, err)) != CMAT_OK)
        goto done;
    c.alpha = (float)alpha;
    if ((st = cmat_adapter_make(out, m, &c, wanted, err)) != CMAT_OK)
        st = cmat_fail_prefix(err, st, "%s", path);
    else if ((st = read_pairs(*out, g, path, err)) != CMAT_OK) {
        cmat_adapter_free(*out);
        *out = NULL;
    }
done:
    free(wanted);
    return st == CMAT_ERR_NOT_FOUND ? CMAT_ERR_FORMAT : st;
}

cmat_status cmat_adapter_load_gguf(cmat_adapter **out, const cmat_model *m, const char *path,
                                   cmat_error *err)
{
    cmat_gguf *g = NULL;
    cmat_status st = cmat_gguf_open(&g, path, err);
    *out = NULL;
    if (st == CMAT_OK)
        st = cmat_adapter_from_gguf(out, m, g, path, err);
    if (st == CMAT_OK)
        (*out)->name = cmat_xstrdup(cmat_path_base(path));
    cmat_gguf_close(g);
    return st;
}

/* ---- writing ---- */

/* B in a GGUF's order of rows; the caller's to free(). */
static float *gguf_b(const cmat_adapter *a, int layer, int weight)
{
    const size_t rank = (size_t)a->config.rank;
    const int n = cmat_module_rows(a->model, layer, weight);
    const float *b = cmat_adapter_pair(a, layer, weight)->b;
    float *out = cmat_xmalloc((size_t)n * rank * sizeof *out);
    for (int i = 0; i < n; i++)
        memcpy(out + (size_t)gguf_row(&a->model->config, weight, i) * rank, b + (size_t)i * rank,
               rank * sizeof *out);
    return out;
}

/* The scale is always alpha / rank in a GGUF: for rsLoRA an alpha is written that gives the same.
 */
cmat_status cmat_adapter_export_gguf(const cmat_adapter *a, const char *path, cmat_error *err)
{
    const char *name = NULL;
    size_t n = 0, n_pairs = (size_t)a->model->config.n_layers * CMAT_N_LAYER_WEIGHTS;
    cmat_base_record r;
    if (a->n_virtual || a->config.dora || a->tuned)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "adapter: GGUF has no form for %s (PEFT's folder has)",
                         cmat_adapter_method(a));
    cmat_gguf_writer *w = cmat_gguf_writer_new();
    float **bs = cmat_xcalloc(n_pairs, sizeof *bs);
    if (a->model->gguf)
        cmat_gguf_str(a->model->gguf, "general.name", &name, NULL);
    cmat_gguf_writer_str(w, "general.type", "adapter");
    cmat_gguf_writer_str(w, "general.architecture", a->model->config.arch->name);
    cmat_gguf_writer_str(w, "general.name", a->name ? a->name : "cmat adapter");
    if (name)
        cmat_gguf_writer_str(w, "general.base_model.0.name", name);
    cmat_gguf_writer_str(w, "adapter.type", "lora");
    cmat_base_record_of(&r, a->model);
    for (size_t i = 0; i < r.n; i++)
        cmat_gguf_writer_str(w, r.pairs[i][0], r.pairs[i][1]);
    cmat_gguf_writer_f32(w, "adapter.lora.alpha", a->scale * (float)a->config.rank);
    for (int l = 0; l < a->model->config.n_layers; l++)
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
            const cmat_lora_pair *pair = cmat_adapter_pair(a, l, k);
            const cmat_weight *weight = &a->model->layers[l].w[k];
            char tensor[CMAT_LORA_NAME_MAX];
            if (!pair->a || !cmat_arch_module_size(a->model->config.arch, k))
                continue;
            cmat_lora_gguf_name(tensor, a->model, l, k, 'a');
            cmat_gguf_writer_tensor(w, tensor, CMAT_TYPE_F32, 2,
                                    (int64_t[]){weight->n_in, a->config.rank}, pair->a);
            bs[n++] = gguf_b(a, l, k);
            cmat_lora_gguf_name(tensor, a->model, l, k, 'b');
            cmat_gguf_writer_tensor(w, tensor, CMAT_TYPE_F32, 2,
                                    (int64_t[]){a->config.rank, cmat_module_rows(a->model, l, k)},
                                    bs[n - 1]);
        }
    cmat_status st = cmat_gguf_writer_save(w, path, err);
    cmat_gguf_writer_free(w);
    while (n)
        free(bs[--n]);
    free(bs);
    return st;
}
