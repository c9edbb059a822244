/* core/cancel.h - SIGINT and SIGTERM as a flag that long loops ask. */
#ifndef CMAT_CORE_CANCEL_H
#define CMAT_CORE_CANCEL_H
#include <stdbool.h>

/* Installs the handlers: the first signal sets the flag, the second ends the process at once. */
void cmat_cancel_install(void);
void cmat_cancel_set(bool on); /* the flag itself; may be called from a signal handler */
bool cmat_cancelled(void);
/* Seconds from some fixed point, monotonic. */
double cmat_now(void);
#endif
