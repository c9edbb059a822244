/* model/export_gguf_tokenizer.c - the tokenizer and the chat template of a model's folder, as a
 * GGUF has them. */
#include "core/log.h"
#include "core/mem.h"
#include "model/export_internal.h"
#include "model/hf_folder.h"
#include "model/tokenizer_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name

typedef struct {
    const cmat_tokenizer *t;
    cmat_tokenizer_spec spec;
    cmat_tokenizer_files files;
    cmat_gguf_writer *w;
    cmat_error *err;
} job;

/* GGUF's name of the kind, and of the pre-tokenizer. */
static cmat_status set_kind(job *j)
{
    cmat_tokenizer_spec *s = &j->spec;
    const bool bytes = s->model == CMAT_TOKENS_BYTE_BPE;
    const char *pre =
        s->n_patterns ? cmat_pretokenizer_name_of(s->patterns, s->n_patterns) : s->pre;
    if (s->model == CMAT_TOKENS_UNIGRAM)
        return cmat_fail(j->err, CMAT_ERR_UNSUPPORTED,
                         "no GGUF is written of a model with a unigram tokenizer");
    if (!bytes && (!s->meta_space || (s->norm && !cmat_normalizer_is_empty(s->norm))))
        return cmat_fail(j->err, CMAT_ERR_UNSUPPORTED,
                         "this tokenizer changes texts in a way that a GGUF cannot tell");
    cmat_gguf_writer_str(j->w, KEY("model"), bytes ? "gpt2" : "llama");
    if (!bytes) {
        cmat_gguf_writer_str(j->w, KEY("pre"), "default");
        cmat_gguf_writer_bool(j->w, KEY("add_space_prefix"), s->prefix != CMAT_PREFIX_NONE);
        if (s->prefix == CMAT_PREFIX_FIRST || (s->prefix && s->prefix_unless_there))
            cmat_warn(
                "export: with the GGUF a space is put before texts behind control tokens and "
                "before those that begin with one, too: these become other tokens");
        return CMAT_OK;
    }
    if (!pre)
        return cmat_fail(j->err, CMAT_ERR_UNSUPPORTED,
                         "GGUF has no name for how this tokenizer cuts texts into pieces");
    if (s->prefix != CMAT_PREFIX_NONE)
        return cmat_fail(j->err, CMAT_ERR_UNSUPPORTED,
                         "a GGUF cannot tell that this tokenizer puts a space before texts");
    if (strcmp(pre, "llama-bpe") == 0 && !s->ignore_merges)
        pre = "smaug-bpe";
    cmat_gguf_writer_str(j->w, KEY("pre"), pre);
    return CMAT_OK;
}

static const char *copy(job *j, const char *s, size_t len)
{
    char *out = cmat_arena_alloc(&j->spec.arena, len + 1);
    memcpy(out, s, len);
    out[len] = '\0';
    return out;
}

/* Ids that no token has get a name, as llama.cpp's converter gives it. */
static void set_tokens(job *j)
{
    const cmat_tokenizer_spec *s = &j->spec;
    const char **texts = cmat_xcalloc(s->n_tokens, sizeof *texts);
    int32_t *types = cmat_xcalloc(s->n_tokens, sizeof *types);
    for (size_t i = 0; i < s->n_tokens; i++) {
        const cmat_token_spec *k = &s->tokens[i];
        char pad[32];
        snprintf(pad, sizeof pad, "[PAD%zu]", i);
        texts[i] = k->s ? copy(j, k->s, k->len) : copy(j, pad, strlen(pad));
        types[i] = !k->s ? CMAT_TOKEN_UNUSED : k->type ? k->type : CMAT_TOKEN_NORMAL;
    }
    cmat_gguf_writer_strings(j->w, KEY("tokens"), texts, s->n_tokens);
    cmat_gguf_writer_i32s(j->w, KEY("token_type"), types, s->n_tokens);
    free(texts);
    free(types);
}

