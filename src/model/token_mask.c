/* model/token_mask.c - walks of the trie, and the masks kept by key. */
#include "model/token_mask.h"
#include "core/hash.h"
#include "core/mem.h"
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* UTF-8 byte by byte (RFC 3629): 0 between characters, 1-3 that many continuation bytes to come,
 * 4-7 a second byte of a narrower range. */
static bool utf8_step(uint8_t *s, uint8_t b)
{
    static const uint8_t low[8] = {0, 0x80, 0x80, 0x80, 0xa0, 0x80, 0x90, 0x80};
    static const uint8_t high[8] = {0, 0xbf, 0xbf, 0xbf, 0xbf, 0x9f, 0xbf, 0x8f};
    static const uint8_t next[8] = {0, 0, 1, 2, 1, 1, 2, 2};
    if (*s == 0) {
        if (b < 0x80)
            return true;
        if (b < 0xc2 || b > 0xf4)
            return false;
        *s = b < 0xe0    ? 1
             : b == 0xe0 ? 4
             : b == 0xed ? 5
             : b < 0xf0  ? 2
             : b == 0xf0 ? 6
             : b < 0xf4  ? 3
                         : 7;
        return true;
    }
    if (b < low[*s] || b > high[*s])
        return false;
    *s = next[*s];
    return true;
}

static inline bool cursor_step(cmat_cursor *c, const cmat_acceptor *a, uint8_t byte)
{
    return utf8_step(&c->utf8, byte) && a->ops->step(a, c->state, byte);
}

static inline void cursor_copy(cmat_cursor *to, const cmat_cursor *from, const cmat_acceptor *a)
{
    to->utf8 = from->utf8;
    memcpy(to->state, from->state, a->state_size);
}

void cmat_cursor_start(cmat_cursor *c, const cmat_acceptor *a)
{
    memset(c, 0, sizeof *c);
    a->ops->start(a, c->state);
}

bool cmat_cursor_feed(cmat_cursor *c, const cmat_acceptor *a, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!cursor_step(c, a, (uint8_t)bytes[i]))
            return false;
    }
    return true;
}

bool cmat_cursor_done(const cmat_cursor *c, const cmat_acceptor *a)
{
    return c->utf8 == 0 && a->ops->done(a, c->state);
}

static void set_add(cmat_token_set *s, int32_t token)
{
    s->bits[token / 64] |= 1ull << (token % 64);
    s->n++;
}

static void list_ids(cmat_token_set *s, int n_vocab)
{
    int n = 0;
    if (s->n > CMAT_TOKEN_SET_LIST)
        return;
    s->ids = cmat_xmalloc((size_t)(s->n + 1) * sizeof *s->ids);
    for (int w = 0; w < (n_vocab + 63) / 64; w++) {
        for (uint64_t bits = s->bits[w]; bits; bits &= bits - 1)
            s->ids[n++] = w * 64 + __builtin_ctzll(bits);
    }
}

/* A walk of the trie from a place: a cursor for each depth. */
typedef struct {
    const cmat_token_trie *trie;
    const cmat_acceptor *acceptor;
    cmat_cursor *at; /* (max_depth + 1) */
} trie_walk;

static void walk_begin(trie_walk *w, const cmat_token_trie *t, const cmat_acceptor *a)
{
    *w = (trie_walk){
        .trie = t,
        .acceptor = a,
        .at = cmat_xmalloc((size_t)(t->max_depth + 1) * sizeof *w->at),
    };
}

static bool walk_step(trie_walk *w, const cmat_trie_node *node)
{
    cursor_copy(&w->at[node->depth], &w->at[node->depth - 1], w->acceptor);
    return cursor_step(&w->at[node->depth], w->acceptor, node->byte);
}

static void add_tokens(const cmat_token_trie *t, const cmat_trie_node *node, cmat_token_set *out)
{
    for (int32_t token = node->token; token >= 0; token = t->same[token])
        set_add(out, token);
}

/* Marks every token of nodes[from..to) whose bytes the constraint takes, walked from its parent's
 * cursor; returns how many first bytes it takes. */
static int walk(trie_walk *w, size_t from, size_t to, cmat_token_set *out)
{
    int n_first = 0;
    for (size_t i = from; i < to;) {
        const cmat_trie_node *node = &w->trie->nodes[i];
        if (!walk_step(w, node)) {
            i = (size_t)node->skip;
            continue;
        }
        n_first += node->depth == 1;
        add_tokens(w->trie, node, out);
        i++;
    }
    return n_first;
}

