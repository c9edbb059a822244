/* model/adapter_base.c */
#include "model/adapter_base.h"
#include "core/log.h"
#include <string.h>

#define KEY_BASE "cmat.base_sha256"
#define KEY_ORIGIN "cmat.origin_sha256" /* where it is another than the base */
#define KEY_MERGED "cmat.base_merged"   /* adapters in the base's weights */
#define KEY_TOKENIZER "cmat.tokenizer_sha256"
#define KEY_TEMPLATE "cmat.template_sha256"

static void add(cmat_base_record *r, const char *key, const char *value)
{
    r->pairs[r->n][0] = key;
    r->pairs[r->n++][1] = value;
}

void cmat_base_record_of(cmat_base_record *r, const cmat_model *m)
{
    cmat_model *cached = (cmat_model *)m; /* the hash is the one member that changes after open */
    const char *hash = cmat_model_hash(cached), *origin = cmat_model_origin(cached);
    r->n = 0;
    add(r, KEY_BASE, hash);
    if (strcmp(hash, origin) != 0)
        add(r, KEY_ORIGIN, origin);
    if (cmat_model_merged(m))
        add(r, KEY_MERGED, cmat_model_merged(m));
    if (m->tokenizer)
        add(r, KEY_TOKENIZER, cmat_tokenizer_hash(m->tokenizer));
    if (m->chat_template)
        add(r, KEY_TEMPLATE, cmat_chat_template_hash(m->chat_template));
}

static bool same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* An error, or a warning where the user said so. */
static cmat_status differs(const cmat_model *m, const char *what, const char *part,
                           const char *theirs, const char *ours, cmat_error *err)
{
    if (!m->any_adapter)
        return cmat_fail(err, CMAT_ERR_ARG,
                         "%s: tuned %s (sha256 %.12s..., the model has %.12s...); --force-adapter "
                         "applies it all the same",
                         what, part, theirs, ours);
    cmat_warn("%s: tuned %s (sha256 %.12s..., the model has %.12s...)", what, part, theirs, ours);
    return CMAT_OK;
}

cmat_status cmat_base_check(const cmat_model *m,
                            const char *(*get)(const void *file, const char *key), const void *file,
                            const char *what, cmat_error *err)
{
    cmat_model *cached = (cmat_model *)m;
    const char *base = get(file, KEY_BASE), *tokenizer = get(file, KEY_TOKENIZER);
    const char *template = get(file, KEY_TEMPLATE), *origin = get(file, KEY_ORIGIN);
    cmat_status st = CMAT_OK;
    if (tokenizer && m->tokenizer && !same(tokenizer, cmat_tokenizer_hash(m->tokenizer)))
        st = differs(m, what, "with another tokenizer", tokenizer,
                     cmat_tokenizer_hash(m->tokenizer), err);
    if (st == CMAT_OK && base && !same(base, cmat_model_hash(cached)) &&
        (!same(origin ? origin : base, cmat_model_origin(cached)) ||
         !same(get(file, KEY_MERGED), cmat_model_merged(m))))
        st = differs(m, what, "on another base model", base, cmat_model_hash(cached), err);
    if (st != CMAT_OK)
        return st;
    if (!base)
        cmat_info("%s: its base is not recorded: only the shapes were checked", what);
    if (template && m->chat_template && !same(template, cmat_chat_template_hash(m->chat_template)))
        cmat_warn(
            "%s: tuned with another chat template (sha256 %.12s..., the model has %.12s...): "
            "its answers may be worse",
            what, template, cmat_chat_template_hash(m->chat_template));
    return CMAT_OK;
}
