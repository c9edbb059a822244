/* tests/kg_agree.c - not a test: plays the gold calls of kg's tasks on a graph, and on another
 * beside it. usage: kg_agree WORLD [TASKS|-] [N] [OTHER_WORLD]
 *
 * Prints how many gold answers the calls gave, the mean F1, and for OTHER_WORLD (an endpoint with
 * the same triples) how many observations and scores were equal. TASKS "-": N are made from WORLD.
 */
#include "core/mem.h"
#include "env/kg/kg.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stop(const cmat_error *err)
{
    fprintf(stderr, "%s\n", err->msg);
    exit(1);
}

static cmat_env *open_env(const char *world, const char *style)
{
    cmat_env *env;
    cmat_error err;
    const cmat_env_options o = {.path = world, .style = style};
    if (cmat_env_open(&env, "kg", &o, &err) != CMAT_OK)
        stop(&err);
    return env;
}

/* Plays the gold calls to the end; what was observed is appended to seen. */
static double play(cmat_env *env, const cmat_task *t, cmat_buf *seen)
{
    cmat_obs obs = {0};
    cmat_buf reply = {0};
    cmat_error err;
    double score = 0;
    if (cmat_env_reset(env, t, &obs, &err) != CMAT_OK)
        stop(&err);
    while (!env->done && env->ops->oracle(env, &reply)) {
        if (cmat_env_step(env, reply.data, &obs, &err) != CMAT_OK)
            stop(&err);
        cmat_buf_puts(seen, cmat_buf_str(&obs.text));
        cmat_buf_putc(seen, '\n');
        if (obs.error)
            break;
        cmat_buf_truncate(&reply, 0);
    }
    if (cmat_env_score(env, &score, &err) != CMAT_OK)
        stop(&err);
    cmat_obs_clear(&obs);
    cmat_buf_clear(&reply);
    return score;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return fprintf(stderr, "usage: kg_agree WORLD [TASKS|-] [N] [OTHER_WORLD]\n"), 2;
    const size_t n = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    const char *style = getenv("STYLE");
    cmat_env *env = open_env(argv[1], style), *other = argc > 4 ? open_env(argv[4], style) : NULL;
    cmat_task_list l = {0};
    cmat_error err;
    size_t right = 0, same = 0, same_score = 0;
    double f1 = 0;
    cmat_status st = argc < 3 || strcmp(argv[2], "-") == 0
                         ? env->ops->generate(env, 0, n ? n : 100, 1, &l, &err)
                         : cmat_env_import(env->ops, argv[2], &l, &err);
    if (st != CMAT_OK)
        stop(&err);
    while (n && l.n > n)
        cmat_task_clear(&l.items[--l.n]);
    for (size_t i = 0; i < l.n; i++) {
        cmat_buf here = {0}, there = {0};
        const double score = play(env, &l.items[i], &here);
        right += score >= 1;
        f1 += score;
        if (score < 1 && getenv("VERBOSE"))
            printf("%s %.2f: %s\n%s", l.items[i].id, score, l.items[i].instruction, here.data);
        if (other) {
            same_score += play(other, &l.items[i], &there) == score;
            same += strcmp(here.data, there.data) == 0;
            if (strcmp(here.data, there.data) != 0 && getenv("VERBOSE"))
                printf("%s\n%s---\n%s", l.items[i].instruction, here.data, there.data);
        }
        cmat_buf_clear(&here);
        cmat_buf_clear(&there);
    }
    printf("tasks %zu\ngold_answers %zu\nshare %.4f\nmean_f1 %.4f\n", l.n, right,
           (double)right / (double)l.n, f1 / (double)l.n);
    if (other)
        printf("same_observations %zu\nsame_scores %zu\n", same, same_score);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
    cmat_env_close(other);
    return 0;
}
