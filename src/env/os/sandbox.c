/* sandbox.c - a computer of one's own for an episode: the program's side of box/. */
#include "env/os/sandbox.h"
#include "core/cancel.h"
#include "core/mem.h"
#include "env/os/sandbox_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BILLION 1000000000LL
enum {
    OUTPUT_CAP = 64 << 10,
    KEEPER_MS = 60000,
    MARGIN_MS = 30000,
    SCRIPT_MAX = 1 << 20,
    SLICE_MS = 100,
    CLOSE_MS = 20000
};

const box_limits os_limits_default = {.memory = 512 << 20,
                                      .disk = 64 << 20,
                                      .inodes = 16384,
                                      .output = 32 << 20,
                                      .processes = 96,
                                      .cpu = 60};
const box_limits os_limits_small = {.memory = 96 << 20,
                                    .disk = 4 << 20,
                                    .inodes = 512,
                                    .output = 1 << 20,
                                    .processes = 24,
                                    .cpu = 20}; /* emulated kernels fill memory slowly */

struct os_sandbox {
    os_host *host;
    pid_t keeper;
    int socket;      /* to the keeper */
    os_group group;  /* of it and all that it starts */
    int box[2];      /* to the servers of the live box and the trial's; -1: none */
    bool lost;       /* the keeper has gone or does not answer: nothing works any more */
    double patience; /* seconds left to wait for answers, of all calls together */
    bool background;
    cmat_buf cwd, state; /* of the shell */
    box_times times;
    int64_t last_end; /* of the last run, ns */
};

/* ---- messages ---- */

static cmat_status lose(os_sandbox *s, const char *why, cmat_error *err)
{
    s->lost = true;
    if (cmat_cancelled())
        return cmat_fail(err, CMAT_ERR_CANCELLED, "os: interrupted");
    return cmat_fail(err, CMAT_ERR_IO, "os: the sandbox's keeper %s", why);
}

