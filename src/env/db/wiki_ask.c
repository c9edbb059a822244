/* env/db/wiki_ask.c - questions about one table, made from its rows: counts, rankings, differences,
 * look-ups, in the words of people who ask about a page they see. */
#include "env/db/wiki_impl.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))

/* What a question speaks of; strings are SQL, or words. */
typedef struct {
    int lead;           /* the column that names rows */
    const char *T, *S;  /* table, lead column */
    const char *s, *ss; /* "player", "players" */
} about;

static int n_distinct(const wiki_table *t, int c)
{
    int n = 0;
    for (int r = 0; r < t->n_rows; r++) {
        bool seen = false;
        for (int k = 0; k < r && !seen; k++)
            seen = wiki_same(t->rows[k][c], t->rows[r][c]);
        n += !seen;
    }
    return n;
}

/* Every cell of the column is a number. */
static bool all_numbers(const wiki_table *t, int c)
{
    double x;
    for (int r = 0; r < t->n_rows; r++)
        if (!wiki_number_of(t->rows[r][c], &x))
            return false;
    return true;
}

static bool speakable(const char *header)
{
    size_t letters = 0;
    for (const char *p = header; *p; p++)
        letters += isalpha((unsigned char)*p) != 0;
    return letters * 10 >= strlen(header) * 6 && letters > 1;
}

static const char *plural(wiki *w, const char *s)
{
    cmat_buf b = {0};
    size_t n = strlen(s);
    if (n > 2 && (s[n - 1] == 's' || s[n - 1] == ')') && s[n - 2] != 's')
        return s; /* "points", "series", "year(s)" */
    phrase_plural(&b, s);
    const char *p = cmat_arena_strdup(&w->arena, cmat_buf_str(&b));
    cmat_buf_clear(&b);
    return p;
}

/* A column of the wanted sort, not `except`; -1: none. */
enum { ANY, NUMBERS, REPEATED, WORDS };
static int pick(wiki *w, int sort, int except)
{
    const wiki_table *t = w->t;
    for (int tries = 0; tries < 16; tries++) {
        int c = wiki_below(w, t->n_columns);
        if (c == except || !speakable(t->columns[c]))
            continue;
        if (sort == NUMBERS && !all_numbers(t, c))
            continue;
        if (sort == REPEATED && (all_numbers(t, c) || n_distinct(t, c) * 10 > t->n_rows * 8))
            continue;
        if (sort == WORDS && t->numeric[c])
            continue;
        return c;
    }
    return -1;
}

static bool begin(wiki *w, about *a)
{
    const wiki_table *t = w->t;
    a->lead = -1;
    for (int c = 0; c < t->n_columns && a->lead < 0; c++)
        if (!t->numeric[c] && speakable(t->columns[c]) && n_distinct(t, c) * 10 >= t->n_rows * 8)
            a->lead = c;
    if (a->lead < 0)
        return false;
    a->T = wiki_name(w, t->name);
    a->S = wiki_col(w, a->lead);
    a->s = wiki_lower(w, t->columns[a->lead]);
    a->ss = plural(w, a->s);
    return true;
}

static const char *cell(wiki *w, int c, int *row)
{
    for (int tries = 0; tries < 8; tries++) {
        *row = wiki_below(w, w->t->n_rows);
        if (wiki_sayable(w->t->rows[*row][c]))
            return w->t->rows[*row][c];
    }
    return NULL;
}

static bool unique(const wiki_table *t, int c, int row)
{
    for (int r = 0; r < t->n_rows; r++)
        if (r != row && wiki_same(t->rows[r][c], t->rows[row][c]))
            return false;
    return true;
}

static const char *name_row(wiki *w, const about *a, int *row)
{
    const char *v = cell(w, a->lead, row);
    return v && unique(w->t, a->lead, *row) ? v : NULL;
}

static double value(const wiki_table *t, int r, int c)
{
    double x = 0;
    wiki_number_of(t->rows[r][c], &x);
    return x;
}

static const char *equals(wiki *w, int c, const char *v)
{
    return wiki_fmt(w, "%s = %s", wiki_col(w, c), wiki_text(w, v));
}

#define SAY(w, d, templates, ...) \
    phrase_say(&(d)->text, &(w)->rng, templates, LEN(templates), (phrase_slot[]){__VA_ARGS__, {0}})

/* ---- conditions ---- */

