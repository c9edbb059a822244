/* kernel/cpu.c - "plain": the reference for every operation, in portable C. The products and
 * attention are in cpu_matmul.c and cpu_attention.c. */
#include "core/mem.h"
#include "kernel/plain.h"
#include <math.h>
#include <stdlib.h>

static bool always(void)
{
    return true;
}

/* y_i = x_i g_i / sqrt(mean(x^2) + eps) */
static void rmsnorm(float *y, float *inv_rms, const float *x, const float *g, int T, int D,
                    float eps)
{
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (int t = 0; t < T; t++) {
        const float *xt = x + (size_t)t * (size_t)D;
        float *yt = y + (size_t)t * (size_t)D;
        double sum = 0;
        for (int i = 0; i < D; i++)
            sum += (double)xt[i] * (double)xt[i];
        const float inv = 1 / sqrtf((float)(sum / D) + eps);
        for (int i = 0; i < D; i++)
            yt[i] = xt[i] * inv * g[i];
        if (inv_rms)
            inv_rms[t] = inv;
    }
}

/* With xh = x inv_rms: dx_i += inv_rms (g_i dy_i - xh_i mean(g dy xh)), dg_i += dy_i xh_i */
static void rmsnorm_backward(float *dx, float *dg, const float *dy, const float *x, const float *g,
                             const float *inv_rms, int T, int D)
{
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (int t = 0; t < T; t++) {
        const size_t at = (size_t)t * (size_t)D;
        const float inv = inv_rms[t];
        double sum = 0;
        for (int i = 0; i < D; i++)
            sum += (double)(g[i] * dy[at + i]) * (double)(x[at + i] * inv);
        const float mean = (float)(sum / D);
        for (int i = 0; i < D; i++)
            dx[at + i] += inv * (g[i] * dy[at + i] - x[at + i] * inv * mean);
    }
    for (int t = 0; dg && t < T; t++)
        for (int i = 0; i < D; i++) {
            const size_t at = (size_t)t * (size_t)D + (size_t)i;
            dg[i] += dy[at] * x[at] * inv_rms[t];
        }
}

static void head_norm(float *x, int ldx, float *inv_rms, const float *g, int T, int n_heads, int d,
                      float eps)
{
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (int t = 0; t < T; t++)
        for (int h = 0; h < n_heads; h++) {
            float *xh = x + (size_t)t * (size_t)ldx + (size_t)(h * d);
            double sum = 0;
            for (int i = 0; i < d; i++)
                sum += (double)xh[i] * (double)xh[i];
            const float inv = 1 / sqrtf((float)(sum / d) + eps);
            for (int i = 0; i < d; i++)
                xh[i] *= inv * g[i];
            if (inv_rms)
                inv_rms[t * n_heads + h] = inv;
        }
}

/* The formula of rmsnorm_backward, written over dy. */
static void head_norm_backward(float *dx, int lddx, const float *x, int ldx, const float *g,
                               const float *inv_rms, int T, int n_heads, int d)
{
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (int t = 0; t < T; t++)
        for (int h = 0; h < n_heads; h++) {
            float *dxh = dx + (size_t)t * (size_t)lddx + (size_t)(h * d);
            const float *xh = x + (size_t)t * (size_t)ldx + (size_t)(h * d);
            const float inv = inv_rms[t * n_heads + h];
            double sum = 0;
            for (int i = 0; i < d; i++)
                sum += (double)(g[i] * dxh[i]) * (double)(xh[i] * inv);
            const float mean = (float)(sum / d);
            for (int i = 0; i < d; i++)
                dxh[i] = inv * (g[i] * dxh[i] - xh[i] * inv * mean);
        }
}

void cmat_plain_add_row(float *y, int ldy, const float *row, int T, int n)
{
    for (int t = 0; t < T; t++)
        for (int i = 0; i < n; i++)
            y[(size_t)t * (size_t)ldy + (size_t)i] += row[i];
}

