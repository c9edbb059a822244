/* tests/schema_suite.c - runs cases of the JSON-Schema-Test-Suite against our grammars.
 *
 * usage: schema_suite [-v] FILE...   (files of the suite: lists of {description, schema, tests})
 *
 * An instance counts as accepted when one of its texts is: properties in any order, 1.0 also as 1,
 * characters raw or escaped. What is written must always fit, so an instance that is not valid must
 * never be accepted; of what is valid a documented part is not written (docs/FORMATS.md), which is
 * counted by reason. A schema that is refused must name what is not supported. Exit 1: an invalid
 * instance was accepted, a schema was refused as broken, or a valid instance was not accepted for
 * no known reason. The suite is not part of this repository:
 * https://github.com/json-schema-org/JSON-Schema-Test-Suite, tests/draft2020-12. */
#include "core/acceptor.h"
#include "core/json.h"
#include "core/mem.h"
#include "grammar/grammar.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXTS = 5000, MAX_REASONS = 64 };

typedef struct {
    char **items;
    size_t n, cap;
} texts;

static void texts_add(texts *t, char *s)
{
    if (t->n == MAX_TEXTS) {
        free(s);
        return;
    }
    t->items = cmat_xgrow(t->items, &t->cap, t->n + 1, sizeof *t->items);
    t->items[t->n++] = s;
}

static void texts_clear(texts *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->items[i]);
    free(t->items);
    *t = (texts){0};
}

/* Each of a, then `between`, then each of b; takes both. */
static texts joined(texts a, const char *between, texts b)
{
    texts out = {0};
    for (size_t i = 0; i < a.n; i++)
        for (size_t k = 0; k < b.n; k++)
            texts_add(&out, cmat_xasprintf("%s%s%s", a.items[i], between, b.items[k]));
    texts_clear(&a);
    texts_clear(&b);
    return out;
}

static texts one(char *s)
{
    texts t = {0};
    texts_add(&t, s);
    return t;
}

static texts all_texts(const json_t *v);

/* The texts of the members that are not in `used` yet, in every order, behind `before`. */
static void members(json_t *object, json_t *used, texts before, texts *out)
{
    const char *name;
    json_t *v;
    bool last = true;
    json_object_foreach(object, name, v)
    {
        texts copy = {0};
        if (json_object_get(used, name))
            continue;
        last = false;
        for (size_t i = 0; i < before.n; i++)
            texts_add(&copy, cmat_xstrdup(before.items[i]));
        json_t *key = json_string(name);
        texts pair = joined(all_texts(key), ": ", all_texts(v));
        json_decref(key);
        copy = joined(copy, json_object_size(used) ? ", " : "", pair);
        json_object_set_new(used, name, json_true());
        members(object, used, copy, out);
        json_object_del(used, name);
    }
    for (size_t i = 0; last && i < before.n; i++)
        texts_add(out, cmat_xasprintf("%s}", before.items[i]));
    texts_clear(&before);
}

static texts all_texts(const json_t *v)
{
    texts t = {0};
    if (json_is_object(v)) {
        json_t *used = json_object();
        members((json_t *)(uintptr_t)v, used, one(cmat_xstrdup("{")), &t);
        json_decref(used);
    } else if (json_is_array(v)) {
        t = one(cmat_xstrdup("["));
        for (size_t i = 0; i < json_array_size(v); i++)
            t = joined(t, i ? ", " : "", all_texts(json_array_get(v, i)));
        t = joined(t, "]", one(cmat_xstrdup("")));
    } else {
        char *raw = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
        char *escaped =
            json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
        for (char *e = raw; (e = strstr(e, "\\u")); e += 2) /* Python's are in small letters */
            for (int k = 2; k < 6 && e[k]; k++)
                e[k] = (char)tolower((unsigned char)e[k]);
        const double x = json_is_real(v) ? json_real_value(v) : 0.5;
        if (strcmp(raw, escaped) != 0)
            texts_add(&t, escaped);
        else
            free(escaped);
        texts_add(&t, raw);
        if (x == floor(x) && fabs(x) < 1e15)
            texts_add(&t, cmat_xasprintf("%.0f", x));
    }
    return t;
}

