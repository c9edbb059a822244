/* episode.c - the state machine: propose, check, run, observe. */
#include "agent/checker.h"
#include "agent/episode_impl.h"
#include "agent/verdict.h"
#include "core/cancel.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

#define CONTEXT_MARGIN 16 /* tokens left free beside prompt and reply */

const char *const cmat_checker_names[] = {"off", "facts", "model", "both", NULL};
const char *const cmat_outcome_names[CMAT_N_OUTCOMES] = {
    [CMAT_OUTCOME_COMPLETED] = "completed",
    [CMAT_OUTCOME_CONTEXT_LIMIT] = "context limit",
    [CMAT_OUTCOME_INVALID_FORMAT] = "invalid format",
    [CMAT_OUTCOME_INVALID_ACTION] = "invalid action",
    [CMAT_OUTCOME_TASK_LIMIT] = "task limit",
    [CMAT_OUTCOME_TASK_ERROR] = "task error"};

static const char *const fact_names[] = {
    [CMAT_FACT_OK] = "ok", [CMAT_FACT_NOTE] = "note", [CMAT_FACT_BAD] = "bad"};

void cmat_episode_free(cmat_episode *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->n_verdicts; i++)
        free((char *)e->verdicts[i].reason);
    free(e->verdicts);
    free(e->lessons);
    cmat_trajectory_clear(&e->trajectory);
    cmat_buf_clear(&e->checker_system);
    cmat_acceptor_free(e->constraint);
    json_decref(e->json);
    cmat_task_clear(&e->task);
    free(e);
}

/* --- asking --- */

/* Actions that were proposed in the present step. */
static int64_t n_tries(const cmat_episode *e)
{
    const json_t *step = json_array_get(json_object_get(e->json, "steps"), (size_t)e->n_steps);
    return (int64_t)json_array_size(json_object_get(step, "attempts"));
}

/* How many of them must come to the same before one is run. */
static int64_t n_agree(const cmat_episode *e)
{
    const cmat_agent_options *o = e->shared->opts;
    return o->retry == CMAT_RETRY_AGAIN && o->agree > 1 ? o->agree : 1;
}

static bool out_of_tries(const cmat_episode *e)
{
    return n_tries(e) >= e->shared->opts->max_rejects + n_agree(e);
}

static cmat_status ask_actor(cmat_episode *e, cmat_error *err)
{
    const cmat_agent_options *o = e->shared->opts;
    cmat_llm *llm = e->shared->llm;
    cmat_status st = CMAT_OK;
    int64_t room = llm->ops->n_ctx(llm) - o->max_tokens - CONTEXT_MARGIN;
    int64_t budget = o->token_budget > 0 && o->token_budget < room ? o->token_budget : room;
    json_t *messages = cmat_trajectory_messages(&e->trajectory, e->shared->prompts, llm,
                                                budget > 0 ? (size_t)budget : 1, &e->cut);
    cmat_acceptor_free(e->constraint);
    e->constraint = NULL;
    if (o->constraint && e->env->ops->constraint)
        st = e->env->ops->constraint(e->env, &e->constraint, err);
    if (st == CMAT_OK) {
        double t = n_tries(e) > 0 && o->retry_temperature > e->temperature ? o->retry_temperature
                                                                           : e->temperature;
        cmat_llm_request req = {.role = CMAT_ROLE_ACTOR,
                                .messages = messages,
                                .max_tokens = (int)o->max_tokens,
                                .sampling = CMAT_SAMPLING_DEFAULT,
                                .constraint = e->constraint,
                                .tag = e};
        req.sampling.temperature = (float)t;
        req.sampling.top_p = t > 0 ? (float)o->top_p : 1;
        req.sampling.seed = cmat_rng_u64(&e->rng);
        e->state = EPISODE_ACTING;
        st = llm->ops->submit(llm, &req, err);
    }
    json_decref(messages);
    return st;
}

