/* bench_env.c - an environment's speed and memory, one figure a line.
 * usage: bench_env ENV [TASKS|- [EPISODES [WORLD]]]
 *
 * Without TASKS, or for "-", the environment makes 64 tasks (from WORLD, where it needs one).
 * Random players, when the environment lists its actions, else its oracle; then 64 episodes at
 * once; then EPISODES (10,000) episodes one after the other, after which memory must not have
 * grown. The clock counts this thread's own time, so that a busy machine disturbs less. */
#include "env/env.h"
#include "process.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AT_ONCE 64
#define STEPS 20 /* of an episode */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void stop(const cmat_error *err)
{
    fprintf(stderr, "%s\n", err->msg);
    exit(1);
}

/* The next action of a random player; of the oracle where actions cannot be listed. */
static bool next_action(cmat_env *env, cmat_rng *rng, cmat_buf *out)
{
    const char *const *actions;
    cmat_buf_truncate(out, 0);
    if (!env->ops->actions)
        return env->ops->oracle && env->ops->oracle(env, out);
    const size_t n = env->ops->actions(env, &actions);
    if (n == 0)
        return false;
    cmat_buf_puts(out, actions[cmat_rng_below(rng, n)]);
    return true;
}

static size_t play(cmat_env *env, const cmat_task *task, cmat_rng *rng, double *starting)
{
    cmat_obs obs = {0};
    cmat_buf action = {0};
    cmat_error err;
    size_t n = 0;
    const double start = now();
    if (cmat_env_reset(env, task, &obs, &err) != CMAT_OK)
        stop(&err);
    *starting += now() - start;
    while (!env->done && n < STEPS && next_action(env, rng, &action)) {
        if (cmat_env_step(env, cmat_buf_str(&action), &obs, &err) != CMAT_OK)
            stop(&err);
        n++;
    }
    cmat_obs_clear(&obs);
    cmat_buf_clear(&action);
    return n;
}

static cmat_env *open_env(const char *name, const char *world, const cmat_env *like)
{
    const cmat_env_options o = {.path = world, .like = like};
    cmat_env *env;
    cmat_error err;
    if (cmat_env_open(&env, name, &o, &err) != CMAT_OK)
        stop(&err);
    return env;
}

static void time_steps(cmat_env *env, const cmat_task_list *l, cmat_rng *rng)
{
    double starting = 0, start = now(), worst = 0;
    size_t n_steps = 0, n_episodes = 0;
    while (now() - start < 2) {
        double one = 0;
        n_steps += play(env, &l->items[n_episodes++ % l->n], rng, &one);
        starting += one;
        worst = one > worst ? one : worst;
    }
    const double stepping = now() - start - starting;
    printf("steps_per_second %.0f\n", (double)n_steps / stepping);
    printf("microseconds_per_step %.2f\n", 1e6 * stepping / (double)n_steps);
    printf("start_ms %.3f\n", 1e3 * starting / (double)n_episodes);
    printf("slowest_start_ms %.3f\n", 1e3 * worst);
}

/* As a run has them: they share what they can with the one that is open. */
static void many_at_once(const cmat_env *env, const cmat_task_list *l)
{
    cmat_env *envs[AT_ONCE];
    cmat_obs obs = {0};
    cmat_error err;
    const double before = process_figure("/proc/self/status", "VmRSS");
    for (int i = 0; i < AT_ONCE; i++) {
        envs[i] = open_env(env->ops->name, env->opts.path, env);
        if (cmat_env_reset(envs[i], &l->items[(size_t)i % l->n], &obs, &err) != CMAT_OK)
            stop(&err);
    }
    printf("kib_per_episode %.0f\n",
           (process_figure("/proc/self/status", "VmRSS") - before) / AT_ONCE);
    for (int i = 0; i < AT_ONCE; i++)
        cmat_env_close(envs[i]);
    cmat_obs_clear(&obs);
}

static void time_snapshots(cmat_env *env, const cmat_task_list *l)
{
    cmat_obs obs = {0};
    cmat_env_snapshot s = {0};
    cmat_error err;
    int n = 0;
    if (!env->ops->snapshot)
        return;
    if (cmat_env_reset(env, &l->items[0], &obs, &err) != CMAT_OK)
        stop(&err);
    const double start = now();
    for (; n < 10000; n++)
        if (cmat_env_snapshot_take(env, &s, &err) != CMAT_OK ||
            cmat_env_restore(env, &s, &err) != CMAT_OK)
            stop(&err);
    printf("snapshot_and_restore_microseconds %.2f\n", 1e6 * (now() - start) / n);
    printf("snapshot_bytes %zu\n", s.state.len);
    cmat_env_snapshot_clear(&s);
    cmat_obs_clear(&obs);
}

static void many_episodes(cmat_env *env, const cmat_task_list *l, cmat_rng *rng, size_t n)
{
    double starting = 0, before = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == n / 10) { /* what is kept for reuse is there by now */
            malloc_trim(0);
            before = process_figure("/proc/self/status", "VmRSS");
        }
        play(env, &l->items[i % l->n], rng, &starting);
    }
    malloc_trim(0);
    printf("episodes %zu\n", n);
    printf("kib_grown %.0f\n", process_figure("/proc/self/status", "VmRSS") - before);
    printf("peak_mib %.1f\n", process_figure("/proc/self/status", "VmHWM") / 1024);
}

int main(int argc, char **argv)
{
    cmat_task_list l = {0};
    cmat_error err;
    cmat_rng rng;
    if (argc < 2)
        return fprintf(stderr, "usage: bench_env ENV [TASKS|- [EPISODES [WORLD]]]\n"), 2;
    const double opening = now();
    cmat_env *env = open_env(argv[1], argc > 4 ? argv[4] : NULL, NULL);
    printf("open_ms %.2f\n", 1e3 * (now() - opening));
    cmat_status st = CMAT_ERR_ARG;
    if (argc > 2 && strcmp(argv[2], "-") != 0)
        st = cmat_env_import(env->ops, argv[2], &l, &err);
    else if (env->ops->generate)
        st = env->ops->generate(env, 0, AT_ONCE, 1, &l, &err);
    if (st != CMAT_OK || l.n == 0)
        stop(&err);
    cmat_rng_init(&rng, 1);
    time_steps(env, &l, &rng);
    time_snapshots(env, &l);
    many_at_once(env, &l);
    many_episodes(env, &l, &rng, argc > 3 ? strtoul(argv[3], NULL, 10) : 10000);
    cmat_env_close(env);
    cmat_task_list_clear(&l);
    return 0;
}
