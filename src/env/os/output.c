/* output.c - what a command printed, as text that may be shown. */
#include "env/os/output.h"
#include "core/text.h"
#include <string.h>

enum { ESC = 0x1b, BEL = 0x07, CONTROL_MAX = 4096 };

/* The length of the terminal escape at s[0] == ESC (ECMA-48: CSI, the string controls, others). */
static size_t escape_length(const char *s, size_t n)
{
    size_t i = 2;
    if (n < 2)
        return n;
    if (s[1] == '[') {
        while (i < n && (s[i] < 0x40 || s[i] > 0x7e) && i < 64)
            i++;
        return i < n ? i + 1 : n;
    }
    if (strchr("]PX^_", s[1])) { /* up to BEL or ESC \; an unended one does not swallow the rest */
        while (i < n && i < CONTROL_MAX && s[i] != '\n') {
            if (s[i] == BEL)
                return i + 1;
            if (s[i] == ESC && i + 1 < n && s[i + 1] == '\\')
                return i + 2;
            i++;
        }
        return i;
    }
    while (i < n && i < 4 && s[i - 1] >= 0x20 && s[i - 1] <= 0x2f)
        i++; /* intermediate bytes */
    return i;
}

void os_output_clean(const char *s, size_t n, cmat_buf *out)
{
    size_t from = 0, i = 0;
    while (i < n) {
        const char c = s[i];
        if (c != ESC && c != '\r' && c != '\b' && c != '\0' && c != BEL) {
            i++;
            continue;
        }
        cmat_text_inert(out, s + from, i - from);
        if (c == ESC) {
            i += escape_length(s + i, n - i);
        } else {
            if (c == '\r' && !(i + 1 < n && s[i + 1] == '\n'))
                cmat_buf_putc(out, '\n');
            i++;
        }
        from = i;
    }
    cmat_text_inert(out, s + from, n - from);
}

/* The start of the code point that s[i] is in. */
static size_t char_start(const char *s, size_t i)
{
    while (i > 0 && ((unsigned char)s[i] & 0xc0) == 0x80)
        i--;
    return i;
}

void os_output_cut(const char *text, size_t n, uint64_t total, size_t budget, cmat_buf *out)
{
    if (n <= budget && total <= n) {
        cmat_buf_add(out, text, n);
        return;
    }
    size_t head = budget * 2 / 3, tail = n > total || total == n ? budget - head : 0;
    if (n <= budget)
        head = n;
    else if (tail == 0)
        head = budget;
    head = head < n ? char_start(text, head) : n;
    const char *line = memrchr(text, '\n', head);
    if (head < n && line && (size_t)(line - text) > head / 2)
        head = (size_t)(line - text) + 1;
    size_t rest = n > head + tail ? char_start(text, n - tail) : n;
    if (tail == 0)
        rest = n;
    cmat_buf_add(out, text, head);
    if (head > 0 && text[head - 1] != '\n')
        cmat_buf_putc(out, '\n');
    const uint64_t left_out = (total > n ? total - n : 0) + rest - head;
    cmat_buf_printf(out, "[... %llu bytes left out ...]\n", (unsigned long long)left_out);
    cmat_buf_add(out, text + rest, n - rest);
}

void os_output_cut_agentbench(const char *text, size_t n, cmat_buf *out)
{
    size_t chars = 0, at_780 = n;
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80 && chars++ == 780)
            at_780 = i;
    cmat_buf_add(out, text, chars > 800 ? at_780 : n);
    if (chars > 800)
        cmat_buf_puts(out, "\n[truncated because the output is too long]");
}
