/* test_oracle.c - worked answers in the Actor's place, through the scheduler; and what ends by the
 * world's fault is tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include "agent/oracle.h"
#include "agent/scheduler.h"
#include "core/json.h"
#include "core/log.h"
#include "core/mem.h"
#include "fake_env.h"
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int n, n_right, n_error, n_facts;
} seen;

static void on_episode(void *user, const cmat_task *task, const cmat_episode_row *row)
{
    seen *s = user;
    (void)task;
    s->n++;
    s->n_right += row->score >= 1;
    s->n_error += strcmp(row->outcome, "task error") == 0;
    const json_t *step = json_array_get(json_object_get(row->json, "steps"), 0),
                 *attempt = json_array_get(json_object_get(step, "attempts"), 0);
    s->n_facts += json_object_get(attempt, "facts") != NULL;
    if (strcmp(row->outcome, "task error") == 0)
        assert_string_equal(cmat_json_str(row->json, "failure", ""), "there is no gold action");
}

static cmat_run_config oracle_config(cmat_oracle_stuck *stuck, seen *s, const cmat_env_ops *ops)
{
    cmat_run_config c = CMAT_RUN_CONFIG_DEFAULT;
    c.env_ops = ops;
    c.llm = cmat_llm_oracle_new(stuck);
    c.on_episode = on_episode;
    c.user = s;
    return c;
}

/* A task without gold ends by itself, is counted, and holds nothing up. */
static void test_without_gold(void **unused)
{
    (void)unused;
    cmat_oracle_stuck stuck = {0};
    seen s = {0};
    cmat_task_list l = {0};
    cmat_error err = {0};
    fake_task(&l, "a", "word", "left", NULL);
    fake_task(&l, "b", "word", NULL, NULL);
    fake_task(&l, "c", "word", "right", NULL);
    cmat_run_config c = oracle_config(&stuck, &s, &fake_env_ops);
    if (cmat_agent_run(&c, &l, NULL, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(s.n, 3);
    assert_int_equal(s.n_right, 2);
    assert_int_equal(s.n_error, 1);
    assert_int_equal(s.n_facts, 2);
    assert_int_equal(stuck.n, 1);
    assert_string_equal(stuck.first, "b");
    cmat_llm_free(c.llm);
    cmat_task_list_clear(&l);
}

/* Every environment that needs neither a file nor a sandbox: all its tasks end with a score of 1,
 * in both styles, with the Checker's facts and without. */
static void test_environments(void **unused)
{
    (void)unused;
    static const char *const names[] = {"house", "shop", "web"};
    static const char *const styles[] = {"short", "agentbench"};
    for (size_t i = 0; i < 6; i++) {
        const cmat_env_ops *ops = cmat_env_find(names[i / 2]);
        cmat_oracle_stuck stuck = {0};
        seen s = {0};
        cmat_task_list l = {0};
        cmat_env *env = NULL;
        cmat_error err = {0};
        if (!ops->oracle || cmat_env_open_ops(&env, ops, NULL, &err) != CMAT_OK)
            continue; /* not in this build */
        assert_int_equal(ops->generate(env, 2, 6, 3, &l, &err), CMAT_OK);
        cmat_env_close(env);
        cmat_run_config c = oracle_config(&stuck, &s, ops);
        c.env_opts.style = styles[i % 2];
        c.opts.checker = i % 2 ? CMAT_CHECKER_OFF : CMAT_CHECKER_FACTS;
        if (cmat_agent_run(&c, &l, NULL, &err) != CMAT_OK)
            fail_msg("%s", err.msg);
        assert_int_equal(s.n, l.n);
        assert_int_equal(s.n_right, l.n);
        assert_int_equal(s.n_facts, i % 2 ? 0 : l.n);
        assert_int_equal(stuck.n, 0);
        cmat_llm_free(c.llm);
        cmat_task_list_clear(&l);
    }
}

/* ---- what ended by a task error ---- */

/* "break" ends the world. */
static char *say(void *user, const cmat_llm_request *req)
{
    (void)req;
    return cmat_xstrdup(user);
}

static void run_all(cmat_store *store, const char *reply, const cmat_task_list *l,
                    cmat_run_stats *stats)
{
    cmat_run_config c = CMAT_RUN_CONFIG_DEFAULT;
    cmat_error err = {0};
    c.env_ops = &fake_env_ops;
    c.llm = cmat_llm_scripted_new(say, (void *)reply);
    c.store = store;
    c.opts.checker = CMAT_CHECKER_OFF;
    if (cmat_agent_run(&c, l, stats, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    cmat_llm_free(c.llm);
}

static bool count_row(void *user, int64_t id, const cmat_episode_row *row)
{
    seen *s = user;
    (void)id;
    s->n++;
    s->n_right += row->score >= 1;
    s->n_error += strcmp(row->outcome, "task error") == 0;
    return true;
}

static void test_errors_again(void **unused)
{
    (void)unused;
    cmat_store *store;
    cmat_task_list l = {0}, first = {0};
    cmat_run_stats stats;
    cmat_error err;
    seen s = {0};
    assert_int_equal(cmat_store_open(&store, ":memory:", false, &err), CMAT_OK);
    cmat_log_set_level(CMAT_LOG_ERROR);
    fake_task(&first, "a", "word", "x", NULL);
    fake_task(&l, "a", "word", "x", NULL);
    fake_task(&l, "b", "word", "x", NULL);
    run_all(store, "say wrong", &first, &stats);
    run_all(store, "break", &l, &stats); /* of a wrong episode and a new task, the second errs */
    assert_int_equal(stats.n_found, 1);
    assert_int_equal(stats.n_run, 1);
    assert_int_equal(cmat_store_each_episode(store, "eval", 0, false, count_row, &s, &err),
                     CMAT_OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.n_error, 1);
    run_all(store, "say x", &l, &stats); /* wrong stays wrong, an error is no answer */
    assert_int_equal(stats.n_found, 1);
    assert_int_equal(stats.n_run, 1);
    s = (seen){0};
    assert_int_equal(cmat_store_each_episode(store, "eval", 0, false, count_row, &s, &err),
                     CMAT_OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.n_right, 1);
    assert_int_equal(s.n_error, 0);
    cmat_store_close(store);
    cmat_task_list_clear(&l);
    cmat_task_list_clear(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_gold),
        cmocka_unit_test(test_environments),
        cmocka_unit_test(test_errors_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
