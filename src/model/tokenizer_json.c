/* model/tokenizer_json.c - tokenizer.json of the tokenizers library.
 *
 * A file is a pipeline of components (normalizer, pre_tokenizer, model, post_processor, decoder),
 * each an object with a "type". Tables below tell which are known and what each adds to the
 * specification. */
#include "core/json.h"
#include "model/tokenizer_files.h"
#include <math.h>
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>

#define META_SPACE "\xe2\x96\x81"
enum { MAX_DEPTH = 4, MAX_REPLACEMENT = 64 };

typedef struct {
    cmat_tokenizer_spec *s;
    const char *what;
    bool byte_level; /* a ByteLevel component was there */
    bool any_split;  /* ... a pattern that may tell spaces from other characters */
    int depth;
    cmat_error *err;
} reader;

typedef cmat_status (*component_read)(reader *r, const json_t *j);

typedef struct {
    const char *type;
    component_read read;
} component;

static cmat_status unsupported(const reader *r, const char *part, const char *detail)
{
    return cmat_fail(r->err, CMAT_ERR_UNSUPPORTED, "%s: %s \"%.64s\" is not supported", r->what,
                     part, detail);
}

static cmat_status broken(const reader *r, const char *text)
{
    return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: %s", r->what, text);
}

/* Reads one component by the table; null is none. */
static cmat_status component_run(reader *r, const char *part, const component *table,
                                 const json_t *j)
{
    const char *type = cmat_json_str(j, "type", NULL);
    if (!j || json_is_null(j))
        return CMAT_OK;
    if (!type)
        return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: a %s without a type", r->what, part);
    for (; table->type; table++) {
        if (strcmp(table->type, type) == 0)
            return table->read ? table->read(r, j) : CMAT_OK;
    }
    return unsupported(r, part, type);
}

static cmat_status sequence_run(reader *r, const char *part, const component *table,
                                const json_t *list)
{
    const json_t *item;
    size_t i;
    cmat_status st = CMAT_OK;
    if (!json_is_array(list))
        return broken(r, "a Sequence without its components");
    if (++r->depth > MAX_DEPTH)
        return broken(r, "Sequences too deep");
    json_array_foreach((json_t *)list, i, item)
    {
        if ((st = component_run(r, part, table, item)) != CMAT_OK)
            break;
    }
    r->depth--;
    return st;
}

/* --- normalizers ----------------------------------------------------------------------------- */

static cmat_status norm_nfc(reader *r, const json_t *j)
{
    (void)j;
    cmat_normalizer_add(cmat_tokenizer_spec_norm(r->s), CMAT_NORM_NFC, NULL, NULL);
    return CMAT_OK;
}

static cmat_status norm_nfkc(reader *r, const json_t *j)
{
    (void)j;
    cmat_normalizer_add(cmat_tokenizer_spec_norm(r->s), CMAT_NORM_NFKC, NULL, NULL);
    return CMAT_OK;
}

static cmat_status norm_prepend(reader *r, const json_t *j)
{
    const char *text = cmat_json_str(j, "prepend", "");
    if (strcmp(text, META_SPACE) != 0)
        return unsupported(r, "normalizer Prepend of", text);
    r->s->prefix = CMAT_PREFIX_ALL;
    return CMAT_OK;
}

static cmat_status norm_replace(reader *r, const json_t *j)
{
    const json_t *pattern = json_object_get(j, "pattern");
    const char *from = cmat_json_str(pattern, "String", NULL);
    const char *regex = cmat_json_str(pattern, "Regex", NULL);
    const char *to = cmat_json_str(j, "content", NULL);
    if (!to || (!from && !regex) || (from && !*from))
        return broken(r, "a Replace without pattern or content");
    if (strlen(to) > MAX_REPLACEMENT)
        return unsupported(r, "normalizer Replace by", to);
    if (from && strcmp(from, " ") == 0 && strcmp(to, META_SPACE) == 0)
        r->s->meta_space = true;
    else if (from)
        cmat_normalizer_add(cmat_tokenizer_spec_norm(r->s), CMAT_NORM_REPLACE, from, to);
    else if (strcmp(regex, " {2,}") == 0)
        cmat_normalizer_add(cmat_tokenizer_spec_norm(r->s), CMAT_NORM_COLLAPSE, NULL, to);
    else
        return unsupported(r, "normalizer Replace of the pattern", regex);
    return CMAT_OK;
}

