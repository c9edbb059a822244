/* model/tokenizer_internal.h - what the readers of tokenizer files, the vocabulary and the encoder
 * share.
 *
 * A reader (GGUF, tokenizer.json, tokenizer.model) fills a cmat_tokenizer_spec, which borrows all
 * texts from the file; cmat_tokenizer_build checks it and makes the tokenizer. */
#ifndef CMAT_MODEL_TOKENIZER_INTERNAL_H
#define CMAT_MODEL_TOKENIZER_INTERNAL_H
#include "core/mem.h"
#include "model/bpe.h"
#include "model/normalizer.h"
#include "model/pretokenizer.h"
#include "model/tokenizer.h"
#include "model/trie.h"
#include "model/unigram.h"
#include <pthread.h>

/* --- what a file says ------------------------------------------------------------------------ */

/* The numbers of GGUF and of SentencePiece. */
typedef enum {
    CMAT_TOKEN_NORMAL = 1,
    CMAT_TOKEN_UNKNOWN,
    CMAT_TOKEN_CONTROL,
    CMAT_TOKEN_USER,
    CMAT_TOKEN_UNUSED,
    CMAT_TOKEN_BYTE
} cmat_token_type;

typedef enum {
    CMAT_TOKENS_BYTE_BPE, /* BPE over bytes, written in GPT-2's alphabet; merges in order */
    CMAT_TOKENS_CHAR_BPE, /* BPE over characters; merges in order */
    CMAT_TOKENS_SCORED, /* BPE over characters; any two tokens that make a third merge, the third's
                           score first (SentencePiece) */
    CMAT_TOKENS_UNIGRAM
} cmat_tokenizer_model;

/* Where a space is put before a text, so that its first word looks like any other. */
typedef enum {
    CMAT_PREFIX_NONE,
    CMAT_PREFIX_FIRST, /* at the start of the text */
    CMAT_PREFIX_ALL    /* ... and behind every control token */
} cmat_space_prefix;

typedef struct {
    const char *s;
    size_t len;
    double score;
    uint8_t type; /* cmat_token_type */
    bool raw;     /* a user's token that is looked for before the text is normalized */
    bool strips_left, strips_right; /* swallows the white space before, behind it */
} cmat_token_spec;

typedef struct {
    const char *left, *right;
    size_t n_left, n_right;
} cmat_merge_spec;

typedef struct {
    cmat_tokenizer_model model;
    cmat_token_spec *tokens; /* (n_tokens), the spec's; s NULL: an id that no token has */
    size_t n_tokens, cap_tokens;
    cmat_merge_spec *merges; /* (n_merges), the spec's */
    size_t n_merges, cap_merges;
    const char
        *pre; /* name of the pre-tokenizer, for the hash; without patterns also what it does */
    const char *patterns[CMAT_PRETOK_STAGES]; /* the pre-tokenizer, written out */
    int n_patterns;
    cmat_normalizer *norm; /* the spec's until it is built; NULL: no steps */
    cmat_space_prefix prefix;
    bool prefix_unless_there; /* a text that begins with a space gets no other one */
    bool meta_space;          /* U+2581 in tokens is a space */
    bool split_spaces;        /* each space begins a piece */
    bool whole;               /* SentencePiece's unigram model: sums go through the whole text */
    bool ignore_merges;       /* a piece that is a token is taken as it is */
    bool separate_unk;        /* unknown characters in a row are an unknown token each */
    int bos, eos, unk, pad;   /* -1: none; pad is for exports alone */
    bool add_bos;
    int *ends; /* other tokens that end a turn (n_ends), the spec's */
    size_t n_ends, cap_ends;
    cmat_arena arena; /* for what a reader has to make up */
} cmat_tokenizer_spec;

void cmat_tokenizer_spec_init(cmat_tokenizer_spec *s);
void cmat_tokenizer_spec_clear(cmat_tokenizer_spec *s);
/* The token of this id, made when it is new. CMAT_ERR_FORMAT: an id beyond what a vocabulary can
 * have. */
cmat_status cmat_tokenizer_spec_token(cmat_tokenizer_spec *s, int64_t id, cmat_token_spec **out,
                                      cmat_error *err);
