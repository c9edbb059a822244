/* The operators of templates: arithmetic, joining, comparing. They see values only, never names. */
#include "model/jinja.h"
#include <math.h>
#include <string.h>

static const jinja_value undefined = {.kind = JV_UNDEFINED};

/* --- arithmetic ------------------------------------------------------------------------------- */

static jinja_value concat(jinja_run *r, jinja_value a, jinja_value b)
{
    if (a.kind == JV_STRING && b.kind == JV_STRING) {
        size_t n = a.u.str.len + b.u.str.len;
        if (n > JINJA_MAX_OUTPUT)
            return jinja_fail(r, CMAT_ERR_LIMIT, NULL, "a string is over %d MiB",
                              JINJA_MAX_OUTPUT >> 20);
        char *s = jinja_alloc(r, n + 1);
        if (!s)
            return undefined;
        memcpy(s, a.u.str.s, a.u.str.len);
        memcpy(s + a.u.str.len, b.u.str.s, b.u.str.len);
        return jinja_string(s, n);
    }
    cmat_buf buf = {0};
    jinja_print(r, &buf, a, false);
    jinja_print(r, &buf, b, false);
    jinja_value v = jinja_copy(r, cmat_buf_str(&buf), buf.len);
    cmat_buf_clear(&buf);
    return v;
}

static jinja_value list_concat(jinja_run *r, jinja_value a, jinja_value b)
{
    jinja_value out = jinja_list_new(r, a.u.list->n + b.u.list->n);
    for (size_t i = 0; i < a.u.list->n; i++)
        jinja_list_add(r, out, a.u.list->items[i]);
    for (size_t i = 0; i < b.u.list->n; i++)
        jinja_list_add(r, out, b.u.list->items[i]);
    out.tuple = a.tuple;
    return out;
}

static jinja_value repeat(jinja_run *r, const jinja_node *at, jinja_value s, int64_t times)
{
    size_t n = times > 0 ? (size_t)times : 0, len;
    if (!cmat_mul(n, s.u.str.len, &len) || len > JINJA_MAX_OUTPUT)
        return jinja_fail(r, CMAT_ERR_LIMIT, at, "a string is over %d MiB", JINJA_MAX_OUTPUT >> 20);
    char *out = jinja_alloc(r, len + 1);
    for (size_t i = 0; out && len && i < n; i++)
        memcpy(out + i * s.u.str.len, s.u.str.s, s.u.str.len);
    return out ? jinja_string(out, len) : undefined;
}

static jinja_value list_repeat(jinja_run *r, const jinja_node *at, jinja_value l, int64_t times)
{
    const size_t n = times > 0 ? (size_t)times : 0;
    jinja_value out = jinja_list_new(r, 0);
    size_t total;
    if (!cmat_mul(n, l.u.list->n, &total) || total > JINJA_MAX_STEPS)
        return jinja_fail(r, CMAT_ERR_LIMIT, at, "a list is over %d items", JINJA_MAX_STEPS);
    for (size_t i = 0; i < n && r->st == CMAT_OK; i++) {
        for (size_t k = 0; k < l.u.list->n; k++)
            jinja_list_add(r, out, l.u.list->items[k]);
        if (l.u.list->n == 0)
            break;
    }
    out.tuple = l.tuple;
    return out;
}

static jinja_value int_op(jinja_run *r, const jinja_node *at, int op, int64_t a, int64_t b)
{
    int64_t v = 0;
    bool over = false;
    if (op == JOP_ADD)
        over = __builtin_add_overflow(a, b, &v);
    else if (op == JOP_SUB)
        over = __builtin_sub_overflow(a, b, &v);
    else if (op == JOP_MUL)
        over = __builtin_mul_overflow(a, b, &v);
    else if (b == 0)
        return jinja_fail(r, CMAT_ERR_ARG, at, "division by zero");
    else if (b == -1)
        over = op == JOP_FLOORDIV && __builtin_sub_overflow((int64_t)0, a, &v);
    else if (op == JOP_FLOORDIV)
        v = a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
    else
        v = a % b + ((a % b != 0) && ((a < 0) != (b < 0)) ? b : 0);
    if (over)
        return jinja_fail(r, CMAT_ERR_LIMIT, at, "number is too large");
    return jinja_int(v);
}

static jinja_value float_op(jinja_run *r, const jinja_node *at, int op, double a, double b)
{
    double v = 0;
    if (b == 0 && (op == JOP_DIV || op == JOP_FLOORDIV || op == JOP_MOD))
        return jinja_fail(r, CMAT_ERR_ARG, at, "division by zero");
    switch (op) {
    case JOP_ADD:
        v = a + b;
        break;
    case JOP_SUB:
        v = a - b;
        break;
    case JOP_MUL:
        v = a * b;
        break;
    case JOP_DIV:
        v = a / b;
        break;
    case JOP_FLOORDIV:
        v = floor(a / b);
        break;
    case JOP_POW:
        v = pow(a, b);
        break;
    default:
        v = a - floor(a / b) * b;
    }
    return (jinja_value){.kind = JV_FLOAT, .u.f = v};
}

