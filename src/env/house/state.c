/* env/house/state.c - facts of a state, conditions with all variables known, effects. */
#include "env/house/state.h"
#include <stdlib.h>
#include <string.h>

void house_state_init(house_state *s, const house_pddl *p)
{
    s->n_words = p->n_fluent / 64 + 1;
    s->bits = cmat_xrealloc(s->bits, 2 * s->n_words * sizeof *s->bits);
    memset(s->bits, 0, 2 * s->n_words * sizeof *s->bits);
    memcpy(s->bits, p->init, p->n_fluent / 64 * sizeof *s->bits);
    /* The last word of init may hold facts that never change. */
    if (p->n_fluent % 64)
        s->bits[p->n_fluent / 64] =
            p->init[p->n_fluent / 64] & (((uint64_t)1 << (p->n_fluent % 64)) - 1);
}

void house_state_copy(house_state *to, const house_state *from)
{
    memcpy(to->bits, from->bits, 2 * from->n_words * sizeof *to->bits);
}

void house_state_clear(house_state *s)
{
    free(s->bits);
    *s = (house_state){0};
}

static bool bit_is_set(const uint64_t *bits, size_t bit)
{
    return bits[bit / 64] >> (bit % 64) & 1;
}

static bool fact_is_set(const house_pddl *p, const house_state *s, size_t bit, bool made_false)
{
    if (bit < p->n_fluent)
        return bit_is_set(s->bits + (made_false ? s->n_words : 0), bit);
    return !made_false && bit_is_set(p->init, bit);
}

bool house_is_true(const house_pddl *p, const house_state *s, int predicate, const int *objects)
{
    const size_t bit = house_pddl_bit(p, predicate, objects);
    return bit != SIZE_MAX && fact_is_set(p, s, bit, false);
}

/* ---- stepping through facts ---- */

/* The place of object o in the index space of the predicate's argument k, or -1. */
static int index_of(const house_pddl *p, const house_predicate *q, int k, int o)
{
    if (o < 0 || o >= p->n_objects)
        return -1;
    return q->any[k] ? o : p->objects[o].type == q->types[k] ? p->objects[o].index : -1;
}

house_facts house_facts_of(const house_pddl *p, const house_state *s, int predicate,
                           const int *wanted, bool made_false)
{
    house_facts f = {.p = p, .s = s, .predicate = predicate, .made_false = made_false};
    const house_predicate *q = &p->predicates[predicate];
    for (int k = 0; k < q->n_args; k++) {
        f.wanted[k] = wanted[k];
        f.index[k] = wanted[k] < 0 ? 0 : index_of(p, q, k, wanted[k]);
        if (f.index[k] < 0 || q->size[k] == 0)
            f.predicate = -1; /* never true */
    }
    size_t stride = 1;
    f.bit = q->first;
    for (int k = q->n_args; k-- > 0 && f.predicate >= 0;) {
        f.stride[k] = stride;
        f.bit += stride * (size_t)f.index[k];
        stride *= (size_t)q->size[k];
    }
    return f;
}

/* Moves on to the next combination of the arguments that may be any; false after the last. */
static bool advance(house_facts *f, const house_predicate *q)
{
    for (int k = q->n_args; k-- > 0;) {
        if (f->wanted[k] >= 0)
            continue;
        if (++f->index[k] < q->size[k]) {
            f->bit += f->stride[k];
            return true;
        }
        f->bit -= f->stride[k] * (size_t)(q->size[k] - 1);
        f->index[k] = 0;
    }
    return false;
}

/* Where the last argument may be any, its facts lie side by side: a word of none is passed over. */
static void pass_over(house_facts *f, const house_predicate *q)
{
    const int last = q->n_args - 1;
    if (last < 0 || f->wanted[last] >= 0)
        return;
    const bool fluent = f->bit < f->p->n_fluent;
    const uint64_t *bits = fluent ? f->s->bits + (f->made_false ? f->s->n_words : 0) : f->p->init;
    const size_t left = (size_t)(q->size[last] - f->index[last]), at = f->bit % 64;
    if (bits[f->bit / 64] >> at != 0)
        return;
    const size_t n = 64 - at < left ? 64 - at : left;
    f->index[last] += (int)n - 1;
    f->bit += n - 1;
}

