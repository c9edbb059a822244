/* env/os/box/procs.h - the processes of a box, as its process 1 sees them in /proc. */
#ifndef CMAT_ENV_OS_BOX_PROCS_H
#define CMAT_ENV_OS_BOX_PROCS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    pid_t pid;
    uint64_t start; /* clock ticks after boot: with it a number used again is told apart */
} box_proc;
typedef struct {
    box_proc *items;
    size_t n, cap;
} box_procs; /* all zero is empty */
void box_procs_list(box_procs *p);
void box_procs_clear(box_procs *p);

typedef struct {
    uint64_t resident; /* bytes, all but process 1; shared pages count in each */
    size_t n;
} box_procs_sum;
void box_procs_add_up(box_procs_sum *sum);

/* Kills every process that is not in `before` (NULL: empty) but process 1 and `keep`; how many. */
size_t box_procs_kill_new(const box_procs *before, pid_t keep);
/* How many there are but process 1 and the shell. */
size_t box_procs_others(pid_t shell);
#endif
