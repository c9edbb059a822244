/* env/db/render.h - results as text: for the Actor, for answers, for a person. */
#ifndef CMAT_ENV_DB_RENDER_H
#define CMAT_ENV_DB_RENDER_H
#include "core/buf.h"
#include "env/db/sqlite.h"
#include <jansson.h>

/* A cell as plain text: NULL, 5, 5.5, text. BLOB: x'..' of its first bytes. */
void db_value_text(const db_value *v, cmat_buf *out);
/* A double as Python's repr writes it: the shortest digits that give it back, "20.0". */
void db_python_float(double d, cmat_buf *out);

/* Header and rows as "a | b", at most budget bytes with a note of what was left out; "0 rows";
 * "error: ..."; "3 rows changed". */
void db_render_short(const db_result *r, size_t budget, cmat_buf *out);
/* Python's str of the list of tuples, cut at 800 characters with [TRUNCATED], or the error. */
void db_render_python(const db_result *r, cmat_buf *out);
/* The rows as answers: one column gives its cells as texts, more columns give a list a row. */
json_t *db_result_answer(const db_result *r);
#endif
