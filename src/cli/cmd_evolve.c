/* cmd_evolve.c - `cmat evolve`: the whole loop on a database. */
#include "api/api.h"
#include "cli/commands.h"
#include "core/json.h"

#include <stdlib.h>

typedef struct {
    cli_common common;
    cmat_evolve_options evolve;
    char *model;
} evolve_opts;

static const cmat_option options[] = {
    CMAT_OPTION_TABLE(offsetof(evolve_opts, evolve), cmat_session_evolve_option_table),
    {"model", CMAT_OPT_STR, offsetof(evolve_opts, model), NULL, 0, 0, NULL, "FILE",
     "model file or name", 'm'},
    CLI_COMMON_OPTIONS(evolve_opts),
    {0},
};

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    evolve_opts *o = vopts;
    cmat_session *s = NULL;
    char *evolve = cli_options_text(cmat_session_evolve_option_table, &o->evolve), *text = NULL;
    cmat_status st = cmat_api_check_evolve(args[0], &o->evolve, err);

    (void)n_args;
    if (st == CMAT_OK)
        st = cli_session_open(&s, o->model, NULL, 4096, err);
    if (st == CMAT_OK)
        st = cmat_session_evolve(s, args[0], evolve, &text, err);
    if (st == CMAT_OK) {
        json_t *summary = cli_take_result(text);
        if (o->common.json)
            cli_print_json(summary);
        else
            cli_print_evolve_summary(summary, cmat_json_str(summary, "run", ""),
                                     o->evolve.database);
        json_decref(summary);
    }
    cmat_session_close(s);
    free(evolve);
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
