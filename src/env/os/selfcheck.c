/* selfcheck.c - attempts to get out of a sandbox, made in one.
 *
 * Three kinds: system calls made by the helper (box/probe.c), commands in the shell that must fail,
 * and commands that must run into a limit. What they try to reach outside is put there first: a
 * file, a port, an abstract socket, this process. */
#include "env/os/selfcheck.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/os/sandbox_impl.h"
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ATTEMPTS_MAX = 128, ARG_MAX_LEN = 96 };

/* What is outside, to be reached. */
typedef struct {
    char file[64], abstract[64], port[16], pid[16], mark[24];
    int tcp, local;
} bait;

/* ---- system calls ---- */

static const struct {
    const char *wall, *attempt, *probe, *arg; /* arg "@file" and so on: of the bait */
} calls[] = {
    {"processes", "ptrace the parent process", "ptrace", ""},
    {"processes", "be traced", "traceme", ""},
    {"processes", "write into another process's memory", "vm_write", ""},
    {"processes", "take a descriptor of process 1", "pidfd_getfd", ""},
    {"processes", "kill process 1", "kill_first", ""},
    {"processes", "signal the program outside by its number", "kill", "@pid"},
    {"processes", "read process 1's memory", "read", "/proc/1/mem"},
    {"processes", "read process 1's environment", "read", "/proc/1/environ"},
    {"processes", "use a descriptor left open", "inherited", ""},
    {"namespaces", "a user namespace by unshare", "unshare", "user"},
    {"namespaces", "a network namespace by unshare", "unshare", "net"},
    {"namespaces", "a mount namespace by unshare", "unshare", "mnt"},
    {"namespaces", "a pid namespace by unshare", "unshare", "pid"},
    {"namespaces", "a user namespace by clone", "clone", ""},
    {"namespaces", "a user namespace by clone3", "clone3", ""},
    {"namespaces", "enter a namespace", "setns", ""},
    {"files", "mount proc", "mount", "proc"},
    {"files", "mount tmpfs", "mount", "tmpfs"},
    {"files", "mount sysfs", "mount", "sysfs"},
    {"files", "make /dev writable", "remount", "/dev"},
    {"files", "uncover /proc/1", "umount", "/proc/1"},
    {"files", "uncover /proc/tty", "umount", "/proc/tty"},
    {"files", "clone the mount tree", "open_tree", ""},
    {"files", "a file system by fsopen", "fsopen", ""},
    {"files", "pivot_root", "pivot_root", ""},
    {"files", "leave by chroot and ..", "chroot", ""},
    {"files", "a file handle, to open by number", "handle", ""},
    {"files", "read a file of the host", "read", "@file"},
    {"devices", "make a device node and open it", "mknod", ""},
    {"devices", "read /dev/mem", "read", "/dev/mem"},
    {"devices", "read /dev/kmsg", "read", "/dev/kmsg"},
    {"devices", "read /proc/kcore", "read", "/proc/kcore"},
    {"devices", "read /proc/kallsyms", "read", "/proc/kallsyms"},
    {"devices", "open the controlling terminal", "tty", ""},
    {"devices", "type into the terminal (TIOCSTI)", "tiocsti", ""},
    {"kernel", "write /proc/sysrq-trigger", "write", "/proc/sysrq-trigger"},
    {"kernel", "write core_pattern", "write", "/proc/sys/kernel/core_pattern"},
    {"kernel", "write modprobe's path", "write", "/proc/sys/kernel/modprobe"},
    {"kernel", "write drop_caches", "write", "/proc/sys/vm/drop_caches"},
    {"kernel", "raise the limit of namespaces", "write", "/proc/sys/user/max_user_namespaces"},
    {"kernel", "write below /sys", "write", "/sys/power/state"},
    {"kernel", "bpf", "bpf", ""},
    {"kernel", "io_uring", "io_uring", ""},
    {"kernel", "userfaultfd", "userfaultfd", ""},
    {"kernel", "perf_event_open", "perf", ""},
    {"kernel", "keys", "keyctl", ""},
    {"kernel", "load a module", "module", ""},
    {"kernel", "kexec", "kexec", ""},
    {"kernel", "reboot", "reboot", ""},
    {"kernel", "set the clock", "settime", ""},
    {"kernel", "set the host's name", "sethostname", ""},
    {"kernel", "read the kernel's log", "syslog", ""},
    {"kernel", "personality", "personality", ""},
    {"kernel", "the x32 table of system calls", "x32", ""},
    {"network", "a packet socket", "socket", "packet"},
    {"network", "a crypto socket", "socket", "alg"},
    {"network", "a socket to the virtual machine's host", "socket", "vsock"},
    {"network", "the audit system's socket", "socket", "audit"},
    {"network", "a raw socket", "raw", ""},
    {"network", "a way to the outside", "connect", ""},
    {"network", "a port of the host's loopback", "reach_port", "@port"},
    {"network", "an abstract socket of the host", "reach_abstract", "@abstract"},
    {"privileges", "no_new_privs is off", "new_privileges", ""},
    {"privileges", "CAP_SYS_ADMIN", "capability", "21"},
    {"privileges", "CAP_SYS_PTRACE", "capability", "19"},
    {"privileges", "CAP_NET_ADMIN", "capability", "12"},
    {"privileges", "CAP_DAC_READ_SEARCH", "capability", "2"},
    {"privileges", "CAP_SYS_RESOURCE", "capability", "24"},
    {"limits", "memory that is not counted: memfd", "memfd", ""},
    {"limits", "memory that is not counted: shmget", "shmget", ""},
    {"limits", "memory that is not counted: message queues", "mqueue", ""},
    {"limits", "more inotify instances than its share", "inotify", ""},
};

