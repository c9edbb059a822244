/* bench/bench_tune.c - LoRA tuning speed: tokens a second and peak memory.
 *
 *   bench_tune [MODEL.gguf [f32|bf16|recompute [BATCH_TOKENS [STEPS [plain|shared|full|lora]]]]]
 *
 * "plain": rank 16, all seven matrices, 4 sequences of 512 tokens a step, loss on every token: the
 * same work as bench/peer_torch.py. "shared": agent-like samples, 320 of about 400 tokens the
 * same, loss on the last 40; its tokens count every sample's own and shared ones. "full": plain's
 * samples, all weights tuned. "lora", the default: plain and shared. */
#include "core/buf.h"
#include "core/cancel.h"
#include "core/fs.h"
#include "core/mem.h"
#include "train/train.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Processor seconds of all threads: what one thread needs, even on a busy machine. */
static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void peak_memory(const char *what)
{
    char *text = NULL;
    size_t n;
    if (cmat_read_file("/proc/self/status", 1 << 20, &text, &n, NULL) == CMAT_OK) {
        const char *p = strstr(text, "VmHWM:");
        if (p)
            printf("%s_peak_mb %.0f\n", what, strtod(p + 6, NULL) / 1024);
    }
    free(text);
}

typedef struct {
    double *tok_s, *tok_cpu_s; /* by step, a wall and a processor second */
    double cpu;                /* at the end of the last step */
    int64_t tokens;
    int n, cap;
} speeds;

static void on_step(void *user, const cmat_tune_metrics *m)
{
    speeds *s = user;
    double cpu = cpu_seconds();
    if (s->n < s->cap) {
        s->tok_cpu_s[s->n] = (double)(m->tokens - s->tokens) / (cpu - s->cpu);
        s->tok_s[s->n++] = m->tok_s;
    }
    s->cpu = cpu;
    s->tokens = m->tokens;
    fprintf(stderr, "step %lld: loss %.4f, %.1f tokens/s\n", (long long)m->step, m->loss, m->tok_s);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static cmat_status measure(const char *what, cmat_tune_method method, cmat_model *m,
                           const cmat_train_set *set, cmat_tune_options *o, cmat_error *err)
{
    cmat_method_options c = {0};
    cmat_adapter *a = NULL;
    cmat_tune_result r;
    cmat_rng rng;
    speeds s = {.cap = (int)o->max_steps};
    cmat_rng_init(&rng, 1);
    cmat_status st = cmat_options_init(cmat_method_option_table, &c, err);
    c.method = method;
    if (st == CMAT_OK)
        st = cmat_method_adapter(&a, m, &c, &rng, err);
    cmat_options_clear(cmat_method_option_table, &c);
    if (st != CMAT_OK)
        return st;
    s.tok_s = cmat_xcalloc((size_t)s.cap, sizeof *s.tok_s);
    s.tok_cpu_s = cmat_xcalloc((size_t)s.cap, sizeof *s.tok_cpu_s);
    s.cpu = cpu_seconds();
    o->on_step = on_step;
    o->user = &s;
    st = cmat_tune(m, a, set, NULL, o, &r, err);
    if (st == CMAT_OK) {
        qsort(s.tok_s, (size_t)s.n, sizeof *s.tok_s, compare);
        qsort(s.tok_cpu_s, (size_t)s.n, sizeof *s.tok_cpu_s, compare);
        printf("%s_tokens_per_cpu_s %.1f\n", what, s.tok_cpu_s[s.n / 2]);
        printf("%s_tokens_per_s %.1f\n%s_rows_per_token %.3f\n%s_arena_mb %.0f\n", what,
               s.tok_s[s.n / 2], what, (double)r.rows / (double)r.tokens, what,
               (double)r.memory / 1e6);
        peak_memory(what);
    }
    free(s.tok_s);
    free(s.tok_cpu_s);
    cmat_adapter_free(a);
    return st;
}

static void add_samples(cmat_train_set *set, const cmat_model *m, int n, int shared, int len,
                        int n_loss, uint64_t seed)
{
    int32_t *tokens = cmat_xmalloc((size_t)len * sizeof *tokens);
    float *weights = cmat_xcalloc((size_t)len, sizeof *weights);
    cmat_rng rng;
    for (int i = 0; i < n; i++) {
        cmat_rng_init(&rng, seed);
        for (int j = 0; j < len; j++) {
            if (j == shared)
                cmat_rng_init_sub(&rng, seed, (uint64_t)i);
            tokens[j] = (int32_t)cmat_rng_below(&rng, (uint64_t)m->config.n_vocab);
            weights[j] = j >= len - n_loss ? 1.0F : 0.0F;
        }
        cmat_train_set_add(set, tokens, weights, len, 0);
    }
    free(tokens);
    free(weights);
}

static bool wants(const char *figure, const char *what)
{
    return strcmp(what, "lora") == 0 || strcmp(what, figure) == 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 5 ? argv[5] : "lora";
    cmat_error err;
    cmat_model *m = NULL;
    cmat_tune_options o = {0};
    cmat_train_set plain = {0}, shared = {0};
    char *home = cmat_data_home();
    char *def = cmat_path_join(home, "models/SmolLM2-135M-Instruct.Q4_1.gguf");
    cmat_status st = cmat_model_open(&m, argc > 1 ? argv[1] : def, NULL, &err);
    if (st == CMAT_OK)
        st = cmat_options_init(cmat_tune_option_table, &o, &err);
    if (st == CMAT_OK && argc > 2)
        st = cmat_options_set(cmat_tune_option_table, &o, "keep", argv[2], "bench_tune", &err);
    if (st == CMAT_OK) {
        o.batch_tokens = argc > 3 ? atoi(argv[3]) : 1024;
        o.max_steps = argc > 4 ? atoi(argv[4]) : 5;
        o.grad_accum = o.batch_tokens < 2048 ? 2048 / o.batch_tokens : 1;
        /* 513 tokens: 512 rows, each with the next token as its target */
        add_samples(&plain, m, 16, 0, 513, 512, 1);
        add_samples(&shared, m, 200, 320, 400, 40, 1);
        printf("kernel %s\n", m->kernel->name);
    }
    if (st == CMAT_OK && wants("plain", what))
        st = measure("plain", CMAT_TUNE_LORA, m, &plain, &o, &err);
    if (st == CMAT_OK && wants("shared", what))
        st = measure("shared", CMAT_TUNE_LORA, m, &shared, &o, &err);
    if (st == CMAT_OK && strcmp(what, "full") == 0)
        st = measure("full", CMAT_TUNE_FULL, m, &plain, &o, &err);
    if (st != CMAT_OK)
        fprintf(stderr, "bench_tune: %s\n", err.msg);
    cmat_train_set_clear(&plain);
    cmat_train_set_clear(&shared);
    cmat_model_free(m);
    free(home);
    free(def);
    return st != CMAT_OK;
}
