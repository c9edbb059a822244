/* model/kv.c - pages, who holds them, and the table that finds a prefix (like the automatic prefix
 * caching of vLLM, arXiv 2309.06180). */
#include "model/kv.h"
#include "core/hash.h"
#include "core/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { NONE = -1 };

typedef struct {
    int refs;
    bool ready;
    uint64_t serial, parent; /* serial 0: not published */
    const void *owner;
    int32_t tokens[CMAT_KV_PAGE];
    int chain;      /* next page of the same bucket */
    int prev, next; /* in the list of cached pages held by nobody, oldest first */
} page_info;

struct cmat_kv {
    int n_pages, n_layers;
    void *data;
    cmat_paged_kv *layers;
    page_info *pages;
    int *free_pages; /* a stack: unpublished pages held by nobody */
    int n_free;
    int oldest, newest, n_cached;
    int *buckets;
    uint64_t n_buckets; /* a power of two */
    uint64_t next_serial;
};

static size_t page_values(const cmat_model_config *c)
{
    return (size_t)CMAT_KV_PAGE * (size_t)c->n_kv_heads * (size_t)c->head_dim;
}

static size_t element_bytes(cmat_type type)
{
    return type == CMAT_TYPE_F16 ? sizeof(uint16_t) : sizeof(float);
}

size_t cmat_kv_page_bytes(const cmat_model_config *c, cmat_type type)
{
    return page_values(c) * 2 * (size_t)c->n_layers * element_bytes(type);
}

cmat_status cmat_kv_new(cmat_kv **out, const cmat_model_config *c, cmat_type type, int n_pages,
                        cmat_error *err)
{
    cmat_kv *kv = cmat_xcalloc(1, sizeof *kv);
    const size_t part = page_values(c) * element_bytes(type);
    const size_t page = cmat_kv_page_bytes(c, type);
    *out = NULL;
    kv->n_pages = n_pages;
    kv->n_layers = c->n_layers;
    kv->data = cmat_alloc_big((size_t)n_pages, page);
    if (!kv->data) {
        cmat_kv_free(kv);
        return cmat_fail(err, CMAT_ERR_NOMEM, "kv cache: no memory for %d pages of %zu bytes",
                         n_pages, page);
    }
    /* A page has all layers side by side, so that memory is touched by as many pages as are used,
     * not by each layer's share of a huge page of its own. */
    kv->layers = cmat_xcalloc((size_t)c->n_layers, sizeof *kv->layers);
    for (int l = 0; l < c->n_layers; l++) {
        kv->layers[l].k = (char *)kv->data + (size_t)(2 * l) * part;
        kv->layers[l].v = (char *)kv->data + (size_t)(2 * l + 1) * part;
        kv->layers[l].type = type;
        kv->layers[l].page_size = CMAT_KV_PAGE;
        kv->layers[l].stride = page / element_bytes(type);
        kv->layers[l].window = cmat_config_window(c, l);
    }
    kv->pages = cmat_xcalloc((size_t)n_pages, sizeof *kv->pages);
    kv->free_pages = cmat_xcalloc((size_t)n_pages, sizeof *kv->free_pages);
    for (int i = 0; i < n_pages; i++) /* low pages first: untouched ones cost no memory */
        kv->free_pages[kv->n_free++] = n_pages - 1 - i;
    for (kv->n_buckets = 64; kv->n_buckets < (uint64_t)n_pages * 2;)
        kv->n_buckets *= 2;
    kv->buckets = cmat_xmalloc(kv->n_buckets * sizeof *kv->buckets);
    for (uint64_t i = 0; i < kv->n_buckets; i++)
        kv->buckets[i] = NONE;
    kv->oldest = kv->newest = NONE;
    kv->next_serial = 1;
    *out = kv;
    return CMAT_OK;
}

void cmat_kv_free(cmat_kv *kv)
{
    if (!kv)
        return;
    cmat_free_big(kv->data);
    free(kv->layers);
    free(kv->pages);
    free(kv->free_pages);
    free(kv->buckets);
    free(kv);
}

const cmat_paged_kv *cmat_kv_layer(const cmat_kv *kv, int layer)
{
    return &kv->layers[layer];
}

static void lru_add(cmat_kv *kv, int page)
{
    page_info *p = &kv->pages[page];
    p->prev = kv->newest;
    p->next = NONE;
    if (kv->newest == NONE)
        kv->oldest = page;
    else
        kv->pages[kv->newest].next = page;
    kv->newest = page;
    kv->n_cached++;
}

