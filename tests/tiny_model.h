/* tests/tiny_model.h - writes a tiny random-weight llama GGUF, with a byte-level vocabulary and the
 * ChatML template, for tests that need a model but not a clever one. */
#ifndef TINY_MODEL_H
#define TINY_MODEL_H
#include "kernel/quant.h"
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int n_layers, n_heads, n_kv_heads, n_embd, n_ff, n_ctx; /* 0: 2, 4, 2, 64, 128, 512 */
    int n_vocab; /* 0: TINY_VOCAB; more: filled with unused tokens */
    const char *const
        *more;      /* instead of unused ones: tokens in GPT-2's spelling; NULL at the end */
    cmat_type type; /* of the matrices: F32 (0), F16, BF16, Q8_0, Q4_0, Q4_1; rows are multiples of
                       32 then */
    bool untied;    /* writes output.weight */
    uint64_t seed;
    float std;        /* of the weights; 0: 0.05 */
} tiny_model_options; /* all zero: the defaults */

/* 32 wide, 2 heads, 1 key/value head, with larger weights: of vectors kept in the repository. */
extern const tiny_model_options tiny_model_small;

enum { /* token ids: 0..255 are single bytes in GPT-2's order (33..126 first), then the merges */
       TINY_N_MERGES = 16,
       TINY_EOT = 256 + TINY_N_MERGES, /* <|endoftext|> */
       TINY_IM_START,                  /* <|im_start|>, bos */
       TINY_IM_END,                    /* <|im_end|>, eos */
       TINY_VOCAB
};

/* Writes the file (replacing one of that name); a failed write fails the test. o NULL: the
 * defaults. */
void tiny_model_write(const char *path, const tiny_model_options *o);
/* "<CMAT_TMP or TMPDIR or /tmp>/cmat-PID-<name>": the caller's to free() and to remove. */
char *tiny_tmp_path(const char *name);
#endif