void cmat_tokenizer_spec_end(cmat_tokenizer_spec *s, int id);
cmat_normalizer *cmat_tokenizer_spec_norm(cmat_tokenizer_spec *s); /* made on first use */
/* Everything is copied; s stays the caller's. */
cmat_status cmat_tokenizer_build(cmat_tokenizer **out, cmat_tokenizer_spec *s, cmat_error *err);
/* The byte that "<0xE6>" stands for, or -1. */
int cmat_token_byte(const char *s, size_t len);

/* --- the tokenizer --------------------------------------------------------------------------- */

enum {
    CMAT_TOKEN_FLAG_END = 1,
    CMAT_TOKEN_FLAG_CONTROL = 2,
    CMAT_TOKEN_FLAG_USER = 4,
    CMAT_TOKEN_FLAG_APART = 8, /* never comes out of merging: bytes, ids without a token */
    CMAT_TOKEN_FLAG_LEFT = 16, /* strips_left, strips_right */
    CMAT_TOKEN_FLAG_RIGHT = 32,
    CMAT_TOKEN_FLAG_SPECIAL = CMAT_TOKEN_FLAG_CONTROL | CMAT_TOKEN_FLAG_USER
};

typedef struct {
    uint32_t offset, len; /* in the text block */
    uint32_t flags;
} cmat_token_info;

enum { CMAT_PIECE_CACHE = 4096, CMAT_PIECE_KEY = 22, CMAT_PIECE_IDS = 10 };

typedef struct {
    uint8_t len, n;
    char key[CMAT_PIECE_KEY];
    int32_t ids[CMAT_PIECE_IDS];
} cmat_cached_piece; /* len 0: free */

/* What one thread needs while it encodes. */
typedef struct cmat_encoder {
    struct cmat_encoder *next;
    cmat_pretok_scan *scan; /* NULL: no patterns */
    cmat_bpe_work work;
    cmat_unigram_work lattice;
    cmat_buf norm[2];
    cmat_cached_piece cache[CMAT_PIECE_CACHE];
} cmat_encoder;

typedef struct {
    pthread_mutex_t lock;
    cmat_encoder *idle;
} cmat_encoder_pool;

/* How a piece of text becomes ids: in e->work.ids; returns their number. */
typedef size_t (*cmat_piece_encode)(const cmat_tokenizer *t, cmat_encoder *e, const char *s,
                                    size_t len);

struct cmat_tokenizer {
    cmat_token_info *tokens;
    int n_vocab;
    char *text; /* all tokens' bytes, each followed by a NUL */
    size_t text_len;
    uint32_t *slots; /* hash of (bytes, special or not) to id + 1; 0: free */
    size_t slot_mask;
    int32_t byte_ids[256]; /* -1: no such token */
    cmat_tokenizer_model model;
    cmat_piece_encode encode;
    cmat_bpe bpe;
    uint32_t *ranks;  /* (n_vocab) of CMAT_TOKENS_SCORED: order of the scores, highest first */
    uint32_t longest; /* bytes of the longest token that merging can give */
    cmat_unigram unigram;
    cmat_pretokenizer *pre; /* NULL: pieces are cut at spaces */
    bool
        cut_after[256]; /* a space behind this byte begins a piece: no token has one inside there */
    bool whole, split_spaces, ignore_merges, separate_unk, prefix_unless_there, meta_space;
    cmat_space_prefix prefix;
    cmat_normalizer *norm;
    cmat_trie controls, raw_users, users;
    int bos, eos, unk;
    bool add_bos;
    char hash[65];
    cmat_encoder_pool *pool;
};

/* The token of these bytes, or -1. */
int cmat_vocab_find(const cmat_tokenizer *t, const char *s, size_t len, bool special);
/* The encoder for a model; and its pool. */
cmat_piece_encode cmat_piece_encoder(cmat_tokenizer_model model);
uint32_t cmat_scored_find(const void *tokenizer, int32_t left, int32_t right, int32_t *id);
cmat_encoder_pool *cmat_encoder_pool_new(void);
void cmat_encoder_pool_free(cmat_encoder_pool *p);
#endif
