/* env/web/browse.h - a browser without a window and without scripts: pages, links, forms. It shows
 * made sites (site.h) and, for tests, any page that a callback gives. */
#ifndef CMAT_ENV_WEB_BROWSE_H
#define CMAT_ENV_WEB_BROWSE_H
#include "env/web/site.h"

enum { WEB_HISTORY = 16 };

typedef struct {
    const json_t *site; /* borrowed */
    web_site_state state;
    web_page page; /* fields hold what was entered: value, checked, selected */
    char *url;     /* of the page: path and query */
    char *history[WEB_HISTORY];
    int n_history;
    cmat_buf edits; /* what the fields hold: "node\tvalue\n", in order of nodes */
} web_browser;      /* all zero is empty */

/* Opens the first page, or (url not NULL) the one there, which must be on the site. */
void web_browser_start(web_browser *b, const json_t *site, const char *url);
void web_browser_clear(web_browser *b);
/* Does it. False: it could not be done, note (appended to) says why. */
bool web_browser_act(web_browser *b, web_op op, int node, const char *value, cmat_buf *note);
/* Why the operation does not fit the element; NULL: it does. Also of pages of a real browser. */
const char *web_unfit(const web_page *p, web_op op, int node, const char *value);

/* State as bytes and back; equal states give equal bytes. False: not of this site. */
void web_browser_save(const web_browser *b, cmat_buf *out);
bool web_browser_load(web_browser *b, const char *state, size_t len);
#endif
