/* cli/cli.h - the table of commands and what they share. */
#ifndef CMAT_CLI_CLI_H
#define CMAT_CLI_CLI_H
#include "cmat/cmat.h"
#include "core/option.h"
#include "model/adapter.h"
#include "model/engine.h"
#include "model/model.h"
#include <jansson.h>
#include <stdbool.h>

/* Exit statuses of the program. */
enum { CLI_OK = 0, CLI_FAILURE = 1, CLI_USAGE = 2, CLI_INTERRUPTED = 130 };

typedef struct {
    const char *name, *summary;
    const char *usage;          /* after "cmat NAME ": "[options] QUESTION" */
    const char *text;           /* what it does, then "Examples:"; shown by --help */
    const cmat_option *options; /* ended by {0}; NULL: none */
    size_t opts_size;           /* of the struct that options fill */
    int min_args, max_args;     /* positional arguments; max -1: any */
    cmat_status (*run)(void *opts, int n_args, char **args, cmat_error *err);
} cli_command;

extern const cli_command *const cli_commands[]; /* NULL at the end */

/* Options that nearly every command has: put CLI_COMMON into its struct as the first member
 * `common` and CLI_COMMON_OPTIONS at the end of its table. */
typedef struct {
    bool quiet, json, force_adapter;
    int64_t threads;
} cli_common;
#define CLI_COMMON_OPTIONS(type)                                                      \
    {"force-adapter",                                                                 \
     CMAT_OPT_BOOL,                                                                   \
     offsetof(type, common.force_adapter),                                            \
     NULL,                                                                            \
     0,                                                                               \
     0,                                                                               \
     NULL,                                                                            \
     NULL,                                                                            \
     "apply adapters of another base or tokenizer all the same",                      \
     0},                                                                              \
        {"threads", CMAT_OPT_INT, offsetof(type, common.threads), "0", 0, 1024,       \
         NULL,      "N",          "threads; 0: one a core",       't'},               \
        {"json", CMAT_OPT_BOOL, offsetof(type, common.json), NULL, 0, 0,              \
         NULL,   NULL,          "print the result as JSON",  0},                      \
    {                                                                                 \
        "quiet", CMAT_OPT_BOOL, offsetof(type, common.quiet), NULL, 0, 0, NULL, NULL, \
            "no progress bars, warnings only", 'q'                                    \
    }

/* A model with what goes with it: opened by name or path, the default one when name is NULL, its
 * weights prepared, an adapter folder applied when given. */
typedef struct {
    cmat_model *model;
    cmat_adapter *adapter;
    cmat_engine *engine;
} cli_model;
cmat_status cli_model_open(cli_model *m, const char *name, const char *adapter_dir,
                           const cmat_engine_options *eo, cmat_error *err);
void cli_model_close(cli_model *m);

/* A session on the default model or another, and a call's options as the public API takes them:
 * JSON text, the caller's to free(). */
cmat_status cli_session_open(cmat_session **out, const char *model, const char *adapter,
                             int64_t n_ctx, cmat_error *err);
char *cli_options_text(const cmat_option *table, const void *opts);
/* A result of the public API as JSON; frees the text. */
json_t *cli_take_result(char *text);

/* The table before and after, and where the report is. */
void cli_print_evolve_summary(const json_t *summary, const char *run_dir, const char *database);

/* Prints j on stdout, indented. */
void cli_print_json(const json_t *j);
/* Asks on the terminal; false when there is none to answer or the answer is not yes. */
bool cli_confirm(const char *question);
/* Takes the file's text, or standard input for "-"; the caller's to free(). */
cmat_status cli_read_input(const char *path, char **text, size_t *len, cmat_error *err);
#endif
