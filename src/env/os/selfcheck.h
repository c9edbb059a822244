/* env/os/selfcheck.h - attempts to get out of a sandbox, made in one, so that its walls are known
 * to stand here and now. */
#ifndef CMAT_ENV_OS_SELFCHECK_H
#define CMAT_ENV_OS_SELFCHECK_H
#include "env/os/sandbox.h"
#include <jansson.h>

/* Makes all attempts; *report, the caller's, is an array of {"wall", "attempt", "result": "held" |
 * "out" | "error"}. CMAT_ERR_STATE: a wall does not hold, or an attempt could not be made. *report
 * may be NULL then, when no sandbox could be opened. CMAT_ERR_IO: the sandbox does not answer; no
 * more than `seconds` (0: OS_SELFCHECK_SECONDS) are waited for it in all. */
enum { OS_SELFCHECK_SECONDS = 120 };
cmat_status os_selfcheck(os_host *host, double seconds, json_t **report, cmat_error *err);
/* The same once for a host; later calls repeat its result (not that of an interruption). */
cmat_status os_selfcheck_once(os_host *host, cmat_error *err);
#endif
