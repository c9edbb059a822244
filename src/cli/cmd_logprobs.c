/* cmd_logprobs.c - `cmat logprobs`: how likely a text is, token by token. */
#include "cli/commands.h"
#include "core/json.h"
#include "core/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    cli_common common;
    char *model, *adapter, *file;
    bool ids, special;
    int64_t top;
} logprobs_opts;

static const cmat_option options[] = {
    {"model", CMAT_OPT_STR, offsetof(logprobs_opts, model), NULL, 0, 0, NULL, "FILE",
     "model file or name", 'm'},
    {"adapter", CMAT_OPT_STR, offsetof(logprobs_opts, adapter), NULL, 0, 0, NULL, "DIR",
     "a LoRA adapter (PEFT folder)", 'a'},
    {"file", CMAT_OPT_STR, offsetof(logprobs_opts, file), NULL, 0, 0, NULL, "FILE",
     "take the text from a file (- for standard input)", 'f'},
    {"ids", CMAT_OPT_BOOL, offsetof(logprobs_opts, ids), NULL, 0, 0, NULL, NULL,
     "the text is a JSON list of token ids", 0},
    {"special", CMAT_OPT_BOOL, offsetof(logprobs_opts, special), NULL, 0, 0, NULL, NULL,
     "control tokens written in the text count as such", 0},
    {"top", CMAT_OPT_INT, offsetof(logprobs_opts, top), "0", 0, 100, NULL, "N",
     "also the N likeliest tokens at each place", 0},
    CLI_COMMON_OPTIONS(logprobs_opts),
    {0},
};

static cmat_status tokens_of(const logprobs_opts *o, const cmat_model *m, const char *text,
                             size_t len, int32_t **tokens, size_t *n, cmat_error *err)
{
    size_t cap = 0;
    json_t *j;
    cmat_status st = CMAT_OK;

    if (!o->ids) {
        cmat_tokenizer_encode(m->tokenizer, text, len, o->special, tokens, n, &cap);
        return CMAT_OK;
    }
    j = cmat_json_parse(text, len, "token list", err);
    if (!j)
        return CMAT_ERR_FORMAT;
    *tokens = cmat_xmalloc((json_array_size(j) + 1) * sizeof **tokens);
    for (size_t i = 0; i < json_array_size(j) && st == CMAT_OK; i++) {
        const json_t *v = json_array_get(j, i);
        json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
        if (id < 0 || id >= m->config.n_vocab)
            st = cmat_fail(err, CMAT_ERR_FORMAT, "token list: item %zu is no token id below %d", i,
                           m->config.n_vocab);
        else
            (*tokens)[(*n)++] = (int32_t)id;
    }
    json_decref(j);
    return st;
}

/* The `top` likeliest tokens of one row of logits as [[id, logprob], ...]. */
static json_t *top_of(const float *logits, int n_vocab, int top)
{
    json_t *list = json_array();
    double max = -INFINITY, sum = 0;
    char *used = cmat_xcalloc((size_t)n_vocab, 1);

    for (int i = 0; i < n_vocab; i++)
        max = logits[i] > max ? logits[i] : max;
    for (int i = 0; i < n_vocab; i++)
        sum += exp(logits[i] - max);
    for (int k = 0; k < top; k++) {
        int best = -1;
        for (int i = 0; i < n_vocab; i++)
            if (!used[i] && (best < 0 || logits[i] > logits[best]))
                best = i;
        if (best < 0)
            break;
        used[best] = 1;
        json_array_append_new(list, json_pack("[i,f]", best, logits[best] - max - log(sum)));
    }
    free(used);
    return list;
}

static cmat_status report(const logprobs_opts *o, const cli_model *m, const int32_t *tokens,
                          size_t n, json_t **out, cmat_error *err)
{
    size_t n_vocab = (size_t)m->model->config.n_vocab;
    float *lp = cmat_alloc_big(n, sizeof *lp),
          *logits = o->top ? cmat_alloc_big(n * n_vocab, sizeof *logits) : NULL;
    json_t *list = json_array();
    double sum = 0;
    cmat_status st = CMAT_OK;

    if (!lp || (o->top && !logits))
        st = cmat_fail(err, CMAT_ERR_NOMEM, "no memory for the logits of %zu tokens", n);
    if (st == CMAT_OK)
        st = cmat_model_logprobs(m->model, m->adapter, tokens, n, lp, err);
    if (st == CMAT_OK && o->top)
        st = cmat_model_logits(m->model, m->adapter, tokens, n, logits, err);
    for (size_t i = 0; st == CMAT_OK && lp && i < n; i++) {
        size_t len;
        const char *bytes = cmat_tokenizer_bytes(m->model->tokenizer, tokens[i], &len);
        json_t *item =
            json_pack("{s:i, s:o}", "id", (int)tokens[i], "text", cmat_json_text(bytes, len));
        json_object_set_new(item, "logprob", i ? json_real(lp[i]) : json_null());
        if (o->top && i)
            json_object_set_new(item, "top",
                                top_of(logits + (i - 1) * n_vocab, (int)n_vocab, (int)o->top));
        json_array_append_new(list, item);
        sum += i ? lp[i] : 0;
    }
    *out = json_pack("{s:o, s:f, s:f}", "tokens", list, "sum", sum, "perplexity",
                     n > 1 ? exp(-sum / (double)(n - 1)) : 1.0);
    cmat_free_big(lp);
    cmat_free_big(logits);
    return st;
}

static cmat_status run(void *vopts, int n_args, char **args, cmat_error *err)
{
    logprobs_opts *o = vopts;
    cli_model m;
    char *text = NULL;
    int32_t *tokens = NULL;
    size_t len = 0, n = 0;
    json_t *j = NULL;
    cmat_status st = CMAT_OK;

    if (o->file || n_args == 0)
        st = cli_read_input(o->file ? o->file : "-", &text, &len, err);
    else {
        text = cmat_xstrdup(args[0]);
        len = strlen(text);
    }
    if (st == CMAT_OK)
        st = cli_model_open(&m, o->model, o->adapter, NULL, err);
    if (st != CMAT_OK) {
        free(text);
        return st;
    }
    st = tokens_of(o, m.model, text, len, &tokens, &n, err);
    if (st == CMAT_OK && n == 0)
        st = cmat_fail(err, CMAT_ERR_ARG, "the text is empty");
    if (st == CMAT_OK)
        st = report(o, &m, tokens, n, &j, err);
    if (st == CMAT_OK)
        cli_print_json(j);
    json_decref(j);
    free(tokens);
    free(text);
    cli_model_close(&m);
    return st;
}

const cli_command cli_logprobs = {
    .name = "logprobs",
    .summary = "log-probability of each token of a text, as JSON",
    .usage = "[options] [TEXT]",
    .text =
        "Prints every token with its log-probability given those before it, their sum and the "
        "perplexity.\n\n"
        "Examples:\n"
        "  cmat logprobs \"The capital of France is Paris\"\n"
        "  cmat logprobs --ids --top 5 \"[1, 4093, 198]\"\n"
        "  cmat logprobs --file notes.txt",
    .options = options,
    .opts_size = sizeof(logprobs_opts),
    .max_args = 1,
    .run = run,
};
