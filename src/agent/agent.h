/* agent/agent.h - how episodes are run: options, Checker modes, outcome classes. */
#ifndef CMAT_AGENT_AGENT_H
#define CMAT_AGENT_AGENT_H
#include "core/option.h"
#include <stdbool.h>
#include <stdint.h>

/* off: every action is run. facts: a dry run speaks. model: the Checker's model speaks, without
 * facts. both: an action that the facts rule out is sent back; of the others the model judges,
 * facts in hand. */
typedef enum {
    CMAT_CHECKER_OFF,
    CMAT_CHECKER_FACTS,
    CMAT_CHECKER_MODEL,
    CMAT_CHECKER_BOTH
} cmat_checker_mode;
/* What happens to an action that is sent back. reason: the Actor sees its reply and what spoke
 * against it. again: it is asked anew, as if it had said nothing, and of all its tries the one that
 * the facts fault least is run; better for models too small to mend their own words. */
typedef enum { CMAT_RETRY_REASON, CMAT_RETRY_AGAIN } cmat_retry_mode;
extern const char *const cmat_checker_names[]; /* "off", "facts", "model", "both", NULL */

/* AgentBench's classes of how an episode ended, and the error of the world itself. */
typedef enum {
    CMAT_OUTCOME_COMPLETED,
    CMAT_OUTCOME_CONTEXT_LIMIT,
    CMAT_OUTCOME_INVALID_FORMAT,
    CMAT_OUTCOME_INVALID_ACTION,
    CMAT_OUTCOME_TASK_LIMIT,
    CMAT_OUTCOME_TASK_ERROR, /* the source of text gave something unusable, or what the world
                                stands on ended; AgentBench counts it with task limit */
    CMAT_N_OUTCOMES
} cmat_outcome;
extern const char
    *const cmat_outcome_names[CMAT_N_OUTCOMES]; /* "completed", "context limit", ... */

/* The members have the types of core/option.h. */
typedef struct {
    int checker;         /* cmat_checker_mode */
    int retry;           /* cmat_retry_mode */
    int64_t max_rejects; /* times one step's action is sent back before it is run all the same */
    /* Retry "again": an action is run once this many tries (the first one as the episode samples,
     * the others warmer) come to the same in the dry run; after max_rejects tries more than these
     * the largest group's first (self-consistency: Wang et al., arXiv 2203.11171). */
    int64_t agree;
    int64_t max_steps;      /* actions run in an episode; 0: the environment's own */
    int64_t max_tokens;     /* of a reply of the Actor */
    int64_t checker_tokens; /* of a reply of the Checker */
    int64_t token_budget;   /* tokens of the Actor's prompt; 0: what the context leaves */
    int64_t samples;        /* k: episodes a task; the first is greedy, the others sampled */
    double temperature;     /* of the sampled ones */
    double top_p;
    double retry_temperature; /* at least this after an objection: greedy would repeat itself */
    int64_t seed;
    int64_t concurrency; /* episodes at once */
    bool lessons;        /* lessons and examples of the store in the prompt */
    int64_t n_lessons;   /* of them at most */
    bool constraint;     /* replies are held to what the environment allows */
    bool record_facts;   /* dry run and keep the facts also where the Checker does not use them */
    bool judge_rejected; /* run what was sent back in a world of its own, to learn whether it was
                            right */
} cmat_agent_options;
#define CMAT_AGENT_OPTIONS_DEFAULT                                                                \
    {                                                                                             \
        .checker = CMAT_CHECKER_FACTS, .max_rejects = 2, .max_tokens = 256, .checker_tokens = 64, \
        .samples = 1, .temperature = 0.8, .top_p = 0.95, .retry_temperature = 0.4,                \
        .concurrency = 16, .n_lessons = 3, .constraint = true, .judge_rejected = true             \
    }

/* Its members as options. */
extern const cmat_option cmat_agent_option_table[];
#endif
