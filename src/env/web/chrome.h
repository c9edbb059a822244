/* env/web/chrome.h - Chromium behind the same pages: one browser for many episodes, each in a
 * context of its own (no cookies or storage in common), through chromedriver (W3C WebDriver) and a
 * server on loopback for made sites. Nothing but loopback and the allowed hosts can be reached. */
#ifndef CMAT_ENV_WEB_CHROME_H
#define CMAT_ENV_WEB_CHROME_H
#include "env/shop/site.h"
#include "env/web/element.h"
#include "env/web/site.h"

typedef struct web_chrome web_chrome; /* shared by environments; safe for several threads */
typedef struct web_tab web_tab;       /* one episode's window; of one thread at a time */

/* allow: "host,host:port", beside loopback; NULL: none. Nothing is started before the first tab. */
cmat_status web_chrome_open(web_chrome **out, const char *allow, cmat_error *err);
web_chrome *web_chrome_ref(web_chrome *c);
void web_chrome_unref(web_chrome *c); /* the last one ends the browser */
/* How many requests of its pages to hosts that are not allowed were refused so far. */
size_t web_chrome_refused(const web_chrome *c);

/* The shop's web site, opened when first asked for; the chrome's. */
cmat_status web_chrome_shop(web_chrome *c, shop_site **out, cmat_error *err);

typedef struct {
    const json_t *site;    /* a made site, borrowed; NULL: see url */
    const char *url;       /* where to begin */
    const char *hidden_id; /* an element of this id is never shown; NULL: none */
    double timeout;        /* seconds for a page; 0: 20 */
} web_tab_options;
cmat_status web_tab_open(web_tab **out, web_chrome *c, const web_tab_options *o, cmat_error *err);
void web_tab_close(web_tab *t);
const web_page *web_tab_page(const web_tab *t); /* as it was after the last action */
const char *web_tab_url(const web_tab *t);
web_site_state web_tab_state(const web_tab *t);
/* Does it and reads the page again. *ok false: it could not be done, note says why. */
cmat_status web_tab_act(web_tab *t, web_op op, int node, const char *value, bool *ok,
                        cmat_buf *note, cmat_error *err);
#endif
