/* kernel/attention_paged_avx2.c - attention over the paged cache.
 *
 * Sequences with several rows (prompts) are gathered and go through the blocks of attention_avx2.c.
 * The others (decoding) read the cache in place: a chunk of CHUNK keys gives a partial maximum, sum
 * and output for each row and head, which are merged in order, so that one long sequence keeps all
 * threads busy. Rows whose chunk lies in the same pages (a shared prompt) go through it together.
 * What a row gets does not depend on which others are there. */
#include "core/mem.h"
#include "kernel/attention_avx2.h"
#include "kernel/plain.h"
#include "kernel/scratch.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = CMAT_BLOCK_KEYS,
    PAGE = CMAT_PANEL_KEYS,
    FEW = 4, /* fewer rows than FEW: in place */
    CHUNK_PAGES = CHUNK / PAGE
};

/* ---- prompts ---- */

static void gather(float *kt, float *v, const cmat_paged_kv *kv, const cmat_paged_seq *s,
                   int n_keys, int G, int d)
{
    const int threads = cmat_threads(), n_pages = (n_keys + PAGE - 1) / PAGE;
    const size_t panel = (size_t)(PAGE * d);
    cmat_widen_fn *widen = cmat_avx2_widen(kv->type);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < G * n_pages; i++) {
        const size_t from = cmat_page_head(kv, s->pages[i % n_pages], i / n_pages, G, d);
        widen(cmat_page_element(kv, kv->k, from), kt + (size_t)i * panel, panel);
        widen(cmat_page_element(kv, kv->v, from), v + (size_t)i * panel, panel);
    }
}

static void many_rows(float *o, int ldo, const float *q, int ldq, const cmat_paged_kv *kv,
                      const cmat_paged_seq *s, int H, int G, int d)
{
    const int heads = H / G, step = cmat_attention_avx2_block(heads), n_keys = s->n_past + s->n;
    const int n_blocks = (s->n + step - 1) / step, threads = cmat_threads();
    const size_t head = (size_t)((n_keys + PAGE - 1) / PAGE * PAGE * d);
    float *kt = cmat_scratch_take((size_t)G * head * 2 * sizeof *kt), *v = kt + (size_t)G * head;
    gather(kt, v, kv, s, n_keys, G, d);
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (int i = n_blocks * G - 1; i >= 0; i--) {
        const int first = i / G * step;
        const size_t g = (size_t)(i % G), t = (size_t)(s->row + first);
        const cmat_query_block b = {.q = q + t * (size_t)ldq + g * (size_t)(heads * d),
                                    .o = o + t * (size_t)ldo + g * (size_t)(heads * d),
                                    .ldq = (size_t)ldq,
                                    .ldo = (size_t)ldo,
                                    .first = first,
                                    .n = s->n - first < step ? s->n - first : step,
                                    .heads = heads,
                                    .d = d,
                                    .spans = {{0, n_keys, s->n_past, kv->window}},
                                    .n_spans = 1};
        cmat_attention_avx2_forward(&b, &(cmat_key_store){kt + g * head, v + g * head, (size_t)d});
    }
    cmat_scratch_give(kt);
}

/* ---- decoding ---- */

/* One row of a sequence with few: it sees keys first .. end-1, in chunks first / CHUNK on. */
typedef struct {
    const int32_t *pages;
    int row, first, end, n_chunks;
    int parts; /* place of its first chunk in the list of parts */
} decode_row;

/* Rows whose keys lo .. hi-1 of a chunk lie in the same pages. */
typedef struct {
    const int32_t *pages; /* the chunk's */
    int lo, hi;           /* relative to the chunk */
    int n;                /* rows */
} chunk_group;

typedef struct {
    int row, part; /* where the row's chunk leaves its result */
} member;

typedef struct {
    decode_row *rows;
    chunk_group *groups;
    member *members;
    int n_rows, n_groups, n_parts;
    int most; /* rows of a group */
} decode_plan;

static int count_rows(const cmat_paged_seq *seqs, int n_seqs)
{
    int n = 0;
    for (int s = 0; s < n_seqs; s++)
        n += seqs[s].n < FEW ? seqs[s].n : 0;
    return n;
}

static void list_rows(decode_plan *p, const cmat_paged_kv *kv, const cmat_paged_seq *seqs,
                      int n_seqs)
{
    for (int s = 0; s < n_seqs; s++)
        for (int i = 0; i < seqs[s].n && seqs[s].n < FEW; i++) {
            const int end = seqs[s].n_past + i + 1;
            const int first = kv->window && end > kv->window ? end - kv->window : 0;
            const int n_chunks = (end - 1) / CHUNK - first / CHUNK + 1;
            p->rows[p->n_rows++] =
                (decode_row){seqs[s].pages, seqs[s].row + i, first, end, n_chunks, p->n_parts};
            p->n_parts += n_chunks;
        }
}

