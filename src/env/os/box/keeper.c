/* keeper.c - holds an episode's namespaces and file system, starts and ends its boxes.
 *
 * In the keeper's mount namespace, below DIR (a tmpfs over a folder that every system has):
 *   base usr mask     lower layers (root.c), never changed
 *   live/             tmpfs of the episode's disk: root usr (upper layers), work folders
 *   trial/            the same for a trial, on top of live's layers
 *   at-live at-trial  where the overlays are mounted; bwrap binds them as the box's "/"
 * Nothing of this has a name outside, so nothing can stay behind. */
#include "env/os/box/io.h"
#include "env/os/box/modes.h"
#include "env/os/box/root.h"
#include "env/os/box/seccomp.h"
#include "env/os/box/tree.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIR "/tmp"
enum { CHANGES_MAX = 200, BASE_BYTES = 16 << 20 };

typedef struct {
    pid_t monitor, first; /* bwrap, and the box's process 1; 0: there is no box */
    bool mounted, disk;
} box;

typedef struct {
    box_config config;
    const char *bwrap, *root; /* root "": the host's /usr */
    char *strings;
    box boxes[2];
} keeper;

static const char *const names[] = {"live", "trial"};

/* Says why over the socket, for the program to show. */
static bool fail(const char *what)
{
    box_send_text(BOX_FD_SOCKET, BOX_FAILED, "%s: %s", what, strerror(errno));
    return false;
}

/* ---- boxes ---- */

static void end_box(box *b)
{
    if (b->monitor <= 0)
        return;
    /* The kernel ends a box as a whole with its process 1; bwrap waits until that has happened. */
    kill(b->first > 0 ? b->first : b->monitor, SIGKILL);
    while (waitpid(b->monitor, NULL, 0) < 0 && errno == EINTR)
        ;
    b->monitor = b->first = 0;
}

static void unmount_box(keeper *k, int which)
{
    char path[64];
    box *b = &k->boxes[which];
    end_box(b);
    if (b->mounted) {
        snprintf(path, sizeof path, DIR "/at-%s", names[which]);
        umount2(path, MNT_DETACH);
    }
    if (b->disk) {
        snprintf(path, sizeof path, DIR "/%s", names[which]);
        umount2(path, MNT_DETACH);
    }
    b->mounted = b->disk = false;
}

/* An empty disk of the episode's size. */
static bool make_disk(keeper *k, int which)
{
    static const char *const inside[] = {"root", "usr", "work-root", "work-usr"};
    char path[64], options[96];
    const box_limits *l = &k->config.limits;
    snprintf(path, sizeof path, DIR "/%s", names[which]);
    snprintf(options, sizeof options, "mode=0755,size=%llu,nr_inodes=%llu",
             (unsigned long long)l->disk, (unsigned long long)l->inodes);
    if (mount("tmpfs", path, "tmpfs", MS_NODEV | MS_NOSUID, options) != 0)
        return fail("the episode's disk (tmpfs)");
    k->boxes[which].disk = true;
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        snprintf(path, sizeof path, DIR "/%s/%s", names[which], inside[i]);
        if (mkdir(path, 0755) != 0)
            return fail(path);
        box_root_age(path); /* the overlay's own root shows this folder's time */
    }
    return true;
}

static bool mount_overlay(int which, const char *layer, const char *lower, const char *at)
{
    char options[1024];
    const char *disk = names[which];
    snprintf(options, sizeof options,
             "lowerdir=%s%s%s%s,upperdir=" DIR "/%s/%s,workdir=" DIR "/%s/work-%s,userxattr",
             which == BOX_TRIAL ? DIR "/live/" : "", which == BOX_TRIAL ? layer : "",
             which == BOX_TRIAL ? ":" : "", lower, disk, layer, disk, layer);
    if (mount("overlay", at, "overlay", MS_NODEV | MS_NOSUID, options) != 0)
        return fail("overlay");
    return true;
}

