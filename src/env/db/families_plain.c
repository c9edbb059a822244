/* env/db/families_plain.c - question families of plain extremes and of rows compared: "the most
 * expensive products", the third highest, one row against another.
 *
 * An adjective says which column orders: "the five most expensive products" is about their own
 * price, not about what was sold of them. */
#include "env/db/tasks.h"
#include <string.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))

/* What people call the rows with much or little of something. */
static const struct {
    const char *words; /* one of them ends the column's name, split by | */
    const char *most, *least, *more, *less;
} adjectives[] = {
    {"price|cost|fee|rent|rate|fare|tuition|list price|unit price|premium",
     "[most expensive|dearest|priciest|costliest]", "[cheapest|least expensive|most affordable]",
     "[more expensive|dearer|pricier]", "[cheaper|less expensive]"},
    {"age", "oldest", "youngest", "older", "younger"},
    {"salary|wage|pay", "[best-paid|highest-paid]", "[worst-paid|lowest-paid]", "better paid",
     "worse paid"},
    {"weight|weight kg|mass", "heaviest", "lightest", "heavier", "lighter"},
    {"height|height cm|height m", "[tallest|highest]", "[lowest|shortest]", "[taller|higher]",
     "[lower|shorter]"},
    {"length|distance|length m|length km|distance km|pages|duration|minutes|runtime|running time",
     "longest", "shortest", "longer", "shorter"},
    {"rating|score|stars|grade", "[best-rated|top-rated|highest-rated]",
     "[worst-rated|lowest-rated]", "better rated", "worse rated"},
    {"capacity|area|size|population|seats", "[largest|biggest]", "smallest", "[larger|bigger]",
     "smaller"},
    {"speed|top speed", "fastest", "slowest", "faster", "slower"},
};

/* Whether the column's words end in one of the list. */
static bool ends_in(const char *human, const char *words)
{
    size_t n = strlen(human);
    for (const char *p = words; *p;) {
        size_t k = strcspn(p, "|");
        if (n >= k && strncmp(human + n - k, p, k) == 0 && (n == k || human[n - k - 1] == ' '))
            return true;
        p += k + (p[k] == '|');
    }
    return false;
}

static int adjective_of(const db_column_terms *c)
{
    for (int i = 0; i < LEN(adjectives); i++)
        if (ends_in(c->human, adjectives[i].words))
            return i;
    return -1;
}

typedef struct {
    int t, c, shown, k;
    bool most;
    const char *tab, *name, *order; /* SQL: table, column, "price DESC" */
    const char *where, *think, *T, *t_one, *adjective;
} extreme;

/* A table with a column that has an adjective (without `adjective`: any number) and what rows are
 * called by. */
static bool pick_extreme(db_gen *g, bool adjective, extreme *x)
{
    db_cond w;
    x->t = gen_table(g, false);
    x->shown = gen_shown(g, x->t);
    int a = -1;
    for (int tries = 0; tries < 6 && a < 0; tries++) {
        x->c = gen_column(g, x->t, COL_NUMBER, x->shown);
        if (x->c < 0 || x->shown < 0)
            return false;
        a = adjective_of(&g->tables[x->t].cols[x->c]);
        if (!adjective)
            break;
    }
    if ((adjective && a < 0) || g->tables[x->t].cols[x->c].n_distinct < 5)
        return false;
    x->most = gen_chance(g, 60);
    x->tab = gen_tab(g, x->t);
    x->name = gen_col(g, x->t, x->c, false);
    x->order = gen_fmt(g, "%s%s", x->name, x->most ? " DESC" : "");
    x->where = x->think = "";
    x->T = g->tables[x->t].many;
    x->t_one = g->tables[x->t].one;
    if (gen_chance(g, 35) && gen_cond(g, x->t, COND_COMMON, x->c, false, &w)) {
        x->where = gen_fmt(g, " WHERE %s", w.sql);
        x->think = gen_fmt(g, " where %s", w.sql);
        x->T = gen_fmt(g, "%s %s", x->T, w.post);
        x->t_one = gen_fmt(g, "%s %s", x->t_one, w.post);
    }
    if (!x->most && g->tables[x->t].cols[x->c].n_null) {
        x->where = *x->where ? gen_fmt(g, "%s AND %s IS NOT NULL", x->where, x->name)
                             : gen_fmt(g, " WHERE %s IS NOT NULL", x->name);
        x->think = gen_fmt(g, " where%s", x->where + 6);
    }
    if (a >= 0)
        x->adjective = GEN_FILL(g, x->most ? adjectives[a].most : adjectives[a].least, {0});
    return true;
}

