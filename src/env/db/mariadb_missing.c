/* env/db/mariadb_missing.c - stands for mariadb.c in a build without its library. */
#include "env/db/link.h"

static cmat_status missing_open(db_link **out, const db_url *u, cmat_error *err)
{
    *out = NULL;
    (void)u;
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                     "db: this build has no MariaDB: install libmariadb-dev and build cmat again");
}

static const char *const schemes[] = {"mysql", "mariadb", NULL};

const db_link_ops db_mariadb = {.name = "MariaDB",
                                .schemes = schemes,
                                .quote = DB_QUOTE_MARIADB,
                                .mysql = true,
                                .ending = "database",
                                .open = missing_open};
