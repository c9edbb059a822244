/* env/shop/nouns.c - see nouns.h. */
#include "env/shop/nouns.h"
#include "env/shop/analysis.h"
#include <stdbool.h>
#include <string.h>

size_t shop_nouns(cmat_buf *out, const char *title)
{
    cmat_buf words = {0};
    size_t n = shop_words(&words, title, strlen(title)), found = 0;
    for (const char *w = cmat_buf_str(&words); n > 0; n--, w += strlen(w) + 1) {
        if (w[0] >= '0' && w[0] <= '9')
            continue;
        shop_lower(out, w, strlen(w));
        cmat_buf_putc(out, 0);
        found++;
    }
    cmat_buf_clear(&words);
    return found;
}
