/* Byte-level BPE: the vocabulary and control tokens of a GGUF, encoding and decoding.
 *
 * A GGUF of this kind writes tokens in GPT-2's alphabet, in which each byte is one printable
 * character; here tokens are kept as the bytes they stand for. What encoding needs besides (merge
 * workspace, a cache of pieces) is taken from a pool, one for each thread that encodes at the time.
 */
#include "model/tokenizer.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/text.h"
#include "model/bpe.h"
#include "model/pretokenizer.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED, TYPE_BYTE };
enum { FLAG_END = 1, FLAG_CONTROL = 2, FLAG_USER = 4 };
enum { CACHE_SIZE = 4096, CACHE_KEY = 22, CACHE_IDS = 10 };
enum { MAX_PIECE = 1 << 28 }; /* longer pieces are cut, to keep the merge workspace in bounds */

typedef struct {
    uint32_t offset, len; /* in the text block */
    uint32_t flags;
} token_info;

typedef struct {
    uint8_t len, n;
    char key[CACHE_KEY];
    int32_t ids[CACHE_IDS];
} cache_entry; /* len 0: free */

typedef struct encoder {
    struct encoder *next;
    cmat_pretok_scan *scan;
    cmat_bpe_work work;
    cache_entry cache[CACHE_SIZE];
} encoder;

typedef struct {
    pthread_mutex_t lock;
    encoder *idle;
} encoder_pool;

/* Control and user-defined tokens, those with the same first byte together, longest first. */
typedef struct {
    int32_t *ids;
    size_t n;
    uint32_t first[257]; /* those that begin with byte c are ids[first[c]..first[c+1]) */
} special_list;

struct cmat_tokenizer {
    token_info *tokens;
    int n_vocab;
    char *text; /* all tokens' bytes, each followed by a NUL */
    size_t text_len;
    uint32_t *slots; /* hash of (bytes, special or not) to id + 1; 0: free */
    size_t slot_mask;
    int32_t byte_ids[256]; /* -1: no such token */
    cmat_bpe bpe;
    cmat_pretokenizer *pre;
    special_list controls, users;
    int bos, eos;
    bool add_bos;
    char hash[65];
    encoder_pool *pool;
};

/* --- GPT-2's alphabet ------------------------------------------------------------------------ */

/* byte_of[cp] is the byte that code point cp (< 324) stands for, or -1. */
static void alphabet_init(int16_t byte_of[324])
{
    int next = 256;
    for (int i = 0; i < 324; i++)
        byte_of[i] = -1;
    for (int b = 0; b < 256; b++) {
        bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        byte_of[printable ? b : next++] = (int16_t)b;
    }
}

/* Writes the bytes that s stands for into out (room for len): their number. Text that is not
 * in the alphabet stands for itself. */
static size_t alphabet_decode(const int16_t byte_of[324], const char *s, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        int k = cmat_utf8_decode(s + i, len - i, &cp);
        if (k == 0 || cp >= 324 || byte_of[cp] < 0) {
            memmove(out, s, len);
            return len;
        }
        out[n++] = (char)byte_of[cp];
        i += (size_t)k;
    }
    return n;
}

/* --- vocabulary ------------------------------------------------------------------------------- */

static size_t vocab_slot(const char *s, size_t len, bool special)
{
    return (size_t)(cmat_fnv1a(s, len) * 0x9E3779B97F4A7C15u >> 24) + special;
}

static int vocab_find(const cmat_tokenizer *t, const char *s, size_t len, bool special)
{
    for (size_t i = vocab_slot(s, len, special);; i++) {
        uint32_t id = t->slots[i & t->slot_mask];
        if (id == 0)
            return -1;
        const token_info *k = &t->tokens[id - 1];
        if (k->len == len && (k->flags > FLAG_END) == special &&
            memcmp(t->text + k->offset, s, len) == 0)
            return (int)id - 1;
    }
}

