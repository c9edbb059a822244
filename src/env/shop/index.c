/* env/shop/index.c - an inverted index and Lucene's BM25: BM25Similarity of Lucene 8, with its
 * lengths rounded to one byte (SmallFloat.intToByte4), in its order of operations. */
#include "env/shop/index.h"
#include "core/buf.h"
#include "core/hash.h"
#include "core/mem.h"
#include "env/shop/analysis.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float k1 = 0.9F, b = 0.4F;

typedef struct {
    uint32_t doc, tf;
} posting;

typedef struct {
    char *text;
    posting *postings; /* (n) by document */
    size_t n, cap;
} term;

typedef struct {
    const char *id;
    uint8_t norm; /* its length, rounded */
} document;

struct shop_index {
    term *terms;
    size_t n_terms, cap_terms;
    uint32_t *slots; /* (n_slots) number of a term + 1, by hash; 0: free */
    size_t n_slots;  /* a power of two */
    document *docs;
    size_t n_docs, cap_docs;
    uint64_t total_length;
    float inverse[256]; /* 1 / (k1 (1 - b + b length / average)) by rounded length */
};

shop_index *shop_index_new(void)
{
    shop_index *x = cmat_xcalloc(1, sizeof *x);
    x->n_slots = 1024;
    x->slots = cmat_xcalloc(x->n_slots, sizeof *x->slots);
    return x;
}

void shop_index_free(shop_index *x)
{
    if (!x)
        return;
    for (size_t i = 0; i < x->n_terms; i++) {
        free(x->terms[i].text);
        free(x->terms[i].postings);
    }
    free(x->terms);
    free(x->slots);
    free(x->docs);
    free(x);
}

/* Where the term stands or would stand. */
static size_t slot_of(const shop_index *x, const char *text)
{
    size_t i = cmat_fnv1a(text, strlen(text)) & (x->n_slots - 1);
    while (x->slots[i] && strcmp(x->terms[x->slots[i] - 1].text, text) != 0)
        i = (i + 1) & (x->n_slots - 1);
    return i;
}

static void widen(shop_index *x)
{
    free(x->slots);
    x->n_slots *= 2;
    x->slots = cmat_xcalloc(x->n_slots, sizeof *x->slots);
    for (size_t i = 0; i < x->n_terms; i++)
        x->slots[slot_of(x, x->terms[i].text)] = (uint32_t)i + 1;
}

static term *find_or_add(shop_index *x, const char *text)
{
    size_t slot = slot_of(x, text);
    if (!x->slots[slot]) {
        x->terms = cmat_xgrow(x->terms, &x->cap_terms, x->n_terms + 1, sizeof *x->terms);
        x->terms[x->n_terms++] = (term){.text = cmat_xstrdup(text)};
        x->slots[slot] = (uint32_t)x->n_terms;
        if (2 * x->n_terms > x->n_slots)
            widen(x);
        return &x->terms[x->n_terms - 1];
    }
    return &x->terms[x->slots[slot] - 1];
}

/* ---- lengths in a byte ---- */

enum { EXACT = 24 }; /* lengths below it are kept as they are */

static uint8_t length_to_norm(uint64_t length)
{
    if (length < EXACT)
        return (uint8_t)length;
    const uint64_t i = (length < INT32_MAX ? length : INT32_MAX) - EXACT;
    const int bits = i ? 64 - __builtin_clzll(i) : 0;
    if (bits < 4)
        return (uint8_t)(EXACT + i);
    const int shift = bits - 4;
    return (uint8_t)(EXACT + (((i >> shift) & 7) | (uint64_t)(shift + 1) << 3));
}

static double norm_to_length(unsigned norm)
{
    if (norm < EXACT)
        return norm;
    const unsigned i = norm - EXACT;
    const int shift = (int)(i >> 3) - 1;
    const uint64_t length = shift < 0 ? (i & 7) : (uint64_t)((i & 7) | 8) << shift;
    return (double)(EXACT + length);
}

/* ---- building ---- */

