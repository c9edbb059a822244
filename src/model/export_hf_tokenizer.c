/* model/export_hf_tokenizer.c - a GGUF's byte-level BPE as tokenizer.json and
 * tokenizer_config.json, as the tokenizers library has them. */
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "model/export_internal.h"

#include <stdlib.h>
#include <string.h>

/* The kinds of pre-tokenizer, by GGUF's names; see pretokenizer.c. */
#define SPLIT_TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SPLIT_HEAD "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
static const struct {
    const char *name, *split; /* split NULL: GPT-2's own pattern */
    bool digits, nfc, ignore_merges;
} kinds[] = {
    {"smollm", NULL, true, false, false},
    {"gpt-2", NULL, false, false, false},
    {"default", NULL, false, false, false},
    {"llama-bpe", SPLIT_HEAD "\\p{N}{1,3}" SPLIT_TAIL, false, false, true},
    {"llama3", SPLIT_HEAD "\\p{N}{1,3}" SPLIT_TAIL, false, false, true},
    {"llama-v3", SPLIT_HEAD "\\p{N}{1,3}" SPLIT_TAIL, false, false, true},
    {"qwen2", SPLIT_HEAD "\\p{N}" SPLIT_TAIL, false, true, false},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static json_t *byte_level(bool regex)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                     "trim_offsets", 1, "use_regex", (int)regex);
}

static json_t *pre_tokenizer(size_t kind)
{
    if (kinds[kind].split)
        return json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence",
                         "pretokenizers", "type", "Split", "pattern", "Regex", kinds[kind].split,
                         "behavior", "Isolated", "invert", 0, byte_level(false));
    if (kinds[kind].digits)
        return json_pack("{s:s, s:[{s:s, s:b}, o]}", "type", "Sequence", "pretokenizers", "type",
                         "Digits", "individual_digits", 1, byte_level(true));
    return byte_level(true);
}

static const char *token_text(const cmat_model *m, int id, json_t **list)
{
    const char *p;
    size_t n;
    if (id < 0)
        return NULL;
    cmat_gguf_string_at(m->gguf, "tokenizer.ggml.tokens", (size_t)id, &p, &n);
    json_t *s = json_stringn(p, n);
    json_array_append_new(*list, s ? s : json_string(""));
    return json_string_value(json_array_get(*list, json_array_size(*list) - 1));
}

/* Vocabulary, and the tokens that are found in a text as they are: control and user-defined. */
static cmat_status vocab(const cmat_model *m, json_t *tokens, json_t *added, cmat_error *err)
{
    enum { CONTROL = 3, USER_DEFINED = 4 };
    size_t n = 0, n_types = 0;
    int32_t *types = NULL;
    cmat_status st = cmat_gguf_strings(m->gguf, "tokenizer.ggml.tokens", &n, err);
    if (st == CMAT_OK && cmat_gguf_has(m->gguf, "tokenizer.ggml.token_type"))
        st = cmat_gguf_ints(m->gguf, "tokenizer.ggml.token_type", &types, &n_types, err);
    for (size_t i = 0; i < n && st == CMAT_OK; i++) {
        const char *p;
        size_t len;
        cmat_gguf_string_at(m->gguf, "tokenizer.ggml.tokens", i, &p, &len);
        json_t *text = json_stringn(p, len);
        if (!text || strlen(json_string_value(text)) != len ||
            json_object_set_new(tokens, json_string_value(text), json_integer((json_int_t)i)) < 0)
            st = cmat_fail(err, CMAT_ERR_UNSUPPORTED, "token %zu is no text", i);
        else if (i < n_types && (types[i] == CONTROL || types[i] == USER_DEFINED))
            json_array_append_new(added, json_pack("{s:I, s:O, s:b, s:b, s:b, s:b, s:b}", "id",
                                                   (json_int_t)i, "content", text, "single_word", 0,
                                                   "lstrip", 0, "rstrip", 0, "normalized", 0,
                                                   "special", types[i] == CONTROL));
        json_decref(text);
    }
    free(types);
    return st;
}

static json_t *merges(const cmat_model *m)
{
    json_t *list = json_array();
    size_t n = 0;
    if (cmat_gguf_strings(m->gguf, "tokenizer.ggml.merges", &n, NULL) != CMAT_OK)
        return list;
    for (size_t i = 0; i < n; i++) {
        const char *p;
        size_t len;
        cmat_gguf_string_at(m->gguf, "tokenizer.ggml.merges", i, &p, &len);
        json_array_append_new(list, json_stringn(p, len));
    }
    return list;
}

