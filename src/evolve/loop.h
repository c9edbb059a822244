/* evolve/loop.h - what the files of the loop share; not for users. */
#ifndef CMAT_EVOLVE_LOOP_H
#define CMAT_EVOLVE_LOOP_H
#include "agent/scheduler.h"
#include "data/dataset.h"
#include "evolve/evolve.h"
#include "evolve/run_dir.h"

typedef struct {
    const cmat_evolve_options *o;
    cmat_run_dir dir;
    cmat_model *model;
    cmat_engine *engine;
    cmat_llm *llm;
    cmat_store *store;
    cmat_prompts *prompts;
    cmat_task_list train, valid, heldout;
    cmat_adapter *adapters[CMAT_N_ROLES]; /* the best so far; NULL: the base */
} cmat_loop;

/* world.c: opens everything; makes the tasks (a stage of its own). */
cmat_status cmat_loop_open(cmat_loop *l, const cmat_evolve_options *o, cmat_model *model,
                           cmat_error *err);
void cmat_loop_close(cmat_loop *l);
/* A role acts with this adapter from now on (taken; NULL: the base). */
void cmat_loop_use(cmat_loop *l, cmat_role role, cmat_adapter *adapter);
cmat_run_config cmat_loop_config(const cmat_loop *l, const char *phase, int round,
                                 const char *label);

/* measure.c: runs tasks once each, greedily, under `phase`, and sums up: a stage of the given name.
 * *result is borrowed from the run folder. */
cmat_status cmat_loop_measure(cmat_loop *l, const char *stage, int round,
                              const cmat_task_list *tasks, const cmat_agent_options *opts,
                              const char *label, const json_t **result, cmat_error *err);

/* learn.c: the roles act with the start adapters, measured on the validation tasks as the rounds'
 * are: a round must do better. The Checker's is used only when it makes the Actor better. */
cmat_status cmat_loop_start(cmat_loop *l, cmat_error *err);
/* learn.c: rows of a round (from worked answers in round 1, from collected episodes after that),
 * then the adapters; keeps what is better on the validation tasks. *better: the Actor improved. */
cmat_status cmat_loop_round(cmat_loop *l, int round, bool *better, cmat_error *err);
#endif