static jinja_value int_power(jinja_run *r, const jinja_node *at, int64_t a, int64_t b)
{
    int64_t v = 1;
    for (; b > 0; b--) {
        if (__builtin_mul_overflow(v, a, &v))
            return jinja_fail(r, CMAT_ERR_LIMIT, at, "number is too large");
        if (v == 0 || (v == 1 && a == 1))
            break;
        if (a == -1)
            return jinja_int(b % 2 ? -1 : 1);
    }
    return jinja_int(v);
}

static jinja_value number_op(jinja_run *r, const jinja_node *n, jinja_value a, jinja_value b)
{
    if (a.kind == JV_FLOAT || b.kind == JV_FLOAT || n->op == JOP_DIV)
        return float_op(r, n, n->op, jinja_number(a), jinja_number(b));
    int64_t x = a.kind == JV_BOOL ? a.u.b : a.u.i, y = b.kind == JV_BOOL ? b.u.b : b.u.i;
    if (n->op != JOP_POW)
        return int_op(r, n, n->op, x, y);
    return y >= 0 ? int_power(r, n, x, y) : float_op(r, n, n->op, (double)x, (double)y);
}

jinja_value jinja_binary(jinja_run *r, const jinja_node *n, jinja_value a, jinja_value b)
{
    static const char *const names[] = {"+", "-", "*", "/", "//", "%", "**", "~"};
    if (n->op == JOP_CONCAT)
        return concat(r, a, b);
    if (jinja_is_number(a) && jinja_is_number(b))
        return number_op(r, n, a, b);
    if (n->op == JOP_ADD && a.kind == JV_STRING && b.kind == JV_STRING) {
        const bool markup = a.markup || b.markup; /* what is added to such text is escaped */
        jinja_value v =
            markup ? concat(r, jinja_escape(r, a), jinja_escape(r, b)) : concat(r, a, b);
        v.markup = markup && v.kind == JV_STRING;
        return v;
    }
    if (n->op == JOP_ADD && a.kind == JV_LIST && b.kind == JV_LIST && a.tuple == b.tuple)
        return list_concat(r, a, b);
    if (n->op == JOP_MUL && (a.kind == JV_INT || a.kind == JV_BOOL)) {
        const jinja_value times = a;
        a = b;
        b = times;
    }
    if (n->op == JOP_MUL && (b.kind == JV_INT || b.kind == JV_BOOL)) {
        const int64_t times = b.kind == JV_BOOL ? b.u.b : b.u.i;
        if (a.kind == JV_STRING)
            return repeat(r, n, a, times);
        if (a.kind == JV_LIST)
            return list_repeat(r, n, a, times);
    }
    const char *name = a.kind == JV_UNDEFINED   ? a.u.undefined
                       : b.kind == JV_UNDEFINED ? b.u.undefined
                                                : NULL;
    return jinja_fail(r, CMAT_ERR_ARG, n, "cannot do %s %s %s%s%s%s", jinja_kind_name(a),
                      names[n->op], jinja_kind_name(b), name ? " ('" : "", name ? name : "",
                      name ? "')" : "");
}

/* --- comparing ---------------------------------------------------------------------------------
 */

static bool contains(jinja_run *r, const jinja_node *at, jinja_value item, jinja_value in)
{
    jinja_list *l;
    if (in.kind == JV_STRING) {
        if (item.kind == JV_STRING)
            return memmem(in.u.str.s, in.u.str.len, item.u.str.s, item.u.str.len) != NULL;
    } else if (in.kind == JV_DICT) {
        return jinja_dict_get(in.u.dict, item) != NULL;
    } else if (jinja_iterate(r, in, &l)) {
        for (size_t i = 0; i < l->n; i++) {
            if (jinja_equal(l->items[i], item))
                return true;
        }
        return false;
    }
    jinja_fail(r, CMAT_ERR_ARG, at, "cannot look for a %s in a %s", jinja_kind_name(item),
               jinja_kind_name(in));
    return false;
}

bool jinja_relation(jinja_run *r, const jinja_node *n, int op, jinja_value a, jinja_value b)
{
    if (op == JOP_EQ || op == JOP_NE)
        return jinja_equal(a, b) == (op == JOP_EQ);
    if (op == JOP_IN || op == JOP_NOT_IN)
        return contains(r, n, a, b) == (op == JOP_IN);
    bool ok;
    int k = jinja_compare(a, b, &ok);
    if (!ok)
        jinja_fail(r, CMAT_ERR_ARG, n, "a %s and a %s have no order", jinja_kind_name(a),
                   jinja_kind_name(b));
    return op == JOP_LT ? k < 0 : op == JOP_LE ? k <= 0 : op == JOP_GT ? k > 0 : k >= 0;
}

jinja_value jinja_sign(jinja_run *r, const jinja_node *n, jinja_value v)
{
    if (!jinja_is_number(v))
        return jinja_fail(r, CMAT_ERR_ARG, n, "a %s has no sign", jinja_kind_name(v));
    if (v.kind == JV_FLOAT)
        v.u.f = n->kind == JN_NEG ? -v.u.f : v.u.f;
    else
        v = n->kind == JN_NEG ? int_op(r, n, JOP_SUB, 0, v.kind == JV_BOOL ? v.u.b : v.u.i) : v;
    return v;
}
