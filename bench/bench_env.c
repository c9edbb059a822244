/* bench_env.c - environments' speed and memory, one figure a line, by the clock on the wall.
 * usage: bench_env ENV [TASKS|- [EPISODES [WORLD]]]
 *        bench_env all [EPISODES [ENV=TASKS|-[,WORLD] ...]]
 *
 * Without TASKS, or for "-", the environment makes 64 tasks; db and kg do so from a world that is
 * made here (the example shop, a graph of films) unless WORLD is named. The oracle plays all
 * tasks; then random players, when the environment lists its actions, else the oracle; then 64
 * episodes at once; then EPISODES (10,000; 0: none) one after the other, after which no memory,
 * process, descriptor or mount may be left over. "all" does so with every environment, keeps them
 * all open with their tasks, and at the end has 64 episodes at once over all of them. */
#define _XOPEN_SOURCE 700
#include "core/cancel.h"
#include "env/db/shop.h"
#include "env/env.h"
#include "process.h"
#include <ftw.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 64
#define STEPS 20   /* of an episode */
#define SECONDS 2. /* that steps are timed for */
#define MAX_ENVS 16

/* One environment with its tasks. */
typedef struct {
    char prefix[16]; /* of its figures */
    const char *name;
    char tasks[512], world[512]; /* "-": to be made; "": none */
    cmat_env *env;
    cmat_task_list list;
} subject;

static void stop(const cmat_error *err)
{
    fprintf(stderr, "%s\n", err->msg);
    exit(1);
}

static void figure(const subject *s, const char *name, int decimals, double value)
{
    printf("%s%s %.*f\n", s->prefix, name, decimals, value);
}

/* ---- worlds made here, in a folder that goes with the program ---- */

static char folder[] = "/tmp/bench_env-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void make_folder(void)
{
    static bool made;
    if (made)
        return;
    if (!mkdtemp(folder)) {
        perror(folder);
        exit(1);
    }
    made = true;
    atexit(remove_folder);
}

