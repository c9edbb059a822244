/* Chat templates: rendered byte for byte as jinja2 does (tests/vectors/chat_template.json); what is
 * not known is refused with its place; recursion and output have limits. */
#include "core/json.h"
#include "core/mem.h"
#include "model/chat_template.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cmat_status render(const char *template, json_t *vars, cmat_buf *out, cmat_error *err)
{
    cmat_chat_template *t = NULL;
    cmat_status st = cmat_chat_template_new(&t, template, strlen(template), err);
    if (st == CMAT_OK)
        st = cmat_chat_template_render(t, vars, out, err);
    else
        assert_null(t);
    cmat_chat_template_free(t);
    return st;
}

static void test_vectors(void **state)
{
    (void)state;
    cmat_error err = {0};
    const char *root = getenv("CMAT_TEST_ROOT");
    char *path = cmat_xasprintf("%s/tests/vectors/chat_template.json", root ? root : ".");
    json_t *cases = cmat_json_load(path, &err), *c;
    size_t i, failed = 0;
    assert_non_null(cases);
    json_array_foreach(cases, i, c)
    {
        cmat_buf out = {0};
        const char *want = cmat_json_str(c, "output", NULL);
        cmat_status st =
            render(cmat_json_str(c, "template", ""), json_object_get(c, "vars"), &out, &err);
        bool ok =
            want ? st == CMAT_OK && strcmp(cmat_buf_str(&out), want) == 0 : st == CMAT_ERR_ARG;
        if (!ok) {
            failed++;
            print_error("%s: status %s %s\n got [%s]\nwant [%s] %s\n", cmat_json_str(c, "name", ""),
                        cmat_status_name(st), st ? err.msg : "", cmat_buf_str(&out),
                        want ? want : "(an error)", cmat_json_str(c, "error", ""));
        }
        if (!want)
            assert_int_equal(out.len, 0);
        cmat_buf_clear(&out);
    }
    assert_true(i > 100);
    assert_int_equal(failed, 0);
    json_decref(cases);
    free(path);
}

static void expect(const char *template, cmat_status want, const char *part)
{
    cmat_error err = {0};
    cmat_buf out = {0};
    json_t *vars = json_object();
    cmat_status st = render(template, vars, &out, &err);
    if (st != want || (part && !strstr(err.msg, part)))
        print_error("%.100s: %s: %s\n", template, cmat_status_name(st),
                    st ? err.msg : cmat_buf_str(&out));
    assert_int_equal(st, want);
    assert_int_equal(err.status, want);
    assert_true(!part || strstr(err.msg, part));
    cmat_buf_clear(&out);
    json_decref(vars);
}

static void test_refused(void **state)
{
    (void)state;
    expect("a\n{% include 'x' %}", CMAT_ERR_UNSUPPORTED,
           "line 2, column 4: not supported: statement 'include'");
    expect("{% import 'os' as os %}", CMAT_ERR_UNSUPPORTED, "line 1, column 4");
    expect("{{ x | sha256 }}", CMAT_ERR_UNSUPPORTED,
           "line 1, column 8: not supported: filter 'sha256'");
    expect("{{ x is prime }}", CMAT_ERR_UNSUPPORTED, "not supported: test 'prime'");
    expect("ab\n cd {{ 'x'.encode() }}", CMAT_ERR_UNSUPPORTED,
           "line 2, column 12: not supported: method 'encode'");
    expect("{{ ''.__class__.__mro__ }}", CMAT_ERR_ARG, "__mro__");
    expect("{{ [].append(1) }}", CMAT_ERR_UNSUPPORTED, "append");
    expect("{{ open('/etc/passwd') }}", CMAT_ERR_UNSUPPORTED, "function 'open'");
    expect("{{ f(*a) }}", CMAT_ERR_UNSUPPORTED, "line 1, column 6");
    expect("{% for x in y recursive %}{% endfor %}", CMAT_ERR_UNSUPPORTED, "recursive");
    expect("{% if x %}", CMAT_ERR_FORMAT, "block without an end");
    expect("{{ 'abc }}", CMAT_ERR_FORMAT, "line 1, column 4: string without an end");
    expect("{# x", CMAT_ERR_FORMAT, "comment without an end");
    expect("{{ 1 + }}", CMAT_ERR_FORMAT, "line 1, column 8");
    expect("{{ 1 2 }}", CMAT_ERR_FORMAT, "line 1, column 6");
    expect("{{ a ? b }}", CMAT_ERR_FORMAT, "line 1, column 6");
    expect("{% endif %}", CMAT_ERR_UNSUPPORTED, "endif");
    expect("{% break %}", CMAT_ERR_FORMAT, "outside of a loop");
    expect("{{ q.a }}", CMAT_ERR_ARG, "line 1, column 6: 'q' is undefined");
    expect("{{ 1 / 0 }}", CMAT_ERR_ARG, "division by zero");
    expect("{{ 'a' + 1 }}", CMAT_ERR_ARG, "line 1, column 8");
    expect("\n{{ raise_exception('no ' ~ 'such role') }}", CMAT_ERR_ARG,
           "line 2, column 4: no such role");
}