static cmat_status norm_strip(reader *r, const json_t *j)
{
    if (cmat_json_bool(j, "strip_left", true))
        cmat_normalizer_add(cmat_tokenizer_spec_norm(r->s), CMAT_NORM_TRIM_LEFT, NULL, NULL);
    if (cmat_json_bool(j, "strip_right", true))
        cmat_normalizer_add(cmat_tokenizer_spec_norm(r->s), CMAT_NORM_TRIM_RIGHT, NULL, NULL);
    return CMAT_OK;
}

static cmat_status norm_precompiled(reader *r, const json_t *j)
{
    const json_t *map = json_object_get(j, "precompiled_charsmap");
    size_t len = json_string_length(map), n = BASE64_DECODE_LENGTH(len);
    struct base64_decode_ctx ctx;
    cmat_status st;
    if (len == 0)
        return CMAT_OK;
    uint8_t *bytes = cmat_xmalloc(n + 1);
    base64_decode_init(&ctx);
    if (!base64_decode_update(&ctx, &n, bytes, len, json_string_value(map)) ||
        !base64_decode_final(&ctx))
        st = broken(r, "precompiled_charsmap is not base64");
    else
        st = cmat_normalizer_add_charsmap(cmat_tokenizer_spec_norm(r->s), bytes, n, r->err);
    free(bytes);
    return st;
}

static cmat_status norm_sequence(reader *r, const json_t *j);

static const component normalizers[] = {{"Sequence", norm_sequence},
                                        {"NFC", norm_nfc},
                                        {"NFKC", norm_nfkc},
                                        {"Prepend", norm_prepend},
                                        {"Replace", norm_replace},
                                        {"Strip", norm_strip},
                                        {"Precompiled", norm_precompiled},
                                        {0}};

static cmat_status norm_sequence(reader *r, const json_t *j)
{
    return sequence_run(r, "normalizer", normalizers, json_object_get(j, "normalizers"));
}

/* --- pre-tokenizers -------------------------------------------------------------------------- */

static cmat_status pattern_add(reader *r, const char *pattern)
{
    if (r->byte_level) /* it would see GPT-2's alphabet */
        return unsupported(r, "a pre_tokenizer behind", "ByteLevel");
    if (r->s->n_patterns == CMAT_PRETOK_STAGES)
        return broken(r, "too many pre-tokenizers");
    r->s->patterns[r->s->n_patterns++] = pattern;
    return CMAT_OK;
}

static cmat_status pre_byte_level(reader *r, const json_t *j)
{
    if (cmat_json_bool(j, "add_prefix_space", true)) {
        if (r->s->n_patterns > 0)
            return unsupported(r, "pre_tokenizer ByteLevel with", "add_prefix_space");
        r->s->prefix = CMAT_PREFIX_ALL;
        r->s->prefix_unless_there = true;
    }
    cmat_status st =
        cmat_json_bool(j, "use_regex", true) ? pattern_add(r, cmat_pretok_gpt2) : CMAT_OK;
    r->byte_level = true;
    return st;
}

/* The pattern that matches exactly this text. */
static const char *quoted(reader *r, const char *text)
{
    char *out = cmat_arena_alloc(&r->s->arena, 2 * strlen(text) + 1), *p = out;
    for (; *text; text++) {
        if (strchr("\\^$.[]|()?*+{}", *text))
            *p++ = '\\';
        *p++ = *text;
    }
    return out;
}

static cmat_status pre_split(reader *r, const json_t *j)
{
    const json_t *pattern = json_object_get(j, "pattern");
    const char *text = cmat_json_str(pattern, "String", NULL);
    const char *regex = cmat_json_str(pattern, "Regex", NULL);
    const char *behavior = cmat_json_str(j, "behavior", "");
    if ((!text || !*text) && !regex)
        return broken(r, "a Split without a pattern");
    /* Gemma's, which finds nothing: no space is left by then */
    if (text && strcmp(text, " ") == 0 && r->s->meta_space)
        return CMAT_OK;
    if (strcmp(behavior, "Isolated") != 0 || cmat_json_bool(j, "invert", false))
        return unsupported(r, "pre_tokenizer Split with behavior", behavior);
    r->any_split = true;
    return pattern_add(r, regex ? regex : quoted(r, text));
}

