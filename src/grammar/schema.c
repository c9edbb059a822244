/* grammar/schema.c - JSON schemas: keywords, types, references, alternatives. */
#include "grammar/schema.h"
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NESTED = 100, MAX_COUNT = 100000 };

/* What a keyword belongs to. */
typedef enum {
    NOTE,
    TYPE,
    VALUE,
    ANY_OF,
    REF,
    COMBINED,
    NOT,
    OBJECT,
    ARRAY,
    STRING,
    NUMBER
} keyword_kind;
static const struct {
    const char *name;
    keyword_kind kind;
} keywords[] = {
    {"$schema", NOTE},
    {"$id", NOTE},
    {"$anchor", NOTE}, /* see schema_resolve.c */
    {"$dynamicAnchor", NOTE},
    {"$comment", NOTE},
    {"$defs", NOTE},
    {"definitions", NOTE},
    {"title", NOTE},
    {"description", NOTE},
    {"default", NOTE},
    {"examples", NOTE},
    {"deprecated", NOTE},
    {SCHEMA_SILENT, NOTE},
    {SCHEMA_DECLARED, NOTE},
    {"readOnly", NOTE},
    {"writeOnly", NOTE},
    {"type", TYPE},
    {"enum", VALUE},
    {"const", VALUE},
    {"anyOf", ANY_OF},
    {"oneOf", ANY_OF},
    {"$ref", REF},
    {"allOf", COMBINED},
    {"if", COMBINED},
    {"then", NOTE}, /* without "if" */
    {"else", NOTE},
    {"dependentRequired", COMBINED},
    {"dependentSchemas", COMBINED},
    {"not", NOT},
    {"properties", OBJECT},
    {"patternProperties", OBJECT},
    {"minProperties", OBJECT},
    {"maxProperties", OBJECT},
    {"unevaluatedProperties", OBJECT},
    {"required", OBJECT},
    {"additionalProperties", OBJECT},
    {"items", ARRAY},
    {"prefixItems", ARRAY},
    {"minItems", ARRAY},
    {"maxItems", ARRAY},
    {"uniqueItems", ARRAY},
    {"pattern", STRING},
    {"minLength", STRING},
    {"maxLength", STRING},
    {"format", STRING},
    {"minimum", NUMBER},
    {"maximum", NUMBER},
    {"exclusiveMinimum", NUMBER},
    {"exclusiveMaximum", NUMBER},
    {"multipleOf", NUMBER},
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

const json_t *schema_target(schema_reader *r, const json_t *v)
{
    const char *pointer = json_string_value(v);
    const json_t *s = NULL;
    if (!pointer)
        schema_fail(r, CMAT_ERR_FORMAT, "\"$ref\" is not a string");
    else if (pointer[0] != '#')
        schema_fail(r, CMAT_ERR_UNSUPPORTED,
                    "\"$ref\": \"%.100s\" leads out of the schema, which is not supported",
                    pointer);
    else if (!(s = schema_find(r, pointer)))
        schema_fail(r, CMAT_ERR_FORMAT, "\"$ref\": there is no \"%.100s\"", pointer);
    return s;
}

static schema_ref *find_ref(const schema_reader *r, const char *pointer)
{
    for (size_t i = 0; i < r->n_refs; i++) {
        if (strcmp(r->refs[i].pointer, pointer) == 0)
            return &r->refs[i];
    }
    return NULL;
}

static schema_ref *add_ref(schema_reader *r, const char *pointer, const json_t *s,
                           const char *rule_name)
{
    r->refs = cmat_xgrow(r->refs, &r->refs_cap, r->n_refs + 1, sizeof *r->refs);
    r->refs[r->n_refs] = (schema_ref){.pointer = cmat_xstrdup(pointer),
                                      .schema = s,
                                      .rule = grammar_rule_new(r->g, rule_name, NULL)};
    return &r->refs[r->n_refs++];
}

/* A rule for what is referred to; its body is read later, so that references may form circles. */
static grammar_expr *ref(schema_reader *r, const json_t *v)
{
    const json_t *s = schema_target(r, v);
    const char *pointer = json_string_value(v);
    if (!s)
        return NULL;
    const schema_ref *known = find_ref(r, pointer);
    if (!known)
        known = add_ref(r, pointer, s, pointer);
    return grammar_call(r->g, known->rule);
}

/* What holds together is read where it stands; met again inside itself it is a call. */
static grammar_expr *combined(schema_reader *r, const json_t *s)
{
    const json_t *one = schema_conjunction(r, s);
    grammar_expr *e;
    if (!one)
        return NULL;
    if (json_is_false(one))
        return grammar_set(r->g, NULL, 0);
    char *text = json_dumps(s, JSON_SORT_KEYS | JSON_ENCODE_ANY);
    const schema_ref *known = find_ref(r, text);
    if (known) {
        e = known->nothing ? grammar_set(r->g, NULL, 0) : grammar_call(r->g, known->rule);
    } else {
        const size_t i = r->n_refs;
        add_ref(r, text, one, cmat_buf_str(&r->path))->read = true;
        if ((e = schema_value(r, one, NULL, NULL))) {
            schema_ref *made = &r->refs[i];
            made->nothing = schema_nothing(e);
            /* a rule that nobody calls in the end, but that is looked at all the same */
            r->g->rules[made->rule].body = made->nothing ? schema_text(r, "") : e;
            e = made->nothing ? e : grammar_call(r->g, made->rule);
        }
    }
    free(text);
    return e;
}

static void read_refs(schema_reader *r)
{
    for (size_t i = 0; i < r->n_refs && !r->failed; i++) { /* the list grows meanwhile */
        const json_t *s = r->refs[i].schema;
        const int rule = r->refs[i].rule;
        grammar_expr *e;
        if (r->refs[i].read)
            continue;
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
    if (one) {
        json_t *apart = schema_one_of(r, list);
        if (!(list = apart))
            return NULL;
        schema_keep(r, apart);
    }
    for (size_t i = 0; i < n && !r->failed; i++) {
        char index[32];
        grammar_expr *e;
        snprintf(index, sizeof index, "%zu", i);
        e = r->failed ? NULL : schema_value(r, json_array_get(list, i), keyword, index);
        if (e && !schema_nothing(e))
            grammar_list_add(&alt, e);
    }
    return grammar_alt(r->g, &alt);
}

bool schema_type_allows(const json_t *type, const json_t *v)
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
    if (!one && !json_is_array(list))
        return schema_fail(r, CMAT_ERR_FORMAT, "\"enum\" is not a list of values");
    for (size_t i = 0; i < (one ? 1 : json_array_size(list)); i++) {
        const json_t *v = one ? one : json_array_get(list, i);
        char *text;
        if (!schema_type_allows(json_object_get(s, "type"), v) || !(text = schema_dump(v)))
            continue;
        grammar_list_add(&alt, schema_text(r, text));
        free(text);
    }
    return grammar_alt(r->g, &alt);
}

/* ---- one schema ---- */

/* The values in "not" of s that are of a type and would fit; NULL: none. Kept until the end. */
static const json_t *excepted(schema_reader *r, const json_t *s, const char *type)
{
    const json_t *list = json_object_get(json_object_get(s, "not"), "enum");
    json_t *rest, *out;
    if (!list)
        return NULL;
    rest = json_copy((json_t *)(uintptr_t)s);
    json_object_del(rest, "not");
    out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *v = json_array_get(list, i);
        if (schema_is(v, type) && schema_fits(r, rest, v) != 0)
            json_array_append(out, v);
    }
    json_decref(rest);
    schema_keep(r, out);
    return json_array_size(out) ? out : NULL;
}

