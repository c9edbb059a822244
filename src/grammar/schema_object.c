/* grammar/schema_object.c - objects and arrays of a JSON schema.
 *
 * Both are chains of rules, one a property or element, each of which ends with a call of the next:
 * calls in the last place cost no depth, and what follows is written down once, whatever came
 * before. */
#include "core/text.h"
#include "grammar/schema.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_PROPERTIES = 5000 };

/* ---- objects ---- */

typedef struct {
    grammar_expr *pair; /* "name": value */
    bool required;
} property;

/* Characters that stand for themselves in a JSON string. */
static grammar_expr *plain_but(schema_reader *r, const uint32_t *but, size_t n)
{
    grammar_points p = {0};
    grammar_expr *e;
    grammar_points_add(&p, 0, 0x1f);
    grammar_points_add(&p, '"', '"');
    grammar_points_add(&p, '\\', '\\');
    for (size_t i = 0; i < n; i++)
        grammar_points_add(&p, but[i], but[i]);
    grammar_points_invert(&p);
    e = grammar_set(r->g, p.ranges, p.n);
    grammar_points_clear(&p);
    return e;
}

static int text_order(const void *pa, const void *pb)
{
    return strcmp(*(const char *const *)pa, *(const char *const *)pb);
}

/* Texts of plain characters that are none of names[0..n), which are sorted and agree in their first
 * `depth` bytes. */
static grammar_expr *other_than(schema_reader *r, const char *const *names, size_t n, size_t depth)
{
    grammar_list alt = {0};
    uint32_t *next = cmat_xcalloc(n + 1, sizeof *next);
    size_t n_next = 0, i = 0;
    while (i < n && !names[i][depth])
        i++;
    if (i == 0)
        grammar_list_add(&alt, schema_text(r, ""));
    while (i < n) {
        const char *at = names[i] + depth;
        const int len = cmat_utf8_decode(at, strlen(at), &next[n_next]);
        size_t end = i + 1;
        while (end < n && strncmp(names[end] + depth, at, (size_t)len) == 0)
            end++;
        grammar_list_add(&alt,
                         grammar_cat_of(r->g, 2, grammar_text(r->g, at, (size_t)len),
                                        other_than(r, names + i, end - i, depth + (size_t)len)));
        n_next++;
        i = end;
    }
    grammar_list_add(&alt, grammar_cat_of(r->g, 2, plain_but(r, next, n_next),
                                          grammar_repeat(r->g, plain_but(r, NULL, 0), 0, -1)));
    free(next);
    return grammar_alt(r->g, &alt);
}

static bool has_control(const char *s)
{
    while (*s && (uint8_t)*s >= 0x20)
        s++;
    return *s;
}

/* "key": value for keys that are no declared property. */
static grammar_expr *other_pair(schema_reader *r, const json_t *properties, const json_t *value)
{
    enum { LONGEST = 256 };
    const size_t n = json_object_size(properties);
    const char **names = cmat_xcalloc(n + 1, sizeof(char *)), *name;
    size_t n_names = 0;
    grammar_expr *key, *e = schema_value(r, value, "additionalProperties", NULL);
    json_t *p;
    if (e)
        e = schema_rule(r, e);
    json_object_foreach((json_t *)(uintptr_t)properties, name, p)
    {
        if (strcspn(name, "\"\\") == strlen(name) && !has_control(name))
            names[n_names++] = name; /* the others are not plain */
        if (strlen(name) > LONGEST)
            e = schema_fail(r, CMAT_ERR_LIMIT,
                            "a property's name of more than %d bytes beside others", LONGEST);
    }
    if (e) {
        qsort(names, n_names, sizeof(char *), text_order);
        key =
            schema_rule(r, grammar_cat_of(r->g, 3, schema_text(r, "\""),
                                          other_than(r, names, n_names, 0), schema_text(r, "\"")));
        e = grammar_cat_of(r->g, 3, key, schema_text(r, ": "), e);
    }
    free(names);
    return e;
}

static bool is_required(const json_t *s, const char *name)
{
    const json_t *list = json_object_get(s, "required");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *k = json_string_value(json_array_get(list, i));
        if (k && strcmp(k, name) == 0)
            return true;
    }
    return false;
}

