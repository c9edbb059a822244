/* grammar/automaton.c - the acceptor of a program: places are sets of (node, stack), found when
 * they are first needed and numbered, so that the acceptor's state is one number and a step one
 * look into a table.
 *
 * Stacks are lists that share their tails; equal ones are one. A place is numbered by its sorted
 * items, so that equal places are one, too. The tables only grow and never move: reading needs no
 * lock, adding is done under one. What is known of a grammar is thus a deterministic automaton in
 * the making (lazy subset construction; for masks by the innermost frame see arXiv 2411.15100). */
#include "core/hash.h"
#include "core/log.h"
#include "grammar/program.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 512, /* places a chunk */
    MAX_CHUNKS = 4096,
    MAX_ITEMS = 1024, /* of a place: an ambiguous grammar is followed no further */
    MAX_WORK = 65536  /* nodes looked at for one byte */
};
/* Values of the table of steps. Place 0 is never used. */
enum { UNKNOWN = 0, REFUSED = 0xffffffffu };
/* Stacks: below BOTTOM the text ends; what is below OUTSIDE + d, d frames deep, is not known. */
enum { BOTTOM = 0, OUTSIDE = 1, FIRST_FRAME = OUTSIDE + CMAT_GRAMMAR_MAX_DEPTH + 1 };
/* Nodes of items that wait for no byte: the text may end; the innermost frame has just ended, what
 * follows depends on the others; so it was before the last byte. */
enum { AT_END = 0xfffffff0u, LEFT = 0xfffffff1u, BEYOND = 0xfffffff2u };

typedef struct {
    uint32_t ret, parent, depth;
} frame;

typedef struct {
    uint64_t *items; /* (n) sorted: node << 32 | stack */
    uint32_t n, hash;
    bool done, only_beyond;
    uint32_t inner; /* the place of its innermost frames; UNKNOWN: not asked for yet */
} place;

typedef struct {
    cmat_acceptor base;
    grammar_program program;
    uint8_t class_of[256]; /* bytes that no set tells apart are one class */
    uint8_t byte_of[256];
    int n_classes;
    uint32_t start;

    pthread_mutex_t lock; /* for what follows, but reading places below n_places */
    place *places[MAX_CHUNKS];
    uint32_t *steps[MAX_CHUNKS]; /* (CHUNK, n_classes) */
    uint32_t n_places;
    frame *frames;
    size_t n_frames, frames_cap;
    uint32_t *place_table, *frame_table; /* open addressing: index, 0 for none */
    size_t place_cap, frame_cap;
    size_t bytes; /* of all of it */
    bool warned;

    /* Of the closure under way. */
    uint64_t *todo, *items, *seen;
    uint32_t *stamps; /* (SEEN): which closure an entry of seen belongs to */
    uint32_t stamp;
    size_t n_todo, n_items, n_seen;
} automaton;
#define SEEN ((size_t)MAX_WORK * 2)

static place *place_at(const automaton *a, uint32_t id)
{
    return &a->places[id / CHUNK][id % CHUNK];
}

static uint32_t *step_at(const automaton *a, uint32_t id, uint8_t byte)
{
    return &a->steps[id / CHUNK][(size_t)(id % CHUNK) * (size_t)a->n_classes + a->class_of[byte]];
}

/* ---- stacks ---- */

static size_t frame_hash(uint32_t ret, uint32_t parent)
{
    const uint64_t h = ((uint64_t)ret << 32 | parent) * 0x9e3779b97f4a7c15u;
    return (size_t)(h ^ h >> 29);
}

static void frame_table_grow(automaton *a)
{
    const size_t cap = a->frame_cap ? a->frame_cap * 2 : 256;
    free(a->frame_table);
    a->frame_table = cmat_xcalloc(cap, sizeof *a->frame_table);
    a->bytes += (cap - a->frame_cap) * (sizeof *a->frame_table + sizeof *a->frames);
    a->frame_cap = cap;
    for (size_t i = FIRST_FRAME; i < a->n_frames; i++) {
        size_t at = frame_hash(a->frames[i].ret, a->frames[i].parent) % cap;
        while (a->frame_table[at])
            at = (at + 1) % cap;
        a->frame_table[at] = (uint32_t)i;
    }
}

static uint32_t push(automaton *a, uint32_t ret, uint32_t parent)
{
    size_t at;
    if (a->n_frames * 2 >= a->frame_cap)
        frame_table_grow(a);
    at = frame_hash(ret, parent) % a->frame_cap;
    for (; a->frame_table[at]; at = (at + 1) % a->frame_cap) {
        const frame *f = &a->frames[a->frame_table[at]];
        if (f->ret == ret && f->parent == parent)
            return a->frame_table[at];
    }
    a->frames = cmat_xgrow(a->frames, &a->frames_cap, a->n_frames + 1, sizeof *a->frames);
    a->frames[a->n_frames] = (frame){ret, parent, a->frames[parent].depth + 1};
    a->frame_table[at] = (uint32_t)a->n_frames;
    return (uint32_t)a->n_frames++;
}

