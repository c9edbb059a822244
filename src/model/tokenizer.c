/* model/tokenizer.c - the vocabulary: checks what a file said and makes the tokenizer.
 *
 * A byte-level BPE writes tokens in GPT-2's alphabet, in which each byte is one printable
 * character; SentencePiece writes U+2581 for a space and "<0xE6>" for a byte. Here tokens are kept
 * as the bytes they stand for. */
#include "core/hash.h"
#include "core/text.h"
#include "model/tokenizer_internal.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define META_SPACE "\xe2\x96\x81" /* U+2581 */
enum { MAX_VOCAB = 1 << 24 };

/* --- what a file says ------------------------------------------------------------------------ */

void cmat_tokenizer_spec_init(cmat_tokenizer_spec *s)
{
    *s = (cmat_tokenizer_spec){.bos = -1, .eos = -1, .unk = -1, .pad = -1};
}

void cmat_tokenizer_spec_clear(cmat_tokenizer_spec *s)
{
    free(s->tokens);
    free(s->merges);
    free(s->ends);
    cmat_normalizer_free(s->norm);
    cmat_arena_clear(&s->arena);
    cmat_tokenizer_spec_init(s);
}

cmat_status cmat_tokenizer_spec_token(cmat_tokenizer_spec *s, int64_t id, cmat_token_spec **out,
                                      cmat_error *err)
{
    if (id < 0 || id >= MAX_VOCAB)
        return cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: a token has the id %lld", (long long)id);
    size_t need = (size_t)id + 1;
    if (need > s->n_tokens) {
        s->tokens = cmat_xgrow(s->tokens, &s->cap_tokens, need, sizeof *s->tokens);
        memset(s->tokens + s->n_tokens, 0, (need - s->n_tokens) * sizeof *s->tokens);
        s->n_tokens = need;
    }
    *out = &s->tokens[id];
    return CMAT_OK;
}

void cmat_tokenizer_spec_end(cmat_tokenizer_spec *s, int id)
{
    s->ends = cmat_xgrow(s->ends, &s->cap_ends, s->n_ends + 1, sizeof *s->ends);
    s->ends[s->n_ends++] = id;
}

cmat_normalizer *cmat_tokenizer_spec_norm(cmat_tokenizer_spec *s)
{
    return s->norm ? s->norm : (s->norm = cmat_normalizer_new());
}

int cmat_token_byte(const char *s, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    if (len != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>' || !s[3] || !s[4])
        return -1;
    const char *high = strchr(digits, s[3]), *low = strchr(digits, s[4]);
    return high && low ? (int)((high - digits) << 4 | (low - digits)) : -1;
}

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

/* Copies s with U+2581 as a space: the bytes written, at most len. */
static size_t spaces_decode(const char *s, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        bool space = len - i >= 3 && memcmp(s + i, META_SPACE, 3) == 0;
        out[n++] = space ? ' ' : s[i];
        i += space ? 3 : 1;
    }
    return n;
}

/* The bytes that a token's or a merge's text stands for. */
static size_t text_decode(const cmat_tokenizer_spec *s, const int16_t byte_of[324],
                          const char *text, size_t len, char *out)
{
    if (s->model == CMAT_TOKENS_BYTE_BPE)
        return alphabet_decode(byte_of, text, len, out);
    if (s->meta_space)
        return spaces_decode(text, len, out);
    memcpy(out, text, len);
    return len;
}

/* --- vocabulary ------------------------------------------------------------------------------ */

static size_t vocab_slot(const char *s, size_t len, bool special)
{
    return (size_t)(cmat_fnv1a(s, len) * 0x9E3779B97F4A7C15u >> 24) + special;
}

static bool is_special_info(const cmat_token_info *k)
{
    return k->flags & CMAT_TOKEN_FLAG_SPECIAL;
}

int cmat_vocab_find(const cmat_tokenizer *t, const char *s, size_t len, bool special)
{
    for (size_t i = vocab_slot(s, len, special);; i++) {
        uint32_t id = t->slots[i & t->slot_mask];
        if (id == 0)
            return -1;
        const cmat_token_info *k = &t->tokens[id - 1];
        if (k->len == len && is_special_info(k) == special &&
            memcmp(t->text + k->offset, s, len) == 0)
            return (int)id - 1;
    }
}

