/* env/db/families_join.c - question families over foreign keys, one and two steps long. */
#include "env/db/tasks.h"
#include <string.h>

typedef struct {
    int child, fk, parent;
    const char *join, *C, *P, *ref; /* "a JOIN b ON ...", "orders", "customers", "customer" */
} link;

static bool pick_link(db_gen *g, link *l)
{
    l->fk = gen_fk(g, -1, &l->child);
    if (l->fk < 0)
        return false;
    l->parent = g->s->tables[l->child].fks[l->fk].ref_table;
    l->join = gen_join(g, l->child, l->fk);
    l->C = g->tables[l->child].many;
    l->P = g->tables[l->parent].many;
    l->ref = gen_ref_name(g, l->child, l->fk);
    return true;
}

/* "orders whose customer's country is Spain" */
static const char *whose(db_gen *g, const link *l, const char *T, const db_cond *c)
{
    return GEN_FILL(g,
                    "[{T} whose {r}'s {p}|{T} where the {r}'s {p}|{T} of {P} {q}|{T} [belonging "
                    "to|linked to|for] {P} {q}]",
                    {"T", T}, {"r", l->ref}, {"p", c->pred}, {"P", l->P}, {"q", c->post});
}

static bool join_count(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "How many {T} are there?",       "=the number of {T}",
        "[Count|Please count] the {T}.", "How many {T} do we have?",
        "=the [total |]count of {T}",    "How many {T} [exist|are in the database]?",
    };
    link l;
    db_cond c;
    if (!pick_link(g, &l) ||
        !gen_cond(g, l.parent, COND_COMMON | COND_LIKE | COND_KEY, -1, true, &c))
        return false;
    d->sql = gen_fmt(g, "SELECT COUNT(*) FROM %s WHERE %s", l.join, c.sql);
    d->think = gen_fmt(g, "count %s joined with %s where %s", gen_tab(g, l.child),
                       gen_tab(g, l.parent), c.sql);
    GEN_SAY(g, d, say, {"T", whose(g, &l, l.C, &c)});
    return true;
}

static bool join_count_two(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "How many {T} are there?",       "=the number of {T}",
        "[Count|Please count] the {T}.", "How many {T} do we have?",
        "=the [total |]count of {T}",    "I [need|want] the number of {T}.",
    };
    link l;
    db_cond a, b;
    if (!pick_link(g, &l) || !gen_cond(g, l.child, COND_COMMON, -1, true, &a) ||
        !gen_cond(g, l.parent, COND_COMMON, -1, true, &b))
        return false;
    d->sql = gen_fmt(g, "SELECT COUNT(*) FROM %s WHERE %s AND %s", l.join, a.sql, b.sql);
    d->think = gen_fmt(g, "count %s joined with %s where %s and %s", gen_tab(g, l.child),
                       gen_tab(g, l.parent), a.sql, b.sql);
    GEN_SAY(g, d, say,
            {"T", GEN_FILL(g, "{T} {a}[ and|,] whose {r}'s {p}", {"T", l.C}, {"a", a.post},
                           {"r", l.ref}, {"p", b.pred})});
    return true;
}

static bool join_list(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "+the {ss} of [the |all |]{T}",
        "Which {T} are there? [Give|List] the {ss}.",
        "For [the |all ]{T}, [list|give me|show] the {ss}.",
        "What are the {ss} of the {T}?",
        "[List|Show] the {T} by {s}.",
        "+all {ss} of {T}",
    };
    link l;
    db_cond c;
    if (!pick_link(g, &l) || !gen_cond(g, l.parent, COND_COMMON | COND_KEY, -1, true, &c))
        return false;
    int shown = gen_chance(g, 70) ? gen_shown(g, l.child)
                                  : gen_column(g, l.child, COL_NUMBER | COL_DATE | COL_TEXT, -1);
    if (shown < 0)
        return false;
    const char *name = gen_col(g, l.child, shown, true);
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s", name, l.join, c.sql);
    d->think = gen_fmt(g, "%s joined with %s where %s", name, gen_tab(g, l.parent), c.sql);
    GEN_SAY(g, d, say, {"T", whose(g, &l, l.C, &c)}, {"s", g->tables[l.child].cols[shown].human},
            {"ss", g->tables[l.child].cols[shown].plural});
    return true;
}

