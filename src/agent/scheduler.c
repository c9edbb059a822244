/* scheduler.c - starts episodes, hands them their replies, keeps what ends. */
#include "agent/scheduler.h"
#include "agent/verdict.h"
#include "core/cancel.h"
#include "core/mem.h"
#include "core/progress.h"
#include <stdlib.h>
#include <string.h>

#define POLL_MAX 64

typedef struct {
    const cmat_run_config *config;
    const cmat_task_list *tasks;
    cmat_episode_shared shared;
    cmat_prompts *prompts; /* when loaded here */
    cmat_acceptor *verdict;
    cmat_env **envs; /* (n_envs) opened, in use or not */
    size_t n_envs;
    cmat_env **idle; /* (n_idle) of them not in use */
    size_t n_idle;
    cmat_episode **live; /* (n_live) */
    size_t n_live;
    size_t next; /* task index * samples + k of the next to start */
    cmat_run_stats stats;
    cmat_progress *progress;
} run;

static size_t max_live(const run *r)
{
    return r->config->opts.concurrency > 0 ? (size_t)r->config->opts.concurrency : 1;
}

cmat_status cmat_run_env_open(const cmat_run_config *config, const cmat_env *like, cmat_env **out,
                              cmat_error *err)
{
    cmat_env_options o = config->env_opts;
    if (config->opts.max_steps > 0)
        o.max_steps = (int)config->opts.max_steps;
    o.like = like;
    return config->env_ops ? cmat_env_open_ops(out, config->env_ops, &o, err)
                           : cmat_env_open(out, config->env, &o, err);
}

static cmat_status take_env(run *r, cmat_env **out, cmat_error *err)
{
    if (r->n_idle > 0) {
        *out = r->idle[--r->n_idle];
        return CMAT_OK;
    }
    cmat_status st = cmat_run_env_open(r->config, r->n_envs ? r->envs[0] : NULL, out, err);
    if (st == CMAT_OK)
        r->envs[r->n_envs++] = *out;
    return st;
}

static void drop_live(run *r, cmat_episode *e)
{
    for (size_t i = 0; i < r->n_live; i++)
        if (r->live[i] == e)
            r->live[i] = r->live[--r->n_live];
    r->idle[r->n_idle++] = cmat_episode_env(e);
    cmat_episode_free(e);
}

/* Stores and reports an episode that is done, and frees it. */
static cmat_status keep(run *r, cmat_episode *e, cmat_error *err)
{
    const cmat_episode_row *row = cmat_episode_result(e);
    size_t n_verdicts, n_lessons;
    const cmat_verdict_row *verdicts = cmat_episode_verdicts(e, &n_verdicts);
    const int64_t *lessons = cmat_episode_lessons(e, &n_lessons);
    cmat_status st = CMAT_OK;
    if (r->config->store)
        st = cmat_store_put_episode(r->config->store, row, verdicts, n_verdicts, lessons, n_lessons,
                                    NULL, err);
    if (st == CMAT_OK) {
        r->stats.n_run++;
        r->stats.n_right += row->score >= 1;
        r->stats.n_prompt += row->n_prompt;
        r->stats.n_tokens += row->n_tokens;
        if (r->progress) {
            cmat_progress_set(r->progress, (int64_t)(r->stats.n_found + r->stats.n_run));
            cmat_progress_note(r->progress, "%zu of %zu right", r->stats.n_right, r->stats.n_run);
        }
        if (r->config->on_episode)
            r->config->on_episode(r->config->user, cmat_episode_task(e), row);
    }
    drop_live(r, e);
    return st;
}

/* Gives the episode its reply; keeps it when that was its last. */
static cmat_status advance(run *r, cmat_episode *e, cmat_llm_reply *reply, cmat_error *err)
{
    cmat_status st = cmat_episode_advance(e, reply, err);
    if (st != CMAT_OK) {
        drop_live(r, e);
        return st;
    }
    return cmat_episode_done(e) ? keep(r, e, err) : CMAT_OK;
}

/* Whether the store has it, and it ended by its own doing: what did not is forgotten. */
static cmat_status find_one(run *r, const cmat_task *task, int k, bool *found, cmat_error *err)
{
    const cmat_run_config *c = r->config;
    *found = false;
    if (!c->store)
        return CMAT_OK;
    cmat_status st = cmat_store_has_episode(c->store, c->phase, c->round, task->id, k, found, err);
    if (st != CMAT_OK || !*found)
        return st;
    st = cmat_store_drop_episode(c->store, c->phase, c->round, task->id, k,
                                 cmat_outcome_names[CMAT_OUTCOME_TASK_ERROR], err);
    return st != CMAT_OK
               ? st
               : cmat_store_has_episode(c->store, c->phase, c->round, task->id, k, found, err);
}

