/* model/export_hf_tokenizer.c - a GGUF's tokenizer, byte-level BPE or SentencePiece's, as
 * tokenizer.json and tokenizer_config.json, as the tokenizers library has them. */
#include "core/fs.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "model/export_internal.h"
#include "model/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

/* The kinds of pre-tokenizer, by GGUF's names; see pretokenizer.c. */
#define SPLIT_TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SPLIT_HEAD "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define LLAMA3 SPLIT_HEAD "\\p{N}{1,3}" SPLIT_TAIL
#define QWEN2 SPLIT_HEAD "\\p{N}" SPLIT_TAIL
static const struct {
    const char *name, *split; /* split NULL: GPT-2's own pattern */
    bool digits, nfc, ignore_merges;
} kinds[] = {
    {"smollm", NULL, true, false, false},
    {"starcoder", NULL, true, false, false},
    {"refact", NULL, true, false, false},
    {"command-r", NULL, true, false, false},
    {"exaone", NULL, true, false, false},
    {"gpt-2", NULL, false, false, false},
    {"default", NULL, false, false, false},
    {"llama-bpe", LLAMA3, false, false, true},
    {"llama3", LLAMA3, false, false, true},
    {"llama-v3", LLAMA3, false, false, true},
    {"smaug-bpe", LLAMA3, false, false, false},
    {"qwen2", QWEN2, false, true, false},
    {"qwen", QWEN2, false, true, false},
    {"stablelm2", QWEN2, false, true, false},
    {"deepseek-r1-qwen", QWEN2, false, false, false},
    {"tekken", cmat_pretok_tekken, false, false, true},
    {"gpt-4o", cmat_pretok_o200k, false, false, false},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds, SPM = N_KINDS };

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

/* What the parts of a tokenizer.json are made of. */
typedef struct {
    const cmat_model *m;
    size_t kind;         /* of kinds, or SPM */
    bool prefix;         /* SPM: a space is put before texts */
    json_t *ids, *plain; /* texts of all tokens, and of those that may be merged, to ids */
    json_t *added;       /* tokens that are found in a text as they are: control and user's */
} parts;

static json_t *added_token(const parts *p, size_t i, int type, json_t *text)
{
    const uint32_t flags = p->m->tokenizer->tokens[i].flags;
    const bool spaces = p->kind == SPM && strstr(json_string_value(text), "\xe2\x96\x81");
    return json_pack("{s:I, s:O, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)i, "content", text,
                     "single_word", 0, "lstrip", (flags & CMAT_TOKEN_FLAG_LEFT) != 0, "rstrip",
                     (flags & CMAT_TOKEN_FLAG_RIGHT) != 0, "normalized", spaces, "special",
                     type != CMAT_TOKEN_USER);
}

