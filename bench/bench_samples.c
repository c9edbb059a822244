/* bench/bench_samples.c - LoRA tuning on a file of conversations: an epoch over real samples.
 *
 * usage: bench_samples MODEL.gguf ROWS.jsonl [N_SAMPLES [TOKENS.jsonl]]
 * Rank 16, all seven matrices, the defaults of `cmat tune`. Prints what the samples are like, then
 * tokens a second (every token of every sample counts once) with beginnings that samples share
 * computed once, as by default, and each for itself. TOKENS.jsonl: where the tokenised samples go,
 * one {"tokens": [...], "weights": [...]} a line, for bench/peer_torch.py. */
#include "core/cancel.h"
#include "core/fs.h"
#include "core/mem.h"
#include "train/train.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_length(const void *pa, const void *pb)
{
    return ((const cmat_sample *)pa)->n - ((const cmat_sample *)pb)->n;
}

/* Every k-th of the samples in order of length, so that n of them have the lengths of all. */
static void thin(cmat_train_set *set, size_t n)
{
    cmat_train_set some = {0};
    qsort(set->items, set->n, sizeof *set->items, by_length);
    for (size_t i = 0; i < n && n < set->n; i++) {
        const cmat_sample *s = &set->items[i * (set->n - 1) / (n > 1 ? n - 1 : 1)];
        cmat_train_set_add(&some, s->tokens, s->weights, s->n, 0);
    }
    if (some.n) {
        cmat_train_set_clear(set);
        *set = some;
    }
}

static cmat_status save(const cmat_train_set *set, const char *path, cmat_error *err)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return cmat_fail(err, CMAT_ERR_IO, "%s: cannot be written", path);
    for (size_t i = 0; i < set->n; i++) {
        const cmat_sample *s = &set->items[i];
        fputs("{\"tokens\": [", f);
        for (int j = 0; j < s->n; j++)
            fprintf(f, "%s%d", j ? ", " : "", (int)s->tokens[j]);
        fputs("], \"weights\": [", f);
        for (int j = 0; j < s->n; j++)
            fprintf(f, "%s%g", j ? ", " : "", (double)s->weights[j]);
        fputs("]}\n", f);
    }
    return fclose(f) == 0 ? CMAT_OK : cmat_fail(err, CMAT_ERR_IO, "%s: cannot be written", path);
}

static cmat_status epoch(const char *name, cmat_model *m, const cmat_train_set *set, bool share,
                         bool print, cmat_error *err)
{
    const cmat_lora_config c = CMAT_LORA_DEFAULT;
    cmat_tune_options o = {0};
    cmat_adapter *a = NULL;
    cmat_tune_result r;
    cmat_rng rng;
    cmat_rng_init(&rng, 1);
    cmat_status st = cmat_adapter_new(&a, m, &c, &rng, err);
    if (st == CMAT_OK)
        st = cmat_options_init(cmat_tune_option_table, &o, err);
    if (st == CMAT_OK) {
        o.epochs = 1;
        o.share_prefix = share;
        st = cmat_tune(m, a, set, NULL, &o, &r, err);
    }
    if (st == CMAT_OK && print)
        printf("%-28s tokens/s %9.1f\n%s_rows_per_token %.3f\n", name, (double)r.tokens / r.seconds,
               name, (double)r.rows / (double)r.tokens);
    fflush(stdout);
    cmat_options_clear(cmat_tune_option_table, &o);
    cmat_adapter_free(a);
    return st;
}

static void describe(const cmat_train_set *set)
{
    size_t n_tokens, n_loss;
    int least = set->items[0].n, most = least;
    cmat_train_set_count(set, &n_tokens, &n_loss);
    for (size_t i = 0; i < set->n; i++) {
        least = set->items[i].n < least ? set->items[i].n : least;
        most = set->items[i].n > most ? set->items[i].n : most;
    }
    printf("samples %zu, tokens %zu, %d to %d a sample, loss on %.1f %%\n", set->n, n_tokens, least,
           most, 100 * (double)n_loss / (double)n_tokens);
}

int main(int argc, char **argv)
{
    cmat_model *m = NULL;
    cmat_dataset rows = {0};
    cmat_train_set set = {0}, warm = {0};
    cmat_error err;
    cmat_status st;
    if (argc < 3 || argc > 5 || (argc > 3 && atoi(argv[3]) < 1)) {
        fprintf(stderr, "usage: bench_samples MODEL.gguf ROWS.jsonl [N_SAMPLES [TOKENS.jsonl]]\n");
        return 2;
    }
    if ((st = cmat_model_open(&m, argv[1], NULL, &err)) != CMAT_OK ||
        (st = cmat_dataset_load(&rows, argv[2], CMAT_DATA_AUTO, NULL, &err)) != CMAT_OK ||
        (st = cmat_train_set_add_dataset(&set, m, &rows, 0, 0, &err)) != CMAT_OK)
        goto done;
    if (!set.n) {
        st = cmat_fail(&err, CMAT_ERR_FORMAT, "%s: nothing to learn from", argv[2]);
        goto done;
    }
    if (argc > 3)
        thin(&set, (size_t)atoi(argv[3]));
    describe(&set);
    if (argc > 4 && (st = save(&set, argv[4], &err)) != CMAT_OK)
        goto done;
    cmat_train_set_add(&warm, set.items[0].tokens, set.items[0].weights, set.items[0].n, 0);
    if ((st = epoch("warm", m, &warm, true, false, &err)) == CMAT_OK &&
        (st = epoch("tune_samples", m, &set, true, true, &err)) == CMAT_OK)
        st = epoch("tune_samples_unshared", m, &set, false, true, &err);
done:
    if (st != CMAT_OK)
        fprintf(stderr, "bench_samples: %s\n", err.msg);
    cmat_dataset_clear(&rows);
    cmat_train_set_clear(&set);
    cmat_train_set_clear(&warm);
    cmat_model_free(m);
    return st != CMAT_OK;
}
