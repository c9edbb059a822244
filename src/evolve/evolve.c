/* evolve.c - the loop: first figure, rounds, last figure, what is shipped. */
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "eval/evaluate.h"
#include "eval/report.h"
#include "evolve/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The Checker mode that did best on the validation tasks: with the model's verdict only when its
 * adapter was kept. */
static int shipped_mode(const cmat_loop *l)
{
    if (!l->adapters[CMAT_ROLE_CHECKER])
        return l->o->agent.checker;
    return l->o->agent.checker == CMAT_CHECKER_OFF || l->o->agent.checker == CMAT_CHECKER_MODEL
               ? CMAT_CHECKER_MODEL
               : CMAT_CHECKER_BOTH;
}

static cmat_status measure_heldout(cmat_loop *l, const char *stage, int mode, bool lessons,
                                   const char *label, const json_t **result, cmat_error *err)
{
    cmat_agent_options opts = l->o->agent;
    opts.checker = mode;
    opts.lessons = lessons;
    return cmat_loop_measure(l, stage, 0, &l->heldout, &opts, label, result, err);
}

/* Checker off, facts, both side by side, and lessons on, over the held-out tasks with the tuned
 * policies. */
static cmat_status ablate(cmat_loop *l, cmat_error *err)
{
    static const struct {
        const char *stage;
        int mode;
        bool lessons;
        const char *label;
    } runs[] = {{"heldout-off", CMAT_CHECKER_OFF, false, "Checker off"},
                {"heldout-facts", CMAT_CHECKER_FACTS, false, "Checker: facts"},
                {"heldout-both", CMAT_CHECKER_BOTH, false, "Checker: both"},
                {"heldout-lessons", CMAT_CHECKER_FACTS, true, "with lessons"}};
    const json_t *result;
    cmat_status st = CMAT_OK;

    for (size_t i = 0; st == CMAT_OK && i < sizeof runs / sizeof *runs; i++)
        st = measure_heldout(l, runs[i].stage, runs[i].mode, runs[i].lessons, runs[i].label,
                             &result, err);
    return st;
}

/* Copies the shipped adapters to adapters/ROLE, with the agent's settings beside them. */
static cmat_status ship(cmat_loop *l, cmat_error *err)
{
    static const cmat_role roles[] = {CMAT_ROLE_ACTOR, CMAT_ROLE_CHECKER};
    cmat_agent_options opts = l->o->agent;
    cmat_status st = CMAT_OK;
    json_t *agent;
    char *path;

    for (size_t i = 0; st == CMAT_OK && i < 2; i++) {
        char *dir = cmat_run_dir_path(&l->dir, "adapters/%s", cmat_role_names[roles[i]]);
        if (l->adapters[roles[i]] && (st = cmat_mkdir_p(dir, err)) == CMAT_OK)
            st = cmat_adapter_save(l->adapters[roles[i]], dir, err);
        free(dir);
    }
    if (st != CMAT_OK)
        return st;
    opts.checker = shipped_mode(l);
    opts.samples = 1;
    agent = cmat_options_to_json(cmat_agent_option_table, &opts);
    path = cmat_run_dir_path(&l->dir, "agent.json");
    st = cmat_json_save(path, agent, err);
    json_decref(agent);
    free(path);
    return st;
}

static cmat_status summarise(cmat_loop *l, int rounds, json_t **out, cmat_error *err)
{
    const json_t *before = cmat_run_dir_stage(&l->dir, "heldout-before"),
                 *after = cmat_run_dir_stage(&l->dir, "heldout-after");
    json_t *compare = NULL;
    char *path = cmat_run_dir_path(&l->dir, "summary.json");
    cmat_status st = cmat_eval_compare(before, after, &compare, err);

    *out = NULL;
    if (st == CMAT_OK) {
        *out = json_pack("{s:i, s:O, s:O, s:o, s:s, s:O}", "rounds", rounds, "before", before,
                         "after", after, "comparison", compare, "checker_mode",
                         cmat_checker_names[shipped_mode(l)], "stages", l->dir.state);
        st = cmat_json_save(path, *out, err);
    }
    free(path);
    return st;
}

static cmat_status run_loop(cmat_loop *l, json_t **summary, cmat_error *err)
{
    const json_t *result;
    int round = 0;
    bool better = true;
    json_t *sum = NULL;
    char *report;
    cmat_status st =
        measure_heldout(l, "heldout-before", l->o->agent.checker, false, "untuned", &result, err);

    if (st == CMAT_OK)
        cmat_info("untuned model on %zu held-out tasks: %.1f %%", l->heldout.n,
                  100 * cmat_eval_rate(result));
    if (st == CMAT_OK)
        st = cmat_loop_start(l, err);
    /* after a first round that brought nothing, tries may teach what worked answers did not */
    while (st == CMAT_OK && (better || round == 1) && round < l->o->rounds)
        st = cmat_loop_round(l, ++round, &better, err);
    if (st == CMAT_OK)
        st = measure_heldout(l, "heldout-after", shipped_mode(l), l->o->agent.lessons, "tuned",
                             &result, err);
    if (st == CMAT_OK)
        cmat_info("tuned agent on the same tasks: %.1f %%", 100 * cmat_eval_rate(result));
    if (st == CMAT_OK && l->o->ablation)
        st = ablate(l, err);
    if (st == CMAT_OK)
        st = ship(l, err);
    if (st == CMAT_OK)
        st = summarise(l, round, &sum, err);
    if (st == CMAT_OK) {
        report = cmat_run_dir_path(&l->dir, "report.html");
        st = cmat_report_run(l->dir.path, report, err);
        free(report);
    }
    if (st == CMAT_OK && summary)
        *summary = json_incref(sum);
    json_decref(sum);
    return st;
}

cmat_status cmat_evolve_run(const cmat_evolve_options *o, cmat_model *model, json_t **summary,
                            cmat_error *err)
{
    cmat_loop l;
    cmat_status st = cmat_loop_open(&l, o, model, err);

    if (summary)
        *summary = NULL;
    if (st != CMAT_OK)
        return st;
    st = run_loop(&l, summary, err);
    cmat_loop_close(&l);
    return st;
}
