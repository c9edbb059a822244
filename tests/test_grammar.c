/* tests/test_grammar.c - which texts the acceptors of src/grammar take, and what their readers
 * refuse. */
#include "core/buf.h"
#include "core/mem.h"
#include "core/rng.h"
#include "grammar/grammar.h"
#include "json_check.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 2: a whole accepted text; 1: the beginning of one; 0: refused. */
static int feed(const cmat_acceptor *a, const char *text, size_t n)
{
    char st[CMAT_ACCEPTOR_STATE_MAX] = {0};
    a->ops->start(a, st);
    for (size_t i = 0; i < n; i++)
        if (!a->ops->step(a, st, (uint8_t)text[i]))
            return 0;
    return a->ops->done(a, st) ? 2 : 1;
}

typedef enum { REGEX, GBNF, SCHEMA } language;

static cmat_status compile(cmat_acceptor **a, language l, const char *text,
                           const cmat_grammar_trigger *t, cmat_error *err)
{
    cmat_status st;
    json_error_t je;
    json_t *j;
    if (l == REGEX)
        return cmat_grammar_regex(a, text, t, err);
    if (l == GBNF)
        return cmat_grammar_gbnf(a, text, t, err);
    j = json_loads(text, JSON_DECODE_ANY, &je);
    assert_non_null(j);
    st = cmat_grammar_json_schema(a, j, t, err);
    json_decref(j);
    return st;
}

static cmat_acceptor *compiled(language l, const char *text)
{
    cmat_acceptor *a = NULL;
    cmat_error err = {0};
    if (compile(&a, l, text, NULL, &err) != CMAT_OK)
        print_message("%s: %s\n", text, err.msg);
    assert_non_null(a);
    return a;
}

typedef struct {
    language l;
    const char *grammar;
    const char *yes[8], *begun[4], *no[10];
} example;

