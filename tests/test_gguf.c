/* Tests of the GGUF reader and writer: hand-made faults, cut and flipped files, round trips. */
#include "tiny_model.h"

#include "core/buf.h"
#include "core/fs.h"
#include "core/mem.h"
#include "model/gguf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { U8 = 0, U32 = 4, I32 = 5, F32 = 6, BOOL = 7, STR = 8, ARR = 9, U64 = 10 };

/* ---- a file put together by hand ---- */

static void put(cmat_buf *b, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        cmat_buf_putc(b, (char)(v >> 8 * i));
}

static void put_str(cmat_buf *b, const char *s)
{
    put(b, strlen(s), 8);
    cmat_buf_puts(b, s);
}

static void header(cmat_buf *b, uint32_t version, uint64_t n_tensors, uint64_t n_kv)
{
    cmat_buf_puts(b, "GGUF");
    put(b, version, 4);
    put(b, n_tensors, 8);
    put(b, n_kv, 8);
}

static void kv(cmat_buf *b, const char *key, uint32_t type)
{
    put_str(b, key);
    put(b, type, 4);
}

static void kv_u32(cmat_buf *b, const char *key, uint32_t v)
{
    kv(b, key, U32);
    put(b, v, 4);
}

static void tensor(cmat_buf *b, const char *name, uint32_t type, uint64_t offset, int n_dims,
                   const uint64_t *ne)
{
    put_str(b, name);
    put(b, (uint64_t)n_dims, 4);
    for (int i = 0; i < n_dims; i++)
        put(b, ne[i], 8);
    put(b, type, 4);
    put(b, offset, 8);
}

static void pad_to(cmat_buf *b, size_t align, size_t data)
{
    while (b->len % align)
        cmat_buf_putc(b, 0);
    for (size_t i = 0; i < data; i++)
        cmat_buf_putc(b, 0);
}

/* One F32 tensor of 8 weights, or what the case makes of it. */
static void one(cmat_buf *b, const char *name, uint32_t type, uint64_t offset, int n_dims,
                uint64_t ne0, uint64_t ne1, uint64_t ne2, uint64_t ne3)
{
    header(b, 3, 1, 0);
    tensor(b, name, type, offset, n_dims, (uint64_t[]){ne0, ne1, ne2, ne3});
    pad_to(b, 32, 64);
}

/* ---- the faults of llama.cpp's tests/test-gguf.cpp, and of its advisories ---- */

