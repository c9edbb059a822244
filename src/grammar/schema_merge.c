/* grammar/schema_merge.c - schemas that hold together ("allOf", and what stands beside "$ref",
 * "anyOf", "enum", "not", "if", ...) as one: keywords of the same name are merged; alternatives are
 * left as "anyOf" over schemas that each hold together with the rest. What is merged below
 * (properties, elements) stays "allOf" until it is read. */
#include "grammar/schema.h"
#include <math.h>
#include <string.h>

enum { MAX_PARTS = 500, MAX_MERGED = 3000 };

typedef struct {
    schema_reader *r;
    json_t *flat;   /* the keywords so far */
    json_t *groups; /* lists of alternatives, one of each must hold */
    json_t *seen;   /* targets of "$ref" */
    json_t *fixed;  /* the first list of values; NULL: none */
    int parts;
    bool nothing; /* no value fits */
    bool silent;  /* what is being added declares nothing */
} merger;

static json_t *own(const json_t *v)
{
    return json_incref((json_t *)(uintptr_t)v);
}

/* Both of two schemas, of which the first may not be there. */
static json_t *both(const json_t *a, const json_t *b)
{
    if (!a || json_is_true(a) || json_equal(a, b) || json_is_false(b))
        return own(b);
    if (json_is_true(b) || json_is_false(a))
        return own(a);
    return json_pack("{s:[O, O]}", "allOf", a, b);
}

/* ---- objects ---- */

/* Whether a name is one that "additionalProperties" of s speaks of; unknown patterns count. */
static bool is_additional(const json_t *s, const char *name)
{
    const char *pattern;
    json_t *p;
    if (json_object_get(json_object_get(s, "properties"), name))
        return false;
    json_object_foreach(json_object_get(s, "patternProperties"), pattern, p)
    {
        if (schema_matches(pattern, name) == 1)
            return false;
    }
    return true;
}

/* What b's "additionalProperties" says of members of `list` (of a) that b does not name. */
static void limit_members(json_t *list, const json_t *b, bool patterns)
{
    const json_t *more = json_object_get(b, "additionalProperties");
    const char *name;
    json_t *p;
    void *next;
    if (!more)
        return;
    json_object_foreach_safe(list, next, name, p)
    {
        const bool apart = patterns
                               ? !json_object_get(json_object_get(b, "patternProperties"), name)
                               : is_additional(b, name);
        if (apart)
            json_object_set_new(list, name, both(p, more));
    }
}

/* The members of a[keyword] and b[keyword] together. */
static json_t *joined_members(const json_t *a, const json_t *b, const char *keyword)
{
    const bool patterns = keyword[1] == 'a'; /* "patternProperties" */
    json_t *x = json_copy(json_object_get(a, keyword)), *y = json_copy(json_object_get(b, keyword));
    const char *name;
    json_t *p;
    limit_members(x, b, patterns);
    limit_members(y, a, patterns);
    if (!x || !y)
        return x ? x : y;
    json_object_foreach(y, name, p) json_object_set_new(x, name, both(json_object_get(x, name), p));
    json_decref(y);
    return x;
}

json_t *schema_silent(json_t *s)
{
    return json_is_object(s) ? json_pack("{s:b, s:[o]}", SCHEMA_SILENT, 1, "allOf", s) : s;
}

const json_t *schema_declared(const json_t *s)
{
    const json_t *names = json_object_get(s, SCHEMA_DECLARED);
    return names || json_object_get(s, SCHEMA_SILENT) ? names : json_object_get(s, "properties");
}

static void merge_declared(merger *m, const json_t *s)
{
    const json_t *names = m->silent ? NULL : schema_declared(s);
    json_t *all = json_object_get(m->flat, SCHEMA_DECLARED);
    if (names) {
        all = all ? json_copy(all) : json_object();
        json_object_update(all, (json_t *)(uintptr_t)names);
        json_object_set_new(m->flat, SCHEMA_DECLARED, all);
        json_object_del(m->flat, SCHEMA_SILENT);
    } else if (!all && json_object_get(s, "properties")) {
        json_object_set_new(m->flat, SCHEMA_SILENT, json_true());
    }
}

static void merge_object(merger *m, const json_t *s)
{
    merge_declared(m, s);
    const json_t *more = json_object_get(s, "additionalProperties");
    json_t *properties = joined_members(m->flat, s, "properties"),
           *patterns = joined_members(m->flat, s, "patternProperties");
    if (more)
        json_object_set_new(m->flat, "additionalProperties",
                            both(json_object_get(m->flat, "additionalProperties"), more));
    if (properties)
        json_object_set_new(m->flat, "properties", properties);
    if (patterns)
        json_object_set_new(m->flat, "patternProperties", patterns);
}