/* ---- what can be reached without a byte ---- */

static void closure_begin(automaton *a)
{
    a->n_todo = a->n_items = a->n_seen = 0;
    a->stamp++;
}

/* Puts a pair on the list once, as long as its text can end within the depth limit. */
static void reach(automaton *a, uint32_t node, uint32_t stack)
{
    const uint64_t pair = (uint64_t)node << 32 | stack;
    size_t at = frame_hash(node, stack) % SEEN;
    if (node < AT_END &&
        a->frames[stack].depth + a->program.nodes[node].need > CMAT_GRAMMAR_MAX_DEPTH)
        return;
    while (a->stamps[at] == a->stamp && a->seen[at] != pair)
        at = (at + 1) % SEEN;
    if (a->stamps[at] == a->stamp || a->n_seen == MAX_WORK)
        return;
    a->stamps[at] = a->stamp;
    a->seen[at] = pair;
    a->n_seen++;
    a->todo[a->n_todo++] = pair;
}

static void item_add(automaton *a, uint32_t node, uint32_t stack)
{
    if (a->n_items < MAX_ITEMS)
        a->items[a->n_items++] = (uint64_t)node << 32 | stack;
}

static void leave(automaton *a, uint32_t stack)
{
    if (stack == BOTTOM)
        reach(a, AT_END, BOTTOM);
    else if (stack < FIRST_FRAME)
        reach(a, LEFT, OUTSIDE);
    else
        reach(a, a->frames[stack].ret, a->frames[stack].parent);
}

static void closure_run(automaton *a)
{
    const grammar_program *p = &a->program;
    while (a->n_todo) {
        const uint64_t pair = a->todo[--a->n_todo];
        const uint32_t node = (uint32_t)(pair >> 32), stack = (uint32_t)pair;
        const grammar_node *n = node < AT_END ? &p->nodes[node] : NULL;
        if (!n || n->kind == NODE_EDGES) {
            item_add(a, node, stack);
        } else if (n->kind == NODE_ACCEPT) {
            leave(a, stack);
        } else if (n->kind == NODE_SPLIT) {
            for (uint32_t i = 0; i < n->n; i++)
                reach(a, p->targets[n->first + i], stack);
        } else if (n->n == 0) { /* the last thing of its rule: no need to come back */
            reach(a, n->first, stack);
        } else {
            reach(a, n->first, push(a, n->n, stack));
        }
    }
}

/* ---- places ---- */

static int item_order(const void *pa, const void *pb)
{
    const uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
    return (a > b) - (a < b);
}

static void place_table_grow(automaton *a)
{
    const size_t cap = a->place_cap ? a->place_cap * 2 : 1024;
    free(a->place_table);
    a->place_table = cmat_xcalloc(cap, sizeof *a->place_table);
    a->bytes += (cap - a->place_cap) * sizeof *a->place_table;
    a->place_cap = cap;
    for (uint32_t i = 1; i < a->n_places; i++) {
        size_t at = place_at(a, i)->hash % cap;
        while (a->place_table[at])
            at = (at + 1) % cap;
        a->place_table[at] = i;
    }
}

static bool chunk_new(automaton *a)
{
    const uint32_t c = a->n_places / CHUNK;
    const size_t n_steps = (size_t)CHUNK * (size_t)a->n_classes;
    if (c >= MAX_CHUNKS || a->bytes + n_steps * sizeof(uint32_t) > CMAT_GRAMMAR_MAX_BYTES) {
        if (!a->warned)
            cmat_warn("grammar: the constraint's memory of %d MiB is used up; texts end here",
                      CMAT_GRAMMAR_MAX_BYTES >> 20);
        a->warned = true;
        return false;
    }
    a->places[c] = cmat_xcalloc(CHUNK, sizeof(place));
    a->steps[c] = cmat_xcalloc(n_steps, sizeof(uint32_t));
    a->bytes += n_steps * sizeof(uint32_t) + CHUNK * sizeof(place);
    return true;
}

