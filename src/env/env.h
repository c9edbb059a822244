/* env/env.h - environments: worlds in which an agent acts. They know nothing of models.
 *
 * One cmat_env is one episode's world at a time: reset puts a task into it, step runs one
 * action. Opening is cheap enough for dozens at once. Callers use the cmat_env_* functions, which
 * count, limit and check for all environments; implementations fill cmat_env_ops. */
#ifndef CMAT_ENV_ENV_H
#define CMAT_ENV_ENV_H
#include "cmat/error.h"
#include "core/acceptor.h"
#include "core/buf.h"
#include "core/rng.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* A task as JSON: {"id", "env", "kind" (for tables by kind), "instruction", "gold": [actions ...],
 * "answer": [...] and what else the environment needs}. Ids do not depend on file order. */
typedef struct {
    json_t *json;                        /* owned reference */
    const char *id, *kind, *instruction; /* borrowed from json */
} cmat_task;
cmat_status cmat_task_init(cmat_task *t, json_t *json, cmat_error *err); /* takes a new reference */
void cmat_task_clear(cmat_task *t);
/* SHA-256 of what the task says, whatever the order of its members. */
void cmat_task_hash(const cmat_task *t, char hex[65]);

typedef struct {
    cmat_task *items;
    size_t n, cap;
} cmat_task_list;                                        /* all zero is empty */
void cmat_task_list_add(cmat_task_list *l, cmat_task t); /* takes t */
void cmat_task_list_clear(cmat_task_list *l);
cmat_status cmat_task_list_load(cmat_task_list *l, const char *path, cmat_error *err); /* JSONL */
cmat_status cmat_task_list_save(const cmat_task_list *l, const char *path, cmat_error *err);
/* SHA-256 of the tasks' hashes, whatever their order. */
void cmat_task_list_hash(const cmat_task_list *l, char hex[65]);

/* Bytes of an observation and of a dry run's text that no environment goes beyond (and a note). */
#define CMAT_OBS_MAX ((size_t)32 << 10)
#define CMAT_FACTS_MAX ((size_t)8 << 10)

typedef struct {
    cmat_buf text; /* what the Actor sees, already cut to the budget, with a note when cut; valid
                    * UTF-8 without hidden characters (core/text.h) */
    bool done;     /* the episode has ended (an answer was given, or the world says so) */
    bool error;    /* the action failed: text says why */
    bool invalid_format, invalid_action; /* AgentBench's outcome classes */
    bool task_limit;                     /* done only because max_steps were taken */
} cmat_obs;
void cmat_obs_clear(cmat_obs *o);

typedef enum { CMAT_FACT_OK, CMAT_FACT_NOTE, CMAT_FACT_BAD } cmat_fact_level;
/* What a dry run found out about an action; nothing was changed. */
typedef struct {
    cmat_fact_level verdict; /* BAD: the action cannot be right (does not parse, unknown column) */
    json_t *facts; /* {"parses": true, "unknown": ["columns"], "rows": 3, "writes": false ...} */
    cmat_buf text; /* one or a few lines for a prompt */
} cmat_facts;
void cmat_facts_clear(cmat_facts *f);

typedef struct cmat_env cmat_env;
typedef struct cmat_env_ops cmat_env_ops;
typedef struct {
    const char *path;    /* the world (cmat_env_ops.world), a file or an address; NULL where tasks
                            bring their own */
    const char *style;   /* prompt style: "short" (ours) or "agentbench" */
    int max_steps;       /* 0: the environment's own */
    int obs_budget;      /* bytes of an observation; 0: the environment's own */
    double step_timeout; /* seconds; 0: the environment's own */
    uint64_t seed;
    const cmat_env *like; /* an open environment of the same name and path, whose world (schema,
                           * index, frozen copy) is shared instead of read again; NULL: none. It may
                           * be closed first. */
} cmat_env_options;

/* A world set aside, to come back to. */
typedef struct {
    cmat_buf state; /* as the environment writes it */
    int steps;
    bool done;
} cmat_env_snapshot; /* all zero is empty */
void cmat_env_snapshot_clear(cmat_env_snapshot *s);

