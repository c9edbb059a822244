/* kernel/avx512.h - what AVX-512 (F, BW, VL, VNNI) adds to the AVX2 table: wider tiles. */
#ifndef CMAT_KERNEL_AVX512_H
#define CMAT_KERNEL_AVX512_H
#include "kernel/qgemm.h"
#include "kernel/sgemm.h"

extern const cmat_sgemm_tile cmat_avx512_tile; /* 12 x 32 */
extern const cmat_q_tile cmat_avx512_q_tile;   /* 12 x 32 */

/* Rounds a row of x; see cmat_q_tile. The AVX2 tile's own. */
void cmat_avx2_q_round(int16_t *q, float *d, float *s, const float *x, int K, int max);
#endif
