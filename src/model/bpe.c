/* Byte pair merging. Short pieces (nearly all) scan for the lowest rank; long ones use a heap of
 * candidates over a linked list, so that a piece of n bytes costs O(n log n). */
#include "model/bpe.h"
#include "core/mem.h"
#include <stdlib.h>
#include <string.h>

enum { SCAN_MAX = 40 }; /* longest piece that is merged by scanning */

static size_t slot_of(const cmat_bpe *b, uint64_t key)
{
    return (size_t)((key * 0x9E3779B97F4A7C15u) >> 20) & b->mask;
}

static uint64_t key_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

void cmat_bpe_init(cmat_bpe *b, size_t n_merges)
{
    size_t size = 16;
    while (size < 2 * n_merges)
        size *= 2;
    b->slots = cmat_xmalloc(size * sizeof *b->slots);
    b->mask = size - 1;
    b->n = 0;
    memset(b->slots, 0xff, size * sizeof *b->slots);
}

void cmat_bpe_clear(cmat_bpe *b)
{
    free(b->slots);
    *b = (cmat_bpe){0};
}

void cmat_bpe_add(cmat_bpe *b, int32_t left, int32_t right, uint32_t rank, int32_t id)
{
    uint64_t key = key_of(left, right);
    size_t i = slot_of(b, key);
    while (b->slots[i].key != UINT64_MAX && b->slots[i].key != key)
        i = (i + 1) & b->mask;
    if (b->slots[i].key == key)
        return;
    b->slots[i] = (cmat_bpe_merge){.key = key, .rank = rank, .id = id};
    b->n++;
}

/* The rank of merging left with right; UINT32_MAX: they do not merge. */
static uint32_t lookup(const cmat_bpe *b, int32_t left, int32_t right, int32_t *id)
{
    if (b->find)
        return b->find(b->user, left, right, id);
    uint64_t key = key_of(left, right);
    for (size_t i = slot_of(b, key); b->slots[i].key != UINT64_MAX; i = (i + 1) & b->mask) {
        if (b->slots[i].key == key) {
            *id = b->slots[i].id;
            return b->slots[i].rank;
        }
    }
    return UINT32_MAX;
}

void cmat_bpe_work_reserve(cmat_bpe_work *w, size_t n)
{
    if (n <= w->cap)
        return;
    size_t cap = w->cap ? w->cap : 64;
    while (cap < n)
        cap *= 2;
    w->ids = cmat_xrealloc(w->ids, cap * sizeof *w->ids);
    w->ranks = cmat_xrealloc(w->ranks, cap * sizeof *w->ranks);
    w->merged = cmat_xrealloc(w->merged, cap * sizeof *w->merged);
    w->prev = cmat_xrealloc(w->prev, cap * sizeof *w->prev);
    w->next = cmat_xrealloc(w->next, cap * sizeof *w->next);
    w->cap = cap;
}

void cmat_bpe_work_clear(cmat_bpe_work *w)
{
    free(w->ids);
    free(w->ranks);
    free(w->merged);
    free(w->prev);
    free(w->next);
    free(w->heap);
    *w = (cmat_bpe_work){0};
}

static size_t apply_scan(const cmat_bpe *b, cmat_bpe_work *w, size_t n)
{
    int32_t *ids = w->ids, *merged = w->merged;
    uint32_t *ranks = w->ranks;
    for (size_t i = 0; i + 1 < n; i++)
        ranks[i] = lookup(b, ids[i], ids[i + 1], &merged[i]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++) {
            if (ranks[i] < ranks[best])
                best = i;
        }
        if (ranks[best] == UINT32_MAX)
            break;
        ids[best] = merged[best];
        n--;
        for (size_t i = best + 1; i < n; i++) {
            ids[i] = ids[i + 1];
            ranks[i - 1] = ranks[i];
            merged[i - 1] = merged[i];
        }
        if (best > 0)
            ranks[best - 1] = lookup(b, ids[best - 1], ids[best], &merged[best - 1]);
        if (best + 1 < n)
            ranks[best] = lookup(b, ids[best], ids[best + 1], &merged[best]);
    }
    return n;
}

static bool cand_less(const cmat_bpe_cand *a, const cmat_bpe_cand *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->pos < b->pos;
}

static void heap_push(const cmat_bpe *b, cmat_bpe_work *w, uint32_t pos, uint32_t right_pos)
{
    cmat_bpe_cand c = {.pos = pos, .left = w->ids[pos], .right = w->ids[right_pos]};
    c.rank = lookup(b, c.left, c.right, &c.id);
    if (c.rank == UINT32_MAX)
        return;
    w->heap = cmat_xgrow(w->heap, &w->heap_cap, w->heap_n + 1, sizeof *w->heap);
    size_t i = w->heap_n++;
    while (i > 0 && cand_less(&c, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = c;
}

static cmat_bpe_cand heap_pop(cmat_bpe_work *w)
{
    cmat_bpe_cand top = w->heap[0], last = w->heap[--w->heap_n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < w->heap_n; i = child) {
        if (child + 1 < w->heap_n && cand_less(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!cand_less(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
    }
    w->heap[i] = last;
    return top;
}

/* ids[i] is -1 once i was merged into the part before it. */
static size_t apply_heap(const cmat_bpe *b, cmat_bpe_work *w, size_t n)
{
    const uint32_t none = UINT32_MAX;
    w->heap_n = 0;
    for (size_t i = 0; i < n; i++) {
        w->prev[i] = i ? (uint32_t)i - 1 : none;
        w->next[i] = i + 1 < n ? (uint32_t)i + 1 : none;
    }
    for (size_t i = 0; i + 1 < n; i++)
        heap_push(b, w, (uint32_t)i, (uint32_t)i + 1);
    while (w->heap_n > 0) {
        cmat_bpe_cand c = heap_pop(w);
        uint32_t right = w->next[c.pos];
        if (w->ids[c.pos] != c.left || right == none || w->ids[right] != c.right)
            continue; /* one of the parts was merged meanwhile */
        w->ids[c.pos] = c.id;
        w->ids[right] = -1;
        w->next[c.pos] = w->next[right];
        if (w->next[right] != none)
            w->prev[w->next[right]] = c.pos;
        if (w->prev[c.pos] != none)
            heap_push(b, w, w->prev[c.pos], c.pos);
        if (w->next[c.pos] != none)
            heap_push(b, w, c.pos, w->next[c.pos]);
    }
    size_t m = 0;
    for (uint32_t i = 0; i != none; i = w->next[i])
        w->ids[m++] = w->ids[i];
    return m;
}

size_t cmat_bpe_apply(const cmat_bpe *b, cmat_bpe_work *w, size_t n)
{
    if (n < 2)
        return n;
    return n <= SCAN_MAX ? apply_scan(b, w, n) : apply_heap(b, w, n);
}
