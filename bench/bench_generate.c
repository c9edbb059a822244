/* bench/bench_generate.c - speed of the engine: prompts, one sequence, many sequences.
 *
 * usage: bench_generate MODEL.gguf [repeats [base|prompt|decode|long|constrained|lora|all|FIGURE]]
 * long: 16 sequences that have nothing in common, after LONG_SEQ tokens each. FIGURE: one by its
 * name, such as decode_16 or prompt_2048_lora16, for a profiler. One figure a line: name, unit,
 * median, least, most. */
#include "core/cancel.h"
#include "core/mem.h"
#include "model/engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROMPT = 512,
    LONG_PROMPT = 2048,
    PREFIX = 256,
    NEW = 64,
    MAX_REPEATS = 101,
    SEQS = 32,
    CONTEXT = 640,
    LONG_SEQ = 1200,
    LONG_SEQS = 16
};

typedef struct {
    cmat_model *model;
    cmat_adapter *adapter;
    const cmat_acceptor *constraint;
    cmat_rng rng;
    const char *what;
} bench;

static int figure_order(const void *pa, const void *pb)
{
    const double a = *(const double *)pa, b = *(const double *)pb;
    return (a > b) - (a < b);
}

static void print_figure(const char *name, double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, figure_order);
    printf("%-28s tokens/s %9.1f %9.1f %9.1f\n", name,
           n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2, v[0], v[n - 1]);
    fflush(stdout);
}

static void die(const cmat_error *err)
{
    fprintf(stderr, "bench_generate: %s\n", err->msg);
    exit(1);
}

static void random_tokens(bench *b, int32_t *tokens, int n)
{
    for (int i = 0; i < n; i++)
        do {
            tokens[i] = (int32_t)cmat_rng_below(&b->rng, (uint64_t)b->model->config.n_vocab);
        } while (cmat_tokenizer_is_special(b->model->tokenizer, tokens[i]));
}

static void drain(cmat_engine *e)
{
    cmat_gen_result r;
    while (cmat_engine_collect(e, &r))
        cmat_gen_result_clear(&r);
}

static void submit(bench *b, cmat_engine *e, const int32_t *tokens, int n, int max_tokens)
{
    cmat_error err;
    const cmat_gen_request req = {.tokens = tokens,
                                  .n_tokens = (size_t)n,
                                  .max_tokens = max_tokens,
                                  .sampling = CMAT_SAMPLING_DEFAULT,
                                  .adapter = b->adapter,
                                  .constraint = b->constraint};
    if (cmat_engine_submit(e, &req, NULL, &err) != CMAT_OK)
        die(&err);
}

static double prompt_speed(bench *b, cmat_engine *e, int n)
{
    int32_t tokens[LONG_PROMPT];
    double t;
    int busy = 1;
    random_tokens(b, tokens, n);
    submit(b, e, tokens, n, 1);
    t = cmat_now();
    while (busy)
        cmat_engine_step(e, &busy, NULL);
    t = cmat_now() - t;
    drain(e);
    return n / t;
}

/* Tokens a second of all that was submitted, once the prompts are through. */
static double rest_speed(cmat_engine *e)
{
    double t, made = 0;
    int busy = 1, steps = 0;
    cmat_engine_step(e, &busy, NULL);
    t = cmat_now();
    for (; steps < NEW - 1 && busy; steps++) { /* some may end sooner: count those that ran */
        made += busy;
        cmat_engine_step(e, &busy, NULL);
    }
    t = cmat_now() - t;
    while (busy)
        cmat_engine_step(e, &busy, NULL);
    drain(e);
    return made / t;
}

/* n sequences with a common beginning, decoded together; the prompts' step is not counted. */
static double decode_speed(bench *b, cmat_engine *e, int n)
{
    int32_t tokens[PREFIX + 8];
    random_tokens(b, tokens, PREFIX);
    for (int i = 0; i < n; i++) {
        random_tokens(b, tokens + PREFIX, 8);
        submit(b, e, tokens, PREFIX + 8, NEW);
    }
    return rest_speed(e);
}

/* The same without anything in common. All but the last tokens come from the cache: the first call
 * computes them. */
static double long_speed(bench *b, cmat_engine *e, int32_t tokens[][LONG_SEQ])
{
    int busy = 1;
    for (int i = 0; i < LONG_SEQS; i++)
        submit(b, e, tokens[i], LONG_SEQ, 1);
    while (busy)
        cmat_engine_step(e, &busy, NULL);
    drain(e);
    for (int i = 0; i < LONG_SEQS; i++)
        submit(b, e, tokens[i], LONG_SEQ, NEW);
    return rest_speed(e);
}

static void run_long(bench *b, int repeats)
{
    static int32_t tokens[LONG_SEQS][LONG_SEQ];
    const cmat_engine_options opts = {
        .n_seqs = LONG_SEQS, .n_ctx = LONG_SEQ + NEW + 1, .no_draft = true};
    double v[MAX_REPEATS];
    char name[64];
    cmat_engine *e;
    cmat_error err;
    snprintf(name, sizeof name, "long_%d", LONG_SEQS);
    if (strcmp(b->what, "all") != 0 && strcmp(b->what, "long") != 0 && strcmp(b->what, name) != 0)
        return;
    if (cmat_engine_new(&e, b->model, &opts, &err) != CMAT_OK)
        die(&err);
    for (int i = 0; i < LONG_SEQS; i++)
        random_tokens(b, tokens[i], LONG_SEQ);
    for (int i = 0; i < repeats; i++)
        v[i] = long_speed(b, e, tokens);
    print_figure(name, v, repeats);
    cmat_engine_free(e);
}

