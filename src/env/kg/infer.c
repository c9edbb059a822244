/* env/kg/infer.c - types of what relations start from and lead to, where a graph does not say them.
 */
#include "core/mem.h"
#include "env/kg/build_impl.h"
#include "env/kg/graph.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ALIKE 400 /* untyped ends that are compared with each other */

/* An end of a relation: 2 r where it starts, 2 r + 1 what it leads to. */
typedef struct {
    uint32_t *nodes; /* (n) ascending */
    size_t n;
} members;

typedef struct {
    kg_build *b;
    members *ends; /* (2 * relations) */
    size_t n_ends;
} inference;

static int *type_at(const inference *x, size_t end)
{
    kg_build_rel *r = &x->b->relations[end / 2];
    return end % 2 ? &r->range : &r->domain;
}

/* ---- triples ---- */

static int triple_order(const void *a, const void *b)
{
    const kg_triple *x = a, *y = b;
    if (x->r != y->r)
        return x->r < y->r ? -1 : 1;
    if (x->s != y->s)
        return x->s < y->s ? -1 : 1;
    return (x->o > y->o) - (x->o < y->o);
}

static void sort_triples(kg_build *b)
{
    size_t n = 0;
    if (b->n > 1)
        qsort(b->triples, b->n, sizeof *b->triples, triple_order);
    for (size_t i = 0; i < b->n; i++)
        if (n == 0 || triple_order(&b->triples[n - 1], &b->triples[i]) != 0)
            b->triples[n++] = b->triples[i];
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        kg_build_rel *r = &b->relations[b->triples[i].r];
        if (r->n++ == 0)
            r->first = i;
    }
}

