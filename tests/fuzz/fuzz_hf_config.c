/* tests/fuzz/fuzz_hf_config.c - libFuzzer target: any bytes as the JSON files of a Hugging Face
 * folder: config.json, and an index of safetensors files, whose names must stay within the folder.
 */
#include "core/json.h"
#include "model/config.h"
#include "model/hf_folder.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cmat_model_config c;
    cmat_hf_shards s;
    cmat_error err = {0};
    json_t *j = cmat_json_parse((const char *)data, size, "fuzz", &err);
    if (!j)
        return 0;
    if (cmat_config_from_json(&c, j, &err) == CMAT_OK) {
        if (c.n_layers < 1 || c.n_layers > CMAT_MAX_LAYERS || c.head_dim < 1 || c.n_kv_heads < 1 ||
            c.n_heads % c.n_kv_heads != 0 || c.n_rot > CMAT_MAX_ROPE_DIM)
            abort();
    } else if (!err.msg[0] || strchr(err.msg, '\n')) {
        abort();
    }
    if (cmat_hf_shards_from_index(&s, j, "fuzz", &err) == CMAT_OK) {
        for (size_t i = 0; i < s.n; i++)
            if (strchr(s.names[i], '/') || s.names[i][0] == '.')
                abort();
    }
    cmat_hf_shards_clear(&s);
    json_decref(j);
    return 0;
}
