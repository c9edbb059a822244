/* model/rows.c */
#include "model/rows.h"
#include "core/mem.h"

enum { CHUNK_BYTES = 8 << 20 };

cmat_status cmat_rows_write(cmat_writer *w, int64_t n_rows, size_t row_bytes, cmat_rows_fn *rows,
                            const void *source, cmat_error *err)
{
    int64_t chunk = row_bytes < CHUNK_BYTES ? (int64_t)(CHUNK_BYTES / row_bytes) : 1;
    cmat_status st = CMAT_OK;
    chunk = chunk < n_rows ? chunk : n_rows;
    void *out = cmat_alloc_big((size_t)chunk, row_bytes);
    if (!out)
        return cmat_fail(err, CMAT_ERR_NOMEM, "no memory for a row of %zu bytes", row_bytes);
    for (int64_t at = 0; at < n_rows && st == CMAT_OK; at += chunk) {
        const int64_t n = n_rows - at < chunk ? n_rows - at : chunk;
        if ((st = rows(source, at, n, out, err)) == CMAT_OK)
            cmat_writer_add(w, out, (size_t)n * row_bytes);
    }
    cmat_free_big(out);
    return st;
}
