/* test_metrics.c - statistics against published values; summaries and comparisons of stored
 * episodes. */
#include "core/json.h"
#include "core/mem.h"
#include "eval/evaluate.h"
#include "eval/metrics.h"
#include "fake_env.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.9g is not %.9g", a, b);
}

/* Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3. */
static void test_wilson(void **state)
{
    (void)state;
    static const struct {
        size_t right, n;
        double low, high;
    } cases[] = {{81, 263, 0.2553, 0.3662},
                 {15, 148, 0.0624, 0.1605},
                 {0, 20, 0, 0.1611},
                 {1, 29, 0.0061, 0.1718},
                 {20, 20, 0.8389, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cmat_interval w = cmat_wilson(cases[i].right, cases[i].n, CMAT_Z95);
        near(w.low, cases[i].low, 5e-5);
        near(w.high, cases[i].high, 5e-5);
        near(w.rate, (double)cases[i].right / (double)cases[i].n, 1e-12);
    }
    const cmat_interval none = cmat_wilson(0, 0, CMAT_Z95);
    assert_true(none.low == 0 && none.high == 1);
}

static void test_mcnemar(void **state)
{
    (void)state;
    near(cmat_mcnemar((cmat_pairs){.only_a = 12, .only_b = 2}), 0.012939453125, 1e-12);
    near(cmat_mcnemar((cmat_pairs){.only_a = 5, .only_b = 15, .both = 9}), 0.04138946533203125,
         1e-12);
    near(cmat_mcnemar((cmat_pairs){.only_b = 6}), 0.03125, 1e-12);
    near(cmat_mcnemar((cmat_pairs){.only_a = 7, .only_b = 7}), 1, 0);
    near(cmat_mcnemar((cmat_pairs){.both = 3}), 1, 0);
    near(cmat_mcnemar((cmat_pairs){.only_a = 121, .only_b = 59}), 4.434449263755176e-06, 1e-15);
    assert_true(cmat_mcnemar((cmat_pairs){.only_a = 100000, .only_b = 90000}) < 1e-50);
}

/* Newcombe, Statistics in Medicine 17 (1998) 2635-2650, table III, method 10. */
static void test_paired_difference(void **state)
{
    (void)state;
    static const struct {
        cmat_pairs p;
        double diff, low, high;
    } cases[] = {{{36, 2, 12, 0}, 0.2, 0.0569, 0.3404}, {{36, 12, 2, 0}, -0.2, -0.3404, -0.0569}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cmat_interval d = cmat_paired_difference(cases[i].p, CMAT_Z95);
        near(d.rate, cases[i].diff, 1e-9);
        near(d.low, cases[i].low, 6e-5);
        near(d.high, cases[i].high, 6e-5);
    }
    /* swapping the runs mirrors it */
    const cmat_interval x = cmat_paired_difference((cmat_pairs){20, 3, 11, 6}, CMAT_Z95);
    const cmat_interval y = cmat_paired_difference((cmat_pairs){20, 11, 3, 6}, CMAT_Z95);
    near(x.low, -y.high, 1e-12);
    near(x.high, -y.low, 1e-12);
    assert_true(x.low > -1 && x.high < 1 && x.low < x.rate && x.rate < x.high);
    const cmat_interval same =
        cmat_paired_difference((cmat_pairs){.both = 30, .neither = 30}, CMAT_Z95);
    assert_true(same.low <= 0 && same.high >= 0);
}

static void put(cmat_store *s, const char *phase, const char *id, const char *kind, int k,
                double score, const char *outcome, const cmat_verdict_row *v, size_t n)
{
    json_t *j = json_object();
    cmat_error err;
    const cmat_episode_row row = {.phase = phase,
                                  .round = 0,
                                  .task_id = id,
                                  .k = k,
                                  .kind = kind,
                                  .checker = "both",
                                  .score = score,
                                  .outcome = outcome,
                                  .error_kind = score < 1 ? "wrong column" : NULL,
                                  .n_turns = 2,
                                  .n_prompt = 100,
                                  .n_tokens = 10,
                                  .seconds = 0.5,
                                  .json = j};
    if (cmat_store_put_episode(s, &row, v, n, NULL, 0, NULL, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    json_decref(j);
}

/* Scores between 0 and 1 and an environment's further figures are told as means of first samples.
 */
static void test_measures(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        int k;
        double score, em;
    } rows[] = {{"t1", 0, 1, 1}, {"t2", 0, 0.5, 0}, {"t2", 1, 1, 1}, {"t3", 0, 0, 0}};
    cmat_store *s;
    cmat_error err;
    json_t *a;
    cmat_buf text = {0};
    assert_int_equal(cmat_store_open(&s, ":memory:", false, &err), CMAT_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *j = json_pack("{s:{s:f}}", "measures", "exact match", rows[i].em);
        const cmat_episode_row row = {.phase = "m",
                                      .task_id = rows[i].id,
                                      .k = rows[i].k,
                                      .score = rows[i].score,
                                      .outcome = "completed",
                                      .json = j};
        assert_int_equal(cmat_store_put_episode(s, &row, NULL, 0, NULL, 0, NULL, &err), CMAT_OK);
        json_decref(j);
    }
    assert_int_equal(cmat_eval_summary(s, "m", 0, NULL, &a, &err), CMAT_OK);
    near(cmat_json_num(a, "mean_score", 0), 0.5, 1e-12);
    near(cmat_json_num(json_object_get(a, "measures"), "exact match", 0), 1.0 / 3, 1e-12);
    near(cmat_eval_rate(a), 1.0 / 3, 1e-12);
    const json_t *first = json_array_get(json_object_get(a, "tasks"), 0);
    near(cmat_json_num(json_object_get(first, "measures"), "exact match", 0), 1, 0);
    cmat_eval_table(a, &text);
    assert_non_null(strstr(text.data, "Mean score: 50.0 %"));
    assert_non_null(strstr(text.data, "Mean exact match: 33.3 %"));
    cmat_buf_clear(&text);
    json_decref(a);
    cmat_store_close(s);
}

/* Tasks that are steps: each group counts once. */
static void test_macro(void **state)
{
    (void)state;
    static const char rows[] =
        "[{\"id\": \"a#1\", \"score\": 1, \"measures\": {\"f\": 1}}, {\"id\": \"a#2\", \"score\": "
        "0, "
        "\"measures\": {\"f\": 0.5}}, {\"id\": \"a#2\", \"k\": 1, \"score\": 1}, {\"id\": \"b#1\", "
        "\"score\": 1, \"measures\": {\"f\": 0.25}}, {\"id\": \"c\", \"score\": 0}]";
    json_t *tasks = json_loads(rows, 0, NULL), *m = cmat_eval_macro(tasks);
    assert_int_equal(cmat_json_int(m, "n_groups", 0), 2);
    near(cmat_json_num(m, "success", 0), 0.75, 1e-12);
    near(cmat_json_num(m, "whole", 0), 0.5, 1e-12);
    near(cmat_json_num(json_object_get(m, "measures"), "f", 0), 0.5, 1e-12);
    json_decref(m);
    json_array_clear(tasks);
    assert_null(cmat_eval_macro(tasks));
    json_decref(tasks);
}

/* What success does not say: one list for tables and pages, and two runs compared by it. */
static void test_means(void **state)
{
    (void)state;
    static const char before[] =
        "{\"success\": {\"n\": 3}, \"mean_score\": 0.5, \"measures\": {\"F1\": 0.25}, \"macro\": "
        "{\"n_groups\": 2, \"success\": 0.75, \"whole\": 0.5, \"measures\": {\"F1\": 0.125}}, "
        "\"tasks\": [{\"id\": \"a\", \"k\": 0, \"kind\": \"x\", \"score\": 0.5, \"measures\": "
        "{\"F1\": 0.5}}, {\"id\": \"b\", \"k\": 0, \"kind\": \"x\", \"score\": 0, \"measures\": "
        "{\"F1\": 0}}, {\"id\": \"only here\", \"k\": 0, \"score\": 1}]}";
    static const char after[] =
        "{\"tasks\": [{\"id\": \"a\", \"k\": 0, \"kind\": \"x\", \"score\": 1, \"measures\": "
        "{\"F1\": 1}}, {\"id\": \"b\", \"k\": 0, \"kind\": \"x\", \"score\": 0, \"measures\": "
        "{\"F1\": 0.25}}]}";
    static const char *const names[] = {"score", "F1", "by group: success",
                                        "by group: every step right", "by group: F1"};
    const double values[] = {0.5, 0.25, 0.75, 0.5, 0.125};
    json_t *a = json_loads(before, 0, NULL), *b = json_loads(after, 0, NULL), *c = NULL;
    json_t *means = cmat_eval_means(a);
    cmat_error err;
    cmat_buf text = {0};
    assert_int_equal(json_array_size(means), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(cmat_json_str(json_array_get(means, i), "name", ""), names[i]);
        near(json_number_value(cmat_eval_mean_of(means, names[i])), values[i], 1e-12);
    }
    assert_null(cmat_eval_mean_of(means, "nothing"));
    assert_int_equal(cmat_eval_compare(a, b, &c, &err), CMAT_OK);
    const json_t *f1 = json_array_get(json_object_get(c, "means"), 1);
    assert_string_equal(cmat_json_str(f1, "name", ""), "F1");
    near(cmat_json_num(f1, "mean_a", 0), 0.25, 1e-12);
    near(cmat_json_num(f1, "difference", 0), 0.375, 1e-12);
    /* differences 0.5 and 0.25: standard deviation 0.25 / sqrt 2, of their mean 0.125 */
    near(cmat_json_num(f1, "high", 0), 0.375 + CMAT_Z95 * 0.125, 1e-9);
    cmat_eval_table_compare(c, "old", "new", &text);
    assert_non_null(strstr(text.data, "mean F1: old 25.0 %, new 62.5 %: difference +37.5 points"));
    cmat_buf_truncate(&text, 0);
    cmat_eval_table_runs((const char *const[]){"old", "new"}, (const json_t *const[]){a, b}, 2,
                         &text);
    assert_non_null(strstr(text.data, "by group: F1"));
    assert_non_null(strstr(text.data, "12.5"));
    cmat_buf_clear(&text);
    json_decref(means);
    json_decref(a);
    json_decref(b);
    json_decref(c);
}

static void test_summary(void **state)
{
    (void)state;
    cmat_store *s;
    cmat_error err;
    json_t *a, *b, *c;
    assert_int_equal(cmat_store_open(&s, ":memory:", false, &err), CMAT_OK);
    const cmat_verdict_row caught[] = {
        {.source = "facts", .accepted = false, .right = 0, .reason = "no column x"},
        {.attempt = 1, .source = "model", .accepted = true, .executed = true, .right = 1}};
    const cmat_verdict_row alarm[] = {
        {.source = "model", .accepted = false, .right = 1, .reason = "wrong value"},
        {.attempt = 1, .source = "model", .accepted = true, .executed = true, .right = 0}};
    put(s, "a", "t1", "counting", 0, 1, "completed", caught, 2);
    put(s, "a", "t1", "counting", 1, 0, "completed", NULL, 0);
    put(s, "a", "t2", "counting", 0, 0, "completed", alarm, 2);
    put(s, "a", "t2", "counting", 1, 1, "completed", NULL, 0);
    put(s, "a", "t3", "INSERT", 0, 0, "task limit", NULL, 0);
    put(s, "a", "t4", "UPDATE", 0, 1, "completed", NULL, 0);
    put(s, "a", "t5", "other", 0, NAN, "completed", NULL, 0);
    for (int i = 1; i <= 5; i++) {
        char id[8];
        snprintf(id, sizeof id, "t%d", i);
        put(s, "b", id, i <= 2 ? "counting" : "other", 0, i >= 2, "completed", NULL, 0);
    }
    assert_int_equal(cmat_eval_summary(s, "a", 0, NULL, &a, &err), CMAT_OK);
    const json_t *success = json_object_get(a, "success"), *checker = json_object_get(a, "checker");
    assert_int_equal(cmat_json_int(success, "n", 0), 5);
    assert_int_equal(cmat_json_int(success, "right", 0), 2);
    near(cmat_eval_rate(a), 0.4, 1e-12);
    assert_int_equal(cmat_json_int(json_object_get(a, "any_sample"), "right", 0), 3);
    const json_t *kind = json_array_get(json_object_get(a, "by_kind"), 2);
    assert_string_equal(cmat_json_str(kind, "kind", ""), "counting");
    assert_int_equal(cmat_json_int(kind, "n", 0), 2);
    assert_int_equal(cmat_json_int(kind, "right", 0), 1);
    /* (SELECT 1/3 + INSERT 0 + UPDATE 1) / 3 */
    near(cmat_json_num(json_object_get(a, "agentbench"), "overall_cat_accuracy", 0),
         100 * (1.0 / 3 + 0 + 1) / 3, 1e-9);
    assert_int_equal(cmat_json_int(json_object_get(a, "outcomes"), "task limit", 0), 1);
    assert_int_equal(cmat_json_int(json_object_get(a, "outcomes"), "invalid format", -1), 0);
    assert_int_equal(cmat_json_int(json_object_get(a, "error_kinds"), "wrong column", 0), 3);
    assert_int_equal(cmat_json_int(checker, "rejected", 0), 2);
    near(cmat_json_num(checker, "precision", 0), 0.5, 1e-12);
    near(cmat_json_num(checker, "recall", 0), 0.5, 1e-12);
    const json_t *model = json_object_get(json_object_get(checker, "by_source"), "model");
    assert_int_equal(cmat_json_int(model, "rejected", 0), 1);
    assert_int_equal(cmat_json_int(model, "false_alarms", 0), 1);
    assert_int_equal(cmat_json_int(checker, "repaired", 0), 1);
    near(cmat_json_num(json_object_get(a, "cost"), "turns", 0), 2, 1e-12);

    assert_int_equal(cmat_eval_summary(s, "b", 0, NULL, &b, &err), CMAT_OK);
    assert_true(json_is_null(json_object_get(json_object_get(b, "checker"), "precision")));
    assert_null(json_object_get(b, "agentbench"));
    assert_int_equal(cmat_eval_compare(a, b, &c, &err), CMAT_OK);
    assert_int_equal(cmat_json_int(c, "only_a", -1), 1);
    assert_int_equal(cmat_json_int(c, "only_b", -1), 3);
    assert_int_equal(cmat_json_int(c, "both", -1), 1);
    near(cmat_json_num(c, "difference", 0), 0.4, 1e-12);
    near(cmat_json_num(c, "p", 0), 0.625, 1e-12);

    cmat_buf text = {0};
    cmat_eval_table(a, &text);
    assert_non_null(strstr(text.data, "2 of    5   40.0 %"));
    assert_non_null(strstr(text.data, "counting"));
    cmat_eval_table_runs((const char *const[]){"before", "after"}, (const json_t *const[]){a, b}, 2,
                         &text);
    assert_non_null(strstr(text.data, "80.0 ["));
    cmat_eval_table_compare(c, "before", "after", &text);
    assert_non_null(strstr(text.data, "+40.0 points"));
    cmat_buf_clear(&text);
    json_decref(c);
    json_t *none = json_pack("{s:[]}", "tasks");
    assert_int_equal(cmat_eval_compare(a, none, &c, &err), CMAT_ERR_ARG);
    json_decref(none);
    json_decref(a);
    json_decref(b);
    cmat_store_close(s);
}

static char *say(void *user, const cmat_llm_request *req)
{
    (void)req;
    return cmat_xstrdup(user);
}

/* A run is summed up over its own tasks only, also when the store holds more. */
static void test_eval_run(void **state)
{
    (void)state;
    cmat_task_list tasks = {0};
    cmat_run_config config = CMAT_RUN_CONFIG_DEFAULT;
    cmat_error err;
    json_t *summary;
    assert_int_equal(cmat_store_open(&config.store, ":memory:", false, &err), CMAT_OK);
    fake_task(&tasks, "t1", "word", "one", NULL);
    fake_task(&tasks, "t2", "word", "two", NULL);
    fake_task(&tasks, "t3", "word", "one", NULL);
    put(config.store, "eval", "other", "word", 0, 1, "completed", NULL, 0);
    config.env_ops = &fake_env_ops;
    config.llm = cmat_llm_scripted_new(say, "say one");
    for (int again = 0; again < 2; again++) { /* the second time nothing is run */
        if (cmat_eval_run(&config, &tasks, &summary, &err) != CMAT_OK)
            fail_msg("%s", err.msg);
        assert_int_equal(cmat_json_int(summary, "n_tasks", 0), 3);
        near(cmat_eval_rate(summary), 2.0 / 3, 1e-12);
        assert_string_equal(cmat_json_str(summary, "env", ""), "fake");
        assert_string_equal(cmat_json_str(summary, "checker_mode", ""), "facts");
        assert_int_equal(cmat_json_int(json_object_get(summary, "checker"), "passed_wrong", 0), 1);
        json_decref(summary);
    }
    cmat_llm_free(config.llm);
    cmat_store_close(config.store);
    cmat_task_list_clear(&tasks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wilson),
        cmocka_unit_test(test_mcnemar),
        cmocka_unit_test(test_paired_difference),
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_macro),
        cmocka_unit_test(test_means),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_eval_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
