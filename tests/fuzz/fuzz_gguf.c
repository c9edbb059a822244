/* tests/fuzz/fuzz_gguf.c - libFuzzer target: any bytes to the GGUF reader and all its getters. */
#include "model/gguf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

/* Every typed getter on one key. */
static void get(const cmat_gguf *g, const char *key)
{
    const char *s;
    int64_t i;
    double d;
    bool b;
    size_t n, len;
    int32_t *ints;
    float *floats;
    if (cmat_gguf_str(g, key, &s, NULL) == CMAT_OK)
        sink = (unsigned char)strlen(s);
    cmat_gguf_int(g, key, &i, NULL);
    cmat_gguf_float(g, key, &d, NULL);
    cmat_gguf_bool(g, key, &b, NULL);
    if (cmat_gguf_strings(g, key, &n, NULL) == CMAT_OK)
        for (size_t k = 0; k < n; k++) {
            cmat_gguf_string_at(g, key, k, &s, &len);
            if (len)
                sink = (unsigned char)s[len - 1];
        }
    if (cmat_gguf_ints(g, key, &ints, &n, NULL) == CMAT_OK)
        free(ints);
    if (cmat_gguf_floats(g, key, &floats, &n, NULL) == CMAT_OK)
        free(floats);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cmat_gguf *g;
    cmat_error err;
    /* a block of exactly this size, aligned as a mapping is */
    uint8_t *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    if (cmat_gguf_open_mem(&g, copy, size, "fuzz", &err) == CMAT_OK) {
        static const char *const keys[] = {"a", "general.architecture", "general.alignment",
                                           "llama.block_count", "tokenizer.ggml.tokens"};
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
            get(g, keys[i]);
        for (size_t i = 0; i < cmat_gguf_n_tensors(g); i++)
            if (cmat_gguf_tensor_find(g, cmat_gguf_tensor_at(g, i)->name) !=
                cmat_gguf_tensor_at(g, i))
                abort();
        cmat_gguf_scan(g, &err);
        cmat_gguf_close(g);
    } else if (!err.msg[0] || strchr(err.msg, '\n')) {
        abort(); /* every refusal has one line */
    }
    free(copy);
    return 0;
}
