/* env/db/wiki_search.c - SQL for questions of which only the answer is known.
 *
 * Words of the question are linked to cells and headers; simple statements of the links are run,
 * and the best of those that give the answer is taken for what was meant (Pasupat and Liang 2015
 * search logical forms so). Questions whose words ask for what no candidate says ("before",
 * "besides") are passed over: a statement that gives their answer does so by chance. */
#include "core/json.h"
#include "core/text.h"
#include "env/db/wiki_impl.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))
enum { MAX_WORDS = 48, MAX_LINKS = 5, MAX_LENGTH = 160 };

typedef struct {
    char text[32];
} token;

typedef struct {
    int column, at, n; /* n words of the question from word `at` on */
    const char *value;
} link;

typedef struct {
    wiki *w;
    const char *question;
    const json_t *known;
    token words[MAX_WORDS];
    int n_words;
    link links[MAX_LINKS];
    int n_links;
    int overlap[WIKI_MAX_COLUMNS];  /* words of the header in the question */
    bool number[WIKI_MAX_COLUMNS];  /* cells begin with numbers */
    const char *sql, *think, *kind; /* the best so far */
    int score;
} search;

static int split(const char *s, token *out, int max)
{
    int n = 0;
    while (*s && n < max) {
        size_t len = 0;
        while (*s && !isalnum((unsigned char)*s) && (unsigned char)*s < 0x80)
            s++;
        for (; isalnum((unsigned char)*s) || (unsigned char)*s >= 0x80; s++)
            if (len + 1 < sizeof out->text)
                out[n].text[len++] = (char)tolower((unsigned char)*s);
        out[n].text[len] = 0;
        n += len > 0;
    }
    return n;
}

static bool is_one_of(const char *s, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(s, *list) == 0)
            return true;
    return false;
}

static bool has(const search *q, const char *phrase)
{
    for (const char *p = q->question; (p = cmat_text_find(p, phrase)); p++) {
        size_t n = strlen(phrase);
        if ((p == q->question || !isalpha((unsigned char)p[-1])) && !isalpha((unsigned char)p[n]))
            return true;
    }
    return false;
}

static bool has_any(const search *q, const char *const *list)
{
    for (; *list; list++)
        if (has(q, *list))
            return true;
    return false;
}

static const char *const beyond[] = {
    "before", "after",  "previous", "next",     "prior",       "besides", "other than",
    "apart",  "except", "not",      "didn't",   "consecutive", "between", "both",
    "same",   "above",  "below",    "followed", "only",        "average", "percent",
    "row",    "ever",   "without",  "neither",  "follows",     "until",   "since",
    "if",     "order",  "right",    "directly", "immediately", "instead", "also",
    "each",   NULL};
static const char *const common[] = {"the",  "of",    "in",   "a",    "an",   "to",  "and",
                                     "for",  "was",   "is",   "at",   "on",   "did", "how",
                                     "many", "what",  "who",  "no",   "with", "by",  "one",
                                     "or",   "total", "name", "list", "yes",  NULL};
static const char *const most_words[] = {"most",    "highest", "largest", "biggest", "greatest",
                                         "longest", "tallest", "maximum", "top",     NULL};
static const char *const least_words[] = {"least",    "lowest",  "smallest", "fewest",
                                          "shortest", "minimum", NULL};

static bool same_stem(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > m) {
        const char *t = a;
        a = b;
        b = t;
        size_t k = n;
        n = m;
        m = k;
    }
    return strncmp(a, b, n) == 0 && (m == n || (m == n + 1 && b[n] == 's' && n > 2));
}

static void read_headers(search *q)
{
    const wiki_table *t = q->w->t;
    token h[8];
    for (int c = 0; c < t->n_columns; c++) {
        int n = split(t->columns[c], h, LEN(h)), numbers = 0;
        q->overlap[c] = 0;
        for (int i = 0; i < n; i++)
            for (int k = 0; k < q->n_words; k++)
                if (!is_one_of(h[i].text, common) && same_stem(h[i].text, q->words[k].text)) {
                    q->overlap[c]++;
                    break;
                }
        for (int r = 0; r < t->n_rows; r++)
            numbers += isdigit((unsigned char)t->rows[r][c][0]) != 0;
        q->number[c] = numbers == t->n_rows && t->numeric[c];
    }
}

