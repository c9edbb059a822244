/* env/db/families_filter.c - question families on one table: counts, lists, look-ups. */
#include "env/db/tasks.h"
#include <string.h>

static const char *const count_all[] = {
    "How many {T} are there[| in total| altogether| in the database]?",
    "=the [total |]number of {T}",
    "[Count|Please count] [the|all|all the] {T}.",
    "How many {T} do we have[| in total]?",
    "How many [rows|records|entries] does the {T} table [have|hold|contain]?",
    "=the [total |]count of [all |]{T}",
};
static const char *const count_where[] = {
    "How many {T} {c} are there?",
    "How many {T} {c} do we have?",
    "=the [total |]number of {T} {c}",
    "=the count of {T} {c}",
    "[Count|Please count] [the|all|all the] {T} {c}.",
    "[I need a count|Give me a count|I want to know the number] of {T} {c}.",
    "How many of the {T} are [ones|those] {c}?",
};

static bool count_with(db_gen *g, db_draft *d, int kinds)
{
    int t = gen_table(g, false);
    db_cond c;
    if (!gen_cond(g, t, kinds, -1, false, &c))
        return false;
    d->sql = gen_fmt(g, "SELECT COUNT(*) FROM %s WHERE %s", gen_tab(g, t), c.sql);
    d->think = gen_fmt(g, "count %s where %s", gen_tab(g, t), c.sql);
    GEN_SAY(g, d, count_where, {"T", g->tables[t].many}, {"c", c.post});
    return true;
}

static bool count_rows(db_gen *g, db_draft *d)
{
    int t = gen_table(g, false);
    if (t < 0)
        return false;
    d->sql = gen_fmt(g, "SELECT COUNT(*) FROM %s", gen_tab(g, t));
    d->think = gen_fmt(g, "count all rows of %s", gen_tab(g, t));
    GEN_SAY(g, d, count_all, {"T", g->tables[t].many});
    return true;
}
static bool count_equal(db_gen *g, db_draft *d)
{
    return count_with(g, d, COND_EQ);
}
static bool count_compare(db_gen *g, db_draft *d)
{
    return count_with(g, d, COND_CMP);
}
static bool count_range(db_gen *g, db_draft *d)
{
    return count_with(g, d, COND_RANGE);
}
static bool count_period(db_gen *g, db_draft *d)
{
    return count_with(g, d, COND_YEAR | COND_MONTH);
}
static bool count_day(db_gen *g, db_draft *d)
{
    return count_with(g, d, COND_DAY_CMP);
}
static bool count_days(db_gen *g, db_draft *d)
{
    return count_with(g, d, COND_DAYS);
}
static bool count_like(db_gen *g, db_draft *d)
{
    return count_with(g, d, COND_LIKE);
}
static bool count_null(db_gen *g, db_draft *d)
{
    return count_with(g, d, COND_NULL);
}
static bool count_not_null(db_gen *g, db_draft *d)
{
    return count_with(g, d, COND_NOT_NULL);
}
static bool count_not_equal(db_gen *g, db_draft *d)
{
    return count_with(g, d, COND_NOT_EQ);
}

static bool count_distinct(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "How many [different|distinct|unique] {cs} [are there|occur|appear] [in|among] the {T}?",
        "=the number of [different|distinct|unique] {cs} [of|in|among] the {T}",
        "[Count|Please count] the [different|distinct|unique] {cs} of the {T}.",
        "How many [different|distinct] values does the {c} of the {T} have?",
        "How many [different|distinct|unique] {cs} do the {T} have[| in all]?",
        "How many [different|distinct|unique] {cs} does the {T} table [have|hold|contain]?",
    };
    int t = gen_table(g, false),
        c = gen_column(g, t, COL_CATEGORY | COL_ID | COL_FLAG | COL_TEXT | COL_NUMBER, -1);
    if (c < 0 || g->tables[t].cols[c].n_distinct == g->tables[t].n_rows)
        return false;
    const char *name = gen_col(g, t, c, false);
    d->sql = gen_fmt(g, "SELECT COUNT(DISTINCT %s) FROM %s", name, gen_tab(g, t));
    d->think = gen_fmt(g, "count distinct %s of %s", name, gen_tab(g, t));
    GEN_SAY(g, d, say, {"T", g->tables[t].many}, {"c", g->tables[t].cols[c].human},
            {"cs", g->tables[t].cols[c].plural});
    return true;
}

