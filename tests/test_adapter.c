/* Tests of LoRA adapters: PEFT's own files in, ours out and in again, GGUF export, refusals. */
#include "tiny_model.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "model/adapter.h"
#include "model/export.h"
#include "model/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The shape that tests/vectors/make_peft_adapter.py made its adapter for. */
static const tiny_model_options tiny = {
    .n_layers = 1, .n_heads = 2, .n_kv_heads = 1, .n_embd = 32, .n_ff = 32};

static cmat_model *open_tiny(const tiny_model_options *o)
{
    char *path = tiny_tmp_path("adapter.gguf");
    cmat_model *m;
    cmat_error err = {0};
    tiny_model_write(path, o);
    if (cmat_model_open(&m, path, NULL, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    cmat_model_hash(m);
    unlink(path);
    free(path);
    return m;
}

static char *vectors(const char *file)
{
    const char *root = getenv("CMAT_TEST_ROOT");
    return cmat_xasprintf("%s/tests/vectors/peft_adapter%s", root ? root : ".", file);
}

static void remove_adapter(char *dir)
{
    static const char *const files[] = {"adapter_config.json", "adapter_model.safetensors"};
    for (int i = 0; i < 2; i++) {
        char *path = cmat_path_join(dir, files[i]);
        unlink(path);
        free(path);
    }
    rmdir(dir);
    free(dir);
}

static cmat_adapter *make(const cmat_model *m, const cmat_lora_config *c, uint64_t seed)
{
    cmat_rng rng;
    cmat_adapter *a;
    cmat_rng_init(&rng, seed);
    assert_int_equal(cmat_adapter_new(&a, m, c, &rng, NULL), CMAT_OK);
    for (int l = 0; l < m->config.n_layers; l++)
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
            const cmat_lora_pair *p = cmat_adapter_pair(a, l, k);
            for (int i = 0; p->b && i < m->layers[l].w[k].n_out * c->rank; i++)
                p->b[i] = (float)cmat_rng_normal(&rng);
        }
    return a;
}

static void assert_same(const cmat_adapter *a, const cmat_adapter *b)
{
    assert_int_equal(a->n_params, b->n_params);
    assert_memory_equal(a->params, b->params, a->n_params * sizeof(float));
    assert_true(a->scale == b->scale && a->config.rank == b->config.rank &&
                a->config.targets == b->config.targets && a->config.dropout == b->config.dropout &&
                a->config.rslora == b->config.rslora);
}

/* scale * B A, with B's rows permuted for Q and K, against what peft and llama.cpp's permutation
 * give. */
static void test_peft_file(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int weight;
    } modules[] = {{"q_proj", CMAT_W_Q},
                   {"k_proj", CMAT_W_K},
                   {"v_proj", CMAT_W_V},
                   {"down_proj", CMAT_W_DOWN}};
    cmat_model *m = open_tiny(&tiny);
    cmat_adapter *a;
    cmat_safetensors *s;
    cmat_error err = {0};
    char *dir = vectors(""), *expected = vectors("/expected.safetensors");
    if (cmat_adapter_load(&a, m, dir, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(cmat_safetensors_open(&s, expected, NULL), CMAT_OK);
    assert_true(fabsf(a->scale - 3.0f) < 1e-6f); /* 6 / sqrt(4) */
    assert_true(fabsf(a->config.dropout - 0.05f) < 1e-9f);
    assert_null(cmat_adapter_pair(a, 0, CMAT_W_O)->a);
    assert_string_equal(a->name, "peft_adapter");
    for (size_t k = 0; k < sizeof modules / sizeof modules[0]; k++) {
        const cmat_lora_pair *p = cmat_adapter_pair(a, 0, modules[k].weight);
        const cmat_safetensor *t = cmat_safetensors_find(s, modules[k].name);
        int n_out = (int)t->shape[0], n_in = (int)t->shape[1];
        for (int o = 0; o < n_out; o++)
            for (int i = 0; i < n_in; i++) {
                float want, got = 0;
                memcpy(&want, (const char *)t->data + ((size_t)o * n_in + i) * 4, 4);
                for (int r = 0; r < 4; r++)
                    got += a->scale * p->b[o * 4 + r] * p->a[r * n_in + i];
                if (fabsf(got - want) > 1e-5f)
                    fail_msg("%s (%d, %d): %g, expected %g", modules[k].name, o, i, (double)got,
                             (double)want);
            }
    }
    cmat_safetensors_close(s);
    cmat_adapter_free(a);
    cmat_model_free(m);
    free(dir);
    free(expected);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const cmat_lora_config configs[] = {
        {.rank = 1, .alpha = 2, .dropout = 0, .rslora = false, .targets = 0x7f},
        {.rank = 4,
         .alpha = 0.5f,
         .dropout = 0.1f,
         .rslora = true,
         .targets = 1u << CMAT_W_K | 1u << CMAT_W_UP}};
    cmat_model *m = open_tiny(NULL);
    for (size_t i = 0; i < 2; i++) {
        cmat_adapter *a = make(m, &configs[i], 5 + i), *b, *c;
        char *dir = tiny_tmp_path("adapter"), *dir2 = tiny_tmp_path("adapter2"), *one, *two;
        size_t n1, n2;
        cmat_error err = {0};
        assert_int_equal(cmat_adapter_save(a, dir, &err), CMAT_OK);
        if (cmat_adapter_load(&b, m, dir, &err) != CMAT_OK)
            fail_msg("%s", err.msg);
        assert_same(a, b);
        assert_int_equal(cmat_adapter_save(b, dir2, NULL),
                         CMAT_OK); /* the same adapter, the same bytes */
        for (int f = 0; f < 2; f++) {
            const char *file = f ? "adapter_config.json" : "adapter_model.safetensors";
            char *p1 = cmat_path_join(dir, file), *p2 = cmat_path_join(dir2, file);
            assert_int_equal(cmat_read_file(p1, 1 << 24, &one, &n1, NULL), CMAT_OK);
            assert_int_equal(cmat_read_file(p2, 1 << 24, &two, &n2, NULL), CMAT_OK);
            assert_int_equal(n1, n2);
            assert_memory_equal(one, two, n1);
            free(one);
            free(two);
            free(p1);
            free(p2);
        }
        assert_int_equal(cmat_adapter_copy(&c, a, NULL), CMAT_OK);
        assert_same(a, c);
        assert_true(a->params != c->params);
        cmat_adapter_free(a);
        cmat_adapter_free(b);
        cmat_adapter_free(c);
        remove_adapter(dir);
        remove_adapter(dir2);
    }
    cmat_model_free(m);
}

static void test_new(void **state)
{
    (void)state;
    cmat_model *m = open_tiny(&tiny);
    cmat_lora_config c = CMAT_LORA_DEFAULT;
    cmat_rng rng;
    cmat_adapter *a;
    cmat_rng_init(&rng, 1);
    assert_int_equal(cmat_adapter_new(&a, m, &c, &rng, NULL), CMAT_OK);
    assert_int_equal(a->n_params, 16 * (32 + 32 + 32 + 16 + 32 + 16 + 5 * 32 + 3 * 32));
    const cmat_lora_pair *p = cmat_adapter_pair(a, 0, CMAT_W_GATE);
    float max = 0, bound = 1 / sqrtf(32);
    for (int i = 0; i < 16 * 32; i++) {
        max = fmaxf(max, fabsf(p->a[i]));
        assert_true(p->b[i] == 0);
    }
    assert_true(max <= bound && max > 0.95f * bound);
    cmat_adapter_free(a);

    static const cmat_lora_config bad[] = {
        {.rank = 0, .alpha = 1, .targets = 1},
        {.rank = 4096, .alpha = 1, .targets = 1},
        {.rank = 1, .alpha = 0, .targets = 1},
        {.rank = 1, .alpha = NAN, .targets = 1},
        {.rank = 1, .alpha = 1, .targets = 0},
        {.rank = 1, .alpha = 1, .targets = 1u << CMAT_N_LAYER_WEIGHTS},
        {.rank = 1, .alpha = 1, .targets = 1, .dropout = 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(cmat_adapter_new(&a, m, &bad[i], &rng, NULL), CMAT_ERR_ARG);
        assert_null(a);
    }
    cmat_model_free(m);
}

/* ---- what a config may say ---- */

typedef struct {
    const char *key, *value; /* a member set to this JSON before loading */
    cmat_status status;
    const char *says;
} change;

static const change changes[] = {
    {"some_new_option", "null", CMAT_OK, ""},
    {"target_modules", "\"all-linear\"", CMAT_OK, ""},
    {"target_modules", "\".*\\\\.(q|k|v|o|gate|up|down)_proj\"", CMAT_OK, ""},
    {"target_modules",
     "[\"self_attn.q_proj\", \"k_proj\", \"v_proj\", \"o_proj\", \"model.layers.0.mlp.gate_proj\","
     "\"mlp.gate_proj\", \"up_proj\", \"down_proj\"]",
     CMAT_OK, ""},
    {"target_modules", "\"(a+)+$\"", CMAT_ERR_FORMAT, "name no matrix"},
    {"target_modules", "\"(\"", CMAT_ERR_FORMAT, "column 2"},
    {"target_modules", "[\"q_proj\", 5]", CMAT_ERR_FORMAT, "not a string"},
    {"target_modules", "null", CMAT_ERR_FORMAT, "name no matrix"},
    {"target_modules", "[\"roj\"]", CMAT_ERR_FORMAT, "name no matrix"},
    {"target_modules", "[\"q_proj\"]", CMAT_ERR_FORMAT, "holds 28 tensors"},
    {"exclude_modules", "[\"q_proj\"]", CMAT_ERR_FORMAT, "holds 28 tensors"},
    {"layers_to_transform", "[1]", CMAT_ERR_FORMAT, "holds 28 tensors"},
    {"peft_type", "\"BONE\"", CMAT_ERR_UNSUPPORTED, "BONE"},
    {"use_dora", "true", CMAT_ERR_FORMAT, "lora_magnitude_vector.weight is missing"},
    {"bias", "\"all\"", CMAT_ERR_UNSUPPORTED, "bias"},
    {"modules_to_save", "[\"lm_head\"]", CMAT_ERR_UNSUPPORTED, "modules_to_save"},
    {"rank_pattern", "{\"q_proj\": 8}", CMAT_ERR_UNSUPPORTED, "rank_pattern gives q_proj"},
    {"rank_pattern", "{\"q_proj\": 4}", CMAT_OK, ""},
    {"alpha_pattern", "{\"q_proj\": 1.5}", CMAT_ERR_UNSUPPORTED, "alpha_pattern"},
    {"r", "8", CMAT_ERR_FORMAT, "expected (8, "},
    {"r", "0", CMAT_ERR_FORMAT, "r is not"},
    {"r", "\"4\"", CMAT_ERR_FORMAT, "r is not"},
    {"r", "2000000000", CMAT_ERR_ARG, "rank 2000000000"},
    {"lora_alpha", "16.0", CMAT_OK, ""},
    {"lora_alpha", "null", CMAT_ERR_FORMAT, "lora_alpha"},
};

static void test_configs(void **state)
{
    (void)state;
    cmat_model *m = open_tiny(NULL);
    cmat_lora_config c = {.rank = 4, .alpha = 16, .targets = 0x7f};
    cmat_adapter *a = make(m, &c, 9), *b;
    char *dir = tiny_tmp_path("configs"), *config = cmat_path_join(dir, "adapter_config.json");
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        cmat_error err = {0};
        assert_int_equal(cmat_adapter_save(a, dir, NULL), CMAT_OK);
        json_t *j = cmat_json_load(config, NULL),
               *v = json_loads(changes[i].value, JSON_DECODE_ANY, NULL);
        assert_true(j && v);
        json_object_set_new(j, changes[i].key, v);
        assert_int_equal(cmat_json_save(config, j, NULL), CMAT_OK);
        json_decref(j);
        cmat_status st = cmat_adapter_load(&b, m, dir, &err);
        if (st != changes[i].status || !strstr(err.msg, changes[i].says) || (st != CMAT_OK && b))
            fail_msg("%s = %s: status %d, \"%s\"", changes[i].key, changes[i].value, st, err.msg);
        cmat_adapter_free(b);
    }
    cmat_adapter_free(a);
    cmat_model_free(m);
    free(config);
    remove_adapter(dir);
}

static void test_other_base(void **state)
{
    (void)state;
    cmat_model *m = open_tiny(NULL), *other = open_tiny(&(tiny_model_options){.seed = 77}),
               *small = open_tiny(&tiny);
    cmat_lora_config c = {.rank = 2, .alpha = 2, .targets = 3};
    cmat_adapter *a = make(m, &c, 3), *b;
    cmat_error err = {0};
    char *dir = tiny_tmp_path("other");
    assert_int_equal(cmat_adapter_save(a, dir, NULL), CMAT_OK);
    assert_int_equal(cmat_adapter_load(&b, other, dir, &err), CMAT_ERR_ARG);
    assert_non_null(strstr(err.msg, "another base model"));
    assert_null(b);
    assert_int_equal(cmat_adapter_load(&b, m, "/nonexistent", &err), CMAT_ERR_NOT_FOUND);
    char *peft = vectors(""); /* without a recorded base: the shapes decide */
    assert_int_equal(cmat_adapter_load(&b, m, peft, &err), CMAT_ERR_FORMAT);
    assert_int_equal(cmat_adapter_load(&b, small, peft, &err), CMAT_OK);
    cmat_adapter_free(b);
    free(peft);
    cmat_adapter_free(a);
    cmat_model_free(m);
    cmat_model_free(other);
    cmat_model_free(small);
    remove_adapter(dir);
}

typedef struct {
    int n_warnings, n_notes;
    char last[400];
} said;

static void listen(void *user, cmat_log_level level, const char *text)
{
    said *s = user;
    s->n_warnings += level == CMAT_LOG_WARN;
    s->n_notes += level == CMAT_LOG_INFO;
    snprintf(s->last, sizeof s->last, "%s", text);
}

/* What counts as the same base: the file, an export of it in another type; not one with an adapter
 * merged, nor another tokenizer; another template is a warning; force lets all through. */
static void test_same_base(void **state)
{
    (void)state;
    said heard = {0};
    char *dir = tiny_tmp_path("same"), *lora = tiny_tmp_path("same-lora.gguf"),
         *q8 = tiny_tmp_path("same-q8.gguf"), *merged = tiny_tmp_path("same-merged.gguf");
    cmat_model *m = open_tiny(NULL), *re, *mixed;
    cmat_lora_config c = {.rank = 2, .alpha = 2, .targets = 3};
    cmat_adapter *a = make(m, &c, 3), *b;
    cmat_export_result r;
    cmat_error err = {0};
    const cmat_export_options o = {.format = CMAT_EXPORT_GGUF, .max_kl = 10};
    assert_int_equal(cmat_export(m, NULL, q8, &o, &r, NULL), CMAT_OK);
    assert_int_equal(cmat_export(m, a, merged, &o, &r, NULL), CMAT_OK);
    assert_int_equal(cmat_model_open(&re, q8, NULL, NULL), CMAT_OK);
    assert_int_equal(cmat_model_open(&mixed, merged, NULL, NULL), CMAT_OK);
    assert_int_equal(cmat_adapter_save(a, dir, NULL), CMAT_OK);
    assert_int_equal(cmat_adapter_export_gguf(a, lora, NULL), CMAT_OK);
    cmat_log_set_callback(listen, &heard);
    for (int form = 0; form < 2; form++) {
        const char *path = form ? lora : dir;
        if (cmat_adapter_load(&b, re, path, &err) != CMAT_OK) /* by its recorded origin */
            fail_msg("%s", err.msg);
        cmat_adapter_free(b);
        assert_int_equal(cmat_adapter_load(&b, mixed, path, &err), CMAT_ERR_ARG);
        assert_non_null(strstr(err.msg, "on another base model"));
        assert_non_null(strstr(err.msg, "--force-adapter"));
    }
    assert_int_equal(heard.n_warnings + heard.n_notes, 0);
    mixed->any_adapter = true;
    assert_int_equal(cmat_adapter_load(&b, mixed, dir, &err), CMAT_OK);
    assert_int_equal(heard.n_warnings, 1);
    cmat_adapter_free(b);

    cmat_adapter *on_q8 = make(re, &c, 5); /* tuned on the export: fits what that was made from */
    assert_int_equal(cmat_adapter_save(on_q8, dir, NULL), CMAT_OK);
    assert_int_equal(cmat_adapter_load(&b, m, dir, NULL), CMAT_OK);
    cmat_adapter_free(b);
    cmat_adapter_free(on_q8);

    cmat_chat_template *other;
    cmat_chat_template_free(m->chat_template);
    assert_int_equal(cmat_chat_template_new(&other, "{{ messages }}", 14, NULL), CMAT_OK);
    m->chat_template = other;
    heard.n_warnings = 0;
    assert_int_equal(cmat_adapter_load(&b, m, dir, NULL), CMAT_OK);
    assert_int_equal(heard.n_warnings, 1);
    assert_non_null(strstr(heard.last, "another chat template"));
    cmat_adapter_free(b);

    cmat_model *words = open_tiny(&(tiny_model_options){.n_vocab = TINY_VOCAB + 8});
    assert_int_equal(cmat_adapter_load(&b, words, dir, &err), CMAT_ERR_ARG);
    assert_non_null(strstr(err.msg, "another tokenizer"));
    words->any_adapter = true;
    heard.n_warnings = 0;
    assert_int_equal(cmat_adapter_load(&b, words, dir, &err), CMAT_OK);
    assert_int_equal(heard.n_warnings, 2); /* tokenizer and base */
    cmat_adapter_free(b);
    cmat_model_free(words);

    cmat_model *small = open_tiny(&tiny);
    char *peft = vectors("");
    heard.n_notes = heard.n_warnings = 0;
    assert_int_equal(cmat_adapter_load(&b, small, peft, &err), CMAT_OK);
    assert_int_equal(heard.n_notes, 1);
    assert_non_null(strstr(heard.last, "its base is not recorded"));
    cmat_log_set_callback(NULL, NULL);
    cmat_adapter_free(b);
    cmat_model_free(small);
    cmat_adapter_free(a);
    cmat_model_free(mixed);
    cmat_model_free(re);
    cmat_model_free(m);
    unlink(lora);
    unlink(q8);
    unlink(merged);
    remove_adapter(dir);
    free(peft);
    free(lora);
    free(q8);
    free(merged);
}

/* A GGUF LoRA that is damaged, of another model or not one at all. */
static void test_gguf_lora_refused(void **state)
{
    (void)state;
    cmat_model *m = open_tiny(NULL);
    cmat_lora_config c = {.rank = 2, .alpha = 2, .targets = 3};
    cmat_adapter *a = make(m, &c, 3), *b;
    char *lora = tiny_tmp_path("bad-lora.gguf");
    const struct {
        const char *type;
        float alpha;
        int rank, rank_b, layer;
        const char *says;
    } cases[] = {
        {"model", 2, 2, 2, 0, "general.type is not"}, {"adapter", -1, 2, 2, 0, "alpha -1"},
        {"adapter", 2, 2, 3, 0, "expected (64, 2)"},  {"adapter", 2, 2, 2, 9, "belong to matrices"},
        {"adapter", 2, 2000, 2000, 0, "rank 2000"},
    };
    float *zeros = cmat_xcalloc(64 * 2000, sizeof *zeros);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cmat_gguf_writer *w = cmat_gguf_writer_new();
        cmat_error err = {0};
        char name[64];
        cmat_gguf_writer_str(w, "general.type", cases[i].type);
        cmat_gguf_writer_str(w, "adapter.type", "lora");
        cmat_gguf_writer_f32(w, "adapter.lora.alpha", cases[i].alpha);
        snprintf(name, sizeof name, "blk.%d.attn_q.weight.lora_a", cases[i].layer);
        cmat_gguf_writer_tensor(w, name, CMAT_TYPE_F32, 2, (int64_t[]){64, cases[i].rank}, zeros);
        name[strlen(name) - 1] = 'b';
        cmat_gguf_writer_tensor(w, name, CMAT_TYPE_F32, 2, (int64_t[]){cases[i].rank_b, 64}, zeros);
        assert_int_equal(cmat_gguf_writer_save(w, lora, NULL), CMAT_OK);
        cmat_gguf_writer_free(w);
        cmat_status st = cmat_adapter_load(&b, m, lora, &err);
        if (st == CMAT_OK || b || !strstr(err.msg, cases[i].says))
            fail_msg("case %zu: status %d, \"%s\"", i, st, err.msg);
    }
    free(zeros);
    cmat_adapter_free(a);
    cmat_model_free(m);
    unlink(lora);
    free(lora);
}

static void test_export(void **state)
{
    (void)state;
    cmat_model *m = open_tiny(NULL);
    cmat_lora_config c = {
        .rank = 4, .alpha = 8, .rslora = true, .targets = 1u << CMAT_W_Q | 1u << CMAT_W_DOWN};
    cmat_adapter *a = make(m, &c, 4);
    char *path = tiny_tmp_path("lora.gguf");
    cmat_gguf *g;
    const char *s;
    double alpha;
    assert_int_equal(cmat_adapter_export_gguf(a, path, NULL), CMAT_OK);
    assert_int_equal(cmat_gguf_open(&g, path, NULL), CMAT_OK);
    assert_int_equal(cmat_gguf_str(g, "general.type", &s, NULL), CMAT_OK);
    assert_string_equal(s, "adapter");
    assert_int_equal(cmat_gguf_str(g, "adapter.type", &s, NULL), CMAT_OK);
    assert_string_equal(s, "lora");
    assert_int_equal(cmat_gguf_str(g, "general.architecture", &s, NULL), CMAT_OK);
    assert_string_equal(s, "llama");
    assert_int_equal(cmat_gguf_float(g, "adapter.lora.alpha", &alpha, NULL), CMAT_OK);
    assert_true(fabs(alpha / 4 - (double)a->scale) < 1e-6); /* llama.cpp: alpha / rank */
    assert_int_equal(cmat_gguf_n_tensors(g), 2 * 2 * 2);
    const cmat_gguf_tensor *ta = cmat_gguf_tensor_find(g, "blk.1.ffn_down.weight.lora_a");
    const cmat_gguf_tensor *tb = cmat_gguf_tensor_find(g, "blk.1.ffn_down.weight.lora_b");
    assert_true(ta && tb && ta->ne[0] == 128 && ta->ne[1] == 4 && tb->ne[0] == 4 &&
                tb->ne[1] == 64);
    assert_memory_equal(tb->data, cmat_adapter_pair(a, 1, CMAT_W_DOWN)->b, tb->size);
    cmat_gguf_close(g);
    unlink(path);
    free(path);
    cmat_adapter_free(a);
    cmat_model_free(m);
}

/* A value that is not a number, and a file cut short, are refused. */
static void test_damaged(void **state)
{
    (void)state;
    cmat_model *m = open_tiny(NULL);
    cmat_lora_config c = {.rank = 2, .alpha = 2, .targets = 1};
    cmat_adapter *a = make(m, &c, 3), *b;
    cmat_error err = {0};
    char *dir = tiny_tmp_path("damaged"),
         *weights = cmat_path_join(dir, "adapter_model.safetensors"), *data;
    size_t len;
    a->params[5] = NAN;
    assert_int_equal(cmat_adapter_save(a, dir, NULL), CMAT_OK);
    assert_int_equal(cmat_adapter_load(&b, m, dir, &err), CMAT_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "not a number"));
    assert_int_equal(cmat_read_file(weights, 1 << 24, &data, &len, NULL), CMAT_OK);
    assert_int_equal(cmat_write_file(weights, data, len - 1, NULL), CMAT_OK);
    assert_int_equal(cmat_adapter_load(&b, m, dir, &err), CMAT_ERR_FORMAT);
    free(data);
    free(weights);
    cmat_adapter_free(a);
    cmat_model_free(m);
    remove_adapter(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peft_file),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_configs),
        cmocka_unit_test(test_other_base),
        cmocka_unit_test(test_same_base),
        cmocka_unit_test(test_gguf_lora_refused),
        cmocka_unit_test(test_export),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
