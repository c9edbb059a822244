/* env/kg/play.c - see play.h. */
#include "env/kg/play.h"
#include "core/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const kg_tool_names[KG_N_TOOLS] = {"get_relations",  "get_neighbors", "intersection",
                                               "get_attributes", "argmax",        "argmin",
                                               "count",          "answer"};

void kg_play_init(kg_play *p, kg_graph *g)
{
    *p = (kg_play){.graph = g, .answer = -1};
}

static void drop_last(kg_play *p)
{
    kg_item *it = &p->items[--p->n];
    kg_expr_clear(&p->exprs[p->n]);
    free(it->label);
    free(it->type);
    kg_list_clear(&it->lists[0]);
    kg_list_clear(&it->lists[1]);
}

void kg_play_clear(kg_play *p)
{
    while (p->n > 0)
        drop_last(p);
    free(p->exprs);
    free(p->items);
    memset(p, 0, sizeof *p);
    p->answer = -1;
}

static int add(kg_play *p, kg_op op, int a, int b, const char *name, const char *type)
{
    p->exprs = cmat_xgrow(p->exprs, &p->cap_exprs, p->n + 1, sizeof *p->exprs);
    p->items = cmat_xgrow(p->items, &p->cap_items, p->n + 1, sizeof *p->items);
    p->exprs[p->n] = (kg_expr){.op = op, .a = a, .b = b, .name = cmat_xstrdup(name)};
    p->items[p->n] = (kg_item){.type = cmat_xstrdup(type)};
    return (int)p->n++;
}

void kg_play_entity(kg_play *p, const char *label, const char *name)
{
    cmat_buf clean = {0};
    kg_clean_label(&clean, label, strlen(label));
    if (clean.len == 0)
        kg_clean_label(&clean, name, strlen(name));
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->items[i].label, clean.data) == 0) { /* cut labels may be alike */
            cmat_buf_printf(&clean, " (%zu)", p->n + 1);
            break;
        }
    const int i = add(p, KG_ENTITY, -1, -1, name, "");
    p->items[i].label = cmat_buf_detach(&clean);
    p->n_entities = p->n;
}

size_t kg_play_n_variables(const kg_play *p)
{
    return p->n - p->n_entities;
}

int kg_play_variable(const kg_play *p, size_t k)
{
    return k < p->n - p->n_entities ? (int)(p->n_entities + k) : -1;
}

int kg_play_find(const kg_play *p, kg_op op, int a, int b, const char *name)
{
    for (size_t i = p->n_entities; i < p->n; i++) {
        const kg_expr *e = &p->exprs[i];
        if (e->op == op && e->a == a && e->b == b && (!name || strcmp(e->name, name) == 0))
            return (int)i;
    }
    return -1;
}

/* What kind of element a call makes, with its arguments; false: it makes none. */
static bool makes(const kg_call *c, kg_op *op, const char **name, int *b)
{
    static const kg_op ops[KG_N_TOOLS] = {[KG_GET_NEIGHBORS] = KG_NEIGHBORS,
                                          [KG_INTERSECTION] = KG_AND,
                                          [KG_GET_ARGMAX] = KG_ARGMAX,
                                          [KG_GET_ARGMIN] = KG_ARGMIN,
                                          [KG_GET_COUNT] = KG_COUNT};
    *op = ops[c->tool];
    *name = *op == KG_AND || *op == KG_COUNT ? NULL : c->relation;
    *b = *op == KG_AND ? c->b : -1;
    return *op != KG_ENTITY;
}

/* ---- checking ---- */

/* What the graph itself cannot do with a set is the Actor's matter; the rest is the outside's. */
static cmat_status the_actors(cmat_status st, kg_problem *problem)
{
    if (st != CMAT_ERR_LIMIT && st != CMAT_ERR_UNSUPPORTED)
        return st;
    *problem = KG_TOO_LARGE;
    return CMAT_OK;
}