static void vocab_add(cmat_tokenizer *t, int id)
{
    const cmat_token_info *k = &t->tokens[id];
    bool special = is_special_info(k);
    if (k->flags & CMAT_TOKEN_FLAG_APART ||
        cmat_vocab_find(t, t->text + k->offset, k->len, special) >= 0)
        return; /* padding tokens may repeat: the first one counts */
    size_t i = vocab_slot(t->text + k->offset, k->len, special);
    while (t->slots[i & t->slot_mask])
        i++;
    t->slots[i & t->slot_mask] = (uint32_t)id + 1;
}

static uint32_t token_flags(const cmat_tokenizer_spec *s, const cmat_token_spec *k)
{
    uint32_t flags =
        (k->strips_left ? CMAT_TOKEN_FLAG_LEFT : 0) | (k->strips_right ? CMAT_TOKEN_FLAG_RIGHT : 0);
    if (!k->s || k->type == CMAT_TOKEN_BYTE ||
        (k->type == CMAT_TOKEN_UNUSED && s->model != CMAT_TOKENS_BYTE_BPE))
        return flags | CMAT_TOKEN_FLAG_APART;
    if (k->type == CMAT_TOKEN_CONTROL || k->type == CMAT_TOKEN_UNKNOWN)
        return flags | CMAT_TOKEN_FLAG_CONTROL;
    return k->type == CMAT_TOKEN_USER ? flags | CMAT_TOKEN_FLAG_USER : flags;
}

static size_t token_copy(const cmat_tokenizer_spec *s, const int16_t byte_of[324],
                         const cmat_token_spec *k, char *out)
{
    int byte = k->type == CMAT_TOKEN_BYTE ? cmat_token_byte(k->s, k->len) : -1;
    if (byte >= 0) {
        *out = (char)byte;
        return 1;
    }
    if (k->type == CMAT_TOKEN_NORMAL || (k->type == CMAT_TOKEN_USER && s->meta_space))
        return text_decode(s, byte_of, k->s, k->len, out);
    memcpy(out, k->s, k->len);
    return k->len;
}

static cmat_status tokens_size(const cmat_tokenizer_spec *s, size_t *total, cmat_error *err)
{
    *total = 0;
    if (s->n_tokens == 0 || s->n_tokens > MAX_VOCAB)
        return cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: %zu tokens is not a vocabulary",
                         s->n_tokens);
    for (size_t i = 0; i < s->n_tokens; i++) {
        if (!cmat_add(*total, s->tokens[i].len + 1, total) || *total > UINT32_MAX)
            return cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: the tokens' text is over 4 GiB");
    }
    return CMAT_OK;
}

static cmat_status vocab_build(cmat_tokenizer *t, const cmat_tokenizer_spec *s, cmat_error *err)
{
    size_t total, slots = 16, used = 0;
    int16_t byte_of[324];
    cmat_status st = tokens_size(s, &total, err);
    if (st != CMAT_OK)
        return st;
    while (slots < 2 * s->n_tokens)
        slots *= 2;
    t->n_vocab = (int)s->n_tokens;
    t->tokens = cmat_xcalloc(s->n_tokens, sizeof *t->tokens);
    t->slots = cmat_xcalloc(slots, sizeof *t->slots);
    t->slot_mask = slots - 1;
    t->text = cmat_xmalloc(total);
    alphabet_init(byte_of);
    memset(t->byte_ids, 0xff, sizeof t->byte_ids);
    for (int i = 0; i < t->n_vocab; i++) {
        const cmat_token_spec *k = &s->tokens[i];
        size_t n = k->s ? token_copy(s, byte_of, k, t->text + used) : 0;
        t->text[used + n] = '\0';
        t->tokens[i] = (cmat_token_info){
            .offset = (uint32_t)used, .len = (uint32_t)n, .flags = token_flags(s, k)};
        if (k->type == CMAT_TOKEN_BYTE && n == 1 && t->byte_ids[(unsigned char)t->text[used]] < 0)
            t->byte_ids[(unsigned char)t->text[used]] = i;
        used += n + 1;
        vocab_add(t, i);
    }
    t->text_len = used;
    for (int b = 0; b < 256 && s->model == CMAT_TOKENS_BYTE_BPE; b++)
        t->byte_ids[b] = cmat_vocab_find(t, &(char){(char)b}, 1, false);
    return CMAT_OK;
}

/* --- what merges and scores say -------------------------------------------------------------- */

/* The token of a merge: a user's one too, when no other has its bytes. */
static int merge_part(const cmat_tokenizer *t, const char *s, size_t len)
{
    int id = cmat_vocab_find(t, s, len, false);
    return id >= 0 ? id : cmat_vocab_find(t, s, len, true);
}

