/* model/hf_folder.c - opens a model's folder; which files make it up, and their digest. */
#include "model/hf_folder.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

#define INDEX "model.safetensors.index.json"
#define SINGLE "model.safetensors"
enum { MAX_SHARDS = 4096, MAX_TEMPLATE = 1 << 20, MAX_JSON = 64 << 20 };

static bool has_file(const char *folder, const char *name)
{
    char *path = cmat_path_join(folder, name);
    const bool there = cmat_path_exists(path) && !cmat_path_is_dir(path);
    free(path);
    return there;
}

bool cmat_hf_folder_is(const char *path)
{
    return cmat_path_is_dir(path) && has_file(path, "config.json");
}

/* A JSON object in the folder. */
static cmat_status object_load(const char *folder, const char *name, json_t **out, cmat_error *err)
{
    char *path = cmat_path_join(folder, name), *text = NULL;
    size_t len;
    *out = NULL;
    cmat_status st = cmat_read_file(path, MAX_JSON, &text, &len, err);
    if (st == CMAT_OK && !(*out = cmat_json_parse(text, len, path, err)))
        st = CMAT_ERR_FORMAT;
    if (st == CMAT_OK && !json_is_object(*out))
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: not a JSON object", path);
    if (st != CMAT_OK) {
        json_decref(*out);
        *out = NULL;
    }
    free(text);
    free(path);
    return st;
}

/* --- shards ---------------------------------------------------------------------------------- */

static bool is_shard_name(const char *s)
{
    const size_t len = strlen(s);
    return len > 12 && len < 200 && s[0] != '.' && !strchr(s, '/') &&
           strcmp(s + len - 12, ".safetensors") == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

cmat_status cmat_hf_shards_from_index(cmat_hf_shards *s, const json_t *index, const char *what,
                                      cmat_error *err)
{
    const json_t *map = json_object_get(index, "weight_map");
    json_t *names = json_object(), *v;
    const char *key;
    cmat_status st = CMAT_OK;
    *s = (cmat_hf_shards){0};
    json_object_foreach((json_t *)map, key, v)
    {
        const char *name = json_string_value(v);
        if (!name || !is_shard_name(name)) {
            st = cmat_fail(err, CMAT_ERR_FORMAT,
                           "%s: tensor %.100s lies in \"%.100s\", which is no file of the folder",
                           what, key, name ? name : "");
            goto done;
        }
        json_object_set_new(names, name, json_null());
    }
    if (json_object_size(names) == 0 || json_object_size(names) > MAX_SHARDS) {
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: a weight_map of %zu files", what,
                       json_object_size(names));
        goto done;
    }
    s->names = cmat_xcalloc(json_object_size(names), sizeof *s->names);
    json_object_foreach(names, key, v) s->names[s->n++] = cmat_xstrdup(key);
    qsort(s->names, s->n, sizeof *s->names, by_name);
done:
    json_decref(names);
    return st;
}

void cmat_hf_shards_clear(cmat_hf_shards *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->names[i]);
    free(s->names);
    *s = (cmat_hf_shards){0};
}

/* Which files hold the weights; *index is the index's object, or NULL when there is just one. */
static cmat_status shards_find(const char *folder, cmat_hf_shards *s, json_t **index,
                               cmat_error *err)
{
    *index = NULL;
    *s = (cmat_hf_shards){0};
    if (has_file(folder, INDEX)) {
        char *what = cmat_path_join(folder, INDEX);
        cmat_status st = object_load(folder, INDEX, index, err);
        if (st == CMAT_OK)
            st = cmat_hf_shards_from_index(s, *index, what, err);
        free(what);
        return st;
    }
    if (!has_file(folder, SINGLE))
        return cmat_fail(err, CMAT_ERR_NOT_FOUND, "%s: no " SINGLE " and no " INDEX "%s", folder,
                         has_file(folder, "pytorch_model.bin")
                             ? " (pytorch_model.bin is Python's: save the model as safetensors)"
                             : "");
    s->names = cmat_xcalloc(1, sizeof *s->names);
    s->names[s->n++] = cmat_xstrdup(SINGLE);
    return CMAT_OK;
}

/* Every tensor of the index is in the file it names, and no other file has one of that name. */
static cmat_status index_check(const cmat_hf_shards *s, cmat_safetensors *const *files,
                               const json_t *index, const char *folder, cmat_error *err)
{
    const json_t *map = json_object_get(index, "weight_map");
    const char *tensor;
    json_t *v;
    size_t held = 0, all = 0;
    json_object_foreach((json_t *)map, tensor, v)
    {
        for (size_t i = 0; i < s->n; i++) {
            const bool here = strcmp(s->names[i], json_string_value(v)) == 0;
            const bool has = cmat_safetensors_find(files[i], tensor);
            if (here != has)
                return cmat_fail(err, CMAT_ERR_FORMAT,
                                 "%s/%s: tensor %.100s is %s, but the index puts it into %s",
                                 folder, s->names[i], tensor, here ? "missing" : "there",
                                 json_string_value(v));
            held += has;
        }
    }
    for (size_t i = 0; i < s->n; i++)
        all += cmat_safetensors_count(files[i]);
    if (all > held)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: %zu tensors that the index does not name",
                         folder, all - held);
    return CMAT_OK;
}