cmat_status kg_play_list(kg_play *p, int i, bool attributes, const kg_list **out,
                         kg_problem *problem, cmat_error *err)
{
    kg_item *it = &p->items[i];
    *out = &it->lists[attributes];
    if (it->known[attributes])
        return CMAT_OK;
    cmat_status st = (attributes ? p->graph->ops->attributes : p->graph->ops->relations)(
        p->graph, p->exprs, i, &it->lists[attributes], err);
    it->known[attributes] = st == CMAT_OK;
    if (st != CMAT_OK)
        kg_list_clear(&it->lists[attributes]);
    return the_actors(st, problem);
}

static void element_name(const kg_play *p, int i, cmat_buf *out)
{
    if ((size_t)i < p->n_entities)
        cmat_buf_puts(out, p->items[i].label);
    else
        cmat_buf_printf(out, "#%zu", (size_t)i - p->n_entities);
}

static kg_problem not_a_set(const kg_play *p, int i, const char *tool, cmat_buf *why)
{
    element_name(p, i, why);
    cmat_buf_printf(why, " is %s, and %s needs a variable",
                    (size_t)i < p->n_entities ? "an entity" : "a number", tool);
    return KG_NOT_A_SET;
}

/* A relation (attribute) must be one of those that were listed for the element. */
static cmat_status check_relation(kg_play *p, const kg_call *c, bool attribute, kg_problem *problem,
                                  cmat_buf *why, cmat_error *err)
{
    const char *what = attribute ? "attribute" : "relation";
    const kg_list *list;
    const cmat_status st = kg_play_list(p, c->a, attribute, &list, problem, err);
    if (st != CMAT_OK || *problem != KG_FINE)
        return st;
    if (!p->items[c->a].listed[attribute]) {
        *problem = KG_NOT_LISTED;
        cmat_buf_printf(why, "get_%ss(", what);
        element_name(p, c->a, why);
        cmat_buf_puts(why, ") must come first");
    } else if (!kg_list_has(list, c->relation)) {
        const char *near = kg_list_nearest(list, c->relation);
        *problem = KG_NO_RELATION;
        element_name(p, c->a, why);
        cmat_buf_printf(why, " has no %s %s%s%s", what, c->relation,
                        near ? "; the nearest is " : "", near ? near : "");
    } else if (!attribute && !p->graph->ops->range(p->graph, c->relation)) {
        *problem = KG_NO_RELATION;
        cmat_buf_printf(why, "it is not known what %s leads to", c->relation);
    }
    return CMAT_OK;
}

static bool is_set(const kg_play *p, int i)
{
    return (size_t)i >= p->n_entities && p->exprs[i].op != KG_COUNT;
}

cmat_status kg_play_check(kg_play *p, const kg_call *c, kg_problem *problem, cmat_buf *why,
                          cmat_error *err)
{
    const char *tool = kg_tool_names[c->tool];
    const bool entity_too = c->tool == KG_GET_RELATIONS || c->tool == KG_GET_NEIGHBORS;
    const kg_list *list;
    cmat_status st = CMAT_OK;
    *problem = KG_FINE;
    if (c->tool == KG_ANSWER) {
        if ((size_t)c->a < p->n_entities)
            *problem = not_a_set(p, c->a, tool, why);
        return CMAT_OK;
    }
    if (!is_set(p, c->a) && !(entity_too && (size_t)c->a < p->n_entities)) {
        *problem = not_a_set(p, c->a, tool, why);
        return CMAT_OK;
    }
    switch (c->tool) {
    case KG_GET_NEIGHBORS:
    case KG_GET_ARGMAX:
    case KG_GET_ARGMIN:
        st = check_relation(p, c, c->tool != KG_GET_NEIGHBORS, problem, why, err);
        break;
    case KG_GET_RELATIONS:
    case KG_GET_ATTRIBUTES:
        st = kg_play_list(p, c->a, c->tool == KG_GET_ATTRIBUTES, &list, problem, err);
        break;
    case KG_INTERSECTION:
        if (!is_set(p, c->b)) {
            *problem = not_a_set(p, c->b, tool, why);
        } else if (!p->graph->ops->fits(p->graph, p->items[c->a].type, p->items[c->b].type)) {
            *problem = KG_TYPES_DIFFER;
            cmat_buf_printf(why, "the variables are of different types, %s and %s",
                            p->items[c->a].type, p->items[c->b].type);
        }
        break;
    default:
        break;
    }
    if (st == CMAT_OK && *problem == KG_TOO_LARGE)
        cmat_buf_puts(why, "that is too much to work out");
    return st;
}