static int node_order(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void find_members(inference *x)
{
    for (size_t end = 0; end < x->n_ends; end++) {
        const kg_build_rel *r = &x->b->relations[end / 2];
        members *m = &x->ends[end];
        m->nodes = cmat_xmalloc((r->n + 1) * sizeof *m->nodes);
        for (size_t i = 0; i < r->n; i++) {
            const kg_triple *t = &x->b->triples[r->first + i];
            m->nodes[i] = end % 2 ? t->o : t->s;
        }
        qsort(m->nodes, r->n, sizeof *m->nodes, node_order);
        for (size_t i = 0; i < r->n; i++)
            if (m->n == 0 || m->nodes[m->n - 1] != m->nodes[i])
                m->nodes[m->n++] = m->nodes[i];
    }
}

/* ---- what was said, names, values ---- */

static const kg_role *role_of(const kg_build *b, const char *name, size_t len)
{
    const uint32_t i = kg_names_find(&b->said, name, len);
    return i == KG_NONE ? NULL : &b->roles[i];
}

/* A name of two relations one after the other ("a.b.c..d.e.f") starts as the first does. */
static void from_roles(inference *x, size_t r)
{
    kg_build *b = x->b;
    const char *name = kg_names_get(&b->relation_names, b->relations[r].name);
    const char *dots = strstr(name, "..");
    const size_t len = strlen(name), first = dots ? (size_t)(dots - name) : len;
    const kg_role *iri = role_of(b, kg_names_get(&b->iris, (uint32_t)r),
                                 strlen(kg_names_get(&b->iris, (uint32_t)r)));
    const kg_role *a = iri ? iri : role_of(b, name, first);
    const kg_role *z = iri || !dots ? a : role_of(b, dots + 2, len - first - 2);
    if (a && a->domain != KG_NONE)
        b->relations[r].domain = (int)a->domain;
    if (z && z->range != KG_NONE)
        b->relations[r].range = (int)z->range;
    if (b->relations[r].domain >= 0)
        return;
    const char *last = memrchr(name, '.', first);
    if (last && memchr(name, '.', (size_t)(last - name)))
        b->relations[r].domain = (int)kg_names_add(
            &b->types, name, (size_t)(last - name)); /* Freebase's way of naming */
}

static void from_values(inference *x, size_t r)
{
    kg_build *b = x->b;
    const members *m = &x->ends[2 * r + 1];
    size_t n = 0, dates = 0;
    for (size_t i = 0; i < m->n; i++) {
        double v;
        bool is_date;
        if (kg_number(kg_names_get(&b->nodes, m->nodes[i]), &v, &is_date)) {
            n++;
            dates += is_date;
        }
    }
    if (m->n == 0 || 10 * n < 9 * m->n)
        return;
    const char *name = 10 * dates >= 9 * n ? KG_DATE : KG_NUMBER;
    if (b->relations[r].range < 0)
        b->relations[r].range = (int)kg_names_add(&b->types, name, strlen(name));
    if (!b->relations[r].fixed)
        b->relations[r].attribute = true;
}

/* ---- by members ---- */

static int instance_order(const void *a, const void *b)
{
    const kg_instance *x = a, *y = b;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    return (x->type > y->type) - (x->type < y->type);
}

static void sort_instances(kg_instance *v, size_t *n)
{
    size_t k = 0;
    if (*n > 1)
        qsort(v, *n, sizeof *v, instance_order);
    for (size_t i = 0; i < *n; i++)
        if (k == 0 || instance_order(&v[k - 1], &v[i]) != 0)
            v[k++] = v[i];
    *n = k;
}

/* The type that most of the members have, at least half of them; of equals the rarest. -1: none. */
static int common_type(const members *m, const kg_instance *v, size_t n, size_t *count,
                       const size_t *total, size_t n_types)
{
    int best = -1;
    size_t most = 0;
    memset(count, 0, n_types * sizeof *count);
    for (size_t i = 0; i < m->n; i++) {
        size_t lo = 0, hi = n;
        while (lo < hi) {
            const size_t mid = lo + (hi - lo) / 2;
            if (v[mid].node < m->nodes[i])
                lo = mid + 1;
            else
                hi = mid;
        }
        for (; lo < n && v[lo].node == m->nodes[i]; lo++)
            if (++count[v[lo].type] > most && v[lo].type != 0)
                most = count[v[lo].type];
    }
    for (size_t t = 1; t < n_types; t++)
        if (2 * count[t] >= m->n && 20 * count[t] >= 19 * most &&
            (best < 0 || total[t] < total[best]))
            best = (int)t;
    return m->n ? best : -1;
}

static void by_instances(inference *x, const kg_instance *v, size_t n)
{
    const size_t n_types = x->b->types.n;
    size_t *count = cmat_xcalloc(n_types, sizeof *count),
           *total = cmat_xcalloc(n_types, sizeof *total);
    for (size_t i = 0; i < n; i++)
        total[v[i].type]++;
    for (size_t end = 0; n > 0 && end < x->n_ends; end++)
        if (*type_at(x, end) < 0)
            *type_at(x, end) = common_type(&x->ends[end], v, n, count, total, n_types);
    free(count);
    free(total);
}

/* What the ends that have a type say about their members; values are left out. */
static kg_instance *known_instances(const inference *x, size_t *n)
{
    kg_instance *v = NULL;
    size_t cap = 0;
    const uint32_t number = kg_names_find(&x->b->types, KG_NUMBER, strlen(KG_NUMBER));
    const uint32_t day = kg_names_find(&x->b->types, KG_DATE, strlen(KG_DATE));
    *n = 0;
    for (size_t end = 0; end < x->n_ends; end++) {
        const int type = *type_at(x, end);
        if (type <= 0 || (uint32_t)type == number || (uint32_t)type == day)
            continue;
        for (size_t i = 0; i < x->ends[end].n; i++) {
            v = cmat_xgrow(v, &cap, *n + 1, sizeof *v);
            v[(*n)++] = (kg_instance){x->ends[end].nodes[i], (uint32_t)type};
        }
    }
    sort_instances(v, n);
    return v;
}

static size_t shared(const members *a, const members *b)
{
    size_t n = 0;
    for (size_t i = 0, k = 0; i < a->n && k < b->n;) {
        if (a->nodes[i] == b->nodes[k])
            n++;
        const uint32_t u = a->nodes[i], w = b->nodes[k];
        i += u <= w;
        k += w <= u;
    }
    return n;
}

static void name_group(inference *x, const size_t *ends, const size_t *group, size_t n, size_t g)
{
    size_t biggest = n;
    char name[KG_LABEL_MAX + 32];
    for (size_t i = 0; i < n; i++)
        if (group[i] == g && (biggest == n || x->ends[ends[i]].n > x->ends[ends[biggest]].n))
            biggest = i;
    if (biggest == n)
        return;
    const kg_build_rel *r = &x->b->relations[ends[biggest] / 2];
    snprintf(name, sizeof name, "%s.%s", kg_names_get(&x->b->relation_names, r->name),
             ends[biggest] % 2 ? "object" : "subject");
    const int type = (int)kg_names_add(&x->b->types, name, strlen(name));
    for (size_t i = 0; i < n; i++)
        if (group[i] == g)
            *type_at(x, ends[i]) = type;
}

/* Ends that share three in ten of the smaller one's members are of one type. */
static void by_likeness(inference *x)
{
    size_t ends[MAX_ALIKE], group[MAX_ALIKE], n = 0;
    for (size_t end = 0; end < x->n_ends && n < MAX_ALIKE; end++)
        if (*type_at(x, end) < 0 && x->ends[end].n > 0) {
            group[n] = n;
            ends[n++] = end;
        }
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n; k++) {
            const members *a = &x->ends[ends[i]], *c = &x->ends[ends[k]];
            const size_t least = a->n < c->n ? a->n : c->n;
            if (group[i] == group[k] || 10 * shared(a, c) < 3 * least)
                continue;
            const size_t from = group[k];
            for (size_t j = 0; j < n; j++)
                if (group[j] == from)
                    group[j] = group[i];
        }
    for (size_t g = 0; g < n; g++)
        name_group(x, ends, group, n, g);
}

