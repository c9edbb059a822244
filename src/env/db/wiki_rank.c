/* env/db/wiki_rank.c - "which has the most": the first, the n-th, the first few, of a part of the
 * rows, the most frequent. */
#include "env/db/wiki_about.h"
#include <math.h>
#include <stdlib.h>

typedef struct {
    int row;
    double x;
} ranked;

static int by_value(const void *pa, const void *pb)
{
    const ranked *a = pa, *b = pb;
    return (a->x > b->x) - (a->x < b->x);
}

/* The rows' order by column c, smallest first; false: the first k+1 have ties. */
static bool clear_order(const wiki_table *t, int c, bool most, int k)
{
    ranked r[WIKI_MAX_ROWS] = {{0, 0}};
    int n = t->n_rows;
    for (int i = 0; i < n; i++)
        r[i] = (ranked){i, most ? -ask_value(t, i, c) : ask_value(t, i, c)};
    qsort(r, (size_t)n, sizeof *r, by_value);
    if (k >= n)
        return false;
    for (int i = 0; i < k; i++)
        if (r[i + 1].x - r[i].x < 1e-9)
            return false;
    return true;
}

static bool ranking(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const first[] = {
        "[Which|What] {s} [has|had|got|scored|recorded|received|won] the {most} {c}?",
        "[Who|Which {s}|What {s}] [has|had] the {most} {c}?",
        "=the {s} with the {most} {c}",
        "[Which|What] {s} is the {top} [in|by|in terms of] {c}?",
        "[Which|What] {s} [leads|comes first|ranks first|is first] [in|by] {c}?{rev}",
        "[Name|Give|Tell me] the {s} that [has|had] the {most} {c}.",
        "[Of|Among] all [the |]{ss}, which [one |]has the {most} {c}?",
        "The {s} with the {most} {c} is?",
    };
    static const char *const nth[] = {
        "[Which|What] {s} [has|had] the {n} {most} {c}?",
        "=the {s} with the {n} {most} {c}",
        "[Which|What] {s} [ranks|comes|is] {n} [in|by] {c}?{rev}",
        "[Name|Give|Tell me] the {s} with the {n} {most} {c}.",
    };
    static const char *const several[] = {
        "[Which|What] {k} {ss} [have|had] the {most} {c}?",
        "[Name|List|Give] the {k} {ss} with the {most} {c}.",
        "What are the [top |]{k} {ss} with the {most} {c}?",
        "[Who|Which {ss}] are the [first|leading|top] {k} [in|by] {c}?{rev}",
    };
    static const char *const early[] = {
        "[Which|What] {s} [was|came|is listed] [first|earliest|the earliest][|, by {c}]?",
        "=the [first|earliest] {s}[|, by {c}]",
        "[Which|What] {s} has the earliest {c}?",
        "[Who|What] was the first {s}?",
    };
    static const char *const late[] = {
        "[Which|What] {s} [was|came|is listed] [last|latest|most recently][|, by {c}]?",
        "=the [last|latest|most recent] {s}[|, by {c}]",
        "[Which|What] {s} has the latest {c}?",
        "[Who|What] was the last {s}?",
    };
    static const char *const numerals[] = {"", "", "two", "three", "four", "five"};
    static const char *const ordinals[] = {"", "", "second", "third", "fourth", "fifth"};
    int c = ask_pick(w, ASK_NUMBERS, a->lead), how = wiki_below(w, 10), k = 2 + wiki_below(w, 4);
    if (c < 0)
        return false;
    bool most = wiki_chance(w, 65), time = ask_is_time(w->t->columns[c]);
    k = how < 6 || time ? 1 : k;
    if (!clear_order(w->t, c, most, k))
        return false;
    const char *x = wiki_number(w, c), *dir = most ? " DESC" : "";
    bool one_of = how >= 6 && how < 8 && k > 1;
    const char *limit = one_of ? wiki_fmt(w, "1 OFFSET %d", k - 1) : wiki_fmt(w, "%d", k);
    d->kind = "ranking";
    d->sql = wiki_fmt(w, "SELECT %s FROM %s ORDER BY %s%s LIMIT %s", a->S, a->T, x, dir, limit);
    d->think = one_of ? wiki_fmt(w, "%s of %s, order by %s%s, number %d", a->S, a->T, x, dir, k)
                      : wiki_fmt(w, "%s of %s, order by %s%s, first %d", a->S, a->T, x, dir, k);
    phrase_slot slots[] = {
        {"s", a->s},
        {"ss", a->ss},
        {"c", wiki_lower(w, w->t->columns[c])},
        {"n", ordinals[k > 1 ? k : 2]},
        {"k", wiki_chance(w, 60) && k > 1 ? numerals[k] : wiki_fmt(w, "%d", k)},
        {"rev", most ? "" : " Count from the lowest."},
        {"top", most ? WIKI_FILL(w, "[highest|top|largest|best]", {0})
                     : WIKI_FILL(w, "[lowest|smallest]", {0})},
        {"most", most ? WIKI_FILL(w, "[most|highest|largest|greatest|biggest]", {0})
                      : WIKI_FILL(w, "[least|lowest|smallest|fewest]", {0})},
        {0}};
    if (time)
        phrase_say(&d->text, &w->rng, most ? late : early, 4, slots);
    else if (k == 1)
        phrase_say(&d->text, &w->rng, first, ASK_LEN(first), slots);
    else
        phrase_say(&d->text, &w->rng, one_of ? nth : several, 4, slots);
    return true;
}

