/* kernel/quant_impl.h - what the files of the tensor types share: fields of blocks, and the
 * conversions that quant.c's table lists. */
#ifndef CMAT_KERNEL_QUANT_IMPL_H
#define CMAT_KERNEL_QUANT_IMPL_H
#include "kernel/quant.h"
#include <string.h>

enum {
    QK = 32,   /* weights in a simple block */
    QK_K = 256 /* weights in a super-block */
};

static inline float cmat_load_f16(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return cmat_f16_to_f32(h);
}

static inline void cmat_store_f16(uint8_t *p, float f)
{
    uint16_t h = cmat_f32_to_f16(f);
    memcpy(p, &h, 2);
}

/* Scale and minimum j (0..7) of Q4_K and Q5_K out of 12 bytes of packed 6-bit numbers: 0..3 lie
 * whole in bytes 0..7; of 4..7 the low four bits lie in bytes 8..11, the top two above those of
 * 0..3. */
static inline void cmat_k_scale_min(const uint8_t *s, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *min = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

/* Scale j (0..15) of Q3_K, -32..31, out of 12 bytes: the low four bits in a nibble of bytes 0..7,
 * the top two in bytes 8..11. */
static inline int cmat_q3_k_scale(const uint8_t *s, int j)
{
    const int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
    return (low | (s[8 + j % 4] >> (2 * (j / 4)) & 3) << 4) - 32;
}

/* Scale j (0..7) of an IQ4_XS block, -32..31. */
static inline int cmat_iq4_xs_scale(const uint8_t *block, int j)
{
    const int high = (block[2] | block[3] << 8) >> (2 * j) & 3;
    return ((block[4 + j / 2] >> (j & 1 ? 4 : 0) & 15) | high << 4) - 32;
}

/* A power of two from MXFP4's exponent byte (OCP Microscaling Formats 1.0), halved since its
 * values are kept doubled; e = 0 and 1 are subnormal. */
static inline float cmat_mxfp4_scale(uint8_t e)
{
    const uint32_t bits = e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

extern const int8_t cmat_iq4_values[16];   /* of IQ4_NL and IQ4_XS */
extern const int8_t cmat_mxfp4_values[16]; /* doubled: 0, 1/2, 1, 3/2, 2, 3, 4, 6 and negatives */

/* ---- to float, of the types outside quant.c ---- */

typedef void cmat_to_f32_fn(const void *blocks, float *out, size_t n);
cmat_to_f32_fn cmat_q2_k_to_f32, cmat_q3_k_to_f32, cmat_q4_k_to_f32, cmat_q5_k_to_f32,
    cmat_q6_k_to_f32, cmat_q8_k_to_f32;
cmat_to_f32_fn cmat_iq4_nl_to_f32, cmat_iq4_xs_to_f32, cmat_mxfp4_to_f32, cmat_tq1_0_to_f32,
    cmat_tq2_0_to_f32;

/* ---- and back (quantise.c) ---- */

typedef void cmat_from_f32_fn(const float *x, void *blocks, size_t n);
cmat_from_f32_fn cmat_q4_0_from_f32, cmat_q4_1_from_f32, cmat_q5_0_from_f32, cmat_q5_1_from_f32,
    cmat_q4_k_from_f32, cmat_q5_k_from_f32, cmat_q6_k_from_f32;
#endif
