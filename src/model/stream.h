/* model/stream.h - the text of a sequence as its tokens come: whole UTF-8 only, and nothing that
 * may yet turn out to be the beginning of a stop string. */
#ifndef CMAT_MODEL_STREAM_H
#define CMAT_MODEL_STREAM_H
#include "core/buf.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char **stop; /* (n_stop), owned */
    size_t n_stop, longest;
    cmat_buf text;    /* final: valid UTF-8 (what is not becomes U+FFFD) */
    cmat_buf pending; /* bytes held back */
} cmat_stream;        /* all zero: empty, without stop strings */

/* Copies the NULL-ended stop strings (NULL: none); empty ones are passed over. */
void cmat_stream_init(cmat_stream *s, const char *const *stop);
void cmat_stream_clear(cmat_stream *s);
/* Adds bytes. True when a stop string is complete: text then ends before it and pending is empty.
 */
bool cmat_stream_add(cmat_stream *s, const char *bytes, size_t n);
/* The text has ended: what was held back belongs to it. */
void cmat_stream_end(cmat_stream *s);
#endif
