/* model/tokenizer_spm.c - SentencePiece's tokenizer.model: a protobuf message ModelProto
 * (sentencepiece_model.proto), read by hand.
 *
 * On the wire a message is a row of fields: a varint (number << 3 | type), then the value: 0 a
 * varint, 1 eight bytes, 2 a varint length and that many bytes, 5 four bytes. Unknown fields are
 * passed over; anything cut short or of another type is CMAT_ERR_FORMAT. */
#include "model/tokenizer_files.h"
#include <string.h>

typedef struct {
    const unsigned char *p, *end;
} wire;

typedef struct {
    uint32_t number, type;
    uint64_t value;            /* of types 0, 1, 5 */
    const unsigned char *data; /* of type 2 */
    size_t len;
} wire_field;

static bool varint(wire *w, uint64_t *v)
{
    *v = 0;
    for (int shift = 0; shift < 64 && w->p < w->end; shift += 7) {
        const unsigned char c = *w->p++;
        *v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80))
            return true;
    }
    return false;
}

static bool fixed(wire *w, int n, uint64_t *v)
{
    *v = 0;
    if (w->end - w->p < n)
        return false;
    for (int i = 0; i < n; i++)
        *v |= (uint64_t)w->p[i] << 8 * i;
    w->p += n;
    return true;
}

/* The next field: 1, 0 at the end, -1 when it is broken. */
static int field_next(wire *w, wire_field *f)
{
    uint64_t tag, len;
    *f = (wire_field){0};
    if (w->p == w->end)
        return 0;
    if (!varint(w, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return -1;
    f->number = (uint32_t)(tag >> 3);
    f->type = tag & 7;
    switch (f->type) {
    case 0:
        return varint(w, &f->value) ? 1 : -1;
    case 1:
        return fixed(w, 8, &f->value) ? 1 : -1;
    case 5:
        return fixed(w, 4, &f->value) ? 1 : -1;
    case 2:
        if (!varint(w, &len) || len > (uint64_t)(w->end - w->p))
            return -1;
        f->data = w->p;
        f->len = (size_t)len;
        w->p += len;
        return 1;
    default:
        return -1; /* groups: in no file of this kind */
    }
}

/* What a field of the message is to be: its number, its type, its place. */
typedef struct {
    uint32_t number, type;
    uint64_t *value;
    const unsigned char **data;
    size_t *len;
} wire_want;

/* Reads the wanted fields of a message; of one that is there twice the last counts. */
static bool message_read(const unsigned char *p, size_t len, const wire_want *want, int n)
{
    wire w = {p, p + len};
    wire_field f;
    int more;
    while ((more = field_next(&w, &f)) > 0) {
        for (int i = 0; i < n; i++) {
            if (want[i].number != f.number)
                continue;
            if (want[i].type != f.type)
                return false;
            if (want[i].value)
                *want[i].value = f.value;
            if (want[i].data) {
                *want[i].data = f.data;
                *want[i].len = f.len;
            }
        }
    }
    return more == 0;
}

static bool piece_read(cmat_tokenizer_spec *s, const wire_field *f)
{
    const unsigned char *text = NULL;
    size_t len = 0;
    uint64_t bits = 0, type = CMAT_TOKEN_NORMAL;
    const wire_want want[] = {
        {1, 2, NULL, &text, &len}, {2, 5, &bits, NULL, NULL}, {3, 0, &type, NULL, NULL}};
    cmat_token_spec *k;
    if (f->type != 2 || !message_read(f->data, f->len, want, 3) || !text || type < 1 ||
        type > CMAT_TOKEN_BYTE ||
        cmat_tokenizer_spec_token(s, (int64_t)s->n_tokens, &k, NULL) != CMAT_OK)
        return false;
    const uint32_t score_bits = (uint32_t)bits;
    float score;
    k->s = (const char *)text;
    k->len = len;
    k->type = (uint8_t)type;
    memcpy(&score, &score_bits, sizeof score);
    k->score = (double)score;
    return true;
}

/* TrainerSpec: model_type (3), byte_fallback (35), treat_whitespace_as_suffix (24), ids of unk,
 * bos, eos (40, 41, 42; -1: none). */
static cmat_status trainer_read(cmat_tokenizer_spec *s, const wire_field *f, const char *what,
                                cmat_error *err)
{
    uint64_t kind = 1, suffix = 0, unk = 0, bos = 1, eos = 2;
    const wire_want want[] = {{3, 0, &kind, NULL, NULL},
                              {24, 0, &suffix, NULL, NULL},
                              {40, 0, &unk, NULL, NULL},
                              {41, 0, &bos, NULL, NULL},
                              {42, 0, &eos, NULL, NULL}};
    if (f->type != 2 || !message_read(f->data, f->len, want, 5))
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: a broken trainer_spec", what);
    if (kind != 1 && kind != 2)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "%s: model_type %llu is not supported (1, unigram, and 2, BPE, are)", what,
                         (unsigned long long)kind);
    if (suffix)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "%s: treat_whitespace_as_suffix is not supported", what);
    s->model = kind == 1 ? CMAT_TOKENS_UNIGRAM : CMAT_TOKENS_SCORED;
    s->whole = kind == 1;
    s->unk = (int32_t)(uint32_t)unk;
    s->bos = (int32_t)(uint32_t)bos;
    s->eos = (int32_t)(uint32_t)eos;
    return CMAT_OK;
}

