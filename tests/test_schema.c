/* test_schema.c - JSON schemas whose keywords hold together (allOf, not, if, dependent...),
 * patterns of names, multiples, different elements: what fits, what does not, what is refused; and
 * random texts that our acceptors let through are judged by json_check.c, which is written apart.
 */
#include "core/buf.h"
#include "core/rng.h"
#include "grammar/grammar.h"
#include "json_check.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cmat_acceptor *compile(const char *text, cmat_error *err)
{
    cmat_acceptor *a = NULL;
    json_error_t why;
    json_t *s = json_loads(text, JSON_DECODE_ANY, &why);
    if (!s)
        fail_msg("%s: %s", text, why.text);
    (void)cmat_grammar_json_schema(&a, s, NULL, err);
    json_decref(s);
    return a;
}

static bool accepts(const cmat_acceptor *a, const char *text)
{
    _Alignas(16) unsigned char state[CMAT_ACCEPTOR_STATE_MAX] = {0};
    a->ops->start(a, state);
    for (const char *p = text; *p; p++) {
        if (!a->ops->step(a, state, (uint8_t)*p))
            return false;
    }
    return a->ops->done(a, state);
}

#define NODE                                                                           \
    "\"$defs\": {\"node\": {\"type\": \"object\", \"properties\": {\"v\": {\"type\": " \
    "\"integer\"}, \"next\": {\"$ref\": \"#/$defs/node\"}}, \"required\": [\"v\"]}}"

typedef struct {
    const char *schema;
    const char *yes[6], *no[8];
} example;