static void add_link(search *q, link l)
{
    for (int i = 0; i < q->n_links; i++) {
        link *o = &q->links[i];
        bool inside = l.at >= o->at && l.at + l.n <= o->at + o->n;
        if (inside && (l.n < o->n || o->column == l.column))
            return;
        if (o->at >= l.at && o->at + o->n <= l.at + l.n && o->n < l.n) {
            *o = q->links[--q->n_links];
            i--;
        }
    }
    if (q->n_links < MAX_LINKS)
        q->links[q->n_links++] = l;
}

/* Cells that stand in the question as a whole. */
static void read_cells(search *q)
{
    const wiki_table *t = q->w->t;
    token v[12];
    for (int c = 0; c < t->n_columns; c++)
        for (int r = 0; r < t->n_rows; r++) {
            int n = split(t->rows[r][c], v, LEN(v));
            bool said = n > 0 && n < LEN(v) && wiki_sayable(t->rows[r][c]) &&
                        !(n == 1 && (is_one_of(v[0].text, common) || strlen(v[0].text) < 2));
            for (int at = 0; said && at + n <= q->n_words; at++) {
                int k = 0;
                while (k < n && strcmp(v[k].text, q->words[at + k].text) == 0)
                    k++;
                if (k == n)
                    add_link(q, (link){c, at, n, t->rows[r][c]});
            }
        }
}

/* A candidate: kept if it gives the answer and fits better than the one before. */
static void offer(search *q, const char *kind, int score, const char *sql, const char *think)
{
    if (score <= q->score)
        return;
    json_t *got = wiki_answer(q->w, sql);
    if (got && wiki_same_answers(got, q->known)) {
        q->sql = sql;
        q->think = think;
        q->kind = kind;
        q->score = score;
    }
    json_decref(got);
}

/* All links as one condition; those in the same column do not go together. */
static const char *where_of(search *q, int except)
{
    const char *s = "";
    for (int i = 0; i < q->n_links; i++) {
        if (q->links[i].column == except)
            return NULL;
        for (int k = 0; k < i; k++)
            if (q->links[k].column == q->links[i].column || q->links[k].at == q->links[i].at)
                return NULL;
        s = wiki_fmt(q->w, "%s%s%s = %s", s, *s ? " AND " : "", wiki_col(q->w, q->links[i].column),
                     wiki_text(q->w, q->links[i].value));
    }
    return s;
}

static void offer_counts(search *q, const char *T)
{
    static const struct {
        const char *words, *op;
    } ops[] = {{"more than ", ">"}, {"over ", ">"},  {"greater than ", ">"}, {"at least ", ">="},
               {"less than ", "<"}, {"under ", "<"}, {"fewer than ", "<"},   {"at most ", "<="}};
    wiki *w = q->w;
    const wiki_table *t = w->t;
    const char *where = where_of(q, -1);
    if (where && *where) {
        offer(q, "counting", 20 + q->n_links,
              wiki_fmt(w, "SELECT COUNT(*) FROM %s WHERE %s", T, where),
              wiki_fmt(w, "count %s where %s", T, where));
    }
    for (int k = 0; k < LEN(ops); k++) {
        const char *p = cmat_text_find(q->question, ops[k].words);
        double x;
        if (!p)
            continue;
        p += strlen(ops[k].words);
        const char *n = cmat_arena_strndup(&w->arena, p, strspn(p, "0123456789,."));
        size_t len = strlen(n);
        if (len && strchr(",.", n[len - 1]))
            n = cmat_arena_strndup(&w->arena, n, len - 1);
        for (int c = 0; c < t->n_columns && wiki_number_of(n, &x); c++) {
            const char *cond = wiki_fmt(w, "%s %s %.12g", wiki_compared(w, c), ops[k].op, x);
            if (q->number[c] && q->overlap[c])
                offer(q, "counting", 30 + q->overlap[c],
                      wiki_fmt(w, "SELECT COUNT(*) FROM %s WHERE %s", T, cond),
                      wiki_fmt(w, "count %s where %s", T, cond));
        }
    }
    if (q->n_links)
        return;
    bool different = has(q, "different") || has(q, "unique") || has(q, "distinct");
    for (int c = 0; c < t->n_columns && different; c++)
        if (q->overlap[c])
            offer(q, "counting", 20 + q->overlap[c],
                  wiki_fmt(w, "SELECT COUNT(DISTINCT %s) FROM %s", wiki_col(w, c), T),
                  wiki_fmt(w, "count distinct %s of %s", wiki_col(w, c), T));
    if (has(q, "total") || has(q, "listed") || has(q, "are there") || has(q, "on this list"))
        offer(q, "counting", 10, wiki_fmt(w, "SELECT COUNT(*) FROM %s", T),
              wiki_fmt(w, "count all rows of %s", T));
}

