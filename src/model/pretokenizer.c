/* Pre-tokenizer patterns, run by PCRE2's JIT. White space is written out because PCRE2's \s also
 * takes U+180E, which Unicode no longer counts as such. */
#include "model/pretokenizer.h"
#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define WS "\\t-\\r\\x{85}\\p{Z}"
#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define ANY_CASE_CONTRACTIONS "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"

/* A file's pattern may be made to take for ever: a match is first tried within few steps, which is
 * enough for nearly all, and only some matches of a text may take many. */
enum { MAX_PATTERN = 4096, FEW_STEPS = 5000, MANY_STEPS = 20000000, MANY_TIMES = 16 };

struct cmat_pretokenizer {
    pcre2_code *code[CMAT_PRETOK_STAGES];
    int n;
    pcre2_match_context *match;
    pcre2_match_context *brief; /* of a file's patterns: limits for the first try; else NULL */
    bool ignore_merges;
};

/* What one stage has left to cut. */
typedef struct {
    const char *pos, *end;
    const char *match_end; /* of a match that begins at pos; NULL: still to be looked for */
} scan_stage;

struct cmat_pretok_scan {
    const cmat_pretokenizer *p;
    pcre2_match_data *data;
    scan_stage stages[CMAT_PRETOK_STAGES];
    const char *pos, *end; /* what no stage has seen */
    int patience;          /* matches that may still take many steps */
};

typedef struct {
    const char *name;
    const char *patterns[3];
    bool ignore_merges;
    const char *written[3]; /* the same as tokenizer.json files write it; NULL: never seen in one */
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
/* Words that begin with capitals and go on in small letters (OpenAI's o200k, Mistral's Tekken). */
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define AFTER_WORDS \
    "| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n/]*|[" WS "]*[\\r\\n]+|[" WS "]+(?![^" WS "])|[" WS "]+"
#define TEKKEN                                                                          \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER \
    "*|\\p{"                                                                            \
    "N}" AFTER_WORDS
#define O200K                                 \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER  \
    "+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n" \
    "\\p{L}\\p{N}]?" UPPER "+" LOWER "*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}" AFTER_WORDS

#define JSON_AFTER_DIGITS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define JSON_WORDS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"

const char cmat_pretok_gpt2[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

#define JSON_AFTER_WORDS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const char cmat_pretok_tekken[] =
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER
    "*|\\p{N}" JSON_AFTER_WORDS;
const char cmat_pretok_o200k[] =
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER
    "+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER
    "*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}" JSON_AFTER_WORDS;

static const pretok_kind kinds[] = {
    {"smollm", {SMOLLM}, false, {"\\p{N}", cmat_pretok_gpt2}},
    {"starcoder", {SMOLLM}, false, {0}},
    {"refact", {SMOLLM}, false, {0}},
    {"command-r", {SMOLLM}, false, {0}},
    {"exaone", {SMOLLM}, false, {0}},
    {"gpt-2", {GPT2}, false, {cmat_pretok_gpt2}},
    {"default", {GPT2}, false, {0}},
    {"llama-bpe", {LLAMA3}, true, {JSON_WORDS "|\\p{N}{1,3}" JSON_AFTER_DIGITS}},
    {"llama3", {LLAMA3}, true, {0}},
    {"llama-v3", {LLAMA3}, true, {0}},
    {"smaug-bpe", {LLAMA3}, false, {0}},
    {"qwen2", {QWEN2}, false, {JSON_WORDS "|\\p{N}" JSON_AFTER_DIGITS}},
    {"qwen", {QWEN2}, false, {0}},
    {"stablelm2", {QWEN2}, false, {0}},
    {"deepseek-r1-qwen", {QWEN2}, false, {0}},
    {"tekken", {TEKKEN}, true, {cmat_pretok_tekken}},
    {"gpt-4o", {O200K}, false, {cmat_pretok_o200k}},
    {"deepseek-v3",
     {"\\p{N}{1,3}", "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?"
      "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|[" WS "]*[\\r\\n]+|[" WS "]+(?![^" WS "])|[" WS
      "]+"},
     false,
     {0}},
};

static const pretok_kind *kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    }
    return NULL;
}

const char *cmat_pretokenizer_name_of(const char *const *patterns, int n)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool same = n <= 3;
        for (int k = 0; same && k < 3; k++) {
            const char *w = kinds[i].written[k];
            same = k < n ? w && strcmp(w, patterns[k]) == 0 : !w;
        }
        if (same)
            return kinds[i].name;
    }
    return NULL;
}

/* --- a tokenizer.json's patterns ---------------------------------------------------------------
 */

/* The escape at re, after its backslash, outside or inside of a class: its length, or 0 when it has
 * another meaning in PCRE2. */
