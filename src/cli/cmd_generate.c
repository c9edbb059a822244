/* cmd_generate.c - `cmat generate` and `cmat chat`: text from a model. */
#include "api/api.h"
#include "cli/commands.h"
#include "core/json.h"
#include "core/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cli_common common;
    cmat_generate_options generate;
    char *model, *adapter, *system;
    int64_t n_ctx;
    bool raw;
} gen_opts;

#define AT(m) offsetof(gen_opts, m)
#define SHARED_OPTIONS                                                                         \
    {"model", CMAT_OPT_STR, AT(model), NULL, 0, 0, NULL, "FILE", "model file or name", 'm'},   \
        {"adapter",                                                                            \
         CMAT_OPT_STR,                                                                         \
         AT(adapter),                                                                          \
         NULL,                                                                                 \
         0,                                                                                    \
         0,                                                                                    \
         NULL,                                                                                 \
         "DIR",                                                                                \
         "a LoRA adapter (PEFT folder)",                                                       \
         'a'},                                                                                 \
        {"system", CMAT_OPT_STR, AT(system), NULL, 0, 0, NULL, "TEXT", "system message", 's'}, \
        CMAT_OPTION_TABLE(AT(generate), cmat_generate_option_table),                           \
    {                                                                                          \
        "ctx", CMAT_OPT_INT, AT(n_ctx), "4096", 16, 1e6, NULL, "N",                            \
            "longest conversation, in "                                                        \
            "tokens",                                                                          \
            0                                                                                  \
    }

static const cmat_option generate_options[] = {
    SHARED_OPTIONS,
    {"raw", CMAT_OPT_BOOL, AT(raw), NULL, 0, 0, NULL, NULL,
     "go on from the prompt as it is, without a chat template", 0},
    CLI_COMMON_OPTIONS(gen_opts),
    {0},
};
static const cmat_option chat_options[] = {SHARED_OPTIONS, CLI_COMMON_OPTIONS(gen_opts), {0}};

static void print_piece(void *user, const char *text, size_t len)
{
    (void)user;
    fwrite(text, 1, len, stdout);
    fflush(stdout);
}

static void add_message(json_t *messages, const char *role, const char *text)
{
    json_array_append_new(messages, json_pack("{s:s, s:o}", "role", role, "content",
                                              cmat_json_text(text, strlen(text))));
}

static cmat_status chat_once(cmat_session *s, const json_t *messages, const char *options,
                             cmat_on_text on_text, json_t **result, cmat_error *err)
{
    char *text = json_dumps(messages, 0), *answer = NULL;
    cmat_status st = cmat_session_chat(s, text, options, on_text, NULL, &answer, err);

    if (st == CMAT_OK)
        *result = cli_take_result(answer);
    free(text);
    return st;
}

/* The options that name files get their text. */
static cmat_status read_files(cmat_generate_options *o, cmat_error *err)
{
    char **const files[] = {&o->grammar, &o->json_schema};
    for (int i = 0; i < 2; i++) {
        char *text;
        size_t len;
        cmat_status st;
        if (!*files[i])
            continue;
        if ((st = cli_read_input(*files[i], &text, &len, err)) != CMAT_OK)
            return st;
        if (strlen(text) != len) {
            free(text);
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: is not a text", *files[i]);
        }
        free(*files[i]);
        *files[i] = text;
    }
    return CMAT_OK;
}

/* The options as the API takes them; what is wrong with a constraint is told before the model is
 * opened. */
static cmat_status generate_options_text(gen_opts *o, char **text, cmat_error *err)
{
    cmat_acceptor *a = NULL;
    cmat_status st = read_files(&o->generate, err);
    *text = NULL;
    if (st == CMAT_OK)
        st = cmat_api_constraint(&a, &o->generate, err);
    cmat_acceptor_free(a);
    if (st == CMAT_OK)
        *text = cli_options_text(cmat_generate_option_table, &o->generate);
    return st;
}

static cmat_status run_generate(void *vopts, int n_args, char **args, cmat_error *err)
{
    gen_opts *o = vopts;
    cmat_session *s = NULL;
    cmat_on_text on_text = o->common.json ? NULL : print_piece;
    char *options, *text = NULL, *answer = NULL;
    json_t *result = NULL, *messages = json_array();
    size_t len;
    cmat_status st = generate_options_text(o, &options, err);

    if (st == CMAT_OK && (n_args == 0 || strcmp(args[0], "-") == 0))
        st = cli_read_input("-", &text, &len, err);
    else if (st == CMAT_OK)
        text = cmat_xstrdup(args[0]);
    if (st == CMAT_OK)
        st = cli_session_open(&s, o->model, o->adapter, o->n_ctx, err);
    if (st == CMAT_OK && o->raw) {
        st = cmat_session_complete(s, text, options, on_text, NULL, &answer, err);
        if (st == CMAT_OK)
            result = cli_take_result(answer);
    } else if (st == CMAT_OK) {
        if (o->system)
            add_message(messages, "system", o->system);
        add_message(messages, "user", text);
        st = chat_once(s, messages, options, on_text, &result, err);
    }
    if (st == CMAT_OK && o->common.json)
        cli_print_json(result);
    else if (st == CMAT_OK)
        putchar('\n');
    json_decref(result);
    json_decref(messages);
    cmat_session_close(s);
    free(options);
    free(text);
    return st;
}

static cmat_status run_chat(void *vopts, int n_args, char **args, cmat_error *err)
{
    gen_opts *o = vopts;
    cmat_session *s = NULL;
    char *options, *line = NULL;
    json_t *messages = json_array();
    size_t cap = 0;
    ssize_t len;
    cmat_status st = generate_options_text(o, &options, err);

    (void)n_args;
    (void)args;
    if (st == CMAT_OK)
        st = cli_session_open(&s, o->model, o->adapter, o->n_ctx, err);
    if (o->system)
        add_message(messages, "system", o->system);
    if (st == CMAT_OK)
        fputs("Write a message and press Enter; an empty line or Ctrl-D ends.\n", stderr);
    while (st == CMAT_OK && (fputs("> ", stderr), len = getline(&line, &cap, stdin)) > 1) {
        json_t *result = NULL;
        line[len - 1] = line[len - 1] == '\n' ? '\0' : line[len - 1];
        add_message(messages, "user", line);
        st = chat_once(s, messages, options, print_piece, &result, err);
        putchar('\n');
        if (st == CMAT_OK)
            add_message(messages, "assistant", cmat_json_str(result, "text", ""));
        json_decref(result);
    }
    free(line);
    free(options);
    json_decref(messages);
    cmat_session_close(s);
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
        "  cmat generate --temperature 0.8 --top-p 0.9 --seed 7 --json \"A haiku on rain\"\n"
        "  cmat generate --choices \"positive,negative\" \"Is this review good? ...\"\n"
        "  cmat generate --regex \"[0-9]{4}-[0-9]{2}-[0-9]{2}\" \"When did Apollo 11 land?\"\n"
        "  cmat generate --json-schema person.json \"Describe Ada Lovelace.\"\n"
        "  cmat generate --grammar calc.gbnf --trigger \"Answer: \" \"What is 12 times 12?\"",
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
        "  cmat chat --system \"Answer in one sentence.\" --temperature 0.7\n"
        "  cmat chat --json-schema call.json --trigger \"<call>\" --trigger-end \"</call>\"",
    .options = chat_options,
    .opts_size = sizeof(gen_opts),
    .run = run_chat,
};
