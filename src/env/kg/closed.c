/* env/kg/closed.c - the closed graph of AgentBench's gold paths. */
#include "env/kg/closed.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rng.h"
#include "env/kg/build_impl.h"
#include "env/kg/ontology.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASIDE = 8, ASIDE_POOL = 4, ASIDE_ATTRIBUTES = 3, POOL = 3 };
enum { LOW = 100, MIDDLE = 500, HIGH = 900 }; /* values of attributes */

typedef struct {
    uint32_t *ids; /* (n) ascending */
    size_t n, cap;
} node_set;

/* A set that gold calls make, the same for all questions that make it. */
typedef struct {
    kg_op op;
    int a, b;
    uint32_t node;     /* ENTITY */
    uint32_t relation; /* NEIGHBORS, ARGMAX, ARGMIN */
    uint32_t between;  /* the node through which something further is reached; KG_NONE: not yet */
    node_set exact;    /* what an answer says it is */
    bool is_exact;
    size_t count; /* its size, where an answer says that; else SIZE_MAX */
} gold_set;

typedef struct {
    kg_build *b;
    kg_ontology onto;
    kg_names keys; /* of sets: "1 3 17" */
    gold_set *sets;
    size_t cap_sets;
    kg_names edge_keys; /* "node relation" -> edges[i] */
    node_set *edges;
    size_t cap_edges;
    kg_names used; /* "node relation" that gold calls ask for: no other triple may answer them */
    size_t n_unnamed, n_left_out;
} closing;

/* ---- sets of nodes ---- */

static bool has_node(const node_set *s, uint32_t id)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (s->ids[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n && s->ids[lo] == id;
}

static void add_node(node_set *s, uint32_t id)
{
    size_t i = s->n;
    if (has_node(s, id))
        return;
    s->ids = cmat_xgrow(s->ids, &s->cap, s->n + 1, sizeof *s->ids);
    for (s->n++; i > 0 && s->ids[i - 1] > id; i--)
        s->ids[i] = s->ids[i - 1];
    s->ids[i] = id;
}

static void drop_node(node_set *s, uint32_t id)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->ids[i] != id)
            s->ids[n++] = s->ids[i];
    s->n = n;
}

static node_set *edges_of(closing *c, uint32_t node, uint32_t relation, bool make)
{
    char key[32];
    const int len = snprintf(key, sizeof key, "%u %u", node, relation);
    uint32_t i = kg_names_find(&c->edge_keys, key, (size_t)len);
    if (i == KG_NONE && !make)
        return NULL;
    if (i == KG_NONE) {
        i = kg_names_add(&c->edge_keys, key, (size_t)len);
        c->edges = cmat_xgrow(c->edges, &c->cap_edges, c->edge_keys.n, sizeof *c->edges);
        c->edges[i] = (node_set){0};
    }
    return &c->edges[i];
}

static uint32_t unnamed(closing *c)
{
    char name[32];
    const int len = snprintf(name, sizeof name, "a.%zu", ++c->n_unnamed);
    return kg_build_node(c->b, name, (size_t)len);
}

static uint32_t number_node(kg_build *b, int value)
{
    char name[16];
    const int len = snprintf(name, sizeof name, "%d", value);
    const uint32_t id = kg_build_node(b, name, (size_t)len);
    kg_build_literal(b, id);
    return id;
}

/* ---- gold calls ---- */

bool kg_gold_split(const char *call, char *tool, size_t size, cmat_buf *a, cmat_buf *b)
{
    const char *open = strchr(call, '('), *close = strrchr(call, ')');
    if (!open || !close || close < open || (size_t)(open - call) >= size)
        return false;
    memcpy(tool, call, (size_t)(open - call));
    tool[open - call] = '\0';
    cmat_buf_truncate(a, 0);
    cmat_buf_truncate(b, 0);
    cmat_buf *to = a;
    for (const char *p = open + 1; p < close; p++)
        if (*p == ',' && to == a)
            to = b;
        else if (*p != ' ' || to->len)
            cmat_buf_putc(to, *p);
    return a->len > 0;
}

