/* test_os_tasks.c - tasks of the os environment: made ones, AgentBench's, played with their gold.
 */
#include "core/fs.h"
#include "env/os/os.h"
#include "os_player.h"
#include "player.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Tasks made on a thread of their own. */
typedef struct {
    cmat_env *env;
    int split;
    size_t n;
    cmat_task_list l;
    cmat_status st;
    cmat_error err;
    pthread_t thread;
} making;

static void *make(void *p)
{
    making *m = p;
    m->st = m->env->ops->generate(m->env, m->split, m->n, 7, &m->l, &m->err);
    return NULL;
}

/* A task's oracle scores 1; a slip of it can be read. */
static void play_made(cmat_env *env, const cmat_task *t, cmat_rng *rng)
{
    cmat_buf slip = {0};
    os_action action;
    if (player_oracle(env, t, PLAYER_STRICT) != 1)
        fail_msg("%s", t->instruction);
    if (env->ops->slip(env, rng, &slip)) {
        os_reply_short(slip.data, &action);
        assert_int_not_equal(action.type, OS_ACTION_NONE);
        os_action_clear(&action);
    }
    cmat_buf_clear(&slip);
}

/* Made tasks: the same for a seed, no instruction in two splits, gold scores 1. */
static void test_made_tasks(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    making all[] = {{.split = 0, .n = 28}, {.split = 0, .n = 6}, {.split = 2, .n = 6}};
    const cmat_task_list *l = &all[0].l, *again = &all[1].l, *other = &all[2].l;
    char a[65], b[65];
    cmat_rng rng;
    cmat_rng_init(&rng, 1);
    for (size_t i = 0; i < 3; i++) {
        all[i].env = os_player_open("short");
        assert_int_equal(pthread_create(&all[i].thread, NULL, make, &all[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(all[i].thread, NULL);
        if (all[i].st != CMAT_OK)
            fail_msg("%s", all[i].err.msg);
        assert_int_equal(all[i].l.n, all[i].n);
    }
    for (size_t i = 0; i < 6; i++) {
        cmat_task_hash(&l->items[i], a);
        cmat_task_hash(&again->items[i], b);
        assert_string_equal(a, b);
        for (size_t k = 0; k < l->n; k++)
            assert_string_not_equal(other->items[i].instruction, l->items[k].instruction);
    }
    for (size_t i = 0; i < l->n; i += 4)
        play_made(all[0].env, &l->items[i], &rng);
    for (size_t i = 0; i < 3; i++) {
        cmat_task_list_clear(&all[i].l);
        cmat_env_close(all[i].env);
    }
}

/* AgentBench's own files, where they are: all of the development set, some of the training set. */
static void test_agentbench_files(void **unused)
{
    (void)unused;
    if (!os_player_works())
        skip();
    const char *root = getenv("CMAT_TEST_ROOT");
    char *dir = cmat_path_join(root ? root : ".", "../shared/data/os");
    char *dev = cmat_path_join(dir, "data/dev.json");
    char *train = cmat_path_join(dir, "train_0317/training.json");
    cmat_task_list l = {0};
    cmat_error err;
    if (!cmat_path_exists(dev) || !cmat_path_exists(train)) {
        printf("AgentBench's files are not here: skipped\n");
    } else {
        cmat_env *env = os_player_open("agentbench");
        assert_int_equal(os_import(dev, &l, &err), CMAT_OK);
        assert_int_equal(l.n, 26);
        assert_int_equal(os_import(train, &l, &err), CMAT_OK);
        assert_int_equal(l.n, 1026);
        for (size_t i = 0; i < l.n; i += i < 26 ? 6 : 202)
            if (player_oracle(env, &l.items[i], PLAYER_FOREIGN_GOLD) != 1)
                fail_msg("task %zu: %s", i, l.items[i].instruction);
        cmat_env_close(env);
    }
    cmat_task_list_clear(&l);
    free(dir);
    free(dev);
    free(train);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_tasks),
        cmocka_unit_test(test_agentbench_files),
    };
    return cmocka_run_group_tests_name("os_tasks", tests, NULL, os_player_end);
}
