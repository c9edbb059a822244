/* tests/private_server.h - a MariaDB, PostgreSQL or MySQL server of a test's own: in a temporary
 * folder, on a Unix socket only, gone with the test. */
#ifndef PRIVATE_SERVER_H
#define PRIVATE_SERVER_H
#include <stdbool.h>
#include <sys/types.h>

/* MySQL: /usr/sbin/mysqld, or the program (or glob) that $CMAT_TEST_MYSQLD names. */
typedef enum { PRIVATE_MARIADB, PRIVATE_POSTGRES, PRIVATE_MYSQL } private_server_kind;
typedef struct {
    private_server_kind kind;
    char *dir;
    pid_t pid;
    char *url;       /* of database shop, for the role cmat, which owns it and nothing else */
    char *admin_url; /* the same database for the server's owner */
} private_server;

/* NULL: the packages are not there (a line on stdout says so). */
private_server *private_server_start(private_server_kind kind);
void private_server_stop(private_server *s); /* accepts NULL */
/* "url" with another user, and more parameters ("&a=b"); the caller's to free(). */
char *private_server_url(const private_server *s, const char *user, const char *more);
#endif