static void lru_remove(cmat_kv *kv, int page)
{
    page_info *p = &kv->pages[page];
    if (p->prev == NONE)
        kv->oldest = p->next;
    else
        kv->pages[p->prev].next = p->next;
    if (p->next == NONE)
        kv->newest = p->prev;
    else
        kv->pages[p->next].prev = p->prev;
    kv->n_cached--;
}

static int *bucket_of(const cmat_kv *kv, uint64_t parent, const int32_t *tokens)
{
    uint64_t h = cmat_fnv1a(tokens, CMAT_KV_PAGE * sizeof *tokens) ^ (parent * 0x9e3779b97f4a7c15u);
    h ^= h >> 29;
    return &kv->buckets[h & (kv->n_buckets - 1)];
}

int cmat_kv_available(const cmat_kv *kv)
{
    return kv->n_free + kv->n_cached;
}

bool cmat_kv_held(const cmat_kv *kv, int page)
{
    return kv->pages[page].refs > 0;
}

int cmat_kv_take(cmat_kv *kv)
{
    int page;
    if (kv->n_free == 0 && kv->oldest != NONE)
        cmat_kv_unpublish(kv, kv->oldest); /* moves it to the free ones */
    if (kv->n_free == 0)
        return -1;
    page = kv->free_pages[--kv->n_free];
    kv->pages[page].refs = 1;
    kv->pages[page].ready = false;
    return page;
}

void cmat_kv_hold(cmat_kv *kv, int page)
{
    if (kv->pages[page].refs++ == 0) {
        assert(kv->pages[page].serial != 0);
        lru_remove(kv, page);
    }
}

void cmat_kv_drop(cmat_kv *kv, int page)
{
    assert(kv->pages[page].refs > 0);
    if (--kv->pages[page].refs > 0)
        return;
    if (kv->pages[page].serial)
        lru_add(kv, page);
    else
        kv->free_pages[kv->n_free++] = page;
}

int cmat_kv_find(const cmat_kv *kv, uint64_t parent, const int32_t *tokens, uint64_t *serial)
{
    for (int i = *bucket_of(kv, parent, tokens); i != NONE; i = kv->pages[i].chain) {
        const page_info *p = &kv->pages[i];
        if (p->parent == parent && memcmp(p->tokens, tokens, sizeof p->tokens) == 0) {
            *serial = p->serial;
            return i;
        }
    }
    return NONE;
}

uint64_t cmat_kv_publish(cmat_kv *kv, int page, uint64_t parent, const int32_t *tokens,
                         const void *owner, bool ready)
{
    page_info *p = &kv->pages[page];
    uint64_t serial;
    int *bucket;
    assert(p->refs > 0 && p->serial == 0);
    if (cmat_kv_find(kv, parent, tokens, &serial) != NONE)
        return serial;
    p->serial = kv->next_serial++;
    p->parent = parent;
    p->owner = owner;
    p->ready = ready;
    memcpy(p->tokens, tokens, sizeof p->tokens);
    bucket = bucket_of(kv, parent, tokens);
    p->chain = *bucket;
    *bucket = page;
    return p->serial;
}

void cmat_kv_unpublish(cmat_kv *kv, int page)
{
    page_info *p = &kv->pages[page];
    int *at;
    if (p->serial == 0)
        return;
    for (at = bucket_of(kv, p->parent, p->tokens); *at != page;)
        at = &kv->pages[*at].chain;
    *at = p->chain;
    p->serial = 0;
    if (p->refs == 0) {
        lru_remove(kv, page);
        kv->free_pages[kv->n_free++] = page;
    }
}

bool cmat_kv_published(const cmat_kv *kv, int page)
{
    return kv->pages[page].serial != 0;
}

bool cmat_kv_ready(const cmat_kv *kv, int page)
{
    return kv->pages[page].ready;
}

void cmat_kv_set_ready(cmat_kv *kv, int page)
{
    kv->pages[page].ready = true;
}

uint64_t cmat_kv_root(uint64_t key)
{
    return key | 1ull << 63; /* serials count up from 1 and never get there */
}

void cmat_kv_forget(cmat_kv *kv, const void *owner)
{
    for (int i = 0; i < kv->n_pages; i++) {
        if (kv->pages[i].serial && kv->pages[i].owner == owner)
            cmat_kv_unpublish(kv, i);
    }
}
