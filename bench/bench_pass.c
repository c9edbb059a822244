/* bench/bench_pass.c - the phases of a LoRA tuning step, in tokens a second, on any kernels.
 *
 *   bench_pass MODEL.gguf [KERNEL [ROWS [KEEP [STEPS]]]]      cuda 8192 bf16 5
 *
 * Rank 16, all seven matrices, samples of 512 rows with loss on every row, then the same samples
 * with loss on a quarter. Each phase waits for the device; "step" runs them all without waiting. */
#include "core/cancel.h"
#include "core/mem.h"
#include "train/optim.h"
#include "train/pass.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 512 };

typedef struct {
    cmat_pass *pass;
    cmat_batch batch;
    cmat_optim optim;
    cmat_tune_options options;
} bench;

static void forward(bench *b)
{
    cmat_pass_forward(b->pass, &b->batch, true);
}

static void head(bench *b)
{
    const float scale[CMAT_TUNE_MAX_ADAPTERS] = {1.0F / (float)b->batch.n_loss};
    double loss[CMAT_TUNE_MAX_ADAPTERS] = {0};
    cmat_pass_loss(b->pass, &b->batch, scale, loss);
}

static void backward(bench *b)
{
    cmat_pass_backward(b->pass, &b->batch);
}

static void update(bench *b)
{
    cmat_optim_step(&b->optim, b->pass->grads[0], &b->options, 1e-4);
    cmat_pass_zero_grads(b->pass);
}

static void step(bench *b)
{
    forward(b);
    head(b);
    backward(b);
    update(b);
}

static cmat_status phase(bench *b, const char *name, void (*fn)(bench *), int n, cmat_error *err)
{
    cmat_status st = b->pass->k->check(err);
    double best = 0, start;
    for (int i = 0; st == CMAT_OK && i < n; i++) {
        start = cmat_now();
        fn(b);
        st = b->pass->k->check(err);
        const double s = cmat_now() - start;
        best = i == 0 || s < best ? s : best;
    }
    if (st == CMAT_OK)
        printf("%s_ms %.2f\n%s_tokens_per_s %.0f\n", name, 1e3 * best, name,
               b->batch.n_rows / best);
    fflush(stdout);
    return st;
}

/* rows / SAMPLE samples of random tokens with loss on every `each`-th row. */
static void make_batch(cmat_batch *b, cmat_train_set *set, int n_vocab, int rows, int each)
{
    int32_t tokens[SAMPLE + 1];
    float weights[SAMPLE + 1];
    cmat_rng rng;
    cmat_clusters c;
    cmat_plan p;
    cmat_rng_init(&rng, 1);
    cmat_train_set_clear(set);
    for (int i = 0; i < rows / SAMPLE; i++) {
        for (int j = 0; j <= SAMPLE; j++) {
            tokens[j] = (int32_t)cmat_rng_below(&rng, (uint64_t)n_vocab);
            weights[j] = (SAMPLE - j) % each == 0 ? 1.0F : 0.0F;
        }
        cmat_train_set_add(set, tokens, weights, SAMPLE + 1, 0);
    }
    cmat_batch_clear(b);
    cmat_batch_init(b, rows);
    if (cmat_clusters_init(&c, set, rows, false, NULL) == CMAT_OK) {
        cmat_plan_init(&p, &c, false, 0, 0);
        cmat_batch_fill(b, &c, &p, 0);
        cmat_plan_clear(&p);
    }
    cmat_clusters_clear(&c);
}

static cmat_status measure(bench *b, int n, cmat_error *err)
{
    printf("rows %d\nloss_rows %d\n", b->batch.n_rows, b->batch.n_loss);
    step(b); /* memory is touched, scratch grows */
    cmat_status st = phase(b, "forward", forward, n, err);
    if (st == CMAT_OK)
        st = phase(b, "loss", head, n, err);
    if (st == CMAT_OK)
        st = phase(b, "backward", backward, n, err);
    if (st == CMAT_OK)
        st = phase(b, "optimiser", update, n, err);
    if (st == CMAT_OK)
        st = phase(b, "step", step, n, err);
    return st;
}

int main(int argc, char **argv)
{
    static const char *const keeps[] = {"f32", "bf16", "recompute"};
    const cmat_lora_config config = CMAT_LORA_DEFAULT;
    const char *kernel = argc > 2 ? argv[2] : "cuda", *keep = argc > 4 ? argv[4] : "bf16";
    const int rows = argc > 3 ? atoi(argv[3]) : 8192, n = argc > 5 ? atoi(argv[5]) : 5;
    cmat_pass_options po = {.max_rows = rows, .backward = true};
    cmat_error err = {0};
    cmat_model *m = NULL;
    cmat_adapter *a = NULL;
    cmat_train_set set = {0};
    cmat_rng rng;
    bench b = {0};
    double start = cmat_now();

    if (argc < 2 || rows < SAMPLE || n < 1) {
        fprintf(stderr, "usage: bench_pass MODEL.gguf [KERNEL [ROWS [KEEP [STEPS]]]]\n");
        return 2;
    }
    while (po.keep < CMAT_KEEP_RECOMPUTE && strcmp(keeps[po.keep], keep) != 0)
        po.keep++;
    cmat_rng_init(&rng, 1);
    cmat_status st = cmat_model_open(&m, argv[1], NULL, &err);
    if (st == CMAT_OK)
        st = cmat_kernel_for_tuning(&po.kernel, kernel, m->kernel, &err);
    if (st == CMAT_OK)
        st = cmat_options_init(cmat_tune_option_table, &b.options, &err);
    if (st == CMAT_OK)
        st = cmat_adapter_new(&a, m, &config, &rng, &err);
    if (st == CMAT_OK)
        st = cmat_pass_new(&b.pass, m, &a, 1, &po, &err);
    if (st == CMAT_OK)
        st = cmat_optim_init(&b.optim, a, false, &err);
    if (st == CMAT_OK)
        st = cmat_optim_place(&b.optim, b.pass->k, b.pass->params[0], &err);
    if (st == CMAT_OK) {
        printf("kernel %s\narena_mb %.0f\nstart_s %.2f\n", po.kernel->name,
               (double)b.pass->arena_size / 1e6, cmat_now() - start);
        for (int each = 1; st == CMAT_OK && each <= 4; each *= 4) {
            make_batch(&b.batch, &set, m->config.n_vocab, rows, each);
            st = measure(&b, n, &err);
        }
    }
    if (st != CMAT_OK)
        fprintf(stderr, "bench_pass: %s\n", err.msg);
    cmat_optim_clear(&b.optim);
    cmat_pass_free(b.pass);
    cmat_batch_clear(&b.batch);
    cmat_train_set_clear(&set);
    cmat_adapter_free(a);
    cmat_model_free(m);
    return st != CMAT_OK;
}
