/* cmd_eval.c - `cmat eval`: a benchmark run and its figures. */
#include "api/api.h"
#include "cli/commands.h"
#include "core/fs.h"
#include "core/json.h"
#include "eval/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cli_common common;
    cmat_session_eval_options eval;
    char *model, *out, *compare;
} eval_opts;

#define AT(m) offsetof(eval_opts, m)
static const cmat_option options[] = {
    CMAT_OPTION_TABLE(AT(eval), cmat_session_eval_option_table),
    {"model", CMAT_OPT_STR, AT(model), NULL, 0, 0, NULL, "FILE", "model file or name", 'm'},
    {"out", CMAT_OPT_STR, AT(out), NULL, 0, 0, NULL, "FILE", "write the summary as JSON", 'o'},
    {"compare", CMAT_OPT_STR, AT(compare), NULL, 0, 0, NULL, "FILE",
     "a summary of another run over the same tasks, to compare with", 0},
    CLI_COMMON_OPTIONS(eval_opts),
    {0},
};

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
    cmat_session *s = NULL;
    char *eval = cli_options_text(cmat_session_eval_option_table, &o->eval), *text = NULL;
    json_t *summary = NULL;
    cmat_status st = cmat_api_check_eval(args[0], &o->eval, err);

    (void)n_args;
    if (st == CMAT_OK && cmat_api_eval_needs_model(&o->eval))
        st = cli_session_open(&s, o->model, NULL, 4096, err);
    if (st == CMAT_OK)
        st = cmat_session_eval(s, args[0], eval, &text, err);
    if (st == CMAT_OK) {
        summary = cli_take_result(text);
        st = report(o, summary, err);
    }
    json_decref(summary);
    cmat_session_close(s);
    free(eval);
    return st;
}

const cli_command cli_eval = {
    .name = "eval",
    .summary = "run tasks and report success with intervals, by kind, errors, costs",
    .usage = "ENV [--tasks FILE] [--world FILE] [options]",
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
        "  cmat eval house --tasks json_2.1.1/valid_seen -n 20\n"
        "  cmat eval os --actor oracle        the gold actions: what a perfect Actor would get\n"
        "  cmat eval web --tasks mind2web/data/test_task --style agentbench\n"
        "  cmat eval kg --world http://127.0.0.1:3001/sparql --tasks dev.json --style agentbench\n"
        "  cmat eval db --tasks dev.jsonl --url http://127.0.0.1:8080/v1",
    .options = options,
    .opts_size = sizeof(eval_opts),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
