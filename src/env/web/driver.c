/* driver.c - see driver.h. */
#include "env/web/driver.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_MS = 60000, ANSWER_MAX = 16 << 20, CALL_SECONDS = 600 };

struct web_driver {
    pid_t watcher; /* the child that ends chromedriver and the browser when hold is closed */
    int hold;
    int port;
    char *session, *folder;
    CURL *curl;
    struct curl_slist *headers;
};

char *web_program(const char *variable, const char *const *names)
{
    const char *own = getenv(variable), *path = getenv("PATH");
    if (own && *own)
        return access(own, X_OK) == 0 ? cmat_xstrdup(own) : NULL;
    for (; *names; names++)
        for (const char *p = path; p && *p;) {
            const size_t n = strcspn(p, ":");
            char *at = cmat_xasprintf("%.*s/%s", (int)n, p, *names);
            if (access(at, X_OK) == 0)
                return at;
            free(at);
            p += n + (p[n] == ':');
        }
    return NULL;
}

/* ---- processes ---- */

/* A process of the browser's that is just ending may still write there: then once more. */
static void remove_folder(const char *folder)
{
    int status = 1;
    for (int i = 0; i < 100 && status != 0; i++) {
        if (i > 0)
            usleep(50000);
        const pid_t pid = fork();
        if (pid == 0) {
            execl("/bin/rm", "rm", "-rf", folder, (char *)NULL);
            _exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
            return;
    }
}

/* In the child: runs chromedriver in a process group of its own, and when the parent closes the
 * pipe or is no more, ends the group and removes the folder. Only what may be called after fork()
 * in a program with threads. */
static void watch(const char *program, char *const argv[], char *const envp[], const char *folder,
                  int hold, int out)
{
    char byte;
    setpgid(0, 0); /* what is sent to the parent's group is not for this one */
    const pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        dup2(out, STDOUT_FILENO);
        const int null = open("/dev/null", O_RDWR);
        if (null >= 0) {
            dup2(null, STDIN_FILENO);
            dup2(null, STDERR_FILENO);
        }
        execve(program, argv, envp);
        _exit(127);
    }
    close(out);
    if (pid < 0)
        _exit(1);
    setpgid(pid, pid);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    while (read(hold, &byte, 1) < 0 && errno == EINTR)
        ;
    kill(-pid, SIGTERM);
    for (int i = 0; i < 100 && waitpid(pid, NULL, WNOHANG) == 0; i++)
        usleep(20000);
    kill(-pid, SIGKILL);
    remove_folder(folder);
    _exit(0);
}

/* The environment with TMPDIR and HOME in the folder; the caller's to free() with its last two
 * entries. */
static char **environment(const char *folder)
{
    extern char **environ;
    size_t n = 0, k = 0;
    while (environ[n])
        n++;
    char **out = cmat_xcalloc(n + 3, sizeof *out);
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "TMPDIR=", 7) != 0 && strncmp(environ[i], "HOME=", 5) != 0)
            out[k++] = environ[i];
    out[k] = cmat_xasprintf("TMPDIR=%s", folder);
    out[k + 1] = cmat_xasprintf("HOME=%s", folder);
    return out;
}

static void free_environment(char **e)
{
    size_t n = 0;
    while (e[n])
        n++;
    free(e[n - 1]);
    free(e[n - 2]);
    free(e);
}

/* Reads "... was started successfully on port 41234." */
static cmat_status read_port(web_driver *d, int from, cmat_error *err)
{
    char text[4096];
    size_t n = 0;
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (;;) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        const long left = START_MS - 1000 * (now.tv_sec - start.tv_sec);
        struct pollfd p = {.fd = from, .events = POLLIN};
        if (left <= 0 || n == sizeof text - 1 || poll(&p, 1, (int)left) <= 0)
            return cmat_fail(err, CMAT_ERR_IO, "web: chromedriver does not start");
        const ssize_t got = read(from, text + n, sizeof text - 1 - n);
        if (got <= 0)
            return cmat_fail(err, CMAT_ERR_IO, "web: chromedriver ended as soon as it was started");
        n += (size_t)got;
        text[n] = '\0';
        const char *port = strstr(text, "started successfully on port ");
        if (port && strchr(port, '.')) {
            d->port = atoi(port + strlen("started successfully on port "));
            return CMAT_OK;
        }
    }
}

