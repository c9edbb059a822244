/* agent/oracle.h - the environment's worked answers in the Actor's place: a source of text without
 * a model. What it cannot answer ends the episode as a task error. */
#ifndef CMAT_AGENT_ORACLE_H
#define CMAT_AGENT_ORACLE_H
#include "agent/llm.h"

/* Episodes in which there was no gold action to play; all zero at the start. */
typedef struct {
    size_t n;
    char first[128]; /* a task's id, cut where it is longer */
} cmat_oracle_stuck;

/* For runs of the scheduler (requests are tagged with their episodes) in an environment that has an
 * oracle, with a Checker that needs no model. stuck is borrowed. */
cmat_llm *cmat_llm_oracle_new(cmat_oracle_stuck *stuck);
#endif
