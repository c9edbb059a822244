/* host.c - what all sandboxes of a process share: bubblewrap, the helper, how ids are mapped. */
#include "core/fs.h"
#include "core/mem.h"
#include "env/os/sandbox_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
/* The helper program (box/), put into the library by the build. */
extern const unsigned char cmat_os_helper[], cmat_os_helper_end[];

enum { N_IDS = 65536, ROOT_DROPS_TO = 0x70000000 };

static char *find_program(const char *name)
{
    const char *path = getenv("PATH");
    char *all = cmat_xstrdup(path && *path ? path : "/usr/bin:/bin"), *save = NULL, *found = NULL;
    for (char *d = strtok_r(all, ":", &save); d && !found; d = strtok_r(NULL, ":", &save)) {
        found = cmat_path_join(d, name);
        if (*found != '/' || access(found, X_OK) != 0) {
            free(found);
            found = NULL;
        }
    }
    free(all);
    return found;
}

/* True when ids from..from+n-1 exist here (they do not in every container). */
static bool ids_exist(uint32_t from, uint32_t n)
{
    unsigned long long start, outside, count;
    bool found = false;
    FILE *f = fopen("/proc/self/uid_map", "re");
    while (f && !found && fscanf(f, "%llu %llu %llu", &start, &outside, &count) == 3)
        found = from >= start && from + (unsigned long long)n <= start + count;
    if (f)
        fclose(f);
    return found;
}

/* The first id of a range of N_IDS - 1 that the file lends this user; 0: none. */
static uint32_t lent_ids(const char *path, const char *user, uid_t uid)
{
    char line[512], number[24];
    uint32_t first = 0;
    FILE *f = fopen(path, "re");
    snprintf(number, sizeof number, "%u", (unsigned)uid);
    while (f && !first && fgets(line, sizeof line, f)) {
        char *save = NULL, *who = strtok_r(line, ":\n", &save);
        char *from = strtok_r(NULL, ":\n", &save), *n = strtok_r(NULL, ":\n", &save);
        if (who && from && n && (strcmp(who, user) == 0 || strcmp(who, number) == 0) &&
            strtoull(n, NULL, 10) >= N_IDS - 1)
            first = (uint32_t)strtoul(from, NULL, 10);
    }
    if (f)
        fclose(f);
    return first;
}

/* Root becomes an id that nobody has; another user may have been lent a range of ids. */
static void plan_ids(os_host *h)
{
    h->uid = geteuid();
    h->gid = getegid();
    if (h->uid == 0) {
        h->many_ids = ids_exist(ROOT_DROPS_TO, N_IDS);
        h->drop_uid = h->many_ids ? ROOT_DROPS_TO : 65534;
        return;
    }
    struct passwd pw, *found = NULL;
    char room[4096];
    char *newuidmap = find_program("newuidmap"), *newgidmap = find_program("newgidmap");
    if (getpwuid_r(h->uid, &pw, room, sizeof room, &found) == 0 && found && newuidmap &&
        newgidmap) {
        h->lent_uid = lent_ids("/etc/subuid", pw.pw_name, h->uid);
        h->lent_gid = lent_ids("/etc/subgid", pw.pw_name, h->uid);
        h->many_ids = h->lent_uid && h->lent_gid;
    }
    free(newuidmap);
    free(newgidmap);
}

