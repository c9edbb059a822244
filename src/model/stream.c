/* model/stream.c - holding back what is not certain yet. */
#include "model/stream.h"
#include "core/mem.h"
#include "core/text.h"
#include <stdlib.h>
#include <string.h>

void cmat_stream_init(cmat_stream *s, const char *const *stop)
{
    size_t n = 0;
    memset(s, 0, sizeof *s);
    while (stop && stop[n])
        n++;
    if (n == 0)
        return;
    s->stop = cmat_xcalloc(n, sizeof *s->stop);
    for (size_t i = 0; i < n; i++) {
        const size_t len = strlen(stop[i]);
        if (len == 0)
            continue;
        s->stop[s->n_stop++] = cmat_xstrdup(stop[i]);
        s->longest = len > s->longest ? len : s->longest;
    }
}

void cmat_stream_clear(cmat_stream *s)
{
    for (size_t i = 0; i < s->n_stop; i++)
        free(s->stop[i]);
    free(s->stop);
    cmat_buf_clear(&s->text);
    cmat_buf_clear(&s->pending);
    memset(s, 0, sizeof *s);
}

/* Moves n pending bytes to the text. What could still become a whole character stays when more may
 * come. */
static void release(cmat_stream *s, size_t n, bool more)
{
    const char *p = s->pending.data;
    size_t i = 0;
    while (i < n) {
        const size_t valid = cmat_utf8_valid_prefix(p + i, n - i);
        size_t bad = 1;
        cmat_buf_add(&s->text, p + i, valid);
        i += valid;
        if (i == n)
            break;
        /* the longest run that starts a sequence but does not finish it is one U+FFFD */
        while (i + bad < n && bad < 3 && cmat_utf8_is_partial(p + i, bad + 1))
            bad++;
        if (!cmat_utf8_is_partial(p + i, bad))
            bad = 1;
        else if (i + bad == n && more)
            break;
        cmat_buf_puts(&s->text, "\xef\xbf\xbd");
        i += bad;
    }
    memmove(s->pending.data, s->pending.data + i, s->pending.len - i);
    cmat_buf_truncate(&s->pending, s->pending.len - i);
}

/* Where the first stop string begins in the pending bytes, or -1. */
static ptrdiff_t find_stop(const cmat_stream *s)
{
    ptrdiff_t best = -1;
    for (size_t k = 0; k < s->n_stop; k++) {
        const char *at = memmem(s->pending.data, s->pending.len, s->stop[k], strlen(s->stop[k]));
        if (at && (best < 0 || at - s->pending.data < best))
            best = at - s->pending.data;
    }
    return best;
}

/* Length of the longest end of the pending bytes that begins a stop string. */
static size_t stop_overlap(const cmat_stream *s)
{
    size_t n = s->longest > 0 ? s->longest - 1 : 0;
    for (n = n < s->pending.len ? n : s->pending.len; n > 0; n--) {
        const char *end = s->pending.data + s->pending.len - n;
        for (size_t k = 0; k < s->n_stop; k++) {
            if (n < strlen(s->stop[k]) && memcmp(s->stop[k], end, n) == 0)
                return n;
        }
    }
    return 0;
}

bool cmat_stream_add(cmat_stream *s, const char *bytes, size_t n)
{
    ptrdiff_t at;
    if (n == 0)
        return false;
    cmat_buf_add(&s->pending, bytes, n);
    if ((at = find_stop(s)) >= 0) {
        release(s, (size_t)at, false);
        cmat_buf_truncate(&s->pending, 0);
        return true;
    }
    release(s, s->pending.len - stop_overlap(s), true);
    return false;
}

void cmat_stream_end(cmat_stream *s)
{
    if (s->pending.len)
        release(s, s->pending.len, false);
}
