/* groups.c - macro averages: tasks that are steps of something longer, each group counting once. */
#include "core/json.h"
#include "eval/evaluate.h"
#include <string.h>

/* Adds value to the mean kept as [sum, n] under key. */
static void add_to_mean(json_t *means, const char *key, double value)
{
    const json_t *m = json_object_get(means, key);
    json_object_set_new(means, key,
                        json_pack("[f, I]", json_number_value(json_array_get(m, 0)) + value,
                                  json_integer_value(json_array_get(m, 1)) + 1));
}

static double mean_of(const json_t *m)
{
    return json_number_value(json_array_get(m, 0)) / json_number_value(json_array_get(m, 1));
}

/* The group's figures: {"" (its score): [sum, n], name: [sum, n] ...}. */
static json_t *group_of(json_t *groups, const char *id)
{
    char name[256];
    const size_t n = strcspn(id, "#");
    if (!id[n] || n == 0 || n >= sizeof name)
        return NULL;
    memcpy(name, id, n);
    name[n] = '\0';
    json_t *g = json_object_get(groups, name);
    if (!g) {
        g = json_object();
        json_object_set_new(groups, name, g);
    }
    return g;
}

static json_t *means_json(json_t *groups)
{
    json_t *means = json_object(), *measures = json_object(), *group, *m;
    const char *name, *figure;
    double success = 0, whole = 0;
    const double n = (double)json_object_size(groups);
    json_object_foreach(groups, name, group) json_object_foreach(group, figure, m)
    {
        if (*figure) {
            add_to_mean(means, figure, mean_of(m));
            continue;
        }
        success += mean_of(m) / n;
        whole += mean_of(m) >= 1 ? 1 / n : 0;
    }
    json_object_foreach(means, figure, m)
        json_object_set_new(measures, figure, json_real(mean_of(m)));
    json_decref(means);
    return json_pack("{s:I, s:f, s:f, s:o}", "n_groups", (json_int_t)json_object_size(groups),
                     "success", success, "whole", whole, "measures", measures);
}

json_t *cmat_eval_macro(const json_t *tasks)
{
    json_t *groups = json_object(), *out = NULL, *value;
    const json_t *row;
    const char *name;
    size_t i;
    json_array_foreach(tasks, i, row)
    {
        json_t *g =
            cmat_json_int(row, "k", 0) == 0 ? group_of(groups, cmat_json_str(row, "id", "")) : NULL;
        if (!g || !json_is_number(json_object_get(row, "score")))
            continue;
        add_to_mean(g, "", cmat_json_num(row, "score", 0) >= 1);
        json_object_foreach(json_object_get(row, "measures"), name, value)
            add_to_mean(g, name, json_number_value(value));
    }
    if (json_object_size(groups) > 0)
        out = means_json(groups);
    json_decref(groups);
    return out;
}