static cmat_status pre_digits(reader *r, const json_t *j)
{
    return pattern_add(r, cmat_json_bool(j, "individual_digits", false) ? "\\p{N}" : "\\p{N}+");
}

static cmat_status pre_punctuation(reader *r, const json_t *j)
{
    const char *behavior = cmat_json_str(j, "behavior", "Isolated");
    if (strcmp(behavior, "Isolated") == 0)
        return pattern_add(r, "[\\p{P}\\$\\+<=>\\^`\\|~]");
    if (strcmp(behavior, "Contiguous") == 0)
        return pattern_add(r, "[\\p{P}\\$\\+<=>\\^`\\|~]+");
    return unsupported(r, "pre_tokenizer Punctuation with behavior", behavior);
}

static cmat_status pre_metaspace(reader *r, const json_t *j)
{
    const char *scheme = cmat_json_str(
        j, "prepend_scheme", cmat_json_bool(j, "add_prefix_space", true) ? "always" : "never");
    cmat_tokenizer_spec *s = r->s;
    if (strcmp(cmat_json_str(j, "replacement", META_SPACE), META_SPACE) != 0)
        return unsupported(r, "pre_tokenizer Metaspace with", cmat_json_str(j, "replacement", ""));
    s->meta_space = true;
    s->split_spaces = cmat_json_bool(j, "split", true);
    if (strcmp(scheme, "always") == 0)
        s->prefix = CMAT_PREFIX_ALL;
    else if (strcmp(scheme, "first") == 0)
        s->prefix = CMAT_PREFIX_FIRST;
    else if (strcmp(scheme, "never") != 0)
        return unsupported(r, "pre_tokenizer Metaspace with prepend_scheme", scheme);
    s->prefix_unless_there = true;
    return CMAT_OK;
}

static cmat_status pre_sequence(reader *r, const json_t *j);

static const component pre_tokenizers[] = {{"Sequence", pre_sequence},
                                           {"ByteLevel", pre_byte_level},
                                           {"Split", pre_split},
                                           {"Digits", pre_digits},
                                           {"Punctuation", pre_punctuation},
                                           {"Metaspace", pre_metaspace},
                                           {0}};

static cmat_status pre_sequence(reader *r, const json_t *j)
{
    return sequence_run(r, "pre_tokenizer", pre_tokenizers, json_object_get(j, "pretokenizers"));
}

/* --- post-processors and decoders ------------------------------------------------------------ */

/* "<s> $A": the token before the text is the one that begins every sequence. */
static cmat_status post_template(reader *r, const json_t *j)
{
    const json_t *first = json_array_get(json_object_get(j, "single"), 0);
    const char *name = cmat_json_str(json_object_get(first, "SpecialToken"), "id", NULL);
    if (!name)
        return CMAT_OK;
    const json_t *ids =
        json_object_get(json_object_get(json_object_get(j, "special_tokens"), name), "ids");
    const json_t *id = json_array_get(ids, 0);
    if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
        return broken(r, "a TemplateProcessing without its special_tokens");
    r->s->bos = (int)json_integer_value(id);
    r->s->add_bos = true;
    return CMAT_OK;
}

static cmat_status post_sequence(reader *r, const json_t *j);

static const component post_processors[] = {{"Sequence", post_sequence},
                                            {"ByteLevel", NULL}, /* only about offsets */
                                            {"TemplateProcessing", post_template},
                                            {0}};

static cmat_status post_sequence(reader *r, const json_t *j)
{
    return sequence_run(r, "post_processor", post_processors, json_object_get(j, "processors"));
}

static cmat_status decode_byte_level(reader *r, const json_t *j)
{
    (void)j;
    r->byte_level = true;
    return CMAT_OK;
}

static cmat_status decode_replace(reader *r, const json_t *j)
{
    const char *from = cmat_json_str(json_object_get(j, "pattern"), "String", "");
    if (strcmp(from, META_SPACE) != 0 || strcmp(cmat_json_str(j, "content", ""), " ") != 0)
        return unsupported(r, "decoder Replace of", from);
    return CMAT_OK;
}

static cmat_status decode_sequence(reader *r, const json_t *j);

static const component decoders[] = {{"Sequence", decode_sequence},
                                     {"ByteLevel", decode_byte_level},
                                     {"Replace", decode_replace},
                                     {"ByteFallback", NULL},
                                     {"Fuse", NULL},
                                     {"Strip", NULL}, /* of the space that was put before */
                                     {"Metaspace", NULL},
                                     {0}};