/* ---- the shell: out when the command ends with status 0 ---- */

static const struct {
    const char *wall, *attempt, *script; /* $BAIT: the host's file; $MARK: a word of this check */
} commands[] = {
    {"files", "read the host's file through a link", "ln -s \"$BAIT\" /opt/l && cat /opt/l"},
    {"files", "read it through /proc/PID/root", "cat /proc/[0-9]*/root\"$BAIT\""},
    {"files", "read it through /proc/PID/cwd", "cat /proc/[0-9]*/cwd/../../../../..\"$BAIT\""},
    {"files", "find the host's home folders", "ls /home | grep -q ."},
    {"files", "a block device in /dev", "find /dev -type b | grep -q ."},
    {"files", "write into /dev", ": >/dev/\"$MARK\""},
    {"files", "change the helper", "chmod u+w /dev/init; echo x >/dev/init"},
    {"files", "write to the host's /usr",
     "echo x >/usr/bin/\"$MARK\"; cmp -s /usr/bin/\"$MARK\" /proc/1/root/usr/bin/\"$MARK\""},
    {"privileges", "a set-user-ID shell",
     "cp /bin/bash /opt/s && chmod 4755 /opt/s && su -s /bin/bash nobody -c '/opt/s -p -c \"test "
     "\\$(id -u) = 0\"'"},
    {"processes", "see the host's processes", "test $(ls -d /proc/[0-9]* | wc -l) -gt 20"},
    {"limits", "lift the limit of processor time", "ulimit -t unlimited"},
    {"limits", "lift the limit of processes", "ulimit -u unlimited"},
    {"limits", "a file larger than the disk", "head -c 20m /dev/zero >/opt/f"},
    {"limits", "many files that fill the disk",
     "for i in 1 2 3 4 5 6; do head -c 1m /dev/zero >/opt/f$i || exit 1; done"},
    {"limits", "more files than there may be",
     "mkdir /opt/n && cd /opt/n && for i in {1..1000}; do : >$i || exit 1; done"},
    {"limits", "fill /dev/shm", "head -c 20m /dev/zero >/dev/shm/f"},
    {"limits", "more descriptors than there may be",
     "for i in {1..400}; do exec {f}</dev/null || exit 1; done"},
};

/* ---- limits: the command must be ended with this flag ---- */

static const struct {
    const char *attempt, *script;
    double timeout;
    uint32_t flag; /* and the box must answer after it */
} excesses[] = {
    {"hang", "sleep 100", 0.15, BOX_TIMED_OUT},
    {"a loop of the shell's own", "while :; do :; done", 0.15, BOX_TIMED_OUT},
    {"print without end", "yes", 20, BOX_FLOODED},
    {"memory of one process", "/dev/init probe memory 120", 20, BOX_OUT_OF_MEMORY},
    {"memory of many processes",
     "for i in 1 2 3 4 5 6 7 8; do /dev/init probe memory 20 & done; wait", 20, BOX_OUT_OF_MEMORY},
    /* more than is watched for in a moment: where there is a group of its own, it is the bound */
    {"more memory at once than all may have",
     "for i in {1..16}; do /dev/init probe memory 60 & done; wait", 20, BOX_OUT_OF_MEMORY},
    {"a fork bomb", "b() { b | b & }; b; sleep 100", 0.4, BOX_TIMED_OUT},
};
enum { N_EXCESSES = sizeof excesses / sizeof *excesses };

