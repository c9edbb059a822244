/* model/bpe.h - byte pair merging: a table of merges and the work of applying it to one piece.
 *
 * The table never changes after its last add. A cmat_bpe_work belongs to one thread at a time. */
#ifndef CMAT_MODEL_BPE_H
#define CMAT_MODEL_BPE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t key; /* left id in the high half, right id in the low; UINT64_MAX: free */
    uint32_t rank;
    int32_t id; /* the merged token */
} cmat_bpe_merge;

/* The rank of merging left with right into *id; UINT32_MAX: they do not merge. */
typedef uint32_t (*cmat_bpe_find)(const void *user, int32_t left, int32_t right, int32_t *id);

typedef struct {
    cmat_bpe_merge *slots;
    size_t mask; /* slots - 1, a power of two less one */
    size_t n;
    cmat_bpe_find find; /* asked instead of the table; NULL: the table */
    const void *user;
} cmat_bpe;

typedef struct {
    uint32_t rank, pos; /* where the left part stands */
    int32_t left, right;
    int32_t id;
} cmat_bpe_cand;

typedef struct {
    int32_t *ids; /* the piece: set by the caller, shortened by apply */
    uint32_t *ranks;
    int32_t *merged;
    uint32_t *prev, *next;
    cmat_bpe_cand *heap;
    size_t cap, heap_cap, heap_n;
} cmat_bpe_work; /* all zero is empty */

void cmat_bpe_init(cmat_bpe *b, size_t n_merges);
void cmat_bpe_clear(cmat_bpe *b);
/* A pair that is there already keeps its first, lower rank. */
void cmat_bpe_add(cmat_bpe *b, int32_t left, int32_t right, uint32_t rank, int32_t id);

/* Makes room for n ids in w->ids. */
void cmat_bpe_work_reserve(cmat_bpe_work *w, size_t n);
void cmat_bpe_work_clear(cmat_bpe_work *w);
/* Merges w->ids[0..n), lowest rank first and leftmost among equals: the new length. */
size_t cmat_bpe_apply(const cmat_bpe *b, cmat_bpe_work *w, size_t n);
#endif
