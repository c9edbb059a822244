/* tests/fuzz/fuzz_template.c - libFuzzer target: any bytes as a chat template, rendered when it is
 * one. */
#include "model/chat_template.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cmat_chat_template *t = NULL;
    cmat_error err = {0};
    cmat_buf out = {0};
    json_t *vars =
        json_pack("{s:[{s:s,s:s},{s:s,s:n}],s:b,s:{s:f,s:[i,i]},s:s}", "messages", "role", "user",
                  "content", " a\xc3\xa9 b ", "role", "assistant", "content",
                  "add_generation_prompt", 1, "d", "x", 1.5, "l", 1, 2, "eos_token", "</s>");
    cmat_status st = cmat_chat_template_new(&t, (const char *)data, size, &err);
    if (st == CMAT_OK)
        st = cmat_chat_template_render(t, vars, &out, &err);
    if (st != CMAT_OK && !err.msg[0])
        abort();
    cmat_chat_template_free(t);
    cmat_buf_clear(&out);
    json_decref(vars);
    return 0;
}
