/* tests/test_hostile.c - hostile text (hostile.h) in the worlds of db and house: whatever a cell, a
 * name, a file or a reply holds, what the Actor and the Checker see is cut, visible and marked. */
#include "agent/prompt.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"
#include "env/db/sqlite.h"
#include "env/house/make.h"
#include "env/house/text.h"
#include "hostile.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { CELL = 1000 }; /* longer ones are tried as cells only */

static void test_inert(void **unused)
{
    (void)unused;
    size_t n;
    const hostile_text *h = hostile_texts(&n);
    for (size_t i = 0; i < n; i++) {
        cmat_buf b = {0};
        assert_int_equal(h[i].utf8, strlen(h[i].text) == h[i].len &&
                                        cmat_utf8_valid_prefix(h[i].text, h[i].len) == h[i].len);
        cmat_text_inert(&b, h[i].text, h[i].len < CELL ? h[i].len : CELL);
        hostile_check_text(h[i].name, &b, 3 * CELL);
        if (!strcmp(h[i].name, "joiners stay"))
            assert_string_equal(cmat_buf_str(&b), h[i].text);
        cmat_buf_clear(&b);
    }
}

/* ---- db ---- */

/* A database whose cells hold the text, and, where it can be one, whose names are it. */
static void make_database(const char *path, const hostile_text *h)
{
    sqlite3 *db;
    sqlite3_stmt *st = NULL;
    remove(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TABLE t(id INTEGER PRIMARY KEY, c TEXT, d TEXT);"
                                  "CREATE TABLE u(id INTEGER PRIMARY KEY, t_id INT, e TEXT)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "INSERT INTO t(c, d) VALUES (?1, 'plain')", -1, &st, NULL),
        SQLITE_OK);
    for (int i = 0; i < 3; i++) {
        sqlite3_bind_text64(st, 1, h->text, h->len, SQLITE_STATIC, SQLITE_UTF8);
        assert_int_equal(sqlite3_step(st), SQLITE_DONE);
        sqlite3_reset(st);
    }
    sqlite3_finalize(st);
    if (h->utf8 && h->len > 0 && h->len < CELL) {
        char *sql = sqlite3_mprintf(
            "CREATE TABLE \"%w\"(\"%w\" TEXT); INSERT INTO \"%w\" VALUES "
            "('x')",
            h->text, h->text, h->text);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_free(sql);
    }
    sqlite3_close(db);
}

static cmat_task db_task(const hostile_text *h)
{
    cmat_task t = {0};
    const bool asked = h->utf8 && h->len > 0 && h->len < CELL;
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", "t", "env", "db", "instruction",
                          asked ? h->text : "What is in t?", "note", asked ? h->text : "plain",
                          "gold", "SELECT c FROM t");
    assert_int_equal(cmat_task_init(&t, j, NULL), CMAT_OK);
    json_decref(j);
    return t;
}

/* The reply's facts, then what it gives. */
static void say(cmat_env *env, const char *name, const char *reply, size_t budget)
{
    cmat_facts facts = {0};
    cmat_obs obs = {0};
    cmat_error err = {0};
    if (cmat_env_dry_run(env, reply, &facts, &err) != CMAT_OK)
        fail_msg("%s: %s", name, err.msg);
    hostile_check_text(name, &facts.text, CMAT_FACTS_MAX);
    if (cmat_env_step(env, reply, &obs, &err) != CMAT_OK)
        fail_msg("%s: %s", name, err.msg);
    hostile_check(name, &obs, budget);
    cmat_facts_clear(&facts);
    cmat_obs_clear(&obs);
}

static void play_db(const char *path, const char *style, const hostile_text *h)
{
    const bool bench = style && !strcmp(style, "agentbench");
    /* AgentBench's 800 characters have at most 3,200 bytes. */
    const size_t budget = bench ? 3200 : 600;
    static const char *const statements[] = {"SELECT * FROM t",
                                             "SELECT c, count(*) FROM t GROUP BY c",
                                             "SELECT missing FROM t", "SELEC", "SELECT e FROM u"};
    cmat_env *env = NULL;
    cmat_env_options o = {.path = path, .style = style, .max_steps = 100};
    cmat_obs obs = {0};
    cmat_buf b = {0}, data = {0};
    cmat_error err = {0};
    cmat_task t = db_task(h);
    if (cmat_env_open(&env, "db", &o, &err) != CMAT_OK ||
        cmat_env_reset(env, &t, &obs, &err) != CMAT_OK)
        fail_msg("%s: %s", h->name, err.msg);
    hostile_check(h->name, &obs, 0);
    env->ops->prompt(env, &b);
    assert_true(b.len < 8000);
    cmat_prompt_add_data(&data, b.data, b.len);
    hostile_check_data(h->name, cmat_buf_str(&data), data.len);
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        cmat_buf_truncate(&b, 0);
        cmat_buf_printf(&b, bench ? "Action: Operation\n```sql\n%s\n```" : "SQL: %s",
                        statements[i]);
        say(env, h->name, b.data, budget);
    }
    if (!bench && h->len < CELL && strlen(h->text) == h->len) {
        cmat_buf_truncate(&b, 0);
        cmat_buf_printf(&b, "SQL: SELECT \"%s\" FROM t", h->text);
        say(env, h->name, b.data, budget);
        cmat_buf_truncate(&b, 0);
        cmat_buf_printf(&b, "SQL: SELECT c FROM t WHERE d = '%s'", h->text);
        say(env, h->name, b.data, budget);
        say(env, h->name, h->text, budget); /* as a reply; it may end the episode */
    }
    cmat_buf_clear(&b);
    cmat_buf_clear(&data);
    cmat_obs_clear(&obs);
    cmat_task_clear(&t);
    cmat_env_close(env);
}

