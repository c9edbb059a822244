/* grammar/schema.c - JSON schemas: keywords, types, references, alternatives. */
#include "grammar/schema.h"
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NESTED = 100, MAX_COUNT = 100000 };

/* What a keyword belongs to. */
typedef enum { NOTE, TYPE, VALUE, ANY_OF, REF, OBJECT, ARRAY, STRING, NUMBER } keyword_kind;
static const struct {
    const char *name;
    keyword_kind kind;
} keywords[] = {
    {"$schema", NOTE},
    {"$id", NOTE},
    {"$comment", NOTE},
    {"$defs", NOTE},
    {"definitions", NOTE},
    {"title", NOTE},
    {"description", NOTE},
    {"default", NOTE},
    {"examples", NOTE},
    {"deprecated", NOTE},
    {"readOnly", NOTE},
    {"writeOnly", NOTE},
    {"type", TYPE},
    {"enum", VALUE},
    {"const", VALUE},
    {"anyOf", ANY_OF},
    {"oneOf", ANY_OF},
    {"$ref", REF},
    {"properties", OBJECT},
    {"required", OBJECT},
    {"additionalProperties", OBJECT},
    {"items", ARRAY},
    {"prefixItems", ARRAY},
    {"minItems", ARRAY},
    {"maxItems", ARRAY},
    {"pattern", STRING},
    {"minLength", STRING},
    {"maxLength", STRING},
    {"format", STRING},
    {"minimum", NUMBER},
    {"maximum", NUMBER},
    {"exclusiveMinimum", NUMBER},
    {"exclusiveMaximum", NUMBER},
};
enum { N_KEYWORDS = sizeof keywords / sizeof *keywords };

static const char *const type_names[] = {"null",   "boolean", "integer", "number",
                                         "string", "array",   "object"};
enum { N_TYPES = sizeof type_names / sizeof *type_names };

grammar_expr *schema_fail(schema_reader *r, cmat_status st, const char *fmt, ...)
{
    char why[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    if (!r->failed)
        cmat_fail(r->err, st, "%s: %.300s: %s", r->g->what, cmat_buf_str(&r->path), why);
    r->failed = true;
    return NULL;
}

grammar_expr *schema_text(schema_reader *r, const char *text)
{
    return grammar_text(r->g, text, strlen(text));
}

bool schema_nothing(const grammar_expr *e)
{
    return e->kind == EXPR_SET && e->n == 0;
}

grammar_expr *schema_rule(schema_reader *r, grammar_expr *e)
{
    if (!e || e->kind == EXPR_TEXT || e->kind == EXPR_CALL || schema_nothing(e))
        return e;
    return grammar_call(r->g, grammar_rule_new(r->g, cmat_buf_str(&r->path), e));
}

char *schema_dump(const json_t *v)
{
    char *text = NULL;
    for (size_t digits = 15; digits <= 17; digits++) { /* the fewest that give the number back */
        json_t *back;
        bool same;
        free(text);
        text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        back = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        same = back && json_equal(back, v);
        json_decref(back);
        if (same)
            break;
    }
    return text;
}

bool schema_count(schema_reader *r, const json_t *s, const char *keyword, int def, int *out)
{
    const json_t *v = json_object_get(s, keyword);
    *out = def;
    if (!v)
        return true;
    if (!json_is_number(v) || json_number_value(v) < 0 ||
        json_number_value(v) != floor(json_number_value(v))) {
        schema_fail(r, CMAT_ERR_FORMAT, "\"%s\" is not a whole number from 0 on", keyword);
        return false;
    }
    if (json_number_value(v) > MAX_COUNT) {
        schema_fail(r, CMAT_ERR_LIMIT, "\"%s\" is above %d", keyword, MAX_COUNT);
        return false;
    }
    *out = (int)json_number_value(v);
    return true;
}

bool schema_is(const json_t *v, const char *type)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return strcmp(type, "object") == 0;
    case JSON_ARRAY:
        return strcmp(type, "array") == 0;
    case JSON_STRING:
        return strcmp(type, "string") == 0;
    case JSON_NULL:
        return strcmp(type, "null") == 0;
    case JSON_INTEGER:
        return strcmp(type, "integer") == 0 || strcmp(type, "number") == 0;
    case JSON_REAL:
        return strcmp(type, "number") == 0 ||
               (strcmp(type, "integer") == 0 && json_real_value(v) == floor(json_real_value(v)));
    default:
        return strcmp(type, "boolean") == 0;
    }
}

