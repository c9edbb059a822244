/* kernel/attention_avx2.h - blocks of attention in AVX2, shared by the packed and the paged form.
 *
 * A query block is up to BLOCK_ROWS rows: the heads of one key/value head for consecutive
 * positions, position-major. Keys come in blocks of BLOCK_KEYS. K is transposed beforehand into
 * panels of 16 keys, (d, 16) each, so that scores are products with unit stride; V is read as it
 * lies. */
#ifndef CMAT_KERNEL_ATTENTION_AVX2_H
#define CMAT_KERNEL_ATTENTION_AVX2_H
#include "kernel/avx2.h"

#ifdef CMAT_AVX512 /* the same sources once more, with wider tiles */
#define cmat_attention_avx2_fits cmat_attention_avx512_fits
#define cmat_attention_avx2_block cmat_attention_avx512_block
#define cmat_attention_avx2_forward cmat_attention_avx512_forward
#define cmat_attention_avx2_pack cmat_attention_avx512_pack
#define cmat_segments_end cmat_avx512_segments_end
#define cmat_avx2_attention cmat_avx512_attention
#define cmat_avx2_attention_backward cmat_avx512_attention_backward
#define cmat_avx2_attention_paged cmat_avx512_attention_paged
#endif

enum {
    CMAT_BLOCK_ROWS = 48,
    CMAT_BLOCK_KEYS = 128,
    CMAT_SCORE_LD = CMAT_BLOCK_KEYS + 8, /* a row of scores: vectors may run over its end */
    CMAT_PANEL_KEYS = 16,
    CMAT_MAX_HEAD_DIM = 256
};

/* Keys first .. end-1 of a store, of which position i of the segment sees those up to own + i; with
 * a window only the last `window` of these. own is the key that stands at the segment's position 0,
 * or would if the span (a prefix) went on so far. */
typedef struct {
    int first, end;
    int own, window;
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

/* The first key that position i sees. */
static inline int cmat_span_first(const cmat_span *s, int i)
{
    const int first = s->window ? s->own + i + 1 - s->window : 0;
    return first > s->first ? first : s->first;
}

/* Keys of block `at` that position i sees within the span: lo .. hi-1 relative to the block. */
static inline void cmat_span_range(const cmat_span *s, int at, int i, int *lo, int *hi)
{
    const int end = s->own + i + 1 < s->end ? s->own + i + 1 : s->end;
    const int first = cmat_span_first(s, i);
    *lo = first > at ? first - at : 0;
    *hi = end - at < CMAT_BLOCK_KEYS ? end - at : CMAT_BLOCK_KEYS;
}

/* Panels of 16 keys: rows x (n of them, ldx apart) of one head, zeros up to a whole panel. */
void cmat_attention_avx2_pack(float *panel, const float *x, size_t ldx, int n, int d);

/* One past the last row that any segment covers. */
int cmat_segments_end(const cmat_segment *seg, int n_seg);

/* The tables' operations. */
void cmat_avx2_attention(float *o, int ldo, float *lse, const float *q, int ldq, const float *k,
                         const float *v, int ldkv, const cmat_segment *seg, int n_seg, int H, int G,
                         int d, int window);
void cmat_avx2_attention_backward(float *dq, float *dk, float *dv, const float *dout, int ldo,
                                  const float *o, const float *lse, const float *q, int ldq,
                                  const float *k, const float *v, int ldkv, const cmat_segment *seg,
                                  int n_seg, int H, int G, int d, int window);
void cmat_avx2_attention_paged(float *o, int ldo, const float *q, int ldq, const cmat_paged_kv *kv,
                               const cmat_paged_seq *seqs, int n_seqs, int H, int G, int d);

#ifdef CMAT_AVX512
#include "kernel/attention_rows_avx512.h"
#include "kernel/attention_tiles_avx512.h"
#else
#include "kernel/attention_rows_avx2.h"
#include "kernel/attention_tiles_avx2.h"
#endif
#endif
