/* Tokenizers from files: tiny ones with the components of real models, against the tokenizers and
 * sentencepiece libraries (tests/vectors/tokenizers.json); what must be refused; round trips. */
#include "core/fs.h"
#include "core/json.h"
#include "core/rng.h"
#include "model/tokenizer_files.h"
#include "model/tokenizer_internal.h"
#include "model_util.h"
#include <nettle/base64.h>
#include <string.h>

typedef struct {
    int32_t *ids;
    size_t n, cap;
} ids;

static char *folder; /* where a tokenizer's files are written */

static void file_write(const char *name, const void *data, size_t len)
{
    char *path = cmat_path_join(folder, name);
    assert_int_equal(cmat_write_file(path, data, len, NULL), CMAT_OK);
    free(path);
}

static void files_remove(void)
{
    static const char *const names[] = {"tokenizer.json",        "tokenizer.model",
                                        "qwen.tiktoken",         "model.gguf",
                                        "tokenizer_config.json", "generation_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = cmat_path_join(folder, names[i]);
        unlink(path);
        free(path);
    }
}

static void files_write(const json_t *files)
{
    const char *name;
    json_t *text;
    files_remove();
    json_object_foreach((json_t *)files, name, text)
    {
        const char *encoded = strstr(name, ":base64");
        const char *s = json_string_value(text);
        size_t len = strlen(s), n = BASE64_DECODE_LENGTH(len);
        if (!encoded) {
            file_write(name, s, len);
            continue;
        }
        struct base64_decode_ctx ctx;
        uint8_t *bytes = cmat_xmalloc(n + 1);
        char *plain = cmat_xstrndup(name, (size_t)(encoded - name));
        base64_decode_init(&ctx);
        assert_int_equal(base64_decode_update(&ctx, &n, bytes, len, s), 1);
        file_write(plain, bytes, n);
        free(plain);
        free(bytes);
    }
}

static cmat_status open_here(cmat_tokenizer **t, cmat_error *err)
{
    char *path = cmat_path_join(folder, "model.gguf");
    cmat_gguf *g = NULL;
    cmat_status st;
    if (!cmat_path_exists(path)) {
        st = cmat_tokenizer_open(t, folder, 0, err);
    } else if ((st = cmat_gguf_open(&g, path, err)) == CMAT_OK) {
        st = cmat_tokenizer_new(t, g, err);
        cmat_gguf_close(g);
    }
    free(path);
    return st;
}

static json_t *vectors_load(void)
{
    const char *root = getenv("CMAT_TEST_ROOT");
    char *path = cmat_xasprintf("%s/tests/vectors/tokenizers.json", root ? root : ".");
    cmat_error err = {0};
    json_t *j = cmat_json_load(path, &err);
    if (!j)
        fail_msg("%s", err.msg);
    free(path);
    return j;
}

/* The tokenizer of this name among the vectors. */
static cmat_tokenizer *vector_open(const json_t *all, const char *name)
{
    cmat_error err = {0};
    cmat_tokenizer *t = NULL;
    json_t *e;
    size_t i;
    json_array_foreach((json_t *)all, i, e)
    {
        if (strcmp(cmat_json_str(e, "name", ""), name) != 0)
            continue;
        files_write(json_object_get(e, "files"));
        if (open_here(&t, &err) != CMAT_OK)
            fail_msg("%s: %s", name, err.msg);
        return t;
    }
    fail_msg("no vector %s", name);
    return NULL;
}

static bool same(const cmat_tokenizer *t, const char *name, const json_t *text, const json_t *want,
                 bool special)
{
    ids got = {0};
    cmat_tokenizer_encode(t, json_string_value(text), json_string_length(text), special, &got.ids,
                          &got.n, &got.cap);
    bool ok = got.n == json_array_size(want);
    for (size_t i = 0; ok && i < got.n; i++)
        ok = got.ids[i] == json_integer_value(json_array_get(want, i));
    if (!ok) {
        print_error("%s (special %d): [%s]\n  got:", name, special, json_string_value(text));
        for (size_t i = 0; i < got.n; i++)
            print_error(" %d", got.ids[i]);
        char *s = json_dumps(want, JSON_COMPACT);
        print_error("\n  want: %s\n", s);
        free(s);
    }
    free(got.ids);
    return ok;
}

