/* env/shop/analysis.c - the words of a text, cut where Lucene's StandardTokenizer cuts it (UAX 29,
 * as in Unicode 9), and what its English analysis makes of them. */
#include "env/shop/analysis.h"
#include "core/text.h"
#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

#define WORD_MAX 255 /* characters: a longer word is cut in pieces */

/* What a character does at a word's border. */
typedef enum {
    OTHER,
    LETTER,
    DIGIT,
    KATAKANA,
    EXTEND_NUM_LET, /* "_" */
    MID_LETTER,     /* between letters: ":" */
    MID_NUM,        /* between digits: "," ";" */
    MID_BOTH,       /* ".", an apostrophe */
    EXTEND,         /* belongs to what is before it */
    SINGLE,         /* a word by itself: ideographs, hiragana */
    EMOJI,          /* so too, unless a joiner binds it to the next */
    COMPLEX         /* scripts without spaces: a run is one word */
} kind;

static bool in(uint32_t c, uint32_t lo, uint32_t hi)
{
    return c >= lo && c <= hi;
}

static kind ascii_kind(uint32_t c)
{
    if ((c | 32) >= 'a' && (c | 32) <= 'z')
        return LETTER;
    if (in(c, '0', '9'))
        return DIGIT;
    switch (c) {
    case '_':
        return EXTEND_NUM_LET;
    case ':':
        return MID_LETTER;
    case ',':
    case ';':
        return MID_NUM;
    case '.':
    case '\'':
        return MID_BOTH;
    default:
        return OTHER;
    }
}

static kind mark_kind(uint32_t c)
{
    switch (c) {
    case 0x2018:
    case 0x2019:
    case 0x2024:
    case 0xfe52:
    case 0xff07:
    case 0xff0e:
        return MID_BOTH;
    case 0x00b7:
    case 0x0387:
    case 0x2027:
    case 0xfe13:
    case 0xfe55:
    case 0xff1a:
        return MID_LETTER;
    case 0x037e:
    case 0x0589:
    case 0x060c:
    case 0x2044:
    case 0xfe10:
    case 0xfe14:
    case 0xfe50:
    case 0xfe54:
    case 0xff0c:
    case 0xff1b:
        return MID_NUM;
    case 0x203f:
    case 0x2040:
    case 0x2054:
    case 0xff3f:
        return EXTEND_NUM_LET;
    default:
        return OTHER;
    }
}

static bool is_emoji(uint32_t c)
{
    return utf8proc_get_property((utf8proc_int32_t)c)->boundclass ==
           UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
}

static kind kind_of(uint32_t c)
{
    if (c < 128)
        return ascii_kind(c);
    if (in(c, 0x30a1, 0x30fa) || in(c, 0x30fc, 0x30ff) || in(c, 0x31f0, 0x31ff) ||
        in(c, 0xff66, 0xff9d) || in(c, 0x3031, 0x3035) || c == 0x309b || c == 0x309c)
        return KATAKANA;
    if (in(c, 0x3041, 0x309f) || in(c, 0x3400, 0x4dbf) || in(c, 0x4e00, 0x9fff) ||
        in(c, 0xf900, 0xfaff) || in(c, 0x20000, 0x2fa1f) || c == 0x3005 || c == 0x3007)
        return SINGLE;
    if (is_emoji(c))
        return EMOJI;
    if (c == 0xff9e || c == 0xff9f)
        return EXTEND;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_NL:
        return LETTER;
    case UTF8PROC_CATEGORY_LO:
        return in(c, 0x0e00, 0x0eff) || in(c, 0x1000, 0x109f) || in(c, 0x1780, 0x17ff) ? COMPLEX
                                                                                       : LETTER;
    case UTF8PROC_CATEGORY_ND:
        return in(c, 0xff10, 0xff19) ? OTHER : DIGIT;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return EXTEND;
    case UTF8PROC_CATEGORY_CF:
        return c == 0x200b ? OTHER : EXTEND;
    default:
        return in(c, 0x24b6, 0x24e9) ? LETTER : mark_kind(c);
    }
}

/* ---- cutting ---- */

typedef struct {
    const char *s;
    size_t n;
} text;

/* The kind of what stands at `at`, and where the next character begins, marks that belong to this
 * one passed over. */
static kind next_char(const text *t, size_t at, size_t *after)
{
    uint32_t c = 0;
    int len = cmat_utf8_decode(t->s + at, t->n - at, &c);
    const kind k = len > 0 ? kind_of(c) : OTHER;
    *after = at + (len > 0 ? (size_t)len : 1);
    while (*after < t->n && (unsigned char)t->s[*after] >= 0x80) {
        len = cmat_utf8_decode(t->s + *after, t->n - *after, &c);
        if (len <= 0 || kind_of(c) != EXTEND)
            break;
        *after += (size_t)len;
    }
    return k;
}

static bool wordlike(kind k)
{
    return k == LETTER || k == DIGIT || k == KATAKANA || k == EXTEND_NUM_LET;
}

