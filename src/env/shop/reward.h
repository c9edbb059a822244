/* env/shop/reward.h - what is asked for, and WebShop's reward for what was bought (Yao et al. 2022,
 * as its code computes it):
 *
 *   r = r_type (attributes met + options met + [price within the limit]) / (attributes + options +
 * 1)
 */
#ifndef CMAT_ENV_SHOP_REWARD_H
#define CMAT_ENV_SHOP_REWARD_H
#include "env/shop/world.h"

typedef struct {
    const char *name; /* "color"; NULL: people's goals name values only, which changes the match */
    const char *value;
} shop_wish;

/* Of a task: strings are borrowed from its JSON. */
typedef struct {
    const char *asin, *name, *query, *product_category;
    shop_list attributes;
    shop_wish *options; /* (n_options) */
    size_t n_options;
    double price_upper; /* 1000000: no limit */
} shop_goal;

/* From {"asin", "name", "query", "product_category", "attributes": [...], "options": {name: value}
 * or [value, ...], "price_upper"}. CMAT_ERR_FORMAT: a member is missing. */
cmat_status shop_goal_init(shop_goal *g, const json_t *j, const char *what, cmat_error *err);
void shop_goal_clear(shop_goal *g);

/* An attribute of the goal: much like one of the product's, or said in its title, bullet points or
 * description. */
bool shop_attribute_met(const shop_product *p, const char *attribute);
/* An option of the goal, by one of the values chosen: (n) strings. */
bool shop_option_met(const shop_wish *wish, const char *const *chosen, size_t n);

typedef struct {
    double r_type, title_score, total;
    bool query_match, category_match, price_ok;
    size_t n_attributes, n_options; /* met */
} shop_reward;

/* chosen: (n) values of options, in any order. */
shop_reward shop_reward_of(const shop_product *p, const shop_goal *g, const char *const *chosen,
                           size_t n);
#endif
