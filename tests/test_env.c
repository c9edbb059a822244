/* test_env.c - what holds for all environments: lists of actions as constraints, hashes of tasks,
 * prompts of one environment, parts of an observation that pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include "agent/harvest.h"
#include "agent/prompt.h"
#include "agent/trajectory.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/choices.h"
#include "env/env.h"
#include "fake_env.h"
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static bool accepts(const cmat_acceptor *a, const char *text, bool *whole)
{
    _Alignas(16) unsigned char state[CMAT_ACCEPTOR_STATE_MAX] = {0};
    a->ops->start(a, state);
    for (const char *p = text; *p; p++)
        if (!a->ops->step(a, state, (uint8_t)*p))
            return false;
    *whole = a->ops->done(a, state);
    return true;
}

static void check(const cmat_acceptor *a, const char *text, bool begins, bool ends)
{
    bool whole = false;
    assert_int_equal(accepts(a, text, &whole), begins);
    assert_int_equal(begins && whole, ends);
}

static void test_choices(void **unused)
{
    (void)unused;
    static const char *const list[] = {"go to bed 1", "go to bed 10", "go to bed 2", "look"};
    cmat_choices_options o = {.choices = list, .n = 4};
    cmat_acceptor *a = cmat_choices_new(&o);
    check(a, "", true, false);
    check(a, "go to bed 1", true, true);
    check(a, "go to bed 10", true, true);
    check(a, "go to bed 100", false, false);
    check(a, "go to bed", true, false);
    check(a, "look", true, true);
    check(a, "looks", false, false);
    check(a, "jump", false, false);
    cmat_acceptor_free(a);
    o.think = "Think: ";
    o.think_max = 12;
    o.lead = "ACTION: ";
    a = cmat_choices_new(&o);
    check(a, "look", false, false);
    check(a, "ACTION: look", true, true);
    check(a, "Think: hm\nACTION: go to bed 2", true, true);
    check(a, "Think: \nACTION: look", false, false);
    check(a, "Think: h\xc3\xa4\nACTION: look", true, true);
    check(a, "Think: h\xc3\nACTION: look", false, false);
    check(a, "Think: abcdefghijkl", true, false);
    check(a, "Think: abcdefghijklm", false, false);
    check(a, "Think: abc\nlook", false, false);
    cmat_acceptor_free(a);
    o = (cmat_choices_options){0};
    a = cmat_choices_new(&o); /* an empty list accepts nothing, and does not crash */
    check(a, "l", false, false);
    cmat_acceptor_free(a);
}

/* Two states with one key must go on alike: else masks kept by key would be wrong. */
static void test_choices_keys(void **unused)
{
    (void)unused;
    static const char *const list[] = {"a b", "a c", "ab", "b"};
    cmat_choices_options o = {
        .think = "T ", .think_max = 100, .lead = "> ", .choices = list, .n = 4};
    static const char *const texts[] = {"",     "T",   "T ",     "T x",     "T xy",  "T x\n",
                                        ">",    "> ",  "> a",    "> a ",    "> a b", "> a c",
                                        "> ab", "> b", "T x\n>", "T x\n> a"};
    enum { N = sizeof texts / sizeof *texts };
    cmat_acceptor *a = cmat_choices_new(&o);
    _Alignas(16) unsigned char state[N][CMAT_ACCEPTOR_STATE_MAX] = {{0}};
    for (size_t i = 0; i < N; i++) {
        a->ops->start(a, state[i]);
        for (const char *p = texts[i]; *p; p++)
            assert_true(a->ops->step(a, state[i], (uint8_t)*p));
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            if (a->ops->key(a, state[i]) != a->ops->key(a, state[j]))
                continue;
            assert_int_equal(a->ops->done(a, state[i]), a->ops->done(a, state[j]));
            for (int b = 1; b < 128; b++) {
                _Alignas(16) unsigned char x[CMAT_ACCEPTOR_STATE_MAX], y[CMAT_ACCEPTOR_STATE_MAX];
                memcpy(x, state[i], sizeof x);
                memcpy(y, state[j], sizeof y);
                assert_int_equal(a->ops->step(a, x, (uint8_t)b), a->ops->step(a, y, (uint8_t)b));
            }
        }
    cmat_acceptor_free(a);
}

static void test_task_hashes(void **unused)
{
    (void)unused;
    cmat_task_list l = {0}, m = {0};
    char one[65], other[65];
    fake_task(&l, "t1", "k", "x", NULL);
    fake_task(&l, "t2", "k", "y", NULL);
    fake_task(&m, "t2", "k", "y", NULL);
    fake_task(&m, "t1", "k", "x", NULL);
    cmat_task_list_hash(&l, one);
    cmat_task_list_hash(&m, other);
    assert_string_equal(one, other);
    fake_task(&m, "t3", "k", "x", NULL);
    cmat_task_list_hash(&m, other);
    assert_string_not_equal(one, other);
    cmat_task_list_clear(&l);
    cmat_task_list_clear(&m);
}

