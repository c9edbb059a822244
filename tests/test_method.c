/* Tuning methods beside LoRA: what PEFT and PyTorch compute with them (tests/vectors/
 * make_peft_methods.py), gradients against finite differences, files, resuming. */
#include "core/hash.h"
#include "core/json.h"
#include "model/engine.h"
#include "model/safetensors.h"
#include "train_util.h"
#include <stdio.h>

typedef struct {
    const char *name; /* of the folder of vectors */
    cmat_prompt_config config;
    bool dora; /* and not virtual tokens */
} method;

static const method methods[] = {
    {"p-tuning-mlp", {CMAT_PROMPT_P_TUNING, 10, CMAT_ENCODER_MLP, 12, 2, NULL}, false},
    {"p-tuning-lstm", {CMAT_PROMPT_P_TUNING, 10, CMAT_ENCODER_LSTM, 6, 2, NULL}, false},
    {"prompt-tuning", {CMAT_PROMPT_EMBEDDINGS, 10, CMAT_ENCODER_NONE, 0, 0, NULL}, false},
    {"prefix-tuning", {CMAT_PROMPT_PREFIX, 10, CMAT_ENCODER_NONE, 0, 0, NULL}, false},
    {"prefix-tuning-mlp", {CMAT_PROMPT_PREFIX, 10, CMAT_ENCODER_MLP, 12, 0, NULL}, false},
    {"dora", .dora = true},
};
enum { N_METHODS = sizeof methods / sizeof *methods };

static cmat_adapter *new_lora(bool dora, uint64_t seed)
{
    const cmat_lora_config c = {.rank = 3, .alpha = 6, .targets = 0x7f, .dora = dora};
    cmat_adapter *a;
    cmat_rng rng;
    cmat_rng_init(&rng, seed);
    OK(cmat_adapter_new(&a, model, &c, &rng, &err));
    for (int l = 0; l < model->config.n_layers; l++) /* B, and so every gradient, not zero */
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++)
            for (int i = 0; i < 3 * model->layers[l].w[k].n_out; i++)
                cmat_adapter_pair(a, l, k)->b[i] = 0.1F * (float)cmat_rng_normal(&rng);
    cmat_adapter_refresh(a);
    return a;
}

static cmat_adapter *new_adapter(const method *m, uint64_t seed)
{
    cmat_adapter *a;
    cmat_rng rng;
    if (m->dora)
        return new_lora(true, seed);
    cmat_rng_init(&rng, seed);
    OK(cmat_adapter_new_prompt(&a, model, &m->config, &rng, &err));
    return a;
}

/* ---- against PEFT and PyTorch ---- */

static char *vector_path(const char *name, const char *file)
{
    const char *root = getenv("CMAT_TEST_ROOT");
    return cmat_xasprintf("%s/tests/vectors/peft_methods/%s%s%s", root ? root : "..", name,
                          file ? "/" : "", file ? file : "");
}

enum { N_TOKENS = 24, N_LAST = 3 };

static void vector_tokens(int32_t tokens[N_TOKENS])
{
    for (int i = 0; i < N_TOKENS; i++)
        tokens[i] = (i * 37 + 5) % 250;
}

static const float *vector_of(const cmat_safetensors *s, const char *prefix, const char *name,
                              size_t n)
{
    char *key = cmat_xasprintf("%s%s", prefix, name);
    const cmat_safetensor *t = cmat_safetensors_find(s, key);
    if (!t || t->size != n * sizeof(float))
        fail_msg("%s: %zu floats expected", key, n);
    free(key);
    return t->data;
}