static bool mount_box(keeper *k, int which)
{
    char at[64], usr[64];
    struct stat st;
    if (!k->boxes[which].disk && !make_disk(k, which))
        return false;
    snprintf(at, sizeof at, DIR "/at-%s", names[which]);
    snprintf(usr, sizeof usr, DIR "/at-%s/usr", names[which]);
    if (!mount_overlay(which, "root", *k->root ? k->root : DIR "/base", at))
        return false;
    k->boxes[which].mounted = true;
    if (*k->root)
        return true;
    if (!mount_overlay(which, "usr", DIR "/usr:" DIR "/mask:/usr", usr))
        return false;
    /* Systems whose /bin and /lib are no links into /usr. */
    for (const char *const *d = (const char *const[]){"bin", "sbin", "lib", "lib64", NULL}; *d;
         d++) {
        char host[32], to[128];
        snprintf(host, sizeof host, "/%s", *d);
        snprintf(to, sizeof to, "%s/%s", at, *d);
        if (lstat(host, &st) == 0 && S_ISDIR(st.st_mode) &&
            mount(host, to, NULL, MS_BIND | MS_REC, NULL) != 0)
            return fail(host);
    }
    return true;
}

static int filter_pipe(void)
{
    static struct sock_filter filter[BOX_FILTER_MAX];
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    size_t n = box_filter(filter) * sizeof *filter; /* fits into a pipe: no reader is needed yet */
    bool ok = box_write_all(fds[1], filter, n);
    close(fds[1]);
    if (!ok)
        close(fds[0]);
    return ok ? fds[0] : -1;
}

/* Becomes bwrap. Descriptors: 3 the server's socket, 4 the helper, 5 the filter, 6 bwrap's report
 * of the box's process 1. */
static void exec_bwrap(const keeper *k, int which)
{
    char at[64], mem[24], out[24], procs[16], cpu[16], file[24], disk[24];
    const box_limits *l = &k->config.limits;
    snprintf(at, sizeof at, DIR "/at-%s", names[which]);
    snprintf(mem, sizeof mem, "%llu", (unsigned long long)l->memory);
    snprintf(out, sizeof out, "%llu", (unsigned long long)l->output);
    snprintf(procs, sizeof procs, "%u", l->processes);
    snprintf(cpu, sizeof cpu, "%u", l->cpu);
    snprintf(file, sizeof file, "%llu", (unsigned long long)l->disk);
    snprintf(disk, sizeof disk, "%llu", (unsigned long long)l->disk / 4);
    char *args[] = {(char *)k->bwrap, "--bind", at, "/", "--proc", "/proc", "--dev", "/dev",
                    /* process 1 is ours; what it can see, nobody else may */
                    "--perms", "0555", "--tmpfs", "/proc/1", "--remount-ro", "/proc/1", "--perms",
                    "0555", "--tmpfs", "/proc/tty", "--remount-ro", "/proc/tty", "--ro-bind",
                    "/dev/null", "/proc/keys", "--ro-bind", "/dev/null", "/proc/key-users",
                    "--ro-bind", "/dev/null", "/proc/kallsyms", "--ro-bind", "/dev/null",
                    "/proc/timer_list", "--perms", "0555", "--ro-bind-data", "4", "/dev/init",
                    "--perms", "1777", "--size", disk, "--tmpfs", "/dev/shm", "--remount-ro",
                    "/dev", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
                    "--unshare-cgroup-try", "--hostname", "box", "--die-with-parent",
                    "--new-session", "--as-pid-1", "--info-fd", "6", "--seccomp", "5", "--chdir",
                    "/", "--clearenv", "--cap-drop", "ALL",
                    /* what root is expected to be able to do to its own files and processes */
                    "--cap-add", "CAP_CHOWN", "--cap-add", "CAP_DAC_OVERRIDE", "--cap-add",
                    "CAP_FOWNER", "--cap-add", "CAP_FSETID", "--cap-add", "CAP_KILL", "--cap-add",
                    "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SYS_CHROOT",
                    "--cap-add", "CAP_SETPCAP" /* given up by the server */, "--", "/dev/init",
                    "server", mem, out, procs, cpu, file, NULL};
    execv(k->bwrap, args);
    _exit(127);
}

