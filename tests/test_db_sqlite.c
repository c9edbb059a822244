/* tests/test_db_sqlite.c - the sandbox: hostile statements, damaged files, isolation, hashes. */
#include "core/cancel.h"
#include "core/fs.h"
#include "core/hash.h"
#include "core/mem.h"
#include "env/db/schema.h"
#include "env/db/sqlite.h"
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const setup_sql =
    "CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b REAL);"
    "CREATE TABLE log(what TEXT);"
    "CREATE TRIGGER tr AFTER UPDATE ON t BEGIN INSERT INTO log VALUES ('changed ' || new.id); END;"
    "CREATE VIEW v AS SELECT a, count(*) AS n FROM t GROUP BY a;"
    "INSERT INTO t VALUES (1, 'x', 1.5), (2, 'y', 2), (3, 'x', NULL);";

/* A folder with t.db in it; the caller calls drop. */
static char *make_folder(const char *extra_sql)
{
    char *dir = cmat_xstrdup("/tmp/cmat-test-sqlite-XXXXXX");
    assert_non_null(mkdtemp(dir));
    char *path = cmat_path_join(dir, "t.db");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, setup_sql, NULL, NULL, NULL), SQLITE_OK);
    if (extra_sql)
        assert_int_equal(sqlite3_exec(db, extra_sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    free(path);
    return dir;
}

static int count_files(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static void drop(char *dir)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; (e = readdir(d));) {
        char *p = cmat_path_join(dir, e->d_name);
        unlink(p);
        free(p);
    }
    closedir(d);
    rmdir(dir);
    free(dir);
}

