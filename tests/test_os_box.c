/* test_os_box.c - the sandbox itself: its walls, its limits, many at once, what is left of them. */
#include "core/cancel.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/os/os.h"
#include "env/os/sandbox_impl.h"
#include "env/os/selfcheck.h"
#include "os_player.h"
#include "player.h"
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the walls ---- */

static void test_selfcheck(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    os_host *host;
    json_t *report, *item;
    cmat_error err;
    size_t i;
    assert_int_equal(os_host_open(&host, &err), CMAT_OK);
    if (os_selfcheck(host, 0, &report, &err) != CMAT_OK)
        print_error("%s\n", err.msg);
    assert_true(json_array_size(report) >= 60);
    json_array_foreach(report, i, item)
        assert_string_equal(cmat_json_str(item, "result", ""), "held");
    json_decref(report);
    os_host_unref(host);
}

/* Without bubblewrap there is one line that says so; the environment is listed all the same. */
static void test_without_bubblewrap(void **unused)
{
    (void)unused;
    char *path = cmat_xstrdup(getenv("PATH") ? getenv("PATH") : "");
    cmat_env *env;
    cmat_error err;
    setenv("PATH", "/nowhere", 1);
    assert_int_equal(cmat_env_open(&env, "os", NULL, &err), CMAT_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "bubblewrap is missing"));
    setenv("PATH", path, 1);
    assert_non_null(cmat_env_find("os"));
    free(path);
}

/* ---- a sandbox that does not answer ---- */

static void *interrupt(void *unused)
{
    (void)unused;
    usleep(100000);
    cmat_cancel_set(true);
    return NULL;
}

/* A bubblewrap that starts nothing: the check ends with the program, or after its time. */
static void test_no_answer(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    char dir[] = "/var/tmp/cmat-bwrap-XXXXXX" /* the keeper covers /tmp */,
         *path = cmat_xstrdup(getenv("PATH"));
    static const char script[] = "#!/bin/sh\nexec sleep 5\n";
    os_host *host;
    json_t *report = NULL;
    cmat_error err;
    pthread_t thread;
    assert_non_null(mkdtemp(dir));
    char *fake = cmat_path_join(dir, "bwrap"), *paths = cmat_xasprintf("%s:%s", dir, path);
    assert_int_equal(cmat_write_file(fake, script, sizeof script - 1, &err), CMAT_OK);
    assert_int_equal(chmod(fake, 0755) + chmod(dir, 0755), 0);
    setenv("PATH", paths, 1);
    assert_int_equal(os_host_open(&host, &err), CMAT_OK);
    setenv("PATH", path, 1);

    double start = cmat_now();
    assert_int_equal(os_selfcheck(host, 0.2, &report, &err), CMAT_ERR_IO);
    assert_non_null(strstr(err.msg, "does not answer"));
    assert_null(report);
    assert_int_equal(pthread_create(&thread, NULL, interrupt, NULL), 0);
    assert_int_equal(os_selfcheck_once(host, &err), CMAT_ERR_CANCELLED);
    assert_string_equal(err.msg, "os: interrupted");
    pthread_join(thread, NULL);
    assert_true(cmat_now() - start < 30);
    cmat_cancel_set(false);
    os_host_unref(host);
    remove(fake);
    remove(dir);
    free(paths);
    free(path);
    free(fake);
}

/* In an episode the step ends at once, and what it was is not told. */
static void test_interrupted(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    cmat_env *env = os_player_open("short");
    cmat_task t = os_player_task();
    cmat_obs obs = {0};
    cmat_error err;
    pthread_t thread;
    player_reset(env, &t, &obs);
    const double start = cmat_now();
    assert_int_equal(pthread_create(&thread, NULL, interrupt, NULL), 0);
    assert_int_equal(cmat_env_step(env, "Bash: sleep 50", &obs, &err), CMAT_ERR_CANCELLED);
    pthread_join(thread, NULL);
    assert_true(cmat_now() - start < 30);
    cmat_obs_clear(&obs);
    cmat_env_close(env);
    cmat_cancel_set(false);
    cmat_task_clear(&t);
}

/* ---- limits ---- */

/* With a short limit of time, which would be too short for other commands on a busy machine. */
static const char *hang(cmat_env *env, const char *reply, cmat_obs *obs)
{
    env->opts.step_timeout = 0.15;
    const char *text = player_step(env, reply, obs);
    env->opts.step_timeout = 60;
    return text;
}

/* A command that hangs, floods or ends the shell is ended; the episode goes on. */
static void test_limits(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    cmat_env *env = os_player_open("short");
    cmat_task t = os_player_task();
    cmat_obs obs = {0};
    player_reset(env, &t, &obs);
    player_step(env, "Bash: cd /opt; keep=7", &obs);
    assert_non_null(strstr(hang(env, "Bash: sleep 100", &obs), "took too long"));
    assert_non_null(strstr(hang(env, "Bash: while :; do :; done", &obs), "took too long"));
    assert_string_equal(player_step(env, "Bash: pwd; echo $keep", &obs), "/opt\n7");
    assert_non_null(strstr(player_step(env, "Bash: yes", &obs), "printed too much"));
    player_step(env, "Bash: kill -9 -1; kill -9 1", &obs); /* takes the shell along, not the box */
    assert_string_equal(player_step(env, "Bash: pwd; echo $keep", &obs), "/opt\n7");
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
    cmat_env_close(env);
}

