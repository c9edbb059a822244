/* tests/test_db_tasks.c - the shop, tasks made from any schema, their splits, practice from
 * WikiSQL. */
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "env/db/db.h"
#include "env/db/phrases.h"
#include "env/db/render.h"
#include "env/db/shop.h"
#include "env/db/splits.h"
#include "env/db/wiki.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char *temp_path(void)
{
    char *path = cmat_xstrdup("/tmp/cmat-test-tasks-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return path;
}

static void drop(char *path)
{
    unlink(path);
    free(path);
}

static int64_t ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    int64_t x = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
    sqlite3_finalize(st);
    return x;
}

static void test_shop(void **state)
{
    (void)state;
    cmat_error err;
    char *a = temp_path(), *b = temp_path(), *c = temp_path(), *x = NULL, *y = NULL, *z = NULL;
    size_t nx, ny, nz;
    assert_int_equal(db_shop_make(a, 5, &err), CMAT_OK);
    assert_int_equal(db_shop_make(b, 5, &err), CMAT_OK);
    assert_int_equal(db_shop_make(c, 6, &err), CMAT_OK);
    assert_int_equal(cmat_read_file(a, 1 << 24, &x, &nx, &err), CMAT_OK);
    assert_int_equal(cmat_read_file(b, 1 << 24, &y, &ny, &err), CMAT_OK);
    assert_int_equal(cmat_read_file(c, 1 << 24, &z, &nz, &err), CMAT_OK);
    assert_true(nx == ny && memcmp(x, y, nx) == 0);
    assert_true(nx != nz || memcmp(x, z, nx) != 0);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(a, &db), SQLITE_OK);
    assert_true(ask(db, "SELECT count(*) FROM sqlite_master WHERE type = 'table'") >= 8);
    int64_t rows = 0;
    static const char *const tables[] = {"customers", "addresses", "categories",  "suppliers",
                                         "products",  "orders",    "order_items", "payments",
                                         "shipments", "reviews",   "returns",     "employees"};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        char sql[80];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", tables[i]);
        rows += ask(db, sql);
    }
    assert_true(rows >= 20000);
    assert_int_equal(ask(db, "PRAGMA foreign_key_check"), -1);
    assert_int_equal(ask(db, "SELECT count(*) FROM orders WHERE placed_on > '2026-06-30'"), 0);
    assert_true(ask(db, "SELECT count(*) FROM customers WHERE phone IS NULL") > 0);
    /* an order's total is the sum of its lines */
    assert_int_equal(ask(db,
                         "SELECT count(*) FROM orders o WHERE abs(total - (SELECT "
                         "sum(round(unit_price * quantity * "
                         "(100 - discount) / 100, 2)) FROM order_items i WHERE i.order_id = "
                         "o.order_id)) > 0.02"),
                     0);
    sqlite3_close(db);
    free(x);
    free(y);
    free(z);
    drop(a);
    drop(b);
    drop(c);
    assert_int_equal(db_shop_make("/nonexistent/shop.db", 1, &err), CMAT_ERR_IO);
}

