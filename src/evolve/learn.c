/* learn.c - one round: collect, make rows, tune the Actor, tune the Checker, keep what is better.
 */
#include "agent/harvest.h"
#include "agent/reflect.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/progress.h"
#include "eval/evaluate.h"
#include "evolve/loop.h"
#include "train/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LORA_LR 1e-3 /* of a new LoRA adapter, without --lr */

/* The training tasks of a round: the first ones in round 1, fresh ones in each further round.
 * Borrowed items: not to be cleared. */
static cmat_task_list tasks_of(const cmat_loop *l, int round)
{
    size_t first = (size_t)l->o->first_tasks, each = (size_t)l->o->round_tasks;
    size_t from = round == 1 ? 0 : first + (size_t)(round - 2) * each,
           n = round == 1 ? first : each;

    if (from >= l->train.n) { /* there are fewer tasks: go through them again */
        from = l->train.n > n ? (size_t)(round - 2) * each % (l->train.n - n) : 0;
    }
    if (n > l->train.n - from)
        n = l->train.n - from;
    return (cmat_task_list){.items = l->train.items + from, .n = n};
}

static cmat_status collect(cmat_loop *l, int round, const cmat_task_list *tasks, cmat_error *err)
{
    char stage[32], label[32];
    cmat_run_config rc;
    cmat_run_stats stats;
    cmat_status st;

    snprintf(stage, sizeof stage, "collect-%d", round);
    if (cmat_run_dir_stage(&l->dir, stage))
        return CMAT_OK;
    snprintf(label, sizeof label, "round %d: try", round);
    rc = cmat_loop_config(l, "collect", round, label);
    rc.opts.samples = l->o->samples;
    rc.opts.record_facts = true;
    st = cmat_agent_run(&rc, tasks, &stats, err);
    if (st != CMAT_OK)
        return st;
    return cmat_run_dir_finish(&l->dir, stage,
                               json_pack("{s:I}", "episodes", (json_int_t)stats.n_total), err);
}

/* Makes the rows of a round, or reads those that were made before. */
static cmat_status make_rows(cmat_loop *l, int round, const cmat_task_list *tasks,
                             cmat_dataset *actor, cmat_dataset *checker, cmat_error *err)
{
    cmat_harvest_options ho = CMAT_HARVEST_OPTIONS_DEFAULT;
    cmat_reflect_options ro = CMAT_REFLECT_OPTIONS_DEFAULT;
    cmat_harvest_counts counts = {0};
    cmat_reflect_counts learned = {0};
    cmat_run_config rc = cmat_loop_config(l, "collect", round, NULL);
    char stage[32], *actor_path = cmat_run_dir_path(&l->dir, "rounds/%d/actor.jsonl", round),
                    *checker_path = cmat_run_dir_path(&l->dir, "rounds/%d/checker.jsonl", round);
    cmat_status st = CMAT_OK;

    snprintf(stage, sizeof stage, "rows-%d", round);
    ho.seed = (uint64_t)l->o->seed;
    ho.repairs = l->o->agent.retry == CMAT_RETRY_REASON; /* else the Actor never sees a reason */
    if (cmat_run_dir_stage(&l->dir, stage)) {
        if ((st = cmat_dataset_load(actor, actor_path, CMAT_DATA_MESSAGES, NULL, err)) == CMAT_OK)
            st = cmat_dataset_load(checker, checker_path, CMAT_DATA_MESSAGES, NULL, err);
        goto done;
    }
    if (round == 1)
        st = cmat_harvest_gold(&rc, tasks, NULL, NULL, -1, &ho, actor, NULL, &counts, err);
    else if ((st = cmat_harvest(l->store, l->prompts, "collect", round, &ho, actor, checker,
                                &counts, err)) == CMAT_OK &&
             l->o->gold)
        st = cmat_harvest_gold(&rc, tasks, l->store, "collect", round, &ho, actor, NULL, &counts,
                               err);
    if (st == CMAT_OK && round > 1) {
        ro.origin = cmat_path_base(l->dir.path);
        ro.world = l->o->world;
        st = cmat_reflect(l->store, l->llm, l->prompts, "collect", round, &ro, &learned, err);
    }
    if (st != CMAT_OK)
        goto done;
    cmat_dataset_dedupe(actor, 1, true);
    cmat_dataset_dedupe(checker, 1, true);
    if ((st = cmat_dataset_save(actor, actor_path, err)) != CMAT_OK ||
        (st = cmat_dataset_save(checker, checker_path, err)) != CMAT_OK)
        goto done;
    st = cmat_run_dir_finish(
        &l->dir, stage,
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "episodes",
                  (json_int_t)counts.n_episodes, "right", (json_int_t)counts.n_right, "actor",
                  (json_int_t)actor->n, "repairs", (json_int_t)counts.n_repairs, "gold",
                  (json_int_t)counts.n_gold, "checker", (json_int_t)checker->n, "accept",
                  (json_int_t)counts.n_accept, "reject", (json_int_t)counts.n_reject, "lessons",
                  (json_int_t)learned.n_lessons, "examples", (json_int_t)learned.n_examples),
        err);
