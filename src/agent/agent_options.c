/* agent_options.c - the agent's options as a table: in other tables, and for agent.json. */
#include "agent/agent.h"

#include <stddef.h>

#define AT(m) offsetof(cmat_agent_options, m)
const cmat_option cmat_agent_option_table[] = {
    {"checker", CMAT_OPT_ENUM, AT(checker), "facts", 0, 0, "off|facts|model|both", "MODE",
     "what looks at an action before it is run", 0},
    {"retry", CMAT_OPT_ENUM, AT(retry), "reason", 0, 0, "reason|again", "MODE",
     "an action sent back: show the Actor the reason, or ask it again", 0},
    {"max-rejects", CMAT_OPT_INT, AT(max_rejects), "2", 0, 20, NULL, "N",
     "times an action is sent back before it is run all the same", 0},
    {"max-steps", CMAT_OPT_INT, AT(max_steps), "0", 0, 1000, NULL, "N",
     "actions in an episode; 0: the environment's own", 0},
    {"max-tokens", CMAT_OPT_INT, AT(max_tokens), "256", 1, 65536, NULL, "N",
     "tokens of a reply at most", 0},
    {"checker-tokens", CMAT_OPT_INT, AT(checker_tokens), "64", 1, 4096, NULL, "N",
     "tokens of a verdict at most", 0},
    {"token-budget", CMAT_OPT_INT, AT(token_budget), "0", 0, 1e7, NULL, "N",
     "tokens of a prompt; 0: what the context leaves", 0},
    {"samples", CMAT_OPT_INT, AT(samples), "1", 1, 1000, NULL, "K",
     "episodes a task; the first is greedy", 0},
    {"temperature", CMAT_OPT_FLOAT, AT(temperature), "0.8", 0, 10, NULL, "T",
     "of the samples after the first", 0},
    {"top-p", CMAT_OPT_FLOAT, AT(top_p), "0.95", 0, 1, NULL, "P", "of the samples after the first",
     0},
    {"retry-temperature", CMAT_OPT_FLOAT, AT(retry_temperature), "0.4", 0, 10, NULL, "T",
     "at least this after an action was sent back", 0},
    {"seed", CMAT_OPT_INT, AT(seed), "0", 0, 0, NULL, "N", "seed of everything random", 0},
    {"concurrency", CMAT_OPT_INT, AT(concurrency), "16", 1, 1024, NULL, "N", "episodes at once", 0},
    {"lessons", CMAT_OPT_BOOL, AT(lessons), NULL, 0, 0, NULL, NULL,
     "lessons and examples of the store in the prompt", 0},
    {"n-lessons", CMAT_OPT_INT, AT(n_lessons), "3", 0, 50, NULL, "N", "lessons in a prompt at most",
     0},
    {"constraint", CMAT_OPT_BOOL, AT(constraint), "true", 0, 0, NULL, NULL,
     "hold replies to what the environment allows", 0},
    {"record-facts", CMAT_OPT_BOOL, AT(record_facts), NULL, 0, 0, NULL, NULL,
     "keep the facts of every action", 0},
    {"judge-rejected", CMAT_OPT_BOOL, AT(judge_rejected), "true", 0, 0, NULL, NULL,
     "learn whether what was sent back was right", 0},
    {0},
};
