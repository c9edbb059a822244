/* bench_os.c - the os environment's speed and memory, one figure a line, by the clock on the wall.
 * usage: bench_os [TASKS [EPISODES]]
 *
 * Plays the oracle over the tasks (64 made ones without TASKS), then times steps, trials and
 * snapshots, then opens 64 at once, then plays EPISODES (200) more, after which no process, mount,
 * descriptor or memory may be left over. */
#include "core/cancel.h"
#include "env/os/os.h"
#include "process.h"
#include <ctype.h>
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 64

static void stop(const cmat_error *err)
{
    fprintf(stderr, "%s\n", err->msg);
    exit(1);
}

/* ---- what there is of us ---- */

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

static size_t lines(const char *path)
{
    size_t n = 0;
    int c;
    FILE *f = fopen(path, "r");
    while (f && (c = getc(f)) != EOF)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

static int parent_of(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    return (int)process_figure(path, "PPid:");
}

/* Processes below this one, with their memory (shared pages divided among those that share). */
static size_t family(double *kib)
{
    size_t n = 0;
    DIR *d = opendir("/proc");
    *kib = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[64];
        int up = isdigit((unsigned char)*e->d_name) ? atoi(e->d_name) : 0;
        for (int k = 0; up > 1 && up != (int)getpid() && k < 8; k++)
            up = parent_of(up);
        if (up != (int)getpid() || atoi(e->d_name) == (int)getpid())
            continue;
        snprintf(path, sizeof path, "/proc/%.16s/smaps_rollup", e->d_name);
        *kib += process_figure(path, "Pss:");
        n++;
    }
    if (d)
        closedir(d);
    return n;
}

/* ---- playing ---- */

static cmat_env *open_env(const cmat_env *like)
{
    cmat_env *env;
    cmat_error err;
    const cmat_env_options o = {.like = like};
    if (cmat_env_open(&env, "os", &o, &err) != CMAT_OK)
        stop(&err);
    return env;
}

/* True when the oracle's episode scores 1; a task that cannot be set up is said. */
static bool play(cmat_env *env, const cmat_task *t, size_t *n_steps)
{
    cmat_obs obs = {0};
    cmat_buf reply = {0};
    cmat_error err;
    double score = 0;
    cmat_status st = cmat_env_reset(env, t, &obs, &err);
    while (st == CMAT_OK && !env->done && env->ops->oracle(env, &reply)) {
        st = cmat_env_step(env, reply.data, &obs, &err);
        cmat_buf_truncate(&reply, 0);
        ++*n_steps;
    }
    if (st == CMAT_OK)
        st = cmat_env_score(env, &score, &err);
    if (st != CMAT_OK)
        fprintf(stderr, "%s: %s\n", t->id, err.msg);
    else if (score != 1)
        fprintf(stderr, "%s: gold does not pass: %.70s\n", t->id, t->instruction);
    cmat_buf_clear(&reply);
    cmat_obs_clear(&obs);
    return st == CMAT_OK && score == 1;
}

static void all_tasks(cmat_env *env, const cmat_task_list *l)
{
    size_t passed = 0, steps = 0;
    const double start = cmat_now();
    for (size_t i = 0; i < l->n; i++)
        passed += play(env, &l->items[i], &steps);
    const double took = cmat_now() - start;
    printf("tasks %zu\npassed_with_gold %zu\nseconds_per_task %.4f\n", l->n, passed,
           took / (double)l->n);
}

