/* env/house/search.c - finds the objects with which a condition holds.
 *
 * A condition is split into alternatives (its "or"s at the top), each a list of parts. A part whose
 * variables are all known is a test; a positive atom with unknown ones is a source: stepping
 * through its facts binds them. At the start each list is put in an order in which tests come as
 * early as they can, and of the sources the one that is expected to give the fewest facts first. */
#include "env/house/state.h"
#include <stdlib.h>
#include <string.h>

#define MAX_PARTS 64
#define MAX_ALTERNATIVES 32
#define MAX_WORK 20000000 /* steps of one search; ALFWorld's games take some thousands */

typedef enum { STEP_TEST, STEP_FACTS, STEP_OBJECTS } step_kind;
typedef struct {
    step_kind kind;
    const house_formula *part; /* of a test, or an atom to step through */
    int var;                   /* STEP_OBJECTS: bound to each object of its type */
} search_step;

typedef struct {
    const house_formula *parts[MAX_PARTS];
    int n_parts;
} alternative;

typedef struct {
    const house_schema *schema;
    search_step *steps;
    int n_steps;
    const house_formula **parts; /* (n_parts) for what is no change */
    int n_parts;
    bool doubles; /* may find the same move twice */
} search_plan;

struct house_search {
    const house_pddl *p;
    search_plan *plans; /* (n_plans): of the actions in their order, then of the goal */
    int n_plans;
    cmat_arena arena;
};

/* ---- alternatives ---- */

typedef struct {
    alternative *items; /* (MAX_ALTERNATIVES) */
    int n;
    bool full;
} alternatives;

static void split(alternatives *a, const house_formula *f);

static void split_or(alternatives *a, const house_formula *f)
{
    const int n = a->n;
    alternatives out = {.items = cmat_xcalloc(MAX_ALTERNATIVES, sizeof *out.items)};
    for (const house_formula *g = f->sub; g; g = g->next) {
        alternatives one = {.items = cmat_xcalloc(MAX_ALTERNATIVES, sizeof *one.items), .n = n};
        memcpy(one.items, a->items, (size_t)n * sizeof *one.items);
        split(&one, g);
        a->full |= one.full;
        for (int i = 0; i < one.n; i++) {
            if (out.n < MAX_ALTERNATIVES)
                out.items[out.n++] = one.items[i];
            else
                a->full = true;
        }
        free(one.items);
    }
    memcpy(a->items, out.items, (size_t)out.n * sizeof *out.items);
    a->n = out.n;
    free(out.items);
}

/* Whether one of an "or"'s parts has variables of its own: worth alternatives. Others are only
 * tested. */
static bool has_exists(const house_formula *f)
{
    for (const house_formula *g = f->sub; g; g = g->next)
        if (g->kind == HOUSE_EXISTS)
            return true;
    return false;
}

/* Adds f to every alternative. */
static void split(alternatives *a, const house_formula *f)
{
    if (f->kind == HOUSE_TRUE)
        return;
    if (f->kind == HOUSE_AND || f->kind == HOUSE_EXISTS) {
        for (const house_formula *g = f->sub; g; g = g->next)
            split(a, g);
        return;
    }
    if (f->kind == HOUSE_OR && has_exists(f)) {
        split_or(a, f);
        return;
    }
    for (int i = 0; i < a->n; i++) {
        if (a->items[i].n_parts < MAX_PARTS)
            a->items[i].parts[a->items[i].n_parts++] = f;
        else
            a->full = true;
    }
}

/* ---- order ---- */

static void mark_args(const house_formula *f, bool *used)
{
    for (int i = 0; i < f->n_args; i++)
        if (f->args[i] < 0)
            used[~f->args[i]] = true;
    for (const house_formula *g = f->sub; g; g = g->next)
        mark_args(g, used);
    for (int i = 0; i < f->n_vars; i++)
        used[f->first_var + i] = false; /* its own */
}

static int n_unknown(const house_formula *f, const bool *known)
{
    bool used[HOUSE_MAX_VARS] = {false};
    int n = 0;
    mark_args(f, used);
    for (int i = 0; i < HOUSE_MAX_VARS; i++)
        n += used[i] && !known[i];
    return n;
}

/* Facts that stepping through the atom will give, about. */
static double expected(const house_pddl *p, const house_formula *f, const bool *known)
{
    const house_predicate *q = &p->predicates[f->predicate];
    double n = q->n_true > 0 ? (double)q->n_true : 1;
    for (int i = 0; i < f->n_args; i++)
        if ((f->args[i] >= 0 || known[~f->args[i]]) && q->size[i] > 1)
            n /= q->size[i];
    return n;
}

