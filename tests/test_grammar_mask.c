/* tests/test_grammar_mask.c - whatever a random model writes under a constraint parses.
 *
 * Random logits go through the sequence, the sampler and the masks that the engine uses. The texts
 * are judged by others: jansson and tests/json_check.c, PCRE2, a parser written here.
 *
 * By hand: CMAT_GRAMMAR_WALKS=100000 asks for that many finished texts, CMAT_GRAMMAR_MODEL names a
 * GGUF whose vocabulary is used (default: the default model's, when it is there), CMAT_GRAMMAR_OUT
 * a file to write {"language", "grammar", "text"} lines to. */
#include "core/mem.h"
#include "core/rng.h"
#include "grammar/grammar.h"
#include "json_check.h"
#include "model/sequence.h"
#include "tiny_model.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef enum { REGEX, GBNF, SCHEMA, TAGGED } language;
static const char *const language_names[] = {"regex", "gbnf", "schema", "tagged"};

/* The grammar of the sums that sum_fits knows. */
static const char sums[] =
    "root  ::= sum\n"
    "sum   ::= term (ws [-+] ws term)*\n"
    "term  ::= factor ([*/] factor)*\n"
    "factor ::= num | \"(\" ws sum ws \")\" | \"-\" num\n"
    "num   ::= [0-9]{1,4} (\".\" [0-9]{2})?\n"
    "ws    ::= \" \"?\n";

static const struct {
    language l;
    const char *text;
} grammars[] = {
    {GBNF, sums},
    {REGEX, "(\\+\\d{1,3} )?\\(?\\d{3}\\)?[- ]\\d{4,7}( ext\\. [1-9]\\d*)?"},
    {REGEX, "[A-Z][a-z\xc3\xa9\xe2\x82\xac]{2,12}( [A-Z][a-z]{2,12}){0,3}"},
    {REGEX, "([^\\W\\d]\\w{0,7}\\.)*[^\\W\\d]\\w{0,7}@[a-z]{2,9}\\.(com|org|net)"},
    {SCHEMA,
     "{\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\", \"maxLength\": 20}, "
     "\"age\": {\"type\": \"integer\", \"minimum\": 0, \"maximum\": 120}, \"mail\": {\"type\": "
     "\"string\", \"pattern\": \"^[a-z0-9]{1,8}@[a-z]{1,8}[.]com$\"}, \"tags\": {\"type\": "
     "\"array\", \"items\": {\"enum\": [\"a\", \"b c\", 1.5, null, {\"x\": [1, 2]}]}, "
     "\"maxItems\": 4}}, \"required\": [\"name\", \"tags\"]}"},
    {SCHEMA,
     "{\"$defs\": {\"node\": {\"anyOf\": [{\"type\": \"null\"}, {\"type\": \"object\", "
     "\"properties\": {\"value\": {\"type\": \"number\", \"minimum\": -3, \"exclusiveMaximum\": "
     "1000}, \"left\": {\"$ref\": \"#/$defs/node\"}, \"right\": {\"$ref\": \"#/$defs/node\"}}, "
     "\"required\": [\"value\"]}]}}, \"$ref\": \"#/$defs/node\"}"},
    {SCHEMA,
     "{\"oneOf\": [{\"type\": \"object\", \"properties\": {\"tool\": {\"const\": \"search\"}, "
     "\"query\": {\"type\": \"string\", \"minLength\": 1, \"maxLength\": 30}}, \"required\": "
     "[\"tool\", \"query\"]}, {\"type\": \"object\", \"properties\": {\"tool\": {\"const\": "
     "\"add\"}, \"args\": {\"type\": \"array\", \"prefixItems\": [{\"type\": \"integer\"}, "
     "{\"type\": "
     "\"integer\"}], \"items\": {\"type\": \"boolean\"}, \"minItems\": 2}}, \"required\": "
     "[\"tool\", "
     "\"args\"]}]}"},
    {SCHEMA,
     "{\"properties\": {\"id\": {\"type\": \"integer\"}}, \"additionalProperties\": {\"type\": "
     "[\"string\", \"boolean\", \"null\"], \"maxLength\": 9}}"},
    {SCHEMA, "{\"type\": \"object\", \"properties\": {\"any\": {}}, \"required\": [\"any\"]}"},
    {SCHEMA, "{\"type\": \"array\", \"items\": {\"type\": \"string\"}, \"maxItems\": 3}"},
    {SCHEMA,
     "{\"type\": \"object\", \"properties\": {\"day\": {\"format\": \"date\"}, \"at\": "
     "{\"format\": "
     "\"date-time\"}, \"id\": {\"format\": \"uuid\"}}, \"required\": [\"day\", \"at\", \"id\"]}"},
    {TAGGED,
     "{\"type\": \"object\", \"properties\": {\"q\": {\"type\": \"integer\"}}, \"required\": "
     "[\"q\"]}"},
};
enum { N_GRAMMARS = sizeof grammars / sizeof *grammars };