/* "the country of the supplier of Alba Mug" */
static bool join_lookup(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the {s} of the {r} of {x}",
        "What is the {s} of the {r} [that belongs to|belonging to|of] {x}?",
        "{x}: what is its {r}'s {s}?",
        "[Look up|Find out] the {r} of {x} and give [its|the] {s}.",
        "=the {s} of {x}'s {r}",
        "Which {s} does the {r} of {x} have?",
    };
    link l;
    if (!pick_link(g, &l))
        return false;
    int key = gen_chance(g, 60) ? g->tables[l.child].label : g->tables[l.child].key;
    int shown = gen_column(g, l.parent, 255 - COL_OTHER - COL_ID, -1);
    const char *v = key < 0 || shown < 0 ? NULL : gen_value(g, l.child, key);
    if (!v)
        return false;
    const char *name = gen_col(g, l.parent, shown, true);
    const char *cond =
        gen_fmt(g, "%s = %s", gen_col(g, l.child, key, true), gen_literal(g, l.child, key, v));
    d->n_rows = 1;
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s", name, l.join, cond);
    d->think = gen_fmt(g, "%s joined with %s where %s", name, gen_tab(g, l.child), cond);
    const char *said = gen_say_value(g, l.child, key, v);
    GEN_SAY(
        g, d, say, {"r", l.ref}, {"s", g->tables[l.parent].cols[shown].human},
        {"x", key == g->tables[l.child].key
                  ? GEN_FILL(g, "{t} [{v}|number {v}|with {k} {v}]", {"t", g->tables[l.child].one},
                             {"v", said}, {"k", g->tables[l.child].cols[key].human})
                  : GEN_FILL(g, "[{v}|the {t} {v}]", {"t", g->tables[l.child].one}, {"v", said})});
    return true;
}

static bool join_value(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the {f} {c} of [the |all |]{T}",
        "What {f} {c} do the {T} have?",
        "[Compute|Calculate|Work out] the {f} {c} [of|over|for] the {T}.",
        "[Over|For] [the |all ]{T}, what is the {f} {c}?",
        "=the {f} {c} over {T}",
        "How [high|large] is the {f} {c} of the {T}?",
    };
    static const struct {
        const char *sql, *words;
    } functions[] = {{"SUM", "[total|combined]"},
                     {"SUM", "[total|summed]"},
                     {"AVG", "[average|mean]"},
                     {"MAX", "[highest|maximum|largest]"},
                     {"MIN", "[lowest|minimum|smallest]"}};
    link l;
    db_cond w;
    if (!pick_link(g, &l) || !gen_cond(g, l.parent, COND_COMMON | COND_KEY, -1, true, &w))
        return false;
    int c = gen_column(g, l.child, COL_NUMBER, -1), f = gen_below(g, 5);
    if (c < 0)
        return false;
    const char *expr = gen_fmt(g, "%s(%s)", functions[f].sql, gen_col(g, l.child, c, true));
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s", expr, l.join, w.sql);
    d->think = gen_fmt(g, "%s joined with %s where %s", expr, gen_tab(g, l.parent), w.sql);
    GEN_SAY(g, d, say, {"T", whose(g, &l, l.C, &w)}, {"f", GEN_FILL(g, functions[f].words, {0})},
            {"c", g->tables[l.child].cols[c].human});
    return true;
}

