/* tests/test_arch.c - logits of every architecture against PyTorch's, of prompts and of decoding;
 * rope scalings against transformers'; configurations that do not fit. */
#include "arch_util.h"
#include "model/engine.h"
#include "model/forward.h"
#include "model/rope.h"

/* One token after another through the paged cache. */
static void decode(const cmat_model *m, cmat_type type, const int32_t *tokens, float *logits)
{
    const size_t V = (size_t)m->config.n_vocab;
    cmat_kv *kv = NULL;
    cmat_forward *f = NULL;
    int32_t pages[(N + CMAT_KV_PAGE - 1) / CMAT_KV_PAGE];
    const cmat_adapter *base = NULL;
    assert_int_equal(cmat_kv_new(&kv, &m->config, type, 4, NULL), CMAT_OK);
    assert_int_equal(cmat_forward_new(&f, m, 1, 1, NULL), CMAT_OK);
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        pages[i] = cmat_kv_take(kv);
    for (int32_t i = 0; i < N; i++) {
        const int32_t row = 0;
        const cmat_paged_seq seq = {.row = 0, .n = 1, .n_past = i, .pages = pages};
        const cmat_batch b = {.n_rows = 1,
                              .tokens = tokens + i,
                              .pos = &i,
                              .adapters = &base,
                              .n_decode = 1,
                              .seqs = &seq,
                              .n_seqs = 1,
                              .out_rows = &row,
                              .n_out = 1};
        cmat_forward_run(f, kv, &b);
        memcpy(logits + (size_t)i * V, cmat_forward_head(f, 0, 1), V * sizeof *logits);
    }
    cmat_forward_free(f);
    cmat_kv_free(kv);
}

static void check_logits(cmat_model *m, const char *name, const char *form)
{
    const bool plain = strcmp(m->kernel->name, "plain") == 0;
    const size_t V = (size_t)m->config.n_vocab;
    char *path = vector_path(name, "logits.safetensors");
    cmat_safetensors *s = NULL;
    int32_t tokens[N];
    float *logits = cmat_xmalloc(N * V * sizeof *logits),
          *want = cmat_xmalloc(N * V * sizeof *want);
    tokens_of(tokens);
    assert_int_equal(cmat_safetensors_open(&s, path, NULL), CMAT_OK);
    memcpy(want, cmat_safetensors_find(s, "logits")->data, N * V * sizeof *want);
    assert_int_equal(cmat_model_logits(m, NULL, tokens, N, logits, NULL), CMAT_OK);
    const double prompt = distance(logits, want, N * V);
    decode(m, CMAT_TYPE_F32, tokens, logits);
    const double decoded = distance(logits, want, N * V);
    decode(m, CMAT_TYPE_F16, tokens, logits); /* whose keys and values have 11 bits */
    const double halves = distance(logits, want, N * V), bound = plain ? 1e-5 : 1e-4;
    if (!(prompt < bound) || !(decoded < bound) || !(halves < 3e-3))
        fail_msg("%s (%s, %s): logits %.2e from PyTorch's, decoded %.2e, with halves %.2e", name,
                 form, m->kernel->name, prompt, decoded, halves);
    cmat_safetensors_close(s);
    free(logits);
    free(want);
    free(path);
}

static void logits_equal_pytorch(void **state)
{
    (void)state;
    for (int k = 0; cmat_kernels[k]; k++)
        for (int i = 0; i < N_ARCHS && cmat_kernels[k]->available() && !cmat_kernels[k]->device;
             i++) {
            cmat_model *m = open_hf(arch_names[i], cmat_kernels[k]);
            check_logits(m, arch_names[i], "safetensors");
            cmat_model_free(m);
            m = open_gguf(arch_names[i], cmat_kernels[k]);
            check_logits(m, arch_names[i], "GGUF");
            cmat_model_free(m);
        }
}

