/* tests/fuzz/fuzz_regex.c - libFuzzer target: any bytes as a regular expression, with a trigger
 * when they begin with T; where it is one, the same bytes choose a text. */
#include "fuzz_grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const cmat_grammar_trigger trigger = {"<a>", "</a>"};
    const bool free_text = size > 0 && data[0] == 'T';
    char *text = calloc(size + 1, 1);
    cmat_acceptor *a = NULL;
    cmat_error err = {0};
    if (size)
        memcpy(text, data + free_text, size - free_text);
    const cmat_status st = cmat_grammar_regex(&a, text, free_text ? &trigger : NULL, &err);
    fuzz_result(st, a, &err, data, size);
    free(text);
    return 0;
}
