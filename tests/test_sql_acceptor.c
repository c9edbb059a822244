/* tests/test_sql_acceptor.c - what the SQL acceptor lets through, and what it does not. */
#include "core/acceptor.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/rng.h"
#include "env/db/db.h"
#include "env/db/shop.h"
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
    char *path = cmat_xstrdup("/tmp/cmat-test-acceptor-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return path;
}

typedef struct {
    char *path;
    db_world *world;
    cmat_acceptor *a;
} fixture;

static void fixture_open(fixture *f, const char *sql, bool agentbench, bool mysql)
{
    cmat_error err;
    sqlite3 *db;
    f->path = temp_path();
    if (sql) {
        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
    } else {
        assert_int_equal(db_shop_make(f->path, 1, &err), CMAT_OK);
    }
    f->world = NULL;
    assert_int_equal(db_world_open(&f->world, f->path, &err), CMAT_OK);
    db_constraint_input in = {.schema = &f->world->schema,
                              .values = &f->world->values,
                              .question = "",
                              .agentbench = agentbench,
                              .mysql = mysql};
    assert_int_equal(db_constraint(&f->a, &in, &err), CMAT_OK);
    assert_true(f->a->state_size <= CMAT_ACCEPTOR_STATE_MAX);
}

static void fixture_close(fixture *f)
{
    cmat_acceptor_free(f->a);
    db_world_unref(f->world);
    unlink(f->path);
    free(f->path);
}

/* 2: a whole accepted reply; 1: the beginning of one; 0: refused. */
static int feed(const cmat_acceptor *a, const char *text)
{
    char st[CMAT_ACCEPTOR_STATE_MAX] = {0};
    a->ops->start(a, st);
    for (; *text; text++)
        if (!a->ops->step(a, st, (uint8_t)*text))
            return 0;
    return a->ops->done(a, st) ? 2 : 1;
}

static const char small_sql[] =
    "CREATE TABLE films(id INTEGER PRIMARY KEY, title TEXT, year INT, \"box office\" REAL);"
    "CREATE TABLE roles(film_id INT REFERENCES films, actor TEXT, \"order\" INT);"
    "CREATE VIEW recent AS SELECT title AS t FROM films;";

static void test_examples(void **state)
{
    (void)state;
    static const struct {
        int want;
        const char *text;
    } cases[] = {
        {2, "Final: SELECT COUNT(*) FROM films"},
        {2,
         "Think: count the films\nSQL: SELECT title FROM films WHERE year >= 1999 AND title LIKE "
         "'%war%' ORDER BY year DESC LIMIT 3"},
        {2,
         "Final: SELECT films.title FROM roles JOIN films ON roles.film_id = films.id WHERE "
         "roles.actor = 'O''Neil'"},
        {2,
         "Final: SELECT title FROM films WHERE id NOT IN (SELECT film_id FROM roles WHERE actor IS "
         "NOT NULL)"},
        {2, "Final: SELECT EXISTS (SELECT 1 FROM films WHERE year = 2000)"},
        {2,
         "Final: SELECT 100.0 * COUNT(*) / (SELECT COUNT(*) FROM films) FROM films WHERE \"box "
         "office\" > 1.5"},
        {2,
         "Final: SELECT `order` FROM roles WHERE (actor = 'A' OR actor = 'B') AND `order` BETWEEN "
         "1 AND 3"},
        {2, "Final: INSERT INTO films (title, year) VALUES ('Ran', 1985)"},
        {2, "Final: UPDATE films SET year = year + 1, title = NULL WHERE id = 3"},
        {2, "Final: DELETE FROM roles WHERE film_id IN (1, 2)"},
        {2, "Answer: [\"a\\\"b\",\"7\"]"},
        {2, "Answer: []"},
        {1, "Final: SELECT COUNT(*) FROM films WHERE title = 'unfinished"},
        {1, "Final: SELECT films.title FROM roles"}, /* films must still be joined */
        {0, "OK"},
        {0, "Final: SELECT nothing FROM films"},
        {0, "Final: SELECT actor FROM films"}, /* another table's column */
        {0, "Final: SELECT title FROM films WHERE actor = 'x'"},
        {0, "Final: SELECT films.actor FROM films"},
        {0, "Final: SELECT order FROM roles"}, /* a keyword needs its quotes */
        {0, "Final: INSERT INTO films (title, title) VALUES ('a', 'b')"},
        {0, "Final: INSERT INTO films (title, year) VALUES ('a')"},
        {0, "Final: INSERT INTO films (title) VALUES ('a', 'b')"},
        {0, "Final: INSERT INTO recent (t) VALUES ('a')"}, /* a view */
        {0, "Final: DROP TABLE films"},
        {0, "Final: SELECT title FROM films WHERE id IN (SELECT film_id, actor FROM roles)"},
        {0, "Final: SELECT SUM(COUNT(*)) FROM films"},
        {0, "Final: SELECT title FROM films WHERE COUNT(*) > 1"},
        {0, "Final: SELECT title FROM films; DELETE FROM films"},
        {0, "Answer: [\"a\nb\"]"},
    };
    fixture f;
    fixture_open(&f, small_sql, false, false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int got = feed(f.a, cases[i].text);
        if (got != cases[i].want)
            print_message("%d, not %d: %s\n", got, cases[i].want, cases[i].text);
        assert_int_equal(got, cases[i].want);
    }
    fixture_close(&f);
    fixture_open(&f, small_sql, true, true);
    assert_int_equal(
        feed(f.a, "I run it.\nAction: Operation\n```sql\nSELECT title FROM films\n```"), 2);
    assert_int_equal(feed(f.a, "I know.\nAction: Answer\nFinal Answer: [\"a\"]"), 2);
    assert_int_equal(
        feed(f.a, "I run it.\nAction: Operation\n```sql\nSELECT \"box office\" FROM films\n```"),
        0);
    fixture_close(&f);
}