static void vocab_add(cmat_tokenizer *t, int id)
{
    const token_info *k = &t->tokens[id];
    bool special = k->flags > FLAG_END;
    if (vocab_find(t, t->text + k->offset, k->len, special) >= 0)
        return; /* padding tokens may repeat: the first one counts */
    size_t i = vocab_slot(t->text + k->offset, k->len, special);
    while (t->slots[i & t->slot_mask])
        i++;
    t->slots[i & t->slot_mask] = (uint32_t)id + 1;
}

static cmat_status types_load(const cmat_gguf *g, size_t n, int32_t **types, cmat_error *err)
{
    static const char key[] = "tokenizer.ggml.token_type";
    size_t n_types = 0;
    *types = NULL;
    if (!cmat_gguf_has(g, key))
        return CMAT_OK;
    cmat_status st = cmat_gguf_ints(g, key, types, &n_types, err);
    if (st == CMAT_OK && n_types != n)
        return cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: %zu token types for %zu tokens", n_types,
                         n);
    return st;
}

static uint32_t flags_of_type(int32_t type)
{
    if (type == TYPE_CONTROL || type == TYPE_UNKNOWN)
        return FLAG_CONTROL;
    return type == TYPE_USER ? FLAG_USER : 0;
}

static void tokens_copy(cmat_tokenizer *t, const cmat_gguf *g, const char *key,
                        const int32_t *types)
{
    int16_t byte_of[324];
    size_t used = 0;
    alphabet_init(byte_of);
    for (int i = 0; i < t->n_vocab; i++) {
        const char *s;
        size_t len;
        cmat_gguf_string_at(g, key, (size_t)i, &s, &len);
        int32_t type = types ? types[i] : TYPE_NORMAL;
        uint32_t flags = flags_of_type(type);
        size_t n = len;
        if (flags || type == TYPE_UNUSED)
            memcpy(t->text + used, s, len);
        else
            n = alphabet_decode(byte_of, s, len, t->text + used);
        t->text[used + n] = '\0';
        t->tokens[i] = (token_info){.offset = (uint32_t)used, .len = (uint32_t)n, .flags = flags};
        used += n + 1;
    }
    t->text_len = used;
}

static cmat_status vocab_load(cmat_tokenizer *t, const cmat_gguf *g, cmat_error *err)
{
    static const char key[] = "tokenizer.ggml.tokens";
    size_t n = 0, total = 0, slots = 16;
    int32_t *types = NULL;
    cmat_status st = cmat_gguf_strings(g, key, &n, err);
    if (st != CMAT_OK)
        return st;
    if (n == 0 || n > 1 << 24)
        return cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: %zu tokens is not a vocabulary", n);
    if ((st = types_load(g, n, &types, err)) != CMAT_OK)
        goto done;
    for (size_t i = 0; i < n; i++) {
        const char *s;
        size_t len;
        cmat_gguf_string_at(g, key, i, &s, &len);
        if (!cmat_add(total, len + 1, &total) || total > UINT32_MAX) {
            st = cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: the tokens' text is over 4 GiB");
            goto done;
        }
    }
    while (slots < 2 * n)
        slots *= 2;
    t->n_vocab = (int)n;
    t->tokens = cmat_xcalloc(n, sizeof *t->tokens);
    t->slots = cmat_xcalloc(slots, sizeof *t->slots);
    t->slot_mask = slots - 1;
    t->text = cmat_xmalloc(total);
    tokens_copy(t, g, key, types);
    for (int i = 0; i < t->n_vocab; i++)
        vocab_add(t, i);
    for (int b = 0; b < 256; b++)
        t->byte_ids[b] = vocab_find(t, &(char){(char)b}, 1, false);
done:
    free(types);
    return st;
}

