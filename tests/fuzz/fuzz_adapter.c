/* tests/fuzz/fuzz_adapter.c - libFuzzer target: any bytes as an adapter of a tiny model. First byte
 * even: a GGUF LoRA; odd: a PEFT folder, its config up to the first NUL, its weights behind. */
#include "core/fs.h"
#include "core/log.h"
#include "core/mem.h"
#include "model/adapter_internal.h"
#include "tiny_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static cmat_model *tiny(void)
{
    static cmat_model *m;
    char path[64];
    if (m)
        return m;
    snprintf(path, sizeof path, "/dev/shm/fuzz-%d.gguf", (int)getpid());
    tiny_model_write(path,
                     &(tiny_model_options){
                         .n_layers = 1, .n_heads = 2, .n_kv_heads = 1, .n_embd = 32, .n_ff = 32});
    if (cmat_model_open(&m, path, NULL, NULL) != CMAT_OK)
        abort();
    cmat_model_hash(m);
    m->any_adapter = true; /* the recorded base is no gate here */
    cmat_log_set_level(CMAT_LOG_NONE);
    unlink(path);
    return m;
}

static cmat_status load_gguf(cmat_adapter **a, const uint8_t *data, size_t size, cmat_error *err)
{
    cmat_gguf *g = NULL;
    uint8_t *copy = cmat_xmalloc(size + 1); /* aligned, as a mapping is */
    memcpy(copy, data, size);
    cmat_status st = cmat_gguf_open_mem(&g, copy, size, "fuzz", err);
    *a = NULL;
    if (st == CMAT_OK)
        st = cmat_adapter_from_gguf(a, tiny(), g, "fuzz", err);
    cmat_gguf_close(g);
    free(copy);
    return st;
}

static cmat_status load_peft(cmat_adapter **a, const uint8_t *data, size_t size, cmat_error *err)
{
    char dir[64];
    const uint8_t *nul = memchr(data, 0, size);
    const size_t n = nul ? (size_t)(nul - data) : size, skip = nul ? n + 1 : n;
    snprintf(dir, sizeof dir, "/dev/shm/fuzz-%d", (int)getpid());
    char *config = cmat_path_join(dir, "adapter_config.json"),
         *weights = cmat_path_join(dir, "adapter_model.safetensors");
    if (cmat_mkdir_p(dir, NULL) != CMAT_OK || cmat_write_file(config, data, n, NULL) != CMAT_OK ||
        cmat_write_file(weights, data + skip, size - skip, NULL) != CMAT_OK)
        abort();
    cmat_status st = cmat_adapter_load(a, tiny(), dir, err);
    free(config);
    free(weights);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cmat_adapter *a = NULL;
    cmat_error err = {0};
    tiny();
    if (size < 1)
        return 0;
    cmat_status st = data[0] & 1 ? load_peft(&a, data + 1, size - 1, &err)
                                 : load_gguf(&a, data + 1, size - 1, &err);
    if ((st == CMAT_OK) != (a != NULL) || (st != CMAT_OK && (!err.msg[0] || strchr(err.msg, '\n'))))
        abort(); /* every refusal has one line */
    for (size_t i = 0; a && i < a->n_params; i++)
        if (!isfinite(a->params[i]))
            abort();
    cmat_adapter_free(a);
    return 0;
}