static void test_db(void **unused)
{
    (void)unused;
    char path[] = "/tmp/cmat-test-hostile-XXXXXX";
    size_t n;
    const hostile_text *h = hostile_texts(&n);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < n; i++) {
        make_database(path, &h[i]);
        play_db(path, NULL, &h[i]);
        play_db(path, "agentbench", &h[i]);
    }
    remove(path);
}

/* A benchmark's task file is as little to be trusted: its table, its texts. */
static void test_db_inline(void **unused)
{
    (void)unused;
    size_t n;
    const hostile_text *h = hostile_texts(&n);
    for (size_t i = 0; i < n; i++) {
        cmat_env *env = NULL;
        cmat_task t = {0};
        cmat_obs obs = {0};
        cmat_error err = {0};
        cmat_env_options o = {.max_steps = 10};
        if (!h[i].utf8 || h[i].len == 0)
            continue;
        const char *name = h[i].len < CELL ? h[i].text : "name";
        json_t *j =
            json_pack("{s:s, s:s, s:s, s:b, s:{s:s, s:{s:[{s:s}, s], s:[[s, s]]}}}", "id", "t",
                      "env", "db", "instruction", h[i].text, "mysql", 1, "table", "table_name",
                      name, "table_info", "columns", "name", name, "other", "rows", h[i].text, "x");
        assert_int_equal(cmat_task_init(&t, j, &err), CMAT_OK);
        json_decref(j);
        assert_int_equal(cmat_env_open(&env, "db", &o, &err), CMAT_OK);
        if (cmat_env_reset(env, &t, &obs, &err) != CMAT_OK)
            fail_msg("%s: %s", h[i].name, err.msg);
        hostile_check(h[i].name, &obs, 0);
        say(env, h[i].name, "SQL: SHOW TABLES", 600);
        say(env, h[i].name, "SQL: SELECT * FROM nothing", 600);
        cmat_obs_clear(&obs);
        cmat_task_clear(&t);
        cmat_env_close(env);
    }
}

/* ---- house ---- */

/* A game's file whose answers hold the text; the caller's to free(). */
static char *game_with(const hostile_text *h, const json_t *house)
{
    static const char hook[] = "You are in the middle of a room.";
    cmat_buf grammar = {0};
    json_t *quoted = json_stringn(h->text, h->len);
    char *text = json_dumps(quoted, JSON_ENCODE_ANY);
    const char *at = strstr(house_grammar_text, hook);
    json_t *j = house_spec_game(house, NULL);
    assert_non_null(at);
    assert_non_null(j);
    cmat_buf_add(&grammar, house_grammar_text, (size_t)(at - house_grammar_text));
    cmat_buf_add(&grammar, text + 1, strlen(text) - 2); /* without its quotes */
    cmat_buf_puts(&grammar, at + sizeof hook - 1);
    json_object_set_new(j, "grammar", json_stringn(grammar.data, grammar.len));
    char *file = json_dumps(j, 0);
    json_decref(j);
    json_decref(quoted);
    free(text);
    cmat_buf_clear(&grammar);
    return file;
}

static void play_house(cmat_env *env, const cmat_task *t, const hostile_text *h)
{
    cmat_obs obs = {0};
    cmat_error err = {0};
    if (cmat_env_reset(env, t, &obs, &err) == CMAT_OK) {
        hostile_check(h->name, &obs, 0);
        say(env, h->name, "look", 0);
        say(env, h->name, "inventory", 0);
        if (h->len > 0 && strlen(h->text) == h->len)
            say(env, h->name, h->text, 0);
    } else if (!*err.msg || strchr(err.msg, '\n')) {
        fail_msg("%s: no one-line error", h->name);
    }
    cmat_obs_clear(&obs);
}

static void test_house(void **unused)
{
    (void)unused;
    char dir[] = "/tmp/cmat-test-hostile-XXXXXX";
    size_t n;
    const hostile_text *h = hostile_texts(&n);
    cmat_task_list made = {0};
    cmat_error err = {0};
    assert_non_null(mkdtemp(dir));
    char *path = cmat_path_join(dir, "game.tw-pddl");
    assert_int_equal(house_generate(0, 1, 7, &made, &err), CMAT_OK);
    for (size_t i = 0; i < n; i++) {
        cmat_env *env = NULL;
        cmat_task_list l = {0};
        if (!h[i].utf8)
            continue;
        assert_int_equal(cmat_env_open(&env, "house", NULL, &err), CMAT_OK);
        /* in the goal's words */
        json_t *j = json_deep_copy(made.items[0].json);
        json_object_set_new(json_object_get(j, "house"), "text", json_string(h[i].text));
        cmat_task t = {0};
        assert_int_equal(cmat_task_init(&t, j, &err), CMAT_OK);
        play_house(env, &t, &h[i]);
        cmat_task_clear(&t);
        /* in what a game's file makes the world say */
        char *file = game_with(&h[i], json_object_get(made.items[0].json, "house"));
        assert_int_equal(cmat_write_file(path, file, strlen(file), &err), CMAT_OK);
        if (cmat_env_import(env->ops, dir, &l, &err) == CMAT_OK)
            play_house(env, &l.items[0], &h[i]);
        free(file);
        json_decref(j);
        cmat_task_list_clear(&l);
        cmat_env_close(env);
    }
    remove(path);
    remove(dir);
    free(path);
    cmat_task_list_clear(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inert),
        cmocka_unit_test(test_db),
        cmocka_unit_test(test_db_inline),
        cmocka_unit_test(test_house),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