static void test_accepts_generated(void **state)
{
    (void)state;
    fixture f;
    cmat_error err;
    cmat_task_list l = {0};
    fixture_open(&f, NULL, false, false);
    assert_int_equal(db_generate(f.world, 0, 500, 9, &l, &err), CMAT_OK);
    for (size_t i = 0; i < l.n; i++) {
        cmat_buf b = {0};
        cmat_buf_printf(&b, "Think: %s\nFinal: %s", cmat_json_str(l.items[i].json, "think", ""),
                        cmat_json_str(l.items[i].json, "sql", ""));
        int got = feed(f.a, cmat_buf_str(&b));
        if (got != 2)
            print_message("refused: %s\n", cmat_buf_str(&b));
        assert_int_equal(got, 2);
        cmat_buf_clear(&b);
    }
    cmat_task_list_clear(&l);
    fixture_close(&f);
}

/* One random accepted reply after "Final: "; false: it grew too long. Fails on a dead end. */
static bool random_walk(const cmat_acceptor *a, cmat_rng *rng, cmat_buf *out)
{
    char st[CMAT_ACCEPTOR_STATE_MAX] = {0}, next[CMAT_ACCEPTOR_STATE_MAX],
         best[CMAT_ACCEPTOR_STATE_MAX];
    a->ops->start(a, st);
    for (const char *p = "Final: "; *p; p++)
        assert_true(a->ops->step(a, st, (uint8_t)*p));
    while (out->len < 400) {
        bool done = a->ops->done(a, st);
        if (done && cmat_rng_below(rng, 100) < (out->len > 120 ? 60 : 15))
            return true;
        uint64_t n = 0;
        uint8_t chosen = 0;
        memcpy(next, st, sizeof next);
        bool quote = a->ops->step(a, next, '\'') && cmat_rng_below(rng, 3);
        int end =
            cmat_rng_below(rng, 16) ? 128 : 256; /* bytes beyond ASCII are tried now and then */
        for (int c = quote ? '\'' : 1; c < end || (n == 0 && c < 256); c++) {
            memcpy(next, st, sizeof next);
            /* numbers end rather than go on */
            if (!a->ops->step(a, next, (uint8_t)c) ||
                (n && c >= '0' && c <= '9' && cmat_rng_below(rng, 8)))
                continue;
            if (cmat_rng_below(rng, ++n) == 0) {
                chosen = (uint8_t)c;
                memcpy(best, next, sizeof best);
            }
            if (quote)
                break;
        }
        if (n == 0 && !done)
            print_message("dead end: %s\n", cmat_buf_str(out));
        assert_true(n > 0 || done);
        if (n == 0)
            return true;
        memcpy(st, best, sizeof st);
        cmat_buf_putc(out, (char)chosen);
    }
    return false;
}

/* What SQLite refuses though it parses: these say that a name or a use, not the syntax, is wrong.
 */
