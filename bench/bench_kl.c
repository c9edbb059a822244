/* bench/bench_kl.c - how far the engine's distributions are from float32 on the same (dequantised)
 * weights, and how far what the sampler saw is from what the trainer computes.
 *
 * usage: bench_kl MODEL.gguf TEXT [N_TOKENS [WINDOW [REFERENCE]]]        4096 256
 * The text is cut into windows that do not see each other, and each position's next-token
 * distribution is compared with the reference's: mean and largest KL(reference || ours) in nats,
 * the share with the same best token. The reference is the plain kernels' path; with REFERENCE it
 * is kept in that file, for bench/peer_kl.py and the next run (8 bytes "CMATLOG1", int32 n, V,
 * window; tokens (n) int32; from byte 4096 * k on, the first that is behind them, logits (n, V)
 * float32; all of the machine's byte order). */
#include "core/cancel.h"
#include "core/fs.h"
#include "core/mem.h"
#include "kl_trainer.h"
#include "model/engine.h"
#include "model/forward.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MANY = 16, SAMPLE_PROMPT = 64, SAMPLE_NEW = 64, PAGE = 4096 };

typedef struct {
    char magic[8];
    int32_t n, n_vocab, window;
} ref_header;

typedef struct {
    cmat_model *model;
    int32_t *tokens; /* (n) */
    int n, window, n_vocab;
    float *ref; /* (n, n_vocab), in the mapped file */
    char *map;
    size_t map_size;
    float *logits; /* (window, n_vocab) */
} bench;

/* --- distances --- */

typedef struct {
    double sum, largest;
    int n, same;
} distances;

static double log_sum_exp(const float *x, int n, int *best)
{
    double sum = 0;
    *best = 0;
    for (int i = 1; i < n; i++)
        *best = x[i] > x[*best] ? i : *best;
    for (int i = 0; i < n; i++)
        sum += exp((double)x[i] - (double)x[*best]);
    return (double)x[*best] + log(sum);
}

static double divergence(const float *ref, const float *ours, int n, bool *same)
{
    int best_ref, best;
    const double norm_ref = log_sum_exp(ref, n, &best_ref), norm = log_sum_exp(ours, n, &best);
    double kl = 0;
    for (int i = 0; i < n; i++) {
        const double lp = (double)ref[i] - norm_ref;
        kl += exp(lp) * (lp - ((double)ours[i] - norm));
    }
    *same = best == best_ref;
    return kl;
}

/* Adds n rows, `ours` against positions at, at + step, ... */
static void compare(const bench *b, distances *d, int at, int step, const float *ours, int n)
{
    double sum = 0, largest = d->largest;
    int n_same = 0;
#pragma omp parallel for reduction(+ : sum, n_same) reduction(max : largest)
    for (int i = 0; i < n; i++) {
        bool same;
        const double kl =
            divergence(b->ref + ((size_t)at + (size_t)i * (size_t)step) * (size_t)b->n_vocab,
                       ours + (size_t)i * (size_t)b->n_vocab, b->n_vocab, &same);
        sum += kl;
        largest = kl > largest ? kl : largest;
        n_same += same;
    }
    d->sum += sum;
    d->largest = largest;
    d->same += n_same;
    d->n += n;
}

static void print(const char *name, const distances *d)
{
    printf("%-16s kl_mean %.3e kl_largest %.3e same_best %.4f positions %d\n", name, d->sum / d->n,
           d->largest, (double)d->same / d->n, d->n);
    fflush(stdout);
}

/* --- the reference --- */

