/* model/tokenizer_tiktoken.c - the first Qwen's qwen.tiktoken: a line a token, its bytes in base64
 * and its rank. Two neighbours merge when what they make is a token, the lowest rank first.
 *
 * Byte-level BPE wants merges: of each token the two parts that merging its bytes by the ranks
 * below its own ends with. The file has no control tokens; those of the model's own tokenizer
 * (tokenization_qwen.py) follow the ranks. */
#include "core/hash.h"
#include "model/tokenizer_files.h"
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_EXTRA = 205, MAX_LINE = 1024, MAX_RANKS = 1 << 20 };

typedef struct {
    const uint8_t *bytes; /* NULL: no token has this rank */
    size_t len;
} ranked;

typedef struct {
    cmat_tokenizer_spec *s;
    ranked *tokens; /* (n) by rank */
    size_t n, cap;
    uint32_t *slots; /* hash of bytes to rank + 1; 0: free */
    size_t mask;
} ranks;

/* ---- the file ---- */

static bool line_read(ranks *r, const char *line, size_t len)
{
    const char *space = memchr(line, ' ', len);
    struct base64_decode_ctx ctx;
    uint8_t bytes[BASE64_DECODE_LENGTH(MAX_LINE) + 1];
    size_t n = sizeof bytes, rank = 0, digits = 0;
    if (!space || len > MAX_LINE)
        return false;
    for (const char *p = space + 1; p < line + len; p++, digits++) {
        if (*p < '0' || *p > '9' || digits > 8)
            return false;
        rank = rank * 10 + (size_t)(*p - '0');
    }
    base64_decode_init(&ctx);
    if (digits == 0 || rank >= MAX_RANKS ||
        !base64_decode_update(&ctx, &n, bytes, (size_t)(space - line), line) ||
        !base64_decode_final(&ctx) || n == 0)
        return false;
    if (rank >= r->n) {
        r->tokens = cmat_xgrow(r->tokens, &r->cap, rank + 1, sizeof *r->tokens);
        memset(r->tokens + r->n, 0, (rank + 1 - r->n) * sizeof *r->tokens);
        r->n = rank + 1;
    }
    if (r->tokens[rank].bytes)
        return false;
    uint8_t *own = cmat_arena_alloc(&r->s->arena, n);
    memcpy(own, bytes, n);
    r->tokens[rank] = (ranked){own, n};
    return true;
}

/* The rank of the token of these bytes, or r->n. */
static size_t rank_of(const ranks *r, const uint8_t *bytes, size_t len)
{
    for (size_t i = cmat_fnv1a(bytes, len);; i++) {
        const uint32_t slot = r->slots[i & r->mask];
        if (!slot)
            return r->n;
        const ranked *t = &r->tokens[slot - 1];
        if (t->len == len && memcmp(t->bytes, bytes, len) == 0)
            return slot - 1;
    }
}

static void slots_fill(ranks *r)
{
    size_t n = 16;
    while (n < 2 * r->n)
        n *= 2;
    r->slots = cmat_xcalloc(n, sizeof *r->slots);
    r->mask = n - 1;
    for (size_t i = 0; i < r->n; i++) {
        size_t at = cmat_fnv1a(r->tokens[i].bytes, r->tokens[i].len);
        if (!r->tokens[i].bytes || rank_of(r, r->tokens[i].bytes, r->tokens[i].len) < r->n)
            continue;
        while (r->slots[at & r->mask])
            at++;
        r->slots[at & r->mask] = (uint32_t)i + 1;
    }
}

/* ---- merges ---- */

/* Bytes of the first of the two parts that the ranks below `rank` make of its token; 0: they do not
 * come to two. */
static size_t first_part(const ranks *r, size_t rank)
{
    enum { MAX_BYTES = BASE64_DECODE_LENGTH(MAX_LINE) + 1 };
    const ranked *t = &r->tokens[rank];
    uint16_t start[MAX_BYTES + 1];
    size_t n = t->len;
    for (size_t i = 0; i <= n; i++)
        start[i] = (uint16_t)i;
    while (n > 2) {
        size_t best = rank, at = 0;
        for (size_t i = 0; i + 2 <= n; i++) {
            const size_t k = rank_of(r, t->bytes + start[i], (size_t)(start[i + 2] - start[i]));
            if (k < best) {
                best = k;
                at = i;
            }
        }
        if (best == rank)
            return 0;
        memmove(&start[at + 1], &start[at + 2], (n - at - 1) * sizeof *start);
        n--;
    }
    return n == 2 ? start[1] : 0;
}