static void bad_magic(cmat_buf *b)
{
    cmat_buf_puts(b, "GGML");
    put(b, 3, 4);
    put(b, 0, 8);
    put(b, 0, 8);
}
static void version_0(cmat_buf *b)
{
    header(b, 0, 0, 0);
}
static void version_1(cmat_buf *b)
{
    header(b, 1, 0, 0);
}
static void version_future(cmat_buf *b)
{
    header(b, 4, 0, 0);
}
static void big_endian(cmat_buf *b)
{
    header(b, 0x03000000, 0, 0);
}
static void bad_n_tensors(cmat_buf *b)
{
    header(b, 3, UINT64_MAX, 0);
}
static void n_tensors_not_there(cmat_buf *b)
{
    header(b, 3, 60000, 0);
    pad_to(b, 32, 512);
}
static void bad_n_kv(cmat_buf *b)
{
    header(b, 3, 0, UINT64_MAX);
}
static void kv_bad_key_size(cmat_buf *b)
{
    header(b, 3, 0, 1);
    put(b, UINT64_MAX - 7, 8);
    pad_to(b, 32, 64);
}
static void kv_empty_key(cmat_buf *b)
{
    header(b, 3, 0, 1);
    kv_u32(b, "", 1);
}
static void kv_key_with_nul(cmat_buf *b)
{
    header(b, 3, 0, 1);
    put(b, 3, 8);
    cmat_buf_add(b, "a\0b", 3);
    put(b, U32, 4);
    put(b, 1, 4);
}
static void kv_bad_type(cmat_buf *b)
{
    header(b, 3, 0, 1);
    kv(b, "some.key", 13);
    put(b, 0, 8);
}
static void kv_bad_array_type(cmat_buf *b)
{
    header(b, 3, 0, 1);
    kv(b, "some.key", ARR);
    put(b, 77, 4);
    put(b, 1, 8);
}
static void kv_nested_array(cmat_buf *b)
{
    header(b, 3, 0, 1);
    kv(b, "some.key", ARR);
    put(b, ARR, 4);
    put(b, 1, 8);
}
static void kv_huge_array(cmat_buf *b)
{
    header(b, 3, 0, 1);
    kv(b, "some.key", ARR);
    put(b, U64, 4);
    put(b, (UINT64_MAX >> 3) + 2, 8); /* times 8 is 8 again */
    put(b, 1, 8);
}
static void kv_huge_string_array(cmat_buf *b)
{
    header(b, 3, 0, 1);
    kv(b, "some.key", ARR);
    put(b, STR, 4);
    put(b, 1ull << 61, 8);
    put_str(b, "x");
}
static void kv_huge_string(cmat_buf *b)
{
    header(b, 3, 0, 1);
    kv(b, "some.key", STR);
    put(b, 1ull << 40, 8);
}
static void kv_bad_bool(cmat_buf *b)
{
    header(b, 3, 0, 1);
    kv(b, "some.key", BOOL);
    put(b, 2, 1);
}
static void kv_duplicate(cmat_buf *b)
{
    header(b, 3, 0, 2);
    kv_u32(b, "some.key", 1);
    kv_u32(b, "some.key", 2);
}
static void kv_bad_align(cmat_buf *b)
{
    header(b, 3, 0, 1);
    kv_u32(b, "general.alignment", 13);
}
static void kv_align_zero(cmat_buf *b)
{
    header(b, 3, 0, 1);
    kv_u32(b, "general.alignment", 0);
}
static void kv_align_huge(cmat_buf *b)
{
    header(b, 3, 0, 1);
    kv_u32(b, "general.alignment", 0x80000000u);
}
static void kv_align_i32(cmat_buf *b)
{
    header(b, 3, 0, 1);
    kv(b, "general.alignment", I32);
    put(b, 32, 4);
}
static void tensor_name_long(cmat_buf *b)
{
    char name[80];
    memset(name, 'x', 79);
    name[79] = 0;
    one(b, name, 0, 0, 1, 8, 1, 1, 1);
}
static void tensor_no_dims(cmat_buf *b)
{
    one(b, "t", 0, 0, 0, 8, 1, 1, 1);
}
static void tensor_n_dims(cmat_buf *b)
{
    header(b, 3, 1, 0);
    tensor(b, "t", 0, 0, 5, (uint64_t[]){8, 1, 1, 1, 1});
    pad_to(b, 32, 64);
}
static void tensor_negative(cmat_buf *b)
{
    one(b, "t", 0, 0, 2, 8, (uint64_t)-1, 1, 1);
}
static void tensor_zero(cmat_buf *b)
{
    one(b, "t", 0, 0, 2, 8, 0, 1, 1);
}
static void tensor_2_64(cmat_buf *b)
{
    one(b, "t", 0, 0, 4, 1 << 16, 1 << 16, 1 << 16, 1 << 16);
}
static void tensor_2_64_twice(cmat_buf *b)
{
    one(b, "t", 0, 0, 2, 1ull << 32, 1ull << 32, 1, 1);
}
static void tensor_bytes(cmat_buf *b)
{
    one(b, "t", 0, 0, 2, 1ull << 31, 1ull << 31, 1, 1);
} /* x 4 = 2^64 */
static void tensor_q8(cmat_buf *b)
{
    one(b, "t", 8, 0, 2, 1ull << 32, (1ull << 31) - 1, 1, 1);
}
static void tensor_bad_type(cmat_buf *b)
{
    one(b, "t", 1000, 0, 1, 8, 1, 1, 1);
}
static void tensor_removed_type(cmat_buf *b)
{
    one(b, "t", 4, 0, 1, 32, 1, 1, 1);
}
static void tensor_foreign_type(cmat_buf *b)
{
    one(b, "t", 16, 0, 1, 256, 1, 1, 1);
}
static void tensor_bad_blocks(cmat_buf *b)
{
    one(b, "t", 8, 0, 1, 33, 1, 1, 1);
}
static void tensor_offset(cmat_buf *b)
{
    one(b, "t", 0, 32, 1, 8, 1, 1, 1);
}
static void tensor_offset_huge(cmat_buf *b)
{
    one(b, "t", 0, UINT64_MAX - 31, 1, 8, 1, 1, 1);
}
static void data_not_enough(cmat_buf *b)
{
    one(b, "t", 0, 0, 1, 17, 1, 1, 1);
}
static void tensor_duplicate(cmat_buf *b)
{
    header(b, 3, 2, 0);
    tensor(b, "t", 0, 0, 1, (uint64_t[]){8});
    tensor(b, "t", 0, 32, 1, (uint64_t[]){8});
    pad_to(b, 32, 64);
}
static void tensors_overlap(cmat_buf *b)
{
    header(b, 3, 2, 0);
    tensor(b, "t", 0, 0, 1, (uint64_t[]){16});
    tensor(b, "u", 0, 32, 1, (uint64_t[]){8});
    pad_to(b, 32, 64);
}
static void inconsistent_align(cmat_buf *b) /* says 64, is laid out for 32 */
{
    header(b, 3, 2, 1);
    kv_u32(b, "general.alignment", 64);
    tensor(b, "t", 0, 0, 1, (uint64_t[]){8});
    tensor(b, "u", 0, 32, 1, (uint64_t[]){8});
    pad_to(b, 32, 64);
}

