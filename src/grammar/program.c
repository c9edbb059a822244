/* grammar/program.c - what makes rules usable: they end, they are not left-recursive, and how deep
 * the shortest way to an end is. */
#include "grammar/program.h"
#include <stdlib.h>
#include <string.h>

enum { NEVER = 255 };

static int least(const grammar_program *p, const grammar_node *n)
{
    int best = NEVER, here = 0;
    switch (n->kind) {
    case NODE_ACCEPT:
        return 0;
    case NODE_EDGES:
        for (uint32_t i = 0; i < n->n && best > 0; i++) {
            const int need = p->nodes[p->edges[n->first + i].to].need;
            best = need < best ? need : best;
        }
        return best;
    case NODE_SPLIT:
        for (uint32_t i = 0; i < n->n && best > 0; i++) {
            const int need = p->nodes[p->targets[n->first + i]].need;
            best = need < best ? need : best;
        }
        return best;
    default:
        here = p->nodes[n->first].need;
        if (n->n == 0) /* in the last place: takes its caller's frame */
            return here;
        here += here < NEVER;
        return here > p->nodes[n->n].need ? here : p->nodes[n->n].need;
    }
}

/* Every node's `need`. Nodes come after those they lead to but for loops and calls, so that few
 * passes are needed. */
static void find_needs(grammar_program *p)
{
    bool changed = true;
    for (size_t i = 0; i < p->n_nodes; i++)
        p->nodes[i].need = NEVER;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < p->n_nodes; i++) {
            const int need = least(p, &p->nodes[i]);
            if (need < p->nodes[i].need) {
                p->nodes[i].need = (uint8_t)need;
                changed = true;
            }
        }
    }
}

/* Which nodes reach the end of their rule without a byte. */
static bool *find_nullable(const grammar_program *p)
{
    bool *nullable = cmat_xcalloc(p->n_nodes, sizeof *nullable), changed = true;
    nullable[0] = true;
    while (changed) {
        changed = false;
        for (size_t i = 1; i < p->n_nodes; i++) {
            const grammar_node *n = &p->nodes[i];
            bool now = n->kind == NODE_CALL && nullable[n->first] && nullable[n->n];
            for (uint32_t k = 0; n->kind == NODE_SPLIT && k < n->n && !now; k++)
                now = nullable[p->targets[n->first + k]];
            if (now && !nullable[i])
                nullable[i] = changed = true;
        }
    }
    return nullable;
}

/* A walk through what can be reached without a byte. */
typedef struct {
    const grammar_program *p;
    const bool *nullable;
    uint32_t *todo;
    uint32_t *seen; /* (n_nodes): the walk that saw it last */
    size_t n_todo;
    uint32_t walk;
} eps_walk;

static void visit(eps_walk *w, uint32_t node)
{
    if (w->seen[node] == w->walk)
        return;
    w->seen[node] = w->walk;
    w->todo[w->n_todo++] = node;
}

/* True when the rule that starts at `start` can call itself before any byte. */
static bool left_recursive(eps_walk *w, uint32_t start)
{
    w->walk++;
    w->n_todo = 0;
    visit(w, start);
    while (w->n_todo) {
        const grammar_node *n = &w->p->nodes[w->todo[--w->n_todo]];
        for (uint32_t i = 0; n->kind == NODE_SPLIT && i < n->n; i++)
            visit(w, w->p->targets[n->first + i]);
        if (n->kind != NODE_CALL)
            continue;
        if (n->first == start)
            return true;
        visit(w, n->first);
        if (w->nullable[n->first])
            visit(w, n->n);
    }
    return false;
}

static cmat_status fail_at(const grammar_rules *g, size_t rule, cmat_status st, const char *why,
                           cmat_error *err)
{
    const grammar_rule *r = &g->rules[rule];
    if (r->line)
        return cmat_fail(err, st, "%s: line %d, column %d: rule \"%s\" %s", g->what, r->line,
                         r->column, r->name, why);
    return cmat_fail(err, st, "%s: %s %s", g->what, r->name, why);
}

static cmat_status check_left_recursion(const grammar_program *p, const uint32_t *starts,
                                        const grammar_rules *g, cmat_error *err)
{
    bool *nullable = find_nullable(p);
    eps_walk w = {.p = p,
                  .nullable = nullable,
                  .todo = cmat_xcalloc(p->n_nodes, sizeof *w.todo),
                  .seen = cmat_xcalloc(p->n_nodes, sizeof *w.seen)};
    cmat_status st = CMAT_OK;
    for (size_t i = 0; i < g->n_rules && st == CMAT_OK; i++) {
        if (starts[i] != 0 && left_recursive(&w, starts[i]))
            st = fail_at(g, i, CMAT_ERR_UNSUPPORTED, "begins with itself (left recursion)", err);
    }
    free(nullable);
    free(w.todo);
    free(w.seen);
    return st;
}

cmat_status grammar_program_make(grammar_program *p, const grammar_rules *g, cmat_error *err)
{
    uint32_t *starts = cmat_xcalloc(g->n_rules, sizeof *starts);
    cmat_status st;
    memset(p, 0, sizeof *p);
    st = grammar_lower(p, starts, g, err);
    if (st == CMAT_OK)
        st = check_left_recursion(p, starts, g, err);
    if (st == CMAT_OK) {
        find_needs(p);
        for (size_t i = 0; i < g->n_rules && st == CMAT_OK; i++) {
            if (p->nodes[starts[i]].need == NEVER)
                st = fail_at(g, i, CMAT_ERR_FORMAT, "never ends: there is no text that fits it",
                             err);
        }
    }
    if (st == CMAT_OK && p->nodes[p->root].need > CMAT_GRAMMAR_MAX_DEPTH)
        st = cmat_fail(err, CMAT_ERR_LIMIT, "%s: its shortest text opens more than %d rules",
                       g->what, CMAT_GRAMMAR_MAX_DEPTH);
    free(starts);
    if (st != CMAT_OK)
        grammar_program_clear(p);
    return st;
}

void grammar_program_clear(grammar_program *p)
{
    free(p->nodes);
    free(p->edges);
    free(p->targets);
    free(p->sets);
    free(p->set_table);
    memset(p, 0, sizeof *p);
}
