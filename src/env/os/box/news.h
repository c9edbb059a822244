/* env/os/box/news.h - what a shell has come to know, told from what it says of itself. */
#ifndef CMAT_ENV_OS_BOX_NEWS_H
#define CMAT_ENV_OS_BOX_NEWS_H
#include "env/os/box/io.h"

/* Appends the lines of `text` (`declare -p`, `set +o` ...) that `before` has not, without variables
 * that change by themselves or are the driver's own. */
void box_news_lines(const char *text, const char *before, box_bytes *out);
/* Appends the functions of `text` (`declare -f`) but the driver's own, which comes first of those
 * with its name. */
void box_news_functions(const char *text, box_bytes *out);
#endif
