/* tests/fuzz/fuzz_checkpoint.c - libFuzzer target: any bytes as the checkpoint of a run with one
 * adapter of eight parameters. What is refused leaves everything as it was. */
#include "core/fs.h"
#include "train/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { N = 8 };
    float arrays[4][N], before[4][N];
    char path[64];
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < N; i++)
            before[k][i] = arrays[k][i] = (float)(k * N + i);
    cmat_optim o = {.params = arrays[0], .m = arrays[1], .v = arrays[2], .n = N, .t = 77};
    if (size && data[0] & 1)
        o.best = arrays[3];
    cmat_tune_state s, s_before;
    memset(&s, 0x55, sizeof s);
    s_before = s;
    cmat_error err = {0};
    snprintf(path, sizeof path, "/dev/shm/fuzz-%d.cmat", (int)getpid());
    if (size < 1 || cmat_write_file(path, data + 1, size - 1, NULL) != CMAT_OK)
        return 0;
    cmat_status st = cmat_checkpoint_load(path, "fuzz", &s, &o, 1, &err);
    if (st != CMAT_OK && (memcmp(arrays, before, sizeof before) != 0 || o.t != 77 ||
                          memcmp(&s, &s_before, sizeof s) != 0 || !err.msg[0]))
        abort();
    if (st == CMAT_OK && cmat_checkpoint_save(path, "fuzz", &s, &o, 1, &err) != CMAT_OK)
        abort();
    unlink(path);
    return 0;
}
