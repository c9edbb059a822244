/* env/kg/gold.c - a task's entities, the way its gold calls go, and its score. */
#include "core/json.h"
#include "core/mem.h"
#include "env/kg/kg.h"
#include <stdlib.h>
#include <string.h>

cmat_status kg_task_entities(const json_t *task, kg_play *p, cmat_error *err)
{
    const json_t *entities = json_object_get(task, "entities"), *name;
    const char *label;
    kg_list labels = {0};
    cmat_status st = CMAT_OK;
    json_object_foreach((json_t *)entities, label, name) if (json_is_string(name))
        kg_list_add(&labels, label);
    kg_list_sort(&labels);
    if (labels.n == 0)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "task %s: has no \"entities\"",
                       cmat_json_str(task, "id", "?"));
    for (size_t i = 0; st == CMAT_OK && i < labels.n; i++) {
        const char *node = cmat_json_str(entities, kg_list_get(&labels, i), "");
        if (p->graph->ops->has && !p->graph->ops->has(p->graph, node)) {
            cmat_buf shown = {0};
            kg_clean_label(&shown, node, strlen(node));
            st = cmat_fail(err, CMAT_ERR_NOT_FOUND,
                           "task %s: %s is not in the graph: another --world?",
                           cmat_json_str(task, "id", "?"), cmat_buf_str(&shown));
            cmat_buf_clear(&shown);
        } else {
            kg_play_entity(p, kg_list_get(&labels, i), node);
        }
    }
    kg_list_clear(&labels);
    return st;
}

/* Reads one gold call, its variables being gold's: at[k] is the play's element of gold's #k. */
static bool read_gold(const kg_play *gold, const char *text, kg_call *c)
{
    cmat_buf why = {0};
    const kg_problem problem = kg_call_read(gold, text, true, c, &why);
    cmat_buf_clear(&why);
    return problem == KG_FINE;
}

static int mapped(const kg_play *gold, const int *at, int i)
{
    return i < 0 || (size_t)i < gold->n_entities ? i : at[(size_t)i - gold->n_entities];
}

cmat_status kg_gold_next(const json_t *task, kg_play *p, kg_call *out)
{
    const json_t *calls = json_object_get(task, "gold");
    const size_t n = json_array_size(calls);
    int *at = cmat_xcalloc(n + 1, sizeof *at); /* of gold's variables */
    size_t n_made = 0;
    kg_play gold; /* the same entities, gold's own variables */
    cmat_status st = CMAT_ERR_NOT_FOUND;
    kg_play_init(&gold, p->graph);
    for (size_t i = 0; i < p->n_entities; i++)
        kg_play_entity(&gold, p->items[i].label, p->exprs[i].name);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(calls, i));
        kg_call c;
        int made, element = -1;
        if (!text || !read_gold(&gold, text, &c) || c.tool == KG_ANSWER)
            goto done;
        kg_play_run(&gold, &c, &made);
        *out = c;
        out->a = mapped(&gold, at, c.a);
        out->b = mapped(&gold, at, c.b);
        if (made < 0) {
            if (!p->items[out->a].listed[c.tool == KG_GET_ATTRIBUTES])
                st = CMAT_OK;
        } else {
            const kg_expr *e = &gold.exprs[made];
            element = kg_play_find(p, e->op, out->a, e->op == KG_AND ? out->b : -1, e->name);
            if (element < 0)
                st = CMAT_OK;
            at[n_made++] = element;
        }
        if (st == CMAT_OK)
            goto done;
    }
    if (n_made > 0) {
        *out = (kg_call){.tool = KG_ANSWER, .a = at[n_made - 1], .b = -1};
        st = CMAT_OK;
    }
done:
    kg_play_clear(&gold);
    free(at);
    return st;
}

double kg_f1(const kg_list *predicted, const kg_list *gold)
{
    size_t both = 0;
    for (size_t i = 0; i < predicted->n; i++)
        both += kg_list_has(gold, kg_list_get(predicted, i));
    if (both == 0)
        return 0;
    const double precision = (double)both / (double)predicted->n;
    const double recall = (double)both / (double)gold->n;
    return 2 * precision * recall / (precision + recall);
}