static cmat_status decode_sequence(reader *r, const json_t *j)
{
    return sequence_run(r, "decoder", decoders, json_object_get(j, "decoders"));
}

/* --- models ---------------------------------------------------------------------------------- */

static cmat_status token_set(reader *r, int64_t id, const char *text, size_t len, double score,
                             bool byte_fallback)
{
    cmat_token_spec *k;
    cmat_status st = cmat_tokenizer_spec_token(r->s, id, &k, r->err);
    if (st != CMAT_OK)
        return st;
    if (k->s)
        return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: two tokens with the id %lld", r->what,
                         (long long)id);
    *k = (cmat_token_spec){.s = text, .len = len, .score = score};
    k->type =
        byte_fallback && cmat_token_byte(text, len) >= 0 ? CMAT_TOKEN_BYTE : CMAT_TOKEN_NORMAL;
    return CMAT_OK;
}

static bool merge_read(const json_t *j, cmat_merge_spec *m)
{
    if (json_is_string(j)) {
        const char *s = json_string_value(j);
        const size_t len = json_string_length(j);
        const char *space = len > 1 ? memchr(s + 1, ' ', len - 1) : NULL;
        if (!space)
            return false;
        *m = (cmat_merge_spec){s, space + 1, (size_t)(space - s), (size_t)(s + len - space - 1)};
        return true;
    }
    const json_t *a = json_array_get(j, 0), *b = json_array_get(j, 1);
    *m = (cmat_merge_spec){json_string_value(a), json_string_value(b), json_string_length(a),
                           json_string_length(b)};
    return json_array_size(j) == 2 && m->left && m->right;
}

static cmat_status bpe_read(reader *r, const json_t *j)
{
    const json_t *vocab = json_object_get(j, "vocab"), *merges = json_object_get(j, "merges");
    const json_t *item;
    const bool byte_fallback = cmat_json_bool(j, "byte_fallback", false);
    const char *key;
    size_t i;
    cmat_status st;
    cmat_tokenizer_spec *s = r->s;
    if (!json_is_object(vocab) || !json_is_array(merges))
        return broken(r, "the model has no vocab or no merges");
    if (*cmat_json_str(j, "continuing_subword_prefix", ""))
        return unsupported(r, "model BPE with", "continuing_subword_prefix");
    if (*cmat_json_str(j, "end_of_word_suffix", ""))
        return unsupported(r, "model BPE with", "end_of_word_suffix");
    if (cmat_json_num(j, "dropout", 0) > 0)
        return unsupported(r, "model BPE with", "dropout");
    s->model = r->byte_level ? CMAT_TOKENS_BYTE_BPE : CMAT_TOKENS_CHAR_BPE;
    s->ignore_merges = cmat_json_bool(j, "ignore_merges", false);
    s->separate_unk = !cmat_json_bool(j, "fuse_unk", false);
    json_object_foreach((json_t *)vocab, key, item)
    {
        if (!json_is_integer(item))
            return broken(r, "a token without an id");
        if ((st = token_set(r, json_integer_value(item), key, strlen(key), 0, byte_fallback)) !=
            CMAT_OK)
            return st;
    }
    s->merges = cmat_xgrow(NULL, &s->cap_merges, json_array_size(merges) + 1, sizeof *s->merges);
    json_array_foreach((json_t *)merges, i, item)
    {
        if (!merge_read(item, &s->merges[s->n_merges]))
            return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: merge %zu is not two tokens", r->what,
                             i);
        s->n_merges++;
    }
    const json_t *unk = json_object_get(vocab, cmat_json_str(j, "unk_token", ""));
    if (unk)
        s->unk = (int)json_integer_value(unk);
    return CMAT_OK;
}

