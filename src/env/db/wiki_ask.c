/* env/db/wiki_ask.c - questions about one table, made from its rows, in the words of people who ask
 * about a page they see. Look-ups and aggregates are here; counts, rankings and pairs of rows in
 * files of their own. */
#include "env/db/wiki_about.h"
#include <ctype.h>

static bool look_up(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "=the {c} [of|for] {a}",
        "[What|Which] {c} [did|does] {a} have?",
        "What [is|was] {a}'s {c}?",
        "=the {c} [of|for] the {s} {a}",
        "{a}'s {c}?",
        "=the {c} [when|where] the {s} is {a}",
        "What {c} is listed for {a}?",
        "[Tell me|Give|Name] the {c} [of|for|when it is] {a}.",
        "=the {c} with {a} as the {s}",
        "=the {c} that {a} has",
    };
    static const char *const number[] = {
        "How many {c} [did|does] {a} have?",
        "How many {c} are [listed|recorded|there] for {a}?",
        "=the [number of |]{c} [of|for] {a}",
        "How many {c} did {a} [get|score|record|have]?",
        "=the total {c} for {a}",
    };
    int c = ask_pick(w, ASK_ANY, a->lead), r;
    const char *u = c < 0 ? NULL : ask_name_row(w, a, &r);
    if (!u)
        return false;
    const char *by = ask_equals(w, a->lead, u), *col = wiki_col(w, c);
    d->kind = "other";
    d->sql = wiki_fmt(w, "SELECT %s FROM %s WHERE %s", col, a->T, by);
    d->think = wiki_fmt(w, "%s of %s where %s", col, a->T, by);
    bool many = ask_all_numbers(w->t, c) && !ask_is_time(w->t->columns[c]) && wiki_chance(w, 60);
    phrase_slot slots[] = {{"c", wiki_lower(w, w->t->columns[c])},
                           {"a", wiki_chance(w, 15) ? wiki_quoted(w, u) : u},
                           {"s", a->s},
                           {0}};
    if (many)
        phrase_say(&d->text, &w->rng, number, ASK_LEN(number), slots);
    else
        phrase_say(&d->text, &w->rng, say, ASK_LEN(say), slots);
    return true;
}

static bool look_up_two(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "=the {c} and [the |]{e} [of|for] {a}",
        "[Which|What] {c} and {e} [did|does] {a} have?",
        "[Give|Tell me|List] the {c} and {e} [of|for] {a}.",
        "+the {c} and {e} of {a}",
    };
    int c = ask_pick(w, ASK_ANY, a->lead), e = ask_pick(w, ASK_ANY, a->lead), r;
    const char *u = c < 0 || e < 0 || c == e ? NULL : ask_name_row(w, a, &r);
    if (!u)
        return false;
    const char *by = ask_equals(w, a->lead, u);
    d->kind = "other";
    d->sql =
        wiki_fmt(w, "SELECT %s, %s FROM %s WHERE %s", wiki_col(w, c), wiki_col(w, e), a->T, by);
    d->think = wiki_fmt(w, "%s, %s of %s where %s", wiki_col(w, c), wiki_col(w, e), a->T, by);
    ASK_SAY(w, d, say, {"c", wiki_lower(w, w->t->columns[c])},
            {"e", wiki_lower(w, w->t->columns[e])}, {"a", u});
    return true;
}

/* Rows by what holds of them, through any column. */
static bool list_where(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "[Which|What] {cs} [are|were] [|listed ]{f}?",
        "[List|Name|Show|Give me] [all |all of |]the {cs} {f}.",
        "+the {cs} {f}",
        "[Which|What] {c} [is|was] {f}?",
        "=the {c} {f}",
        "+[all |]the {cs} [of|for] the {ss} {f}",
    };
    ask_filter f, g;
    int c = wiki_chance(w, 60) ? a->lead : ask_pick(w, ASK_ANY, -1);
    if (c < 0 || !ask_pick_filter(w, c, &f))
        return false;
    if (wiki_chance(w, 35) && ask_pick_filter(w, f.column, &g) && g.column != c) {
        f.sql = wiki_fmt(w, "%s AND %s", f.sql, g.sql);
        f.words = wiki_fmt(w, "%s and %s", f.words, g.words);
        f.equal = f.equal && g.equal;
    }
    d->kind = f.equal ? "other" : "comparison";
    d->sql = wiki_fmt(w, "SELECT %s FROM %s WHERE %s", wiki_col(w, c), a->T, f.sql);
    d->think = wiki_fmt(w, "%s of %s where %s", wiki_col(w, c), a->T, f.sql);
    const char *one = wiki_lower(w, w->t->columns[c]);
    /* the last form names the rows beside the column */
    phrase_say(&d->text, &w->rng, say, c == a->lead ? ASK_LEN(say) - 1 : ASK_LEN(say),
               (phrase_slot[]){
                   {"c", one}, {"cs", ask_plural(w, one)}, {"ss", a->ss}, {"f", f.words}, {0}});
    return true;
}

