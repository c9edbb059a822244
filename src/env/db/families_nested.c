/* env/db/families_nested.c - question families with a query inside a query. */
#include "env/db/tasks.h"
#include <string.h>

static bool above_average(db_gen *g, db_draft *d)
{
    static const char *const count[] = {
        "How many {T} have a(n) {c} {x} [the average|average]?",
        "=the number of {T} [whose {c} is {x} the average|with a(n) {c} {x} the average]",
        "[Count|Please count] the {T} with a(n) {x}-average {c}.",
        "How many {T} are {x} the average {c} of all {T}?",
        "=the count of {T} whose {c} is {x} the mean {c}",
        "How many of the {T} lie {x} the average in {c}?",
    };
    static const char *const list[] = {
        "+the {ss} of [the |all |]{T} whose {c} is {x} the average",
        "Which {T} have a(n) {c} {x} the average? [Give|List] the {ss}.",
        "+the {ss} of {T} with a(n) {x}-average {c}",
        "[List|Show] the {T} {x} the average {c} by {s}.",
        "What are the {ss} of the {T} with a(n) {c} {x} the mean?",
        "For {T} whose {c} is {x} the mean {c}, [list|give] the {ss}.",
    };
    int t = gen_table(g, false), c = gen_column(g, t, COL_NUMBER, -1), shown = gen_shown(g, t);
    if (c < 0 || shown < 0 || g->tables[t].cols[c].n_distinct < 5)
        return false;
    bool above = gen_chance(g, 60), counted = gen_chance(g, 60);
    const char *name = gen_col(g, t, c, false), *tab = gen_tab(g, t), *where = "", *post = "";
    db_cond w;
    if (gen_chance(g, counted ? 60 : 90) && gen_cond(g, t, COND_COMMON, c, false, &w)) {
        where = gen_fmt(g, " AND %s", w.sql);
        post = gen_fmt(g, " %s", w.post);
    }
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s %s (SELECT AVG(%s) FROM %s)%s",
                     counted ? "COUNT(*)" : gen_col(g, t, shown, false), tab, name,
                     above ? ">" : "<", name, tab, where);
    d->think =
        gen_fmt(g, "%s %s where %s is %s AVG(%s)%s", counted ? "count" : "list", tab, name,
                above ? "over" : "under", name, *where ? gen_fmt(g, " and%s", where + 4) : "");
    const db_table_terms *tt = &g->tables[t];
    const char *say[6];
    /* the condition comes last, so that it is not taken for a part of the average */
    for (int i = 0; i < 6; i++)
        say[i] = counted ? count[i] : list[i];
    gen_say(g, d, say, 6,
            (phrase_slot[]){{"T", tt->many},
                            {"c", tt->cols[c].human},
                            {"x", above ? "above" : "below"},
                            {"s", tt->cols[shown].human},
                            {"ss", tt->cols[shown].plural},
                            {0}});
    if (*post) {
        cmat_buf q = {0};
        phrase_fill(&q, &g->rng, " [Only count|Take only|Consider only|Only] {T}{p}.",
                    (phrase_slot[]){{"T", tt->many}, {"p", post}, {0}});
        cmat_buf_puts(&d->text, cmat_buf_str(&q));
        cmat_buf_clear(&q);
    }
    return true;
}

