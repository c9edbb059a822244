/* env/db/families_reach.c - question families that reach over foreign keys for a look-up or a list:
 * the customer of a payment's order, which customers placed orders in May. */
#include "env/db/tasks.h"
#include <string.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))

typedef struct {
    int child, fk, parent;
    const char *from, *ref; /* "a JOIN b ON ...", "customer" */
} edge;

static bool pick_edge(db_gen *g, int child, edge *e)
{
    e->child = child;
    e->fk = gen_fk(g, child, child < 0 ? &e->child : NULL);
    if (e->fk < 0)
        return false;
    e->parent = g->s->tables[e->child].fks[e->fk].ref_table;
    e->from = gen_join(g, e->child, e->fk);
    e->ref = gen_ref_name(g, e->child, e->fk);
    return true;
}

/* "payment 17", "the product Alba Mug": a row of t by its key or its name; its condition in *sql.
 */
static const char *named_row(db_gen *g, int t, const char **sql)
{
    int key = g->tables[t].label >= 0 && gen_chance(g, 60) ? g->tables[t].label : g->tables[t].key;
    const char *v = key < 0 ? NULL : gen_value(g, t, key);
    if (!v)
        return NULL;
    *sql = gen_fmt(g, "%s = %s", gen_col(g, t, key, true), gen_literal(g, t, key, v));
    return GEN_FILL(g,
                    key == g->tables[t].key ? "[{t} {v}|{t} number {v}|the {t} with {k} {v}|{t} "
                                              "#{v}]"
                                            : "[{v}|{v}|the {t} {v}|the {t} called {v}]",
                    {"t", g->tables[t].one}, {"v", gen_say_value(g, t, key, v)},
                    {"k", g->tables[t].cols[key].human});
}

/* Over two keys: "the city of the customer of the order of payment 17". */
static bool far_lookup(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the {s} of the {f} of the {n} of {x}",
        "{x}: what is the {s} of its {n}'s {f}?",
        "=the {s} of the {f} that the {n} of {x} belongs to",
        "[Look up|Find] the {n} of {x}, then its {f}, and give the {s}.",
        "Which {s} has the {f} of {x}'s {n}?",
        "=the {s} of the {f} behind {x}",
    };
    edge near, far;
    const char *cond;
    if (!pick_edge(g, -1, &near) || !pick_edge(g, near.parent, &far) || far.parent == near.child)
        return false;
    int shown = gen_column(g, far.parent, 255 - COL_OTHER - COL_ID, -1);
    const char *x = shown < 0 ? NULL : named_row(g, near.child, &cond);
    if (!x)
        return false;
    const db_fk *f = &g->s->tables[far.child].fks[far.fk];
    const char *name = gen_col(g, far.parent, shown, true);
    d->n_rows = 1;
    d->sql = gen_fmt(g, "SELECT %s FROM %s JOIN %s ON %s = %s WHERE %s", name, near.from,
                     gen_tab(g, far.parent), gen_col(g, far.child, f->column, true),
                     gen_col(g, far.parent, f->ref_column, true), cond);
    d->think = gen_fmt(g, "%s joined with %s and %s where %s", name, gen_tab(g, near.child),
                       gen_tab(g, near.parent), cond);
    GEN_SAY(g, d, say, {"s", g->tables[far.parent].cols[shown].human}, {"f", far.ref},
            {"n", near.ref}, {"x", x});
    return true;
}