typedef struct {
    const char *sql, *words; /* "Club = 'Ajax'", "with club Ajax" */
    int column;
    bool equal;
    const char *value;
} filter;

/* A condition that more than one row may meet. */
static bool pick_filter(wiki *w, int except, filter *f)
{
    static const struct {
        const char *op, *words;
    } ops[] = {{">", "[more than|over|above|greater than|higher than]"},
               {"<", "[less than|under|below|fewer than|lower than|smaller than]"},
               {">=", "at least"},
               {"<=", "at most"}};
    const wiki_table *t = w->t;
    int row, how = wiki_below(w, 10);
    if (how < 5) {
        int c = f->column = pick(w, REPEATED, except);
        const char *v = c < 0 ? NULL : cell(w, c, &row);
        if (!v)
            return false;
        f->sql = equals(w, c, v);
        f->equal = true;
        f->value = v;
        f->words =
            wiki_chance(w, 60)
                ? wiki_clause(w, t->columns[c], v, t->numeric[c])
                : WIKI_FILL(w,
                            "[with {c} {v}|whose {c} is {v}|where the {c} is {v}|with {v} as {c}]",
                            {"c", wiki_lower(w, t->columns[c])}, {"v", v});
        return true;
    }
    f->equal = false;
    if (how < 8) {
        int c = f->column = pick(w, NUMBERS, except), k = wiki_below(w, LEN(ops));
        const char *v = c < 0 ? NULL : cell(w, c, &row);
        if (!v || n_distinct(t, c) < 4)
            return false;
        f->sql = wiki_fmt(w, "%s %s %.12g", wiki_compared(w, c), ops[k].op, value(t, row, c));
        f->value = v;
        f->words =
            WIKI_FILL(w, "[with {o} {v} {c}|with a(n) {c} [of |]{o} {v}|whose {c} is {o} {v}]",
                      {"o", WIKI_FILL(w, ops[k].words, {0})},
                      {"v", wiki_chance(w, 50) ? v : wiki_fmt(w, "%.12g", value(t, row, c))},
                      {"c", wiki_lower(w, t->columns[c])});
        return true;
    }
    int c = f->column = pick(w, WORDS, except);
    const char *v = c < 0 ? NULL : cell(w, c, &row), *p = v;
    if (!v || !strchr(v, ' '))
        return false;
    for (int skip = wiki_below(w, 3); skip > 0 && strchr(p, ' '); skip--)
        p = strchr(p, ' ') + 1;
    size_t n = strcspn(p, " ,;()");
    if (n < 4 || memchr(p, '%', n) || memchr(p, '_', n) || memchr(p, '\'', n))
        return false;
    f->value = wiki_fmt(w, "%.*s", (int)n, p);
    f->sql = wiki_fmt(w, "%s LIKE '%%%s%%'", wiki_col(w, c), f->value);
    f->words = WIKI_FILL(
        w, "[with {v} in the {c}|whose {c} [contains|includes|mentions] {v}|with a(n) {c} in {v}]",
        {"v", wiki_chance(w, 30) ? wiki_quoted(w, f->value) : f->value},
        {"c", wiki_lower(w, t->columns[c])});
    return true;
}

/* ---- counts ---- */

static bool count_where(wiki *w, wiki_draft *d, const about *a)
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
    filter f, g;
    if (!pick_filter(w, -1, &f))
        return false;
    if (wiki_chance(w, 20) && pick_filter(w, f.column, &g)) {
        f.sql = wiki_fmt(w, "%s AND %s", f.sql, g.sql);
        f.words = wiki_fmt(w, "%s and %s", f.words, g.words);
    }
    d->kind = "counting";
    d->sql = wiki_fmt(w, "SELECT COUNT(*) FROM %s WHERE %s", a->T, f.sql);
    d->think = wiki_fmt(w, "count %s where %s", a->T, f.sql);
    bool with = !strncmp(f.words, "wh", 2) || !strncmp(f.words, "with ", 5) || *f.words == '(';
    SAY(w, d, say, {"s", a->s}, {"ss", a->ss}, {"f", f.words},
        {"are", with ? "are there" : WIKI_FILL(w, "[are|were]", {0})});
    return true;
}

