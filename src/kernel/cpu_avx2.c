/* kernel/cpu_avx2.c - the AVX2 and AVX-512 tables: everything but products and attention is here.
 *
 * Elementwise operations work on chunks of fixed size, whatever the number of threads, with masked
 * vectors at the end, so that each element sees the same arithmetic wherever it stands. */
#include "core/mem.h"
#include "kernel/attention_avx2.h"
#include "kernel/avx2.h"
#include "kernel/avx2_math.h"
#include "kernel/avx512.h"
#include "kernel/plain.h"
#include <math.h>
#include <stdlib.h>

enum { CHUNK = 4096, SERIAL = 1 << 14 }; /* below SERIAL elements a parallel region costs more */

static bool available(void)
{
    /* F16C, which clang 14 cannot ask for, came before AVX2 in every processor. */
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool available512(void)
{
    return available() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

static inline __m256 load(const float *p, size_t left)
{
    return left >= 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, cmat_avx2_mask((int)left));
}

static inline void store(float *p, __m256 v, size_t left)
{
    if (left >= 8)
        _mm256_storeu_ps(p, v);
    else
        _mm256_maskstore_ps(p, cmat_avx2_mask((int)left), v);
}

static void norm_row(float *y, float *inv_rms, const float *x, const float *g, size_t D, float eps)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0;
    size_t i = 0;
    for (; i + 16 <= D; i += 16) {
        const __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + 8);
        s0 = _mm256_fmadd_ps(a, a, s0);
        s1 = _mm256_fmadd_ps(b, b, s1);
    }
    for (; i < D; i += 8) {
        const __m256 a = load(x + i, D - i);
        s0 = _mm256_fmadd_ps(a, a, s0);
    }
    const float inv = 1 / sqrtf(cmat_avx2_sum(_mm256_add_ps(s0, s1)) / (float)D + eps);
    const __m256 scale = _mm256_set1_ps(inv);
    for (i = 0; i < D; i += 8) {
        const __m256 xg =
            _mm256_mul_ps(_mm256_mul_ps(load(x + i, D - i), scale), load(g + i, D - i));
        store(y + i, xg, D - i);
    }
    if (inv_rms)
        *inv_rms = inv;
}

static void rmsnorm(float *y, float *inv_rms, const float *x, const float *g, int T, int D,
                    float eps)
{
    const int threads = cmat_threads();
    const size_t n = (size_t)D;
#pragma omp parallel for schedule(static) num_threads(threads) if (T * D > SERIAL)
    for (int t = 0; t < T; t++)
        norm_row(y + (size_t)t * n, inv_rms ? inv_rms + t : NULL, x + (size_t)t * n, g, n, eps);
}

static void head_norm(float *x, int ldx, float *inv_rms, const float *g, int T, int n_heads, int d,
                      float eps)
{
    const int threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads) if (T * n_heads * d > SERIAL)
    for (int t = 0; t < T; t++)
        for (int h = 0; h < n_heads; h++) {
            float *xh = x + (size_t)t * (size_t)ldx + (size_t)(h * d);
            norm_row(xh, inv_rms ? inv_rms + t * n_heads + h : NULL, xh, g, (size_t)d, eps);
        }
}

/* dx += inv (g dy - x inv mean(g dy x inv)) */
static void norm_backward_row(float *dx, const float *dy, const float *x, const float *g, float inv,
                              size_t D)
{
    __m256 s = _mm256_setzero_ps();
    for (size_t i = 0; i < D; i += 8) {
        const __m256 gdy = _mm256_mul_ps(load(g + i, D - i), load(dy + i, D - i));
        s = _mm256_fmadd_ps(gdy, load(x + i, D - i), s);
    }
    const float mean = cmat_avx2_sum(s) * inv / (float)D;
    const __m256 a = _mm256_set1_ps(inv), b = _mm256_set1_ps(inv * inv * mean);
    for (size_t i = 0; i < D; i += 8) {
        const __m256 gdy = _mm256_mul_ps(load(g + i, D - i), load(dy + i, D - i));
        __m256 v = _mm256_fmadd_ps(a, gdy, load(dx + i, D - i));
        v = _mm256_fnmadd_ps(b, load(x + i, D - i), v);
        store(dx + i, v, D - i);
    }
}