static bool semantic(const char *message)
{
    static const char *const known[] = {
        "misuse of aggregate", "no such column", "ambiguous column",
        "ORDER BY term",       "GROUP BY",       "references tables to its right"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(message, known[i]))
            return true;
    return false;
}

static void walks(const char *schema, int n_walks)
{
    fixture f;
    cmat_rng rng;
    sqlite3 *db = NULL;
    int finished = 0, meant = 0;
    fixture_open(&f, schema, false, false);
    cmat_rng_init(&rng, 11);
    assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
    for (int i = 0; i < n_walks; i++) {
        cmat_buf b = {0};
        if (random_walk(f.a, &rng, &b)) {
            sqlite3_stmt *st = NULL;
            finished++;
            if (sqlite3_prepare_v2(db, cmat_buf_str(&b), -1, &st, NULL) != SQLITE_OK) {
                if (!semantic(sqlite3_errmsg(db)))
                    print_message("%s: %s\n", sqlite3_errmsg(db), cmat_buf_str(&b));
                assert_true(semantic(sqlite3_errmsg(db)));
                meant++;
            }
            sqlite3_finalize(st);
        }
        cmat_buf_clear(&b);
    }
    assert_true(finished > n_walks / 3);
    assert_true(meant * 50 < finished);
    sqlite3_close(db);
    fixture_close(&f);
}

static void test_walks(void **state)
{
    (void)state;
    const char *asked = getenv("CMAT_GRAMMAR_WALKS"); /* by hand: so many */
    const int n = asked ? atoi(asked) : 2100;
    walks(small_sql, n * 2 / 3);
    walks(
        "CREATE TABLE \"select\"(\"a b\" TEXT, \"c`d\" INT, \"e\"\"f\" INT, 'x' INT, \"2nd\" REAL, "
        "g INT GENERATED ALWAYS AS (1));"
        "CREATE TABLE [Group](\"Group\" TEXT, name TEXT); CREATE TABLE groups(id INTEGER PRIMARY "
        "KEY, name TEXT, count INT, date TEXT);",
        n / 3);
}

/* States with one key allow the same bytes, whatever came before. */
static void test_keys(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Final: SELECT title FROM films WHERE title = 'ab",
        "Final: SELECT title FROM films WHERE title = 'something longer",
        "Final: SELECT title FROM films WHERE year = 1",
        "Final: SELECT title FROM films WHERE year = 1234",
        "Final: SELECT title FROM films",
        "Final: SELECT year FROM films",
        "Final: SELECT actor FROM roles",
        "Think: a",
        "Think: ab cd",
        "Final: SELECT COUNT(*) FROM films WHERE title = 'x",
    };
    enum { N = sizeof texts / sizeof *texts };
    fixture f;
    fixture_open(&f, small_sql, false, false);
    uint64_t keys[N];
    bool allowed[N][256];
    for (int i = 0; i < N; i++) {
        char st[CMAT_ACCEPTOR_STATE_MAX] = {0}, next[CMAT_ACCEPTOR_STATE_MAX];
        f.a->ops->start(f.a, st);
        for (const char *p = texts[i]; *p; p++)
            assert_true(f.a->ops->step(f.a, st, (uint8_t)*p));
        keys[i] = f.a->ops->key(f.a, st);
        assert_true(keys[i] != 0);
        for (int c = 0; c < 256; c++) {
            memcpy(next, st, sizeof next);
            allowed[i][c] = f.a->ops->step(f.a, next, (uint8_t)c);
        }
    }
    for (int i = 0; i < N; i++)
        for (int k = 0; k < i; k++)
            if (keys[i] == keys[k])
                assert_memory_equal(allowed[i], allowed[k], sizeof allowed[i]);
    assert_true(keys[0] == keys[1] && keys[2] == keys[3] && keys[7] == keys[8]);
    assert_true(keys[4] != keys[6]);
    fixture_close(&f);
}

