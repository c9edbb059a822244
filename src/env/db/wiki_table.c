/* env/db/wiki_table.c - one WikiSQL table, made to look as it does on a page. */
#include "env/db/wiki_table.h"
#include "core/json.h"
#include "core/text.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LEN(a) ((int)(sizeof(a) / sizeof(*(a))))
enum {
    MIN_ROWS = 3,
    MAX_ROWS = 90,
    MAX_COLUMNS = 14,
    MAX_HEADER = 40,
    MAX_CELL = 80,
    MAX_CASED = 200,
    MAX_BYTES = 12000
};

void wiki_plain(cmat_buf *out, const char *s)
{
    for (; *s; s++)
        if (isalnum((unsigned char)*s) || (unsigned char)*s >= 0x80)
            cmat_buf_putc(out, (char)tolower((unsigned char)*s));
}

bool wiki_same(const char *a, const char *b)
{
    cmat_buf x = {0}, y = {0};
    wiki_plain(&x, a);
    wiki_plain(&y, b);
    bool same = x.len > 0 && x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
    cmat_buf_clear(&x);
    cmat_buf_clear(&y);
    return same || strcmp(a, b) == 0;
}

int wiki_find(const wiki_table *t, int c, const char *v)
{
    for (int r = 0; r < t->n_rows; r++)
        if (wiki_same(t->rows[r][c], v))
            return r;
    return -1;
}

/* WikiSQL's tables are split into tokens: "2012 - present", "11 , 12", "( italy )". */
static void join_tokens(cmat_buf *out, const char *s)
{
    for (const char *p = s; *p; p++) {
        bool blank = *p == ' ';
        bool before_stop = blank && p[1] && strchr(",.;:)%", p[1]) && (p[2] == 0 || p[2] == ' ');
        bool after_open = blank && p > s && p[-1] == '(';
        bool dash = blank && ((p[1] == '-' && p[2] == ' ' && p > s &&
                               isdigit((unsigned char)p[-1]) && isdigit((unsigned char)p[3])) ||
                              (p - s >= 3 && p[-1] == '-' && p[-2] == ' ' &&
                               isdigit((unsigned char)p[-3]) && isdigit((unsigned char)p[1])));
        if (!before_stop && !after_open && !dash)
            cmat_buf_putc(out, *p);
    }
}

static bool small_word(const char *s, size_t n)
{
    static const char *const words[] = {"of",  "the", "and", "in", "at", "on", "by",
                                        "for", "to",  "de",  "la", "vs", "or", "a"};
    for (int i = 0; i < LEN(words); i++)
        if (strlen(words[i]) == n && strncmp(words[i], s, n) == 0)
            return true;
    return false;
}

/* Capital letters as in a title; every: else only the first word. */
static void capitalise(cmat_buf *b, bool every)
{
    for (size_t i = 0; i < b->len;) {
        size_t n = strcspn(b->data + i, " -/(");
        if (n && (i == 0 || (every && !small_word(b->data + i, n))))
            b->data[i] = (char)toupper((unsigned char)b->data[i]);
        i += n ? n : 1;
    }
}

static const char *kept(wiki_table *t, cmat_buf *b)
{
    const char *s = cmat_arena_strndup(&t->arena, cmat_buf_str(b), b->len);
    cmat_buf_clear(b);
    return s;
}

/* The header as some question spells it, if one does with a capital letter. */
static const char *header_in_questions(wiki_table *t, const char *header, const json_t *questions)
{
    size_t i;
    const json_t *q;
    json_array_foreach(questions, i, q)
    {
        const char *text = cmat_json_str(q, "question", "");
        const char *hit = strlen(header) > 3 ? cmat_text_find(text, header) : NULL;
        if (hit && isupper((unsigned char)*hit) && hit > text)
            return cmat_arena_strndup(&t->arena, hit, strlen(header));
    }
    return NULL;
}

static bool name_ok(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > MAX_HEADER || s[0] == ' ' || s[n - 1] == ' ')
        return false;
    for (; *s; s++)
        if ((unsigned char)*s < 32 || strchr("`\\\"|", *s))
            return false;
    return true;
}

/* Some cell has a capital letter: the table is spelled as on its page, not in lower case. */
static bool is_cased(const json_t *rows)
{
    size_t r, c;
    const json_t *row, *cell;
    json_array_foreach(rows, r, row) json_array_foreach(row, c, cell)
    {
        const char *s = json_string_value(cell);
        for (; s && *s; s++)
            if (isupper((unsigned char)*s))
                return true;
    }
    return false;
}