static void rmsnorm_backward(float *dx, float *dg, const float *dy, const float *x, const float *g,
                             const float *inv_rms, int T, int D)
{
    const int threads = cmat_threads();
    const size_t n = (size_t)D;
#pragma omp parallel for schedule(static) num_threads(threads) if (T * D > SERIAL)
    for (int t = 0; t < T; t++) {
        const size_t at = (size_t)t * n;
        norm_backward_row(dx + at, dy + at, x + at, g, inv_rms[t], n);
    }
    if (!dg)
        return;
#pragma omp parallel for schedule(static) num_threads(threads) if (T * D > SERIAL)
    for (size_t i = 0; i < n; i += 8) { /* a thread sums its columns over all rows in order */
        __m256 s = load(dg + i, n - i);
        for (int t = 0; t < T; t++) {
            const size_t at = (size_t)t * n + i;
            const __m256 xh = _mm256_mul_ps(load(x + at, n - i), _mm256_set1_ps(inv_rms[t]));
            s = _mm256_fmadd_ps(load(dy + at, n - i), xh, s);
        }
        store(dg + i, s, n - i);
    }
}

/* dx = inv (g dx - x inv mean(g dx x inv)), dx being dy before */
static void head_norm_backward(float *dx, int lddx, const float *x, int ldx, const float *g,
                               const float *inv_rms, int T, int n_heads, int d)
{
    const int threads = cmat_threads();
    const size_t n = (size_t)d;
#pragma omp parallel for schedule(static) num_threads(threads) if (T * n_heads * d > SERIAL)
    for (int t = 0; t < T; t++)
        for (int h = 0; h < n_heads; h++) {
            float *dxh = dx + (size_t)t * (size_t)lddx + (size_t)(h * d);
            const float *xh = x + (size_t)t * (size_t)ldx + (size_t)(h * d);
            const float inv = inv_rms[t * n_heads + h];
            __m256 s = _mm256_setzero_ps();
            for (size_t i = 0; i < n; i += 8) {
                const __m256 gdy = _mm256_mul_ps(load(g + i, n - i), load(dxh + i, n - i));
                s = _mm256_fmadd_ps(gdy, load(xh + i, n - i), s);
            }
            const float mean = cmat_avx2_sum(s) * inv / (float)d;
            const __m256 a = _mm256_set1_ps(inv), b = _mm256_set1_ps(inv * inv * mean);
            for (size_t i = 0; i < n; i += 8) {
                const __m256 gdy = _mm256_mul_ps(load(g + i, n - i), load(dxh + i, n - i));
                const __m256 v = _mm256_mul_ps(a, gdy);
                store(dxh + i, _mm256_fnmadd_ps(b, load(xh + i, n - i), v), n - i);
            }
        }
}

/* Pairs (2i, 2i+1): even lanes a c - b s, odd lanes b c + a s. */
static void rope_adjacent(float *x, const float *cs, int d, __m256 sign)
{
    for (int i = 0; i < d; i += 8) {
        const __m256 v = _mm256_loadu_ps(x + i), t = _mm256_loadu_ps(cs + i);
        const __m256 c = _mm256_moveldup_ps(t), s = _mm256_xor_ps(_mm256_movehdup_ps(t), sign);
        const __m256 swapped = _mm256_permute_ps(v, 0xb1);
        _mm256_storeu_ps(x + i, _mm256_addsub_ps(_mm256_mul_ps(v, c), _mm256_mul_ps(swapped, s)));
    }
}

/* Pairs (i, i + d/2) */
static void rope_halves(float *x, const float *cs, int d, __m256 sign)
{
    const int half = d / 2;
    for (int i = 0; i < half; i += 8) {
        const __m256 t0 = _mm256_loadu_ps(cs + 2 * i), t1 = _mm256_loadu_ps(cs + 2 * i + 8);
        const __m256d c0 = _mm256_castps_pd(_mm256_shuffle_ps(t0, t1, 0x88));
        const __m256d s0 = _mm256_castps_pd(_mm256_shuffle_ps(t0, t1, 0xdd));
        const __m256 c = _mm256_castpd_ps(_mm256_permute4x64_pd(c0, 0xd8));
        const __m256 s = _mm256_xor_ps(_mm256_castpd_ps(_mm256_permute4x64_pd(s0, 0xd8)), sign);
        const __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + half + i);
        _mm256_storeu_ps(x + i, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
        _mm256_storeu_ps(x + half + i, _mm256_fmadd_ps(a, s, _mm256_mul_ps(b, c)));
    }
}