static cmat_status merges_load(cmat_tokenizer *t, const cmat_gguf *g, cmat_error *err)
{
    static const char key[] = "tokenizer.ggml.merges";
    size_t n = 0;
    int16_t byte_of[324];
    cmat_buf pair = {0};
    cmat_status st = cmat_gguf_strings(g, key, &n, err);
    if (st != CMAT_OK)
        return st;
    if (n > 1 << 24)
        return cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: %zu merges", n);
    alphabet_init(byte_of);
    cmat_bpe_init(&t->bpe, n);
    for (size_t i = 0; i < n && st == CMAT_OK; i++) {
        const char *s;
        size_t len;
        cmat_gguf_string_at(g, key, i, &s, &len);
        const char *space = len > 1 ? memchr(s + 1, ' ', len - 1) : NULL;
        int left = -1, right = -1, both = -1;
        if (space) {
            size_t n_left = (size_t)(space - s);
            cmat_buf_truncate(&pair, 0);
            cmat_buf_add(&pair, s, len);
            n_left = alphabet_decode(byte_of, s, n_left, pair.data);
            size_t n_right = alphabet_decode(byte_of, space + 1, (size_t)(s + len - space - 1),
                                             pair.data + n_left);
            left = vocab_find(t, pair.data, n_left, false);
            right = vocab_find(t, pair.data + n_left, n_right, false);
            both = vocab_find(t, pair.data, n_left + n_right, false);
        }
        if (left < 0 || right < 0 || both < 0)
            st = cmat_fail(err, CMAT_ERR_FORMAT,
                           "tokenizer: merge %zu is not two tokens that make a third", i);
        else
            cmat_bpe_add(&t->bpe, left, right, (uint32_t)i, both);
    }
    cmat_buf_clear(&pair);
    return st;
}

/* --- special tokens --------------------------------------------------------------------------- */

static cmat_status id_load(const cmat_tokenizer *t, const cmat_gguf *g, const char *key, int *id,
                           cmat_error *err)
{
    int64_t v = -1;
    *id = -1;
    if (!cmat_gguf_has(g, key))
        return CMAT_OK;
    cmat_status st = cmat_gguf_int(g, key, &v, err);
    if (st != CMAT_OK)
        return st;
    if (v == -1 || v == UINT32_MAX)
        return CMAT_OK;
    if (v < 0 || v >= t->n_vocab)
        return cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: %s is %lld of %d tokens", key,
                         (long long)v, t->n_vocab);
    *id = (int)v;
    return CMAT_OK;
}

static cmat_status special_ids_load(cmat_tokenizer *t, const cmat_gguf *g, cmat_error *err)
{
    static const char *const end_texts[] = {
        "<|im_end|>",    "<|eot_id|>",      "<|eom_id|>",    "<|end|>", "<end_of_turn>",
        "<|endoftext|>", "<|end_of_text|>", "<|endofturn|>", "<EOT>",   "</s>",
    };
    static const char *const end_keys[] = {"tokenizer.ggml.eot_token_id",
                                           "tokenizer.ggml.eom_token_id"};
    cmat_status st = id_load(t, g, "tokenizer.ggml.bos_token_id", &t->bos, err);
    if (st == CMAT_OK)
        st = id_load(t, g, "tokenizer.ggml.eos_token_id", &t->eos, err);
    for (size_t i = 0; st == CMAT_OK && i < sizeof end_keys / sizeof *end_keys; i++) {
        int id;
        st = id_load(t, g, end_keys[i], &id, err);
        if (st == CMAT_OK && id >= 0)
            t->tokens[id].flags |= FLAG_END;
    }
    if (st == CMAT_OK && cmat_gguf_has(g, "tokenizer.ggml.add_bos_token"))
        st = cmat_gguf_bool(g, "tokenizer.ggml.add_bos_token", &t->add_bos, err);
    if (st != CMAT_OK)
        return st;
    if (t->eos >= 0)
        t->tokens[t->eos].flags |= FLAG_END;
    for (size_t i = 0; i < sizeof end_texts / sizeof *end_texts; i++) {
        int id = vocab_find(t, end_texts[i], strlen(end_texts[i]), true);
        if (id >= 0)
            t->tokens[id].flags |= FLAG_END;
    }
    return CMAT_OK;
}

static int by_first_byte_and_length(const void *a, const void *b, void *arg)
{
    const cmat_tokenizer *t = arg;
    const token_info *x = &t->tokens[*(const int32_t *)a], *y = &t->tokens[*(const int32_t *)b];
    int cx = (unsigned char)t->text[x->offset], cy = (unsigned char)t->text[y->offset];
    if (cx != cy)
        return cx - cy;
    return x->len != y->len ? (x->len < y->len) - (x->len > y->len)
                            : (int)x->offset - (int)y->offset;
}

