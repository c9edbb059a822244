/* env/kg/build.h - makes a store out of triples: collects them in memory, finds types, writes the
 * file.
 *
 * Types of what a relation starts from and leads to come, in this order, from what was said about
 * it (roles files, rdfs:domain and rdfs:range), from its name where it is Freebase's
 * ("film.film.genre" starts from film.film), from values that are numbers or dates, from most
 * members' rdf:type, from the known type that most members have, and last from relations with the
 * same members. */
#ifndef CMAT_ENV_KG_BUILD_H
#define CMAT_ENV_KG_BUILD_H
#include "cmat/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_NONE UINT32_MAX

typedef struct kg_build kg_build;
kg_build *kg_build_new(const char *source); /* source: for "about" (copied) */
void kg_build_free(kg_build *b);            /* accepts NULL */

/* The node of that name, new or known; KG_NONE: the name is empty or too long (counted). */
uint32_t kg_build_node(kg_build *b, const char *name, size_t len);
void kg_build_label(kg_build *b, uint32_t node, const char *label,
                    size_t len);                   /* the first stays */
void kg_build_literal(kg_build *b, uint32_t node); /* a value, never followed backwards */
void kg_build_instance(kg_build *b, uint32_t node, const char *type, size_t len); /* rdf:type */
/* The relation of that IRI (or plain name); its name is the IRI's last part, cleaned. */
uint32_t kg_build_relation(kg_build *b, const char *iri, size_t len);
const char *kg_build_relation_name(const kg_build *b, uint32_t relation);
/* Which tools list it, instead of what its values say. */
void kg_build_flags(kg_build *b, uint32_t relation, bool neighbors, bool attribute);
/* What is said of a relation's types, by its name (or the first part of an IRI's): either may be
 * NULL. */
void kg_build_role(kg_build *b, const char *relation, const char *domain, const char *range);
/* CMAT_ERR_LIMIT: more triples than are held in memory. Any argument KG_NONE: left out. */
cmat_status kg_build_triple(kg_build *b, uint32_t s, uint32_t r, uint32_t o, cmat_error *err);
void kg_build_skip(kg_build *b); /* counts a line that was left out */
/* Relations may not be followed backwards: the graph has a relation for each direction. */
void kg_build_one_way(kg_build *b);
size_t kg_build_n_triples(const kg_build *b);
size_t kg_build_n_skipped(const kg_build *b);

/* Writes the store to path (whole or not at all), with a progress bar. */
cmat_status kg_build_save(kg_build *b, const char *path, cmat_error *err);

/* ---- what reads files into one ---- */
/* Lines of three fields between tabs or "|"; names are labels. */
cmat_status kg_read_tsv(kg_build *b, const char *path, cmat_error *err);
/* A folder with entity2id.txt, relation2id.txt, train2id.txt ...; entity2text.txt: labels. */
cmat_status kg_read_openke(kg_build *b, const char *folder, cmat_error *err);
/* N-Triples, Turtle, N-Quads, TriG, by the ending of the name. CMAT_ERR_UNSUPPORTED: built without
 * serd. */
cmat_status kg_read_rdf(kg_build *b, const char *path, cmat_error *err);
/* Lines of "domain relation range", as Freebase's fb_roles. */
cmat_status kg_read_roles(kg_build *b, const char *path, cmat_error *err);
/* AgentBench's tasks with gold calls: the closed graph of their paths (closed.c). */
cmat_status kg_read_closed(kg_build *b, const char *path, cmat_error *err);
#endif
