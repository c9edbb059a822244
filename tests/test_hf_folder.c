/* Models from Hugging Face folders: the same logits, tokens and conversations as from the GGUF of
 * the same weights; shards and their index; templates; what must be refused. */
#include "core/json.h"
#include "hf_tiny.h"
#include "model/engine.h"
#include "model/hf_folder.h"
#include "model/pull.h"
#include "model_util.h"
#include <math.h>
#include <string.h>

enum { N = 40 };

static char *folder;

static void write_text(const char *name, const char *text)
{
    char *path = cmat_path_join(folder, name);
    assert_int_equal(cmat_write_file(path, text, strlen(text), NULL), CMAT_OK);
    free(path);
}

static void drop(const char *name)
{
    char *path = cmat_path_join(folder, name);
    unlink(path);
    free(path);
}

static float *logits_of(cmat_model *m)
{
    int32_t tokens[N];
    cmat_error err = {0};
    float *out = cmat_xmalloc((size_t)N * (size_t)m->config.n_vocab * sizeof *out);
    for (int i = 0; i < N; i++)
        tokens[i] = (i * 37 + 11) % TINY_VOCAB;
    if (cmat_model_logits(m, NULL, tokens, N, out, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return out;
}

static double distance(cmat_model *a, cmat_model *b)
{
    float *x = logits_of(a), *y = logits_of(b);
    double d = 0;
    assert_int_equal(a->config.n_vocab, b->config.n_vocab);
    for (size_t i = 0; i < (size_t)N * (size_t)a->config.n_vocab; i++)
        d = fmax(d, fabs((double)x[i] - (double)y[i]));
    free(x);
    free(y);
    return d;
}

static cmat_model *opened(void)
{
    cmat_model *m = NULL;
    cmat_error err = {0};
    if (cmat_model_open(&m, folder, NULL, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return m;
}

static void test_logits(void **state)
{
    (void)state;
    static const hf_tiny_options kinds[] = {
        {0}, {.shards = 3}, {.misaligned = true}, {.type = CMAT_TYPE_BF16, .shards = 2}};
    for (int untied = 0; untied < 2; untied++) {
        cmat_model *g = tiny_model_open(&(tiny_model_options){.untied = untied, .std = 0.2f}, NULL);
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            hf_tiny_write(folder, g, &kinds[i]);
            cmat_model *h = opened();
            assert_true(h->config.rope_neox && h->config.tied == !untied);
            const double d = distance(g, h);
            /* the sums of attention run in another order; BF16 keeps 8 bits */
            assert_true(d < (kinds[i].type == CMAT_TYPE_BF16 ? 0.5 : 1e-4));
            if (kinds[i].type == CMAT_TYPE_BF16)
                assert_true(d > 1e-4);
            cmat_model_free(h);
            hf_tiny_remove(folder);
        }
        cmat_model_free(g);
    }
}

/* Weights are used where they lie in the file. */
static void test_mapped(void **state)
{
    (void)state;
    cmat_model *g = tiny_model_open(NULL, NULL);
    hf_tiny_write(folder, g, &(hf_tiny_options){0});
    cmat_model *h = opened();
    cmat_source_tensor t;
    assert_true(h->source->find(h->source, "model.layers.1.self_attn.k_proj.weight", &t));
    assert_ptr_equal(t.data, h->layers[1].w[CMAT_W_K].data);
    cmat_model_free(h);
    hf_tiny_remove(folder);
    cmat_model_free(g);
}

static void test_chat(void **state)
{
    (void)state;
    cmat_error err = {0};
    cmat_model *g = tiny_model_open(NULL, NULL);
    hf_tiny_write(folder, g, &(hf_tiny_options){0});
    cmat_model *h = opened();
    json_t *talk = json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "user", "content",
                             "the 12 things<|im_end|>", "role", "assistant", "content", "in\nthe");
    int32_t *a, *b;
    uint8_t *mask_a, *mask_b;
    size_t n_a, n_b;
    assert_int_equal(cmat_model_chat_tokens(g, talk, true, &a, &mask_a, &n_a, &err), CMAT_OK);
    assert_int_equal(cmat_model_chat_tokens(h, talk, true, &b, &mask_b, &n_b, &err), CMAT_OK);
    assert_int_equal(n_a, n_b);
    assert_memory_equal(a, b, n_a * sizeof *a);
    assert_memory_equal(mask_a, mask_b, n_a);
    assert_int_equal(cmat_tokenizer_bos(h->tokenizer), cmat_tokenizer_bos(g->tokenizer));
    assert_int_equal(cmat_tokenizer_eos(h->tokenizer), cmat_tokenizer_eos(g->tokenizer));
    assert_string_equal(cmat_tokenizer_hash(h->tokenizer), cmat_tokenizer_hash(g->tokenizer));
    free(a);
    free(b);
    free(mask_a);
    free(mask_b);
    json_decref(talk);
    cmat_model_free(h);
    hf_tiny_remove(folder);
    cmat_model_free(g);
}

static void test_templates(void **state)
{
    (void)state;
    cmat_error err = {0};
    char *source;
    assert_int_equal(cmat_mkdir_p(folder, NULL), CMAT_OK);
    assert_int_equal(cmat_hf_folder_template(folder, &source, &err), CMAT_OK);
    assert_null(source);
    write_text("chat_template.json", "{\"chat_template\": \"from the processor\"}");
    assert_int_equal(cmat_hf_folder_template(folder, &source, &err), CMAT_OK);
    assert_string_equal(source, "from the processor");
    free(source);
    write_text("tokenizer_config.json",
               "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"no\"},"
               " {\"name\": \"default\", \"template\": \"yes\"}]}");
    assert_int_equal(cmat_hf_folder_template(folder, &source, &err), CMAT_OK);
    assert_string_equal(source, "yes");
    free(source);
    write_text("chat_template.jinja", "{{ messages }}");
    assert_int_equal(cmat_hf_folder_template(folder, &source, &err), CMAT_OK);
    assert_string_equal(source, "{{ messages }}");
    free(source);
    drop("chat_template.jinja");
    write_text("tokenizer_config.json", "[]");
    assert_int_equal(cmat_hf_folder_template(folder, &source, &err), CMAT_ERR_FORMAT);
    assert_null(source);
    hf_tiny_remove(folder);
}

static void refused(cmat_status status, const char *says)
{
    cmat_model *m = NULL;
    cmat_error err = {0};
    cmat_status st = cmat_model_open(&m, folder, NULL, &err);
    if (st != status || !strstr(err.msg, says) || strchr(err.msg, '\n'))
        fail_msg("wanted %d \"%s\", got %d \"%s\"", status, says, st, err.msg);
    assert_null(m);
}

static void index_write(const char *map)
{
    char *text = cmat_xasprintf("{\"weight_map\": %s}", map);
    write_text("model.safetensors.index.json", text);
    free(text);
}

static void test_refused(void **state)
{
    (void)state;
    cmat_model *g = tiny_model_open(NULL, NULL);
    hf_tiny_write(folder, g, &(hf_tiny_options){.shards = 3, .skip_last = true});
    refused(CMAT_ERR_FORMAT, "is missing, but the index");
    hf_tiny_write(folder, g, &(hf_tiny_options){.shards = 3, .twice = true});
    refused(CMAT_ERR_FORMAT, "is there, but the index");
    index_write("{\"a\": \"../../etc/passwd.safetensors\"}");
    refused(CMAT_ERR_FORMAT, "no file of the folder");
    index_write("{\"a\": \"/etc/x.safetensors\"}");
    refused(CMAT_ERR_FORMAT, "no file of the folder");
    index_write("{\"a\": 7}");
    refused(CMAT_ERR_FORMAT, "no file of the folder");
    index_write("{}");
    refused(CMAT_ERR_FORMAT, "weight_map of 0 files");
    index_write("{\"a\": \"not-there.safetensors\"}");
    refused(CMAT_ERR_NOT_FOUND, "not-there.safetensors");
    drop("model.safetensors.index.json");
    refused(CMAT_ERR_NOT_FOUND, "no model.safetensors");
    write_text("pytorch_model.bin", "x");
    refused(CMAT_ERR_NOT_FOUND, "save the model as safetensors");
    hf_tiny_write(folder, g, &(hf_tiny_options){0});
    drop("tokenizer.json");
    refused(CMAT_ERR_NOT_FOUND, "tokenizer.json");
    hf_tiny_write(folder, g, &(hf_tiny_options){0});
    write_text("config.json", "{\"model_type\": \"mamba\"}");
    refused(CMAT_ERR_UNSUPPORTED, "mamba");
    write_text("config.json", "{\"model_type\": ");
    refused(CMAT_ERR_FORMAT, "config.json");
    drop("config.json");
    refused(CMAT_ERR_NOT_FOUND, "config.json");
    hf_tiny_remove(folder);
    cmat_model_free(g);
}

static void test_hash_and_find(void **state)
{
    (void)state;
    cmat_model *g = tiny_model_open(NULL, NULL);
    hf_tiny_write(folder, g, &(hf_tiny_options){.shards = 2});
    cmat_model *h = opened();
    char *found = cmat_model_find(folder), first[65], second[65];
    assert_string_equal(found, folder);
    assert_int_equal(strlen(cmat_model_hash(h)), 64);
    assert_int_equal(cmat_hf_folder_hash(folder, first, NULL), CMAT_OK);
    assert_string_equal(cmat_model_hash(h), first);
    write_text("config.json", "{}");
    assert_int_equal(cmat_hf_folder_hash(folder, second, NULL), CMAT_OK);
    assert_string_not_equal(first, second);
    free(found);
    cmat_model_free(h);
    hf_tiny_remove(folder);
    cmat_model_free(g);
}

static int setup(void **state)
{
    (void)state;
    folder = tiny_tmp_path("hf-folder");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hf_tiny_remove(folder);
    free(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits),  cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_chat),    cmocka_unit_test(test_templates),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_hash_and_find),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