/* Our logits with the adapter that PEFT saved are those that PEFT's model gave. */
static void peft_adapters_give_pefts_logits(void **state)
{
    (void)state;
    int32_t tokens[N_TOKENS];
    const size_t V = (size_t)model->config.n_vocab;
    float *logits = cmat_xmalloc(N_TOKENS * V * sizeof *logits);
    vector_tokens(tokens);
    for (int i = 0; i < N_METHODS; i++) {
        char *dir = vector_path(methods[i].name, NULL),
             *path = vector_path(methods[i].name, "expected.safetensors");
        cmat_adapter *a;
        cmat_safetensors *s;
        OK(cmat_adapter_load(&a, model, dir, &err));
        OK(cmat_safetensors_open(&s, path, &err));
        assert_int_equal(a->n_virtual, methods[i].dora ? 0 : 10);
        assert_null(a->encoder); /* PEFT keeps what it gave only */
        OK(cmat_model_logits(model, a, tokens, N_TOKENS, logits, &err));
        const double d = difference(vector_of(s, "logits", "", N_LAST * V),
                                    logits + (N_TOKENS - N_LAST) * V, N_LAST * V);
        if (d > 2e-5)
            fail_msg("%s: logits differ by %g", methods[i].name, d);
        cmat_safetensors_close(s);
        cmat_adapter_free(a);
        free(dir);
        free(path);
    }
    free(logits);
}

/* An encoder with PyTorch's parameters. */
static cmat_adapter *encoder_of(const method *m, const cmat_safetensors *s,
                                const cmat_adapter *saved)
{
    cmat_adapter *a = new_adapter(m, 1);
    size_t n = 0;
    const cmat_encoder_tensor *t = a->encoder ? cmat_prompt_encoder_tensors(a->encoder, &n) : NULL;
    for (size_t k = 0; k < n; k++) {
        const size_t count = (size_t)t[k].rows * (size_t)(t[k].cols ? t[k].cols : 1);
        memcpy(a->params + t[k].offset, vector_of(s, "param.", t[k].name, count),
               count * sizeof(float));
    }
    if (!n)
        memcpy(a->params, saved->served, a->n_served * sizeof(float));
    cmat_adapter_refresh(a);
    return a;
}

static void check_encoder_gradients(const method *m, const cmat_safetensors *s, cmat_adapter *a)
{
    const double bound = kernel ? 1e-2 : 1e-3; /* a device's products round to 10 bits */
    int32_t tokens[N_TOKENS];
    cmat_train_set set = {0};
    size_t n = 0;
    fixture f;
    const cmat_encoder_tensor *t = a->encoder ? cmat_prompt_encoder_tensors(a->encoder, &n) : NULL;
    vector_tokens(tokens);
    cmat_train_set_add(&set, tokens, NULL, N_TOKENS, 0);
    fixture_init(&f, &set, &a, 1, 64, true, CMAT_KEEP_F32);
    const double loss = run_all(&f, true) / (N_TOKENS - 1);
    assert_true(fabs(loss - (double)*vector_of(s, "loss", "", 1)) < 0.1 * bound);
    float *grads = host_grads(&f);
    for (size_t j = 0; j < a->n_params; j++)
        grads[j] /= N_TOKENS - 1; /* of the mean: run_all takes the sum */
    for (size_t k = 0; k < n; k++) {
        const size_t count = (size_t)t[k].rows * (size_t)(t[k].cols ? t[k].cols : 1);
        const double d =
            difference(vector_of(s, "grad.", t[k].name, count), grads + t[k].offset, count);
        if (d > bound)
            fail_msg("%s, %s: gradient of %s differs by %g", m->name, f.pass->k->name, t[k].name,
                     d);
    }
    if (m->config.kind == CMAT_PROMPT_EMBEDDINGS)
        assert_true(difference(vector_of(s, "grad.", "embedding.weight", a->n_params), grads,
                               a->n_params) < bound);
    free(grads);
    fixture_clear(&f);
    cmat_train_set_clear(&set);
}

/* Encoders, with PyTorch's parameters, give the embeddings that PEFT saved, and their gradients are
 * PyTorch's, on a device too. */