static const example examples[] = {
    /* allOf */
    {"{\"allOf\": [{\"type\": [\"integer\", \"string\"]}, {\"type\": [\"number\", \"null\"]}], "
     "\"minimum\": 3, \"maximum\": 5}",
     {"3", "5"},
     {"2", "6", "3.5", "null", "\"a\""}},
    {"{\"allOf\": [{\"properties\": {\"a\": {\"type\": \"integer\"}}, \"required\": [\"a\"]}, "
     "{\"properties\": {\"b\": {\"type\": \"boolean\"}, \"a\": {\"minimum\": 7}}}], \"type\": "
     "\"object\"}",
     {"{\"a\": 7}", "{\"a\": 8, \"b\": true}"},
     {"{\"a\": 6}", "{\"b\": true}", "{}", "{\"a\": 7, \"b\": 1}"}},
    {"{\"allOf\": [{\"enum\": [1, 2, 3, \"x\", null]}, {\"not\": {\"const\": 2}}, {\"type\": "
     "[\"integer\", \"null\"]}]}",
     {"1", "3", "null"},
     {"2", "\"x\""}},
    {"{\"allOf\": [{\"properties\": {\"a\": {}}, \"additionalProperties\": false}, "
     "{\"properties\": {\"b\": {}}}]}",
     {"{}", "{\"a\": 1}"},
     {"{\"b\": 1}", "{\"a\": 1, \"b\": 1}"}},
    {"{\"allOf\": [{\"type\": \"array\", \"prefixItems\": [{\"type\": \"integer\"}], \"items\": "
     "{\"type\": \"string\"}}, {\"items\": {\"enum\": [4, 5, \"y\"]}, \"minItems\": 2}], "
     "\"maxItems\": 2}",
     {"[4, \"y\"]", "[5, \"y\"]"},
     {"[4]", "[6, \"y\"]", "[4, 5]", "[4, \"y\", \"y\"]"}},
    {"{\"$ref\": \"#/$defs/node\", \"required\": [\"next\"], " NODE "}",
     {"{\"v\": 1, \"next\": {\"v\": 2}}"},
     {"{\"v\": 1}"}},
    /* a chain whose every link holds two schemas together */
    {"{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"allOf\": [{\"type\": \"object\", "
     "\"properties\": {\"n\": {\"$ref\": \"#/$defs/a\"}, \"x\": {\"type\": \"integer\"}}}, "
     "{\"required\": [\"x\"], \"properties\": {\"n\": {\"$ref\": \"#/$defs/b\"}}}]}, \"b\": "
     "{\"type\": \"object\", \"properties\": {\"x\": {\"minimum\": 3}, \"n\": {\"$ref\": "
     "\"#/$defs/b\"}}}}}",
     {"{\"x\": 1}", "{\"n\": {\"x\": 3}, \"x\": 1}",
      "{\"n\": {\"n\": {\"x\": 5}, \"x\": 4}, \"x\": 2}"},
     {"{\"n\": {\"x\": 2}, \"x\": 1}", "{\"n\": {}, \"x\": 1}"}},
    {"{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}, \"b\": {\"type\": "
     "\"integer\"}}, \"oneOf\": [{\"required\": [\"a\"]}, {\"required\": [\"b\"]}]}",
     {"{\"a\": 1}", "{\"b\": 1}"},
     {"{}", "{\"a\": 1, \"b\": 1}"}},
    {"{\"type\": \"object\", \"properties\": {\"a\": {\"type\": \"integer\"}, \"b\": {\"type\": "
     "\"integer\"}}, \"anyOf\": [{\"required\": [\"a\"]}, {\"required\": [\"b\"]}]}",
     {"{\"a\": 1}", "{\"b\": 1}", "{\"a\": 1, \"b\": 1}"},
     {"{}"}},
    {"{\"type\": \"object\", \"properties\": {\"k\": {\"enum\": [\"p\", \"q\"]}}, \"required\": "
     "[\"k\"], \"unevaluatedProperties\": false, \"anyOf\": [{\"properties\": {\"k\": {\"const\": "
     "\"p\"}, \"r\": {\"type\": \"null\"}}}, {\"properties\": {\"k\": {\"const\": \"q\"}, \"s\": "
     "{\"type\": \"null\"}}}]}",
     {"{\"k\": \"p\"}", "{\"k\": \"p\", \"r\": null}", "{\"k\": \"q\", \"s\": null}"},
     {"{\"k\": \"q\", \"r\": null}", "{\"k\": \"p\", \"t\": 1}", "{}"}},
    /* not */
    {"{\"type\": \"string\", \"not\": {\"enum\": [\"a\", \"abc\"]}}",
     {"\"\"", "\"ab\"", "\"abcd\"", "\"b\""},
     {"\"a\"", "\"abc\"", "1"}},
    {"{\"not\": {\"type\": [\"object\", \"array\", \"string\"]}}",
     {"1", "null", "true"},
     {"{}", "[]", "\"\""}},
    {"{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 4, \"not\": {\"const\": 3}}",
     {"1", "2", "4"},
     {"3", "0", "5"}},
    {"{\"type\": \"boolean\", \"not\": {\"const\": true}}", {"false"}, {"true"}},
    {"{\"type\": \"object\", \"properties\": {\"a\": {}, \"b\": {}}, \"not\": {\"required\": "
     "[\"a\", \"b\"]}}",
     {"{}", "{\"a\": 1}", "{\"b\": 1}"},
     {"{\"a\": 1, \"b\": 1}"}},
    {"{\"type\": \"integer\", \"minimum\": 0, \"not\": {\"minimum\": 10}}",
     {"0", "9"},
     {"10", "-1"}},
    {"{\"not\": {\"anyOf\": [{\"type\": \"object\"}, {\"type\": \"array\"}, {\"type\": "
     "\"number\"}, {\"not\": {\"type\": [\"null\", \"string\"]}}]}}",
     {"null", "\"x\""},
     {"true", "1", "{}"}},
    {"{\"type\": [\"string\", \"null\"], \"not\": {\"const\": 5}}", {"null", "\"5\""}, {"5"}},
    /* if */
    {"{\"type\": \"object\", \"properties\": {\"k\": {\"enum\": [\"a\", \"b\"]}, \"v\": {}}, "
     "\"required\": [\"k\", \"v\"], \"if\": {\"properties\": {\"k\": {\"const\": \"a\"}}}, "
     "\"then\": "
     "{\"properties\": {\"v\": {\"type\": \"integer\"}}}, \"else\": {\"properties\": {\"v\": "
     "{\"type\": "
     "\"boolean\"}}}}",
     {"{\"k\": \"a\", \"v\": 1}", "{\"k\": \"b\", \"v\": true}"},
     {"{\"k\": \"a\", \"v\": true}", "{\"k\": \"b\", \"v\": 1}"}},
    /* dependent */
    {"{\"type\": \"object\", \"properties\": {\"a\": {\"const\": 1}, \"b\": {\"const\": 2}, \"c\": "
     "{\"const\": 3}}, \"dependentRequired\": {\"a\": [\"c\"], \"c\": [\"b\"]}}",
     {"{}", "{\"b\": 2}", "{\"b\": 2, \"c\": 3}", "{\"a\": 1, \"b\": 2, \"c\": 3}"},
     {"{\"a\": 1}", "{\"a\": 1, \"c\": 3}", "{\"c\": 3}", "{\"a\": 1, \"b\": 2}"}},
    {"{\"type\": \"object\", \"properties\": {\"a\": {\"const\": 1}, \"b\": {\"type\": "
     "\"integer\"}}, \"dependentSchemas\": {\"a\": {\"properties\": {\"b\": {\"minimum\": 5}}, "
     "\"required\": [\"b\"]}}}",
     {"{\"b\": 1}", "{\"a\": 1, \"b\": 5}"},
     {"{\"a\": 1}", "{\"a\": 1, \"b\": 4}"}},
    /* names */
    {"{\"type\": \"object\", \"patternProperties\": {\"^x-[a-z]+$\": {\"type\": \"integer\"}}, "
     "\"additionalProperties\": false}",
     {"{}", "{\"x-a\": 1}", "{\"x-ab\": 1, \"x-c\": 2}"},
     {"{\"x-\": 1}", "{\"y\": 1}", "{\"x-a\": \"1\"}"}},
    {"{\"type\": \"object\", \"properties\": {\"n1\": {\"minimum\": 5}}, \"patternProperties\": "
     "{\"^n\\\\d$\": {\"type\": \"integer\"}, \"^s\": {\"type\": \"null\"}}, \"required\": "
     "[\"n1\"]}",
     {"{\"n1\": 5}", "{\"n1\": 6, \"n2\": 7, \"sx\": null}"},
     {"{\"n1\": 4}", "{\"n1\": \"x\"}", "{\"n2\": 7}", "{\"n1\": 5, \"sx\": 1}"}},
    {"{\"type\": \"object\", \"required\": [\"a\"], \"additionalProperties\": {\"type\": "
     "\"null\"}}",
     {"{\"a\": null}", "{\"a\": null, \"b\": null}"},
     {"{}", "{\"b\": null}", "{\"a\": 1}"}},
    {"{\"properties\": {\"a\": {\"const\": 1}, \"b\": {\"const\": 2}}, \"minProperties\": 1}",
     {"{\"a\": 1}", "{\"b\": 2}", "{\"a\": 1, \"b\": 2}"},
     {"{}"}},
    {"{\"additionalProperties\": {\"const\": 1}, \"maxProperties\": 2}",
     {"{}", "{\"a\": 1}", "{\"a\": 1, \"b\": 1}"},
     {"{\"a\": 1, \"b\": 1, \"c\": 1}"}},
    /* different elements */
    {"{\"type\": \"array\", \"items\": {\"enum\": [\"r\", \"g\", \"b\"]}, \"uniqueItems\": true, "
     "\"minItems\": 1, \"maxItems\": 2}",
     {"[\"r\"]", "[\"g\", \"r\"]"},
     {"[]", "[\"r\", \"r\"]", "[\"r\", \"g\", \"b\"]"}},
    {"{\"type\": \"array\", \"items\": {\"type\": \"boolean\"}, \"uniqueItems\": true}",
     {"[]", "[true, false]", "[false]"},
     {"[true, true]", "[true, false, true]"}},
    {"{\"type\": \"array\", \"items\": {\"type\": \"string\"}, \"uniqueItems\": true, "
     "\"maxItems\": "
     "1}",
     {"[]", "[\"x\"]"},
     {"[\"x\", \"x\"]"}},
    {"{\"enum\": [1, 5, 20], \"minimum\": 2, \"maximum\": 9}", {"5"}, {"1", "20"}},
    {"{\"enum\": [\"ab\", \"b\", \"abc\"], \"pattern\": \"^a\", \"maxLength\": 2}",
     {"\"ab\""},
     {"\"b\"", "\"abc\""}},
};

