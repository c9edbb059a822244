/* train/pass.c - the arena of a pass and the store of kept activations. */
#include "train/pass.h"
#include "core/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Hands out parts of the arena; with base NULL it only counts. */
typedef struct {
    char *base;
    size_t used;
    bool overflow;
} carver;

static void *carve(carver *c, size_t n, size_t m, size_t size)
{
    size_t bytes;
    if (!cmat_mul(n, m, &bytes) || !cmat_mul(bytes, size, &bytes) || bytes > SIZE_MAX / 4 ||
        c->used > SIZE_MAX / 4) {
        c->overflow = true;
        return NULL;
    }
    void *p = c->base ? c->base + c->used : NULL;
    c->used += (bytes + 63) & ~(size_t)63;
    return p;
}

size_t cmat_act_width(const cmat_model_config *c, int act)
{
    switch (act) {
    case CMAT_ACT_QKV:
        return (size_t)(c->n_heads + 2 * c->n_kv_heads) * (size_t)c->head_dim;
    case CMAT_ACT_O:
        return (size_t)c->n_heads * (size_t)c->head_dim;
    case CMAT_ACT_GATE:
    case CMAT_ACT_UP:
        return (size_t)c->n_ff;
    case CMAT_ACT_ATTN_OUT:
    case CMAT_ACT_FFN_OUT:
        return c->arch->post_norms ? (size_t)c->n_embd : 0;
    default:
        return (size_t)c->n_embd;
    }
}

static void carve_layers(cmat_pass *p, carver *c, bool backward)
{
    const cmat_model_config *cfg = &p->model->config;
    size_t T = (size_t)p->max_rows, R = (size_t)p->max_rank;
    for (int l = 0; l < cfg->n_layers; l++) {
        cmat_layer_acts *a = &p->layers[l];
        memset(a, 0, sizeof *a);
        bool own = backward && p->keep != CMAT_KEEP_RECOMPUTE;
        for (int i = 0; i < CMAT_N_ACTS; i++) {
            size_t w = cmat_act_width(cfg, i);
            if (backward &&
                (p->keep == CMAT_KEEP_F32 || (p->keep == CMAT_KEEP_RECOMPUTE && i == CMAT_ACT_X)))
                a->f32[i] = carve(c, T, w, sizeof(float));
            else if (own)
                a->bf16[i] = carve(c, T, w, sizeof(uint16_t));
        }
        if (own || l == 0) {
            a->lse = carve(c, T, (size_t)cfg->n_heads, sizeof(float));
            a->u = carve(c, T * CMAT_N_LAYER_WEIGHTS, R, sizeof(float));
        } else { /* one layer's worth serves all */
            a->lse = p->layers[0].lse;
            a->u = p->layers[0].u;
        }
    }
}

static void carve_all(cmat_pass *p, carver *c, bool backward)
{
    const cmat_model_config *cfg = &p->model->config;
    size_t T = (size_t)p->max_rows, D = (size_t)cfg->n_embd, F = (size_t)cfg->n_ff;
    size_t B = (size_t)p->head_rows, widest = D > F ? D : F, f = sizeof(float);
    float dropout = 0;

    carve_layers(p, c, backward);
    for (int i = 0; i < CMAT_N_ACTS; i++)
        p->tmp[i] =
            backward && p->keep == CMAT_KEEP_F32 ? NULL : carve(c, T, cmat_act_width(cfg, i), f);
    p->dora = p->has_dora
                  ? carve(c, T,
                          cmat_act_width(cfg, CMAT_ACT_O) > widest ? cmat_act_width(cfg, CMAT_ACT_O)
                                                                   : widest,
                          f)
                  : NULL;
    p->x = carve(c, T, D, f);
    p->xn = carve(c, T, D, f);
    p->h = carve(c, T, F, f);
    p->inv_rms = carve(c, T, 1, f);
    if (cfg->arch->qk_norm) {
        p->qkv = carve(c, T, cmat_act_width(cfg, CMAT_ACT_QKV), f);
        p->head_inv = carve(c, T, (size_t)(cfg->n_heads + cfg->n_kv_heads), f);
    }
    p->hx = carve(c, B, D, f);
    p->hxn = carve(c, B, D, f);
    p->logits = carve(c, B, (size_t)cfg->n_vocab, f);
    for (int i = 0; i < p->n_adapters; i++) {
        if (p->adapters[i]->config.dropout > dropout)
            dropout = p->adapters[i]->config.dropout;
        p->params[i] =
            p->k->device ? carve(c, p->adapters[i]->n_params, 1, f) : p->adapters[i]->params;
        p->served[i] = !p->k->device             ? p->adapters[i]->served
                       : p->adapters[i]->encoder ? carve(c, p->adapters[i]->n_served, 1, f)
                                                 : p->params[i];
    }
    p->drop = dropout > 0 ? carve(c, T, widest, f) : NULL;
    if (!backward)
        return;
    p->dx = carve(c, T, D, f);
    p->dxn = carve(c, T, D, f);
    p->dh = carve(c, T, F, f);
    p->dqkv = carve(c, T, cmat_act_width(cfg, CMAT_ACT_QKV), f);
    p->dout = carve(c, T, cmat_act_width(cfg, CMAT_ACT_O), f);
    p->du = carve(c, T, (size_t)p->max_rank, f);
    p->hdxn = carve(c, B, D, f);
    p->ddrop = dropout > 0 ? carve(c, T, widest, f) : NULL;
    for (int i = 0; i < p->n_adapters; i++) {
        const cmat_adapter *a = p->adapters[i];
        p->grads[i] = carve(c, a->n_params, 1, f);
        p->served_grads[i] = a->encoder ? carve(c, a->n_served, 1, f) : p->grads[i];
    }
}

