/* tests/test_db.c - the database environment as its callers see it: prompts, steps, scores,
 * benchmarks. */
#include "core/fs.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/db/db.h"
#include "env/db/env.h"
#include "env/db/render.h"
#include "env/env.h"
#include "player.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A small database file of three tables; the caller removes and frees the path. */
static char *make_file(void)
{
    char *path = cmat_xstrdup("/tmp/cmat-test-db-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    int rc = sqlite3_exec(
        db,
        "CREATE TABLE customers(customer_id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT);"
        "CREATE TABLE orders(order_id INTEGER PRIMARY KEY, customer_id INTEGER, placed_on DATE, "
        "total REAL);"
        "CREATE TABLE \"order lines\"(order_id INT REFERENCES orders, line INT, product TEXT, qty "
        "INT,"
        " PRIMARY KEY(order_id, line));"
        "INSERT INTO customers VALUES (1, 'Ana Lima', 'Porto'), (2, 'Bo Berg', 'Oslo'), (3, 'Zoe', "
        "NULL),"
        " (4, 'Rui', 'Porto');"
        "INSERT INTO orders VALUES (10, 1, '2024-05-01', 12.5), (11, 1, '2024-05-03', 7), (12, 2, "
        "'2024-06-01', 40);"
        "INSERT INTO \"order lines\" VALUES (10, 1, 'Green Tea', 2), (10, 2, 'Mug', 1), (12, 1, "
        "'Green Tea', 5);",
        NULL, NULL, NULL);
    assert_int_equal(rc, SQLITE_OK);
    sqlite3_close(db);
    return path;
}

static char *file_hash(const char *path)
{
    char *hex = cmat_xmalloc(65);
    assert_int_equal(cmat_sha256_file(path, hex, NULL), CMAT_OK);
    return hex;
}

