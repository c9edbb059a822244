/* grammar/schema_multiple.c - the multiples of a number between bounds: digit by digit, with the
 * remainder of what has been written as the state. */
#include "grammar/schema.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_STEP = 1000,   /* apart from zeros at its end */
    MAX_LISTED = 1000, /* so many are written out */
    MAX_DIGITS = 18
};

typedef struct {
    schema_reader *r;
    int m;
    int *rules; /* (MAX_DIGITS + 1, m): digits to come, remainder so far: a rule; -1: not made; -2:
                   none */
} stepper;

static grammar_expr *none(const stepper *s)
{
    return grammar_set(s->r->g, NULL, 0);
}

/* `left` more digits, so that the whole is a multiple. */
static grammar_expr *any_digits(stepper *s, int left, int remainder)
{
    int *rule = &s->rules[left * s->m + remainder];
    if (left == 0)
        return remainder == 0 ? schema_text(s->r, "") : none(s);
    if (*rule == -1) {
        grammar_list alt = {0};
        for (int d = 0; d <= 9; d++) {
            grammar_expr *rest = any_digits(s, left - 1, (remainder * 10 + d) % s->m);
            const char digit = (char)('0' + d);
            if (!schema_nothing(rest))
                grammar_list_add(
                    &alt, grammar_cat_of(s->r->g, 2, grammar_text(s->r->g, &digit, 1), rest));
        }
        grammar_expr *e = grammar_alt(s->r->g, &alt);
        *rule = schema_nothing(e) ? -2 : grammar_rule_new(s->r->g, "a multiple", e);
    }
    return *rule == -2 ? none(s) : grammar_call(s->r->g, *rule);
}

/* Digits between a and b, of `left` digits each; where low (high) is set, a (b) still binds. */
static grammar_expr *between(stepper *s, const char *a, const char *b, int left, int remainder,
                             bool low, bool high)
{
    grammar_list alt = {0};
    if (left == 0 || (!low && !high))
        return any_digits(s, left, remainder);
    for (int c = low ? *a : '0'; c <= (high ? *b : '9'); c++) {
        const char d = (char)c;
        grammar_expr *rest = between(s, a + 1, b + 1, left - 1, (remainder * 10 + d - '0') % s->m,
                                     low && d == *a, high && d == *b);
        if (!schema_nothing(rest))
            grammar_list_add(&alt, grammar_cat_of(s->r->g, 2, grammar_text(s->r->g, &d, 1), rest));
    }
    return grammar_alt(s->r->g, &alt);
}

/* Multiples from lo to hi, 1 <= lo, each with zeros behind it. */
static void positive(stepper *s, int64_t lo, int64_t hi, const char *sign, const char *zeros,
                     grammar_list *out)
{
    int64_t end = 9;
    for (int n = 1; n <= MAX_DIGITS && lo <= hi; n++, end = end * 10 + 9) {
        char a[24], b[24];
        if (end < lo)
            continue;
        snprintf(a, sizeof a, "%" PRId64, lo);
        snprintf(b, sizeof b, "%" PRId64, end < hi ? end : hi);
        grammar_expr *e = between(s, a, b, n, 0, true, true);
        if (!schema_nothing(e))
            grammar_list_add(out, grammar_cat_of(s->r->g, 3, schema_text(s->r, sign), e,
                                                 schema_text(s->r, zeros)));
        lo = end + 1;
    }
}

static bool is_among(const json_t *list, int64_t x)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_number_value(json_array_get(list, i)) == (double)x)
            return true;
    }
    return false;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && a < 0);
}

static grammar_expr *listed(schema_reader *r, int64_t m, int64_t first, int64_t last,
                            const json_t *except)
{
    grammar_list alt = {0};
    for (int64_t q = first; q <= last; q++) {
        char text[24];
        snprintf(text, sizeof text, "%" PRId64, q * m);
        if (!is_among(except, q * m))
            grammar_list_add(&alt, schema_text(r, text));
    }
    return grammar_alt(r->g, &alt);
}

grammar_expr *schema_multiples(schema_reader *r, int64_t m, int64_t lo, int64_t hi,
                               const json_t *except)
{
    const int64_t first = -floor_div(-lo, m), last = floor_div(hi, m);
    char zeros[24] = "";
    grammar_list out = {0};
    if (first > last)
        return grammar_set(r->g, NULL, 0);
    if (last - first <= MAX_LISTED || except)
        return listed(r, m, first, last, except);
    int64_t ten = 1;
    for (int k = 0; m % 10 == 0; m /= 10, ten *= 10)
        zeros[k++] = '0';
    if (m > MAX_STEP)
        return schema_fail(r, CMAT_ERR_UNSUPPORTED,
                           "\"multipleOf\" above %d, apart from zeros at its end, is not supported",
                           MAX_STEP);
    stepper s = {.r = r, .m = (int)m};
    s.rules = cmat_xmalloc((MAX_DIGITS + 1) * (size_t)m * sizeof *s.rules);
    for (int i = 0; i < (MAX_DIGITS + 1) * m; i++)
        s.rules[i] = -1;
    lo = -floor_div(-lo, ten); /* in units of the zeros */
    hi = floor_div(hi, ten);
    if (lo <= 0 && hi >= 0)
        grammar_list_add(&out, schema_text(r, "0"));
    if (lo < 0)
        positive(&s, hi < 0 ? -hi : 1, -lo, "-", zeros, &out);
    if (hi > 0)
        positive(&s, lo > 0 ? lo : 1, hi, "", zeros, &out);
    free(s.rules);
    return grammar_alt(r->g, &out);
}
