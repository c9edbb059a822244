/* text.c - UTF-8 and text meant for people. */
#include "core/text.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

/* Length that a leading byte announces, 0 when it cannot lead. */
static int lead_length(unsigned char c)
{
    return c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

/* The second byte of a sequence is restricted for some leads (no overlong forms, no surrogates). */
static bool second_ok(unsigned char lead, unsigned char c)
{
    switch (lead) {
    case 0xe0:
        return c >= 0xa0 && c <= 0xbf;
    case 0xed:
        return c >= 0x80 && c <= 0x9f;
    case 0xf0:
        return c >= 0x90 && c <= 0xbf;
    case 0xf4:
        return c >= 0x80 && c <= 0x8f;
    default:
        return (c & 0xc0) == 0x80;
    }
}

int cmat_utf8_decode(const char *s, size_t n, uint32_t *cp)
{
    const unsigned char *p = (const unsigned char *)s;
    int len = n ? lead_length(p[0]) : 0;

    if (!len || (size_t)len > n || (len > 1 && !second_ok(p[0], p[1])))
        return 0;
    *cp = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
    for (int i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *cp = *cp << 6 | (p[i] & 0x3fu);
    }
    return len;
}

int cmat_utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (cp >> 18 & 7));
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

size_t cmat_utf8_valid_prefix(const char *s, size_t n)
{
    size_t i = 0;
    uint32_t cp;

    while (i < n) {
        int len = cmat_utf8_decode(s + i, n - i, &cp);
        if (!len)
            break;
        i += (size_t)len;
    }
    return i;
}

bool cmat_utf8_is_partial(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    int len = n ? lead_length(p[0]) : 0;

    if (len <= 1 || n >= (size_t)len || (n > 1 && !second_ok(p[0], p[1])))
        return false;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return false;
    return true;
}

/* What a reader cannot see or a terminal obeys: controls, marks that reorder a line or have no
 * width (except the joiners that scripts and emoji need), line separators, tag characters. In
 * order. */
static const struct {
    uint32_t first, last;
} hidden[] = {{0x00, 0x08},      {0x0b, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},
              {0x61c, 0x61c},    {0x180e, 0x180e}, {0x200b, 0x200b}, {0x200e, 0x200f},
              {0x2028, 0x202e},  {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
              {0xe0000, 0xe0fff}};

bool cmat_text_is_hidden(uint32_t cp)
{
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden && cp >= hidden[i].first; i++)
        if (cp <= hidden[i].last)
            return true;
    return false;
}

void cmat_text_inert(cmat_buf *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t cp = 0;
        int len = cmat_utf8_decode(s + i, n - i, &cp);
        if (!len || cmat_text_is_hidden(cp))
            cmat_buf_puts(b, "\xef\xbf\xbd");
        else
            cmat_buf_add(b, s + i, (size_t)len);
        i += len ? (size_t)len : 1;
    }
}

void cmat_text_lower(cmat_buf *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c;
        char enc[4];
        const int len = (unsigned char)s[i] < 0x80 ? 1 : cmat_utf8_decode(s + i, n - i, &c);
        if (len <= 1) {
            cmat_buf_putc(b, s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] | 32) : s[i]);
            i++;
            continue;
        }
        c = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
        cmat_buf_add(b, enc, (size_t)cmat_utf8_encode(c, enc));
        i += (size_t)len;
    }
}

void cmat_text_html(cmat_buf *b, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        switch (s[i]) {
        case '&':
            cmat_buf_puts(b, "&amp;");
            break;
        case '<':
            cmat_buf_puts(b, "&lt;");
            break;
        case '>':
            cmat_buf_puts(b, "&gt;");
            break;
        case '"':
            cmat_buf_puts(b, "&quot;");
            break;
        case '\'':
            cmat_buf_puts(b, "&#39;");
            break;
        default:
            cmat_buf_putc(b, s[i]);
        }
    }
}

void cmat_text_bytes(char *out, size_t size, double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    int u = 0;
    while (bytes >= 999.5 && u < 4) {
        bytes /= 1000;
        u++;
    }
    snprintf(out, size, u && bytes < 10 ? "%.1f %s" : "%.0f %s", bytes, units[u]);
}

void cmat_text_seconds(char *out, size_t size, double seconds)
{
    long s = (long)(seconds + 0.5);
    if (seconds < 9.95)
        snprintf(out, size, "%.1f s", seconds);
    else if (s < 60)
        snprintf(out, size, "%ld s", s);
    else if (s < 3600)
        snprintf(out, size, "%ld min %02ld s", s / 60, s % 60);
    else
        snprintf(out, size, "%ld h %02ld min", s / 3600, s % 3600 / 60);
}

const char *cmat_text_find(const char *haystack, const char *needle)
{
    size_t n = strlen(needle);
    for (; *haystack; haystack++)
        if (strncasecmp(haystack, needle, n) == 0)
            return haystack;
    return n ? NULL : haystack;
}

void cmat_text_sparkline(cmat_buf *b, const double *y, size_t n)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double lo = n ? y[0] : 0, hi = lo;
    for (size_t i = 1; i < n; i++) {
        lo = y[i] < lo ? y[i] : lo;
        hi = y[i] > hi ? y[i] : hi;
    }
    for (size_t i = 0; i < n; i++)
        cmat_buf_puts(b, blocks[hi > lo ? (int)(7 * (y[i] - lo) / (hi - lo) + 0.5) : 0]);
}

size_t cmat_text_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t row[CMAT_DISTANCE_MAX + 1];
    assert(m <= CMAT_DISTANCE_MAX);
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = change < row[j] + 1 ? change : row[j] + 1;
            if (row[j - 1] + 1 < row[j])
                row[j] = row[j - 1] + 1;
        }
    }
    return row[m];
}
