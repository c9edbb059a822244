/* model/normalizer.c - Unicode normal forms (by utf8proc), replacements, SentencePiece's charsmap.
 */
#include "model/normalizer.h"
#include "core/mem.h"
#include "core/text.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MAX_STEPS = 32 };
enum {
    MAX_MARKS = 128
}; /* combining marks that are put in order together; Unicode's own limit for
      streams is 30, and the work grows with the square of it */
enum { MAX_GROWTH = 16, MAX_REPLACEMENT = 255 }; /* no real one comes near */
enum { OP_CHARSMAP = 100 };

typedef struct {
    int op; /* cmat_norm_op or OP_CHARSMAP */
    char *from, *to;
    uint32_t *units; /* the charsmap's trie */
    size_t n_units;
    char *strings; /* its replacements, NUL-terminated */
    size_t strings_len;
} step;

struct cmat_normalizer {
    step steps[MAX_STEPS];
    int n;
};

cmat_normalizer *cmat_normalizer_new(void)
{
    return cmat_xcalloc(1, sizeof(cmat_normalizer));
}

void cmat_normalizer_free(cmat_normalizer *n)
{
    for (int i = 0; n && i < n->n; i++) {
        free(n->steps[i].from);
        free(n->steps[i].to);
        free(n->steps[i].units);
        free(n->steps[i].strings);
    }
    free(n);
}

bool cmat_normalizer_is_empty(const cmat_normalizer *n)
{
    return n->n == 0;
}

void cmat_normalizer_add(cmat_normalizer *n, cmat_norm_op op, const char *from, const char *to)
{
    if (n->n < MAX_STEPS)
        n->steps[n->n++] =
            (step){.op = (int)op, .from = cmat_xstrdup(from), .to = cmat_xstrdup(to)};
}

cmat_status cmat_normalizer_add_charsmap(cmat_normalizer *n, const void *data, size_t len,
                                         cmat_error *err)
{
    const unsigned char *p = data;
    size_t size =
        len < 4 ? 0 : (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    if (len < 4 || size < 4 || size % 4 != 0 || size > len - 4)
        return cmat_fail(err, CMAT_ERR_FORMAT,
                         "tokenizer: precompiled_charsmap: a trie of %zu bytes in %zu", size, len);
    if (n->n == MAX_STEPS)
        return cmat_fail(err, CMAT_ERR_LIMIT, "tokenizer: more than %d normalizers", MAX_STEPS);
    step *s = &n->steps[n->n++];
    *s = (step){.op = OP_CHARSMAP, .n_units = size / 4, .strings_len = len - 4 - size};
    s->units = cmat_xmalloc(size);
    for (size_t i = 0; i < s->n_units; i++) {
        const unsigned char *q = p + 4 + 4 * i;
        s->units[i] =
            (uint32_t)q[0] | (uint32_t)q[1] << 8 | (uint32_t)q[2] << 16 | (uint32_t)q[3] << 24;
    }
    s->strings = cmat_xstrndup((const char *)p + 4 + size, s->strings_len);
    for (size_t i = 0; i < s->strings_len; i++) {
        size_t k = strlen(s->strings + i);
        if (k > MAX_REPLACEMENT)
            return cmat_fail(err, CMAT_ERR_FORMAT,
                             "tokenizer: precompiled_charsmap: a replacement of %zu bytes", k);
        i += k;
    }
    return CMAT_OK;
}

/* --- the charsmap --------------------------------------------------------------------------- */

/* Where the children of a unit begin, relative to it (the layout of darts-clone). */
static uint32_t unit_offset(uint32_t unit)
{
    return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

/* The longest entry of the trie at s: its length, and where its replacement lies; or 0. */
static size_t charsmap_longest(const step *m, const char *s, size_t len, size_t *at)
{
    size_t best = 0, pos = unit_offset(m->units[0]);
    for (size_t i = 0; i < len && s[i]; i++) {
        const unsigned char c = (unsigned char)s[i];
        pos ^= c;
        if (pos >= m->n_units || (m->units[pos] & (1u << 31 | 0xff)) != c)
            break;
        const uint32_t unit = m->units[pos];
        pos ^= unit_offset(unit);
        if ((unit >> 8 & 1) && pos < m->n_units && (m->units[pos] & 0x7fffffff) < m->strings_len) {
            best = i + 1;
            *at = m->units[pos] & 0x7fffffff;
        }
    }
    return best;
}

static void apply_charsmap(const step *m, const char *s, size_t len, cmat_buf *out)
{
    for (size_t i = 0; i < len;) {
        size_t at = 0, n = charsmap_longest(m, s + i, len - i, &at);
        uint32_t cp;
        if (n > 0) {
            cmat_buf_puts(out, m->strings + at);
        } else if ((n = (size_t)cmat_utf8_decode(s + i, len - i, &cp)) > 0) {
            cmat_buf_add(out, s + i, n);
        } else {
            cmat_buf_puts(out, "\xef\xbf\xbd");
            n = 1;
        }
        i += n;
    }
}

/* --- normal forms --------------------------------------------------------------------------- */

/* Everything below U+0300 is in NFC already, and in NFKC everything below U+00A0. */
static bool is_normal(const char *s, size_t len, bool compat)
{
    const unsigned char first = compat ? 0x80 : 0xcc;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] >= first)
            return false;
    }
    return true;
}