static bool aggregate(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const struct {
        const char *sql, *words;
    } functions[] = {{"SUM", "[total|total number of|sum of|combined]"},
                     {"AVG", "[average|mean|average number of]"},
                     {"MAX", "[highest|most|maximum|largest|biggest|top]"},
                     {"MIN", "[lowest|least|minimum|smallest|fewest]"}};
    static const char *const say[] = {
        "=the {f} {c} [|of the {ss} |for the {ss} |]{w}",
        "What [is|was] the {f} {c} {w}?",
        "[Name|Tell me|Give] the {f} {c} {w}.",
        "=the {f} {c} when {p}",
    };
    int c = ask_pick(w, ASK_NUMBERS, a->lead), k = wiki_below(w, ASK_LEN(functions));
    ask_filter f = {.sql = NULL, .column = -1};
    if (c < 0 || ask_is_time(w->t->columns[c]))
        return false;
    if (wiki_chance(w, 80) && !ask_pick_filter(w, c, &f))
        return false;
    const char *x = wiki_fmt(w, "%s(%s)", functions[k].sql, wiki_number(w, c));
    d->kind = wiki_fmt(w, "aggregation-%s", functions[k].sql);
    d->sql =
        wiki_fmt(w, "SELECT %s FROM %s%s%s", x, a->T, f.sql ? " WHERE " : "", f.sql ? f.sql : "");
    d->think = wiki_fmt(w, "%s of %s%s%s", x, a->T, f.sql ? " where " : "", f.sql ? f.sql : "");
    phrase_slot slots[] = {
        {"f", WIKI_FILL(w, functions[k].words, {0})},
        {"c", wiki_lower(w, w->t->columns[c])},
        {"ss", a->ss},
        {"w", f.sql ? f.words : WIKI_FILL(w, "[|in the table|of all {ss}]", {"ss", a->ss})},
        {"p", f.sql && f.equal
                  ? wiki_fmt(w, "the %s is %s", wiki_lower(w, w->t->columns[f.column]), f.value)
                  : ""},
        {0}};
    int n = f.sql && f.equal ? ASK_LEN(say) : ASK_LEN(say) - 1;
    phrase_say(&d->text, &w->rng, say, n, slots);
    return true;
}

static const ask_maker look_ups[] = {
    {look_up, 12}, {look_up_two, 3}, {list_where, 12}, {aggregate, 8}, {NULL, 0}};

/* ---- the whole ---- */

static void lower_case(cmat_buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        b->data[i] = (char)tolower((unsigned char)b->data[i]);
}

bool wiki_ask(wiki *w, wiki_draft *d)
{
    static const ask_maker *const lists[] = {ask_counts, ask_ranks, ask_pairs, look_ups};
    ask_about a;
    int total = 0;
    const ask_maker *chosen = NULL;
    if (!ask_begin(w, &a))
        return false;
    for (int i = 0; i < ASK_LEN(lists); i++)
        for (const ask_maker *m = lists[i]; m->make; m++)
            total += m->weight;
    int x = wiki_below(w, total);
    for (int i = 0; i < ASK_LEN(lists) && !chosen; i++)
        for (const ask_maker *m = lists[i]; m->make && !chosen; m++) {
            if (x < m->weight)
                chosen = m;
            x -= m->weight;
        }
    if (!chosen || !chosen->make(w, d, &a))
        return false;
    if (wiki_chance(w, 35)) /* as many people type */
        lower_case(&d->text);
    return true;
}
