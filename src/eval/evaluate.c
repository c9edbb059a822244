/* evaluate.c - runs a benchmark and sums up its episodes. */
#include "eval/evaluate.h"
#include "core/json.h"
#include "core/mem.h"
#include "eval/metrics.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_REASONS 10

/* Counts of one group of tasks. */
typedef struct {
    size_t n, right;
} tally;

typedef struct {
    json_t *wanted;                 /* object: ids of the tasks asked for; NULL: all */
    json_t *tasks;                  /* array: a row an episode */
    json_t *first;                  /* object: id -> [right, kind] of the first sample */
    json_t *any;                    /* object: id -> true when any sample was right */
    json_t *outcomes, *error_kinds; /* objects of counts */
    json_t *repaired;               /* object: "id k" of episodes with a rejected action -> true */
    json_t *by_source;              /* object: who rejected -> counts */
    json_t *reasons;                /* object of counts */
    json_t *right_keys;             /* object: "id k" of right episodes */
    json_t *measures;               /* object: name -> [sum, n] of the first samples */
    double score_sum;               /* of the first samples */
    size_t n_scored;
    bool partial; /* a score was neither 0 nor 1 */
    size_t n, n_samples;
    double turns, prompt_tokens, tokens, seconds;
    size_t verdicts, rejected, caught, false_alarms, passed_right, passed_wrong, unknown;
    char checker[16], phase[64];
    int round;
} gathering;

static void count(json_t *counts, const char *key)
{
    json_object_set_new(counts, key,
                        json_integer(json_integer_value(json_object_get(counts, key)) + 1));
}

static bool is_wanted(const gathering *g, const char *id)
{
    return !g->wanted || json_object_get(g->wanted, id);
}

static void key_of(char *key, size_t size, const char *id, int k)
{
    snprintf(key, size, "%s %d", id, k);
}

/* What is told as a mean: the score and the environment's further figures, of first samples. */
static void gather_measures(gathering *g, const cmat_episode_row *row)
{
    const char *name;
    json_t *value;
    if (!isnan(row->score)) {
        g->score_sum += row->score;
        g->n_scored++;
        g->partial |= row->score > 0 && row->score < 1;
    }
    json_object_foreach((json_t *)row->measures, name, value)
    {
        const json_t *so_far = json_object_get(g->measures, name);
        if (json_is_number(value))
            json_object_set_new(
                g->measures, name,
                json_pack("[f, I]",
                          json_number_value(json_array_get(so_far, 0)) + json_number_value(value),
                          json_integer_value(json_array_get(so_far, 1)) + 1));
    }
}

static bool gather_episode(void *user, int64_t id, const cmat_episode_row *row)
{
    gathering *g = user;
    (void)id;
    if (!is_wanted(g, row->task_id))
        return true;
    const bool right = row->score >= 1;
    char key[512];
    key_of(key, sizeof key, row->task_id, row->k);
    json_t *j = json_object();
    json_object_set_new(j, "id", json_string(row->task_id));
    json_object_set_new(j, "kind", json_string(row->kind));
    json_object_set_new(j, "k", json_integer(row->k));
    json_object_set_new(j, "score", isnan(row->score) ? json_null() : json_real(row->score));
    if (row->measures)
        json_object_set(j, "measures", (json_t *)row->measures);
    json_object_set_new(j, "outcome", json_string(row->outcome));
    json_object_set_new(j, "error_kind",
                        row->error_kind ? json_string(row->error_kind) : json_null());
    json_object_set_new(j, "n_turns", json_integer(row->n_turns));
    json_object_set_new(j, "tokens", json_integer(row->n_tokens));
    json_object_set_new(j, "seconds", json_real(row->seconds));
    json_array_append_new(g->tasks, j);
    if (row->k == 0) {
        json_object_set_new(g->first, row->task_id, json_pack("[b, s]", right, row->kind));
        gather_measures(g, row);
    }
    if (right) {
        json_object_set_new(g->any, row->task_id, json_true());
        json_object_set_new(g->right_keys, key, json_true());
    }
    count(g->outcomes, row->outcome);
    if (row->error_kind && !right)
        count(g->error_kinds, row->error_kind);
    g->n++;
    g->n_samples = (size_t)row->k + 1 > g->n_samples ? (size_t)row->k + 1 : g->n_samples;
    g->turns += row->n_turns;
    g->prompt_tokens += (double)row->n_prompt;
    g->tokens += (double)row->n_tokens;
    g->seconds += row->seconds;
    snprintf(g->checker, sizeof g->checker, "%s", row->checker);
    snprintf(g->phase, sizeof g->phase, "%s", row->phase);
    g->round = row->round;
    return true;
}

