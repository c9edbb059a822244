/* model/tokenizer_gguf.c - the tokenizer of a GGUF: tokenizer.ggml.model "gpt2" (byte-level BPE
 * with merges), "llama" (SentencePiece's BPE with scores), "t5" (SentencePiece's unigram model). */
#include "model/tokenizer_internal.h"
#include <stdlib.h>
#include <string.h>

#define KEY(name) "tokenizer.ggml." name

static const struct {
    const char *name;
    cmat_tokenizer_model model;
    bool space_prefix, add_bos; /* when the file does not say */
} kinds[] = {
    {"gpt2", CMAT_TOKENS_BYTE_BPE, false, false},
    {"llama", CMAT_TOKENS_SCORED, true, true},
    {"t5", CMAT_TOKENS_UNIGRAM, true, false},
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

static cmat_status tokens_load(const cmat_gguf *g, cmat_tokenizer_spec *s, cmat_error *err)
{
    size_t n = 0, n_types = 0, n_scores = 0;
    int32_t *types = NULL;
    float *scores = NULL;
    const bool scored = s->model == CMAT_TOKENS_SCORED || s->model == CMAT_TOKENS_UNIGRAM;
    cmat_token_spec *k;
    cmat_status st = cmat_gguf_strings(g, KEY("tokens"), &n, err);
    if (st == CMAT_OK && n > 0)
        st = cmat_tokenizer_spec_token(s, (int64_t)n - 1, &k, err);
    if (st == CMAT_OK && cmat_gguf_has(g, KEY("token_type")))
        st = cmat_gguf_ints(g, KEY("token_type"), &types, &n_types, err);
    if (st == CMAT_OK && scored)
        st = cmat_gguf_floats(g, KEY("scores"), &scores, &n_scores, err);
    if (st == CMAT_OK && types && n_types != n)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: %zu token types for %zu tokens", n_types,
                       n);
    if (st == CMAT_OK && scored && n_scores != n)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: %zu scores for %zu tokens", n_scores, n);
    for (size_t i = 0; st == CMAT_OK && i < n; i++) {
        int32_t type = types ? types[i] : CMAT_TOKEN_NORMAL;
        k = &s->tokens[i];
        cmat_gguf_string_at(g, KEY("tokens"), i, &k->s, &k->len);
        k->type = type >= 1 && type <= CMAT_TOKEN_BYTE ? (uint8_t)type : CMAT_TOKEN_NORMAL;
        k->score = scored ? (double)scores[i] : 0;
        /* with bytes, normalizing changes nothing; one search for all tokens is enough then */
        k->raw = s->model == CMAT_TOKENS_BYTE_BPE;
    }
    free(types);
    free(scores);
    return st;
}

static cmat_status merges_load(const cmat_gguf *g, cmat_tokenizer_spec *s, cmat_error *err)
{
    size_t n = 0;
    cmat_status st = cmat_gguf_strings(g, KEY("merges"), &n, err);
    if (st != CMAT_OK)
        return st;
    s->merges = cmat_xgrow(NULL, &s->cap_merges, n + 1, sizeof *s->merges);
    for (size_t i = 0; i < n; i++) {
        const char *m, *space;
        size_t len;
        cmat_gguf_string_at(g, KEY("merges"), i, &m, &len);
        space = len > 1 ? memchr(m + 1, ' ', len - 1) : NULL;
        if (!space)
            return cmat_fail(err, CMAT_ERR_FORMAT,
                             "tokenizer: merge %zu is not two tokens that make a third", i);
        s->merges[s->n_merges++] = (cmat_merge_spec){.left = m,
                                                     .n_left = (size_t)(space - m),
                                                     .right = space + 1,
                                                     .n_right = (size_t)(m + len - space - 1)};
    }
    return CMAT_OK;
}

static cmat_status id_load(const cmat_gguf *g, const char *key, int *id, cmat_error *err)
{
    int64_t v = -1;
    *id = -1;
    if (!cmat_gguf_has(g, key))
        return CMAT_OK;
    cmat_status st = cmat_gguf_int(g, key, &v, err);
    if (st != CMAT_OK || v == -1 || v == UINT32_MAX)
        return st;
    if (v < 0 || v > INT32_MAX)
        return cmat_fail(err, CMAT_ERR_FORMAT, "tokenizer: %s is %lld", key, (long long)v);
    *id = (int)v;
    return CMAT_OK;
}

static cmat_status ids_load(const cmat_gguf *g, cmat_tokenizer_spec *s, cmat_error *err)
{
    int eot = -1, eom = -1;
    cmat_status st;
    if ((st = id_load(g, KEY("bos_token_id"), &s->bos, err)) != CMAT_OK ||
        (st = id_load(g, KEY("eos_token_id"), &s->eos, err)) != CMAT_OK ||
        (st = id_load(g, KEY("unknown_token_id"), &s->unk, err)) != CMAT_OK ||
        (st = id_load(g, KEY("eot_token_id"), &eot, err)) != CMAT_OK ||
        (st = id_load(g, KEY("eom_token_id"), &eom, err)) != CMAT_OK)
        return st;
    cmat_tokenizer_spec_end(s, eot);
    cmat_tokenizer_spec_end(s, eom);
    return cmat_gguf_has(g, KEY("add_bos_token"))
               ? cmat_gguf_bool(g, KEY("add_bos_token"), &s->add_bos, err)
               : CMAT_OK;
}

