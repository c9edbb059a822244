/* env/shop/world.h - a shop: its products and the index over them, read once, never changed, shared
 * by all episodes in it.
 *
 * Texts are kept as they came (valid UTF-8, cut to the caps below); whoever shows them makes them
 * inert. */
#ifndef CMAT_ENV_SHOP_WORLD_H
#define CMAT_ENV_SHOP_WORLD_H
#include "cmat/error.h"
#include "core/buf.h"
#include "env/shop/index.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    SHOP_FILE_MAX = 1 << 30,
    SHOP_TITLE_MAX = 4096, /* bytes of a title, a category */
    SHOP_TEXT_MAX = 65536, /* of a description, a bullet point */
    SHOP_VALUE_MAX = 256,  /* of an option, an attribute */
    SHOP_OPTIONS_MAX = 16, /* kinds of option of a product */
    SHOP_VALUES_MAX = 500, /* of one kind */
    SHOP_LIST_MAX = 256,   /* bullet points, attributes, reviews */
    SHOP_HITS = 50,        /* that a search finds at most */
    SHOP_PAGE = 10         /* of them on a page */
};

typedef struct {
    const char **items; /* (n) */
    size_t n;
} shop_list;

typedef struct {
    const char *name; /* "color", in lower case */
    shop_list values; /* in lower case */
} shop_option;

typedef struct {
    const char *title, *score, *body;
} shop_review;

typedef struct {
    const char *asin, *asin_lower;
    const char *title, *description, *category, *query, *product_category, *rating;
    const char *price_tag; /* "$12.0", "$12.0 to $15.0" */
    double price;          /* in the middle where two are given */
    shop_list bullets, attributes;
    shop_option *options; /* (n_options) in the order of the file */
    size_t n_options;
    shop_review *reviews; /* (n_reviews) */
    size_t n_reviews;
    const char *title_lower, *bullets_lower, *description_lower; /* bullets: joined by spaces */
} shop_product;

typedef struct shop_world {
    const shop_product *products; /* (n) in the order of the file */
    size_t n;
    const shop_index *index; /* documents numbered as products */
    const char *name;        /* path of the file, or what it was made from */
} shop_world;

/* From products as JSON objects, in either of WebShop's forms: as crawled ("name",
 * "full_description", "small_description", "customization_options") or as its index has them
 * ("Title", "Description", "BulletPoints", "options", "Attributes"). A product without a valid
 * "asin", or with one that was there before, is left out, as WebShop does. CMAT_ERR_FORMAT: none is
 * left. */
cmat_status shop_world_new(shop_world **out, const char *name, const json_t *products,
                           cmat_error *err);
/* From a file: JSONL (a product a line, or as "product" in it) or a JSON array. Where products have
 * no attributes they come from items_ins_v2*.json in the same folder. Bytes that are no UTF-8 are
 * replaced. */
cmat_status shop_world_load(shop_world **out, const char *path, cmat_error *err);
shop_world *shop_world_ref(shop_world *w);
void shop_world_unref(shop_world *w); /* accepts NULL */
/* By ASIN, letter case ignored; NULL: none. */
const shop_product *shop_world_find(const shop_world *w, const char *asin);

/* The JSON object of a product in a line or entry, or NULL: it is none. Borrowed. */
const json_t *shop_product_json(const json_t *entry);
/* Calls each for every entry of a products file with its number from 1 on; a status other than
 * CMAT_OK stops. */
cmat_status shop_file_read(const char *path,
                           cmat_status (*each)(void *arg, json_t *entry, size_t number,
                                               cmat_error *err),
                           void *arg, cmat_error *err);

/* A number as Python writes it: "34.0". */
void shop_python_float(cmat_buf *out, double x);

/* Worlds that are open now, by name, so that episodes share them: a file is read and a shop is made
 * once. A few that nobody uses stay. */
typedef struct shop_pool shop_pool;
shop_pool *shop_pool_new(void);
shop_pool *shop_pool_ref(shop_pool *p);
void shop_pool_unref(shop_pool *p);
/* *out is a new reference: the world of that name, made by `make` (with arg) if it is not there. */
cmat_status shop_pool_get(shop_pool *p, const char *name,
                          cmat_status (*make)(shop_world **out, const char *name, void *arg,
                                              cmat_error *err),
                          void *arg, shop_world **out, cmat_error *err);
#endif
