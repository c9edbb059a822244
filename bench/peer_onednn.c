/* bench/peer_onednn.c - oneDNN's products on the shapes of SmolLM2-135M, weights packed beforehand:
 * what bench_kernel's are to be compared with. One figure a line. Built where libdnnl-dev (2.x) is.
 *   peer_onednn [ROWS] */
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPEATS = 15, CALLS = 10 };

static void check(dnnl_status_t st, const char *what)
{
    if (st == dnnl_success)
        return;
    fprintf(stderr, "peer_onednn: %s: status %d\n", what, (int)st);
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Memory of a layout, with small values in it. */
static dnnl_memory_t filled(const dnnl_memory_desc_t *md, dnnl_engine_t engine)
{
    dnnl_memory_t m;
    void *p;
    check(dnnl_memory_create(&m, md, engine, DNNL_MEMORY_ALLOCATE), "memory");
    check(dnnl_memory_get_data_handle(m, &p), "memory");
    memset(p, 1, dnnl_memory_desc_get_size(md));
    return m;
}

/* Seconds of y (T, N) = x (T, K) W, the median of REPEATS; 0 where oneDNN has no such product. */
static double product(dnnl_engine_t engine, dnnl_stream_t stream, dnnl_data_type_t type,
                      dnnl_data_type_t out, int T, int N, int K)
{
    dnnl_memory_desc_t x, w, y;
    dnnl_matmul_desc_t desc;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    double t[REPEATS];
    check(dnnl_memory_desc_init_by_tag(&x, 2, (dnnl_dims_t){T, K}, type, dnnl_ab), "x");
    check(dnnl_memory_desc_init_by_tag(&w, 2, (dnnl_dims_t){K, N}, type, dnnl_format_tag_any), "w");
    check(dnnl_memory_desc_init_by_tag(&y, 2, (dnnl_dims_t){T, N}, out, dnnl_ab), "y");
    check(dnnl_matmul_desc_init(&desc, &x, &w, NULL, &y), "matmul");
    if (dnnl_primitive_desc_create(&pd, &desc, NULL, engine, NULL) != dnnl_success)
        return 0;
    check(dnnl_primitive_create(&primitive, pd), "primitive");
    dnnl_memory_t mx = filled(&x, engine), my = filled(&y, engine);
    dnnl_memory_t mw = filled(dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0), engine);
    const dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, mx}, {DNNL_ARG_WEIGHTS, mw}, {DNNL_ARG_DST, my}};
    for (int i = -1; i < REPEATS; i++) { /* the first one warms up */
        const double start = now();
        for (int c = 0; c < CALLS; c++)
            check(dnnl_primitive_execute(primitive, stream, 3, args), "execute");
        dnnl_stream_wait(stream);
        t[i < 0 ? 0 : i] = (now() - start) / CALLS;
    }
    qsort(t, REPEATS, sizeof *t, by_value);
    dnnl_memory_destroy(mx);
    dnnl_memory_destroy(my);
    dnnl_memory_destroy(mw);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(pd);
    return t[REPEATS / 2];
}

int main(int argc, char **argv)
{
    static const int shapes[][2] = {{576, 576}, {192, 576}, {1536, 576}, {576, 1536}};
    static const struct {
        const char *name;
        dnnl_data_type_t in, out;
    } types[] = {
        {"f32", dnnl_f32, dnnl_f32}, {"bf16", dnnl_bf16, dnnl_f32}, {"int8", dnnl_s8, dnnl_s32}};
    const int T = argc > 1 ? atoi(argv[1]) : 512;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    if (T < 1) {
        fprintf(stderr, "usage: peer_onednn [ROWS]\n");
        return 2;
    }
    check(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");
    for (size_t k = 0; k < sizeof types / sizeof *types; k++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const int N = shapes[i][0], K = shapes[i][1];
            const double s = product(engine, stream, types[k].in, types[k].out, T, N, K);
            printf("onednn %s %dx%d T=%d", types[k].name, N, K, T);
            if (s > 0)
                printf(" %10.1f us %8.1f GFLOP/s\n", s * 1e6, 2e-9 * T * N * K / s);
            else
                printf(" not there\n");
        }
    dnnl_stream_destroy(stream);
    dnnl_engine_destroy(engine);
    return 0;
}