/* Like examples; json_check.c knows nothing of these keywords. */
static const example settled[] = {
    /* names that only "not", the branch not taken or "required" speak of are not evaluated */
    {"{\"properties\": {\"a\": {}}, \"not\": {\"not\": {\"required\": [\"b\"], \"properties\": "
     "{\"b\": {\"const\": 1}}}}, \"unevaluatedProperties\": false}",
     {NULL},
     {"{}", "{\"a\": 1}", "{\"b\": 1}", "{\"a\": 1, \"b\": 1}"}},
    {"{\"if\": {\"required\": [\"k\"], \"properties\": {\"k\": {\"const\": 1}}}, \"then\": "
     "{\"properties\": {\"x\": {}}}, \"else\": {\"properties\": {\"y\": {}}}, "
     "\"unevaluatedProperties\": false}",
     {"{\"k\": 1}", "{\"k\": 1, \"x\": 2}", "{}", "{\"y\": 2}"},
     {"{\"k\": 2}", "{\"k\": 2, \"y\": 1}", "{\"y\": 1, \"x\": 1}", "{\"k\": 1, \"y\": 2}"}},
    {"{\"dependentSchemas\": {\"p\": {}, \"q\": {\"properties\": {\"r\": {}}}}, \"properties\": "
     "{\"q\": {}}, \"unevaluatedProperties\": false}",
     {"{}", "{\"q\": 1}", "{\"q\": 1, \"r\": 2}"},
     {"{\"p\": 1}", "{\"r\": 1}", "{\"p\": 1, \"q\": 1}"}},
    {"{\"type\": \"object\", \"if\": {\"properties\": {\"f\": {\"type\": \"string\"}}}, "
     "\"unevaluatedProperties\": false}",
     {"{}", "{\"f\": \"a\"}"},
     {"{\"f\": 1}", "{\"g\": 1}"}},
    /* what is only said of names does not close an object */
    {"{\"dependentRequired\": {\"b\": [\"a\"]}}",
     {"{}", "{\"a\": 1}", "{\"x\": 1}", "{\"b\": 1, \"a\": 2}"},
     {"{\"b\": 1}", "{\"b\": 1, \"x\": 2}"}},
    {"{\"not\": {\"required\": [\"a\"]}, \"type\": \"object\"}",
     {"{}", "{\"b\": 1}"},
     {"{\"a\": 1}", "{\"b\": 1, \"a\": 2}"}},
    {"{\"type\": \"string\", \"pattern\": \"^\\\\S\\\\s$\"}",
     {"\"a \"", "\"a\xc2\xa0\""},
     {"\"\xc2\xa0 \"", "\"aa\""}},
    /* anchors, bases, percent signs */
    {"{\"$ref\": \"#num\", \"$defs\": {\"n\": {\"$anchor\": \"num\", \"type\": \"integer\"}}}",
     {"1"},
     {"\"a\"", "1.5"}},
    {"{\"$id\": \"http://x.test/a/root.json\", \"$ref\": \"/c.json\", \"$defs\": {\"1\": {\"$id\": "
     "\"c.json\", \"type\": \"null\"}, \"2\": {\"$id\": \"/c.json\", \"type\": \"boolean\"}}}",
     {"true"},
     {"null", "1"}},
    {"{\"$id\": \"urn:x:root\", \"type\": \"object\", \"properties\": {\"v\": {\"$ref\": "
     "\"urn:x:leaf#/$defs/s\"}}, \"$defs\": {\"s\": {\"type\": \"null\"}, \"l\": {\"$id\": "
     "\"urn:x:leaf\", \"$defs\": {\"s\": {\"type\": \"string\", \"maxLength\": 1}}}}}",
     {"{\"v\": \"a\"}", "{}"},
     {"{\"v\": null}", "{\"v\": \"ab\"}"}},
    {"{\"$id\": \"http://x.test/d/e/\", \"$ref\": \"../f/./g.json#t\", \"$defs\": {\"x\": "
     "{\"$id\": \"http://x.test/d/f/g.json\", \"$defs\": {\"y\": {\"$anchor\": \"t\", \"const\": "
     "3}}}}}",
     {"3"},
     {"4"}},
    {"{\"$ref\": \"#/$defs/100%25~1a\", \"$defs\": {\"100%/a\": {\"type\": \"null\"}}}",
     {"null"},
     {"1"}},
    {"{\"$defs\": {\"o\": {\"$id\": \"o.json\", \"type\": \"array\", \"items\": {\"$ref\": "
     "\"#/$defs/i\"}, \"$defs\": {\"i\": {\"const\": 7}}}, \"i\": {\"const\": 8}}, \"$ref\": "
     "\"o.json\"}",
     {"[7]", "[]"},
     {"[8]", "7"}},
    {"{\"const\": {\"$ref\": \"#/$defs/no\"}, \"$defs\": {\"no\": {\"$id\": \"q\"}}}",
     {"{\"$ref\": \"#/$defs/no\"}"},
     {"{}"}},
    {"{\"anyOf\": [{\"enum\": []}, {\"const\": 1}]}", {"1"}, {"2"}},
};

