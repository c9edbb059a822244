/* tests/test_model.c - opening models, and their logits against transformers'. */
#include "core/json.h"
#include "core/rng.h"
#include "model/adapter.h"
#include "model/engine.h"
#include "model_util.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Copies a model file with one metadata key replaced by a value or one tensor left out. */
typedef struct {
    const char *drop_key, *drop_tensor;
    const char *set_u32, *set_f32, *set_str;
    uint32_t u32;
    float f32;
    const char *str;
    const char *add_tensor; /* of n_add ones */
    int64_t n_add;
    /* added to every F32 matrix: layer, weight, values (n_out, n_in) */
    const char *merge_tensor;
    const float *merge;
} change;

static void rewrite(const char *from, const char *to, const change *c)
{
    cmat_gguf *g = NULL;
    cmat_gguf_writer *w = cmat_gguf_writer_new();
    const char *except[] = {c->drop_key ? c->drop_key : "-", NULL};
    float *ones = cmat_xcalloc((size_t)c->n_add + 1, sizeof *ones), *merged = NULL;
    assert_int_equal(cmat_gguf_open(&g, from, NULL), CMAT_OK);
    cmat_gguf_writer_copy(w, g, except);
    if (c->set_u32)
        cmat_gguf_writer_u32(w, c->set_u32, c->u32);
    if (c->set_f32)
        cmat_gguf_writer_f32(w, c->set_f32, c->f32);
    if (c->set_str)
        cmat_gguf_writer_str(w, c->set_str, c->str);
    for (size_t i = 0; i < cmat_gguf_n_tensors(g); i++) {
        const cmat_gguf_tensor *t = cmat_gguf_tensor_at(g, i);
        const void *data = t->data;
        if (c->drop_tensor && strcmp(t->name, c->drop_tensor) == 0)
            continue;
        if (c->merge_tensor && strcmp(t->name, c->merge_tensor) == 0) {
            const size_t n = (size_t)(t->ne[0] * t->ne[1]);
            merged = cmat_xmalloc(n * sizeof *merged);
            for (size_t k = 0; k < n; k++)
                merged[k] = ((const float *)t->data)[k] + c->merge[k];
            data = merged;
        }
        cmat_gguf_writer_tensor(w, t->name, t->type, t->n_dims, t->ne, data);
    }
    for (int64_t i = 0; i < c->n_add; i++)
        ones[i] = 1 + (float)i;
    if (c->add_tensor)
        cmat_gguf_writer_tensor(w, c->add_tensor, CMAT_TYPE_F32, 1, &c->n_add, ones);
    assert_int_equal(cmat_gguf_writer_save(w, to, NULL), CMAT_OK);
    cmat_gguf_writer_free(w);
    cmat_gguf_close(g);
    free(ones);
    free(merged);
}

