/* serve.c - process 1 of a box: runs commands in a shell that stays, and in processes of their own.
 *
 * Being process 1 it cannot be killed from inside; it has no descriptor that a command inherits.
 * The shell reads scripts from one pipe (ended by a NUL), evaluates each with these pipes closed,
 * and answers on another: status, folder, and what the shell knows (variables, options,
 * functions), so that a new shell can take over when this one ends or has to be killed. */
#include "env/os/box/io.h"
#include "env/os/box/modes.h"
#include "env/os/box/news.h"
#include "env/os/box/procs.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGS_MAX = 512 };
enum { SCRIPT_FD = 198, ANSWER_FD = 199, ANSWER_MAX = 1 << 20, WATCH_MS = 25, GRACE_MS = 150 };
enum { START_MS = 20000 }; /* for a new shell to report */

typedef struct {
    box_limits limits;
    int signals;             /* signalfd of SIGCHLD */
    pid_t shell;             /* 0: none */
    int status;              /* of the shell, once it has ended */
    int script, answer, out; /* pipes to and from the shell */
    box_bytes said;          /* of the shell's answer, so far */
    box_bytes first;         /* what a new shell knows, to tell what has been added */
    box_bytes state;         /* what this one knows beyond that, as a script */
    char cwd[4096];
    box_bytes printed; /* output not yet brought back, at most limits.output */
    uint64_t total;
} server;

static server S; /* process 1 serves one box */

/* What the shell reads first, from a pipe that ends with it; on one line, so that a script's own
 * lines are counted from 1. Three lists, each ended by a NUL, follow status and folder: variables,
 * options, functions. The name of the helper function that hands $? on is cut out again below. */
static const char driver[] =
    "shopt -s expand_aliases; __box_status() { return $1; }; __box_last=0; "
    "while IFS= builtin read -r -d '' -u 198 __box_script; do __box_status $__box_last; "
    "builtin eval \"$__box_script\" </dev/null 198<&- 199>&-; __box_last=$?; "
    "{ builtin printf '%d\\0%s\\0' $__box_last \"$PWD\"; "
    "builtin declare -p; builtin printf '\\0'; "
    "builtin alias -p; builtin shopt -p; builtin set +o; builtin trap -p; builtin umask -p; "
    "builtin printf '\\0'; builtin declare -f; builtin printf '\\0'; } >&199 2>/dev/null; done\n";

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* ---- processes ---- */

static void limit(int what, uint64_t soft, uint64_t hard)
{
    const struct rlimit r = {.rlim_cur = soft, .rlim_max = hard};
    setrlimit(what, &r);
}

static void child_limits(void)
{
    const box_limits *l = &S.limits;
    limit(RLIMIT_AS, 2 * l->memory, 2 * l->memory); /* address space is not all resident */
    limit(RLIMIT_CPU, l->cpu, l->cpu + 1);
    limit(RLIMIT_NPROC, l->processes, l->processes);
    limit(RLIMIT_FSIZE, l->disk, l->disk);
    limit(RLIMIT_NOFILE, 256, 256);
    limit(RLIMIT_CORE, 0, 0);
    limit(RLIMIT_MSGQUEUE, 0, 0);
    limit(RLIMIT_MEMLOCK, 64 << 10, 64 << 10);
    limit(RLIMIT_SIGPENDING, 128, 128);
    limit(RLIMIT_STACK, 8 << 20, 8 << 20);
    limit(RLIMIT_NICE, 0, 0);
    limit(RLIMIT_RTPRIO, 0, 0);
}

static const char *const environment[] = {
    "HOME=/root",
    "USER=root",
    "LOGNAME=root",
    "SHELL=/bin/bash",
    "TERM=dumb",
    "LANG=C.UTF-8",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    NULL};

/* In the child: its own session, no signals blocked, descriptors 0 to 2. */
static void child_begin(int out, int errors)
{
    sigset_t none;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    setsid();
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    umask(022);
    dup2(null, 0);
    dup2(out, 1);
    dup2(errors >= 0 ? errors : null, 2);
    child_limits();
}

static void reap(void)
{
    struct signalfd_siginfo info;
    int status;
    while (read(S.signals, &info, sizeof info) == (ssize_t)sizeof info)
        ;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == S.shell) {
            S.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
            S.shell = 0;
        }
}

