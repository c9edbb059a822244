/* model/export_hf_spm.c - SentencePiece's BPE, which a GGUF has as scores, as the components of a
 * tokenizer.json, which has merges.
 *
 * SentencePiece merges the two neighbours that make the token of the highest score. So every split
 * of a token into two others is a merge, and merges stand in the order of the scores of what they
 * make. */
#include "core/mem.h"
#include "model/export_internal.h"

#include <stdlib.h>
#include <string.h>

#define META_SPACE "\xe2\x96\x81" /* U+2581 */

typedef struct {
    const char *text; /* of the token it makes */
    size_t n_left, n_right;
    float score;
    int n_chars_left, id;
} merge;

typedef struct {
    merge *items;
    size_t n, cap;
} merges;

/* The highest score first; of one token, the longest left part. */
static int by_score(const void *a, const void *b)
{
    const merge *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->n_chars_left != y->n_chars_left)
        return x->n_chars_left > y->n_chars_left ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static bool is_token(const json_t *ids, const char *s, size_t len)
{
    char text[256];
    if (len >= sizeof text)
        return false;
    memcpy(text, s, len);
    text[len] = '\0';
    return json_object_get(ids, text) != NULL;
}

static void splits_add(merges *m, const json_t *ids, const char *text, float score, int id)
{
    const size_t len = strlen(text);
    int n_chars = 1;
    for (size_t i = 1; i < len; i++) {
        if (((unsigned char)text[i] & 0xc0) == 0x80) /* inside of a character */
            continue;
        if (is_token(ids, text, i) && is_token(ids, text + i, len - i)) {
            m->items = cmat_xgrow(m->items, &m->cap, m->n + 1, sizeof *m->items);
            m->items[m->n++] = (merge){.text = text,
                                       .n_left = i,
                                       .n_right = len - i,
                                       .score = score,
                                       .n_chars_left = n_chars,
                                       .id = id};
        }
        n_chars++;
    }
}

/* ids: what can be merged: the texts of ordinary tokens, to their ids. */
static json_t *merges_json(const json_t *ids, const float *scores)
{
    merges m = {0};
    json_t *list = json_array(), *id;
    const char *text;
    json_object_foreach((json_t *)ids, text, id)
    {
        const int i = (int)json_integer_value(id);
        splits_add(&m, ids, text, scores[i], i);
    }
    if (m.n)
        qsort(m.items, m.n, sizeof *m.items, by_score);
    for (size_t i = 0; i < m.n; i++)
        json_array_append_new(list,
                              json_pack("[s%, s%]", m.items[i].text, m.items[i].n_left,
                                        m.items[i].text + m.items[i].n_left, m.items[i].n_right));
    free(m.items);
    return list;
}

cmat_status export_hf_spm_model(const cmat_model *m, json_t *vocab, const json_t *plain,
                                const char *unk, json_t **out, cmat_error *err)
{
    float *scores = NULL;
    size_t n = 0;
    cmat_status st = cmat_gguf_floats(m->gguf, "tokenizer.ggml.scores", &scores, &n, err);
    *out = NULL;
    if (st != CMAT_OK)
        return st;
    if (n != (size_t)m->config.n_vocab)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "%zu scores for %d tokens", n, m->config.n_vocab);
    else
        *out = json_pack("{s:s, s:n, s:s?, s:n, s:n, s:b, s:b, s:b, s:O, s:o}", "type", "BPE",
                         "dropout", "unk_token", unk, "continuing_subword_prefix",
                         "end_of_word_suffix", "fuse_unk", 1, "byte_fallback", 1, "ignore_merges",
                         0, "vocab", vocab, "merges", merges_json(plain, scores));
    free(scores);
    return st;
}

json_t *export_hf_spm_normalizer(bool prefix)
{
    json_t *spaces = json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", " ",
                               "content", META_SPACE);
    return !prefix ? spaces
                   : json_pack("{s:s, s:[{s:s, s:s}, o]}", "type", "Sequence", "normalizers",
                               "type", "Prepend", "prepend", META_SPACE, spaces);
}

json_t *export_hf_spm_decoder(bool prefix)
{
    json_t *list =
        json_pack("[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}]", "type", "Replace", "pattern", "String",
                  META_SPACE, "content", " ", "type", "ByteFallback", "type", "Fuse");
    if (prefix) /* the space that was put before the text */
        json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content",
                                              " ", "start", 1, "stop", 0));
    return json_pack("{s:s, s:o}", "type", "Sequence", "decoders", list);
}