static void specials_collect(cmat_tokenizer *t, special_list *list, uint32_t flag)
{
    list->ids = cmat_xmalloc(((size_t)t->n_vocab + 1) * sizeof *list->ids);
    for (int i = 0; i < t->n_vocab; i++) {
        if ((t->tokens[i].flags & flag) && t->tokens[i].len > 0)
            list->ids[list->n++] = i;
    }
    list->ids = cmat_xrealloc(list->ids, (list->n + 1) * sizeof *list->ids);
    qsort_r(list->ids, list->n, sizeof *list->ids, by_first_byte_and_length, t);
    size_t i = 0;
    for (int c = 0; c <= 256; c++) {
        while (i < list->n && (unsigned char)t->text[t->tokens[list->ids[i]].offset] < c)
            i++;
        list->first[c] = (uint32_t)i;
    }
}

/* The longest token of the list at the start of s, or -1. */
static int special_at(const cmat_tokenizer *t, const special_list *list, const char *s, size_t len)
{
    unsigned char c = (unsigned char)*s;
    for (uint32_t i = list->first[c]; i < list->first[c + 1]; i++) {
        const token_info *k = &t->tokens[list->ids[i]];
        if (k->len <= len && memcmp(t->text + k->offset, s, k->len) == 0)
            return list->ids[i];
    }
    return -1;
}

/* First token of the lists in s: its length, or 0. Either list may be NULL. */
static size_t special_find(const cmat_tokenizer *t, const special_list *controls,
                           const special_list *users, const char *s, size_t len, size_t *pos,
                           int *id)
{
    for (size_t i = 0; i < len; i++) {
        int a = controls ? special_at(t, controls, s + i, len - i) : -1;
        int b = users ? special_at(t, users, s + i, len - i) : -1;
        if (a < 0 || (b >= 0 && t->tokens[b].len > t->tokens[a].len))
            a = b;
        if (a >= 0) {
            *pos = i;
            *id = a;
            return t->tokens[a].len;
        }
    }
    *pos = len;
    return 0;
}

size_t cmat_tokenizer_find_special(const cmat_tokenizer *t, const char *text, size_t len,
                                   size_t *pos, int *token)
{
    *pos = len;
    return t->controls.n ? special_find(t, &t->controls, NULL, text, len, pos, token) : 0;
}

/* --- encoders --------------------------------------------------------------------------------- */

static encoder *encoder_take(const cmat_tokenizer *t)
{
    pthread_mutex_lock(&t->pool->lock);
    encoder *e = t->pool->idle;
    if (e)
        t->pool->idle = e->next;
    pthread_mutex_unlock(&t->pool->lock);
    if (!e) {
        e = cmat_xcalloc(1, sizeof *e);
        e->scan = cmat_pretok_scan_new(t->pre);
    }
    return e;
}

static void encoder_give(const cmat_tokenizer *t, encoder *e)
{
    pthread_mutex_lock(&t->pool->lock);
    e->next = t->pool->idle;
    t->pool->idle = e;
    pthread_mutex_unlock(&t->pool->lock);
}

