/* grammar/schema_object.c - objects of a JSON schema: chains of rules, one a property, each of
 * which ends with a call of the next: calls in the last place cost no depth, and what follows is
 * written down once, whatever came before. */
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

grammar_expr *schema_other_text(schema_reader *r, const char **names, size_t n)
{
    size_t n_plain = 0;
    for (size_t i = 0; i < n; i++) { /* the others are not plain */
        if (strcspn(names[i], "\"\\") == strlen(names[i]) && !has_control(names[i]))
            names[n_plain++] = names[i];
    }
    qsort(names, n_plain, sizeof(char *), text_order);
    return other_than(r, names, n_plain, 0);
}

static grammar_expr *quoted_pair(schema_reader *r, grammar_expr *key, grammar_expr *value)
{
    key = schema_rule(r, grammar_cat_of(r->g, 3, schema_text(r, "\""), key, schema_text(r, "\"")));
    return grammar_cat_of(r->g, 3, key, schema_text(r, ": "), schema_rule(r, value));
}

/* "key": value for keys that are no declared property. NULL: failed, or (not failed) none. */
static grammar_expr *other_pair(schema_reader *r, const json_t *properties, const json_t *value)
{
    enum { LONGEST = 256 };
    const size_t n = json_object_size(properties);
    const char **names = cmat_xcalloc(n + 1, sizeof(char *)), *name;
    size_t n_names = 0;
    grammar_expr *e = schema_value(r, value, "additionalProperties", NULL);
    json_t *p;
    json_object_foreach((json_t *)(uintptr_t)properties, name, p)
    {
        names[n_names++] = name;
        if (strlen(name) > LONGEST)
            e = schema_fail(r, CMAT_ERR_LIMIT,
                            "a property's name of more than %d bytes beside others", LONGEST);
    }
    e = e && !schema_nothing(e) ? quoted_pair(r, schema_other_text(r, names, n_names), e) : NULL;
    free(names);
    return e;
}

/* Whether no text matches both: they begin with different literals. */
static bool patterns_apart(const char *a, const char *b)
{
    if (*a++ != '^' || *b++ != '^')
        return false;
    static const char special[] = "\\^$.|?*+()[]{}";
    for (; *a && *b && !strchr(special, *a) && !strchr(special, *b); a++, b++) {
        if (*a != *b) /* and neither may be left out */
            return !(a[1] && strchr("?*{", a[1])) && !(b[1] && strchr("?*{", b[1])) &&
                   !strchr(a, '|') && !strchr(b, '|');
    }
    return false;
}

/* "key": value for keys of one pattern. The value also fits what other patterns that the key may
 * match say, and declared properties whose names it may be. */
static grammar_expr *pattern_pair(schema_reader *r, const json_t *patterns,
                                  const json_t *properties, const char *pattern)
{
    json_t *all = json_pack("[O]", json_object_get(patterns, pattern)), *p, *both;
    const char *name;
    cmat_error why = {0};
    grammar_expr *key, *e;
    json_object_foreach((json_t *)(uintptr_t)patterns, name, p)
    {
        if (strcmp(name, pattern) != 0 && !patterns_apart(name, pattern))
            json_array_append(all, p);
    }
    json_object_foreach((json_t *)(uintptr_t)properties, name, p)
    {
        if (schema_matches(pattern, name) != 0)
            json_array_append(all, p);
    }
    both = json_array_size(all) == 1 ? json_incref(json_array_get(all, 0))
                                     : json_pack("{s:O}", "allOf", all);
    json_decref(all);
    schema_keep(r, both);
    if (!(e = schema_value(r, both, "patternProperties", pattern)) || schema_nothing(e))
        return NULL;
    if (!(key = grammar_parse_regex(r->g, pattern, true, &why)))
        return schema_fail(r, why.status, "\"patternProperties\"%s", strchr(why.msg, ':'));
    return quoted_pair(r, key, e);
}

