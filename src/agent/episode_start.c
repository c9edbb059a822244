/* agent/episode_start.c - an episode's beginning: the head of its record, the first turns. */
#include "agent/episode_impl.h"
#include "core/cancel.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "memory/lesson.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *cmat_task_schema(const cmat_task *task, const char *world)
{
    cmat_buf b = {0};
    const json_t *table = json_object_get(task->json, "table");
    const char *names[] = {cmat_json_str(task->json, "schema", NULL),
                           cmat_json_str(table, "table_name", NULL),
                           world ? cmat_path_base(world) : NULL};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i])
            cmat_buf_printf(&b, "%s%s", b.len ? " " : "", names[i]);
    size_t i;
    const json_t *column;
    json_array_foreach(json_object_get(json_object_get(table, "table_info"), "columns"), i, column)
        cmat_buf_printf(&b, " %s", cmat_json_str(column, "name", ""));
    cmat_buf_puts(&b, "");
    return cmat_buf_detach(&b);
}

/* Appends the entries that were found for this task, and remembers their ids. */
static cmat_status add_lessons(cmat_episode *e, cmat_buf *out, cmat_error *err)
{
    const cmat_agent_options *o = e->shared->opts;
    if (!o->lessons || !e->shared->store || o->n_lessons <= 0)
        return CMAT_OK;
    cmat_lesson_list found = {0};
    const char *schema = cmat_json_str(e->json, "schema", "");
    /* An entry made from this very task would tell its answer. */
    cmat_status st = cmat_store_search_lessons(e->shared->store, e->task.instruction, schema, NULL,
                                               true, (size_t)o->n_lessons, &found, err);
    e->lessons = cmat_xcalloc(found.n + 1, sizeof *e->lessons);
    for (size_t i = 0; i < found.n; i++) {
        const cmat_lesson *l = &found.items[i];
        const bool example = strcmp(l->kind, "example") == 0;
        cmat_buf of = {0}, lesson = {0};
        cmat_prompt_add_data(&of, l->task, strlen(l->task));
        cmat_prompt_add_data(&lesson, l->lesson, strlen(l->lesson));
        const cmat_prompt_var vars[] = {
            {"task", cmat_buf_str(&of)}, {"lesson", cmat_buf_str(&lesson)}, {0}};
        cmat_prompt_render(e->shared->prompts, example ? CMAT_PROMPT_EXAMPLE : CMAT_PROMPT_LESSON,
                           vars, out);
        e->lessons[e->n_lessons++] = l->id;
        cmat_buf_clear(&of);
        cmat_buf_clear(&lesson);
    }
    cmat_lesson_list_clear(&found);
    return st;
}

/* A long text that many episodes share goes into the store once, else into the record ("..._text").
 */
static cmat_status record_text(cmat_episode *e, const char *key, const char *text, cmat_error *err)
{
    char member[40], name[17];
    if (!e->shared->store) {
        snprintf(member, sizeof member, "%s_text", key);
        json_object_set_new(e->json, member, cmat_json_text(text, strlen(text)));
        return CMAT_OK;
    }
    cmat_status st = cmat_store_put_text(e->shared->store, text, name, err);
    if (st == CMAT_OK)
        json_object_set_new(e->json, key, json_string(name));
    return st;
}

