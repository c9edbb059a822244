/* grammar/schema_check.c - whether a value fits a schema: which fixed values ("enum") are left when
 * other keywords hold as well, and which names a pattern speaks of. */
#include "core/acceptor.h"
#include "grammar/schema.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NO = 0, YES = 1, UNKNOWN = -1, MAX_NESTED = 50 };

static int both(int a, int b)
{
    return a == NO || b == NO ? NO : a == YES && b == YES ? YES : UNKNOWN;
}

static int opposite(int a)
{
    return a == UNKNOWN ? UNKNOWN : !a;
}

static int fits(const schema_reader *r, const json_t *s, const json_t *v, int depth);

int schema_matches(const char *pattern, const char *text)
{
    grammar_rules g = {.what = "pattern"};
    cmat_acceptor *a = NULL;
    cmat_error err = {0};
    grammar_expr *e = grammar_parse_regex(&g, pattern, true, &err);
    int result = UNKNOWN;
    for (const char *p = text; *p; p++) {
        if ((uint8_t)*p < 0x20) /* escapes have more than one form */
            e = NULL;
    }
    if (!e) {
        grammar_rules_clear(&g);
        return UNKNOWN;
    }
    g.root = grammar_rule_new(&g, "pattern", e);
    if (grammar_compile(&a, &g, NULL, &err) != CMAT_OK)
        return UNKNOWN;
    _Alignas(16) unsigned char state[CMAT_ACCEPTOR_STATE_MAX] = {0};
    bool going = true;
    a->ops->start(a, state);
    for (const char *p = text; *p && going; p++) {
        if (*p == '"' || *p == '\\')
            going = a->ops->step(a, state, '\\');
        going = going && a->ops->step(a, state, (uint8_t)*p);
    }
    result = going && a->ops->done(a, state) ? YES : NO;
    cmat_acceptor_free(a);
    return result;
}

static size_t n_points(const json_t *v)
{
    size_t n = 0;
    for (const char *p = json_string_value(v); *p; p++)
        n += (*p & 0xc0) != 0x80;
    return n;
}

/* x against the bounds that two keywords set; those that are not there hold. */
static int within(const json_t *s, const char *low, const char *high, double x)
{
    const json_t *a = json_object_get(s, low), *b = json_object_get(s, high);
    return (!a || x >= json_number_value(a)) && (!b || x <= json_number_value(b));
}

static int scalar_fits(const json_t *s, const json_t *v)
{
    const json_t *pattern = json_object_get(s, "pattern"), *above, *below, *step;
    if (json_is_string(v)) {
        int fit = within(s, "minLength", "maxLength", (double)n_points(v));
        if (pattern)
            fit = both(fit, json_is_string(pattern)
                                ? schema_matches(json_string_value(pattern), json_string_value(v))
                                : UNKNOWN);
        return both(fit, json_object_get(s, "format") ? UNKNOWN : YES);
    }
    if (!json_is_number(v))
        return YES;
    const double x = json_number_value(v);
    above = json_object_get(s, "exclusiveMinimum");
    below = json_object_get(s, "exclusiveMaximum");
    step = json_object_get(s, "multipleOf");
    const int bounded = within(s, "minimum", "maximum", x) &&
                        (!above || x > json_number_value(above)) &&
                        (!below || x < json_number_value(below));
    const double m = step ? json_number_value(step) : 1;
    return both(bounded, !step ? YES : m <= 0 || m != floor(m) ? UNKNOWN : fmod(x, m) == 0);
}

static int property_fits(const schema_reader *r, const json_t *s, const char *name, const json_t *v,
                         int depth)
{
    const json_t *own = json_object_get(json_object_get(s, "properties"), name),
                 *more = json_object_get(s, "additionalProperties");
    const char *pattern;
    json_t *p;
    int fit = own ? fits(r, own, v, depth) : YES;
    bool known = own;
    json_object_foreach(json_object_get(s, "patternProperties"), pattern, p)
    {
        const int match = schema_matches(pattern, name);
        known |= match != NO;
        if (match != NO)
            fit = both(fit, match == YES ? fits(r, p, v, depth) : UNKNOWN);
    }
    return known || !more ? fit : both(fit, fits(r, more, v, depth));
}