/* The number of the place of the items just found; REFUSED when there are none. */
static uint32_t place_of_items(automaton *a)
{
    uint32_t hash, id;
    size_t at;
    place *p;
    if (a->n_items == 0)
        return REFUSED;
    qsort(a->items, a->n_items, sizeof *a->items, item_order);
    hash = (uint32_t)cmat_fnv1a(a->items, a->n_items * sizeof *a->items);
    if (a->n_places * 2 >= a->place_cap)
        place_table_grow(a);
    at = hash % a->place_cap;
    for (; a->place_table[at]; at = (at + 1) % a->place_cap) {
        p = place_at(a, a->place_table[at]);
        if (p->hash == hash && p->n == a->n_items &&
            memcmp(p->items, a->items, a->n_items * sizeof *a->items) == 0)
            return a->place_table[at];
    }
    if (a->n_places % CHUNK == 0 && !a->places[a->n_places / CHUNK] && !chunk_new(a))
        return REFUSED;
    id = a->n_places;
    p = place_at(a, id);
    p->items = cmat_xmalloc(a->n_items * sizeof *a->items);
    memcpy(p->items, a->items, a->n_items * sizeof *a->items);
    p->n = (uint32_t)a->n_items;
    p->hash = hash;
    p->only_beyond = p->n == 1 && p->items[0] >> 32 == BEYOND;
    for (uint32_t i = 0; i < p->n; i++)
        p->done = p->done || p->items[i] >> 32 == AT_END;
    a->bytes += a->n_items * sizeof *a->items;
    a->place_table[at] = id;
    a->n_places++;
    return id;
}

static uint32_t find_step(automaton *a, uint32_t from, uint8_t byte)
{
    const grammar_program *p = &a->program;
    const place *at = place_at(a, from);
    closure_begin(a);
    for (uint32_t i = 0; i < at->n; i++) {
        const uint32_t node = (uint32_t)(at->items[i] >> 32), stack = (uint32_t)at->items[i];
        if (node == AT_END)
            continue;
        if (node > AT_END) {
            reach(a, BEYOND, OUTSIDE);
            continue;
        }
        const grammar_node *n = &p->nodes[node];
        for (uint32_t k = 0; k < n->n; k++) {
            const grammar_edge *e = &p->edges[n->first + k];
            if (grammar_bytes_has(&p->sets[e->set], byte))
                reach(a, e->to, stack);
        }
    }
    closure_run(a);
    return place_of_items(a);
}

/* ---- the acceptor ---- */

static void start(const cmat_acceptor *base, void *state)
{
    memcpy(state, &((const automaton *)base)->start, sizeof(uint32_t));
}

static bool step(const cmat_acceptor *base, void *state, uint8_t byte)
{
    automaton *a = (automaton *)(uintptr_t)base; /* what is found is kept */
    uint32_t from, *entry, to;
    memcpy(&from, state, sizeof from);
    entry = step_at(a, from, byte);
    to = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
    if (to == UNKNOWN) {
        pthread_mutex_lock(&a->lock);
        to = *entry;
        if (to == UNKNOWN) {
            to = find_step(a, from, a->byte_of[a->class_of[byte]]);
            __atomic_store_n(entry, to, __ATOMIC_RELEASE);
        }
        pthread_mutex_unlock(&a->lock);
    }
    memcpy(state, &to, sizeof to);
    return to != REFUSED;
}

static bool done(const cmat_acceptor *base, const void *state)
{
    uint32_t at;
    memcpy(&at, state, sizeof at);
    return place_at((const automaton *)base, at)->done;
}

static uint64_t key(const cmat_acceptor *base, const void *state)
{
    uint32_t at;
    (void)base;
    memcpy(&at, state, sizeof at);
    return at;
}

static void inner(const cmat_acceptor *base, const void *state, void *out)
{
    automaton *a = (automaton *)(uintptr_t)base;
    uint32_t at, found;
    place *p;
    memcpy(&at, state, sizeof at);
    p = place_at(a, at);
    pthread_mutex_lock(&a->lock);
    if (p->inner == UNKNOWN) {
        closure_begin(a);
        for (uint32_t i = 0; i < p->n; i++) {
            const uint32_t node = (uint32_t)(p->items[i] >> 32), stack = (uint32_t)p->items[i];
            reach(a, node, stack == BOTTOM ? BOTTOM : OUTSIDE + a->frames[stack].depth);
        }
        closure_run(a);
        p->inner = place_of_items(a);
        if (p->inner == REFUSED) /* no memory is left for it: the place itself will do */
            p->inner = at;
    }
    found = p->inner;
    pthread_mutex_unlock(&a->lock);
    memcpy(out, &found, sizeof found);
}

static bool unknown(const cmat_acceptor *base, const void *state)
{
    uint32_t at;
    memcpy(&at, state, sizeof at);
    return place_at((const automaton *)base, at)->only_beyond;
}

