/* tests/test_db_server.c - a database of a MariaDB, MySQL or PostgreSQL server that the test starts
 * itself: schema, episodes, what an agent cannot do, AgentBench's tables, what is left behind.
 * usage: test_db_server [mariadb|mysql|postgres]; without a name one after the other. */
#include "core/cancel.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "db_server_world.h"
#include "env/db/db.h"
#include "env/db/env.h"
#include "env/db/server_impl.h"
#include "player.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* ---- before and after every test ---- */

static char *before; /* the owner's view */

static int look(void **unused)
{
    (void)unused;
    if (db_world_server)
        before = db_world_view();
    return 0;
}

/* Whatever a test did: the user's rows and tables are as they were, no place and no connection is
 * left. */
static int look_again(void **unused)
{
    (void)unused;
    if (!db_world_server)
        return 0;
    char *after = db_world_view();
    assert_string_equal(before, after);
    assert_int_equal(db_world_connections(), 0);
    free(before);
    free(after);
    return 0;
}

#define NEEDS_SERVER()        \
    do {                      \
        (void)unused;         \
        if (!db_world_server) \
            skip();           \
    } while (0)

/* ---- episodes ---- */

static cmat_env *open_env(const char *style)
{
    return player_open("db", (cmat_env_options){.path = db_world_server->url,
                                                .style = style,
                                                .max_steps = 100,
                                                .step_timeout = 1});
}

static void reset(cmat_env *env, const char *json)
{
    cmat_obs obs = {0};
    cmat_task t = player_task(json);
    player_reset(env, &t, &obs);
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
}

#define TASK(more) "{\"id\": \"t\", \"env\": \"db\", \"instruction\": \"How many?\", " more "}"

static void test_schema(void **unused)
{
    NEEDS_SERVER();
    cmat_env *env = open_env(NULL);
    const db_schema *schema = &db_env_world(env)->schema;
    cmat_buf b = {0};
    assert_int_equal(schema->n_tables, 3);
    const db_table *orders = &schema->tables[db_schema_find_table(schema, "orders")];
    assert_int_equal(orders->n_rows, 6);
    assert_int_equal(orders->n_fks, 1);
    assert_true(orders->columns[0].rowid); /* numbers itself */
    assert_true(orders->columns[1].not_null);
    assert_true(schema->tables[db_schema_find_table(schema, "big")].view);
    env->ops->prompt(env, &b);
    assert_non_null(strstr(b.data, "customer_id int -> customers"));
    assert_non_null(strstr(b.data, db_world_dialect->quoted));
    assert_non_null(strstr(b.data, db_world_dialect->shown));
    assert_non_null(strstr(b.data, "Ana Lima"));
    cmat_buf_clear(&b);
    cmat_env_close(env);
}

static void test_select(void **unused)
{
    NEEDS_SERVER();
    cmat_env *env = open_env(NULL);
    reset(env, TASK("\"gold\": [\"SELECT COUNT(*) FROM orders WHERE total > 20\"]"));
    player_expect(env, "SQL: SELECT name, city FROM customers ORDER BY customer_id", "Zoe | NULL");
    player_expect(env, "SQL: SELECT SUM(total) FROM orders", "223.75");
    player_expect(env, "SQL: SELECT name FROM customers WHERE name = 'nobody'", "0 rows");
    player_expect(env, "SQL: SELECT nothing FROM customers", "nothing");
    player_expect(env, "SQL: SELECT 1; SELECT 2", "one statement at a time");
    player_expect(env, "Final: SELECT 3", "3");
    assert_true(player_score(env) == 1);
    cmat_env_close(env);
}

