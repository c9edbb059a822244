/* agent/episode_impl.h - what the files of an episode share; not for users. */
#ifndef CMAT_AGENT_EPISODE_IMPL_H
#define CMAT_AGENT_EPISODE_IMPL_H
#include "agent/episode.h"
#include "agent/trajectory.h"

struct cmat_episode {
    const cmat_episode_shared *shared;
    cmat_env *env;
    cmat_task task;
    int k;
    enum { EPISODE_NEW, EPISODE_ACTING, EPISODE_CHECKING, EPISODE_DONE } state;
    cmat_rng rng;
    double temperature, start;
    cmat_trajectory trajectory;
    cmat_trajectory_cut cut; /* of the last prompt */
    cmat_buf checker_system;
    cmat_acceptor *constraint; /* of the pending request */
    json_t *json;              /* the record */
    json_t *attempt;           /* the last one in it; borrowed */
    int n_steps;               /* actions run */
    int n_rejects;             /* of the present step */
    bool note_sent;            /* in the present step */
    int n_turns;
    int64_t n_prompt, n_tokens;
    int64_t *lessons;
    size_t n_lessons;
    cmat_verdict_row *verdicts;
    size_t n_verdicts, cap_verdicts;
    cmat_outcome outcome;
    cmat_episode_row row; /* once done */
};

/* episode_end.c: scores, labels the verdicts, completes the record and row. */
cmat_status cmat_episode_conclude(cmat_episode *e, cmat_error *err);
#endif
