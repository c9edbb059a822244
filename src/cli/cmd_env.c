/* cmd_env.c - `cmat env`: lists environments, makes example databases, makes tasks, lets a person
 * play. */
#include "agent/harvest.h"
#include "cli/commands.h"
#include "cli/env_play.h"
#include "cli/env_serve.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/db/domains.h"
#include "env/db/shop.h"
#include "env/db/wiki.h"
#include "env/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    cli_common common;
    const char *env; /* its name: the second word of the command */
    char *world, *out, *tasks, *style, *questions, *tables, *checker_rows;
    int64_t n, seed, n_ask, n_insert, n_update, part, n_parts, slips, lessons, port;
    int split;
    bool rows;
} env_opts;

static const cmat_option options[] = {
    {"world", CMAT_OPT_STR, offsetof(env_opts, world), NULL, 0, 0, NULL, "FILE",
     "what ENV acts in, where it needs one (show, tasks, play): db: an SQLite file or a server's "
     "database, mysql://... or postgresql://...; kg: a graph or "
     "an endpoint",
     'w'},
    {"database", CMAT_OPT_STR, offsetof(env_opts, world), NULL, 0, 0, NULL, "FILE",
     "db's name for --world", 'd'},
    {"tasks", CMAT_OPT_STR, offsetof(env_opts, tasks), NULL, 0, 0, NULL, "FILE",
     "take tasks of this file or folder (JSONL, or a benchmark's own format)", 0},
    {"out", CMAT_OPT_STR, offsetof(env_opts, out), NULL, 0, 0, NULL, "FILE",
     "where to write (make, tasks)", 'o'},
    {"questions", CMAT_OPT_STR, offsetof(env_opts, questions), NULL, 0, 0, NULL, "FILE",
     "WikiSQL questions (unpacked .jsonl) to make tasks with tables of their own from: -n selects, "
     "and below",
     0},
    {"tables", CMAT_OPT_STR, offsetof(env_opts, tables), NULL, 0, 0, NULL, "FILE",
     "the tables of --questions", 0},
    {"asks", CMAT_OPT_INT, offsetof(env_opts, n_ask), "0", 0, 1e6, NULL, "N",
     "questions made from --tables alone", 0},
    {"inserts", CMAT_OPT_INT, offsetof(env_opts, n_insert), "0", 0, 1e6, NULL, "N",
     "rows to add, from --tables", 0},
    {"updates", CMAT_OPT_INT, offsetof(env_opts, n_update), "0", 0, 1e6, NULL, "N",
     "changes, from --tables", 0},
    {"n", CMAT_OPT_INT, offsetof(env_opts, n), "20", 0, 1e6, NULL, "N", "tasks to make", 'n'},
    {"part", CMAT_OPT_INT, offsetof(env_opts, part), "0", 0, 1e6, NULL, "K",
     "with --parts: which part of the tables, from 0 on", 0},
    {"parts", CMAT_OPT_INT, offsetof(env_opts, n_parts), "1", 1, 1e6, NULL, "N",
     "cut --tables into so many parts, for as many processes", 0},
    {"split", CMAT_OPT_ENUM, offsetof(env_opts, split), "train", 0, 0, "train|valid|heldout", NULL,
     "tasks of one split never occur in another", 0},
    {"rows", CMAT_OPT_BOOL, offsetof(env_opts, rows), NULL, 0, 0, NULL, NULL,
     "instead of tasks write worked conversations, as `cmat tune` reads them", 0},
    {"slips", CMAT_OPT_INT, offsetof(env_opts, slips), "0", 0, 100, NULL, "PERCENT",
     "of the tasks that also give rows with a wrong first action, sent back with the reason", 0},
    {"lessons", CMAT_OPT_INT, offsetof(env_opts, lessons), "0", 0, 100, NULL, "PERCENT",
     "of the rows that show lessons and examples from other tasks", 0},
    {"checker-rows", CMAT_OPT_STR, offsetof(env_opts, checker_rows), NULL, 0, 0, NULL, "FILE",
     "where rows for the Checker go: right actions and slips, with its verdict", 0},
    {"port", CMAT_OPT_INT, offsetof(env_opts, port), "0", 0, 65535, NULL, "N",
     "with serve: of 127.0.0.1; 0 takes a free one", 0},
    {"style", CMAT_OPT_STR, offsetof(env_opts, style), "short", 0, 0, NULL, "NAME",
     "prompt style: short, agentbench", 0},
    {"seed", CMAT_OPT_INT, offsetof(env_opts, seed), "1", 0, 9e15, NULL, "N",
     "of everything random", 0},
    CLI_COMMON_OPTIONS(env_opts),
    {0},
};

