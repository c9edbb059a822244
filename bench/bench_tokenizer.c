/* bench_tokenizer MODEL (a GGUF or a folder) FILE [--ids|--special-ids]: tokens of FILE as text,
 * MB/s over the best of five runs; with
 * --ids the ids (of control tokens too with --special-ids), one a line, for
 * tests/tokenizer_large.py. */
#include "core/fs.h"
#include "model/tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static char *slurp(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *s = NULL;
    if (f && fseek(f, 0, SEEK_END) == 0) {
        long size = ftell(f);
        rewind(f);
        s = malloc((size_t)size + 1);
        *len = s ? fread(s, 1, (size_t)size, f) : 0;
    }
    if (f)
        fclose(f);
    return s;
}

int main(int argc, char **argv)
{
    cmat_error err;
    cmat_gguf *g = NULL;
    cmat_tokenizer *t = NULL;
    size_t len = 0;
    int32_t *ids = NULL;
    size_t n = 0, cap = 0;
    double best = 1e30;
    if (argc < 3) {
        fprintf(stderr, "usage: bench_tokenizer MODEL FILE [--ids|--special-ids]\n");
        return 2;
    }
    char *text = slurp(argv[2], &len);
    if (!text || (cmat_path_is_dir(argv[1])
                      ? cmat_tokenizer_open(&t, argv[1], 0, &err)
                      : (cmat_gguf_open(&g, argv[1], &err) ? err.status
                                                           : cmat_tokenizer_new(&t, g, &err)))) {
        fprintf(stderr, "bench_tokenizer: %s\n", text ? err.msg : "cannot read the text");
        free(text);
        cmat_gguf_close(g);
        return 1;
    }
    bool special = argc > 3 && strcmp(argv[3], "--special-ids") == 0;
    bool print = special || (argc > 3 && strcmp(argv[3], "--ids") == 0);
    for (int run = 0; run < (print ? 1 : 5); run++) {
        double start = now();
        n = 0;
        cmat_tokenizer_encode(t, text, len, special, &ids, &n, &cap);
        double seconds = now() - start;
        best = seconds < best ? seconds : best;
    }
    if (print) {
        for (size_t i = 0; i < n; i++)
            printf("%d\n", ids[i]);
    } else {
        printf("tokenizer_mb_per_s %.1f (%zu bytes, %zu tokens)\n", (double)len / 1e6 / best, len,
               n);
    }
    free(ids);
    free(text);
    cmat_tokenizer_free(t);
    cmat_gguf_close(g);
    return 0;
}