static void encoders_are_pytorchs(void **state)
{
    (void)state;
    for (int i = 0; i < N_METHODS && !methods[i].dora; i++) {
        char *dir = vector_path(methods[i].name, NULL),
             *path = vector_path(methods[i].name, "expected.safetensors");
        cmat_adapter *saved;
        cmat_safetensors *s;
        OK(cmat_safetensors_open(&s, path, &err));
        OK(cmat_adapter_load(&saved, model, dir, &err));
        cmat_adapter *a = encoder_of(&methods[i], s, saved);
        assert_true(difference(saved->served, a->served, a->n_served) < 1e-6);
        check_encoder_gradients(&methods[i], s, a);
        for (int k = 0; cmat_kernels[k]; k++)
            if (cmat_kernels[k]->device && cmat_kernels[k]->available()) {
                kernel = cmat_kernels[k];
                check_encoder_gradients(&methods[i], s, a);
                kernel = NULL;
            }
        cmat_safetensors_close(s);
        cmat_adapter_free(saved);
        cmat_adapter_free(a);
        free(dir);
        free(path);
    }
}

/* Gradients of DoRA's A, B and magnitudes, brought into Hugging Face's order by saving them. */
static void doras_gradients_are_pefts(void **state)
{
    (void)state;
    int32_t tokens[N_TOKENS];
    char *dir = vector_path("dora", NULL), *path = vector_path("dora", "expected.safetensors"),
         *out = tiny_tmp_path("grads"), *file = cmat_path_join(out, "adapter_model.safetensors");
    cmat_train_set set = {0};
    cmat_adapter *a, *g;
    cmat_safetensors *want, *have;
    fixture f;
    vector_tokens(tokens);
    OK(cmat_adapter_load(&a, model, dir, &err));
    OK(cmat_safetensors_open(&want, path, &err));
    cmat_train_set_add(&set, tokens, NULL, N_TOKENS, 0);
    fixture_init(&f, &set, &a, 1, 64, true, CMAT_KEEP_F32);
    const double loss = run_all(&f, true) / (N_TOKENS - 1);
    assert_true(fabs(loss - (double)*vector_of(want, "loss", "", 1)) < 1e-4);
    OK(cmat_adapter_copy(&g, a, &err));
    for (size_t i = 0; i < a->n_params; i++)
        g->params[i] = f.pass->grads[0][i] / (N_TOKENS - 1);
    OK(cmat_adapter_save(g, out, &err));
    OK(cmat_safetensors_open(&have, file, &err));
    assert_int_equal(cmat_safetensors_count(have), 2 * 7 * 3);
    for (size_t i = 0; i < cmat_safetensors_count(have); i++) {
        const cmat_safetensor *t = cmat_safetensors_at(have, i);
        char *name = cmat_xasprintf("%s%s", t->name, strstr(t->name, "magnitude") ? ".weight" : "");
        const size_t n = t->size / sizeof(float);
        const double d = difference(vector_of(want, "grad.", name, n), t->data, n);
        if (d > 1e-3)
            fail_msg("gradient of %s differs by %g", name, d);
        free(name);
    }
    cmat_safetensors_close(have);
    cmat_safetensors_close(want);
    fixture_clear(&f);
    cmat_train_set_clear(&set);
    cmat_adapter_free(g);
    cmat_adapter_free(a);
    remove_dir(out);
    free(dir);
    free(path);
    free(out);
    free(file);
}

/* ---- gradients ---- */

