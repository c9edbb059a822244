/* env/kg/store.h - the SQLite file of a graph, for the files that write it (build.c) and that make
 * tasks from it (make.c).
 *
 *  meta(key, value)    "about", "prefix" (of IRIs whose names are written without it), "source",
 *                      "inverses" ("1": relations may be followed backwards)
 *  type(id, name)
 *  relation(id, name, iri, domain, range, neighbors, attribute, n)
 *      domain, range: type ids; neighbors, attribute: which tools list it; n: triples
 *  node(id, name, label, num, literal)  label NULL: the name; num: of a value that orders
 *  edge(s, r, o)       by node and relation, and by object
 *  has(node, r)        relations of a node; r < 0: those that lead to it
 *  fit(a, b)           pairs of types, a < b, that some node is of both */
#ifndef CMAT_ENV_KG_STORE_H
#define CMAT_ENV_KG_STORE_H
#include "env/kg/graph.h"
#include <sqlite3.h>

#define KG_STORE_ID 0x636d6b67 /* application_id: "cmkg" */
#define KG_STORE_VERSION 1

typedef struct {
    int id, domain, range;
    char *name, *iri;
    bool neighbors, attribute;
    int64_t n;
} kg_relation;

typedef struct {
    kg_graph base;
    sqlite3 *db;
    sqlite3_stmt *out, *in, *has, *name_of, *id_of, *nums;
    char *path, *prefix;
    kg_relation *relations; /* (n_relations) in order of their names */
    kg_relation **by_id;    /* (max_relation + 1) */
    size_t n_relations;
    int max_relation;
    char **types; /* (n_types), by id */
    int n_types;
    uint8_t *fit; /* (n_types, n_types) bits */
    bool inverses;
} kg_store;

/* Relation of that name; NULL: none. *inverse: it was written "^name". */
const kg_relation *kg_store_relation(const kg_store *s, const char *name, bool *inverse);
/* The nodes of set i, worked out now if need be. CMAT_ERR_LIMIT: more than KG_SET_MAX. */
cmat_status kg_store_set(kg_store *s, kg_expr *e, int i, const kg_set **out, cmat_error *err);
cmat_status kg_store_fail(const kg_store *s, const char *what, cmat_error *err);
bool kg_store_is(const char *path); /* whether the file begins as a store does */
#endif
