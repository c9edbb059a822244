/* model/full.c - full tuning: a copy of the base whose weights are an adapter's parameters, widened
 * to float32, in the order token_embd, output (unless tied), output_norm, then layer by layer the
 * vectors that there are and the seven matrices. */
#include "core/fs.h"
#include "core/mem.h"
#include "model/export.h"
#include "model/method.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Hands out places in params, or with NULL only counts. */
typedef struct {
    float *params;
    size_t n;
} placer;

static void place_weight(placer *p, cmat_weight *to, const cmat_weight *w)
{
    const cmat_type_info *info = cmat_type_get(w->type);
    const size_t n_in = (size_t)w->n_in,
                 bytes = n_in / (size_t)info->block_weights * (size_t)info->block_bytes;
    float *at = p->params ? p->params + p->n : NULL;
    for (int o = 0; at && o < w->n_out; o++)
        info->to_f32((const char *)w->data + (size_t)o * bytes, at + (size_t)o * n_in, n_in);
    if (at)
        *to = (cmat_weight){
            .data = at, .type = CMAT_TYPE_F32, .n_out = w->n_out, .n_in = w->n_in, .tuned = true};
    p->n += n_in * (size_t)w->n_out;
}

static void place_vector(placer *p, float **to, const float *x, size_t n)
{
    if (!x)
        return;
    if (p->params) {
        memcpy(p->params + p->n, x, n * sizeof *x);
        *to = p->params + p->n;
    }
    p->n += n;
}

static void place_layer(placer *p, cmat_layer *to, const cmat_layer *l, const cmat_model_config *c)
{
    const size_t D = (size_t)c->n_embd, d = (size_t)c->head_dim,
                 qkv = (size_t)(c->n_heads + 2 * c->n_kv_heads) * d;
    place_vector(p, &to->attn_norm, l->attn_norm, D);
    place_vector(p, &to->ffn_norm, l->ffn_norm, D);
    place_vector(p, &to->q_norm, l->q_norm, d);
    place_vector(p, &to->k_norm, l->k_norm, d);
    place_vector(p, &to->post_attn_norm, l->post_attn_norm, D);
    place_vector(p, &to->post_ffn_norm, l->post_ffn_norm, D);
    place_vector(p, &to->qkv_bias, l->qkv_bias, qkv);
    for (int w = 0; w < CMAT_N_LAYER_WEIGHTS; w++)
        place_weight(p, &to->w[w], &l->w[w]);
}

/* Points to's tensors into p->params, filled with m's. */
static void place_all(placer *p, cmat_model *to, const cmat_model *m)
{
    place_weight(p, &to->token_embd, &m->token_embd);
    if (m->config.tied)
        to->output = to->token_embd;
    else
        place_weight(p, &to->output, &m->output);
    place_vector(p, &to->output_norm, m->output_norm, (size_t)m->config.n_embd);
    for (int l = 0; l < m->config.n_layers; l++)
        place_layer(p, &to->layers[l], &m->layers[l], &m->config);
}

cmat_status cmat_adapter_new_full(cmat_adapter **out, const cmat_model *m, cmat_error *err)
{
    cmat_adapter *a = cmat_adapter_alloc(&cmat_method_full, m);
    cmat_model *t = a->tuned = cmat_xcalloc(1, sizeof *t);
    placer p = {0};
    *out = NULL;
    *t = *m; /* tokenizer, template, tables of angles and file stay m's */
    t->prepared_uses = 0;
    t->layers = cmat_xcalloc((size_t)m->config.n_layers, sizeof *t->layers);
    place_all(&p, t, m);
    a->n_params = p.n;
    a->params = cmat_alloc_big(p.n, sizeof(float));
    if (!a->params) {
        cmat_adapter_free(a);
        return cmat_fail(err, CMAT_ERR_NOMEM, "full tuning: no memory for %zu weights in float32",
                         p.n);
    }
    p = (placer){.params = a->params};
    place_all(&p, t, m);
    *out = a;
    return CMAT_OK;
}

static cmat_status make_like(cmat_adapter **out, const cmat_adapter *from, cmat_error *err)
{
    return cmat_adapter_new_full(out, from->model, err);
}

static cmat_status load(cmat_adapter **out, const cmat_model *m, const char *dir, const json_t *j,
                        cmat_error *err)
{
    (void)m;
    (void)j;
    *out = NULL;
    return cmat_fail(err, CMAT_ERR_ARG, "%s: a whole model, to be opened as one (--model)", dir);
}

static cmat_status save(const cmat_adapter *a, const char *dir, cmat_type type, cmat_error *err)
{
    char *path = cmat_path_join(dir, CMAT_FULL_MODEL_FILE);
    cmat_export_result r;
    cmat_status st = cmat_export(
        a->tuned, NULL, path,
        &(cmat_export_options){.format = CMAT_EXPORT_GGUF, .type = cmat_type_get(type)->name}, &r,
        err);
    free(path);
    return st;
}

const cmat_method cmat_method_full = {.name = "full",
                                      .peft_type = "",
                                      .lr = 5e-5,
                                      .load = load,
                                      .save = save,
                                      .make_like = make_like};
