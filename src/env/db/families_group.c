/* env/db/families_group.c - question families with GROUP BY and HAVING. */
#include "env/db/tasks.h"
#include <string.h>

typedef struct {
    int t, by;
    const char *tab, *by_sql, *where, *think, *T, *by_one, *by_many;
} grouping;

/* A table, a column of few values to group by, perhaps a condition. */
static bool pick_grouping(db_gen *g, int max_groups, int percent, grouping *p)
{
    p->t = gen_table(g, false);
    p->by = gen_column(g, p->t, COL_CATEGORY | COL_FLAG, -1);
    if (p->by < 0)
        return false;
    const db_column_terms *c = &g->tables[p->t].cols[p->by];
    if (c->n_distinct < 2 || c->n_distinct > max_groups || c->n_null)
        return false;
    p->tab = gen_tab(g, p->t);
    p->by_sql = gen_col(g, p->t, p->by, false);
    p->by_one = c->human;
    p->by_many = c->plural;
    p->where = p->think = "";
    p->T = g->tables[p->t].many;
    db_cond w;
    if (gen_chance(g, percent) && gen_cond(g, p->t, COND_COMMON, p->by, false, &w)) {
        p->where = gen_fmt(g, " WHERE %s", w.sql);
        p->think = gen_fmt(g, " where %s", w.sql);
        p->T = gen_fmt(g, "%s %s", p->T, w.post);
    }
    return true;
}

static bool group_count(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "How many {T} are there [for|of|in] each {b}?",
        "=the number of {T} [per|by|for each|for every] {b}",
        "[Count|Please count] [the |]{T} [per|by|for each] {b}.",
        "+the {bs} of the {T}, each with [the|its] number of {T}",
        "[Group|Break down] the {T} by {b} and [count them|give the counts].",
        "For each {b}, how many {T} [are there|do we have]?",
    };
    grouping p;
    if (!pick_grouping(g, 20, 70, &p))
        return false;
    d->sql =
        gen_fmt(g, "SELECT %s, COUNT(*) FROM %s%s GROUP BY %s", p.by_sql, p.tab, p.where, p.by_sql);
    d->think = gen_fmt(g, "count %s%s per %s", p.tab, p.think, p.by_sql);
    GEN_SAY(g, d, say, {"T", p.T}, {"b", p.by_one}, {"bs", p.by_many});
    return true;
}

static bool group_value(db_gen *g, db_draft *d, const char *function, const char *word)
{
    static const char *const say[] = {
        "=the {f} {c} of {T} [per|by|for each|for every] {b}",
        "For each {b}, what is the {f} {c} of [the |]{T}?",
        "What {f} {c} do the {T} have [per|by|in each] {b}?",
        "+the {bs} of the {T}, each with the {f} {c}",
        ("[Group|Break down] the {T} by {b} and [give|show|compute] the {f} {c}[ of each| of each "
         "group|]."),
        "[Show|Give me|List] [each|every] {b} with the {f} {c} of its {T}.",
    };
    grouping p;
    if (!pick_grouping(g, 20, 50, &p))
        return false;
    int c = gen_column(g, p.t, COL_NUMBER, p.by);
    if (c < 0)
        return false;
    const char *name = gen_col(g, p.t, c, false);
    d->sql = gen_fmt(g, "SELECT %s, %s(%s) FROM %s%s GROUP BY %s", p.by_sql, function, name, p.tab,
                     p.where, p.by_sql);
    d->think = gen_fmt(g, "%s of %s in %s%s per %s", function, name, p.tab, p.think, p.by_sql);
    GEN_SAY(g, d, say, {"T", p.T}, {"b", p.by_one}, {"bs", p.by_many},
            {"f", GEN_FILL(g, word, {0})}, {"c", g->tables[p.t].cols[c].human});
    return true;
}
static bool group_sum(db_gen *g, db_draft *d)
{
    return group_value(g, d, "SUM", "[total|summed|combined]");
}
static bool group_avg(db_gen *g, db_draft *d)
{
    return group_value(g, d, "AVG", "[average|mean]");
}
static bool group_max(db_gen *g, db_draft *d)
{
    return group_value(g, d, "MAX", "[highest|maximum|largest]");
}
static bool group_min(db_gen *g, db_draft *d)
{
    return group_value(g, d, "MIN", "[lowest|minimum|smallest]");
}