static bool is_control(const cmat_tokenizer *t, int id)
{
    return t->tokens[id].flags & CMAT_TOKEN_FLAG_CONTROL;
}

static cmat_status merges_build(cmat_tokenizer *t, const cmat_tokenizer_spec *s, cmat_error *err)
{
    int16_t byte_of[324];
    cmat_buf pair = {0};
    cmat_status st = CMAT_OK;
    if (s->n_merges > MAX_VOCAB)
        return cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: %zu merges", s->n_merges);
    alphabet_init(byte_of);
    cmat_bpe_init(&t->bpe, s->n_merges);
    for (size_t i = 0; i < s->n_merges && st == CMAT_OK; i++) {
        const cmat_merge_spec *m = &s->merges[i];
        cmat_buf_truncate(&pair, 0);
        cmat_buf_add(&pair, m->left, m->n_left);
        cmat_buf_add(&pair, m->right, m->n_right);
        size_t n_left = text_decode(s, byte_of, m->left, m->n_left, pair.data);
        size_t n_right = text_decode(s, byte_of, m->right, m->n_right, pair.data + n_left);
        int left = merge_part(t, pair.data, n_left);
        int right = merge_part(t, pair.data + n_left, n_right);
        int both = merge_part(t, pair.data, n_left + n_right);
        if (left < 0 || right < 0 || both < 0)
            st = cmat_fail(err, CMAT_ERR_FORMAT,
                           "tokenizer: merge %zu is not two tokens that make a third", i);
        else if (!is_control(t, left) && !is_control(t, right) && !is_control(t, both))
            cmat_bpe_add(&t->bpe, left, right, (uint32_t)i, both);
    }
    cmat_buf_clear(&pair);
    return st;
}

static cmat_status scores_check(const cmat_tokenizer *t, const cmat_tokenizer_spec *s,
                                cmat_error *err)
{
    for (int i = 0; i < t->n_vocab; i++) {
        if (!isfinite((float)s->tokens[i].score))
            return cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: the score of token %d is %g", i,
                             s->tokens[i].score);
    }
    return CMAT_OK;
}

/* Unsigned numbers in the order of the scores, the highest first; equal for equal scores. */
static cmat_status ranks_build(cmat_tokenizer *t, const cmat_tokenizer_spec *s, cmat_error *err)
{
    cmat_status st = scores_check(t, s, err);
    if (st != CMAT_OK)
        return st;
    t->ranks = cmat_xcalloc((size_t)t->n_vocab, sizeof *t->ranks);
    for (int i = 0; i < t->n_vocab; i++) {
        float score = (float)s->tokens[i].score + 0.0f; /* -0 becomes 0 */
        uint32_t bits;
        memcpy(&bits, &score, sizeof bits);
        t->ranks[i] = bits >> 31 ? bits : ~bits & 0x7fffffff;
        if (!(t->tokens[i].flags & (CMAT_TOKEN_FLAG_SPECIAL | CMAT_TOKEN_FLAG_APART)) &&
            t->tokens[i].len > t->longest)
            t->longest = t->tokens[i].len;
    }
    t->bpe = (cmat_bpe){.find = cmat_scored_find, .user = t};
    return CMAT_OK;
}

static cmat_status unigram_build(cmat_tokenizer *t, const cmat_tokenizer_spec *s, cmat_error *err)
{
    double lowest = 0;
    cmat_status st = scores_check(t, s, err);
    if (st != CMAT_OK)
        return st;
    t->unigram.scores = cmat_xcalloc((size_t)t->n_vocab, sizeof *t->unigram.scores);
    for (int i = 0; i < t->n_vocab; i++) {
        const cmat_token_info *k = &t->tokens[i];
        t->unigram.scores[i] = s->tokens[i].score;
        if (k->flags & (CMAT_TOKEN_FLAG_SPECIAL | CMAT_TOKEN_FLAG_APART) || k->len == 0)
            continue;
        if (k->len > CMAT_UNIGRAM_LONGEST)
            return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                             "tokenizer: token %d is %u bytes long (%d at most)", i, k->len,
                             CMAT_UNIGRAM_LONGEST);
        lowest = s->tokens[i].score < lowest ? s->tokens[i].score : lowest;
        cmat_trie_add(&t->unigram.trie, t->text + k->offset, k->len, i);
    }
    t->unigram.unk_score = lowest - 10; /* kUnkPenalty of SentencePiece */
    t->unigram.single = s->whole;
    return CMAT_OK;
}