static int set_of(closing *c, gold_set s)
{
    char key[64];
    const int len =
        snprintf(key, sizeof key, "%d %d %d %u %u", (int)s.op, s.a, s.b, s.node, s.relation);
    const size_t before = c->keys.n;
    const uint32_t i = kg_names_add(&c->keys, key, (size_t)len);
    if (c->keys.n > before) {
        c->sets = cmat_xgrow(c->sets, &c->cap_sets, c->keys.n, sizeof *c->sets);
        s.between = KG_NONE;
        s.count = SIZE_MAX;
        c->sets[i] = s;
    }
    return (int)i;
}

/* The set that an argument names; -1: none. */
static int argument(closing *c, const cmat_buf *text, const int *variables, size_t n)
{
    if (text->len == 0)
        return -1;
    if (text->data[0] == '#') {
        const unsigned long k = strtoul(text->data + 1, NULL, 10);
        return k < n ? variables[k] : -1;
    }
    return set_of(c,
                  (gold_set){.op = KG_ENTITY, .node = kg_build_node(c->b, text->data, text->len)});
}

/* The sets that a question's gold calls make, in order; false: a call cannot be read. */
static bool read_gold(closing *c, const json_t *actions, int *variables, size_t max, size_t *n)
{
    static const struct {
        const char *tool;
        kg_op op;
    } makers[] = {{"get_neighbors", KG_NEIGHBORS},
                  {"intersection", KG_AND},
                  {"argmax", KG_ARGMAX},
                  {"argmin", KG_ARGMIN},
                  {"count", KG_COUNT}};
    cmat_buf a = {0}, b = {0};
    const json_t *call;
    size_t i;
    bool good = true;
    *n = 0;
    json_array_foreach(actions, i, call)
    {
        char tool[32];
        const char *text = json_string_value(call);
        good = good && text && kg_gold_split(text, tool, sizeof tool, &a, &b) && *n < max;
        for (size_t k = 0; good && k < sizeof makers / sizeof *makers; k++) {
            if (strcmp(tool, makers[k].tool) != 0)
                continue;
            gold_set s = {.op = makers[k].op, .a = argument(c, &a, variables, *n)};
            if (s.op == KG_AND)
                s.b = argument(c, &b, variables, *n);
            else if (s.op != KG_COUNT)
                s.relation = kg_build_relation(c->b, cmat_buf_str(&b), b.len);
            good = s.a >= 0 && s.b >= 0 && s.relation != KG_NONE;
            if (good)
                variables[(*n)++] = set_of(c, s);
        }
    }
    cmat_buf_clear(&a);
    cmat_buf_clear(&b);
    return good && *n > 0;
}

static void answers(closing *c, const json_t *task, node_set *out)
{
    const json_t *a;
    size_t i;
    json_array_foreach(json_object_get(task, "answer"), i, a)
    {
        const char *name = cmat_json_str(a, "answer_argument", NULL);
        const char *label = cmat_json_str(a, "entity_name", NULL);
        const uint32_t node = name ? kg_build_node(c->b, name, strlen(name)) : KG_NONE;
        if (node == KG_NONE)
            continue;
        if (label)
            kg_build_label(c->b, node, label, strlen(label));
        add_node(out, node);
    }
}

/* ---- what must hold ---- */

static uint32_t between(closing *c, int set)
{
    gold_set *s = &c->sets[set];
    if (s->between == KG_NONE)
        s->between = s->is_exact && s->exact.n ? s->exact.ids[0] : unnamed(c);
    return s->between;
}

/* Adds the triples that make the nodes members of the set. */
static void require(closing *c, int set, const node_set *nodes)
{
    const gold_set s = c->sets[set];
    node_set one = {0};
    if (s.op == KG_NEIGHBORS) {
        const bool direct = c->sets[s.a].op == KG_ENTITY;
        const uint32_t from = direct ? c->sets[s.a].node : between(c, s.a);
        for (size_t i = 0; i < nodes->n; i++)
            add_node(edges_of(c, from, s.relation, true), nodes->ids[i]);
        add_node(&one, from);
        if (!direct)
            require(c, s.a, &one);
    } else if (s.op != KG_ENTITY) {
        require(c, s.a, nodes);
        if (s.op == KG_AND)
            require(c, s.b, nodes);
    }
    free(one.ids);
}

static void leave_out(const closing *c, int set, node_set *out)
{
    const gold_set *s = &c->sets[set];
    if (s->op == KG_ENTITY) {
        drop_node(out, s->node);
        return;
    }
    leave_out(c, s->a, out);
    if (s->op == KG_AND)
        leave_out(c, s->b, out);
}