/* How SentencePiece looks at text. */
static cmat_status spaces_load(const cmat_gguf *g, cmat_tokenizer_spec *s, bool prefix,
                               cmat_error *err)
{
    bool collapse = s->model == CMAT_TOKENS_UNIGRAM;
    cmat_status st = CMAT_OK;
    s->meta_space = true;
    s->whole = s->model == CMAT_TOKENS_UNIGRAM;
    if (cmat_gguf_has(g, KEY("add_space_prefix")))
        st = cmat_gguf_bool(g, KEY("add_space_prefix"), &prefix, err);
    if (st == CMAT_OK && cmat_gguf_has(g, KEY("remove_extra_whitespaces")))
        st = cmat_gguf_bool(g, KEY("remove_extra_whitespaces"), &collapse, err);
    s->prefix = prefix ? CMAT_PREFIX_ALL : CMAT_PREFIX_NONE;
    if (st == CMAT_OK && cmat_gguf_has(g, KEY("precompiled_charsmap"))) {
        int32_t *v = NULL;
        size_t n = 0;
        st = cmat_gguf_ints(g, KEY("precompiled_charsmap"), &v, &n, err);
        char *bytes = st == CMAT_OK ? cmat_xmalloc(n + 1) : NULL;
        for (size_t i = 0; bytes && i < n; i++)
            bytes[i] = (char)v[i];
        if (bytes && n > 0)
            st = cmat_normalizer_add_charsmap(cmat_tokenizer_spec_norm(s), bytes, n, err);
        free(bytes);
        free(v);
    }
    if (st == CMAT_OK && collapse) {
        cmat_normalizer_add(cmat_tokenizer_spec_norm(s), CMAT_NORM_TRIM_LEFT, " ", NULL);
        cmat_normalizer_add(s->norm, CMAT_NORM_TRIM_RIGHT, " ", NULL);
        cmat_normalizer_add(s->norm, CMAT_NORM_COLLAPSE, NULL, " ");
    }
    return st;
}

static cmat_status kind_load(const cmat_gguf *g, cmat_tokenizer_spec *s, cmat_error *err)
{
    const char *model = NULL;
    size_t kind = 0;
    cmat_status st = cmat_gguf_str(g, KEY("model"), &model, err);
    if (st != CMAT_OK)
        return st;
    while (kind < N_KINDS && strcmp(kinds[kind].name, model) != 0)
        kind++;
    if (kind == N_KINDS)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "tokenizer: kind \"%.64s\" is not supported (gpt2, llama, t5 are)", model);
    s->model = kinds[kind].model;
    s->add_bos = kinds[kind].add_bos;
    if (s->model != CMAT_TOKENS_BYTE_BPE)
        return spaces_load(g, s, kinds[kind].space_prefix, err);
    s->pre = "default";
    return cmat_gguf_has(g, KEY("pre")) ? cmat_gguf_str(g, KEY("pre"), &s->pre, err) : CMAT_OK;
}

/* Phi-3's control tokens swallow the white space behind them, which no key of a GGUF tells. */
static void phi3_mark(const cmat_gguf *g, cmat_tokenizer_spec *s)
{
    const char *arch = NULL;
    if (s->model != CMAT_TOKENS_SCORED || !cmat_gguf_has(g, "general.architecture") ||
        cmat_gguf_str(g, "general.architecture", &arch, NULL) != CMAT_OK ||
        strcmp(arch, "phi3") != 0)
        return;
    for (size_t i = 0; i < s->n_tokens; i++) {
        cmat_token_spec *k = &s->tokens[i];
        k->strips_right = (k->type == CMAT_TOKEN_CONTROL || k->type == CMAT_TOKEN_USER) &&
                          k->len > 2 && memcmp(k->s, "<|", 2) == 0 &&
                          !(k->len == 13 && memcmp(k->s, "<|endoftext|>", 13) == 0);
    }
}

cmat_status cmat_tokenizer_new(cmat_tokenizer **out, const cmat_gguf *g, cmat_error *err)
{
    cmat_tokenizer_spec s;
    cmat_status st;
    *out = NULL;
    cmat_tokenizer_spec_init(&s);
    if ((st = kind_load(g, &s, err)) == CMAT_OK && (st = tokens_load(g, &s, err)) == CMAT_OK &&
        (st = ids_load(g, &s, err)) == CMAT_OK && s.model == CMAT_TOKENS_BYTE_BPE)
        st = merges_load(g, &s, err);
    if (st == CMAT_OK) {
        phi3_mark(g, &s);
        st = cmat_tokenizer_build(out, &s, err);
    }
    cmat_tokenizer_spec_clear(&s);
    return st;
}