static cmat_status ask_checker(cmat_episode *e, cmat_error *err)
{
    const cmat_agent_options *o = e->shared->opts;
    cmat_llm *llm = e->shared->llm;
    cmat_buf history = {0};
    cmat_episode_history(json_object_get(e->json, "steps"), (size_t)e->n_steps, &history);
    const json_t *facts = json_object_get(e->attempt, "facts");
    json_t *messages = cmat_checker_messages(
        e->shared->prompts, cmat_buf_str(&e->checker_system), e->task.instruction,
        cmat_buf_str(&history), cmat_json_str(e->attempt, "reply", ""),
        o->checker == CMAT_CHECKER_BOTH ? cmat_json_str(facts, "text", "") : NULL);
    cmat_llm_request req = {.role = CMAT_ROLE_CHECKER,
                            .messages = messages,
                            .max_tokens = (int)o->checker_tokens,
                            .sampling = CMAT_SAMPLING_DEFAULT,
                            .constraint = e->shared->verdict_constraint,
                            .tag = e};
    req.sampling.seed = cmat_rng_u64(&e->rng);
    e->state = EPISODE_CHECKING;
    cmat_status st = llm->ops->submit(llm, &req, err);
    json_decref(messages);
    cmat_buf_clear(&history);
    return st;
}

/* --- running --- */

static json_t *current_step(cmat_episode *e)
{
    json_t *steps = json_object_get(e->json, "steps");
    if (json_array_size(steps) == (size_t)e->n_steps) {
        json_t *step = json_object();
        json_object_set_new(step, "attempts", json_array());
        json_array_append_new(steps, step);
    }
    return json_array_get(steps, (size_t)e->n_steps);
}

static void record_attempt(cmat_episode *e, const cmat_llm_reply *r)
{
    json_t *attempts = json_object_get(current_step(e), "attempts");
    e->attempt = json_object();
    json_array_append_new(attempts, e->attempt);
    json_object_set_new(e->attempt, "reply", cmat_json_text(r->text, strlen(r->text)));
    json_object_set_new(e->attempt, "n_prompt", json_integer((json_int_t)r->n_prompt));
    json_object_set_new(e->attempt, "n_tokens", json_integer((json_int_t)r->n_tokens));
    json_object_set_new(e->attempt, "seconds", json_real(r->seconds));
    if (e->cut.n_shortened > 0)
        json_object_set_new(e->attempt, "n_shortened", json_integer(e->cut.n_shortened));
    if (e->cut.n_omitted > 0)
        json_object_set_new(e->attempt, "n_omitted", json_integer(e->cut.n_omitted));
}

static cmat_status look_at_facts(cmat_episode *e, cmat_fact_level *level, cmat_error *err)
{
    cmat_facts facts = {0};
    cmat_status st = cmat_env_dry_run(e->env, cmat_json_str(e->attempt, "reply", ""), &facts, err);
    if (st == CMAT_OK) {
        *level = facts.verdict;
        json_t *j = json_object();
        json_object_set_new(j, "verdict", json_string(fact_names[facts.verdict]));
        size_t len = facts.text.len;
        while (len > 0 && facts.text.data[len - 1] == '\n')
            len--;
        json_object_set_new(j, "text", cmat_json_text(cmat_buf_str(&facts.text), len));
        if (facts.facts)
            json_object_set(j, "facts", facts.facts);
        json_object_set_new(e->attempt, "facts", j);
    }
    cmat_facts_clear(&facts);
    return st;
}

static void record_verdict(cmat_episode *e, const char *source, bool accepted, bool executed,
                           const char *reason)
{
    const json_t *attempts = json_object_get(current_step(e), "attempts");
    e->verdicts = cmat_xgrow(e->verdicts, &e->cap_verdicts, e->n_verdicts + 1, sizeof *e->verdicts);
    e->verdicts[e->n_verdicts++] = (cmat_verdict_row){.step = e->n_steps,
                                                      .attempt = (int)json_array_size(attempts) - 1,
                                                      .source = source,
                                                      .accepted = accepted,
                                                      .executed = executed,
                                                      .right = -1,
                                                      .reason = cmat_xstrdup(reason)};
}

static void finish(cmat_episode *e, cmat_outcome outcome)
{
    e->outcome = outcome;
    e->state = EPISODE_DONE;
}

