/* model/trie.c - a trie whose edges lie in one hash table: no node needs room for 256 children. */
#include "model/trie.h"
#include "core/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint64_t key_of(uint32_t node, unsigned char c)
{
    return (uint64_t)node << 8 | c;
}

static size_t slot_of(const cmat_trie *t, uint64_t key)
{
    return (size_t)((key * 0x9E3779B97F4A7C15u) >> 24) & t->mask;
}

static cmat_trie_edge *edge_find(const cmat_trie *t, uint64_t key)
{
    size_t i = slot_of(t, key);
    while (t->edges[i].key != UINT64_MAX && t->edges[i].key != key)
        i = (i + 1) & t->mask;
    return &t->edges[i];
}

static void edges_grow(cmat_trie *t)
{
    cmat_trie old = *t;
    size_t size = t->edges ? 2 * (t->mask + 1) : 64;
    t->edges = cmat_xmalloc(size * sizeof *t->edges);
    t->mask = size - 1;
    memset(t->edges, 0xff, size * sizeof *t->edges);
    for (size_t i = 0; old.edges && i <= old.mask; i++) {
        if (old.edges[i].key != UINT64_MAX)
            *edge_find(t, old.edges[i].key) = old.edges[i];
    }
    free(old.edges);
}

static uint32_t node_add(cmat_trie *t)
{
    assert(t->n_nodes < UINT32_MAX);
    t->values = cmat_xgrow(t->values, &t->cap_nodes, t->n_nodes + 1, sizeof *t->values);
    t->values[t->n_nodes] = -1;
    return (uint32_t)t->n_nodes++;
}

void cmat_trie_add(cmat_trie *t, const char *s, size_t len, int32_t value)
{
    uint32_t node = 0;
    if (!t->n_nodes)
        node_add(t);
    for (size_t i = 0; i < len; i++) {
        if (!t->edges || 3 * t->n_edges > t->mask + t->mask / 2)
            edges_grow(t);
        uint64_t key = key_of(node, (unsigned char)s[i]);
        cmat_trie_edge *e = edge_find(t, key);
        if (e->key == UINT64_MAX) {
            *e = (cmat_trie_edge){.key = key, .child = node_add(t)};
            t->n_edges++;
        }
        node = e->child;
    }
    if (t->values[node] < 0)
        t->values[node] = value;
}

void cmat_trie_clear(cmat_trie *t)
{
    free(t->edges);
    free(t->values);
    *t = (cmat_trie){0};
}

uint32_t cmat_trie_step(const cmat_trie *t, uint32_t node, unsigned char c)
{
    const cmat_trie_edge *e = t->edges ? edge_find(t, key_of(node, c)) : NULL;
    return e && e->key != UINT64_MAX ? e->child : 0;
}

size_t cmat_trie_longest(const cmat_trie *t, const char *s, size_t len, int32_t *value)
{
    size_t best = 0;
    uint32_t node = 0;
    for (size_t i = 0; i < len && (node = cmat_trie_step(t, node, (unsigned char)s[i])); i++) {
        if (t->values[node] >= 0) {
            best = i + 1;
            *value = t->values[node];
        }
    }
    return best;
}
