/* env/shop/site_session.h - the sessions of a web site: their tasks and what was bought in them. */
#ifndef CMAT_ENV_SHOP_SITE_SESSION_H
#define CMAT_ENV_SHOP_SITE_SESSION_H
#include "env/shop/shop.h"

enum { SHOP_SESSION_ID = 16, SHOP_SESSIONS_MAX = 4096 };

typedef struct shop_session {
    char id[SHOP_SESSION_ID + 1];
    json_t *task;
    shop_world *world;
    shop_goal goal;
    const shop_product *bought;   /* NULL: nothing yet */
    int chosen[SHOP_OPTIONS_MAX]; /* of its options: a place in the values, or -1 */
    double reward;
    struct shop_session *next;
} shop_session;

typedef struct {
    shop_session *newest;
    size_t n;
} shop_sessions;

/* Begins a session; the oldest ends when there are too many. */
cmat_status shop_session_new(shop_sessions *all, shop_pool *pool, shop_world *own,
                             const json_t *task, shop_session **out, cmat_error *err);
/* By the id after the "/s/" in an address; NULL: there is none. */
shop_session *shop_session_find(const shop_sessions *all, const char *address);
void shop_session_end(shop_sessions *all, shop_session *s); /* s may be NULL */
void shop_sessions_clear(shop_sessions *all);
/* chosen: (SHOP_OPTIONS_MAX) places in the values, -1 for none. The first purchase counts. */
void shop_session_buy(shop_session *s, const shop_product *p, const int *chosen);
void shop_session_return(shop_session *s);
/* "B07XYZ1234 0=2 1=0", options and values by their places; "" for nothing. */
void shop_session_print(const shop_session *s, cmat_buf *out);
/* False: it is not such a line, or names what is not in the shop; nothing has changed then. */
bool shop_session_parse(shop_session *s, const char *line);
#endif
