/* Tests of cmat_export on models in Hugging Face's folders: every architecture to GGUF and back to
 * a folder with PyTorch's logits all the way, tokenizers of every kind with the same tokens, and
 * what a GGUF or a config.json cannot tell. */
#include "arch_util.h"
#include "core/log.h"
#include "core/progress.h"
#include "hf_tiny.h"
#include "model/engine.h"
#include "model/export.h"
#include <nettle/base64.h>

static char *folder, *gguf, *back;

static void write_bytes(const char *name, const void *data, size_t n)
{
    char *path = cmat_path_join(folder, name);
    assert_int_equal(cmat_mkdir_p(folder, NULL), CMAT_OK);
    assert_int_equal(cmat_write_file(path, data, n, NULL), CMAT_OK);
    free(path);
}

static void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

static void write_json(const char *name, const json_t *j)
{
    char *path = cmat_path_join(folder, name);
    assert_int_equal(cmat_mkdir_p(folder, NULL), CMAT_OK);
    assert_int_equal(cmat_json_save(path, j, NULL), CMAT_OK);
    free(path);
}

/* "t", "h", "th" and nothing else, as in the vectors' GGUFs. */
static void write_tokenizer(void)
{
    json_t *j = json_pack("{s:[], s:{s:s, s:{s:i, s:i, s:i}, s:[s]}, s:{s:s, s:b}, s:{s:s}}",
                          "added_tokens", "model", "type", "BPE", "vocab", "t", 0, "h", 1, "th", 2,
                          "merges", "t h", "pre_tokenizer", "type", "ByteLevel", "add_prefix_space",
                          0, "decoder", "type", "ByteLevel");
    write_json("tokenizer.json", j);
    json_decref(j);
    write_text("chat_template.jinja", "{{ messages }}");
}

/* An architecture's vector as a folder; member (NULL: none) of its config.json replaced. */
static void write_arch(const char *name, const char *member, const char *value)
{
    char *config_path = vector_path(name, "config.json"),
         *weights_path = vector_path(name, "model.safetensors"), *weights;
    size_t n;
    json_t *config = cmat_json_load(config_path, NULL);
    if (member) {
        json_t *v = json_loads(value, JSON_DECODE_ANY, NULL),
               *rope = json_object_get(config, "rope_parameters");
        if (rope && json_object_get(rope, member))
            json_object_set(rope, member, v);
        json_object_set_new(config, member, v);
    }
    write_json("config.json", config);
    assert_int_equal(cmat_read_file(weights_path, 1 << 24, &weights, &n, NULL), CMAT_OK);
    write_bytes("model.safetensors", weights, n);
    write_tokenizer();
    json_decref(config);
    free(config_path);
    free(weights_path);
    free(weights);
}

