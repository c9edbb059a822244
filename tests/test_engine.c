/* tests/test_engine.c - many requests at once give what each gives alone, and none is lost. */
#include "core/rng.h"
#include "core/text.h"
#include "model/draft.h"
#include "model/engine.h"
#include "model/kv.h"
#include "model_util.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_REQUESTS = 40, PROMPT = 300 };

typedef struct {
    int32_t tokens[MAX_REQUESTS][PROMPT];
    cmat_gen_request req[MAX_REQUESTS];
    cmat_gen_result res[MAX_REQUESTS];
    int n;
} batch;

static cmat_model *model_open(void)
{
    return tiny_model_open(&(tiny_model_options){.std = 0.4f, .seed = 5}, "plain");
}

static cmat_engine *engine_open(cmat_model *m, const cmat_engine_options *o)
{
    cmat_engine *e = NULL;
    cmat_error err = {0};
    if (cmat_engine_new(&e, m, o, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return e;
}

/* Random prompts of 1 to longest tokens; the first n_shared are the same in all of them. */
static batch *batch_new(int n, int n_shared, int longest, int max_tokens, uint64_t seed)
{
    batch *b = cmat_xcalloc(1, sizeof *b);
    cmat_rng rng;
    cmat_rng_init(&rng, seed);
    b->n = n;
    for (int i = 0; i < n; i++) {
        const int len = n_shared + 1 + (int)cmat_rng_below(&rng, (uint64_t)(longest - n_shared));
        for (int k = 0; k < len; k++)
            b->tokens[i][k] =
                k < n_shared && i > 0 ? b->tokens[0][k] : (int32_t)cmat_rng_below(&rng, TINY_EOT);
        b->req[i] = (cmat_gen_request){.tokens = b->tokens[i],
                                       .n_tokens = (size_t)len,
                                       .max_tokens = max_tokens,
                                       .sampling = CMAT_SAMPLING_DEFAULT};
        b->req[i].sampling.seed = seed + (uint64_t)i;
        if (i % 3 == 1)
            b->req[i].sampling.temperature = 1;
        if (i % 3 == 2) {
            b->req[i].sampling.temperature = 0.8f;
            b->req[i].sampling.top_p = 0.9f;
            b->req[i].sampling.repeat_penalty = 1.2f;
        }
    }
    return b;
}

static void batch_clear_results(batch *b)
{
    for (int i = 0; i < b->n; i++)
        cmat_gen_result_clear(&b->res[i]);
}

static void batch_free(batch *b)
{
    batch_clear_results(b);
    free(b);
}

static void collect_all(cmat_engine *e, batch *b, const uint64_t *ids)
{
    cmat_gen_result r;
    while (cmat_engine_collect(e, &r)) {
        int i = 0;
        while (i < b->n && ids[i] != r.id)
            i++;
        assert_true(i < b->n && b->res[i].id == 0);
        b->res[i] = r;
    }
}

/* Returns the steps that it took. */
static int run_all(cmat_engine *e, batch *b)
{
    uint64_t ids[MAX_REQUESTS];
    int busy = 1, steps = 0;
    cmat_error err = {0};
    for (int i = 0; i < b->n; i++) {
        if (cmat_engine_submit(e, &b->req[i], &ids[i], &err) != CMAT_OK)
            fail_msg("%s", err.msg);
    }
    while (busy > 0) {
        assert_int_equal(cmat_engine_step(e, &busy, &err), CMAT_OK);
        assert_true(++steps < 100000);
    }
    collect_all(e, b, ids);
    for (int i = 0; i < b->n; i++)
        assert_int_equal(b->res[i].id, ids[i]);
    return steps;
}

/* Each request in an engine of its own. */
static void run_alone(cmat_model *m, batch *b)
{
    for (int i = 0; i < b->n; i++) {
        cmat_engine *e = engine_open(m, NULL);
        batch *one = cmat_xcalloc(1, sizeof *one);
        one->n = 1;
        one->req[0] = b->req[i];
        run_all(e, one);
        b->res[i] = one->res[0];
        free(one);
        cmat_engine_free(e);
    }
}

static void assert_same_results(const batch *a, const batch *b)
{
    assert_int_equal(a->n, b->n);
    for (int i = 0; i < a->n; i++) {
        assert_int_equal(a->res[i].n_tokens, b->res[i].n_tokens);
        assert_memory_equal(a->res[i].tokens, b->res[i].tokens,
                            a->res[i].n_tokens * sizeof(int32_t));
        assert_int_equal(a->res[i].finish, b->res[i].finish);
        assert_string_equal(a->res[i].text, b->res[i].text);
    }
}

static void batch_equals_one_by_one(void **state)
{
    (void)state;
    cmat_model *m = model_open();
    batch *together = batch_new(30, 0, 120, 24, 1), *alone = batch_new(30, 0, 120, 24, 1);
    cmat_engine *e = engine_open(m, &(cmat_engine_options){.n_seqs = 8, .n_batch = 64});
    size_t n_tokens = 0;
    run_all(e, together);
    run_alone(m, alone);
    assert_same_results(together, alone);
    for (int i = 0; i < together->n; i++)
        n_tokens += together->res[i].n_tokens;
    assert_true(n_tokens > 300); /* something was generated */
    batch_free(together);
    batch_free(alone);
    cmat_engine_free(e);
    cmat_model_free(m);
}

static void shared_prefix_is_computed_once(void **state)
{
    (void)state;
    enum { SHARED = 100 };
    cmat_model *m = model_open();
    batch *together = batch_new(20, SHARED, 140, 20, 2), *alone = batch_new(20, SHARED, 140, 20, 2);
    /* a batch smaller than the prefix: those who share it must wait for it */
    cmat_engine *e = engine_open(m, &(cmat_engine_options){.n_seqs = 16, .n_batch = 48});
    run_all(e, together);
    run_alone(m, alone);
    assert_same_results(together, alone);
    assert_int_equal(together->res[0].n_cached, 0);
    for (int i = 1; i < together->n; i++)
        assert_true(together->res[i].n_cached >= SHARED / CMAT_KV_PAGE * CMAT_KV_PAGE);
    /* the same again: now nearly all of every prompt is there, and a longer text finds answers, too
     */
    batch_clear_results(together);
    run_all(e, together);
    assert_same_results(together, alone);
    for (int i = 0; i < together->n; i++)
        assert_int_equal(together->res[i].n_cached, (together->req[i].n_tokens - 4) / CMAT_KV_PAGE *
                                                        CMAT_KV_PAGE); /* at least 4 are computed */
    cmat_engine_forget(e, NULL);
    batch_clear_results(together);
    run_all(e, together);
    assert_same_results(together, alone);
    assert_int_equal(together->res[0].n_cached, 0);
    batch_free(together);
    batch_free(alone);
    cmat_engine_free(e);
    cmat_model_free(m);
}

static void waits_for_pages(void **state)
{
    (void)state;
    cmat_model *m = model_open();
    batch *few = batch_new(MAX_REQUESTS, 30, 90, 30, 3);
    batch *many = batch_new(MAX_REQUESTS, 30, 90, 30, 3);
    cmat_engine *small = engine_open(
        m, &(cmat_engine_options){.n_seqs = 16,
                                  .kv_bytes = 20 * cmat_kv_page_bytes(&m->config, CMAT_TYPE_F16)});
    cmat_engine *big = engine_open(m, NULL);
    for (int round = 0; round < 3; round++) { /* the cache is full of old prefixes later on */
        batch_clear_results(few);
        run_all(small, few);
    }
    run_all(big, many);
    assert_same_results(few, many);
    batch_free(few);
    batch_free(many);
    cmat_engine_free(small);
    cmat_engine_free(big);
    cmat_model_free(m);
}

static void cancel_leaves_the_others_alone(void **state)
{
    (void)state;
    cmat_model *m = model_open();
    for (int victim = 0; victim < 6; victim++) {
        for (int when = 0; when < 9; when++) {
            batch *b = batch_new(6, 200, 230, 8, 4), *alone = batch_new(6, 200, 230, 8, 4);
            cmat_engine *e = engine_open(m, &(cmat_engine_options){.n_seqs = 4, .n_batch = 64});
            uint64_t ids[MAX_REQUESTS];
            int busy = 1;
            for (int i = 0; i < b->n; i++)
                assert_int_equal(cmat_engine_submit(e, &b->req[i], &ids[i], NULL), CMAT_OK);
            for (int i = 0; i < when; i++)
                cmat_engine_step(e, &busy, NULL);
            cmat_engine_cancel(e, ids[victim]);
            cmat_engine_cancel(e, 12345); /* no such request */
            while (busy > 0)
                cmat_engine_step(e, &busy, NULL);
            collect_all(e, b, ids);
            assert_int_equal(b->res[victim].finish, CMAT_FINISH_CANCELLED);
            if (when == 0) {
                run_alone(m, alone);
                for (int i = 0; i < b->n; i++) {
                    if (i != victim)
                        assert_string_equal(b->res[i].text, alone->res[i].text);
                }
            }
            for (int i = 0; i < b->n; i++) {
                assert_int_equal(b->res[i].id, ids[i]);
                if (i != victim)
                    assert_int_not_equal(b->res[i].finish, CMAT_FINISH_CANCELLED);
            }
            batch_free(b);
            batch_free(alone);
            cmat_engine_free(e);
        }
    }
    /* freeing an engine that is at work loses nothing either */
    batch *b = batch_new(20, 50, 90, 30, 4);
    cmat_engine *e = engine_open(m, &(cmat_engine_options){.n_seqs = 4});
    for (int i = 0; i < b->n; i++)
        assert_int_equal(cmat_engine_submit(e, &b->req[i], NULL, NULL), CMAT_OK);
    cmat_engine_step(e, NULL, NULL);
    cmat_engine_step(e, NULL, NULL);
    cmat_engine_free(e);
    batch_free(b);
    cmat_model_free(m);
}

static void seeds_repeat(void **state)
{
    (void)state;
    cmat_model *m = model_open();
    cmat_engine *e = engine_open(m, NULL);
    batch *b = batch_new(3, 10, 11, 30, 9);
    for (int i = 0; i < 3; i++) {
        b->req[i] = b->req[0];
        b->req[i].sampling.temperature = 1;
        b->req[i].sampling.seed = i < 2 ? 77 : 78;
    }
    run_all(e, b);
    assert_int_equal(b->res[0].n_tokens, b->res[1].n_tokens);
    assert_memory_equal(b->res[0].tokens, b->res[1].tokens, b->res[0].n_tokens * 4);
    assert_true(b->res[2].n_tokens != b->res[0].n_tokens ||
                memcmp(b->res[0].tokens, b->res[2].tokens, b->res[0].n_tokens * 4) != 0);
    batch_free(b);
    cmat_engine_free(e);
    cmat_model_free(m);
}

static void add_text(void *user, const char *text, size_t len)
{
    assert_int_equal(cmat_utf8_valid_prefix(text, len), len);
    cmat_buf_add(user, text, len);
}

static void stops_and_streams(void **state)
{
    (void)state;
    cmat_model *m = model_open();
    cmat_engine *e = engine_open(m, NULL);
    batch *b = batch_new(12, 0, 30, 60, 11);
    for (int i = 0; i < b->n; i++)
        b->req[i].sampling.temperature = 1;
    run_all(e, b);
    for (int i = 0; i < b->n; i++) {
        cmat_buf text = {0};
        batch *one = batch_new(1, 0, 30, 60, 11);
        assert_int_equal(cmat_utf8_valid_prefix(b->res[i].text, b->res[i].text_len),
                         b->res[i].text_len);
        if (b->res[i].text_len < 12) {
            batch_free(one);
            continue;
        }
        char stop[4] = {0}; /* three bytes from the middle of what came */
        size_t at = b->res[i].text_len / 2;
        memcpy(stop, b->res[i].text + at, 3);
        const char *stops[] = {"", "never in it \xf0\x9f\x98\x80", stop, NULL};
        const char *first = strstr(b->res[i].text, stop);
        one->req[0] = b->req[i];
        one->req[0].stop = stops;
        one->req[0].on_text = add_text;
        one->req[0].user = &text;
        run_all(e, one);
        assert_int_equal(one->res[0].text_len, text.len);
        assert_memory_equal(one->res[0].text, cmat_buf_str(&text), text.len);
        /* what became U+FFFD is not found again */
        if (cmat_utf8_valid_prefix(stop, 3) == 3 && strcmp(stop, "\xef\xbf\xbd") != 0) {
            assert_int_equal(one->res[0].finish, CMAT_FINISH_STOP);
            assert_true(one->res[0].text_len <= (size_t)(first - b->res[i].text));
            assert_memory_equal(one->res[0].text, b->res[i].text, one->res[0].text_len);
            assert_null(strstr(one->res[0].text, stop));
        }
        cmat_buf_clear(&text);
        batch_free(one);
    }
    batch_free(b);
    cmat_engine_free(e);
    cmat_model_free(m);
}

static void keeps_to_limits(void **state)
{
    (void)state;
    cmat_model *m = model_open();
    cmat_engine *e = engine_open(m, &(cmat_engine_options){.n_ctx = 64});
    batch *b = batch_new(2, 39, 40, 1000, 13);
    cmat_error err;
    run_all(e, b);
    for (int i = 0; i < 2; i++) {
        assert_true(b->res[i].n_tokens <= 24);
        if (b->res[i].finish != CMAT_FINISH_STOP) {
            assert_int_equal(b->res[i].finish, CMAT_FINISH_CONTEXT);
            assert_int_equal(b->res[i].n_tokens, 24);
        }
    }
    b->req[0].n_tokens = 64;
    assert_int_equal(cmat_engine_submit(e, &b->req[0], NULL, &err), CMAT_ERR_LIMIT);
    b->req[0].n_tokens = 0;
    assert_int_equal(cmat_engine_submit(e, &b->req[0], NULL, &err), CMAT_ERR_ARG);
    b->req[0].n_tokens = 10;
    b->tokens[0][4] = -1;
    assert_int_equal(cmat_engine_submit(e, &b->req[0], NULL, &err), CMAT_ERR_ARG);
    b->tokens[0][4] = TINY_VOCAB;
    assert_int_equal(cmat_engine_submit(e, &b->req[0], NULL, &err), CMAT_ERR_ARG);
    b->tokens[0][4] = 1;
    b->req[0].sampling.top_p = NAN;
    assert_int_equal(cmat_engine_submit(e, &b->req[0], NULL, &err), CMAT_ERR_ARG);
    b->req[0].sampling.top_p = 1;
    b->req[0].max_tokens = 0;
    assert_int_equal(cmat_engine_submit(e, &b->req[0], NULL, &err), CMAT_ERR_ARG);
    cmat_engine *none = e;
    assert_int_equal(cmat_engine_new(&none, m, &(cmat_engine_options){.kv_bytes = 1}, &err),
                     CMAT_ERR_ARG);
    assert_null(none);
    batch_free(b);
    cmat_engine_free(e);
    cmat_model_free(m);
}

static void logprobs_are_the_models(void **state)
{
    (void)state;
    enum { K = 5 };
    cmat_model *m = model_open();
    cmat_engine *e = engine_open(m, NULL);
    batch *b = batch_new(6, 0, 50, 20, 17);
    for (int i = 0; i < b->n; i++)
        b->req[i].n_logprobs = K;
    run_all(e, b);
    for (int i = 0; i < b->n; i++) {
        const size_t n = b->req[i].n_tokens, n_new = b->res[i].n_tokens;
        int32_t all[PROMPT + 20];
        float want[PROMPT + 20];
        memcpy(all, b->tokens[i], n * sizeof *all);
        memcpy(all + n, b->res[i].tokens, n_new * sizeof *all);
        assert_int_equal(cmat_model_logprobs(m, NULL, all, n + n_new, want, NULL), CMAT_OK);
        for (size_t k = 0; k < n_new; k++) {
            const float *top = b->res[i].top_logprobs + k * K;
            /* scoring keeps keys and values as floats, the engine as halves */
            assert_float_equal(b->res[i].logprobs[k], want[n + k], 5e-2f);
            for (int t = 1; t < K; t++)
                assert_true(top[t] <= top[t - 1]);
            assert_true(b->res[i].logprobs[k] <= top[0] + 1e-6f);
            for (int t = 0; t < K; t++) {
                if (b->res[i].top_tokens[k * K + (size_t)t] == b->res[i].tokens[k])
                    assert_float_equal(top[t], b->res[i].logprobs[k], 1e-6f);
            }
        }
    }
    batch_free(b);
    cmat_engine_free(e);
    cmat_model_free(m);
}

static void adapters_share_a_batch(void **state)
{
    (void)state;
    cmat_model *m = model_open();
    cmat_adapter *ad[2] = {NULL, NULL};
    const cmat_lora_config config = {.rank = 4, .alpha = 8, .targets = 0x7f};
    cmat_rng rng;
    cmat_rng_init(&rng, 21);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(cmat_adapter_new(&ad[k], m, &config, &rng, NULL), CMAT_OK);
        for (size_t i = 0; i < ad[k]->n_params; i++)
            ad[k]->params[i] = 0.2f * (float)cmat_rng_normal(&rng);
    }
    batch *b = batch_new(18, 60, 90, 16, 19), *alone = batch_new(18, 60, 90, 16, 19);
    for (int i = 0; i < b->n; i++)
        b->req[i].adapter = alone->req[i].adapter = i % 3 == 0 ? NULL : ad[i % 3 - 1];
    cmat_engine *e = engine_open(m, &(cmat_engine_options){.n_seqs = 12, .n_batch = 100});
    run_all(e, b);
    run_alone(m, alone);
    assert_same_results(b, alone);
    assert_int_equal(b->res[0].n_cached + b->res[1].n_cached + b->res[2].n_cached, 0);
    assert_true(b->res[3].n_cached > 0 && b->res[4].n_cached > 0 && b->res[5].n_cached > 0);
    /* tuned further: what was cached with the old weights is not used, even without forget */
    for (size_t i = 0; i < ad[0]->n_params; i++)
        ad[0]->params[i] *= -1;
    batch_clear_results(b);
    batch_clear_results(alone);
    run_all(e, b);
    run_alone(m, alone);
    assert_same_results(b, alone);
    assert_int_equal(b->res[1].n_cached, 0);
    batch_free(b);
    batch_free(alone);
    cmat_engine_free(e);
    for (int k = 0; k < 2; k++)
        cmat_adapter_free(ad[k]);
    cmat_model_free(m);
}

/* Sequences with virtual tokens, of which each method has two adapters, among others: what each
 * gets alone. Cached beginnings, of which virtual tokens are a part, are its own adapter's only. */
static void virtual_tokens_share_a_batch(void **state)
{
    (void)state;
    enum { N = 8 };
    static const cmat_prompt_config configs[3] = {
        {.kind = CMAT_PROMPT_P_TUNING, .n_virtual = 20, .encoder = CMAT_ENCODER_MLP, .hidden = 8},
        {.kind = CMAT_PROMPT_EMBEDDINGS, .n_virtual = 3},
        {.kind = CMAT_PROMPT_PREFIX, .n_virtual = 37}};
    const cmat_lora_config lora = {.rank = 4, .alpha = 8, .targets = 0x7f, .dora = true};
    cmat_model *m = model_open();
    cmat_adapter *ad[N] = {NULL}; /* the base, DoRA, then two of each method */
    cmat_rng rng;
    cmat_rng_init(&rng, 22);
    assert_int_equal(cmat_adapter_new(&ad[1], m, &lora, &rng, NULL), CMAT_OK);
    for (size_t i = 0; i < ad[1]->n_params; i++)
        ad[1]->params[i] += 0.1f * (float)cmat_rng_normal(&rng);
    cmat_adapter_refresh(ad[1]);
    for (int k = 2; k < N; k++)
        assert_int_equal(cmat_adapter_new_prompt(&ad[k], m, &configs[k % 3], &rng, NULL), CMAT_OK);
    batch *b = batch_new(3 * N, 60, 90, 16, 19), *alone = batch_new(3 * N, 60, 90, 16, 19);
    for (int i = 0; i < b->n; i++) {
        b->req[i].adapter = alone->req[i].adapter = ad[i % N];
        b->req[i].sampling.repeat_penalty = alone->req[i].sampling.repeat_penalty =
            i % 2 ? 1.1f : 1;
    }
    cmat_engine *e = engine_open(m, &(cmat_engine_options){.n_seqs = 12, .n_batch = 100});
    run_all(e, b);
    run_alone(m, alone);
    assert_same_results(b, alone);
    for (int i = 0; i < N; i++) { /* the first of each adapter finds nothing */
        assert_int_equal(b->res[i].n_cached, 0);
        assert_true(b->res[i + N].n_cached > 0 && b->res[i + N].n_cached < b->res[i].n_prompt);
        assert_int_equal(b->res[i].n_prompt, b->req[i].n_tokens);
    }
    /* virtual tokens count against the context */
    cmat_gen_request r = b->req[0];
    cmat_error err = {0};
    int32_t tokens[512] = {0};
    r.adapter = ad[5]; /* configs[2], 37 */
    r.tokens = tokens;
    r.n_tokens = 512 - 37;
    assert_int_equal(cmat_engine_submit(e, &r, NULL, &err), CMAT_ERR_LIMIT);
    assert_non_null(strstr(err.msg, "37 virtual"));
    batch_free(b);
    batch_free(alone);
    cmat_engine_free(e);
    for (int k = 1; k < N; k++)
        cmat_adapter_free(ad[k]);
    cmat_model_free(m);
}

/* {"n": 1 to 4 digits, "s": "up to 12 letters, spaces or é"} and then nothing or one "!". */
typedef struct {
    uint32_t place, count;
} note_state;

static const char *const note_text[] = {"{\"n\": ", ", \"s\": \"", "\"}"};

static void note_start(const cmat_acceptor *a, void *state)
{
    (void)a;
    *(note_state *)state = (note_state){0, 0};
}

enum { NOTE_DIGITS = 6, NOTE_MIDDLE = 7, NOTE_WORD = 15, NOTE_E2 = 16, NOTE_END = 17, NOTE_MARK };

static bool note_step(const cmat_acceptor *a, void *state, uint8_t b)
{
    note_state *s = state;
    (void)a;
    if (s->place < NOTE_DIGITS) {
        return b == (uint8_t)note_text[0][s->place++];
    }
    if (s->place == NOTE_DIGITS) {
        if (b >= '0' && b <= '9' && s->count < 4) {
            s->count++;
            return true;
        }
        if (b != ',' || s->count == 0)
            return false;
        s->place = NOTE_MIDDLE + 1;
        s->count = 0;
        return true;
    }
    if (s->place < NOTE_WORD)
        return b == (uint8_t)note_text[1][s->place++ - NOTE_MIDDLE];
    if (s->place == NOTE_WORD) {
        if (b == '"') {
            s->place = NOTE_END;
            return true;
        }
        if (++s->count > 12)
            return false;
        if (b == 0xc3) {
            s->place = NOTE_E2;
            return true;
        }
        return b == ' ' || (b >= 'a' && b <= 'z');
    }
    if (s->place == NOTE_E2) {
        s->place = NOTE_WORD;
        return b == 0xa9;
    }
    if (s->place == NOTE_END) {
        s->place = NOTE_MARK;
        return b == '}';
    }
    return s->place++ == NOTE_MARK && b == '!';
}

static bool note_done(const cmat_acceptor *a, const void *state)
{
    (void)a;
    return ((const note_state *)state)->place >= NOTE_MARK;
}

static uint64_t note_key(const cmat_acceptor *a, const void *state)
{
    const note_state *s = state;
    (void)a;
    return 1 + s->place * 100 + s->count;
}

static void note_free(cmat_acceptor *a)
{
    (void)a;
}

static void constraint_is_kept(void **state)
{
    (void)state;
    const cmat_acceptor_ops with_key = {.name = "note",
                                        .start = note_start,
                                        .step = note_step,
                                        .done = note_done,
                                        .key = note_key,
                                        .free = note_free};
    cmat_acceptor_ops without_key = with_key;
    without_key.key = NULL;
    cmat_acceptor kept = {.ops = &with_key,
                          .state_size = sizeof(note_state),
                          .identity = cmat_acceptor_identity_new()},
                  fresh = {.ops = &without_key, .state_size = sizeof(note_state)};
    cmat_model *m = model_open();
    cmat_engine *e = engine_open(m, NULL);
    int n_stop = 0, n_length = 0;
    for (int round = 0; round < 8; round++) {
        batch *b = batch_new(MAX_REQUESTS, 0, 20, round == 0 ? 12 : 60, 100 + (uint64_t)round);
        for (int i = 0; i < b->n; i++) {
            b->req[i].sampling = b->req[0].sampling;
            b->req[i].sampling.temperature = 1.5f;
            b->req[i].sampling.seed = (uint64_t)(round * 1000 + i / 2);
            b->req[i].constraint = i % 2 ? &kept : &fresh; /* pairs that must agree */
            b->req[i].n_logprobs = round == 1 ? 2 : 0;
            b->req[i].tokens = b->tokens[i / 2 * 2];
            b->req[i].n_tokens = b->req[i / 2 * 2].n_tokens;
        }
        run_all(e, b);
        for (int i = 0; i < b->n; i++) {
            note_state s = {0, 0};
            const cmat_gen_result *r = &b->res[i];
            for (size_t k = 0; k < r->text_len; k++) {
                if (!note_step(&kept, &s, (uint8_t)r->text[k]))
                    fail_msg("\"%s\" is not a beginning", r->text);
            }
            if (r->finish == CMAT_FINISH_STOP && !note_done(&kept, &s))
                fail_msg("\"%s\" is not whole", r->text);
            n_stop += r->finish == CMAT_FINISH_STOP;
            n_length += r->finish == CMAT_FINISH_LENGTH;
            if (i % 2)
                assert_string_equal(r->text, b->res[i - 1].text);
        }
        batch_free(b);
    }
    assert_int_equal(n_stop + n_length, 8 * MAX_REQUESTS);
    assert_true(n_stop >= 7 * MAX_REQUESTS); /* only those of 12 tokens run short */
    assert_true(n_length > 0);
    cmat_engine_free(e);
    cmat_model_free(m);
}

/* "yes" and nothing else: what is forced takes no pass of its own. */
static bool yes_step(const cmat_acceptor *a, void *state, uint8_t b)
{
    uint8_t *at = state;
    (void)a;
    return *at < 3 && b == (uint8_t) "yes"[(*at)++];
}

static bool yes_done(const cmat_acceptor *a, const void *state)
{
    (void)a;
    return *(const uint8_t *)state == 3;
}

static void yes_start(const cmat_acceptor *a, void *state)
{
    (void)a;
    *(uint8_t *)state = 0;
}

static void forced_text_needs_no_model(void **state)
{
    (void)state;
    const cmat_acceptor_ops ops = {
        .name = "yes", .start = yes_start, .step = yes_step, .done = yes_done, .free = note_free};
    cmat_acceptor yes = {.ops = &ops, .state_size = 1};
    cmat_model *m = model_open();
    cmat_engine *e = engine_open(m, NULL);
    batch *b = batch_new(2, 0, 20, 10, 31);
    b->req[0].constraint = b->req[1].constraint = &yes;
    b->req[1].max_tokens = 2;
    run_all(e, b);
    assert_string_equal(b->res[0].text, "yes");
    assert_int_equal(b->res[0].finish, CMAT_FINISH_STOP);
    assert_int_equal(b->res[1].finish, CMAT_FINISH_LENGTH);
    assert_int_equal(b->res[1].n_tokens, 2);
    batch_free(b);
    cmat_engine_free(e);
    cmat_model_free(m);
}

/* On the fast kernels too, what a sequence gets is the same to the last bit alone and among others,
 * with the base and with an adapter: an engine for several sequences gives up the lone row's own
 * arithmetic. */
static void the_same_alone_to_the_bit(void **state)
{
    (void)state;
    cmat_model *m = tiny_model_open(
        &(tiny_model_options){.std = 0.4f, .seed = 6, .type = CMAT_TYPE_Q4_1}, NULL);
    cmat_lora_config lora = CMAT_LORA_DEFAULT;
    cmat_adapter *adapter = NULL;
    cmat_rng rng;
    const cmat_engine_options o = {.n_ctx = 256, .n_seqs = 8, .n_batch = 24};
    enum { N = 6 };
    cmat_rng_init(&rng, 3);
    assert_int_equal(cmat_adapter_new(&adapter, m, &lora, &rng, NULL), CMAT_OK);
    for (size_t i = 0; i < adapter->n_params; i++)
        adapter->params[i] = 0.1f * (float)cmat_rng_normal(&rng);
    batch *b = batch_new(N, 5, 60, 20, 77);
    for (int i = 0; i < N; i++) {
        b->req[i].n_logprobs = 2;
        b->req[i].adapter = i % 2 ? adapter : NULL;
    }
    cmat_engine *e = engine_open(m, &o);
    run_all(e, b);
    cmat_engine_free(e);
    for (int i = 0; i < N; i++) {
        batch *one = batch_new(1, 0, 2, 20, 1);
        one->req[0] = b->req[i];
        e = engine_open(m, &o);
        run_all(e, one);
        cmat_engine_free(e);
        assert_int_equal(one->res[0].n_tokens, b->res[i].n_tokens);
        assert_memory_equal(one->res[0].tokens, b->res[i].tokens,
                            b->res[i].n_tokens * sizeof(int32_t));
        assert_memory_equal(one->res[0].top_logprobs, b->res[i].top_logprobs,
                            2 * b->res[i].n_tokens * sizeof(float));
        batch_free(one);
    }
    batch_free(b);
    cmat_adapter_free(adapter);
    cmat_model_free(m);
}

/* Guesses at tokens save steps and change nothing, to the last bit: greedy and sampled, with an
 * adapter, several at once, with pages that fill up from guesses and are found by others. */
static void guesses_change_nothing(void **state)
{
    (void)state;
    enum { N = 6, PERIOD = 7 };
    cmat_model *m = tiny_model_open(
        &(tiny_model_options){.std = 0.05f, .seed = 6, .type = CMAT_TYPE_Q4_1}, NULL);
    const cmat_lora_config lora = CMAT_LORA_DEFAULT;
    cmat_adapter *adapter = NULL;
    cmat_rng rng;
    int steps[2] = {0};
    cmat_rng_init(&rng, 3);
    assert_int_equal(cmat_adapter_new(&adapter, m, &lora, &rng, NULL), CMAT_OK);
    batch *b[2];
    for (int guess = 0; guess < 2; guess++) {
        const cmat_engine_options o = {.n_ctx = 256, .n_seqs = 2, .no_draft = !guess};
        cmat_engine *e = engine_open(m, &o);
        b[guess] = batch_new(N, 0, 60, 90, 77);
        for (int i = 0; i < N; i++) {
            cmat_gen_request *r = &b[guess]->req[i];
            for (size_t k = PERIOD; k < r->n_tokens; k++) /* the text repeats itself */
                b[guess]->tokens[i][k] = b[guess]->tokens[i][k - PERIOD];
            r->sampling.temperature *= 0.1f;
            r->adapter = i < 2 ? adapter : NULL;
        }
        steps[guess] = run_all(e, b[guess]);
        batch_clear_results(b[guess]);
        memset(b[guess]->res, 0, sizeof b[guess]->res);
        steps[guess] += run_all(e, b[guess]); /* now pages of the first time are found */
        cmat_engine_free(e);
    }
    assert_same_results(b[0], b[1]);
    for (int i = 0; i < N; i++)
        assert_memory_equal(b[0]->res[i].logprobs, b[1]->res[i].logprobs,
                            b[0]->res[i].n_tokens * sizeof(float));
    assert_true(steps[1] < steps[0] * 2 / 3);
    batch_free(b[0]);
    batch_free(b[1]);
    cmat_adapter_free(adapter);
    cmat_model_free(m);
}

static void guesses(void **state)
{
    (void)state;
    cmat_draft d;
    cmat_draft_init(&d);
    const int32_t text[] = {1, 2, 3, 4, 5, 9, 2, 3, 4, 6, 7, 8, 2, 3, 4};
    cmat_draft_guess(&d, text, 15, 7); /* of two places with 2 3 4 the later one */
    assert_int_equal(d.n, 6);
    assert_memory_equal(d.tokens, ((int32_t[]){6, 7, 8, 2, 3, 4}), 6 * sizeof(int32_t));
    assert_in_range(d.n_run, 1, 6);
    cmat_draft_guess(&d, text, 10, 2); /* nothing ends in 4 6 before */
    assert_int_equal(d.n, 0);
    cmat_draft_guess(&d, text, 15, 2);
    assert_int_equal(d.n_run, 2);
    for (int i = 0; i < 20; i++) { /* wrong again and again: no more rows for them */
        cmat_draft_guess(&d, text, 15, 7);
        cmat_draft_judge(&d, 0, 99);
    }
    cmat_draft_guess(&d, text, 15, 7);
    assert_int_equal(d.n_run, 0);
    for (int i = 0; i < 20; i++) { /* until they would have been right */
        cmat_draft_guess(&d, text, 15, 7);
        cmat_draft_judge(&d, d.n_run, 6);
    }
    cmat_draft_guess(&d, text, 15, 7);
    assert_int_equal(d.n_run, 6);
    cmat_draft_guess(&d, text, 1, 7);
    assert_int_equal(d.n, 0);
}

/* Step by step on the fast path, alone and among others, the real model says what the plain path
 * says of the whole text. */
static void decoding_equals_the_plain_path(void **state)
{
    (void)state;
    static const int32_t prompt[] = {1,    4093, 198, 1780, 314, 260, 3575, 282,
                                     4649, 47,   2,   198,  1,   520, 9531, 198};
    enum { N = sizeof prompt / sizeof *prompt, NEW = 24 };
    char *path = real_model_path();
    cmat_model *fast = NULL, *plain = NULL;
    if (!path)
        skip();
    assert_int_equal(cmat_model_open(&fast, path, NULL, NULL), CMAT_OK);
    assert_int_equal(cmat_model_open(&plain, path, cmat_kernel_find("plain"), NULL), CMAT_OK);
    for (int n = 1; n <= 5; n += 4) {
        cmat_engine *e = engine_open(fast, &(cmat_engine_options){.n_ctx = 256});
        batch *b = batch_new(n, 0, 20, NEW, 41);
        b->req[0].tokens = prompt;
        b->req[0].n_tokens = N;
        b->req[0].n_logprobs = 1;
        run_all(e, b);
        const size_t n_new = b->res[0].n_tokens;
        int32_t all[N + NEW];
        float want[N + NEW];
        assert_true(n_new > 3);
        memcpy(all, prompt, sizeof prompt);
        memcpy(all + N, b->res[0].tokens, n_new * sizeof *all);
        assert_int_equal(cmat_model_logprobs(plain, NULL, all, N + n_new, want, NULL), CMAT_OK);
        for (size_t i = 0; i < n_new; i++)
            assert_float_equal(b->res[0].logprobs[i], want[N + i], 0.02f);
        batch_free(b);
        cmat_engine_free(e);
    }
    cmat_model_free(fast);
    cmat_model_free(plain);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_equals_one_by_one),
        cmocka_unit_test(shared_prefix_is_computed_once),
        cmocka_unit_test(waits_for_pages),
        cmocka_unit_test(cancel_leaves_the_others_alone),
        cmocka_unit_test(seeds_repeat),
        cmocka_unit_test(stops_and_streams),
        cmocka_unit_test(keeps_to_limits),
        cmocka_unit_test(logprobs_are_the_models),
        cmocka_unit_test(adapters_share_a_batch),
        cmocka_unit_test(virtual_tokens_share_a_batch),
        cmocka_unit_test(constraint_is_kept),
        cmocka_unit_test(forced_text_needs_no_model),
        cmocka_unit_test(the_same_alone_to_the_bit),
        cmocka_unit_test(guesses_change_nothing),
        cmocka_unit_test(guesses),
        cmocka_unit_test(decoding_equals_the_plain_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
