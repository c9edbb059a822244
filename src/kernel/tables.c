/* kernel/tables.c - the tables of this build: meson.build says which. */
#include "kernel/plain.h"

const cmat_kernel_ops *const cmat_kernels[] = {CMAT_KERNEL_TABLES NULL};