/* shown: what is selected; first `top` rows, or with `nth` only the last of these. */
static void extreme_sql(db_gen *g, db_draft *d, const extreme *x, const char *shown, int top,
                        bool nth)
{
    d->top = top;
    d->n_rows = nth ? 1 : top;
    const char *limit = nth ? gen_fmt(g, "1 OFFSET %d", top - 1) : gen_fmt(g, "%d", top);
    d->sql = gen_fmt(g, "SELECT %s FROM %s%s ORDER BY %s LIMIT %s", shown, x->tab, x->where,
                     x->order, limit);
    d->rank_sql = gen_fmt(g, "SELECT %s FROM %s%s ORDER BY %s LIMIT %d", x->name, x->tab, x->where,
                          x->order, top + 1);
    d->think = gen_fmt(g, "%s of %s%s, order by %s, %s %d", shown, x->tab, x->think, x->order,
                       nth ? "number" : "first", top);
}

static const char *const numerals[] = {"", "", "two", "three", "four", "five", "six", "seven"};
static const char *const ordinals[] = {"", "", "second", "third", "fourth", "fifth", "sixth"};

/* "the five most expensive products" */
static bool plain_top(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "+the {k} {a} {T}",
        "+the {k} {a} {T}",
        "Which {k} {T} are the {a}?",
        "Which are the {k} {a} {T}?",
        "+the {ss} of the {k} {a} {T}",
        "+our {k} {a} {T}",
        "[Name|List|Show] the {k} {a} {T}.",
        "What are the {k} {a} {T} [called|]?",
        "[Top|The top] {k} {a} {T}",
        "{k} {a} {T}",
    };
    extreme x;
    if (!pick_extreme(g, true, &x))
        return false;
    int k = 2 + gen_below(g, 6);
    extreme_sql(g, d, &x, gen_col(g, x.t, x.shown, false), k, false);
    GEN_SAY(g, d, say, {"k", gen_chance(g, 60) ? numerals[k] : gen_fmt(g, "%d", k)},
            {"a", x.adjective}, {"T", x.T}, {"ss", g->tables[x.t].cols[x.shown].plural});
    return true;
}

/* "the cheapest room" */
static bool plain_best(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the {a} {t}",
        "=the {a} {t}",
        "Which {t} is [the |]{a}?",
        "Which is the {a} {t}?",
        "=the {s} of the {a} {t}",
        "=our {a} {t}",
        "[Name|Show me|Find] the {a} {t}.",
        "{a} {t}?",
        "What is the {a} {t} [called|that we have|]?",
    };
    extreme x;
    if (!pick_extreme(g, true, &x))
        return false;
    extreme_sql(g, d, &x, gen_col(g, x.t, x.shown, false), 1, false);
    GEN_SAY(g, d, say, {"a", x.adjective}, {"t", x.t_one},
            {"s", g->tables[x.t].cols[x.shown].human});
    return true;
}

/* Another column of the extreme row: "the city of our tallest building", "how much is ...". */
static bool plain_of_best(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the {e} of the {a} {t}",    "What {e} does the {a} {t} have?",
        "=the {e} of our {a} {t}",    "Take the {a} {t}: what is its {e}?",
        "Which {e} has the {a} {t}?",
    };
    extreme x;
    if (!pick_extreme(g, true, &x))
        return false;
    int e = gen_column(g, x.t, COL_CATEGORY | COL_DATE | COL_TEXT | COL_NUMBER | COL_FLAG, x.shown);
    if (e < 0 || e == x.c)
        return false;
    extreme_sql(g, d, &x, gen_col(g, x.t, e, false), 1, false);
    GEN_SAY(g, d, say, {"a", x.adjective}, {"t", x.t_one}, {"e", g->tables[x.t].cols[e].human});
    return true;
}

