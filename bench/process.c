/* process.c - see process.h. */
#include "process.h"
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

double process_figure(const char *path, const char *key)
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

double process_resident(void)
{
    return process_figure("/proc/self/status", "VmRSS");
}

static int parent_of(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    return (int)process_figure(path, "PPid");
}

size_t process_family(double *kib)
{
    size_t n = 0;
    DIR *d = opendir("/proc");
    *kib = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[64];
        int up = isdigit((unsigned char)*e->d_name) ? atoi(e->d_name) : 0;
        for (int k = 0; up > 1 && up != (int)getpid() && k < 8; k++)
            up = parent_of(up);
        if (up != (int)getpid() || atoi(e->d_name) == (int)getpid())
            continue;
        snprintf(path, sizeof path, "/proc/%.16s/smaps_rollup", e->d_name);
        *kib += process_figure(path, "Pss:");
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

size_t process_entries(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

size_t process_lines(const char *path)
{
    size_t n = 0;
    int c;
    FILE *f = fopen(path, "r");
    while (f && (c = getc(f)) != EOF)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}
