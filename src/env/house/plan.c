/* env/house/plan.c - the planner.
 *
 * A house has hundreds of moves; few of them matter. For each choice of things for the goal's
 * variables, the moves are restricted to those things, to what they are in, to what is held, and to
 * the helpers without which the goal's conditions do not come about (a sink for what must be
 * clean). What is left is small enough for breadth-first search. */
#include "env/house/plan.h"
#include "core/hash.h"
#include <stdlib.h>
#include <string.h>

#define MAX_CHOICES 400 /* of things for the goal */
#define MAX_FOUND 4     /* choices that lead to the goal, of which the best is taken */
#define MAX_NODES 6000  /* states of one search */

typedef struct {
    uint64_t *bits; /* of the state; NULL once gone on from */
    int parent;
    house_move move;
} plan_node;

typedef struct {
    const house_game *g;
    const house_pddl *p;
    const house_state *from;
    bool *useful;                      /* (n_actions) changes what some condition speaks of */
    uint64_t *mask;                    /* (n_words) the facts that some condition speaks of */
    bool *focus;                       /* (n_objects) */
    bool *limited;                     /* (n_types) moves may only name things in focus */
    int actor;                         /* type of who acts, or -1 */
    const house_formula *const *parts; /* (n_parts) of the goal */
    int n_parts;
    int bound[HOUSE_MAX_VARS]; /* the goal's variables; -1: left open */
    int held;                  /* type of a thing in hand that plays no part, or -1 */
    int n_tried, n_found;
    json_t *best;
} planner;

/* ---- what matters ---- */

static void mark_predicates(const house_formula *f, bool *used)
{
    if (!f)
        return;
    if (f->kind == HOUSE_ATOM)
        used[f->predicate] = true;
    for (const house_formula *g = f->sub; g; g = g->next)
        mark_predicates(g, used);
}

static void find_useful(planner *x)
{
    const house_pddl *p = x->p;
    bool *used = cmat_xcalloc((size_t)p->n_predicates + 1, sizeof *used);
    mark_predicates(p->goal.pre, used);
    for (int i = 0; i < p->n_actions; i++)
        mark_predicates(p->actions[i].pre, used);
    for (int i = 0; i < p->n_actions; i++)
        for (const house_effect *e = p->actions[i].effects; e; e = e->next)
            x->useful[i] |= used[e->predicate];
    for (int i = 0; i < p->n_predicates; i++) {
        const house_predicate *q = &p->predicates[i];
        size_t n = 1;
        for (int k = 0; k < q->n_args; k++)
            n *= (size_t)q->size[k];
        for (size_t bit = q->first; q->fluent && used[i] && bit < q->first + n; bit++)
            x->mask[bit / 64] |= (uint64_t)1 << (bit % 64);
    }
    free(used);
}

/* Whether the condition is about variable v alone and never changes. */
static bool is_trait(const house_pddl *p, const house_formula *f, int v)
{
    if (f->kind == HOUSE_OR) {
        for (const house_formula *g = f->sub; g; g = g->next)
            if (!is_trait(p, g, v))
                return false;
        return f->sub != NULL;
    }
    bool about = false;
    if (f->kind != HOUSE_ATOM || p->predicates[f->predicate].fluent)
        return false;
    for (int i = 0; i < f->n_args; i++) {
        if (f->args[i] < 0 && ~f->args[i] != v)
            return false;
        about |= f->args[i] < 0;
    }
    return about;
}

/* Whether object o has every trait that the conditions ask of v; *any: they ask for one. */
static bool has_traits(const planner *x, const house_schema *schema,
                       const house_formula *const *parts, int n, int v, int o, bool *any)
{
    int args[HOUSE_MAX_VARS];
    memset(args, -1, sizeof args);
    args[v] = o;
    if (!house_pddl_is_a(x->p, x->p->objects[o].type, schema->var_types[v]))
        return false;
    for (int i = 0; i < n; i++) {
        if (!is_trait(x->p, parts[i], v))
            continue;
        *any = true;
        if (!house_holds(x->p, x->from, schema, parts[i], args))
            return false;
    }
    return *any;
}

static void add_focus(planner *x, int o)
{
    x->focus[o] = true;
    x->limited[x->p->objects[o].type] = true;
}

/* Things without which the action that makes the fact true cannot be done: those of its other
 * parameters that must have a trait. */
static void add_helpers(planner *x, int predicate)
{
    const house_pddl *p = x->p;
    for (int i = 0; i < p->n_actions; i++) {
        const house_schema *a = &p->actions[i];
        const house_formula *parts[32];
        int n = 0;
        bool makes = false;
        for (const house_effect *e = a->effects; e; e = e->next)
            makes |= e->add && e->predicate == predicate;
        if (!makes || !a->pre || a->pre->kind != HOUSE_AND)
            continue;
        for (const house_formula *f = a->pre->sub; f && n < 32; f = f->next)
            parts[n++] = f;
        for (int v = 0; v < a->n_params; v++) {
            bool its_own = false;
            for (const house_effect *e = a->effects; e; e = e->next)
                for (int k = 0; k < e->n_args; k++)
                    its_own |= e->add && e->predicate == predicate && e->args[k] == ~v;
            for (int o = 0; o < p->n_objects && !its_own; o++) {
                bool any = false;
                if (has_traits(x, a, parts, n, v, o, &any))
                    add_focus(x, o);
            }
        }
    }
}

