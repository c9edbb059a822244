/* tests/test_arch_train.c - LoRA on every architecture: adapters written by PEFT load with their
 * modules' names, and give PyTorch's gradients. */
#include "arch_util.h"
#include "train/pass.h"

/* The gradients of the mean loss, into the places of the parameters in grads. */
static void gradients(cmat_model *m, const cmat_kernel_ops *k, cmat_adapter *a, cmat_keep keep,
                      float *grads)
{
    cmat_train_set set = {0};
    cmat_clusters c;
    cmat_plan plan;
    cmat_batch b;
    cmat_pass *pass = NULL;
    int32_t tokens[N];
    float weights[N] = {0};
    double loss[CMAT_TUNE_MAX_ADAPTERS] = {0};
    const float scale = 1.0F / (N - FIRST_LOSS);
    const cmat_pass_options o = {.max_rows = 32, .keep = keep, .backward = true, .kernel = k};
    cmat_error err = {0};
    tokens_of(tokens);
    for (int i = FIRST_LOSS; i < N; i++)
        weights[i] = 1;
    cmat_train_set_add(&set, tokens, weights, N, 0);
    if (cmat_clusters_init(&c, &set, 32, true, &err) != CMAT_OK ||
        cmat_pass_new(&pass, m, &a, 1, &o, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    cmat_plan_init(&plan, &c, false, 0, 0);
    cmat_batch_init(&b, 32);
    cmat_batch_fill(&b, &c, &plan, 0);
    cmat_pass_forward(pass, &b, true);
    cmat_pass_loss(pass, &b, &scale, loss);
    cmat_pass_backward(pass, &b);
    k->download(grads, pass->grads[0], a->n_params * sizeof *grads);
    if (k->check(&err) != CMAT_OK)
        fail_msg("%s", err.msg);
    cmat_pass_free(pass);
    cmat_batch_clear(&b);
    cmat_plan_clear(&plan);
    cmat_clusters_clear(&c);
    cmat_train_set_clear(&set);
}

static cmat_adapter *load(const cmat_model *m, const char *name, const char *dir)
{
    char *path = vector_path(name, dir);
    cmat_adapter *a = NULL;
    cmat_error err = {0};
    if (cmat_adapter_load(&a, m, path, &err) != CMAT_OK)
        fail_msg("%s: %s", name, err.msg);
    free(path);
    return a;
}

/* grads/ has the form of an adapter: loading puts its values where the parameters' gradients are,
 * with rows in the base's order. */
static void check_gradients(cmat_model *m, const cmat_kernel_ops *kernel, const char *name,
                            const char *form)
{
    const double exact = kernel->device ? 2e-2 : 1e-4; /* a device's products round to 10 bits */
    const double bounds[] = {
        [CMAT_KEEP_F32] = exact, [CMAT_KEEP_BF16] = 3e-2, [CMAT_KEEP_RECOMPUTE] = exact};
    cmat_adapter *a = load(m, name, "lora"), *want = load(m, name, "grads");
    float *grads = cmat_xmalloc(a->n_params * sizeof *grads);
    assert_int_equal(a->n_params, want->n_params);
    assert_int_equal(a->config.targets, 0x7f);
    for (int keep = CMAT_KEEP_F32; keep <= CMAT_KEEP_RECOMPUTE; keep++) {
        gradients(m, kernel, a, (cmat_keep)keep, grads);
        for (int l = 0; l < m->config.n_layers; l++)
            for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++) {
                const cmat_lora_pair *p = cmat_adapter_pair(want, l, k);
                const cmat_weight *w = &m->layers[l].w[k];
                const size_t at = (size_t)(p->a - want->params), bt = (size_t)(p->b - want->params);
                const size_t rank = (size_t)a->config.rank;
                const double da = distance(grads + at, p->a, rank * (size_t)w->n_in);
                const double db = distance(grads + bt, p->b, rank * (size_t)w->n_out);
                if (!(da < bounds[keep]) || !(db < bounds[keep]))
                    fail_msg("%s (%s, %s, keep %d): layer %d, %s: dA %.2e, dB %.2e from PyTorch's",
                             name, form, kernel->name, keep, l, cmat_weight_names[k], da, db);
            }
    }
    free(grads);
    cmat_adapter_free(a);
    cmat_adapter_free(want);
}

static void gradients_equal_pytorch(void **state)
{
    (void)state;
    for (int k = 0; cmat_kernels[k]; k++)
        for (int i = 0; i < N_ARCHS && cmat_kernels[k]->available(); i++) {
            const cmat_kernel_ops *own = cmat_kernels[k]->device ? NULL : cmat_kernels[k];
            cmat_model *m = open_hf(arch_names[i], own);
            check_gradients(m, cmat_kernels[k], arch_names[i], "safetensors");
            cmat_model_free(m);
            m = open_gguf(arch_names[i], own);
            check_gradients(m, cmat_kernels[k], arch_names[i], "GGUF");
            cmat_model_free(m);
        }
}

/* What is saved has PEFT's names and shapes again, and what is exported to GGUF the base's. */
static void adapters_survive_files(void **state)
{
    (void)state;
    for (int i = 0; i < N_ARCHS; i++) {
        cmat_model *m = open_gguf(arch_names[i], cmat_kernel_find("plain"));
        cmat_adapter *a = load(m, arch_names[i], "lora"), *back = NULL;
        char *dir = tiny_tmp_path("lora"), *gguf = tiny_tmp_path("lora.gguf");
        char *saved = cmat_path_join(dir, "adapter_model.safetensors");
        char *theirs = vector_path(arch_names[i], "lora/adapter_model.safetensors");
        cmat_safetensors *s = NULL, *t = NULL;
        cmat_error err = {0};
        if (cmat_adapter_save(a, dir, &err) != CMAT_OK ||
            cmat_adapter_load(&back, m, dir, &err) != CMAT_OK)
            fail_msg("%s: %s", arch_names[i], err.msg);
        assert_int_equal(back->n_params, a->n_params);
        assert_memory_equal(back->params, a->params, a->n_params * sizeof(float));
        cmat_adapter_free(back);
        assert_int_equal(cmat_safetensors_open(&s, saved, NULL), CMAT_OK);
        assert_int_equal(cmat_safetensors_open(&t, theirs, NULL), CMAT_OK);
        assert_int_equal(cmat_safetensors_count(s), cmat_safetensors_count(t));
        for (size_t j = 0; j < cmat_safetensors_count(t); j++) {
            const cmat_safetensor *want = cmat_safetensors_at(t, j);
            const cmat_safetensor *have = cmat_safetensors_find(s, want->name);
            assert_non_null(have);
            assert_int_equal(have->size, want->size);
            assert_memory_equal(have->data, want->data, want->size);
        }
        if (cmat_adapter_export_gguf(a, gguf, &err) != CMAT_OK ||
            cmat_adapter_load(&back, m, gguf, &err) != CMAT_OK)
            fail_msg("%s: %s", arch_names[i], err.msg);
        assert_memory_equal(back->params, a->params, a->n_params * sizeof(float));
        cmat_adapter_free(back);
        cmat_adapter_free(a);
        cmat_safetensors_close(s);
        cmat_safetensors_close(t);
        cmat_model_free(m);
        unlink(saved);
        unlink(gguf);
        free(saved);
        saved = cmat_path_join(dir, "adapter_config.json");
        unlink(saved);
        rmdir(dir);
        free(saved);
        free(theirs);
        free(dir);
        free(gguf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_equal_pytorch),
        cmocka_unit_test(adapters_survive_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
