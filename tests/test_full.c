/* Full tuning: gradients of all of a model's own weights, against PyTorch's and as slopes; what is
 * saved is a model. */
#include "model/engine.h"
#include "model/method.h"
#include "model/safetensors.h"
#include "train_util.h"
#include <stdio.h>

/* The weights' products in float32 from now on, where they may be in bfloat16. */
static void use_float32(cmat_adapter *a)
{
    cmat_model *t = a->tuned;
    t->token_embd.tuned = t->output.tuned = false;
    for (int l = 0; l < t->config.n_layers; l++)
        for (int w = 0; w < CMAT_N_LAYER_WEIGHTS; w++)
            t->layers[l].w[w].tuned = false;
}

static cmat_adapter *new_full(void)
{
    cmat_adapter *a;
    OK(cmat_adapter_new_full(&a, model, &err));
    return a;
}

enum { N_TOKENS = 24 };

static void vector_tokens(int32_t tokens[N_TOKENS])
{
    for (int i = 0; i < N_TOKENS; i++)
        tokens[i] = (i * 37 + 5) % 250;
}

/* What PyTorch has for a tensor, widened, with rows of q and k in the model's order. */
static float *expected(const cmat_safetensors *s, const char *name, int n_out, int n_in, int weight)
{
    char *key = cmat_xasprintf("grad.%s.weight", name);
    const cmat_safetensor *t = cmat_safetensors_find(s, key);
    const size_t n = (size_t)n_out * (size_t)n_in;
    if (!t || t->type != CMAT_TYPE_F16 || t->size != 2 * n)
        fail_msg("%s: %zu numbers expected", key, n);
    float *x = cmat_xmalloc(n * sizeof *x), *y = cmat_xmalloc(n * sizeof *y);
    cmat_type_get(CMAT_TYPE_F16)->to_f32(t->data, x, n);
    for (int o = 0; o < n_out; o++)
        memcpy(y + o * n_in, x + cmat_peft_hf_row(&model->config, weight, o) * n_in,
               (size_t)n_in * sizeof *y);
    free(x);
    free(key);
    return y;
}

static void check(const cmat_pass *p, const cmat_safetensors *s, const float *tensor,
                  const char *name, int n_out, int n_in, int weight)
{
    float *want = expected(s, name, n_out, n_in, weight);
    const size_t n = (size_t)n_out * (size_t)n_in;
    const double d = difference(want, cmat_full_grad(p, tensor), n);
    const bool bf16 = p->base.output.tuned; /* and not only the gradients */
    if (d > (bf16 ? 2e-2 : 4e-3))
        fail_msg("gradient of %s differs by %g", name, d);
    free(want);
}

