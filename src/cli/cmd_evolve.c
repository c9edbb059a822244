/* cmd_evolve.c - `cmat evolve`: the whole loop on a database. */
#include "cli/commands.h"
#include "core/fs.h"
#include "core/mem.h"
#include "evolve/evolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cli_common common;
    char *database, *run, *model;
    cmat_evolve_options evolve;
} evolve_opts;

static const cmat_option options[] = {
    {"database", CMAT_OPT_STR, offsetof(evolve_opts, database), NULL, 0, 0, NULL, "FILE",
     "the SQLite database to make an agent for", 'd'},
    {"start", CMAT_OPT_STR, offsetof(evolve_opts, evolve.start), NULL, 0, 0, NULL, "DIR",
     "start the Actor's tuning from this adapter instead of a new one", 0},
    {"tasks", CMAT_OPT_STR, offsetof(evolve_opts, evolve.tasks), NULL, 0, 0, NULL, "FILE",
     "learn from these tasks instead of made ones", 0},
    {"valid", CMAT_OPT_STR, offsetof(evolve_opts, evolve.valid), NULL, 0, 0, NULL, "FILE",
     "choose by these", 0},
    {"heldout", CMAT_OPT_STR, offsetof(evolve_opts, evolve.heldout), NULL, 0, 0, NULL, "FILE",
     "take the first and last figures on these", 0},
    {"run", CMAT_OPT_STR, offsetof(evolve_opts, run), NULL, 0, 0, NULL, "DIR",
     "the run folder (default: runs/ and the database's name); an unfinished run in it is gone on "
     "with",
     'r'},
    {"model", CMAT_OPT_STR, offsetof(evolve_opts, model), NULL, 0, 0, NULL, "FILE",
     "model file or name", 'm'},
    CMAT_EVOLVE_OPTION_ROWS(evolve_opts, evolve.),
    CLI_COMMON_OPTIONS(evolve_opts),
    {0},
};

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    evolve_opts *o = vopts;
    cli_model m;
    json_t *summary = NULL;
    cmat_status st;

    (void)n_args;
    if (strcmp(args[0], "db") != 0)
        return cmat_fail(err, CMAT_ERR_ARG, "there is no environment \"%s\" to evolve in: db is",
                         args[0]);
    if (!o->database && !o->evolve.tasks)
        return cmat_fail(err, CMAT_ERR_ARG,
                         "--database FILE is needed (or files of tasks: `cmat evolve --help`)");
    if (!o->database && !o->run)
        return cmat_fail(err, CMAT_ERR_ARG, "--run DIR says where the run goes");
    if (o->database && !cmat_path_exists(o->database))
        return cmat_fail(err, CMAT_ERR_NOT_FOUND, "%s: no such file", o->database);
    o->evolve.database = o->database;
    o->evolve.run_dir = o->run ? cmat_xstrdup(o->run) : cli_default_run(o->database);
    o->evolve.agent.seed = o->evolve.seed;
    st = cli_model_open(&m, o->model, NULL, NULL, err);
    if (st == CMAT_OK) {
        st = cmat_evolve_run(&o->evolve, m.model, &summary, err);
        cli_model_close(&m);
    }
    if (st == CMAT_OK && o->common.json)
        cli_print_json(summary);
    else if (st == CMAT_OK)
        cli_print_evolve_summary(summary, o->evolve.run_dir, o->database);
    json_decref(summary);
    free(o->evolve.run_dir);
    return st;
}

const cli_command cli_evolve = {
    .name = "evolve",
    .summary = "tune an agent for a database: make tasks, act, check, learn, measure",
    .usage = "db --database FILE [options]",
    .text =
        "Makes tasks from the database, measures the untuned model on held-out ones, then goes "
        "through rounds of\n"
        "acting, checking and learning, and measures the tuned agent on the same held-out tasks. "
        "Nothing\n"
        "is written to the database. Stop it at any time (Ctrl-C, or worse): the same command goes "
        "on.\n\n"
        "Examples:\n"
        "  cmat evolve db --database examples/shop.sqlite\n"
        "  cmat evolve db --database mine.sqlite --rounds 3 --first-tasks 2000 --run runs/long\n"
        "  cmat evolve db --config recipes/db.yaml --database mine.sqlite",
    .options = options,
    .opts_size = sizeof(evolve_opts),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
