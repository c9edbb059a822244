/* kernel/cuda_matmul.cu - products through cuBLAS, which is looked for when it is first needed: a
 * program that finds none still runs on the processor.
 *
 * cuBLAS is column-major: a row-major C = op(A) op(B) is its C^T = op(B)^T op(A)^T, whose factors
 * are B and A as they lie in memory. */
#include "kernel/cuda_device.h"
#include <cublas_v2.h>
#include <dlfcn.h>

/* The version that this file was compiled for: the functions' types are its. */
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define BLAS_NAME "libcublas.so." TEXT(CUBLAS_VER_MAJOR)

enum { WORKSPACE = 64 << 20 }; /* of a fixed size, so that the same algorithms are always chosen */

typedef cublasStatus_t (*gemm_ex_fn)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int,
                                     int, const void *, const void *, cudaDataType, int,
                                     const void *, cudaDataType, int, const void *, void *,
                                     cudaDataType, int, cublasComputeType_t, cublasGemmAlgo_t);

static struct {
    decltype(&cublasCreate_v2) create;
    decltype(&cublasSetStream_v2) set_stream;
    decltype(&cublasSetWorkspace_v2) set_workspace;
    gemm_ex_fn gemm_ex;
    cublasHandle_t handle;
} blas;

const char *cmat_cuda_blas_open(void)
{
    static const char *const names[] = {BLAS_NAME, CMAT_CUDA_LIB "/" BLAS_NAME, NULL};
    void *lib = NULL;
    for (int i = 0; names[i] && !lib; i++)
        lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return BLAS_NAME " is not found";
    blas.create = (decltype(blas.create))dlsym(lib, "cublasCreate_v2");
    blas.set_stream = (decltype(blas.set_stream))dlsym(lib, "cublasSetStream_v2");
    blas.set_workspace = (decltype(blas.set_workspace))dlsym(lib, "cublasSetWorkspace_v2");
    blas.gemm_ex = (gemm_ex_fn)dlsym(lib, "cublasGemmEx");
    if (!blas.create || !blas.set_stream || !blas.set_workspace || !blas.gemm_ex)
        return "its libcublas lacks a function";
    return NULL;
}

static bool start(void)
{
    if (blas.handle)
        return true;
    void *space = cmat_cuda_scratch(CMAT_CUDA_SPACE, WORKSPACE);
    if (!space)
        return false;
    if (blas.create(&blas.handle) != CUBLAS_STATUS_SUCCESS) {
        blas.handle = NULL;
        return cmat_cuda_ok(cudaErrorInitializationError, "cuBLAS");
    }
    /* the stream first: setting it puts the default workspace back */
    return cmat_cuda_ok(blas.set_stream(blas.handle, cmat_cuda_stream()) == CUBLAS_STATUS_SUCCESS &&
                                blas.set_workspace(blas.handle, space, WORKSPACE) ==
                                    CUBLAS_STATUS_SUCCESS
                            ? cudaSuccess
                            : cudaErrorInitializationError,
                        "cuBLAS");
}

void cmat_cuda_gemm(bool ta, bool tb, int M, int N, int K, float alpha, const float *A, int lda,
                    const float *B, int ldb, float beta, float *C, int ldc)
{
    if (!start())
        return;
    const cublasStatus_t st =
        blas.gemm_ex(blas.handle, tb ? CUBLAS_OP_T : CUBLAS_OP_N, ta ? CUBLAS_OP_T : CUBLAS_OP_N, N,
                     M, K, &alpha, B, CUDA_R_32F, ldb, A, CUDA_R_32F, lda, &beta, C, CUDA_R_32F,
                     ldc, CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_GEMM_DEFAULT);
    cmat_cuda_ok(st == CUBLAS_STATUS_SUCCESS ? cudaSuccess : cudaErrorLaunchFailure, "product");
}