/* ---- arrays ---- */

static void merge_array(merger *m, const json_t *s)
{
    const json_t *a = json_object_get(m->flat, "prefixItems"),
                 *b = json_object_get(s, "prefixItems"),
                 *items_a = json_object_get(m->flat, "items"),
                 *items_b = json_object_get(s, "items");
    const size_t n_a = json_array_size(a), n_b = json_array_size(b), n = n_a > n_b ? n_a : n_b;
    json_t *prefix = json_array();
    for (size_t i = 0; i < n; i++) {
        const json_t *x = i < n_a ? json_array_get(a, i) : items_a,
                     *y = i < n_b ? json_array_get(b, i) : items_b;
        json_array_append_new(prefix, !y ? own(x) : both(x, y));
    }
    if (items_b)
        json_object_set_new(m->flat, "items", both(items_a, items_b));
    if (n)
        json_object_set(m->flat, "prefixItems", prefix);
    json_decref(prefix);
}

/* ---- other keywords ---- */

static void merge_type(merger *m, const json_t *type)
{
    const json_t *old = json_object_get(m->flat, "type");
    json_t *left = json_array(), *one = json_is_array(type) ? own(type) : json_pack("[O]", type),
           *two = !old                 ? own(one)
                  : json_is_array(old) ? own(old)
                                       : json_pack("[O]", old);
    for (size_t i = 0; i < json_array_size(one); i++) {
        for (size_t k = 0; k < json_array_size(two); k++) {
            const char *a = json_string_value(json_array_get(one, i)),
                       *b = json_string_value(json_array_get(two, k));
            if (!a || !b)
                schema_fail(m->r, CMAT_ERR_FORMAT,
                            "\"type\" is neither a name nor a list of names");
            else if (strcmp(a, b) == 0 || (strcmp(a, "integer") == 0 && strcmp(b, "number") == 0))
                json_array_append_new(left, json_string(a));
            else if (strcmp(a, "number") == 0 && strcmp(b, "integer") == 0)
                json_array_append_new(left, json_string(b));
        }
    }
    m->nothing |= json_array_size(left) == 0;
    json_object_set(m->flat, "type", json_array_size(left) == 1 ? json_array_get(left, 0) : left);
    json_decref(left);
    json_decref(one);
    json_decref(two);
}

/* Adds to a list in s what it does not hold yet. */
static void merge_lists(schema_reader *r, json_t *s, const char *keyword, const json_t *more)
{
    json_t *list = json_object_get(s, keyword);
    list = list ? json_copy(list) : json_array();
    for (size_t i = 0; i < json_array_size(more); i++) {
        bool has = false;
        for (size_t k = 0; k < json_array_size(list); k++)
            has |= json_equal(json_array_get(list, k), json_array_get(more, i));
        if (!has)
            json_array_append(list, json_array_get(more, i));
    }
    if (!json_is_array(more))
        schema_fail(r, CMAT_ERR_FORMAT, "\"%s\" is not a list of names", keyword);
    json_object_set_new(s, keyword, list);
}

static json_int_t greatest_divisor(json_int_t a, json_int_t b)
{
    return b == 0 ? a : greatest_divisor(b, a % b);
}

static void merge_keyword(merger *m, const char *name, const json_t *v)
{
    const json_t *old = json_object_get(m->flat, name);
    if (strcmp(name, "required") == 0) {
        merge_lists(m->r, m->flat, name, v);
    } else if (!old || json_equal(old, v)) {
        json_object_set(m->flat, name, (json_t *)(uintptr_t)v);
    } else if (strcmp(name, "multipleOf") == 0 && json_is_integer(old) && json_is_integer(v) &&
               json_integer_value(old) > 0 && json_integer_value(v) > 0 &&
               json_integer_value(old) < 1000000 && json_integer_value(v) < 1000000) {
        const json_int_t a = json_integer_value(old), b = json_integer_value(v);
        json_object_set_new(m->flat, name, json_integer(a / greatest_divisor(a, b) * b));
    } else if (strcmp(name, "uniqueItems") == 0) {
        json_object_set_new(m->flat, name, json_true());
    } else if (json_is_number(old) && json_is_number(v) && strcmp(name, "multipleOf") != 0) {
        const bool low = strstr(name, "min") || strstr(name, "Min");
        if (low == (json_number_value(v) > json_number_value(old)))
            json_object_set(m->flat, name, (json_t *)(uintptr_t)v);
    } else {
        schema_fail(m->r, CMAT_ERR_UNSUPPORTED, "two different \"%s\" that both have to hold",
                    name);
    }
}

