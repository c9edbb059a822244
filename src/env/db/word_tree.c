/* env/db/word_tree.c - words spelled byte by byte. */
#include "env/db/word_tree.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

static uint32_t node_new(db_word_tree *t, uint8_t byte)
{
    t->nodes = cmat_xgrow(t->nodes, &t->cap, t->n + 2, sizeof(*t->nodes));
    if (t->n == 0)
        memset(&t->nodes[t->n++], 0, sizeof(*t->nodes));
    memset(&t->nodes[t->n], 0, sizeof(*t->nodes));
    t->nodes[t->n].byte = byte;
    t->nodes[t->n].table = t->nodes[t->n].column = -1;
    return (uint32_t)t->n++;
}

uint32_t db_word_root(db_word_tree *t)
{
    return node_new(t, 0);
}

static void info_join(db_word_info *a, const db_word_info *b)
{
    a->terminals |= b->terminals;
    a->tables |= b->tables;
    a->owners |= b->owners;
}

static uint32_t child_make(db_word_tree *t, uint32_t node, uint8_t byte)
{
    uint32_t c = db_word_child(t, node, byte);
    if (c)
        return c;
    c = node_new(t, byte);
    uint32_t before = 0, at = t->nodes[node].child;
    while (at && t->nodes[at].byte < byte) {
        before = at;
        at = t->nodes[at].next;
    }
    t->nodes[c].next = at;
    if (before)
        t->nodes[before].next = c;
    else
        t->nodes[node].child = c;
    return c;
}

void db_word_add(db_word_tree *t, uint32_t root, const char *word, size_t n,
                 const db_word_info *info, int table, int column)
{
    uint32_t at = root;
    info_join(&t->nodes[at].below, info);
    for (size_t i = 0; i < n; i++) {
        at = child_make(t, at, (uint8_t)word[i]);
        info_join(&t->nodes[at].below, info);
    }
    info_join(&t->nodes[at].here, info);
    if (table >= 0)
        t->nodes[at].table = (int16_t)table;
    if (column >= 0)
        t->nodes[at].column = (int16_t)column;
}

void db_word_tree_clear(db_word_tree *t)
{
    free(t->nodes);
    memset(t, 0, sizeof *t);
}
