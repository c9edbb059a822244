/* kernel/cuda_loss.cu - cross-entropy: one block a row of logits, its softmax in two readings.
 *
 *   loss_t = log sum_i exp(x_ti - max) - (x_t,target - max)     dx = (softmax - onehot) w_t scale
 */
#include "kernel/cuda_device.h"
#include <math.h>
#include <stdlib.h>

enum { THREADS = 512 };

/* (max, sum of exp(x - max)) of two parts of a row. */
static __device__ void join(float *max, float *sum, float max2, float sum2)
{
    const float m = fmaxf(*max, max2);
    if (m == -INFINITY)
        return; /* neither has any element */
    *sum = *sum * expf(*max - m) + sum2 * expf(max2 - m);
    *max = m;
}

static __device__ void block_join(float *max, float *sum)
{
    __shared__ float maxs[THREADS], sums[THREADS];
    const int t = (int)threadIdx.x;
    maxs[t] = *max;
    sums[t] = *sum;
    for (int n = THREADS / 2; n; n /= 2) {
        __syncthreads();
        if (t < n)
            join(&maxs[t], &sums[t], maxs[t + n], sums[t + n]);
    }
    __syncthreads();
    *max = maxs[0];
    *sum = sums[0];
}

static __global__ void __launch_bounds__(THREADS)
    cross_entropy_kernel(double *loss, float *logits, const int32_t *targets, const float *weights,
                         int V, float scale)
{
    float *x = logits + (size_t)blockIdx.x * V;
    const int target = targets[blockIdx.x];
    const float weight = weights[blockIdx.x], at_target = x[target];
    float max = -INFINITY, sum = 0;
    for (int i = (int)threadIdx.x; i < V; i += THREADS) {
        const float xi = x[i];
        if (xi > max) {
            sum *= expf(max - xi);
            max = xi;
        }
        sum += expf(xi - max);
    }
    block_join(&max, &sum);
    if (threadIdx.x == 0)
        loss[blockIdx.x] = (double)weight * (log((double)sum) - (double)(at_target - max));
    const float up = weight * scale, inv = up / sum;
    for (int i = (int)threadIdx.x; i < V; i += THREADS)
        x[i] = expf(x[i] - max) * inv - (i == target ? up : 0.0f);
}

double cmat_cuda_cross_entropy(float *logits, const int32_t *targets, const float *weights, int n,
                               int V, float scale)
{
    const size_t bytes = (size_t)n * sizeof(double);
    double total = 0, *host = (double *)malloc(bytes);
    double *loss = (double *)cmat_cuda_scratch(CMAT_CUDA_SUMS, bytes);
    const int32_t *t =
        (const int32_t *)cmat_cuda_send(CMAT_CUDA_INDEX, targets, (size_t)n * sizeof *targets);
    const float *w =
        (const float *)cmat_cuda_send(CMAT_CUDA_WEIGHTS, weights, (size_t)n * sizeof *weights);
    if (!host || !loss || !t || !w) {
        free(host);
        return NAN;
    }
    cross_entropy_kernel<<<(unsigned)n, THREADS, 0, cmat_cuda_stream()>>>(loss, logits, t, w, V,
                                                                          scale);
    cmat_cuda_launched("cross_entropy");
    cmat_cuda_download(host, loss, bytes);
    for (int i = 0; i < n; i++)
        total += host[i];
    free(host);
    return total;
}