/* ---- the bait ---- */

static bool bait_put(bait *b)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    socklen_t n = sizeof in;
    const char *tmp = getenv("TMPDIR");
    snprintf(b->mark, sizeof b->mark, "cmat-probe-%d", (int)getpid());
    snprintf(b->pid, sizeof b->pid, "%d", (int)getpid());
    if (snprintf(b->file, sizeof b->file, "%s/cmat-probe-XXXXXX",
                 tmp && strlen(tmp) < 40 ? tmp : "/tmp") >= (int)sizeof b->file)
        return false;
    const int fd = mkstemp(b->file);
    if (fd < 0)
        return false;
    const bool written = write(fd, "bait\n", 5) == 5;
    close(fd);
    b->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    b->local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(b->abstract, sizeof b->abstract, "%s", b->mark);
    memcpy(un.sun_path + 1, b->abstract, strlen(b->abstract));
    const socklen_t n_un =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(b->abstract));
    const bool ok =
        b->tcp >= 0 && b->local >= 0 && bind(b->tcp, (struct sockaddr *)&in, sizeof in) == 0 &&
        listen(b->tcp, 4) == 0 && getsockname(b->tcp, (struct sockaddr *)&in, &n) == 0 &&
        bind(b->local, (struct sockaddr *)&un, n_un) == 0 && listen(b->local, 4) == 0;
    snprintf(b->port, sizeof b->port, "%u", ntohs(in.sin_port));
    return ok && written;
}

static void bait_take(const bait *b)
{
    if (b->tcp >= 0)
        close(b->tcp);
    if (b->local >= 0)
        close(b->local);
    if (*b->file)
        remove(b->file);
}

static const char *bait_arg(const bait *b, const char *arg)
{
    if (*arg != '@')
        return arg;
    return strcmp(arg, "@file") == 0   ? b->file
           : strcmp(arg, "@pid") == 0  ? b->pid
           : strcmp(arg, "@port") == 0 ? b->port
                                       : b->abstract;
}

/* ---- the attempts ---- */

static void note(json_t *report, const char *wall, const char *attempt, const char *result)
{
    json_array_append_new(
        report, json_pack("{s:s, s:s, s:s}", "wall", wall, "attempt", attempt, "result", result));
}

/* Runs it; an attempt that takes the box along, or is not answered, ends the check. */
static cmat_status attempt(os_sandbox *s, const os_run *r, const char *name, os_output *o,
                           cmat_error *err)
{
    cmat_status st = os_sandbox_run(s, r, o, err);
    return st == CMAT_OK && o->died
               ? cmat_fail(err, CMAT_ERR_IO, "os: the sandbox does not answer to \"%s\"", name)
               : st;
}

/* All in one run: the helper prints a word a line. */
static cmat_status try_calls(os_sandbox *s, const bait *b, json_t *report, cmat_error *err)
{
    const char *argv[2 * ATTEMPTS_MAX + 3] = {"/dev/init", "probe"};
    const size_t n = sizeof calls / sizeof *calls;
    os_output o = {0};
    for (size_t i = 0; i < n; i++) {
        argv[2 + 2 * i] = calls[i].probe;
        argv[3 + 2 * i] = bait_arg(b, calls[i].arg);
    }
    const os_run r = {.argv = argv, .timeout = 30};
    cmat_status st = attempt(s, &r, "system calls", &o, err);
    const char *p = cmat_buf_str(&o.out);
    for (size_t i = 0; st == CMAT_OK && i < n; i++) {
        const size_t len = strcspn(p, "\n");
        note(report, calls[i].wall, calls[i].attempt,
             len == 4 && memcmp(p, "held", 4) == 0  ? "held"
             : len == 3 && memcmp(p, "out", 3) == 0 ? "out"
                                                    : "error");
        p += len + (p[len] == '\n');
    }
    os_output_clear(&o);
    return st;
}

/* Each in a subshell, as the status of the last line. */
static cmat_status try_command(os_sandbox *s, const bait *b, size_t i, json_t *report,
                               cmat_error *err)
{
    os_output o = {0};
    char *script = cmat_xasprintf(
        "BAIT=%s; MARK=%s; cd /; ( %s ) >/dev/null 2>&1 && echo out || "
        "echo held; rm -rf /opt/*",
        b->file, b->mark, commands[i].script);
    const os_run r = {.script = script, .timeout = 30};
    cmat_status st = attempt(s, &r, commands[i].attempt, &o, err);
    const char *said = cmat_buf_str(&o.out);
    if (st == CMAT_OK)
        note(report, commands[i].wall, commands[i].attempt,
             strcmp(said, "held\n") == 0  ? "held"
             : strcmp(said, "out\n") == 0 ? "out"
                                          : "error");
    os_output_clear(&o);
    free(script);
    return st;
}

