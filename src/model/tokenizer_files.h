/* model/tokenizer_files.h - the readers of tokenizer files in a model's folder. All texts in the
 * spec are borrowed from what was read, which must live until the tokenizer is built. */
#ifndef CMAT_MODEL_TOKENIZER_FILES_H
#define CMAT_MODEL_TOKENIZER_FILES_H
#include "model/tokenizer_internal.h"
#include <jansson.h>

/* What the tokenizer of a folder is read from. */
typedef struct {
    json_t *tokenizer, *config, *generation, *model; /* NULL: not there */
    char *data; /* the bytes of tokenizer.model or qwen.tiktoken, when there is no tokenizer.json */
    size_t len;
    const char *data_name;
} cmat_tokenizer_files;

/* Reads a folder's files into *s, initialised by the caller, which borrows their texts; see
 * cmat_tokenizer_open. *f is to be closed in any case, after *s. */
cmat_status cmat_tokenizer_files_open(cmat_tokenizer_files *f, cmat_tokenizer_spec *s,
                                      const char *folder, int n_vocab, cmat_error *err);
void cmat_tokenizer_files_close(cmat_tokenizer_files *f);
/* A tokenizer.json of the tokenizers library: models BPE and Unigram with the normalizers,
 * pre-tokenizers, post-processors and decoders that language models use; another component is
 * CMAT_ERR_UNSUPPORTED and named. what: the file's name for messages. */
cmat_status cmat_tokenizer_read_json(cmat_tokenizer_spec *s, const json_t *file, const char *what,
                                     cmat_error *err);
/* A SentencePiece model (tokenizer.model). */
cmat_status cmat_tokenizer_read_spm(cmat_tokenizer_spec *s, const void *data, size_t len,
                                    const char *what, cmat_error *err);
/* The first Qwen's qwen.tiktoken; what it stands for is the spec's own. */
cmat_status cmat_tokenizer_read_tiktoken(cmat_tokenizer_spec *s, const char *data, size_t len,
                                         const char *what, cmat_error *err);
/* What tokenizer_config.json adds: control tokens by name, added tokens, add_bos_token. */
cmat_status cmat_tokenizer_read_config(cmat_tokenizer_spec *s, const json_t *config,
                                       const char *what, cmat_error *err);
/* One entry of added_tokens (or of added_tokens_decoder) as token `id`. */
cmat_status cmat_tokenizer_read_added(cmat_tokenizer_spec *s, int64_t id, const json_t *entry,
                                      const char *what, cmat_error *err);
#endif