static int object_fits(const schema_reader *r, const json_t *s, const json_t *v, int depth)
{
    const json_t *required = json_object_get(s, "required");
    const char *name;
    json_t *p;
    int fit = within(s, "minProperties", "maxProperties", (double)json_object_size(v));
    if (json_object_get(s, "dependentRequired") || json_object_get(s, "dependentSchemas") ||
        json_object_get(s, "unevaluatedProperties"))
        fit = both(fit, UNKNOWN);
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *k = json_string_value(json_array_get(required, i));
        fit = both(fit, k && json_object_get(v, k) ? YES : NO);
    }
    json_object_foreach((json_t *)(uintptr_t)v, name, p) fit =
        both(fit, property_fits(r, s, name, p, depth));
    return fit;
}

static int array_fits(const schema_reader *r, const json_t *s, const json_t *v, int depth)
{
    const json_t *prefix = json_object_get(s, "prefixItems"), *items = json_object_get(s, "items");
    int fit = within(s, "minItems", "maxItems", (double)json_array_size(v));
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *own = i < json_array_size(prefix) ? json_array_get(prefix, i) : items;
        if (own)
            fit = both(fit, fits(r, own, json_array_get(v, i), depth));
        for (size_t k = 0; k < i && json_is_true(json_object_get(s, "uniqueItems")); k++) {
            if (json_equal(json_array_get(v, i), json_array_get(v, k)))
                return NO;
        }
    }
    return fit;
}

/* How many of a list fit: at least *sure, at most *sure + *maybe. */
static void count(const schema_reader *r, const json_t *list, const json_t *v, int depth, int *sure,
                  int *maybe)
{
    *sure = *maybe = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const int fit = fits(r, json_array_get(list, i), v, depth);
        *sure += fit == YES;
        *maybe += fit == UNKNOWN;
    }
}

static int combined_fits(const schema_reader *r, const json_t *s, const json_t *v, int depth)
{
    const json_t *all = json_object_get(s, "allOf"), *any = json_object_get(s, "anyOf"),
                 *one = json_object_get(s, "oneOf"), *no = json_object_get(s, "not"),
                 *cond = json_object_get(s, "if"), *ref = json_object_get(s, "$ref");
    int fit = YES, sure, maybe;
    for (size_t i = 0; i < json_array_size(all); i++)
        fit = both(fit, fits(r, json_array_get(all, i), v, depth));
    if (any) {
        count(r, any, v, depth, &sure, &maybe);
        fit = both(fit, sure ? YES : maybe ? UNKNOWN : NO);
    }
    if (one) {
        count(r, one, v, depth, &sure, &maybe);
        fit = both(fit, sure > 1 || sure + maybe == 0 ? NO : maybe ? UNKNOWN : YES);
    }
    if (no)
        fit = both(fit, opposite(fits(r, no, v, depth)));
    if (cond) {
        const int c = fits(r, cond, v, depth);
        const json_t *then = json_object_get(s, c == YES ? "then" : "else");
        fit = both(fit, c == UNKNOWN ? UNKNOWN : then ? fits(r, then, v, depth) : YES);
    }
    if (ref) {
        const char *pointer = json_string_value(ref);
        const json_t *to = pointer ? schema_find(r, pointer) : NULL;
        fit = both(fit, to ? fits(r, to, v, depth) : UNKNOWN);
    }
    return fit;
}

static int fits(const schema_reader *r, const json_t *s, const json_t *v, int depth)
{
    const json_t *list = json_object_get(s, "enum"), *one = json_object_get(s, "const");
    if (!json_is_object(s))
        return json_is_boolean(s) ? json_is_true(s) : UNKNOWN;
    if (depth > MAX_NESTED)
        return UNKNOWN;
    if (!schema_type_allows(json_object_get(s, "type"), v) || (one && !json_equal(one, v)))
        return NO;
    if (list) {
        bool found = false;
        for (size_t i = 0; i < json_array_size(list); i++)
            found |= json_equal(json_array_get(list, i), v);
        if (!found)
            return NO;
    }
    int fit = both(scalar_fits(s, v), combined_fits(r, s, v, depth + 1));
    if (json_is_object(v))
        fit = both(fit, object_fits(r, s, v, depth + 1));
    return json_is_array(v) ? both(fit, array_fits(r, s, v, depth + 1)) : fit;
}

int schema_fits(const schema_reader *r, const json_t *s, const json_t *v)
{
    return fits(r, s, v, 0);
}
