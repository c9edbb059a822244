/* tests/fuzz/fuzz_zip.c - libFuzzer target: any bytes to the zip reader. */
#include "core/fs.h"
#include "model/zip.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], out[64];
    snprintf(path, sizeof path, "/dev/shm/fuzz-%d.zip", (int)getpid());
    snprintf(out, sizeof out, "/dev/shm/fuzz-%d.out", (int)getpid());
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size)
        abort();
    fclose(f);
    if (cmat_zip_extract(path, ".gguf", out, 1 << 20, NULL) == CMAT_OK)
        unlink(out);
    unlink(path);
    return 0;
}
