/* model/pretokenizer.h - cuts text into the pieces inside which BPE merges: by the patterns that a
 * GGUF names in tokenizer.ggml.pre, or by those that a tokenizer.json writes out.
 *
 * Patterns are stages: each cuts what the one before left whole, into its matches and the stretches
 * between them. A cmat_pretokenizer never changes after new. A cmat_pretok_scan belongs to one
 * thread at a time. */
#ifndef CMAT_MODEL_PRETOKENIZER_H
#define CMAT_MODEL_PRETOKENIZER_H
#include "cmat/error.h"
#include <stdbool.h>
#include <stddef.h>

enum { CMAT_PRETOK_STAGES = 8 };
/* The patterns of GPT-2, Mistral's Tekken and OpenAI's o200k, as cmat_pretokenizer_new takes them.
 */
extern const char cmat_pretok_gpt2[], cmat_pretok_tekken[], cmat_pretok_o200k[];

typedef struct cmat_pretokenizer cmat_pretokenizer;
typedef struct cmat_pretok_scan cmat_pretok_scan;

/* CMAT_ERR_UNSUPPORTED: a name that is not known. */
cmat_status cmat_pretokenizer_named(cmat_pretokenizer **out, const char *name, cmat_error *err);
/* From n (1 to CMAT_PRETOK_STAGES) patterns in the syntax of a tokenizer.json (Oniguruma's), which
 * come with a file and are not trusted: what PCRE2 would read in another way is
 * CMAT_ERR_UNSUPPORTED, and one that takes too long on a text leaves its rest whole. */
cmat_status cmat_pretokenizer_new(cmat_pretokenizer **out, const char *const *patterns, int n,
                                  cmat_error *err);
void cmat_pretokenizer_free(cmat_pretokenizer *p);
/* The name that GGUFs have for these patterns; NULL: none. */
const char *cmat_pretokenizer_name_of(const char *const *patterns, int n);
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