/* ---- judges ---- */

static bool sum(const char **p);

static bool factor(const char **p)
{
    int n = 0, d = 0;
    if (**p == '(') {
        ++*p;
        *p += **p == ' ';
        if (!sum(p))
            return false;
        *p += **p == ' ';
        return *(*p)++ == ')';
    }
    *p += **p == '-';
    for (; **p >= '0' && **p <= '9'; ++*p)
        n++;
    if (**p == '.') {
        for (++*p; **p >= '0' && **p <= '9'; ++*p)
            d++;
        if (d != 2)
            return false;
    }
    return n >= 1 && n <= 4;
}

static bool term(const char **p)
{
    if (!factor(p))
        return false;
    while (**p == '*' || **p == '/') {
        ++*p;
        if (!factor(p))
            return false;
    }
    return true;
}

static bool sum(const char **p)
{
    if (!term(p))
        return false;
    for (;;) {
        const char *q = *p;
        q += *q == ' ';
        if (*q != '-' && *q != '+')
            return true;
        q++;
        q += *q == ' ';
        if (!term(&q))
            return false;
        *p = q;
    }
}

static bool json_text_fits(const char *schema, const char *text, size_t n)
{
    json_t *s = json_loads(schema, 0, NULL), *v = json_loadb(text, n, JSON_DECODE_ANY, NULL);
    const bool ok = s && v && json_fits(s, s, v);
    json_decref(s);
    json_decref(v);
    return ok;
}

static bool tags_fit(const char *schema, const char *text)
{
    while ((text = strstr(text, "<q>"))) {
        const char *end = strstr(text += 3, "</q>");
        if (!end || !json_text_fits(schema, text, (size_t)(end - text)))
            return false;
        text = end;
    }
    return true;
}

static bool fits(int g, const char *text, size_t n)
{
    const char *p = text;
    if (grammars[g].l == GBNF)
        return sum(&p) && *p == '\0';
    if (grammars[g].l == REGEX)
        return regex_fits(grammars[g].text, text, n, false);
    if (grammars[g].l == TAGGED)
        return tags_fit(grammars[g].text, text);
    return json_text_fits(grammars[g].text, text, n);
}

/* ---- the random model ---- */

static cmat_acceptor *compiled(int g)
{
    static const cmat_grammar_trigger tags = {"<q>", "</q>"};
    cmat_acceptor *a = NULL;
    cmat_error err = {0};
    cmat_status st = CMAT_OK;
    if (grammars[g].l == GBNF) {
        st = cmat_grammar_gbnf(&a, grammars[g].text, NULL, &err);
    } else if (grammars[g].l == REGEX) {
        st = cmat_grammar_regex(&a, grammars[g].text, NULL, &err);
    } else {
        json_t *s = json_loads(grammars[g].text, 0, NULL);
        assert_non_null(s);
        st = cmat_grammar_json_schema(&a, s, grammars[g].l == TAGGED ? &tags : NULL, &err);
        json_decref(s);
    }
    if (st != CMAT_OK)
        print_message("%s\n", err.msg);
    assert_int_equal(st, CMAT_OK);
    return a;
}

typedef struct {
    cmat_gguf *gguf;
    cmat_tokenizer *tokenizer;
    cmat_token_trie *trie;
    int n_vocab;
    float *noise; /* (2 * n_vocab): a step's logits begin anywhere in the first half */
    cmat_candidate *scratch;
    int closers[4]; /* the end, a quotation mark, brackets */
    cmat_rng rng;
} random_model;

