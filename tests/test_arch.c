/* tests/test_arch.c - logits of every architecture against PyTorch's, of prompts and of decoding;
 * rope scalings against transformers'; configurations that do not fit. */
#include "arch_util.h"
#include "model/engine.h"
#include "model/forward.h"
#include "model/rope.h"

/* One token after another through the paged cache. */
static void decode(const cmat_model *m, const int32_t *tokens, float *logits)
{
    const size_t V = (size_t)m->config.n_vocab;
    cmat_kv *kv = NULL;
    cmat_forward *f = NULL;
    int32_t pages[(N + CMAT_KV_PAGE - 1) / CMAT_KV_PAGE];
    const cmat_adapter *base = NULL;
    assert_int_equal(cmat_kv_new(&kv, &m->config, 4, NULL), CMAT_OK);
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
    decode(m, tokens, logits);
    const double decoded = distance(logits, want, N * V);
    if (!(prompt < (plain ? 1e-5 : 1e-4)) || !(decoded < (plain ? 1e-5 : 1e-4)))
        fail_msg("%s (%s, %s): logits %.2e from PyTorch's, decoded %.2e", name, form,
                 m->kernel->name, prompt, decoded);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_equal_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
