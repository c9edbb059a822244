/* commands.c - the one list of commands. */
#include "cli/commands.h"

const cli_command *const cli_commands[] = {
    &cli_pull,     &cli_doctor, &cli_evolve, &cli_ask,    &cli_eval, &cli_tune,
    &cli_data,     &cli_report, &cli_env,    &cli_memory, &cli_chat, &cli_generate_command,
    &cli_logprobs, &cli_export, &cli_bench,  NULL,
};
