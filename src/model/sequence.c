/* model/sequence.c - from logits to tokens to text, for one request. */
#include "model/sequence.h"
#include "core/cancel.h"
#include "core/log.h"
#include "core/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

cmat_sequence *cmat_sequence_new(const cmat_gen_request *req, uint64_t id, const cmat_tokenizer *t,
                                 size_t n_ctx, cmat_mask_cache *masks)
{
    cmat_sequence *s = cmat_xcalloc(1, sizeof *s);
    size_t n_new;
    s->id = id;
    s->req = *req;
    s->req.tokens = NULL;
    s->req.stop = NULL;
    s->tokenizer = t;
    s->started = cmat_now();
    s->n_virtual = req->adapter ? (size_t)req->adapter->n_virtual : 0;
    s->n_prompt = s->n_tokens = s->n_virtual + req->n_tokens;
    s->by_context = (size_t)req->max_tokens > n_ctx - s->n_prompt;
    n_new = s->by_context ? n_ctx - s->n_prompt : (size_t)req->max_tokens;
    s->n_limit = s->n_prompt + n_new;
    s->tokens = cmat_xmalloc(s->n_limit * sizeof *s->tokens);
    for (size_t i = 0; i < s->n_virtual; i++)
        s->tokens[i] = CMAT_VIRTUAL_TOKEN((int32_t)i);
    memcpy(s->tokens + s->n_virtual, req->tokens, req->n_tokens * sizeof *s->tokens);
    s->logprobs = cmat_xcalloc(n_new, sizeof *s->logprobs);
    if (req->n_logprobs > 0) {
        s->top_tokens = cmat_xcalloc(n_new * (size_t)req->n_logprobs, sizeof *s->top_tokens);
        s->top_logprobs = cmat_xcalloc(n_new * (size_t)req->n_logprobs, sizeof *s->top_logprobs);
    }
    cmat_rng_init(&s->rng, req->sampling.seed);
    cmat_draft_init(&s->draft);
    cmat_stream_init(&s->stream, req->stop);
    s->masks = req->constraint ? masks : NULL;
    return s;
}

void cmat_sequence_free(cmat_sequence *s)
{
    if (!s)
        return;
    if (s->masks)
        cmat_mask_put(s->masks, s->mask);
    cmat_stream_clear(&s->stream);
    free(s->tokens);
    free(s->pages);
    free(s->logprobs);
    free(s->top_tokens);
    free(s->top_logprobs);
    free(s);
}

static void end(cmat_sequence *s, cmat_finish finish)
{
    s->ended = true;
    s->finish = finish;
}

/* Adds a token; with a constraint, moves its cursor. */
static void append(cmat_sequence *s, int32_t token, float logprob)
{
    assert(s->n_tokens < s->n_limit);
    s->logprobs[s->n_tokens - s->n_prompt] = logprob;
    s->tokens[s->n_tokens++] = token;
    if (s->masks) {
        size_t len;
        const char *bytes = cmat_tokenizer_bytes(s->tokenizer, token, &len);
        const bool ok = cmat_cursor_feed(&s->cursor, s->req.constraint, bytes, len);
        assert(ok);
        (void)ok;
    }
}

/* The mask at the cursor, after adding every token that it forces. */
static void refresh_mask(cmat_sequence *s)
{
    /* with log-probabilities asked for, each token needs logits of its own */
    const bool may_force = s->req.n_logprobs == 0;
    for (;;) {
        cmat_mask_put(s->masks, s->mask);
        s->mask = cmat_mask_get(s->masks, s->req.constraint, &s->cursor);
        if (s->mask->n_text == 0 && s->mask->done) {
            end(s, CMAT_FINISH_STOP);
            return;
        }
        if (s->mask->allowed.n == 0) {
            cmat_warn("engine: no token of the vocabulary continues what the constraint asks for");
            end(s, CMAT_FINISH_LENGTH);
            return;
        }
        if (!may_force || s->mask->n_forced == 0 || s->n_tokens == s->n_limit)
            return;
        for (int i = 0; i < s->mask->n_forced && s->n_tokens < s->n_limit; i++)
            append(s, s->mask->forced[i], 0);
    }
}