static pid_t spawn_bwrap(const keeper *k, int which, int sock, int filter, int info, int log)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    int self = open("/proc/self/fd/4", O_RDONLY); /* an offset of its own */
    const int from[] = {sock, self, filter, info};
    int moved[4];
    for (int i = 0; i < 4; i++) /* out of the way first, so that none is overwritten */
        moved[i] = fcntl(from[i], F_DUPFD, 32);
    dup2(log, 1);
    dup2(log, 2);
    for (int i = 0; i < 4; i++)
        if (moved[i] < 0 || dup2(moved[i], BOX_FD_SOCKET + i) < 0)
            _exit(126);
    syscall(SYS_close_range, BOX_FD_SOCKET + 4, ~0u, 0);
    exec_bwrap(k, which);
    return -1;
}

/* The number after "child-pid" in what bwrap reports. */
static pid_t read_first(int fd)
{
    char text[512];
    size_t n = 0;
    ssize_t got;
    while (n < sizeof text - 1 && (got = read(fd, text + n, sizeof text - 1 - n)) > 0) {
        n += (size_t)got;
        if (memchr(text, '}', n))
            break;
    }
    text[n] = '\0';
    const char *p = strstr(text, "\"child-pid\":");
    return p ? (pid_t)atoi(p + strlen("\"child-pid\":")) : 0;
}

/* bwrap's last line, in place of the box that did not come up. */
static bool fail_log(int log)
{
    char text[700] = "";
    ssize_t n = pread(log, text, sizeof text - 1, 0);
    while (n > 0 && text[n - 1] == '\n')
        n--;
    text[n > 0 ? n : 0] = '\0';
    const char *last = strrchr(text, '\n');
    box_send_text(BOX_FD_SOCKET, BOX_FAILED, "bubblewrap: %s",
                  *text ? (last ? last + 1 : text) : "the box did not start");
    return false;
}

static bool send_socket(int fd)
{
    box_head h = {.type = BOX_OK};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec v = {&h, sizeof h};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(BOX_FD_SOCKET, &m, MSG_NOSIGNAL) == (ssize_t)sizeof h;
}

static bool start_box(keeper *k, int which)
{
    int sock[2] = {-1, -1}, info[2] = {-1, -1}, filter = filter_pipe();
    int log = open(DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    box *b = &k->boxes[which];
    box_head h;
    bool ok = false;
    if (filter < 0 || log < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) != 0 ||
        pipe2(info, O_CLOEXEC) != 0) {
        fail("box");
        goto done;
    }
    b->monitor = spawn_bwrap(k, which, sock[1], filter, info[1], log);
    close(sock[1]);
    close(info[1]);
    sock[1] = info[1] = -1;
    b->first = b->monitor > 0 ? read_first(info[0]) : 0;
    if (b->first > 0 && box_read_all(sock[0], &h, sizeof h) && h.type == BOX_READY) {
        ok = send_socket(sock[0]);
    } else {
        end_box(b);
        fail_log(log);
    }
done:
    for (int i = 0; i < 2; i++) {
        if (sock[i] >= 0)
            close(sock[i]);
        if (info[i] >= 0)
            close(info[i]);
    }
    if (filter >= 0)
        close(filter);
    if (log >= 0)
        close(log);
    return ok;
}

static void begin(keeper *k, int which)
{
    if (which == BOX_TRIAL)
        unmount_box(k, BOX_TRIAL);
    end_box(&k->boxes[which]);
    if (which == BOX_TRIAL && !k->boxes[BOX_LIVE].mounted) {
        box_send_text(BOX_FD_SOCKET, BOX_FAILED, "there is no episode to try on");
        return;
    }
    if (!k->boxes[which].mounted && !mount_box(k, which)) {
        unmount_box(k, which);
        return;
    }
    start_box(k, which);
}

