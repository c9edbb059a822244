/* grammar/schema_scalar.c - strings and numbers of a JSON schema. */
#include "grammar/schema.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- strings ---- */

/* Characters as JSON writes them. No \u0000 and no half of a surrogate pair: both parse here and
 * there, but not everywhere. */
#define PLAIN "[^\"\\\\\\x00-\\x1f]"
#define SHORT_ESCAPE "\\\\[\"\\\\/bfnrt]"
#define HEX "[0-9a-fA-F]"
#define LONG_ESCAPE                                                            \
    "\\\\u([1-9a-cefA-CEF]" HEX "{3}|0[1-9a-fA-F]" HEX "{2}|00[1-9a-fA-F]" HEX \
    "|000[1-9a-fA-F]|[dD][0-7]" HEX "{2}|[dD][89abAB]" HEX "{2}\\\\u[dD][c-fC-F]" HEX "{2})"

/* Texts that a "format" allows; none needs an escape. */
static const struct {
    const char *name, *pattern;
} formats[] = {
#define DATE                                                                    \
    "(\\d{3}[1-9]|\\d\\d[1-9]0|\\d[1-9]00|[1-9]000)-"                           \
    "((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|" \
    "02-(0[1-9]|1\\d|2[0-8]))|"                                                 \
    "(\\d\\d(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29"
#define TIME "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
    {"date", DATE},
    {"time", TIME},
    {"date-time", "(" DATE ")T" TIME},
    {"uuid", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"},
    {"ipv4", "((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)\\.){3}(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"},
};

static grammar_expr *in_quotes(schema_reader *r, grammar_expr *e)
{
    return grammar_cat_of(r->g, 3, schema_text(r, "\""), e, schema_text(r, "\""));
}

/* A pattern of our own. */
static grammar_expr *own(schema_reader *r, const char *pattern)
{
    return grammar_parse_regex(r->g, pattern, false, r->err);
}

static grammar_expr *formatted(schema_reader *r, const char *format)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, format) == 0)
            return in_quotes(r, own(r, formats[i].pattern));
    }
    return schema_fail(r, CMAT_ERR_UNSUPPORTED, "\"format\": \"%.40s\" is not supported", format);
}

static grammar_expr *patterned(schema_reader *r, const json_t *pattern)
{
    const char *text = json_string_value(pattern);
    cmat_error why = {0};
    grammar_expr *e;
    if (!text || strlen(text) != json_string_length(pattern))
        return schema_fail(r, CMAT_ERR_FORMAT, "\"pattern\" is not a text");
    e = grammar_parse_regex(r->g, text, true, &why);
    if (!e) /* "schema: column 3 of ...": the path is worth more than the first word */
        return schema_fail(r, why.status, "\"pattern\"%s", strchr(why.msg, ':'));
    return in_quotes(r, e);
}

/* Strings other than some. */
static grammar_expr *other_than(schema_reader *r, const json_t *except)
{
    const char **names = cmat_xcalloc(json_array_size(except), sizeof *names);
    for (size_t i = 0; i < json_array_size(except); i++)
        names[i] = json_string_value(json_array_get(except, i));
    grammar_expr *e = in_quotes(r, schema_other_text(r, names, json_array_size(except)));
    free(names);
    return schema_rule(r, e);
}

