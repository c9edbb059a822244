/* tests/test_long_context.c - texts longer than what a model was trained on: logits of a text given
 * at once against the reference's (tests/vectors/make_arch.py), and texts that grow past the border
 * while they are generated. */
#include "arch_util.h"
#include "model/engine.h"
#include "model/export.h"

/* The model with members of its config.json replaced by JSON texts. */
static cmat_model *open_with(const char *name, const char *const (*members)[2], int n, bool fixed)
{
    char *config_path = vector_path(name, "config.json"),
         *path = vector_path(name, "model.safetensors");
    cmat_error err = {0};
    cmat_safetensors *file = NULL;
    cmat_model_config c;
    cmat_model *m = NULL;
    json_t *j = cmat_json_load(config_path, &err);
    for (int i = 0; i < n; i++) {
        json_t *v = json_loads(members[i][1], JSON_DECODE_ANY, NULL);
        json_t *rope = json_object_get(j, "rope_parameters");
        if (rope && json_object_get(rope, members[i][0]))
            json_object_set(rope, members[i][0], v);
        json_object_set_new(j, members[i][0], v);
    }
    if (cmat_config_from_json(&c, j, &err) != CMAT_OK)
        fail_msg("%s: %s", name, err.msg);
    if (fixed)
        c.n_stretches = 0;
    if (cmat_safetensors_open(&file, path, &err) != CMAT_OK ||
        cmat_model_open_source(&m, cmat_source_safetensors(&file, 1), &c, NULL, &err) != CMAT_OK)
        fail_msg("%s: %s", name, err.msg);
    json_decref(j);
    free(config_path);
    free(path);
    return m;
}

static cmat_model *open_qwen(bool fixed)
{
    static const char *const changes[][2] = {{"seq_length", "8"}, {"max_position_embeddings", "8"}};
    cmat_model *m = open_with("qwen", changes, 2, fixed);
    assert_int_equal(m->config.n_ctx, 32); /* four times */
    assert_int_equal(m->config.logn, 8);
    assert_int_equal(cmat_config_train_ctx(&m->config), fixed ? 32 : 8);
    return m;
}

static cmat_model *open_phi(void)
{
    static const char *const changes[][2] = {{"original_max_position_embeddings", "16"}};
    cmat_model *m = open_with("phi3", changes, 1, false);
    assert_int_equal(m->config.n_ctx, 64);
    assert_int_equal(cmat_config_train_ctx(&m->config), 16);
    return m;
}

static void at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "phi3" : "qwen", *file = "logits_long.safetensors";
        cmat_model *m = i ? open_phi() : open_qwen(false);
        const double d = logits_distance(m, name, file);
        if (!(d < 1e-4))
            fail_msg("%s: logits %.2e from the reference's", name, d);
        m->config.n_stretches = 0; /* without the change the border would not be seen */
        assert_true(logits_distance(m, name, file) > 1e-3);
        cmat_model_free(m);
    }
}

/* A tokenizer of nothing but ids, which generation needs. */
static cmat_tokenizer *ids_only(void)
{
    char *path = vector_path("qwen", "model.gguf");
    cmat_gguf *g = NULL;
    cmat_tokenizer *t = NULL;
    assert_int_equal(cmat_gguf_open(&g, path, NULL), CMAT_OK);
    assert_int_equal(cmat_tokenizer_new(&t, g, NULL), CMAT_OK);
    cmat_gguf_close(g);
    free(path);
    return t;
}

/* Every new token has the log-probability that `judge` gives it: behind the text so far, given at
 * once (anew), or behind the whole as it was begun. */
static void grow(cmat_model *m, cmat_model *judge, bool anew, size_t n_prompt, int n_new,
                 const char *what)
{
    const size_t V = (size_t)m->config.n_vocab;
    const cmat_engine_options opts = {.n_seqs = 3};
    cmat_engine *e = NULL;
    cmat_error err = {0};
    int32_t text[64];
    float *logits = cmat_xmalloc(64 * V * sizeof *logits);
    int busy = 1;
    cmat_gen_result r;
    if (cmat_engine_new(&e, m, &opts, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    for (int k = 0; k < 3; k++) { /* of one beginning, side by side */
        for (size_t i = 0; i < n_prompt; i++)
            text[i] = (int32_t)((7 * i + 3) % 48);
        const cmat_gen_request req = {
            .tokens = text,
            .n_tokens = n_prompt - (size_t)k,
            .max_tokens = n_new,
            .sampling = {
                .temperature = 1, .top_p = 1, .repeat_penalty = 1, .seed = 5 + (uint64_t)k}};
        assert_int_equal(cmat_engine_submit(e, &req, NULL, &err), CMAT_OK);
    }
    while (busy)
        assert_int_equal(cmat_engine_step(e, &busy, &err), CMAT_OK);
    for (int k = 0; k < 3; k++) {
        assert_true(cmat_engine_collect(e, &r));
        assert_int_equal(r.n_tokens, n_new);
        memcpy(text + r.n_prompt, r.tokens, r.n_tokens * sizeof *text);
        for (size_t i = 0; i < r.n_tokens; i++) {
            const size_t n = r.n_prompt + (anew ? i : r.n_tokens);
            assert_int_equal(cmat_model_logits(judge, NULL, text, n, logits, NULL), CMAT_OK);
            const float *row = logits + (r.n_prompt + i - 1) * V;
            const double want =
                (double)(row[r.tokens[i]] - judge->kernel->log_sum_exp(row, (int)V));
            if (fabs(want - (double)r.logprobs[i]) > 5e-3) /* the cache holds halves */
                fail_msg("%s, token %zu of %zu: %g, must be %g", what, r.n_prompt + i, n,
                         (double)r.logprobs[i], want);
        }
        cmat_gen_result_clear(&r);
    }
    cmat_engine_free(e);
    free(logits);
}

static void growing(void **state)
{
    (void)state;
    cmat_model *phi = open_phi(), *qwen = open_qwen(false), *begun = open_qwen(true);
    phi->tokenizer = ids_only();
    qwen->tokenizer = ids_only();
    begun->tokenizer = ids_only();
    grow(phi, phi, true, 12, 12, "longrope, over the border");
    grow(phi, phi, true, 30, 12, "longrope, behind it");
    grow(qwen, begun, false, 8, 16, "NTK, begun before the border");
    cmat_model_free(begun);
    cmat_model_free(qwen);
    cmat_model_free(phi);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(at_once), cmocka_unit_test(growing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