typedef struct {
    void (*make)(cmat_buf *b);
    cmat_status status;
    const char *says; /* part of the message */
} fault;

static const fault faults[] = {
    {bad_magic, CMAT_ERR_FORMAT, "not a GGUF"},
    {version_0, CMAT_ERR_FORMAT, "version 0"},
    {version_1, CMAT_ERR_UNSUPPORTED, "version 1"},
    {version_future, CMAT_ERR_UNSUPPORTED, "version 4"},
    {big_endian, CMAT_ERR_UNSUPPORTED, "big-endian"},
    {bad_n_tensors, CMAT_ERR_FORMAT, "tensors"},
    {n_tensors_not_there, CMAT_ERR_FORMAT, "60000 tensors"},
    {bad_n_kv, CMAT_ERR_FORMAT, "metadata entries"},
    {kv_bad_key_size, CMAT_ERR_FORMAT, "ends within metadata key"},
    {kv_empty_key, CMAT_ERR_FORMAT, "metadata key of 0 bytes"},
    {kv_key_with_nul, CMAT_ERR_FORMAT, "not plain text"},
    {kv_bad_type, CMAT_ERR_FORMAT, "unknown value type 13"},
    {kv_bad_array_type, CMAT_ERR_FORMAT, "unknown value type 77"},
    {kv_nested_array, CMAT_ERR_UNSUPPORTED, "arrays of arrays"},
    {kv_huge_array, CMAT_ERR_FORMAT, "ends within some.key"},
    {kv_huge_string_array, CMAT_ERR_FORMAT, "ends within some.key"},
    {kv_huge_string, CMAT_ERR_FORMAT, "ends within some.key"},
    {kv_bad_bool, CMAT_ERR_FORMAT, "boolean"},
    {kv_duplicate, CMAT_ERR_FORMAT, "some.key occurs twice"},
    {kv_bad_align, CMAT_ERR_FORMAT, "general.alignment is 13"},
    {kv_align_zero, CMAT_ERR_FORMAT, "general.alignment is 0"},
    {kv_align_huge, CMAT_ERR_FORMAT, "general.alignment is 2147483648"},
    {kv_align_i32, CMAT_ERR_FORMAT, "not u32"},
    {tensor_name_long, CMAT_ERR_FORMAT, "tensor name of 79 bytes"},
    {tensor_no_dims, CMAT_ERR_FORMAT, "0 dimensions"},
    {tensor_n_dims, CMAT_ERR_FORMAT, "5 dimensions"},
    {tensor_negative, CMAT_ERR_FORMAT, "dimension 1 is out of range"},
    {tensor_zero, CMAT_ERR_FORMAT, "dimension 1 is out of range"},
    {tensor_2_64, CMAT_ERR_FORMAT, "size overflows"},
    {tensor_2_64_twice, CMAT_ERR_FORMAT, "size overflows"},
    {tensor_bytes, CMAT_ERR_FORMAT, "size overflows"},
    {tensor_q8, CMAT_ERR_FORMAT, "size overflows"},
    {tensor_bad_type, CMAT_ERR_FORMAT, "unknown type 1000"},
    {tensor_removed_type, CMAT_ERR_FORMAT, "unknown type 4"},
    {tensor_foreign_type, CMAT_ERR_UNSUPPORTED, "type IQ2_XXS"},
    {tensor_bad_blocks, CMAT_ERR_FORMAT, "no whole blocks of Q8_0"},
    {tensor_offset, CMAT_ERR_FORMAT, "offset 32, expected 0"},
    {tensor_offset_huge, CMAT_ERR_FORMAT, "expected 0"},
    {data_not_enough, CMAT_ERR_FORMAT, "past the end"},
    {tensor_duplicate, CMAT_ERR_FORMAT, "tensor t occurs twice"},
    {tensors_overlap, CMAT_ERR_FORMAT, "expected 64"},
    {inconsistent_align, CMAT_ERR_FORMAT, "expected 64"},
};