cmat_status kg_play_size(kg_play *p, const kg_call *c, size_t *n, kg_problem *problem,
                         cmat_error *err)
{
    kg_op op;
    const char *name;
    int b, i = c->a, made = -1;
    *n = 0;
    *problem = KG_FINE;
    if (c->tool == KG_GET_RELATIONS || c->tool == KG_GET_ATTRIBUTES) {
        const kg_list *list;
        const cmat_status st =
            kg_play_list(p, c->a, c->tool == KG_GET_ATTRIBUTES, &list, problem, err);
        *n = st == CMAT_OK ? list->n : 0;
        return st;
    }
    if (makes(c, &op, &name, &b)) {
        i = kg_play_find(p, op, c->a, b, name);
        if (i < 0)
            i = made = add(p, op, c->a, b, name, "");
    }
    const cmat_status st = p->graph->ops->size(p->graph, p->exprs, i, n, err);
    if (made >= 0)
        drop_last(p);
    return the_actors(st, problem);
}

void kg_play_run(kg_play *p, const kg_call *c, int *made)
{
    kg_op op;
    const char *name, *type = p->items[c->a].type;
    int b;
    *made = -1;
    if (c->tool == KG_ANSWER) {
        p->answer = c->a;
    } else if (c->tool == KG_GET_RELATIONS || c->tool == KG_GET_ATTRIBUTES) {
        p->items[c->a].listed[c->tool == KG_GET_ATTRIBUTES] = true;
    } else if (makes(c, &op, &name, &b)) {
        if (op == KG_NEIGHBORS)
            type = p->graph->ops->range(p->graph, c->relation);
        else if (op == KG_COUNT)
            type = KG_NUMBER;
        char *own = cmat_xstrdup(type ? type : "");
        *made = add(p, op, c->a, b, name, own);
        free(own);
    }
}

/* ---- what can be called ---- */

static void offer(const kg_play *p, kg_call c, kg_list *out)
{
    cmat_buf text = {0};
    kg_call_write(p, &c, false, &text);
    kg_list_add(out, text.data);
    cmat_buf_clear(&text);
}

static cmat_status offer_with(kg_play *p, kg_tool tool, int i, kg_list *out, cmat_error *err)
{
    const bool attributes = tool != KG_GET_NEIGHBORS;
    kg_problem problem = KG_FINE;
    const kg_list *list;
    const cmat_status st = kg_play_list(p, i, attributes, &list, &problem, err);
    for (size_t k = 0; st == CMAT_OK && problem == KG_FINE && k < list->n; k++) {
        kg_call c = {.tool = tool, .a = i};
        kg_op op;
        const char *name;
        int b;
        snprintf(c.relation, sizeof c.relation, "%s", kg_list_get(list, k));
        makes(&c, &op, &name, &b);
        if (kg_play_find(p, op, i, -1, name) < 0 &&
            (attributes || p->graph->ops->range(p->graph, name)))
            offer(p, c, out);
    }
    return st;
}