/* Films, by directors, with actors: enough for every kind of question. */
static void make_films(const char *path)
{
    FILE *f = fopen(path, "w");
    for (int i = 0; f && i < 200; i++)
        fprintf(f,
                "Film %d\tdirected_by\tDirector %d\nFilm %d\tactor\tActor %d\nFilm %d\tyear\t%d\n",
                i, i % 29, i, i % 43, i, 1960 + i % 60);
    if (!f || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

static void make_world(subject *s)
{
    cmat_error err;
    const bool db = strcmp(s->name, "db") == 0;
    if (!db && strcmp(s->name, "kg") != 0)
        return;
    make_folder();
    snprintf(s->world, sizeof s->world, "%s/%s", folder, db ? "shop.sqlite" : "films.tsv");
    if (db && db_shop_make(s->world, 1, &err) != CMAT_OK)
        stop(&err);
    if (db)
        return;
    make_films(s->world);
    setenv("CMAT_HOME", folder, 1); /* where the graph is kept */
}

/* ---- playing ---- */

static cmat_env *open_env(const subject *s, const cmat_env *like)
{
    const cmat_env_options o = {.path = *s->world ? s->world : NULL, .like = like};
    cmat_env *env;
    cmat_error err;
    if (cmat_env_open(&env, s->name, &o, &err) != CMAT_OK)
        stop(&err);
    return env;
}

static void reset(cmat_env *env, const cmat_task *task, cmat_obs *obs)
{
    cmat_error err;
    if (cmat_env_reset(env, task, obs, &err) != CMAT_OK)
        stop(&err);
}

static void step(cmat_env *env, const char *reply, cmat_obs *obs)
{
    cmat_error err;
    if (cmat_env_step(env, reply, obs, &err) != CMAT_OK)
        stop(&err);
}

/* The next action of a random player; of the oracle where actions cannot be listed, or rng is
 * NULL. */
static bool next_action(cmat_env *env, cmat_rng *rng, cmat_buf *out)
{
    const char *const *actions;
    cmat_buf_truncate(out, 0);
    if (!env->ops->actions || !rng)
        return env->ops->oracle && env->ops->oracle(env, out);
    const size_t n = env->ops->actions(env, &actions);
    if (n == 0)
        return false;
    cmat_buf_puts(out, actions[cmat_rng_below(rng, n)]);
    return true;
}

/* Plays one episode; the steps taken. *starting grows by the seconds that its start took. */
static size_t play(cmat_env *env, const cmat_task *task, cmat_rng *rng, double *starting)
{
    cmat_obs obs = {0};
    cmat_buf action = {0};
    size_t n = 0;
    const double start = cmat_now();
    reset(env, task, &obs);
    *starting += cmat_now() - start;
    while (!env->done && (!rng || n < STEPS) && next_action(env, rng, &action)) {
        step(env, cmat_buf_str(&action), &obs);
        n++;
    }
    cmat_obs_clear(&obs);
    cmat_buf_clear(&action);
    return n;
}

/* ---- figures ---- */

static void open_subject(subject *s)
{
    cmat_error err;
    const double before = process_resident(), start = cmat_now();
    s->env = open_env(s, NULL);
    figure(s, "open_ms", 2, 1e3 * (cmat_now() - start));
    cmat_status st = CMAT_ERR_ARG;
    if (strcmp(s->tasks, "-") != 0)
        st = cmat_env_import(s->env->ops, s->tasks, &s->list, &err);
    else if (s->env->ops->generate)
        st = s->env->ops->generate(s->env, 0, AT_ONCE, 1, &s->list, &err);
    else
        cmat_fail(&err, CMAT_ERR_ARG, "%s makes no tasks: name some", s->name);
    if (st != CMAT_OK || s->list.n == 0)
        stop(&err);
    figure(s, "tasks", 0, (double)s->list.n);
    figure(s, "seconds_to_tasks", 2, cmat_now() - start);
    malloc_trim(0);
    figure(s, "resident_mib", 1, (process_resident() - before) / 1024);
}

static void score_oracle(const subject *s)
{
    size_t right = 0;
    double starting = 0, score;
    cmat_error err;
    const double start = cmat_now();
    if (!s->env->ops->oracle)
        return;
    for (size_t i = 0; i < s->list.n; i++) {
        play(s->env, &s->list.items[i], NULL, &starting);
        if (cmat_env_score(s->env, &score, &err) != CMAT_OK)
            stop(&err);
        right += score >= 1;
    }
    figure(s, "oracle_right", 0, (double)right);
    figure(s, "oracle_ms_per_task", 2, 1e3 * (cmat_now() - start) / (double)s->list.n);
}

static void time_steps(const subject *s, cmat_rng *rng)
{
    double starting = 0, worst = 0;
    size_t n_steps = 0, n_episodes = 0;
    const double start = cmat_now();
    while (cmat_now() - start < SECONDS || n_episodes < AT_ONCE) {
        double one = 0;
        n_steps += play(s->env, &s->list.items[n_episodes++ % s->list.n], rng, &one);
        starting += one;
        worst = one > worst ? one : worst;
    }
    const double stepping = cmat_now() - start - starting;
    figure(s, "steps_per_second", 0, (double)n_steps / stepping);
    figure(s, "microseconds_per_step", 2, 1e6 * stepping / (double)n_steps);
    figure(s, "start_ms", 3, 1e3 * starting / (double)n_episodes);
    figure(s, "slowest_start_ms", 3, 1e3 * worst);
}

/* The Checker's look at a right action. */
static void time_dry_run(const subject *s)
{
    cmat_obs obs = {0};
    cmat_buf action = {0};
    cmat_facts facts = {0};
    cmat_error err;
    int n = 0;
    reset(s->env, &s->list.items[0], &obs);
    if (!s->env->ops->dry_run || !next_action(s->env, NULL, &action))
        goto done;
    const double start = cmat_now();
    for (; cmat_now() - start < SECONDS / 4; n++)
        if (cmat_env_dry_run(s->env, cmat_buf_str(&action), &facts, &err) != CMAT_OK)
            stop(&err);
    figure(s, "dry_run_microseconds", 2, 1e6 * (cmat_now() - start) / n);
done:
    cmat_facts_clear(&facts);
    cmat_obs_clear(&obs);
    cmat_buf_clear(&action);
}

static void time_snapshots(const subject *s)
{
    cmat_obs obs = {0};
    cmat_env_snapshot snap = {0};
    cmat_error err;
    size_t i = 0;
    int n = 0;
    if (!s->env->ops->snapshot)
        return;
    /* One that can be set aside: os cannot do so with a process in the background. */
    do
        reset(s->env, &s->list.items[i], &obs);
    while (cmat_env_snapshot_take(s->env, &snap, &err) != CMAT_OK && ++i < s->list.n);
    const double start = cmat_now();
    for (; i < s->list.n && cmat_now() - start < SECONDS / 4; n++)
        if (cmat_env_snapshot_take(s->env, &snap, &err) != CMAT_OK ||
            cmat_env_restore(s->env, &snap, &err) != CMAT_OK)
            stop(&err);
    if (n > 0) {
        figure(s, "snapshot_and_restore_microseconds", 2, 1e6 * (cmat_now() - start) / n);
        figure(s, "snapshot_bytes", 0, (double)snap.state.len);
    }
    cmat_env_snapshot_clear(&snap);
    cmat_obs_clear(&obs);
}

/* KiB resident in this process and those below it. */
static double all_resident(void)
{
    double below;
    process_family(&below);
    return process_resident() + below;
}

/* 64 episodes over n subjects, as a run has them: they share what they can with what is open. */
static void many_at_once(const subject *all, size_t n, const char *prefix)
{
    cmat_env *envs[AT_ONCE];
    cmat_obs obs = {0};
    double below;
    const size_t processes = process_family(&below);
    const double before = process_resident() + below;
    double start = cmat_now();
    for (size_t i = 0; i < AT_ONCE; i++) {
        const subject *s = &all[i % n];
        envs[i] = open_env(s, s->env);
        reset(envs[i], &s->list.items[i / n % s->list.n], &obs);
    }
    printf("%sstart_%d_seconds %.3f\n", prefix, AT_ONCE, cmat_now() - start);
    const double after = all_resident();
    printf("%skib_per_episode %.0f\n", prefix, (after - before) / AT_ONCE);
    printf("%sprocesses_per_episode %.1f\n", prefix,
           (double)(process_family(&below) - processes) / AT_ONCE);
    if (n > 1)
        printf("%sresident_mib_with_%d_at_once %.1f\n", prefix, AT_ONCE, after / 1024);
    start = cmat_now();
    for (size_t i = 0; i < AT_ONCE; i++)
        cmat_env_close(envs[i]);
    printf("%sclose_%d_seconds %.3f\n", prefix, AT_ONCE, cmat_now() - start);
    cmat_obs_clear(&obs);
}

static void many_episodes(const subject *s, cmat_rng *rng, size_t n)
{
    double starting = 0, before = 0, below;
    size_t processes = 0, descriptors = 0, mounts = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == n / 10) { /* what is kept for reuse is there by now */
            malloc_trim(0);
            before = process_resident();
            processes = process_family(&below);
            descriptors = process_entries("/proc/self/fd");
            mounts = process_lines("/proc/self/mountinfo");
        }
        play(s->env, &s->list.items[i % s->list.n], rng, &starting);
    }
    if (n == 0)
        return;
    malloc_trim(0);
    figure(s, "episodes", 0, (double)n);
    figure(s, "kib_grown", 0, process_resident() - before);
    figure(s, "processes_grown", 0, (double)process_family(&below) - (double)processes);
    figure(s, "descriptors_grown", 0,
           (double)process_entries("/proc/self/fd") - (double)descriptors);
    figure(s, "mounts_grown", 0, (double)process_lines("/proc/self/mountinfo") - (double)mounts);
}