/* ---- the file system as bytes ---- */

static void save(keeper *k, const box_times *times)
{
    box_bytes out = {0};
    const char *why = "";
    const size_t max = (size_t)k->config.limits.disk + (32u << 20);
    if (box_tree_save(DIR "/live/root", "", times, max, &out, &why) &&
        (*k->root || box_tree_save(DIR "/live/usr", "usr", times, max, &out, &why)))
        box_send(BOX_FD_SOCKET, BOX_OK, out.data, out.len);
    else
        box_send_text(BOX_FD_SOCKET, BOX_FAILED, "%s", why);
    box_bytes_clear(&out);
}

/* The entries of the two layers stand one after the other: the second begins with path "usr" and
 * a layer's root is its first entry. In the first, "usr" never is an entry of its own: it is a
 * mount point. */
static size_t second_layer(const char *data, size_t len)
{
    for (size_t at = 0; len - at >= sizeof(box_entry);) {
        box_entry e;
        memcpy(&e, data + at, sizeof e);
        const size_t left = len - at - sizeof e;
        if (e.n_path > left || e.n > left - e.n_path)
            break;
        if (e.n_path == 3 && memcmp(data + at + sizeof e, "usr", 3) == 0)
            return at;
        at += sizeof e + e.n_path + (size_t)e.n;
    }
    return len;
}

static void load(keeper *k, const box_times *times, const char *data, size_t len)
{
    const char *why = "";
    const size_t second = *k->root ? len : second_layer(data, len);
    unmount_box(k, BOX_TRIAL);
    unmount_box(k, BOX_LIVE);
    if (!make_disk(k, BOX_LIVE)) {
        unmount_box(k, BOX_LIVE);
        return;
    }
    if (!box_tree_load(DIR "/live/root", "", times, data, second, &why) ||
        !box_tree_load(DIR "/live/usr", "usr", times, data + second, len - second, &why)) {
        unmount_box(k, BOX_LIVE);
        box_send_text(BOX_FD_SOCKET, BOX_FAILED, "%s", why);
        return;
    }
    if (mount_box(k, BOX_LIVE))
        box_send(BOX_FD_SOCKET, BOX_OK, NULL, 0);
    else
        unmount_box(k, BOX_LIVE);
}

static void changes(keeper *k)
{
    box_bytes out = {0};
    end_box(&k->boxes[BOX_TRIAL]); /* nothing moves while we look */
    box_tree_changes(DIR "/trial/root", "", DIR "/at-live", CHANGES_MAX, &out);
    box_tree_changes(DIR "/trial/usr", "usr", DIR "/at-live", CHANGES_MAX, &out);
    box_send(BOX_FD_SOCKET, BOX_OK, out.data, out.len);
    box_bytes_clear(&out);
}

/* ---- beginning ---- */

static bool read_config(keeper *k)
{
    box_head h;
    char *p;
    if (!box_receive(BOX_FD_SOCKET, &h, &p))
        return false;
    if (h.type != BOX_CONFIG || h.len < sizeof k->config) {
        free(p);
        return false;
    }
    memcpy(&k->config, p, sizeof k->config);
    k->strings = p;
    const char *s = p + sizeof k->config, *end = p + h.len;
    k->bwrap = s;
    s += strlen(s) + 1;
    k->root = s <= end ? s : "";
    return true;
}