static db_image *open_image(const char *dir, size_t max_memory)
{
    db_image *im = NULL;
    cmat_error err = {0};
    char *path = cmat_path_join(dir, "t.db");
    if (db_image_open(&im, path, max_memory, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    free(path);
    return im;
}

static db_conn *connect_image(db_image *im, double timeout)
{
    db_conn *c = NULL;
    cmat_error err = {0};
    db_conn_options o = {.timeout = timeout};
    if (db_conn_open(&c, im, &o, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return c;
}

static db_result run_sql(db_conn *c, const char *sql)
{
    db_result r;
    cmat_error err = {0};
    if (db_conn_run(c, sql, &r, &err) != CMAT_OK)
        fail_msg("%s", err.msg);
    return r;
}

static int64_t number(db_conn *c, const char *sql)
{
    db_result r = run_sql(c, sql);
    if (!r.ok || r.n_rows != 1)
        fail_msg("%s: %s", sql, r.error);
    int64_t i = r.rows[0].i;
    db_result_clear(&r);
    return i;
}

/* Each is refused as an observation, quickly, and leaves no trace. */
static const char *const hostile[] = {
    "ATTACH '/etc/passwd' AS p",
    "ATTACH ':memory:' AS m",
    "/* x */ attach database '/tmp/cmat-stolen.db' as z",
    "DETACH main",
    "PRAGMA writable_schema = ON",
    "PRAGMA writable_schema",
    "PRAGMA journal_mode = WAL",
    "PRAGMA temp_store_directory = '/etc'",
    "PRAGMA mmap_size = 1000000000",
    "PRAGMA database_list",
    "UPDATE sqlite_master SET sql = 'x'",
    "UPDATE sqlite_schema SET sql = NULL WHERE name = 't'",
    "INSERT INTO sqlite_sequence VALUES ('t', 5)",
    "DELETE FROM sqlite_master",
    "VACUUM",
    "VACUUM INTO '/tmp/cmat-stolen.db'",
    "VACUUM main INTO '/tmp/cmat-stolen.db'",
    "SELECT load_extension('/tmp/x.so')",
    "SELECT writefile('/tmp/cmat-stolen.db', 'x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT edit('x', 'vi')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT fts3_tokenizer('x', x'0000000000000000')",
    "CREATE VIRTUAL TABLE f USING fts5(x)",
    "CREATE VIRTUAL TABLE f USING csv(filename='/etc/passwd')",
    "CREATE TRIGGER evil AFTER INSERT ON t BEGIN DELETE FROM t; END",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT x",
    "RELEASE cmat_try",
    "ANALYZE",
    "SELECT 1; DROP TABLE t",
    "SELECT 1; SELECT 2",
    "SELECT randomblob(1000000000)",
    "SELECT zeroblob(1000000000)",
    "SELECT length(hex(zeroblob(1900000)))",
    "SELECT printf('%.*c', 1000000000, 'x')",
    "SELECT printf('%1000000000d', 1)",
    "SELECT 1 WHERE 'a' LIKE replace(hex(zeroblob(200)), '0', '%')",
    "SELECT x FROM (SELECT 'a' AS x) WHERE x GLOB replace(hex(zeroblob(200)), '0', '*')",
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c",
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) INSERT INTO t(a) SELECT x "
    "FROM c",
    "WITH RECURSIVE c(x) AS (SELECT zeroblob(1000000) UNION ALL SELECT zeroblob(1000000) FROM c)"
    " SELECT count(*) FROM (SELECT x FROM c ORDER BY x)",
    "",
    ";",
    "-- nothing",
    "SELECT 'unclosed",
    "SELECT * FROM t WHERE a = ?9999",
};

static void test_hostile_statements(void **state)
{
    (void)state;
    char *dir = make_folder(NULL);
    db_image *im = open_image(dir, 0);
    db_conn *c = connect_image(im, 0.3);
    unlink("/tmp/cmat-stolen.db");
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        double began = cmat_now();
        db_result r = run_sql(c, hostile[i]);
        if (r.ok || !r.error[0])
            fail_msg("not refused: %s", hostile[i]);
        if (cmat_now() - began > 20) /* generous: valgrind */
            fail_msg("took %.1f s: %s", cmat_now() - began, hostile[i]);
        assert_null(strchr(r.error, '\n'));
        db_result_clear(&r);
    }
    double began = cmat_now(); /* quadratic in SQLite's own version */
    db_result r = run_sql(c, "SELECT instr(hex(zeroblob(900000)), hex(zeroblob(450000)) || 'b')");
    assert_true(r.ok && r.rows[0].i == 0);
    assert_true(cmat_now() - began < 20);
    db_result_clear(&r);
    assert_false(cmat_path_exists("/tmp/cmat-stolen.db"));
    assert_int_equal(number(c, "SELECT count(*) FROM t"), 3);
    assert_int_equal(count_files(dir), 1);
    db_conn_close(c);
    db_image_unref(im);
    drop(dir);
}

static void test_large_statements(void **state)
{
    (void)state;
    char *dir = make_folder(NULL);
    db_image *im = open_image(dir, 0);
    db_conn *c = connect_image(im, 2);
    cmat_buf sql[4] = {{0}};
    cmat_buf_puts(&sql[0], "SELECT 1");
    cmat_buf_puts(&sql[1], "SELECT ");
    for (int i = 0; i < 10000; i++)
        cmat_buf_puts(&sql[0], " UNION SELECT 1");
    for (int i = 0; i < 5000; i++)
        cmat_buf_puts(&sql[1], "(");
    cmat_buf_puts(&sql[1], "1");
    for (int i = 0; i < 5000; i++)
        cmat_buf_puts(&sql[1], ")");
    cmat_buf_puts(&sql[2], "SELECT 1");
    for (int i = 0; i < 5000; i++)
        cmat_buf_puts(&sql[2], "+1");
    cmat_buf_puts(&sql[3], "SELECT '");
    for (int i = 0; i < 200000; i++)
        cmat_buf_putc(&sql[3], 'x');
    cmat_buf_puts(&sql[3], "'");
    for (int i = 0; i < 4; i++) {
        db_result r = run_sql(c, sql[i].data);
        if (r.ok)
            fail_msg("not refused: %.40s...", sql[i].data);
        db_result_clear(&r);
        cmat_buf_clear(&sql[i]);
    }
    db_conn_close(c);
    db_image_unref(im);
    drop(dir);
}

static void test_useful_statements(void **state)
{
    (void)state;
    char *dir = make_folder(NULL);
    db_image *im = open_image(dir, 0);
    db_conn *c = connect_image(im, 5);
    assert_int_equal(number(c,
                            "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c LIMIT 5)"
                            " SELECT sum(x) FROM c;"),
                     15);
    assert_int_equal(number(c, "SELECT n FROM v WHERE a = 'x' -- views work"), 2);
    assert_int_equal(number(c, "SELECT count(*) FROM pragma_table_info('t')"), 3);
    assert_false(db_conn_written(c));
    db_result r = run_sql(c, "UPDATE t SET b = 9 WHERE a = 'x'");
    assert_true(r.ok && r.writes && r.changed == 2);
    db_result_clear(&r);
    assert_true(db_conn_written(c));
    assert_int_equal(number(c, "SELECT count(*) FROM log"), 2); /* the schema's own trigger ran */
    r = run_sql(c, "INSERT INTO t(a) VALUES ('z') RETURNING id, a");
    assert_true(r.ok && r.n_rows == 1 && r.rows[0].i == 4);
    db_result_clear(&r);
    r = run_sql(c, "CREATE TABLE extra AS SELECT * FROM t");
    assert_true(r.ok && r.ddl);
    db_result_clear(&r);
    assert_int_equal(number(c, "SELECT count(*) FROM extra"), 4);
    r = run_sql(c, "PRAGMA table_info(t)");
    assert_true(r.ok && r.n_rows == 3);
    db_result_clear(&r);
    db_conn_close(c);
    db_image_unref(im);
    drop(dir);
}

/* The bounded versions give what SQLite's own give. */
static void test_replaced_functions(void **state)
{
    (void)state;
    static const char *const calls[] = {
        "instr('héllo', 'l')",
        "instr('abc', '')",
        "instr(x'00ff10', x'10')",
        "instr(NULL, 'a')",
        "instr(12345, 34)",
        "replace('banana', 'an', 'AN')",
        "replace('x', '', 'y')",
        "replace('aaa', 'a', '')",
        "trim('  a b ')",
        "trim('xyaxy', 'yx')",
        "ltrim('ééa', 'é')",
        "rtrim('aéé', 'é')",
        "trim(5)",
        "printf('%.2f|%5d|%-5s|%05d|%x|%c|%%', 3.14159, 42, 'ab', 7, 255, 'zed')",
        "printf('%Q %q %w', 'it''s', 'it''s', 'a\"b')",
        "printf('%d')",
        "printf('%s', NULL)",
        "printf('%Q', NULL)",
        "printf('%,d', 1234567)",
        "format('%g %e', 0.5, 12.5)",
        "printf('%+d % d', 3, 4)",
        "printf('%!.3f', 1.5)",
        "printf(NULL)",
        "printf('%s %s', 'one')"};
    char *dir = make_folder(NULL);
    db_image *im = open_image(dir, 0);
    db_conn *c = connect_image(im, 5);
    sqlite3 *plain;
    assert_int_equal(sqlite3_open(":memory:", &plain), SQLITE_OK);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        sqlite3_stmt *st;
        char *sql = cmat_xasprintf("SELECT quote(%s)", calls[i]);
        assert_int_equal(sqlite3_prepare_v2(plain, sql, -1, &st, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_ROW);
        db_result r = run_sql(c, sql);
        if (!r.ok || strcmp(r.rows[0].text, (const char *)sqlite3_column_text(st, 0)) != 0)
            fail_msg("%s: %s, SQLite says %s", sql, r.ok ? r.rows[0].text : r.error,
                     sqlite3_column_text(st, 0));
        db_result_clear(&r);
        sqlite3_finalize(st);
        free(sql);
    }
    sqlite3_close(plain);
    db_conn_close(c);
    db_image_unref(im);
    drop(dir);
}

static void test_rows_are_capped(void **state)
{
    (void)state;
    char *dir = make_folder(NULL);
    db_image *im = open_image(dir, 0);
    db_conn *c = connect_image(im, 5);
    db_result r = run_sql(c,
                          "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c LIMIT "
                          "5000) SELECT x FROM c");
    assert_true(r.ok && r.more);
    assert_int_equal(r.n_rows, 1000);
    db_result_clear(&r);
    r = run_sql(c,
                "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c LIMIT 90)"
                " SELECT hex(zeroblob(50000)) FROM c");
    assert_true(r.ok && r.more && r.n_rows < 20);
    db_result_clear(&r);
    db_conn_close(c);
    db_image_unref(im);
    drop(dir);
}

/* In memory (max_memory 0) and in a temporary file (1): the same promises. */
static void isolation(size_t max_memory)
{
    char *dir = make_folder(NULL), *path = cmat_path_join(dir, "t.db");
    char before[65], after[65], h1[33], h2[33], h3[33];
    assert_int_equal(cmat_sha256_file(path, before, NULL), CMAT_OK);
    db_image *im = open_image(dir, max_memory);
    db_conn *a = connect_image(im, 5), *b = connect_image(im, 5);
    db_image_unref(im);
    assert_int_equal(db_conn_hash(a, NULL, NULL, h1, NULL), CMAT_OK);
    db_result r = run_sql(a, "DELETE FROM t");
    assert_true(r.ok && r.changed == 3);
    db_result_clear(&r);
    assert_int_equal(number(a, "SELECT count(*) FROM t"), 0);
    assert_int_equal(number(b, "SELECT count(*) FROM t"), 3);
    assert_int_equal(db_conn_hash(a, NULL, NULL, h2, NULL), CMAT_OK);
    assert_int_equal(db_conn_hash(b, NULL, NULL, h3, NULL), CMAT_OK);
    assert_string_not_equal(h1, h2);
    assert_string_equal(h1, h3);
    db_conn_close(a);
    db_conn *late = connect_image(im, 5);
    assert_int_equal(number(late, "SELECT count(*) FROM t"), 3);
    db_conn_close(late);
    db_conn_close(b);
    assert_int_equal(cmat_sha256_file(path, after, NULL), CMAT_OK);
    assert_string_equal(before, after);
    assert_int_equal(count_files(dir), 1);
    free(path);
    drop(dir);
}

static void test_isolation_in_memory(void **state)
{
    (void)state;
    isolation(0);
}

static void test_isolation_in_files(void **state)
{
    (void)state;
    isolation(1);
}

static void try_is_undone(const char *sql, bool ok)
{
    char *dir = make_folder(NULL), before[33], after[33];
    db_image *im = open_image(dir, 0);
    db_conn *c = connect_image(im, 5);
    db_result r;
    assert_int_equal(db_conn_hash(c, NULL, NULL, before, NULL), CMAT_OK);
    assert_int_equal(db_conn_try(c, sql, &r, NULL), CMAT_OK);
    if (r.ok != ok)
        fail_msg("%s: %s", sql, r.error);
    db_result_clear(&r);
    assert_int_equal(db_conn_hash(c, NULL, NULL, after, NULL), CMAT_OK);
    assert_string_equal(before, after);
    assert_false(db_conn_written(c));
    assert_int_equal(number(c, "SELECT count(*) FROM sqlite_schema"), 4);
    r = run_sql(c, "INSERT INTO t(a) VALUES ('after')");
    assert_true(r.ok && r.changed == 1);
    db_result_clear(&r);
    db_conn_close(c);
    db_image_unref(im);
    drop(dir);
}

static void test_try_changes_nothing(void **state)
{
    (void)state;
    try_is_undone("DELETE FROM t", true);
    try_is_undone("UPDATE t SET a = 'q'", true);
    try_is_undone("INSERT INTO t(a) VALUES ('n') RETURNING *", true);
    try_is_undone("DROP TABLE t", true);
    try_is_undone("ALTER TABLE t ADD COLUMN c", true);
    try_is_undone("CREATE TABLE u(x)", true);
    try_is_undone("INSERT OR ROLLBACK INTO t(id) VALUES (9), (1)", false);
    try_is_undone("INSERT OR FAIL INTO t(id) VALUES (9), (1)", false);
    try_is_undone("SELECT nothing FROM t", false);
}

static void expect_broken(const char *path, cmat_status want)
{
    db_image *im = NULL;
    cmat_error err = {0};
    cmat_status st = db_image_open(&im, path, 0, &err);
    if (st != want)
        fail_msg("%s: status %d, \"%s\"", path, st, err.msg);
    assert_null(im);
    assert_non_null(strstr(err.msg, path));
    assert_null(strchr(err.msg, '\n'));
}

static void test_files_that_are_no_database(void **state)
{
    (void)state;
    char *dir = make_folder(NULL), *path = cmat_path_join(dir, "x.db"),
         *good = cmat_path_join(dir, "t.db");
    char *data;
    size_t n;
    expect_broken("/no/such/file.db", CMAT_ERR_IO);
    expect_broken(dir, CMAT_ERR_FORMAT);
    assert_int_equal(cmat_write_file(path, "hello", 5, NULL), CMAT_OK);
    expect_broken(path, CMAT_ERR_FORMAT);
    assert_int_equal(cmat_write_file(path, "", 0, NULL), CMAT_OK);
    expect_broken(path, CMAT_ERR_FORMAT);
    assert_int_equal(cmat_read_file(good, 1 << 20, &data, &n, NULL), CMAT_OK);
    assert_int_equal(cmat_write_file(path, data, n / 2, NULL), CMAT_OK);
    expect_broken(path, CMAT_ERR_FORMAT);
    free(data);
    free(path);
    free(good);
    drop(dir);
}

/* Any byte changed: refused, or opened and usable, never a crash. */
static void test_flipped_bytes(void **state)
{
    (void)state;
    char *dir = make_folder(NULL), *path = cmat_path_join(dir, "x.db"),
         *good = cmat_path_join(dir, "t.db");
    char *data;
    size_t n;
    assert_int_equal(cmat_read_file(good, 1 << 20, &data, &n, NULL), CMAT_OK);
    for (size_t i = 0; i < n; i += i < 400 ? 3 : 97) {
        data[i] = (char)(data[i] ^ 0xff);
        FILE *f = fopen(path, "wb");
        assert_int_equal(fwrite(data, 1, n, f), n);
        fclose(f);
        data[i] = (char)(data[i] ^ 0xff);
        db_image *im = NULL;
        db_conn *c = NULL;
        db_schema s = {0};
        sqlite3 *db = NULL;
        if (db_image_open(&im, path, 0, NULL) != CMAT_OK)
            continue;
        if (db_image_connect(im, &db, NULL) == CMAT_OK && db_schema_read(&s, db, NULL) == CMAT_OK &&
            db_conn_open(&c, im, NULL, NULL) == CMAT_OK) {
            db_result r;
            assert_int_equal(db_conn_run(c, "UPDATE t SET a = a || 'x'", &r, NULL), CMAT_OK);
            db_result_clear(&r);
            assert_int_equal(db_conn_run(c, "SELECT * FROM t JOIN v", &r, NULL), CMAT_OK);
            db_result_clear(&r);
        }
        db_schema_clear(&s);
        sqlite3_close(db);
        db_conn_close(c);
        db_image_unref(im);
    }
    free(data);
    free(path);
    free(good);
    drop(dir);
}

/* WAL: read as it stands, and no -shm or -wal file appears beside it. */
static void test_wal_files(void **state)
{
    (void)state;
    char *dir = make_folder("PRAGMA journal_mode=WAL; INSERT INTO t(a) VALUES ('w')");
    char *path = cmat_path_join(dir, "t.db");
    assert_int_equal(count_files(dir), 1);
    db_image *im = open_image(dir, 0);
    assert_int_equal(count_files(dir), 1);
    db_conn *c = connect_image(im, 5);
    assert_int_equal(number(c, "SELECT count(*) FROM t"), 4);
    db_result r = run_sql(c, "DELETE FROM t WHERE id = 1");
    assert_true(r.ok && r.changed == 1);
    db_result_clear(&r);
    db_conn_close(c);
    db_image_unref(im);
    /* Someone else is writing: what is committed in the log counts. */
    sqlite3 *other;
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "INSERT INTO t(a) VALUES ('log')", NULL, NULL, NULL),
                     SQLITE_OK);
    im = open_image(dir, 0);
    c = connect_image(im, 5);
    assert_int_equal(number(c, "SELECT count(*) FROM t"), 5);
    db_conn_close(c);
    db_image_unref(im);
    sqlite3_close(other);
    free(path);
    drop(dir);
}

