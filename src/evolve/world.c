/* world.c - opens what a run needs: folder, store, engine, tasks. */
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"
#include "evolve/loop.h"

#include <stdlib.h>
#include <string.h>

/* {"path", "sha256"} of a file, {"path"} of anything else that is named, or nothing. */
static cmat_status file_identity(json_t *out, const char *key, const char *path, cmat_error *err)
{
    char sha[65];
    cmat_status st = CMAT_OK;

    if (path && (!cmat_path_exists(path) || cmat_path_is_dir(path)))
        json_object_set_new(out, key, json_pack("{s:s}", "path", path));
    else if (path && (st = cmat_sha256_file(path, sha, err)) == CMAT_OK)
        json_object_set_new(out, key, json_pack("{s:s, s:s}", "path", path, "sha256", sha));
    return st;
}

/* What must be equal for a folder to be gone on with. */
static cmat_status identity_new(const cmat_loop *l, json_t **out, cmat_error *err)
{
    const cmat_evolve_options *o = l->o;
    json_t *options = cmat_options_to_json(cmat_evolve_option_table, o);
    cmat_status st;

    json_object_del(options, "concurrency"); /* does not change results */
    *out =
        json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:s}, s:o, s:s}", "command", "evolve", "env",
                  o->env, "cmat", CMAT_VERSION, "options", options, "model", "path",
                  l->model->path ? l->model->path : "", "sha256", cmat_model_hash(l->model),
                  "prompts", cmat_prompts_identity(l->prompts), "kernel", l->model->kernel->name);
    char *start = o->start ? cmat_path_join(o->start, "adapter_model.safetensors") : NULL,
         *checker = o->start_checker ? cmat_path_join(o->start_checker, "adapter_model.safetensors")
                                     : NULL;
    if ((st = file_identity(*out, "start", start, err)) == CMAT_OK &&
        (st = file_identity(*out, "start-checker", checker, err)) == CMAT_OK &&
        (st = file_identity(*out, "world", o->world, err)) == CMAT_OK &&
        (st = file_identity(*out, "tasks", o->tasks, err)) == CMAT_OK &&
        (st = file_identity(*out, "valid", o->valid, err)) == CMAT_OK)
        st = file_identity(*out, "heldout", o->heldout, err);
    free(start);
    free(checker);
    return st;
}

/* n tasks of a split: those of an earlier start, else from the user's file, else made by the
 * environment. */
static cmat_status make_split(cmat_loop *l, cmat_env *env, int split, size_t n, const char *name,
                              const char *file, cmat_task_list *out, cmat_error *err)
{
    char *path = cmat_run_dir_path(&l->dir, "tasks-%s.jsonl", name);
    cmat_status st;

    if (cmat_path_exists(path)) {
        st = cmat_task_list_load(out, path, err);
    } else {
        st = file ? cmat_env_import(env->ops, file, out, err)
                  : env->ops->generate(env, split, n, (uint64_t)l->o->seed, out, err);
        while (st == CMAT_OK && out->n > n)
            cmat_task_clear(&out->items[--out->n]);
        if (st == CMAT_OK)
            st = cmat_task_list_save(out, path, err);
    }
    if (st == CMAT_OK && out->n < n)
        cmat_warn("%s tasks: %zu wanted, there are %zu", name, n, out->n);
    if (st == CMAT_OK && !out->n)
        st = cmat_fail(err, CMAT_ERR_UNSUPPORTED, "%s: no %s tasks could be made from it",
                       file          ? file
                       : l->o->world ? l->o->world
                                     : l->o->env,
                       name);
    free(path);
    return st;
}

/* Opens the world that tasks are made from, and looks for the files that are named: what is missing
 * is said before a run folder is made. */
static cmat_status open_world(const cmat_evolve_options *o, cmat_env **env, cmat_error *err)
{
    const cmat_env_options eo = {.path = o->world, .style = o->style, .seed = (uint64_t)o->seed};
    const char *const files[] = {o->tasks, o->valid, o->heldout};
    cmat_status st;

    *env = NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] && !cmat_path_exists(files[i]))
            return cmat_fail(err, CMAT_ERR_NOT_FOUND, "tasks %s: no such file", files[i]);
    if ((st = cmat_env_open(env, o->env, &eo, err)) != CMAT_OK)
        return st;
    if (!(o->tasks && o->valid && o->heldout) &&
        (!(*env)->ops->generate || ((*env)->ops->world && !o->world)))
        return cmat_fail(err, CMAT_ERR_ARG,
                         "%s: without %s, files of tasks, validation and held-out tasks are needed",
                         o->env, (*env)->ops->world ? (*env)->ops->world : "a generator");
    return CMAT_OK;
}