static json_t *facts_of(cmat_env *env, const char *reply, cmat_fact_level level)
{
    cmat_facts f = {0};
    cmat_error err = {0};
    if (cmat_env_dry_run(env, reply, &f, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    if (f.verdict != level)
        fail_msg("%s: %s", reply, cmat_buf_str(&f.text));
    json_t *j = json_incref(f.facts);
    cmat_facts_clear(&f);
    return j;
}

static void test_facts(void **unused)
{
    NEEDS_SERVER();
    cmat_env *env = open_env(NULL);
    reset(env, TASK("\"type\": \"write\", \"gold\": [\"DELETE FROM orders WHERE order_id = 2\"]"));
    json_t *j = facts_of(env, "SQL: SELECT name FROM custommers", CMAT_FACT_BAD);
    const json_t *u = json_array_get(json_object_get(j, "unknown"), 0);
    assert_string_equal(cmat_json_str(u, "what", ""), "table");
    assert_string_equal(cmat_json_str(u, "nearest", ""), "customers");
    json_decref(j);
    j = facts_of(env, "SQL: SELECT o.totall FROM orders o", CMAT_FACT_BAD);
    u = json_array_get(json_object_get(j, "unknown"), 0);
    assert_string_equal(cmat_json_str(u, "name", ""), "totall");
    assert_string_equal(cmat_json_str(u, "nearest", ""), "total");
    json_decref(j);
    j = facts_of(env, "SQL: SELECT FROM WHERE", CMAT_FACT_BAD);
    assert_true(json_is_false(json_object_get(j, "parses")));
    json_decref(j);
    /* another server's function: what it is here is told */
    cmat_facts f = {0};
    assert_int_equal(
        cmat_env_dry_run(env, "SQL: SELECT strftime('%m', placed_on) FROM orders", &f, NULL),
        CMAT_OK);
    assert_int_equal(f.verdict, CMAT_FACT_BAD);
    assert_non_null(strstr(f.text.data, db_world_server->kind != PRIVATE_POSTGRES
                                            ? "\nnote: here it is DATE_FORMAT(d, '%Y-%m')"
                                            : "\nnote: here it is to_char(d, 'YYYY-MM')"));
    cmat_facts_clear(&f);
    j = facts_of(env, "SQL: SELECT * FROM orders WHERE customer_id = 2", CMAT_FACT_OK);
    assert_int_equal(cmat_json_int(j, "rows", -1), 2);
    assert_true(json_real_value(json_object_get(j, "cost")) > 0);
    assert_true(json_real_value(json_object_get(j, "expected_rows")) > 0);
    assert_non_null(strstr(cmat_json_str(j, "plan", ""), "orders"));
    json_decref(j);
    /* A change is tried and taken back. */
    for (int i = 0; i < 2; i++) {
        j = facts_of(env, "Final: DELETE FROM orders WHERE customer_id = 2", CMAT_FACT_NOTE);
        assert_int_equal(cmat_json_int(j, "changed", -1), 2);
        assert_true(json_is_true(json_object_get(j, "writes")));
        json_decref(j);
    }
    player_expect(env, "SQL: SELECT COUNT(*) FROM orders", "6");
    cmat_env_close(env);
}

static void test_write(void **unused)
{
    NEEDS_SERVER();
    cmat_env *env = open_env(NULL);
    const char *task = TASK(
        "\"type\": \"write\", \"gold\": [\"UPDATE orders SET total = total + 1 WHERE "
        "customer_id = 1\"]");
    reset(env, task);
    player_expect(env, "SQL: UPDATE orders SET total = total + 1 WHERE customer_id = 1",
                  "2 rows changed");
    player_expect(env, "SQL: SELECT total FROM orders ORDER BY order_id", "13.5");
    assert_true(player_score(env) == 1);
    player_expect(env, "SQL: INSERT INTO orders(customer_id, total) VALUES (3, 5)",
                  "1 row changed");
    player_expect(env, "SQL: SELECT MAX(order_id) FROM orders", "7"); /* numbered as there */
    assert_true(player_score(env) == 0);
    player_expect(env, "SQL: DELETE FROM orders WHERE order_id = 7", "1 row changed");
    assert_true(player_score(env) == 1);
    cmat_env_snapshot snap = {0};
    assert_int_equal(cmat_env_snapshot_take(env, &snap, NULL), CMAT_ERR_UNSUPPORTED);
    cmat_env_snapshot_clear(&snap);
    reset(env, task); /* nothing of it is left */
    player_expect(env, "SQL: SELECT SUM(total) FROM orders", "223.75");
    assert_true(player_score(env) == 0);
    cmat_env_close(env);
}

/* ---- what an agent cannot do ---- */

static const char *const refused[] = {
    "COMMIT",
    "BEGIN",
    "ROLLBACK",
    "SET SESSION sql_mode = ''",
    "SET TRANSACTION READ WRITE",
    "SET ROLE postgres",
    "RESET ALL",
    "USE mysql",
    "DROP TABLE orders",
    "DROP DATABASE shop",
    "CREATE TABLE x(a INT)",
    "ALTER TABLE orders ADD x INT",
    "TRUNCATE TABLE orders",
    "RENAME TABLE orders TO x",
    "CREATE TEMPORARY TABLE x AS SELECT 1",
    "SELECT * INTO x FROM orders",
    "SELECT 1 INTO OUTFILE '/tmp/cmat-no'",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE orders",
    "COPY orders TO '/tmp/cmat-no'",
    "COPY orders FROM PROGRAM 'id'",
    "SELECT load_file('/etc/passwd')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_catalog.pg_read_file('/etc/passwd')",
    "SELECT \"pg_read_file\"('/etc/passwd') AS \"x\"",
    "SELECT set_config('statement_timeout', '0', false)",
    "SELECT get_lock('a', 10)",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_terminate_backend(1)",
    "SELECT query_to_xml('DROP TABLE orders', true, true, '')",
    "SELECT release_all_locks()",
    "DO $$ BEGIN DELETE FROM orders; END $$",
    "DO SLEEP(10)",
    "CALL x()",
    "EXECUTE IMMEDIATE 'DROP TABLE orders'",
    "PREPARE p FROM 'DROP TABLE orders'",
    "LOCK TABLES orders WRITE",
    "GRANT ALL ON orders TO public",
    "EXPLAIN ANALYZE DELETE FROM orders",
    "ANALYZE DELETE FROM orders",
    "SELECT 1 /*! ; DROP TABLE orders */",
    "/*!50000 DROP TABLE orders */",
    "SELECT 1; DROP TABLE orders",
    "SELECT $$a'$$, 1; DROP TABLE orders --'",
    "SELECT E'\\'; DROP TABLE orders --'",
    "SELECT U&'\\0041'",
    "VACUUM",
    "LISTEN x",
    "KILL 1",
    "FLUSH TABLES",
    "SHUTDOWN",
    "HANDLER orders OPEN",
    "",
};

/* Not refused by their words: the server itself keeps them from doing harm. */
static const char *const harmless[] = {
    "SELECT * FROM orders FOR UPDATE",
    "INSERT INTO big(customer_id, total) VALUES (1, 50)",
    "UPDATE big SET total = 0",
    "DELETE FROM orders WHERE customer_id = 1",
    "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
    "UPDATE public.orders SET total = 0",
    "UPDATE shop.orders SET total = 0",
    "INSERT INTO public.customers(name) VALUES ('x')",
    "DELETE FROM orders",
    "INSERT INTO customers(name) SELECT name FROM customers",
    "UPDATE orders o, customers c SET o.total = 0 WHERE o.customer_id = c.customer_id",
    "REPLACE INTO customers(customer_id, name) VALUES (1, 'x')",
    "SELECT 1 UNION SELECT 2",
};

static void test_hostile_statements(void **unused)
{
    NEEDS_SERVER();
    cmat_env *env = open_env(NULL);
    db_conn *c = NULL;
    db_result r = {0};
    cmat_error err = {0};
    db_conn_options o = {.timeout = 1};
    const db_world *w = db_env_world(env);
    assert_int_equal(db_world_connect(w, &c, &o, &err), CMAT_OK);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        for (int keep = 0; keep < 2; keep++) {
            assert_int_equal((keep ? db_conn_run : db_conn_try)(c, refused[i], &r, &err), CMAT_OK);
            if (r.ok)
                fail_msg("%s: not refused: %s", db_server_name(w->server), refused[i]);
            assert_true(*r.error != 0);
            db_result_clear(&r);
        }
    }
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        assert_int_equal(db_conn_run(c, harmless[i], &r, &err), CMAT_OK);
        db_result_clear(&r);
    }
    db_conn_close(c);
    cmat_env_close(env);
}

