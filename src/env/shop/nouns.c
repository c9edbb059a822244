/* env/shop/nouns.c - see nouns.h. Titles are written in capitals and have hardly any grammar: spaCy
 * takes most of their words for names. What counts is then where a word is cut off (spaCy's rules
 * for English, as far as titles need them) and which words are none. */
#include "env/shop/nouns.h"
#include "core/mem.h"
#include "core/text.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

typedef struct {
    const uint32_t *c; /* characters a .. b-1 of a title */
    size_t a, b;
} span;

/* ---- characters ---- */

static bool is_one_of(uint32_t c, const char *list)
{
    return c < 128 && c != 0 && strchr(list, (int)c);
}

static bool is_digit(uint32_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LL;
}

static bool is_upper(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LU;
}

static bool is_letter(uint32_t c)
{
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

static bool is_quote(uint32_t c)
{
    return is_one_of(c, "'\"`") || c == 0xb4 || c == 0xab || c == 0xbb ||
           (c >= 0x2018 && c <= 0x201e) || (c >= 0x300a && c <= 0x3011) || c == 0xff08 ||
           c == 0xff09;
}

static bool is_punctuation(uint32_t c)
{
    return is_one_of(c, ",:;!?()[]{}<>_#*&") || c == 0x2026 || c == 0xbf || c == 0xa1 ||
           c == 0xb7 || c == 0x3001 || c == 0x3002 || c == 0xff01 || c == 0xff0c || c == 0xff1a ||
           c == 0xff1b || c == 0xff1f || c == 0xff5e;
}

static bool is_symbol(uint32_t c)
{
    return c >= 128 &&
           (utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_SO || c == 0xb0);
}

static bool is_dash(uint32_t c)
{
    return c == 0x2013 || c == 0x2014;
}

/* Spaces of any kind but the no-break space, which stays in its word. */
static bool is_space(uint32_t c)
{
    return c == ' ' || (c >= 9 && c <= 13) || c == 0x3000 || (c >= 0x2000 && c <= 0x200a);
}

/* ---- what is cut off at the ends ---- */

static bool is_prefix(const span *s)
{
    const uint32_t c = s->c[s->a];
    return is_punctuation(c) || is_quote(c) || is_symbol(c) || is_dash(c) || is_one_of(c, "%=$") ||
           c == 0xa3 || c == 0x20ac || c == 0xa5 || c == 0xa7 ||
           (c == '+' && !(s->a + 1 < s->b && is_digit(s->c[s->a + 1]))) ||
           (c == '.' && s->a + 1 < s->b && s->c[s->a + 1] == '.');
}

static bool ends_with(const span *s, const char *word)
{
    const size_t n = strlen(word);
    if (s->b - s->a <= n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s->c[s->b - n + i] != (unsigned char)word[i])
            return false;
    return true;
}

/* Characters of a unit behind a digit at the end, or 0. */
static size_t unit_length(const span *s)
{
    static const char *const units[] = {
        "km/h", "kmh", "mph", "hPa", "mbar", "m/s", "km", "dm", "cm", "mm", "ha", "nm",
        "yd",   "in",  "ft",  "kg",  "mg",   "lb",  "oz", "Pa", "mb", "MB", "kb", "KB",
        "gb",   "GB",  "tb",  "TB",  "m",    "g",   "t",  "T",  "G",  "M",  "K",  "%",
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        const size_t n = strlen(units[i]);
        if (ends_with(s, units[i]) && is_digit(s->c[s->b - n - 1]))
            return n;
    }
    return 0;
}

static size_t suffix_length(const span *s)
{
    const uint32_t c = s->c[s->b - 1], before = s->b - s->a > 1 ? s->c[s->b - 2] : 0;
    if ((c == 's' || c == 'S') && s->b - s->a > 2 && (before == '\'' || before == 0x2019))
        return 2;
    if (is_punctuation(c) || is_quote(c) || is_symbol(c) || is_dash(c))
        return 1;
    if (before && c == '+' && is_digit(before))
        return 1;
    if (before && is_one_of(c, "$") && is_digit(before))
        return 1;
    if (before && c == '.' &&
        (is_digit(before) || is_lower(before) || is_punctuation(before) || is_quote(before) ||
         is_one_of(before, "%-+.") ||
         (s->b - s->a > 2 && is_upper(before) && is_upper(s->c[s->b - 3]))))
        return 1;
    return unit_length(s);
}

/* Characters that part two words at s->c[i], inside a span; or 0. */
static size_t infix_length(const span *s, size_t i)
{
    const uint32_t c = s->c[i];
    size_t n = 1;
    if (c == '.' && s->c[i - 1] != '.') {
        while (i + n < s->b && s->c[i + n] == '.')
            n++;
        if (n > 1)
            return n;
    }
    if (c == 0x2026 || is_symbol(c))
        return 1;
    const uint32_t before = s->c[i - 1];
    if (i + 1 >= s->b)
        return 0;
    const uint32_t after = s->c[i + 1];
    if (is_digit(before) && is_one_of(c, "+-*^") && (is_digit(after) || after == '-'))
        return 1;
    if (c == '.' && (is_lower(before) || is_quote(before)) && (is_upper(after) || is_quote(after)))
        return 1;
    if (c == ',' && is_letter(before) && is_letter(after))
        return 1;
    const bool word = is_letter(before) || is_digit(before);
    if (word && is_letter(after) && (is_one_of(c, "-~:<>=/") || is_dash(c)))
        return 1;
    if (word && c == '-' && after == '-' && i + 2 < s->b && is_letter(s->c[i + 2]))
        return 2;
    return 0;
}

/* ---- which words are none ---- */

/* Words of grammar, numbers, and some that titles have as verbs or adjectives. */
static const char *const others[] = {
    "&",        "+",       "a",          "about",      "above",  "across", "after",   "again",
    "against",  "all",     "along",      "also",       "always", "am",     "among",   "an",
    "and",      "another", "any",        "are",        "around", "as",     "at",      "back",
    "based",    "be",      "because",    "been",       "before", "behind", "being",   "below",
    "beneath",  "beside",  "between",    "beyond",     "both",   "but",    "by",      "can",
    "could",    "despite", "did",        "do",         "does",   "don't",  "done",    "down",
    "during",   "each",    "eight",      "either",     "eleven", "etc",    "even",    "ever",
    "every",    "except",  "few",        "first",      "five",   "for",    "four",    "from",
    "fully",    "had",     "has",        "have",       "having", "he",     "her",     "here",
    "him",      "his",     "how",        "hundred",    "i",      "if",     "in",      "included",
    "includes", "inside",  "into",       "is",         "it",     "it's",   "its",     "just",
    "less",     "like",    "listed",     "made",       "make",   "makes",  "many",    "may",
    "me",       "might",   "million",    "more",       "most",   "much",   "must",    "my",
    "n't",      "near",    "neither",    "never",      "nine",   "no",     "nor",     "not",
    "now",      "of",      "off",        "often",      "oh",     "ok",     "on",      "one",
    "only",     "onto",    "or",         "other",      "our",    "out",    "outside", "over",
    "own",      "per",     "please",     "resealable", "same",   "second", "seven",   "shall",
    "shaped",   "she",     "should",     "since",      "six",    "so",     "some",    "still",
    "such",     "ten",     "than",       "that",       "the",    "their",  "them",    "then",
    "there",    "these",   "they",       "third",      "this",   "those",  "though",  "thousand",
    "three",    "through", "throughout", "till",       "to",     "too",    "toward",  "towards",
    "twelve",   "two",     "under",      "unless",     "until",  "up",     "upon",    "us",
    "very",     "via",     "w/",         "was",        "we",     "were",   "what",    "when",
    "where",    "whether", "which",      "while",      "who",    "whom",   "whose",   "why",
    "will",     "with",    "within",     "without",    "would",  "x",      "yes",     "yet",
    "you",      "your",
};

static int word_order(const void *a, const void *b)
{
    return strcmp(a, *(const char *const *)b);
}

static bool is_other_word(const char *lower)
{
    return bsearch(lower, others, sizeof others / sizeof *others, sizeof *others, word_order) !=
           NULL;
}

/* A word that begins with a digit: "500ml" and "3D" are nouns, "7x9" and "1.5" none. */
static bool is_measure(const span *s)
{
    size_t i = s->a;
    while (i < s->b && (is_digit(s->c[i]) || is_one_of(s->c[i], ".,")))
        i++;
    const size_t digits = i;
    while (i < s->b && is_letter(s->c[i]))
        i++;
    return i == s->b && i > digits && !(i == digits + 1 && is_one_of(s->c[digits], "pv"));
}

static bool is_noun(const span *s, const char *lower)
{
    const uint32_t c = s->c[s->a];
    const size_t n = s->b - s->a;
    bool letters = false;
    for (size_t i = s->a; i < s->b; i++)
        letters |= is_letter(s->c[i]);
    if (!letters)
        return n == 1 && (c == '|' || c == '%' || c == 0xb0);
    if (is_digit(c))
        return is_measure(s);
    if (c == '\'' || c == 0x2019) /* 's */
        return n > 2;
    if (n == 1 && is_upper(c)) /* a size, a model */
        return c != 'A' && c != 'I';
    if (n == 2 && c == 'U' && s->c[s->a + 1] == 'S')
        return true;
    return !is_other_word(lower);
}

/* ---- the title ---- */

static size_t add_word(cmat_buf *out, const span *s)
{
    const size_t at = out->len;
    for (size_t i = s->a; i < s->b; i++) {
        char enc[4];
        const uint32_t c = (uint32_t)utf8proc_tolower((utf8proc_int32_t)s->c[i]);
        cmat_buf_add(out, enc, (size_t)cmat_utf8_encode(c, enc));
    }
    if (s->b > s->a && is_noun(s, out->data + at)) {
        cmat_buf_putc(out, 0);
        return 1;
    }
    cmat_buf_truncate(out, at);
    return 0;
}

static size_t add_inner(cmat_buf *out, const span *s)
{
    size_t found = 0, from = s->a;
    for (size_t i = s->a + 1; i < s->b; i++) {
        const size_t n = infix_length(s, i);
        if (n == 0)
            continue;
        found += add_word(out, &(span){s->c, from, i});
        found += add_word(out, &(span){s->c, i, i + n});
        from = i + n;
        i = from;
    }
    return found + add_word(out, &(span){s->c, from, s->b});
}

/* What stands between two spaces: prefixes and suffixes off, the rest cut inside. */
static size_t add_chunk(cmat_buf *out, span s)
{
    if (s.a == s.b)
        return 0;
    if (is_prefix(&s)) {
        const size_t found = add_word(out, &(span){s.c, s.a, s.a + 1});
        return found + add_chunk(out, (span){s.c, s.a + 1, s.b});
    }
    const size_t n = suffix_length(&s);
    if (n == 0)
        return add_inner(out, &s);
    const size_t found = add_chunk(out, (span){s.c, s.a, s.b - n});
    return found + add_word(out, &(span){s.c, s.b - n, s.b});
}

size_t shop_nouns(cmat_buf *out, const char *title)
{
    const size_t len = strlen(title);
    uint32_t *c = cmat_xcalloc(len + 1, sizeof *c);
    size_t n = 0, found = 0, from = 0;
    for (size_t i = 0; i < len;) {
        const int k = cmat_utf8_decode(title + i, len - i, &c[n]);
        if (k <= 0)
            c[n] = 0xfffd;
        i += k > 0 ? (size_t)k : 1;
        n++;
    }
    for (size_t i = 0; i <= n; i++)
        if (i == n || is_space(c[i])) {
            if (i > from)
                found += add_chunk(out, (span){c, from, i});
            from = i + 1;
        }
    free(c);
    return found;
}
