/* kernel/qgemm.h - products in 16-bit integers: y (T, N) (+)= x (T, K) B, B quantised in blocks.
 *
 * x is rounded to int16 in blocks of 32 along K, each with its scale: an error of 2^-16 of the
 * block's largest value, against 2^-9 of bfloat16 or 2^-8 of int8. Weights of the file's blocks
 * stay exact: with w = d q + m, over the blocks b of K, y_to = sum_b  d_ob dx_tb (sum_k q_ok qx_tk)
 * + m_ob (dx_tb sum_k qx_tk) The inner sums are exact in int32; the outer one is in float32, in
 * order of b. So an element of y depends on its row of x and its column of B only: not on T, the
 * threads or the cutting.
 *
 * B comes in panels of `width` columns, packed as needed. A block of a panel is d (width floats), m
 * (width floats), then pairs of consecutive k: (pairs, width, 2) int16; all 64-byte aligned. */
#ifndef CMAT_KERNEL_QGEMM_H
#define CMAT_KERNEL_QGEMM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CMAT_Q_BLOCK = 32,
    CMAT_Q_MAX = 32767,       /* x is rounded to +- this against weights of 8 bits or fewer */
    CMAT_Q_BACKWARD_X = 8191, /* and to this against weights rounded to CMAT_Q_BACKWARD_W */
    CMAT_Q_BACKWARD_W = 4095
};

/* x rounded: q (T, n_blocks * 32), zero beyond K; d and s (T, n_blocks): scale, scale * sum of q.
 */
typedef struct {
    int16_t *q;
    float *d, *s;
    int n_blocks;
} cmat_qrows;

/* Rounds one row of x (K) to +-max; q (n_blocks * 32), d and s (n_blocks). */
typedef void cmat_q_round(int16_t *q, float *d, float *s, const float *x, int K, int max);

/* Room for T rounded rows of K values, and up to a multiple of tile_rows, in one piece, which
 * cmat_scratch_give takes back by q. */
cmat_qrows cmat_qrows_new(int T, int K, int tile_rows);
/* Rounds T rows of x, ldx floats apart. To be called by all threads of a parallel region, which
 * share the rows and wait for each other. */
void cmat_qrows_round(const cmat_qrows *r, cmat_q_round *round, const float *x, size_t ldx, int T,
                      int K, int max);

typedef struct {
    int rows, width;
    cmat_q_round *round;
    /* Rounded rows that are gone through with one packing: they stay in the second cache. */
    int chunk_bytes;
    /* Bytes of one panel that a tile goes through at once: a longer K comes in slices. */
    size_t slice_bytes;
    /* c (m, width), rows ldc apart, = or (add) += rows t0 .. t0+m-1 of x times a slice of one
     * panel: n_blocks blocks of 2 * pairs weights (pairs 16 or 8) from block b0 (of 32) of x on. x
     * may be read, not used, up to a multiple of `rows` rows. */
    void (*tile)(int m, const cmat_qrows *x, size_t t0, int b0, const char *panel, int n_blocks,
                 int pairs, bool add, float *c, size_t ldc);
} cmat_q_tile;

/* Writes blocks b0 .. b0+n_blocks-1 (of 32 along K) of columns n0 .. n0+n-1 as consecutive panels.
 */
typedef void cmat_q_pack(const void *b, char *panels, int width, int n0, int n, int b0,
                         int n_blocks);

/* One of the right-hand sides that share x. */
typedef struct {
    int N;
    float *y;
    size_t ldy;
    bool accumulate;
    const void *b;
    cmat_q_pack *pack;
    int pairs;  /* of a block in the panels: 16, or 8 for scales of 16 weights */
    int stripe; /* columns packed at a time, a multiple of the width; 0: one panel */
} cmat_q_side;

enum { CMAT_Q_SIDES = 4 };

typedef struct {
    int T, K;
    const float *x;
    size_t ldx;
    int k0;  /* x's first column stands for this row of B, a multiple of the block */
    int max; /* x is rounded to +-max; 32 max |q| must stay below 2^31 */
    int n_sides;
    cmat_q_side sides[CMAT_Q_SIDES];
} cmat_q_job;

void cmat_qgemm(const cmat_q_job *job, const cmat_q_tile *tile);

/* Bytes of one block of a panel. */
static inline size_t cmat_q_block_bytes(int width, int pairs)
{
    return (size_t)width * (8 + 4 * (size_t)pairs);
}
#endif
