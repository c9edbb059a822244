/* cmd_tune.c - `cmat tune`: an adapter from a file of conversations. */
#include "api/api.h"
#include "cli/commands.h"
#include "core/json.h"
#include "core/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cli_common common;
    cmat_session_tune_options tune;
    char *model, *out;
} tune_opts;

static const cmat_option options[] = {
    {"model", CMAT_OPT_STR, offsetof(tune_opts, model), NULL, 0, 0, NULL, "FILE", "the base model",
     'm'},
    {"out", CMAT_OPT_STR, offsetof(tune_opts, out), NULL, 0, 0, NULL, "DIR",
     "where the adapter goes (PEFT's format), with checkpoints and metrics.jsonl", 'o'},
    CMAT_OPTION_TABLE(offsetof(tune_opts, tune), cmat_session_tune_option_table),
    CLI_COMMON_OPTIONS(tune_opts),
    {0},
};

static void print_result(const json_t *r)
{
    char t[32];
    const json_t *eval = json_object_get(r, "eval_loss");

    cmat_text_seconds(t, sizeof t, json_number_value(json_object_get(r, "seconds")));
    printf("%lld steps in %s, loss %.3f to %.3f",
           (long long)json_integer_value(json_object_get(r, "steps")), t,
           json_number_value(json_object_get(r, "first_loss")),
           json_number_value(json_object_get(r, "loss")));
    if (eval)
        printf(", validation %.3f to %.3f", json_number_value(json_object_get(r, "eval_start")),
               json_number_value(eval));
    if (strcmp(cmat_json_str(r, "end", "finished"), "finished") != 0)
        printf(" (%s)", cmat_json_str(r, "end", ""));
    printf("\nadapter: %s\n", cmat_json_str(r, "adapter", ""));
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    tune_opts *o = vopts;
    cmat_session *s = NULL;
    char *tune, *text = NULL;
    cmat_status st;

    if (!o->out)
        return cmat_fail(err, CMAT_ERR_ARG, "--out DIR says where the adapter goes");
    tune = cli_options_text(cmat_session_tune_option_table, &o->tune);
    st = cli_session_open(&s, o->model, NULL, 4096, err);
    if (st == CMAT_OK)
        st = cmat_session_tune(s, (const char *const *)args, (size_t)n_args, o->out, tune, &text,
                               err);
    if (st == CMAT_OK) {
        json_t *r = cli_take_result(text);
        if (o->common.json)
            cli_print_json(r);
        else
            print_result(r);
        json_decref(r);
    }
    cmat_session_close(s);
    free(tune);
    return st;
}

const cli_command cli_tune = {
    .name = "tune",
    .summary =
        "an adapter from a file of conversations: LoRA, DoRA, P-Tuning, prompt or prefix tuning",
    .usage = "--out DIR [options] FILE...",
    .text =
        "Files are JSON lines with OpenAI's `messages`, Alpaca or ShareGPT; which one is found "
        "out. The loss is on\n"
        "assistant turns only. Shared beginnings (a system prompt) are computed once a batch. A "
        "run that was\n"
        "stopped goes on from its last checkpoint and ends in the same bytes.\n\n"
        "Examples:\n"
        "  cmat tune --out runs/mine chats.jsonl\n"
        "  cmat tune --out runs/mine --method p-tuning --virtual-tokens 20 --encoder lstm "
        "chats.jsonl\n"
        "  cmat tune --out runs/mine --rank 8 --targets q,v --epochs 3 --lr 2e-4 a.jsonl b.jsonl\n"
        "  cmat tune --out runs/mine --max-minutes 30 chats.jsonl",

    .options = options,
    .opts_size = sizeof(tune_opts),
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
