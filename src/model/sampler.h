/* model/sampler.h - from logits to the next token. */
#ifndef CMAT_MODEL_SAMPLER_H
#define CMAT_MODEL_SAMPLER_H
#include "core/rng.h"
#include "model/engine.h"

/* Which tokens may come: a bit each, and the list of them when it is short. */
typedef struct {
    uint64_t *bits; /* ((n_vocab + 63) / 64) */
    int32_t *ids;   /* (n) ascending; NULL when n > CMAT_TOKEN_SET_LIST */
    int n;
} cmat_token_set;
#define CMAT_TOKEN_SET_LIST 2048

static inline bool cmat_token_set_has(const cmat_token_set *s, int token)
{
    return s->bits[token / 64] >> (token % 64) & 1;
}

typedef struct {
    float logit;
    int32_t id;
} cmat_candidate;

/* The last tokens of a sequence: what the repetition penalty looks at. */
#define CMAT_REPEAT_WINDOW 64

/* Candidates that cmat_sample needs room for. */
#define CMAT_SAMPLE_ROOM(n_vocab) ((size_t)(n_vocab) + ((size_t)(n_vocab) + 1) / 2)

/* Chooses a token among allowed (NULL: any; otherwise n > 0). Order of the steps, as in llama.cpp:
 * repetition penalty, top-k, top-p, min-p, temperature. recent (n_recent, the last
 * CMAT_REPEAT_WINDOW at most) are penalised. scratch: (CMAT_SAMPLE_ROOM). logits are left as they
 * were. */
int cmat_sample(const cmat_kernel_ops *kernel, float *logits, int n_vocab, const cmat_sampling *s,
                const cmat_token_set *allowed, const int32_t *recent, size_t n_recent,
                cmat_rng *rng, cmat_candidate *scratch);

/* The k likeliest tokens, best first, and their log-probabilities. scratch: (n_vocab). */
void cmat_top_logprobs(const float *logits, int n_vocab, float log_sum_exp, int k, int32_t *tokens,
                       float *logprobs, cmat_candidate *scratch);
#endif