static const example examples[] = {
    {REGEX, "a|bc*", {"a", "b", "bcc"}, {""}, {"ab", "c", "ac"}},
    {REGEX,
     "^(?:[^x-z\\d]{2,3})$",
     {"ab", "abc", "\xc3\xa9\xe2\x82\xac"},
     {"", "a"},
     {"abcd", "ax", "a1"}},
    {REGEX, "\\w+@\\w+\\.(com|org)", {"a_1@b.com"}, {"a@b."}, {"a@b.net", "@b.com"}},
    {REGEX, "(a*)*b?", {"", "aaa", "aab"}, {NULL}, {"ba"}},
    {REGEX,
     "x{0}y{2}|\\u00e9\\x41\\.",
     {"yy",
      "\xc3\xa9"
      "A."},
     {"y"},
     {"xyy", "yyy"}},
    {REGEX, ".\\s\\S", {"\xf0\x9f\x98\x80\na"}, {"a "}, {"\n a", "a  "}},
    {REGEX, "a{,2}{", {"a{,2}{"}, {"a{"}, {"aa{"}},
    {GBNF,
     "# comment\nroot ::= item (\",\" item)* # list\nitem ::= [a-c]+ |\n  \"\\x41\\n\"\n",
     {"a", "abc,A\n,b"},
     {"a,"},
     {"", "d", ",a"}},
    {GBNF,
     "root ::= expr\nexpr ::= term ([-+] expr)?\nterm ::= [0-9] | \"(\" expr \")\"\n",
     {"1", "(1+2)-3", "((((((((1))))))))"},
     {"(1", "1+"},
     {"1)", "()", "+1"}},
    {GBNF, "root ::= \"a\" root \"b\" | \"\"", {"", "ab", "aaabbb"}, {"aab"}, {"aabbb", "ba"}},
    {GBNF,
     "root ::= [^\"\\\\]{2,3} .?\n",
     {"ab", "abcd", "ab\xe2\x82\xac"},
     {"a"},
     {"a\"", "abcde"}},
    {GBNF, "root::=(\n\"a\"\n|\n\"b\")+\n\n", {"a", "bab"}, {""}, {"c"}},
    {SCHEMA,
     "{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}, \"b\": {\"enum\": "
     "[\"x\", 1.5, null, [1, {\"k\": true}]]}, \"c\": {\"type\": \"boolean\"}}, \"required\": "
     "[\"b\"]}",
     {"{\"a\": -12, \"b\": \"x\", \"c\": true}", "{\"b\": 1.5}", "{\"b\": [1, {\"k\": true}]}"},
     {"{\"a\": 1", "{"},
     {"{}", "{\"a\": 1}", "{\"a\":1", "{\"b\": 2}", "{\"c\"", "{\"b\": null, \"d\"", "{\"a\": 01"}},
    {SCHEMA,
     "{\"additionalProperties\": {\"type\": \"null\"}, \"properties\": {\"ab\": {\"const\": 1}, "
     "\"ac\": false}}",
     {"{}", "{\"ab\": 1}", "{\"a\": null, \"abc\": null}", "{\"ab\": 1, \"\": null}"},
     {"{\"ab\": 1, \"a"},
     {"{\"ab\": null", "{\"ac\":", "{\"x\": 1"}},
    {SCHEMA,
     "{\"type\": \"array\", \"prefixItems\": [{\"const\": \"p\"}, {\"const\": 2}], \"items\": "
     "{\"type\": \"null\"}, \"minItems\": 1, \"maxItems\": 4}",
     {"[\"p\"]", "[\"p\", 2]", "[\"p\", 2, null, null]"},
     {"[", "[\"p\", 2, null, null"},
     {"[]", "[2", "[\"p\", null", "[\"p\", 2, null, null, null"}},
    {SCHEMA,
     "{\"type\": \"array\", \"maxItems\": 2}",
     {"[]", "[1, {\"a\": [true]}]"},
     {"[1,"},
     {"[1, 2, 3", "[1,2"}},
    {SCHEMA,
     "{\"type\": \"string\", \"pattern\": \"^a[\\\"\\\\n]*$\"}",
     {"\"a\"", "\"a\\\"\\n\""},
     {"\"a\\"},
     {"\"b", "\"ab", "a"}},
    {SCHEMA,
     "{\"type\": \"string\", \"pattern\": \"b\"}",
     {"\"b\"", "\"abc\\u0001\""},
     {"\"a"},
     {"\"a\""}},
    {SCHEMA,
     "{\"type\": \"string\", \"minLength\": 2, \"maxLength\": 3}",
     {"\"a\xe2\x82\xac\"", "\"\\n\\n\\n\""},
     {"\"a"},
     {"\"a\"", "\"abcd"}},
    {SCHEMA,
     "{\"type\": \"string\"}",
     {"\"\"", "\"\\u00e9\\ud83d\\ude00 x\"", "\"\\/\""},
     {"\"\\ud83d"},
     {"\"\\ud83d\"", "\"\\ude00", "\"\\u0000", "\"\n", "\"\\x"}},
    {SCHEMA,
     "{\"type\": \"integer\", \"minimum\": -5, \"maximum\": 120}",
     {"-5", "0", "99", "120"},
     {"-"},
     {"-6", "121", "1.0", "-0", "007"}},
    {SCHEMA,
     "{\"type\": \"integer\", \"exclusiveMinimum\": 1234}",
     {"1235", "9999", "10000"},
     {"12", "1234"},
     {"0", "-1", "a"}},
    {SCHEMA,
     "{\"type\": \"number\", \"exclusiveMinimum\": 0, \"maximum\": 10}",
     {"0.5", "10", "9.99", "10.0"},
     {"0", "0."},
     {"-1", "11", "10.1"}},
    {SCHEMA,
     "{\"type\": \"number\", \"minimum\": -2, \"exclusiveMaximum\": 0}",
     {"-2", "-1.25", "-0.1"},
     {"-0"},
     {"0", "-3", "-2.1"}},
    {SCHEMA, "{\"type\": \"integer\"}", {"0", "-7", "10"}, {"-"}, {"-0", "1.0", "01"}},
    {SCHEMA, "{\"type\": \"number\"}", {"0", "-1.5e-10", "1E5"}, {"1.", "1e"}, {"01", ".5", "+1"}},
    {SCHEMA,
     "{\"format\": \"date\"}",
     {"\"2024-02-29\"", "\"1999-12-31\""},
     {"\"2023-02-2"},
     {"\"2023-02-29", "\"2023-04-31", "\"2023-13", "\"1900-02-29", "\"0000-"}},
    {SCHEMA,
     "{\"format\": \"date-time\"}",
     {"\"2024-02-29T23:59:59Z\"", "\"2000-01-01T00:00:00.5+01:00\""},
     {"\"2024-02-29"},
     {"\"2024-02-29 ", "\"2024-02-29T24"}},
    {SCHEMA,
     "{\"format\": \"ipv4\"}",
     {"\"255.0.10.1\""},
     {"\"1.2.3."},
     {"\"256", "\"1.2.3.4.5", "\"01"}},
    {SCHEMA,
     "{\"$defs\": {\"tree\": {\"type\": \"object\", \"properties\": {\"v\": {\"type\": "
     "\"integer\"}, "
     "\"kids\": {\"type\": \"array\", \"items\": {\"$ref\": \"#/$defs/tree\"}}}, \"required\": "
     "[\"v\", \"kids\"]}}, \"$ref\": \"#/$defs/tree\"}",
     {"{\"v\": 1, \"kids\": []}", "{\"v\": 1, \"kids\": [{\"v\": 2, \"kids\": []}]}"},
     {"{\"v\": 1, \"kids\": [{"},
     {"{\"v\": 1}", "{\"kids\""}},
    {SCHEMA,
     "{\"oneOf\": [{\"type\": \"object\", \"properties\": {\"k\": {\"const\": 1}, \"x\": "
     "{\"type\": "
     "\"null\"}}, \"required\": [\"k\"]}, {\"type\": \"object\", \"properties\": {\"k\": "
     "{\"enum\": "
     "[2, 3]}}, \"required\": [\"k\"]}, {\"type\": [\"integer\", \"null\"]}]}",
     {"{\"k\": 1, \"x\": null}", "{\"k\": 3}", "7", "null"},
     {"{\"k\": "},
     {"{\"k\": 2, \"x\"", "\"s\"", "{}"}},
    {SCHEMA,
     "{}",
     {"[{}, [], \"\", 0, null]", "{\"a\": {\"b\": [1, 2]}}", "true"},
     {"{\"a\""},
     {"{\"a\":1", "[,", "tru "}},
};

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const example *e = &examples[i];
        cmat_acceptor *a = compiled(e->l, e->grammar);
        const char *const *lists[] = {e->no, e->begun, e->yes};
        const size_t sizes[] = {10, 4, 8};
        for (int want = 0; want < 3; want++) {
            for (size_t k = 0; k < sizes[want] && lists[want][k]; k++) {
                const char *text = lists[want][k];
                const int got = feed(a, text, strlen(text));
                /* what "no" lists is no whole text; it may be the beginning of one */
                if (want == 0 ? got == 2 : got != want)
                    print_message("%d, not %d: %s  in  %s\n", got, want, text, e->grammar);
                assert_true(want == 0 ? got != 2 : got == want);
            }
        }
        cmat_acceptor_free(a);
    }
}