/* WB5 to WB13b: does a word go on from a character of kind a to one of kind b next to it? */
static bool joined(kind a, kind b)
{
    if (!wordlike(a) || !wordlike(b))
        return a == COMPLEX && b == COMPLEX;
    if (a == KATAKANA || b == KATAKANA)
        return (a == KATAKANA || a == EXTEND_NUM_LET) && (b == KATAKANA || b == EXTEND_NUM_LET);
    return true;
}

/* WB6, 7, 11, 12: a mark of kind `mid` between two of kind `side` does not end the word. */
static bool bridges(kind side, kind mid)
{
    return (side == LETTER && (mid == MID_LETTER || mid == MID_BOTH)) ||
           (side == DIGIT && (mid == MID_NUM || mid == MID_BOTH));
}

/* The end of the word that begins at `at`. *real: it holds a letter or a digit. */
static size_t word_end(const text *t, size_t at, kind first, bool *real)
{
    size_t after, end;
    kind k = first;
    next_char(t, at, &end);
    *real = first != EXTEND_NUM_LET;
    while (end < t->n) {
        const kind b = next_char(t, end, &after);
        size_t beyond;
        if (joined(k, b)) {
            end = after;
            k = b;
            *real |= b != EXTEND_NUM_LET;
        } else if (bridges(k, b) && after < t->n && next_char(t, after, &beyond) == k) {
            end = beyond;
        } else {
            break;
        }
    }
    return end;
}

static bool ends_with_joiner(const text *t, size_t end)
{
    return end >= 3 && memcmp(t->s + end - 3, "\xe2\x80\x8d", 3) == 0;
}

static size_t emoji_end(const text *t, size_t end)
{
    size_t after;
    while (end < t->n && ends_with_joiner(t, end) && next_char(t, end, &after) == EMOJI)
        end = after;
    return end;
}

/* Lucene gives words above its limit in pieces of that many characters. */
static size_t add_pieces(cmat_buf *out, const char *s, size_t n)
{
    size_t n_words = 0, from = 0, n_chars = 0;
    for (size_t i = 0; i < n; i++) {
        if (((unsigned char)s[i] & 0xc0) == 0x80)
            continue;
        if (n_chars == WORD_MAX) {
            cmat_buf_add(out, s + from, i - from);
            cmat_buf_putc(out, 0);
            n_words++;
            from = i;
            n_chars = 0;
        }
        n_chars++;
    }
    cmat_buf_add(out, s + from, n - from);
    cmat_buf_putc(out, 0);
    return n_words + 1;
}

size_t shop_words(cmat_buf *out, const char *s, size_t n)
{
    const text t = {s, n};
    size_t n_words = 0;
    for (size_t at = 0; at < n;) {
        size_t end;
        bool real = true;
        const kind k = next_char(&t, at, &end);
        if (wordlike(k) || k == COMPLEX)
            end = word_end(&t, at, k, &real);
        else if (k == EMOJI)
            end = emoji_end(&t, end);
        if ((wordlike(k) && real) || k == COMPLEX || k == SINGLE || k == EMOJI)
            n_words += add_pieces(out, s + at, end - at);
        at = end;
    }
    return n_words;
}

/* ---- English ---- */

static bool is_stop_word(const char *w, size_t n)
{
    static const char words[] =
        " a an and are as at be but by for if in into is it no not of on or such that the their "
        "then there these they this to was will with ";
    char key[8];
    if (n > 5)
        return false;
    key[0] = ' ';
    memcpy(key + 1, w, n);
    key[n + 1] = ' ';
    key[n + 2] = 0;
    return strstr(words, key) != NULL;
}

/* Without "'s" at the end, whatever apostrophe it has. */
static size_t without_possessive(const char *w, size_t n)
{
    static const char *const marks[] = {"'", "\xe2\x80\x99", "\xef\xbc\x87"};
    if (n < 2 || (w[n - 1] | 32) != 's')
        return n;
    for (size_t i = 0; i < 3; i++) {
        const size_t m = strlen(marks[i]);
        if (n > m && memcmp(w + n - 1 - m, marks[i], m) == 0)
            return n - 1 - m;
    }
    return n;
}

size_t shop_analyse(cmat_buf *out, const char *s, size_t n)
{
    cmat_buf words = {0};
    size_t n_words = shop_words(&words, s, n), n_terms = 0;
    const char *w = cmat_buf_str(&words);
    for (; n_words > 0; n_words--, w += strlen(w) + 1) {
        const size_t at = out->len;
        cmat_text_lower(out, w, without_possessive(w, strlen(w)));
        if (is_stop_word(out->data + at, out->len - at)) {
            cmat_buf_truncate(out, at);
            continue;
        }
        cmat_buf_truncate(out, at + shop_porter(out->data + at, out->len - at));
        cmat_buf_putc(out, 0);
        n_terms++;
    }
    cmat_buf_clear(&words);
    return n_terms;
}
