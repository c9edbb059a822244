/* env/kg/http.h - a query sent to a SPARQL 1.1 endpoint, its results as JSON. */
#ifndef CMAT_ENV_KG_HTTP_H
#define CMAT_ENV_KG_HTTP_H
#include "cmat/error.h"
#include <jansson.h>

typedef struct kg_http kg_http;
kg_http *kg_http_new(const char *url, double timeout);
void kg_http_free(kg_http *h); /* accepts NULL */
/* *out: a new reference to application/sparql-results+json. CMAT_ERR_UNSUPPORTED: the server
 * refused the query; CMAT_ERR_LIMIT: it took too long, or said too much; CMAT_ERR_IO: it cannot be
 * reached. */
cmat_status kg_http_query(kg_http *h, const char *sparql, json_t **out, cmat_error *err);
#endif
