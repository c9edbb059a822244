/* env/db/families_rank.c - question families of extremes: maxima, sums, averages, first and last
 * rows. */
#include "env/db/tasks.h"
#include <string.h>

typedef struct {
    const char *where, *post, *think; /* " WHERE ...", " with ...", " where ..."; or all empty */
    db_cond c;
} maybe_cond;

/* A condition in `percent` of the cases. */
static maybe_cond maybe(db_gen *g, int t, int percent, int except)
{
    maybe_cond m = {"", "", "", {-1, "", "", "", ""}};
    if (gen_chance(g, percent) && gen_cond(g, t, COND_COMMON, except, false, &m.c)) {
        m.where = gen_fmt(g, " WHERE %s", m.c.sql);
        m.think = gen_fmt(g, " where %s", m.c.sql);
        m.post = gen_fmt(g, " %s", m.c.post);
    }
    return m;
}

static bool aggregate(db_gen *g, db_draft *d, const char *function, int roles,
                      const char *const *say, int n)
{
    int t = gen_table(g, false), c = gen_column(g, t, roles, -1);
    if (c < 0 || g->tables[t].cols[c].n_distinct < 3)
        return false;
    maybe_cond m = maybe(g, t, 75, c);
    const char *name = gen_col(g, t, c, false);
    d->sql = gen_fmt(g, "SELECT %s(%s) FROM %s%s", function, name, gen_tab(g, t), m.where);
    d->think = gen_fmt(g, "%s of %s over %s%s", function, name, gen_tab(g, t), m.think);
    const db_column_terms *col = &g->tables[t].cols[c];
    gen_say(g, d, say, n,
            (phrase_slot[]){{"c", col->human},
                            {"cs", col->plural},
                            {"T", gen_fmt(g, "%s%s", g->tables[t].many, m.post)},
                            {"t", g->tables[t].one},
                            {"p", m.post},
                            {0}});
    return true;
}

static bool agg_max(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the [highest|maximum|largest|biggest|top] {c} [of|among|of all] [the |]{T}",
        "=the [highest|maximum|largest|greatest] {c} of any {t}{p}",
        "How [high|large] is the [highest|largest] {c} [among|of] the {T}?",
        "What [value|figure] is the [highest|largest] {c} [among|of] {T}?",
        "=the maximum of {c} [over|among|for] {T}",
        "[Among|Of] [the |all ]{T}, what is the [highest|largest|maximum] {c}?",
    };
    return aggregate(g, d, "MAX", COL_NUMBER, say, 6);
}

static bool agg_min(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the [lowest|minimum|smallest|least] {c} [of|among|of all] [the |]{T}",
        "=the [lowest|minimum|smallest] {c} of any {t}{p}",
        "How [low|small] is the [lowest|smallest] {c} [among|of] the {T}?",
        "What [value|figure] is the [lowest|smallest] {c} [among|of] {T}?",
        "=the minimum of {c} [over|among|for] {T}",
        "[Among|Of] [the |all ]{T}, what is the [lowest|smallest|minimum] {c}?",
    };
    return aggregate(g, d, "MIN", COL_NUMBER, say, 6);
}

static bool agg_avg(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the [average|mean] {c} [of|among|of all|for] [the |]{T}",
        "=the average of the {cs} of [the |]{T}",
        "[On average, what|What] {c} do {T} have[ on average|, on average]?",
        "[Compute|Calculate|Work out] the [average|mean] {c} [of|for] {T}.",
        "[Averaged over|Over] [the |all ]{T}, what is the [mean |average ]{c}?",
        "How [high|large] is the [average|mean] {c} of {T}?",
    };
    return aggregate(g, d, "AVG", COL_NUMBER, say, 6);
}

static bool agg_sum(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the [total|combined|summed] {c} [of|over|of all|for] [the |]{T}",
        "=the sum of [the {cs}|{c}] [of|over|for] [all |the |]{T}",
        "[Add up|Sum up|Sum] the {c} of [all |the |]{T}.",
        "How much {c} do [the |all the |]{T} [have|make up] [in total|altogether|together]?",
        "What do the {cs} of [the |all ]{T} [add up|come|sum] to?",
        "[Compute|Calculate|Work out] the total {c} [of|for] {T}.",
    };
    return aggregate(g, d, "SUM", COL_NUMBER, say, 6);
}

static bool first_date(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the [earliest|first|oldest] {c} [of|among] [the |all |]{T}",
        "When was the [first|earliest] {c} [of|among] the {T}?",
        "What is the first {c} [that we have |]for {T}?",
        "From when is the [earliest|oldest] {c} of {T}?",
        "[Among|Of] [the |all ]{T}, what is the earliest {c}?",
        "=the minimum {c} of [the |all |]{T}",
    };
    return aggregate(g, d, "MIN", COL_DATE, say, 6);
}

