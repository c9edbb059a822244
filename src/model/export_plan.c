/* model/export_plan.c - the tensors of a model as a file shall have them: named by the
 * architecture's table, rows widened, W + scale B A, rounded to a type. */
#include "core/cancel.h"
#include "core/mem.h"
#include "model/export_internal.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which tensors ---- */

static cmat_status add(export_plan *p, export_tensor t, const char *suffix, cmat_error *err)
{
    const cmat_arch *arch = p->model->config.arch;
    char name[CMAT_MODULE_NAME_MAX];
    if (p->hf && !arch->hf[t.module]) {
        cmat_module_name(name, arch, false, t.module, t.layer);
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "Hugging Face's form of %s has no %s",
                         arch->name, name);
    }
    cmat_module_name(name, arch, p->hf, t.module, t.layer);
    snprintf(t.name, sizeof t.name, "%s%s", name, suffix);
    t.plan = p;
    t.type = CMAT_TYPE_F32;
    p->total += t.n_rows * t.n_in;
    p->tensors = cmat_xgrow(p->tensors, &p->cap, p->n + 1, sizeof *p->tensors);
    p->tensors[p->n++] = t;
    return CMAT_OK;
}

static cmat_status add_vector(export_plan *p, int module, int layer, const float *v, int64_t n,
                              float scale, cmat_error *err)
{
    const float minus = p->hf && p->model->config.arch->norm_plus_one ? 1 : 0;
    return add(p,
               (export_tensor){.module = module,
                               .layer = layer,
                               .vector = v,
                               .scale = scale,
                               .minus = minus,
                               .n_in = n,
                               .n_rows = 1},
               ".weight", err);
}

static cmat_status add_matrices(export_plan *p, int module, int layer, const cmat_weight *w,
                                int first_w, int n_w, cmat_error *err)
{
    export_tensor t = {
        .module = module, .layer = layer, .w = w, .first_w = first_w, .n_w = n_w, .n_in = w->n_in};
    for (int i = 0; i < n_w; i++)
        t.n_rows += w[i].n_out;
    return add(p, t, ".weight", err);
}

static cmat_status add_biases(export_plan *p, int layer, cmat_error *err)
{
    const cmat_layer *l = &p->model->layers[layer];
    const float *v = l->qkv_bias;
    export_tensor t = {.layer = layer, .vector = v, .scale = 1, .n_rows = 1};
    if (p->model->config.arch->fused_qkv) {
        t.module = CMAT_MODULE_QKV;
        t.n_in = l->w[CMAT_W_Q].n_out + l->w[CMAT_W_K].n_out + l->w[CMAT_W_V].n_out;
        return add(p, t, ".bias", err);
    }
    for (t.module = CMAT_W_Q; t.module <= CMAT_W_V; t.module++, v += t.n_in) {
        t.vector = v;
        t.n_in = l->w[t.module].n_out;
        cmat_status st = add(p, t, ".bias", err);
        if (st != CMAT_OK)
            return st;
    }
    return CMAT_OK;
}

static cmat_status add_layer(export_plan *p, int layer, cmat_error *err)
{
    const cmat_model_config *c = &p->model->config;
    const cmat_layer *l = &p->model->layers[layer];
    const struct {
        int module;
        const float *v;
        int n;
        float scale;
    } norms[] = {{CMAT_MODULE_ATTN_NORM, l->attn_norm, c->n_embd, 1},
                 {CMAT_MODULE_FFN_NORM, l->ffn_norm, c->n_embd, 1},
                 {CMAT_MODULE_Q_NORM, l->q_norm, c->head_dim, 1 / p->q_scale},
                 {CMAT_MODULE_K_NORM, l->k_norm, c->head_dim, 1},
                 {CMAT_MODULE_POST_ATTN_NORM, l->post_attn_norm, c->n_embd, 1},
                 {CMAT_MODULE_POST_FFN_NORM, l->post_ffn_norm, c->n_embd, 1}};
    cmat_status st = CMAT_OK;
    for (size_t i = 0; i < sizeof norms / sizeof *norms && st == CMAT_OK; i++)
        if (norms[i].v)
            st = add_vector(p, norms[i].module, layer, norms[i].v, norms[i].n, norms[i].scale, err);
    for (int w = 0, n; w < CMAT_N_LAYER_WEIGHTS && st == CMAT_OK; w += n) {
        const int module = cmat_arch_module_of(c->arch, w);
        for (n = 1; w + n < CMAT_N_LAYER_WEIGHTS && cmat_arch_module_of(c->arch, w + n) == module;)
            n++;
        st = add_matrices(p, module, layer, &l->w[w], w, n, err);
    }
    return st == CMAT_OK && l->qkv_bias ? add_biases(p, layer, err) : st;
}