/* Opens exactly len bytes, so that a tool sees any byte read past them. */
static cmat_status open_copy(cmat_gguf **g, const void *data, size_t len, unsigned char **copy,
                             cmat_error *err)
{
    *copy = cmat_xmalloc(len ? len : 1);
    if (len)
        memcpy(*copy, data, len);
    return cmat_gguf_open_mem(g, *copy, len, "test", err);
}

static void test_faults(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        cmat_buf b = {0};
        cmat_gguf *g = (cmat_gguf *)&b;
        cmat_error err = {0};
        unsigned char *copy;
        faults[i].make(&b);
        cmat_status st = open_copy(&g, b.data, b.len, &copy, &err);
        if (st != faults[i].status || !strstr(err.msg, faults[i].says) || g)
            fail_msg("case %zu (%s): status %d, \"%s\"", i, faults[i].says, st, err.msg);
        free(copy);
        cmat_buf_clear(&b);
    }
}

static void test_empty(void **state)
{
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        cmat_buf b = {0};
        cmat_gguf *g;
        header(&b, version, 0, 0);
        assert_int_equal(cmat_gguf_open_mem(&g, b.data, b.len, "empty", NULL), CMAT_OK);
        assert_int_equal(cmat_gguf_n_tensors(g), 0);
        assert_null(cmat_gguf_tensor_find(g, "x"));
        assert_false(cmat_gguf_has(g, "general.architecture"));
        cmat_gguf_close(g);
        cmat_buf_clear(&b);
    }
}

/* ---- a whole file ---- */

static char *tiny(size_t *len)
{
    char *data, *path = tiny_tmp_path("gguf");
    tiny_model_write(path, &(tiny_model_options){
                               .n_layers = 1, .n_embd = 32, .n_ff = 32, .type = CMAT_TYPE_Q8_0});
    assert_int_equal(cmat_read_file(path, 1 << 24, &data, len, NULL), CMAT_OK);
    unlink(path);
    free(path);
    return data;
}

static size_t header_size(const char *data, size_t len)
{
    cmat_gguf *g;
    assert_int_equal(cmat_gguf_open_mem(&g, data, len, "tiny", NULL), CMAT_OK);
    size_t n = (size_t)((const char *)cmat_gguf_tensor_at(g, 0)->data - data);
    cmat_gguf_close(g);
    return n;
}