/* The benchmark's form: every gold statement of practice tables is a reply. */
static void test_accepts_wiki(void **state)
{
    (void)state;
    char *q = temp_path(), *t = temp_path();
    cmat_error err;
    cmat_task_list l = {0};
    FILE *file = fopen(t, "w");
    fputs(
        "{\"table_id\": \"1\", \"columns\": [\"player\", \"no\", \"w - l\", \"height (cm)\", "
        "\"1st\"], \"rows\": [[\"ana l'or\", \"7\", \"1 - 2\", \"170\", \"a, b\"], "
        "[\"bo berg\", \"12\", \"3 - 1\", \"185\", \"é\"], [\"zoe\", \"3\", \"0 - 0\", \"162\", "
        "\"x\"]]}\n",
        file);
    fclose(file);
    file = fopen(q, "w");
    fputs(
        "{\"table_id\": \"1\", \"question\": \"no of Bo Berg?\", \"agg\": \"\", \"sel\": 1, "
        "\"conds\": [[0, \"=\", \"Bo Berg\"], [3, \">\", 7]], \"answer\": [\"12\"]}\n",
        file);
    fclose(file);
    const db_wiki_options o = {
        .n_select = 1, .n_ask = 20, .n_insert = 6, .n_update = 6, .seed = 4, .split = -1};
    assert_int_equal(db_wiki_tasks(q, t, &o, &l, &err), CMAT_OK);
    assert_true(l.n >= 8);
    for (size_t i = 0; i < l.n; i++) {
        const json_t *j = l.items[i].json;
        db_world *w = NULL;
        cmat_acceptor *a = NULL;
        cmat_buf b = {0};
        assert_int_equal(db_world_inline(&w, json_object_get(j, "table"), true, NULL, &err),
                         CMAT_OK);
        db_constraint_input in = {
            .schema = &w->schema, .values = &w->values, .question = "", .mysql = true};
        assert_int_equal(db_constraint(&a, &in, &err), CMAT_OK);
        cmat_buf_printf(&b, "Think: %s\nFinal: %s", cmat_json_str(j, "think", ""),
                        cmat_json_str(j, "sql", ""));
        int got = feed(a, cmat_buf_str(&b));
        if (got != 2)
            print_message("refused: %s\n", cmat_buf_str(&b));
        assert_int_equal(got, 2);
        cmat_buf_clear(&b);
        cmat_acceptor_free(a);
        db_world_unref(w);
    }
    cmat_task_list_clear(&l);
    unlink(q);
    unlink(t);
    free(q);
    free(t);
}

/* What one server alone knows is written there only; the texts are of equal meaning. */
static void test_flavours(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        bool in[DB_N_FLAVOURS], with_habits; /* SQLite, MySQL, PostgreSQL; this one as MySQL */
    } cases[] = {
        {"Final: SELECT STRFTIME('%Y', title) FROM films", {true, false, false}, false},
        {"Final: SELECT DATE_FORMAT(title, '%Y') FROM films", {false, true, false}, false},
        {"Final: SELECT TO_CHAR(title, 'YYYY') FROM films", {false, false, true}, true},
        {"Final: SELECT IFNULL(title, '-') FROM films", {true, true, false}, true},
        {"Final: SELECT COALESCE(title, '-') FROM films", {true, true, true}, true},
        {"Final: SELECT CAST(title AS INTEGER) FROM films", {true, false, true}, true},
        {"Final: SELECT CAST(title AS SIGNED) FROM films", {false, true, false}, false},
        {"Final: SELECT title || year FROM films", {true, false, true}, true},
        {"Final: SELECT SUBSTR(title, 1, 2) FROM films", {true, true, true}, true},
    };
    fixture f;
    cmat_error err;
    fixture_open(&f, small_sql, false, false);
    for (int d = 0; d <= DB_N_FLAVOURS; d++) {
        const bool habits = d == DB_N_FLAVOURS;
        db_constraint_input in = {.schema = &f.world->schema,
                                  .values = &f.world->values,
                                  .question = "",
                                  .mysql = habits || d == DB_FLAVOUR_MYSQL,
                                  .flavour = habits ? DB_FLAVOUR_POSTGRES : (db_flavour)d};
        cmat_acceptor *a = NULL;
        assert_int_equal(db_constraint(&a, &in, &err), CMAT_OK);
        assert_true(d == DB_FLAVOUR_SQLITE ? a->identity == f.a->identity
                                           : a->identity != f.a->identity);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            const bool want = habits ? cases[i].with_habits : cases[i].in[d];
            if (feed(a, cases[i].reply) != (want ? 2 : 0))
                fail_msg("flavour %d: %s", d, cases[i].reply);
        }
        cmat_acceptor_free(a);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),     cmocka_unit_test(test_accepts_generated),
        cmocka_unit_test(test_walks),        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_accepts_wiki), cmocka_unit_test(test_flavours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
