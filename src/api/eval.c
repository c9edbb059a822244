/* eval.c - cmat_session_eval and cmat_session_evolve: tasks of an environment, played and learned
 * from. */
#include "agent/oracle.h"
#include "api/api.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "eval/evaluate.h"

#include <stdlib.h>
#include <string.h>

#define AT(m) offsetof(cmat_session_eval_options, m)
const cmat_option cmat_session_eval_option_table[] = {
    {"tasks", CMAT_OPT_STR, AT(tasks), NULL, 0, 0, NULL, "FILE",
     "tasks to run: a benchmark's own file (or folder), or JSONL of `cmat env tasks`", 0},
    {"world", CMAT_OPT_STR, AT(world), NULL, 0, 0, NULL, "FILE",
     "what the tasks are about, where ENV needs one (db: an SQLite file, kg: a graph or an "
     "endpoint); without --tasks some are "
     "made from it",
     'w'},
    {"database", CMAT_OPT_STR, AT(world), NULL, 0, 0, NULL, "FILE", "db's name for --world", 'd'},
    {"n", CMAT_OPT_INT, AT(n), "0", 0, 1e6, NULL, "N",
     "the first N tasks; 0: all (200 when they are made)", 'n'},
    {"split", CMAT_OPT_ENUM, AT(split), "heldout", 0, 0, "train|valid|heldout", NULL,
     "of tasks that are made", 0},
    {"style", CMAT_OPT_STR, AT(style), "short", 0, 0, NULL, "NAME",
     "prompt style: short, agentbench", 0},
    {"actor", CMAT_OPT_STR, AT(actor), NULL, 0, 0, NULL, "DIR",
     "the Actor's adapter; oracle: the tasks' gold actions are played, without a model", 'a'},
    {"checker-adapter", CMAT_OPT_STR, AT(checker_adapter), NULL, 0, 0, NULL, "DIR",
     "the Checker's adapter", 0},
    {"url", CMAT_OPT_STR, AT(url), NULL, 0, 0, NULL, "URL",
     "an OpenAI-compatible server instead of a local model (http://127.0.0.1:8080/v1); key in "
     "$OPENAI_API_KEY",
     0},
    {"url-model", CMAT_OPT_STR, AT(url_model), "default", 0, 0, NULL, "NAME",
     "the server's name of the model", 0},
    {"run", CMAT_OPT_STR, AT(run), NULL, 0, 0, NULL, "DIR",
     "keep episodes in DIR/store.db and go on from there when stopped (task errors are tried "
     "again); `cmat report DIR` draws them",
     'r'},
    CMAT_OPTION_TABLE(AT(agent), cmat_agent_option_table),
    {0},
};
#undef AT

static cmat_status no_env(const char *env, cmat_error *err)
{
    cmat_buf names = {0};

    for (const cmat_env_ops *const *e = cmat_envs; *e; e++)
        cmat_buf_printf(&names, "%s%s", names.len ? ", " : "", (*e)->name);
    cmat_status st = cmat_fail(err, CMAT_ERR_ARG, "there is no environment \"%s\": %s", env,
                               cmat_buf_str(&names));
    cmat_buf_clear(&names);
    return st;
}

static bool plays_gold(const cmat_session_eval_options *o)
{
    return o->actor && strcmp(o->actor, "oracle") == 0;
}

bool cmat_api_eval_needs_model(const cmat_session_eval_options *o)
{
    return !o->url && !plays_gold(o);
}

cmat_status cmat_api_check_eval(const char *env, const cmat_session_eval_options *o,
                                cmat_error *err)
{
    const cmat_env_ops *ops = cmat_env_find(env);

    if (!ops)
        return no_env(env, err);
    if (!o->tasks && !o->world && ops->world)
        return cmat_fail(err, CMAT_ERR_ARG, "--tasks FILE or --world FILE (%s) is needed",
                         ops->world);
    if (plays_gold(o) && o->url)
        return cmat_fail(err, CMAT_ERR_ARG, "--actor oracle and --url: only one can act");
    if (plays_gold(o) && o->agent.checker != CMAT_CHECKER_OFF &&
        o->agent.checker != CMAT_CHECKER_FACTS)
        return cmat_fail(err, CMAT_ERR_ARG,
                         "--actor oracle has no model for --checker %s: off or facts",
                         cmat_checker_names[o->agent.checker]);
    return CMAT_OK;
}