static void test_vectors(void **state)
{
    (void)state;
    json_t *all = vectors_load(), *e, *c;
    size_t i, k, failed = 0, checked = 0;
    json_array_foreach(all, i, e)
    {
        const char *name = cmat_json_str(e, "name", "");
        cmat_tokenizer *t = vector_open(all, name);
        json_array_foreach(json_object_get(e, "cases"), k, c)
        {
            const json_t *text = json_array_get(c, 0);
            if (!json_is_null(json_array_get(c, 1)))
                failed += !same(t, name, text, json_array_get(c, 1), false);
            failed += !same(t, name, text, json_array_get(c, 2), true);
            checked++;
        }
        cmat_tokenizer_free(t);
    }
    assert_true(checked > 500);
    assert_int_equal(failed, 0);
    json_decref(all);
}

static void test_named(void **state)
{
    (void)state;
    json_t *all = vectors_load();
    cmat_tokenizer *t = vector_open(all, "llama2");
    assert_int_equal(cmat_tokenizer_bos(t), 1);
    assert_int_equal(cmat_tokenizer_eos(t), 2);
    assert_true(cmat_tokenizer_add_bos(t) && cmat_tokenizer_is_end(t, 2));
    assert_true(cmat_tokenizer_is_special(t, 1));
    cmat_tokenizer_free(t);
    t = vector_open(all, "llama3"); /* the post-processor says it */
    assert_int_equal(cmat_tokenizer_bos(t), cmat_tokenizer_find(t, "<|im_start|>"));
    assert_true(cmat_tokenizer_add_bos(t));
    cmat_tokenizer_free(t);
    file_write("generation_config.json", "{\"eos_token_id\": [7, 421]}", 26);
    cmat_error err = {0};
    assert_int_equal(cmat_tokenizer_open(&t, folder, 500, &err), CMAT_OK);
    assert_true(cmat_tokenizer_is_end(t, 7) && cmat_tokenizer_is_end(t, 421));
    assert_int_equal(cmat_tokenizer_n_vocab(t), 500); /* rows without a token */
    size_t len = 1;
    (void)cmat_tokenizer_bytes(t, 499, &len);
    assert_int_equal(len, 0);
    cmat_tokenizer_free(t);
    t = vector_open(all, "qwen2");
    assert_int_equal(cmat_tokenizer_eos(t), cmat_tokenizer_find(t, "<|im_end|>"));
    assert_false(cmat_tokenizer_add_bos(t) || cmat_tokenizer_bos(t) >= 0);
    cmat_tokenizer_free(t);
    t = vector_open(all, "spm bpe"); /* the same vocabulary in both files */
    cmat_tokenizer *g = vector_open(all, "gguf spm");
    assert_int_equal(cmat_tokenizer_bos(t), cmat_tokenizer_bos(g));
    assert_string_equal(cmat_tokenizer_hash(t), cmat_tokenizer_hash(g));
    cmat_tokenizer_free(t);
    cmat_tokenizer_free(g);
    json_decref(all);
}

