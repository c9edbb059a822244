/* env/db/conditions.c - WHERE conditions of real values, in SQL and in words. */
#include "env/db/tasks.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void post_of(db_gen *g, db_cond *o, const char *extra)
{
    const char *t = extra && gen_chance(g, 60) ? extra : "[whose|where the] {p}";
    o->post = GEN_FILL(g, t, {"p", o->pred});
}

static bool cond_eq(db_gen *g, int t, bool qualified, bool not, db_cond *o)
{
    const char *v = gen_value(g, t, o->column);
    if (!v)
        return false;
    const db_column_terms *c = &g->tables[t].cols[o->column];
    const char *said = gen_say_value(g, t, o->column, v);
    o->sql = gen_fmt(g, "%s %s %s", gen_col(g, t, o->column, qualified), not ? "!=" : "=",
                     gen_literal(g, t, o->column, v));
    phrase_slot slots[] = {{"c", c->human}, {"v", said}, {"verb", c->verb ? c->verb : ""}, {0}};
    if (not ) {
        o->pred = gen_fill(g, "{c} is [not|anything but|other than|different from] {v}", slots);
        post_of(g, o, NULL);
        return true;
    }
    o->pred = gen_fill(g, c->role == COL_DATE ? "{c} is {v}" : "{c} [is|is|equals] {v}", slots);
    const char *extra = c->verb               ? "{verb} on {v}"
                        : c->role == COL_FLAG ? "with {c} [|= |equal to ]{v}"
                        : c->role == COL_DATE ? "with {c} {v}"
                                              : "[with {c} {v}|with a(n) {c} of {v}|that have {c} "
                                                "{v}|having {c} {v}|with {v} as {c}]";
    post_of(g, o, gen_fill(g, extra, slots));
    return true;
}

/* A number near one that is there, as people would choose it. */
static double round_number(db_gen *g, const db_column_terms *c, double x)
{
    double step = c->max - c->min > 2000  ? 100
                  : c->max - c->min > 200 ? 10
                  : c->max - c->min > 20  ? 5
                  : c->whole              ? 1
                                          : 0.5;
    if (gen_chance(g, 35))
        return x;
    double r = step * (double)(long long)(x / step + 0.5);
    return r > c->min && r < c->max ? r : x;
}

static bool cond_cmp(db_gen *g, int t, bool qualified, db_cond *o)
{
    static const struct {
        const char *op, *words, *with;
    } ops[] = {{">", "[above|over|greater than|more than|higher than|bigger than]",
                "[with a(n) {c}|with {c}] {w} {v}"},
               {"<", "[below|under|less than|lower than|smaller than]",
                "[with a(n) {c}|with {c}] {w} {v}"},
               {">=", "[at least|no less than]", "[with a(n) {c} of|with {c} of] {w} {v}"},
               {"<=", "[at most|no more than]", "[with a(n) {c} of|with {c} of] {w} {v}"}};
    const db_column_terms *c = &g->tables[t].cols[o->column];
    const char *v = gen_value(g, t, o->column);
    if (!v || !c->numeric)
        return false;
    int k = gen_below(g, 10);
    k = k < 4 ? 0 : k < 8 ? 1 : k - 6;
    const char *number = gen_number(g, round_number(g, c, strtod(v, NULL)), c->whole);
    o->sql = gen_fmt(g, "%s %s %s", gen_col(g, t, o->column, qualified), ops[k].op, number);
    phrase_slot slots[] = {{"c", c->human},
                           {"w", GEN_FILL(g, ops[k].words, {0})},
                           {"v", gen_say_value(g, t, o->column, number)},
                           {0}};
    o->pred = gen_fill(g, "{c} is {w} {v}", slots);
    post_of(g, o, gen_fill(g, ops[k].with, slots));
    return true;
}

static bool cond_range(db_gen *g, int t, bool qualified, db_cond *o)
{
    const db_column_terms *c = &g->tables[t].cols[o->column];
    const char *va = gen_value(g, t, o->column), *vb = gen_value(g, t, o->column);
    if (!va || !vb || !c->numeric)
        return false;
    double a = round_number(g, c, strtod(va, NULL)), b = round_number(g, c, strtod(vb, NULL));
    if (a == b)
        return false;
    const char *lo = gen_number(g, a < b ? a : b, c->whole),
               *hi = gen_number(g, a < b ? b : a, c->whole);
    o->sql = gen_fmt(g, "%s BETWEEN %s AND %s", gen_col(g, t, o->column, qualified), lo, hi);
    phrase_slot slots[] = {{"c", c->human}, {"a", lo}, {"b", hi}, {0}};
    o->pred = gen_fill(g, "{c} [is|lies] [between {a} and {b}|from {a} to {b}]", slots);
    post_of(g, o,
            gen_fill(
                g, "with [a(n) |]{c} [between {a} and {b}|from {a} to {b}|in the range {a} to {b}]",
                slots));
    return true;
}

/* Dates compare as text. A time of day after the date needs date() round the column where whole
 * days are meant; LIKE works on both. */
