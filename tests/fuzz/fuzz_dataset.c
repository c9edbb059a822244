/* tests/fuzz/fuzz_dataset.c - libFuzzer target: any bytes as a file of conversations, in each
 * format; what is read is filtered, deduplicated, split, written and read again as the same rows.
 */
#include "core/fs.h"
#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cmat_dataset ds = {0}, again = {0}, a = {0}, b = {0};
    cmat_data_format found;
    cmat_error err = {0};
    char path[64];
    snprintf(path, sizeof path, "/dev/shm/fuzz-%d.jsonl", (int)getpid());
    if (size < 1 || cmat_write_file(path, data + 1, size - 1, NULL) != CMAT_OK)
        return 0;
    cmat_status st = cmat_dataset_load(&ds, path, (cmat_data_format)(data[0] % 4), &found, &err);
    if (st != CMAT_OK && (ds.n || !err.msg[0] || strchr(err.msg, '\n')))
        abort();
    if (st == CMAT_OK && ds.n) {
        if (cmat_dataset_save(&ds, path, NULL) != CMAT_OK ||
            cmat_dataset_load(&again, path, CMAT_DATA_MESSAGES, NULL, &err) != CMAT_OK ||
            again.n != ds.n)
            abort();
        for (size_t i = 0; i < ds.n; i++)
            if (!json_equal(ds.items[i].messages, again.items[i].messages))
                abort();
        cmat_dataset_dedupe(&ds, 0.8, data[0] & 4);
        cmat_dataset_filter_length(&ds, 1, 1000);
        cmat_dataset_split(&ds, 0.3, 1, &a, &b);
        if (a.n + b.n != ds.n)
            abort();
    }
    cmat_dataset_clear(&ds);
    cmat_dataset_clear(&again);
    cmat_dataset_clear(&a);
    cmat_dataset_clear(&b);
    unlink(path);
    return 0;
}