static void check_limit(cmat_sequence *s)
{
    if (!s->ended && s->n_tokens == s->n_limit)
        end(s, s->by_context ? CMAT_FINISH_CONTEXT : CMAT_FINISH_LENGTH);
}

void cmat_sequence_begin(cmat_sequence *s)
{
    s->begun = true;
    if (!s->masks)
        return;
    cmat_cursor_start(&s->cursor, s->req.constraint);
    refresh_mask(s);
    check_limit(s);
}

void cmat_sequence_advance(cmat_sequence *s, const cmat_kernel_ops *kernel, float *logits,
                           int n_vocab, cmat_candidate *scratch)
{
    const size_t at = s->n_tokens - s->n_prompt;
    const int token =
        cmat_sample(kernel, logits, n_vocab, &s->req.sampling, s->mask ? &s->mask->allowed : NULL,
                    s->tokens + s->n_virtual, s->n_tokens - s->n_virtual, &s->rng, scratch);
    float lse;
    if (cmat_tokenizer_is_end(s->tokenizer, token)) {
        end(s, CMAT_FINISH_STOP);
        return;
    }
    lse = kernel->log_sum_exp(logits, n_vocab);
    if (s->req.n_logprobs > 0) {
        const size_t k = (size_t)s->req.n_logprobs;
        cmat_top_logprobs(logits, n_vocab, lse, (int)k, s->top_tokens + at * k,
                          s->top_logprobs + at * k, scratch);
    }
    append(s, token, logits[token] - lse);
    if (s->masks)
        refresh_mask(s);
    check_limit(s);
}

static void send_text(cmat_sequence *s)
{
    const size_t n = s->stream.text.len - s->n_sent;
    if (n > 0 && s->req.on_text)
        s->req.on_text(s->req.user, s->stream.text.data + s->n_sent, n);
    s->n_sent = s->stream.text.len;
}

void cmat_sequence_deliver(cmat_sequence *s, bool last)
{
    for (; s->n_prompt + s->n_read < s->n_tokens; s->n_read++) {
        const int32_t token = s->tokens[s->n_prompt + s->n_read];
        size_t len;
        const char *bytes = cmat_tokenizer_bytes(s->tokenizer, token, &len);
        if (cmat_tokenizer_is_special(s->tokenizer, token))
            continue;
        if (cmat_stream_add(&s->stream, bytes, len)) {
            s->n_tokens = s->n_prompt + ++s->n_read; /* tokens forced after it are not wanted */
            end(s, CMAT_FINISH_STOP);
            break;
        }
    }
    if (last || s->ended)
        cmat_stream_end(&s->stream);
    send_text(s);
}

void cmat_sequence_result(cmat_sequence *s, cmat_gen_result *r)
{
    const size_t n = s->n_tokens - s->n_prompt;
    memset(r, 0, sizeof *r);
    r->id = s->id;
    r->text_len = s->stream.text.len;
    r->text = s->stream.text.data ? cmat_buf_detach(&s->stream.text) : cmat_xstrdup("");
    memmove(s->tokens, s->tokens + s->n_prompt, n * sizeof *s->tokens);
    r->tokens = s->tokens;
    r->logprobs = s->logprobs;
    r->top_tokens = s->top_tokens;
    r->top_logprobs = s->top_logprobs;
    s->tokens = NULL;
    s->logprobs = NULL;
    s->top_tokens = NULL;
    s->top_logprobs = NULL;
    r->n_tokens = n;
    r->n_prompt = s->n_prompt - s->n_virtual;
    r->n_cached = s->n_cached > s->n_virtual ? s->n_cached - s->n_virtual : 0;
    r->finish = s->finish;
    r->seconds = s->seconds;
}