/* --- special tokens -------------------------------------------------------------------------- */

static cmat_status id_check(const cmat_tokenizer *t, const char *what, int id, cmat_error *err)
{
    if (id < -1 || id >= t->n_vocab)
        return cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: %s is %d of %d tokens", what, id,
                         t->n_vocab);
    return CMAT_OK;
}

static cmat_status special_ids_build(cmat_tokenizer *t, const cmat_tokenizer_spec *s,
                                     cmat_error *err)
{
    static const char *const end_texts[] = {
        "<|im_end|>",    "<|eot_id|>",      "<|eom_id|>",    "<|end|>", "<end_of_turn>",
        "<|endoftext|>", "<|end_of_text|>", "<|endofturn|>", "<EOT>",   "</s>",
    };
    cmat_status st;
    if ((st = id_check(t, "bos_token_id", s->bos, err)) != CMAT_OK ||
        (st = id_check(t, "eos_token_id", s->eos, err)) != CMAT_OK ||
        (st = id_check(t, "unknown_token_id", s->unk, err)) != CMAT_OK)
        return st;
    t->bos = s->bos;
    t->eos = s->eos;
    t->unk = s->unk;
    t->add_bos = s->add_bos;
    for (size_t i = 0; i < s->n_ends; i++) {
        if ((st = id_check(t, "a token that ends a turn", s->ends[i], err)) != CMAT_OK)
            return st;
        if (s->ends[i] >= 0)
            t->tokens[s->ends[i]].flags |= CMAT_TOKEN_FLAG_END;
    }
    if (t->eos >= 0)
        t->tokens[t->eos].flags |= CMAT_TOKEN_FLAG_END;
    for (size_t i = 0; i < sizeof end_texts / sizeof *end_texts; i++) {
        int id = cmat_vocab_find(t, end_texts[i], strlen(end_texts[i]), true);
        if (id >= 0)
            t->tokens[id].flags |= CMAT_TOKEN_FLAG_END;
    }
    return CMAT_OK;
}

/* Notes behind which bytes a space can begin a piece: behind those that no token has before a space
 * inside it. */
static void cuts_build(cmat_tokenizer *t)
{
    memset(t->cut_after, 1, sizeof t->cut_after);
    t->cut_after[' '] = false;
    for (int i = 0; i < t->n_vocab; i++) {
        const cmat_token_info *k = &t->tokens[i];
        const char *s = t->text + k->offset;
        if (k->flags & (CMAT_TOKEN_FLAG_SPECIAL | CMAT_TOKEN_FLAG_APART))
            continue;
        for (uint32_t j = 1; j < k->len; j++) {
            if (s[j] == ' ')
                t->cut_after[(unsigned char)s[j - 1]] = false;
        }
    }
}

static void specials_build(cmat_tokenizer *t, const cmat_tokenizer_spec *s)
{
    for (int i = 0; i < t->n_vocab; i++) {
        const cmat_token_info *k = &t->tokens[i];
        if (k->len == 0)
            continue;
        if (k->flags & CMAT_TOKEN_FLAG_CONTROL)
            cmat_trie_add(&t->controls, t->text + k->offset, k->len, i);
        else if (k->flags & CMAT_TOKEN_FLAG_USER && s->tokens[i].raw)
            cmat_trie_add(&t->raw_users, s->tokens[i].s, s->tokens[i].len, i);
        else if (k->flags & CMAT_TOKEN_FLAG_USER)
            cmat_trie_add(&t->users, t->text + k->offset, k->len, i);
    }
}

/* SHA-256 over "<kind> <n> <pre>", then every token (flags, length, bytes), then every merge or
 * score: two files that tokenize alike give the same digits. */