static bool count_value(wiki *w, wiki_draft *d, const about *a)
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
    int row, c = pick(w, REPEATED, -1);
    const char *v = c < 0 ? NULL : cell(w, c, &row);
    if (!v)
        return false;
    d->kind = "counting";
    d->sql = wiki_fmt(w, "SELECT COUNT(*) FROM %s WHERE %s", a->T, equals(w, c, v));
    d->think = wiki_fmt(w, "count %s where %s", a->T, equals(w, c, v));
    SAY(w, d, say, {"v", wiki_chance(w, 20) ? wiki_quoted(w, v) : v}, {"s", a->s}, {"ss", a->ss},
        {"c", wiki_lower(w, w->t->columns[c])});
    return true;
}

static bool count_all(wiki *w, wiki_draft *d, const about *a)
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
    int c = repeated ? pick(w, REPEATED, -1) : a->lead;
    if (c < 0)
        return false;
    const char *cs = plural(w, wiki_lower(w, w->t->columns[c])), *col = wiki_col(w, c);
    d->kind = "counting";
    d->sql = repeated ? wiki_fmt(w, "SELECT COUNT(DISTINCT %s) FROM %s", col, a->T)
                      : wiki_fmt(w, "SELECT COUNT(*) FROM %s", a->T);
    d->think = repeated ? wiki_fmt(w, "count distinct %s of %s", col, a->T)
                        : wiki_fmt(w, "count all rows of %s", a->T);
    if (repeated)
        SAY(w, d, different, {"cs", cs});
    else
        SAY(w, d, say, {"cs", cs});
    return true;
}

/* ---- rankings ---- */

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
        r[i] = (ranked){i, most ? -value(t, i, c) : value(t, i, c)};
    qsort(r, (size_t)n, sizeof *r, by_value);
    if (k >= n)
        return false;
    for (int i = 0; i < k; i++)
        if (r[i + 1].x - r[i].x < 1e-9)
            return false;
    return true;
}

static bool is_time(const char *header)
{
    return strcasecmp(header, "year") == 0 || strcasecmp(header, "season") == 0 ||
           strcasecmp(header, "week") == 0 || strcasecmp(header, "round") == 0 ||
           strcasecmp(header, "game") == 0;
}

static bool ranking(wiki *w, wiki_draft *d, const about *a)
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
    int c = pick(w, NUMBERS, a->lead), how = wiki_below(w, 10), k = 2 + wiki_below(w, 4);
    if (c < 0)
        return false;
    bool most = wiki_chance(w, 65), time = is_time(w->t->columns[c]);
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
        phrase_say(&d->text, &w->rng, first, LEN(first), slots);
    else
        phrase_say(&d->text, &w->rng, one_of ? nth : several, 4, slots);
    return true;
}