static void rope(float *x, int ldx, const float *cos_sin, const int32_t *pos, int T, int n_heads,
                 int d, bool neox, bool inverse)
{
    const int half = d / 2, step = neox ? 1 : 2, other = neox ? half : 1;
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (int t = 0; t < T; t++) {
        const float *cs = cos_sin + (size_t)pos[t] * (size_t)d;
        for (int h = 0; h < n_heads; h++) {
            float *xh = x + (size_t)t * (size_t)ldx + (size_t)(h * d);
            for (int i = 0; i < half; i++) {
                const float c = cs[2 * i], s = inverse ? -cs[2 * i + 1] : cs[2 * i + 1];
                const float a = xh[i * step], b = xh[i * step + other];
                xh[i * step] = a * c - b * s;
                xh[i * step + other] = a * s + b * c;
            }
        }
    }
}

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static void swiglu(float *h, const float *gate, const float *up, int T, int F)
{
    const size_t n = (size_t)T * (size_t)F;
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (size_t i = 0; i < n; i++)
        h[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

/* silu'(g) = s (1 + g (1 - s)) with s = sigmoid(g) */
static void swiglu_backward(float *dgate, float *dup, const float *dh, const float *gate,
                            const float *up, int T, int F)
{
    const size_t n = (size_t)T * (size_t)F;
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (size_t i = 0; i < n; i++) {
        const float g = gate[i], u = up[i], s = sigmoid(g), dhi = dh[i];
        dgate[i] = dhi * u * s * (1 + g * (1 - s));
        dup[i] = dhi * g * s;
    }
}

/* gelu(g) = g sigmoid(z) with z = 2 sqrt(2/pi) (g + 0.044715 g^3) */
static const float GELU_A = 1.5957691216F, GELU_B = 0.044715F;

static void geglu(float *h, const float *gate, const float *up, int T, int F)
{
    const size_t n = (size_t)T * (size_t)F;
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (size_t i = 0; i < n; i++) {
        const float g = gate[i];
        h[i] = g * sigmoid(GELU_A * (g + GELU_B * g * g * g)) * up[i];
    }
}

/* gelu'(g) = s (1 + g (1 - s) z') with s = sigmoid(z) */
static void geglu_backward(float *dgate, float *dup, const float *dh, const float *gate,
                           const float *up, int T, int F)
{
    const size_t n = (size_t)T * (size_t)F;
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (size_t i = 0; i < n; i++) {
        const float g = gate[i], u = up[i], dhi = dh[i];
        const float s = sigmoid(GELU_A * (g + GELU_B * g * g * g));
        const float dz = GELU_A * (1 + 3 * GELU_B * g * g);
        dgate[i] = dhi * u * s * (1 + g * (1 - s) * dz);
        dup[i] = dhi * g * s;
    }
}

/* -log softmax(x)[target]; x becomes (softmax - onehot) * grad_scale */
static double cross_entropy_row(float *x, int target, int V, float grad_scale)
{
    float max = x[0];
    for (int i = 1; i < V; i++)
        max = x[i] > max ? x[i] : max;
    const double at_target = (double)(x[target] - max);
    double sum = 0;
    for (int i = 0; i < V; i++)
        sum += (double)(x[i] = expf(x[i] - max));
    const float inv = (float)(1 / sum) * grad_scale;
    for (int i = 0; i < V; i++)
        x[i] *= inv;
    x[target] -= grad_scale;
    /* cppcheck-suppress invalidFunctionArg; the greatest term of the sum is 1 */
    return log(sum) - at_target;
}

static double cross_entropy(float *logits, const int32_t *targets, const float *weights, int n,
                            int V, float scale)
{
    double *loss = cmat_xcalloc((size_t)n, sizeof *loss), total = 0;
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (int t = 0; t < n; t++)
        loss[t] = (double)weights[t] * cross_entropy_row(logits + (size_t)t * (size_t)V, targets[t],
                                                         V, weights[t] * scale);
    for (int t = 0; t < n; t++) /* in row order, whatever the number of threads */
        total += loss[t];
    free(loss);
    return total;
}

static float log_sum_exp(const float *x, int n)
{
    float max = -INFINITY;
    double sum = 0;
    for (int i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (int i = 0; i < n && isfinite(max); i++)
        sum += (double)expf(x[i] - max);
    return isfinite(max) ? max + (float)log(sum) : max;
}

/* m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
 * p -= lr (m / (1-b1^t) / (sqrt(v / (1-b2^t)) + eps) + weight_decay p) */
static void adamw(float *p, const float *g, float *m, float *v, size_t n, float lr, float beta1,
                  float beta2, float eps, float weight_decay, int64_t t)
{
    const float c1 = (float)(1 / (1 - pow((double)beta1, (double)t)));
    const float c2 = (float)(1 / (1 - pow((double)beta2, (double)t)));
    const int n_threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(n_threads)
    for (size_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
        p[i] -= lr * (m[i] * c1 / (sqrtf(v[i] * c2) + eps) + weight_decay * p[i]);
    }
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

static void scale(float *y, float s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] *= s;
}

const cmat_kernel_ops cmat_kernel_cpu = {
    .name = "plain",
    .available = always,
    .prepare = cmat_plain_prepare,
    .release = cmat_plain_release,
    .matmul = cmat_plain_matmul,
    .matmul_backward = cmat_plain_matmul_backward,
    .gemm = cmat_plain_gemm,
    .lora_rows = cmat_plain_lora_rows,
    .embed = cmat_plain_embed,
    .rmsnorm = rmsnorm,
    .rmsnorm_backward = rmsnorm_backward,
    .head_norm = head_norm,
    .head_norm_backward = head_norm_backward,
    .add_row = cmat_plain_add_row,
    .rope = rope,
    .swiglu = swiglu,
    .swiglu_backward = swiglu_backward,
    .geglu = geglu,
    .geglu_backward = geglu_backward,
    .attention = cmat_plain_attention,
    .attention_backward = cmat_plain_attention_backward,
    .kv_store = cmat_plain_kv_store,
    .attention_paged = cmat_plain_attention_paged,
    .cross_entropy = cross_entropy,
    .log_sum_exp = log_sum_exp,
    .adamw = adamw,
    .add = add,
    .scale = scale,
    CMAT_HOST_OPS,
};