grammar_expr *schema_string(schema_reader *r, const json_t *s, const json_t *except)
{
    const json_t *pattern = json_object_get(s, "pattern"), *format = json_object_get(s, "format");
    int min, max;
    if (!schema_count(r, s, "minLength", 0, &min) || !schema_count(r, s, "maxLength", -1, &max))
        return NULL;
    if (max >= 0 && max < min)
        return grammar_set(r->g, NULL, 0);
    if (!!pattern + !!format + (min > 0 || max >= 0) > 1)
        return schema_fail(r, CMAT_ERR_UNSUPPORTED,
                           "more than one of \"pattern\", \"format\" and lengths is not supported");
    if (except && (pattern || format || min > 0 || max >= 0))
        return schema_fail(
            r, CMAT_ERR_UNSUPPORTED,
            "\"not\" of a string that \"pattern\", \"format\" or lengths allow is not "
            "supported");
    if (except)
        return other_than(r, except);
    if (pattern)
        return schema_rule(r, patterned(r, pattern));
    if (format && !json_is_string(format))
        return schema_fail(r, CMAT_ERR_FORMAT, "\"format\" is not a name");
    if (format)
        return schema_rule(r, formatted(r, json_string_value(format)));
    if (min > 0 || max >= 0) {
        grammar_expr *c = own(r, PLAIN "|" SHORT_ESCAPE);
        return schema_rule(r, in_quotes(r, grammar_repeat(r->g, c, min, max)));
    }
    if (r->string < 0) {
        grammar_expr *c = own(r, PLAIN "|" SHORT_ESCAPE "|" LONG_ESCAPE);
        r->string =
            grammar_rule_new(r->g, "a string", in_quotes(r, grammar_repeat(r->g, c, 0, -1)));
    }
    return grammar_call(r->g, r->string);
}

/* ---- numbers ---- */

#define FREE_INTEGER "0|-?[1-9]\\d{0,14}" /* exact as a double */
#define FREE_NUMBER "-?(0|[1-9]\\d{0,14})(\\.\\d{1,15})?([eE][+-]?\\d{1,2})?"
#define LAST_FREE INT64_C(999999999999999)
#define LAST INT64_C(999999999999999999)

/* Adds a pattern of the numbers from a to b, which have n digits each. */
static void same_length(cmat_buf *out, const char *a, const char *b, size_t n)
{
    const size_t rest = n - 1;
    bool zeros = true, nines = true;
    for (size_t i = 0; i < n; i++) {
        zeros = zeros && a[i] == '0';
        nines = nines && b[i] == '9';
    }
    if (n == 0)
        return;
    if (zeros && nines) {
        cmat_buf_printf(out, "\\d{%zu}", n);
    } else if (*a == *b) {
        cmat_buf_putc(out, *a);
        same_length(out, a + 1, b + 1, rest);
    } else {
        static const char low[] = "000000000000000000", high[] = "999999999999999999";
        cmat_buf_printf(out, "(%c", *a);
        same_length(out, a + 1, high, rest);
        if (*b - *a > 1)
            cmat_buf_printf(out, "|[%c-%c]\\d{%zu}", *a + 1, *b - 1, rest);
        cmat_buf_printf(out, "|%c", *b);
        same_length(out, low, b + 1, rest);
        cmat_buf_putc(out, ')');
    }
}

/* 0 <= lo <= hi <= LAST, without leading zeros. */
static void range(cmat_buf *out, int64_t lo, int64_t hi)
{
    cmat_buf_putc(out, '(');
    for (int64_t from = lo, end = 9; from <= hi; from = end + 1, end = end * 10 + 9) {
        char a[24], b[24];
        while (end < from)
            end = end * 10 + 9;
        snprintf(a, sizeof a, "%" PRId64, from);
        snprintf(b, sizeof b, "%" PRId64, end < hi ? end : hi);
        if (from > lo)
            cmat_buf_putc(out, '|');
        same_length(out, a, b, strlen(a));
    }
    cmat_buf_putc(out, ')');
}

typedef struct {
    int64_t lo, hi;
    bool above, below; /* lo, hi themselves are not among them */
} bounds;

/* Numbers from lo to hi, 0 <= lo <= hi, with decimals. */
static void decimals(cmat_buf *out, bounds b)
{
    const int64_t first = b.lo + b.above; /* whole parts that may have any decimals */
    const char *sep = "";
    cmat_buf_putc(out, '(');
    if (b.above && b.lo < b.hi) {
        cmat_buf_printf(out, "%" PRId64 "\\.\\d{0,14}[1-9]", b.lo);
        sep = "|";
    }
    if (first < b.hi) {
        cmat_buf_puts(out, sep);
        range(out, first, b.hi - 1);
        cmat_buf_puts(out, "(\\.\\d{1,15})?");
        sep = "|";
    }
    if (!b.below && (b.lo < b.hi || !b.above))
        cmat_buf_printf(out, "%s%" PRId64 "(\\.0)?", sep, b.hi);
    cmat_buf_putc(out, ')');
}

