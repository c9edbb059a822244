/* env/web/serve.h - made sites over HTTP on loopback, each under a host name of its own
 * ("TOKEN.localhost", which browsers take for loopback without asking anyone), so that no cookie or
 * storage is shared between episodes. The same port answers as a proxy that refuses everything:
 * what a browser may not reach is sent there. */
#ifndef CMAT_ENV_WEB_SERVE_H
#define CMAT_ENV_WEB_SERVE_H
#include "env/web/site.h"

typedef struct web_server web_server; /* its own thread; safe for several */

cmat_status web_server_open(web_server **out, cmat_error *err);
void web_server_close(web_server *s); /* accepts NULL */
int web_server_port(const web_server *s);
/* How many requests for other hosts were refused so far. */
size_t web_server_refused(web_server *s);

enum { WEB_TOKEN = 20 };
/* Serves a site (borrowed until web_server_drop) under a new token. */
void web_server_add(web_server *s, const json_t *site, char token[WEB_TOKEN]);
void web_server_drop(web_server *s, const char *token);
web_site_state web_server_state(web_server *s, const char *token);
#endif