static cmat_env *open_env(const char *path, const char *style)
{
    cmat_env *env = NULL;
    cmat_error err = {0};
    cmat_env_options o = {.path = path, .style = style};
    if (cmat_env_open(&env, "db", &o, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return env;
}

static cmat_task make_task(const char *json)
{
    cmat_task t = {0};
    cmat_error err = {0};
    json_t *j = cmat_json_parse(json, strlen(json), "task", &err);
    if (!j || cmat_task_init(&t, j, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    json_decref(j);
    return t;
}

static void reset(cmat_env *env, const char *json)
{
    cmat_obs obs = {0};
    cmat_error err = {0};
    cmat_task t = make_task(json);
    if (cmat_env_reset(env, &t, &obs, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
}

static cmat_obs step(cmat_env *env, const char *reply)
{
    cmat_obs obs = {0};
    cmat_error err = {0};
    if (cmat_env_step(env, reply, &obs, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return obs;
}

static void expect(cmat_env *env, const char *reply, const char *want)
{
    cmat_obs obs = step(env, reply);
    if (!strstr(cmat_buf_str(&obs.text), want))
        fail_msg("after \"%s\": \"%s\" has no \"%s\"", reply, cmat_buf_str(&obs.text), want);
    cmat_obs_clear(&obs);
}

#define TASK(instruction, more) \
    "{\"id\": \"t\", \"env\": \"db\", \"instruction\": \"" instruction "\", " more "}"

static void test_prompt_and_hints(void **state)
{
    (void)state;
    char *path = make_file();
    cmat_env *env = open_env(path, NULL);
    cmat_buf b = {0};
    env->ops->prompt(env, &b);
    assert_non_null(strstr(b.data, "Final:"));
    assert_non_null(strstr(b.data, "customer_id int -> customers"));
    assert_non_null(strstr(b.data, "\"order lines\"(order_id int pk -> orders"));
    assert_non_null(strstr(b.data, "Ana Lima"));
    cmat_obs obs = {0};
    cmat_task t = make_task(
        TASK("How many green teas did people from porto buy on 3 May 2024?", "\"gold\": []"));
    assert_int_equal(cmat_env_reset(env, &t, &obs, NULL), CMAT_OK);
    assert_non_null(strstr(obs.text.data, "'Green Tea': \"order lines\".product"));
    assert_non_null(strstr(obs.text.data, "'Porto': customers.city"));
    assert_non_null(strstr(obs.text.data, "'2024-05-03': orders.placed_on"));
    assert_non_null(strstr(obs.text.data, "Question: How many"));
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
    cmat_buf_clear(&b);
    cmat_env_close(env);
    unlink(path);
    free(path);
}

static void test_select_episode(void **state)
{
    (void)state;
    char *path = make_file(), *before = file_hash(path);
    cmat_env *env = open_env(path, NULL);
    const char *task = TASK("Who lives in Porto?",
                            "\"gold\": [\"SELECT name FROM customers WHERE city = 'Porto'\"]");
    reset(env, task);
    expect(env, "Think: look\nSQL: SELECT * FROM customers LIMIT 1",
           "customer_id | name | city\n1 | Ana Lima | Porto\n(1 row)");
    expect(env, "SQL: SELECT nme FROM customers", "error: no such column: nme");
    expect(env, "SQL: SELECT name FROM customers WHERE city = 'Rome'", "0 rows");
    expect(env, "hello", "no action");
    cmat_obs obs =
        step(env, "Final: SELECT name FROM customers WHERE city = 'Porto' ORDER BY name DESC;");
    assert_true(obs.done);
    cmat_obs_clear(&obs);
    assert_true(player_score(env) == 1);
    reset(env, task);
    expect(env, "Answer: [\"Rui\", \"Ana Lima\"]", "");
    assert_true(player_score(env) == 1);
    reset(env, task);
    expect(env, "Answer: [\"Rui\"]", "");
    assert_true(player_score(env) == 0);
    cmat_env_close(env);
    char *after = file_hash(path);
    assert_string_equal(before, after);
    free(before);
    free(after);
    unlink(path);
    free(path);
}

static void test_write_episode(void **state)
{
    (void)state;
    char *path = make_file(), *before = file_hash(path);
    cmat_env *a = open_env(path, NULL), *b = NULL;
    cmat_env_options o = {.path = path, .like = a};
    assert_int_equal(cmat_env_open(&b, "db", &o, NULL), CMAT_OK);
    const char *task = TASK("Move Bo Berg to Porto.",
                            "\"type\": \"write\", \"gold\": [\"UPDATE customers SET city = 'Porto' "
                            "WHERE name = 'Bo Berg'\"]");
    reset(a, task);
    reset(b, task);
    expect(a, "Final: UPDATE customers SET city='Porto' WHERE customer_id = 2", "1 row changed");
    expect(b, "SQL: SELECT city FROM customers WHERE customer_id = 2", "Oslo"); /* its own copy */
    assert_true(player_score(a) == 1);
    assert_true(player_score(b) == 0);
    expect(b, "SQL: UPDATE customers SET city = 'Porto'", "4 rows changed");
    assert_true(player_score(b) == 0);
    assert_string_equal(a->ops->error_kind(b), "wrong column");
    reset(b, task);
    expect(b, "SQL: SELECT city FROM customers WHERE customer_id = 2", "Oslo"); /* fresh again */
    cmat_env_close(a);
    expect(b, "SQL: SELECT count(*) FROM orders", "3"); /* the shared world outlives its opener */
    cmat_env_close(b);
    char *after = file_hash(path);
    assert_string_equal(before, after);
    free(before);
    free(after);
    unlink(path);
    free(path);
}

static bool accepts(const cmat_acceptor *a, const char *text)
{
    _Alignas(16) unsigned char st[CMAT_ACCEPTOR_STATE_MAX] = {0};
    a->ops->start(a, st);
    for (const char *p = text; *p; p++)
        if (!a->ops->step(a, st, (uint8_t)*p))
            return false;
    return a->ops->done(a, st);
}

static void test_constraint(void **state)
{
    (void)state;
    char *path = make_file();
    cmat_env *env = open_env(path, NULL);
    cmat_acceptor *a = NULL;
    assert_int_equal(env->ops->constraint(env, &a, NULL), CMAT_ERR_STATE);
    reset(env, TASK("Who lives in Porto?", "\"gold\": [\"SELECT name FROM customers\"]"));
    assert_int_equal(env->ops->constraint(env, &a, NULL), CMAT_OK);
    assert_true(accepts(a, "Final: SELECT name FROM customers WHERE city = 'Porto'"));
    assert_false(accepts(a, "Final: SELECT name FROM clients"));
    assert_false(accepts(a, "OK, done"));
    cmat_acceptor_free(a);
    cmat_env_close(env);
    unlink(path);
    free(path);
}

static char *dev_file(void)
{
    const char *root = getenv("CMAT_TEST_ROOT");
    return cmat_path_join(root ? root : ".", "../shared/data/db/agentbench_dev.jsonl");
}

static void oracle_in_style(const char *style)
{
    char *path = dev_file();
    cmat_task_list tasks = {0};
    cmat_error err = {0};
    if (!cmat_path_exists(path)) {
        free(path);
        skip();
    }
    if (cmat_env_find("db")->import(path, &tasks, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(tasks.n, 60);
    cmat_env *env = open_env(NULL, style);
    int writes = 0, reads = 0, right_writes = 0, right_reads = 0;
    for (size_t i = 0; i < tasks.n; i++) {
        double s = player_oracle(env, &tasks.items[i], PLAYER_FOREIGN_GOLD);
        bool write = !strcmp(cmat_json_str(tasks.items[i].json, "type", ""), "write");
        writes += write;
        reads += !write;
        right_writes += write && s == 1;
        right_reads += !write && s == 1;
    }
    assert_int_equal(writes, 40);
    assert_int_equal(right_writes, 40);
    assert_int_equal(right_reads, reads);
    cmat_env_close(env);
    cmat_task_list_clear(&tasks);
    free(path);
}

static void test_agentbench_oracle(void **state)
{
    (void)state;
    oracle_in_style("agentbench");
}

static void test_agentbench_tasks_in_short_style(void **state)
{
    (void)state;
    oracle_in_style("short");
}

/* Undone changes leave no trace: equal content gives equal bytes, however one came to it. */
static void test_snapshots(void **state)
{
    (void)state;
    char *path = make_file();
    cmat_env *env = open_env(path, NULL);
    env->opts.max_steps = 100;
    const char *task =
        TASK("Do it.", "\"type\": \"write\", \"gold\": [\"DELETE FROM orders WHERE total < 10\"]");
    uint64_t start, changed, h;
    cmat_env_snapshot s = {0}, mid = {0};
    cmat_error err = {0};
    reset(env, task);
    assert_int_equal(cmat_env_hash(env, &start, &err), CMAT_OK);
    assert_int_equal(cmat_env_snapshot_take(env, &s, &err), CMAT_OK);
    assert_true(s.state.len < 100); /* nothing was written yet */
    expect(env, "SQL: INSERT INTO orders VALUES (13, 2, NULL, 1), (14, 3, NULL, 2)", "2 rows");
    assert_int_equal(cmat_env_hash(env, &changed, &err), CMAT_OK);
    assert_true(changed != start);
    assert_int_equal(cmat_env_snapshot_take(env, &mid, &err), CMAT_OK);
    expect(env, "SQL: DELETE FROM orders WHERE order_id > 12", "2 rows");
    assert_int_equal(cmat_env_hash(env, &h, &err), CMAT_OK);
    assert_true(h == start);
    expect(env, "SQL: INSERT INTO orders VALUES (14, 3, NULL, 2)", "1 row");
    expect(env, "SQL: INSERT INTO orders VALUES (13, 2, NULL, 0)", "1 row");
    expect(env, "SQL: UPDATE orders SET total = 1 WHERE order_id = 13", "1 row");
    assert_int_equal(cmat_env_hash(env, &h, &err), CMAT_OK);
    assert_true(h == changed); /* by another way */
    expect(env, "SQL: CREATE TABLE x(a)", "done");
    expect(env, "Final: DELETE FROM orders", "5 rows");
    assert_true(env->done);
    assert_int_equal(cmat_env_restore(env, &mid, &err), CMAT_OK);
    assert_false(env->done);
    assert_int_equal(env->steps, 1);
    expect(env, "SQL: SELECT COUNT(*) FROM orders", "5");
    expect(env, "SQL: SELECT * FROM x", "no such table");
    expect(env, "SQL: DROP TABLE customers; --", "done");
    assert_int_equal(cmat_env_restore(env, &s, &err), CMAT_OK);
    assert_int_equal(cmat_env_hash(env, &h, &err), CMAT_OK);
    assert_true(h == start);
    expect(env, "SQL: SELECT COUNT(*) FROM customers", "4");
    assert_int_equal(cmat_env_restore(env, &mid, &err), CMAT_OK);
    expect(env, "Final: DELETE FROM orders WHERE order_id IN (11, 13, 14)", "3 rows");
    assert_true(player_score(env) == 1);
    /* Not ours: refused, and all is as it was. */
    s.state.len = 5;
    assert_int_equal(cmat_env_restore(env, &s, &err), CMAT_ERR_STATE);
    assert_true(player_score(env) == 1);
    cmat_env_snapshot_clear(&s);
    cmat_env_snapshot_clear(&mid);
    cmat_env_close(env);
    remove(path);
    free(path);
}

static void test_flavour(void **state)
{
    (void)state;
    static const struct {
        db_flavour d;
        const char *error, *instead;
    } cases[] = {
        {DB_FLAVOUR_SQLITE, "no such function: DATE_FORMAT", "strftime('%Y-%m', d)"},
        {DB_FLAVOUR_MYSQL, "1305 (42000): FUNCTION shop.strftime does not exist",
         "DATE_FORMAT(d, '%Y-%m')"},
        {DB_FLAVOUR_MYSQL, "FUNCTION shop.to_char does not exist", "DATE_FORMAT(d, '%Y-%m')"},
        {DB_FLAVOUR_POSTGRES, "function ifnull(text, unknown) does not exist. No function matches",
         "COALESCE(a, b)"},
        {DB_FLAVOUR_POSTGRES, "operator does not exist: date ~~ unknown",
         "CAST(x AS TEXT) LIKE '...'"},
        {DB_FLAVOUR_POSTGRES, "function fly(text) does not exist", NULL},
        {DB_FLAVOUR_POSTGRES, "relation \"function\" does not exist", NULL},
        {DB_FLAVOUR_SQLITE, "wrong number of arguments to function strftime()", NULL},
        {DB_FLAVOUR_SQLITE, "", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = db_flavour_instead(cases[i].d, cases[i].error);
        if (cases[i].instead)
            assert_string_equal(got, cases[i].instead);
        else
            assert_null(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flavour),
        cmocka_unit_test(test_prompt_and_hints),
        cmocka_unit_test(test_select_episode),
        cmocka_unit_test(test_write_episode),
        cmocka_unit_test(test_constraint),
        cmocka_unit_test(test_agentbench_oracle),
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_agentbench_tasks_in_short_style),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
