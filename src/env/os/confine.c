/* confine.c - see confine.h. The files are those of the kernel's Documentation/admin-guide:
 * cgroup-v2.rst, cgroup-v1/memory.rst and pids.rst. */
#include "env/os/confine.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "cmat-box-"
enum { MIB = 1 << 20 };

static bool write_file(const char *dir, const char *name, const char *file, const char *text)
{
    char path[PATH_MAX + 128];
    snprintf(path, sizeof path, "%s/%s/%s", dir, name, file);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool write_number(const char *dir, const char *name, const char *file, uint64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    return write_file(dir, name, file, text);
}

/* The file as text, "" where there is none. */
static void read_file(const char *dir, const char *name, const char *file, char text[2048])
{
    char path[PATH_MAX + 128];
    snprintf(path, sizeof path, "%s/%s/%s", dir, name, file);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, text, 2047) : -1;
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
}

/* The number after a word in a file, or the first one (word ""); 0: not there. */
static uint64_t read_number(const char *dir, const char *name, const char *file, const char *word)
{
    char text[2048];
    read_file(dir, name, file, text);
    const char *p = strstr(text, word);
    return p ? strtoull(p + strlen(word), NULL, 10) : 0;
}

/* ---- where this process is ---- */

/* Whether a word is one of those in a list with commas. */
static bool listed(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0'))
            return true;
    return false;
}

/* This process's group of a controller (NULL: of version 2), from "7:memory:/a/b" or "0::/a/b". */
static bool own_group(const char *controller, char path[PATH_MAX])
{
    char line[PATH_MAX + 256];
    bool found = false;
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f && !found && fgets(line, sizeof line, f)) {
        char *list = strchr(line, ':'), *at = list ? strchr(list + 1, ':') : NULL;
        if (!at)
            continue;
        *at++ = '\0';
        at[strcspn(at, "\n")] = '\0';
        found = controller ? listed(list + 1, controller) : list[1] == '\0';
        if (found)
            snprintf(path, PATH_MAX, "%s", at);
    }
    if (f)
        fclose(f);
    return found;
}

/* Where a hierarchy is mounted, and which of its folders is (its root), from a line of mountinfo:
 * "35 24 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory". */
static bool mounted(const char *controller, char root[PATH_MAX], char at[PATH_MAX])
{
    char line[2 * PATH_MAX + 512], options[512], type[32];
    bool found = false;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    while (f && !found && fgets(line, sizeof line, f)) {
        const char *rest = strstr(line, " - ");
        if (!rest || sscanf(rest, " - %31s %*s %511s", type, options) != 2 ||
            sscanf(line, "%*s %*s %*s %4095s %4095s", root, at) != 2)
            continue;
        found = controller ? !strcmp(type, "cgroup") && listed(options, controller)
                           : !strcmp(type, "cgroup2");
    }
    if (f)
        fclose(f);
    return found;
}

/* The folder of this process's group, and the length of the mount's own; 0: there is none. */
static size_t own_folder(const char *controller, char dir[PATH_MAX])
{
    char group[PATH_MAX], root[PATH_MAX], at[PATH_MAX];
    struct stat st;
    if (!own_group(controller, group) || !mounted(controller, root, at))
        return 0;
    const size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
    const bool below = strncmp(group, root, n) == 0 && (group[n] == '/' || group[n] == '\0');
    if (snprintf(dir, PATH_MAX, "%s%s", at, below ? group + n : "") >= PATH_MAX)
        return 0;
    for (size_t len = strlen(dir); len > strlen(at) && dir[len - 1] == '/';)
        dir[--len] = '\0';
    return stat(dir, &st) == 0 && S_ISDIR(st.st_mode) ? strlen(at) : 0;
}

/* ---- places ---- */

static bool may_write(const char *dir)
{
    char procs[PATH_MAX + 16];
    snprintf(procs, sizeof procs, "%s/cgroup.procs", dir);
    return access(dir, W_OK | X_OK) == 0 && access(procs, W_OK) == 0;
}

/* The nearest group from this process's upwards whose children have the memory controller. */
static bool find_v2(os_confine *c)
{
    const size_t top = own_folder(NULL, c->memory);
    char controllers[2048];
    while (top) {
        read_file(c->memory, ".", "cgroup.subtree_control", controllers);
        if (strstr(controllers, "memory") && may_write(c->memory))
            return true;
        char *slash = strrchr(c->memory, '/');
        if (!slash || strlen(c->memory) <= top)
            return false;
        *slash = '\0';
    }
    return false;
}

static bool find_v1(os_confine *c)
{
    if (!own_folder("memory", c->memory) || !may_write(c->memory))
        return false;
    if (!own_folder("pids", c->processes) || !may_write(c->processes))
        *c->processes = '\0';
    return true;
}

