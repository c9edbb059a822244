/* ask.c - cmat_session_ask: one question to the agent of a database or of a knowledge graph. */
#include "api/ask.h"
#include "agent/scheduler.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "env/db/db.h"
#include "env/kg/graph.h"

#include <stdlib.h>
#include <string.h>

#define AT(m) offsetof(cmat_ask_options, m)
const cmat_option cmat_ask_option_table[] = {
    {"run", CMAT_OPT_STR, AT(run), NULL, 0, 0, NULL, "DIR",
     "the run whose adapters act (default: runs/ and the world's name)", 'r'},
    {"untuned", CMAT_OPT_BOOL, AT(untuned), NULL, 0, 0, NULL, NULL, "leave the adapters out", 0},
    {"rows", CMAT_OPT_INT, AT(rows), "20", 1, 1000, NULL, "N", "rows or answers shown", 'n'},
    {"entities", CMAT_OPT_STR, AT(entities), NULL, 0, 0, NULL, "LIST",
     "of a graph: what the question is about, ';' between them (default: what it names)", 0},
    {"checker", CMAT_OPT_STR, AT(checker), NULL, 0, 0, NULL, "MODE",
     "off, facts, model or both (default: what did best in the run)", 0},
    {0},
};

static void keep_episode(void *user, const cmat_task *task, const cmat_episode_row *row)
{
    (void)task;
    *(json_t **)user = json_deep_copy(row->json);
}

const json_t *cmat_ask_last_attempt(const json_t *episode)
{
    const json_t *steps = json_object_get(episode, "steps");
    const json_t *step = json_array_get(steps, json_array_size(steps) - 1);
    const json_t *attempts = json_object_get(step, "attempts");
    return json_array_get(attempts, json_array_size(attempts) - 1);
}

const char *cmat_ask_checker(const json_t *attempt, cmat_buf *b)
{
    const json_t *facts = json_object_get(attempt, "facts"),
                 *checker = json_object_get(attempt, "checker");
    const char *text = cmat_json_str(facts, "text", ""),
               *reply = cmat_json_str(checker, "reply", NULL);

    if (reply)
        cmat_buf_printf(b, "%s", reply);
    if (*text)
        cmat_buf_printf(b, "%s%s", b->len ? "; " : "", text);
    for (size_t i = 0; i < b->len; i++)
        if (b->data[i] == '\n')
            b->data[i] = i + 1 < b->len ? ';' : ' ';
    return b->len ? b->data : "off";
}

/* Loads the adapters that the run shipped; without a run the base acts, and says so. */
static cmat_status load_roles(const cmat_ask_options *o, const char *run, cmat_model *m,
                              cmat_adapter **actor, cmat_adapter **checker, cmat_error *err)
{
    char *actor_dir = cmat_path_join(run, "adapters/actor"),
         *checker_dir = cmat_path_join(run, "adapters/checker");
    cmat_status st = CMAT_OK;

    if (o->untuned)
        ;
    else if (!cmat_path_is_dir(actor_dir))
        cmat_warn("no tuned agent under %s: the untuned model answers (`cmat evolve` makes one)",
                  run);
    else {
        st = cmat_adapter_load(actor, m, actor_dir, err);
        if (st == CMAT_OK && cmat_path_is_dir(checker_dir))
            st = cmat_adapter_load(checker, m, checker_dir, err);
    }
    free(actor_dir);
    free(checker_dir);
    return st;
}

/* How the run's agent acts: its agent.json, where there is one, then what this call says. */
static cmat_status load_agent(const cmat_ask_options *o, const char *run, cmat_agent_options *agent,
                              cmat_error *err)
{
    char *path = cmat_path_join(run, "agent.json");
    json_t *j = NULL;
    cmat_status st = cmat_options_init(cmat_agent_option_table, agent, err);

    if (st == CMAT_OK && !o->untuned && cmat_path_exists(path)) {
        j = cmat_json_load(path, err);
        st = j ? cmat_options_from_json(cmat_agent_option_table, agent, j, path, err)
               : CMAT_ERR_FORMAT;
    }
    if (st == CMAT_OK && o->checker)
        st = cmat_options_set(cmat_agent_option_table, agent, "checker", o->checker, "--", err);
    agent->samples = 1;
    agent->record_facts = true;
    json_decref(j);
    free(path);
    return st;
}

