/* agent/scheduler.h - runs many episodes at once over one source of text.
 *
 * Everything that ends is put into the store before it counts as done. What the store holds already
 * (same phase, round, task, sample) is not run again, so that a run that was stopped goes on where
 * it was; only what ended by a task error, which was not the Actor's, is tried once more. With the
 * same seed, model and lessons an episode does not depend on which others run
 * beside it. */
#ifndef CMAT_AGENT_SCHEDULER_H
#define CMAT_AGENT_SCHEDULER_H
#include "agent/episode.h"

typedef struct {
    const char *env;             /* name in the list of environments */
    const cmat_env_ops *env_ops; /* instead: one outside the list; else NULL */
    cmat_env_options env_opts;   /* opts.max_steps, where set, goes before its max_steps */
    cmat_llm *llm;
    cmat_store *store;           /* NULL: nothing is kept; on_episode sees the results */
    const cmat_prompts *prompts; /* NULL: loaded from $CMAT_PROMPTS or the built-in ones */
    const char *phase;
    int round;
    cmat_agent_options opts;
    const char *label; /* of the progress bar; NULL: none */
    /* Called for each episode once it is in the store; may be NULL. */
    void (*on_episode)(void *user, const cmat_task *task, const cmat_episode_row *row);
    void *user;
} cmat_run_config;
#define CMAT_RUN_CONFIG_DEFAULT                             \
    {                                                       \
        .phase = "eval", .opts = CMAT_AGENT_OPTIONS_DEFAULT \
    }

typedef struct {
    size_t n_total; /* tasks times samples */
    size_t n_found; /* in the store already */
    size_t n_run;   /* run to their end now */
    size_t n_right; /* of these: score >= 1 */
    double seconds; /* wall time */
    int64_t n_prompt, n_tokens;
} cmat_run_stats;

/* Runs opts.samples episodes of each task. *stats (may be NULL) is filled also on failure.
 * CMAT_ERR_CANCELLED after SIGINT; a failure of the source of text ends the run (what had ended
 * before is kept, and the next call goes on from there). */
cmat_status cmat_agent_run(const cmat_run_config *config, const cmat_task_list *tasks,
                           cmat_run_stats *stats, cmat_error *err);

/* Opens an environment of the list, or the one given by ops. Closed with cmat_env_close. */
cmat_status cmat_run_env_open(const cmat_run_config *config, const cmat_env *like, cmat_env **out,
                              cmat_error *err);
#endif