static bool parents_in(db_gen *g, db_draft *d, bool not )
{
    static const char *const with[] = {
        "{how} {P} have [at least one|some|a] {C} {w}?",
        "{how} {P} have {CS} {w}?",
        "{the} {P} [that have|with] [at least one|any|a] {C} {w}",
        "{the} {P} [that have|with] {CS} {w}",
        "{how} {P} have at least one {C} [that is one|] {w}?",
        "{the} {P} for which there is a(n) {C} {w}",
    };
    static const char *const without[] = {
        "{how} {P} have no {CS}{w}?",
        "{how} {P} [do not|don't] have [a single|any] {C}{w}?",
        "{the} {P} [without|that have no|lacking] {CS}{w}",
        "{the} {P} [without|that have not] [any|a single] {C}{w}",
        "{how} {P} are without [any |]{CS}{w}?",
        "{the} {P} for which there is no {C}{w}",
    };
    int child, fk = gen_fk(g, -1, &child);
    if (fk < 0)
        return false;
    const db_fk *f = &g->s->tables[child].fks[fk];
    int t = f->ref_table, shown = gen_shown(g, t);
    db_cond w = {-1, "", "", "", ""};
    bool cond = gen_cond(g, child, COND_COMMON, f->column, false, &w);
    if (shown < 0 || (!cond && !not ))
        return false;
    bool counted = gen_chance(g, 55), null = g->tables[child].cols[f->column].n_null > 0;
    if (not &&(!cond || gen_chance(g, 40))) {
        cond = false;
        w.post = "";
    }
    const char *key = gen_col(g, child, f->column, false),
               *where = cond ? gen_fmt(g, " WHERE %s", w.sql) : "";
    if (not &&null) /* NOT IN with a NULL inside is never true */
        where = gen_fmt(g, "%s%s%s IS NOT NULL", where, cond ? " AND " : " WHERE ", key);
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s %sIN (SELECT %s FROM %s%s)",
                     counted ? "COUNT(*)" : gen_col(g, t, shown, false), gen_tab(g, t),
                     gen_col(g, t, f->ref_column, false), not ? "NOT " : "", key, gen_tab(g, child),
                     where);
    d->think = gen_fmt(g, "%s %s %s in %s%s%s", counted ? "count" : "list", gen_tab(g, t),
                       not ? "not" : "that are", gen_tab(g, child), cond ? " where " : "",
                       cond ? w.sql : "");
    const char *what = gen_fmt(g, "the %s of the", g->tables[t].cols[shown].plural);
    const char *text =
        gen_fill(g, (not ? without : with)[gen_below(g, 6)],
                 (phrase_slot[]){{"how", counted ? "How many" : "Which"},
                                 {"the", counted ? "the number of" : what},
                                 {"P", g->tables[t].many},
                                 {"C", g->tables[child].one},
                                 {"CS", g->tables[child].many},
                                 {"w", cond && not ? gen_fmt(g, " %s", w.post) : w.post},
                                 {0}});
    if (not &&!cond)
        text = gen_fill(g, "{x}", (phrase_slot[]){{"x", text}, {0}});
    bool question = text[strlen(text) - 1] == '?';
    if (question && !counted)
        text = gen_fmt(g, "%s Give the %s.", text, g->tables[t].cols[shown].plural);
    const char *const say[] = {question ? "{x}" : counted ? "={x}" : "+{x}"};
    GEN_SAY(g, d, say, {"x", text});
    return true;
}
static bool parents_with(db_gen *g, db_draft *d)
{
    return parents_in(g, d, false);
}
static bool parents_without(db_gen *g, db_draft *d)
{
    return parents_in(g, d, true);
}

/* All rows that reach the maximum (within a group). */
static bool at_maximum(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "+the {ss} of all {T} [that reach|with|having] the {x} {c} {in}",
        "Which {T} {in} [reach|have] the {x} {c} of all of them? [Give|List] [all |]the {ss}.",
        "+all {T} whose {c} equals the {x} {c} {in} ({ss})",
        "+the {ss} of every {t} {in} whose {c} is the {x} there is",
        "Which {T} {in} share the {x} {c}? Give the {ss}.",
        "[List|Show] the {s} of each {t} {in} that ties for the {x} {c}.",
    };
    int t = gen_table(g, false), c = gen_column(g, t, COL_NUMBER, -1), shown = gen_shown(g, t);
    if (c < 0 || shown < 0 || g->tables[t].cols[c].n_distinct < 3)
        return false;
    db_cond w;
    if (!gen_cond(g, t, COND_EQ, c, false, &w))
        return false;
    bool max = gen_chance(g, 65);
    const char *tab = gen_tab(g, t), *name = gen_col(g, t, c, false), *f = max ? "MAX" : "MIN";
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s AND %s = (SELECT %s(%s) FROM %s WHERE %s)",
                     gen_col(g, t, shown, false), tab, w.sql, name, f, name, tab, w.sql);
    d->think = gen_fmt(g, "list %s of %s where %s and %s is %s(%s) there",
                       gen_col(g, t, shown, false), tab, w.sql, name, f, name);
    GEN_SAY(
        g, d, say, {"T", g->tables[t].many}, {"t", g->tables[t].one},
        {"c", g->tables[t].cols[c].human}, {"s", g->tables[t].cols[shown].human},
        {"ss", g->tables[t].cols[shown].plural},
        {"x", max ? GEN_FILL(g, "[highest|largest]", {0}) : GEN_FILL(g, "[lowest|smallest]", {0})},
        {"in", GEN_FILL(g, "[among those {p}|{p}]", {"p", w.post})});
    return true;
}

