/* env/kg/build.c - collecting a graph's nodes, relations and triples in memory. */
#include "core/hash.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/kg/build_impl.h"
#include "env/kg/graph.h"
#include <stdlib.h>
#include <string.h>

#define MAX_TRIPLES 100000000u
#define MAX_TYPES 4000u

/* ---- names ---- */

static void rehash(kg_names *m)
{
    m->n_slots = m->n_slots ? 2 * m->n_slots : 256;
    free(m->slots);
    m->slots = cmat_xcalloc(m->n_slots, sizeof *m->slots);
    for (size_t i = 0; i < m->n; i++) {
        const char *s = kg_names_get(m, (uint32_t)i);
        size_t at = cmat_fnv1a(s, strlen(s)) & (m->n_slots - 1);
        while (m->slots[at])
            at = (at + 1) & (m->n_slots - 1);
        m->slots[at] = (uint32_t)i + 1;
    }
}

/* Where it is, or the free place where it would be. */
static size_t slot_of(const kg_names *m, const char *s, size_t len)
{
    size_t at = cmat_fnv1a(s, len) & (m->n_slots - 1);
    for (; m->slots[at]; at = (at + 1) & (m->n_slots - 1)) {
        const char *have = kg_names_get(m, m->slots[at] - 1);
        if (strncmp(have, s, len) == 0 && !have[len])
            break;
    }
    return at;
}

uint32_t kg_names_find(const kg_names *m, const char *s, size_t len)
{
    return m->n_slots ? m->slots[slot_of(m, s, len)] - 1 : KG_NONE; /* 0 - 1 is KG_NONE */
}

uint32_t kg_names_add(kg_names *m, const char *s, size_t len)
{
    if (2 * (m->n + 1) > m->n_slots)
        rehash(m);
    const size_t slot = slot_of(m, s, len);
    if (m->slots[slot])
        return m->slots[slot] - 1;
    m->at = cmat_xgrow(m->at, &m->cap, m->n + 1, sizeof *m->at);
    m->at[m->n] = m->text.len;
    cmat_buf_add(&m->text, s, len);
    cmat_buf_add(&m->text, "", 1);
    m->slots[slot] = (uint32_t)++m->n;
    return (uint32_t)m->n - 1;
}

const char *kg_names_get(const kg_names *m, uint32_t i)
{
    return m->text.data + m->at[i];
}

void kg_names_clear(kg_names *m)
{
    cmat_buf_clear(&m->text);
    free(m->at);
    free(m->slots);
    memset(m, 0, sizeof *m);
}

/* ---- the graph ---- */

kg_build *kg_build_new(const char *source)
{
    kg_build *b = cmat_xcalloc(1, sizeof *b);
    b->source = cmat_xstrdup(source);
    kg_names_add(&b->types, "", 0); /* 0: not known */
    return b;
}

void kg_build_free(kg_build *b)
{
    if (!b)
        return;
    kg_names *all[] = {&b->nodes, &b->iris, &b->relation_names, &b->types, &b->said};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        kg_names_clear(all[i]);
    free(b->label);
    free(b->literal);
    cmat_buf_clear(&b->labels);
    free(b->relations);
    free(b->roles);
    free(b->triples);
    free(b->instances);
    free(b->fit);
    free(b->source);
    free(b);
}

uint32_t kg_build_node(kg_build *b, const char *name, size_t len)
{
    if (len == 0 || len > KG_NAME_MAX || memchr(name, 0, len)) {
        b->n_skipped++;
        return KG_NONE;
    }
    const size_t before = b->nodes.n;
    cmat_buf valid = {0};
    if (cmat_utf8_valid_prefix(name, len) < len) {
        cmat_text_inert(&valid, name, len);
        name = valid.data;
        len = valid.len;
    }
    const uint32_t id = kg_names_add(&b->nodes, name, len);
    cmat_buf_clear(&valid);
    if (b->nodes.n > before) {
        b->label = cmat_xgrow(b->label, &b->cap_label, b->nodes.n, sizeof *b->label);
        b->literal = cmat_xgrow(b->literal, &b->cap_literal, b->nodes.n, sizeof *b->literal);
        b->label[id] = 0;
        b->literal[id] = 0;
    }
    return id;
}

void kg_build_label(kg_build *b, uint32_t node, const char *label, size_t len)
{
    if (node == KG_NONE || b->label[node] || len == 0)
        return;
    b->label[node] = b->labels.len + 1;
    kg_clean_label(&b->labels, label, len);
    cmat_buf_add(&b->labels, "", 1);
}

void kg_build_literal(kg_build *b, uint32_t node)
{
    if (node != KG_NONE)
        b->literal[node] = 1;
}