static void normal_add(const char *s, size_t len, bool compat, cmat_buf *out)
{
    utf8proc_uint8_t *made = NULL;
    utf8proc_ssize_t n =
        is_normal(s, len, compat)
            ? -1
            : utf8proc_map((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)len, &made,
                           UTF8PROC_STABLE | UTF8PROC_COMPOSE | (compat ? UTF8PROC_COMPAT : 0));
    if (n >= 0)
        cmat_buf_add(out, made, (size_t)n);
    else
        cmat_buf_add(out, s, len);
    free(made);
}

/* Valid UTF-8, cut where more combining marks follow one another than any writing has. */
static void apply_normal(const char *s, size_t len, bool compat, cmat_buf *out)
{
    size_t start = 0, marks = 0;
    for (size_t i = 0; i < len;) {
        uint32_t cp = 0;
        int k = cmat_utf8_decode(s + i, len - i, &cp);
        if (k == 0) {
            normal_add(s + start, i - start, compat, out);
            cmat_buf_putc(out, s[i]);
            start = ++i;
            marks = 0;
            continue;
        }
        marks = cp >= 0x300 && utf8proc_get_property((utf8proc_int32_t)cp)->combining_class
                    ? marks + 1
                    : 0;
        i += (size_t)k;
        if (marks == MAX_MARKS) {
            normal_add(s + start, i - start, compat, out);
            start = i;
            marks = 0;
        }
    }
    normal_add(s + start, len - start, compat, out);
}

/* --- plain text ----------------------------------------------------------------------------- */

static void apply_replace(const char *from, const char *to, const char *s, size_t len,
                          cmat_buf *out)
{
    const size_t n = strlen(from);
    const char *end = s + len, *hit;
    while (n && (hit = memmem(s, (size_t)(end - s), from, n))) {
        cmat_buf_add(out, s, (size_t)(hit - s));
        cmat_buf_puts(out, to);
        s = hit + n;
    }
    cmat_buf_add(out, s, (size_t)(end - s));
}

static void apply_collapse(const char *to, const char *s, size_t len, cmat_buf *out)
{
    for (size_t i = 0; i < len;) {
        size_t n = 0;
        while (i + n < len && s[i + n] == ' ')
            n++;
        if (n > 1)
            cmat_buf_puts(out, to);
        else
            cmat_buf_putc(out, s[i]);
        i += n > 1 ? n : 1;
    }
}

/* Length of the white space character at s, or 0. */
static size_t space_at(const char *s, size_t len, bool only_spaces)
{
    uint32_t cp = 0;
    if (only_spaces)
        return *s == ' ';
    int k = cmat_utf8_decode(s, len, &cp);
    bool space = (cp >= '\t' && cp <= '\r') || cp == ' ' || cp == 0x85 || cp == 0xa0 ||
                 cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 ||
                 cp == 0x202f || cp == 0x205f || cp == 0x3000;
    return k > 0 && space ? (size_t)k : 0;
}

static size_t trim_left(const char *s, size_t len, bool only_spaces)
{
    size_t i = 0, k;
    while (i < len && (k = space_at(s + i, len - i, only_spaces)))
        i += k;
    return i;
}

static size_t trim_right(const char *s, size_t len, bool only_spaces)
{
    while (len > 0) {
        size_t k = 1;
        while (k < 4 && k < len && ((unsigned char)s[len - k] & 0xc0) == 0x80)
            k++;
        if (space_at(s + len - k, k, only_spaces) != k)
            break;
        len -= k;
    }
    return len;
}

/* True when the step changes nothing, seen without doing it. */
static bool has_no_effect(const step *m, const char *s, size_t len)
{
    switch (m->op) {
    case CMAT_NORM_NFC:
        return is_normal(s, len, false);
    case CMAT_NORM_NFKC:
        return is_normal(s, len, true);
    case CMAT_NORM_REPLACE:
        return !memmem(s, len, m->from, strlen(m->from));
    case CMAT_NORM_COLLAPSE:
        return !memmem(s, len, "  ", 2);
    default:
        return len == 0;
    }
}

void cmat_normalizer_apply(const cmat_normalizer *n, const char **text, size_t *len,
                           cmat_buf scratch[2])
{
    const size_t given = *len;
    for (int i = 0; i < n->n; i++) {
        const step *m = &n->steps[i];
        /* the one that does not hold the text */
        cmat_buf *out = &scratch[scratch[0].data && *text >= scratch[0].data &&
                                 *text <= scratch[0].data + scratch[0].len];
        size_t k;
        if (*len / MAX_GROWTH > given + 64)
            break;
        if (has_no_effect(m, *text, *len))
            continue;
        if (m->op == CMAT_NORM_TRIM_LEFT) {
            k = trim_left(*text, *len, m->from);
            *text += k;
            *len -= k;
            continue;
        }
        if (m->op == CMAT_NORM_TRIM_RIGHT) {
            *len = trim_right(*text, *len, m->from);
            continue;
        }
        cmat_buf_truncate(out, 0);
        if (m->op == OP_CHARSMAP)
            apply_charsmap(m, *text, *len, out);
        else if (m->op == CMAT_NORM_REPLACE)
            apply_replace(m->from, m->to, *text, *len, out);
        else if (m->op == CMAT_NORM_COLLAPSE)
            apply_collapse(m->to, *text, *len, out);
        else
            apply_normal(*text, *len, m->op == CMAT_NORM_NFKC, out);
        *text = cmat_buf_str(out);
        *len = out->len;
    }
}