static size_t escape_translate(const char *re, bool in_class, cmat_buf *out)
{
    size_t n = 1;
    const char *open = in_class ? "" : "[", *close = in_class ? "" : "]";
    if (*re == 's') {
        cmat_buf_printf(out, "%s" WS "%s", open, close);
    } else if (*re == 'S' && !in_class) {
        cmat_buf_puts(out, "[^" WS "]");
    } else if (*re == 'w') {
        cmat_buf_printf(out, "%s\\p{L}\\p{M}\\p{Nd}\\p{Pc}%s", open, close);
    } else if (*re == 'p' || *re == 'P') {
        n = re[1] == '{' ? strcspn(re, "}") + 1 : 0;
        if (n < 4 ||
            strspn(re + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") != n - 3 ||
            re[n - 1] != '}')
            return 0;
        cmat_buf_printf(out, "\\%.*s", (int)n, re);
    } else if (*re == 'u') {
        if (strspn(re + 1, "0123456789abcdefABCDEF") < 4)
            return 0;
        cmat_buf_printf(out, "\\x{%.4s}", re + 1);
        n = 5;
    } else if (*re && (strchr("rntdfv", *re) || ispunct((unsigned char)*re))) {
        cmat_buf_printf(out, *re == 'v' ? "\\x0b" : "\\%c", *re);
    } else {
        return 0;
    }
    return n;
}

/* Rewrites a pattern for PCRE2: the offset of what it cannot do, or -1. Oniguruma's classes nest
 * and intersect, its ^ and $ match at lines, \h is a hex digit: refused rather than read in another
 * way. */
static ptrdiff_t pattern_translate(const char *re, cmat_buf *out)
{
    bool in_class = false;
    size_t i = 0, class_start = 0;
    while (re[i]) {
        size_t n = 1;
        if (re[i] == '\\') {
            size_t k = escape_translate(re + i + 1, in_class, out);
            if (k == 0)
                return (ptrdiff_t)i;
            i += k + 1;
            continue;
        }
        if (in_class) {
            if (re[i] == '[' || (re[i] == '&' && re[i + 1] == '&'))
                return (ptrdiff_t)i;
            in_class = re[i] != ']' || i == class_start;
        } else if (re[i] == '[') {
            in_class = true;
            n += re[i + 1] == '^';
            class_start = i + n;
        } else if (re[i] == '(' && re[i + 1] == '?') {
            if (strncmp(re + i, "(?i:", 4) != 0 && (!re[i + 2] || !strchr(":=!>", re[i + 2])))
                return (ptrdiff_t)i;
            n = re[i + 2] == 'i' ? 4 : 3;
        } else if (strchr("^$", re[i]) || (re[i] == '{' && re[i + 1] == ',')) {
            return (ptrdiff_t)i;
        }
        cmat_buf_add(out, re + i, n);
        i += n;
    }
    return in_class ? (ptrdiff_t)i : -1;
}

/* --- new ---------------------------------------------------------------------------------------
 */

static cmat_status stage_add(cmat_pretokenizer *p, const char *pattern, const char *shown,
                             cmat_error *err)
{
    int code = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code *c =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
    if (!c) {
        char msg[120] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)msg, sizeof msg);
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "tokenizer: pre-tokenizer \"%.100s\": %s",
                         shown, msg);
    }
    /* Where there is no JIT the interpreter does the same. */
    (void)pcre2_jit_compile(c, PCRE2_JIT_COMPLETE);
    p->code[p->n++] = c;
    return CMAT_OK;
}

static pcre2_match_context *limits_new(uint32_t steps, uint32_t heap_kib)
{
    pcre2_match_context *c = pcre2_match_context_create(NULL);
    if (c) {
        pcre2_set_match_limit(c, steps);
        pcre2_set_depth_limit(c, steps);
        pcre2_set_heap_limit(c, heap_kib);
    }
    return c;
}

cmat_status cmat_pretokenizer_named(cmat_pretokenizer **out, const char *name, cmat_error *err)
{
    *out = NULL;
    const pretok_kind *kind = kind_find(name);
    cmat_status st = CMAT_OK;
    if (!kind)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "tokenizer: pre-tokenizer \"%.64s\" is not supported (smollm, llama-bpe, "
                         "qwen2, gpt-2, tekken, gpt-4o, deepseek-v3 and others are)",
                         name);
    /* Every pattern here takes time linear in the text, so PCRE2's limits would only get in the way
     * of very long runs. */
    cmat_pretokenizer *p = cmat_xcalloc(1, sizeof *p);
    p->match = limits_new(UINT32_MAX, UINT32_MAX);
    p->ignore_merges = kind->ignore_merges;
    for (int i = 0; i < 3 && kind->patterns[i] && st == CMAT_OK; i++)
        st = stage_add(p, kind->patterns[i], name, err);
    if (st == CMAT_OK)
        *out = p;
    else
        cmat_pretokenizer_free(p);
    return st;
}

