/* env/os/sandbox.h - a computer of one's own for an episode: files, processes, a shell.
 *
 * An os_host is what all sandboxes of a process share: where bubblewrap is, how ids are mapped. An
 * os_sandbox has a file system that begins the same each time, and in it a box: its own user,
 * mount, pid, network, ipc and uts namespaces, a filter of system calls, limits. Behind it stand
 * three processes (box/wire.h); whatever happens to the program, they end with it, and nothing
 * has a name on the host's disk. */
#ifndef CMAT_ENV_OS_SANDBOX_H
#define CMAT_ENV_OS_SANDBOX_H
#include "cmat/error.h"
#include "core/buf.h"
#include "env/os/box/wire.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct os_host os_host;
/* CMAT_ERR_UNSUPPORTED, in one line: bubblewrap is missing, or the system has no user namespaces.
 * Environment: CMAT_OS_ROOT, a folder with a whole system (debootstrap makes one) to use instead
 * of the host's /usr. */
cmat_status os_host_open(os_host **out, cmat_error *err);
os_host *os_host_ref(os_host *h);
void os_host_unref(os_host *h); /* accepts NULL */
/* How many users and groups a box can tell apart: 1, or 65536. */
int os_host_ids(const os_host *h);
/* The version of control groups that bound what a sandbox takes; 0: it is only watched. What holds
 * is known once a sandbox has been opened. */
int os_host_confined(const os_host *h);

extern const box_limits os_limits_default; /* of an episode */
extern const box_limits os_limits_small;   /* of the self-check, which runs into all of them */

typedef struct os_sandbox os_sandbox;
/* On success *out is the caller's (os_sandbox_close); it holds a reference to the host. */
cmat_status os_sandbox_open(os_sandbox **out, os_host *host, const box_limits *limits,
                            cmat_error *err);
void os_sandbox_close(os_sandbox *s); /* accepts NULL; ends everything in it */
/* Waits for answers for so long, in all further calls together; without it each call has a limit of
 * its own. */
void os_sandbox_set_patience(os_sandbox *s, double seconds);
/* The first file system again, a new box, a new shell in cwd. */
cmat_status os_sandbox_fresh(os_sandbox *s, const char *cwd, cmat_error *err);
/* Says that step k (1, 2, ...) begins: files changed from now on count as its. */
void os_sandbox_mark(os_sandbox *s, int step);

typedef struct {
    const char *const *argv; /* ended by NULL: a process of its own; NULL: script in the shell */
    const char *script;
    const char *cwd;  /* of the process */
    double timeout;   /* seconds */
    size_t cap;       /* bytes of output kept; 0: 64 KiB */
    bool trial;       /* in the trial's box */
    bool with_errors; /* a process's stderr is kept too (a shell's always is) */
} os_run;

typedef struct {
    cmat_buf out;   /* what was printed, at most cap bytes, as it came */
    uint64_t total; /* bytes printed */
    int status;     /* exit status; 128 + signal */
    uint32_t flags; /* BOX_TIMED_OUT ... */
    bool died;      /* the whole box ended; the next run starts it again */
} os_output;
void os_output_clear(os_output *o);
/* What goes wrong inside is output, not an error. CMAT_ERR_CANCELLED: the program is to end. */
cmat_status os_sandbox_run(os_sandbox *s, const os_run *r, os_output *out, cmat_error *err);
/* The shell's folder. Borrowed until the next run. */
const char *os_sandbox_cwd(const os_sandbox *s);

/* A trial: a second box on top of the file system as it is, with a shell that knows what the
 * episode's knows. Nothing that happens in it is seen outside, and it is gone at its end.
 * Processes are not in it. */
cmat_status os_sandbox_trial_begin(os_sandbox *s, cmat_error *err);
/* Ends its processes and appends its changes: lines "A 12 /path" (new), "M 12 /path" (changed, now
 * 12 bytes), "D 0 /path" (gone), sorted, at most 200. */
cmat_status os_sandbox_trial_changes(os_sandbox *s, cmat_buf *out, cmat_error *err);
void os_sandbox_trial_end(os_sandbox *s);

/* Appends the file system's difference from the first one and what the shell knows. Equal states
 * give equal bytes (a file's time counts as the step in which it was set). CMAT_ERR_STATE: a
 * background process runs, which cannot be saved. */
cmat_status os_sandbox_save(os_sandbox *s, cmat_buf *out, cmat_error *err);
cmat_status os_sandbox_load(os_sandbox *s, const void *state, size_t len, cmat_error *err);
#endif