static bool join_group(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "How many {T} are there [for|per] each {r} {b}?",
        "=the number of {T} [per|by|for each] {b} of the {r}",
        "[Count|Please count] the {T} per {r} {b}.",
        "For each {b} of the {r}, how many {T} [are there|do we have]?",
        "[Group|Break down] the {T} by the {r}'s {b} and count them.",
        "+the {bs} of the {P}, each with its number of {T}",
    };
    link l;
    if (!pick_link(g, &l))
        return false;
    int by = gen_column(g, l.parent, COL_CATEGORY | COL_NAME | COL_FLAG, -1);
    if (by < 0 || g->tables[l.parent].cols[by].n_distinct > 24)
        return false;
    db_cond c;
    const char *where = "", *T = l.C, *think = "";
    if (gen_chance(g, 70) && gen_cond(g, l.child, COND_COMMON, -1, true, &c)) {
        where = gen_fmt(g, " WHERE %s", c.sql);
        think = gen_fmt(g, " where %s", c.sql);
        T = gen_fmt(g, "%s %s", T, c.post);
    }
    const char *key = gen_col(g, l.parent, by, true);
    d->sql = gen_fmt(g, "SELECT %s, COUNT(*) FROM %s%s GROUP BY %s", key, l.join, where, key);
    d->think = gen_fmt(g, "count %s%s per %s", gen_tab(g, l.child), think, key);
    GEN_SAY(g, d, say, {"T", T}, {"r", l.ref}, {"P", l.P},
            {"b", g->tables[l.parent].cols[by].human}, {"bs", g->tables[l.parent].cols[by].plural});
    return true;
}

/* The parents with the most children (or the largest sum), the best one or the best k. expr ranks
 * them. */
static bool best_parents(db_gen *g, db_draft *d, const link *l, const char *from, const char *where,
                         const char *expr, bool most, int k)
{
    int shown = g->tables[l->parent].label;
    if (shown < 0)
        return false;
    const char *name = gen_col(g, l->parent, shown, true);
    const db_fk *f = &g->s->tables[l->child].fks[l->fk];
    const char *by = gen_col(g, l->parent, f->ref_column, true), *dir = most ? " DESC" : "";
    d->top = d->n_rows = k;
    d->sql = gen_fmt(g, "SELECT %s FROM %s%s GROUP BY %s ORDER BY %s%s LIMIT %d", name, from, where,
                     by, expr, dir, k);
    d->rank_sql = gen_fmt(g, "SELECT %s FROM %s%s GROUP BY %s ORDER BY %s%s LIMIT %d", expr, from,
                          where, by, expr, dir, k + 1);
    d->think = gen_fmt(g, "%s by %s%s%s%s, first %d", name, expr, dir, *where ? " where" : "",
                       *where ? where + 6 : "", k);
    return true;
}

static const char *const number_words[] = {"", "", "two", "three", "four", "five", "six"};

static bool most_children(db_gen *g, db_draft *d)
{
    static const char *const one[] = {
        "Which {r} has the {x} {T}?",
        "=the {s} of the {r} with the {x} {T}",
        "[Find|Show|Tell me] the {r} [with|that has] the {x} {T} ({s}).",
        "What is the {s} of the {r} that has the {x} {T}?",
        "[Of|Among] all {P}, which [one |]has the {x} {T}? Give its {s}.",
        "To which {r} do the {x} {T} belong?",
    };
    static const char *const many[] = {
        "Which {k} {P} have the {x} {T}?",
        "+the {ss} of the {k} {P} with the {x} {T}",
        "+the [top |]{k} {P} [with|that have] the {x} {T} ({ss})",
        "What are the {ss} of the {k} {P} that have the {x} {T}?",
        "[Rank|Order] the {P} by number of {C}[|, {x} first]: {T}. [Give|List] the first {k} {ss}.",
        "[Of|Among] all {P}, which {k} have the {x} {T}? Give the {ss}.",
    };
    link l;
    if (!pick_link(g, &l))
        return false;
    db_cond c;
    const char *where = "", *T = l.C;
    if (gen_chance(g, 65) && gen_cond(g, l.child, COND_COMMON, -1, true, &c)) {
        where = gen_fmt(g, " WHERE %s", c.sql);
        T = gen_fmt(g, "%s %s", T, c.post);
    }
    int k = gen_chance(g, 60) ? 1 : 2 + gen_below(g, 4);
    if (!best_parents(g, d, &l, l.join, where, "COUNT(*)", true, k))
        return false;
    const db_column_terms *s = &g->tables[l.parent].cols[g->tables[l.parent].label];
    gen_say(g, d, k == 1 ? one : many, k == 1 ? 6 : 4,
            (phrase_slot[]){{"T", T},
                            {"r", g->tables[l.parent].one},
                            {"P", l.P},
                            {"C", l.C},
                            {"s", s->human},
                            {"ss", s->plural},
                            {"x", GEN_FILL(g, "[most|largest number of|highest number of]", {0})},
                            {"k", gen_chance(g, 60) ? number_words[k] : gen_fmt(g, "%d", k)},
                            {0}});
    return true;
}

