/* tests/fuzz/fuzz_tokenizer.c - libFuzzer target: any bytes as the GGUF of a tokenizer; where it is
 * one, the same bytes as text, encoded and decoded. */
#include "model/tokenizer_internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cmat_gguf *g = NULL;
    cmat_tokenizer *t = NULL;
    cmat_error err = {0};
    uint8_t *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    if (cmat_gguf_open_mem(&g, copy, size, "fuzz", &err) == CMAT_OK &&
        cmat_tokenizer_new(&t, g, &err) == CMAT_OK) {
        for (int special = 0; special < 2; special++) {
            int32_t *ids = NULL;
            size_t n = 0, cap = 0;
            cmat_buf back = {0};
            cmat_tokenizer_encode(t, (const char *)copy, size, special, &ids, &n, &cap);
            cmat_tokenizer_decode(t, ids, n, true, &back);
            for (size_t i = 0; !special && i < n; i++) {
                if (cmat_tokenizer_is_special(t, ids[i]) && ids[i] != t->unk)
                    abort();
            }
            cmat_buf_clear(&back);
            free(ids);
        }
    }
    cmat_tokenizer_free(t);
    cmat_gguf_close(g);
    free(copy);
    return 0;
}
