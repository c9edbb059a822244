/* env/db/shop_bank.h - the example shop's tables and what it sells. */
#ifndef CMAT_ENV_DB_SHOP_BANK_H
#define CMAT_ENV_DB_SHOP_BANK_H

extern const char db_shop_schema[];  /* makes the tables and begins a transaction */
extern const char db_shop_indexes[]; /* makes the indexes and ends it */

typedef struct {
    const char *name, *department;
    double low, high; /* usual prices */
    double weight;    /* kg of a usual piece */
    const char *nouns[8];
} db_shop_category;
enum { DB_SHOP_CATEGORIES = 24 }; /* those that hold products */
extern const db_shop_category db_shop_categories[DB_SHOP_CATEGORIES];
#endif
