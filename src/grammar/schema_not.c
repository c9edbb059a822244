/* grammar/schema_not.c - the schema that says the opposite, by De Morgan's laws down to keywords:
 * not (A and B) is (not A) or (not B), and every keyword of a schema is one of its conditions. A
 * keyword about one type holds for values of other types, so that its opposite asks for the type.
 */
#include "grammar/schema.h"
#include <math.h>
#include <string.h>

enum { MAX_NESTED = 30 };

static json_t *negate(const schema_reader *r, const json_t *s, int depth);

static json_t *own(const json_t *v)
{
    return json_incref((json_t *)(uintptr_t)v);
}

static json_t *not_type(const json_t *type)
{
    static const char *const all[] = {"null", "boolean", "number", "string", "array", "object"};
    json_t *left = json_array();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool has = json_is_string(type) && strcmp(json_string_value(type), all[i]) == 0;
        for (size_t k = 0; k < json_array_size(type); k++) {
            const char *name = json_string_value(json_array_get(type, k));
            has |= name && strcmp(name, all[i]) == 0;
        }
        if (!has)
            json_array_append_new(left, json_string(all[i]));
    }
    return json_pack("{s:o}", "type", left);
}

/* Whether "integer" is asked for: its opposite among numbers is no schema of ours. */
static bool says_integer(const json_t *type)
{
    bool says = json_is_string(type) && strcmp(json_string_value(type), "integer") == 0;
    for (size_t k = 0; k < json_array_size(type); k++) {
        const char *name = json_string_value(json_array_get(type, k));
        says |= name && strcmp(name, "integer") == 0;
    }
    return says;
}

/* Adds the opposites of "properties" (some property is there and does not fit) or of "required"
 * (some property is not there). */
static bool not_members(json_t *alt, const json_t *properties, const json_t *required)
{
    const char *name;
    json_t *p;
    json_object_foreach((json_t *)(uintptr_t)properties, name, p)
        json_array_append_new(alt, json_pack("{s:s, s:[s], s:{s:{s:O}}}", "type", "object",
                                             "required", name, "properties", name, "not", p));
    for (size_t i = 0; i < json_array_size(required); i++) {
        if (!json_is_string(json_array_get(required, i)))
            return false;
        json_array_append_new(alt, json_pack("{s:s, s:{s:b}}", "type", "object", "properties",
                                             json_string_value(json_array_get(required, i)), 0));
    }
    return true;
}

/* A bound and its opposite, moved by one where they count. */
static const struct {
    const char *name, *type, *opposite;
    int move;
} bounds[] = {
    {"minimum", "number", "exclusiveMaximum", 0},
    {"maximum", "number", "exclusiveMinimum", 0},
    {"exclusiveMinimum", "number", "maximum", 0},
    {"exclusiveMaximum", "number", "minimum", 0},
    {"minLength", "string", "maxLength", -1},
    {"maxLength", "string", "minLength", 1},
    {"minItems", "array", "maxItems", -1},
    {"maxItems", "array", "minItems", 1},
    {"minProperties", "object", "maxProperties", -1},
    {"maxProperties", "object", "minProperties", 1},
};

static json_t *not_bound(const char *name, const json_t *v)
{
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        if (strcmp(bounds[i].name, name) != 0 || !json_is_number(v))
            continue;
        if (bounds[i].move == 0)
            return json_pack("{s:s, s:O}", "type", bounds[i].type, bounds[i].opposite, v);
        const double n = json_number_value(v) + bounds[i].move;
        if (n < 0) /* every value fits */
            return json_false();
        return json_pack("{s:s, s:I}", "type", bounds[i].type, bounds[i].opposite,
                         (json_int_t)ceil(n));
    }
    return NULL;
}

static json_t *not_each(const json_t *list, const char *joined)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++)
        json_array_append_new(out, json_pack("{s:O}", "not", json_array_get(list, i)));
    return json_pack("{s:o}", joined, out);
}

/* The opposite of one keyword; NULL: not known, or (*note) it says nothing. */
static json_t *not_keyword(const schema_reader *r, const char *name, const json_t *v, int depth,
                           bool *note)
{
    *note = schema_is_note(name);
    if (*note)
        return NULL;
    if (strcmp(name, "type") == 0)
        return says_integer(v) ? NULL : not_type(v);
    if (strcmp(name, "const") == 0)
        return json_pack("{s:{s:[O]}}", "not", "enum", v);
    if (strcmp(name, "enum") == 0)
        return json_pack("{s:{s:O}}", "not", "enum", v);
    if (strcmp(name, "not") == 0)
        return own(v);
    if (strcmp(name, "anyOf") == 0)
        return not_each(v, "allOf");
    if (strcmp(name, "allOf") == 0)
        return not_each(v, "anyOf");
    if (strcmp(name, "$ref") == 0) {
        const json_t *to = json_is_string(v) ? schema_find(r, json_string_value(v)) : NULL;
        return to ? negate(r, to, depth + 1) : NULL;
    }
    return not_bound(name, v);
}

static json_t *negate(const schema_reader *r, const json_t *s, int depth)
{
    const char *name;
    json_t *v, *alt;
    if (json_is_boolean(s))
        return json_boolean(!json_is_true(s));
    if (!json_is_object(s) || depth > MAX_NESTED)
        return NULL;
    alt = json_array();
    json_object_foreach((json_t *)(uintptr_t)s, name, v)
    {
        bool note = false, ok;
        if (strcmp(name, "properties") == 0 || strcmp(name, "required") == 0) {
            ok = not_members(alt, name[0] == 'p' ? v : NULL, name[0] == 'r' ? v : NULL);
        } else {
            json_t *n = not_keyword(r, name, v, depth, &note);
            ok = n || note;
            if (n)
                json_array_append_new(alt, n);
        }
        if (!ok) {
            json_decref(alt);
            return NULL;
        }
    }
    json_t *out;
    if (json_array_size(alt) == 0)
        out = json_false();
    else if (json_array_size(alt) == 1)
        out = own(json_array_get(alt, 0));
    else
        out = json_pack("{s:O}", "anyOf", alt);
    json_decref(alt);
    return out;
}

json_t *schema_negation(const schema_reader *r, const json_t *s)
{
    return negate(r, s, 0);
}