static bool answers(os_sandbox *s)
{
    os_output o = {0};
    const os_run r = {.script = "echo here", .timeout = 30};
    const bool ok = os_sandbox_run(s, &r, &o, NULL) == CMAT_OK && !o.died &&
                    strstr(cmat_buf_str(&o.out), "here\n");
    os_output_clear(&o);
    return ok;
}

/* What should end it has: the watcher or, before that, the kernel, where the group is full. */
static bool was_ended(const os_sandbox *s, const os_output *o, uint32_t flag, uint64_t killed)
{
    const os_group *g = os_sandbox_group(s);
    return (o->flags & flag) || (flag == BOX_OUT_OF_MEMORY && os_group_killed(g) > killed);
}

static cmat_status try_excess(os_sandbox *s, size_t i, const char **result, cmat_error *err)
{
    os_output o = {0};
    const os_group *g = os_sandbox_group(s);
    const uint64_t killed = os_group_killed(g);
    const os_run r = {.script = excesses[i].script, .timeout = excesses[i].timeout};
    cmat_status st = os_sandbox_run(s, &r, &o, err);
    if (st == CMAT_OK)
        *result = was_ended(s, &o, excesses[i].flag, killed) && answers(s) &&
                          os_group_peak(g) <= g->memory
                      ? "held"
                      : "out";
    os_output_clear(&o);
    return st;
}

/* An excess that only waits for its end: in a sandbox and a thread of its own, beside the others.
 */
typedef struct {
    os_host *host;
    double seconds;
    size_t i; /* in excesses */
    const char *result;
    cmat_status st;
    cmat_error err;
    pthread_t thread;
    bool started;
} wait_job;

static cmat_status open_small(os_sandbox **s, os_host *host, double seconds, cmat_error *err)
{
    cmat_status st = os_sandbox_open(s, host, &os_limits_small, err);
    if (st == CMAT_OK) {
        os_sandbox_set_patience(*s, seconds);
        st = os_sandbox_fresh(*s, "/", err);
    }
    return st;
}

static void *run_wait(void *p)
{
    wait_job *j = p;
    os_sandbox *s = NULL;
    j->st = open_small(&s, j->host, j->seconds, &j->err);
    if (j->st == CMAT_OK)
        j->st = try_excess(s, j->i, &j->result, &j->err);
    os_sandbox_close(s);
    return NULL;
}

static bool waits(size_t i)
{
    return excesses[i].flag == BOX_TIMED_OUT;
}

/* jobs: (N_EXCESSES). */
static void start_waits(wait_job *jobs, os_host *host, double seconds)
{
    for (size_t i = 0; i < N_EXCESSES; i++) {
        jobs[i] = (wait_job){.host = host, .seconds = seconds, .i = i};
        if (waits(i) &&
            !(jobs[i].started = pthread_create(&jobs[i].thread, NULL, run_wait, &jobs[i]) == 0))
            run_wait(&jobs[i]);
    }
}

static void end_waits(wait_job *jobs)
{
    for (size_t i = 0; i < N_EXCESSES; i++)
        if (jobs[i].started)
            pthread_join(jobs[i].thread, NULL);
}

/* Once nothing else takes the processor: how fast memory is noticed depends on it. */
static cmat_status try_excesses(os_sandbox *s, wait_job *jobs, json_t *report, cmat_error *err)
{
    cmat_status st = CMAT_OK;
    for (size_t i = 0; st == CMAT_OK && i < N_EXCESSES; i++) {
        wait_job *j = &jobs[i];
        if (!waits(i))
            j->st = try_excess(s, i, &j->result, &j->err);
        st = j->st;
        if (st == CMAT_OK)
            note(report, "limits", excesses[i].attempt, j->result);
        else if (err)
            *err = j->err;
    }
    return st;
}

/* A process of the host with this word among its arguments. */
static bool process_with(const char *word)
{
    char path[64], text[1024];
    bool found = false;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        if (*e->d_name < '0' || *e->d_name > '9' || atoi(e->d_name) == (int)getpid())
            continue;
        snprintf(path, sizeof path, "/proc/%.16s/cmdline", e->d_name);
        FILE *f = fopen(path, "re");
        const size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
        if (f)
            fclose(f);
        found = n > 0 && memmem(text, n, word, strlen(word));
    }
    if (d)
        closedir(d);
    return found;
}