static const struct {
    language l;
    const char *grammar;
    cmat_status status;
    const char *message; /* part of it */
} refusals[] = {
    {REGEX, "a(b", CMAT_ERR_FORMAT, "column 2 of \"a(b\": \"(\" without"},
    {REGEX, "a)b", CMAT_ERR_FORMAT, "column 2"},
    {REGEX, "[a", CMAT_ERR_FORMAT, "\"[\" without"},
    {REGEX, "[b-a]", CMAT_ERR_FORMAT, "range"},
    {REGEX, "*a", CMAT_ERR_FORMAT, "nothing to repeat"},
    {REGEX, "a**", CMAT_ERR_UNSUPPORTED, "two repetitions"},
    {REGEX, "a{3,2}", CMAT_ERR_FORMAT, "least count"},
    {REGEX, "(?=a)", CMAT_ERR_UNSUPPORTED, "look-around"},
    {REGEX, "(?<!a)b", CMAT_ERR_UNSUPPORTED, "look-around"},
    {REGEX, "(a)\\1", CMAT_ERR_UNSUPPORTED, "\\1 is not supported"},
    {REGEX, "\\bx", CMAT_ERR_UNSUPPORTED, "\\b is not supported"},
    {REGEX, "a^b", CMAT_ERR_UNSUPPORTED, "column 2"},
    {REGEX, "^a|b$", CMAT_ERR_UNSUPPORTED, "beside \"|\""},
    {REGEX, "\\u12", CMAT_ERR_FORMAT, "hexadecimal"},
    {REGEX, "\\ud800", CMAT_ERR_UNSUPPORTED, "surrogate"},
    {REGEX, "a\xff", CMAT_ERR_FORMAT, "not UTF-8"},
    {REGEX, "((a{1000}){1000}){1000}", CMAT_ERR_LIMIT, "places"},
    {REGEX, "(((((){99999}){99999}){99999}){99999}a", CMAT_ERR_FORMAT, "\"(\" without"},
    {REGEX, "[^\\s\\S]", CMAT_ERR_FORMAT, "never ends"},
    {GBNF, "root ::= a\na ::= a \"x\" | \"y\"\n", CMAT_ERR_UNSUPPORTED,
     "line 2, column 1: rule \"a\" begins with itself"},
    {GBNF, "root ::= b?\n  b root \"x\"", CMAT_ERR_FORMAT, "line 2, column 5"},
    {GBNF, "root ::= e root \"x\" | \"y\"\ne ::= \"z\"?", CMAT_ERR_UNSUPPORTED,
     "line 1, column 1: rule \"root\" begins with itself"},
    {GBNF, "root ::= \"a\" missing", CMAT_ERR_FORMAT,
     "line 1, column 14: rule \"missing\" is not defined"},
    {GBNF, "main ::= \"a\"", CMAT_ERR_FORMAT, "no rule named \"root\""},
    {GBNF, "root ::= \"a\"\nroot ::= \"b\"", CMAT_ERR_FORMAT,
     "line 2, column 1: the rule is defined a second time"},
    {GBNF, "root ::= \"a", CMAT_ERR_FORMAT, "line 1, column 10: the literal does not end"},
    {GBNF, "root ::= <think>", CMAT_ERR_UNSUPPORTED, "tokens"},
    {GBNF, "root ::= \"a\" root", CMAT_ERR_FORMAT, "never ends"},
    {GBNF, "root ::= [z-a]", CMAT_ERR_FORMAT, "range"},
    {GBNF, "root ::= \"a\"{2", CMAT_ERR_FORMAT, "repetition"},
    {GBNF, "root ::= \"\\q\"", CMAT_ERR_FORMAT, "line 1, column 11: not an escape"},
    {GBNF, "", CMAT_ERR_FORMAT, "no rule"},
    {SCHEMA, "{\"properties\": {\"a\": {\"contains\": {}}}}", CMAT_ERR_UNSUPPORTED,
     "#/properties/a: keyword \"contains\" is not supported"},
    {SCHEMA, "{\"type\": \"text\"}", CMAT_ERR_FORMAT, "no type \"text\""},
    {SCHEMA, "{\"$ref\": \"#/$defs/x\"}", CMAT_ERR_FORMAT, "there is no"},
    {SCHEMA, "{\"$ref\": \"http://x/y\"}", CMAT_ERR_UNSUPPORTED, "leads out"},
    {SCHEMA, "{\"$ref\": \"#\"}", CMAT_ERR_UNSUPPORTED, "begins with itself"},
    {SCHEMA,
     "{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"properties\": {\"b\": {\"$ref\": "
     "\"#/$defs/a\"}}, \"required\": [\"b\"]}}}",
     CMAT_ERR_FORMAT, "never ends"},
    {SCHEMA, "{\"oneOf\": [{\"type\": \"integer\"}, {\"type\": \"number\"}]}", CMAT_ERR_UNSUPPORTED,
     "number 0 and number 1"},
    {SCHEMA, "{\"type\": \"string\", \"pattern\": \"(?=a)\"}", CMAT_ERR_UNSUPPORTED,
     "#: \"pattern\": column 1"},
    {SCHEMA, "{\"type\": \"string\", \"format\": \"uri\"}", CMAT_ERR_UNSUPPORTED, "\"uri\""},
    {SCHEMA, "{\"type\": \"string\", \"minLength\": 1, \"pattern\": \"a\"}", CMAT_ERR_UNSUPPORTED,
     "more than one"},
    {SCHEMA, "{\"properties\": {\"a\": false}, \"required\": [\"a\"]}", CMAT_ERR_FORMAT,
     "never ends"},
    {SCHEMA, "{\"type\": \"number\", \"minimum\": 0.5}", CMAT_ERR_UNSUPPORTED, "not whole"},
    {SCHEMA, "{\"items\": [{}]}", CMAT_ERR_UNSUPPORTED, "prefixItems"},
    {SCHEMA, "{\"minLength\": 1000000}", CMAT_ERR_LIMIT, "minLength"},
    {SCHEMA, "3", CMAT_ERR_FORMAT, "a schema is wanted"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        cmat_acceptor *a = (cmat_acceptor *)&i;
        cmat_error err = {0};
        const cmat_status st = compile(&a, refusals[i].l, refusals[i].grammar, NULL, &err);
        if (st != refusals[i].status || !strstr(err.msg, refusals[i].message))
            print_message("%s\n  gives %d: %s\n", refusals[i].grammar, st, err.msg);
        assert_int_equal(st, refusals[i].status);
        assert_non_null(strstr(err.msg, refusals[i].message));
        assert_null(a);
    }
}