static const char *day_expr(db_gen *g, int t, int c, bool qualified)
{
    const char *v = gen_value(g, t, c), *col = gen_col(g, t, c, qualified);
    return v && strlen(v) > 10 ? gen_fmt(g, "DATE(%s)", col) : col;
}

/* A date as text, for LIKE: PostgreSQL does not take one for a text by itself. */
static const char *text_expr(db_gen *g, int t, int c, bool qualified)
{
    const char *col = gen_col(g, t, c, qualified);
    const bool as_text =
        g->quote == DB_QUOTE_POSTGRES && g->s->tables[t].columns[c].affinity != DB_AFFINITY_TEXT;
    return as_text ? gen_fmt(g, "CAST(%s AS TEXT)", col) : col;
}

static bool cond_period(db_gen *g, int t, bool qualified, size_t n, db_cond *o)
{
    const db_column_terms *c = &g->tables[t].cols[o->column];
    const char *v = gen_value(g, t, o->column);
    if (!v || strlen(v) < 10)
        return false;
    char period[8];
    snprintf(period, sizeof period, "%.*s", (int)n, v);
    o->sql = gen_fmt(g, "%s LIKE '%s%%'", text_expr(g, t, o->column, qualified), period);
    cmat_buf b = {0};
    bool any_year = n == 7 && gen_chance(g, 15); /* "in May": of whatever year */
    if (any_year)
        o->sql =
            gen_fmt(g, "%s LIKE '%%-%.2s-%%'", text_expr(g, t, o->column, qualified), period + 5);
    if (n == 4)
        cmat_buf_puts(&b, period);
    else if (any_year)
        phrase_month_name(&b, period);
    else
        phrase_month(&b, &g->rng, period);
    phrase_slot slots[] = {{"c", c->human},
                           {"p", gen_fmt(g, "%s", cmat_buf_str(&b))},
                           {"verb", c->verb ? c->verb : ""},
                           {"kind", n == 4 ? "the year" : "the month of"},
                           {0}};
    cmat_buf_clear(&b);
    o->period = slots[1].value;
    o->pred = gen_fill(g, "{c} is in {p}", slots);
    post_of(
        g, o,
        gen_fill(g, c->verb ? "{verb} [in|in|during|in {kind}] {p}" : "with {c} in {p}", slots));
    return true;
}

static bool cond_day_cmp(db_gen *g, int t, bool qualified, db_cond *o)
{
    static const struct {
        const char *op, *words;
    } ops[] = {{">", "[after|later than]"},
               {"<", "[before|earlier than]"},
               {">=", "[on or after|since]"},
               {"<=", "on or before"}};
    const db_column_terms *c = &g->tables[t].cols[o->column];
    const char *v = gen_value(g, t, o->column);
    if (!v || strlen(v) < 10)
        return false;
    int k = gen_below(g, 8);
    k = k < 6 ? k % 2 : k - 4;
    char day[12];
    snprintf(day, sizeof day, "%.10s", v);
    o->sql = gen_fmt(g, "%s %s '%s'", day_expr(g, t, o->column, qualified), ops[k].op, day);
    phrase_slot slots[] = {{"c", c->human},
                           {"w", GEN_FILL(g, ops[k].words, {0})},
                           {"v", gen_say_value(g, t, o->column, day)},
                           {"verb", c->verb ? c->verb : ""},
                           {0}};
    o->pred = gen_fill(g, "{c} is {w} {v}", slots);
    post_of(g, o, gen_fill(g, c->verb ? "{verb} {w} {v}" : "with {c} {w} {v}", slots));
    return true;
}

static bool cond_days(db_gen *g, int t, bool qualified, db_cond *o)
{
    const db_column_terms *c = &g->tables[t].cols[o->column];
    const char *a = gen_value(g, t, o->column), *b = gen_value(g, t, o->column);
    if (!a || !b || strlen(a) < 10 || strlen(b) < 10 || strncmp(a, b, 10) == 0)
        return false;
    if (strcmp(a, b) > 0) {
        const char *swap = a;
        a = b;
        b = swap;
    }
    a = gen_fmt(g, "%.10s", a);
    b = gen_fmt(g, "%.10s", b);
    o->sql = gen_fmt(g, "%s BETWEEN '%s' AND '%s'", day_expr(g, t, o->column, qualified), a, b);
    phrase_slot slots[] = {{"c", c->human},
                           {"a", gen_say_value(g, t, o->column, a)},
                           {"b", gen_say_value(g, t, o->column, b)},
                           {"verb", c->verb ? c->verb : ""},
                           {0}};
    const char *w = gen_fill(g, "[between {a} and {b}|from {a} to {b}]", slots);
    o->pred = GEN_FILL(g, "{c} is {w}", {"c", c->human}, {"w", w});
    post_of(g, o,
            GEN_FILL(g, c->verb ? "{verb} {w}" : "with {c} {w}", {"c", c->human}, {"w", w},
                     {"verb", c->verb ? c->verb : ""}));
    return true;
}

