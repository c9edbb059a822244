/* kernel/quant.c - the plain conversions of GGUF's tensor types.
 *
 * These are the reference: one weight at a time, in the order of the format. The fast kernels are
 * tested against them. Every load goes through memcpy, since blocks of 18 or 20 bytes leave their
 * members unaligned. */
#include "kernel/quant.h"

#include <math.h>
#include <string.h>

#define QK 32    /* weights in a simple block */
#define QK_K 256 /* weights in a super-block */

/* ---- 16-bit floats ---- */

float cmat_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exp = (h >> 10) & 0x1fu, man = h & 0x3ffu;
    union {
        uint32_t u;
        float f;
    } v;
    if (exp == 0) { /* zero or subnormal: man * 2^-24, exact in float */
        v.f = (float)man * 0x1p-24f;
        v.u |= sign;
    } else if (exp == 31) {
        v.u = sign | 0x7f800000u | man << 13;
    } else {
        v.u = sign | (exp + 112) << 23 | man << 13;
    }
    return v.f;
}

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

static float load_f16(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return cmat_f16_to_f32(h);
}

static void store_f16(uint8_t *p, float f)
{
    uint16_t h = cmat_f32_to_f16(f);
    memcpy(p, &h, 2);
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
        out[i] = load_f16(p + 2 * i);
}

static void f16_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    for (size_t i = 0; i < n; i++)
        store_f16(p + 2 * i, x[i]);
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
        float d = load_f16(p);
        for (int i = 0; i < QK; i++)
            out[i] = d * (float)(int8_t)p[2 + i];
    }
}

static void q8_0_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 34, x += QK) {
        float d = abs_max(x, QK) / 127.0f, id = d > 0 ? 1.0f / d : 0.0f;
        store_f16(p, d);
        for (int i = 0; i < QK; i++)
            p[2 + i] = (uint8_t)(int8_t)clamp_int(roundf(x[i] * id), -127, 127);
    }
}

/* Q4_0: f16 d, nibbles; w = d (q - 8) */
static void q4_0_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 18, out += QK) {
        float d = load_f16(p);
        for (int i = 0; i < QK / 2; i++) {
            out[i] = d * (float)((p[2 + i] & 15) - 8);
            out[i + QK / 2] = d * (float)((p[2 + i] >> 4) - 8);
        }
    }
}

static void q4_0_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 18, x += QK) {
        float amax = 0, max = 0; /* the value of largest size maps to q = 0, w = -8 d */
        for (int i = 0; i < QK; i++)
            if (fabsf(x[i]) > amax) {
                amax = fabsf(x[i]);
                max = x[i];
            }
        float d = max / -8.0f, id = d != 0 ? 1.0f / d : 0.0f;
        store_f16(p, d);
        for (int i = 0; i < QK / 2; i++) {
            int lo = clamp_int(x[i] * id + 8.5f, 0, 15);
            int hi = clamp_int(x[i + QK / 2] * id + 8.5f, 0, 15);
            p[2 + i] = (uint8_t)(lo | hi << 4);
        }
    }
}

/* Q4_1: f16 d, f16 m, nibbles; w = d q + m */
static void q4_1_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 20, out += QK) {
        float d = load_f16(p), m = load_f16(p + 2);
        for (int i = 0; i < QK / 2; i++) {
            out[i] = d * (float)(p[4 + i] & 15) + m;
            out[i + QK / 2] = d * (float)(p[4 + i] >> 4) + m;
        }
    }
}

static void q4_1_from_f32(const float *x, void *blocks, size_t n)
{
    uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 20, x += QK) {
        float min = x[0], max = x[0];
        for (int i = 1; i < QK; i++) {
            min = fminf(min, x[i]);
            max = fmaxf(max, x[i]);
        }
        float d = (max - min) / 15.0f, id = d > 0 ? 1.0f / d : 0.0f;
        store_f16(p, d);
        store_f16(p + 2, min);
        for (int i = 0; i < QK / 2; i++) {
            int lo = clamp_int((x[i] - min) * id + 0.5f, 0, 15);
            int hi = clamp_int((x[i + QK / 2] - min) * id + 0.5f, 0, 15);
            p[4 + i] = (uint8_t)(lo | hi << 4);
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
        float d = load_f16(p);
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
        float d = load_f16(p), m = load_f16(p + 2);
        int q[QK];
        unpack5(p + 4, p + 8, q);
        for (int i = 0; i < QK; i++)
            out[i] = d * (float)q[i] + m;
    }
}

/* ---- super-blocks of 256 ---- */

