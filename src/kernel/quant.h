/* kernel/quant.h - GGUF tensor types: block layouts and their plain conversion to float.
 *
 * Block layouts are little-endian and byte-exact with the GGUF format; each stands with its formula
 * above its conversion in quant.c (floats, blocks of 32), quant_k.c (super-blocks of 256) and
 * quant_iq.c (tables of values, ternary). */
#ifndef CMAT_KERNEL_QUANT_H
#define CMAT_KERNEL_QUANT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { /* values are GGUF's */
               CMAT_TYPE_F32 = 0,
               CMAT_TYPE_F16 = 1,
               CMAT_TYPE_Q4_0 = 2,
               CMAT_TYPE_Q4_1 = 3,
               CMAT_TYPE_Q5_0 = 6,
               CMAT_TYPE_Q5_1 = 7,
               CMAT_TYPE_Q8_0 = 8,
               CMAT_TYPE_Q2_K = 10,
               CMAT_TYPE_Q3_K = 11,
               CMAT_TYPE_Q4_K = 12,
               CMAT_TYPE_Q5_K = 13,
               CMAT_TYPE_Q6_K = 14,
               CMAT_TYPE_Q8_K = 15,
               CMAT_TYPE_IQ4_NL = 20,
               CMAT_TYPE_IQ4_XS = 23,
               CMAT_TYPE_BF16 = 30,
               CMAT_TYPE_TQ1_0 = 34,
               CMAT_TYPE_TQ2_0 = 35,
               CMAT_TYPE_MXFP4 = 39
} cmat_type;

typedef struct {
    const char *name;  /* "Q4_1"; NULL: not a type of ours */
    int block_weights; /* weights in a block: 1, 32 or 256 */
    int block_bytes;
    void (*to_f32)(const void *blocks, float *out,
                   size_t n); /* n: weights, a multiple of block_weights */
    void (*from_f32)(const float *x, void *blocks, size_t n); /* NULL: we do not write this type */
} cmat_type_info;

/* NULL for an unknown type. */
const cmat_type_info *cmat_type_get(int type);

/* A half's bits in a float's places are its value times 2^-112, subnormal ones too. */
static inline float cmat_f16_to_f32(uint16_t h)
{
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)(h & 0x7fffu) << 13};
    v.f *= 0x1p112f;
    if (v.f >= 65536) /* the exponent of infinity and NaN */
        v.u |= 0x7f800000u;
    v.u |= (uint32_t)(h & 0x8000u) << 16;
    return v.f;
}
uint16_t cmat_f32_to_f16(float f); /* round to nearest even */
static inline float cmat_bf16_to_f32(uint16_t h)
{
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)h << 16};
    return v.f;
}
uint16_t cmat_f32_to_bf16(float f); /* round to nearest even; NaN stays NaN */
#endif
