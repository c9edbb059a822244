/* tests/hf_tiny.c - writes the tiny model as a Hugging Face folder. */
#include "hf_tiny.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TENSORS 1024

typedef struct {
    const cmat_model *m;
    const hf_tiny_options *o;
    cmat_safetensor t[MAX_TENSORS];
    int n;
} writer;

static void must(cmat_status st, const cmat_error *err)
{
    if (st == CMAT_OK)
        return;
    fprintf(stderr, "hf_tiny_write: %s\n", err->msg);
    abort();
}

/* Rows of heads of d from adjacent pairs (2i, 2i+1) to halves (i, i + d/2). */
static void rows_to_halves(const float *from, float *to, int n_rows, int d, int n_in)
{
    for (int r = 0; r < n_rows; r++) {
        const int head = r / d, i = r % d;
        const int row = head * d + (i < d / 2 ? 2 * i : 2 * (i - d / 2) + 1);
        memcpy(to + (size_t)r * (size_t)n_in, from + (size_t)row * (size_t)n_in,
               (size_t)n_in * sizeof *to);
    }
}

static void add(writer *w, int module, int layer, const cmat_weight *weight, const float *vector,
                int n)
{
    const cmat_model_config *c = &w->m->config;
    const size_t count = weight ? (size_t)weight->n_out * (size_t)weight->n_in : (size_t)n;
    const cmat_type_info *to = cmat_type_get(w->o->type);
    char name[CMAT_MODULE_NAME_MAX];
    float *x = cmat_xmalloc(count * sizeof *x);
    if (weight)
        cmat_type_get(weight->type)->to_f32(weight->data, x, count);
    else
        memcpy(x, vector, count * sizeof *x);
    if (module == CMAT_W_Q || module == CMAT_W_K) {
        float *y = cmat_xmalloc(count * sizeof *y);
        rows_to_halves(x, y, weight->n_out, c->head_dim, weight->n_in);
        free(x);
        x = y;
    }
    void *data = cmat_xmalloc(count * (size_t)to->block_bytes);
    to->from_f32(x, data, count);
    free(x);
    cmat_module_name(name, c->arch, true, module, layer);
    w->t[w->n++] =
        (cmat_safetensor){.name = cmat_xasprintf("%s.weight", name),
                          .type = w->o->type,
                          .n_dims = weight ? 2 : 1,
                          .shape = {weight ? weight->n_out : n, weight ? weight->n_in : 1, 1, 1},
                          .data = data,
                          .size = count * (size_t)to->block_bytes};
}

static void collect(writer *w)
{
    const cmat_model *m = w->m;
    const cmat_model_config *c = &m->config;
    add(w, CMAT_MODULE_TOKEN_EMBD, 0, &m->token_embd, NULL, 0);
    add(w, CMAT_MODULE_OUTPUT_NORM, 0, NULL, m->output_norm, c->n_embd);
    if (!c->tied)
        add(w, CMAT_MODULE_OUTPUT, 0, &m->output, NULL, 0);
    for (int l = 0; l < c->n_layers; l++) {
        for (int k = 0; k < CMAT_N_LAYER_WEIGHTS; k++)
            add(w, k, l, &m->layers[l].w[k], NULL, 0);
        add(w, CMAT_MODULE_ATTN_NORM, l, NULL, m->layers[l].attn_norm, c->n_embd);
        add(w, CMAT_MODULE_FFN_NORM, l, NULL, m->layers[l].ffn_norm, c->n_embd);
    }
}

static void text_write(const char *folder, const char *name, json_t *j)
{
    char *path = cmat_path_join(folder, name);
    cmat_error err = {0};
    must(cmat_json_save(path, j, &err), &err);
    json_decref(j);
    free(path);
}

/* Puts one space behind a safetensors file's header, so that its data begins at an odd byte. */
static void misalign(const char *path)
{
    char *data;
    size_t len;
    cmat_error err = {0};
    must(cmat_read_file(path, 1 << 24, &data, &len, &err), &err);
    const size_t head = (unsigned char)data[0] | (size_t)(unsigned char)data[1] << 8;
    cmat_buf b = {0};
    cmat_buf_add(&b, data, 8 + head);
    cmat_buf_putc(&b, ' ');
    cmat_buf_add(&b, data + 8 + head, len - 8 - head);
    b.data[0] = (char)(head + 1);
    b.data[1] = (char)((head + 1) >> 8);
    must(cmat_write_file(path, b.data, b.len, &err), &err);
    cmat_buf_clear(&b);
    free(data);
}