/* ---- what is kept ---- */

/* Something found out about a place, by whose place it is. */
typedef struct kept {
    uint64_t identity, key; /* identity 0: belongs to the one who asked */
    uint8_t utf8;
    bool used; /* since the last clearing */
    int refs;
    struct kept *next;
} kept;

enum { N_BUCKETS = 1024 };

typedef struct {
    kept *buckets[N_BUCKETS];
    int n, most;
    void (*free)(kept *k);
} shelf;

static kept **bucket(shelf *s, const kept *k)
{
    return &s->buckets[(k->identity * 0x9e3779b97f4a7c15u + k->key) % N_BUCKETS];
}

/* With one more user; NULL: not there. */
static kept *shelf_find(shelf *s, const kept *like)
{
    for (kept *k = *bucket(s, like); k; k = k->next) {
        if (k->identity == like->identity && k->key == like->key && k->utf8 == like->utf8) {
            k->refs++;
            k->used = true;
            return k;
        }
    }
    return NULL;
}

/* Frees what nobody uses; old: only if nobody did since the last time. */
static void shelf_clear(shelf *s, bool old)
{
    for (int i = 0; i < N_BUCKETS; i++) {
        for (kept **at = &s->buckets[i]; *at;) {
            kept *k = *at;
            if (k->refs > 0 || (old && k->used)) {
                k->used = false;
                at = &k->next;
                continue;
            }
            *at = k->next;
            s->free(k);
            s->n--;
        }
    }
}

/* Takes k, with one user; what is returned may be another's that was quicker. */
static kept *shelf_add(shelf *s, kept *k)
{
    kept *other = shelf_find(s, k), **at = bucket(s, k);
    if (other) {
        s->free(k);
        return other;
    }
    if (s->n >= s->most)
        shelf_clear(s, true);
    if (s->n >= s->most)
        shelf_clear(s, false);
    k->refs = 1;
    k->used = true;
    k->next = *at;
    *at = k;
    s->n++;
    return k;
}

struct cmat_mask_cache {
    const cmat_token_trie *trie;
    pthread_mutex_t lock;
    shelf masks, inner;
};

static kept *cache_find(cmat_mask_cache *c, shelf *s, const kept *like)
{
    pthread_mutex_lock(&c->lock);
    kept *k = like->identity ? shelf_find(s, like) : NULL;
    pthread_mutex_unlock(&c->lock);
    return k;
}

static kept *cache_add(cmat_mask_cache *c, shelf *s, kept *k)
{
    if (k->identity == 0)
        return k;
    pthread_mutex_lock(&c->lock);
    k = shelf_add(s, k);
    pthread_mutex_unlock(&c->lock);
    return k;
}

static void cache_put(cmat_mask_cache *c, shelf *s, kept *k)
{
    if (k->identity == 0) {
        s->free(k);
        return;
    }
    pthread_mutex_lock(&c->lock);
    k->refs--;
    pthread_mutex_unlock(&c->lock);
}

/* ---- the innermost construct ---- */

/* What the innermost construct alone says of the tokens: most are in or out wherever it stands, and
 * only those that reach beyond its end must be tried in each place (as in XGrammar, arXiv
 * 2411.15100). */
typedef struct {
    kept kept;      /* first */
    uint64_t *bits; /* tokens that are in for certain */
    int n, n_first;
    int32_t *open; /* (n_open) nodes from which on the surroundings decide, ascending */
    size_t n_open, cap;
} inner_mask;

static inner_mask *inner_make(const cmat_token_trie *t, const cmat_acceptor *a,
                              const cmat_cursor *at, const kept *like)
{
    inner_mask *m = cmat_xcalloc(1, sizeof *m);
    cmat_token_set set = {.bits = cmat_xcalloc((size_t)(t->n_vocab + 63) / 64, sizeof *set.bits)};
    trie_walk w;
    m->kept = *like;
    walk_begin(&w, t, a);
    cursor_copy(&w.at[0], at, a);
    for (size_t i = 0; i < t->n_nodes;) {
        const cmat_trie_node *node = &t->nodes[i];
        if (!walk_step(&w, node)) {
            i = (size_t)node->skip;
        } else if (a->ops->unknown(a, w.at[node->depth].state)) {
            m->open = cmat_xgrow(m->open, &m->cap, m->n_open + 1, sizeof *m->open);
            m->open[m->n_open++] = (int32_t)i;
            i = (size_t)node->skip;
        } else {
            m->n_first += node->depth == 1;
            add_tokens(t, node, &set);
            i++;
        }
    }
    free(w.at);
    m->bits = set.bits;
    m->n = set.n;
    return m;
}

