/* progress.c - a progress bar with the time left. */
#include "core/progress.h"
#include "core/cancel.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cmat_progress {
    char label[48], note[64];
    int64_t total, done, first; /* first: where it stood when drawn first (a resumed run) */
    double start, last;
    bool shown, has_first;
};

static bool quiet;

void cmat_progress_set_quiet(int on)
{
    quiet = on != 0;
}

cmat_progress *cmat_progress_new(const char *label, int64_t total)
{
    cmat_progress *p = cmat_xcalloc(1, sizeof *p);
    snprintf(p->label, sizeof p->label, "%s", label);
    p->total = total;
    p->start = p->last = cmat_now();
    return p;
}

static void draw(cmat_progress *p, double now, bool last)
{
    enum { WIDTH = 24 };
    char bar[WIDTH * 3 + 1], left[32] = "";
    double elapsed = now - p->start;
    int64_t moved = p->done - p->first;
    bool tty = cmat_tty() != 0;

    if (last)
        cmat_text_seconds(left, sizeof left, elapsed);
    else if (p->total > 0 && moved > 0)
        cmat_text_seconds(left, sizeof left,
                          elapsed * (double)(p->total - p->done) / (double)moved);
    if (p->total > 0) {
        int fill = (int)((double)p->done / (double)p->total * WIDTH);
        size_t n = 0;
        for (int i = 0; i < WIDTH; i++)
            n += (size_t)snprintf(bar + n, sizeof bar - n, "%s",
                                  i < fill ? "\xe2\x96\x88" : "\xc2\xb7");
        fprintf(stderr, "%s%-16s %s %lld/%lld  %s%s  %s%s", tty ? "\r\033[K" : "", p->label, bar,
                (long long)p->done, (long long)p->total, left, last || !*left ? "" : " left",
                p->note, tty && !last ? "" : "\n");
    } else {
        fprintf(stderr, "%s%-16s %lld  %s  %s%s", tty ? "\r\033[K" : "", p->label,
                (long long)p->done, left, p->note, tty && !last ? "" : "\n");
    }
    fflush(stderr);
    p->shown = true;
    p->last = now;
}

void cmat_progress_set(cmat_progress *p, int64_t done)
{
    double now = cmat_now();

    if (!p->has_first) {
        p->first = done > 1 ? done : 0;
        p->has_first = true;
    }
    p->done = done;
    if (quiet || now - p->start < 0.5 || now - p->last < (cmat_tty() ? 0.1 : 10.0))
        return;
    draw(p, now, false);
}

void cmat_progress_set_total(cmat_progress *p, int64_t total)
{
    p->total = total;
}

void cmat_progress_note(cmat_progress *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->note, sizeof p->note, fmt, ap);
    va_end(ap);
}

void cmat_progress_free(cmat_progress *p)
{
    if (!p)
        return;
    double now = cmat_now();
    if (!quiet && (p->shown || now - p->start >= 0.5))
        draw(p, now, true);
    free(p);
}
