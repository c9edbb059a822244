/* model/engine_impl.h - what the files of the engine share; not for users. */
#ifndef CMAT_MODEL_ENGINE_IMPL_H
#define CMAT_MODEL_ENGINE_IMPL_H
#include "model/engine.h"
#include "model/forward.h"
#include "model/kv.h"
#include "model/sequence.h"

enum {
    CMAT_MIN_ROWS = 4, /* of a prompt in a step: attention has an arithmetic of its own for fewer */
    /* Rows of a step, guesses among them, below which more rows cost little: reading the weights
     * does. */
    CMAT_DRAFT_ROWS = 8
};

typedef struct {
    cmat_sequence *first, *last;
    int n;
} cmat_engine_queue;

/* One batch in the making: rows and who they belong to. */
typedef struct {
    int32_t *tokens, *pos, *out_rows;
    const cmat_adapter **adapters;
    cmat_paged_seq *seqs;
    cmat_sequence **order; /* sequences with rows, as they stand in the batch */
} cmat_batch_room;

struct cmat_engine {
    cmat_model *model;
    cmat_engine_options opts; /* with the defaults filled in */
    cmat_kv *kv;
    cmat_forward *forward;
    cmat_token_trie *trie;  /* made when the first constraint comes */
    cmat_mask_cache *masks; /* over it */
    cmat_engine_queue waiting, finished;
    cmat_sequence **active; /* (n_active), in the order of admission */
    int n_active;
    int n_promised; /* pages that active requests have not taken yet but may */
    uint64_t next_id;
    cmat_batch_room room;
    cmat_candidate *scratch; /* (n_seqs + CMAT_DRAFT_ROWS, CMAT_SAMPLE_ROOM) */
};

/* engine.c: takes pages for n tokens, which were promised. */
void cmat_engine_pages_take(cmat_engine *e, cmat_sequence *s, size_t n);
/* Pages that are whole up to position n serve others. */
void cmat_engine_pages_ready(cmat_engine *e, cmat_sequence *s, size_t n);
/* Tokens that a sequence may get before it is computed anew. */
int cmat_engine_stretch_room(const cmat_engine *e, const cmat_sequence *s);

/* engine_batch.c: lays out and runs the next batch. Returns the number of sequences in it. */
int cmat_engine_run_batch(cmat_engine *e, int *n_out);
/* Chooses the next tokens of the batch's n_seqs sequences from its n_out rows of logits. */
void cmat_engine_choose_tokens(cmat_engine *e, int n_seqs, int n_out);
#endif