static bool empty(const bounds *b)
{
    return b->lo > b->hi || (b->lo == b->hi && (b->above || b->below));
}

static void side(cmat_buf *out, bounds b, bool whole, bool negative)
{
    if (empty(&b))
        return;
    cmat_buf_puts(out, out->len ? "|" : "");
    cmat_buf_puts(out, negative ? "-" : "");
    if (whole)
        range(out, b.lo, b.hi);
    else
        decimals(out, b);
}

/* One bound out of a keyword; *out is left alone when it is not there. */
static bool bound(schema_reader *r, const json_t *s, const char *keyword, bool whole, bool low,
                  bool exclusive, int64_t *out, bool *apart)
{
    const json_t *v = json_object_get(s, keyword);
    double x;
    int64_t n;
    if (!v)
        return true;
    if (!json_is_number(v))
        return schema_fail(r, CMAT_ERR_FORMAT, "\"%s\" is not a number", keyword);
    x = json_number_value(v);
    if (!(fabs(x) <= (double)LAST / 10))
        return schema_fail(r, CMAT_ERR_LIMIT, "\"%s\" is beyond 10^17", keyword);
    if (!whole && x != floor(x))
        return schema_fail(r, CMAT_ERR_UNSUPPORTED, "\"%s\" that is not whole is not supported",
                           keyword);
    if (whole && exclusive)
        n = low ? (int64_t)floor(x) + 1 : (int64_t)ceil(x) - 1;
    else if (json_is_integer(v))
        n = json_integer_value(v);
    else
        n = low ? (int64_t)ceil(x) : (int64_t)floor(x);
    if (low ? n > *out || (n == *out && exclusive) : n < *out || (n == *out && exclusive)) {
        *out = n;
        *apart = exclusive && !whole;
    }
    return true;
}

static bool read_bounds(schema_reader *r, const json_t *s, bool whole, bounds *b)
{
    *b = (bounds){.lo = -LAST, .hi = LAST};
    if (!bound(r, s, "minimum", whole, true, false, &b->lo, &b->above) ||
        !bound(r, s, "exclusiveMinimum", whole, true, true, &b->lo, &b->above) ||
        !bound(r, s, "maximum", whole, false, false, &b->hi, &b->below) ||
        !bound(r, s, "exclusiveMaximum", whole, false, true, &b->hi, &b->below))
        return false;
    /* an open side goes as far as without bounds, or ten times as far as the bound */
    if (b->lo == -LAST)
        b->lo = b->hi < -LAST_FREE ? b->hi * 9 : -LAST_FREE;
    if (b->hi == LAST)
        b->hi = b->lo > LAST_FREE ? b->lo * 9 : LAST_FREE;
    return true;
}

static grammar_expr *bounded(schema_reader *r, const json_t *s, bool whole)
{
    bounds b;
    cmat_buf out = {0};
    grammar_expr *e;
    if (!read_bounds(r, s, whole, &b))
        return NULL;
    if (empty(&b))
        return grammar_set(r->g, NULL, 0);
    if (b.lo < 0) { /* the same with the sign taken off; 0 belongs to the other side */
        bounds n = {
            .lo = b.hi < 0 ? -b.hi : whole, .hi = -b.lo, .above = b.below, .below = b.above};
        if (b.hi >= 0)
            n.above = !whole;
        side(&out, n, whole, true);
    }
    if (b.hi >= 0) {
        bounds n = b;
        if (b.lo < 0) {
            n.lo = 0;
            n.above = false;
        }
        side(&out, n, whole, false);
    }
    e = own(r, cmat_buf_str(&out));
    cmat_buf_clear(&out);
    return schema_rule(r, e);
}

