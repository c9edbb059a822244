/* env/db/mysql.h - MySQL's habits on SQLite, for benchmarks whose SQL was written for MySQL. */
#ifndef CMAT_ENV_DB_MYSQL_H
#define CMAT_ENV_DB_MYSQL_H
#include "cmat/error.h"
#include "core/buf.h"
#include <sqlite3.h>
#include <stddef.h>

/* Registers the collation mysql_ci (case- and accent-insensitive) and MySQL's functions. */
cmat_status db_mysql_register(sqlite3 *db, cmat_error *err);
/* Appends the statement as SQLite takes it: strings, names, operators, SHOW and DESCRIBE, numbers
 * compared with text columns. What it does not know passes through. */
void db_mysql_rewrite(const char *sql, cmat_buf *out);
/* Turns SQLite's message into MySQL's ("1146 (42S02): Table 'db.x' doesn't exist"). near: the rest
 * of the agent's statement where the error is, "" when unknown. */
void db_mysql_error(const char *sqlite_msg, const char *near, cmat_buf *out);
/* Compares as utf8mb4_0900_ai_ci does, nearly. */
int db_mysql_compare(const char *a, size_t an, const char *b, size_t bn);
#endif
