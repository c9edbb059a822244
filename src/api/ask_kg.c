/* ask_kg.c - a question to the agent of a knowledge graph: the entities that it names become a
 * task; the calls of the episode are made once more, for their whole answer. */
#include "api/ask.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/kg/kg.h"
#include "env/kg/link.h"
#include <string.h>

cmat_status cmat_ask_kg_task(const cmat_ask_options *o, const char *world, const char *question,
                             json_t **out, cmat_error *err)
{
    kg_graph *graph = NULL;
    json_t *entities = NULL;
    cmat_status st = kg_graph_open(&graph, world, 0, err);
    *out = NULL;
    if (st == CMAT_OK)
        st = o->entities ? kg_link_named(graph, o->entities, &entities, err)
                         : kg_link(graph, question, &entities, err);
    if (st == CMAT_OK && json_object_size(entities) == 0)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND,
                       "%s: nothing that the question names is in it; write names as they stand "
                       "there, or say them with --entities",
                       world);
    if (st == CMAT_OK)
        *out = json_pack("{s:s, s:s, s:s, s:o, s:O, s:[]}", "id", "ask", "env", "kg", "kind", "ask",
                         "instruction", cmat_json_text(question, strlen(question)), "entities",
                         entities, "answer");
    json_decref(entities);
    kg_graph_unref(graph);
    return st;
}

/* The replies that were run and what they gave: [{"call", "gave"}]. */
static json_t *calls_of(const json_t *episode)
{
    json_t *calls = json_array();
    const json_t *step;
    size_t i;
    json_array_foreach(json_object_get(episode, "steps"), i, step)
    {
        const json_t *attempts = json_object_get(step, "attempts");
        const json_t *last = json_array_get(attempts, json_array_size(attempts) - 1);
        if (json_object_get(step, "observation"))
            json_array_append_new(calls,
                                  json_pack("{s:O, s:O}", "call", json_object_get(last, "reply"),
                                            "gave", json_object_get(step, "observation")));
    }
    return calls;
}

/* Makes the calls again, from the beginning. */
static cmat_status replay(const char *world, const json_t *calls, json_t *task, size_t max,
                          json_t **labels, size_t *n, cmat_error *err)
{
    const cmat_env_options eo = {.path = world};
    cmat_env *env = NULL;
    cmat_task t = {0};
    cmat_obs obs = {0};
    const json_t *call;
    size_t i;
    cmat_status st = cmat_env_open(&env, "kg", &eo, err);
    if (st == CMAT_OK)
        st = cmat_task_init(&t, task, err);
    if (st == CMAT_OK)
        st = cmat_env_reset(env, &t, &obs, err);
    json_array_foreach(calls, i, call)
    {
        cmat_obs_clear(&obs);
        if (st == CMAT_OK && !env->done)
            st = cmat_env_step(env, cmat_json_str(call, "call", ""), &obs, err);
    }
    if (st == CMAT_OK)
        st = kg_answer(env, max, labels, n, err);
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
    cmat_env_close(env);
    return st;
}

cmat_status cmat_ask_kg_result(const cmat_ask_options *o, const char *world, json_t *task,
                               json_t *episode, json_t **out, cmat_error *err)
{
    json_t *calls = calls_of(episode), *labels = NULL;
    const json_t *attempt = cmat_ask_last_attempt(episode), *label;
    cmat_buf checker = {0}, answer = {0};
    size_t n = 0, i;
    const cmat_status st = replay(world, calls, task, (size_t)o->rows, &labels, &n, err);
    json_array_foreach(labels, i, label)
        cmat_buf_printf(&answer, "%s%s", i ? "; " : "", json_string_value(label));
    if (n > json_array_size(labels))
        cmat_buf_printf(&answer, "; ... (%zu)", n);
    if (st == CMAT_OK)
        *out = json_pack("{s:O, s:O, s:s, s:O, s:I, s:s, s:s?, s:O}", "entities",
                         json_object_get(task, "entities"), "calls", calls, "checker",
                         cmat_ask_checker(attempt, &checker), "answers", labels, "n", (json_int_t)n,
                         "answer", cmat_buf_str(&answer), "reply",
                         cmat_json_str(attempt, "reply", NULL), "episode", episode);
    cmat_buf_clear(&checker);
    cmat_buf_clear(&answer);
    json_decref(calls);
    json_decref(labels);
    return st;
}