/* ---- fits ---- */

static void find_fits(inference *x)
{
    kg_build *b = x->b;
    size_t n;
    kg_instance *v = known_instances(x, &n);
    const size_t n_types = b->types.n;
    uint8_t *seen = cmat_xcalloc(n_types * n_types / 8 + 1, 1);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && v[end].node == v[i].node;)
            end++;
        for (size_t p = i; p < end; p++)
            for (size_t q = p + 1; q < end; q++) { /* ascending: p's type is the lower */
                const size_t bit = v[p].type * n_types + v[q].type;
                if (seen[bit / 8] >> bit % 8 & 1)
                    continue;
                seen[bit / 8] |= (uint8_t)(1u << bit % 8);
                b->fit = cmat_xgrow(b->fit, &b->cap_fit, b->n_fit + 1, sizeof *b->fit);
                b->fit[b->n_fit++] = (kg_instance){v[p].type, v[q].type};
            }
    }
    free(seen);
    free(v);
}

void kg_infer(kg_build *b)
{
    inference x = {.b = b, .n_ends = 2 * b->iris.n};
    size_t n;
    sort_triples(b);
    x.ends = cmat_xcalloc(x.n_ends + 1, sizeof *x.ends);
    find_members(&x);
    for (size_t r = 0; r < b->iris.n; r++) {
        from_roles(&x, r);
        from_values(&x, r);
    }
    sort_instances(b->instances, &b->n_instances);
    by_instances(&x, b->instances, b->n_instances);
    kg_instance *known = known_instances(&x, &n);
    by_instances(&x, known, n);
    free(known);
    by_likeness(&x);
    for (size_t end = 0; end < x.n_ends; end++)
        if (*type_at(&x, end) < 0)
            *type_at(&x, end) = 0;
    find_fits(&x);
    for (size_t end = 0; end < x.n_ends; end++)
        free(x.ends[end].nodes);
    free(x.ends);
}
