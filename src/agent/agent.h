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
    CMAT_OUTCOME_TASK_ERROR, /* the source of text gave something unusable; AgentBench counts it
                                with task limit */
    CMAT_N_OUTCOMES
} cmat_outcome;
extern const char
    *const cmat_outcome_names[CMAT_N_OUTCOMES]; /* "completed", "context limit", ... */

/* The members have the types of core/option.h, so that CMAT_AGENT_OPTION_ROWS can stand in a
 * caller's table. */
typedef struct {
    int checker;            /* cmat_checker_mode */
    int retry;              /* cmat_retry_mode */
    int64_t max_rejects;    /* times one step's action is sent back before it is run all the same */
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

/* clang-format off */
#define CMAT_AGENT_ROW(NAME, TYPE, OFFSET, DEF, MIN, MAX, ARG, TEXT)                               \
    {NAME, CMAT_OPT_##TYPE, OFFSET, DEF, MIN, MAX, NULL, ARG, TEXT, 0}
/* Rows for a cmat_option table over struct `type` whose member `m` is a cmat_agent_options. */
#define CMAT_AGENT_OPTION_ROWS(type, m)                                                            \
    {"retry", CMAT_OPT_ENUM, offsetof(type, m.retry), "reason", 0, 0, "reason|again", "MODE", \
     "an action sent back: show the Actor the reason, or ask it again", 0}, \
    {"checker", CMAT_OPT_ENUM, offsetof(type, m.checker), "facts", 0, 0, "off|facts|model|both",   \
     "MODE", "what looks at an action before it is run", 0},                                       \
    CMAT_AGENT_ROW("max-rejects", INT, offsetof(type, m.max_rejects), "2", 0, 20, "N",             \
        "times an action is sent back before it is run all the same"),                             \
    CMAT_AGENT_ROW("max-steps", INT, offsetof(type, m.max_steps), "0", 0, 1000, "N",               \
        "actions in an episode; 0: the environment's own"),                                        \
    CMAT_AGENT_ROW("max-tokens", INT, offsetof(type, m.max_tokens), "256", 1, 65536, "N",          \
        "tokens of a reply at most"),                                                              \
    CMAT_AGENT_ROW("checker-tokens", INT, offsetof(type, m.checker_tokens), "64", 1, 4096, "N",    \
        "tokens of a verdict at most"),                                                            \
    CMAT_AGENT_ROW("token-budget", INT, offsetof(type, m.token_budget), "0", 0, 1e7, "N",          \
        "tokens of a prompt; 0: what the context leaves"),                                         \
    CMAT_AGENT_ROW("samples", INT, offsetof(type, m.samples), "1", 1, 1000, "K",                   \
        "episodes a task; the first is greedy"),                                                   \
    CMAT_AGENT_ROW("temperature", FLOAT, offsetof(type, m.temperature), "0.8", 0, 10, "T",         \
        "of the samples after the first"),                                                         \
    CMAT_AGENT_ROW("top-p", FLOAT, offsetof(type, m.top_p), "0.95", 0, 1, "P",                     \
        "of the samples after the first"),                                                         \
    CMAT_AGENT_ROW("retry-temperature", FLOAT, offsetof(type, m.retry_temperature), "0.4", 0, 10, "T",\
        "at least this after an action was sent back"),                                            \
    CMAT_AGENT_ROW("seed", INT, offsetof(type, m.seed), "0", 0, 0, "N",                            \
        "seed of everything random"),                                                              \
    CMAT_AGENT_ROW("concurrency", INT, offsetof(type, m.concurrency), "16", 1, 1024, "N",          \
        "episodes at once"),                                                                       \
    CMAT_AGENT_ROW("lessons", BOOL, offsetof(type, m.lessons), NULL, 0, 0, NULL,                   \
        "lessons and examples of the store in the prompt"),                                        \
    CMAT_AGENT_ROW("n-lessons", INT, offsetof(type, m.n_lessons), "3", 0, 50, "N",                 \
        "lessons in a prompt at most"),                                                            \
    CMAT_AGENT_ROW("constraint", BOOL, offsetof(type, m.constraint), "true", 0, 0, NULL,           \
        "hold replies to what the environment allows"),                                            \
    CMAT_AGENT_ROW("record-facts", BOOL, offsetof(type, m.record_facts), NULL, 0, 0, NULL,         \
        "keep the facts of every action"),                                                         \
    CMAT_AGENT_ROW("judge-rejected", BOOL, offsetof(type, m.judge_rejected), "true", 0, 0, NULL,   \
        "learn whether what was sent back was right")
/* clang-format on */

/* The same rows as a table of a bare cmat_agent_options: for agent.json. */
extern const cmat_option cmat_agent_option_table[];
#endif