static void check_example(const example *e)
{
    cmat_error err = {0};
    cmat_acceptor *a = compile(e->schema, &err);
    if (!a && (e->yes[0] || !strstr(err.msg, "no text that fits")))
        fail_msg("%s: %s", e->schema, err.msg);
    for (int k = 0; k < 6 && e->yes[k]; k++) {
        if (!accepts(a, e->yes[k]))
            fail_msg("%s does not fit %s", e->yes[k], e->schema);
    }
    for (int k = 0; a && k < 8 && e->no[k]; k++) {
        if (accepts(a, e->no[k]))
            fail_msg("%s fits %s", e->no[k], e->schema);
    }
    cmat_acceptor_free(a);
}

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        check_example(&examples[i]);
    for (size_t i = 0; i < sizeof settled / sizeof *settled; i++)
        check_example(&settled[i]);
}

/* Every multiple in a range, and nothing between. */
static void test_multiples(void **state)
{
    (void)state;
    static const struct {
        int m, lo, hi;
    } cases[] = {{1, -50, 5000},     {7, -3000, 3000},    {3, 1, 2999},  {12, -2500, -13},
                 {250, -3000, 3000}, {1000, -3000, 3000}, {10, 5, 2995}, {999, -2998, 2997}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        cmat_error err = {0};
        for (int bounded = 0; bounded < 2; bounded++) {
            if (bounded)
                snprintf(
                    text, sizeof text,
                    "{\"type\": \"integer\", \"multipleOf\": %d, \"minimum\": %d, \"maximum\": "
                    "%d}",
                    cases[i].m, cases[i].lo, cases[i].hi);
            else
                snprintf(text, sizeof text, "{\"type\": \"number\", \"multipleOf\": %d}",
                         cases[i].m);
            cmat_acceptor *a = compile(text, &err);
            if (!a)
                fail_msg("%s: %s", text, err.msg);
            for (int x = -3001; x <= 3001; x++) {
                snprintf(text, sizeof text, "%d", x);
                const bool want =
                    x % cases[i].m == 0 && (!bounded || (x >= cases[i].lo && x <= cases[i].hi));
                if (accepts(a, text) != want)
                    fail_msg("case %zu: %d", i, x);
            }
            cmat_acceptor_free(a);
        }
    }
    cmat_error err = {0};
    cmat_acceptor *a =
        compile("{\"type\": \"integer\", \"multipleOf\": 997, \"minimum\": 997000000}", &err);
    assert_non_null(a);
    assert_true(accepts(a, "997000000") && accepts(a, "99700997000000"));
    assert_false(accepts(a, "997000001") || accepts(a, "996999003"));
    cmat_acceptor_free(a);
    a = compile("{\"type\": \"number\", \"multipleOf\": 0.01, \"minimum\": 0}", &err);
    assert_non_null(a);
    assert_true(accepts(a, "0") && accepts(a, "19.99") && accepts(a, "3.5"));
    assert_false(accepts(a, "1.999") || accepts(a, "-1"));
    cmat_acceptor_free(a);
}