/* Frequencies and magnitudes as transformers computes them. */
static void rope_scalings_equal_transformers(void **state)
{
    (void)state;
    char *path = vector_path("rope.json", "");
    json_t *cases = cmat_json_load(path, NULL), *j;
    size_t i;
    assert_true(json_array_size(cases) >= 6);
    json_array_foreach(cases, i, j)
    {
        const json_t *freqs = json_object_get(j, "freqs");
        const double magnitude = json_number_value(json_object_get(j, "magnitude"));
        cmat_model_config c;
        cmat_error err = {0};
        if (cmat_config_from_json(&c, json_object_get(j, "config"), &err) != CMAT_OK)
            fail_msg("case %zu: %s", i, err.msg);
        assert_int_equal(json_array_size(freqs), c.n_rot / 2);
        assert_float_equal(c.rope.magnitude, magnitude, 1e-6);
        for (int k = 0; k < c.n_rot / 2; k++) {
            const double want = json_number_value(json_array_get(freqs, (size_t)k));
            const double have =
                pow((double)c.rope.theta, -2.0 * k / c.n_rot) / (double)c.rope.divisors[k];
            if (fabs(have - want) > 2e-6 * want)
                fail_msg("case %zu: frequency %d is %.9g, must be %.9g", i, k, have, want);
        }
    }
    json_decref(cases);
    free(path);
}

/* One member of a config.json replaced (NULL: taken away). */
typedef struct {
    const char *name, *member, *value;
    cmat_status status;
    const char *says;
} bad_config;

