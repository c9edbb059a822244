/* tests/json_check.c */
#include "json_check.h"
#define PCRE2_CODE_UNIT_WIDTH 8
#include <math.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

bool regex_fits(const char *pattern, const char *text, size_t n, bool anywhere)
{
    int code;
    size_t at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                   PCRE2_UTF | (anywhere ? 0 : PCRE2_ANCHORED | PCRE2_ENDANCHORED),
                                   &code, &at, NULL);
    pcre2_match_data *m = re ? pcre2_match_data_create_from_pattern(re, NULL) : NULL;
    const bool ok = m && pcre2_match(re, (PCRE2_SPTR)text, n, 0, 0, m, NULL) >= 0;
    pcre2_match_data_free(m);
    pcre2_code_free(re);
    return ok;
}

static const json_t *find(const json_t *root, const char *pointer)
{
    const json_t *at = root;
    char *copy = strdup(pointer), *save = NULL;
    for (char *p = strtok_r(copy + 1, "/", &save); p; p = strtok_r(NULL, "/", &save))
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(p)) : json_object_get(at, p);
    free(copy);
    return at;
}

static bool type_fits(const char *t, const json_t *v)
{
    if (strcmp(t, "integer") == 0)
        return json_is_integer(v) ||
               (json_is_real(v) && json_real_value(v) == floor(json_real_value(v)));
    return (strcmp(t, "number") == 0 && json_is_number(v)) ||
           (strcmp(t, "string") == 0 && json_is_string(v)) ||
           (strcmp(t, "boolean") == 0 && json_is_boolean(v)) ||
           (strcmp(t, "null") == 0 && json_is_null(v)) ||
           (strcmp(t, "array") == 0 && json_is_array(v)) ||
           (strcmp(t, "object") == 0 && json_is_object(v));
}

static size_t n_points(const json_t *v)
{
    size_t n = 0;
    for (const char *p = json_string_value(v); *p; p++)
        n += (*p & 0xc0) != 0x80;
    return n;
}

static double bound(const json_t *s, const char *k, double def)
{
    const json_t *v = json_object_get(s, k);
    return v ? json_number_value(v) : def;
}

static bool dependents_fit(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *k;
    const char *name;
    json_t *p;
    size_t i;
    json_object_foreach(json_object_get(s, "dependentRequired"), name, p)
    {
        json_array_foreach(p, i, k)
        {
            if (json_object_get(v, name) && !json_object_get(v, json_string_value(k)))
                return false;
        }
    }
    json_object_foreach(json_object_get(s, "dependentSchemas"), name, p)
    {
        if (json_object_get(v, name) && !json_fits(root, p, v))
            return false;
    }
    return true;
}

static bool object_fits(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *props = json_object_get(s, "properties"),
                 *more = json_object_get(s, "additionalProperties"), *k;
    const char *name, *pattern;
    json_t *p, *q;
    size_t i;
    if ((double)json_object_size(v) < bound(s, "minProperties", 0) ||
        (double)json_object_size(v) > bound(s, "maxProperties", INFINITY) ||
        !dependents_fit(root, s, v))
        return false;
    json_array_foreach(json_object_get(s, "required"), i, k)
    {
        if (!json_object_get(v, json_string_value(k)))
            return false;
    }
    json_object_foreach((json_t *)(uintptr_t)v, name, p)
    {
        const json_t *own = json_object_get(props, name);
        bool known = own;
        json_object_foreach(json_object_get(s, "patternProperties"), pattern, q)
        {
            if (!regex_fits(pattern, name, strlen(name), true))
                continue;
            known = true;
            if (!json_fits(root, q, p))
                return false;
        }
        if (!json_fits(root, own ? own : !known && more ? more : json_true(), p))
            return false;
    }
    return true;
}

static bool array_fits(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *prefix = json_object_get(s, "prefixItems"), *items = json_object_get(s, "items"),
                 *e;
    size_t i;
    if ((double)json_array_size(v) < bound(s, "minItems", 0) ||
        (double)json_array_size(v) > bound(s, "maxItems", INFINITY))
        return false;
    json_array_foreach(v, i, e)
    {
        const json_t *own = i < json_array_size(prefix) ? json_array_get(prefix, i)
                            : items                     ? items
                                                        : json_true();
        if (!json_fits(root, own, e))
            return false;
        for (size_t k = 0; k < i && json_is_true(json_object_get(s, "uniqueItems")); k++) {
            if (json_equal(e, json_array_get(v, k)))
                return false;
        }
    }
    return true;
}

static bool scalar_fits(const json_t *s, const json_t *v)
{
    const char *pattern = json_string_value(json_object_get(s, "pattern"));
    if (json_is_string(v)) {
        if ((double)n_points(v) < bound(s, "minLength", 0) ||
            (double)n_points(v) > bound(s, "maxLength", INFINITY))
            return false;
        return !pattern || regex_fits(pattern, json_string_value(v), json_string_length(v), true);
    }
    if (json_is_number(v)) {
        const double x = json_number_value(v), steps = x / bound(s, "multipleOf", 1);
        if (json_object_get(s, "multipleOf") && fabs(steps - round(steps)) > 1e-9 * fabs(steps))
            return false;
        return x >= bound(s, "minimum", -INFINITY) && x <= bound(s, "maximum", INFINITY) &&
               x > bound(s, "exclusiveMinimum", -INFINITY) &&
               x < bound(s, "exclusiveMaximum", INFINITY);
    }
    return true;
}

static int n_fitting(const json_t *root, const json_t *list, const json_t *v)
{
    const json_t *e;
    size_t i;
    int n = 0;
    json_array_foreach(list, i, e) n += json_fits(root, e, v);
    return n;
}

bool json_fits(const json_t *root, const json_t *s, const json_t *v)
{
    const json_t *type = json_object_get(s, "type"), *e;
    bool ok = !type || json_is_array(type);
    size_t i;
    if (!json_is_object(s))
        return json_is_true(s);
    if (json_object_get(s, "$ref") &&
        !json_fits(root, find(root, json_string_value(json_object_get(s, "$ref"))), v))
        return false;
    if (json_object_get(s, "anyOf") && n_fitting(root, json_object_get(s, "anyOf"), v) == 0)
        return false;
    if (json_object_get(s, "oneOf") && n_fitting(root, json_object_get(s, "oneOf"), v) != 1)
        return false;
    json_array_foreach(json_object_get(s, "allOf"), i, e)
    {
        if (!json_fits(root, e, v))
            return false;
    }
    if (json_object_get(s, "not") && json_fits(root, json_object_get(s, "not"), v))
        return false;
    if (json_object_get(s, "if")) {
        e = json_object_get(s, json_fits(root, json_object_get(s, "if"), v) ? "then" : "else");
        if (e && !json_fits(root, e, v))
            return false;
    }
    if (json_object_get(s, "const") && !json_equal(json_object_get(s, "const"), v))
        return false;
    if (json_object_get(s, "enum")) {
        bool found = false;
        json_array_foreach(json_object_get(s, "enum"), i, e) found = found || json_equal(e, v);
        if (!found)
            return false;
    }
    if (json_is_string(type))
        ok = type_fits(json_string_value(type), v);
    if (json_is_array(type)) {
        ok = false;
        json_array_foreach(type, i, e) ok = ok || type_fits(json_string_value(e), v);
    }
    return ok && scalar_fits(s, v) && (!json_is_object(v) || object_fits(root, s, v)) &&
           (!json_is_array(v) || array_fits(root, s, v));
}