static void test_env_prompts(void **unused)
{
    (void)unused;
    char *dir = fake_temp_dir(), *path = cmat_path_join(dir, "toy_reject.txt");
    const char text[] = "# cmat prompt: toy_reject, version 3\nNo: {{reason}}";
    const cmat_prompt_var vars[] = {{"reason", "why"}, {0}};
    cmat_prompts *p = NULL;
    cmat_buf out = {0};
    cmat_error err;
    assert_int_equal(cmat_write_file(path, text, strlen(text), &err), CMAT_OK);
    assert_int_equal(cmat_prompts_load_env(&p, dir, "toy", &err), CMAT_OK);
    cmat_prompt_render(p, CMAT_PROMPT_REJECT, vars, &out);
    assert_string_equal(out.data, "No: why");
    cmat_prompts_free(p);
    assert_int_equal(cmat_prompts_load_env(&p, dir, "other", &err), CMAT_OK);
    cmat_buf_truncate(&out, 0);
    cmat_prompt_render(p, CMAT_PROMPT_REJECT, vars, &out);
    assert_string_not_equal(out.data, "No: why");
    cmat_prompts_free(p);
    cmat_buf_clear(&out);
    remove(path);
    remove(dir);
    free(path);
    free(dir);
}

/* What passes is shown in the newest observation alone. */
static void test_passing(void **unused)
{
    (void)unused;
    cmat_trajectory t = {.raw = true, .passing = "OFFERS"};
    cmat_prompts *p = NULL;
    assert_int_equal(cmat_prompts_load(&p, NULL, NULL), CMAT_OK);
    cmat_trajectory_add(&t, CMAT_TURN_SYSTEM, "rules OFFERS");
    cmat_trajectory_add(&t, CMAT_TURN_TASK, "task OFFERS 1");
    json_t *m = cmat_trajectory_messages(&t, p, NULL, 0, NULL);
    assert_string_equal(cmat_json_str(json_array_get(m, 1), "content", ""), "task OFFERS 1");
    json_decref(m);
    cmat_trajectory_add(&t, CMAT_TURN_REPLY, "a OFFERS");
    cmat_trajectory_add(&t, CMAT_TURN_OBSERVATION, "seen OFFERS 2");
    cmat_trajectory_add(&t, CMAT_TURN_REPLY, "b");
    cmat_trajectory_add(&t, CMAT_TURN_OBSERVATION, "more OFFERS 3");
    m = cmat_trajectory_messages(&t, p, NULL, 0, NULL);
    static const char *const want[] = {"rules OFFERS", "task ", "a OFFERS",
                                       "seen ",        "b",     "more OFFERS 3"};
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(cmat_json_str(json_array_get(m, i), "content", ""), want[i]);
    json_decref(m);
    cmat_trajectory_clear(&t);
    cmat_prompts_free(p);
}

/* Rows to learn from, where observations hold parts that pass: one a step, of which only the last
 * reply counts, and the offers stand before it alone. */
static void test_rows_step_by_step(void **unused)
{
    (void)unused;
    cmat_run_config rc = {.env = "house", .env_opts = {.style = "agentbench"}};
    cmat_harvest_options ho = CMAT_HARVEST_OPTIONS_DEFAULT;
    cmat_task_list l = {0};
    cmat_dataset rows = {0};
    cmat_error err;
    assert_int_equal(cmat_env_find("house")->generate(NULL, 0, 1, 3, &l, &err), CMAT_OK);
    assert_int_equal(cmat_options_init(cmat_agent_option_table, &rc.opts, &err), CMAT_OK);
    assert_int_equal(cmat_harvest_gold(&rc, &l, NULL, NULL, -1, &ho, &rows, NULL, NULL, &err),
                     CMAT_OK);
    assert_true(rows.n >= 2);
    for (size_t i = 0; i < rows.n; i++) {
        const json_t *messages = rows.items[i].messages, *m;
        const size_t n = json_array_size(messages);
        size_t k;
        assert_int_equal(n, 3 + 2 * i);
        json_array_foreach(messages, k, m)
        {
            const bool offers =
                strstr(cmat_json_str(m, "content", ""), "AVAILABLE ACTIONS") != NULL;
            assert_int_equal(offers, k == n - 2);
            if (strcmp(cmat_json_str(m, "role", ""), "assistant") == 0)
                assert_int_equal((int)cmat_json_num(m, "weight", 1), k == n - 1);
        }
    }
    cmat_dataset_clear(&rows);
    cmat_options_clear(cmat_agent_option_table, &rc.opts);
    cmat_task_list_clear(&l);
}

/* An environment without snapshots says so. */
static void test_no_snapshots(void **unused)
{
    (void)unused;
    cmat_env *env = NULL;
    cmat_env_snapshot s = {0};
    uint64_t hash;
    cmat_error err;
    assert_int_equal(fake_env_ops.open(&env, &(cmat_env_options){0}, &err), CMAT_OK);
    env->ops = &fake_env_ops;
    assert_int_equal(cmat_env_snapshot_take(env, &s, &err), CMAT_ERR_UNSUPPORTED);
    assert_int_equal(cmat_env_restore(env, &s, &err), CMAT_ERR_UNSUPPORTED);
    assert_int_equal(cmat_env_hash(env, &hash, &err), CMAT_ERR_UNSUPPORTED);
    cmat_env_close(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices),           cmocka_unit_test(test_choices_keys),
        cmocka_unit_test(test_task_hashes),       cmocka_unit_test(test_env_prompts),
        cmocka_unit_test(test_passing),           cmocka_unit_test(test_no_snapshots),
        cmocka_unit_test(test_rows_step_by_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