static void time_parts(cmat_env *env, const cmat_task *t)
{
    enum { N = 100 };
    cmat_obs obs = {0};
    cmat_facts facts = {0};
    cmat_env_snapshot s = {0};
    cmat_error err;
    double start = cmat_now();
    if (cmat_env_reset(env, t, &obs, &err) != CMAT_OK)
        stop(&err);
    printf("start_ms %.1f\n", 1e3 * (cmat_now() - start));
    env->opts.max_steps = 1 << 20;
    start = cmat_now();
    for (int i = 0; i < N; i++)
        if (cmat_env_step(env, "Bash: ls /etc | wc -l", &obs, &err) != CMAT_OK)
            stop(&err);
    printf("steps_per_second %.0f\n", N / (cmat_now() - start));
    start = cmat_now();
    for (int i = 0; i < N / 4; i++)
        if (cmat_env_dry_run(env, "Bash: ls /etc | wc -l; echo x >/srv/y", &facts, &err) != CMAT_OK)
            stop(&err);
    printf("trial_ms %.1f\n", 1e3 * (cmat_now() - start) / (N / 4));
    start = cmat_now();
    for (int i = 0; i < N / 4; i++)
        if (cmat_env_snapshot_take(env, &s, &err) != CMAT_OK ||
            cmat_env_restore(env, &s, &err) != CMAT_OK)
            stop(&err);
    printf("snapshot_and_restore_ms %.1f\nsnapshot_bytes %zu\n",
           1e3 * (cmat_now() - start) / (N / 4), s.state.len);
    cmat_env_snapshot_clear(&s);
    cmat_facts_clear(&facts);
    cmat_obs_clear(&obs);
}

static void many_at_once(const cmat_env *like, const cmat_task *t)
{
    cmat_env *envs[AT_ONCE];
    cmat_obs obs = {0};
    cmat_error err;
    double kib, before_kib;
    const size_t before = family(&before_kib);
    double start = cmat_now();
    for (int i = 0; i < AT_ONCE; i++) {
        envs[i] = open_env(like);
        if (cmat_env_reset(envs[i], t, &obs, &err) != CMAT_OK)
            stop(&err);
    }
    printf("start_%d_seconds %.2f\n", AT_ONCE, cmat_now() - start);
    const size_t n = family(&kib);
    printf("processes_per_episode %.1f\nkib_per_episode %.0f\n", (double)(n - before) / AT_ONCE,
           (kib - before_kib) / AT_ONCE);
    start = cmat_now();
    for (int i = 0; i < AT_ONCE; i++)
        cmat_env_close(envs[i]);
    printf("close_%d_seconds %.2f\n", AT_ONCE, cmat_now() - start);
    cmat_obs_clear(&obs);
}

static void many_episodes(cmat_env *env, const cmat_task_list *l, size_t n)
{
    double kib, before = 0;
    size_t procs = 0, fds = 0, mounts = 0, steps = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == n / 10) { /* what is kept for reuse is there by now */
            malloc_trim(0);
            before = process_figure("/proc/self/status", "VmRSS:");
            procs = family(&kib);
            fds = entries("/proc/self/fd");
            mounts = lines("/proc/self/mountinfo");
        }
        play(env, &l->items[i % l->n], &steps);
    }
    malloc_trim(0);
    printf("episodes %zu\nkib_grown %.0f\n", n,
           process_figure("/proc/self/status", "VmRSS:") - before);
    printf("processes_grown %d\n", (int)family(&kib) - (int)procs);
    printf("descriptors_grown %d\n", (int)entries("/proc/self/fd") - (int)fds);
    printf("mounts_grown %d\n", (int)lines("/proc/self/mountinfo") - (int)mounts);
}

int main(int argc, char **argv)
{
    cmat_task_list l = {0};
    cmat_error err;
    cmat_env *env = open_env(NULL);
    const double start = cmat_now();
    cmat_status st = argc > 1 ? cmat_env_import(env->ops, argv[1], &l, &err)
                              : env->ops->generate(env, 0, AT_ONCE, 1, &l, &err);
    if (st != CMAT_OK)
        stop(&err);
    printf("load_seconds %.2f\n", cmat_now() - start);
    setvbuf(stdout, NULL, _IOLBF, 0);
    all_tasks(env, &l);
    size_t plain = 0; /* a task without background processes, so that it can be set aside */
    while (plain + 1 < l.n && json_object_get(l.items[plain].json, "start"))
        plain++;
    time_parts(env, &l.items[plain]);
    many_at_once(env, &l.items[plain]);
    many_episodes(env, &l, argc > 2 ? strtoul(argv[2], NULL, 10) : 200);
    cmat_env_close(env);
    cmat_task_list_clear(&l);
    return 0;
}