static cmat_model *opened(const char *path)
{
    cmat_model *m = NULL;
    cmat_error err = {0};
    if (cmat_model_open(&m, path, NULL, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return m;
}

static void export_ok(cmat_model *m, const cmat_adapter *a, const char *out,
                      cmat_export_format format, const char *type, const char *what)
{
    const cmat_export_options o = {.format = format, .type = type, .max_kl = 9};
    cmat_export_result r;
    cmat_error err = {0};
    if (cmat_export(m, a, out, &o, &r, &err) != CMAT_OK)
        fail_msg("%s: %s", what, err.msg);
    if (strcmp(type, "F32") == 0 && !(r.max_diff < 2e-3))
        fail_msg("%s: logits differ by %g", what, r.max_diff);
}

static void check_logits(cmat_model *m, const char *name, const char *file, const char *what)
{
    const double d = logits_distance(m, name, file);
    if (!(d < 1e-4))
        fail_msg("%s, %s: logits %.2e from PyTorch's", name, what, d);
}

/* What the engine goes by is the same, however it was told. */
static void check_config(const cmat_model *a, const cmat_model *b, const char *what)
{
    const cmat_model_config *x = &a->config, *y = &b->config;
    assert_string_equal(x->arch->name, y->arch->name);
    if (x->n_ctx != y->n_ctx || x->window != y->window || x->n_rot != y->n_rot ||
        x->n_ff != y->n_ff || x->tied != y->tied || x->logn != y->logn ||
        x->n_stretches != y->n_stretches || x->stretch_anew != y->stretch_anew ||
        memcmp(x->layer_flags, y->layer_flags, sizeof x->layer_flags) != 0)
        fail_msg("%s: another configuration", what);
    for (int i = 0; i < x->n_stretches; i++)
        assert_int_equal(x->stretches[i].above, y->stretches[i].above);
    for (int i = 0; i < x->n_rot / 2; i++)
        assert_float_equal(x->rope.divisors[i], y->rope.divisors[i], 1e-4f * x->rope.divisors[i]);
}

/* folder -> GGUF -> folder */
static void round_trip(const char *name, const char *member, const char *value, const char *logits)
{
    write_arch(name, member, value);
    cmat_model *m = opened(folder), *g, *h;
    check_logits(m, name, logits, "folder");
    export_ok(m, NULL, gguf, CMAT_EXPORT_GGUF, "F32", name);
    g = opened(gguf);
    check_config(m, g, name);
    check_logits(g, name, logits, "GGUF");
    assert_string_equal(cmat_model_origin(g), cmat_model_hash(m));
    assert_string_equal(cmat_chat_template_hash(g->chat_template),
                        cmat_chat_template_hash(m->chat_template));
    export_ok(g, NULL, back, CMAT_EXPORT_SAFETENSORS, "F32", name);
    h = opened(back);
    check_config(m, h, name);
    check_logits(h, name, logits, "folder made of the GGUF");
    cmat_model_free(h);
    cmat_model_free(g);
    cmat_model_free(m);
    hf_tiny_remove(back);
    unlink(gguf);
}

static void test_architectures(void **state)
{
    (void)state;
    for (int i = 0; i < N_ARCHS; i++)
        round_trip(arch_names[i], NULL, NULL, "logits.safetensors");
    round_trip("phi3", "original_max_position_embeddings", "16", "logits_long.safetensors");
    round_trip("qwen", "seq_length", "8", "logits_long.safetensors");
}

/* An adapter made for the folder, in every type that was asked for. */
static void test_adapters(void **state)
{
    (void)state;
    static const char *const types[] = {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K_M"};
    for (int i = 0; i < N_ARCHS; i++) {
        char *lora = vector_path(arch_names[i], "lora");
        cmat_adapter *a = NULL;
        cmat_error err = {0};
        write_arch(arch_names[i], NULL, NULL);
        cmat_model *m = opened(folder);
        if (cmat_adapter_load(&a, m, lora, &err) != CMAT_OK)
            fail_msg("%s: %s", arch_names[i], err.msg);
        for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
            export_ok(m, a, gguf, CMAT_EXPORT_GGUF, types[k], arch_names[i]);
            cmat_model *g = opened(gguf);
            assert_string_equal(cmat_model_merged(g), "lora");
            cmat_model_free(g);
        }
        export_ok(m, a, back, CMAT_EXPORT_SAFETENSORS, "F32", arch_names[i]);
        cmat_adapter_free(a);
        cmat_model_free(m);
        hf_tiny_remove(back);
        free(lora);
    }
    unlink(gguf);
}

/* ---- tokenizers ---- */

/* A llama of one layer with V tokens. */
static void write_llama(int V)
{
    enum { D = 32 };
    static const struct {
        const char *name;
        int n_out;
    } tensors[] = {{"model.layers.0.self_attn.q_proj", D},
                   {"model.layers.0.self_attn.k_proj", D},
                   {"model.layers.0.self_attn.v_proj", D},
                   {"model.layers.0.self_attn.o_proj", D},
                   {"model.layers.0.mlp.gate_proj", D},
                   {"model.layers.0.mlp.up_proj", D},
                   {"model.layers.0.mlp.down_proj", D},
                   {"model.embed_tokens", 0},
                   {"model.norm", 1},
                   {"model.layers.0.input_layernorm", 1},
                   {"model.layers.0.post_attention_layernorm", 1}};
    enum { N_TENSORS = sizeof tensors / sizeof *tensors };
    cmat_safetensor t[N_TENSORS];
    char *names[N_TENSORS], *path = cmat_path_join(folder, "model.safetensors");
    float *data = cmat_xmalloc((size_t)V * D * sizeof *data);
    for (int i = 0; i < V * D; i++)
        data[i] = (float)((i * 37 + 11) % 101 - 50) / 100;
    for (int i = 0; i < N_TENSORS; i++) {
        const int rows = tensors[i].n_out ? tensors[i].n_out : V;
        names[i] = cmat_xasprintf("%s.weight", tensors[i].name);
        t[i] = (cmat_safetensor){.name = names[i],
                                 .type = CMAT_TYPE_F32,
                                 .n_dims = rows == 1 ? 1 : 2,
                                 .shape = {rows == 1 ? D : rows, rows == 1 ? 1 : D, 1, 1},
                                 .data = data,
                                 .size = (size_t)rows * D * sizeof *data};
    }
    json_t *config =
        json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:b}", "model_type", "llama",
                  "hidden_size", D, "intermediate_size", D, "num_hidden_layers", 1,
                  "num_attention_heads", 2, "vocab_size", V, "max_position_embeddings", 256,
                  "rms_norm_eps", 1e-5, "rope_theta", 1e4, "tie_word_embeddings", 1);
    write_json("config.json", config);
    assert_int_equal(cmat_safetensors_save(path, t, N_TENSORS, NULL, 0, NULL), CMAT_OK);
    for (int i = 0; i < N_TENSORS; i++)
        free(names[i]);
    json_decref(config);
    free(path);
    free(data);
}

