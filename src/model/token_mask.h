/* model/token_mask.h - which tokens a constraint allows next.
 *
 * A constraint speaks of bytes (core/acceptor.h). A trie over the bytes of all tokens is walked
 * with copies of its state; what survives is the mask. Results are kept by the constraint's
 * identity and the state's key, so that episodes with equal constraints share them; where a
 * constraint tells its innermost construct, most of a mask is shared by all places inside one. Text
 * stays valid UTF-8 beside what the constraint says. Special tokens are never allowed, except those
 * that end a turn, exactly when the text may end. */
#ifndef CMAT_MODEL_TOKEN_MASK_H
#define CMAT_MODEL_TOKEN_MASK_H
#include "core/acceptor.h"
#include "model/sampler.h"
#include "model/token_trie.h"

/* A place in a constrained text. */
typedef struct {
    uint8_t utf8; /* where in a multi-byte character: 0 between two */
    _Alignas(16) uint8_t state[CMAT_ACCEPTOR_STATE_MAX];
} cmat_cursor;
void cmat_cursor_start(cmat_cursor *c, const cmat_acceptor *a);
/* False: the bytes do not continue an accepted text; the cursor is then undefined. */
bool cmat_cursor_feed(cmat_cursor *c, const cmat_acceptor *a, const char *bytes, size_t n);
bool cmat_cursor_done(const cmat_cursor *c, const cmat_acceptor *a);

typedef struct {
    cmat_token_set allowed; /* with the end tokens when done */
    bool done;              /* the text may end here */
    int n_text;             /* allowed tokens that are not end tokens */
    int32_t *forced;        /* (n_forced) tokens that come next whatever the model says */
    int n_forced;
} cmat_mask;

/* The masks made for a vocabulary, whatever the constraints; may be asked by several threads. */
typedef struct cmat_mask_cache cmat_mask_cache;
cmat_mask_cache *cmat_mask_cache_new(const cmat_token_trie *trie);
void cmat_mask_cache_free(cmat_mask_cache *c);
/* The mask at a place of a. To be given back with cmat_mask_put, before the cache is freed; a may
 * be gone by then. */
const cmat_mask *cmat_mask_get(cmat_mask_cache *c, const cmat_acceptor *a, const cmat_cursor *at);
void cmat_mask_put(cmat_mask_cache *c, const cmat_mask *m);
#endif