static void rope(float *x, int ldx, const float *cos_sin, const int32_t *pos, int T, int n_heads,
                 int d, bool neox, bool inverse)
{
    if (d % (neox ? 16 : 8)) {
        cmat_kernel_cpu.rope(x, ldx, cos_sin, pos, T, n_heads, d, neox, inverse);
        return;
    }
    const __m256 sign = _mm256_set1_ps(inverse ? -0.0f : 0.0f);
    const int threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads) if (T * n_heads * d > SERIAL)
    for (int t = 0; t < T; t++)
        for (int h = 0; h < n_heads; h++) {
            float *xh = x + (size_t)t * (size_t)ldx + (size_t)(h * d);
            const float *cs = cos_sin + (size_t)pos[t] * (size_t)d;
            if (neox)
                rope_halves(xh, cs, d, sign);
            else
                rope_adjacent(xh, cs, d, sign);
        }
}

static void swiglu_chunk(float *h, const float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        const __m256 g = load(gate + i, n - i);
        const __m256 silu = _mm256_mul_ps(g, cmat_avx2_sigmoid(g));
        store(h + i, _mm256_mul_ps(silu, load(up + i, n - i)), n - i);
    }
}

static void swiglu(float *h, const float *gate, const float *up, int T, int F)
{
    const size_t n = (size_t)T * (size_t)F;
    const int threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads) if (n > SERIAL / 4)
    for (size_t i = 0; i < n; i += CHUNK)
        swiglu_chunk(h + i, gate + i, up + i, n - i < CHUNK ? n - i : CHUNK);
}

/* dup = dh silu(g), dgate = dh up s (1 + g (1 - s)) */
static void swiglu_backward_chunk(float *dgate, float *dup, const float *dh, const float *gate,
                                  const float *up, size_t n)
{
    const __m256 one = _mm256_set1_ps(1);
    for (size_t i = 0; i < n; i += 8) {
        const __m256 g = load(gate + i, n - i), u = load(up + i, n - i), dhi = load(dh + i, n - i);
        const __m256 s = cmat_avx2_sigmoid(g);
        const __m256 slope = _mm256_mul_ps(s, _mm256_fmadd_ps(g, _mm256_sub_ps(one, s), one));
        store(dgate + i, _mm256_mul_ps(_mm256_mul_ps(dhi, u), slope), n - i);
        store(dup + i, _mm256_mul_ps(dhi, _mm256_mul_ps(g, s)), n - i);
    }
}

static void swiglu_backward(float *dgate, float *dup, const float *dh, const float *gate,
                            const float *up, int T, int F)
{
    const size_t n = (size_t)T * (size_t)F;
    const int threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads) if (n > SERIAL / 4)
    for (size_t i = 0; i < n; i += CHUNK)
        swiglu_backward_chunk(dgate + i, dup + i, dh + i, gate + i, up + i,
                              n - i < CHUNK ? n - i : CHUNK);
}

/* sigmoid(z) of gelu(g) = g sigmoid(z), z = 2 sqrt(2/pi) (g + 0.044715 g^3); *dz: z's slope. */
static inline __m256 gelu_sigmoid(__m256 g, __m256 *dz)
{
    const __m256 a = _mm256_set1_ps(1.5957691216F), ab = _mm256_set1_ps(1.5957691216F * 0.044715F);
    const __m256 g2 = _mm256_mul_ps(g, g);
    *dz = _mm256_fmadd_ps(_mm256_mul_ps(ab, _mm256_set1_ps(3)), g2, a);
    return cmat_avx2_sigmoid(_mm256_mul_ps(g, _mm256_fmadd_ps(ab, g2, a)));
}

static void geglu_chunk(float *h, const float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        __m256 g = load(gate + i, n - i), dz;
        const __m256 gelu = _mm256_mul_ps(g, gelu_sigmoid(g, &dz));
        store(h + i, _mm256_mul_ps(gelu, load(up + i, n - i)), n - i);
    }
}

static void geglu(float *h, const float *gate, const float *up, int T, int F)
{
    const size_t n = (size_t)T * (size_t)F;
    const int threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads) if (n > SERIAL / 4)
    for (size_t i = 0; i < n; i += CHUNK)
        geglu_chunk(h + i, gate + i, up + i, n - i < CHUNK ? n - i : CHUNK);
}