/* The helper as a file in memory that nobody can change. */
static cmat_status make_helper(os_host *h, cmat_error *err)
{
    /* cppcheck-suppress comparePointers; the two ends of one run of bytes (embed_helper.sh) */
    const size_t n = (size_t)(cmat_os_helper_end - cmat_os_helper);
    const int fd = memfd_create("cmat-sandbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    h->helper = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 10) : -1; /* see spawn_keeper */
    if (h->helper < 0)
        return cmat_fail(err, CMAT_ERR_IO, "os: memfd_create: %s", strerror(errno));
    close(fd);
    for (size_t at = 0; at < n;) {
        ssize_t put = write(h->helper, cmat_os_helper + at, n - at);
        if (put <= 0)
            return cmat_fail(err, CMAT_ERR_IO, "os: the sandbox's helper: %s", strerror(errno));
        at += (size_t)put;
    }
    fcntl(h->helper, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    return CMAT_OK;
}

cmat_status os_host_open(os_host **out, cmat_error *err)
{
    os_host *h = cmat_xcalloc(1, sizeof *h);
    const char *root = getenv("CMAT_OS_ROOT");
    cmat_status st = CMAT_OK;
    *out = NULL;
    atomic_init(&h->refs, 1);
    pthread_mutex_init(&h->mutex, NULL);
    h->helper = -1;
    h->bwrap = find_program("bwrap");
    h->root = cmat_xstrdup(root ? root : "");
    plan_ids(h);
    os_confine_find(&h->confine);
    if (!h->bwrap)
        st = cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                       "os: bubblewrap is missing (apt-get install bubblewrap): shell tasks run in "
                       "its sandbox only");
    else if (*h->root && (*h->root != '/' || !cmat_path_is_dir(h->root)))
        st = cmat_fail(err, CMAT_ERR_ARG, "os: CMAT_OS_ROOT: %s is not the full path of a folder",
                       h->root);
    else
        st = make_helper(h, err);
    if (st == CMAT_OK)
        *out = h;
    else
        os_host_unref(h);
    return st;
}

os_host *os_host_ref(os_host *h)
{
    atomic_fetch_add(&h->refs, 1);
    return h;
}

void os_host_unref(os_host *h)
{
    if (!h || atomic_fetch_sub(&h->refs, 1) != 1)
        return;
    if (h->helper >= 0)
        close(h->helper);
    pthread_mutex_destroy(&h->mutex);
    free(h->bwrap);
    free(h->root);
    free(h);
}

int os_host_ids(const os_host *h)
{
    return h->many_ids ? N_IDS : 1;
}

int os_host_confined(const os_host *h)
{
    return atomic_load(&h->unconfined) ? 0 : h->confine.version;
}

/* ---- id maps of a user namespace that has just been made ---- */

static bool write_proc(pid_t pid, const char *file, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool run_newidmap(const char *program, pid_t pid, uint32_t own, uint32_t lent)
{
    char p[16], o[16], l[16], n[16];
    pid_t child;
    int status = -1;
    snprintf(p, sizeof p, "%d", (int)pid);
    snprintf(o, sizeof o, "%u", own);
    snprintf(l, sizeof l, "%u", lent);
    snprintf(n, sizeof n, "%d", N_IDS - 1);
    char *args[] = {(char *)program, p, "0", o, "1", "1", l, n, NULL};
    posix_spawn_file_actions_t a;
    posix_spawn_file_actions_init(&a);
    posix_spawn_file_actions_addopen(&a, 2, "/dev/null", O_WRONLY, 0);
    bool ok = posix_spawnp(&child, program, &a, NULL, args, environ) == 0;
    posix_spawn_file_actions_destroy(&a);
    while (ok && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

cmat_status os_host_map_ids(const os_host *h, pid_t pid, cmat_error *err)
{
    char map[64];
    bool ok;
    if (h->uid != 0 && h->many_ids) {
        ok = run_newidmap("newuidmap", pid, h->uid, h->lent_uid) &&
             run_newidmap("newgidmap", pid, h->gid, h->lent_gid);
    } else {
        const unsigned n = h->many_ids ? N_IDS : 1;
        ok = h->many_ids || write_proc(pid, "setgroups", "deny");
        snprintf(map, sizeof map, "0 %u %u\n", h->uid ? h->uid : h->drop_uid, n);
        ok = ok && write_proc(pid, "uid_map", map);
        snprintf(map, sizeof map, "0 %u %u\n", h->uid ? h->gid : h->drop_uid, n);
        ok = ok && write_proc(pid, "gid_map", map);
    }
    if (!ok)
        return cmat_fail(err, CMAT_ERR_UNSUPPORTED,
                         "os: the user namespace's ids cannot be mapped: %s", strerror(errno));
    return CMAT_OK;
}