static void inner_free(kept *k)
{
    inner_mask *m = (inner_mask *)k;
    free(m->bits);
    free(m->open);
    free(m);
}

/* Tries the tokens that the construct leaves open; returns how many first bytes are among them.
 * Their nodes come in the trie's order, so that a path has its beginning in common with the one
 * before. */
static int walk_open(trie_walk *w, const inner_mask *m, cmat_token_set *out)
{
    const cmat_token_trie *t = w->trie;
    uint8_t path[CMAT_TOKEN_LONGEST + 1]; /* bytes of the cursors */
    int known = 0, n_first = 0;           /* known: cursors that are right */
    for (size_t k = 0; k < m->n_open; k++) {
        const cmat_trie_node *node = &t->nodes[m->open[k]];
        size_t first = (size_t)m->open[k], len;
        const char *bytes;
        int depth = 0;
        while (t->nodes[first].token < 0) /* some token there has the path in its bytes */
            first++;
        bytes = cmat_tokenizer_bytes(t->tokenizer, t->nodes[first].token, &len);
        while (depth < known && depth < node->depth - 1 && path[depth] == (uint8_t)bytes[depth])
            depth++;
        for (; depth < node->depth - 1; depth++) {
            path[depth] = (uint8_t)bytes[depth];
            cursor_copy(&w->at[depth + 1], &w->at[depth], w->acceptor);
            if (!cursor_step(&w->at[depth + 1], w->acceptor, path[depth]))
                break;
        }
        known = depth;
        if (depth == node->depth - 1)
            n_first += walk(w, (size_t)m->open[k], (size_t)node->skip, out);
    }
    return n_first;
}

/* Appends the bytes that must come next, as long as there is only one way; true when the text then
 * ends. */
static bool forced_bytes(const cmat_acceptor *a, cmat_cursor *c, cmat_buf *out)
{
    enum { LONGEST = 512 };
    cmat_cursor next, try;
    while (!cmat_cursor_done(c, a) && out->len < LONGEST) {
        int n = 0, byte = 0;
        for (int b = 0; b < 256 && n < 2; b++) {
            cursor_copy(&try, c, a);
            if (cursor_step(&try, a, (uint8_t)b)) {
                cursor_copy(&next, &try, a);
                byte = b;
                n++;
            }
        }
        if (n != 1)
            return false;
        cursor_copy(c, &next, a);
        cmat_buf_putc(out, (char)byte);
    }
    if (!cmat_cursor_done(c, a))
        return false;
    for (int b = 0; b < 256; b++) {
        cursor_copy(&try, c, a);
        if (cursor_step(&try, a, (uint8_t)b))
            return false;
    }
    return true;
}

/* A run of forced bytes as the tokenizer would write it. Its last token is left to the model unless
 * the text ends there: it might be written together with what follows (" na" of " name"). */
static void force(const cmat_token_trie *t, const cmat_acceptor *a, const cmat_cursor *at,
                  cmat_mask *m)
{
    cmat_cursor c;
    cmat_buf run = {0};
    size_t n = 0, cap = 0;
    bool end;
    cursor_copy(&c, at, a);
    end = forced_bytes(a, &c, &run);
    cmat_tokenizer_encode_at(t->tokenizer, cmat_buf_str(&run), run.len, false, CMAT_TEXT_INSIDE,
                             &m->forced, &n, &cap);
    if (!end && n > 0)
        n--;
    m->n_forced = (int)n;
    if (n == 0 || !cmat_token_set_has(&m->allowed, m->forced[0])) {
        free(m->forced);
        m->forced = NULL;
        m->n_forced = 0;
    }
    cmat_buf_clear(&run);
}

/* The mask of the construct at a place, to be put back; NULL when the acceptor knows none, or when
 * it is all there is. */
