/* kernel/cuda_device.cu - finding the device, its memory, and what went wrong on it. */
#include "kernel/cuda_device.h"
#include <pthread.h>
#include <stdio.h>

enum {
    MIN_MAJOR = 8,          /* TF32 products */
    MIN_SHARED = 96 * 1024, /* of a block: attention's backward pass */
    SPARE_MEMORY = 1 << 30  /* for scratch and cuBLAS */
};

/* One device for the process: a CUDA context is one too. */
static struct {
    pthread_once_t once;
    bool available;
    char text[256]; /* the device's name, or why there is none */
    cudaStream_t stream;
    cudaError_t error;
    const char *what;    /* failed with error */
    const char *refused; /* cannot be done */
    struct {
        void *p;
        size_t size;
    } scratch[CMAT_CUDA_N_SLOTS];
} dev = {PTHREAD_ONCE_INIT};

static void find_device(void)
{
    struct cudaDeviceProp prop;
    int n = 0;
    const char *blas;
    cudaError_t e = cudaGetDeviceCount(&n);
    if (e != cudaSuccess || n == 0) {
        snprintf(dev.text, sizeof dev.text, "no device: %s",
                 e != cudaSuccess ? cudaGetErrorString(e) : "none found");
        cudaGetLastError();
        return;
    }
    if ((e = cudaGetDeviceProperties(&prop, 0)) != cudaSuccess) {
        snprintf(dev.text, sizeof dev.text, "%s", cudaGetErrorString(e));
        cudaGetLastError();
        return;
    }
    if (prop.major < MIN_MAJOR || prop.sharedMemPerBlockOptin < MIN_SHARED) {
        snprintf(dev.text, sizeof dev.text, "%s is too old", prop.name);
        return;
    }
    if ((blas = cmat_cuda_blas_open())) {
        snprintf(dev.text, sizeof dev.text, "%s, but %s", prop.name, blas);
        return;
    }
    snprintf(dev.text, sizeof dev.text, "%s, %.0f GB", prop.name,
             (double)prop.totalGlobalMem / 1e9);
    dev.available = true;
}

bool cmat_cuda_available(void)
{
    pthread_once(&dev.once, find_device);
    return dev.available;
}

const char *cmat_cuda_describe(void)
{
    pthread_once(&dev.once, find_device);
    return dev.text;
}

bool cmat_cuda_ok(cudaError_t e, const char *what)
{
    if (e == cudaSuccess)
        return true;
    if (dev.error == cudaSuccess) {
        dev.error = e;
        dev.what = what;
    }
    return false;
}

void cmat_cuda_launched(const char *what)
{
    cmat_cuda_ok(cudaGetLastError(), what);
}

void cmat_cuda_refuse(const char *what)
{
    dev.refused = what;
}

cudaStream_t cmat_cuda_stream(void)
{
    if (!dev.stream)
        cmat_cuda_ok(cudaStreamCreateWithFlags(&dev.stream, cudaStreamNonBlocking), "stream");
    return dev.stream;
}

cmat_status cmat_cuda_check(cmat_error *err)
{
    cmat_cuda_ok(cudaStreamSynchronize(cmat_cuda_stream()), "wait");
    const cudaError_t e = dev.error;
    const char *refused = dev.refused;
    dev.error = cudaSuccess;
    dev.refused = NULL;
    if (refused)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "cuda: %s: not on this device", refused);
    if (e == cudaErrorMemoryAllocation)
        return cmat_fail(err, CMAT_ERR_NOMEM, "cuda: no memory on the device (%s)", dev.what);
    if (e != cudaSuccess)
        return cmat_fail(err, CMAT_ERR_STATE, "cuda: %s: %s", dev.what, cudaGetErrorString(e));
    return CMAT_OK;
}

void *cmat_cuda_alloc(size_t bytes)
{
    void *p = NULL;
    cmat_cuda_stream();
    if (cudaMalloc(&p, bytes ? bytes : 1) == cudaSuccess)
        return p;
    cudaGetLastError(); /* the caller tells */
    return NULL;
}

void cmat_cuda_free(void *p)
{
    if (p)
        cmat_cuda_ok(cudaFree(p), "free");
}

size_t cmat_cuda_memory(void)
{
    size_t n = 0, total = 0;
    cmat_cuda_stream();
    if (!cmat_cuda_ok(cudaMemGetInfo(&n, &total), "memory"))
        return 0;
    return n > 2 * (size_t)SPARE_MEMORY ? n - SPARE_MEMORY : n / 2;
}

/* From pageable memory: the host's bytes are taken before the call returns. */
void cmat_cuda_upload(void *to, const void *host, size_t bytes)
{
    cmat_cuda_ok(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, cmat_cuda_stream()),
                 "upload");
}

void cmat_cuda_download(void *host, const void *from, size_t bytes)
{
    if (cmat_cuda_ok(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, cmat_cuda_stream()),
                     "download"))
        cmat_cuda_ok(cudaStreamSynchronize(cmat_cuda_stream()), "download");
}

void *cmat_cuda_scratch(int slot, size_t bytes)
{
    if (bytes > dev.scratch[slot].size) {
        cmat_cuda_free(dev.scratch[slot].p); /* waits for what uses it */
        dev.scratch[slot].size = 0;
        dev.scratch[slot].p = NULL;
        bytes += bytes / 2;
        if (!cmat_cuda_ok(cudaMalloc(&dev.scratch[slot].p, bytes), "scratch")) {
            cudaGetLastError();
            dev.scratch[slot].p = NULL;
            return NULL;
        }
        dev.scratch[slot].size = bytes;
    }
    return dev.scratch[slot].p;
}

void *cmat_cuda_send(int slot, const void *host, size_t bytes)
{
    void *p = cmat_cuda_scratch(slot, bytes);
    if (p)
        cmat_cuda_upload(p, host, bytes);
    return p;
}

void cmat_cuda_copy(float *y, const float *x, size_t n)
{
    cmat_cuda_ok(cudaMemcpyAsync(y, x, n * sizeof *y, cudaMemcpyDeviceToDevice, cmat_cuda_stream()),
                 "copy");
}

void cmat_cuda_zero(float *y, size_t n)
{
    cmat_cuda_ok(cudaMemsetAsync(y, 0, n * sizeof *y, cmat_cuda_stream()), "zero");
}
