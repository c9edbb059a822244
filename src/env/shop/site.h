/* env/shop/site.h - a shop as a small web site on the loopback interface: search form, results,
 * item page with radio buttons, description, features, reviews, buying, an end page.
 *
 * For `cmat env serve shop`, and for the web environment, which starts it in its own process:
 *
 *     shop_site *site;
 *     shop_site_open(&site, &(shop_site_options){0}, err);   // any free port
 *     shop_site_start(site, task, url, err);                 // "http://127.0.0.1:40123/s/3f.../"
 *     ... a browser is led from url on ...
 *     shop_site_score(site, url, &score, &bought, err);
 *     shop_site_end(site, url);
 *     shop_site_close(site);
 *
 * What a page shows is in its address; the site keeps of a session only its task and what was
 * bought. On the end page the reward stands in the element with the id "reward" and nowhere else,
 * so that an observation can leave it out. Pages need no script, cookie or picture.
 *
 *     /s/ID/                           search form (GET search?q=...)
 *     /s/ID/search?q=...&page=2        results; links of class "product-link" lead to items
 *     /s/ID/item/ASIN?q=...&page=2     item; form (POST .../buy) with radio buttons option-0 ...
 *     /s/ID/item/ASIN/description      and features, reviews
 *     /s/ID/done                       the end
 *
 * All functions may be called from any thread. */
#ifndef CMAT_ENV_SHOP_SITE_H
#define CMAT_ENV_SHOP_SITE_H
#include "env/env.h"

typedef struct shop_site shop_site;

typedef struct {
    const char *path;     /* the products, as cmat_env_options.path; NULL: tasks say which */
    int port;             /* 0: a free one */
    const cmat_env *like; /* an open shop environment whose products are shared, or NULL */
} shop_site_options;

enum { SHOP_URL_MAX = 80 };

/* *out is the caller's (shop_site_close). CMAT_ERR_UNSUPPORTED: this build has no web server;
 * CMAT_ERR_IO: the port is taken. */
cmat_status shop_site_open(shop_site **out, const shop_site_options *o, cmat_error *err);
void shop_site_close(shop_site *s); /* accepts NULL */
int shop_site_port(const shop_site *s);

/* A new session with a task of the shop environment: url gets the address of its first page. At
 * most 4,096 are kept; then the oldest ends. */
cmat_status shop_site_start(shop_site *s, const cmat_task *task, char url[SHOP_URL_MAX],
                            cmat_error *err);
/* url: any address of the session's, or its path alone. *score: 0 until something was bought.
 * CMAT_ERR_NOT_FOUND: there is no such session. */
cmat_status shop_site_score(shop_site *s, const char *url, double *score, bool *bought,
                            cmat_error *err);
/* What was bought is given back: the session is as it was at its start. */
cmat_status shop_site_return(shop_site *s, const char *url, cmat_error *err);
/* What was bought as a line of text, "" for nothing, appended to out: with the
 * open page's address all of a session's state. shop_site_set brings it back. */
cmat_status shop_site_get(shop_site *s, const char *url, cmat_buf *out, cmat_error *err);
cmat_status shop_site_set(shop_site *s, const char *url, const char *bought, cmat_error *err);
void shop_site_end(shop_site *s, const char *url);

/* Tasks that the page "/" offers to begin; kept until the site closes, and the caller's. */
void shop_site_offer(shop_site *s, const cmat_task_list *tasks);
#endif
