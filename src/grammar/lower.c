/* grammar/lower.c - expressions to nodes, from the end of a rule to its beginning: each expression
 * is lowered with the node that comes after it. */
#include "core/hash.h"
#include "core/text.h"
#include "grammar/program.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    grammar_program *p;
    const grammar_rules *g;
    uint8_t *small; /* (n_rules): 0 unknown, 1 no, 2 yes, 3 being looked at */
    bool full;
} lowering;

static uint32_t node_new(lowering *l, grammar_node node)
{
    grammar_program *p = l->p;
    if (p->n_nodes >= CMAT_GRAMMAR_MAX_PLACES) {
        l->full = true;
        return 0;
    }
    p->nodes = cmat_xgrow(p->nodes, &p->nodes_cap, p->n_nodes + 1, sizeof *p->nodes);
    p->nodes[p->n_nodes] = node;
    return (uint32_t)p->n_nodes++;
}

static void set_table_grow(grammar_program *p)
{
    const size_t cap = p->table_cap ? p->table_cap * 2 : 256;
    free(p->set_table);
    p->set_table = cmat_xcalloc(cap, sizeof *p->set_table);
    p->table_cap = cap;
    for (size_t i = 0; i < p->n_sets; i++) {
        size_t at = cmat_fnv1a(&p->sets[i], sizeof *p->sets) % cap;
        while (p->set_table[at])
            at = (at + 1) % cap;
        p->set_table[at] = (uint32_t)i + 1;
    }
}

static uint32_t set_find(grammar_program *p, const grammar_bytes *s)
{
    size_t at;
    if (p->n_sets * 2 >= p->table_cap)
        set_table_grow(p);
    at = cmat_fnv1a(s, sizeof *s) % p->table_cap;
    for (; p->set_table[at]; at = (at + 1) % p->table_cap) {
        if (memcmp(&p->sets[p->set_table[at] - 1], s, sizeof *s) == 0)
            return p->set_table[at] - 1;
    }
    p->sets = cmat_xgrow(p->sets, &p->sets_cap, p->n_sets + 1, sizeof *p->sets);
    p->sets[p->n_sets] = *s;
    p->set_table[at] = (uint32_t)++p->n_sets;
    return (uint32_t)p->n_sets - 1;
}

/* The edges of one node in the making; those to one node are one edge. */
typedef struct {
    struct pending_edge {
        grammar_bytes set;
        uint32_t to;
    } * items;
    size_t n, cap;
} edge_list;

static void edge_add(edge_list *l, unsigned lo, unsigned hi, uint32_t to)
{
    size_t i = 0;
    while (i < l->n && l->items[i].to != to)
        i++;
    if (i == l->n) {
        l->items = cmat_xgrow(l->items, &l->cap, l->n + 1, sizeof *l->items);
        l->items[l->n++] = (struct pending_edge){.to = to};
    }
    for (unsigned b = lo; b <= hi; b++)
        l->items[i].set.bits[b / 64] |= 1ull << (b % 64);
}

/* Moves them to an EDGES node made before. */
static void edges_put(lowering *l, uint32_t node, edge_list *list)
{
    grammar_program *p = l->p;
    if (!l->full) {
        p->nodes[node].first = (uint32_t)p->n_edges;
        p->nodes[node].n = (uint32_t)list->n;
        p->edges = cmat_xgrow(p->edges, &p->edges_cap, p->n_edges + list->n + 1, sizeof *p->edges);
        for (size_t i = 0; i < list->n; i++)
            p->edges[p->n_edges++] =
                (grammar_edge){set_find(p, &list->items[i].set), list->items[i].to};
    }
    free(list->items);
    *list = (edge_list){0};
}

static uint32_t edges_new(lowering *l, edge_list *list)
{
    const uint32_t node = node_new(l, (grammar_node){.kind = NODE_EDGES});
    edges_put(l, node, list);
    return node;
}

static uint32_t byte_node(lowering *l, unsigned lo, unsigned hi, uint32_t to)
{
    edge_list list = {0};
    edge_add(&list, lo, hi, to);
    return edges_new(l, &list);
}

