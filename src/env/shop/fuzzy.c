/* env/shop/fuzzy.c - see fuzzy.h. */
#include "env/shop/fuzzy.h"
#include "core/text.h"
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MAX_CHARS = 500, MAX_WORDS = MAX_CHARS / 2 + 1 };

typedef struct {
    const uint32_t *c;
    size_t n;
} word;

typedef struct {
    uint32_t text[MAX_CHARS];
    word words[MAX_WORDS]; /* (n) sorted, each once */
    size_t n;
} phrase;

/* ---- words ---- */

static bool is_word_char(uint32_t c)
{
    if (c < 128)
        return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return true;
    default:
        return false;
    }
}

static int word_order(const void *va, const void *vb)
{
    const word *a = va, *b = vb;
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (a->c[i] != b->c[i])
            return a->c[i] < b->c[i] ? -1 : 1;
    return (a->n > b->n) - (a->n < b->n);
}

static void sort_words(phrase *p)
{
    size_t n = 0;
    qsort(p->words, p->n, sizeof *p->words, word_order);
    for (size_t i = 0; i < p->n; i++)
        if (n == 0 || word_order(&p->words[n - 1], &p->words[i]) != 0)
            p->words[n++] = p->words[i];
    p->n = n;
}

static void read_phrase(phrase *p, const char *s)
{
    size_t n = strlen(s), n_chars = 0, from = 0;
    p->n = 0;
    for (size_t i = 0; i <= n && n_chars < MAX_CHARS;) {
        uint32_t c = ' ';
        const int len = i < n ? cmat_utf8_decode(s + i, n - i, &c) : 0;
        i += len > 0 ? (size_t)len : 1;
        if (c >= 0x80 && c <= 0xff)
            continue;
        if (len > 0 && is_word_char(c)) {
            p->text[n_chars++] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
        } else if (n_chars > from) {
            p->words[p->n++] = (word){p->text + from, n_chars - from};
            p->text[n_chars++] = ' ';
            from = n_chars;
        }
    }
    if (n_chars == MAX_CHARS && n_chars > from)
        p->words[p->n++] = (word){p->text + from, n_chars - from};
    sort_words(p);
}

/* ---- likeness ---- */

typedef struct {
    uint32_t c[MAX_CHARS + 1];
    size_t n;
} joined;

static void join(joined *j, word w)
{
    if (j->n > 0)
        j->c[j->n++] = ' ';
    memcpy(j->c + j->n, w.c, w.n * sizeof *w.c);
    j->n += w.n;
}

/* Characters to leave out or put in to make b of a: n + m - 2 longest common subsequence. */
static size_t indel(const joined *a, const joined *b)
{
    uint16_t row[MAX_CHARS + 2] = {0};
    for (size_t i = 0; i < a->n; i++) {
        uint16_t diagonal = 0;
        for (size_t j = 0; j < b->n; j++) {
            const uint16_t above = row[j + 1];
            if (a->c[i] == b->c[j])
                row[j + 1] = (uint16_t)(diagonal + 1);
            else if (row[j] > above)
                row[j + 1] = row[j];
            diagonal = above;
        }
    }
    return a->n + b->n - 2 * (size_t)row[b->n];
}

static double likeness(size_t distance, size_t length)
{
    return length ? 100 - 100 * (double)distance / (double)length : 100;
}

/* Shared words into *both, the others into *only_a and *only_b. */
static void decompose(const phrase *a, const phrase *b, joined *both, joined *only_a,
                      joined *only_b)
{
    size_t i = 0, j = 0;
    both->n = only_a->n = only_b->n = 0;
    while (i < a->n || j < b->n) {
        const int order = i == a->n ? 1 : j == b->n ? -1 : word_order(&a->words[i], &b->words[j]);
        if (order == 0) {
            join(both, a->words[i++]);
            j++;
        } else if (order < 0) {
            join(only_a, a->words[i++]);
        } else {
            join(only_b, b->words[j++]);
        }
    }
}

int shop_token_set_ratio(const char *a, const char *b)
{
    phrase pa, pb;
    joined both, only_a, only_b;
    read_phrase(&pa, a);
    read_phrase(&pb, b);
    if (pa.n == 0 || pb.n == 0)
        return 0;
    decompose(&pa, &pb, &both, &only_a, &only_b);
    if (both.n > 0 && (only_a.n == 0 || only_b.n == 0))
        return 100;
    const size_t space = both.n > 0, with_a = both.n + space + only_a.n,
                 with_b = both.n + space + only_b.n;
    double best = likeness(indel(&only_a, &only_b), with_a + with_b);
    if (both.n > 0) {
        best = fmax(best, likeness(space + only_a.n, both.n + with_a));
        best = fmax(best, likeness(space + only_b.n, both.n + with_b));
    }
    return (int)rint(best);
}

bool shop_alike(const char *a, const char *b)
{
    return shop_token_set_ratio(a, b) > 85;
}

/* ---- colours ---- */

static const char *const colours[] = {
    "alabaster",  "apricot",   "aqua",      "ash",     "asphalt",   "azure",     "banana",
    "beige",      "black",     "blue",      "blush",   "bordeaux",  "bronze",    "brown",
    "burgundy",   "camel",     "camo",      "caramel", "champagne", "charcoal",  "cheetah",
    "chestnut",   "chocolate", "christmas", "coffee",  "cognac",    "copper",    "coral",
    "cranberry",  "cream",     "crystal",   "dark",    "denim",     "eggplant",  "elephant",
    "espresso",   "fuchsia",   "gold",      "granite", "grape",     "graphite",  "grass",
    "gray",       "green",     "grey",      "heather", "indigo",    "ivory",     "ivy",
    "khaki",      "lavender",  "lemon",     "leopard", "light",     "lilac",     "lime",
    "magenta",    "maroon",    "mauve",     "merlot",  "midnight",  "mint",      "mocha",
    "multicolor", "mushroom",  "mustard",   "natural", "navy",      "nude",      "olive",
    "orange",     "peach",     "pewter",    "pink",    "plum",      "purple",    "rainbow",
    "red",        "rose",      "royal",     "rust",    "sand",      "sapphire",  "seashell",
    "silver",     "skull",     "slate",     "steel",   "stone",     "stonewash", "sunflower",
    "tan",        "taupe",     "teal",      "tiger",   "turquoise", "violet",    "walnut",
    "wheat",      "white",     "wine",      "yellow",
};

const char *shop_colour_in(const char *text)
{
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strstr(text, colours[i]))
            return colours[i];
    return NULL;
}

const char *shop_colour_of_pair(const char *a, const char *b)
{
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strcmp(a, colours[i]) == 0 || strcmp(b, colours[i]) == 0)
            return colours[i];
    return NULL;
}
