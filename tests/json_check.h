/* tests/json_check.h - whether a JSON value fits a schema: written apart from src/grammar, to judge
 * what it produces. */
#ifndef JSON_CHECK_H
#define JSON_CHECK_H
#include <jansson.h>
#include <stdbool.h>

/* root: what "$ref" is looked up in. Knows the keywords that cmat_grammar_json_schema takes, but
 * "format" and "unevaluatedProperties". */
bool json_fits(const json_t *root, const json_t *schema, const json_t *v);
/* Whole match of a regular expression, by PCRE2. */
bool regex_fits(const char *pattern, const char *text, size_t n, bool anywhere);
#endif
