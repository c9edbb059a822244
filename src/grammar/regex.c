/* grammar/regex.c - regular expressions, the part of them that is regular. */
#include "core/buf.h"
#include "core/text.h"
#include "grammar/rules.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_LENGTH = 1 << 16, MAX_NESTED = 100, MAX_COUNT = 100000 };

typedef struct {
    grammar_rules *g;
    const char *text, *at, *end;
    bool in_json;
    int depth;
    size_t n_outer; /* alternatives of the expression as a whole */
    cmat_error *err;
    bool failed;
} reader;

static grammar_expr *fail(reader *r, const char *at, cmat_status st, const char *why)
{
    if (!r->failed)
        cmat_fail(r->err, st, "%s: column %d of \"%.80s\": %s", r->g->what, (int)(at - r->text) + 1,
                  r->text, why);
    r->failed = true;
    return NULL;
}

/* Points that JSON writes as escapes inside a string become those escapes. */
static grammar_expr *set_in_json(grammar_rules *g, const grammar_points *p)
{
    static const char short_form[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    grammar_list alt = {0};
    grammar_points plain = {0};
    for (size_t i = 0; i < p->n; i++) {
        uint32_t lo = p->ranges[i].lo, hi = p->ranges[i].hi;
        for (uint32_t c = lo; c <= hi && c <= '\\'; c++) {
            const char *s = c ? strchr(short_form, (int)c) : NULL;
            char text[8];
            if (c >= 0x20 && c != '"' && c != '\\')
                continue;
            if (c == 0) /* \u0000: more readers refuse it than not */
                continue;
            if (s)
                snprintf(text, sizeof text, "\\%c", s[1]);
            else
                snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
            grammar_list_add(&alt, grammar_text(g, text, strlen(text)));
        }
        static const grammar_range allowed[] = {
            {0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, GRAMMAR_LAST_POINT}};
        for (int k = 0; k < 3; k++) {
            const uint32_t from = lo > allowed[k].lo ? lo : allowed[k].lo;
            const uint32_t to = hi < allowed[k].hi ? hi : allowed[k].hi;
            if (from <= to)
                grammar_points_add(&plain, from, to);
        }
    }
    if (plain.n)
        grammar_list_add(&alt, grammar_set(g, plain.ranges, plain.n));
    grammar_points_clear(&plain);
    return grammar_alt(g, &alt);
}

static grammar_expr *set_of(reader *r, grammar_points *p)
{
    grammar_expr *e;
    grammar_points_sort(p);
    e = r->in_json ? set_in_json(r->g, p) : grammar_set(r->g, p->ranges, p->n);
    grammar_points_clear(p);
    return e;
}

static bool hex(reader *r, int n, uint32_t *cp)
{
    *cp = 0;
    for (int i = 0; i < n; i++, r->at++) {
        const char c = r->at < r->end ? *r->at : '\0';
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;
        if (digit < 0) {
            fail(r, r->at, CMAT_ERR_FORMAT, "a hexadecimal digit is missing");
            return false;
        }
        *cp = *cp * 16 + (uint32_t)digit;
    }
    if (*cp >= 0xd800 && *cp <= 0xdfff) {
        fail(r, r->at - n, CMAT_ERR_UNSUPPORTED, "half of a surrogate pair is no character");
        return false;
    }
    return true;
}

/* \d \w \s and their negations: ASCII; in a schema, \s is ECMA-262's, which no pattern of ASCII
 * spaces may be taken for: \S would let the others through. */
static bool named_class(const reader *r, char c, grammar_points *p)
{
    static const grammar_range spaces[] = {{0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
                                           {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f},
                                           {0x3000, 0x3000}, {0xfeff, 0xfeff}};
    grammar_points q = {0};
    switch (c | 32) {
    case 'd':
        grammar_points_add(&q, '0', '9');
        break;
    case 'w':
        grammar_points_add(&q, '0', '9');
        grammar_points_add(&q, 'A', 'Z');
        grammar_points_add(&q, '_', '_');
        grammar_points_add(&q, 'a', 'z');
        break;
    case 's':
        grammar_points_add(&q, '\t', '\r');
        grammar_points_add(&q, ' ', ' ');
        for (size_t i = 0; r->in_json && i < sizeof spaces / sizeof *spaces; i++)
            grammar_points_add(&q, spaces[i].lo, spaces[i].hi);
        break;
    default:
        return false;
    }
    if (c < 'a')
        grammar_points_invert(&q);
    for (size_t i = 0; i < q.n; i++)
        grammar_points_add(p, q.ranges[i].lo, q.ranges[i].hi);
    grammar_points_clear(&q);
    return true;
}

/* What follows a backslash, when it is one character. */
static bool escape(reader *r, bool in_class, uint32_t *cp)
{
    static const char letters[] = "ntrfv0", values[] = "\n\t\r\f\v";
    const char *start = r->at - 1, *s;
    const char c = r->at < r->end ? *r->at : '\0';
    if (r->at == r->end) {
        fail(r, start, CMAT_ERR_FORMAT, "nothing follows the backslash");
        return false;
    }
    r->at++;
    if (c == 'x')
        return hex(r, 2, cp);
    if (c == 'u' && r->at < r->end && *r->at == '{') {
        const char *close = memchr(r->at, '}', (size_t)(r->end - r->at));
        const int n = close ? (int)(close - r->at) - 1 : 0;
        r->at++;
        if (n < 1 || n > 6 || !hex(r, n, cp) || *cp > GRAMMAR_LAST_POINT) {
            fail(r, start, CMAT_ERR_FORMAT, "\\u{...} does not name a character");
            return false;
        }
        r->at++;
        return true;
    }
    if (c == 'u')
        return hex(r, 4, cp);
    if (c && (s = strchr(letters, c))) {
        *cp = (uint8_t)values[s - letters];
        return true;
    }
    if (in_class && c == 'b') {
        *cp = '\b';
        return true;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
        char why[64];
        snprintf(why, sizeof why, "\\%c is not supported", c);
        fail(r, start, CMAT_ERR_UNSUPPORTED, why);
        return false;
    }
    r->at--;
    const int n = cmat_utf8_decode(r->at, (size_t)(r->end - r->at), cp);
    r->at += n;
    return n > 0;
}

static bool literal(reader *r, uint32_t *cp)
{
    const int n = cmat_utf8_decode(r->at, (size_t)(r->end - r->at), cp);
    if (n == 0)
        fail(r, r->at, CMAT_ERR_FORMAT, "not UTF-8");
    r->at += n;
    return n > 0;
}

/* One end of a range in [...]; *cp is left alone for a named class, which is added. */
static bool class_item(reader *r, grammar_points *p, uint32_t *cp, bool *named)
{
    *named = false;
    if (*r->at != '\\')
        return literal(r, cp);
    r->at++;
    if (r->at < r->end && named_class(r, *r->at, p)) {
        r->at++;
        *named = true;
        return true;
    }
    return escape(r, true, cp);
}

static grammar_expr *class(reader *r)
{
    const char *start = r->at - 1;
    grammar_points p = {0};
    bool invert = false, first = true;
    if (r->at < r->end && *r->at == '^') {
        invert = true;
        r->at++;
    }
    for (;; first = false) {
        const char *item = r->at;
        uint32_t lo = 0, hi = 0;
        bool named, other;
        if (r->at == r->end) {
            fail(r, start, CMAT_ERR_FORMAT, "\"[\" without \"]\"");
            break;
        }
        if (*r->at == ']' && !first) {
            r->at++;
            break;
        }
        if (*r->at == '[' && r->at + 1 < r->end && strchr(":.=", r->at[1])) {
            fail(r, item, CMAT_ERR_UNSUPPORTED, "[:name:] classes are not supported");
            break;
        }
        if (!class_item(r, &p, &lo, &named))
            break;
        hi = lo;
        if (r->at + 1 < r->end && *r->at == '-' && r->at[1] != ']') {
            r->at++;
            if (!class_item(r, &p, &hi, &other))
                break;
            if (named || other || hi < lo) {
                fail(r, item, CMAT_ERR_FORMAT, "a range must go from a character to a later one");
                break;
            }
        }
        if (!named)
            grammar_points_add(&p, lo, hi);
    }
    if (r->failed) {
        grammar_points_clear(&p);
        return NULL;
    }
    if (invert)
        grammar_points_invert(&p);
    return set_of(r, &p);
}

static grammar_expr *alternatives(reader *r);

static grammar_expr *group(reader *r)
{
    const char *start = r->at - 1;
    grammar_expr *e;
    if (r->at < r->end && *r->at == '?') {
        const char *q = r->at + 1;
        const size_t left = (size_t)(r->end - q);
        if (left >= 1 && *q == ':') {
            r->at = q + 1;
        } else if (left >= 2 && (*q == 'P' || *q == '<') && !strchr("=!", q[1]) &&
                   (*q == '<' || q[1] == '<')) { /* a name changes nothing */
            const char *close = memchr(q, '>', left);
            if (!close)
                return fail(r, start, CMAT_ERR_FORMAT, "the group's name does not end");
            r->at = close + 1;
        } else {
            return fail(r, start, CMAT_ERR_UNSUPPORTED,
                        "look-around, flags and conditions are not supported");
        }
    }
    if (++r->depth > MAX_NESTED)
        return fail(r, start, CMAT_ERR_LIMIT, "groups are nested too deep");
    e = alternatives(r);
    r->depth--;
    if (e && (r->at == r->end || *r->at != ')'))
        return fail(r, start, CMAT_ERR_FORMAT, "\"(\" without \")\"");
    r->at++;
    return e;
}

static grammar_expr *atom(reader *r)
{
    const char *start = r->at;
    grammar_points p = {0};
    uint32_t cp = 0;
    switch (*r->at++) {
    case '(':
        return group(r);
    case '[':
        return class(r);
    case '.':
        grammar_points_add(&p, '\n', '\n');
        grammar_points_invert(&p);
        return set_of(r, &p);
    case '*':
    case '+':
    case '?':
        return fail(r, start, CMAT_ERR_FORMAT, "nothing to repeat");
    case '^':
    case '$':
        return fail(r, start, CMAT_ERR_UNSUPPORTED,
                    "^ and $ are supported at the two ends of the whole only");
    case '\\':
        if (r->at < r->end && named_class(r, *r->at, &p)) {
            r->at++;
            return set_of(r, &p);
        }
        if (!escape(r, false, &cp))
            return NULL;
        break;
    default:
        r->at--;
        if (!literal(r, &cp))
            return NULL;
    }
    grammar_points_add(&p, cp, cp);
    return set_of(r, &p);
}

static bool count(reader *r, int *out)
{
    const char *start = r->at;
    long n = 0;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && n <= MAX_COUNT)
        n = n * 10 + (*r->at++ - '0');
    *out = (int)n;
    if (n > MAX_COUNT)
        fail(r, start, CMAT_ERR_LIMIT, "too many repetitions");
    return r->at > start && n <= MAX_COUNT;
}

/* {m}, {m,}, {m,n} at the reader; false and nothing read when it is none (then "{" is a letter). */
static bool braces(reader *r, int *min, int *max)
{
    const char *start = r->at++;
    bool ok = count(r, min);
    *max = *min;
    if (ok && r->at < r->end && *r->at == ',') {
        r->at++;
        *max = -1;
        if (r->at < r->end && *r->at != '}')
            ok = count(r, max);
    }
    if (ok && r->at < r->end && *r->at == '}') {
        r->at++;
        if (*max >= 0 && *max < *min)
            fail(r, start, CMAT_ERR_FORMAT, "the least count is above the greatest");
        return true;
    }
    r->at = start;
    return false;
}

static grammar_expr *repeated(reader *r)
{
    grammar_expr *e = atom(r);
    bool again = false;
    while (e && !r->failed && r->at < r->end) {
        const char *start = r->at;
        int min = 0, max = -1;
        if (*r->at == '*' || *r->at == '+' || *r->at == '?') {
            min = *r->at == '+';
            max = *r->at == '?' ? 1 : -1;
            r->at++;
        } else if (*r->at != '{' || !braces(r, &min, &max)) {
            break;
        }
        if (r->failed)
            return NULL;
        if (again)
            return fail(r, start, CMAT_ERR_UNSUPPORTED, "two repetitions in a row");
        again = true;
        e = grammar_repeat(r->g, e, min, max);
        if (r->at < r->end && *r->at == '?') /* lazy: the same texts */
            r->at++;
    }
    return r->failed ? NULL : e;
}

static grammar_expr *sequence(reader *r)
{
    grammar_list l = {0};
    while (!r->failed && r->at < r->end && *r->at != '|' && *r->at != ')') {
        if (*r->at == '{') {
            int min, max;
            if (braces(r, &min, &max))
                fail(r, r->at, CMAT_ERR_FORMAT, "nothing to repeat");
        }
        grammar_expr *e = r->failed ? NULL : repeated(r);
        if (e)
            grammar_list_add(&l, e);
    }
    return grammar_cat(r->g, &l);
}

static grammar_expr *alternatives(reader *r)
{
    grammar_list l = {0};
    grammar_list_add(&l, sequence(r));
    while (!r->failed && r->at < r->end && *r->at == '|') {
        r->at++;
        grammar_list_add(&l, sequence(r));
    }
    r->n_outer = l.n; /* the outermost ones are counted last */
    return grammar_alt(r->g, &l);
}

/* Takes ^ and $ off the ends; with `search`, what is not anchored may have anything around it. */
static grammar_expr *whole(reader *r, bool search)
{
    bool from_start = !search, to_end = !search;
    size_t n_slashes = 0;
    grammar_expr *e, *any;
    if (r->at < r->end && *r->at == '^') {
        from_start = true;
        r->at++;
    }
    if (r->end > r->at && r->end[-1] == '$') {
        while ((size_t)(r->end - r->at) > n_slashes + 1 &&
               r->end[-2 - (ptrdiff_t)n_slashes] == '\\')
            n_slashes++;
        if (n_slashes % 2 == 0) {
            to_end = true;
            r->end--;
        }
    }
    const char *body = r->at;
    e = alternatives(r);
    if (!r->failed && r->at < r->end)
        fail(r, r->at, CMAT_ERR_FORMAT, "\")\" without \"(\"");
    /* in ^a|b$ each anchor belongs to one alternative: refuse what is easily misread */
    if (!r->failed && r->n_outer > 1 && (body > r->text || r->end[0] == '$'))
        fail(r, body, CMAT_ERR_UNSUPPORTED,
             "an anchor beside \"|\": put the alternatives into a group");
    if (r->failed)
        return NULL;
    if (!from_start || !to_end) {
        grammar_points p = {0};
        grammar_points_add(&p, 0, GRAMMAR_LAST_POINT);
        any = grammar_repeat(r->g, set_of(r, &p), 0, -1);
        e = grammar_cat_of(r->g, 3, from_start ? grammar_text(r->g, "", 0) : any, e,
                           to_end ? grammar_text(r->g, "", 0) : any);
    }
    return e;
}

grammar_expr *grammar_parse_regex(grammar_rules *g, const char *pattern, bool in_json,
                                  cmat_error *err)
{
    const size_t n = strlen(pattern);
    reader r = {.g = g, .text = pattern, .at = pattern, .end = pattern + n, .in_json = in_json};
    r.err = err;
    if (n > MAX_LENGTH) {
        cmat_fail(err, CMAT_ERR_LIMIT, "%s: a regular expression of %zu bytes, at most %d", g->what,
                  n, MAX_LENGTH);
        return NULL;
    }
    return whole(&r, in_json); /* a JSON schema's pattern may match anywhere */
}

cmat_status cmat_grammar_regex(cmat_acceptor **out, const char *pattern,
                               const cmat_grammar_trigger *trigger, cmat_error *err)
{
    grammar_rules g = {.what = "regex"};
    cmat_error local = {0};
    grammar_expr *e = grammar_parse_regex(&g, pattern, false, &local);
    *out = NULL;
    if (!e) {
        grammar_rules_clear(&g);
        if (err)
            *err = local;
        return local.status;
    }
    g.root = grammar_rule_new(&g, "the expression", e);
    return grammar_compile(out, &g, trigger, err);
}

cmat_status cmat_grammar_choices(cmat_acceptor **out, const char *const *choices, size_t n,
                                 const cmat_grammar_trigger *trigger, cmat_error *err)
{
    grammar_rules g = {.what = "choices"};
    grammar_list l = {0};
    *out = NULL;
    if (n == 0)
        return cmat_fail(err, CMAT_ERR_ARG, "choices: there are none");
    for (size_t i = 0; i < n; i++) {
        const size_t len = strlen(choices[i]);
        if (cmat_utf8_valid_prefix(choices[i], len) != len) {
            free(l.items);
            grammar_rules_clear(&g);
            return cmat_fail(err, CMAT_ERR_FORMAT, "choices: number %zu is not UTF-8", i + 1);
        }
        grammar_list_add(&l, grammar_text(&g, choices[i], len));
    }
    g.root = grammar_rule_new(&g, "the choices", grammar_alt(&g, &l));
    return grammar_compile(out, &g, trigger, err);
}