/* The set's nodes by the triples so far; superlatives are not worked out, but taken as what they
 * are of. */
static node_set members(closing *c, int set)
{
    const gold_set *s = &c->sets[set];
    node_set out = {0};
    if (s->op == KG_ENTITY) {
        add_node(&out, s->node);
        return out;
    }
    node_set a = members(c, s->a);
    if (s->op == KG_NEIGHBORS) {
        for (size_t i = 0; i < a.n; i++) {
            const node_set *to = edges_of(c, a.ids[i], s->relation, false);
            for (size_t k = 0; to && k < to->n; k++)
                add_node(&out, to->ids[k]);
        }
    } else if (s->op == KG_AND) {
        node_set b = members(c, s->b);
        for (size_t i = 0; i < a.n; i++)
            if (has_node(&b, a.ids[i]))
                add_node(&out, a.ids[i]);
        free(b.ids);
    } else {
        for (size_t i = 0; i < a.n; i++)
            add_node(&out, a.ids[i]);
    }
    free(a.ids);
    leave_out(c, set, &out);
    return out;
}

static void set_value(closing *c, uint32_t node, uint32_t attribute, int value)
{
    node_set *values = edges_of(c, node, attribute, true);
    if (values->n == 0)
        add_node(values, number_node(c->b, value));
}

/* The answer has the greatest (least) value; two unnamed nodes have one between. */
static void superlative(closing *c, int set, const node_set *answer)
{
    const gold_set s = c->sets[set];
    node_set others = {0};
    for (size_t i = 0; i < answer->n; i++)
        set_value(c, answer->ids[i], s.relation, s.op == KG_ARGMAX ? HIGH : LOW);
    if (c->sets[s.a].is_exact || c->sets[s.a].count != SIZE_MAX)
        return;
    for (int i = 0; i < 2; i++)
        add_node(&others, unnamed(c));
    require(c, s.a, &others);
    for (size_t i = 0; i < others.n; i++)
        set_value(c, others.ids[i], s.relation, MIDDLE + (int)i);
    free(others.ids);
}

/* A counted set gets unnamed nodes until there are enough. */
static void fill_counted(closing *c, int set)
{
    node_set have = members(c, set), more = {0};
    for (size_t n = have.n; n < c->sets[set].count && more.n < 100000; n++)
        add_node(&more, unnamed(c));
    require(c, set, &more);
    free(have.ids);
    free(more.ids);
}

/* ---- questions ---- */

typedef struct {
    int variables[64];
    size_t n;
    node_set answer;
} question;

static void note_answer(closing *c, question *q)
{
    gold_set *last = &c->sets[q->variables[q->n - 1]];
    if (last->op == KG_COUNT) {
        const char *n = q->answer.n ? kg_names_get(&c->b->nodes, q->answer.ids[0]) : "";
        if (*n && strspn(n, "0123456789") == strlen(n) && strlen(n) < 6)
            c->sets[last->a].count = strtoul(n, NULL, 10);
    } else if (last->op != KG_ARGMAX && last->op != KG_ARGMIN && !last->is_exact) {
        last->is_exact = true;
        for (size_t i = 0; i < q->answer.n; i++)
            add_node(&last->exact, q->answer.ids[i]);
    }
}

static void require_answer(closing *c, const question *q)
{
    const int set = q->variables[q->n - 1];
    const gold_set s = c->sets[set];
    node_set one = {0};
    if (s.op == KG_COUNT) {
        if (c->sets[s.a].count != SIZE_MAX && c->sets[s.a].count > 0) {
            add_node(&one, between(c, s.a));
            require(c, s.a, &one);
        }
    } else {
        require(c, set, &q->answer);
    }
    free(one.ids);
}

static void mark_used(closing *c, const question *q)
{
    for (size_t i = 0; i < q->n; i++) {
        const gold_set s = c->sets[q->variables[i]];
        if (s.op == KG_AND || s.op == KG_COUNT)
            continue;
        node_set from = members(c, s.a);
        for (size_t k = 0; k < from.n; k++) {
            char key[32];
            const int len = snprintf(key, sizeof key, "%u %u", from.ids[k], s.relation);
            kg_names_add(&c->used, key, (size_t)len);
        }
        free(from.ids);
    }
}

