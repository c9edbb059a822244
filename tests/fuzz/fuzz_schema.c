/* tests/fuzz/fuzz_schema.c - libFuzzer target: any bytes as a JSON schema; where it is one, the
 * same bytes choose a text. */
#include "fuzz_grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *schema = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    cmat_acceptor *a = NULL;
    cmat_error err = {0};
    if (schema) {
        const cmat_status st = cmat_grammar_json_schema(&a, schema, NULL, &err);
        fuzz_result(st, a, &err, data, size);
    }
    json_decref(schema);
    return 0;
}