/* The declared properties; false: failed, or (*nothing) one that must be there can never be. */
static bool read_properties(schema_reader *r, const json_t *s, property *list, size_t *n,
                            bool *nothing)
{
    const json_t *properties = json_object_get(s, "properties"),
                 *required = json_object_get(s, "required");
    const char *name;
    json_t *p;
    json_object_foreach((json_t *)(uintptr_t)properties, name, p)
    {
        grammar_expr *e = schema_value(r, p, "properties", name);
        json_t *key;
        char *text;
        if (!e)
            return false;
        if (schema_nothing(e)) {
            *nothing |= is_required(s, name);
            continue;
        }
        key = json_string(name);
        text = schema_dump(key);
        list[*n].pair =
            grammar_cat_of(r->g, 3, schema_text(r, text), schema_text(r, ": "), schema_rule(r, e));
        list[(*n)++].required = is_required(s, name);
        free(text);
        json_decref(key);
    }
    if (required && !json_is_array(required))
        return schema_fail(r, CMAT_ERR_FORMAT, "\"required\" is not a list of names");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *k = json_string_value(json_array_get(required, i));
        if (!k)
            return schema_fail(r, CMAT_ERR_FORMAT, "\"required\" is not a list of names");
        if (!json_object_get(properties, k))
            return schema_fail(r, CMAT_ERR_UNSUPPORTED,
                               "\"required\": \"%.60s\" is not among the properties", k);
    }
    return !*nothing;
}

/* What may come after some property: rest[i] is the rule of properties i.. and the end. `other` may
 * be NULL. */
static int rest_rules(schema_reader *r, const property *list, size_t n, grammar_expr *other,
                      int *rest)
{
    grammar_expr *end = schema_text(r, "}");
    if (other)
        end = grammar_cat_of(
            r->g, 2,
            grammar_repeat(r->g, grammar_cat_of(r->g, 2, schema_text(r, ", "), other), 0, -1), end);
    rest[n] = grammar_rule_new(r->g, cmat_buf_str(&r->path), end);
    for (size_t i = n; i > 0; i--) {
        grammar_expr *e = grammar_cat_of(r->g, 2, schema_text(r, ", "), list[i - 1].pair);
        if (!list[i - 1].required)
            e = grammar_repeat(r->g, e, 0, 1);
        rest[i - 1] = grammar_rule_new(r->g, cmat_buf_str(&r->path),
                                       grammar_cat_of(r->g, 2, e, grammar_call(r->g, rest[i])));
    }
    return rest[0];
}

grammar_expr *schema_object(schema_reader *r, const json_t *s)
{
    const json_t *properties = json_object_get(s, "properties"),
                 *more = json_object_get(s, "additionalProperties");
    const size_t n_declared = json_object_size(properties);
    json_t *anything = json_true();
    property *list;
    grammar_expr *other = NULL, *e = NULL;
    grammar_list first = {0};
    size_t n = 0;
    int *rest;
    bool nothing = false;
    if (properties && !json_is_object(properties))
        return schema_fail(r, CMAT_ERR_FORMAT, "\"properties\" is not an object");
    if (n_declared > MAX_PROPERTIES)
        return schema_fail(r, CMAT_ERR_LIMIT, "more than %d properties", MAX_PROPERTIES);
    list = cmat_xcalloc(n_declared + 1, sizeof *list);
    rest = cmat_xcalloc(n_declared + 1, sizeof *rest);
    if (!more && !properties)
        more = anything;
    if (!read_properties(r, s, list, &n, &nothing))
        goto done;
    if (more && !json_is_false(more) && !(other = other_pair(r, properties, more)))
        goto done;
    rest_rules(r, list, n, other, rest);
    /* the first property has no comma before it: any up to the first that must be there */
    for (size_t i = 0; i <= n; i++) {
        if (i == n) {
            if (other)
                grammar_list_add(&first,
                                 grammar_cat_of(r->g, 2, other, grammar_call(r->g, rest[n])));
            grammar_list_add(&first, schema_text(r, "}"));
            break;
        }
        grammar_list_add(&first,
                         grammar_cat_of(r->g, 2, list[i].pair, grammar_call(r->g, rest[i + 1])));
        if (list[i].required)
            break;
    }
    e = schema_rule(r, grammar_cat_of(r->g, 2, schema_text(r, "{"), grammar_alt(r->g, &first)));
done:
    free(list);
    free(rest);
    return nothing && !r->failed ? grammar_set(r->g, NULL, 0) : e;
}