static inner_mask *inner_get(cmat_mask_cache *c, const cmat_acceptor *a, const cmat_cursor *at)
{
    cmat_cursor inner = {.utf8 = at->utf8};
    kept like = {.identity = a->inner_identity ? a->inner_identity : a->identity, .utf8 = at->utf8};
    if (!a->ops->inner)
        return NULL;
    a->ops->inner(a, at->state, inner.state);
    like.key = a->ops->key(a, inner.state);
    if (like.key == 0 || like.key == a->ops->key(a, at->state))
        return NULL;
    kept *k = cache_find(c, &c->inner, &like);
    if (!k) /* made outside the lock: it takes long */
        k = cache_add(c, &c->inner, &inner_make(c->trie, a, &inner, &like)->kept);
    return (inner_mask *)k;
}

/* Fills the set of tokens allowed at a place; returns how many first bytes there are. */
static int allowed_tokens(cmat_mask_cache *c, const cmat_acceptor *a, const cmat_cursor *at,
                          cmat_token_set *out)
{
    const cmat_token_trie *t = c->trie;
    const size_t n_words = (size_t)(t->n_vocab + 63) / 64;
    inner_mask *inner = inner_get(c, a, at);
    trie_walk w;
    int n_first;
    walk_begin(&w, t, a);
    cursor_copy(&w.at[0], at, a);
    if (inner) {
        memcpy(out->bits, inner->bits, n_words * sizeof *out->bits);
        out->n = inner->n;
        n_first = inner->n_first + walk_open(&w, inner, out);
        cache_put(c, &c->inner, &inner->kept);
    } else {
        n_first = walk(&w, 0, t->n_nodes, out);
    }
    free(w.at);
    return n_first;
}

typedef struct {
    cmat_mask mask; /* first: cmat_mask_put is given this */
    kept kept;
} mask_entry;

static mask_entry *entry_of(kept *k)
{
    return (mask_entry *)((char *)k - offsetof(mask_entry, kept));
}

static mask_entry *mask_make(cmat_mask_cache *c, const cmat_acceptor *a, const cmat_cursor *at,
                             const kept *like)
{
    const cmat_token_trie *t = c->trie;
    mask_entry *e = cmat_xcalloc(1, sizeof *e);
    cmat_mask *m = &e->mask;
    int n_first;
    e->kept = *like;
    m->done = cmat_cursor_done(at, a);
    m->allowed.bits = cmat_xcalloc((size_t)(t->n_vocab + 63) / 64, sizeof *m->allowed.bits);
    n_first = allowed_tokens(c, a, at, &m->allowed);
    m->n_text = m->allowed.n;
    if (m->done) {
        for (int i = 0; i < t->n_ends; i++)
            set_add(&m->allowed, t->ends[i]);
    }
    list_ids(&m->allowed, t->n_vocab);
    if (!m->done && n_first == 1)
        force(t, a, at, m);
    if (!m->done && m->n_text == 1 && m->n_forced == 0) {
        free(m->forced);
        m->forced = cmat_xmalloc(sizeof *m->forced);
        m->forced[0] = m->allowed.ids[0];
        m->n_forced = 1;
    }
    return e;
}

static void entry_free(kept *k)
{
    mask_entry *e = entry_of(k);
    free(e->mask.allowed.bits);
    free(e->mask.allowed.ids);
    free(e->mask.forced);
    free(e);
}

cmat_mask_cache *cmat_mask_cache_new(const cmat_token_trie *trie)
{
    enum { BYTES = 16 << 20 }; /* of each shelf's masks */
    const int most = BYTES / (trie->n_vocab / 8 + 64);
    cmat_mask_cache *c = cmat_xcalloc(1, sizeof *c);
    c->trie = trie;
    c->masks = (shelf){.most = most, .free = entry_free};
    c->inner = (shelf){.most = most, .free = inner_free};
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void cmat_mask_cache_free(cmat_mask_cache *c)
{
    if (!c)
        return;
    shelf_clear(&c->masks, false);
    shelf_clear(&c->inner, false);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

const cmat_mask *cmat_mask_get(cmat_mask_cache *c, const cmat_acceptor *a, const cmat_cursor *at)
{
    kept like = {.utf8 = at->utf8, .key = a->ops->key ? a->ops->key(a, at->state) : 0};
    if (like.key)
        like.identity = a->identity;
    kept *k = cache_find(c, &c->masks, &like);
    if (!k) /* made outside the lock: it takes long */
        k = cache_add(c, &c->masks, &mask_make(c, a, at, &like)->kept);
    return &entry_of(k)->mask;
}

void cmat_mask_put(cmat_mask_cache *c, const cmat_mask *m)
{
    if (m)
        cache_put(c, &c->masks, &((mask_entry *)m)->kept);
}