cmat_status kg_play_calls(kg_play *p, kg_list *out, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    for (int i = 0; st == CMAT_OK && i < (int)p->n; i++) {
        const kg_item *it = &p->items[i];
        const bool set = is_set(p, i), entity = (size_t)i < p->n_entities;
        if ((set || entity) && !it->listed[0])
            offer(p, (kg_call){.tool = KG_GET_RELATIONS, .a = i}, out);
        if (set && !it->listed[1])
            offer(p, (kg_call){.tool = KG_GET_ATTRIBUTES, .a = i}, out);
        if (it->listed[0])
            st = offer_with(p, KG_GET_NEIGHBORS, i, out, err);
        if (st == CMAT_OK && it->listed[1])
            st = offer_with(p, KG_GET_ARGMAX, i, out, err);
        if (st == CMAT_OK && it->listed[1])
            st = offer_with(p, KG_GET_ARGMIN, i, out, err);
        if (set && kg_play_find(p, KG_COUNT, i, -1, NULL) < 0)
            offer(p, (kg_call){.tool = KG_GET_COUNT, .a = i}, out);
        for (int k = i + 1; set && k < (int)p->n; k++)
            if (is_set(p, k) && kg_play_find(p, KG_AND, i, k, NULL) < 0 &&
                p->graph->ops->fits(p->graph, it->type, p->items[k].type))
                offer(p, (kg_call){.tool = KG_INTERSECTION, .a = i, .b = k}, out);
        if (!entity)
            offer(p, (kg_call){.tool = KG_ANSWER, .a = i}, out);
    }
    for (int i = 0; out->n == 0 && i < (int)p->n; i++) /* nothing leads anywhere: once more */
        offer(p, (kg_call){.tool = KG_GET_RELATIONS, .a = i}, out);
    kg_list_sort(out);
    return st;
}

/* ---- state as bytes ---- */

/* Variables a line each, then what was listed and the answer. */
void kg_play_save(const kg_play *p, cmat_buf *out)
{
    for (size_t i = p->n_entities; i < p->n; i++)
        cmat_buf_printf(out, "%d %d %d %s\n", (int)p->exprs[i].op, p->exprs[i].a, p->exprs[i].b,
                        p->exprs[i].name ? p->exprs[i].name : "");
    cmat_buf_puts(out, "=");
    for (size_t i = 0; i < p->n; i++)
        cmat_buf_putc(out, (char)('0' + p->items[i].listed[0] + 2 * p->items[i].listed[1]));
    cmat_buf_printf(out, " %d\n", p->answer);
}

/* The tool that makes an element of that kind. */
static kg_tool maker(kg_op op)
{
    static const kg_tool tools[] = {[KG_NEIGHBORS] = KG_GET_NEIGHBORS,
                                    [KG_AND] = KG_INTERSECTION,
                                    [KG_ARGMAX] = KG_GET_ARGMAX,
                                    [KG_ARGMIN] = KG_GET_ARGMIN,
                                    [KG_COUNT] = KG_GET_COUNT};
    return tools[op];
}

static bool restore_line(kg_play *p, const char *line)
{
    int op, made, at = 0;
    kg_call c = {0};
    if (sscanf(line, "%d %d %d %n", &op, &c.a, &c.b, &at) != 3 || at == 0 || op <= KG_ENTITY ||
        op > KG_COUNT || c.a < 0 || c.a >= (int)p->n ||
        (op == KG_AND && (c.b < 0 || c.b >= (int)p->n)))
        return false;
    c.tool = maker((kg_op)op);
    snprintf(c.relation, sizeof c.relation, "%s", line + at);
    kg_play_run(p, &c, &made);
    return true;
}

bool kg_play_restore(kg_play *p, const void *state, size_t len)
{
    char *text = cmat_xstrndup(state, len), *rest = NULL;
    bool good = false;
    while (p->n > p->n_entities)
        drop_last(p);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (*line != '=') {
            if (!restore_line(p, line))
                break;
            continue;
        }
        const size_t n = strspn(line + 1, "0123");
        good = n == p->n && line[1 + n] == ' ';
        for (size_t i = 0; good && i < n; i++) {
            p->items[i].listed[0] = (line[1 + i] - '0') & 1;
            p->items[i].listed[1] = (line[1 + i] - '0') >> 1;
        }
        p->answer = good ? atoi(line + 1 + n) : -1;
        good = good && p->answer >= -1 && p->answer < (int)p->n;
        break;
    }
    free(text);
    return good;
}