static cmat_status start_driver(web_driver *d, const char *program, cmat_error *err)
{
    int hold[2], out[2];
    char *const argv[] = {(char *)program, "--port=0", NULL};
    if (pipe2(hold, O_CLOEXEC) != 0)
        return cmat_fail(err, CMAT_ERR_IO, "web: pipe: %s", strerror(errno));
    if (pipe2(out, O_CLOEXEC) != 0) {
        close(hold[0]);
        close(hold[1]);
        return cmat_fail(err, CMAT_ERR_IO, "web: pipe: %s", strerror(errno));
    }
    char **envp = environment(d->folder);
    d->watcher = fork();
    if (d->watcher == 0) {
        close(hold[1]);
        close(out[0]);
        watch(program, argv, envp, d->folder, hold[0], out[1]);
    }
    free_environment(envp);
    close(hold[0]);
    close(out[1]);
    d->hold = hold[1];
    cmat_status st = d->watcher < 0 ? cmat_fail(err, CMAT_ERR_IO, "web: fork: %s", strerror(errno))
                                    : read_port(d, out[0], err);
    close(out[0]); /* it says no more that matters */
    return st;
}

/* ---- commands ---- */

static size_t take(char *data, size_t size, size_t n, void *user)
{
    cmat_buf *b = user;
    if (b->len + size * n > ANSWER_MAX)
        return 0;
    cmat_buf_add(b, data, size * n);
    return size * n;
}