static cmat_status list(const env_opts *o, cmat_error *err)
{
    json_t *j = json_array();
    (void)err;
    for (const cmat_env_ops *const *e = cmat_envs; *e; e++) {
        if (o->common.json)
            json_array_append_new(j,
                                  json_pack("{s:s, s:s, s:b, s:b}", "name", (*e)->name, "summary",
                                            (*e)->summary, "makes_tasks", (*e)->generate != NULL,
                                            "imports", (*e)->import != NULL));
        else
            printf("%-8s %s\n", (*e)->name, (*e)->summary);
    }
    if (o->common.json)
        cli_print_json(j);
    json_decref(j);
    return CMAT_OK;
}

/* Example worlds, by name: `cmat env make NAME`. */
static const struct {
    const char *name;
    cmat_status (*make)(const char *path, uint64_t seed, cmat_error *err);
} examples[] = {{"shop-db", db_shop_make}, {"practice-db", db_domain_make}};

static cmat_status make_example(const env_opts *o, const char *name, cmat_error *err)
{
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        if (strcmp(examples[i].name, name) != 0)
            continue;
        if (!o->out)
            return cmat_fail(err, CMAT_ERR_ARG, "--out FILE says where the database goes");
        if (cmat_path_exists(o->out))
            return cmat_fail(err, CMAT_ERR_STATE,
                             "%s exists already; remove it first or name another", o->out);
        return examples[i].make(o->out, (uint64_t)o->seed, err);
    }
    return cmat_fail(err, CMAT_ERR_ARG, "make what? shop-db or practice-db");
}

static cmat_status make(const env_opts *o, cmat_error *err)
{
    return make_example(o, o->env, err);
}

/* Their former names: "shop" is an environment too. */
static cmat_status make_shop(const env_opts *o, cmat_error *err)
{
    return make_example(o, "shop-db", err);
}

static cmat_status make_domain(const env_opts *o, cmat_error *err)
{
    return make_example(o, "practice-db", err);
}

static cmat_status open_env(const env_opts *o, cmat_env **env, cmat_error *err)
{
    cmat_env_options eo = {.path = o->world, .style = o->style, .seed = (uint64_t)o->seed};
    return cmat_env_open(env, o->env, &eo, err);
}

static cmat_status get_wiki_tasks(const env_opts *o, cmat_task_list *l, cmat_error *err)
{
    const db_wiki_options wo = {.n_select = (size_t)o->n,
                                .n_ask = (size_t)o->n_ask,
                                .n_insert = (size_t)o->n_insert,
                                .n_update = (size_t)o->n_update,
                                .seed = (uint64_t)o->seed,
                                .split = o->split,
                                .part = (int)o->part,
                                .n_parts = (int)o->n_parts};
    if (o->part >= o->n_parts)
        return cmat_fail(err, CMAT_ERR_ARG, "--part goes from 0 to %d of %d parts",
                         (int)o->n_parts - 1, (int)o->n_parts);
    return db_wiki_tasks(o->questions, o->tables, &wo, l, err);
}

static cmat_status get_tasks(const env_opts *o, cmat_env *env, cmat_task_list *l, cmat_error *err)
{
    if (o->tasks)
        return cmat_env_import(env->ops, o->tasks, l, err);
    if (o->questions && o->tables)
        return get_wiki_tasks(o, l, err);
    if (!o->world && env->ops->world)
        return cmat_fail(err, CMAT_ERR_ARG, "--world FILE (%s) or --tasks FILE is needed",
                         env->ops->world);
    if (!env->ops->generate)
        return cmat_fail(err, CMAT_ERR_ARG, "%s makes no tasks: --tasks FILE is needed", o->env);
    return env->ops->generate(env, o->split, (size_t)o->n, (uint64_t)o->seed, l, err);
}

