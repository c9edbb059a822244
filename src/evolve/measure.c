/* measure.c - how well the present policies do on a list of tasks. */
#include "eval/evaluate.h"
#include "evolve/loop.h"

cmat_status cmat_loop_measure(cmat_loop *l, const char *stage, int round,
                              const cmat_task_list *tasks, const cmat_agent_options *opts,
                              const char *label, const json_t **result, cmat_error *err)
{
    cmat_run_config rc = cmat_loop_config(l, stage, round, label);
    json_t *summary = NULL;
    cmat_status st;

    *result = cmat_run_dir_stage(&l->dir, stage);
    if (*result)
        return CMAT_OK;
    rc.opts = *opts;
    rc.opts.samples = 1;
    rc.opts.record_facts = true;
    st = cmat_eval_run(&rc, tasks, &summary, err);
    if (st == CMAT_OK)
        st = cmat_run_dir_finish(&l->dir, stage, summary, err);
    *result = cmat_run_dir_stage(&l->dir, stage);
    return st;
}
