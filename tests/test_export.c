/* Tests of cmat_export: every format and type is read back by it and compared with its source; what
 * cannot be exported or is too far off leaves nothing behind. */
#include "arch_util.h"
#include "model/engine.h"
#include "model/export.h"
#include "tiny_model.h"

#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/progress.h"
#include "model/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static cmat_model *open_tiny(const char *path, const tiny_model_options *o)
{
    cmat_model *m;
    cmat_error err = {0};
    if (o)
        tiny_model_write(path, o);
    if (cmat_model_open(&m, path, NULL, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return m;
}

/* An adapter that changes what the model says. */
static cmat_adapter *make_adapter(const cmat_model *m, bool dora)
{
    const cmat_lora_config c = {.rank = 4, .alpha = 8, .dora = dora, .targets = 0x7f};
    cmat_adapter *a;
    cmat_rng rng;
    cmat_rng_init(&rng, 3);
    assert_int_equal(cmat_adapter_new(&a, m, &c, &rng, NULL), CMAT_OK);
    for (size_t i = 0; i < a->n_params; i++)
        a->params[i] += 0.1f * (float)cmat_rng_normal(&rng);
    cmat_adapter_refresh(a);
    a->name = cmat_xstrdup("night");
    return a;
}

static cmat_export_result export_ok(cmat_model *m, const cmat_adapter *a, const char *out,
                                    cmat_export_format format, const char *type)
{
    const cmat_export_options o = {.format = format, .type = type};
    cmat_export_result r;
    cmat_error err = {0};
    if (cmat_export(m, a, out, &o, &r, &err) != CMAT_OK)
        fail_msg("format %d type %s: %s", (int)format, type ? type : "default", err.msg);
    assert_true(r.n_tokens > 16 && r.bytes > 1000);
    return r;
}

static void remove_all(const char *path)
{
    static const char *const files[] = {"config.json",
                                        "generation_config.json",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "model.safetensors",
                                        "adapter_config.json",
                                        "adapter_model.safetensors",
                                        "encoder.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *p = cmat_path_join(path, files[i]);
        unlink(p);
        free(p);
    }
    rmdir(path);
    unlink(path);
}

/* Every type, with rows that are whole super-blocks and rows that are not. */
static void test_types(void **state)
{
    (void)state;
    char *path = tiny_tmp_path("source.gguf"), *out = tiny_tmp_path("typed.gguf");
    for (int wide = 0; wide < 2; wide++) {
        cmat_model *m = open_tiny(path, wide ? &(tiny_model_options){.n_embd = 256, .n_ff = 256}
                                             : &(tiny_model_options){.n_embd = 96, .n_ff = 160});
        double last = 0;
        for (const cmat_export_type *t = cmat_export_types; t->name; t++) {
            cmat_export_result r = export_ok(m, NULL, out, CMAT_EXPORT_GGUF, t->name);
            assert_string_equal(r.type, t->name);
            cmat_model *m2 = open_tiny(out, NULL);
            assert_int_equal(m2->layers[0].w[CMAT_W_Q].type,
                             wide || t->type < CMAT_TYPE_Q4_K || t->type == CMAT_TYPE_BF16 ? t->type
                             : t->type == CMAT_TYPE_Q4_K ? CMAT_TYPE_Q5_0
                             : t->type == CMAT_TYPE_Q5_K ? CMAT_TYPE_Q5_1
                                                         : CMAT_TYPE_Q8_0);
            assert_string_equal(cmat_model_origin(m2), cmat_model_hash(m));
            assert_null(cmat_model_merged(m2));
            if (t->type == CMAT_TYPE_F16 || t->type == CMAT_TYPE_Q8_0 ||
                t->type == CMAT_TYPE_Q4_0) {
                assert_true(r.mean_kl > last); /* fewer bits lose more */
                last = r.mean_kl;
            }
            cmat_model_free(m2);
        }
        cmat_model_free(m);
    }
    unlink(path);
    unlink(out);
    free(path);
    free(out);
}

/* W + scale B A: the file alone says what base and adapter said together. */
static void test_merged(void **state)
{
    (void)state;
    char *path = tiny_tmp_path("base.gguf"), *out = tiny_tmp_path("merged"),
         *again = tiny_tmp_path("merged2");
    cmat_model *m = open_tiny(path, &(tiny_model_options){.untied = true, .n_layers = 3});
    cmat_adapter *a = make_adapter(m, false), *b;
    cmat_export_result r = export_ok(m, a, out, CMAT_EXPORT_GGUF, "F32");
    assert_true(r.max_diff < 1e-3 && r.same_top > 0.98);
    cmat_model *m2 = open_tiny(out, NULL);
    assert_string_equal(cmat_model_merged(m2), "night");
    assert_string_equal(cmat_model_origin(m2), cmat_model_hash(m));
    r = export_ok(m2, NULL, again, CMAT_EXPORT_GGUF, "F16"); /* and once more */
    cmat_model *m3 = open_tiny(again, NULL);
    assert_string_equal(cmat_model_merged(m3), "night");
    assert_string_equal(cmat_model_origin(m3), cmat_model_hash(m));
    cmat_model_free(m3);
    b = make_adapter(m2, false);
    export_ok(m2, b, again, CMAT_EXPORT_GGUF, "Q8_0");
    m3 = open_tiny(again, NULL);
    assert_string_equal(cmat_model_merged(m3), "night, night");
    cmat_model_free(m3);
    cmat_adapter_free(b);
    cmat_model_free(m2);
    b = make_adapter(m, true); /* DoRA: each row times its gain */
    assert_true(export_ok(m, b, again, CMAT_EXPORT_GGUF, "F32").max_diff < 1e-3);
    cmat_adapter_free(b);
    cmat_adapter_free(a);
    cmat_model_free(m);
    unlink(path);
    unlink(out);
    unlink(again);
    free(path);
    free(out);
    free(again);
}

/* Hugging Face's folder: its rows of Q and K are in another order than the GGUF's. */
static void test_safetensors(void **state)
{
    (void)state;
    char *path = tiny_tmp_path("hf.gguf"), *out = tiny_tmp_path("hf");
    char *config = cmat_path_join(out, "config.json"),
         *tokenizer = cmat_path_join(out, "tokenizer.json"),
         *weights = cmat_path_join(out, "model.safetensors");
    cmat_model *m = open_tiny(path, &(tiny_model_options){0});
    cmat_adapter *a = make_adapter(m, false);
    cmat_safetensors *s;
    float row[64], want[64];
    assert_true(export_ok(m, a, out, CMAT_EXPORT_SAFETENSORS, "F32").max_diff < 1e-3);
    export_ok(m, NULL, out, CMAT_EXPORT_SAFETENSORS, "BF16"); /* over the old one */
    export_ok(m, NULL, out, CMAT_EXPORT_SAFETENSORS, "F32");
    assert_int_equal(cmat_safetensors_open(&s, weights, NULL), CMAT_OK);
    assert_int_equal(cmat_safetensors_count(s), 2 + 2 * 9);
    const cmat_safetensor *q = cmat_safetensors_find(s, "model.layers.1.self_attn.q_proj.weight");
    assert_true(q && q->shape[0] == 64 && q->shape[1] == 64);
    memcpy(row, (const char *)q->data + (16 + 8 + 3) * sizeof row, sizeof row);
    memcpy(want, (const char *)m->layers[1].w[CMAT_W_Q].data + (16 + 2 * 3 + 1) * sizeof want,
           sizeof want); /* head 1 of size 16, second half, pair 3 */
    assert_memory_equal(row, want, sizeof row);
    cmat_safetensors_close(s);
    json_t *j = cmat_json_load(config, NULL), *t = cmat_json_load(tokenizer, NULL);
    assert_string_equal(cmat_json_str(j, "model_type", ""), "llama");
    assert_int_equal(cmat_json_int(j, "num_key_value_heads", 0), 2);
    assert_true(cmat_json_bool(j, "tie_word_embeddings", false));
    assert_int_equal(json_object_size(json_object_get(json_object_get(t, "model"), "vocab")),
                     TINY_VOCAB);
    assert_int_equal(json_array_size(json_object_get(t, "added_tokens")), 3);
    json_decref(j);
    json_decref(t);
    cmat_adapter_free(a);
    cmat_model_free(m);
    remove_all(out);
    unlink(path);
    free(path);
    free(out);
    free(config);
    free(tokenizer);
    free(weights);
}

static void test_adapters(void **state)
{
    (void)state;
    char *path = tiny_tmp_path("ad.gguf"), *lora = tiny_tmp_path("lora.gguf"),
         *peft = tiny_tmp_path("peft");
    cmat_model *m = open_tiny(path, &(tiny_model_options){0});
    cmat_adapter *a = make_adapter(m, false), *b;
    assert_true(export_ok(m, a, lora, CMAT_EXPORT_GGUF_LORA, NULL).max_diff == 0);
    assert_true(export_ok(m, a, peft, CMAT_EXPORT_PEFT, NULL).max_diff == 0);
    assert_int_equal(cmat_adapter_load(&b, m, lora, NULL), CMAT_OK);
    assert_memory_equal(a->params, b->params, a->n_params * sizeof(float));
    assert_true(a->scale == b->scale);
    assert_true(export_ok(m, b, peft, CMAT_EXPORT_PEFT, "F16").max_diff > 0);
    cmat_adapter_free(b);
    cmat_adapter_free(a);
    cmat_model_free(m);
    remove_all(peft);
    unlink(lora);
    unlink(path);
    free(path);
    free(lora);
    free(peft);
}

/* Every architecture: fused matrices, biases, norms of heads, norms that a folder keeps less 1. */
static void test_architectures(void **state)
{
    (void)state;
    char *out = tiny_tmp_path("arch");
    for (int i = 0; i < N_ARCHS; i++) {
        cmat_model *m = open_gguf(arch_names[i], NULL);
        cmat_adapter *a = make_adapter(m, false), *b = make_adapter(m, true);
        assert_true(export_ok(m, NULL, out, CMAT_EXPORT_GGUF, "F32").max_diff < 1e-3);
        assert_true(export_ok(m, a, out, CMAT_EXPORT_GGUF, "F32").max_diff < 2e-3);
        assert_true(export_ok(m, b, out, CMAT_EXPORT_GGUF, "F32").max_diff < 2e-3);
        assert_true(export_ok(m, a, out, CMAT_EXPORT_GGUF_LORA, NULL).max_diff == 0);
        unlink(out);
        assert_true(export_ok(m, a, out, CMAT_EXPORT_SAFETENSORS, "F32").max_diff < 2e-3);
        remove_all(out);
        cmat_adapter_free(a);
        cmat_adapter_free(b);
        cmat_model_free(m);
    }
    free(out);
}

/* A GGUF LoRA on a base in Hugging Face's order, which has the rows of Q and K elsewhere, and back.
 */
static void test_lora_on_folder(void **state)
{
    (void)state;
    char *path = tiny_tmp_path("order.gguf"), *lora = tiny_tmp_path("order-lora.gguf"),
         *lora2 = tiny_tmp_path("order-lora2.gguf"), *dir = tiny_tmp_path("order");
    char *config_path = cmat_path_join(dir, "config.json"),
         *weights_path = cmat_path_join(dir, "model.safetensors");
    cmat_model *m = open_tiny(path, &(tiny_model_options){0}), *folder;
    cmat_adapter *a = make_adapter(m, false), *b, *c;
    cmat_safetensors *weights;
    cmat_model_config config;
    int32_t tokens[24];
    float *p = cmat_xmalloc(24 * TINY_VOCAB * sizeof *p),
          *q = cmat_xmalloc(24 * TINY_VOCAB * sizeof *q);
    export_ok(m, NULL, dir, CMAT_EXPORT_SAFETENSORS, "F32");
    assert_int_equal(cmat_adapter_export_gguf(a, lora, NULL), CMAT_OK);
    json_t *j = cmat_json_load(config_path, NULL);
    assert_int_equal(cmat_config_from_json(&config, j, NULL), CMAT_OK);
    json_decref(j);
    assert_int_equal(cmat_safetensors_open(&weights, weights_path, NULL), CMAT_OK);
    assert_int_equal(
        cmat_model_open_source(&folder, cmat_source_safetensors(&weights, 1), &config, NULL, NULL),
        CMAT_OK);
    snprintf(folder->sha256, sizeof folder->sha256, "%064d", 7);
    folder->any_adapter = true;
    assert_true(folder->config.rope_neox && !m->config.rope_neox);
    assert_int_equal(cmat_adapter_load(&b, folder, lora, NULL), CMAT_OK);
    for (int i = 0; i < 24; i++)
        tokens[i] = 40 + i * 7 % 90;
    assert_int_equal(cmat_model_logits(m, a, tokens, 24, p, NULL), CMAT_OK);
    assert_int_equal(cmat_model_logits(folder, b, tokens, 24, q, NULL), CMAT_OK);
    for (int i = 0; i < 24 * TINY_VOCAB; i++)
        assert_true(fabsf(p[i] - q[i]) < 1e-3f);
    assert_int_equal(cmat_adapter_export_gguf(b, lora2, NULL), CMAT_OK);
    m->any_adapter = true;
    assert_int_equal(cmat_adapter_load(&c, m, lora2, NULL), CMAT_OK);
    assert_memory_equal(a->params, c->params, a->n_params * sizeof(float));
    cmat_adapter_free(c);
    cmat_adapter_free(b);
    cmat_adapter_free(a);
    cmat_model_free(folder);
    cmat_model_free(m);
    remove_all(dir);
    unlink(path);
    unlink(lora);
    unlink(lora2);
    free(path);
    free(lora);
    free(lora2);
    free(dir);
    free(config_path);
    free(weights_path);
    free(p);
    free(q);
}

static void test_refused(void **state)
{
    (void)state;
    char *path = tiny_tmp_path("re.gguf"), *out = tiny_tmp_path("re-out"),
         *unproved = cmat_xasprintf("%s.unproved", out);
    cmat_model *m = open_tiny(path, &(tiny_model_options){.type = CMAT_TYPE_F16});
    cmat_adapter *a = make_adapter(m, false);
    const struct {
        cmat_export_options o;
        bool adapter;
        const char *out, *says;
        cmat_status status;
    } cases[] = {
        {{.format = CMAT_EXPORT_PEFT}, false, out, "needs an adapter", CMAT_ERR_ARG},
        {{.format = CMAT_EXPORT_GGUF, .type = "Q4_K_X"},
         false,
         out,
         "hold no Q4_K_X",
         CMAT_ERR_ARG},
        {{.format = CMAT_EXPORT_PEFT, .type = "Q8_0"}, true, out, "hold no Q8_0", CMAT_ERR_ARG},
        {{.format = CMAT_EXPORT_SAFETENSORS, .type = "F"}, true, out, "hold no F ", CMAT_ERR_ARG},
        {{.format = CMAT_EXPORT_GGUF, .type = "F16"}, true, path, "the model itself", CMAT_ERR_ARG},
        {{.format = CMAT_EXPORT_GGUF, .type = "Q4_0", .max_kl = 1e-12},
         true,
         out,
         "mean KL",
         CMAT_ERR_STATE},
        {{.format = CMAT_EXPORT_GGUF, .type = "F16"},
         true,
         "/nonexistent/x",
         "No such file",
         CMAT_ERR_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cmat_export_result r;
        cmat_error err = {0};
        cmat_status st =
            cmat_export(m, cases[i].adapter ? a : NULL, cases[i].out, &cases[i].o, &r, &err);
        if (st != cases[i].status || !strstr(err.msg, cases[i].says))
            fail_msg("case %zu: status %d, \"%s\"", i, st, err.msg);
        assert_false(cmat_path_exists(out) || cmat_path_exists(unproved));
    }
    const cmat_prompt_config virtual = CMAT_PROMPT_DEFAULT; /* tokens before a text */
    cmat_adapter *prompt;
    cmat_rng rng;
    cmat_rng_init(&rng, 1);
    assert_int_equal(cmat_adapter_new_prompt(&prompt, m, &virtual, &rng, NULL), CMAT_OK);
    for (int f = 0; f < 4; f++) {
        cmat_export_result r;
        cmat_error err = {0};
        cmat_status st = cmat_export(m, prompt, out, &(cmat_export_options){.format = f}, &r, &err);
        if (st != (f == CMAT_EXPORT_PEFT ? CMAT_OK : CMAT_ERR_UNSUPPORTED))
            fail_msg("virtual tokens, format %d: status %d, %s", f, st, err.msg);
    }
    remove_all(out);
    cmat_adapter_free(prompt);
    a->params[7] = NAN;
    cmat_export_result r;
    cmat_error err = {0};
    assert_int_equal(
        cmat_export(m, a, out, &(cmat_export_options){.format = CMAT_EXPORT_GGUF}, &r, &err),
        CMAT_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "blk.0.attn_q.weight: a weight is not a number"));
    assert_false(cmat_path_exists(out) || cmat_path_exists(unproved));
    cmat_adapter_free(a);
    cmat_model_free(m);
    unlink(path);
    free(path);
    free(out);
    free(unproved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),          cmocka_unit_test(test_merged),
        cmocka_unit_test(test_safetensors),    cmocka_unit_test(test_adapters),
        cmocka_unit_test(test_lora_on_folder), cmocka_unit_test(test_architectures),
        cmocka_unit_test(test_refused),
    };
    cmat_progress_set_quiet(1);
    cmat_log_set_level(CMAT_LOG_NONE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
