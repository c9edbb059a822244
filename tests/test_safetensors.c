/* Tests of the safetensors reader and writer. */
#include "tiny_model.h"

#include "core/fs.h"
#include "core/mem.h"
#include "model/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A file of this header and n_data zero bytes, in a block of exactly its size. */
static unsigned char *make(const char *header, size_t n_data, size_t *len)
{
    size_t n = strlen(header);
    unsigned char *p = cmat_xcalloc(1, 8 + n + n_data);
    for (int i = 0; i < 8; i++)
        p[i] = (unsigned char)((uint64_t)n >> 8 * i);
    memcpy(p + 8, header, n);
    *len = 8 + n + n_data;
    return p;
}

#define T(dtype, shape, from, to) \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"

static const struct {
    const char *header;
    size_t n_data;
    cmat_status status;
    const char *says;
} cases[] = {
    {"{}", 0, CMAT_OK, ""},
    {"{\"a\":" T("F32", "[2]", "0", "8") "}  ", 8, CMAT_OK, ""},
    {"{\"a\":" T("F32", "[]", "0", "4") "}", 4, CMAT_OK, ""},
    {"{\"a\":" T("F16", "[0,3]", "0", "0") "}", 0, CMAT_OK, ""},
    {"{\"b\":" T("BF16", "[2,1]", "0", "4") ",\"a\":" T("F32", "[1]", "4", "8") "}", 8, CMAT_OK,
     ""},
    {"[]", 0, CMAT_ERR_FORMAT, "no JSON header"},
    {"{\"a\":", 0, CMAT_ERR_FORMAT, "header"},
    {"{\"a\":7}", 0, CMAT_ERR_FORMAT, "no dtype"},
    {"{\"a\":" T("I64", "[1]", "0", "8") "}", 8, CMAT_ERR_UNSUPPORTED, "dtype I64"},
    {"{\"a\":" T("F32", "[2]", "0", "4") "}", 4, CMAT_ERR_FORMAT, "not the size of its shape"},
    {"{\"a\":" T("F32", "[2]", "0", "8") "}", 4, CMAT_ERR_FORMAT, "outside the file"},
    {"{\"a\":" T("F32", "[2]", "8", "0") "}", 8, CMAT_ERR_FORMAT, "outside the file"},
    {"{\"a\":" T("F32", "[2]", "-8", "0") "}", 8, CMAT_ERR_FORMAT, "outside the file"},
    {"{\"a\":" T("F32", "[-2]", "0", "8") "}", 8, CMAT_ERR_FORMAT, "dimension"},
    {"{\"a\":" T("F32", "[2.0]", "0", "8") "}", 8, CMAT_ERR_FORMAT, "dimension"},
    {"{\"a\":" T("F32", "[4294967296,4294967296]", "0", "0") "}", 0, CMAT_ERR_FORMAT, "overflows"},
    {"{\"a\":" T("F32", "[4611686018427387904]", "0", "0") "}", 0, CMAT_ERR_FORMAT, "overflows"},
    {"{\"a\":" T("F32", "[1,1,1,1,1]", "0", "4") "}", 4, CMAT_ERR_UNSUPPORTED, "5 dimensions"},
    {"{\"a\":" T("F32", "[1]", "0", "4") ",\"a\":" T("F32", "[1]", "4", "8") "}", 8,
     CMAT_ERR_FORMAT, "duplicate"},
    {"{\"a\":" T("F32", "[1]", "0", "4") ",\"b\":" T("F32", "[1]", "0", "4") "}", 4,
     CMAT_ERR_FORMAT, "overlaps"},
    {"{\"a\":" T("F32", "[1]", "4", "8") "}", 8, CMAT_ERR_FORMAT, "hole"},
    {"{\"a\":" T("F32", "[1]", "0", "4") "}", 8, CMAT_ERR_FORMAT, "behind the last tensor"},
    {"{\"__metadata__\":{\"k\":1}}", 0, CMAT_ERR_FORMAT, "__metadata__"},
    {"{\"__metadata__\":{\"k\":\"v\"}}", 0, CMAT_OK, ""},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len;
        cmat_error err = {0};
        cmat_safetensors *s;
        unsigned char *p = make(cases[i].header, cases[i].n_data, &len);
        cmat_status st = cmat_safetensors_open_mem(&s, p, len, "test", &err);
        if (st != cases[i].status || !strstr(err.msg, cases[i].says))
            fail_msg("%s: status %d, \"%s\"", cases[i].header, st, err.msg);
        cmat_safetensors_close(s);
        free(p);
    }
}

static void test_header_length(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {0, 1, 3, 100000001, UINT64_MAX, UINT64_MAX - 7, 1ull << 63};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        unsigned char p[10] = {0};
        cmat_safetensors *s;
        for (int k = 0; k < 8; k++)
            p[k] = (unsigned char)(lengths[i] >> 8 * k);
        p[8] = '{';
        p[9] = '}';
        assert_int_equal(cmat_safetensors_open_mem(&s, p, sizeof p, "test", NULL), CMAT_ERR_FORMAT);
    }
}

