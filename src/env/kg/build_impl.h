/* env/kg/build_impl.h - inside of kg_build, for build.c, infer.c and save.c only. */
#ifndef CMAT_ENV_KG_BUILD_IMPL_H
#define CMAT_ENV_KG_BUILD_IMPL_H
#include "core/buf.h"
#include "env/kg/build.h"

/* Strings by number, and numbers by string. */
typedef struct {
    cmat_buf text;   /* each with its NUL */
    size_t *at;      /* (n) into text */
    uint32_t *slots; /* (n_slots), a power of two: number + 1, or 0 */
    size_t n, cap, n_slots;
} kg_names;
uint32_t kg_names_add(kg_names *m, const char *s, size_t len); /* the old number if it is known */
uint32_t kg_names_find(const kg_names *m, const char *s, size_t len); /* KG_NONE: unknown */
const char *kg_names_get(const kg_names *m, uint32_t i);
void kg_names_clear(kg_names *m);

typedef struct {
    uint32_t s, r, o;
} kg_triple;
typedef struct {
    uint32_t node, type;
} kg_instance;
typedef struct {
    uint32_t name;     /* in names.relation_names */
    int domain, range; /* types; -1: not known yet */
    bool fixed, neighbors, attribute;
    size_t first, n; /* its triples, once they are sorted */
} kg_build_rel;
typedef struct {
    uint32_t domain, range; /* in types; KG_NONE: not said */
} kg_role;

struct kg_build {
    char *source;
    kg_names nodes, iris, relation_names, types, said; /* said: relations that roles speak of */
    size_t *label;    /* (nodes) offsets into labels, plus one; 0: none */
    uint8_t *literal; /* (nodes) */
    size_t cap_label, cap_literal;
    cmat_buf labels;
    kg_build_rel *relations; /* (iris.n) */
    size_t cap_relations;
    kg_role *roles; /* (said.n) */
    size_t cap_roles;
    kg_triple *triples; /* (n) */
    size_t n, cap, n_skipped;
    kg_instance *instances; /* (n_instances) of rdf:type */
    size_t n_instances, cap_instances;
    kg_instance *fit; /* (n_fit) pairs of types, first < second, made by kg_infer */
    size_t n_fit, cap_fit;
    bool one_way;
};

/* Sorts triples by relation, subject, object, drops equal ones, and finds types, attributes, fits.
 */
void kg_infer(kg_build *b);
#endif