/* ---- conjuncts ---- */

static void add(merger *m, const json_t *s, bool outermost);

static void add_new(merger *m, json_t *s)
{
    schema_keep(m->r, s);
    add(m, s, false);
}

static void add_group(merger *m, json_t *list)
{
    for (size_t i = 0; m->silent && i < json_array_size(list); i++) {
        if (i == 0) { /* the list may be the schema's own */
            json_t *copy = json_copy(list);
            json_decref(list);
            list = copy;
        }
        json_array_set_new(list, i, schema_silent(own(json_array_get(list, i))));
    }
    schema_keep(m->r, list);
    if (json_array_size(list) == 1)
        add(m, json_array_get(list, 0), false);
    else
        json_array_append(m->groups, list);
}

static void add_not(merger *m, const json_t *s)
{
    json_t *n;
    if (schema_is_fixed_only(s)) { /* read with the type that it excludes values of */
        json_t *except = json_object();
        json_object_update(except, json_object_get(m->flat, "not"));
        merge_lists(m->r, except, "enum", json_object_get(s, "enum"));
        json_object_set_new(m->flat, "not", except);
    } else if ((n = schema_negation(m->r, s))) {
        add_new(m, schema_silent(n));
    } else {
        schema_fail(m->r, CMAT_ERR_UNSUPPORTED, "\"not\" of such a schema is not supported");
    }
}

static void add_if(merger *m, const json_t *s)
{
    const json_t *cond = json_object_get(s, "if"), *then = json_object_get(s, "then"),
                 *otherwise = json_object_get(s, "else");
    json_t *no;
    if (!then && !otherwise && !json_object_get(s, "unevaluatedProperties"))
        return;
    if (!(no = schema_negation(m->r, cond))) {
        schema_fail(m->r, CMAT_ERR_UNSUPPORTED, "\"if\" of such a schema is not supported");
        return;
    }
    no = schema_silent(no);
    add_group(m, json_pack("[o, o]", then ? both(cond, then) : own(cond),
                           otherwise ? both(no, otherwise) : own(no)));
    json_decref(no);
}

/* Per property: it is not there, or so is what it asks for. */
static void add_dependent(merger *m, const json_t *s, bool schemas)
{
    const json_t *all = json_object_get(s, schemas ? "dependentSchemas" : "dependentRequired");
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)all, name, v)
    {
        json_t *without = json_pack("{s:s, s:{s:b}}", "type", "object", "properties", name, 0),
               *with = json_pack("{s:s, s:[s]}", "type", "object", "required", name);
        if (schemas) {
            json_t *more = both(with, v);
            json_decref(with);
            with = more;
        } else if (json_array_extend(json_object_get(with, "required"), v) != 0) {
            schema_fail(m->r, CMAT_ERR_FORMAT, "\"dependentRequired\" is not of lists of names");
        }
        add_group(m, json_pack("[o, o]", schema_silent(without), with));
    }
}

static void add_ref(merger *m, const json_t *v)
{
    const json_t *to = schema_target(m->r, v);
    const char *pointer = json_string_value(v);
    if (to && !json_object_get(m->seen, pointer)) { /* a second time it says nothing new */
        json_object_set_new(m->seen, pointer, json_true());
        add(m, to, false);
    }
}

static void add_list(merger *m, const json_t *list)
{
    if (json_array_size(list) == 0)
        schema_fail(m->r, CMAT_ERR_FORMAT, "\"allOf\" is not a list of schemas");
    for (size_t i = 0; i < json_array_size(list) && !m->r->failed; i++)
        add(m, json_array_get(list, i), false);
}

static void add_unevaluated(merger *m, const json_t *s, const json_t *v, bool outermost)
{
    if (json_object_get(s, "additionalProperties"))
        return; /* has evaluated all */
    if (outermost)
        json_object_set(m->flat, "unevaluatedProperties", (json_t *)(uintptr_t)v);
    else
        schema_fail(m->r, CMAT_ERR_UNSUPPORTED,
                    "\"unevaluatedProperties\" in a part of \"allOf\" is not supported");
}

