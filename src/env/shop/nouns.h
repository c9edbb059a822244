/* env/shop/nouns.h - the nouns of a product's title, for WebShop's title score. The original asks
 * spaCy's small English model; this is a small tagger of our own for titles (docs/SHOP.md says how
 * often the two come to the same reward). */
#ifndef CMAT_ENV_SHOP_NOUNS_H
#define CMAT_ENV_SHOP_NOUNS_H
#include "core/buf.h"
#include <stddef.h>

/* The nouns, proper names among them, in lower case and in order, each with a NUL behind it; how
 * many. */
size_t shop_nouns(cmat_buf *out, const char *title);
#endif