/* Random texts over a few letters: our acceptors and PCRE2 agree. */
static void test_regex_against_pcre(void **state)
{
    (void)state;
    static const char *const patterns[] = {
        "(a|b)*abb",
        "a{2,4}b?c",
        "[^a]+(a|c)?",
        "(ab|a)(bc|c)",
        "(a?b?){3}c*",
        "\\w\\W\\w",
        "([ab]c|\xc3\xa9)+",
        "a.c|.b.",
        "(a(b(c|a))?)+",
        "[\\da-b]{3}",
        "(|a|b){2,3}(c|)",
        "a+?b*?c??",
        "\\xe9|[\\xe8-\\xea]a",
        "[a-b-]+-",
        "[]a]+",
    };
    static const char *const letters[] = {"a", "b", "c", "\xc3\xa9", " ", "1", "-", "]"};
    cmat_rng rng;
    int n_yes = 0;
    cmat_rng_init(&rng, 5);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        cmat_acceptor *a;
        /* Python and PCRE2 read a first "]" in a class as itself, and so do we */
        a = compiled(REGEX, patterns[i]);
        for (int k = 0; k < 1500; k++) {
            cmat_buf b = {0};
            const int n = (int)cmat_rng_below(&rng, 8), kinds = k % 2 ? 3 : 8;
            for (int c = 0; c < n; c++)
                cmat_buf_puts(&b, letters[cmat_rng_below(&rng, (uint64_t)kinds)]);
            const bool want = regex_fits(patterns[i], cmat_buf_str(&b), b.len, false);
            if ((feed(a, cmat_buf_str(&b), b.len) == 2) != want)
                print_message("%s on %s: PCRE2 says %d\n", patterns[i], cmat_buf_str(&b), want);
            assert_int_equal(feed(a, cmat_buf_str(&b), b.len) == 2, want);
            n_yes += want;
            cmat_buf_clear(&b);
        }
        cmat_acceptor_free(a);
    }
    assert_true(n_yes > 1000);
}

