/* kernel/cuda_attention_backward.cu - attention backward over packed segments (arXiv 2205.14135,
 * appendix B), without atomic sums, so that the same batch gives the same bits.
 *
 *   P = exp(Q K^T - lse)    dP = dO V^T    dS = P (dP - delta),  delta_i = dout_i . o_i
 *   dQ = dS K    dK = dS^T Q    dV = P^T dO
 * One kernel walks over the keys of a tile of queries for dQ, another over the queries of a tile of
 * keys. What the second finds for each head and run of queries is kept apart, and a third kernel
 * adds the parts in order: a shared prefix has many queries, and they are many blocks' work. */
#include "kernel/cuda_attention.h"
#include <math.h>

static const int DELTA_WARPS = CMAT_CUDA_BLOCK / 32;

/* delta (n, H): one warp a row and head. */
static __global__ void delta_kernel(float *delta, const float *dout, const float *o, int ldo, int n,
                                    int H, int d)
{
    const size_t at = (size_t)blockIdx.x * DELTA_WARPS + threadIdx.x / 32;
    if (at >= (size_t)n * H)
        return;
    const size_t from = at / H * ldo + at % H * d;
    float sum = 0;
    for (int i = (int)threadIdx.x % 32; i < d; i += 32)
        sum += dout[from + i] * o[from + i];
    for (int step = 16; step; step /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, step);
    if (threadIdx.x % 32 == 0)
        delta[at] = sum;
}

/* P of a row in the place of its scores: key c is seen when seen(c). */
template <class M, class Seen> static __device__ void probabilities(float *s, float lse, Seen seen)
{
    for (int c = (int)threadIdx.x % M::LANES; c < M::B; c += M::LANES)
        s[c] = seen(c) ? cmat_tf32(__expf(s[c] - lse)) : 0.0f;
}

/* This warp's part of dP = dO V^T. */
template <class M>
static __device__ void score_gradients(cmat_att_frag (&dp)[M::S_FRAGS], const float *dO,
                                       const float *V)
{
    const int warp = (int)threadIdx.x / 32;
    if (warp >= M::S_WARPS)
        return;
    const int at = warp * M::S_FRAGS, r = at / M::R * 16, c = at % M::R * 16;
    cmat_att_clear(dp);
    cmat_att_mma<M::S_FRAGS, M::D, false, true>(dp, dO + r * M::LD, M::LD, V + c * M::LD, M::LD);
}

/* dS = P (dP - delta) in the place of P in S; F holds delta as factors. A warp reads and writes its
 * own part only. */
template <class M>
static __device__ void to_score_gradients(float *S, cmat_att_frag (&dp)[M::S_FRAGS], const float *F)
{
    const int warp = (int)threadIdx.x / 32;
    if (warp >= M::S_WARPS)
        return;
    const int at = warp * M::S_FRAGS, r = at / M::R * 16, c = at % M::R * 16;
    cmat_att_frag delta, p;
    wmma::load_matrix_sync(delta, F + r * CMAT_ATT_FACTOR_LD, CMAT_ATT_FACTOR_LD,
                           wmma::mem_row_major);
#pragma unroll
    for (int i = 0; i < M::S_FRAGS; i++) {
        float *part = S + r * M::LS + c + i * 16;
        wmma::load_matrix_sync(p, part, M::LS, wmma::mem_row_major);
#pragma unroll
        for (int e = 0; e < p.num_elements; e++)
            p.x[e] = cmat_tf32(p.x[e] * (dp[i].x[e] - delta.x[e]));
        wmma::store_matrix_sync(part, p, M::LS, wmma::mem_row_major);
    }
}

