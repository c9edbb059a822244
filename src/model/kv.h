/* model/kv.h - the paged cache of keys and values, with pages shared between sequences.
 *
 * A page holds CMAT_KV_PAGE positions of every layer. A page that is full can be published under
 * (what came before it, its tokens); whoever needs the same prefix finds and holds it. What came
 * before is named by a serial number that is never used twice, so that a match is exact, not a
 * matter of hashes. Published pages that nobody holds stay until their room is needed, the least
 * recently used going first. */
#ifndef CMAT_MODEL_KV_H
#define CMAT_MODEL_KV_H
#include "cmat/error.h"
#include "model/model.h"

#define CMAT_KV_PAGE 16 /* positions */

typedef struct cmat_kv cmat_kv;

/* type: F16 for generation, at half the memory and reading; F32 where what a model gives is to be
 * compared. CMAT_ERR_NOMEM: n_pages do not fit in memory. */
cmat_status cmat_kv_new(cmat_kv **out, const cmat_model_config *c, cmat_type type, int n_pages,
                        cmat_error *err);
void cmat_kv_free(cmat_kv *kv);
/* Bytes of one page over all layers. */
size_t cmat_kv_page_bytes(const cmat_model_config *c, cmat_type type);
const cmat_paged_kv *cmat_kv_layer(const cmat_kv *kv, int layer);

/* Pages that take can hand out: never used, given back, or cached and held by nobody. */
int cmat_kv_available(const cmat_kv *kv);
/* A page held once by the caller, with nothing in it; -1: none is available. */
int cmat_kv_take(cmat_kv *kv);
void cmat_kv_hold(cmat_kv *kv, int page);
void cmat_kv_drop(cmat_kv *kv, int page);
bool cmat_kv_held(const cmat_kv *kv, int page); /* by anybody */

/* Makes a held page findable: `tokens` (CMAT_KV_PAGE) after the prefix `parent` (a serial, or a
 * root from cmat_kv_root). owner: what forget will name. Returns the serial to use as parent of the
 * next page: of an earlier page with the same content if there is one. ready false: its contents
 * are still to be computed by the caller. */
uint64_t cmat_kv_publish(cmat_kv *kv, int page, uint64_t parent, const int32_t *tokens,
                         const void *owner, bool ready);
void cmat_kv_unpublish(cmat_kv *kv, int page);
/* The page published under (parent, tokens), or -1; *serial is its own. Does not hold it. */
int cmat_kv_find(const cmat_kv *kv, uint64_t parent, const int32_t *tokens, uint64_t *serial);
bool cmat_kv_published(const cmat_kv *kv, int page);
bool cmat_kv_ready(const cmat_kv *kv, int page);
void cmat_kv_set_ready(cmat_kv *kv, int page);
/* A parent for first pages: sequences with different keys share nothing. */
uint64_t cmat_kv_root(uint64_t key);
/* Unpublishes every page of this owner. */
void cmat_kv_forget(cmat_kv *kv, const void *owner);
#endif
