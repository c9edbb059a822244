/* bench/process.h - what the system says of this process and those below it. */
#ifndef CMAT_BENCH_PROCESS_H
#define CMAT_BENCH_PROCESS_H
#include <stddef.h>

/* The figure behind `key` in a file such as /proc/self/status, in kilobytes; 0 when it is not
 * there. */
double process_figure(const char *path, const char *key);
/* KiB resident in this process. */
double process_resident(void);
/* The processes below this one, with their memory in *kib (shared pages divided among those that
 * share). */
size_t process_family(double *kib);
/* Names in a folder ("/proc/self/fd"), lines of a file ("/proc/self/mountinfo"). */
size_t process_entries(const char *dir);
size_t process_lines(const char *path);
#endif
