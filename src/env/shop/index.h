/* env/shop/index.h - search over the products: BM25 as Lucene 8 computes it, k1 0.9 and b 0.4,
 * which is what WebShop asks of it. (SQLite's FTS5 fixes k1 1.2 and b 0.75 and cuts words
 * otherwise: see docs/SHOP.md.) */
#ifndef CMAT_ENV_SHOP_INDEX_H
#define CMAT_ENV_SHOP_INDEX_H
#include <stddef.h>
#include <stdint.h>

typedef struct shop_index shop_index;

shop_index *shop_index_new(void);
void shop_index_free(shop_index *x); /* accepts NULL */
/* Adds a document of valid UTF-8; the first is number 0. id decides between equal scores and is
 * borrowed for as long as the index lives. */
void shop_index_add(shop_index *x, const char *id, const char *text, size_t len);
/* After the last document, before the first search. */
void shop_index_finish(shop_index *x);
/* The best documents for the words of text, the best first, equal ones by id: their numbers into
 * hits (max), how many they are. scores may be NULL. May be called from several threads. */
size_t shop_index_search(const shop_index *x, const char *text, size_t len, uint32_t *hits,
                         float *scores, size_t max);
#endif
