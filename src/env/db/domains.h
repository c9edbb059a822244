/* env/db/domains.h - small databases of many kinds, for practice on schemas never seen before.
 *
 * The seed picks a domain (a library, a clinic, an airline ...; never a shop, which is held out),
 * three to eight of its tables, their names, naming style, keys, columns, sizes and rows. */
#ifndef CMAT_ENV_DB_DOMAINS_H
#define CMAT_ENV_DB_DOMAINS_H
#include "cmat/error.h"
#include <stdint.h>

/* Writes the database to path (an existing file is replaced; never half-written under its name).
 * The same seed gives the same schema and rows. */
cmat_status db_domain_make(const char *path, uint64_t seed, cmat_error *err);
#endif
