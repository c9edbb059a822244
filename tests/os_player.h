/* tests/os_player.h - the os environment in tests: all sandboxes of a test program share one host,
 * whose walls are not tried again in each: test_os_box does that. */
#ifndef OS_PLAYER_H
#define OS_PLAYER_H
#include "env/env.h"

/* Can a sandbox be opened here? A line says why not. */
bool os_player_works(void);
cmat_env *os_player_open(const char *style);
/* A task that is answered with 42. */
cmat_task os_player_task(void);
int os_player_end(void **state); /* a group's teardown */
#endif
