/* env/db/habits.h - MySQL's habits on PostgreSQL, for benchmarks whose SQL was written for MySQL.
 *
 * By rewriting a statement: backquotes, "..." as text, backslash escapes, names in any case and
 * such as begin with digits, LIKE without case, LIMIT a, b, IFNULL, SHOW and DESCRIBE, INSERT
 * IGNORE. By objects in the episode's schema: texts compared without case and accents; texts that
 * are compared with, added to or summed as numbers by their leading digits. Other functions of
 * MySQL's are not there, and PostgreSQL says so. */
#ifndef CMAT_ENV_DB_HABITS_H
#define CMAT_ENV_DB_HABITS_H
#include "core/buf.h"
#include "env/db/schema.h"

#define DB_HABITS_COLLATION "cmat_ai_ci"

/* Appends the statements that make the collation, operators and aggregates in schema `place`. */
void db_habits_objects(const char *place, cmat_buf *out);
/* Appends the statement as PostgreSQL takes it; names of s are spelled as they are there. */
void db_habits_rewrite(const char *sql, const db_schema *s, cmat_buf *out);
#endif