static void targets_put(lowering *l, uint32_t node, const uint32_t *to, size_t n)
{
    grammar_program *p = l->p;
    if (l->full)
        return;
    p->nodes[node].first = (uint32_t)p->n_targets;
    p->nodes[node].n = (uint32_t)n;
    p->targets = cmat_xgrow(p->targets, &p->targets_cap, p->n_targets + n, sizeof *p->targets);
    memcpy(p->targets + p->n_targets, to, n * sizeof *to);
    p->n_targets += n;
}

static uint32_t split_new(lowering *l, uint32_t a, uint32_t b)
{
    const uint32_t node = node_new(l, (grammar_node){.kind = NODE_SPLIT}), to[2] = {a, b};
    targets_put(l, node, to, 2);
    return node;
}

static uint32_t lower_bytes(lowering *l, const char *text, size_t n, uint32_t next)
{
    for (; n > 0 && !l->full; n--)
        next = byte_node(l, (uint8_t)text[n - 1], (uint8_t)text[n - 1], next);
    return next;
}

/* ---- sets of code points: UTF-8 (RFC 3629) as ranges of bytes ---- */

typedef struct {
    lowering *l;
    edge_list first; /* by the first byte */
    uint32_t next;
    struct {
        uint8_t lo, hi;
        uint32_t to, node;
    } tails[32]; /* nodes of later bytes, shared */
    int n_tails;
} utf8_set;

static uint32_t tail_node(utf8_set *u, uint8_t lo, uint8_t hi, uint32_t to)
{
    uint32_t node;
    for (int i = 0; i < u->n_tails; i++) {
        if (u->tails[i].lo == lo && u->tails[i].hi == hi && u->tails[i].to == to)
            return u->tails[i].node;
    }
    node = byte_node(u->l, lo, hi, to);
    if (u->n_tails < (int)(sizeof u->tails / sizeof *u->tails)) {
        u->tails[u->n_tails].lo = lo;
        u->tails[u->n_tails].hi = hi;
        u->tails[u->n_tails].to = to;
        u->tails[u->n_tails++].node = node;
    }
    return node;
}

/* lo..hi, which have encodings of n bytes: cut where a later byte's range would not be the same for
 * all values of the earlier ones. */
static void add_points(utf8_set *u, uint32_t lo, uint32_t hi, int n)
{
    char first[4], last[4];
    uint32_t to = u->next;
    for (int i = 1; i < n; i++) {
        const uint32_t low = (1u << (6 * i)) - 1;
        if ((lo & ~low) == (hi & ~low))
            continue;
        if ((lo & low) != 0) {
            add_points(u, lo, lo | low, n);
            add_points(u, (lo | low) + 1, hi, n);
            return;
        }
        if ((hi & low) != low) {
            add_points(u, lo, (hi & ~low) - 1, n);
            add_points(u, hi & ~low, hi, n);
            return;
        }
    }
    cmat_utf8_encode(lo, first);
    cmat_utf8_encode(hi, last);
    for (int i = n - 1; i > 0; i--)
        to = tail_node(u, (uint8_t)first[i], (uint8_t)last[i], to);
    edge_add(&u->first, (uint8_t)first[0], (uint8_t)last[0], to);
}

static uint32_t lower_set(lowering *l, const grammar_expr *e, uint32_t next)
{
    static const grammar_range lengths[] = {/* without surrogates */
                                            {0, 0x7f},
                                            {0x80, 0x7ff},
                                            {0x800, 0xd7ff},
                                            {0xe000, 0xffff},
                                            {0x10000, GRAMMAR_LAST_POINT}};
    static const int n_bytes[] = {1, 2, 3, 3, 4};
    utf8_set u = {.l = l, .next = next};
    for (size_t i = 0; i < e->n && !l->full; i++) {
        for (int k = 0; k < 5; k++) {
            const uint32_t lo = e->ranges[i].lo > lengths[k].lo ? e->ranges[i].lo : lengths[k].lo;
            const uint32_t hi = e->ranges[i].hi < lengths[k].hi ? e->ranges[i].hi : lengths[k].hi;
            if (lo <= hi)
                add_points(&u, lo, hi, n_bytes[k]);
        }
    }
    return edges_new(l, &u.first);
}