static bool percentage(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "What percentage of [the |all |]{T} are {w}?",
        "=the [percentage|share in percent] of {T} {w}",
        "[How many|What] percent of the {T} are {w}?",
        "=the [percentage|percent share] of {T} that are {w}",
        "[Compute|Calculate|Work out] [what percentage|the percentage] of {T} {w}.",
        "Out of all {T}, what percentage are [ones |those ]{w}?",
    };
    int t = gen_table(g, false);
    db_cond w;
    if (!gen_cond(g, t, COND_COMMON | COND_NULL, -1, false, &w))
        return false;
    const char *tab = gen_tab(g, t);
    d->sql = gen_fmt(g, "SELECT 100.0 * COUNT(*) / (SELECT COUNT(*) FROM %s) FROM %s WHERE %s", tab,
                     tab, w.sql);
    d->think = gen_fmt(g, "100 times count of %s where %s over count of all", tab, w.sql);
    GEN_SAY(g, d, say, {"T", g->tables[t].many}, {"w", w.post});
    return gen_double(g, d->sql) > 0;
}

/* "dearer than Alba Mug" */
static bool more_than_row(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "How many {T} have a(n) {x} {c} than {v}?",
        "=the number of {T} with a(n) {x} {c} than {v}",
        "[Count|Please count] the {T} whose {c} is {x} than that of {v}.",
        "How many {T} [beat|differ from] {v} by having a(n) {x} {c}?",
        "=the count of {T} whose {c} is {x} than the {c} of {v}",
        "Compared with {v}, how many {T} have a(n) {x} {c}?",
    };
    int t = gen_table(g, false), c = gen_column(g, t, COL_NUMBER, -1),
        label = t < 0 ? -1 : g->tables[t].label;
    const char *v = c < 0 || label < 0 ? NULL : gen_value(g, t, label);
    if (!v)
        return false;
    const char *tab = gen_tab(g, t), *name = gen_col(g, t, c, false);
    const char *cond =
        gen_fmt(g, "%s = %s", gen_col(g, t, label, false), gen_literal(g, t, label, v));
    if (gen_double(g, gen_fmt(g, "SELECT COUNT(*) FROM %s WHERE %s", tab, cond)) != 1)
        return false;
    bool more = gen_chance(g, 60);
    d->sql = gen_fmt(g, "SELECT COUNT(*) FROM %s WHERE %s %s (SELECT %s FROM %s WHERE %s)", tab,
                     name, more ? ">" : "<", name, tab, cond);
    d->think = gen_fmt(g, "count %s where %s is %s than where %s", tab, name,
                       more ? "more" : "less", cond);
    GEN_SAY(g, d, say, {"T", g->tables[t].many}, {"c", g->tables[t].cols[c].human},
            {"x", more ? "higher" : "lower"}, {"v", gen_say_value(g, t, label, v)});
    return true;
}

const db_family db_families_nested[] = {
    {"above_average", 3, above_average},
    {"parents_with", 3, parents_with},
    {"parents_without", 3, parents_without},
    {"at_maximum", 2, at_maximum},
    {"percentage", 2, percentage},
    {"more_than_row", 2, more_than_row},
    {0},
};