static void gradients_are_slopes(void **state)
{
    (void)state;
    cmat_train_set set;
    make_set(&set, 6, 12, 10, 1, 2);
    for (int i = 0; i < N_METHODS; i++)
        for (int keep = 0; keep < 3 && !methods[i].dora; keep++) { /* see the next test */
            cmat_adapter *a = new_adapter(&methods[i], 4);
            fixture f;
            fixture_init(&f, &set, &a, 1, 120, true, (cmat_keep)keep);
            run_all(&f, true);
            const size_t n = a->n_params;
            const float *g = f.pass->grads[0];
            float *saved = cmat_xmalloc(n * sizeof *saved);
            double norm = 0, h = 0.01, value[2];
            for (size_t j = 0; j < n; j++)
                norm += (double)g[j] * (double)g[j];
            norm = sqrt(norm);
            memcpy(saved, a->params, n * sizeof *saved);
            for (int side = 0; side < 2; side++) {
                for (size_t j = 0; j < n; j++)
                    a->params[j] = saved[j] + (float)((side ? h : -h) * (double)g[j] / norm);
                value[side] = run_all(&f, false);
            }
            const double slope = (value[1] - value[0]) / (2 * h);
            if (norm < 1e-2 || fabs(slope - norm) > (keep == CMAT_KEEP_BF16 ? 0.03 : 0.01) * norm)
                fail_msg("%s, keep %d: |g| %g, slope %g", methods[i].name, keep, norm, slope);
            free(saved);
            fixture_clear(&f);
            cmat_adapter_free(a);
        }
    cmat_train_set_clear(&set);
}

/* DoRA holds the norms constant, so that its gradient is a slope where they do not change: along
 * the magnitudes; and of A and B with the gains kept as they are. */
static void doras_gradients_are_slopes(void **state)
{
    (void)state;
    cmat_train_set set;
    make_set(&set, 6, 12, 10, 1, 2);
    for (int keep = 0; keep < 3; keep++) {
        cmat_adapter *a = new_lora(true, 4), *none = NULL;
        fixture f;
        fixture_init(&f, &set, &a, 1, 120, true, (cmat_keep)keep);
        run_all(&f, true);
        f.n = 0; /* no refresh from here on: the gains stay */
        f.adapters = &none;
        const size_t n = a->n_params;
        const float *g = f.pass->grads[0];
        float *saved = cmat_xmalloc(n * sizeof *saved);
        double norm = 0, h = 0.01, value[2];
        memcpy(saved, a->params, n * sizeof *saved);
        for (size_t j = 0; j < n; j++)
            norm += (double)g[j] * (double)g[j];
        norm = sqrt(norm);
        for (int side = 0; side < 2; side++) {
            for (size_t j = 0; j < n; j++)
                a->params[j] = saved[j] + (float)((side ? h : -h) * (double)g[j] / norm);
            for (int l = 0; l < model->config.n_layers; l++)
                for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
                    const cmat_lora_pair *p = cmat_adapter_pair(a, l, k);
                    for (int o = 0; o < model->layers[l].w[k].n_out; o++)
                        p->gain[o] = p->m[o] * p->inv_norm[o];
                }
            value[side] = run_all(&f, false);
        }
        const double slope = (value[1] - value[0]) / (2 * h);
        if (norm < 1e-2 || fabs(slope - norm) > (keep == CMAT_KEEP_BF16 ? 0.03 : 0.01) * norm)
            fail_msg("keep %d: |g| %g, slope %g", keep, norm, slope);
        free(saved);
        fixture_clear(&f);
        cmat_adapter_free(a);
    }
    cmat_train_set_clear(&set);
}

/* Methods side by side in a batch, with and without shared beginnings, get what each gets alone. */
static void methods_share_a_batch(void **state)
{
    (void)state;
    enum { N = N_METHODS + 1 };
    cmat_train_set set;
    cmat_adapter *a[N];
    fixture together, apart;
    for (int i = 0; i < N_METHODS; i++)
        a[i] = new_adapter(&methods[i], (uint64_t)i);
    a[N_METHODS] = new_lora(false, 9);
    make_set(&set, 3 * N, 12, 10, N, 6);
    fixture_init(&together, &set, a, N, 400, true, CMAT_KEEP_F32);
    fixture_init(&apart, &set, a, N, 60, false, CMAT_KEEP_F32);
    assert_true(together.p.n_batches < apart.p.n_batches);
    const double x = run_all(&together, true), y = run_all(&apart, true);
    assert_true(fabs(x - y) < 1e-4 * x);
    for (int i = 0; i < N; i++)
        assert_true(difference(together.pass->grads[i], apart.pass->grads[i], a[i]->n_params) <
                    1e-4);
    fixture_clear(&together);
    fixture_clear(&apart);
    for (int i = 0; i < N; i++)
        cmat_adapter_free(a[i]);
    cmat_train_set_clear(&set);
}

