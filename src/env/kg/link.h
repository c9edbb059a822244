/* env/kg/link.h - the entities that a person's question names. */
#ifndef CMAT_ENV_KG_LINK_H
#define CMAT_ENV_KG_LINK_H
#include "env/kg/graph.h"
#include <jansson.h>

/* {label: name of the node} of what the question names: the longest labels found in it, whatever
 * their case, that do not overlap; where several nodes have one label, the one that most triples
 * are about. Words in lower case count only where nothing else is found. New reference, empty when
 * nothing is. CMAT_ERR_UNSUPPORTED: an endpoint's labels cannot be looked through. */
cmat_status kg_link(kg_graph *g, const char *question, json_t **out, cmat_error *err);
/* The same of labels or names that are given, with ';' between them; CMAT_ERR_NOT_FOUND: one that
 * the graph does not have (an endpoint is taken at its word). */
cmat_status kg_link_named(kg_graph *g, const char *names, json_t **out, cmat_error *err);
#endif