static void close_pipe(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void drop_shell(void)
{
    if (S.shell > 0) {
        kill(S.shell, SIGKILL);
        waitpid(S.shell, NULL, 0);
    }
    S.shell = 0;
    close_pipe(&S.script);
    close_pipe(&S.answer);
    S.said.len = 0;
}

/* ---- output ---- */

/* Takes what is there; what does not fit is counted and dropped. False: the pipe is empty. */
static bool take_output(int fd)
{
    static char data[65536];
    ssize_t n = read(fd, data, sizeof data);
    if (n <= 0)
        return false;
    const size_t room = (1u << 20) > S.printed.len ? (1u << 20) - S.printed.len : 0;
    box_add(&S.printed, data, (size_t)n < room ? (size_t)n : room);
    S.total += (uint64_t)n;
    return true;
}

/* ---- the shell's answer ---- */

/* The k-th of the NUL-ended parts of the answer; NULL: not there yet. */
static const char *part(size_t k)
{
    const char *p = S.said.data, *end = p + S.said.len;
    for (; p && p < end; k--) {
        const char *stop = memchr(p, '\0', (size_t)(end - p));
        if (!stop)
            return NULL;
        if (k == 0)
            return p;
        p = stop + 1;
    }
    return NULL;
}

static bool answered(void)
{
    return part(4) != NULL;
}

static bool take_answer(void)
{
    char data[4096];
    ssize_t n = read(S.answer, data, sizeof data);
    if (n > 0 && S.said.len < ANSWER_MAX)
        box_add(&S.said, data, (size_t)n);
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static int read_answer(void)
{
    const int status = atoi(part(0));
    snprintf(S.cwd, sizeof S.cwd, "%s", part(1));
    if (!S.first.data) { /* a fresh shell: what it knows is nothing new */
        box_add(&S.first, part(2), strlen(part(2)) + 1);
        box_add(&S.first, part(3), strlen(part(3)) + 1);
        return status;
    }
    const char *variables = S.first.data, *options = variables + strlen(variables) + 1;
    S.state.len = 0;
    box_news_lines(part(2), variables, &S.state);
    box_news_lines(part(3), options, &S.state);
    box_news_functions(part(4), &S.state);
    return status;
}

/* ---- starting the shell ---- */

static bool fork_shell(void)
{
    int script[2], answer[2], out[2], text[2];
    if (pipe2(script, O_CLOEXEC) != 0 || pipe2(answer, O_CLOEXEC) != 0 ||
        pipe2(text, O_CLOEXEC) != 0 || !box_write_all(text[1], driver, sizeof driver - 1))
        return false;
    close(text[1]);
    if (S.out < 0) { /* kept: what a background process prints comes later */
        if (pipe2(out, O_CLOEXEC) != 0)
            return false;
        S.out = out[0];
        fcntl(S.out, F_SETFL, O_NONBLOCK);
    } else {
        out[1] = -1;
    }
    static int out_writer = -1;
    if (out[1] >= 0)
        out_writer = out[1];
    S.shell = fork();
    if (S.shell == 0) {
        child_begin(out_writer, out_writer);
        dup2(text[0], 0);
        dup2(script[0], SCRIPT_FD);
        dup2(answer[1], ANSWER_FD);
        if (chdir(S.cwd) != 0 && chdir("/") != 0)
            _exit(126);
        execve("/bin/bash", (char *[]){"bash", "--login", NULL}, (char **)environment);
        _exit(127);
    }
    close(text[0]);
    close(script[0]);
    close(answer[1]);
    S.script = script[1];
    S.answer = answer[0];
    fcntl(S.answer, F_SETFL, O_NONBLOCK);
    S.said.len = 0;
    return S.shell > 0;
}

/* Waits until the shell has answered, for at most ms. */
static bool await_answer(int ms)
{
    const int64_t end = now_ms() + ms;
    while (!answered()) {
        struct pollfd p[2] = {{.fd = S.answer, .events = POLLIN}, {.fd = S.out, .events = POLLIN}};
        const int64_t left = end - now_ms();
        if (left <= 0)
            return false;
        poll(p, 2, (int)left);
        if (p[1].revents & POLLIN)
            take_output(S.out);
        if (p[0].revents && !take_answer())
            return false;
    }
    return true;
}

static bool say(const char *script)
{
    const size_t n = strlen(script) + 1;
    S.said.len = 0;
    return box_write_all(S.script, script, n);
}

/* A new shell that knows what the last one did. */
static bool start_shell(void)
{
    drop_shell();
    if (!fork_shell() || !say(":") || !await_answer(START_MS))
        return false;
    if (!S.first.data)
        read_answer();
    if (S.state.len == 0)
        return true;
    box_add(&S.state, "", 1);
    S.state.len--;
    if (!say(S.state.data) || !await_answer(START_MS))
        return false;
    S.printed.len = 0; /* of variables that cannot be set again */
    S.total = 0;
    return true;
}

/* ---- running ---- */

typedef struct {
    pid_t pid; /* of a process of its own; 0: the shell */
    int out;
    int64_t start, last;
    int64_t spent, limit; /* ms; a moment in which the whole machine stood still hardly counts */
    uint32_t flags;
    int status;
    bool over;
} job;

/* Ends what the command has started; the shell too if it does not come back by itself. */
static void stop_job(job *j, const box_procs *before)
{
    if (j->pid > 0)
        kill(j->pid, SIGKILL);
    for (int round = 0; round < 3; round++)
        if (box_procs_kill_new(before, S.shell) == 0)
            break;
    if (j->pid == 0 && S.shell > 0 && !await_answer(GRACE_MS)) {
        drop_shell();
        box_procs_kill_new(before, 0);
        start_shell();
        j->status = 137;
    } else if (j->pid == 0 && answered()) {
        j->status = read_answer();
    }
    j->over = true;
}

static void watch(job *j, const box_procs *before)
{
    box_procs_sum sum;
    const int64_t now = now_ms(), passed = now - j->last;
    j->spent += passed < 8 * WATCH_MS ? passed : 8 * WATCH_MS;
    j->last = now;
    if (S.total > S.limits.output)
        j->flags |= BOX_FLOODED;
    else if (j->spent >= j->limit)
        j->flags |= BOX_TIMED_OUT;
    else if (j->spent < WATCH_MS)
        return;
    if (j->flags & (BOX_FLOODED | BOX_TIMED_OUT)) {
        stop_job(j, before);
        return;
    }
    box_procs_add_up(&sum);
    if (sum.resident > S.limits.memory || sum.n > 2 * S.limits.processes) {
        j->flags |= BOX_OUT_OF_MEMORY;
        stop_job(j, before);
    }
}

/* The command's own end: the process has gone, or the shell has answered or ended. */
static void look_at_end(job *j, const struct pollfd *p)
{
    int status;
    if (j->pid > 0) {
        if (waitpid(j->pid, &status, WNOHANG) == j->pid) {
            j->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
            j->over = true;
        }
        return;
    }
    const bool alive = !(p->revents & (POLLIN | POLLHUP)) || take_answer();
    if (answered()) {
        j->status = read_answer();
        j->over = true;
    } else if (!alive) {
        if (S.shell > 0) {
            kill(S.shell, SIGKILL);
            waitpid(S.shell, &status, 0);
            S.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
            S.shell = 0;
        }
        j->status = S.status;
        j->flags |= BOX_SHELL_ENDED;
        j->over = true;
        start_shell();
    }
}

static void follow(job *j, const box_procs *before)
{
    while (!j->over) {
        struct pollfd p[3] = {{.fd = j->out, .events = POLLIN},
                              {.fd = j->pid > 0 ? -1 : S.answer, .events = POLLIN},
                              {.fd = S.signals, .events = POLLIN}};
        poll(p, 3, WATCH_MS);
        if (p[0].revents & POLLIN)
            take_output(j->out);
        look_at_end(j, &p[1]);
        if (p[2].revents & POLLIN && !j->over) {
            struct signalfd_siginfo info;
            if (j->pid == 0)
                reap();
            else
                while (read(S.signals, &info, sizeof info) == (ssize_t)sizeof info)
                    ;
        }
        if (!j->over)
            watch(j, before);
    }
    while (take_output(j->out))
        ;
    reap();
}

static bool spawn_fresh(job *j, const box_run *r, const char *args, size_t len)
{
    char *argv[ARGS_MAX + 1];
    int out[2], n = 0;
    const char *cwd = args, *end = args + len;
    for (const char *p = args + strlen(args) + 1; p < end && n < ARGS_MAX; p += strlen(p) + 1)
        argv[n++] = (char *)p;
    argv[n] = NULL;
    if (n == 0 || pipe2(out, O_CLOEXEC) != 0)
        return false;
    j->pid = fork();
    if (j->pid == 0) {
        child_begin(out[1], r->flags & BOX_RUN_MERGE ? out[1] : -1);
        if (chdir(cwd) != 0 && chdir("/") != 0)
            _exit(126);
        execvpe(argv[0], argv, (char **)environment);
        _exit(127);
    }
    close(out[1]);
    j->out = out[0];
    fcntl(j->out, F_SETFL, O_NONBLOCK);
    return j->pid > 0;
}

static void send_result(const box_run *r, const job *j)
{
    box_bytes b = {0};
    const uint32_t n_out = S.printed.len < r->cap ? (uint32_t)S.printed.len : r->cap;
    box_result x = {.status = j->status,
                    .flags = j->flags,
                    .ms = (uint32_t)(now_ms() - j->start),
                    .n_out = n_out,
                    .n_cwd = (uint32_t)strlen(S.cwd),
                    .n_state = (uint32_t)S.state.len,
                    .total = S.total};
    if (box_procs_others(S.shell) > 0)
        x.flags |= BOX_BACKGROUND;
    box_add(&b, &x, sizeof x);
    box_add(&b, S.printed.data, n_out);
    box_add(&b, S.cwd, x.n_cwd);
    box_add(&b, S.state.data, x.n_state);
    if (!box_send(BOX_FD_SOCKET, BOX_RESULT, b.data, b.len))
        _exit(0);
    box_bytes_clear(&b);
    S.printed.len = 0;
    S.total = 0;
}

static void run(const char *p, size_t len)
{
    box_run r;
    box_procs before;
    job j = {.start = now_ms(), .status = 126, .out = S.out};
    j.last = j.start;
    if (len < sizeof r)
        _exit(70);
    memcpy(&r, p, sizeof r);
    j.limit = r.timeout_ms;
    p += sizeof r;
    len -= sizeof r;
    box_procs_list(&before);
    if (r.flags & BOX_RUN_FRESH) {
        /* What the shell's background processes have printed meanwhile is not this one's. */
        box_bytes kept = S.printed;
        uint64_t total = S.total;
        S.printed = (box_bytes){0};
        S.total = 0;
        if (spawn_fresh(&j, &r, p, len)) {
            follow(&j, &before);
            close(j.out);
        }
        send_result(&r, &j);
        box_bytes_clear(&S.printed);
        S.printed = kept;
        S.total = total;
    } else {
        if (S.shell > 0 || start_shell()) {
            j.out = S.out;
            if (say(p))
                follow(&j, &before);
        }
        send_result(&r, &j);
    }
    box_procs_clear(&before);
}

/* Between commands: background processes are reaped, their output kept, their memory watched. */
static void idle(void)
{
    for (;;) {
        struct pollfd p[3] = {{.fd = BOX_FD_SOCKET, .events = POLLIN},
                              {.fd = S.signals, .events = POLLIN},
                              {.fd = S.out, .events = POLLIN}};
        const bool others = box_procs_others(S.shell) > 0;
        poll(p, 3, others ? 8 * WATCH_MS : -1);
        if (p[1].revents & POLLIN)
            reap();
        if (p[2].revents & POLLIN)
            take_output(S.out);
        if (p[0].revents)
            return;
        box_procs_sum sum;
        box_procs_add_up(&sum);
        if (sum.resident > S.limits.memory || S.total > S.limits.output)
            box_procs_kill_new(NULL, S.shell);
    }
}

/* What no program in the box can get back, whatever it runs. bwrap has taken the same from this
 * process, but not from what its children may gain. */
static bool give_up_capabilities(void)
{
    static const int kept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID,
                               CAP_KILL,  CAP_SETUID,       CAP_SETGID, CAP_SYS_CHROOT};
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[2] = {{0}};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        have[0].permitted |= 1u << kept[i];
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (!(cap < 32 && have[0].permitted & 1u << cap) &&
            prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
            return false;
    have[0].effective = have[0].permitted;
    return syscall(SYS_capset, &h, have) == 0;
}

int box_server(int argc, char **argv)
{
    sigset_t set;
    box_head h;
    char *p;
    if (argc < 5)
        return 64;
    S.limits.memory = strtoull(argv[0], NULL, 10);
    S.limits.output = strtoull(argv[1], NULL, 10);
    S.limits.processes = (uint32_t)strtoul(argv[2], NULL, 10);
    S.limits.cpu = (uint32_t)strtoul(argv[3], NULL, 10);
    S.limits.disk = strtoull(argv[4], NULL, 10);
    S.script = S.answer = S.out = -1;
    snprintf(S.cwd, sizeof S.cwd, "/");
    if (!give_up_capabilities())
        return 71;
    prctl(PR_SET_DUMPABLE, 0); /* nobody looks into process 1 */
    fcntl(BOX_FD_SOCKET, F_SETFD, FD_CLOEXEC);
    close(4);
    close(5);
    close(6);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    S.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (S.signals < 0)
        return 71;
    if (!box_send(BOX_FD_SOCKET, BOX_READY, NULL, 0))
        return 0;
    for (;;) {
        idle();
        if (!box_receive(BOX_FD_SOCKET, &h, &p))
            return 0; /* the episode is over */
        if (h.type == BOX_RUN)
            run(p, h.len);
        free(p);
    }
}
