/* tests/fuzz/fuzz_tokenizer_json.c - libFuzzer target: any bytes as a tokenizer.json; where it is
 * one, the same bytes as text, encoded and decoded. */
#include "core/json.h"
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
    json_t *j = cmat_json_parse((const char *)data, size, "fuzz", &err);
    cmat_tokenizer_spec_init(&s);
    if (j && cmat_tokenizer_read_json(&s, j, "fuzz", &err) == CMAT_OK &&
        cmat_tokenizer_read_config(&s, j, "fuzz", &err) == CMAT_OK)
        (void)cmat_tokenizer_build(&t, &s, &err);
    cmat_tokenizer_spec_clear(&s);
    json_decref(j);
    if (!t && (!err.msg[0] || strchr(err.msg, '\n')))
        abort();
    for (int special = 0; t && special < 2; special++) {
        int32_t *ids = NULL;
        size_t n = 0, cap = 0;
        cmat_buf back = {0};
        cmat_tokenizer_encode(t, (const char *)data, size, special, &ids, &n, &cap);
        cmat_tokenizer_decode(t, ids, n, true, &back);
        for (size_t i = 0; i < n; i++)
            if (ids[i] < 0 || ids[i] >= cmat_tokenizer_n_vocab(t))
                abort();
        cmat_buf_clear(&back);
        free(ids);
    }
    cmat_tokenizer_free(t);
    return 0;
}