static void test_limits(void **state)
{
    (void)state;
    cmat_buf b = {0};
    for (int i = 0; i < 5000; i++)
        cmat_buf_puts(&b, "{{ ((((((");
    expect(b.data, CMAT_ERR_FORMAT, NULL);
    cmat_buf_truncate(&b, 0);
    cmat_buf_puts(&b, "{{ ");
    for (int i = 0; i < 5000; i++)
        cmat_buf_puts(&b, "[");
    for (int i = 0; i < 5000; i++)
        cmat_buf_puts(&b, "]");
    cmat_buf_puts(&b, " }}");
    expect(b.data, CMAT_ERR_LIMIT, "nested more than");
    cmat_buf_truncate(&b, 0);
    cmat_buf_puts(&b, "{{ 1");
    for (int i = 0; i < 100000; i++)
        cmat_buf_puts(&b, "+1");
    cmat_buf_puts(&b, " }}");
    expect(b.data, CMAT_ERR_LIMIT, "nested too deep");
    cmat_buf_truncate(&b, 0);
    for (int i = 0; i < 1000; i++)
        cmat_buf_puts(&b, "{% if 1 %}");
    expect(b.data, CMAT_ERR_LIMIT, "nested more than");
    cmat_buf_truncate(&b, 0);
    cmat_buf_puts(&b, "{{ ");
    for (int i = 0; i < 3000; i++)
        cmat_buf_puts(&b, "not -");
    cmat_buf_puts(&b, "1 }}");
    assert_int_not_equal(CMAT_OK, render(b.data, NULL, &(cmat_buf){0}, NULL));
    cmat_buf_clear(&b);
    expect("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", CMAT_ERR_LIMIT, NULL);
    expect("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
           CMAT_ERR_LIMIT, NULL);
    expect(
        "{% set ns = namespace(s='x') %}{% for a in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% "
        "endfor %}",
        CMAT_ERR_LIMIT, NULL);
    expect(
        "{% for a in range(99999) %}{{ "
        "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}",
        CMAT_ERR_LIMIT, "output");
    expect("{{ 'x' * 999999999999 }}", CMAT_ERR_LIMIT, NULL);
    expect("{{ range(999999999) }}", CMAT_ERR_LIMIT, "range");
    expect(
        "{% set ns = namespace(l=[]) %}{% for a in range(9999) %}{% set ns.l = [ns.l] %}{% endfor "
        "%}{{ ns.l == ns.l }}",
        CMAT_ERR_LIMIT, NULL);
    expect(
        "{% set ns = namespace(l=[1]) %}{% for a in range(99) %}{% set ns.l = ns.l + ns.l %}{% "
        "endfor %}",
        CMAT_ERR_LIMIT, NULL);
    expect("{{ 2 ** 99999999999 }}", CMAT_ERR_LIMIT, NULL);
    expect("{{ 9223372036854775807 }}", CMAT_ERR_FORMAT, "too large");
}

/* A template cut at any place is an error or a success, never a crash. */
static void test_cut(void **state)
{
    (void)state;
    static const char source[] =
        "{%- macro m(a, b=1) -%}{{ a[1:2]|join(', ') }}{%- endmacro %}{# c #}"
        "{% for k, v in d.items() if v is not none %}{% raw %}{{{% endraw %}"
        "{{ loop.index ~ k.strip('x\\n') if k in 'a' else -1.5e3 }}{% else %}x{% endfor %}"
        "{% set ns = namespace(a={'b': (1, 2)}) %}{% set ns.a = [1] %}{% set q %}z{% endset %}";
    json_t *vars = json_pack("{s:{s:i}}", "d", "a", 1);
    for (size_t n = 0; n < sizeof source; n++) {
        cmat_chat_template *t = NULL;
        cmat_error err = {0};
        char *copy = cmat_xstrndup(source, n);
        if (cmat_chat_template_new(&t, copy, n, &err) == CMAT_OK) {
            cmat_buf out = {0};
            (void)cmat_chat_template_render(t, vars, &out, &err);
            cmat_buf_clear(&out);
        } else {
            assert_non_null(strstr(err.msg, "chat template: line "));
        }
        cmat_chat_template_free(t);
        free(copy);
    }
    json_decref(vars);
}

static void test_strftime(void **state)
{
    (void)state;
    cmat_buf out = {0};
    json_t *vars = json_object();
    assert_int_equal(render("{{ strftime_now('%Y') }}", vars, &out, NULL), CMAT_OK);
    assert_int_equal(out.len, 4);
    assert_true(atoi(out.data) >= 2024);
    cmat_buf_clear(&out);
    json_decref(vars);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_cut),
        cmocka_unit_test(test_strftime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