static cmat_outcome outcome_of(const cmat_obs *obs)
{
    if (obs->task_limit)
        return CMAT_OUTCOME_TASK_LIMIT;
    if (obs->invalid_format)
        return CMAT_OUTCOME_INVALID_FORMAT;
    return obs->invalid_action ? CMAT_OUTCOME_INVALID_ACTION : CMAT_OUTCOME_COMPLETED;
}

/* Runs the last reply in the environment. When what that stands on fails (a browser or a server has
 * ended), the episode ends with it; whether another can be had, the next one's start shows. */
static cmat_status execute(cmat_episode *e, cmat_error *err)
{
    cmat_obs obs = {0};
    cmat_error own = {0};
    double start = cmat_now();
    cmat_status st = cmat_env_step(e->env, cmat_json_str(e->attempt, "reply", ""), &obs, &own);
    if (st == CMAT_ERR_IO) {
        cmat_warn("task %s: %s", e->task.id, own.msg);
        finish(e, CMAT_OUTCOME_TASK_ERROR);
        st = CMAT_OK;
        goto done;
    }
    if (st != CMAT_OK) {
        if (err)
            *err = own;
        goto done;
    }
    json_t *step = current_step(e);
    json_object_set_new(step, "observation", cmat_json_text(cmat_buf_str(&obs.text), obs.text.len));
    json_object_set_new(step, "error",
                        json_boolean(obs.error || obs.invalid_action || obs.invalid_format));
    json_object_set_new(step, "seconds", json_real(cmat_now() - start));
    cmat_trajectory_add(&e->trajectory, CMAT_TURN_OBSERVATION, cmat_buf_str(&obs.text));
    e->n_steps++;
    e->n_rejects = 0;
    e->note_sent = false;
    if (obs.done)
        finish(e, outcome_of(&obs));
    else
        st = ask_actor(e, err);
done:
    cmat_obs_clear(&obs);
    return st;
}

/* How much speaks against attempt i of the present step; the model's objection weighs as a note. */
static int fault_of(const cmat_episode *e, size_t i, const json_t *attempt)
{
    const char *verdict =
        cmat_json_str(json_object_get(attempt, "facts"), "verdict", fact_names[CMAT_FACT_OK]);
    int level = CMAT_FACT_OK;
    while (level < CMAT_FACT_BAD && strcmp(fact_names[level], verdict) != 0)
        level++;
    for (size_t k = 0; k < e->n_verdicts; k++) {
        const cmat_verdict_row *v = &e->verdicts[k];
        if (v->step == e->n_steps && (size_t)v->attempt == i && !v->accepted &&
            level == CMAT_FACT_OK)
            level = CMAT_FACT_NOTE;
    }
    return level;
}

/* What an action comes to: its dry run's outcome, or without one its own words. */
static const char *outcome_of_attempt(const json_t *attempt)
{
    const json_t *facts = json_object_get(json_object_get(attempt, "facts"), "facts");
    return cmat_json_str(facts, "outcome", cmat_json_str(attempt, "reply", ""));
}

/* The attempt of the present step with the least against it; among those the one that most others
 * come to the same as (*n, itself included); among those the earliest. */
static size_t best_attempt(cmat_episode *e, int64_t *n)
{
    const json_t *attempts = json_object_get(current_step(e), "attempts"), *a, *b;
    size_t best = 0, i, j;
    int least = CMAT_FACT_BAD + 1;
    *n = 0;
    json_array_foreach(attempts, i, a)
    {
        const int level = fault_of(e, i, a);
        int64_t same = 0;
        json_array_foreach(attempts, j, b) same +=
            fault_of(e, j, b) == level && strcmp(outcome_of_attempt(a), outcome_of_attempt(b)) == 0;
        if (level < least || (level == least && same > *n)) {
            least = level;
            *n = same;
            best = i;
        }
    }
    return best;
}

