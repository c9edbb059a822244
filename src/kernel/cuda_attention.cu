/* kernel/cuda_attention.cu - attention forward over packed segments (arXiv 2205.14135), and the
 * work list of both directions.
 *
 * A block takes one tile of queries of one head and walks over tiles of its keys, the prefix's
 * first:
 *   S = Q K^T    m' = max(m, rowmax S)    P = exp(S - m')    f = exp(m - m')
 *   l = f l + rowsum P    O = f O + P V    and at the end    O / l, lse = m + log l
 * Fragments of the tensor cores have a layout of their own; a value for each row reaches them as a
 * (B, 16) matrix of factors, loaded like a part of O. */
#include "kernel/cuda_attention.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the work list ---- */

static struct {
    cmat_segment *seg; /* what the list was made of */
    int n_seg, B, n_rows;
    cmat_att_tile *tiles;
    cmat_att_item *items;
    cmat_att_range *ranges;
    int *first_tile; /* (n_seg + 1) */
    int n_tiles, n_items, cap_items;
} list;

static void list_clear(void)
{
    free(list.seg);
    free(list.tiles);
    free(list.items);
    free(list.ranges);
    free(list.first_tile);
    memset(&list, 0, sizeof list);
}

static int count_tiles(const cmat_segment *seg, int n_seg, int B)
{
    int n = 0;
    for (int i = 0; i < n_seg; i++)
        n += (seg[i].n + B - 1) / B;
    return n;
}

static bool list_alloc(const cmat_segment *seg, int n_seg, int B)
{
    const size_t n = (size_t)count_tiles(seg, n_seg, B);
    list.seg = (cmat_segment *)malloc((size_t)n_seg * sizeof *seg);
    list.tiles = (cmat_att_tile *)malloc((n + 1) * sizeof *list.tiles);
    list.ranges = (cmat_att_range *)malloc((n + 1) * sizeof *list.ranges);
    list.first_tile = (int *)malloc(((size_t)n_seg + 1) * sizeof *list.first_tile);
    if (!list.seg || !list.tiles || !list.ranges || !list.first_tile)
        return false;
    memcpy(list.seg, seg, (size_t)n_seg * sizeof *seg);
    list.n_seg = n_seg;
    list.B = B;
    return true;
}

static void make_tiles(void)
{
    for (int s = 0; s < list.n_seg; s++) {
        const cmat_segment *g = &list.seg[s];
        list.first_tile[s] = list.n_tiles;
        for (int i = 0; i < g->n; i += list.B) {
            cmat_att_tile *t = &list.tiles[list.n_tiles++];
            t->row = g->row + i;
            t->n = g->n - i < list.B ? g->n - i : list.B;
            t->start = g->row;
            t->prefix = g->n_prefix ? g->prefix : 0;
            t->n_prefix = g->n_prefix;
        }
        if (g->row + g->n > list.n_rows)
            list.n_rows = g->row + g->n;
    }
    list.first_tile[list.n_seg] = list.n_tiles;
}

/* Items for one tile of keys against the tiles first .. last-1 of queries. */
static bool add_items(int keys, int first, int last)
{
    for (; first < last; first += CMAT_ATT_Q_TILES) {
        if (list.n_items == list.cap_items) {
            const int cap = list.cap_items ? 2 * list.cap_items : 256;
            void *p = realloc(list.items, (size_t)cap * sizeof *list.items);
            if (!p)
                return false;
            list.items = (cmat_att_item *)p;
            list.cap_items = cap;
        }
        cmat_att_item *item = &list.items[list.n_items++];
        item->keys = keys;
        item->first = first;
        item->last = last - first < CMAT_ATT_Q_TILES ? last : first + CMAT_ATT_Q_TILES;
    }
    return true;
}

/* Queries from the tile itself to its segment's end, then those of the segments behind it that have
 * it in their prefix; segments side by side make one run. */
static bool make_items(void)
{
    for (int s = 0; s < list.n_seg; s++)
        for (int k = list.first_tile[s]; k < list.first_tile[s + 1]; k++) {
            const cmat_att_tile *t = &list.tiles[k];
            int first = k, last = list.first_tile[s + 1];
            list.ranges[k].first = list.n_items;
            for (int j = 0; j < list.n_seg; j++) {
                const cmat_segment *g = &list.seg[j];
                if (j == s || g->prefix >= t->row + t->n || g->prefix + g->n_prefix <= t->row ||
                    !g->n_prefix)
                    continue;
                if (list.first_tile[j] != last) {
                    if (!add_items(k, first, last))
                        return false;
                    first = list.first_tile[j];
                }
                last = list.first_tile[j + 1];
            }
            if (!add_items(k, first, last))
                return false;
            list.ranges[k].last = list.n_items;
        }
    return true;
}