static cmat_model *open_plain(const char *path)
{
    cmat_model *m = NULL;
    cmat_error err = {0};
    if (cmat_model_open(&m, path, cmat_kernel_find("plain"), &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return m;
}

static void reads_the_configuration(void **state)
{
    (void)state;
    cmat_model *m = tiny_model_open(NULL, "plain");
    const cmat_model_config *c = &m->config;
    assert_int_equal(c->n_layers, 2);
    assert_int_equal(c->n_heads, 4);
    assert_int_equal(c->n_kv_heads, 2);
    assert_int_equal(c->head_dim, 16);
    assert_int_equal(c->n_embd, 64);
    assert_int_equal(c->n_ff, 128);
    assert_int_equal(c->n_ctx, 512);
    assert_int_equal(c->n_vocab, TINY_VOCAB);
    assert_true(c->tied);
    assert_false(c->rope_neox);
    assert_ptr_equal(m->output.data, m->token_embd.data);
    assert_int_equal(strlen(cmat_model_hash(m)), 64);
    assert_int_equal(m->chat_template_error.status, CMAT_OK);
    cmat_model_free(m);
    cmat_model_free(NULL);
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    const change bad[] = {
        {.drop_key = "general.architecture"},
        {.drop_key = "general.architecture", .set_str = "general.architecture", .str = "mamba"},
        {.drop_key = "llama.block_count"},
        {.drop_key = "llama.block_count", .set_u32 = "llama.block_count", .u32 = 0},
        {.drop_key = "llama.block_count", .set_u32 = "llama.block_count", .u32 = 3},
        {.drop_key = "llama.block_count", .set_u32 = "llama.block_count", .u32 = 4000000000u},
        {.drop_key = "llama.context_length", .set_u32 = "llama.context_length", .u32 = 0},
        {.drop_key = "llama.context_length", .set_u32 = "llama.context_length", .u32 = 1u << 31},
        {.drop_key = "llama.embedding_length", .set_u32 = "llama.embedding_length", .u32 = 128},
        {.drop_key = "llama.feed_forward_length",
         .set_u32 = "llama.feed_forward_length",
         .u32 = 96},
        {.drop_key = "llama.attention.head_count",
         .set_u32 = "llama.attention.head_count",
         .u32 = 0},
        {.drop_key = "llama.attention.head_count",
         .set_u32 = "llama.attention.head_count",
         .u32 = 3},
        {.drop_key = "llama.attention.head_count_kv",
         .set_u32 = "llama.attention.head_count_kv",
         .u32 = 3},
        {.drop_key = "llama.attention.head_count_kv",
         .set_u32 = "llama.attention.head_count_kv",
         .u32 = 8},
        {.drop_key = "llama.rope.dimension_count",
         .set_u32 = "llama.rope.dimension_count",
         .u32 = 18},
        {.drop_key = "llama.attention.layer_norm_rms_epsilon",
         .set_f32 = "llama.attention.layer_norm_rms_epsilon",
         .f32 = NAN},
        {.drop_key = "llama.rope.freq_base", .set_f32 = "llama.rope.freq_base", .f32 = -1},
        {.drop_key = "llama.rope.freq_base", .set_str = "llama.rope.freq_base", .str = "x"},
        {.drop_key = "llama.vocab_size", .set_u32 = "llama.vocab_size", .u32 = 7},
        {.set_u32 = "llama.expert_count", .u32 = 8},
        {.set_str = "llama.rope.scaling.type", .str = "spiral"},
        {.set_f32 = "llama.rope.scale_linear", .f32 = 0},
        {.drop_tensor = "token_embd.weight"},
        {.drop_tensor = "output_norm.weight"},
        {.drop_tensor = "blk.1.ffn_down.weight"},
        {.drop_tensor = "blk.0.attn_norm.weight"},
        {.add_tensor = "blk.0.attn_q.bias", .n_add = 64},
        {.add_tensor = "rope_freqs.weight", .n_add = 9},
        {.add_tensor = "output.weight", .n_add = 64},
    };
    char *good = tiny_tmp_path("good.gguf"), *path = tiny_tmp_path("bad.gguf");
    tiny_model_write(good, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cmat_model *m = (cmat_model *)&bad;
        cmat_error err = {0};
        rewrite(good, path, &bad[i]);
        cmat_status st = cmat_model_open(&m, path, cmat_kernel_find("plain"), &err);
        if (st != CMAT_ERR_FORMAT && st != CMAT_ERR_UNSUPPORTED)
            fail_msg("case %zu: %s %s", i, cmat_status_name(st), err.msg);
        assert_null(m);
        assert_non_null(strstr(err.msg, path));
        assert_null(strchr(err.msg, '\n'));
    }
    assert_int_not_equal(cmat_model_open(&(cmat_model *){0}, "/nonexistent", NULL, NULL), CMAT_OK);
    unlink(good);
    unlink(path);
    free(good);
    free(path);
}

static void scales_rope(void **state)
{
    (void)state;
    char *path = tiny_tmp_path("plain.gguf"), *linear = tiny_tmp_path("linear.gguf");
    char *freqs = tiny_tmp_path("freqs.gguf");
    tiny_model_write(path, NULL);
    rewrite(path, linear,
            &(change){.set_str = "llama.rope.scaling.type",
                      .str = "linear",
                      .set_f32 = "llama.rope.scaling.factor",
                      .f32 = 2});
    rewrite(path, freqs, &(change){.add_tensor = "rope_freqs.weight", .n_add = 8}); /* 1, 2 .. 8 */
    cmat_model *a = open_plain(path), *b = open_plain(linear), *c = open_plain(freqs);
    for (int i = 0; i < 16; i++) /* position 6 at half speed is position 3 */
        assert_float_equal(b->rope_cos_sin[6 * 16 + i], a->rope_cos_sin[3 * 16 + i], 1e-6f);
    for (int i = 0; i < 8; i++) { /* frequency i is divided by i + 1 */
        const int p = 5 * (i + 1);
        assert_float_equal(c->rope_cos_sin[p * 16 + 2 * i + 1], a->rope_cos_sin[5 * 16 + 2 * i + 1],
                           1e-5f);
    }
    cmat_model_free(a);
    cmat_model_free(b);
    cmat_model_free(c);
    unlink(path);
    unlink(linear);
    unlink(freqs);
    free(path);
    free(linear);
    free(freqs);
}

/* Logits of a position do not depend on what follows, nor on how the text is cut into chunks. */
static void logits_are_causal(void **state)
{
    (void)state;
    enum { N = 300, SHORT = 41 };
    cmat_model *m = tiny_model_open(&(tiny_model_options){.std = 0.3f}, "plain");
    const size_t V = (size_t)m->config.n_vocab;
    int32_t tokens[N];
    float *all = cmat_xmalloc(N * V * sizeof *all), *few = cmat_xmalloc(N * V * sizeof *few);
    float logprobs[N];
    cmat_rng rng;
    cmat_rng_init(&rng, 7);
    for (int i = 0; i < N; i++)
        tokens[i] = (int32_t)cmat_rng_below(&rng, V);
    assert_int_equal(cmat_model_logits(m, NULL, tokens, N, all, NULL), CMAT_OK);
    assert_int_equal(cmat_model_logits(m, NULL, tokens, SHORT, few, NULL), CMAT_OK);
    for (size_t i = 0; i < SHORT * V; i++)
        assert_float_equal(few[i], all[i], 1e-5f);
    assert_int_equal(cmat_model_logprobs(m, NULL, tokens, N, logprobs, NULL), CMAT_OK);
    assert_float_equal(logprobs[0], 0, 0);
    for (size_t i = 1; i < N; i++) {
        const float *row = all + (i - 1) * V;
        double sum = 0;
        for (size_t v = 0; v < V; v++)
            sum += exp((double)row[v]);
        assert_float_equal(logprobs[i], row[tokens[i]] - (float)log(sum), 1e-4f);
    }
    cmat_error err;
    tokens[3] = (int32_t)V;
    assert_int_equal(cmat_model_logits(m, NULL, tokens, N, all, &err), CMAT_ERR_ARG);
    assert_int_equal(cmat_model_logits(m, NULL, tokens, 0, all, &err), CMAT_ERR_ARG);
    assert_int_equal(cmat_model_logits(m, NULL, tokens, 513, all, &err), CMAT_ERR_LIMIT);
    free(all);
    free(few);
    cmat_model_free(m);
}

/* An adapter gives what the same matrices with scale * B A added give. */
static void adapter_equals_merged_weights(void **state)
{
    (void)state;
    enum { N = 20, R = 4 };
    char *path = tiny_tmp_path("base.gguf"), *merged = tiny_tmp_path("merged.gguf");
    cmat_rng rng;
    cmat_adapter *ad = NULL;
    int32_t tokens[N];
    tiny_model_write(path, &(tiny_model_options){.std = 0.2f});
    cmat_model *m = open_plain(path);
    const size_t V = (size_t)m->config.n_vocab;
    float *base = cmat_xmalloc(N * V * sizeof *base), *with = cmat_xmalloc(N * V * sizeof *with);
    float *want = cmat_xmalloc(N * V * sizeof *want);
    cmat_rng_init(&rng, 3);
    for (int i = 0; i < N; i++)
        tokens[i] = (int32_t)cmat_rng_below(&rng, V);
    assert_int_equal(cmat_model_logits(m, NULL, tokens, N, base, NULL), CMAT_OK);
    for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
        const cmat_lora_config config = {.rank = R, .alpha = 6, .targets = 1u << k};
        const cmat_weight *w = &m->layers[1].w[k];
        const size_t n_in = (size_t)w->n_in, n_out = (size_t)w->n_out;
        float *delta = cmat_xcalloc(n_in * n_out, sizeof *delta), change_seen = 0;
        char module[CMAT_MODULE_NAME_MAX], name[CMAT_MODULE_NAME_MAX + 8];
        assert_int_equal(cmat_adapter_new(&ad, m, &config, &rng, NULL), CMAT_OK);
        const cmat_lora_pair *pair = cmat_adapter_pair(ad, 1, k),
                             *first = cmat_adapter_pair(ad, 0, k);
        assert_non_null(pair->a);
        assert_null(cmat_adapter_pair(ad, 1, (k + 1) % CMAT_N_LAYER_WEIGHTS)->a);
        for (size_t i = 0; i < n_out * R; i++)
            pair->b[i] = (float)cmat_rng_normal(&rng);
        (void)first; /* layer 0 keeps B = 0: no effect */
        for (size_t o = 0; o < n_out; o++) {
            for (size_t r = 0; r < R; r++) {
                for (size_t i = 0; i < n_in; i++)
                    delta[o * n_in + i] += 1.5f * pair->b[o * R + r] * pair->a[r * n_in + i];
            }
        }
        cmat_module_name(module, m->config.arch, false, k, 1);
        snprintf(name, sizeof name, "%s.weight", module);
        rewrite(path, merged, &(change){.merge_tensor = name, .merge = delta});
        cmat_model *mm = open_plain(merged);
        assert_int_equal(cmat_model_logits(m, ad, tokens, N, with, NULL), CMAT_OK);
        assert_int_equal(cmat_model_logits(mm, NULL, tokens, N, want, NULL), CMAT_OK);
        for (size_t i = 0; i < N * V; i++) {
            assert_float_equal(with[i], want[i], 2e-4f * (1 + fabsf(want[i])));
            change_seen = fmaxf(change_seen, fabsf(with[i] - base[i]));
        }
        assert_true(change_seen > 0.01f);
        assert_int_equal(cmat_model_logits(mm, ad, tokens, N, with, NULL), CMAT_ERR_ARG);
        cmat_model_free(mm);
        cmat_adapter_free(ad);
        free(delta);
    }
    free(base);
    free(with);
    free(want);
    cmat_model_free(m);
    unlink(path);
    unlink(merged);
    free(path);
    free(merged);
}

/* The reference vectors: worst error of the stored logits relative to the largest, and of the
 * log-probabilities. Returns the share of positions whose best token is the same. */
static double compare_vectors(cmat_model *m, const char *file, double *worst, double *worst_logprob)
{
    json_t *j = cmat_json_load(file, NULL), *seq;
    const size_t V = (size_t)m->config.n_vocab;
    size_t k, n_pos = 0, n_same = 0;
    assert_non_null(j);
    *worst = *worst_logprob = 0;
    json_array_foreach(json_object_get(j, "sequences"), k, seq)
    {
        json_t *tok = json_object_get(seq, "tokens");
        const size_t n = json_array_size(tok);
        int32_t *tokens = cmat_xcalloc(n, sizeof *tokens);
        float *logits = cmat_xmalloc(n * V * sizeof *logits);
        float *logprobs = cmat_xcalloc(n, sizeof *logprobs);
        for (size_t i = 0; i < n; i++)
            tokens[i] = (int32_t)json_integer_value(json_array_get(tok, i));
        assert_int_equal(cmat_model_logits(m, NULL, tokens, n, logits, NULL), CMAT_OK);
        assert_int_equal(cmat_model_logprobs(m, NULL, tokens, n, logprobs, NULL), CMAT_OK);
        for (size_t i = 0; i < n; i++, n_pos++) {
            json_t *ids = json_array_get(json_object_get(seq, "ids"), i);
            json_t *want = json_array_get(json_object_get(seq, "logits"), i);
            const float *row = logits + i * V;
            const double top = fabs(json_number_value(json_array_get(want, 0)));
            size_t best = 0;
            for (size_t c = 0; c < json_array_size(ids); c++) {
                const double d = (double)row[json_integer_value(json_array_get(ids, c))] -
                                 json_number_value(json_array_get(want, c));
                *worst = fmax(*worst, fabs(d) / top);
            }
            for (size_t v = 1; v < V; v++)
                best = row[v] > row[best] ? v : best;
            n_same += (json_int_t)best == json_integer_value(json_array_get(ids, 0));
            if (i > 0) {
                const double lp =
                    json_number_value(json_array_get(json_object_get(seq, "logprobs"), i - 1));
                *worst_logprob = fmax(*worst_logprob, fabs((double)logprobs[i] - lp));
            }
        }
        free(tokens);
        free(logits);
        free(logprobs);
    }
    json_decref(j);
    return (double)n_same / (double)n_pos;
}

static void logits_equal_transformers(void **state)
{
    (void)state;
    const char *root = getenv("CMAT_TEST_ROOT");
    char *path = real_model_path(), *file;
    if (!path || !root) {
        free(path);
        skip();
    }
    file = cmat_path_join(root, "tests/vectors/logits_smollm2.json");
    for (int i = 0; cmat_kernels[i]; i++) {
        const bool plain = strcmp(cmat_kernels[i]->name, "plain") == 0;
        cmat_model *m = NULL;
        double worst, worst_logprob, same;
        if (!cmat_kernels[i]->available())
            continue;
        assert_int_equal(cmat_model_open(&m, path, cmat_kernels[i], NULL), CMAT_OK);
        assert_int_equal(cmat_model_prepare(m, CMAT_USE_DECODE | CMAT_USE_PROMPT, NULL), CMAT_OK);
        same = compare_vectors(m, file, &worst, &worst_logprob);
        print_message(
            "%s: worst logit error %.2g, worst log-probability error %.2g, same top "
            "token at %.1f %%\n",
            cmat_kernels[i]->name, worst, worst_logprob, 100 * same);
        assert_true(worst < (plain ? 1e-3 : 5e-2));
        assert_true(worst_logprob < (plain ? 1e-2 : 0.5));
        assert_true(same >=
                    (plain ? 1.0 : 0.97)); /* 88 positions: 99 % of a long text, see bench */
        cmat_model_free(m);
    }
    free(path);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_configuration),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(scales_rope),
        cmocka_unit_test(logits_are_causal),
        cmocka_unit_test(adapter_equals_merged_weights),
        cmocka_unit_test(logits_equal_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
