/* agent/harvest.h - scored episodes into rows to learn from.
 *
 * Actor rows are the dialogues of right episodes as the Actor saw them, without what was sent back
 * or failed. Checker rows are (task, action, facts) with `accept` or `reject: reason`, labelled by
 * what the environment said when the action was run; as many of the one as of the other. */
#ifndef CMAT_AGENT_HARVEST_H
#define CMAT_AGENT_HARVEST_H
#include "agent/scheduler.h"
#include "data/dataset.h"

typedef struct {
    int max_per_task;   /* right dialogues of a task kept; 0: all that differ */
    bool repairs;       /* also rows that go on from a rejected action: only the corrected reply has
                           weight */
    bool checker_facts; /* Checker rows show the facts (mode both); else they do not (mode model) */
    bool balance;       /* as many accept as reject rows, by dropping of the larger side */
    uint64_t seed;      /* chooses which */
    int slips;   /* cmat_harvest_gold: percent of the tasks that are also played with a wrong first
                    action, from the environment's slip, which the facts may send back */
    int lessons; /* cmat_harvest_gold: percent of the Actor rows that show lessons and examples of
                    the other tasks */
} cmat_harvest_options;
#define CMAT_HARVEST_OPTIONS_DEFAULT                                               \
    {                                                                              \
        .max_per_task = 2, .repairs = true, .checker_facts = true, .balance = true \
    }

typedef struct {
    size_t n_episodes, n_right;
    size_t n_actor, n_repairs, n_gold; /* rows added to actor; repairs and gold are among them */
    size_t n_accept, n_reject;         /* rows added to checker */
} cmat_harvest_counts;

/* From the episodes of a phase and round (-1: all rounds). actor or checker may be NULL. Rows have
 * the extra members "role", "task", "kind", "source". *counts (may be NULL) is added to. */
cmat_status cmat_harvest(cmat_store *store, const cmat_prompts *prompts, const char *phase,
                         int round, const cmat_harvest_options *opts, cmat_dataset *actor,
                         cmat_dataset *checker, cmat_harvest_counts *counts, cmat_error *err);

/* Worked answers: plays the tasks with the environment's own oracle in the Actor's place, through
 * the same prompts, and keeps those that score fully as Actor rows (source "gold"). Of config only
 * env, env_ops, env_opts, prompts and opts are used. `unsolved_in` NULL: all tasks; else only those
 * without a right episode there in (phase, round). actor may be NULL; checker (may be NULL) gets
 * an `accept` row for each of their actions, and a row for each slip that facts alone would not
 * stop; with slips both are balanced. CMAT_ERR_UNSUPPORTED: no oracle. */
cmat_status cmat_harvest_gold(const cmat_run_config *config, const cmat_task_list *tasks,
                              cmat_store *unsolved_in, const char *phase, int round,
                              const cmat_harvest_options *opts, cmat_dataset *actor,
                              cmat_dataset *checker, cmat_harvest_counts *counts, cmat_error *err);
#endif
