/* cmd_evolve.c - `cmat evolve`: the whole loop on an environment. */
#include "api/api.h"
#include "cli/commands.h"
#include "core/json.h"

#include <stdlib.h>
#include <string.h>

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
                                     strcmp(args[0], "db") == 0 ? o->evolve.world : NULL);
        json_decref(summary);
    }
    cmat_session_close(s);
    free(evolve);
    return st;
}

const cli_command cli_evolve = {
    .name = "evolve",
    .summary = "tune an agent for an environment: make tasks, act, check, learn, measure",
    .usage = "ENV [options]",
    .text =
        "Makes tasks (from a database or graph, or of the environment's own), measures the untuned "
        "model on held-out\n"
        "ones, then goes through rounds of acting, checking and learning, and measures the tuned "
        "agent on the same\n"
        "held-out tasks. Nothing is written to the database. Stop it at any time (Ctrl-C, or "
        "worse): the same\n"
        "command goes on. `cmat env list` names the environments.\n\n"
        "Examples:\n"
        "  cmat evolve db --database examples/shop.sqlite\n"
        "  cmat evolve db --database mine.sqlite --rounds 3 --first-tasks 2000 --run runs/long\n"
        "  cmat evolve kg --world films.tsv\n"
        "  cmat evolve db --config recipes/demo.yaml --database mine.sqlite\n"
        "  cmat evolve house --first-tasks 200 --heldout-tasks 30 --max-steps 25 --max-tokens 40\n"
        "  cmat evolve web --tasks train.jsonl --valid valid.jsonl --heldout heldout.jsonl",
    .options = options,
    .opts_size = sizeof(evolve_opts),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