/* Keywords that merge_object, merge_array and add_if have seen to. */
static bool is_merged_apart(const char *name)
{
    static const char *const names[] = {
        "properties", "patternProperties", "additionalProperties", "prefixItems", "items", "then",
        "else"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static void add(merger *m, const json_t *s, bool outermost)
{
    const char *name;
    json_t *v, *list;
    if (m->r->failed || json_is_true(s))
        return;
    if (json_is_false(s)) {
        m->nothing = true;
        return;
    }
    if (++m->parts > MAX_PARTS) {
        schema_fail(m->r, CMAT_ERR_LIMIT, "more than %d schemas hold together", MAX_PARTS);
        return;
    }
    if (!schema_keywords_known(m->r, s))
        return;
    const bool was_silent = m->silent;
    m->silent |= json_object_get(s, SCHEMA_SILENT) != NULL;
    merge_object(m, s);
    merge_array(m, s);
    json_object_foreach((json_t *)(uintptr_t)s, name, v)
    {
        if (strcmp(name, "type") == 0) {
            merge_type(m, v);
        } else if (strcmp(name, "enum") == 0 || strcmp(name, "const") == 0) {
            if (!m->fixed)
                m->fixed = name[0] == 'e' ? own(v) : json_pack("[O]", v);
        } else if (strcmp(name, "$ref") == 0) {
            add_ref(m, v);
        } else if (strcmp(name, "allOf") == 0) {
            add_list(m, v);
        } else if (strcmp(name, "anyOf") == 0) {
            add_group(m, own(v));
        } else if (strcmp(name, "oneOf") == 0) {
            if ((list = schema_one_of(m->r, v)))
                add_group(m, list);
        } else if (strcmp(name, "not") == 0) {
            add_not(m, v);
        } else if (strcmp(name, "if") == 0) {
            add_if(m, s);
        } else if (strcmp(name, "dependentRequired") == 0 ||
                   strcmp(name, "dependentSchemas") == 0) {
            add_dependent(m, s, name[9] == 'S');
        } else if (strcmp(name, "unevaluatedProperties") == 0) {
            add_unevaluated(m, s, v, outermost);
        } else if (!schema_is_note(name) && !is_merged_apart(name)) {
            merge_keyword(m, name, v);
        }
    }
    m->silent = was_silent;
}

/* ---- the whole ---- */

/* The fixed values that fit the whole schema. */
static json_t *values_left(merger *m, const json_t *s)
{
    json_t *left = json_array();
    for (size_t i = 0; i < json_array_size(m->fixed); i++) {
        json_t *v = json_array_get(m->fixed, i);
        const int fit = schema_fits(m->r, s, v);
        if (fit < 0)
            schema_fail(m->r, CMAT_ERR_UNSUPPORTED,
                        "whether the fixed value number %zu fits what stands beside it", i);
        if (fit > 0)
            json_array_append(left, v);
    }
    if (json_array_size(left))
        return json_pack("{s:o}", "enum", left);
    json_decref(left);
    return json_false();
}

/* One list of alternatives is spread out; the other ones go on as they are. */
static json_t *spread(const merger *m)
{
    json_t *alternatives = json_array(),
           *rest = own(json_object_get(m->flat, "unevaluatedProperties"));
    json_object_del(m->flat, "unevaluatedProperties");
    for (size_t i = 0; i < json_array_size(json_array_get(m->groups, 0)); i++) {
        json_t *all = json_array();
        if (json_object_size(m->flat)) /* first: properties keep its order */
            json_array_append(all, m->flat);
        json_array_append(all, json_array_get(json_array_get(m->groups, 0), i));
        for (size_t k = 1; k < json_array_size(m->groups); k++)
            json_array_append_new(all, json_pack("{s:O}", "anyOf", json_array_get(m->groups, k)));
        all = json_pack("{s:o}", "allOf", all);
        if (rest)
            json_object_set(all, "unevaluatedProperties", rest);
        json_array_append_new(alternatives, all);
    }
    json_decref(rest);
    return json_pack("{s:o}", "anyOf", alternatives);
}

const json_t *schema_conjunction(schema_reader *r, const json_t *s)
{
    merger m = {.r = r, .flat = json_object(), .groups = json_array(), .seen = json_object()};
    json_t *out;
    if (++r->n_merged > MAX_MERGED)
        schema_fail(r, CMAT_ERR_LIMIT, "more than %d combinations of schemas", MAX_MERGED);
    add(&m, s, true);
    if (m.nothing)
        out = json_false();
    else if (m.fixed)
        out = values_left(&m, s);
    else if (json_array_size(m.groups))
        out = spread(&m);
    else
        out = own(m.flat);
    schema_keep(r, out);
    json_decref(m.flat);
    json_decref(m.groups);
    json_decref(m.seen);
    json_decref(m.fixed);
    return r->failed ? NULL : out;
}
