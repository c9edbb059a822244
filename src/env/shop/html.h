/* env/shop/html.h - the shop's pages as HTML. All text of products and customers is escaped and
 * made inert. */
#ifndef CMAT_ENV_SHOP_HTML_H
#define CMAT_ENV_SHOP_HTML_H
#include "env/shop/reward.h"

/* What the pages of a session share. */
typedef struct {
    const char *base; /* "/s/3f.../" */
    const char *instruction;
    const char *words; /* of the search that led here; "" for none */
    int page_no;
} shop_html;

void shop_html_search(cmat_buf *out, const shop_html *h);
/* hits: (n) all results, as numbers of products. */
void shop_html_results(cmat_buf *out, const shop_html *h, const shop_world *w, const uint32_t *hits,
                       size_t n);
void shop_html_item(cmat_buf *out, const shop_html *h, const shop_product *p);
/* which: "description", "features", "reviews"; false: another. */
bool shop_html_subpage(cmat_buf *out, const shop_html *h, const shop_product *p, const char *which);
void shop_html_done(cmat_buf *out, const shop_html *h, const shop_product *p, double reward);
/* A page that says one thing ("There is no such page."). */
void shop_html_message(cmat_buf *out, const char *title, const char *text);
/* Head and foot of any other page. */
void shop_html_begin(cmat_buf *out, const char *title);
void shop_html_end(cmat_buf *out);
void shop_html_text(cmat_buf *out, const char *s);
#endif
