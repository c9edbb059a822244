/* kernel/tables_x86.c - the tables of an x86-64 build. */
#include "kernel/plain.h"

const cmat_kernel_ops *const cmat_kernels[] = {&cmat_kernel_cpu, &cmat_kernel_avx2,
                                               &cmat_kernel_avx512, NULL};