/* Whole multiples; of a step of 10^-k (0.01) the numbers with up to k decimals. */
static grammar_expr *stepped(schema_reader *r, const json_t *s, const json_t *step)
{
    const double m = json_number_value(step);
    bounds b;
    grammar_expr *e;
    if (!json_is_number(step) || m <= 0)
        return schema_fail(r, CMAT_ERR_FORMAT, "\"multipleOf\" is not a number above 0");
    if (m == floor(m) && m < (double)LAST_FREE) {
        if (!read_bounds(r, s, true, &b))
            return NULL;
        return empty(&b) ? grammar_set(r->g, NULL, 0)
                         : schema_rule(r, schema_multiples(r, (int64_t)m, b.lo, b.hi, NULL));
    }
    int k = 1;
    double power = 0.1;
    while (k < 9 && fabs(m - power) > power * 1e-9)
        power = pow(10, -++k);
    if (k == 9)
        return schema_fail(
            r, CMAT_ERR_UNSUPPORTED,
            "\"multipleOf\" that is neither whole nor 0.1, 0.01, ... is not supported");
    if (!read_bounds(r, s, false, &b))
        return NULL;
    if (b.above || b.below || b.hi < 0)
        return schema_fail(r, CMAT_ERR_UNSUPPORTED,
                           "\"multipleOf\" %g beside such bounds is not supported", m);
    cmat_buf out = {0};
    if (b.lo < 0) {
        cmat_buf_puts(&out, "-(");
        range(&out, 0, -b.lo - 1);
        cmat_buf_printf(&out, "\\.\\d{1,%d}|", k);
        range(&out, 1, -b.lo);
        cmat_buf_puts(&out, ")|");
    }
    if (b.hi > 0 && b.lo < b.hi) {
        range(&out, b.lo < 0 ? 0 : b.lo, b.hi - 1);
        cmat_buf_printf(&out, "(\\.\\d{1,%d})?|", k);
    }
    cmat_buf_printf(&out, "%" PRId64, b.hi);
    e = b.lo > b.hi ? grammar_set(r->g, NULL, 0) : own(r, cmat_buf_str(&out));
    cmat_buf_clear(&out);
    return schema_rule(r, e);
}

/* Whether all whole numbers are multiples of it: 0.5, 0.01. */
static bool divides_one(const json_t *step)
{
    const double n = json_is_number(step) ? 1 / json_number_value(step) : 0;
    return n >= 1 && n < 1e9 && fabs(n - round(n)) < 1e-9 * n;
}

/* Integers of a short range, without some. */
static grammar_expr *listed(schema_reader *r, const json_t *s, const json_t *except)
{
    enum { MOST = 1000 };
    const json_t *step = json_object_get(s, "multipleOf");
    const double m = step ? json_number_value(step) : 1;
    bounds b;
    if (!read_bounds(r, s, true, &b))
        return NULL;
    if (m < 1 || m != floor(m) || m > MOST || b.hi / MOST > INT64_MAX / 4 ||
        (b.hi - b.lo) / (int64_t)m > MOST)
        return schema_fail(r, CMAT_ERR_UNSUPPORTED,
                           "\"not\" of an integer out of more than %d is not supported", MOST);
    return schema_multiples(r, (int64_t)m, b.lo, b.hi, except);
}

grammar_expr *schema_number(schema_reader *r, const json_t *s, bool whole, const json_t *except)
{
    int *rule = whole ? &r->integer : &r->number;
    const json_t *step = json_object_get(s, "multipleOf");
    if (except && !whole)
        return schema_fail(r, CMAT_ERR_UNSUPPORTED, "\"not\" of a number is not supported");
    if (except)
        return listed(r, s, except);
    if (step && !(whole && divides_one(step)))
        return stepped(r, s, step);
    if (json_object_get(s, "minimum") || json_object_get(s, "maximum") ||
        json_object_get(s, "exclusiveMinimum") || json_object_get(s, "exclusiveMaximum"))
        return bounded(r, s, whole);
    if (*rule < 0)
        *rule = grammar_rule_new(r->g, whole ? "an integer" : "a number",
                                 own(r, whole ? FREE_INTEGER : FREE_NUMBER));
    return grammar_call(r->g, *rule);
}
