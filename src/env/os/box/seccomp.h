/* env/os/box/seccomp.h - which system calls a box may not make. */
#ifndef CMAT_ENV_OS_BOX_SECCOMP_H
#define CMAT_ENV_OS_BOX_SECCOMP_H
#include <linux/filter.h>
#include <stddef.h>

enum { BOX_FILTER_MAX = 512 };
/* Writes the filter (classic BPF, as bwrap's --seccomp reads it): its number of instructions. */
size_t box_filter(struct sock_filter out[BOX_FILTER_MAX]);
#endif
