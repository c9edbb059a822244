/* model/engine.h - generates text for many sequences at once: a paged KV cache with shared
 * prefixes, continuous batching, adapters per sequence, sampling, constraints.
 *
 * Requests are asynchronous: submit, call step until the wanted ones are done, take results. An
 * engine belongs to one thread at a time; the kernels inside use all threads. A request's result
 * does not depend on what else is in the batch (each has its own random stream from its seed). */
#ifndef CMAT_MODEL_ENGINE_H
#define CMAT_MODEL_ENGINE_H
#include "core/acceptor.h"
#include "model/adapter.h"
#include "model/model.h"

typedef struct {
    float temperature;    /* 0: greedy */
    int top_k;            /* 0: off */
    float top_p, min_p;   /* 1 and 0: off */
    float repeat_penalty; /* 1: off; over the last 64 tokens, as llama.cpp */
    uint64_t seed;
} cmat_sampling;
#define CMAT_SAMPLING_DEFAULT                                                                \
    {                                                                                        \
        .temperature = 0, .top_k = 0, .top_p = 1, .min_p = 0, .repeat_penalty = 1, .seed = 0 \
    }

typedef struct {
    const int32_t *tokens; /* the prompt; copied */
    size_t n_tokens;
    int max_tokens; /* new tokens at most */
    cmat_sampling sampling;
    const cmat_adapter *adapter;     /* NULL: the base; borrowed until the result is taken */
    const cmat_acceptor *constraint; /* NULL: free text; borrowed likewise */
    const char *const *stop; /* NULL-ended stop strings, copied; the text ends before the match */
    int n_logprobs;          /* > 0: top log-probabilities of every new token */
    /* Called with each new piece of valid UTF-8; may be NULL. */
    void (*on_text)(void *user, const char *text, size_t len);
    void *user;
} cmat_gen_request;

typedef enum {
    CMAT_FINISH_STOP,
    CMAT_FINISH_LENGTH,
    CMAT_FINISH_CONTEXT,
    CMAT_FINISH_CANCELLED
} cmat_finish;

typedef struct {
    uint64_t id;
    char *text; /* the result's; freed by cmat_gen_result_clear */
    size_t text_len;
    int32_t *tokens; /* new tokens, without the end token */
    float *logprobs; /* log-probability of each under the unmodified distribution */
    size_t n_tokens;
    int32_t *top_tokens; /* (n_tokens, n_logprobs) or NULL */
    float *top_logprobs;
    size_t n_prompt, n_cached; /* prompt tokens; of them found in the cache */
    cmat_finish finish;
    double seconds; /* from submit to finish */
} cmat_gen_result;
void cmat_gen_result_clear(cmat_gen_result *r);

typedef struct {
    int n_ctx;       /* longest sequence; 0: the model's */
    int n_seqs;      /* sequences decoded together; 0: 16 */
    size_t kv_bytes; /* cache size; 0: enough for n_seqs sequences of n_ctx, at most 1 GiB, or a
                      * quarter of the free memory where that is more */
    bool no_draft; /* do not guess at tokens from earlier text. With few sequences at once, guesses
                    * are computed along with the token that is sure, and kept as far as they
                    * turn out right: the same tokens in fewer steps (model/draft.h) */
    int n_batch;   /* prompt tokens a step; 0: 256, whose activations stay in the caches */
} cmat_engine_options;

typedef struct cmat_engine cmat_engine;
cmat_status cmat_engine_new(cmat_engine **out, cmat_model *m, const cmat_engine_options *opts,
                            cmat_error *err);
void cmat_engine_free(cmat_engine *e);
/* CMAT_ERR_LIMIT: the prompt does not fit the context. *id names the request. */
cmat_status cmat_engine_submit(cmat_engine *e, const cmat_gen_request *req, uint64_t *id,
                               cmat_error *err);
/* One forward pass over everything that is ready. *n_busy: requests not finished yet. */
cmat_status cmat_engine_step(cmat_engine *e, int *n_busy, cmat_error *err);
/* Takes the result of any finished request into *r: false when none is ready. */
bool cmat_engine_collect(cmat_engine *e, cmat_gen_result *r);
void cmat_engine_cancel(cmat_engine *e, uint64_t id);
/* Forgets cached prefixes that belong to an adapter (its weights changed) or, with NULL, the
 * base's. */
void cmat_engine_forget(cmat_engine *e, const cmat_adapter *adapter);

/* Logits of every position of one text, (n, n_vocab) into out (the caller's), with keys and values
 * in float32, where the engine's cache has halves: for `logprobs`, tests, perplexity. */
cmat_status cmat_model_logits(cmat_model *m, const cmat_adapter *adapter, const int32_t *tokens,
                              size_t n, float *out, cmat_error *err);
/* Log-probability of each token given those before it (the first is 0), into out (n), in blocks of
 * rows. */
cmat_status cmat_model_logprobs(cmat_model *m, const cmat_adapter *adapter, const int32_t *tokens,
                                size_t n, float *out, cmat_error *err);
#endif
