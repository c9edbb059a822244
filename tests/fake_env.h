/* fake_env.h - a tiny environment for tests of the agent layer.
 *
 * Replies: "look" shows the task's "world" text; "say X" ends the episode, right when X is the
 * task's "gold"; "fail" is an error; "break" ends the world; "forbidden" is an invalid action;
 * anything else has an invalid format and ends the episode. A dry run finds "badcol" in an action
 * wrong and notes "zero". */
#ifndef FAKE_ENV_H
#define FAKE_ENV_H
#include "env/env.h"
extern const cmat_env_ops fake_env_ops;
/* Adds a task {"id", "kind", "instruction", "gold", "world"}. */
void fake_task(cmat_task_list *l, const char *id, const char *kind, const char *gold,
               const char *world);
/* Folder of a test's own under $TMPDIR; the caller's to free(). */
char *fake_temp_dir(void);
#endif