static bool holds(const json_t *list, const json_t *v)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_equal(json_array_get(list, i), v))
            return true;
    }
    return false;
}

static grammar_expr *of_type(schema_reader *r, const json_t *s, const char *type)
{
    const json_t *except = excepted(r, s, type);
    if (strcmp(type, "string") == 0)
        return schema_string(r, s, except);
    if (strcmp(type, "number") == 0 || strcmp(type, "integer") == 0)
        return schema_number(r, s, type[0] == 'i', except);
    if (strcmp(type, "null") == 0)
        return except ? grammar_set(r->g, NULL, 0) : schema_text(r, "null");
    if (strcmp(type, "boolean") == 0) {
        grammar_list alt = {0};
        if (!holds(except, json_true()))
            grammar_list_add(&alt, schema_text(r, "true"));
        if (!holds(except, json_false()))
            grammar_list_add(&alt, schema_text(r, "false"));
        return grammar_alt(r->g, &alt);
    }
    if (strcmp(type, "object") != 0 && strcmp(type, "array") != 0)
        return schema_fail(r, CMAT_ERR_FORMAT, "\"type\": there is no type \"%.40s\"", type);
    if (except)
        return schema_fail(r, CMAT_ERR_UNSUPPORTED, "\"not\" of an %s is not supported", type);
    return type[0] == 'o' ? schema_object(r, s) : schema_array(r, s);
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

static const keyword_kind *kind_of(const char *name)
{
    for (int i = 0; i < N_KEYWORDS; i++) {
        if (strcmp(keywords[i].name, name) == 0)
            return &keywords[i].kind;
    }
    return NULL;
}

bool schema_is_note(const char *keyword)
{
    const keyword_kind *kind = kind_of(keyword);
    return kind && *kind == NOTE && strcmp(keyword, "then") != 0 && strcmp(keyword, "else") != 0;
}

bool schema_is_fixed_only(const json_t *s)
{
    return json_object_size(s) == 1 && json_is_array(json_object_get(s, "enum"));
}

void schema_keep(schema_reader *r, json_t *s)
{
    json_array_append_new(r->made, s);
}

/* Which kinds of keywords there are; false: one that is not known. */
static bool keyword_kinds(schema_reader *r, const json_t *s, unsigned *kinds)
{
    const char *name;
    json_t *v;
    *kinds = 0;
    json_object_foreach((json_t *)(uintptr_t)s, name, v)
    {
        const keyword_kind *kind = kind_of(name);
        if (!kind) {
            schema_fail(r, CMAT_ERR_UNSUPPORTED, "keyword \"%.60s\" is not supported", name);
            return false;
        }
        if (*kind != NOTE)
            *kinds |= 1u << *kind;
    }
    return true;
}

bool schema_keywords_known(schema_reader *r, const json_t *s)
{
    unsigned kinds;
    if (!json_is_object(s))
        return schema_fail(r, CMAT_ERR_FORMAT, "a schema is wanted: an object, true or false");
    return keyword_kinds(r, s, &kinds);
}

/* Whether s can be read as it is: nothing stands beside "$ref", "anyOf", "enum" that would have to
 * hold as well. */
static bool is_plain(const json_t *s, unsigned kinds)
{
    const unsigned ref = 1u << REF, any = 1u << ANY_OF, value = 1u << VALUE;
    if (kinds >> COMBINED & 1)
        return false;
    if (kinds >> NOT & 1 && !schema_is_fixed_only(json_object_get(s, "not")))
        return false;
    if (kinds & ref)
        return kinds == ref;
    if (kinds & any)
        return kinds == any && !(json_object_get(s, "anyOf") && json_object_get(s, "oneOf"));
    if (kinds & value)
        return !(kinds & ~(value | 1u << TYPE)) &&
               !(json_object_get(s, "const") && json_object_get(s, "enum"));
    return true;
}

static grammar_expr *schema_members(schema_reader *r, const json_t *s)
{
    const json_t *type = json_object_get(s, "type");
    unsigned kinds;
    if (!keyword_kinds(r, s, &kinds))
        return NULL;
    if (!is_plain(s, kinds))
        return combined(r, s);
    if (kinds >> REF & 1)
        return ref(r, json_object_get(s, "$ref"));
    if (kinds >> ANY_OF & 1) {
        const json_t *one = json_object_get(s, "oneOf");
        return any_of(r, one ? one : json_object_get(s, "anyOf"), one != NULL);
    }
    if (kinds >> VALUE & 1)
        return literals(r, s);
    if (type)
        return of_types(r, s, type);
    /* without a type: that of the keywords there are */
    static const struct {
        keyword_kind kind;
        const char *type;
    } told[] = {{OBJECT, "object"}, {ARRAY, "array"}, {STRING, "string"}, {NUMBER, "number"}};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        if (kinds >> told[i].kind & 1)
            return of_type(r, s, told[i].type);
    }
    if (kinds >> NOT & 1) { /* all types, without some values */
        json_t *all = json_array();
        for (int i = 0; i < N_TYPES; i++) {
            if (strcmp(type_names[i], "integer") != 0)
                json_array_append_new(all, json_string(type_names[i]));
        }
        schema_keep(r, all);
        return of_types(r, s, all);
    }
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
    json_t *root = schema_resolved(schema);
    schema_reader r = {.g = &g, .root = root, .err = &local};
    grammar_expr *e;
    r.any = r.string = r.number = r.integer = r.key = -1;
    r.made = json_array();
    *out = NULL;
    cmat_buf_puts(&r.path, "#");
    e = schema_value(&r, root, NULL, NULL);
    if (e)
        g.root = grammar_rule_new(&g, "#", e);
    read_refs(&r);
    for (size_t i = 0; i < r.n_refs; i++)
        free(r.refs[i].pointer);
    free(r.refs);
    json_decref(r.made);
    json_decref(root);
    cmat_buf_clear(&r.path);
    if (r.failed) {
        grammar_rules_clear(&g);
        if (err)
            *err = local;
        return local.status;
    }
    return grammar_compile(out, &g, trigger, err);
}
