/* Kernels on the shapes of SmolLM2-135M, one figure a line beside the machine's bound, measured in
 * the same run: multiply-adds a second from registers, bytes a second read from memory.
 *   bench_kernel [TABLE [FILTER [THREADS]]]
 * With THREADS 1 the clock counts this thread's own time, so that a busy machine disturbs less. */
#include "core/mem.h"
#include "core/rng.h"
#include "kernel/kernel.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { D = 576, F = 1536, H = 9, G = 3, HEAD = 64, V = 49152 };

static const cmat_kernel_ops *kernel;
static const char *filter;
static double peak_flops, peak_read;

static double now(void)
{
    struct timespec t;
    clock_gettime(cmat_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *floats(size_t n)
{
    cmat_rng r;
    cmat_rng_init(&r, n);
    float *x = cmat_alloc_big(n, sizeof *x);
    if (!x)
        abort();
    for (size_t i = 0; i < n; i++)
        x[i] = (float)cmat_rng_double(&r) - 0.5f;
    return x;
}

static uint16_t *halves(size_t n)
{
    float *x = floats(n);
    uint16_t *h = cmat_alloc_big(n, sizeof *h);
    if (!h)
        abort();
    for (size_t i = 0; i < n; i++)
        h[i] = cmat_f32_to_f16(x[i]);
    cmat_free_big(x);
    return h;
}

/* Seconds of one call: the median of batches that take some milliseconds each. */
static double seconds(void (*fn)(void *), void *ctx)
{
    double t[9];
    fn(ctx);
    double start = now();
    fn(ctx);
    double once = now() - start;
    const int reps = once > 5e-3 ? 1 : (int)(5e-3 / (once + 1e-9)) + 1;
    for (int i = 0; i < 9; i++) {
        start = now();
        for (int r = 0; r < reps; r++)
            fn(ctx);
        t[i] = (now() - start) / reps;
    }
    for (int i = 0; i < 9; i++)
        for (int j = i + 1; j < 9; j++)
            if (t[j] < t[i]) {
                const double s = t[i];
                t[i] = t[j];
                t[j] = s;
            }
    return t[4];
}

static void line(const char *name, double s, double flop, double bytes)
{
    printf("%-44s %10.1f us", name, s * 1e6);
    if (flop > 0)
        printf("  %7.1f GFLOP/s %5.1f %%", flop / s * 1e-9, 100 * flop / s / peak_flops);
    if (bytes > 0)
        printf("  %7.1f GB/s %5.1f %%", bytes / s * 1e-9, 100 * bytes / s / peak_read);
    printf("\n");
    fflush(stdout);
}

static bool wanted(const char *name)
{
    return !filter || strstr(name, filter);
}

/* ---- bounds ---- */

typedef float v8 __attribute__((vector_size(32)));

__attribute__((target("avx2,fma"), noinline)) static float fma_loop(int n)
{
    v8 a[12], x = {1, 1, 1, 1, 1, 1, 1, 1}, y = x * 0.5f;
    for (int i = 0; i < 12; i++)
        a[i] = x * (float)i;
    for (int r = 0; r < n; r++) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++)
            a[i] = a[i] * y + x;
        __asm__ volatile("" : "+x"(y));
    }
    float s = 0;
    for (int i = 0; i < 12; i++)
        s += a[i][0];
    return s;
}

static volatile float sink;

static void run_fma(void *ctx)
{
    (void)ctx;
    float s = 0;
#pragma omp parallel num_threads(cmat_threads()) reduction(+ : s)
    s += fma_loop(1000000);
    sink = s;
}

static void run_read(void *ctx)
{
    const uint64_t *p = ctx;
    uint64_t s = 0;
#pragma omp parallel for num_threads(cmat_threads()) reduction(+ : s) schedule(static)
    for (size_t i = 0; i < (size_t)1 << 25; i += 8)
        s += p[i] + p[i + 1] + p[i + 2] + p[i + 3] + p[i + 4] + p[i + 5] + p[i + 6] + p[i + 7];
    sink = (float)s;
}

static void bounds(void)
{
    float *big = floats((size_t)1 << 26); /* 256 MiB */
    peak_flops = 192e6 * cmat_threads() / seconds(run_fma, NULL);
    peak_read = (double)(1 << 28) / seconds(run_read, big);
    printf("%d threads, bounds: %.1f GFLOP/s (f32 multiply-add), %.1f GB/s (read)\n",
           cmat_threads(), peak_flops * 1e-9, peak_read * 1e-9);
    cmat_free_big(big);
}

/* ---- products ---- */

typedef struct {
    cmat_weight *w;
    int n_w, T, next;
    float *x, *y;
} product;