/* Any bytes come back, but for the space before them; and never a control token. */
static void test_round_trip(void **state)
{
    (void)state;
    static const char *const parts[] = {" hello", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xe6",
                                        "</s>",   "\xff",     "<0x41>",           "  ",
                                        "42",     "the"};
    static const struct {
        const char *name;
        size_t prefix;
    } kinds[] = {{"llama2", 1}, {"gemma", 0}, {"gguf spm", 1}, {"spm unigram bytes", 0}};
    json_t *all = vectors_load();
    cmat_rng rng;
    cmat_rng_init(&rng, 11);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        cmat_tokenizer *t = vector_open(all, kinds[k].name);
        for (int round = 0; round < 300; round++) {
            cmat_buf text = {0}, back = {0};
            ids got = {0};
            for (size_t n = cmat_rng_below(&rng, 40); n > 0; n--) {
                if (cmat_rng_below(&rng, 3) == 0)
                    cmat_buf_putc(&text, (char)(1 + cmat_rng_below(&rng, 255)));
                else
                    cmat_buf_puts(&text, parts[cmat_rng_below(&rng, 10)]);
            }
            const char *s = cmat_buf_str(&text);
            cmat_tokenizer_encode(t, s, text.len, false, &got.ids, &got.n, &got.cap);
            cmat_tokenizer_decode(t, got.ids, got.n, true, &back);
            for (size_t i = 0; i < got.n; i++)
                assert_false(cmat_tokenizer_is_special(t, got.ids[i]));
            /* spaces are gone from the ends and doubled ones are one */
            bool whole = strcmp(kinds[k].name, "spm unigram bytes") != 0 && !strstr(s, "\xe2\x96");
            if (whole && text.len > 0) {
                assert_int_equal(back.len, text.len + kinds[k].prefix);
                assert_memory_equal(back.data + kinds[k].prefix, s, text.len);
                assert_int_equal(cmat_tokenizer_normal_len(t, s, text.len, CMAT_TEXT_START),
                                 back.len);
            }
            free(got.ids);
            cmat_buf_clear(&text);
            cmat_buf_clear(&back);
        }
        cmat_tokenizer_free(t);
    }
    json_decref(all);
}

/* A megabyte without a place to cut it takes well under a second. */
static void test_long(void **state)
{
    (void)state;
    static const char *const kinds[] = {"llama2", "gguf spm", "spm unigram bytes", "qwen2"};
    json_t *all = vectors_load();
    const size_t n = 1 << 20;
    char *text = cmat_xmalloc(n);
    for (size_t k = 0; k < 4; k++) {
        cmat_tokenizer *t = vector_open(all, kinds[k]);
        for (const char *c = "a \xff"; *c; c++) {
            ids got = {0};
            memset(text, *c, n);
            cmat_tokenizer_encode(t, text, n, false, &got.ids, &got.n, &got.cap);
            assert_true(got.n > 0 || *c == ' ');
            free(got.ids);
        }
        cmat_tokenizer_free(t);
    }
    free(text);
    json_decref(all);
}

/* --- what is refused ------------------------------------------------------------------------- */

#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]"

static const struct {
    const char *text;
    cmat_status status;
    const char *says;
} refused[] = {
    {"{}", CMAT_ERR_FORMAT, "no model"},
    {"{\"model\":{\"type\":\"WordPiece\"}}", CMAT_ERR_UNSUPPORTED, "model \"WordPiece\""},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", CMAT_ERR_FORMAT, "id -1"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":99999999999},\"merges\":[]}}", CMAT_ERR_FORMAT,
     "id 99999999999"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", CMAT_ERR_FORMAT,
     "two tokens with the id 0"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}", CMAT_ERR_FORMAT,
     "merge 0"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}", CMAT_ERR_FORMAT,
     "merge 0"},
    {"{\"normalizer\":{\"type\":\"Lowercase\"},\"model\":{" VOCAB "}}", CMAT_ERR_UNSUPPORTED,
     "normalizer \"Lowercase\""},
    {"{\"pre_tokenizer\":{\"type\":\"Whitespace\"},\"model\":{" VOCAB "}}", CMAT_ERR_UNSUPPORTED,
     "pre_tokenizer \"Whitespace\""},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":"
     "\"Removed\"}"
     ",\"model\":{" VOCAB "}}",
     CMAT_ERR_UNSUPPORTED, "Removed"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?<=a)b\"},\"behavior\":"
     "\"Isolated\"},\"model\":{" VOCAB "}}",
     CMAT_ERR_UNSUPPORTED, "from byte 0"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a&&b]\"},\"behavior\":"
     "\"Isolated\"},\"model\":{" VOCAB "}}",
     CMAT_ERR_UNSUPPORTED, "from byte 2"},
    {"{\"decoder\":{\"type\":\"CTC\"},\"model\":{" VOCAB "}}", CMAT_ERR_UNSUPPORTED,
     "decoder \"CTC\""},
    {"{\"post_processor\":{\"type\":\"BertProcessing\"},\"model\":{" VOCAB "}}",
     CMAT_ERR_UNSUPPORTED, "BertProcessing"},
    {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA////"
     "\"},\"model\":{" VOCAB "}}",
     CMAT_ERR_FORMAT, "precompiled_charsmap"},
    {"{\"added_tokens\":[{\"id\":3,\"content\":\"x\",\"single_word\":true}],\"model\":{" VOCAB "}}",
     CMAT_ERR_UNSUPPORTED, "single_word"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1.0]],\"unk_id\":5}}", CMAT_ERR_FORMAT,
     "unk_id"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1e99]]}}", CMAT_ERR_FORMAT,
     "score of token 0"},
    {"{\"model\":{" VOCAB "}", CMAT_ERR_FORMAT, "line 1"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        cmat_error err = {0};
        cmat_tokenizer *t = NULL;
        files_remove();
        file_write("tokenizer.json", refused[i].text, strlen(refused[i].text));
        cmat_status st = cmat_tokenizer_open(&t, folder, 0, &err);
        if (st != refused[i].status || !strstr(err.msg, refused[i].says))
            fail_msg("%s: %d, %s", refused[i].text, st, err.msg);
        assert_null(t);
    }
    cmat_error err = {0};
    cmat_tokenizer *t = NULL;
    files_remove();
    assert_int_equal(cmat_tokenizer_open(&t, folder, 0, &err), CMAT_ERR_NOT_FOUND);
}

