/* Tests of kernel/quant.c against vectors made by the gguf package (tests/vectors/make_quant.py).
 */
#include "core/fs.h"
#include "core/mem.h"
#include "core/rng.h"
#include "kernel/quant.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    uint32_t type, n, bytes, has_source;
} record;

static const char *root(void)
{
    const char *r = getenv("CMAT_TEST_ROOT");
    return r ? r : ".";
}

/* Widened values must be equal; f16 and bf16 to the bit. */
static void check_read(const record *r, const void *blocks, const float *wide)
{
    const cmat_type_info *info = cmat_type_get((int)r->type);
    assert_non_null(info);
    assert_int_equal(r->n / (uint32_t)info->block_weights * (uint32_t)info->block_bytes, r->bytes);
    float *got = cmat_xmalloc(r->n * sizeof *got);
    info->to_f32(blocks, got, r->n);
    for (uint32_t i = 0; i < r->n; i++) {
        /* numpy multiplies scales in another order: one rounding apart at most */
        float bound = fabsf(wide[i]) * 3e-7f + 1e-7f * fabsf(wide[0]);
        if (fabsf(got[i] - wide[i]) > (info->block_weights == 1 ? 0 : bound))
            fail_msg("%s: weight %u is %g, expected %g", info->name, i, (double)got[i],
                     (double)wide[i]);
    }
    free(got);
}

/* Squared error over squared size: the mean of all runs of 32, which may differ much in size. */
static double relative_error(const cmat_type_info *info, const void *blocks, const float *source,
                             size_t n)
{
    double sum = 0;
    float *wide = cmat_xmalloc(n * sizeof *wide);
    info->to_f32(blocks, wide, n);
    for (size_t i = 0; i < n; i += 32) {
        double e = 0, size = 1e-30;
        for (size_t j = i; j < i + 32; j++) {
            const double x = (double)source[j], d = (double)wide[j] - x;
            e += d * d;
            size += x * x;
        }
        sum += e / size;
    }
    free(wide);
    return sum * 32 / (double)n;
}

/* F16, BF16, Q8_0: the same bytes as gguf's (a value on a rounding edge may differ by one step).
 * Fewer bits: a smaller error than gguf's, which takes its scale from the extremes. */
static void check_write(const record *r, const unsigned char *blocks, const float *source)
{
    const cmat_type_info *info = cmat_type_get((int)r->type);
    unsigned char *got = cmat_xmalloc(r->bytes);
    int differ = 0;
    info->from_f32(source, got, r->n);
    for (uint32_t i = 0; i < r->bytes; i++)
        differ += got[i] != blocks[i];
    if (info->block_weights == 1 || r->type == CMAT_TYPE_Q8_0) {
        if (differ > (int)r->bytes / 200)
            fail_msg("%s: %d of %u bytes differ", info->name, differ, r->bytes);
    } else {
        double ours = relative_error(info, got, source, r->n);
        double theirs = relative_error(info, blocks, source, r->n);
        if (!(ours < 0.95 * theirs))
            fail_msg("%s: relative error %g, gguf's %g", info->name, ours, theirs);
    }
    free(got);
}

static void test_vectors(void **state)
{
    (void)state;
    char *data, *path = cmat_path_join(root(), "tests/vectors/quant.bin");
    size_t len, at = 0;
    int seen = 0;
    assert_int_equal(cmat_read_file(path, 1 << 20, &data, &len, NULL), CMAT_OK);
    while (at < len) {
        record r;
        memcpy(&r, data + at, sizeof r);
        at += sizeof r;
        float *wide = cmat_xmalloc(r.n * 4), *source = cmat_xmalloc(r.n * 4);
        const unsigned char *blocks = (unsigned char *)data + at;
        at += r.bytes;
        memcpy(wide, data + at, r.n * 4);
        at += r.n * 4;
        check_read(&r, blocks, wide);
        if (r.has_source) {
            memcpy(source, data + at, r.n * 4);
            at += r.n * 4;
            check_write(&r, blocks, source);
        }
        free(wide);
        free(source);
        seen++;
    }
    assert_int_equal(seen, 17);
    free(data);
    free(path);
}

/* Every f16 survives the way to float and back; halves round to even; overflow gives infinity. */
static void test_f16(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = cmat_f16_to_f32((uint16_t)h);
        if (isnan(f))
            assert_true(isnan(cmat_f16_to_f32(cmat_f32_to_f16(f))));
        else
            assert_int_equal(cmat_f32_to_f16(f), h);
    }
    static const struct {
        float f;
        uint16_t h;
    } cases[] = {
        {1.0f, 0x3c00},       {-2.5f, 0xc100},        {65504.0f, 0x7bff},     {65519.9f, 0x7bff},
        {65520.0f, 0x7c00},   {-1e30f, 0xfc00},       {0x1p-24f, 0x0001},     {0x1p-25f, 0x0000},
        {0x1.8p-24f, 0x0002}, {1 + 0x1p-11f, 0x3c00}, {1 + 0x3p-11f, 0x3c02}, {-0.0f, 0x8000},
        {0x1p-14f, 0x0400},   {0x1.ff8p-15f, 0x03ff}, {0x1.ffcp-15f, 0x0400}, {INFINITY, 0x7c00}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(cmat_f32_to_f16(cases[i].f), cases[i].h);
}