done:
    free(actor_path);
    free(checker_path);
    return st;
}

static void on_step(void *user, const cmat_tune_metrics *m)
{
    cmat_progress_set_total(user, m->n_steps);
    cmat_progress_note(user, "loss %.3f", m->loss);
    cmat_progress_set(user, m->step);
}

static const char *start_of(const cmat_evolve_options *o, cmat_role role)
{
    return role == CMAT_ROLE_ACTOR ? o->start : role == CMAT_ROLE_CHECKER ? o->start_checker : NULL;
}

/* Tunes a copy of the role's present adapter (or a new one) on rows; *out is the caller's. A stage:
 * the adapter lies in rounds/N/ROLE when it is done. */
static cmat_status tune_role(cmat_loop *l, int round, cmat_role role, const cmat_dataset *rows,
                             cmat_adapter **out, cmat_error *err)
{
    const cmat_evolve_options *o = l->o;
    cmat_tune_options to = {0};
    cmat_tune_result res;
    cmat_train_set set = {0};
    cmat_rng rng;
    cmat_progress *bar = NULL;
    char stage[32], label[32],
        *dir = cmat_run_dir_path(&l->dir, "rounds/%d/%s", round, cmat_role_names[role]);
    cmat_status st;

    *out = NULL;
    snprintf(stage, sizeof stage, "%s-%d", cmat_role_names[role], round);
    if (cmat_run_dir_stage(&l->dir, stage)) {
        st = cmat_adapter_load(out, l->model, dir, err);
        goto done;
    }
    cmat_rng_init_sub(&rng, (uint64_t)o->seed, (uint64_t)round * CMAT_N_ROLES + role);
    if (l->adapters[role])
        st = cmat_adapter_copy(out, l->adapters[role], err);
    else if (start_of(o, role))
        st = cmat_adapter_load(out, l->model, start_of(o, role), err);
    else
        st = cmat_method_adapter(out, l->model, &o->method, &rng, err);
    if (st != CMAT_OK || (st = cmat_options_init(cmat_tune_option_table, &to, err)) != CMAT_OK ||
        (st = cmat_train_set_add_dataset(
             &set, l->model, rows, cmat_config_train_ctx(&l->model->config) - (*out)->n_virtual, 0,
             err)) != CMAT_OK ||
        (st = cmat_mkdir_p(dir, err)) != CMAT_OK)
        goto done;
    to.run_dir = dir;
    to.lr = role == CMAT_ROLE_CHECKER ? o->checker_lr : o->lr;
    if (to.lr == 0)
        to.lr = (*out)->n_virtual ? cmat_adapter_lr(*out) : LORA_LR;
    if (round > 1)
        to.lr *= 0.5; /* going on from a tuned adapter */
    to.epochs = o->epochs;
    to.batch_tokens = o->batch_tokens;
    for (size_t i = 0; i < set.n; i++) /* a wide schema makes long prompts */
        if (set.items[i].n + (*out)->n_virtual > to.batch_tokens)
            to.batch_tokens = set.items[i].n + (*out)->n_virtual;
    to.seed = o->seed + round;
    to.save_every = 20;
    to.resume = true;
    snprintf(label, sizeof label, "round %d: %s", round, cmat_role_names[role]);
    bar = cmat_progress_new(label, 0);
    to.on_step = on_step;
    to.user = bar;
    st = cmat_tune(l->model, *out, &set, NULL, &to, &res, err);
    cmat_progress_free(bar);
    if (st == CMAT_OK)
        st = cmat_adapter_save(*out, dir, err);
    if (st == CMAT_OK)
        st = cmat_run_dir_finish(&l->dir, stage,
                                 json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:f}", "samples",
                                           (json_int_t)set.n, "steps", (json_int_t)res.steps,
                                           "tokens", (json_int_t)res.tokens, "rows",
                                           (json_int_t)res.rows, "first_loss", res.first_loss,
                                           "loss", res.loss, "seconds", res.seconds),
                                 err);
done:
    if (st != CMAT_OK) {
        cmat_adapter_free(*out);
        *out = NULL;
    }
    cmat_train_set_clear(&set);
    free(dir);
    return st;
}

/* The success rate that a finished choice of earlier rounds stands for, round 0's being the start
 * adapters; -1 without one. */
static double best_rate(const cmat_loop *l, cmat_role role, int before)
{
    double best = -1;
    for (int r = 0; r < before; r++) {
        char stage[32];
        const json_t *choice;
        snprintf(stage, sizeof stage, "choose-%s-%d", cmat_role_names[role], r);
        choice = cmat_run_dir_stage(&l->dir, stage);
        if (json_is_true(json_object_get(choice, "kept")))
            best = json_number_value(json_object_get(choice, "rate"));
    }
    return best;
}

