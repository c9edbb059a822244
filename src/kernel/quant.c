/* kernel/quant.c - the plain conversions of GGUF's tensor types.
 *
 * These are the reference: one weight at a time, in the order of the format. The fast kernels are
 * tested against them. Every load goes through memcpy, since blocks of 18 or 20 bytes leave their
 * members unaligned. */
#include "kernel/quant_impl.h"

#include <math.h>

/* ---- 16-bit floats ---- */

uint16_t cmat_f32_to_f16(float f)
{
    union {
        float f;
        uint32_t u;
    } v = {f};
    uint32_t sign = (v.u >> 16) & 0x8000u, a = v.u & 0x7fffffffu;
    if (a > 0x7f800000u) /* NaN: quiet, top payload bits kept */
        return (uint16_t)(sign | 0x7e00u | ((a >> 13) & 0x3ffu));
    if (a >= 0x477ff000u) /* from 65520 on nearest-even gives infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) { /* below 2^-14: subnormal, man = round(|f| * 2^24) */
        v.u = a;
        return (uint16_t)(sign | (uint32_t)lrintf(v.f * 0x1p24f));
    }
    uint32_t odd = (a >> 13) & 1u;
    return (uint16_t)(sign | ((a - 0x38000000u + 0xfffu + odd) >> 13));
}

uint16_t cmat_f32_to_bf16(float f)
{
    union {
        float f;
        uint32_t u;
    } v = {f};
    if ((v.u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(v.u >> 16 | 0x40u);
    return (uint16_t)((v.u + 0x7fffu + ((v.u >> 16) & 1u)) >> 16);
}

static void f32_to_f32(const void *blocks, float *out, size_t n)
{
    memcpy(out, blocks, n * sizeof(float));
}

static void f32_from_f32(const float *x, void *blocks, size_t n)
{
    memcpy(blocks, x, n * sizeof(float));
}

static void f16_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++)
        out[i] = cmat_load_f16(p + 2 * i);
}

static void f16_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++)
        cmat_store_f16(p + 2 * i, x[i]);
}

static void bf16_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, p + 2 * i, 2);
        out[i] = cmat_bf16_to_f32(h);
    }
}

static void bf16_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++) {
        uint16_t h = cmat_f32_to_bf16(x[i]);
        memcpy(p + 2 * i, &h, 2);
    }
}

/* ---- blocks of 32 ---- */

/* Largest absolute value; NaN counts as nothing, so that the scale of a block stays a number. */
static float abs_max(const float *x, int n)
{
    float m = 0;
    for (int i = 0; i < n; i++)
        m = fmaxf(m, fabsf(x[i]));
    return m;
}

/* v truncated and limited to lo..hi; NaN gives lo. */
static int clamp_int(float v, int lo, int hi)
{
    if (!(v > (float)lo))
        return lo;
    return v >= (float)hi ? hi : (int)v;
}

/* Q8_0: f16 d, int8 q[32]; w = d q */
static void q8_0_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 34, out += QK) {
        float d = cmat_load_f16(p);
        for (int i = 0; i < QK; i++)
            out[i] = d * (float)(int8_t)p[2 + i];
    }
}

static void q8_0_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 34, x += QK) {
        float d = abs_max(x, QK) / 127.0f, id = d > 0 ? 1.0f / d : 0.0f;
        cmat_store_f16(p, d);
        for (int i = 0; i < QK; i++)
            p[2 + i] = (uint8_t)(int8_t)clamp_int(roundf(x[i] * id), -127, 127);
    }
}

/* Q4_0: f16 d, nibbles; w = d (q - 8) */
static void q4_0_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 18, out += QK) {
        float d = cmat_load_f16(p);
        for (int i = 0; i < QK / 2; i++) {
            out[i] = d * (float)((p[2 + i] & 15) - 8);
            out[i + QK / 2] = d * (float)((p[2 + i] >> 4) - 8);
        }
    }
}

/* Q4_1: f16 d, f16 m, nibbles; w = d q + m */
static void q4_1_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 20, out += QK) {
        float d = cmat_load_f16(p), m = cmat_load_f16(p + 2);
        for (int i = 0; i < QK / 2; i++) {
            out[i] = d * (float)(p[4 + i] & 15) + m;
            out[i + QK / 2] = d * (float)(p[4 + i] >> 4) + m;
        }
    }
}