/* Every integer around the bounds. */
static void test_integer_ranges(void **state)
{
    (void)state;
    cmat_rng rng;
    cmat_rng_init(&rng, 6);
    for (int i = 0; i < 60; i++) {
        const int lo = (int)cmat_rng_below(&rng, 2400) - 1200,
                  hi = lo + (int)cmat_rng_below(&rng, i % 2 ? 12 : 1500);
        char text[160];
        cmat_acceptor *a;
        snprintf(text, sizeof text, "{\"type\": \"integer\", \"minimum\": %d, \"maximum\": %d}", lo,
                 hi);
        a = compiled(SCHEMA, text);
        for (int x = -3000; x <= 3000; x++) {
            const int n = snprintf(text, sizeof text, "%d", x);
            assert_int_equal(feed(a, text, (size_t)n) == 2, x >= lo && x <= hi);
        }
        cmat_acceptor_free(a);
    }
}

static void test_choices(void **state)
{
    (void)state;
    static const char *const words[] = {"yes", "yes, please", "no", "\xc3\xa9t\xc3\xa9", "no"};
    cmat_acceptor *a = NULL;
    cmat_error err;
    assert_int_equal(cmat_grammar_choices(&a, words, 5, NULL, &err), CMAT_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(feed(a, words[i], strlen(words[i])), 2);
    assert_int_equal(feed(a, "yes,", 4), 1);
    assert_int_equal(feed(a, "yess", 4), 0);
    cmat_acceptor_free(a);
    assert_int_equal(cmat_grammar_choices(&a, words, 0, NULL, &err), CMAT_ERR_ARG);
}

static int feed_text(const cmat_acceptor *a, const char *text)
{
    return feed(a, text, strlen(text));
}

static void test_trigger(void **state)
{
    (void)state;
    const cmat_grammar_trigger once = {.begin = "aab:"}, tags = {"<t>", "</t>"};
    const cmat_grammar_trigger wrong[] = {{NULL, "x"}, {"", NULL}, {"x", ""}};
    cmat_acceptor *a = NULL;
    cmat_error err;
    assert_int_equal(compile(&a, REGEX, "[0-9]+", &once, &err), CMAT_OK);
    assert_int_equal(feed_text(a, "free aaab:12"), 2);
    assert_int_equal(feed_text(a, "free text aab"), 1); /* may not end before the trigger */
    assert_int_equal(feed_text(a, "aab:"), 1);
    assert_int_equal(feed_text(a, "aab:x"), 0);
    assert_int_equal(feed_text(a, "aab:1 "), 0);
    cmat_acceptor_free(a);
    assert_int_equal(compile(&a, REGEX, "[0-9]+", &tags, &err), CMAT_OK);
    assert_int_equal(feed_text(a, ""), 2);
    assert_int_equal(feed_text(a, "nothing"), 2);
    assert_int_equal(feed_text(a, "a<t>1</t>b<<t>22</t>"), 2);
    assert_int_equal(feed_text(a, "a<t>1"), 1);
    assert_int_equal(feed_text(a, "a<t>1<"), 1);
    assert_int_equal(feed_text(a, "a<t>x"), 0);
    assert_int_equal(feed_text(a, "a<t>1</t><t></t>"), 0);
    cmat_acceptor_free(a);
    for (int i = 0; i < 3; i++)
        assert_int_equal(compile(&a, REGEX, "x", &wrong[i], &err), CMAT_ERR_ARG);
}

/* However deep it goes, something may always follow, and the whole can be ended. */
static void test_depth(void **state)
{
    (void)state;
    static const char *const grammars[] = {
        "root ::= \"(\" root \")\" | \"[\" list \"]\" | \"x\"\nlist ::= root (\",\" root)*",
        "root ::= \"a\" b \"a\" | \"c\"\nb ::= \"(\" c \")\"\nc ::= root \"!\"",
    };
    for (int g = 0; g < 2; g++) {
        cmat_acceptor *a = compiled(GBNF, grammars[g]);
        uint32_t st = 0, next;
        int n = 0;
        assert_true(a->state_size == sizeof st);
        a->ops->start(a, &st);
        while (!a->ops->done(a, &st)) { /* the first byte of those allowed that goes deepest */
            static const char order[] = "[(a,c!x)]";
            const char *p = n < 400 ? order : "x)]c!a";
            for (; *p; p++) {
                next = st;
                if (a->ops->step(a, &next, (uint8_t)*p))
                    break;
            }
            assert_true(*p);
            st = next;
            assert_true(++n < 2000);
        }
        cmat_acceptor_free(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_regex_against_pcre),
        cmocka_unit_test(test_integer_ranges),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_trigger),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
