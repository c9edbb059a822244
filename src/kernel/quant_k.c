/* kernel/quant_k.c - the plain conversions of GGUF's super-blocks of 256 weights (K types), where
 * scales of sub-blocks are themselves quantised. */
#include "kernel/quant_impl.h"

/* Q2_K: scales[16] (low nibble: scale, high: minimum), qs[64], f16 d, f16 dmin; sub-block j of 16:
 * w = d scale_j q - dmin min_j. Each half of 128 weights takes 32 bytes of qs; quarter k of a half
 * lies in bits 2k of byte i. */
void cmat_q2_k_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK_K; b++, p += 84, out += QK_K) {
        float d = cmat_load_f16(p + 80), dmin = cmat_load_f16(p + 82);
        for (int j = 0; j < QK_K; j++) {
            int q = p[16 + 32 * (j / 128) + j % 32] >> (2 * (j % 128 / 32)) & 3;
            float ds = d * (float)(p[j / 16] & 15), m = dmin * (float)(p[j / 16] >> 4);
            out[j] = ds * (float)q - m;
        }
    }
}

/* Q3_K: hmask[32], qs[64], scales[12], f16 d; sub-block j of 16: w = d scale_j q, q -4..3: two bits
 * as Q2_K's; bit j / 2 of hmask[i] clear: 4 less. */
void cmat_q3_k_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK_K; b++, p += 110, out += QK_K) {
        float d = cmat_load_f16(p + 108);
        for (int j = 0; j < QK_K; j++) {
            int q = p[32 + 32 * (j / 128) + j % 32] >> (2 * (j % 128 / 32)) & 3;
            int low = p[j % 32] >> (j / 32) & 1 ? 0 : 4;
            out[j] = d * (float)cmat_q3_k_scale(p + 96, j / 16) * (float)(q - low);
        }
    }
}

/* Q4_K: f16 d, f16 dmin, scales[12], nibbles[128]; sub-block j of 32: w = d scale_j q - dmin min_j.
 * 32 bytes hold two sub-blocks, the even one in the low nibbles. */
void cmat_q4_k_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK_K; b++, p += 144, out += QK_K) {
        float d = cmat_load_f16(p), dmin = cmat_load_f16(p + 2);
        for (int j = 0; j < 8; j++) {
            int scale, min;
            cmat_k_scale_min(p + 4, j, &scale, &min);
            float ds = d * (float)scale, m = dmin * (float)min;
            const uint8_t *q = p + 16 + (ptrdiff_t)32 * (j / 2);
            for (int i = 0; i < 32; i++)
                out[32 * j + i] = ds * (float)((q[i] >> (j & 1 ? 4 : 0)) & 15) - m;
        }
    }
}

/* Q5_K: f16 d, f16 dmin, scales[12], qh[32], nibbles[128]; as Q4_K with a fifth bit: bit j of
 * qh[i]. */
void cmat_q5_k_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK_K; b++, p += 176, out += QK_K) {
        float d = cmat_load_f16(p), dmin = cmat_load_f16(p + 2);
        const uint8_t *qh = p + 16;
        for (int j = 0; j < 8; j++) {
            int scale, min;
            cmat_k_scale_min(p + 4, j, &scale, &min);
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
void cmat_q6_k_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK_K; b++, p += 210, out += QK_K) {
        float d = cmat_load_f16(p + 208);
        for (int j = 0; j < QK_K; j++) {
            int half = j / 128, k = j % 128 / 32, i = j % 32;
            int lo = p[64 * half + 32 * (k & 1) + i] >> (k >= 2 ? 4 : 0) & 15;
            int hi = p[128 + 32 * half + i] >> (2 * k) & 3;
            int scale = (int8_t)p[192 + j / 16];
            out[j] = d * (float)scale * (float)((lo | hi << 4) - 32);
        }
    }
}

/* Q8_K: float d, int8 q[256], int16 sums of 16 (for integer products, not needed here); w = d q */
void cmat_q8_k_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK_K; b++, p += 292, out += QK_K) {
        float d;
        memcpy(&d, p, 4);
        for (int j = 0; j < QK_K; j++)
            out[j] = d * (float)(int8_t)p[4 + j];
    }
}