static cmat_status first_turns(cmat_episode *e, const cmat_obs *obs, cmat_error *err)
{
    const cmat_prompts *prompts = e->shared->prompts;
    cmat_buf rules = {0}, environment = {0}, start = {0}, system = {0}, memory = {0}, task = {0};
    if (e->env->ops->prompt)
        e->env->ops->prompt(e->env, &rules);
    /* Both hold names and rows of the world, which are no more to be trusted than an observation.
     */
    cmat_prompt_add_data(&environment, cmat_buf_str(&rules), rules.len);
    cmat_prompt_add_data(&start, cmat_buf_str(&obs->text), obs->text.len);
    const cmat_prompt_var system_vars[] = {{"environment", cmat_buf_str(&environment)}, {0}};
    cmat_prompt_render(prompts, CMAT_PROMPT_ACTOR_SYSTEM, system_vars, &system);
    cmat_trajectory_add(&e->trajectory, CMAT_TURN_SYSTEM, cmat_buf_str(&system));
    cmat_prompt_render(prompts, CMAT_PROMPT_CHECKER_SYSTEM, system_vars, &e->checker_system);

    cmat_status st = add_lessons(e, &memory, err);
    const cmat_prompt_var task_vars[] = {
        {"memory", cmat_buf_str(&memory)}, {"task", cmat_buf_str(&start)}, {0}};
    cmat_prompt_render(prompts, CMAT_PROMPT_ACTOR_TASK, task_vars, &task);
    cmat_trajectory_add(&e->trajectory, CMAT_TURN_TASK, cmat_buf_str(&task));

    if (st == CMAT_OK)
        st = record_text(e, "system", cmat_buf_str(&system), err);
    if (st == CMAT_OK)
        st = record_text(e, "checker_system", cmat_buf_str(&e->checker_system), err);
    json_object_set_new(e->json, "start", cmat_json_text(cmat_buf_str(&task), task.len));
    cmat_buf_clear(&rules);
    cmat_buf_clear(&environment);
    cmat_buf_clear(&start);
    cmat_buf_clear(&system);
    cmat_buf_clear(&memory);
    cmat_buf_clear(&task);
    return st;
}

/* The head of the record. A task's own table is left out: the tasks' file has it. */
static void record_head(cmat_episode *e)
{
    static const char *const kept[] = {"id",     "kind",       "instruction", "gold",
                                       "answer", "answer_md5", "type"};
    json_t *task = json_object();
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (json_object_get(e->task.json, kept[i]))
            json_object_set(task, kept[i], json_object_get(e->task.json, kept[i]));
    json_object_set_new(e->json, "task", task);
    char *schema = cmat_task_schema(&e->task, e->env->opts.path);
    json_object_set_new(e->json, "schema", cmat_json_text(schema, strlen(schema)));
    free(schema);
    json_object_set_new(e->json, "steps", json_array());
    json_object_set_new(e->json, "temperature", json_real(e->temperature));
    if (e->trajectory.raw)
        json_object_set_new(e->json, "raw_observations", json_true());
    if (e->trajectory.passing)
        json_object_set_new(e->json, "passing", json_string(e->trajectory.passing));
}

cmat_status cmat_episode_new(cmat_episode **out, const cmat_episode_shared *shared, cmat_env *env,
                             const cmat_task *task, int k, cmat_error *err)
{
    *out = NULL;
    cmat_episode *e = cmat_xcalloc(1, sizeof *e);
    cmat_obs obs = {0};
    cmat_status st = cmat_task_init(&e->task, task->json, err);
    e->shared = shared;
    e->env = env;
    e->k = k;
    e->start = cmat_now();
    e->json = json_object();
    e->temperature = k == 0 ? 0 : shared->opts->temperature;
    e->trajectory.raw = env->opts.style && strcmp(env->opts.style, "agentbench") == 0;
    if (st == CMAT_OK)
        st = cmat_env_reset(env, &e->task, &obs, err);
    if (st != CMAT_OK)
        goto done;
    if (env->ops->passing && strstr(cmat_buf_str(&obs.text), env->ops->passing))
        e->trajectory.passing = env->ops->passing;
    cmat_rng_init_sub(&e->rng, (uint64_t)shared->opts->seed,
                      cmat_fnv1a(e->task.id, strlen(e->task.id)) +
                          0x9e3779b97f4a7c15u * (uint64_t)k);
    record_head(e);
    st = first_turns(e, &obs, err);
done:
    cmat_obs_clear(&obs);
    if (st == CMAT_OK)
        *out = e;
    else
        cmat_episode_free(e);
    return st;
}
