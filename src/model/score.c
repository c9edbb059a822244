/* model/score.c - logits and log-probabilities of one given text, in chunks, with a cache of its
 * own. */
#include "core/mem.h"
#include "model/engine.h"
#include "model/forward.h"
#include "model/sampler.h"
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256, OUT_ROWS = 64 };

typedef struct {
    cmat_kv *kv;
    cmat_forward *forward;
    int32_t *tokens; /* the text, behind the adapter's virtual tokens */
    size_t n_virtual, n;
    int32_t *pages, *pos, *rows;
    const cmat_adapter **adapters;
} scorer;

static void scorer_clear(scorer *s)
{
    cmat_kv_free(s->kv);
    cmat_forward_free(s->forward);
    free(s->tokens);
    free(s->pages);
    free(s->pos);
    free(s->rows);
    free(s->adapters);
}

static cmat_status check_tokens(const cmat_model *m, const cmat_adapter *adapter,
                                const int32_t *tokens, size_t n, cmat_error *err)
{
    if (adapter && adapter->model != m)
        return cmat_fail(err, CMAT_ERR_ARG, "logits: the adapter belongs to another model");
    if (adapter && adapter->tuned)
        return cmat_fail(err, CMAT_ERR_ARG, "logits: full tuning makes a model, not an adapter");
    if (n > 0 && adapter && n + (size_t)adapter->n_virtual > (size_t)m->config.n_ctx)
        return cmat_fail(err, CMAT_ERR_LIMIT,
                         "logits: %zu tokens and %d virtual ones, the model's context is %d", n,
                         adapter->n_virtual, m->config.n_ctx);
    if (n == 0 || n > (size_t)m->config.n_ctx)
        return cmat_fail(err, n ? CMAT_ERR_LIMIT : CMAT_ERR_ARG,
                         "logits: %zu tokens, must be 1 to %d (the model's context)", n,
                         m->config.n_ctx);
    for (size_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || tokens[i] >= m->config.n_vocab)
            return cmat_fail(err, CMAT_ERR_ARG, "logits: token %d at place %zu is not one of 0..%d",
                             (int)tokens[i], i, m->config.n_vocab - 1);
    }
    return CMAT_OK;
}

static cmat_status scorer_init(scorer *s, const cmat_model *m, const cmat_adapter *adapter,
                               const int32_t *tokens, size_t n, cmat_error *err)
{
    memset(s, 0, sizeof *s);
    s->n_virtual = adapter ? (size_t)adapter->n_virtual : 0;
    s->n = n + s->n_virtual;
    const int n_pages = (int)((s->n + CMAT_KV_PAGE - 1) / CMAT_KV_PAGE);
    cmat_status st;
    if ((st = cmat_kv_new(&s->kv, &m->config, CMAT_TYPE_F32, n_pages, err)) != CMAT_OK ||
        (st = cmat_forward_new(&s->forward, m, CHUNK, OUT_ROWS, err)) != CMAT_OK)
        return st;
    s->tokens = cmat_xmalloc(s->n * sizeof *s->tokens);
    for (size_t i = 0; i < s->n_virtual; i++)
        s->tokens[i] = CMAT_VIRTUAL_TOKEN((int32_t)i);
    memcpy(s->tokens + s->n_virtual, tokens, n * sizeof *tokens);
    s->pages = cmat_xcalloc((size_t)n_pages, sizeof *s->pages);
    s->pos = cmat_xcalloc(CHUNK, sizeof *s->pos);
    s->rows = cmat_xcalloc(CHUNK, sizeof *s->rows);
    s->adapters = cmat_xcalloc(CHUNK, sizeof(void *));
    for (int i = 0; i < n_pages; i++)
        s->pages[i] = cmat_kv_take(s->kv);
    for (int i = 0; i < CHUNK; i++) {
        s->rows[i] = i;
        s->adapters[i] = adapter;
    }
    return CMAT_OK;
}

/* Calls row(user, i, logits of position i) for every position. */
static cmat_status each_row(const cmat_model *m, const cmat_adapter *adapter, const int32_t *tokens,
                            size_t n, void (*row)(void *user, size_t i, float *logits), void *user,
                            cmat_error *err)
{
    const size_t V = (size_t)m->config.n_vocab;
    scorer s;
    cmat_status st;
    if ((st = check_tokens(m, adapter, tokens, n, err)) != CMAT_OK)
        return st;
    if ((st = scorer_init(&s, m, adapter, tokens, n, err)) != CMAT_OK)
        goto done;
    const int stretch = cmat_config_stretch(&m->config, s.n);
    for (size_t at = 0; at < s.n;) {
        const int len = (int)(s.n - at < CHUNK ? s.n - at : CHUNK);
        const cmat_paged_seq seq = {.row = 0, .n = len, .n_past = (int)at, .pages = s.pages};
        const cmat_batch b = {.n_rows = len,
                              .tokens = s.tokens + at,
                              .pos = s.pos,
                              .adapters = s.adapters,
                              .seqs = &seq,
                              .n_seqs = 1,
                              .out_rows = s.rows,
                              .n_out = len};
        for (int i = 0; i < len; i++)
            s.pos[i] = cmat_model_rope_row(m, stretch, at + (size_t)i);
        cmat_forward_run(s.forward, s.kv, &b);
        for (int i = 0; i < len; i += OUT_ROWS) {
            const int n_out = len - i < OUT_ROWS ? len - i : OUT_ROWS;
            float *logits = cmat_forward_head(s.forward, i, n_out);
            for (int j = 0; j < n_out; j++)
                if (at + (size_t)(i + j) >= s.n_virtual)
                    row(user, at + (size_t)(i + j) - s.n_virtual, logits + (size_t)j * V);
        }
        at += (size_t)len;
    }
done:
    scorer_clear(&s);
    return st;
}

typedef struct {
    float *out;
    size_t n, n_vocab;
    const int32_t *tokens;
    const cmat_kernel_ops *kernel;
} score_job;

static void copy_row(void *user, size_t i, float *logits)
{
    score_job *j = user;
    memcpy(j->out + i * j->n_vocab, logits, j->n_vocab * sizeof *logits);
}

static void score_row(void *user, size_t i, float *logits)
{
    score_job *j = user;
    if (i + 1 < j->n)
        j->out[i + 1] = logits[j->tokens[i + 1]] - j->kernel->log_sum_exp(logits, (int)j->n_vocab);
}

cmat_status cmat_model_logits(cmat_model *m, const cmat_adapter *adapter, const int32_t *tokens,
                              size_t n, float *out, cmat_error *err)
{
    score_job j = {.out = out,
                   .n = n,
                   .n_vocab = (size_t)m->config.n_vocab,
                   .tokens = tokens,
                   .kernel = m->kernel};
    return each_row(m, adapter, tokens, n, copy_row, &j, err);
}

cmat_status cmat_model_logprobs(cmat_model *m, const cmat_adapter *adapter, const int32_t *tokens,
                                size_t n, float *out, cmat_error *err)
{
    score_job j = {.out = out,
                   .n = n,
                   .n_vocab = (size_t)m->config.n_vocab,
                   .tokens = tokens,
                   .kernel = m->kernel};
    if (n)
        out[0] = 0;
    return each_row(m, adapter, tokens, n, score_row, &j, err);
}