/* ---- arrays ---- */

/* What may come after j elements, j >= 1, where no element has a schema of its own any more. */
static grammar_expr *rest_of_array(schema_reader *r, grammar_expr *item, int j, int min, int max)
{
    grammar_expr *end = schema_text(r, "]");
    if (!item || (max >= 0 && max <= j))
        return end;
    return grammar_cat_of(r->g, 2,
                          grammar_repeat(r->g, grammar_cat_of(r->g, 2, schema_text(r, ", "), item),
                                         min > j ? min - j : 0, max < 0 ? -1 : max - j),
                          end);
}

/* The elements' schemas: *item for those after the n ones of *prefix (the caller's to free()), NULL
 * when there may be none. */
static bool read_items(schema_reader *r, const json_t *s, int min, grammar_expr ***prefix, int *n,
                       grammar_expr **item)
{
    const json_t *list = json_object_get(s, "prefixItems"), *items = json_object_get(s, "items");
    *prefix = NULL;
    *n = 0;
    *item = NULL;
    if (list && !json_is_array(list))
        return schema_fail(r, CMAT_ERR_FORMAT, "\"prefixItems\" is not a list of schemas");
    if (json_is_array(items))
        return schema_fail(r, CMAT_ERR_UNSUPPORTED,
                           "\"items\" as a list is of an older draft: say \"prefixItems\"");
    if (json_array_size(list) > MAX_PROPERTIES)
        return schema_fail(r, CMAT_ERR_LIMIT, "more than %d prefixItems", MAX_PROPERTIES);
    *prefix = cmat_xcalloc(json_array_size(list) + 1, sizeof(grammar_expr *));
    for (size_t i = 0; i < json_array_size(list); i++) {
        char index[32];
        grammar_expr *e;
        snprintf(index, sizeof index, "%zu", i);
        if (!(e = schema_value(r, json_array_get(list, i), "prefixItems", index)))
            return false;
        if (schema_nothing(e)) /* the array ends before it */
            return true;
        (*prefix)[(*n)++] = schema_rule(r, e);
    }
    if (items) {
        if (!(*item = schema_value(r, items, "items", NULL)))
            return false;
    } else if (!list || min > *n) {
        *item = schema_any(r);
    }
    if (*item && schema_nothing(*item))
        *item = NULL;
    *item = schema_rule(r, *item);
    return true;
}

grammar_expr *schema_array(schema_reader *r, const json_t *s)
{
    grammar_expr **prefix = NULL, *item = NULL, *e = NULL, *first;
    grammar_list start = {0};
    int min, max, n = 0, rest;
    if (!schema_count(r, s, "minItems", 0, &min) || !schema_count(r, s, "maxItems", -1, &max) ||
        !read_items(r, s, min, &prefix, &n, &item))
        goto done;
    if (max >= 0 && max < n)
        n = max;
    if ((max >= 0 && min > max) || (!item && min > n)) {
        e = grammar_set(r->g, NULL, 0);
        goto done;
    }
    first = n > 0 ? prefix[0] : item;
    rest = grammar_rule_new(r->g, cmat_buf_str(&r->path),
                            rest_of_array(r, item, n > 0 ? n : 1, min, max));
    for (int j = n - 1; j >= 1; j--) { /* after j elements */
        grammar_list alt = {0};
        if (j >= min)
            grammar_list_add(&alt, schema_text(r, "]"));
        grammar_list_add(&alt, grammar_cat_of(r->g, 3, schema_text(r, ", "), prefix[j],
                                              grammar_call(r->g, rest)));
        rest = grammar_rule_new(r->g, cmat_buf_str(&r->path), grammar_alt(r->g, &alt));
    }
    if (min == 0)
        grammar_list_add(&start, schema_text(r, "]"));
    if (first && max != 0)
        grammar_list_add(&start, grammar_cat_of(r->g, 2, first, grammar_call(r->g, rest)));
    e = schema_rule(r, grammar_cat_of(r->g, 2, schema_text(r, "["), grammar_alt(r->g, &start)));
done:
    free(prefix);
    return r->failed ? NULL : e;
}