static cmat_status make_tasks(cmat_loop *l, cmat_env *env, cmat_error *err)
{
    const cmat_evolve_options *o = l->o;
    size_t n_train = (size_t)(o->first_tasks + (o->rounds - 1) * o->round_tasks);
    cmat_status st;

    if ((st = make_split(l, env, 0, n_train, "train", o->tasks, &l->train, err)) == CMAT_OK &&
        (st = make_split(l, env, 1, (size_t)o->valid_tasks, "valid", o->valid, &l->valid, err)) ==
            CMAT_OK)
        st = make_split(l, env, 2, (size_t)o->heldout_tasks, "heldout", o->heldout, &l->heldout,
                        err);
    if (st == CMAT_OK)
        cmat_info("tasks: %zu to learn from, %zu for choosing, %zu held out", l->train.n,
                  l->valid.n, l->heldout.n);
    return st;
}

cmat_status cmat_loop_open(cmat_loop *l, const cmat_evolve_options *o, cmat_model *model,
                           cmat_error *err)
{
    cmat_engine_options eo = {.n_ctx = 4096, .n_seqs = (int)o->agent.concurrency};
    json_t *identity = NULL;
    char *store = NULL;
    cmat_env *env = NULL;
    cmat_status st;

    *l = (cmat_loop){.o = o, .model = model, .dir.lock = -1};
    if (eo.n_ctx > model->config.n_ctx)
        eo.n_ctx = model->config.n_ctx;
    if ((st = open_world(o, &env, err)) != CMAT_OK ||
        (st = cmat_prompts_load(&l->prompts, NULL, err)) != CMAT_OK ||
        (st = identity_new(l, &identity, err)) != CMAT_OK ||
        (st = cmat_run_dir_open(&l->dir, o->run_dir, identity, err)) != CMAT_OK)
        goto done;
    store = cmat_run_dir_path(&l->dir, "store.db");
    if ((st = cmat_store_open(&l->store, store, false, err)) != CMAT_OK ||
        (st = make_tasks(l, env, err)) != CMAT_OK ||
        (st = cmat_model_prepare(model, CMAT_USE_DECODE | CMAT_USE_PROMPT | CMAT_USE_BACKWARD,
                                 err)) != CMAT_OK ||
        (st = cmat_engine_new(&l->engine, model, &eo, err)) != CMAT_OK)
        goto done;
    st = cmat_llm_local_new(&l->llm, l->engine, model, err);
done:
    cmat_env_close(env);
    json_decref(identity);
    free(store);
    if (st != CMAT_OK)
        cmat_loop_close(l);
    return st;
}

void cmat_loop_close(cmat_loop *l)
{
    cmat_llm_free(l->llm);
    cmat_engine_free(l->engine);
    cmat_store_close(l->store);
    cmat_prompts_free(l->prompts);
    for (int r = 0; r < CMAT_N_ROLES; r++)
        cmat_adapter_free(l->adapters[r]);
    cmat_task_list_clear(&l->train);
    cmat_task_list_clear(&l->valid);
    cmat_task_list_clear(&l->heldout);
    cmat_run_dir_close(&l->dir);
}

void cmat_loop_use(cmat_loop *l, cmat_role role, cmat_adapter *adapter)
{
    if (l->adapters[role])
        cmat_engine_forget(l->engine, l->adapters[role]);
    cmat_llm_local_set_adapter(l->llm, role, adapter);
    cmat_adapter_free(l->adapters[role]);
    l->adapters[role] = adapter;
}

cmat_run_config cmat_loop_config(const cmat_loop *l, const char *phase, int round,
                                 const char *label)
{
    return (cmat_run_config){
        .env = l->o->env,
        .env_opts = {.path = l->o->world, .style = l->o->style, .seed = (uint64_t)l->o->seed},
        .llm = l->llm,
        .store = l->store,
        .prompts = l->prompts,
        .phase = phase,
        .round = round,
        .opts = l->o->agent,
        .label = label,
    };
}