static cmat_status unigram_read(reader *r, const json_t *j)
{
    const json_t *vocab = json_object_get(j, "vocab"), *item;
    const bool byte_fallback = cmat_json_bool(j, "byte_fallback", false);
    size_t i;
    cmat_status st;
    if (!json_is_array(vocab))
        return broken(r, "the model has no vocab");
    r->s->model = CMAT_TOKENS_UNIGRAM;
    json_array_foreach((json_t *)vocab, i, item)
    {
        const json_t *text = json_array_get(item, 0), *score = json_array_get(item, 1);
        if (!json_is_string(text) || !json_is_number(score))
            return cmat_fail(r->err, CMAT_ERR_FORMAT, "%s: token %zu is not a text and its score",
                             r->what, i);
        if ((st = token_set(r, (int64_t)i, json_string_value(text), json_string_length(text),
                            json_number_value(score), byte_fallback)) != CMAT_OK)
            return st;
    }
    int64_t unk = cmat_json_int(j, "unk_id", -1);
    if (unk < -1 || unk >= (int64_t)r->s->n_tokens)
        return broken(r, "unk_id is no token's");
    r->s->unk = (int)unk;
    if (unk >= 0)
        r->s->tokens[unk].type = CMAT_TOKEN_UNKNOWN;
    return CMAT_OK;
}

static const component models[] = {{"BPE", bpe_read}, {"Unigram", unigram_read}, {0}};

/* Old files do not name the model: BPE is the one with merges. */
static cmat_status model_read(reader *r, const json_t *j)
{
    if (json_is_object(j) && !json_object_get(j, "type") && json_object_get(j, "merges"))
        return bpe_read(r, j);
    if (!json_is_object(j))
        return broken(r, "no model");
    return component_run(r, "model", models, j);
}

/* --- the whole ------------------------------------------------------------------------------- */

cmat_status cmat_tokenizer_read_added(cmat_tokenizer_spec *s, int64_t id, const json_t *entry,
                                      const char *what, cmat_error *err)
{
    const json_t *text = json_object_get(entry, "content");
    cmat_token_spec *k;
    if (!json_is_string(text) || json_string_length(text) == 0)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: added token %lld has no content", what,
                         (long long)id);
    if (cmat_json_bool(entry, "single_word", false))
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "%s: added token \"%.64s\": single_word is not supported", what,
                         json_string_value(text));
    cmat_status st = cmat_tokenizer_spec_token(s, id, &k, err);
    if (st != CMAT_OK)
        return st;
    k->s = json_string_value(text);
    k->len = json_string_length(text);
    k->type = cmat_json_bool(entry, "special", false) ? CMAT_TOKEN_CONTROL : CMAT_TOKEN_USER;
    k->raw = !cmat_json_bool(entry, "normalized", false);
    k->strips_left = cmat_json_bool(entry, "lstrip", false);
    k->strips_right = cmat_json_bool(entry, "rstrip", false);
    return CMAT_OK;
}

static cmat_status added_read(reader *r, const json_t *list)
{
    const json_t *item;
    size_t i;
    cmat_status st = CMAT_OK;
    json_array_foreach((json_t *)list, i, item)
    {
        st = cmat_tokenizer_read_added(r->s, cmat_json_int(item, "id", -1), item, r->what, r->err);
        if (st != CMAT_OK)
            break;
    }
    return st;
}

static cmat_status combination_check(const reader *r)
{
    const cmat_tokenizer_spec *s = r->s;
    if (r->byte_level && s->model != CMAT_TOKENS_BYTE_BPE)
        return unsupported(r, "ByteLevel with another model than", "BPE");
    if (r->byte_level && s->meta_space)
        return unsupported(r, "ByteLevel together with", "Metaspace");
    if (s->meta_space && s->n_patterns > 0 && (r->any_split || s->split_spaces))
        return unsupported(r, "pre_tokenizer Split together with", "Metaspace");
    return CMAT_OK;
}

cmat_status cmat_tokenizer_read_json(cmat_tokenizer_spec *s, const json_t *file, const char *what,
                                     cmat_error *err)
{
    reader r = {.s = s, .what = what, .err = err};
    cmat_status st;
    if (!json_is_object(file))
        return broken(&r, "not a tokenizer");
    if ((st = component_run(&r, "normalizer", normalizers, json_object_get(file, "normalizer"))) !=
            CMAT_OK ||
        (st = component_run(&r, "pre_tokenizer", pre_tokenizers,
                            json_object_get(file, "pre_tokenizer"))) != CMAT_OK ||
        (st = component_run(&r, "post_processor", post_processors,
                            json_object_get(file, "post_processor"))) != CMAT_OK ||
        (st = component_run(&r, "decoder", decoders, json_object_get(file, "decoder"))) !=
            CMAT_OK ||
        (st = model_read(&r, json_object_get(file, "model"))) != CMAT_OK ||
        (st = combination_check(&r)) != CMAT_OK)
        return st;
    return added_read(&r, json_object_get(file, "added_tokens"));
}