/* All lengths within the directory, then steps through the data. */
static void test_cut(void **state)
{
    (void)state;
    size_t len, head;
    char *data = tiny(&len);
    head = header_size(data, len);
    for (size_t n = 0; n < len; n += n < head + 64 || n + 64 > len ? 1 : 97) {
        cmat_gguf *g;
        unsigned char *copy;
        cmat_error err = {0};
        cmat_status st = open_copy(&g, data, n, &copy, &err);
        if (st != CMAT_ERR_FORMAT || !err.msg[0])
            fail_msg("cut at %zu of %zu: status %d", n, len, st);
        free(copy);
    }
    free(data);
}

/* Uses everything a reader offers, whatever the file says. */
static void exercise(const cmat_gguf *g)
{
    static const char *const keys[] = {"general.architecture",
                                       "llama.block_count",
                                       "llama.rope.freq_base",
                                       "tokenizer.ggml.tokens",
                                       "tokenizer.ggml.token_type",
                                       "tokenizer.ggml.add_bos_token",
                                       "nothing"};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        const char *s;
        int64_t i;
        double d;
        bool b;
        size_t n = 0, sum = 0, len;
        int32_t *ints;
        float *floats;
        if (cmat_gguf_str(g, keys[k], &s, NULL) == CMAT_OK)
            sum += strlen(s);
        cmat_gguf_int(g, keys[k], &i, NULL);
        cmat_gguf_float(g, keys[k], &d, NULL);
        cmat_gguf_bool(g, keys[k], &b, NULL);
        if (cmat_gguf_strings(g, keys[k], &n, NULL) == CMAT_OK)
            for (size_t j = 0; j < n; j++) {
                cmat_gguf_string_at(g, keys[k], j, &s, &len);
                sum += len ? (unsigned char)s[len - 1] : 0;
            }
        if (cmat_gguf_ints(g, keys[k], &ints, &n, NULL) == CMAT_OK)
            free(ints);
        if (cmat_gguf_floats(g, keys[k], &floats, &n, NULL) == CMAT_OK)
            free(floats);
        assert_true(sum < 1u << 30);
    }
    for (size_t t = 0; t < cmat_gguf_n_tensors(g); t++) {
        const cmat_gguf_tensor *x = cmat_gguf_tensor_at(g, t);
        assert_ptr_equal(cmat_gguf_tensor_find(g, x->name), x);
        const unsigned char *p = x->data;
        volatile unsigned char ends = p[0] ^ p[x->size - 1]; /* both ends can be read */
        (void)ends;
    }
}

static void test_flipped(void **state)
{
    (void)state;
    size_t len;
    char *data = tiny(&len);
    size_t head = header_size(data, len);
    for (size_t at = 0; at < head; at++)
        for (int bit = 0; bit < 8; bit += at < 4096 ? 1 : 5) {
            cmat_gguf *g;
            unsigned char was = (unsigned char)data[at];
            cmat_error err = {0};
            data[at] = (char)(was ^ 1u << bit);
            if (cmat_gguf_open_mem(&g, data, len, "flipped", &err) == CMAT_OK) {
                if (bit == 0)
                    exercise(g);
                cmat_gguf_close(g);
            } else {
                assert_true(err.msg[0] && !strchr(err.msg, '\n'));
            }
            data[at] = (char)was;
        }
    free(data);
}

static void check_same_values(const cmat_gguf *g)
{
    const char *s;
    int64_t i;
    double d;
    bool b;
    size_t n, len;
    int32_t *ints;
    assert_int_equal(cmat_gguf_str(g, "a.str", &s, NULL), CMAT_OK);
    assert_string_equal(s, "h\xc3\xa9llo");
    assert_int_equal(cmat_gguf_int(g, "a.u32", &i, NULL), CMAT_OK);
    assert_int_equal(i, 4000000000);
    assert_int_equal(cmat_gguf_float(g, "a.f32", &d, NULL), CMAT_OK);
    assert_true(d == 0.25);
    assert_int_equal(cmat_gguf_bool(g, "a.bool", &b, NULL), CMAT_OK);
    assert_true(b);
    assert_int_equal(cmat_gguf_strings(g, "a.strs", &n, NULL), CMAT_OK);
    assert_int_equal(n, 3);
    cmat_gguf_string_at(g, "a.strs", 2, &s, &len);
    assert_int_equal(len, 5);
    assert_memory_equal(s, "three", 5);
    cmat_gguf_string_at(g, "a.strs", 3, &s, &len);
    assert_int_equal(len, 0);
    assert_int_equal(cmat_gguf_ints(g, "a.i32s", &ints, &n, NULL), CMAT_OK);
    assert_int_equal(n, 2);
    assert_int_equal(ints[1], -7);
    free(ints);
}