/* Errors that the page is to blame for, not the browser (WebDriver, section 6.6). */
static bool is_page_error(const char *name)
{
    static const char *const names[] = {"element click intercepted",
                                        "element not interactable",
                                        "invalid element state",
                                        "no such element",
                                        "stale element reference",
                                        "timeout",
                                        "script timeout",
                                        "unexpected alert open",
                                        "javascript error",
                                        "insecure certificate"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static cmat_status read_answer(const cmat_buf *answer, json_t **value, cmat_error *err)
{
    json_t *j =
        cmat_json_parse(cmat_buf_str(answer), answer->len, "web: chromedriver's answer", err);
    const json_t *v = json_object_get(j, "value");
    const char *error = json_is_object(v) ? cmat_json_str(v, "error", NULL) : NULL;
    cmat_status st = j ? CMAT_OK : CMAT_ERR_FORMAT;
    if (error) {
        const char *message = cmat_json_str(v, "message", "");
        const bool page = is_page_error(error) || strstr(message, "net::ERR_");
        st = cmat_fail(err, page ? CMAT_ERR_STATE : CMAT_ERR_IO,
                       page ? "%s" : "web: browser: %s: %.*s", error, (int)strcspn(message, "\n"),
                       message);
    } else if (st == CMAT_OK && value) {
        *value = json_incref((json_t *)v);
    }
    json_decref(j);
    return st;
}

cmat_status web_driver_call(web_driver *d, const char *method, const char *path, json_t *body,
                            json_t **value, cmat_error *err)
{
    cmat_buf answer = {0};
    char *text = body ? json_dumps(body, JSON_COMPACT) : cmat_xstrdup("{}");
    char *url = cmat_xasprintf("http://127.0.0.1:%d/session%s%s%s", d->port, d->session ? "/" : "",
                               d->session ? d->session : "", path);
    const bool post = strcmp(method, "POST") == 0;
    json_decref(body);
    if (value)
        *value = NULL;
    curl_easy_setopt(d->curl, CURLOPT_URL, url);
    curl_easy_setopt(d->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(d->curl, CURLOPT_POSTFIELDS, post ? text : NULL);
    if (!post)
        curl_easy_setopt(d->curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(d->curl, CURLOPT_WRITEDATA, &answer);
    const CURLcode c = curl_easy_perform(d->curl);
    cmat_status st =
        c == CURLE_OK ? read_answer(&answer, value, err)
                      : cmat_fail(err, CMAT_ERR_IO, "web: chromedriver: %s", curl_easy_strerror(c));
    cmat_buf_clear(&answer);
    free(url);
    free(text);
    return st;
}

/* ---- open and close ---- */

static cmat_status start_session(web_driver *d, const char *chromium, const json_t *args,
                                 cmat_error *err)
{
    json_t *value = NULL;
    json_t *want = json_pack("{s:{s:{s:s, s:s, s:{s:O, s:s, s:{s:i, s:b}}}}}", "capabilities",
                             "alwaysMatch", "browserName", "chrome", "unhandledPromptBehavior",
                             "dismiss", "goog:chromeOptions", "args", args, "binary", chromium,
                             "prefs", "download_restrictions", 3, "credentials_enable_service", 0);
    cmat_status st = web_driver_call(d, "POST", "", want, &value, err);
    const char *id = cmat_json_str(value, "sessionId", NULL);
    if (st == CMAT_OK && !id)
        st = cmat_fail(err, CMAT_ERR_FORMAT, "web: chromedriver: no session");
    else if (st == CMAT_OK)
        d->session = cmat_xstrdup(id);
    else
        st = cmat_fail_prefix(err, st, "Chromium (%s) does not start", chromium);
    json_decref(value);
    return st;
}

static cmat_status prepare(web_driver *d, cmat_error *err)
{
    const char *tmp = getenv("TMPDIR");
    d->folder = cmat_xasprintf("%s/cmat-web-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(d->folder)) {
        cmat_status st = cmat_fail(err, CMAT_ERR_IO, "web: %s: %s", d->folder, strerror(errno));
        free(d->folder);
        d->folder = NULL;
        return st;
    }
    d->curl = curl_easy_init();
    if (!d->curl)
        return cmat_fail(err, CMAT_ERR_IO, "web: libcurl does not start");
    d->headers = curl_slist_append(NULL, "Content-Type: application/json; charset=utf-8");
    curl_easy_setopt(d->curl, CURLOPT_HTTPHEADER, d->headers);
    curl_easy_setopt(d->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(d->curl, CURLOPT_TIMEOUT, (long)CALL_SECONDS);
    curl_easy_setopt(d->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(d->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(d->curl, CURLOPT_PROTOCOLS_STR, "http");
    return CMAT_OK;
}

cmat_status web_driver_open(web_driver **out, const json_t *args, cmat_error *err)
{
    static const char *const drivers[] = {"chromedriver", NULL};
    /* the first has no windows to draw: less time and memory */
    static const char *const browsers[] = {"chromium-headless-shell", "chromium",
                                           "chromium-browser", "google-chrome", NULL};
    char *program = web_program("CMAT_CHROMEDRIVER", drivers);
    char *chromium = web_program("CMAT_CHROMIUM", browsers);
    web_driver *d = cmat_xcalloc(1, sizeof *d);
    cmat_status st = CMAT_OK;
    d->hold = -1;
    *out = NULL;
    if (!program || !chromium)
        st = cmat_fail(err, CMAT_ERR_NOT_FOUND, "web: %s is not installed (the package %s)",
                       program ? "Chromium" : "chromedriver",
                       program ? "chromium" : "chromium-driver");
    if (st == CMAT_OK)
        st = prepare(d, err);
    if (st == CMAT_OK)
        st = start_driver(d, program, err);
    if (st == CMAT_OK)
        st = start_session(d, chromium, args, err);
    free(program);
    free(chromium);
    if (st == CMAT_OK)
        *out = d;
    else
        web_driver_close(d);
    return st;
}

void web_driver_close(web_driver *d)
{
    if (!d)
        return;
    if (d->session)
        web_driver_call(d, "DELETE", "", NULL, NULL, NULL);
    if (d->hold >= 0)
        close(d->hold);
    if (d->watcher > 0)
        while (waitpid(d->watcher, NULL, 0) < 0 && errno == EINTR)
            ;
    else if (d->folder)
        rmdir(d->folder);
    if (d->curl)
        curl_easy_cleanup(d->curl);
    curl_slist_free_all(d->headers);
    free(d->session);
    free(d->folder);
    free(d);
}
