/* kernel/attention_avx2.h - blocks of attention in AVX2, shared by the packed and the paged form.
 *
 * A query block is up to BLOCK_ROWS rows: the heads of one key/value head for consecutive
 * positions, position-major. Keys come in blocks of BLOCK_KEYS. K is transposed beforehand into
 * panels of 16 keys, (d, 16) each, so that scores are products with unit stride; V is read as it
 * lies. */
#ifndef CMAT_KERNEL_ATTENTION_AVX2_H
#define CMAT_KERNEL_ATTENTION_AVX2_H
#include "kernel/avx2.h"

enum {
    CMAT_BLOCK_ROWS = 48,
    CMAT_BLOCK_KEYS = 128,
    CMAT_SCORE_LD = CMAT_BLOCK_KEYS + 8, /* a row of scores: vectors may run over its end */
    CMAT_PANEL_KEYS = 16,
    CMAT_MAX_HEAD_DIM = 256
};

/* Keys first .. end-1 of a store; causal: position i of the segment sees only up to own + i. */
typedef struct {
    int first, end;
    bool causal;
    int own; /* the key that stands at the segment's position 0 (causal only) */
} cmat_span;

/* The keys and values of one key/value head. */
typedef struct {
    const float *kt; /* panel p: keys 16p .. 16p+15, (d, 16), 32-byte aligned */
    const float *v;  /* row of key j at v + j * ldv */
    size_t ldv;
} cmat_key_store;

/* One query block against spans of keys. */
typedef struct {
    const float *q; /* the block's first row; position i, head r at q + i * ldq + r * d */
    float *o;       /* likewise with ldo */
    float *lse;     /* position i, head r at lse + i * ld_lse + r; may be NULL */
    size_t ldq, ldo, ld_lse;
    int first, n; /* positions first .. first+n-1 of the segment; n * heads <= CMAT_BLOCK_ROWS */
    int heads, d;
    cmat_span spans[2];
    int n_spans;
} cmat_query_block;

/* True when the blocked forms take this shape; others go to the plain table. */
bool cmat_attention_avx2_fits(int H, int G, int d);
/* Positions in a query block. */
int cmat_attention_avx2_block(int heads);
void cmat_attention_avx2_forward(const cmat_query_block *b, const cmat_key_store *store);

/* Keys of block `at` that position i sees within the span: lo .. hi-1 relative to the block. */
static inline void cmat_span_range(const cmat_span *s, int at, int i, int *lo, int *hi)
{
    const int end = s->causal && s->own + i + 1 < s->end ? s->own + i + 1 : s->end;
    *lo = s->first > at ? s->first - at : 0;
    *hi = end - at < CMAT_BLOCK_KEYS ? end - at : CMAT_BLOCK_KEYS;
}

/* c (m, 16), rows ldc apart, (+)= A B: A(i, k) = a[i * a_row + k * a_col], B(k, j) = b[k * ldb +
 * j]. m is a constant in each use. */
static inline __attribute__((always_inline)) void
cmat_attention_tile_rows(int m, int kc, const float *a, size_t a_row, size_t a_col, const float *b,
                         size_t ldb, float *c, size_t ldc, bool accumulate)
{
    __m256 acc[6][2];
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        acc[i][0] = accumulate ? _mm256_loadu_ps(c + (size_t)i * ldc) : _mm256_setzero_ps();
        acc[i][1] = accumulate ? _mm256_loadu_ps(c + (size_t)i * ldc + 8) : _mm256_setzero_ps();
    }
#pragma GCC unroll 2
    for (int k = 0; k < kc; k++) {
        const __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            const __m256 ai = _mm256_broadcast_ss(a + (size_t)i * a_row);
            acc[i][0] = _mm256_fmadd_ps(ai, b0, acc[i][0]);
            acc[i][1] = _mm256_fmadd_ps(ai, b1, acc[i][1]);
        }
        a += a_col;
        b += ldb;
    }
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        _mm256_storeu_ps(c + (size_t)i * ldc, acc[i][0]);
        _mm256_storeu_ps(c + (size_t)i * ldc + 8, acc[i][1]);
    }
}

/* The same for any m and n, a multiple of 16. */
static inline void cmat_attention_product(int m, int n, int kc, const float *a, size_t a_row,
                                          size_t a_col, const float *b, size_t ldb, float *c,
                                          size_t ldc, bool accumulate)
{
    for (int i = 0; i < m; i += 6)
        for (int j = 0; j < n; j += 16) {
            const float *ai = a + (size_t)i * a_row;
            float *cij = c + (size_t)i * ldc + (size_t)j;
            switch (m - i) {
            case 1:
                cmat_attention_tile_rows(1, kc, ai, a_row, a_col, b + j, ldb, cij, ldc, accumulate);
                break;
            case 2:
                cmat_attention_tile_rows(2, kc, ai, a_row, a_col, b + j, ldb, cij, ldc, accumulate);
                break;
            case 3:
                cmat_attention_tile_rows(3, kc, ai, a_row, a_col, b + j, ldb, cij, ldc, accumulate);
                break;
            case 4:
                cmat_attention_tile_rows(4, kc, ai, a_row, a_col, b + j, ldb, cij, ldc, accumulate);
                break;
            case 5:
                cmat_attention_tile_rows(5, kc, ai, a_row, a_col, b + j, ldb, cij, ldc, accumulate);
                break;
            default:
                cmat_attention_tile_rows(6, kc, ai, a_row, a_col, b + j, ldb, cij, ldc, accumulate);
            }
        }
}

/* s (rows, SCORE_LD) = A panels for the panels that hold keys lo .. hi-1 of the block. */
static inline void cmat_attention_scores(float *s, const float *a, int rows, int d,
                                         const float *panels, int lo, int hi)
{
    for (int p = lo / CMAT_PANEL_KEYS * CMAT_PANEL_KEYS; p < hi; p += CMAT_PANEL_KEYS)
        cmat_attention_product(rows, CMAT_PANEL_KEYS, d, a, (size_t)d, 1,
                               panels + (size_t)p * (size_t)d, CMAT_PANEL_KEYS, s + p,
                               CMAT_SCORE_LD, false);
}

/* Panels of 16 keys: rows x (n of them, ldx apart) of one head, zeros up to a whole panel. */
void cmat_attention_avx2_pack(float *panel, const float *x, size_t ldx, int n, int d);

/* One past the last row that any segment covers. */
int cmat_segments_end(const cmat_segment *seg, int n_seg);

/* The tables' operations. */
void cmat_avx2_attention(float *o, int ldo, float *lse, const float *q, int ldq, const float *k,
                         const float *v, int ldkv, const cmat_segment *seg, int n_seg, int H, int G,
                         int d);
void cmat_avx2_attention_backward(float *dq, float *dk, float *dv, const float *dout, int ldo,
                                  const float *o, const float *lse, const float *q, int ldq,
                                  const float *k, const float *v, int ldkv, const cmat_segment *seg,
                                  int n_seg, int H, int G, int d);
void cmat_avx2_attention_paged(float *o, int ldo, const float *q, int ldq, const cmat_paged_kv *kv,
                               const cmat_paged_seq *seqs, int n_seqs, int H, int G, int d);
#endif