static void random_model_open(random_model *m, const char *path)
{
    cmat_error err;
    assert_int_equal(cmat_gguf_open(&m->gguf, path, &err), CMAT_OK);
    assert_int_equal(cmat_tokenizer_new(&m->tokenizer, m->gguf, &err), CMAT_OK);
    m->trie = cmat_token_trie_new(m->tokenizer);
    m->n_vocab = cmat_tokenizer_n_vocab(m->tokenizer);
    m->noise = cmat_xcalloc((size_t)m->n_vocab * 2, sizeof *m->noise);
    m->scratch = cmat_xcalloc(CMAT_SAMPLE_ROOM(m->n_vocab), sizeof *m->scratch);
    m->closers[0] = cmat_tokenizer_eos(m->tokenizer);
    m->closers[1] = cmat_tokenizer_find(m->tokenizer, "\"");
    m->closers[2] = cmat_tokenizer_find(m->tokenizer, "]");
    m->closers[3] = cmat_tokenizer_find(m->tokenizer, "}");
    cmat_rng_init(&m->rng, 77);
    for (int i = 0; i < 2 * m->n_vocab; i++)
        m->noise[i] = (float)cmat_rng_normal(&m->rng) * 3;
}

static void random_model_close(random_model *m)
{
    cmat_token_trie_free(m->trie);
    cmat_tokenizer_free(m->tokenizer);
    cmat_gguf_close(m->gguf);
    free(m->noise);
    free(m->scratch);
}

/* The next token by random logits. One time in sixteen the model would rather close something:
 * texts that may go on for ever would else seldom end. */
static void advance(random_model *m, cmat_sequence *s)
{
    float *logits = m->noise + cmat_rng_below(&m->rng, (uint64_t)m->n_vocab), unused = 0;
    const int closer = m->closers[cmat_rng_below(&m->rng, 4)];
    float *raised = closer >= 0 && cmat_rng_below(&m->rng, 16) == 0 ? &logits[closer] : &unused;
    const float was = *raised;
    *raised = 100;
    cmat_sequence_advance(s, cmat_kernel_best(), logits, m->n_vocab, m->scratch);
    *raised = was;
}

/* One text; false: it did not end within max_tokens. */
static bool generate(random_model *m, cmat_mask_cache *masks, const cmat_acceptor *a,
                     int max_tokens, cmat_gen_result *r)
{
    const int32_t prompt = 1;
    const cmat_gen_request req = {
        .tokens = &prompt,
        .n_tokens = 1,
        .max_tokens = max_tokens,
        .constraint = a,
        .sampling = {.temperature = cmat_rng_below(&m->rng, 32) ? 0 : 1,
                     .top_p = 0.9f,
                     .repeat_penalty = 1,
                     .seed = cmat_rng_u64(&m->rng)},
    };
    cmat_sequence *s = cmat_sequence_new(&req, 1, m->tokenizer, (size_t)max_tokens + 2, masks);
    cmat_sequence_begin(s);
    while (!s->ended) {
        advance(m, s);
        if (s->mask && s->ended && s->finish == CMAT_FINISH_LENGTH)
            assert_true(s->n_tokens == s->n_limit); /* not: no token goes on */
    }
    cmat_sequence_deliver(s, true);
    cmat_sequence_result(s, r);
    cmat_sequence_free(s);
    return r->finish == CMAT_FINISH_STOP;
}

static void write_line(FILE *f, int g, const cmat_gen_result *r)
{
    json_t *j = json_pack("{s:s, s:s, s:s%}", "language", language_names[grammars[g].l], "grammar",
                          grammars[g].text, "text", r->text, r->text_len);
    json_dumpf(j, f, JSON_COMPACT);
    fputc('\n', f);
    json_decref(j);
}

/* n finished texts of every grammar, and no more than 4 n tries for them. */
static void walk(random_model *m, int n, FILE *out)
{
    const int max_tokens = m->n_vocab < 1000 ? 1500 : n < 10 ? 120 : 250;
    int total = 0;
    for (int g = 0; g < N_GRAMMARS; g++) {
        cmat_acceptor *a = compiled(g);
        cmat_mask_cache *masks = cmat_mask_cache_new(m->trie);
        int finished = 0, tries = 0;
        for (; finished < n && tries < 4 * n; tries++) {
            cmat_gen_result r;
            if (generate(m, masks, a, max_tokens, &r)) {
                if (!fits(g, r.text, r.text_len))
                    print_message("%s\n  does not fit %s\n", r.text, grammars[g].text);
                assert_true(fits(g, r.text, r.text_len));
                finished++;
                if (out)
                    write_line(out, g, &r);
            }
            cmat_gen_result_clear(&r);
        }
        if (out)
            print_message("%d finished of %d: %s %.50s\n", finished, tries,
                          language_names[grammars[g].l], grammars[g].text);
        total += finished;
        cmat_mask_cache_free(masks);
        cmat_acceptor_free(a);
    }
    assert_true(total >= N_GRAMMARS * n * 3 / 4);
}

