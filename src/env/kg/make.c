/* env/kg/make.c - questions from a graph: 1 to 4 steps, conjunctions, counts, superlatives, each
 * with gold calls and an answer that a second way of finding it has confirmed.
 *
 * A node belongs to one split by a hash of its name, and a question starts from nodes of its own
 * split only: so no question and no gold call of one split occurs in another. */
#include "env/kg/make.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "env/kg/kg.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ANSWERS = 30, MOST_COUNTED = 500, MOST_BETWEEN = 5000, TRIES = 300 };
typedef enum { STEPS1, STEPS2, STEPS3, STEPS4, CONJUNCTION, COUNTED, SUPERLATIVE, N_KINDS } kind;
static const char *const kind_names[N_KINDS] = {"1 step",      "2 steps", "3 steps",    "4 steps",
                                                "conjunction", "count",   "superlative"};

typedef struct {
    kg_store *s;
    cmat_rng rng;
    int split;
    kg_play p;
    json_t *gold;
    int64_t max_node;
    bool labelled; /* the graph has labels: only what has one is asked about */
    sqlite3_stmt *node, *in;
} making;

static bool in_split(const making *m, const char *name)
{
    const unsigned tenth = (unsigned)(cmat_fnv1a(name, strlen(name)) >> 17) % 10;
    return m->split == (tenth < 8 ? 0 : tenth == 8 ? 1 : 2);
}

/* Takes the node as an entity of the question, if it may be one; false: it may not. */
static bool take_entity(making *m, int64_t id)
{
    bool good = false;
    sqlite3_bind_int64(m->node, 1, id);
    if (sqlite3_step(m->node) == SQLITE_ROW && sqlite3_column_int(m->node, 2) == 0) {
        const char *name = (const char *)sqlite3_column_text(m->node, 0);
        const char *label = (const char *)sqlite3_column_text(m->node, 1);
        const char *shown = label ? label : name;
        good = name && in_split(m, name) && (label || !m->labelled) && strlen(shown) < 100 &&
               !strpbrk(name, "\n\r\t") && !strpbrk(shown, "\n\r\t#");
        for (size_t i = 0; good && i < m->p.n; i++)
            good = strcmp(m->p.items[i].label, shown) != 0;
        if (good)
            kg_play_entity(&m->p, shown, name);
    }
    sqlite3_reset(m->node);
    return good;
}

static bool random_entity(making *m)
{
    for (int k = 0; k < 200; k++)
        if (take_entity(m, (int64_t)cmat_rng_below(&m->rng, (uint64_t)m->max_node + 1)))
            return true;
    return false;
}

/* Runs a call as part of the gold way, if it can be run. */
static int call(making *m, kg_call c)
{
    cmat_buf text = {0}, why = {0};
    kg_problem problem;
    int made = -1;
    const bool good =
        kg_play_check(&m->p, &c, &problem, &why, NULL) == CMAT_OK && problem == KG_FINE;
    if (good) {
        kg_call_write(&m->p, &c, true, &text);
        json_array_append_new(m->gold, json_string(text.data));
        kg_play_run(&m->p, &c, &made);
    }
    cmat_buf_clear(&text);
    cmat_buf_clear(&why);
    return good ? (made < 0 ? c.a : made) : -1;
}

static size_t size_of(making *m, int i)
{
    size_t n = 0;
    return m->s->base.ops->size(&m->s->base, m->p.exprs, i, &n, NULL) == CMAT_OK ? n : 0;
}

/* A random step on from element i; -1: there is none of a useful size. */
static int step(making *m, int i)
{
    const kg_list *list;
    kg_problem problem = KG_FINE;
    kg_call c = {.tool = KG_GET_NEIGHBORS, .a = i, .b = -1};
    if (!m->p.items[i].listed[0] &&
        call(m, (kg_call){.tool = KG_GET_RELATIONS, .a = i, .b = -1}) < 0)
        return -1;
    if (kg_play_list(&m->p, i, false, &list, &problem, NULL) != CMAT_OK || list->n == 0)
        return -1;
    const char *relation = kg_list_get(list, cmat_rng_below(&m->rng, list->n));
    snprintf(c.relation, sizeof c.relation, "%s", relation);
    const int made = call(m, c);
    const size_t n = made < 0 ? 0 : size_of(m, made);
    return n > 0 && n <= MOST_BETWEEN ? made : -1;
}

static int steps(making *m, int n)
{
    int i = random_entity(m) ? 0 : -1;
    for (int k = 0; k < n && i >= 0; k++)
        i = step(m, i);
    return i;
}

