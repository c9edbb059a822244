/* model/pretokenizer.h - cuts text into the pieces inside which BPE merges, by the pattern that a
 * GGUF names in tokenizer.ggml.pre.
 *
 * A cmat_pretokenizer never changes after new. A cmat_pretok_scan belongs to one thread at a time.
 */
#ifndef CMAT_MODEL_PRETOKENIZER_H
#define CMAT_MODEL_PRETOKENIZER_H
#include "cmat/error.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct cmat_pretokenizer cmat_pretokenizer;
typedef struct cmat_pretok_scan cmat_pretok_scan;

/* CMAT_ERR_UNSUPPORTED: a name that is not known. */
cmat_status cmat_pretokenizer_new(cmat_pretokenizer **out, const char *name, cmat_error *err);
void cmat_pretokenizer_free(cmat_pretokenizer *p);
/* True when a piece that is a whole token is taken as it is, without merging (Llama 3). */
bool cmat_pretokenizer_ignore_merges(const cmat_pretokenizer *p);

cmat_pretok_scan *cmat_pretok_scan_new(const cmat_pretokenizer *p);
void cmat_pretok_scan_free(cmat_pretok_scan *s);
/* text is borrowed until the last next. */
void cmat_pretok_scan_start(cmat_pretok_scan *s, const char *text, size_t len);
/* The next piece, or false at the end. *valid is false for a run of bytes that are not UTF-8: those
 * are not to be merged. The pieces put together are the text. */
bool cmat_pretok_scan_next(cmat_pretok_scan *s, const char **piece, size_t *len, bool *valid);
#endif