static void automaton_free(cmat_acceptor *base)
{
    automaton *a = (automaton *)base;
    for (uint32_t i = 0; i < a->n_places; i++)
        if (a->places[i / CHUNK])
            free(place_at(a, i)->items);
    for (int c = 0; c < MAX_CHUNKS && a->places[c]; c++) {
        free(a->places[c]);
        free(a->steps[c]);
    }
    free(a->frames);
    free(a->place_table);
    free(a->frame_table);
    free(a->todo);
    free(a->items);
    free(a->seen);
    free(a->stamps);
    pthread_mutex_destroy(&a->lock);
    grammar_program_clear(&a->program);
    free(a);
}

static const cmat_acceptor_ops automaton_ops = {
    .name = "grammar",
    .start = start,
    .step = step,
    .done = done,
    .key = key,
    .inner = inner,
    .unknown = unknown,
    .free = automaton_free,
};

/* Bytes that are in the same sets are one class. */
static void find_classes(automaton *a)
{
    const grammar_program *p = &a->program;
    a->n_classes = 1;
    for (size_t s = 0; s < p->n_sets && a->n_classes < 256; s++) {
        int split[256]; /* class: the one of its bytes in the set; -1 not met, -2 stays */
        bool out[256] = {false};
        for (int c = 0; c < 256; c++)
            split[c] = -1;
        for (unsigned b = 0; b < 256; b++)
            out[a->class_of[b]] |= !grammar_bytes_has(&p->sets[s], b);
        for (unsigned b = 0; b < 256; b++) {
            const uint8_t c = a->class_of[b];
            if (!grammar_bytes_has(&p->sets[s], b) || !out[c])
                continue;
            if (split[c] < 0)
                split[c] = a->n_classes++;
            a->class_of[b] = (uint8_t)split[c];
        }
    }
    for (unsigned b = 0; b < 256; b++)
        a->byte_of[a->class_of[b]] = (uint8_t)b;
}

/* The rules with the free text around them as a new root. */
static cmat_status add_trigger(grammar_rules *g, const cmat_grammar_trigger *t, cmat_error *err)
{
    enum { LONGEST = 256 };
    grammar_expr *body;
    if (!t || !t->begin) {
        if (t && t->end)
            return cmat_fail(err, CMAT_ERR_ARG,
                             "trigger: an end without a text that begins the constraint");
        return CMAT_OK;
    }
    if (!t->begin[0] || strlen(t->begin) > LONGEST ||
        (t->end && (!t->end[0] || strlen(t->end) > LONGEST)))
        return cmat_fail(err, CMAT_ERR_ARG, "trigger: must have 1 to %d bytes", LONGEST);
    body =
        grammar_cat_of(g, 2, grammar_until(g, t->begin, t->end != NULL), grammar_call(g, g->root));
    if (t->end)
        body = grammar_repeat(
            g, grammar_cat_of(g, 2, body, grammar_text(g, t->end, strlen(t->end))), 0, -1);
    g->root = grammar_rule_new(g, "the trigger", body);
    return CMAT_OK;
}

static void automaton_init(automaton *a)
{
    /* places are numbered as they are found, so no two automata share them */
    a->base = (cmat_acceptor){.ops = &automaton_ops,
                              .state_size = sizeof(uint32_t),
                              .identity = cmat_acceptor_identity_new()};
    pthread_mutex_init(&a->lock, NULL);
    find_classes(a);
    a->frames = cmat_xgrow(a->frames, &a->frames_cap, FIRST_FRAME, sizeof *a->frames);
    a->frames[BOTTOM] = (frame){0};
    for (uint32_t d = 0; d <= CMAT_GRAMMAR_MAX_DEPTH; d++)
        a->frames[OUTSIDE + d] = (frame){.depth = d};
    a->n_frames = FIRST_FRAME;
    a->n_places = 1; /* 0 is UNKNOWN */
    a->todo = cmat_xcalloc(MAX_WORK + 1, sizeof *a->todo);
    a->items = cmat_xcalloc(MAX_ITEMS, sizeof *a->items);
    a->seen = cmat_xcalloc(SEEN, sizeof *a->seen);
    a->stamps = cmat_xcalloc(SEEN, sizeof *a->stamps);
    chunk_new(a);
    closure_begin(a);
    reach(a, a->program.root, BOTTOM);
    closure_run(a);
    a->start = place_of_items(a);
}

cmat_status grammar_compile(cmat_acceptor **out, grammar_rules *g,
                            const cmat_grammar_trigger *trigger, cmat_error *err)
{
    automaton *a = cmat_xcalloc(1, sizeof *a);
    cmat_status st = add_trigger(g, trigger, err);
    *out = NULL;
    if (st == CMAT_OK)
        st = grammar_program_make(&a->program, g, err);
    if (st == CMAT_OK) {
        automaton_init(a);
        *out = &a->base;
    } else {
        free(a);
    }
    grammar_rules_clear(g);
    return st;
}
