/* kernel/quant_iq.c - the plain conversions of GGUF's types whose values come from a small table
 * (IQ4_NL, IQ4_XS, MXFP4) or are -1, 0, 1 (TQ1_0, TQ2_0). */
#include "kernel/quant_impl.h"

const int8_t cmat_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                    1,    13,   25,  38,  53,  69,  89,  113};
const int8_t cmat_mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* 32 weights from 16 bytes of nibbles: d values[q], low nibbles first. */
static void look_up(const int8_t values[16], float d, const uint8_t *qs, float *out)
{
    for (int i = 0; i < QK / 2; i++) {
        out[i] = d * (float)values[qs[i] & 15];
        out[i + QK / 2] = d * (float)values[qs[i] >> 4];
    }
}

/* IQ4_NL: f16 d, nibbles; w = d values[q] */
void cmat_iq4_nl_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 18, out += QK)
        look_up(cmat_iq4_values, cmat_load_f16(p), p + 2, out);
}

/* IQ4_XS: f16 d, u16 and 4 bytes of 6-bit scales, nibbles[128]; sub-block j of 32: w = d scale_j
 * values[q] */
void cmat_iq4_xs_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK_K; b++, p += 136)
        for (int j = 0; j < QK_K / QK; j++, out += QK)
            look_up(cmat_iq4_values, cmat_load_f16(p) * (float)cmat_iq4_xs_scale(p, j),
                    p + 8 + (ptrdiff_t)16 * j, out);
}

/* MXFP4: exponent byte, nibbles; w = 2^(e - 127) values[q] / 2 */
void cmat_mxfp4_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK; b++, p += 17, out += QK)
        look_up(cmat_mxfp4_values, cmat_mxfp4_scale(p[0]), p + 1, out);
}

/* Digit n of a byte that holds five base-3 digits as a fraction of 256; less 1. */
static int ternary(uint8_t byte, int n)
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    return ((uint8_t)(byte * power[n]) * 3 >> 8) - 1;
}

/* TQ1_0: qs[48], qh[4], f16 d; five weights a byte, w = d (digit - 1). The first 32 bytes hold
 * weights 0..159 (digit n of byte i: 32 n + i), the next 16 those to 239, qh the last 16. */
void cmat_tq1_0_to_f32(const void *blocks, float *out, size_t n)
{
    static const struct {
        int first, n_bytes, n_digits;
    } parts[] = {{0, 32, 5}, {32, 16, 5}, {48, 4, 4}};
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK_K; b++, p += 54) {
        const float d = cmat_load_f16(p + 52);
        for (int k = 0; k < 3; k++)
            for (int digit = 0; digit < parts[k].n_digits; digit++)
                for (int i = 0; i < parts[k].n_bytes; i++)
                    *out++ = d * (float)ternary(p[parts[k].first + i], digit);
    }
}

/* TQ2_0: qs[64], f16 d; w = d (q - 1), two bits as Q2_K's */
void cmat_tq2_0_to_f32(const void *blocks, float *out, size_t n)
{
    const uint8_t *p = blocks;
    for (size_t b = 0; b < n / QK_K; b++, p += 66, out += QK_K) {
        const float d = cmat_load_f16(p + 64);
        for (int j = 0; j < QK_K; j++)
            out[j] = d * (float)((p[32 * (j / 128) + j % 32] >> (2 * (j % 128 / 32)) & 3) - 1);
    }
}