/* A word of the question in some cells: "how many were in november". */
static void offer_likes(search *q, const char *T)
{
    wiki *w = q->w;
    const wiki_table *t = w->t;
    for (int i = 0; i < q->n_words; i++)
        for (int c = 0; c < t->n_columns; c++)
            for (int r = 0; r < t->n_rows; r++) {
                const char *word = q->words[i].text, *p = t->rows[r][c];
                size_t n = strlen(word);
                if (n < 4 || strlen(p) <= n || q->number[c])
                    continue;
                p = cmat_text_find(p, word);
                if (!p || (p > t->rows[r][c] && isalnum((unsigned char)p[-1])) ||
                    isalnum((unsigned char)p[n]) || p[n] == '%' || p[n] == '_')
                    continue;
                const char *cond = wiki_fmt(w, "%s LIKE '%%%.*s%%'", wiki_col(w, c), (int)n, p);
                /* one hit, or all rows, says little */
                json_t *a =
                    wiki_answer(w, wiki_fmt(w, "SELECT COUNT(*) FROM %s WHERE %s", T, cond));
                const char *count = json_string_value(json_array_get(a, 0));
                bool tells = count && strcmp(count, "1") != 0 &&
                             strcmp(count, wiki_fmt(w, "%d", t->n_rows)) != 0;
                json_decref(a);
                if (tells)
                    offer(q, "counting", 6 + (int)n,
                          wiki_fmt(w, "SELECT COUNT(*) FROM %s WHERE %s", T, cond),
                          wiki_fmt(w, "count %s where %s", T, cond));
                break;
            }
}

static void offer_look_ups(search *q, const char *T)
{
    wiki *w = q->w;
    bool number = has(q, "how many") || has(q, "how much"), who = has(q, "who");
    for (int c = 0; c < w->t->n_columns; c++) {
        const char *where = where_of(q, c);
        if (!where || !*where || (number && !w->t->numeric[c]) || (who && w->t->numeric[c]))
            continue;
        offer(q, "other", 15 + 4 * q->overlap[c],
              wiki_fmt(w, "SELECT %s FROM %s WHERE %s", wiki_col(w, c), T, where),
              wiki_fmt(w, "%s of %s where %s", wiki_col(w, c), T, where));
    }
}

static void offer_rankings(search *q, const char *T, bool most)
{
    wiki *w = q->w;
    const char *dir = most ? " DESC" : "", *f = most ? "MAX" : "MIN";
    for (int c = 0; c < w->t->n_columns; c++) {
        if (!q->number[c] || !q->overlap[c])
            continue;
        const char *x = wiki_number(w, c), *where = where_of(q, c);
        if (!where)
            continue;
        const char *cond = *where ? wiki_fmt(w, " WHERE %s", where) : "",
                   *think = *where ? wiki_fmt(w, " where %s", where) : "";
        for (int s = 0; s < w->t->n_columns; s++)
            if (s != c)
                offer(q, "ranking", 20 + 4 * q->overlap[c] + 2 * q->overlap[s] - s,
                      wiki_fmt(w, "SELECT %s FROM %s%s ORDER BY %s%s LIMIT 1", wiki_col(w, s), T,
                               cond, x, dir),
                      wiki_fmt(w, "%s of %s%s, order by %s%s, first 1", wiki_col(w, s), T, think, x,
                               dir));
        offer(q, most ? "aggregation-MAX" : "aggregation-MIN", 18 + 4 * q->overlap[c],
              wiki_fmt(w, "SELECT %s(%s) FROM %s%s", f, x, T, cond),
              wiki_fmt(w, "%s(%s) of %s%s", f, x, T, think));
    }
}

