/* cmd_bench.c - `cmat bench`: how fast this machine reads, writes and tunes with a model. */
#include "cli/commands.h"
#include "core/cancel.h"
#include "core/mem.h"
#include "core/rng.h"
#include "train/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROMPT = 512, NEW = 64, MAX_SEQS = 32, TUNE_SAMPLES = 4 };

typedef struct {
    cli_common common;
    char *model;
    int64_t repeat, rank;
    bool tune;
} bench_opts;

static const cmat_option options[] = {
    {"model", CMAT_OPT_STR, offsetof(bench_opts, model), NULL, 0, 0, NULL, "FILE",
     "model file or name", 'm'},
    {"repeat", CMAT_OPT_INT, offsetof(bench_opts, repeat), "5", 1, 101, NULL, "N",
     "runs of each; the median counts", 'n'},
    {"tune", CMAT_OPT_BOOL, offsetof(bench_opts, tune), "true", 0, 0, NULL, NULL,
     "also one step of LoRA tuning", 0},
    {"rank", CMAT_OPT_INT, offsetof(bench_opts, rank), "16", 1, 512, NULL, "R",
     "LoRA rank of that step", 0},
    CLI_COMMON_OPTIONS(bench_opts),
    {0},
};

/* Tokens a second of one run. */
typedef cmat_status (*figure_fn)(cli_model *m, const int32_t *tokens, int arg, double *rate,
                                 cmat_error *err);

/* n_seqs requests of n_prompt tokens each (the first n_shared equal, the rest the request's own),
 * n_new tokens. */
static cmat_status generate(cli_model *m, const int32_t *tokens, int n_seqs, int n_prompt,
                            int n_new, double *seconds, cmat_error *err)
{
    static const cmat_sampling greedy = CMAT_SAMPLING_DEFAULT;
    cmat_gen_result r;
    int n_busy = 1;
    cmat_status st = CMAT_OK;

    for (int i = 0; i < n_seqs && st == CMAT_OK; i++) {
        cmat_gen_request req = {.tokens = tokens,
                                .n_tokens = (size_t)n_prompt,
                                .max_tokens = n_new,
                                .sampling = greedy};
        st = cmat_engine_submit(m->engine, &req, NULL, err);
    }
    *seconds = cmat_now();
    while (st == CMAT_OK && n_busy && !cmat_cancelled())
        st = cmat_engine_step(m->engine, &n_busy, err);
    *seconds = cmat_now() - *seconds;
    while (cmat_engine_collect(m->engine, &r))
        cmat_gen_result_clear(&r);
    cmat_engine_forget(m->engine, NULL);
    return st;
}

static cmat_status prompt_rate(cli_model *m, const int32_t *tokens, int arg, double *rate,
                               cmat_error *err)
{
    double s;
    cmat_status st = generate(m, tokens, 1, arg, 1, &s, err);
    *rate = arg / s;
    return st;
}

/* Writing alone: the time of a prompt with NEW tokens less that of the prompt with one. */
static cmat_status decode_rate(cli_model *m, const int32_t *tokens, int n_seqs, double *rate,
                               cmat_error *err)
{
    double all, one;
    cmat_status st = generate(m, tokens, n_seqs, 32, 1, &one, err);
    if (st == CMAT_OK)
        st = generate(m, tokens, n_seqs, 32, NEW + 1, &all, err);
    if (st == CMAT_OK)
        *rate = n_seqs * NEW / (all - one);
    return st;
}

