/* tests/player.c - see player.h. */
#include "player.h"
#include "core/json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

cmat_env *player_open(const char *name, cmat_env_options o)
{
    cmat_env *env = NULL;
    cmat_error err = {0};
    if (cmat_env_open(&env, name, &o, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return env;
}

cmat_task player_task(const char *json)
{
    cmat_task t = {0};
    cmat_error err = {0};
    json_t *j = cmat_json_parse(json, strlen(json), "task", &err);
    if (!j || cmat_task_init(&t, j, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    json_decref(j);
    return t;
}

void player_reset(cmat_env *env, const cmat_task *t, cmat_obs *obs)
{
    cmat_error err = {0};
    if (cmat_env_reset(env, t, obs, &err) != CMAT_OK)
        fail_msg("%s: %s", t->id, err.msg);
}

const char *player_step(cmat_env *env, const char *reply, cmat_obs *obs)
{
    cmat_error err = {0};
    if (cmat_env_step(env, reply, obs, &err) != CMAT_OK)
        fail_msg("%s: %s", reply, err.msg);
    return cmat_buf_str(&obs->text);
}

void player_expect(cmat_env *env, const char *reply, const char *part)
{
    cmat_obs obs = {0};
    if (!strstr(player_step(env, reply, &obs), part))
        fail_msg("%s\ngave: %s\nnot:  %s", reply, cmat_buf_str(&obs.text), part);
    cmat_obs_clear(&obs);
}

double player_score(cmat_env *env)
{
    double score = -1;
    cmat_error err = {0};
    if (cmat_env_score(env, &score, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return score;
}

bool player_accepts(cmat_env *env, const char *reply)
{
    _Alignas(16) char state[CMAT_ACCEPTOR_STATE_MAX] = {0};
    cmat_acceptor *a;
    cmat_error err = {0};
    if (!env->ops->constraint)
        return true;
    if (env->ops->constraint(env, &a, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    bool ok = true;
    a->ops->start(a, state);
    for (const char *c = reply; *c && ok; c++)
        ok = a->ops->step(a, state, (uint8_t)*c);
    ok = ok && a->ops->done(a, state);
    cmat_acceptor_free(a);
    return ok;
}

static void check_reply(cmat_env *env, const cmat_task *t, const char *reply)
{
    cmat_facts facts = {0};
    cmat_error err = {0};
    if (!player_accepts(env, reply))
        fail_msg("%s: the constraint refuses %s", t->id, reply);
    if (cmat_env_dry_run(env, reply, &facts, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    if (facts.verdict == CMAT_FACT_BAD)
        fail_msg("%s: %s: %s", t->id, reply, cmat_buf_str(&facts.text));
    cmat_facts_clear(&facts);
}

double player_oracle(cmat_env *env, const cmat_task *t, player_rules rules)
{
    cmat_obs obs = {0};
    cmat_buf reply = {0};
    player_reset(env, t, &obs);
    while (!env->done && env->ops->oracle(env, &reply)) {
        if (rules == PLAYER_STRICT)
            check_reply(env, t, reply.data);
        const char *text = player_step(env, reply.data, &obs);
        if (rules == PLAYER_STRICT && obs.error)
            fail_msg("%s: %s: %s", t->id, reply.data, text);
        cmat_buf_truncate(&reply, 0);
    }
    assert_false(obs.task_limit);
    cmat_buf_clear(&reply);
    cmat_obs_clear(&obs);
    return player_score(env);
}

void player_facts(cmat_env *env, const char *reply, cmat_fact_level level, const char *part)
{
    cmat_facts f = {0};
    cmat_error err = {0};
    uint64_t before = 0, after = 0;
    if (cmat_env_hash(env, &before, &err) != CMAT_OK ||
        cmat_env_dry_run(env, reply, &f, &err) != CMAT_OK ||
        cmat_env_hash(env, &after, &err) != CMAT_OK)
        fail_msg("%s: %s", reply, err.msg);
    assert_true(before == after);
    if (f.verdict != level || !strstr(cmat_buf_str(&f.text), part))
        fail_msg("%s: level %d: %s", reply, (int)f.verdict, cmat_buf_str(&f.text));
    cmat_facts_clear(&f);
}