/* Pairs of keys that are not declared; NULL: none, or failed. Beside patterns no others are
 * written: a key that none of them matches would have to be told from them. */
static grammar_expr *undeclared_pair(schema_reader *r, const json_t *s, const json_t *properties)
{
    const json_t *patterns = json_object_get(s, "patternProperties"),
                 *more = json_object_get(s, "additionalProperties");
    const char *pattern;
    json_t *p;
    grammar_list alt = {0};
    if (json_object_size(patterns) == 0) {
        if (!more)
            more = json_object_get(s, "unevaluatedProperties");
        if (!more && schema_declared(s))
            return NULL;
        return json_is_false(more) ? NULL : other_pair(r, properties, more ? more : json_true());
    }
    json_object_foreach((json_t *)(uintptr_t)patterns, pattern, p)
    {
        grammar_expr *e = pattern_pair(r, patterns, properties, pattern);
        if (e)
            grammar_list_add(&alt, e);
    }
    grammar_expr *e = grammar_alt(r->g, &alt);
    return r->failed || schema_nothing(e) ? NULL : e;
}

/* The properties that may be named: the declared ones, and those that are only required; each with
 * what patterns say of its name. Kept until the end. NULL: failed. */
static const json_t *all_properties(schema_reader *r, const json_t *s)
{
    const json_t *required = json_object_get(s, "required"),
                 *patterns = json_object_get(s, "patternProperties"),
                 *additional = json_object_get(s, "additionalProperties"),
                 *unevaluated = additional ? NULL : json_object_get(s, "unevaluatedProperties"),
                 *more = additional ? additional : unevaluated, *declared = schema_declared(s);
    json_t *all = json_object(), *p, *q;
    const char *name, *pattern;
    void *next;
    schema_keep(r, all);
    json_object_update(all, json_object_get(s, "properties"));
    if (required && !json_is_array(required))
        return schema_fail(r, CMAT_ERR_FORMAT, "\"required\" is not a list of names"), NULL;
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *k = json_string_value(json_array_get(required, i));
        bool matched = false;
        if (!k)
            return schema_fail(r, CMAT_ERR_FORMAT, "\"required\" is not a list of names"), NULL;
        json_object_foreach((json_t *)(uintptr_t)patterns, pattern, q) matched |=
            schema_matches(pattern, k) == 1;
        if (!json_object_get(all, k)) /* NULL below: one of our own "true" */
            json_object_set_new(
                all, k, matched || !more ? json_true() : json_incref((json_t *)(uintptr_t)more));
    }
    json_object_foreach_safe(all, next, name, p)
    {
        bool evaluated = json_object_get(declared, name);
        json_object_foreach((json_t *)(uintptr_t)patterns, pattern, q)
        {
            const int match = schema_matches(pattern, name);
            evaluated |= match == 1;
            if (match < 0)
                return schema_fail(r, CMAT_ERR_UNSUPPORTED,
                                   "whether \"%.60s\" matches the pattern \"%.60s\"", name,
                                   pattern),
                       NULL;
            if (match)
                json_object_set_new(
                    all, name, json_pack("{s:[O, O]}", "allOf", json_object_get(all, name), q));
        }
        if (unevaluated && !evaluated)
            json_object_set_new(
                all, name,
                json_pack("{s:[O, O]}", "allOf", json_object_get(all, name), unevaluated));
    }
    return all;
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

/* The properties; false: failed, or (*nothing) one that must be there can never be. */
static bool read_properties(schema_reader *r, const json_t *s, const json_t *properties,
                            property *list, size_t *n, bool *nothing)
{
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
    return !*nothing;
}

/* How many pairs there may be: what can be held without counting them. */
typedef struct {
    bool some;    /* at least one */
    int n_others; /* undeclared ones at most; -1: any number */
} object_size;