static bool best_children(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "Which {R} the {x} {f} {c} of {T}?",
        "=the {s} of the {kr} with the {x} {f} {c} of {T}",
        "[Find|Show|Tell me] the {kr} with the {x} {f} {c} over [their|the] {T} ({s}).",
        ("[Rank|Order] the {P} by the {f} {c} of their {T}, {x} first, and give the {s} of the "
         "first {n}."),
        "What is the {s} of the {kr} with the {x} {f} {c} of {T}?",
        "[Comparing|Compare] the {f} {c} of {T}, which {R} the {x}? Give the {s}.",
    };
    link l;
    if (!pick_link(g, &l))
        return false;
    int c = gen_column(g, l.child, COL_NUMBER, -1);
    if (c < 0)
        return false;
    db_cond w;
    const char *where = "", *T = l.C;
    if (gen_chance(g, 60) && gen_cond(g, l.child, COND_COMMON, c, true, &w)) {
        where = gen_fmt(g, " WHERE %s", w.sql);
        T = gen_fmt(g, "%s %s", T, w.post);
    }
    bool sum = gen_chance(g, 70), most = gen_chance(g, 75);
    int k = gen_chance(g, 50) ? 1 : 2 + gen_below(g, 4);
    const char *expr = gen_fmt(g, "%s(%s)", sum ? "SUM" : "AVG", gen_col(g, l.child, c, true));
    if (!best_parents(g, d, &l, l.join, where, expr, most, k))
        return false;
    const char *one = g->tables[l.parent].one, *n = k == 1              ? "one"
                                                    : gen_chance(g, 60) ? number_words[k]
                                                                        : gen_fmt(g, "%d", k);
    const db_column_terms *s = &g->tables[l.parent].cols[g->tables[l.parent].label];
    GEN_SAY(g, d, say, {"T", T}, {"P", l.P}, {"n", n},
            {"R", k == 1 ? gen_fmt(g, "%s has", one) : gen_fmt(g, "%s %s have", n, l.P)},
            {"kr", k == 1 ? one : gen_fmt(g, "%s %s", n, l.P)},
            {"s", k == 1 ? s->human : s->plural}, {"x", most ? "highest" : "lowest"},
            {"f", GEN_FILL(g, sum ? "[total|combined]" : "[average|mean]", {0})},
            {"c", g->tables[l.child].cols[c].human});
    return true;
}

typedef struct {
    link near; /* child -> middle */
    link far;  /* middle -> end */
    const char *from;
} chain;

static bool pick_chain(db_gen *g, chain *c)
{
    if (!pick_link(g, &c->near))
        return false;
    c->far.child = c->near.parent;
    c->far.fk = gen_fk(g, c->far.child, NULL);
    if (c->far.fk < 0)
        return false;
    const db_fk *f = &g->s->tables[c->far.child].fks[c->far.fk];
    c->far.parent = f->ref_table;
    if (c->far.parent == c->near.child)
        return false;
    c->far.P = g->tables[c->far.parent].many;
    c->far.C = g->tables[c->far.child].many;
    c->far.ref = gen_ref_name(g, c->far.child, c->far.fk);
    c->from = gen_fmt(g, "%s JOIN %s ON %s = %s", c->near.join, gen_tab(g, c->far.parent),
                      gen_col(g, c->far.child, f->column, true),
                      gen_col(g, c->far.parent, f->ref_column, true));
    return true;
}

