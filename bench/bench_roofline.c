/* bench/bench_roofline.c - what the machine can do, and what that allows a model: how fast memory
 * is read, and the bytes and operations that a token of the model takes.
 *
 * usage: bench_roofline [MODEL.gguf]
 * Rates of products are peer_onednn's. */
#include "core/cancel.h"
#include "core/mem.h"
#include "model/model.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 9, BLOCK = 4096 };

static int by_value(const void *pa, const void *pb)
{
    const double a = *(const double *)pa, b = *(const double *)pb;
    return (a > b) - (a < b);
}

#ifdef __x86_64__
#define WIDEST_LOADS __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define WIDEST_LOADS
#endif

WIDEST_LOADS static uint64_t sum(const uint64_t *data, size_t n)
{
    uint64_t s = 0;
    for (size_t i = 0; i < n; i++)
        s += data[i];
    return s;
}

/* Bytes a second, the median of REPEATS; *sink keeps the compiler from leaving the reading out. */
static double read_speed(const uint64_t *data, size_t bytes, int n_threads, uint64_t *sink)
{
    const size_t n = bytes / sizeof *data;
    double t[REPEATS];
    for (int r = -1; r < REPEATS; r++) { /* the first one warms up */
        const double start = cmat_now();
        uint64_t all = 0;
#pragma omp parallel for num_threads(n_threads) reduction(+ : all) schedule(static)
        for (size_t i = 0; i < n; i += BLOCK)
            all += sum(data + i, BLOCK);
        *sink += all;
        t[r < 0 ? 0 : r] = cmat_now() - start;
    }
    qsort(t, REPEATS, sizeof *t, by_value);
    return (double)bytes / t[REPEATS / 2];
}

static double weight_bytes(const cmat_weight *w)
{
    const cmat_type_info *info = cmat_type_get((int)w->type);
    return (double)w->n_out * w->n_in / info->block_weights * info->block_bytes;
}

static void model_ceilings(const cmat_model *m, double bytes_s)
{
    double bytes = weight_bytes(&m->output), ops = 2.0 * m->output.n_out * m->output.n_in;
    const double head = ops;
    for (int l = 0; l < m->config.n_layers; l++)
        for (int w = 0; w < CMAT_N_LAYER_WEIGHTS; w++) {
            const cmat_weight *x = &m->layers[l].w[w];
            if (!x->data)
                continue;
            bytes += weight_bytes(x);
            ops += 2.0 * x->n_out * x->n_in;
        }
    printf(
        "weights_read_per_step %.1f MB\nproducts_per_prompt_token %.1f MFLOP\n"
        "products_per_new_token %.1f MFLOP\ndecode_1_by_bandwidth %.0f tokens/s\n",
        bytes / 1e6, (ops - head) / 1e6, ops / 1e6, bytes_s / bytes);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {(size_t)16 << 20, (size_t)96 << 20, (size_t)1 << 30};
    const size_t most = sizes[sizeof sizes / sizeof *sizes - 1];
    uint64_t *data = cmat_alloc_big(most, 1), sink = 0;
    double speed = 0;
    cmat_model *m = NULL;
    cmat_error err;
    if (argc > 2 || !data) {
        fprintf(stderr, data ? "usage: bench_roofline [MODEL.gguf]\n" : "no memory\n");
        return 2;
    }
    memset(data, 1, most);
    for (int n_threads = 1; n_threads <= cmat_threads();
         n_threads = n_threads < cmat_threads() && 2 * n_threads > cmat_threads() ? cmat_threads()
                                                                                  : 2 * n_threads)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            const double s = read_speed(data, sizes[i], n_threads, &sink);
            printf("read_%zu_MiB_%d_threads %.1f GB/s\n", sizes[i] >> 20, n_threads, s / 1e9);
            fflush(stdout);
            speed = i == 1 ? s : speed; /* 96 MiB: as large as the default model */
        }
    cmat_free_big(data);
    if (argc > 1 && cmat_model_open(&m, argv[1], NULL, &err) != CMAT_OK) {
        fprintf(stderr, "bench_roofline: %s\n", err.msg);
        return 1;
    }
    if (m)
        model_ceilings(m, speed);
    cmat_model_free(m);
    return sink == 1; /* never */
}