static void run_matmul(void *ctx)
{
    product *p = ctx;
    const cmat_weight *w = &p->w[p->next++ % p->n_w];
    kernel->matmul(p->y, w->n_out, p->x, w->n_in, w, p->T, false);
}

static void run_backward(void *ctx)
{
    product *p = ctx;
    const cmat_weight *w = &p->w[p->next++ % p->n_w];
    kernel->matmul_backward(p->y, w->n_in, p->x, w->n_out, w, p->T, false);
}

/* One op over several copies of the weight, so that small products read it from memory as in a
 * model. */
static void bench_product(const char *what, cmat_type type, int n_out, int n_in, int T,
                          bool backward)
{
    char name[96];
    const cmat_type_info *info = cmat_type_get((int)type);
    snprintf(name, sizeof name, "%s %s %dx%d T=%d", what, info->name, n_out, n_in, T);
    if (!wanted(name))
        return;
    const size_t n = (size_t)n_out * (size_t)n_in;
    const size_t bytes = n / (size_t)info->block_weights * (size_t)info->block_bytes;
    const int n_w = T > 64 ? 1 : (int)((128u << 20) / bytes) + 1;
    product p = {.n_w = n_w, .T = T};
    p.w = cmat_xcalloc((size_t)n_w, sizeof *p.w);
    float *src = floats(n);
    for (int i = 0; i < n_w; i++) {
        void *blocks = cmat_alloc_big(bytes, 1);
        if (i > 0)
            memcpy(blocks, p.w[0].data, bytes);
        else if (info->from_f32)
            info->from_f32(src, blocks, n);
        else
            memset(blocks, 0x22, bytes);
        p.w[i] = (cmat_weight){.data = blocks, .type = type, .n_out = n_out, .n_in = n_in};
        kernel->prepare(&p.w[i], backward ? CMAT_USE_BACKWARD : CMAT_USE_DECODE | CMAT_USE_PROMPT,
                        NULL);
    }
    p.x = floats((size_t)T * (size_t)(backward ? n_out : n_in));
    p.y = floats((size_t)T * (size_t)(backward ? n_in : n_out));
    const double s = seconds(backward ? run_backward : run_matmul, &p);
    line(name, s, 2.0 * (double)n * T, T <= 64 ? (double)bytes : 0);
    for (int i = 0; i < n_w; i++) {
        kernel->release(&p.w[i]);
        cmat_free_big((void *)p.w[i].data);
    }
    free(p.w);
    cmat_free_big(src);
    cmat_free_big(p.x);
    cmat_free_big(p.y);
}

typedef struct {
    bool ta, tb;
    int M, N, K;
    float *a, *b, *c;
} gemm_case;

static void run_gemm(void *ctx)
{
    gemm_case *g = ctx;
    kernel->gemm(g->ta, g->tb, g->M, g->N, g->K, 1, g->a, g->ta ? g->M : g->K, g->b,
                 g->tb ? g->K : g->N, 1, g->c, g->N);
}

static void bench_gemm(const char *what, bool ta, bool tb, int M, int N, int K)
{
    char name[96];
    snprintf(name, sizeof name, "gemm %s %dx%dx%d", what, M, N, K);
    if (!wanted(name))
        return;
    gemm_case g = {ta,
                   tb,
                   M,
                   N,
                   K,
                   floats((size_t)M * (size_t)K),
                   floats((size_t)N * (size_t)K),
                   floats((size_t)M * (size_t)N)};
    line(name, seconds(run_gemm, &g), 2.0 * M * N * K, 0);
    cmat_free_big(g.a);
    cmat_free_big(g.b);
    cmat_free_big(g.c);
}

static void products(void)
{
    static const int shapes[][2] = {{D, D}, {G * HEAD, D}, {F, D}, {D, F}};
    static const int few[] = {1, 2, 4, 8, 16, 32};
    for (int s = 0; s < 4; s++) {
        bench_product("matmul", CMAT_TYPE_Q4_1, shapes[s][0], shapes[s][1], 512, false);
        bench_product("matmul", CMAT_TYPE_Q4_1, shapes[s][0], shapes[s][1], 2048, false);
        bench_product("backward", CMAT_TYPE_Q4_1, shapes[s][0], shapes[s][1], 2048, true);
    }
    bench_product("matmul", CMAT_TYPE_Q8_0, V, D, 256, false);
    bench_product("backward", CMAT_TYPE_Q8_0, V, D, 256, true);
    for (int i = 0; i < 6; i++) {
        for (int s = 0; s < 4; s++)
            bench_product("few", CMAT_TYPE_Q4_1, shapes[s][0], shapes[s][1], few[i], false);
        bench_product("few", CMAT_TYPE_Q8_0, V, D, few[i], false);
    }
    static const cmat_type types[] = {CMAT_TYPE_Q4_0, CMAT_TYPE_Q5_0, CMAT_TYPE_Q5_1,
                                      CMAT_TYPE_Q8_0, CMAT_TYPE_Q4_K, CMAT_TYPE_Q5_K,
                                      CMAT_TYPE_Q6_K, CMAT_TYPE_F16};
    for (int i = 0; i < 8; i++) {
        bench_product("few", types[i], 2048, 2048, 1, false);
        bench_product("matmul", types[i], 2048, 2048, 512, false);
    }
    bench_gemm("x A^T", false, true, 2048, 16, D);
    bench_gemm("x A^T", false, true, 2048, 16, F);
    bench_gemm("z B^T", false, true, 2048, F, 16);
    bench_gemm("dy B", false, false, 2048, 16, F);
    bench_gemm("dz A", false, false, 2048, D, 16);
    bench_gemm("dA = dz^T x", true, false, 16, D, 2048);
    bench_gemm("dB = dy^T z", true, false, F, 16, 2048);
}