static const struct {
    const char *schema;
    cmat_status status;
    const char *says;
} refusals[] = {
    {"{\"not\": {\"pattern\": \"a\"}}", CMAT_ERR_UNSUPPORTED, "#: \"not\" of such a schema"},
    {"{\"type\": \"number\", \"not\": {\"const\": 1}}", CMAT_ERR_UNSUPPORTED,
     "\"not\" of a number"},
    {"{\"type\": \"string\", \"minLength\": 1, \"not\": {\"const\": \"ab\"}}", CMAT_ERR_UNSUPPORTED,
     "\"not\" of a string"},
    {"{\"allOf\": [{\"pattern\": \"a\"}, {\"pattern\": \"b\"}]}", CMAT_ERR_UNSUPPORTED,
     "two different \"pattern\""},
    {"{\"$ref\": \"other.json\"}", CMAT_ERR_UNSUPPORTED, "leads out of the schema"},
    {"{\"$ref\": \"#gone\"}", CMAT_ERR_FORMAT, "there is no \"#gone\""},
    {"{\"$dynamicRef\": \"#a\", \"$dynamicAnchor\": \"a\"}", CMAT_ERR_UNSUPPORTED,
     "\"$dynamicRef\""},
    {"{\"enum\": 3}", CMAT_ERR_FORMAT, "\"enum\" is not a list"},
    {"{\"allOf\": []}", CMAT_ERR_FORMAT, "\"allOf\" is not a list"},
    {"{\"allOf\": [3]}", CMAT_ERR_FORMAT, "a schema is wanted"},
    {"{\"allOf\": [{\"contains\": {}}]}", CMAT_ERR_UNSUPPORTED, "\"contains\""},
    {"{\"type\": \"array\", \"items\": {\"type\": \"integer\"}, \"uniqueItems\": true}",
     CMAT_ERR_UNSUPPORTED, "\"uniqueItems\""},
    {"{\"type\": \"integer\", \"multipleOf\": 1001}", CMAT_ERR_UNSUPPORTED, "above 1000"},
    {"{\"type\": \"number\", \"multipleOf\": 0.3}", CMAT_ERR_UNSUPPORTED, "neither whole nor"},
    {"{\"type\": \"integer\", \"multipleOf\": 0}", CMAT_ERR_FORMAT, "not a number above 0"},
    {"{\"enum\": [\"a\"], \"format\": \"uri\"}", CMAT_ERR_UNSUPPORTED, "fixed value number 0"},
    {"{\"enum\": [1], \"type\": \"string\", \"minLength\": 1}", CMAT_ERR_FORMAT, "never ends"},
    {"{\"type\": \"object\", \"additionalProperties\": {}, \"minProperties\": 2}",
     CMAT_ERR_UNSUPPORTED, "\"minProperties\""},
    {"{\"if\": {\"pattern\": \"a\"}, \"then\": {\"type\": \"string\"}}", CMAT_ERR_UNSUPPORTED,
     "\"if\" of such"},
    {"{\"patternProperties\": {\"(?=a)\": {}}}", CMAT_ERR_UNSUPPORTED, "\"patternProperties\""},
    {"{\"allOf\": [{\"$ref\": \"#/$defs/a\"}, {\"minimum\": 1}], \"$defs\": {}}", CMAT_ERR_FORMAT,
     "there is no"},
    {"{\"allOf\": [{\"properties\": {\"a\": {}}}, {\"properties\": {\"b\": {}}, "
     "\"unevaluatedProperties\": false}]}",
     CMAT_ERR_UNSUPPORTED, "\"unevaluatedProperties\""},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        cmat_error err = {0};
        cmat_acceptor *a = compile(refusals[i].schema, &err);
        if (a || err.status != refusals[i].status || !strstr(err.msg, refusals[i].says))
            fail_msg("%s: %d, %s", refusals[i].schema, err.status, err.msg);
    }
}