template <class M>
static __global__ void __launch_bounds__(CMAT_ATT_THREADS) dq_kernel(const cmat_att_args a)
{
    extern __shared__ __align__(128) float shared[];
    float *const Q = shared, *const dO = Q + M::TILE, *const K = dO + M::TILE,
                 *const V = K + M::TILE, *const S = V + M::TILE, *const F = S + M::SCORES;
    const cmat_att_tile tile = a.plan.tiles[blockIdx.x];
    const int h = (int)blockIdx.y, g = h / (a.H / a.G);
    const int warp = (int)threadIdx.x / 32, strip = warp / M::WARPS_A_STRIP;
    const int column = warp % M::WARPS_A_STRIP * CMAT_ATT_FRAGS * 16;
    const int row = (int)threadIdx.x / M::LANES;
    const int n_before = tile.n_prefix + tile.row - tile.start, n_keys = n_before + tile.n;
    const int last = row < tile.n ? n_before + row : -1, hidden = last - a.window;
    const int first = n_before < a.window ? 0 : (n_before - a.window + 1) / M::B * M::B;
    const size_t at = (size_t)(tile.row + (row < tile.n ? row : 0)) * a.H + h;
    const float lse = a.kept_lse[at];
    const float *const k = a.k + (size_t)g * a.d, *const v = a.v + (size_t)g * a.d;
    const auto query_row = [&](int i) { return i < tile.n ? tile.row + i : -1; };
    cmat_att_frag acc[CMAT_ATT_FRAGS], dp[M::S_FRAGS];

    cmat_att_load<M>(Q, a.q + (size_t)h * a.d, a.ldq, a.d, a.scale, a.vec, query_row);
    cmat_att_load<M>(dO, a.dout + (size_t)h * a.d, a.ldo, a.d, 1, a.vec, query_row);
    cmat_att_set_factors<M>(F, row, a.delta[at]);
    cmat_att_clear(acc);
    for (int j = first; j < n_keys; j += M::B) {
        const auto key_row = [&](int i) {
            return j + i < n_keys ? cmat_att_key_row(tile, j + i) : -1;
        };
        __syncthreads();
        cmat_att_load<M>(K, k, a.ldkv, a.d, 1, a.vec, key_row);
        cmat_att_load<M>(V, v, a.ldkv, a.d, 1, a.vec, key_row);
        __syncthreads();
        cmat_att_scores<M>(S, Q, K);
        score_gradients<M>(dp, dO, V);
        __syncthreads();
        probabilities<M>(S + row * M::LS, lse,
                         [&](int c) { return j + c <= last && j + c > hidden; });
        __syncthreads();
        to_score_gradients<M>(S, dp, F);
        __syncthreads();
        cmat_att_mma<CMAT_ATT_FRAGS, M::B, false, false>(acc, S + strip * 16 * M::LS, M::LS,
                                                         K + column, M::LD);
    }
    __syncthreads();
    cmat_att_store<M>(Q, acc);
    __syncthreads();
    for (int e = (int)threadIdx.x; e < tile.n * a.d; e += CMAT_ATT_THREADS)
        a.dq[(size_t)(tile.row + e / a.d) * a.ldq + (size_t)h * a.d + e % a.d] =
            a.scale * Q[e / a.d * M::LD + e % a.d];
}

/* An item's dK, dV (B, d) of head h are parts + ((item H + h) 2) B d and the next B d. */
template <class M>
static __global__ void __launch_bounds__(CMAT_ATT_THREADS) dkv_kernel(const cmat_att_args a)
{
    extern __shared__ __align__(128) float shared[];
    float *const K = shared, *const V = K + M::TILE, *const Q = V + M::TILE,
                 *const dO = Q + M::TILE, *const S = dO + M::TILE, *const F = S + M::SCORES;
    const cmat_att_item item = a.plan.items[blockIdx.x];
    const cmat_att_tile keys = a.plan.tiles[item.keys];
    const int h = (int)blockIdx.y, g = h / (a.H / a.G);
    const int warp = (int)threadIdx.x / 32, strip = warp / M::WARPS_A_STRIP;
    const int column = warp % M::WARPS_A_STRIP * CMAT_ATT_FRAGS * 16;
    const int row = (int)threadIdx.x / M::LANES;
    const auto key_row = [&](int i) { return i < keys.n ? keys.row + i : -1; };
    cmat_att_frag dk[CMAT_ATT_FRAGS], dv[CMAT_ATT_FRAGS], dp[M::S_FRAGS];

    cmat_att_load<M>(K, a.k + (size_t)g * a.d, a.ldkv, a.d, 1, a.vec, key_row);
    cmat_att_load<M>(V, a.v + (size_t)g * a.d, a.ldkv, a.d, 1, a.vec, key_row);
    cmat_att_clear(dk);
    cmat_att_clear(dv);
    for (int i = item.first; i < item.last; i++) {
        const cmat_att_tile tile = a.plan.tiles[i];
        const int query = row < tile.n ? tile.row + row : -1;
        const size_t at = (size_t)(query < 0 ? tile.row : query) * a.H + h;
        const auto query_row = [&](int r) { return r < tile.n ? tile.row + r : -1; };
        /* places of key and query among the segment's keys, the prefix's first; -1: not one */
        const int place = tile.n_prefix + query - tile.start;
        const auto seen = [&](int c) {
            const int key = keys.row + c;
            const int at_key = key >= tile.start ? tile.n_prefix + key - tile.start
                               : key >= tile.prefix && key < tile.prefix + tile.n_prefix
                                   ? key - tile.prefix
                                   : -1;
            return c < keys.n && at_key >= 0 && at_key <= place && at_key > place - a.window;
        };
        __syncthreads();
        cmat_att_load<M>(Q, a.q + (size_t)h * a.d, a.ldq, a.d, a.scale, a.vec, query_row);
        cmat_att_load<M>(dO, a.dout + (size_t)h * a.d, a.ldo, a.d, 1, a.vec, query_row);
        cmat_att_set_factors<M>(F, row, a.delta[at]);
        __syncthreads();
        cmat_att_scores<M>(S, Q, K);
        score_gradients<M>(dp, dO, V);
        __syncthreads();
        probabilities<M>(S + row * M::LS, a.kept_lse[at],
                         [&](int c) { return query >= 0 && seen(c); });
        __syncthreads();
        cmat_att_mma<CMAT_ATT_FRAGS, M::B, true, false>(dv, S + strip * 16, M::LS, dO + column,
                                                        M::LD);
        __syncthreads();
        to_score_gradients<M>(S, dp, F);
        __syncthreads();
        cmat_att_mma<CMAT_ATT_FRAGS, M::B, true, false>(dk, S + strip * 16, M::LS, Q + column,
                                                        M::LD);
    }
    __syncthreads();
    cmat_att_store<M>(K, dk);
    cmat_att_store<M>(V, dv);
    __syncthreads();
    float *out = a.parts + ((size_t)blockIdx.x * a.H + h) * 2 * M::B * a.d;
    for (int e = (int)threadIdx.x; e < M::B * a.d; e += CMAT_ATT_THREADS) {
        out[e] = K[e / a.d * M::LD + e % a.d];
        out[M::B * a.d + e] = V[e / a.d * M::LD + e % a.d];
    }
}