static void check_gradients(bool float32)
{
    static const char *const names[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                        "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                        "mlp.down_proj"};
    const char *root = getenv("CMAT_TEST_ROOT");
    char *path = cmat_xasprintf("%s/tests/vectors/peft_methods/full/expected.safetensors",
                                root ? root : "..");
    int32_t tokens[N_TOKENS];
    cmat_train_set set = {0};
    cmat_adapter *a = new_full();
    cmat_safetensors *s;
    fixture f;
    if (float32)
        use_float32(a);
    OK(cmat_safetensors_open(&s, path, &err));
    vector_tokens(tokens);
    cmat_train_set_add(&set, tokens, NULL, N_TOKENS, 0);
    fixture_init(&f, &set, &a, 1, 64, true, CMAT_KEEP_F32);
    const double loss = run_all(&f, true) / (N_TOKENS - 1);
    float want;
    memcpy(&want, cmat_safetensors_find(s, "loss")->data, sizeof want);
    assert_true(fabs(loss - (double)want) < (float32 ? 1e-4 : 5e-3));
    for (size_t i = 0; i < a->n_params; i++)
        f.pass->grads[0][i] /= N_TOKENS - 1; /* of the mean: run_all takes the sum */

    const cmat_model *t = a->tuned;
    const int D = t->config.n_embd;
    check(f.pass, s, t->token_embd.data, "model.embed_tokens", t->config.n_vocab, D, CMAT_W_O);
    check(f.pass, s, t->output_norm, "model.norm", 1, D, CMAT_W_O);
    for (int l = 0; l < t->config.n_layers; l++) {
        char name[64];
        snprintf(name, sizeof name, "model.layers.%d.input_layernorm", l);
        check(f.pass, s, t->layers[l].attn_norm, name, 1, D, CMAT_W_O);
        snprintf(name, sizeof name, "model.layers.%d.post_attention_layernorm", l);
        check(f.pass, s, t->layers[l].ffn_norm, name, 1, D, CMAT_W_O);
        for (int w = 0; w < CMAT_N_LAYER_WEIGHTS; w++) {
            const cmat_weight *m = &t->layers[l].w[w];
            snprintf(name, sizeof name, "model.layers.%d.%s", l, names[w]);
            check(f.pass, s, m->data, name, m->n_out, m->n_in, w);
        }
    }
    fixture_clear(&f);
    cmat_train_set_clear(&set);
    cmat_safetensors_close(s);
    cmat_adapter_free(a);
    free(path);
}

static void gradients_are_pytorchs(void **state)
{
    (void)state;
    check_gradients(true);
    check_gradients(false);
}

/* ---- slopes ---- */

static float *vector(size_t n, float mean, cmat_rng *rng)
{
    float *x = cmat_alloc_big(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = mean + 0.1F * (float)cmat_rng_normal(rng);
    return x;
}

/* The model with everything that some architecture has: head norms and later norms, GELU, biases,
 * scaled embeddings. */
static cmat_model *model_with_everything(void)
{
    static const cmat_arch everything = {
        .name = "everything", .qkv_bias = true, .qk_norm = true, .post_norms = true, .gelu = true};
    tiny_model_options o = tiny_model_small;
    cmat_rng rng;
    o.untied = true;
    cmat_model *m = tiny_model_open(&o, NULL);
    cmat_model_config *c = &m->config;
    cmat_rng_init(&rng, 5);
    c->arch = &everything;
    c->embd_scale = 1.5F;
    for (int l = 0; l < c->n_layers; l++) {
        cmat_layer *y = &m->layers[l];
        y->q_norm = vector((size_t)c->head_dim, 1, &rng);
        y->k_norm = vector((size_t)c->head_dim, 1, &rng);
        y->post_attn_norm = vector((size_t)c->n_embd, 1, &rng);
        y->post_ffn_norm = vector((size_t)c->n_embd, 1, &rng);
        y->qkv_bias =
            vector((size_t)(c->n_heads + 2 * c->n_kv_heads) * (size_t)c->head_dim, 0, &rng);
    }
    return m;
}

/* Along the gradient of one tensor. */
static void check_slope(fixture *f, float *x, size_t n, const char *what, int layer, int keep)
{
    const double bound = keep == CMAT_KEEP_BF16 ? 0.04 : 0.015, h = 0.01;
    const float *g = cmat_full_grad(f->pass, x);
    float *saved = cmat_xmalloc(n * sizeof *saved), *dir = cmat_xmalloc(n * sizeof *dir);
    double norm = 0, value[2];
    for (size_t i = 0; i < n; i++)
        norm += (double)g[i] * (double)g[i];
    norm = sqrt(norm);
    memcpy(saved, x, n * sizeof *saved);
    for (size_t i = 0; i < n; i++)
        dir[i] = (float)((double)g[i] / norm);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++)
            x[i] = saved[i] + (float)(side ? h : -h) * dir[i];
        value[side] = run_all(f, false);
    }
    memcpy(x, saved, n * sizeof *saved);
    const double slope = (value[1] - value[0]) / (2 * h);
    if (norm < 1e-3 || fabs(slope - norm) > bound * norm)
        fail_msg("%s of layer %d, keep %d: |g| %g, slope %g", what, layer, keep, norm, slope);
    free(saved);
    free(dir);
}

static void gradients_are_slopes(void **state)
{
    (void)state;
    cmat_model *plain = model;
    cmat_train_set set;
    make_set(&set, 6, 12, 10, 1, 2);
    model = model_with_everything();
    for (int keep = 0; keep < 3; keep += 2) {
        cmat_adapter *a = new_full();
        cmat_model *t = a->tuned;
        const cmat_model_config *c = &t->config;
        const size_t D = (size_t)c->n_embd, d = (size_t)c->head_dim,
                     qkv = (size_t)(c->n_heads + 2 * c->n_kv_heads) * d;
        fixture f;
        use_float32(a); /* a slope is a small difference */
        fixture_init(&f, &set, &a, 1, 120, true, (cmat_keep)keep);
        run_all(&f, true);
        check_slope(&f, (float *)t->token_embd.data, D * (size_t)c->n_vocab, "token_embd", 0, keep);
        check_slope(&f, (float *)t->output.data, D * (size_t)c->n_vocab, "output", 0, keep);
        check_slope(&f, t->output_norm, D, "output_norm", 0, keep);
        for (int l = 0; l < c->n_layers; l++) {
            cmat_layer *y = &t->layers[l];
            check_slope(&f, y->attn_norm, D, "attn_norm", l, keep);
            check_slope(&f, y->ffn_norm, D, "ffn_norm", l, keep);
            check_slope(&f, y->q_norm, d, "q_norm", l, keep);
            check_slope(&f, y->k_norm, d, "k_norm", l, keep);
            check_slope(&f, y->post_attn_norm, D, "post_attn_norm", l, keep);
            check_slope(&f, y->post_ffn_norm, D, "post_ffn_norm", l, keep);
            check_slope(&f, y->qkv_bias, qkv, "qkv_bias", l, keep);
            for (int w = 0; w < CMAT_N_LAYER_WEIGHTS; w++)
                check_slope(&f, (float *)y->w[w].data, (size_t)y->w[w].n_out * (size_t)y->w[w].n_in,
                            cmat_weight_names[w], l, keep);
        }
        fixture_clear(&f);
        cmat_adapter_free(a);
    }
    cmat_train_set_clear(&set);
    cmat_model_free(model);
    model = plain;
}

