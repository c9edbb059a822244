/* env/shop/fuzzy.h - when WebShop takes two phrases for the same. */
#ifndef CMAT_ENV_SHOP_FUZZY_H
#define CMAT_ENV_SHOP_FUZZY_H
#include <stdbool.h>

/* thefuzz's token_set_ratio, 0 to 100: the words of both (letters and digits, lower case, without
 * U+0080 to U+00FF) as sets; the best of three similarities of what they share and do not share,
 * each 1 - indel distance / length. Phrases are compared up to their first 500 characters. */
int shop_token_set_ratio(const char *a, const char *b);
/* Above 85: WebShop's line between the same and another. */
bool shop_alike(const char *a, const char *b);
/* The first of WebShop's colours that occurs in the text, in the order of its list; NULL: none. */
const char *shop_colour_in(const char *text);
/* The first of them that is one of the two strings; NULL: neither is a colour. */
const char *shop_colour_of_pair(const char *a, const char *b);
#endif