static void write_values(cmat_gguf_writer *w)
{
    cmat_gguf_writer_str(w, "a.str", "replaced below");
    cmat_gguf_writer_u32(w, "a.u32", 4000000000u);
    cmat_gguf_writer_f32(w, "a.f32", 0.25f);
    cmat_gguf_writer_bool(w, "a.bool", true);
    cmat_gguf_writer_strings(w, "a.strs", (const char *const[]){"one", "", "three"}, 3);
    cmat_gguf_writer_i32s(w, "a.i32s", (const int32_t[]){3, -7}, 2);
    cmat_gguf_writer_str(w, "a.str", "h\xc3\xa9llo");
}

static void test_round_trip(void **state)
{
    (void)state;
    char *path = tiny_tmp_path("rt.gguf"), *path2 = tiny_tmp_path("rt2.gguf");
    float x[6] = {1, 2, 3, 4, 5, 6};
    uint16_t h[3] = {0x3c00, 0, 0};
    cmat_gguf *g;
    cmat_gguf_writer *w = cmat_gguf_writer_new();
    write_values(w);
    cmat_gguf_writer_tensor(w, "x", CMAT_TYPE_F32, 2, (int64_t[]){3, 2}, x);
    cmat_gguf_writer_tensor(w, "h", CMAT_TYPE_F16, 1, (int64_t[]){3}, h);
    assert_int_equal(cmat_gguf_writer_save(w, path, NULL), CMAT_OK);
    cmat_gguf_writer_free(w);

    assert_int_equal(cmat_gguf_open(&g, path, NULL), CMAT_OK);
    check_same_values(g);
    const cmat_gguf_tensor *t = cmat_gguf_tensor_find(g, "x");
    assert_non_null(t);
    assert_int_equal(t->n_dims, 2);
    assert_true(t->ne[0] == 3 && t->ne[1] == 2 && t->ne[2] == 1 && t->size == 24);
    assert_memory_equal(t->data, x, sizeof x);
    assert_memory_equal(cmat_gguf_tensor_find(g, "h")->data, h, sizeof h);

    w = cmat_gguf_writer_new(); /* a copy without one key */
    cmat_gguf_writer_copy(w, g, (const char *const[]){"b.", "a.never", NULL});
    cmat_gguf_writer_u32(w, "general.alignment", 32);
    assert_int_equal(cmat_gguf_writer_save(w, path2, NULL), CMAT_OK);
    cmat_gguf_writer_free(w);
    cmat_gguf_close(g);
    assert_int_equal(cmat_gguf_open(&g, path2, NULL), CMAT_OK);
    check_same_values(g);
    cmat_gguf_close(g);

    w = cmat_gguf_writer_new();
    assert_int_equal(cmat_gguf_writer_save(w, "/nonexistent/x.gguf", NULL), CMAT_ERR_IO);
    cmat_gguf_writer_free(w);
    unlink(path);
    unlink(path2);
    free(path);
    free(path2);
}

