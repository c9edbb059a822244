/* kernel/tables_plain.c - the tables of a build for another architecture. */
#include "kernel/plain.h"

const cmat_kernel_ops *const cmat_kernels[] = {&cmat_kernel_cpu, NULL};
