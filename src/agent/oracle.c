/* oracle.c - see oracle.h. */
#include "agent/oracle.h"
#include "agent/episode.h"
#include <assert.h>
#include <stdio.h>

#define ORACLE_CTX (1 << 24) /* nothing is cut: there is no model to read it */

static char *gold_reply(void *user, const cmat_llm_request *req)
{
    cmat_oracle_stuck *stuck = user;
    cmat_env *env = cmat_episode_env(req->tag);
    cmat_buf out = {0};
    assert(req->role == CMAT_ROLE_ACTOR);
    if (env->ops->oracle(env, &out))
        return cmat_buf_detach(&out);
    cmat_buf_clear(&out);
    if (stuck->n++ == 0)
        snprintf(stuck->first, sizeof stuck->first, "%s", cmat_episode_task(req->tag)->id);
    return NULL;
}

cmat_llm *cmat_llm_oracle_new(cmat_oracle_stuck *stuck)
{
    cmat_llm *llm = cmat_llm_scripted_new(gold_reply, stuck);
    cmat_llm_scripted_set_n_ctx(llm, ORACLE_CTX);
    cmat_llm_scripted_set_missing(llm, CMAT_ERR_FORMAT, "there is no gold action");
    return llm;
}