static bool say(void *user, const char *sql, int64_t changed)
{
    (void)sql;
    *(int64_t *)user += changed;
    return *(int64_t *)user < 3;
}

static void test_apply(void **state)
{
    (void)state;
    char *dir = make_folder(NULL), *path = cmat_path_join(dir, "t.db");
    int64_t changed = -1, seen = 0;
    cmat_error err = {0};
    db_apply_options o = {.confirm = say, .user = &seen};
    assert_int_equal(db_apply(path, "UPDATE t SET b = 0 WHERE a = 'x'", &o, &changed, &err),
                     CMAT_OK);
    assert_int_equal(changed, 2);
    assert_int_equal(db_apply(path, "DELETE FROM t WHERE id = 1", &o, &changed, &err),
                     CMAT_ERR_CANCELLED);
    assert_int_equal(changed, 0);
    assert_int_equal(db_apply(path, "DROP TABLE t", NULL, &changed, &err), CMAT_ERR_ARG);
    assert_int_equal(db_apply(path, "DELETE FROM t; DROP TABLE t", NULL, &changed, &err),
                     CMAT_ERR_ARG);
    assert_int_equal(db_apply(path, "WITH a AS (SELECT 1) SELECT * FROM a", NULL, &changed, &err),
                     CMAT_ERR_ARG);
    assert_int_equal(db_apply(path, "UPDATE t SET nope = 1", NULL, &changed, &err), CMAT_ERR_ARG);
    assert_non_null(strstr(err.msg, "nope"));
    assert_int_equal(db_apply("/no/such.db", "DELETE FROM t", NULL, &changed, &err),
                     CMAT_ERR_NOT_FOUND);
    db_image *im = open_image(dir, 0);
    db_conn *c = connect_image(im, 5);
    assert_int_equal(number(c, "SELECT count(*) FROM t WHERE b = 0"), 2);
    assert_int_equal(number(c, "SELECT count(*) FROM t"), 3);
    db_conn_close(c);
    db_image_unref(im);
    free(path);
    drop(dir);
}

