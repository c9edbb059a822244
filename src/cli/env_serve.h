/* cli/env_serve.h - `cmat env serve`: an environment's pages for a browser. */
#ifndef CMAT_CLI_ENV_SERVE_H
#define CMAT_CLI_ENV_SERVE_H
#include "env/env.h"

/* Serves the shop with these tasks on 127.0.0.1 until SIGINT. world: as cmat_env_options.path. */
cmat_status cli_env_serve(const cmat_env *env, const char *world, const cmat_task_list *tasks,
                          int port, cmat_error *err);
#endif