/* What the kernel counts for the user outside as well, so that a box cannot use it up. */
static void namespace_limits(void)
{
    static const struct {
        const char *path, *value;
    } all[] = {{"/proc/sys/user/max_inotify_instances", "16"},
               {"/proc/sys/user/max_inotify_watches", "4096"},
               {"/proc/sys/user/max_user_namespaces", "0"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int fd = open(all[i].path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
            continue; /* a kernel without it */
        box_write_all(fd, all[i].value, strlen(all[i].value));
        close(fd);
    }
}

static bool own_namespaces(const keeper *k)
{
    const uid_t uid = k->config.drop_uid;
    box_head h;
    char *p;
    if (uid && (setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 ||
                setresuid(uid, uid, uid) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0))
        return fail("becoming an ordinary user");
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return fail("user namespaces are not available");
    box_send(BOX_FD_SOCKET, BOX_MAP_ME, NULL, 0);
    if (!box_receive(BOX_FD_SOCKET, &h, &p) || h.type != BOX_MAPPED)
        return false;
    free(p);
    if (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)
        return fail("becoming root of the namespace");
    if (k->config.many_ids && setgroups(0, NULL) != 0)
        return fail("setgroups");
    namespace_limits();
    return true;
}

static bool make_base(void)
{
    static const char *const dirs[] = {DIR "/live", DIR "/trial", DIR "/at-live", DIR "/at-trial"};
    const char *what;
    char options[64];
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return fail("private mounts");
    snprintf(options, sizeof options, "mode=0755,size=%d", BASE_BYTES);
    if (mount("tmpfs", DIR, "tmpfs", MS_NODEV | MS_NOSUID, options) != 0)
        return fail("tmpfs");
    if (!box_root_make(DIR, &what))
        return fail(what);
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        if (mkdir(dirs[i], 0755) != 0)
            return fail(dirs[i]);
    return true;
}

static void answer(keeper *k, const box_head *h, const char *p)
{
    box_begin b = {0};
    box_times *t = NULL;
    if (h->type == BOX_SAVE || h->type == BOX_LOAD) {
        t = calloc(1, sizeof *t);
        if (!t || h->len < sizeof *t)
            _exit(70);
        memcpy(t, p, sizeof *t);
        if (t->n < 1 || t->n > BOX_TIMES_MAX)
            _exit(70);
    } else if (h->len >= sizeof b) {
        memcpy(&b, p, sizeof b);
    }
    switch (h->type) {
    case BOX_FRESH:
        unmount_box(k, BOX_TRIAL);
        unmount_box(k, BOX_LIVE);
        box_send(BOX_FD_SOCKET, BOX_OK, NULL, 0);
        break;
    case BOX_BEGIN:
        begin(k, b.which == BOX_TRIAL);
        break;
    case BOX_END:
        if (b.which == BOX_TRIAL)
            unmount_box(k, BOX_TRIAL);
        else
            end_box(&k->boxes[BOX_LIVE]);
        box_send(BOX_FD_SOCKET, BOX_OK, NULL, 0);
        break;
    case BOX_SAVE:
        save(k, t);
        break;
    case BOX_LOAD:
        load(k, t, p + sizeof *t, h->len - sizeof *t);
        break;
    case BOX_CHANGES:
        changes(k);
        break;
    default:
        box_send_text(BOX_FD_SOCKET, BOX_FAILED, "message %u is not known", h->type);
    }
    free(t);
}

int box_keeper(void)
{
    static keeper k;
    box_head h;
    char *p;
    signal(SIGPIPE, SIG_IGN);
    fcntl(BOX_FD_SOCKET, F_SETFD, FD_CLOEXEC);
    fcntl(BOX_FD_SELF, F_SETFD, FD_CLOEXEC);
    if (!read_config(&k) || !own_namespaces(&k) || !make_base())
        return 1;
    box_send(BOX_FD_SOCKET, BOX_OK, NULL, 0);
    while (box_receive(BOX_FD_SOCKET, &h, &p)) {
        answer(&k, &h, p);
        free(p);
    }
    end_box(&k.boxes[BOX_TRIAL]);
    end_box(&k.boxes[BOX_LIVE]);
    free(k.strings);
    return 0;
}