/* A control token is not merged together out of plain text. */
static void test_no_merged_control(void **state)
{
    (void)state;
    static const char text[] =
        "{\"added_tokens\":[{\"id\":2,\"content\":\"ab\",\"special\":true}],\"model\":{" VOCAB "}}";
    cmat_error err = {0};
    cmat_tokenizer *t = NULL;
    ids got = {0};
    files_remove();
    file_write("tokenizer.json", text, strlen(text));
    assert_int_equal(cmat_tokenizer_open(&t, folder, 0, &err), CMAT_OK);
    cmat_tokenizer_encode(t, "ab", 2, false, &got.ids, &got.n, &got.cap);
    assert_int_equal(got.n, 2);
    got.n = 0;
    cmat_tokenizer_encode(t, "ab", 2, true, &got.ids, &got.n, &got.cap);
    assert_int_equal(got.n, 1);
    free(got.ids);
    cmat_tokenizer_free(t);
}

/* What tuning learns from is the assistant's text, whatever the tokenizer puts before it. */
static void test_chat_mask(void **state)
{
    (void)state;
    static const char template[] =
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} "
        "[/INST]{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}";
    json_t *all = vectors_load();
    json_t *talk =
        json_pack("[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]", "role", "user", "content",
                  "  h\xc3\xa9  </s>x", "role", "assistant", "content",
                  "the \xe2\x96\x81 \xf0\x9f\x98\x80 answer", "role", "user", "content", "more");
    static const char *const kinds[] = {"llama2", "mistral"};
    for (size_t k = 0; k < 2; k++) {
        cmat_error err = {0};
        cmat_model m = {.tokenizer = vector_open(all, kinds[k])};
        cmat_buf masked = {0}, whole = {0};
        int32_t *tokens;
        uint8_t *mask;
        size_t n, ends = 0;
        assert_int_equal(cmat_chat_template_new(&m.chat_template, template, strlen(template), &err),
                         CMAT_OK);
        if (cmat_model_chat_tokens(&m, talk, false, &tokens, &mask, &n, &err) != CMAT_OK)
            fail_msg("%s", err.msg);
        for (size_t i = 0; i < n; i++) {
            ends += tokens[i] == 2;
            cmat_tokenizer_decode(m.tokenizer, &tokens[i], 1, true, mask[i] ? &masked : &whole);
        }
        assert_int_equal(ends, k == 0); /* "mistral" has no name for it */
        assert_string_equal(cmat_buf_str(&masked), k == 0 ? " the   \xf0\x9f\x98\x80 answer</s>"
                                                          : " the   \xf0\x9f\x98\x80 answer");
        free(tokens);
        free(mask);
        cmat_buf_clear(&masked);
        cmat_buf_clear(&whole);
        cmat_chat_template_free(m.chat_template);
        cmat_tokenizer_free(m.tokenizer);
    }
    json_decref(talk);
    json_decref(all);
}