static bool send_all(int fd, const void *data, size_t n)
{
    for (const char *p = data; n > 0;) {
        ssize_t put = send(fd, p, n, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        p += put;
        n -= (size_t)put;
    }
    return true;
}

/* A message in up to two parts. */
static bool send_message(int fd, uint32_t type, const void *a, size_t n, const void *b, size_t m)
{
    const box_head h = {.type = type, .len = (uint32_t)(n + m)};
    return send_all(fd, &h, sizeof h) && send_all(fd, a, n) && send_all(fd, b, m);
}

/* Waits a moment for something to read: 1 there is, 0 not yet, -1 cannot be waited for. Takes what
 * has passed off *left; a moment in which the whole machine stood still hardly counts. */
static int wait_slice(int fd, double *left)
{
    struct pollfd f = {.fd = fd, .events = POLLIN};
    const double before = cmat_now();
    const int ready = poll(&f, 1, SLICE_MS), why = errno;
    const double passed = cmat_now() - before;
    *left -= passed < 2e-3 * SLICE_MS ? passed : 2e-3 * SLICE_MS;
    return ready < 0 && why == EINTR ? 0 : ready;
}

/* True once there is something to read; false when *left seconds are over, the sandbox's patience
 * is, or the program is to end. */
static bool wait_readable(os_sandbox *s, int fd, double *left)
{
    int ready = 0;
    while (ready == 0 && *left > 0 && s->patience > 0 && !cmat_cancelled()) {
        const double before = *left;
        ready = wait_slice(fd, left);
        s->patience -= before - *left;
    }
    return ready > 0;
}

static bool receive_all(os_sandbox *s, int fd, void *data, size_t n, double *left)
{
    for (char *p = data; n > 0;) {
        if (!wait_readable(s, fd, left))
            return false;
        ssize_t got = recv(fd, p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

/* *text is the caller's to free(), with a NUL after it. */
static bool receive_message(os_sandbox *s, int fd, box_head *h, char **text, int ms)
{
    double left = ms / 1e3;
    *text = NULL;
    if (!receive_all(s, fd, h, sizeof *h, &left) || h->len > BOX_MESSAGE_MAX)
        return false;
    char *p = malloc((size_t)h->len + 1);
    if (!p || !receive_all(s, fd, p, h->len, &left)) {
        free(p);
        return false;
    }
    p[h->len] = '\0';
    *text = p;
    return true;
}

/* The keeper's answer; *text may be NULL when what it says is not wanted. */
static cmat_status keeper_answer(os_sandbox *s, char **text, size_t *len, cmat_error *err)
{
    box_head h;
    char *p;
    if (!receive_message(s, s->socket, &h, &p, KEEPER_MS))
        return lose(s, "does not answer", err);
    cmat_status st = h.type == BOX_OK ? CMAT_OK : cmat_fail(err, CMAT_ERR_STATE, "os: %s", p);
    if (st == CMAT_OK && text) {
        *text = p;
        *len = h.len;
        return st;
    }
    free(p);
    return st;
}

static cmat_status ask_keeper(os_sandbox *s, uint32_t type, const void *data, size_t n,
                              const void *more, size_t n_more, char **text, size_t *len,
                              cmat_error *err)
{
    if (s->lost)
        return cmat_fail(err, CMAT_ERR_STATE, "os: the sandbox has ended");
    if (!send_message(s->socket, type, data, n, more, n_more))
        return lose(s, "has gone", err);
    return keeper_answer(s, text, len, err);
}

/* ---- the keeper ---- */

static cmat_status spawn_keeper(os_sandbox *s, int theirs, cmat_error *err)
{
    posix_spawn_file_actions_t a;
    posix_spawnattr_t attr;
    sigset_t none, all;
    char *args[] = {"cmat-sandbox", "keeper", NULL}, *env[] = {NULL};
    posix_spawn_file_actions_init(&a);
    posix_spawn_file_actions_addopen(&a, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_addopen(&a, 1, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_addopen(&a, 2, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&a, theirs, 3); /* neither is 3 or 4 yet */
    posix_spawn_file_actions_adddup2(&a, s->host->helper, 4);
    posix_spawn_file_actions_addclosefrom_np(&a, 5);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    int e = posix_spawn(&s->keeper, "/proc/self/fd/4", &a, &attr, args, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&a);
    if (e != 0) {
        s->keeper = 0;
        return cmat_fail(err, CMAT_ERR_IO, "os: the sandbox's helper does not start: %s",
                         strerror(e));
    }
    return CMAT_OK;
}

static cmat_status introduce(os_sandbox *s, const box_limits *limits, cmat_error *err)
{
    const box_config c = {
        .limits = *limits, .drop_uid = s->host->drop_uid, .many_ids = s->host->many_ids};
    cmat_buf b = {0};
    box_head h;
    char *text;
    cmat_buf_add(&b, s->host->bwrap, strlen(s->host->bwrap) + 1);
    cmat_buf_add(&b, s->host->root, strlen(s->host->root) + 1);
    bool sent = send_message(s->socket, BOX_CONFIG, &c, sizeof c, b.data, b.len);
    cmat_buf_clear(&b);
    if (!sent || !receive_message(s, s->socket, &h, &text, KEEPER_MS))
        return lose(s, "does not answer", err);
    cmat_status st =
        h.type == BOX_MAP_ME ? CMAT_OK : cmat_fail(err, CMAT_ERR_UNSUPPORTED, "os: %s", text);
    free(text);
    if (st == CMAT_OK)
        st = os_host_map_ids(s->host, s->keeper, err);
    return st == CMAT_OK ? ask_keeper(s, BOX_MAPPED, NULL, 0, NULL, 0, NULL, NULL, err) : st;
}

cmat_status os_sandbox_open(os_sandbox **out, os_host *host, const box_limits *limits,
                            cmat_error *err)
{
    int pair[2];
    *out = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return cmat_fail(err, CMAT_ERR_IO, "os: socketpair: %s", strerror(errno));
    os_sandbox *s = cmat_xcalloc(1, sizeof *s);
    s->host = os_host_ref(host);
    s->socket = pair[0];
    s->box[0] = s->box[1] = -1;
    s->times.n = 1;
    s->patience = INFINITY;
    const int theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, 10);
    cmat_status st = spawn_keeper(s, theirs, err);
    close(pair[1]);
    close(theirs);
    if (st == CMAT_OK && !os_group_open(&s->group, &host->confine, s->keeper, limits))
        atomic_store(&host->unconfined, true);
    if (st == CMAT_OK)
        st = introduce(s, limits, err);
    if (st == CMAT_OK)
        *out = s;
    else
        os_sandbox_close(s);
    return st;
}

static void close_box(os_sandbox *s, int which)
{
    if (s->box[which] >= 0)
        close(s->box[which]);
    s->box[which] = -1;
}

/* One that does not end by itself is killed; its boxes die with it (bwrap --die-with-parent). */
static void end_keeper(const os_sandbox *s)
{
    const int ended = pidfd_open(s->keeper, 0);
    double left = s->lost || ended < 0 ? 0 : cmat_cancelled() ? 2 : CLOSE_MS / 1e3;
    int ready = 0;
    while (ready == 0 && left > 0)
        ready = wait_slice(ended, &left);
    if (ready == 0)
        kill(s->keeper, SIGKILL);
    /* Even that waits while it is frozen; then it is left to the end of the program. */
    for (left = CLOSE_MS / 1e3; ready == 0 && ended >= 0 && left > 0;)
        ready = wait_slice(ended, &left);
    if (ended >= 0)
        close(ended);
    while (waitpid(s->keeper, NULL, ended >= 0 && ready == 0 ? WNOHANG : 0) < 0 && errno == EINTR)
        ;
}

void os_sandbox_set_patience(os_sandbox *s, double seconds)
{
    s->patience = seconds;
}

void os_sandbox_close(os_sandbox *s)
{
    if (!s)
        return;
    close_box(s, BOX_LIVE);
    close_box(s, BOX_TRIAL);
    close(s->socket); /* the keeper ends its boxes, then itself */
    if (s->keeper > 0)
        end_keeper(s);
    os_group_close(&s->group);
    os_host_unref(s->host);
    cmat_buf_clear(&s->cwd);
    cmat_buf_clear(&s->state);
    free(s);
}

const os_group *os_sandbox_group(const os_sandbox *s)
{
    return &s->group;
}

/* ---- boxes ---- */

static int receive_socket(os_sandbox *s)
{
    box_head h;
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec v = {&h, sizeof h};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
    double left = KEEPER_MS / 1e3;
    int fd = -1;
    if (!wait_readable(s, s->socket, &left) ||
        recvmsg(s->socket, &m, MSG_CMSG_CLOEXEC | MSG_PEEK) <= 0)
        return -2;
    if (h.type != BOX_OK)
        return -1; /* what it says instead is read by the caller */
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_type == SCM_RIGHTS)
            memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return recv(s->socket, &h, sizeof h, 0) == (ssize_t)sizeof h ? fd : -2;
}

static cmat_status start_box(os_sandbox *s, int which, cmat_error *err)
{
    const box_begin b = {.which = (uint32_t)which};
    close_box(s, which);
    if (s->lost)
        return cmat_fail(err, CMAT_ERR_STATE, "os: the sandbox has ended");
    if (!send_message(s->socket, BOX_BEGIN, &b, sizeof b, NULL, 0))
        return lose(s, "has gone", err);
    const int fd = receive_socket(s);
    if (fd == -1)
        return keeper_answer(s, NULL, NULL, err);
    if (fd < 0)
        return lose(s, "does not answer", err);
    s->box[which] = fd;
    return CMAT_OK;
}

static int64_t clock_ns(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return t.tv_sec * BILLION + t.tv_nsec;
}

/* A mark that every file changed before lies before: the clock that files take their time from
 * moves a few milliseconds at a time. */
static int64_t clear_mark(int64_t after)
{
    int64_t now;
    while ((now = clock_ns(CLOCK_REALTIME_COARSE)) <= after) {
        const struct timespec ms = {.tv_nsec = 500000};
        nanosleep(&ms, NULL);
        if (now + BILLION < after)
            return after; /* the clock was set back */
    }
    return now;
}

/* Steps from k on have not begun. Those before it that this sandbox has not seen (its state came
 * from another) are put a nanosecond after one another. */
static void forget_after(box_times *t, uint32_t k)
{
    for (; t->n < k; t->n++)
        t->start[t->n] = t->start[t->n - 1] + 1;
    t->n = k;
}

void os_sandbox_mark(os_sandbox *s, int step)
{
    box_times *t = &s->times;
    const uint32_t k = step < 1 ? 1 : step < BOX_TIMES_MAX ? (uint32_t)step : BOX_TIMES_MAX - 1;
    forget_after(t, k);
    const int64_t last = t->start[k - 1];
    const int64_t now = clear_mark(s->last_end > last ? s->last_end : last);
    t->start[k] = now;
    t->n = k + 1;
}

/* A shell of the box that goes on where the sandbox's stood. */
static cmat_status hand_over(os_sandbox *s, int which, cmat_error *err)
{
    cmat_buf script = {0};
    os_output o = {0};
    cmat_buf_puts(&script, "{ builtin cd -- '");
    for (const char *p = cmat_buf_str(&s->cwd); *p; p++)
        cmat_buf_puts(&script, *p == '\'' ? "'\\''" : (char[]){*p, '\0'});
    /* cd has set OLDPWD: the state does so again where there was one */
    cmat_buf_printf(&script, "'\nunset OLDPWD\n%s\n} 2>/dev/null", cmat_buf_str(&s->state));
    const os_run r = {.script = script.data, .timeout = 10, .trial = which == BOX_TRIAL};
    cmat_status st = os_sandbox_run(s, &r, &o, err);
    os_output_clear(&o);
    cmat_buf_clear(&script);
    return st;
}

cmat_status os_sandbox_fresh(os_sandbox *s, const char *cwd, cmat_error *err)
{
    close_box(s, BOX_LIVE);
    close_box(s, BOX_TRIAL);
    s->background = false;
    cmat_buf_truncate(&s->cwd, 0);
    cmat_buf_puts(&s->cwd, cwd);
    cmat_buf_truncate(&s->state, 0);
    cmat_status st = ask_keeper(s, BOX_FRESH, NULL, 0, NULL, 0, NULL, NULL, err);
    s->times.n = 1;
    s->times.start[0] = clear_mark(s->last_end);
    if (st == CMAT_OK)
        st = start_box(s, BOX_LIVE, err);
    return st == CMAT_OK && strcmp(cwd, "/") != 0 ? hand_over(s, BOX_LIVE, err) : st;
}

const char *os_sandbox_cwd(const os_sandbox *s)
{
    return cmat_buf_str(&s->cwd);
}

/* ---- running ---- */

void os_output_clear(os_output *o)
{
    cmat_buf_clear(&o->out);
    memset(o, 0, sizeof *o);
}

static void request(const os_run *r, cmat_buf *b)
{
    const box_run head = {.timeout_ms = (uint32_t)(r->timeout * 1000),
                          .cap = r->cap ? (uint32_t)r->cap : OUTPUT_CAP,
                          .flags =
                              (r->argv ? BOX_RUN_FRESH : 0) | (r->with_errors ? BOX_RUN_MERGE : 0)};
    cmat_buf_add(b, &head, sizeof head);
    if (!r->argv) {
        cmat_buf_puts(b, r->script); /* no NUL can be in it */
        return;
    }
    const char *cwd = r->cwd ? r->cwd : "/";
    cmat_buf_add(b, cwd, strlen(cwd) + 1);
    for (const char *const *a = r->argv; *a; a++)
        cmat_buf_add(b, *a, strlen(*a) + 1);
}

/* Takes a result apart; the shell's new folder and knowledge are the live box's only. */
static bool take_result(os_sandbox *s, const os_run *r, const box_head *h, const char *p,
                        os_output *out)
{
    box_result x;
    if (h->type != BOX_RESULT || h->len < sizeof x)
        return false;
    memcpy(&x, p, sizeof x);
    if ((uint64_t)x.n_out + x.n_cwd + x.n_state != h->len - sizeof x)
        return false;
    p += sizeof x;
    cmat_buf_add(&out->out, p, x.n_out);
    out->total = x.total;
    out->status = x.status;
    out->flags = x.flags;
    if (r->trial)
        return true;
    s->background = (x.flags & BOX_BACKGROUND) != 0;
    if (r->argv)
        return true;
    cmat_buf_truncate(&s->cwd, 0);
    cmat_buf_add(&s->cwd, p + x.n_out, x.n_cwd);
    cmat_buf_truncate(&s->state, 0);
    cmat_buf_add(&s->state, p + x.n_out + x.n_cwd, x.n_state);
    return true;
}

/* The live box has ended: another one, on its file system, with a shell that goes on. */
static cmat_status revive(os_sandbox *s, cmat_error *err)
{
    cmat_status st = start_box(s, BOX_LIVE, err);
    return st == CMAT_OK ? hand_over(s, BOX_LIVE, err) : st;
}

cmat_status os_sandbox_run(os_sandbox *s, const os_run *r, os_output *out, cmat_error *err)
{
    const int which = r->trial ? BOX_TRIAL : BOX_LIVE;
    cmat_buf b = {0};
    box_head h;
    char *p = NULL;
    os_output_clear(out);
    if (s->box[which] < 0 && r->trial)
        return cmat_fail(err, CMAT_ERR_STATE, "os: no trial has begun");
    if (s->box[which] < 0) {
        cmat_status st = revive(s, err);
        if (st != CMAT_OK)
            return st;
    }
    request(r, &b);
    if (b.len > SCRIPT_MAX) {
        cmat_buf_clear(&b);
        cmat_buf_puts(&out->out, "bash: the command is too long\n");
        out->total = out->out.len;
        out->status = 126;
        return CMAT_OK;
    }
    const bool ok =
        send_message(s->box[which], BOX_RUN, b.data, b.len, NULL, 0) &&
        receive_message(s, s->box[which], &h, &p, (int)(r->timeout * 1000) + MARGIN_MS) &&
        take_result(s, r, &h, p, out);
    cmat_buf_clear(&b);
    free(p);
    if (!ok && cmat_cancelled()) {
        close_box(s, which);
        return cmat_fail(err, CMAT_ERR_CANCELLED, "os: interrupted");
    }
    if (!ok) {
        close_box(s, which); /* its server sees that and ends; the keeper clears up */
        out->died = true;
        out->status = 137;
        s->background &= r->trial;
    }
    if (!r->trial)
        s->last_end = clock_ns(CLOCK_REALTIME);
    return CMAT_OK;
}

/* ---- trials ---- */

cmat_status os_sandbox_trial_begin(os_sandbox *s, cmat_error *err)
{
    cmat_status st = start_box(s, BOX_TRIAL, err);
    return st == CMAT_OK ? hand_over(s, BOX_TRIAL, err) : st;
}

cmat_status os_sandbox_trial_changes(os_sandbox *s, cmat_buf *out, cmat_error *err)
{
    char *p;
    size_t n;
    close_box(s, BOX_TRIAL);
    cmat_status st = ask_keeper(s, BOX_CHANGES, NULL, 0, NULL, 0, &p, &n, err);
    if (st != CMAT_OK)
        return st;
    cmat_buf_add(out, p, n);
    free(p);
    return CMAT_OK;
}

void os_sandbox_trial_end(os_sandbox *s)
{
    const box_begin b = {.which = BOX_TRIAL};
    close_box(s, BOX_TRIAL);
    ask_keeper(s, BOX_END, &b, sizeof b, NULL, 0, NULL, NULL, NULL);
}

/* ---- saving ---- */

cmat_status os_sandbox_save(os_sandbox *s, cmat_buf *out, cmat_error *err)
{
    char *p;
    size_t n;
    if (s->background)
        return cmat_fail(err, CMAT_ERR_STATE,
                         "os: a background process runs; it cannot be set aside");
    cmat_status st = ask_keeper(s, BOX_SAVE, &s->times, sizeof s->times, NULL, 0, &p, &n, err);
    if (st != CMAT_OK)
        return st;
    cmat_buf_add(out, cmat_buf_str(&s->cwd), s->cwd.len + 1);
    cmat_buf_add(out, cmat_buf_str(&s->state), s->state.len + 1);
    cmat_buf_add(out, p, n);
    free(p);
    return CMAT_OK;
}

cmat_status os_sandbox_load(os_sandbox *s, const void *state, size_t len, cmat_error *err)
{
    const char *p = state, *end = p + len;
    const char *cwd_end = memchr(p, '\0', len);
    const char *knows = cwd_end ? cwd_end + 1 : end;
    const char *knows_end = knows < end ? memchr(knows, '\0', (size_t)(end - knows)) : NULL;
    if (!knows_end)
        return cmat_fail(err, CMAT_ERR_FORMAT, "os: the snapshot is broken");
    close_box(s, BOX_LIVE);
    close_box(s, BOX_TRIAL);
    s->background = false;
    const char *files = knows_end + 1;
    forget_after(&s->times, BOX_TIMES_MAX); /* whichever step a file is of, it has a time */
    cmat_status st = ask_keeper(s, BOX_LOAD, &s->times, sizeof s->times, files,
                                (size_t)(end - files), NULL, NULL, err);
    if (st != CMAT_OK)
        return st;
    cmat_buf_truncate(&s->cwd, 0);
    cmat_buf_puts(&s->cwd, p);
    cmat_buf_truncate(&s->state, 0);
    cmat_buf_puts(&s->state, knows);
    return revive(s, err);
}