static cmat_status get_tasks(const char *name, const cmat_session_eval_options *o,
                             cmat_task_list *l, cmat_error *err)
{
    const cmat_env_ops *ops = cmat_env_find(name);
    cmat_env_options eo = {.path = o->world};
    cmat_env *env = NULL;
    cmat_status st;

    if (o->tasks) {
        st = cmat_env_import(ops, o->tasks, l, err);
    } else if (!ops->generate) {
        st = cmat_fail(err, CMAT_ERR_ARG, "%s makes no tasks: --tasks FILE is needed", name);
    } else {
        st = cmat_env_open(&env, name, &eo, err);
        if (st == CMAT_OK)
            st = ops->generate(env, o->split, o->n ? (size_t)o->n : 200, (uint64_t)o->agent.seed, l,
                               err);
        cmat_env_close(env);
    }
    while (st == CMAT_OK && o->n && l->n > (size_t)o->n)
        cmat_task_clear(&l->items[--l->n]);
    return st == CMAT_OK && !l->n ? cmat_fail(err, CMAT_ERR_FORMAT, "there are no tasks") : st;
}

/* Where the replies come from. */
typedef struct {
    cmat_engine *engine;
    cmat_adapter *actor, *checker;
    cmat_llm *llm;
    cmat_oracle_stuck stuck;
} source;

static cmat_status source_open(source *s, cmat_session *session, const char *env,
                               const cmat_session_eval_options *o, cmat_error *err)
{
    cmat_engine_options eo = {.n_seqs = (int)o->agent.concurrency,
                              .n_ctx = session ? (int)session->opts.n_ctx : 0};
    cmat_status st = CMAT_OK;

    if (plays_gold(o)) {
        if (!cmat_env_find(env)->oracle)
            return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "%s has no worked answers to play", env);
        s->llm = cmat_llm_oracle_new(&s->stuck);
        return CMAT_OK;
    }
    if (o->url)
        return cmat_llm_remote_new(&s->llm, o->url, o->url_model, getenv("OPENAI_API_KEY"), err);
    if (!session)
        return cmat_fail(err, CMAT_ERR_ARG, "a session, or the option url, is needed");
    if (o->actor)
        st = cmat_adapter_load(&s->actor, session->model, o->actor, err);
    if (st == CMAT_OK && o->checker_adapter)
        st = cmat_adapter_load(&s->checker, session->model, o->checker_adapter, err);
    if (st == CMAT_OK)
        st = cmat_engine_new(&s->engine, session->model, &eo, err);
    if (st == CMAT_OK)
        st = cmat_llm_local_new(&s->llm, s->engine, session->model, err);
    if (st == CMAT_OK) {
        cmat_llm_local_set_adapter(s->llm, CMAT_ROLE_ACTOR, s->actor ? s->actor : session->adapter);
        cmat_llm_local_set_adapter(s->llm, CMAT_ROLE_CHECKER, s->checker);
    }
    return st;
}

static void source_close(source *s)
{
    cmat_llm_free(s->llm);
    cmat_engine_free(s->engine);
    cmat_adapter_free(s->actor);
    cmat_adapter_free(s->checker);
}

/* What `cmat report` draws a page from. */
static cmat_status save_eval(const cmat_session *session, const char *env,
                             const cmat_session_eval_options *o, const json_t *summary,
                             cmat_error *err)
{
    char *path = cmat_path_join(o->run, "eval.json");
    const char *model = o->url ? o->url : session && !plays_gold(o) ? session->model->path : NULL;
    json_t *j = json_pack("{s:{s:s, s:s, s:s, s:o, s:{s:s}}, s:O}", "run", "command", "eval", "env",
                          env, "cmat", CMAT_VERSION, "options",
                          cmat_options_to_json(cmat_session_eval_option_table, o), "model", "path",
                          model ? model : "", "summary", summary);
    if (o->world)
        json_object_set_new(json_object_get(j, "run"), "world",
                            json_pack("{s:s}", "path", o->world));
    const cmat_status st = cmat_json_save(path, j, err);
    json_decref(j);
    free(path);
    return st;
}

static cmat_status evaluate(cmat_session *session, const char *env, cmat_session_eval_options *o,
                            json_t **summary, cmat_error *err)
{
    source s = {0};
    cmat_store *store = NULL;
    cmat_task_list tasks = {0};
    char *path = o->run ? cmat_path_join(o->run, "store.db") : cmat_xstrdup(":memory:");
    cmat_status st = o->run ? cmat_mkdir_p(o->run, err) : CMAT_OK;

    if (st == CMAT_OK && (st = get_tasks(env, o, &tasks, err)) == CMAT_OK &&
        (st = cmat_store_open(&store, path, false, err)) == CMAT_OK &&
        (st = source_open(&s, session, env, o, err)) == CMAT_OK) {
        /* Where nobody looks at facts, no dry run is worth its time. */
        o->agent.record_facts |= o->agent.checker != CMAT_CHECKER_OFF;
        cmat_run_config rc = {.env = env,
                              .env_opts = {.path = o->world, .style = o->style},
                              .llm = s.llm,
                              .store = store,
                              .phase = "eval",
                              .opts = o->agent,
                              .label = "eval"};
        st = cmat_eval_run(&rc, &tasks, summary, err);
        if (st == CMAT_OK && o->run)
            st = save_eval(session, env, o, *summary, err);
        if (s.stuck.n > 0)
            cmat_warn("%zu of %zu tasks have no gold action where one is asked for (first: %s)",
                      s.stuck.n, tasks.n, s.stuck.first);
    }
    source_close(&s);
    cmat_store_close(store);
    cmat_task_list_clear(&tasks);
    free(path);
    return st;
}

