/* env/web/shop_pages.h - the shop environment's tasks on its web site, in a browser. */
#ifndef CMAT_ENV_WEB_SHOP_PAGES_H
#define CMAT_ENV_WEB_SHOP_PAGES_H
#include "env/web/site.h"

/* A task of `cmat env tasks shop`. */
bool web_is_shop_task(const json_t *task);
/* What to do next on the shop's page that is shown, by the task's gold ("search[words]",
 * "click[item]", "click[option]" ..., "click[buy now]"); false: there is nothing to do. */
bool web_shop_solve(const json_t *task, const web_page *page, web_move *out);
#endif