/* ---- references ---- */

const json_t *schema_find(const schema_reader *r, const char *pointer)
{
    const json_t *at = r->root;
    if (*pointer++ != '#')
        return NULL;
    while (at && *pointer == '/') {
        cmat_buf name = {0};
        for (pointer++; *pointer && *pointer != '/'; pointer++) {
            if (*pointer == '~' && (pointer[1] == '0' || pointer[1] == '1'))
                cmat_buf_putc(&name, *++pointer == '0' ? '~' : '/');
            else
                cmat_buf_putc(&name, *pointer);
        }
        if (json_is_array(at))
            at = json_array_get(at, strtoul(cmat_buf_str(&name), NULL, 10));
        else
            at = json_object_get(at, cmat_buf_str(&name));
        cmat_buf_clear(&name);
    }
    return *pointer ? NULL : at;
}

/* A rule for what is referred to; its body is read later, so that references may form circles. */
static grammar_expr *ref(schema_reader *r, const json_t *v)
{
    const char *pointer = json_string_value(v);
    const json_t *s;
    schema_ref *new;
    if (!pointer)
        return schema_fail(r, CMAT_ERR_FORMAT, "\"$ref\" is not a string");
    for (size_t i = 0; i < r->n_refs; i++) {
        if (strcmp(r->refs[i].pointer, pointer) == 0)
            return grammar_call(r->g, r->refs[i].rule);
    }
    if (pointer[0] != '#')
        return schema_fail(r, CMAT_ERR_UNSUPPORTED,
                           "\"$ref\": \"%.100s\" leads out of the schema, which is not supported",
                           pointer);
    if (!(s = schema_find(r, pointer)))
        return schema_fail(r, CMAT_ERR_FORMAT, "\"$ref\": there is no \"%.100s\"", pointer);
    r->refs = cmat_xgrow(r->refs, &r->refs_cap, r->n_refs + 1, sizeof *r->refs);
    new = &r->refs[r->n_refs++];
    *new = (schema_ref){.pointer = cmat_xstrdup(pointer),
                        .schema = s,
                        .rule = grammar_rule_new(r->g, pointer, NULL)};
    return grammar_call(r->g, new->rule);
}

static void read_refs(schema_reader *r)
{
    for (size_t i = 0; i < r->n_refs && !r->failed; i++) { /* the list grows meanwhile */
        const json_t *s = r->refs[i].schema;
        const int rule = r->refs[i].rule;
        grammar_expr *e;
        cmat_buf_truncate(&r->path, 0);
        cmat_buf_puts(&r->path, r->refs[i].pointer);
        e = schema_value(r, s, NULL, NULL);
        if (e)
            r->g->rules[rule].body = e;
    }
}

/* ---- alternatives ---- */

static grammar_expr *any_of(schema_reader *r, const json_t *list, bool one)
{
    const char *keyword = one ? "oneOf" : "anyOf";
    grammar_list alt = {0};
    const size_t n = json_array_size(list);
    if (n == 0)
        return schema_fail(r, CMAT_ERR_FORMAT, "\"%s\" is not a list of schemas", keyword);
    for (size_t i = 0; i < n && !r->failed; i++) {
        char index[32];
        grammar_expr *e;
        for (size_t k = 0; one && k < i && !r->failed; k++) {
            if (!schema_exclusive(r, json_array_get(list, k), json_array_get(list, i)))
                schema_fail(r, CMAT_ERR_UNSUPPORTED,
                            "\"oneOf\": a value may fit both number %zu and number %zu; say "
                            "\"anyOf\" if that is fine",
                            k, i);
        }
        snprintf(index, sizeof index, "%zu", i);
        e = r->failed ? NULL : schema_value(r, json_array_get(list, i), keyword, index);
        if (e && !schema_nothing(e))
            grammar_list_add(&alt, e);
    }
    return grammar_alt(r->g, &alt);
}

