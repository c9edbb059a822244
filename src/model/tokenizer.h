/* model/tokenizer.h - text to tokens and back: byte-level BPE (GPT-2, Llama 3, Qwen, SmolLM),
 * SentencePiece's BPE with byte fallback (Llama 2, Mistral, Gemma, Phi-3) and its unigram model.
 *
 * Comes from a GGUF, from a tokenizer.json, a SentencePiece tokenizer.model or a qwen.tiktoken;
 * what a file asks for and cmat does not do is CMAT_ERR_UNSUPPORTED and named. Never changes after
 * new: may be used by several threads. */
#ifndef CMAT_MODEL_TOKENIZER_H
#define CMAT_MODEL_TOKENIZER_H
#include "cmat/error.h"
#include "core/buf.h"
#include "model/gguf.h"
#include <stdbool.h>

typedef struct cmat_tokenizer cmat_tokenizer;

/* The bytes of tokens are copied; g may be closed afterwards. */
cmat_status cmat_tokenizer_new(cmat_tokenizer **out, const cmat_gguf *g, cmat_error *err);
/* From a model's folder: its tokenizer.json, else its tokenizer.model or qwen.tiktoken; what
 * tokenizer_config.json, generation_config.json and config.json add, where they are there. n_vocab:
 * rows of the embedding matrix (0: as many as tokens); ids beyond the file's tokens are there but
 * stand for nothing. */
cmat_status cmat_tokenizer_open(cmat_tokenizer **out, const char *folder, int n_vocab,
                                cmat_error *err);
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

/* Where in a text the bytes to encode stand: some tokenizers put a space before its beginning. */
typedef enum {
    CMAT_TEXT_START,         /* at its beginning */
    CMAT_TEXT_AFTER_CONTROL, /* behind a control token */
    CMAT_TEXT_INSIDE         /* behind other text */
} cmat_text_place;

/* Appends the tokens of text to *tokens (grown; the caller's to free()). Any bytes are accepted;
 * invalid UTF-8 falls to byte tokens. special: control tokens written in the text ("<|im_end|>")
 * become their ids; otherwise they are plain text (use this for anything that a user or a tool
 * wrote). */
void cmat_tokenizer_encode(const cmat_tokenizer *t, const char *text, size_t len, bool special,
                           int32_t **tokens, size_t *n, size_t *cap);
/* The same for a part of a longer text. */
void cmat_tokenizer_encode_at(const cmat_tokenizer *t, const char *text, size_t len, bool special,
                              cmat_text_place place, int32_t **tokens, size_t *n, size_t *cap);
/* How many bytes the tokens of text decode to: len, unless the tokenizer normalizes text (a space
 * put before it, composed accents). */
size_t cmat_tokenizer_normal_len(const cmat_tokenizer *t, const char *text, size_t len,
                                 cmat_text_place place);
/* Finds the first control token written in text: its place in *pos and its id in *token; returns
 * its length in bytes, 0 when there is none (then *pos is len). Among those at one place the
 * longest is taken. White space that the token swallows counts as part of it. */
size_t cmat_tokenizer_find_special(const cmat_tokenizer *t, const char *text, size_t len,
                                   size_t *pos, int *token);
/* The bytes of one token (may be a part of a UTF-8 sequence); special tokens give their text.
 * Borrowed. */
const char *cmat_tokenizer_bytes(const cmat_tokenizer *t, int token, size_t *len);
/* Appends the text of tokens; special ones are left out unless special. A space that encoding put
 * before the text is there. */
void cmat_tokenizer_decode(const cmat_tokenizer *t, const int32_t *tokens, size_t n, bool special,
                           cmat_buf *out);
/* 64 hex digits over vocabulary, merges and pre-tokenizer: what an adapter was trained with. */
const char *cmat_tokenizer_hash(const cmat_tokenizer *t);
#endif