static void test_bf16(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = cmat_bf16_to_f32((uint16_t)h);
        if (isnan(f))
            assert_true(isnan(cmat_bf16_to_f32(cmat_f32_to_bf16(f))));
        else
            assert_int_equal(cmat_f32_to_bf16(f), h);
    }
    assert_int_equal(cmat_f32_to_bf16(1 + 0x1p-8f), 0x3f80); /* half: to even */
    assert_int_equal(cmat_f32_to_bf16(1 + 0x3p-8f), 0x3f82);
    assert_int_equal(cmat_f32_to_bf16(3.4e38f), 0x7f80); /* rounds up to infinity */
}

/* What normally distributed weights lose, by type: error over size, root mean squares. */
static void test_quantisers(void **state)
{
    (void)state;
    static const struct {
        cmat_type type;
        double bound;
    } cases[] = {{CMAT_TYPE_Q8_0, 0.0056}, {CMAT_TYPE_Q6_K, 0.018}, {CMAT_TYPE_Q5_1, 0.037},
                 {CMAT_TYPE_Q5_K, 0.036},  {CMAT_TYPE_Q5_0, 0.042}, {CMAT_TYPE_Q4_1, 0.075},
                 {CMAT_TYPE_Q4_K, 0.073},  {CMAT_TYPE_Q4_0, 0.086}};
    enum { N = 256 * 64 };
    float *x = cmat_xmalloc(N * sizeof *x);
    unsigned char *blocks = cmat_xmalloc(N * 2);
    cmat_rng r;
    cmat_rng_init(&r, 5);
    for (int i = 0; i < N; i++) {
        x[i] = 0.03f * (float)cmat_rng_normal(&r) + (i / 256 % 4 == 3 ? 0.01f : 0);
    }
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        const cmat_type_info *info = cmat_type_get(cases[c].type);
        info->from_f32(x, blocks, N);
        double lost = sqrt(relative_error(info, blocks, x, N));
        if (!(lost < cases[c].bound && lost > 0.7 * cases[c].bound))
            fail_msg("%s loses %.4f, expected below %.4f", info->name, lost, cases[c].bound);
    }
    free(blocks);
    free(x);
}

/* Blocks that a type can hold exactly come back: zeros, and few steps. */
static void test_exact(void **state)
{
    (void)state;
    float x[256], y[256];
    unsigned char blocks[1024];
    for (int t = 0; t < 64; t++) {
        const cmat_type_info *info = cmat_type_get(t);
        if (!info || !info->from_f32)
            continue;
        memset(x, 0, sizeof x);
        info->from_f32(x, blocks, 256);
        info->to_f32(blocks, y, 256);
        assert_memory_equal(x, y, sizeof x);
        for (int i = 0; i < 256; i++)
            x[i] = 0.25f * (float)((i * 5 + i / 32) % 8 - 4);
        info->from_f32(x, blocks, 256);
        info->to_f32(blocks, y, 256);
        for (int i = 0; i < 256; i++)
            if (fabsf(x[i] - y[i]) > 0.01f)
                fail_msg("%s: %g came back as %g", info->name, (double)x[i], (double)y[i]);
    }
}

/* NaN, infinity, the largest and the smallest floats in: no undefined conversion. */
static void test_not_finite(void **state)
{
    (void)state;
    static const float odd[] = {NAN, INFINITY, -1e38f, 3e38f, 1e-40f, -65520.0f, 1e-20f};
    float x[256] = {0};
    unsigned char blocks[1024];
    for (size_t k = 0; k < sizeof odd / sizeof odd[0]; k++)
        for (int t = 0; t < 64; t++) {
            const cmat_type_info *info = cmat_type_get(t);
            for (int i = 0; i < 256; i++)
                x[i] = i % (1 << k) ? 0.5f : odd[k];
            if (info && info->from_f32)
                info->from_f32(x, blocks, 256);
        }
}

static void test_unknown(void **state)
{
    (void)state;
    assert_null(cmat_type_get(-1));
    assert_null(cmat_type_get(4)); /* a removed type */
    assert_null(cmat_type_get(1 << 20));
    assert_string_equal(cmat_type_get(CMAT_TYPE_Q4_1)->name, "Q4_1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_f16),
        cmocka_unit_test(test_bf16),    cmocka_unit_test(test_quantisers),
        cmocka_unit_test(test_exact),   cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
