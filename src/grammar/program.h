/* grammar/program.h - rules lowered to the nodes that the automaton moves through.
 *
 * A place in the text is a node together with the stack of nodes to return to. One accept node
 * serves all rules: it returns. */
#ifndef CMAT_GRAMMAR_PROGRAM_H
#define CMAT_GRAMMAR_PROGRAM_H
#include "grammar/rules.h"

typedef enum {
    NODE_ACCEPT, /* the rule ends here; only node 0 */
    NODE_EDGES,  /* a byte must come: edges[first .. first+n) */
    NODE_SPLIT,  /* any of targets[first .. first+n) */
    NODE_CALL    /* the rule that starts at `first`, then node n */
} node_kind;

typedef struct {
    uint8_t kind;
    /* Frames that the shortest way from here to the rule's end opens on top of the present one:
     * what lets the automaton keep its depth limit without ever running into it. */
    uint8_t need;
    uint32_t first, n;
} grammar_node;

typedef struct {
    uint32_t set; /* which bytes */
    uint32_t to;
} grammar_edge;

typedef struct {
    uint64_t bits[4];
} grammar_bytes;

static inline bool grammar_bytes_has(const grammar_bytes *s, unsigned byte)
{
    return s->bits[byte / 64] >> (byte % 64) & 1;
}

typedef struct {
    grammar_node *nodes;
    grammar_edge *edges;
    uint32_t *targets;
    grammar_bytes *sets;
    size_t n_nodes, n_edges, n_targets, n_sets;
    size_t nodes_cap, edges_cap, targets_cap, sets_cap;
    uint32_t *set_table; /* (table_cap): hash to set + 1 */
    size_t table_cap;
    uint32_t root;
} grammar_program;

/* The nodes of every rule; starts (n_rules): where each begins. CMAT_ERR_LIMIT: too many. */
cmat_status grammar_lower(grammar_program *p, uint32_t *starts, const grammar_rules *g,
                          cmat_error *err);
/* All of it. Fails when the rules are left-recursive, can never end, or are too large. */
cmat_status grammar_program_make(grammar_program *p, const grammar_rules *g, cmat_error *err);
void grammar_program_clear(grammar_program *p);
#endif
