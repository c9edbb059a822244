/* cmd_export.c - `cmat export`: a model or an adapter in another program's format. */
#include "api/api.h"
#include "cli/commands.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
    cli_common common;
    char *model;
    cmat_session_export_options export;
} export_opts;

static const cmat_option options[] = {
    {"model", CMAT_OPT_STR, offsetof(export_opts, model), NULL, 0, 0, NULL, "FILE",
     "model file or name; of an adapter, the base it was trained on", 'm'},
    CMAT_OPTION_TABLE(offsetof(export_opts, export), cmat_session_export_option_table),
    CLI_COMMON_OPTIONS(export_opts),
    {0},
};

static void print_result(const json_t *j)
{
    char size[32];

    cmat_text_bytes(size, sizeof size, cmat_json_num(j, "bytes", 0));
    printf("%s: %s %s, %s\n", cmat_json_str(j, "out", ""), cmat_json_str(j, "format", ""),
           cmat_json_str(j, "type", ""), size);
    printf(
        "read back and compared with its source on %lld tokens: mean KL %.2g nats a token (bound "
        "%.2g), largest difference of logits %.2g, same likeliest token %.1f %%\n",
        (long long)cmat_json_int(j, "tokens", 0), cmat_json_num(j, "mean_kl", 0),
        cmat_json_num(j, "max_kl", 0), cmat_json_num(j, "max_diff", 0),
        100 * cmat_json_num(j, "same_top", 0));
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    export_opts *o = vopts;
    cmat_session *s = NULL;
    char *text, *result = NULL;
    cmat_status st;

    if (n_args == 2 && o->export.adapter)
        return cmat_fail(err, CMAT_ERR_ARG, "two adapters: %s and %s", o->export.adapter, args[0]);
    if (n_args == 2)
        o->export.adapter = cmat_xstrdup(args[0]);
    text = cli_options_text(cmat_session_export_option_table, &o->export);
    st = cli_session_open(&s, o->model, NULL, 4096, err);
    if (st == CMAT_OK)
        st = cmat_session_export(s, args[n_args - 1], text, &result, err);
    if (st == CMAT_OK) {
        json_t *j = cli_take_result(result);
        if (o->common.json)
            cli_print_json(j);
        else if (!o->common.quiet)
            print_result(j);
        json_decref(j);
    }
    cmat_session_close(s);
    free(text);
    return st;
}

const cli_command cli_export = {
    .name = "export",
    .summary = "write a model or an adapter for llama.cpp, transformers or peft",
    .usage = "[options] [ADAPTER] OUT",
    .text =
        "Writes an adapter (a PEFT folder or a GGUF LoRA file) in another format, or a model with "
        "the\n"
        "adapter merged into its weights, or a model alone in another type. What was written is "
        "read back\n"
        "and its logits are compared with those of base and adapter; a file too far from them is "
        "an error\n"
        "and does not stay.\n\n"
        "Examples:\n"
        "  cmat export runs/shop/adapters/actor actor.gguf\n"
        "  cmat export --format peft runs/shop/adapters/actor actor-peft\n"
        "  cmat export --type Q4_K_M runs/shop/adapters/actor shop-agent.gguf\n"
        "  cmat export --format safetensors runs/shop/adapters/actor shop-agent\n"
        "  cmat export --type Q8_0 --model big.gguf big-q8.gguf\n"
        "  cmat export --format gguf --type Q4_K_M --model hf:OWNER/NAME name-q4.gguf\n"
        "  cmat export --format safetensors --type BF16 --model big.gguf big-folder",
    .options = options,
    .opts_size = sizeof(export_opts),
    .min_args = 1,
    .max_args = 2,
    .run = run,
};
