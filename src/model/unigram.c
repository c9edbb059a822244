/* model/unigram.c - Viterbi over the places between characters. Among ways of the same score the
 * one whose last token is longest is kept, as the reference does. */
#include "model/unigram.h"
#include "core/mem.h"
#include "core/text.h"
#include <math.h>
#include <stdlib.h>

void cmat_unigram_clear(cmat_unigram *u)
{
    cmat_trie_clear(&u->trie);
    free(u->scores);
    *u = (cmat_unigram){0};
}

void cmat_unigram_work_clear(cmat_unigram_work *w)
{
    free(w->nodes);
    *w = (cmat_unigram_work){0};
}

static void offer(const cmat_unigram *u, cmat_unigram_node *to, double score, size_t from,
                  int32_t id)
{
    if (u->single)
        score = (double)(float)score;
    if (score > to->score)
        *to = (cmat_unigram_node){.score = score, .from = (uint32_t)from, .id = id};
}

/* Fills nodes[0..len]: nodes[i] tells the best way to i. */
static void forward(const cmat_unigram *u, cmat_unigram_node *nodes, const char *s, size_t len)
{
    uint32_t cp;
    nodes[0].score = 0;
    for (size_t i = 1; i <= len; i++)
        nodes[i].score = -INFINITY;
    for (size_t i = 0; i < len;) {
        int k = cmat_utf8_decode(s + i, len - i, &cp);
        size_t next = i + (size_t)(k > 0 ? k : 1);
        uint32_t node = 0;
        bool single = false; /* the character is a token of its own */
        for (size_t j = i; j < len && (node = cmat_trie_step(&u->trie, node, (unsigned char)s[j]));
             j++) {
            int32_t id = u->trie.values[node];
            if (id < 0)
                continue;
            offer(u, &nodes[j + 1], nodes[i].score + u->scores[id], i, id);
            single |= j + 1 == next;
        }
        if (!single)
            offer(u, &nodes[next], nodes[i].score + u->unk_score, i, -1);
        i = next;
    }
}

size_t cmat_unigram_apply(const cmat_unigram *u, cmat_unigram_work *w, const char *s, size_t len)
{
    size_t n = 0;
    w->nodes = cmat_xgrow(w->nodes, &w->cap, len + 1, sizeof *w->nodes);
    cmat_unigram_node *nodes = w->nodes;
    forward(u, nodes, s, len);
    for (size_t at = len; at > 0; at = nodes[at].from)
        nodes[nodes[at].from].next = (uint32_t)at;
    /* The n-th part ends at place n or later, so no node is overwritten before it is read. */
    for (size_t at = 0; at < len;) {
        at = nodes[at].next;
        nodes[n++] = nodes[at];
    }
    return n;
}