static void count_source(gathering *g, const cmat_verdict_row *v)
{
    json_t *counts = json_object_get(g->by_source, v->source);
    if (!counts) {
        counts = json_pack("{s:i, s:i, s:i}", "rejected", 0, "caught", 0, "false_alarms", 0);
        json_object_set_new(g->by_source, v->source, counts);
    }
    count(counts, "rejected");
    if (v->right >= 0)
        count(counts, v->right ? "false_alarms" : "caught");
}

static bool gather_verdict(void *user, const char *task_id, int k, const cmat_verdict_row *v)
{
    gathering *g = user;
    if (!is_wanted(g, task_id))
        return true;
    char key[512];
    g->verdicts++;
    if (!v->accepted) {
        key_of(key, sizeof key, task_id, k);
        json_object_set_new(g->repaired, key, json_true());
        g->rejected++;
        count_source(g, v);
        if (v->reason)
            count(g->reasons, v->reason);
    }
    if (v->right < 0)
        g->unknown++;
    else if (v->accepted)
        v->right ? g->passed_right++ : g->passed_wrong++;
    else
        v->right ? g->false_alarms++ : g->caught++;
    return true;
}

static json_t *rate_json(tally t)
{
    const cmat_interval w = cmat_wilson(t.right, t.n, CMAT_Z95);
    return json_pack("{s:I, s:I, s:f, s:f, s:f}", "n", (json_int_t)t.n, "right",
                     (json_int_t)t.right, "rate", w.rate, "low", w.low, "high", w.high);
}

/* Adds one task to the tally kept as {"n", "right"} under key. */
static void add_to(json_t *tallies, const char *key, bool right)
{
    json_t *t = json_object_get(tallies, key);
    if (!t) {
        t = json_pack("{s:i, s:i}", "n", 0, "right", 0);
        json_object_set_new(tallies, key, t);
    }
    count(t, "n");
    if (right)
        count(t, "right");
}

static tally tally_of(const json_t *t)
{
    return (tally){(size_t)cmat_json_int(t, "n", 0), (size_t)cmat_json_int(t, "right", 0)};
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of an object in alphabetic order: (*n), the caller's to free(). */
static const char **sorted_keys(json_t *object, size_t *n)
{
    const char **keys = cmat_xcalloc(json_object_size(object) + 1, sizeof *keys);
    const char *key;
    json_t *value;
    *n = 0;
    json_object_foreach(object, key, value) keys[(*n)++] = key;
    qsort(keys, *n, sizeof *keys, compare_names);
    return keys;
}

static json_t *by_kind_json(json_t *kinds)
{
    size_t n;
    const char **keys = sorted_keys(kinds, &n);
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *r = rate_json(tally_of(json_object_get(kinds, keys[i])));
        json_object_set_new(r, "kind", json_string(keys[i]));
        json_array_append_new(out, r);
    }
    free(keys);
    return out;
}

/* AgentBench's category of a kind: INSERT and UPDATE are their own, all others SELECT. */
static const char *category_of(const char *kind)
{
    if (strcasecmp(kind, "INSERT") == 0)
        return "INSERT";
    return strcasecmp(kind, "UPDATE") == 0 ? "UPDATE" : "SELECT";
}

/* overall_cat_accuracy = (SELECT + INSERT + UPDATE) / 3: NULL unless there are tasks of all three.
 */