/* Bytes in GPT-2's alphabet: a printable character each. */
static char *alphabet_text(cmat_tokenizer_spec *s, const uint8_t *bytes, size_t len, size_t *n_out)
{
    char *out = cmat_arena_alloc(&s->arena, 2 * len + 1), *p = out;
    for (size_t i = 0; i < len; i++) {
        const unsigned b = bytes[i];
        /* those that cannot be printed follow the 256 in their order */
        const unsigned cp = b < '!'               ? 256 + b
                            : b > '~' && b < 0xa1 ? 256 + 33 + b - 127
                            : b == 0xad           ? 256 + 67
                                                  : b;
        if (cp < 0x80) {
            *p++ = (char)cp;
        } else {
            *p++ = (char)(0xc0 | cp >> 6);
            *p++ = (char)(0x80 | (cp & 0x3f));
        }
    }
    *p = '\0';
    *n_out = (size_t)(p - out);
    return out;
}

static void merge_add(ranks *r, const ranked *t, size_t first)
{
    cmat_tokenizer_spec *s = r->s;
    cmat_merge_spec m;
    m.left = alphabet_text(s, t->bytes, first, &m.n_left);
    m.right = alphabet_text(s, t->bytes + first, t->len - first, &m.n_right);
    s->merges = cmat_xgrow(s->merges, &s->cap_merges, s->n_merges + 1, sizeof *s->merges);
    s->merges[s->n_merges++] = m;
}

/* ---- the whole ---- */

static cmat_status control_add(ranks *r, size_t id, const char *text, cmat_error *err)
{
    cmat_token_spec *k;
    cmat_status st = cmat_tokenizer_spec_token(r->s, (int64_t)id, &k, err);
    if (st != CMAT_OK)
        return st;
    const size_t len = strlen(text);
    char *own = cmat_arena_alloc(&r->s->arena, len + 1);
    memcpy(own, text, len + 1);
    *k = (cmat_token_spec){.s = own, .len = len, .type = CMAT_TOKEN_CONTROL, .raw = true};
    return CMAT_OK;
}

static cmat_status spec_fill(ranks *r, cmat_error *err)
{
    static const char *const controls[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    cmat_tokenizer_spec *s = r->s;
    cmat_status st = CMAT_OK;
    s->model = CMAT_TOKENS_BYTE_BPE;
    s->pre = "qwen2";
    cmat_normalizer_add(cmat_tokenizer_spec_norm(s), CMAT_NORM_NFC, NULL, NULL);
    for (size_t i = 0; i < r->n && st == CMAT_OK; i++) {
        const ranked *t = &r->tokens[i];
        cmat_token_spec *k;
        if (!t->bytes || (st = cmat_tokenizer_spec_token(s, (int64_t)i, &k, err)) != CMAT_OK)
            continue;
        k->s = alphabet_text(s, t->bytes, t->len, &k->len);
        k->type = CMAT_TOKEN_NORMAL;
        const size_t first = first_part(r, i);
        if (first)
            merge_add(r, t, first);
    }
    for (size_t i = 0; i < 3 + N_EXTRA && st == CMAT_OK; i++) {
        char text[32];
        snprintf(text, sizeof text, "<|extra_%zu|>", i - 3);
        st = control_add(r, r->n + i, i < 3 ? controls[i] : text, err);
    }
    s->eos = (int)r->n;
    return st;
}

cmat_status cmat_tokenizer_read_tiktoken(cmat_tokenizer_spec *s, const char *data, size_t len,
                                         const char *what, cmat_error *err)
{
    ranks r = {.s = s};
    cmat_status st = CMAT_OK;
    const char *p = data, *end = data + len;
    for (int line = 1; p < end && st == CMAT_OK; line++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop ? stop : end;
        if (stop > p && !line_read(&r, p, (size_t)(stop - p)))
            st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: line %d is not a token and its rank", what,
                           line);
        p = stop + 1;
    }
    if (st == CMAT_OK && r.n == 0)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%s: no tokens", what);
    if (st == CMAT_OK) {
        slots_fill(&r);
        st = spec_fill(&r, err);
    }
    free(r.tokens);
    free(r.slots);
    return st;
}