/* Where an IRI's last part begins; 0 for what is no IRI, or ends with its separator. */
static size_t tail_of(const char *iri, size_t len)
{
    size_t from = len;
    if (!memmem(iri, len, "://", 3))
        return 0;
    while (from > 0 && iri[from - 1] != '#' && iri[from - 1] != '/')
        from--;
    return from < len ? from : 0;
}

static uint32_t type_add(kg_build *b, const char *type, size_t len)
{
    cmat_buf clean = {0};
    const size_t from = tail_of(type, len);
    kg_clean_name(&clean, type + from, len - from);
    uint32_t id = kg_names_find(&b->types, clean.data, clean.len);
    if (id == KG_NONE)
        id = b->types.n < MAX_TYPES ? kg_names_add(&b->types, clean.data, clean.len) : 0;
    cmat_buf_clear(&clean);
    return id;
}

void kg_build_instance(kg_build *b, uint32_t node, const char *type, size_t len)
{
    if (node == KG_NONE || len == 0)
        return;
    b->instances =
        cmat_xgrow(b->instances, &b->cap_instances, b->n_instances + 1, sizeof *b->instances);
    b->instances[b->n_instances++] = (kg_instance){node, type_add(b, type, len)};
}

/* A name that no other relation has: the IRI's last part, numbered where that is taken. */
static uint32_t fresh_name(kg_build *b, const char *iri, size_t len)
{
    cmat_buf clean = {0};
    const size_t from = tail_of(iri, len);
    kg_clean_name(&clean, iri + from, len - from);
    const size_t end = clean.len;
    for (int k = 2; kg_names_find(&b->relation_names, clean.data, clean.len) != KG_NONE; k++) {
        cmat_buf_truncate(&clean, end);
        cmat_buf_printf(&clean, "~%d", k);
    }
    const uint32_t id = kg_names_add(&b->relation_names, clean.data, clean.len);
    cmat_buf_clear(&clean);
    return id;
}

uint32_t kg_build_relation(kg_build *b, const char *iri, size_t len)
{
    if (len == 0 || len > KG_NAME_MAX || memchr(iri, 0, len)) {
        b->n_skipped++;
        return KG_NONE;
    }
    const size_t before = b->iris.n;
    const uint32_t id = kg_names_add(&b->iris, iri, len);
    if (b->iris.n > before) {
        b->relations = cmat_xgrow(b->relations, &b->cap_relations, b->iris.n, sizeof *b->relations);
        b->relations[id] = (kg_build_rel){
            .name = fresh_name(b, iri, len), .domain = -1, .range = -1, .neighbors = true};
    }
    return id;
}

const char *kg_build_relation_name(const kg_build *b, uint32_t relation)
{
    return kg_names_get(&b->relation_names, b->relations[relation].name);
}

void kg_build_flags(kg_build *b, uint32_t relation, bool neighbors, bool attribute)
{
    b->relations[relation].fixed = true;
    b->relations[relation].neighbors = neighbors;
    b->relations[relation].attribute = attribute;
}

void kg_build_role(kg_build *b, const char *relation, const char *domain, const char *range)
{
    const size_t before = b->said.n;
    const uint32_t id = kg_names_add(&b->said, relation, strlen(relation));
    b->roles = cmat_xgrow(b->roles, &b->cap_roles, b->said.n, sizeof *b->roles);
    if (b->said.n > before)
        b->roles[id] = (kg_role){KG_NONE, KG_NONE};
    if (domain)
        b->roles[id].domain = type_add(b, domain, strlen(domain));
    if (range)
        b->roles[id].range = type_add(b, range, strlen(range));
}

cmat_status kg_build_triple(kg_build *b, uint32_t s, uint32_t r, uint32_t o, cmat_error *err)
{
    if (s == KG_NONE || r == KG_NONE || o == KG_NONE)
        return CMAT_OK;
    if (b->n >= MAX_TRIPLES)
        return cmat_fail(err, CMAT_ERR_LIMIT,
                         "more than %u triples: serve them by an endpoint instead", MAX_TRIPLES);
    b->triples = cmat_xgrow(b->triples, &b->cap, b->n + 1, sizeof *b->triples);
    b->triples[b->n++] = (kg_triple){s, r, o};
    return CMAT_OK;
}

void kg_build_skip(kg_build *b)
{
    b->n_skipped++;
}

void kg_build_one_way(kg_build *b)
{
    b->one_way = true;
}

size_t kg_build_n_triples(const kg_build *b)
{
    return b->n;
}

size_t kg_build_n_skipped(const kg_build *b)
{
    return b->n_skipped;
}