static cmat_status vocab(parts *p, cmat_error *err)
{
    const cmat_gguf *g = p->m->gguf;
    size_t n = 0, n_types = 0;
    int32_t *types = NULL;
    cmat_status st = cmat_gguf_strings(g, "tokenizer.ggml.tokens", &n, err);
    if (st == CMAT_OK && cmat_gguf_has(g, "tokenizer.ggml.token_type"))
        st = cmat_gguf_ints(g, "tokenizer.ggml.token_type", &types, &n_types, err);
    for (size_t i = 0; i < n && st == CMAT_OK; i++) {
        const int type = i < n_types ? types[i] : CMAT_TOKEN_NORMAL;
        const char *s;
        size_t len;
        cmat_gguf_string_at(g, "tokenizer.ggml.tokens", i, &s, &len);
        json_t *text = json_stringn(s, len);
        if (!text || strlen(json_string_value(text)) != len)
            st = cmat_fail(err, CMAT_ERR_UNSUPPORTED, "token %zu is no text", i);
        else
            json_object_set_new(p->ids, json_string_value(text), json_integer((json_int_t)i));
        if (st == CMAT_OK && type == CMAT_TOKEN_NORMAL)
            json_object_set_new(p->plain, json_string_value(text), json_integer((json_int_t)i));
        if (st == CMAT_OK && (type == CMAT_TOKEN_CONTROL || type == CMAT_TOKEN_USER ||
                              (type == CMAT_TOKEN_UNKNOWN && p->kind == SPM)))
            json_array_append_new(p->added, added_token(p, i, type, text));
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
static json_t *post_processor(const parts *p, const char *bos)
{
    const int id = cmat_tokenizer_bos(p->m->tokenizer);
    if (!cmat_tokenizer_add_bos(p->m->tokenizer) || !bos)
        return p->kind == SPM ? json_null() : byte_level(true);
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

static json_t *byte_model(const parts *p)
{
    return json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:O, s:o}", "type", "BPE", "dropout",
                     "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0,
                     "byte_fallback", 0, "ignore_merges", (int)kinds[p->kind].ignore_merges,
                     "vocab", p->ids, "merges", merges(p->m));
}

static json_t *normalizer(const parts *p)
{
    if (p->kind == SPM)
        return export_hf_spm_normalizer(p->prefix);
    return kinds[p->kind].nfc ? json_pack("{s:s}", "type", "NFC") : json_null();
}

static cmat_status write_tokenizer(parts *p, const char *dir, const char *bos, const char *unk,
                                   cmat_error *err)
{
    json_t *model = NULL;
    cmat_status st = vocab(p, err);
    if (st == CMAT_OK && p->kind == SPM)
        st = export_hf_spm_model(p->m, p->ids, p->plain, unk, &model, err);
    else if (st == CMAT_OK)
        model = byte_model(p);
    if (st == CMAT_OK && !model)
        st = cmat_fail(err, CMAT_ERR_UNSUPPORTED, "a merge is no text");
    if (st != CMAT_OK)
        return st;
    json_t *j = json_pack(
        "{s:s, s:n, s:n, s:O, s:o, s:o, s:o, s:o, s:o}", "version", "1.0", "truncation", "padding",
        "added_tokens", p->added, "normalizer", normalizer(p), "pre_tokenizer",
        p->kind == SPM ? json_null() : pre_tokenizer(p->kind), "post_processor",
        post_processor(p, bos), "decoder",
        p->kind == SPM ? export_hf_spm_decoder(p->prefix) : byte_level(true), "model", model);
    st = save(dir, "tokenizer.json", j, err);
    json_decref(j);
    return st;
}

/* False: tokenizer.json has no form of ours for it. */
static bool find_kind(parts *p)
{
    const char *model = "", *pre = "default";
    p->prefix = true;
    cmat_gguf_str(p->m->gguf, "tokenizer.ggml.model", &model, NULL);
    cmat_gguf_str(p->m->gguf, "tokenizer.ggml.pre", &pre, NULL);
    cmat_gguf_bool(p->m->gguf, "tokenizer.ggml.add_space_prefix", &p->prefix, NULL);
    while (p->kind < N_KINDS && strcmp(kinds[p->kind].name, pre) != 0)
        p->kind++;
    if (strcmp(model, "gpt2") == 0 && p->kind < N_KINDS)
        return true;
    p->kind = SPM;
    if (strcmp(model, "llama") == 0 &&
        !cmat_gguf_has(p->m->gguf, "tokenizer.ggml.precompiled_charsmap"))
        return true;
    cmat_warn("tokenizer.json is not written: no form for tokenizer %.20s, %.20s", model, pre);
    return false;
}

cmat_status export_hf_tokenizer(const cmat_model *m, const char *dir, cmat_error *err)
{
    const char *template = NULL;
    const int64_t V = m->config.n_vocab;
    int64_t pad = -1, unk = -1;
    parts p = {.m = m};
    if (!find_kind(&p))
        return CMAT_OK;
    p.ids = json_object();
    p.plain = json_object();
    p.added = json_array();
    json_t *texts = json_array();
    cmat_gguf_str(m->gguf, "tokenizer.chat_template", &template, NULL);
    cmat_gguf_int(m->gguf, "tokenizer.ggml.padding_token_id", &pad, NULL);
    cmat_gguf_int(m->gguf, "tokenizer.ggml.unknown_token_id", &unk, NULL);
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
        st = write_tokenizer(&p, dir, bos, unk_text, err);
    json_decref(j);
    json_decref(texts);
    json_decref(p.ids);
    json_decref(p.plain);
    json_decref(p.added);
    return st;
}
