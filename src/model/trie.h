/* model/trie.h - byte strings to numbers, walked a byte at a time: the longest entry at a place in
 * a text is found in as many steps as it has bytes, however many entries there are.
 *
 * Never changes after the last add: may then be read by several threads. */
#ifndef CMAT_MODEL_TRIE_H
#define CMAT_MODEL_TRIE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t key; /* parent node and byte; UINT64_MAX: free */
    uint32_t child;
} cmat_trie_edge;

typedef struct {
    cmat_trie_edge *edges; /* open addressing */
    size_t mask, n_edges;
    int32_t *values; /* (n_nodes); -1: no entry ends here */
    size_t n_nodes, cap_nodes;
} cmat_trie; /* all zero is an empty trie */

/* Of entries with the same bytes the first one counts. len > 0, value >= 0. */
void cmat_trie_add(cmat_trie *t, const char *s, size_t len, int32_t value);
void cmat_trie_clear(cmat_trie *t);
/* The node behind `node` (0: the root) by byte c, or 0 when there is none. */
uint32_t cmat_trie_step(const cmat_trie *t, uint32_t node, unsigned char c);
/* The longest entry at the start of s: its length and its value, or 0. */
size_t cmat_trie_longest(const cmat_trie *t, const char *s, size_t len, int32_t *value);
#endif
