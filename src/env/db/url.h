/* env/db/url.h - a server's database by its address, as libpq and MySQL's tools write it:
 *   mysql://user@host:3306/shop     mariadb:///shop?socket=/run/mysqld/mysqld.sock
 *   postgresql://user@host/shop     postgresql:///shop?host=/run/postgresql
 *
 * No password stands in it: run.json and logs keep addresses. The libraries take it from where
 * their users keep it (~/.pgpass, PGPASSWORD; ~/.my.cnf, MYSQL_PWD). */
#ifndef CMAT_ENV_DB_URL_H
#define CMAT_ENV_DB_URL_H
#include "cmat/error.h"
#include <stdbool.h>

typedef struct {
    char *scheme, *user, *host, *port, *database; /* NULL where it says nothing */
    char *socket;                                 /* mysql: socket=, unix_socket= */
    char *text;           /* as the library of its own takes it: without our parameters */
    bool allow_superuser; /* allow_superuser=1: a role with more rights than it needs is taken */
} db_url;                 /* all zero is empty */

/* True for what looks like a server's address ("scheme://"), rather than a file. */
bool db_is_url(const char *path);
/* CMAT_ERR_ARG: malformed, or it holds a password (the message does not). */
cmat_status db_url_parse(db_url *u, const char *text, cmat_error *err);
void db_url_clear(db_url *u);
#endif
