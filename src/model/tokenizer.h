/* model/tokenizer.h - byte-level BPE as in GPT-2, with the pre-tokenizer that the GGUF names.
 *
 * tokenizer.ggml.pre: "smollm" (every \p{N} split off singly, then the GPT-2 pattern), "llama-bpe"
 * (Llama 3), "qwen2", "gpt-2"/"default". Others are CMAT_ERR_UNSUPPORTED. Never changes after new:
 * may be used by several threads. */
#ifndef CMAT_MODEL_TOKENIZER_H
#define CMAT_MODEL_TOKENIZER_H
#include "cmat/error.h"
#include "core/buf.h"
#include "model/gguf.h"
#include <stdbool.h>

typedef struct cmat_tokenizer cmat_tokenizer;

/* The bytes of tokens are copied; g may be closed afterwards. */
cmat_status cmat_tokenizer_new(cmat_tokenizer **out, const cmat_gguf *g, cmat_error *err);
void cmat_tokenizer_free(cmat_tokenizer *t);

int cmat_tokenizer_n_vocab(const cmat_tokenizer *t);
int cmat_tokenizer_bos(const cmat_tokenizer *t); /* -1: none */
int cmat_tokenizer_eos(const cmat_tokenizer *t);
bool cmat_tokenizer_add_bos(const cmat_tokenizer *t);
/* True for eos and for the tokens that end a chat turn (<|im_end|>, <|eot_id|>, ...). */
bool cmat_tokenizer_is_end(const cmat_tokenizer *t, int token);
bool cmat_tokenizer_is_special(const cmat_tokenizer *t, int token);
int cmat_tokenizer_find(const cmat_tokenizer *t,
                        const char *text); /* the token of exactly this text, or -1 */

/* Appends the tokens of text to *tokens (grown; the caller's to free()). Any bytes are accepted;
 * invalid UTF-8 falls to byte tokens. special: control tokens written in the text ("<|im_end|>")
 * become their ids; otherwise they are plain text (use this for anything that a user or a tool
 * wrote). */
void cmat_tokenizer_encode(const cmat_tokenizer *t, const char *text, size_t len, bool special,
                           int32_t **tokens, size_t *n, size_t *cap);
/* Finds the first control token written in text: its place in *pos and its id in *token; returns
 * its length in bytes, 0 when there is none (then *pos is len). Among those at one place the
 * longest is taken. */
size_t cmat_tokenizer_find_special(const cmat_tokenizer *t, const char *text, size_t len,
                                   size_t *pos, int *token);
/* The bytes of one token (may be a part of a UTF-8 sequence); special tokens give their text.
 * Borrowed. */
const char *cmat_tokenizer_bytes(const cmat_tokenizer *t, int token, size_t *len);
/* Appends the text of tokens; special ones are left out unless special. */
void cmat_tokenizer_decode(const cmat_tokenizer *t, const int32_t *tokens, size_t n, bool special,
                           cmat_buf *out);
/* 64 hex digits over vocabulary, merges and pre-tokenizer: what an adapter was trained with. */
const char *cmat_tokenizer_hash(const cmat_tokenizer *t);
#endif