/* The tasks, each with its worked answer, as the conversations that an Actor would have had. */
static cmat_status save_rows(const env_opts *o, const cmat_task_list *l, cmat_error *err)
{
    cmat_run_config rc = {.env = o->env, .env_opts = {.path = o->world, .style = o->style}};
    cmat_harvest_options ho = CMAT_HARVEST_OPTIONS_DEFAULT;
    cmat_dataset rows = {0}, verdicts = {0};
    cmat_status st;

    ho.slips = (int)o->slips;
    ho.lessons = (int)o->lessons;
    ho.seed = (uint64_t)o->seed;
    if (!o->out)
        return cmat_fail(err, CMAT_ERR_ARG, "--out FILE says where the rows go");
    if ((st = cmat_options_init(cmat_agent_option_table, &rc.opts, err)) != CMAT_OK)
        return st;
    st = cmat_harvest_gold(&rc, l, NULL, NULL, -1, &ho, &rows, o->checker_rows ? &verdicts : NULL,
                           NULL, err);
    if (st == CMAT_OK)
        st = cmat_dataset_save(&rows, o->out, err);
    if (st == CMAT_OK && o->checker_rows)
        st = cmat_dataset_save(&verdicts, o->checker_rows, err);
    cmat_dataset_clear(&rows);
    cmat_dataset_clear(&verdicts);
    return st;
}

static cmat_status make_tasks(const env_opts *o, cmat_error *err)
{
    cmat_env *env;
    cmat_task_list l = {0};
    cmat_status st = open_env(o, &env, err);

    if (st != CMAT_OK)
        return st;
    st = get_tasks(o, env, &l, err);
    if (st == CMAT_OK && o->rows)
        st = save_rows(o, &l, err);
    else if (st == CMAT_OK && o->out)
        st = cmat_task_list_save(&l, o->out, err);
    for (size_t i = 0; st == CMAT_OK && !o->out && i < l.n; i++) {
        if (o->common.json)
            json_dumpf(l.items[i].json, stdout, JSON_COMPACT | JSON_SORT_KEYS);
        else
            printf("%-20s %s", l.items[i].kind, l.items[i].instruction);
        putchar('\n');
    }
    cmat_task_list_clear(&l);
    cmat_env_close(env);
    return st;
}

/* What an environment is: its rules in the chosen style, and what it can do. */
static cmat_status show(const env_opts *o, cmat_error *err)
{
    cmat_env *env = NULL;
    cmat_buf prompt = {0};
    char hash[65] = "";
    cmat_task_list l = {0};
    cmat_status st = open_env(o, &env, err);

    if (st != CMAT_OK)
        return st;
    if (env->ops->prompt)
        env->ops->prompt(env, &prompt);
    if (o->tasks && (st = get_tasks(o, env, &l, err)) == CMAT_OK)
        cmat_task_list_hash(&l, hash);
    if (st == CMAT_OK && o->common.json) {
        json_t *j = json_pack(
            "{s:s, s:s, s:s?, s:i, s:b, s:b, s:b, s:b, s:o, s:I, s:s?}", "name", env->ops->name,
            "summary", env->ops->summary, "world", env->ops->world, "max_steps",
            env->opts.max_steps, "makes_tasks", env->ops->generate != NULL, "lists_actions",
            env->ops->actions != NULL, "snapshots", env->ops->snapshot != NULL, "oracle",
            env->ops->oracle != NULL, "prompt", cmat_json_text(cmat_buf_str(&prompt), prompt.len),
            "n_tasks", (json_int_t)l.n, "tasks_sha256", *hash ? hash : NULL);
        cli_print_json(j);
        json_decref(j);
    } else if (st == CMAT_OK) {
        printf("%s: %s\nsteps: %d%s%s%s%s\n\n", env->ops->name, env->ops->summary,
               env->opts.max_steps, env->ops->generate ? ", makes tasks" : "",
               env->ops->oracle ? ", has worked answers" : "",
               env->ops->actions ? ", lists its actions" : "",
               env->ops->snapshot ? ", can be set back" : "");
        cli_print_inert(&prompt);
        if (*hash)
            printf("%s: %zu tasks, sha256 %s\n", o->tasks, l.n, hash);
    }
    cmat_buf_clear(&prompt);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
    return st;
}