struct cmat_env_ops {
    const char *name, *summary;
    const char *world; /* what options.path is ("an SQLite file"), without which no tasks can be
                        * made; NULL: the environment needs none */
    const char
        *passing; /* In an observation, what follows this mark holds only until the next
                   * step: once that is taken, the prompt shows it no more. NULL: all lasts */
    cmat_status (*open)(cmat_env **out, const cmat_env_options *opts, cmat_error *err);
    void (*close)(cmat_env *env);
    /* Makes n tasks with known answers from the world itself. NULL: cannot. split: 0 train, 1
     * validation, 2 held out; no question, template-with-value or gold of one split occurs in
     * another. */
    cmat_status (*generate)(cmat_env *env, int split, size_t n, uint64_t seed, cmat_task_list *out,
                            cmat_error *err);
    /* Reads tasks: our JSONL, or a benchmark's own file (or folder). NULL: only the former. */
    cmat_status (*import)(const char *path, cmat_task_list *out, cmat_error *err);
    /* Starts an episode; obs gets what the Actor sees first. */
    cmat_status (*reset)(cmat_env *env, const cmat_task *task, cmat_obs *obs, cmat_error *err);
    /* The part of the prompt that is the same for every task of this world (rules of the protocol,
     * then the schema): appended to out. It stands first, so that episodes share it. */
    void (*prompt)(cmat_env *env, cmat_buf *out);
    /* Runs the action in the Actor's reply (thought and action, in the style's syntax). A wrong one
     * is an observation, never a failure. */
    cmat_status (*step)(cmat_env *env, const char *reply, cmat_obs *obs, cmat_error *err);
    cmat_status (*dry_run)(cmat_env *env, const char *reply, cmat_facts *facts, cmat_error *err);
    /* What the next reply may look like; NULL: anything. *out is the caller's (cmat_acceptor_free).
     */
    cmat_status (*constraint)(cmat_env *env, cmat_acceptor **out, cmat_error *err);
    /* 0..1 for the episode so far. */
    cmat_status (*score)(cmat_env *env, double *score, cmat_error *err);
    /* The next reply an oracle that knows the task's gold would give, appended to out; false: none.
     * NULL: no oracle. */
    bool (*oracle)(cmat_env *env, cmat_buf *out);
    /* The same from a player that knows only what the Actor has seen, so that its way can be
     * learned: worked answers are its, where it gets there. NULL: they are the oracle's. */
    bool (*teacher)(cmat_env *env, cmat_buf *out);
    /* The actions that the world takes now, sorted, without the style's syntax around them: *out is
     * the environment's, until its next call. NULL: they cannot be listed. */
    size_t (*actions)(cmat_env *env, const char *const **out);
    /* Appends the episode's state, so that restore on an environment with the same task brings it
     * back exactly; equal states give equal bytes. Both NULL: not supported. */
    cmat_status (*snapshot)(cmat_env *env, cmat_buf *out, cmat_error *err);
    cmat_status (*restore)(cmat_env *env, const void *state, size_t len, cmat_error *err);
    /* A first reply that is wrong in one respect, as a model might write it, appended to out;
     * false: none. It may by chance be right. NULL: no such practice. */
    bool (*slip)(cmat_env *env, cmat_rng *rng, cmat_buf *out);
    /* Further figures of the episode so far by name ("exact match": 0..1), set in out, an empty
     * object; evaluation tells the mean of each over the tasks. The names are the same for every
     * task. NULL: none. */
    void (*measures)(cmat_env *env, json_t *out);
    /* The error kind of a failed episode by the paper's names ("wrong column", ...), or NULL. */
    const char *(*error_kind)(cmat_env *env);
};

struct cmat_env { /* first member of each environment's own struct */
    const cmat_env_ops *ops;
    cmat_env_options opts;
    int steps; /* taken in this episode */
    bool done;
};

extern const cmat_env_ops *const cmat_envs[]; /* NULL at the end */
const cmat_env_ops *cmat_env_find(const char *name);

cmat_status cmat_env_open(cmat_env **out, const char *name, const cmat_env_options *opts,
                          cmat_error *err);
/* The same for one that may be outside the list. CMAT_ERR_ARG: a limit is negative, or there is no
 * such style. */
cmat_status cmat_env_open_ops(cmat_env **out, const cmat_env_ops *ops, const cmat_env_options *opts,
                              cmat_error *err);
/* The options ask for AgentBench's style. */
bool cmat_env_is_agentbench(const cmat_env_options *opts);
void cmat_env_close(cmat_env *env); /* accepts NULL */
cmat_status cmat_env_reset(cmat_env *env, const cmat_task *task, cmat_obs *obs, cmat_error *err);
/* Counts the step; past max_steps obs->done is set by the caller's rule (AgentBench: task limit).
 */
cmat_status cmat_env_step(cmat_env *env, const char *reply, cmat_obs *obs, cmat_error *err);
cmat_status cmat_env_dry_run(cmat_env *env, const char *reply, cmat_facts *facts, cmat_error *err);
cmat_status cmat_env_score(cmat_env *env, double *score, cmat_error *err);
/* Tasks of a file: by the environment's import where it has one, else our JSONL. */
cmat_status cmat_env_import(const cmat_env_ops *ops, const char *path, cmat_task_list *out,
                            cmat_error *err);

/* Sets the present state aside; *out (cleared first) is the caller's. Steps taken and the end of
 * the episode are part of it. CMAT_ERR_UNSUPPORTED: this environment cannot. */
cmat_status cmat_env_snapshot_take(cmat_env *env, cmat_env_snapshot *out, cmat_error *err);
/* Goes back to it. The same task must be set. On failure the state is as it was. */
cmat_status cmat_env_restore(cmat_env *env, const cmat_env_snapshot *s, cmat_error *err);
/* The state (without the number of steps) as a number: equal states give equal ones. */
cmat_status cmat_env_hash(cmat_env *env, uint64_t *hash, cmat_error *err);
#endif