/* A model without a template has that of its control tokens. */
static void test_default_template(void **state)
{
    (void)state;
    static const struct {
        const char *start, *end, *want;
        bool special;
    } cases[] = {
        {"<start_of_turn>", "<end_of_turn>",
         "<B><start_of_turn>user\nS\n\nQ<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n"
         "<start_of_turn>model\n",
         true},
        {"<|start_header_id|>", "<|eot_id|>",
         "<B><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
         "<|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|>"
         "<|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|>"
         "<|start_header_id|>assistant<|end_header_id|>\n\n",
         true},
        {"<start_of_turn>", "<end_of_turn>",
         "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n"
         "<|im_start|>assistant\nA<|im_end|>\n<|im_start|>assistant\n",
         false},
    };
    json_t *vars =
        json_pack("{s:s, s:b, s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]}", "bos_token", "<B>",
                  "add_generation_prompt", 1, "messages", "role", "system", "content", "S", "role",
                  "user", "content", "Q", "role", "assistant", "content", "A");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = cmat_xasprintf(
            "{\"added_tokens\":[{\"id\":3,\"content\":\"%s\",\"special\":%s},"
            "{\"id\":4,\"content\":\"%s\",\"special\":%s}],"
            "\"model\":{" VOCAB "}}",
            cases[i].start, cases[i].special ? "true" : "false", cases[i].end,
            cases[i].special ? "true" : "false");
        cmat_error err = {0};
        cmat_tokenizer *t = NULL;
        cmat_chat_template *template = NULL;
        cmat_buf out = {0};
        files_remove();
        file_write("tokenizer.json", text, strlen(text));
        if (cmat_tokenizer_open(&t, folder, 0, &err) != CMAT_OK)
            fail_msg("%s", err.msg);
        const char *source = cmat_chat_template_default(t);
        assert_int_equal(cmat_chat_template_new(&template, source, strlen(source), &err), CMAT_OK);
        assert_int_equal(cmat_chat_template_render(template, vars, &out, &err), CMAT_OK);
        assert_string_equal(cmat_buf_str(&out), cases[i].want);
        cmat_buf_clear(&out);
        cmat_chat_template_free(template);
        cmat_tokenizer_free(t);
        free(text);
    }
    json_decref(vars);
}

/* A SentencePiece model cut at each length is an error or a smaller model, never a crash; so is one
 * with a byte changed. */
static void test_spm_broken(void **state)
{
    (void)state;
    json_t *all = vectors_load();
    cmat_tokenizer_free(vector_open(all, "spm unigram"));
    char *path = cmat_path_join(folder, "tokenizer.model"), *data;
    size_t len, failed = 0;
    assert_int_equal(cmat_read_file(path, 1 << 20, &data, &len, NULL), CMAT_OK);
    for (size_t i = 0; i < len; i += 1 + len / 700) {
        for (int flip = 0; flip < 2; flip++) {
            cmat_tokenizer_spec s;
            cmat_tokenizer *t = NULL;
            cmat_error err = {0};
            char *copy = cmat_xstrndup(data, flip ? len : i);
            if (flip)
                copy[i] = (char)(copy[i] ^ 0x55);
            cmat_tokenizer_spec_init(&s);
            cmat_status st = cmat_tokenizer_read_spm(&s, copy, flip ? len : i, "m", &err);
            if (st == CMAT_OK)
                st = cmat_tokenizer_build(&t, &s, &err);
            failed += st != CMAT_OK;
            assert_true((st == CMAT_OK) == (t != NULL) && (t || err.msg[0]));
            cmat_tokenizer_free(t);
            cmat_tokenizer_spec_clear(&s);
            free(copy);
        }
    }
    assert_true(failed > 100);
    free(data);
    free(path);
    json_decref(all);
}

