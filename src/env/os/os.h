/* env/os/os.h - the os environment: a shell in a sandbox, and tasks to do in it.
 *
 * A task: {"id", "env": "os", "kind", "instruction", "cwd": "/root" (where the shell begins),
 *   "init": [SCRIPT ...] (run before the episode), "start": "..." (typed into the shell before it),
 *   "gold": ["command" ...] (what an expert types; the last one's output is the answer, unless
 *   there is an "answer"), and how it is judged, one of
 *   "answer": "text" (with "match": "integer" compared as such) or "regex": "pattern"
 *   "check": [null | {"match": "integer"} | SCRIPT ...] (AgentBench's chain: each gets the answer
 *   and the outputs of those before it; null runs "example", a SCRIPT)}
 * SCRIPT: {"language": "bash" | "python", "code": "..."}. */
#ifndef CMAT_ENV_OS_OS_H
#define CMAT_ENV_OS_OS_H
#include "env/env.h"
#include "env/os/reply.h"
#include "env/os/sandbox.h"

typedef struct {
    cmat_env base;
    bool agentbench;
    os_host *host;
    os_sandbox *sandbox; /* NULL before the first reset */
    json_t *task;        /* NULL: none is set */
    bool finished;       /* the Actor has answered or finished */
    bool looked;         /* it has run a command */
    bool judged;         /* score below holds */
    double score;
    int n_failed, n_none; /* commands with an exit status other than 0; replies without action */
    cmat_buf answer;      /* the Actor's */
    cmat_buf printed;     /* by its last command, as text */
    cmat_buf seen;        /* all that was printed in the episode, at most OS_SEEN_MAX */
} os_env;
enum { OS_SEEN_MAX = 256 << 10, OS_STEPS_MAX = 256 };

/* import.c: AgentBench's files (dev.json, training.json, or a folder of them), or JSONL. */
cmat_status os_import(const char *path, cmat_task_list *out, cmat_error *err);

/* episode.c: prepares the file system of a task (init, start), or says what is wrong with it. */
cmat_status os_episode_begin(os_env *e, const cmat_task *task, cmat_error *err);
void os_episode_end(os_env *e);
/* Judges the episode as it stands. */
cmat_status os_episode_score(cmat_env *env, double *score, cmat_error *err);
double os_step_timeout(const os_env *e);
/* The i-th gold command; NULL: there are no more. */
const char *os_gold(const os_env *e, size_t i);

/* make.c: n tasks from a seed, verified in e's sandbox, whose episode ends. */
cmat_status os_generate(os_env *e, int split, size_t n, uint64_t seed, cmat_task_list *out,
                        cmat_error *err);
/* facts.c, slips.c: the table's functions. */
cmat_status os_env_dry_run(cmat_env *env, const char *reply, cmat_facts *facts, cmat_error *err);
bool os_env_slip(cmat_env *env, cmat_rng *rng, cmat_buf *out);
/* acceptor.c: what the next reply may look like; the caller's. may_end: an answer or the end may be
 * given, not only a command. */
cmat_acceptor *os_acceptor_new(bool agentbench, bool may_end);

/* The action in a reply of the environment's style. */
void os_env_action(const os_env *e, const char *reply, os_action *a);
/* And the other way: appends a reply that runs the script, or gives the answer. */
void os_say_bash(const os_env *e, const char *script, cmat_buf *out);
void os_say_answer(const os_env *e, const char *text, size_t n, cmat_buf *out);
#endif
