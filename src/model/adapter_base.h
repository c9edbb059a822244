/* model/adapter_base.h - what an adapter was tuned on, recorded in its file and checked when it is
 * loaded.
 *
 * A base is known by the hash of its file. A file that `cmat export` wrote says what it was made
 * from and which adapters are merged into it: without any, it counts as the same base in another
 * type. The tokenizer must be the same; another chat template is a warning. Adapters made elsewhere
 * record nothing: shapes decide, and a note says so. */
#ifndef CMAT_MODEL_ADAPTER_BASE_H
#define CMAT_MODEL_ADAPTER_BASE_H
#include "model/model.h"

enum { CMAT_BASE_RECORDS = 5 };
typedef struct {
    const char *pairs[CMAT_BASE_RECORDS][2]; /* key, value; borrowed from the model */
    size_t n;
} cmat_base_record;

/* What to record of m in an adapter's file. */
void cmat_base_record_of(cmat_base_record *r, const cmat_model *m);
/* Compares with what a file recorded: get gives a key's value or NULL. `what` names the file.
 * CMAT_ERR_ARG: another base or tokenizer (a warning when m->any_adapter). */
cmat_status cmat_base_check(const cmat_model *m,
                            const char *(*get)(const void *file, const char *key), const void *file,
                            const char *what, cmat_error *err);
#endif