static bool make_headers(wiki_table *t, const json_t *columns, const json_t *questions, bool every,
                         bool cased)
{
    for (int c = 0; c < t->n_columns; c++) {
        const char *raw = json_string_value(json_array_get(columns, (size_t)c));
        if (!raw || !name_ok(raw))
            return false;
        t->columns[c] =
            cased ? cmat_arena_strdup(&t->arena, raw) : header_in_questions(t, raw, questions);
        if (!t->columns[c]) {
            cmat_buf b = {0};
            join_tokens(&b, raw);
            capitalise(&b, every);
            t->columns[c] = kept(t, &b);
        }
        for (int k = 0; k < c; k++)
            if (strcasecmp(t->columns[k], t->columns[c]) == 0)
                return false;
    }
    return true;
}

static bool is_number(const char *s)
{
    bool digit = false;
    for (; *s; s++) {
        digit = digit || isdigit((unsigned char)*s);
        if (!isdigit((unsigned char)*s) && !strchr(".,-+ %$", *s))
            return false;
    }
    return digit;
}

static bool make_rows(wiki_table *t, const json_t *rows, bool cased)
{
    size_t bytes = 0;
    for (int r = 0; r < t->n_rows; r++) {
        const json_t *row = json_array_get(rows, (size_t)r);
        t->rows[r] = cmat_arena_alloc(&t->arena, sizeof(**t->rows) * (size_t)t->n_columns);
        if (json_array_size(row) != (size_t)t->n_columns)
            return false;
        for (int c = 0; c < t->n_columns; c++) {
            const char *raw = json_string_value(json_array_get(row, (size_t)c));
            if (!raw || strlen(raw) > (cased ? MAX_CASED : MAX_CELL) ||
                strpbrk(raw, cased ? "\\\t`" : "\\\n\t`"))
                return false;
            cmat_buf b = {0};
            if (cased) {
                for (const char *p = raw; *p; p++)
                    cmat_buf_puts(&b, *p == '\n' ? ", " : (char[]){*p, 0});
            } else {
                join_tokens(&b, raw);
                capitalise(&b, true);
            }
            bytes += b.len + 4;
            t->rows[r][c] = kept(t, &b);
        }
    }
    for (int c = 0; c < t->n_columns; c++) {
        int n = 0;
        for (int r = 0; r < t->n_rows; r++)
            n += is_number(t->rows[r][c]);
        t->numeric[c] = n * 4 > t->n_rows * 3;
    }
    return bytes <= MAX_BYTES;
}

/* A question in lower case tells nothing of the spelling. */
static bool tells_case(const char *v)
{
    bool letters = false, upper = false;
    for (; *v; v++) {
        letters = letters || isalpha((unsigned char)*v);
        upper = upper || isupper((unsigned char)*v);
    }
    return upper || !letters;
}

/* Cells that a question names get its spelling. */
static void spell_cells(wiki_table *t, const json_t *questions)
{
    size_t i, k;
    const json_t *q, *cond;
    json_array_foreach(questions, i, q) json_array_foreach(json_object_get(q, "conds"), k, cond)
    {
        int c = (int)json_integer_value(json_array_get(cond, 0));
        const char *v = json_string_value(json_array_get(cond, 2));
        if (!v || c < 0 || c >= t->n_columns || strlen(v) > MAX_CELL || !tells_case(v) ||
            strpbrk(v, "\\\n\t`"))
            continue;
        for (int r = 0; r < t->n_rows; r++)
            if (wiki_same(t->rows[r][c], v))
                t->rows[r][c] = cmat_arena_strdup(&t->arena, v);
    }
}

