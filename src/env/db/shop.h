/* env/db/shop.h - a believable shop as an SQLite file, made from a seed.
 *
 * Twelve tables, about 28,000 rows, from 1 January 2023 to 30 June 2026: seasons, regulars and
 * one-time buyers, best-sellers, late parcels, missing values, returns. */
#ifndef CMAT_ENV_DB_SHOP_H
#define CMAT_ENV_DB_SHOP_H
#include "cmat/error.h"
#include <stdint.h>

/* Writes the shop to path (an existing file is replaced; never half-written under its name).
 * The same seed gives the same rows. */
cmat_status db_shop_make(const char *path, uint64_t seed, cmat_error *err);
#endif