/* The 5-bit values of a block: four low bits from the nibbles qs, the fifth from bit i of qh. */
static void unpack5(const uint8_t *qh, const uint8_t *qs, int q[QK])
{
    uint32_t bits;
    memcpy(&bits, qh, 4);
    for (int i = 0; i < QK / 2; i++) {
        q[i] = (int)((qs[i] & 15u) | ((bits >> i) & 1u) << 4);
        q[i + QK / 2] = (int)((unsigned)(qs[i] >> 4) | ((bits >> (i + 16)) & 1u) << 4);
    }
}

/* Q5_0: f16 d, 4 bytes of fifth bits, nibbles; w = d (q - 16) */
static void q5_0_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 22, out += QK) {
        float d = cmat_load_f16(p);
        int q[QK];
        unpack5(p + 2, p + 6, q);
        for (int i = 0; i < QK; i++)
            out[i] = d * (float)(q[i] - 16);
    }
}

/* Q5_1: f16 d, f16 m, 4 bytes of fifth bits, nibbles; w = d q + m */
static void q5_1_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 24, out += QK) {
        float d = cmat_load_f16(p), m = cmat_load_f16(p + 2);
        int q[QK];
        unpack5(p + 4, p + 8, q);
        for (int i = 0; i < QK; i++)
            out[i] = d * (float)q[i] + m;
    }
}

static const cmat_type_info types[] = {
    [CMAT_TYPE_F32] = {"F32", 1, 4, f32_to_f32, f32_from_f32},
    [CMAT_TYPE_F16] = {"F16", 1, 2, f16_to_f32, f16_from_f32},
    [CMAT_TYPE_Q4_0] = {"Q4_0", QK, 18, q4_0_to_f32, cmat_q4_0_from_f32},
    [CMAT_TYPE_Q4_1] = {"Q4_1", QK, 20, q4_1_to_f32, cmat_q4_1_from_f32},
    [CMAT_TYPE_Q5_0] = {"Q5_0", QK, 22, q5_0_to_f32, cmat_q5_0_from_f32},
    [CMAT_TYPE_Q5_1] = {"Q5_1", QK, 24, q5_1_to_f32, cmat_q5_1_from_f32},
    [CMAT_TYPE_Q8_0] = {"Q8_0", QK, 34, q8_0_to_f32, q8_0_from_f32},
    [CMAT_TYPE_Q2_K] = {"Q2_K", QK_K, 84, cmat_q2_k_to_f32, NULL},
    [CMAT_TYPE_Q3_K] = {"Q3_K", QK_K, 110, cmat_q3_k_to_f32, NULL},
    [CMAT_TYPE_Q4_K] = {"Q4_K", QK_K, 144, cmat_q4_k_to_f32, cmat_q4_k_from_f32},
    [CMAT_TYPE_Q5_K] = {"Q5_K", QK_K, 176, cmat_q5_k_to_f32, cmat_q5_k_from_f32},
    [CMAT_TYPE_Q6_K] = {"Q6_K", QK_K, 210, cmat_q6_k_to_f32, cmat_q6_k_from_f32},
    [CMAT_TYPE_Q8_K] = {"Q8_K", QK_K, 292, cmat_q8_k_to_f32, NULL},
    [CMAT_TYPE_IQ4_NL] = {"IQ4_NL", QK, 18, cmat_iq4_nl_to_f32, NULL},
    [CMAT_TYPE_IQ4_XS] = {"IQ4_XS", QK_K, 136, cmat_iq4_xs_to_f32, NULL},
    [CMAT_TYPE_BF16] = {"BF16", 1, 2, bf16_to_f32, bf16_from_f32},
    [CMAT_TYPE_TQ1_0] = {"TQ1_0", QK_K, 54, cmat_tq1_0_to_f32, NULL},
    [CMAT_TYPE_TQ2_0] = {"TQ2_0", QK_K, 66, cmat_tq2_0_to_f32, NULL},
    [CMAT_TYPE_MXFP4] = {"MXFP4", QK, 17, cmat_mxfp4_to_f32, NULL},
};

const cmat_type_info *cmat_type_get(int type)
{
    if (type < 0 || (size_t)type >= sizeof types / sizeof types[0] || !types[type].name)
        return NULL;
    return &types[type];
}
