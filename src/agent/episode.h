/* agent/episode.h - one task played by Actor and Checker: a state machine between replies.
 *
 * An episode waits for at most one reply at a time, so that one thread can run many of them over
 * one source of text. Flow: the Actor proposes; the Checker (agent.h) accepts or objects; what is
 * accepted, or was sent back max_rejects times, is run; its observation is the next turn.
 *
 * The record of an episode (cmat_episode_row.json):
 *
 *  "task": {"id", "kind", "instruction", "gold", "answer", ...}, "schema", "phase", "round", "k",
 *  "checker", "temperature", "raw_observations": true in the style agentbench,
 *      "passing": as cmat_env_ops.passing, where the first observation holds it
 *  "system", "checker_system": names of texts in the store ("..._text": the texts, without one)
 *  "start": the first user turn; "lessons": [ids]
 *  "steps": [{"attempts": [...], "observation", "error", "seconds"}]; where there is an observation
 *      the last attempt was run. An attempt:
 *      "reply", "n_prompt", "n_tokens", "seconds", "n_shortened", "n_omitted",
 *      "facts": {"verdict": "ok"|"note"|"bad", "text", "facts"},
 *      "checker": {"reply", "n_prompt", "n_tokens", "seconds"}, "objection": what sent it back,
 *      "verdict": {"source": "facts"|"note"|"model", "accepted", "right", "reason"},
 *      "executed", "right": true, false or null (not known)
 *  "score": 0..1 or null, "measures": {name: number} where the environment has some, "outcome",
 * "error_kind", "n_turns", "n_prompt", "n_tokens", "seconds", "failure": of the source of text */
#ifndef CMAT_AGENT_EPISODE_H
#define CMAT_AGENT_EPISODE_H
#include "agent/agent.h"
#include "agent/llm.h"
#include "agent/prompt.h"
#include "env/env.h"
#include "memory/store.h"

typedef struct cmat_episode cmat_episode;

/* What the episodes of a run share. All borrowed, and must outlive them. */
typedef struct {
    const cmat_agent_options *opts;
    const cmat_prompts *prompts;
    cmat_llm *llm;
    cmat_store *store; /* where lessons and texts are; NULL: none */
    cmat_env *judge;   /* a world for judging what was sent back; NULL: not judged */
    const cmat_acceptor *verdict_constraint;
    const char *phase;
    int round;
} cmat_episode_shared;

/* Resets env to the task and makes the first prompt. env is borrowed until cmat_episode_free. */
cmat_status cmat_episode_new(cmat_episode **out, const cmat_episode_shared *shared, cmat_env *env,
                             const cmat_task *task, int k, cmat_error *err);
void cmat_episode_free(cmat_episode *e); /* accepts NULL; not while its request is pending */

/* Goes on with the reply to its last request (NULL at the start; its contents may be taken), until
 * it has submitted another request, tagged with the episode, or is done. */
cmat_status cmat_episode_advance(cmat_episode *e, cmat_llm_reply *reply, cmat_error *err);
bool cmat_episode_done(const cmat_episode *e);

/* The result of an episode that is done: borrowed, until it is freed. */
const cmat_episode_row *cmat_episode_result(const cmat_episode *e);
const cmat_verdict_row *cmat_episode_verdicts(const cmat_episode *e, size_t *n);
const int64_t *cmat_episode_lessons(const cmat_episode *e, size_t *n);
cmat_env *cmat_episode_env(cmat_episode *e);
const cmat_task *cmat_episode_task(const cmat_episode *e);

/* What lessons are found by beside the task's text: names of the task's own tables, and of the
 * world. The caller's to free(). */
char *cmat_task_schema(const cmat_task *task, const char *world);
#endif
