/* env/kg/ontology.h - Freebase's relations as AgentBench keeps them: a folder with fb_roles
 * ("domain relation range" a line) and vocab.json ({"relations": [...], "attributes": [...]}). */
#ifndef CMAT_ENV_KG_ONTOLOGY_H
#define CMAT_ENV_KG_ONTOLOGY_H
#include "cmat/error.h"
#include "env/kg/graph.h"
#include <jansson.h>

typedef struct {
    json_t *relations;                 /* object: name -> [domain, range] */
    json_t *by_domain;                 /* object: domain -> [names of relations that vocab lists] */
    json_t *attributes;                /* object: domain -> [names of attributes] */
    kg_list listed, listed_attributes; /* vocab's, sorted; empty: no vocab.json */
} kg_ontology;                         /* all zero is empty: nothing is known */

/* Reads the folder. CMAT_ERR_NOT_FOUND (nothing written to err): there is none. */
cmat_status kg_ontology_load(kg_ontology *o, const char *folder, cmat_error *err);
void kg_ontology_clear(kg_ontology *o);
const char *kg_ontology_domain(const kg_ontology *o, const char *relation); /* NULL: not known */
const char *kg_ontology_range(const kg_ontology *o, const char *relation);
#endif