static cmat_status source_open(cmat_source **out, const char *folder, cmat_error *err)
{
    cmat_hf_shards s;
    json_t *index;
    cmat_safetensors **files = NULL;
    size_t n = 0;
    cmat_status st = shards_find(folder, &s, &index, err);
    *out = NULL;
    if (st == CMAT_OK)
        files = cmat_xcalloc(s.n, sizeof(cmat_safetensors *));
    for (; st == CMAT_OK && n < s.n; n++) {
        char *path = cmat_path_join(folder, s.names[n]);
        st = cmat_safetensors_open(&files[n], path, err);
        free(path);
    }
    if (st == CMAT_OK && index)
        st = index_check(&s, files, index, folder, err);
    if (st == CMAT_OK)
        *out = cmat_source_safetensors(files, s.n);
    for (size_t i = 0; st != CMAT_OK && i < n; i++)
        cmat_safetensors_close(files[i]);
    free(files);
    json_decref(index);
    cmat_hf_shards_clear(&s);
    return st;
}

/* --- the chat template ----------------------------------------------------------------------- */

/* A template, or a list of {name, template}. */
static char *template_of(const json_t *config)
{
    const json_t *t = json_object_get(config, "chat_template"), *item;
    size_t i;
    if (json_is_string(t))
        return cmat_xstrdup(json_string_value(t));
    json_array_foreach((json_t *)t, i, item)
    {
        const char *source = cmat_json_str(item, "template", NULL);
        if (source && strcmp(cmat_json_str(item, "name", ""), "default") == 0)
            return cmat_xstrdup(source);
    }
    return NULL;
}

cmat_status cmat_hf_folder_template(const char *folder, char **source, cmat_error *err)
{
    static const char *const configs[] = {"tokenizer_config.json", "chat_template.json"};
    cmat_status st = CMAT_OK;
    *source = NULL;
    if (has_file(folder, "chat_template.jinja")) {
        char *path = cmat_path_join(folder, "chat_template.jinja");
        size_t len;
        st = cmat_read_file(path, MAX_TEMPLATE, source, &len, err);
        free(path);
        return st;
    }
    for (size_t i = 0; i < 2 && st == CMAT_OK && !*source; i++) {
        json_t *config = NULL;
        if (has_file(folder, configs[i]) &&
            (st = object_load(folder, configs[i], &config, err)) == CMAT_OK)
            *source = template_of(config);
        json_decref(config);
    }
    return st;
}

/* As for a GGUF, a template that cannot be used does not stop the model from opening. */
static void template_init(cmat_model *m, const char *folder)
{
    char *source;
    m->chat_template_error.status = CMAT_OK;
    if (cmat_hf_folder_template(folder, &source, &m->chat_template_error) != CMAT_OK)
        return;
    const char *used = source ? source : cmat_chat_template_default(m->tokenizer);
    if (cmat_chat_template_new(&m->chat_template, used, strlen(used), &m->chat_template_error) !=
        CMAT_OK)
        m->chat_template = NULL;
    free(source);
}

/* --- the whole ------------------------------------------------------------------------------- */

cmat_status cmat_hf_folder_open(cmat_model **out, const char *folder, const cmat_kernel_ops *kernel,
                                cmat_error *err)
{
    json_t *config = NULL;
    cmat_model_config c;
    cmat_source *source = NULL;
    cmat_model *m = NULL;
    cmat_status st = object_load(folder, "config.json", &config, err);
    *out = NULL;
    if (st == CMAT_OK && (st = cmat_config_from_json(&c, config, err)) != CMAT_OK)
        st = cmat_fail_prefix(err, st, "%s", folder);
    json_decref(config);
    if (st != CMAT_OK || (st = source_open(&source, folder, err)) != CMAT_OK)
        return st;
    if ((st = cmat_model_open_source(&m, source, &c, kernel, err)) != CMAT_OK)
        return cmat_fail_prefix(err, st, "%s", folder);
    if ((st = cmat_tokenizer_open(&m->tokenizer, folder, m->config.n_vocab, err)) != CMAT_OK) {
        cmat_model_free(m);
        return st;
    }
    template_init(m, folder);
    m->path = cmat_xstrdup(folder);
    *out = m;
    return CMAT_OK;
}

cmat_status cmat_hf_folder_hash(const char *folder, char hex[65], cmat_error *err)
{
    static const char *const others[] = {"config.json", "tokenizer.json", "tokenizer.model",
                                         "qwen.tiktoken", "tokenizer_config.json"};
    cmat_hf_shards s;
    json_t *index;
    cmat_buf list = {0};
    cmat_status st = shards_find(folder, &s, &index, err);
    for (size_t i = 0; st == CMAT_OK && i < s.n + sizeof others / sizeof *others; i++) {
        const char *name = i < s.n ? s.names[i] : others[i - s.n];
        if (i >= s.n && !has_file(folder, name))
            continue;
        char *path = cmat_path_join(folder, name);
        if ((st = cmat_sha256_file(path, hex, err)) == CMAT_OK)
            cmat_buf_printf(&list, "%s %s\n", name, hex);
        free(path);
    }
    if (st == CMAT_OK)
        cmat_sha256_hex(cmat_buf_str(&list), list.len, hex);
    cmat_buf_clear(&list);
    json_decref(index);
    cmat_hf_shards_clear(&s);
    return st;
}