static const char *merge_text(job *j, const cmat_merge_spec *m, const char *between)
{
    const size_t n = strlen(between);
    char *out = cmat_arena_alloc(&j->spec.arena, m->n_left + n + m->n_right + 1);
    memcpy(out, m->left, m->n_left);
    memcpy(out + m->n_left, between, n);
    memcpy(out + m->n_left + n, m->right, m->n_right);
    out[m->n_left + n + m->n_right] = '\0';
    return out;
}

static void set_merges(job *j)
{
    const cmat_tokenizer_spec *s = &j->spec;
    const char **texts = cmat_xcalloc(s->n_merges + 1, sizeof *texts);
    for (size_t i = 0; i < s->n_merges; i++)
        texts[i] = merge_text(j, &s->merges[i], " ");
    cmat_gguf_writer_strings(j->w, KEY("merges"), texts, s->n_merges);
    free(texts);
}

/* SentencePiece merges what makes the token of the highest score. A tokenizer.json has the merges
 * instead, in that order: the first that makes a token gives its score. */
static void set_scores(job *j)
{
    const cmat_tokenizer_spec *s = &j->spec;
    float *scores = cmat_xcalloc(s->n_tokens, sizeof *scores);
    const json_t *vocab = json_object_get(json_object_get(j->files.tokenizer, "model"), "vocab");
    for (size_t i = 0; i < s->n_tokens; i++)
        scores[i] = s->model == CMAT_TOKENS_SCORED           ? (float)s->tokens[i].score
                    : s->tokens[i].type == CMAT_TOKEN_NORMAL ? -(float)(s->n_merges + 1)
                                                             : 0;
    for (size_t i = s->model == CMAT_TOKENS_SCORED ? 0 : s->n_merges; i > 0; i--) {
        const json_t *id = json_object_get(vocab, merge_text(j, &s->merges[i - 1], ""));
        if (json_is_integer(id) && (size_t)json_integer_value(id) < s->n_tokens)
            scores[json_integer_value(id)] = -(float)i;
    }
    cmat_gguf_writer_f32s(j->w, KEY("scores"), scores, s->n_tokens);
    free(scores);
}

static void set_id(job *j, const char *key, int id)
{
    if (id >= 0 && (size_t)id < j->spec.n_tokens)
        cmat_gguf_writer_u32(j->w, key, (uint32_t)id);
}

static void set_ids(job *j)
{
    const int eos = cmat_tokenizer_eos(j->t);
    set_id(j, KEY("bos_token_id"), cmat_tokenizer_bos(j->t));
    set_id(j, KEY("eos_token_id"), eos);
    set_id(j, KEY("unknown_token_id"), j->spec.unk);
    set_id(j, KEY("padding_token_id"), j->spec.pad);
    for (size_t i = 0; i < j->spec.n_ends; i++)
        if (j->spec.ends[i] != eos) { /* there is room for one */
            set_id(j, KEY("eot_token_id"), j->spec.ends[i]);
            break;
        }
    cmat_gguf_writer_bool(j->w, KEY("add_bos_token"), cmat_tokenizer_add_bos(j->t));
    cmat_gguf_writer_bool(j->w, KEY("add_eos_token"), false);
}

cmat_status export_gguf_tokenizer(cmat_gguf_writer *w, const cmat_model *m, cmat_error *err)
{
    job j = {.t = m->tokenizer, .w = w, .err = err};
    char *template = NULL;
    cmat_tokenizer_spec_init(&j.spec);
    cmat_status st = cmat_tokenizer_files_open(&j.files, &j.spec, m->path, m->config.n_vocab, err);
    if (st == CMAT_OK)
        st = set_kind(&j);
    if (st == CMAT_OK) {
        set_tokens(&j);
        if (j.spec.model == CMAT_TOKENS_BYTE_BPE)
            set_merges(&j);
        else
            set_scores(&j);
        set_ids(&j);
        st = cmat_hf_folder_template(m->path, &template, err);
    }
    if (template)
        cmat_gguf_writer_str(w, "tokenizer.chat_template", template);
    free(template);
    cmat_tokenizer_spec_clear(&j.spec);
    cmat_tokenizer_files_close(&j.files);
    return st;
}