static json_t *agentbench_json(json_t *categories)
{
    static const char *const names[] = {"SELECT", "INSERT", "UPDATE"};
    double sum = 0;
    json_t *out = json_object();
    for (int i = 0; i < 3; i++) {
        const tally t = tally_of(json_object_get(categories, names[i]));
        if (t.n == 0) {
            json_decref(out);
            return NULL;
        }
        sum += (double)t.right / (double)t.n;
        json_object_set_new(out, names[i], rate_json(t));
    }
    json_object_set_new(out, "overall_cat_accuracy", json_real(100 * sum / 3));
    return out;
}

static void add_means(const gathering *g, json_t *out)
{
    const char *name;
    json_t *v, *means = json_object();
    if (g->partial)
        json_object_set_new(out, "mean_score", json_real(g->score_sum / (double)g->n_scored));
    json_object_foreach(g->measures, name, v)
        json_object_set_new(means, name,
                            json_real(json_number_value(json_array_get(v, 0)) /
                                      json_number_value(json_array_get(v, 1))));
    if (json_object_size(means) > 0)
        json_object_set(out, "measures", means);
    json_decref(means);
}

/* What is said of the first samples: success, by kind, AgentBench's average. */
static void add_rates(const gathering *g, json_t *out)
{
    tally all = {0}, any = {0};
    json_t *kinds = json_object(), *categories = json_object();
    const char *id;
    json_t *v;
    json_object_foreach(g->first, id, v)
    {
        const bool right = json_is_true(json_array_get(v, 0));
        const char *kind = json_string_value(json_array_get(v, 1));
        all.n++;
        all.right += right;
        any.right += json_object_get(g->any, id) != NULL;
        add_to(kinds, kind, right);
        add_to(categories, category_of(kind), right);
    }
    any.n = all.n;
    json_object_set_new(out, "n_tasks", json_integer((json_int_t)all.n));
    json_object_set_new(out, "n_samples", json_integer((json_int_t)g->n_samples));
    json_object_set_new(out, "success", rate_json(all));
    if (g->n_samples > 1)
        json_object_set_new(out, "any_sample", rate_json(any));
    json_object_set_new(out, "by_kind", by_kind_json(kinds));
    add_means(g, out);
    json_t *agentbench = agentbench_json(categories);
    if (agentbench)
        json_object_set_new(out, "agentbench", agentbench);
    json_decref(kinds);
    json_decref(categories);
}

/* The most frequent reasons. */
static json_t *reasons_json(json_t *reasons)
{
    json_t *out = json_array();
    for (int i = 0; i < MAX_REASONS && json_object_size(reasons) > 0; i++) {
        size_t n;
        const char **keys = sorted_keys(reasons, &n), *best = keys[0];
        for (size_t j = 1; j < n; j++)
            if (cmat_json_int(reasons, keys[j], 0) > cmat_json_int(reasons, best, 0))
                best = keys[j];
        json_array_append_new(
            out, json_pack("{s:s, s:O}", "reason", best, "n", json_object_get(reasons, best)));
        json_object_del(reasons, best);
        free(keys);
    }
    return out;
}

static json_t *share(size_t part, size_t whole)
{
    return whole ? json_real((double)part / (double)whole) : json_null();
}

static json_t *checker_json(const gathering *g)
{
    size_t repaired = 0;
    const char *key;
    json_t *v;
    json_object_foreach(g->repaired, key, v) repaired +=
        json_object_get(g->right_keys, key) != NULL;
    json_t *j = json_object();
    json_object_set_new(j, "verdicts", json_integer((json_int_t)g->verdicts));
    json_object_set_new(j, "rejected", json_integer((json_int_t)g->rejected));
    json_object_set_new(j, "caught", json_integer((json_int_t)g->caught));
    json_object_set_new(j, "false_alarms", json_integer((json_int_t)g->false_alarms));
    json_object_set_new(j, "passed_right", json_integer((json_int_t)g->passed_right));
    json_object_set_new(j, "passed_wrong", json_integer((json_int_t)g->passed_wrong));
    json_object_set_new(j, "unknown", json_integer((json_int_t)g->unknown));
    json_object_set_new(j, "precision", share(g->caught, g->caught + g->false_alarms));
    json_object_set_new(j, "recall", share(g->caught, g->caught + g->passed_wrong));
    json_object_set_new(j, "repaired", json_integer((json_int_t)repaired));
    json_object_set(j, "by_source", g->by_source);
    json_object_set_new(j, "reasons", reasons_json(g->reasons));
    return j;
}

