/* env/os/confine.h - a bound of the kernel's own on what a whole sandbox takes: a control group for
 * each, below a place where this user may make some. Version 2, or the memory controller of version
 * 1 (and its pids controller, where it is there too). */
#ifndef CMAT_ENV_OS_CONFINE_H
#define CMAT_ENV_OS_CONFINE_H
#include "env/os/box/wire.h"
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Where groups can be made; all zero: nowhere. */
typedef struct {
    int version;              /* 1 or 2; 0: nowhere */
    char memory[PATH_MAX];    /* the folder to make them in */
    char processes[PATH_MAX]; /* the same, of version 1's pids controller; "": none */
} os_confine;
/* Looks for a place and makes a group there to see that it works; removes what dead programs left.
 */
void os_confine_find(os_confine *c);

/* The group of one sandbox; all zero: none. */
typedef struct {
    const os_confine *confine;
    char name[64];
    uint64_t memory; /* its bound in bytes */
} os_group;
/* Makes a group and puts the process into it, with all that it will start. False: none was made. */
bool os_group_open(os_group *g, const os_confine *c, pid_t pid, const box_limits *limits);
/* Ends what is still in it, and removes it. */
void os_group_close(os_group *g);
/* The most that was taken so far, and how many processes were killed for it; 0: not known. */
uint64_t os_group_peak(const os_group *g);
uint64_t os_group_killed(const os_group *g);
#endif
