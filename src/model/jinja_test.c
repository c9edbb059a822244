/* The tests: what stands behind "is". */
#include "model/jinja.h"
#include <string.h>

static const jinja_value undefined = {.kind = JV_UNDEFINED};

enum {
    T_DEFINED,
    T_UNDEFINED,
    T_NONE,
    T_STRING,
    T_MAPPING,
    T_ITERABLE,
    T_SEQUENCE,
    T_NUMBER,
    T_INTEGER,
    T_FLOAT,
    T_BOOLEAN,
    T_TRUE,
    T_FALSE,
    T_CALLABLE,
    T_ODD,
    T_EVEN,
    T_LOWER,
    T_UPPER,
    T_EQ,
    T_EQUALTO,
    T_NE,
    T_LT,
    T_LE,
    T_GT,
    T_GE,
    T_IN,
    T_DIVISIBLEBY,
    T_SAMEAS,
    N_TESTS
};

static const char *const test_names[N_TESTS] = {
    "defined", "undefined", "none",  "string",  "mapping", "iterable",    "sequence",
    "number",  "integer",   "float", "boolean", "true",    "false",       "callable",
    "odd",     "even",      "lower", "upper",   "eq",      "equalto",     "ne",
    "lt",      "le",        "gt",    "ge",      "in",      "divisibleby", "sameas",
};

int jinja_test_find(const char *name, size_t len)
{
    for (int i = 0; i < N_TESTS; i++) {
        if (strlen(test_names[i]) == len && memcmp(test_names[i], name, len) == 0)
            return i;
    }
    return -1;
}

static bool kind_test(int test, jinja_value v)
{
    bool sized =
        v.kind == JV_STRING || v.kind == JV_LIST || v.kind == JV_DICT || v.kind == JV_UNDEFINED;
    switch (test) {
    case T_DEFINED:
        return v.kind != JV_UNDEFINED;
    case T_UNDEFINED:
        return v.kind == JV_UNDEFINED;
    case T_NONE:
        return v.kind == JV_NONE;
    case T_STRING:
        return v.kind == JV_STRING;
    case T_MAPPING:
        return v.kind == JV_DICT;
    case T_ITERABLE:
        return sized || v.kind == JV_GENERATOR;
    case T_SEQUENCE:
        return sized;
    case T_NUMBER:
        return jinja_is_number(v);
    case T_INTEGER:
        return v.kind == JV_INT;
    case T_FLOAT:
        return v.kind == JV_FLOAT;
    case T_BOOLEAN:
        return v.kind == JV_BOOL;
    case T_TRUE:
        return v.kind == JV_BOOL && v.u.b;
    case T_FALSE:
        return v.kind == JV_BOOL && !v.u.b;
    default:
        return v.kind == JV_MACRO || v.kind == JV_BUILTIN;
    }
}

/* Letters are there and all of them have the case. */
static bool case_test(jinja_run *r, jinja_value v, char mode)
{
    jinja_value s = jinja_to_text(r, v), same = jinja_case(r, s, mode),
                other = jinja_case(r, s, mode == 'u' ? 'l' : 'u');
    return r->st == CMAT_OK && jinja_equal(s, same) && !jinja_equal(s, other);
}

static bool order_test(jinja_run *r, const jinja_node *at, int test, jinja_value v, jinja_value arg)
{
    bool ok;
    int k = jinja_compare(v, arg, &ok);
    if (!ok)
        jinja_fail(r, CMAT_ERR_ARG, at, "a %s and a %s have no order", jinja_kind_name(v),
                   jinja_kind_name(arg));
    return test == T_LT ? k < 0 : test == T_LE ? k <= 0 : test == T_GT ? k > 0 : k >= 0;
}

static bool in_test(jinja_run *r, const jinja_node *at, jinja_value v, jinja_value in)
{
    jinja_list *l;
    if (in.kind == JV_STRING && v.kind == JV_STRING)
        return memmem(in.u.str.s, in.u.str.len, v.u.str.s, v.u.str.len) != NULL;
    if (in.kind == JV_STRING || !jinja_iterate(r, in, &l)) {
        jinja_fail(r, CMAT_ERR_ARG, at, "cannot look for a %s in a %s", jinja_kind_name(v),
                   jinja_kind_name(in));
        return false;
    }
    for (size_t i = 0; i < l->n; i++) {
        if (jinja_equal(l->items[i], v))
            return true;
    }
    return false;
}

bool jinja_test_apply(jinja_run *r, const jinja_node *at, int test, jinja_value v,
                      const jinja_args *args)
{
    jinja_value arg = jinja_arg_get(args, 0, NULL, undefined);
    if (test < 0) {
        jinja_fail(r, CMAT_ERR_UNSUPPORTED, at, "not supported: test '%s'", at->name);
        return false;
    }
    if (test <= T_CALLABLE)
        return kind_test(test, v);
    if (test == T_LOWER || test == T_UPPER)
        return case_test(r, v, test == T_LOWER ? 'l' : 'u');
    if (test >= T_EQ && args->n != 1) {
        jinja_fail(r, CMAT_ERR_ARG, at, "test '%s' takes one argument", test_names[test]);
        return false;
    }
    if (test == T_ODD || test == T_EVEN || test == T_DIVISIBLEBY) {
        int64_t by = test == T_DIVISIBLEBY ? (arg.kind == JV_INT ? arg.u.i : 0) : 2;
        if (v.kind != JV_INT || by == 0 || by == -1) {
            jinja_fail(r, CMAT_ERR_ARG, at, "test '%s' of a %s", test_names[test],
                       jinja_kind_name(v));
            return false;
        }
        return (v.u.i % by != 0) == (test == T_ODD);
    }
    if (test == T_SAMEAS)
        return v.kind == arg.kind && jinja_equal(v, arg);
    if (test == T_EQ || test == T_EQUALTO || test == T_NE)
        return jinja_equal(v, arg) == (test != T_NE);
    return test == T_IN ? in_test(r, at, v, arg) : order_test(r, at, test, v, arg);
}