static void hash_build(cmat_tokenizer *t, const cmat_tokenizer_spec *s)
{
    static const char *const kinds[] = {"cmat-bpe-1", "cmat-char-bpe-1", "cmat-scored-1",
                                        "cmat-unigram-1"};
    cmat_buf b = {0};
    cmat_buf_printf(&b, "%s %d %s\n", kinds[s->model], t->n_vocab, s->pre ? s->pre : "");
    for (int i = 0; !s->pre && i < s->n_patterns; i++)
        cmat_buf_printf(&b, "%s\n", s->patterns[i]);
    for (int i = 0; i < t->n_vocab; i++) {
        const cmat_token_info *k = &t->tokens[i];
        cmat_buf_printf(&b, "%u %u ", k->flags & CMAT_TOKEN_FLAG_SPECIAL, k->len);
        cmat_buf_add(&b, t->text + k->offset, k->len);
        if (s->model == CMAT_TOKENS_SCORED || s->model == CMAT_TOKENS_UNIGRAM)
            cmat_buf_printf(&b, " %.9g ", s->tokens[i].score);
    }
    for (size_t i = 0; i < s->n_merges; i++) {
        cmat_buf_add(&b, s->merges[i].left, s->merges[i].n_left);
        cmat_buf_putc(&b, ' ');
        cmat_buf_add(&b, s->merges[i].right, s->merges[i].n_right);
        cmat_buf_putc(&b, '\n');
    }
    cmat_sha256_hex(b.data, b.len, t->hash);
    cmat_buf_clear(&b);
}

/* --- new and free ---------------------------------------------------------------------------- */

static cmat_status pretokenizer_build(cmat_tokenizer *t, cmat_tokenizer_spec *s, cmat_error *err)
{
    if (s->n_patterns > 0) {
        if (!s->pre)
            s->pre = cmat_pretokenizer_name_of(s->patterns, s->n_patterns);
        return cmat_pretokenizer_new(&t->pre, s->patterns, s->n_patterns, err);
    }
    if (s->model != CMAT_TOKENS_BYTE_BPE || !s->pre)
        return CMAT_OK;
    cmat_status st = cmat_pretokenizer_named(&t->pre, s->pre, err);
    if (st == CMAT_OK)
        t->ignore_merges = cmat_pretokenizer_ignore_merges(t->pre);
    return st;
}

cmat_status cmat_tokenizer_build(cmat_tokenizer **out, cmat_tokenizer_spec *s, cmat_error *err)
{
    cmat_tokenizer *t = cmat_xcalloc(1, sizeof *t);
    cmat_status st;
    *out = NULL;
    t->model = s->model;
    t->encode = cmat_piece_encoder(s->model);
    t->pool = cmat_encoder_pool_new();
    t->ignore_merges = s->ignore_merges;
    t->split_spaces = s->split_spaces;
    t->whole = s->whole;
    t->separate_unk = s->separate_unk;
    t->meta_space = s->meta_space;
    t->prefix = s->prefix;
    t->prefix_unless_there = s->prefix_unless_there;
    if ((st = pretokenizer_build(t, s, err)) != CMAT_OK || (st = vocab_build(t, s, err)) != CMAT_OK)
        goto fail;
    st = s->model == CMAT_TOKENS_SCORED    ? ranks_build(t, s, err)
         : s->model == CMAT_TOKENS_UNIGRAM ? unigram_build(t, s, err)
                                           : merges_build(t, s, err);
    if (st != CMAT_OK || (st = special_ids_build(t, s, err)) != CMAT_OK)
        goto fail;
    specials_build(t, s);
    cuts_build(t);
    hash_build(t, s);
    if (s->norm && !cmat_normalizer_is_empty(s->norm)) {
        t->norm = s->norm;
        s->norm = NULL;
    }
    *out = t;
    return CMAT_OK;
fail:
    cmat_tokenizer_free(t);
    return st;
}

void cmat_tokenizer_free(cmat_tokenizer *t)
{
    if (!t)
        return;
    cmat_encoder_pool_free(t->pool);
    cmat_pretokenizer_free(t->pre);
    cmat_normalizer_free(t->norm);
    cmat_bpe_clear(&t->bpe);
    cmat_unigram_clear(&t->unigram);
    cmat_trie_clear(&t->controls);
    cmat_trie_clear(&t->raw_users);
    cmat_trie_clear(&t->users);
    free(t->ranks);
    free(t->slots);
    free(t->tokens);
    free(t->text);
    free(t);
}

/* --- the rest of the header ------------------------------------------------------------------ */

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
    return token >= 0 && token < t->n_vocab && (t->tokens[token].flags & CMAT_TOKEN_FLAG_END);
}

bool cmat_tokenizer_is_special(const cmat_tokenizer *t, int token)
{
    return token >= 0 && token < t->n_vocab && (t->tokens[token].flags & CMAT_TOKEN_FLAG_CONTROL);
}

int cmat_tokenizer_find(const cmat_tokenizer *t, const char *text)
{
    int id = cmat_vocab_find(t, text, strlen(text), true);
    return id >= 0 ? id : cmat_vocab_find(t, text, strlen(text), false);
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
