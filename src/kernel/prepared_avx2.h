/* kernel/prepared_avx2.h - how weights lie when they are repacked for decoding.
 *
 * Eight rows lie together, block of 32 by block of 32. Of a block, lane l of 16 bits (row l / 2,
 * element l % 2 of a pair) holds for each pair p = 0 .. 15 of consecutive weights
 *   4 bits: vector p / 4, bits 4 (p % 4) ..               128 bytes
 *   5 bits: as 4 bits, then the fifth bits: bit p         160 bytes
 *   8 bits: vector p / 2, byte p % 2                      256 bytes
 * followed by scales d (8 rows) and minima m, in float16 where the file has them so, else in
 * float32; types with two scales a block have two sets of d, one for each half, and no minima. */
#ifndef CMAT_KERNEL_PREPARED_AVX2_H
#define CMAT_KERNEL_PREPARED_AVX2_H
#include "kernel/quant.h"
#include <stdbool.h>
#include <stddef.h>

enum { CMAT_PREPARED_ROWS = 8 };

typedef struct {
    int bits; /* 4, 5, 8 */
    int bias; /* subtracted from the stored values: m = -bias d */
    bool has_min;
    bool wide;   /* scales in float32 */
    bool halves; /* two scales a block */
} cmat_prepared_form;

static inline cmat_prepared_form cmat_prepared_form_of(cmat_type type)
{
    switch (type) {
    case CMAT_TYPE_Q4_0:
        return (cmat_prepared_form){.bits = 4, .bias = 8};
    case CMAT_TYPE_Q4_1:
        return (cmat_prepared_form){.bits = 4, .has_min = true};
    case CMAT_TYPE_Q5_0:
        return (cmat_prepared_form){.bits = 5, .bias = 16};
    case CMAT_TYPE_Q5_1:
        return (cmat_prepared_form){.bits = 5, .has_min = true};
    case CMAT_TYPE_Q4_K:
        return (cmat_prepared_form){.bits = 4, .has_min = true, .wide = true};
    case CMAT_TYPE_Q5_K:
        return (cmat_prepared_form){.bits = 5, .has_min = true, .wide = true};
    case CMAT_TYPE_Q3_K:
    case CMAT_TYPE_Q6_K:
        return (cmat_prepared_form){.bits = 8, .wide = true, .halves = true};
    case CMAT_TYPE_IQ4_XS:
    case CMAT_TYPE_MXFP4:
        return (cmat_prepared_form){.bits = 8, .wide = true};
    default: /* Q8_0, IQ4_NL */
        return (cmat_prepared_form){.bits = 8};
    }
}

static inline size_t cmat_prepared_value_bytes(cmat_prepared_form f)
{
    return f.bits == 8 ? 256 : f.bits == 5 ? 160 : 128;
}

static inline size_t cmat_prepared_block_bytes(cmat_prepared_form f)
{
    const size_t scale = f.wide ? 32 : 16;
    return cmat_prepared_value_bytes(f) + scale * (1 + (f.halves || f.has_min ? 1 : 0));
}

/* Calls fn(form, ...) with the form of `type` as a constant. */
#define CMAT_WITH_FORM(type, fn, ...)                                        \
    switch (type) {                                                          \
    case CMAT_TYPE_Q4_0:                                                     \
        fn(((cmat_prepared_form){4, 8, false, false, false}), __VA_ARGS__);  \
        break;                                                               \
    case CMAT_TYPE_Q4_1:                                                     \
        fn(((cmat_prepared_form){4, 0, true, false, false}), __VA_ARGS__);   \
        break;                                                               \
    case CMAT_TYPE_Q5_0:                                                     \
        fn(((cmat_prepared_form){5, 16, false, false, false}), __VA_ARGS__); \
        break;                                                               \
    case CMAT_TYPE_Q5_1:                                                     \
        fn(((cmat_prepared_form){5, 0, true, false, false}), __VA_ARGS__);   \
        break;                                                               \
    case CMAT_TYPE_Q4_K:                                                     \
        fn(((cmat_prepared_form){4, 0, true, true, false}), __VA_ARGS__);    \
        break;                                                               \
    case CMAT_TYPE_Q5_K:                                                     \
        fn(((cmat_prepared_form){5, 0, true, true, false}), __VA_ARGS__);    \
        break;                                                               \
    case CMAT_TYPE_Q3_K:                                                     \
    case CMAT_TYPE_Q6_K:                                                     \
        fn(((cmat_prepared_form){8, 0, false, true, true}), __VA_ARGS__);    \
        break;                                                               \
    case CMAT_TYPE_IQ4_XS:                                                   \
    case CMAT_TYPE_MXFP4:                                                    \
        fn(((cmat_prepared_form){8, 0, false, true, false}), __VA_ARGS__);   \
        break;                                                               \
    default:                                                                 \
        fn(((cmat_prepared_form){8, 0, false, false, false}), __VA_ARGS__);  \
    }
#endif
