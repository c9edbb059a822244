/* episode_end.c - the end of an episode: score, error kind, which verdicts were right, the record.
 */
#include "agent/episode_impl.h"
#include "core/cancel.h"
#include "core/json.h"
#include <math.h>
#include <string.h>

static json_t *attempt_at(const cmat_episode *e, int step, int attempt)
{
    json_t *s = json_array_get(json_object_get(e->json, "steps"), (size_t)step);
    return json_array_get(json_object_get(s, "attempts"), (size_t)attempt);
}

static json_t *step_at(const cmat_episode *e, int step)
{
    return json_array_get(json_object_get(e->json, "steps"), (size_t)step);
}

/* The reply that was run in a step: its last. */
static const char *run_reply(const cmat_episode *e, int step)
{
    const json_t *attempts = json_object_get(step_at(e, step), "attempts");
    return cmat_json_str(json_array_get(attempts, json_array_size(attempts) - 1), "reply", "");
}

/* Whether an action that was run was right: an error never was; in an episode that scored fully the
 * others were, in one that did not, the one that ended it was not. -1: cannot be told. */
static int label_executed(const cmat_episode *e, int step, double score)
{
    if (cmat_json_bool(step_at(e, step), "error", false))
        return 0;
    if (isnan(score))
        return -1;
    if (score >= 1)
        return 1;
    return step == e->n_steps - 1 && e->outcome == CMAT_OUTCOME_COMPLETED ? 0 : -1;
}

/* Runs, in a world of its own, what was run before `step`, then the reply in question. */
static cmat_status label_rejected(cmat_episode *e, int step, const char *reply, int *right,
                                  cmat_error *err)
{
    cmat_env *env = e->shared->judge;
    cmat_obs obs = {0};
    double score = 0;
    cmat_status st = cmat_env_reset(env, &e->task, &obs, err);
    *right = -1;
    if (st != CMAT_OK)
        goto done;
    for (int i = 0; st == CMAT_OK && i < step && !env->done; i++)
        st = cmat_env_step(env, run_reply(e, i), &obs, err);
    if (st == CMAT_OK && env->done)
        goto done;
    if (st == CMAT_OK)
        st = cmat_env_step(env, reply, &obs, err);
    if (st != CMAT_OK)
        st = st == CMAT_ERR_IO ? CMAT_OK : st; /* a world that failed tells nothing */
    else if (obs.error || obs.invalid_action || obs.invalid_format)
        *right = 0;
    else if (cmat_env_score(env, &score, NULL) == CMAT_OK && !isnan(score))
        *right = score >= 1 ? 1 : env->done ? 0 : -1;
done:
    cmat_obs_clear(&obs);
    return st;
}

/* Notes in the record, for each action, whether it was right. */
static cmat_status label_attempts(cmat_episode *e, double score, cmat_error *err)
{
    size_t step, a;
    json_t *s, *attempt;
    json_array_foreach(json_object_get(e->json, "steps"), step, s)
    {
        const json_t *attempts = json_object_get(s, "attempts");
        json_array_foreach(attempts, a, attempt)
        {
            const bool executed =
                json_object_get(s, "observation") && a + 1 == json_array_size(attempts);
            int right = -1;
            cmat_status st = CMAT_OK;
            if (executed)
                right = label_executed(e, (int)step, score);
            else if (e->shared->judge && !isnan(score))
                st = label_rejected(e, (int)step, cmat_json_str(attempt, "reply", ""), &right, err);
            if (st != CMAT_OK)
                return cmat_fail_prefix(err, st, "judging a rejected action");
            json_object_set_new(attempt, "executed", json_boolean(executed));
            json_object_set_new(attempt, "right", right < 0 ? json_null() : json_boolean(right));
        }
    }
    return CMAT_OK;
}

static void record_verdicts(cmat_episode *e)
{
    for (size_t i = 0; i < e->n_verdicts; i++) {
        cmat_verdict_row *v = &e->verdicts[i];
        json_t *attempt = attempt_at(e, v->step, v->attempt);
        const json_t *right = json_object_get(attempt, "right");
        v->right = json_is_boolean(right) ? json_is_true(right) : -1;
        json_t *j = json_object();
        json_object_set_new(j, "source", json_string(v->source));
        json_object_set_new(j, "accepted", json_boolean(v->accepted));
        json_object_set(j, "right", json_object_get(attempt, "right"));
        if (v->reason)
            json_object_set_new(j, "reason", cmat_json_text(v->reason, strlen(v->reason)));
        json_object_set_new(attempt, "verdict", j);
    }
}

static void record_end(cmat_episode *e)
{
    const cmat_episode_row *r = &e->row;
    json_t *j = e->json;
    json_object_set_new(j, "phase", json_string(r->phase));
    json_object_set_new(j, "round", json_integer(r->round));
    json_object_set_new(j, "k", json_integer(r->k));
    json_object_set_new(j, "checker", json_string(r->checker));
    json_object_set_new(j, "score", isnan(r->score) ? json_null() : json_real(r->score));
    json_object_set_new(j, "outcome", json_string(r->outcome));
    json_object_set_new(j, "error_kind", r->error_kind ? json_string(r->error_kind) : json_null());
    json_object_set_new(j, "n_turns", json_integer(r->n_turns));
    json_object_set_new(j, "n_prompt", json_integer(r->n_prompt));
    json_object_set_new(j, "n_tokens", json_integer(r->n_tokens));
    json_object_set_new(j, "seconds", json_real(r->seconds));
    json_t *lessons = json_array();
    for (size_t i = 0; i < e->n_lessons; i++)
        json_array_append_new(lessons, json_integer((json_int_t)e->lessons[i]));
    json_object_set_new(j, "lessons", lessons);
}

cmat_status cmat_episode_conclude(cmat_episode *e, cmat_error *err)
{
    double score = NAN;
    const char *error_kind = NULL;
    /* An environment that cannot judge (a user's own question) is no failure: the score stays open.
     */
    if (cmat_env_score(e->env, &score, NULL) != CMAT_OK)
        score = NAN;
    json_t *measures = e->env->ops->measures && !isnan(score) ? json_object() : NULL;
    if (measures) {
        e->env->ops->measures(e->env, measures);
        json_object_set_new(e->json, "measures", measures); /* the record keeps it */
    }
    if (score < 1 && e->env->ops->error_kind)
        error_kind = e->env->ops->error_kind(e->env);
    e->row = (cmat_episode_row){
        .phase = e->shared->phase,
        .round = e->shared->round,
        .task_id = e->task.id,
        .k = e->k,
        .kind = e->task.kind,
        .checker = cmat_checker_names[e->shared->opts->checker],
        .score = score,
        .measures = measures,
        .outcome = cmat_outcome_names[e->outcome],
        .error_kind = error_kind,
        .n_turns = e->n_turns,
        .n_prompt = e->n_prompt,
        .n_tokens = e->n_tokens,
        .seconds = cmat_now() - e->start,
        .json = e->json,
    };
    cmat_status st = label_attempts(e, score, err);
    record_verdicts(e);
    record_end(e);
    return st;
}