static bool count_two(db_gen *g, db_draft *d, const char *op, const char *word)
{
    int t = gen_table(g, false);
    db_cond a, b;
    if (!gen_cond(g, t, COND_COMMON | COND_NULL, -1, false, &a) ||
        !gen_cond(g, t, COND_COMMON, a.column, false, &b))
        return false;
    d->sql = gen_fmt(g, "SELECT COUNT(*) FROM %s WHERE %s %s %s", gen_tab(g, t), a.sql, op, b.sql);
    d->think = gen_fmt(g, "count %s where %s %s %s", gen_tab(g, t), a.sql, word, b.sql);
    GEN_SAY(g, d, count_where, {"T", g->tables[t].many},
            {"c",
             GEN_FILL(g, op[0] == 'A' ? "[{a} and|{a} and also] {b}" : "[{a} or|either {a} or] {b}",
                      {"a", a.post}, {"b", b.post})});
    return true;
}
static bool count_and(db_gen *g, db_draft *d)
{
    return count_two(g, d, "AND", "and");
}
static bool count_or(db_gen *g, db_draft *d)
{
    return count_two(g, d, "OR", "or");
}

static bool count_in(db_gen *g, db_draft *d)
{
    int t = gen_table(g, false), c = gen_column(g, t, COL_CATEGORY, -1);
    const char *a = c < 0 ? NULL : gen_value(g, t, c), *b = c < 0 ? NULL : gen_value(g, t, c);
    if (!a || !b || strcmp(a, b) == 0)
        return false;
    const char *name = gen_col(g, t, c, false);
    const char *cond =
        gen_fmt(g, "%s IN (%s, %s)", name, gen_literal(g, t, c, a), gen_literal(g, t, c, b));
    d->sql = gen_fmt(g, "SELECT COUNT(*) FROM %s WHERE %s", gen_tab(g, t), cond);
    d->think = gen_fmt(g, "count %s where %s", gen_tab(g, t), cond);
    GEN_SAY(g, d, count_where, {"T", g->tables[t].many},
            {"c", GEN_FILL(g,
                           "[whose {c} is [|either ]{a} or {b}|with {c} {a} or {b}|where the {c} "
                           "is one of {a} and {b}]",
                           {"c", g->tables[t].cols[c].human}, {"a", gen_say_value(g, t, c, a)},
                           {"b", gen_say_value(g, t, c, b)})});
    return true;
}

static const char *const list_where[] = {
    "+the {cs} of [the |all |all the ]{T} {w}",
    "+the {cs} of [the |]{T} {w}",
    "Which {T} [are ones|are those|are there] {w}? [Give|List|Return] the {cs}.",
    "For [the |all |]{T} {w}, [list|give me|show] the {cs}.",
    "[List|Show] [the |all |]{T} {w} by {c}.",
    "What {cs} do the {T} {w} have?",
};

static bool list_with(db_gen *g, db_draft *d, int kinds)
{
    int t = gen_table(g, false), shown = gen_shown(g, t);
    db_cond w;
    if (shown < 0 || !gen_cond(g, t, kinds, -1, false, &w))
        return false;
    if (gen_chance(g, 25)) {
        int other = gen_column(g, t, COL_NAME | COL_TEXT | COL_NUMBER | COL_DATE, w.column);
        shown = other >= 0 ? other : shown;
    }
    if (shown == w.column)
        return false;
    const db_column_terms *c = &g->tables[t].cols[shown];
    d->sql =
        gen_fmt(g, "SELECT %s FROM %s WHERE %s", gen_col(g, t, shown, false), gen_tab(g, t), w.sql);
    d->think =
        gen_fmt(g, "list %s of %s where %s", gen_col(g, t, shown, false), gen_tab(g, t), w.sql);
    GEN_SAY(g, d, list_where, {"T", g->tables[t].many}, {"c", c->human}, {"cs", c->plural},
            {"w", w.post});
    return true;
}
static bool list_equal(db_gen *g, db_draft *d)
{
    return list_with(g, d, COND_EQ);
}
static bool list_compare(db_gen *g, db_draft *d)
{
    return list_with(g, d, COND_CMP | COND_RANGE);
}
static bool list_date(db_gen *g, db_draft *d)
{
    return list_with(g, d, COND_MONTH | COND_YEAR | COND_DAY_CMP | COND_DAYS);
}
static bool list_like(db_gen *g, db_draft *d)
{
    return list_with(g, d, COND_LIKE);
}
static bool list_null(db_gen *g, db_draft *d)
{
    return list_with(g, d, COND_NULL);
}
static bool list_ref(db_gen *g, db_draft *d)
{
    return list_with(g, d, COND_KEY);
}