/* dup = dh gelu(g), dgate = dh up s (1 + g (1 - s) z') */
static void geglu_backward_chunk(float *dgate, float *dup, const float *dh, const float *gate,
                                 const float *up, size_t n)
{
    const __m256 one = _mm256_set1_ps(1);
    for (size_t i = 0; i < n; i += 8) {
        const __m256 g = load(gate + i, n - i), u = load(up + i, n - i), dhi = load(dh + i, n - i);
        __m256 dz;
        const __m256 s = gelu_sigmoid(g, &dz);
        const __m256 gdz = _mm256_mul_ps(g, dz);
        const __m256 slope = _mm256_mul_ps(s, _mm256_fmadd_ps(gdz, _mm256_sub_ps(one, s), one));
        store(dgate + i, _mm256_mul_ps(_mm256_mul_ps(dhi, u), slope), n - i);
        store(dup + i, _mm256_mul_ps(dhi, _mm256_mul_ps(g, s)), n - i);
    }
}

static void geglu_backward(float *dgate, float *dup, const float *dh, const float *gate,
                           const float *up, int T, int F)
{
    const size_t n = (size_t)T * (size_t)F;
    const int threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads) if (n > SERIAL / 4)
    for (size_t i = 0; i < n; i += CHUNK)
        geglu_backward_chunk(dgate + i, dup + i, dh + i, gate + i, up + i,
                             n - i < CHUNK ? n - i : CHUNK);
}

static float row_max(const float *x, size_t n)
{
    __m256 m = _mm256_set1_ps(x[0]);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        m = _mm256_max_ps(m, _mm256_loadu_ps(x + i));
    float lanes[8], max;
    _mm256_storeu_ps(lanes, m);
    max = lanes[0];
    for (int l = 1; l < 8; l++)
        max = lanes[l] > max ? lanes[l] : max;
    for (; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

/* The sum of exp(x - max), added up in double every CHUNK elements; y, which may be x or NULL, gets
 * the terms. y is NULL or not in each use. */
static inline __attribute__((always_inline)) double exp_row(float *y, const float *x, size_t n,
                                                            float max)
{
    const __m256 shift = _mm256_set1_ps(max);
    double sum = 0;
    for (size_t c = 0; c < n; c += CHUNK) {
        const size_t end = n - c < CHUNK ? n : c + CHUNK;
        __m256 s = _mm256_setzero_ps();
        for (size_t i = c; i < end; i += 8) {
            __m256 e = cmat_avx2_exp(_mm256_sub_ps(load(x + i, end - i), shift));
            if (end - i < 8)
                e = _mm256_and_ps(e, _mm256_castsi256_ps(cmat_avx2_mask((int)(end - i))));
            s = _mm256_add_ps(s, e);
            if (y)
                store(y + i, e, end - i);
        }
        sum += (double)cmat_avx2_sum(s);
    }
    return sum;
}

static void scale_chunk(float *y, float s, size_t n)
{
    const __m256 v = _mm256_set1_ps(s);
    for (size_t i = 0; i < n; i += 8)
        store(y + i, _mm256_mul_ps(load(y + i, n - i), v), n - i);
}

static double cross_entropy_row(float *x, int target, int V, float grad_scale)
{
    const float max = row_max(x, (size_t)V);
    const double at_target = (double)(x[target] - max);
    const double sum = exp_row(x, x, (size_t)V, max);
    scale_chunk(x, (float)(1 / sum) * grad_scale, (size_t)V);
    x[target] -= grad_scale;
    return log(sum) - at_target;
}

static double cross_entropy(float *logits, const int32_t *targets, const float *weights, int n,
                            int V, float scale)
{
    double *loss = cmat_xcalloc((size_t)n, sizeof *loss), total = 0;
    const int threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads)
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
    const float max = row_max(x, (size_t)n);
    return isfinite(max) ? max + (float)log(exp_row(NULL, x, (size_t)n, max)) : max;
}

typedef struct {
    float lr, beta1, beta2, eps, decay, c1, c2;
} adamw_form;

static void adamw_chunk(float *p, const float *g, float *m, float *v, size_t n, adamw_form f)
{
    const __m256 b1 = _mm256_set1_ps(f.beta1), b2 = _mm256_set1_ps(f.beta2);
    const __m256 a1 = _mm256_set1_ps(1 - f.beta1), a2 = _mm256_set1_ps(1 - f.beta2);
    const __m256 c1 = _mm256_set1_ps(f.c1), c2 = _mm256_set1_ps(f.c2);
    const __m256 decay = _mm256_set1_ps(f.decay), lr = _mm256_set1_ps(f.lr);
    for (size_t i = 0; i < n; i += 8) {
        const __m256 gi = load(g + i, n - i), pi = load(p + i, n - i);
        const __m256 mi = _mm256_fmadd_ps(b1, load(m + i, n - i), _mm256_mul_ps(a1, gi));
        const __m256 vi =
            _mm256_fmadd_ps(b2, load(v + i, n - i), _mm256_mul_ps(_mm256_mul_ps(a2, gi), gi));
        const __m256 root = _mm256_sqrt_ps(_mm256_mul_ps(vi, c2));
        __m256 step =
            _mm256_div_ps(_mm256_mul_ps(mi, c1), _mm256_add_ps(root, _mm256_set1_ps(f.eps)));
        step = _mm256_fmadd_ps(decay, pi, step);
        store(m + i, mi, n - i);
        store(v + i, vi, n - i);
        store(p + i, _mm256_fnmadd_ps(lr, step, pi), n - i);
    }
}

static void adamw(float *p, const float *g, float *m, float *v, size_t n, float lr, float beta1,
                  float beta2, float eps, float weight_decay, int64_t t)
{
    const adamw_form f = {.lr = lr,
                          .beta1 = beta1,
                          .beta2 = beta2,
                          .eps = eps,
                          .decay = weight_decay,
                          .c1 = (float)(1 / (1 - pow((double)beta1, (double)t))),
                          .c2 = (float)(1 / (1 - pow((double)beta2, (double)t)))};
    const int threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads) if (n > SERIAL)
    for (size_t i = 0; i < n; i += CHUNK)
        adamw_chunk(p + i, g + i, m + i, v + i, n - i < CHUNK ? n - i : CHUNK, f);
}