static bool last_date(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the [latest|last|most recent] {c} [of|among] [the |all |]{T}",
        "When was the [last|latest|most recent] {c} [of|among] the {T}?",
        "What is the last {c} [that we have |]for {T}?",
        "From when is the [latest|most recent] {c} of {T}?",
        "[Among|Of] [the |all ]{T}, what is the latest {c}?",
        "=the maximum {c} of [the |all |]{T}",
    };
    return aggregate(g, d, "MAX", COL_DATE, say, 6);
}

static bool spread(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the difference between the [highest|largest] and [the |][lowest|smallest] {c} of [the "
        "|all |]{T}",
        "How far apart are the [highest|largest] and [the |][lowest|smallest] {c} of {T}?",
        "=the [range|spread] of {c} [over|among] [the |all |]{T}, [highest minus lowest|maximum "
        "minus minimum]",
        "[Subtract|Take] the [lowest|minimum] {c} [from|off] the [highest|maximum] one [for|over] "
        "{T}.",
        "By how much does the [highest|largest] {c} of {T} [exceed|surpass] the [lowest|smallest]?",
        "=the gap between the maximum and the minimum {c} of {T}",
    };
    int t = gen_table(g, false), c = gen_column(g, t, COL_NUMBER, -1);
    if (c < 0)
        return false;
    maybe_cond m = maybe(g, t, 75, c);
    const char *name = gen_col(g, t, c, false);
    d->sql = gen_fmt(g, "SELECT MAX(%s) - MIN(%s) FROM %s%s", name, name, gen_tab(g, t), m.where);
    d->think = gen_fmt(g, "MAX minus MIN of %s over %s%s", name, gen_tab(g, t), m.think);
    GEN_SAY(g, d, say, {"c", g->tables[t].cols[c].human},
            {"T", gen_fmt(g, "%s%s", g->tables[t].many, m.post)});
    return true;
}

/* The first k rows by a column. say gets {k} ("three"), {T}, {s} the shown column, {c} the order.
 */
static bool ranked(db_gen *g, db_draft *d, int roles, bool descending, bool one,
                   const char *const *say, int n)
{
    static const char *const words[] = {"", "", "two", "three", "four", "five", "six", "seven"};
    int t = gen_table(g, false), shown = gen_shown(g, t), c = gen_column(g, t, roles, shown);
    if (shown < 0 || c < 0 || g->tables[t].cols[c].n_distinct < 5)
        return false;
    maybe_cond m = maybe(g, t, 75, c);
    int k = one ? 1 : 2 + gen_below(g, 6);
    const char *name = gen_col(g, t, c, false), *dir = descending ? " DESC" : "";
    /* a missing value would be the smallest */
    const char *where = m.where;
    if (!descending && g->tables[t].cols[c].n_null)
        where = *where ? gen_fmt(g, "%s AND %s IS NOT NULL", where, name)
                       : gen_fmt(g, " WHERE %s IS NOT NULL", name);
    d->top = k;
    d->n_rows = k;
    d->sql = gen_fmt(g, "SELECT %s FROM %s%s ORDER BY %s%s LIMIT %d", gen_col(g, t, shown, false),
                     gen_tab(g, t), where, name, dir, k);
    d->rank_sql = gen_fmt(g, "SELECT %s FROM %s%s ORDER BY %s%s LIMIT %d", name, gen_tab(g, t),
                          where, name, dir, k + 1);
    d->think =
        gen_fmt(g, "%s of %s%s, order by %s%s, first %d", gen_col(g, t, shown, false),
                gen_tab(g, t), *where ? gen_fmt(g, " where%s", where + 6) : "", name, dir, k);
    const db_table_terms *terms = &g->tables[t];
    gen_say(g, d, say, n,
            (phrase_slot[]){{"k", gen_chance(g, 50) ? words[k] : gen_fmt(g, "%d", k)},
                            {"T", gen_fmt(g, "%s%s", terms->many, m.post)},
                            {"t", gen_fmt(g, "%s%s", terms->one, m.post)},
                            {"s", terms->cols[shown].human},
                            {"ss", terms->cols[shown].plural},
                            {"v", terms->cols[c].verb ? terms->cols[c].verb : ""},
                            {"c", terms->cols[c].human},
                            {0}});
    return true;
}

static bool top_k(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "Which {k} {T} have the [highest|largest|greatest] {c}? [Give|List] the {ss}.",
        "+the {ss} of the {k} {T} with the [highest|largest|biggest] {c}",
        "+the top {k} {T} by {c}[, {ss} only| ({ss})]",
        ("[Rank|Order|Sort] the {T} by {c}, [highest|largest] first, and give the {ss} of the "
         "[first|top] {k}."),
        "What are the {ss} of the {k} {T} that have the [highest|most|largest] {c}?",
        "[Show|List|Give me] the {k} {T} with the [most|highest] {c} ({s}).",
    };
    return ranked(g, d, COL_NUMBER, true, false, say, 6);
}