static cmat_status arena_new(cmat_pass *p, bool backward, size_t memory, cmat_error *err)
{
    carver c = {0};
    carve_all(p, &c, backward);
    size_t limit = memory ? memory : p->k->memory();
    p->arena_size = c.used;
    if (c.overflow)
        return cmat_fail(err, CMAT_ERR_NOMEM, "train: a batch of %d rows is too large",
                         p->max_rows);
    if ((!limit || c.used <= limit) && (p->arena = p->k->alloc(c.used))) {
        c = (carver){.base = p->arena};
        carve_all(p, &c, backward);
        return CMAT_OK;
    }
    return cmat_fail(err, CMAT_ERR_NOMEM,
                     "train: a batch of %d rows needs %.0f MB of memory, %.0f MB may be used "
                     "(fewer batch tokens, or keep recompute, need less)",
                     p->max_rows, (double)c.used / 1e6, (double)limit / 1e6);
}

/* What does not take memory of the kernels. */
static cmat_pass *pass_describe(cmat_model *m, cmat_adapter *const *adapters, int n_adapters,
                                const cmat_pass_options *o)
{
    assert(n_adapters >= 0 && n_adapters <= CMAT_TUNE_MAX_ADAPTERS && o->max_rows > 0);
    cmat_pass *p = cmat_xcalloc(1, sizeof *p);
    p->full = n_adapters > 0 && adapters[0]->tuned;
    p->model = p->full ? adapters[0]->tuned : m;
    p->k = o->kernel ? o->kernel : m->kernel;
    p->n_adapters = n_adapters;
    p->max_rows = o->max_rows;
    p->head_rows = p->k->device ? CMAT_HEAD_ROWS_DEVICE
                   : p->full    ? CMAT_HEAD_ROWS_FULL
                                : CMAT_HEAD_ROWS;
    if (p->head_rows > p->max_rows)
        p->head_rows = p->max_rows;
    p->keep = o->keep;
    for (int i = 0; i < n_adapters; i++) {
        p->adapters[i] = adapters[i];
        p->has_dora = p->has_dora || adapters[i]->config.dora;
        p->has_embeddings = p->has_embeddings || adapters[i]->tuned ||
                            (adapters[i]->n_virtual && !cmat_adapter_is_prefix(adapters[i]));
        if (adapters[i]->config.rank > p->max_rank)
            p->max_rank = adapters[i]->config.rank;
    }
    p->layers = cmat_xcalloc((size_t)m->config.n_layers, sizeof *p->layers);
    return p;
}

/* Methods that do not go together, or not with the kernels. */
static cmat_status pass_check(const cmat_pass *p, cmat_error *err)
{
    bool full = false;
    for (int i = 0; i < p->n_adapters; i++)
        full = full || p->adapters[i]->tuned;
    if (full && p->n_adapters > 1)
        return cmat_fail(err, CMAT_ERR_ARG, "train: full tuning changes the base of %d adapters",
                         p->n_adapters);
    if ((p->has_dora || p->full) && p->k->device)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "train: %s tunes on the processor, not on %s",
                         p->full ? "full tuning" : "DoRA", p->k->name);
    return CMAT_OK;
}

cmat_status cmat_pass_count(size_t *bytes, cmat_model *m, cmat_adapter *const *adapters,
                            int n_adapters, const cmat_pass_options *o, cmat_error *err)
{
    carver c = {0};
    cmat_pass *p = pass_describe(m, adapters, n_adapters, o);
    carve_all(p, &c, o->backward);
    *bytes = c.used;
    free(p->layers);
    free(p);
    return c.overflow ? cmat_fail(err, CMAT_ERR_NOMEM, "train: a batch of %d rows is too large",
                                  o->max_rows)
                      : CMAT_OK;
}

