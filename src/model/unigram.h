/* model/unigram.h - the unigram language model of SentencePiece: of all ways to write a piece of
 * text as tokens, the one whose scores add up highest (Kudo 2018, arXiv 1804.10959; Viterbi). */
#ifndef CMAT_MODEL_UNIGRAM_H
#define CMAT_MODEL_UNIGRAM_H
#include "model/trie.h"

enum { CMAT_UNIGRAM_LONGEST = 1024 }; /* bytes of a token: keeps the work a byte in bounds */

typedef struct {
    cmat_trie trie;
    double *scores; /* (n_tokens), of the tokens in the trie */
    double unk_score;
    bool
        single; /* sums are kept in single precision, as SentencePiece does: it decides near ties */
} cmat_unigram; /* never changes once it is filled */

typedef struct {
    double score;  /* of the best way from the start to here */
    uint32_t from; /* where its last token begins */
    uint32_t next; /* on the best way: the end of the token that begins here */
    int32_t id;    /* of the last token; -1: one unknown character */
} cmat_unigram_node;

typedef struct {
    cmat_unigram_node *nodes;
    size_t cap;
} cmat_unigram_work; /* all zero is empty; belongs to one thread at a time */

void cmat_unigram_clear(cmat_unigram *u);
void cmat_unigram_work_clear(cmat_unigram_work *w);
/* Finds the best way through s: the number of its parts. w->nodes[0..n) then are the parts in
 * order: `from`, where each begins, and `id`. An unknown part is one character, or one byte that is
 * not UTF-8. len < UINT32_MAX. */
size_t cmat_unigram_apply(const cmat_unigram *u, cmat_unigram_work *w, const char *s, size_t len);
#endif
