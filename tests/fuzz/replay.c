/* tests/fuzz/replay.c - runs a fuzz target on the files of a folder: kept seeds and what fuzzing
 * once found, as a test without libFuzzer. */
#include "core/fs.h"
#include "core/mem.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    int n = 0;
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *e;
    if (!dir) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    while ((e = readdir(dir))) {
        char *data, *path = cmat_path_join(argv[1], e->d_name);
        size_t len;
        if (!cmat_path_is_dir(path)) {
            if (cmat_read_file(path, 1 << 24, &data, &len, NULL) != CMAT_OK)
                return 2;
            uint8_t *exact = cmat_xmalloc(len ? len : 1); /* so that a tool sees a byte read past */
            for (size_t i = 0; i < len; i++)
                exact[i] = (uint8_t)data[i];
            LLVMFuzzerTestOneInput(exact, len);
            free(exact);
            free(data);
            n++;
        }
        free(path);
    }
    closedir(dir);
    printf("%d files\n", n);
    return n ? 0 : 1;
}
