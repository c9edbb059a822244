/* train/virtual.c - virtual tokens in training: they stand before each sample as tokens of their
 * own, so that packing sees a beginning that all samples of an adapter share and computes it once.
 *
 * A prefix's rows carry nothing but the keys and values that were tuned: their x is zero, k and v
 * are put in place after they were computed, and no gradient goes below those. */
#include "core/mem.h"
#include "train/pack.h"
#include "train/pass.h"
#include <stdlib.h>
#include <string.h>

cmat_status cmat_train_set_with_virtual(cmat_train_set *out, const cmat_train_set *set,
                                        cmat_adapter *const *adapters, int n_adapters, int n_ctx,
                                        cmat_error *err)
{
    *out = (cmat_train_set){0};
    for (size_t i = 0; i < set->n; i++) {
        const cmat_sample *s = &set->items[i];
        const int v = s->adapter < n_adapters ? adapters[s->adapter]->n_virtual : 0, n = s->n + v;
        if (n > n_ctx)
            return cmat_fail(err, CMAT_ERR_LIMIT,
                             "train: sample %zu has %d tokens, with %d virtual ones they are more "
                             "than the context of %d",
                             i, s->n, v, n_ctx);
        int32_t *tokens = cmat_xmalloc((size_t)n * sizeof *tokens);
        float *weights = cmat_xcalloc((size_t)n, sizeof *weights);
        for (int j = 0; j < v; j++)
            tokens[j] = CMAT_VIRTUAL_TOKEN(j);
        memcpy(tokens + v, s->tokens, (size_t)s->n * sizeof *tokens);
        memcpy(weights + v, s->weights, (size_t)s->n * sizeof *weights);
        cmat_train_set_add(out, tokens, weights, n, s->adapter);
        out->items[out->n - 1].n_virtual = v;
        free(tokens);
        free(weights);
    }
    return CMAT_OK;
}

/* Consecutive rows of one adapter's consecutive virtual tokens. */
typedef struct {
    int row, n; /* n 0: before the first run */
    int adapter;
    int v; /* the first row's virtual token */
    int group;
} virtual_run;

static bool next_run(virtual_run *r, const cmat_batch *b)
{
    int i = r->row + r->n;
    while (i < b->n_rows && b->ids[i] >= 0)
        i++;
    if (i == b->n_rows)
        return false;
    while (i >= b->groups[r->group].row + b->groups[r->group].n)
        r->group++;
    r->adapter = b->groups[r->group].adapter;
    r->row = i;
    r->v = CMAT_VIRTUAL_TOKEN(b->ids[i]);
    for (r->n = 1; i + r->n < b->n_rows && b->ids[i + r->n] == CMAT_VIRTUAL_TOKEN(r->v + r->n);)
        r->n++;
    return true;
}

static void embed_tokens(const cmat_pass *p, const cmat_batch *b, int row, int n, float *x)
{
    const size_t D = (size_t)p->model->config.n_embd;
    x += (size_t)row * D;
    p->k->embed(x, &p->base.token_embd, b->ids + row, n);
    if (p->model->config.embd_scale != 1)
        p->k->scale(x, p->model->config.embd_scale, (size_t)n * D);
}

void cmat_virtual_embed(const cmat_pass *p, const cmat_batch *b, float *x)
{
    const size_t D = (size_t)p->model->config.n_embd;
    virtual_run r = {0};
    int done = 0;
    while (next_run(&r, b)) {
        float *rows = x + (size_t)r.row * D;
        if (r.row > done)
            embed_tokens(p, b, done, r.row - done, x);
        if (cmat_adapter_is_prefix(p->adapters[r.adapter]))
            p->k->zero(rows, (size_t)r.n * D);
        else
            p->k->copy(rows, p->served[r.adapter] + (size_t)r.v * D, (size_t)r.n * D);
        done = r.row + r.n;
    }
    if (b->n_rows > done)
        embed_tokens(p, b, done, b->n_rows - done, x);
}

void cmat_virtual_embed_backward(cmat_pass *p, const cmat_batch *b)
{
    const size_t D = (size_t)p->model->config.n_embd;
    virtual_run r = {0};
    while (next_run(&r, b))
        if (!cmat_adapter_is_prefix(p->adapters[r.adapter]))
            p->k->add(p->served_grads[r.adapter] + (size_t)r.v * D, p->dx + (size_t)r.row * D,
                      (size_t)r.n * D);
}

void cmat_prefix_put(const cmat_pass *p, const cmat_batch *b, int l, float *k, float *v, int ld)
{
    const size_t width = (size_t)p->model->config.n_kv_heads * (size_t)p->model->config.head_dim;
    virtual_run r = {0};
    while (next_run(&r, b)) {
        const cmat_adapter *a = p->adapters[r.adapter];
        const float *served = p->served[r.adapter];
        for (int i = 0; cmat_adapter_is_prefix(a) && i < r.n; i++) {
            const size_t at = (size_t)(r.row + i) * (size_t)ld;
            p->k->copy(k + at, served + cmat_adapter_prefix_at(a, l, 0, r.v + i), width);
            p->k->copy(v + at, served + cmat_adapter_prefix_at(a, l, 1, r.v + i), width);
        }
    }
}

void cmat_prefix_take_grads(cmat_pass *p, const cmat_batch *b, int l, float *dk, float *dv, int ld)
{
    const size_t width = (size_t)p->model->config.n_kv_heads * (size_t)p->model->config.head_dim;
    virtual_run r = {0};
    while (next_run(&r, b)) {
        const cmat_adapter *a = p->adapters[r.adapter];
        float *grads = p->served_grads[r.adapter];
        for (int i = 0; cmat_adapter_is_prefix(a) && i < r.n; i++) {
            const size_t at = (size_t)(r.row + i) * (size_t)ld;
            p->k->add(grads + cmat_adapter_prefix_at(a, l, 0, r.v + i), dk + at, width);
            p->k->add(grads + cmat_adapter_prefix_at(a, l, 1, r.v + i), dv + at, width);
            p->k->zero(dk + at, width);
            p->k->zero(dv + at, width);
        }
    }
}