static char *tiny_vocabulary(void)
{
    char *path = tiny_tmp_path("grammar.gguf");
    tiny_model_write(path, NULL);
    return path;
}

/* The vocabulary of a real model, or NULL: there is none. */
static char *real_vocabulary(void)
{
    const char *named = getenv("CMAT_GRAMMAR_MODEL"), *home = getenv("HOME");
    char *path = named
                     ? cmat_xstrdup(named)
                     : cmat_xasprintf("%s/.local/share/cmat/models/SmolLM2-135M-Instruct.Q4_1.gguf",
                                      home ? home : "");
    if (access(path, R_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static void test_everything_finished_parses(void **state)
{
    (void)state;
    const char *walks = getenv("CMAT_GRAMMAR_WALKS"), *out = getenv("CMAT_GRAMMAR_OUT");
    char *paths[] = {tiny_vocabulary(), real_vocabulary()};
    FILE *f = out ? fopen(out, "w") : NULL;
    for (int i = 0; i < 2; i++) {
        random_model m = {0};
        if (!paths[i])
            continue;
        random_model_open(&m, paths[i]);
        if (i == 1)
            walk(&m, walks ? atoi(walks) / N_GRAMMARS + 1 : 2, f);
        else
            walk(&m, paths[1] ? 20 : 120, NULL);
        random_model_close(&m);
    }
    if (f)
        fclose(f);
    unlink(paths[0]);
    free(paths[0]);
    free(paths[1]);
}

/* A mask put together from the innermost construct's is that of the plain walk. */
static void test_inner_masks(void **state)
{
    (void)state;
    char *real = real_vocabulary(), *tiny = tiny_vocabulary();
    random_model m = {0};
    random_model_open(&m, real ? real : tiny);
    for (int g = 0; g < N_GRAMMARS; g++) {
        cmat_acceptor *a = compiled(g);
        cmat_acceptor_ops plain_ops = *a->ops;
        const cmat_acceptor_ops *ops = a->ops;
        plain_ops.inner = NULL;
        cmat_mask_cache *shared = cmat_mask_cache_new(m.trie), *plain = cmat_mask_cache_new(m.trie);
        const size_t n_words = (size_t)(m.n_vocab + 63) / 64;
        for (int k = 0; k < (real ? 1 : 4); k++) {
            cmat_cursor c;
            cmat_cursor_start(&c, a);
            for (int i = 0; i < 12; i++) {
                const cmat_mask *x = cmat_mask_get(shared, a, &c), *y;
                size_t len;
                int32_t token;
                bool end;
                a->ops = &plain_ops;
                y = cmat_mask_get(plain, a, &c);
                a->ops = ops;
                assert_int_equal(x->allowed.n, y->allowed.n);
                assert_memory_equal(x->allowed.bits, y->allowed.bits, n_words * sizeof(uint64_t));
                assert_int_equal(x->n_forced, y->n_forced);
                end = x->n_text == 0;
                token = cmat_sample(cmat_kernel_best(),
                                    m.noise + cmat_rng_below(&m.rng, (uint64_t)m.n_vocab),
                                    m.n_vocab, &(cmat_sampling)CMAT_SAMPLING_DEFAULT, &x->allowed,
                                    NULL, 0, &m.rng, m.scratch);
                cmat_mask_put(shared, x);
                cmat_mask_put(plain, y);
                if (end || cmat_tokenizer_is_end(m.tokenizer, token))
                    break;
                const char *bytes = cmat_tokenizer_bytes(m.tokenizer, token, &len);
                assert_true(cmat_cursor_feed(&c, a, bytes, len));
            }
        }
        cmat_mask_cache_free(shared);
        cmat_mask_cache_free(plain);
        cmat_acceptor_free(a);
    }
    random_model_close(&m);
    unlink(tiny);
    free(tiny);
    free(real);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_finished_parses),
        cmocka_unit_test(test_inner_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