/* ---- tuning ---- */

/* Each method learns, and a run that was stopped after each step and whose process began anew (its
 * adapter made from the seed) ends in the same bytes. */
static void tuning_learns_and_resumes(void **state)
{
    (void)state;
    cmat_train_set set;
    cmat_tune_options o = default_options();
    make_set(&set, 8, 12, 10, 1, 3);
    o.max_steps = 6;
    o.batch_tokens = 110;
    o.lr = 2e-2;
    for (int i = 0; i < N_METHODS; i++) {
        char *dir = tiny_tmp_path("resume");
        cmat_adapter *whole = new_adapter(&methods[i], 7), *part = NULL;
        cmat_tune_result r;
        o.run_dir = NULL;
        o.max_minutes = 0;
        OK(cmat_tune(model, whole, &set, &set, &o, &r, &err));
        if (r.eval_loss[0] > r.eval_start - 0.05)
            fail_msg("%s: loss %g to %g", methods[i].name, r.eval_start, r.eval_loss[0]);
        o.run_dir = dir;
        o.max_minutes = 1e-9; /* one step a call */
        do {
            cmat_adapter_free(part);
            part = new_adapter(&methods[i], 7);
            OK(cmat_tune(model, part, &set, &set, &o, &r, &err));
        } while (r.end == CMAT_TUNE_TIME_UP);
        assert_int_equal(r.steps, 6);
        assert_memory_equal(whole->params, part->params, part->n_params * sizeof(float));
        if (whole->n_served)
            assert_memory_equal(whole->served, part->served, part->n_served * sizeof(float));
        cmat_adapter_free(whole);
        cmat_adapter_free(part);
        remove_dir(dir);
        free(dir);
    }
    cmat_train_set_clear(&set);
}

/* An adapter that was loaded goes on as the one that was saved. */
static void loaded_adapters_go_on(void **state)
{
    (void)state;
    cmat_train_set set;
    cmat_tune_options o = default_options();
    make_set(&set, 8, 12, 10, 1, 3);
    o.max_steps = 2;
    o.batch_tokens = 110;
    for (int i = 0; i < N_METHODS; i++) {
        char *dir = tiny_tmp_path("on");
        cmat_adapter *a = new_adapter(&methods[i], 7), *b;
        OK(cmat_adapter_save(a, dir, &err));
        OK(cmat_adapter_load(&b, model, dir, &err));
        OK(cmat_tune(model, a, &set, NULL, &o, NULL, &err));
        OK(cmat_tune(model, b, &set, NULL, &o, NULL, &err));
        assert_memory_equal(a->params, b->params, a->n_params * sizeof(float));
        cmat_adapter_free(a);
        cmat_adapter_free(b);
        remove_dir(dir);
        free(dir);
    }
    cmat_train_set_clear(&set);
}

/* ---- files ---- */