static void write_files(const json_t *files)
{
    const char *name;
    json_t *text;
    json_object_foreach((json_t *)files, name, text)
    {
        const char *binary = strstr(name, ":base64");
        size_t n = json_string_length(text);
        if (!binary) {
            write_bytes(name, json_string_value(text), n);
            continue;
        }
        char *plain = cmat_xasprintf("%.*s", (int)(binary - name), name);
        uint8_t *bytes = cmat_xmalloc(BASE64_DECODE_LENGTH(n) + 1);
        struct base64_decode_ctx ctx;
        base64_decode_init(&ctx);
        size_t len = BASE64_DECODE_LENGTH(n);
        assert_true(base64_decode_update(&ctx, &len, bytes, n, json_string_value(text)));
        write_bytes(plain, bytes, len);
        free(bytes);
        free(plain);
    }
}

/* How many of the vector's texts a tokenizer cuts as the library did, without control tokens or
 * with them; *n: of how many. */
static int agreeing(const cmat_tokenizer *t, const json_t *cases, bool special, int *n)
{
    const json_t *c;
    size_t i;
    int same = 0;
    *n = 0;
    json_array_foreach((json_t *)cases, i, c)
    {
        const json_t *text = json_array_get(c, 0), *want = json_array_get(c, special ? 2 : 1);
        int32_t *ids = NULL;
        size_t k = 0, cap = 0, at = 0;
        if (!json_is_array(want))
            continue;
        cmat_tokenizer_encode(t, json_string_value(text), json_string_length(text), special, &ids,
                              &k, &cap);
        while (at < k && at < json_array_size(want) &&
               ids[at] == json_integer_value(json_array_get(want, at)))
            at++;
        same += at == k && at == json_array_size(want);
        ++*n;
        free(ids);
    }
    return same;
}

static void test_tokenizers(void **state)
{
    (void)state;
    /* texts that a GGUF's form of the tokenizer cuts in another way, without control tokens and
     * with them */
    static const struct {
        const char *name, *pre;
        int lost, lost_special;
    } kinds[] = {
        {"qwen2", "qwen2", 2, 2}, /* no NFC */
        {"llama3", "llama-bpe", 0, 0}, {"smollm", "smollm", 0, 0}, {"llama2", "default", 0, 0},
        {"mistral", "default", 7, 11}, /* a space goes before texts that begin with one, too */
        {"gemma", "default", 0, 0},    {"phi3", "default", 0, 1}, /* of llama's architecture: no
                                                                     sign of tokens that strip */
        {"spm bpe", "default", 0, 0},
    };
    char *path = cmat_xasprintf("%s/tests/vectors/tokenizers.json", getenv("CMAT_TEST_ROOT"));
    json_t *all = cmat_json_load(path, NULL), *e;
    size_t at;
    int found = 0;
    json_array_foreach(all, at, e) for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    {
        const json_t *cases = json_object_get(e, "cases");
        const char *name = cmat_json_str(e, "name", ""), *pre = "";
        cmat_tokenizer *t = NULL;
        int n = 0;
        if (strcmp(name, kinds[k].name) != 0)
            continue;
        found++;
        write_files(json_object_get(e, "files"));
        assert_int_equal(cmat_tokenizer_open(&t, folder, 0, NULL), CMAT_OK);
        write_llama(cmat_tokenizer_n_vocab(t) + 5); /* rows without a token */
        cmat_tokenizer_free(t);
        cmat_model *m = opened(folder), *g, *h;
        export_ok(m, NULL, gguf, CMAT_EXPORT_GGUF, "F32", name);
        g = opened(gguf);
        assert_int_equal(cmat_gguf_str(g->gguf, "tokenizer.ggml.pre", &pre, NULL), CMAT_OK);
        assert_string_equal(pre, kinds[k].pre);
        for (int special = 0; special < 2; special++) {
            const int whole = agreeing(m->tokenizer, cases, special, &n),
                      same = agreeing(g->tokenizer, cases, special, &n),
                      lost = special ? kinds[k].lost_special : kinds[k].lost;
            if (whole != n || same != n - lost)
                fail_msg("%s, special %d: %d of %d texts agree, %d in the folder", name, special,
                         same, n, whole);
        }
        assert_int_equal(cmat_tokenizer_bos(g->tokenizer), cmat_tokenizer_bos(m->tokenizer));
        assert_int_equal(cmat_tokenizer_eos(g->tokenizer), cmat_tokenizer_eos(m->tokenizer));
        assert_int_equal(cmat_tokenizer_add_bos(g->tokenizer),
                         cmat_tokenizer_add_bos(m->tokenizer));
        export_ok(g, NULL, back, CMAT_EXPORT_SAFETENSORS, "F32", name);
        h = opened(back);
        const int same = agreeing(h->tokenizer, cases, false, &n),
                  want = agreeing(g->tokenizer, cases, false, &n);
        if (same < want)
            fail_msg("%s: %d of %d texts agree in the folder made of the GGUF, %d in it", name,
                     same, n, want);
        assert_int_equal(cmat_tokenizer_add_bos(h->tokenizer),
                         cmat_tokenizer_add_bos(m->tokenizer));
        cmat_model_free(h);
        cmat_model_free(g);
        cmat_model_free(m);
        hf_tiny_remove(back);
        hf_tiny_remove(folder);
        unlink(gguf);
    }
    assert_int_equal(found, sizeof kinds / sizeof *kinds);
    json_decref(all);
    free(path);
}

