/* env/db/word_tree.h - words spelled byte by byte, each with the terminals that it may be.
 *
 * Every node knows what can still come below it (terminals, tables, columns), so that a walk never
 * enters a dead end. */
#ifndef CMAT_ENV_DB_WORD_TREE_H
#define CMAT_ENV_DB_WORD_TREE_H
#include <stddef.h>
#include <stdint.h>

/* What a word is, or what words below a node are. */
typedef struct {
    uint64_t terminals;
    uint64_t
        tables; /* of T_TAB, T_QTAB, T_WTAB: bit = table (the 64th stands for all later ones) */
    uint64_t owners; /* of T_COL: tables that have such a column; of columns in a table's tree:
                        their bits */
} db_word_info;

typedef struct {
    uint32_t child; /* first child, in order of bytes; 0: none */
    uint32_t next;  /* next sibling; 0: none */
    int16_t table;  /* of a table's name, -1: none */
    int16_t column; /* of a column in a table's tree, -1: none */
    uint8_t byte;
    db_word_info here, below; /* below includes here */
} db_word_node;

typedef struct {
    db_word_node *nodes; /* nodes[0] is not used: 0 means none */
    size_t n, cap;
} db_word_tree;

uint32_t db_word_root(db_word_tree *t); /* a new empty root */
/* Adds a word of n bytes under root; table and column -1: none. */
void db_word_add(db_word_tree *t, uint32_t root, const char *word, size_t n,
                 const db_word_info *info, int table, int column);
static inline uint32_t db_word_child(const db_word_tree *t, uint32_t node, uint8_t byte)
{
    uint32_t c = t->nodes[node].child;
    while (c && t->nodes[c].byte < byte)
        c = t->nodes[c].next;
    return c && t->nodes[c].byte == byte ? c : 0;
}
void db_word_tree_clear(db_word_tree *t);
#endif