static bool accepts_text(const cmat_acceptor *a, const char *text)
{
    _Alignas(16) unsigned char state[CMAT_ACCEPTOR_STATE_MAX] = {0};
    a->ops->start(a, state);
    for (; *text; text++)
        if (!a->ops->step(a, state, (uint8_t)*text))
            return false;
    return a->ops->done(a, state);
}

static bool accepts(const cmat_acceptor *a, const json_t *v)
{
    texts t = all_texts(v);
    bool found = false;
    for (size_t i = 0; i < t.n && !found; i++)
        found = accepts_text(a, t.items[i]);
    texts_clear(&t);
    return found;
}

/* ---- why a valid instance is not written: told roughly, by the keywords there are ---- */

/* Calls fn for each value in v, itself first; true as soon as one call is. */
static bool any_value(const json_t *v, bool (*fn)(const json_t *v, const void *user),
                      const void *user)
{
    const char *name;
    json_t *child;
    size_t i;
    if (fn(v, user))
        return true;
    json_object_foreach((json_t *)(uintptr_t)v, name,
                        child) if (any_value(child, fn, user)) return true;
    if (json_is_array(v))
        json_array_foreach((json_t *)(uintptr_t)v, i,
                           child) if (any_value(child, fn, user)) return true;
    return false;
}

static bool has_keyword(const json_t *s, const void *keyword)
{
    return json_object_get(s, keyword) != NULL;
}

/* The types that keywords without a "type" speak of, and those that are named: bits by json_type.
 */