/* Two facts of the row that another one refers to. */
static bool near_lookup(db_gen *g, db_draft *d)
{
    static const char *const one[] = {
        "Who or what is the {r} of {x}? [Give|Tell me] the {s}.",
        "=the {s} of {x}'s {r}",
        "Which {r} does {x} [have|belong to]? [Give|Show] its {s}.",
        "=the {s} of the {r} [for|of|behind] {x}",
        "{x} has which {r} {s}?",
        "[I have|Take] {x}. What is the {s} of its {r}?",
    };
    static const char *const two[] = {
        "+the {s} and {e} of the {r} of {x}",
        "=the {s} and the {e} of {x}'s {r}",
        "For {x}, [give|show] me its {r}'s {s} and {e}.",
        "Which {s} and {e} does the {r} of {x} have?",
    };
    edge l;
    const char *cond;
    if (!pick_edge(g, -1, &l))
        return false;
    int s = gen_column(g, l.parent, 255 - COL_OTHER - COL_ID, -1),
        e = gen_column(g, l.parent, 255 - COL_OTHER - COL_ID, s);
    const char *x = s < 0 ? NULL : named_row(g, l.child, &cond);
    bool both = e >= 0 && gen_chance(g, 35);
    if (!x)
        return false;
    const char *cols = gen_col(g, l.parent, s, true);
    if (both)
        cols = gen_fmt(g, "%s, %s", cols, gen_col(g, l.parent, e, true));
    d->n_rows = 1;
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s", cols, l.from, cond);
    d->think = gen_fmt(g, "%s joined with %s where %s", cols, gen_tab(g, l.child), cond);
    gen_say(g, d, both ? two : one, both ? LEN(two) : LEN(one),
            (phrase_slot[]){{"s", g->tables[l.parent].cols[s].human},
                            {"e", both ? g->tables[l.parent].cols[e].human : ""},
                            {"r", l.ref},
                            {"x", x},
                            {0}});
    return true;
}

/* "Which customers have orders placed in May?", each once, or how many of them. */
static bool parents_of(db_gen *g, db_draft *d)
{
    static const char *const list[] = {
        "Which {P} have {C} {w}?",
        "+the {ss} of the {P} [with|that have] {C} {w}",
        "[For|To] which {P} [are|do] there {C} {w}?",
        "Which {r} {ss} [occur|appear] [among|in] the {C} {w}?",
        "[List|Name|Show] the {P} [of|behind|for] the {C} {w}, each once.",
        "+the [different|distinct] {P} of [the |]{C} {w}",
    };
    static const char *const count[] = {
        "How many [different|distinct] {P} have {C} {w}?",
        "=the number of [different|distinct] {P} with {C} {w}",
        "How many [different|distinct] {P} [occur|appear] among the {C} {w}?",
        "[Count|Please count] the [different|distinct] {P} of the {C} {w}.",
    };
    edge l;
    db_cond w;
    bool counted = gen_chance(g, 35);
    if (!pick_edge(g, -1, &l) || g->tables[l.parent].label < 0 ||
        !gen_cond(g, l.child, COND_COMMON | COND_DAYS | COND_RANGE, -1, !counted, &w))
        return false;
    const db_column_terms *s = &g->tables[l.parent].cols[g->tables[l.parent].label];
    const db_fk *f = &g->s->tables[l.child].fks[l.fk];
    if (w.column == f->column)
        return false;
    const char *key = gen_col(g, l.child, f->column, false),
               *name = gen_col(g, l.parent, g->tables[l.parent].label, true);
    d->sql = counted ? gen_fmt(g, "SELECT COUNT(DISTINCT %s) FROM %s WHERE %s", key,
                               gen_tab(g, l.child), w.sql)
                     : gen_fmt(g, "SELECT DISTINCT %s FROM %s WHERE %s", name, l.from, w.sql);
    d->think = counted
                   ? gen_fmt(g, "count distinct %s of %s where %s", key, gen_tab(g, l.child), w.sql)
                   : gen_fmt(g, "list distinct %s joined with %s where %s", name,
                             gen_tab(g, l.child), w.sql);
    gen_say(g, d, counted ? count : list, counted ? LEN(count) : LEN(list),
            (phrase_slot[]){{"P", g->tables[l.parent].many},
                            {"C", g->tables[l.child].many},
                            {"r", l.ref},
                            {"ss", s->plural},
                            {"w", w.post},
                            {0}});
    return true;
}

