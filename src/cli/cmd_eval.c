/* cmd_eval.c - `cmat eval`: a benchmark run and its figures. */
#include "cli/commands.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "eval/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cli_common common;
    char *database, *tasks, *model, *actor, *checker_adapter, *run, *url, *url_model, *out,
        *compare, *style;
    int64_t n;
    int split;
    cmat_agent_options agent;
} eval_opts;

#define AT(m) offsetof(eval_opts, m)
static const cmat_option options[] = {
    {"tasks", CMAT_OPT_STR, AT(tasks), NULL, 0, 0, NULL, "FILE",
     "tasks to run: AgentBench's dbbench format, or JSONL of `cmat env tasks`", 0},
    {"database", CMAT_OPT_STR, AT(database), NULL, 0, 0, NULL, "FILE",
     "the SQLite file that the tasks are about; without --tasks some are made from it", 'd'},
    {"n", CMAT_OPT_INT, AT(n), "0", 0, 1e6, NULL, "N",
     "the first N tasks; 0: all (200 when they are made)", 'n'},
    {"split", CMAT_OPT_ENUM, AT(split), "heldout", 0, 0, "train|valid|heldout", NULL,
     "of tasks that are made", 0},
    {"style", CMAT_OPT_STR, AT(style), "short", 0, 0, NULL, "NAME",
     "prompt style: short, agentbench", 0},
    {"model", CMAT_OPT_STR, AT(model), NULL, 0, 0, NULL, "FILE", "model file or name", 'm'},
    {"actor", CMAT_OPT_STR, AT(actor), NULL, 0, 0, NULL, "DIR", "the Actor's adapter", 'a'},
    {"checker-adapter", CMAT_OPT_STR, AT(checker_adapter), NULL, 0, 0, NULL, "DIR",
     "the Checker's adapter", 0},
    {"url", CMAT_OPT_STR, AT(url), NULL, 0, 0, NULL, "URL",
     "an OpenAI-compatible server instead of a local model (http://127.0.0.1:8080/v1); key in "
     "$OPENAI_API_KEY",
     0},
    {"url-model", CMAT_OPT_STR, AT(url_model), "default", 0, 0, NULL, "NAME",
     "the server's name of the model", 0},
    {"run", CMAT_OPT_STR, AT(run), NULL, 0, 0, NULL, "DIR",
     "keep episodes in DIR/store.db and go on from there when stopped", 'r'},
    {"out", CMAT_OPT_STR, AT(out), NULL, 0, 0, NULL, "FILE", "write the summary as JSON", 'o'},
    {"compare", CMAT_OPT_STR, AT(compare), NULL, 0, 0, NULL, "FILE",
     "a summary of another run over the same tasks, to compare with", 0},
    CMAT_AGENT_OPTION_ROWS(eval_opts, agent),
    CLI_COMMON_OPTIONS(eval_opts),
    {0},
};

static cmat_status get_tasks(const eval_opts *o, cmat_task_list *l, cmat_error *err)
{
    const cmat_env_ops *ops = cmat_env_find("db");
    cmat_env_options eo = {.path = o->database};
    cmat_env *env = NULL;
    cmat_status st;

    if (o->tasks) {
        st = ops->import(o->tasks, l, err);
    } else if (!o->database) {
        return cmat_fail(err, CMAT_ERR_ARG, "--tasks FILE or --database FILE is needed");
    } else {
        st = cmat_env_open(&env, "db", &eo, err);
        if (st == CMAT_OK)
            st = ops->generate(env, o->split, o->n ? (size_t)o->n : 200, (uint64_t)o->agent.seed, l,
                               err);
        cmat_env_close(env);
    }
    while (st == CMAT_OK && o->n && l->n > (size_t)o->n)
        cmat_task_clear(&l->items[--l->n]);
    return st == CMAT_OK && !l->n ? cmat_fail(err, CMAT_ERR_FORMAT, "there are no tasks") : st;
}

typedef struct {
    cli_model m;
    cmat_adapter *checker;
    cmat_llm *llm;
} source;