/* The first of a part of the rows. */
static bool ranking_where(wiki *w, wiki_draft *d, const about *a)
{
    static const char *const say[] = {
        "[Of|Among] the {ss} {f}, [which|who] [has|had] the {most} {c}?",
        "[Which|What] {s} {f} [has|had] the {most} {c}?",
        "=the {s} with the {most} {c} [of those|among those|among the ones] {f}",
        "=the {most} {c} [of|for|among] [the |]{ss} {f}",
    };
    int c = pick(w, NUMBERS, a->lead), row, by = pick(w, REPEATED, c);
    const char *v = by < 0 || c < 0 ? NULL : cell(w, by, &row);
    if (!v || is_time(w->t->columns[c]))
        return false;
    bool most = wiki_chance(w, 65);
    double best = 0;
    int n = 0, ties = 0;
    for (int r = 0; r < w->t->n_rows; r++) {
        double x = most ? value(w->t, r, c) : -value(w->t, r, c);
        if (!wiki_same(w->t->rows[r][by], v))
            continue;
        ties = n && fabs(x - best) < 1e-9 ? ties + 1 : !n || x > best ? 0 : ties;
        best = !n || x > best ? x : best;
        n++;
    }
    if (n < 2 || ties)
        return false;
    const char *x = wiki_number(w, c), *cond = equals(w, by, v);
    int k = wiki_below(w, LEN(say));
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

static bool most_common(wiki *w, wiki_draft *d, const about *a)
{
    static const char *const say[] = {
        "[Which|What] {c} [appears|occurs|is listed] [the most|most often|the most times]?",
        "=the most [common|frequent] {c}[| in the table]",
        "[Which|What] {c} has the [most|largest number of] {ss}?",
        "=the {c} with the [most|greatest number of] {ss}",
    };
    int c = pick(w, REPEATED, a->lead);
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
    SAY(w, d, say, {"c", wiki_lower(w, w->t->columns[c])}, {"ss", a->ss});
    return true;
}

/* ---- two rows ---- */

static bool difference(wiki *w, wiki_draft *d, const about *a)
{
    static const char *const say[] = {
        "How many more {c} [did|does] {a} have than {b}?",
        "=the difference [in|of] {c} between {a} and {b}",
        "[How much|By how much] [higher|larger|greater] is the {c} of {a} than [that of |]{b}?",
        "=the difference between {a}'s {c} and {b}'s",
    };
    int c = pick(w, NUMBERS, a->lead), r, q;
    const char *u = c < 0 ? NULL : name_row(w, a, &r), *v = u ? name_row(w, a, &q) : NULL;
    if (!v || value(w->t, r, c) <= value(w->t, q, c))
        return false;
    const char *x = wiki_number(w, c);
    d->kind = "other";
    d->sql = wiki_fmt(w, "SELECT (SELECT %s FROM %s WHERE %s) - (SELECT %s FROM %s WHERE %s)", x,
                      a->T, equals(w, a->lead, u), x, a->T, equals(w, a->lead, v));
    d->think = wiki_fmt(w, "%s of %s where %s minus where %s", x, a->T, equals(w, a->lead, u),
                        equals(w, a->lead, v));
    bool turn = wiki_chance(w, 30);
    int k = wiki_below(w, LEN(say));
    turn = turn && k == 1; /* "between B and A" is the same difference */
    phrase_say(
        &d->text, &w->rng, &say[k], 1,
        (phrase_slot[]){
            {"c", wiki_lower(w, w->t->columns[c])}, {"a", turn ? v : u}, {"b", turn ? u : v}, {0}});
    return true;
}

static bool together(wiki *w, wiki_draft *d, const about *a)
{
    static const char *const say[] = {
        "How many {c} did {a} and {b} have [combined|together|in total]?",
        "=the [combined|total] {c} of {a} and {b}",
        "=the sum of the {c} of {a} and {b}",
        "How many {c} are there for {a} and {b} [combined|together]?",
    };
    int c = pick(w, NUMBERS, a->lead), r, q;
    const char *u = c < 0 ? NULL : name_row(w, a, &r), *v = u ? name_row(w, a, &q) : NULL;
    if (!v || r == q || is_time(w->t->columns[c]))
        return false;
    const char *cond = wiki_fmt(w, "%s IN (%s, %s)", a->S, wiki_text(w, u), wiki_text(w, v)),
               *x = wiki_number(w, c);
    d->kind = "aggregation-SUM";
    d->sql = wiki_fmt(w, "SELECT SUM(%s) FROM %s WHERE %s", x, a->T, cond);
    d->think = wiki_fmt(w, "SUM(%s) of %s where %s", x, a->T, cond);
    SAY(w, d, say, {"c", wiki_lower(w, w->t->columns[c])}, {"a", u}, {"b", v});
    return true;
}

static bool which_of_two(wiki *w, wiki_draft *d, const about *a)
{
    static const char *const say[] = {
        "[Which|What] {s} has [the {er}|a(n) {er}|{er}] {c}, {a} or {b}?",
        "[Who|Which] [has|had] {er} {c}, {a} or {b}?",
        "Did {a} or {b} have {er} {c}?",
        "Between {a} and {b}, [which|who] [has|had] the {er} {c}?",
        "[Does|Did] {a} or {b} have the {er} {c}?",
    };
    int c = pick(w, NUMBERS, a->lead), r, q;
    const char *u = c < 0 ? NULL : name_row(w, a, &r), *v = u ? name_row(w, a, &q) : NULL;
    if (!v || fabs(value(w->t, r, c) - value(w->t, q, c)) < 1e-9 || is_time(w->t->columns[c]))
        return false;
    bool most = wiki_chance(w, 70);
    const char *cond = wiki_fmt(w, "%s IN (%s, %s)", a->S, wiki_text(w, u), wiki_text(w, v)),
               *x = wiki_number(w, c), *dir = most ? " DESC" : "";
    d->kind = "ranking";
    d->sql =
        wiki_fmt(w, "SELECT %s FROM %s WHERE %s ORDER BY %s%s LIMIT 1", a->S, a->T, cond, x, dir);
    d->think = wiki_fmt(w, "%s of %s where %s, order by %s%s, first 1", a->S, a->T, cond, x, dir);
    SAY(w, d, say, {"s", a->s}, {"c", wiki_lower(w, w->t->columns[c])}, {"a", u}, {"b", v},
        {"er", most ? WIKI_FILL(w, "[more|higher|larger|greater]", {0})
                    : WIKI_FILL(w, "[less|lower|smaller|fewer]", {0})});
    return true;
}

static bool more_than(wiki *w, wiki_draft *d, const about *a)
{
    static const char *const say[] = {
        "How many {ss} [have|had] {er} {c} than {a}?",
        "=the number of {ss} with {er} {c} than {a}",
        "How many {ss} have a(n) {c} {er} than that of {a}?",
    };
    int c = pick(w, NUMBERS, a->lead), r;
    const char *u = c < 0 ? NULL : name_row(w, a, &r);
    if (!u || is_time(w->t->columns[c]))
        return false;
    bool most = wiki_chance(w, 60);
    const char *x = wiki_number(w, c), *by = equals(w, a->lead, u);
    d->kind = "counting";
    d->sql = wiki_fmt(w, "SELECT COUNT(*) FROM %s WHERE %s %s (SELECT %s FROM %s WHERE %s)", a->T,
                      x, most ? ">" : "<", x, a->T, by);
    d->think =
        wiki_fmt(w, "count %s where %s is %s than where %s", a->T, x, most ? "more" : "less", by);
    SAY(w, d, say, {"ss", a->ss}, {"c", wiki_lower(w, w->t->columns[c])}, {"a", u},
        {"er", most ? "higher" : "lower"});
    return true;
}

static bool same_as(wiki *w, wiki_draft *d, const about *a)
{
    static const char *const say[] = {
        "[Which|What] other {s} has the same {c} as {a}?",
        "[Which|What] {ss} [have|share] the same {c} [as|with] {a}?",
        "Besides {a}, [which|what] {s} has the same {c}?",
        "[Other than|Apart from] {a}, [which|what] {ss} have that {c}?",
    };
    int c = pick(w, REPEATED, a->lead), r;
    const char *u = c < 0 ? NULL : name_row(w, a, &r);
    if (!u)
        return false;
    const char *by = equals(w, a->lead, u);
    d->kind = "other";
    d->sql = wiki_fmt(w, "SELECT %s FROM %s WHERE %s = (SELECT %s FROM %s WHERE %s) AND %s != %s",
                      a->S, a->T, wiki_col(w, c), wiki_col(w, c), a->T, by, a->S, wiki_text(w, u));
    d->think =
        wiki_fmt(w, "%s of %s with the %s of %s, without it", a->S, a->T, wiki_col(w, c), by);
    SAY(w, d, say, {"s", a->s}, {"ss", a->ss}, {"c", wiki_lower(w, w->t->columns[c])}, {"a", u});
    return true;
}

/* ---- look-ups ---- */

static bool look_up(wiki *w, wiki_draft *d, const about *a)
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
    int c = pick(w, ANY, a->lead), r;
    const char *u = c < 0 ? NULL : name_row(w, a, &r);
    if (!u)
        return false;
    const char *by = equals(w, a->lead, u), *col = wiki_col(w, c);
    d->kind = "other";
    d->sql = wiki_fmt(w, "SELECT %s FROM %s WHERE %s", col, a->T, by);
    d->think = wiki_fmt(w, "%s of %s where %s", col, a->T, by);
    bool many = all_numbers(w->t, c) && !is_time(w->t->columns[c]) && wiki_chance(w, 60);
    phrase_slot slots[] = {{"c", wiki_lower(w, w->t->columns[c])},
                           {"a", wiki_chance(w, 15) ? wiki_quoted(w, u) : u},
                           {"s", a->s},
                           {0}};
    if (many)
        phrase_say(&d->text, &w->rng, number, LEN(number), slots);
    else
        phrase_say(&d->text, &w->rng, say, LEN(say), slots);
    return true;
}