/* ---- alternatives: their literals become a tree of prefixes ---- */

enum { LONG_LITERAL = 2000 }; /* bytes; longer ones stay by themselves, to bound the recursion */

static int text_order(const void *pa, const void *pb)
{
    const grammar_expr *const *a = pa, *const *b = pb;
    const size_t n = (*a)->n < (*b)->n ? (*a)->n : (*b)->n;
    const int c = memcmp((*a)->text, (*b)->text, n);
    return c ? c : ((*a)->n > (*b)->n) - ((*a)->n < (*b)->n);
}

/* texts[0..n), sorted, which agree in their first `depth` bytes. */
static uint32_t lower_texts(lowering *l, grammar_expr *const *texts, size_t n, size_t depth,
                            uint32_t next)
{
    edge_list list = {0};
    size_t i = 0;
    uint32_t node;
    if (n == 1)
        return lower_bytes(l, texts[0]->text + depth, texts[0]->n - depth, next);
    while (i < n && texts[i]->n == depth)
        i++;
    const bool ends = i > 0;
    if (i == n)
        return next;
    while (i < n && !l->full) {
        const uint8_t byte = (uint8_t)texts[i]->text[depth];
        size_t end = i + 1;
        while (end < n && (uint8_t)texts[end]->text[depth] == byte)
            end++;
        edge_add(&list, byte, byte, lower_texts(l, texts + i, end - i, depth + 1, next));
        i = end;
    }
    node = edges_new(l, &list);
    return ends ? split_new(l, node, next) : node;
}

static uint32_t lower(lowering *l, const grammar_expr *e, uint32_t next);

static uint32_t lower_alt(lowering *l, const grammar_expr *e, uint32_t next)
{
    grammar_expr **texts = cmat_xcalloc(e->n, sizeof(grammar_expr *));
    uint32_t *to = cmat_xcalloc(e->n + 1, sizeof *to), node;
    size_t n_texts = 0, n = 0;
    for (size_t i = 0; i < e->n && !l->full; i++) {
        if (e->items[i]->kind == EXPR_TEXT && e->items[i]->n <= LONG_LITERAL)
            texts[n_texts++] = e->items[i];
        else
            to[n++] = lower(l, e->items[i], next);
    }
    if (n_texts) {
        qsort(texts, n_texts, sizeof(grammar_expr *), text_order);
        to[n++] = lower_texts(l, texts, n_texts, 0, next);
    }
    node = to[0];
    if (n > 1) {
        node = node_new(l, (grammar_node){.kind = NODE_SPLIT});
        targets_put(l, node, to, n);
    }
    free(texts);
    free(to);
    return node;
}

/* ---- the other kinds ---- */

static uint32_t lower_repeat(lowering *l, const grammar_expr *e, uint32_t next)
{
    uint32_t node = next;
    if (e->max < 0) {
        uint32_t to[2];
        node = node_new(l, (grammar_node){.kind = NODE_SPLIT});
        to[0] = lower(l, e->items[0], node);
        to[1] = next;
        targets_put(l, node, to, 2);
    }
    for (int i = e->min; i < e->max && !l->full; i++)
        node = split_new(l, lower(l, e->items[0], node), next);
    for (int i = 0; i < e->min && !l->full; i++) {
        const uint32_t before = node;
        node = lower(l, e->items[0], node);
        if (node == before) /* it is empty, however often */
            break;
    }
    return node;
}