static void refuse(cmat_export_format format, const char *says)
{
    cmat_model *m = opened(folder);
    const cmat_export_options o = {.format = format, .type = "F32"};
    cmat_export_result r;
    cmat_error err = {0};
    const char *out = format == CMAT_EXPORT_GGUF ? gguf : back;
    const cmat_status st = cmat_export(m, NULL, out, &o, &r, &err);
    if (st != CMAT_ERR_UNSUPPORTED || !strstr(err.msg, says))
        fail_msg("wanted \"%s\", got %d \"%s\"", says, st, err.msg);
    assert_false(cmat_path_exists(out));
    cmat_model_free(m);
    hf_tiny_remove(folder);
}

static void test_refused(void **state)
{
    (void)state;
    write_arch("smollm3", "no_rope_layers", "[1, 0, 1, 1]");
    refuse(CMAT_EXPORT_GGUF, "cannot tell that layer 1 is not turned");
    write_arch("gemma3", "layer_types",
               "[\"full_attention\", \"full_attention\", \"sliding_attention\"]");
    refuse(CMAT_EXPORT_GGUF, "which of this model's layers have a window");
    write_arch("qwen2", "rope_parameters",
               "{\"rope_type\": \"llama3\", \"rope_theta\": 500, \"factor\": 4, "
               "\"low_freq_factor\": 1, \"high_freq_factor\": 4, "
               "\"original_max_position_embeddings\": 32}");
    refuse(CMAT_EXPORT_GGUF, "no place for Llama 3's rope scaling");
    write_arch("llama", NULL, NULL);
    write_text("tokenizer.json",
               "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"t\": 0}, \"merges\": []}, "
               "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": "
               "\"Split\", \"pattern\": {\"Regex\": \"x+\"}, \"behavior\": \"Isolated\"}, "
               "{\"type\": \"ByteLevel\", \"use_regex\": false, \"add_prefix_space\": false}]}}");
    refuse(CMAT_EXPORT_GGUF, "no name for how this tokenizer cuts");
    write_arch("llama", NULL, NULL);
    write_text("tokenizer.json",
               "{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"t\", -1]], \"unk_id\": 0}}");
    refuse(CMAT_EXPORT_GGUF, "unigram");
}

static int setup(void **state)
{
    (void)state;
    folder = tiny_tmp_path("source-folder");
    gguf = tiny_tmp_path("of-folder.gguf");
    back = tiny_tmp_path("back-folder");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hf_tiny_remove(folder);
    hf_tiny_remove(back);
    unlink(gguf);
    free(folder);
    free(gguf);
    free(back);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_architectures),
        cmocka_unit_test(test_adapters),
        cmocka_unit_test(test_tokenizers),
        cmocka_unit_test(test_refused),
    };
    cmat_progress_set_quiet(1);
    cmat_log_set_level(CMAT_LOG_NONE);
    return cmocka_run_group_tests(tests, setup, teardown);
}