static bool best_group(db_gen *g, db_draft *d, const char *expr, const char *think, bool most,
                       const grouping *p)
{
    const char *dir = most ? " DESC" : "";
    d->top = 1;
    d->n_rows = 1;
    d->sql = gen_fmt(g, "SELECT %s FROM %s%s GROUP BY %s ORDER BY %s%s LIMIT 1", p->by_sql, p->tab,
                     p->where, p->by_sql, expr, dir);
    d->rank_sql = gen_fmt(g, "SELECT %s FROM %s%s GROUP BY %s ORDER BY %s%s LIMIT 2", expr, p->tab,
                          p->where, p->by_sql, expr, dir);
    d->think = gen_fmt(g, "%s of %s%s with the %s %s", p->by_sql, p->tab, p->think,
                       most ? "most" : "least", think);
    return true;
}

static bool most_common(db_gen *g, db_draft *d)
{
    static const char *const most[] = {
        "Which {b} has the [most|largest number of|highest number of] {T}?",
        "=the {b} with the [most|largest number of] {T}",
        "=the most [common|frequent] {b} [of|among] [the |]{T}",
        "What is the {b} of the most {T}?",
        "Which {b} [occurs|appears] most often among [the |]{T}?",
        "Most {T} have which {b}?",
    };
    static const char *const least[] = {
        "Which {b} has the [fewest|smallest number of|lowest number of] {T}?",
        "=the {b} with the [fewest|smallest number of] {T}",
        "=the least [common|frequent] {b} [of|among] [the |]{T}",
        "=the rarest {b} [of|among] [the |]{T}",
        "Which {b} [occurs|appears] least often among [the |]{T}?",
        "What is the {b} that the fewest {T} have?",
    };
    grouping p;
    bool many = gen_chance(g, 70);
    if (!pick_grouping(g, 60, 70, &p))
        return false;
    best_group(g, d, "COUNT(*)", "rows", many, &p);
    gen_say(g, d, many ? most : least, 6, (phrase_slot[]){{"T", p.T}, {"b", p.by_one}, {0}});
    return true;
}

static bool best_total(db_gen *g, db_draft *d, const char *function, const char *word)
{
    static const char *const say[] = {
        "Which {b} has the {x} {f} {c} of {T}?",
        "=the {b} [with|that has] the {x} {f} {c} [of|over its|among] {T}",
        "[Of all {bs}, which|Which] [one |]has the {x} {f} {c} of {T}, by {b}?",
        "For which {b} is the {f} {c} of {T} [the |]{x}?",
        "[Group|Compare] the {T} by {b}: which {b} has the {x} {f} {c}?",
        "Tell me which {b} has the {x} {f} {c} [among|of] the {T}.",
    };
    grouping p;
    if (!pick_grouping(g, 60, 50, &p))
        return false;
    int c = gen_column(g, p.t, COL_NUMBER, p.by);
    if (c < 0)
        return false;
    bool most = gen_chance(g, 70);
    const char *expr = gen_fmt(g, "%s(%s)", function, gen_col(g, p.t, c, false));
    best_group(g, d, expr, expr, most, &p);
    GEN_SAY(g, d, say, {"T", p.T}, {"b", p.by_one}, {"bs", p.by_many},
            {"f", GEN_FILL(g, word, {0})}, {"c", g->tables[p.t].cols[c].human},
            {"x", most ? "highest" : "lowest"});
    return true;
}
static bool best_sum(db_gen *g, db_draft *d)
{
    return best_total(g, d, "SUM", "[total|combined]");
}
static bool best_avg(db_gen *g, db_draft *d)
{
    return best_total(g, d, "AVG", "[average|mean]");
}

static bool having_count(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "Which {bs} have {w} {n} {T}?",
        "+the {bs} [with|that have] {w} {n} {T}",
        "+all {bs} that [occur|appear] in {w} {n} {T}",
        "For which {bs} are there {w} {n} {T}?",
        "[Group|Count] the {T} by {b} and [list|give] the {bs} with {w} {n} of them.",
        "Which {bs} [occur|appear] {w} {n} times among the {T}?",
    };
    grouping p;
    if (!pick_grouping(g, 60, 40, &p))
        return false;
    const char *pick = gen_fmt(g, "SELECT COUNT(*) FROM %s%s GROUP BY %s LIMIT 1 OFFSET %d", p.tab,
                               p.where, p.by_sql, gen_below(g, 6));
    double n = gen_double(g, pick);
    if (n < 2)
        return false;
    bool more = gen_chance(g, 70);
    d->sql = gen_fmt(g, "SELECT %s FROM %s%s GROUP BY %s HAVING COUNT(*) %s %.0f", p.by_sql, p.tab,
                     p.where, p.by_sql, more ? ">" : "<", n);
    d->think = gen_fmt(g, "%s of %s%s with %s than %.0f rows", p.by_sql, p.tab, p.think,
                       more ? "more" : "fewer", n);
    GEN_SAY(g, d, say, {"T", p.T}, {"b", p.by_one}, {"bs", p.by_many}, {"n", gen_fmt(g, "%.0f", n)},
            {"w", more ? GEN_FILL(g, "[more than|over]", {0})
                       : GEN_FILL(g, "[fewer than|less than]", {0})});
    return true;
}

