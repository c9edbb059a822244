/* kernel/cuda.c - "cuda": the table for an NVIDIA device, for tuning.
 *
 * Weights are widened to float32 once; products round their factors to TF32 (10 bits) and sum in
 * float32, 3e-4 of a row's size. Everything else is float32. */
#include "kernel/cuda.h"
#include "core/mem.h"
#include "kernel/plain.h"
#include <stdlib.h>

enum { WIDEN_BYTES = 16 << 20 }; /* widened at a time */

static void release(cmat_weight *w)
{
    cmat_cuda_free(w->prepared);
    w->prepared = NULL;
}

static void widen_rows(const cmat_weight *w, float *out, size_t first, size_t n)
{
    const cmat_type_info *info = cmat_type_get((int)w->type);
    const size_t row_bytes = cmat_weight_row_bytes(w), n_in = (size_t)w->n_in;
#pragma omp parallel for schedule(static) num_threads(cmat_threads())
    for (size_t i = 0; i < n; i++)
        info->to_f32((const char *)w->data + (first + i) * row_bytes, out + i * n_in, n_in);
}

/* One form serves all uses. */
static cmat_status prepare(cmat_weight *w, int uses, cmat_error *err)
{
    const size_t n_in = (size_t)w->n_in, n_out = (size_t)w->n_out;
    size_t bytes, step = WIDEN_BYTES / (n_in * sizeof(float));
    (void)uses;
    step = step < 1 ? 1 : step > n_out ? n_out : step;
    if (!cmat_mul(n_out * n_in, sizeof(float), &bytes) || !(w->prepared = cmat_cuda_alloc(bytes)))
        return cmat_fail(err, CMAT_ERR_NOMEM, "cuda: no memory for %zu x %zu weights", n_out, n_in);
    float *part = cmat_xmalloc(step * n_in * sizeof *part);
    for (size_t first = 0; first < n_out; first += step) {
        const size_t n = n_out - first < step ? n_out - first : step;
        widen_rows(w, part, first, n);
        cmat_cuda_upload((float *)w->prepared + first * n_in, part, n * n_in * sizeof *part);
    }
    free(part);
    return CMAT_OK;
}

static void matmul(float *y, int ldy, const float *x, int ldx, const cmat_weight *w, int T,
                   bool accumulate)
{
    cmat_cuda_gemm(false, true, T, w->n_out, w->n_in, 1, x, ldx, w->prepared, w->n_in,
                   accumulate ? 1 : 0, y, ldy);
}

static void matmul_backward(float *dx, int lddx, const float *dy, int lddy, const cmat_weight *w,
                            int T, bool accumulate)
{
    cmat_cuda_gemm(false, false, T, w->n_in, w->n_out, 1, dy, lddy, w->prepared, w->n_in,
                   accumulate ? 1 : 0, dx, lddx);
}

static void embed(float *out, const cmat_weight *w, const int32_t *ids, int n)
{
    cmat_cuda_gather(out, w->prepared, ids, n, w->n_in);
}

const cmat_kernel_ops cmat_kernel_cuda = {
    .name = "cuda",
    .available = cmat_cuda_available,
    .describe = cmat_cuda_describe,
    .device = true,
    .alloc = cmat_cuda_alloc,
    .free = cmat_cuda_free,
    .memory = cmat_cuda_memory,
    .upload = cmat_cuda_upload,
    .download = cmat_cuda_download,
    .check = cmat_cuda_check,
    .prepare = prepare,
    .release = release,
    .matmul = matmul,
    .matmul_backward = matmul_backward,
    .gemm = cmat_cuda_gemm,
    .embed = embed,
    .rmsnorm = cmat_cuda_rmsnorm,
    .rmsnorm_backward = cmat_cuda_rmsnorm_backward,
    .head_norm = cmat_cuda_head_norm,
    .head_norm_backward = cmat_cuda_head_norm_backward,
    .add_row = cmat_cuda_add_row,
    .rope = cmat_cuda_rope,
    .swiglu = cmat_cuda_swiglu,
    .swiglu_backward = cmat_cuda_swiglu_backward,
    .geglu = cmat_cuda_geglu,
    .geglu_backward = cmat_cuda_geglu_backward,
    .attention = cmat_cuda_attention,
    .attention_backward = cmat_cuda_attention_backward,
    .cross_entropy = cmat_cuda_cross_entropy,
    .adamw = cmat_cuda_adamw,
    .copy = cmat_cuda_copy,
    .zero = cmat_cuda_zero,
    .narrow = cmat_cuda_narrow,
    .widen = cmat_cuda_widen,
    .gather = cmat_cuda_gather,
    .scatter = cmat_cuda_scatter,
    .dropout = cmat_cuda_dropout,
    .norm = cmat_cuda_norm,
    .add = cmat_cuda_add,
    .scale = cmat_cuda_scale,
};