static bool same_keys(const chunk_group *a, const chunk_group *b)
{
    const int first = a->lo / PAGE, n = (a->hi + PAGE - 1) / PAGE - first;
    return a->lo == b->lo && a->hi == b->hi &&
           memcmp(a->pages + first, b->pages + first, (size_t)n * sizeof *a->pages) == 0;
}

/* Puts a row's chunk into a group with the same keys that has room, or into one of its own. Group g
 * has members g * most and on. */
static void add_chunk(decode_plan *p, int since, chunk_group *of, member m)
{
    int g = p->n_groups - 1;
    while (g >= since && !(same_keys(&p->groups[g], of) && p->groups[g].n < p->most))
        g--;
    if (g < since) {
        g = p->n_groups++;
        p->groups[g] = *of;
    }
    p->members[g * p->most + p->groups[g].n++] = m;
}

static void list_groups(decode_plan *p)
{
    int last = 0;
    for (int r = 0; r < p->n_rows; r++)
        last = p->rows[r].end > last ? p->rows[r].end : last;
    for (int at = 0; at < last; at += CHUNK) {
        const int since = p->n_groups;
        for (int r = 0; r < p->n_rows; r++) {
            const decode_row *row = p->rows + r;
            const int lo = row->first > at ? row->first - at : 0;
            const int hi = row->end - at < CHUNK ? row->end - at : CHUNK;
            chunk_group of = {.pages = row->pages + at / PAGE, .lo = lo, .hi = hi};
            if (lo < CHUNK && hi > lo)
                add_chunk(p, since, &of,
                          (member){row->row, row->parts + at / CHUNK - row->first / CHUNK});
        }
    }
}

/* A part: for each head of a key/value head its maximum, sum and output. */
static size_t part_floats(int heads, int d)
{
    return (size_t)(heads * (d + 2));
}

typedef struct {
    _Alignas(64) float q[CMAT_BLOCK_ROWS * CMAT_MAX_HEAD_DIM];
    _Alignas(64) float o[CMAT_BLOCK_ROWS * CMAT_MAX_HEAD_DIM];
    _Alignas(64) float s[CMAT_BLOCK_ROWS * CMAT_SCORE_LD];
} chunk_state;

/* The keys or values of a page's head g. */
static const void *page_of(const cmat_paged_kv *kv, void *keys_or_values, int page, int g, int G,
                           int d)
{
    return cmat_page_element(kv, keys_or_values, cmat_page_head(kv, page, g, G, d));
}

/* Pages lie anywhere, which the processor's own prefetching does not see through. */
static void prefetch_page(const void *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        _mm_prefetch((const char *)p + i, _MM_HINT_T0);
}

/* Meanwhile the next keys and the values are on their way. */
static void chunk_scores(chunk_state *f, const cmat_paged_kv *kv, const chunk_group *c, int rows,
                         int g, int G, int d)
{
    const bool half = kv->type == CMAT_TYPE_F16;
    const int end = (c->hi + PAGE - 1) / PAGE;
    const size_t bytes = (size_t)(PAGE * d) * (half ? sizeof(uint16_t) : sizeof(float));
    for (int p = c->lo / PAGE; p < end; p += 2) {
        const void *k = page_of(kv, kv->k, c->pages[p], g, G, d);
        for (int i = 0; i < 2; i++) {
            if (p + i < end)
                prefetch_page(page_of(kv, kv->v, c->pages[p + i], g, G, d), bytes);
            if (p + 2 + i < end)
                prefetch_page(page_of(kv, kv->k, c->pages[p + 2 + i], g, G, d), bytes);
        }
        if (p + 1 < end)
            cmat_attention_score_pair(half, f->s + p * PAGE, f->q, rows, d, k,
                                      page_of(kv, kv->k, c->pages[p + 1], g, G, d));
        else
            cmat_attention_product_in(half, rows, PAGE, d, f->q, (size_t)d, 1, k, PAGE,
                                      f->s + p * PAGE, CMAT_SCORE_LD, false);
    }
}

/* o = P V, page by page, in order of keys */
static void chunk_output(chunk_state *f, const cmat_paged_kv *kv, const chunk_group *c, int rows,
                         int g, int G, int d)
{
    const bool half = kv->type == CMAT_TYPE_F16;
    for (int at = c->lo, next; at < c->hi; at = next) {
        const size_t head = cmat_page_head(kv, c->pages[at / PAGE], g, G, d);
        next = (at / PAGE + 1) * PAGE;
        next = next < c->hi ? next : c->hi;
        cmat_attention_product_in(half, rows, d, next - at, f->s + at, CMAT_SCORE_LD, 1,
                                  cmat_page_element(kv, kv->v, head + (size_t)(at % PAGE * d)),
                                  (size_t)d, f->o, (size_t)d, at > c->lo);
    }
}

