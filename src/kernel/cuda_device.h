/* kernel/cuda_device.h - the device, its stream and scratch memory, for the CUDA files. */
#ifndef CMAT_KERNEL_CUDA_DEVICE_H
#define CMAT_KERNEL_CUDA_DEVICE_H
#include "kernel/cuda.h"
#include <cuda_runtime.h>

enum { CMAT_CUDA_BLOCK = 256 }; /* threads of the elementwise kernels */

cudaStream_t cmat_cuda_stream(void);
/* Notes the first failure since the last check; true when there was none in this call. */
bool cmat_cuda_ok(cudaError_t e, const char *what);
/* After a launch. */
void cmat_cuda_launched(const char *what);
/* Notes something that this table cannot do. */
void cmat_cuda_refuse(const char *what);

/* Blocks of device memory that grow and stay; a later call with the same slot reuses the block, in
 * the stream's order. NULL: no memory (noted). */
enum {
    CMAT_CUDA_INDEX,   /* rows, positions, targets of one call */
    CMAT_CUDA_WEIGHTS, /* of the loss's rows */
    CMAT_CUDA_SUMS,    /* partial sums */
    CMAT_CUDA_TILES,   /* attention's work list */
    CMAT_CUDA_DELTA,   /* rows' dout . o */
    CMAT_CUDA_PARTS,   /* parts of dk, dv */
    CMAT_CUDA_SPACE,   /* cuBLAS's workspace */
    CMAT_CUDA_N_SLOTS
};
void *cmat_cuda_scratch(int slot, size_t bytes);
/* A copy of a host's array in the slot. */
void *cmat_cuda_send(int slot, const void *host, size_t bytes);

/* NULL, or why cuBLAS cannot be had. */
const char *cmat_cuda_blas_open(void);

/* At least one, which is what an empty array takes: a grid of none is an error. */
static inline unsigned cmat_cuda_blocks(size_t n, size_t each)
{
    const size_t blocks = (n + each - 1) / each, most = 65535 * 16;
    return (unsigned)(blocks == 0 ? 1 : blocks < most ? blocks : most);
}
#endif