/* ---- attention ---- */

typedef struct {
    int T;
    cmat_segment seg[8];
    int n_seg;
    float *q, *k, *v, *o, *lse, *dout, *dq, *dk, *dv;
} attention_case;

static void run_attention(void *ctx)
{
    attention_case *a = ctx;
    kernel->attention(a->o, H * HEAD, a->lse, a->q, H * HEAD, a->k, a->v, G * HEAD, a->seg,
                      a->n_seg, H, G, HEAD, 0);
}

static void run_attention_backward(void *ctx)
{
    attention_case *a = ctx;
    kernel->attention_backward(a->dq, a->dk, a->dv, a->dout, H * HEAD, a->o, a->lse, a->q, H * HEAD,
                               a->k, a->v, G * HEAD, a->seg, a->n_seg, H, G, HEAD, 0);
}

static void bench_attention(int n_seg, int n)
{
    char name[96];
    attention_case a = {.T = n_seg * n, .n_seg = n_seg};
    for (int i = 0; i < n_seg; i++)
        a.seg[i] = (cmat_segment){.row = i * n, .n = n};
    const size_t nq = (size_t)(a.T * H * HEAD), nkv = (size_t)(a.T * G * HEAD);
    float **all[] = {&a.q, &a.o, &a.dout, &a.dq, &a.k, &a.v, &a.dk, &a.dv, &a.lse};
    for (int i = 0; i < 9; i++)
        *all[i] = floats(i < 4 ? nq : nkv);
    const double pairs = (double)n_seg * n * (n + 1) / 2 * H;
    snprintf(name, sizeof name, "attention %d x %d", n_seg, n);
    if (wanted(name))
        line(name, seconds(run_attention, &a), pairs * HEAD * 4, 0);
    run_attention(&a);
    snprintf(name, sizeof name, "attention_backward %d x %d", n_seg, n);
    if (wanted(name))
        line(name, seconds(run_attention_backward, &a), pairs * HEAD * 10, 0);
    for (int i = 0; i < 9; i++)
        cmat_free_big(*all[i]);
}

typedef struct {
    cmat_paged_kv kv;
    cmat_paged_seq seqs[32];
    int n_seqs;
    float *q, *o;
} paged_case;

static void run_paged(void *ctx)
{
    paged_case *p = ctx;
    kernel->attention_paged(p->o, H * HEAD, p->q, H * HEAD, &p->kv, p->seqs, p->n_seqs, H, G, HEAD);
}

static void bench_paged(int n_seqs, int n, int n_past, bool shared)
{
    enum { PAGE = 16 };
    char name[96];
    snprintf(name, sizeof name, "attention_paged %d x %d after %d%s", n_seqs, n, n_past,
             shared ? " shared" : "");
    if (!wanted(name))
        return;
    const int n_pages = (n_past + n + PAGE - 1) / PAGE;
    const size_t kv = (size_t)(n_seqs * n_pages * PAGE * G * HEAD);
    const size_t nq = (size_t)(n_seqs * n * H * HEAD);
    int32_t *pages = cmat_xcalloc((size_t)(n_seqs * n_pages), sizeof *pages);
    paged_case p = {
        {halves(kv), halves(kv), CMAT_TYPE_F16, PAGE, 0, 0}, {{0}}, n_seqs, floats(nq), floats(nq)};
    for (int i = 0; i < n_seqs * n_pages; i++)
        pages[i] = i;
    for (int i = 0; i < n_seqs; i++)
        p.seqs[i] = (cmat_paged_seq){i * n, n, n_past, pages + (shared ? 0 : i * n_pages)};
    line(name, seconds(run_paged, &p),
         ((double)n * n_past + n * (n + 1) / 2.0) * n_seqs * H * HEAD * 4,
         n == 1 && !shared ? 4.0 * (double)(n_seqs * (n_past + 1) * G * HEAD) : 0);
    free(pages);
    cmat_free_big(p.kv.k);
    cmat_free_big(p.kv.v);
    cmat_free_big(p.q);
    cmat_free_big(p.o);
}