/* A process that has left its session and parent, and the files of the last file system, must be
 * gone after a new beginning. */
static cmat_status try_survival(os_sandbox *s, const bait *b, json_t *report, cmat_error *err)
{
    os_output o = {0};
    char *script = cmat_xasprintf(
        "echo x >/etc/%s; (setsid bash -c 'sleep 1000; : %s' >/dev/null "
        "2>&1 &)",
        b->mark, b->mark);
    char *look = cmat_xasprintf("test -e /etc/%s && echo out || echo held", b->mark);
    os_run r = {.script = script, .timeout = 30};
    cmat_status st = os_sandbox_run(s, &r, &o, err);
    if (st == CMAT_OK)
        st = os_sandbox_fresh(s, "/", err);
    if (st == CMAT_OK) {
        note(report, "end", "a process that outlives its episode",
             process_with(b->mark) ? "out" : "held");
        r.script = look;
        st = os_sandbox_run(s, &r, &o, err);
        note(report, "end", "a file that outlives its episode",
             strcmp(cmat_buf_str(&o.out), "held\n") == 0 ? "held" : "out");
    }
    os_output_clear(&o);
    free(script);
    free(look);
    return st;
}

/* What must not have come about outside. */
static void look_outside(const bait *b, json_t *report)
{
    char path[64], text[16] = "";
    snprintf(path, sizeof path, "/usr/bin/%s", b->mark);
    note(report, "files", "a file written to /usr, seen outside",
         cmat_path_exists(path) ? "out" : "held");
    FILE *f = fopen(b->file, "re");
    const size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    note(report, "files", "the host's file, changed",
         n == 5 && memcmp(text, "bait\n", 5) == 0 ? "held" : "out");
}

static cmat_status verdict(const json_t *report, cmat_error *err)
{
    const json_t *j;
    size_t i;
    json_array_foreach(report, i, j)
    {
        const char *result = cmat_json_str(j, "result", "error");
        if (strcmp(result, "held") != 0)
            return cmat_fail(err, CMAT_ERR_STATE,
                             "os: the sandbox does not pass its self-check: %s: \"%s\" (`cmat "
                             "doctor --sandbox` shows all)",
                             strcmp(result, "out") == 0 ? "a wall does not hold"
                                                        : "an attempt could not be made",
                             cmat_json_str(j, "attempt", ""));
    }
    return CMAT_OK;
}

cmat_status os_selfcheck(os_host *host, double seconds, json_t **report, cmat_error *err)
{
    const double patience = seconds > 0 ? seconds : OS_SELFCHECK_SECONDS;
    os_sandbox *s = NULL;
    bait b = {.tcp = -1, .local = -1};
    wait_job jobs[N_EXCESSES];
    cmat_status st = CMAT_OK;
    *report = NULL;
    if (!bait_put(&b))
        st = cmat_fail(err, CMAT_ERR_IO, "os: the self-check cannot be prepared: %s",
                       strerror(errno));
    if (st == CMAT_OK)
        st = open_small(&s, host, patience, err);
    json_t *r = json_array();
    const bool open = st == CMAT_OK;
    if (open)
        start_waits(jobs, host, patience);
    if (st == CMAT_OK)
        st = try_calls(s, &b, r, err);
    for (size_t i = 0; st == CMAT_OK && i < sizeof commands / sizeof *commands; i++)
        st = try_command(s, &b, i, r, err);
    if (open)
        end_waits(jobs);
    if (st == CMAT_OK)
        st = try_excesses(s, jobs, r, err);
    if (st == CMAT_OK)
        st = try_survival(s, &b, r, err);
    if (st == CMAT_OK)
        look_outside(&b, r);
    os_sandbox_close(s);
    bait_take(&b);
    if (st == CMAT_OK) {
        *report = r;
        return verdict(r, err);
    }
    json_decref(r);
    return st;
}

cmat_status os_selfcheck_once(os_host *host, cmat_error *err)
{
    json_t *report = NULL;
    pthread_mutex_lock(&host->mutex);
    if (!host->checked) {
        host->check = (cmat_error){.status = CMAT_OK};
        os_selfcheck(host, 0, &report, &host->check);
        json_decref(report);
        host->checked = host->check.status != CMAT_ERR_CANCELLED;
    }
    const cmat_status st = host->check.status;
    if (st != CMAT_OK && err)
        *err = host->check;
    pthread_mutex_unlock(&host->mutex);
    return st;
}
