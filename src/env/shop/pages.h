/* env/shop/pages.h - the shop's pages as text. Texts of products are made inert and cut. */
#ifndef CMAT_ENV_SHOP_PAGES_H
#define CMAT_ENV_SHOP_PAGES_H
#include "env/shop/play.h"

/* WebShop's text mode: the page's texts with " [SEP] " between them. */
void shop_page_seps(cmat_buf *out, const shop_play *p, const char *instruction, size_t budget);
/* AgentBench's line below it: the dict of what can be done, as Python prints it; at most budget
 * bytes, some left out then. */
void shop_page_offers(cmat_buf *out, const shop_play *p, size_t budget);

/* Ours: a line that says where one is, then SHOP_PAGE_MARK and the page, what can be clicked in
 * square brackets. */
#define SHOP_PAGE_MARK "The page:\n"
void shop_page_short(cmat_buf *out, const shop_play *p, size_t budget);
#endif
