/* llm_local.c - text from our own engine: all requests share its batch and its cached prefixes. */
#include "agent/llm.h"
#include "core/cancel.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

#define DEFAULT_N_CTX 4096

typedef struct {
    uint64_t id;
    void *tag;
} local_pending;

typedef struct {
    cmat_llm llm; /* first */
    cmat_engine *engine;
    cmat_model *model;
    const cmat_adapter *adapters[CMAT_N_ROLES];
    int n_ctx;
    local_pending *pending; /* (n_pending) in the engine */
    size_t n_pending, cap_pending;
    cmat_llm_reply *ready; /* (n_ready) answered without the engine: prompts that do not fit */
    size_t n_ready, cap_ready;
} local_llm;

static void add_ready(local_llm *l, cmat_llm_reply r)
{
    l->ready = cmat_xgrow(l->ready, &l->cap_ready, l->n_ready + 1, sizeof *l->ready);
    l->ready[l->n_ready++] = r;
}

static cmat_status local_submit(cmat_llm *llm, const cmat_llm_request *req, cmat_error *err)
{
    local_llm *l = (local_llm *)llm;
    int32_t *tokens = NULL;
    size_t n = 0;
    uint64_t id = 0;
    cmat_status st = cmat_model_chat_tokens(l->model, req->messages, true, &tokens, NULL, &n, err);
    if (st != CMAT_OK)
        return st;
    const cmat_gen_request gen = {
        .tokens = tokens,
        .n_tokens = n,
        .max_tokens = req->max_tokens,
        .sampling = req->sampling,
        .adapter = l->adapters[req->role],
        .constraint = req->constraint,
        .stop = req->stop,
    };
    st = cmat_engine_submit(l->engine, &gen, &id, err);
    free(tokens);
    if (st == CMAT_ERR_LIMIT) {
        add_ready(l, (cmat_llm_reply){.tag = req->tag,
                                      .text = cmat_xstrdup(""),
                                      .n_prompt = n,
                                      .context_limit = true});
        return CMAT_OK;
    }
    if (st != CMAT_OK)
        return st;
    l->pending = cmat_xgrow(l->pending, &l->cap_pending, l->n_pending + 1, sizeof *l->pending);
    l->pending[l->n_pending++] = (local_pending){id, req->tag};
    return CMAT_OK;
}

/* Forgets request id: *tag is what it was submitted with. False: not one of ours. */
static bool take_pending(local_llm *l, uint64_t id, void **tag)
{
    for (size_t i = 0; i < l->n_pending; i++) {
        if (l->pending[i].id != id)
            continue;
        *tag = l->pending[i].tag;
        l->pending[i] = l->pending[--l->n_pending];
        return true;
    }
    return false;
}

static cmat_llm_reply reply_from(cmat_gen_result *g, void *tag)
{
    cmat_llm_reply r = {
        .tag = tag,
        .text = cmat_xstrndup(g->text ? g->text : "", g->text ? g->text_len : 0),
        .n_prompt = g->n_prompt,
        .n_tokens = g->n_tokens,
        .seconds = g->seconds,
        .context_limit = g->finish == CMAT_FINISH_CONTEXT,
    };
    if (g->finish == CMAT_FINISH_CANCELLED)
        r.status = cmat_fail(&r.err, CMAT_ERR_CANCELLED, "generation was cancelled");
    return r;
}

static size_t collect(local_llm *l, cmat_llm_reply *out, size_t cap)
{
    size_t n = 0;
    while (n < cap && l->n_ready > 0)
        out[n++] = l->ready[--l->n_ready];
    cmat_gen_result g = {0};
    while (n < cap && cmat_engine_collect(l->engine, &g)) {
        void *tag = NULL;
        if (take_pending(l, g.id, &tag))
            out[n++] = reply_from(&g, tag);
        cmat_gen_result_clear(&g);
    }
    return n;
}

static cmat_status local_poll(cmat_llm *llm, cmat_llm_reply *out, size_t cap, size_t *n,
                              cmat_error *err)
{
    local_llm *l = (local_llm *)llm;
    int n_busy = 0;
    for (;;) {
        *n = collect(l, out, cap);
        if (*n > 0 || l->n_pending == 0)
            return CMAT_OK;
        if (cmat_cancelled())
            return cmat_fail(err, CMAT_ERR_CANCELLED, "interrupted");
        cmat_status st = cmat_engine_step(l->engine, &n_busy, err);
        if (st != CMAT_OK)
            return st;
    }
}

static size_t local_count(cmat_llm *llm, const char *text)
{
    local_llm *l = (local_llm *)llm;
    int32_t *tokens = NULL;
    size_t n = 0, cap = 0;
    cmat_tokenizer_encode(l->model->tokenizer, text, strlen(text), false, &tokens, &n, &cap);
    free(tokens);
    return n;
}

static int local_n_ctx(cmat_llm *llm)
{
    return ((local_llm *)llm)->n_ctx;
}

static void local_cancel(cmat_llm *llm)
{
    local_llm *l = (local_llm *)llm;
    for (size_t i = 0; i < l->n_pending; i++)
        cmat_engine_cancel(l->engine, l->pending[i].id);
    l->n_pending = 0;
    while (l->n_ready > 0)
        cmat_llm_reply_clear(&l->ready[--l->n_ready]);
    /* What had finished before; results of these ids that come later are dropped by collect(). */
    cmat_gen_result g = {0};
    while (cmat_engine_collect(l->engine, &g))
        cmat_gen_result_clear(&g);
}

static void local_free(cmat_llm *llm)
{
    local_llm *l = (local_llm *)llm;
    local_cancel(llm);
    free(l->pending);
    free(l->ready);
    free(l);
}

static const cmat_llm_ops local_ops = {
    .name = "local",
    .submit = local_submit,
    .poll = local_poll,
    .count_tokens = local_count,
    .n_ctx = local_n_ctx,
    .cancel = local_cancel,
    .free = local_free,
};

cmat_status cmat_llm_local_new(cmat_llm **out, cmat_engine *engine, cmat_model *model,
                               cmat_error *err)
{
    (void)err;
    local_llm *l = cmat_xcalloc(1, sizeof *l);
    l->llm.ops = &local_ops;
    l->engine = engine;
    l->model = model;
    l->n_ctx = model->config.n_ctx < DEFAULT_N_CTX ? model->config.n_ctx : DEFAULT_N_CTX;
    *out = &l->llm;
    return CMAT_OK;
}

void cmat_llm_local_set_n_ctx(cmat_llm *llm, int n_ctx)
{
    ((local_llm *)llm)->n_ctx = n_ctx;
}

void cmat_llm_local_set_adapter(cmat_llm *llm, cmat_role role, const cmat_adapter *adapter)
{
    ((local_llm *)llm)->adapters[role] = adapter;
}
