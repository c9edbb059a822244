/* core/json.h - what jansson leaves to its users: errors with a place, typed members, JSONL. */
#ifndef CMAT_CORE_JSON_H
#define CMAT_CORE_JSON_H
#include "cmat/error.h"
#include "core/buf.h"
#include <jansson.h>
#include <stdbool.h>

/* Parses text; `what` names it in messages: "tasks.jsonl: line 3, column 7: ...". NULL on failure.
 */
json_t *cmat_json_parse(const char *text, size_t len, const char *what, cmat_error *err);
/* The JSON value at the beginning of text, with whatever after it; *used: its bytes. */
json_t *cmat_json_parse_next(const char *text, size_t len, size_t *used, const char *what,
                             cmat_error *err);
json_t *cmat_json_load(const char *path, cmat_error *err);
cmat_status cmat_json_save(const char *path, const json_t *j,
                           cmat_error *err);        /* atomic, indented, sorted keys */
void cmat_json_print(cmat_buf *b, const json_t *j); /* compact, one line, sorted keys */

/* A member of an object with its type checked; a missing one gives the default. The string is
 * borrowed from j. A wrong type gives the default too; use cmat_json_need_* where it is an error.
 */
const char *cmat_json_str(const json_t *j, const char *key, const char *def);
double cmat_json_num(const json_t *j, const char *key, double def);
int64_t cmat_json_int(const json_t *j, const char *key, int64_t def);
bool cmat_json_bool(const json_t *j, const char *key, bool def);
/* As above, but CMAT_ERR_FORMAT ("what: member \"key\" is missing / is not a string"). */
cmat_status cmat_json_need_str(const json_t *j, const char *key, const char *what, const char **out,
                               cmat_error *err);

/* A JSON string of any bytes: invalid UTF-8 is replaced by U+FFFD. */
json_t *cmat_json_text(const char *s, size_t len);

/* Reads a .jsonl file (or a .json array, or either of them packed as .xz is refused with a hint)
 * into a new JSON array. Empty lines are skipped; an error names file and line. */
json_t *cmat_jsonl_load(const char *path, cmat_error *err);
/* A string, a number or null ("NULL") as a person reads it: the caller's to free(). */
char *cmat_json_plain(const json_t *v);
#endif