static cmat_status map_file(bench *b, const char *path, bool *made, cmat_error *err)
{
    const size_t head = sizeof(ref_header) + (size_t)b->n * sizeof *b->tokens;
    const size_t at = (head + PAGE - 1) / PAGE * PAGE;
    const ref_header want = {.magic = {'C', 'M', 'A', 'T', 'L', 'O', 'G', '1'},
                             .n = b->n,
                             .n_vocab = b->n_vocab,
                             .window = b->window};
    FILE *f = path ? fopen(path, "r+b") : tmpfile();
    *made = f && path;
    if (!f && path)
        f = fopen(path, "w+b");
    if (!f)
        return cmat_fail(err, CMAT_ERR_IO, "%s: cannot be opened", path ? path : "temporary file");
    b->map_size = at + (size_t)b->n * (size_t)b->n_vocab * sizeof *b->ref;
    if (ftruncate(fileno(f), (off_t)b->map_size) == 0)
        b->map = mmap(NULL, b->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    fclose(f);
    if (!b->map || b->map == MAP_FAILED) {
        b->map = NULL;
        return cmat_fail(err, CMAT_ERR_IO, "no room for %zu bytes of logits", b->map_size);
    }
    *made = *made && memcmp(b->map, &want, sizeof want) == 0 &&
            memcmp(b->map + sizeof want, b->tokens, (size_t)b->n * sizeof *b->tokens) == 0;
    b->ref = (float *)(void *)(b->map + at);
    if (!*made)
        memset(b->map, 0, sizeof want); /* until it is whole */
    return CMAT_OK;
}

static cmat_status reference(bench *b, const char *model, const char *path, cmat_error *err)
{
    const ref_header head = {.magic = {'C', 'M', 'A', 'T', 'L', 'O', 'G', '1'},
                             .n = b->n,
                             .n_vocab = b->n_vocab,
                             .window = b->window};
    cmat_model *plain = NULL;
    bool made = false;
    cmat_status st = map_file(b, path, &made, err);
    if (st != CMAT_OK || made)
        return st;
    st = cmat_model_open(&plain, model, cmat_kernel_find("plain"), err);
    for (int at = 0; st == CMAT_OK && at < b->n; at += b->window) {
        fprintf(stderr, "\rreference: %d of %d positions", at, b->n);
        st = cmat_model_logits(plain, NULL, b->tokens + at, (size_t)b->window,
                               b->ref + (size_t)at * (size_t)b->n_vocab, err);
    }
    fprintf(stderr, "\r%40s\r", "");
    cmat_model_free(plain);
    if (st == CMAT_OK) {
        memcpy(b->map + sizeof head, b->tokens, (size_t)b->n * sizeof *b->tokens);
        memcpy(b->map, &head, sizeof head);
    }
    return st;
}

/* --- what is compared --- */

/* Scoring: float32 keys and values. */
static cmat_status scores(bench *b, cmat_error *err)
{
    distances d = {0};
    for (int at = 0; at < b->n; at += b->window) {
        cmat_status st =
            cmat_model_logits(b->model, NULL, b->tokens + at, (size_t)b->window, b->logits, err);
        if (st != CMAT_OK)
            return st;
        compare(b, &d, at, 1, b->logits, b->window);
    }
    print("score", &d);
    return CMAT_OK;
}

/* A window at a time as the engine takes a prompt. */
static cmat_status prompts(bench *b, cmat_error *err)
{
    const int n = b->window, n_pages = (n + CMAT_KV_PAGE - 1) / CMAT_KV_PAGE;
    int32_t *pages = cmat_xcalloc((size_t)n_pages, sizeof *pages),
            *pos = cmat_xcalloc((size_t)n, sizeof *pos);
    const cmat_adapter **none = cmat_xcalloc((size_t)n, sizeof(void *));
    const cmat_paged_seq seq = {.n = n, .pages = pages};
    distances d = {0};
    cmat_kv *kv = NULL;
    cmat_forward *f = NULL;
    cmat_status st = cmat_kv_new(&kv, &b->model->config, CMAT_TYPE_F16, n_pages, err);
    if (st == CMAT_OK)
        st = cmat_forward_new(&f, b->model, n, n, err);
    for (int i = 0; st == CMAT_OK && i < n_pages; i++)
        pages[i] = cmat_kv_take(kv);
    for (int i = 0; i < n; i++)
        pos[i] = i;
    for (int at = 0; st == CMAT_OK && at < b->n; at += n) {
        const cmat_batch batch = {.n_rows = n,
                                  .tokens = b->tokens + at,
                                  .pos = pos,
                                  .adapters = none,
                                  .seqs = &seq,
                                  .n_seqs = 1,
                                  .out_rows = pos,
                                  .n_out = n};
        cmat_forward_run(f, kv, &batch);
        compare(b, &d, at, 1, cmat_forward_head(f, 0, n), n);
    }
    if (st == CMAT_OK)
        print("prompt", &d);
    cmat_forward_free(f);
    cmat_kv_free(kv);
    free(pages);
    free(pos);
    free(none);
    return st;
}

/* Positions 0 .. window-1 of windows first .. first+n-1, one of each at a time through the cache.
 */
static cmat_status decode_windows(bench *b, cmat_forward *f, distances *d, int first, int n,
                                  cmat_error *err)
{
    const int n_pages = (b->window + CMAT_KV_PAGE - 1) / CMAT_KV_PAGE;
    cmat_paged_seq seqs[MANY];
    int32_t tokens[MANY], pos[MANY], rows[MANY];
    const cmat_adapter *adapters[MANY] = {NULL};
    cmat_kv *kv = NULL;
    cmat_status st = cmat_kv_new(&kv, &b->model->config, CMAT_TYPE_F16, n * n_pages, err);
    int32_t *pages = cmat_xcalloc((size_t)(n * n_pages), sizeof *pages);
    if (st != CMAT_OK)
        goto done;
    for (int i = 0; i < n * n_pages; i++)
        pages[i] = cmat_kv_take(kv);
    for (int t = 0; t < b->window; t++) {
        for (int i = 0; i < n; i++) {
            tokens[i] = b->tokens[(first + i) * b->window + t];
            pos[i] = t;
            rows[i] = i;
            seqs[i] = (cmat_paged_seq){
                .row = i, .n = 1, .n_past = t, .pages = pages + (ptrdiff_t)i * n_pages};
        }
        const cmat_batch batch = {.n_rows = n,
                                  .tokens = tokens,
                                  .pos = pos,
                                  .adapters = adapters,
                                  .n_decode = n,
                                  .seqs = seqs,
                                  .n_seqs = n,
                                  .out_rows = rows,
                                  .n_out = n};
        cmat_forward_run(f, kv, &batch);
        compare(b, d, first * b->window + t, b->window, cmat_forward_head(f, 0, n), n);
    }
done:
    cmat_kv_free(kv);
    free(pages);
    return st;
}

static cmat_status decoding(bench *b, int n, cmat_error *err)
{
    distances d = {0};
    char name[32];
    cmat_forward *f = NULL;
    cmat_status st = cmat_forward_new(&f, b->model, n, n, err);
    for (int w = 0; st == CMAT_OK && w + n <= b->n / b->window; w += n)
        st = decode_windows(b, f, &d, w, n, err);
    cmat_forward_free(f);
    snprintf(name, sizeof name, "decode_%d", n);
    if (st == CMAT_OK && d.n)
        print(name, &d);
    return st;
}

static cmat_status training(bench *b, cmat_error *err)
{
    distances d = {0};
    kl_trainer *t = NULL;
    cmat_status st = kl_trainer_new(&t, b->model, b->window, err);
    for (int at = 0; st == CMAT_OK && at < b->n; at += b->window) {
        st = kl_trainer_run(t, b->tokens + at, b->window, b->logits, NULL, err);
        if (st == CMAT_OK)
            compare(b, &d, at, 1, b->logits, b->window - 1);
    }
    if (st == CMAT_OK)
        print("training", &d);
    kl_trainer_free(t);
    return st;
}

/* --- the sampler and the trainer --- */

typedef struct {
    double sum, largest;
    int n;
} differences;

static cmat_status score_sample(kl_trainer *t, const int32_t *prompt, const cmat_gen_result *r,
                                differences *d, cmat_error *err)
{
    int32_t tokens[SAMPLE_PROMPT + SAMPLE_NEW];
    float logprobs[SAMPLE_PROMPT + SAMPLE_NEW];
    memcpy(tokens, prompt, SAMPLE_PROMPT * sizeof *tokens);
    memcpy(tokens + SAMPLE_PROMPT, r->tokens, r->n_tokens * sizeof *tokens);
    cmat_status st =
        kl_trainer_run(t, tokens, SAMPLE_PROMPT + (int)r->n_tokens, NULL, logprobs, err);
    for (size_t i = 0; st == CMAT_OK && i < r->n_tokens; i++) {
        const double x = fabs((double)logprobs[SAMPLE_PROMPT + i] - (double)r->logprobs[i]);
        d->sum += x;
        d->largest = x > d->largest ? x : d->largest;
        d->n++;
    }
    return st;
}

/* The beginnings of windows, gone on with at temperature 1 in a batch of MANY. */
static cmat_status sampling(bench *b, cmat_error *err)
{
    const cmat_engine_options o = {.n_seqs = MANY, .n_ctx = SAMPLE_PROMPT + SAMPLE_NEW};
    const int n = b->n / b->window;
    uint64_t *ids = cmat_xcalloc((size_t)n, sizeof *ids);
    differences d = {0};
    cmat_engine *e = NULL;
    kl_trainer *t = NULL;
    cmat_gen_result r;
    int busy = 1;
    cmat_status st = cmat_engine_new(&e, b->model, &o, err);
    if (st == CMAT_OK)
        st = kl_trainer_new(&t, b->model, SAMPLE_PROMPT + SAMPLE_NEW, err);
    for (int i = 0; st == CMAT_OK && i < n; i++) {
        cmat_gen_request q = {.tokens = b->tokens + (size_t)i * (size_t)b->window,
                              .n_tokens = SAMPLE_PROMPT,
                              .max_tokens = SAMPLE_NEW,
                              .sampling = CMAT_SAMPLING_DEFAULT};
        q.sampling.temperature = 1;
        q.sampling.seed = (uint64_t)i;
        st = cmat_engine_submit(e, &q, &ids[i], err);
    }
    while (st == CMAT_OK && busy)
        st = cmat_engine_step(e, &busy, err);
    while (e && cmat_engine_collect(e, &r)) {
        int i = 0;
        while (ids[i] != r.id)
            i++;
        if (st == CMAT_OK)
            st = score_sample(t, b->tokens + (size_t)i * (size_t)b->window, &r, &d, err);
        cmat_gen_result_clear(&r);
    }
    if (st == CMAT_OK && d.n)
        printf("%-16s logprob_mean_difference %.3e largest %.3e tokens %d\n", "sampler_trainer",
               d.sum / d.n, d.largest, d.n);
    cmat_engine_free(e);
    kl_trainer_free(t);
    free(ids);
    return st;
}

static cmat_status read_text(bench *b, const char *path, int n_tokens, cmat_error *err)
{
    char *text = NULL;
    size_t len, n = 0, cap = 0;
    cmat_status st = cmat_read_file(path, (size_t)1 << 26, &text, &len, err);
    if (st != CMAT_OK)
        return st;
    cmat_tokenizer_encode(b->model->tokenizer, text, len, false, &b->tokens, &n, &cap);
    free(text);
    b->n = (n < (size_t)n_tokens ? (int)n : n_tokens) / b->window * b->window;
    if (b->n < b->window)
        return cmat_fail(err, CMAT_ERR_ARG, "%s: %zu tokens, at least %d are needed", path, n,
                         b->window);
    return CMAT_OK;
}

static void bench_clear(bench *b)
{
    if (b->map)
        munmap(b->map, b->map_size);
    cmat_free_big(b->logits);
    free(b->tokens);
    cmat_model_free(b->model);
}

int main(int argc, char **argv)
{
    const int n_tokens = argc > 3 ? atoi(argv[3]) : 4096;
    bench b = {.window = argc > 4 ? atoi(argv[4]) : 256};
    cmat_error err;
    cmat_status st;
    if (argc < 3 || argc > 6 || n_tokens < 1 || b.window < SAMPLE_PROMPT) {
        fprintf(stderr, "usage: bench_kl MODEL.gguf TEXT [N_TOKENS [WINDOW [REFERENCE]]]\n");
        return 2;
    }
    if ((st = cmat_model_open(&b.model, argv[1], NULL, &err)) != CMAT_OK ||
        (st = cmat_model_prepare(b.model, CMAT_USE_DECODE | CMAT_USE_PROMPT | CMAT_USE_BACKWARD,
                                 &err)) != CMAT_OK ||
        (st = read_text(&b, argv[2], n_tokens, &err)) != CMAT_OK)
        goto done;
    b.n_vocab = b.model->config.n_vocab;
    if (!(b.logits = cmat_alloc_big((size_t)b.window * (size_t)b.n_vocab, sizeof *b.logits))) {
        st = cmat_fail(&err, CMAT_ERR_NOMEM, "no memory for %d rows of logits", b.window);
        goto done;
    }
    if ((st = reference(&b, argv[1], argc > 5 ? argv[5] : NULL, &err)) != CMAT_OK)
        goto done;
    printf("kernel %s\n", b.model->kernel->name);
    if ((st = scores(&b, &err)) == CMAT_OK && (st = prompts(&b, &err)) == CMAT_OK &&
        (st = decoding(&b, 1, &err)) == CMAT_OK && (st = decoding(&b, MANY, &err)) == CMAT_OK &&
        (st = training(&b, &err)) == CMAT_OK)
        st = sampling(&b, &err);
done:
    if (st != CMAT_OK)
        fprintf(stderr, "bench_kl: %s\n", err.msg);
    bench_clear(&b);
    return st != CMAT_OK;
}