static bool look_up_two(wiki *w, wiki_draft *d, const about *a)
{
    static const char *const say[] = {
        "=the {c} and [the |]{e} [of|for] {a}",
        "[Which|What] {c} and {e} [did|does] {a} have?",
        "[Give|Tell me|List] the {c} and {e} [of|for] {a}.",
        "+the {c} and {e} of {a}",
    };
    int c = pick(w, ANY, a->lead), e = pick(w, ANY, a->lead), r;
    const char *u = c < 0 || e < 0 || c == e ? NULL : name_row(w, a, &r);
    if (!u)
        return false;
    const char *by = equals(w, a->lead, u);
    d->kind = "other";
    d->sql =
        wiki_fmt(w, "SELECT %s, %s FROM %s WHERE %s", wiki_col(w, c), wiki_col(w, e), a->T, by);
    d->think = wiki_fmt(w, "%s, %s of %s where %s", wiki_col(w, c), wiki_col(w, e), a->T, by);
    SAY(w, d, say, {"c", wiki_lower(w, w->t->columns[c])}, {"e", wiki_lower(w, w->t->columns[e])},
        {"a", u});
    return true;
}

/* Rows by what holds of them, through any column. */
static bool list_where(wiki *w, wiki_draft *d, const about *a)
{
    static const char *const say[] = {
        "[Which|What] {cs} [are|were] [|listed ]{f}?",
        "[List|Name|Show|Give me] [all |all of |]the {cs} {f}.",
        "+the {cs} {f}",
        "[Which|What] {c} [is|was] {f}?",
        "=the {c} {f}",
        "+[all |]the {cs} [of|for] the {ss} {f}",
    };
    filter f, g;
    int c = wiki_chance(w, 60) ? a->lead : pick(w, ANY, -1);
    if (c < 0 || !pick_filter(w, c, &f))
        return false;
    if (wiki_chance(w, 35) && pick_filter(w, f.column, &g) && g.column != c) {
        f.sql = wiki_fmt(w, "%s AND %s", f.sql, g.sql);
        f.words = wiki_fmt(w, "%s and %s", f.words, g.words);
        f.equal = f.equal && g.equal;
    }
    d->kind = f.equal ? "other" : "comparison";
    d->sql = wiki_fmt(w, "SELECT %s FROM %s WHERE %s", wiki_col(w, c), a->T, f.sql);
    d->think = wiki_fmt(w, "%s of %s where %s", wiki_col(w, c), a->T, f.sql);
    const char *one = wiki_lower(w, w->t->columns[c]);
    /* the last form names the rows beside the column */
    phrase_say(
        &d->text, &w->rng, say, c == a->lead ? LEN(say) - 1 : LEN(say),
        (phrase_slot[]){{"c", one}, {"cs", plural(w, one)}, {"ss", a->ss}, {"f", f.words}, {0}});
    return true;
}