static bool two_steps(db_gen *g, db_draft *d, bool sum)
{
    static const char *const count[] = {
        "How many {T} {w} are there?",       "=the number of {T} {w}",
        "[Count|Please count] the {T} {w}.", "How many {T} {w} do we have?",
        "=the [total |]count of {T} {w}",    "I [need|want] the number of {T} {w}.",
    };
    static const char *const total[] = {
        "=the {f} {c} of {T} {w}",
        "What {f} {c} do the {T} {w} have?",
        "[Compute|Calculate] the {f} {c} of {T} {w}.",
        "=the {f} {c} over the {T} {w}",
        "For {T} {w}, what is the {f} {c}?",
        "I [need|want] the {f} {c} of {T} {w}.",
    };
    chain ch;
    db_cond w;
    if (!pick_chain(g, &ch) || !gen_cond(g, ch.far.parent, COND_COMMON | COND_KEY, -1, true, &w))
        return false;
    int c = gen_column(g, ch.near.child, COL_NUMBER, -1);
    if (sum && c < 0)
        return false;
    bool avg = gen_chance(g, 35);
    const char *expr =
        sum ? gen_fmt(g, "%s(%s)", avg ? "AVG" : "SUM", gen_col(g, ch.near.child, c, true))
            : "COUNT(*)";
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s", expr, ch.from, w.sql);
    d->think = gen_fmt(g, "%s of %s through %s to %s where %s", expr, gen_tab(g, ch.near.child),
                       gen_tab(g, ch.near.parent), gen_tab(g, ch.far.parent), w.sql);
    const char *words = GEN_FILL(
        g,
        "[whose {m}'s {e}'s {p}|where the {e} of the {m} has [a(n) |]{p2}|of {M} whose {e}'s "
        "{p}|of {M} of {E} {q}]",
        {"m", ch.near.ref}, {"M", ch.near.P}, {"e", ch.far.ref}, {"E", ch.far.P}, {"p", w.pred},
        {"p2", gen_fmt(g, "the property that the %s", w.pred)}, {"q", w.post});
    if (strstr(words, "the property")) /* clumsy: say it plainly */
        words = GEN_FILL(g, "where the {e} of the {m} is one {q}", {"m", ch.near.ref},
                         {"e", ch.far.ref}, {"q", w.post});
    gen_say(g, d, sum ? total : count, 6,
            (phrase_slot[]){{"T", ch.near.C},
                            {"w", words},
                            {"f", avg ? "average" : "total"},
                            {"c", c < 0 ? "" : g->tables[ch.near.child].cols[c].human},
                            {0}});
    return true;
}
static bool two_steps_count(db_gen *g, db_draft *d)
{
    return two_steps(g, d, false);
}
static bool two_steps_total(db_gen *g, db_draft *d)
{
    return two_steps(g, d, true);
}

/* Items ranked by what they belong to (their product) through a total, dated by something else that
 * they belong to (their order). */
typedef struct {
    link items;
    db_cond when; /* on `dated` */
    int dated, column, k;
    const char *n, *subject; /* "three", "three products" */
} dated_ranking;

static bool is_quantity(const char *name)
{
    static const char *const words[] = {"quantity", "qty", "units", "portions", "copies"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(name, words[i]))
            return true;
    return false;
}

/* The column that counts pieces; -1: none. */
static int quantity_column(const db_table *t)
{
    for (int c = 0; c < t->n_columns; c++)
        if (is_quantity(t->columns[c].name))
            return c;
    return -1;
}

/* A table with two parents, one to rank and one with dates; quantities: and a count of pieces. */
static bool pick_items(db_gen *g, bool quantities, link *a, link *b)
{
    for (int tries = 0; tries < 24; tries++) {
        if (!pick_link(g, a))
            return false;
        b->child = a->child;
        b->fk = gen_fk(g, a->child, NULL);
        if (b->fk >= 0 && b->fk != a->fk &&
            (!quantities || quantity_column(&g->s->tables[a->child]) >= 0))
            return true;
    }
    return false;
}

