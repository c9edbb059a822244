/* tests/fuzz/fuzz_env.h - any reply to an environment: a dry run changes nothing, a step does not
 * fail. */
#ifndef CMAT_TESTS_FUZZ_ENV_H
#define CMAT_TESTS_FUZZ_ENV_H
#include "env/env.h"
#include <stdlib.h>

static inline void fuzz_step(cmat_env *env, const char *reply, cmat_obs *obs, cmat_facts *facts)
{
    cmat_error err = {0};
    uint64_t before, after;
    if (cmat_env_hash(env, &before, &err) != CMAT_OK ||
        cmat_env_dry_run(env, reply, facts, &err) != CMAT_OK ||
        cmat_env_hash(env, &after, &err) != CMAT_OK || before != after ||
        cmat_env_step(env, reply, obs, &err) != CMAT_OK)
        abort();
}

/* The first reply to a task. */
static inline void fuzz_reply(cmat_env *env, const cmat_task *task, const char *reply)
{
    cmat_obs obs = {0};
    cmat_facts facts = {0};
    if (cmat_env_reset(env, task, &obs, NULL) != CMAT_OK)
        abort();
    fuzz_step(env, reply, &obs, &facts);
    cmat_obs_clear(&obs);
    cmat_facts_clear(&facts);
}
#endif