static cmat_status play(const env_opts *o, cmat_error *err)
{
    cmat_env *env;
    cmat_task_list l = {0};
    cmat_buf prompt = {0};
    cmat_status st = open_env(o, &env, err);

    if (st != CMAT_OK)
        return st;
    st = get_tasks(o, env, &l, err);
    if (st == CMAT_OK && env->ops->prompt) {
        env->ops->prompt(env, &prompt);
        cli_print_inert(&prompt);
    }
    if (st == CMAT_OK)
        st = cli_env_play(env, &l, err);
    cmat_buf_clear(&prompt);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
    return st;
}

static cmat_status serve(const env_opts *o, cmat_error *err)
{
    cmat_env *env;
    cmat_task_list l = {0};
    cmat_status st = open_env(o, &env, err);

    if (st != CMAT_OK)
        return st;
    st = get_tasks(o, env, &l, err);
    if (st == CMAT_OK)
        st = cli_env_serve(env, o->world, &l, (int)o->port, err);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
    return st;
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    static const struct {
        const char *name;
        cmat_status (*run)(const env_opts *o, cmat_error *err);
    } verbs[] = {{"list", list}, {"show", show},   {"make", make},      {"tasks", make_tasks},
                 {"play", play}, {"serve", serve}, {"shop", make_shop}, {"domain", make_domain}};
    const char *verb = n_args ? args[0] : "list";
    env_opts *o = vopts;

    o->env = n_args > 1 ? args[1] : "db";

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, verb) == 0)
            return verbs[i].run(o, err);
    return cmat_fail(err, CMAT_ERR_ARG,
                     "there is no `cmat env %s`: list, show, make, tasks, play and serve are",
                     verb);
}

const cli_command cli_env = {
    .name = "env",
    .summary = "environments: list them, make example databases, make tasks, play",
    .usage = "[options] [list|show|tasks|play|serve] [ENV], or make shop-db|practice-db",
    .text =
        "list   the environments of this build\n"
        "show   what ENV (db, unless named) tells the Actor, and what it can do\n"
        "make   writes a database for db: shop-db, the example shop, or practice-db, of which "
        "--seed picks the kind (library,\n"
        "       clinic ...), schema and rows\n"
        "tasks  makes tasks with known answers (db: from a database), or reads --tasks, one a "
        "line\n"
        "play   shows you what the Actor sees and takes your replies; Tab completes, :undo takes "
        "the "
        "last one back\n"
        "serve  the shop as a small web site on this machine, with the tasks to begin\n\n"
        "Examples:\n"
        "  cmat env make shop-db --out examples/shop.sqlite\n"
        "  cmat env tasks --database examples/shop.sqlite -n 10\n"
        "  cmat env tasks --database examples/shop.sqlite -n 500 --split heldout --out "
        "heldout.jsonl\n"
        "  cmat env tasks --database mine.sqlite -n 500 --rows --out rows.jsonl\n"
        "  cmat env tasks --database mine.sqlite -n 500 --rows --slips 20 --lessons 25 --out "
        "rows.jsonl \\\n"
        "      --checker-rows verdicts.jsonl\n"
        "  cmat env play --database examples/shop.sqlite\n"
        "  cmat env tasks --database postgresql://me@localhost/shop -n 10\n"
        "  cmat env play house -n 3\n"
        "  cmat env play shop -n 3\n"
        "  cmat env tasks shop --tasks webshop/ --out goals.jsonl\n"
        "  cmat env serve shop --tasks goals.jsonl --port 3000\n"
        "  cmat env play web -n 6\n"
        "  cmat env play kg --world films.tsv\n"
        "  cmat env play web -n 6 --world browser\n"
        "  cmat env tasks house --tasks json_2.1.1/valid_seen --rows --out rows.jsonl\n"
        "  cmat env tasks --questions q.jsonl --tables t.jsonl -n 2000 --inserts 1000 --updates "
        "1000 -o wiki.jsonl",
    .options = options,
    .opts_size = sizeof(env_opts),
    .max_args = 2,
    .run = run,
};
