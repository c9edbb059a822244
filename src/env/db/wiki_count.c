/* env/db/wiki_count.c - "how many": rows by a condition, by a value, all of them, different ones.
 */
#include "env/db/wiki_about.h"
#include <string.h>

static bool count_where(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "How many {ss} [are there|were there|are listed] {f}?",
        "=the [total |]number of {ss} {f}",
        "How many {ss} {are} {f}?",
        "How many [rows|entries] {are} {f}?",
        "How many {ss} {f} are [there|listed|in the table]?",
        "[Count|Tell me the number of] {ss} {f}.",
        "=the amount of {ss} {f}",
        "How many times [is|was] there a(n) {s} {f}?",
    };
    ask_filter f, g;
    if (!ask_pick_filter(w, -1, &f))
        return false;
    if (wiki_chance(w, 20) && ask_pick_filter(w, f.column, &g)) {
        f.sql = wiki_fmt(w, "%s AND %s", f.sql, g.sql);
        f.words = wiki_fmt(w, "%s and %s", f.words, g.words);
    }
    d->kind = "counting";
    d->sql = wiki_fmt(w, "SELECT COUNT(*) FROM %s WHERE %s", a->T, f.sql);
    d->think = wiki_fmt(w, "count %s where %s", a->T, f.sql);
    bool with = !strncmp(f.words, "wh", 2) || !strncmp(f.words, "with ", 5) || *f.words == '(';
    ASK_SAY(w, d, say, {"s", a->s}, {"ss", a->ss}, {"f", f.words},
            {"are", with ? "are there" : WIKI_FILL(w, "[are|were]", {0})});
    return true;
}

static bool count_value(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "How many times [is|was|does] {v} [listed|given|recorded|appear|occur] as [the |a |]{c}?",
        "=the number of times [that |]{v} [appears|is listed|occurs][| as the {c}| in the table]",
        "=the total number of {ss} [listed as|for|with|of] {v}",
        "How [often|many times] does {v} [appear|occur] [under|as|in] {c}?",
        "How many {ss} [have|had] [the |]{c} {v}?",
        "How many {ss} [have|had|list] {v} as [the|their|a] {c}?",
        "How many entries [have|had] a(n) {c} of {v}?",
    };
    int row, c = ask_pick(w, ASK_REPEATED, -1);
    const char *v = c < 0 ? NULL : ask_cell(w, c, &row);
    if (!v)
        return false;
    d->kind = "counting";
    d->sql = wiki_fmt(w, "SELECT COUNT(*) FROM %s WHERE %s", a->T, ask_equals(w, c, v));
    d->think = wiki_fmt(w, "count %s where %s", a->T, ask_equals(w, c, v));
    ASK_SAY(w, d, say, {"v", wiki_chance(w, 20) ? wiki_quoted(w, v) : v}, {"s", a->s},
            {"ss", a->ss}, {"c", wiki_lower(w, w->t->columns[c])});
    return true;
}

static bool count_all(wiki *w, wiki_draft *d, const ask_about *a)
{
    static const char *const say[] = {
        "How many {cs} are [there|listed|in the table|shown|in this list|on this chart]?",
        "=the total number of {cs}[| listed| in the table]",
        "How many {cs} are [there |listed |]in total?",
        "How many total {cs} [are there|are listed]?",
    };
    static const char *const different[] = {
        "How many [different|unique|distinct] {cs} are [there|listed|in the table|represented]?",
        "=the number of [different|unique|distinct] {cs}[| listed| in the table]",
        "[Count|Tell me] the number of [different|distinct] {cs}.",
        "How many [different|distinct] {cs} [appear|occur|have been listed]?",
    };
    bool repeated = wiki_chance(w, 60);
    int c = repeated ? ask_pick(w, ASK_REPEATED, -1) : a->lead;
    if (c < 0)
        return false;
    const char *cs = ask_plural(w, wiki_lower(w, w->t->columns[c])), *col = wiki_col(w, c);
    d->kind = "counting";
    d->sql = repeated ? wiki_fmt(w, "SELECT COUNT(DISTINCT %s) FROM %s", col, a->T)
                      : wiki_fmt(w, "SELECT COUNT(*) FROM %s", a->T);
    d->think = repeated ? wiki_fmt(w, "count distinct %s of %s", col, a->T)
                        : wiki_fmt(w, "count all rows of %s", a->T);
    if (repeated)
        ASK_SAY(w, d, different, {"cs", cs});
    else
        ASK_SAY(w, d, say, {"cs", cs});
    return true;
}

const ask_maker ask_counts[] = {{count_where, 12}, {count_value, 10}, {count_all, 5}, {NULL, 0}};
