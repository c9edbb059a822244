/* env/shop/reply.h - the action in a reply. */
#ifndef CMAT_ENV_SHOP_REPLY_H
#define CMAT_ENV_SHOP_REPLY_H
#include "core/buf.h"
#include <stdbool.h>

typedef enum { SHOP_NO_ACTION, SHOP_SAY_SEARCH, SHOP_SAY_CLICK, SHOP_SAY_OTHER } shop_verb;
typedef struct {
    shop_verb verb; /* OTHER: an action of AgentBench's form that WebShop does not know */
    cmat_buf arg;
} shop_action; /* all zero is empty */
void shop_action_clear(shop_action *a);

/* Our style: the first line that is not empty and no thought ("Think: ..."): search[...] or
 * click[...] up to the line's last bracket. */
void shop_reply_short(shop_action *a, const char *reply);
/* AgentBench's: the first match of [Aa]ction: *\n* *((search|click)\[.+?]), read by WebShop as
 * (.+)\[(.+)\]. */
void shop_reply_agentbench(shop_action *a, const char *reply);
#endif