static bool make_dated_ranking(db_gen *g, db_draft *d, bool quantities, dated_ranking *o)
{
    link *a = &o->items, b;
    if (!pick_items(g, quantities, a, &b))
        return false;
    const db_fk *f = &g->s->tables[b.child].fks[b.fk];
    o->dated = f->ref_table;
    o->column = quantities ? quantity_column(&g->s->tables[a->child])
                           : gen_column(g, a->child, COL_NUMBER, -1);
    if (o->dated == a->parent || o->column < 0 ||
        !gen_cond(g, o->dated, COND_MONTH | COND_YEAR | (quantities ? 0 : COND_EQ), -1, true,
                  &o->when))
        return false;
    const char *from =
        gen_fmt(g, "%s JOIN %s ON %s = %s", a->join, gen_tab(g, o->dated),
                gen_col(g, b.child, f->column, true), gen_col(g, o->dated, f->ref_column, true));
    o->k = gen_chance(g, 40) ? 1 : 2 + gen_below(g, 4);
    const char *expr = gen_fmt(g, "SUM(%s)", gen_col(g, a->child, o->column, true));
    if (!best_parents(g, d, a, from, gen_fmt(g, " WHERE %s", o->when.sql), expr, true, o->k))
        return false;
    const char *one = g->tables[a->parent].one;
    o->n = o->k == 1 ? "one" : gen_chance(g, 60) ? number_words[o->k] : gen_fmt(g, "%d", o->k);
    o->subject = o->k == 1 ? one : gen_fmt(g, "%s %s", o->n, a->P);
    return true;
}

static bool best_in_period(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "Which {R} the [highest|largest|biggest] total {c} of {C} {w}?",
        "=the {s} of the {kr} with the [highest|largest] total {c} of {C} {w}",
        ("[Rank|Order] the {P} by the total {c} of their {C} {w}, and give the {s} of the first "
         "{n}."),
        "Which {kr} did best by total {c} of {C} {w}? Give the {s}.",
        "Which {kr} sold best by total {c} in {C} {w}?",
        "[Find|Show|Tell me] the {kr} with the most {c} in total, counting {C} {w} ({s}).",
    };
    dated_ranking o;
    if (!make_dated_ranking(g, d, false, &o))
        return false;
    const link *a = &o.items;
    const db_column_terms *s = &g->tables[a->parent].cols[g->tables[a->parent].label];
    GEN_SAY(g, d, say, {"C", a->C}, {"P", a->P}, {"n", o.n},
            {"R", gen_fmt(g, "%s %s", o.subject, o.k == 1 ? "has" : "have")}, {"kr", o.subject},
            {"s", o.k == 1 ? s->human : s->plural}, {"c", g->tables[a->child].cols[o.column].human},
            {"w", GEN_FILL(g, "[of|from|in] {O} {q}", {"O", g->tables[o.dated].many},
                           {"q", o.when.post})});
    return true;
}

/* "Which three products sold best in May?" */
static bool sold_best(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "Which {kr} sold [best|most] in {p}?",
        "[Name|Show|List] the {kr} that sold [best|most] in {p}.",
        "{R} best-selling {kp} [in|of] {p}?",
        "[In|During|For] {p}, which {kr} sold [best|most]?",
    };
    dated_ranking o;
    if (!make_dated_ranking(g, d, true, &o))
        return false;
    GEN_SAY(g, d, say, {"kr", o.subject}, {"p", o.when.period},
            {"R", o.k == 1 ? "What was the" : gen_fmt(g, "What were the %s", o.n)},
            {"kp", o.k == 1 ? o.subject : o.items.P});
    return true;
}

const db_family db_families_join[] = {
    {"join_count", 4, join_count},
    {"join_count_two", 2, join_count_two},
    {"join_list", 3, join_list},
    {"join_lookup", 3, join_lookup},
    {"join_value", 3, join_value},
    {"join_group", 2, join_group},
    {"most_children", 3, most_children},
    {"best_children", 3, best_children},
    {"two_steps_count", 2, two_steps_count},
    {"two_steps_total", 2, two_steps_total},
    {"best_in_period", 3, best_in_period},
    {"sold_best", 3, sold_best},
    {0},
};