/* What the headers speak of. */
static const char *topic(const wiki_table *t)
{
    static const struct {
        const char *word, *topic;
    } topics[] = {{"opponent", "Game"},      {"home team", "Match"},   {"episode", "Episode"},
                  {"candidate", "Election"}, {"party", "Election"},    {"directed", "Episode"},
                  {"driver", "Race"},        {"constructor", "Race"},  {"circuit", "Race"},
                  {"gold", "Medal"},         {"surface", "Tennis"},    {"pick", "Draft"},
                  {"player", "Player"},      {"club", "Club"},         {"school", "School"},
                  {"team", "Team"},          {"album", "Album"},       {"song", "Song"},
                  {"single", "Chart"},       {"film", "Film"},         {"title", "Title"},
                  {"station", "Station"},    {"frequency", "Radio"},   {"population", "Population"},
                  {"country", "Country"},    {"stadium", "Stadium"},   {"coach", "Coach"},
                  {"award", "Award"},        {"winner", "Winners"},    {"tournament", "Tournament"},
                  {"season", "Season"},      {"location", "Location"}, {"incumbent", "District"},
                  {"vessel", "Ship"},        {"ship", "Ship"},         {"aircraft", "Aircraft"}};
    for (int k = 0; k < LEN(topics); k++)
        for (int c = 0; c < t->n_columns; c++)
            if (cmat_text_find(t->columns[c], topics[k].word))
                return topics[k].topic;
    return NULL;
}

static void make_name(wiki_table *t, cmat_rng *rng)
{
    static const char *const tails[] = {
        "Results", "Table",    "Records", "List",    "Statistics",  "Data",      "Information",
        "Details", "Overview", "History", "Summary", "Performance", "Standings", "Database"};
    int first = 0;
    while (first + 1 < t->n_columns && t->numeric[first])
        first++;
    const char *what = topic(t), *second = NULL;
    if (!what || cmat_rng_below(rng, 4) == 0)
        what = t->columns[first];
    int c = (int)cmat_rng_below(rng, (uint64_t)t->n_columns);
    if (cmat_rng_below(rng, 3) == 0 && !t->numeric[c] && strcasecmp(t->columns[c], what))
        second = t->columns[c];
    cmat_buf b = {0}, out = {0};
    cmat_buf_printf(&b, "%s%s%s %s", what, second ? " " : "", second ? second : "",
                    tails[cmat_rng_below(rng, LEN(tails))]);
    capitalise(&b, true);
    bool under = cmat_rng_below(rng, 100) < 18, lower = under && cmat_rng_below(rng, 2);
    for (const char *p = b.data; *p; p++)
        if (isalnum((unsigned char)*p) || (unsigned char)*p >= 0x80)
            cmat_buf_putc(&out, lower ? (char)tolower((unsigned char)*p) : *p);
        else if (out.len && out.data[out.len - 1] != (under ? '_' : ' '))
            cmat_buf_putc(&out, under ? '_' : ' ');
    t->name = kept(t, &out);
    cmat_buf_clear(&b);
}

bool wiki_table_make(wiki_table *t, const json_t *table, const json_t *questions, cmat_rng *rng)
{
    memset(t, 0, sizeof *t);
    const json_t *columns = json_object_get(table, "columns"),
                 *rows = json_object_get(table, "rows");
    size_t w = json_array_size(columns), h = json_array_size(rows);
    if (w < 2 || w > MAX_COLUMNS || h < MIN_ROWS || h > MAX_ROWS)
        return false;
    t->n_columns = (int)w;
    t->n_rows = (int)h;
    t->columns = cmat_arena_alloc(&t->arena, sizeof(*t->columns) * w);
    t->numeric = cmat_arena_alloc(&t->arena, w);
    t->rows = cmat_arena_alloc(&t->arena, sizeof(*t->rows) * h);
    bool cased = is_cased(rows);
    if (!make_headers(t, columns, questions, cmat_rng_below(rng, 100) < 45, cased) ||
        !make_rows(t, rows, cased)) {
        wiki_table_clear(t);
        return false;
    }
    spell_cells(t, questions);
    make_name(t, rng);
    return true;
}

void wiki_table_clear(wiki_table *t)
{
    cmat_arena_clear(&t->arena);
    memset(t, 0, sizeof *t);
}

json_t *wiki_table_json(const wiki_table *t)
{
    json_t *columns = json_array(), *rows = json_array();
    for (int c = 0; c < t->n_columns; c++)
        json_array_append_new(columns,
                              json_pack("{s:s, s:s}", "name", t->columns[c], "type", "TEXT"));
    for (int r = 0; r < t->n_rows; r++) {
        json_t *row = json_array();
        for (int c = 0; c < t->n_columns; c++)
            json_array_append_new(row, cmat_json_text(t->rows[r][c], strlen(t->rows[r][c])));
        json_array_append_new(rows, row);
    }
    return json_pack("{s:s, s:{s:o, s:o}}", "table_name", t->name, "table_info", "columns", columns,
                     "rows", rows);
}