static void add_chunk(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 8)
        store(y + i, _mm256_add_ps(load(y + i, n - i), load(x + i, n - i)), n - i);
}

static void add(float *y, const float *x, size_t n)
{
    const int threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads) if (n > 4 * SERIAL)
    for (size_t i = 0; i < n; i += CHUNK)
        add_chunk(y + i, x + i, n - i < CHUNK ? n - i : CHUNK);
}

static void scale(float *y, float s, size_t n)
{
    const int threads = cmat_threads();
#pragma omp parallel for schedule(static) num_threads(threads) if (n > 4 * SERIAL)
    for (size_t i = 0; i < n; i += CHUNK)
        scale_chunk(y + i, s, n - i < CHUNK ? n - i : CHUNK);
}

const cmat_kernel_ops cmat_kernel_avx2 = {
    .name = "avx2",
    .available = available,
    .prepare = cmat_avx2_prepare,
    .release = cmat_avx2_release,
    .matmul = cmat_avx2_matmul,
    .matmul_set = cmat_avx2_matmul_set,
    .matmul_backward = cmat_avx2_matmul_backward,
    .gemm = cmat_avx2_gemm,
    .lora_rows = cmat_avx2_lora_rows,
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
    .attention = cmat_avx2_attention,
    .attention_backward = cmat_avx2_attention_backward,
    .kv_store = cmat_avx2_kv_store,
    .attention_paged = cmat_avx2_attention_paged,
    .cross_entropy = cross_entropy,
    .log_sum_exp = log_sum_exp,
    .adamw = adamw,
    .add = add,
    .scale = scale,
    CMAT_HOST_OPS,
};

const cmat_kernel_ops cmat_kernel_avx512 = {
    .name = "avx512",
    .available = available512,
    .prepare = cmat_avx2_prepare,
    .release = cmat_avx2_release,
    .matmul = cmat_avx512_matmul,
    .matmul_set = cmat_avx512_matmul_set,
    .matmul_backward = cmat_avx512_matmul_backward,
    .gemm = cmat_avx512_gemm,
    .lora_rows = cmat_avx2_lora_rows,
    .lora_forward = cmat_avx512_lora_forward,
    .lora_backward = cmat_avx512_lora_backward,
    .weight_grad = cmat_avx512_weight_grad,
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
    .attention = cmat_avx512_attention,
    .attention_backward = cmat_avx512_attention_backward,
    .kv_store = cmat_avx2_kv_store,
    .attention_paged = cmat_avx512_attention_paged,
    .cross_entropy = cross_entropy,
    .log_sum_exp = log_sum_exp,
    .adamw = adamw,
    .add = add,
    .scale = scale,
    CMAT_HOST_OPS,
};
