/* env/db/wiki_pair.c - two rows beside each other, or one beside all others: differences, sums,
 * which is more, who shares a value. */
#include "env/db/wiki_about.h"
#include <math.h>

static bool difference(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "How many more {c} [did|does] {a} have than {b}?",
        "=the difference [in|of] {c} between {a} and {b}",
        "[How much|By how much] [higher|larger|greater] is the {c} of {a} than [that of |]{b}?",
        "=the difference between {a}'s {c} and {b}'s",
    };
    int c = ask_pick(w, ASK_NUMBERS, a->lead), r, q;
    const char *u = c < 0 ? NULL : ask_name_row(w, a, &r), *v = u ? ask_name_row(w, a, &q) : NULL;
    if (!v || ask_value(w->t, r, c) <= ask_value(w->t, q, c))
        return false;
    const char *x = wiki_number(w, c);
    d->kind = "other";
    d->sql = wiki_fmt(w, "SELECT (SELECT %s FROM %s WHERE %s) - (SELECT %s FROM %s WHERE %s)", x,
                      a->T, ask_equals(w, a->lead, u), x, a->T, ask_equals(w, a->lead, v));
    d->think = wiki_fmt(w, "%s of %s where %s minus where %s", x, a->T, ask_equals(w, a->lead, u),
                        ask_equals(w, a->lead, v));
    bool turn = wiki_chance(w, 30);
    int k = wiki_below(w, ASK_LEN(say));
    turn = turn && k == 1; /* "between B and A" is the same difference */
    phrase_say(
        &d->text, &w->rng, &say[k], 1,
        (phrase_slot[]){
            {"c", wiki_lower(w, w->t->columns[c])}, {"a", turn ? v : u}, {"b", turn ? u : v}, {0}});
    return true;
}

static bool together(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "How many {c} did {a} and {b} have [combined|together|in total]?",
        "=the [combined|total] {c} of {a} and {b}",
        "=the sum of the {c} of {a} and {b}",
        "How many {c} are there for {a} and {b} [combined|together]?",
    };
    int c = ask_pick(w, ASK_NUMBERS, a->lead), r, q;
    const char *u = c < 0 ? NULL : ask_name_row(w, a, &r), *v = u ? ask_name_row(w, a, &q) : NULL;
    if (!v || r == q || ask_is_time(w->t->columns[c]))
        return false;
    const char *cond = wiki_fmt(w, "%s IN (%s, %s)", a->S, wiki_text(w, u), wiki_text(w, v)),
               *x = wiki_number(w, c);
    d->kind = "aggregation-SUM";
    d->sql = wiki_fmt(w, "SELECT SUM(%s) FROM %s WHERE %s", x, a->T, cond);
    d->think = wiki_fmt(w, "SUM(%s) of %s where %s", x, a->T, cond);
    ASK_SAY(w, d, say, {"c", wiki_lower(w, w->t->columns[c])}, {"a", u}, {"b", v});
    return true;
}

static bool which_of_two(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "[Which|What] {s} has [the {er}|a(n) {er}|{er}] {c}, {a} or {b}?",
        "[Who|Which] [has|had] {er} {c}, {a} or {b}?",
        "Did {a} or {b} have {er} {c}?",
        "Between {a} and {b}, [which|who] [has|had] the {er} {c}?",
        "[Does|Did] {a} or {b} have the {er} {c}?",
    };
    int c = ask_pick(w, ASK_NUMBERS, a->lead), r, q;
    const char *u = c < 0 ? NULL : ask_name_row(w, a, &r), *v = u ? ask_name_row(w, a, &q) : NULL;
    if (!v || fabs(ask_value(w->t, r, c) - ask_value(w->t, q, c)) < 1e-9 ||
        ask_is_time(w->t->columns[c]))
        return false;
    bool most = wiki_chance(w, 70);
    const char *cond = wiki_fmt(w, "%s IN (%s, %s)", a->S, wiki_text(w, u), wiki_text(w, v)),
               *x = wiki_number(w, c), *dir = most ? " DESC" : "";
    d->kind = "ranking";
    d->sql =
        wiki_fmt(w, "SELECT %s FROM %s WHERE %s ORDER BY %s%s LIMIT 1", a->S, a->T, cond, x, dir);
    d->think = wiki_fmt(w, "%s of %s where %s, order by %s%s, first 1", a->S, a->T, cond, x, dir);
    ASK_SAY(w, d, say, {"s", a->s}, {"c", wiki_lower(w, w->t->columns[c])}, {"a", u}, {"b", v},
            {"er", most ? WIKI_FILL(w, "[more|higher|larger|greater]", {0})
                        : WIKI_FILL(w, "[less|lower|smaller|fewer]", {0})});
    return true;
}

static bool more_than(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "How many {ss} [have|had] {er} {c} than {a}?",
        "=the number of {ss} with {er} {c} than {a}",
        "How many {ss} have a(n) {c} {er} than that of {a}?",
    };
    int c = ask_pick(w, ASK_NUMBERS, a->lead), r;
    const char *u = c < 0 ? NULL : ask_name_row(w, a, &r);
    if (!u || ask_is_time(w->t->columns[c]))
        return false;
    bool most = wiki_chance(w, 60);
    const char *x = wiki_number(w, c), *by = ask_equals(w, a->lead, u);
    d->kind = "counting";
    d->sql = wiki_fmt(w, "SELECT COUNT(*) FROM %s WHERE %s %s (SELECT %s FROM %s WHERE %s)", a->T,
                      x, most ? ">" : "<", x, a->T, by);
    d->think =
        wiki_fmt(w, "count %s where %s is %s than where %s", a->T, x, most ? "more" : "less", by);
    ASK_SAY(w, d, say, {"ss", a->ss}, {"c", wiki_lower(w, w->t->columns[c])}, {"a", u},
            {"er", most ? "higher" : "lower"});
    return true;
}

static bool same_as(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "[Which|What] other {s} has the same {c} as {a}?",
        "[Which|What] {ss} [have|share] the same {c} [as|with] {a}?",
        "Besides {a}, [which|what] {s} has the same {c}?",
        "[Other than|Apart from] {a}, [which|what] {ss} have that {c}?",
    };
    int c = ask_pick(w, ASK_REPEATED, a->lead), r;
    const char *u = c < 0 ? NULL : ask_name_row(w, a, &r);
    if (!u)
        return false;
    const char *by = ask_equals(w, a->lead, u);
    d->kind = "other";
    d->sql = wiki_fmt(w, "SELECT %s FROM %s WHERE %s = (SELECT %s FROM %s WHERE %s) AND %s != %s",
                      a->S, a->T, wiki_col(w, c), wiki_col(w, c), a->T, by, a->S, wiki_text(w, u));
    d->think =
        wiki_fmt(w, "%s of %s with the %s of %s, without it", a->S, a->T, wiki_col(w, c), by);
    ASK_SAY(w, d, say, {"s", a->s}, {"ss", a->ss}, {"c", wiki_lower(w, w->t->columns[c])},
            {"a", u});
    return true;
}

const ask_maker ask_pairs[] = {{difference, 5}, {together, 3}, {which_of_two, 5},
                               {more_than, 3},  {same_as, 3},  {NULL, 0}};