static cmat_status tune_rate(cli_model *m, const int32_t *tokens, int rank, double *rate,
                             cmat_error *err)
{
    cmat_lora_config config = CMAT_LORA_DEFAULT;
    cmat_tune_options to = {0};
    cmat_tune_result res;
    cmat_train_set set = {0};
    cmat_adapter *a = NULL;
    cmat_rng rng;
    cmat_status st = cmat_options_init(cmat_tune_option_table, &to, err);

    config.rank = rank;
    cmat_rng_init(&rng, 1);
    if (st == CMAT_OK)
        st = cmat_adapter_new(&a, m->model, &config, &rng, err);
    if (st == CMAT_OK) {
        for (int i = 0; i < TUNE_SAMPLES; i++)
            cmat_train_set_add(&set, tokens + i * PROMPT, NULL, PROMPT, 0);
        to.batch_tokens = TUNE_SAMPLES * PROMPT;
        to.max_steps = 2; /* the first one touches the memory */
        to.share_prefix = false;
        st = cmat_tune(m->model, a, &set, NULL, &to, &res, err);
        if (st == CMAT_OK)
            *rate = (double)res.rows / res.seconds;
    }
    cmat_train_set_clear(&set);
    cmat_adapter_free(a);
    return st;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The highest resident memory of this process so far, bytes. */
static double peak_memory(void)
{
    char line[128];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtod(line + 6, NULL);
    if (f)
        fclose(f);
    return kib * 1024;
}

static cmat_status measure(cli_model *m, const bench_opts *o, const char *name, figure_fn fn,
                           const int32_t *tokens, int arg, json_t *out, cmat_error *err)
{
    double rates[101] = {0};
    int n = (int)o->repeat;
    cmat_status st = CMAT_OK;

    for (int i = 0; i < n && st == CMAT_OK; i++) {
        st = fn(m, tokens, arg, &rates[i], err);
        if (st == CMAT_OK && cmat_cancelled())
            st = cmat_fail(err, CMAT_ERR_CANCELLED, "stopped");
    }
    if (st != CMAT_OK)
        return st;
    qsort(rates, (size_t)n, sizeof *rates, by_value);
    json_object_set_new(out, name,
                        json_pack("{s:f, s:f, s:f}", "median",
                                  (rates[n / 2] + rates[(n - 1) / 2]) / 2, "min", rates[0], "max",
                                  rates[n - 1]));
    if (!o->common.json) {
        printf("%-24s %8.1f tokens/s  (%.1f to %.1f)\n", name,
               (rates[n / 2] + rates[(n - 1) / 2]) / 2, rates[0], rates[n - 1]);
        fflush(stdout);
    }
    return CMAT_OK;
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    static const struct {
        const char *name;
        figure_fn fn;
        int arg;
    } figures[] = {{"prompt, 512 tokens", prompt_rate, PROMPT},
                   {"writing, 1 sequence", decode_rate, 1},
                   {"writing, 16 sequences", decode_rate, 16},
                   {"writing, 32 sequences", decode_rate, MAX_SEQS}};
    bench_opts *o = vopts;
    cmat_engine_options eo = {.n_seqs = MAX_SEQS, .n_ctx = 1024};
    int32_t tokens[PROMPT * TUNE_SAMPLES];
    json_t *j = json_object();
    cli_model m;
    cmat_rng rng;
    cmat_status st = cli_model_open(&m, o->model, NULL, &eo, err);

    (void)n_args;
    (void)args;
    if (st != CMAT_OK) {
        json_decref(j);
        return st;
    }
    cmat_rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        do
            tokens[i] = (int32_t)cmat_rng_below(&rng, (uint64_t)m.model->config.n_vocab);
        while (cmat_tokenizer_is_special(m.model->tokenizer, tokens[i]));
    for (size_t i = 0; st == CMAT_OK && i < sizeof figures / sizeof *figures; i++)
        st = measure(&m, o, figures[i].name, figures[i].fn, tokens, figures[i].arg, j, err);
    if (st == CMAT_OK && o->tune)
        st = cmat_model_prepare(m.model, CMAT_USE_BACKWARD, err);
    if (st == CMAT_OK && o->tune)
        st = measure(&m, o, "LoRA tuning, 4 x 512", tune_rate, tokens, (int)o->rank, j, err);
    if (st == CMAT_OK) {
        json_object_set_new(j, "peak_memory_bytes", json_real(peak_memory()));
        if (o->common.json)
            cli_print_json(j);
        else
            printf("%-24s %8.0f MB\n", "peak memory", peak_memory() / 1e6);
    }
    json_decref(j);
    cli_model_close(&m);
    return st;
}

const cli_command cli_bench = {
    .name = "bench",
    .summary = "how fast this machine reads, writes and tunes with a model",
    .usage = "[options]",
    .text =
        "Medians over --repeat runs, with the slowest and the fastest. bench/compare.sh in the "
        "sources runs it\n"
        "in turn with llama.cpp and PyTorch and prints ratios.\n\n"
        "Examples:\n"
        "  cmat bench\n"
        "  cmat bench --threads 1 --repeat 9 --no-tune --json",
    .options = options,
    .opts_size = sizeof(bench_opts),
    .run = run,
};
