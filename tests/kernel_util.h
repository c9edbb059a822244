/* tests/kernel_util.h - random tensors and comparisons for the kernel tests. */
#ifndef CMAT_TESTS_KERNEL_UTIL_H
#define CMAT_TESTS_KERNEL_UTIL_H
#include "core/mem.h"
#include "core/rng.h"
#include "kernel/kernel.h"
#include "kernel/plain.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* n normal floats times sd; the caller frees. Exactly n, so that ASan sees a read past the end. */
static inline float *random_floats(size_t n, double sd, uint64_t seed)
{
    cmat_rng r;
    cmat_rng_init(&r, seed);
    float *x = cmat_xmalloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(sd * cmat_rng_normal(&r));
    return x;
}

static inline float *copy_floats(const float *x, size_t n)
{
    float *y = cmat_xmalloc(n * sizeof *y);
    memcpy(y, x, n * sizeof *y);
    return y;
}

/* A copy of n floats of the host in the table's memory; k->free frees it. */
static inline float *to_table(const cmat_kernel_ops *k, const float *x, size_t n)
{
    float *y = k->alloc(n * sizeof *y);
    assert_non_null(y);
    k->upload(y, x, n * sizeof *y);
    return y;
}

static inline float *random_in(const cmat_kernel_ops *k, size_t n, double sd, uint64_t seed)
{
    float *x = random_floats(n, sd, seed), *y = to_table(k, x, n);
    free(x);
    return y;
}

static inline float *zeros_in(const cmat_kernel_ops *k, size_t n)
{
    float *y = k->alloc(n * sizeof *y);
    assert_non_null(y);
    k->zero(y, n);
    return y;
}

/* What n floats of the table's memory hold; the caller frees. */
static inline float *from_table(const cmat_kernel_ops *k, const float *x, size_t n)
{
    float *y = cmat_xmalloc(n * sizeof *y);
    cmat_error err;
    k->download(y, x, n * sizeof *y);
    if (k->check(&err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return y;
}

/* |x - ref|^2 / |ref|^2 */
static inline double nmse(const float *x, const float *ref, size_t n)
{
    double err = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        const double e = (double)x[i] - (double)ref[i];
        err += e * e;
        sum += (double)ref[i] * (double)ref[i];
    }
    return sum > 0 ? err / sum : err;
}

static inline void check_nmse(const char *what, const float *x, const float *ref, size_t n,
                              double bound)
{
    const double e = nmse(x, ref, n);
    if (!(e <= bound))
        fail_msg("%s: NMSE %.3g, bound %.3g", what, e, bound);
}

/* The same for x in the table's memory. */
static inline void check_table(const cmat_kernel_ops *k, const char *what, const float *x,
                               const float *ref, size_t n, double bound)
{
    float *host = from_table(k, x, n);
    check_nmse(what, host, ref, n, bound);
    free(host);
}

/* grad[i] against (f(x + h e_i) - f(x - h e_i)) / 2h at `samples` places. f is called with ctx. */
static inline void check_gradient(const char *what, double (*f)(void *), void *ctx, float *x,
                                  const float *grad, size_t n, int samples, double h, double tol)
{
    cmat_rng r;
    cmat_rng_init(&r, 99);
    double scale = 0;
    for (size_t i = 0; i < n; i++)
        scale += (double)grad[i] * (double)grad[i];
    scale = sqrt(scale / (double)n);
    for (int s = 0; s < samples; s++) {
        const size_t i = (size_t)cmat_rng_below(&r, n);
        const float saved = x[i];
        x[i] = saved + (float)h;
        const double up = f(ctx), xu = (double)x[i];
        x[i] = saved - (float)h;
        const double down = f(ctx), xd = (double)x[i];
        x[i] = saved;
        const double fd = (up - down) / (xu - xd);
        if (!(fabs(fd - (double)grad[i]) <= tol * (fabs(fd) + scale)))
            fail_msg("%s: gradient[%zu] = %g, finite difference %g", what, i, (double)grad[i], fd);
    }
}

/* Sets the scale (and minimum) of a block of random bytes. */
static inline void small_scale(cmat_type type, uint8_t *block, float scale)
{
    static const struct {
        cmat_type type;
        int at[2]; /* of the float16 fields; the same twice: one */
    } fields[] = {
        {CMAT_TYPE_Q5_0, {0, 0}},     {CMAT_TYPE_Q5_1, {0, 2}},    {CMAT_TYPE_Q2_K, {80, 82}},
        {CMAT_TYPE_Q3_K, {108, 108}}, {CMAT_TYPE_Q4_K, {0, 2}},    {CMAT_TYPE_Q5_K, {0, 2}},
        {CMAT_TYPE_Q6_K, {208, 208}}, {CMAT_TYPE_IQ4_NL, {0, 0}},  {CMAT_TYPE_IQ4_XS, {0, 0}},
        {CMAT_TYPE_TQ1_0, {52, 52}},  {CMAT_TYPE_TQ2_0, {64, 64}},
    };
    const uint16_t h = cmat_f32_to_f16(scale);
    if (type == CMAT_TYPE_MXFP4)
        block[0] = (uint8_t)(116 + block[0] % 4); /* about 2^-10 */
    else if (type == CMAT_TYPE_Q8_K)
        memcpy(block, &scale, 4);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].type == type) {
            memcpy(block + fields[i].at[0], &h, 2);
            memcpy(block + fields[i].at[1], &h, 2);
        }
}

/* A weight of the type from random floats; *data is the caller's to free. Types that quant.c does
 * not write get random bytes with small finite scales. */
static inline cmat_weight random_weight(cmat_type type, int n_out, int n_in, uint64_t seed,
                                        void **data)
{
    const cmat_type_info *info = cmat_type_get((int)type);
    const size_t n = (size_t)n_out * (size_t)n_in, n_blocks = n / (size_t)info->block_weights;
    const size_t bytes = n_blocks * (size_t)info->block_bytes;
    uint8_t *p = cmat_xmalloc(bytes);
    if (info->from_f32) {
        float *x = random_floats(n, 0.05, seed);
        info->from_f32(x, p, n);
        free(x);
    } else {
        cmat_rng r;
        cmat_rng_init(&r, seed);
        for (size_t i = 0; i < bytes; i++)
            p[i] = (uint8_t)cmat_rng_u64(&r);
        for (size_t b = 0; b < n_blocks; b++)
            small_scale(type, p + b * (size_t)info->block_bytes,
                        0.002f + 0.001f * (float)cmat_rng_double(&r));
    }
    *data = p;
    return (cmat_weight){.data = p, .type = type, .n_out = n_out, .n_in = n_in};
}
#endif
