/* eval/evaluate.h - a benchmark run and what it says: rates with intervals, by kind, costs,
 * outcomes, errors, the Checker's worth; two runs compared.
 *
 * A summary is JSON (FORMATS.md); terminal tables and reports are drawn from it and from nothing
 * else. */
#ifndef CMAT_EVAL_EVALUATE_H
#define CMAT_EVAL_EVALUATE_H
#include "agent/scheduler.h"
#include "core/buf.h"

/* Runs the tasks (config->store must be set; what it holds of this phase and round is not run
 * again), then sums up these tasks' episodes. *summary is a new reference:
 *
 *  "phase", "round", "env", "checker_mode", "n_tasks", "n_samples"
 *  "success": {"n", "right", "rate", "low", "high"}: the first sample of each task; 95 % by Wilson
 *  "any_sample": the same, right when any sample was (only where k > 1)
 *  "by_kind": [{"kind", and as success}], ordered by kind
 *  "mean_score": of the first samples, where scores lie between 0 and 1 too
 *  "measures": {name: mean over the first samples} of the environment's further figures, if any
 *  "macro": {"n_groups", "success", "whole", "measures": {name: mean}}, where tasks are steps of
 *      something longer (ids "GROUP#STEP"): means of the groups' own means; whole: the share of the
 *      groups with every step right
 *  "outcomes": {"completed": n, "context limit": n, ...}, all classes
 *  "error_kinds": {"wrong column": n, ...}, of the episodes that were not right
 *  "cost": {"turns", "prompt_tokens", "tokens", "seconds", "wall_seconds"}: means of an episode;
 *      seconds from its start to its end beside others, wall_seconds its share of the whole run
 *      (absent when nothing was run now)
 *  "checker": {"verdicts", "rejected", "caught", "false_alarms", "passed_right", "passed_wrong",
 *      "unknown", "precision", "recall", "repaired", "reasons": [{"reason", "n"}],
 *      "by_source": {"facts"|"note"|"model": {"rejected", "caught", "false_alarms"}}}
 *  "agentbench": {"SELECT": {as success}, "INSERT", "UPDATE", "overall_cat_accuracy": percent},
 *      where there are tasks of all three
 *  "tasks": [{"id", "kind", "k", "score", "measures" (if any), "outcome", "error_kind", "n_turns",
 *      "tokens", "seconds"}]
 *
 * precision: of the rejected actions that could be judged, the share that was wrong; recall: of the
 * wrong ones, the share that was rejected (null where nothing could be judged). repaired: episodes
 * with a rejected action that ended right. */
cmat_status cmat_eval_run(const cmat_run_config *config, const cmat_task_list *tasks,
                          json_t **summary, cmat_error *err);
/* Sums up what a store holds of a phase and round (tasks NULL: all of it). */
cmat_status cmat_eval_summary(cmat_store *store, const char *phase, int round,
                              const cmat_task_list *tasks, json_t **summary, cmat_error *err);
/* Two runs over the same tasks, paired by id (the first sample): *out is a new reference:
 * {"n", "both", "only_a", "only_b", "neither", "rate_a", "rate_b", "difference", "low", "high",
 * "p", "by_kind": [{"kind", "n", "rate_a", "rate_b", "difference"}],
 * "means": [{"name", "n", "mean_a", "mean_b", "difference", "low", "high"}]}. The difference is
 * b - a, its interval Newcombe's, p by McNemar's exact test; "means" has the score where it is not
 * just 0 or 1, and the environment's measures, with the normal interval of the paired differences.
 * CMAT_ERR_ARG: they have no task in common. */
cmat_status cmat_eval_compare(const json_t *a, const json_t *b, json_t **out, cmat_error *err);

/* The "macro" of a summary's "tasks", a new reference; NULL: none of them is a step. */
json_t *cmat_eval_macro(const json_t *tasks);
/* The figures of a summary that are told as means, in the order to show them: a new array of
 * {"name", "mean": 0..1}, empty where success says all. */
json_t *cmat_eval_means(const json_t *summary);
/* The mean of that name, borrowed; NULL: none. */
const json_t *cmat_eval_mean_of(const json_t *means, const char *name);
/* "means" of a comparison, of objects id -> row of a summary's tasks: a new reference. */
json_t *cmat_eval_compare_means(const json_t *in_a, const json_t *in_b);
/* Success rate of a summary, 0..1. */
double cmat_eval_rate(const json_t *summary);
/* Appends plain text tables for a terminal. */
void cmat_eval_table(const json_t *summary, cmat_buf *out);
/* Runs side by side, one a column: names (n), summaries (n). */
void cmat_eval_table_runs(const char *const *names, const json_t *const *summaries, size_t n,
                          cmat_buf *out);
void cmat_eval_table_compare(const json_t *comparison, const char *name_a, const char *name_b,
                             cmat_buf *out);
#endif