static bool list_two(db_gen *g, db_draft *d)
{
    int t = gen_table(g, false), shown = gen_shown(g, t);
    db_cond a, b;
    if (shown < 0 || !gen_cond(g, t, COND_COMMON, shown, false, &a) ||
        !gen_cond(g, t, COND_COMMON, a.column, false, &b))
        return false;
    const db_column_terms *c = &g->tables[t].cols[shown];
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s AND %s", gen_col(g, t, shown, false),
                     gen_tab(g, t), a.sql, b.sql);
    d->think = gen_fmt(g, "list %s of %s where %s and %s", gen_col(g, t, shown, false),
                       gen_tab(g, t), a.sql, b.sql);
    GEN_SAY(g, d, list_where, {"T", g->tables[t].many}, {"c", c->human}, {"cs", c->plural},
            {"w", gen_fmt(g, "%s and %s", a.post, b.post)});
    return true;
}

static bool list_distinct(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "+the [different|distinct|unique] {cs} of the {T}",
        "Which [different |distinct |]{cs} [occur|appear|are there] [among|in] the {T}?",
        "+all [the |][different|distinct|possible] {cs} [of the {T}|that the {T} have]",
        "What [different|distinct] {cs} do the {T} have?",
        "Which values does the {c} of the {T} take?",
        "[List|Show] every {c} that occurs [among|in] the {T}, each once.",
    };
    int t = gen_table(g, false), c = gen_column(g, t, COL_CATEGORY, -1);
    if (c < 0 || g->tables[t].cols[c].n_null)
        return false;
    const char *where = "", *post = "";
    db_cond w;
    if (gen_chance(g, 65) && gen_cond(g, t, COND_COMMON, c, false, &w)) {
        where = gen_fmt(g, " WHERE %s", w.sql);
        post = gen_fmt(g, " %s", w.post);
    }
    d->sql =
        gen_fmt(g, "SELECT DISTINCT %s FROM %s%s", gen_col(g, t, c, false), gen_tab(g, t), where);
    d->think = gen_fmt(g, "list distinct %s of %s%s%s", gen_col(g, t, c, false), gen_tab(g, t),
                       *where ? " where" : "", *where ? where + 6 : "");
    GEN_SAY(g, d, say, {"T", gen_fmt(g, "%s%s", g->tables[t].many, post)},
            {"c", g->tables[t].cols[c].human}, {"cs", g->tables[t].cols[c].plural});
    return true;
}