/* Knuth, Morris and Pratt's automaton: node i has seen the first i bytes of the text. */
static uint32_t lower_until(lowering *l, const grammar_expr *e, uint32_t next)
{
    const size_t n = e->n;
    size_t *fail = cmat_xcalloc(n + 1, sizeof *fail);
    uint32_t *at = cmat_xcalloc(n + 1, sizeof *at), *enter = cmat_xcalloc(n + 1, sizeof *enter);
    uint32_t node;
    for (size_t i = 1, k = 0; i < n; i++) {
        while (k > 0 && e->text[i] != e->text[k])
            k = fail[k];
        k += e->text[i] == e->text[k];
        fail[i + 1] = k;
    }
    for (size_t i = 0; i < n; i++) {
        at[i] = node_new(l, (grammar_node){.kind = NODE_EDGES});
        enter[i] = e->open ? split_new(l, at[i], 0) : at[i];
    }
    enter[n] = next;
    for (size_t i = 0; i < n; i++) {
        edge_list list = {0};
        for (unsigned b = 0; b < 256; b++) {
            size_t k = i;
            while (k > 0 && (uint8_t)e->text[k] != b)
                k = fail[k];
            k += (uint8_t)e->text[k] == b;
            edge_add(&list, b, b, enter[k]);
        }
        edges_put(l, at[i], &list);
    }
    node = enter[0];
    free(fail);
    free(at);
    free(enter);
    return node;
}

enum { SMALL = 8 };

/* Nodes of an expression, about; more than SMALL when it is not worth a look. */
static int small_size(lowering *l, const grammar_expr *e)
{
    int size = 0;
    switch (e->kind) {
    case EXPR_TEXT:
        return e->n > SMALL ? SMALL + 1 : (int)e->n;
    case EXPR_SET:
        return 1;
    case EXPR_REPEAT:
        size = small_size(l, e->items[0]);
        return e->max < 0 || e->max > SMALL || size * e->max > SMALL ? SMALL + 1 : size * e->max;
    case EXPR_CALL: {
        uint8_t *s = &l->small[e->rule];
        if (*s == 0) {
            *s = 3;
            *s = small_size(l, l->g->rules[e->rule].body) <= SMALL ? 2 : 1;
        }
        return *s == 2 ? SMALL / 2 : SMALL + 1;
    }
    case EXPR_UNTIL:
        return SMALL + 1;
    default:
        for (size_t i = 0; i < e->n && size <= SMALL; i++)
            size += small_size(l, e->items[i]);
        return size;
    }
}

/* A call is a frame, and masks are shared between the places with one innermost frame: a rule for a
 * single letter would make that useless, so small rules are put in their callers' place. */
static uint32_t lower_call(lowering *l, const grammar_expr *e, uint32_t next)
{
    if (small_size(l, e) <= SMALL)
        return lower(l, l->g->rules[e->rule].body, next);
    return node_new(l, (grammar_node){.kind = NODE_CALL, .first = (uint32_t)e->rule, .n = next});
}

static uint32_t lower(lowering *l, const grammar_expr *e, uint32_t next)
{
    if (l->full)
        return 0;
    switch (e->kind) {
    case EXPR_TEXT:
        return lower_bytes(l, e->text, e->n, next);
    case EXPR_SET:
        return lower_set(l, e, next);
    case EXPR_CAT:
        for (size_t i = e->n; i > 0; i--)
            next = lower(l, e->items[i - 1], next);
        return next;
    case EXPR_ALT:
        return lower_alt(l, e, next);
    case EXPR_REPEAT:
        return lower_repeat(l, e, next);
    case EXPR_CALL:
        return lower_call(l, e, next);
    default:
        return lower_until(l, e, next);
    }
}

cmat_status grammar_lower(grammar_program *p, uint32_t *starts, const grammar_rules *g,
                          cmat_error *err)
{
    lowering l = {.p = p, .g = g, .small = cmat_xcalloc(g->n_rules, 1)};
    node_new(&l, (grammar_node){.kind = NODE_ACCEPT});
    for (size_t i = 0; i < g->n_rules; i++)
        starts[i] = lower(&l, g->rules[i].body, 0);
    for (size_t i = 0; i < p->n_nodes; i++) {
        if (p->nodes[i].kind == NODE_CALL)
            p->nodes[i].first = starts[p->nodes[i].first];
    }
    p->root = starts[g->root];
    free(l.small);
    if (l.full)
        return cmat_fail(err, CMAT_ERR_LIMIT,
                         "%s: needs more than %d places; are there large repetitions?", g->what,
                         CMAT_GRAMMAR_MAX_PLACES);
    return CMAT_OK;
}
