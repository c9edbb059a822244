/* env/db/postgres_missing.c - stands for postgres.c in a build without its library. */
#include "env/db/link.h"

static cmat_status missing_open(db_link **out, const db_url *u, cmat_error *err)
{
    *out = NULL;
    (void)u;
    return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                     "db: this build has no PostgreSQL: install libpq-dev and build cmat again");
}

static const char *const schemes[] = {"postgresql", "postgres", NULL};

const db_link_ops db_postgres = {.name = "PostgreSQL",
                                 .schemes = schemes,
                                 .quote = DB_QUOTE_POSTGRES,
                                 .mysql = false,
                                 .ending = "schema",
                                 .open = missing_open};
