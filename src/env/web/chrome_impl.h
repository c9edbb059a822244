/* env/web/chrome_impl.h - what chrome.c (the browser) and tab.c (its pages) share. */
#ifndef CMAT_ENV_WEB_CHROME_IMPL_H
#define CMAT_ENV_WEB_CHROME_IMPL_H
#include "env/web/chrome.h"
#include "env/web/driver.h"
#include "env/web/serve.h"
#include <pthread.h>

enum { WEB_IDLE_MAX = 16 };

struct web_chrome {
    int n_refs;
    char *allow;
    pthread_mutex_t lock; /* of the driver: a window is chosen, then commanded */
    web_driver *driver;   /* NULL: no browser runs */
    unsigned generation;  /* of the browser: one more with each that is started */
    web_server *server;
    shop_site *shop;
    char *window;             /* the browser's first, kept so that it stays open */
    char *current;            /* the one that commands go to; NULL: not known */
    char *idle[WEB_IDLE_MAX]; /* (n_idle) windows of made sites that are over, for the next ones */
    size_t n_idle;
    struct web_tab *tabs;
};

struct web_tab {
    web_chrome *chrome;  /* a reference */
    unsigned generation; /* of the browser that its window is in */
    char *window;
    char token[WEB_TOKEN]; /* of a made site, else "" */
    web_page page;
    char *url, *hidden_id;
    struct web_tab *next; /* of the chrome's open ones */
};

/* All with the chrome's lock held. */

/* Sees to it that a browser runs; one that has ended is started anew. */
cmat_status web_chrome_start(web_chrome *c, cmat_error *err);
/* Has the browser ended? Then it is put away, what it had is gone, and the next web_chrome_start
 * starts another. */
bool web_chrome_has_ended(web_chrome *c);
/* Later commands go to this window. */
cmat_status web_chrome_choose(web_chrome *c, const char *window, cmat_error *err);
/* Closes the windows that are no tab's (any more): this one's, and those that its pages opened. */
void web_chrome_close_windows(web_chrome *c);
#endif
