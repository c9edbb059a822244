/* bench/process.h - what the system says of a process. */
#ifndef CMAT_BENCH_PROCESS_H
#define CMAT_BENCH_PROCESS_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The figure behind `key` in a file such as /proc/self/status, in kilobytes; 0 when it is not
 * there. */
static inline double process_figure(const char *path, const char *key)
{
    char line[200];
    double kb = 0;
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            kb = strtod(line + strlen(key) + 1, NULL);
    if (f)
        fclose(f);
    return kb;
}
#endif