bool house_facts_next(house_facts *f, int *objects)
{
    if (f->predicate < 0)
        return false;
    const house_predicate *q = &f->p->predicates[f->predicate];
    for (;;) {
        if (f->begun && !advance(f, q)) {
            f->predicate = -1;
            return false;
        }
        f->begun = true;
        if (!fact_is_set(f->p, f->s, f->bit, f->made_false)) {
            pass_over(f, q);
            continue;
        }
        for (int k = 0; k < q->n_args; k++)
            objects[k] = q->any[k] ? f->index[k] : f->p->types[q->types[k]].objects[f->index[k]];
        return true;
    }
}

/* ---- conditions ---- */

static bool holds_quantified(const house_pddl *p, const house_state *s, const house_schema *schema,
                             const house_formula *f, int *args, int k)
{
    const bool exists = f->kind == HOUSE_EXISTS;
    if (k == f->n_vars)
        return house_holds(p, s, schema, f->sub, args);
    for (int o = 0; o < p->n_objects; o++) {
        if (!house_pddl_is_a(p, p->objects[o].type, schema->var_types[f->first_var + k]))
            continue;
        args[f->first_var + k] = o;
        if (holds_quantified(p, s, schema, f, args, k + 1) == exists)
            return exists;
    }
    return !exists;
}

static void resolve(const int *args, const int *with, int n, int *out)
{
    for (int i = 0; i < n; i++)
        out[i] = args[i] < 0 ? with[~args[i]] : args[i];
}

bool house_holds(const house_pddl *p, const house_state *s, const house_schema *schema,
                 const house_formula *f, int *args)
{
    int objects[HOUSE_MAX_ARGS];
    if (!f)
        return true;
    switch (f->kind) {
    case HOUSE_TRUE:
        return true;
    case HOUSE_ATOM:
        resolve(f->args, args, f->n_args, objects);
        return house_is_true(p, s, f->predicate, objects);
    case HOUSE_EQUAL:
        resolve(f->args, args, 2, objects);
        return objects[0] == objects[1];
    case HOUSE_NOT:
        return !house_holds(p, s, schema, f->sub, args);
    case HOUSE_AND:
    case HOUSE_OR:
        for (const house_formula *g = f->sub; g; g = g->next)
            if (house_holds(p, s, schema, g, args) != (f->kind == HOUSE_AND))
                return f->kind == HOUSE_OR;
        return f->kind == HOUSE_AND;
    default:
        return holds_quantified(p, s, schema, f, args, 0);
    }
}

/* ---- effects ---- */

static void put(const house_pddl *p, house_state *s, const house_effect *e, const int *args)
{
    int objects[HOUSE_MAX_ARGS];
    resolve(e->args, args, e->n_args, objects);
    const size_t bit = house_pddl_bit(p, e->predicate, objects);
    if (bit == SIZE_MAX)
        return;
    uint64_t *on = e->add ? s->bits : s->bits + s->n_words;
    uint64_t *off = e->add ? s->bits + s->n_words : s->bits;
    on[bit / 64] |= (uint64_t)1 << (bit % 64);
    off[bit / 64] &= ~((uint64_t)1 << (bit % 64));
}

void house_apply(const house_pddl *p, house_state *s, const house_move *m)
{
    const house_schema *a = &p->actions[m->action];
    int args[HOUSE_MAX_VARS];
    bool happens[HOUSE_MAX_EFFECTS] = {false};
    int n = 0;
    memcpy(args, m->args, sizeof args);
    /* All conditions are about the state before; what is both added and deleted is added. */
    for (const house_effect *e = a->effects; e; e = e->next)
        happens[n++] = house_holds(p, s, a, e->when, args);
    for (int add = 0; add < 2; add++) {
        int i = 0;
        for (const house_effect *e = a->effects; e; e = e->next)
            if (happens[i++] && e->add == (add == 1))
                put(p, s, e, args);
    }
}