/* Runs the best of all tries, which becomes the last in the record, as what is run always is. */
static cmat_status execute_best(cmat_episode *e, cmat_error *err)
{
    json_t *attempts = json_object_get(current_step(e), "attempts");
    int64_t n;
    const size_t best = best_attempt(e, &n), last = json_array_size(attempts) - 1;
    json_array_append(attempts, json_array_get(attempts, best));
    json_array_remove(attempts, best);
    e->attempt = json_array_get(attempts, last);
    for (size_t i = 0; i < e->n_verdicts; i++) {
        cmat_verdict_row *v = &e->verdicts[i];
        if (v->step != e->n_steps)
            continue;
        v->executed = (size_t)v->attempt == best;
        v->attempt = v->executed ? (int)last : v->attempt - ((size_t)v->attempt > best);
    }
    cmat_trajectory_drop(&e->trajectory);
    cmat_trajectory_add(&e->trajectory, CMAT_TURN_REPLY, cmat_json_str(e->attempt, "reply", ""));
    return execute(e, err);
}

/* The last reply may be run: runs the best, or asks once more until enough tries agree. */
static cmat_status let_through(cmat_episode *e, const char *source, const char *reason,
                               cmat_error *err)
{
    int64_t n;
    record_verdict(e, source, true, true, reason);
    if (n_agree(e) == 1)
        return execute(e, err);
    best_attempt(e, &n);
    if (n >= n_agree(e) || out_of_tries(e))
        return execute_best(e, err);
    e->verdicts[e->n_verdicts - 1].executed = false;
    cmat_trajectory_drop(&e->trajectory);
    return ask_actor(e, err);
}

/* Sends the last reply back, or runs one all the same when that was done often enough. */
static cmat_status object(cmat_episode *e, const char *source, const char *reason, cmat_error *err)
{
    const bool again = e->shared->opts->retry == CMAT_RETRY_AGAIN;
    bool give_in = again ? out_of_tries(e) : e->n_rejects >= e->shared->opts->max_rejects;
    record_verdict(e, source, false, give_in, reason);
    if (give_in)
        return again ? execute_best(e, err) : execute(e, err);
    cmat_buf data = {0}, text = {0};
    cmat_prompt_add_data(&data, reason, strlen(reason));
    const cmat_prompt_var vars[] = {{"reason", cmat_buf_str(&data)}, {0}};
    cmat_prompt_render(e->shared->prompts, CMAT_PROMPT_REJECT, vars, &text);
    if (again)
        cmat_trajectory_drop(&e->trajectory);
    else
        cmat_trajectory_add(&e->trajectory, CMAT_TURN_OBJECTION, cmat_buf_str(&text));
    json_object_set_new(e->attempt, "objection", cmat_json_text(cmat_buf_str(&text), text.len));
    cmat_buf_clear(&data);
    cmat_buf_clear(&text);
    e->n_rejects++;
    return ask_actor(e, err);
}

/* What the facts alone say of the last reply: an objection, or (*passed) nothing. */
static cmat_status judge_by_facts(cmat_episode *e, cmat_fact_level level, bool *passed,
                                  cmat_error *err)
{
    /* A note may be wrong: told of it once, the Actor may insist. Asked again it does not know, so
     * any number of tries may draw one, and the first of them is run when all do. */
    const bool again = e->shared->opts->retry == CMAT_RETRY_AGAIN;
    const bool note = level == CMAT_FACT_NOTE &&
                      (again || (!e->note_sent && e->n_rejects < e->shared->opts->max_rejects));
    *passed = level != CMAT_FACT_BAD && !note;
    if (*passed)
        return CMAT_OK;
    cmat_buf reason = {0};
    cmat_facts_reason(cmat_json_str(json_object_get(e->attempt, "facts"), "text", ""), &reason);
    e->note_sent = e->note_sent || note;
    cmat_status st = object(e, note ? "note" : "facts", cmat_buf_str(&reason), err);
    cmat_buf_clear(&reason);
    return st;
}

