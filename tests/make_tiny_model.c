/* make_tiny_model.c - `make_tiny_model FILE [N_CTX]`: the tiny model as a file, for the end-to-end
 * scripts. */
#include "tiny_model.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    tiny_model_options o = {.n_ctx = argc > 2 ? atoi(argv[2]) : 4096};

    if (argc < 2) {
        fputs("usage: make_tiny_model FILE [N_CTX]\n", stderr);
        return 2;
    }
    tiny_model_write(argv[1], &o);
    return 0;
}