/* What a thing in focus is in, and what the actor holds. */
static void add_places(planner *x)
{
    const house_pddl *p = x->p;
    static const int any[HOUSE_MAX_ARGS] = {-1, -1, -1};
    int o[HOUSE_MAX_ARGS];
    for (int i = 0; i < p->n_predicates; i++) {
        const house_predicate *q = &p->predicates[i];
        if (!q->fluent || q->n_args != 2)
            continue;
        house_facts f = house_facts_of(p, x->from, i, any, false);
        while (house_facts_next(&f, o)) {
            const bool by_actor = p->objects[o[0]].type == x->actor;
            if (!by_actor && !x->focus[o[0]])
                continue;
            /* Where the actor stands or a thing lies in space is no thing itself. */
            if (!x->limited[p->objects[o[1]].type])
                continue;
            if (by_actor && !x->focus[o[1]])
                x->held = p->objects[o[1]].type;
            add_focus(x, o[1]);
        }
    }
}

static void choose_focus(planner *x)
{
    memset(x->focus, 0, (size_t)x->p->n_objects * sizeof *x->focus);
    memset(x->limited, 0, (size_t)x->p->n_types * sizeof *x->limited);
    for (int v = 0; v < HOUSE_MAX_VARS; v++)
        if (x->bound[v] >= 0)
            add_focus(x, x->bound[v]);
    for (int i = 0; i < x->n_parts; i++)
        if (x->parts[i]->kind == HOUSE_ATOM)
            add_helpers(x, x->parts[i]->predicate);
    /* Types that only the goal's open variables have: what things are in. */
    for (int v = 0; v < x->p->goal.n_vars; v++)
        if (x->bound[v] < 0 && x->p->goal.var_types[v] != x->actor)
            for (int i = 0; i < x->n_parts; i++)
                if (x->parts[i]->kind == HOUSE_ATOM && x->parts[i]->n_args == 2 &&
                    x->p->predicates[x->parts[i]->predicate].fluent && x->parts[i]->args[1] == ~v &&
                    x->parts[i]->args[0] < 0 && x->bound[~x->parts[i]->args[0]] >= 0)
                    x->limited[x->p->goal.var_types[v]] = true;
    x->held = -1;
    add_places(x);
    add_places(x);
}

static bool is_allowed(const planner *x, const house_move *m)
{
    const house_schema *a = &x->p->actions[m->action];
    if (!x->useful[m->action])
        return false;
    for (int i = 0; i < a->n_params; i++)
        if (x->limited[x->p->objects[m->args[i]].type] && !x->focus[m->args[i]])
            return false;
    return true;
}

/* ---- search ---- */

typedef struct {
    plan_node *nodes; /* (n) */
    size_t n, cap;
    uint64_t *seen; /* (n_seen) open addressing; 0: free */
    size_t n_seen;
    house_move *moves;
    size_t cap_moves;
} breadth;

static uint64_t state_key(const planner *x, const house_state *s)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < s->n_words; i++) {
        h = (h ^ (s->bits[i] & x->mask[i])) * 1099511628211u;
        h ^= h >> 29;
    }
    return h ? h : 1;
}

/* True when the state is new; remembers it. */
static bool remember(breadth *b, uint64_t key)
{
    size_t i = key & (b->n_seen - 1);
    while (b->seen[i]) {
        if (b->seen[i] == key)
            return false;
        i = (i + 1) & (b->n_seen - 1);
    }
    b->seen[i] = key;
    return true;
}

static void add_node(breadth *b, const house_state *s, int parent, const house_move *m)
{
    const size_t bytes = 2 * s->n_words * sizeof *s->bits;
    plan_node node = {.bits = cmat_xmalloc(bytes), .parent = parent};
    memcpy(node.bits, s->bits, bytes);
    if (m)
        node.move = *m;
    b->nodes = cmat_xgrow(b->nodes, &b->cap, b->n + 1, sizeof *b->nodes);
    b->nodes[b->n++] = node;
}

/* Commands from the start to the node. */
static json_t *commands_to(const planner *x, const breadth *b, int node)
{
    house_move way[256];
    int n = 0;
    json_t *out = json_array();
    house_state s = {0};
    for (; node > 0 && n < 256; node = b->nodes[node].parent)
        way[n++] = b->nodes[node].move;
    house_state_init(&s, x->p);
    house_state_copy(&s, x->from);
    while (n-- > 0) {
        cmat_buf text = {0};
        house_grammar_command(x->g->grammar, &s, &way[n], &text);
        json_array_append_new(out, json_stringn(cmat_buf_str(&text), text.len));
        house_apply(x->p, &s, &way[n]);
        cmat_buf_clear(&text);
    }
    house_state_clear(&s);
    return out;
}

