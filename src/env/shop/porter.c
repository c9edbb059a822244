/* env/shop/porter.c - Porter's stemmer. */
#include "env/shop/analysis.h"
#include <string.h>

typedef struct {
    char *w;
    size_t len;  /* of the word so far */
    size_t stem; /* of what is before the ending that was found */
} porter;

static bool is_consonant(const porter *p, size_t i)
{
    switch (p->w[i]) {
    case 'a':
    case 'e':
    case 'i':
    case 'o':
    case 'u':
        return false;
    case 'y':
        return i == 0 || !is_consonant(p, i - 1);
    default:
        return true;
    }
}

/* m: how often a vowel is followed by a consonant in the stem. */
static int measure(const porter *p)
{
    int m = 0;
    bool vowel = false;
    for (size_t i = 0; i < p->stem; i++) {
        const bool c = is_consonant(p, i);
        m += vowel && c;
        vowel = !c;
    }
    return m;
}

static bool has_vowel(const porter *p)
{
    for (size_t i = 0; i < p->stem; i++)
        if (!is_consonant(p, i))
            return true;
    return false;
}

static bool double_consonant(const porter *p, size_t len)
{
    return len >= 2 && p->w[len - 1] == p->w[len - 2] && is_consonant(p, len - 1);
}

/* *o: consonant, vowel, consonant other than w, x, y at the end of w[0..len). */
static bool ends_cvc(const porter *p, size_t len)
{
    return len >= 3 && is_consonant(p, len - 1) && !is_consonant(p, len - 2) &&
           is_consonant(p, len - 3) && !strchr("wxy", p->w[len - 1]);
}

static bool ends(porter *p, const char *ending)
{
    const size_t n = strlen(ending);
    if (n > p->len || memcmp(p->w + p->len - n, ending, n) != 0)
        return false;
    p->stem = p->len - n;
    return true;
}

static void replace(porter *p, const char *with)
{
    const size_t n = strlen(with); /* never longer than the ending it stands for, but for an e */
    memcpy(p->w + p->stem, with, n);
    p->len = p->stem + n;
}

static void step1ab(porter *p)
{
    if (ends(p, "sses") || ends(p, "ies"))
        p->len -= 2;
    else if (p->w[p->len - 1] == 's' && p->len >= 2 && p->w[p->len - 2] != 's')
        p->len--;
    if (ends(p, "eed")) {
        if (measure(p) > 0)
            p->len--;
        return;
    }
    if (!((ends(p, "ed") || ends(p, "ing")) && has_vowel(p)))
        return;
    p->len = p->stem;
    if (ends(p, "at") || ends(p, "bl") || ends(p, "iz")) {
        p->w[p->len++] = 'e';
    } else if (double_consonant(p, p->len)) {
        if (!strchr("lsz", p->w[p->len - 1]))
            p->len--;
    } else {
        p->stem = p->len;
        if (measure(p) == 1 && ends_cvc(p, p->len))
            p->w[p->len++] = 'e';
    }
}

static void step1c(porter *p)
{
    if (ends(p, "y") && has_vowel(p))
        p->w[p->len - 1] = 'i';
}

typedef struct {
    const char *ending, *with;
} rule;

/* The first ending that fits decides, whether or not its stem is long enough. */
static void apply(porter *p, const rule *rules, int above)
{
    for (; rules->ending; rules++)
        if (ends(p, rules->ending)) {
            if (measure(p) > above)
                replace(p, rules->with);
            return;
        }
}

static void step4(porter *p)
{
    static const rule rules[] = {
        {"al", ""},    {"ance", ""}, {"ence", ""},  {"er", ""},   {"ic", ""},  {"able", ""},
        {"ible", ""},  {"ant", ""},  {"ement", ""}, {"ment", ""}, {"ent", ""}, {"sion", "s"},
        {"tion", "t"}, {"ou", ""},   {"ism", ""},   {"ate", ""},  {"iti", ""}, {"ous", ""},
        {"ive", ""},   {"ize", ""},  {NULL, NULL},
    };
    for (const rule *r = rules; r->ending; r++) {
        if (!ends(p, r->ending))
            continue;
        p->stem += strlen(r->with); /* the s or t before -ion belongs to the stem */
        if (measure(p) > 1)
            p->len = p->stem;
        return;
    }
}

static void step5(porter *p)
{
    if (p->w[p->len - 1] == 'e') {
        p->stem = p->len - 1;
        const int m = measure(p);
        if (m > 1 || (m == 1 && !ends_cvc(p, p->len - 1)))
            p->len--;
    }
    p->stem = p->len;
    if (p->w[p->len - 1] == 'l' && double_consonant(p, p->len) && measure(p) > 1)
        p->len--;
}

size_t shop_porter(char *word, size_t len)
{
    static const rule step2[] = {
        {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},
        {"izer", "ize"},    {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"},
        {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
        {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
        {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"},
        {"logi", "log"},    {NULL, NULL},
    };
    static const rule step3[] = {
        {"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"},
        {"ical", "ic"},  {"ful", ""},   {"ness", ""},    {NULL, NULL},
    };
    porter p = {word, len, len};
    if (len <= 2)
        return len;
    step1ab(&p);
    step1c(&p);
    apply(&p, step2, 0);
    apply(&p, step3, 0);
    step4(&p);
    step5(&p);
    return p.len;
}