static bool aggregate(wiki *w, wiki_draft *d, const about *a)
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
    int c = pick(w, NUMBERS, a->lead), k = wiki_below(w, LEN(functions));
    filter f = {.sql = NULL, .column = -1};
    if (c < 0 || is_time(w->t->columns[c]))
        return false;
    if (wiki_chance(w, 80) && !pick_filter(w, c, &f))
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
    int n = f.sql && f.equal ? LEN(say) : LEN(say) - 1;
    phrase_say(&d->text, &w->rng, say, n, slots);
    return true;
}

/* ---- the whole ---- */

static void lower_case(cmat_buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        b->data[i] = (char)tolower((unsigned char)b->data[i]);
}

bool wiki_ask(wiki *w, wiki_draft *d)
{
    static const struct {
        bool (*make)(wiki *, wiki_draft *, const about *);
        int weight;
    } makers[] = {{count_where, 12},  {count_value, 10}, {count_all, 5},  {ranking, 18},
                  {ranking_where, 6}, {most_common, 5},  {difference, 5}, {together, 3},
                  {which_of_two, 5},  {more_than, 3},    {same_as, 3},    {look_up, 12},
                  {look_up_two, 3},   {list_where, 12},  {aggregate, 8}};
    about a;
    int total = 0, k = 0;
    if (!begin(w, &a))
        return false;
    for (int i = 0; i < LEN(makers); i++)
        total += makers[i].weight;
    for (int x = wiki_below(w, total); x >= makers[k].weight; k++)
        x -= makers[k].weight;
    if (!makers[k].make(w, d, &a))
        return false;
    if (wiki_chance(w, 35)) /* as many people type */
        lower_case(&d->text);
    return true;
}
