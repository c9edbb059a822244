/* env/shop/make.h - made shops: a seeded generator of products in domains of its own. */
#ifndef CMAT_ENV_SHOP_MAKE_H
#define CMAT_ENV_SHOP_MAKE_H
#include "env/shop/world.h"
#include <stdint.h>

/* The shop of a seed: the same products in each process. */
cmat_status shop_make_world(shop_world **out, uint64_t seed, cmat_error *err);

/* ---- what they are made of (make_bank.c) ---- */

typedef struct {
    const char *name;        /* "color" */
    const char *const *pool; /* NULL at the end */
    int least, most;         /* values that a product has of it */
} shop_option_bank;

typedef struct {
    const char *name, *query;           /* "kettle", "kettles" */
    int price_from, price_to;           /* dollars */
    const shop_option_bank *options[3]; /* NULL: fewer */
} shop_type_bank;

typedef struct {
    const char *category, *path;   /* "kitchen", "Home & Kitchen > ..." with the original's sign */
    const shop_type_bank *types;   /* name NULL at the end */
    const char *const *attributes; /* "dishwasher safe"; NULL at the end */
    const char *const *uses;       /* "small kitchens" */
} shop_domain_bank;

extern const shop_domain_bank shop_domains[];
extern const size_t shop_n_domains;
extern const char *const shop_brand_starts[], *const shop_brand_ends[]; /* NULL at the end */
#endif