static void name_entities(closing *c, const json_t *task)
{
    const char *label;
    const json_t *name;
    json_object_foreach(json_object_get(task, "entities"), label, name) if (json_is_string(name))
        kg_build_label(c->b, kg_build_node(c->b, json_string_value(name), json_string_length(name)),
                       label, strlen(label));
}

/* ---- relations aside ---- */

/* Which types each node is known to be of, as lists of names. */
static void add_types(closing *c, json_t **types, size_t n)
{
    for (size_t i = 0; i < c->edge_keys.n; i++) {
        unsigned node, relation;
        if (sscanf(kg_names_get(&c->edge_keys, (uint32_t)i), "%u %u", &node, &relation) != 2)
            continue;
        const char *name = kg_names_get(&c->b->iris, relation);
        const char *domain = kg_ontology_domain(&c->onto, name);
        const char *range = kg_ontology_range(&c->onto, name);
        for (size_t k = 0; k <= c->edges[i].n; k++) {
            const uint32_t at = k < c->edges[i].n ? c->edges[i].ids[k] : node;
            const char *type = at == node && k == c->edges[i].n ? domain : range;
            if (!type || at >= n || c->b->literal[at])
                continue;
            if (!types[at])
                types[at] = json_object();
            json_object_set_new(types[at], type, json_true());
        }
    }
}

static bool is_used(const closing *c, uint32_t node, uint32_t relation)
{
    char key[32];
    const int len = snprintf(key, sizeof key, "%u %u", node, relation);
    return kg_names_find(&c->used, key, (size_t)len) != KG_NONE ||
           kg_names_find(&c->edge_keys, key, (size_t)len) != KG_NONE;
}

static uint32_t pool_node(closing *c, const char *type, uint64_t which)
{
    char *name = cmat_xasprintf("b.%s.%d", type, (int)(which % POOL) + 1);
    const uint32_t id = kg_build_node(c->b, name, strlen(name));
    free(name);
    return id;
}

/* Draws up to n relations (or attributes) of the node's types that it does not have. */
static void add_aside(closing *c, uint32_t node, json_t *types, bool attributes, int n,
                      cmat_rng *rng)
{
    const json_t *lists = attributes ? c->onto.attributes : c->onto.by_domain;
    const char *type;
    json_t *v;
    json_object_foreach(types, type, v)
    {
        const json_t *names = json_object_get(lists, type);
        const size_t n_names = json_array_size(names);
        for (int k = 0; n_names > 0 && n > 0 && k < 4; k++) {
            const char *name =
                json_string_value(json_array_get(names, cmat_rng_below(rng, n_names)));
            const uint32_t r = kg_build_relation(c->b, name, strlen(name));
            const char *range = kg_ontology_range(&c->onto, name);
            if (r == KG_NONE || !range || is_used(c, node, r))
                continue;
            const uint32_t to = attributes ? number_node(c->b, (int)cmat_rng_below(rng, 2000))
                                           : pool_node(c, range, cmat_rng_u64(rng));
            add_node(edges_of(c, node, r, true), to);
            n--;
        }
    }
}

/* A node's relations beside the gold ones, the same in every import: drawn by its name. */
static void add_relations_aside(closing *c)
{
    for (int round = 0; round < 2; round++) { /* of the questions' nodes, then of those aside */
        const size_t n = c->b->nodes.n;
        json_t **types = cmat_xcalloc(n + 1, sizeof *types);
        add_types(c, types, n);
        for (size_t i = 0; i < n; i++) {
            const char *name = kg_names_get(&c->b->nodes, (uint32_t)i);
            const bool pool = strncmp(name, "b.", 2) == 0;
            cmat_rng rng;
            cmat_rng_init_sub(&rng, 0x6b67, cmat_fnv1a(name, strlen(name)));
            if (types[i] && pool == (round == 1)) {
                add_aside(c, (uint32_t)i, types[i], false, pool ? ASIDE_POOL : ASIDE, &rng);
                add_aside(c, (uint32_t)i, types[i], true, ASIDE_ATTRIBUTES, &rng);
            }
        }
        for (size_t i = 0; i < n; i++)
            json_decref(types[i]);
        free(types);
    }
}

/* ---- all of it ---- */

