/* model/export_compare.c - how far an export is from what it was made from: the logits of both on a
 * fixed text. */
#include "core/mem.h"
#include "model/export_internal.h"
#include "model/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Prose, SQL, a conversation, code, numbers and other scripts: what models of all kinds have seen.
 */
static const char text[] =
    "The harbour was quiet that morning. Two boats had come in before dawn, and the fishermen were "
    "mending their nets on the quay while gulls waited for scraps.\n\n"
    "SELECT customers.name, COUNT(*) AS n FROM orders JOIN customers ON orders.customer_id = "
    "customers.id WHERE orders.placed_on >= '2024-03-01' GROUP BY customers.name ORDER BY n DESC "
    "LIMIT 5;\n\n"
    "Question: How many orders were cancelled in May?\nAnswer: 17 of 230, or 7.4 %.\n\n"
    "def mean(values):\n    return sum(values) / len(values) if values else 0.0\n\n"
    "Wir treffen uns um acht Uhr am Bahnhof. \xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA4\xA9\xE6\xB0\x94.\n";

enum { MAX_TOKENS = 192 };

/* Adds what one position differs by. */
static void compare_row(const float *p, const float *q, int n_vocab, cmat_export_result *r)
{
    const double lp = (double)cmat_kernel_best()->log_sum_exp(p, n_vocab),
                 lq = (double)cmat_kernel_best()->log_sum_exp(q, n_vocab);
    double kl = 0;
    int top_p = 0, top_q = 0;
    for (int i = 0; i < n_vocab; i++) {
        const double a = (double)p[i] - lp, b = (double)q[i] - lq;
        const double d = fabs((double)p[i] - (double)q[i]);
        kl += exp(a) * (a - b);
        r->max_diff = d > r->max_diff || isnan(d) ? d : r->max_diff;
        top_p = p[i] > p[top_p] ? i : top_p;
        top_q = q[i] > q[top_q] ? i : top_q;
    }
    r->mean_kl += kl;
    r->same_top += top_p == top_q;
}

/* What was written must cut the text as its source does. */
static cmat_status compare_tokens(const cmat_model *m, const cmat_model *m2, const int32_t *tokens,
                                  size_t n, cmat_error *err)
{
    int32_t *tokens2 = NULL;
    size_t n2 = 0, cap2 = 0, same = 0;
    if (m2 == m || !m2->tokenizer)
        return CMAT_OK;
    cmat_tokenizer_encode(m2->tokenizer, text, strlen(text), false, &tokens2, &n2, &cap2);
    while (same < n && same < n2 && tokens[same] == tokens2[same])
        same++;
    free(tokens2);
    if (same == n && same == n2)
        return CMAT_OK;
    return cmat_fail(err, CMAT_ERR_STATE,
                     "read back, its tokenizer makes another token of the text at place %zu", same);
}

cmat_status export_compare(cmat_model *m, const cmat_adapter *a, cmat_model *m2,
                           const cmat_adapter *a2, cmat_export_result *r, cmat_error *err)
{
    int32_t *tokens = NULL;
    size_t n = 0, cap = 0;
    const size_t V = (size_t)m->config.n_vocab;
    float *p = NULL, *q = NULL;
    cmat_status st = CMAT_OK;
    if (m2->config.n_vocab != m->config.n_vocab)
        return cmat_fail(err, CMAT_ERR_STATE, "read back with %d tokens, not %d",
                         m2->config.n_vocab, m->config.n_vocab);
    if (m->tokenizer)
        cmat_tokenizer_encode(m->tokenizer, text, strlen(text), false, &tokens, &n, &cap);
    if (m->tokenizer && (st = compare_tokens(m, m2, tokens, n, err)) != CMAT_OK)
        goto done;
    if (n < MAX_TOKENS / 4) { /* a vocabulary that cannot write the text */
        tokens = cmat_xrealloc(tokens, MAX_TOKENS * sizeof *tokens);
        for (n = 0; n < MAX_TOKENS; n++)
            tokens[n] = (int32_t)(n * 7 % V);
    }
    n = n < MAX_TOKENS ? n : MAX_TOKENS;
    n = n < (size_t)m->config.n_ctx ? n : (size_t)m->config.n_ctx;
    p = cmat_alloc_big(n * V, sizeof *p);
    q = cmat_alloc_big(n * V, sizeof *q);
    if (!p || !q) {
        st = cmat_fail(err, CMAT_ERR_NOMEM, "no memory for %zu rows of logits", 2 * n);
        goto done;
    }
    if ((st = cmat_model_logits(m, a, tokens, n, p, err)) != CMAT_OK ||
        (st = cmat_model_logits(m2, a2, tokens, n, q, err)) != CMAT_OK)
        goto done;
    r->mean_kl = r->max_diff = r->same_top = 0;
    for (size_t i = 0; i < n; i++)
        compare_row(p + i * V, q + i * V, (int)V, r);
    r->mean_kl /= (double)n;
    r->same_top /= (double)n;
    r->n_tokens = n;
done:
    cmat_free_big(p);
    cmat_free_big(q);
    free(tokens);
    return st;
}
