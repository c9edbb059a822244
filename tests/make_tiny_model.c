/* make_tiny_model.c - `make_tiny_model FILE [N_CTX] [small]`: the tiny model as a file, for the
 * end-to-end scripts; small: the one of tests/test_method.c and its vectors. */
#include "tiny_model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    tiny_model_options o = {.n_ctx = argc > 2 ? atoi(argv[2]) : 4096};

    if (argc < 2) {
        fputs("usage: make_tiny_model FILE [N_CTX] [small]\n", stderr);
        return 2;
    }
    if (argc > 3 && strcmp(argv[3], "small") == 0)
        o = tiny_model_small;
    tiny_model_write(argv[1], &o);
    return 0;
}
