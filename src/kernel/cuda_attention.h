/* kernel/cuda_attention.h - what attention's forward and backward kernels share: the work list and
 * products of tiles in shared memory.
 *
 * A tile is up to B rows of one segment. A block of THREADS threads holds tiles of (B, D) floats,
 * rounded to TF32 and with zeros where rows or columns are missing, and multiplies them with 16 x
 * 16 x 8 tensor-core products. (B, D) is (64, 64), (32, 128) or (16, 256), so that a tile is always
 * 16 fragments of 16 x 16. */
#ifndef CMAT_KERNEL_CUDA_ATTENTION_H
#define CMAT_KERNEL_CUDA_ATTENTION_H
#include "kernel/cuda_device.h"
#include <mma.h>

namespace wmma = nvcuda::wmma;

enum {
    CMAT_ATT_THREADS = 256,
    CMAT_ATT_WARPS = 8,
    CMAT_ATT_FRAGS = 2,      /* of a (B, D) tile's 16, a warp's */
    CMAT_ATT_PAD = 4,        /* floats after a row, against bank conflicts */
    CMAT_ATT_FACTOR_LD = 20, /* of a (B, 16) matrix with one value a row */
    CMAT_ATT_Q_TILES = 16    /* at most, of one work item of the backward pass */
};

/* Rows row .. row+n-1 of a segment that starts at row start. */
typedef struct {
    int row, n;
    int start;
    int prefix, n_prefix;
} cmat_att_tile;

/* The keys of a tile against tiles first .. last-1 of queries. */
typedef struct {
    int keys, first, last;
} cmat_att_item;

/* Items of a tile of keys: items[first] .. items[last-1]. */
typedef struct {
    int first, last;
} cmat_att_range;

typedef struct {
    const cmat_att_tile *tiles; /* (n_tiles); this and the next two on the device */
    const cmat_att_item *items;
    const cmat_att_range *ranges; /* (n_tiles) */
    int n_tiles, n_items, n_rows;
} cmat_att_plan;

/* Tiles of B rows for the segments; the same ones again cost a comparison. false: no memory. */
bool cmat_att_plan_get(cmat_att_plan *plan, const cmat_segment *seg, int n_seg, int B);

/* Everything a kernel is told. Rows are ld floats apart; vec: rows may be read four floats at a
 * time. */
typedef struct {
    cmat_att_plan plan;
    float *o, *lse;
    const float *q, *k, *v;
    int ldo, ldq, ldkv;
    int H, G, d;
    int window;  /* keys that a query sees, counted from itself back */
    float scale; /* 1 / sqrt(d) */
    bool vec;
    /* backward */
    float *dq, *parts;
    const float *dout, *delta, *kept_lse;
} cmat_att_args;

cmat_att_args cmat_att_args_make(const float *q, int ldq, const float *k, const float *v, int ldkv,
                                 int H, int G, int d, int window);
/* Rows of a tile for heads of d; 0: too wide for this table (noted). */
int cmat_att_tile_rows(int d);

/* The measures of a configuration. */
template <int D_, int B_> struct cmat_att_dims {
    static const int D = D_, B = B_;
    static const int LD = D + CMAT_ATT_PAD, LS = B + CMAT_ATT_PAD; /* of (B, D) and (B, B) tiles */
    static const int R = B / 16;                                   /* strips of 16 rows */
    static const int WARPS_A_STRIP = CMAT_ATT_WARPS / R;
    static const int S_FRAGS = R * R > CMAT_ATT_WARPS ? R *R / CMAT_ATT_WARPS : 1; /* a warp's */
    static const int S_WARPS = R * R / S_FRAGS;    /* warps with a part of a (B, B) tile */
    static const int LANES = CMAT_ATT_THREADS / B; /* threads of a row of scores */
    static const size_t TILE = (size_t)B * LD, SCORES = (size_t)B * LS,
                        FACTORS = (size_t)B * CMAT_ATT_FACTOR_LD;
};

typedef wmma::fragment<wmma::accumulator, 16, 16, 8, float> cmat_att_frag;

template <bool T> struct cmat_att_layout {
    typedef wmma::row_major type;
};
template <> struct cmat_att_layout<true> {
    typedef wmma::col_major type;
};

static inline __device__ float cmat_tf32(float x)
{
    return wmma::__float_to_tf32(x);
}

/* The row that key j of a tile's segment stands in; keys of the prefix come first. */
static inline __device__ int cmat_att_key_row(const cmat_att_tile &t, int j)
{
    return j < t.n_prefix ? t.prefix + j : t.start + j - t.n_prefix;
}