static void measure(subject *s, size_t n_episodes)
{
    cmat_rng rng;
    cmat_rng_init(&rng, 1);
    if (!*s->world && strcmp(s->tasks, "-") == 0)
        make_world(s);
    open_subject(s);
    score_oracle(s);
    time_steps(s, &rng);
    time_dry_run(s);
    time_snapshots(s);
    many_at_once(s, 1, s->prefix);
    many_episodes(s, &rng, n_episodes);
    fflush(stdout);
}

static void close_subject(subject *s)
{
    cmat_env_close(s->env);
    cmat_task_list_clear(&s->list);
}

/* "house=DIR", "kg=TASKS,GRAPH", "db=-,FILE" */
static void set_subject(subject *all, size_t n, const char *text)
{
    const size_t name = strcspn(text, "="), tasks = text[name] ? strcspn(text + name + 1, ",") : 0;
    size_t i = 0;
    while (i < n && (strlen(all[i].name) != name || strncmp(all[i].name, text, name) != 0))
        i++;
    if (i == n || tasks == 0) {
        fprintf(stderr, "%s: not ENV=TASKS[,WORLD]\n", text);
        exit(2);
    }
    const char *value = text + name + 1;
    if (value[tasks])
        snprintf(all[i].world, sizeof all[i].world, "%s", value + tasks + 1);
    snprintf(all[i].tasks, sizeof all[i].tasks, "%.*s", (int)tasks, value);
}

static void measure_all(int n_args, char **args)
{
    subject all[MAX_ENVS] = {{{0}, NULL, {0}, {0}, NULL, {0}}};
    const size_t n_episodes = n_args > 0 ? strtoul(args[0], NULL, 10) : 10000;
    size_t n = 0;
    for (; n < MAX_ENVS && cmat_envs[n]; n++) {
        all[n].name = cmat_envs[n]->name;
        strcpy(all[n].tasks, "-");
        snprintf(all[n].prefix, sizeof all[n].prefix, "%.14s.", all[n].name);
    }
    for (int i = 1; i < n_args; i++)
        set_subject(all, n, args[i]);
    printf("resident_mib_at_start %.1f\n", process_resident() / 1024);
    for (size_t i = 0; i < n; i++)
        measure(&all[i], n_episodes);
    malloc_trim(0);
    printf("all.resident_mib %.1f\n", all_resident() / 1024);
    many_at_once(all, n, "all.");
    printf("peak_mib %.1f\n", process_figure("/proc/self/status", "VmHWM") / 1024);
    for (size_t i = 0; i < n; i++)
        close_subject(&all[i]);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return fprintf(stderr,
                       "usage: bench_env ENV [TASKS|- [EPISODES [WORLD]]]\n"
                       "       bench_env all [EPISODES [ENV=TASKS|-[,WORLD] ...]]\n"),
               2;
    if (strcmp(argv[1], "all") == 0) {
        measure_all(argc - 2, argv + 2);
        return 0;
    }
    subject s = {.name = argv[1]};
    snprintf(s.tasks, sizeof s.tasks, "%s", argc > 2 ? argv[2] : "-");
    if (argc > 4)
        snprintf(s.world, sizeof s.world, "%s", argv[4]);
    measure(&s, argc > 3 ? strtoul(argv[3], NULL, 10) : 10000);
    printf("peak_mib %.1f\n", process_figure("/proc/self/status", "VmHWM") / 1024);
    close_subject(&s);
    return 0;
}