/* Measures a candidate on the validation tasks under a checker mode and keeps it when it is better
 * than what was best before (and, for the Checker, than going without its model). Takes the
 * candidate. */
static cmat_status choose(cmat_loop *l, int round, cmat_role role, cmat_adapter *candidate,
                          int mode, double floor, bool *kept, cmat_error *err)
{
    cmat_agent_options opts = l->o->agent;
    char stage[32], measure[32], label[48], round_name[24];
    const json_t *result, *choice;
    double best = best_rate(l, role, round), rate;
    cmat_adapter *before = l->adapters[role];
    cmat_status st;

    if (floor > best)
        best = floor;
    snprintf(stage, sizeof stage, "choose-%s-%d", cmat_role_names[role], round);
    choice = cmat_run_dir_stage(&l->dir, stage);
    if (choice) {
        *kept = json_is_true(json_object_get(choice, "kept"));
        if (*kept)
            cmat_loop_use(l, role, candidate);
        else
            cmat_adapter_free(candidate);
        return CMAT_OK;
    }
    snprintf(measure, sizeof measure, "valid-%s-%d", cmat_role_names[role], round);
    snprintf(round_name, sizeof round_name, round ? "round %d" : "start", round);
    snprintf(label, sizeof label, "%s: measure", round_name);
    opts.checker = mode;
    l->adapters[role] = NULL; /* kept aside in `before` while the candidate acts */
    cmat_loop_use(l, role, candidate);
    st = cmat_loop_measure(l, measure, round, &l->valid, &opts, label, &result, err);
    if (st != CMAT_OK) {
        cmat_adapter_free(before);
        return st;
    }
    rate = cmat_eval_rate(result);
    *kept = rate > best;
    cmat_info("%s: %s on validation tasks: %.1f %%%s", round_name, cmat_role_names[role],
              100 * rate, *kept ? "" : " (no better: not kept)");
    if (*kept)
        cmat_adapter_free(before);
    else
        cmat_loop_use(l, role, before);
    return cmat_run_dir_finish(
        &l->dir, stage,
        json_pack("{s:b, s:f, s:f}", "kept", *kept, "rate", rate, "best_before", best), err);
}

/* Whether the Checker's model gets to look at actions when it has been tuned: then its facts stay
 * in use too. */
static int mode_with_model(const cmat_loop *l)
{
    return l->o->agent.checker == CMAT_CHECKER_OFF || l->o->agent.checker == CMAT_CHECKER_MODEL
               ? CMAT_CHECKER_MODEL
               : CMAT_CHECKER_BOTH;
}

cmat_status cmat_loop_start(cmat_loop *l, cmat_error *err)
{
    static const cmat_role roles[] = {CMAT_ROLE_ACTOR, CMAT_ROLE_CHECKER};
    cmat_status st = CMAT_OK;
    for (size_t i = 0; st == CMAT_OK && i < 2; i++) {
        const char *start = start_of(l->o, roles[i]);
        cmat_adapter *adapter = NULL;
        bool checks = roles[i] == CMAT_ROLE_CHECKER, kept;
        if (start && (st = cmat_adapter_load(&adapter, l->model, start, err)) == CMAT_OK)
            st = choose(l, 0, roles[i], adapter, checks ? mode_with_model(l) : l->o->agent.checker,
                        checks ? best_rate(l, CMAT_ROLE_ACTOR, 1) : -1, &kept, err);
    }
    return st;
}

cmat_status cmat_loop_round(cmat_loop *l, int round, bool *better, cmat_error *err)
{
    cmat_task_list tasks = tasks_of(l, round);
    cmat_dataset actor = {0}, checker = {0};
    cmat_adapter *candidate = NULL;
    char *dir = cmat_run_dir_path(&l->dir, "rounds/%d", round);
    bool kept = false;
    cmat_status st = cmat_mkdir_p(dir, err);

    *better = false;
    free(dir);
    if (st == CMAT_OK && round > 1)
        st = collect(l, round, &tasks, err);
    if (st == CMAT_OK)
        st = make_rows(l, round, &tasks, &actor, &checker, err);
    if (st == CMAT_OK && actor.n) {
        st = tune_role(l, round, CMAT_ROLE_ACTOR, &actor, &candidate, err);
        if (st == CMAT_OK)
            st = choose(l, round, CMAT_ROLE_ACTOR, candidate, l->o->agent.checker, -1, better, err);
    }
    if (st == CMAT_OK && l->o->tune_checker && checker.n) {
        st = tune_role(l, round, CMAT_ROLE_CHECKER, &checker, &candidate, err);
        /* it must beat the Actor's own rate under the mode without the model */
        if (st == CMAT_OK)
            st = choose(l, round, CMAT_ROLE_CHECKER, candidate, mode_with_model(l),
                        best_rate(l, CMAT_ROLE_ACTOR, round + 1), &kept, err);
    }
    cmat_dataset_clear(&actor);
    cmat_dataset_clear(&checker);
    return st;
}