/* The first of a part of the rows. */
static bool ranking_where(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "[Of|Among] the {ss} {f}, [which|who] [has|had] the {most} {c}?",
        "[Which|What] {s} {f} [has|had] the {most} {c}?",
        "=the {s} with the {most} {c} [of those|among those|among the ones] {f}",
        "=the {most} {c} [of|for|among] [the |]{ss} {f}",
    };
    int c = ask_pick(w, ASK_NUMBERS, a->lead), row, by = ask_pick(w, ASK_REPEATED, c);
    const char *v = by < 0 || c < 0 ? NULL : ask_cell(w, by, &row);
    if (!v || ask_is_time(w->t->columns[c]))
        return false;
    bool most = wiki_chance(w, 65);
    double best = 0;
    int n = 0, ties = 0;
    for (int r = 0; r < w->t->n_rows; r++) {
        double x = most ? ask_value(w->t, r, c) : -ask_value(w->t, r, c);
        if (!wiki_same(w->t->rows[r][by], v))
            continue;
        ties = n && fabs(x - best) < 1e-9 ? ties + 1 : !n || x > best ? 0 : ties;
        best = !n || x > best ? x : best;
        n++;
    }
    if (n < 2 || ties)
        return false;
    const char *x = wiki_number(w, c), *cond = ask_equals(w, by, v);
    int k = wiki_below(w, ASK_LEN(say));
    if (k == 3) { /* the number itself */
        d->sql = wiki_fmt(w, "SELECT %s(%s) FROM %s WHERE %s", most ? "MAX" : "MIN", x, a->T, cond);
        d->think = wiki_fmt(w, "%s(%s) of %s where %s", most ? "MAX" : "MIN", x, a->T, cond);
        d->kind = most ? "aggregation-MAX" : "aggregation-MIN";
    } else {
        d->sql = wiki_fmt(w, "SELECT %s FROM %s WHERE %s ORDER BY %s%s LIMIT 1", a->S, a->T, cond,
                          x, most ? " DESC" : "");
        d->think = wiki_fmt(w, "%s of %s where %s, order by %s%s, first 1", a->S, a->T, cond, x,
                            most ? " DESC" : "");
        d->kind = "ranking";
    }
    phrase_say(&d->text, &w->rng, &say[k], 1,
               (phrase_slot[]){{"s", a->s},
                               {"ss", a->ss},
                               {"c", wiki_lower(w, w->t->columns[c])},
                               {"f", wiki_clause(w, w->t->columns[by], v, false)},
                               {"most", most ? WIKI_FILL(w, "[most|highest|largest]", {0})
                                             : WIKI_FILL(w, "[least|lowest|smallest]", {0})},
                               {0}});
    return true;
}

static bool most_common(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "[Which|What] {c} [appears|occurs|is listed] [the most|most often|the most times]?",
        "=the most [common|frequent] {c}[| in the table]",
        "[Which|What] {c} has the [most|largest number of] {ss}?",
        "=the {c} with the [most|greatest number of] {ss}",
    };
    int c = ask_pick(w, ASK_REPEATED, a->lead);
    if (c < 0)
        return false;
    int best = 0, second = 0;
    for (int r = 0; r < w->t->n_rows; r++) {
        int n = 0;
        bool seen = false;
        for (int k = 0; k < w->t->n_rows; k++) {
            bool same = wiki_same(w->t->rows[k][c], w->t->rows[r][c]);
            seen = seen || (same && k < r);
            n += same;
        }
        if (seen)
            continue;
        second = n > best ? best : n > second ? n : second;
        best = n > best ? n : best;
    }
    if (best == second)
        return false;
    const char *col = wiki_col(w, c);
    d->kind = "ranking";
    d->sql =
        wiki_fmt(w, "SELECT %s FROM %s GROUP BY %s ORDER BY COUNT(*) DESC LIMIT 1", col, a->T, col);
    d->think = wiki_fmt(w, "%s of %s with the most rows", col, a->T);
    ASK_SAY(w, d, say, {"c", wiki_lower(w, w->t->columns[c])}, {"ss", a->ss});
    return true;
}

const ask_maker ask_ranks[] = {{ranking, 18}, {ranking_where, 6}, {most_common, 5}, {NULL, 0}};
