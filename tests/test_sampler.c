/* tests/test_sampler.c - choosing tokens, log-probabilities, and holding text back. */
#include "model/sampler.h"
#include "model/stream.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { V = 1000 };

static void fill(float *x, uint64_t seed)
{
    cmat_rng rng;
    cmat_rng_init(&rng, seed);
    for (int i = 0; i < V; i++)
        x[i] = 3 * (float)cmat_rng_normal(&rng);
}

/* How often each token comes in n draws. */
static void count(int *counts, int n, float *logits, const cmat_sampling *s,
                  const cmat_token_set *allowed)
{
    static cmat_candidate scratch[CMAT_SAMPLE_ROOM(V)];
    cmat_rng rng;
    cmat_rng_init(&rng, s->seed);
    memset(counts, 0, V * sizeof *counts);
    for (int i = 0; i < n; i++)
        counts[cmat_sample(cmat_kernel_best(), logits, V, s, allowed, NULL, 0, &rng, scratch)]++;
}

static void log_sum_exp_is_right(void **state)
{
    (void)state;
    static float x[V];
    for (uint64_t seed = 0; seed < 20; seed++) {
        double sum = 0;
        fill(x, seed);
        x[5] = -INFINITY;
        x[6] = (float)seed * 10;
        for (int i = 0; i < V; i++)
            sum += exp((double)x[i] - (double)x[6]);
        assert_float_equal(cmat_kernel_best()->log_sum_exp(x, V), x[6] + (float)log(sum), 2e-5f);
    }
    for (int i = 0; i < V; i++)
        x[i] = -INFINITY;
    assert_true(isinf(cmat_kernel_best()->log_sum_exp(x, V)));
}

static void greedy_takes_the_best(void **state)
{
    (void)state;
    static float x[V];
    static cmat_candidate scratch[CMAT_SAMPLE_ROOM(V)];
    const cmat_sampling greedy = CMAT_SAMPLING_DEFAULT;
    uint64_t bits[(V + 63) / 64] = {0};
    int32_t ids[] = {3, 700};
    cmat_token_set few = {bits, ids, 2}, many = {bits, NULL, 2};
    cmat_rng rng;
    cmat_rng_init(&rng, 0);
    fill(x, 1);
    x[400] = 50;
    x[401] = NAN;
    x[700] = 40;
    bits[3 / 64] |= 1ull << 3;
    bits[700 / 64] |= 1ull << 700 % 64;
    assert_int_equal(cmat_sample(cmat_kernel_best(), x, V, &greedy, NULL, NULL, 0, &rng, scratch),
                     400);
    assert_int_equal(cmat_sample(cmat_kernel_best(), x, V, &greedy, &few, NULL, 0, &rng, scratch),
                     700);
    assert_int_equal(cmat_sample(cmat_kernel_best(), x, V, &greedy, &many, NULL, 0, &rng, scratch),
                     700);
}