/* Puts the first token before every text when the model wants it so. */
static json_t *post_processor(const cmat_model *m, const char *bos, int id)
{
    if (!cmat_tokenizer_add_bos(m->tokenizer) || !bos)
        return byte_level(true);
    return json_pack(
        "{s:s, s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}], s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}, "
        "{s:{s:s, s:i}}, {s:{s:s, s:i}}], s:{s:{s:s, s:[i], s:[s]}}}",
        "type", "TemplateProcessing", "single", "SpecialToken", "id", bos, "type_id", 0, "Sequence",
        "id", "A", "type_id", 0, "pair", "SpecialToken", "id", bos, "type_id", 0, "Sequence", "id",
        "A", "type_id", 0, "SpecialToken", "id", bos, "type_id", 1, "Sequence", "id", "B",
        "type_id", 1, "special_tokens", bos, "id", bos, "ids", id, "tokens", bos);
}

static cmat_status save(const char *dir, const char *file, const json_t *j, cmat_error *err)
{
    char *path = cmat_path_join(dir, file);
    cmat_status st = cmat_json_save(path, j, err);
    free(path);
    return st;
}

static cmat_status write_tokenizer(const cmat_model *m, size_t kind, const char *dir,
                                   const char *bos, cmat_error *err)
{
    json_t *tokens = json_object(), *added = json_array();
    cmat_status st = vocab(m, tokens, added, err);
    json_t *j = json_pack(
        "{s:s, s:n, s:n, s:o, s:o, s:o, s:o, s:o, s:{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:o, "
        "s:o}}",
        "version", "1.0", "truncation", "padding", "added_tokens", added, "normalizer",
        kinds[kind].nfc ? json_pack("{s:s}", "type", "NFC") : json_null(), "pre_tokenizer",
        pre_tokenizer(kind), "post_processor",
        post_processor(m, bos, cmat_tokenizer_bos(m->tokenizer)), "decoder", byte_level(true),
        "model", "type", "BPE", "dropout", "unk_token", "continuing_subword_prefix",
        "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0, "ignore_merges",
        (int)kinds[kind].ignore_merges, "vocab", tokens, "merges", merges(m));
    if (st == CMAT_OK)
        st = j ? save(dir, "tokenizer.json", j, err)
               : cmat_fail(err, CMAT_ERR_UNSUPPORTED, "a merge is no text");
    json_decref(j);
    return st;
}

cmat_status export_hf_tokenizer(const cmat_model *m, const char *dir, cmat_error *err)
{
    const char *model = "", *pre = "default", *template = NULL;
    size_t kind = 0;
    int64_t pad = -1, unk = -1;
    json_t *texts = json_array();
    cmat_gguf_str(m->gguf, "tokenizer.ggml.model", &model, NULL);
    cmat_gguf_str(m->gguf, "tokenizer.ggml.pre", &pre, NULL);
    cmat_gguf_str(m->gguf, "tokenizer.chat_template", &template, NULL);
    cmat_gguf_int(m->gguf, "tokenizer.ggml.padding_token_id", &pad, NULL);
    cmat_gguf_int(m->gguf, "tokenizer.ggml.unknown_token_id", &unk, NULL);
    while (kind < N_KINDS && strcmp(kinds[kind].name, pre) != 0)
        kind++;
    if (strcmp(model, "gpt2") != 0 || kind == N_KINDS) {
        cmat_warn("tokenizer.json is not written: no form for tokenizer %.20s, %.20s", model, pre);
        json_decref(texts);
        return CMAT_OK;
    }
    const int64_t V = m->config.n_vocab;
    const char *bos = token_text(m, cmat_tokenizer_bos(m->tokenizer), &texts),
               *eos = token_text(m, cmat_tokenizer_eos(m->tokenizer), &texts),
               *pad_text = token_text(m, pad < V ? (int)pad : -1, &texts),
               *unk_text = token_text(m, unk < V ? (int)unk : -1, &texts);
    json_t *j =
        json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:b, s:i, s:s?}", "tokenizer_class",
                  "PreTrainedTokenizerFast", "bos_token", bos, "eos_token", eos, "pad_token",
                  pad_text, "unk_token", unk_text, "clean_up_tokenization_spaces", 0,
                  "model_max_length", m->config.n_ctx, "chat_template", template);
    cmat_status st = save(dir, "tokenizer_config.json", j, err);
    if (st == CMAT_OK)
        st = write_tokenizer(m, kind, dir, bos, err);
    json_decref(j);
    json_decref(texts);
    return st;
}
