/* env/os/sandbox_impl.h - between host.c and sandbox.c. */
#ifndef CMAT_ENV_OS_SANDBOX_IMPL_H
#define CMAT_ENV_OS_SANDBOX_IMPL_H
#include "env/os/confine.h"
#include "env/os/sandbox.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

struct os_host {
    atomic_int refs;
    char *bwrap, *root; /* full paths; root "": the host's /usr */
    int helper;         /* the helper program, a sealed file in memory */
    uid_t uid;
    gid_t gid;
    uint32_t drop_uid;           /* not 0: what root becomes first */
    uint32_t lent_uid, lent_gid; /* first of the ids that /etc/subuid and subgid lend */
    bool many_ids;
    os_confine confine;
    atomic_bool unconfined; /* a sandbox could not be put into a group: it is only watched */
    pthread_mutex_t mutex;  /* of the two below */
    bool checked;           /* the self-check has been made: its result */
    cmat_error check;
};

/* Writes the maps of process pid's new user namespace: its root is this user (root: drop_uid). */
cmat_status os_host_map_ids(const os_host *h, pid_t pid, cmat_error *err);
const os_group *os_sandbox_group(const os_sandbox *s);
#endif