void shop_index_add(shop_index *x, const char *id, const char *text, size_t len)
{
    cmat_buf terms = {0};
    const size_t n = shop_analyse(&terms, text, len);
    const uint32_t doc = (uint32_t)x->n_docs;
    const char *p = cmat_buf_str(&terms);
    for (size_t i = 0; i < n; i++, p += strlen(p) + 1) {
        term *t = find_or_add(x, p);
        if (t->n > 0 && t->postings[t->n - 1].doc == doc) {
            t->postings[t->n - 1].tf++;
            continue;
        }
        t->postings = cmat_xgrow(t->postings, &t->cap, t->n + 1, sizeof *t->postings);
        t->postings[t->n++] = (posting){doc, 1};
    }
    cmat_buf_clear(&terms);
    x->docs = cmat_xgrow(x->docs, &x->cap_docs, x->n_docs + 1, sizeof *x->docs);
    x->docs[x->n_docs++] = (document){id, length_to_norm(n)};
    x->total_length += n;
}

void shop_index_finish(shop_index *x)
{
    const float average = x->n_docs ? (float)((double)x->total_length / (double)x->n_docs) : 1;
    for (unsigned i = 0; i < 256; i++)
        x->inverse[i] = 1.0F / (k1 * ((1.0F - b) + b * (float)norm_to_length(i) / average));
    for (size_t i = 0; i < x->n_terms; i++) /* they grow no more */
        x->terms[i].postings = cmat_xrealloc(x->terms[i].postings, x->terms[i].n * sizeof(posting));
}

/* ---- searching ---- */

typedef struct {
    uint32_t term;
    float weight; /* idf, times how often the query has the word */
} wanted;

/* The query's terms that the index has, each once. */
static size_t read_query(const shop_index *x, const char *text, size_t len, wanted **out)
{
    cmat_buf terms = {0};
    const size_t n = shop_analyse(&terms, text, len);
    wanted *w = cmat_xcalloc(n + 1, sizeof *w);
    size_t n_wanted = 0;
    const char *p = cmat_buf_str(&terms);
    for (size_t i = 0; i < n; i++, p += strlen(p) + 1) {
        const uint32_t number = x->slots[slot_of(x, p)];
        size_t k = 0;
        if (!number)
            continue;
        while (k < n_wanted && w[k].term != number - 1)
            k++;
        n_wanted += k == n_wanted;
        w[k].term = number - 1;
        w[k].weight += 1;
    }
    for (size_t k = 0; k < n_wanted; k++) {
        const double df = (double)x->terms[w[k].term].n;
        w[k].weight *= (float)log(1 + ((double)x->n_docs - df + 0.5) / (df + 0.5));
    }
    cmat_buf_clear(&terms);
    *out = w;
    return n_wanted;
}

static bool better(const shop_index *x, const float *score, uint32_t d, uint32_t e)
{
    if (score[d] != score[e])
        return score[d] > score[e];
    return strcmp(x->docs[d].id, x->docs[e].id) < 0;
}

/* Keeps hits sorted; most documents fall at the first comparison. */
static size_t insert(const shop_index *x, const float *score, uint32_t d, uint32_t *hits, size_t n,
                     size_t max)
{
    if (n == max && !better(x, score, d, hits[n - 1]))
        return n;
    size_t i = n < max ? n++ : n - 1;
    for (; i > 0 && better(x, score, d, hits[i - 1]); i--)
        hits[i] = hits[i - 1];
    hits[i] = d;
    return n;
}

size_t shop_index_search(const shop_index *x, const char *text, size_t len, uint32_t *hits,
                         float *scores, size_t max)
{
    wanted *w;
    const size_t n_wanted = read_query(x, text, len, &w);
    double *sum = cmat_xcalloc(x->n_docs + 1, sizeof *sum);
    float *score = cmat_xcalloc(x->n_docs + 1, sizeof *score);
    size_t n = 0;
    for (size_t k = 0; k < n_wanted; k++) {
        const term *t = &x->terms[w[k].term];
        const float weight = w[k].weight;
        for (size_t i = 0; i < t->n; i++) {
            const posting p = t->postings[i];
            sum[p.doc] += weight - weight / (1.0F + (float)p.tf * x->inverse[x->docs[p.doc].norm]);
        }
    }
    for (uint32_t d = 0; max > 0 && d < x->n_docs; d++) {
        if (sum[d] == 0)
            continue;
        score[d] = (float)sum[d];
        n = insert(x, score, d, hits, n, max);
    }
    for (size_t i = 0; scores && i < n; i++)
        scores[i] = score[hits[i]];
    free(sum);
    free(score);
    free(w);
    return n;
}