static bool bottom_k(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "Which {k} {T} have the [lowest|smallest|least] {c}? [Give|List] the {ss}.",
        "+the {ss} of the {k} {T} with the [lowest|smallest|least] {c}",
        "+the bottom {k} {T} by {c}[, {ss} only| ({ss})]",
        ("[Rank|Order|Sort] the {T} by {c}, [lowest|smallest] first, and give the {ss} of the "
         "first "
         "{k}."),
        "What are the {ss} of the {k} {T} that have the [lowest|least|smallest] {c}?",
        "[Show|List|Give me] the {k} {T} with the [least|lowest] {c} ({s}).",
    };
    return ranked(g, d, COL_NUMBER, false, false, say, 6);
}

static bool top_one(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "Which {t} has the [highest|largest|greatest] {c}?[ Give its {s}.|]",
        "=the {s} of the {t} with the [highest|largest|biggest|greatest] {c}",
        "What is the {s} of the {t} that has the [highest|most|largest] {c}?",
        ("[Of|Among] [all |the ]{T}, which [one |]has the [highest|largest] {c}? [Answer "
         "with|Give] "
         "the {s}."),
        "[Find|Show me|Tell me] the {t} with the [maximum|highest|largest] {c} ({s}).",
        "=the {s} of the {t} that [leads|comes first] by {c}",
    };
    return ranked(g, d, COL_NUMBER, true, true, say, 6);
}

static bool bottom_one(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "Which {t} has the [lowest|smallest|least] {c}?[ Give its {s}.|]",
        "=the {s} of the {t} with the [lowest|smallest|least] {c}",
        "What is the {s} of the {t} that has the [lowest|least|smallest] {c}?",
        ("[Of|Among] [all |the ]{T}, which [one |]has the [lowest|smallest] {c}? [Answer "
         "with|Give] "
         "the {s}."),
        "[Find|Show me|Tell me] the {t} with the [minimum|lowest|smallest] {c} ({s}).",
        "=the {s} of the {t} that comes last by {c}",
    };
    return ranked(g, d, COL_NUMBER, false, true, say, 6);
}

static bool latest_row(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the {s} of the {t} with the [latest|last|most recent|newest] {c}",
        "Which {t} has the [latest|last|most recent] {c}?[ Give the {s}.|]",
        "=the {s} of the [latest|most recent|newest] {t} by {c}",
        "[Of|Among] [all |the ]{T}, which [one |]has the most recent {c}? Give the {s}.",
        "[Find|Show me|Tell me] the {s} of the {t} whose {c} is the latest.",
        "What is the {s} of the {t} that comes last by {c}?",
    };
    return ranked(g, d, COL_DATE, true, true, say, 6);
}

static bool earliest_row(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the {s} of the {t} with the [earliest|first|oldest] {c}",
        "Which {t} has the [earliest|first|oldest] {c}?[ Give the {s}.|]",
        "=the {s} of the [earliest|first|oldest] {t} by {c}",
        "[Of|Among] [all |the ]{T}, which [one |]has the earliest {c}? Give the {s}.",
        "[Find|Show me|Tell me] the {s} of the {t} whose {c} is the earliest.",
        "What is the {s} of the {t} that comes first by {c}?",
    };
    return ranked(g, d, COL_DATE, false, true, say, 6);
}

static bool latest_k(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "+the {ss} of the [last|latest|most recent|newest] {k} {T} by {c}",
        "+the {ss} of the {k} {T} with the [latest|most recent] {c}",
        "Which {k} {T} have the [latest|most recent] {c}? [Give|List] the {ss}.",
        "[Order|Sort] the {T} by {c}, [newest|latest] first, and give the {ss} of the first {k}.",
        "+the {k} [newest|most recent|latest] {T} by {c} ({ss})",
        "What are the {ss} of the {k} {T} whose {c} is most recent?",
    };
    return ranked(g, d, COL_DATE, true, false, say, 6);
}

const db_family db_families_rank[] = {
    {"max", 3, agg_max},
    {"min", 3, agg_min},
    {"average", 4, agg_avg},
    {"sum", 4, agg_sum},
    {"first_date", 1, first_date},
    {"last_date", 1, last_date},
    {"spread", 1, spread},
    {"top_k", 4, top_k},
    {"bottom_k", 2, bottom_k},
    {"top_one", 3, top_one},
    {"bottom_one", 3, bottom_one},
    {"latest_row", 2, latest_row},
    {"earliest_row", 2, earliest_row},
    {"latest_k", 2, latest_k},
    {0},
};
