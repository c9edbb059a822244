/* model/sequence.h - one request inside the engine: its tokens, its constraint, its text. What
 * pages it holds and when it runs is engine.c's matter. */
#ifndef CMAT_MODEL_SEQUENCE_H
#define CMAT_MODEL_SEQUENCE_H
#include "model/draft.h"
#include "model/engine.h"
#include "model/stream.h"
#include "model/token_mask.h"

typedef struct cmat_sequence {
    struct cmat_sequence *next; /* in the queue of waiting or finished ones */
    uint64_t id;
    cmat_gen_request req; /* tokens and stop are not kept here */
    const cmat_tokenizer *tokenizer;
    double started, seconds;

    int32_t *tokens;           /* (n_limit): the adapter's virtual ones, prompt, then new ones */
    size_t n_virtual;          /* leading tokens that stand for the adapter's */
    size_t n_tokens, n_prompt; /* both with them */
    size_t n_limit;            /* tokens at most, by max_tokens and by the context */
    bool by_context;           /* the context is what limits */

    int32_t *pages; /* (max_pages), the first n_pages held */
    int n_pages, max_pages;
    int n_shared;    /* of them found in the cache */
    int n_published; /* leading pages that others may find */
    int n_ready;     /* leading pages whose contents are computed (or about to be) */
    int stretch;     /* cmat_config_stretch of its positions */
    uint64_t root;   /* parent of page 0 */
    uint64_t parent; /* parent of the next page to publish */
    size_t n_kv;     /* positions whose keys and values are computed (or about to be) */
    size_t n_cached;
    bool anew;        /* computed a second time, because it has outgrown its stretch */
    int n_rows, out;  /* in this step: rows in the batch; which logits row, or -1 */
    cmat_draft draft; /* rows after these, each with logits: guesses at the tokens to come */

    cmat_rng rng;
    cmat_stream stream;
    size_t n_read;   /* new tokens whose text is in the stream */
    size_t n_sent;   /* bytes of text given to on_text */
    float *logprobs; /* (n_limit - n_prompt) */
    int32_t *top_tokens;
    float *top_logprobs;

    cmat_mask_cache *masks; /* for req.constraint; NULL: there is none */
    cmat_cursor cursor;
    const cmat_mask *mask; /* at the cursor */
    bool begun, ended;
    cmat_finish finish;
} cmat_sequence;

/* req has been checked. n_ctx: tokens at most. masks may be NULL and is borrowed until
 * cmat_sequence_free. */
cmat_sequence *cmat_sequence_new(const cmat_gen_request *req, uint64_t id, const cmat_tokenizer *t,
                                 size_t n_ctx, cmat_mask_cache *masks);
void cmat_sequence_free(cmat_sequence *s);
/* The first mask, and the tokens that the constraint forces before anything is computed. */
void cmat_sequence_begin(cmat_sequence *s);
/* Chooses the next token from logits (n_vocab) and adds it with the ones that are forced after it;
 * or sets ended. scratch (CMAT_SAMPLE_ROOM). Different sequences may do so at the same time. */
void cmat_sequence_advance(cmat_sequence *s, const cmat_kernel_ops *kernel, float *logits,
                           int n_vocab, cmat_candidate *scratch);
/* Text of new tokens: looks for stop strings, calls on_text. last: nothing more will come. */
void cmat_sequence_deliver(cmat_sequence *s, bool last);
/* Moves what came out into *r. */
void cmat_sequence_result(cmat_sequence *s, cmat_gen_result *r);
#endif
