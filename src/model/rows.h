/* model/rows.h - tensors that are made while they are written, so that a file of any size takes a
 * few megabytes of memory. */
#ifndef CMAT_MODEL_ROWS_H
#define CMAT_MODEL_ROWS_H
#include "cmat/error.h"
#include "core/fs.h"
#include <stddef.h>
#include <stdint.h>

/* Puts rows first .. first+n-1 (of the contiguous axis) as they shall stand in the file into out.
 * A failure ends the writing. */
typedef cmat_status cmat_rows_fn(const void *source, int64_t first, int64_t n, void *out,
                                 cmat_error *err);

/* Adds n_rows rows of row_bytes to a file; CMAT_ERR_NOMEM, or what rows says. */
cmat_status cmat_rows_write(cmat_writer *w, int64_t n_rows, size_t row_bytes, cmat_rows_fn *rows,
                            const void *source, cmat_error *err);
#endif
