/* tests/test_db_server.c - databases of MariaDB and PostgreSQL servers, which the tests start
 * themselves: schema, episodes, what an agent cannot do, AgentBench's tables, what is left behind.
 */
#include "core/cancel.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/db/db.h"
#include "env/db/env.h"
#include "env/db/server_impl.h"
#include "private_server.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static private_server *servers[2]; /* by kind; NULL: not here */

#define EACH_SERVER(s)                      \
    for (int kind_ = 0; kind_ < 2; kind_++) \
        for (const private_server *s = servers[kind_]; s; s = NULL)

/* ---- the server's owner ---- */

static db_server *owner_server(const private_server *s)
{
    db_server *server = NULL;
    cmat_error err = {0};
    if (db_server_open(&server, s->admin_url, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return server;
}

/* Statements of the server's owner, one text a statement, NULL-ended; the last one's first cell. */
static char *owner_do(const private_server *s, const char *const *sql)
{
    db_server *server = owner_server(s);
    db_link *l = NULL;
    db_result r = {0};
    cmat_error err = {0};
    assert_int_equal(db_server_link(server, &l, &err), CMAT_OK);
    for (; *sql; sql++)
        if (db_link_do(l, &r, &err, "%s", *sql) != CMAT_OK)
            fail_msg("%s: %s", *sql, err.msg);
    cmat_buf cell = {0};
    if (r.n_rows && r.rows[0].type == DB_VALUE_INT)
        cmat_buf_printf(&cell, "%lld", (long long)r.rows[0].i);
    else
        cmat_buf_puts(&cell, db_cell(&r, 0, 0));
    db_result_clear(&r);
    l->ops->close(l);
    db_server_unref(server);
    return cmat_buf_detach(&cell);
}

static void owner_set_up(const private_server *s)
{
    const bool maria = s->kind == PRIVATE_MARIADB;
    const char *const maria_sql[] = {
        "CREATE TABLE customers(customer_id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT "
        "NULL, "
        "city VARCHAR(40), vip BOOLEAN)",
        "CREATE TABLE orders(order_id INT AUTO_INCREMENT PRIMARY KEY, customer_id INT NOT NULL, "
        "placed_on DATE, total DECIMAL(10, 2), `Ship To` TEXT, "
        "FOREIGN KEY (customer_id) REFERENCES customers(customer_id))",
        "CREATE VIEW big AS SELECT * FROM orders WHERE total > 20", NULL};
    const char *const postgres_sql[] = {
        "SET ROLE cmat",
        "CREATE TABLE customers(customer_id SERIAL PRIMARY KEY, name VARCHAR(40) NOT NULL, "
        "city TEXT, vip BOOLEAN)",
        "CREATE TABLE orders(order_id INT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id "
        "INT "
        "NOT NULL REFERENCES customers, placed_on DATE, total NUMERIC(10, 2), \"Ship To\" TEXT)",
        "CREATE VIEW big AS SELECT * FROM orders WHERE total > 20", NULL};
    const char *const rows[] = {
        "INSERT INTO customers(name, city, vip) VALUES ('Ana Lima', 'Porto', true), ('Bo Berg', "
        "'Oslo', false), ('Zoe', NULL, false), ('Rui', 'Porto', true), ('Ida', 'Lund', false)",
        "INSERT INTO orders(customer_id, placed_on, total) VALUES (1, '2024-05-01', 12.50), "
        "(1, '2024-05-03', 7), (2, '2024-06-01', 40.25), (4, '2025-01-09', 99.90), "
        "(5, '2024-05-21', 3.10), (2, '2025-02-11', 61)",
        NULL};
    free(owner_do(s, maria ? maria_sql : postgres_sql));
    free(owner_do(s, rows));
}

/* What must never change: rows, tables, places and connections of ours. */
static char *owner_view(const private_server *s)
{
    const char *const maria[] = {
        "SELECT concat((SELECT group_concat(concat_ws('/', customer_id, name, city, vip) ORDER BY "
        "customer_id) FROM customers), '; ', (SELECT group_concat(concat_ws('/', order_id, "
        "customer_id, placed_on, total) ORDER BY order_id) FROM orders), '; ', (SELECT "
        "group_concat(table_name ORDER BY table_name) FROM information_schema.tables WHERE "
        "table_schema = 'shop'), '; ', (SELECT count(*) FROM information_schema.schemata WHERE "
        "schema_name LIKE 'cmat%'))",
        NULL};
    const char *const postgres[] = {
        "SELECT concat((SELECT string_agg(concat_ws('/', customer_id, name, city, vip), ',' ORDER "
        "BY "
        "customer_id) FROM public.customers), '; ', (SELECT string_agg(concat_ws('/', order_id, "
        "customer_id, placed_on, total), ',' ORDER BY order_id) FROM public.orders), '; ', (SELECT "
        "string_agg(table_name, ',' ORDER BY table_name) FROM information_schema.tables WHERE "
        "table_schema = 'public'), '; ', (SELECT count(*) FROM information_schema.schemata WHERE "
        "schema_name LIKE 'cmat%'))",
        NULL};
    return owner_do(s, s->kind == PRIVATE_MARIADB ? maria : postgres);
}

/* Connections of the role that agents act as; they end a moment after they are closed. */
static int owner_connections(const private_server *s)
{
    const char *const maria[] = {
        "SELECT count(*) FROM information_schema.processlist WHERE user = 'cmat'", NULL};
    const char *const postgres[] = {"SELECT count(*) FROM pg_stat_activity WHERE usename = 'cmat'",
                                    NULL};
    int n = -1;
    for (int i = 0; i < 40 && n != 0; i++) {
        struct timespec t = {0, 25000000};
        char *count = owner_do(s, s->kind == PRIVATE_MARIADB ? maria : postgres);
        n = atoi(count);
        free(count);
        if (n != 0)
            nanosleep(&t, NULL);
    }
    return n;
}

/* ---- episodes ---- */

static cmat_env *open_env(const char *url, const char *style)
{
    cmat_env *env = NULL;
    cmat_error err = {0};
    cmat_env_options o = {.path = url, .style = style, .max_steps = 100, .step_timeout = 1};
    if (cmat_env_open(&env, "db", &o, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return env;
}

static void reset(cmat_env *env, const char *json)
{
    cmat_obs obs = {0};
    cmat_task t = {0};
    cmat_error err = {0};
    json_t *j = cmat_json_parse(json, strlen(json), "task", &err);
    if (!j || cmat_task_init(&t, j, &err) != CMAT_OK ||
        cmat_env_reset(env, &t, &obs, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    json_decref(j);
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
}

static void expect(cmat_env *env, const char *reply, const char *want)
{
    cmat_obs obs = {0};
    cmat_error err = {0};
    if (cmat_env_step(env, reply, &obs, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    if (!strstr(cmat_buf_str(&obs.text), want))
        fail_msg("after \"%s\": \"%s\" has no \"%s\"", reply, cmat_buf_str(&obs.text), want);
    cmat_obs_clear(&obs);
}

static double score(cmat_env *env)
{
    double s = -1;
    cmat_error err = {0};
    if (cmat_env_score(env, &s, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return s;
}

#define TASK(more) "{\"id\": \"t\", \"env\": \"db\", \"instruction\": \"How many?\", " more "}"

static void test_schema(void **state)
{
    (void)state;
    EACH_SERVER(s)
    {
        cmat_env *env = open_env(s->url, NULL);
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
        assert_non_null(strstr(b.data, s->kind == PRIVATE_MARIADB ? "`Ship To`" : "\"Ship To\""));
        assert_non_null(strstr(b.data, s->kind == PRIVATE_MARIADB ? "MariaDB" : "PostgreSQL"));
        assert_non_null(strstr(b.data, "Ana Lima"));
        cmat_buf_clear(&b);
        cmat_env_close(env);
    }
}

static void test_select(void **state)
{
    (void)state;
    EACH_SERVER(s)
    {
        cmat_env *env = open_env(s->url, NULL);
        reset(env, TASK("\"gold\": [\"SELECT COUNT(*) FROM orders WHERE total > 20\"]"));
        expect(env, "SQL: SELECT name, city FROM customers ORDER BY customer_id", "Zoe | NULL");
        expect(env, "SQL: SELECT SUM(total) FROM orders", "223.75");
        expect(env, "SQL: SELECT name FROM customers WHERE name = 'nobody'", "0 rows");
        expect(env, "SQL: SELECT nothing FROM customers", "nothing");
        expect(env, "SQL: SELECT 1; SELECT 2", "one statement at a time");
        expect(env, "Final: SELECT 3", "3");
        assert_true(score(env) == 1);
        cmat_env_close(env);
        assert_int_equal(owner_connections(s), 0);
    }
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

static void test_facts(void **state)
{
    (void)state;
    EACH_SERVER(s)
    {
        cmat_env *env = open_env(s->url, NULL);
        reset(env,
              TASK("\"type\": \"write\", \"gold\": [\"DELETE FROM orders WHERE order_id = 2\"]"));
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
        expect(env, "SQL: SELECT COUNT(*) FROM orders", "6");
        cmat_env_close(env);
    }
}

static void test_write(void **state)
{
    (void)state;
    EACH_SERVER(s)
    {
        char *before = owner_view(s);
        cmat_env *env = open_env(s->url, NULL);
        const char *task = TASK(
            "\"type\": \"write\", \"gold\": [\"UPDATE orders SET total = total + 1 WHERE "
            "customer_id = 1\"]");
        reset(env, task);
        expect(env, "SQL: UPDATE orders SET total = total + 1 WHERE customer_id = 1",
               "2 rows changed");
        expect(env, "SQL: SELECT total FROM orders ORDER BY order_id", "13.5");
        assert_true(score(env) == 1);
        expect(env, "SQL: INSERT INTO orders(customer_id, total) VALUES (3, 5)", "1 row changed");
        expect(env, "SQL: SELECT MAX(order_id) FROM orders", "7"); /* numbered as there */
        assert_true(score(env) == 0);
        expect(env, "SQL: DELETE FROM orders WHERE order_id = 7", "1 row changed");
        assert_true(score(env) == 1);
        cmat_env_snapshot snap = {0};
        assert_int_equal(cmat_env_snapshot_take(env, &snap, NULL), CMAT_ERR_UNSUPPORTED);
        cmat_env_snapshot_clear(&snap);
        reset(env, task); /* nothing of it is left */
        expect(env, "SQL: SELECT SUM(total) FROM orders", "223.75");
        assert_true(score(env) == 0);
        cmat_env_close(env);
        char *after = owner_view(s);
        assert_string_equal(before, after);
        free(before);
        free(after);
        assert_int_equal(owner_connections(s), 0);
    }
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

static void test_hostile_statements(void **state)
{
    (void)state;
    EACH_SERVER(s)
    {
        char *before = owner_view(s);
        cmat_env *env = open_env(s->url, NULL);
        db_conn *c = NULL;
        db_result r = {0};
        cmat_error err = {0};
        db_conn_options o = {.timeout = 1};
        const db_world *w = db_env_world(env);
        assert_int_equal(db_world_connect(w, &c, &o, &err), CMAT_OK);
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
            for (int keep = 0; keep < 2; keep++) {
                assert_int_equal((keep ? db_conn_run : db_conn_try)(c, refused[i], &r, &err),
                                 CMAT_OK);
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
        /* Time, rows, bytes. */
        const bool maria = s->kind == PRIVATE_MARIADB;
        double began = cmat_now();
        assert_int_equal(
            db_conn_run(c,
                        maria ? "SELECT COUNT(*) FROM information_schema.collations a, "
                                "information_schema.collations b, information_schema.collations c"
                              : "SELECT COUNT(*) FROM generate_series(1, 1000000000) a",
                        &r, &err),
            CMAT_OK);
        assert_false(r.ok);
        assert_true(r.timeout);
        assert_true(cmat_now() - began < 4);
        db_result_clear(&r);
        assert_int_equal(
            db_conn_run(c,
                        "SELECT 1 FROM customers a, customers b, customers c, customers d, "
                        "customers e, customers f",
                        &r, &err),
            CMAT_OK);
        assert_true(r.ok && r.more && r.n_rows == 1000);
        db_result_clear(&r);
        assert_int_equal(db_conn_run(c, "SELECT 'still here'", &r, &err), CMAT_OK);
        assert_true(r.ok);
        db_result_clear(&r);
        db_conn_close(c);
        cmat_env_close(env);
        char *after = owner_view(s);
        assert_string_equal(before, after);
        free(before);
        free(after);
    }
}

/* ---- roles and addresses ---- */

static void test_roles(void **state)
{
    (void)state;
    EACH_SERVER(s)
    {
        const bool maria = s->kind == PRIVATE_MARIADB;
        const char *const maria_roles[] = {"CREATE USER wide@localhost",
                                           "GRANT SELECT ON mysql.* TO wide@localhost",
                                           "CREATE USER filer@localhost",
                                           "GRANT FILE ON *.* TO filer@localhost",
                                           "GRANT ALL ON shop.* TO filer@localhost",
                                           "GRANT ALL ON shop.* TO wide@localhost",
                                           NULL};
        const char *const postgres_roles[] = {"CREATE ROLE wide LOGIN CREATEDB",
                                              "CREATE ROLE filer LOGIN",
                                              "GRANT pg_read_server_files TO filer", NULL};
        const char *const users[] = {maria ? "root" : "postgres", "wide", "filer"};
        free(owner_do(s, maria ? maria_roles : postgres_roles));
        for (size_t i = 0; i < 3; i++) {
            db_server *server = NULL;
            cmat_error err = {0};
            char *url = private_server_url(s, users[i], "");
            if (db_server_open(&server, url, &err) != CMAT_ERR_ARG ||
                !strstr(err.msg, "allow_superuser=1"))
                fail_msg("%s: %s", users[i], err.msg);
            assert_null(server);
            free(url);
            url = private_server_url(s, users[i], "&allow_superuser=1");
            if (db_server_open(&server, url, &err) != CMAT_OK)
                fail_msg("%s", err.msg);
            db_server_unref(server);
            free(url);
        }
        db_server *server = NULL;
        cmat_error err = {0};
        char *url = private_server_url(s, "nobody_of_that_name", "");
        assert_int_equal(db_server_open(&server, url, &err), CMAT_ERR_IO);
        assert_null(strchr(err.msg, '\n'));
        free(url);
    }
}

static void test_addresses(void **state)
{
    (void)state;
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

static void test_own_tables(void **state)
{
    (void)state;
    EACH_SERVER(s)
    {
        const bool maria = s->kind == PRIVATE_MARIADB;
        char *before = owner_view(s);
        cmat_env *env = open_env(s->url, NULL), *other = open_env(s->url, NULL);
        const char *task = TASK(OWN_TABLE ", \"mysql\": true, \"answer\": [\"9\"]");
        reset(env, task);
        reset(other, task);
        expect(env, "SQL: SELECT Driver FROM `Race Results` WHERE Driver = 'ZOE o''neil'",
               "O'Neil");
        expect(env, "SQL: SELECT points_3 FROM `Race Results` WHERE Points < 9.5", "1");
        expect(env, "SQL: SELECT SUM(Points) FROM `race results`", maria ? "exist" : "19");
        expect(env, "SQL: SELECT SUM(Points) FROM `Race Results`", "19");
        expect(env, "SQL: INSERT INTO `Race Results` VALUES (\"Ann\", 3, NULL)", "1 row changed");
        expect(env, "SQL: CREATE TABLE mine(a INT)", "done");
        expect(env, "SQL: DROP TABLE mine", "done");
        expect(other, "SQL: SELECT COUNT(*) FROM `Race Results`", "2");
        /* Nothing of the user's, and nothing of another episode's. */
        cmat_buf b = {0};
        cmat_buf_printf(&b, "SQL: DELETE FROM %s.orders", maria ? "shop" : "public");
        expect(env, b.data, "not allowed here");
        cmat_buf_truncate(&b, 0);
        cmat_buf_printf(&b, "SQL: DROP TABLE `%s` . orders", maria ? "shop" : "public");
        expect(env, b.data, "not allowed here");
        expect(env, "SQL: DROP DATABASE shop", "not allowed here");
        expect(env, "SQL: ALTER TABLE `Race Results` SET SCHEMA public",
               maria ? "syntax" : "not allowed here");
        expect(env, "SQL: SELECT * FROM cmat_1000_0123456789abcdef.t", "not allowed here");
        expect(env, "SQL: CREATE FUNCTION f() RETURNS INT RETURN 1", "not allowed here");
        cmat_buf_clear(&b);
        expect(env, "Answer: [\"9.0\"]", "");
        assert_true(score(env) == 1);
        cmat_env_close(env);
        cmat_env_close(other);
        char *after = owner_view(s);
        assert_string_equal(before, after);
        free(before);
        free(after);
        assert_int_equal(owner_connections(s), 0);
    }
}

/* What a crash left is dropped by the next that opens the server, what is in use is not. */
static void test_sweep(void **state)
{
    (void)state;
    EACH_SERVER(s)
    {
        const bool maria = s->kind == PRIVATE_MARIADB;
        db_server *server = NULL;
        db_link *l = NULL;
        cmat_error err = {0};
        static const char left[] = "cmat_1000_00000000000000aa",
                          used[] = "cmat_1000_00000000000000bb";
        assert_int_equal(db_server_open(&server, s->url, &err), CMAT_OK);
        assert_int_equal(db_server_link(server, &l, &err), CMAT_OK);
        assert_int_equal(server->ops->create_place(l, left, false, &err), CMAT_OK);
        server->ops->close(l); /* as a crash does: the server lets the lock go */
        assert_int_equal(db_server_link(server, &l, &err), CMAT_OK);
        assert_int_equal(server->ops->create_place(l, used, false, &err), CMAT_OK);
        const char *const maria_count[] = {
            "SELECT group_concat(schema_name) FROM information_schema.schemata WHERE schema_name "
            "LIKE 'cmat%'",
            NULL};
        const char *const postgres_count[] = {
            "SELECT string_agg(nspname, ',') FROM pg_namespace WHERE nspname LIKE 'cmat%'", NULL};
        char *seen = NULL;
        for (int i = 0; i < 40; i++) { /* the first link's end is told a moment later */
            db_server *again = NULL;
            struct timespec t = {0, 25000000};
            free(seen);
            assert_int_equal(db_server_open(&again, s->url, &err), CMAT_OK);
            db_server_unref(again);
            seen = owner_do(s, maria ? maria_count : postgres_count);
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
}

/* ---- oracles ---- */

static double play_oracle(cmat_env *env, const cmat_task *t)
{
    cmat_obs obs = {0};
    cmat_buf reply = {0};
    cmat_error err = {0};
    if (cmat_env_reset(env, t, &obs, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    while (!env->done && env->ops->oracle(env, &reply)) {
        if (cmat_env_step(env, reply.data, &obs, &err) != CMAT_OK)
            fail_msg("%s", err.msg);
        if (obs.error)
            print_message("%s\n-> %s\n", reply.data, cmat_buf_str(&obs.text));
        cmat_buf_truncate(&reply, 0);
    }
    cmat_buf_clear(&reply);
    cmat_obs_clear(&obs);
    return score(env);
}

/* CMAT_TEST_WHOLE=1: all of the tasks, instead of a part that is quick. */
static bool whole(void)
{
    const char *s = getenv("CMAT_TEST_WHOLE");
    return s && *s == '1';
}

static void test_made_tasks(void **state)
{
    (void)state;
    EACH_SERVER(s)
    {
        char *before = owner_view(s);
        cmat_env *env = open_env(s->url, NULL);
        cmat_task_list l = {0};
        cmat_error err = {0};
        if (env->ops->generate(env, 0, whole() ? 200 : 20, 3, &l, &err) != CMAT_OK)
            fail_msg("%s", err.msg);
        assert_int_equal(l.n, whole() ? 200 : 20);
        int writes = 0;
        for (size_t i = 0; i < l.n; i++) {
            writes += !strcmp(cmat_json_str(l.items[i].json, "type", ""), "write");
            if (play_oracle(env, &l.items[i]) != 1)
                fail_msg("%s: %s", l.items[i].instruction,
                         cmat_json_str(l.items[i].json, "sql", ""));
        }
        assert_true(writes > 1);
        cmat_task_list_clear(&l);
        cmat_env_close(env);
        char *after = owner_view(s);
        assert_string_equal(before, after);
        free(before);
        free(after);
        assert_int_equal(owner_connections(s), 0);
    }
}

/* AgentBench's 60 tasks for developers, where they are: every change agrees with its hash. */
static void test_agentbench(void **state)
{
    (void)state;
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
    EACH_SERVER(s)
    {
        char *before = owner_view(s);
        cmat_env *env = open_env(s->url, "agentbench");
        const size_t stride = whole() ? 1 : 4;
        int n = 0, writes = 0, right_writes = 0, right_reads = 0;
        const double began = cmat_now();
        for (size_t i = 0; i < l.n; i += stride, n++) {
            const bool write = !strcmp(cmat_json_str(l.items[i].json, "type", ""), "write");
            const bool right = play_oracle(env, &l.items[i]) == 1;
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
        char *after = owner_view(s);
        assert_string_equal(before, after);
        free(before);
        free(after);
        assert_int_equal(owner_connections(s), 0);
    }
    cmat_task_list_clear(&l);
    free(path);
}

static int start_servers(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        db_server *server = NULL;
        cmat_error err = {0};
        /* A library that the build lacks is told before any server is started. */
        if (db_server_open(&server,
                           k == PRIVATE_MARIADB ? "mysql://localhost/?socket=/nowhere"
                                                : "postgresql:///x?host=/nowhere",
                           &err) == CMAT_ERR_UNSUPPORTED) {
            printf("%s\n", err.msg);
            continue;
        }
        servers[k] = private_server_start((private_server_kind)k);
        if (servers[k])
            owner_set_up(servers[k]);
    }
    return 0;
}

static int stop_servers(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++)
        private_server_stop(servers[k]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),  cmocka_unit_test(test_schema),
        cmocka_unit_test(test_select),     cmocka_unit_test(test_facts),
        cmocka_unit_test(test_write),      cmocka_unit_test(test_hostile_statements),
        cmocka_unit_test(test_roles),      cmocka_unit_test(test_own_tables),
        cmocka_unit_test(test_sweep),      cmocka_unit_test(test_made_tasks),
        cmocka_unit_test(test_agentbench),
    };
    return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