static void test_phrases(void **state)
{
    (void)state;
    static const struct {
        const char *in, *human, *one;
    } names[] = {{"order_items", "order items", "order item"},
                 {"Categories", "categories", "category"},
                 {"orderLine", "order line", "order line"},
                 {"addresses", "addresses", "address"},
                 {"people", "people", "person"},
                 {"status", "status", "status"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cmat_buf h = {0}, o = {0};
        phrase_humanise(&h, names[i].in);
        phrase_singular(&o, cmat_buf_str(&h));
        assert_string_equal(cmat_buf_str(&h), names[i].human);
        assert_string_equal(cmat_buf_str(&o), names[i].one);
        cmat_buf_clear(&h);
        cmat_buf_clear(&o);
    }
    cmat_rng rng;
    cmat_rng_init(&rng, 1);
    cmat_buf b = {0};
    phrase_fill(&b, &rng, "[a|a]{x}[|] [b [c|c]|b c]", (phrase_slot[]){{"x", "[1|2]"}, {0}});
    assert_string_equal(cmat_buf_str(&b), "a[1|2] b c"); /* values are not templates */
    cmat_buf_clear(&b);
}

/* Each task's gold, run on the world again, gives what the task says. */
static void check_tasks(db_world *w, const cmat_task_list *l)
{
    db_conn *conn = NULL;
    cmat_error err;
    db_conn_options o = {.max_columns = w->schema.max_columns};
    assert_int_equal(db_conn_open(&conn, w->image, &o, &err), CMAT_OK);
    for (size_t i = 0; i < l->n; i++) {
        const json_t *j = l->items[i].json;
        db_result r = {0};
        assert_int_equal(db_conn_try(conn, cmat_json_str(j, "sql", ""), &r, &err), CMAT_OK);
        if (!r.ok)
            print_message("%s: %s\n", r.error, cmat_json_str(j, "sql", ""));
        assert_true(r.ok);
        assert_string_equal(json_string_value(json_array_get(json_object_get(j, "gold"), 0)),
                            cmat_json_str(j, "sql", ""));
        assert_true(strlen(cmat_json_str(j, "think", "")) > 5);
        if (cmat_json_bool(j, "writes", false)) {
            assert_true(r.changed > 0);
            assert_string_equal(cmat_json_str(j, "type", ""), "write");
        } else {
            json_t *answer = db_result_answer(&r);
            assert_true(json_equal(answer, json_object_get(j, "answer")));
            assert_true(json_array_size(answer) >= 1 && json_array_size(answer) <= 20);
            json_decref(answer);
        }
        db_result_clear(&r);
    }
    db_conn_close(conn);
}

static size_t count_kinds(const cmat_task_list *l)
{
    json_t *kinds = json_object();
    for (size_t i = 0; i < l->n; i++)
        json_object_set_new(kinds, l->items[i].kind, json_true());
    size_t n = json_object_size(kinds);
    json_decref(kinds);
    return n;
}

static void test_generate(void **state)
{
    (void)state;
    cmat_error err;
    char *path = temp_path();
    db_world *w = NULL;
    assert_int_equal(db_shop_make(path, 1, &err), CMAT_OK);
    assert_int_equal(db_world_open(&w, path, &err), CMAT_OK);
    cmat_task_list split[3] = {{0}}, again = {0};
    static const size_t n[3] = {400, 120, 200};
    for (int s = 0; s < 3; s++) {
        assert_int_equal(db_generate(w, s, n[s], 1, &split[s], &err), CMAT_OK);
        assert_int_equal(split[s].n, n[s]);
        check_tasks(w, &split[s]);
    }
    assert_true(count_kinds(&split[0]) >= 60);
    assert_true(count_kinds(&split[2]) >= 50);
    for (int s = 0; s < 3; s++)
        for (int t = 0; t < s; t++) {
            err.msg[0] = 0;
            cmat_status st = db_splits_disjoint(&split[s], &split[t], &err);
            assert_string_equal(err.msg, "");
            assert_int_equal(st, CMAT_OK);
        }
    assert_int_equal(db_splits_disjoint(&split[0], &split[0], &err), CMAT_ERR_STATE);
    assert_int_equal(db_generate(w, 1, n[1], 1, &again, &err), CMAT_OK);
    for (size_t i = 0; i < n[1]; i++)
        assert_string_equal(again.items[i].id, split[1].items[i].id);
    cmat_task_list_clear(&again);
    for (int s = 0; s < 3; s++)
        cmat_task_list_clear(&split[s]);
    db_world_unref(w);
    drop(path);
}

/* Names with blanks, reserved words, no keys, views, blobs, empty tables. */
static const char odd_sql[] =
    "CREATE TABLE \"my orders\"(\"Order No\" INTEGER PRIMARY KEY, \"group\" TEXT, \"total (EUR)\" "
    "REAL, \"date\" TEXT, pic BLOB);"
    "CREATE TABLE \"select\"(a TEXT, \"b c\" INT, \"order\" INT);"
    "CREATE TABLE empty1(id INTEGER PRIMARY KEY, name TEXT);"
    "CREATE TABLE wr(code TEXT PRIMARY KEY, \"label'x\" TEXT, n INT) WITHOUT ROWID;"
    "CREATE TABLE mixed(v, w, \"2x\" INT);"
    "CREATE TABLE nulls(id INTEGER PRIMARY KEY, a TEXT, b REAL);"
    "CREATE TABLE gen(id INTEGER PRIMARY KEY, p REAL NOT NULL, q INT NOT NULL, pq REAL GENERATED "
    "ALWAYS AS (p * q));"
    "CREATE VIEW big AS SELECT \"Order No\" AS no, \"total (EUR)\" AS total FROM \"my orders\" "
    "WHERE \"total (EUR)\" > 20;"
    "WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 60) INSERT INTO \"my "
    "orders\" "
    "SELECT i, 'group ' || (i % 4), i * 1.25, date('2020-01-01', (i * 13) || ' days'), CASE i % 3 "
    "WHEN 0 THEN x'0001ff' END FROM k;"
    "INSERT INTO \"select\" SELECT \"group\", \"Order No\", \"Order No\" % 7 FROM \"my orders\";"
    "INSERT INTO wr SELECT 'C-' || \"Order No\", 'it''s ' || \"group\", \"Order No\" * 3 FROM \"my "
    "orders\";"
    "INSERT INTO mixed SELECT CASE WHEN \"Order No\" % 2 THEN 'text' ELSE 5 END, \"date\", \"Order "
    "No\" FROM \"my orders\";"
    "INSERT INTO nulls(a) VALUES (NULL), (NULL), (NULL);"
    "INSERT INTO gen(p, q) SELECT \"total (EUR)\", \"Order No\" FROM \"my orders\";";

static db_world *odd_world(const char *sql, char **path)
{
    cmat_error err;
    sqlite3 *db;
    db_world *w = NULL;
    *path = temp_path();
    assert_int_equal(sqlite3_open(*path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(db_world_open(&w, *path, &err), CMAT_OK);
    return w;
}

static void test_odd_databases(void **state)
{
    (void)state;
    char *path;
    cmat_error err;
    cmat_task_list l = {0}, held = {0};
    db_world *w = odd_world(odd_sql, &path);
    assert_int_equal(db_generate(w, 0, 300, 3, &l, &err), CMAT_OK);
    assert_int_equal(l.n, 300);
    check_tasks(w, &l);
    assert_int_equal(db_generate(w, 2, 60, 3, &held, &err), CMAT_OK);
    assert_int_equal(db_splits_disjoint(&l, &held, &err), CMAT_OK);
    cmat_task_list_clear(&l);
    cmat_task_list_clear(&held);
    db_world_unref(w);
    drop(path);

    w = odd_world("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT);", &path);
    assert_int_equal(db_generate(w, 0, 10, 1, &l, &err), CMAT_ERR_NOT_FOUND);
    assert_int_equal(l.n, 0);
    db_world_unref(w);
    drop(path);
    /* one row: little can be asked, but nothing fails */
    w = odd_world(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, n INT); INSERT INTO t VALUES (1, 'x y', "
        "5);",
        &path);
    cmat_status st = db_generate(w, 0, 50, 1, &l, &err);
    assert_true(st == CMAT_OK || st == CMAT_ERR_NOT_FOUND);
    check_tasks(w, &l);
    cmat_task_list_clear(&l);
    db_world_unref(w);
    drop(path);
}

static void write_text(const char *path, const char *text)
{
    assert_int_equal(cmat_write_file(path, text, strlen(text), NULL), CMAT_OK);
}

static void test_wiki(void **state)
{
    (void)state;
    char *q = temp_path(), *t = temp_path();
    cmat_error err;
    cmat_task_list l = {0}, again = {0};
    const db_wiki_options o = {.n_select = 5, .n_insert = 3, .n_update = 3, .seed = 1, .split = -1};
    write_text(t,
               "{\"table_id\": \"1\", \"columns\": [\"player\", \"no\", \"height (cm)\"], "
               "\"rows\": [[\"ana lima\", \"7\", \"170\"], "
               "[\"bo berg\", \"12\", \"185\"], [\"zoe o 'neil\", \"3\", \"162\"], [\"rui sa\", "
               "\"9\", \"178\"]]}\n"
               "{\"table_id\": \"2\", \"columns\": [\"a\", \"a\"], \"rows\": [[\"x\", \"1\"], "
               "[\"y\", \"2\"], [\"z\", \"3\"]]}\n");
    write_text(q,
               "{\"table_id\": \"1\", \"question\": \"what is Bo Berg's no?\", \"agg\": \"\", "
               "\"sel\": 1, \"conds\": [[0, \"=\", \"Bo Berg\"]], \"answer\": [\"12\"]}\n"
               "{\"table_id\": \"1\", \"question\": \"how many are taller than 169?\", \"agg\": "
               "\"COUNT\", \"sel\": 0, \"conds\": [[2, \">\", \"169\"]], \"answer\": [\"3\"]}\n"
               "{\"table_id\": \"1\", \"question\": \"a question whose answer is wrong\", \"agg\": "
               "\"\", \"sel\": 1, \"conds\": [[0, \"=\", \"rui sa\"]], \"answer\": [\"1\"]}\n");
    assert_int_equal(db_wiki_tasks(q, t, &o, &l, &err), CMAT_OK);
    assert_int_equal(l.n,
                     8); /* the wrong one is left out, and so is the table with two equal headers */
    size_t writes = 0;
    for (size_t i = 0; i < l.n; i++) {
        const json_t *j = l.items[i].json;
        json_t *table = json_object_get(j, "table");
        db_world *w = NULL;
        writes += cmat_json_bool(j, "writes", false);
        assert_int_equal(db_world_inline(&w, table, true, NULL, &err), CMAT_OK);
        assert_int_equal(w->schema.tables[0].n_rows, 4);
        db_world_unref(w);
        assert_string_equal(
            json_string_value(json_array_get(
                json_array_get(json_object_get(json_object_get(table, "table_info"), "rows"), 1),
                0)),
            "Bo Berg");
        assert_non_null(strstr(cmat_json_str(j, "note", ""), "The name of this table is "));
    }
    assert_int_equal(writes, 6);
    assert_int_equal(db_wiki_tasks(q, t, &o, &again, &err), CMAT_OK);
    for (size_t i = 0; i < l.n; i++)
        assert_string_equal(l.items[i].id, again.items[i].id);
    cmat_task_list_clear(&l);
    cmat_task_list_clear(&again);
    write_text(q, "{broken\n");
    assert_int_not_equal(db_wiki_tasks(q, t, &o, &l, &err), CMAT_OK);
    drop(q);
    drop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shop),     cmocka_unit_test(test_phrases),
        cmocka_unit_test(test_generate), cmocka_unit_test(test_odd_databases),
        cmocka_unit_test(test_wiki),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