/* A relation from another node to this one (backwards where the graph allows it), with that node.
 */
static bool way_in(making *m, int64_t node, int64_t *from, kg_call *c)
{
    int pick = 0, n = 0, rc;
    int64_t other = -1;
    bool inverse = false;
    sqlite3_bind_int64(m->in, 1, node);
    while ((rc = sqlite3_step(m->in)) == SQLITE_ROW && n < 2000)
        if (cmat_rng_below(&m->rng, (uint64_t)++n) == 0) { /* each with equal chance */
            other = sqlite3_column_int64(m->in, 0);
            pick = sqlite3_column_int(m->in, 1);
            inverse = sqlite3_column_int(m->in, 2) != 0;
        }
    sqlite3_reset(m->in);
    if (n == 0 || pick < 1 || pick > m->s->max_relation || !m->s->by_id[pick] ||
        (inverse && !m->s->inverses))
        return false;
    snprintf(c->relation, sizeof c->relation, "%s%s", inverse ? "^" : "", m->s->by_id[pick]->name);
    *from = other;
    return true;
}

/* Two ways into one node, and what both lead to. */
static int conjunction(making *m)
{
    const int64_t node = (int64_t)cmat_rng_below(&m->rng, (uint64_t)m->max_node + 1);
    kg_call c[2] = {{.tool = KG_GET_NEIGHBORS, .b = -1}, {.tool = KG_GET_NEIGHBORS, .b = -1}};
    int64_t from[2];
    int sets[2];
    for (int k = 0; k < 2; k++) {
        if (!way_in(m, node, &from[k], &c[k]) || from[k] == node || (k && from[0] == from[1]) ||
            !take_entity(m, from[k]))
            return -1;
        c[k].a = k;
    }
    for (int k = 0; k < 2; k++) {
        if (call(m, (kg_call){.tool = KG_GET_RELATIONS, .a = k, .b = -1}) < 0 ||
            (sets[k] = call(m, c[k])) < 0 || size_of(m, sets[k]) < 2)
            return -1;
    }
    const int both = call(m, (kg_call){.tool = KG_INTERSECTION, .a = sets[0], .b = sets[1]});
    const size_t n = both < 0 ? 0 : size_of(m, both);
    return n > 0 && (n < size_of(m, sets[0]) || n < size_of(m, sets[1])) ? both : -1;
}

static int counted(making *m)
{
    const uint64_t way = cmat_rng_below(&m->rng, 3);
    const int i = way == 2 ? conjunction(m) : steps(m, 1 + (int)way);
    const size_t n = i < 0 ? 0 : size_of(m, i);
    return n > 1 && n <= MOST_COUNTED ? call(m, (kg_call){.tool = KG_GET_COUNT, .a = i, .b = -1})
                                      : -1;
}

static int superlative(making *m)
{
    const int i = steps(m, 1 + (int)cmat_rng_below(&m->rng, 2));
    const size_t n = i < 0 ? 0 : size_of(m, i);
    const kg_list *list;
    kg_problem problem = KG_FINE;
    kg_call c = {
        .tool = cmat_rng_below(&m->rng, 2) ? KG_GET_ARGMAX : KG_GET_ARGMIN, .a = i, .b = -1};
    if (n < 2 || n > MOST_COUNTED ||
        call(m, (kg_call){.tool = KG_GET_ATTRIBUTES, .a = i, .b = -1}) < 0 ||
        kg_play_list(&m->p, i, true, &list, &problem, NULL) != CMAT_OK || list->n == 0)
        return -1;
    snprintf(c.relation, sizeof c.relation, "%s",
             kg_list_get(list, cmat_rng_below(&m->rng, list->n)));
    const int made = call(m, c);
    const size_t best = made < 0 ? 0 : size_of(m, made);
    return best > 0 && best < n && best <= 3 ? made : -1;
}

static json_t *names_json(const kg_list *l)
{
    json_t *out = json_array();
    for (size_t i = 0; i < l->n; i++)
        json_array_append_new(out, cmat_json_text(kg_list_get(l, i), strlen(kg_list_get(l, i))));
    return out;
}

