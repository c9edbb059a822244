/* cmd_report.c - `cmat report`: a run as one HTML file; and the table that `cmat evolve` ends with.
 */
#include "cli/commands.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "eval/evaluate.h"
#include "eval/report.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
    cli_common common;
    char *out;
} report_opts;

static const cmat_option options[] = {
    {"out", CMAT_OPT_STR, offsetof(report_opts, out), NULL, 0, 0, NULL, "FILE",
     "default: report.html in the run folder", 'o'},
    CLI_COMMON_OPTIONS(report_opts),
    {0},
};

void cli_print_evolve_summary(const json_t *summary, const char *run_dir, const char *database)
{
    static const char *const names[] = {"untuned", "tuned"};
    const json_t *runs[] = {json_object_get(summary, "before"), json_object_get(summary, "after")};
    cmat_buf b = {0};

    cmat_eval_table_runs(names, runs, 2, &b);
    cmat_eval_table_compare(json_object_get(summary, "comparison"), names[0], names[1], &b);
    cmat_buf_printf(&b, "\nreport: %s/report.html\n", run_dir);
    if (database)
        cmat_buf_printf(&b, "now ask: cmat ask %s \"...\"\n", database);
    fputs(cmat_buf_str(&b), stdout);
    cmat_buf_clear(&b);
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    report_opts *o = vopts;
    char *out = o->out ? cmat_xstrdup(o->out) : cmat_path_join(args[0], "report.html");
    char *summary_path = cmat_path_join(args[0], "summary.json"),
         *eval_path = cmat_path_join(args[0], "eval.json");
    json_t *summary = NULL;
    cmat_status st = CMAT_OK;

    (void)n_args;
    if (!cmat_path_is_dir(args[0]))
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "%s: no such run folder", args[0]);
    else if (o->common.json) {
        summary = cmat_json_load(cmat_path_exists(summary_path) || !cmat_path_exists(eval_path)
                                     ? summary_path
                                     : eval_path,
                                 err);
        st = summary ? CMAT_OK : CMAT_ERR_FORMAT;
        if (summary)
            cli_print_json(summary);
    } else {
        st = cmat_report_run(args[0], out, err);
        if (st == CMAT_OK && !o->common.quiet)
            puts(out);
    }
    json_decref(summary);
    free(summary_path);
    free(eval_path);
    free(out);
    return st;
}

const cli_command cli_report = {
    .name = "report",
    .summary = "a run as one HTML file that works offline",
    .usage = "[options] RUN_DIR",
    .text =
        "Draws success before and after with intervals, by round, by kind, errors, losses, and "
        "every episode step by\n"
        "step, from what lies in the run folder. Works on unfinished runs too, and on the folder "
        "of "
        "`cmat eval --run`.\n\n"
        "Examples:\n"
        "  cmat report runs/shop\n"
        "  cmat eval kg --world films.tsv --run runs/kg && cmat report runs/kg\n"
        "  cmat report --json runs/shop      the figures alone",
    .options = options,
    .opts_size = sizeof(report_opts),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