static void pool_free(encoder_pool *pool)
{
    if (!pool)
        return;
    for (encoder *e = pool->idle, *next; e; e = next) {
        next = e->next;
        cmat_pretok_scan_free(e->scan);
        cmat_bpe_work_clear(&e->work);
        free(e);
    }
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* --- encoding --------------------------------------------------------------------------------- */

typedef struct {
    int32_t **tokens;
    size_t *n, *cap;
} token_sink;

static void sink_add(token_sink *out, const int32_t *ids, size_t n)
{
    if (*out->n + n > *out->cap)
        *out->tokens = cmat_xgrow(*out->tokens, out->cap, *out->n + n, sizeof **out->tokens);
    memcpy(*out->tokens + *out->n, ids, n * sizeof *ids);
    *out->n += n;
}

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

static size_t piece_merge(const cmat_tokenizer *t, encoder *e, const char *s, size_t len)
{
    if (cmat_pretokenizer_ignore_merges(t->pre)) {
        int id = vocab_find(t, s, len, false);
        if (id >= 0) {
            cmat_bpe_work_reserve(&e->work, 1);
            e->work.ids[0] = id;
            return 1;
        }
    }
    return cmat_bpe_apply(&t->bpe, &e->work, bytes_to_ids(t, s, len, &e->work));
}

static void encode_piece(const cmat_tokenizer *t, encoder *e, const char *s, size_t len,
                         token_sink *out)
{
    cache_entry *c = NULL;
    if (len <= CACHE_KEY) {
        c = &e->cache[(cmat_fnv1a(s, len) * 0x9E3779B97F4A7C15u >> 40) % CACHE_SIZE];
        if (c->len == len && memcmp(c->key, s, len) == 0) {
            sink_add(out, c->ids, c->n);
            return;
        }
    }
    size_t n = piece_merge(t, e, s, len);
    sink_add(out, e->work.ids, n);
    if (c && n <= CACHE_IDS) {
        c->len = (uint8_t)len;
        c->n = (uint8_t)n;
        memcpy(c->key, s, len);
        memcpy(c->ids, e->work.ids, n * sizeof *c->ids);
    }
}

static void encode_text(const cmat_tokenizer *t, encoder *e, const char *text, size_t len,
                        token_sink *out)
{
    const char *s;
    size_t n;
    bool valid;
    cmat_pretok_scan_start(e->scan, text, len);
    while (cmat_pretok_scan_next(e->scan, &s, &n, &valid)) {
        for (size_t done = 0, part; done < n; done += part) {
            part = n - done < MAX_PIECE ? n - done : MAX_PIECE;
            if (valid) {
                encode_piece(t, e, s + done, part, out);
            } else {
                size_t k = bytes_to_ids(t, s + done, part, &e->work);
                sink_add(out, e->work.ids, k);
            }
        }
    }
}

void cmat_tokenizer_encode(const cmat_tokenizer *t, const char *text, size_t len, bool special,
                           int32_t **tokens, size_t *n, size_t *cap)
{
    token_sink out = {.tokens = tokens, .n = n, .cap = cap};
    const special_list *controls = special && t->controls.n ? &t->controls : NULL;
    const special_list *users = t->users.n ? &t->users : NULL;
    encoder *e = encoder_take(t);
    while (len > 0) {
        size_t pos = len;
        int id = -1;
        size_t k = controls || users ? special_find(t, controls, users, text, len, &pos, &id) : 0;
        encode_text(t, e, text, pos, &out);
        if (k > 0)
            sink_add(&out, &(int32_t){id}, 1);
        text += pos + k;
        len -= pos + k;
    }
    encoder_give(t, e);
}

/* --- the rest of the header ------------------------------------------------------------------- */

/* SHA-256 over "<n> <pre>", then every token (flags, length, bytes), then every merge in the
 * table's canonical text: two files that tokenize alike give the same digits. */
static void hash_init(cmat_tokenizer *t, const cmat_gguf *g, const char *pre)
{
    cmat_buf b = {0};
    size_t n = 0;
    cmat_buf_printf(&b, "cmat-bpe-1 %d %s\n", t->n_vocab, pre);
    for (int i = 0; i < t->n_vocab; i++) {
        const token_info *k = &t->tokens[i];
        cmat_buf_printf(&b, "%u %u ", k->flags & ~(uint32_t)FLAG_END, k->len);
        cmat_buf_add(&b, t->text + k->offset, k->len);
    }
    (void)cmat_gguf_strings(g, "tokenizer.ggml.merges", &n, NULL);
    for (size_t i = 0; i < n; i++) {
        const char *s;
        size_t len;
        cmat_gguf_string_at(g, "tokenizer.ggml.merges", i, &s, &len);
        cmat_buf_add(&b, s, len);
        cmat_buf_putc(&b, '\n');
    }
    cmat_sha256_hex(b.data, b.len, t->hash);
    cmat_buf_clear(&b);
}

static cmat_status kind_check(const cmat_gguf *g, const char **pre, cmat_error *err)
{
    const char *model = NULL;
    cmat_status st = cmat_gguf_str(g, "tokenizer.ggml.model", &model, err);
    if (st != CMAT_OK)
        return st;
    if (strcmp(model, "gpt2") != 0)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "tokenizer: kind \"%.64s\" is not supported (only gpt2, byte-level BPE)",
                         model);
    *pre = "default";
    return cmat_gguf_has(g, "tokenizer.ggml.pre") ? cmat_gguf_str(g, "tokenizer.ggml.pre", pre, err)
                                                  : CMAT_OK;
}

