/* model/token_mask.c - the trie, its walk, and the masks kept by key. */
#include "model/token_mask.h"
#include "core/hash.h"
#include "core/mem.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A trie in depth-first order: the children of a node follow it; skip is the node after its
 * subtree. */
typedef struct {
    int32_t token; /* that ends here, or -1 */
    int32_t skip;
    uint16_t depth; /* 1 for a first byte */
    uint8_t byte;
} trie_node;

struct cmat_token_trie {
    const cmat_tokenizer *tokenizer;
    int n_vocab;
    trie_node *nodes;
    size_t n_nodes, cap;
    int max_depth;
    int32_t *same; /* (n_vocab): the next token of exactly the same bytes, or -1 */
    int32_t *ends; /* (n_ends): tokens that end a turn */
    int n_ends;
};

typedef struct {
    const char *bytes;
    size_t len;
    int32_t token;
} token_bytes;

static int bytes_order(const void *pa, const void *pb)
{
    const token_bytes *a = pa, *b = pb;
    const size_t n = a->len < b->len ? a->len : b->len;
    const int c = memcmp(a->bytes, b->bytes, n);
    if (c != 0)
        return c;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return (a->token > b->token) - (a->token < b->token);
}

/* Adds the sorted tokens[0..n), which agree in their first `depth` bytes, below the last node. */
static void trie_build(cmat_token_trie *t, const token_bytes *tokens, size_t n, size_t depth)
{
    size_t i = 0;
    while (i < n && tokens[i].len == depth)
        i++; /* those end at the parent */
    while (i < n) {
        const uint8_t byte = (uint8_t)tokens[i].bytes[depth];
        const size_t node = t->n_nodes++;
        size_t end = i + 1;
        while (end < n && (uint8_t)tokens[end].bytes[depth] == byte)
            end++;
        t->nodes = cmat_xgrow(t->nodes, &t->cap, t->n_nodes, sizeof *t->nodes);
        t->nodes[node] = (trie_node){.token = -1, .depth = (uint16_t)(depth + 1), .byte = byte};
        for (size_t k = end; k-- > i;) {
            if (tokens[k].len == depth + 1) {
                t->same[tokens[k].token] = t->nodes[node].token;
                t->nodes[node].token = tokens[k].token;
            }
        }
        if ((int)depth + 1 > t->max_depth)
            t->max_depth = (int)depth + 1;
        trie_build(t, tokens + i, end - i, depth + 1);
        t->nodes[node].skip = (int32_t)t->n_nodes;
        i = end;
    }
}

cmat_token_trie *cmat_token_trie_new(const cmat_tokenizer *tokenizer)
{
    enum { LONGEST = 256 }; /* bytes; longer tokens (runs of spaces) are never needed */
    cmat_token_trie *t = cmat_xcalloc(1, sizeof *t);
    const int n_vocab = cmat_tokenizer_n_vocab(tokenizer);
    token_bytes *tokens = cmat_xcalloc((size_t)n_vocab, sizeof *tokens);
    size_t n = 0;
    t->tokenizer = tokenizer;
    t->n_vocab = n_vocab;
    t->same = cmat_xmalloc((size_t)n_vocab * sizeof *t->same);
    t->ends = cmat_xcalloc((size_t)n_vocab, sizeof *t->ends);
    for (int i = 0; i < n_vocab; i++) {
        token_bytes *b = &tokens[n];
        t->same[i] = -1;
        if (cmat_tokenizer_is_end(tokenizer, i))
            t->ends[t->n_ends++] = i;
        if (cmat_tokenizer_is_end(tokenizer, i) || cmat_tokenizer_is_special(tokenizer, i))
            continue;
        b->bytes = cmat_tokenizer_bytes(tokenizer, i, &b->len);
        b->token = i;
        if (b->len > 0 && b->len <= LONGEST)
            n++;
    }
    qsort(tokens, n, sizeof *tokens, bytes_order);
    trie_build(t, tokens, n, 0);
    free(tokens);
    return t;
}

void cmat_token_trie_free(cmat_token_trie *t)
{
    if (!t)
        return;
    free(t->nodes);
    free(t->same);
    free(t->ends);
    free(t);
}

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

/* One kept mask. */
typedef struct mask_entry {
    cmat_mask mask; /* first: cmat_mask_put is given this */
    uint8_t utf8;   /* with mask.key: the place it is for */
    int refs;
    struct mask_entry *next;
} mask_entry;

enum { N_BUCKETS = 512, MAX_KEPT = 2048 };

