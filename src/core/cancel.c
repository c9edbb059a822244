/* cancel.c - SIGINT and SIGTERM as a flag. */
#include "core/cancel.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t cancelled; /* the one piece of process-wide state a signal may touch */

static void on_signal(int sig)
{
    if (cancelled)
        _exit(128 + sig);
    cancelled = 1;
}

void cmat_cancel_install(void)
{
    struct sigaction sa = {.sa_handler = on_signal};
    sigemptyset(&sa.sa_mask);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void cmat_cancel_set(bool on)
{
    cancelled = on;
}

bool cmat_cancelled(void)
{
    return cancelled != 0;
}

double cmat_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