static void configs_that_do_not_fit(void **state)
{
    (void)state;
    static const bad_config bad[] = {
        {"llama", "model_type", NULL, CMAT_ERR_FORMAT, "model_type"},
        {"llama", "model_type", "\"mamba\"", CMAT_ERR_UNSUPPORTED, "smollm3"},
        {"llama", "num_hidden_layers", NULL, CMAT_ERR_FORMAT, "num_hidden_layers"},
        {"llama", "num_hidden_layers", "1e9", CMAT_ERR_FORMAT, "num_hidden_layers"},
        {"llama", "num_hidden_layers", "\"two\"", CMAT_ERR_FORMAT, "num_hidden_layers"},
        {"llama", "num_hidden_layers", "1.5", CMAT_ERR_FORMAT, "num_hidden_layers"},
        {"llama", "num_key_value_heads", "3", CMAT_ERR_FORMAT, "key heads"},
        {"llama", "num_key_value_heads", "0", CMAT_ERR_FORMAT, "num_key_value_heads"},
        {"llama", "head_dim", "7", CMAT_ERR_FORMAT, "odd"},
        {"llama", "vocab_size", NULL, CMAT_ERR_FORMAT, "vocab_size"},
        {"llama", "rms_norm_eps", "-1", CMAT_ERR_FORMAT, "rms_norm_eps"},
        {"llama", "hidden_act", "\"relu\"", CMAT_ERR_UNSUPPORTED, "relu"},
        {"llama", "attention_bias", "true", CMAT_ERR_UNSUPPORTED, "attention_bias"},
        {"llama", "mlp_bias", "true", CMAT_ERR_UNSUPPORTED, "mlp_bias"},
        {"llama", "quantization_config", "{\"bits\": 4}", CMAT_ERR_UNSUPPORTED,
         "quantization_config"},
        {"llama", "rope_parameters", "{\"rope_type\": \"spiral\"}", CMAT_ERR_UNSUPPORTED, "spiral"},
        {"llama", "rope_parameters", "{\"rope_type\": \"linear\", \"factor\": 0}", CMAT_ERR_FORMAT,
         "factor"},
        {"llama", "rope_parameters", "{\"rope_type\": \"llama3\", \"factor\": 2}", CMAT_ERR_FORMAT,
         "low_freq_factor"},
        {"llama", "rope_parameters", "{\"rope_theta\": -1}", CMAT_ERR_FORMAT, "rope_theta"},
        {"mistral", "sliding_window", "-4", CMAT_ERR_FORMAT, "sliding_window"},
        {"gemma3", "layer_types", "[\"full_attention\"]", CMAT_ERR_FORMAT, "layer_types"},
        {"gemma3", "layer_types", "[\"chunked\", \"chunked\", 3]", CMAT_ERR_UNSUPPORTED, "chunked"},
        {"gemma3", "final_logit_softcapping", "30.0", CMAT_ERR_UNSUPPORTED, "softcapping"},
        {"gemma3", "query_pre_attn_scalar", "0", CMAT_ERR_FORMAT, "query_pre_attn_scalar"},
        {"phi3", "rope_parameters",
         "{\"rope_type\": \"longrope\", \"short_factor\": [1, 2], "
         "\"partial_rotary_factor\": 0.75}",
         CMAT_ERR_FORMAT, "short_factor"},
        {"phi3", "rope_parameters", "{\"partial_rotary_factor\": 0}", CMAT_ERR_FORMAT, "turned"},
        {"smollm3", "no_rope_layers", "[1, 1]", CMAT_ERR_FORMAT, "no_rope_layers"},
        {"qwen", "seq_length", "0", CMAT_ERR_FORMAT, "seq_length"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const bad_config *b = &bad[i];
        char *path = vector_path(b->name, "config.json");
        json_t *j = cmat_json_load(path, NULL);
        cmat_model_config c;
        cmat_error err = {0};
        assert_int_equal(cmat_config_from_json(&c, j, &err), CMAT_OK);
        json_object_del(j, b->member);
        if (b->value)
            json_object_set_new(
                j, b->member, json_loads(b->value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL));
        const cmat_status st = cmat_config_from_json(&c, j, &err);
        if (st != b->status || !strstr(err.msg, b->says) || strchr(err.msg, '\n'))
            fail_msg("case %zu (%s %s): %s: %s", i, b->name, b->member, cmat_status_name(st),
                     err.msg);
        json_decref(j);
        free(path);
    }
}

/* A checkpoint whose tensors do not fit its configuration. */
static void tensors_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int n_ff, n_kv_heads, n_vocab, n_layers; /* 0: as they are */
        const char *other, *says;
    } bad[] = {
        {"qwen3", 48, 0, 0, 0, NULL, "gate_proj"},  {"qwen3", 0, 4, 0, 0, NULL, "k_proj"},
        {"qwen3", 0, 0, 47, 0, NULL, "vocab_size"}, {"qwen3", 0, 0, 0, 3, NULL, "layers.2"},
        {"phi3", 0, 2, 0, 0, NULL, "qkv_proj"},     {"phi3", 48, 0, 0, 0, NULL, "gate_up_proj"},
        {"qwen", 0, 2, 0, 0, NULL, "c_attn"},       {"qwen2", 0, 0, 0, 0, "llama", "bias"},
        {"llama", 0, 0, 0, 0, "qwen2", "bias"},     {"codellama", 0, 0, 0, 0, "qwen2", "bias"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *config = vector_path(bad[i].name, "config.json");
        char *path = vector_path(bad[i].other ? bad[i].other : bad[i].name, "model.safetensors");
        json_t *j = cmat_json_load(config, NULL);
        cmat_safetensors *file = NULL;
        cmat_model *m = NULL;
        cmat_model_config c;
        cmat_error err = {0};
        assert_int_equal(cmat_config_from_json(&c, j, NULL), CMAT_OK);
        c.n_ff = bad[i].n_ff ? bad[i].n_ff : c.n_ff;
        c.n_kv_heads = bad[i].n_kv_heads ? bad[i].n_kv_heads : c.n_kv_heads;
        c.n_vocab = bad[i].n_vocab ? bad[i].n_vocab : c.n_vocab;
        c.n_layers = bad[i].n_layers ? bad[i].n_layers : c.n_layers;
        assert_int_equal(cmat_safetensors_open(&file, path, NULL), CMAT_OK);
        const cmat_status st =
            cmat_model_open_source(&m, cmat_source_safetensors(&file, 1), &c, NULL, &err);
        if ((st != CMAT_ERR_FORMAT && st != CMAT_ERR_UNSUPPORTED) || !strstr(err.msg, bad[i].says))
            fail_msg("case %zu: %s: %s", i, cmat_status_name(st), err.msg);
        assert_null(m);
        json_decref(j);
        free(config);
        free(path);
    }
}

/* Phi 3's long contexts: the short factors hold for texts within the original context, on which it
 * is tuned. */
static void long_rope_has_two_contexts(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        cmat_model *m = i ? open_gguf("phi3", NULL) : open_hf("phi3", NULL);
        assert_int_equal(m->config.n_ctx, 64);
        assert_int_equal(cmat_config_train_ctx(&m->config), 32);
        assert_true(m->config.stretches[0].rope.divisors[1] == 2 * m->config.rope.divisors[1]);
        assert_int_equal(m->config.n_rot, 12);
        assert_int_equal(m->config.window, 12);
        cmat_model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_pytorch),
        cmocka_unit_test(rope_scalings_equal_transformers),
        cmocka_unit_test(configs_that_do_not_fit),
        cmocka_unit_test(tensors_that_do_not_fit),
        cmocka_unit_test(long_rope_has_two_contexts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