/* A random text that an acceptor lets through: bytes that end things are taken more often as it
 * grows. False: it did not end. */
static bool write_text(const cmat_acceptor *a, cmat_rng *rng, cmat_buf *out)
{
    static const char letters[] = "\"}],: [{truefalsn0123456789-.abkxvyn\\u_";
    _Alignas(16) unsigned char at[CMAT_ACCEPTOR_STATE_MAX] = {0}, next[CMAT_ACCEPTOR_STATE_MAX];
    cmat_buf_truncate(out, 0);
    a->ops->start(a, at);
    while (out->len < 2000) {
        if (a->ops->done(a, at) && cmat_rng_below(rng, 3) == 0)
            return true;
        const bool ending = out->len > 60 || cmat_rng_below(rng, 4) == 0;
        bool going = false;
        for (int tries = 0; tries < 400 && !going; tries++) {
            const int c = tries > 200           ? (tries - 200) % 96 + ' '
                          : ending && tries < 8 ? letters[tries % 3]
                                                : letters[cmat_rng_below(rng, sizeof letters - 1)];
            memcpy(next, at, a->state_size);
            if ((going = a->ops->step(a, next, (uint8_t)c))) {
                memcpy(at, next, a->state_size);
                cmat_buf_putc(out, (char)c);
            }
        }
        if (!going)
            return a->ops->done(a, at);
    }
    return false;
}

static void test_random_texts(void **state)
{
    (void)state;
    cmat_rng rng;
    cmat_buf text = {0};
    int n_ended = 0;
    cmat_rng_init(&rng, 11);
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        cmat_error err = {0};
        cmat_acceptor *a = compile(examples[i].schema, &err);
        json_t *s = json_loads(examples[i].schema, 0, NULL);
        for (int k = 0; k < 60; k++) {
            if (!write_text(a, &rng, &text))
                continue;
            json_t *v = json_loads(cmat_buf_str(&text), JSON_DECODE_ANY, NULL);
            if (!v || !json_fits(s, s, v))
                fail_msg("%s is written for %s", cmat_buf_str(&text), examples[i].schema);
            json_decref(v);
            n_ended++;
        }
        json_decref(s);
        cmat_acceptor_free(a);
    }
    assert_true(n_ended > 40 * (int)(sizeof examples / sizeof *examples));
    cmat_buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_multiples),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_random_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
