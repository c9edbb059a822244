/* grammar/schema.h - what the parts of the JSON schema reader share. */
#ifndef CMAT_GRAMMAR_SCHEMA_H
#define CMAT_GRAMMAR_SCHEMA_H
#include "core/buf.h"
#include "grammar/rules.h"

typedef struct {
    char *pointer; /* "#/$defs/node" */
    const json_t *schema;
    int rule;
    bool read; /* its rule has a body */
} schema_ref;

typedef struct {
    grammar_rules *g;
    const json_t *root;
    cmat_buf path; /* of the schema being read: "#/properties/name" */
    int depth;
    schema_ref *refs;
    size_t n_refs, refs_cap;
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
grammar_expr *schema_string(schema_reader *r, const json_t *s);
grammar_expr *schema_number(schema_reader *r, const json_t *s, bool whole);
/* Whether no value fits both; false when that is not plain to see. */
bool schema_exclusive(const schema_reader *r, const json_t *a, const json_t *b);
/* The schema that a local pointer ("#", "#/a/b") names, or NULL. */
const json_t *schema_find(const schema_reader *r, const char *pointer);
/* Whether a value is of a type; "number" takes integers. */
bool schema_is(const json_t *v, const char *type);
#endif