static cmat_status run_episode(cmat_llm *llm, const cmat_agent_options *agent, const char *env,
                               const char *world, json_t *description, json_t **episode,
                               cmat_error *err)
{
    cmat_task_list tasks = {0};
    cmat_task task = {0};
    cmat_run_config rc = {.env = env,
                          .env_opts = {.path = world},
                          .llm = llm,
                          .phase = "ask",
                          .opts = *agent,
                          .on_episode = keep_episode,
                          .user = episode};
    cmat_status st = cmat_task_init(&task, description, err);

    if (st != CMAT_OK)
        return st;
    cmat_task_list_add(&tasks, task);
    st = cmat_agent_run(&rc, &tasks, NULL, err);
    if (st == CMAT_OK && !*episode)
        st = cmat_fail(err, CMAT_ERR_STATE, "the episode gave no result");
    cmat_task_list_clear(&tasks);
    return st;
}

static cmat_status ask(cmat_session *s, const cmat_ask_options *o, const char *world,
                       const char *question, char **result, cmat_error *err)
{
    const bool db = db_is_url(world) || !kg_is_graph(world);
    const char *env = db ? "db" : "kg";
    char *run = o->run ? cmat_xstrdup(o->run) : cmat_api_default_run(world);
    cmat_engine_options eo = {.n_seqs = 4, .n_ctx = (int)s->opts.n_ctx};
    cmat_adapter *actor = NULL, *checker = NULL;
    cmat_engine *engine = NULL;
    cmat_llm *llm = NULL;
    cmat_agent_options agent;
    json_t *task = NULL, *episode = NULL, *answer = NULL;
    cmat_status st = CMAT_OK;

    if (db)
        task = json_pack("{s:s, s:s, s:s, s:o}", "id", "ask", "env", env, "kind", "ask",
                         "instruction", cmat_json_text(question, strlen(question)));
    else
        st = cmat_ask_kg_task(o, world, question, &task, err);
    if (st != CMAT_OK || (st = load_agent(o, run, &agent, err)) != CMAT_OK ||
        (st = load_roles(o, run, s->model, &actor, &checker, err)) != CMAT_OK ||
        (st = cmat_engine_new(&engine, s->model, &eo, err)) != CMAT_OK ||
        (st = cmat_llm_local_new(&llm, engine, s->model, err)) != CMAT_OK)
        goto done;
    cmat_llm_local_set_adapter(llm, CMAT_ROLE_ACTOR, actor ? actor : s->adapter);
    cmat_llm_local_set_adapter(llm, CMAT_ROLE_CHECKER, checker);
    if ((st = run_episode(llm, &agent, env, world, task, &episode, err)) == CMAT_OK)
        st = db ? cmat_ask_db_result(o, world, episode, &answer, err)
                : cmat_ask_kg_result(o, world, task, episode, &answer, err);
    if (st == CMAT_OK)
        cmat_api_result(answer, result);
done:
    json_decref(task);
    json_decref(episode);
    cmat_llm_free(llm);
    cmat_engine_free(engine);
    cmat_adapter_free(actor);
    cmat_adapter_free(checker);
    free(run);
    return st;
}

cmat_status cmat_session_ask(cmat_session *s, const char *world, const char *question,
                             const char *options, char **result, cmat_error *err)
{
    cmat_ask_options o;
    cmat_status st;

    if ((st = cmat_api_find_world(world, err)) != CMAT_OK)
        return st;
    if ((st = cmat_api_options(cmat_ask_option_table, &o, options, err)) != CMAT_OK)
        return st;
    st = ask(s, &o, world, question, result, err);
    cmat_options_clear(cmat_ask_option_table, &o);
    return st;
}

cmat_status cmat_database_apply(const char *database, const char *sql,
                                bool (*confirm)(void *user, const char *sql, int64_t changed),
                                void *user, int64_t *changed, cmat_error *err)
{
    db_apply_options o = {.confirm = confirm, .user = user};
    int64_t n = 0;
    cmat_status st = CMAT_OK;

    if (db_is_url(database))
        st = cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                       "%s: a server's data is only read: run the statement there yourself",
                       database);
    else
        st = db_apply(database, sql, &o, &n, err);
    if (changed)
        *changed = n;
    return st;
}
