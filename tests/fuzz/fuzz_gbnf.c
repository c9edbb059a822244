/* tests/fuzz/fuzz_gbnf.c - libFuzzer target: any bytes as a GBNF grammar; where it is one, the same
 * bytes choose a text. */
#include "fuzz_grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = calloc(size + 1, 1);
    cmat_acceptor *a = NULL;
    cmat_error err = {0};
    if (size)
        memcpy(text, data, size);
    const cmat_status st = cmat_grammar_gbnf(&a, text, NULL, &err);
    fuzz_result(st, a, &err, data, size);
    free(text);
    return 0;
}
