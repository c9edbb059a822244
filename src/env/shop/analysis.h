/* env/shop/analysis.h - words of a text as Lucene's English analysis gives them: the word
 * boundaries of Unicode (UAX 29), lower case, no "'s", no stop words, Porter's stems. */
#ifndef CMAT_ENV_SHOP_ANALYSIS_H
#define CMAT_ENV_SHOP_ANALYSIS_H
#include "core/buf.h"
#include <stdbool.h>
#include <stddef.h>

/* The terms of valid UTF-8 text s[0..n), in order, appended to out, each with a NUL behind it.
 * Returns how many. */
size_t shop_analyse(cmat_buf *out, const char *s, size_t n);
/* The words alone, as Lucene's StandardTokenizer cuts them, NUL after each. */
size_t shop_words(cmat_buf *out, const char *s, size_t n);
/* Stems a lower-case word in place; its new length. M. F. Porter, "An algorithm for suffix
 * stripping", Program 14 (1980), with the two later rules of its author that Lucene has (-bli,
 * -logi). */
size_t shop_porter(char *word, size_t len);
#endif
