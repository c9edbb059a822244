/* train/set.c - tokenised samples. */
#include "core/json.h"
#include "core/mem.h"
#include "kernel/kernel.h"
#include "train/train.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

void cmat_train_set_add(cmat_train_set *set, const int32_t *tokens, const float *weights, int n,
                        int adapter)
{
    assert(adapter >= 0 && adapter < CMAT_TUNE_MAX_ADAPTERS);
    bool any = false;
    for (int i = 1; i < n && !any; i++)
        any = !weights || weights[i] != 0;
    if (!any) {
        set->n_no_loss++;
        return;
    }
    cmat_sample s = {.n = n, .adapter = adapter};
    s.tokens = cmat_xmalloc((size_t)n * sizeof *s.tokens);
    s.weights = cmat_xmalloc((size_t)n * sizeof *s.weights);
    memcpy(s.tokens, tokens, (size_t)n * sizeof *s.tokens);
    for (int i = 0; i < n; i++)
        s.weights[i] = weights ? weights[i] : 1.0F;
    s.weights[0] = 0; /* nothing stands before it */
    set->items = cmat_xgrow(set->items, &set->cap, set->n + 1, sizeof *set->items);
    set->items[set->n++] = s;
}

/* The weight of the i-th assistant message (all: -1 asks for their number). */
static double assistant_weight(const json_t *messages, size_t which, size_t *n_assistant)
{
    double weight = 1;
    size_t i, n = 0;
    json_t *msg;
    json_array_foreach(messages, i, msg)
    {
        if (strcmp(cmat_json_str(msg, "role", ""), "assistant") != 0)
            continue;
        if (n++ == which)
            weight = cmat_json_num(msg, "weight", 1);
    }
    *n_assistant = n;
    return weight;
}

/* Token weights from the mask: run r of ones is what the r-th assistant message says. */
static cmat_status token_weights(float *w, const uint8_t *mask, size_t n, const cmat_row *row,
                                 cmat_error *err)
{
    size_t run = 0, n_assistant;
    double cur = 0;
    for (size_t i = 0; i < n; i++) {
        if (mask[i] && (i == 0 || !mask[i - 1]))
            cur = assistant_weight(row->messages, run++, &n_assistant);
        w[i] = mask[i] ? (float)cur * row->weight : 0.0F;
    }
    (void)assistant_weight(row->messages, 0, &n_assistant);
    if (run != n_assistant)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "train: the chat template shows %zu of %zu assistant messages apart, so "
                         "that their weights cannot be told",
                         run, n_assistant);
    return CMAT_OK;
}

/* Appends the samples of `from`, which is empty afterwards. */
static void take_all(cmat_train_set *set, cmat_train_set *from)
{
    set->items = cmat_xgrow(set->items, &set->cap, set->n + from->n, sizeof *set->items);
    if (from->n)
        memcpy(set->items + set->n, from->items, from->n * sizeof *from->items);
    set->n += from->n;
    set->n_too_long += from->n_too_long;
    set->n_no_loss += from->n_no_loss;
    free(from->items);
    *from = (cmat_train_set){0};
}

cmat_status cmat_train_set_add_row(cmat_train_set *set, const cmat_model *m, const cmat_row *row,
                                   int max_tokens, int adapter, cmat_error *err)
{
    int32_t *tokens = NULL;
    uint8_t *mask = NULL;
    float *weights = NULL;
    const int n_ctx = cmat_config_train_ctx(&m->config);
    size_t n = 0, limit = (size_t)(max_tokens > 0 ? max_tokens : n_ctx);
    cmat_status st = cmat_model_chat_tokens(m, row->messages, false, &tokens, &mask, &n, err);
    if (st != CMAT_OK)
        return st;
    if (n > limit || n > (size_t)n_ctx) {
        set->n_too_long++;
        goto done;
    }
    if (n == 0)
        goto done;
    weights = cmat_xmalloc(n * sizeof *weights);
    if ((st = token_weights(weights, mask, n, row, err)) == CMAT_OK)
        cmat_train_set_add(set, tokens, weights, (int)n, adapter);
done:
    free(tokens);
    free(mask);
    free(weights);
    return st;
}

/* Rows are tokenised by all threads, some at a time, and added in their order. */
cmat_status cmat_train_set_add_dataset(cmat_train_set *set, const cmat_model *m,
                                       const cmat_dataset *ds, int max_tokens, int adapter,
                                       cmat_error *err)
{
    enum { AT_ONCE = 1024 };
    cmat_train_set *parts = cmat_xcalloc(AT_ONCE, sizeof *parts);
    cmat_status *results = cmat_xcalloc(AT_ONCE, sizeof *results), st = CMAT_OK;
    for (size_t at = 0; at < ds->n && st == CMAT_OK; at += AT_ONCE) {
        const size_t n = ds->n - at < AT_ONCE ? ds->n - at : AT_ONCE;
#pragma omp parallel for schedule(dynamic, 16) num_threads(cmat_threads())
        for (size_t i = 0; i < n; i++)
            results[i] =
                cmat_train_set_add_row(&parts[i], m, &ds->items[at + i], max_tokens, adapter, NULL);
        for (size_t i = 0; i < n; i++) {
            const cmat_row *row = &ds->items[at + i];
            if (st == CMAT_OK && results[i] != CMAT_OK) { /* once more, for the message */
                st = cmat_train_set_add_row(&parts[i], m, row, max_tokens, adapter, err);
                st = cmat_fail_prefix(err, st, "row %s", row->id);
            } else if (st == CMAT_OK) {
                take_all(set, &parts[i]);
            }
            cmat_train_set_clear(&parts[i]);
        }
    }
    free(parts);
    free(results);
    return st;
}

void cmat_train_set_clear(cmat_train_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        free(set->items[i].tokens);
        free(set->items[i].weights);
    }
    free(set->items);
    *set = (cmat_train_set){0};
}

void cmat_train_set_count(const cmat_train_set *set, size_t *n_tokens, size_t *n_loss)
{
    *n_tokens = *n_loss = 0;
    for (size_t i = 0; i < set->n; i++) {
        *n_tokens += (size_t)set->items[i].n;
        for (int j = 0; j < set->items[i].n; j++)
            *n_loss += set->items[i].weights[j] != 0;
    }
}