static void temperature_follows_softmax(void **state)
{
    (void)state;
    enum { N = 40000 };
    static float x[V];
    static int counts[V];
    for (int i = 0; i < V; i++)
        x[i] = -100;
    x[10] = 1;
    x[20] = 2;
    x[30] = 3;
    for (int k = 1; k <= 2; k++) {
        const cmat_sampling s = {
            .temperature = (float)k, .top_p = 1, .repeat_penalty = 1, .seed = 3};
        const double T = k, sum = exp(1 / T) + exp(2 / T) + exp(3 / T);
        count(counts, N, x, &s, NULL);
        for (int t = 1; t <= 3; t++)
            assert_float_equal((float)counts[10 * t] / N, (float)(exp(t / T) / sum), 0.01f);
    }
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static void truncation_keeps_the_best(void **state)
{
    (void)state;
    static float x[V], sorted[V];
    static int counts[V];
    double sum = 0, part = 0;
    int n_p = 0;
    fill(x, 2);
    memcpy(sorted, x, sizeof x);
    qsort(sorted, V, sizeof *sorted, by_value);
    for (int i = 0; i < V; i++)
        sum += exp((double)sorted[i]);
    while (part < 0.8 * sum)
        part += exp((double)sorted[n_p++]);
    const cmat_sampling by_k = {.temperature = 5, .top_k = 7, .top_p = 1, .repeat_penalty = 1};
    const cmat_sampling by_p = {.temperature = 5, .top_p = 0.8f, .repeat_penalty = 1};
    const cmat_sampling by_min = {.temperature = 5, .top_p = 1, .min_p = 0.1f, .repeat_penalty = 1};
    count(counts, 5000, x, &by_k, NULL);
    for (int i = 0; i < V; i++)
        assert_true((counts[i] > 0) == (x[i] >= sorted[6]));
    count(counts, 20000, x, &by_p, NULL);
    for (int i = 0; i < V; i++)
        assert_true((counts[i] > 0) == (x[i] >= sorted[n_p - 1]));
    count(counts, 20000, x, &by_min, NULL);
    for (int i = 0; i < V; i++)
        assert_true((counts[i] > 0) == (x[i] >= sorted[0] + logf(0.1f)));
    /* flat logits: top-p must look beyond those near the best */
    for (int i = 0; i < V; i++)
        x[i] = i == 0 ? 0 : -13;
    const cmat_sampling wide = {.temperature = 100, .top_p = 0.9999f, .repeat_penalty = 1};
    count(counts, 20000, x, &wide, NULL);
    int n_seen = 0;
    for (int i = 0; i < V; i++)
        n_seen += counts[i] > 0;
    assert_true(n_seen > 900 && n_seen < V);
}

/* Many tokens, a set of bits that ends within a word: against the plain definition. */
static void large_vocabularies(void **state)
{
    (void)state;
    enum { N = 5003, DRAWS = 3000 };
    static float x[N], sorted[N];
    static uint64_t bits[(N + 63) / 64];
    static cmat_candidate scratch[CMAT_SAMPLE_ROOM(N)];
    cmat_rng rng;
    cmat_rng_init(&rng, 9);
    for (int round = 0; round < 40; round++) {
        const cmat_sampling greedy = CMAT_SAMPLING_DEFAULT,
                            all = {.temperature = 1, .top_p = 1, .repeat_penalty = 1},
                            nucleus = {.temperature = 3,
                                       .top_p = 0.3F + 0.017F * (float)round,
                                       .repeat_penalty = 1};
        const float spread = round % 4 == 0 ? 0.01F : (float)(round % 4);
        const int sparse = 1 + round % 3; /* every word, every second ... has allowed tokens */
        double sum = 0, part = 0;
        int best = -1, n = 0, n_p = 0;
        memset(bits, 0, sizeof bits);
        for (int i = 0; i < N; i++) {
            x[i] = i % 97 == 0   ? NAN
                   : i % 89 == 0 ? -INFINITY
                                 : spread * (float)cmat_rng_normal(&rng);
            if (i / 64 % sparse != 0 || (round % 2 && cmat_rng_below(&rng, 3) == 0))
                continue;
            bits[i / 64] |= 1ull << i % 64;
            if (!(x[i] > -INFINITY))
                continue;
            best = best < 0 || x[i] > x[best] ? i : best;
            sorted[n++] = x[i];
            sum += exp((double)x[i]);
        }
        const cmat_token_set set = {bits, NULL, N};
        qsort(sorted, (size_t)n, sizeof *sorted, by_value);
        while (n_p < n && part < (double)nucleus.top_p * sum)
            part += exp((double)sorted[n_p++]);
        assert_int_equal(
            cmat_sample(cmat_kernel_best(), x, N, &greedy, &set, NULL, 0, &rng, scratch), best);
        int above = 0;
        for (int i = 0; i < DRAWS; i++) {
            const int t =
                cmat_sample(cmat_kernel_best(), x, N, &nucleus, &set, NULL, 0, &rng, scratch);
            assert_true(cmat_token_set_has(&set, t) && x[t] >= sorted[n_p - 1] - 1e-5F);
            const int u = cmat_sample(cmat_kernel_best(), x, N, &all, &set, NULL, 0, &rng, scratch);
            assert_true(cmat_token_set_has(&set, u) && x[u] > -INFINITY);
            above += x[u] >= sorted[n_p - 1];
        }
        /* a drawn token is in the nucleus as often as its probability says: 5 standard deviations
         */
        const double p = part / sum;
        assert_true(fabs((double)above / DRAWS - p) < 5 * sqrt(p * (1 - p) / DRAWS) + 1e-3);
    }
    for (int i = 0; i < N; i++)
        x[i] = -INFINITY;
    const cmat_token_set set = {bits, NULL, N};
    const cmat_sampling some = {.temperature = 1, .top_p = 0.9F, .repeat_penalty = 1},
                        any = {.temperature = 1, .top_p = 1, .repeat_penalty = 1};
    assert_true(cmat_token_set_has(
        &set, cmat_sample(cmat_kernel_best(), x, N, &some, &set, NULL, 0, &rng, scratch)));
    assert_true(cmat_token_set_has(
        &set, cmat_sample(cmat_kernel_best(), x, N, &any, &set, NULL, 0, &rng, scratch)));
}

static void penalty_is_undone(void **state)
{
    (void)state;
    static float x[V], before[V];
    static cmat_candidate scratch[CMAT_SAMPLE_ROOM(V)];
    const cmat_sampling s = {.top_p = 1, .repeat_penalty = 1.5f};
    int32_t recent[100];
    cmat_rng rng;
    cmat_rng_init(&rng, 0);
    for (int i = 0; i < V; i++)
        x[i] = -1;
    x[5] = 3; /* 2 after the penalty, once however often it stands there */
    x[6] = 2.5f;
    x[7] = 2.4f; /* too long ago */
    memcpy(before, x, sizeof x);
    for (int i = 0; i < 100; i++)
        recent[i] = i < 36 ? 6 : 5;
    assert_int_equal(cmat_sample(cmat_kernel_best(), x, V, &s, NULL, recent, 100, &rng, scratch),
                     6);
    assert_memory_equal(x, before, sizeof x);
    assert_int_equal(cmat_sample(cmat_kernel_best(), x, V, &s, NULL, recent, 36, &rng, scratch), 5);
}

static void top_logprobs_are_sorted(void **state)
{
    (void)state;
    static float x[V], sorted[V];
    static cmat_candidate scratch[CMAT_SAMPLE_ROOM(V)];
    int32_t tokens[10];
    float lp[10];
    fill(x, 4);
    memcpy(sorted, x, sizeof x);
    qsort(sorted, V, sizeof *sorted, by_value);
    cmat_top_logprobs(x, V, cmat_kernel_best()->log_sum_exp(x, V), 10, tokens, lp, scratch);
    for (int i = 0; i < 10; i++) {
        assert_float_equal(x[tokens[i]], sorted[i], 0);
        assert_float_equal(lp[i], sorted[i] - cmat_kernel_best()->log_sum_exp(x, V), 1e-6);
    }
}

/* Feeds text in pieces of n bytes; returns whether it stopped. */
static bool feed(cmat_stream *s, const char *text, size_t n)
{
    for (size_t at = 0, len = strlen(text); at < len; at += n) {
        if (cmat_stream_add(s, text + at, len - at < n ? len - at : n))
            return true;
    }
    cmat_stream_end(s);
    return false;
}

static void stream_stops_and_mends(void **state)
{
    (void)state;
    static const struct {
        const char *text, *stop[3], *want;
        bool stops;
    } cases[] = {
        {"one two three", {"two"}, "one ", true},
        {"one two three", {"three", "wo"}, "one t", true},
        {"ababac", {"abac"}, "ab", true},
        {"ababab", {"abac"}, "ababab", false},
        {"h\xc3\xa9llo \xf0\x9f\x98\x80!", {NULL}, "h\xc3\xa9llo \xf0\x9f\x98\x80!", false},
        {"h\xc3\xa9llo", {"\xa9"}, "h\xef\xbf\xbd", true},
        {"a\xff"
         "b\xc3",
         {NULL},
         "a\xef\xbf\xbd"
         "b\xef\xbf\xbd",
         false},
        {"\xe2\x82z\xf0\x9f\x98", {NULL}, "\xef\xbf\xbdz\xef\xbf\xbd", false},
        {"end", {"end"}, "", true},
        {"\n\nObs", {"\nObservation"}, "\n\nObs", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t n = 1; n < 6; n++) {
            cmat_stream s;
            cmat_stream_init(&s, cases[i].stop);
            assert_int_equal(feed(&s, cases[i].text, n), cases[i].stops);
            assert_string_equal(cmat_buf_str(&s.text), cases[i].want);
            cmat_stream_clear(&s);
        }
    }
}

static void stream_holds_back(void **state)
{
    (void)state;
    const char *const stop[] = {"STOP", NULL};
    cmat_stream s;
    cmat_stream_init(&s, stop);
    cmat_stream_add(&s, "abST", 4);
    assert_string_equal(cmat_buf_str(&s.text), "ab");
    cmat_stream_add(&s, "x\xe2\x82", 3);
    assert_string_equal(cmat_buf_str(&s.text), "abSTx");
    cmat_stream_add(&s, "\xac", 1);
    assert_string_equal(cmat_buf_str(&s.text), "abSTx\xe2\x82\xac");
    cmat_stream_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_sum_exp_is_right),        cmocka_unit_test(greedy_takes_the_best),
        cmocka_unit_test(temperature_follows_softmax), cmocka_unit_test(truncation_keeps_the_best),
        cmocka_unit_test(large_vocabularies),          cmocka_unit_test(penalty_is_undone),
        cmocka_unit_test(top_logprobs_are_sorted),     cmocka_unit_test(stream_stops_and_mends),
        cmocka_unit_test(stream_holds_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