/* Another column of the one row that a key names. */
static bool lookup_by(db_gen *g, db_draft *d, int key, int n_columns, int t)
{
    static const char *const one[] = {
        "=the {c} of {r}",
        "=the {c} of {r}",
        "What {c} does {r} have?",
        "[Look up|Check] the {c} of {r}.",
        "{r}: [what is its {c}|which {c}]?",
        "What does the database say about the {c} of {r}?",
    };
    static const char *const two[] = {
        "=the {c} and [the |]{e} of {r}",
        "What {c} and {e} does {r} have?",
        "[Look up|Check|Show] the {c} and {e} of {r}.",
        "For {r}, [give|tell|show] me the {c} and the {e}.",
        "+the {c} and {e} of {r}",
        "Which {c} and which {e} does {r} have?",
    };
    int a = gen_column(g, t, 255 - COL_OTHER, key), b = gen_column(g, t, 255 - COL_OTHER, a);
    const char *v = key < 0 || a < 0 ? NULL : gen_value(g, t, key);
    if (!v || (n_columns == 2 && (b < 0 || b == key)))
        return false;
    const char *lit = gen_literal(g, t, key, v), *said = gen_say_value(g, t, key, v),
               *name = gen_col(g, t, key, false);
    const char *cols = n_columns == 1
                           ? gen_col(g, t, a, false)
                           : gen_fmt(g, "%s, %s", gen_col(g, t, a, false), gen_col(g, t, b, false));
    const char *row =
        GEN_FILL(g,
                 g->tables[t].cols[key].role == COL_ID
                     ? "[|the ]{t} [{v}|number {v}|with {k} {v}|{v}]"
                     : "[{v}|{v}|the {t} {v}|the {t} [named|called] {v}|the {t} with {k} {v}]",
                 {"t", g->tables[t].one}, {"v", said}, {"k", g->tables[t].cols[key].human});
    d->n_rows = 1;
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s = %s", cols, gen_tab(g, t), name, lit);
    d->think = gen_fmt(g, "%s of %s where %s = %s", cols, gen_tab(g, t), name, lit);
    gen_say(g, d, n_columns == 1 ? one : two, 6,
            (phrase_slot[]){{"c", g->tables[t].cols[a].human},
                            {"e", b < 0 ? "" : g->tables[t].cols[b].human},
                            {"r", row},
                            {0}});
    return true;
}
static bool lookup_name(db_gen *g, db_draft *d)
{
    int t = gen_table(g, false);
    return t >= 0 && lookup_by(g, d, g->tables[t].label, 1, t);
}
static bool lookup_key(db_gen *g, db_draft *d)
{
    int t = gen_table(g, false);
    return t >= 0 && lookup_by(g, d, g->tables[t].key, 1, t);
}
static bool lookup_two(db_gen *g, db_draft *d)
{
    int t = gen_table(g, false);
    return t >= 0 && lookup_by(g, d, gen_shown(g, t), 2, t);
}

static bool exists(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "[Is|Are] there any {T} {w}? [Answer 1 for yes and 0 for no.|1 for yes, 0 for no.]",
        "Do we have [any|at least one] {T} {w}? [Answer 1 or 0.|1 means yes, 0 means no.]",
        "Check whether there are [any |]{T} {w}[ and answer|, answer] 1 or 0.",
        "Does any [of the {T}|row of {T}] match: {T} {w}? [Answer 1 or 0.|1 for yes, 0 for no.]",
        "[Can you check|Please check] if any {T} {w} exist (1 or 0).",
        "Is it true that there are {T} {w}? Answer 1 or 0.",
    };
    int t = gen_table(g, false);
    db_cond a, b;
    if (!gen_cond(g, t, COND_COMMON, -1, false, &a) ||
        !gen_cond(g, t, COND_COMMON, a.column, false, &b))
        return false;
    const char *cond = gen_fmt(g, "%s AND %s", a.sql, b.sql);
    d->sql = gen_fmt(g, "SELECT EXISTS (SELECT 1 FROM %s WHERE %s)", gen_tab(g, t), cond);
    d->think = gen_fmt(g, "is there any %s where %s", gen_tab(g, t), cond);
    GEN_SAY(g, d, say, {"T", g->tables[t].many}, {"w", gen_fmt(g, "%s and %s", a.post, b.post)});
    return true;
}

const db_family db_families_filter[] = {
    {"count_rows", 1, count_rows},
    {"count_equal", 4, count_equal},
    {"count_compare", 3, count_compare},
    {"count_range", 2, count_range},
    {"count_period", 3, count_period},
    {"count_day", 2, count_day},
    {"count_days", 2, count_days},
    {"count_like", 2, count_like},
    {"count_null", 1, count_null},
    {"count_not_null", 1, count_not_null},
    {"count_not_equal", 1, count_not_equal},
    {"count_distinct", 2, count_distinct},
    {"count_and", 3, count_and},
    {"count_or", 2, count_or},
    {"count_in", 2, count_in},
    {"list_equal", 3, list_equal},
    {"list_compare", 3, list_compare},
    {"list_date", 3, list_date},
    {"list_like", 2, list_like},
    {"list_null", 1, list_null},
    {"list_ref", 2, list_ref},
    {"list_two", 3, list_two},
    {"list_distinct", 2, list_distinct},
    {"lookup_name", 4, lookup_name},
    {"lookup_key", 4, lookup_key},
    {"lookup_two", 3, lookup_two},
    {"exists", 1, exists},
    {0},
};
