/* model/normalizer.h - what a tokenizer does to text before it looks for tokens: a list of steps,
 * each of which rewrites the whole text.
 *
 * Bytes that are not UTF-8 pass through every step but a charsmap, which writes U+FFFD for them.
 * Never changes after the last add: may be used by several threads. */
#ifndef CMAT_MODEL_NORMALIZER_H
#define CMAT_MODEL_NORMALIZER_H
#include "cmat/error.h"
#include "core/buf.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct cmat_normalizer cmat_normalizer;

typedef enum {
    CMAT_NORM_NFC,
    CMAT_NORM_NFKC,
    CMAT_NORM_REPLACE,    /* every `from` becomes `to` */
    CMAT_NORM_COLLAPSE,   /* two spaces and more become `to` */
    CMAT_NORM_TRIM_LEFT,  /* white space at the start goes; with from " " only spaces */
    CMAT_NORM_TRIM_RIGHT, /* ... at the end */
} cmat_norm_op;

cmat_normalizer *cmat_normalizer_new(void);
void cmat_normalizer_free(cmat_normalizer *n);
bool cmat_normalizer_is_empty(const cmat_normalizer *n);
/* Adds a step; from and to are copied, NULL where the step has none. */
void cmat_normalizer_add(cmat_normalizer *n, cmat_norm_op op, const char *from, const char *to);
/* Adds SentencePiece's precompiled_charsmap: u32 size of a double-array trie (in bytes,
 * little-endian), the trie, then the replacements, each ended by a NUL. Copied. CMAT_ERR_FORMAT
 * when it is not one. */
cmat_status cmat_normalizer_add_charsmap(cmat_normalizer *n, const void *data, size_t len,
                                         cmat_error *err);
/* Runs all steps. *text and *len are those of the input, and afterwards of the output: the input
 * itself when nothing had to change, else one of the two buffers, which are scratch. */
void cmat_normalizer_apply(const cmat_normalizer *n, const char **text, size_t *len,
                           cmat_buf scratch[2]);
#endif
