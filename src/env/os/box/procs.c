/* procs.c - the processes of a box, as its process 1 sees them in /proc. */
#include "env/os/box/procs.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file of /proc/PID as text; false: the process has gone. */
static bool read_proc(pid_t pid, const char *file, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* Fields 3 (state) and 22 (start) of /proc/PID/stat; the name before them may hold anything. */
static bool read_stat(pid_t pid, char *state, uint64_t *start)
{
    char text[1024];
    if (!read_proc(pid, "stat", text, sizeof text))
        return false;
    char *p = strrchr(text, ')');
    if (!p || p[1] != ' ')
        return false;
    *state = p[2];
    p += 2;
    for (int field = 3; field < 22 && p; field++)
        p = strchr(p + 1, ' ');
    *start = p ? strtoull(p, NULL, 10) : 0;
    return p != NULL;
}

/* Calls back for each process but number 1. */
static void each(void (*visit)(pid_t pid, void *arg), void *arg)
{
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));)
        if (isdigit((unsigned char)e->d_name[0]) && atoi(e->d_name) > 1)
            visit((pid_t)atoi(e->d_name), arg);
    if (d)
        closedir(d);
}

static void note(pid_t pid, void *arg)
{
    box_procs *p = arg;
    char state;
    uint64_t start;
    if (!read_stat(pid, &state, &start))
        return;
    if (p->n == p->cap) {
        p->cap = 2 * p->cap + 16;
        box_proc *more = realloc(p->items, p->cap * sizeof *more);
        if (!more)
            _exit(71);
        p->items = more;
    }
    p->items[p->n++] = (box_proc){pid, start};
}

void box_procs_list(box_procs *p)
{
    memset(p, 0, sizeof *p);
    each(note, p);
}

void box_procs_clear(box_procs *p)
{
    free(p->items);
    memset(p, 0, sizeof *p);
}

static void add(pid_t pid, void *arg)
{
    box_procs_sum *sum = arg;
    char text[128];
    unsigned long size, resident;
    if (read_proc(pid, "statm", text, sizeof text) &&
        sscanf(text, "%lu %lu", &size, &resident) == 2)
        sum->resident += resident * (uint64_t)sysconf(_SC_PAGESIZE);
    sum->n++;
}

void box_procs_add_up(box_procs_sum *sum)
{
    memset(sum, 0, sizeof *sum);
    each(add, sum);
}

typedef struct {
    const box_procs *before;
    pid_t keep;
    size_t n;
} killing;

static void kill_new(pid_t pid, void *arg)
{
    killing *k = arg;
    char state;
    uint64_t start;
    if (pid == k->keep || !read_stat(pid, &state, &start) || state == 'Z')
        return;
    for (size_t i = 0; k->before && i < k->before->n; i++)
        if (k->before->items[i].pid == pid && k->before->items[i].start == start)
            return;
    if (kill(pid, SIGKILL) == 0)
        k->n++;
}

size_t box_procs_kill_new(const box_procs *before, pid_t keep)
{
    killing k = {before, keep, 0};
    each(kill_new, &k);
    return k.n;
}

static void count(pid_t pid, void *arg)
{
    killing *k = arg;
    char state;
    uint64_t start;
    if (pid != k->keep && read_stat(pid, &state, &start) && state != 'Z')
        k->n++;
}

size_t box_procs_others(pid_t shell)
{
    killing k = {NULL, shell, 0};
    each(count, &k);
    return k.n;
}
