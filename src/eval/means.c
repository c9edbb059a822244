/* means.c - figures that are told as means: the score where it is not just 0 or 1, an environment's
 * further measures, their averages over groups of steps. */
#include "core/json.h"
#include "eval/evaluate.h"
#include "eval/metrics.h"
#include <math.h>
#include <string.h>

static void add(json_t *out, const char *group, const char *name, const json_t *value)
{
    if (json_is_number(value))
        json_array_append_new(out, json_pack("{s:s+, s:O}", "name", group, name, "mean", value));
}

json_t *cmat_eval_means(const json_t *summary)
{
    const json_t *macro = json_object_get(summary, "macro");
    json_t *out = json_array(), *v;
    const char *name;
    add(out, "", "score", json_object_get(summary, "mean_score"));
    json_object_foreach(json_object_get(summary, "measures"), name, v) add(out, "", name, v);
    add(out, "by group: ", "success", json_object_get(macro, "success"));
    add(out, "by group: ", "every step right", json_object_get(macro, "whole"));
    json_object_foreach(json_object_get(macro, "measures"), name, v)
        add(out, "by group: ", name, v);
    return out;
}

const json_t *cmat_eval_mean_of(const json_t *means, const char *name)
{
    const json_t *m;
    size_t i;
    json_array_foreach(means, i, m) if (strcmp(cmat_json_str(m, "name", ""), name) ==
                                        0) return json_object_get(m, "mean");
    return NULL;
}

/* One figure in both runs: sums over the tasks that have it in both. */
typedef struct {
    double n, a, b, d, dd; /* of a, b, b - a, (b - a)^2 */
    bool partial;          /* some value was neither 0 nor 1 */
} pair_sums;

static void add_values(pair_sums *s, const json_t *a, const json_t *b)
{
    if (!json_is_number(a) || !json_is_number(b))
        return;
    const double x = json_number_value(a), y = json_number_value(b);
    s->n++;
    s->a += x;
    s->b += y;
    s->d += y - x;
    s->dd += (y - x) * (y - x);
    s->partial |= (x > 0 && x < 1) || (y > 0 && y < 1);
}

/* figure "": the score. */
static pair_sums sums_of(const json_t *in_a, const json_t *in_b, const char *figure)
{
    pair_sums s = {0};
    const char *id;
    json_t *row;
    json_object_foreach((json_t *)in_a, id, row)
    {
        const json_t *other = json_object_get(in_b, id);
        if (*figure)
            add_values(&s, json_object_get(json_object_get(row, "measures"), figure),
                       json_object_get(json_object_get(other, "measures"), figure));
        else
            add_values(&s, json_object_get(row, "score"), json_object_get(other, "score"));
    }
    return s;
}

static void add_difference(json_t *out, const char *name, pair_sums s)
{
    if (s.n == 0)
        return;
    const double mean = s.d / s.n;
    const double variance = s.n > 1 ? fmax(0, (s.dd - s.n * mean * mean) / (s.n - 1)) : 0;
    const double half = CMAT_Z95 * sqrt(variance / s.n);
    json_array_append_new(out,
                          json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "name", name, "n",
                                    (json_int_t)s.n, "mean_a", s.a / s.n, "mean_b", s.b / s.n,
                                    "difference", mean, "low", mean - half, "high", mean + half));
}

json_t *cmat_eval_compare_means(const json_t *in_a, const json_t *in_b)
{
    json_t *out = json_array(), *names = json_object(), *row, *v;
    const char *id, *name;
    const pair_sums score = sums_of(in_a, in_b, "");
    if (score.partial)
        add_difference(out, "score", score);
    json_object_foreach((json_t *)in_a, id, row)
        json_object_foreach(json_object_get(row, "measures"), name, v)
            json_object_set_new(names, name, json_null());
    json_object_foreach(names, name, v) add_difference(out, name, sums_of(in_a, in_b, name));
    json_decref(names);
    return out;
}
