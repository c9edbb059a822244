/* grammar/schema_array.c - arrays of a JSON schema: chains of rules, one an element that has a
 * schema of its own; where all elements must differ, a rule for every set of those that have been.
 */
#include "grammar/schema.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_PREFIX = 5000, MAX_DIFFERENT = 10 };

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
    if (json_array_size(list) > MAX_PREFIX)
        return schema_fail(r, CMAT_ERR_LIMIT, "more than %d prefixItems", MAX_PREFIX);
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

/* ---- elements that are all different ---- */

/* The values of a schema of few; NULL: it has more, or failed. */
static json_t *few_values(schema_reader *r, const json_t *s)
{
    const json_t *one, *type;
    if (!s || !(s = schema_conjunction(r, s)))
        return NULL;
    one = json_object_get(s, "const");
    type = json_object_get(s, "type");
    if (one)
        return json_pack("[O]", one);
    if (json_object_get(s, "enum")) {
        json_t *all = json_array(), *list = json_object_get(s, "enum");
        for (size_t i = 0; i < json_array_size(list); i++) {
            bool had = false;
            for (size_t k = 0; k < json_array_size(all); k++)
                had |= json_equal(json_array_get(list, i), json_array_get(all, k));
            if (!had)
                json_array_append(all, json_array_get(list, i));
        }
        return all;
    }
    if (json_is_string(type) && strcmp(json_string_value(type), "boolean") == 0)
        return json_pack("[b, b]", 1, 0);
    if (json_is_string(type) && strcmp(json_string_value(type), "null") == 0)
        return json_pack("[n]");
    return NULL;
}

typedef struct {
    schema_reader *r;
    int n, min, max;
    grammar_expr *values[MAX_DIFFERENT];
    int rules[1 << MAX_DIFFERENT]; /* of what follows once these have been; 0: not made */
} different;

/* What follows once the elements of the set `used` have been written. */
static grammar_expr *rest_of_different(different *d, int used)
{
    const int n_used = __builtin_popcount((unsigned)used);
    if (!d->rules[used]) {
        grammar_list alt = {0};
        if (n_used >= d->min)
            grammar_list_add(&alt, schema_text(d->r, "]"));
        for (int i = 0; i < d->n && (d->max < 0 || n_used < d->max); i++) {
            if (!(used >> i & 1))
                grammar_list_add(&alt,
                                 grammar_cat_of(d->r->g, 3, schema_text(d->r, n_used ? ", " : ""),
                                                d->values[i], rest_of_different(d, used | 1 << i)));
        }
        d->rules[used] =
            grammar_rule_new(d->r->g, "different elements", grammar_alt(d->r->g, &alt)) + 1;
    }
    return grammar_call(d->r->g, d->rules[used] - 1);
}

static grammar_expr *array_of_different(schema_reader *r, const json_t *s, int min, int max)
{
    const bool prefix = json_object_get(s, "prefixItems");
    json_t *values = prefix ? NULL : few_values(r, json_object_get(s, "items"));
    const size_t n = json_array_size(values);
    grammar_expr *e = NULL;
    if (!values || n > MAX_DIFFERENT) {
        schema_fail(
            r, CMAT_ERR_UNSUPPORTED,
            "\"uniqueItems\" of elements other than at most %d fixed values is not supported",
            MAX_DIFFERENT);
    } else if (min > (int)n || (max >= 0 && min > max)) {
        e = grammar_set(r->g, NULL, 0);
    } else {
        different *d = cmat_xcalloc(1, sizeof *d);
        *d = (different){.r = r, .n = (int)n, .min = min, .max = max};
        for (size_t i = 0; i < n; i++) {
            char *text = schema_dump(json_array_get(values, i));
            d->values[i] = schema_text(r, text);
            free(text);
        }
        e = grammar_cat_of(r->g, 2, schema_text(r, "["), rest_of_different(d, 0));
        free(d);
    }
    json_decref(values);
    return e;
}

grammar_expr *schema_array(schema_reader *r, const json_t *s)
{
    grammar_expr **prefix = NULL, *item = NULL, *e = NULL, *first;
    grammar_list start = {0};
    int min, max, n = 0, rest;
    if (json_is_true(json_object_get(s, "uniqueItems")) &&
        schema_count(r, s, "minItems", 0, &min) && schema_count(r, s, "maxItems", -1, &max) &&
        (max < 0 || max > 1))
        return schema_rule(r, array_of_different(r, s, min, max));
    if (r->failed)
        return NULL;
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
