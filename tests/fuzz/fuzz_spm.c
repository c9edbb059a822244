/* tests/fuzz/fuzz_spm.c - libFuzzer target: any bytes as a SentencePiece model; where it is one,
 * the same bytes as text. */
#include "model/tokenizer_files.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cmat_tokenizer_spec s;
    cmat_tokenizer *t = NULL;
    cmat_error err = {0};
    uint8_t *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    cmat_tokenizer_spec_init(&s);
    if (cmat_tokenizer_read_spm(&s, copy, size, "fuzz", &err) == CMAT_OK)
        (void)cmat_tokenizer_build(&t, &s, &err);
    cmat_tokenizer_spec_clear(&s);
    if (!t && (!err.msg[0] || strchr(err.msg, '\n')))
        abort();
    if (t) {
        int32_t *ids = NULL;
        size_t n = 0, cap = 0;
        cmat_tokenizer_encode(t, (const char *)copy, size, false, &ids, &n, &cap);
        for (size_t i = 0; i < n; i++)
            if (ids[i] < 0 || ids[i] >= cmat_tokenizer_n_vocab(t))
                abort();
        free(ids);
    }
    cmat_tokenizer_free(t);
    free(copy);
    return 0;
}