cmat_status cmat_session_eval(cmat_session *s, const char *env, const char *options, char **result,
                              cmat_error *err)
{
    cmat_session_eval_options o;
    json_t *summary = NULL;
    cmat_status st = cmat_api_options(cmat_session_eval_option_table, &o, options, err);

    if (st != CMAT_OK)
        return st;
    if ((st = cmat_api_check_eval(env, &o, err)) == CMAT_OK &&
        (st = evaluate(s, env, &o, &summary, err)) == CMAT_OK)
        cmat_api_result(summary, result);
    cmat_options_clear(cmat_session_eval_option_table, &o);
    return st;
}

#define AT(m) offsetof(cmat_evolve_options, m)
const cmat_option cmat_session_evolve_option_table[] = {
    {"world", CMAT_OPT_STR, AT(world), NULL, 0, 0, NULL, "FILE",
     "what to make an agent for, where ENV needs one (db: an SQLite file, mysql://... or "
     "postgresql://...; kg: a graph or an endpoint)",
     'w'},
    {"database", CMAT_OPT_STR, AT(world), NULL, 0, 0, NULL, "FILE", "db's name for --world", 'd'},
    {"run", CMAT_OPT_STR, AT(run_dir), NULL, 0, 0, NULL, "DIR",
     "the run folder (default: runs/WORLD's name, without a world runs/env-ENV); an unfinished run "
     "in it is gone on with",
     'r'},
    {"start", CMAT_OPT_STR, AT(start), NULL, 0, 0, NULL, "DIR",
     "the Actor starts with this adapter instead of a new one", 0},
    {"start-checker", CMAT_OPT_STR, AT(start_checker), NULL, 0, 0, NULL, "DIR",
     "the Checker starts with this adapter instead of a new one", 0},
    {"tasks", CMAT_OPT_STR, AT(tasks), NULL, 0, 0, NULL, "FILE",
     "learn from these tasks instead of made ones", 0},
    {"valid", CMAT_OPT_STR, AT(valid), NULL, 0, 0, NULL, "FILE", "choose by these", 0},
    {"heldout", CMAT_OPT_STR, AT(heldout), NULL, 0, 0, NULL, "FILE",
     "take the first and last figures on these", 0},
    CMAT_OPTION_TABLE(0, cmat_evolve_option_table),
    {0},
};

cmat_status cmat_api_check_evolve(const char *env, const cmat_evolve_options *o, cmat_error *err)
{
    const cmat_env_ops *ops = cmat_env_find(env);

    if (!ops)
        return no_env(env, err);
    if (!o->world && ops->world && !o->tasks)
        return cmat_fail(err, CMAT_ERR_ARG, "--world FILE (%s) is needed, or files of tasks",
                         ops->world);
    if (o->method.method == CMAT_TUNE_FULL)
        return cmat_fail(
            err, CMAT_ERR_ARG,
            "evolve: Actor and Checker share one base: --method full is for cmat tune");
    return o->world && strcmp(env, "db") == 0 ? cmat_api_find_world(o->world, err) : CMAT_OK;
}

static cmat_status evolve(cmat_session *s, const char *env, cmat_evolve_options *o, char **result,
                          cmat_error *err)
{
    json_t *summary = NULL;
    cmat_status st;

    o->env = env;
    if (!o->run_dir)
        o->run_dir = o->world ? cmat_api_default_run(o->world) : cmat_xasprintf("runs/env-%s", env);
    o->agent.seed = o->seed;
    st = cmat_evolve_run(o, s->model, &summary, err);
    if (st == CMAT_OK) {
        json_object_set_new(summary, "run", json_string(o->run_dir));
        cmat_api_result(summary, result);
    }
    return st;
}

cmat_status cmat_session_evolve(cmat_session *s, const char *env, const char *options,
                                char **result, cmat_error *err)
{
    cmat_evolve_options o;
    cmat_status st = cmat_api_options(cmat_session_evolve_option_table, &o, options, err);

    if (st != CMAT_OK)
        return st;
    if ((st = cmat_api_check_evolve(env, &o, err)) == CMAT_OK)
        st = evolve(s, env, &o, result, err);
    cmat_options_clear(cmat_session_evolve_option_table, &o);
    return st;
}