static bool list_make(const cmat_segment *seg, int n_seg, int B)
{
    if (list.seg && list.n_seg == n_seg && list.B == B &&
        memcmp(list.seg, seg, (size_t)n_seg * sizeof *seg) == 0)
        return true;
    list_clear();
    if (!list_alloc(seg, n_seg, B)) {
        list_clear();
        return false;
    }
    make_tiles();
    if (make_items())
        return true;
    list_clear();
    return false;
}

bool cmat_att_plan_get(cmat_att_plan *plan, const cmat_segment *seg, int n_seg, int B)
{
    if (!list_make(seg, n_seg, B))
        return cmat_cuda_ok(cudaErrorMemoryAllocation, "attention's work list");
    const size_t tiles = (size_t)list.n_tiles * sizeof *list.tiles;
    const size_t items = (size_t)list.n_items * sizeof *list.items;
    const size_t ranges = (size_t)list.n_tiles * sizeof *list.ranges;
    char *to = (char *)cmat_cuda_scratch(CMAT_CUDA_TILES, tiles + items + ranges);
    if (!to || !list.n_tiles)
        return false;
    cmat_cuda_upload(to, list.tiles, tiles);
    cmat_cuda_upload(to + tiles, list.items, items);
    cmat_cuda_upload(to + tiles + items, list.ranges, ranges);
    plan->tiles = (const cmat_att_tile *)to;
    plan->items = (const cmat_att_item *)(to + tiles);
    plan->ranges = (const cmat_att_range *)(to + tiles + items);
    plan->n_tiles = list.n_tiles;
    plan->n_items = list.n_items;
    plan->n_rows = list.n_rows;
    return true;
}

int cmat_att_tile_rows(int d)
{
    if (d > 256)
        cmat_cuda_refuse("attention with heads wider than 256");
    return d <= 64 ? 64 : d <= 128 ? 32 : d <= 256 ? 16 : 0;
}

cmat_att_args cmat_att_args_make(const float *q, int ldq, const float *k, const float *v, int ldkv,
                                 int H, int G, int d, int window)
{
    cmat_att_args a;
    memset(&a, 0, sizeof a);
    a.q = q;
    a.ldq = ldq;
    a.k = k;
    a.v = v;
    a.ldkv = ldkv;
    a.H = H;
    a.G = G;
    a.d = d;
    a.window = window > 0 ? window : INT32_MAX;
    a.scale = 1 / sqrtf((float)d);
    a.vec = d % 4 == 0 && ldq % 4 == 0 && ldkv % 4 == 0 &&
            ((uintptr_t)q | (uintptr_t)k | (uintptr_t)v) % 16 == 0;
    return a;
}

/* ---- forward ---- */

/* Scores of a row become probabilities, rounded for the product; *max and *sum move on. Returns
 * the factor of what was summed before. Keys up to `last` are seen, but not those up to `hidden`.
 */
template <class M>
static __device__ float softmax_row(float *s, int first_key, int hidden, int last, float *max,
                                    float *sum)
{
    const int lane = (int)threadIdx.x % M::LANES;
    float greatest = *max, total = 0;
    for (int c = lane; c < M::B; c += M::LANES)
        if (first_key + c <= last && first_key + c > hidden)
            greatest = fmaxf(greatest, s[c]);
    greatest = cmat_att_row_max<M>(greatest);
    for (int c = lane; c < M::B; c += M::LANES) {
        const bool seen = first_key + c <= last && first_key + c > hidden;
        const float p = seen ? __expf(s[c] - greatest) : 0.0f;
        total += p;
        s[c] = cmat_tf32(p);
    }
    const float factor = *max == -INFINITY ? 0.0f : __expf(*max - greatest);
    *sum = *sum * factor + cmat_att_row_sum<M>(total);
    *max = greatest;
    return factor;
}

