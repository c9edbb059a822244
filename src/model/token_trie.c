/* model/token_trie.c - building the trie. */
#include "model/token_trie.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *bytes;
    size_t len;
    int32_t token;
} token_bytes;

static int bytes_order(const void *pa, const void *pb)
{
    const token_bytes *a = pa, *b = pb;
    const size_t n = a->len < b->len ? a->len : b->len;
    const int c = memcmp(a->bytes, b->bytes, n);
    if (c != 0)
        return c;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return (a->token > b->token) - (a->token < b->token);
}

/* Adds the sorted tokens[0..n), which agree in their first `depth` bytes, below the last node. */
static void trie_build(cmat_token_trie *t, const token_bytes *tokens, size_t n, size_t depth)
{
    size_t i = 0;
    while (i < n && tokens[i].len == depth)
        i++; /* those end at the parent */
    while (i < n) {
        const uint8_t byte = (uint8_t)tokens[i].bytes[depth];
        const size_t node = t->n_nodes++;
        size_t end = i + 1;
        while (end < n && (uint8_t)tokens[end].bytes[depth] == byte)
            end++;
        t->nodes = cmat_xgrow(t->nodes, &t->cap, t->n_nodes, sizeof *t->nodes);
        t->nodes[node] =
            (cmat_trie_node){.token = -1, .depth = (uint16_t)(depth + 1), .byte = byte};
        for (size_t k = end; k-- > i;) {
            if (tokens[k].len == depth + 1) {
                t->same[tokens[k].token] = t->nodes[node].token;
                t->nodes[node].token = tokens[k].token;
            }
        }
        if ((int)depth + 1 > t->max_depth)
            t->max_depth = (int)depth + 1;
        trie_build(t, tokens + i, end - i, depth + 1);
        t->nodes[node].skip = (int32_t)t->n_nodes;
        i = end;
    }
}

cmat_token_trie *cmat_token_trie_new(const cmat_tokenizer *tokenizer)
{
    cmat_token_trie *t = cmat_xcalloc(1, sizeof *t);
    const int n_vocab = cmat_tokenizer_n_vocab(tokenizer);
    token_bytes *tokens = cmat_xcalloc((size_t)n_vocab, sizeof *tokens);
    size_t n = 0;
    t->tokenizer = tokenizer;
    t->n_vocab = n_vocab;
    t->same = cmat_xmalloc((size_t)n_vocab * sizeof *t->same);
    t->ends = cmat_xcalloc((size_t)n_vocab, sizeof *t->ends);
    for (int i = 0; i < n_vocab; i++) {
        token_bytes *b = &tokens[n];
        t->same[i] = -1;
        if (cmat_tokenizer_is_end(tokenizer, i))
            t->ends[t->n_ends++] = i;
        if (cmat_tokenizer_is_end(tokenizer, i) || cmat_tokenizer_is_special(tokenizer, i))
            continue;
        b->bytes = cmat_tokenizer_bytes(tokenizer, i, &b->len);
        b->token = i;
        if (b->len > 0 && b->len <= CMAT_TOKEN_LONGEST)
            n++;
    }
    qsort(tokens, n, sizeof *tokens, bytes_order);
    trie_build(t, tokens, n, 0);
    free(tokens);
    return t;
}

void cmat_token_trie_free(cmat_token_trie *t)
{
    if (!t)
        return;
    free(t->nodes);
    free(t->same);
    free(t->ends);
    free(t);
}