/* A word of the value, or its first or last one. */
static bool cond_like(db_gen *g, int t, bool qualified, db_cond *o)
{
    const db_column_terms *c = &g->tables[t].cols[o->column];
    const char *v = gen_value(g, t, o->column);
    if (!v || strpbrk(v, "%_'\""))
        return false;
    const char *from[12];
    size_t len[12];
    int n = 0;
    for (const char *p = v; *p && n < 12;) {
        size_t k = strcspn(p, " ");
        if (k >= 3) {
            from[n] = p;
            len[n++] = k;
        }
        p += k + (p[k] != 0);
    }
    if (n == 0)
        return false;
    int k = gen_below(g, n), how = gen_below(g, 4); /* 0, 1: contains, 2: starts, 3: ends */
    const char *word = gen_fmt(g, "%.*s", (int)len[k], from[k]);
    if (how == 2 && k != 0)
        how = 0;
    if (how == 3 && from[k][len[k]])
        how = 1;
    static const char *const words[] = {"[contains|includes|has] {v}[| in it]",
                                        "contains [the word |]{v}", "[starts|begins] with {v}",
                                        "ends [with|in] {v}"};
    o->sql = gen_fmt(g, "%s LIKE '%s%s%s'", gen_col(g, t, o->column, qualified),
                     how == 2 ? "" : "%", word, how == 3 ? "" : "%");
    phrase_slot slots[] = {{"c", c->human},
                           {"v", gen_fmt(g,
                                         gen_chance(g, 50)   ? "'%s'"
                                         : gen_chance(g, 50) ? "\"%s\""
                                                             : "%s",
                                         word)},
                           {0}};
    o->pred = gen_fmt(g, "%s %s", c->human, gen_fill(g, words[how], slots));
    post_of(g, o, how < 2 ? gen_fill(g, "with {v} in [their|the] {c}", slots) : NULL);
    return true;
}

static bool cond_null(db_gen *g, int t, bool qualified, bool not, db_cond *o)
{
    const db_column_terms *c = &g->tables[t].cols[o->column];
    o->sql = gen_fmt(g, "%s IS %sNULL", gen_col(g, t, o->column, qualified), not ? "NOT " : "");
    phrase_slot slots[] = {{"c", c->human}, {0}};
    o->pred = gen_fill(g,
                       not ? "{c} is [known|filled in|given|not null|not empty|recorded]"
                           : "{c} is [missing|unknown|empty|not given|null|not recorded]",
                       slots);
    post_of(g, o,
            gen_fill(g,
                     not ? "[that have a(n) {c}|with a(n) {c}|with a known {c}]"
                         : "[without a(n) {c}|that have no {c}|with no {c}|lacking a(n) {c}]",
                     slots));
    return true;
}

/* The roles that a kind of condition fits. */
static int roles_of(int kind)
{
    switch (kind) {
    case COND_EQ:
        return COL_CATEGORY | COL_FLAG | COL_TEXT | COL_NUMBER;
    case COND_NOT_EQ:
        return COL_CATEGORY | COL_FLAG;
    case COND_KEY:
        return COL_ID | COL_NAME;
    case COND_CMP:
    case COND_RANGE:
        return COL_NUMBER | COL_FLAG;
    case COND_YEAR:
    case COND_MONTH:
    case COND_DAY_CMP:
    case COND_DAYS:
        return COL_DATE;
    case COND_LIKE:
        return COL_NAME | COL_TEXT;
    default:
        return COL_CATEGORY | COL_NUMBER | COL_DATE | COL_TEXT | COL_NAME | COL_ID;
    }
}

bool gen_cond(db_gen *g, int t, int kinds, int except, bool qualified, db_cond *o)
{
    if (t < 0)
        return false;
    for (int tries = 0; tries < 24; tries++) {
        int kind = 1 << gen_below(g, 12);
        if (!(kind & kinds))
            continue;
        int roles = roles_of(kind);
        if (kind == COND_EQ && gen_chance(g, 75)) /* categories are what people filter by */
            roles = COL_CATEGORY;
        o->column = gen_column(g, t, roles, except);
        if (o->column < 0)
            continue;
        const db_column_terms *c = &g->tables[t].cols[o->column];
        bool ok = false;
        switch (kind) {
        case COND_EQ:
        case COND_KEY:
        case COND_NOT_EQ:
            ok = cond_eq(g, t, qualified, kind == COND_NOT_EQ, o);
            break;
        case COND_CMP:
            ok = c->n_distinct > 2 && cond_cmp(g, t, qualified, o);
            break;
        case COND_RANGE:
            ok = c->n_distinct > 4 && cond_range(g, t, qualified, o);
            break;
        case COND_YEAR:
        case COND_MONTH:
            ok = cond_period(g, t, qualified, kind == COND_YEAR ? 4 : 7, o);
            break;
        case COND_DAY_CMP:
            ok = cond_day_cmp(g, t, qualified, o);
            break;
        case COND_DAYS:
            ok = cond_days(g, t, qualified, o);
            break;
        case COND_LIKE:
            ok = cond_like(g, t, qualified, o);
            break;
        default:
            ok = c->n_null > 0 && c->n_values > 0 &&
                 cond_null(g, t, qualified, kind == COND_NOT_NULL, o);
        }
        if (ok)
            return true;
    }
    return false;
}
