/* cmd_tune.c - `cmat tune`: an adapter from a file of conversations. */
#include "api/api.h"
#include "cli/commands.h"
#include "core/json.h"
#include "core/mem.h"
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
     "where the adapter goes (PEFT's format), with checkpoints, metrics.jsonl and loss.svg", 'o'},
    CMAT_OPTION_TABLE(offsetof(tune_opts, tune), cmat_session_tune_option_table),
    CLI_COMMON_OPTIONS(tune_opts),
    {0},
};

static void print_sparkline(const json_t *list, const char *key)
{
    cmat_buf b = {0};
    size_t n = json_array_size(list);
    double *y = cmat_xcalloc(n + 1, sizeof *y);

    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        y[i] = json_number_value(key ? json_object_get(v, key) : v);
    }
    cmat_text_sparkline(&b, y, n);
    puts(cmat_buf_str(&b));
    free(y);
    cmat_buf_clear(&b);
}

static void print_range(const json_t *r)
{
    const json_t *points = json_object_get(r, "points");
    const size_t n = json_array_size(points);

    print_sparkline(points, "smooth");
    printf(
        "loss (smoothed) for rates from %.2g to %.2g%s: falls fastest at %.2g, is lowest at "
        "%.2g\n"
        "suggested: --lr %.2g\n",
        json_number_value(json_object_get(json_array_get(points, 0), "lr")),
        json_number_value(json_object_get(json_array_get(points, n - 1), "lr")),
        json_is_true(json_object_get(r, "diverged")) ? ", where it exploded" : "",
        json_number_value(json_object_get(r, "steepest")),
        json_number_value(json_object_get(r, "lowest")),
        json_number_value(json_object_get(r, "suggested_lr")));
}

static void print_plan(const json_t *r)
{
    static const struct {
        const char *key, *text;
    } lines[] = {{"base", "the base, as it lies in its file"},
                 {"params", "what is tuned"},
                 {"optimiser", "the optimiser's moments, the best so far"},
                 {"activations", "activations and gradients of a pass"},
                 {"total", "together"}};

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char t[32];
        cmat_text_bytes(t, sizeof t, json_number_value(json_object_get(r, lines[i].key)));
        printf("%10s  %s\n", t, lines[i].text);
    }
}

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
    putchar('\n');
    print_sparkline(json_object_get(r, "loss_curve"), NULL);
    if (json_object_get(r, "model"))
        printf("model: %s\n", cmat_json_str(r, "model", ""));
    else
        printf("adapter: %s\n", cmat_json_str(r, "adapter", ""));
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    tune_opts *o = vopts;
    cmat_session *s = NULL;
    char *tune, *text = NULL;
    cmat_status st;

    if (!o->out && !o->tune.find_lr && !o->tune.plan)
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
        else if (o->tune.plan)
            print_plan(r);
        else if (o->tune.find_lr)
            print_range(r);
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
        "  cmat tune --find-lr chats.jsonl\n"
        "  cmat tune --plan --keep recompute --batch-tokens 512 chats.jsonl\n"
        "  cmat tune --out runs/mine --rank 8 --targets q,v --epochs 3 --lr 2e-4 a.jsonl b.jsonl\n"
        "  cmat tune --out runs/mine --max-minutes 30 chats.jsonl",

    .options = options,
    .opts_size = sizeof(tune_opts),
    .min_args = 1,
    .max_args = -1,
    .run = run,
};
