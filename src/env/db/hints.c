/* env/db/hints.c - the cells that a question's words name, so that a small model copies a value as
 * it is stored instead of guessing its spelling and its column.
 *
 * Spans of up to MAX_WORDS words are looked up, the longest first; quoted texts come before all. A
 * word inside a span that was found is not looked up again. */
#include "env/db/values.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_WORDS = 6, MAX_QUESTION_WORDS = 400, MAX_COLUMNS_A_VALUE = 3 };

typedef struct {
    size_t at, end; /* bytes in the question */
    bool taken;
} word;

typedef struct {
    const db_values *v;
    const db_schema *s;
    const char *question;
    word *words;
    size_t n_words;
    cmat_buf *out;
    size_t start, budget;
    int n, max;
    char quote;
} search;

static const char *const common[] = {
    "a",       "all",   "an",    "and",    "any",    "are",  "as",      "at",     "be",
    "by",      "did",   "do",    "does",   "each",   "for",  "from",    "get",    "give",
    "has",     "have",  "how",   "i",      "in",     "is",   "it",      "its",    "list",
    "many",    "me",    "more",  "most",   "much",   "my",   "name",    "names",  "not",
    "of",      "on",    "only",  "or",     "our",    "out",  "per",     "show",   "than",
    "that",    "the",   "their", "them",   "there",  "they", "this",    "to",     "total",
    "up",      "us",    "was",   "we",     "were",   "what", "when",    "where",  "which",
    "who",     "whose", "with",  "value",  "values", "no",   "number",  "top",    "average",
    "sum",     "count", "table", "tables", "row",    "rows", "highest", "lowest", "maximum",
    "minimum", "first", "last",  NULL};

static bool is_common(const char *s, size_t n)
{
    for (size_t i = 0; common[i]; i++)
        if (strlen(common[i]) == n && !strncasecmp(common[i], s, n))
            return true;
    return false;
}

static bool word_char(const char *s, size_t i)
{
    unsigned char c = (unsigned char)s[i];
    if (isalnum(c) || c >= 0x80)
        return true;
    /* What joins: 7-Up, 1,200, 3.5, O'Brien, a/b, user@host, #4, +2, 50%. */
    bool next = isalnum((unsigned char)s[i + 1]) || (unsigned char)s[i + 1] >= 0x80;
    bool before = i > 0 && (isalnum((unsigned char)s[i - 1]) || (unsigned char)s[i - 1] >= 0x80);
    if (before && next && strchr("-.,'/@:_&+", c))
        return true;
    return (next && !before && strchr("#+-$", c)) || (before && c == '%');
}

static void split_words(search *q)
{
    const char *s = q->question;
    for (size_t i = 0; s[i] && q->n_words < MAX_QUESTION_WORDS;) {
        if (!word_char(s, i)) {
            i++;
            continue;
        }
        size_t at = i;
        while (s[i] && word_char(s, i))
            i++;
        q->words[q->n_words++] = (word){at, i, false};
    }
}

static bool is_numeric(const char *s)
{
    char *end;
    if (!isdigit((unsigned char)*s) && *s != '-')
        return false;
    strtod(s, &end);
    return !*end;
}

/* Numbers of numeric columns say little: 2023 is some order's id. A question that means one gives
 * it itself. */
static bool tells_something(const search *q, const db_value_entry *e)
{
    return q->s->tables[e->table].columns[e->column].affinity == DB_AFFINITY_TEXT ||
           !is_numeric(e->text);
}

/* One line: the value as it is stored, then the columns that hold it, at most MAX_COLUMNS_A_VALUE:
 *   'Gdansk': customers.city, addresses.city */
static bool add_matches(search *q, const char *s, size_t n)
{
    size_t before = q->out->len;
    int columns = 0;
    const db_value_entry *e = db_values_find(q->v, s, n), *last = NULL;

    for (; e && columns < MAX_COLUMNS_A_VALUE && q->n < q->max; e = db_values_next(q->v, e)) {
        const db_table *t = &q->s->tables[e->table];
        if ((last && last->table == e->table && last->column == e->column) ||
            !tells_something(q, e))
            continue;
        if (last && strcmp(last->text, e->text) != 0)
            break; /* the same but for case: the first form stands for all */
        if (!last)
            db_literal_add(q->out, e->text);
        cmat_buf_puts(q->out, last ? ", " : ": ");
        if (q->s->n_tables > 1) {
            db_name_add(q->out, t->name, q->quote);
            cmat_buf_putc(q->out, '.');
        }
        db_name_add(q->out, t->columns[e->column].name, q->quote);
        last = e;
        columns++;
    }
    if (columns)
        cmat_buf_putc(q->out, '\n');
    /* Said already, of the same value elsewhere in the question. */
    if (columns && memmem(cmat_buf_str(q->out) + q->start, before - q->start, q->out->data + before,
                          q->out->len - before)) {
        cmat_buf_truncate(q->out, before);
        return true;
    }
    if (q->out->len - q->start > q->budget) {
        cmat_buf_truncate(q->out, before);
        return false;
    }
    q->n += columns > 0;
    return columns > 0;
}