static void test_state_hash(void **state)
{
    (void)state;
    char *dir = make_folder(NULL), a_hex[33], b_hex[33];
    db_image *im = open_image(dir, 0);
    db_conn *a = connect_image(im, 5), *b = connect_image(im, 5);
    const char *left[] = {"INSERT INTO log VALUES ('p')", "INSERT INTO log VALUES ('q')",
                          "UPDATE t SET b = 2.0 WHERE id = 2"};
    const char *right[] = {"INSERT INTO log VALUES ('q')", "INSERT INTO log VALUES ('p')",
                           "UPDATE t SET b = 2 WHERE id = 2"};
    for (int i = 0; i < 3; i++) {
        db_result r = run_sql(a, left[i]);
        db_result_clear(&r);
        r = run_sql(b, right[i]);
        db_result_clear(&r);
        assert_int_equal(db_conn_hash(a, a, b, a_hex, NULL), CMAT_OK);
        assert_int_equal(db_conn_hash(b, a, b, b_hex, NULL), CMAT_OK);
        if (i == 0)
            assert_string_not_equal(a_hex, b_hex);
        else
            assert_string_equal(a_hex, b_hex); /* the order of rows does not matter, 2 is 2.0 */
    }
    db_result r = run_sql(b, "CREATE TABLE extra(x)");
    db_result_clear(&r);
    db_conn_hash(a, a, b, a_hex, NULL);
    db_conn_hash(b, a, b, b_hex, NULL);
    assert_string_not_equal(a_hex, b_hex);
    db_conn_close(a);
    db_conn_close(b);
    db_image_unref(im);
    drop(dir);
}