/* ---- groups ---- */

static bool there(const os_confine *c, const char *name)
{
    char *path = cmat_path_join(c->memory, name);
    const bool is = cmat_path_is_dir(path);
    free(path);
    return is;
}

/* In the group: starts more processes than it may have, then takes more memory. Exit status 3: more
 * processes could be started. */
static void exceed(int go)
{
    enum { MANY = 100, MEGABYTES = 400 };
    char c;
    pid_t pids[MANY];
    int n = 0;
    if (read(go, &c, 1) != 1)
        _exit(1);
    while (n < MANY && (pids[n] = fork()) > 0)
        n++;
    if (n < MANY && pids[n] == 0) {
        pause();
        _exit(0);
    }
    for (int i = 0; i < n; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    if (n == MANY)
        _exit(3);
    volatile char *p = malloc((size_t)MEGABYTES << 20);
    for (size_t i = 0; p && i < (size_t)MEGABYTES << 20; i += 4096)
        p[i] = 1;
    _exit(p ? 4 : 5);
}

/* What no watcher is fast enough for: the kernel keeps the bound of a group, which goes with it. */
static void test_group(void **unused)
{
    (void)unused;
    static const box_limits limits = {.memory = 8 << 20, .processes = 4};
    static os_confine c;
    os_group g;
    int go[2], status = 0;
    os_confine_find(&c);
    if (c.version == 0)
        skip();
    char *stale = cmat_path_join(c.memory, "cmat-box-999999999-0");
    assert_int_equal(mkdir(stale, 0755), 0);
    os_confine_find(&c);
    assert_false(there(&c, "cmat-box-999999999-0"));
    free(stale);

    assert_int_equal(pipe(go), 0);
    const pid_t pid = fork();
    if (pid == 0)
        exceed(go[0]);
    if (os_group_open(&g, &c, pid, &limits)) {
        char name[sizeof g.name];
        snprintf(name, sizeof name, "%s", g.name);
        assert_true(there(&c, name));
        assert_int_equal(write(go[1], "x", 1), 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (c.version == 2 || *c.processes) /* else nothing bounds the processes */
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_true(os_group_peak(&g) <= g.memory);
        assert_int_equal(os_group_killed(&g), *c.processes || c.version == 2);
        os_group_close(&g);
        assert_false(there(&c, name));
    }
    close(go[0]);
    close(go[1]);
}

/* A sandbox is in one, its files are counted too, and nothing is left of it. */
static void test_sandbox_group(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    os_host *host;
    os_sandbox *s;
    os_output o = {0};
    cmat_error err;
    char name[64];
    assert_int_equal(os_host_open(&host, &err), CMAT_OK);
    assert_int_equal(os_sandbox_open(&s, host, &os_limits_default, &err), CMAT_OK);
    if (os_host_confined(host)) {
        const os_run r = {.script = "head -c 40m /dev/zero >/opt/f", .timeout = 60};
        snprintf(name, sizeof name, "%s", os_sandbox_group(s)->name);
        assert_true(there(&host->confine, name));
        assert_int_equal(os_sandbox_fresh(s, "/", &err), CMAT_OK);
        assert_int_equal(os_sandbox_run(s, &r, &o, &err), CMAT_OK);
        assert_int_equal(o.status, 0);
        assert_true(os_group_peak(os_sandbox_group(s)) >= 40 << 20);
    }
    os_sandbox_close(s);
    if (os_host_confined(host))
        assert_false(there(&host->confine, name));
    os_output_clear(&o);
    os_host_unref(host);
}

/* ---- many, and what is left ---- */

static size_t entries(const char *dir)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static size_t children(void)
{
    char line[4096] = "", path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "r");
    size_t n = 0;
    if (f && fgets(line, sizeof line, f))
        for (char *p = line; (p = strchr(p, ' ')); p++)
            n++;
    if (f)
        fclose(f);
    return n;
}

static void test_many(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    enum { N = 12 }; /* bench_env opens 64 */
    cmat_env *env[N];
    cmat_obs obs = {0};
    cmat_task t = os_player_task();
    const size_t fds = entries("/proc/self/fd"), procs = children();
    for (size_t i = 0; i < N; i++) {
        env[i] = os_player_open("short");
        player_reset(env[i], &t, &obs);
    }
    assert_int_equal(children(), procs + N);
    for (size_t i = 0; i < N; i++) {
        char reply[64], want[16];
        snprintf(reply, sizeof reply, "Bash: echo %zu >/root/n; sleep 100 & true", i);
        player_step(env[i], reply, &obs);
        snprintf(want, sizeof want, "%zu", i);
        assert_string_equal(player_step(env[i], "Bash: cat /root/n", &obs), want);
    }
    for (size_t i = 0; i < N; i++)
        cmat_env_close(env[i]);
    assert_int_equal(children(), procs);
    assert_int_equal(entries("/proc/self/fd"), fds);
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_bubblewrap),
        cmocka_unit_test(test_selfcheck),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_sandbox_group),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests_name("os_box", tests, NULL, os_player_end);
}