/* O of this warp times the factor of each row. */
template <class M>
static __device__ void scale_rows(cmat_att_frag (&acc)[CMAT_ATT_FRAGS], const float *factors)
{
    cmat_att_frag f;
    const int strip = (int)threadIdx.x / 32 / M::WARPS_A_STRIP;
    wmma::load_matrix_sync(f, factors + strip * 16 * CMAT_ATT_FACTOR_LD, CMAT_ATT_FACTOR_LD,
                           wmma::mem_row_major);
#pragma unroll
    for (int i = 0; i < CMAT_ATT_FRAGS; i++)
#pragma unroll
        for (int e = 0; e < f.num_elements; e++)
            acc[i].x[e] *= f.x[e];
}

template <class M>
static __global__ void __launch_bounds__(CMAT_ATT_THREADS) forward_kernel(const cmat_att_args a)
{
    extern __shared__ __align__(128) float shared[];
    float *const Q = shared, *const K = Q + M::TILE, *const V = K + M::TILE, *const S = V + M::TILE,
                 *const F = S + M::SCORES;
    const cmat_att_tile tile = a.plan.tiles[blockIdx.x];
    const int h = (int)blockIdx.y, g = h / (a.H / a.G);
    const int warp = (int)threadIdx.x / 32, strip = warp / M::WARPS_A_STRIP;
    const int column = warp % M::WARPS_A_STRIP * CMAT_ATT_FRAGS * 16;
    const int row = (int)threadIdx.x / M::LANES;
    const int n_before = tile.n_prefix + tile.row - tile.start; /* keys before the tile's own */
    const int last = row < tile.n ? n_before + row : -1, n_keys = n_before + tile.n;
    const int hidden = last - a.window; /* of a row's keys, the last before its window */
    const int first = n_before < a.window ? 0 : (n_before - a.window + 1) / M::B * M::B;
    const float *const k = a.k + (size_t)g * a.d, *const v = a.v + (size_t)g * a.d;
    const auto query_row = [&](int i) { return i < tile.n ? tile.row + i : -1; };
    cmat_att_frag acc[CMAT_ATT_FRAGS];
    float max = -INFINITY, sum = 0;

    cmat_att_load<M>(Q, a.q + (size_t)h * a.d, a.ldq, a.d, a.scale, a.vec, query_row);
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
        __syncthreads();
        cmat_att_set_factors<M>(F, row,
                                softmax_row<M>(S + row * M::LS, j, hidden, last, &max, &sum));
        __syncthreads();
        scale_rows<M>(acc, F);
        cmat_att_mma<CMAT_ATT_FRAGS, M::B, false, false>(acc, S + strip * 16 * M::LS, M::LS,
                                                         V + column, M::LD);
    }
    __syncthreads();
    cmat_att_set_factors<M>(F, row, sum > 0 ? 1 / sum : 0.0f);
    __syncthreads();
    scale_rows<M>(acc, F);
    cmat_att_store<M>(Q, acc);
    __syncthreads();
    for (int e = (int)threadIdx.x; e < tile.n * a.d; e += CMAT_ATT_THREADS)
        a.o[(size_t)(tile.row + e / a.d) * a.ldo + (size_t)h * a.d + e % a.d] =
            Q[e / a.d * M::LD + e % a.d];
    if (a.lse && row < tile.n && threadIdx.x % M::LANES == 0)
        a.lse[(size_t)(tile.row + row) * a.H + h] = max + logf(sum);
}

template <class M> static void forward(const cmat_att_args *a)
{
    const size_t bytes = (3 * M::TILE + M::SCORES + M::FACTORS) * sizeof(float);
    cmat_cuda_ok(cudaFuncSetAttribute(forward_kernel<M>,
                                      cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes),
                 "attention");
    forward_kernel<M><<<dim3((unsigned)a->plan.n_tiles, (unsigned)a->H), CMAT_ATT_THREADS, bytes,
                        cmat_cuda_stream()>>>(*a);
    cmat_cuda_launched("attention");
}

void cmat_cuda_attention(float *o, int ldo, float *lse, const float *q, int ldq, const float *k,
                         const float *v, int ldkv, const cmat_segment *seg, int n_seg, int H, int G,
                         int d, int window)
{
    cmat_att_args a = cmat_att_args_make(q, ldq, k, v, ldkv, H, G, d, window);
    const int B = cmat_att_tile_rows(d);
    a.o = o;
    a.ldo = ldo;
    a.lse = lse;
    if (!B || !cmat_att_plan_get(&a.plan, seg, n_seg, B))
        return;
    if (B == 64)
        forward<cmat_att_dims<64, 64>>(&a);
    else if (B == 32)
        forward<cmat_att_dims<128, 32>>(&a);
    else
        forward<cmat_att_dims<256, 16>>(&a);
}