static cmat_status start_one(run *r, const cmat_task *task, int k, cmat_error *err)
{
    bool found;
    cmat_status st = find_one(r, task, k, &found, err);
    if (st != CMAT_OK)
        return st;
    if (found) {
        r->stats.n_found++;
        return CMAT_OK;
    }
    cmat_env *env = NULL;
    cmat_episode *e = NULL;
    if ((st = take_env(r, &env, err)) != CMAT_OK)
        return st;
    if ((st = cmat_episode_new(&e, &r->shared, env, task, k, err)) != CMAT_OK) {
        r->idle[r->n_idle++] = env;
        return cmat_fail_prefix(err, st, "task %s", task->id);
    }
    r->live[r->n_live++] = e;
    return advance(r, e, NULL, err);
}

static cmat_status fill(run *r, cmat_error *err)
{
    const size_t samples = r->config->opts.samples > 0 ? (size_t)r->config->opts.samples : 1;
    cmat_status st = CMAT_OK;
    while (st == CMAT_OK && r->n_live < max_live(r) && r->next < r->tasks->n * samples) {
        size_t i = r->next++;
        st = start_one(r, &r->tasks->items[i / samples], (int)(i % samples), err);
    }
    return st;
}

/* Hands out the replies that are ready. */
static cmat_status serve_replies(run *r, cmat_error *err)
{
    cmat_llm_reply replies[POLL_MAX];
    size_t n = 0;
    cmat_llm *llm = r->config->llm;
    cmat_status st = llm->ops->poll(llm, replies, POLL_MAX, &n, err);
    if (st == CMAT_OK && n == 0)
        st = cmat_fail(err, CMAT_ERR_STATE, "agent: %s has lost a request", llm->ops->name);
    for (size_t i = 0; i < n; i++) {
        if (st == CMAT_OK)
            st = advance(r, replies[i].tag, &replies[i], err);
        cmat_llm_reply_clear(&replies[i]);
    }
    return st;
}

static cmat_status run_open(run *r, cmat_error *err)
{
    cmat_status st;
    size_t n = max_live(r) + 2;
    r->envs = cmat_xcalloc(n, sizeof *r->envs);
    r->idle = cmat_xcalloc(n, sizeof *r->idle);
    r->live = cmat_xcalloc(n, sizeof *r->live);
    r->verdict = cmat_verdict_acceptor_new();
    const cmat_prompts *prompts = r->config->prompts;
    const char *env = r->config->env_ops ? r->config->env_ops->name : r->config->env;
    if (!prompts && (st = cmat_prompts_load_env(&r->prompts, NULL, env, err)) != CMAT_OK)
        return st;
    r->shared = (cmat_episode_shared){
        .opts = &r->config->opts,
        .prompts = prompts ? prompts : r->prompts,
        .llm = r->config->llm,
        .store = r->config->store,
        .verdict_constraint = r->verdict,
        .phase = r->config->phase,
        .round = r->config->round,
    };
    cmat_env *judge = NULL;
    if ((st = cmat_run_env_open(r->config, NULL, &judge, err)) != CMAT_OK)
        return st;
    /* Also the one whose world the others share. */
    r->envs[r->n_envs++] = judge;
    if (r->config->opts.judge_rejected && r->config->opts.checker != CMAT_CHECKER_OFF)
        r->shared.judge = judge;
    return CMAT_OK;
}

static void run_close(run *r)
{
    while (r->n_live > 0)
        drop_live(r, r->live[0]);
    for (size_t i = r->n_envs; i-- > 0;)
        cmat_env_close(r->envs[i]);
    cmat_acceptor_free(r->verdict);
    cmat_prompts_free(r->prompts);
    free(r->envs);
    free(r->idle);
    free(r->live);
}

cmat_status cmat_agent_run(const cmat_run_config *config, const cmat_task_list *tasks,
                           cmat_run_stats *stats, cmat_error *err)
{
    run r = {.config = config, .tasks = tasks};
    double start = cmat_now();
    r.stats.n_total = tasks->n * (size_t)(config->opts.samples > 0 ? config->opts.samples : 1);
    cmat_status st = run_open(&r, err);
    if (st == CMAT_OK && config->label)
        r.progress = cmat_progress_new(config->label, (int64_t)r.stats.n_total);
    if (st == CMAT_OK)
        st = fill(&r, err);
    while (st == CMAT_OK && r.n_live > 0) {
        if (cmat_cancelled())
            st = cmat_fail(err, CMAT_ERR_CANCELLED, "interrupted; what had ended is kept");
        else if ((st = serve_replies(&r, err)) == CMAT_OK)
            st = fill(&r, err);
    }
    if (st != CMAT_OK)
        config->llm->ops->cancel(config->llm); /* what is pending borrows from the episodes */
    cmat_progress_free(r.progress);
    run_close(&r);
    r.stats.seconds = cmat_now() - start;
    if (stats)
        *stats = r.stats;
    return st;
}