static bool type_allows(const json_t *type, const json_t *v)
{
    if (json_is_string(type))
        return schema_is(v, json_string_value(type));
    for (size_t i = 0; i < json_array_size(type); i++) {
        const char *name = json_string_value(json_array_get(type, i));
        if (name && schema_is(v, name))
            return true;
    }
    return !type;
}

/* The values of "enum" or "const" that "type" lets through. */
static grammar_expr *literals(schema_reader *r, const json_t *s)
{
    const json_t *one = json_object_get(s, "const"), *list = json_object_get(s, "enum");
    grammar_list alt = {0};
    if (one && list)
        return schema_fail(r, CMAT_ERR_UNSUPPORTED, "\"const\" beside \"enum\"");
    if (!one && json_array_size(list) == 0)
        return schema_fail(r, CMAT_ERR_FORMAT, "\"enum\" is not a list of values");
    for (size_t i = 0; i < (one ? 1 : json_array_size(list)); i++) {
        const json_t *v = one ? one : json_array_get(list, i);
        char *text;
        if (!type_allows(json_object_get(s, "type"), v) || !(text = schema_dump(v)))
            continue;
        grammar_list_add(&alt, schema_text(r, text));
        free(text);
    }
    return grammar_alt(r->g, &alt);
}

/* ---- one schema ---- */

static grammar_expr *of_type(schema_reader *r, const json_t *s, const char *type)
{
    if (strcmp(type, "object") == 0)
        return schema_object(r, s);
    if (strcmp(type, "array") == 0)
        return schema_array(r, s);
    if (strcmp(type, "string") == 0)
        return schema_string(r, s);
    if (strcmp(type, "number") == 0 || strcmp(type, "integer") == 0)
        return schema_number(r, s, type[0] == 'i');
    if (strcmp(type, "null") == 0)
        return schema_text(r, "null");
    if (strcmp(type, "boolean") == 0) {
        grammar_list alt = {0};
        grammar_list_add(&alt, schema_text(r, "true"));
        grammar_list_add(&alt, schema_text(r, "false"));
        return grammar_alt(r->g, &alt);
    }
    return schema_fail(r, CMAT_ERR_FORMAT, "\"type\": there is no type \"%.40s\"", type);
}

static grammar_expr *of_types(schema_reader *r, const json_t *s, const json_t *type)
{
    grammar_list alt = {0};
    if (json_is_string(type))
        return of_type(r, s, json_string_value(type));
    if (json_array_size(type) == 0)
        return schema_fail(r, CMAT_ERR_FORMAT, "\"type\" is neither a name nor a list of names");
    for (size_t i = 0; i < json_array_size(type); i++) {
        const char *name = json_string_value(json_array_get(type, i));
        grammar_expr *e =
            name ? of_type(r, s, name) : schema_fail(r, CMAT_ERR_FORMAT, "\"type\": not a name");
        if (!e)
            break;
        if (!schema_nothing(e))
            grammar_list_add(&alt, e);
    }
    return grammar_alt(r->g, &alt);
}

/* Which kinds of keywords there are; false: one that is not known. */
static bool keyword_kinds(schema_reader *r, const json_t *s, unsigned *kinds)
{
    const char *name;
    json_t *v;
    *kinds = 0;
    json_object_foreach((json_t *)(uintptr_t)s, name, v)
    {
        int i = 0;
        while (i < N_KEYWORDS && strcmp(keywords[i].name, name) != 0)
            i++;
        if (i == N_KEYWORDS) {
            schema_fail(r, CMAT_ERR_UNSUPPORTED, "keyword \"%.60s\" is not supported", name);
            return false;
        }
        if (keywords[i].kind != NOTE)
            *kinds |= 1u << keywords[i].kind;
    }
    return true;
}

/* Beside "$ref", "anyOf" and "enum" nothing may stand that would have to hold as well. */
static bool alone(schema_reader *r, const json_t *s, unsigned allowed, const char *what)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)s, name, v)
    {
        for (int i = 0; i < N_KEYWORDS; i++) {
            if (strcmp(keywords[i].name, name) == 0 && keywords[i].kind != NOTE &&
                !(allowed >> keywords[i].kind & 1)) {
                schema_fail(r, CMAT_ERR_UNSUPPORTED, "\"%s\" beside %s is not supported", name,
                            what);
                return false;
            }
        }
    }
    if (json_object_get(s, "anyOf") && json_object_get(s, "oneOf")) {
        schema_fail(r, CMAT_ERR_UNSUPPORTED, "\"oneOf\" beside \"anyOf\" is not supported");
        return false;
    }
    return true;
}