/* 10,000 levels of brackets end in an error, not in a stack overflow. */
static void test_deep(void **state)
{
    (void)state;
    size_t len, n = 10000;
    char *header = cmat_xmalloc(n + 6);
    cmat_safetensors *s;
    memcpy(header, "{\"a\":", 5);
    memset(header + 5, '[', n);
    header[n + 5] = 0;
    unsigned char *p = make(header, 0, &len);
    assert_int_equal(cmat_safetensors_open_mem(&s, p, len, "deep", NULL), CMAT_ERR_FORMAT);
    free(header);
    free(p);
}

static char *saved(const char *name)
{
    static const float x[6] = {1, -2, 3, -4, 5, -6};
    static const uint16_t h[3] = {0x3c00, 0x4000, 0x4200};
    const cmat_safetensor t[] = {
        {.name = "z.half",
         .type = CMAT_TYPE_F16,
         .n_dims = 1,
         .shape = {3, 1, 1, 1},
         .data = h,
         .size = 6},
        {.name = "x",
         .type = CMAT_TYPE_F32,
         .n_dims = 2,
         .shape = {2, 3, 1, 1},
         .data = x,
         .size = 24},
        {.name = "a \"quoted\"",
         .type = CMAT_TYPE_F32,
         .n_dims = 1,
         .shape = {1, 1, 1, 1},
         .data = x,
         .size = 4},
    };
    const char *const meta[][2] = {{"format", "pt"}, {"key", "value"}};
    char *path = tiny_tmp_path(name);
    assert_int_equal(cmat_safetensors_save(path, t, 3, meta, 2, NULL), CMAT_OK);
    return path;
}

static void test_round_trip(void **state)
{
    (void)state;
    char *path = saved("a.safetensors"), *again = saved("b.safetensors"), *one, *two;
    size_t len, len2;
    cmat_safetensors *s;
    assert_int_equal(cmat_safetensors_open(&s, path, NULL), CMAT_OK);
    assert_int_equal(cmat_safetensors_count(s), 3);
    assert_string_equal(cmat_safetensors_at(s, 0)->name, "a \"quoted\"");
    const cmat_safetensor *x = cmat_safetensors_find(s, "x");
    assert_non_null(x);
    assert_true(x->n_dims == 2 && x->shape[0] == 2 && x->shape[1] == 3 && x->size == 24);
    float v;
    memcpy(&v, (const char *)x->data + 20, 4);
    assert_true(v == -6);
    assert_int_equal(cmat_safetensors_find(s, "z.half")->type, CMAT_TYPE_F16);
    assert_null(cmat_safetensors_find(s, "y"));
    assert_null(cmat_safetensors_at(s, 3));
    assert_string_equal(cmat_safetensors_meta(s, "key"), "value");
    assert_null(cmat_safetensors_meta(s, "nothing"));
    cmat_safetensors_close(s);

    assert_int_equal(cmat_read_file(path, 1 << 20, &one, &len, NULL), CMAT_OK);
    assert_int_equal(cmat_read_file(again, 1 << 20, &two, &len2, NULL), CMAT_OK);
    assert_int_equal(len, len2);
    assert_memory_equal(one, two, len);

    for (size_t n = 0; n < len; n++) { /* cut at each length */
        unsigned char *copy = cmat_xmalloc(n + 1);
        memcpy(copy, one, n);
        assert_int_equal(cmat_safetensors_open_mem(&s, copy, n, "cut", NULL), CMAT_ERR_FORMAT);
        free(copy);
    }
    for (size_t at = 0; at < len; at++) /* each bit flipped: an error or a success */
        for (int bit = 0; bit < 8; bit++) {
            one[at] = (char)(one[at] ^ 1 << bit);
            if (cmat_safetensors_open_mem(&s, one, len, "flipped", NULL) == CMAT_OK)
                assert_true(cmat_safetensors_count(s) <= 3);
            cmat_safetensors_close(s);
            one[at] = (char)(one[at] ^ 1 << bit);
        }
    free(one);
    free(two);
    unlink(path);
    unlink(again);
    free(path);
    free(again);
}

static void test_save_errors(void **state)
{
    (void)state;
    cmat_safetensor t = {.name = "q",
                         .type = CMAT_TYPE_Q4_0,
                         .n_dims = 1,
                         .shape = {32, 1, 1, 1},
                         .data = "",
                         .size = 18};
    assert_int_equal(cmat_safetensors_save("/tmp/never", &t, 1, NULL, 0, NULL), CMAT_ERR_ARG);
    assert_false(cmat_path_exists("/tmp/never"));
    assert_int_equal(cmat_safetensors_save("/nonexistent/x", NULL, 0, NULL, 0, NULL), CMAT_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),       cmocka_unit_test(test_header_length),
        cmocka_unit_test(test_deep),        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_save_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