/* The question about element i as a task; false: the second opinion differs, or it is no use. */
static bool finish(making *m, kind k, int i, cmat_task_list *out)
{
    kg_list values = {0};
    cmat_buf question = {0}, text = {0};
    char hex[65], id[32];
    cmat_task t;
    bool good = m->s->base.ops->values(&m->s->base, m->p.exprs, i, 0, &values, NULL) == CMAT_OK &&
                values.n > 0 && values.n <= MOST_ANSWERS && kg_verify(m->s, &m->p, i, &values);
    if (good) {
        json_t *entities = json_object();
        for (size_t e = 0; e < m->p.n_entities; e++)
            json_object_set_new(entities, m->p.items[e].label, json_string(m->p.exprs[e].name));
        kg_question(m->s, &m->p, i, &m->rng, &question);
        json_t *task = json_pack("{s:s, s:s, s:s, s:o, s:O, s:o}", "env", "kg", "kind",
                                 kind_names[k], "instruction", question.data, "entities", entities,
                                 "gold", m->gold, "answer", names_json(&values));
        good = task != NULL;
        cmat_json_print(&text, task);
        cmat_sha256_hex(cmat_buf_str(&text), text.len, hex);
        snprintf(id, sizeof id, "kg-%.16s", hex);
        if (good)
            json_object_set_new(task, "id", json_string(id));
        good = good && cmat_task_init(&t, task, NULL) == CMAT_OK;
        if (good)
            cmat_task_list_add(out, t);
        json_decref(task);
    }
    kg_list_clear(&values);
    cmat_buf_clear(&question);
    cmat_buf_clear(&text);
    return good;
}

static bool make_one(making *m, kind k, cmat_task_list *out)
{
    bool made = false;
    for (int n = 0; n < TRIES && !made; n++) {
        kg_play_init(&m->p, &m->s->base);
        m->gold = json_array();
        const int i = k <= STEPS4        ? steps(m, (int)k + 1)
                      : k == CONJUNCTION ? conjunction(m)
                      : k == COUNTED     ? counted(m)
                                         : superlative(m);
        made = i >= 0 && finish(m, k, i, out);
        kg_play_clear(&m->p);
        json_decref(m->gold);
    }
    return made;
}

static bool has_attributes(const kg_store *s)
{
    for (size_t i = 0; i < s->n_relations; i++)
        if (s->relations[i].attribute)
            return true;
    return false;
}

static int64_t number(const kg_store *s, const char *sql)
{
    sqlite3_stmt *q = NULL;
    int64_t n = 0;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

static cmat_status start(making *m, cmat_error *err)
{
    if (sqlite3_prepare_v2(m->s->db, "SELECT name, label, literal FROM node WHERE id=?", -1,
                           &m->node, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(
            m->s->db,
            "SELECT s, r, 0 FROM edge WHERE o=?1 UNION ALL SELECT o, r, 1 FROM edge WHERE "
            "s=?1",
            -1, &m->in, NULL) != SQLITE_OK)
        return kg_store_fail(m->s, "make tasks", err);
    m->max_node = number(m->s, "SELECT max(id) FROM node");
    m->labelled = number(m->s,
                         "SELECT count(*) FROM (SELECT 1 FROM node WHERE label IS NOT NULL "
                         "LIMIT 1)") > 0;
    return CMAT_OK;
}

cmat_status kg_make(kg_graph *g, int split, size_t n, uint64_t seed, cmat_task_list *out,
                    cmat_error *err)
{
    making m = {.s = (kg_store *)g, .split = split};
    json_t *seen = json_object(); /* questions */
    const size_t before = out->n;
    if (g->ops->has == NULL) {
        json_decref(seen);
        return cmat_fail(
            err, CMAT_ERR_UNSUPPORTED,
            "kg: tasks are made from a graph's file, not from an endpoint: --tasks FILE");
    }
    cmat_status st = start(&m, err);
    const int n_kinds = has_attributes(m.s) ? N_KINDS : N_KINDS - 1;
    for (size_t k = 0, failed = 0; st == CMAT_OK && out->n - before < n && failed < 40; k++) {
        cmat_rng_init_sub(&m.rng, seed * 3 + (uint64_t)split, k);
        if (!make_one(&m, (kind)(k % (size_t)n_kinds), out)) {
            failed++;
            continue;
        }
        const cmat_task *t = &out->items[out->n - 1];
        if (json_object_get(seen, t->instruction)) {
            cmat_task_clear(&out->items[--out->n]);
            failed++;
        } else {
            json_object_set_new(seen, t->instruction, json_true());
            failed = 0;
        }
    }
    sqlite3_finalize(m.node);
    sqlite3_finalize(m.in);
    json_decref(seen);
    if (st == CMAT_OK && out->n == before)
        return cmat_fail(err, CMAT_ERR_FORMAT, "kg: the graph is too small to make tasks from");
    if (st == CMAT_OK && out->n - before < n)
        cmat_warn("kg: the graph gives %zu tasks only", out->n - before);
    return st;
}