/* The span as written, then singular and plural, then without thousands' commas and currency. */
static bool try_span(search *q, const char *s, size_t n)
{
    char buf[128];
    if (n == 0 || n + 4 > sizeof buf)
        return false;
    if (add_matches(q, s, n))
        return true;
    if (n > 2 && s[n - 2] == '\'' && s[n - 1] == 's')
        return add_matches(q, s, n - 2);
    if (isdigit((unsigned char)s[0]) || s[0] == '$' || s[0] == '-') {
        size_t m = 0;
        for (size_t i = 0; i < n; i++)
            if (s[i] != ',' && s[i] != '$')
                buf[m++] = s[i];
        return m < n && add_matches(q, buf, m);
    }
    if (n > 4 && s[n - 1] == 's') {
        if (n > 5 && !strncmp(s + n - 3, "ies", 3)) {
            memcpy(buf, s, n - 3);
            buf[n - 3] = 'y';
            if (add_matches(q, buf, n - 2))
                return true;
        }
        return add_matches(q, s, n - 1) || (s[n - 2] == 'e' && add_matches(q, s, n - 2));
    }
    if (n > 2 && n + 1 < sizeof buf && isalpha((unsigned char)s[n - 1])) {
        memcpy(buf, s, n);
        buf[n] = 's';
        return add_matches(q, buf, n + 1);
    }
    return false;
}

static const char *const months[] = {"january",   "february", "march",    "april",
                                     "may",       "june",     "july",     "august",
                                     "september", "october",  "november", "december"};

static int month_of(const char *s, size_t n)
{
    for (int i = 0; i < 12 && n >= 3; i++)
        if (!strncasecmp(s, months[i], n) && (n == 3 || n == strlen(months[i])))
            return i + 1;
    return 0;
}

/* "8 March 2007", "March 8, 2007": as 2007-03-08. */
static bool try_date(search *q, size_t i)
{
    const char *s = q->question;
    const word *w = q->words + i;
    int month = month_of(s + w[0].at, w[0].end - w[0].at), day = 0;
    if (month)
        day = atoi(s + w[1].at);
    else if ((month = month_of(s + w[1].at, w[1].end - w[1].at)))
        day = atoi(s + w[0].at);
    int year = atoi(s + w[2].at);
    if (!month || day < 1 || day > 31 || year < 1000 || year > 9999)
        return false;
    char date[16];
    sqlite3_snprintf(sizeof date, date, "%04d-%02d-%02d", year, month, day);
    return add_matches(q, date, strlen(date));
}

static bool span_free(const search *q, size_t i, size_t k)
{
    for (size_t j = i; j < i + k; j++)
        if (q->words[j].taken)
            return false;
    return true;
}

static void take(search *q, size_t at, size_t end)
{
    for (size_t i = 0; i < q->n_words; i++)
        if (q->words[i].at >= at && q->words[i].end <= end)
            q->words[i].taken = true;
}

/* Texts between quotes, whatever their length. */
static void quoted_spans(search *q)
{
    static const char *const marks[][2] = {
        {"\"", "\""}, {"'", "'"}, {"“", "”"}, {"‘", "’"}, {"`", "`"}};
    for (size_t m = 0; m < sizeof marks / sizeof *marks; m++) {
        const char *p = q->question, *end;
        while ((p = strstr(p, marks[m][0]))) {
            bool inside = p > q->question && isalnum((unsigned char)p[-1]); /* an apostrophe */
            const char *from = p += strlen(marks[m][0]);
            if (inside)
                continue;
            end = from;
            do
                end = strstr(end + (end > from), marks[m][1]);
            while (end && *end == '\'' && isalnum((unsigned char)end[1]));
            if (!end)
                break;
            if (q->n < q->max && add_matches(q, from, (size_t)(end - from)))
                take(q, (size_t)(from - q->question), (size_t)(end - q->question));
            p = end + strlen(marks[m][1]);
        }
    }
}

static bool worth_a_look(const search *q, size_t i, size_t k)
{
    const char *s = q->question;
    const word *w = &q->words[i];
    if (k > 1) /* two words that mean nothing are no value */
        return !(k == 2 && is_common(s + w->at, w->end - w->at) &&
                 is_common(s + w[1].at, w[1].end - w[1].at));
    size_t n = w->end - w->at;
    if (is_common(s + w->at, n))
        return false;
    /* Short whole numbers are counts ("top 3") more often than values. */
    return !(n <= 2 && isdigit((unsigned char)s[w->at]));
}

int db_hints_add(const db_values *v, const db_schema *s, const char *question,
                 const db_hints_options *opts, cmat_buf *out)
{
    word words[MAX_QUESTION_WORDS] = {0};
    search q = {
        .v = v, .s = s, .question = question, .words = words, .out = out, .start = out->len};
    q.budget = opts && opts->budget ? opts->budget : 500;
    q.max = opts && opts->max_hints ? opts->max_hints : 8;
    q.quote = opts && opts->quote ? opts->quote : '"';
    split_words(&q);
    quoted_spans(&q);
    for (size_t k = MAX_WORDS; k >= 1; k--)
        for (size_t i = 0; i + k <= q.n_words && q.n < q.max; i++) {
            if (!span_free(&q, i, k) || !worth_a_look(&q, i, k))
                continue;
            size_t at = words[i].at, end = words[i + k - 1].end;
            if (try_span(&q, question + at, end - at) || (k == 3 && try_date(&q, i)))
                take(&q, at, end);
        }
    return q.n;
}
