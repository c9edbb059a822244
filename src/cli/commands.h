/* cli/commands.h - the commands, one a file. */
#ifndef CMAT_CLI_COMMANDS_H
#define CMAT_CLI_COMMANDS_H
#include "cli/cli.h"

extern const cli_command cli_pull, cli_chat, cli_generate_command, cli_logprobs, cli_ask, cli_env,
    cli_tune, cli_data, cli_eval, cli_evolve, cli_report, cli_memory, cli_bench, cli_export,
    cli_doctor;
#endif
