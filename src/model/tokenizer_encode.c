/* model/tokenizer_encode.c - text to tokens: control tokens are split off, the rest is normalized,
 * cut into pieces, and each piece encoded by the tokenizer's model.
 *
 * What encoding needs besides the tokenizer (work space, a cache of pieces) is taken from a pool,
 * one for each thread that encodes at the time. */
#include "core/hash.h"
#include "core/text.h"
#include "model/tokenizer_internal.h"
#include <stdlib.h>
#include <string.h>

/* Longer pieces are cut, to keep the work space in bounds. */
enum { MAX_PIECE = 1 << 26, MAX_LATTICE = 1 << 22 };
#define META_SPACE "\xe2\x96\x81"

/* --- encoders -------------------------------------------------------------------------------- */

cmat_encoder_pool *cmat_encoder_pool_new(void)
{
    cmat_encoder_pool *p = cmat_xcalloc(1, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void cmat_encoder_pool_free(cmat_encoder_pool *p)
{
    if (!p)
        return;
    for (cmat_encoder *e = p->idle, *next; e; e = next) {
        next = e->next;
        cmat_pretok_scan_free(e->scan);
        cmat_bpe_work_clear(&e->work);
        cmat_unigram_work_clear(&e->lattice);
        cmat_buf_clear(&e->norm[0]);
        cmat_buf_clear(&e->norm[1]);
        free(e);
    }
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static cmat_encoder *encoder_take(const cmat_tokenizer *t)
{
    pthread_mutex_lock(&t->pool->lock);
    cmat_encoder *e = t->pool->idle;
    if (e)
        t->pool->idle = e->next;
    pthread_mutex_unlock(&t->pool->lock);
    if (!e) {
        e = cmat_xcalloc(1, sizeof *e);
        e->scan = t->pre ? cmat_pretok_scan_new(t->pre) : NULL;
    }
    return e;
}

static void encoder_give(const cmat_tokenizer *t, cmat_encoder *e)
{
    pthread_mutex_lock(&t->pool->lock);
    e->next = t->pool->idle;
    t->pool->idle = e;
    pthread_mutex_unlock(&t->pool->lock);
}

/* --- pieces to ids --------------------------------------------------------------------------- */

/* A byte without a token of its own (rare: bytes that hardly any text has) is left out, as
 * llama.cpp and the tokenizers library do; the unknown token would be a control token. */
static size_t bytes_to_ids(const cmat_tokenizer *t, const char *s, size_t len, cmat_bpe_work *w)
{
    size_t n = 0;
    cmat_bpe_work_reserve(w, len);
    for (size_t i = 0; i < len; i++) {
        int32_t id = t->byte_ids[(unsigned char)s[i]];
        if (id >= 0)
            w->ids[n++] = id;
    }
    return n;
}

/* Appends what stands for text that is no token: its bytes, or the unknown token, or nothing. */
static size_t unknown_add(const cmat_tokenizer *t, const char *s, size_t len, int32_t *ids,
                          size_t n)
{
    bool bytes = true;
    for (size_t i = 0; i < len; i++)
        bytes &= t->byte_ids[(unsigned char)s[i]] >= 0;
    if (bytes) {
        for (size_t i = 0; i < len; i++)
            ids[n++] = t->byte_ids[(unsigned char)s[i]];
    } else if (t->unk >= 0 && (t->separate_unk || n == 0 || ids[n - 1] != t->unk)) {
        ids[n++] = t->unk;
    }
    return n;
}

static size_t encode_bytes(const cmat_tokenizer *t, cmat_encoder *e, const char *s, size_t len)
{
    return cmat_bpe_apply(&t->bpe, &e->work, bytes_to_ids(t, s, len, &e->work));
}

static size_t encode_chars(const cmat_tokenizer *t, cmat_encoder *e, const char *s, size_t len)
{
    size_t n = 0;
    uint32_t cp;
    cmat_bpe_work_reserve(&e->work, len);
    for (size_t i = 0, k; i < len; i += k) {
        int valid = cmat_utf8_decode(s + i, len - i, &cp);
        k = valid ? (size_t)valid : 1;
        int id = valid ? cmat_vocab_find(t, s + i, k, false) : -1;
        if (id >= 0)
            e->work.ids[n++] = id;
        else
            n = unknown_add(t, s + i, k, e->work.ids, n);
    }
    return cmat_bpe_apply(&t->bpe, &e->work, n);
}

static size_t encode_unigram(const cmat_tokenizer *t, cmat_encoder *e, const char *s, size_t len)
{
    size_t parts = cmat_unigram_apply(&t->unigram, &e->lattice, s, len), n = 0;
    cmat_bpe_work_reserve(&e->work, len);
    for (size_t i = 0; i < parts; i++) {
        const cmat_unigram_node *p = &e->lattice.nodes[i];
        size_t end = i + 1 < parts ? e->lattice.nodes[i + 1].from : len;
        if (p->id >= 0)
            e->work.ids[n++] = p->id;
        else
            n = unknown_add(t, s + p->from, end - p->from, e->work.ids, n);
    }
    return n;
}

cmat_piece_encode cmat_piece_encoder(cmat_tokenizer_model model)
{
    static const cmat_piece_encode encoders[] = {[CMAT_TOKENS_BYTE_BPE] = encode_bytes,
                                                 [CMAT_TOKENS_CHAR_BPE] = encode_chars,
                                                 [CMAT_TOKENS_SCORED] = encode_chars,
                                                 [CMAT_TOKENS_UNIGRAM] = encode_unigram};
    return encoders[model];
}

uint32_t cmat_scored_find(const void *tokenizer, int32_t left, int32_t right, int32_t *id)
{
    const cmat_tokenizer *t = tokenizer;
    const cmat_token_info *a = &t->tokens[left], *b = &t->tokens[right];
    const uint32_t apart = CMAT_TOKEN_FLAG_APART | CMAT_TOKEN_FLAG_SPECIAL;
    char both[256];
    const size_t len = (size_t)a->len + b->len;
    if ((a->flags | b->flags) & apart || len > t->longest)
        return UINT32_MAX;
    char *s = len <= sizeof both ? both : cmat_xmalloc(len);
    memcpy(s, t->text + a->offset, a->len);
    memcpy(s + a->len, t->text + b->offset, b->len);
    *id = cmat_vocab_find(t, s, len, false);
    if (s != both)
        free(s);
    return *id >= 0 ? t->ranks[*id] : UINT32_MAX;
}

/* --- text to pieces -------------------------------------------------------------------------- */

typedef struct {
    int32_t **tokens;
    size_t *n, *cap;
} token_sink;

static void sink_add(token_sink *out, const int32_t *ids, size_t n)
{
    if (*out->n + n > *out->cap)
        *out->tokens = cmat_xgrow(*out->tokens, out->cap, *out->n + n, sizeof **out->tokens);
    if (n)
        memcpy(*out->tokens + *out->n, ids, n * sizeof *ids);
    *out->n += n;
}

static size_t piece_ids(const cmat_tokenizer *t, cmat_encoder *e, const char *s, size_t len)
{
    if (t->ignore_merges) {
        int id = cmat_vocab_find(t, s, len, false);
        if (id >= 0) {
            cmat_bpe_work_reserve(&e->work, 1);
            e->work.ids[0] = id;
            return 1;
        }
    }
    return t->encode(t, e, s, len);
}

static void encode_piece(const cmat_tokenizer *t, cmat_encoder *e, const char *s, size_t len,
                         token_sink *out)
{
    cmat_cached_piece *c = NULL;
    if (len <= CMAT_PIECE_KEY) {
        c = &e->cache[(cmat_fnv1a(s, len) * 0x9E3779B97F4A7C15u >> 40) % CMAT_PIECE_CACHE];
        if (c->len == len && memcmp(c->key, s, len) == 0) {
            sink_add(out, c->ids, c->n);
            return;
        }
    }
    size_t n = piece_ids(t, e, s, len);
    sink_add(out, e->work.ids, n);
    if (c && n <= CMAT_PIECE_IDS) {
        c->len = (uint8_t)len;
        c->n = (uint8_t)n;
        memcpy(c->key, s, len);
        memcpy(c->ids, e->work.ids, n * sizeof *c->ids);
    }
}

/* Length of the next piece where no pattern says it. */
static size_t cut_next(const cmat_tokenizer *t, const char *s, size_t len)
{
    if (t->whole && len <= MAX_LATTICE)
        return len;
    for (size_t i = 1; i < len; i++) {
        if (s[i] == ' ' && (t->split_spaces || t->cut_after[(unsigned char)s[i - 1]]))
            return i;
    }
    return len;
}

static void encode_pieces(const cmat_tokenizer *t, cmat_encoder *e, const char *text, size_t len,
                          token_sink *out)
{
    const char *s = text;
    size_t n;
    bool valid = true;
    const size_t max = t->model == CMAT_TOKENS_UNIGRAM ? MAX_LATTICE : MAX_PIECE;
    if (e->scan)
        cmat_pretok_scan_start(e->scan, text, len);
    for (;;) {
        if (e->scan) {
            if (!cmat_pretok_scan_next(e->scan, &s, &n, &valid))
                return;
        } else if (len == 0) {
            return;
        } else {
            s = text;
            n = cut_next(t, text, len);
            text += n;
            len -= n;
        }
        for (size_t done = 0, part; done < n; done += part) {
            part = n - done < max ? n - done : max;
            if (valid) {
                encode_piece(t, e, s + done, part, out);
            } else {
                size_t k = bytes_to_ids(t, s + done, part, &e->work);
                sink_add(out, e->work.ids, k);
            }
        }
    }
}

/* --- normalizing ----------------------------------------------------------------------------- */

static bool starts_with_space(const cmat_tokenizer *t, const char *s, size_t len)
{
    return len > 0 && (*s == ' ' || (t->meta_space && len >= 3 && memcmp(s, META_SPACE, 3) == 0));
}

static bool wants_prefix(const cmat_tokenizer *t, const char *s, size_t len, cmat_text_place place)
{
    if (t->prefix == CMAT_PREFIX_NONE || place == CMAT_TEXT_INSIDE || len == 0 ||
        (t->prefix == CMAT_PREFIX_FIRST && place != CMAT_TEXT_START))
        return false;
    return !t->prefix_unless_there || !starts_with_space(t, s, len);
}

/* Replaces *text by what the model is to see: normalized, with a space before it where it belongs,
 * and U+2581 as the space that it is. */
static void normalize(const cmat_tokenizer *t, cmat_encoder *e, const char **text, size_t *len,
                      cmat_text_place place)
{
    if (t->norm)
        cmat_normalizer_apply(t->norm, text, len, e->norm);
    const bool prefix = wants_prefix(t, *text, *len, place);
    if (!prefix && !(t->meta_space && memmem(*text, *len, META_SPACE, 3)))
        return;
    const cmat_buf *other = &e->norm[0];
    cmat_buf *out =
        &e->norm[other->data && *text >= other->data && *text <= other->data + other->len];
    cmat_buf_truncate(out, 0);
    if (prefix)
        cmat_buf_putc(out, ' ');
    for (size_t i = 0; i < *len;) {
        const char *hit = t->meta_space ? memmem(*text + i, *len - i, META_SPACE, 3) : NULL;
        size_t n = hit ? (size_t)(hit - (*text + i)) : *len - i;
        cmat_buf_add(out, *text + i, n);
        i += n;
        if (hit) {
            cmat_buf_putc(out, ' ');
            i += 3;
        }
    }
    *text = cmat_buf_str(out);
    *len = out->len;
}

size_t cmat_tokenizer_normal_len(const cmat_tokenizer *t, const char *text, size_t len,
                                 cmat_text_place place)
{
    if (!t->norm && !t->meta_space && t->prefix == CMAT_PREFIX_NONE)
        return len;
    cmat_encoder *e = encoder_take(t);
    normalize(t, e, &text, &len, place);
    encoder_give(t, e);
    return len;
}

/* --- special tokens -------------------------------------------------------------------------- */

/* First token of the tries in s: its length, or 0. Either may be NULL; of two at one place the
 * longer one counts. */
static size_t special_find(const cmat_trie *controls, const cmat_trie *users, const char *s,
                           size_t len, size_t *pos, int *id)
{
    for (size_t i = 0; i < len; i++) {
        int32_t a = -1, b = -1;
        size_t n = controls ? cmat_trie_longest(controls, s + i, len - i, &a) : 0;
        size_t k = users ? cmat_trie_longest(users, s + i, len - i, &b) : 0;
        if (n == 0 && k == 0)
            continue;
        *pos = i;
        *id = k > n ? b : a;
        return k > n ? k : n;
    }
    *pos = len;
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Widens the n bytes of a token at *pos by the white space that it swallows. */
static size_t special_widen(const cmat_tokenizer *t, int id, const char *s, size_t len, size_t *pos,
                            size_t n)
{
    const uint32_t flags = t->tokens[id].flags;
    while (flags & CMAT_TOKEN_FLAG_RIGHT && *pos + n < len && is_space(s[*pos + n]))
        n++;
    for (; flags & CMAT_TOKEN_FLAG_LEFT && *pos > 0 && is_space(s[*pos - 1]); n++)
        --*pos;
    return n;
}

size_t cmat_tokenizer_find_special(const cmat_tokenizer *t, const char *text, size_t len,
                                   size_t *pos, int *token)
{
    *pos = len;
    size_t n = t->controls.n_nodes ? special_find(&t->controls, NULL, text, len, pos, token) : 0;
    return n ? special_widen(t, *token, text, len, pos, n) : 0;
}

/* --- the whole ------------------------------------------------------------------------------- */

/* Text without control tokens, as the file says to look at it. */
static void encode_text(const cmat_tokenizer *t, cmat_encoder *e, const char *text, size_t len,
                        cmat_text_place place, token_sink *out)
{
    const cmat_trie *users = t->users.n_nodes ? &t->users : NULL;
    normalize(t, e, &text, &len, place);
    while (len > 0) {
        size_t pos = len;
        int id = -1;
        size_t k = users ? special_find(NULL, users, text, len, &pos, &id) : 0;
        encode_pieces(t, e, text, pos, out);
        if (k > 0)
            sink_add(out, &(int32_t){id}, 1);
        text += pos + k;
        len -= pos + k;
    }
}

void cmat_tokenizer_encode_at(const cmat_tokenizer *t, const char *text, size_t len, bool special,
                              cmat_text_place place, int32_t **tokens, size_t *n, size_t *cap)
{
    token_sink out = {.tokens = tokens, .n = n, .cap = cap};
    const cmat_trie *controls = special && t->controls.n_nodes ? &t->controls : NULL;
    const cmat_trie *users = t->raw_users.n_nodes ? &t->raw_users : NULL;
    cmat_encoder *e = encoder_take(t);
    while (len > 0) {
        size_t pos = len;
        int id = -1;
        size_t k = controls || users ? special_find(controls, users, text, len, &pos, &id) : 0;
        if (k > 0)
            k = special_widen(t, id, text, len, &pos, k);
        encode_text(t, e, text, pos, place, &out);
        if (k > 0)
            sink_add(&out, &(int32_t){id}, 1);
        text += pos + k;
        len -= pos + k;
        place = CMAT_TEXT_AFTER_CONTROL;
    }
    encoder_give(t, e);
}

void cmat_tokenizer_encode(const cmat_tokenizer *t, const char *text, size_t len, bool special,
                           int32_t **tokens, size_t *n, size_t *cap)
{
    cmat_tokenizer_encode_at(t, text, len, special, CMAT_TEXT_START, tokens, n, cap);
}