static void attentions(void)
{
    bench_attention(1, 512);
    bench_attention(4, 512);
    bench_attention(8, 128);
    bench_paged(1, 1, 100, false);
    bench_paged(1, 1, 1000, false);
    bench_paged(16, 1, 500, false);
    bench_paged(16, 1, 1200, false);
    bench_paged(16, 1, 500, true);
    bench_paged(32, 1, 500, true);
    bench_paged(1, 512, 0, false);
    bench_paged(4, 64, 448, false);
}

/* ---- the rest ---- */

typedef struct {
    int T;
    float *a, *b, *c, *d, *e, *cs;
    int32_t *ids;
} vector_case;

static void run_rmsnorm(void *ctx)
{
    vector_case *v = ctx;
    kernel->rmsnorm(v->c, v->d, v->a, v->b, v->T, D, 1e-5f);
}

static void run_rmsnorm_backward(void *ctx)
{
    vector_case *v = ctx;
    kernel->rmsnorm_backward(v->c, NULL, v->a, v->b, v->e, v->d, v->T, D);
}

static void run_swiglu(void *ctx)
{
    vector_case *v = ctx;
    kernel->swiglu(v->c, v->a, v->b, v->T, F);
}

static void run_swiglu_backward(void *ctx)
{
    vector_case *v = ctx;
    kernel->swiglu_backward(v->c, v->d, v->e, v->a, v->b, v->T, F);
}

static void run_rope(void *ctx)
{
    vector_case *v = ctx;
    kernel->rope(v->a, H * HEAD, v->cs, v->ids, v->T, H, HEAD, false, false);
}

static void run_cross_entropy(void *ctx)
{
    vector_case *v = ctx;
    sink = (float)kernel->cross_entropy(v->a, v->ids, v->b, v->T / 16, V, 1e-3f);
}

static void run_adamw(void *ctx)
{
    vector_case *v = ctx;
    kernel->adamw(v->a, v->b, v->c, v->d, (size_t)v->T * F, 1e-4f, 0.9f, 0.99f, 1e-8f, 0.01f, 10);
}

static void vectors(void)
{
    static const int rows[] = {1, 512, 2048};
    static const struct {
        const char *name;
        void (*fn)(void *);
        double bytes; /* a row, read or written */
    } ops[] = {
        {"rmsnorm", run_rmsnorm, 8.0 * D}, {"rmsnorm_backward", run_rmsnorm_backward, 16.0 * D},
        {"swiglu", run_swiglu, 12.0 * F},  {"swiglu_backward", run_swiglu_backward, 20.0 * F},
        {"rope", run_rope, 8.0 * D},       {"cross_entropy", run_cross_entropy, 8.0 * V / 16},
        {"adamw", run_adamw, 28.0 * F},
    };
    for (int r = 0; r < 3; r++) {
        const size_t n = (size_t)rows[r] * F;
        const size_t wide = n < (size_t)(rows[r] / 16 * V) ? (size_t)(rows[r] / 16 * V) : n;
        vector_case v = {.T = rows[r], .a = floats(wide), .b = floats(n), .c = floats(n)};
        v.d = floats(n), v.e = floats(n), v.cs = floats((size_t)(rows[r] * HEAD));
        v.ids = cmat_xcalloc((size_t)rows[r], sizeof *v.ids);
        for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
            char name[96];
            snprintf(name, sizeof name, "%s T=%d", ops[i].name, rows[r]);
            if (!wanted(name) || (ops[i].fn == run_cross_entropy && rows[r] < 16))
                continue;
            for (size_t j = 0; j < n; j++)
                v.d[j] = v.d[j] < 0 ? -v.d[j] : v.d[j];
            line(name, seconds(ops[i].fn, &v), 0, ops[i].bytes * rows[r]);
        }
        float *all[] = {v.a, v.b, v.c, v.d, v.e, v.cs};
        for (int i = 0; i < 6; i++)
            cmat_free_big(all[i]);
        free(v.ids);
    }
}

int main(int argc, char **argv)
{
    kernel = argc > 1 ? cmat_kernel_find(argv[1]) : cmat_kernel_best();
    filter = argc > 2 ? argv[2] : NULL;
    if (argc > 3)
        cmat_threads_set(atoi(argv[3]));
    if (!kernel) {
        fprintf(stderr, "bench_kernel: no table %s here\n", argv[1]);
        return 2;
    }
    printf("table %s, ", kernel->name);
    bounds();
    products();
    attentions();
    vectors();
    return 0;
}