static bool read_size(schema_reader *r, const json_t *s, const property *list, size_t n,
                      bool others, object_size *size, bool *nothing)
{
    int min, max, n_required = 0;
    if (!schema_count(r, s, "minProperties", 0, &min) ||
        !schema_count(r, s, "maxProperties", -1, &max))
        return false;
    for (size_t i = 0; i < n; i++)
        n_required += list[i].required;
    size->some = min > n_required;
    size->n_others = max < 0 ? -1 : max > (int)n ? max - (int)n : 0;
    if ((max >= 0 && (max < min || max < n_required)) || (size->some && n == 0 && !others)) {
        *nothing = true;
        return false;
    }
    if (min > 1 && min > n_required)
        return schema_fail(r, CMAT_ERR_UNSUPPORTED,
                           "\"minProperties\" above 1 and above what is required is not supported");
    if (max >= 0 && max < (int)n)
        return schema_fail(r, CMAT_ERR_UNSUPPORTED,
                           "\"maxProperties\" below the number of properties is not supported");
    return true;
}

/* What may come after some property: rest[i] is the rule of properties i.. and the end. `other` may
 * be NULL. */
static int rest_rules(schema_reader *r, const property *list, size_t n, grammar_expr *other,
                      int n_others, int *rest)
{
    grammar_expr *end = schema_text(r, "}");
    if (other)
        end = grammar_cat_of(
            r->g, 2,
            grammar_repeat(r->g, grammar_cat_of(r->g, 2, schema_text(r, ", "), other), 0, n_others),
            end);
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

/* The first pair has no comma before it: any up to the first that must be there. */
static grammar_expr *first_pairs(schema_reader *r, const property *list, size_t n,
                                 grammar_expr *other, const object_size *size, const int *rest)
{
    grammar_list first = {0};
    for (size_t i = 0; i < n; i++) {
        grammar_list_add(&first,
                         grammar_cat_of(r->g, 2, list[i].pair, grammar_call(r->g, rest[i + 1])));
        if (list[i].required)
            return grammar_alt(r->g, &first);
    }
    if (other && size->n_others != 0) {
        grammar_expr *more = grammar_call(r->g, rest[n]);
        if (size->n_others > 0) /* one less than behind a declared one */
            more = grammar_cat_of(
                r->g, 2,
                grammar_repeat(r->g, grammar_cat_of(r->g, 2, schema_text(r, ", "), other), 0,
                               size->n_others - 1),
                schema_text(r, "}"));
        grammar_list_add(&first, grammar_cat_of(r->g, 2, other, more));
    }
    if (!size->some)
        grammar_list_add(&first, schema_text(r, "}"));
    return grammar_alt(r->g, &first);
}

grammar_expr *schema_object(schema_reader *r, const json_t *s)
{
    const json_t *declared = json_object_get(s, "properties"), *properties;
    property *list;
    grammar_expr *other, *e = NULL;
    object_size size;
    size_t n = 0;
    int *rest;
    bool nothing = false;
    if (declared && !json_is_object(declared))
        return schema_fail(r, CMAT_ERR_FORMAT, "\"properties\" is not an object");
    if (!(properties = all_properties(r, s)))
        return NULL;
    if (json_object_size(properties) > MAX_PROPERTIES)
        return schema_fail(r, CMAT_ERR_LIMIT, "more than %d properties", MAX_PROPERTIES);
    list = cmat_xcalloc(json_object_size(properties) + 1, sizeof *list);
    rest = cmat_xcalloc(json_object_size(properties) + 1, sizeof *rest);
    if (!read_properties(r, s, properties, list, &n, &nothing))
        goto done;
    other = undeclared_pair(r, s, properties);
    if (r->failed || !read_size(r, s, list, n, other, &size, &nothing))
        goto done;
    rest_rules(r, list, n, other, size.n_others, rest);
    e = schema_rule(r, grammar_cat_of(r->g, 2, schema_text(r, "{"),
                                      first_pairs(r, list, n, other, &size, rest)));
done:
    free(list);
    free(rest);
    return nothing && !r->failed ? grammar_set(r->g, NULL, 0) : e;
}
