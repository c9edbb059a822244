/* llm_scripted.c - answers come from a function: for tests and worked answers, which need no
 * weights then.
 *
 * Requests wait in a queue and are answered in the order of their submission, a few at a poll, as a
 * batching engine would. */
#include "agent/llm.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    cmat_llm llm; /* first */
    char *(*fn)(void *user, const cmat_llm_request *req);
    void *user;
    int n_ctx;
    cmat_status missing; /* of a request without an answer */
    const char *missing_text;
    cmat_llm_reply *queue; /* (n) answered, not yet polled */
    size_t n, cap;
} scripted_llm;

static size_t scripted_count(cmat_llm *llm, const char *text)
{
    (void)llm;
    return (strlen(text) + 3) / 4;
}

static cmat_status scripted_submit(cmat_llm *llm, const cmat_llm_request *req, cmat_error *err)
{
    (void)err;
    scripted_llm *s = (scripted_llm *)llm;
    cmat_llm_reply r = {.tag = req->tag};
    size_t i;
    json_t *m;
    json_array_foreach(req->messages, i, m)
    {
        const char *content = json_string_value(json_object_get(m, "content"));
        r.n_prompt += scripted_count(llm, content ? content : "");
    }
    if (r.n_prompt > (size_t)s->n_ctx) {
        r.context_limit = true;
        r.text = cmat_xstrdup("");
    } else if (!(r.text = s->fn(s->user, req))) {
        r.text = cmat_xstrdup("");
        r.status = cmat_fail(&r.err, s->missing, "%s", s->missing_text);
    }
    r.n_tokens = scripted_count(llm, r.text);
    s->queue = cmat_xgrow(s->queue, &s->cap, s->n + 1, sizeof *s->queue);
    s->queue[s->n++] = r;
    return CMAT_OK;
}

static cmat_status scripted_poll(cmat_llm *llm, cmat_llm_reply *out, size_t cap, size_t *n,
                                 cmat_error *err)
{
    (void)err;
    scripted_llm *s = (scripted_llm *)llm;
    *n = s->n < cap ? s->n : cap;
    if (*n == 0)
        return CMAT_OK;
    memcpy(out, s->queue, *n * sizeof *out);
    memmove(s->queue, s->queue + *n, (s->n - *n) * sizeof *out);
    s->n -= *n;
    return CMAT_OK;
}

static int scripted_n_ctx(cmat_llm *llm)
{
    return ((scripted_llm *)llm)->n_ctx;
}

static void scripted_cancel(cmat_llm *llm)
{
    scripted_llm *s = (scripted_llm *)llm;
    while (s->n > 0)
        cmat_llm_reply_clear(&s->queue[--s->n]);
}

static void scripted_free(cmat_llm *llm)
{
    scripted_llm *s = (scripted_llm *)llm;
    scripted_cancel(llm);
    free(s->queue);
    free(s);
}

static const cmat_llm_ops scripted_ops = {
    .name = "scripted",
    .submit = scripted_submit,
    .poll = scripted_poll,
    .count_tokens = scripted_count,
    .n_ctx = scripted_n_ctx,
    .cancel = scripted_cancel,
    .free = scripted_free,
};

cmat_llm *cmat_llm_scripted_new(char *(*fn)(void *user, const cmat_llm_request *req), void *user)
{
    scripted_llm *s = cmat_xcalloc(1, sizeof *s);
    s->llm.ops = &scripted_ops;
    s->fn = fn;
    s->user = user;
    s->n_ctx = 4096;
    s->missing = CMAT_ERR_NOT_FOUND;
    s->missing_text = "scripted: no answer to this request";
    return &s->llm;
}

void cmat_llm_scripted_set_n_ctx(cmat_llm *llm, int n_ctx)
{
    ((scripted_llm *)llm)->n_ctx = n_ctx;
}

void cmat_llm_scripted_set_missing(cmat_llm *llm, cmat_status status, const char *text)
{
    ((scripted_llm *)llm)->missing = status;
    ((scripted_llm *)llm)->missing_text = text;
}