struct cmat_mask_cache {
    const cmat_token_trie *trie;
    const cmat_acceptor *acceptor;
    pthread_mutex_t lock;
    mask_entry *buckets[N_BUCKETS];
    int n_kept;
};

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

/* Marks every token whose bytes the constraint takes; returns how many first bytes it takes. */
static int walk(const cmat_token_trie *t, const cmat_acceptor *a, const cmat_cursor *at,
                cmat_token_set *out)
{
    cmat_cursor *stack = cmat_xmalloc((size_t)(t->max_depth + 1) * sizeof *stack);
    int n_first = 0;
    cursor_copy(&stack[0], at, a);
    for (size_t i = 0; i < t->n_nodes;) {
        const trie_node *node = &t->nodes[i];
        cmat_cursor *c = &stack[node->depth];
        cursor_copy(c, &stack[node->depth - 1], a);
        if (!cursor_step(c, a, node->byte)) {
            i = (size_t)node->skip;
            continue;
        }
        n_first += node->depth == 1;
        for (int32_t token = node->token; token >= 0; token = t->same[token])
            set_add(out, token);
        i++;
    }
    free(stack);
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

static mask_entry *mask_make(const cmat_token_trie *t, const cmat_acceptor *a,
                             const cmat_cursor *at, uint64_t key)
{
    mask_entry *e = cmat_xcalloc(1, sizeof *e);
    cmat_mask *m = &e->mask;
    int n_first;
    m->key = key;
    e->utf8 = at->utf8;
    m->done = cmat_cursor_done(at, a);
    m->allowed.bits = cmat_xcalloc((size_t)(t->n_vocab + 63) / 64, sizeof *m->allowed.bits);
    n_first = walk(t, a, at, &m->allowed);
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

static void entry_free(mask_entry *e)
{
    free(e->mask.allowed.bits);
    free(e->mask.allowed.ids);
    free(e->mask.forced);
    free(e);
}

cmat_mask_cache *cmat_mask_cache_new(const cmat_token_trie *trie, const cmat_acceptor *a)
{
    cmat_mask_cache *c = cmat_xcalloc(1, sizeof *c);
    c->trie = trie;
    c->acceptor = a;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void drop_unused(cmat_mask_cache *c)
{
    for (int i = 0; i < N_BUCKETS; i++) {
        for (mask_entry **at = &c->buckets[i]; *at;) {
            mask_entry *e = *at;
            if (e->refs > 0) {
                at = &e->next;
                continue;
            }
            *at = e->next;
            entry_free(e);
            c->n_kept--;
        }
    }
}

void cmat_mask_cache_free(cmat_mask_cache *c)
{
    if (!c)
        return;
    drop_unused(c);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static mask_entry *find(cmat_mask_cache *c, uint64_t key, uint8_t utf8)
{
    for (mask_entry *e = c->buckets[key % N_BUCKETS]; e; e = e->next) {
        if (e->mask.key == key && e->utf8 == utf8) {
            e->refs++;
            return e;
        }
    }
    return NULL;
}

const cmat_mask *cmat_mask_get(cmat_mask_cache *c, const cmat_cursor *at)
{
    const cmat_acceptor *a = c->acceptor;
    const uint64_t key = a->ops->key ? a->ops->key(a, at->state) : 0;
    mask_entry *e = NULL, *other;
    if (key) {
        pthread_mutex_lock(&c->lock);
        e = find(c, key, at->utf8);
        pthread_mutex_unlock(&c->lock);
    }
    if (e)
        return &e->mask;
    e = mask_make(c->trie, a, at, key); /* outside the lock: it takes long */
    e->refs = 1;
    if (!key)
        return &e->mask;
    pthread_mutex_lock(&c->lock);
    if ((other = find(c, key, at->utf8))) { /* another thread was quicker */
        entry_free(e);
        e = other;
    } else {
        if (c->n_kept >= MAX_KEPT)
            drop_unused(c);
        e->next = c->buckets[key % N_BUCKETS];
        c->buckets[key % N_BUCKETS] = e;
        c->n_kept++;
    }
    pthread_mutex_unlock(&c->lock);
    return &e->mask;
}

void cmat_mask_put(cmat_mask_cache *c, const cmat_mask *m)
{
    mask_entry *e = (mask_entry *)m;
    if (!m)
        return;
    if (m->key == 0) {
        entry_free(e);
        return;
    }
    pthread_mutex_lock(&c->lock);
    e->refs--;
    pthread_mutex_unlock(&c->lock);
}
