/* env/os/box/root.h - the file system that every episode begins with.
 *
 * Without a root folder of its own it is the host's /usr, read-only below an overlay, and a small
 * /etc, /home, /root, /var and so on made here, with nothing of the host's in them but what
 * programs need to run (alternatives, PAM's rules, the linker's cache). Of /usr/share and /usr/lib
 * only what a small system has is shown, so that `find /` ends soon and finds no desktop. */
#ifndef CMAT_ENV_OS_BOX_ROOT_H
#define CMAT_ENV_OS_BOX_ROOT_H
#include "env/os/box/wire.h"
#include <stdbool.h>

/* Makes the base (lower layers): dir/base for /, dir/usr and dir/mask for /usr. False with errno's
 * reason: *what could not be made. */
bool box_root_make(const char *dir, const char **what);
/* Sets a path's times to those that everything here begins with. */
void box_root_age(const char *path);
#endif
