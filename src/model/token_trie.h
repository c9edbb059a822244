/* model/token_trie.h - the bytes of all tokens as a trie: what token_mask.c walks. */
#ifndef CMAT_MODEL_TOKEN_TRIE_H
#define CMAT_MODEL_TOKEN_TRIE_H
#include "core/acceptor.h"
#include "model/tokenizer.h"

/* A trie in depth-first order: the children of a node follow it; skip is the node after its
 * subtree. */
typedef struct {
    int32_t token; /* that ends here, or -1 */
    int32_t skip;
    uint16_t depth; /* 1 for a first byte */
    uint8_t byte;
} cmat_trie_node;

typedef struct cmat_token_trie {
    const cmat_tokenizer *tokenizer;
    int n_vocab;
    cmat_trie_node *nodes;
    size_t n_nodes, cap;
    int max_depth;
    int32_t *same; /* (n_vocab): the next token of exactly the same bytes, or -1 */
    int32_t *ends; /* (n_ends): tokens that end a turn */
    int n_ends;
} cmat_token_trie;

#define CMAT_TOKEN_LONGEST \
    CMAT_ACCEPTOR_AHEAD /* bytes; longer ones (runs of spaces) are not needed */

/* t is borrowed. Special tokens are not in it, nor longer ones. */
cmat_token_trie *cmat_token_trie_new(const cmat_tokenizer *t);
void cmat_token_trie_free(cmat_token_trie *trie);
#endif