static void spoken_types(const json_t *s, unsigned *types)
{
    static const struct {
        json_type type;
        const char *names[10];
    } told[] = {{JSON_OBJECT,
                 {"properties", "patternProperties", "minProperties", "maxProperties", "required",
                  "additionalProperties", "unevaluatedProperties", "dependentRequired",
                  "dependentSchemas"}},
                {JSON_ARRAY, {"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}},
                {JSON_STRING, {"pattern", "minLength", "maxLength", "format"}},
                {JSON_INTEGER,
                 {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}}};
    const char *name;
    json_t *child;
    size_t i;
    for (size_t k = 0; k < 4; k++)
        for (int n = 0; told[k].names[n]; n++)
            if (json_object_get(s, told[k].names[n]))
                *types |= 1u << told[k].type;
    json_object_foreach((json_t *)(uintptr_t)s, name, child) spoken_types(child, types);
    if (json_is_array(s))
        json_array_foreach((json_t *)(uintptr_t)s, i, child) spoken_types(child, types);
}

static bool is_unspoken(const json_t *v, const void *types)
{
    const json_type type = json_is_real(v)    ? JSON_INTEGER
                           : json_is_false(v) ? JSON_TRUE
                                              : json_typeof(v);
    return !(*(const unsigned *)types >> type & 1);
}

static bool is_string(const json_t *v, const void *user)
{
    (void)user;
    return json_is_string(v);
}

static bool is_number(const json_t *v, const void *user)
{
    (void)user;
    return json_is_number(v);
}

static bool has_members(const json_t *v, const void *user)
{
    (void)user;
    return json_object_size(v) > 0;
}

/* Whether a schema in s is of an object whose members are named without a word about others. */
static bool is_closed(const json_t *s, const void *user)
{
    (void)user;
    return json_object_get(s, "properties") && !json_object_get(s, "additionalProperties");
}

static const char *why_not(const json_t *schema, const json_t *v)
{
    unsigned types = 0;
    spoken_types(schema, &types);
    if (any_value(schema, has_keyword, "format") && any_value(v, is_string, NULL))
        return "\"format\" is held to, not only noted";
    if (any_value(schema, has_keyword, "patternProperties") && any_value(v, has_members, NULL))
        return "names that no pattern matches, or that several may match";
    if (any_value(schema, has_keyword, "prefixItems") && json_is_array(v))
        return "elements behind \"prefixItems\" that nothing is said of";
    if (any_value(schema, has_keyword, "const") && any_value(v, is_number, NULL))
        return "a fixed number in other digits";
    if (types && any_value(v, is_unspoken, &types))
        return "a value of a type that the keywords do not speak of";
    if (any_value(schema, is_closed, NULL) && any_value(v, has_members, NULL))
        return "names that are not declared beside others";
    return NULL;
}

/* ---- counts ---- */

typedef struct {
    char *text;
    int n;
} reason;

typedef struct {
    bool verbose;
    int groups, refused, broken, tests;
    int valid, accepted, known, invalid, wrong;
    reason refusals[MAX_REASONS], misses[MAX_REASONS];
} counts;

static void count_reason(reason *list, const char *text)
{
    int i = 0;
    while (i < MAX_REASONS - 1 && list[i].text && strcmp(list[i].text, text) != 0)
        i++;
    if (!list[i].text)
        list[i].text = cmat_xstrdup(text);
    list[i].n++;
}

/* "schema: PATH: why" without the path. */
static void refuse(counts *c, const char *file, const char *group, const cmat_error *err)
{
    const char *why = strstr(err->msg, ": ");
    why = why ? strstr(why + 2, ": ") : NULL;
    c->refused++;
    c->broken += err->status != CMAT_ERR_UNSUPPORTED && err->status != CMAT_ERR_LIMIT;
    count_reason(c->refusals, why ? why + 2 : err->msg);
    if (c->verbose || (err->status != CMAT_ERR_UNSUPPORTED && err->status != CMAT_ERR_LIMIT))
        printf("%s: %s: refused: %s\n", file, group, err->msg);
}

static void run_group(counts *c, const char *file, const json_t *group)
{
    const char *name = cmat_json_str(group, "description", "");
    const json_t *schema = json_object_get(group, "schema");
    cmat_acceptor *a = NULL;
    cmat_error err = {0};
    json_t *test;
    size_t i;
    c->groups++;
    if (cmat_grammar_json_schema(&a, schema, NULL, &err) != CMAT_OK &&
        !strstr(err.msg, "no text that fits")) { /* which is right when no instance is valid */
        refuse(c, file, name, &err);
        return;
    }
    json_array_foreach(json_object_get(group, "tests"), i, test)
    {
        const json_t *v = json_object_get(test, "data");
        const bool valid = cmat_json_bool(test, "valid", false), yes = a && accepts(a, v);
        const char *why = valid && !yes ? why_not(schema, v) : NULL;
        c->tests++;
        *(valid ? &c->valid : &c->invalid) += 1;
        c->accepted += valid && yes;
        c->wrong += !valid && yes;
        c->known += why != NULL;
        if (why)
            count_reason(c->misses, why);
        if (valid != yes && (c->verbose || !why)) {
            char *text = json_dumps(v, JSON_ENCODE_ANY);
            printf("%s: %s: %s: %s but %saccepted: %s%s%s\n", file, name,
                   cmat_json_str(test, "description", ""), valid ? "valid" : "not valid",
                   yes ? "" : "not ", text, why ? ": " : "", why ? why : "");
            free(text);
        }
    }
    cmat_acceptor_free(a);
}

static void print_reasons(const char *title, reason *list)
{
    for (int i = 0; i < MAX_REASONS && list[i].text; i++) {
        printf("%s%5d  %.120s\n", i ? "" : title, list[i].n, list[i].text);
        free(list[i].text);
    }
}

int main(int argc, char **argv)
{
    static counts c;
    for (int i = 1; i < argc; i++) {
        json_error_t err;
        json_t *groups, *group;
        size_t k;
        if (strcmp(argv[i], "-v") == 0) {
            c.verbose = true;
            continue;
        }
        if (!(groups = json_load_file(argv[i], JSON_ALLOW_NUL, &err))) {
            fprintf(stderr, "%s: line %d: %s\n", argv[i], err.line, err.text);
            continue;
        }
        const char *name = strrchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 : argv[i];
        json_array_foreach(groups, k, group) run_group(&c, name, group);
        json_decref(groups);
    }
    const int missed = c.valid - c.accepted - c.known;
    printf("%d schemas: %d read, %d refused (%d as broken)\n", c.groups, c.groups - c.refused,
           c.refused, c.broken);
    print_reasons("refused:\n", c.refusals);
    printf(
        "%d instances of those read: %d valid, of which %d accepted, %d not by rule, %d for no "
        "known reason; %d not valid, of which %d accepted\n",
        c.tests, c.valid, c.accepted, c.known, missed, c.invalid, c.wrong);
    print_reasons("not by rule:\n", c.misses);
    return c.wrong || c.broken || missed;
}
