/* cmd_generate.c - `cmat generate` and `cmat chat`: text from a model. */
#include "cli/commands.h"
#include "core/buf.h"
#include "core/cancel.h"
#include "core/json.h"
#include "core/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cli_common common;
    char *model, *adapter, *system, *stop;
    int64_t max_tokens, top_k, seed, n_ctx;
    double temperature, top_p, min_p, repeat_penalty;
    bool raw;
} gen_opts;

#define SAMPLING_OPTIONS                                                            \
    {"model", CMAT_OPT_STR, offsetof(gen_opts, model), NULL, 0, 0,                  \
     NULL,    "FILE",       "model file or name",      'm'},                        \
        {"adapter", CMAT_OPT_STR, offsetof(gen_opts, adapter),    NULL, 0, 0,       \
         NULL,      "DIR",        "a LoRA adapter (PEFT folder)", 'a'},             \
        {"system", CMAT_OPT_STR, offsetof(gen_opts, system), NULL, 0, 0,            \
         NULL,     "TEXT",       "system message",           's'},                  \
        {"max-tokens", CMAT_OPT_INT, offsetof(gen_opts, max_tokens), "256", 1, 1e6, \
         NULL,         "N",          "new tokens at most",           'n'},          \
        {"temperature",                                                             \
         CMAT_OPT_FLOAT,                                                            \
         offsetof(gen_opts, temperature),                                           \
         "0",                                                                       \
         0,                                                                         \
         10,                                                                        \
         NULL,                                                                      \
         "X",                                                                       \
         "0: always the likeliest token",                                           \
         0},                                                                        \
        {"top-k",                                                                   \
         CMAT_OPT_INT,                                                              \
         offsetof(gen_opts, top_k),                                                 \
         "0",                                                                       \
         0,                                                                         \
         1e6,                                                                       \
         NULL,                                                                      \
         "N",                                                                       \
         "sample among the k likeliest; 0: off",                                    \
         0},                                                                        \
        {"top-p",                                                                   \
         CMAT_OPT_FLOAT,                                                            \
         offsetof(gen_opts, top_p),                                                 \
         "1",                                                                       \
         0,                                                                         \
         1,                                                                         \
         NULL,                                                                      \
         "X",                                                                       \
         "sample among the likeliest that sum to p; 1: off",                        \
         0},                                                                        \
        {"min-p",                                                                   \
         CMAT_OPT_FLOAT,                                                            \
         offsetof(gen_opts, min_p),                                                 \
         "0",                                                                       \
         0,                                                                         \
         1,                                                                         \
         NULL,                                                                      \
         "X",                                                                       \
         "drop tokens below this share of the likeliest; 0: off",                   \
         0},                                                                        \
        {"repeat-penalty",                                                          \
         CMAT_OPT_FLOAT,                                                            \
         offsetof(gen_opts, repeat_penalty),                                        \
         "1",                                                                       \
         0.1,                                                                       \
         10,                                                                        \
         NULL,                                                                      \
         "X",                                                                       \
         "above 1: make recent tokens less likely",                                 \
         0},                                                                        \
        {"seed", CMAT_OPT_INT, offsetof(gen_opts, seed), "0", 0, 9e15,              \
         NULL,   "N",          "of the sampling",        0},                        \
        {"stop", CMAT_OPT_STR, offsetof(gen_opts, stop), NULL, 0, 0,                \
         NULL,   "TEXT",       "end before this text",   0},                        \
    {                                                                               \
        "ctx", CMAT_OPT_INT, offsetof(gen_opts, n_ctx), "0", 0, 1e7, NULL, "N",     \
            "longest sequence; 0: the model's", 'c'                                 \
    }

static const cmat_option generate_options[] = {
    SAMPLING_OPTIONS,
    {"raw", CMAT_OPT_BOOL, offsetof(gen_opts, raw), NULL, 0, 0, NULL, NULL,
     "continue the text as it is, without the chat template", 0},
    CLI_COMMON_OPTIONS(gen_opts),
    {0},
};
static const cmat_option chat_options[] = {SAMPLING_OPTIONS, CLI_COMMON_OPTIONS(gen_opts), {0}};

static cli_generate_options to_generate(const gen_opts *o, const char **stop)
{
    stop[0] = o->stop;
    stop[1] = NULL;
    return (cli_generate_options){
        .max_tokens = (int)o->max_tokens,
        .sampling = {.temperature = (float)o->temperature,
                     .top_k = (int)o->top_k,
                     .top_p = (float)o->top_p,
                     .min_p = (float)o->min_p,
                     .repeat_penalty = (float)o->repeat_penalty,
                     .seed = (uint64_t)o->seed},
        .stop = o->stop ? stop : NULL,
    };
}

static json_t *message(const char *role, const char *text)
{
    json_t *m = json_object();
    json_object_set_new(m, "role", json_string(role));
    json_object_set_new(m, "content", cmat_json_text(text, strlen(text)));
    return m;
}

static const char *finish_name(cmat_finish f)
{
    return f == CMAT_FINISH_STOP ? "stop" : f == CMAT_FINISH_CANCELLED ? "cancelled" : "length";
}