static cmat_status source_open(source *s, const eval_opts *o, cmat_error *err)
{
    cmat_engine_options eo = {.n_seqs = (int)o->agent.concurrency, .n_ctx = 4096};
    cmat_status st;

    if (o->url)
        return cmat_llm_remote_new(&s->llm, o->url, o->url_model, getenv("OPENAI_API_KEY"), err);
    st = cli_model_open(&s->m, o->model, o->actor, &eo, err);
    if (st == CMAT_OK && o->checker_adapter)
        st = cmat_adapter_load(&s->checker, s->m.model, o->checker_adapter, err);
    if (st == CMAT_OK)
        st = cmat_llm_local_new(&s->llm, s->m.engine, s->m.model, err);
    if (st == CMAT_OK) {
        cmat_llm_local_set_adapter(s->llm, CMAT_ROLE_ACTOR, s->m.adapter);
        cmat_llm_local_set_adapter(s->llm, CMAT_ROLE_CHECKER, s->checker);
    }
    return st;
}

static void source_close(source *s)
{
    cmat_llm_free(s->llm);
    cmat_engine_free(s->m.engine);
    s->m.engine = NULL;
    cmat_adapter_free(s->checker);
    cli_model_close(&s->m);
}

static cmat_status report(const eval_opts *o, const json_t *summary, cmat_error *err)
{
    json_t *other = NULL, *comparison = NULL;
    cmat_buf b = {0};
    cmat_status st = CMAT_OK;

    if (o->out)
        st = cmat_json_save(o->out, summary, err);
    if (st == CMAT_OK && o->compare) {
        other = cmat_json_load(o->compare, err);
        st = other ? cmat_eval_compare(other, summary, &comparison, err) : CMAT_ERR_FORMAT;
    }
    if (st == CMAT_OK && o->common.json) {
        json_t *j = json_pack("{s:O, s:O?}", "summary", summary, "comparison", comparison);
        cli_print_json(j);
        json_decref(j);
    } else if (st == CMAT_OK) {
        cmat_eval_table(summary, &b);
        if (comparison)
            cmat_eval_table_compare(comparison, cmat_path_base(o->compare), "this run", &b);
        fputs(cmat_buf_str(&b), stdout);
    }
    cmat_buf_clear(&b);
    json_decref(other);
    json_decref(comparison);
    return st;
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    eval_opts *o = vopts;
    source s = {0};
    cmat_store *store = NULL;
    cmat_task_list tasks = {0};
    json_t *summary = NULL;
    char *path = NULL;
    cmat_status st;

    (void)n_args;
    if (strcmp(args[0], "db") != 0)
        return cmat_fail(err, CMAT_ERR_ARG, "there is no environment \"%s\" to evaluate in: db is",
                         args[0]);
    if (o->run && (st = cmat_mkdir_p(o->run, err)) != CMAT_OK)
        return st;
    path = o->run ? cmat_path_join(o->run, "store.db") : cmat_xstrdup(":memory:");
    if ((st = get_tasks(o, &tasks, err)) != CMAT_OK ||
        (st = cmat_store_open(&store, path, false, err)) != CMAT_OK ||
        (st = source_open(&s, o, err)) != CMAT_OK)
        goto done;
    o->agent.record_facts = true;
    cmat_run_config rc = {.env = "db",
                          .env_opts = {.path = o->database, .style = o->style},
                          .llm = s.llm,
                          .store = store,
                          .phase = "eval",
                          .opts = o->agent,
                          .label = "eval"};
    st = cmat_eval_run(&rc, &tasks, &summary, err);
    if (st == CMAT_OK)
        st = report(o, summary, err);
done:
    json_decref(summary);
    source_close(&s);
    cmat_store_close(store);
    cmat_task_list_clear(&tasks);
    free(path);
    return st;
}

const cli_command cli_eval = {
    .name = "eval",
    .summary = "run tasks and report success with intervals, by kind, errors, costs",
    .usage = "db [--tasks FILE] [--database FILE] [options]",
    .text =
        "Plays each task once (or --samples times) and prints success with its 95 % interval, by "
        "kind of task,\n"
        "outcomes, error kinds, costs, and what the Checker was worth. AgentBench's dbbench files "
        "are read as they\n"
        "are, with MySQL's habits emulated, and scored by its rules.\n\n"
        "Examples:\n"
        "  cmat eval db --database examples/shop.sqlite --actor runs/shop/adapters/actor\n"
        "  cmat eval db --tasks dev.jsonl --style agentbench --checker off --out base.json\n"
        "  cmat eval db --tasks dev.jsonl --actor runs/wiki/adapters/actor --compare base.json\n"
        "  cmat eval db --tasks dev.jsonl --url http://127.0.0.1:8080/v1",
    .options = options,
    .opts_size = sizeof(eval_opts),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
