/* probe.c - attempts to get out of a box that need system calls of their own.
 *
 * Each returns 0 when it succeeded (the wall did not hold), an errno when it was refused. The list
 * of all attempts, with those a shell can make, is selfcheck.c's. */
#include "env/os/box/modes.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* 0 when the call worked, else its errno. */
static int refused(long result)
{
    return result < 0 ? errno : 0;
}

static int call_ptrace(const char *arg)
{
    (void)arg;
    return refused(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int call_traceme(const char *arg)
{
    (void)arg;
    return refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int call_vm_write(const char *arg)
{
    char byte = 0;
    const struct iovec v = {&byte, 1};
    (void)arg;
    return refused(process_vm_writev(getppid(), &v, 1, &v, 1, 0));
}

static int call_pidfd_getfd(const char *arg)
{
    const int fd = (int)syscall(SYS_pidfd_open, 1, 0);
    (void)arg;
    return fd < 0 ? errno : refused(syscall(SYS_pidfd_getfd, fd, 3, 0));
}

static int call_unshare(const char *arg)
{
    const int flags = strcmp(arg, "user") == 0  ? CLONE_NEWUSER
                      : strcmp(arg, "net") == 0 ? CLONE_NEWNET
                      : strcmp(arg, "pid") == 0 ? CLONE_NEWPID
                                                : CLONE_NEWNS;
    return refused(unshare(flags));
}

static int call_clone(const char *arg)
{
    (void)arg;
    const long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0)
        _exit(0);
    return refused(pid);
}

static int call_clone3(const char *arg)
{
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } a = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    (void)arg;
    const long pid = syscall(SYS_clone3, &a, sizeof a);
    if (pid == 0)
        _exit(0);
    return refused(pid);
}

static int call_setns(const char *arg)
{
    const int fd = open("/proc/self/ns/net", O_RDONLY);
    (void)arg;
    return fd < 0 ? errno : refused(setns(fd, 0));
}

static int call_mount(const char *arg)
{
    return refused(mount(arg, "/mnt", arg, 0, NULL));
}

static int call_remount(const char *arg)
{
    return refused(mount(NULL, arg, NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int call_umount(const char *arg)
{
    return refused(umount2(arg, MNT_DETACH));
}

static int call_open_tree(const char *arg)
{
    (void)arg;
    return refused(syscall(SYS_open_tree, AT_FDCWD, "/", 1));
}

static int call_fsopen(const char *arg)
{
    (void)arg;
    return refused(syscall(SYS_fsopen, "tmpfs", 0));
}

static int call_pivot(const char *arg)
{
    (void)arg;
    return refused(syscall(SYS_pivot_root, "/mnt", "/mnt"));
}

/* The way out of a chroot: a folder kept open, then up. What is reached must be this box's own
 * root, not something above it. */
static int call_chroot(const char *arg)
{
    struct stat own, up;
    (void)arg;
    const int fd = open("/", O_RDONLY | O_DIRECTORY);
    if (fd < 0 || fstat(fd, &own) != 0 || chroot("/opt") != 0 || fchdir(fd) != 0)
        return errno;
    for (int i = 0; i < 64; i++)
        if (chdir("..") != 0)
            return errno;
    if (stat(".", &up) != 0)
        return errno;
    return own.st_ino == up.st_ino && own.st_dev == up.st_dev ? EXDEV : 0;
}

static int call_bpf(const char *arg)
{
    union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY};
    (void)arg;
    a.key_size = a.value_size = 4;
    a.max_entries = 1;
    return refused(syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a));
}

static int call_io_uring(const char *arg)
{
    char params[256] = {0};
    (void)arg;
    return refused(syscall(SYS_io_uring_setup, 1, params));
}

static int call_userfaultfd(const char *arg)
{
    (void)arg;
    return refused(syscall(SYS_userfaultfd, 1));
}

static int call_perf(const char *arg)
{
    struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .size = sizeof a};
    (void)arg;
    return refused(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0));
}

static int call_keyctl(const char *arg)
{
    (void)arg;
    return refused(syscall(SYS_add_key, "user", "probe", "x", 1, -3));
}

static int call_memfd(const char *arg)
{
    (void)arg;
    return refused(syscall(SYS_memfd_create, "x", 0));
}