/* Where row r of a group (position, head) leaves its result. */
static float *part_of(float *parts, const member *m, int r, int g, int heads, int G, int d)
{
    const size_t part = (size_t)m[r / heads].part * (size_t)G + (size_t)g;
    return parts + part * part_floats(heads, d) + (size_t)(r % heads * (d + 2));
}

/* One group of rows and one key/value head; q (T, H, d), rows ldq apart. */
static void chunk_item(float *parts, const decode_plan *p, int group, const float *q, int ldq,
                       const cmat_paged_kv *kv, int g, int heads, int G, int d)
{
    chunk_state f;
    const chunk_group *c = p->groups + group;
    const member *m = p->members + group * p->most;
    const int rows = c->n * heads, hd = heads * d;
    const float scale = 1 / sqrtf((float)d);
    for (int i = 0; i < c->n; i++) {
        const float *from = q + (size_t)m[i].row * (size_t)ldq + (size_t)(g * hd);
        for (int j = 0; j < hd; j++)
            f.q[i * hd + j] = from[j] * scale;
    }
    chunk_scores(&f, kv, c, rows, g, G, d);
    for (int r = 0; r < rows; r++) {
        float *s = f.s + r * CMAT_SCORE_LD + c->lo, *part = part_of(parts, m, r, g, heads, G, d);
        part[0] = cmat_row_max(s, c->hi - c->lo);
        part[1] = cmat_row_exp(s, c->hi - c->lo, 0, part[0]);
    }
    chunk_output(&f, kv, c, rows, g, G, d);
    for (int r = 0; r < rows; r++)
        memcpy(part_of(parts, m, r, g, heads, G, d) + 2, f.o + r * d, (size_t)d * sizeof *f.o);
}

/* o (d) of one row and head from its parts, `step` floats apart. */
static void merge(float *o, const float *parts, int n, size_t step, int d)
{
    float max = -INFINITY, sum = 0;
    for (int c = 0; c < n; c++)
        max = parts[(size_t)c * step] > max ? parts[(size_t)c * step] : max;
    memset(o, 0, (size_t)d * sizeof *o);
    for (int c = 0; c < n; c++) {
        const float *part = parts + (size_t)c * step, w = expf(part[0] - max);
        sum += w * part[1];
        for (int i = 0; i < d; i++)
            o[i] += w * part[2 + i];
    }
    for (int i = 0; i < d; i++)
        o[i] /= sum;
}

static void few_rows(float *o, int ldo, const float *q, int ldq, const cmat_paged_kv *kv,
                     const cmat_paged_seq *seqs, int n_seqs, int H, int G, int d)
{
    const int heads = H / G, n = count_rows(seqs, n_seqs), threads = cmat_threads();
    const size_t head = part_floats(heads, d), step = (size_t)G * head;
    if (!n)
        return;
    decode_plan p = {.rows = cmat_scratch_take((size_t)n * sizeof *p.rows),
                     .most = CMAT_BLOCK_ROWS / heads};
    list_rows(&p, kv, seqs, n_seqs);
    p.groups = cmat_scratch_take((size_t)p.n_parts * sizeof *p.groups);
    p.members = cmat_scratch_take((size_t)(p.n_parts * p.most) * sizeof *p.members);
    float *parts = cmat_scratch_take((size_t)p.n_parts * step * sizeof *parts);
    list_groups(&p);
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(dynamic)
        for (int i = 0; i < p.n_groups * G; i++)
            chunk_item(parts, &p, i / G, q, ldq, kv, i % G, heads, G, d);
#pragma omp for schedule(static)
        for (int i = 0; i < p.n_rows * H; i++) {
            const decode_row *row = p.rows + i / H;
            const int h = i % H;
            merge(o + (size_t)row->row * (size_t)ldo + (size_t)(h * d),
                  parts + (size_t)row->parts * step + (size_t)(h / heads) * head +
                      (size_t)(h % heads * (d + 2)),
                  row->n_chunks, step, d);
        }
    }
    cmat_scratch_give(parts);
    cmat_scratch_give(p.members);
    cmat_scratch_give(p.groups);
    cmat_scratch_give(p.rows);
}

void cmat_avx2_attention_paged(float *o, int ldo, const float *q, int ldq, const cmat_paged_kv *kv,
                               const cmat_paged_seq *seqs, int n_seqs, int H, int G, int d)
{
    if (!cmat_attention_avx2_fits(H, G, d) || kv->page_size != PAGE) {
        cmat_plain_attention_paged(o, ldo, q, ldq, kv, seqs, n_seqs, H, G, d);
        return;
    }
    few_rows(o, ldo, q, ldq, kv, seqs, n_seqs, H, G, d);
    for (int s = 0; s < n_seqs; s++)
        if (seqs[s].n >= FEW)
            many_rows(o, ldo, q, ldq, kv, seqs + s, H, G, d);
}
