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
#include <stddef.h>

typedef struct {
    char *database; /* the world: an SQLite file; NULL: tasks bring their own tables */
    /* Files of tasks (JSONL of cmat or AgentBench's format) instead of made ones; needed without a
     * database. */
    char *tasks, *valid, *heldout;
    char *
        start; /* the Actor's tuning starts from this adapter (PEFT folder); NULL: from a new one */
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
    int64_t rank;
    double alpha, dropout;
    bool rslora;
    double lr, checker_lr, epochs;
    int64_t batch_tokens;
    int64_t seed;
    cmat_agent_options agent;
} cmat_evolve_options;
/* Members above (but files and run_dir, which the caller sets) as options of a struct `type`
 * that holds a cmat_evolve_options under the prefix m ("evolve." or nothing). */
#define CMAT_EVOLVE_OPTION_ROWS(type, m)                                                         \
    {                                                                                            \
        "rounds", CMAT_OPT_INT, offsetof(type, m rounds), "2", 1, 100,                           \
        NULL,     "N",          "rounds at most",         0},                                    \
        {"first-tasks",                                                                          \
         CMAT_OPT_INT,                                                                           \
         offsetof(type, m first_tasks),                                                          \
         "800",                                                                                  \
         1,                                                                                      \
         1e6,                                                                                    \
         NULL,                                                                                   \
         "N",                                                                                    \
         "tasks of round 1, learned from their worked answers",                                  \
         0},                                                                                     \
        {"round-tasks", CMAT_OPT_INT, offsetof(type, m round_tasks),       "150", 1, 1e6,        \
         NULL,          "N",          "tasks tried in each further round", 0},                   \
        {"samples", CMAT_OPT_INT, offsetof(type, m samples),      "2", 1, 64,                    \
         NULL,      "K",          "tries a task when collecting", 'k'},                          \
        {"valid-tasks", CMAT_OPT_INT, offsetof(type, m valid_tasks),         "80", 4, 1e6,       \
         NULL,          "N",          "tasks for choosing between policies", 0},                 \
        {"heldout-tasks",                                                                        \
         CMAT_OPT_INT,                                                                           \
         offsetof(type, m heldout_tasks),                                                        \
         "200",                                                                                  \
         4,                                                                                      \
         1e6,                                                                                    \
         NULL,                                                                                   \
         "N",                                                                                    \
         "tasks for the first and last figures",                                                 \
         0},                                                                                     \
        {"gold",                                                                                 \
         CMAT_OPT_BOOL,                                                                          \
         offsetof(type, m gold),                                                                 \
         "true",                                                                                 \
         0,                                                                                      \
         0,                                                                                      \
         NULL,                                                                                   \
         NULL,                                                                                   \
         "learn a task that no try solved from its worked answer",                               \
         0},                                                                                     \
        {"tune-checker", CMAT_OPT_BOOL, offsetof(type, m tune_checker), "true", 0, 0,            \
         NULL,           NULL,          "tune the Checker too",         0},                      \
        {"ablation",                                                                             \
         CMAT_OPT_BOOL,                                                                          \
         offsetof(type, m ablation),                                                             \
         NULL,                                                                                   \
         0,                                                                                      \
         0,                                                                                      \
         NULL,                                                                                   \
         NULL,                                                                                   \
         "also measure with Checker off, facts, both, and with lessons",                         \
         0},                                                                                     \
        {"rank", CMAT_OPT_INT, offsetof(type, m rank), "16", 1, 512, NULL, "R", "LoRA rank", 0}, \
        {"alpha",                                                                                \
         CMAT_OPT_FLOAT,                                                                         \
         offsetof(type, m alpha),                                                                \
         "32",                                                                                   \
         0.001,                                                                                  \
         1e4,                                                                                    \
         NULL,                                                                                   \
         "X",                                                                                    \
         "LoRA alpha; the scale is alpha / rank",                                                \
         0},                                                                                     \
        {"dropout",                                                                              \
         CMAT_OPT_FLOAT,                                                                         \
         offsetof(type, m dropout),                                                              \
         "0",                                                                                    \
         0,                                                                                      \
         0.9,                                                                                    \
         NULL,                                                                                   \
         "P",                                                                                    \
         "on the input of A, in training",                                                       \
         0},                                                                                     \
        {"rslora", CMAT_OPT_BOOL, offsetof(type, m rslora),      NULL, 0, 0,                     \
         NULL,     NULL,          "scale by alpha / sqrt(rank)", 0},                             \
        {"lr",                                                                                   \
         CMAT_OPT_FLOAT,                                                                         \
         offsetof(type, m lr),                                                                   \
         "1e-3",                                                                                 \
         1e-8,                                                                                   \
         1,                                                                                      \
         NULL,                                                                                   \
         "X",                                                                                    \
         "learning rate of the Actor",                                                           \
         0},                                                                                     \
        {"checker-lr",                                                                           \
         CMAT_OPT_FLOAT,                                                                         \
         offsetof(type, m checker_lr),                                                           \
         "1e-3",                                                                                 \
         1e-8,                                                                                   \
         1,                                                                                      \
         NULL,                                                                                   \
         "X",                                                                                    \
         "learning rate of the Checker",                                                         \
         0},                                                                                     \
        {"epochs",                                                                               \
         CMAT_OPT_FLOAT,                                                                         \
         offsetof(type, m epochs),                                                               \
         "1",                                                                                    \
         0.01,                                                                                   \
         100,                                                                                    \
         NULL,                                                                                   \
         "N",                                                                                    \
         "passes over a round's rows",                                                           \
         0},                                                                                     \
        {"batch-tokens", CMAT_OPT_INT, offsetof(type, m batch_tokens), "2048", 64, 1e6,          \
         NULL,           "N",          "rows of one optimiser step",   0},                       \
        {"checker",                                                                              \
         CMAT_OPT_ENUM,                                                                          \
         offsetof(type, m agent.checker),                                                        \
         "facts",                                                                                \
         0,                                                                                      \
         0,                                                                                      \
         "off|facts|model|both",                                                                 \
         "MODE",                                                                                 \
         "what looks at an action before it is run",                                             \
         0},                                                                                     \
        {"retry",                                                                                \
         CMAT_OPT_ENUM,                                                                          \
         offsetof(type, m agent.retry),                                                          \
         "again",                                                                                \
         0,                                                                                      \
         0,                                                                                      \
         "reason|again",                                                                         \
         "MODE",                                                                                 \
         "an action sent back: show the Actor the reason, or ask it again",                      \
         0},                                                                                     \
        {"max-rejects",                                                                          \
         CMAT_OPT_INT,                                                                           \
         offsetof(type, m agent.max_rejects),                                                    \
         "2",                                                                                    \
         0,                                                                                      \
         20,                                                                                     \
         NULL,                                                                                   \
         "N",                                                                                    \
         "times an action is sent back before it is run all the same",                           \
         0},                                                                                     \
        {"max-steps", CMAT_OPT_INT, offsetof(type, m agent.max_steps), "4", 0, 1000,             \
         NULL,        "N",          "actions in an episode",           0},                       \
        {"max-tokens",                                                                           \
         CMAT_OPT_INT,                                                                           \
         offsetof(type, m agent.max_tokens),                                                     \
         "160",                                                                                  \
         1,                                                                                      \
         65536,                                                                                  \
         NULL,                                                                                   \
         "N",                                                                                    \
         "tokens of a reply",                                                                    \
         0},                                                                                     \
        {"temperature",                                                                          \
         CMAT_OPT_FLOAT,                                                                         \
         offsetof(type, m agent.temperature),                                                    \
         "0.8",                                                                                  \
         0,                                                                                      \
         10,                                                                                     \
         NULL,                                                                                   \
         "T",                                                                                    \
         "of tries after the first",                                                             \
         0},                                                                                     \
        {"top-p",                                                                                \
         CMAT_OPT_FLOAT,                                                                         \
         offsetof(type, m agent.top_p),                                                          \
         "0.95",                                                                                 \
         0,                                                                                      \
         1,                                                                                      \
         NULL,                                                                                   \
         "P",                                                                                    \
         "of tries after the first",                                                             \
         0},                                                                                     \
        {"retry-temperature",                                                                    \
         CMAT_OPT_FLOAT,                                                                         \
         offsetof(type, m agent.retry_temperature),                                              \
         "0.4",                                                                                  \
         0,                                                                                      \
         10,                                                                                     \
         NULL,                                                                                   \
         "T",                                                                                    \
         "at least this after an action was sent back",                                          \
         0},                                                                                     \
        {"checker-tokens",                                                                       \
         CMAT_OPT_INT,                                                                           \
         offsetof(type, m agent.checker_tokens),                                                 \
         "48",                                                                                   \
         1,                                                                                      \
         4096,                                                                                   \
         NULL,                                                                                   \
         "N",                                                                                    \
         "tokens of a verdict",                                                                  \
         0},                                                                                     \
        {"n-lessons",                                                                            \
         CMAT_OPT_INT,                                                                           \
         offsetof(type, m agent.n_lessons),                                                      \
         "3",                                                                                    \
         0,                                                                                      \
         50,                                                                                     \
         NULL,                                                                                   \
         "N",                                                                                    \
         "lessons in a prompt",                                                                  \
         0},                                                                                     \
        {"judge-rejected",                                                                       \
         CMAT_OPT_BOOL,                                                                          \
         offsetof(type, m agent.judge_rejected),                                                 \
         "true",                                                                                 \
         0,                                                                                      \
         0,                                                                                      \
         NULL,                                                                                   \
         NULL,                                                                                   \
         "learn whether what was sent back was right",                                           \
         0},                                                                                     \
        {"concurrency",                                                                          \
         CMAT_OPT_INT,                                                                           \
         offsetof(type, m agent.concurrency),                                                    \
         "16",                                                                                   \
         1,                                                                                      \
         1024,                                                                                   \
         NULL,                                                                                   \
         "N",                                                                                    \
         "episodes at once",                                                                     \
         0},                                                                                     \
        {"lessons", CMAT_OPT_BOOL, offsetof(type, m agent.lessons),          NULL, 0, 0,         \
         NULL,      NULL,          "show lessons and examples of the store", 0},                 \
        {"constraint",                                                                           \
         CMAT_OPT_BOOL,                                                                          \
         offsetof(type, m agent.constraint),                                                     \
         "true",                                                                                 \
         0,                                                                                      \
         0,                                                                                      \
         NULL,                                                                                   \
         NULL,                                                                                   \
         "hold replies to what the environment allows",                                          \
         0},                                                                                     \
    {                                                                                            \
        "seed", CMAT_OPT_INT, offsetof(type, m seed), "1", 0, 9e15, NULL, "N",                   \
            "of everything random", 0                                                            \
    }
extern const cmat_option cmat_evolve_option_table[]; /* of a bare cmat_evolve_options */

/* Runs or resumes. *summary (may be NULL; a new reference) is what summary.json in the run folder
 * says. CMAT_ERR_STATE: the folder belongs to a run with other options, model or database.
 * CMAT_ERR_CANCELLED after SIGINT: run the same again to go on. */
cmat_status cmat_evolve_run(const cmat_evolve_options *o, cmat_model *model, json_t **summary,
                            cmat_error *err);
#endif