/* Goes on from node i; the node that reaches the goal, or -1. */
static int expand(planner *x, breadth *b, size_t i, house_state *here, house_state *next)
{
    memcpy(here->bits, b->nodes[i].bits, 2 * here->n_words * sizeof *here->bits);
    free(b->nodes[i].bits);
    b->nodes[i].bits = NULL;
    const size_t n = house_moves(x->g->search, here, &b->moves, &b->cap_moves);
    for (size_t k = 0; n != SIZE_MAX && k < n; k++) {
        if (!is_allowed(x, &b->moves[k]))
            continue;
        house_state_copy(next, here);
        house_apply(x->p, next, &b->moves[k]);
        if (b->n >= MAX_NODES || !remember(b, state_key(x, next)))
            continue;
        add_node(b, next, (int)i, &b->moves[k]);
        if (house_goal(x->g->search, next))
            return (int)b->n - 1;
    }
    return -1;
}

static json_t *search(planner *x)
{
    breadth b = {.n_seen = 16384};
    house_state here = {0}, next = {0};
    json_t *way = NULL;
    b.seen = cmat_xcalloc(b.n_seen, sizeof *b.seen);
    house_state_init(&here, x->p);
    house_state_init(&next, x->p);
    remember(&b, state_key(x, x->from));
    add_node(&b, x->from, -1, NULL);
    for (size_t i = 0; i < b.n && !way; i++) {
        const int end = expand(x, &b, i, &here, &next);
        if (end >= 0)
            way = commands_to(x, &b, end);
    }
    for (size_t i = 0; i < b.n; i++)
        free(b.nodes[i].bits);
    free(b.nodes);
    free(b.seen);
    free(b.moves);
    house_state_clear(&here);
    house_state_clear(&next);
    return way;
}

/* ---- choices ---- */

/* Conditions "not (= ?a ?b)" between things that are chosen. */
static bool are_distinct(const planner *x)
{
    for (int i = 0; i < x->n_parts; i++) {
        const house_formula *f = x->parts[i];
        if (f->kind == HOUSE_NOT && f->sub->kind == HOUSE_EQUAL && f->sub->args[0] < 0 &&
            f->sub->args[1] < 0) {
            const int a = x->bound[~f->sub->args[0]], b = x->bound[~f->sub->args[1]];
            if (a >= 0 && a == b)
                return false;
        }
    }
    return true;
}

/* Searches with one more place in focus after the other, to put down what is in hand. */
static json_t *search_with_place(planner *x)
{
    json_t *way = NULL;
    for (int o = 0; o < x->p->n_objects && !way; o++) {
        const int type = x->p->objects[o].type;
        if (x->focus[o] || !x->limited[type] || type == x->held)
            continue;
        x->focus[o] = true;
        way = search(x);
        x->focus[o] = false;
    }
    return way;
}

static void try_choice(planner *x)
{
    if (!are_distinct(x) || ++x->n_tried > MAX_CHOICES)
        return;
    choose_focus(x);
    json_t *way = search(x);
    if (!way && x->held >= 0)
        way = search_with_place(x);
    if (!way)
        return;
    x->n_found++;
    if (x->best && json_array_size(x->best) <= json_array_size(way)) {
        json_decref(way);
        return;
    }
    json_decref(x->best);
    x->best = way;
}

static void choose(planner *x, int v)
{
    const house_schema *goal = &x->p->goal;
    bool chosen = false;
    if (x->n_found >= MAX_FOUND || x->n_tried >= MAX_CHOICES)
        return;
    if (v == goal->n_vars) {
        try_choice(x);
        return;
    }
    for (int o = 0; o < x->p->n_objects; o++) {
        bool any = false;
        if (!has_traits(x, goal, x->parts, x->n_parts, v, o, &any))
            continue;
        chosen = true;
        x->bound[v] = o;
        choose(x, v + 1);
    }
    x->bound[v] = -1;
    if (!chosen)
        choose(x, v + 1);
}

json_t *house_plan(const house_game *g, const house_state *from)
{
    const house_pddl *p = g->pddl;
    planner x = {.g = g, .p = p, .from = from, .actor = -1};
    if (house_goal(g->search, from))
        return json_array();
    x.useful = cmat_xcalloc((size_t)p->n_actions + 1, sizeof *x.useful);
    x.mask = cmat_xcalloc(p->n_fluent / 64 + 1, sizeof *x.mask);
    x.focus = cmat_xcalloc((size_t)p->n_objects + 1, sizeof *x.focus);
    x.limited = cmat_xcalloc((size_t)p->n_types + 1, sizeof *x.limited);
    memset(x.bound, -1, sizeof x.bound);
    for (int i = 0; i < p->n_actions && x.actor < 0; i++)
        if (p->actions[i].n_params > 0)
            x.actor = p->actions[i].var_types[0];
    find_useful(&x);
    for (int i = 0; (x.parts = house_goal_parts(g->search, i, &x.n_parts)); i++)
        choose(&x, 0);
    free(x.useful);
    free(x.mask);
    free(x.focus);
    free(x.limited);
    return x.best;
}