static void order(const house_pddl *p, search_plan *plan, const alternative *a, cmat_arena *arena)
{
    const house_schema *schema = plan->schema;
    bool known[HOUSE_MAX_VARS] = {false}, done[MAX_PARTS] = {false};
    plan->steps = cmat_arena_alloc(arena, (MAX_PARTS + HOUSE_MAX_VARS) * sizeof *plan->steps);
    for (;;) {
        int best = -1, var = -1;
        double least = 0;
        for (int i = 0; i < a->n_parts; i++) {
            const house_formula *f = a->parts[i];
            if (done[i])
                continue;
            if (n_unknown(f, known) == 0) {
                done[i] = true;
                plan->steps[plan->n_steps++] = (search_step){STEP_TEST, f, -1};
                continue;
            }
            const double cost = f->kind == HOUSE_ATOM ? expected(p, f, known) : 0;
            if (f->kind == HOUSE_ATOM && (best < 0 || cost < least)) {
                best = i;
                least = cost;
            }
        }
        if (best >= 0) {
            done[best] = true;
            plan->steps[plan->n_steps++] = (search_step){STEP_FACTS, a->parts[best], -1};
            mark_args(a->parts[best], known);
            continue;
        }
        /* No atom is left: objects one by one, for what a test waits for, then for parameters. */
        for (int i = 0; i < a->n_parts && var < 0; i++) {
            bool used[HOUSE_MAX_VARS] = {false};
            if (!done[i])
                mark_args(a->parts[i], used);
            for (int v = 0; v < HOUSE_MAX_VARS && var < 0; v++)
                var = used[v] && !known[v] ? v : -1;
        }
        for (int v = 0; v < schema->n_params && var < 0; v++)
            var = known[v] ? -1 : v;
        if (var < 0)
            break;
        known[var] = true;
        plan->steps[plan->n_steps++] = (search_step){STEP_OBJECTS, NULL, var};
    }
    for (int v = schema->n_params; v < HOUSE_MAX_VARS; v++)
        plan->doubles |= known[v];
}

static cmat_status add_plans(house_search *x, const house_schema *schema, int *cap, cmat_error *err)
{
    alternatives a = {.items = cmat_xcalloc(MAX_ALTERNATIVES, sizeof *a.items), .n = 1};
    if (schema->pre)
        split(&a, schema->pre);
    for (int i = 0; i < a.n && !a.full; i++) {
        if (x->n_plans == *cap) {
            *cap = 2 * *cap + 16;
            x->plans = cmat_xrealloc(x->plans, (size_t)*cap * sizeof *x->plans);
        }
        search_plan *plan = &x->plans[x->n_plans++];
        *plan = (search_plan){.schema = schema, .doubles = a.n > 1};
        order(x->p, plan, &a.items[i], &x->arena);
        plan->n_parts = a.items[i].n_parts;
        plan->parts = cmat_arena_alloc(&x->arena, MAX_PARTS * sizeof *plan->parts);
        memcpy(plan->parts, a.items[i].parts, (size_t)plan->n_parts * sizeof *plan->parts);
    }
    const bool full = a.full;
    free(a.items);
    return full ? cmat_fail(err, CMAT_ERR_LIMIT, "domain: the condition of %.60s is too long",
                            schema->name)
                : CMAT_OK;
}

cmat_status house_search_new(house_search **out, const house_pddl *p, cmat_error *err)
{
    house_search *x = cmat_xcalloc(1, sizeof *x);
    int cap = 0;
    cmat_status st = CMAT_OK;
    x->p = p;
    for (int i = 0; i < p->n_actions && st == CMAT_OK; i++)
        st = add_plans(x, &p->actions[i], &cap, err);
    if (st == CMAT_OK)
        st = add_plans(x, &p->goal, &cap, err);
    *out = x;
    if (st != CMAT_OK) {
        house_search_free(x);
        *out = NULL;
    }
    return st;
}

void house_search_free(house_search *x)
{
    if (!x)
        return;
    cmat_arena_clear(&x->arena);
    free(x->plans);
    free(x);
}

/* ---- finding ---- */

typedef struct {
    const house_search *x;
    const house_state *s;
    const search_plan *plan;
    int args[HOUSE_MAX_VARS]; /* -1: unknown */
    house_move *moves;        /* NULL: the first find ends the search */
    size_t n, cap, first;     /* first: of the present action */
    long work;
} finder;

static int value(const finder *f, int arg)
{
    return arg < 0 ? f->args[~arg] : arg;
}

/* Whether the literal (predicate, objects, sign) is itself one of the conditions. */
static bool is_condition(const finder *f, const house_effect *e)
{
    for (int i = 0; i < f->plan->n_parts; i++) {
        const house_formula *part = f->plan->parts[i];
        if ((part->kind == HOUSE_NOT) == e->add)
            continue;
        part = part->kind == HOUSE_NOT ? part->sub : part;
        bool same = part->kind == HOUSE_ATOM && part->predicate == e->predicate;
        for (int k = 0; same && k < e->n_args; k++)
            same = value(f, part->args[k]) == value(f, e->args[k]);
        if (same)
            return true;
    }
    return false;
}

/* Whether another effect adds what this one deletes: then nothing is deleted. */
static bool is_added(const finder *f, const house_effect *e)
{
    for (const house_effect *g = f->plan->schema->effects; g; g = g->next) {
        bool same = g->add && !g->when && g->predicate == e->predicate;
        for (int k = 0; same && k < e->n_args; k++)
            same = value(f, g->args[k]) == value(f, e->args[k]);
        if (same)
            return true;
    }
    return false;
}