cmat_status cmat_tokenizer_new(cmat_tokenizer **out, const cmat_gguf *g, cmat_error *err)
{
    const char *pre = NULL;
    cmat_tokenizer *t = cmat_xcalloc(1, sizeof *t);
    *out = NULL;
    t->pool = cmat_xcalloc(1, sizeof *t->pool);
    pthread_mutex_init(&t->pool->lock, NULL);
    cmat_status st = kind_check(g, &pre, err);
    if (st == CMAT_OK)
        st = cmat_pretokenizer_new(&t->pre, pre, err);
    if (st == CMAT_OK)
        st = vocab_load(t, g, err);
    if (st == CMAT_OK)
        st = merges_load(t, g, err);
    if (st == CMAT_OK)
        st = special_ids_load(t, g, err);
    if (st != CMAT_OK) {
        cmat_tokenizer_free(t);
        return st;
    }
    specials_collect(t, &t->controls, FLAG_CONTROL);
    specials_collect(t, &t->users, FLAG_USER);
    hash_init(t, g, pre);
    *out = t;
    return CMAT_OK;
}

void cmat_tokenizer_free(cmat_tokenizer *t)
{
    if (!t)
        return;
    pool_free(t->pool);
    cmat_pretokenizer_free(t->pre);
    cmat_bpe_clear(&t->bpe);
    free(t->controls.ids);
    free(t->users.ids);
    free(t->slots);
    free(t->tokens);
    free(t->text);
    free(t);
}

int cmat_tokenizer_n_vocab(const cmat_tokenizer *t)
{
    return t->n_vocab;
}

int cmat_tokenizer_bos(const cmat_tokenizer *t)
{
    return t->bos;
}

int cmat_tokenizer_eos(const cmat_tokenizer *t)
{
    return t->eos;
}

bool cmat_tokenizer_add_bos(const cmat_tokenizer *t)
{
    return t->add_bos && t->bos >= 0;
}

bool cmat_tokenizer_is_end(const cmat_tokenizer *t, int token)
{
    return token >= 0 && token < t->n_vocab && (t->tokens[token].flags & FLAG_END);
}

bool cmat_tokenizer_is_special(const cmat_tokenizer *t, int token)
{
    return token >= 0 && token < t->n_vocab && (t->tokens[token].flags & FLAG_CONTROL);
}

int cmat_tokenizer_find(const cmat_tokenizer *t, const char *text)
{
    int id = vocab_find(t, text, strlen(text), true);
    return id >= 0 ? id : vocab_find(t, text, strlen(text), false);
}

const char *cmat_tokenizer_bytes(const cmat_tokenizer *t, int token, size_t *len)
{
    assert(token >= 0 && token < t->n_vocab);
    *len = t->tokens[token].len;
    return t->text + t->tokens[token].offset;
}

void cmat_tokenizer_decode(const cmat_tokenizer *t, const int32_t *tokens, size_t n, bool special,
                           cmat_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (!special && cmat_tokenizer_is_special(t, tokens[i]))
            continue;
        size_t len;
        const char *s = cmat_tokenizer_bytes(t, tokens[i], &len);
        cmat_buf_add(out, s, len);
    }
}

const char *cmat_tokenizer_hash(const cmat_tokenizer *t)
{
    return t->hash;
}
