/* tests/arch_util.h - the tiny checkpoints of tests/vectors/arch, one of each architecture, as
 * Hugging Face's files and as GGUF (tests/vectors/make_arch.py). */
#ifndef ARCH_UTIL_H
#define ARCH_UTIL_H
#include "core/json.h"
#include "model/engine.h"
#include "model_util.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N = 24, FIRST_LOSS = 10 }; /* as in make_arch.py */

static const char *const arch_names[] = {"llama", "codellama", "mistral", "qwen",   "qwen2",
                                         "qwen3", "gemma3",    "phi3",    "smollm3"};
enum { N_ARCHS = sizeof arch_names / sizeof *arch_names };

static inline char *vector_path(const char *name, const char *file)
{
    return cmat_xasprintf("%s/tests/vectors/arch/%s%s%s", getenv("CMAT_TEST_ROOT"), name,
                          *file ? "/" : "", file);
}

static inline void tokens_of(int32_t tokens[N])
{
    for (int i = 0; i < N; i++)
        tokens[i] = (7 * i + 3) % 48;
}

static inline cmat_model *open_hf(const char *name, const cmat_kernel_ops *k)
{
    char *config_path = vector_path(name, "config.json"),
         *path = vector_path(name, "model.safetensors");
    cmat_error err = {0};
    cmat_safetensors *file = NULL;
    cmat_model_config c;
    cmat_model *m = NULL;
    json_t *j = cmat_json_load(config_path, &err);
    if (!j || cmat_config_from_json(&c, j, &err) != CMAT_OK ||
        cmat_safetensors_open(&file, path, &err) != CMAT_OK ||
        cmat_model_open_source(&m, cmat_source_safetensors(&file, 1), &c, k, &err) != CMAT_OK)
        fail_msg("%s: %s", name, err.msg);
    json_decref(j);
    free(config_path);
    free(path);
    return m;
}

static inline cmat_model *open_gguf(const char *name, const cmat_kernel_ops *k)
{
    char *path = vector_path(name, "model.gguf");
    cmat_error err = {0};
    cmat_model *m = NULL;
    if (cmat_model_open(&m, path, k, &err) != CMAT_OK)
        fail_msg("%s: %s", name, err.msg);
    free(path);
    return m;
}

/* |x - want| / |want| */
static inline double distance(const float *x, const float *want, size_t n)
{
    double diff = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        diff += pow((double)x[i] - (double)want[i], 2);
        sum += pow((double)want[i], 2);
    }
    return sqrt(diff / sum);
}

/* From the logits that a file of vectors has for tokens_of. */
static inline double logits_distance(cmat_model *m, const char *name, const char *file)
{
    const size_t n = N * (size_t)m->config.n_vocab;
    char *path = vector_path(name, file);
    cmat_safetensors *s = NULL;
    int32_t tokens[N];
    float *logits = cmat_xmalloc(n * sizeof *logits);
    tokens_of(tokens);
    assert_int_equal(cmat_safetensors_open(&s, path, NULL), CMAT_OK);
    assert_int_equal(cmat_model_logits(m, NULL, tokens, N, logits, NULL), CMAT_OK);
    const double d = distance(logits, cmat_safetensors_find(s, "logits")->data, n);
    cmat_safetensors_close(s);
    free(logits);
    free(path);
    return d;
}

#endif
