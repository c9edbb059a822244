/* cmd_export.c - `cmat export`: an adapter in another program's format. */
#include "cli/commands.h"

#include <stdio.h>

typedef struct {
    cli_common common;
    char *model;
    int format;
} export_opts;

enum { FORMAT_GGUF_LORA, FORMAT_PEFT, FORMAT_PEFT_F16 };
static const cmat_option options[] = {
    {"model", CMAT_OPT_STR, offsetof(export_opts, model), NULL, 0, 0, NULL, "FILE",
     "the base that the adapter was trained on", 'm'},
    {"format", CMAT_OPT_ENUM, offsetof(export_opts, format), "gguf-lora", 0, 0,
     "gguf-lora|peft|peft-f16", NULL,
     "gguf-lora: for llama.cpp; peft: for Python's peft (peft-f16: half the size)", 0},
    CLI_COMMON_OPTIONS(export_opts),
    {0},
};

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    export_opts *o = vopts;
    cli_model m;
    cmat_status st = cli_model_open(&m, o->model, args[0], NULL, err);

    (void)n_args;
    if (st != CMAT_OK)
        return st;
    st = o->format == FORMAT_PEFT ? cmat_adapter_save(m.adapter, args[1], err)
         : o->format == FORMAT_PEFT_F16
             ? cmat_adapter_save_as(m.adapter, args[1], CMAT_TYPE_F16, err)
             : cmat_adapter_export_gguf(m.adapter, args[1], err);
    if (st == CMAT_OK && !o->common.quiet)
        puts(args[1]);
    cli_model_close(&m);
    return st;
}

const cli_command cli_export = {
    .name = "export",
    .summary = "write an adapter for llama.cpp or peft",
    .usage = "[options] ADAPTER_DIR OUT",
    .text =
        "Reads a PEFT adapter folder, checks it against its base, and writes it anew.\n\n"
        "Examples:\n"
        "  cmat export runs/shop/adapters/actor actor.gguf\n"
        "  cmat export --format peft runs/shop/adapters/actor actor-peft",
    .options = options,
    .opts_size = sizeof(export_opts),
    .min_args = 2,
    .max_args = 2,
    .run = run,
};
