/* evolve/evolve.h - the collaborative tuning loop (CMAT, arXiv 2404.01663, Algorithm 1).
 *
 * In rounds: the User sets tasks, the Actor tries them while the Checker looks at each action, what
 * the environment scored as right is learned by the Actor, what the Checker said rightly and
 * wrongly by the Checker; both are measured on a validation set and the better policy is kept. The
 * held-out tasks are touched for the first and the last figures only.
 *
 * Everything lies in one run folder and is done in stages. A stage that was reported done is in
 * state.json; one that was cut off by a kill is gone on with by its own means (the store's
 * episodes, the tuner's checkpoints), so that the same command goes on where the run was. */
#ifndef CMAT_EVOLVE_EVOLVE_H
#define CMAT_EVOLVE_EVOLVE_H
#include "agent/agent.h"
#include "cmat/error.h"
#include "core/option.h"
#include "model/model.h"
#include "train/train.h"
#include <stddef.h>

typedef struct {
    const char *env; /* the environment's name (borrowed) */
    char *world; /* what its tasks are about, where it needs that (db: an SQLite file); NULL: tasks
                    bring their own */
    char *style; /* of prompts and actions: "short", "agentbench" */
    /* Files of tasks (JSONL of cmat or a benchmark's format) instead of made ones; needed where the
     * environment makes none or lacks its world. */
    char *tasks, *valid, *heldout;
    /* Adapters (PEFT folders) that the roles act with from the first round on and that their tuning
     * starts from; NULL: none. */
    char *start, *start_checker;
    char *run_dir;       /* made when absent; gone on with when there */
    int64_t rounds;      /* at most; fewer when a round brings nothing */
    int64_t first_tasks; /* tasks of round 1, learned from the User's own worked answers */
    int64_t round_tasks; /* tasks tried in each further round */
    int64_t samples;     /* k: tries a task in those rounds */
    int64_t valid_tasks, heldout_tasks;
    bool gold; /* a task that no try solved is learned from its worked answer */
    bool tune_checker;
    bool ablation; /* at the end, the held-out tasks with Checker off, facts, both, and with lessons
                    */
    cmat_method_options method;
    double lr, checker_lr; /* 0: the method's */
    double epochs;
    int64_t batch_tokens;
    int64_t seed;
    cmat_agent_options agent;
} cmat_evolve_options;
/* Its members as options, but for env, the files and run_dir. */
extern const cmat_option cmat_evolve_option_table[];

/* Runs or resumes. *summary (may be NULL; a new reference) is what summary.json in the run folder
 * says. CMAT_ERR_STATE: the folder belongs to a run with other options, model or world.
 * CMAT_ERR_CANCELLED after SIGINT: run the same again to go on. */
cmat_status cmat_evolve_run(const cmat_evolve_options *o, cmat_model *model, json_t **summary,
                            cmat_error *err);
#endif
