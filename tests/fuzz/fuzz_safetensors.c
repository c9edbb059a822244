/* tests/fuzz/fuzz_safetensors.c - libFuzzer target: any bytes to the safetensors reader. */
#include "model/safetensors.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned char sink;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cmat_safetensors *s;
    cmat_error err;
    uint8_t *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    if (cmat_safetensors_open_mem(&s, copy, size, "fuzz", &err) == CMAT_OK) {
        for (size_t i = 0; i < cmat_safetensors_count(s); i++) {
            const cmat_safetensor *t = cmat_safetensors_at(s, i);
            if (cmat_safetensors_find(s, t->name) != t)
                abort();
            const unsigned char *p = t->data;
            if (t->size)
                sink = (unsigned char)(p[0] ^ p[t->size - 1]);
        }
        cmat_safetensors_meta(s, "format");
        cmat_safetensors_close(s);
    } else if (!err.msg[0] || strchr(err.msg, '\n')) {
        abort();
    }
    free(copy);
    return 0;
}
