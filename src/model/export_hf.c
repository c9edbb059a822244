/* model/export_hf.c - a merged model as a folder for transformers: config.json,
 * generation_config.json, the tokenizer's files, model.safetensors. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "model/export_internal.h"
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *dtype_name(const cmat_export_type *type)
{
    return type->type == CMAT_TYPE_F32   ? "float32"
           : type->type == CMAT_TYPE_F16 ? "float16"
                                         : "bfloat16";
}

/* ---- from a folder that is Hugging Face's itself ---- */

/* config.json with the new type. Of a model with more parts than text, the text alone is written:
 * by a config.json of its own. */
static cmat_status copy_config(const cmat_model *m, const char *from, const char *dir,
                               const char *dtype, cmat_error *err)
{
    json_t *j = cmat_json_load(from, err);
    cmat_status st;
    if (!j)
        return err ? err->status : CMAT_ERR_FORMAT;
    if (json_object_get(j, "text_config")) {
        json_decref(j);
        return export_hf_config(m, dir, dtype, err);
    }
    json_object_del(j, "quantization_config");
    json_object_del(j, "dtype");
    json_object_set_new(j, "torch_dtype", json_string(dtype));
    char *to = cmat_path_join(dir, "config.json");
    st = cmat_json_save(to, j, err);
    json_decref(j);
    free(to);
    return st;
}

/* Its own config.json, with the new type, and its tokenizer's files as they are. */
static cmat_status copy_files(const cmat_model *m, const char *dir, const char *dtype,
                              cmat_error *err)
{
    enum { MAX_FILE = 1 << 28 };
    static const char *const files[] = {"config.json",
                                        "generation_config.json",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "vocab.json",
                                        "special_tokens_map.json",
                                        "tokenizer.model",
                                        "added_tokens.json",
                                        "qwen.tiktoken",
                                        "tokenization_qwen.py",
                                        "configuration_qwen.py",
                                        "modeling_qwen.py",
                                        "qwen_generation_utils.py",
                                        "cpp_kernels.py",
                                        "merges.txt",
                                        "chat_template.jinja",
                                        "chat_template.json"};
    cmat_status st = CMAT_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && st == CMAT_OK; i++) {
        char *source = cmat_path_join(m->path, files[i]), *to = cmat_path_join(dir, files[i]);
        char *data = NULL;
        size_t n = 0;
        if (i == 0)
            st = copy_config(m, source, dir, dtype, err);
        else if (cmat_path_exists(source) &&
                 (st = cmat_read_file(source, MAX_FILE, &data, &n, err)) == CMAT_OK)
            st = cmat_write_file(to, data, n, err);
        free(data);
        free(source);
        free(to);
    }
    return st;
}

/* ---- model.safetensors ---- */

static cmat_status write_weights(const cmat_model *m, const cmat_adapter *a, const char *dir,
                                 const cmat_export_type *type, cmat_error *err)
{
    const char *const meta[][2] = {{"format", "pt"}};
    const size_t bytes = (size_t)cmat_type_get((int)type->type)->block_bytes;
    cmat_safetensor *tensors = NULL;
    export_plan p;
    char *path = cmat_path_join(dir, "model.safetensors");
    cmat_status st = export_plan_init(&p, m, a, true, err);
    if (st != CMAT_OK)
        goto done;
    tensors = cmat_xcalloc(p.n, sizeof *tensors);
    for (size_t i = 0; i < p.n; i++) {
        export_tensor *t = &p.tensors[i];
        t->type = type->type;
        tensors[i] =
            (cmat_safetensor){.name = t->name,
                              .type = t->type,
                              .n_dims = t->w ? 2 : 1,
                              .shape = {t->w ? t->n_rows : t->n_in, t->w ? t->n_in : 1, 1, 1},
                              .data = t,
                              .size = (size_t)(t->n_rows * t->n_in) * bytes};
    }
    p.progress = cmat_progress_new("export", p.total);
    st = cmat_safetensors_save_rows(path, tensors, p.n, meta, 1, export_rows, err);
    cmat_progress_free(p.progress);
done:
    export_plan_clear(&p);
    free(tensors);
    free(path);
    return st;
}

cmat_status export_hf(const cmat_model *m, const cmat_adapter *a, const char *dir,
                      const cmat_export_type *mix, cmat_error *err)
{
    cmat_status st = cmat_mkdir_p(dir, err);
    if (st != CMAT_OK)
        return st;
    if (m->gguf) {
        st = export_hf_config(m, dir, dtype_name(mix), err);
        if (st == CMAT_OK)
            st = export_hf_tokenizer(m, dir, err);
    } else if (m->path && cmat_path_is_dir(m->path)) {
        st = copy_files(m, dir, dtype_name(mix), err);
    } else {
        st = cmat_fail(err, CMAT_ERR_UNSUPPORTED, "the model's own files are not known");
    }
    return st == CMAT_OK ? write_weights(m, a, dir, mix, err) : st;
}
