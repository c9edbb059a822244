/* cli/env_play.h - a person in the Actor's place. */
#ifndef CMAT_CLI_ENV_PLAY_H
#define CMAT_CLI_ENV_PLAY_H
#include "env/env.h"

/* Prints text of a world without terminal escapes, and a newline. */
void cli_print_inert(const cmat_buf *text);
/* Plays the tasks on the terminal, one after the other, until the input ends. */
cmat_status cli_env_play(cmat_env *env, const cmat_task_list *tasks, cmat_error *err);
#endif
