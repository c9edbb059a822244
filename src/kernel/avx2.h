/* kernel/avx2.h - what the AVX2 files share: small vector helpers and the parts of the table.
 * Only files compiled with -mavx2 -mfma -mf16c include this. */
#ifndef CMAT_KERNEL_AVX2_H
#define CMAT_KERNEL_AVX2_H
#include "kernel/kernel.h"
#include "kernel/qgemm.h"
#include "kernel/sgemm.h"
#include <immintrin.h>
#include <string.h>

extern const cmat_sgemm_tile cmat_avx2_tile; /* 6 x 16 */
extern const cmat_q_tile cmat_avx2_q_tile;   /* 6 x 16 */

/* Blocks to float, as cmat_type_info's to_f32 (the same bits). Types without a fast form give
 * quant.c's. */
typedef void cmat_widen_fn(const void *blocks, float *out, size_t n);
cmat_widen_fn *cmat_avx2_widen(cmat_type type);

/* Rows o .. o+n_rows of W, columns n0 .. n0+n, widened, ld floats apart; zeros for rows beyond the
 * last. */
void cmat_avx2_widen_rows(float *rows, size_t ld, const cmat_weight *w, int o, int n_rows, int n0,
                          int n);

/* Packs for cmat_sgemm. b is a cmat_weight: B = W^T (columns are rows of W), or B = W. */
cmat_sgemm_pack cmat_avx2_pack_rows, cmat_avx2_pack_columns;
/* b is a cmat_avx2_matrix: B(k, n) = p[k * ld + n], or transposed p[n * ld + k]. */
typedef struct {
    const float *p;
    size_t ld;
} cmat_avx2_matrix;
cmat_sgemm_pack cmat_avx2_pack_matrix, cmat_avx2_pack_transposed;

/* Packs for cmat_qgemm; b is a cmat_weight, for pack_rows of a quantised type. */
cmat_q_pack cmat_avx2_q_pack_rows, cmat_avx2_q_pack_columns;
/* How pack_rows packs a type: in blocks of 16 pairs, or of 8 where each 16 weights have a scale; 0:
 * not at all, and products widen it (Q2_K, whose sub-blocks of 16 have minima; rare types). */
int cmat_avx2_q_pairs(cmat_type type);

/* Weights repacked for decoding (prepared_avx2.c); the pack and the product need them made. */
cmat_status cmat_avx2_prepare(cmat_weight *w, int uses, cmat_error *err);
void cmat_avx2_release(cmat_weight *w);
cmat_q_pack cmat_avx2_q_pack_prepared;
/* Several products as one list of units of `per` outputs: how many there are, and whose number *i
 * is; *i becomes the unit's number there. */
static inline int cmat_product_units(const cmat_product *p, int n, int per)
{
    int units = 0;
    for (int i = 0; i < n; i++)
        units += (p[i].w->n_out + per - 1) / per;
    return units;
}

static inline const cmat_product *cmat_product_of_unit(const cmat_product *p, int per, int *i)
{
    for (; *i >= cmat_product_units(p, 1, per); p++)
        *i -= cmat_product_units(p, 1, per);
    return p;
}

/* y (n_out) (+)= W x for n matrices */
void cmat_avx2_row_product(const cmat_product *p, int n, const float *x, bool accumulate);

/* The tables' products. */
void cmat_avx2_matmul(float *y, int ldy, const float *x, int ldx, const cmat_weight *w, int T,
                      bool accumulate);
void cmat_avx2_matmul_set(const cmat_product *p, int n, const float *x, int ldx, int T);
void cmat_avx512_matmul_set(const cmat_product *p, int n, const float *x, int ldx, int T);
void cmat_avx2_matmul_backward(float *dx, int lddx, const float *dy, int lddy, const cmat_weight *w,
                               int T, bool accumulate);
void cmat_avx2_gemm(bool ta, bool tb, int M, int N, int K, float alpha, const float *A, int lda,
                    const float *B, int ldb, float beta, float *C, int ldc);
void cmat_avx2_lora_rows(float *y, int ldy, const float *x, int ldx, const cmat_lora_rows *l, int n,
                         float *tmp);
void cmat_avx512_matmul(float *y, int ldy, const float *x, int ldx, const cmat_weight *w, int T,
                        bool accumulate);
void cmat_avx512_matmul_backward(float *dx, int lddx, const float *dy, int lddy,
                                 const cmat_weight *w, int T, bool accumulate);
void cmat_avx512_gemm(bool ta, bool tb, int M, int N, int K, float alpha, const float *A, int lda,
                      const float *B, int ldb, float beta, float *C, int ldc);

void cmat_avx2_kv_store(const cmat_paged_kv *kv, const cmat_paged_seq *seqs, int n_seqs,
                        const float *k, const float *v, int ldkv, int G, int d);

static inline float cmat_avx2_sum(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* Lanes 0..n-1 set, for maskload and maskstore; n may be below 0 or above 8. */
static inline __m256i cmat_avx2_mask(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
/* The 8 x 8 block at src (rows ld apart), transposed to dst (rows `width` apart). */
static inline void cmat_avx2_transpose8(const float *src, size_t ld, float *dst, size_t width)
{
    __m256 r[8], t[8];
    for (size_t i = 0; i < 8; i++)
        r[i] = _mm256_loadu_ps(src + i * ld);
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (size_t i = 0; i < 4; i++) {
        _mm256_store_ps(dst + i * width, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_store_ps(dst + (i + 4) * width, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

/* 16 bytes of nibbles to 32 bytes: low nibbles first. */
static inline __m256i cmat_avx2_nibbles(const uint8_t *p)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)p);
    return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(x, 4), x), _mm256_set1_epi8(15));
}

/* 32 bits to 32 bytes of 0 or 16. */
static inline __m256i cmat_avx2_fifth_bits(const uint8_t *p)
{
    int32_t bits;
    memcpy(&bits, p, 4);
    const __m256i spread = _mm256_shuffle_epi8(
        _mm256_set1_epi32(bits), _mm256_setr_epi64x(0x0000000000000000, 0x0101010101010101,
                                                    0x0202020202020202, 0x0303030303030303));
    const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    const __m256i is = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
    return _mm256_and_si256(is, _mm256_set1_epi8(16));
}

#endif
