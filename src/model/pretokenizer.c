/* Pre-tokenizer patterns, run by PCRE2's JIT. White space is written out because PCRE2's \s also
 * takes U+180E, which Unicode no longer counts as such. */
#include "model/pretokenizer.h"
#include "core/mem.h"
#include "core/text.h"
#include <stdlib.h>
#include <string.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define WS "\\t-\\r\\x{85}\\p{Z}"
#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define ANY_CASE_CONTRACTIONS "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"

struct cmat_pretokenizer {
    pcre2_code *code;
    pcre2_match_context *match;
    bool ignore_merges;
};

struct cmat_pretok_scan {
    const cmat_pretokenizer *p;
    pcre2_match_data *data;
    const char *pos, *end; /* what is left */
    const char *valid_end; /* end of the valid UTF-8 that starts at pos */
};

typedef struct {
    const char *name, *pattern;
    bool ignore_merges;
} pretok_kind;

/* GPT-2: https://github.com/openai/gpt-2, encoder.py */
#define GPT2 \
    CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^" WS "\\p{L}\\p{N}]+|[" WS "]+(?![^" WS "])|[" WS "]+"
/* Each \p{N} is cut off first and the GPT-2 pattern then sees the stretches between them, so white
 * space before a digit ends its stretch: in one pattern, the look-ahead must also stop at \p{N}. */
#define SMOLLM                                                                                     \
    "\\p{N}|" CONTRACTIONS "| ?\\p{L}+| ?[^" WS "\\p{L}\\p{N}]+|[" WS "]+(?![^" WS "\\p{N}])|[" WS \
    "]+"
#define AFTER_DIGITS \
    "| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n]*|[" WS "]*[\\r\\n]+|[" WS "]+(?![^" WS "])|[" WS "]+"
#define LLAMA3 ANY_CASE_CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" AFTER_DIGITS
#define QWEN2 ANY_CASE_CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" AFTER_DIGITS

static const pretok_kind kinds[] = {
    {"smollm", SMOLLM, false},   {"gpt-2", GPT2, false},   {"default", GPT2, false},
    {"llama-bpe", LLAMA3, true}, {"llama3", LLAMA3, true}, {"llama-v3", LLAMA3, true},
    {"qwen2", QWEN2, false},
};

static const pretok_kind *kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    }
    return NULL;
}

cmat_status cmat_pretokenizer_new(cmat_pretokenizer **out, const char *name, cmat_error *err)
{
    *out = NULL;
    const pretok_kind *kind = kind_find(name);
    if (!kind)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "tokenizer: pre-tokenizer \"%.64s\" is not supported (smollm, llama-bpe, "
                         "qwen2, gpt-2, default)",
                         name);
    int code = 0;
    PCRE2_SIZE offset = 0;
    cmat_pretokenizer *p = cmat_xcalloc(1, sizeof *p);
    p->ignore_merges = kind->ignore_merges;
    p->code = pcre2_compile((PCRE2_SPTR)kind->pattern, PCRE2_ZERO_TERMINATED,
                            PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
    p->match = p->code ? pcre2_match_context_create(NULL) : NULL;
    if (!p->match) {
        char msg[120] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)msg, sizeof msg);
        cmat_pretokenizer_free(p);
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "tokenizer: this PCRE2 cannot do \"%s\": %s",
                         name, msg);
    }
    /* Every pattern here takes time linear in the text, so PCRE2's limits would only get in the way
     * of very long runs. Where there is no JIT the interpreter does the same. */
    pcre2_set_match_limit(p->match, UINT32_MAX);
    pcre2_set_depth_limit(p->match, UINT32_MAX);
    pcre2_set_heap_limit(p->match, UINT32_MAX);
    (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
    *out = p;
    return CMAT_OK;
}

void cmat_pretokenizer_free(cmat_pretokenizer *p)
{
    if (!p)
        return;
    pcre2_match_context_free(p->match);
    pcre2_code_free(p->code);
    free(p);
}

bool cmat_pretokenizer_ignore_merges(const cmat_pretokenizer *p)
{
    return p->ignore_merges;
}

cmat_pretok_scan *cmat_pretok_scan_new(const cmat_pretokenizer *p)
{
    cmat_pretok_scan *s = cmat_xcalloc(1, sizeof *s);
    s->p = p;
    s->data = pcre2_match_data_create(1, NULL);
    return s;
}

void cmat_pretok_scan_free(cmat_pretok_scan *s)
{
    if (!s)
        return;
    pcre2_match_data_free(s->data);
    free(s);
}

void cmat_pretok_scan_start(cmat_pretok_scan *s, const char *text, size_t len)
{
    s->pos = text;
    s->end = text + len;
    s->valid_end = text ? text + cmat_utf8_valid_prefix(text, len) : NULL;
}

/* The run of bytes at pos that belong to no valid sequence. */
static size_t invalid_run(const char *pos, const char *end)
{
    const char *p = pos;
    uint32_t cp;
    while (p < end && cmat_utf8_decode(p, (size_t)(end - p), &cp) == 0)
        p++;
    return (size_t)(p - pos);
}

/* Length of the piece at pos; every character is in some alternative, so a match starts there. */
static size_t match_piece(cmat_pretok_scan *s)
{
    size_t left = (size_t)(s->valid_end - s->pos);
    if (!s->data)
        return left;
    const uint32_t opts = PCRE2_NO_UTF_CHECK | PCRE2_ANCHORED;
    int rc = pcre2_match(s->p->code, (PCRE2_SPTR)s->pos, left, 0, opts, s->data, s->p->match);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(s->p->code, (PCRE2_SPTR)s->pos, left, 0, opts | PCRE2_NO_JIT, s->data,
                         s->p->match);
    size_t n = rc >= 0 ? pcre2_get_ovector_pointer(s->data)[1] : 0;
    return n > 0 ? n : left;
}

bool cmat_pretok_scan_next(cmat_pretok_scan *s, const char **piece, size_t *len, bool *valid)
{
    if (s->pos == s->end)
        return false;
    *piece = s->pos;
    *valid = s->pos < s->valid_end;
    if (*valid) {
        *len = match_piece(s);
        s->pos += *len;
        return true;
    }
    *len = invalid_run(s->pos, s->end);
    s->pos += *len;
    s->valid_end = s->pos + cmat_utf8_valid_prefix(s->pos, (size_t)(s->end - s->pos));
    return true;
}