/* A full-text table of the user's own: searched, written to, and part of the hash. */
static void test_full_text_tables(void **state)
{
    (void)state;
    char *dir = make_folder(
        "CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('hello world'), ('other')");
    char before[33], after[33], again[33];
    db_image *im = open_image(dir, 0);
    db_conn *c = connect_image(im, 5);
    assert_int_equal(number(c, "SELECT count(*) FROM f WHERE f MATCH 'hello'"), 1);
    db_conn_hash(c, NULL, NULL, before, NULL);
    db_result r = run_sql(c, "INSERT INTO f VALUES ('hello again')");
    assert_true(r.ok && r.changed == 1);
    db_result_clear(&r);
    assert_int_equal(number(c, "SELECT count(*) FROM f WHERE f MATCH 'hello'"), 2);
    db_conn_hash(c, NULL, NULL, after, NULL);
    assert_string_not_equal(before, after);
    db_conn_hash(c, c, NULL, again, NULL);
    db_conn *other = connect_image(im, 5);
    db_conn_hash(other, c, NULL, after, NULL);
    assert_string_not_equal(again, after);
    r = run_sql(c, "INSERT INTO f_content VALUES (9, 'x')"); /* DEFENSIVE guards its inner tables */
    assert_false(r.ok);
    db_result_clear(&r);
    db_conn_close(other);
    db_conn_close(c);
    db_image_unref(im);
    drop(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_statements),
        cmocka_unit_test(test_large_statements),
        cmocka_unit_test(test_useful_statements),
        cmocka_unit_test(test_replaced_functions),
        cmocka_unit_test(test_rows_are_capped),
        cmocka_unit_test(test_isolation_in_memory),
        cmocka_unit_test(test_isolation_in_files),
        cmocka_unit_test(test_try_changes_nothing),
        cmocka_unit_test(test_files_that_are_no_database),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_wal_files),
        cmocka_unit_test(test_full_text_tables),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_state_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