static bool having_value(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "Which {bs} have a(n) {f} {c} [above|over|of more than] {n} [among|over] the {T}?",
        "+the {bs} of {T} with a(n) {f} {c} [above|over|greater than] {n}",
        "For which {bs} is the {f} {c} of {T} [above|over|more than|higher than] {n}?",
        ("[Group|Compare] the {T} by {b} and [list|give] the {bs} whose {f} {c} is [above|over] "
         "{n}."),
        "+all {bs} whose {T} have a(n) {f} {c} [above|higher than] {n}",
        "Which {bs} of {T} reach a(n) {f} {c} of more than {n}?",
    };
    grouping p;
    if (!pick_grouping(g, 60, 30, &p))
        return false;
    int c = gen_column(g, p.t, COL_NUMBER, p.by);
    if (c < 0)
        return false;
    bool sum = gen_chance(g, 50);
    const char *name = gen_col(g, p.t, c, false), *f = sum ? "SUM" : "AVG";
    double x = gen_double(g, gen_fmt(g, "SELECT %s(%s) FROM %s%s GROUP BY %s LIMIT 1 OFFSET %d", f,
                                     name, p.tab, p.where, p.by_sql, gen_below(g, 5)));
    double step = x > 1000 ? 100 : x > 100 ? 10 : 1;
    x = step * (double)(long long)(x / step);
    if (x <= 0)
        return false;
    d->sql = gen_fmt(g, "SELECT %s FROM %s%s GROUP BY %s HAVING %s(%s) > %.0f", p.by_sql, p.tab,
                     p.where, p.by_sql, f, name, x);
    d->think = gen_fmt(g, "%s of %s%s with %s(%s) > %.0f", p.by_sql, p.tab, p.think, f, name, x);
    GEN_SAY(g, d, say, {"T", p.T}, {"b", p.by_one}, {"bs", p.by_many}, {"n", gen_fmt(g, "%.0f", x)},
            {"f", GEN_FILL(g, sum ? "[total|combined]" : "[average|mean]", {0})},
            {"c", g->tables[p.t].cols[c].human});
    return true;
}

static bool group_year(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "How many {T} are there [per|for each|in each] {u} of {c}?",
        "=the number of {T} [per|by|for each] {u} of [the |]{c}",
        "[Count|Please count] [the |]{T} [per|by|for each] {u} ({c}).",
        "[Group|Break down] the {T} by the {u} of the {c} and count them.",
        "For each {u} of {c}, how many {T} [are there|do we have]?",
        "+the {u}s of {c}, each with [the|its] number of {T}",
    };
    int t = gen_table(g, false), c = gen_column(g, t, COL_DATE, -1);
    if (c < 0 || g->tables[t].cols[c].n_null)
        return false;
    db_cond w;
    bool month = gen_chance(g, 40),
         cond = gen_cond(g, t, month ? COND_YEAR : COND_COMMON, month ? -1 : c, false, &w);
    if (month && (!cond || w.column != c))
        return false;
    cond = cond && (month || gen_chance(g, 70));
    const char *key = gen_fmt(g, "SUBSTR(%s, 1, %d)", gen_col(g, t, c, false), month ? 7 : 4);
    d->sql = gen_fmt(g, "SELECT %s, COUNT(*) FROM %s%s%s GROUP BY %s", key, gen_tab(g, t),
                     cond ? " WHERE " : "", cond ? w.sql : "", key);
    d->think = gen_fmt(g, "count %s%s%s per %s of %s", gen_tab(g, t), cond ? " where " : "",
                       cond ? w.sql : "", month ? "month" : "year", gen_col(g, t, c, false));
    GEN_SAY(g, d, say,
            {"T", cond ? gen_fmt(g, "%s %s", g->tables[t].many, w.post) : g->tables[t].many},
            {"u", month ? "month" : "year"}, {"c", g->tables[t].cols[c].human});
    return true;
}

const db_family db_families_group[] = {
    {"group_count", 4, group_count},   {"group_sum", 3, group_sum},
    {"group_average", 3, group_avg},   {"group_max", 1, group_max},
    {"group_min", 1, group_min},       {"most_common", 3, most_common},
    {"best_sum", 2, best_sum},         {"best_average", 2, best_avg},
    {"having_count", 3, having_count}, {"having_value", 2, having_value},
    {"group_period", 2, group_year},   {0},
};