static void files_keep_everything(void **state)
{
    (void)state;
    for (int i = 0; i < N_METHODS; i++) {
        char *dir = tiny_tmp_path("files"), *encoder = cmat_path_join(dir, "encoder.safetensors");
        cmat_adapter *a = new_adapter(&methods[i], 3), *b, *c;
        OK(cmat_adapter_save(a, dir, &err));
        OK(cmat_adapter_load(&b, model, dir, &err));
        assert_string_equal(cmat_adapter_method(a), cmat_adapter_method(b));
        assert_int_equal(a->n_params, b->n_params);
        assert_memory_equal(a->params, b->params, a->n_params * sizeof(float));
        if (a->encoder) { /* its gradients too, before anything else was computed */
            float *dserved = cmat_xmalloc(a->n_served * sizeof *dserved),
                  *da = cmat_xcalloc(a->n_params, sizeof *da),
                  *db = cmat_xcalloc(a->n_params, sizeof *db);
            for (size_t k = 0; k < a->n_served; k++)
                dserved[k] = (float)(k % 5) - 2;
            cmat_adapter_backward(a, dserved, da);
            cmat_adapter_backward(b, dserved, db);
            assert_memory_equal(da, db, a->n_params * sizeof *da);
            free(dserved);
            free(da);
            free(db);
        }
        OK(cmat_adapter_copy(&c, b, &err));
        assert_memory_equal(a->params, c->params, a->n_params * sizeof(float));
        if (a->n_served) {
            assert_memory_equal(a->served, b->served, a->n_served * sizeof(float));
            assert_memory_equal(a->served, c->served, a->n_served * sizeof(float));
        } else {
            const cmat_lora_pair *p = cmat_adapter_pair(a, 1, CMAT_W_Q);
            assert_memory_equal(p->gain, cmat_adapter_pair(b, 1, CMAT_W_Q)->gain,
                                32 * sizeof(float));
            assert_memory_equal(p->gain, cmat_adapter_pair(c, 1, CMAT_W_Q)->gain,
                                32 * sizeof(float));
        }
        cmat_adapter_free(c);
        cmat_adapter_free(b);

        /* other embeddings than the encoder's are told, no encoder is fine */
        if (a->encoder) {
            cmat_adapter *other = new_adapter(&methods[i], 4);
            char *dir2 = tiny_tmp_path("files2");
            OK(cmat_adapter_save(other, dir2, &err));
            char *cmd = cmat_xasprintf("cp '%s/encoder.safetensors' '%s'", dir2, dir);
            assert_int_equal(system(cmd), 0);
            assert_int_equal(cmat_adapter_load(&b, model, dir, &err), CMAT_ERR_FORMAT);
            assert_non_null(strstr(err.msg, "other prompt_embeddings"));
            assert_null(b);
            free(cmd);
            cmat_adapter_free(other);
            remove_dir(dir2);
            free(dir2);
            unlink(encoder);
            OK(cmat_adapter_load(&b, model, dir, &err));
            assert_int_equal(b->n_params, a->n_served);
            assert_memory_equal(a->served, b->params, a->n_served * sizeof(float));
            cmat_adapter_free(b);
        }
        /* rounded for passing on: without the encoder */
        OK(cmat_adapter_save(a, dir, &err));
        OK(cmat_adapter_save_as(a, dir, CMAT_TYPE_F16, &err));
        assert_false(cmat_path_exists(encoder));
        OK(cmat_adapter_load(&b, model, dir, &err));
        if (a->n_served)
            assert_true(difference(a->served, b->served, a->n_served) < 1e-3);
        else
            assert_true(difference(a->params, b->params, a->n_params) < 1e-3);
        assert_int_equal(cmat_adapter_export_gguf(a, encoder, &err), CMAT_ERR_UNSUPPORTED);
        cmat_adapter_free(b);
        cmat_adapter_free(a);
        remove_dir(dir);
        free(dir);
        free(encoder);
    }
}

typedef struct {
    int method;
    const char *key, *value; /* a member of adapter_config.json set to this JSON before loading */
    cmat_status status;
    const char *says;
} change;