/* NormalizerSpec: precompiled_charsmap (2), add_dummy_prefix (3), remove_extra_whitespaces (4),
 * escape_whitespaces (5). */
static cmat_status normalizer_read(cmat_tokenizer_spec *s, const wire_field *f, const char *what,
                                   cmat_error *err)
{
    const unsigned char *map = NULL;
    size_t len = 0;
    uint64_t prefix = 1, collapse = 1, escape = 1;
    const wire_want want[] = {{2, 2, NULL, &map, &len},
                              {3, 0, &prefix, NULL, NULL},
                              {4, 0, &collapse, NULL, NULL},
                              {5, 0, &escape, NULL, NULL}};
    if (f->type != 2 || !message_read(f->data, f->len, want, 4))
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: a broken normalizer_spec", what);
    if (!escape)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED, "%s: escape_whitespaces false is not supported",
                         what);
    cmat_status st = CMAT_OK;
    if (map && len > 0)
        st = cmat_normalizer_add_charsmap(cmat_tokenizer_spec_norm(s), map, len, err);
    if (collapse) {
        cmat_normalizer_add(cmat_tokenizer_spec_norm(s), CMAT_NORM_TRIM_LEFT, " ", NULL);
        cmat_normalizer_add(s->norm, CMAT_NORM_TRIM_RIGHT, " ", NULL);
        cmat_normalizer_add(s->norm, CMAT_NORM_COLLAPSE, NULL, " ");
    }
    s->prefix = prefix ? CMAT_PREFIX_ALL : CMAT_PREFIX_NONE;
    return st;
}

cmat_status cmat_tokenizer_read_spm(cmat_tokenizer_spec *s, const void *data, size_t len,
                                    const char *what, cmat_error *err)
{
    wire w = {data, (const unsigned char *)data + len};
    wire_field f, trainer = {0}, normalizer = {0};
    int more;
    while ((more = field_next(&w, &f)) > 0) {
        if (f.number == 1 && !piece_read(s, &f))
            return cmat_fail(err, CMAT_ERR_FORMAT, "%s: piece %zu is broken", what, s->n_tokens);
        if (f.number == 2)
            trainer = f;
        if (f.number == 3)
            normalizer = f;
    }
    if (more < 0 || s->n_tokens == 0)
        return cmat_fail(err, CMAT_ERR_FORMAT, "%s: not a SentencePiece model", what);
    s->meta_space = true;
    trainer.type = normalizer.type = 2; /* a message that is not there has its defaults */
    cmat_status st = trainer_read(s, &trainer, what, err);
    return st == CMAT_OK ? normalizer_read(s, &normalizer, what, err) : st;
}