static bool changes_something(const finder *f)
{
    for (const house_effect *e = f->plan->schema->effects; e; e = e->next)
        if (!is_condition(f, e) && (e->add || !is_added(f, e)))
            return true;
    return false;
}

static bool is_known_move(const finder *f, const house_move *m)
{
    for (size_t i = f->first; i < f->n; i++)
        if (memcmp(&f->moves[i], m, sizeof *m) == 0)
            return true;
    return false;
}

static void found(finder *f)
{
    const house_schema *schema = f->plan->schema;
    house_move m = {.action = (int)(schema - f->x->p->actions)};
    memset(m.args, -1, sizeof m.args);
    memcpy(m.args, f->args, (size_t)schema->n_params * sizeof *m.args);
    if (!changes_something(f) || (f->plan->doubles && is_known_move(f, &m)))
        return;
    f->moves = cmat_xgrow(f->moves, &f->cap, f->n + 1, sizeof *f->moves);
    f->moves[f->n++] = m;
}

static bool run_step(finder *f, int k);

static bool step_facts(finder *f, const house_formula *part, int k)
{
    const house_pddl *p = f->x->p;
    int wanted[HOUSE_MAX_ARGS], objects[HOUSE_MAX_ARGS];
    bool bound[HOUSE_MAX_ARGS] = {false};
    for (int i = 0; i < part->n_args; i++)
        wanted[i] = value(f, part->args[i]);
    house_facts facts = house_facts_of(p, f->s, part->predicate, wanted, false);
    while (house_facts_next(&facts, objects)) {
        bool fits = true;
        for (int i = 0; i < part->n_args && fits; i++) {
            const int var = ~part->args[i];
            if (wanted[i] >= 0)
                continue;
            if (f->args[var] < 0) {
                fits = house_pddl_is_a(p, p->objects[objects[i]].type,
                                       f->plan->schema->var_types[var]);
                f->args[var] = objects[i];
                bound[i] = true;
            } else {
                fits = f->args[var] == objects[i]; /* the same variable twice */
            }
        }
        const bool stop = fits && run_step(f, k + 1);
        for (int i = 0; i < part->n_args; i++)
            if (bound[i]) {
                f->args[~part->args[i]] = -1;
                bound[i] = false;
            }
        if (stop)
            return true;
    }
    return false;
}

static bool step_objects(finder *f, int var, int k)
{
    const house_pddl *p = f->x->p;
    const int type = f->plan->schema->var_types[var];
    for (int o = 0; o < p->n_objects; o++) {
        if (!house_pddl_is_a(p, p->objects[o].type, type))
            continue;
        f->args[var] = o;
        if (run_step(f, k + 1))
            return true;
    }
    f->args[var] = -1;
    return false;
}

/* Goes on with step k; true ends the search. */
static bool run_step(finder *f, int k)
{
    if (++f->work > MAX_WORK)
        return true;
    if (k == f->plan->n_steps) {
        if (f->plan->schema == &f->x->p->goal)
            return true;
        found(f);
        return false;
    }
    const search_step *step = &f->plan->steps[k];
    switch (step->kind) {
    case STEP_TEST:
        return house_holds(f->x->p, f->s, f->plan->schema, step->part, f->args) &&
               run_step(f, k + 1);
    case STEP_FACTS:
        return step_facts(f, step->part, k);
    default:
        return step_objects(f, step->var, k);
    }
}

size_t house_moves(const house_search *x, const house_state *s, house_move **moves, size_t *cap)
{
    finder f = {.x = x, .s = s, .moves = *moves, .cap = *cap};
    const house_schema *last = NULL;
    for (int i = 0; i < x->n_plans; i++) {
        f.plan = &x->plans[i];
        if (f.plan->schema == &x->p->goal)
            break;
        if (f.plan->schema != last)
            f.first = f.n;
        last = f.plan->schema;
        memset(f.args, -1, sizeof f.args);
        run_step(&f, 0);
    }
    *moves = f.moves;
    *cap = f.cap;
    return f.work > MAX_WORK ? SIZE_MAX : f.n;
}

bool house_goal(const house_search *x, const house_state *s)
{
    finder f = {.x = x, .s = s};
    for (int i = 0; i < x->n_plans; i++) {
        f.plan = &x->plans[i];
        if (f.plan->schema != &x->p->goal)
            continue;
        memset(f.args, -1, sizeof f.args);
        if (run_step(&f, 0))
            return f.work <= MAX_WORK;
    }
    return false;
}

const house_formula *const *house_goal_parts(const house_search *x, int which, int *n)
{
    for (int i = 0; i < x->n_plans; i++)
        if (x->plans[i].schema == &x->p->goal && which-- == 0) {
            *n = x->plans[i].n_parts;
            return x->plans[i].parts;
        }
    return NULL;
}