static void weights_write(writer *w, const char *folder)
{
    const int n_files = w->o->shards ? w->o->shards : 1;
    json_t *map = json_object();
    cmat_error err = {0};
    for (int f = 0; f < n_files; f++) {
        const int from = w->n * f / n_files, to = w->n * (f + 1) / n_files;
        cmat_safetensor part[MAX_TENSORS];
        int n = 0;
        char name[64];
        snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", f + 1, n_files);
        for (int i = from; i < to; i++) {
            json_object_set_new(map, w->t[i].name, json_string(name));
            if (!w->o->skip_last || i + 1 < w->n)
                part[n++] = w->t[i];
        }
        if (w->o->twice && f == 1)
            part[n++] = w->t[0];
        char *path = cmat_path_join(folder, w->o->shards ? name : "model.safetensors");
        must(cmat_safetensors_save(path, part, (size_t)n, NULL, 0, &err), &err);
        if (w->o->misaligned)
            misalign(path);
        free(path);
    }
    if (w->o->shards)
        text_write(folder, "model.safetensors.index.json",
                   json_pack("{s:{s:i}, s:O}", "metadata", "total_size", 0, "weight_map", map));
    json_decref(map);
}

static json_t *tokenizer_json(const cmat_gguf *g)
{
    json_t *vocab = json_object(), *merges = json_array(), *added = json_array();
    int32_t *types = NULL;
    size_t n = 0, n_types = 0, len;
    const char *s;
    cmat_error err = {0};
    must(cmat_gguf_strings(g, "tokenizer.ggml.tokens", &n, &err), &err);
    must(cmat_gguf_ints(g, "tokenizer.ggml.token_type", &types, &n_types, &err), &err);
    for (size_t i = 0; i < n; i++) {
        cmat_gguf_string_at(g, "tokenizer.ggml.tokens", i, &s, &len);
        json_t *text = json_stringn(s, len);
        if (types[i] == 1)
            json_object_set_new(vocab, json_string_value(text), json_integer((json_int_t)i));
        else
            json_array_append_new(
                added, json_pack("{s:i, s:O, s:b}", "id", (int)i, "content", text, "special", 1));
        json_decref(text);
    }
    free(types);
    must(cmat_gguf_strings(g, "tokenizer.ggml.merges", &n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        cmat_gguf_string_at(g, "tokenizer.ggml.merges", i, &s, &len);
        json_array_append_new(merges, json_stringn(s, len));
    }
    return json_pack("{s:o, s:{s:s, s:o, s:o}, s:{s:s, s:b}, s:{s:s}}", "added_tokens", added,
                     "model", "type", "BPE", "vocab", vocab, "merges", merges, "pre_tokenizer",
                     "type", "ByteLevel", "add_prefix_space", 0, "decoder", "type", "ByteLevel");
}

void hf_tiny_write(const char *folder, const cmat_model *m, const hf_tiny_options *o)
{
    const cmat_model_config *c = &m->config;
    writer w = {.m = m, .o = o};
    cmat_error err = {0};
    const char *chat = NULL;
    must(cmat_mkdir_p(folder, &err), &err);
    collect(&w);
    weights_write(&w, folder);
    text_write(folder, "config.json",
               json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:b, s:s}",
                         "model_type", "llama", "hidden_size", c->n_embd, "intermediate_size",
                         c->n_ff, "num_hidden_layers", c->n_layers, "num_attention_heads",
                         c->n_heads, "num_key_value_heads", c->n_kv_heads, "head_dim", c->head_dim,
                         "vocab_size", c->n_vocab, "max_position_embeddings", c->n_ctx,
                         "rms_norm_eps", (double)c->rms_eps, "rope_theta", (double)c->rope.theta,
                         "tie_word_embeddings", c->tied, "hidden_act", "silu"));
    text_write(folder, "tokenizer.json", tokenizer_json(m->gguf));
    must(cmat_gguf_str(m->gguf, "tokenizer.chat_template", &chat, &err), &err);
    text_write(folder, "tokenizer_config.json",
               json_pack("{s:[{s:s, s:s}, {s:s, s:s}], s:s, s:{s:s}, s:b}", "chat_template", "name",
                         "tool_use", "template", "not this one", "name", "default", "template",
                         chat, "bos_token", "<|im_start|>", "eos_token", "content", "<|im_end|>",
                         "add_bos_token", 0));
    for (int i = 0; i < w.n; i++) {
        free((void *)w.t[i].name);
        free((void *)w.t[i].data);
    }
}

void hf_tiny_remove(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        char *path = cmat_path_join(folder, e->d_name);
        unlink(path);
        free(path);
    }
    if (d)
        closedir(d);
    rmdir(folder);
}