static bool nth_best(db_gen *g, db_draft *d)
{
    static const char *const by_name[] = {
        "=the {n} {a} {t}",
        "Which {t} is the {n} {a}?",
        "=the {s} of the {n} {a} {t}",
    };
    static const char *const by_column[] = {
        "Which {t} has the {n} {x} {c}?",
        "=the {t} with the {n} {x} {c}",
        "=the {s} of the {t} with the {n} {x} {c}",
        "Which {t} comes {n} [by|in] {c}{rev}?",
    };
    extreme x;
    bool named = gen_chance(g, 40);
    if (!pick_extreme(g, named, &x))
        return false;
    int k = 2 + gen_below(g, 4);
    extreme_sql(g, d, &x, gen_col(g, x.t, x.shown, false), k, true);
    phrase_slot slots[] = {{"n", ordinals[k]},
                           {"a", named ? x.adjective : ""},
                           {"t", x.t_one},
                           {"s", g->tables[x.t].cols[x.shown].human},
                           {"c", g->tables[x.t].cols[x.c].human},
                           {"x", x.most ? GEN_FILL(g, "[highest|largest]", {0})
                                        : GEN_FILL(g, "[lowest|smallest]", {0})},
                           {"rev", x.most ? "" : ", lowest first"},
                           {0}};
    gen_say(g, d, named ? by_name : by_column, named ? LEN(by_name) : LEN(by_column), slots);
    return true;
}

/* ---- one row against another ---- */

typedef struct {
    int t, c;
    const char *tab, *name, *label, *a, *b; /* a and b: their names */
    double x, y;
} two_rows;

static const char *row_is(db_gen *g, const two_rows *r, const char *v)
{
    return gen_fmt(g, "%s = %s", r->label, gen_literal(g, r->t, g->tables[r->t].label, v));
}

static bool pick_two(db_gen *g, two_rows *r)
{
    r->t = gen_table(g, false);
    int label = r->t < 0 ? -1 : g->tables[r->t].label;
    r->c = gen_column(g, r->t, COL_NUMBER, label);
    r->a = r->c < 0 || label < 0 ? NULL : gen_value(g, r->t, label);
    r->b = r->a ? gen_value(g, r->t, label) : NULL;
    if (!r->b || strcmp(r->a, r->b) == 0)
        return false;
    r->tab = gen_tab(g, r->t);
    r->name = gen_col(g, r->t, r->c, false);
    r->label = gen_col(g, r->t, label, false);
    const char *u = row_is(g, r, r->a), *v = row_is(g, r, r->b);
    if (gen_double(g, gen_fmt(g, "SELECT COUNT(%s) FROM %s WHERE %s", r->name, r->tab, u)) != 1 ||
        gen_double(g, gen_fmt(g, "SELECT COUNT(%s) FROM %s WHERE %s", r->name, r->tab, v)) != 1)
        return false;
    r->x = gen_double(g, gen_fmt(g, "SELECT %s FROM %s WHERE %s", r->name, r->tab, u));
    r->y = gen_double(g, gen_fmt(g, "SELECT %s FROM %s WHERE %s", r->name, r->tab, v));
    return r->x != r->y;
}

static bool difference(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the difference in {c} between {a} and {b}",
        "By how much does the {c} of {a} exceed that of {b}?",
        "How much [higher|larger] is the {c} of {a} than that of {b}?",
        "How much more {c} [has|does] {a} [have |]than {b}?",
    };
    two_rows r;
    if (!pick_two(g, &r) || r.x < r.y)
        return false;
    d->n_rows = 1;
    d->sql = gen_fmt(g, "SELECT (SELECT %s FROM %s WHERE %s) - (SELECT %s FROM %s WHERE %s)",
                     r.name, r.tab, row_is(g, &r, r.a), r.name, r.tab, row_is(g, &r, r.b));
    d->think = gen_fmt(g, "%s of %s where %s minus where %s", r.name, r.tab, row_is(g, &r, r.a),
                       row_is(g, &r, r.b));
    int label = g->tables[r.t].label;
    const char *a = gen_say_value(g, r.t, label, r.a), *b = gen_say_value(g, r.t, label, r.b);
    GEN_SAY(g, d, say, {"c", g->tables[r.t].cols[r.c].human}, {"a", a}, {"b", b});
    return true;
}

