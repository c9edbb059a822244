/* model/tokenizer_folder.c - the tokenizer of a model's folder, as Hugging Face lays it out. */
#include "core/fs.h"
#include "core/json.h"
#include "model/tokenizer_files.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 256 << 20 };

/* --- tokenizer_config.json, generation_config.json ------------------------------------------- */

/* The text of a named token: a string, or an object with its content. */
static const json_t *token_text(const json_t *config, const char *key)
{
    const json_t *j = json_object_get(config, key);
    return json_is_object(j) ? json_object_get(j, "content") : j;
}

/* The id of the token with this text; control tokens first. -1: none. */
static int id_of(const cmat_tokenizer_spec *s, const json_t *text)
{
    const size_t len = json_string_length(text);
    int found = -1;
    for (size_t i = 0; json_is_string(text) && i < s->n_tokens; i++) {
        const cmat_token_spec *k = &s->tokens[i];
        if (!k->s || k->len != len || memcmp(k->s, json_string_value(text), len) != 0)
            continue;
        if (k->type == CMAT_TOKEN_CONTROL)
            return (int)i;
        found = found < 0 ? (int)i : found;
    }
    return found;
}

cmat_status cmat_tokenizer_read_config(cmat_tokenizer_spec *s, const json_t *config,
                                       const char *what, cmat_error *err)
{
    static const char *const names[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
    int *const ids[] = {&s->bos, &s->eos, &s->unk, &s->pad};
    const char *key;
    json_t *entry;
    cmat_status st;
    json_object_foreach(json_object_get(config, "added_tokens_decoder"), key, entry)
    {
        char *end;
        const int64_t id = strtoll(key, &end, 10);
        if (*end || end == key)
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: added token \"%.32s\" is not an id", what,
                             key);
        if ((size_t)id < s->n_tokens && s->tokens[id].s &&
            (s->tokens[id].type == CMAT_TOKEN_CONTROL || s->tokens[id].type == CMAT_TOKEN_USER ||
             s->tokens[id].type == CMAT_TOKEN_UNKNOWN))
            continue; /* tokenizer.json has said it already */
        if ((st = cmat_tokenizer_read_added(s, id, entry, what, err)) != CMAT_OK)
            return st;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *text = token_text(config, names[i]);
        if (json_is_string(text) && id_of(s, text) >= 0)
            *ids[i] = id_of(s, text);
    }
    s->add_bos = cmat_json_bool(config, "add_bos_token", s->add_bos);
    return CMAT_OK;
}

static void end_add(cmat_tokenizer_spec *s, const json_t *id)
{
    if (json_is_integer(id) && json_integer_value(id) >= 0 &&
        json_integer_value(id) < (json_int_t)s->n_tokens)
        cmat_tokenizer_spec_end(s, (int)json_integer_value(id));
}

/* eos_token_id, one or several, of generation_config.json or config.json. */
static void ends_read(cmat_tokenizer_spec *s, const json_t *config)
{
    const json_t *ids = json_object_get(config, "eos_token_id"), *id;
    size_t i;
    end_add(s, ids);
    json_array_foreach((json_t *)ids, i, id) end_add(s, id);
    if (s->eos < 0 && s->n_ends > 0)
        s->eos = s->ends[0];
}

/* --- the folder ------------------------------------------------------------------------------ */

/* A JSON object of the folder; NULL and CMAT_OK when there is no such file. */
static cmat_status object_load(const char *folder, const char *name, json_t **out, cmat_error *err)
{
    char *path = cmat_path_join(folder, name), *text = NULL;
    size_t len;
    cmat_status st = CMAT_OK;
    if (cmat_path_exists(path) &&
        (st = cmat_read_file(path, MAX_FILE, &text, &len, err)) == CMAT_OK) {
        *out = cmat_json_parse(text, len, path, err);
        if (!*out)
            st = CMAT_ERR_FORMAT;
        else if (!json_is_object(*out))
            st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: not a JSON object", path);
    }
    free(text);
    free(path);
    return st;
}

static cmat_status files_load(cmat_tokenizer_files *f, const char *folder, cmat_error *err)
{
    cmat_status st;
    if ((st = object_load(folder, "tokenizer.json", &f->tokenizer, err)) != CMAT_OK ||
        (st = object_load(folder, "tokenizer_config.json", &f->config, err)) != CMAT_OK ||
        (st = object_load(folder, "generation_config.json", &f->generation, err)) != CMAT_OK ||
        (st = object_load(folder, "config.json", &f->model, err)) != CMAT_OK || f->tokenizer)
        return st;
    static const char *const names[] = {"tokenizer.model", "qwen.tiktoken"};
    for (size_t i = 0; i < 2 && !f->data_name && st == CMAT_OK; i++) {
        char *path = cmat_path_join(folder, names[i]);
        if (cmat_path_exists(path)) {
            st = cmat_read_file(path, MAX_FILE, &f->data, &f->len, err);
            f->data_name = names[i];
        }
        free(path);
    }
    if (st == CMAT_OK && !f->data_name)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND,
                       "%s: neither tokenizer.json nor tokenizer.model nor qwen.tiktoken is there",
                       folder);
    return st;
}

static cmat_status spec_read(cmat_tokenizer_spec *s, const cmat_tokenizer_files *f,
                             const char *folder, int n_vocab, cmat_error *err)
{
    cmat_token_spec *last;
    char *what = cmat_path_join(folder, f->tokenizer ? "tokenizer.json" : f->data_name);
    cmat_status st = f->tokenizer ? cmat_tokenizer_read_json(s, f->tokenizer, what, err)
                     : f->data_name[0] == 'q'
                         ? cmat_tokenizer_read_tiktoken(s, f->data, f->len, what, err)
                         : cmat_tokenizer_read_spm(s, f->data, f->len, what, err);
    free(what);
    what = cmat_path_join(folder, "tokenizer_config.json");
    if (st == CMAT_OK && f->config)
        st = cmat_tokenizer_read_config(s, f->config, what, err);
    free(what);
    if (st != CMAT_OK)
        return st;
    if (n_vocab > 0) { /* rows beyond the tokens, or (Gemma 3) a token for images without a row */
        if ((st = cmat_tokenizer_spec_token(s, n_vocab - 1, &last, err)) != CMAT_OK)
            return st;
        s->n_tokens = (size_t)n_vocab;
    }
    ends_read(s, f->generation);
    ends_read(s, f->model);
    return CMAT_OK;
}

cmat_status cmat_tokenizer_files_open(cmat_tokenizer_files *f, cmat_tokenizer_spec *s,
                                      const char *folder, int n_vocab, cmat_error *err)
{
    *f = (cmat_tokenizer_files){0};
    cmat_status st = files_load(f, folder, err);
    return st == CMAT_OK ? spec_read(s, f, folder, n_vocab, err) : st;
}

void cmat_tokenizer_files_close(cmat_tokenizer_files *f)
{
    json_decref(f->tokenizer);
    json_decref(f->config);
    json_decref(f->generation);
    json_decref(f->model);
    free(f->data);
}

cmat_status cmat_tokenizer_open(cmat_tokenizer **out, const char *folder, int n_vocab,
                                cmat_error *err)
{
    cmat_tokenizer_files f;
    cmat_tokenizer_spec s;
    *out = NULL;
    cmat_tokenizer_spec_init(&s);
    cmat_status st = cmat_tokenizer_files_open(&f, &s, folder, n_vocab, err);
    if (st == CMAT_OK)
        st = cmat_tokenizer_build(out, &s, err);
    cmat_tokenizer_spec_clear(&s);
    cmat_tokenizer_files_close(&f);
    return st;
}
