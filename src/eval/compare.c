/* compare.c - two runs over the same tasks, paired. */
#include "core/json.h"
#include "eval/evaluate.h"
#include "eval/metrics.h"
#include <string.h>

/* id -> its row, of the first samples of a summary. */
static json_t *first_samples(const json_t *summary)
{
    json_t *out = json_object();
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(summary, "tasks"), i,
                       row) if (cmat_json_int(row, "k", 0) == 0)
        json_object_set(out, cmat_json_str(row, "id", ""), row);
    return out;
}

static bool is_right(const json_t *row)
{
    return cmat_json_num(row, "score", 0) >= 1;
}

static void bump(json_t *counts, const char *key, bool really)
{
    if (really)
        json_object_set_new(counts, key, json_integer(cmat_json_int(counts, key, 0) + 1));
}

static json_t *difference_json(cmat_pairs p, const char *kind)
{
    const cmat_interval d = cmat_paired_difference(p, CMAT_Z95);
    const size_t n = p.both + p.only_a + p.only_b + p.neither;
    json_t *j = json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "n", (json_int_t)n, "rate_a",
                          (double)(p.both + p.only_a) / (double)n, "rate_b",
                          (double)(p.both + p.only_b) / (double)n, "difference", d.rate, "low",
                          d.low, "high", d.high, "p", cmat_mcnemar(p));
    if (kind)
        json_object_set_new(j, "kind", json_string(kind));
    return j;
}

static cmat_pairs pairs_of(const json_t *counts)
{
    return (cmat_pairs){.both = (size_t)cmat_json_int(counts, "both", 0),
                        .only_a = (size_t)cmat_json_int(counts, "only_a", 0),
                        .only_b = (size_t)cmat_json_int(counts, "only_b", 0),
                        .neither = (size_t)cmat_json_int(counts, "neither", 0)};
}

static void add_pair(json_t *counts, bool a, bool b)
{
    bump(counts, "both", a && b);
    bump(counts, "only_a", a && !b);
    bump(counts, "only_b", !a && b);
    bump(counts, "neither", !a && !b);
}

/* In the order of the first run's kinds. */
static json_t *by_kind(const json_t *a, json_t *kinds)
{
    json_t *out = json_array();
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(a, "by_kind"), i, row)
    {
        const char *kind = cmat_json_str(row, "kind", "");
        if (json_object_get(kinds, kind))
            json_array_append_new(out,
                                  difference_json(pairs_of(json_object_get(kinds, kind)), kind));
    }
    return out;
}

cmat_status cmat_eval_compare(const json_t *a, const json_t *b, json_t **out, cmat_error *err)
{
    json_t *in_a = first_samples(a), *in_b = first_samples(b), *all = json_object(),
           *kinds = json_object();
    const char *id;
    json_t *row;
    *out = NULL;
    json_object_foreach(in_a, id, row)
    {
        const json_t *other = json_object_get(in_b, id);
        if (!other)
            continue;
        const char *kind = cmat_json_str(row, "kind", "");
        if (!json_object_get(kinds, kind))
            json_object_set_new(kinds, kind, json_object());
        add_pair(all, is_right(row), is_right(other));
        add_pair(json_object_get(kinds, kind), is_right(row), is_right(other));
    }
    cmat_status st = CMAT_OK;
    if (json_object_size(all) == 0) {
        st = cmat_fail(err, CMAT_ERR_ARG, "compare: the two runs have no task in common");
    } else {
        const cmat_pairs p = pairs_of(all);
        *out = difference_json(p, NULL);
        json_object_set_new(*out, "both", json_integer((json_int_t)p.both));
        json_object_set_new(*out, "only_a", json_integer((json_int_t)p.only_a));
        json_object_set_new(*out, "only_b", json_integer((json_int_t)p.only_b));
        json_object_set_new(*out, "neither", json_integer((json_int_t)p.neither));
        json_object_set_new(*out, "by_kind", by_kind(a, kinds));
        json_object_set_new(*out, "means", cmat_eval_compare_means(in_a, in_b));
    }
    json_decref(in_a);
    json_decref(in_b);
    json_decref(all);
    json_decref(kinds);
    return st;
}