static bool which_of_two(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "Which [|{t} ][has|has got] [the |a(n) ]{x} {c}, {a} or {b}?",
        "Does {a} or {b} have the {x} {c}?",
        "Of {a} and {b}, which has the {x} {c}?",
    };
    static const char *const named[] = {
        "Which [|{t} ]is {x}, {a} or {b}?",
        "Is {a} or {b} {x}?",
        "Of {a} and {b}, which is {x}?",
    };
    two_rows r;
    if (!pick_two(g, &r))
        return false;
    int label = g->tables[r.t].label, k = adjective_of(&g->tables[r.t].cols[r.c]);
    bool most = gen_chance(g, 60), by_name = k >= 0 && gen_chance(g, 60);
    const char *in = gen_fmt(g, "%s IN (%s, %s)", r.label, gen_literal(g, r.t, label, r.a),
                             gen_literal(g, r.t, label, r.b));
    const char *dir = most ? " DESC" : "";
    d->n_rows = 1;
    d->sql = gen_fmt(g, "SELECT %s FROM %s WHERE %s ORDER BY %s%s LIMIT 1", r.label, r.tab, in,
                     r.name, dir);
    d->think =
        gen_fmt(g, "%s of %s where %s, order by %s%s, first 1", r.label, r.tab, in, r.name, dir);
    const char *x = by_name ? GEN_FILL(g, most ? adjectives[k].more : adjectives[k].less, {0})
                            : GEN_FILL(g, most ? "[higher|larger]" : "[lower|smaller]", {0});
    gen_say(g, d, by_name ? named : say, 3,
            (phrase_slot[]){{"t", g->tables[r.t].one},
                            {"x", x},
                            {"c", g->tables[r.t].cols[r.c].human},
                            {"a", gen_say_value(g, r.t, label, r.a)},
                            {"b", gen_say_value(g, r.t, label, r.b)},
                            {0}});
    return true;
}

static bool two_together(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "=the [combined|total] {c} of {a} and {b}",
        "What {c} do {a} and {b} have [together|combined|in total]?",
        "[Add up|Sum] the {c} of {a} and {b}.",
    };
    two_rows r;
    if (!pick_two(g, &r))
        return false;
    int label = g->tables[r.t].label;
    const char *in = gen_fmt(g, "%s IN (%s, %s)", r.label, gen_literal(g, r.t, label, r.a),
                             gen_literal(g, r.t, label, r.b));
    d->n_rows = 1;
    d->sql = gen_fmt(g, "SELECT SUM(%s) FROM %s WHERE %s", r.name, r.tab, in);
    d->think = gen_fmt(g, "SUM(%s) of %s where %s", r.name, r.tab, in);
    GEN_SAY(g, d, say, {"c", g->tables[r.t].cols[r.c].human},
            {"a", gen_say_value(g, r.t, label, r.a)}, {"b", gen_say_value(g, r.t, label, r.b)});
    return true;
}

/* Rows that share a value with the named one, without it. */
static bool like_row(db_gen *g, db_draft *d)
{
    static const char *const say[] = {
        "Which other {T} have the same {c} as {a}?",
        "+the {ss} of [the |]other {T} with the same {c} as {a}",
        "Besides {a}, which {T} have that same {c}?",
    };
    int t = gen_table(g, false), label = t < 0 ? -1 : g->tables[t].label,
        c = gen_column(g, t, COL_CATEGORY | COL_FLAG, label);
    const char *v = c < 0 || label < 0 ? NULL : gen_value(g, t, label);
    if (!v)
        return false;
    const char *tab = gen_tab(g, t), *name = gen_col(g, t, c, false),
               *L = gen_col(g, t, label, false), *lit = gen_literal(g, t, label, v);
    if (gen_double(g, gen_fmt(g, "SELECT COUNT(*) FROM %s WHERE %s = %s", tab, L, lit)) != 1)
        return false;
    d->sql =
        gen_fmt(g, "SELECT %s FROM %s WHERE %s = (SELECT %s FROM %s WHERE %s = %s) AND %s != %s", L,
                tab, name, name, tab, L, lit, L, lit);
    d->think = gen_fmt(g, "%s of %s with the %s of %s = %s, without it", L, tab, name, L, lit);
    GEN_SAY(g, d, say, {"T", g->tables[t].many}, {"c", g->tables[t].cols[c].human},
            {"ss", g->tables[t].cols[label].plural}, {"a", gen_say_value(g, t, label, v)});
    return true;
}

const db_family db_families_plain[] = {
    {"plain_top", 5, plain_top},
    {"plain_best", 4, plain_best},
    {"plain_of_best", 2, plain_of_best},
    {"nth_best", 2, nth_best},
    {"difference", 1, difference},
    {"which_of_two", 1, which_of_two},
    {"two_together", 1, two_together},
    {"like_row", 1, like_row},
    {0},
};
