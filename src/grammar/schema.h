/* grammar/schema.h - what the parts of the JSON schema reader share. */
#ifndef CMAT_GRAMMAR_SCHEMA_H
#define CMAT_GRAMMAR_SCHEMA_H
#include "core/buf.h"
#include "grammar/rules.h"

/* Keywords of our own. A schema with the first says what must hold, but its "properties" are not
 * declared by it: they neither close the object to other names nor count as evaluated (what "not"
 * and the branch not taken say). The second holds the names that are declared, where "properties"
 * has others as well. */
#define SCHEMA_SILENT "cmat:silent"
#define SCHEMA_DECLARED "cmat:declared"

typedef struct {
    char *pointer; /* "#/$defs/node"; of schemas that hold together: their text */
    const json_t *schema;
    int rule;
    bool read;    /* its rule has a body, or is being read: not by read_refs */
    bool nothing; /* no value fits */
} schema_ref;

typedef struct {
    grammar_rules *g;
    const json_t *root;
    cmat_buf path; /* of the schema being read: "#/properties/name" */
    int depth;
    schema_ref *refs;
    size_t n_refs, refs_cap;
    json_t *made;                          /* list of schemas of our own */
    int n_merged;                          /* conjunctions so far */
    int any, string, number, integer, key; /* shared rules; -1: not made yet */
    cmat_error *err;
    bool failed;
} schema_reader;

/* Writes "schema: PATH: ..." and returns NULL. */
grammar_expr *schema_fail(schema_reader *r, cmat_status st, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The values that fit s, the member `key` (NULL: none) of the schema at the path. NULL: failed. The
 * empty set: none fits (the schema `false`). */
grammar_expr *schema_value(schema_reader *r, const json_t *s, const char *member, const char *key);
bool schema_nothing(const grammar_expr *e);
/* e or, when it is more than a literal, a call of a new rule for it: what is repeated. */
grammar_expr *schema_rule(schema_reader *r, grammar_expr *e);
/* A literal from a NUL-ended text. */
grammar_expr *schema_text(schema_reader *r, const char *text);
/* JSON text of a value, as constraints write it; the caller's to free(). */
char *schema_dump(const json_t *v);
/* A count out of a keyword; def when it is not there. */
bool schema_count(schema_reader *r, const json_t *s, const char *keyword, int def, int *out);

grammar_expr *schema_any(schema_reader *r); /* any JSON value */
grammar_expr *schema_object(schema_reader *r, const json_t *s);
grammar_expr *schema_array(schema_reader *r, const json_t *s);
/* except: values of this type that are left out (a list, or NULL). */
grammar_expr *schema_string(schema_reader *r, const json_t *s, const json_t *except);
grammar_expr *schema_number(schema_reader *r, const json_t *s, bool whole, const json_t *except);
/* What "$ref": v stands for; NULL: failed. */
const json_t *schema_target(schema_reader *r, const json_t *v);
/* Keeps a schema of our own until the end. */
void schema_keep(schema_reader *r, json_t *s);
/* Whether every keyword is known; fails when not. */
bool schema_keywords_known(schema_reader *r, const json_t *s);
/* Whether a keyword says nothing of values. */
bool schema_is_note(const char *keyword);
/* Whether "type" (NULL: any) allows a value. */
bool schema_type_allows(const json_t *type, const json_t *v);
/* {"enum": [...]} and no more: what may stand in "not" of a schema that is read. */
bool schema_is_fixed_only(const json_t *s);

/* The same as s without allOf, if, dependent..., with "not" of fixed values only, with "$ref",
 * "anyOf" and "enum" alone: lent until the end. NULL: failed. */
const json_t *schema_conjunction(schema_reader *r, const json_t *s);
/* What fits when s does not; NULL: such a schema is not among those that are known. */
json_t *schema_negation(const schema_reader *r, const json_t *s);
/* The same as s (taken), which declares nothing (SCHEMA_SILENT). */
json_t *schema_silent(json_t *s);
/* The names that s declares: those of its "properties", as a rule; NULL: it declares none. */
const json_t *schema_declared(const json_t *s);
/* Alternatives of which a value fits exactly one, as alternatives of which it fits some; NULL:
 * failed. */
json_t *schema_one_of(schema_reader *r, const json_t *list);
/* Whether v fits s: 1, 0, or -1 when that cannot be told. */
int schema_fits(const schema_reader *r, const json_t *s, const json_t *v);
/* Whether a pattern matches somewhere in a text: 1, 0, or -1. */
int schema_matches(const char *pattern, const char *text);
/* Texts in a JSON string other than names[0..n), which are sorted for it. */
grammar_expr *schema_other_text(schema_reader *r, const char **names, size_t n);
/* Multiples of m from lo to hi, without the values in `except` (a list, or NULL). */
grammar_expr *schema_multiples(schema_reader *r, int64_t m, int64_t lo, int64_t hi,
                               const json_t *except);

/* Whether no value fits both; false when that is not plain to see. */
bool schema_exclusive(const schema_reader *r, const json_t *a, const json_t *b);
/* A copy of the whole schema whose references into it are pointers from its root; the caller's. */
json_t *schema_resolved(const json_t *root);
/* The schema that a local pointer ("#", "#/a/b") names, or NULL. */
const json_t *schema_find(const schema_reader *r, const char *pointer);
/* Whether a value is of a type; "number" takes integers. */
bool schema_is(const json_t *v, const char *type);
#endif
