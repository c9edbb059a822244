/* env/kg/graph.h - a knowledge graph as the tools see it: sets of nodes made from nodes by
 * following relations, and what may be asked of such a set.
 *
 * A set is an expression: an array of kg_expr in which each element is made from earlier ones. Two
 * kinds of graph answer for them: an SQLite file (store.c), which works sets out at once, and a
 * SPARQL 1.1 endpoint (sparql.c), which is asked when something is wanted.
 *
 * A set never holds a node that it was made from, as AgentBench's queries leave the question's
 * entities out of their answer; a graph may do so for the last step only (kg_graph.last_only).
 *
 * Names are unique and exact (an IRI without the graph's prefix, "m.027rn", "Film 12"); labels are
 * for people, may repeat, and are inert text. Relations against their direction are written
 * "^name". */
#ifndef CMAT_ENV_KG_GRAPH_H
#define CMAT_ENV_KG_GRAPH_H
#include "cmat/error.h"
#include "core/buf.h"
#include <stdbool.h>
#include <stdint.h>

#define KG_WORD_MAX 120     /* bytes of a relation's or type's name, a few more at most */
#define KG_LABEL_MAX 200    /* bytes of a label */
#define KG_NAME_MAX 2000    /* bytes of a node's name; longer ones are left out on import */
#define KG_SET_MAX 2000000u /* nodes of a set */
#define KG_NUMBER "number"  /* types of attributes' values */
#define KG_DATE "date"

/* ---- lists of strings ---- */
typedef struct {
    cmat_buf text; /* each with its NUL */
    size_t *at, n, cap;
} kg_list; /* all zero is empty */
void kg_list_add(kg_list *l, const char *s);
const char *kg_list_get(const kg_list *l, size_t i);
void kg_list_sort(kg_list *l);                     /* as strcmp does; equal ones become one */
bool kg_list_has(const kg_list *l, const char *s); /* of a sorted list */
/* The one that takes the fewest bytes to change into s; NULL when none comes near. */
const char *kg_list_nearest(const kg_list *l, const char *s);
void kg_list_clear(kg_list *l);

/* ---- expressions ---- */
typedef enum { KG_ENTITY, KG_NEIGHBORS, KG_AND, KG_ARGMAX, KG_ARGMIN, KG_COUNT } kg_op;
typedef struct {
    uint32_t *ids; /* (n) ascending */
    size_t n;
    bool known;
} kg_set;
typedef struct {
    kg_op op;
    int a, b;   /* what it is made from: earlier elements; b: AND only; ENTITY: neither */
    char *name; /* ENTITY: the node's; NEIGHBORS, ARGMAX, ARGMIN: the relation's; owned */
    kg_set set; /* the store's, worked out when it is first wanted */
} kg_expr;
void kg_expr_clear(kg_expr *e);

/* ---- graphs ---- */
typedef struct kg_graph kg_graph;
typedef struct {
    void (*close)(kg_graph *g);
    /* Sorted names of the relations (attributes: with comparable values) that any node of set i
     * has. */
    cmat_status (*relations)(kg_graph *g, kg_expr *e, int i, kg_list *out, cmat_error *err);
    cmat_status (*attributes)(kg_graph *g, kg_expr *e, int i, kg_list *out, cmat_error *err);
    /* Sorted names of the nodes of set i; of a COUNT the number. max: stop there (0: all). */
    cmat_status (*values)(kg_graph *g, kg_expr *e, int i, size_t max, kg_list *out,
                          cmat_error *err);
    cmat_status (*size)(kg_graph *g, kg_expr *e, int i, size_t *n, cmat_error *err);
    /* The type of what the relation leads to; NULL: no such relation, "": not known. Borrowed. */
    const char *(*range)(kg_graph *g, const char *relation);
    /* Whether a node may be of both types. */
    bool (*fits)(kg_graph *g, const char *a, const char *b);
    /* Whether there is such a node. NULL: cannot be told without asking. */
    bool (*has)(kg_graph *g, const char *name);
    /* Appends the label of a node, or its name where it has none. */
    void (*label)(kg_graph *g, const char *name, cmat_buf *out);
    /* Calls found with label, name and number of triples of every node whose label is wanted. NULL:
     * its nodes cannot be gone through. */
    cmat_status (*find)(kg_graph *g, bool (*wanted)(void *user, const char *label),
                        void (*found)(void *user, const char *label, const char *name,
                                      size_t n_triples),
                        void *user, cmat_error *err);
} kg_graph_ops;

struct kg_graph { /* first member of each kind's own struct */
    const kg_graph_ops *ops;
    int refs;
    bool last_only; /* see above */
};

/* Opens what `path` names: a store (.kg), a file of triples (imported once into a store in the
 * user's data folder), a folder as OpenKE writes it, AgentBench's tasks (the closed graph of their
 * gold paths), an endpoint's address, or a .json file that describes one. timeout: seconds of a
 * request. */
cmat_status kg_graph_open(kg_graph **out, const char *path, double timeout, cmat_error *err);
bool kg_is_address(const char *path); /* an endpoint's: http://... */
/* Whether it looks like a graph's, and not like another world's: by its name, but for stores. */
bool kg_is_graph(const char *path);
kg_graph *kg_graph_ref(kg_graph *g);
void kg_graph_unref(kg_graph *g); /* accepts NULL */
cmat_status kg_store_open(kg_graph **out, const char *path, cmat_error *err);
cmat_status kg_sparql_open(kg_graph **out, const char *path, double timeout, cmat_error *err);

/* ---- names and values ---- */
/* Appends a name for a relation or type: what is no letter, digit or one of "_.:-/~" becomes '_';
 * cut. */
void kg_clean_name(cmat_buf *out, const char *s, size_t len);
/* Appends a label: inert, one line, cut to KG_LABEL_MAX with "..." */
void kg_clean_label(cmat_buf *out, const char *s, size_t len);
/* A number, a year, a date or a time as a number that orders like it. False: it is none. */
bool kg_number(const char *s, double *out, bool *is_date);
#endif