/* A column of each row beside its parent's name. */
static bool with_parent(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "+the {cs} of the {C} {w}, each with the {s} of its {r}",
        "[List|Show] the {C} {w} with their {c} and the {r}'s {s}.",
        "For [each of |]the {C} {w}, [give|show] the {c} and the {s} of the {r}.",
        "+{c} and {r} {s} of the {C} {w}",
    };
    edge l;
    db_cond w;
    if (!pick_edge(g, -1, &l) || g->tables[l.parent].label < 0 ||
        !gen_cond(g, l.child, COND_COMMON | COND_DAYS, -1, true, &w))
        return false;
    int c = gen_chance(g, 50) ? gen_shown(g, l.child)
                              : gen_column(g, l.child, COL_NUMBER | COL_DATE | COL_TEXT, w.column);
    if (c < 0 || c == w.column)
        return false;
    const char *cols = gen_fmt(g, "%s, %s", gen_col(g, l.child, c, true),
                               gen_col(g, l.parent, g->tables[l.parent].label, true));
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s", cols, l.from, w.sql);
    d->think = gen_fmt(g, "%s joined with %s where %s", cols, gen_tab(g, l.parent), w.sql);
    GEN_SAY(g, d, say, {"C", g->tables[l.child].many}, {"c", g->tables[l.child].cols[c].human},
            {"cs", g->tables[l.child].cols[c].plural},
            {"s", g->tables[l.parent].cols[g->tables[l.parent].label].human}, {"r", l.ref},
            {"w", w.post});
    return true;
}

/* The best row of those that belong to a named parent: "the most expensive product of Acme". */
static bool best_of_parent(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "Which {c1} of {P} {x} has the {m} {n}?",
        "=the {s} of the {c1} with the {m} {n} [of|for|among those of] {P} {x}",
        "[Of|Among] the {C} of {P} {x}, which has the {m} {n}?",
        "=the {c1} of {P} {x} with the {m} {n}",
    };
    edge l;
    if (!pick_edge(g, -1, &l))
        return false;
    int label = g->tables[l.parent].label, shown = gen_shown(g, l.child),
        n = gen_column(g, l.child, COL_NUMBER, shown);
    const char *v = label < 0 || n < 0 || shown < 0 ? NULL : gen_value(g, l.parent, label);
    if (!v)
        return false;
    bool most = gen_chance(g, 65);
    const char *cond = gen_fmt(g, "%s = %s", gen_col(g, l.parent, label, true),
                               gen_literal(g, l.parent, label, v)),
               *num = gen_col(g, l.child, n, true), *name = gen_col(g, l.child, shown, true),
               *dir = most ? " DESC" : "";
    if (!most && g->tables[l.child].cols[n].n_null)
        return false;
    d->top = d->n_rows = 1;
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s ORDER BY %s%s LIMIT 1", name, l.from, cond, num,
                     dir);
    d->rank_sql =
        gen_fmt(g, "SELECT %s FROM %s WHERE %s ORDER BY %s%s LIMIT 2", num, l.from, cond, num, dir);
    d->think = gen_fmt(g, "%s joined with %s where %s, order by %s%s, first 1", name,
                       gen_tab(g, l.parent), cond, num, dir);
    GEN_SAY(g, d, say, {"c1", g->tables[l.child].one}, {"C", g->tables[l.child].many}, {"P", l.ref},
            {"x", gen_say_value(g, l.parent, label, v)},
            {"s", g->tables[l.child].cols[shown].human}, {"n", g->tables[l.child].cols[n].human},
            {"m", most ? GEN_FILL(g, "[highest|largest|greatest]", {0})
                       : GEN_FILL(g, "[lowest|smallest]", {0})});
    return true;
}

const db_family db_families_reach[] = {
    {"far_lookup", 3, far_lookup},         {"near_lookup", 4, near_lookup},
    {"parents_of", 4, parents_of},         {"with_parent", 2, with_parent},
    {"best_of_parent", 2, best_of_parent}, {0},
};