static db_conn *connect_for(cmat_env *env, double timeout)
{
    db_conn *c = NULL;
    cmat_error err = {0};
    const db_conn_options o = {.timeout = timeout};
    if (db_world_connect(db_env_world(env), &c, &o, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return c;
}

/* A statement has its time, and the connection goes on after it; a result has its rows. */
static void test_statement_limits(void **unused)
{
    NEEDS_SERVER();
    cmat_env *env = open_env(NULL);
    db_conn *brief = connect_for(env, 0.3), *patient = connect_for(env, 30);
    db_result r = {0};
    cmat_error err = {0};
    const double began = cmat_now();
    assert_int_equal(db_conn_run(brief, db_world_dialect->slow, &r, &err), CMAT_OK);
    assert_false(r.ok);
    assert_true(r.timeout);
    assert_true(cmat_now() - began < 4);
    for (int i = 0; i < 5 && !r.ok; i++) { /* a busy machine may need longer for this too */
        db_result_clear(&r);
        assert_int_equal(db_conn_run(brief, "SELECT 'still here'", &r, &err), CMAT_OK);
        assert_true(r.ok || r.timeout);
    }
    assert_true(r.ok);
    db_result_clear(&r);
    assert_int_equal(
        db_conn_run(patient,
                    "SELECT 1 FROM customers a, customers b, customers c, customers d, "
                    "customers e, customers f",
                    &r, &err),
        CMAT_OK);
    assert_true(r.ok && r.more && r.n_rows == 1000);
    db_result_clear(&r);
    db_conn_close(brief);
    db_conn_close(patient);
    cmat_env_close(env);
}

/* What is tried, or fails, takes no number away from what is done. */
static void test_numbers(void **unused)
{
    NEEDS_SERVER();
    static const char insert[] = "INSERT INTO orders(customer_id, total) VALUES (3, 5)";
    cmat_env *env = open_env(NULL);
    cmat_buf reply = {0};
    reset(env,
          TASK("\"type\": \"write\", \"gold\": [\"INSERT INTO orders(customer_id, total) VALUES "
               "(3, 5)\"]"));
    cmat_buf_printf(&reply, "SQL: %s", insert);
    for (int i = 0; i < 2; i++)
        json_decref(facts_of(env, reply.data, CMAT_FACT_NOTE));
    player_expect(env, "SQL: INSERT INTO orders(customer_id, total) VALUES (3, 'much')", "");
    player_expect(env, reply.data, "1 row changed");
    player_expect(env, "SQL: SELECT MAX(order_id) FROM orders", "7");
    assert_true(player_score(env) == 1);
    /* one that was taken and is gone is not given again, tried or not */
    player_expect(env, "SQL: DELETE FROM orders WHERE order_id = 7", "1 row changed");
    json_decref(facts_of(env, reply.data, CMAT_FACT_NOTE));
    player_expect(env, reply.data, "1 row changed");
    player_expect(env, "SQL: SELECT MAX(order_id) FROM orders", "8");
    cmat_buf_clear(&reply);
    cmat_env_close(env);
}

/* ---- roles and addresses ---- */

static void test_roles(void **unused)
{
    NEEDS_SERVER();
    const char *const users[] = {db_world_dialect->owner, "wide", "filer"};
    free(db_world_do(db_world_dialect->roles));
    for (size_t i = 0; i < 3; i++) {
        db_server *server = NULL;
        cmat_error err = {0};
        char *url = private_server_url(db_world_server, users[i], "");
        if (db_server_open(&server, url, &err) != CMAT_ERR_ARG ||
            !strstr(err.msg, "allow_superuser=1"))
            fail_msg("%s: %s", users[i], err.msg);
        assert_null(server);
        free(url);
        url = private_server_url(db_world_server, users[i], "&allow_superuser=1");
        if (db_server_open(&server, url, &err) != CMAT_OK)
            fail_msg("%s", err.msg);
        db_server_unref(server);
        free(url);
    }
    db_server *server = NULL;
    cmat_error err = {0};
    char *url = private_server_url(db_world_server, "nobody_of_that_name", "");
    assert_int_equal(db_server_open(&server, url, &err), CMAT_ERR_IO);
    assert_null(strchr(err.msg, '\n'));
    free(url);
}

static void test_addresses(void **unused)
{
    (void)unused;
    db_url u = {0};
    cmat_error err = {0};
    assert_true(db_is_url("mysql://h/d"));
    assert_false(db_is_url("examples/shop.sqlite"));
    assert_false(db_is_url("://x"));
    assert_int_equal(db_url_parse(&u,
                                  "mysql://a%40b@[::1]:3307/my%20shop?socket=/run/s&ssl=1&"
                                  "allow_superuser=1",
                                  &err),
                     CMAT_OK);
    assert_string_equal(u.user, "a@b");
    assert_string_equal(u.host, "::1");
    assert_string_equal(u.port, "3307");
    assert_string_equal(u.database, "my shop");
    assert_string_equal(u.socket, "/run/s");
    assert_true(u.allow_superuser);
    assert_null(strstr(u.text, "allow_superuser"));
    assert_non_null(strstr(u.text, "ssl=1"));
    db_url_clear(&u);
    static const char *const bad[] = {"mysql://u:secret@h/d", "postgresql:///d?password=secret",
                                      "postgresql:///d?sslpassword=secret&host=/x",
                                      "mysql://h:port/secret", "mysql://[::1/secret"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(db_url_parse(&u, bad[i], &err), CMAT_ERR_ARG);
        assert_null(strstr(err.msg, "secret"));
    }
    db_server *server = NULL;
    assert_int_equal(db_server_open(&server, "oracle://h/d", &err), CMAT_ERR_ARG);
    assert_non_null(strstr(err.msg, "oracle"));
}

/* ---- a task's own tables ---- */

#define OWN_TABLE                                                                                \
    "\"table\": {\"table_name\": \"Race Results\", \"table_info\": {\"columns\": [{\"name\": "   \
    "\"Driver\", \"type\": \"TEXT\"}, {\"name\": \"Points\", \"type\": \"INT\"}, {\"name\": "    \
    "\"points\", \"type\": \"INT\"}], \"rows\": [[\"Zo\\u00eb O'Neil\", 10, null], [\"Bo\", 9, " \
    "1]]}}"

static void test_own_tables(void **unused)
{
    NEEDS_SERVER();
    cmat_env *env = open_env(NULL), *other = open_env(NULL);
    const char *task = TASK(OWN_TABLE ", \"mysql\": true, \"answer\": [\"9\"]");
    reset(env, task);
    reset(other, task);
    player_expect(env, "SQL: SELECT Driver FROM `Race Results` WHERE Driver = 'ZOE o''neil'",
                  "O'Neil");
    player_expect(env, "SQL: SELECT points_3 FROM `Race Results` WHERE Points < 9.5", "1");
    player_expect(env, "SQL: SELECT SUM(Points) FROM `race results`", db_world_dialect->lower_case);
    player_expect(env, "SQL: SELECT SUM(Points) FROM `Race Results`", "19");
    player_expect(env, "SQL: INSERT INTO `Race Results` VALUES (\"Ann\", 3, NULL)",
                  "1 row changed");
    player_expect(env, "SQL: CREATE TABLE mine(a INT)", "done");
    player_expect(env, "SQL: DROP TABLE mine", "done");
    player_expect(other, "SQL: SELECT COUNT(*) FROM `Race Results`", "2");
    /* Nothing of the user's, and nothing of another episode's. */
    cmat_buf b = {0};
    cmat_buf_printf(&b, "SQL: DELETE FROM %s.orders", db_world_dialect->own);
    player_expect(env, b.data, "not allowed here");
    cmat_buf_truncate(&b, 0);
    cmat_buf_printf(&b, "SQL: DROP TABLE `%s` . orders", db_world_dialect->own);
    player_expect(env, b.data, "not allowed here");
    player_expect(env, "SQL: DROP DATABASE shop", "not allowed here");
    player_expect(env, "SQL: ALTER TABLE `Race Results` SET SCHEMA public",
                  db_world_dialect->set_schema);
    player_expect(env, "SQL: SELECT * FROM cmat_1000_0123456789abcdef.t", "not allowed here");
    player_expect(env, "SQL: CREATE FUNCTION f() RETURNS INT RETURN 1", "not allowed here");
    cmat_buf_clear(&b);
    player_expect(env, "Answer: [\"9.0\"]", "");
    assert_true(player_score(env) == 1);
    cmat_env_close(env);
    cmat_env_close(other);
}

/* What a crash left is dropped by the next that opens the server, what is in use is not. */
static void test_sweep(void **unused)
{
    NEEDS_SERVER();
    db_server *server = NULL;
    db_link *l = NULL;
    cmat_error err = {0};
    static const char left[] = "cmat_1000_00000000000000aa", used[] = "cmat_1000_00000000000000bb";
    assert_int_equal(db_server_open(&server, db_world_server->url, &err), CMAT_OK);
    assert_int_equal(db_server_link(server, &l, &err), CMAT_OK);
    assert_int_equal(server->ops->create_place(l, left, false, &err), CMAT_OK);
    server->ops->close(l); /* as a crash does: the server lets the lock go */
    assert_int_equal(db_server_link(server, &l, &err), CMAT_OK);
    assert_int_equal(server->ops->create_place(l, used, false, &err), CMAT_OK);
    char *seen = NULL;
    for (int i = 0; i < 40; i++) { /* the first link's end is told a moment later */
        db_server *again = NULL;
        struct timespec t = {0, 25000000};
        free(seen);
        assert_int_equal(db_server_open(&again, db_world_server->url, &err), CMAT_OK);
        db_server_unref(again);
        seen = db_world_places();
        if (!strcmp(seen, used))
            break;
        nanosleep(&t, NULL);
    }
    assert_string_equal(seen, used);
    free(seen);
    server->ops->drop_place(l, used);
    server->ops->close(l);
    db_server_unref(server);
    assert_int_equal(db_place_made("cmat_1000_00000000000000aa"), 1000);
    assert_int_equal(db_place_made("cmat_1000_00000000000000aax"), 0);
    assert_int_equal(db_place_made("cmat_shop"), 0);
}

/* ---- oracles ---- */

/* CMAT_TEST_WHOLE=1: all of the tasks, instead of a part that is quick. */
static bool whole(void)
{
    const char *s = getenv("CMAT_TEST_WHOLE");
    return s && *s == '1';
}

static void test_made_tasks(void **unused)
{
    NEEDS_SERVER();
    cmat_env *env = open_env(NULL);
    cmat_task_list l = {0};
    cmat_error err = {0};
    if (env->ops->generate(env, 0, whole() ? 200 : 20, 3, &l, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(l.n, whole() ? 200 : 20);
    int writes = 0;
    for (size_t i = 0; i < l.n; i++) {
        writes += !strcmp(cmat_json_str(l.items[i].json, "type", ""), "write");
        if (player_oracle(env, &l.items[i], PLAYER_STRICT) != 1)
            fail_msg("%s: %s", l.items[i].instruction, cmat_json_str(l.items[i].json, "sql", ""));
    }
    assert_true(writes > 1);
    cmat_task_list_clear(&l);
    cmat_env_close(env);
}

/* AgentBench's 60 tasks for developers, where they are: every change agrees with its hash. */
static void test_agentbench(void **unused)
{
    NEEDS_SERVER();
    const char *root = getenv("CMAT_TEST_ROOT"), *data = getenv("CMAT_TEST_DATA");
    char *path = data ? cmat_path_join(data, "db/agentbench_dev.jsonl")
                      : cmat_path_join(root ? root : ".", "../shared/data/db/agentbench_dev.jsonl");
    cmat_task_list l = {0};
    cmat_error err = {0};
    if (!cmat_path_exists(path)) {
        free(path);
        skip();
    }
    assert_int_equal(db_import(path, &l, &err), CMAT_OK);
    cmat_env *env = open_env("agentbench");
    const size_t stride = whole() ? 1 : 4;
    int n = 0, writes = 0, right_writes = 0, right_reads = 0;
    const double began = cmat_now();
    for (size_t i = 0; i < l.n; i += stride, n++) {
        const bool write = !strcmp(cmat_json_str(l.items[i].json, "type", ""), "write");
        const bool right = player_oracle(env, &l.items[i], PLAYER_FOREIGN_GOLD) == 1;
        writes += write;
        right_writes += write && right;
        right_reads += !write && right;
    }
    print_message("%s: %d of %d changes, %d of %d answers, %.3f s a task\n",
                  db_server_name(db_env_world(env)->server), right_writes, writes, right_reads,
                  n - writes, (cmat_now() - began) / n);
    assert_int_equal(writes, 40 / stride);
    assert_int_equal(right_writes, writes);
    assert_int_equal(right_reads, n - writes);
    cmat_env_close(env);
    cmat_task_list_clear(&l);
    free(path);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_addresses),
    cmocka_unit_test_setup_teardown(test_schema, look, look_again),
    cmocka_unit_test_setup_teardown(test_select, look, look_again),
    cmocka_unit_test_setup_teardown(test_facts, look, look_again),
    cmocka_unit_test_setup_teardown(test_write, look, look_again),
    cmocka_unit_test_setup_teardown(test_numbers, look, look_again),
    cmocka_unit_test_setup_teardown(test_hostile_statements, look, look_again),
    cmocka_unit_test_setup_teardown(test_statement_limits, look, look_again),
    cmocka_unit_test_setup_teardown(test_roles, look, look_again),
    cmocka_unit_test_setup_teardown(test_own_tables, look, look_again),
    cmocka_unit_test_setup_teardown(test_sweep, look, look_again),
    cmocka_unit_test_setup_teardown(test_made_tasks, look, look_again),
    cmocka_unit_test_setup_teardown(test_agentbench, look, look_again),
};

int main(int argc, char **argv)
{
    int n_failed = 0;
    db_dialect mysql = db_dialects[0];
    const db_dialect *const all[] = {&db_dialects[0], &mysql, &db_dialects[1]};
    mysql.kind = PRIVATE_MYSQL;
    mysql.name = "mysql";
    mysql.shown = "MySQL";
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        if (argc > 1 && strcmp(argv[1], all[k]->name) != 0)
            continue;
        db_world_dialect = all[k];
        n_failed += cmocka_run_group_tests_name(db_world_dialect->name, tests, db_world_start,
                                                db_world_stop);
    }
    return n_failed;
}