/* The name of a figure in name, and whether it is asked for. */
static bool wanted(const bench *b, const char *kind, int n, const char *suffix, char name[64])
{
    const char *group = *suffix ? suffix + 1 : "base";
    snprintf(name, 64, "%s_%d%s", kind, n, suffix);
    return strcmp(b->what, "all") == 0 || strcmp(b->what, name) == 0 ||
           strncmp(b->what, group, strlen(b->what)) == 0 || /* "lora" is "lora16" */
           (!*suffix && strcmp(b->what, kind) == 0);
}

static void run(bench *b, cmat_engine *e, cmat_engine *e_long, const char *suffix, int repeats)
{
    static const int batch[] = {1, 16, 32};
    double v[MAX_REPEATS];
    char name[64];
    if (wanted(b, "prompt", PROMPT, suffix, name)) {
        for (int i = 0; i < repeats; i++)
            v[i] = prompt_speed(b, e, PROMPT);
        print_figure(name, v, repeats);
    }
    if (wanted(b, "prompt", LONG_PROMPT, suffix, name)) {
        for (int i = -1; i < repeats; i++) /* the first one touches the memory */
            v[i < 0 ? 0 : i] = prompt_speed(b, e_long, LONG_PROMPT);
        print_figure(name, v, repeats);
    }
    for (int k = 0; k < 3; k++) {
        if (!wanted(b, "decode", batch[k], suffix, name))
            continue;
        for (int i = 0; i < repeats; i++)
            v[i] = decode_speed(b, e, batch[k]);
        print_figure(name, v, repeats);
    }
}

/* Any text: the constraint that costs most, since every token must be walked. */
static void any_start(const cmat_acceptor *a, void *state)
{
    (void)a;
    *(uint8_t *)state = 0;
}

static bool any_step(const cmat_acceptor *a, void *state, uint8_t byte)
{
    (void)a;
    (void)state;
    return byte != 0;
}

static bool any_done(const cmat_acceptor *a, const void *state)
{
    (void)a;
    (void)state;
    return false;
}

static uint64_t any_key(const cmat_acceptor *a, const void *state)
{
    (void)a;
    (void)state;
    return 1;
}

static void any_free(cmat_acceptor *a)
{
    (void)a;
}

int main(int argc, char **argv)
{
    static const cmat_acceptor_ops any_ops = {.name = "any",
                                              .start = any_start,
                                              .step = any_step,
                                              .done = any_done,
                                              .key = any_key,
                                              .free = any_free};
    const cmat_acceptor any = {
        .ops = &any_ops, .state_size = 1, .identity = cmat_acceptor_identity_new()};
    const cmat_lora_config lora = CMAT_LORA_DEFAULT;
    const cmat_engine_options opts = {.n_seqs = SEQS, .n_ctx = CONTEXT, .no_draft = true};
    const cmat_engine_options opts_long = {.n_seqs = 1, .n_ctx = LONG_PROMPT + 1};
    const int repeats = argc > 2 ? atoi(argv[2]) : 5;
    bench b = {.what = argc > 3 ? argv[3] : "all"};
    cmat_engine *e = NULL, *e_long = NULL;
    cmat_error err;
    if (argc < 2 || repeats < 1 || repeats > MAX_REPEATS) {
        fprintf(stderr,
                "usage: bench_generate MODEL.gguf [repeats "
                "[base|prompt|decode|long|constrained|lora|all|FIGURE]]\n");
        return 2;
    }
    cmat_rng_init(&b.rng, 1);
    if (cmat_model_open(&b.model, argv[1], NULL, &err) != CMAT_OK ||
        cmat_engine_new(&e, b.model, &opts, &err) != CMAT_OK ||
        cmat_engine_new(&e_long, b.model, &opts_long, &err) != CMAT_OK)
        die(&err);
    printf("kernel %s, %d threads\n", b.model->kernel->name, cmat_threads());
    /* Once through the whole cache: memory that is touched for the first time comes at the
     * operating system's pace, and llama.cpp clears its cache when it makes it. */
    for (int i = 0; i < SEQS * CONTEXT / PROMPT; i++)
        prompt_speed(&b, e, PROMPT);
    run(&b, e, e_long, "", repeats);
    run_long(&b, repeats);
    b.constraint = &any;
    run(&b, e, e_long, "_constrained", repeats);
    b.constraint = NULL;
    if (cmat_adapter_new(&b.adapter, b.model, &lora, &b.rng, &err) != CMAT_OK)
        die(&err);
    run(&b, e, e_long, "_lora16", repeats);
    cmat_engine_free(e);
    cmat_engine_free(e_long);
    cmat_adapter_free(b.adapter);
    cmat_model_free(b.model);
    return 0;
}