static cmat_status save_edges(closing *c, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    for (size_t i = 0; st == CMAT_OK && i < c->edge_keys.n; i++) {
        unsigned node, relation;
        if (sscanf(kg_names_get(&c->edge_keys, (uint32_t)i), "%u %u", &node, &relation) != 2)
            continue;
        for (size_t k = 0; st == CMAT_OK && k < c->edges[i].n; k++)
            st = kg_build_triple(c->b, node, relation, c->edges[i].ids[k], err);
    }
    return st;
}

/* Which tool lists a relation: as the vocabulary says, or else as the gold calls use it. */
static void set_flags(closing *c)
{
    for (size_t r = 0; r < c->b->iris.n; r++) {
        const char *name = kg_names_get(&c->b->iris, (uint32_t)r);
        kg_build_flags(c->b, (uint32_t)r, kg_list_has(&c->onto.listed, name),
                       kg_list_has(&c->onto.listed_attributes, name));
    }
    for (size_t i = 0; i < c->keys.n; i++) {
        const gold_set *s = &c->sets[i];
        if (s->op == KG_NEIGHBORS)
            c->b->relations[s->relation].neighbors = true;
        else if (s->op == KG_ARGMAX || s->op == KG_ARGMIN)
            c->b->relations[s->relation].attribute = true;
    }
}

static void close_questions(closing *c, const json_t *tasks)
{
    const size_t n = json_array_size(tasks);
    question *q = cmat_xcalloc(n + 1, sizeof *q);
    size_t n_read = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *task = json_array_get(tasks, i);
        question *to = &q[n_read];
        if (!read_gold(c, json_object_get(task, "actions"), to->variables, 64, &to->n)) {
            c->n_left_out++;
            continue;
        }
        name_entities(c, task);
        answers(c, task, &to->answer);
        note_answer(c, to);
        n_read++;
    }
    for (size_t i = 0; i < n_read; i++)
        require_answer(c, &q[i]);
    for (size_t i = 0; i < n_read; i++) {
        const int last = q[i].variables[q[i].n - 1];
        if (c->sets[last].op == KG_ARGMAX || c->sets[last].op == KG_ARGMIN)
            superlative(c, last, &q[i].answer);
    }
    for (int round = 0; round < 2; round++) /* filling one may add to another */
        for (size_t i = 0; i < c->keys.n; i++)
            if (c->sets[i].count != SIZE_MAX)
                fill_counted(c, (int)i);
    for (size_t i = 0; i < n_read; i++) {
        mark_used(c, &q[i]);
        free(q[i].answer.ids);
    }
    free(q);
}

static void closing_clear(closing *c)
{
    for (size_t i = 0; i < c->keys.n; i++)
        free(c->sets[i].exact.ids);
    for (size_t i = 0; i < c->edge_keys.n; i++)
        free(c->edges[i].ids);
    free(c->sets);
    free(c->edges);
    kg_names_clear(&c->keys);
    kg_names_clear(&c->edge_keys);
    kg_names_clear(&c->used);
    kg_ontology_clear(&c->onto);
}

cmat_status kg_read_closed(kg_build *b, const char *path, cmat_error *err)
{
    closing c = {.b = b};
    json_t *tasks = cmat_json_load(path, err);
    char *folder = cmat_xstrndup(path, (size_t)(cmat_path_base(path) - path));
    char *ontology = cmat_path_join(*folder ? folder : ".", "ontology");
    char *roles = cmat_path_join(ontology, "fb_roles");
    cmat_status st = tasks ? kg_ontology_load(&c.onto, ontology, err) : CMAT_ERR_FORMAT;
    if (st == CMAT_ERR_NOT_FOUND) {
        cmat_warn("kg: no %s: the graph has the questions' own relations only", roles);
        st = CMAT_OK;
    } else if (st == CMAT_OK) {
        st = kg_read_roles(b, roles, err);
    }
    if (st == CMAT_OK) {
        kg_build_one_way(b);
        close_questions(&c, tasks);
        add_relations_aside(&c);
        set_flags(&c);
        st = save_edges(&c, err);
    }
    if (c.n_left_out)
        cmat_warn("kg: %s: %zu questions without readable gold calls were left out", path,
                  c.n_left_out);
    closing_clear(&c);
    json_decref(tasks);
    free(folder);
    free(ontology);
    free(roles);
    return st;
}