/* Scale and minimum j (0..7) of Q4_K and Q5_K out of 12 bytes of packed 6-bit numbers: 0..3 lie
 * whole in bytes 0..7; of 4..7 the low four bits lie in bytes 8..11, the top two above those of
 * 0..3. */
static void scale_min(const uint8_t *s, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *min = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

/* Q4_K: f16 d, f16 dmin, scales[12], nibbles[128]; sub-block j of 32: w = d scale_j q - dmin min_j.
 * 32 bytes hold two sub-blocks, the even one in the low nibbles. */
static void q4_k_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK_K; b++, p += 144, out += QK_K) {
        float d = load_f16(p), dmin = load_f16(p + 2);
        for (int j = 0; j < 8; j++) {
            int scale, min;
            scale_min(p + 4, j, &scale, &min);
            float ds = d * (float)scale, m = dmin * (float)min;
            const uint8_t *q = p + 16 + (ptrdiff_t)32 * (j / 2);
            for (int i = 0; i < 32; i++)
                out[32 * j + i] = ds * (float)((q[i] >> (j & 1 ? 4 : 0)) & 15) - m;
        }
    }
}

/* Q5_K: f16 d, f16 dmin, scales[12], qh[32], nibbles[128]; as Q4_K with a fifth bit: bit j of
 * qh[i]. */
static void q5_k_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK_K; b++, p += 176, out += QK_K) {
        float d = load_f16(p), dmin = load_f16(p + 2);
        const uint8_t *qh = p + 16;
        for (int j = 0; j < 8; j++) {
            int scale, min;
            scale_min(p + 4, j, &scale, &min);
            float ds = d * (float)scale, m = dmin * (float)min;
            const uint8_t *q = p + 48 + (ptrdiff_t)32 * (j / 2);
            for (int i = 0; i < 32; i++) {
                int v = ((q[i] >> (j & 1 ? 4 : 0)) & 15) | ((qh[i] >> j) & 1) << 4;
                out[32 * j + i] = ds * (float)v - m;
            }
        }
    }
}

/* Q6_K: ql[128], qh[64], int8 scales[16], f16 d; sub-block of 16: w = d scale (q - 32). Each half
 * of 128 weights takes 64 bytes of ql and 32 of qh; quarter k of a half has its low bits in ql[32
 * (k % 2) + i] (high nibble for k >= 2) and its top two in bits 2k of qh[i]. */
static void q6_k_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK_K; b++, p += 210, out += QK_K) {
        float d = load_f16(p + 208);
        for (int j = 0; j < QK_K; j++) {
            int half = j / 128, k = j % 128 / 32, i = j % 32;
            int lo = p[64 * half + 32 * (k & 1) + i] >> (k >= 2 ? 4 : 0) & 15;
            int hi = p[128 + 32 * half + i] >> (2 * k) & 3;
            int scale = (int8_t)p[192 + j / 16];
            out[j] = d * (float)scale * (float)((lo | hi << 4) - 32);
        }
    }
}

static const cmat_type_info types[] = {
    [CMAT_TYPE_F32] = {"F32", 1, 4, f32_to_f32, f32_from_f32},
    [CMAT_TYPE_F16] = {"F16", 1, 2, f16_to_f32, f16_from_f32},
    [CMAT_TYPE_Q4_0] = {"Q4_0", QK, 18, q4_0_to_f32, q4_0_from_f32},
    [CMAT_TYPE_Q4_1] = {"Q4_1", QK, 20, q4_1_to_f32, q4_1_from_f32},
    [CMAT_TYPE_Q5_0] = {"Q5_0", QK, 22, q5_0_to_f32, NULL},
    [CMAT_TYPE_Q5_1] = {"Q5_1", QK, 24, q5_1_to_f32, NULL},
    [CMAT_TYPE_Q8_0] = {"Q8_0", QK, 34, q8_0_to_f32, q8_0_from_f32},
    [CMAT_TYPE_Q4_K] = {"Q4_K", QK_K, 144, q4_k_to_f32, NULL},
    [CMAT_TYPE_Q5_K] = {"Q5_K", QK_K, 176, q5_k_to_f32, NULL},
    [CMAT_TYPE_Q6_K] = {"Q6_K", QK_K, 210, q6_k_to_f32, NULL},
    [CMAT_TYPE_BF16] = {"BF16", 1, 2, bf16_to_f32, bf16_from_f32},
};

const cmat_type_info *cmat_type_get(int type)
{
    if (type < 0 || (size_t)type >= sizeof types / sizeof types[0] || !types[type].name)
        return NULL;
    return &types[type];
}