static int call_shmget(const char *arg)
{
    (void)arg;
    return refused(syscall(SYS_shmget, IPC_PRIVATE, 1 << 20, 0600));
}

static int call_mqueue(const char *arg)
{
    (void)arg;
    return refused(syscall(SYS_mq_open, "probe", O_CREAT | O_RDWR, 0600, NULL));
}

static int call_module(const char *arg)
{
    (void)arg;
    return refused(syscall(SYS_init_module, "", 0, ""));
}

static int call_kexec(const char *arg)
{
    (void)arg;
    return refused(syscall(SYS_kexec_load, 0, 0, NULL, 0));
}

static int call_reboot(const char *arg)
{
    (void)arg;
    return refused(
        syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL)); /* no more than Ctrl-Alt-Del off */
}

static int call_settime(const char *arg)
{
    struct timespec t;
    (void)arg;
    clock_gettime(CLOCK_REALTIME, &t);
    return refused(clock_settime(CLOCK_REALTIME, &t));
}

static int call_sethostname(const char *arg)
{
    (void)arg;
    return refused(sethostname("probe", 5));
}

static int call_syslog(const char *arg)
{
    char text[16];
    (void)arg;
    return refused(syscall(SYS_syslog, 3, text, sizeof text));
}

static int call_personality(const char *arg)
{
    (void)arg;
    return refused(personality(READ_IMPLIES_EXEC));
}

static int call_handle(const char *arg)
{
    struct {
        struct file_handle h;
        char room[128];
    } f = {.h = {.handle_bytes = sizeof f.room}};
    int id;
    (void)arg;
    return refused(name_to_handle_at(AT_FDCWD, "/", &f.h, &id, 0));
}

static int call_tiocsti(const char *arg)
{
    char byte = 'x';
    (void)arg;
    return refused(ioctl(0, TIOCSTI, &byte));
}

static int call_tty(const char *arg)
{
    (void)arg;
    return refused(open("/dev/tty", O_RDWR));
}

static int call_mknod(const char *arg)
{
    (void)arg;
    if (mknod("/opt/probe", S_IFBLK | 0600, makedev(254, 0)) != 0 &&
        mknod("/opt/probe", S_IFCHR | 0600, makedev(1, 1)) != 0)
        return errno;
    return refused(open("/opt/probe", O_RDONLY));
}

static int call_socket(const char *arg)
{
    const int family = strcmp(arg, "packet") == 0  ? AF_PACKET
                       : strcmp(arg, "alg") == 0   ? AF_ALG
                       : strcmp(arg, "vsock") == 0 ? AF_VSOCK
                                                   : AF_NETLINK;
    return refused(socket(family, SOCK_RAW, family == AF_NETLINK ? NETLINK_AUDIT : 0));
}

static int call_raw(const char *arg)
{
    (void)arg;
    return refused(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

/* An address that is routed everywhere (TEST-NET-1): there must be no way to it from here. */
static int call_connect(const char *arg)
{
    const struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {.s_addr = htonl(0xc0000201)}};
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    (void)arg;
    return fd < 0 ? errno : refused(connect(fd, (const struct sockaddr *)&a, sizeof a));
}

/* A server that the program has set up outside: its port, or the name of an abstract socket. */
static int call_reach_port(const char *arg)
{
    const struct sockaddr_in a = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(arg)),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd < 0 ? errno : refused(connect(fd, (const struct sockaddr *)&a, sizeof a));
}

static int call_reach_abstract(const char *arg)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "%s", arg);
    const socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(arg));
    return fd < 0 ? errno : refused(connect(fd, (const struct sockaddr *)&a, n));
}

/* The program itself, by its number outside. */
static int call_kill(const char *arg)
{
    return refused(kill((pid_t)atoi(arg), 0));
}

static int call_kill_first(const char *arg)
{
    (void)arg;
    if (kill(1, SIGKILL) != 0)
        return errno;
    usleep(20000);
    return ESRCH; /* we are still here, so process 1 is */
}

static int call_new_privileges(const char *arg)
{
    (void)arg;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? EPERM : 0;
}