cmat_status export_plan_init(export_plan *p, const cmat_model *m, const cmat_adapter *adapter,
                             bool hf, cmat_error *err)
{
    *p = (export_plan){.model = m,
                       .adapter = adapter,
                       .hf = hf,
                       .q_scale =
                           hf || m->gguf ? m->config.q_scale : export_gguf_q_scale(&m->config)};
    cmat_status st = add_matrices(p, CMAT_MODULE_TOKEN_EMBD, 0, &m->token_embd, -1, 1, err);
    if (st == CMAT_OK)
        st = add_vector(p, CMAT_MODULE_OUTPUT_NORM, 0, m->output_norm, m->config.n_embd, 1, err);
    if (st == CMAT_OK && !m->config.tied)
        st = add_matrices(p, CMAT_MODULE_OUTPUT, 0, &m->output, -1, 1, err);
    for (int l = 0; l < m->config.n_layers && st == CMAT_OK; l++)
        st = add_layer(p, l, err);
    return st;
}

void export_plan_clear(export_plan *p)
{
    free(p->tensors);
}

/* ---- their rows ---- */

/* Row of the base that goes to `row` of matrix w in the file. Where heads are turned by adjacent
 * pairs, GGUF has row j d/2 + i of a head of Hugging Face's (j: half) at 2 i + j. */
static int64_t base_row(const export_plan *p, int w, int64_t row)
{
    const cmat_model_config *c = &p->model->config;
    const bool adjacent = !c->rope_neox, wanted = c->arch->interleaved && !p->hf;
    const int64_t d = c->head_dim, in_head = row % d;
    if (adjacent == wanted || (w != CMAT_W_Q && w != CMAT_W_K))
        return row;
    return row - in_head +
           (adjacent ? 2 * (in_head % (d / 2)) + in_head / (d / 2)
                     : in_head % 2 * (d / 2) + in_head / 2);
}

static const cmat_lora_pair *pair_of(const export_tensor *t, int i)
{
    static const cmat_lora_pair none;
    if (!t->plan->adapter || t->first_w < 0)
        return &none;
    return cmat_adapter_pair(t->plan->adapter, t->layer, t->first_w + i);
}

/* out (W of a row) as the adapter makes it: W + scale B A, with DoRA times its gain. */
static void merge_row(const cmat_adapter *a, const cmat_lora_pair *pair, int64_t row, int64_t n_in,
                      float *out)
{
    const int rank = a->config.rank;
    for (int r = 0; r < rank; r++) {
        const float f = a->scale * pair->b[(size_t)row * (size_t)rank + (size_t)r];
        const float *x = pair->a + (size_t)r * (size_t)n_in;
        for (int64_t c = 0; c < n_in; c++)
            out[c] += f * x[c];
    }
    for (int64_t c = 0; pair->gain && c < n_in; c++)
        out[c] *= pair->gain[row];
}

/* One row of the file; false: it holds a value that is no number. wide (n_in): scratch. */
static bool matrix_row(const export_tensor *t, int64_t row, float *wide, void *out)
{
    const cmat_weight *w = t->w;
    int i = 0;
    for (; row >= w->n_out; w++, i++)
        row -= w->n_out;
    const cmat_type_info *from = cmat_type_get((int)w->type), *to = cmat_type_get((int)t->type);
    const size_t bytes = (size_t)t->n_in / (size_t)from->block_weights * (size_t)from->block_bytes;
    const cmat_lora_pair *pair = pair_of(t, i);
    const int64_t at = t->first_w < 0 ? row : base_row(t->plan, t->first_w + i, row);
    const char *data = (const char *)w->data + (size_t)at * bytes;
    if (t->type == w->type && !pair->a) { /* rounding anew could only lose */
        memcpy(out, data, bytes);
        return true;
    }
    from->to_f32(data, wide, (size_t)t->n_in);
    if (pair->a)
        merge_row(t->plan->adapter, pair, at, t->n_in, wide);
    for (int64_t c = 0; c < t->n_in; c++)
        if (!isfinite(wide[c]))
            return false;
    to->from_f32(wide, out, (size_t)t->n_in);
    return true;
}

static bool make_row(const export_tensor *t, int64_t row, float *wide, void *out)
{
    if (t->w)
        return matrix_row(t, row, wide, out);
    for (int64_t i = 0; i < t->n_in; i++)
        wide[i] = t->vector[i] * t->scale - t->minus;
    cmat_type_get((int)t->type)->from_f32(wide, out, (size_t)t->n_in);
    return true;
}

cmat_status export_rows(const void *source, int64_t first, int64_t n, void *out, cmat_error *err)
{
    const export_tensor *t = source;
    const cmat_type_info *to = cmat_type_get((int)t->type);
    const size_t bytes = (size_t)t->n_in / (size_t)to->block_weights * (size_t)to->block_bytes;
    const int threads = cmat_threads();
    atomic_bool sound = true;
    if (cmat_cancelled())
        return cmat_fail(err, CMAT_ERR_CANCELLED, "stopped");
#pragma omp parallel num_threads(threads)
    {
        float *wide = cmat_xmalloc((size_t)t->n_in * sizeof *wide);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < n; i++)
            if (!make_row(t, first + i, wide, (char *)out + (size_t)i * bytes))
                atomic_store(&sound, false);
        free(wide);
    }
    if (!sound)
        return cmat_fail(err, CMAT_ERR_FORMAT, "a weight is not a number");
    t->plan->done += n * t->n_in;
    cmat_progress_set(t->plan->progress, t->plan->done);
    return CMAT_OK;
}