/* "how many more ... than", "a or b": two cells of one column. */
static void offer_pairs(search *q, const char *T)
{
    wiki *w = q->w;
    const link *a = &q->links[0], *b = &q->links[1];
    bool more = has(q, "difference") || has(q, "how many more") || has(q, "how much more");
    if (q->n_links != 2 || a->column != b->column || (!more && !has(q, "or")))
        return;
    const char *S = wiki_col(w, a->column), *u = wiki_text(w, a->value),
               *v = wiki_text(w, b->value);
    for (int c = 0; c < w->t->n_columns; c++) {
        if (!q->number[c] || c == a->column)
            continue;
        const char *x = wiki_number(w, c);
        int score = 20 + 4 * q->overlap[c];
        for (int turn = 0; turn < 2; turn++) {
            const char *first = wiki_fmt(w, "%s = %s", S, turn ? v : u),
                       *second = wiki_fmt(w, "%s = %s", S, turn ? u : v);
            const char *in = wiki_fmt(w, "%s IN (%s, %s)", S, u, v), *dir = turn ? "" : " DESC";
            if (more)
                offer(q, "other", score,
                      wiki_fmt(w,
                               "SELECT (SELECT %s FROM %s WHERE %s) - (SELECT %s FROM %s WHERE %s)",
                               x, T, first, x, T, second),
                      wiki_fmt(w, "%s of %s where %s minus where %s", x, T, first, second));
            else if (q->overlap[c])
                offer(q, "ranking", score,
                      wiki_fmt(w, "SELECT %s FROM %s WHERE %s ORDER BY %s%s LIMIT 1", S, T, in, x,
                               dir),
                      wiki_fmt(w, "%s of %s where %s, order by %s%s, first 1", S, T, in, x, dir));
        }
    }
}

static void offer_sums(search *q, const char *T)
{
    wiki *w = q->w;
    const char *where = where_of(q, -1);
    for (int c = 0; where && c < w->t->n_columns; c++) {
        const char *x = wiki_fmt(w, "SUM(%s)", wiki_number(w, c)),
                   *cond = *where ? wiki_fmt(w, " WHERE %s", where) : "",
                   *think = *where ? wiki_fmt(w, " where %s", where) : "";
        if (q->number[c] && q->overlap[c])
            offer(q, "aggregation-SUM", 16 + 4 * q->overlap[c],
                  wiki_fmt(w, "SELECT %s FROM %s%s", x, T, cond),
                  wiki_fmt(w, "%s of %s%s", x, T, think));
    }
}

static void look(search *q)
{
    const char *T = wiki_name(q->w, q->w->t->name);
    bool most = has_any(q, most_words), least = has_any(q, least_words),
         count = has(q, "how many") || has(q, "number of") || has(q, "how often");
    offer_pairs(q, T);
    if (most != least)
        offer_rankings(q, T, most);
    if (most || least || has(q, "first") || has(q, "last") || has(q, "difference") ||
        has(q, "or") || has(q, "earliest") || has(q, "latest"))
        return;
    if (has(q, "total") || has(q, "combined") || has(q, "altogether") || has(q, "sum"))
        offer_sums(q, T);
    if (count)
        offer_counts(q, T);
    offer_look_ups(q, T);
    if (count && !q->sql && !q->n_links)
        offer_likes(q, T);
}

cmat_status wiki_search_question(wiki *w, const json_t *question, bool *added)
{
    search q = {.w = w,
                .question = cmat_json_str(question, "question", ""),
                .known = json_object_get(question, "answer")};
    *added = false;
    if (strlen(q.question) > MAX_LENGTH || has_any(&q, beyond) || json_array_size(q.known) == 0)
        return CMAT_OK;
    q.n_words = split(q.question, q.words, MAX_WORDS);
    read_headers(&q);
    read_cells(&q);
    look(&q);
    if (!q.sql)
        return CMAT_OK;
    wiki_draft d = {.kind = q.kind, .sql = q.sql, .think = q.think, .known = q.known};
    cmat_buf_puts(&d.text, q.question);
    return wiki_keep(w, &d, added);
}