/* acc[i] += A B_i over K, where A (16, K) begins at a and B_i (K, 16) is the i-th 16 columns of
 * what begins at b. AT: A is stored as (K, 16); BT: B is stored as (columns, K). */
template <int N, int K, bool AT, bool BT>
static inline __device__ void cmat_att_mma(cmat_att_frag (&acc)[N], const float *a, int lda,
                                           const float *b, int ldb)
{
    wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32,
                   typename cmat_att_layout<AT>::type>
        fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32,
                   typename cmat_att_layout<BT>::type>
        fb;
#pragma unroll 4
    for (int k = 0; k < K; k += 8) {
        wmma::load_matrix_sync(fa, AT ? a + k * lda : a + k, (unsigned)lda);
#pragma unroll
        for (int i = 0; i < N; i++) {
            wmma::load_matrix_sync(fb, BT ? b + i * 16 * ldb + k : b + k * ldb + i * 16,
                                   (unsigned)ldb);
            wmma::mma_sync(acc[i], fa, fb, acc[i]);
        }
    }
}

template <int N> static inline __device__ void cmat_att_clear(cmat_att_frag (&acc)[N])
{
#pragma unroll
    for (int i = 0; i < N; i++)
        wmma::fill_fragment(acc[i], 0.0f);
}

/* out (B, D) = x[row(i)] * scale; rows that row() calls -1, and columns from d on, are zero. */
template <class M, class Row>
static inline __device__ void cmat_att_load(float *out, const float *x, int ld, int d, float scale,
                                            bool vec, Row row)
{
    for (int e = (int)threadIdx.x; e < M::B * M::D / 4; e += CMAT_ATT_THREADS) {
        const int i = e / (M::D / 4), c = e % (M::D / 4) * 4, r = row(i);
        const float *from = x + (size_t)(r < 0 ? 0 : r) * ld + c;
        float4 f = make_float4(0, 0, 0, 0);
        if (r >= 0 && vec && c < d) {
            f = *(const float4 *)from;
        } else if (r >= 0) {
            f.x = c < d ? from[0] : 0;
            f.y = c + 1 < d ? from[1] : 0;
            f.z = c + 2 < d ? from[2] : 0;
            f.w = c + 3 < d ? from[3] : 0;
        }
        f.x = cmat_tf32(f.x * scale);
        f.y = cmat_tf32(f.y * scale);
        f.z = cmat_tf32(f.z * scale);
        f.w = cmat_tf32(f.w * scale);
        *(float4 *)(out + i * M::LD + c) = f;
    }
}

/* This warp's fragments of a (B, D) product, stored. */
template <class M>
static inline __device__ void cmat_att_store(float *out, cmat_att_frag (&acc)[CMAT_ATT_FRAGS])
{
    const int warp = (int)threadIdx.x / 32, strip = warp / M::WARPS_A_STRIP;
    const int column = warp % M::WARPS_A_STRIP * CMAT_ATT_FRAGS * 16;
#pragma unroll
    for (int i = 0; i < CMAT_ATT_FRAGS; i++)
        wmma::store_matrix_sync(out + strip * 16 * M::LD + column + i * 16, acc[i], M::LD,
                                wmma::mem_row_major);
}

/* One value for a row of the matrix of factors; all threads of the row call it. */
template <class M>
static inline __device__ void cmat_att_set_factors(float *factors, int row, float f)
{
    for (int c = (int)threadIdx.x % M::LANES; c < 16; c += M::LANES)
        factors[row * CMAT_ATT_FACTOR_LD + c] = f;
}

/* This warp's part of Q K^T, stored in S. */
template <class M>
static inline __device__ void cmat_att_scores(float *S, const float *Q, const float *K)
{
    const int warp = (int)threadIdx.x / 32;
    if (warp >= M::S_WARPS)
        return;
    const int at = warp * M::S_FRAGS, r = at / M::R * 16, c = at % M::R * 16;
    cmat_att_frag s[M::S_FRAGS];
    cmat_att_clear(s);
    cmat_att_mma<M::S_FRAGS, M::D, false, true>(s, Q + r * M::LD, M::LD, K + c * M::LD, M::LD);
#pragma unroll
    for (int i = 0; i < M::S_FRAGS; i++)
        wmma::store_matrix_sync(S + r * M::LS + c + i * 16, s[i], M::LS, wmma::mem_row_major);
}

/* The sum and the greatest of x over the LANES threads of a row of scores. */
template <class M> static inline __device__ float cmat_att_row_sum(float x)
{
#pragma unroll
    for (int step = M::LANES / 2; step; step /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, step);
    return x;
}

template <class M> static inline __device__ float cmat_att_row_max(float x)
{
#pragma unroll
    for (int step = M::LANES / 2; step; step /= 2)
        x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}
#endif
