/* agent/trajectory.h - short-term memory: the turns of an episode, put into a prompt of limited
 * size.
 *
 * Nothing is left out silently: a shortened observation says how much is missing, and omitted turns
 * are announced in the task's turn. */
#ifndef CMAT_AGENT_TRAJECTORY_H
#define CMAT_AGENT_TRAJECTORY_H
#include "agent/llm.h"
#include "agent/prompt.h"

typedef enum {
    CMAT_TURN_SYSTEM,
    CMAT_TURN_TASK,
    CMAT_TURN_REPLY,       /* the Actor's */
    CMAT_TURN_OBSERVATION, /* text is the observation itself; the prompt wraps it as data */
    CMAT_TURN_OBJECTION
} cmat_turn_kind;

typedef struct {
    cmat_turn_kind kind;
    char *text;
} cmat_turn;

typedef struct {
    cmat_turn *items; /* system, task, then reply and observation or objection by turns */
    size_t n, cap;
    bool raw;            /* observations go in as they are (AgentBench's protocol has no marks) */
    const char *passing; /* cmat_env_ops.passing: what follows it in the task or an observation is
                          * shown in the newest of them only; borrowed; NULL: none */
} cmat_trajectory;

void cmat_trajectory_add(cmat_trajectory *t, cmat_turn_kind kind, const char *text);
/* Takes the newest turn away again. */
void cmat_trajectory_drop(cmat_trajectory *t);
void cmat_trajectory_clear(cmat_trajectory *t);

typedef struct {
    size_t n_tokens; /* of the prompt, about; an upper bound where nothing had to be cut */
    int n_shortened; /* observations cut or left out */
    int n_omitted;   /* messages left out */
} cmat_trajectory_cut;

/* The messages, a new reference, within `budget` tokens as llm counts them (0: no limit). In this
 * order: the oldest observations are cut to a few words, then left out; the oldest turns after the
 * task are omitted; the newest observation is cut. If that is not enough the result is over the
 * budget. Old turns are cut up to a quarter of the budget further than needed, so that the prompts
 * of several turns have their beginning in common. *cut may be NULL. */
json_t *cmat_trajectory_messages(const cmat_trajectory *t, const cmat_prompts *prompts,
                                 cmat_llm *llm, size_t budget, cmat_trajectory_cut *cut);
#endif