/* Neither now nor by running a program. */
static int call_capability(const char *arg)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[2];
    const int cap = atoi(arg);
    if (syscall(SYS_capget, &h, have) != 0)
        return 0;
    return prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0 && !(have[cap / 32].permitted & 1u << cap % 32)
               ? EPERM
               : 0;
}

static int call_write(const char *arg)
{
    const int fd = open(arg, O_WRONLY);
    return fd < 0 ? errno : refused(write(fd, "1\n", 2));
}

static int call_read(const char *arg)
{
    char byte;
    const int fd = open(arg, O_RDONLY);
    if (fd < 0)
        return errno;
    const ssize_t n = read(fd, &byte, 1);
    return n < 0 ? errno : n == 0 ? ENODATA : 0;
}

/* A descriptor of the server's, or of anybody's outside, that was not closed. */
static int call_inherited(const char *arg)
{
    (void)arg;
    for (int fd = 3; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            return 0;
    return EBADF;
}

/* More of them than a box is given; they are counted for the user outside too. */
static int call_inotify(const char *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        if (inotify_init1(0) < 0)
            return errno;
    return 0;
}

static int call_x32(const char *arg)
{
    (void)arg;
    return refused(syscall(0x40000000 + 39)); /* getpid of another table of calls */
}

static const struct {
    const char *name;
    int (*call)(const char *arg);
} probes[] = {
    {"ptrace", call_ptrace},
    {"traceme", call_traceme},
    {"vm_write", call_vm_write},
    {"pidfd_getfd", call_pidfd_getfd},
    {"unshare", call_unshare},
    {"clone", call_clone},
    {"clone3", call_clone3},
    {"setns", call_setns},
    {"mount", call_mount},
    {"remount", call_remount},
    {"umount", call_umount},
    {"open_tree", call_open_tree},
    {"fsopen", call_fsopen},
    {"pivot_root", call_pivot},
    {"chroot", call_chroot},
    {"bpf", call_bpf},
    {"io_uring", call_io_uring},
    {"userfaultfd", call_userfaultfd},
    {"perf", call_perf},
    {"keyctl", call_keyctl},
    {"memfd", call_memfd},
    {"shmget", call_shmget},
    {"mqueue", call_mqueue},
    {"module", call_module},
    {"kexec", call_kexec},
    {"reboot", call_reboot},
    {"settime", call_settime},
    {"sethostname", call_sethostname},
    {"syslog", call_syslog},
    {"personality", call_personality},
    {"handle", call_handle},
    {"tiocsti", call_tiocsti},
    {"tty", call_tty},
    {"mknod", call_mknod},
    {"socket", call_socket},
    {"raw", call_raw},
    {"connect", call_connect},
    {"reach_port", call_reach_port},
    {"reach_abstract", call_reach_abstract},
    {"kill", call_kill},
    {"kill_first", call_kill_first},
    {"new_privileges", call_new_privileges},
    {"capability", call_capability},
    {"write", call_write},
    {"read", call_read},
    {"inherited", call_inherited},
    {"x32", call_x32},
    {"inotify", call_inotify},
};

/* Each attempt in a process of its own, which may be killed for it: "held" then too. */
static int attempt(int (*call)(const char *arg), const char *arg)
{
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(call(arg) == 0 ? 0 : 77);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 70;
    return WIFSIGNALED(status) ? 77 : WEXITSTATUS(status);
}

/* Not an attempt by itself: fills so many MB and stays a moment. */
static int fill_memory(size_t mb)
{
    volatile char *p = malloc(mb << 20); /* volatile: it must really be filled */
    if (!p)
        return 1;
    for (size_t i = 0; i < mb << 20; i += 4096)
        p[i] = 1;
    sleep(20);
    return 0;
}

/* Arguments: name argument, again and again. Prints a line each: "out", "held" or "error". */
int box_probe(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[0], "memory") == 0)
        return fill_memory(strtoul(argv[1], NULL, 10));
    for (int i = 0; i + 1 < argc; i += 2) {
        int result = 70;
        for (size_t k = 0; k < sizeof probes / sizeof *probes; k++)
            if (strcmp(probes[k].name, argv[i]) == 0)
                result = attempt(probes[k].call, argv[i + 1]);
        puts(result == 77 ? "held" : result == 0 ? "out" : "error");
    }
    return 0;
}