/* Runs one prompt without a chat template. */
static cmat_status generate_raw(cli_model *m, const char *prompt, const cli_generate_options *g,
                                cmat_gen_result *res, cmat_error *err)
{
    const cmat_tokenizer *t = m->model->tokenizer;
    int32_t *tokens = NULL;
    size_t n = 0, cap = 0;
    cmat_status st;

    if (cmat_tokenizer_add_bos(t) && cmat_tokenizer_bos(t) >= 0) {
        tokens = cmat_xgrow(tokens, &cap, 1, sizeof *tokens);
        tokens[n++] = cmat_tokenizer_bos(t);
    }
    cmat_tokenizer_encode(t, prompt, strlen(prompt), true, &tokens, &n, &cap);
    st = n ? cli_generate_tokens(m, tokens, n, g, res, err)
           : cmat_fail(err, CMAT_ERR_ARG, "the prompt is empty");
    free(tokens);
    return st;
}

static cmat_status run_generate(void *vopts, int n_args, char **args, cmat_error *err)
{
    gen_opts *o = vopts;
    const char *stop[2];
    cli_generate_options g = to_generate(o, stop);
    cmat_engine_options eo = {.n_ctx = (int)o->n_ctx, .n_seqs = 1};
    cli_model m;
    cmat_gen_result res = {0};
    char *text = NULL;
    size_t len;
    cmat_status st = CMAT_OK;

    if (n_args == 0 || strcmp(args[0], "-") == 0)
        st = cli_read_input("-", &text, &len, err);
    else
        text = cmat_xstrdup(args[0]);
    if (st == CMAT_OK)
        st = cli_model_open(&m, o->model, o->adapter, &eo, err);
    if (st != CMAT_OK) {
        free(text);
        return st;
    }
    g.stream = !o->common.json;
    if (o->raw) {
        st = generate_raw(&m, text, &g, &res, err);
    } else {
        json_t *messages = json_array();
        if (o->system)
            json_array_append_new(messages, message("system", o->system));
        json_array_append_new(messages, message("user", text));
        st = cli_generate(&m, messages, &g, &res, err);
        json_decref(messages);
    }
    if (st == CMAT_OK && o->common.json) {
        json_t *j =
            json_pack("{s:o, s:s, s:{s:I, s:I}, s:f}", "text",
                      cmat_json_text(res.text, res.text_len), "finish_reason",
                      finish_name(res.finish), "usage", "prompt_tokens", (json_int_t)res.n_prompt,
                      "completion_tokens", (json_int_t)res.n_tokens, "seconds", res.seconds);
        cli_print_json(j);
        json_decref(j);
    } else if (st == CMAT_OK) {
        putchar('\n');
    }
    cmat_gen_result_clear(&res);
    cli_model_close(&m);
    free(text);
    return st;
}

static cmat_status run_chat(void *vopts, int n_args, char **args, cmat_error *err)
{
    gen_opts *o = vopts;
    const char *stop[2];
    cli_generate_options g = to_generate(o, stop);
    cmat_engine_options eo = {.n_ctx = (int)o->n_ctx, .n_seqs = 1};
    cli_model m;
    json_t *messages = json_array();
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    cmat_status st = cli_model_open(&m, o->model, o->adapter, &eo, err);

    (void)n_args;
    (void)args;
    if (st != CMAT_OK) {
        json_decref(messages);
        return st;
    }
    g.stream = true;
    if (o->system)
        json_array_append_new(messages, message("system", o->system));
    fputs("Write a message and press Enter; an empty line or Ctrl-D ends.\n", stderr);
    while (st == CMAT_OK && (fputs("> ", stderr), len = getline(&line, &cap, stdin)) > 1) {
        cmat_gen_result res = {0};
        line[len - 1] = line[len - 1] == '\n' ? '\0' : line[len - 1];
        json_array_append_new(messages, message("user", line));
        st = cli_generate(&m, messages, &g, &res, err);
        putchar('\n');
        if (st == CMAT_OK)
            json_array_append_new(messages, message("assistant", res.text));
        cmat_gen_result_clear(&res);
    }
    free(line);
    json_decref(messages);
    cli_model_close(&m);
    return st;
}

const cli_command cli_generate_command = {
    .name = "generate",
    .summary = "one answer to one prompt",
    .usage = "[options] [PROMPT|-]",
    .text =
        "Answers the prompt (standard input without one) in the model's own chat template.\n\n"
        "Examples:\n"
        "  cmat generate \"Name three uses of SQLite.\"\n"
        "  cmat generate --raw --max-tokens 20 \"SELECT name FROM\"\n"
        "  cmat generate --temperature 0.8 --top-p 0.9 --seed 7 --json \"A haiku on rain\"",
    .options = generate_options,
    .opts_size = sizeof(gen_opts),
    .max_args = 1,
    .run = run_generate,
};

const cli_command cli_chat = {
    .name = "chat",
    .summary = "talk with a model in the terminal",
    .usage = "[options]",
    .text =
        "Keeps the conversation and its cache; an empty line ends it.\n\n"
        "Examples:\n"
        "  cmat chat\n"
        "  cmat chat --system \"Answer in one sentence.\" --temperature 0.7",
    .options = chat_options,
    .opts_size = sizeof(gen_opts),
    .run = run_chat,
};