/* "<0x-1>" and the like once wrote outside a table elsewhere: they name no byte. */
static void test_byte_tokens(void **state)
{
    (void)state;
    static const char *const not_bytes[] = {"<0x-1>",  "<0x+1>",    "<0x 1>", "<0x1>",
                                            "<0x100>", "<0xGG>",    "<0xaf>", "<0x41",
                                            "0x41>",   "<0x4\x01>", "<0X41>", ""};
    for (size_t i = 0; i < sizeof not_bytes / sizeof *not_bytes; i++)
        assert_int_equal(cmat_token_byte(not_bytes[i], strlen(not_bytes[i])), -1);
    assert_int_equal(cmat_token_byte("<0x\0\0>", 6), -1);
    assert_int_equal(cmat_token_byte("<0x00>", 6), 0);
    assert_int_equal(cmat_token_byte("<0xFF>", 6), 255);
}

static int setup(void **state)
{
    (void)state;
    folder = tiny_tmp_path("tokenizers");
    return cmat_mkdir_p(folder, NULL) == CMAT_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    files_remove();
    rmdir(folder);
    free(folder);
    return 0;
}

/* The ranks of a vocabulary in the first Qwen's form: the same tokens come of them. */
static void test_tiktoken(void **state)
{
    (void)state;
    json_t *all = vectors_load(), *e, *c;
    cmat_tokenizer *from = vector_open(all, "qwen2"), *t = NULL;
    cmat_buf ranks = {0};
    cmat_error err = {0};
    size_t i, k;
    int n = 0;
    for (int id = 0; id < 420; id++) { /* behind them: what was added */
        size_t len;
        const char *bytes = cmat_tokenizer_bytes(from, id, &len);
        char text[512];
        assert_true(BASE64_ENCODE_RAW_LENGTH(len) < sizeof text);
        base64_encode_raw(text, len, (const uint8_t *)bytes);
        cmat_buf_printf(&ranks, "%.*s %d\n", (int)BASE64_ENCODE_RAW_LENGTH(len), text, id);
    }
    files_remove();
    file_write("qwen.tiktoken", ranks.data, ranks.len);
    if (open_here(&t, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(cmat_tokenizer_n_vocab(t), 420 + 3 + 205);
    assert_int_equal(cmat_tokenizer_find(t, "<|im_end|>"), 422);
    assert_int_equal(cmat_tokenizer_find(t, "<|extra_204|>"), 420 + 3 + 204);
    assert_true(cmat_tokenizer_is_special(t, 421) && cmat_tokenizer_is_end(t, 422));
    json_array_foreach(all, i, e) if (strcmp(cmat_json_str(e, "name", ""), "qwen2") == 0)
        json_array_foreach(json_object_get(e, "cases"), k, c)
    {
        const json_t *text = json_array_get(c, 0), *want = json_array_get(c, 1);
        if (!json_is_array(want) || strstr(json_string_value(text), "[["))
            continue;
        assert_true(same(t, "qwen.tiktoken", text, want, false));
        n++;
    }
    assert_true(n > 40);
    cmat_tokenizer_free(t);
    cmat_tokenizer_free(from);
    static const char *const bad[] = {
        "aGk= x\n", "aGk=\n", "!! 3\n", "aGk= 1\naGk= 1\n", "", "aGk= 99999999999\n", "= 0\n"};
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        file_write("qwen.tiktoken", bad[i], strlen(bad[i]));
        assert_int_equal(open_here(&t, &err), CMAT_ERR_FORMAT);
        assert_true(strstr(err.msg, "qwen.tiktoken") && !strchr(err.msg, '\n'));
    }
    files_remove();
    cmat_buf_clear(&ranks);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_tiktoken),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_merged_control),
        cmocka_unit_test(test_chat_mask),
        cmocka_unit_test(test_default_template),
        cmocka_unit_test(test_spm_broken),
        cmocka_unit_test(test_byte_tokens),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
