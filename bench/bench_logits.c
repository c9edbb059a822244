/* bench/bench_logits.c - for tests/compare_logits.py: tokens of a text, the model's best next token
 * at each, and the log-probability of each token.
 *
 * usage: bench_logits MODEL.gguf TEXT N_TOKENS WINDOW [LOGITS]
 * The text is cut into windows that do not see each other, each behind a BOS token where the model
 * wants one. One line a token: token best logprob. LOGITS: a file for all logits, n_vocab floats a
 * token. */
#include "core/fs.h"
#include "core/mem.h"
#include "model/engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int best_of(const float *logits, int n_vocab)
{
    int best = 0;
    for (int i = 1; i < n_vocab; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

static cmat_status run(cmat_model *m, const int32_t *text, size_t n, size_t window, FILE *file,
                       cmat_error *err)
{
    const bool bos = cmat_tokenizer_add_bos(m->tokenizer);
    const size_t V = (size_t)m->config.n_vocab;
    float *logits = cmat_alloc_big(window * V, sizeof *logits);
    float *logprobs = cmat_xcalloc(window, sizeof *logprobs);
    int32_t *tokens = cmat_xcalloc(window, sizeof *tokens);
    cmat_status st = logits ? CMAT_OK : cmat_fail(err, CMAT_ERR_NOMEM, "bench_logits: window");
    tokens[0] = cmat_tokenizer_bos(m->tokenizer);
    for (size_t at = 0; at < n && st == CMAT_OK; at += window - bos) {
        const size_t len = n - at + bos < window ? n - at + bos : window;
        memcpy(tokens + bos, text + at, (len - bos) * sizeof *tokens);
        if ((st = cmat_model_logits(m, NULL, tokens, len, logits, err)) != CMAT_OK ||
            (st = cmat_model_logprobs(m, NULL, tokens, len, logprobs, err)) != CMAT_OK)
            break;
        for (size_t i = 0; i < len; i++)
            printf("%d %d %.7g\n", (int)tokens[i], best_of(logits + i * V, (int)V),
                   (double)logprobs[i]);
        if (file && fwrite(logits, V * sizeof *logits, len, file) != len)
            st = cmat_fail(err, CMAT_ERR_IO, "the file of logits: not written");
    }
    free(tokens);
    cmat_free_big(logits);
    free(logprobs);
    return st;
}

int main(int argc, char **argv)
{
    cmat_model *m = NULL;
    cmat_error err;
    char *text = NULL;
    size_t len, n = 0, cap = 0;
    int32_t *tokens = NULL;
    cmat_status st;
    FILE *file = NULL;
    if (argc < 5 || argc > 6 || atoi(argv[3]) < 1 || atoi(argv[4]) < 2) {
        fprintf(stderr, "usage: bench_logits MODEL.gguf TEXT N_TOKENS WINDOW [LOGITS]\n");
        return 2;
    }
    if ((st = cmat_model_open(&m, argv[1], NULL, &err)) != CMAT_OK ||
        (st = cmat_model_prepare(m, CMAT_USE_DECODE | CMAT_USE_PROMPT, &err)) != CMAT_OK ||
        (st = cmat_read_file(argv[2], (size_t)1 << 26, &text, &len, &err)) != CMAT_OK)
        goto done;
    cmat_tokenizer_encode(m->tokenizer, text, len, false, &tokens, &n, &cap);
    if (n > (size_t)atoi(argv[3]))
        n = (size_t)atoi(argv[3]);
    if (argc == 6 && !(file = fopen(argv[5], "wb"))) {
        st = cmat_fail(&err, CMAT_ERR_IO, "%s cannot be written", argv[5]);
        goto done;
    }
    st = run(m, tokens, n, (size_t)atoi(argv[4]), file, &err);
    if (file && fclose(file) != 0)
        st = cmat_fail(&err, CMAT_ERR_IO, "%s: not written", argv[5]);
done:
    if (st != CMAT_OK)
        fprintf(stderr, "bench_logits: %s\n", err.msg);
    cmat_model_free(m);
    free(text);
    free(tokens);
    return st != CMAT_OK;
}
