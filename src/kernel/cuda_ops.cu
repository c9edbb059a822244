/* kernel/cuda_ops.cu - norms, rope, SwiGLU, AdamW and the moving of rows on the device.
 *
 * The formulas stand in cpu.c. Elementwise kernels run over a grid of any size; sums of a row are
 * taken by one warp, in an order that depends on the row's width alone. */
#include "kernel/cuda_device.h"
#include <math.h>

enum { WARP = 32, WARPS = CMAT_CUDA_BLOCK / WARP, COLUMNS = 32, NORM_BLOCKS = 1024 };

/* Runs body for i = 0..n-1 over the whole grid. */
#define EACH(i, n)                                                                  \
    for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < (size_t)(n); \
         i += (size_t)gridDim.x * blockDim.x)

static unsigned grid(size_t n)
{
    return cmat_cuda_blocks(n, CMAT_CUDA_BLOCK);
}

static __device__ float warp_sum(float x)
{
    for (int step = WARP / 2; step; step /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

/* ---- norms: one warp a row ---- */

static __global__ void rmsnorm_kernel(float *y, float *inv_rms, const float *x, const float *g,
                                      int T, int D, float eps)
{
    const int t = (int)(blockIdx.x * WARPS + threadIdx.x / WARP), lane = (int)threadIdx.x % WARP;
    if (t >= T)
        return;
    const float *xt = x + (size_t)t * D;
    float *yt = y + (size_t)t * D, sum = 0;
    for (int i = lane; i < D; i += WARP)
        sum += xt[i] * xt[i];
    const float inv = 1 / sqrtf(warp_sum(sum) / (float)D + eps);
    for (int i = lane; i < D; i += WARP)
        yt[i] = xt[i] * inv * g[i];
    if (inv_rms && lane == 0)
        inv_rms[t] = inv;
}

static __global__ void rmsnorm_dx_kernel(float *dx, const float *dy, const float *x, const float *g,
                                         const float *inv_rms, int T, int D)
{
    const int t = (int)(blockIdx.x * WARPS + threadIdx.x / WARP), lane = (int)threadIdx.x % WARP;
    if (t >= T)
        return;
    const size_t at = (size_t)t * D;
    const float inv = inv_rms[t];
    float sum = 0;
    for (int i = lane; i < D; i += WARP)
        sum += g[i] * dy[at + i] * x[at + i] * inv;
    const float mean = warp_sum(sum) / (float)D;
    for (int i = lane; i < D; i += WARP)
        dx[at + i] += inv * (g[i] * dy[at + i] - x[at + i] * inv * mean);
}

/* A block takes COLUMNS columns; its WARPS rows of threads every WARPS-th row of x. */
static __global__ void rmsnorm_dg_kernel(float *dg, const float *dy, const float *x,
                                         const float *inv_rms, int T, int D)
{
    __shared__ float part[WARPS][COLUMNS];
    const int lane = (int)threadIdx.x % COLUMNS, first = (int)threadIdx.x / COLUMNS;
    const int i = (int)blockIdx.x * COLUMNS + lane;
    float sum = 0;
    for (int t = first; i < D && t < T; t += WARPS)
        sum += dy[(size_t)t * D + i] * x[(size_t)t * D + i] * inv_rms[t];
    part[first][lane] = sum;
    __syncthreads();
    if (first || i >= D)
        return;
    for (int w = 1; w < WARPS; w++)
        sum += part[w][lane];
    dg[i] += sum;
}

void cmat_cuda_rmsnorm(float *y, float *inv_rms, const float *x, const float *g, int T, int D,
                       float eps)
{
    rmsnorm_kernel<<<cmat_cuda_blocks((size_t)T, WARPS), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(
        y, inv_rms, x, g, T, D, eps);
    cmat_cuda_launched("rmsnorm");
}

void cmat_cuda_rmsnorm_backward(float *dx, float *dg, const float *dy, const float *x,
                                const float *g, const float *inv_rms, int T, int D)
{
    rmsnorm_dx_kernel<<<cmat_cuda_blocks((size_t)T, WARPS), CMAT_CUDA_BLOCK, 0,
                        cmat_cuda_stream()>>>(dx, dy, x, g, inv_rms, T, D);
    if (dg)
        rmsnorm_dg_kernel<<<cmat_cuda_blocks((size_t)D, COLUMNS), CMAT_CUDA_BLOCK, 0,
                            cmat_cuda_stream()>>>(dg, dy, x, inv_rms, T, D);
    cmat_cuda_launched("rmsnorm_backward");
}

/* One warp a head. */
static __global__ void head_norm_kernel(float *x, int ldx, float *inv_rms, const float *g, int n,
                                        int n_heads, int d, float eps)
{
    const int at = (int)(blockIdx.x * WARPS + threadIdx.x / WARP), lane = (int)threadIdx.x % WARP;
    if (at >= n)
        return;
    float *xh = x + (size_t)(at / n_heads) * ldx + at % n_heads * d, sum = 0;
    for (int i = lane; i < d; i += WARP)
        sum += xh[i] * xh[i];
    const float inv = 1 / sqrtf(warp_sum(sum) / (float)d + eps);
    for (int i = lane; i < d; i += WARP)
        xh[i] *= inv * g[i];
    if (inv_rms && lane == 0)
        inv_rms[at] = inv;
}

static __global__ void head_norm_dx_kernel(float *dx, int lddx, const float *x, int ldx,
                                           const float *g, const float *inv_rms, int n, int n_heads,
                                           int d)
{
    const int at = (int)(blockIdx.x * WARPS + threadIdx.x / WARP), lane = (int)threadIdx.x % WARP;
    if (at >= n)
        return;
    float *dxh = dx + (size_t)(at / n_heads) * lddx + at % n_heads * d, sum = 0;
    const float *xh = x + (size_t)(at / n_heads) * ldx + at % n_heads * d, inv = inv_rms[at];
    for (int i = lane; i < d; i += WARP)
        sum += g[i] * dxh[i] * xh[i] * inv;
    const float mean = warp_sum(sum) / (float)d;
    for (int i = lane; i < d; i += WARP)
        dxh[i] = inv * (g[i] * dxh[i] - xh[i] * inv * mean);
}

void cmat_cuda_head_norm(float *x, int ldx, float *inv_rms, const float *g, int T, int n_heads,
                         int d, float eps)
{
    const int n = T * n_heads;
    head_norm_kernel<<<cmat_cuda_blocks((size_t)n, WARPS), CMAT_CUDA_BLOCK, 0,
                       cmat_cuda_stream()>>>(x, ldx, inv_rms, g, n, n_heads, d, eps);
    cmat_cuda_launched("head_norm");
}

void cmat_cuda_head_norm_backward(float *dx, int lddx, const float *x, int ldx, const float *g,
                                  const float *inv_rms, int T, int n_heads, int d)
{
    const int n = T * n_heads;
    head_norm_dx_kernel<<<cmat_cuda_blocks((size_t)n, WARPS), CMAT_CUDA_BLOCK, 0,
                          cmat_cuda_stream()>>>(dx, lddx, x, ldx, g, inv_rms, n, n_heads, d);
    cmat_cuda_launched("head_norm_backward");
}

/* ---- elementwise ---- */

static __global__ void add_row_kernel(float *y, int ldy, const float *row, int T, int n)
{
    EACH(at, (size_t)T * n)
    y[at / n * ldy + at % n] += row[at % n];
}

void cmat_cuda_add_row(float *y, int ldy, const float *row, int T, int n)
{
    add_row_kernel<<<grid((size_t)T * n), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(y, ldy, row, T,
                                                                                    n);
    cmat_cuda_launched("add_row");
}

static __global__ void rope_kernel(float *x, int ldx, const float *cos_sin, const int32_t *pos,
                                   int T, int n_heads, int d, int step, int other, float sign)
{
    const int half = d / 2, row = n_heads * half;
    EACH(at, (size_t)T * row)
    {
        const size_t t = at / row;
        const int j = (int)(at % row), h = j / half, i = j % half;
        const float *cs = cos_sin + (size_t)pos[t] * d + 2 * i;
        float *xh = x + t * ldx + (size_t)h * d + (size_t)i * step;
        const float c = cs[0], s = sign * cs[1], a = xh[0], b = xh[other];
        xh[0] = a * c - b * s;
        xh[other] = a * s + b * c;
    }
}

void cmat_cuda_rope(float *x, int ldx, const float *cos_sin, const int32_t *pos, int T, int n_heads,
                    int d, bool neox, bool inverse)
{
    const int32_t *p =
        (const int32_t *)cmat_cuda_send(CMAT_CUDA_INDEX, pos, (size_t)T * sizeof *pos);
    if (!p)
        return;
    rope_kernel<<<grid((size_t)T * n_heads * (d / 2)), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(
        x, ldx, cos_sin, p, T, n_heads, d, neox ? 1 : 2, neox ? d / 2 : 1, inverse ? -1.0f : 1.0f);
    cmat_cuda_launched("rope");
}

static __device__ float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static __global__ void swiglu_kernel(float *h, const float *gate, const float *up, size_t n)
{
    EACH(i, n)
    h[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

static __global__ void swiglu_backward_kernel(float *dgate, float *dup, const float *dh,
                                              const float *gate, const float *up, size_t n)
{
    EACH(i, n)
    {
        const float g = gate[i], u = up[i], s = sigmoid(g), dhi = dh[i];
        dgate[i] = dhi * u * s * (1 + g * (1 - s));
        dup[i] = dhi * g * s;
    }
}

void cmat_cuda_swiglu(float *h, const float *gate, const float *up, int T, int F)
{
    const size_t n = (size_t)T * F;
    swiglu_kernel<<<grid(n), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(h, gate, up, n);
    cmat_cuda_launched("swiglu");
}

void cmat_cuda_swiglu_backward(float *dgate, float *dup, const float *dh, const float *gate,
                               const float *up, int T, int F)
{
    const size_t n = (size_t)T * F;
    swiglu_backward_kernel<<<grid(n), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(dgate, dup, dh,
                                                                                gate, up, n);
    cmat_cuda_launched("swiglu_backward");
}

static __device__ float gelu_sigmoid(float g)
{
    return sigmoid(1.5957691216f * (g + 0.044715f * g * g * g));
}

static __global__ void geglu_kernel(float *h, const float *gate, const float *up, size_t n)
{
    EACH(i, n)
    h[i] = gate[i] * gelu_sigmoid(gate[i]) * up[i];
}

static __global__ void geglu_backward_kernel(float *dgate, float *dup, const float *dh,
                                             const float *gate, const float *up, size_t n)
{
    EACH(i, n)
    {
        const float g = gate[i], u = up[i], s = gelu_sigmoid(g), dhi = dh[i];
        const float dz = 1.5957691216f * (1 + 3 * 0.044715f * g * g);
        dgate[i] = dhi * u * s * (1 + g * (1 - s) * dz);
        dup[i] = dhi * g * s;
    }
}

void cmat_cuda_geglu(float *h, const float *gate, const float *up, int T, int F)
{
    const size_t n = (size_t)T * F;
    geglu_kernel<<<grid(n), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(h, gate, up, n);
    cmat_cuda_launched("geglu");
}

void cmat_cuda_geglu_backward(float *dgate, float *dup, const float *dh, const float *gate,
                              const float *up, int T, int F)
{
    const size_t n = (size_t)T * F;
    geglu_backward_kernel<<<grid(n), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(dgate, dup, dh, gate,
                                                                               up, n);
    cmat_cuda_launched("geglu_backward");
}

static __global__ void narrow_kernel(uint16_t *y, const float *x, size_t n)
{
    EACH(i, n)
    {
        const uint32_t u = __float_as_uint(x[i]);
        y[i] = (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
    }
}

static __global__ void widen_kernel(float *y, const uint16_t *x, size_t n)
{
    EACH(i, n)
    y[i] = __uint_as_float((uint32_t)x[i] << 16);
}

static __global__ void add_kernel(float *y, const float *x, size_t n)
{
    EACH(i, n)
    y[i] += x[i];
}

static __global__ void scale_kernel(float *y, float s, size_t n)
{
    EACH(i, n)
    y[i] *= s;
}

void cmat_cuda_narrow(uint16_t *y, const float *x, size_t n)
{
    narrow_kernel<<<grid(n), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(y, x, n);
    cmat_cuda_launched("narrow");
}

void cmat_cuda_widen(float *y, const uint16_t *x, size_t n)
{
    widen_kernel<<<grid(n), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(y, x, n);
    cmat_cuda_launched("widen");
}

void cmat_cuda_add(float *y, const float *x, size_t n)
{
    add_kernel<<<grid(n), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(y, x, n);
    cmat_cuda_launched("add");
}

void cmat_cuda_scale(float *y, float s, size_t n)
{
    scale_kernel<<<grid(n), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(y, s, n);
    cmat_cuda_launched("scale");
}

/* ---- rows ---- */

static __global__ void gather_kernel(float *y, const float *x, const int32_t *rows, int n, int D)
{
    EACH(at, (size_t)n * D)
    y[at] = x[(size_t)rows[at / D] * D + at % D];
}

static __global__ void scatter_kernel(float *y, const float *x, const int32_t *rows, int n, int D)
{
    EACH(at, (size_t)n * D)
    y[(size_t)rows[at / D] * D + at % D] = x[at];
}

void cmat_cuda_gather(float *y, const float *x, const int32_t *rows, int n, int D)
{
    const int32_t *r =
        (const int32_t *)cmat_cuda_send(CMAT_CUDA_INDEX, rows, (size_t)n * sizeof *rows);
    if (!r)
        return;
    gather_kernel<<<grid((size_t)n * D), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(y, x, r, n, D);
    cmat_cuda_launched("gather");
}

void cmat_cuda_scatter(float *y, const float *x, const int32_t *rows, int n, int D)
{
    const int32_t *r =
        (const int32_t *)cmat_cuda_send(CMAT_CUDA_INDEX, rows, (size_t)n * sizeof *rows);
    if (!r)
        return;
    scatter_kernel<<<grid((size_t)n * D), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(y, x, r, n, D);
    cmat_cuda_launched("scatter");
}

static __device__ uint64_t mix(uint64_t z)
{ /* as in host.c: the processor's choices */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static __global__ void dropout_kernel(float *y, int ldy, const float *x, int ldx, int n, int width,
                                      uint64_t below, float up, uint64_t seed, int row,
                                      bool accumulate)
{
    EACH(at, (size_t)n * width)
    {
        const size_t i = at / width, j = at % width;
        const uint64_t base = mix(seed + 0x9e3779b97f4a7c15ULL * (uint64_t)(row + (int)i + 1));
        const float v = (mix(base + j) >> 32) < below ? 0.0f : x[i * ldx + j] * up;
        float *out = y + i * ldy + j;
        *out = accumulate ? *out + v : v;
    }
}

void cmat_cuda_dropout(float *y, int ldy, const float *x, int ldx, int n, int width,
                       const cmat_dropout *drop, bool accumulate)
{
    dropout_kernel<<<grid((size_t)n * width), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(
        y, ldy, x, ldx, n, width, (uint64_t)((double)drop->rate * 4294967296.0),
        1.0f / (1.0f - drop->rate), drop->seed, drop->row, accumulate);
    cmat_cuda_launched("dropout");
}

/* ---- the optimiser ---- */

static __global__ void adamw_kernel(float *p, const float *g, float *m, float *v, size_t n,
                                    float lr, float beta1, float beta2, float eps,
                                    float weight_decay, float c1, float c2)
{
    EACH(i, n)
    {
        const float mi = beta1 * m[i] + (1 - beta1) * g[i];
        const float vi = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
        m[i] = mi;
        v[i] = vi;
        p[i] -= lr * (mi * c1 / (sqrtf(vi * c2) + eps) + weight_decay * p[i]);
    }
}

void cmat_cuda_adamw(float *p, const float *g, float *m, float *v, size_t n, float lr, float beta1,
                     float beta2, float eps, float weight_decay, int64_t t)
{
    const float c1 = (float)(1 / (1 - pow((double)beta1, (double)t)));
    const float c2 = (float)(1 / (1 - pow((double)beta2, (double)t)));
    adamw_kernel<<<grid(n), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(
        p, g, m, v, n, lr, beta1, beta2, eps, weight_decay, c1, c2);
    cmat_cuda_launched("adamw");
}

/* The block's sum, in thread 0. */
static __device__ double block_sum(double x)
{
    __shared__ double part[CMAT_CUDA_BLOCK];
    part[threadIdx.x] = x;
    for (int n = CMAT_CUDA_BLOCK / 2; n; n /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < n)
            part[threadIdx.x] += part[threadIdx.x + n];
    }
    return part[0];
}

static __global__ void squares_kernel(double *sums, const float *x, size_t n)
{
    double sum = 0;
    EACH(i, n)
    sum += (double)x[i] * (double)x[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        sums[blockIdx.x] = sum;
}

/* A grid of a fixed size, so that the order of the sum depends on n alone. */
double cmat_cuda_norm(const float *x, size_t n)
{
    double part[NORM_BLOCKS], sum = 0;
    double *sums = (double *)cmat_cuda_scratch(CMAT_CUDA_SUMS, sizeof part);
    if (!sums)
        return NAN;
    squares_kernel<<<NORM_BLOCKS, CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(sums, x, n);
    cmat_cuda_launched("norm");
    cmat_cuda_download(part, sums, sizeof part);
    for (int i = 0; i < NORM_BLOCKS; i++)
        sum += part[i];
    return sqrt(sum);
}