cmat_status cmat_pass_new(cmat_pass **out, cmat_model *m, cmat_adapter *const *adapters,
                          int n_adapters, const cmat_pass_options *o, cmat_error *err)
{
    cmat_pass *p = pass_describe(m, adapters, n_adapters, o);
    int uses = CMAT_USE_PROMPT | (o->backward ? CMAT_USE_BACKWARD : 0);
    *out = NULL;
    cmat_status st = cmat_model_check_kernel(&m->config, p->k, err);
    if (st == CMAT_OK)
        st = pass_check(p, err);
    if (st == CMAT_OK)
        st = cmat_base_init(&p->base, p->model, p->k, uses, err);
    if (st == CMAT_OK)
        st = arena_new(p, o->backward, o->memory, err);
    if (st != CMAT_OK) {
        cmat_pass_free(p);
        return st;
    }
    cmat_pass_take_params(p);
    if (o->backward)
        cmat_pass_zero_grads(p);
    *out = p;
    return CMAT_OK;
}

void cmat_pass_free(cmat_pass *p)
{
    if (!p)
        return;
    p->k->free(p->arena);
    cmat_base_clear(&p->base, p->model, p->k);
    free(p->layers);
    free(p);
}

void cmat_pass_take_params(cmat_pass *p)
{
    for (int i = 0; p->k->device && i < p->n_adapters; i++) {
        const cmat_adapter *a = p->adapters[i];
        p->k->upload(p->params[i], a->params, a->n_params * sizeof(float));
        if (a->encoder)
            p->k->upload(p->served[i], a->served, a->n_served * sizeof(float));
    }
}

void cmat_pass_refresh(cmat_pass *p, int adapter)
{
    cmat_adapter *a = p->adapters[adapter];
    if (!p->k->device || !a->encoder) {
        cmat_adapter_refresh(a);
        return;
    }
    p->k->download(a->params, p->params[adapter], a->n_params * sizeof(float));
    cmat_adapter_refresh(a);
    p->k->upload(p->served[adapter], a->served, a->n_served * sizeof(float));
}

void cmat_pass_zero_grads(cmat_pass *p)
{
    for (int i = 0; i < p->n_adapters; i++) {
        p->k->zero(p->grads[i], p->adapters[i]->n_params);
        if (p->adapters[i]->encoder)
            p->k->zero(p->served_grads[i], p->adapters[i]->n_served);
    }
}

/* Encoders run in the host's memory: a device's gradients come and go. */
static cmat_status device_encoder_grads(cmat_pass *p, int i, cmat_error *err)
{
    const cmat_adapter *a = p->adapters[i];
    float *served = cmat_alloc_big(a->n_served, sizeof *served),
          *params = cmat_alloc_big_zero(a->n_params, sizeof *params);
    cmat_status st = CMAT_OK;
    if (served && params) {
        p->k->download(served, p->served_grads[i], a->n_served * sizeof *served);
        cmat_adapter_backward(a, served, params);
        p->k->upload(p->grads[i], params, a->n_params * sizeof *params);
    } else {
        st = cmat_fail(err, CMAT_ERR_NOMEM, "train: no memory for the encoder's gradients");
    }
    cmat_free_big(served);
    cmat_free_big(params);
    return st;
}

cmat_status cmat_pass_finish_grads(cmat_pass *p, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    for (int i = 0; st == CMAT_OK && i < p->n_adapters; i++) {
        if (!p->adapters[i]->encoder)
            continue;
        if (p->k->device)
            st = device_encoder_grads(p, i, err);
        else
            cmat_adapter_backward(p->adapters[i], p->served_grads[i], p->grads[i]);
    }
    return st;
}

cmat_dims cmat_pass_dims(const cmat_pass *p, int T)
{
    const cmat_model_config *c = &p->model->config;
    return (cmat_dims){.T = T,
                       .D = c->n_embd,
                       .F = c->n_ff,
                       .H = c->n_heads,
                       .G = c->n_kv_heads,
                       .d = c->head_dim,
                       .qkv = (c->n_heads + 2 * c->n_kv_heads) * c->head_dim};
}

float *cmat_act_out(cmat_pass *p, int l, int act)
{
    return p->layers[l].f32[act] ? p->layers[l].f32[act] : p->tmp[act];
}

void cmat_act_keep(cmat_pass *p, int l, int act, int T)
{
    uint16_t *b = p->layers[l].bf16[act];
    if (b)
        p->k->narrow(b, p->tmp[act], (size_t)T * cmat_act_width(&p->model->config, act));
}

float *cmat_act_in(cmat_pass *p, int l, int act, int T)
{
    const uint16_t *b = p->layers[l].bf16[act];
    if (!b)
        return cmat_act_out(p, l, act);
    p->k->widen(p->tmp[act], b, (size_t)T * cmat_act_width(&p->model->config, act));
    return p->tmp[act];
}