/* Adds the parts of one tile of keys and one key/value head, in the order of items and heads. */
static __global__ void add_parts_kernel(float *dk, float *dv, const cmat_att_args a, int B)
{
    const cmat_att_tile keys = a.plan.tiles[blockIdx.x];
    const cmat_att_range range = a.plan.ranges[blockIdx.x];
    const int g = (int)blockIdx.y, n = a.H / a.G;
    const size_t part = (size_t)B * a.d;
    for (int e = (int)threadIdx.x; e < keys.n * a.d; e += (int)blockDim.x) {
        const size_t to = (size_t)(keys.row + e / a.d) * a.ldkv + (size_t)g * a.d + e % a.d;
        float sum_k = 0, sum_v = 0;
        for (int i = range.first; i < range.last; i++)
            for (int h = g * n; h < (g + 1) * n; h++) {
                const float *from = a.parts + ((size_t)i * a.H + h) * 2 * part + e;
                sum_k += from[0];
                sum_v += from[part];
            }
        dk[to] += sum_k;
        dv[to] += sum_v;
    }
}

template <class M> static void backward(const cmat_att_args *a)
{
    const size_t bytes = (4 * M::TILE + M::SCORES + M::FACTORS) * sizeof(float);
    cmat_cuda_ok(
        cudaFuncSetAttribute(dq_kernel<M>, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
        "attention_backward");
    cmat_cuda_ok(cudaFuncSetAttribute(dkv_kernel<M>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      (int)bytes),
                 "attention_backward");
    dq_kernel<M><<<dim3((unsigned)a->plan.n_tiles, (unsigned)a->H), CMAT_ATT_THREADS, bytes,
                   cmat_cuda_stream()>>>(*a);
    dkv_kernel<M><<<dim3((unsigned)a->plan.n_items, (unsigned)a->H), CMAT_ATT_THREADS, bytes,
                    cmat_cuda_stream()>>>(*a);
    cmat_cuda_launched("attention_backward");
}

void cmat_cuda_attention_backward(float *dq, float *dk, float *dv, const float *dout, int ldo,
                                  const float *o, const float *lse, const float *q, int ldq,
                                  const float *k, const float *v, int ldkv, const cmat_segment *seg,
                                  int n_seg, int H, int G, int d, int window)
{
    cmat_att_args a = cmat_att_args_make(q, ldq, k, v, ldkv, H, G, d, window);
    const int B = cmat_att_tile_rows(d);
    if (!B || !cmat_att_plan_get(&a.plan, seg, n_seg, B))
        return;
    const size_t n = (size_t)a.plan.n_rows * H;
    float *delta = (float *)cmat_cuda_scratch(CMAT_CUDA_DELTA, n * sizeof *delta);
    a.parts = (float *)cmat_cuda_scratch(CMAT_CUDA_PARTS,
                                         (size_t)a.plan.n_items * H * 2 * B * d * sizeof *a.parts);
    if (!delta || !a.parts)
        return;
    a.dq = dq;
    a.dout = dout;
    a.ldo = ldo;
    a.delta = delta;
    a.kept_lse = lse;
    a.vec = a.vec && ldo % 4 == 0 && (uintptr_t)dout % 16 == 0;
    delta_kernel<<<cmat_cuda_blocks(n, DELTA_WARPS), CMAT_CUDA_BLOCK, 0, cmat_cuda_stream()>>>(
        delta, dout, o, ldo, a.plan.n_rows, H, d);
    if (B == 64)
        backward<cmat_att_dims<64, 64>>(&a);
    else if (B == 32)
        backward<cmat_att_dims<128, 32>>(&a);
    else
        backward<cmat_att_dims<256, 16>>(&a);
    add_parts_kernel<<<dim3((unsigned)a.plan.n_tiles, (unsigned)G), CMAT_CUDA_BLOCK, 0,
                       cmat_cuda_stream()>>>(dk, dv, a, B);
    cmat_cuda_launched("attention_backward");
}