static const change changes[] = {
    {0, "num_virtual_tokens", "1000000000", CMAT_ERR_FORMAT, "1000000000 virtual tokens"},
    {0, "num_virtual_tokens", "100000000000", CMAT_ERR_FORMAT, "num_virtual_tokens is not a count"},
    {0, "num_virtual_tokens", "0", CMAT_ERR_FORMAT, "0 virtual tokens"},
    {0, "num_virtual_tokens", "-3", CMAT_ERR_FORMAT, "num_virtual_tokens is not a count"},
    {0, "num_virtual_tokens", "null", CMAT_ERR_FORMAT, "0 virtual tokens"},
    {0, "num_virtual_tokens", "11", CMAT_ERR_FORMAT, "is (10, 32), expected (11, 32)"},
    {0, "token_dim", "64", CMAT_ERR_ARG, "another base (token_dim is 64, this model's is 32)"},
    {0, "num_layers", "30", CMAT_ERR_ARG, "another base (num_layers is 30"},
    {0, "num_attention_heads", "9", CMAT_ERR_ARG, "another base (num_attention_heads"},
    {0, "num_transformer_submodules", "2", CMAT_ERR_ARG, "num_transformer_submodules is 2"},
    {0, "encoder_reparameterization_type", "\"GRU\"", CMAT_ERR_UNSUPPORTED, "\"GRU\""},
    {0, "encoder_hidden_size", "1000000000", CMAT_ERR_LIMIT, "1000000000 hidden units"},
    {0, "encoder_hidden_size", "\"x\"", CMAT_ERR_FORMAT, "encoder_hidden_size is not a count"},
    {0, "encoder_hidden_size", "13", CMAT_ERR_FORMAT, "tensor mlp_head.0.weight is (12, 32)"},
    {1, "encoder_num_layers", "1000", CMAT_ERR_FORMAT, "1000 layers"},
    {1, "encoder_num_layers", "3", CMAT_ERR_FORMAT, "lstm_head.weight_ih_l2 is missing"},
    {0, "peft_type", "\"PREFIX_TUNING\"", CMAT_ERR_ARG, "another base"},
    {0, "peft_type", "\"BONE\"", CMAT_ERR_UNSUPPORTED, "\"BONE\""},
    {3, "token_dim", "32", CMAT_ERR_ARG, "another base (token_dim is 32, this model's is 16)"},
    {3, "prefix_projection", "true", CMAT_OK, ""},
    {2, "some_new_option", "{}", CMAT_OK, ""},
    {5, "use_dora", "false", CMAT_ERR_FORMAT, "holds 42 tensors"},
    {5, "r", "4", CMAT_ERR_FORMAT, "is (3, 32), expected (4, 32)"},
};

static void hostile_files_are_one_line(void **state)
{
    (void)state;
    char *dir = tiny_tmp_path("hostile"), *config = cmat_path_join(dir, "adapter_config.json"),
         *weights = cmat_path_join(dir, "adapter_model.safetensors");
    cmat_adapter *a = NULL, *b;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        a = new_adapter(&methods[changes[i].method], 3);
        OK(cmat_adapter_save(a, dir, &err));
        json_t *j = cmat_json_load(config, &err);
        json_object_set_new(j, changes[i].key, json_loads(changes[i].value, JSON_DECODE_ANY, NULL));
        OK(cmat_json_save(config, j, &err));
        json_decref(j);
        err = (cmat_error){0};
        cmat_status st = cmat_adapter_load(&b, model, dir, &err);
        if (st != changes[i].status || !strstr(err.msg, changes[i].says) || strchr(err.msg, '\n') ||
            (st != CMAT_OK && b))
            fail_msg("%s = %s: status %d, \"%s\"", changes[i].key, changes[i].value, st, err.msg);
        cmat_adapter_free(b);
        cmat_adapter_free(a);
    }
    /* a number that is none; the file cut short at each length */
    a = new_adapter(&methods[0], 3);
    a->served[5] = NAN;
    OK(cmat_adapter_save(a, dir, &err));
    assert_int_equal(cmat_adapter_load(&b, model, dir, &err), CMAT_ERR_FORMAT);
    assert_non_null(strstr(err.msg, "not a number"));
    a->served[5] = 0;
    OK(cmat_adapter_save(a, dir, &err));
    char *data;
    size_t len;
    OK(cmat_read_file(weights, 1 << 20, &data, &len, &err));
    for (size_t n = 0; n < len; n += 7) {
        OK(cmat_write_file(weights, data, n, &err));
        assert_int_equal(cmat_adapter_load(&b, model, dir, &err), CMAT_ERR_FORMAT);
    }
    free(data);
    cmat_adapter_free(a);
    remove_dir(dir);
    free(dir);
    free(config);
    free(weights);
}