static grammar_expr *schema_members(schema_reader *r, const json_t *s)
{
    const json_t *type = json_object_get(s, "type");
    unsigned kinds;
    if (!keyword_kinds(r, s, &kinds))
        return NULL;
    if (kinds >> REF & 1)
        return alone(r, s, 1u << REF, "\"$ref\"") ? ref(r, json_object_get(s, "$ref")) : NULL;
    if (kinds >> ANY_OF & 1) {
        const json_t *one = json_object_get(s, "oneOf");
        if (!alone(r, s, 1u << ANY_OF, one ? "\"oneOf\"" : "\"anyOf\""))
            return NULL;
        return any_of(r, one ? one : json_object_get(s, "anyOf"), one != NULL);
    }
    if (kinds >> VALUE & 1)
        return alone(r, s, 1u << VALUE | 1u << TYPE, "fixed values") ? literals(r, s) : NULL;
    if (type)
        return of_types(r, s, type);
    /* without a type: that of the keywords there are */
    if (kinds >> OBJECT & 1)
        return schema_object(r, s);
    if (kinds >> ARRAY & 1)
        return schema_array(r, s);
    if (kinds >> STRING & 1)
        return schema_string(r, s);
    if (kinds >> NUMBER & 1)
        return schema_number(r, s, false);
    return schema_any(r);
}

grammar_expr *schema_value(schema_reader *r, const json_t *s, const char *member, const char *key)
{
    const size_t len = r->path.len;
    grammar_expr *e;
    if (r->failed)
        return NULL;
    if (member)
        cmat_buf_printf(&r->path, "/%s", member);
    if (key)
        cmat_buf_printf(&r->path, "/%s", key);
    if (json_is_boolean(s)) {
        e = json_is_true(s) ? schema_any(r) : grammar_set(r->g, NULL, 0);
    } else if (!json_is_object(s)) {
        e = schema_fail(r, CMAT_ERR_FORMAT, "a schema is wanted: an object, true or false");
    } else if (++r->depth > MAX_NESTED) {
        e = schema_fail(r, CMAT_ERR_LIMIT, "schemas are nested too deep");
    } else {
        e = schema_members(r, s);
        r->depth--;
    }
    cmat_buf_truncate(&r->path, len);
    return r->failed ? NULL : e;
}

grammar_expr *schema_any(schema_reader *r)
{
    if (r->any < 0) {
        grammar_list alt = {0};
        json_t *none = json_object();
        r->any = grammar_rule_new(r->g, "any value", NULL); /* arrays and objects need it */
        for (int i = 0; i < N_TYPES; i++) {
            if (strcmp(type_names[i], "integer") != 0)
                grammar_list_add(&alt, schema_rule(r, of_type(r, none, type_names[i])));
        }
        r->g->rules[r->any].body = grammar_alt(r->g, &alt);
        json_decref(none);
    }
    return grammar_call(r->g, r->any);
}

cmat_status cmat_grammar_json_schema(cmat_acceptor **out, const json_t *schema,
                                     const cmat_grammar_trigger *trigger, cmat_error *err)
{
    grammar_rules g = {.what = "schema"};
    cmat_error local = {0};
    schema_reader r = {.g = &g, .root = schema, .err = &local};
    grammar_expr *e;
    r.any = r.string = r.number = r.integer = r.key = -1;
    *out = NULL;
    cmat_buf_puts(&r.path, "#");
    e = schema_value(&r, schema, NULL, NULL);
    if (e)
        g.root = grammar_rule_new(&g, "#", e);
    read_refs(&r);
    for (size_t i = 0; i < r.n_refs; i++)
        free(r.refs[i].pointer);
    free(r.refs);
    cmat_buf_clear(&r.path);
    if (r.failed) {
        grammar_rules_clear(&g);
        if (err)
            *err = local;
        return local.status;
    }
    return grammar_compile(out, &g, trigger, err);
}