static void test_types(void **state)
{
    (void)state;
    cmat_buf b = {0};
    cmat_gguf *g;
    cmat_error err;
    int64_t i;
    int32_t *ints;
    const char *s;
    double d;
    size_t n;
    header(&b, 2, 0, 4);
    kv(&b, "big", U64);
    put(&b, UINT64_MAX, 8);
    kv(&b, "scores",
       ARR); /* token scores as bytes: an element type that some readers did not check */
    put(&b, U8, 4);
    put(&b, 3, 8);
    put(&b, 0x030201, 3);
    kv(&b, "nul", STR);
    put(&b, 3, 8);
    cmat_buf_add(&b, "a\0b", 3);
    kv(&b, "wide", ARR);
    put(&b, U64, 4);
    put(&b, 1, 8);
    put(&b, 1ull << 40, 8);
    assert_int_equal(cmat_gguf_open_mem(&g, b.data, b.len, "types", NULL), CMAT_OK);
    assert_int_equal(cmat_gguf_int(g, "big", &i, &err), CMAT_ERR_FORMAT);
    assert_string_equal(err.msg, "types: metadata key big has type u64, not an integer in range");
    assert_int_equal(cmat_gguf_int(g, "scores", &i, &err), CMAT_ERR_FORMAT);
    assert_int_equal(cmat_gguf_int(g, "none", &i, &err), CMAT_ERR_NOT_FOUND);
    assert_int_equal(cmat_gguf_float(g, "big", &d, &err), CMAT_ERR_FORMAT);
    assert_int_equal(cmat_gguf_str(g, "nul", &s, &err), CMAT_ERR_FORMAT);
    assert_int_equal(cmat_gguf_ints(g, "scores", &ints, &n, NULL), CMAT_OK);
    assert_true(n == 3 && ints[0] == 1 && ints[2] == 3);
    free(ints);
    float *floats;
    assert_int_equal(cmat_gguf_floats(g, "scores", &floats, &n, &err), CMAT_ERR_FORMAT);
    assert_int_equal(cmat_gguf_ints(g, "wide", &ints, &n, &err), CMAT_ERR_FORMAT);
    cmat_gguf_close(g);
    cmat_buf_clear(&b);
}

/* 60,000 keys open in linear time. */
static void test_many_keys(void **state)
{
    (void)state;
    cmat_buf b = {0};
    cmat_gguf *g;
    int64_t v;
    header(&b, 3, 0, 60000);
    for (uint32_t i = 0; i < 60000; i++) {
        char key[32];
        snprintf(key, sizeof key, "key.%u", i);
        kv_u32(&b, key, i);
    }
    assert_int_equal(cmat_gguf_open_mem(&g, b.data, b.len, "many", NULL), CMAT_OK);
    assert_int_equal(cmat_gguf_int(g, "key.59999", &v, NULL), CMAT_OK);
    assert_int_equal(v, 59999);
    cmat_gguf_close(g);
    cmat_buf_clear(&b);
}

static void test_scan(void **state)
{
    (void)state;
    char *path = tiny_tmp_path("scan.gguf");
    float x[64] = {0};
    cmat_gguf *g;
    cmat_error err;
    for (int bad = 0; bad < 2; bad++) {
        unsigned bits = 0x7fc00000u;
        if (bad)
            memcpy(&x[40], &bits, 4);
        cmat_gguf_writer *w = cmat_gguf_writer_new();
        cmat_gguf_writer_tensor(w, "x", CMAT_TYPE_F32, 2, (int64_t[]){32, 2}, x);
        assert_int_equal(cmat_gguf_writer_save(w, path, NULL), CMAT_OK);
        cmat_gguf_writer_free(w);
        assert_int_equal(cmat_gguf_open(&g, path, NULL), CMAT_OK);
        assert_int_equal(cmat_gguf_scan(g, &err), bad ? CMAT_ERR_FORMAT : CMAT_OK);
        if (bad)
            assert_non_null(strstr(err.msg, "tensor x: weight 40"));
        cmat_gguf_close(g);
    }
    unlink(path);
    free(path);
}

static void test_missing_file(void **state)
{
    (void)state;
    cmat_gguf *g;
    cmat_error err;
    assert_int_equal(cmat_gguf_open(&g, "/nonexistent/model.gguf", &err), CMAT_ERR_NOT_FOUND);
    assert_null(g);
    assert_non_null(strstr(err.msg, "/nonexistent/model.gguf"));
    assert_int_equal(cmat_gguf_open(&g, "/dev/null", &err), CMAT_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults),       cmocka_unit_test(test_empty),
        cmocka_unit_test(test_cut),          cmocka_unit_test(test_flipped),
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_types),
        cmocka_unit_test(test_many_keys),    cmocka_unit_test(test_scan),
        cmocka_unit_test(test_missing_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