static void wrong_options_are_told(void **state)
{
    (void)state;
    const struct {
        cmat_prompt_config c;
        const char *says;
    } bad[] = {
        {{CMAT_PROMPT_P_TUNING, 0, CMAT_ENCODER_MLP, 4, 2, NULL}, "0 virtual tokens"},
        {{CMAT_PROMPT_P_TUNING, 127, CMAT_ENCODER_MLP, 4, 2, NULL}, "127 virtual tokens"},
        {{CMAT_PROMPT_P_TUNING, 4, CMAT_ENCODER_NONE, 4, 2, NULL}, "needs an encoder"},
        {{CMAT_PROMPT_PREFIX, 4, CMAT_ENCODER_LSTM, 4, 2, NULL}, "no LSTM"},
        {{CMAT_PROMPT_P_TUNING, 4, CMAT_ENCODER_LSTM, 4, 9, NULL}, "9 layers"},
        {{CMAT_PROMPT_EMBEDDINGS, 4, CMAT_ENCODER_NONE, 0, 0, ""}, "no tokens"},
    };
    cmat_rng rng;
    cmat_adapter *a;
    cmat_rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cmat_adapter_new_prompt(&a, model, &bad[i].c, &rng, &err), CMAT_ERR_ARG);
        assert_null(a);
        if (!strstr(err.msg, bad[i].says))
            fail_msg("\"%s\" lacks \"%s\"", err.msg, bad[i].says);
    }
}

/* A prefix made from a text is what the text itself would leave in the cache, and embeddings of a
 * text are the text. */
static void first_values_are_the_text(void **state)
{
    (void)state;
    const char *text = "the cat and the";
    cmat_prompt_config c = {.kind = CMAT_PROMPT_PREFIX, .init_text = text};
    int32_t *tokens = NULL;
    size_t n = 0, cap = 0, V = (size_t)model->config.n_vocab;
    cmat_tokenizer_encode(model->tokenizer, text, strlen(text), false, &tokens, &n, &cap);
    tokens = cmat_xgrow(tokens, &cap, n + 5, sizeof *tokens);
    for (int i = 0; i < 5; i++)
        tokens[n + (size_t)i] = 40 + 13 * i;
    c.n_virtual = (int)n;
    float *whole = cmat_xmalloc((n + 5) * V * sizeof *whole),
          *behind = cmat_xmalloc(5 * V * sizeof *behind);
    OK(cmat_model_logits(model, NULL, tokens, n + 5, whole, &err));
    for (int kind = 0; kind < 2; kind++) {
        c.kind = kind ? CMAT_PROMPT_EMBEDDINGS : CMAT_PROMPT_PREFIX;
        cmat_adapter *a = new_adapter(&(method){.config = c}, 1);
        OK(cmat_model_logits(model, a, tokens + n, 5, behind, &err));
        assert_true(difference(whole + n * V, behind, 5 * V) < 1e-5);
        cmat_adapter_free(a);
    }
    free(tokens);
    free(whole);
    free(behind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peft_adapters_give_pefts_logits),
        cmocka_unit_test(encoders_are_pytorchs),
        cmocka_unit_test(doras_gradients_are_pefts),
        cmocka_unit_test(gradients_are_slopes),
        cmocka_unit_test(doras_gradients_are_slopes),
        cmocka_unit_test(methods_share_a_batch),
        cmocka_unit_test(tuning_learns_and_resumes),
        cmocka_unit_test(loaded_adapters_go_on),
        cmocka_unit_test(files_keep_everything),
        cmocka_unit_test(hostile_files_are_one_line),
        cmocka_unit_test(wrong_options_are_told),
        cmocka_unit_test(first_values_are_the_text),
    };
    return cmocka_run_group_tests(tests, open_small_model, close_model);
}