static cmat_status after_reply(cmat_episode *e, const cmat_llm_reply *r, cmat_error *err)
{
    const int mode = e->shared->opts->checker;
    const bool facts_speak = mode == CMAT_CHECKER_FACTS || mode == CMAT_CHECKER_BOTH;
    cmat_fact_level level = CMAT_FACT_OK;
    cmat_status st;
    record_attempt(e, r);
    e->n_turns++;
    cmat_trajectory_add(&e->trajectory, CMAT_TURN_REPLY, r->text);
    if ((facts_speak || e->shared->opts->record_facts) &&
        (st = look_at_facts(e, &level, err)) != CMAT_OK)
        return st;
    bool passed = true;
    if (facts_speak && ((st = judge_by_facts(e, level, &passed, err)) != CMAT_OK || !passed))
        return st;
    if (mode == CMAT_CHECKER_MODEL || mode == CMAT_CHECKER_BOTH)
        return ask_checker(e, err);
    return mode == CMAT_CHECKER_FACTS ? let_through(e, "facts", NULL, err) : execute(e, err);
}

static cmat_status after_verdict(cmat_episode *e, const cmat_llm_reply *r, cmat_error *err)
{
    cmat_buf reason = {0};
    cmat_verdict v = cmat_verdict_parse(r->text, &reason);
    json_t *j = json_object();
    json_object_set_new(j, "reply", cmat_json_text(r->text, strlen(r->text)));
    json_object_set_new(j, "n_prompt", json_integer((json_int_t)r->n_prompt));
    json_object_set_new(j, "n_tokens", json_integer((json_int_t)r->n_tokens));
    json_object_set_new(j, "seconds", json_real(r->seconds));
    json_object_set_new(e->attempt, "checker", j);
    cmat_status st;
    if (v == CMAT_VERDICT_REJECT) {
        st = object(e, "model", reason.len ? reason.data : "no reason given", err);
    } else {
        /* A reply that is neither counts as consent: the Checker must not stop what it cannot
         * fault. */
        st = let_through(e, "model", v == CMAT_VERDICT_UNCLEAR ? "unclear reply" : NULL, err);
    }
    cmat_buf_clear(&reason);
    return st;
}

static cmat_status next(cmat_episode *e, cmat_llm_reply *r, cmat_error *err)
{
    if (!r)
        return ask_actor(e, err);
    e->n_prompt += (int64_t)r->n_prompt;
    e->n_tokens += (int64_t)r->n_tokens;
    if (r->status == CMAT_ERR_LIMIT || r->status == CMAT_ERR_FORMAT) {
        json_object_set_new(e->json, "failure", cmat_json_text(r->err.msg, strlen(r->err.msg)));
        finish(e, CMAT_OUTCOME_TASK_ERROR);
        return CMAT_OK;
    }
    if (r->status != CMAT_OK)
        return cmat_fail(err, r->status, "%s", r->err.msg);
    if (r->context_limit && e->state == EPISODE_ACTING) {
        finish(e, CMAT_OUTCOME_CONTEXT_LIMIT);
        return CMAT_OK;
    }
    /* A Checker whose context is full says nothing: the action passes. */
    return e->state == EPISODE_ACTING ? after_reply(e, r, err) : after_verdict(e, r, err);
}

cmat_status cmat_episode_advance(cmat_episode *e, cmat_llm_reply *reply, cmat_error *err)
{
    cmat_status st = next(e, reply, err);
    if (st == CMAT_OK && e->state == EPISODE_DONE)
        st = cmat_episode_conclude(e, err);
    if (st != CMAT_OK)
        return cmat_fail_prefix(err, st, "task %s", e->task.id);
    return st;
}

bool cmat_episode_done(const cmat_episode *e)
{
    return e->state == EPISODE_DONE;
}

const cmat_episode_row *cmat_episode_result(const cmat_episode *e)
{
    return &e->row;
}

const cmat_verdict_row *cmat_episode_verdicts(const cmat_episode *e, size_t *n)
{
    *n = e->n_verdicts;
    return e->verdicts;
}

const int64_t *cmat_episode_lessons(const cmat_episode *e, size_t *n)
{
    *n = e->n_lessons;
    return e->lessons;
}

cmat_env *cmat_episode_env(cmat_episode *e)
{
    return e->env;
}

const cmat_task *cmat_episode_task(const cmat_episode *e)
{
    return &e->task;
}