/* Groups of programs that were killed: only such without processes can be removed at all. */
static void sweep(const char *dir)
{
    char path[PATH_MAX + 300];
    DIR *d = *dir ? opendir(dir) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        const int pid = atoi(e->d_name + strlen(PREFIX));
        if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) {
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
            rmdir(path);
        }
    }
    if (d)
        closedir(d);
}

/* ---- groups ---- */

static bool make_folder(const char *dir, const char *name)
{
    char path[PATH_MAX + 128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return mkdir(path, 0755) == 0;
}

static void kill_all(const char *dir, const char *name)
{
    char text[2048];
    read_file(dir, name, "cgroup.procs", text);
    for (char *p = text, *end; *p; p = *end ? end + 1 : end) {
        const long pid = strtol(p, &end, 10);
        if (end == p)
            return;
        if (pid > 0)
            kill((pid_t)pid, SIGKILL);
    }
}

/* The kernel takes a group's last process out of it a moment after its end; what should have ended
 * and has not does so now. */
static void remove_folder(const char *dir, const char *name)
{
    char path[PATH_MAX + 128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    for (int i = 0; i < 400 && rmdir(path) != 0 && errno == EBUSY; i++) {
        if (i % 10 == 4)
            kill_all(dir, name);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

/* The processes' memory; two disks and what is shared in /dev/shm; a snapshot while it is written;
 * the small system and the helper. */
static uint64_t memory_bound(const box_limits *l)
{
    return l->memory + 2 * l->disk + l->disk / 2 + l->disk + 64 * (uint64_t)MIB;
}

static bool bound(os_group *g, const box_limits *l)
{
    const os_confine *c = g->confine;
    const uint64_t processes = 4 * (uint64_t)l->processes + 32; /* of two boxes, at their worst */
    g->memory = memory_bound(l);
    if (c->version == 2) {
        write_number(c->memory, g->name, "memory.swap.max", 0); /* where there is swap */
        write_number(c->memory, g->name, "pids.max", processes);
        return write_number(c->memory, g->name, "memory.max", g->memory);
    }
    if (*c->processes)
        write_number(c->processes, g->name, "pids.max", processes);
    if (!write_number(c->memory, g->name, "memory.limit_in_bytes", g->memory))
        return false;
    write_number(c->memory, g->name, "memory.memsw.limit_in_bytes", g->memory);
    return true;
}

static bool make_group(os_group *g, const os_confine *c, const box_limits *limits)
{
    static atomic_uint made;
    *g = (os_group){.confine = c};
    snprintf(g->name, sizeof g->name, PREFIX "%d-%u", (int)getpid(), atomic_fetch_add(&made, 1));
    if (!make_folder(c->memory, g->name)) {
        *g = (os_group){0};
        return false;
    }
    if ((!*c->processes || make_folder(c->processes, g->name)) && bound(g, limits))
        return true;
    os_group_close(g);
    return false;
}

bool os_group_open(os_group *g, const os_confine *c, pid_t pid, const box_limits *limits)
{
    *g = (os_group){0};
    if (c->version == 0 || !make_group(g, c, limits))
        return false;
    if (write_number(c->memory, g->name, "cgroup.procs", (uint64_t)pid) &&
        (!*c->processes || write_number(c->processes, g->name, "cgroup.procs", (uint64_t)pid)))
        return true;
    os_group_close(g);
    return false;
}

void os_group_close(os_group *g)
{
    if (g->confine) {
        remove_folder(g->confine->memory, g->name);
        if (*g->confine->processes)
            remove_folder(g->confine->processes, g->name);
    }
    *g = (os_group){0};
}

void os_confine_find(os_confine *c)
{
    static const box_limits some = {.memory = MIB, .processes = 1};
    os_group g;
    *c = (os_confine){0};
    if (find_v2(c))
        c->version = 2;
    else if (find_v1(c))
        c->version = 1;
    if (c->version == 0)
        return;
    sweep(c->memory);
    sweep(c->processes);
    if (make_group(&g, c, &some))
        os_group_close(&g);
    else
        c->version = 0;
}

/* The number after a word of the group's file, as version 2 or 1 calls it; 0: not known. */
static uint64_t group_number(const os_group *g, const char *v2, const char *v1, const char *word)
{
    const os_confine *c = g->confine;
    return c ? read_number(c->memory, g->name, c->version == 2 ? v2 : v1, word) : 0;
}

uint64_t os_group_peak(const os_group *g)
{
    return group_number(g, "memory.peak", "memory.max_usage_in_bytes", "");
}

uint64_t os_group_killed(const os_group *g)
{
    return group_number(g, "memory.events", "memory.oom_control", "oom_kill ");
}
