/* env/shop/play.h - a customer in a shop: which page is open, what can be clicked there. The text
 * environment shows it; the web site keeps its state in addresses instead. */
#ifndef CMAT_ENV_SHOP_PLAY_H
#define CMAT_ENV_SHOP_PLAY_H
#include "env/shop/reward.h"
#include "env/shop/world.h"

typedef enum {
    SHOP_SEARCH,
    SHOP_RESULTS,
    SHOP_ITEM,
    SHOP_DESCRIPTION,
    SHOP_FEATURES,
    SHOP_REVIEWS,
    SHOP_DONE
} shop_page;

typedef struct {
    const shop_world *world; /* borrowed */
    shop_page page;
    cmat_buf keywords; /* of the last search, lower case */
    int page_no;       /* of its results, from 1 on */
    uint32_t hits[SHOP_HITS];
    size_t n_hits;
    const shop_product *item;     /* NULL before one is opened */
    int chosen[SHOP_OPTIONS_MAX]; /* of the item's options: a place in its values, or -1 */
} shop_play;                      /* all zero but world: a shop just entered */

void shop_play_start(shop_play *p, const shop_world *world);
void shop_play_clear(shop_play *p);

/* What can be clicked on the open page. */
typedef enum {
    SHOP_TO_SEARCH,
    SHOP_PREV,
    SHOP_NEXT,
    SHOP_PRODUCT,
    SHOP_OPTION,
    SHOP_SUBPAGE,
    SHOP_BUY,
    SHOP_NOTHING /* the search page's button, which needs words */
} shop_click_kind;
typedef struct {
    const char *label; /* in lower case, as click[...] names it */
    shop_click_kind kind;
    const shop_product *product; /* SHOP_PRODUCT */
    int option, value;           /* SHOP_OPTION */
    shop_page page;              /* SHOP_SUBPAGE */
    int order;                   /* its place on the page */
} shop_click;
/* In the page's order, no label twice: of equal ones the last counts, in the first's place. *out is
 * the caller's to free(); labels are borrowed from the world. */
size_t shop_play_clicks(const shop_play *p, shop_click **out);

/* Searches and opens the first page of results; of words nothing is kept. */
void shop_play_search(shop_play *p, const char *words);
/* False: there is nothing with that label here, and nothing happens. Letter case does not matter.
 */
bool shop_play_click(shop_play *p, const char *label);

/* The products on the open page of results: how many, the first at *first in hits. */
size_t shop_play_shown(const shop_play *p, size_t *first);
/* Values chosen so far: (n) borrowed strings. */
size_t shop_play_chosen(const shop_play *p, const char *out[SHOP_OPTIONS_MAX]);
#endif