cmat_status cmat_pretokenizer_new(cmat_pretokenizer **out, const char *const *patterns, int n,
                                  cmat_error *err)
{
    cmat_pretokenizer *p = cmat_xcalloc(1, sizeof *p);
    cmat_status st = CMAT_OK;
    *out = NULL;
    p->match = limits_new(MANY_STEPS, 1 << 20);
    p->brief = limits_new(FEW_STEPS, 1 << 20);
    for (int i = 0; i < n && st == CMAT_OK; i++) {
        cmat_buf re = {0};
        ptrdiff_t bad = strlen(patterns[i]) > MAX_PATTERN ? 0 : pattern_translate(patterns[i], &re);
        if (bad >= 0 || i == CMAT_PRETOK_STAGES)
            st = cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                           "tokenizer: the pre-tokenizer's pattern \"%.100s\" is not supported, "
                           "from byte %td on",
                           patterns[i], bad);
        else
            st = stage_add(p, cmat_buf_str(&re), patterns[i], err);
        cmat_buf_clear(&re);
    }
    if (st == CMAT_OK)
        *out = p;
    else
        cmat_pretokenizer_free(p);
    return st;
}

void cmat_pretokenizer_free(cmat_pretokenizer *p)
{
    if (!p)
        return;
    pcre2_match_context_free(p->match);
    pcre2_match_context_free(p->brief);
    for (int i = 0; i < p->n; i++)
        pcre2_code_free(p->code[i]);
    free(p);
}

bool cmat_pretokenizer_ignore_merges(const cmat_pretokenizer *p)
{
    return p->ignore_merges;
}

/* --- cutting -----------------------------------------------------------------------------------
 */

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
    memset(s->stages, 0, sizeof s->stages);
    s->pos = text;
    s->end = text + len;
    s->patience = MANY_TIMES;
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

static int match_try(cmat_pretok_scan *s, int k, pcre2_match_context *limits)
{
    const scan_stage *st = &s->stages[k];
    const pcre2_code *code = s->p->code[k];
    const PCRE2_SPTR text = (PCRE2_SPTR)st->pos;
    const size_t left = (size_t)(st->end - st->pos);
    const uint32_t opts = PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY;
    int rc = pcre2_match(code, text, left, 0, opts, s->data, limits);
    return rc == PCRE2_ERROR_JIT_STACKLIMIT
               ? pcre2_match(code, text, left, 0, opts | PCRE2_NO_JIT, s->data, limits)
               : rc;
}

/* Looks for the stage's next match: [*from, *to) of the bytes left; without one both are at their
 * end. */
static void match_find(cmat_pretok_scan *s, int k, size_t *from, size_t *to)
{
    const cmat_pretokenizer *p = s->p;
    *from = *to = (size_t)(s->stages[k].end - s->stages[k].pos);
    if (!s->data || !p->match || s->patience == 0)
        return;
    int rc = match_try(s, k, p->brief ? p->brief : p->match);
    if (p->brief && rc < 0 && rc != PCRE2_ERROR_NOMATCH && s->patience-- > 0)
        rc = match_try(s, k, p->match);
    if (rc < 0)
        return;
    *from = pcre2_get_ovector_pointer(s->data)[0];
    *to = pcre2_get_ovector_pointer(s->data)[1];
}

/* The next piece of stage k, which it cuts from the pieces of the stage before. */
static bool stage_next(cmat_pretok_scan *s, int k, const char **piece, size_t *len)
{
    scan_stage *st = &s->stages[k];
    if (st->pos == st->end) {
        if (k == 0 || !stage_next(s, k - 1, piece, len))
            return false;
        *st = (scan_stage){.pos = *piece, .end = *piece + *len};
    }
    *piece = st->pos;
    if (st->match_end) {
        *len = (size_t)(st->match_end - st->pos);
        st->match_end = NULL;
    } else {
        size_t from, to;
        match_find(s, k, &from, &to);
        *len = from > 0 ? from : to;
        if (from > 0 && from < to)
            st->match_end = st->pos + to;
    }
    st->pos += *len;
    return true;
}

bool cmat_pretok_scan_next(cmat_pretok_scan *s, const char **piece, size_t *len, bool *valid)
{
    *valid = stage_next(s, s->p->n - 1, piece, len);
    if (*valid)
        return true;
    if (s->pos == s->end)
        return false;
    size_t n = cmat_utf8_valid_prefix(s->pos, (size_t)(s->end - s->pos));
    if (n > 0) {
        s->stages[0] = (scan_stage){.pos = s->pos, .end = s->pos + n};
        s->pos += n;
        *valid = stage_next(s, s->p->n - 1, piece, len);
        return *valid;
    }
    *piece = s->pos;
    *len = invalid_run(s->pos, s->end);
    s->pos += *len;
    return true;
}
