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

/* ---- config.json ---- */

/* A float as the shortest decimal that names it, so that 1e-5f is not 9.99999974737875e-06. */
static json_t *json_float(float f)
{
    char text[32];
    snprintf(text, sizeof text, "%.7g", (double)f);
    return json_real(strtof(text, NULL) == f ? strtod(text, NULL) : (double)f);
}

/* Only what divides all positions alike can be told without knowing how it was made. */
static cmat_status rope_scaling(const cmat_model_config *c, json_t **out, cmat_error *err)
{
    const float factor = c->rope.divisors[0];
    bool alike = c->rope.magnitude == 1;
    for (int i = 1; i < c->n_rot / 2; i++)
        alike = alike && c->rope.divisors[i] == factor;
    if (!alike)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "how this model's context was stretched cannot be told in a "
                         "config.json");
    *out = factor == 1 ? json_null()
                       : json_pack("{s:s, s:s, s:o}", "type", "linear", "rope_type", "linear",
                                   "factor", json_float(factor));
    return CMAT_OK;
}

static const char *dtype_name(const cmat_export_type *type)
{
    return type->type == CMAT_TYPE_F32   ? "float32"
           : type->type == CMAT_TYPE_F16 ? "float16"
                                         : "bfloat16";
}

static json_t *token_id(int id)
{
    return id >= 0 ? json_integer(id) : json_null();
}

static cmat_status write_config(const cmat_model *m, const char *dir, const cmat_export_type *type,
                                cmat_error *err)
{
    static const struct {
        const char *arch, *class, *model_type;
    } kinds[] = {{"llama", "LlamaForCausalLM", "llama"},
                 {"qwen2", "Qwen2ForCausalLM", "qwen2"},
                 {"qwen3", "Qwen3ForCausalLM", "qwen3"}};
    const cmat_model_config *c = &m->config;
    const char *class = NULL, *model_type = NULL;
    json_t *scaling = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(c->arch->name, kinds[i].arch) == 0) {
            class = kinds[i].class;
            model_type = kinds[i].model_type;
        }
    bool windows = false, all = true;
    for (int l = 0; l < c->n_layers; l++) {
        windows |= cmat_config_window(c, l) > 0;
        all &= cmat_config_window(c, l) > 0;
    }
    if (windows) { /* Mistral's models are llama's with a window; others have it in other ways */
        class = all && strcmp(c->arch->name, "llama") == 0 ? "MistralForCausalLM" : NULL;
        model_type = "mistral";
    }
    if (!class)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "no config.json is known for architecture %s",
                         c->arch->name);
    cmat_status st = rope_scaling(c, &scaling, err);
    if (st != CMAT_OK)
        return st;
    const char *dtype = dtype_name(type);
    const int bos = cmat_tokenizer_bos(m->tokenizer), eos = cmat_tokenizer_eos(m->tokenizer);
    json_t *j = json_pack(
        "{s:[s], s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:b, s:s, s:b, s:b, "
        "s:f, s:o, s:o, s:s, s:b}",
        "architectures", class, "model_type", model_type, "hidden_size", c->n_embd,
        "intermediate_size", c->n_ff, "num_hidden_layers", c->n_layers, "num_attention_heads",
        c->n_heads, "num_key_value_heads", c->n_kv_heads, "head_dim", c->head_dim,
        "max_position_embeddings", c->n_ctx, "vocab_size", c->n_vocab, "rms_norm_eps",
        json_float(c->rms_eps), "rope_theta", json_float(c->rope.theta), "rope_scaling", scaling,
        "tie_word_embeddings", (int)c->tied, "hidden_act", "silu", "attention_bias", 0, "mlp_bias",
        0, "initializer_range", 0.02, "bos_token_id", token_id(bos), "eos_token_id", token_id(eos),
        "torch_dtype", dtype, "use_cache", 1);
    if (windows)
        json_object_set_new(j, "sliding_window", json_integer(c->window));
    char *path = cmat_path_join(dir, "config.json");
    st = cmat_json_save(path, j, err);
    json_decref(j);
    free(path);
    if (st != CMAT_OK)
        return st;
    j = json_pack("{s:o, s:o}", "bos_token_id", token_id(bos), "eos_token_id", token_id(eos));
    path = cmat_path_join(dir, "generation_config.json");
    st = cmat_json_save(path, j, err);
    json_decref(j);
    free(path);
    return st;
}

/* ---- from a folder that is Hugging Face's itself ---- */

static cmat_status copy_config(const char *from, const char *to, const char *dtype, cmat_error *err)
{
    json_t *j = cmat_json_load(from, err);
    cmat_status st;
    if (!j)
        return err ? err->status : CMAT_ERR_FORMAT;
    if (json_object_get(j, "text_config")) {
        json_decref(j);
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "%s: of a model with more parts than text, the text alone has no form",
                         from);
    }
    json_object_del(j, "quantization_config");
    json_object_del(j, "dtype");
    json_object_set_new(j, "torch_dtype", json_string(dtype));
    st = cmat_json_save(to, j, err);
    json_decref(j);
    return st;
}

/* Its own config.json, with the new type, and its tokenizer's files as they are. */
static cmat_status copy_files(const char *from, const char *dir, const char *dtype, cmat_error *err)
{
    enum { MAX_FILE = 1 << 28 };
    static const char *const files[] = {
        "config.json", "generation_config.json",  "tokenizer.json",    "tokenizer_config.json",
        "vocab.json",  "special_tokens_map.json", "tokenizer.model",   "added_tokens.json",
        "merges.txt",  "chat_template.jinja",     "chat_template.json"};
    cmat_status st = CMAT_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && st == CMAT_OK; i++) {
        char *source = cmat_path_join(from, files[i]), *to = cmat_path_join(dir, files[i]);
        char *data = NULL;
        size_t n = 0;
        if (i == 0)
            st = copy_config(source, to, dtype, err);
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
        st = write_config(m, dir, mix, err);
        if (st == CMAT_OK)
            st = export_hf_tokenizer(m, dir, err);
    } else if (m->path && cmat_path_is_dir(m->path)) {
        st = copy_files(m->path, dir, dtype_name(mix), err);
    } else {
        st = cmat_fail(err, CMAT_ERR_UNSUPPORTED, "the model's own files are not known");
    }
    return st == CMAT_OK ? write_weights(m, a, dir, mix, err) : st;
}
