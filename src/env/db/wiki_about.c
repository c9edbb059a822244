/* env/db/wiki_about.c - columns, cells and conditions of one table, picked at random, with the
 * words that people use for them. */
#include "env/db/wiki_about.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

int ask_n_distinct(const wiki_table *t, int c)
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
bool ask_all_numbers(const wiki_table *t, int c)
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

const char *ask_plural(wiki *w, const char *s)
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

int ask_pick(wiki *w, int sort, int except)
{
    const wiki_table *t = w->t;
    for (int tries = 0; tries < 16; tries++) {
        int c = wiki_below(w, t->n_columns);
        if (c == except || !speakable(t->columns[c]))
            continue;
        if (sort == ASK_NUMBERS && !ask_all_numbers(t, c))
            continue;
        if (sort == ASK_REPEATED &&
            (ask_all_numbers(t, c) || ask_n_distinct(t, c) * 10 > t->n_rows * 8))
            continue;
        if (sort == ASK_WORDS && t->numeric[c])
            continue;
        return c;
    }
    return -1;
}

bool ask_begin(wiki *w, ask_about *a)
{
    const wiki_table *t = w->t;
    a->lead = -1;
    for (int c = 0; c < t->n_columns && a->lead < 0; c++)
        if (!t->numeric[c] && speakable(t->columns[c]) &&
            ask_n_distinct(t, c) * 10 >= t->n_rows * 8)
            a->lead = c;
    if (a->lead < 0)
        return false;
    a->T = wiki_name(w, t->name);
    a->S = wiki_col(w, a->lead);
    a->s = wiki_lower(w, t->columns[a->lead]);
    a->ss = ask_plural(w, a->s);
    return true;
}

const char *ask_cell(wiki *w, int c, int *row)
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

const char *ask_name_row(wiki *w, const ask_about *a, int *row)
{
    const char *v = ask_cell(w, a->lead, row);
    return v && unique(w->t, a->lead, *row) ? v : NULL;
}

double ask_value(const wiki_table *t, int r, int c)
{
    double x = 0;
    wiki_number_of(t->rows[r][c], &x);
    return x;
}

const char *ask_equals(wiki *w, int c, const char *v)
{
    return wiki_fmt(w, "%s = %s", wiki_col(w, c), wiki_text(w, v));
}

bool ask_is_time(const char *header)
{
    return strcasecmp(header, "year") == 0 || strcasecmp(header, "season") == 0 ||
           strcasecmp(header, "week") == 0 || strcasecmp(header, "round") == 0 ||
           strcasecmp(header, "game") == 0;
}

bool ask_pick_filter(wiki *w, int except, ask_filter *f)
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
        int c = f->column = ask_pick(w, ASK_REPEATED, except);
        const char *v = c < 0 ? NULL : ask_cell(w, c, &row);
        if (!v)
            return false;
        f->sql = ask_equals(w, c, v);
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
        int c = f->column = ask_pick(w, ASK_NUMBERS, except), k = wiki_below(w, ASK_LEN(ops));
        const char *v = c < 0 ? NULL : ask_cell(w, c, &row);
        if (!v || ask_n_distinct(t, c) < 4)
            return false;
        f->sql = wiki_fmt(w, "%s %s %.12g", wiki_compared(w, c), ops[k].op, ask_value(t, row, c));
        f->value = v;
        f->words =
            WIKI_FILL(w, "[with {o} {v} {c}|with a(n) {c} [of |]{o} {v}|whose {c} is {o} {v}]",
                      {"o", WIKI_FILL(w, ops[k].words, {0})},
                      {"v", wiki_chance(w, 50) ? v : wiki_fmt(w, "%.12g", ask_value(t, row, c))},
                      {"c", wiki_lower(w, t->columns[c])});
        return true;
    }
    int c = f->column = ask_pick(w, ASK_WORDS, except);
    const char *v = c < 0 ? NULL : ask_cell(w, c, &row), *p = v;
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
