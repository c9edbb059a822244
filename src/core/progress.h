/* core/progress.h - a progress bar with the time left, on stderr.
 *
 * On a terminal: one line, redrawn at most ten times a second. Otherwise: one plain line about
 * every ten seconds and one at the end, so that a log stays short. Nothing is drawn in the first
 * half second. Thread-safe for one writer at a time. */
#ifndef CMAT_CORE_PROGRESS_H
#define CMAT_CORE_PROGRESS_H
#include <stdint.h>

typedef struct cmat_progress cmat_progress;

/* label: "collect", "train actor" ... (copied). total <= 0: unknown, a spinner and a count. */
cmat_progress *cmat_progress_new(const char *label, int64_t total);
void cmat_progress_set(cmat_progress *p, int64_t done);
/* For a total that is known only later. */
void cmat_progress_set_total(cmat_progress *p, int64_t total);
/* Text shown after the time left, such as "loss 0.412": copied, cut at 60 characters. */
void cmat_progress_note(cmat_progress *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends the line and frees. NULL is accepted. */
void cmat_progress_free(cmat_progress *p);
/* Silences every bar (--quiet). */
void cmat_progress_set_quiet(int quiet);
#endif