static json_t *cost_json(const gathering *g)
{
    const double n = g->n ? (double)g->n : 1;
    return json_pack("{s:f, s:f, s:f, s:f}", "turns", g->turns / n, "prompt_tokens",
                     g->prompt_tokens / n, "tokens", g->tokens / n, "seconds", g->seconds / n);
}

static json_t *summary_json(const gathering *g)
{
    json_t *out = json_object();
    json_object_set_new(out, "phase", json_string(g->phase));
    json_object_set_new(out, "round", json_integer(g->round));
    json_object_set_new(out, "checker_mode", json_string(g->checker));
    add_rates(g, out);
    json_t *macro = cmat_eval_macro(g->tasks);
    if (macro)
        json_object_set_new(out, "macro", macro);
    json_object_set(out, "outcomes", g->outcomes);
    json_object_set(out, "error_kinds", g->error_kinds);
    json_object_set_new(out, "cost", cost_json(g));
    json_object_set_new(out, "checker", checker_json(g));
    json_object_set(out, "tasks", g->tasks);
    return out;
}

static void gathering_init(gathering *g, const cmat_task_list *tasks)
{
    *g = (gathering){0};
    if (tasks) {
        g->wanted = json_object();
        for (size_t i = 0; i < tasks->n; i++)
            json_object_set_new(g->wanted, tasks->items[i].id, json_true());
    }
    g->tasks = json_array();
    g->first = json_object();
    g->any = json_object();
    g->error_kinds = json_object();
    g->repaired = json_object();
    g->reasons = json_object();
    g->by_source = json_object();
    g->right_keys = json_object();
    g->measures = json_object();
    g->outcomes = json_object();
    for (int i = 0; i < CMAT_N_OUTCOMES; i++)
        json_object_set_new(g->outcomes, cmat_outcome_names[i], json_integer(0));
}

static void gathering_clear(gathering *g)
{
    json_t *all[] = {g->wanted,      g->tasks,    g->first,   g->any,
                     g->error_kinds, g->repaired, g->reasons, g->right_keys,
                     g->by_source,   g->outcomes, g->measures};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        json_decref(all[i]);
}

cmat_status cmat_eval_summary(cmat_store *store, const char *phase, int round,
                              const cmat_task_list *tasks, json_t **summary, cmat_error *err)
{
    gathering g;
    *summary = NULL;
    gathering_init(&g, tasks);
    cmat_status st = cmat_store_each_episode(store, phase, round, false, gather_episode, &g, err);
    if (st == CMAT_OK)
        st = cmat_store_each_verdict(store, phase, round, gather_verdict, &g, err);
    if (st == CMAT_OK)
        *summary = summary_json(&g);
    gathering_clear(&g);
    return st;
}

cmat_status cmat_eval_run(const cmat_run_config *config, const cmat_task_list *tasks,
                          json_t **summary, cmat_error *err)
{
    *summary = NULL;
    if (!config->store)
        return cmat_fail(err, CMAT_ERR_ARG, "eval: a store is needed");
    cmat_run_stats stats = {0};
    cmat_status st = cmat_agent_run(config, tasks, &stats, err);
    if (st == CMAT_OK)
        st = cmat_eval_summary(config->store, config->phase, config->round, tasks, summary, err);
    if (st != CMAT_OK)
        return st;
    json_object_set_new(*summary, "env",
                        json_string(config->env_ops ? config->env_ops->name : config->env));
    /* "seconds" is how long an episode took beside others; this is what it cost. */
    if (stats.n_run > 0)
        json_object_set_new(json_object_get(*summary, "cost"), "wall_seconds",
                            json_real(stats.seconds / (double)stats.n_run));
    return CMAT_OK;
}

double cmat_eval_rate(const json_t *summary)
{
    return cmat_json_num(json_object_get(summary, "success"), "rate", 0);
}
