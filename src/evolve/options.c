/* options.c - the loop's options as a table. */
#include "evolve/evolve.h"

#include <stddef.h>

#define AT(m) offsetof(cmat_evolve_options, m)
const cmat_option cmat_evolve_option_table[] = {
    {"style", CMAT_OPT_STR, AT(style), "short", 0, 0, NULL, "NAME",
     "of prompts and actions: short, agentbench", 0},
    {"rounds", CMAT_OPT_INT, AT(rounds), "2", 1, 100, NULL, "N", "rounds at most", 0},
    {"first-tasks", CMAT_OPT_INT, AT(first_tasks), "800", 1, 1e6, NULL, "N",
     "tasks of round 1, learned from their worked answers", 0},
    {"round-tasks", CMAT_OPT_INT, AT(round_tasks), "150", 1, 1e6, NULL, "N",
     "tasks tried in each further round", 0},
    {"samples", CMAT_OPT_INT, AT(samples), "2", 1, 64, NULL, "K", "tries a task when collecting",
     'k'},
    {"valid-tasks", CMAT_OPT_INT, AT(valid_tasks), "80", 4, 1e6, NULL, "N",
     "tasks for choosing between policies", 0},
    {"heldout-tasks", CMAT_OPT_INT, AT(heldout_tasks), "200", 4, 1e6, NULL, "N",
     "tasks for the first and last figures", 0},
    {"gold", CMAT_OPT_BOOL, AT(gold), "true", 0, 0, NULL, NULL,
     "learn a task that no try solved from its worked answer", 0},
    {"tune-checker", CMAT_OPT_BOOL, AT(tune_checker), "true", 0, 0, NULL, NULL,
     "tune the Checker too", 0},
    {"ablation", CMAT_OPT_BOOL, AT(ablation), NULL, 0, 0, NULL, NULL,
     "also measure with Checker off, facts, both, and with lessons", 0},
    CMAT_OPTION_TABLE(AT(method), cmat_method_option_table),
    {"lr", CMAT_OPT_FLOAT, AT(lr), "0", 0, 1, NULL, "X",
     "learning rate of the Actor; 0: 1e-3 for LoRA, else the method's", 0},
    {"checker-lr", CMAT_OPT_FLOAT, AT(checker_lr), "0", 0, 1, NULL, "X",
     "learning rate of the Checker; 0 likewise", 0},
    {"epochs", CMAT_OPT_FLOAT, AT(epochs), "1", 0.01, 100, NULL, "N", "passes over a round's rows",
     0},
    {"batch-tokens", CMAT_OPT_INT, AT(batch_tokens), "2048", 64, 1e6, NULL, "N",
     "rows of one optimiser step", 0},
    {"seed", CMAT_OPT_INT, AT(seed), "1", 0, 9e15, NULL, "N", "of everything random", 0},
    /* of the agent, with other defaults */
    {"retry", CMAT_OPT_ENUM, AT(agent.retry), "again", 0, 0, "reason|again", "MODE",
     "an action sent back: show the Actor the reason, or ask it again", 0},
    {"max-tokens", CMAT_OPT_INT, AT(agent.max_tokens), "160", 1, 65536, NULL, "N",
     "tokens of a reply", 0},
    {"checker-tokens", CMAT_OPT_INT, AT(agent.checker_tokens), "48", 1, 4096, NULL, "N",
     "tokens of a verdict", 0},
    CMAT_OPTION_TABLE(AT(agent), cmat_agent_option_table),
    {0},
};
