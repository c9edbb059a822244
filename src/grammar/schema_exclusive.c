/* grammar/schema_exclusive.c - whether two schemas plainly have no value in common, which is what
 * "oneOf" needs: an automaton that writes one of them cannot know that the other does not fit. */
#include "grammar/schema.h"
#include <string.h>

static const json_t *resolve(const schema_reader *r, const json_t *s)
{
    enum { MAX_STEPS = 16 };
    for (int i = 0; i < MAX_STEPS && json_object_get(s, "$ref"); i++) {
        const char *pointer = json_string_value(json_object_get(s, "$ref"));
        s = pointer ? schema_find(r, pointer) : NULL;
    }
    return s;
}

static bool has_values(const json_t *s)
{
    return json_object_get(s, "const") || json_is_array(json_object_get(s, "enum"));
}

static size_t n_values(const json_t *s)
{
    return json_object_get(s, "const") ? 1 : json_array_size(json_object_get(s, "enum"));
}

static const json_t *value(const json_t *s, size_t i)
{
    const json_t *one = json_object_get(s, "const");
    return one ? one : json_array_get(json_object_get(s, "enum"), i);
}

static bool values_apart(const json_t *a, const json_t *b)
{
    for (size_t i = 0; i < n_values(a); i++) {
        for (size_t k = 0; k < n_values(b); k++) {
            if (json_equal(value(a, i), value(b, k)))
                return false;
        }
    }
    return true;
}

static const char *const kinds[] = {"null", "boolean", "number", "string", "array", "object"};
enum { N_KINDS = sizeof kinds / sizeof *kinds, ALL_KINDS = (1 << N_KINDS) - 1 };

static unsigned kind_named(const char *name)
{
    for (int i = 0; i < N_KINDS; i++) {
        if (name && strcmp(name, kinds[i]) == 0)
            return 1u << i;
    }
    return name && strcmp(name, "integer") == 0 ? 1u << 2 : ALL_KINDS;
}

/* The types that values of s may have, as far as they are said. */
static unsigned types_of(const json_t *s)
{
    const json_t *type = json_object_get(s, "type");
    unsigned set = 0;
    if (json_is_string(type))
        return kind_named(json_string_value(type));
    for (size_t i = 0; i < json_array_size(type); i++)
        set |= kind_named(json_string_value(json_array_get(type, i)));
    if (set == 0 && has_values(s)) {
        for (size_t i = 0; i < n_values(s); i++) {
            for (int k = 0; k < N_KINDS; k++)
                set |= schema_is(value(s, i), kinds[k]) ? 1u << k : 0;
        }
    }
    return set ? set : ALL_KINDS;
}

static bool requires(const json_t *s, const char *name)
{
    const json_t *list = json_object_get(s, "required");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *k = json_string_value(json_array_get(list, i));
        if (k && strcmp(k, name) == 0)
            return true;
    }
    return false;
}

bool schema_exclusive(const schema_reader *r, const json_t *a, const json_t *b)
{
    const unsigned object = 1u << (N_KINDS - 1);
    const char *name;
    json_t *p;
    a = resolve(r, a);
    b = resolve(r, b);
    if (!json_is_object(a) || !json_is_object(b))
        return json_is_false(a) || json_is_false(b);
    if (!(types_of(a) & types_of(b)))
        return true;
    if (has_values(a) && has_values(b))
        return values_apart(a, b);
    if ((types_of(a) & types_of(b)) != object)
        return false;
    /* objects told apart by a property that both must have */
    json_object_foreach(json_object_get(a, "properties"), name, p)
    {
        const json_t *pa = resolve(r, p),
                     *pb = resolve(r, json_object_get(json_object_get(b, "properties"), name));
        if (pb && requires(a, name) && requires(b, name) &&
            ((has_values(pa) && has_values(pb) && values_apart(pa, pb)) ||
             !(types_of(pa) & types_of(pb))))
            return true;
    }
    return false;
}

json_t *schema_one_of(schema_reader *r, const json_t *list)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list) && !r->failed; i++) {
        json_t *alt = json_array_get(list, i), *all = json_pack("[O]", alt), *no = NULL;
        for (size_t k = 0; k < json_array_size(list); k++) {
            json_t *other = json_array_get(list, k);
            if (k == i || schema_exclusive(r, alt, other))
                continue;
            if (!(no = schema_negation(r, other)))
                schema_fail(r, CMAT_ERR_UNSUPPORTED,
                            "\"oneOf\": a value may fit both number %zu and number %zu; say "
                            "\"anyOf\" if that is fine",
                            k < i ? k : i, k < i ? i : k);
            else
                json_array_append_new(all, schema_silent(no));
        }
        json_array_append_new(out, json_array_size(all) == 1 ? json_incref(alt)
                                                             : json_pack("{s:O}", "allOf", all));
        json_decref(all);
    }
    if (!r->failed)
        return out;
    json_decref(out);
    return NULL;
}