/* ---- tuning ---- */

/* Learns from a quantised base, resumes to the same bytes, and the file is a model with the same
 * logits. */
static void tuning_makes_a_model(void **state)
{
    (void)state;
    cmat_model *plain = model, *again;
    tiny_model_options tiny = {.type = CMAT_TYPE_Q8_0, .std = 0.15F, .seed = 3, .n_ctx = 128};
    cmat_train_set set;
    cmat_tune_options o = default_options();
    cmat_tune_result r;
    char *dir = tiny_tmp_path("full"), *path = cmat_path_join(dir, CMAT_FULL_MODEL_FILE);
    model = tiny_model_open(&tiny, NULL);
    cmat_adapter *whole = new_full(), *part = NULL, *none[2];
    make_set(&set, 8, 12, 10, 1, 3);
    o.max_steps = 5;
    o.batch_tokens = 110;
    o.lr = 1e-2;
    OK(cmat_tune(model, whole, &set, &set, &o, &r, &err));
    assert_true(r.eval_loss[0] < r.eval_start - 0.5);
    o.run_dir = dir;
    o.max_minutes = 1e-9; /* one step a call */
    do {
        cmat_adapter_free(part);
        part = new_full();
        OK(cmat_tune(model, part, &set, &set, &o, &r, &err));
    } while (r.end == CMAT_TUNE_TIME_UP);
    assert_int_equal(r.steps, 5);
    assert_memory_equal(whole->params, part->params, part->n_params * sizeof(float));

    OK(cmat_adapter_save(whole, dir, &err));
    OK(cmat_model_open(&again, path, NULL, &err));
    const size_t V = (size_t)model->config.n_vocab;
    int32_t tokens[N_TOKENS];
    float *x = cmat_xmalloc(N_TOKENS * V * sizeof *x), *y = cmat_xmalloc(N_TOKENS * V * sizeof *y);
    vector_tokens(tokens);
    OK(cmat_model_logits(again, NULL, tokens, N_TOKENS, y, &err));
    OK(cmat_model_logits(whole->tuned, NULL, tokens, N_TOKENS, x, &err));
    assert_true(difference(x, y, N_TOKENS * V) < 2e-2);
    use_float32(whole);
    OK(cmat_model_logits(whole->tuned, NULL, tokens, N_TOKENS, x, &err));
    assert_true(difference(x, y, N_TOKENS * V) < 1e-5);
    OK(cmat_model_logits(model, NULL, tokens, N_TOKENS, y, &err));
    assert_true(difference(x, y, N_TOKENS * V) > 1e-2);

    /* not an adapter, and not beside one */
    assert_int_equal(cmat_model_logits(model, whole, tokens, N_TOKENS, y, &err), CMAT_ERR_ARG);
    none[0] = whole;
    none[1] = part;
    o.run_dir = NULL;
    assert_int_equal(cmat_tune_many(model, none, 2, &set, NULL, &o, NULL, &err), CMAT_ERR_ARG);
    free(x);
    free(y);
    cmat_adapter_free(whole);
    cmat_adapter_free(part);
    cmat_train_set_clear(&set);
    cmat_model_free(again);
    cmat_model_free(model);
    model = plain;
    remove_dir(dir);
    free(dir);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_pytorchs),
        cmocka_unit_test(gradients_are_slopes),
        cmocka_unit_test(tuning_makes_a_model),
    };
    return cmocka_run_group_tests(tests, open_small_model, close_model);
}
